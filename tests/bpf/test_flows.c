// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * UDP conversations: a grant begins them, and they go on when it ends by time.
 */
#include "harness.h"

#define OPTIONS SMALL_TABLES "	UDP_Idle = 120\n"

#define DOOR                                                                                       \
	"[mosh]\n"                                                                                 \
	"	Sequence = 7000,8000\n"                                                            \
	"	Close_Sequence = 8500,7500\n"                                                      \
	"	Open = 22, 60000-60010:udp\n"                                                      \
	"	Open_Time = 30\n"

static const struct setup one_door = { .conf = OPTIONS DOOR };
static const struct setup networks = { .conf = OPTIONS "\tGrant_Prefix6 = 64\n" DOOR };

static const struct setup two_doors = { .conf = OPTIONS DOOR
	"[dns]\n"
	"	Sequence = 1000,2000\n"
	"	Open = 53:udp\n"
	"	Open_Time = 30\n"
};

static struct frame flow_frame(struct world *w, __u16 source_port)
{
	return frame_udp(w->family, w->source, source_port, w->destination, 60001);
}

static void flow_expect(struct world *w, __u16 source_port, enum reason reason)
{
	struct frame f = flow_frame(w, source_port);

	expect(w, &f, reason);
}

static void a_grant_begins_a_flow_that_goes_on(struct world *w)
{
	flow_expect(w, 50000, REASON_CLOSED);
	knock_opens(w, "7000,8000");
	flow_expect(w, 50000, REASON_GRANTED);
	flow_expect(w, 50000, REASON_FLOW);
	flow_expect(w, 50001, REASON_GRANTED);
	assert_int_equal(2, flows_count(w));
}

static void a_flow_outlives_its_grants_time(struct world *w)
{
	knock_opens(w, "7000,8000");
	flow_expect(w, 50000, REASON_GRANTED);
	for (int minute = 0; minute < 10; minute++) {
		time_pass(w, 60);
		flow_expect(w, 50000, REASON_FLOW);
		flow_expect(w, 50001, REASON_CLOSED);
	}
}

static void an_idle_flow_ends(struct world *w)
{
	knock_opens(w, "7000,8000");
	flow_expect(w, 50000, REASON_GRANTED);
	time_pass(w, 119);
	flow_expect(w, 50000, REASON_FLOW);
	time_pass(w, 121);
	flow_expect(w, 50000, REASON_CLOSED);
}

static void an_idle_flow_begins_again_by_a_grant(struct world *w)
{
	knock_opens(w, "7000,8000");
	flow_expect(w, 50000, REASON_GRANTED);
	time_pass(w, 121);
	knock_opens(w, "7000,8000");
	flow_expect(w, 50000, REASON_GRANTED);
	flow_expect(w, 50000, REASON_FLOW);
}

static void a_flow_is_one_pair_of_ports_and_addresses(struct world *w)
{
	struct frame f;

	knock_opens(w, "7000,8000");
	flow_expect(w, 50000, REASON_GRANTED);
	time_pass(w, 31);
	flow_expect(w, 50000, REASON_FLOW);
	flow_expect(w, 50001, REASON_CLOSED);
	f = flow_frame(w, 50000);
	frame_port(&f, 60002);
	expect(w, &f, REASON_CLOSED);
	f = flow_frame(w, 50000);
	frame_from(&f, w->a->neighbour);
	expect(w, &f, REASON_CLOSED);
	f = flow_frame(w, 50000);
	frame_to(&f, w->a->live);
	expect(w, &f, REASON_CLOSED);
	f = segment(w, 22, ACK);
	expect(w, &f, REASON_CLOSED);
}

static void a_flow_passes_in_disguise(struct world *w)
{
	struct frame f;

	knock_opens(w, "7000,8000");
	flow_expect(w, 50000, REASON_GRANTED);
	time_pass(w, 31);
	f = flow_frame(w, 50000);
	frame_tag(&f, 0x8100, 42);
	expect(w, &f, REASON_FLOW);
	f = flow_frame(w, 50000);
	frame_fragment(&f, 0, true);
	expect(w, &f, REASON_FLOW);
}

