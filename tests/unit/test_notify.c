// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "notify.h"

/* A service manager's end: bound to @len bytes of @path. */
static int manager_open(const char *path, size_t len)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path, path, len);
	assert_true(fd >= 0);
	assert_return_code(bind(fd, (struct sockaddr *)&address,
				offsetof(struct sockaddr_un, sun_path) + len), errno);
	return fd;
}

static void assert_told(int manager, const char *expected)
{
	char text[4096] = "";
	ssize_t got = recv(manager, text, sizeof(text) - 1, 0);

	assert_return_code(got, errno);
	assert_string_equal(text, expected);
}

static void a_path_is_told(void **state)
{
	char folder[] = "/tmp/knockd-notify-XXXXXX", path[64];
	int manager, fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/notify", folder);
	manager = manager_open(path, strlen(path) + 1);
	setenv("NOTIFY_SOCKET", path, 1);
	fd = notify_open();
	assert_return_code(fd, -fd);
	notify_send(fd, "READY=1\nSTATUS=%s: %s", "eth0", "guarded");
	assert_told(manager, "READY=1\nSTATUS=eth0: guarded");
	notify_send(fd, "STOPPING=1");
	assert_told(manager, "STOPPING=1");
	unlink(path);
	rmdir(folder);
	close(fd);
	close(manager);
}

/* Abstract names of this process, of @len bytes with the first, in @name as the variable has it. */
static int abstract_open(char *name, size_t len)
{
	char bound[sizeof(((struct sockaddr_un *)NULL)->sun_path)] = "";
	int manager;

	memset(name, 'x', len);
	name[len] = '\0';
	memcpy(name, "@", 1);
	name[1 + snprintf(name + 1, len - 1, "knockd-%d", getpid())] = '-';
	memcpy(bound + 1, name + 1, len - 1);
	manager = manager_open(bound, len);
	setenv("NOTIFY_SOCKET", name, 1);
	return manager;
}

static void an_abstract_name_is_told_up_to_the_longest(void **state)
{
	static const size_t lengths[] = { 30, 107, 108 };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		char name[128];
		int manager = abstract_open(name, lengths[i]), fd = notify_open();

		assert_return_code(fd, -fd);
		notify_send(fd, "STATUS=%zu", lengths[i]);
		snprintf(name, sizeof(name), "STATUS=%zu", lengths[i]);
		assert_told(manager, name);
		close(fd);
		close(manager);
	}
}

static void a_name_that_cannot_be_one_is_refused(void **state)
{
	static const struct {
		char first;
		size_t len;
		int result;
	} rows[] = {
		{ '/', 107, -ENOENT }, /* would fit, but is not there */
		{ '/', 108, -ENAMETOOLONG },
		{ '/', 5000, -ENAMETOOLONG },
		{ '@', 108, -ECONNREFUSED },
		{ '@', 109, -ENAMETOOLONG },
		{ 'v', 10, -EAFNOSUPPORT },
		{ '\0', 1, -EAFNOSUPPORT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char name[5001];
		int result;

		memset(name, 'n', rows[i].len);
		name[rows[i].len] = '\0';
		name[0] = rows[i].first;
		setenv("NOTIFY_SOCKET", name, 1);
		result = notify_open();
		if (result != rows[i].result)
			fail_msg("'%c' and %zu bytes: %d", rows[i].first, rows[i].len, result);
		assert_null(getenv("NOTIFY_SOCKET"));
	}
}

static void nobody_asking_is_no_socket_and_no_message(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_open(), -ENOENT);
	notify_send(-ENOENT, "READY=1");
}

static void children_do_not_inherit(void **state)
{
	char name[128];
	int manager = abstract_open(name, 30), fd = notify_open();

	(void)state;
	assert_return_code(fd, -fd);
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	close(manager);
}

static void a_long_message_is_cut(void **state)
{
	char name[128], expected[1024], text[4096];
	int manager = abstract_open(name, 30), fd = notify_open();

	(void)state;
	assert_return_code(fd, -fd);
	memset(text, 'n', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	snprintf(expected, sizeof(expected), "STATUS=%.*s", (int)(sizeof(expected) - 8), text);
	notify_send(fd, "STATUS=%s", text);
	assert_told(manager, expected);
	close(fd);
	close(manager);
}

/* With a manager that does not read, its queue fills; with none, sending fails by a signal. */
static void a_manager_that_hangs_or_dies_costs_a_second_at_most(void **state)
{
	char name[128];
	int manager = abstract_open(name, 30), fd = notify_open(), sent = 0;
	struct timespec start, end;

	(void)state;
	assert_return_code(fd, -fd);
	while (send(fd, "full", 4, MSG_DONTWAIT | MSG_NOSIGNAL) == 4)
		sent++;
	assert_int_equal(errno, EAGAIN);
	assert_true(sent > 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	notify_send(fd, "STATUS=waiting");
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_in_range(end.tv_sec - start.tv_sec, 1, 5);
	close(manager);
	notify_send(fd, "STATUS=dead");
	close(fd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_is_told),
		cmocka_unit_test(an_abstract_name_is_told_up_to_the_longest),
		cmocka_unit_test(a_name_that_cannot_be_one_is_refused),
		cmocka_unit_test(nobody_asking_is_no_socket_and_no_message),
		cmocka_unit_test(children_do_not_inherit),
		cmocka_unit_test(a_long_message_is_cut),
		cmocka_unit_test(a_manager_that_hangs_or_dies_costs_a_second_at_most),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
