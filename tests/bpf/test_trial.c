// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Configs on trial: what waits for confirmation judges like any other until its time is over. From
 * then on the config before it judges, and where there is none, nobody.
 */
#include "harness.h"

#define OPTIONS SMALL_TABLES "	Trust = 203.0.113.128/25, 2001:db8:3::/64\n"

#define SSH                                                                                        \
	"[ssh]\n"                                                                                  \
	"	Sequence = 7000,8000\n"                                                            \
	"	Close_Sequence = 8500,7500\n"                                                      \
	"	Open = 22, 60000-60010:udp\n"                                                      \
	"	Open_Time = 30\n"

#define MAIL                                                                                       \
	"[mail]\n"                                                                                 \
	"	Sequence = 1000,2000\n"                                                            \
	"	Open = 25\n"                                                                       \
	"	Open_Time = 30\n"

/* Nobody in the fixtures' network may open it. */
#define WEB                                                                                        \
	"[web]\n"                                                                                  \
	"	Sequence = 3000,4000\n"                                                            \
	"	Open = 80\n"                                                                       \
	"	Knock_From = 192.0.2.200\n"

static const struct setup started = { .conf = OPTIONS SSH WEB, .trial = true };
static const struct setup resetting = {
	.conf = OPTIONS "\tClosed = reset\n" SSH WEB, .trial = true,
};
static const struct setup aborting = {
	.conf = OPTIONS "\tClosed = abort\n" SSH WEB, .trial = true,
};
static const struct setup outer_alone = {
	.conf = OPTIONS SSH WEB, .trial = true, .alone = true,
};
static const struct setup bare_packets = {
	.conf = OPTIONS SSH WEB, .trial = true, .bare = true,
};

static const struct setup before = { .conf = OPTIONS MAIL };
static const struct setup reloaded = { .conf = OPTIONS SSH, .trial = true, .former = &before };

static const struct setup before_native = { .conf = OPTIONS MAIL, .flavour = XDP_NATIVE };
static const struct setup reloaded_native = {
	.conf = OPTIONS SSH, .trial = true, .former = &before_native, .flavour = XDP_NATIVE,
};

static const struct setup before_alone = { .conf = OPTIONS MAIL, .alone = true };
static const struct setup reloaded_alone = {
	.conf = OPTIONS SSH, .trial = true, .former = &before_alone,
};

/* ---- the time ---- */

/* The config waits for confirmation, for a minute from now. */
static void time_runs(struct world *w)
{
	w->on_trial = true;
	deadline_set(w, clock_now(w) + 60 * w->hz);
}

/* The time to confirm is over since this moment. */
static void time_is_over(struct world *w)
{
	w->on_trial = true;
	deadline_set(w, clock_now(w));
}

/* ---- what is judged ---- */

static struct frame packet_syn(struct world *w)
{
	return segment(w, 22, SYN);
}

static struct frame packet_ack(struct world *w)
{
	return segment(w, 22, ACK | PSH);
}

static struct frame packet_web(struct world *w)
{
	return segment(w, 80, SYN);
}

static struct frame packet_unguarded(struct world *w)
{
	return segment(w, 443, SYN);
}

static struct frame packet_datagram(struct world *w)
{
	struct frame f = datagram(w, 60000);

	frame_source_port(&f, 40000);
	return f;
}

static struct frame packet_knock(struct world *w)
{
	return segment(w, 7000, SYN);
}

static struct frame packet_second_knock(struct world *w)
{
	return segment(w, 8000, SYN);
}

static struct frame packet_close_knock(struct world *w)
{
	return segment(w, 7500, SYN);
}

static struct frame packet_web_knock(struct world *w)
{
	return segment(w, 4000, SYN);
}

static struct frame packet_ping(struct world *w)
{
	return echo(w, 0);
}

static struct frame packet_of_the_live_session(struct world *w)
{
	struct frame f;

	session_open(&w->sockets, w->family, w->a, 50300, 22);
	w->source = w->a->live;
	f = segment(w, 22, ACK);
	frame_source_port(&f, 50300);
	return f;
}

static void from_the_trusted(struct frame *f)
{
	frame_from(f, f->family == 4 ? addresses4.trusted : addresses6.trusted);
}

static void from_this_host(struct frame *f)
{
	frame_from(f, f->family == 4 ? addresses4.host : addresses6.host);
}

