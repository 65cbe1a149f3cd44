/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The questions both doors ask of a packet to a protected port: trust, grant, flow. */
#ifndef KNOCKD_ADMIT_H
#define KNOCKD_ADMIT_H

#include <bpf/bpf_endian.h>

#include "event.h"
#include "grant.h"
#include "maps.h"
#include "presence.h"
#include "settings.h"

/** source_set() - The set of sources that @source belongs to; 0 for everyone else. */
static __always_inline __u32 source_set(const struct source *source)
{
	struct source_prefix prefix = {
		.length = 32 + 128,
		.family_be = bpf_htonl(source->family),
		.word_be = { source->word_be[0], source->word_be[1],
			     source->word_be[2], source->word_be[3] },
	};
	__u32 *set = settings.sources ? bpf_map_lookup_elem(&sources, &prefix) : NULL;

	return set && *set < settings.set_count ? *set : 0;
}

/** source_trusted() - Whether @source needs no knock for the ports of @area. */
static __always_inline bool source_trusted(const struct source *source, __u32 area)
{
	const __u64 *row = settings.sources ? table(&trusts) : NULL;

	return row && door_opens(row, source_set(source), settings.set_count, area,
				 settings.area_words);
}

/** source_may_knock() - Whether @source may open @door. */
static __always_inline bool source_may_knock(const struct source *source, __u32 door)
{
	const __u64 *row;

	if (!settings.sources)
		return true;
	row = table(&knockers);
	return row && door_opens(row, source_set(source), settings.set_count, door,
				 settings.door_words);
}

/* A source as grants know it: IPv6 cut to Grant_Prefix6. */
static __always_inline struct source source_owner(const struct source *source)
{
	struct source owner = *source;

	owner.stream = 0;
	/* By default it is for the whole address. */
	if (source->family == 6 && settings.grant_mask6_be[3] != ~0U) {
		owner.word_be[0] &= settings.grant_mask6_be[0];
		owner.word_be[1] &= settings.grant_mask6_be[1];
		owner.word_be[2] &= settings.grant_mask6_be[2];
		owner.word_be[3] &= settings.grant_mask6_be[3];
	}
	return owner;
}

/*
 * The functions without static are the program's global functions: the verifier checks each once,
 * by the types of its arguments, and what they return is any number to it, not one case a cell.
 */

static __always_inline __u32 *hash_slot(enum presence kind, __u64 hash)
{
	__u32 slot = presence_slot(kind, hash);

	/* Opaque, so that the mask stays. */
	asm volatile("" : "+r"(slot));
	return &presence[slot & (PRESENCE_SLOTS - 1)];
}

/* Whether something of that kind can be alive at @now of a source with this hash. */
static __always_inline bool hash_alive(enum presence kind, __u64 hash, __u64 now)
{
	return presence_alive(hash_slot(kind, hash), now);
}

/* Something of that kind will be alive until @until of a source with this hash. */
__noinline int hash_extend(enum presence kind, __u64 hash, __u64 until)
{
	presence_extend(hash_slot(kind, hash), until);
	return 0;
}

static __always_inline struct grant_bucket *owner_bucket(__u64 hash)
{
	__u32 slot = grant_slot(hash, settings.bucket_mask);

	return bpf_map_lookup_elem(&grants, &slot);
}

/* A source's place in the table of grants, when a grant or flow of it can be alive at @now. */
static __always_inline bool source_present(const struct source *owner, __u64 now, __u64 *hash)
{
	*hash = source_hash(&settings.hash_key, owner);
	return hash_alive(PRESENCE_GRANTS, *hash, now);
}

/* Whether @door opens the ports of @area. */
__noinline int area_opened(__u32 door, __u32 area)
{
	const __u64 *row = table(&opens);

	return row && door_opens(row, door, settings.door_count, area, settings.area_words);
}

/* The cell in @owner's bucket of a live grant that opens @area, or −1. */
__noinline int cell_admitting(const struct source *owner, __u64 hash, __u32 area, __u64 now)
{
	struct grant_bucket *bucket = owner_bucket(hash);
	__u64 ipv6;
	__u32 home;

	if (!owner || !bucket || !grant_possible(bucket, hash))
		return -1;
	ipv6 = grant_family(owner);
	home = grant_home(hash);
	for (int i = 0; i < GRANT_CELLS; i++) {
		__u32 cell = grant_cell(home, i);
		struct grant *g = &bucket->cell[cell];
		__u64 word = *(volatile __u64 *)&g->word;

		if (grant_differs(g, word, owner, ipv6) | grant_dead(word, now))
			continue;
		if (area_opened(grant_door(word), area) && grant_confirm(g, word, owner))
			return cell;
	}
	return -1;
}

/* The cell in @owner's bucket that shows it and @door, in any condition, or −1. */
__noinline int cell_find(const struct source *owner, __u64 hash, __u32 door)
{
	struct grant_bucket *bucket = owner_bucket(hash);

	return owner && bucket ? grant_find(bucket, hash, door, owner) : -1;
}

