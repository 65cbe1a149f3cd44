// SPDX-License-Identifier: GPL-2.0-or-later
/* Commands: what becomes of %IP% and %DOOR%, when a shell is needed, words and environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

static struct source source_of(const char *address)
{
	struct source source = { .family = strchr(address, ':') ? 6 : 4 };

	assert_int_equal(inet_pton(source.family == 4 ? AF_INET : AF_INET6, address,
				   source.word_be), 1);
	return source;
}

static void expect_expanded(const char *pattern, const char *address, const char *door,
			    const char *expected)
{
	struct source source = source_of(address);
	const struct command_about about = { .door = door, .source = &source };
	char out[COMMAND_MAX + 1] = "";

	assert_int_equal(command_expand(pattern, &about, out), 0);
	assert_string_equal(out, expected);
}

static void placeholders_are_filled_everywhere(void **state)
{
	(void)state;
	expect_expanded("/bin/x", "192.0.2.1", "ssh", "/bin/x");
	expect_expanded("a %IP% b%IP%%DOOR%", "192.0.2.1", "ssh", "a 192.0.2.1 b192.0.2.1ssh");
	expect_expanded("%IP%", "2001:db8::7", "ssh", "2001:db8::7");
	expect_expanded("%IP %ip% %% %DOOR %%IP%", "192.0.2.1", "ssh",
			"%IP %ip% %% %DOOR %192.0.2.1");
	/* What was filled in is not looked at again. */
	expect_expanded("%DOOR%", "192.0.2.1", "%IP%", "%IP%");
	expect_expanded("", "192.0.2.1", "ssh", "");
}

static void a_result_of_4095_bytes_is_the_longest(void **state)
{
	struct source source = source_of("192.0.2.1");
	const struct command_about about = { .door = "ssh", .source = &source };
	char pattern[COMMAND_MAX + 16], out[COMMAND_MAX + 1] = "untouched";

	(void)state;
	/* Nine bytes of address in the place of four. */
	memset(pattern, 'x', sizeof(pattern));
	memcpy(pattern + COMMAND_MAX - 9, "%IP%", 5);
	assert_int_equal(command_expand(pattern, &about, out), 0);
	assert_int_equal(strlen(out), COMMAND_MAX);
	strcpy(out, "untouched");
	memcpy(pattern + COMMAND_MAX - 8, "%IP%", 5);
	assert_int_equal(command_expand(pattern, &about, out), -E2BIG);
	memset(pattern, 'x', COMMAND_MAX + 1);
	pattern[COMMAND_MAX + 1] = '\0';
	assert_int_equal(command_expand(pattern, &about, out), -E2BIG);
	assert_string_equal(out, "untouched");
}

