// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Grants: whom a door admits, for how long, how many at once, and who may knock at all.
 */
#include "harness.h"

/* Two doors have 32 grants each. */
#define OPTIONS SMALL_TABLES

#define SSH                                                                                        \
	"[ssh]\n"                                                                                  \
	"	Sequence = 7000,8000\n"                                                            \
	"	Close_Sequence = 8500,7500\n"                                                      \
	"	Open = 22, 80\n"                                                                   \
	"	Open_Time = 30\n"

#define MAIL                                                                                       \
	"[mail]\n"                                                                                 \
	"	Sequence = 1000,2000\n"                                                            \
	"	Open = 25, 80\n"                                                                   \
	"	Open_Time = 60\n"

enum { QUOTA = 32 };

static const struct setup two_doors = { .conf = OPTIONS SSH MAIL };
static const struct setup outer_alone = { .conf = OPTIONS SSH MAIL, .alone = true };
static const struct setup networks = { .conf = OPTIONS "\tGrant_Prefix6 = 64\n" SSH MAIL };
static const struct setup small_networks = { .conf = OPTIONS "\tGrant_Prefix6 = 124\n" SSH MAIL };

static const struct setup until_closed = { .conf = OPTIONS
	"[ssh]\n"
	"	Sequence = 7000,8000\n"
	"	Close_Sequence = 8500,7500\n"
	"	Open = 22\n"
	"	Open_Time = 0\n"
	MAIL
};

static const struct setup quick_to_close = { .conf = OPTIONS
	"	UDP_Idle = 600\n"
	"[ssh]\n"
	"	Sequence = 7000,8000\n"
	"	Close_Sequence = 8500,7500\n"
	"	Open = 22\n"
	"	Open_Time = 1\n"
	MAIL
};

static const struct setup knocking_from = { .conf = OPTIONS SSH
	"	Knock_From = 198.51.100.77, 2001:db8:77::/64\n"
	MAIL
	"	Knock_From = 203.0.113.0/24, 2001:db8:3::/64\n"
	"[web]\n"
	"	Sequence = 3000,4000\n"
	"	Open = 443\n"
};

static const struct setup one_datagram = { .conf = OPTIONS
	"[ssh]\n"
	"	Sequence = 7000:udp\n"
	"	Open = 22\n"
};

/* ---- open and shut ---- */

static void a_grant_admits_every_packet_of_a_connection(struct world *w)
{
	static const __u8 flags[] = { SYN, SYN | ECE | CWR, ACK, ACK | PSH, FIN | ACK, RST, 0 };

	knock_opens(w, "7000,8000");
	for (size_t i = 0; i < sizeof(flags); i++) {
		struct frame f = segment(w, 22, flags[i]);

		expect(w, &f, REASON_GRANTED);
	}
}

static void a_grant_admits_its_source_in_disguise(struct world *w)
{
	struct frame f;

	knock_opens(w, "7000,8000");
	f = segment(w, 22, SYN);
	frame_tag(&f, 0x88a8, 0);
	frame_tag(&f, 0x8100, 42);
	expect(w, &f, REASON_GRANTED);
	f = segment(w, 22, SYN);
	if (f.family == 4)
		frame_options(&f, 40);
	else
		frame_padding(&f, IPPROTO_DSTOPTS, 64);
	expect(w, &f, REASON_GRANTED);
}

static void a_grant_is_for_the_ports_of_its_door(struct world *w)
{
	knock_opens(w, "7000,8000");
	port_open(w, 22);
	port_open(w, 80);
	port_closed(w, 25);
	knock_opens(w, "1000,2000");
	port_open(w, 25);
}

static void expect_present(struct world *w, enum presence kind, __u64 hash, bool present)
{
	__u32 first = presence_slot(kind, 0), *slot = presence_open(w);
	__u64 now = clock_now(w);

	for (__u32 i = first; i < first + (1 << PRESENCE_BITS); i++)
		assert_int_equal(present && i == presence_slot(kind, hash),
				 presence_alive(&slot[i], now));
	presence_close(slot);
}

