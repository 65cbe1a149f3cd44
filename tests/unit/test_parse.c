// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every file in tests/conf: good ones parse, bad ones give exactly the messages in their .expect,
 * and what print_conf() makes of a good one parses to the same. Then single facts about the parser.
 *
 * Run from the root of the repository, or with the directory as argument. With UPDATE_EXPECT set in
 * the environment the .expect files are written anew, to be read before they are kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "confs.h"
#include "print.h"

/* "DIR/NAME.conf" → "DIR/NAME.expect" */
static char *expect_path(const char *path)
{
	char *expect;

	assert_true(asprintf(&expect, "%.*s.expect", (int)(strlen(path) - strlen(".conf")), path) >
		    0);
	return expect;
}

static bool knocks_equal(const struct conf_sequence *a, const struct conf_sequence *b)
{
	bool equal = a->len == b->len;

	for (unsigned int i = 0; equal && i < a->len; i++)
		equal = conf_knock_equal(&a->knock[i], &b->knock[i]);
	return equal;
}

static bool ranges_equal(const struct conf_ranges *a, const struct conf_ranges *b)
{
	bool equal = a->count == b->count;

	for (size_t i = 0; equal && i < a->count; i++)
		equal = a->at[i].proto == b->at[i].proto && a->at[i].first == b->at[i].first &&
			a->at[i].last == b->at[i].last;
	return equal;
}

static bool prefixes_equal(const struct conf_prefixes *a, const struct conf_prefixes *b)
{
	bool equal = a->count == b->count;

	for (size_t i = 0; equal && i < a->count; i++)
		equal = a->at[i].family == b->at[i].family && a->at[i].length == b->at[i].length &&
			memcmp(a->at[i].address, b->at[i].address, 16) == 0;
	return equal;
}

