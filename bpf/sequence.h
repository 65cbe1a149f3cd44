/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a door opens: one step of one source's progress. Pure: no maps, no helpers, time is an
 * argument; the unit tests compile this very file and hold it against a model.
 *
 * A door opens when a source's most recent knocks are exactly its sequence and no more than its
 * Seq_Timeout passed from the first of them to the last. The state is the longest run of recent
 * knocks that is still in time and with which some sequence begins.
 */
#ifndef KNOCKD_SEQUENCE_H
#define KNOCKD_SEQUENCE_H

#include <stdbool.h>

#include "knockd/abi.h"
#include "table.h"

/* The compiled sequences. Counts are what the tables hold, so that every index is checked. */
struct automaton {
	const __u64 *edge;
	const struct state *state;
	const struct match *match;
	__u32 edge_mask;
	__u32 state_count;
	__u32 match_count;
};

enum step_kind {
	STEP_NONE,     /* no progress before or after */
	STEP_REPEAT,   /* a knock that was counted before */
	STEP_WRONG,    /* progress is gone */
	STEP_ADVANCED, /* some sequence has begun or is one further */
};

struct step {
	__u64 word;    /* the new progress word */
	__u32 state;   /* after the step */
	__u16 matched; /* bit i: sequence i of those that end in the state is whole and in time */
	__u8 kind;     /* enum step_kind */
};

static __always_inline const struct state *state_at(const struct automaton *a, __u32 state)
{
	return table_at(a->state, state, a->state_count, sizeof(*a->state));
}

/**
 * edge_slot() - Where an edge may stand in a table of @mask + 1 places.
 * @key: from << 16 | symbol; @place: below EDGE_PLACES
 */
static __always_inline __u32 edge_slot(__u64 key, __u32 place, __u32 mask)
{
	__u64 hash = key * 0x9e3779b97f4a7c15ULL;

	hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93ULL;
	return (place ? hash >> 32 : hash >> 8) & mask;
}

/** edge_next() - The state that @symbol leads to from @from without falling back, or 0. */
static __always_inline __u32 edge_next(const struct automaton *a, __u32 from, __u32 symbol)
{
	__u64 key = (__u64)from << 16 | symbol, edge;

	edge = a->edge[edge_slot(key, 0, a->edge_mask)];
	if (edge >> STATE_BITS != key)
		edge = a->edge[edge_slot(key, 1, a->edge_mask)];
	return edge >> STATE_BITS == key ? edge & (STATE_MAX - 1) : 0;
}

/**
 * state_beside() - As edge_next(), only of the edge to the state beside @from, if there is one.
 *
 * Of most states that is the only edge, and the number of where it leads waits for no memory.
 */
static __always_inline __u32 state_beside(const struct automaton *a, __u32 from, __u32 symbol)
{
	const struct state *s = state_at(a, from + 1);

	return s && s->beside && s->symbol == symbol ? from + 1 : 0;
}

static __always_inline __u32 word_state(__u64 word)
{
	return word & (STATE_MAX - 1);
}

static __always_inline __u32 word_head(__u64 word)
{
	return word >> PROGRESS_HEAD_SHIFT & (KNOCKD_SEQUENCE_MAX - 1);
}

static __always_inline __u32 word_count(__u64 word)
{
	return word >> PROGRESS_COUNT_SHIFT & 0x7f;
}

static __always_inline __u32 word_tag(__u64 word)
{
	return word >> PROGRESS_TAG_SHIFT;
}

static __always_inline __u64 word_make(__u32 state, __u32 head, __u32 count, __u32 tag)
{
	return (__u64)state | (__u64)(head & (KNOCKD_SEQUENCE_MAX - 1)) << PROGRESS_HEAD_SHIFT |
	       (__u64)count << PROGRESS_COUNT_SHIFT | (__u64)tag << PROGRESS_TAG_SHIFT;
}

/*
 * Jiffies since the knock @ago places before the latest one. Another CPU may have stored a time
 * just after this one read its own.
 */
static __always_inline __u32 knock_age(const struct progress *p, __u32 head, __u32 ago, __u32 now)
{
	__u32 age = now - p->knock[(head - ago) & (KNOCKD_SEQUENCE_MAX - 1)].time;

	return age > (__u32)-256 ? 0 : age;
}

/* Whether the run of knocks that led to @s is in force and still in time. */
static __always_inline bool state_holds(const struct state *s, const struct progress *p,
					__u32 head, __u32 now)
{
	return s->depth && !s->removed && knock_age(p, head, s->depth - 1, now) <= s->timeout;
}

/*
 * The kernel side calls functions that its verifier checks once, not once for each way there, nor
 * once for each turn of a loop.
 */
#ifndef STATE_NEXT
#define STATE_HOP state_hop
#define STATE_NEXT state_next
#define STATE_OUTLAST state_outlast
#define STATE_ALIVE state_alive
#endif

/* In place of a state: the shorter run that is to be looked at next. */
enum { STATE_FALLS = 1U << 31 };

/* @state while it is in force and in time; else the run to look at next, with STATE_FALLS, or
 * @root. */
static __always_inline __u32 state_outlast(const struct automaton *a, const struct progress *p,
					   __u32 state, __u32 head, __u32 now, __u32 root)
{
	const struct state *s = state_at(a, state);

	if (!s || !s->depth)
		return root;
	return state_holds(s, p, head, now) ? state : s->fail | STATE_FALLS;
}

