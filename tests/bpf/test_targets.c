// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Doors with a Target: whose knocks they see, and whose ports they guard.
 */
#include "harness.h"

#define OPTIONS                                                                                    \
	"[options]\n"                                                                              \
	"	Interface = door0\n"                                                               \
	"	Max_Grants = 512\n"                                                                \
	"	Max_Sources = 1024\n"                                                              \
	"	Max_Flows = 1024\n"                                                                \
	"	UDP_Idle = 60\n"

#define PLAIN                                                                                      \
	"[plain]\n"                                                                                \
	"	Sequence = 7000,8000\n"                                                            \
	"	Open = 22\n"

#define HERE(target)                                                                               \
	"[here]\n"                                                                                 \
	"	Target = " target "\n"                                                             \
	"	Sequence = 1000,2000\n"                                                            \
	"	Open = 25\n"

#define FAR(target)                                                                                \
	"[far]\n"                                                                                  \
	"	Target = " target "\n"                                                             \
	"	Sequence = 3000,4000\n"                                                            \
	"	Close_Sequence = 4500,3500\n"                                                      \
	"	Open = 22, 80, 60000-60010:udp\n"                                                  \
	"	Open_Time = 30\n"

#define BEYOND(target)                                                                             \
	"[beyond]\n"                                                                               \
	"	Target = " target "\n"                                                             \
	"	Sequence = 3000,5000\n"                                                            \
	"	Open = 22\n"

#define FLAGGED                                                                                    \
	"[flagged]\n"                                                                              \
	"	Sequence = 6000,6001\n"                                                            \
	"	TCPFlags = fin,psh\n"                                                              \
	"	Open = 26\n"

/* Eight streams: as many as there may be. */
#define DOORS PLAIN HERE("192.0.2.1") HERE("2001:db8:2::1") FAR("203.0.113.9")                     \
	FAR("2001:db8:3::9") BEYOND("203.0.113.10") BEYOND("2001:db8:3::10") FLAGGED

static const struct setup routed = { .conf = OPTIONS DOORS };
static const struct setup outer_alone = { .conf = OPTIONS DOORS, .alone = true };
static const struct setup resetting = { .conf = OPTIONS "\tClosed = reset\n" DOORS };
static const struct setup trusting = { .conf = OPTIONS PLAIN FAR("203.0.113.9")
	"	Trust = 203.0.113.200\n"
	FAR("2001:db8:3::9")
	"	Trust = 2001:db8:3::200\n"
};

static const struct setup echoing = { .conf = OPTIONS
	"[far]\n"
	"	Target = 203.0.113.9\n"
	"	Sequence = 4:icmp,3000:udp,4000\n"
	"	Open = 22\n"
	"[far]\n"
	"	Target = 2001:db8:3::9\n"
	"	Sequence = 4:icmp,3000:udp,4000\n"
	"	Open = 22\n"
};

static const struct setup knocking_by_ack = { .conf = OPTIONS
	"[far]\n"
	"	Target = 203.0.113.9\n"
	"	Sequence = 3000,4000\n"
	"	TCPFlags = ack\n"
	"	Open = 22\n"
	"[far]\n"
	"	Target = 2001:db8:3::9\n"
	"	Sequence = 3000,4000\n"
	"	TCPFlags = ack\n"
	"	Open = 22\n"
};

/* ---- where packets go ---- */

/* Another host beyond this one, a Target too. */
static const char *beyond(const struct world *w)
{
	return w->family == 4 ? "203.0.113.10" : "2001:db8:3::10";
}

/* And one that is none. */
static const char *bystander(const struct world *w)
{
	return w->family == 4 ? "203.0.113.11" : "2001:db8:3::11";
}

/* Another address of this host. */
static const char *second_address(const struct world *w)
{
	return w->family == 4 ? "203.0.113.1" : "2001:db8:3::1";
}

static void forward(struct world *w)
{
	network_forward(true);
	world_look(w);
}

static __u64 knock_to(struct world *w, const char *destination, const char *knocks)
{
	const char *before = w->destination;
	__u64 notes;

	w->destination = destination;
	notes = knock(w, knocks);
	w->destination = before;
	return notes;
}

