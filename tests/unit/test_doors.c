// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What of a door reaches the tables: what it gives and for how long, its one-time sequence, its
 * Target; and that numbers by Target mean the same after a reload.
 */
#include "doors.h"

#include <arpa/inet.h>
#include <errno.h>

enum { HZ = 250, NOW = 1000000 };

struct world {
	struct conf conf;
	struct compiled compiled;
	struct messages messages;
};

static int world_make(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	conf_init(&w->conf, "test");
	messages_init(&w->messages, "test");
	*state = w;
	return 0;
}

static int world_free(void **state)
{
	struct world *w = *state;

	compiled_free(&w->compiled);
	conf_free(&w->conf);
	messages_free(&w->messages);
	free(w);
	return 0;
}

static void compile(struct world *w)
{
	assert_int_equal(compile_conf(&w->conf, HZ, NULL, &w->compiled, &w->messages), 0);
	assert_int_equal(w->messages.errors + w->messages.warnings, 0);
}

/* The config as it is now, after the one that is compiled. */
static void recompile(struct world *w, uint64_t now)
{
	struct heritage heritage = heritage_from(&w->compiled, now);
	struct compiled next;

	assert_int_equal(compile_conf(&w->conf, HZ, &heritage, &next, &w->messages), 0);
	assert_int_equal(w->messages.errors + w->messages.warnings, 0);
	compiled_free(&w->compiled);
	w->compiled = next;
}

static void text_set(char **to, const char *text)
{
	*to = text ? strdup(text) : NULL;
	assert_true(!text == !*to);
}

static void door_target(struct conf_door *door, const char *address, bool remote)
{
	struct conf_target *target = &door->target;

	*target = (struct conf_target){ .family = strchr(address, ':') ? AF_INET6 : AF_INET,
					.line = door->line, .remote = remote };
	assert_int_equal(inet_pton(target->family, address, target->address), 1);
}

static const struct port *port_of(const struct world *w, unsigned int class, enum conf_proto proto,
				  unsigned int number)
{
	assert_true(class <= w->compiled.settings.remote_count);
	return &w->compiled.port[(size_t)class * PORT_COUNT + port_index_of(proto, number)];
}

static const struct door *door_of(const struct world *w, size_t i)
{
	int number = door_number(&w->compiled, &w->conf.door[i]);

	assert_true(number >= 0);
	return &w->compiled.door[number];
}

/* ---- what a door gives ---- */

enum { OPEN_TIME_S = 30, TIMEOUT_S = 10, IDLE_S = 180, UNPAID = GRANT_UNPAID_S };

struct row {
	const char *what;
	bool tcp, udp, remote, list;
	const char *start, *start6, *stop, *stop6;
	__u32 open_time_s, connections;
	__u32 flags, lasts_s, lingers_s, linger;
};