/*
 * The longest suffix of @state that is in force and still in time; @root when nothing is, and for a
 * number that no run of knocks has any more.
 */
static __always_inline __u32 state_alive(const struct automaton *a, const struct progress *p,
					 __u32 state, __u32 head, __u32 now, __u32 root)
{
	for (__u32 i = 0; i < KNOCKD_SEQUENCE_MAX; i++) {
		state = STATE_OUTLAST(a, p, state, head, now, root);
		if (!(state & STATE_FALLS))
			return state;
		state &= ~STATE_FALLS;
	}
	return root;
}

/* Was the TCP segment @id one of the knocks counted within @timeout? */
static __always_inline bool knock_counted(const struct progress *p, __u32 head, __u32 count,
					  __u32 id, __u32 now, __u32 timeout)
{
	for (__u32 i = 0; i < KNOCKD_SEQUENCE_MAX && i < count; i++) {
		__u32 place = (head - i) & (KNOCKD_SEQUENCE_MAX - 1);

		if (p->knock[place].id == id && now - p->knock[place].time <= timeout)
			return true;
	}
	return false;
}

/* Where @symbol leads from @state; with STATE_FALLS the shorter run of which to ask next. */
static __always_inline __u32 state_hop(const struct automaton *a, __u32 state, __u32 symbol,
				       __u32 root)
{
	__u32 next = edge_next(a, state, symbol);
	const struct state *s;

	if (next)
		return next;
	s = state == root ? NULL : state_at(a, state);
	return s ? s->fail | STATE_FALLS : root;
}

/* Where @symbol leads from @state, falling back to shorter runs as far as the root. */
static __always_inline __u32 state_next(const struct automaton *a, __u32 state, __u32 symbol,
					__u32 root)
{
	for (__u32 i = 0; i <= KNOCKD_SEQUENCE_MAX; i++) {
		state = STATE_HOP(a, state, symbol, root);
		if (!(state & STATE_FALLS))
			return state;
		state &= ~STATE_FALLS;
	}
	return root;
}

/* As state_alive(), which is seldom needed for it. */
static __always_inline __u32 state_now(const struct automaton *a, const struct progress *p,
				       __u32 state, __u32 head, __u32 now, __u32 root)
{
	const struct state *s = state_at(a, state);

	return s && state_holds(s, p, head, now) ? state :
						   STATE_ALIVE(a, p, state, head, now, root);
}

/**
 * sequence_step() - Count one knock of one source.
 * @a: the compiled sequences
 * @root: first state of the stream
 * @p: the source's progress; its ring of knocks is written, its word is not
 * @word: the word read from @p, of which the caller makes sure that it is the source's own
 * @symbol: the knock
 * @id: names a TCP segment, so that a retransmission is known again; 0 where it has no name or
 *      this is another try after a lost compare-and-swap
 * @now: jiffies
 * @step: what came of it
 *
 * The caller puts step->word in place of @word, or starts again if the word has changed meanwhile.
 */
static __always_inline void sequence_step(const struct automaton *a, __u32 root, struct progress *p,
					  __u64 word, __u32 symbol, __u32 id, __u32 now,
					  struct step *step)
{
	__u32 head = word_head(word), count = word_count(word), tag = word_tag(word);
	__u32 state = state_now(a, p, word_state(word), head, now, root);
	const struct state *s = state_at(a, state), *start = state_at(a, root);
	bool repeat;

	step->kind = STEP_NONE;
	step->word = word;
	step->state = root;
	step->matched = 0;
	if (!s || !start)
		return;
	if (id && knock_counted(p, head, count, id, now, start->timeout)) {
		step->kind = STEP_REPEAT;
		return;
	}
	repeat = s->depth && s->symbol == symbol && !s->advances;
	step->state = state_beside(a, state, symbol);
	if (!step->state)
		step->state = STATE_NEXT(a, state, symbol, root);
	if (repeat && step->state != state) {
		/* The latest of equal knocks counts, so a sequence begun anew has its full time. */
		p->knock[head].time = now;
		step->kind = STEP_REPEAT;
		step->state = state;
		step->word = word_make(state, head, count, tag);
		return;
	}
	if (step->state == root || !state_at(a, step->state)) {
		step->state = root;
		step->kind = state == root ? STEP_NONE : STEP_WRONG;
		step->word = word_make(root, head, count, tag);
		return;
	}
	/* Also a repeat that leads back to the same run: as a whole it has become later. */
	head = (head + 1) & (KNOCKD_SEQUENCE_MAX - 1);
	p->knock[head].time = now;
	p->knock[head].id = id;
	if (count < KNOCKD_SEQUENCE_MAX)
		count++;
	step->state = state_now(a, p, step->state, head, now, root);
	step->kind = repeat ? STEP_REPEAT : step->state == root ? STEP_WRONG : STEP_ADVANCED;
	step->word = word_make(step->state, head, count, tag);
	s = state_at(a, step->state);
	if (repeat || !s)
		return;
	for (__u32 i = 0; i < KNOCKD_MATCHES_MAX && i < s->match_count; i++) {
		const struct match *m = table_at(a->match, s->match + i, a->match_count,
						 sizeof(*m));

		if (!m)
			break;
		if (knock_age(p, head, m->depth - 1, now) <= m->timeout)
			step->matched |= 1U << i;
	}
}

#endif