static void a_grant_records_64_flows(struct world *w)
{
	struct frame f;

	knock_opens(w, "7000,8000");
	for (int i = 0; i < GRANT_FLOWS_MAX; i++)
		flow_expect(w, 50000 + i, REASON_GRANTED);
	f = flow_frame(w, 51000);
	expect_noted(w, &f, REASON_GRANTED, note(REASON_FLOWS_FULL));
	expect_noted(w, &f, REASON_GRANTED, note(REASON_FLOWS_FULL));
	assert_int_equal(GRANT_FLOWS_MAX, flows_count(w));

	/* The grant over, those that were recorded go on. */
	time_pass(w, 31);
	for (int i = 0; i < GRANT_FLOWS_MAX; i++)
		flow_expect(w, 50000 + i, REASON_FLOW);
	expect(w, &f, REASON_CLOSED);
}

static void a_renewed_grant_records_64_more(struct world *w)
{
	knock_opens(w, "7000,8000");
	for (int i = 0; i < GRANT_FLOWS_MAX; i++)
		flow_expect(w, 50000 + i, REASON_GRANTED);
	knock_opens(w, "7000,8000");
	flow_expect(w, 51000, REASON_GRANTED);
	flow_expect(w, 51000, REASON_FLOW);
}

static void the_close_sequence_ends_flows(struct world *w)
{
	knock_opens(w, "7000,8000");
	flow_expect(w, 50000, REASON_GRANTED);
	flow_expect(w, 50000, REASON_FLOW);
	knock_noting(w, "8500,7500", note(REASON_CLOSED_BY_KNOCK));
	flow_expect(w, 50000, REASON_CLOSED);
	/* For good. */
	time_pass(w, 60);
	flow_expect(w, 50000, REASON_CLOSED);
	time_pass(w, 61);
	flow_expect(w, 50000, REASON_CLOSED);
}

static void the_close_sequence_after_the_grants_time_ends_flows(struct world *w)
{
	knock_opens(w, "7000,8000");
	flow_expect(w, 50000, REASON_GRANTED);
	time_pass(w, 31);
	flow_expect(w, 50000, REASON_FLOW);
	knock(w, "8500,7500");
	flow_expect(w, 50000, REASON_CLOSED);
}

static void the_close_sequence_of_another_door_ends_no_flow(struct world *w)
{
	knock_opens(w, "1000,2000,7000,8000");
	flow_expect(w, 50000, REASON_GRANTED);
	w->source = w->a->neighbour;
	knock_opens(w, "7000,8000");
	knock_noting(w, "8500,7500", note(REASON_CLOSED_BY_KNOCK));
	w->source = w->a->stranger;
	flow_expect(w, 50000, REASON_FLOW);
}

/* As after a reload of a config that does not have the door any more. */
static void a_flow_ends_with_its_door(struct world *w)
{
	struct bpf_map *map = w->skel->maps.opens;
	__u64 *none = calloc(1, bpf_map__value_size(map));

	assert_non_null(none);
	knock_opens(w, "7000,8000");
	flow_expect(w, 50000, REASON_GRANTED);
	flow_expect(w, 50000, REASON_FLOW);
	assert_int_equal(0, map_set(bpf_map__fd(map), none));
	free(none);
	flow_expect(w, 50000, REASON_CLOSED);
	assert_int_equal(0, map_set(bpf_map__fd(map), w->compiled.opens));
	flow_expect(w, 50000, REASON_FLOW);
}

static void tcp_records_no_flow(struct world *w)
{
	struct frame f = segment(w, 22, SYN);

	knock_opens(w, "7000,8000");
	expect(w, &f, REASON_GRANTED);
	frame_flags(&f, ACK);
	expect(w, &f, REASON_GRANTED);
	assert_int_equal(0, flows_count(w));
	time_pass(w, 31);
	expect(w, &f, REASON_CLOSED);
}

static void what_is_closed_records_no_flow(struct world *w)
{
	for (int i = 0; i < 100; i++)
		flow_expect(w, 50000 + i, REASON_CLOSED);
	assert_int_equal(0, flows_count(w));
}

