// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The two doors. The outer one (XDP) is fast and drops only what it is sure of; the inner one
 * (sk_lookup) is exact, because the kernel has parsed the packet, and is asked only when the kernel
 * looks for a listening socket. Both read the same grants, flows and trusted sources.
 */
#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "admit.h"
#include "connection.h"
#include "order.h"
#include "packet.h"
#include "progress.h"
#include "socket.h"
#include "verdict.h"

char _license[] SEC("license") = "GPL";

static __always_inline struct cursor frame_cursor(struct xdp_md *ctx)
{
	return (struct cursor){
		.data = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
		.ctx = ctx,
	};
}

/* The walks of packet.h over headers without a bound, each verified once. */
__noinline __u32 packet_skip_tags(struct xdp_md *ctx, __u32 offset)
{
	struct cursor c = frame_cursor(ctx);

	return vlan_walk(&c, offset);
}

__noinline __u32 packet_skip_extensions(struct xdp_md *ctx, __u32 offset, __u32 type, __u32 limit)
{
	struct cursor c = frame_cursor(ctx);

	return extension_walk(&c, offset, type, limit);
}

/* Which table of ports is about the packet's destination: that of this host, or of a Target. */
static __always_inline __u32 packet_class(const struct packet *p)
{
	for (__u32 i = 0; i < KNOCKD_STREAMS_MAX && i < settings.remote_count; i++) {
		const volatile struct source *remote = &settings.remote[i];

		if (remote->family == p->source.family &&
		    remote->word_be[0] == p->destination_be[0] &&
		    remote->word_be[1] == p->destination_be[1] &&
		    remote->word_be[2] == p->destination_be[2] &&
		    remote->word_be[3] == p->destination_be[3])
			return 1 + i;
	}
	return 0;
}

/* What the config says of a port, or NULL where it has none. */
static __always_inline const struct port *port_at(enum proto proto, __u32 number, __u32 class)
{
	__u32 index = class * PORT_COUNT + number +
		      (proto == PROTO_TCP ? 0 : proto == PROTO_UDP ? 65536 : PORT_ICMP_FIRST);

	return bpf_map_lookup_elem(&ports, &index);
}

/* DHCP of either family; its clients have sockets that no lookup finds. */
static __always_inline bool ports_are_dhcp(enum proto proto, __u16 family, __be16 from, __be16 to)
{
	if (proto != PROTO_UDP)
		return false;
	if (family == 4)
		return (from == bpf_htons(67) && to == bpf_htons(68)) ||
		       (from == bpf_htons(68) && to == bpf_htons(67));
	return (from == bpf_htons(547) && to == bpf_htons(546)) ||
	       (from == bpf_htons(546) && to == bpf_htons(547));
}

/* Whether the packet is a knock of @stream, as far as its flags say. */
static __always_inline bool packet_knocks(const struct packet *p, const volatile struct stream *s)
{
	if (!s->used)
		return false;
	if (p->proto == PROTO_TCP)
		return (p->flags & s->mask) == s->value;
	return p->proto == PROTO_UDP || settings.icmp;
}

/* Whether it goes where the stream's doors expect their knocks; @class as of packet_class(). */
static __always_inline bool packet_aims(const struct packet *p, const volatile struct stream *s,
					__u32 class)
{
	if (!s->family)
		return !class;
	return s->family == p->source.family && s->target_be[0] == p->destination_be[0] &&
	       s->target_be[1] == p->destination_be[1] &&
	       s->target_be[2] == p->destination_be[2] &&
	       s->target_be[3] == p->destination_be[3];
}

/* A name for a TCP segment, by which its retransmissions are known. */
static __always_inline __u32 segment_id(const struct packet *p)
{
	__u32 id = ((__u32)p->source_port_be << 16 | p->destination_port_be) * 0x9e3779b1U;

	if (p->proto != PROTO_TCP)
		return 0;
	id = (id ^ p->sequence_be) * 0x85ebca6bU;
	id ^= id >> 16;
	return id ? id : 1;
}

