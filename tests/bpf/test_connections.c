// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Doors that count connections: what only begins costs nothing, what is established pays once.
 */
#include "harness.h"

#include <pthread.h>

#define OPTIONS SMALL_TABLES "	UDP_Idle = 60\n"

#define SSH(connections)                                                                           \
	"[ssh]\n"                                                                                  \
	"	Sequence = 7000,8000\n"                                                            \
	"	Close_Sequence = 8500,7500\n"                                                      \
	"	Open = 22, 60000-60010:udp\n"                                                      \
	"	Open_Time = 30\n"                                                                  \
	"	Connections = " #connections "\n"

#define OTHER                                                                                      \
	"[other]\n"                                                                                \
	"	Sequence = 1000,2000\n"                                                            \
	"	Open = 22\n"                                                                       \
	"	Open_Time = 30\n"

enum { DOOR_SSH = 0, SESSIONS = 12, PORT = 50000, PORT_HALF_OPEN = 49999 };

static const struct setup one = { .conf = OPTIONS SSH(1) };
static const struct setup two = { .conf = OPTIONS SSH(2) };
static const struct setup two_alone = { .conf = OPTIONS SSH(2), .alone = true };
static const struct setup resetting = { .conf = OPTIONS "\tClosed = reset\n" SSH(1) };
static const struct setup aborting = { .conf = OPTIONS "\tClosed = abort\n" SSH(1) };
static const struct setup networks = { .conf = OPTIONS "\tGrant_Prefix6 = 64\n" SSH(1) };
static const struct setup beside_another = { .conf = OPTIONS SSH(1) OTHER };
static const struct setup both_count = { .conf = OPTIONS SSH(1) OTHER "\tConnections = 1\n" };
static const struct setup half_a_dozen = { .conf = OPTIONS SSH(6) };
static const struct setup with_commands = { .conf = OPTIONS SSH(1)
	"	Start_Command = /bin/true\n"
};
static const struct setup until_closed = { .conf = OPTIONS
	"[ssh]\n"
	"	Sequence = 7000,8000\n"
	"	Open = 22\n"
	"	Open_Time = 0\n"
	"	Connections = 1\n"
};

/* ---- connections ---- */

static struct frame tcp(struct world *w, __u16 source_port, __u8 flags)
{
	return frame_tcp(w->family, w->source, source_port, w->destination, 22, flags);
}

static void tcp_expect(struct world *w, __u16 source_port, __u8 flags, enum reason reason)
{
	struct frame f = tcp(w, source_port, flags);

	expect(w, &f, reason);
}

static void tcp_noting(struct world *w, __u16 source_port, __u8 flags, enum reason reason,
		       __u64 notes)
{
	struct frame f = tcp(w, source_port, flags);

	expect_noted(w, &f, reason, notes);
}

/* The only cell that shows a grant of the door with this number, or NULL. */
static const struct grant *grant_only(struct world *w, __u32 door)
{
	static struct grant found;
	struct grant_bucket bucket;
	const struct grant *only = NULL;
	__u64 now = clock_now(w);

	for (__u32 i = 0; i < w->compiled.bucket_count; i++) {
		assert_int_equal(0, bpf_map_lookup_elem(w->generation.map[MAP_grants], &i,
							&bucket));
		for (int j = 0; j < GRANT_CELLS; j++) {
			__u64 word = bucket.cell[j].word;

			if (grant_expiry(word) <= now || grant_door(word) != door)
				continue;
			assert_null(only);
			found = bucket.cell[j];
			only = &found;
		}
	}
	return only;
}

static void uses_left(struct world *w, __u32 uses)
{
	const struct grant *grant = grant_only(w, DOOR_SSH);

	assert_non_null(grant);
	assert_int_equal(uses, grant->uses);
}

/* The source is one that this host itself can be. */
static void source_live(struct world *w)
{
	w->source = w->a->live;
}