static void a_flow_of_a_granted_network_goes_on(struct world *w)
{
	knock_opens(w, "7000,8000");
	w->source = w->a->neighbour;
	flow_expect(w, 50000, REASON_GRANTED);
	time_pass(w, 31);
	flow_expect(w, 50000, REASON_FLOW);
	w->source = w->a->stranger;
	flow_expect(w, 50000, REASON_CLOSED);
}

static void a_name_alone_admits_nothing(struct world *w)
{
	knock_opens(w, "7000,8000");
	flow_expect(w, 50000, REASON_GRANTED);
	time_pass(w, 31);
	for (size_t bit = 0; bit < 8 * sizeof(struct flow); bit++) {
		flow_disguise(w, bit);
		flow_expect(w, 50000, REASON_CLOSED);
		flow_disguise(w, bit);
		flow_expect(w, 50000, REASON_FLOW);
	}
	/* While there is a grant the flow takes its name back. */
	knock_opens(w, "7000,8000");
	flow_disguise(w, 7);
	flow_expect(w, 50000, REASON_GRANTED);
	flow_expect(w, 50000, REASON_FLOW);
	assert_int_equal(1, flows_count(w));
}

/* Far apart or next to each other: each is found by its own name. */
static void many_flows_stand_side_by_side(struct world *w)
{
	for (int knocks = 0; knocks < 8; knocks++) {
		knock_opens(w, "7000,8000");
		for (int i = 0; i < GRANT_FLOWS_MAX; i++)
			flow_expect(w, 1024 + 8000 * knocks + i * (1 + knocks), REASON_GRANTED);
	}
	assert_int_equal(8 * GRANT_FLOWS_MAX, flows_count(w));
	time_pass(w, 31);
	for (int knocks = 0; knocks < 8; knocks++)
		for (int i = 0; i < GRANT_FLOWS_MAX; i++)
			flow_expect(w, 1024 + 8000 * knocks + i * (1 + knocks), REASON_FLOW);
}

static const struct fixture fixtures[] = {
	{ "a grant begins a flow, which goes on", &one_door,
	  .run = a_grant_begins_a_flow_that_goes_on },
	{ "a flow outlives its grant's time", &one_door, .run = a_flow_outlives_its_grants_time },
	{ "an idle flow ends", &one_door, .run = an_idle_flow_ends },
	{ "an idle flow begins again by a grant", &one_door,
	  .run = an_idle_flow_begins_again_by_a_grant },
	{ "a flow is one pair of ports and addresses", &one_door,
	  .run = a_flow_is_one_pair_of_ports_and_addresses },
	{ "a flow passes in disguise", &one_door, .run = a_flow_passes_in_disguise },
	{ "a grant records 64 flows and admits more", &one_door, .run = a_grant_records_64_flows },
	{ "a renewed grant records 64 more flows", &one_door,
	  .run = a_renewed_grant_records_64_more },
	{ "a name alone admits nothing", &one_door, .run = a_name_alone_admits_nothing },
	{ "many flows stand side by side", &one_door, .run = many_flows_stand_side_by_side },
	{ "the close sequence ends flows, for good", &one_door,
	  .run = the_close_sequence_ends_flows },
	{ "the close sequence ends flows also after the grant's time", &one_door,
	  .run = the_close_sequence_after_the_grants_time_ends_flows },
	{ "the close sequence ends nobody else's flow", &two_doors,
	  .run = the_close_sequence_of_another_door_ends_no_flow },
	{ "a flow ends with its door", &two_doors, .run = a_flow_ends_with_its_door },
	{ "TCP of this host records no flow", &one_door, .run = tcp_records_no_flow },
	{ "what is closed records no flow", &one_door, .run = what_is_closed_records_no_flow },
	{ "a flow of a granted network is one address's", &networks,
	  .run = a_flow_of_a_granted_network_goes_on, .only = 6 },
};

int main(int count, char **arguments)
{
	return fixtures_run(arguments[0], count > 1 ? arguments[1] : NULL, fixtures,
			    sizeof(fixtures) / sizeof(*fixtures));
}
