// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Knocks: what is one, what is a stray, what is a repeat, which sequences open. That the decider is
 * right for every order of knocks is shown by the unit tests; here it is about packets.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "harness.h"

#define OPTIONS SMALL_TABLES

#define SSH                                                                                        \
	"[ssh]\n"                                                                                  \
	"	Sequence = 7000,8000:udp,9000\n"                                                   \
	"	Seq_Timeout = 10\n"                                                                \
	"	Open = 22\n"

static const struct setup one_door = { .conf = OPTIONS SSH };

/* Room for all the sources of the parallel fixtures. */
static const struct setup crowded = { .conf =
	"[options]\n"
	"	Interface = door0\n"
	"	Max_Grants = 1024\n"
	"	Max_Sources = 8192\n"
	SSH
};

static const struct setup two_doors = { .conf = OPTIONS SSH
	"[mail]\n"
	"	Sequence = 7000,8000:udp,1000,2000\n"
	"	Seq_Timeout = 10\n"
	"	Open = 25\n"
};

/* Two that end in one state, which a third keeps in time. */
static const struct setup one_in_another = { .conf = OPTIONS
	"[long]\n"
	"	Sequence = 1001,1002,1003\n"
	"	Seq_Timeout = 10\n"
	"	Open = 30\n"
	"[short]\n"
	"	Sequence = 1002,1003\n"
	"	Seq_Timeout = 4\n"
	"	Open = 31\n"
	"[longest]\n"
	"	Sequence = 1001,1002,1003,1004\n"
	"	Seq_Timeout = 30\n"
	"	Open = 32\n"
};

static const struct setup icmp_door = { .conf = OPTIONS
	"[ssh]\n"
	"	Sequence = 7000,4:icmp,9000\n"
	"	Seq_Timeout = 10\n"
	"	Open = 22\n"
};

static const struct setup protected_knock_port = { .conf = OPTIONS
	"[ssh]\n"
	"	Sequence = 7000,22,9000\n"
	"	Seq_Timeout = 10\n"
	"	Open = 22, 53:udp\n"
};

static const struct setup streams = { .conf = OPTIONS SSH
	"[fin]\n"
	"	Sequence = 7000,7001,7002\n"
	"	Seq_Timeout = 10\n"
	"	TCPFlags = fin,!syn\n"
	"	Open = 25\n"
	"[urgent]\n"
	"	Sequence = 7000,8000:udp,7002\n"
	"	Seq_Timeout = 10\n"
	"	TCPFlags = syn,urg\n"
	"	Open = 26\n"
};

static const struct setup twice_the_same = { .conf = OPTIONS
	"[ssh]\n"
	"	Sequence = 7000,7000,9000\n"
	"	Seq_Timeout = 10\n"
	"	Open = 22\n"
};

/* A plain hash has room for one source, and says so to the second. */
static void progress_of_one_source(struct knockd_bpf *skel)
{
	bpf_map__set_type(skel->maps.progress, BPF_MAP_TYPE_HASH);
	bpf_map__set_max_entries(skel->maps.progress, 1);
}

static const struct setup room_for_one = { .conf = OPTIONS SSH, .adjust = progress_of_one_source };

/* ---- what opens ---- */

static void the_right_sequence_opens(struct world *w)
{
	port_closed(w, 22);
	knock_noting(w, "7000", 0);
	knock_noting(w, "8000:udp", 0);
	port_closed(w, 22);
	knock_opens(w, "9000");
	port_open(w, 22);
}

static void every_knock_passes_also_the_opening_one(struct world *w)
{
	struct frame first = segment(w, 7000, SYN), second = datagram(w, 8000);
	struct frame third = segment(w, 9000, SYN);

	expect(w, &first, REASON_KNOCK);
	expect(w, &second, REASON_KNOCK);
	expect_noted(w, &third, REASON_KNOCK, note(REASON_OPENED));
}

static void the_same_knocks_in_disguise_open(struct world *w)
{
	struct frame f = segment(w, 7000, SYN);

	frame_tag(&f, 0x8100, 0);
	frame_tag(&f, 0x88a8, 0);
	expect(w, &f, REASON_KNOCK);
	f = datagram(w, 8000);
	if (f.family == 4)
		frame_options(&f, 8);
	else
		frame_padding(&f, IPPROTO_DSTOPTS, 8);
	expect(w, &f, REASON_KNOCK);
	/* Not by VLAN, which hardware may strip before the door sees the packet. */
	f = segment(w, 9000, SYN);
	frame_tag(&f, 0x8100, 42);
	expect_noted(w, &f, REASON_KNOCK, note(REASON_OPENED));
}

