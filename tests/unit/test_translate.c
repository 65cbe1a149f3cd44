// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * knockd --migrate: every file in tests/conf/migrate gives exactly its .expect, which parses and
 * which a second translation does not change. Then single commands, and a simple fuzzer.
 *
 * Run from the root of the repository, or with the directory as argument. With UPDATE_EXPECT set in
 * the environment the .expect files are written anew, to be read before they are kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "message.h"
#include "parse.h"
#include "translate.h"

#ifndef TESTS_CONF_DIR
#define TESTS_CONF_DIR "tests/conf"
#endif

enum { FUZZ_ROUNDS = 10000, INPUT_MAX = 16384 };

static const char *conf_dir = TESTS_CONF_DIR;

struct text {
	char *at;
	size_t len;
	int result; /* of the translation that made it */
};

static struct text file_read(const char *path)
{
	struct text text = { NULL, 0, 0 };
	FILE *file = fopen(path, "re");
	FILE *memory;
	int c;

	if (!file)
		return text;
	memory = open_memstream(&text.at, &text.len);
	assert_non_null(memory);
	while ((c = fgetc(file)) != EOF)
		fputc(c, memory);
	fclose(memory);
	fclose(file);
	return text;
}

static void file_write(const char *path, const struct text *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(text->at, 1, text->len, file), text->len);
	fclose(file);
}

/* Translate a copy of just that size, so that a sanitizer sees any step behind it. */
static struct text translate(const char *input, size_t len)
{
	struct text text = { NULL, 0, 0 };
	FILE *memory = open_memstream(&text.at, &text.len);
	char *copy = malloc(len ? len : 1);

	assert_non_null(memory);
	assert_non_null(copy);
	memcpy(copy, input, len);
	text.result = translate_text(copy, len, memory);
	free(copy);
	fclose(memory);
	return text;
}

static bool text_parses(const char *at, size_t len)
{
	struct messages messages;
	struct conf conf;
	bool good;

	messages_init(&messages, "test");
	conf_init(&conf, "test");
	good = parse_text(&conf, at, len, &messages) == 0;
	messages_free(&messages);
	conf_free(&conf);
	return good;
}

static struct conf text_conf(const struct text *text)
{
	struct messages messages;
	struct conf conf;

	messages_init(&messages, "test");
	conf_init(&conf, "test");
	if (parse_text(&conf, text->at, text->len, &messages) != 0) {
		messages_print(&messages, stderr);
		fail_msg("does not parse:\n%s", text->at);
	}
	messages_free(&messages);
	return conf;
}

static bool texts_equal(const struct text *a, const struct text *b)
{
	return a->len == b->len && memcmp(a->at, b->at, a->len) == 0;
}

static void files_find(const char *pattern, glob_t *found)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/migrate/%s", conf_dir, pattern);
	assert_int_equal(glob(path, 0, NULL, found), 0);
}

/* ---- files ---- */

static void file_check(const char *path)
{
	struct text input = file_read(path), output, again, expected;
	char expect[512];

	snprintf(expect, sizeof(expect), "%.*s.expect", (int)(strlen(path) - strlen(".conf")),
		 path);
	assert_non_null(input.at);
	output = translate(input.at, input.len);
	if (getenv("UPDATE_EXPECT"))
		file_write(expect, &output);
	expected = file_read(expect);
	if (!expected.at || !texts_equal(&output, &expected))
		fail_msg("%s becomes\n%s", path, output.at);
	if (text_parses(input.at, input.len) && !text_parses(output.at, output.len))
		fail_msg("%s does not parse", expect);
	again = translate(output.at, output.len);
	if (!texts_equal(&again, &output) || again.result != output.result)
		fail_msg("%s changes again to\n%s", path, again.at);
	free(input.at);
	free(output.at);
	free(expected.at);
	free(again.at);
}

static void files_become_what_is_expected_and_stay_so(void **state)
{
	glob_t found;

	(void)state;
	files_find("*.conf", &found);
	assert_true(found.gl_pathc >= 8);
	for (size_t i = 0; i < found.gl_pathc; i++)
		file_check(found.gl_pathv[i]);
	globfree(&found);
}

/* A line of a comment, in @text from @from on; @next is set behind it. */
static const char *comment_find(const struct text *text, const char *from, const char **next)
{
	const char *end = text->at + text->len;

	while (from < end) {
		const char *newline = memchr(from, '\n', (size_t)(end - from));

		*next = newline ? newline + 1 : end;
		if (from[strspn(from, " \t")] == '#')
			return from;
		from = *next;
	}
	return NULL;
}

