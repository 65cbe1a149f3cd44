// SPDX-License-Identifier: GPL-2.0-or-later
/* The process for names: what it may not do, what it answers, and which names it lets pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lookup.h"

static void only_names_of_letters_digits_dots_and_dashes_pass(void **state)
{
	static const struct {
		const char *name;
		bool fine;
	} rows[] = {
		{ "host.example", true }, { "HOST_1-a.example.", true }, { "a", true },
		{ "xn--bcher-kva.example", true }, { "2001.db8.example", true },
		{ "", false }, { "a b", false }, { "a\nb", false }, { "a:b", false },
		{ "a%b", false }, { "a(b)", false }, { "\x1b[31m", false }, { "b\xc3\xbc", false },
		/* Not to be taken for an address. */
		{ "192.0.2.7", false }, { "7", false }, { "-", false }, { "1-2_3", false },
	};
	char longest[LOOKUP_NAME_MAX], longer[LOOKUP_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (lookup_name_fine(rows[i].name) != rows[i].fine)
			fail_msg("'%s'", rows[i].name);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_true(lookup_name_fine(longest));
	assert_false(lookup_name_fine(longer));
}

static struct source localhost(void)
{
	static const uint8_t bytes[4] = { 127, 0, 0, 1 };
	struct source source = { .family = 4, .stream = 3 };

	memcpy(source.word_be, bytes, sizeof(bytes));
	return source;
}

static __u64 soon(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec + 60) * 1000000000ULL;
}

static int names_start(void)
{
	int fd = lookup_start();

	if (fd == -EPERM || geteuid()) {
		puts("SKIP lookup: not root");
		exit(77);
	}
	assert_return_code(fd, -fd);
	return fd;
}

/* The file /proc/PID/NAME of the one child of this process. */
static void child_read(const char *name, char *text, size_t size, pid_t *pid)
{
	char path[128];
	size_t len;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	in = fopen(path, "re");
	assert_non_null(in);
	assert_int_equal(fscanf(in, "%d", pid), 1);
	fclose(in);
	snprintf(path, sizeof(path), "/proc/%d/%s", *pid, name);
	in = fopen(path, "re");
	assert_non_null(in);
	len = fread(text, 1, size - 1, in);
	text[len] = '\0';
	fclose(in);
}

static void child_reap(void)
{
	int status;

	assert_true(waitpid(-1, &status, 0) > 0);
	assert_int_equal(status, 0);
}

static void it_has_no_power_and_ends_with_the_channel(void **state)
{
	static const char *const lines[] = {
		"\nUid:\t65534\t65534\t65534\t65534\n", "\nGid:\t65534\t65534\t65534\t65534\n",
		"\nGroups:\t \n", "\nCapInh:\t0000000000000000\n",
		"\nCapPrm:\t0000000000000000\n", "\nCapEff:\t0000000000000000\n",
		"\nCapBnd:\t0000000000000000\n", "\nCapAmb:\t0000000000000000\n",
		"\nNoNewPrivs:\t1\n",
	};
	int fd = names_start();
	char text[8192];
	pid_t pid;

	(void)state;
	child_read("status", text, sizeof(text), &pid);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		if (!strstr(text, lines[i]))
			fail_msg("not%sbut%s", lines[i], text);
	close(fd);
	child_reap();
}

static void it_keeps_no_descriptor_but_its_own(void **state)
{
	int secret = open("/dev/null", O_RDONLY), fd = names_start();
	char path[64], text[64];
	pid_t pid;

	(void)state;
	child_read("stat", text, sizeof(text), &pid);
	for (int i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, i);
		assert_int_equal(readlink(path, text, sizeof(text)) > 0, i <= STDERR_FILENO + 1);
	}
	close(secret);
	close(fd);
	child_reap();
}

static void it_answers_with_the_name(void **state)
{
	struct source source = localhost();
	struct lookup_answer answer;
	int fd = names_start();
	struct pollfd ready = { .fd = fd, .events = POLLIN };

	(void)state;
	assert_int_equal(lookup_hear(fd, &answer), -EAGAIN);
	assert_true(lookup_ask(fd, &source, soon()));
	assert_int_equal(poll(&ready, 1, 20000), 1);
	assert_int_equal(lookup_hear(fd, &answer), 1);
	assert_memory_equal(&answer.source, &source, sizeof(source));
	assert_string_equal(answer.name, "localhost");
	close(fd);
	child_reap();
}

static void what_nobody_waits_for_any_more_is_not_looked_up(void **state)
{
	struct source late = localhost(), source = localhost();
	struct lookup_answer answer;
	int fd = names_start();
	struct pollfd ready = { .fd = fd, .events = POLLIN };

	(void)state;
	late.stream = 9;
	assert_true(lookup_ask(fd, &late, 1));
	assert_true(lookup_ask(fd, &source, soon()));
	assert_int_equal(poll(&ready, 1, 20000), 1);
	assert_int_equal(lookup_hear(fd, &answer), 1);
	assert_int_equal(answer.source.stream, source.stream);
	close(fd);
	child_reap();
}

/* Whoever has taken the process over can say what he likes. */
static void what_it_says_is_not_believed(void **state)
{
	struct lookup_answer evil = { .source = localhost(), .name = "a: b: OPEN SESAME" };
	struct lookup_answer answer = { .name = "untouched" };
	int ends[2];

	(void)state;
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), errno);
	assert_int_equal(send(ends[1], &evil, sizeof(evil), 0), sizeof(evil));
	assert_int_equal(lookup_hear(ends[0], &answer), -EPROTO);
	memset(evil.name, 'a', sizeof(evil.name));
	assert_int_equal(send(ends[1], &evil, sizeof(evil) - 1, 0), sizeof(evil) - 1);
	assert_int_equal(lookup_hear(ends[0], &answer), -EPROTO);
	assert_string_equal(answer.name, "untouched");
	assert_int_equal(send(ends[1], &evil, sizeof(evil), 0), sizeof(evil));
	assert_int_equal(lookup_hear(ends[0], &answer), 1);
	assert_int_equal(strlen(answer.name), LOOKUP_NAME_MAX - 1);
	close(ends[1]);
	assert_int_equal(lookup_hear(ends[0], &answer), 0);
	close(ends[0]);
}

static void who_does_not_answer_is_not_waited_for(void **state)
{
	struct source source = localhost();
	int ends[2], taken = 0;

	(void)state;
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), errno);
	while (taken < 100000 && lookup_ask(ends[0], &source, soon()))
		taken++;
	assert_in_range(taken, 1, 99999);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_names_of_letters_digits_dots_and_dashes_pass),
		cmocka_unit_test(what_it_says_is_not_believed),
		cmocka_unit_test(who_does_not_answer_is_not_waited_for),
		cmocka_unit_test(it_has_no_power_and_ends_with_the_channel),
		cmocka_unit_test(it_keeps_no_descriptor_but_its_own),
		cmocka_unit_test(it_answers_with_the_name),
		cmocka_unit_test(what_nobody_waits_for_any_more_is_not_looked_up),
	};

	return cmocka_run_group_tests_name("lookup", tests, NULL, NULL);
}