/* What the kernel makes of connections whose first SYN passed, @count of them from PORT on. */
static void sessions_establish(struct world *w, unsigned int count)
{
	int listener = socket_listening(&w->sockets, w->family, 22);

	for (unsigned int i = 0; i < count; i++)
		session_join(&w->sockets, listener, w->family, w->a, PORT + i, 22);
}

/* A door knocked at, and @count connections that began by the grant and are established. */
static void sessions_begin(struct world *w, const char *knocks, unsigned int count)
{
	source_live(w);
	knock_opens(w, knocks);
	for (unsigned int i = 0; i < count; i++)
		tcp_expect(w, PORT + i, SYN, REASON_GRANTED);
	sessions_establish(w, count);
}

/* In the first half of a second of the programs' clock: what follows is in the same second. */
static void second_begin(struct world *w)
{
	time_t give_up = time(NULL) + 5;

	while (clock_now(w) % w->hz >= w->hz / 2)
		assert_true(time(NULL) < give_up);
}

/* ---- what begins costs nothing ---- */

static void syns_alone_use_no_grant_up(struct world *w)
{
	knock_opens(w, "7000,8000");
	for (int second = 0; second < 20; second++) {
		for (int i = 0; i < GRANT_FLOWS_MAX / 2; i++)
			tcp_expect(w, PORT + second * 100 + i, SYN, REASON_GRANTED);
		time_pass(w, 1);
	}
	uses_left(w, 2);
	port_open(w, 22);
}

static void a_syn_sent_again_costs_nothing(struct world *w)
{
	knock_opens(w, "7000,8000");
	for (int i = 0; i < 3 * GRANT_FLOWS_MAX; i++)
		tcp_expect(w, PORT, SYN, REASON_GRANTED);
	assert_int_equal(1, flows_count(w));
	uses_left(w, 2);
}

static void a_record_of_the_same_name_lets_nothing_begin_unpaid(struct world *w)
{
	source_live(w);
	knock_opens(w, "7000,8000");
	tcp_expect(w, PORT, SYN, REASON_GRANTED);
	flow_disguise(w, 0);
	/* It takes the name back, and pays. */
	tcp_expect(w, PORT, SYN, REASON_GRANTED);
	sessions_establish(w, 1);
	tcp_expect(w, PORT, ACK, REASON_SOCKET);
	uses_left(w, 1);
}

static void a_record_of_the_same_name_is_not_paid_for(struct world *w)
{
	sessions_begin(w, "7000,8000", 1);
	flow_disguise(w, 0);
	tcp_expect(w, PORT, ACK, REASON_SOCKET);
	uses_left(w, 2);
	flow_disguise(w, 0);
	tcp_expect(w, PORT, ACK, REASON_SOCKET);
	uses_left(w, 1);
}

static void a_half_open_connection_costs_nothing(struct world *w)
{
	struct frame f = tcp(w, PORT_HALF_OPEN, SYN);

	knock_opens(w, "7000,8000");
	expect(w, &f, REASON_GRANTED);
	socket_listening(&w->sockets, w->family, 22);
	frame_cut(&f, FRAME_TCP);
	frame_seal(&f);
	frame_arrive(&f);
	assert_true(tcp_reaches(w->family, 22, PORT_HALF_OPEN, STATE_SYN_RECV));
	tcp_expect(w, PORT_HALF_OPEN, ACK, REASON_SOCKET);
	tcp_expect(w, PORT_HALF_OPEN, ACK | PSH, REASON_SOCKET);
	tcp_expect(w, PORT_HALF_OPEN, SYN, REASON_GRANTED);
	uses_left(w, 2);
	assert_int_equal(1, flows_count(w));
}

static void segments_without_a_socket_cost_nothing(struct world *w)
{
	static const __u8 flags[] = { ACK, ACK | PSH, RST, FIN | ACK, SYN | ACK, 0 };

	knock_opens(w, "7000,8000");
	for (size_t i = 0; i < sizeof(flags); i++)
		tcp_expect(w, PORT, flags[i], REASON_GRANTED);
	socket_listening(&w->sockets, w->family, 22);
	/* A SYN cookie that comes back looks so. */
	tcp_expect(w, PORT, ACK, REASON_GRANTED);
	uses_left(w, 2);
}

