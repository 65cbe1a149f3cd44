// SPDX-License-Identifier: GPL-2.0-or-later
/* A config, facts about a host, and exactly the warnings that both together give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "conf.h"
#include "message.h"
#include "parse.h"

/* A host of which nothing is known but what a test says. */
static struct host_facts facts;

static int facts_forget(void **state)
{
	(void)state;
	memset(&facts, 0, sizeof(facts));
	return 0;
}

/* All warnings of @text, which has to be free of errors. */
static char *text_check(const char *text)
{
	struct messages messages;
	struct conf conf;
	char *warnings;
	size_t len;
	FILE *memory = open_memstream(&warnings, &len);

	assert_non_null(memory);
	messages_init(&messages, "f");
	conf_init(&conf, "f");
	if (parse_text(&conf, text, strlen(text), &messages) != 0) {
		messages_print(&messages, stderr);
		fail_msg("does not parse: %s", text);
	}
	check_conf(&conf, &facts, &messages);
	messages_print(&messages, memory);
	fclose(memory);
	conf_free(&conf);
	messages_free(&messages);
	return warnings;
}

static void expect(const char *text, const char *expected)
{
	char *warnings = text_check(text);

	if (strcmp(warnings, expected) != 0)
		fail_msg("%s\ngives:\n%sinstead of:\n%s", text, warnings, expected);
	free(warnings);
}

/* One door that opens ssh, with this sequence on line 2. */
static void expect_sequence(const char *sequence, const char *expected)
{
	char text[256];

	snprintf(text, sizeof(text), "[d]\nSequence = %s\nOpen = 22\n", sequence);
	expect(text, expected);
}

static void a_sound_config_gives_no_warning(void **state)
{
	(void)state;
	expect("[options]\nTrust = 192.0.2.0/24\n[ssh]\nSequence = 9000,7000,8000\nOpen = 22\n"
	       "Close_Sequence = 7000,9000,8000\n[web]\nSequence = 7000:udp,9000,1:icmp\n"
	       "Open = 443, 9000\n", "");
}

static void the_example_is_sound(void **state)
{
	(void)state;
	expect_sequence("7000,8000:udp,9000", "");
}

static void a_single_knock_is_found_by_any_scan(void **state)
{
	(void)state;
	expect_sequence("7000",
			"f:2: warning: door 'd' opens at a single knock, so every full scan opens "
			"it (chance 1 in 1); use three knocks or more\n");
}

static void two_knocks_are_few(void **state)
{
	(void)state;
	expect_sequence("9000,7000", "f:2: warning: door 'd' has only 2 knocks; a full scan in "
				     "random order opens it with a chance of 1 in 65534; use three "
				     "or more\n");
	expect_sequence("9000,7000:udp", "f:2: warning: door 'd' has only 2 knocks; a full scan in "
					 "random order opens it with a chance of 1 in 131069; use "
					 "three or more\n");
	expect_sequence("0:icmp,1:icmp", "f:2: warning: door 'd' has only 2 knocks; a full scan in "
					 "random order opens it with a chance of 1 in 256; use "
					 "three or more\n");
}

static void ascending_ports_are_named(void **state)
{
	(void)state;
	expect_sequence("7000,8000,9000",
			"f:2: warning: door 'd' knocks at ascending ports, as scans do; only "
			"strays between them keep it closed (in random order: 1 in "
			"4294639622); mix them\n");
	expect_sequence("7000:udp,8000:udp,9000:udp",
			"f:2: warning: door 'd' knocks at ascending ports, as scans do; only "
			"strays between them keep it closed (in random order: 1 in "
			"4294770690); mix them\n");
	expect_sequence("7000,9000,8000", "");
	expect_sequence("7000,7000,8000", "");
}

static void consecutive_ports_open_to_a_scan_in_order(void **state)
{
	(void)state;
	expect_sequence("7000,7001,7002",
			"f:2: warning: door 'd' knocks at ports that follow each other, so a scan "
			"in ascending order opens it for certain (in random order: 1 in "
			"4294639622); mix them\n");
	expect_sequence("7002,7001,7000",
			"f:2: warning: door 'd' knocks at ports that follow each other, so a scan "
			"in descending order opens it for certain (in random order: 1 in "
			"4294639622); mix them\n");
}