static void only_what_a_shell_would_just_run_needs_none(void **state)
{
	static const char *const simple[] = {
		"/bin/true",
		"/usr/sbin/iptables -A INPUT -s 192.0.2.1/32 -p tcp --dport 22 -j ACCEPT",
		"/bin/x\ta=b,c:d@e+f_g.h%i", "/", "/bin/x ",
	};
	static const char *const shell[] = {
		"", "true", " /bin/true", "./x", "/bin/x;y", "/bin/x|y", "/bin/x&", "/bin/x $IP",
		"/bin/x `y`", "/bin/x 'y'", "/bin/x \"y\"", "/bin/x \\y", "/bin/x >y", "/bin/x <y",
		"/bin/x *", "/bin/x ?", "/bin/x [y]", "/bin/x ~", "/bin/x #y", "/bin/x (y)",
		"/bin/x {y,z}", "/bin/x !y", "/bin/x ^y", "/bin/x\ny", "/bin/x \377", "A=b /bin/x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(simple) / sizeof(*simple); i++)
		if (!command_simple(simple[i]))
			fail_msg("'%s' needs no shell", simple[i]);
	for (size_t i = 0; i < sizeof(shell) / sizeof(*shell); i++)
		if (command_simple(shell[i]))
			fail_msg("'%s' needs a shell", shell[i]);
}

/* The words of @argv, each in brackets. */
static void expect_words(char *const *argv, const char *expected)
{
	char text[256] = "";
	size_t used = 0;

	for (; *argv; argv++)
		used += snprintf(text + used, sizeof(text) - used, "[%s]", *argv);
	assert_string_equal(text, expected);
}

static void expect_made(const char *text, const char *expected)
{
	struct source source = source_of("192.0.2.1");
	const struct command_about about = { .door = "ssh", .source = &source };
	struct command command;
	char *none[] = { NULL };

	assert_int_equal(command_make(&command, text, &about, none), 0);
	expect_words(command.argv, expected);
	command_free(&command);
}

static void words_are_split_at_blanks(void **state)
{
	(void)state;
	expect_made("/bin/x", "[/bin/x]");
	expect_made("/bin/x  -a \t b=c ", "[/bin/x][-a][b=c]");
	expect_made("/a b c d e f g h i j", "[/a][b][c][d][e][f][g][h][i][j]");
	expect_made("echo  a; b", "[/bin/sh][-c][echo  a; b]");
	command_free(NULL);
}

static const char *variable_find(const struct command *command, const char *name)
{
	size_t len = strlen(name);
	const char *found = NULL;

	for (char **at = command->environment; *at; at++) {
		if (strncmp(*at, name, len) || (*at)[len] != '=')
			continue;
		assert_null(found);
		found = *at + len + 1;
	}
	return found;
}

static void the_environment_is_ours_and_tells_of_the_knock(void **state)
{
	char *inherited[] = {
		"HOME=/root", "NOTIFY_SOCKET=/run/x", "LISTEN_FDS=1", "LISTEN_PID=2",
		"LISTEN_FDNAMES=x", "KNOCKD_IP=forged", "PATH=/only/this", "NOTIFY=yes", NULL,
	};
	struct source source = source_of("2001:db8::7");
	const struct command_about about = { .door = "a b", .source = &source };
	struct command command;

	(void)state;
	assert_int_equal(command_make(&command, "/bin/x", &about, inherited), 0);
	assert_string_equal(variable_find(&command, "HOME"), "/root");
	assert_string_equal(variable_find(&command, "PATH"), "/only/this");
	assert_string_equal(variable_find(&command, "NOTIFY"), "yes");
	assert_string_equal(variable_find(&command, "KNOCKD_IP"), "2001:db8::7");
	assert_string_equal(variable_find(&command, "KNOCKD_DOOR"), "a b");
	assert_string_equal(variable_find(&command, "KNOCKD_FAMILY"), "6");
	assert_null(variable_find(&command, "NOTIFY_SOCKET"));
	assert_null(variable_find(&command, "LISTEN_FDS"));
	assert_null(variable_find(&command, "LISTEN_PID"));
	assert_null(variable_find(&command, "LISTEN_FDNAMES"));
	command_free(&command);
}

static void a_missing_path_is_set(void **state)
{
	char *none[] = { NULL };
	struct source source = source_of("192.0.2.1");
	const struct command_about about = { .door = "ssh", .source = &source };
	struct command command;

	(void)state;
	assert_int_equal(command_make(&command, "/bin/x", &about, none), 0);
	assert_non_null(strstr(variable_find(&command, "PATH"), "/usr/sbin"));
	assert_string_equal(variable_find(&command, "KNOCKD_FAMILY"), "4");
	command_free(&command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(placeholders_are_filled_everywhere),
		cmocka_unit_test(a_result_of_4095_bytes_is_the_longest),
		cmocka_unit_test(only_what_a_shell_would_just_run_needs_none),
		cmocka_unit_test(words_are_split_at_blanks),
		cmocka_unit_test(the_environment_is_ours_and_tells_of_the_knock),
		cmocka_unit_test(a_missing_path_is_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