static void opens_at(struct world *w, const char *destination, const char *knocks)
{
	assert_true(knock_to(w, destination, knocks) & note(REASON_OPENED));
}

static void opens_not_at(struct world *w, const char *destination, const char *knocks)
{
	assert_false(knock_to(w, destination, knocks) & note(REASON_OPENED));
}

static struct frame conversation(struct world *w, __u8 flags)
{
	return frame_tcp(w->family, w->source, 50000, w->a->elsewhere, 22, flags);
}

static void conversation_expect(struct world *w, __u8 flags, enum reason reason)
{
	struct frame f = conversation(w, flags);

	expect(w, &f, reason);
}

/* The answer to a SYN to @port of @destination. */
static void syn_expect(struct world *w, const char *destination, __u16 port, enum reason reason)
{
	const char *before = w->destination;
	struct frame f;

	w->destination = destination;
	f = segment(w, port, SYN);
	w->destination = before;
	expect(w, &f, reason);
}

/* A grant at the far host, and a conversation that began by it. */
static void far_begin(struct world *w)
{
	forward(w);
	opens_at(w, w->a->elsewhere, "3000,4000");
	conversation_expect(w, SYN, REASON_GRANTED);
	conversation_expect(w, ACK, REASON_FLOW);
}

/* ---- a Target of this host ---- */

static void knocks_to_the_target_open(struct world *w)
{
	syn_expect(w, w->a->host, 25, REASON_CLOSED);
	opens_at(w, w->a->host, "1000,2000");
	syn_expect(w, w->a->host, 25, REASON_GRANTED);
	syn_expect(w, second_address(w), 25, REASON_GRANTED);
	syn_expect(w, w->a->host, 22, REASON_CLOSED);
}

static void knocks_to_another_address_of_this_host_do_not_open(struct world *w)
{
	opens_not_at(w, second_address(w), "1000,2000");
	opens_not_at(w, w->a->live, "1000,2000");
	syn_expect(w, w->a->host, 25, REASON_CLOSED);
	syn_expect(w, second_address(w), 25, REASON_CLOSED);
}

static void without_a_target_any_address_of_this_host_will_do(struct world *w)
{
	opens_at(w, second_address(w), "7000,8000");
	w->source = w->a->neighbour;
	opens_at(w, w->a->live, "7000,8000");
	w->source = w->a->trusted;
	knock_to(w, w->a->live, "7000");
	opens_at(w, w->a->host, "8000");
	syn_expect(w, w->a->host, 22, REASON_GRANTED);
}

static void what_goes_elsewhere_leaves_a_targets_knocks_alone(struct world *w)
{
	opens_not_at(w, w->a->host, "1000");
	knock_to(w, second_address(w), "7000,1000,8000,7000");
	syn_expect(w, second_address(w), 81, REASON_STRAY);
	opens_at(w, w->a->host, "2000");
}

static void a_stray_to_the_target_clears_both(struct world *w)
{
	knock_to(w, second_address(w), "7000");
	knock_to(w, w->a->host, "1000");
	syn_expect(w, w->a->host, 81, REASON_STRAY);
	opens_not_at(w, second_address(w), "8000");
	opens_not_at(w, w->a->host, "2000");
}

static void each_stream_has_its_own_progress(struct world *w)
{
	knock_to(w, second_address(w), "7000");
	knock_to(w, w->a->elsewhere, "3000");
	forward(w);
	knock_to(w, w->a->elsewhere, "3000");
	knock_to(w, beyond(w), "3000");
	opens_at(w, w->a->elsewhere, "4000");
	opens_at(w, beyond(w), "5000");
	opens_at(w, second_address(w), "8000");
}

static void flags_are_a_stream_of_their_own(struct world *w)
{
	static const __u16 ports[] = { 6000, 6001 };

	knock_to(w, w->a->host, "1000");
	for (int i = 0; i < 2; i++) {
		struct frame f = segment(w, ports[i], FIN | PSH);

		expect_noted(w, &f, REASON_KNOCK, i ? note(REASON_OPENED) : 0);
	}
	syn_expect(w, w->a->host, 26, REASON_GRANTED);
	opens_at(w, w->a->host, "2000");
}

