/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the config says of the port that a packet goes to, whose that port is, and which packets are
 * knocks at all.
 */
#ifndef KNOCKD_PORT_H
#define KNOCKD_PORT_H

#include "admit.h"
#include "packet.h"
#include "socket.h"

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

/* Whether the address may be one of this host. */
static __always_inline bool address_maybe_ours(const __be32 word_be[4])
{
	return surroundings.ours[address_place(word_be)];
}

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
	    !address_maybe_ours(p->destination_be) && !source_is_ours(&p->source))
		return true;
	return surroundings.forwarding && destination_elsewhere(ctx, p);
}

#endif
