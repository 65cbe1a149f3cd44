// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Configs of the classic knockd 0.8, as its package and its manual have them: what they say there
 * they say here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/socket.h>

#include "confs.h"

static void the_classics_default_says_what_it_said(void **state)
{
	static const struct {
		const char *door, *knocks, *command;
	} rows[] = {
		{ "openSSH", "7000:tcp 8000:tcp 9000:tcp",
		  "/sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT" },
		{ "closeSSH", "9000:tcp 8000:tcp 7000:tcp",
		  "/sbin/iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT" },
		{ "openHTTPS", "12345:tcp 54321:tcp 24680:tcp 13579:tcp",
		  "/usr/local/sbin/knock_add -i -c INPUT -p tcp -d 443 -f %IP%" },
	};
	struct conf conf = good_parse("classic-default.conf");

	(void)state;
	assert_true(conf.use_syslog);
	assert_null(conf.log_file);
	assert_int_equal(conf.interface_count, 0);
	assert_int_equal(conf.door_count, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct conf_door *door = &conf.door[i];

		assert_string_equal(door->name, rows[i].door);
		sequence_expect(&door->sequence, rows[i].knocks);
		flags_expect(&door->flags, CONF_TCP_SYN, CONF_TCP_SYN);
		assert_int_equal(door->seq_timeout_s, 5);
		assert_int_equal(door->open.count, 0);
		assert_string_equal(conf_start_command(door, AF_INET), rows[i].command);
		assert_string_equal(conf_start_command(door, AF_INET6), rows[i].command);
		assert_false(conf_door_owes(door));
	}
	conf_free(&conf);
}

static void the_classics_first_example_says_what_it_said(void **state)
{
	struct conf conf = good_parse("classic-example-1.conf");
	const struct conf_door *open = door_named(&conf, "openSSH");
	const struct conf_door *close = door_named(&conf, "closeSSH");

	(void)state;
	assert_false(conf.use_syslog);
	assert_string_equal(conf.log_file, "/var/log/knockd.log");
	assert_int_equal(conf.door_count, 2);
	sequence_expect(&open->sequence, "7000:tcp 8000:tcp 9000:tcp");
	sequence_expect(&close->sequence, "9000:tcp 8000:tcp 7000:tcp");
	assert_int_equal(open->seq_timeout_s, 10);
	assert_int_equal(close->seq_timeout_s, 10);
	flags_expect(&close->flags, CONF_TCP_SYN, CONF_TCP_SYN);
	assert_string_equal(open->commands.start,
			    "/sbin/iptables -A INPUT -s %IP% --dport 22 -j ACCEPT");
	assert_string_equal(close->commands.start,
			    "/sbin/iptables -D INPUT -s %IP% --dport 22 -j ACCEPT");
	conf_free(&conf);
}

static void the_classics_second_example_says_what_it_said(void **state)
{
	struct conf conf = good_parse("classic-example-2.conf");
	const struct conf_door *door = door_named(&conf, "opencloseSSH");

	(void)state;
	assert_int_equal(conf.door_count, 1);
	sequence_expect(&door->sequence, "2222:udp 3333:tcp 4444:udp");
	assert_int_equal(door->seq_timeout_s, 15);
	flags_expect(&door->flags, CONF_TCP_SYN | CONF_TCP_ACK, CONF_TCP_SYN | CONF_TCP_ACK);
	assert_string_equal(conf_start_command(door, AF_INET),
			    "/usr/sbin/iptables -A INPUT -s %IP% -p tcp --syn -j ACCEPT");
	assert_int_equal(door->commands.timeout_s, 5);
	assert_int_equal(door->commands.timeout_line, 11);
	assert_string_equal(conf_stop_command(door, AF_INET6),
			    "/usr/sbin/iptables -D INPUT -s %IP% -p tcp --syn -j ACCEPT");
	conf_free(&conf);
}

/* The third and the fourth differ only in what the fourth does for IPv6. */
static void the_classics_examples_with_lists_say_what_they_said(void **state)
{
	static const char start[] = "/usr/sbin/iptables -A INPUT -s %IP% -p tcp --dport 25 "
				    "-j ACCEPT";
	static const char stop[] = "/usr/sbin/iptables -D INPUT -s %IP% -p tcp --dport 25 "
				   "-j ACCEPT";

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct conf conf = good_parse(i ? "classic-example-4.conf"
						: "classic-example-3.conf");
		const struct conf_door *door = door_named(&conf, "opencloseSMTP");

		assert_int_equal(conf.door_count, 1);
		assert_string_equal(door->one_time_file, "/etc/knockd/smtp_sequences");
		assert_int_equal(door->one_time_at, 7);
		assert_int_equal(door->one_time_line, 0);
		assert_int_equal(door->sequence.len, 0);
		assert_int_equal(door->seq_timeout_s, 15);
		flags_expect(&door->flags, CONF_TCP_FIN | CONF_TCP_ACK, CONF_TCP_FIN);
		assert_int_equal(door->commands.timeout_s, 5);
		assert_string_equal(conf_start_command(door, AF_INET), start);
		assert_string_equal(conf_stop_command(door, AF_INET), stop);
		assert_string_equal(conf_start_command(door, AF_INET6),
				    i ? "/usr/sbin/ip6tables -A INPUT -s %IP% -p tcp --dport 25 "
					"-j ACCEPT" : start);
		assert_string_equal(conf_stop_command(door, AF_INET6),
				    i ? "/usr/sbin/ip6tables -D INPUT -s %IP% -p tcp --dport 25 "
					"-j ACCEPT" : stop);
		conf_free(&conf);
	}
}

static void what_knockd_reads_with_atoi_is_read_alike(void **state)
{
	struct conf conf = good_parse("classic-lenient.conf");
	const struct conf_door *door = conf.door;

	(void)state;
	assert_int_equal(door[0].seq_timeout_s, 15);
	assert_int_equal(door[0].commands.timeout_s, 0);
	assert_int_equal(door[1].seq_timeout_s, 5);
	assert_int_equal(door[1].commands.timeout_s, CONF_CMD_TIMEOUT_MAX_S);
	assert_int_equal(door[2].seq_timeout_s, 10);
	assert_int_equal(door[2].commands.timeout_s, 300);
	assert_int_equal(door[3].seq_timeout_s, CONF_SEQ_TIMEOUT_MAX_S);
	assert_int_equal(door[3].commands.timeout_s, 0);
	sequence_expect(&door[4].sequence, "7000:tcp 8000:udp 9000:tcp");
	flags_expect(&door[5].flags, CONF_TCP_SYN | CONF_TCP_ACK | CONF_TCP_FIN, CONF_TCP_FIN);
	conf_free(&conf);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_classics_default_says_what_it_said),
		cmocka_unit_test(the_classics_first_example_says_what_it_said),
		cmocka_unit_test(the_classics_second_example_says_what_it_said),
		cmocka_unit_test(the_classics_examples_with_lists_say_what_they_said),
		cmocka_unit_test(what_knockd_reads_with_atoi_is_read_alike),
	};

	if (argc > 1)
		conf_dir = argv[1];
	return cmocka_run_group_tests_name("classic", tests, NULL, NULL);
}