static const struct row rows[] = {
	{ "nothing", .open_time_s = 30, .lasts_s = 10 },
	{ "a TCP port", .tcp = true, .open_time_s = 30, .flags = DOOR_GRANTS, .lasts_s = 30 },
	{ "a UDP port", .udp = true, .open_time_s = 30, .flags = DOOR_GRANTS | DOOR_FLOWS,
	  .lasts_s = 30, .lingers_s = IDLE_S, .linger = 1 },
	{ "a TCP port of another host", .tcp = true, .remote = true, .open_time_s = 30,
	  .flags = DOOR_GRANTS | DOOR_FLOWS, .lasts_s = 30, .lingers_s = IDLE_S, .linger = 1 },
	{ "a port until closed", .tcp = true, .open_time_s = 0, .flags = DOOR_GRANTS },
	{ "a start command", .start = "a", .open_time_s = 30, .flags = DOOR_TASKS, .lasts_s = 10 },
	{ "a start command of IPv6", .start6 = "a", .open_time_s = 30, .flags = DOOR_TASKS,
	  .lasts_s = 10 },
	{ "an empty start command", .start = "", .open_time_s = 30, .lasts_s = 10 },
	{ "both commands", .start = "a", .stop = "b", .open_time_s = 30,
	  .flags = DOOR_GRANTS | DOOR_TASKS, .lasts_s = 10 },
	{ "a stop command alone", .stop = "b", .open_time_s = 30, .lasts_s = 10 },
	{ "a stop command alone and a port", .tcp = true, .stop = "b", .open_time_s = 30,
	  .flags = DOOR_GRANTS | DOOR_TASKS, .lasts_s = 30 },
	{ "both commands and a port", .tcp = true, .start = "a", .stop = "b", .open_time_s = 30,
	  .flags = DOOR_GRANTS | DOOR_TASKS, .lasts_s = 30 },
	{ "both commands of IPv6 alone", .start6 = "a", .stop6 = "b", .open_time_s = 30,
	  .flags = DOOR_GRANTS | DOOR_TASKS, .lasts_s = 10 },
	{ "a list", .list = true, .open_time_s = 30, .flags = DOOR_TASKS, .lasts_s = 10 },
	{ "a list and a port", .tcp = true, .list = true, .open_time_s = 30,
	  .flags = DOOR_GRANTS | DOOR_TASKS, .lasts_s = 30 },
	{ "counted connections", .tcp = true, .connections = 3, .open_time_s = 30,
	  .flags = DOOR_GRANTS, .lasts_s = 30, .lingers_s = UNPAID },
	{ "counted connections and a UDP port", .tcp = true, .udp = true, .connections = 3,
	  .open_time_s = 30, .flags = DOOR_GRANTS | DOOR_FLOWS, .lasts_s = 30,
	  .lingers_s = IDLE_S, .linger = 1 },
	{ "counted connections until closed", .tcp = true, .connections = 1, .open_time_s = 0,
	  .flags = DOOR_GRANTS },
};

static void row_add(struct conf *conf, const struct row *row)
{
	struct conf_door *door = door_add(conf, "7000,8000", 25);

	if (row->tcp)
		door_open_add(door, CONF_TCP, 22, 22);
	if (row->udp)
		door_open_add(door, CONF_UDP, 53, 53);
	if (row->remote)
		door_target(door, "203.0.113.9", true);
	text_set(&door->commands.start, row->start);
	text_set(&door->commands.start6, row->start6);
	text_set(&door->commands.stop, row->stop);
	text_set(&door->commands.stop6, row->stop6);
	text_set(&door->one_time_file, row->list ? "/list" : NULL);
	door->open_time_s = row->open_time_s;
	door->connections = row->connections;
}

static void a_door_gives_what_it_says_for_as_long(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];
		const struct door *door;
		__u64 window = row->lasts_s ?
			       (row->lasts_s + row->lingers_s) * HZ + row->linger : 0;

		conf_free(&w->conf);
		row_add(&w->conf, row);
		compile(w);
		door = &w->compiled.door[0];
		if (door->flags != row->flags || door->open_time != (__u64)row->lasts_s * HZ ||
		    door->window != window || door->connections != row->connections)
			fail_msg("%s: flags %u, lasts %llu, window %llu", row->what, door->flags,
				 door->open_time, door->window);
		assert_int_equal(w->compiled.settings.flows,
				 !!(row->flags & DOOR_FLOWS) || row->connections);
		assert_int_equal(w->compiled.settings.connections, !!row->connections);
		assert_int_equal(!!door->once, 0);
		compiled_free(&w->compiled);
		memset(&w->compiled, 0, sizeof(w->compiled));
	}
}

static void what_one_door_needs_the_config_has(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		row_add(&w->conf, &rows[i]);
	for (size_t i = 0; i < w->conf.door_count; i++)
		w->conf.door[i].sequence.knock[0].number += i;
	compile(w);
	assert_int_equal(w->compiled.settings.flows, 1);
	assert_int_equal(w->compiled.settings.connections, 1);
	for (size_t i = 0; i < w->conf.door_count; i++)
		assert_int_equal(door_of(w, i)->flags, rows[i].flags);
}

static void ipv4_alone_reaches_the_tables(void **state)
{
	struct world *w = *state;

	door_add(&w->conf, "7000", 25);
	compile(w);
	assert_int_equal(w->compiled.settings.only_ipv4, 0);
	compiled_free(&w->compiled);
	w->conf.only_ipv4 = true;
	compile(w);
	assert_int_equal(w->compiled.settings.only_ipv4, 1);
}

