// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The outer door, guard by guard in the order of its entry function: what is read, what is never
 * judged, what is closed and how. Grants, knocks, flows and sockets have programs of their own.
 */
#include "harness.h"

#define SSH                                                                                        \
	"[ssh]\n"                                                                                  \
	"	Sequence = 7000,8000:udp,9000\n"                                                   \
	"	Seq_Timeout = 10\n"                                                                \
	"	Open = 22, 53:udp, 60000-60010:udp\n"                                              \
	"	Open_Time = 30\n"

#define OPTIONS SMALL_TABLES

static const struct setup dropping = { .conf = OPTIONS SSH };
static const struct setup resetting = { .conf = OPTIONS "\tClosed = reset\n" SSH };
static const struct setup aborting = { .conf = OPTIONS "\tClosed = abort\n" SSH };
static const struct setup outer_alone = { .conf = OPTIONS SSH, .alone = true };
static const struct setup resetting_alone = {
	.conf = OPTIONS "\tClosed = reset\n" SSH, .alone = true,
};
static const struct setup bare_packets = { .conf = OPTIONS SSH, .bare = true };

static const struct setup trusting = { .conf = OPTIONS
	"	Trust = 203.0.113.128/25, 2001:db8:3::/64\n"
	SSH
};

static const struct setup trusting_at_a_door = { .conf = OPTIONS SSH
	"	Trust = 203.0.113.200, 2001:db8:3::200\n"
	"[mail]\n"
	"	Sequence = 1000,2000\n"
	"	Open = 25\n"
};

static const struct setup trusting_a_mapped_address = { .conf = OPTIONS
	"	Trust = ::ffff:198.51.100.77\n"
	SSH
};

static const struct setup guarding_dhcp = { .conf = OPTIONS SSH
	"[dhcp]\n"
	"	Sequence = 1000,2000\n"
	"	Open = 67-68:udp, 546-547:udp\n"
};

static const struct setup guarding_a_knock_port = { .conf = OPTIONS
	"[ssh]\n"
	"	Sequence = 22,8000,9000\n"
	"	Open = 22\n"
};

/* ---- packets ---- */

static struct frame syn_to_ssh(struct world *w)
{
	return segment(w, 22, SYN);
}

static struct frame ack_to_ssh(struct world *w)
{
	return segment(w, 22, ACK);
}

static struct frame syn_to_web(struct world *w)
{
	return segment(w, 80, SYN);
}

static struct frame ack_to_web(struct world *w)
{
	return segment(w, 80, ACK | PSH);
}

static struct frame datagram_to_dns(struct world *w)
{
	return datagram(w, 53);
}

static struct frame datagram_to_ntp(struct world *w)
{
	return datagram(w, 123);
}

static struct frame first_knock(struct world *w)
{
	return segment(w, 7000, SYN);
}

static struct frame ping(struct world *w)
{
	return echo(w, 0);
}

static struct frame syn_from_the_trusted(struct world *w)
{
	w->source = w->a->trusted;
	return segment(w, 22, SYN);
}

static struct frame ack_from_the_trusted(struct world *w)
{
	w->source = w->a->trusted;
	return segment(w, 22, ACK);
}

static struct frame datagram_from_the_trusted(struct world *w)
{
	w->source = w->a->trusted;
	return datagram(w, 53);
}

static struct frame mail_from_the_trusted(struct world *w)
{
	w->source = w->a->trusted;
	return segment(w, 25, SYN);
}

/* ---- changes: what is read ---- */

static void arp(struct frame *f)
{
	frame_ethertype(f, 0x0806);
}

static void no_transport_that_has_ports(struct frame *f)
{
	f->bytes[f->next] = 132;
}

static void options_of_4_bytes(struct frame *f)
{
	frame_options(f, 4);
}

static void options_of_40_bytes(struct frame *f)
{
	frame_options(f, 40);
}

static void one_priority_tag(struct frame *f)
{
	frame_tag(f, 0x8100, 0);
}

static void five_priority_tags(struct frame *f)
{
	for (int i = 0; i < 5; i++)
		frame_tag(f, i % 2 ? 0x88a8 : 0x8100, 0xe000);
}

