/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The quick way of packet.h held against the one that reads everything. */
#ifndef KNOCKD_TEST_PLAIN_H
#define KNOCKD_TEST_PLAIN_H

#include <string.h>

#include "packet.h"

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
	const __u8 *transport = seen.transport;
	struct source source, destination;
	__be16 ports_be[2];

	if (!transport)
		return true;
	source = plain_source(transport, seen.family);
	destination = plain_destination(transport, seen.family);
	memcpy(ports_be, transport, sizeof(ports_be));
	return result == PACKET_READ && p->proto == seen.proto &&
	       p->source.family == seen.family &&
	       !memcmp(p->source.word_be, source.word_be, sizeof(source.word_be)) &&
	       !memcmp(p->destination_be, destination.word_be, sizeof(p->destination_be)) &&
	       p->source_port_be == ports_be[0] && p->destination_port_be == ports_be[1] &&
	       p->number == bpf_ntohs(ports_be[1]) &&
	       (seen.proto == PROTO_UDP || p->flags == plain_flags(transport));
}

#endif