static void the_opening_is_told(struct world *w)
{
	knock_opens(w, "7000,8000:udp,9000");
	events_read(w);
	assert_int_equal(4, w->events);
	for (int i = 0; i < 3; i++)
		assert_int_equal(EVENT_STAGE, w->event[i].kind);
	assert_int_equal(EVENT_OPENED, w->event[3].kind);
	assert_int_equal(0, w->event[3].door);
	assert_int_equal(0, w->event[3].renewed);
	assert_int_equal(w->event[3].time + 30 * w->hz, w->event[3].until);
	assert_int_equal(w->family, w->event[3].source.family);
}

static void only_the_knocking_source_gets_in(struct world *w)
{
	knock_opens(w, "7000,8000:udp,9000");
	w->source = w->a->neighbour;
	port_closed(w, 22);
}

static void two_sources_cannot_share_a_sequence(struct world *w)
{
	knock_noting(w, "7000,8000:udp", 0);
	w->source = w->a->neighbour;
	knock_noting(w, "9000", 0);
	port_closed(w, 22);
	w->source = w->a->stranger;
	knock_opens(w, "9000");
}

/* ---- what does not ---- */

static void a_wrong_knock_between_right_ones_closes_the_way(struct world *w)
{
	knock_noting(w, "7000,8000:udp", 0);
	knock_noting(w, "2000", note(REASON_WRONG));
	knock_noting(w, "9000", 0);
	port_closed(w, 22);
	knock_opens(w, "7000,8000:udp,9000");
}

static void a_knock_of_the_wrong_order_is_wrong(struct world *w)
{
	knock_noting(w, "7000", 0);
	knock_noting(w, "9000", note(REASON_WRONG));
	knock_noting(w, "8000:udp", 0);
	port_closed(w, 22);
}

static void a_knock_of_the_wrong_protocol_is_a_stray(struct world *w)
{
	struct frame f = segment(w, 8000, SYN);

	knock_noting(w, "7000", 0);
	expect(w, &f, REASON_STRAY);
	knock_noting(w, "8000:udp,9000", 0);
	port_closed(w, 22);
}

static void a_wrong_knock_may_be_the_first_of_the_right_ones(struct world *w)
{
	knock_noting(w, "7000,8000:udp", 0);
	knock_opens(w, "7000,8000:udp,9000");
}

static void knocks_that_come_too_slow_do_not_open(struct world *w)
{
	knock_noting(w, "7000,8000:udp", 0);
	time_pass(w, 11);
	knock(w, "9000");
	port_closed(w, 22);
}

static void knocks_in_just_the_time_open(struct world *w)
{
	knock_noting(w, "7000", 0);
	time_pass(w, 5);
	knock_noting(w, "8000:udp", 0);
	time_pass(w, 4);
	knock_opens(w, "9000");
}

/* What counts is the time from the first knock to the last. */
static void a_late_middle_knock_does_not_buy_time(struct world *w)
{
	knock_noting(w, "7000", 0);
	time_pass(w, 6);
	knock_noting(w, "8000:udp", 0);
	time_pass(w, 6);
	knock(w, "9000");
	port_closed(w, 22);
}

static void after_a_timeout_the_first_knock_counts_at_once(struct world *w)
{
	knock_noting(w, "7000,8000:udp", 0);
	time_pass(w, 3600);
	knock_opens(w, "7000,8000:udp,9000");
}

static void another_family_is_another_source(struct world *w)
{
	struct frame f = frame_udp(6, "::ffff:198.51.100.77", 40000, addresses6.host, 8000);

	knock_noting(w, "7000", 0);
	expect(w, &f, REASON_KNOCK);
	knock_opens(w, "8000:udp,9000");
	f = frame_tcp(6, "::ffff:198.51.100.77", 40000, addresses6.host, 22, SYN);
	expect(w, &f, REASON_CLOSED);
}

/* ---- repeats ---- */

static void a_repeat_at_once_changes_nothing(struct world *w)
{
	knock_noting(w, "7000", 0);
	knock_noting(w, "7000", note(REASON_REPEATED));
	knock_noting(w, "8000:udp", 0);
	knock_noting(w, "8000:udp", note(REASON_REPEATED));
	knock_noting(w, "8000:udp", note(REASON_REPEATED));
	knock_opens(w, "9000");
}

static void a_late_retransmission_changes_nothing(struct world *w)
{
	struct frame first = segment(w, 7000, SYN);

	expect(w, &first, REASON_KNOCK);
	knock_noting(w, "8000:udp", 0);
	expect_noted(w, &first, REASON_KNOCK, note(REASON_REPEATED));
	knock_opens(w, "9000");
	expect_noted(w, &first, REASON_KNOCK, note(REASON_REPEATED));
}