/* ---- a Target that is another host ---- */

static void knocks_to_a_far_target_open_its_ports(struct world *w)
{
	forward(w);
	syn_expect(w, w->a->elsewhere, 22, REASON_CLOSED);
	syn_expect(w, w->a->elsewhere, 80, REASON_CLOSED);
	opens_at(w, w->a->elsewhere, "3000,4000");
	syn_expect(w, w->a->elsewhere, 22, REASON_GRANTED);
	syn_expect(w, w->a->elsewhere, 80, REASON_GRANTED);
	w->source = w->a->neighbour;
	syn_expect(w, w->a->elsewhere, 22, REASON_CLOSED);
}

static void a_knock_to_a_far_target_is_passed_on(struct world *w)
{
	struct frame f;

	forward(w);
	w->destination = w->a->elsewhere;
	f = segment(w, 3000, SYN);
	expect(w, &f, REASON_KNOCK);
	f = segment(w, 4000, SYN);
	expect_noted(w, &f, REASON_KNOCK, note(REASON_OPENED));
}

static void far_ports_are_guarded_at_that_host_alone(struct world *w)
{
	forward(w);
	syn_expect(w, w->a->elsewhere, 22, REASON_CLOSED);
	syn_expect(w, bystander(w), 22, REASON_FORWARDED);
	syn_expect(w, bystander(w), 80, REASON_OTHER);
	syn_expect(w, w->a->host, 80, REASON_OTHER);
	syn_expect(w, second_address(w), 80, REASON_OTHER);
	/* And ports of this host are not guarded there. */
	syn_expect(w, w->a->elsewhere, 25, REASON_OTHER);
}

static void a_far_grant_opens_nothing_here(struct world *w)
{
	far_begin(w);
	syn_expect(w, w->a->host, 22, REASON_CLOSED);
	syn_expect(w, beyond(w), 22, REASON_CLOSED);
}

static void a_grant_here_opens_nothing_far(struct world *w)
{
	forward(w);
	opens_at(w, w->a->host, "7000,8000");
	syn_expect(w, w->a->host, 22, REASON_GRANTED);
	syn_expect(w, w->a->elsewhere, 22, REASON_CLOSED);
	conversation_expect(w, ACK, REASON_CLOSED);
}

static void knocks_for_one_host_do_not_count_at_another(struct world *w)
{
	forward(w);
	opens_not_at(w, w->a->elsewhere, "7000,8000");
	opens_not_at(w, w->a->host, "3000,4000");
	opens_not_at(w, bystander(w), "3000,4000");
	opens_not_at(w, bystander(w), "7000,8000");
	opens_not_at(w, w->a->elsewhere, "3000");
	opens_not_at(w, beyond(w), "4000");
	opens_not_at(w, w->a->host, "4000");
	opens_at(w, w->a->elsewhere, "4000");
}

static void two_far_targets_are_two_doors(struct world *w)
{
	forward(w);
	syn_expect(w, beyond(w), 80, REASON_OTHER);
	opens_at(w, beyond(w), "3000,5000");
	syn_expect(w, beyond(w), 22, REASON_GRANTED);
	syn_expect(w, w->a->elsewhere, 22, REASON_CLOSED);
	opens_not_at(w, beyond(w), "3000,4000");
}

static void a_stray_to_a_far_target_clears_its_stream_alone(struct world *w)
{
	forward(w);
	knock_to(w, w->a->elsewhere, "3000");
	knock_to(w, beyond(w), "3000");
	knock_to(w, w->a->host, "7000");
	syn_expect(w, w->a->elsewhere, 9999, REASON_STRAY);
	opens_not_at(w, w->a->elsewhere, "4000");
	opens_at(w, beyond(w), "5000");
	opens_at(w, w->a->host, "8000");
}

