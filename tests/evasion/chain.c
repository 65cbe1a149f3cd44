// SPDX-License-Identifier: GPL-2.0-or-later
/* Mutations of IPv6 extension headers, and packets in packets. */
#include "mutate.h"

#include <string.h>

#include <netinet/in.h>

enum { SEGMENTS_MAX = 6, ROUTE_SEGMENTS = 4, ROUTE_RPL = 3, ROUTE_MOBILE = 2 };

/* A new extension header of @len bytes, zeroed but for its length; NULL when there is no room. */
static uint8_t *chain_add(struct recipe *r, uint8_t type, unsigned int len)
{
	struct extension *e = &r->extension[r->extensions];
	uint8_t *at = r->extension_bytes + r->extension_used;

	if (r->extensions == EXTENSIONS_MAX || r->extension_used + len > EXTENSION_BYTES_MAX)
		return NULL;
	*e = (struct extension){ type, r->extension_used, len };
	r->extensions++;
	r->extension_used += len;
	memset(at, 0, len);
	at[1] = len / 8 - 1;
	return at;
}

/* Options that Linux steps over: padding, of any length. */
static void options_fill(uint8_t *at, unsigned int len)
{
	while (len) {
		unsigned int some = len < 257 ? len : 257;

		/* What is left must not be more than Linux takes for padding: eight bytes. */
		if (len == 1) {
			*at = 0;
			return;
		}
		at[0] = 0x1e; /* to be skipped when unknown */
		at[1] = some - 2;
		memset(at + 2, 0x55, some - 2);
		at += some;
		len -= some;
	}
}

static void chain_options(struct recipe *r, uint8_t type, unsigned int len)
{
	uint8_t *at = chain_add(r, type, len);

	if (at)
		options_fill(at + 2, len - 2);
}

/* A routing header that is used up: Linux steps over it. */
static void chain_route_done(struct recipe *r, struct rng *g)
{
	uint8_t *at = chain_add(r, IPPROTO_ROUTING, 8 + 16 * roll(g, 2));

	if (at)
		at[2] = pick(g, 0, 0, 1, 250);
}

static void chain_any(struct recipe *r, struct rng *g)
{
	if (roll(g, 4))
		chain_options(r, IPPROTO_DSTOPTS, 8 << roll(g, 3));
	else
		chain_route_done(r, g);
}

static void chain_hop(struct recipe *r, struct rng *g)
{
	/* It counts only as the first. */
	if (!r->extensions && !roll(g, 2))
		chain_options(r, IPPROTO_HOPOPTS, 8 << roll(g, 3));
}

void chain_short(struct recipe *r, struct rng *g)
{
	unsigned int count = roll(g, 6);

	chain_hop(r, g);
	do
		chain_any(r, g);
	while (count--);
}

void chain_long(struct recipe *r, struct rng *g)
{
	unsigned int count = 7 + roll(g, 200);
	uint8_t mixed = roll(g, 2);

	chain_hop(r, g);
	while (count--) {
		if (mixed && !roll(g, 3))
			chain_route_done(r, g);
		else
			chain_options(r, IPPROTO_DSTOPTS, 8);
	}
}

void chain_large(struct recipe *r, struct rng *g)
{
	unsigned int count = 1 + roll(g, 4);

	chain_hop(r, g);
	while (count--)
		chain_options(r, IPPROTO_DSTOPTS, 8 * (1 + roll(g, 256)));
}

/* Headers of any kind, order and length, right or not. */
void chain_odd(struct recipe *r, struct rng *g)
{
	unsigned int count = 1 + roll(g, 5);

	while (count--) {
		unsigned int len = 8 * (1 + roll(g, 6));
		uint8_t *at = chain_add(r, pick(g, 0, 43, 44, 50, 51, 59, 60, 60, 60, 135, 139, 140,
						253, 60), len);

		if (!at)
			return;
		if (roll(g, 2))
			options_fill(at + 2, len - 2);
		else
			for (unsigned int i = 2; i < len; i++)
				at[i] = roll(g, 3) ? roll(g, 8) : roll(g, 256);
		if (!roll(g, 3))
			at[1] = roll(g, 2) ? roll(g, 8) : roll(g, 256);
	}
}

void chain_fragmented(struct recipe *r, struct rng *g)
{
	chain_short(r, g);
	r->before_fragment = roll(g, r->extensions + 1);
	if (roll(g, 2))
		chain_any(r, g);
	r->fragmenting = pick(g, FRAGMENT_TRAIN, FRAGMENT_TRAIN, FRAGMENT_TINY, FRAGMENT_ATOMIC);
}

