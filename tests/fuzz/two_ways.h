/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The quick way of packet.h held against the one that reads everything. */
#ifndef KNOCKD_TEST_TWO_WAYS_H
#define KNOCKD_TEST_TWO_WAYS_H

#include <string.h>

#include "plain.h"

/* What the quick way found. */
struct plain_seen {
	const __u8 *transport; /* NULL: nothing */
	enum proto proto;
	__u16 family;
};

static inline int plain_see(void *ctx, const __u8 *transport, enum proto proto, __u16 family)
{
	*(struct plain_seen *)ctx = (struct plain_seen){ transport, proto, family };
	return 0;
}

static inline struct plain_seen plain_found(const struct cursor *c)
{
	struct plain_seen seen = {};
	struct cursor with = { .data = c->data, .end = c->end, .ctx = &seen };

	plain_way(&with, 0, plain_see);
	return seen;
}

/*
 * Whether what the quick way says of a frame with an Ethernet header is what packet_parse() read:
 * @result and @p. Where it says nothing it is.
 */
static inline bool plain_agrees(const struct cursor *c, enum packet_result result,
				const struct packet *p)
{
	struct plain_seen seen = plain_found(c);
	struct packet plain;

	if (!seen.transport)
		return true;
	plain = plain_packet(seen.transport, seen.proto, seen.family);
	return result == PACKET_READ && !memcmp(&plain, p, sizeof(plain));
}

#endif