static void a_late_knock_from_another_port_is_no_retransmission(struct world *w)
{
	struct frame first = segment(w, 7000, SYN);

	expect(w, &first, REASON_KNOCK);
	knock_noting(w, "8000:udp", 0);
	frame_source_port(&first, 50000);
	expect(w, &first, REASON_KNOCK);
	knock(w, "9000");
	port_closed(w, 22);
}

static void a_late_knock_with_another_sequence_number_is_no_retransmission(struct world *w)
{
	struct frame first = segment(w, 7000, SYN);

	expect(w, &first, REASON_KNOCK);
	knock_noting(w, "8000:udp", 0);
	frame_sequence(&first, 0x55667788);
	expect(w, &first, REASON_KNOCK);
	knock(w, "9000");
	port_closed(w, 22);
}

/* The latest of equal knocks is the first of those that count, and has its full time. */
static void a_repeated_first_knock_has_its_full_time(struct world *w)
{
	knock_noting(w, "7000", 0);
	time_pass(w, 9);
	knock_noting(w, "7000", note(REASON_REPEATED));
	time_pass(w, 8);
	knock_opens(w, "8000:udp,9000");
}

static void a_repeat_that_advances_is_a_knock(struct world *w)
{
	knock_opens(w, "7000,7000,9000");
	port_open(w, 22);
}

static void a_retransmission_is_not_the_second_of_two_equal_knocks(struct world *w)
{
	struct frame first = segment(w, 7000, SYN);

	expect(w, &first, REASON_KNOCK);
	expect_noted(w, &first, REASON_KNOCK, note(REASON_REPEATED));
	knock_noting(w, "9000", note(REASON_WRONG));
	port_closed(w, 22);
}

static void doors_share_a_prefix(struct world *w)
{
	knock_opens(w, "7000,8000:udp,9000");
	port_open(w, 22);
	port_closed(w, 25);
	knock_opens(w, "7000,8000:udp,1000,2000");
	port_open(w, 25);
}

static void doors_are_not_spliced(struct world *w)
{
	knock_noting(w, "7000,8000:udp,1000", 0);
	knock_noting(w, "9000", note(REASON_WRONG));
	knock_noting(w, "2000", 0);
	port_closed(w, 22);
	port_closed(w, 25);
}

static void of_sequences_that_end_together_each_is_in_time_for_itself(struct world *w)
{
	knock_noting(w, "1001", 0);
	time_pass(w, 9);
	knock_noting(w, "1002", 0);
	time_pass(w, 2);
	knock_opens(w, "1003");
	port_closed(w, 30);
	port_open(w, 31);

	/* The other way round. */
	w->source = w->a->neighbour;
	knock_noting(w, "1001,1002", 0);
	time_pass(w, 6);
	knock_opens(w, "1003");
	port_open(w, 30);
	port_closed(w, 31);
}

/* ---- strays ---- */

static void a_stray_clears_the_knocks(struct world *w)
{
	struct frame f = segment(w, 80, SYN);

	expect(w, &f, REASON_OTHER);
	knock_noting(w, "7000,8000:udp", 0);
	expect(w, &f, REASON_STRAY);
	expect(w, &f, REASON_OTHER);
	knock_noting(w, "9000", 0);
	port_closed(w, 22);
}

static void a_stray_datagram_clears_the_knocks(struct world *w)
{
	struct frame f = datagram(w, 123);

	knock_noting(w, "7000,8000:udp", 0);
	expect(w, &f, REASON_STRAY);
	knock_noting(w, "9000", 0);
	port_closed(w, 22);
}

static void another_sources_stray_clears_nothing(struct world *w)
{
	struct frame f;

	knock_noting(w, "7000,8000:udp", 0);
	w->source = w->a->neighbour;
	f = segment(w, 80, SYN);
	expect(w, &f, REASON_OTHER);
	w->source = w->a->stranger;
	knock_opens(w, "9000");
}

/* How often the kernel is asked for the socket of a stray; the inner door runs each time. */
static __u64 stray_lookups(struct world *w, enum reason reason)
{
	struct bpf_prog_info before = {}, after = {};
	struct frame f = segment(w, 80, SYN);
	__u32 size = sizeof(before);

	assert_int_equal(0, bpf_obj_get_info_by_fd(w->generation.inner, &before, &size));
	expect(w, &f, reason);
	assert_int_equal(0, bpf_obj_get_info_by_fd(w->generation.inner, &after, &size));
	return after.run_cnt - before.run_cnt;
}