static void a_stray_elsewhere_clears_no_far_targets_knocks(struct world *w)
{
	forward(w);
	knock_to(w, w->a->elsewhere, "3000");
	syn_expect(w, w->a->host, 9999, REASON_OTHER);
	syn_expect(w, bystander(w), 9999, REASON_OTHER);
	opens_at(w, w->a->elsewhere, "4000");
}

static void trust_reaches_a_far_target(struct world *w)
{
	forward(w);
	w->source = w->a->trusted;
	syn_expect(w, w->a->elsewhere, 22, REASON_TRUSTED);
	syn_expect(w, w->a->host, 22, REASON_CLOSED);
}

static void echo_requests_and_datagrams_count_at_a_far_target(struct world *w)
{
	forward(w);
	opens_not_at(w, w->a->host, "4:icmp,3000:udp,4000");
	opens_at(w, w->a->elsewhere, "4:icmp,3000:udp,4000");
	syn_expect(w, w->a->elsewhere, 22, REASON_GRANTED);
}

/* The host has no socket of a conversation that it only forwards. */
static void a_far_targets_flags_count(struct world *w)
{
	struct frame f;

	forward(w);
	w->destination = w->a->elsewhere;
	f = segment(w, 3000, ACK);
	expect(w, &f, REASON_KNOCK);
	f = segment(w, 4000, ACK);
	expect_noted(w, &f, REASON_KNOCK, note(REASON_OPENED));
}

/* Such as a guest behind the same card. */
static void far_ports_are_guarded_where_this_host_does_not_forward(struct world *w)
{
	syn_expect(w, w->a->elsewhere, 22, REASON_CLOSED);
	opens_at(w, w->a->elsewhere, "3000,4000");
	conversation_expect(w, SYN, REASON_GRANTED);
	conversation_expect(w, ACK, REASON_FLOW);
}

/* ---- conversations with a far Target ---- */

static void a_conversation_outlives_its_grant(struct world *w)
{
	far_begin(w);
	for (int i = 0; i < 5; i++) {
		time_pass(w, 50);
		conversation_expect(w, ACK | PSH, REASON_FLOW);
	}
	/* Another does not begin. */
	syn_expect(w, w->a->elsewhere, 22, REASON_CLOSED);
	conversation_expect(w, RST, REASON_FLOW);
}

static void an_idle_conversation_ends(struct world *w)
{
	far_begin(w);
	time_pass(w, 61);
	conversation_expect(w, ACK, REASON_CLOSED);
}

static void the_close_sequence_ends_a_conversation(struct world *w)
{
	far_begin(w);
	assert_true(knock_to(w, w->a->elsewhere, "4500,3500") & note(REASON_CLOSED_BY_KNOCK));
	conversation_expect(w, ACK, REASON_CLOSED);
	conversation_expect(w, SYN, REASON_CLOSED);
	time_pass(w, 50);
	conversation_expect(w, ACK, REASON_CLOSED);
	time_pass(w, 20);
	conversation_expect(w, ACK, REASON_CLOSED);
}

static void a_conversation_is_one_pair_of_addresses_and_ports(struct world *w)
{
	struct frame f;

	far_begin(w);
	time_pass(w, 31);
	f = conversation(w, ACK);
	frame_source_port(&f, 50001);
	expect(w, &f, REASON_CLOSED);
	f = conversation(w, ACK);
	frame_port(&f, 80);
	expect(w, &f, REASON_CLOSED);
	f = conversation(w, ACK);
	frame_from(&f, w->a->neighbour);
	expect(w, &f, REASON_CLOSED);
	f = conversation(w, ACK);
	frame_to(&f, beyond(w));
	expect(w, &f, REASON_CLOSED);
	conversation_expect(w, ACK, REASON_FLOW);
}

static void a_syn_needs_a_grant_even_where_a_flow_stands(struct world *w)
{
	static const __u8 starts[] = { SYN, SYN | FIN, SYN | RST, SYN | ECE | CWR | PSH };

	far_begin(w);
	time_pass(w, 31);
	for (size_t i = 0; i < sizeof(starts); i++)
		conversation_expect(w, starts[i], REASON_CLOSED);
}

