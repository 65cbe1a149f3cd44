/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a knock to a grant: fetch the source's progress, one step, store it, open or close. */
#ifndef KNOCKD_PROGRESS_H
#define KNOCKD_PROGRESS_H

#include "admit.h"

__u32 sequence_hop(__u32 state, __u32 symbol, __u32 root);
__u32 sequence_next(__u32 state, __u32 symbol, __u32 root);
__u32 sequence_outlast(const struct progress *p, __u32 state, __u32 head, __u32 now, __u32 root);
__u32 sequence_alive(const struct progress *p, __u32 state, __u32 head, __u32 now, __u32 root);
#define STATE_HOP(a, state, symbol, root) ((void)(a), sequence_hop(state, symbol, root))
#define STATE_NEXT(a, state, symbol, root) sequence_next(state, symbol, root)
#define STATE_OUTLAST(a, p, state, head, now, root)                                                \
	((void)(a), sequence_outlast(p, state, head, now, root))
#define STATE_ALIVE(a, p, state, head, now, root) sequence_alive(p, state, head, now, root)
#include "sequence.h"

enum { STAGES_PER_SECOND = 10, OPENINGS_PER_SECOND = 100, PROGRESS_TRIES = 8, QUOTA_TRIES = 4 };

/* One knock, and all that its consequences need but whose it is. */
struct knock {
	__u64 now;
	__u64 hash;   /* of its source */
	__u64 name;   /* progress_name(), in presence where the source is */
	__u32 id;
	__u16 symbol; /* 0: a stray */
	__u8 stream;  /* also its first state */
	bool known;   /* the source may have progress */
};

/* The tables of the automaton, each opened where it is used: the stack is short. */
static __always_inline bool states_open(struct automaton *a)
{
	a->state = table(&states);
	a->state_count = settings.state_count;
	return a->state;
}

static __always_inline bool matches_open(struct automaton *a)
{
	a->match = table(&matches);
	a->match_count = settings.match_count;
	return a->match;
}

static __always_inline bool edges_open(struct automaton *a)
{
	a->edge = table(&edges);
	a->edge_mask = settings.edge_mask;
	return a->edge;
}

/*
 * Count a grant given or renewed in the door's window that holds @now; a new one only while cells
 * that may be in use are fewer than twice the quota.
 */
__noinline int quota_take(__u32 door, bool renewed, __u64 now)
{
	__u64 *quota = bpf_map_lookup_elem(&quotas, &door);
	const struct door *d = door_at(door);
	__u16 window;

	if (!quota || !d)
		return false;
	window = d->window ? now / d->window : 0;
	for (int i = 0; i < QUOTA_TRIES; i++) {
		__u64 old = *(volatile __u64 *)quota;
		__s16 passed = window - (__u16)(old >> 2 * QUOTA_COUNT_BITS);
		__u64 before = old >> QUOTA_COUNT_BITS & QUOTA_COUNT_MAX;
		__u64 current = old & QUOTA_COUNT_MAX;

		/* Another CPU may be in the next window already. */
		if (passed < 0 && passed > -16)
			window -= passed;
		else if (passed) {
			before = passed == 1 ? current : 0;
			current = 0;
		}
		if (!renewed && before + current >= 2 * (__u64)d->quota)
			return false;
		if (current < QUOTA_COUNT_MAX)
			current++;
		if (__sync_val_compare_and_swap(quota, old,
						(__u64)window << 2 * QUOTA_COUNT_BITS |
						before << QUOTA_COUNT_BITS | current) == old)
			return true;
	}
	return renewed;
}

/* @count grants that would stand until closed are gone: their door has as many more to give. */
static __always_inline void quota_return(__u32 door, const struct door *d, __u32 count)
{
	__u64 *quota = d->window ? NULL : bpf_map_lookup_elem(&quotas, &door);

	if (quota && (*(volatile __u64 *)quota & QUOTA_COUNT_MAX) >= count)
		__sync_fetch_and_add(quota, -(__u64)count);
}