/* Look-ups are dear, and strays without progress are what a flood is made of. */
static void a_stray_asks_for_its_socket_only_where_there_is_progress(struct world *w)
{
	__u64 with, without, never;
	int counting = bpf_enable_stats(BPF_STATS_RUN_TIME);

	assert_true(counting >= 0);
	inner_on(w);
	knock_noting(w, "7000", 0);
	with = stray_lookups(w, REASON_STRAY);
	/* It is still remembered as one that may have some. */
	table_walk(w->skel->maps.progress, NULL, 0);
	without = stray_lookups(w, REASON_OTHER);
	w->source = w->a->neighbour;
	never = stray_lookups(w, REASON_OTHER);
	close(counting);
	assert_int_not_equal(0, with);
	assert_int_equal(0, without);
	assert_int_equal(0, never);
}

/* Send it between two right knocks: it is none and passes, or is closed; the door opens. */
static void sent_between_knocks_is_no_stray(struct world *w, const struct frame *f,
					    enum reason reason)
{
	knock_noting(w, "7000,8000:udp", 0);
	expect(w, f, reason);
	knock_opens(w, "9000");
}

static void a_syn_to_the_protected_port_is_no_stray(struct world *w)
{
	struct frame f = segment(w, 22, SYN);

	sent_between_knocks_is_no_stray(w, &f, REASON_CLOSED);
}

static void flags_that_are_no_knocks_make_no_stray(struct world *w)
{
	static const __u8 flags[] = { 0, ACK, ACK | PSH, FIN, FIN | ACK, RST, SYN | ACK, SYN | RST,
				      SYN | FIN, FIN | PSH | URG };

	for (size_t i = 0; i < sizeof(flags); i++) {
		struct frame f = segment(w, 80, flags[i]);

		sent_between_knocks_is_no_stray(w, &f, REASON_OTHER);
	}
}

static void flags_beside_the_knocks_own_do_not_matter(struct world *w)
{
	static const __u8 flags[] = { SYN | PSH, SYN | URG, SYN | ECE | CWR };

	for (size_t i = 0; i < sizeof(flags); i++) {
		struct frame f = segment(w, 80, flags[i]);

		knock_noting(w, "7000,8000:udp", 0);
		expect(w, &f, REASON_STRAY);
	}
}

static void a_packet_to_a_listening_port_is_no_stray(struct world *w)
{
	struct frame f = segment(w, 80, SYN);

	socket_listening(&w->sockets, w->family, 80);
	sent_between_knocks_is_no_stray(w, &f, REASON_OTHER);
}

static void a_datagram_to_a_bound_port_is_no_stray(struct world *w)
{
	struct frame f = datagram(w, 123);

	socket_bound(&w->sockets, w->family, SOCK_DGRAM, NULL, 123);
	sent_between_knocks_is_no_stray(w, &f, REASON_OTHER);
}

static void a_datagram_to_a_connected_socket_is_no_stray(struct world *w)
{
	int fd = socket_bound(&w->sockets, w->family, SOCK_DGRAM, w->a->host, 5000);
	struct frame f = frame_udp(w->family, w->source, 53, w->destination, 5000);

	socket_connect(fd, w->family, w->source, 53);
	sent_between_knocks_is_no_stray(w, &f, REASON_OTHER);
}

static void a_datagram_to_a_socket_connected_elsewhere_is_a_stray(struct world *w)
{
	int fd = socket_bound(&w->sockets, w->family, SOCK_DGRAM, w->a->host, 5000);
	struct frame f = frame_udp(w->family, w->source, 53, w->destination, 5000);

	socket_connect(fd, w->family, w->a->neighbour, 53);
	knock_noting(w, "7000,8000:udp", 0);
	expect(w, &f, REASON_STRAY);
}

static void a_packet_to_a_group_is_no_stray(struct world *w)
{
	struct frame f = datagram(w, 5353);

	frame_to(&f, w->a->group);
	sent_between_knocks_is_no_stray(w, &f, REASON_OTHER);
	f = datagram(w, 5353);
	frame_to_all(&f);
	sent_between_knocks_is_no_stray(w, &f, REASON_OTHER);
}

static void a_knock_to_a_group_is_none(struct world *w)
{
	struct frame f = datagram(w, 8000);

	knock_noting(w, "7000", 0);
	frame_to(&f, w->a->group);
	expect(w, &f, REASON_KNOCK);
	knock_noting(w, "9000", note(REASON_WRONG));
}

static void dhcp_is_no_stray(struct world *w)
{
	struct frame f = frame_udp(w->family, w->source, w->family == 4 ? 67 : 547,
				   w->destination, w->family == 4 ? 68 : 546);

	sent_between_knocks_is_no_stray(w, &f, REASON_DHCP);
}

static void a_fragment_is_no_stray(struct world *w)
{
	struct frame f = segment(w, 80, SYN);

	frame_fragment(&f, 185, false);
	sent_between_knocks_is_no_stray(w, &f, REASON_FRAGMENT);
}

