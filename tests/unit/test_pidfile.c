// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pidfile.h"

static char folder[] = "/tmp/knockd-pidfile-XXXXXX";
static char path[64], other[64];

static int folder_make(void **state)
{
	(void)state;
	strcpy(folder + sizeof(folder) - 7, "XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/pid", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	return 0;
}

static int folder_remove(void **state)
{
	(void)state;
	unlink(path);
	unlink(other);
	return rmdir(folder); /* and nothing else was left in it */
}

static void file_make(const char *name, const char *text)
{
	FILE *out = fopen(name, "we");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void assert_holds(const char *name, const char *expected)
{
	char text[64] = "";
	FILE *in = fopen(name, "re");

	assert_non_null(in);
	assert_int_equal(fread(text, 1, sizeof(text) - 1, in), strlen(expected));
	fclose(in);
	assert_string_equal(text, expected);
}

static void it_holds_the_id_and_a_newline_and_all_can_read_it(void **state)
{
	struct stat seen;
	mode_t mask = umask(022);

	(void)state;
	assert_int_equal(pidfile_write(path, 4711), 0);
	umask(mask);
	assert_holds(path, "4711\n");
	assert_return_code(stat(path, &seen), errno);
	assert_int_equal(seen.st_mode & 07777, 0644);
}

static void one_that_is_there_is_replaced(void **state)
{
	(void)state;
	file_make(path, "1234567890\nand more\n");
	assert_int_equal(pidfile_write(path, 7), 0);
	assert_holds(path, "7\n");
}

static void a_symbolic_link_is_replaced_and_not_followed(void **state)
{
	struct stat seen;

	(void)state;
	file_make(other, "precious");
	assert_return_code(symlink(other, path), errno);
	assert_int_equal(pidfile_write(path, 7), 0);
	assert_holds(other, "precious");
	assert_return_code(lstat(path, &seen), errno);
	assert_true(S_ISREG(seen.st_mode));
	assert_holds(path, "7\n");
}

static void a_link_laid_in_its_way_is_not_followed_either(void **state)
{
	char beside[80];

	(void)state;
	snprintf(beside, sizeof(beside), "%s.new", path);
	file_make(other, "precious");
	assert_return_code(symlink(other, beside), errno);
	assert_int_equal(pidfile_write(path, 7), 0);
	assert_holds(other, "precious");
	assert_holds(path, "7\n");
}

static void what_cannot_be_written_is_told_and_leaves_nothing(void **state)
{
	char missing[80], deep[PATH_MAX + 1];

	(void)state;
	snprintf(missing, sizeof(missing), "%s/none/pid", folder);
	assert_int_equal(pidfile_write(missing, 7), -ENOENT);
	memset(deep, '/', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	assert_int_equal(pidfile_write(deep, 7), -ENAMETOOLONG);
	assert_return_code(mkdir(path, 0755), errno);
	assert_int_equal(pidfile_write(path, 7), -EISDIR);
	assert_return_code(rmdir(path), errno);
}

static void only_ones_own_is_removed(void **state)
{
	static const char *const others[] = { "47110\n", "471\n", "4712\n", "4711 \n", "4711", "" };

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		file_make(path, others[i]);
		pidfile_remove(path, 4711);
		assert_holds(path, others[i]);
	}
	assert_int_equal(pidfile_write(path, 4711), 0);
	pidfile_remove(path, 4711);
	assert_int_equal(access(path, F_OK), -1);
	/* There is none any more, which does no harm. */
	pidfile_remove(path, 4711);
}

static void what_is_no_file_is_neither_removed_nor_waited_for(void **state)
{
	(void)state;
	assert_return_code(mkfifo(path, 0600), errno);
	pidfile_remove(path, 4711);
	assert_return_code(unlink(path), errno);
	file_make(other, "4711\n");
	assert_return_code(symlink(other, path), errno);
	pidfile_remove(path, 4711);
	assert_holds(other, "4711\n");
	assert_return_code(access(path, F_OK), errno);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)
		TEST(it_holds_the_id_and_a_newline_and_all_can_read_it),
		TEST(one_that_is_there_is_replaced),
		TEST(a_symbolic_link_is_replaced_and_not_followed),
		TEST(a_link_laid_in_its_way_is_not_followed_either),
		TEST(what_cannot_be_written_is_told_and_leaves_nothing),
		TEST(only_ones_own_is_removed),
		TEST(what_is_no_file_is_neither_removed_nor_waited_for),
#undef TEST
	};

	return cmocka_run_group_tests_name("pidfile", tests, NULL, NULL);
}