/* ---- one-time sequences ---- */

static struct conf_door *list_add(struct conf *conf, const char *sequence, unsigned int line)
{
	struct conf_door *door = door_add(conf, sequence, 25);

	text_set(&door->one_time_file, "/list");
	door->one_time_line = line;
	door_open_add(door, CONF_TCP, 22, 22);
	return door;
}

/* The name of the sequence of a door that has nothing else. */
static __u64 once_of(struct world *w, const char *sequence, unsigned int line)
{
	__u64 once;

	conf_free(&w->conf);
	list_add(&w->conf, sequence, line);
	compile(w);
	once = w->compiled.door[0].once;
	compiled_free(&w->compiled);
	memset(&w->compiled, 0, sizeof(w->compiled));
	return once;
}

static void each_one_time_sequence_has_a_name(void **state)
{
	static const char *const sequences[] = {
		"7000", "7001", "7000,8000", "8000,7000", "7000,8000,8000", "7000:udp",
		"7000:udp,8000", "7000,8000:udp", "4:icmp", "4", "4:udp", "88", "1,256", "257",
	};
	enum { COUNT = sizeof(sequences) / sizeof(*sequences), LINES = 40 };
	struct world *w = *state;
	__u64 name[COUNT * LINES];

	for (size_t i = 0; i < COUNT * LINES; i++) {
		name[i] = once_of(w, sequences[i % COUNT], 1 + i / COUNT);
		assert_true(name[i] != 0);
		for (size_t j = 0; j < i; j++)
			assert_true(name[i] != name[j]);
	}
	for (size_t i = 0; i < COUNT; i++)
		assert_true(name[i] == once_of(w, sequences[i], 1));
}

static void a_door_without_a_list_has_no_name_to_use_up(void **state)
{
	struct world *w = *state;

	door_add(&w->conf, "7000", 25);
	door_add(&w->conf, "8000", 25)->one_time_line = 3;
	compile(w);
	assert_int_equal(w->compiled.door[0].once, 0);
	assert_int_equal(w->compiled.door[1].once, 0);
}

static void an_exhausted_door_protects_its_ports(void **state)
{
	struct world *w = *state;

	list_add(&w->conf, "7000,8000", 3);
	sequence_read(&w->conf.door[0].close_sequence, "8500,7500");
	compile(w);
	assert_int_equal(w->compiled.settings.match_count, 2);
	w->conf.door[0].sequence.len = 0;
	w->conf.door[0].one_time_line = 0;
	recompile(w, NOW);
	assert_int_equal(w->compiled.settings.match_count, 1);
	assert_int_equal(w->compiled.match[0].action, MATCH_CLOSE);
	assert_int_equal(w->compiled.door[0].once, 0);
	assert_true(w->compiled.door[0].flags & DOOR_TASKS);
	assert_int_not_equal(port_of(w, 0, CONF_TCP, 22)->guard, 0);
	assert_int_equal(port_of(w, 0, CONF_TCP, 7000)->symbol, 0);
	/* A new list, and it opens again by the same number. */
	sequence_read(&w->conf.door[0].sequence, "7100,8100");
	w->conf.door[0].one_time_line = 4;
	recompile(w, NOW);
	assert_int_equal(w->compiled.settings.match_count, 2);
	assert_true(w->compiled.door[0].once != 0);
	assert_int_not_equal(port_of(w, 0, CONF_TCP, 7100)->symbol, 0);
}

/* ---- Targets ---- */

static struct conf_door *target_add(struct conf *conf, const char *address, bool remote,
				    const char *sequence, uint16_t port)
{
	struct conf_door *door = door_add(conf, sequence, 10);

	if (address)
		door_target(door, address, remote);
	door_open_add(door, CONF_TCP, port, port);
	return door;
}

/* The index of the stream of a door, by what is in force; fails where there are none or two. */
static unsigned int stream_of(const struct world *w, const struct conf_door *door)
{
	const struct settings *s = &w->compiled.settings;
	unsigned int found = KNOCKD_STREAMS_MAX;

	for (unsigned int i = 0; i < s->stream_count; i++) {
		const struct stream *stream = &s->stream[i];
		int family = door->target.family == AF_INET ? 4 : door->target.family ? 6 : 0;

		if (!stream->used || stream->mask != door->flags.mask ||
		    stream->value != door->flags.value || stream->family != family ||
		    memcmp(stream->target_be, door->target.address, sizeof(stream->target_be)))
			continue;
		assert_int_equal(found, KNOCKD_STREAMS_MAX);
		found = i;
	}
	assert_int_not_equal(found, KNOCKD_STREAMS_MAX);
	return found;
}

