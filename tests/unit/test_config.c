// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a config names and does not hold: lists of sequences, and which targets are this host's.
 * Holds config.c itself, with lists, addresses and folders that the tests make up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "load.h"
#include "onetime.h"
#include "path.h"

/* The addresses of this host; NULL last. */
static const char *mine[4];
static int mine_error;
static bool forwarding = true;

static bool own_forwards(const char *name)
{
	assert_string_equal(name, "all");
	return forwarding;
}

struct own_address {
	struct ifaddrs entry;
	struct sockaddr_storage address;
};

/* As the system has it: also interfaces without an address, and those of the link layer. */
static int own_get(struct ifaddrs **out)
{
	struct own_address *list = calloc(sizeof(mine) / sizeof(mine[0]) + 2, sizeof(*list));
	size_t count = 2;

	assert_non_null(list);
	if (mine_error) {
		free(list);
		errno = mine_error;
		return -1;
	}
	list[1].address.ss_family = AF_PACKET;
	list[1].entry.ifa_addr = (struct sockaddr *)&list[1].address;
	for (size_t i = 0; mine[i]; i++, count++) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)&list[count].address;
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&list[count].address;

		list[count].entry.ifa_addr = (struct sockaddr *)&list[count].address;
		v4->sin_family = AF_INET;
		if (inet_pton(AF_INET, mine[i], &v4->sin_addr) == 1)
			continue;
		v6->sin6_family = AF_INET6;
		assert_int_equal(inet_pton(AF_INET6, mine[i], &v6->sin6_addr), 1);
	}
	for (size_t i = 0; i + 1 < count; i++)
		list[i].entry.ifa_next = &list[i + 1].entry;
	*out = &list[0].entry;
	return 0;
}

static void own_free(struct ifaddrs *list)
{
	free(list);
}

/* Lists hold one sequence, of as many knocks as their path has bytes; "/missing" is not there. */
static int list_fake(struct conf_door *door, struct messages *messages)
{
	if (strcmp(door->one_time_file, "/missing") == 0) {
		message_add(messages, MESSAGE_ERROR, door->one_time_at, "no such list");
		return -ENOENT;
	}
	door->sequence = (struct conf_sequence){ .len = (unsigned int)strlen(door->one_time_file),
						 .line = door->one_time_at };
	door->one_time_line = 77;
	return 0;
}

static const char *path_fake(const char *path, char room[PATH_MAX])
{
	if (path[0] == '/')
		return path;
	snprintf(room, PATH_MAX, "/start/%s", path);
	return room;
}

static unsigned int hz_fake(void)
{
	return 250;
}

#define getifaddrs own_get
#define freeifaddrs own_free
#define onetime_read list_fake
#define path_absolute path_fake
#define load_hz hz_fake
#define device_forwards own_forwards
#include "../../src/config.c"

static struct messages messages;
static struct conf conf;

/* Parse @text from a file. */
static int text_parse(const char *text)
{
	char path[] = "/tmp/knockd-test-XXXXXX";
	int fd = mkstemp(path), error;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	error = config_parse(path, &conf, &messages);
	unlink(path);
	return error;
}

static int begin(void **state)
{
	(void)state;
	memset(mine, 0, sizeof(mine));
	mine_error = 0;
	messages_init(&messages, "f");
	conf_init(&conf, "f");
	return 0;
}

static int end(void **state)
{
	(void)state;
	conf_free(&conf);
	messages_free(&messages);
	return 0;
}

static void targets_are_remote_unless_this_host_has_them(void **state)
{
	(void)state;
	mine[0] = "192.0.2.1";
	mine[1] = "2001:db8::1";
	assert_int_equal(text_parse("[here]\nSequence=3,1,2\nTarget=192.0.2.1\n"
				    "[there]\nSequence=3,1,2\nTarget=192.0.2.2\n"
				    "[here6]\nSequence=3,1,2\nTarget=2001:db8:0::1\n"
				    "[there6]\nSequence=3,1,2\nTarget=2001:db8::2\n"
				    "[any]\nSequence=3,1,2\n"), 0);
	assert_false(conf.door[0].target.remote);
	assert_true(conf.door[1].target.remote);
	assert_false(conf.door[2].target.remote);
	assert_true(conf.door[3].target.remote);
	assert_false(conf.door[4].target.remote);
}