static void without_a_grant_nothing_begins(struct world *w)
{
	tcp_expect(w, PORT, SYN, REASON_CLOSED);
	tcp_expect(w, PORT, ACK, REASON_CLOSED);
	assert_int_equal(0, flows_count(w));
}

/* ---- what is established pays, once ---- */

static void a_connection_pays_as_it_talks(struct world *w)
{
	sessions_begin(w, "7000,8000", 1);
	uses_left(w, 2);
	for (int i = 0; i < 5; i++) {
		tcp_expect(w, PORT, ACK, REASON_SOCKET);
		uses_left(w, 1);
	}
}

static void a_grant_is_used_up_by_its_connections(struct world *w)
{
	sessions_begin(w, "7000,8000", 2);
	tcp_expect(w, PORT, ACK, REASON_SOCKET);
	port_open(w, 22);
	tcp_noting(w, PORT + 1, ACK, REASON_SOCKET, note(REASON_USED_UP));
	uses_left(w, 0);
	port_closed(w, 22);
	for (int i = 0; i < 3; i++) {
		tcp_expect(w, PORT, ACK | PSH, REASON_SOCKET);
		tcp_expect(w, PORT + 1, ACK | PSH, REASON_SOCKET);
	}
	time_pass(w, 31);
	port_closed(w, 22);
	tcp_expect(w, PORT, ACK, REASON_SOCKET);
	tcp_expect(w, PORT + 1, ACK, REASON_SOCKET);
}

static void one_connection_too_many_is_cut_as_it_talks(struct world *w)
{
	sessions_begin(w, "7000,8000", 5);
	tcp_expect(w, PORT, ACK, REASON_SOCKET);
	tcp_noting(w, PORT + 1, ACK, REASON_SOCKET, note(REASON_USED_UP));
	for (int i = 2; i < 5; i++) {
		tcp_expect(w, PORT + i, ACK, REASON_CLOSED_UNPAID);
		tcp_expect(w, PORT + i, ACK | PSH, REASON_CLOSED_UNPAID);
		tcp_expect(w, PORT + i, SYN, REASON_CLOSED);
	}
	tcp_expect(w, PORT, ACK, REASON_SOCKET);
	tcp_expect(w, PORT + 1, ACK, REASON_SOCKET);
	uses_left(w, 0);
}

/* As long as one that was half open then can be so; not only for the grant's own time. */
static void one_connection_too_many_stays_cut(struct world *w)
{
	sessions_begin(w, "7000,8000", 2);
	tcp_noting(w, PORT, ACK, REASON_SOCKET, note(REASON_USED_UP));
	for (int seconds = 0; seconds < GRANT_UNPAID_S - 8; seconds += 40) {
		tcp_expect(w, PORT + 1, ACK, REASON_CLOSED_UNPAID);
		time_pass(w, 40);
	}
	tcp_expect(w, PORT, ACK, REASON_SOCKET);
}

static void connections_go_on_after_the_grants_time(struct world *w)
{
	sessions_begin(w, "7000,8000", 2);
	tcp_expect(w, PORT, ACK, REASON_SOCKET);
	time_pass(w, 31);
	port_closed(w, 22);
	tcp_expect(w, PORT, ACK, REASON_SOCKET);
	/* It began in time, and the grant was not used up. */
	tcp_expect(w, PORT + 1, ACK, REASON_SOCKET);
	tcp_expect(w, PORT, SYN, REASON_CLOSED);
}

static void connections_go_on_after_the_close_sequence(struct world *w)
{
	sessions_begin(w, "7000,8000", 2);
	tcp_expect(w, PORT, ACK, REASON_SOCKET);
	knock_noting(w, "8500,7500", note(REASON_CLOSED_BY_KNOCK));
	port_closed(w, 22);
	tcp_expect(w, PORT, ACK, REASON_SOCKET);
	tcp_expect(w, PORT, SYN, REASON_CLOSED);
	tcp_expect(w, PORT, ACK, REASON_SOCKET);
}