static void tags_32(struct frame *f)
{
	for (int i = 0; i < 32; i++)
		frame_tag(f, i % 2 ? 0x88a8 : 0x8100, 0);
}

static void tags_33(struct frame *f)
{
	tags_32(f);
	frame_tag(f, 0x8100, 0);
}

static void a_vlan(struct frame *f)
{
	frame_tag(f, 0x8100, 42);
}

static void a_vlan_behind_a_priority_tag(struct frame *f)
{
	frame_tag(f, 0x8100, 42);
	frame_tag(f, 0x88a8, 0);
}

static void hop_by_hop(struct frame *f)
{
	frame_padding(f, IPPROTO_HOPOPTS, 8);
}

static void spent_routing(struct frame *f)
{
	frame_extend(f, IPPROTO_ROUTING, 8);
}

static void authentication(struct frame *f)
{
	frame_extend(f, IPPROTO_AH, 24);
}

static void destination_options(struct frame *f, int count)
{
	for (int i = 0; i < count; i++)
		frame_padding(f, IPPROTO_DSTOPTS, 8);
}

static void destination_options_150(struct frame *f)
{
	destination_options(f, 150);
}

static void destination_options_191(struct frame *f)
{
	destination_options(f, 191);
}

static void destination_options_200(struct frame *f)
{
	destination_options(f, 200);
}

/* More than the first of several buffers holds. */
static void destination_options_of_two_pages(struct frame *f)
{
	for (int i = 0; i < 4; i++)
		frame_padding(f, IPPROTO_DSTOPTS, 1600);
}

static void destination_options_of_two_pages_to_a_group(struct frame *f)
{
	destination_options_of_two_pages(f);
	frame_to(f, addresses6.group);
}

static void large_payload(struct frame *f)
{
	frame_grow(f, 6000);
}

static void header_length_of_16(struct frame *f)
{
	f->bytes[f->ip] = 0x44;
}

static void data_offset_of_16(struct frame *f)
{
	f->bytes[f->transport + 12] = 4 << 4;
}

static void total_length_without_the_ports(struct frame *f)
{
	frame_put16(f, f->ip + (f->family == 4 ? 2 : 4), f->family == 4 ? 20 : 0);
}

static void version_of_the_other_family(struct frame *f)
{
	f->bytes[f->ip] ^= 0x20;
}

static void half_a_tcp_header(struct frame *f)
{
	frame_cut(f, 10);
}

static void half_an_ip_header(struct frame *f)
{
	f->len = f->ip + 12;
}

static void nothing_but_ethernet(struct frame *f)
{
	f->len = f->ip;
}

static void padding_behind_the_ip_packet(struct frame *f)
{
	f->len += 46;
}

/* ---- changes: fragments ---- */

static void first_fragment(struct frame *f)
{
	frame_fragment(f, 0, true);
}

static void first_fragment_of_16_bytes(struct frame *f)
{
	frame_cut(f, 16);
	frame_fragment(f, 0, true);
}

static void first_fragment_of_nothing(struct frame *f)
{
	frame_cut(f, 0);
	frame_fragment(f, 0, true);
}

static void later_fragment(struct frame *f)
{
	frame_fragment(f, 185, false);
}

static void second_fragment_of_8_bytes(struct frame *f)
{
	frame_cut(f, 8);
	frame_fragment(f, 1, true);
}

static void only_fragment(struct frame *f)
{
	frame_fragment(f, 0, false);
}

static void first_fragment_without_all_headers(struct frame *f)
{
	frame_fragment(f, 0, true);
	frame_padding(f, IPPROTO_DSTOPTS, 64);
	f->len = f->transport - 32;
	frame_measure(f);
}

/* ---- changes: ports ---- */

static void dhcp_answer(struct frame *f)
{
	frame_source_port(f, f->family == 4 ? 67 : 547);
	frame_port(f, f->family == 4 ? 68 : 546);
}

static void dhcp_question(struct frame *f)
{
	frame_source_port(f, f->family == 4 ? 68 : 546);
	frame_port(f, f->family == 4 ? 67 : 547);
}

