/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Doors that count connections. What a grant let begin is recorded as unpaid; its first packet that
 * meets an established socket pays for it. So a SYN alone costs nothing, whoever sends it, and
 * whoever lets more of them in than the grant is for finds the others cut as they begin to talk.
 */
#ifndef KNOCKD_CONNECTION_H
#define KNOCKD_CONNECTION_H

#include "progress.h"

enum { USES_TRIES = 8 };

/**
 * connection_admitted() - Whether a grant of @owner lets the TCP connection @flow to a port of
 * @area begin. Return: REASON_GRANTED or REASON_CLOSED.
 */
static __always_inline enum reason connection_admitted(const struct source *owner, __u64 hash,
						       struct flow_entry *flow, __u32 area,
						       __u64 now)
{
	struct grant_bucket *bucket = owner_bucket(hash);
	struct flow_state *state;
	const struct door *d;
	struct grant *grant;

	if (!bucket)
		return REASON_CLOSED;
	grant = cell_grant(bucket, cell_admitting(owner, hash, area, now));
	if (!grant)
		return REASON_CLOSED;
	d = door_at(grant_door(*(volatile __u64 *)&grant->word));
	if (!d || !d->connections)
		return d ? REASON_GRANTED : REASON_CLOSED;
	state = flow_find(flow);
	if (state && state->unpaid)
		return REASON_GRANTED; /* sent again */
	return flow_record(grant, flow, true, now) ? REASON_GRANTED : REASON_CLOSED;
}

/* The last connection of the grant has begun: it stays known to those that are half open. */
static __always_inline void grant_use_up(struct grant *grant, __u64 word,
					 const struct source *owner, __u64 hash, __u64 now)
{
	__u64 until = now + GRANT_UNPAID_S * settings.second;
	__u32 door = grant_door(word);
	const struct door *d = door_at(door);
	struct event *event;

	if (!d || grant_dead(word, now))
		return;
	if (door_has_flows(d) && until < flows_idle(now))
		until = flows_idle(now);
	hash_extend(PRESENCE_GRANTS, hash, until);
	if (__sync_val_compare_and_swap(&grant->word, word,
					grant_word(door, owner->family == 6, true, until)) != word)
		return;
	reason_count(REASON_USED_UP);
	if (grant_counted(d, word, now))
		quota_return(door, d, 1);
	if (d->flags & DOOR_TASKS)
		task_tell(EVENT_CLOSED, owner, door, now, 0);
	event = event_begin(EVENT_CLOSED, owner, now);
	if (event) {
		event->door = door;
		event->reason = REASON_USED_UP;
		bpf_ringbuf_submit(event, 0);
	}
}

/* Whether the grant in @cell pays for one connection more; one whose door does not count does. */
__noinline int cell_pays(const struct source *owner, __u64 hash, int cell, __u64 now)
{
	struct grant *grant = bucket_cell(hash, cell);
	const struct door *d;
	__u64 word;

	if (!owner || !grant)
		return false;
	/* Read before the count: what is renewed meanwhile is not used up. */
	word = *(volatile __u64 *)&grant->word;
	d = door_at(grant_door(word));
	if (!d || !grant_confirm(grant, word, owner))
		return false;
	if (!d->connections)
		return true;
	for (int i = 0; i < USES_TRIES; i++) {
		__u32 uses = *(volatile __u32 *)&grant->uses;

		if (!uses)
			return false;
		if (__sync_val_compare_and_swap(&grant->uses, uses, uses - 1) != uses)
			continue;
		if (uses == 1)
			grant_use_up(grant, word, owner, hash, now);
		return true;
	}
	return false;
}

/**
 * connection_settle() - A packet of the established connection @flow: charge its grant if that was
 * not done yet. One whose grant's time is over began in time, and goes on.
 * Return: REASON_SOCKET, or REASON_CLOSED_UNPAID when the grant was used up by others.
 */
static __always_inline enum reason connection_settle(const struct source *owner, __u64 hash,
						     const struct flow_entry *flow, __u32 area,
						     __u64 now)
{
	struct flow_state *state;
	struct grant *grant;
	__u32 door;
	__u64 word;
	int cell;

	state = flow_find(flow);
	if (!state || !state->unpaid || !__sync_val_compare_and_swap(&state->unpaid, 1, 0))
		return REASON_SOCKET;
	state->seen = now; /* for what moves to another table */
	door = state->door;
	cell = cell_find(owner, hash, door);
	grant = bucket_cell(hash, cell);
	word = grant ? *(volatile __u64 *)&grant->word : 0;
	if (!grant || grant_door(word) != door || grant_expiry(word) <= now ||
	    cell_pays(owner, hash, cell, now))
		return REASON_SOCKET;
	/* Another door may let it go on, at its own cost. */
	cell = cell_admitting(owner, hash, area, now);
	if (cell >= 0 && cell_pays(owner, hash, cell, now))
		return REASON_SOCKET;
	state->unpaid = 1;
	return REASON_CLOSED_UNPAID;
}

#endif