static void a_ping_is_no_stray_where_no_door_uses_icmp(struct world *w)
{
	struct frame f = echo(w, 0);

	sent_between_knocks_is_no_stray(w, &f, REASON_OTHER);
}

/* ---- ICMP ---- */

static void an_echo_request_of_the_right_code_is_a_knock(struct world *w)
{
	knock_opens(w, "7000,4:icmp,9000");
	port_open(w, 22);
}

static void a_ping_is_a_stray_where_a_door_uses_icmp(struct world *w)
{
	struct frame f = echo(w, 0);

	expect(w, &f, REASON_OTHER);
	knock_noting(w, "7000,4:icmp", 0);
	expect(w, &f, REASON_STRAY);
	knock_noting(w, "9000", 0);
	port_closed(w, 22);
}

static void an_echo_reply_is_no_knock(struct world *w)
{
	struct frame f = echo(w, 4);

	f.bytes[f.transport] = w->family == 4 ? 0 : 129;
	knock_noting(w, "7000", 0);
	expect(w, &f, REASON_OTHER);
	knock_opens(w, "4:icmp,9000");
}

static void the_other_familys_echo_request_is_no_knock(struct world *w)
{
	struct frame f = echo(w, 4);

	f.bytes[f.next] = w->family == 4 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	f.bytes[f.transport] = w->family == 4 ? 128 : 8;
	knock_noting(w, "7000", 0);
	expect(w, &f, REASON_OTHER);
	knock_opens(w, "4:icmp,9000");
}

/* ---- a port that is both ---- */

static void a_protected_port_may_be_a_knock_port(struct world *w)
{
	struct frame f = segment(w, 22, SYN);

	knock_noting(w, "7000", 0);
	expect(w, &f, REASON_CLOSED);
	knock_opens(w, "9000");
	/* Once it is open the knock passes; it is still a knock. */
	f = segment(w, 22, SYN);
	expect_noted(w, &f, REASON_GRANTED, note(REASON_WRONG));
}

/* ---- streams ---- */

static void fin_knock(struct world *w, __u16 port, __u64 notes)
{
	struct frame f = segment(w, port, FIN);

	expect_noted(w, &f, REASON_KNOCK, notes);
}

static void other_flags_make_another_stream(struct world *w)
{
	/* The knocks of one between those of the other; the datagram is in both. */
	knock_noting(w, "7000", 0);
	fin_knock(w, 7000, 0);
	fin_knock(w, 7001, 0);
	knock_noting(w, "8000:udp", note(REASON_WRONG));
	knock_opens(w, "9000");
	port_open(w, 22);
	fin_knock(w, 7002, 0);
	port_closed(w, 25);
}

static void knocks_with_other_flags_open_their_door(struct world *w)
{
	fin_knock(w, 7000, 0);
	fin_knock(w, 7001, 0);
	fin_knock(w, 7002, note(REASON_OPENED));
	port_open(w, 25);
	port_closed(w, 22);
}

static void knocks_with_the_default_flags_do_not_open_that_door(struct world *w)
{
	knock(w, "7000,7001,7002");
	port_closed(w, 25);
}

static void a_datagram_is_a_knock_in_every_stream(struct world *w)
{
	struct frame f = segment(w, 7000, SYN | URG);

	/* Also a knock by the default flags, which URG does not disturb. */
	expect(w, &f, REASON_KNOCK);
	knock_noting(w, "8000:udp", 0);
	f = segment(w, 7002, SYN | URG);
	expect_noted(w, &f, REASON_KNOCK, note(REASON_OPENED) | note(REASON_WRONG));
	port_open(w, 26);
}

static void a_stray_counts_in_the_streams_that_its_flags_make_it_a_knock_of(struct world *w)
{
	struct frame f = segment(w, 80, SYN);

	fin_knock(w, 7000, 0);
	fin_knock(w, 7001, 0);
	knock_noting(w, "7000", 0);
	expect(w, &f, REASON_STRAY);
	fin_knock(w, 7002, note(REASON_OPENED));
	f = segment(w, 80, FIN);
	fin_knock(w, 7000, 0);
	expect(w, &f, REASON_STRAY);
}

static void a_stray_clears_what_only_a_later_stream_has(struct world *w)
{
	struct frame f = segment(w, 80, FIN);

	fin_knock(w, 7000, 0);
	expect(w, &f, REASON_STRAY);
	fin_knock(w, 7001, 0);
	fin_knock(w, 7002, 0);
	port_closed(w, 25);
}

static void a_stray_is_one_also_where_a_later_stream_has_nothing(struct world *w)
{
	struct frame f = segment(w, 80, SYN | URG);

	knock_noting(w, "7000", 0);
	expect(w, &f, REASON_STRAY);
}