static void sessions_of_before_are_never_touched(struct world *w)
{
	source_live(w);
	sessions_establish(w, 3);
	tcp_expect(w, PORT, ACK, REASON_SOCKET);
	knock_opens(w, "7000,8000");
	for (int i = 0; i < 3; i++)
		tcp_expect(w, PORT + i, ACK, REASON_SOCKET);
	uses_left(w, 1);
	assert_int_equal(0, flows_count(w));
	/* Nor does a SYN that seems to be of one change that. */
	tcp_expect(w, PORT + 2, SYN, REASON_GRANTED);
	assert_int_equal(0, flows_count(w));
	tcp_expect(w, PORT + 2, ACK, REASON_SOCKET);
	uses_left(w, 1);
}

static void a_paid_connections_syn_pays_nothing(struct world *w)
{
	sessions_begin(w, "7000,8000", 1);
	tcp_expect(w, PORT, ACK, REASON_SOCKET);
	uses_left(w, 1);
	tcp_expect(w, PORT, SYN, REASON_GRANTED);
	tcp_expect(w, PORT, ACK, REASON_SOCKET);
	uses_left(w, 1);
}

static void the_same_port_pays_again_for_a_new_connection(struct world *w)
{
	int listener = socket_listening(&w->sockets, w->family, 22);
	struct session s;

	source_live(w);
	knock_opens(w, "7000,8000");
	tcp_expect(w, PORT + 100, SYN, REASON_GRANTED);
	s = session_join(&w->sockets, listener, w->family, w->a, PORT + 100, 22);
	tcp_expect(w, PORT + 100, ACK, REASON_SOCKET);
	uses_left(w, 1);
	sockets_finish(&w->sockets, s.server);
	sockets_finish(&w->sockets, s.client);
	assert_true(tcp_reaches(w->family, 22, PORT + 100, STATE_TIME_WAIT));
	tcp_expect(w, PORT + 100, ACK, REASON_SOCKET);
	uses_left(w, 1);
	tcp_expect(w, PORT + 100, SYN, REASON_GRANTED);
	session_join(&w->sockets, listener, w->family, w->a, PORT + 100, 22);
	tcp_noting(w, PORT + 100, ACK, REASON_SOCKET, note(REASON_USED_UP));
	tcp_expect(w, PORT + 100, ACK, REASON_SOCKET);
}

/* ---- renewed, ordered ---- */

static void knocking_again_renews_the_count(struct world *w)
{
	sessions_begin(w, "7000,8000", 2);
	tcp_expect(w, PORT, ACK, REASON_SOCKET);
	uses_left(w, 1);
	knock_opens(w, "7000,8000");
	uses_left(w, 2);
	tcp_expect(w, PORT + 1, ACK, REASON_SOCKET);
	tcp_expect(w, PORT, ACK, REASON_SOCKET);
	uses_left(w, 1);
}

static void a_used_up_door_opens_again(struct world *w)
{
	const struct event *event = &w->event[0];

	sessions_begin(w, "7000,8000", 3);
	tcp_noting(w, PORT, ACK, REASON_SOCKET, note(REASON_USED_UP));
	tcp_expect(w, PORT + 1, ACK, REASON_CLOSED_UNPAID);
	events_read(w);
	knock_opens(w, "7000,8000");
	uses_left(w, 1);
	events_read(w);
	for (size_t i = 0; i < w->events && event->kind != EVENT_OPENED; i++)
		event++;
	assert_int_equal(EVENT_OPENED, event->kind);
	assert_false(event->renewed);
	port_open(w, 22);
	tcp_expect(w, PORT, ACK, REASON_SOCKET);
	/* What began with the first grant may be paid for by the second. */
	tcp_noting(w, PORT + 1, ACK, REASON_SOCKET, note(REASON_USED_UP));
	tcp_expect(w, PORT + 2, ACK, REASON_CLOSED_UNPAID);
	port_closed(w, 22);
}