/*
 * Whether the quota counts the live grant @word: it was given or renewed in the door's window that
 * holds @now. Of a door without an end it counts only grants that have none either: what an order
 * gave for a time ends unseen, and would never give its place back.
 */
static __always_inline bool grant_counted(const struct door *d, __u64 word, __u64 now)
{
	if (!d->window)
		return grant_expiry(word) == GRANT_FOREVER;
	return (grant_expiry(word) - d->open_time) / d->window == now / d->window;
}

/* The cell of a grant that may be given to @owner, taken and busy, or −1. */
__noinline int cell_take(const struct source *owner, __u64 hash, __u64 now)
{
	struct grant_bucket *bucket = owner_bucket(hash);

	if (!owner || !bucket)
		return -1;
	return grant_take(bucket, hash, owner, now,
			  grant_word(GRANT_DOOR_BUSY, false, true, now + settings.second));
}

/* The cell @cell of the bucket of @hash, NULL for −1. */
static __always_inline struct grant *bucket_cell(__u64 hash, int cell)
{
	struct grant_bucket *bucket = owner_bucket(hash);

	return bucket ? cell_grant(bucket, cell) : NULL;
}

/* How many connections a grant of the door is for. */
static __always_inline __u32 door_uses(const struct door *d)
{
	return d->connections ? d->connections : ~0U;
}

/* Give @owner a grant for @door, or renew the one it has; @forced: the quota only counts it. */
static __always_inline enum reason grant_give(__u32 door, const struct door *d,
					      const struct source *owner, __u64 hash, __u64 now,
					      __u64 until, bool forced, bool *renewed)
{
	struct grant *g = bucket_cell(hash, cell_find(owner, hash, door));
	__u64 new = grant_word(door, owner->family == 6, false, until);
	__u64 word = g ? *(volatile __u64 *)&g->word : 0;
	bool counts = !forced || d->window || until == GRANT_FOREVER;

	/* The cell may have changed hands between the search and this look at it. */
	if (g && grant_door(word) == door && grant_expiry(word) > now &&
	    grant_confirm(g, word, owner)) {
		*renewed = grant_alive(word, now);
		/* It has its cell: the quota counts it, but does not refuse. */
		if (!*renewed || !grant_counted(d, word, now)) {
			if (counts)
				quota_take(door, true, now);
		} else if (!counts) {
			quota_return(door, d, 1);
		}
		/* What an administrator gave for longer no knock shortens. */
		if (!forced && *renewed && grant_expiry(word) > until)
			new = word;
		g->uses = door_uses(d);
		if (__sync_val_compare_and_swap(&g->word, word, new) == word) {
			g->flows = 0;
			return REASON_OPENED;
		}
		/* Another CPU gives or ends it at this very moment: a second cell does no harm. */
		*renewed = false;
	}
	if (counts && !quota_take(door, forced, now))
		return REASON_REFUSED_QUOTA;
	g = bucket_cell(hash, cell_take(owner, hash, now));
	if (!g) {
		if (counts)
			quota_return(door, d, 1);
		return REASON_REFUSED_FULL;
	}
	g->uses = door_uses(d);
	__sync_lock_test_and_set(&g->word, new);
	return REASON_OPENED;
}

/**
 * trial_confirm() - What waits for confirmation stays in force, unless its time is over.
 * Return: enum order_result.
 */
static __always_inline enum order_result trial_confirm(__u64 now)
{
	struct trial_term *t = table(&trial);
	__u64 until = t ? *(volatile __u64 *)&t->until : 0;

	if (!until)
		return ORDER_NOTHING;
	if (until <= now)
		return ORDER_LATE;
	__sync_val_compare_and_swap(&t->until, until, 0);
	return ORDER_DONE;
}

/* Whether the sequence of @door may open it: a one-time sequence does so but once. */
static __always_inline bool once_take(__u32 door, const struct door *d)
{
	__u64 *last = d->once ? bpf_map_lookup_elem(&spent, &door) : NULL;
	__u64 old = last ? *(volatile __u64 *)last : 0;

	if (!d->once)
		return true;
	return last && old != d->once &&
	       __sync_val_compare_and_swap(last, old, d->once) == old;
}

