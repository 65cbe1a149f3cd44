// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The inner door: asked when the kernel looks for a listening socket. First as BPF_PROG_TEST_RUN
 * asks it, then attached, with packets that the kernel itself has parsed.
 */
#include "harness.h"

#define OPTIONS SMALL_TABLES "	Trust = 203.0.113.128/25, 2001:db8:3::/64\n"

#define SSH                                                                                        \
	"[ssh]\n"                                                                                  \
	"	Sequence = 7000,8000\n"                                                            \
	"	Close_Sequence = 8500,7500\n"                                                      \
	"	Open = 22, 60000-60010:udp, 68:udp, 546:udp\n"                                     \
	"	Open_Time = 30\n"

static const struct setup dropping = { .conf = OPTIONS SSH };
static const struct setup resetting = { .conf = OPTIONS "\tClosed = reset\n" SSH };

static const struct setup two_doors = { .conf = OPTIONS SSH
	"[mail]\n"
	"	Sequence = 1000,2000\n"
	"	Open = 25\n"
};

/* ---- under BPF_PROG_TEST_RUN ---- */

static void lookup_of(struct world *w, int protocol, __u16 port, enum reason reason)
{
	struct bpf_sk_lookup l = lookup(w, protocol, port);

	lookup_expect(w, &l, reason);
}

static void a_protected_port_is_closed(struct world *w)
{
	lookup_of(w, IPPROTO_TCP, 22, REASON_INNER_CLOSED);
	lookup_of(w, IPPROTO_UDP, 60000, REASON_INNER_CLOSED);
	lookup_of(w, IPPROTO_UDP, 60010, REASON_INNER_CLOSED);
}

static void an_unprotected_port_is_not_judged(struct world *w)
{
	lookup_of(w, IPPROTO_TCP, 80, REASON_INNER_OTHER);
	lookup_of(w, IPPROTO_TCP, 60000, REASON_INNER_OTHER);
	lookup_of(w, IPPROTO_UDP, 22, REASON_INNER_OTHER);
	lookup_of(w, IPPROTO_UDP, 60011, REASON_INNER_OTHER);
}

static void a_knock_port_is_not_judged(struct world *w)
{
	lookup_of(w, IPPROTO_TCP, 7000, REASON_INNER_OTHER);
}

static void dhcp_to_a_protected_port_is_closed(struct world *w)
{
	struct bpf_sk_lookup l = lookup(w, IPPROTO_UDP, w->family == 4 ? 68 : 546);

	l.remote_port = htons(w->family == 4 ? 67 : 547);
	lookup_expect(w, &l, REASON_INNER_CLOSED);
}

static void another_device_is_not_judged(struct world *w)
{
	__u32 test_run = 0;

	assert_int_equal(0, bpf_map_delete_elem(bpf_map__fd(w->skel->maps.guarded), &test_run));
	lookup_of(w, IPPROTO_TCP, 22, REASON_INNER_OTHER);
	lookup_of(w, IPPROTO_UDP, 60000, REASON_INNER_OTHER);
}

static void a_trusted_source_passes(struct world *w)
{
	w->source = w->a->trusted;
	lookup_of(w, IPPROTO_TCP, 22, REASON_INNER_TRUSTED);
	lookup_of(w, IPPROTO_UDP, 60000, REASON_INNER_TRUSTED);
}

static void a_granted_source_passes(struct world *w)
{
	knock_opens(w, "7000,8000");
	lookup_of(w, IPPROTO_TCP, 22, REASON_INNER_GRANTED);
	w->source = w->a->neighbour;
	lookup_of(w, IPPROTO_TCP, 22, REASON_INNER_CLOSED);
}

static void a_grant_is_for_the_ports_of_its_door(struct world *w)
{
	knock_opens(w, "7000,8000");
	lookup_of(w, IPPROTO_TCP, 25, REASON_INNER_CLOSED);
	knock_opens(w, "1000,2000");
	lookup_of(w, IPPROTO_TCP, 25, REASON_INNER_GRANTED);
}

static void a_grant_ends_by_time(struct world *w)
{
	knock_opens(w, "7000,8000");
	time_pass(w, 29);
	lookup_of(w, IPPROTO_TCP, 22, REASON_INNER_GRANTED);
	time_pass(w, 2);
	lookup_of(w, IPPROTO_TCP, 22, REASON_INNER_CLOSED);
}