static void ports_that_are_no_strays_do_not_keep_a_scan_from_opening(void **state)
{
	static const char certain[] =
		"f:2: warning: door 'd' knocks at ports that follow each other, so a scan in "
		"ascending order opens it for certain (in random order: 1 in 4294639622); mix "
		"them\n";

	(void)state;
	/* 22 is protected, 23 is served; 24 would be a stray. */
	facts.ports_known = true;
	port_set_add(&facts.tcp_listening, 22);
	port_set_add(&facts.tcp_listening, 23);
	expect_sequence("20,21,24", certain);
	port_set_add(&facts.tcp_listening, 24);
	expect_sequence("20,21,25", certain);
	expect_sequence("20,21,27",
			"f:2: warning: door 'd' knocks at ascending ports, as scans do; only "
			"strays between them keep it closed (in random order: 1 in "
			"4294639622); mix them\n"
			"f:2: warning: door 'd' knocks at ports no more than 6 apart, which are "
			"easily guessed; spread them\n");
}

static void a_host_that_is_all_protected_has_no_strays(void **state)
{
	(void)state;
	expect("[d]\nSequence = 7000,9000,8000\nOpen = 1-65535\n",
	       "f:2: warning: door 'd' is opened by a full scan in random order with a chance of "
	       "1 in 6, because so many ports are protected, and those clear no knocks; use more "
	       "knocks\n");
}

static void near_ports_are_easily_guessed(void **state)
{
	(void)state;
	expect_sequence("7000,7010,7005",
			"f:2: warning: door 'd' knocks at ports no more than 10 apart, which are "
			"easily guessed; spread them\n");
	expect_sequence("7000,7011,7005", "");
	expect_sequence("7000,7001:udp,7000", "");
}

static void one_knock_repeated_opens_to_a_patient_scan(void **state)
{
	(void)state;
	expect_sequence("7000,7000,7000",
			"f:2: warning: door 'd' has one knock 3 times, so a scan that tries a port "
			"again may open it; use different ones\n");
}

static void a_chance_too_small_for_64_bits_is_bounded(void **state)
{
	(void)state;
	expect_sequence("1,3,5,7,9,11000,13000",
			"f:2: warning: door 'd' knocks at ascending ports, as scans do; only "
			"strays between them keep it closed (in random order: less than "
			"1 in 10^19); mix them\n");
}

static void a_door_on_the_way_to_another_is_named(void **state)
{
	(void)state;
	expect("[long]\nSequence = 9000,7000,8000,6000\nOpen = 80\n"
	       "[other]\nSequence = 9000,7000,8001\nOpen = 81\n"
	       "[short]\nSequence = 9000,7000,8000\nOpen = 22\n",
	       "f:2: warning: the sequence of door 'long' begins with that of door 'short' on line "
	       "7, which opens on the way\n");
	expect("[a]\nSequence = 9000,7000,8000\nOpen = 22\n"
	       "[b]\nSequence = 9000,7000,8000\nOpen = 23\n",
	       "f:5: warning: door 'b' has the sequence of door 'a' on line 1; both open at "
	       "once\n");
}

static void doors_with_other_flags_are_not_on_the_way(void **state)
{
	(void)state;
	expect("[a]\nSequence = 9000,7000,8000\nOpen = 22\n"
	       "[b]\nSequence = 9000,7000,8000\nOpen = 23\nTCPFlags = fin\n", "");
	/* Flags say nothing of UDP. */
	expect("[a]\nSequence = 9000:udp,7000:udp,8000:udp\nOpen = 22\n"
	       "[b]\nSequence = 9000:udp,7000:udp,8000:udp,1\nOpen = 23\nTCPFlags = fin\n",
	       "f:5: warning: the sequence of door 'b' begins with that of door 'a' on line 1, "
	       "which opens on the way\n");
	/* The nearest one is of another stream; the one behind it is not. */
	expect("[a]\nSequence = 9000,7000,8000\nOpen = 22\n"
	       "[b]\nSequence = 9000,7000,8000,5\nOpen = 23\nTCPFlags = fin\n"
	       "[c]\nSequence = 9000,7000,8000,5,6\nOpen = 24\n",
	       "f:9: warning: the sequence of door 'c' begins with that of door 'a' on line 1, "
	       "which opens on the way\n");
}