static void comments_stay_byte_for_byte(void **state)
{
	glob_t found;

	(void)state;
	files_find("*.conf", &found);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct text input = file_read(found.gl_pathv[i]);
		struct text output = translate(input.at, input.len);
		const char *comment, *next = input.at, *at = output.at;

		while ((comment = comment_find(&input, next, &next))) {
			at = memmem(at, (size_t)(output.at + output.len - at), comment,
				    (size_t)(next - comment));
			if (!at)
				fail_msg("%s: %.*s is gone", found.gl_pathv[i],
					 (int)(next - comment), comment);
		}
		free(input.at);
		free(output.at);
	}
	globfree(&found);
}

/* ---- single commands ---- */

/* The Open of the only door that has @command, as text; "" where the command was left alone. */
static void open_of(const char *command, char *ports, size_t size)
{
	char input[INPUT_MAX];
	struct text output;
	struct conf conf;
	size_t used = 0;

	snprintf(input, sizeof(input), "[a]\nSequence = 3,1,2\nCommand = %s\n", command);
	output = translate(input, strlen(input));
	assert_true(output.result >= 0);
	conf = text_conf(&output);
	assert_int_equal(conf.door_count, 1);
	ports[0] = '\0';
	for (size_t i = 0; i < conf.door[0].open.count; i++) {
		const struct conf_range *range = &conf.door[0].open.at[i];

		used += (size_t)snprintf(ports + used, size - used, "%s%u-%u:%s", i ? " " : "",
					 range->first, range->last, conf_proto_names[range->proto]);
	}
	assert_int_equal(output.result, ports[0] ? 0 : 1);
	conf_free(&conf);
	free(output.at);
}

static const struct {
	const char *command, *open;
} commands[] = {
	{ "iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT", "22-22:tcp" },
	{ "iptables -A INPUT -p tcp --dport ssh --src %IP% -j ACCEPT", "22-22:tcp" },
	{ "/usr/local/sbin/iptables-legacy -I INPUT 3 -s %IP% -p UDP --dport 1:5 -j ACCEPT",
	  "1-5:udp" },
	{ "sudo ip6tables -w -A INPUT -s %IP%/128 -p tcp --dport 22 -j ACCEPT", "22-22:tcp" },
	{ "iptables -w 3 -A INPUT -s '%IP%' -p \"tcp\" --dport 22 -j ACCEPT ;", "22-22:tcp" },
	{ "iptables -A INPUT -s %IP% -p tcp -m multiport --dports 9,8,8 -j ACCEPT",
	  "8-8:tcp 9-9:tcp" },
	{ "ufw prepend allow in from %IP% to any port 22 proto tcp", "22-22:tcp" },
	{ "nft add rule inet filter input ip saddr %IP% tcp dport 22 accept", "22-22:tcp" },
	{ "nft \"add rule inet filter input ip saddr %IP% tcp dport {22,23} accept\"",
	  "22-22:tcp 23-23:tcp" },
	{ "/usr/local/sbin/knock_add -i -c INPUT -p tcp -d 443 -f %IP%", "443-443:tcp" },
	{ "/usr/sbin/knock_helper_ipt.sh --append --dstport 53 --proto udp --srcaddr %IP%",
	  "53-53:udp" },
	{ "firewall-cmd --quiet --add-rich-rule='rule service name=ssh source address=%IP% accept'",
	  "22-22:tcp" },

	{ "", "" },
	{ "sudo", "" },
	{ "/opt/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT", "" },
	{ "iptables", "" },
	{ "iptables -A INPUT -s %IP% -p tcp --dport 22 -j", "" },
	{ "iptables -A INPUT -s %IP% -p tcp --dport 22 -j DROP", "" },
	{ "iptables -A OUTPUT -s %IP% -p tcp --dport 22 -j ACCEPT", "" },
	{ "iptables -A knockd -s %IP% -p tcp --dport 22 -j ACCEPT", "" },
	{ "iptables -A INPUT -s %IP%/24 -p tcp --dport 22 -j ACCEPT", "" },
	{ "iptables -A INPUT -d %IP% -p tcp --dport 22 -j ACCEPT", "" },
	{ "iptables -A INPUT -s %IP% -p tcp --sport 22 -j ACCEPT", "" },
	{ "iptables -A INPUT -s %IP% -p icmp -j ACCEPT", "" },
	{ "iptables -A INPUT -s %IP% -p all --dport 22 -j ACCEPT", "" },
	{ "iptables -A INPUT -s %IP% -p tcp --dport 0 -j ACCEPT", "" },
	{ "iptables -A INPUT -s %IP% -p tcp --dport 65536 -j ACCEPT", "" },
	{ "iptables -A INPUT -s %IP% -p tcp --dport 23:22 -j ACCEPT", "" },
	{ "iptables -A INPUT -s %IP% -p tcp --dport 1024: -j ACCEPT", "" },
	{ "iptables -A INPUT -s %IP% -p tcp --dport $PORT -j ACCEPT", "" },
	{ "iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT || true", "" },
	{ "iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT &", "" },
	{ "iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT > /dev/null", "" },
	{ "iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT; reboot", "" },
	{ "iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT; "
	  "iptables -D INPUT -s %IP% -p tcp --dport 23 -j ACCEPT", "" },
	{ "iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT; "
	  "ip6tables -A INPUT -s %IP% -p tcp --dport 23 -j ACCEPT", "" },
	{ "iptables -A INPUT -s %IP% -s %IP% -p tcp --dport 22 -j ACCEPT", "" },
	{ "iptables -A INPUT -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT", "" },
	{ "iptables -A INPUT -s %IP% -p tcp -p udp --dport 22 -j ACCEPT", "" },
	{ "iptables -A INPUT -s %IP% -p tcp --dport {22,23} -j ACCEPT", "" },
	{ "iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT -m comment --comment 'open", "" },
	{ "iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT", "" },
	{ "ufw allow 22", "" },
	{ "ufw deny from %IP% to any port 22", "" },
	{ "ufw limit from %IP% to any port 22", "" },
	{ "ufw route allow from %IP% to any port 22", "" },
	{ "ufw allow from %IP%", "" },
	{ "ufw allow from %IP% to 192.0.2.1 port 22", "" },
	{ "ufw allow from %IP% port 22 to any", "" },
	{ "nft add rule inet nat input ip saddr %IP% tcp dport 22 accept", "" },
	{ "nft add rule inet filter forward ip saddr %IP% tcp dport 22 accept", "" },
	{ "nft add rule inet filter input ip saddr %IP% tcp dport 22 drop", "" },
	{ "nft add rule inet filter input ip saddr != %IP% tcp dport 22 accept", "" },
	{ "nft add rule inet filter input ip saddr %IP% tcp dport { 22", "" },
	{ "nft add element inet filter allowed { %IP% timeout 30s }", "" },
	{ "nft 'add rule inet filter input ip saddr %IP% tcp dport 22 accept; flush ruleset'", "" },
	{ "firewall-cmd --permanent --add-rich-rule='rule service name=ssh source address=%IP% "
	  "accept'", "" },
	{ "firewall-cmd --add-rich-rule='rule service name=ssh source address=%IP% reject'", "" },
	{ "firewall-cmd --add-rich-rule='rule service name=ssh source NOT address=%IP% accept'",
	  "" },
	{ "/usr/local/sbin/knock_add -t -i -c INPUT -p tcp -d 443 -f %IP%", "" },
};

