/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The long way: whatever frame it is, the reason for its verdict. */
#ifndef KNOCKD_JUDGE_H
#define KNOCKD_JUDGE_H

#include "flow.h"
#include "knock.h"
#include "verdict.h"

/* A TCP segment to a protected port. Only a grant admits what starts a connection: the lookup
 * finds TIME_WAIT sockets too, which Linux opens again on a SYN. */
static __always_inline enum reason segment_judge(struct xdp_md *ctx, const struct packet *p,
						 const struct port *port, __u64 now)
{
	bool starts = flags_start(p->flags);
	int socket = SOCKET_NONE;

	if (!starts || settings.connections)
		socket = socket_lookup(ctx, p);
	if (!starts && settings.connections && socket == SOCKET_TALKS)
		return packet_flow_judge(p, FLOW_TALKS, port->area, now);
	if (!starts && socket_connected(socket))
		return REASON_SOCKET;
	if (admit_connection(p, socket, port->area, now))
		return REASON_GRANTED;
	/* A connection bound to a stacked device is not found from here. Without a SYN nothing
	 * starts, but by a SYN cookie, and that the inner door judges. */
	if (!starts && surroundings.stacked && settings.inner)
		return REASON_SOCKET_UNSEEN;
	return REASON_CLOSED;
}

/* A UDP datagram to a protected port. */
static __always_inline enum reason datagram_judge(struct xdp_md *ctx, const struct packet *p,
						  const struct port *port, __u64 now)
{
	enum reason reason = packet_flow_judge(p, FLOW_DATAGRAM, port->area, now);

	if (reason == REASON_CLOSED && !p->group && socket_connected(socket_lookup(ctx, p)))
		return REASON_SOCKET;
	return reason;
}

/*
 * A packet to a protected port of another host, a Target, that this one forwards to. It has no
 * socket here: flows stand for its conversations. Only a grant admits what starts one.
 */
__noinline int remote_judge(const struct packet *p, __u32 area, __u64 now)
{
	if (!p)
		return REASON_CLOSED;
	/* Nor does a SYN that is refused end a flow: anybody may send it. */
	if (p->proto == PROTO_TCP && flags_start(p->flags) &&
	    !admit_by_grant(&p->source, area, now))
		return REASON_CLOSED;
	return packet_flow_judge(p, FLOW_DATAGRAM, area, now);
}

/*
 * Whether the inner door would refuse the packet. The kernel does not ask it about datagrams to
 * broadcast and multicast addresses; which of IPv4's are broadcast only the routes tell, so there
 * the destination must be an address of this host. And it leaves this host's own connections to
 * itself alone, which a packet from outside that has our address as its source would seem to be.
 */
static __always_inline bool packet_refusable(const struct packet *p)
{
	if (!settings.inner || p->group || source_is_ours(&p->source))
		return false;
	return p->proto == PROTO_TCP || p->source.family == 6 || destination_is_ours(p);
}

/* CLOSED, or under Closed = reset what lets the kernel refuse the packet. */
static __always_inline enum reason closed_reason(const struct packet *p, __u64 now)
{
	if (settings.closed != CLOSED_RESET || !packet_refusable(p))
		return REASON_CLOSED;
	return limit_take(LIMIT_REFUSALS, now, REFUSALS_PER_SECOND) ? REASON_CLOSED_HANDED_ON :
								      REASON_CLOSED_OVER_LIMIT;
}

static __always_inline enum reason protected_judge(struct xdp_md *ctx, const struct packet *p,
						   const struct port *port, __u32 class, __u64 now)
{
	enum reason reason;

	if (source_trusted(&p->source, port->area))
		return REASON_TRUSTED;
	if (class)
		reason = remote_judge(p, port->area, now);
	else if (p->proto == PROTO_TCP)
		reason = segment_judge(ctx, p, port, now);
	else
		reason = datagram_judge(ctx, p, port, now);
	if (reason != REASON_CLOSED && reason != REASON_CLOSED_UNPAID)
		return reason;
	if (!class && reason == REASON_CLOSED && packet_is_foreign(ctx, p))
		return REASON_FORWARDED;
	if (!class && reason == REASON_CLOSED)
		reason = closed_reason(p, now);
	/* What is handed on the inner door refuses, and counts. */
	if (reason != REASON_CLOSED_HANDED_ON)
		port_refused(port, &p->source, p->proto, p->number, reason, now);
	return reason;
}

/*
 * What cannot be read to its port goes to the inner door, where that stands and will be asked.
 * Where this host forwards that may be to another host, whose ports are not ours to guard unless a
 * door's Target names it.
 */
static __always_inline enum reason unreadable_judge(const struct packet *p,
						    enum packet_result result)
{
	if (result == PACKET_UNREADABLE && settings.inner && !p->group && !packet_class(p) &&
	    !source_is_ours(&p->source))
		return REASON_UNREADABLE_HANDED_ON;
	return REASON_UNREADABLE;
}

/* Whether the frame begins with an Ethernet header, else with that of IP. */
static __always_inline bool frame_is_ethernet(const struct xdp_md *ctx)
{
	__u32 device;

	if (settings.frames != FRAMES_MIXED)
		return settings.frames == FRAMES_ETHERNET;
	device = ctx->ingress_ifindex;
	for (int i = 0; i < KNOCKD_INTERFACES_MAX && surroundings.ip[i]; i++)
		if (surroundings.ip[i] == device)
			return false;
	return true;
}

/* A function of its own: what the quick way tells pays nothing for it. */
__noinline int packet_judge(struct xdp_md *ctx)
{
	struct cursor c = frame_cursor(ctx);
	struct packet p = {};
	enum packet_result result = packet_parse(&c, frame_is_ethernet(ctx), &p);
	const struct port *port;
	__u32 class;
	bool knocks;
	__u64 now;

	if (result == PACKET_OTHER)
		return REASON_OTHER;
	if (result == PACKET_LATER)
		return REASON_FRAGMENT;
	if (result == PACKET_SHORT)
		return REASON_FRAGMENT_SHORT;
	if (result != PACKET_READ)
		return unreadable_judge(&p, result);

	class = packet_class(&p);
	port = port_at(p.proto, p.number, class);
	if (!port)
		return REASON_OTHER;
	knocks = !p.group && flags_knock(p.proto, p.flags, p.source.family);
	if (!port->guard && !knocks)
		return port->symbol ? REASON_KNOCK : REASON_OTHER;
	if (!port->guard && ports_are_dhcp(p.proto, p.source.family, p.source_port_be,
					   p.destination_port_be))
		return REASON_DHCP;
	now = bpf_jiffies64();
	if (port->symbol && knocks)
		packet_count(ctx, &p, port->symbol, now);
	if (port->guard)
		return protected_judge(ctx, &p, port, class, now);
	if (port->symbol)
		return REASON_KNOCK;
	return packet_count(ctx, &p, 0, now) ? REASON_STRAY : REASON_OTHER;
}

#endif
