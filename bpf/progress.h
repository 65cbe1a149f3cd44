/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a knock to a grant: fetch the source's progress, one step, store it, open or close. */
#ifndef KNOCKD_PROGRESS_H
#define KNOCKD_PROGRESS_H

#include "admit.h"

__u32 sequence_next(__u32 state, __u32 symbol, __u32 root);
#define STATE_NEXT(a, state, symbol, root) sequence_next(state, symbol, root)
#include "sequence.h"

enum { STAGES_PER_SECOND = 10, PROGRESS_TRIES = 8, QUOTA_TRIES = 4 };

/* One knock, and all that its consequences need. */
struct knock {
	struct source source; /* with its stream */
	__u64 now;
	__u64 hash;           /* of the source */
	__u32 root;           /* the stream's */
	__u32 symbol;         /* 0: a stray */
	__u32 id;
};

static __always_inline bool automaton_open(struct automaton *a)
{
	a->edge = table(&edges);
	a->state = table(&states);
	a->match = table(&matches);
	a->edge_mask = settings.edge_mask;
	a->state_count = settings.state_count;
	a->match_count = settings.match_count;
	return a->edge && a->state && a->match;
}

/*
 * Count a grant given or renewed in the window of one Open_Time that holds @now; a new one only
 * while grants that may be alive are fewer than twice the quota.
 */