/*
 * Whether one more opening of @door may be told to the helper, and to the log where it gives no
 * grants: who can send the knocks from forged addresses can open as often as he likes. A one-time
 * sequence limits itself.
 */
static __always_inline bool opening_take(__u32 door, const struct door *d, __u64 now)
{
	__u64 *limit;

	if ((d->flags & (DOOR_GRANTS | DOOR_TASKS)) == DOOR_GRANTS || d->once)
		return true;
	limit = bpf_map_lookup_elem(&told, &door);
	return limit && rate_take(limit, now, OPENINGS_PER_SECOND);
}

/* event_begin(), with the knock's stream. */
static __always_inline struct event *knock_event(enum event_kind kind, const struct source *source,
						 const struct knock *k)
{
	struct event *event = event_begin(kind, source, k->now);

	if (event)
		event->source.stream = k->stream;
	return event;
}

/* The sequence of @door is complete: open it for @source, and tell. */
__noinline int door_open(const struct source *source, const struct knock *k, __u32 door)
{
	const struct door *d = door_at(door);
	struct event *event;
	struct source owner;
	enum reason reason;
	__u64 *opened;
	bool renewed = false, telling;
	__u64 hash, until;

	if (!source || !k || !d)
		return 0;
	owner = source_owner(source);
	hash = source_hash(&settings.hash_key, &owner);
	until = d->open_time ? k->now + d->open_time : GRANT_FOREVER;
	if (!source_may_knock(source, door)) {
		reason = REASON_REFUSED_SOURCE;
	} else if (!once_take(door, d)) {
		reason = REASON_REFUSED_SPENT;
	} else if (d->flags & DOOR_GRANTS) {
		hash_extend(PRESENCE_GRANTS, hash, until);
		reason = grant_give(door, d, &owner, hash, k->now, until, false, &renewed);
	} else {
		until = 0;
		reason = REASON_OPENED;
	}
	reason_count(reason);
	telling = reason != REASON_OPENED || opening_take(door, d, k->now);
	/* Also where no grant was to be had: the sequence is spent, and the helper marks it. */
	if (!telling)
		task_lose();
	else if (d->flags & DOOR_TASKS &&
		 (reason == REASON_OPENED || (d->once && reason != REASON_REFUSED_SOURCE &&
					      reason != REASON_REFUSED_SPENT)))
		task_tell(reason == REASON_OPENED ? EVENT_OPENED : EVENT_REFUSED, source, door,
			  k->now, 0);
	if (reason == REASON_OPENED)
		trial_confirm(k->now);
	opened = reason == REASON_OPENED ? bpf_map_lookup_elem(&door_counters, &door) : NULL;
	if (opened)
		++*opened;
	if (!telling && !(d->flags & DOOR_GRANTS))
		return 0;
	event = knock_event(opened ? EVENT_OPENED : EVENT_REFUSED, source, k);
	if (event) {
		event->door = door;
		event->reason = reason;
		event->until = until;
		event->renewed = renewed;
		bpf_ringbuf_submit(event, 0);
	}
	return 0;
}

/* Whether flows of the door's grants can outlive them. */
static __always_inline bool door_has_flows(const struct door *d)
{
	return d->flags & DOOR_FLOWS && d->open_time;
}

/* When no flow can be alive any more that had its last packet by now. */
static __always_inline __u64 flows_idle(__u64 now)
{
	return now + settings.udp_idle + 1;
}

/* End the grants of @owner for @door; how many there were. */
__noinline int cell_end(const struct source *owner, __u64 hash, __u32 door, __u64 now)
{
	struct grant_bucket *bucket = owner_bucket(hash);
	const struct door *d = door_at(door);

	if (!owner || !bucket || !d)
		return 0;
	return grant_end(bucket, door, owner, now, door_has_flows(d) ? flows_idle(now) : now);
}