static void source_port_of_dhcp(struct frame *f)
{
	frame_source_port(f, f->family == 4 ? 67 : 547);
}

static void icmp_error(struct frame *f)
{
	f->bytes[f->transport] = f->family == 4 ? 3 : 2;
	f->bytes[f->transport + 1] = f->family == 4 ? 4 : 0;
}

static void neighbour_solicitation(struct frame *f)
{
	f->bytes[f->transport] = 135;
}

static void router_advertisement(struct frame *f)
{
	f->bytes[f->transport] = 134;
}

static void cut_echo(struct frame *f)
{
	frame_cut(f, 4);
}

static void to_a_group(struct frame *f)
{
	frame_to(f, f->family == 4 ? addresses4.group : addresses6.group);
}

static void to_everybody(struct frame *f)
{
	frame_to(f, "255.255.255.255");
}

static void to_everybody_in_the_network(struct frame *f)
{
	frame_to(f, "192.0.2.255");
}

static void to_another_port(struct frame *f)
{
	frame_port(f, 60010);
}

static void to_the_port_after_the_range(struct frame *f)
{
	frame_port(f, 60011);
}

static void bare(struct frame *f)
{
	frame_bare(f);
}

static void bare_of_neither_family(struct frame *f)
{
	frame_bare(f);
	f->bytes[0] = 0x50;
}

static void bare_behind_five_options(struct frame *f)
{
	if (f->family == 4)
		frame_options(f, 40);
	else
		destination_options(f, 5);
	frame_bare(f);
}

/* ---- more than one packet ---- */

/* Any flags with SYN and without ACK start a connection; Linux listeners accept many of them. */
static void every_start_is_closed(struct world *w)
{
	for (unsigned int flags = 0; flags < 256; flags++) {
		struct frame f = segment(w, 22, flags);

		if ((flags & (SYN | ACK)) == SYN)
			expect(w, &f, REASON_CLOSED);
	}
}

static void every_continuation_without_a_connection_is_closed(struct world *w)
{
	for (unsigned int flags = 0; flags < 256; flags++) {
		struct frame f = segment(w, 22, flags);

		if ((flags & (SYN | ACK)) != SYN)
			expect(w, &f, REASON_CLOSED);
	}
}

static void a_vlan_device(struct world *w)
{
	w->skel->data_surroundings->surroundings.stacked = 1;
}

static void a_segment_may_belong_to_a_stacked_device(struct world *w)
{
	struct frame f = segment(w, 22, ACK);

	a_vlan_device(w);
	expect(w, &f, REASON_SOCKET_UNSEEN);
	frame_tag(&f, 0x8100, 42);
	expect(w, &f, REASON_SOCKET_UNSEEN);
}

static void every_start_in_a_vlan_is_closed(struct world *w)
{
	a_vlan_device(w);
	for (unsigned int flags = 0; flags < 256; flags++) {
		struct frame f = segment(w, 22, flags);

		frame_tag(&f, 0x8100, 42);
		if ((flags & (SYN | ACK)) == SYN)
			expect(w, &f, REASON_CLOSED);
	}
}

static void a_frame_cut_anywhere_never_gets_through(struct world *w)
{
	struct frame whole = segment(w, 22, SYN), f;

	frame_tag(&whole, 0x8100, 0);
	if (whole.family == 6)
		destination_options(&whole, 2);
	/* The kernel refuses to run less than an Ethernet header. */
	for (f = whole; f.len > FRAME_ETHERNET; f.len--) {
		struct outcome seen = frame_send(w, &f);

		/* Long enough for its whole transport header, it is read; else it is handed to the
		 * inner door or dropped. */
		if (f.len >= whole.transport + FRAME_TCP)
			outcome_check(seen, XDP_DROP, REASON_CLOSED, 0);
		else if (f.len >= whole.ip + (f.family == 4 ? 20 : 40))
			outcome_check(seen, XDP_PASS, REASON_UNREADABLE_HANDED_ON, 0);
		else
			outcome_check(seen, XDP_DROP, REASON_UNREADABLE, 0);
	}
}