/* ---- limits ---- */

static void a_knock_without_room_for_progress_is_lost_and_passes(struct world *w)
{
	struct frame f;

	knock_noting(w, "7000,8000:udp", 0);
	w->source = w->a->neighbour;
	f = segment(w, 7000, SYN);
	expect_noted(w, &f, REASON_KNOCK, note(REASON_PROGRESS_LOST));
	w->source = w->a->stranger;
	knock_opens(w, "9000");
}

static void only_a_first_knock_makes_progress(struct world *w)
{
	int map = bpf_map__fd(w->skel->maps.progress);
	struct source source = { .family = w->family };
	__u64 name;

	address_read((uint8_t *)source.word_be, w->source, w->family);
	knock_noting(w, "8000:udp,9000,9000", 0);
	assert_int_not_equal(0, bpf_map_get_next_key(map, NULL, &name));
	knock_noting(w, "7000", 0);
	assert_int_equal(0, bpf_map_get_next_key(map, NULL, &name));
	assert_true(name == progress_name_of(w, &source));
}

static __u64 stages_unsaid(const struct world *w)
{
	struct shared shared;
	__u32 key = 0;

	assert_int_equal(0, bpf_map_lookup_elem(w->generation.map[MAP_shared], &key, &shared));
	return shared.stages_unsaid;
}

static void more_than_ten_stages_in_a_second_are_not_told(struct world *w)
{
	__u64 second, unsaid[2];
	unsigned int told;

	/* Again where a new second began meanwhile. */
	do {
		world_reset(w, w->family);
		second = clock_now(w) / w->hz;
		unsaid[0] = generation_counter(&w->generation, MAP_counters, REASON_STAGE_UNSAID);
		for (int i = 0; i < 6; i++)
			knock_noting(w, "7000,8000:udp", i < 5 ? 0 : note(REASON_STAGE_UNSAID));
		unsaid[1] = generation_counter(&w->generation, MAP_counters, REASON_STAGE_UNSAID);
	} while (clock_now(w) / w->hz != second);
	events_read(w);
	told = w->events;
	assert_int_equal(10, told);
	assert_int_equal(2, unsaid[1] - unsaid[0]);
	assert_int_equal(2, stages_unsaid(w));

	/* In the next second they are told again; openings always are. */
	time_pass(w, 1);
	knock_opens(w, "7000,8000:udp,9000");
	events_read(w);
	assert_int_equal(4, w->events);
	assert_int_equal(EVENT_STAGE, w->event[0].kind);
	assert_int_equal(EVENT_OPENED, w->event[3].kind);
}

enum { CROWD = 200, KNOCKS = 3, PROCESSORS = 2 };

/* Knocks that are sent on several CPUs at once. */
struct crowd {
	struct world *w;
	struct frame frame[CROWD][KNOCKS];
	bool doubled;     /* each knock arrives twice, on both CPUs at once */
	atomic_uint here; /* how often a CPU has come to where they meet */
};

struct processor {
	struct crowd *crowd;
	unsigned int number;
};

/*
 * Wait for the other CPU. After a barrier's sleep one would be a packet ahead: they spin; where
 * there is but one CPU, it must be let go.
 */
static void processors_meet(struct crowd *crowd)
{
	unsigned int came = atomic_fetch_add(&crowd->here, 1), tries = 0;

	while (atomic_load(&crowd->here) / PROCESSORS <= came / PROCESSORS)
		if (++tries > 10000)
			sched_yield();
}

/* Each knock begins on both at once; the last, which must not open twice, at each source. */
static bool processors_must_meet(const struct crowd *crowd, unsigned int source, unsigned int knock)
{
	return !source || (crowd->doubled && knock == KNOCKS - 1);
}

/* Knocks that are not doubled come in turns: a source's next one on the other CPU. */
static bool knock_comes_here(const struct processor *p, unsigned int source, unsigned int knock)
{
	return p->crowd->doubled || (source + knock) % PROCESSORS == p->number;
}

static void *processor_run(void *argument)
{
	const struct processor *p = argument;
	cpu_set_t set;

	/* Where there is but one CPU, the kernel's preemption has to do. */
	CPU_ZERO(&set);
	CPU_SET(p->number, &set);
	sched_setaffinity(0, sizeof(set), &set);
	for (unsigned int knock = 0; knock < KNOCKS; knock++) {
		for (unsigned int source = 0; source < CROWD; source++) {
			if (processors_must_meet(p->crowd, source, knock))
				processors_meet(p->crowd);
			if (knock_comes_here(p, source, knock))
				frame_run(p->crowd->w, &p->crowd->frame[source][knock], 1);
		}
	}
	return NULL;
}