/* Where an IPv6 address would stand, an IPv4 one has zeros. */
static void an_address_is_compared_with_its_family(void **state)
{
	(void)state;
	mine[0] = "192.0.2.1";
	assert_int_equal(text_parse("[a]\nSequence=3,1,2\nTarget=::\n"), 0);
	assert_true(conf.door[0].target.remote);
}

static void a_target_that_comes_or_goes_is_a_change(void **state)
{
	(void)state;
	assert_int_equal(text_parse("[a]\nSequence=3,1,2\nTarget=192.0.2.1\n"
				    "[b]\nSequence=3,1,2\n"), 0);
	assert_true(conf.door[0].target.remote);
	assert_int_equal(config_targets(&conf), 0);
	mine[0] = "192.0.2.1";
	assert_int_equal(config_targets(&conf), 1);
	assert_false(conf.door[0].target.remote);
	mine[1] = "192.0.2.9";
	assert_int_equal(config_targets(&conf), 0);
	mine[0] = "192.0.2.8";
	assert_int_equal(config_targets(&conf), 1);
	assert_true(conf.door[0].target.remote);
}

static void a_host_that_does_not_forward_has_no_remote_targets(void **state)
{
	(void)state;
	forwarding = false;
	assert_int_equal(text_parse("[a]\nSequence=3,1,2\nTarget=192.0.2.1\n"), 0);
	assert_false(conf.door[0].target.remote);
	forwarding = true;
	assert_int_equal(config_targets(&conf), 1);
	assert_true(conf.door[0].target.remote);
}

static void without_addresses_nothing_changes(void **state)
{
	(void)state;
	mine[0] = "192.0.2.1";
	assert_int_equal(text_parse("[a]\nSequence=3,1,2\nTarget=192.0.2.1\n"), 0);
	mine_error = EMFILE;
	mine[0] = NULL;
	assert_int_equal(config_targets(&conf), -EMFILE);
	assert_false(conf.door[0].target.remote);
	conf_free(&conf);
	assert_int_equal(text_parse("[a]\nSequence=3,1,2\nTarget=192.0.2.1\n"), -EMFILE);
	assert_int_equal(messages.errors, 1);
}

static void the_sequence_in_force_comes_from_the_list(void **state)
{
	(void)state;
	assert_int_equal(text_parse("[a]\nOne_Time_Sequences = /five\n[b]\nSequence = 3,1,2\n"), 0);
	assert_int_equal(conf.door[0].sequence.len, 5);
	assert_int_equal(conf.door[0].one_time_line, 77);
	assert_int_equal(conf.door[1].sequence.len, 3);
}

static void a_relative_list_is_one_of_the_folder_at_the_start(void **state)
{
	(void)state;
	assert_int_equal(text_parse("[a]\nOne_Time_Sequences = a/list\n"), 0);
	assert_string_equal(conf.door[0].one_time_file, "/start/a/list");
	assert_int_equal(conf.door[0].sequence.len, strlen("/start/a/list"));
}

static void all_that_is_wrong_is_said_at_once(void **state)
{
	(void)state;
	assert_int_equal(text_parse("[a]\nOne_Time_Sequences = /missing\n[b]\nSequence = x\n"
				    "[c]\nOne_Time_Sequences = /missing\n"), -EINVAL);
	assert_int_equal(messages.errors, 3);
	end(NULL);
	begin(NULL);
	assert_int_equal(text_parse("[a]\nOne_Time_Sequences = /missing\n"
				    "[b]\nOne_Time_Sequences = /five\n"), -ENOENT);
	assert_int_equal(messages.errors, 1);
	assert_int_equal(conf.door[1].sequence.len, 5);
}

static void a_file_that_is_not_there_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(config_parse("/nonexistent/knockd.conf", &conf, &messages), -ENOENT);
	assert_int_equal(messages.errors, 1);
}

#define CONFIG_TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CONFIG_TEST(targets_are_remote_unless_this_host_has_them),
		CONFIG_TEST(an_address_is_compared_with_its_family),
		CONFIG_TEST(a_target_that_comes_or_goes_is_a_change),
		CONFIG_TEST(a_host_that_does_not_forward_has_no_remote_targets),
		CONFIG_TEST(without_addresses_nothing_changes),
		CONFIG_TEST(the_sequence_in_force_comes_from_the_list),
		CONFIG_TEST(a_relative_list_is_one_of_the_folder_at_the_start),
		CONFIG_TEST(all_that_is_wrong_is_said_at_once),
		CONFIG_TEST(a_file_that_is_not_there_is_an_error),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