static void a_refused_packet_is_counted_at_its_port(struct world *w)
{
	struct frame f = segment(w, 22, SYN);
	__u64 before[3], after[3];
	__u32 guard;

	for (guard = 0; guard < 3; guard++)
		before[guard] = generation_counter(&w->generation, MAP_port_counters, guard);
	expect(w, &f, REASON_CLOSED);
	expect(w, &f, REASON_CLOSED);
	for (guard = 0; guard < 3; guard++) {
		bool ssh = w->compiled.guard[guard].proto == PROTO_TCP;

		after[guard] = generation_counter(&w->generation, MAP_port_counters, guard);
		assert_int_equal(after[guard] - before[guard], ssh ? 2 : 0);
	}
}

static void only_the_first_refused_packet_in_a_minute_is_told(struct world *w)
{
	port_closed(w, 22);
	port_closed(w, 22);
	events_read(w);
	assert_int_equal(1, w->events);
	assert_int_equal(EVENT_BLOCKED, w->event[0].kind);
	assert_int_equal(REASON_CLOSED, w->event[0].reason);
	assert_int_equal(22, w->event[0].port);
	assert_int_equal(PROTO_TCP, w->event[0].proto);
	assert_int_equal(w->family, w->event[0].source.family);

	time_pass(w, 59);
	port_closed(w, 22);
	events_read(w);
	assert_int_equal(0, w->events);

	time_pass(w, 1);
	port_closed(w, 22);
	events_read(w);
	assert_int_equal(1, w->events);
}

static void what_goes_to_other_ports_is_not_told(struct world *w)
{
	struct frame f = segment(w, 80, SYN);

	expect(w, &f, REASON_OTHER);
	events_read(w);
	assert_int_equal(0, w->events);
}

static void the_kernel_refuses_5000_in_a_second(struct world *w)
{
	__u64 before[REASON_COUNT], after[REASON_COUNT], began;
	struct frame f = segment(w, 22, SYN);

	/* Again where a new second began meanwhile. */
	do {
		world_reset(w, w->family);
		began = clock_now(w);
		counters_read(w, before);
		frame_run(w, &f, 6000);
		counters_read(w, after);
	} while (clock_now(w) - began >= w->hz);
	assert_int_equal(5000, after[REASON_CLOSED_HANDED_ON] - before[REASON_CLOSED_HANDED_ON]);
	assert_int_equal(1000,
			 after[REASON_CLOSED_OVER_LIMIT] - before[REASON_CLOSED_OVER_LIMIT]);

	/* And as many in the next. */
	time_pass(w, 1);
	expect(w, &f, REASON_CLOSED_HANDED_ON);
}

static void what_is_over_the_limit_is_dropped(struct world *w)
{
	struct frame f = segment(w, 22, SYN);
	struct shared shared = {};
	struct outcome seen;
	__u64 began;
	__u32 key = 0;

	do {
		began = clock_now(w);
		shared.limit[LIMIT_REFUSALS] = began << 32 | 5000;
		assert_int_equal(0, bpf_map_update_elem(bpf_map__fd(w->skel->maps.shared), &key,
							&shared, BPF_ANY));
		seen = frame_send(w, &f);
	} while (clock_now(w) - began >= w->hz);
	outcome_check(seen, XDP_DROP, REASON_CLOSED_OVER_LIMIT, 0);
}

static void a_full_ring_changes_no_verdict(struct world *w)
{
	struct frame f = segment(w, 22, SYN);

	/* Each event that is told leaves a record; nobody reads them. */
	for (int i = 0; i < 4096; i++) {
		table_walk(w->skel->maps.port_reports, value_zero, sizeof(__u64));
		if (frame_send(w, &f).notes & note(REASON_EVENT_LOST))
			break;
	}
	table_walk(w->skel->maps.port_reports, value_zero, sizeof(__u64));
	expect_noted(w, &f, REASON_CLOSED, note(REASON_EVENT_LOST));
}