static void crowd_knocks(struct world *w, bool doubled)
{
	static const char *const knocks[KNOCKS] = { "7000", "8000:udp", "9000" };
	struct crowd *crowd = calloc(1, sizeof(*crowd));
	struct processor processors[PROCESSORS];
	pthread_t threads[PROCESSORS];

	assert_non_null(crowd);
	crowd->w = w;
	crowd->doubled = doubled;
	for (unsigned int source = 0; source < CROWD; source++) {
		source_number(w, source + 1);
		for (unsigned int knock = 0; knock < KNOCKS; knock++) {
			char *end;

			crowd->frame[source][knock] = knock_frame(w, knocks[knock], &end);
		}
	}
	for (unsigned int i = 0; i < PROCESSORS; i++) {
		processors[i] = (struct processor){ crowd, i };
		assert_int_equal(0, pthread_create(&threads[i], NULL, processor_run,
						   &processors[i]));
	}
	for (unsigned int i = 0; i < PROCESSORS; i++)
		pthread_join(threads[i], NULL);
	free(crowd);
}

/* All of the crowd are let in, and nobody else. */
static void crowd_is_in(struct world *w)
{
	for (unsigned int source = 0; source <= CROWD + 1; source++) {
		source_number(w, source);
		if (source && source <= CROWD)
			port_open(w, 22);
		else
			port_closed(w, 22);
	}
}

static void knocks_in_turns_on_two_processors_are_all_counted(struct world *w)
{
	crowd_knocks(w, false);
	crowd_is_in(w);
}

static void knocks_doubled_on_two_processors_open_all_the_same(struct world *w)
{
	__u64 before[REASON_COUNT], after[REASON_COUNT];

	counters_read(w, before);
	crowd_knocks(w, true);
	counters_read(w, after);
	/* Of two that are equal one counts, and the other repeats it. */
	assert_int_equal(CROWD, after[REASON_OPENED] - before[REASON_OPENED]);
	assert_int_equal(CROWD * KNOCKS, after[REASON_REPEATED] - before[REASON_REPEATED]);
	crowd_is_in(w);
}

