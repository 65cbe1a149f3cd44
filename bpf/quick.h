/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The quick way: plain packets, which is nearly all of them, and verdicts that need little thought.
 * What it says the long way (judge.h) would say too; where more has to be asked it says nothing.
 */
#ifndef KNOCKD_QUICK_H
#define KNOCKD_QUICK_H

#include "flow.h"
#include "knock.h"
#include "plain.h"
#include "verdict.h"

/* A plain packet to a port that the config does not name is none of ours, unless it is a knock or
 * somebody's stray. */
static __always_inline int other_glance(const __u8 *transport, enum proto proto, __u16 family)
{
	const __be16 *ports_be = (const void *)transport;
	struct source source;

	if (proto == PROTO_TCP && settings.other_flags[family == 6] >> plain_flags(transport) & 1)
		return REASON_OTHER;
	if (!(settings.plain & PLAIN_OTHER) ||
	    ports_are_dhcp(proto, family, ports_be[0], ports_be[1]))
		return -1;
	source = plain_source(transport, family);
	return hash_alive(PRESENCE_PROGRESS, source_hash(&settings.hash_key, &source),
			  bpf_jiffies64()) ? -1 : (int)REASON_OTHER;
}

/* Whether the packet's destination may be of this host, and of no other. */
static __always_inline bool plain_ours(const __u8 *transport, __u16 family)
{
	struct source destination = plain_destination(transport, family);

	return !surroundings.forwarding && address_maybe_ours(destination.word_be);
}

/* Who owns the grants of the packet's source. */
static __always_inline struct source plain_owner(const __u8 *transport, __u16 family)
{
	struct source source = plain_source(transport, family);

	return source_owner(&source);
}

/* The flow that the packet is of. */
static __always_inline struct flow_entry plain_flow(const __u8 *transport, enum proto proto,
						    __u16 family)
{
	struct source source = plain_source(transport, family);
	struct source destination = plain_destination(transport, family);
	const __be16 *ports_be = (const void *)transport;

	return flow_of(&source, destination.word_be, ports_be[0], ports_be[1], proto);
}

/* Whether the packet is refused: its source has nothing, and nobody has to be told. */
static __always_inline bool plain_refused(const struct port *port, const __u8 *transport,
					  __u16 family)
{
	struct source owner = plain_owner(transport, family);
	__u64 hash = source_hash(&settings.hash_key, &owner);
	__u64 now = bpf_jiffies64(); /* the entry has no place for it before */

	return !hash_alive(PRESENCE_GRANTS, hash, now) && port_refused_quietly(port, now);
}

/* REASON_CLOSED for a plain packet that nothing admits, or −1. */
static __always_inline int plain_close(const struct port *port, const __u8 *transport,
				       __u16 family, __u64 now)
{
	return plain_ours(transport, family) && port_refused_quietly(port, now) ?
		       (int)REASON_CLOSED : -1;
}

/* The addresses and ports stand in the packet as a lookup of a socket wants them. */
static __always_inline bool plain_connected(struct xdp_md *ctx, const __u8 *transport,
					    enum proto proto, __u16 family)
{
	const __u8 *tuple = plain_addresses(transport, family);

	return socket_connected(tuple_socket(ctx, proto, tuple,
					     family == 4 ? TUPLE_SIZE4 : TUPLE_SIZE6));
}

/* See segment_judge(). */
static __always_inline int plain_segment(struct xdp_md *ctx, const struct port *port,
					 const __u8 *transport, __u16 family)
{
	bool starts = flags_start(plain_flags(transport));
	__u64 now = bpf_jiffies64(), hash;
	struct source owner;

	if (!starts && plain_connected(ctx, transport, PROTO_TCP, family))
		return REASON_SOCKET;
	owner = plain_owner(transport, family);
	if (source_present(&owner, now, &hash) &&
	    cell_admitting(&owner, hash, port->area, now) >= 0)
		return REASON_GRANTED;
	return !starts && surroundings.stacked ? -1 : plain_close(port, transport, family, now);
}

