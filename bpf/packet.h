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

/*
 * What nearly all frames are: Ethernet without tags, IPv4 without options or fragments or IPv6
 * without extension headers, a whole TCP or UDP packet. packet_parse() reads those as it reads all;
 * these find them at a fraction of the cost. What they do not find may still be whole.
 */

struct plain {
	const __u8 *transport; /* header */
	__s32 len;             /* from there on, as the IP header states */
	__u8 type;
};

/** plain_begins() - Whether the frame is long enough to be a plain packet. */
static __always_inline bool plain_begins(const struct cursor *c)
{
	return c->data + sizeof(struct ethhdr) + sizeof(struct iphdr) <= c->end;
}

static __always_inline __be16 plain_ethertype(const struct cursor *c)
{
	/* As a packed structure's it would be two loads. */
	return *(const __be16 *)(c->data + offsetof(struct ethhdr, h_proto));
}

/*
 * Of a frame that begins as a plain packet and has the ethertype of IPv4: whether it is one, as far
 * as its IP header tells.
 */
static __always_inline bool plain_ipv4(const struct cursor *c, struct plain *p)
{
	const struct iphdr *ip = c->data + sizeof(struct ethhdr);

	if (*(const __u8 *)ip != 0x45 || ip->frag_off & bpf_htons(0x3fff))
		return false;
	p->transport = (const void *)(ip + 1);
	p->type = ip->protocol;
	p->len = bpf_ntohs(ip->tot_len) - (__s32)sizeof(*ip);
	return true;
}

/* The same of IPv6. */
static __always_inline bool plain_ipv6(const struct cursor *c, struct plain *p)
{
	const struct ipv6hdr *ip = c->data + sizeof(struct ethhdr);

	if (c->data + sizeof(struct ethhdr) + sizeof(*ip) > c->end ||
	    (*(const __u8 *)ip & 0xf0) != 0x60)
		return false;
	p->transport = (const void *)(ip + 1);
	p->type = ip->nexthdr;
	p->len = bpf_ntohs(ip->payload_len);
	return true;
}

static __always_inline bool plain_tcp(const struct cursor *c, const struct plain *p)
{
	return p->type == IPPROTO_TCP &&
	       (const void *)(p->transport + sizeof(struct tcphdr)) <= c->end &&
	       p->len >= (__s32)sizeof(struct tcphdr) && p->transport[12] >= 0x50;
}

static __always_inline bool plain_udp(const struct cursor *c, const struct plain *p)
{
	return p->type == IPPROTO_UDP &&
	       (const void *)(p->transport + sizeof(struct udphdr)) <= c->end &&
	       p->len >= (__s32)sizeof(struct udphdr);
}

/**
 * plain_way() - What @each makes of a plain packet; @none where the frame is none.
 * @each: its transport header, its protocol and its family, constants where @each is inlined: each
 *        kind gets code of its own. The addresses stand before the header.
 */
static __always_inline int plain_way(const struct cursor *c, int none,
				     int (*each)(void *ctx, const __u8 *transport,
						 enum proto proto, __u16 family))
{
	struct plain p;

	if (!plain_begins(c))
		return none;
	if (plain_ethertype(c) == bpf_htons(ETH_P_IP)) {
		if (!plain_ipv4(c, &p))
			return none;
		return plain_tcp(c, &p) ? each(c->ctx, p.transport, PROTO_TCP, 4) :
		       plain_udp(c, &p) ? each(c->ctx, p.transport, PROTO_UDP, 4) : none;
	}
	if (plain_ethertype(c) == bpf_htons(ETH_P_IPV6)) {
		if (!plain_ipv6(c, &p))
			return none;
		return plain_tcp(c, &p) ? each(c->ctx, p.transport, PROTO_TCP, 6) :
		       plain_udp(c, &p) ? each(c->ctx, p.transport, PROTO_UDP, 6) : none;
	}
	return none;
}

/* The flags of a TCP header, as struct packet has them. */
static __always_inline __u8 plain_flags(const __u8 *transport)
{
	return transport[13] & 0x3f;
}

/* Whether frame or packet are to a broadcast or multicast address, as packet_parse() says. */
static __always_inline bool plain_group(const __u8 *transport, __u16 family)
{
	const __u8 *ip = transport - (family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	const __u8 *frame = ip - sizeof(struct ethhdr);

	return frame[0] & 1 ||
	       (family == 4 ? ipv4_is_group(((const struct iphdr *)ip)->daddr) :
			      ipv6_is_group(ip + 24));
}

/* The address that begins @before bytes before the transport header of a plain packet. */
static __always_inline struct source plain_address(const __u8 *transport, __u16 family, int before)
{
	const __be32 *address = (const void *)(transport - before);
	struct source source = { .family = family, .word_be = { address[0] } };

	if (family == 6) {
		source.word_be[1] = address[1];
		source.word_be[2] = address[2];
		source.word_be[3] = address[3];
	}
	return source;
}

static __always_inline struct source plain_source(const __u8 *transport, __u16 family)
{
	return plain_address(transport, family, family == 4 ? 8 : 32);
}

static __always_inline struct source plain_destination(const __u8 *transport, __u16 family)
{
	return plain_address(transport, family, family == 4 ? 4 : 16);
}

/* All that packet_parse() says of it. */
static __always_inline struct packet plain_packet(const __u8 *transport, enum proto proto,
						  __u16 family)
{
	const __be16 *ports_be = (const void *)transport;
	struct source destination = plain_destination(transport, family);
	struct packet p = {
		.source = plain_source(transport, family),
		.source_port_be = ports_be[0],
		.destination_port_be = ports_be[1],
		.number = bpf_ntohs(ports_be[1]),
		.proto = proto,
		.group = plain_group(transport, family),
	};

	__builtin_memcpy(p.destination_be, destination.word_be, sizeof(p.destination_be));
	if (family == 4)
		p.tos = ((const struct iphdr *)transport - 1)->tos;
	if (proto == PROTO_TCP) {
		p.sequence_be = ((const struct tcphdr *)transport)->seq;
		p.flags = plain_flags(transport);
	}
	return p;
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