static void to_elsewhere(struct frame *f)
{
	frame_to(f, f->family == 4 ? addresses4.elsewhere : addresses6.elsewhere);
}

static void to_the_group(struct frame *f)
{
	frame_to(f, f->family == 4 ? addresses4.group : addresses6.group);
	frame_to_all(f);
}

static void arp(struct frame *f)
{
	frame_ethertype(f, 0x0806);
}

static void dhcp(struct frame *f)
{
	frame_source_port(f, f->family == 4 ? 67 : 547);
	frame_port(f, f->family == 4 ? 68 : 546);
}

static void two_tags(struct frame *f)
{
	frame_tag(f, 0x8100, 42);
	frame_tag(f, 0x88a8, 0);
}

static void many_tags(struct frame *f)
{
	for (int i = 0; i < 33; i++)
		frame_tag(f, 0x8100, 0);
}

static void more_headers(struct frame *f)
{
	if (f->family == 4)
		frame_options(f, 40);
	else
		for (int i = 0; i < 20; i++)
			frame_padding(f, IPPROTO_DSTOPTS, 8);
}

static void large_payload(struct frame *f)
{
	frame_grow(f, 6000);
}

static void half_a_header(struct frame *f)
{
	frame_cut(f, 10);
}

static void data_offset_of_16(struct frame *f)
{
	f->bytes[f->transport + 12] = 4 << 4;
}

static void first_fragment(struct frame *f)
{
	frame_fragment(f, 0, true);
}

static void short_first_fragment(struct frame *f)
{
	frame_cut(f, 8);
	frame_fragment(f, 0, true);
}

static void later_fragment(struct frame *f)
{
	frame_fragment(f, 185, false);
}

/* One packet of each kind that the outer door tells apart, and what was sent before it. */
static const struct kind {
	const char *name;
	struct frame (*packet)(struct world *w);
	void (*change)(struct frame *f);
	const char *knocks;
	struct frame (*earlier)(struct world *w);
} kinds[] = {
	{ .name = "a SYN to a protected port", .packet = packet_syn },
	{ .name = "an ACK to a protected port", .packet = packet_ack },
	{ .name = "another protected port", .packet = packet_web },
	{ .name = "a datagram to a protected port", .packet = packet_datagram },
	{ .name = "an unprotected port", .packet = packet_unguarded },
	{ .name = "a ping", .packet = packet_ping },
	{ .name = "ARP", .packet = packet_syn, .change = arp },
	{ .name = "DHCP", .packet = packet_datagram, .change = dhcp },
	{ .name = "from a trusted source", .packet = packet_syn, .change = from_the_trusted },
	{ .name = "from an address of this host", .packet = packet_syn, .change = from_this_host },
	{ .name = "to another host", .packet = packet_syn, .change = to_elsewhere },
	{ .name = "to a group", .packet = packet_datagram, .change = to_the_group },
	{ .name = "two tags", .packet = packet_syn, .change = two_tags },
	{ .name = "many tags", .packet = packet_syn, .change = many_tags },
	{ .name = "more headers", .packet = packet_syn, .change = more_headers },
	{ .name = "large payload", .packet = packet_syn, .change = large_payload },
	{ .name = "half a TCP header", .packet = packet_syn, .change = half_a_header },
	{ .name = "a data offset of 16", .packet = packet_syn, .change = data_offset_of_16 },
	{ .name = "a first fragment", .packet = packet_syn, .change = first_fragment },
	{ .name = "a short first fragment", .packet = packet_syn, .change = short_first_fragment },
	{ .name = "a later fragment", .packet = packet_syn, .change = later_fragment },
	{ .name = "a live session", .packet = packet_of_the_live_session },
	{ .name = "a first knock", .packet = packet_knock },
	{ .name = "a knock in a tag", .packet = packet_knock, .change = two_tags },
	{ .name = "a knock to another host", .packet = packet_knock, .change = to_elsewhere },
	{ .name = "a wrong knock", .packet = packet_close_knock, .knocks = "7000" },
	{ .name = "a stray between knocks", .packet = packet_unguarded, .knocks = "7000" },
	{ .name = "the last knock", .packet = packet_second_knock, .knocks = "7000" },
	{ .name = "the last knock, renewing", .packet = packet_second_knock,
	  .knocks = "7000,8000,7000" },
	{ .name = "the last knock, refused", .packet = packet_web_knock, .knocks = "3000" },
	{ .name = "the last knock of a close sequence", .packet = packet_close_knock,
	  .knocks = "7000,8000,8500" },
	{ .name = "a SYN with a grant", .packet = packet_syn, .knocks = "7000,8000" },
	{ .name = "an ACK with a grant", .packet = packet_ack, .knocks = "7000,8000" },
	{ .name = "a datagram with a grant", .packet = packet_datagram, .knocks = "7000,8000" },
	{ .name = "a datagram of a flow", .packet = packet_datagram, .knocks = "7000,8000",
	  .earlier = packet_datagram },
	{ .name = "a SYN after closing", .packet = packet_syn, .knocks = "7000,8000,8500,7500" },
};