static void a_command_opens_what_it_says_or_is_left_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		char ports[512];

		open_of(commands[i].command, ports, sizeof(ports));
		if (strcmp(ports, commands[i].open) != 0)
			fail_msg("'%s' opens '%s', not '%s'", commands[i].command, ports,
				 commands[i].open);
	}
}

#define ADD "iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT"
#define DELETE "iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT"

static void a_pair_of_commands_opens_for_its_timeout(void **state)
{
	static const char input[] = "[a]\nSequence=3,1,2\nCommand=" ADD "\nStop_Command=" DELETE
				    "\nCmd_Timeout=7200\n[b]\nSequence=3,2,1\nCommand=" ADD
				    "\nStop_Command=" DELETE "\n";
	struct text output = translate(input, sizeof(input) - 1);
	struct conf conf = text_conf(&output);

	(void)state;
	assert_int_equal(output.result, 0);
	assert_int_equal(conf.door_count, 2);
	assert_int_equal(conf.door[0].open.count, 1);
	assert_int_equal(conf.door[0].open_time_s, 7200);
	assert_int_equal(conf.door[1].open.count, 1);
	assert_int_equal(conf.door[1].open_time_s, 10);
	assert_int_equal(conf.door[1].close_sequence.len, 0);
	conf_free(&conf);
	free(output.at);
}

static void a_pair_of_doors_becomes_one_that_closes_by_its_second_knock(void **state)
{
	/* The one that closes comes first. */
	static const char input[] = "[b]\nSequence=9,8,7:udp\nCommand=" DELETE
				    "\n[a]\nSequence=3,1,2\nCommand=" ADD;
	struct text output = translate(input, sizeof(input) - 1);
	struct conf conf = text_conf(&output);

	(void)state;
	assert_int_equal(output.result, 0);
	assert_int_equal(conf.door_count, 1);
	assert_string_equal(conf.door[0].name, "a");
	assert_int_equal(conf.door[0].open.count, 1);
	assert_int_equal(conf.door[0].open_time_s, 0);
	assert_int_equal(conf.door[0].close_sequence.len, 3);
	assert_int_equal(conf.door[0].close_sequence.knock[0].number, 9);
	assert_int_equal(conf.door[0].close_sequence.knock[2].proto, CONF_UDP);
	conf_free(&conf);
	free(output.at);
}

