/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet as one of a flow. */
#ifndef KNOCKD_FLOW_H
#define KNOCKD_FLOW_H

#include "connection.h"
#include "socket.h"

/* The packet's addresses and ports as flows know them. */
static __always_inline struct flow packet_flow(const struct packet *p)
{
	struct flow flow = {
		.source_port_be = p->source_port_be,
		.destination_port_be = p->destination_port_be,
		.family = p->source.family,
		.proto = p->proto,
	};

	__builtin_memcpy(flow.source_be, p->source.word_be, sizeof(flow.source_be));
	__builtin_memcpy(flow.destination_be, p->destination_be, sizeof(flow.destination_be));
	return flow;
}

/* What is asked of flows about a packet: may this datagram pass, this connection begin, go on? */
enum flow_question { FLOW_DATAGRAM, FLOW_BEGINS, FLOW_TALKS };

__noinline int packet_flow_judge(const struct packet *p, __u32 question, __u32 area, __u64 now)
{
	struct source owner;
	struct flow flow;
	__u64 hash;

	if (!p)
		return REASON_CLOSED;
	owner = source_owner(&p->source);
	if (!source_present(&owner, now, &hash))
		return question == FLOW_TALKS ? REASON_SOCKET : REASON_CLOSED;
	flow = packet_flow(p);
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