enum { KINDS = sizeof(kinds) / sizeof(*kinds) };

/* All that comes of a packet. */
struct outcomes {
	struct outcome outcome;
	struct event event[16];
	size_t events;
};

static struct frame kind_packet(struct world *w, const struct kind *kind)
{
	struct frame f;

	if (kind->knocks)
		knock(w, kind->knocks);
	if (kind->earlier) {
		f = kind->earlier(w);
		frame_send(w, &f);
	}
	f = kind->packet(w);
	if (kind->change)
		kind->change(&f);
	if (w->setup->bare)
		frame_bare(&f);
	return f;
}

static void kind_judge(struct world *w, const struct kind *kind, bool on_trial,
		       struct outcomes *out)
{
	struct frame f;

	world_reset(w, w->family);
	if (on_trial)
		time_runs(w);
	f = kind_packet(w, kind);
	out->outcome = frame_send(w, &f);
	events_read(w);
	assert_true(w->events <= sizeof(out->event) / sizeof(*out->event));
	out->events = w->events;
	memcpy(out->event, w->event, w->events * sizeof(*w->event));
	for (size_t i = 0; i < out->events; i++)
		out->event[i].time = out->event[i].until = 0;
}

static void outcome_same(const char *name, struct outcome plain, struct outcome trial)
{
	if (plain.reason == REASON_COUNT || trial.reason != plain.reason ||
	    trial.action != plain.action || trial.notes != plain.notes)
		print_error("%s:\n", name);
	assert_int_not_equal(REASON_COUNT, plain.reason);
	outcome_check(trial, plain.action, plain.reason, notes_told(plain.notes, 0));
}

static void in_time_it_judges_as_always(struct world *w)
{
	for (size_t i = 0; i < KINDS; i++) {
		struct outcomes plain, trial;

		/* Knocks are sent with their Ethernet header. */
		if (w->setup->bare && (kinds[i].knocks || kinds[i].earlier))
			continue;
		kind_judge(w, &kinds[i], false, &plain);
		kind_judge(w, &kinds[i], true, &trial);
		outcome_same(kinds[i].name, plain.outcome, trial.outcome);
		assert_int_equal(plain.events, trial.events);
		assert_memory_equal(plain.event, trial.event,
				    plain.events * sizeof(*plain.event));
	}
}

static struct outcome same_sent(struct world *w, unsigned int source, int proto, __u16 port,
				__u8 flags, bool on_trial)
{
	struct frame f;

	w->on_trial = on_trial;
	source_number(w, source * 2 + on_trial);
	f = proto == IPPROTO_TCP ? segment(w, port, flags) : datagram(w, port);
	return frame_send(w, &f);
}

/* From two addresses, of which one meets the plain program and the other the one on trial. */
static void in_time_it_judges_all_flags_and_ports_as_always(struct world *w)
{
	static const __u16 ports[] = { 22, 25, 80, 7000, 8000, 8500, 7500, 53, 60000, 60011 };
	unsigned int source = 0;

	deadline_set(w, clock_now(w) + 600 * w->hz);
	for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++) {
		for (unsigned int flags = 0; flags < 256; flags++, source++) {
			int proto = flags == 255 ? IPPROTO_UDP : IPPROTO_TCP;
			struct outcome plain, trial;

			plain = same_sent(w, source, proto, ports[i], flags, false);
			trial = same_sent(w, source, proto, ports[i], flags, true);
			outcome_same("flags and ports", plain, trial);
		}
	}
}

