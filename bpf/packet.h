/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes → struct packet, or the reason why not. All bounds checks of packet bytes are here.
 *
 * The cursor is an offset from the first byte, never a moving pointer, so that one comparison
 * against the end proves each access. A header must lie within the frame and within the length
 * that the IP header states: Linux cuts padding off before it reads on, and so do we. What is read
 * is what Linux reads (net/ipv4/ip_input.c, net/ipv6/ip6_input.c, net/ipv6/exthdrs.c).
 *
 * The two walks of unbounded headers are global functions of the BPF program: the verifier checks
 * each once, and the way of a plain packet never meets them. The same file builds natively.
 */
#ifndef KNOCKD_PACKET_H
#define KNOCKD_PACKET_H

#include <stdbool.h>

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>

#include "knockd/abi.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

enum {
	PACKET_OFFSET_MAX = 0x1fff, /* no header is looked for beyond */
	PACKET_TAGS_MAX = 32,       /* VLAN tags; Linux strips any number with VID 0 */
	PACKET_HEADERS_MAX = 192,   /* IPv6 extension headers: more than an Ethernet frame holds */
};

/* Echo requests (RFC 792, RFC 4443); the kernel's headers for them need those of libc. */
enum { ICMP_ECHO_REQUEST = 8, ICMP6_ECHO_REQUEST = 128 };

enum packet_fragment { PACKET_WHOLE, PACKET_FIRST_FRAGMENT, PACKET_LATER_FRAGMENT };

struct packet {
	struct source source;
	__be32 destination_be[4];
	__be16 source_port_be;
	__be16 destination_port_be;
	__u32 number;     /* destination port, or code of an ICMP echo request */
	__be32 sequence_be; /* TCP */
	__u8 proto;       /* enum proto; PROTO_NONE: nothing that has a port or is a knock */
	__u8 flags;       /* TCP: FIN SYN RST PSH ACK URG from bit 0 */
	__u8 tos;         /* IPv4 */
	bool group;       /* to a broadcast or multicast address */
};

enum {
	TCP_SYN = 0x02,
	TCP_ACK = 0x10,
};

enum packet_result {
	PACKET_READ,           /* all of struct packet holds */
	PACKET_OTHER,          /* not IP, or a protocol without ports and knocks */
	PACKET_LATER,          /* a fragment that is not the first */
	PACKET_SHORT,          /* a first fragment without its whole transport header */
	PACKET_UNREADABLE,     /* too many headers, or they are cut off or contradict themselves */
	PACKET_UNREADABLE_TAGS, /* the same, before an address could be read */
};

struct cursor {
	const void *data;
	const void *end;
	void *ctx; /* of the BPF program, for its global functions */
};

/* @len bytes at @offset, or NULL when the frame does not have them. */
static __always_inline const void *cursor_at(const struct cursor *c, __u32 offset, __u32 len)
{
	const void *at;

	if (offset > PACKET_OFFSET_MAX)
		return NULL;
	at = c->data + offset;
	/* The pointer that is compared must be the one that is used, or the proof is lost. */
	asm volatile("" : "+r"(at));
	return at + len <= c->end ? at : NULL;
}

/* What a walk over headers found, packed into the one number that a global function returns. */
#define WALK_FAILED (~0U)
enum { WALK_TYPE_SHIFT = 13, WALK_FLAG_SHIFT = 29 };

static __always_inline bool ethertype_is_vlan(__u16 type_be)
{
	return type_be == bpf_htons(ETH_P_8021Q) || type_be == bpf_htons(ETH_P_8021AD);
}

/*
 * Step over VLAN tags from @offset, where the first tag's two bytes of TCI stand.
 * Gives the offset behind the last tag and the ethertype there.
 */
static __always_inline __u32 vlan_walk(const struct cursor *c, __u32 offset)
{
	for (int i = 0; i < PACKET_TAGS_MAX; i++) {
		const __be16 *tag = cursor_at(c, offset, 4);

		if (!tag)
			return WALK_FAILED;
		offset += 4;
		if (!ethertype_is_vlan(tag[1]))
			return offset | (__u32)tag[1] << WALK_TYPE_SHIFT;
	}
	return WALK_FAILED;
}

/* 1 where two bytes are the same, else 0, by arithmetic alone. */
static __always_inline __u32 bit_same(__u32 a, __u32 b)
{
	__u32 difference = a ^ b;

	asm volatile("" : "+r"(difference));
	return (difference - 1) >> 31;
}

static __always_inline bool ipv6_is_extension(__u8 type)
{
	switch (type) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_DSTOPTS:
	case IPPROTO_AH:
		return true;
	default:
		return false;
	}
}

/*
 * Step over extension headers, the first of kind @type, from @offset to @limit, the end that the IP
 * header states. Gives the transport header's offset and kind, and in the flags whether and which
 * fragment this is.
 */