/* It is anybody's who knows the addresses and ports. */
static void a_refused_syn_ends_no_conversation(struct world *w)
{
	far_begin(w);
	time_pass(w, 31);
	conversation_expect(w, SYN, REASON_CLOSED);
	conversation_expect(w, ACK, REASON_FLOW);
}

static void a_syn_sent_again_begins_one_conversation(struct world *w)
{
	struct frame f = conversation(w, SYN);

	far_begin(w);
	for (int i = 0; i < 3; i++)
		assert_int_equal(XDP_PASS, frame_run(w, &f, 1));
	assert_int_equal(1, flows_count(w));
}

static void datagrams_pass_by_their_flow(struct world *w)
{
	struct frame f;

	forward(w);
	w->destination = w->a->elsewhere;
	f = datagram(w, 60000);
	expect(w, &f, REASON_CLOSED);
	opens_at(w, w->a->elsewhere, "3000,4000");
	expect(w, &f, REASON_GRANTED);
	expect(w, &f, REASON_FLOW);
	time_pass(w, 31);
	expect(w, &f, REASON_FLOW);
	f = datagram(w, 60000);
	expect(w, &f, REASON_CLOSED);
}

static void this_hosts_own_socket_admits_nothing_far(struct world *w)
{
	struct frame f = frame_udp(w->family, w->source, 53, w->a->elsewhere, 60000);
	int fd = socket_bound(&w->sockets, w->family, SOCK_DGRAM, NULL, 60000);

	forward(w);
	socket_connect(fd, w->family, w->source, 53);
	expect(w, &f, REASON_CLOSED);
	socket_listening(&w->sockets, w->family, 22);
	conversation_expect(w, ACK, REASON_CLOSED);
}

static void a_conversation_passes_in_disguise(struct world *w)
{
	struct frame f = conversation(w, ACK);

	far_begin(w);
	time_pass(w, 31);
	frame_tag(&f, 0x8100, 42);
	expect(w, &f, REASON_FLOW);
	f = conversation(w, ACK);
	frame_fragment(&f, 0, true);
	expect(w, &f, REASON_FLOW);
	f = conversation(w, SYN);
	if (f.family == 4)
		frame_options(&f, 12);
	else
		frame_padding(&f, IPPROTO_DSTOPTS, 16);
	expect(w, &f, REASON_CLOSED);
}

/* ---- no way around ---- */

/* A far host's packets never meet the inner door. */
static void what_cannot_be_read_does_not_reach_a_far_target(struct world *w)
{
	struct frame f = conversation(w, SYN);

	forward(w);
	frame_cut(&f, 8);
	expect(w, &f, REASON_UNREADABLE);
	frame_to(&f, w->a->host);
	expect(w, &f, REASON_UNREADABLE_HANDED_ON);
	frame_to(&f, bystander(w));
	expect(w, &f, REASON_UNREADABLE_HANDED_ON);
}

static void a_chain_of_headers_does_not_reach_a_far_target(struct world *w)
{
	struct frame f = conversation(w, SYN);

	forward(w);
	for (int i = 0; i < 200; i++)
		frame_padding(&f, IPPROTO_DSTOPTS, 8);
	expect(w, &f, REASON_UNREADABLE);
	frame_to(&f, w->a->host);
	expect(w, &f, REASON_UNREADABLE_HANDED_ON);
}

static void under_reset_nothing_is_handed_on_to_a_far_target(struct world *w)
{
	struct frame f;

	forward(w);
	syn_expect(w, w->a->host, 22, REASON_CLOSED_HANDED_ON);
	for (int i = 0; i < 10; i++)
		syn_expect(w, w->a->elsewhere, 22, REASON_CLOSED);
	conversation_expect(w, ACK, REASON_CLOSED);
	w->destination = w->a->elsewhere;
	f = datagram(w, 60000);
	expect(w, &f, REASON_CLOSED);
}

