// SPDX-License-Identifier: GPL-2.0-or-later
/* Mutations of the TCP and UDP headers. */
#include "mutate.h"

#include <string.h>

static void tcp_options_close(struct recipe *r)
{
	while (r->tcp_options_len % 4)
		r->tcp_options[r->tcp_options_len++] = 0;
}

void tcp_flags(struct recipe *r, struct rng *g)
{
	r->flags = roll(g, 256);
	if (!roll(g, 3))
		r->flags |= 0x02;
	r->reserved = roll(g, 16);
	r->ack = r->flags & 0x10 ? rng_next(g) : 0;
	r->urgent = r->flags & 0x20 ? roll(g, 65536) : 0;
}

void tcp_options(struct recipe *r, struct rng *g)
{
	static const struct {
		uint8_t len, bytes[20];
	} option[] = {
		{ 1, { 1 } }, { 4, { 2, 4, 5, 0xb4 } }, { 4, { 2, 4, 0, 0 } }, { 3, { 3, 3, 14 } },
		{ 2, { 4, 2 } }, { 10, { 8, 10, 0, 0, 0, 1 } }, { 2, { 34, 2 } },
		{ 10, { 34, 10, 1, 2, 3, 4, 5, 6, 7, 8 } }, { 18, { 19, 18 } }, { 16, { 29, 16 } },
		{ 4, { 30, 4, 1, 0x81 } }, { 12, { 30, 12, 1, 0x81, 1, 2, 3, 4, 5, 6, 7, 8 } },
		{ 12, { 30, 12, 0x10, 1, 1, 2, 3, 4, 5, 6, 7, 8 } }, { 6, { 254, 6, 0xf9, 0x89 } },
		{ 10, { 5, 10 } },
	};
	unsigned int count = 1 + roll(g, 4);

	while (count--) {
		unsigned int i = roll(g, sizeof(option) / sizeof(*option));

		if (r->tcp_options_len + option[i].len > OPTIONS_MAX)
			break;
		memcpy(r->tcp_options + r->tcp_options_len, option[i].bytes, option[i].len);
		r->tcp_options_len += option[i].len;
	}
	tcp_options_close(r);
	if (!roll(g, 2))
		r->payload = 0;
}

void tcp_options_random(struct recipe *r, struct rng *g)
{
	unsigned int count = 4 + 4 * roll(g, 10);

	while (count-- && r->tcp_options_len < OPTIONS_MAX)
		r->tcp_options[r->tcp_options_len++] = roll(g, 2) ? roll(g, 36) : roll(g, 256);
	tcp_options_close(r);
}

void tcp_offset(struct recipe *r, struct rng *g)
{
	r->data_offset = roll(g, 16);
}

void tcp_numbers(struct recipe *r, struct rng *g)
{
	r->seq = pick(g, 0, -1, 1, 0x7fffffff, 0x7ffffffe);
	r->ack = roll(g, 2) ? rng_next(g) : 0;
	r->window = pick(g, 0, 1, 512, 65535);
	r->urgent = roll(g, 2) ? roll(g, 65536) : 0;
}

void udp_length(struct recipe *r, struct rng *g)
{
	int whole = 8 + r->payload;

	r->udp_length = roll(g, 2) ? pick(g, 0, 1, 7, 8, 9, 12, 65535, 1472) :
				     whole + (int)roll(g, 17) - 8;
}

void transport_checksum(struct recipe *r, struct rng *g)
{
	if (r->udp && roll(g, 2))
		r->no_sum = true;
	else
		r->bad_sum = true;
}

void ports(struct recipe *r, struct rng *g)
{
	r->sport = pick(g, 0, 1, 53, 67, 68, 123, 546, 547, 22, 23, 60000, 60001, 7000, 65535,
			CASE_PORT_FIRST, -1);
	if (r->sport == CASE_PORT_FIRST)
		r->sport = r->dport;
}

void payload(struct recipe *r, struct rng *g)
{
	r->payload = roll(g, pick(g, 2, 9, 64, 1400));
}