static __always_inline __u32 extension_walk(const struct cursor *c, __u32 offset, __u32 type,
					    __u32 limit)
{
	__u32 fragment = PACKET_WHOLE;

	for (int i = 0; i <= PACKET_HEADERS_MAX; i++) {
		const __u8 *header;
		__u32 is_ah, is_fragment, place;

		/* Before Linux 6.4 the verifier does not learn from one half register about its
		 * copy: the one that is compared must be the one that is kept. */
		asm volatile("" : "+r"(offset));
		if (offset > PACKET_OFFSET_MAX)
			break;
		if (!ipv6_is_extension(type))
			return offset | type << WALK_TYPE_SHIFT | fragment << WALK_FLAG_SHIFT;
		header = offset + 8 <= limit ? cursor_at(c, offset, 8) : NULL;
		if (!header)
			break;
		/* No branches: the verifier would walk all that follows once for each side. */
		is_ah = bit_same(type, IPPROTO_AH);
		is_fragment = bit_same(type, IPPROTO_FRAGMENT);
		place = bpf_ntohs(*(const __be16 *)(header + 2)) & -is_fragment;
		if (place & 0xfff8)
			return offset | type << WALK_TYPE_SHIFT |
			       (__u32)PACKET_LATER_FRAGMENT << WALK_FLAG_SHIFT;
		fragment |= place & PACKET_FIRST_FRAGMENT;
		/* In units of 8 bytes without the first; of AH in those of 4 without the first two;
		 * that of a fragment has 8 bytes always (RFC 8200, 4.5; RFC 4302, 2.2). */
		offset += ((header[1] & (is_fragment - 1)) + 1 + is_ah) << (3 - is_ah);
		type = header[0];
	}
	/* A first fragment must hold all headers (RFC 8200, 4.5); one that does not is no fragment
	 * that anybody needs. */
	if (fragment == PACKET_FIRST_FRAGMENT)
		return (__u32)IPPROTO_NONE << WALK_TYPE_SHIFT | fragment << WALK_FLAG_SHIFT;
	return WALK_FAILED;
}

#ifdef __bpf__
static __always_inline struct cursor frame_cursor(struct xdp_md *ctx)
{
	return (struct cursor){
		.data = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
		.ctx = ctx,
	};
}

__u32 packet_skip_tags(struct xdp_md *ctx, __u32 offset);
__u32 packet_skip_extensions(struct xdp_md *ctx, __u32 offset, __u32 type, __u32 limit);
#define CURSOR_SKIP(c, walk, ...) walk((c)->ctx, __VA_ARGS__)
#else
#define packet_skip_tags vlan_walk
#define packet_skip_extensions extension_walk
#define CURSOR_SKIP(c, walk, ...) walk(c, __VA_ARGS__)
#endif

/* The transport header at @offset, within @limit. */
static __always_inline enum packet_result transport_parse(const struct cursor *c, __u32 offset,
							  __u32 limit, __u32 type, __u32 fragment,
							  struct packet *p)
{
	enum packet_result cut = fragment ? PACKET_SHORT : PACKET_UNREADABLE;

	if (type == IPPROTO_TCP) {
		const struct tcphdr *tcp = offset + sizeof(*tcp) <= limit ?
					   cursor_at(c, offset, sizeof(*tcp)) : NULL;

		if (!tcp)
			return cut;
		if (tcp->doff < 5)
			return PACKET_UNREADABLE;
		p->proto = PROTO_TCP;
		p->source_port_be = tcp->source;
		p->destination_port_be = tcp->dest;
		p->number = bpf_ntohs(tcp->dest);
		p->sequence_be = tcp->seq;
		p->flags = ((const __u8 *)tcp)[13] & 0x3f;
		return PACKET_READ;
	}
	if (type == IPPROTO_UDP) {
		const struct udphdr *udp = offset + sizeof(*udp) <= limit ?
					   cursor_at(c, offset, sizeof(*udp)) : NULL;

		if (!udp)
			return cut;
		p->proto = PROTO_UDP;
		p->source_port_be = udp->source;
		p->destination_port_be = udp->dest;
		p->number = bpf_ntohs(udp->dest);
		return PACKET_READ;
	}
	if (type == (p->source.family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
		const __u8 *icmp = offset + 8 <= limit ? cursor_at(c, offset, 8) : NULL;

		if (!icmp)
			return PACKET_OTHER; /* nothing of ours hangs on it */
		if (icmp[0] != (p->source.family == 4 ? ICMP_ECHO_REQUEST : ICMP6_ECHO_REQUEST))
			return PACKET_OTHER;
		p->proto = PROTO_ICMP;
		p->number = icmp[1];
		return PACKET_READ;
	}
	return PACKET_OTHER;
}

/* Linux takes what has no destination, and no source, for a broadcast. */
static __always_inline bool ipv4_is_group(__be32 address_be)
{
	return (bpf_ntohl(address_be) >> 28) == 14 || address_be == ~0U || !address_be;
}

static __always_inline bool ipv6_is_group(const __u8 *address)
{
	return *address == 0xff;
}

static __always_inline enum packet_result ipv4_parse(const struct cursor *c, __u32 offset,
						     struct packet *p)
{
	const struct iphdr *ip = cursor_at(c, offset, sizeof(*ip));
	__u32 header, limit, type, fragment, place;