static void order_open(struct world *w, __u32 door, __u64 seconds)
{
	struct order_form form = {
		.order = ORDER_OPEN, .door = door, .time = seconds * w->hz,
		.source = { .family = w->family }, .who = "root",
	};
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &form, .ctx_size_in = sizeof(form));

	address_read((void *)form.source.word_be, w->source, w->family);
	assert_int_equal(0, bpf_prog_test_run_opts(w->generation.order, &options));
	assert_int_equal(ORDER_DONE, options.retval);
}

static void what_an_order_opens_is_counted(struct world *w)
{
	source_live(w);
	order_open(w, DOOR_SSH, 3600);
	tcp_expect(w, PORT, SYN, REASON_GRANTED);
	tcp_expect(w, PORT + 1, SYN, REASON_GRANTED);
	sessions_establish(w, 2);
	tcp_noting(w, PORT, ACK, REASON_SOCKET, note(REASON_USED_UP));
	tcp_expect(w, PORT + 1, ACK, REASON_CLOSED_UNPAID);
	port_closed(w, 22);
	order_open(w, DOOR_SSH, 3600);
	port_open(w, 22);
}

static void without_end_a_grant_is_used_up_too(struct world *w)
{
	sessions_begin(w, "7000,8000", 2);
	tcp_noting(w, PORT, ACK, REASON_SOCKET, note(REASON_USED_UP));
	port_closed(w, 22);
	tcp_expect(w, PORT + 1, ACK, REASON_CLOSED_UNPAID);
	knock_opens(w, "7000,8000");
	port_open(w, 22);
}

/* ---- how many may begin ---- */

static void so_many_connections_may_begin_in_a_second(struct world *w)
{
	knock_opens(w, "7000,8000");
	second_begin(w);
	for (int i = 0; i < GRANT_FLOWS_MAX; i++)
		tcp_expect(w, PORT + i, SYN, REASON_GRANTED);
	for (int i = 0; i < 3; i++)
		tcp_noting(w, PORT + 500 + i, SYN, REASON_CLOSED, note(REASON_FLOWS_FULL));
	/* Those that began may send their SYN again. */
	tcp_expect(w, PORT, SYN, REASON_GRANTED);
	assert_int_equal(GRANT_FLOWS_MAX, flows_count(w));
	time_pass(w, 1);
	tcp_expect(w, PORT + 500, SYN, REASON_GRANTED);
	uses_left(w, 2);
}

static void a_flood_makes_no_room_for_itself(struct world *w)
{
	struct frame f = tcp(w, PORT + 500, SYN);
	struct grant_bucket bucket;

	knock_opens(w, "7000,8000");
	second_begin(w);
	for (int i = 0; i < GRANT_FLOWS_MAX; i++)
		tcp_expect(w, PORT + i, SYN, REASON_GRANTED);
	frame_run(w, &f, 1000);
	for (__u32 i = 0; i < w->compiled.bucket_count; i++) {
		assert_int_equal(0, bpf_map_lookup_elem(w->generation.map[MAP_grants], &i,
							&bucket));
		for (int j = 0; j < GRANT_CELLS; j++)
			if ((bucket.cell[j].flows & 0xffff) > 2 * GRANT_FLOWS_MAX)
				fail_msg("refused connections are counted: %u",
					 bucket.cell[j].flows & 0xffff);
	}
	assert_in_range(flows_count(w), GRANT_FLOWS_MAX, GRANT_FLOWS_MAX + 1);
}

static void one_sources_flood_leaves_anothers_room(struct world *w)
{
	knock_opens(w, "7000,8000");
	w->source = w->a->neighbour;
	knock_opens(w, "7000,8000");
	w->source = w->a->stranger;
	second_begin(w);
	for (int i = 0; i < GRANT_FLOWS_MAX; i++)
		tcp_expect(w, PORT + i, SYN, REASON_GRANTED);
	tcp_noting(w, PORT + 500, SYN, REASON_CLOSED, note(REASON_FLOWS_FULL));
	w->source = w->a->neighbour;
	tcp_expect(w, PORT, SYN, REASON_GRANTED);
}