static void one_knock_must_not_open_and_close(void **state)
{
	(void)state;
	expect("[d]\nSequence = 9000,7000,8000\nOpen = 22\nClose_Sequence = 7000,8000\n",
	       "f:4: warning: Close_Sequence of door 'd' is the end of its Sequence; the knock "
	       "that opens the door closes it\n");
	expect("[d]\nSequence = 9000,7000,8000\nOpen = 22\nClose_Sequence = 1,9000,7000,8000\n",
	       "f:4: warning: Sequence of door 'd' is the end of its Close_Sequence; the knock "
	       "that closes the door opens it\n");
}

static void ephemeral_ports_should_be_reserved(void **state)
{
	(void)state;
	facts.local_range_known = true;
	facts.local_first = 32768;
	facts.local_last = 60999;
	expect("[d]\nSequence = 60999,7000,32767\nClose_Sequence = 4:icmp,40000:udp,61000\n"
	       "Open = 22, 32768, 50000-65535, 61000\n",
	       "f:2: warning: knock 1 in Sequence of door 'd' is in ip_local_port_range "
	       "(32768-60999), which this host uses for its own connections; take another or "
	       "reserve it in net.ipv4.ip_local_reserved_ports\n"
	       "f:3: warning: knock 2 in Close_Sequence of door 'd' is in ip_local_port_range "
	       "(32768-60999), which this host uses for its own connections; take another or "
	       "reserve it in net.ipv4.ip_local_reserved_ports\n"
	       "f:4: warning: door 'd' protects 32768:tcp in ip_local_port_range (32768-60999), "
	       "which this host uses for its own connections; reserve them in "
	       "net.ipv4.ip_local_reserved_ports\n"
	       "f:4: warning: door 'd' protects 50000-60999:tcp in ip_local_port_range "
	       "(32768-60999), which this host uses for its own connections; reserve them in "
	       "net.ipv4.ip_local_reserved_ports\n");
	port_set_add(&facts.local_reserved, 40000);
	port_set_add(&facts.local_reserved, 32768);
	expect("[d]\nSequence = 9000,7000,40000\nOpen = 22, 32768\n", "");
}

static void a_protected_port_without_a_listener_is_named(void **state)
{
	(void)state;
	facts.ports_known = true;
	port_set_add(&facts.tcp_listening, 22);
	port_set_add(&facts.udp_bound, 8443);
	port_set_add(&facts.tcp_listening, 105);
	expect("[d]\nSequence = 9000,7000,8000\nOpen = 22, 100-110, 8443\n",
	       "f:3: warning: door 'd' protects 8443:tcp, where nothing listens on this host; if "
	       "it is translated elsewhere (to a container, say), sessions that are up now cannot "
	       "be seen and will be cut\n");
}

static void live_udp_cannot_be_seen(void **state)
{
	(void)state;
	expect("[d]\nSequence = 9000,7000,8000\nOpen = 51820:udp, 1-2:udp\n",
	       "f:3: warning: door 'd' protects 51820:udp; UDP has no sessions that the kernel "
	       "could show, so those that are up when knockd starts will be cut\n"
	       "f:3: warning: door 'd' protects 1-2:udp; UDP has no sessions that the kernel "
	       "could show, so those that are up when knockd starts will be cut\n");
}

