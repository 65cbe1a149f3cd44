// SPDX-License-Identifier: GPL-2.0-or-later
/* What print_conf() writes, to the byte. That it parses to the same is test_parse.c's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "message.h"
#include "parse.h"
#include "print.h"

static char *text_print(const char *text)
{
	struct messages messages;
	struct conf conf;
	char *printed;
	size_t len;
	FILE *memory = open_memstream(&printed, &len);

	assert_non_null(memory);
	messages_init(&messages, "text");
	conf_init(&conf, "text");
	assert_int_equal(parse_text(&conf, text, strlen(text), &messages), 0);
	assert_int_equal(print_conf(&conf, memory), 0);
	fclose(memory);
	conf_free(&conf);
	messages_free(&messages);
	return printed;
}

static const char defaults[] = "Closed = drop\n"
			       "XDP_Mode = auto\n"
			       "On_Exit = detach\n"
			       "UDP_Idle = 180\n"
			       "Grant_Prefix6 = 128\n"
			       "Max_Sources = 65536\n"
			       "Max_Grants = 16384\n"
			       "Max_Flows = 65536\n"
			       "Max_Commands = 32\n"
			       "Command_Time = 60\n";

static void an_empty_file_prints_the_defaults(void **state)
{
	char *printed = text_print("");
	char expected[512];

	(void)state;
	snprintf(expected, sizeof(expected), "[options]\nUseSyslog = no\n%s", defaults);
	assert_string_equal(printed, expected);
	free(printed);
}

static void a_door_prints_in_one_form(void **state)
{
	char *printed = text_print("[options]\ninterface=eth1,eth2 , eth3\nusesyslog\n"
				   "logfile=/a b\n"
				   "trust=192.0.2.1/32,2001:DB8:0:0::/64\n"
				   "[ a ]\ntimeout=007\nsequence=7001:TCP,9001:udp,0:icmp\n"
				   "open_time=2h\nopen=22-22,53:udp,80-90:tcp\n"
				   "close_sequence=5\ntcpflags=!ack,psh,syn\n"
				   "knock_from=0.0.0.0/0\ntarget=2001:DB8::0:1\n"
				   "stop_command_6=d  e\nstop_command=\ncmd_timeout=1m\n"
				   "command_6=b\ncommand=a = # %IP%\nconnections=3\n");
	char expected[1024];

	(void)state;
	snprintf(expected, sizeof(expected),
		 "[options]\n"
		 "Interface = eth1, eth2, eth3\n"
		 "UseSyslog = yes\n"
		 "LogFile = /a b\n"
		 "Trust = 192.0.2.1, 2001:db8::/64\n"
		 "%s"
		 "\n[ a ]\n"
		 "Sequence = 7001, 9001:udp, 0:icmp\n"
		 "Seq_Timeout = 7\n"
		 "TCPFlags = syn,psh,!ack\n"
		 "Target = 2001:db8::1\n"
		 "Open = 22, 53:udp, 80-90\n"
		 "Open_Time = 7200\n"
		 "Connections = 3\n"
		 "Close_Sequence = 5\n"
		 "Knock_From = 0.0.0.0/0\n"
		 "Start_Command = a = # %%IP%%\n"
		 "Start_Command_6 = b\n"
		 "Cmd_Timeout = 60\n"
		 "Stop_Command =\n"
		 "Stop_Command_6 = d  e\n", defaults);
	assert_string_equal(printed, expected);
	free(printed);
}

/* Which sequence is in force is no matter of the config, and a secret that works once. */
static void a_door_with_a_list_prints_the_list(void **state)
{
	struct conf_door *door;
	struct conf conf;
	char *printed;
	size_t len;
	FILE *memory = open_memstream(&printed, &len);

	(void)state;
	assert_non_null(memory);
	conf_init(&conf, "text");
	door = conf_door_add(&conf, "a", 1);
	assert_non_null(door);
	door->one_time_file = strdup("/etc/knockd/list");
	door->one_time_line = 4;
	door->sequence = (struct conf_sequence){ .knock = { { CONF_TCP, 7777 } }, .len = 1 };
	assert_int_equal(print_conf(&conf, memory), 0);
	fclose(memory);
	assert_non_null(strstr(printed, "\n[a]\nOne_Time_Sequences = /etc/knockd/list\n"
					"Seq_Timeout = 25\n"));
	assert_null(strstr(printed, "7777"));
	conf_free(&conf);
	free(printed);
}

static void a_full_disk_is_reported(void **state)
{
	FILE *full = fopen("/dev/full", "w");
	struct conf conf;

	(void)state;
	if (!full)
		skip();
	conf_init(&conf, "text");
	assert_int_equal(print_conf(&conf, full), -EIO);
	fclose(full);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_prints_the_defaults),
		cmocka_unit_test(a_door_prints_in_one_form),
		cmocka_unit_test(a_door_with_a_list_prints_the_list),
		cmocka_unit_test(a_full_disk_is_reported),
	};

	return cmocka_run_group_tests_name("print", tests, NULL, NULL);
}