/* See datagram_judge(). */
static __always_inline int plain_datagram(struct xdp_md *ctx, const struct port *port,
					  const __u8 *transport, __u16 family)
{
	struct source owner = plain_owner(transport, family);
	__u64 now = bpf_jiffies64(), hash;

	if (source_present(&owner, now, &hash)) {
		struct flow_entry flow = plain_flow(transport, PROTO_UDP, family);
		enum reason reason = flow_admitted(&owner, hash, &flow, port->area, now);

		if (reason != REASON_CLOSED)
			return reason;
	}
	if (plain_group(transport, family))
		return -1;
	if (plain_connected(ctx, transport, PROTO_UDP, family))
		return REASON_SOCKET;
	return plain_close(port, transport, family, now);
}

/* A knock, as far as it is one, at a port that is not protected. */
static __always_inline int plain_knock(const struct port *port, const __u8 *transport,
				       enum proto proto, __u16 family)
{
	struct packet p = plain_packet(transport, proto, family);
	struct knock k;

	if (ports_are_dhcp(proto, family, p.source_port_be, p.destination_port_be))
		return -1;
	if (p.group || !flags_knock(proto, p.flags, family))
		return REASON_KNOCK;
	if (!plain_ours(transport, family))
		return -1;
	k = knock_of(&p.source, port->symbol, bpf_jiffies64());
	knock_count(&p, &k, 0);
	return REASON_KNOCK;
}

/* To a port that only knocks go to. */
static __always_inline int knock_glance(struct xdp_md *ctx, const struct port *port,
					const __u8 *transport, enum proto proto, __u16 family)
{
	(void)ctx;
	if (port->guard || !(settings.plain & PLAIN_OTHER))
		return -1;
	return plain_knock(port, transport, proto, family);
}

/* To a port that the config protects, but for the SYNs of a flood. */
static __always_inline int guarded_glance(struct xdp_md *ctx, const struct port *port,
					  const __u8 *transport, enum proto proto, __u16 family)
{
	if (!(settings.plain & PLAIN_GUARDED))
		return -1;
	return proto == PROTO_TCP ? plain_segment(ctx, port, transport, family) :
				    plain_datagram(ctx, port, transport, family);
}

/*
 * Functions, for their frames: a chain of calls has 512 bytes of stack, and the entry begins the
 * longest. One for each kind of packet: what the kind decides is decided by the compiler.
 */
#define KIND_FUNCTION(name, glance, proto, family)                                                 \
	static __noinline int name(struct xdp_md *ctx, const struct port *port,                    \
				   const __u8 *transport)                                          \
	{                                                                                          \
		return glance(ctx, port, transport, proto, family);                                \
	}

#define KIND_FUNCTIONS(name, glance)                                                               \
	KIND_FUNCTION(name##_tcp4, glance, PROTO_TCP, 4)                                           \
	KIND_FUNCTION(name##_tcp6, glance, PROTO_TCP, 6)                                           \
	KIND_FUNCTION(name##_udp4, glance, PROTO_UDP, 4)                                           \
	KIND_FUNCTION(name##_udp6, glance, PROTO_UDP, 6)                                           \
	static __always_inline int name(struct xdp_md *ctx, const struct port *port,               \
					const __u8 *transport, enum proto proto, __u16 family)     \
	{                                                                                          \
		if (proto == PROTO_TCP)                                                            \
			return family == 4 ? name##_tcp4(ctx, port, transport) :                   \
					     name##_tcp6(ctx, port, transport);                    \
		return family == 4 ? name##_udp4(ctx, port, transport) :                           \
				     name##_udp6(ctx, port, transport);                            \
	}

KIND_FUNCTIONS(to_knock, knock_glance)
KIND_FUNCTIONS(to_guarded, guarded_glance)

/* The glance at a plain packet: the reason for its verdict, or −1 where the long way must tell. */
static __always_inline int plain_glance(void *ctx, const __u8 *transport, enum proto proto,
					__u16 family)
{
	const struct port *port = port_at(proto, bpf_ntohs(((const __be16 *)transport)[1]), 0);

	if (!port)
		return -1;
	if (!port->named)
		return other_glance(transport, proto, family);
	if (port->symbol)
		return to_knock(ctx, port, transport, proto, family);
	if (proto == PROTO_TCP && settings.plain & PLAIN_GUARDED &&
	    flags_start(plain_flags(transport)) && plain_ours(transport, family) &&
	    plain_refused(port, transport, family))
		return REASON_CLOSED;
	return to_guarded(ctx, port, transport, proto, family);
}

#endif
