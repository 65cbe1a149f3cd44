// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The file of one-time sequences: what is in force, what a mark leaves, and that a crash at any
 * step of marking leaves the old file or the new one. To crash, the functions of the C library that
 * change files are replaced below.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "onetime.h"

/* ---- steps that may be the last ---- */

static unsigned int steps_left; /* 0: any number */
static int steps_error;         /* the last step fails so; 0: the process dies before it */

/* Return: whether this step fails. */
static bool step_fails(void)
{
	if (!steps_left || --steps_left)
		return false;
	if (!steps_error)
		kill(getpid(), SIGKILL);
	errno = steps_error;
	return true;
}

ssize_t write(int fd, const void *bytes, size_t len)
{
	return step_fails() ? -1 : syscall(SYS_write, fd, bytes, len);
}

int fsync(int fd)
{
	return step_fails() ? -1 : syscall(SYS_fsync, fd);
}

int fchown(int fd, uid_t owner, gid_t group)
{
	return step_fails() ? -1 : syscall(SYS_fchown, fd, owner, group);
}

int fchmod(int fd, mode_t mode)
{
	return step_fails() ? -1 : syscall(SYS_fchmod, fd, mode);
}

int renameat(int old_folder, const char *old, int new_folder, const char *new)
{
	return step_fails() ? -1 : syscall(SYS_renameat2, old_folder, old, new_folder, new, 0);
}

int unlinkat(int folder, const char *path, int flags)
{
	return step_fails() ? -1 : syscall(SYS_unlinkat, folder, path, flags);
}

/* ---- a folder with a file ---- */

struct place {
	char folder[64], file[96];
	struct conf_door door;
	struct messages messages;
};

static int place_make(void **state)
{
	static struct place place;

	strcpy(place.folder, "/tmp/knockd-onetime-XXXXXX");
	assert_non_null(mkdtemp(place.folder));
	snprintf(place.file, sizeof(place.file), "%s/sequences", place.folder);
	place.door = (struct conf_door){ .name = "ssh", .one_time_file = place.file,
					 .one_time_at = 7 };
	messages_init(&place.messages, "knockd.conf");
	steps_left = 0;
	*state = &place;
	return 0;
}

static int place_end(void **state)
{
	struct place *place = *state;
	char command[128];

	messages_free(&place->messages);
	snprintf(command, sizeof(command), "rm -r %s", place->folder);
	return system(command);
}

static void file_put(const char *path, const char *text, size_t len)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, len, out), len);
	assert_int_equal(fclose(out), 0);
}

struct content {
	char text[256];
};

static struct content file_get(const char *path)
{
	struct content content = { "" };
	FILE *in = fopen(path, "r");

	assert_non_null(in);
	content.text[fread(content.text, 1, sizeof(content.text) - 1, in)] = '\0';
	fclose(in);
	return content;
}

static void expect_file(const char *path, const char *expected)
{
	assert_string_equal(file_get(path).text, expected);
}

static void expect_alone(const struct place *place)
{
	char command[160];

	snprintf(command, sizeof(command), "test \"$(ls -A %s)\" = sequences", place->folder);
	assert_int_equal(system(command), 0);
}

/* Put @text there, read it, and compare what is in force: line and first port. */
static void expect_force(struct place *place, const char *text, unsigned int line,
			 unsigned int port)
{
	file_put(place->file, text, strlen(text));
	assert_int_equal(onetime_read(&place->door, &place->messages), 0);
	assert_int_equal(place->door.one_time_line, line);
	assert_int_equal(place->door.sequence.len ? place->door.sequence.knock[0].number : 0,
			 port);
}

static void expect_marked(struct place *place, const char *before, const char *after)
{
	file_put(place->file, before, strlen(before));
	assert_int_equal(onetime_read(&place->door, &place->messages), 0);
	assert_int_equal(onetime_mark(&place->door), 0);
	expect_file(place->file, after);
	expect_alone(place);
}

/* ---- reading ---- */

static void the_first_line_that_is_not_marked_is_in_force(void **state)
{
	struct place *place = *state;

	expect_force(place, " 7000,8000:udp\n 9000\n", 1, 7000);
	assert_int_equal(place->door.sequence.len, 2);
	assert_int_equal(place->door.sequence.knock[1].proto, CONF_UDP);
	expect_force(place, "# a list\n\n#7000,8000\n   \n 9000,1\n", 5, 9000);
	expect_force(place, "  # indented\n7000", 2, 7000);
	expect_force(place, "\r\n 7000,8000\r\n", 2, 7000);
	expect_force(place, "\t7000 , 8000\n", 1, 7000);
	assert_int_equal(place->messages.errors + place->messages.warnings, 0);
}