static void presence_end(struct world *w, enum presence kind, __u64 hash)
{
	__u32 *slot = presence_open(w);

	slot[presence_slot(kind, hash)] = 0;
	presence_close(slot);
}

/* Where the daemon looks for what the programs wrote, and writes what they look for. */
static void the_daemon_finds_who_is_present(struct world *w)
{
	struct source source = { .family = w->family };
	struct settings settings;
	__u64 hash;

	assert_int_equal(0, generation_settings(&w->generation, &settings));
	address_read((void *)source.word_be, w->source, w->family);
	hash = source_hash(&settings.hash_key, &source);
	knock_noting(w, "7000", 0);
	expect_present(w, PRESENCE_PROGRESS, hash, true);
	expect_present(w, PRESENCE_GRANTS, hash, false);
	/* Without it the programs look no further. */
	presence_end(w, PRESENCE_PROGRESS, hash);
	knock_noting(w, "8000", 0);
	expect_present(w, PRESENCE_GRANTS, hash, false);
	knock_noting(w, "7000", note(REASON_REPEATED));
	knock_noting(w, "8000", note(REASON_OPENED));
	expect_present(w, PRESENCE_GRANTS, hash, true);
	port_open(w, 22);
	presence_end(w, PRESENCE_GRANTS, hash);
	port_closed(w, 22);
}

static void a_grant_ends_by_time(struct world *w)
{
	knock_opens(w, "7000,8000");
	time_pass(w, 29);
	port_open(w, 22);
	time_pass(w, 2);
	port_closed(w, 22);
}

static void a_port_of_two_doors_is_open_while_one_of_them_is(struct world *w)
{
	knock_opens(w, "7000,8000,1000,2000");
	time_pass(w, 31);
	port_closed(w, 22);
	port_open(w, 80);
	time_pass(w, 30);
	port_closed(w, 80);
}

static unsigned int grants_alive(struct world *w)
{
	struct bpf_map *map = w->skel->maps.grants;
	__u64 now = clock_now(w);
	struct grant_bucket bucket;
	unsigned int count = 0;

	for (__u32 i = 0; i < bpf_map__max_entries(map); i++) {
		assert_int_equal(0, bpf_map_lookup_elem(bpf_map__fd(map), &i, &bucket));
		for (int cell = 0; cell < GRANT_CELLS; cell++)
			count += grant_alive(bucket.cell[cell].word, now);
	}
	return count;
}

static void knocking_again_renews_the_grant(struct world *w)
{
	knock_opens(w, "7000,8000");
	time_pass(w, 20);
	events_read(w);
	knock_opens(w, "7000,8000");
	events_read(w);
	assert_int_equal(3, w->events);
	assert_int_equal(EVENT_OPENED, w->event[2].kind);
	assert_int_equal(1, w->event[2].renewed);
	assert_int_equal(1, grants_alive(w));
	time_pass(w, 20);
	port_open(w, 22);
	time_pass(w, 11);
	port_closed(w, 22);
}

static void knocking_after_the_end_opens_anew(struct world *w)
{
	knock_opens(w, "7000,8000");
	time_pass(w, 31);
	events_read(w);
	knock_opens(w, "7000,8000");
	events_read(w);
	assert_int_equal(EVENT_OPENED, w->event[2].kind);
	assert_int_equal(0, w->event[2].renewed);
	port_open(w, 22);
	assert_int_equal(1, grants_alive(w));
}

