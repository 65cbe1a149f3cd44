// SPDX-License-Identifier: GPL-2.0-or-later
/* The kinds of mutations: frames, addresses, ports, IPv4. Those of IPv6 chains are in chain.c. */
#include "mutate.h"

#include <string.h>

#include <linux/if_ether.h>
#include <netinet/in.h>

static void plain(struct recipe *r, struct rng *g)
{
	(void)r;
	(void)g;
}

/* ---- the frame ---- */

static void tags_add(struct recipe *r, struct rng *g, unsigned int count, unsigned int vid)
{
	while (count-- && r->tags < TAGS_MAX) {
		r->tag[r->tags].tpid = pick(g, ETH_P_8021Q, ETH_P_8021AD);
		r->tag[r->tags++].tci = roll(g, 16) << 12 | vid;
	}
}

static void tags_few(struct recipe *r, struct rng *g)
{
	tags_add(r, g, 1 + roll(g, 2), 0);
}

static void tags_many(struct recipe *r, struct rng *g)
{
	tags_add(r, g, 3 + roll(g, pick(g, 4, 30, 58)), 0);
}

static void tags_numbered(struct recipe *r, struct rng *g)
{
	tags_add(r, g, roll(g, 3), 0);
	tags_add(r, g, 1, pick(g, 1, 5, 4094, 4095));
	tags_add(r, g, roll(g, 3), 0);
}

static void tags_odd(struct recipe *r, struct rng *g)
{
	tags_add(r, g, roll(g, 3), 0);
	if (r->tags < TAGS_MAX) {
		r->tag[r->tags].tpid = pick(g, 0x9100, 0x9200, 0x9300, ETH_P_MPLS_UC, ETH_P_IP,
					    ETH_P_IPV6, 0x8100, 4, 0x88e7);
		r->tag[r->tags++].tci = roll(g, 2) ? 0 : rng_next(g);
	}
	tags_add(r, g, roll(g, 3), 0);
}

static void framing(struct recipe *r, struct rng *g)
{
	r->framing = pick(g, FRAMING_SNAP, FRAMING_LLC, FRAMING_RAW);
	if (!roll(g, 3))
		tags_add(r, g, 1 + roll(g, 3), 0);
}

static void ethertype(struct recipe *r, struct rng *g)
{
	r->ethertype = pick(g, ETH_P_IP, ETH_P_IPV6, ETH_P_ARP, ETH_P_PPP_SES, ETH_P_MPLS_UC, 0,
			    ETH_P_802_3, ETH_P_ALL, ETH_P_LOOP, ETH_P_TEB, 0x22f3, 0x05ff, 0x0600);
}

static void padded(struct recipe *r, struct rng *g)
{
	r->pad = 1 + roll(g, pick(g, 4, 20, 200, 1500));
}

static void cut_off(struct recipe *r, struct rng *g)
{
	r->cut = 1 + roll(g, pick(g, 8, 70, 100));
}

static void mac(struct recipe *r, struct rng *g)
{
	static const uint8_t macs[][6] = {
		{ 255, 255, 255, 255, 255, 255 }, { 1, 0, 0x5e, 0, 0, 1 },
		{ 0x33, 0x33, 0, 0, 0, 1 }, { 1, 0x80, 0xc2, 0, 0, 0 }, { 2, 0, 0, 0, 0, 9 }, { 0 },
	};

	memcpy(r->mac, macs[roll(g, sizeof(macs) / 6)], 6);
	if (!roll(g, 4))
		memcpy(r->source_mac, macs[roll(g, sizeof(macs) / 6)], 6);
}

/* ---- the IP header ---- */

static void header(struct recipe *r, struct rng *g)
{
	r->tos = roll(g, 256);
	r->ttl = pick(g, 0, 1, 2, 63, 128, 255);
	r->label = roll(g, 2) ? roll(g, 1 << 20) : 0;
	r->fragment_bits = pick(g, 0, 0x4000, 0x8000, 0xc000);
}