static void doors_with_other_targets_are_another_stream(void **state)
{
	struct world *w = *state;

	target_add(&w->conf, NULL, false, "7000,8000", 22);
	target_add(&w->conf, "192.0.2.1", false, "7000,8000", 22);
	target_add(&w->conf, "2001:db8::1", false, "7000,8000", 22);
	target_add(&w->conf, "203.0.113.9", true, "7000,8000", 22);
	target_add(&w->conf, "192.0.2.1", false, "7000,9000", 22);
	target_add(&w->conf, "203.0.113.9", true, "7000,8000", 22)->flags.mask = CONF_TCP_FIN;
	/* An IPv4 address and an IPv6 address of the same bytes. */
	target_add(&w->conf, "c000:201::", false, "7000,8000", 22);
	compile(w);
	assert_int_equal(w->compiled.settings.stream_count, 6);
	for (size_t i = 0; i < w->conf.door_count; i++)
		for (size_t j = 0; j < i; j++)
			assert_int_equal(stream_of(w, &w->conf.door[i]) ==
					 stream_of(w, &w->conf.door[j]), i == 4 && j == 1);
}

static void a_far_targets_ports_are_its_own(void **state)
{
	struct world *w = *state;

	target_add(&w->conf, NULL, false, "7000", 22);
	target_add(&w->conf, "192.0.2.1", false, "7000", 25);
	target_add(&w->conf, "203.0.113.9", true, "7001", 22);
	target_add(&w->conf, "2001:db8::9", true, "7002", 80);
	target_add(&w->conf, "203.0.113.9", true, "7003", 443)->flags.mask = CONF_TCP_FIN;
	compile(w);
	assert_int_equal(w->compiled.settings.remote_count, 2);
	assert_int_equal(w->compiled.settings.remote[0].family, 4);
	assert_int_equal(w->compiled.settings.remote[1].family, 6);
	assert_int_equal(w->compiled.settings.remote[0].word_be[0], inet_addr("203.0.113.9"));
	for (int i = 1; i < 4; i++)
		assert_int_equal(w->compiled.settings.remote[0].word_be[i], 0);
	{
		static const struct {
			unsigned int class, port;
			bool guarded;
		} expected[] = {
			{ 0, 22, true }, { 0, 25, true }, { 0, 80, false }, { 0, 443, false },
			{ 1, 22, true }, { 1, 25, false }, { 1, 80, false }, { 1, 443, true },
			{ 2, 22, false }, { 2, 25, false }, { 2, 80, true }, { 2, 443, false },
		};

		for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
			const struct port *port = port_of(w, expected[i].class, CONF_TCP,
							  expected[i].port);

			if (!!port->guard != expected[i].guarded || !port->area != !port->guard)
				fail_msg("class %u, port %u: guard %u", expected[i].class,
					 expected[i].port, port->guard);
		}
	}
	/* The same number is one line of counters, but not opened by the same doors. */
	assert_int_equal(port_of(w, 0, CONF_TCP, 22)->guard, port_of(w, 1, CONF_TCP, 22)->guard);
	assert_int_not_equal(port_of(w, 0, CONF_TCP, 22)->area, port_of(w, 1, CONF_TCP, 22)->area);
	assert_int_equal(w->compiled.settings.guard_count, 4);
	/* And knock ports are where their knocks go. */
	assert_int_not_equal(port_of(w, 1, CONF_TCP, 7001)->symbol, 0);
	assert_int_equal(port_of(w, 0, CONF_TCP, 7001)->symbol, 0);
	assert_int_equal(port_of(w, 1, CONF_TCP, 7000)->symbol, 0);
	assert_int_equal(port_of(w, 2, CONF_TCP, 7001)->symbol, 0);
}