/* What the daemon sees, which holds no more than a view. */
static __u64 grant_until(struct world *w, const struct source *source, __u32 door)
{
	const struct generation *g = &w->generation;
	struct about about = {
		.hz = w->hz, .clock_jiffies = w->clock.jiffies, .clock_ns = w->clock.monotonic_ns,
	};
	struct view_map part[VIEW_PARTS];
	struct view *view;
	__u32 key = 0;
	__u64 until;

	assert_int_equal(0, bpf_map_update_elem(g->map[MAP_about], &key, &about, BPF_ANY));
	generation_view(g, part);
	assert_int_equal(0, view_open(&view, part));
	until = view_grant_until(view, source, door);
	view_close(view);
	return until;
}

static void the_daemon_sees_when_a_grant_ends(struct world *w)
{
	struct source source = { .family = w->family };

	address_read((void *)source.word_be, w->source, w->family);
	assert_int_equal(0, grant_until(w, &source, 0));
	knock_opens(w, "7000,8000");
	events_read(w);
	clock_now(w);
	assert_int_equal(w->event[2].until, grant_until(w, &source, 0));
	assert_int_equal(0, grant_until(w, &source, 1));
	assert_memory_equal(&source, &w->event[2].source, sizeof(source));
}

static void openings_and_renewals_are_counted_at_their_door(struct world *w)
{
	__u64 ssh = generation_counter(&w->generation, MAP_door_counters, 0);
	__u64 mail = generation_counter(&w->generation, MAP_door_counters, 1);

	knock_opens(w, "7000,8000,7000,8000");
	assert_int_equal(ssh + 2, generation_counter(&w->generation, MAP_door_counters, 0));
	assert_int_equal(mail, generation_counter(&w->generation, MAP_door_counters, 1));
}

static void a_full_ring_keeps_no_door_shut(struct world *w)
{
	struct frame f = datagram(w, 7000);

	/* Each opening leaves a record; nobody reads them. */
	frame_run(w, &f, 8000);
	w->source = w->a->neighbour;
	f = datagram(w, 7000);
	expect_noted(w, &f, REASON_KNOCK, note(REASON_OPENED) | note(REASON_EVENT_LOST));
	port_open(w, 22);
}

/* ---- close sequence ---- */

static void the_close_sequence_ends_the_grant(struct world *w)
{
	knock_opens(w, "7000,8000");
	port_open(w, 22);
	events_read(w);
	knock_noting(w, "8500,7500", note(REASON_CLOSED_BY_KNOCK));
	events_read(w);
	assert_int_equal(EVENT_CLOSED, w->event[w->events - 1].kind);
	assert_int_equal(0, w->event[w->events - 1].door);
	port_closed(w, 22);
	assert_int_equal(0, grants_alive(w));
}

static void the_close_sequence_ends_no_other_doors_grant(struct world *w)
{
	knock_opens(w, "7000,8000,1000,2000");
	knock_noting(w, "8500,7500", note(REASON_CLOSED_BY_KNOCK));
	port_closed(w, 22);
	port_open(w, 25);
	port_open(w, 80);
}

static void the_close_sequence_ends_no_other_sources_grant(struct world *w)
{
	knock_opens(w, "7000,8000");
	w->source = w->a->neighbour;
	knock_noting(w, "8500,7500", 0);
	w->source = w->a->stranger;
	port_open(w, 22);
}

static void the_close_sequence_without_a_grant_does_nothing(struct world *w)
{
	knock_noting(w, "8500,7500", 0);
	knock_opens(w, "7000,8000");
	time_pass(w, 31);
	knock_noting(w, "8500,7500", 0);
}

static void what_was_closed_opens_again(struct world *w)
{
	knock_opens(w, "7000,8000");
	knock_noting(w, "8500,7500", note(REASON_CLOSED_BY_KNOCK));
	knock_opens(w, "7000,8000");
	port_open(w, 22);
	assert_int_equal(1, grants_alive(w));
}