/* The time of the grant is up, but its flows may live: leave word that they have ended. */
static __noinline void flows_end(const struct source *owner, __u64 hash, __u32 door, __u64 now)
{
	struct grant *g = bucket_cell(hash, cell_find(owner, hash, door));
	__u64 word = g ? *(volatile __u64 *)&g->word : 0;
	/* Once is enough. */
	if (word >> GRANT_ENDED_BIT & 1 && grant_door(word) == door && grant_expiry(word) > now)
		return;
	g = NULL;
	if (quota_take(door, false, now))
		g = bucket_cell(hash, cell_take(owner, hash, now));
	if (g)
		__sync_lock_test_and_set(&g->word, grant_word(door, owner->family == 6, true,
							      flows_idle(now)));
}

/* End the grants of @source for @door and their flows; how many grants there were. */
static __always_inline int grant_close(const struct source *source, __u32 door,
				       const struct door *d, __u64 now)
{
	struct source owner = source_owner(source);
	struct grant *g;
	__u64 hash, word;
	int count;

	if (!source_present(&owner, now, &hash))
		return 0;
	g = bucket_cell(hash, cell_find(&owner, hash, door));
	word = g ? *(volatile __u64 *)&g->word : 0;
	count = cell_end(&owner, hash, door, now);
	if (count > 0 && grant_counted(d, word, now))
		quota_return(door, d, count);
	else if (count <= 0 && door_has_flows(d))
		flows_end(&owner, hash, door, now);
	return count;
}

/* The Close_Sequence of @door is complete: end the grant of @source, and tell. */
__noinline int door_close(const struct source *source, const struct knock *k, __u32 door)
{
	const struct door *d = door_at(door);
	struct event *event;

	if (!source || !k || !d || grant_close(source, door, d, k->now) <= 0)
		return 0;
	reason_count(REASON_CLOSED_BY_KNOCK);
	if (d->flags & DOOR_TASKS)
		task_tell(EVENT_CLOSED, source, door, k->now, 0);
	event = knock_event(EVENT_CLOSED, source, k);
	if (event) {
		event->door = door;
		event->reason = REASON_CLOSED_BY_KNOCK;
		bpf_ringbuf_submit(event, 0);
	}
	return 0;
}

/* Whether to tell how far a source has come: ten times a second at the most. */
static __always_inline bool stage_take(__u64 now)
{
	struct shared *s = table(&shared);

	if (!s)
		return false;
	if (rate_take(&s->limit[LIMIT_STAGES], now, STAGES_PER_SECOND))
		return true;
	reason_count(REASON_STAGE_UNSAID);
	/* Not worth an atomic operation: what CPUs do at once may be lost. */
	++*(volatile __u64 *)&s->stages_unsaid;
	return false;
}

/* Tell that @source has come to @state. */
__noinline int stage_tell(const struct source *source, const struct knock *k, __u32 state)
{
	struct event *event;

	if (!source || !k)
		return 0;
	event = knock_event(EVENT_STAGE, source, k);
	if (event) {
		event->state = state;
		bpf_ringbuf_submit(event, 0);
	}
	return 0;
}

/* New progress for the knock's source, or NULL. */
static __noinline struct progress *progress_make(const struct knock *k)
{
	static const struct progress none;
	__u64 name = k->name;
	struct progress *p;

	/* Another CPU may make it first: then the one it made serves. */
	bpf_map_update_elem(&progress, &name, &none, BPF_NOEXIST);
	p = bpf_map_lookup_elem(&progress, &name);
	if (!p)
		reason_count(REASON_PROGRESS_LOST);
	return p;
}

__noinline __u32 sequence_hop(__u32 state, __u32 symbol, __u32 root)
{
	struct automaton a;

	return states_open(&a) && edges_open(&a) ? state_hop(&a, state, symbol, root) : root;
}

__noinline __u32 sequence_next(__u32 state, __u32 symbol, __u32 root)
{
	return state_next(NULL, state, symbol, root);
}

__noinline __u32 sequence_outlast(const struct progress *p, __u32 state, __u32 head, __u32 now,
				  __u32 root)
{
	struct automaton a;

	return p && states_open(&a) ? state_outlast(&a, p, state, head, now, root) : root;
}

