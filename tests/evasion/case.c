// SPDX-License-Identifier: GPL-2.0-or-later
/* A seed and a number → a recipe → a case. */
#include "recipe.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

const struct port_set ports_guarded = { { 22, 23 }, { 60000, 60001, 67, 546 } };
const struct port_set ports_unused = { { 88, 89 }, { 61300, 61301, 1099, 1801 } };

/* The sources, one a case: 10.0.0.0/8 and 2001:db8:e::/64, less what may not be a host. */
static const uint8_t prefix6[12] = { 0x20, 0x01, 0x0d, 0xb8, 0, 0x0e };

/* SplitMix64. */
uint64_t rng_next(struct rng *g)
{
	uint64_t z = g->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

uint32_t roll(struct rng *g, uint32_t sides)
{
	return (rng_next(g) >> 32) * sides >> 32;
}

void address_put(uint8_t *at, int family, const char *text)
{
	if (inet_pton(family == 6 ? AF_INET6 : AF_INET, text, at) != 1)
		abort();
}

static void source_put(uint8_t *at, int family, uint32_t index)
{
	if (family == 4) {
		put32(at, 0x0a000000 | (index + 1));
		return;
	}
	memcpy(at, prefix6, sizeof(prefix6));
	put32(at + 12, index + 1);
}

uint32_t case_index(int family, const uint8_t *address)
{
	uint32_t number = 0;

	if (family == 4) {
		if (address[0] != 10)
			return UINT32_MAX;
		number = address[1] << 16 | address[2] << 8 | address[3];
	} else {
		if (memcmp(address, prefix6, sizeof(prefix6)))
			return UINT32_MAX;
		for (int i = 12; i < 16; i++)
			number = number << 8 | address[i];
	}
	return number - 1;
}

static void recipe_begin(struct recipe *r, uint32_t index, const struct approach *approach,
			 struct rng *g)
{
	static const uint8_t client_mac[6] = { 2, 0, 0, 0, 0, 2 };

	memset(r, 0, sizeof(*r));
	r->index = index;
	memcpy(r->mac, approach->vxlan ? approach->vxlan_mac : approach->mac, sizeof(r->mac));
	memcpy(r->source_mac, client_mac, sizeof(client_mac));
	r->ethertype = r->version = r->header_len = r->length = r->protocol = AS_IT_IS;
	r->data_offset = r->udp_length = AS_IT_IS;
	r->ttl = 64;
	r->sport = CASE_PORT_FIRST + index % CASE_PORTS;
	r->seq = rng_next(g);
	r->flags = 0x02;
	r->window = 64240;
	r->payload = 64;
}

static void recipe_aim(struct recipe *r, const struct port_set *ports, struct rng *g)
{
	unsigned int udp = pick(g, 0, 0, 0, 0, 1, 1, 2, 3), tcp = pick(g, 0, 0, 0, 1);

	r->dport = r->udp ? ports->udp[udp] : ports->tcp[tcp];
	source_put(r->source, r->family, r->index);
	address_put(r->destination, r->family, r->family == 4 ? "192.0.2.1" : "2001:db8::1");
}

void case_make(uint64_t seed, uint32_t index, const struct port_set *ports,
	       const struct approach *approach, struct evasion_case *c)
{
	static struct recipe r;
	struct rng g = { seed * 0xd1342543de82ef95ULL + index };
	unsigned int kind = index % kind_count();

	recipe_begin(&r, index, approach, &g);
	do {
		r.family = pick(&g, 4, 6);
		r.udp = roll(&g, 2);
	} while (!kind_fits(kind, r.family, r.udp));
	recipe_aim(&r, ports, &g);
	c->index = index;
	c->mutations = 0;
	c->mutation[c->mutations++] = kind;
	recipe_mutate(&r, kind, &g);
	while (c->mutations < MUTATIONS_MAX && !roll(&g, 2)) {
		do
			kind = roll(&g, kind_count());
		while (!kind_fits(kind, r.family, r.udp));
		c->mutation[c->mutations++] = kind;
		recipe_mutate(&r, kind, &g);
	}
	r.late.state = rng_next(&g);
	c->family = r.family;
	c->udp = r.udp;
	c->sport = r.sport;
	c->dport = r.dport;
	c->count = c->used = 0;
	recipe_build(&r, approach, c);
}