static void a_door_without_end_stays_open_until_it_is_closed(struct world *w)
{
	knock_opens(w, "7000,8000");
	time_pass(w, 86400 * 3);
	port_open(w, 22);
	events_read(w);
	assert_int_equal(EVENT_OPENED, w->event[2].kind);
	assert_true(w->event[2].until == GRANT_FOREVER);
	knock_noting(w, "8500,7500", note(REASON_CLOSED_BY_KNOCK));
	port_closed(w, 22);
}

/* ---- quotas ---- */

static void sources_knock(struct world *w, unsigned int first, unsigned int count,
			  const char *knocks, __u64 notes)
{
	for (unsigned int i = first; i < first + count; i++) {
		source_number(w, i);
		knock_noting(w, knocks, notes);
	}
}

static void sources_may_enter(struct world *w, unsigned int first, unsigned int count, __u16 port)
{
	for (unsigned int i = first; i < first + count; i++) {
		source_number(w, i);
		port_open(w, port);
	}
}

static void a_doors_quota_is_certain_in_any_open_time(struct world *w)
{
	sources_knock(w, 0, QUOTA, "7000,8000", note(REASON_OPENED));
	time_pass(w, 15);
	sources_knock(w, 100, QUOTA, "7000,8000", note(REASON_OPENED));
	sources_may_enter(w, 0, QUOTA, 22);
	sources_may_enter(w, 100, QUOTA, 22);
}

static void over_twice_its_quota_a_door_refuses(struct world *w)
{
	sources_knock(w, 0, 2 * QUOTA, "7000,8000", note(REASON_OPENED));
	events_read(w);
	source_number(w, 1000);
	knock_noting(w, "7000,8000", note(REASON_REFUSED_QUOTA));
	port_closed(w, 22);
	events_read(w);
	assert_int_equal(EVENT_REFUSED, w->event[w->events - 2].kind);
	assert_int_equal(REASON_REFUSED_QUOTA, w->event[w->events - 2].reason);
	assert_int_equal(0, w->event[w->events - 2].door);
	sources_may_enter(w, 0, 2 * QUOTA, 22);
}

static void a_door_with_a_full_quota_renews(struct world *w)
{
	sources_knock(w, 0, 2 * QUOTA, "7000,8000", note(REASON_OPENED));
	sources_knock(w, 0, 2 * QUOTA, "7000,8000", note(REASON_OPENED));
	time_pass(w, 25);
	sources_may_enter(w, 0, 2 * QUOTA, 22);
}

static void a_full_quota_is_one_doors_own(struct world *w)
{
	sources_knock(w, 0, 2 * QUOTA, "7000,8000", note(REASON_OPENED));
	sources_knock(w, 1000, QUOTA, "7000,8000", note(REASON_REFUSED_QUOTA));
	sources_knock(w, 1000, QUOTA, "1000,2000", note(REASON_OPENED));
	sources_may_enter(w, 1000, QUOTA, 25);
}

static void a_quota_comes_back_with_time(struct world *w)
{
	sources_knock(w, 0, 2 * QUOTA, "7000,8000", note(REASON_OPENED));
	sources_knock(w, 1000, 1, "7000,8000", note(REASON_REFUSED_QUOTA));
	time_pass(w, 60);
	sources_knock(w, 1000, 2 * QUOTA, "7000,8000", note(REASON_OPENED));
	sources_knock(w, 2000, 1, "7000,8000", note(REASON_REFUSED_QUOTA));
}

static void a_quota_of_a_door_without_end_comes_back_by_closing(struct world *w)
{
	sources_knock(w, 0, 2 * QUOTA, "7000,8000", note(REASON_OPENED));
	sources_knock(w, 1000, 1, "7000,8000", note(REASON_REFUSED_QUOTA));
	sources_knock(w, 5, 1, "8500,7500", note(REASON_CLOSED_BY_KNOCK));
	sources_knock(w, 1000, 1, "7000,8000", note(REASON_OPENED));
	sources_knock(w, 1001, 1, "7000,8000", note(REASON_REFUSED_QUOTA));
}

/* ---- the table ---- */