__noinline __u32 sequence_alive(const struct progress *p, __u32 state, __u32 head, __u32 now,
				__u32 root)
{
	return p ? state_alive(NULL, p, state, head, now, root) : root;
}

/* Progress with this name will be alive until @until. */
static __always_inline void name_extend(__u64 name, __u64 until)
{
	if (!presence_reaches(hash_slot(PRESENCE_PROGRESS, name), until))
		hash_extend(PRESENCE_PROGRESS, name, until);
}

/* One try to change @p by the knock; false when another CPU changed it meanwhile. */
__noinline int progress_try(const struct knock *k, struct progress *p, struct step *step)
{
	struct automaton a;
	__u64 word, own;
	const struct state *start;
	__u32 tag, root;

	if (!k || !p || !step || !states_open(&a) || !matches_open(&a))
		return 0;
	/* Read once: what the verifier knows of memory it forgets with each call. */
	root = *(const volatile __u8 *)&k->stream;
	start = state_at(&a, root);
	if (!start)
		return 0;
	tag = progress_tag(k->name);
	word = *(volatile __u64 *)&p->word;
	own = word_tag(word) == tag ? word : word_make(root, 0, 0, tag);
	if (k->symbol) {
		sequence_step(&a, root, p, own, k->symbol, k->id, k->now, step);
	} else {
		step->kind = word_state(own) == root ? STEP_NONE : STEP_WRONG;
		step->word = word_make(root, word_head(own), word_count(own), tag);
	}
	if (step->kind == STEP_ADVANCED || step->kind == STEP_REPEAT)
		name_extend(k->name, k->now + start->timeout);
	return step->word == word ||
	       __sync_val_compare_and_swap(&p->word, word, step->word) == word;
}

/* Open or close the doors whose sequences end in state @at and @matched. */
__noinline int sequences_end(const struct source *source, const struct knock *k, __u32 at,
			     __u32 matched)
{
	const struct state *state = table(&states);
	const struct match *first = table(&matches);

	if (!source || !k || !state || !first)
		return 0;
	state = table_at(state, at, settings.state_count, sizeof(*state));
	if (!state)
		return 0;
	for (__u32 i = 0; i < KNOCKD_MATCHES_MAX && i < state->match_count; i++) {
		const struct match *match = table_at(first, state->match + i,
						     settings.match_count, sizeof(*match));

		if (!match || !(matched >> i & 1))
			continue;
		if (match->action == MATCH_OPEN)
			door_open(source, k, match->door);
		else
			door_close(source, k, match->door);
	}
	return 0;
}

/**
 * progress_knock() - Count one knock, or with symbol 0 one stray, and open or close doors by it.
 *
 * A source without progress costs nothing more unless the knock is the first of some sequence.
 *
 * Return: whether a stray cleared progress.
 */
static __always_inline bool progress_knock(const struct source *source, struct knock *k)
{
	struct step step = {};
	struct progress *p;
	/* Before Linux 6.2 a key must lie on the stack, not where an argument points. */
	__u64 name = k->name;

	p = k->known ? bpf_map_lookup_elem(&progress, &name) : NULL;
	if (!p && k->symbol && sequence_next(k->stream, k->symbol, k->stream) != k->stream)
		p = progress_make(k);
	if (!p)
		return false;
	for (int i = 0; i < PROGRESS_TRIES; i++) {
		if (progress_try(k, p, &step)) {
			if (step.kind == STEP_REPEAT)
				reason_count(REASON_REPEATED);
			if (step.kind == STEP_WRONG && k->symbol)
				reason_count(REASON_WRONG);
			if (step.kind != STEP_ADVANCED)
				return step.kind == STEP_WRONG;
			if (stage_take(k->now))
				stage_tell(source, k, step.state);
			if (step.matched)
				sequences_end(source, k, step.state, step.matched);
			return false;
		}
		/* The lost try has left the segment's name in the ring. */
		k->id = 0;
	}
	reason_count(REASON_PROGRESS_LOST);
	return false;
}

#endif