static void a_line_that_is_no_sequence_is_skipped_and_named(void **state)
{
	struct place *place = *state;

	expect_force(place, "7000,80a0\n7000;8000\n0\n 7001,8000\n", 4, 7001);
	assert_int_equal(place->messages.warnings, 3);
	assert_int_equal(place->messages.at[0].line, 7);
	assert_non_null(strstr(place->messages.at[0].text, "line 1"));
	/* What may be a secret is not shown. */
	for (size_t i = 0; i < place->messages.count; i++) {
		assert_null(strstr(place->messages.at[i].text, "7000"));
		assert_null(strstr(place->messages.at[i].text, "8000"));
	}
}

static void an_empty_list_leaves_the_door_without_a_sequence(void **state)
{
	struct place *place = *state;

	expect_force(place, "", 0, 0);
	expect_force(place, "#7000\n\n", 0, 0);
	assert_int_equal(place->messages.errors, 0);
	assert_int_equal(place->messages.warnings, 2);
}

static void a_list_that_cannot_be_read_is_an_error(void **state)
{
	struct place *place = *state;
	size_t len = (1 << 20) + 1;
	char *big = malloc(len);

	assert_int_equal(onetime_read(&place->door, &place->messages), -ENOENT);
	assert_int_equal(onetime_mark(&place->door), -ENOENT);
	assert_int_equal(mkdir(place->file, 0700), 0);
	assert_int_equal(onetime_read(&place->door, &place->messages), -EINVAL);
	assert_int_equal(rmdir(place->file), 0);
	assert_int_equal(mkfifo(place->file, 0600), 0);
	assert_int_equal(onetime_read(&place->door, &place->messages), -EINVAL);
	assert_int_equal(unlink(place->file), 0);
	memset(big, '#', len);
	file_put(place->file, big, len);
	assert_int_equal(onetime_read(&place->door, &place->messages), -EFBIG);
	assert_int_equal(place->messages.errors, 4);
	big[len - 7] = '\n';
	memcpy(big + len - 6, "7000\n", 5);
	file_put(place->file, big, len - 1);
	assert_int_equal(onetime_read(&place->door, &place->messages), 0);
	assert_int_equal(place->door.one_time_line, 2);
	free(big);
}

static void a_line_with_a_nul_byte_is_no_sequence(void **state)
{
	struct place *place = *state;

	file_put(place->file, "7000\0\n8000\n", 11);
	assert_int_equal(onetime_read(&place->door, &place->messages), 0);
	assert_int_equal(place->door.one_time_line, 2);
}

/* ---- marking ---- */

static void a_mark_takes_the_place_of_the_first_blank_or_stands_before(void **state)
{
	struct place *place = *state;

	expect_marked(place, " 7000,8000\n 9000\n", "#7000,8000\n 9000\n");
	expect_marked(place, "7000,8000\n9000\n", "#7000,8000\n9000\n");
	expect_marked(place, "  7000\n", "# 7000\n");
	expect_marked(place, "\t7000\n", "#7000\n");
	expect_marked(place, "7000", "#7000");
	expect_marked(place, " 7000", "#7000");
	expect_marked(place, " 7000\r\n 8000\r\n", "#7000\r\n 8000\r\n");
	expect_marked(place, "#1\n\n 7000\n 7000\n", "#1\n\n#7000\n 7000\n");
}

static void a_wrong_line_before_it_does_not_take_the_mark(void **state)
{
	expect_marked(*state, "junk\n 7000,80a0\n 7000,8000\n 9000\n",
		      "junk\n 7000,80a0\n#7000,8000\n 9000\n");
}

static void a_list_that_was_edited_is_marked_where_the_sequence_went(void **state)
{
	struct place *place = *state;

	expect_force(place, " 7000\n 8000\n", 1, 7000);
	file_put(place->file, " 9000\n 8000\n 7000\n 7000\n", 24);
	assert_int_equal(onetime_mark(&place->door), 0);
	expect_file(place->file, " 9000\n 8000\n#7000\n 7000\n");
	/* On its line, although an earlier one has it too. */
	expect_force(place, "#1\n 7000\n", 2, 7000);
	file_put(place->file, " 7000\n 7000\n", 12);
	assert_int_equal(onetime_mark(&place->door), 0);
	expect_file(place->file, " 7000\n#7000\n");
	/* Not on its line any more: where it is first. */
	expect_force(place, "#1\n#2\n 7000\n", 3, 7000);
	file_put(place->file, " 7000\n 7000\n 8000\n", 18);
	assert_int_equal(onetime_mark(&place->door), 0);
	expect_file(place->file, "#7000\n 7000\n 8000\n");
	/* Nowhere any more. */
	file_put(place->file, "#7000\n 7000,8000\n 8000\n", 23);
	assert_int_equal(onetime_mark(&place->door), 0);
	expect_file(place->file, "#7000\n 7000,8000\n 8000\n");
}

static void each_mark_brings_the_next_until_none_is_left(void **state)
{
	struct place *place = *state;

	expect_marked(place, " 1\n 2:udp\n3:icmp", "#1\n 2:udp\n3:icmp");
	assert_int_equal(onetime_read(&place->door, &place->messages), 0);
	assert_int_equal(place->door.one_time_line, 2);
	assert_int_equal(onetime_mark(&place->door), 0);
	assert_int_equal(onetime_read(&place->door, &place->messages), 0);
	assert_int_equal(onetime_mark(&place->door), 0);
	expect_file(place->file, "#1\n#2:udp\n#3:icmp");
	assert_int_equal(onetime_read(&place->door, &place->messages), 0);
	assert_int_equal(place->door.one_time_line, 0);
}

