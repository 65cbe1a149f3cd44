/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet as a knock, or as a stray, in each stream that sees it. */
#ifndef KNOCKD_KNOCK_H
#define KNOCKD_KNOCK_H

#include "port.h"
#include "progress.h"

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

/* Whether the packet's source has progress in a stream in which the packet counts. */
__noinline int packet_concerns(const struct packet *p, __u32 class, __u64 hash)
{
	if (!p)
		return false;
	for (__u32 i = 0; i < KNOCKD_STREAMS_MAX && i < settings.stream_count; i++) {
		const volatile struct stream *s = &settings.stream[i];
		__u64 name = progress_name(hash, i);

		if (packet_knocks(p, s) && packet_aims(p, s, class) &&
		    bpf_map_lookup_elem(&progress, &name))
			return true;
	}
	return false;
}

/* A knock from @source, or with symbol 0 a stray, of no stream yet. */
static __always_inline struct knock knock_of(const struct source *source, __u32 symbol, __u64 now)
{
	__u64 hash = source_hash(&settings.hash_key, source);

	return (struct knock){
		.now = now,
		.hash = hash,
		.symbol = symbol,
		.known = hash_alive(PRESENCE_PROGRESS, hash, now),
	};
}

/* Count @k, which is of the packet, in each stream that sees it; whether progress was cleared. */
static __always_inline bool knock_count(const struct packet *p, struct knock *k, __u32 class)
{
	bool cleared = false;

	for (__u32 i = 0; i < KNOCKD_STREAMS_MAX && i < settings.stream_count; i++) {
		const volatile struct stream *s = &settings.stream[i];

		if (!packet_knocks(p, s) || !packet_aims(p, s, class))
			continue;
		k->stream = i;
		k->name = progress_name(k->hash, i);
		k->id = segment_id(p);
		cleared |= progress_knock(&p->source, k);
	}
	return cleared;
}

/*
 * A packet as a knock or, with no symbol, as a stray; whether it cleared progress. Strays to a
 * socket of this host do not count, nor does anything to other hosts that are no Target.
 */
__noinline int packet_count(struct xdp_md *ctx, const struct packet *p, __u32 symbol, __u64 now)
{
	struct knock k;
	__u32 class;

	if (!p)
		return false;
	class = packet_class(p);
	k = knock_of(&p->source, symbol, now);
	/* What follows costs more, and few have progress. */
	if (!symbol && !(k.known && packet_concerns(p, class, k.hash)))
		return false;
	if (!class && packet_is_foreign(ctx, p))
		return false;
	if (!symbol && !class && p->proto != PROTO_ICMP && socket_lookup(ctx, p) != SOCKET_NONE)
		return false;
	return knock_count(p, &k, class);
}

#endif