static __always_inline struct grant *cell_grant(struct grant_bucket *bucket, __u32 cell)
{
	/* Opaque, so that the mask stays: half a register's comparison proves nothing. */
	asm volatile("" : "+r"(cell));
	if (cell >= GRANT_CELLS)
		return NULL;
	asm volatile("" : "+r"(cell));
	return &bucket->cell[cell & (GRANT_CELLS - 1)];
}

/**
 * admit_by_grant() - Whether @source has a live grant for the ports of @area at @now (jiffies).
 */
static __always_inline bool admit_by_grant(const struct source *source, __u32 area, __u64 now)
{
	struct source owner = source_owner(source);
	__u64 hash;

	return source_present(&owner, now, &hash) &&
	       cell_admitting(&owner, hash, area, now) >= 0;
}

static __always_inline const struct door *door_at(__u32 door)
{
	const struct door *d = table(&doors);

	return d ? table_at(d, door, settings.door_count, sizeof(*d)) : NULL;
}

/*
 * Whether the flow may go on: in time, its door still opens the area, and its grant was not ended.
 * A grant that stands until closed leaves no word of its end: its flows live as long as it does.
 */
static __always_inline bool flow_alive(const struct flow_state *flow, struct grant_bucket *bucket,
				       const struct source *owner, __u64 hash, __u32 area,
				       __u64 now)
{
	__u32 door = flow->door;
	const struct door *d = door_at(door);
	struct grant *grant;
	__u64 word;

	if (now - flow->seen > settings.udp_idle || !d || !area_opened(door, area))
		return false;
	grant = cell_grant(bucket, cell_find(owner, hash, door));
	word = grant ? *(volatile __u64 *)&grant->word : 0;
	if (grant_door(word) != door || grant_expiry(word) <= now)
		return d->open_time;
	return !(word >> GRANT_ENDED_BIT & 1);
}

/* Whether @grant of @d has room for one more flow; it is taken. */
static __always_inline bool flow_room(struct grant *grant, const struct door *d, __u64 now)
{
	__u32 second = settings.second ? now / settings.second << 16 : 0;
	__u32 begun = *(volatile __u32 *)&grant->flows;

	if (!settings.connections || !d->connections)
		return begun < GRANT_FLOWS_MAX &&
		       __sync_fetch_and_add(&grant->flows, 1) < GRANT_FLOWS_MAX;
	if ((begun & 0xffff0000) != second)
		begun = second;
	if ((begun & 0xffff) >= GRANT_FLOWS_MAX)
		return false;
	/* Two CPUs at once may count two for one. */
	*(volatile __u32 *)&grant->flows = begun + 1;
	return true;
}

/* A flow as the table of flows has it, or would. */
struct flow_entry {
	__u64 name;
	struct flow_state state;
};

/* What is recorded of the flow, or NULL. */
static __always_inline struct flow_state *flow_find(const struct flow_entry *flow)
{
	struct flow_state *state = bpf_map_lookup_elem(&flows, &flow->name);

	return state && flow_same(state, &flow->state) ? state : NULL;
}

/* Record a flow that @grant admitted, as far as it has room for one more; whether it had. */
static __always_inline bool flow_record(struct grant *grant, struct flow_entry *flow, bool unpaid,
					__u64 now)
{
	struct flow_state *state = &flow->state;
	const struct door *d;

	state->door = grant_door(*(volatile __u64 *)&grant->word);
	state->seen = now;
	state->unpaid = unpaid;
	d = door_at(state->door);
	if (!d || !flow_room(grant, d, now)) {
		reason_count(REASON_FLOWS_FULL);
		return false;
	}
	bpf_map_update_elem(&flows, &flow->name, state, BPF_ANY);
	return true;
}

/**
 * flow_admitted() - Whether a packet belongs to an admitted flow or begins one.
 * @owner, @hash: of its source
 * @flow: which it is of
 * @area: of the port it goes to
 * @now: jiffies
 *
 * Return: REASON_FLOW, REASON_GRANTED, or REASON_CLOSED.
 */
static __always_inline enum reason flow_admitted(const struct source *owner, __u64 hash,
						 struct flow_entry *flow, __u32 area, __u64 now)
{
	struct grant_bucket *bucket = owner_bucket(hash);
	struct flow_state *state;
	struct grant *grant;

	if (!bucket)
		return REASON_CLOSED;
	state = flow_find(flow);
	if (state && flow_alive(state, bucket, owner, hash, area, now)) {
		if (state->seen != now) {
			hash_extend(PRESENCE_GRANTS, hash, now + settings.udp_idle);
			state->seen = now;
		}
		return REASON_FLOW;
	}
	grant = cell_grant(bucket, cell_admitting(owner, hash, area, now));
	if (!grant)
		return REASON_CLOSED;
	hash_extend(PRESENCE_GRANTS, hash, now + settings.udp_idle);
	flow_record(grant, flow, false, now);
	return REASON_GRANTED;
}

#endif
