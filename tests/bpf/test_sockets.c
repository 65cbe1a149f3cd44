// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What only the kernel knows: live sockets of this host keep their packets, whoever knocked; what
 * goes to other hosts is theirs.
 */
#include "harness.h"

#define OPTIONS SMALL_TABLES

#define SSH                                                                                        \
	"[ssh]\n"                                                                                  \
	"	Sequence = 7000,8000:udp,9000\n"                                                   \
	"	Seq_Timeout = 10\n"                                                                \
	"	Open = 22, 60000-60010:udp\n"

static const struct setup dropping = { .conf = OPTIONS SSH };
static const struct setup resetting = { .conf = OPTIONS "\tClosed = reset\n" SSH };
static const struct setup outer_alone = { .conf = OPTIONS SSH, .alone = true };

static const struct setup knocking_by_ack = { .conf = OPTIONS
	"[ssh]\n"
	"	Sequence = 7000,8000,9000\n"
	"	Seq_Timeout = 10\n"
	"	TCPFlags = !syn,ack\n"
	"	Open = 22\n"
};

enum { SOURCE_PORT = 50000, SOURCE_PORT_IN_TIME_WAIT };

static struct frame live_segment(struct world *w, __u8 flags)
{
	return frame_tcp(w->family, w->a->live, SOURCE_PORT, w->a->host, 22, flags);
}

static void expect_live(struct world *w, __u8 flags, enum reason reason)
{
	struct frame f = live_segment(w, flags);

	expect(w, &f, reason);
}

/* ---- TCP ---- */

static void packets_of_a_session_pass(struct world *w)
{
	static const __u8 flags[] = { ACK, ACK | PSH, ACK | FIN, RST, RST | ACK, FIN, 0,
				      ACK | URG, SYN | ACK };

	expect_live(w, ACK, REASON_CLOSED);
	session_open(&w->sockets, w->family, w->a, SOURCE_PORT, 22);
	for (size_t i = 0; i < sizeof(flags); i++)
		expect_live(w, flags[i], REASON_SOCKET);
}

static void a_syn_of_a_session_is_closed(struct world *w)
{
	session_open(&w->sockets, w->family, w->a, SOURCE_PORT, 22);
	expect_live(w, SYN, REASON_CLOSED);
	expect_live(w, SYN | RST, REASON_CLOSED);
	expect_live(w, SYN | FIN | PSH | URG, REASON_CLOSED);
}

static void a_session_is_one_pair_of_ports(struct world *w)
{
	struct frame f = live_segment(w, ACK);

	session_open(&w->sockets, w->family, w->a, SOURCE_PORT, 22);
	frame_source_port(&f, SOURCE_PORT + 1);
	expect(w, &f, REASON_CLOSED);
}

static void a_session_is_one_pair_of_addresses(struct world *w)
{
	struct frame f = live_segment(w, ACK);

	session_open(&w->sockets, w->family, w->a, SOURCE_PORT, 22);
	frame_from(&f, w->a->stranger);
	expect(w, &f, REASON_CLOSED);
}

static void packets_of_a_session_pass_in_disguise(struct world *w)
{
	struct frame f = live_segment(w, ACK);

	session_open(&w->sockets, w->family, w->a, SOURCE_PORT, 22);
	frame_tag(&f, 0x8100, 0);
	expect(w, &f, REASON_SOCKET);
	frame_tag(&f, 0x8100, 42);
	expect(w, &f, REASON_SOCKET);
	f = live_segment(w, ACK);
	if (f.family == 4)
		frame_options(&f, 12);
	else
		frame_padding(&f, IPPROTO_HOPOPTS, 16);
	expect(w, &f, REASON_SOCKET);
	f = live_segment(w, ACK);
	frame_fragment(&f, 0, true);
	expect(w, &f, REASON_SOCKET);
}