/* Every cell taken by somebody else until @expiry. */
static void table_fill(struct world *w, __u64 expiry)
{
	struct bpf_map *map = w->skel->maps.grants;
	struct grant_bucket bucket = {};

	for (int i = 0; i < GRANT_CELLS; i++) {
		bucket.cell[i].word = grant_word(1, false, false, expiry);
		bucket.cell[i].address_be[0] = htonl(0x0afe0000 + i);
	}
	for (__u32 i = 0; i < bpf_map__max_entries(map); i++)
		assert_int_equal(0, bpf_map_update_elem(bpf_map__fd(map), &i, &bucket, BPF_ANY));
}

static void a_full_table_refuses(struct world *w)
{
	table_fill(w, clock_now(w) + 30 * w->hz);
	knock_noting(w, "7000,8000", note(REASON_REFUSED_FULL));
	port_closed(w, 22);
	events_read(w);
	assert_int_equal(EVENT_REFUSED, w->event[2].kind);
	assert_int_equal(REASON_REFUSED_FULL, w->event[2].reason);
}

static void an_expired_grant_makes_room(struct world *w)
{
	table_fill(w, clock_now(w) + 30 * w->hz);
	time_pass(w, 31);
	knock_opens(w, "7000,8000");
	port_open(w, 22);
}

static void a_cell_in_use_ends_no_renewal(struct world *w)
{
	knock_opens(w, "7000,8000");
	time_pass(w, 10);
	/* All but this one. */
	for (__u32 i = 0; i < bpf_map__max_entries(w->skel->maps.grants); i++) {
		int map = bpf_map__fd(w->skel->maps.grants);
		__u64 expiry = clock_now(w) + 1000 * w->hz;
		struct grant_bucket bucket;

		assert_int_equal(0, bpf_map_lookup_elem(map, &i, &bucket));
		for (int cell = 0; cell < GRANT_CELLS; cell++)
			if (!bucket.cell[cell].word)
				bucket.cell[cell].word = grant_word(1, false, false, expiry);
		assert_int_equal(0, bpf_map_update_elem(map, &i, &bucket, BPF_ANY));
	}
	knock_opens(w, "7000,8000");
	time_pass(w, 25);
	port_open(w, 22);
}

/* Whoever knows one door's knocks opens and closes it from many addresses; another door must not
 * feel it. */
static void opening_and_closing_one_door_does_not_fill_anothers_table(struct world *w)
{
	for (unsigned int round = 0; round < 8; round++) {
		for (unsigned int i = 0; i < 2 * QUOTA; i++) {
			source_number(w, round << 16 | i);
			knock(w, "7000,8000,8500,7500");
		}
		time_pass(w, 2);
	}
	sources_knock(w, 1000, QUOTA, "1000,2000", note(REASON_OPENED));
}

/* ---- who ---- */

static void only_the_address_itself_is_granted(struct world *w)
{
	knock_opens(w, "7000,8000");
	w->source = w->a->neighbour;
	port_closed(w, 22);
}

static void with_a_prefix_the_network_is_granted(struct world *w)
{
	knock_opens(w, "7000,8000");
	w->source = w->a->neighbour;
	if (w->family == 6)
		port_open(w, 22);
	else
		port_closed(w, 22);
	w->source = w->family == 6 ? "2001:db8:77:1::77" : "198.51.101.77";
	port_closed(w, 22);
}

static void with_a_long_prefix_a_few_are_granted(struct world *w)
{
	knock_opens(w, "7000,8000");
	w->source = w->a->neighbour;
	port_open(w, 22);
	w->source = "2001:db8:77::87";
	port_closed(w, 22);
}

static void with_a_prefix_the_network_still_knocks_one_by_one(struct world *w)
{
	knock_noting(w, "7000", 0);
	w->source = w->a->neighbour;
	knock_noting(w, "8000", 0);
	port_closed(w, 22);
}

