/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What nearly all frames are: Ethernet without tags, IPv4 without options or fragments or IPv6
 * without extension headers, a whole TCP or UDP packet. packet_parse() reads those as it reads all;
 * these find them at a fraction of the cost. What they do not find may still be whole.
 */
#ifndef KNOCKD_PLAIN_H
#define KNOCKD_PLAIN_H

#include <stddef.h>

#include "packet.h"

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

/* Where the source's address begins; the destination's follows, then the ports. */
static __always_inline const __u8 *plain_addresses(const __u8 *transport, __u16 family)
{
	return transport - (family == 4 ? 8 : 32);
}

static __always_inline struct source plain_address(const __u8 *at, __u16 family)
{
	const __be32 *address = (const void *)at;
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
	return plain_address(plain_addresses(transport, family), family);
}

static __always_inline struct source plain_destination(const __u8 *transport, __u16 family)
{
	return plain_address(plain_addresses(transport, family) + (family == 4 ? 4 : 16), family);
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

#endif