static void lookup_same(struct world *w, int proto, __u16 port)
{
	struct bpf_sk_lookup l = lookup(w, proto, port);
	struct outcome plain, trial;

	w->on_trial = false;
	plain = lookup_send(w, &l);
	/* What the first one admits is a flow. */
	l.remote_port = htons(40001);
	w->on_trial = true;
	trial = lookup_send(w, &l);
	outcome_same("lookup", plain, trial);
}

static void in_time_the_inner_door_judges_as_always(struct world *w)
{
	static const __u16 ports[] = { 22, 80, 443, 7000, 60000, 60010, 60011 };

	deadline_set(w, clock_now(w) + 60 * w->hz);
	for (int stage = 0; stage < 4; stage++) {
		if (stage == 1)
			knock_opens(w, "7000,8000");
		else if (stage == 2)
			time_pass(w, 31); /* flows go on */
		else if (stage == 3)
			w->source = w->a->trusted;
		for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++) {
			lookup_same(w, IPPROTO_TCP, ports[i]);
			lookup_same(w, IPPROTO_UDP, ports[i]);
		}
	}
}

static void lookup_of(struct world *w, int protocol, __u16 port, enum reason reason)
{
	struct bpf_sk_lookup l = lookup(w, protocol, port);

	lookup_expect(w, &l, reason);
}

static void in_time_the_inner_door_refuses(struct world *w)
{
	time_runs(w);
	lookup_of(w, IPPROTO_TCP, 22, REASON_INNER_CLOSED);
	lookup_of(w, IPPROTO_UDP, 60000, REASON_INNER_CLOSED);
	lookup_of(w, IPPROTO_TCP, 443, REASON_INNER_OTHER);
	events_read(w);
	assert_int_equal(2, w->events);
}

/* ---- past the time, with nothing before it ---- */

static unsigned int progress_count(const struct world *w)
{
	int map = bpf_map__fd(w->skel->maps.progress);
	struct source key, *before_it = NULL;
	unsigned int count = 0;

	while (!bpf_map_get_next_key(map, before_it, &key)) {
		before_it = &key;
		count++;
	}
	return count;
}

static void nothing_has_happened(struct world *w)
{
	events_read(w);
	assert_int_equal(0, w->events);
	assert_int_equal(0, progress_count(w));
}

static void past_the_time_everything_passes(struct world *w)
{
	for (size_t i = 0; i < KINDS; i++) {
		struct frame f;

		world_reset(w, w->family);
		time_is_over(w);
		f = kind_packet(w, &kinds[i]);
		expect(w, &f, REASON_UNCONFIRMED);
		nothing_has_happened(w);
	}
}

static void past_the_time_the_inner_door_passes_everything(struct world *w)
{
	static const __u16 ports[] = { 22, 80, 443, 7000, 60000, 60011 };

	time_is_over(w);
	for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++) {
		lookup_of(w, IPPROTO_TCP, ports[i], REASON_UNCONFIRMED);
		lookup_of(w, IPPROTO_UDP, ports[i], REASON_UNCONFIRMED);
	}
	nothing_has_happened(w);
}

static void past_the_time_ports_refuse_and_count_nothing(struct world *w)
{
	__u32 guards = w->compiled.settings.guard_count;
	struct frame f = packet_syn(w);
	__u64 refused[16];

	assert_true(guards <= 16);
	for (__u32 i = 0; i < guards; i++)
		refused[i] = generation_counter(&w->generation, MAP_port_counters, i);
	time_is_over(w);
	expect(w, &f, REASON_UNCONFIRMED);
	lookup_of(w, IPPROTO_TCP, 22, REASON_UNCONFIRMED);
	for (__u32 i = 0; i < guards; i++)
		assert_int_equal(refused[i],
				 generation_counter(&w->generation, MAP_port_counters, i));
}

static void the_time_is_over_at_its_end(struct world *w)
{
	time_runs(w);
	port_closed(w, 22);
	time_pass(w, 58);
	port_closed(w, 22);
	time_pass(w, 2);
	for (int i = 0; i < 3; i++) {
		struct frame f = packet_syn(w);

		expect(w, &f, REASON_UNCONFIRMED);
		lookup_of(w, IPPROTO_TCP, 22, REASON_UNCONFIRMED);
		time_pass(w, 86400);
	}
}

static void without_a_deadline_it_is_confirmed(struct world *w)
{
	w->on_trial = true;
	deadline_set(w, 0);
	port_closed(w, 22);
	lookup_of(w, IPPROTO_TCP, 22, REASON_INNER_CLOSED);
	knock_opens(w, "7000,8000");
	port_open(w, 22);
	assert_int_equal(0, deadline(w));
}