static void a_door_that_stays_open_is_named(void **state)
{
	(void)state;
	expect("[d]\nSequence = 9000,7000,8000\nOpen = 22\nOpen_Time = 0\n",
	       "f:4: warning: with Open_Time 0 and no Close_Sequence door 'd' stays open for "
	       "good\n");
	expect("[d]\nSequence = 9000,7000,8000\nOpen = 22\nClose_Sequence = 7\nOpen_Time = 0\n",
	       "f:5: warning: with Open_Time 0 door 'd' stays open until its Close_Sequence\n");
}

static void a_door_that_opens_nothing_is_named(void **state)
{
	(void)state;
	expect("[d]\nSequence = 9000,7000,8000\n",
	       "f:1: warning: door 'd' opens nothing and runs nothing; add 'Open = PORT' or "
	       "'Start_Command = COMMAND'\n");
	expect("[d]\nSequence = 9000,7000,8000\nOpen_Time = 0\nStart_Command =\nStop_Command =\n",
	       "f:1: warning: door 'd' opens nothing and runs nothing; add 'Open = PORT' or "
	       "'Start_Command = COMMAND'\n");
}

static void a_door_with_commands_alone_is_sound(void **state)
{
	(void)state;
	expect("[d]\nSequence = 9000,7000,8000\nCommand = true\n", "");
	expect("[d]\nSequence = 9000,7000,8000\nCommand_6 = true\nCmd_Timeout = 10\n", "");
	expect("[d]\nSequence = 9000,7000,8000\nCommand = true\nCommand_6 =\n"
	       "Stop_Command = true\n", "");
	expect("[d]\nSequence = 9000,7000,8000\nOpen = 22\nStop_Command = true\n", "");
	expect("[d]\nOne_Time_Sequences = /x\nCommand = true\n", "");
}

static void a_stop_command_that_never_runs_is_named(void **state)
{
	static const char never[] =
		"f:1: warning: the Stop_Command of door 'd' never runs, because there is no "
		"Start_Command before it and no Open\n";

	(void)state;
	expect("[d]\nSequence = 9000,7000,8000\nStop_Command = true\n", never);
	expect("[d]\nSequence = 9000,7000,8000\nStart_Command =\nStop_Command_6 = true\n", never);
	/* For IPv4 there is something to start and nothing to stop, for IPv6 the reverse. */
	expect("[d]\nSequence = 9000,7000,8000\nStart_Command = true\nStart_Command_6 =\n"
	       "Stop_Command_6 = true\n", never);
}

static void a_command_at_a_single_knock_is_anybodys(void **state)
{
	(void)state;
	expect("[d]\nSequence = 9000:udp\nCommand = true\n",
	       "f:2: warning: door 'd' opens at a single knock, so every full scan opens it "
	       "(chance 1 in 1); use three knocks or more\n"
	       "f:2: warning: door 'd' runs its command at a single knock, so anybody can make it "
	       "run, for any address, with packets of forged sources; use three knocks or "
	       "more\n");
}

static void connections_count_tcp_only(void **state)
{
	(void)state;
	expect("[d]\nSequence = 9000,7000,8000\nOpen = 22\nConnections = 1\n", "");
	expect("[d]\nSequence = 9000,7000,8000\nCommand = true\nConnections = 1\n",
	       "f:1: warning: door 'd' has Connections, which counts TCP connections, and opens no "
	       "TCP port; it has no effect\n");
	expect("[d]\nSequence = 9000,7000,8000\nOpen = 53:udp\nConnections = 1\n",
	       "f:1: warning: door 'd' has Connections, which counts TCP connections, and opens no "
	       "TCP port; it has no effect\n"
	       "f:3: warning: door 'd' protects 53:udp; UDP has no sessions that the kernel could "
	       "show, so those that are up when knockd starts will be cut\n");
	expect("[d]\nSequence = 9000,7000,8000\nOpen = 53:udp, 53\nConnections = 1\n",
	       "f:1: warning: door 'd' has Connections, which counts TCP connections only; its UDP "
	       "ports do not use the grant up\n"
	       "f:3: warning: door 'd' protects 53:udp; UDP has no sessions that the kernel could "
	       "show, so those that are up when knockd starts will be cut\n");
}