static const struct fixture fixtures[] = {
	/* 1. What is read, and what is never judged. */
	{ "a SYN to a protected port is closed", &dropping, .packet = syn_to_ssh,
	  .expected = REASON_CLOSED },
	{ "a SYN to an unused port passes", &dropping, .packet = syn_to_web,
	  .expected = REASON_OTHER },
	{ "data of a connection to an unprotected port passes", &dropping, .packet = ack_to_web,
	  .expected = REASON_OTHER },
	{ "a datagram to a protected port is closed", &dropping, .packet = datagram_to_dns,
	  .expected = REASON_CLOSED },
	{ "a datagram to an unprotected port passes", &dropping, .packet = datagram_to_ntp,
	  .expected = REASON_OTHER },
	{ "the last port of a range is closed", &dropping, .packet = datagram_to_dns,
	  .change = to_another_port, .expected = REASON_CLOSED },
	{ "the port after a range passes", &dropping, .packet = datagram_to_dns,
	  .change = to_the_port_after_the_range, .expected = REASON_OTHER },
	{ "a TCP port is not protected by UDP's", &dropping, .packet = syn_to_ssh,
	  .change = to_another_port, .expected = REASON_OTHER },
	{ "ARP is never judged", &dropping, .packet = syn_to_ssh, .change = arp,
	  .expected = REASON_OTHER },
	{ "SCTP is never judged", &dropping, .packet = syn_to_ssh,
	  .change = no_transport_that_has_ports, .expected = REASON_OTHER },
	{ "a ping passes", &dropping, .packet = ping, .expected = REASON_OTHER },
	{ "an ICMP error about packet size passes", &dropping, .packet = ping,
	  .change = icmp_error, .expected = REASON_OTHER },
	{ "neighbour discovery passes", &dropping, .packet = ping,
	  .change = neighbour_solicitation, .expected = REASON_OTHER, .only = 6 },
	{ "a router advertisement passes", &dropping, .packet = ping,
	  .change = router_advertisement, .expected = REASON_OTHER, .only = 6 },
	{ "a cut-off echo request passes", &dropping, .packet = ping, .change = cut_echo,
	  .expected = REASON_OTHER },
	{ "a DHCP answer is never judged", &dropping, .packet = datagram_to_ntp,
	  .change = dhcp_answer, .expected = REASON_DHCP },
	{ "a DHCP question is never judged", &dropping, .packet = datagram_to_ntp,
	  .change = dhcp_question, .expected = REASON_DHCP },
	{ "DHCP to a protected port is closed", &guarding_dhcp, .packet = datagram_to_ntp,
	  .change = dhcp_answer, .expected = REASON_CLOSED },
	{ "a datagram from DHCP's port to a protected one is closed", &dropping,
	  .packet = datagram_to_dns, .change = source_port_of_dhcp, .expected = REASON_CLOSED },
	{ "a datagram from DHCP's port to an unprotected one is no DHCP", &dropping,
	  .packet = datagram_to_ntp, .change = source_port_of_dhcp, .expected = REASON_OTHER },

	{ "a SYN behind one IP option is closed", &dropping, .packet = syn_to_ssh,
	  .change = options_of_4_bytes, .expected = REASON_CLOSED, .only = 4 },
	{ "a SYN behind all IP options that fit is closed", &dropping, .packet = syn_to_ssh,
	  .change = options_of_40_bytes, .expected = REASON_CLOSED, .only = 4 },
	{ "a SYN behind a priority tag is closed", &dropping, .packet = syn_to_ssh,
	  .change = one_priority_tag, .expected = REASON_CLOSED },
	{ "a SYN behind five priority tags is closed", &dropping, .packet = syn_to_ssh,
	  .change = five_priority_tags, .expected = REASON_CLOSED },
	{ "a SYN behind 32 priority tags is closed", &dropping, .packet = syn_to_ssh,
	  .change = tags_32, .expected = REASON_CLOSED },
	{ "a datagram behind five priority tags is closed", &dropping, .packet = datagram_to_dns,
	  .change = five_priority_tags, .expected = REASON_CLOSED },
	{ "a SYN in a VLAN is closed", &dropping, .packet = syn_to_ssh, .change = a_vlan,
	  .expected = REASON_CLOSED },
	{ "a SYN behind hop-by-hop options is closed", &dropping, .packet = syn_to_ssh,
	  .change = hop_by_hop, .expected = REASON_CLOSED, .only = 6 },
	{ "a SYN behind a routing header is closed", &dropping, .packet = syn_to_ssh,
	  .change = spent_routing, .expected = REASON_CLOSED, .only = 6 },
	{ "a SYN behind an authentication header is closed", &dropping, .packet = syn_to_ssh,
	  .change = authentication, .expected = REASON_CLOSED },
	{ "a SYN behind 150 destination options is closed", &dropping, .packet = syn_to_ssh,
	  .change = destination_options_150, .expected = REASON_CLOSED, .only = 6 },
	{ "a SYN behind 191 destination options is closed", &dropping, .packet = syn_to_ssh,
	  .change = destination_options_191, .expected = REASON_CLOSED, .only = 6 },
	{ "a SYN with much data in several buffers is closed", &dropping, .packet = syn_to_ssh,
	  .change = large_payload, .expected = REASON_CLOSED },
	{ "a SYN with padding behind the IP packet is closed", &dropping, .packet = syn_to_ssh,
	  .change = padding_behind_the_ip_packet, .expected = REASON_CLOSED },

	/* 2. What cannot be read. */
	{ "33 tags are dropped: nobody knows whose they are", &dropping, .packet = syn_to_ssh,
	  .change = tags_33, .expected = REASON_UNREADABLE },
	{ "33 tags are dropped without an inner door", &outer_alone, .packet = syn_to_ssh,
	  .change = tags_33, .expected = REASON_UNREADABLE },
	{ "more than 192 extension headers go to the inner door", &dropping, .packet = syn_to_ssh,
	  .change = destination_options_200, .expected = REASON_UNREADABLE_HANDED_ON, .only = 6 },
	{ "more than 192 extension headers are dropped without an inner door", &outer_alone,
	  .packet = syn_to_ssh, .change = destination_options_200,
	  .expected = REASON_UNREADABLE, .only = 6 },
	{ "headers beyond the first buffer go to the inner door", &dropping,
	  .packet = syn_to_ssh, .change = destination_options_of_two_pages,
	  .expected = REASON_UNREADABLE_HANDED_ON, .only = 6 },
	{ "headers beyond the first buffer are dropped without an inner door", &outer_alone,
	  .packet = syn_to_ssh, .change = destination_options_of_two_pages,
	  .expected = REASON_UNREADABLE, .only = 6 },
	{ "what is unreadable and goes to a group is dropped: no inner door is asked", &dropping,
	  .packet = datagram_to_dns, .change = destination_options_of_two_pages_to_a_group,
	  .expected = REASON_UNREADABLE, .only = 6 },
	{ "an IP header of 16 bytes goes to the inner door", &dropping, .packet = syn_to_ssh,
	  .change = header_length_of_16, .expected = REASON_UNREADABLE_HANDED_ON, .only = 4 },
	{ "an IP header of 16 bytes is dropped without an inner door", &outer_alone,
	  .packet = syn_to_ssh, .change = header_length_of_16,
	  .expected = REASON_UNREADABLE, .only = 4 },
	{ "a TCP header of 16 bytes is dropped without an inner door", &outer_alone,
	  .packet = syn_to_ssh, .change = data_offset_of_16, .expected = REASON_UNREADABLE },
	{ "ports beyond the length that IP states are not read", &outer_alone,
	  .packet = syn_to_ssh, .change = total_length_without_the_ports,
	  .expected = REASON_UNREADABLE },
	{ "the other family's version is dropped without an inner door", &outer_alone,
	  .packet = syn_to_ssh, .change = version_of_the_other_family,
	  .expected = REASON_UNREADABLE },
	{ "half a TCP header is dropped without an inner door", &outer_alone,
	  .packet = syn_to_ssh, .change = half_a_tcp_header, .expected = REASON_UNREADABLE },
	{ "half an IP header is dropped", &dropping, .packet = syn_to_ssh,
	  .change = half_an_ip_header, .expected = REASON_UNREADABLE },
	{ "an empty Ethernet frame is dropped", &dropping, .packet = syn_to_ssh,
	  .change = nothing_but_ethernet, .expected = REASON_UNREADABLE },
	{ "a frame cut off anywhere never gets through", &dropping,
	  .run = a_frame_cut_anywhere_never_gets_through },

	/* 3. Fragments. */
	{ "a first fragment with its whole header is closed", &dropping, .packet = syn_to_ssh,
	  .change = first_fragment, .expected = REASON_CLOSED },
	{ "a first fragment to an unprotected port passes", &dropping, .packet = syn_to_web,
	  .change = first_fragment, .expected = REASON_OTHER },
	{ "a first fragment of 16 bytes is dropped", &dropping, .packet = syn_to_ssh,
	  .change = first_fragment_of_16_bytes, .expected = REASON_FRAGMENT_SHORT },
	{ "a first fragment of 16 bytes is dropped for any port", &dropping, .packet = syn_to_web,
	  .change = first_fragment_of_16_bytes, .expected = REASON_FRAGMENT_SHORT },
	{ "a first fragment of nothing is dropped", &dropping, .packet = datagram_to_dns,
	  .change = first_fragment_of_nothing, .expected = REASON_FRAGMENT_SHORT },
	{ "a first fragment without all its headers is dropped", &dropping, .packet = syn_to_ssh,
	  .change = first_fragment_without_all_headers, .expected = REASON_FRAGMENT_SHORT,
	  .only = 6 },
	{ "a later fragment passes", &dropping, .packet = syn_to_ssh, .change = later_fragment,
	  .expected = REASON_FRAGMENT },
	{ "a second fragment of 8 bytes passes", &dropping, .packet = syn_to_ssh,
	  .change = second_fragment_of_8_bytes, .expected = REASON_FRAGMENT },
	{ "a fragment that is first and last is closed", &dropping, .packet = syn_to_ssh,
	  .change = only_fragment, .expected = REASON_CLOSED },

	/* 4. Trust. */
	{ "a trusted source passes", &trusting, .packet = syn_from_the_trusted,
	  .expected = REASON_TRUSTED },
	{ "a trusted source's data without a connection passes", &trusting,
	  .packet = ack_from_the_trusted, .expected = REASON_TRUSTED },
	{ "a trusted source's datagram passes", &trusting, .packet = datagram_from_the_trusted,
	  .expected = REASON_TRUSTED },
	{ "a source outside the trusted prefix is closed", &trusting, .packet = syn_to_ssh,
	  .expected = REASON_CLOSED },
	{ "a source that one door trusts passes there", &trusting_at_a_door,
	  .packet = syn_from_the_trusted, .expected = REASON_TRUSTED },
	{ "a source that one door trusts is closed at another", &trusting_at_a_door,
	  .packet = mail_from_the_trusted, .expected = REASON_CLOSED },
	{ "trust in an IPv4-mapped address is none in the IPv4 one", &trusting_a_mapped_address,
	  .packet = syn_to_ssh, .expected = REASON_CLOSED, .only = 4 },

	/* 7, 8. Starts and continuations; more in test_sockets.c. */
	{ "a SYN is closed whatever its other flags", &dropping, .run = every_start_is_closed },
	{ "a segment without a connection is closed whatever its flags", &dropping,
	  .run = every_continuation_without_a_connection_is_closed },
	{ "where devices are stacked a segment may belong to a connection that is not seen",
	  &dropping, .run = a_segment_may_belong_to_a_stacked_device },
	{ "data in a VLAN that has no device is closed", &dropping, .packet = ack_to_ssh,
	  .change = a_vlan, .expected = REASON_CLOSED },
	{ "data in a VLAN behind a priority tag is closed", &dropping, .packet = ack_to_ssh,
	  .change = a_vlan_behind_a_priority_tag, .expected = REASON_CLOSED },
	{ "data behind a priority tag is closed", &dropping, .packet = ack_to_ssh,
	  .change = five_priority_tags, .expected = REASON_CLOSED },
	{ "data in a VLAN is closed without an inner door", &outer_alone,
	  .packet = ack_to_ssh, .change = a_vlan, .expected = REASON_CLOSED },
	{ "a SYN in a VLAN is closed whatever its other flags", &dropping,
	  .run = every_start_in_a_vlan_is_closed },
	{ "a datagram to a protected port of a group is closed", &dropping,
	  .packet = datagram_to_dns, .change = to_a_group, .expected = REASON_CLOSED },

	/* 9. Knock ports. */
	{ "a knock passes like a packet to any closed port", &dropping, .packet = first_knock,
	  .expected = REASON_KNOCK },
	{ "a knock at a protected port is closed", &guarding_a_knock_port, .packet = syn_to_ssh,
	  .expected = REASON_CLOSED },

	/* Closed = drop, reset, abort. */
	{ "under abort a SYN to a protected port is aborted", &aborting, .packet = syn_to_ssh,
	  .expected = REASON_CLOSED },
	{ "under abort what is unreadable is dropped", &aborting, .packet = syn_to_ssh,
	  .change = tags_33, .expected = REASON_UNREADABLE },
	{ "under reset a SYN to a protected port is handed on", &resetting, .packet = syn_to_ssh,
	  .expected = REASON_CLOSED_HANDED_ON },
	{ "under reset data without a connection is handed on", &resetting, .packet = ack_to_ssh,
	  .expected = REASON_CLOSED_HANDED_ON },
	{ "under reset a datagram to a protected port is handed on", &resetting,
	  .packet = datagram_to_dns, .expected = REASON_CLOSED_HANDED_ON },
	{ "under reset a datagram to a group is closed: no inner door is asked", &resetting,
	  .packet = datagram_to_dns, .change = to_a_group, .expected = REASON_CLOSED },
	{ "under reset a datagram to everybody is closed", &resetting, .packet = datagram_to_dns,
	  .change = to_everybody, .expected = REASON_CLOSED, .only = 4 },
	{ "under reset a datagram to everybody in the network is closed", &resetting,
	  .packet = datagram_to_dns, .change = to_everybody_in_the_network,
	  .expected = REASON_CLOSED, .only = 4 },
	{ "under reset a SYN is dropped without an inner door", &resetting_alone,
	  .packet = syn_to_ssh, .expected = REASON_CLOSED },
	{ "under reset the kernel refuses 5000 packets in a second", &resetting,
	  .run = the_kernel_refuses_5000_in_a_second },
	{ "under reset what is over the limit is dropped", &resetting,
	  .run = what_is_over_the_limit_is_dropped },

	/* Devices without Ethernet. */
	{ "a SYN without Ethernet is closed", &bare_packets, .packet = syn_to_ssh, .change = bare,
	  .expected = REASON_CLOSED },
	{ "a SYN without Ethernet behind options is closed", &bare_packets, .packet = syn_to_ssh,
	  .change = bare_behind_five_options, .expected = REASON_CLOSED },
	{ "a SYN without Ethernet to an unprotected port passes", &bare_packets,
	  .packet = syn_to_web, .change = bare, .expected = REASON_OTHER },
	{ "a knock without Ethernet is a knock", &bare_packets, .packet = first_knock,
	  .change = bare, .expected = REASON_KNOCK },
	{ "a packet without Ethernet of neither family passes", &bare_packets,
	  .packet = syn_to_ssh, .change = bare_of_neither_family, .expected = REASON_OTHER },

	/* Counters and events. */
	{ "a refused packet is counted at its port", &dropping,
	  .run = a_refused_packet_is_counted_at_its_port },
	{ "only the first packet refused in a minute is told", &dropping,
	  .run = only_the_first_refused_packet_in_a_minute_is_told },
	{ "what goes to other ports is not told", &dropping,
	  .run = what_goes_to_other_ports_is_not_told },
	{ "a full ring changes no verdict and is counted", &dropping,
	  .run = a_full_ring_changes_no_verdict },
};

int main(int count, char **arguments)
{
	return fixtures_run(arguments[0], count > 1 ? arguments[1] : NULL, fixtures,
			    sizeof(fixtures) / sizeof(*fixtures));
}