static void owner_mode_and_link_stay(void **state)
{
	struct place *place = *state;
	char real[128];
	struct stat file;

	snprintf(real, sizeof(real), "%s/real", place->folder);
	file_put(real, " 7000\n", 6);
	assert_int_equal(chmod(real, 0640), 0);
	if (!geteuid())
		assert_int_equal(chown(real, 1234, 2345), 0);
	assert_int_equal(symlink("real", place->file), 0);
	assert_int_equal(onetime_read(&place->door, &place->messages), 0);
	assert_int_equal(onetime_mark(&place->door), 0);
	assert_int_equal(lstat(place->file, &file), 0);
	assert_true(S_ISLNK(file.st_mode));
	assert_int_equal(lstat(real, &file), 0);
	assert_int_equal(file.st_mode, S_IFREG | 0640);
	if (!geteuid()) {
		assert_int_equal(file.st_uid, 1234);
		assert_int_equal(file.st_gid, 2345);
	}
	expect_file(real, "#7000\n");
}

enum { STEPS_MAX = 20 };

static const char before[] = "junk\n 7000,8000\n 9000\n", after[] = "junk\n#7000,8000\n 9000\n";

/* Mark with a crash at @step. Return: whether it came to that step. */
static bool mark_crashes(const struct place *place, unsigned int step)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		steps_left = step;
		_exit(onetime_mark(&place->door) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status);
}

static void a_crash_at_any_step_leaves_the_old_list_or_the_new_one(void **state)
{
	struct place *place = *state;
	unsigned int step = 1, old = 0;
	bool crashed = true;

	for (; crashed; step++) {
		struct content content;

		assert_true(step < STEPS_MAX);
		expect_force(place, before, 2, 7000);
		crashed = mark_crashes(place, step);
		content = file_get(place->file);
		if (strcmp(content.text, before))
			assert_string_equal(content.text, after);
		else
			old++;
		/* And the next one goes on from there. */
		steps_left = 0;
		assert_int_equal(onetime_mark(&place->door), 0);
		expect_file(place->file, after);
		expect_alone(place);
	}
	assert_true(old >= 7);
}

/* How often marking @list fails when each of its steps does, once; the list is whole each time. */
static unsigned int mark_failures(struct place *place, const char *list, const char *marked,
				  unsigned int *unmarked)
{
	unsigned int failed = 0;

	*unmarked = 0;
	steps_error = EIO;
	for (unsigned int step = 1; step < STEPS_MAX; step++) {
		struct content content;

		expect_force(place, list, 2, 7000);
		steps_left = step;
		failed += onetime_mark(&place->door) != 0;
		steps_left = 0;
		content = file_get(place->file);
		*unmarked += strcmp(content.text, marked) != 0;
		if (strcmp(content.text, marked))
			assert_string_equal(content.text, list);
		expect_alone(place);
	}
	steps_error = 0;
	return failed;
}

static void a_failure_at_any_step_is_told_and_leaves_the_list_whole(void **state)
{
	struct place *place = *state;
	unsigned int unmarked;

	/* Whether the folder is on the disk is the one that comes after the fact. */
	assert_int_equal(mark_failures(place, "junk\n7000,8000\n 9000\n",
				       "junk\n#7000,8000\n 9000\n", &unmarked), 7);
	assert_int_equal(unmarked, 6);
}

/* The blank becomes the mark where the file cannot be replaced. */
static void a_line_that_begins_with_a_blank_is_marked_in_place(void **state)
{
	struct place *place = *state;
	unsigned int unmarked;

	assert_int_equal(mark_failures(place, before, after, &unmarked), 1);
	assert_int_equal(unmarked, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, place_make, place_end)
	const struct CMUnitTest tests[] = {
		TEST(the_first_line_that_is_not_marked_is_in_force),
		TEST(a_line_that_is_no_sequence_is_skipped_and_named),
		TEST(an_empty_list_leaves_the_door_without_a_sequence),
		TEST(a_list_that_cannot_be_read_is_an_error),
		TEST(a_line_with_a_nul_byte_is_no_sequence),
		TEST(a_mark_takes_the_place_of_the_first_blank_or_stands_before),
		TEST(a_wrong_line_before_it_does_not_take_the_mark),
		TEST(a_list_that_was_edited_is_marked_where_the_sequence_went),
		TEST(each_mark_brings_the_next_until_none_is_left),
		TEST(owner_mode_and_link_stay),
		TEST(a_crash_at_any_step_leaves_the_old_list_or_the_new_one),
		TEST(a_failure_at_any_step_is_told_and_leaves_the_list_whole),
		TEST(a_line_that_begins_with_a_blank_is_marked_in_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