/* ---- other doors, other protocols ---- */

static void datagrams_are_not_counted(struct world *w)
{
	struct frame f = datagram(w, 60001);

	source_live(w);
	knock_opens(w, "7000,8000");
	for (int i = 0; i < 10; i++) {
		f = datagram(w, 60001);
		expect(w, &f, REASON_GRANTED);
		expect(w, &f, REASON_FLOW);
	}
	uses_left(w, 1);
	time_pass(w, 31);
	expect(w, &f, REASON_FLOW);
}

static void a_used_up_grant_ends_its_flows(struct world *w)
{
	struct frame f;

	sessions_begin(w, "7000,8000", 1);
	f = datagram(w, 60001);
	expect(w, &f, REASON_GRANTED);
	expect(w, &f, REASON_FLOW);
	tcp_noting(w, PORT, ACK, REASON_SOCKET, note(REASON_USED_UP));
	expect(w, &f, REASON_CLOSED);
}

static void another_door_without_a_count_admits(struct world *w)
{
	sessions_begin(w, "7000,8000", 4);
	knock_opens(w, "1000,2000");
	tcp_noting(w, PORT, ACK, REASON_SOCKET, note(REASON_USED_UP));
	/* The other door would have let it begin as well. */
	tcp_expect(w, PORT + 1, ACK, REASON_SOCKET);
	port_open(w, 22);
	tcp_expect(w, PORT + 1, ACK, REASON_SOCKET);
	time_pass(w, 31);
	tcp_expect(w, PORT + 1, ACK, REASON_SOCKET);
}

static void another_door_that_counts_is_charged_in_its_turn(struct world *w)
{
	__u64 notes = 0;

	source_live(w);
	knock_opens(w, "7000,8000,1000,2000");
	for (int i = 0; i < 4; i++)
		tcp_expect(w, PORT + i, SYN, REASON_GRANTED);
	sessions_establish(w, 4);
	for (int i = 0; i < 2; i++) {
		struct frame f = tcp(w, PORT + i, ACK);
		struct outcome seen = frame_send(w, &f);

		assert_int_equal(REASON_SOCKET, seen.reason);
		assert_true(seen.notes & note(REASON_USED_UP));
		notes |= seen.notes;
	}
	port_closed(w, 22);
	tcp_expect(w, PORT + 2, ACK, REASON_CLOSED_UNPAID);
	tcp_expect(w, PORT + 3, ACK, REASON_CLOSED_UNPAID);
	tcp_expect(w, PORT, ACK, REASON_SOCKET);
	tcp_expect(w, PORT + 1, ACK, REASON_SOCKET);
}

static void with_a_prefix_the_network_has_one_count(struct world *w)
{
	w->source = w->a->neighbour;
	knock_opens(w, "7000,8000");
	w->source = w->a->stranger;
	tcp_expect(w, PORT, SYN, REASON_GRANTED);
	w->source = w->a->neighbour;
	tcp_expect(w, PORT, SYN, REASON_GRANTED);
	assert_int_equal(2, flows_count(w));
	uses_left(w, 1);
}

static void under_reset_a_connection_too_many_is_dropped(struct world *w)
{
	sessions_begin(w, "7000,8000", 2);
	tcp_noting(w, PORT, ACK, REASON_SOCKET, note(REASON_USED_UP));
	tcp_expect(w, PORT + 1, ACK, REASON_CLOSED_UNPAID);
}

/* ---- the inner door ---- */

static void the_inner_door_lets_begin_what_the_outer_one_did(struct world *w)
{
	struct bpf_sk_lookup l = lookup(w, IPPROTO_TCP, 22);

	lookup_expect(w, &l, REASON_INNER_CLOSED);
	knock_opens(w, "7000,8000");
	tcp_expect(w, 40000, SYN, REASON_GRANTED);
	lookup_expect(w, &l, REASON_INNER_GRANTED);
	lookup_expect(w, &l, REASON_INNER_GRANTED);
	assert_int_equal(1, flows_count(w));
	uses_left(w, 2);
}

