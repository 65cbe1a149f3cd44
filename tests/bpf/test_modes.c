// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What holds for a whole config: IPv4 alone, and how the frames of its devices begin.
 */
#include "harness.h"

#define OPTIONS SMALL_TABLES

#define SSH                                                                                        \
	"[ssh]\n"                                                                                  \
	"	Sequence = 7000,8000:udp,4:icmp\n"                                                 \
	"	Open = 22, 60000-60010:udp\n"

#define TRUSTED                                                                                    \
	"[web]\n"                                                                                  \
	"	Sequence = 1000,2000\n"                                                            \
	"	Open = 80\n"                                                                       \
	"	Trust = 2001:db8:3::200, 203.0.113.200\n"

static const struct setup only_ipv4 = { .conf = OPTIONS SSH TRUSTED, .only_ipv4 = true };
static const struct setup both_families = { .conf = OPTIONS SSH TRUSTED };
static const struct setup mixed = { .conf = OPTIONS SSH, .mixed = true };

/* ---- IPv4 alone ---- */

static size_t progress_count(const struct world *w)
{
	int map = w->generation.map[MAP_progress];
	__u64 key, next;
	const void *last = NULL;
	size_t count = 0;

	while (!bpf_map_get_next_key(map, last, &next)) {
		key = next;
		last = &key;
		count++;
	}
	return count;
}

static void a_knock_of_ipv6_does_nothing(struct world *w)
{
	static const char *const knocks[] = { "7000", "8000:udp", "4:icmp" };

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 3; i++) {
			char *end;
			struct frame f = knock_frame(w, knocks[i], &end);

			expect(w, &f, REASON_KNOCK);
		}
	}
	assert_int_equal(0, progress_count(w));
	events_read(w);
	assert_int_equal(0, w->events);
	port_closed(w, 22);
}

static void ports_stay_closed_to_ipv6(struct world *w)
{
	static const __u8 flags[] = { SYN, ACK, SYN | ACK, FIN, RST, 0 };
	struct frame f;

	for (size_t i = 0; i < sizeof(flags); i++) {
		f = segment(w, 22, flags[i]);
		expect(w, &f, REASON_CLOSED);
	}
	f = datagram(w, 60000);
	expect(w, &f, REASON_CLOSED);
	f = segment(w, 443, SYN);
	expect(w, &f, REASON_OTHER);
	w->source = w->a->trusted;
	f = segment(w, 80, SYN);
	expect(w, &f, REASON_TRUSTED);
}

static void sessions_of_ipv6_live_on(struct world *w)
{
	struct frame f = frame_tcp(w->family, w->a->live, 50000, w->a->host, 22, ACK);

	session_open(&w->sockets, w->family, w->a, 50000, 22);
	expect(w, &f, REASON_SOCKET);
}

static void the_inner_door_stays_closed_to_ipv6(struct world *w)
{
	struct bpf_sk_lookup l = lookup(w, IPPROTO_TCP, 22);

	knock(w, "7000,8000:udp,4:icmp");
	lookup_expect(w, &l, REASON_INNER_CLOSED);
}

static void an_order_opens_to_ipv6(struct world *w)
{
	struct order_form form = { .order = ORDER_OPEN, .source = { .family = w->family },
				   .time = 10 * w->hz, .who = "root" };
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &form, .ctx_size_in = sizeof(form));

	address_read((void *)form.source.word_be, w->source, w->family);
	assert_int_equal(0, bpf_prog_test_run_opts(w->generation.order, &options));
	port_open(w, 22);
}

static void knocks_open(struct world *w)
{
	port_closed(w, 22);
	knock_opens(w, "7000,8000:udp,4:icmp");
	port_open(w, 22);
}

static void strays_clear(struct world *w)
{
	struct frame f = segment(w, 443, SYN);

	knock_noting(w, "7000,8000:udp", 0);
	expect(w, &f, REASON_STRAY);
	knock_noting(w, "4:icmp", 0);
	port_closed(w, 22);
}

/* What IPv6 sends clears nobody's knocks of IPv4: they are other sources. */
static void strays_of_ipv6_leave_ipv4_alone(struct world *w)
{
	struct frame f = frame_tcp(6, addresses6.stranger, 40000, addresses6.host, 443, SYN);

	knock_noting(w, "7000,8000:udp", 0);
	expect(w, &f, REASON_OTHER);
	f = frame_tcp(6, "::ffff:198.51.100.77", 40000, addresses6.host, 443, SYN);
	expect(w, &f, REASON_OTHER);
	knock_opens(w, "4:icmp");
}

/* ---- frames of several kinds ---- */

