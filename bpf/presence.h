/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who can have a grant or a flow at all, and who progress: one keyed hash of the source, one load.
 * It keeps the slower tables out of the way of everybody else. Also the hash that places grants.
 *
 * The hash is NH (Black et al., UMAC, 1999) and a multiply-shift over it, both under a secret key:
 * nobody outside can aim at a slot.
 */
#ifndef KNOCKD_PRESENCE_H
#define KNOCKD_PRESENCE_H

#include <stdbool.h>

#include "knockd/abi.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/** source_hash() - 64 well-mixed bits of address and family; the stream does not count. */
static __always_inline __u64 source_hash(const volatile struct hash_key *key,
					 const struct source *source)
{
	const __be32 *word = source->word_be;
	__u64 sum = (__u64)(word[0] + key->add[0]) * (word[1] + key->add[1]);

	if (source->family == 6)
		sum += (__u64)(word[2] + key->add[2]) * (word[3] + key->add[3]) + key->ipv6;
	sum ^= sum >> 32;
	return sum * key->multiplier;
}

static __always_inline __u32 presence_slot(enum presence kind, __u64 hash)
{
	return kind << PRESENCE_BITS | hash >> (64 - PRESENCE_BITS);
}

/* The bucket of a source's grants, of @mask + 1. Shares bits with no slot of presence. */
static __always_inline __u32 grant_slot(__u64 hash, __u32 mask)
{
	return hash >> (64 - PRESENCE_BITS - 24) & mask;
}

/**
 * progress_name() - By what the progress of a source in @stream is found.
 * @hash: of the source
 *
 * A source has another name in each stream, and no two IPv4 sources of a stream have the same one.
 * Any other two share theirs, and so their progress, with a chance of 2^-31 at the most; which do
 * is the key's secret.
 */
static __always_inline __u64 progress_name(__u64 hash, __u32 stream)
{
	return hash ^ stream;
}

/**
 * flow_name() - By what a flow is found.
 *
 * Any two share theirs with a chance of 2^-30 at the most, and then the later one takes the place
 * of the other.
 */
static __always_inline __u64 flow_name(const volatile struct hash_key *key, const struct flow *flow)
{
	struct source source = { .family = flow->family };
	const __be32 *word = flow->destination_be;
	__u64 ports = (__u64)flow->proto << 32 | (__u32)flow->destination_port_be << 16 |
		      flow->source_port_be;
	__u64 sum = (__u64)(word[0] + key->flow[0]) * (ports + key->flow[1]);

	if (flow->family == 6)
		sum += (__u64)(word[1] + key->flow[2]) * (word[2] + key->flow[3]) +
		       (__u64)(word[3] + key->flow[4]) * key->flow[5];
	__builtin_memcpy(source.word_be, flow->source_be, sizeof(source.word_be));
	return source_hash(key, &source) + sum;
}

/** flow_same() - Whether both are of one flow. */
static __always_inline bool flow_same(const struct flow_state *found, const struct flow_state *own)
{
	const __u64 *a = (const void *)&found->flow, *b = (const void *)&own->flow;

	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]));
}

/* What distinguishes the owners of a recycled value of progress. */
static __always_inline __u32 progress_tag(__u64 hash)
{
	return (hash >> 24 ^ hash) | 1; /* 0 is the tag of a value that nobody has used */
}

/** presence_alive() - Whether what the slot is about can be alive at @now. */
static __always_inline bool presence_alive(const __u32 *slot, __u64 now)
{
	return *(const volatile __u32 *)slot > now >> PRESENCE_STEP_SHIFT;
}

/* What a slot holds that is good until @until (jiffies). */
static __always_inline __u32 presence_step(__u64 until)
{
	__u64 step = (until >> PRESENCE_STEP_SHIFT) + 1;

	return step > ~0U ? ~0U : step;
}

/** presence_reaches() - Whether the slot is good until @until (jiffies) already. */
static __always_inline bool presence_reaches(const __u32 *slot, __u64 until)
{
	return *(const volatile __u32 *)slot >= presence_step(until);
}

/**
 * presence_extend() - What the slot is about will be alive until @until (jiffies).
 *
 * To be called before that something can be seen. When too many CPUs want the same slot at once the
 * slot is set to the end of time: slow for a few sources, wrong for none.
 */
static __always_inline void presence_extend(__u32 *slot, __u64 until)
{
	__u32 new = presence_step(until);

	for (int i = 0; i < 8; i++) {
		__u32 old = *(volatile __u32 *)slot;

		if (old >= new || __sync_val_compare_and_swap(slot, old, new) == old)
			return;
	}
	*(volatile __u32 *)slot = ~0U;
}

#endif