static const struct fixture fixtures[] = {
	{ "knocks to the Target open", &routed, .run = knocks_to_the_target_open },
	{ "knocks to another address of this host do not open a door with a Target", &routed,
	  .run = knocks_to_another_address_of_this_host_do_not_open },
	{ "without a Target any address of this host will do", &routed,
	  .run = without_a_target_any_address_of_this_host_will_do },
	{ "what goes elsewhere leaves a Target's knocks alone", &routed,
	  .run = what_goes_elsewhere_leaves_a_targets_knocks_alone },
	{ "a stray to the Target clears both streams", &routed,
	  .run = a_stray_to_the_target_clears_both },
	{ "each stream has its own progress", &routed, .run = each_stream_has_its_own_progress },
	{ "flags are a stream of their own beside Targets", &routed,
	  .run = flags_are_a_stream_of_their_own },

	{ "knocks to a far Target open its ports", &routed,
	  .run = knocks_to_a_far_target_open_its_ports },
	{ "without an inner door knocks to a far Target open its ports", &outer_alone,
	  .run = knocks_to_a_far_target_open_its_ports },
	{ "a knock to a far Target is passed on", &routed,
	  .run = a_knock_to_a_far_target_is_passed_on },
	{ "far ports are guarded at that host alone", &routed,
	  .run = far_ports_are_guarded_at_that_host_alone },
	{ "a far grant opens nothing here", &routed, .run = a_far_grant_opens_nothing_here },
	{ "a grant here opens nothing far", &routed, .run = a_grant_here_opens_nothing_far },
	{ "knocks for one host do not count at another", &routed,
	  .run = knocks_for_one_host_do_not_count_at_another },
	{ "two far Targets are two doors", &routed, .run = two_far_targets_are_two_doors },
	{ "a stray to a far Target clears its stream alone", &routed,
	  .run = a_stray_to_a_far_target_clears_its_stream_alone },
	{ "a stray elsewhere clears no far Target's knocks", &routed,
	  .run = a_stray_elsewhere_clears_no_far_targets_knocks },
	{ "trust reaches a far Target", &trusting, .run = trust_reaches_a_far_target },
	{ "echo requests and datagrams count at a far Target", &echoing,
	  .run = echo_requests_and_datagrams_count_at_a_far_target },
	{ "the flags of a far Target's door count", &knocking_by_ack,
	  .run = a_far_targets_flags_count },
	{ "far ports are guarded where this host does not forward", &routed,
	  .run = far_ports_are_guarded_where_this_host_does_not_forward },

	{ "a forwarded conversation outlives its grant", &routed,
	  .run = a_conversation_outlives_its_grant },
	{ "an idle forwarded conversation ends", &routed, .run = an_idle_conversation_ends },
	{ "the close sequence ends a forwarded conversation, for good", &routed,
	  .run = the_close_sequence_ends_a_conversation },
	{ "a forwarded conversation is one pair of addresses and ports", &routed,
	  .run = a_conversation_is_one_pair_of_addresses_and_ports },
	{ "a SYN needs a grant even where a flow stands", &routed,
	  .run = a_syn_needs_a_grant_even_where_a_flow_stands },
	{ "a refused SYN ends no forwarded conversation", &routed,
	  .run = a_refused_syn_ends_no_conversation },
	{ "a SYN sent again begins one conversation", &routed,
	  .run = a_syn_sent_again_begins_one_conversation },
	{ "datagrams to a far Target pass by their flow", &routed,
	  .run = datagrams_pass_by_their_flow },
	{ "this host's own socket admits nothing far", &routed,
	  .run = this_hosts_own_socket_admits_nothing_far },
	{ "a forwarded conversation passes in disguise, a start does not", &routed,
	  .run = a_conversation_passes_in_disguise },

	{ "what cannot be read does not reach a far Target", &routed,
	  .run = what_cannot_be_read_does_not_reach_a_far_target },
	{ "a chain of headers does not reach a far Target", &routed,
	  .run = a_chain_of_headers_does_not_reach_a_far_target, .only = 6 },
	{ "under reset nothing is handed on to a far Target", &resetting,
	  .run = under_reset_nothing_is_handed_on_to_a_far_target },
};

int main(int count, char **arguments)
{
	return fixtures_run(arguments[0], count > 1 ? arguments[1] : NULL, fixtures,
			    sizeof(fixtures) / sizeof(*fixtures));
}