/* Such as what the outer one could not read. */
static void the_inner_door_lets_begin_what_it_alone_sees(struct world *w)
{
	struct bpf_sk_lookup l = lookup(w, IPPROTO_TCP, 22);

	knock_opens(w, "7000,8000");
	lookup_expect(w, &l, REASON_INNER_GRANTED);
	tcp_expect(w, 40000, SYN, REASON_GRANTED);
	assert_int_equal(1, flows_count(w));
	second_begin(w);
	for (int i = 0; i < GRANT_FLOWS_MAX; i++) {
		l.remote_port = htons(PORT + i);
		lookup_send(w, &l);
	}
	l.remote_port = htons(PORT + 500);
	lookup_expect_noted(w, &l, REASON_INNER_CLOSED, note(REASON_FLOWS_FULL));
	time_pass(w, 1);
	lookup_expect(w, &l, REASON_INNER_GRANTED);
}

/* ---- told ---- */

static void that_it_is_used_up_is_told(struct world *w)
{
	struct source source = { .family = w->family };
	const struct event *last;

	sessions_begin(w, "7000,8000", 1);
	events_read(w);
	tasks_read(w);
	assert_int_equal(1, w->task_count);
	assert_int_equal(EVENT_OPENED, w->task[0].kind);
	tcp_noting(w, PORT, ACK, REASON_SOCKET, note(REASON_USED_UP));
	address_read((void *)source.word_be, w->source, w->family);

	events_read(w);
	assert_int_equal(1, w->events);
	last = &w->event[0];
	assert_int_equal(EVENT_CLOSED, last->kind);
	assert_int_equal(REASON_USED_UP, last->reason);
	assert_int_equal(DOOR_SSH, last->door);
	assert_memory_equal(&source, &last->source, sizeof(source));

	tasks_read(w);
	assert_int_equal(1, w->task_count);
	assert_int_equal(EVENT_CLOSED, w->task[0].kind);
	assert_int_equal(DOOR_SSH, w->task[0].door);
	assert_memory_equal(&source, &w->task[0].source, sizeof(source));
}

/* ---- two CPUs ---- */

struct talker {
	struct world *w;
	pthread_barrier_t *begin;
	unsigned int cpu, from;
};

static void *sessions_talk(void *data)
{
	const struct talker *talker = data;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(talker->cpu, &cpus);
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	pthread_barrier_wait(talker->begin);
	for (unsigned int i = 0; i < SESSIONS; i++) {
		struct frame f = tcp(talker->w, PORT + (talker->from + i) % SESSIONS, ACK);

		frame_run(talker->w, &f, 20);
	}
	return NULL;
}

static void two_cpus_charge_each_connection_once(struct world *w)
{
	pthread_barrier_t begin;
	struct talker talker[2] = {
		{ .w = w, .begin = &begin, .cpu = 0 },
		{ .w = w, .begin = &begin, .cpu = 1 },
	};
	unsigned int paid = 0;
	pthread_t thread[2];

	sessions_begin(w, "7000,8000", SESSIONS);
	assert_int_equal(0, pthread_barrier_init(&begin, NULL, 2));
	for (int i = 0; i < 2; i++)
		assert_int_equal(0, pthread_create(&thread[i], NULL, sessions_talk, &talker[i]));
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&begin);
	uses_left(w, 0);
	for (int i = 0; i < SESSIONS; i++) {
		struct frame f = tcp(w, PORT + i, ACK);
		enum reason reason = frame_send(w, &f).reason;

		assert_true(reason == REASON_SOCKET || reason == REASON_CLOSED_UNPAID);
		paid += reason == REASON_SOCKET;
	}
	assert_int_equal(6, paid);
	port_closed(w, 22);
}

