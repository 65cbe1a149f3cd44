/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet as one of a flow. */
#ifndef KNOCKD_FLOW_H
#define KNOCKD_FLOW_H

#include "connection.h"
#include "socket.h"

/* The flow of a packet from @source, from one port to another. */
static __always_inline struct flow_entry flow_of(const struct source *source,
						 const __be32 destination_be[4], __be16 from_be,
						 __be16 to_be, enum proto proto)
{
	struct flow_entry e = { .state.flow = {
		.source_port_be = from_be,
		.destination_port_be = to_be,
		.family = source->family,
		.proto = proto,
	} };
	struct flow *flow = &e.state.flow;

	__builtin_memcpy(flow->source_be, source->word_be, sizeof(flow->source_be));
	__builtin_memcpy(flow->destination_be, destination_be, sizeof(flow->destination_be));
	/* Read where it lies: the compiler would keep another copy on the stack, word by word. */
	asm volatile("" : "+m"(e));
	e.name = flow_name(&settings.hash_key, flow);
	return e;
}

/* What is asked of flows about a packet: may this datagram pass, this connection begin, go on? */
enum flow_question { FLOW_DATAGRAM, FLOW_BEGINS, FLOW_TALKS };

__noinline int packet_flow_judge(const struct packet *p, __u32 question, __u32 area, __u64 now)
{
	struct source owner;
	struct flow_entry flow;
	__u64 hash;

	if (!p)
		return REASON_CLOSED;
	owner = source_owner(&p->source);
	if (!source_present(&owner, now, &hash))
		return question == FLOW_TALKS ? REASON_SOCKET : REASON_CLOSED;
	flow = flow_of(&p->source, p->destination_be, p->source_port_be, p->destination_port_be,
		       p->proto);
	if (question == FLOW_DATAGRAM)
		return flow_admitted(&owner, hash, &flow, area, now);
	if (!settings.connections)
		return REASON_CLOSED;
	return question == FLOW_BEGINS ? connection_admitted(&owner, hash, &flow, area, now) :
					 connection_settle(&owner, hash, &flow, area, now);
}

/*
 * A TCP connection to a port of a door that may count them begins, as far as anybody can tell. One
 * whose socket talks already was sent again, and counted before.
 */
static __always_inline bool admit_connection(const struct packet *p, int socket, __u32 area,
					     __u64 now)
{
	if (!settings.connections || socket == SOCKET_TALKS)
		return admit_by_grant(&p->source, area, now);
	return packet_flow_judge(p, FLOW_BEGINS, area, now) == REASON_GRANTED;
}

#endif