__noinline int quota_take(__u32 door, bool renewed, __u64 now)
{
	__u64 *quota = bpf_map_lookup_elem(&quotas, &door);
	const struct door *d = table(&doors);
	__u16 window;

	if (!quota || !d || door >= settings.door_count)
		return false;
	d += door;
	window = d->open_time ? now / d->open_time : 0;
	for (int i = 0; i < QUOTA_TRIES; i++) {
		__u64 old = *(volatile __u64 *)quota;
		__u16 passed = window - (__u16)(old >> 2 * QUOTA_COUNT_BITS);
		__u64 before = old >> QUOTA_COUNT_BITS & QUOTA_COUNT_MAX;
		__u64 current = old & QUOTA_COUNT_MAX;

		if (passed) {
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

/* A grant that stood until closed is gone: its door has one more to give. */
static __always_inline void quota_return(__u32 door)
{
	__u64 *quota = bpf_map_lookup_elem(&quotas, &door);

	if (quota && (*(volatile __u64 *)quota & QUOTA_COUNT_MAX))
		__sync_fetch_and_add(quota, -1);
}

/* Whether the grant @word was given or renewed in the window of @d's Open_Time that holds @now. */
static __always_inline bool grant_in_window(const struct door *d, __u64 word, __u64 now)
{
	if (!d->open_time)
		return grant_expiry(word) == GRANT_FOREVER && !(word >> GRANT_ENDED_BIT & 1);
	return (grant_expiry(word) - d->open_time) / d->open_time == now / d->open_time;
}

/* The cell of a grant that may be given to @owner, taken and busy, or −1. */
__noinline int cell_take(const struct source *owner, __u64 hash, __u64 now)
{
	struct grant_bucket *bucket = owner_bucket(hash);

	if (!owner || !bucket)
		return -1;
	return grant_take(bucket, owner, now,
			  grant_word(GRANT_DOOR_BUSY, false, true, now + settings.second));
}

/* Give @owner a grant for @door, or renew the one it has. */
static __always_inline enum reason grant_give(struct grant_bucket *bucket, __u32 door,
					      const struct door *d, const struct source *owner,
					      __u64 hash, __u64 now, __u64 until, bool *renewed)
{
	__u64 new = grant_word(door, owner->family == 6, false, until);
	struct grant *g = cell_grant(bucket, cell_find(owner, hash, door));
	__u64 word = g ? *(volatile __u64 *)&g->word : 0;

	/* The cell may have changed hands between the search and this look at it. */
	if (g && grant_door(word) == door && grant_expiry(word) > now &&
	    grant_confirm(g, word, owner)) {
		*renewed = grant_alive(word, now);
		if (!grant_in_window(d, word, now) && !quota_take(door, *renewed, now))
			return REASON_REFUSED_QUOTA;
		if (__sync_val_compare_and_swap(&g->word, word, new) == word) {
			g->flows = 0;
			return REASON_OPENED;
		}
		/* Another CPU gives or ends it at this very moment: a second cell does no harm. */
		*renewed = false;
	}
	if (!quota_take(door, false, now))
		return REASON_REFUSED_QUOTA;
	g = cell_grant(bucket, cell_take(owner, hash, now));
	if (!g)
		return REASON_REFUSED_FULL;
	__sync_lock_test_and_set(&g->word, new);
	return REASON_OPENED;
}

/* The sequence of @door is complete: open it for the source of @k, and tell. */
__noinline int door_open(const struct knock *k, __u32 door)
{
	struct presence *p = table(&presence);
	const struct door *d = table(&doors);
	struct event *event;
	struct source owner;
	enum reason reason = REASON_REFUSED_SOURCE;
	struct grant_bucket *bucket;
	__u64 *opened;
	bool renewed = false;
	__u64 hash, until;

	if (!k || !p || !d || door >= settings.door_count)
		return 0;
	d += door;
	owner = source_owner(&k->source);
	hash = source_hash(p->key, &owner);
	bucket = owner_bucket(hash);
	if (!bucket)
		return 0;
	until = d->open_time ? k->now + d->open_time : GRANT_FOREVER;
	if (source_may_knock(&k->source, door)) {
		presence_extend(p, hash, until);
		reason = grant_give(bucket, door, d, &owner, hash, k->now, until,
				    &renewed);
	}
	reason_count(reason);
	opened = reason == REASON_OPENED ? bpf_map_lookup_elem(&door_counters, &door) : NULL;
	if (opened)
		++*opened;
	event = event_begin(opened ? EVENT_OPENED : EVENT_REFUSED, &k->source, k->now);
	if (event) {
		event->door = door;
		event->reason = reason;
		event->until = until;
		event->renewed = renewed;
		bpf_ringbuf_submit(event, 0);
	}
	return 0;
}

/* End the grants of @owner for @door; how many there were. */
__noinline int cell_end(const struct source *owner, __u64 hash, __u32 door, __u64 now)
{
	struct grant_bucket *bucket = owner_bucket(hash);

	if (!owner || !bucket)
		return 0;
	return grant_end(bucket, door, owner, now,
			 grant_word(door, owner->family == 6, true, now + settings.udp_idle));
}

/* The Close_Sequence of @door is complete: end the grant of the source of @k, and tell. */
__noinline int door_close(const struct knock *k, __u32 door)
{
	struct presence *p = table(&presence);
	const struct door *d = table(&doors);
	struct source owner;
	struct event *event;
	__u64 hash;

	if (!k || !p || !d || door >= settings.door_count)
		return 0;
	d += door;
	owner = source_owner(&k->source);
	hash = source_hash(p->key, &owner);
	/* Its flows end with it: the ended cell outlives any of them. */
	presence_extend(p, hash, k->now + settings.udp_idle);
	if (cell_end(&owner, hash, door, k->now) <= 0)
		return 0;
	if (!d->open_time)
		quota_return(door);
	reason_count(REASON_CLOSED_BY_KNOCK);
	event = event_begin(EVENT_CLOSED, &k->source, k->now);
	if (event) {
		event->door = door;
		bpf_ringbuf_submit(event, 0);
	}
	return 0;
}

/* Tell how far the source has come, ten times a second at the most. */
static __always_inline void stage_tell(const struct knock *k, __u32 state)
{
	struct event *event;

	if (!limit_take(LIMIT_STAGES, k->now, STAGES_PER_SECOND)) {
		reason_count(REASON_STAGE_UNSAID);
		return;
	}
	event = event_begin(EVENT_STAGE, &k->source, k->now);
	if (event) {
		event->state = state;
		bpf_ringbuf_submit(event, 0);
	}
}

/* The progress of the knock's source; made anew where there is none and @begin. */
static __always_inline struct progress *progress_fetch(const struct knock *k, bool begin)
{
	struct progress *p = bpf_map_lookup_elem(&progress, &k->source);
	static const struct progress none;

	if (p || !begin)
		return p;
	/* Another CPU may make it first: then the one it made serves. */
	bpf_map_update_elem(&progress, &k->source, &none, BPF_NOEXIST);
	p = bpf_map_lookup_elem(&progress, &k->source);
	if (!p)
		reason_count(REASON_PROGRESS_LOST);
	return p;
}

__noinline __u32 sequence_next(__u32 state, __u32 symbol, __u32 root)
{
	struct automaton a;

	if (!automaton_open(&a) || state >= a.state_count)
		return root;
	return state_next(&a, state, symbol, root);
}

/* One try to change @p by the knock; false when another CPU changed it meanwhile. */
__noinline int progress_try(const struct knock *k, struct progress *p, struct step *step)
{
	struct presence *present = table(&presence);
	struct automaton a;
	__u64 word, own;
	__u32 tag, root;

	if (!k || !p || !step || !present || !automaton_open(&a))
		return 0;
	/* Read once: what the verifier knows of memory it forgets with each call. */
	root = *(const volatile __u32 *)&k->root;
	if (root >= a.state_count)
		return 0;
	tag = progress_tag(k->hash);
	word = *(volatile __u64 *)&p->word;
	own = word_tag(word) == tag ? word : word_make(root, 0, 0, tag);
	if (k->symbol) {
		sequence_step(&a, root, p, own, k->symbol, k->id, k->now, step);
	} else {
		step->kind = word_state(own) == root ? STEP_NONE : STEP_WRONG;
		step->word = word_make(root, word_head(own), word_count(own), tag);
	}
	if (step->kind == STEP_ADVANCED || step->kind == STEP_REPEAT)
		presence_extend(present, k->hash, k->now + a.state[root].timeout);
	return step->word == word ||
	       __sync_val_compare_and_swap(&p->word, word, step->word) == word;
}

/* The source has come to @step->state: tell, and open or close the doors that matched. */
__noinline int progress_advance(const struct knock *k, const struct step *step)
{
	const struct state *state = table(&states);
	const struct match *match = table(&matches);

	__u32 reached;

	if (!k || !step || !state || !match)
		return 0;
	reached = *(const volatile __u32 *)&step->state;
	if (reached >= settings.state_count)
		return 0;
	state += reached;
	stage_tell(k, reached);
	for (__u32 i = 0; i < KNOCKD_MATCHES_MAX && i < state->match_count; i++) {
		__u32 m = state->match + i;

		if (!(step->matched >> i & 1) || m >= settings.match_count)
			continue;
		if (match[m].action == MATCH_OPEN)
			door_open(k, match[m].door);
		else
			door_close(k, match[m].door);
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
__noinline int progress_knock(struct knock *k)
{
	struct presence *present = table(&presence);
	struct step step = {};
	struct automaton a;
	struct progress *p;
	bool begins;

	if (!k || !present || !automaton_open(&a) || k->root >= a.state_count)
		return 0;
	begins = k->symbol && edge_next(&a, k->root, k->symbol);
	if (!begins && !presence_alive(present, k->hash, k->now))
		return 0;
	p = progress_fetch(k, begins);
	if (!p)
		return 0;
	for (int i = 0; i < PROGRESS_TRIES; i++) {
		if (progress_try(k, p, &step)) {
			if (step.kind == STEP_REPEAT)
				reason_count(REASON_REPEATED);
			if (step.kind == STEP_WRONG && k->symbol)
				reason_count(REASON_WRONG);
			if (step.kind == STEP_ADVANCED)
				progress_advance(k, &step);
			return step.kind == STEP_WRONG;
		}
		/* The lost try has left the segment's name in the ring. */
		k->id = 0;
	}
	reason_count(REASON_PROGRESS_LOST);
	return 0;
}

#endif
