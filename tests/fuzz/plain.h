/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The quick way of packet.h held against the one that reads everything. */
#ifndef KNOCKD_TEST_PLAIN_H
#define KNOCKD_TEST_PLAIN_H

#include <string.h>

#include "packet.h"

/* The transport header where the quick way finds a plain packet of @proto and @family, or NULL. */
static inline const __u8 *plain_found(const struct cursor *c, __u16 *family, enum proto *proto)
{
	__be16 ethertype = plain_ethertype(c);
	const __u8 *transport = NULL;
	__u8 type = 0;
	__s32 len = 0;

	*family = ethertype == bpf_htons(ETH_P_IP) ? 4 : ethertype == bpf_htons(ETH_P_IPV6) ? 6 : 0;
	if (*family == 4)
		transport = plain_ipv4(c, &type, &len);
	else if (*family == 6)
		transport = plain_ipv6(c, &type, &len);
	if (!transport)
		return NULL;
	*proto = type == IPPROTO_TCP ? PROTO_TCP : PROTO_UDP;
	if (type == IPPROTO_TCP)
		return plain_tcp(c, transport, len) ? transport : NULL;
	return type == IPPROTO_UDP && plain_udp(c, transport, len) ? transport : NULL;
}

/*
 * Whether what the quick way says of a frame with an Ethernet header is what packet_parse() read:
 * @result and @p. Where it says nothing it is.
 */
static inline bool plain_agrees(const struct cursor *c, enum packet_result result,
				const struct packet *p)
{
	enum proto proto;
	__u16 family;
	const __u8 *transport = plain_found(c, &family, &proto);
	struct source source, destination;
	__be16 ports_be[2];

	if (!transport)
		return true;
	source = plain_source(transport, family);
	destination = plain_destination(transport, family);
	memcpy(ports_be, transport, sizeof(ports_be));
	return result == PACKET_READ && p->proto == proto && p->source.family == family &&
	       !memcmp(p->source.word_be, source.word_be, sizeof(source.word_be)) &&
	       !memcmp(p->destination_be, destination.word_be, sizeof(p->destination_be)) &&
	       p->source_port_be == ports_be[0] && p->destination_port_be == ports_be[1] &&
	       p->number == bpf_ntohs(ports_be[1]) &&
	       (proto == PROTO_UDP || p->flags == (transport[13] & 0x3f));
}

#endif