static void a_grant_ends_by_its_close_sequence(struct world *w)
{
	knock_opens(w, "7000,8000");
	knock_noting(w, "8500,7500", note(REASON_CLOSED_BY_KNOCK));
	lookup_of(w, IPPROTO_TCP, 22, REASON_INNER_CLOSED);
}

static void a_flow_passes(struct world *w)
{
	struct frame f = datagram(w, 60000);

	frame_source_port(&f, 40000);
	knock_opens(w, "7000,8000");
	expect(w, &f, REASON_GRANTED);
	lookup_of(w, IPPROTO_UDP, 60000, REASON_INNER_FLOW);
	time_pass(w, 31);
	lookup_of(w, IPPROTO_UDP, 60000, REASON_INNER_FLOW);
	lookup_of(w, IPPROTO_UDP, 60001, REASON_INNER_CLOSED);
	knock(w, "7000,8000,8500,7500");
	lookup_of(w, IPPROTO_UDP, 60000, REASON_INNER_CLOSED);
}

static void a_flow_may_begin_here(struct world *w)
{
	struct frame f = datagram(w, 60000);

	frame_source_port(&f, 40000);
	knock_opens(w, "7000,8000");
	lookup_of(w, IPPROTO_UDP, 60000, REASON_INNER_GRANTED);
	time_pass(w, 31);
	lookup_of(w, IPPROTO_UDP, 60000, REASON_INNER_FLOW);
	expect(w, &f, REASON_FLOW);
}

static void a_mapped_address_is_another(struct world *w)
{
	struct bpf_sk_lookup l = lookup(w, IPPROTO_TCP, 22);

	knock_opens(w, "7000,8000");
	lookup_expect(w, &l, REASON_INNER_GRANTED);
	l.family = AF_INET6;
	address_read((void *)l.remote_ip6, "::ffff:198.51.100.77", 6);
	address_read((void *)l.local_ip6, "::ffff:192.0.2.1", 6);
	lookup_expect(w, &l, REASON_INNER_CLOSED);
}

static void what_is_refused_is_told(struct world *w)
{
	lookup_of(w, IPPROTO_TCP, 22, REASON_INNER_CLOSED);
	events_read(w);
	assert_int_equal(1, w->events);
	assert_int_equal(EVENT_BLOCKED, w->event[0].kind);
	assert_int_equal(REASON_INNER_CLOSED, w->event[0].reason);
	assert_int_equal(22, w->event[0].port);
	assert_int_equal(w->family, w->event[0].source.family);
}

/* ---- attached ---- */

/* Let the kernel receive it on door0; what the inner door counted for it. */
static void arrives(struct world *w, struct frame *f, enum reason reason)
{
	__u64 before[REASON_COUNT], after[REASON_COUNT];
	struct outcome seen;

	counters_read(w, before);
	inner_on(w);
	frame_arrive(f);
	inner_off(w);
	counters_read(w, after);
	outcome_read(&seen, before, after, 1);
	if (seen.reason != reason)
		frame_print(f);
	seen.action = XDP_PASS; /* nobody asked the outer door */
	outcome_check(seen, XDP_PASS, reason, 0);
}

static struct frame real_segment(struct world *w, __u16 port, __u8 flags)
{
	struct frame f = segment(w, port, flags);

	frame_cut(&f, FRAME_TCP);
	frame_seal(&f);
	return f;
}

static struct frame real_datagram(struct world *w, __u16 port)
{
	struct frame f = datagram(w, port);

	frame_seal(&f);
	return f;
}

static bool is_half_open(struct world *w, const struct frame *f)
{
	return tcp_state(w->family, 22, f->bytes[f->transport] << 8 | f->bytes[f->transport + 1]) ==
	       STATE_SYN_RECV;
}

static void a_listener_is_not_found(struct world *w)
{
	struct frame f = real_segment(w, 22, SYN);

	socket_listening(&w->sockets, w->family, 22);
	arrives(w, &f, REASON_INNER_CLOSED);
	assert_false(is_half_open(w, &f));
}

static void a_listener_is_found_by_the_granted(struct world *w)
{
	struct frame f;

	socket_listening(&w->sockets, w->family, 22);
	knock_opens(w, "7000,8000");
	f = real_segment(w, 22, SYN);
	arrives(w, &f, REASON_INNER_GRANTED);
	assert_true(is_half_open(w, &f));
}