static void knocks_past_the_time_do_not_count_later(struct world *w)
{
	time_runs(w);
	knock_noting(w, "7000", 0);
	assert_int_equal(1, progress_count(w));
	time_is_over(w);
	knock_noting(w, "8000", 0);
	time_runs(w);
	port_closed(w, 22);
}

static void the_plain_programs_know_no_deadline(struct world *w)
{
	time_is_over(w);
	w->on_trial = false;
	port_closed(w, 22);
	lookup_of(w, IPPROTO_TCP, 22, REASON_INNER_CLOSED);
}

/* ---- confirmed by a knock ---- */

static void a_knock_that_opens_a_door_confirms(struct world *w)
{
	time_runs(w);
	knock_opens(w, "7000,8000");
	assert_int_equal(0, deadline(w));
	time_pass(w, 86400);
	port_closed(w, 22);
	lookup_of(w, IPPROTO_TCP, 22, REASON_INNER_CLOSED);
}

static void a_renewal_confirms(struct world *w)
{
	w->on_trial = true;
	knock_opens(w, "7000,8000");
	time_runs(w);
	knock_opens(w, "7000,8000");
	assert_int_equal(0, deadline(w));
}

static void a_stage_does_not_confirm(struct world *w)
{
	__u64 until;

	time_runs(w);
	until = deadline(w);
	knock_noting(w, "7000", 0);
	assert_int_equal(until, deadline(w));
}

static void a_wrong_knock_does_not_confirm(struct world *w)
{
	__u64 until;

	time_runs(w);
	until = deadline(w);
	knock_noting(w, "7000,7500", note(REASON_WRONG));
	assert_int_equal(until, deadline(w));
}

static void a_refused_source_does_not_confirm(struct world *w)
{
	__u64 until;

	time_runs(w);
	until = deadline(w);
	knock_noting(w, "3000,4000", note(REASON_REFUSED_SOURCE));
	assert_int_equal(until, deadline(w));
}

static void table_fill(struct world *w)
{
	struct bpf_map *map = w->skel->maps.grants;
	__u64 expiry = clock_now(w) + 1000 * w->hz;
	struct grant_bucket bucket = {};

	for (int i = 0; i < GRANT_CELLS; i++) {
		bucket.cell[i].word = grant_word(1, false, false, expiry);
		bucket.cell[i].address_be[0] = htonl(0x0afe0000 + i);
	}
	for (__u32 i = 0; i < bpf_map__max_entries(map); i++)
		assert_int_equal(0, bpf_map_update_elem(bpf_map__fd(map), &i, &bucket, BPF_ANY));
}

static void a_full_table_does_not_confirm(struct world *w)
{
	__u64 until;

	table_fill(w);
	time_runs(w);
	until = deadline(w);
	knock_noting(w, "7000,8000", note(REASON_REFUSED_FULL));
	assert_int_equal(until, deadline(w));
}

static void a_full_quota_does_not_confirm(struct world *w)
{
	__u64 until;

	w->on_trial = true;
	for (unsigned int i = 0; i < 2 * w->compiled.door[0].quota; i++) {
		source_number(w, i);
		knock_opens(w, "7000,8000");
	}
	time_runs(w);
	until = deadline(w);
	source_number(w, 1000);
	knock_noting(w, "7000,8000", note(REASON_REFUSED_QUOTA));
	assert_int_equal(until, deadline(w));
}

static void closing_does_not_confirm(struct world *w)
{
	__u64 until;

	w->on_trial = true;
	knock_opens(w, "7000,8000");
	time_runs(w);
	until = deadline(w);
	knock_noting(w, "8500,7500", note(REASON_CLOSED_BY_KNOCK));
	assert_int_equal(until, deadline(w));
}

static void a_grant_in_use_does_not_confirm(struct world *w)
{
	__u64 until;

	w->on_trial = true;
	knock_opens(w, "7000,8000");
	time_runs(w);
	until = deadline(w);
	port_open(w, 22);
	lookup_of(w, IPPROTO_TCP, 22, REASON_INNER_GRANTED);
	assert_int_equal(until, deadline(w));
}

