/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What only the kernel knows: which sockets this host has, and which destinations are its own. */
#ifndef KNOCKD_SOCKET_H
#define KNOCKD_SOCKET_H

#include "maps.h"
#include "packet.h"

/* Socket states as struct bpf_sock shows them (include/net/tcp_states.h). */
enum {
	SOCKET_ESTABLISHED = 1,
	SOCKET_SYN_RECV = 3,
	SOCKET_TIME_WAIT = 6,
	SOCKET_LISTEN = 10,
	SOCKET_NEW_SYN_RECV = 12,
};

enum { ADDRESS_FAMILY_IPV4 = 2, ADDRESS_FAMILY_IPV6 = 10 };

/* Source, destination, and the two ports. */
enum { TUPLE_SIZE4 = 12, TUPLE_SIZE6 = 36 };

static __always_inline __u32 packet_tuple(const struct packet *p, struct bpf_sock_tuple *tuple)
{
	if (p->source.family == 4) {
		tuple->ipv4.saddr = p->source.word_be[0];
		tuple->ipv4.daddr = p->destination_be[0];
		tuple->ipv4.sport = p->source_port_be;
		tuple->ipv4.dport = p->destination_port_be;
		return TUPLE_SIZE4;
	}
	__builtin_memcpy(tuple->ipv6.saddr, p->source.word_be, sizeof(tuple->ipv6.saddr));
	__builtin_memcpy(tuple->ipv6.daddr, p->destination_be, sizeof(tuple->ipv6.daddr));
	tuple->ipv6.sport = p->source_port_be;
	tuple->ipv6.dport = p->destination_port_be;
	return TUPLE_SIZE6;
}

enum socket_kind {
	SOCKET_NONE,
	SOCKET_LISTENS, /* for anybody */
	SOCKET_BEGINS,  /* TCP, half open */
	SOCKET_TALKS,   /* TCP in any other state; UDP that is connected */
	SOCKET_ENDED,   /* TCP, TIME_WAIT */
};

/* Whether the socket is of one conversation. */
static __always_inline bool socket_connected(int kind)
{
	return kind >= SOCKET_BEGINS;
}

static __always_inline enum socket_kind segment_socket(__u32 state)
{
	switch (state) {
	case SOCKET_LISTEN:
		return SOCKET_LISTENS;
	case SOCKET_SYN_RECV:
	case SOCKET_NEW_SYN_RECV:
		return SOCKET_BEGINS;
	case SOCKET_TIME_WAIT:
		return SOCKET_ENDED;
	default:
		return SOCKET_TALKS;
	}
}

/*
 * What socket of this host a TCP or UDP packet would meet: enum socket_kind.
 * @tuple, @size: its addresses and ports, as bpf_skc_lookup_tcp() wants them
 */
static __always_inline int tuple_socket(struct xdp_md *ctx, enum proto proto, const void *tuple,
					__u32 size)
{
	__u32 state, *flag = table(&looking);
	struct bpf_sock *socket;

	if (!flag)
		return SOCKET_NONE;
	*flag = 1;
	if (proto == PROTO_TCP) {
		socket = bpf_skc_lookup_tcp(ctx, (void *)tuple, size, BPF_F_CURRENT_NETNS, 0);
		*flag = 0;
		if (!socket)
			return SOCKET_NONE;
		state = socket->state;
		bpf_sk_release(socket);
		return segment_socket(state);
	}
	socket = bpf_sk_lookup_udp(ctx, (void *)tuple, size, BPF_F_CURRENT_NETNS, 0);
	*flag = 0;
	if (!socket)
		return SOCKET_NONE;
	state = socket->state;
	/* The two kinds of socket pointer must not meet in one instruction. */
	asm volatile("" : "+r"(state));
	bpf_sk_release(socket);
	return state == SOCKET_ESTABLISHED ? SOCKET_TALKS : SOCKET_LISTENS;
}

/** socket_lookup() - tuple_socket() of a packet. */
__noinline int socket_lookup(struct xdp_md *ctx, const struct packet *p)
{
	struct bpf_sock_tuple tuple = {};

	return p ? tuple_socket(ctx, p->proto, &tuple, packet_tuple(p, &tuple)) : SOCKET_NONE;
}

/**
 * destination_elsewhere() - Whether this host would forward the packet to another.
 *
 * A packet in a VLAN is looked up as if it had come in on the device itself: where only the VLAN's
 * device forwards, it counts as ours.
 */
__noinline int destination_elsewhere(struct xdp_md *ctx, const struct packet *p)
{
	struct bpf_fib_lookup fib = { .ifindex = ctx->ingress_ifindex };
	long result;

	if (!p)
		return false;
	fib.l4_protocol = p->proto == PROTO_UDP ? IPPROTO_UDP : IPPROTO_TCP;
	if (p->source.family == 4) {
		fib.family = ADDRESS_FAMILY_IPV4;
		fib.tos = p->tos;
		fib.ipv4_src = p->source.word_be[0];
		fib.ipv4_dst = p->destination_be[0];
	} else {
		fib.family = ADDRESS_FAMILY_IPV6;
		__builtin_memcpy(fib.ipv6_src, p->source.word_be, sizeof(fib.ipv6_src));
		__builtin_memcpy(fib.ipv6_dst, p->destination_be, sizeof(fib.ipv6_dst));
	}
	/* No length: whether it fits the way out is not the question. */
	result = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	switch (result) {
	case BPF_FIB_LKUP_RET_SUCCESS:
	case BPF_FIB_LKUP_RET_BLACKHOLE:
	case BPF_FIB_LKUP_RET_UNREACHABLE:
	case BPF_FIB_LKUP_RET_PROHIBIT:
	case BPF_FIB_LKUP_RET_UNSUPP_LWT:
	case BPF_FIB_LKUP_RET_NO_NEIGH:
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		return true;
	default:
		return false;
	}
}

#endif