static void a_listener_is_not_found_in_disguise(struct world *w)
{
	socket_listening(&w->sockets, w->family, 22);
	for (int disguise = 0; disguise < 3; disguise++) {
		struct frame f = real_segment(w, 22, SYN);

		if (disguise == 0) {
			/* More tags than the outer door reads; the kernel strips them all. */
			for (int i = 0; i < 40; i++)
				frame_tag(&f, i % 2 ? 0x88a8 : 0x8100, 0);
		} else if (disguise == 1 && w->family == 6) {
			for (int i = 0; i < 150; i++)
				frame_padding(&f, IPPROTO_DSTOPTS, 8);
		} else if (w->family == 4) {
			frame_options(&f, 40);
			f.bytes[f.ip + 59] = 0;
			frame_seal(&f);
		} else {
			frame_fragment(&f, 0, false);
		}
		arrives(w, &f, REASON_INNER_CLOSED);
		assert_false(is_half_open(w, &f));
	}
}

static void every_start_is_refused(struct world *w)
{
	socket_listening(&w->sockets, w->family, 22);
	for (unsigned int flags = 0; flags < 64; flags++) {
		struct frame f = real_segment(w, 22, flags);

		if ((flags & (SYN | ACK | RST)) != SYN)
			continue;
		arrives(w, &f, REASON_INNER_CLOSED);
		assert_false(is_half_open(w, &f));
	}
}

static void a_bound_socket_is_not_found(struct world *w)
{
	int fd = socket_bound(&w->sockets, w->family, SOCK_DGRAM, NULL, 60000);
	struct frame f = real_datagram(w, 60000);
	char byte;

	arrives(w, &f, REASON_INNER_CLOSED);
	assert_int_equal(-1, recv(fd, &byte, 1, MSG_DONTWAIT));
	knock_opens(w, "7000,8000");
	f = real_datagram(w, 60000);
	arrives(w, &f, REASON_INNER_GRANTED);
	assert_int_equal(1, recv(fd, &byte, 1, MSG_DONTWAIT));
	time_pass(w, 31);
	arrives(w, &f, REASON_INNER_FLOW);
	assert_int_equal(1, recv(fd, &byte, 1, MSG_DONTWAIT));
}

static void an_unprotected_listener_is_found(struct world *w)
{
	struct frame f = real_segment(w, 80, SYN);

	socket_listening(&w->sockets, w->family, 80);
	arrives(w, &f, REASON_INNER_OTHER);
	assert_int_equal(STATE_SYN_RECV, tcp_state(w->family, 80, 40000));
}

/* Connect from this host itself, to @address. */
static void own_connection(struct world *w, const char *address)
{
	int client, fd = socket_listening(&w->sockets, w->family, 22);
	struct sockaddr_storage remote;
	int result;

	client = socket_bound(&w->sockets, w->family, SOCK_STREAM, address, 50200);
	inner_on(w);
	result = connect(client, (void *)&remote, endpoint(&remote, w->family, address, 22));
	inner_off(w);
	if (result)
		print_error("connect to %s: %s\n", address, strerror(errno));
	assert_int_equal(0, result);
	sockets_keep(&w->sockets, accept4(fd, NULL, NULL, SOCK_CLOEXEC));
}

static void a_connection_over_loopback_is_not_refused(struct world *w)
{
	own_connection(w, w->family == 4 ? "127.0.0.1" : "::1");
}

/* It goes over lo, but the kernel says that it came in by the device that has the address. */
static void a_connection_of_this_host_to_its_guarded_address_is_not_refused(struct world *w)
{
	own_connection(w, w->a->host);
}

static void a_live_connection_is_not_asked_about(struct world *w)
{
	struct session s = session_open(&w->sockets, w->family, w->a, 50300, 22);
	__u64 before[REASON_COUNT], after[REASON_COUNT];
	struct outcome seen;
	char byte = 'x';

	counters_read(w, before);
	inner_on(w);
	assert_int_equal(1, send(s.client, &byte, 1, 0));
	assert_int_equal(1, recv(s.server, &byte, 1, 0));
	inner_off(w);
	counters_read(w, after);
	outcome_read(&seen, before, after, 1);
	for (int i = 0; i < REASON_COUNT; i++)
		assert_int_equal(before[i], after[i]);
}