static bool texts_equal(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool commands_equal(const struct conf_commands *a, const struct conf_commands *b)
{
	return texts_equal(a->start, b->start) && texts_equal(a->start6, b->start6) &&
	       texts_equal(a->stop, b->stop) && texts_equal(a->stop6, b->stop6) &&
	       a->timeout_s == b->timeout_s && !a->timeout_line == !b->timeout_line;
}

/* Everything but the line numbers. */
static bool doors_equal(const struct conf_door *a, const struct conf_door *b)
{
	return strcmp(a->name, b->name) == 0 && a->ordinal == b->ordinal &&
	       knocks_equal(&a->sequence, &b->sequence) &&
	       knocks_equal(&a->close_sequence, &b->close_sequence) &&
	       conf_flags_equal(&a->flags, &b->flags) && ranges_equal(&a->open, &b->open) &&
	       prefixes_equal(&a->trust, &b->trust) &&
	       prefixes_equal(&a->knock_from, &b->knock_from) &&
	       conf_target_equal(&a->target, &b->target) &&
	       commands_equal(&a->commands, &b->commands) &&
	       texts_equal(a->one_time_file, b->one_time_file) &&
	       a->connections == b->connections && a->seq_timeout_s == b->seq_timeout_s &&
	       a->open_time_s == b->open_time_s;
}

static bool options_equal(const struct conf *a, const struct conf *b)
{
	return a->interface_count == b->interface_count &&
	       memcmp(a->interface, b->interface, sizeof(a->interface)) == 0 &&
	       prefixes_equal(&a->trust, &b->trust) && a->closed == b->closed &&
	       a->xdp_mode == b->xdp_mode && a->on_exit == b->on_exit &&
	       a->use_syslog == b->use_syslog && texts_equal(a->log_file, b->log_file) &&
	       texts_equal(a->pid_file, b->pid_file) && a->udp_idle_s == b->udp_idle_s &&
	       a->grant_prefix6 == b->grant_prefix6 && a->max_sources == b->max_sources &&
	       a->max_grants == b->max_grants && a->max_flows == b->max_flows &&
	       a->max_commands == b->max_commands && a->command_time_s == b->command_time_s;
}

static bool confs_equal(const struct conf *a, const struct conf *b)
{
	bool equal = options_equal(a, b) && a->door_count == b->door_count;

	for (size_t i = 0; equal && i < a->door_count; i++)
		equal = doors_equal(&a->door[i], &b->door[i]);
	return equal;
}

/* Whether what is printed of @conf parses to the same, and prints the same again. */
static bool survives_printing(const struct conf *conf)
{
	struct text once = { NULL, 0 }, twice = { NULL, 0 };
	FILE *memory = open_memstream(&once.at, &once.len);
	struct messages messages;
	struct conf again;
	bool survived;

	assert_int_equal(print_conf(conf, memory), 0);
	fclose(memory);
	messages_init(&messages, "printed");
	conf_init(&again, "printed");
	survived = parse_text(&again, once.at, once.len, &messages) == 0 && messages.count == 0 &&
		   confs_equal(conf, &again);
	memory = open_memstream(&twice.at, &twice.len);
	assert_int_equal(print_conf(&again, memory), 0);
	fclose(memory);
	survived = survived && strcmp(once.at, twice.at) == 0;
	if (!survived) {
		messages_print(&messages, stderr);
		fprintf(stderr, "printed:\n%s\nprinted again:\n%s\n", once.at, twice.at);
	}
	conf_free(&again);
	messages_free(&messages);
	free(once.at);
	free(twice.at);
	return survived;
}

/* Parse one file and compare its messages with its .expect file. */
static bool file_is_as_expected(const char *path, bool good)
{
	const char *name = strrchr(path, '/') + 1;
	char *expected_path = expect_path(path);
	struct text input = file_read(path), expected, said;
	struct messages messages;
	struct conf conf;
	bool fine;
	int result;

	messages_init(&messages, name);
	conf_init(&conf, name);
	assert_non_null(input.at);
	result = parse_text(&conf, input.at, input.len, &messages);
	said = messages_text(&messages);
	if (getenv("UPDATE_EXPECT") && (!good || messages.count > 0)) {
		FILE *file = fopen(expected_path, "we");

		assert_non_null(file);
		fputs(said.at, file);
		fclose(file);
	}
	expected = file_read(expected_path);
	/* A good file may have one, for warnings; a bad one must. */
	fine = result == (good ? 0 : -EINVAL) && (messages.errors == 0) == good &&
	       (expected.at ? strcmp(said.at, expected.at) == 0 : good && said.len == 0);
	if (!fine)
		fprintf(stderr, "%s: result %d, messages:\n%sexpected:\n%s", path, result, said.at,
			expected.at ? expected.at : "(no file)\n");
	if (good && !survives_printing(&conf)) {
		fprintf(stderr, "%s: does not survive printing\n", path);
		fine = false;
	}
	conf_free(&conf);
	messages_free(&messages);
	free(said.at);
	free(expected.at);
	free(input.at);
	free(expected_path);
	return fine;
}

static void directory_check(const char *kind, bool good)
{
	char pattern[512];
	glob_t found;
	bool fine = true;

	snprintf(pattern, sizeof(pattern), "%s/%s/*.conf", conf_dir, kind);
	if (glob(pattern, 0, NULL, &found) != 0 || found.gl_pathc == 0)
		fail_msg("no file matches %s", pattern);
	for (size_t i = 0; i < found.gl_pathc; i++)
		fine &= file_is_as_expected(found.gl_pathv[i], good);
	print_message("%zu files in %s/%s\n", found.gl_pathc, conf_dir, kind);
	globfree(&found);
	assert_true(fine);
}

static void good_files_parse_and_survive_printing(void **state)
{
	(void)state;
	directory_check("good", true);
}

static void bad_files_give_exactly_the_messages_expected(void **state)
{
	(void)state;
	directory_check("bad", false);
}

static void the_example_parses_and_opens_with_the_published_knock(void **state)
{
	char path[512];
	struct text input;
	struct messages messages;
	struct conf conf;

	(void)state;
	snprintf(path, sizeof(path), "%s/../../knockd.conf.example", conf_dir);
	input = file_read(path);
	assert_non_null(input.at);
	messages_init(&messages, path);
	conf_init(&conf, path);
	assert_int_equal(parse_text(&conf, input.at, input.len, &messages), 0);
	assert_int_equal(messages.count, 0);
	assert_true(survives_printing(&conf));
	assert_string_equal(conf.interface[0], "eth0");
	assert_int_equal(conf.door_count, 1);
	assert_int_equal(conf.door[0].sequence.len, 3);
	assert_int_equal(conf.door[0].sequence.knock[0].number, 7000);
	assert_int_equal(conf.door[0].sequence.knock[1].number, 8000);
	assert_int_equal(conf.door[0].sequence.knock[1].proto, CONF_UDP);
	assert_int_equal(conf.door[0].sequence.knock[2].number, 9000);
	assert_int_equal(conf.door[0].open.at[0].first, 22);
	assert_int_equal(conf.door[0].open_time_s, 30);
	conf_free(&conf);
	messages_free(&messages);
	free(input.at);
}

static void commands_are_verbatim(void **state)
{
	struct conf conf = good_parse("commands.conf");
	const struct conf_door *door = door_named(&conf, "all");

	(void)state;
	assert_int_equal(conf.max_commands, 1);
	assert_int_equal(conf.command_time_s, 1);
	assert_string_equal(door->commands.start,
			    "echo \"a = b\" # %IP% %DOOR% 'c' >> /tmp/x;   exit 1");
	assert_string_equal(door->commands.start6, "echo six");
	assert_string_equal(door->commands.stop, "[ -e /tmp/x ] && rm /tmp/x");
	assert_string_equal(door->commands.stop6, ":");
	assert_int_equal(door->commands.timeout_s, 7200);
	assert_string_equal(door_named(&conf, "/_.:=,@%+-")->commands.start, "%DOOR%");
	assert_string_equal(door_named(&conf, "twice")->commands.start, "second");
	door = door_named(&conf, "guarded");
	assert_int_equal(door->connections, 65535);
	assert_int_equal(door->commands.timeout_line, 0);
	conf_free(&conf);
}

static void an_empty_command_is_nothing_to_run(void **state)
{
	struct conf conf = good_parse("commands.conf");
	const struct conf_door *door = door_named(&conf, "empty");

	(void)state;
	assert_string_equal(door->commands.start, "");
	assert_string_equal(door->commands.stop6, "");
	assert_null(conf_start_command(door, AF_INET));
	assert_string_equal(conf_start_command(door, AF_INET6), "echo six");
	assert_null(conf_stop_command(door, AF_INET));
	assert_null(conf_stop_command(door, AF_INET6));
	assert_true(conf_door_commands(door));
	assert_false(conf_door_owes(door));
	/* Where the door opens a port there is something to close. */
	door = door_named(&conf, "guarded");
	assert_null(conf_start_command(door, AF_INET));
	assert_string_equal(conf_stop_command(door, AF_INET), "echo closed");
	assert_string_equal(conf_stop_command(door, AF_INET6), "echo closed");
	assert_true(conf_door_commands(door));
	assert_true(conf_door_owes(door));
	conf_free(&conf);
}

static void lists_targets_and_interfaces_are_kept(void **state)
{
	struct conf conf = good_parse("lists-and-targets.conf");
	const struct conf_door *door = conf.door;
	uint8_t address[16];

	(void)state;
	assert_int_equal(conf.interface_count, 3);
	assert_string_equal(conf.interface[0], "eth0");
	assert_string_equal(conf.interface[1], "wan.7");
	assert_string_equal(conf.interface[2], "tun0");
	assert_string_equal(door[0].one_time_file,
			    "/etc/knockd/a list with = and # and blanks");
	assert_int_equal(door[0].target.family, AF_INET);
	assert_memory_equal(door[0].target.address, "\xc0\x00\x02\x01", 4);
	assert_int_equal(door[0].target.line, 6);
	assert_false(door[0].target.remote);
	assert_string_equal(door[1].one_time_file, "relative");
	assert_int_equal(door[1].sequence.len, 0);
	assert_int_equal(door[1].target.family, AF_INET6);
	inet_pton(AF_INET6, "2001:db8::1", address);
	assert_memory_equal(door[1].target.address, address, 16);
	conf_free(&conf);
}

static void a_sequence_alone_is_read_as_in_a_config(void **state)
{
	static const char *const wrong[] = { "", "7000,", "0", "7000 8000", "1:sctp", "# 1,2,3" };
	struct conf_sequence sequence;
	char longest[4200];

	(void)state;
	assert_int_equal(parse_sequence(" 7000, 8000:UDP,4:icmp,9000 # four", &sequence), 0);
	sequence_expect(&sequence, "7000:tcp 8000:udp 4:icmp 9000:tcp");
	assert_int_equal(sequence.line, 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(parse_sequence(wrong[i], &sequence), -EINVAL);
	for (int digits = 4094; digits <= 4096; digits++) {
		snprintf(longest, sizeof(longest), "%0*d", digits, 7);
		assert_int_equal(parse_sequence(longest, &sequence), digits > 4095 ? -EINVAL : 0);
		sequence_expect(&sequence, "7:tcp");
	}
}

static void what_the_command_line_says_is_left_alone(void **state)
{
	static const char text[] = "[options]\nMax_Flows = 64\n";
	struct messages messages;
	struct conf conf;

	(void)state;
	messages_init(&messages, "text");
	conf_init(&conf, "text");
	assert_false(conf.only_ipv4);
	conf.only_ipv4 = true;
	assert_int_equal(parse_text(&conf, text, strlen(text), &messages), 0);
	assert_true(conf.only_ipv4);
	messages_free(&messages);
	conf_free(&conf);
}

/* A line of the greatest length that is @start and then @filler again and again. */
static void longest_line_survives(const char *section, const char *start, const char *filler)
{
	char text[5000];
	size_t len = (size_t)snprintf(text, sizeof(text), "%s\n", section);
	size_t end = len + 4095;
	struct conf conf;

	len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", start);
	while (len + strlen(filler) <= end)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", filler);
	snprintf(text + len, sizeof(text) - len, "\n");
	conf = text_parse(text);
	assert_true(survives_printing(&conf));
	conf_free(&conf);
}

static void the_longest_lines_survive_printing(void **state)
{
	(void)state;
	longest_line_survives("[options]", "PidFile=/", "x");
	longest_line_survives("[a]\nSequence=3,1,2", "Command=", "x");
	longest_line_survives("[a]\nSequence=3,1,2", "Command_6=", "x");
	longest_line_survives("[a]\nSequence=3,1,2", "Stop_Command=", "x");
	longest_line_survives("[a]\nSequence=3,1,2", "Stop_Command_6=", "x");
	longest_line_survives("[a]", "One_Time_Sequences=", "x");
	longest_line_survives("[a]\nSequence=3,1,2", "Open=1", ",1");
	/* The system writes these with dots, and longer. */
	longest_line_survives("[options]", "Trust=::1:1", ",::ffff:1:1");
	longest_line_survives("[options]", "Trust=::", ",::1:1");
}

/* Parse a text that has to be wrong in one way, and compare the message. */
static void text_refuse(const char *text, size_t len, const char *expected)
{
	struct messages messages;
	struct conf conf;
	struct text said;

	messages_init(&messages, "text");
	conf_init(&conf, "text");
	assert_int_equal(parse_text(&conf, text, len, &messages), -EINVAL);
	said = messages_text(&messages);
	assert_string_equal(said.at, expected);
	free(said.at);
	messages_free(&messages);
	conf_free(&conf);
}

static void defaults_are_those_of_the_manual(void **state)
{
	struct conf conf = text_parse("[a]\nSequence = 9000,7000:udp,3:icmp\n");
	const struct conf_door *door = conf.door;

	(void)state;
	assert_int_equal(conf.interface_count, 0);
	assert_int_equal(conf.closed, CONF_CLOSED_DROP);
	assert_int_equal(conf.xdp_mode, CONF_XDP_AUTO);
	assert_int_equal(conf.on_exit, CONF_EXIT_DETACH);
	assert_int_equal(conf.udp_idle_s, 180);
	assert_int_equal(conf.grant_prefix6, 128);
	assert_int_equal(conf.max_sources, 65536);
	assert_int_equal(conf.max_grants, 16384);
	assert_int_equal(conf.max_flows, 65536);
	assert_int_equal(conf.max_commands, 32);
	assert_int_equal(conf.command_time_s, 60);
	assert_false(conf.use_syslog);
	assert_null(conf.log_file);
	assert_null(conf.pid_file);
	assert_int_equal(conf.door_count, 1);
	assert_string_equal(door->name, "a");
	assert_int_equal(door->line, 1);
	assert_int_equal(door->seq_timeout_s, 25);
	assert_int_equal(door->open_time_s, 30);
	assert_int_equal(door->open.count, 0);
	assert_int_equal(door->close_sequence.len, 0);
	assert_int_equal(door->connections, 0);
	assert_int_equal(door->target.family, 0);
	assert_null(door->one_time_file);
	assert_null(door->commands.start);
	assert_null(door->commands.start6);
	assert_null(door->commands.stop);
	assert_null(door->commands.stop6);
	assert_int_equal(door->commands.timeout_s, 10);
	assert_int_equal(door->commands.timeout_line, 0);
	assert_int_equal(door->sequence.len, 3);
	assert_int_equal(door->sequence.line, 2);
	assert_int_equal(door->sequence.knock[0].proto, CONF_TCP);
	assert_int_equal(door->sequence.knock[0].number, 9000);
	assert_int_equal(door->sequence.knock[1].proto, CONF_UDP);
	assert_int_equal(door->sequence.knock[1].number, 7000);
	assert_int_equal(door->sequence.knock[2].proto, CONF_ICMP);
	assert_int_equal(door->sequence.knock[2].number, 3);
	conf_free(&conf);
}

static void tcp_flags_are_taken_literally(void **state)
{
	static const struct {
		const char *line;
		uint8_t mask, value;
	} rows[] = {
		{ "", 0x17, 0x02 },
		{ "TCPFlags = syn\n", 0x02, 0x02 },
		{ "tcpflags=SYN,!ack\n", 0x12, 0x02 },
		{ "TCPFlags = syn, ack\n", 0x12, 0x12 },
		{ "TCPFlags = !fin , !syn , !rst , !psh , !ack , !urg\n", 0x3f, 0x00 },
		{ "TCPFlags = fin,fin,psh,urg\n", 0x29, 0x29 },
		/* As in 0.8: the last counts. */
		{ "TCPFlags = syn,!syn,!ack,ack\n", 0x12, 0x10 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[128];
		struct conf conf;

		snprintf(text, sizeof(text), "[a]\nSequence = 3,1,2\n%s", rows[i].line);
		conf = text_parse(text);
		assert_int_equal(conf.door[0].flags.mask, rows[i].mask);
		assert_int_equal(conf.door[0].flags.value, rows[i].value);
		assert_int_equal(conf.door[0].flags.line, i ? 3 : 0);
		conf_free(&conf);
	}
}

static void lists_keep_their_order_and_families(void **state)
{
	struct conf conf = text_parse("[options]\nTrust = 192.0.2.0/24,2001:db8::/33\n"
				      "[a]\nSequence = 3,1,2\nOpen = 22, 60000 - 61000 : UDP\n");
	const struct conf_range *range = conf.door[0].open.at;
	const struct conf_prefix *prefix = conf.trust.at;
	uint8_t address[16];

	(void)state;
	assert_int_equal(conf.door[0].open.count, 2);
	assert_int_equal(range[0].proto, CONF_TCP);
	assert_int_equal(range[0].first, 22);
	assert_int_equal(range[0].last, 22);
	assert_int_equal(range[1].proto, CONF_UDP);
	assert_int_equal(range[1].first, 60000);
	assert_int_equal(range[1].last, 61000);
	assert_int_equal(range[1].line, 5);
	assert_int_equal(conf.trust.count, 2);
	assert_int_equal(prefix[0].family, AF_INET);
	assert_int_equal(prefix[0].length, 24);
	assert_memory_equal(prefix[0].address, "\xc0\x00\x02\x00", 4);
	assert_int_equal(prefix[1].family, AF_INET6);
	assert_int_equal(prefix[1].length, 33);
	inet_pton(AF_INET6, "2001:db8::", address);
	assert_memory_equal(prefix[1].address, address, 16);
	assert_int_equal(prefix[1].line, 2);
	conf_free(&conf);
}

static void doors_of_one_name_are_counted(void **state)
{
	struct conf conf = text_parse("[a]\nSequence=3,1,2\n[b]\nSequence=4,1,2\n"
				      "[a]\nSequence=5,1,2\n[A]\nSequence=6,1,2\n"
				      "[a]\nSequence=7,1,2\n");
	static const unsigned int ordinals[] = { 0, 0, 1, 0, 2 };

	(void)state;
	assert_int_equal(conf.door_count, 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(conf.door[i].ordinal, ordinals[i]);
	conf_free(&conf);
}

static void the_last_of_two_lines_stands_but_the_first_interface(void **state)
{
	struct conf conf = text_parse("[options]\nInterface=a0\nInterface=b0\n"
				      "LogFile=/a\nLogFile=/b\nPidFile=/a\nPidFile=\n"
				      "Trust=192.0.2.1\nTrust=192.0.2.2,192.0.2.3\n"
				      "[a]\nSequence=1,2,3\nOpen=22\nOpen=23\nSequence=3,1,2\n");

	(void)state;
	assert_int_equal(conf.interface_count, 1);
	assert_string_equal(conf.interface[0], "a0");
	assert_string_equal(conf.log_file, "/b");
	assert_null(conf.pid_file);
	assert_int_equal(conf.trust.count, 2);
	assert_int_equal(conf.door[0].open.count, 1);
	assert_int_equal(conf.door[0].open.at[0].first, 23);
	assert_int_equal(conf.door[0].sequence.knock[0].number, 3);
	conf_free(&conf);
}

static void a_long_name_is_cut_as_in_knockd(void **state)
{
	char text[400] = "[";
	struct conf conf;

	(void)state;
	memset(text + 1, 'x', 200);
	strcat(text, "]\nSequence = 3,1,2\n");
	conf = text_parse(text);
	assert_int_equal(strlen(conf.door[0].name), KNOCKD_NAME_MAX - 1);
	conf_free(&conf);
}

static void one_door_too_many_is_refused_once(void **state)
{
	struct text text = { NULL, 0 };
	FILE *memory = open_memstream(&text.at, &text.len);

	(void)state;
	for (int i = 0; i < KNOCKD_DOORS_MAX + 3; i++)
		fprintf(memory, "[d%d]\nSequence = 9,7,8\n", i);
	fclose(memory);
	text_refuse(text.at, text.len, "text:8193: more than 4096 doors\n");
	free(text.at);
}

static void only_so_many_errors_are_kept_and_the_rest_is_counted(void **state)
{
	struct text text = { NULL, 0 }, said;
	FILE *memory = open_memstream(&text.at, &text.len);
	struct messages messages;
	struct conf conf;

	(void)state;
	fprintf(memory, "[a]\n");
	for (int i = 0; i < MESSAGES_MAX + 7; i++)
		fprintf(memory, "Sequence = x\n");
	fclose(memory);
	messages_init(&messages, "text");
	conf_init(&conf, "text");
	assert_int_equal(parse_text(&conf, text.at, text.len, &messages), -EINVAL);
	assert_int_equal(messages.errors, MESSAGES_MAX + 7);
	said = messages_text(&messages);
	assert_non_null(strstr(said.at, "text: and 7 more errors\n"));
	assert_non_null(strstr(said.at, "text: and 6 more warnings\n"));
	free(said.at);
	free(text.at);
	messages_free(&messages);
	conf_free(&conf);
}

static void ten_thousand_errors_make_a_list_of_the_first_and_a_number(void **state)
{
	struct text text = { NULL, 0 }, said;
	FILE *memory = open_memstream(&text.at, &text.len);
	struct messages messages;
	struct conf conf;
	size_t lines = 0;

	(void)state;
	for (int i = 0; i < 2000; i++)
		fprintf(memory, "[d%d]\nSequence = x\nOpen = 0\nOpne = 22\nTarget = x\nnonsense\n",
			i);
	fclose(memory);
	messages_init(&messages, "text");
	conf_init(&conf, "text");
	assert_int_equal(parse_text(&conf, text.at, text.len, &messages), -EINVAL);
	assert_int_equal(messages.errors, 10000);
	said = messages_text(&messages);
	for (const char *c = said.at; *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, MESSAGES_MAX + 1);
	assert_memory_equal(said.at, "text:2: port 'x' is not a number (1-65535)\n"
				     "text:3: port '0' is out of range (1-65535)\n"
				     "text:4: directive 'Opne' is unknown; did you mean 'Open'?\n",
			    43 + 43 + 58);
	assert_non_null(strstr(said.at, "\ntext: and 9950 more errors\n"));
	free(said.at);
	free(text.at);
	messages_free(&messages);
	conf_free(&conf);
}

/* Processor time, so that a busy machine changes nothing. */
static void a_thousand_doors_are_read_and_printed_at_once(void **state)
{
	struct text text = { NULL, 0 };
	FILE *memory = open_memstream(&text.at, &text.len);
	struct conf conf;
	clock_t start;

	(void)state;
	for (int i = 0; i < 1000; i++)
		fprintf(memory, "[door %d]\nSequence = %d,%d:udp,%d,4:icmp\nSeq_Timeout = 15\n"
				"TCPFlags = syn,!ack\nOpen = %d, 60000-61000:udp\n"
				"Start_Command = echo %%IP%% >> /tmp/x\nStop_Command = true\n",
			i, 9000 + i, 7000 - i, 8000, 1 + i);
	fclose(memory);
	start = clock();
	conf = text_parse(text.at);
	assert_true(survives_printing(&conf));
	assert_true(clock() - start < CLOCKS_PER_SEC);
	assert_int_equal(conf.door_count, 1000);
	assert_int_equal(conf.door[999].open.at[0].first, 1000);
	conf_free(&conf);
	free(text.at);
}

static void messages_are_sorted_by_line_and_show_no_control_bytes(void **state)
{
	struct messages messages;
	struct text said;

	(void)state;
	messages_init(&messages, "f");
	message_add(&messages, MESSAGE_ERROR, 7, "first of %d", 7);
	message_add(&messages, MESSAGE_WARNING, 3, "three\033[2J\n");
	message_add(&messages, MESSAGE_ERROR, 7, "second of 7");
	message_add(&messages, MESSAGE_WARNING, 0, "whole");
	said = messages_text(&messages);
	assert_string_equal(said.at, "f: warning: whole\nf:3: warning: three?[2J?\n"
				     "f:7: first of 7\nf:7: second of 7\n");
	free(said.at);
	messages_free(&messages);
	messages_free(&messages);
	messages_free(NULL);
}

static void freeing_twice_or_nothing_is_fine(void **state)
{
	struct conf conf = text_parse("[options]\nLogFile=/x\nTrust=::/0\n[a]\nSequence=3,1,2\n"
				      "Open=1\nTrust=::1\nKnock_From=::2\nCommand=a\n"
				      "Command_6=b\nStop_Command=c\nStop_Command_6=d\n"
				      "One_Time_Sequences=e\n");

	(void)state;
	conf_free(&conf);
	conf_free(&conf);
	conf_free(NULL);
}

static void one_error_does_not_stop_the_reading(void **state)
{
	static const char text[] = "[a]\nSequence = 80abc\nOpen = 22\n[b]\nSequence = 3,1,2\n";
	struct messages messages;
	struct conf conf;

	(void)state;
	messages_init(&messages, "knockd.conf");
	conf_init(&conf, "knockd.conf");
	assert_int_equal(parse_text(&conf, text, sizeof(text) - 1, &messages), -EINVAL);
	assert_int_equal(messages.count, 1);
	assert_int_equal(messages.at[0].line, 2);
	assert_string_equal(messages.at[0].text, "port '80abc' is not a number (1-65535)");
	assert_int_equal(conf.door_count, 2);
	assert_int_equal(conf.door[0].open.count, 1);
	assert_int_equal(conf.door[1].sequence.len, 3);
	messages_free(&messages);
	conf_free(&conf);
}

static void every_cut_of_a_file_is_parsed_without_harm(void **state)
{
	char path[512];
	struct text input;

	(void)state;
	snprintf(path, sizeof(path), "%s/good/every-directive.conf", conf_dir);
	input = file_read(path);
	assert_non_null(input.at);
	for (size_t len = 0; len <= input.len; len++) {
		/* A copy of just that size, so that a sanitizer sees any step behind it. */
		char *copy = malloc(len ? len : 1);
		struct messages messages;
		struct conf conf;

		assert_non_null(copy);
		memcpy(copy, input.at, len);
		messages_init(&messages, "cut");
		conf_init(&conf, "cut");
		parse_text(&conf, copy, len, &messages);
		conf_free(&conf);
		messages_free(&messages);
		free(copy);
	}
	free(input.at);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_files_parse_and_survive_printing),
		cmocka_unit_test(bad_files_give_exactly_the_messages_expected),
		cmocka_unit_test(the_example_parses_and_opens_with_the_published_knock),
		cmocka_unit_test(commands_are_verbatim),
		cmocka_unit_test(an_empty_command_is_nothing_to_run),
		cmocka_unit_test(lists_targets_and_interfaces_are_kept),
		cmocka_unit_test(a_sequence_alone_is_read_as_in_a_config),
		cmocka_unit_test(what_the_command_line_says_is_left_alone),
		cmocka_unit_test(the_longest_lines_survive_printing),
		cmocka_unit_test(defaults_are_those_of_the_manual),
		cmocka_unit_test(tcp_flags_are_taken_literally),
		cmocka_unit_test(lists_keep_their_order_and_families),
		cmocka_unit_test(doors_of_one_name_are_counted),
		cmocka_unit_test(the_last_of_two_lines_stands_but_the_first_interface),
		cmocka_unit_test(a_long_name_is_cut_as_in_knockd),
		cmocka_unit_test(one_door_too_many_is_refused_once),
		cmocka_unit_test(only_so_many_errors_are_kept_and_the_rest_is_counted),
		cmocka_unit_test(ten_thousand_errors_make_a_list_of_the_first_and_a_number),
		cmocka_unit_test(a_thousand_doors_are_read_and_printed_at_once),
		cmocka_unit_test(messages_are_sorted_by_line_and_show_no_control_bytes),
		cmocka_unit_test(freeing_twice_or_nothing_is_fine),
		cmocka_unit_test(one_error_does_not_stop_the_reading),
		cmocka_unit_test(every_cut_of_a_file_is_parsed_without_harm),
	};

	if (argc > 1)
		conf_dir = argv[1];
	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