static void a_door_stays_that_something_unknown_may_close(void **state)
{
	static const char input[] = "[a]\nSequence=3,1,2\nCommand=" ADD
				    "\n[b]\nSequence=9,8,7\nCommand=/root/close %IP%\n";
	static const char wake[] = "[a]\nSequence=3,1,2\nCommand=" ADD
				   "\n[b]\nSequence=9,8,7\nCommand=etherwake 00:11:22:33:44:55\n";
	struct text output = translate(input, sizeof(input) - 1);
	struct text other = translate(wake, sizeof(wake) - 1);

	(void)state;
	assert_int_equal(output.result, 2);
	assert_null(strstr(output.at, "\nOpen"));
	assert_int_equal(other.result, 1);
	assert_non_null(strstr(other.at, "\nOpen=22\n"));
	free(output.at);
	free(other.at);
}

static void the_top_note_is_not_doubled_when_a_door_is_added_later(void **state)
{
	static const char input[] = "[a]\nSequence=3,1,2\nCommand=" ADD "\n";
	struct text first = translate(input, sizeof(input) - 1), second;
	const char *top;
	char *more;

	(void)state;
	assert_true(asprintf(&more, "%s[b]\nSequence=3,2,1\nCommand=%s\n", first.at, ADD) > 0);
	second = translate(more, strlen(more));
	top = strstr(second.at, "Before you use it");
	assert_non_null(top);
	assert_null(strstr(top + 1, "Before you use it"));
	assert_non_null(strstr(strstr(second.at, "[b]"), "\nOpen=22\n"));
	free(more);
	free(first.at);
	free(second.at);
}

/* ---- anything ---- */

static uint32_t random_next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Change @text of @len bytes a few times: a byte, a piece taken out, copied or cut off. */
static size_t text_mutate(char *text, size_t len, uint32_t *seed)
{
	static const char bytes[] = "#;&'\"\\{}[]=%,:- \t\r\n\0!\xff$0129AID";

	for (uint32_t n = 1 + random_next(seed) % 6; n > 0 && len > 0; n--) {
		size_t at = random_next(seed) % len, size = random_next(seed) % (len - at);
		size_t to = random_next(seed) % len;

		switch (random_next(seed) % 6) {
		case 0:
			memmove(text + at, text + at + size % 32, len - at - size % 32);
			len -= size % 32;
			break;
		case 1:
			size %= 256;
			if (to + size > len)
				break;
			memmove(text + to, text + at, size);
			break;
		case 2:
			if (n == 1)
				len = at;
			break;
		default:
			text[at] = bytes[random_next(seed) % (sizeof(bytes) - 1)];
		}
	}
	return len;
}

static void any_bytes_become_something_that_parses_if_they_did_and_is_stable(void **state)
{
	uint32_t seed = 20260101;
	glob_t found;

	(void)state;
	files_find("*.conf", &found);
	for (int round = 0; round < FUZZ_ROUNDS; round++) {
		struct text input = file_read(found.gl_pathv[(size_t)round % found.gl_pathc]);
		struct text output, again;

		input.len = text_mutate(input.at, input.len, &seed);
		output = translate(input.at, input.len);
		again = translate(output.at, output.len);
		if (output.result < 0 || again.result != output.result ||
		    !texts_equal(&output, &again) ||
		    text_parses(input.at, input.len) != text_parses(output.at, output.len))
			fail_msg("round %d: %d, %d\n--- from\n%.*s\n--- to\n%s\n--- then\n%s",
				 round, output.result, again.result, (int)input.len, input.at,
				 output.at, again.at);
		free(input.at);
		free(output.at);
		free(again.at);
	}
	globfree(&found);
}

static void a_failing_output_is_reported(void **state)
{
	static const char input[] = "[a]\nSequence=3,1,2\nCommand=" ADD "\n";
	FILE *full = fopen("/dev/full", "we");

	(void)state;
	assert_non_null(full);
	setbuf(full, NULL);
	assert_int_equal(translate_text(input, sizeof(input) - 1, full), -EIO);
	fclose(full);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_become_what_is_expected_and_stay_so),
		cmocka_unit_test(comments_stay_byte_for_byte),
		cmocka_unit_test(a_command_opens_what_it_says_or_is_left_alone),
		cmocka_unit_test(a_pair_of_commands_opens_for_its_timeout),
		cmocka_unit_test(a_pair_of_doors_becomes_one_that_closes_by_its_second_knock),
		cmocka_unit_test(a_door_stays_that_something_unknown_may_close),
		cmocka_unit_test(the_top_note_is_not_doubled_when_a_door_is_added_later),
		cmocka_unit_test(any_bytes_become_something_that_parses_if_they_did_and_is_stable),
		cmocka_unit_test(a_failing_output_is_reported),
	};

	if (argc > 1)
		conf_dir = argv[1];
	return cmocka_run_group_tests_name("translate", tests, NULL, NULL);
}