/* Let frames begin with the IP header on these devices. */
static void bare_on(struct world *w, const __u32 *device, size_t count)
{
	struct surroundings now;
	__u32 key = 0;

	assert_int_equal(0, bpf_map_lookup_elem(w->generation.map[MAP_surroundings], &key, &now));
	memset(now.ip, 0, sizeof(now.ip));
	memcpy(now.ip, device, count * sizeof(*device));
	assert_int_equal(0, bpf_map_update_elem(w->generation.map[MAP_surroundings], &key, &now,
						BPF_ANY));
}

static void expect_from(struct world *w, const char *device, const struct frame *f,
			enum reason reason)
{
	w->ingress = if_nametoindex(device);
	expect(w, f, reason);
	w->ingress = w->device;
}

static void each_device_has_its_frames(struct world *w)
{
	__u32 lan = if_nametoindex("lan0");
	struct frame whole = segment(w, 22, SYN), bare = whole;

	frame_bare(&bare);
	expect_from(w, "door0", &whole, REASON_CLOSED);
	expect_from(w, "lan0", &whole, REASON_CLOSED);
	bare_on(w, &lan, 1);
	expect_from(w, "door0", &whole, REASON_CLOSED);
	expect_from(w, "lan0", &bare, REASON_CLOSED);
	/* What is no frame of the device is nothing that it could receive. */
	expect_from(w, "door0", &bare, REASON_OTHER);
	bare_on(w, &w->device, 1);
	expect_from(w, "door0", &bare, REASON_CLOSED);
	expect_from(w, "lan0", &whole, REASON_CLOSED);
}

static void devices_are_found_anywhere_in_the_list(struct world *w)
{
	struct frame bare = segment(w, 22, SYN);
	__u32 devices[KNOCKD_INTERFACES_MAX], lan = if_nametoindex("lan0");

	frame_bare(&bare);
	for (int place = 0; place < KNOCKD_INTERFACES_MAX; place++) {
		for (int i = 0; i < KNOCKD_INTERFACES_MAX; i++)
			devices[i] = i == place ? lan : 1000U + i;
		bare_on(w, devices, place + 1);
		expect_from(w, "lan0", &bare, REASON_CLOSED);
		bare_on(w, devices, place);
		expect_from(w, "lan0", &bare, REASON_OTHER);
	}
}

static void knocks_on_all_devices_are_one_sequence(struct world *w)
{
	__u32 lan = if_nametoindex("lan0");
	struct frame first = segment(w, 7000, SYN), second = datagram(w, 8000), third = echo(w, 4);
	struct frame start = segment(w, 22, SYN);

	bare_on(w, &lan, 1);
	frame_bare(&second);
	expect_from(w, "door0", &first, REASON_KNOCK);
	expect_from(w, "lan0", &second, REASON_KNOCK);
	w->ingress = w->device;
	expect_noted(w, &third, REASON_KNOCK, note(REASON_OPENED));
	expect_from(w, "door0", &start, REASON_GRANTED);
	frame_bare(&start);
	expect_from(w, "lan0", &start, REASON_GRANTED);
}

static const struct fixture fixtures[] = {
	{ "with IPv4 alone a knock of IPv6 does nothing", &only_ipv4,
	  .run = a_knock_of_ipv6_does_nothing, .only = 6 },
	{ "with IPv4 alone ports stay closed to IPv6", &only_ipv4,
	  .run = ports_stay_closed_to_ipv6, .only = 6 },
	{ "with IPv4 alone sessions of IPv6 live on", &only_ipv4, .run = sessions_of_ipv6_live_on,
	  .only = 6 },
	{ "with IPv4 alone the inner door stays closed to IPv6", &only_ipv4,
	  .run = the_inner_door_stays_closed_to_ipv6, .only = 6 },
	{ "with IPv4 alone an order opens to IPv6", &only_ipv4, .run = an_order_opens_to_ipv6,
	  .only = 6 },
	{ "with IPv4 alone knocks of IPv4 open", &only_ipv4, .run = knocks_open, .only = 4 },
	{ "with both families knocks open", &both_families, .run = knocks_open },
	{ "with IPv4 alone strays of IPv4 clear", &only_ipv4, .run = strays_clear, .only = 4 },
	{ "with both families strays clear", &both_families, .run = strays_clear },
	{ "with IPv4 alone strays of IPv6 leave IPv4 alone", &only_ipv4,
	  .run = strays_of_ipv6_leave_ipv4_alone, .only = 4 },

	{ "each device has its frames", &mixed, .run = each_device_has_its_frames },
	{ "devices are found anywhere in the list", &mixed,
	  .run = devices_are_found_anywhere_in_the_list },
	{ "knocks on all devices are one sequence", &mixed,
	  .run = knocks_on_all_devices_are_one_sequence },
};

int main(int count, char **arguments)
{
	return fixtures_run(arguments[0], count > 1 ? arguments[1] : NULL, fixtures,
			    sizeof(fixtures) / sizeof(*fixtures));
}