static const struct fixture fixtures[] = {
	{ "SYNs alone use no grant up", &two, .run = syns_alone_use_no_grant_up },
	{ "a SYN sent again costs nothing", &two, .run = a_syn_sent_again_costs_nothing },
	{ "a record of the same name lets nothing begin unpaid", &two,
	  .run = a_record_of_the_same_name_lets_nothing_begin_unpaid },
	{ "a record of the same name is not paid for", &two,
	  .run = a_record_of_the_same_name_is_not_paid_for },
	{ "a half-open connection costs nothing", &two,
	  .run = a_half_open_connection_costs_nothing },
	{ "segments without a socket cost nothing", &two,
	  .run = segments_without_a_socket_cost_nothing },
	{ "without a grant nothing begins", &two, .run = without_a_grant_nothing_begins },

	{ "a connection pays as it talks, once", &two, .run = a_connection_pays_as_it_talks },
	{ "a grant is used up by its connections, which live on", &two,
	  .run = a_grant_is_used_up_by_its_connections },
	{ "without an inner door a grant is used up too", &two_alone,
	  .run = a_grant_is_used_up_by_its_connections },
	{ "one connection too many is cut as it talks", &two,
	  .run = one_connection_too_many_is_cut_as_it_talks },
	{ "one connection too many stays cut", &one, .run = one_connection_too_many_stays_cut },
	{ "connections go on after the grant's time", &two,
	  .run = connections_go_on_after_the_grants_time },
	{ "connections go on after the close sequence", &two,
	  .run = connections_go_on_after_the_close_sequence },
	{ "sessions of before are never touched", &one,
	  .run = sessions_of_before_are_never_touched },
	{ "a SYN of a connection that has paid costs nothing", &two,
	  .run = a_paid_connections_syn_pays_nothing },
	{ "the same port pays again for a new connection", &two,
	  .run = the_same_port_pays_again_for_a_new_connection },

	{ "knocking again renews the count", &two, .run = knocking_again_renews_the_count },
	{ "a door used up opens again", &one, .run = a_used_up_door_opens_again },
	{ "what an order opens is counted", &one, .run = what_an_order_opens_is_counted },
	{ "without end a grant is used up too", &until_closed,
	  .run = without_end_a_grant_is_used_up_too },

	{ "so many connections may begin in a second, and as many in the next", &two,
	  .run = so_many_connections_may_begin_in_a_second },
	{ "a flood makes no room for itself", &two, .run = a_flood_makes_no_room_for_itself },
	{ "one source's flood leaves another's room", &two,
	  .run = one_sources_flood_leaves_anothers_room },

	{ "datagrams are not counted", &one, .run = datagrams_are_not_counted },
	{ "a grant used up ends its flows", &one, .run = a_used_up_grant_ends_its_flows },
	{ "another door without a count admits", &beside_another,
	  .run = another_door_without_a_count_admits },
	{ "another door that counts is charged in its turn", &both_count,
	  .run = another_door_that_counts_is_charged_in_its_turn },
	{ "with a prefix the network has one count", &networks,
	  .run = with_a_prefix_the_network_has_one_count, .only = 6 },
	{ "under reset a connection too many is dropped", &resetting,
	  .run = under_reset_a_connection_too_many_is_dropped },
	{ "under abort a connection too many is aborted", &aborting,
	  .run = under_reset_a_connection_too_many_is_dropped },

	{ "the inner door lets begin what the outer one did", &two,
	  .run = the_inner_door_lets_begin_what_the_outer_one_did },
	{ "the inner door lets begin what it alone sees", &two,
	  .run = the_inner_door_lets_begin_what_it_alone_sees },

	{ "that a grant is used up is told", &with_commands, .run = that_it_is_used_up_is_told },
	{ "two CPUs charge each connection once", &half_a_dozen,
	  .run = two_cpus_charge_each_connection_once },
};

int main(int count, char **arguments)
{
	return fixtures_run(arguments[0], count > 1 ? arguments[1] : NULL, fixtures,
			    sizeof(fixtures) / sizeof(*fixtures));
}