static void a_session_at_a_listener_of_both_families_passes(struct world *w)
{
	int listener = sockets_keep(&w->sockets, socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
	struct sockaddr_storage any;
	int client, one = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(0, bind(listener, (void *)&any, endpoint(&any, 6, NULL, 22)));
	assert_int_equal(0, listen(listener, 8));
	client = socket_bound(&w->sockets, w->family, SOCK_STREAM, w->a->live, SOURCE_PORT);
	socket_connect(client, w->family, w->a->host, 22);
	sockets_keep(&w->sockets, accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	expect_live(w, ACK, REASON_SOCKET);
	expect_live(w, SYN, REASON_CLOSED);
}

static void a_half_open_connection_passes(struct world *w)
{
	struct frame f = frame_tcp(w->family, w->source, SOURCE_PORT, w->destination, 22, SYN);

	expect(w, &f, REASON_CLOSED);
	socket_listening(&w->sockets, w->family, 22);
	frame_cut(&f, FRAME_TCP);
	frame_seal(&f);
	frame_arrive(&f);
	assert_true(tcp_reaches(w->family, 22, SOURCE_PORT, STATE_SYN_RECV));
	frame_flags(&f, ACK);
	expect(w, &f, REASON_SOCKET);
	frame_flags(&f, RST);
	expect(w, &f, REASON_SOCKET);
	frame_flags(&f, SYN);
	expect(w, &f, REASON_CLOSED);
}

/* Linux opens one of these again on a SYN. */
static void a_connection_in_time_wait_passes_all_but_a_start(struct world *w)
{
	struct session s = session_open(&w->sockets, w->family, w->a, SOURCE_PORT_IN_TIME_WAIT, 22);
	static const struct {
		__u8 flags;
		enum reason reason;
	} rows[] = {
		{ ACK, REASON_SOCKET }, { RST, REASON_SOCKET }, { FIN | ACK, REASON_SOCKET },
		{ SYN, REASON_CLOSED }, { SYN | PSH | ECE | CWR, REASON_CLOSED },
	};

	sockets_finish(&w->sockets, s.server);
	sockets_finish(&w->sockets, s.client);
	assert_true(tcp_reaches(w->family, 22, SOURCE_PORT_IN_TIME_WAIT, STATE_TIME_WAIT));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct frame f = live_segment(w, rows[i].flags);

		frame_source_port(&f, SOURCE_PORT_IN_TIME_WAIT);
		expect(w, &f, rows[i].reason);
	}
}

static void a_listener_passes_nothing(struct world *w)
{
	socket_listening(&w->sockets, w->family, 22);
	expect_live(w, SYN, REASON_CLOSED);
	expect_live(w, ACK, REASON_CLOSED);
	expect_live(w, RST, REASON_CLOSED);
	expect_live(w, FIN, REASON_CLOSED);
}

static void the_answer_to_this_hosts_own_connection_passes(struct world *w)
{
	int fd = socket_bound(&w->sockets, w->family, SOCK_STREAM, w->a->host, 22);
	struct sockaddr_storage remote;
	struct frame f = frame_tcp(w->family, w->a->stranger, 80, w->a->host, 22, SYN | ACK);

	assert_int_equal(0, fcntl(fd, F_SETFL, O_NONBLOCK));
	assert_int_equal(-1, connect(fd, (void *)&remote,
				     endpoint(&remote, w->family, w->a->stranger, 80)));
	assert_int_equal(EINPROGRESS, errno);
	expect(w, &f, REASON_SOCKET);
	frame_flags(&f, RST | ACK);
	expect(w, &f, REASON_SOCKET);
	frame_from(&f, w->a->neighbour);
	expect(w, &f, REASON_CLOSED);
}

/* ---- UDP ---- */

static struct frame answer(struct world *w)
{
	return frame_udp(w->family, w->source, 53, w->destination, 60000);
}

static void a_datagram_to_a_connected_socket_passes(struct world *w)
{
	int fd = socket_bound(&w->sockets, w->family, SOCK_DGRAM, w->a->host, 60000);
	struct frame f = answer(w);

	expect(w, &f, REASON_CLOSED);
	socket_connect(fd, w->family, w->source, 53);
	expect(w, &f, REASON_SOCKET);
	frame_source_port(&f, 54);
	expect(w, &f, REASON_CLOSED);
	f = answer(w);
	frame_from(&f, w->a->neighbour);
	expect(w, &f, REASON_CLOSED);
}

static void a_datagram_to_an_unconnected_socket_is_closed(struct world *w)
{
	struct frame f = answer(w);

	socket_bound(&w->sockets, w->family, SOCK_DGRAM, NULL, 60000);
	expect(w, &f, REASON_CLOSED);
}

static void a_datagram_to_a_group_is_closed_whatever_is_connected(struct world *w)
{
	int fd = socket_bound(&w->sockets, w->family, SOCK_DGRAM, NULL, 60000);
	struct frame f = answer(w);

	socket_connect(fd, w->family, w->source, 53);
	frame_to(&f, w->a->group);
	expect(w, &f, REASON_CLOSED);
}

static void a_socket_bound_to_another_device_passes_nothing(struct world *w)
{
	int fd = socket_bound(&w->sockets, w->family, SOCK_DGRAM, NULL, 60000);
	struct frame f = answer(w);

	/* Connected as if it were on the guarded device, then bound to one or the other. */
	socket_connect(fd, w->family, w->source, 53);
	assert_int_equal(0, setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lan0", 5));
	expect(w, &f, REASON_CLOSED);
	assert_int_equal(0, setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "door0", 6));
	f = frame_udp(w->family, w->source, 53, w->destination, 60000);
	expect(w, &f, REASON_SOCKET);
}

/* ---- live connections are no strays ---- */

static void data_of_a_session_is_no_stray(struct world *w)
{
	struct frame f = frame_tcp(w->family, w->a->live, SOURCE_PORT, w->a->host, 80, ACK);
	struct frame first, second, third;

	w->source = w->a->live;
	first = segment(w, 7000, ACK);
	expect(w, &first, REASON_KNOCK);
	expect(w, &f, REASON_STRAY);

	session_open(&w->sockets, w->family, w->a, SOURCE_PORT, 80);
	first = segment(w, 7000, ACK);
	second = segment(w, 8000, ACK);
	third = segment(w, 9000, ACK);
	expect(w, &first, REASON_KNOCK);
	expect(w, &f, REASON_OTHER);
	expect(w, &second, REASON_KNOCK);
	expect(w, &f, REASON_OTHER);
	expect_noted(w, &third, REASON_KNOCK, note(REASON_OPENED));
}

/* ---- other hosts ---- */

static void forward(struct world *w)
{
	network_forward(true);
	world_look(w);
}

static struct frame elsewhere(struct world *w, struct frame f)
{
	frame_to(&f, w->a->elsewhere);
	return f;
}

static void what_goes_to_another_host_passes_where_this_one_forwards(struct world *w)
{
	struct frame start = elsewhere(w, segment(w, 22, SYN));
	struct frame data = elsewhere(w, segment(w, 22, ACK));
	struct frame f = elsewhere(w, datagram(w, 60000));

	forward(w);
	expect(w, &start, REASON_FORWARDED);
	expect(w, &data, REASON_FORWARDED);
	expect(w, &f, REASON_FORWARDED);
	/* Back to where the gateway is, too. */
	frame_to(&start, w->a->neighbour);
	expect(w, &start, REASON_FORWARDED);
}

static void what_goes_to_this_host_is_closed_where_it_forwards(struct world *w)
{
	struct frame f = datagram(w, 60000);

	forward(w);
	port_closed(w, 22);
	expect(w, &f, REASON_CLOSED);
	/* By another of its addresses, too. */
	w->destination = w->family == 4 ? "203.0.113.1" : "2001:db8:3::1";
	port_closed(w, 22);
	w->destination = w->a->live;
	port_closed(w, 22);
}

static void multicast_is_closed_where_this_host_forwards(struct world *w)
{
	struct frame f = datagram(w, 60000);

	forward(w);
	frame_to(&f, w->a->group);
	expect(w, &f, REASON_CLOSED);
}

static void broadcast_is_closed_where_this_host_forwards(struct world *w)
{
	struct frame f = datagram(w, 60000);

	forward(w);
	frame_to(&f, "192.0.2.255");
	expect(w, &f, REASON_CLOSED);
	frame_to(&f, "255.255.255.255");
	expect(w, &f, REASON_CLOSED);
}

/* Such as a guest that has a device of its own behind the same card. */
static void what_goes_to_another_host_passes_where_this_one_does_not_forward(struct world *w)
{
	struct frame f = elsewhere(w, segment(w, 22, SYN));

	expect(w, &f, REASON_FORWARDED);
	f = elsewhere(w, segment(w, 22, ACK));
	expect(w, &f, REASON_FORWARDED);
}

/* The inner door takes what has our address as its source for this host's own: to a local address
 * that no device has, such as a subnet's anycast one, nobody else would refuse it. */
static void what_seems_to_come_from_this_host_is_closed_wherever_it_goes(struct world *w)
{
	struct frame f;

	w->source = w->destination;
	f = elsewhere(w, segment(w, 22, SYN));
	expect(w, &f, REASON_CLOSED);
	f = elsewhere(w, segment(w, 22, ACK));
	expect(w, &f, REASON_CLOSED);
	f = elsewhere(w, datagram(w, 60000));
	expect(w, &f, REASON_CLOSED);
}

/* It may be an address that this host has but since a moment. */
static void what_goes_to_another_host_is_closed_where_no_inner_door_stands(struct world *w)
{
	struct frame f = elsewhere(w, segment(w, 22, SYN));

	expect(w, &f, REASON_CLOSED);
}

/* It may be a broadcast address of a network that only the routes know. */
static void a_datagram_to_another_address_is_closed(struct world *w)
{
	struct frame f = elsewhere(w, datagram(w, 60000));

	expect(w, &f, REASON_CLOSED);
}

static void forwarding_that_ends_is_noticed(struct world *w)
{
	struct frame f = elsewhere(w, segment(w, 22, SYN));

	forward(w);
	expect(w, &f, REASON_FORWARDED);
	network_forward(false);
	world_look(w);
	expect(w, &f, REASON_CLOSED);
}

static void knocks_to_another_host_do_not_count(struct world *w)
{
	forward(w);
	w->destination = w->a->elsewhere;
	knock_noting(w, "7000,8000:udp,9000", 0);
	w->destination = w->a->host;
	port_closed(w, 22);
	knock_opens(w, "7000,8000:udp,9000");
	port_open(w, 22);
}

static void a_stray_to_another_host_clears_nothing(struct world *w)
{
	struct frame f = elsewhere(w, segment(w, 80, SYN));

	forward(w);
	knock_noting(w, "7000,8000:udp", 0);
	expect(w, &f, REASON_OTHER);
	knock_opens(w, "9000");
}

static void a_knock_to_another_host_clears_nothing(struct world *w)
{
	forward(w);
	knock_noting(w, "7000,8000:udp", 0);
	w->destination = w->a->elsewhere;
	knock_noting(w, "9000,7000", 0);
	w->destination = w->a->host;
	knock_opens(w, "9000");
}

static const struct fixture fixtures[] = {
	{ "packets of a session pass, whatever their flags", &dropping,
	  .run = packets_of_a_session_pass },
	{ "packets of a session pass without an inner door", &outer_alone,
	  .run = packets_of_a_session_pass },
	{ "packets of a session pass in disguise", &dropping,
	  .run = packets_of_a_session_pass_in_disguise },
	{ "a SYN of a session is closed", &dropping, .run = a_syn_of_a_session_is_closed },
	{ "a session is one pair of ports", &dropping, .run = a_session_is_one_pair_of_ports },
	{ "a session is one pair of addresses", &dropping,
	  .run = a_session_is_one_pair_of_addresses },
	{ "a session at a listener of both families passes", &dropping,
	  .run = a_session_at_a_listener_of_both_families_passes },
	{ "a half-open connection passes all but a start", &dropping,
	  .run = a_half_open_connection_passes },
	{ "a connection in TIME_WAIT passes all but a start", &dropping,
	  .run = a_connection_in_time_wait_passes_all_but_a_start },
	{ "a listener passes nothing", &dropping, .run = a_listener_passes_nothing },
	{ "the answer to this host's own connection passes", &dropping,
	  .run = the_answer_to_this_hosts_own_connection_passes },

	{ "a datagram to a connected socket passes", &dropping,
	  .run = a_datagram_to_a_connected_socket_passes },
	{ "a datagram to an unconnected socket is closed", &dropping,
	  .run = a_datagram_to_an_unconnected_socket_is_closed },
	{ "a datagram to a group is closed, whatever is connected", &dropping,
	  .run = a_datagram_to_a_group_is_closed_whatever_is_connected },
	{ "under reset a datagram to a group is closed, whatever is connected", &resetting,
	  .run = a_datagram_to_a_group_is_closed_whatever_is_connected },
	{ "a socket bound to another device passes nothing", &dropping,
	  .run = a_socket_bound_to_another_device_passes_nothing },

	{ "data of a session is no stray", &knocking_by_ack, .run = data_of_a_session_is_no_stray },

	{ "what goes to another host passes where this one forwards", &dropping,
	  .run = what_goes_to_another_host_passes_where_this_one_forwards },
	{ "what goes to this host is closed where it forwards", &dropping,
	  .run = what_goes_to_this_host_is_closed_where_it_forwards },
	{ "multicast is closed where this host forwards", &dropping,
	  .run = multicast_is_closed_where_this_host_forwards },
	{ "under reset multicast is closed where this host forwards", &resetting,
	  .run = multicast_is_closed_where_this_host_forwards },
	{ "broadcast is closed where this host forwards", &dropping,
	  .run = broadcast_is_closed_where_this_host_forwards, .only = 4 },
	{ "under reset broadcast is closed where this host forwards", &resetting,
	  .run = broadcast_is_closed_where_this_host_forwards, .only = 4 },
	{ "what goes to another host passes where this one does not forward", &dropping,
	  .run = what_goes_to_another_host_passes_where_this_one_does_not_forward },
	{ "what seems to come from this host is closed wherever it goes", &dropping,
	  .run = what_seems_to_come_from_this_host_is_closed_wherever_it_goes },
	{ "what goes to another host is closed where no inner door stands", &outer_alone,
	  .run = what_goes_to_another_host_is_closed_where_no_inner_door_stands },
	{ "a datagram to another address is closed", &dropping,
	  .run = a_datagram_to_another_address_is_closed, .only = 4 },
	{ "the end of forwarding is noticed", &outer_alone,
	  .run = forwarding_that_ends_is_noticed },
	{ "knocks to another host do not count", &dropping,
	  .run = knocks_to_another_host_do_not_count },
	{ "a stray to another host clears nothing", &dropping,
	  .run = a_stray_to_another_host_clears_nothing },
	{ "a knock to another host clears nothing", &dropping,
	  .run = a_knock_to_another_host_clears_nothing },
};

int main(int count, char **arguments)
{
	return fixtures_run(arguments[0], count > 1 ? arguments[1] : NULL, fixtures,
			    sizeof(fixtures) / sizeof(*fixtures));
}