static void with_a_prefix_the_network_may_renew_and_close(struct world *w)
{
	knock_opens(w, "7000,8000");
	w->source = w->a->neighbour;
	knock_opens(w, "7000,8000");
	assert_int_equal(1, grants_alive(w));
	knock_noting(w, "8500,7500", note(REASON_CLOSED_BY_KNOCK));
	w->source = w->a->stranger;
	port_closed(w, 22);
}

static void a_mapped_address_is_another(struct world *w)
{
	static const char *const mapped = "::ffff:198.51.100.77";
	struct frame f = frame_tcp(6, mapped, 40000, addresses6.host, 22, SYN);

	knock_opens(w, "7000,8000");
	expect(w, &f, REASON_CLOSED);
}

static void an_address_of_the_same_bytes_is_another(struct world *w)
{
	/* c633:644d:: begins with the bytes of 198.51.100.77 and goes on with zeros. */
	struct frame f = frame_tcp(6, "c633:644d::", 40000, addresses6.host, 22, SYN);

	knock_opens(w, "7000,8000");
	expect(w, &f, REASON_CLOSED);
	f = frame_tcp(6, "c633:644d::", 40000, addresses6.host, 7000, SYN);
	expect(w, &f, REASON_KNOCK);
	f = frame_tcp(6, "c633:644d::", 40001, addresses6.host, 8000, SYN);
	expect_noted(w, &f, REASON_KNOCK, note(REASON_OPENED));
	f = frame_tcp(6, "c633:644d::", 40000, addresses6.host, 22, SYN);
	expect(w, &f, REASON_GRANTED);
}

static void who_may_knock_opens(struct world *w)
{
	knock_opens(w, "7000,8000");
	port_open(w, 22);
}

static void who_may_not_knock_is_refused(struct world *w)
{
	knock_noting(w, "1000,2000", note(REASON_REFUSED_SOURCE));
	port_closed(w, 25);
	events_read(w);
	assert_int_equal(EVENT_REFUSED, w->event[2].kind);
	assert_int_equal(REASON_REFUSED_SOURCE, w->event[2].reason);
	assert_int_equal(1, w->event[2].door);
	w->source = w->a->trusted;
	knock_opens(w, "1000,2000");
	knock_noting(w, "7000,8000", note(REASON_REFUSED_SOURCE));
}

static void everyone_may_knock_at_a_door_that_does_not_say(struct world *w)
{
	static const char *const sources[][2] = {
		{ "198.51.100.77", "2001:db8:77::77" },
		{ "203.0.113.200", "2001:db8:3::200" },
		{ "10.0.0.1", "2001:db8:ffff::1" },
	};

	for (size_t i = 0; i < 3; i++) {
		w->source = sources[i][w->family == 6];
		knock_opens(w, "3000,4000");
		port_open(w, 443);
	}
}