/* The warnings of @text where its targets are addresses of other hosts. */
static void expect_remote(const char *text, const char *expected)
{
	struct messages messages;
	struct conf conf;
	char *warnings;
	size_t len;
	FILE *memory = open_memstream(&warnings, &len);

	assert_non_null(memory);
	messages_init(&messages, "f");
	conf_init(&conf, "f");
	assert_int_equal(parse_text(&conf, text, strlen(text), &messages), 0);
	for (size_t i = 0; i < conf.door_count; i++)
		conf.door[i].target.remote = conf.door[i].target.family != 0;
	check_conf(&conf, &facts, &messages);
	messages_print(&messages, memory);
	fclose(memory);
	assert_string_equal(warnings, expected);
	free(warnings);
	conf_free(&conf);
	messages_free(&messages);
}

static void sessions_to_another_host_cannot_be_seen(void **state)
{
	(void)state;
	facts.ports_known = true;
	facts.local_range_known = true;
	facts.local_first = 32768;
	facts.local_last = 60999;
	expect_remote("[d]\nSequence = 9000,7000,8000\nOpen = 22, 53:udp, 40000\n"
		      "Target = 2001:DB8::1\n",
		      "f:4: warning: door 'd' protects ports of another host, 2001:db8::1; "
		      "sessions that are up through this host when knockd starts cannot be seen "
		      "and will be cut, and whether anything listens there is not looked up\n");
	expect_remote("[d]\nSequence = 9000,7000,8000\nCommand = etherwake x\n"
		      "Target = 192.0.2.1\n", "");
	expect_remote("[d]\nSequence = 9000,7000,8000\nCommand = etherwake x\n"
		      "Target = 192.0.2.1\nConnections = 1\n",
		      "f:1: warning: door 'd' has Connections, which counts connections to this "
		      "host, and its Target is another; it has no effect\n");
}

static void doors_with_other_targets_are_not_on_the_way(void **state)
{
	static const char both[] =
		"[a]\nSequence = 9000,7000,8000\nCommand = true\nTarget = 192.0.2.1\n"
		"[b]\nSequence = 9000,7000,8000\nCommand = true\n";

	(void)state;
	/* Without a target a door listens at every address of this host. */
	expect(both, "f:6: warning: door 'b' has the sequence of door 'a' on line 1; both open at "
		     "once\n");
	expect_remote(both, "");
	expect("[a]\nSequence = 9000,7000,8000\nCommand = true\nTarget = 192.0.2.1\n"
	       "[b]\nSequence = 9000,7000,8000\nCommand = true\nTarget = 192.0.2.2\n", "");
	expect_remote("[a]\nSequence = 9000,7000,8000\nCommand = true\nTarget = 192.0.2.1\n"
		      "[b]\nSequence = 9000,7000,8000\nCommand = true\nTarget = 192.0.2.1\n",
		      "f:6: warning: door 'b' has the sequence of door 'a' on line 1; both open "
		      "at once\n");
}

static void trusting_everyone_is_named(void **state)
{
	(void)state;
	expect("[options]\nTrust = 0.0.0.0/0\n[d]\nSequence = 9000,7000,8000\nOpen = 22\n"
	       "Trust = 192.0.2.1, ::/0\nKnock_From = ::/0\n",
	       "f:2: warning: Trust of a prefix of length 0 trusts every IPv4 source; nothing is "
	       "closed to them\n"
	       "f:6: warning: Trust of a prefix of length 0 trusts every IPv6 source; nothing is "
	       "closed to them\n");
}

static void a_file_that_others_can_read_is_named(void **state)
{
	(void)state;
	facts.mode_known = true;
	facts.mode = 0600;
	expect("", "");
	facts.mode = 0640;
	expect("", "f: warning: others than its owner have access (mode 0640), and it holds "
		   "secrets; use 'chmod 600'\n");
}

/* ---- facts ---- */

static char root[64];