static void past_the_time_no_knock_confirms(struct world *w)
{
	__u64 until;

	time_runs(w);
	knock_noting(w, "7000", 0);
	time_is_over(w);
	until = deadline(w);
	knock_noting(w, "8000,7000,8000", 0);
	assert_int_equal(until, deadline(w));
}

/* ---- past the time, with a config before it ---- */

static void past_the_time_the_former_config_judges(struct world *w)
{
	struct frame mail = segment(w, 25, SYN), ssh = segment(w, 22, SYN);

	time_runs(w);
	expect(w, &mail, REASON_OTHER);
	expect(w, &ssh, REASON_CLOSED);
	time_is_over(w);
	expect(w, &mail, REASON_CLOSED);
	expect(w, &ssh, REASON_OTHER);
	w->source = w->a->trusted;
	mail = segment(w, 25, SYN);
	expect(w, &mail, REASON_TRUSTED);
	two_tags(&mail);
	expect(w, &mail, REASON_TRUSTED);
}

static void past_the_time_the_former_inner_door_judges(struct world *w)
{
	time_runs(w);
	lookup_of(w, IPPROTO_TCP, 25, REASON_INNER_OTHER);
	lookup_of(w, IPPROTO_TCP, 22, REASON_INNER_CLOSED);
	time_is_over(w);
	lookup_of(w, IPPROTO_TCP, 25, REASON_INNER_CLOSED);
	lookup_of(w, IPPROTO_TCP, 22, REASON_INNER_OTHER);
	lookup_of(w, IPPROTO_UDP, 60000, REASON_INNER_OTHER);
}

static void past_the_time_the_former_config_hears_knocks(struct world *w)
{
	__u64 until;

	time_is_over(w);
	until = deadline(w);
	knock_noting(w, "7000,8000", 0);
	knock_opens(w, "1000,2000");
	port_open(w, 25);
	assert_int_equal(until, deadline(w));
	time_runs(w);
	port_closed(w, 22);
}

static void a_grant_of_the_former_config_outlives_the_trial(struct world *w)
{
	world_reset(w->former, w->family);
	knock_opens(w->former, "1000,2000");
	time_runs(w);
	time_is_over(w);
	port_open(w, 25);
	w->source = w->a->neighbour;
	port_closed(w, 25);
}

static void a_large_packet_reaches_the_former_config(struct world *w)
{
	struct frame f = segment(w, 25, SYN);

	large_payload(&f);
	time_is_over(w);
	expect(w, &f, REASON_CLOSED);
}

/* One packet, one reason: not also one of the look for its socket. */
static void a_look_for_a_socket_is_not_counted(struct world *w)
{
	struct frame f = segment(w, w->setup->former ? 25 : 22, ACK);

	if (w->setup->former)
		time_is_over(w);
	else
		time_runs(w);
	socket_listening(&w->sockets, w->family, w->setup->former ? 25 : 22);
	inner_on(w);
	expect(w, &f, REASON_CLOSED);
	inner_off(w);
}

/* ---- attached ---- */

static bool half_open(struct world *w, __u16 port)
{
	struct frame f = segment(w, port, SYN);
	__u16 source_port = w->source_port - 1;

	frame_cut(&f, FRAME_TCP);
	frame_seal(&f);
	inner_on(w);
	frame_arrive(&f);
	inner_off(w);
	return tcp_state(w->family, port, source_port) == STATE_SYN_RECV;
}

static void attached_it_hides_a_listener_in_time_only(struct world *w)
{
	socket_listening(&w->sockets, w->family, 22);
	time_runs(w);
	assert_false(half_open(w, 22));
	time_is_over(w);
	assert_true(half_open(w, 22));
}

static void attached_it_hides_the_former_configs_listener(struct world *w)
{
	socket_listening(&w->sockets, w->family, 22);
	socket_listening(&w->sockets, w->family, 25);
	time_runs(w);
	assert_false(half_open(w, 22));
	time_is_over(w);
	assert_false(half_open(w, 25));
	assert_true(half_open(w, 22));
}