static void version(struct recipe *r, struct rng *g)
{
	if (roll(g, 2))
		r->version = roll(g, 16);
	else
		r->header_len = roll(g, 16);
}

static void length(struct recipe *r, struct rng *g)
{
	switch (roll(g, 4)) {
	case 0:
		r->length = pick(g, 0, 1, 19, 20, 21, 28, 39, 40, 41, 60, 1500, 65535);
		break;
	case 1:
		r->length_change = -(int)(1 + roll(g, 100));
		break;
	case 2:
		r->length_change = 1 + roll(g, 100);
		break;
	default: /* of the header's end, more or less */
		r->length_change = -(int)r->payload + (int)roll(g, 9) - 4;
	}
}

/* More is there than the header states: Linux cuts it off. */
static void length_less(struct recipe *r, struct rng *g)
{
	unsigned int less = 1 + roll(g, r->payload ? r->payload : 1);

	if (less > r->payload)
		return;
	r->payload -= less;
	r->pad += less;
}

static void protocol(struct recipe *r, struct rng *g)
{
	r->protocol = pick(g, 0, 1, 2, 4, 6, 17, 33, 41, 43, 44, 46, 47, 50, 51, 58, 59, 60, 108,
			   132, 135, 136, 137, 139, 140, 253, 255, -2);
	if (r->protocol == -2)
		r->protocol = roll(g, 256);
}

static void ip_sum(struct recipe *r, struct rng *g)
{
	(void)g;
	r->bad_ip_sum = true;
}

static void destination(struct recipe *r, struct rng *g)
{
	static const char *const to4[] = {
		"192.0.2.255", "192.0.2.0", "255.255.255.255", "0.0.0.0", "127.0.0.1",
		"127.1.2.3", "224.0.0.1", "224.0.0.251", "239.1.2.3", "192.0.2.9", "198.51.100.7",
		"203.0.113.77", "192.0.2.77", "198.51.100.8", "240.0.0.1",
	}, *const to6[] = {
		"fe80::ff:fe00:1", "2001:db8::9", "2001:db8:7::7", "2001:db8:a::77", "ff02::1",
		"ff01::1", "ff02::e:e", "ff05::e:e", "ff0e::e:e", "ff02::1:ff00:1", "::1", "::",
		"::ffff:192.0.2.1", "2001:db8::", "fe80::", "2001:db8::77", "::192.0.2.1",
		"ff00::1",
	};
	unsigned int count = r->family == 4 ? sizeof(to4) / sizeof(*to4) :
					      sizeof(to6) / sizeof(*to6);
	const char *text = (r->family == 4 ? to4 : to6)[roll(g, count)];

	address_put(r->destination, r->family, text);
	if (r->routed || roll(g, 3))
		return;
	/* As it would come over the wire. */
	if (r->family == 6 && r->destination[0] == 0xff) {
		memcpy(r->mac, "\x33\x33", 2);
		memcpy(r->mac + 2, r->destination + 12, 4);
	} else if (r->family == 4 && r->destination[0] >> 4 == 14) {
		memcpy(r->mac, "\1\0\x5e", 3);
		memcpy(r->mac + 3, r->destination + 1, 3);
	} else if (r->family == 4 && (r->destination[3] == 255 || !r->destination[3])) {
		memset(r->mac, 0xff, 6);
	}
}

static void source(struct recipe *r, struct rng *g)
{
	static const char *const from4[] = {
		"192.0.2.1", "192.0.2.9", "127.0.0.1", "0.0.0.0", "255.255.255.255", "192.0.2.255",
		"224.0.0.1", "192.0.2.2", "192.0.2.201", "198.51.100.7", "203.0.113.5", "240.0.0.1",
		"169.254.1.1",
	}, *const from6[] = {
		"2001:db8::1", "::1", "::", "fe80::c1", "fe80::ff:fe00:1", "ff02::1", "2001:db8::2",
		"2001:db8::c1", "::ffff:10.0.0.1", "::ffff:192.0.2.1", "::10.0.0.1",
		"2001:db8:7::7", "2001:db8:a::5", "2002:a00:1::1",
	};
	unsigned int count = r->family == 4 ? sizeof(from4) / sizeof(*from4) :
					      sizeof(from6) / sizeof(*from6);

	address_put(r->source, r->family, (r->family == 4 ? from4 : from6)[roll(g, count)]);
}