static const struct fixture fixtures[] = {
	{ "the right sequence opens", &one_door, .run = the_right_sequence_opens },
	{ "every knock passes, the opening one too", &one_door,
	  .run = every_knock_passes_also_the_opening_one },
	{ "the same knocks in disguise open", &one_door, .run = the_same_knocks_in_disguise_open },
	{ "the opening is told, and each stage", &one_door, .run = the_opening_is_told },
	{ "only the source that knocked gets in", &one_door,
	  .run = only_the_knocking_source_gets_in },
	{ "two sources cannot share a sequence", &one_door,
	  .run = two_sources_cannot_share_a_sequence },

	{ "a wrong knock between right ones closes the way", &two_doors,
	  .run = a_wrong_knock_between_right_ones_closes_the_way },
	{ "knocks in the wrong order do not open", &one_door,
	  .run = a_knock_of_the_wrong_order_is_wrong },
	{ "a knock of the wrong protocol is a stray", &one_door,
	  .run = a_knock_of_the_wrong_protocol_is_a_stray },
	{ "a wrong knock may be the first of the right ones", &one_door,
	  .run = a_wrong_knock_may_be_the_first_of_the_right_ones },
	{ "knocks that come too slow do not open", &one_door,
	  .run = knocks_that_come_too_slow_do_not_open },
	{ "knocks in just the time open", &one_door, .run = knocks_in_just_the_time_open },
	{ "a late middle knock does not buy time", &one_door,
	  .run = a_late_middle_knock_does_not_buy_time },
	{ "after a timeout the first knock counts at once", &one_door,
	  .run = after_a_timeout_the_first_knock_counts_at_once },
	{ "an IPv4-mapped address is another source than the IPv4 one", &one_door,
	  .run = another_family_is_another_source, .only = 4 },

	{ "a repeat at once changes nothing", &one_door, .run = a_repeat_at_once_changes_nothing },
	{ "a late retransmission changes nothing", &one_door,
	  .run = a_late_retransmission_changes_nothing },
	{ "a late knock from another source port is no retransmission", &one_door,
	  .run = a_late_knock_from_another_port_is_no_retransmission },
	{ "a late knock with another sequence number is no retransmission", &one_door,
	  .run = a_late_knock_with_another_sequence_number_is_no_retransmission },
	{ "a repeated first knock has its full time", &one_door,
	  .run = a_repeated_first_knock_has_its_full_time },
	{ "a repeat that advances a door is a knock", &twice_the_same,
	  .run = a_repeat_that_advances_is_a_knock },
	{ "a retransmission is not the second of two equal knocks", &twice_the_same,
	  .run = a_retransmission_is_not_the_second_of_two_equal_knocks },
	{ "doors may share a prefix", &two_doors, .run = doors_share_a_prefix },
	{ "doors are not spliced", &two_doors, .run = doors_are_not_spliced },
	{ "of sequences that end together each is in time for itself", &one_in_another,
	  .run = of_sequences_that_end_together_each_is_in_time_for_itself },

	{ "a stray clears the knocks before it", &one_door, .run = a_stray_clears_the_knocks },
	{ "a stray datagram clears the knocks before it", &one_door,
	  .run = a_stray_datagram_clears_the_knocks },
	{ "another source's stray clears nothing", &one_door,
	  .run = another_sources_stray_clears_nothing },
	{ "a stray asks for its socket only where there is progress", &one_door,
	  .run = a_stray_asks_for_its_socket_only_where_there_is_progress },
	{ "a SYN to the protected port is no stray", &one_door,
	  .run = a_syn_to_the_protected_port_is_no_stray },
	{ "a segment whose flags are not a knock's is no stray", &one_door,
	  .run = flags_that_are_no_knocks_make_no_stray },
	{ "flags beside the knock's own make no difference", &one_door,
	  .run = flags_beside_the_knocks_own_do_not_matter },
	{ "a packet to a listening port is no stray", &one_door,
	  .run = a_packet_to_a_listening_port_is_no_stray },
	{ "a datagram to a bound port is no stray", &one_door,
	  .run = a_datagram_to_a_bound_port_is_no_stray },
	{ "a datagram to a connected socket is no stray", &one_door,
	  .run = a_datagram_to_a_connected_socket_is_no_stray },
	{ "a datagram to a socket connected elsewhere is a stray", &one_door,
	  .run = a_datagram_to_a_socket_connected_elsewhere_is_a_stray },
	{ "a packet to a group or to everybody is no stray", &one_door,
	  .run = a_packet_to_a_group_is_no_stray },
	{ "a knock to a group is none", &one_door, .run = a_knock_to_a_group_is_none },
	{ "DHCP is no stray", &one_door, .run = dhcp_is_no_stray },
	{ "a later fragment is no stray", &one_door, .run = a_fragment_is_no_stray },
	{ "a ping is no stray where no door uses ICMP", &one_door,
	  .run = a_ping_is_no_stray_where_no_door_uses_icmp },

	{ "an echo request of the right code is a knock", &icmp_door,
	  .run = an_echo_request_of_the_right_code_is_a_knock },
	{ "a ping is a stray where a door uses ICMP", &icmp_door,
	  .run = a_ping_is_a_stray_where_a_door_uses_icmp },
	{ "an echo reply is no knock", &icmp_door, .run = an_echo_reply_is_no_knock },
	{ "the other family's echo request is no knock", &icmp_door,
	  .run = the_other_familys_echo_request_is_no_knock },

	{ "a protected port may be a knock port too", &protected_knock_port,
	  .run = a_protected_port_may_be_a_knock_port },

	{ "other flags make another stream", &streams, .run = other_flags_make_another_stream },
	{ "knocks with other flags open their door", &streams,
	  .run = knocks_with_other_flags_open_their_door },
	{ "knocks with the default flags do not open that door", &streams,
	  .run = knocks_with_the_default_flags_do_not_open_that_door },
	{ "a datagram is a knock in every stream", &streams,
	  .run = a_datagram_is_a_knock_in_every_stream },
	{ "a stray counts in the streams that its flags belong to", &streams,
	  .run = a_stray_counts_in_the_streams_that_its_flags_make_it_a_knock_of },
	{ "a stray clears what only a later stream has", &streams,
	  .run = a_stray_clears_what_only_a_later_stream_has },
	{ "a stray is one also where a later stream has nothing", &streams,
	  .run = a_stray_is_one_also_where_a_later_stream_has_nothing },

	{ "a knock without room for progress is lost, and passes", &room_for_one,
	  .run = a_knock_without_room_for_progress_is_lost_and_passes },
	{ "only a first knock makes progress", &one_door,
	  .run = only_a_first_knock_makes_progress },
	{ "knocks in turns on two CPUs are all counted", &crowded,
	  .run = knocks_in_turns_on_two_processors_are_all_counted },
	{ "knocks doubled on two CPUs open all the same", &crowded,
	  .run = knocks_doubled_on_two_processors_open_all_the_same },
	{ "more than ten stages in a second are not told", &one_door,
	  .run = more_than_ten_stages_in_a_second_are_not_told },
};

int main(int count, char **arguments)
{
	return fixtures_run(arguments[0], count > 1 ? arguments[1] : NULL, fixtures,
			    sizeof(fixtures) / sizeof(*fixtures));
}