/* Whether a TCP segment with these flags starts a connection. */
static __always_inline bool flags_start(__u8 flags)
{
	return (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* Whether such a packet is a knock of some stream; @flags: of TCP. */
static __always_inline bool flags_knock(enum proto proto, __u8 flags, __u16 family)
{
	__u64 streams = settings.knock_flags;

	if (settings.only_ipv4 && family == 6)
		return false;
	if (proto == PROTO_TCP)
		return streams >> (flags & 0x3f) & 1;
	return streams && (proto == PROTO_UDP || settings.icmp);
}

/* Whether anything of a packet's source can be alive. */
static __always_inline bool source_known(const struct source *source, __u64 now)
{
	return hash_alive(source_hash(&settings.hash_key, source), now);
}

/* Whether the address may be one of this host. */
static __always_inline bool address_maybe_ours(const __be32 word_be[4])
{
	__u32 bit = address_bit(word_be);

	return surroundings.ours[bit / 64 % 64] >> bit % 64 & 1;
}

/* ---- the quick way: plain packets, of which a verdict needs little thought ---- */

enum glance {
	GLANCE_LONG,    /* the long way is the one that can tell */
	GLANCE_OTHER,   /* none of ours */
	GLANCE_CLOSED,  /* a SYN that is refused, and has been counted */
	GLANCE_NAMED,   /* anything else to a port that the config names: see plain_judge() */
};

/* A plain packet to a port that the config does not name is none of ours, unless it is a knock or
 * somebody's stray. */
static __always_inline enum glance other_glance(const __u8 *transport, enum proto proto,
						__u16 family)
{
	const __be16 *ports_be = (const void *)transport;
	struct source source;

	if (proto == PROTO_TCP && settings.other_flags[family == 6] >> plain_flags(transport) & 1)
		return GLANCE_OTHER;
	if (!(settings.plain & PLAIN_OTHER) ||
	    ports_are_dhcp(proto, family, ports_be[0], ports_be[1]))
		return GLANCE_LONG;
	source = plain_source(transport, family);
	return source_known(&source, bpf_jiffies64()) ? GLANCE_LONG : GLANCE_OTHER;
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

/* Whether the packet is refused: its source has nothing, and nobody has to be told. */
static __always_inline bool plain_refused(const struct port *port, const __u8 *transport,
					  __u16 family)
{
	struct source owner = plain_owner(transport, family);
	const __u32 *slot = hash_slot(source_hash(&settings.hash_key, &owner));
	__u64 now = bpf_jiffies64(); /* the entry has no place for it before */

	return slot && !presence_alive(slot, now) && port_refused_quietly(port, now);
}

/* The glance at a plain packet; @ctx is not looked at. */
static __always_inline int plain_glance(void *ctx, const __u8 *transport, enum proto proto,
					__u16 family)
{
	const struct port *port = port_at(proto, bpf_ntohs(((const __be16 *)transport)[1]), 0);

	(void)ctx;
	if (!port)
		return GLANCE_LONG;
	if (!port->named)
		return other_glance(transport, proto, family);
	if (port->symbol)
		return port->guard || !(settings.plain & PLAIN_OTHER) ? GLANCE_LONG : GLANCE_NAMED;
	if (!(settings.plain & PLAIN_GUARDED))
		return GLANCE_LONG;
	if (proto == PROTO_TCP && flags_start(plain_flags(transport)) &&
	    plain_ours(transport, family) && plain_refused(port, transport, family))
		return GLANCE_CLOSED;
	return GLANCE_NAMED;
}

/* ---- the long way: anything ---- */

/* Whether @source, of stream 0, is an address of this host. */
__noinline int source_is_ours(const struct source *source)
{
	struct source address;

	if (!source)
		return false;
	address = *source;
	return !!bpf_map_lookup_elem(&addresses, &address);
}

static __always_inline bool destination_is_ours(const struct packet *p)
{
	struct source address = { .family = p->source.family };

	__builtin_memcpy(address.word_be, p->destination_be, sizeof(address.word_be));
	return bpf_map_lookup_elem(&addresses, &address);
}

/*
 * Whether the packet is for another host: one that this host forwards to, or a guest behind the
 * same card with an address of its own. An address that the filter does not know yet is no way in:
 * the inner door is asked, but not about datagrams to IPv4 addresses, which may be broadcast, and
 * it lets what has our address as its source go by.
 */
static __always_inline bool packet_is_foreign(struct xdp_md *ctx, const struct packet *p)
{
	if (p->group)
		return false;
	if (settings.inner && (p->proto != PROTO_UDP || p->source.family == 6) &&
	    !address_maybe_ours(p->destination_be) &&
	    !source_is_ours(&p->source))
		return true;
	return surroundings.forwarding && destination_elsewhere(ctx, p);
}

/*
 * Count the packet in each stream in which it is a knock, or with no symbol a stray; whether one
 * cleared progress. Strays to a socket of this host do not count, nor does anything to other hosts
 * that are no Target.
 */
__noinline int packet_count(struct xdp_md *ctx, const struct packet *p, __u32 symbol, __u64 now)
{
	struct knock knock = { .now = now, .symbol = symbol };
	bool cleared = false;
	__u32 class;

	if (!p)
		return false;
	class = packet_class(p);
	if (!class && packet_is_foreign(ctx, p))
		return false;
	if (!symbol && !class && p->proto != PROTO_ICMP && socket_lookup(ctx, p) != SOCKET_NONE)
		return false;
	knock.hash = source_hash(&settings.hash_key, &p->source);
	for (__u32 i = 0; i < KNOCKD_STREAMS_MAX && i < settings.stream_count; i++) {
		if (!packet_knocks(p, &settings.stream[i]) ||
		    !packet_aims(p, &settings.stream[i], class))
			continue;
		knock.source = p->source;
		knock.source.stream = i;
		knock.root = settings.stream[i].root;
		knock.id = segment_id(p);
		cleared |= !!progress_knock(&knock);
	}
	return cleared;
}

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

/* ---- plain packets to ports that the config names ---- */

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
	int socket = family == 4 ?
		     tuple_socket(ctx, proto, transport - 8, TUPLE_SIZE4) :
		     tuple_socket(ctx, proto, transport - 32, TUPLE_SIZE6);

	return socket_connected(socket);
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
	struct packet p = plain_packet(transport, PROTO_UDP, family);
	__u64 now = bpf_jiffies64();
	int reason = packet_flow_judge(&p, FLOW_DATAGRAM, port->area, now);

	if (reason != REASON_CLOSED)
		return reason;
	if (p.group)
		return -1;
	if (plain_connected(ctx, transport, PROTO_UDP, family))
		return REASON_SOCKET;
	return plain_close(port, transport, family, now);
}

/* A knock, as far as it is one, at a port that is not protected. */
static __always_inline int plain_knock(struct xdp_md *ctx, const struct port *port,
				       const __u8 *transport, enum proto proto, __u16 family)
{
	struct packet p = plain_packet(transport, proto, family);

	if (ports_are_dhcp(proto, family, p.source_port_be, p.destination_port_be))
		return -1;
	if (!p.group && flags_knock(proto, p.flags, family))
		packet_count(ctx, &p, port->symbol, bpf_jiffies64());
	return REASON_KNOCK;
}

static __always_inline int plain_named(void *ctx, const __u8 *transport, enum proto proto,
				       __u16 family)
{
	const struct port *port = port_at(proto, bpf_ntohs(((const __be16 *)transport)[1]), 0);

	if (!port)
		return -1;
	if (port->symbol)
		return plain_knock(ctx, port, transport, proto, family);
	return proto == PROTO_TCP ? plain_segment(ctx, port, transport, family) :
				    plain_datagram(ctx, port, transport, family);
}

/* The reason for the verdict on what the glance calls NAMED; −1 where the long way must tell. */
__noinline int plain_judge(struct xdp_md *ctx)
{
	struct cursor c = frame_cursor(ctx);

	return plain_way(&c, -1, plain_named);
}

/* ---- and any others ---- */

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
	return p->proto == PROTO_TCP || p->source.family == 6 ||
	       destination_is_ours(p);
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

/* A function of its own: what frame_glance() tells pays nothing for it. */
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
	return source_known(&p.source, now) && packet_count(ctx, &p, 0, now) ? REASON_STRAY :
									   REASON_OTHER;
}

SEC("xdp")
int knockd_outer(struct xdp_md *ctx)
{
	struct cursor c = frame_cursor(ctx);
	int glance = plain_way(&c, GLANCE_LONG, plain_glance), reason;

	if (glance == GLANCE_OTHER)
		return verdict_xdp(REASON_OTHER);
	if (glance == GLANCE_CLOSED)
		return verdict_xdp(REASON_CLOSED);
	reason = glance == GLANCE_NAMED ? plain_judge(ctx) : -1;
	return verdict_xdp(reason < 0 ? packet_judge(ctx) : reason);
}

/*
 * A config on trial: until it is confirmed each door has a program that looks at the time first.
 * Past it the config before judges, and where there is none, nobody.
 */
static __always_inline bool trial_over(void)
{
	const volatile struct trial_term *t = table(&trial);
	__u64 until = t ? t->until : 0;

	return until && until <= bpf_jiffies64();
}

SEC("xdp")
int knockd_outer_trial(struct xdp_md *ctx)
{
	if (trial_over()) {
		bpf_tail_call(ctx, &former_outer, 0);
		return verdict_xdp(REASON_UNCONFIRMED);
	}
	return verdict_xdp(packet_judge(ctx));
}

/* ---- the inner door ---- */

/* The connection that the kernel looks a listening socket up for, as the outer door knows it. */
static __always_inline struct packet lookup_packet(const struct bpf_sk_lookup *ctx)
{
	struct packet p = {
		.source_port_be = ctx->remote_port,
		.destination_port_be = bpf_htons(ctx->local_port),
		.number = ctx->local_port,
		.proto = ctx->protocol == IPPROTO_TCP ? PROTO_TCP :
			 ctx->protocol == IPPROTO_UDP ? PROTO_UDP : PROTO_NONE,
		.source.family = ctx->family == ADDRESS_FAMILY_IPV4 ? 4 : 6,
	};

	if (p.source.family == 4) {
		p.source.word_be[0] = ctx->remote_ip4;
		p.destination_be[0] = ctx->local_ip4;
		/* The context takes constant offsets only: the two branches must not become one. */
		asm volatile("");
	} else {
		p.source.word_be[0] = ctx->remote_ip6[0];
		p.source.word_be[1] = ctx->remote_ip6[1];
		p.source.word_be[2] = ctx->remote_ip6[2];
		p.source.word_be[3] = ctx->remote_ip6[3];
		p.destination_be[0] = ctx->local_ip6[0];
		p.destination_be[1] = ctx->local_ip6[1];
		p.destination_be[2] = ctx->local_ip6[2];
		p.destination_be[3] = ctx->local_ip6[3];
	}
	return p;
}

static __always_inline enum reason lookup_judge(struct bpf_sk_lookup *ctx)
{
	struct packet p = lookup_packet(ctx);
	__u32 device = ctx->ingress_ifindex;
	const struct port *port = p.proto == PROTO_NONE ? NULL : port_at(p.proto, p.number, 0);
	__u64 now;

	if (!port || !port->guard || !bpf_map_lookup_elem(&guarded, &device))
		return REASON_INNER_OTHER;
	now = bpf_jiffies64();
	if (source_trusted(&p.source, port->area))
		return REASON_INNER_TRUSTED;
	if (p.proto == PROTO_TCP) {
		if (admit_connection(&p, SOCKET_NONE, port->area, now))
			return REASON_INNER_GRANTED;
	} else {
		switch (packet_flow_judge(&p, FLOW_DATAGRAM, port->area, now)) {
		case REASON_FLOW:
			return REASON_INNER_FLOW;
		case REASON_GRANTED:
			return REASON_INNER_GRANTED;
		default:
			break;
		}
	}
	/* From one of our addresses: this host to itself, or the outer door has refused it. */
	if (source_is_ours(&p.source))
		return REASON_INNER_OTHER;
	port_refused(port, &p.source, p.proto, p.number, REASON_INNER_CLOSED, now);
	return REASON_INNER_CLOSED;
}

/* Whether the outer door only wants to know which sockets there are. */
static __always_inline bool lookup_is_ours(void)
{
	const __u32 *asking = table(&looking);

	return asking && *asking;
}

SEC("sk_lookup")
int knockd_inner(struct bpf_sk_lookup *ctx)
{
	return lookup_is_ours() ? SK_PASS : verdict_sk_lookup(lookup_judge(ctx));
}

SEC("sk_lookup")
int knockd_inner_trial(struct bpf_sk_lookup *ctx)
{
	if (lookup_is_ours())
		return SK_PASS;
	if (trial_over()) {
		bpf_tail_call(ctx, &former_inner, 0);
		return verdict_sk_lookup(REASON_UNCONFIRMED);
	}
	return verdict_sk_lookup(lookup_judge(ctx));
}

/* ---- for the daemon and knockctl ---- */

/* What the programs' clock shows, so that the daemon can tell it in its own. */
SEC("syscall")
int knockd_clock(struct clock_reading *reading)
{
	reading->jiffies = bpf_jiffies64();
	reading->monotonic_ns = bpf_ktime_get_ns();
	return 0;
}

/* An order of an administrator; returns enum order_result. */
SEC("syscall")
int knockd_order(struct order_form *form)
{
	return order_obey(form);
}