static void addresses(struct recipe *r, struct rng *g)
{
	source(r, g);
	destination(r, g);
}

/* ---- IPv4 options ---- */

static void option_add(struct recipe *r, const uint8_t *bytes, unsigned int len)
{
	if (r->options_len + len > OPTIONS_MAX)
		return;
	memcpy(r->options + r->options_len, bytes, len);
	r->options_len += len;
}

static void options_close(struct recipe *r)
{
	while (r->options_len % 4)
		r->options[r->options_len++] = 0;
}

static void options4(struct recipe *r, struct rng *g)
{
	static const struct {
		uint8_t len, bytes[40];
	} option[] = {
		{ 1, { 1 } }, { 4, { 1, 1, 1, 1 } }, { 4, { 148, 4 } }, { 11, { 130, 11 } },
		{ 7, { 7, 7, 4 } }, { 11, { 7, 11, 4 } }, { 12, { 68, 12, 5 } },
		{ 8, { 68, 8, 9 } }, { 4, { 136, 4, 0, 1 } }, { 4, { 158, 4 } },
		{ 12, { 134, 12, 0, 0, 0, 1, 2, 6 } },
		{ 7, { 131, 7, 8, 192, 0, 2, 9 } }, { 7, { 137, 7, 8, 192, 0, 2, 9 } },
		{ 20, { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 } },
	};
	unsigned int count = 1 + roll(g, 3);

	while (count--) {
		unsigned int i = roll(g, sizeof(option) / sizeof(*option));

		option_add(r, option[i].bytes, option[i].len);
	}
	options_close(r);
}

static void options4_random(struct recipe *r, struct rng *g)
{
	unsigned int count = 4 + 4 * roll(g, 10);

	while (count-- && r->options_len < OPTIONS_MAX)
		r->options[r->options_len++] = roll(g, 3) ? roll(g, 12) : roll(g, 256);
	options_close(r);
}

/* A source route over addresses of the host, at any stage. */
static void source_route(struct recipe *r, struct rng *g)
{
	static const char *const hop[] = { "192.0.2.1", "192.0.2.9", "198.51.100.7", "203.0.113.5",
					   "127.0.0.1", "192.0.2.2", "192.0.2.255" };
	unsigned int hops = 1 + roll(g, 4);
	uint8_t option[3 + 16] = { pick(g, 131, 137), 3 + hops * 4, 4 + 4 * roll(g, hops + 1) };

	for (unsigned int i = 0; i < hops; i++)
		address_put(option + 3 + i * 4, 4, hop[roll(g, roll(g, 3) ? 4 : 7)]);
	option_add(r, option, 3 + hops * 4);
	options_close(r);
	/* The transport checksum is over the last address of the route. */
	if (option[2] < option[1] && roll(g, 4)) {
		r->routed = true;
		memcpy(r->final, option + 3 + (hops - 1) * 4, 4);
	}
}

/* ---- fragments ---- */

static void fragments(struct recipe *r, struct rng *g)
{
	(void)g;
	r->fragmenting = FRAGMENT_TRAIN;
}

static void fragments_tiny(struct recipe *r, struct rng *g)
{
	(void)g;
	r->fragmenting = FRAGMENT_TINY;
}

static void fragments_odd(struct recipe *r, struct rng *g)
{
	r->fragmenting = pick(g, FRAGMENT_OVERLAP, FRAGMENT_REPEAT, FRAGMENT_HOLE, FRAGMENT_ODD,
			      FRAGMENT_ODD);
}

static void fragment_atomic(struct recipe *r, struct rng *g)
{
	(void)g;
	r->fragmenting = FRAGMENT_ATOMIC;
}