/*
 * The outer door's own look for a socket runs the inner door; one packet must still be counted
 * under one reason, and once at its port.
 */
static void the_outer_doors_question_is_not_counted(struct world *w)
{
	struct frame segments[] = { segment(w, 22, ACK), datagram(w, 60000) };

	socket_listening(&w->sockets, w->family, 22);
	socket_bound(&w->sockets, w->family, SOCK_DGRAM, NULL, 60000);
	for (size_t i = 0; i < 2; i++) {
		struct outcome seen;

		inner_on(w);
		seen = frame_send(w, &segments[i]);
		inner_off(w);
		if (seen.reason != REASON_CLOSED)
			frame_print(&segments[i]);
		outcome_check(seen, XDP_DROP, REASON_CLOSED, 0);
	}
}

/* One packet, handed on by the outer door and refused by the inner one. */
static void what_is_handed_on_is_counted_once_at_its_port(struct world *w)
{
	struct frame f = real_segment(w, 22, SYN);
	__u64 before = generation_counter(&w->generation, MAP_port_counters, 0);

	expect(w, &f, REASON_CLOSED_HANDED_ON);
	arrives(w, &f, REASON_INNER_CLOSED);
	assert_int_equal(before + 1, generation_counter(&w->generation, MAP_port_counters, 0));
}

static const struct fixture fixtures[] = {
	{ "a protected port is closed", &dropping, .run = a_protected_port_is_closed },
	{ "an unprotected port is not judged", &dropping,
	  .run = an_unprotected_port_is_not_judged },
	{ "a knock port is not judged", &dropping, .run = a_knock_port_is_not_judged },
	{ "DHCP to a protected port is closed", &dropping,
	  .run = dhcp_to_a_protected_port_is_closed },
	{ "what arrives on another device is not judged", &dropping,
	  .run = another_device_is_not_judged },
	{ "a trusted source passes", &dropping, .run = a_trusted_source_passes },
	{ "a granted source passes, and no other", &dropping, .run = a_granted_source_passes },
	{ "a grant is for the ports of its door", &two_doors,
	  .run = a_grant_is_for_the_ports_of_its_door },
	{ "a grant ends by time", &dropping, .run = a_grant_ends_by_time },
	{ "a grant ends by its close sequence", &dropping,
	  .run = a_grant_ends_by_its_close_sequence },
	{ "a flow passes", &dropping, .run = a_flow_passes },
	{ "a flow may begin here", &dropping, .run = a_flow_may_begin_here },
	{ "an IPv4-mapped address is another than the IPv4 one", &dropping,
	  .run = a_mapped_address_is_another, .only = 4 },
	{ "what is refused is told", &dropping, .run = what_is_refused_is_told },

	{ "attached, it hides a listener", &dropping, .run = a_listener_is_not_found },
	{ "attached, it shows a listener to the granted", &dropping,
	  .run = a_listener_is_found_by_the_granted },
	{ "attached, it hides a listener from every disguise", &dropping,
	  .run = a_listener_is_not_found_in_disguise },
	{ "attached, it refuses every start that a listener takes", &dropping,
	  .run = every_start_is_refused },
	{ "attached, it hides a bound socket", &dropping, .run = a_bound_socket_is_not_found },
	{ "attached, it shows an unprotected listener", &dropping,
	  .run = an_unprotected_listener_is_found },
	{ "attached, it leaves loopback alone", &dropping,
	  .run = a_connection_over_loopback_is_not_refused },
	{ "attached, it leaves this host's connections to itself alone", &dropping,
	  .run = a_connection_of_this_host_to_its_guarded_address_is_not_refused },
	{ "attached, it is not asked about live connections", &dropping,
	  .run = a_live_connection_is_not_asked_about },
	{ "attached, the outer door's own question is not counted", &dropping,
	  .run = the_outer_doors_question_is_not_counted },
	{ "attached, what is handed on is counted once at its port", &resetting,
	  .run = what_is_handed_on_is_counted_once_at_its_port },
};

int main(int count, char **arguments)
{
	return fixtures_run(arguments[0], count > 1 ? arguments[1] : NULL, fixtures,
			    sizeof(fixtures) / sizeof(*fixtures));
}