static void eight_far_targets_are_enough(void **state)
{
	struct world *w = *state;
	char address[32];

	for (int i = 0; i <= KNOCKD_STREAMS_MAX; i++) {
		struct conf_door *door;

		snprintf(address, sizeof(address), "203.0.113.%d", i + 1);
		/* Without a sequence it has no stream. */
		door = target_add(&w->conf, address, true, i ? "" : "7000", 22);
		assert_int_equal(door->target.line, i + 1);
		if (i == KNOCKD_STREAMS_MAX)
			break;
		compile(w);
		assert_int_equal(w->compiled.settings.remote_count, i + 1);
		compiled_free(&w->compiled);
		memset(&w->compiled, 0, sizeof(w->compiled));
	}
	assert_int_equal(compile_conf(&w->conf, HZ, NULL, &w->compiled, &w->messages), -EINVAL);
	assert_int_equal(w->messages.errors, 1);
	assert_int_equal(w->messages.at[0].line, KNOCKD_STREAMS_MAX + 1);
	assert_non_null(strstr(w->messages.at[0].text, "Target"));
	assert_null(w->compiled.port);
}

static void nine_streams_by_target_are_an_error(void **state)
{
	struct world *w = *state;
	char address[32];

	for (int i = 0; i <= KNOCKD_STREAMS_MAX; i++) {
		snprintf(address, sizeof(address), "192.0.2.%d", i + 1);
		target_add(&w->conf, address, false, "7000", 22);
	}
	assert_int_equal(compile_conf(&w->conf, HZ, NULL, &w->compiled, &w->messages), -EINVAL);
	assert_int_equal(w->messages.errors, 1);
	assert_non_null(strstr(w->messages.at[0].text, "door 'I'"));
}

/* ---- reloads ---- */

static void streams_keep_their_numbers(void **state)
{
	static const char *const targets[] = { NULL, "192.0.2.1", "203.0.113.9", "2001:db8::9" };
	struct world *w = *state;
	unsigned int before[4], after;
	uint64_t now = NOW;

	for (int i = 0; i < 4; i++)
		target_add(&w->conf, targets[i], i > 1, "7000,8000", 22);
	compile(w);
	for (int i = 0; i < 4; i++)
		before[i] = stream_of(w, &w->conf.door[i]);
	/* In another order, one of them missing for a while, another new. */
	for (int missing = 0; missing < 4; missing++) {
		for (int back = 0; back < 2; back++) {
			conf_free(&w->conf);
			target_add(&w->conf, "192.0.2.77", false, "7000,8000", 22);
			for (int i = 3; i >= 0; i--)
				if (back || i != missing)
					target_add(&w->conf, targets[i], i > 1, "7000,8000", 22);
			recompile(w, now++);
			for (size_t d = 1; d < w->conf.door_count; d++) {
				int i = 4 - (int)d;

				if (!back && i <= missing)
					i--;
				after = stream_of(w, &w->conf.door[d]);
				assert_int_equal(after, before[i]);
			}
		}
	}
}

/* Where nothing can be remembered any more, its number serves another. */
static void a_streams_number_is_free_after_its_time(void **state)
{
	struct world *w = *state;
	unsigned int before;

	target_add(&w->conf, NULL, false, "7000,8000", 22);
	target_add(&w->conf, "192.0.2.1", false, "7000,8000", 22);
	compile(w);
	before = stream_of(w, &w->conf.door[1]);
	conf_free(&w->conf);
	target_add(&w->conf, NULL, false, "7000,8000", 22);
	recompile(w, NOW);
	assert_int_equal(w->compiled.settings.stream[before].used, 0);
	conf_free(&w->conf);
	target_add(&w->conf, NULL, false, "7000,8000", 22);
	target_add(&w->conf, "192.0.2.2", false, "7000,8000", 22);
	recompile(w, NOW + 1);
	assert_int_not_equal(stream_of(w, &w->conf.door[1]), before);
	for (int i = 0; i < 2; i++)
		recompile(w, NOW + 10000ULL * HZ * (i + 1));
	w->conf.door[1].target.address[3] = 3;
	recompile(w, NOW + 30000ULL * HZ);
	assert_int_equal(stream_of(w, &w->conf.door[1]), before);
}