/* ---- anything ---- */

static void spoilt(struct recipe *r, struct rng *g)
{
	r->flips = roll(g, 9);
	r->words = roll(g, 4);
	r->mended = roll(g, 4);
}

static void large(struct recipe *r, struct rng *g)
{
	r->payload = 1000 + roll(g, PAYLOAD_MAX - 1000);
}

enum { F4 = 1, F6 = 2, FB = 3, T = 1, U = 2, TU = 3 };

static const struct kind {
	const char *name;
	void (*mutate)(struct recipe *r, struct rng *g);
	unsigned int families, protocols;
	bool reaches; /* without knockd, one in fifty or more gets through */
} kinds[] = {
	{ "plain", plain, FB, TU, true },
	{ "tags", tags_few, FB, TU, true },
	{ "many tags", tags_many, FB, TU, true },
	{ "tags with a VID", tags_numbered, FB, TU, false },
	{ "odd tags", tags_odd, FB, TU, false },
	{ "LLC", framing, FB, TU, false },
	{ "ethertype", ethertype, FB, TU, true },
	{ "padded", padded, FB, TU, true },
	{ "cut off", cut_off, FB, TU, false },
	{ "MAC", mac, FB, TU, true },
	{ "IP header", header, FB, TU, true },
	{ "version", version, FB, TU, true },
	{ "length", length, FB, TU, false },
	{ "length and trailer", length_less, FB, TU, true },
	{ "protocol", protocol, FB, TU, false },
	{ "IP checksum", ip_sum, F4, TU, false },
	{ "destination", destination, FB, TU, true },
	{ "source", source, FB, TU, true },
	{ "addresses", addresses, FB, TU, true },
	{ "IPv4 options", options4, F4, TU, true },
	{ "random IPv4 options", options4_random, F4, TU, true },
	{ "source route", source_route, F4, TU, true },
	{ "fragments", fragments, FB, TU, true },
	{ "tiny fragments", fragments_tiny, FB, TU, true },
	{ "odd fragments", fragments_odd, FB, TU, true },
	{ "atomic fragment", fragment_atomic, F6, TU, true },
	{ "chain", chain_short, F6, TU, true },
	{ "long chain", chain_long, F6, TU, true },
	{ "large chain", chain_large, F6, TU, true },
	{ "odd chain", chain_odd, F6, TU, false },
	{ "chain in fragments", chain_fragmented, F6, TU, true },
	{ "routing header", chain_routing, F6, TU, true },
	{ "segment routing", chain_segments, F6, TU, false },
	{ "jumbogram", chain_jumbo, F6, TU, true },
	{ "AH", chain_authenticated, FB, TU, false },
	{ "packet in a packet", encapsulated, FB, TU, false },
	{ "TCP flags", tcp_flags, FB, T, true },
	{ "TCP options", tcp_options, FB, T, true },
	{ "random TCP options", tcp_options_random, FB, T, true },
	{ "data offset", tcp_offset, FB, T, true },
	{ "numbers", tcp_numbers, FB, T, true },
	{ "UDP length", udp_length, FB, U, true },
	{ "checksum", transport_checksum, FB, TU, true },
	{ "ports", ports, FB, TU, true },
	{ "payload", payload, FB, TU, true },
	{ "large", large, FB, TU, true },
	{ "spoilt", spoilt, FB, TU, true },
};

unsigned int kind_count(void)
{
	return sizeof(kinds) / sizeof(*kinds);
}

const char *kind_name(unsigned int kind)
{
	return kinds[kind].name;
}

bool kind_reaches(unsigned int kind)
{
	return kinds[kind].reaches;
}

bool kind_fits(unsigned int kind, int family, bool udp)
{
	return kinds[kind].families & (family == 4 ? F4 : F6) &&
	       kinds[kind].protocols & (udp ? U : T);
}

void recipe_mutate(struct recipe *r, unsigned int kind, struct rng *g)
{
	kinds[kind].mutate(r, g);
}
