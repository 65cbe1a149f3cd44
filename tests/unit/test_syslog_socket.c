// SPDX-License-Identifier: GPL-2.0-or-later
/* What syslog is told, and that nobody is waited for. A write that waited would never end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "syslog_socket.h"

enum { WHEN = 1770177845, /* 2026-02-04 04:04:05 UTC */ LINES_MAX = 100000 };

#define HEAD "<13>Feb  4 04:04:05 knockd: "

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static struct syslog_socket syslog_socket;

static int reader_open(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_return_code(fd, errno);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	return fd;
}

static void reader_close(int fd)
{
	close(fd);
	unlink(address.sun_path);
}

static void write_line(const char *line)
{
	syslog_socket_write(&syslog_socket, WHEN, line);
}

static void assert_read(int reader, const char *expected)
{
	char text[4096] = "";

	assert_return_code(recv(reader, text, sizeof(text) - 1, 0), errno);
	assert_string_equal(text, expected);
}

static void assert_nothing_more(int reader)
{
	char byte;

	assert_int_equal(recv(reader, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

/* Writes until a line is not taken. Return: how many were. */
static unsigned int fill(void)
{
	unsigned int lines = 0;

	while (!syslog_socket.unsaid && lines++ < LINES_MAX)
		write_line("filler");
	assert_int_equal(syslog_socket.unsaid, 1);
	return lines - 1;
}

static int begin(void **state)
{
	(void)state;
	syslog_socket_open(&syslog_socket, address.sun_path);
	return syslog_socket.fd < 0;
}

static int end(void **state)
{
	(void)state;
	syslog_socket_close(&syslog_socket);
	return 0;
}

static void a_line_has_priority_time_and_ident(void **state)
{
	int reader = reader_open();

	(void)state;
	write_line("192.0.2.2: ssh: OPEN SESAME");
	assert_read(reader, HEAD "192.0.2.2: ssh: OPEN SESAME");
	syslog_socket_write(&syslog_socket, WHEN + 15 * 86400, "100%s");
	assert_read(reader, "<13>Feb 19 04:04:05 knockd: 100%s");
	assert_nothing_more(reader);
	reader_close(reader);
}

static void a_reader_that_reads_nothing_is_not_waited_for(void **state)
{
	int reader = reader_open();
	unsigned int taken = fill();

	(void)state;
	write_line("lost");
	write_line("lost");
	for (unsigned int i = 0; i < taken; i++)
		assert_read(reader, HEAD "filler");
	assert_nothing_more(reader);
	write_line("read again");
	assert_read(reader, HEAD "3 lines not logged: nobody read them");
	assert_read(reader, HEAD "read again");
	write_line("next");
	assert_read(reader, HEAD "next");
	assert_nothing_more(reader);
	reader_close(reader);
}

/* There is room for what was counted and none for the line itself: that one is counted next. */
static void a_line_that_does_not_fit_behind_the_count_is_counted(void **state)
{
	int reader = reader_open();
	unsigned int taken = fill();

	(void)state;
	assert_read(reader, HEAD "filler");
	write_line("lost");
	for (unsigned int i = 1; i < taken; i++)
		assert_read(reader, HEAD "filler");
	assert_read(reader, HEAD "1 lines not logged: nobody read them");
	assert_nothing_more(reader);
	write_line("read again");
	assert_read(reader, HEAD "1 lines not logged: nobody read them");
	assert_read(reader, HEAD "read again");
	reader_close(reader);
}

static void a_reader_that_comes_late_or_again_is_found(void **state)
{
	int reader;

	(void)state;
	write_line("nobody is there");
	for (unsigned int i = 0; i < 3; i++) {
		reader = reader_open();
		write_line("first");
		assert_read(reader, HEAD "1 lines not logged: nobody read them");
		assert_read(reader, HEAD "first");
		write_line("second");
		assert_read(reader, HEAD "second");
		reader_close(reader);
		write_line("nobody is there");
	}
}

/* It may hang with its queue full, and another one take its place. */
static void a_reader_that_was_replaced_is_left(void **state)
{
	int old = reader_open(), reader;

	(void)state;
	fill();
	unlink(address.sun_path);
	reader = reader_open();
	write_line("first");
	assert_read(reader, HEAD "1 lines not logged: nobody read them");
	assert_read(reader, HEAD "first");
	close(old);
	reader_close(reader);
}

static void without_a_socket_lines_are_counted(void **state)
{
	(void)state;
	syslog_socket_close(&syslog_socket);
	write_line("lost");
	assert_int_equal(syslog_socket.unsaid, 1);
}

static int folder_make(void **state)
{
	char folder[] = "/tmp/knockd-syslog-XXXXXX";

	(void)state;
	if (setenv("TZ", "UTC", 1) || !mkdtemp(folder))
		return -1;
	tzset();
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/log", folder);
	return 0;
}

static int folder_remove(void **state)
{
	(void)state;
	unlink(address.sun_path);
	*strrchr(address.sun_path, '/') = '\0';
	return rmdir(address.sun_path);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(a_line_has_priority_time_and_ident),
		TEST(a_reader_that_reads_nothing_is_not_waited_for),
		TEST(a_line_that_does_not_fit_behind_the_count_is_counted),
		TEST(a_reader_that_comes_late_or_again_is_found),
		TEST(a_reader_that_was_replaced_is_left),
		TEST(without_a_socket_lines_are_counted),
#undef TEST
	};

	return cmocka_run_group_tests_name("syslog_socket", tests, folder_make, folder_remove);
}