static void file_write(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static const char *const directories[] = { "net", "sys", "sys/net", "sys/net/ipv4" };
static const char *const files[] = {
	"net/tcp", "net/tcp6", "net/udp", "net/udp6", "conf",
	"sys/net/ipv4/ip_local_port_range", "sys/net/ipv4/ip_local_reserved_ports",
};

static int proc_make(void **state)
{
	char path[256];

	(void)state;
	snprintf(root, sizeof(root), "/tmp/knockd-test-%d", (int)getpid());
	assert_int_equal(mkdir(root, 0700), 0);
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, directories[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	return 0;
}

static int proc_remove(void **state)
{
	char path[256];

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, files[i]);
		unlink(path);
	}
	for (size_t i = sizeof(directories) / sizeof(directories[0]); i-- > 0;) {
		snprintf(path, sizeof(path), "%s/%s", root, directories[i]);
		rmdir(path);
	}
	return rmdir(root);
}

static unsigned int ports_count(const struct port_set *set)
{
	unsigned int count = 0;

	for (unsigned int port = 0; port < 65536; port++)
		count += port_set_has(set, (uint16_t)port);
	return count;
}

static void missing_files_leave_facts_unknown(void **state)
{
	(void)state;
	host_facts_read_at(&facts, root, "/nonexistent/knockd.conf");
	assert_false(facts.ports_known);
	assert_false(facts.local_range_known);
	assert_false(facts.mode_known);
	assert_int_equal(ports_count(&facts.local_reserved), 0);
}

static void listening_and_bound_sockets_are_read(void **state)
{
	static const char head[] = "  sl  local_address rem_address   st tx_queue\n";
	char text[2048];
	char path[256];

	(void)state;
	snprintf(text, sizeof(text), "%s%s", head,
		 "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000\n"
		 "   1: 0100007F:0017 0100007F:C350 01 00000000:00000000 00:00000000 00000000\n"
		 "1000: 0100007F:FFFF 00000000:0000 0A 00000000:00000000 00:00000000 00000000\n"
		 "   3: 0100007F:0018 00000000:0000\n"
		 "   4: 0100007F:00199 00000000:0000 0A 0\n"
		 "   5: 0100007F\n"
		 "   6:\n"
		 "\n"
		 "   7: 0100007F:00");
	file_write("net/tcp", text);
	snprintf(text, sizeof(text), "%s%s", head,
		 "   0: 00000000000000000000000000000000:01BB "
		 "00000000000000000000000000000000:0000 0A 00000000:00000000\n");
	file_write("net/tcp6", text);
	snprintf(text, sizeof(text), "%s%s", head,
		 "  99: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000\n"
		 "  99: 00000000:0036 0100007F:0035 01 00000000:00000000 00:00000000\n");
	file_write("net/udp", text);
	file_write("conf", "");
	snprintf(path, sizeof(path), "%s/conf", root);
	chmod(path, 0604);
	host_facts_read_at(&facts, root, path);
	assert_true(facts.ports_known);
	assert_int_equal(ports_count(&facts.tcp_listening), 3);
	assert_true(port_set_has(&facts.tcp_listening, 22));
	assert_true(port_set_has(&facts.tcp_listening, 443));
	assert_true(port_set_has(&facts.tcp_listening, 65535));
	assert_int_equal(ports_count(&facts.udp_bound), 1);
	assert_true(port_set_has(&facts.udp_bound, 53));
	assert_true(facts.mode_known);
	assert_int_equal(facts.mode, 0604);
}