	if (!ip)
		return PACKET_UNREADABLE_TAGS;
	header = ip->ihl * 4;
	limit = bpf_ntohs(ip->tot_len);
	if (ip->version != 4 || header < sizeof(*ip) || limit < header)
		return PACKET_UNREADABLE;
	p->source.family = 4;
	p->source.word_be[0] = ip->saddr;
	p->destination_be[0] = ip->daddr;
	p->tos = ip->tos;
	p->group |= ipv4_is_group(ip->daddr);
	place = bpf_ntohs(ip->frag_off);
	if (place & 0x1fff)
		return PACKET_LATER;
	fragment = place & 0x2000 ? PACKET_FIRST_FRAGMENT : PACKET_WHOLE;
	type = ip->protocol;
	limit += offset;
	offset += header;
	if (type == IPPROTO_AH) {
		__u32 walk = CURSOR_SKIP(c, packet_skip_extensions, offset, type, limit);

		if (walk == WALK_FAILED)
			return fragment ? PACKET_SHORT : PACKET_UNREADABLE;
		offset = walk & PACKET_OFFSET_MAX;
		type = walk >> WALK_TYPE_SHIFT & 0xff;
	}
	return transport_parse(c, offset, limit, type, fragment, p);
}

static __always_inline enum packet_result ipv6_parse(const struct cursor *c, __u32 offset,
						     struct packet *p)
{
	const struct ipv6hdr *ip = cursor_at(c, offset, sizeof(*ip));
	__u32 limit, type, fragment = PACKET_WHOLE;

	if (!ip)
		return PACKET_UNREADABLE_TAGS;
	if (ip->version != 6)
		return PACKET_UNREADABLE;
	p->source.family = 6;
	__builtin_memcpy(p->source.word_be, &ip->saddr, sizeof(p->source.word_be));
	__builtin_memcpy(p->destination_be, &ip->daddr, sizeof(p->destination_be));
	p->group |= ipv6_is_group((const __u8 *)&ip->daddr);
	type = ip->nexthdr;
	limit = bpf_ntohs(ip->payload_len);
	/* No length and a hop-by-hop header: a jumbogram, whose length Linux does not cut to. */
	if (!limit && type == IPPROTO_HOPOPTS)
		limit = PACKET_OFFSET_MAX;
	offset += sizeof(*ip);
	limit += offset;
	if (ipv6_is_extension(type)) {
		__u32 walk = CURSOR_SKIP(c, packet_skip_extensions, offset, type, limit);

		if (walk == WALK_FAILED)
			return PACKET_UNREADABLE;
		offset = walk & PACKET_OFFSET_MAX;
		type = walk >> WALK_TYPE_SHIFT & 0xff;
		fragment = walk >> WALK_FLAG_SHIFT & 3;
		if (fragment == PACKET_LATER_FRAGMENT)
			return PACKET_LATER;
		if (fragment && type == IPPROTO_NONE)
			return PACKET_SHORT;
	}
	return transport_parse(c, offset, limit, type, fragment, p);
}

/**
 * packet_parse() - Read a frame as far as its transport header.
 * @c: the frame's bytes
 * @ethernet: whether it begins with an Ethernet header, else with the IP header
 * @p: zeroed by the caller; all of it holds after PACKET_READ, group also after PACKET_UNREADABLE,
 *     as far as the destination could be read
 */
static __always_inline enum packet_result packet_parse(const struct cursor *c, bool ethernet,
						       struct packet *p)
{
	__u32 offset = 0;
	__be16 type_be;

	p->proto = PROTO_NONE;
	if (ethernet) {
		const struct ethhdr *eth = cursor_at(c, 0, sizeof(*eth));

		if (!eth)
			return PACKET_OTHER; /* no frame at all */
		p->group = eth->h_dest[0] & 1;
		type_be = eth->h_proto;
		offset = sizeof(*eth);
		if (ethertype_is_vlan(type_be)) {
			__u32 walk = CURSOR_SKIP(c, packet_skip_tags, offset);

			if (walk == WALK_FAILED)
				return PACKET_UNREADABLE_TAGS;
			offset = walk & PACKET_OFFSET_MAX;
			type_be = walk >> WALK_TYPE_SHIFT;
		}
	} else {
		const __u8 *first = cursor_at(c, 0, 1);

		if (!first)
			return PACKET_OTHER;
		type_be = *first >> 4 == 4 ? bpf_htons(ETH_P_IP) :
			  *first >> 4 == 6 ? bpf_htons(ETH_P_IPV6) : 0;
	}
	if (type_be == bpf_htons(ETH_P_IP))
		return ipv4_parse(c, offset, p);
	if (type_be == bpf_htons(ETH_P_IPV6))
		return ipv6_parse(c, offset, p);
	return PACKET_OTHER;
}

#endif