static const struct fixture fixtures[] = {
	{ "in time, the outer door judges as always", &started,
	  .run = in_time_it_judges_as_always },
	{ "in time, the outer door judges as always under Closed = reset", &resetting,
	  .run = in_time_it_judges_as_always },
	{ "in time, the outer door judges as always under Closed = abort", &aborting,
	  .run = in_time_it_judges_as_always },
	{ "in time, the outer door alone judges as always", &outer_alone,
	  .run = in_time_it_judges_as_always },
	{ "in time, the outer door judges bare packets as always", &bare_packets,
	  .run = in_time_it_judges_as_always },
	{ "in time, the outer door judges as always whatever would come back", &reloaded,
	  .run = in_time_it_judges_as_always },
	{ "in time, all flags and ports are judged as always", &started,
	  .run = in_time_it_judges_all_flags_and_ports_as_always },
	{ "in time, the inner door judges as always", &started,
	  .run = in_time_the_inner_door_judges_as_always },
	{ "in time, the inner door refuses", &started, .run = in_time_the_inner_door_refuses },

	{ "past the time, everything passes", &started, .run = past_the_time_everything_passes },
	{ "past the time, everything passes under Closed = reset", &resetting,
	  .run = past_the_time_everything_passes },
	{ "past the time, everything passes the outer door alone", &outer_alone,
	  .run = past_the_time_everything_passes },
	{ "past the time, everything passes bare", &bare_packets,
	  .run = past_the_time_everything_passes },
	{ "past the time, everything passes the inner door", &started,
	  .run = past_the_time_the_inner_door_passes_everything },
	{ "past the time, no port counts a refusal", &started,
	  .run = past_the_time_ports_refuse_and_count_nothing },
	{ "the time is over at its end, and stays so", &started,
	  .run = the_time_is_over_at_its_end },
	{ "without a deadline the config is confirmed", &started,
	  .run = without_a_deadline_it_is_confirmed },
	{ "knocks past the time do not count later", &started,
	  .run = knocks_past_the_time_do_not_count_later },
	{ "the plain programs know no deadline", &started,
	  .run = the_plain_programs_know_no_deadline },

	{ "a knock that opens a door confirms", &started,
	  .run = a_knock_that_opens_a_door_confirms },
	{ "a knock that renews a grant confirms", &started, .run = a_renewal_confirms },
	{ "a knock that opens no door yet does not confirm", &started,
	  .run = a_stage_does_not_confirm },
	{ "a wrong knock does not confirm", &started, .run = a_wrong_knock_does_not_confirm },
	{ "who may not knock does not confirm", &started,
	  .run = a_refused_source_does_not_confirm },
	{ "an opening refused by a full table does not confirm", &started,
	  .run = a_full_table_does_not_confirm },
	{ "an opening refused by a quota does not confirm", &started,
	  .run = a_full_quota_does_not_confirm },
	{ "a Close_Sequence does not confirm", &started, .run = closing_does_not_confirm },
	{ "a grant in use does not confirm", &started, .run = a_grant_in_use_does_not_confirm },
	{ "past the time no knock confirms", &started, .run = past_the_time_no_knock_confirms },

	{ "past the time, the former config judges", &reloaded,
	  .run = past_the_time_the_former_config_judges },
	{ "past the time, the former config judges without frags", &reloaded_native,
	  .run = past_the_time_the_former_config_judges },
	{ "past the time, the former inner door judges", &reloaded,
	  .run = past_the_time_the_former_inner_door_judges },
	{ "past the time, the former config hears knocks, and they confirm nothing", &reloaded,
	  .run = past_the_time_the_former_config_hears_knocks },
	{ "a grant of the former config outlives the trial", &reloaded,
	  .run = a_grant_of_the_former_config_outlives_the_trial },
	{ "past the time, a packet of several buffers reaches the former config", &reloaded,
	  .run = a_large_packet_reaches_the_former_config },

	{ "attached, it hides a listener while the time runs", &started,
	  .run = attached_it_hides_a_listener_in_time_only },
	{ "attached, past the time, the former config's listener is hidden", &reloaded,
	  .run = attached_it_hides_the_former_configs_listener },
	{ "attached, in time, a look for a socket is not counted", &started,
	  .run = a_look_for_a_socket_is_not_counted },
	{ "attached, past the time, a look for a socket is not counted", &reloaded,
	  .run = a_look_for_a_socket_is_not_counted },
	{ "attached, past the time, a look for a socket is not counted where the former config "
	  "had no inner door", &reloaded_alone, .run = a_look_for_a_socket_is_not_counted },
};

int main(int count, char **arguments)
{
	return fixtures_run(arguments[0], count > 1 ? arguments[1] : NULL, fixtures,
			    sizeof(fixtures) / sizeof(*fixtures));
}