static void a_port_keeps_its_counters_whoevers_it_is(void **state)
{
	struct world *w = *state;
	__u32 ssh, web;

	target_add(&w->conf, "203.0.113.9", true, "7000", 80);
	target_add(&w->conf, NULL, false, "7001", 22);
	target_add(&w->conf, "203.0.113.9", true, "7002", 22);
	compile(w);
	ssh = port_of(w, 0, CONF_TCP, 22)->guard;
	web = port_of(w, 1, CONF_TCP, 80)->guard;
	assert_int_equal(port_of(w, 1, CONF_TCP, 22)->guard, ssh);
	/* The classes trade places, and one of the two that share leaves. */
	conf_free(&w->conf);
	target_add(&w->conf, "203.0.113.10", true, "7003", 22);
	target_add(&w->conf, "203.0.113.9", true, "7000", 80);
	target_add(&w->conf, NULL, false, "7001", 443);
	recompile(w, NOW);
	assert_int_equal(port_of(w, 1, CONF_TCP, 22)->guard, ssh);
	assert_int_equal(port_of(w, 2, CONF_TCP, 80)->guard, web);
	assert_int_equal(port_of(w, 0, CONF_TCP, 22)->guard, 0);
	assert_int_equal(port_of(w, 0, CONF_TCP, 443)->guard, 3);
	conf_free(&w->conf);
	target_add(&w->conf, NULL, false, "7001", 22);
	target_add(&w->conf, NULL, false, "7001", 80);
	recompile(w, NOW);
	assert_int_equal(w->compiled.settings.remote_count, 0);
	assert_int_equal(port_of(w, 0, CONF_TCP, 22)->guard, ssh);
	assert_int_equal(port_of(w, 0, CONF_TCP, 80)->guard, web);
	assert_int_equal(w->compiled.guard[ssh - 1].number, 22);
	assert_int_equal(w->compiled.guard[web - 1].number, 80);
}

/* Tables that a daemon of this layout cannot have left behind. */
static void a_guard_of_two_ports_is_refused(void **state)
{
	struct world *w = *state;
	struct heritage heritage;
	struct compiled next;

	target_add(&w->conf, NULL, false, "7000", 22);
	target_add(&w->conf, "203.0.113.9", true, "7001", 80);
	compile(w);
	heritage = heritage_from(&w->compiled, NOW);
	w->compiled.port[PORT_COUNT + 81].guard = port_of(w, 0, CONF_TCP, 22)->guard;
	assert_int_equal(compile_conf(&w->conf, HZ, &heritage, &next, &w->messages), -EINVAL);
	w->compiled.port[PORT_COUNT + 81].guard = 0;
	w->compiled.port[PORT_COUNT + 22].guard = port_of(w, 1, CONF_TCP, 80)->guard;
	assert_int_equal(compile_conf(&w->conf, HZ, &heritage, &next, &w->messages), -EINVAL);
	w->compiled.port[PORT_COUNT + 22].guard = port_of(w, 0, CONF_TCP, 22)->guard;
	assert_int_equal(compile_conf(&w->conf, HZ, &heritage, &next, &w->messages), 0);
	compiled_free(&next);
	assert_int_equal(w->messages.errors, 0);
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, world_make, world_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_WORLD(a_door_gives_what_it_says_for_as_long),
		IN_A_WORLD(what_one_door_needs_the_config_has),
		IN_A_WORLD(ipv4_alone_reaches_the_tables),
		IN_A_WORLD(each_one_time_sequence_has_a_name),
		IN_A_WORLD(a_door_without_a_list_has_no_name_to_use_up),
		IN_A_WORLD(an_exhausted_door_protects_its_ports),
		IN_A_WORLD(doors_with_other_targets_are_another_stream),
		IN_A_WORLD(a_far_targets_ports_are_its_own),
		IN_A_WORLD(eight_far_targets_are_enough),
		IN_A_WORLD(nine_streams_by_target_are_an_error),
		IN_A_WORLD(streams_keep_their_numbers),
		IN_A_WORLD(a_streams_number_is_free_after_its_time),
		IN_A_WORLD(a_port_keeps_its_counters_whoevers_it_is),
		IN_A_WORLD(a_guard_of_two_ports_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