static void ranges_of_ports_are_read(void **state)
{
	static const struct {
		const char *range, *reserved;
		bool known;
		unsigned int first, last, count;
	} rows[] = {
		{ "32768\t60999\n", "\n", true, 32768, 60999, 0 },
		{ "1024 65535", "22", true, 1024, 65535, 1 },
		{ "5\t5\n", "22,80-89,65535\n", true, 5, 5, 12 },
		{ "60999\t32768\n", "89-80,x,1x,-,,65536,7\n", false, 0, 0, 1 },
		{ "32768\n", "123456789012345678901234567890,9", false, 0, 0, 1 },
		{ "", "", false, 0, 0, 0 },
		{ "0\t70000\n", "1-65535", false, 0, 0, 65535 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		file_write("sys/net/ipv4/ip_local_port_range", rows[i].range);
		file_write("sys/net/ipv4/ip_local_reserved_ports", rows[i].reserved);
		host_facts_read_at(&facts, root, "/nonexistent");
		assert_int_equal(facts.local_range_known, rows[i].known);
		assert_int_equal(facts.local_first, rows[i].first);
		assert_int_equal(facts.local_last, rows[i].last);
		assert_int_equal(ports_count(&facts.local_reserved), rows[i].count);
	}
}

/* Bind a socket of @type to any port of the loopback address. Returns the port. */
static uint16_t socket_bind(int type, int *fd)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);

	*fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	assert_true(*fd >= 0);
	assert_int_equal(bind(*fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(*fd, (struct sockaddr *)&address, &len), 0);
	return ntohs(address.sin_port);
}

static void this_hosts_own_sockets_are_found(void **state)
{
	int listening, bound, quiet;
	uint16_t listening_port = socket_bind(SOCK_STREAM, &listening);
	uint16_t bound_port = socket_bind(SOCK_DGRAM, &bound);
	uint16_t quiet_port = socket_bind(SOCK_STREAM, &quiet);

	(void)state;
	assert_int_equal(listen(listening, 1), 0);
	host_facts_read(&facts, "/dev/null");
	close(listening);
	close(bound);
	close(quiet);
	assert_true(facts.ports_known);
	assert_true(port_set_has(&facts.tcp_listening, listening_port));
	assert_true(port_set_has(&facts.udp_bound, bound_port));
	assert_false(port_set_has(&facts.tcp_listening, quiet_port));
	assert_true(facts.local_range_known);
	assert_true(facts.mode_known);
}

#define CHECK_TEST(function) cmocka_unit_test_setup(function, facts_forget)
#define PROC_TEST(function) cmocka_unit_test_setup_teardown(function, proc_make, proc_remove)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CHECK_TEST(a_sound_config_gives_no_warning),
		CHECK_TEST(the_example_is_sound),
		CHECK_TEST(a_single_knock_is_found_by_any_scan),
		CHECK_TEST(two_knocks_are_few),
		CHECK_TEST(ascending_ports_are_named),
		CHECK_TEST(consecutive_ports_open_to_a_scan_in_order),
		CHECK_TEST(ports_that_are_no_strays_do_not_keep_a_scan_from_opening),
		CHECK_TEST(a_host_that_is_all_protected_has_no_strays),
		CHECK_TEST(near_ports_are_easily_guessed),
		CHECK_TEST(one_knock_repeated_opens_to_a_patient_scan),
		CHECK_TEST(a_chance_too_small_for_64_bits_is_bounded),
		CHECK_TEST(a_door_on_the_way_to_another_is_named),
		CHECK_TEST(doors_with_other_flags_are_not_on_the_way),
		CHECK_TEST(one_knock_must_not_open_and_close),
		CHECK_TEST(ephemeral_ports_should_be_reserved),
		CHECK_TEST(a_protected_port_without_a_listener_is_named),
		CHECK_TEST(live_udp_cannot_be_seen),
		CHECK_TEST(a_door_that_stays_open_is_named),
		CHECK_TEST(a_door_that_opens_nothing_is_named),
		CHECK_TEST(a_door_with_commands_alone_is_sound),
		CHECK_TEST(a_stop_command_that_never_runs_is_named),
		CHECK_TEST(a_command_at_a_single_knock_is_anybodys),
		CHECK_TEST(connections_count_tcp_only),
		CHECK_TEST(sessions_to_another_host_cannot_be_seen),
		CHECK_TEST(doors_with_other_targets_are_not_on_the_way),
		CHECK_TEST(trusting_everyone_is_named),
		CHECK_TEST(a_file_that_others_can_read_is_named),
		PROC_TEST(missing_files_leave_facts_unknown),
		PROC_TEST(listening_and_bound_sockets_are_read),
		PROC_TEST(ranges_of_ports_are_read),
		CHECK_TEST(this_hosts_own_sockets_are_found),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