static const struct fixture fixtures[] = {
	{ "a grant admits every packet of a connection", &two_doors,
	  .run = a_grant_admits_every_packet_of_a_connection },
	{ "a grant admits without an inner door", &outer_alone,
	  .run = a_grant_admits_every_packet_of_a_connection },
	{ "a grant admits its source in disguise", &two_doors,
	  .run = a_grant_admits_its_source_in_disguise },
	{ "a grant is for the ports of its door", &two_doors,
	  .run = a_grant_is_for_the_ports_of_its_door },
	{ "a grant ends by time, without the daemon", &two_doors, .run = a_grant_ends_by_time },
	{ "a port of two doors is open while one of them is", &two_doors,
	  .run = a_port_of_two_doors_is_open_while_one_of_them_is },
	{ "knocking again renews the grant", &two_doors, .run = knocking_again_renews_the_grant },
	{ "knocking after the end opens anew", &two_doors,
	  .run = knocking_after_the_end_opens_anew },
	{ "the daemon sees when a grant ends", &two_doors,
	  .run = the_daemon_sees_when_a_grant_ends },
	{ "openings and renewals are counted at their door", &two_doors,
	  .run = openings_and_renewals_are_counted_at_their_door },
	{ "a full ring keeps no door shut", &one_datagram, .run = a_full_ring_keeps_no_door_shut },

	{ "the close sequence ends the grant", &two_doors,
	  .run = the_close_sequence_ends_the_grant },
	{ "the close sequence ends no other door's grant", &two_doors,
	  .run = the_close_sequence_ends_no_other_doors_grant },
	{ "the close sequence ends no other source's grant", &two_doors,
	  .run = the_close_sequence_ends_no_other_sources_grant },
	{ "the close sequence without a grant does nothing", &two_doors,
	  .run = the_close_sequence_without_a_grant_does_nothing },
	{ "what was closed opens again", &two_doors, .run = what_was_closed_opens_again },
	{ "the daemon finds who is present where the programs do", &two_doors,
	  .run = the_daemon_finds_who_is_present },
	{ "a door without an end stays open until it is closed", &until_closed,
	  .run = a_door_without_end_stays_open_until_it_is_closed },

	{ "a door's quota is certain in any one Open_Time", &two_doors,
	  .run = a_doors_quota_is_certain_in_any_open_time },
	{ "over twice its quota a door refuses, and takes from nobody", &two_doors,
	  .run = over_twice_its_quota_a_door_refuses },
	{ "a door with a full quota renews", &two_doors, .run = a_door_with_a_full_quota_renews },
	{ "a full quota is one door's own", &two_doors, .run = a_full_quota_is_one_doors_own },
	{ "a quota comes back with time", &two_doors, .run = a_quota_comes_back_with_time },
	{ "a quota of a door without an end comes back by closing", &until_closed,
	  .run = a_quota_of_a_door_without_end_comes_back_by_closing },

	{ "a full table refuses", &two_doors, .run = a_full_table_refuses },
	{ "an expired grant makes room, without the daemon", &two_doors,
	  .run = an_expired_grant_makes_room },
	{ "a full table still renews", &two_doors, .run = a_cell_in_use_ends_no_renewal },
	{ "opening and closing one door does not fill another's table", &quick_to_close,
	  .run = opening_and_closing_one_door_does_not_fill_anothers_table },

	{ "only the address itself is granted", &two_doors,
	  .run = only_the_address_itself_is_granted },
	{ "with Grant_Prefix6 an IPv6 network is granted", &networks,
	  .run = with_a_prefix_the_network_is_granted },
	{ "with a Grant_Prefix6 of 124 bits sixteen addresses are granted", &small_networks,
	  .run = with_a_long_prefix_a_few_are_granted, .only = 6 },
	{ "with Grant_Prefix6 each address still knocks for itself", &networks,
	  .run = with_a_prefix_the_network_still_knocks_one_by_one },
	{ "with Grant_Prefix6 any address may renew and close", &networks,
	  .run = with_a_prefix_the_network_may_renew_and_close, .only = 6 },
	{ "an IPv4-mapped address is not granted with the IPv4 one", &two_doors,
	  .run = a_mapped_address_is_another, .only = 4 },
	{ "an IPv6 address of the same bytes is not granted with the IPv4 one", &two_doors,
	  .run = an_address_of_the_same_bytes_is_another, .only = 4 },
	{ "who may knock opens", &knocking_from, .run = who_may_knock_opens },
	{ "who may not knock at a door is refused", &knocking_from,
	  .run = who_may_not_knock_is_refused },
	{ "everyone may knock at a door that does not say who", &knocking_from,
	  .run = everyone_may_knock_at_a_door_that_does_not_say },
};

int main(int count, char **arguments)
{
	return fixtures_run(arguments[0], count > 1 ? arguments[1] : NULL, fixtures,
			    sizeof(fixtures) / sizeof(*fixtures));
}