/* Addresses of the host, and one behind it. */
static void segment_put(uint8_t *at, struct rng *g)
{
	static const char *const segment[] = { "2001:db8::1", "2001:db8::9", "2001:db8:7::7",
					       "2001:db8:a::5", "fe80::ff:fe00:1", "2001:db8::2",
					       "ff02::1", "::1" };

	address_put(at, 6, segment[roll(g, roll(g, 3) ? 4 : 8)]);
}

/* A routing header of any type and stage. */
void chain_routing(struct recipe *r, struct rng *g)
{
	unsigned int segments = roll(g, SEGMENTS_MAX);
	uint8_t *at = chain_add(r, IPPROTO_ROUTING, 8 + 16 * segments);

	if (!at)
		return;
	at[2] = pick(g, 0, ROUTE_MOBILE, ROUTE_RPL, ROUTE_SEGMENTS, 1, 5, 6, 253);
	at[3] = roll(g, 3) ? roll(g, segments + 1) : 0;
	for (unsigned int i = 0; i < segments; i++)
		segment_put(at + 8 + 16 * i, g);
	if (segments && at[3] && roll(g, 2)) {
		r->routed = true;
		memcpy(r->final, at + 8 + 16 * (at[2] == ROUTE_SEGMENTS ? 0 : segments - 1), 16);
	}
}

static void inner_set(struct recipe *r, int family, const char *from, const char *to)
{
	r->inner_len = packet_plain(r, family, from, to, r->inner);
	r->inner_type = family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
}

static void inner_any(struct recipe *r, struct rng *g)
{
	static const char *const to4[] = {
		"192.0.2.1", "192.0.2.9", "192.0.2.255", "255.255.255.255", "224.0.0.251",
		"127.0.0.1",
	}, *const to6[] = {
		"2001:db8::1", "2001:db8::9", "ff02::1", "ff02::e:e", "fe80::ff:fe00:1", "::1",
	};

	if (roll(g, 2))
		inner_set(r, 4, "192.0.2.201", to4[roll(g, 6)]);
	else
		inner_set(r, 6, "2001:db8::c1", to6[roll(g, 6)]);
}

/* A segment routing header: on its way over addresses of the host, or with a packet in it. */
void chain_segments(struct recipe *r, struct rng *g)
{
	unsigned int segments = 1 + roll(g, 3);
	uint8_t *at = chain_add(r, IPPROTO_ROUTING, 8 + 16 * segments);

	if (!at)
		return;
	at[2] = ROUTE_SEGMENTS;
	at[3] = roll(g, segments);
	at[4] = segments - 1;
	for (unsigned int i = 0; i < segments; i++)
		segment_put(at + 8 + 16 * i, g);
	r->routed = true;
	memcpy(r->final, at + 8, 16);
	memcpy(r->destination, at + 8 + 16 * at[3], 16);
	if (roll(g, 2))
		inner_any(r, g);
}

/* RFC 2675: no length in the header, one in an option. */
void chain_jumbo(struct recipe *r, struct rng *g)
{
	uint8_t *at;
	uint32_t len = 65536;

	if (r->extensions)
		return;
	at = chain_add(r, IPPROTO_HOPOPTS, 8);
	at[2] = 0xc2;
	at[3] = 4;
	if (roll(g, 2))
		len = 8 + (r->udp ? 8 : 20 + r->tcp_options_len) + r->payload;
	put32(at + 4, len);
	r->length = 0;
	if (roll(g, 3))
		return;
	/* Without the option: what does no length mean? */
	options_fill(at + 2, 6);
}

void chain_authenticated(struct recipe *r, struct rng *g)
{
	uint8_t *at = chain_add(r, IPPROTO_AH, 24);

	if (!at)
		return;
	at[1] = roll(g, 4) ? 4 : roll(g, 8);
	put32(at + 4, 256 + roll(g, 4));
	put32(at + 8, 1);
}

/* A packet in a packet, for hosts that take them apart. */
void encapsulated(struct recipe *r, struct rng *g)
{
	uint8_t packet[256];

	inner_any(r, g);
	if (roll(g, 3))
		return;
	/* GRE */
	memcpy(packet, r->inner, r->inner_len);
	put32(r->inner, r->inner_type == IPPROTO_IPIP ? 0x0800 : 0x86dd);
	memcpy(r->inner + 4, packet, r->inner_len);
	r->inner_len += 4;
	r->inner_type = IPPROTO_GRE;
}
