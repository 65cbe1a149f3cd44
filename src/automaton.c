// SPDX-License-Identifier: GPL-2.0-or-later
#include "automaton.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../bpf/sequence.h"

/* One sequence of one door. */
struct pattern {
	__u32 port[KNOCKD_SEQUENCE_MAX]; /* indices in the table of ports */
	__u32 len;
	__u32 stream;
	__u32 timeout; /* jiffies */
	__u32 door;    /* its place in the config */
	enum match_action action;
};

/* What is known of a state beside its place in the tables. */
struct node {
	__u32 first, count; /* patterns that pass through it */
	__u32 ending;       /* of these, those that end here */
};

struct builder {
	const struct conf *conf;
	struct numbering *numbering;
	struct messages *messages;
	struct pattern *pattern; /* sorted by stream, then as words are */
	size_t pattern_count;
	struct node *node;       /* one a state */
	__u16 *symbol;           /* PORT_COUNT: of each port that is a knock anywhere */
	__u32 symbols;           /* given so far */
	__u32 states_in_force;
};

/* ---- patterns ---- */

/* The symbol of a knock, given to it when it is first seen; 0 when there are too many. */
static __u16 symbol_of(struct builder *b, const struct conf_knock *knock)
{
	__u16 *symbol = &b->symbol[port_index(knock->proto, knock->number)];

	if (!*symbol && b->symbols < 0xffff)
		*symbol = ++b->symbols;
	return *symbol;
}

static __u32 jiffies_short(__u32 seconds, unsigned int hz)
{
	__u64 jiffies = (__u64)seconds * hz;

	return jiffies > TIMEOUT_MAX ? TIMEOUT_MAX : jiffies;
}

static int pattern_compare(const void *left, const void *right)
{
	const struct pattern *a = left, *b = right;

	if (a->stream != b->stream)
		return a->stream < b->stream ? -1 : 1;
	for (__u32 i = 0; i < a->len && i < b->len; i++)
		if (a->port[i] != b->port[i])
			return a->port[i] < b->port[i] ? -1 : 1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	if (a->door != b->door)
		return a->door < b->door ? -1 : 1;
	return (int)a->action - (int)b->action;
}

static int too_many(struct builder *b, const struct conf_door *door)
{
	message_add(b->messages, MESSAGE_ERROR, door->line,
		    "door '%s' needs one more combination of TCPFlags and Target than the %d there "
		    "may be", door->name, KNOCKD_STREAMS_MAX);
	return -EINVAL;
}

static int pattern_add(struct builder *b, struct compiled *c, __u32 door, enum match_action action)
{
	const struct conf_door *d = &b->conf->door[door];
	const struct conf_sequence *sequence =
		action == MATCH_OPEN ? &d->sequence : &d->close_sequence;
	struct pattern *p = &b->pattern[b->pattern_count];
	struct stream stream = numbering_door_stream(d);
	struct port *port = c->port + (size_t)numbering_class(c, d) * PORT_COUNT;

	if (!sequence->len)
		return 0;
	p->stream = numbering_stream(b->numbering, c, &stream);
	if (p->stream == KNOCKD_STREAMS_MAX)
		return too_many(b, d);
	for (unsigned int i = 0; i < sequence->len; i++) {
		const struct conf_knock *knock = &sequence->knock[i];
		__u16 symbol = symbol_of(b, knock);

		if (!symbol) {
			message_add(b->messages, MESSAGE_ERROR, sequence->line,
				    "more than %d different knocks in one config", 0xffff);
			return -EINVAL;
		}
		p->port[i] = port_index(knock->proto, knock->number);
		port[p->port[i]].symbol = symbol;
		if (knock->proto == CONF_ICMP)
			c->settings.icmp = 1;
	}
	p->len = sequence->len;
	p->door = door;
	p->action = action;
	p->timeout = jiffies_short(d->seq_timeout_s, b->numbering->hz);
	if (c->path[p->stream].timeout < p->timeout)
		c->path[p->stream].timeout = p->timeout;
	b->pattern_count++;
	return 0;
}

/* The one stream that a config without any sequence has; nothing is a knock in it. */
static const struct stream idle_stream = {
	.mask = CONF_TCP_SYN | CONF_TCP_ACK, .value = CONF_TCP_SYN, .used = 1,
};

static void streams_set(struct compiled *c)
{
	struct settings *s = &c->settings;

	for (__u32 i = 0; i < KNOCKD_STREAMS_MAX; i++)
		if (c->path[i].used)
			s->stream_count = i + 1;
}

static int patterns_make(struct builder *b, struct compiled *c)
{
	const struct conf *conf = b->conf;
	int error = 0;

	b->pattern = calloc(2 * conf->door_count + 1, sizeof(*b->pattern));
	if (!b->pattern)
		return -ENOMEM;
	for (size_t i = 0; i < conf->door_count; i++) {
		struct stream stream = numbering_door_stream(&conf->door[i]);

		if (conf->door[i].sequence.len || conf->door[i].close_sequence.len)
			numbering_stream_keep(b->numbering, c, &stream);
	}
	for (size_t i = 0; i < conf->door_count && !error; i++) {
		error = pattern_add(b, c, i, MATCH_OPEN);
		if (!error)
			error = pattern_add(b, c, i, MATCH_CLOSE);
	}
	if (!error && !b->pattern_count) {
		numbering_stream_keep(b->numbering, c, &idle_stream);
		numbering_stream(b->numbering, c, &idle_stream);
	}
	streams_set(c);
	qsort(b->pattern, b->pattern_count, sizeof(*b->pattern), pattern_compare);
	return error;
}

/* ---- states ---- */

static struct automaton automaton_of(const struct compiled *c)
{
	return (struct automaton){
		.edge = c->edge,
		.state = c->state,
		.match = c->match,
		.edge_mask = c->settings.edge_mask,
		.state_count = c->settings.state_count,
		.match_count = c->settings.match_count,
	};
}

/* Whether some sequence of this config begins with the knocks that lead to @state; no root. */
static bool state_in_force(const struct compiled *c, __u32 state)
{
	return c->state[state].depth && !c->state[state].removed;
}

static __u32 state_add(struct builder *b, struct compiled *c, __u32 parent, __u32 port, __u8 depth,
		       __u32 pattern)
{
	__u32 i = numbering_state(b->numbering, c, parent, port);

	c->state[i] = (struct state){
		.symbol = b->symbol[port],
		.depth = depth,
		.beside = i == parent + 1,
	};
	c->path[i] = (struct path){ .parent = parent, .port = port, .used = 1 };
	b->node[i].first = pattern;
	if (i >= c->settings.state_count)
		c->settings.state_count = i + 1;
	b->states_in_force++;
	return i;
}

static void state_pass(struct builder *b, struct compiled *c, __u32 state, const struct pattern *p)
{
	b->node[state].count++;
	c->path[state].timeout = c->path[p->stream].timeout;
	if (c->state[state].timeout < p->timeout)
		c->state[state].timeout = p->timeout;
}

/* Sorted patterns share their beginnings with the one before: the trie is the path kept. */
static void trie_make(struct builder *b, struct compiled *c)
{
	__u32 path[KNOCKD_SEQUENCE_MAX + 1];
	const struct pattern *before = NULL;

	c->settings.state_count = b->states_in_force = KNOCKD_STREAMS_MAX;
	for (__u32 next = 0; next < b->pattern_count; next++) {
		const struct pattern *p = &b->pattern[next];
		__u32 depth = 0;

		if (!before || before->stream != p->stream) {
			before = NULL;
			path[0] = p->stream;
			b->node[p->stream].first = next;
		}
		while (before && depth < p->len && depth < before->len &&
		       p->port[depth] == before->port[depth])
			depth++;
		for (; depth < p->len; depth++)
			path[depth + 1] = state_add(b, c, path[depth], p->port[depth], depth + 1,
						    next);
		for (__u32 i = 0; i <= p->len; i++)
			state_pass(b, c, path[i], p);
		b->node[path[p->len]].ending++;
		before = p;
	}
}

/* ---- edges ---- */

/* More often than this one edge moves others only where a table of this size cannot hold them. */
enum { EDGE_MOVES = 500 };

/* Place @new, moving others to their other place; false when that does not end. */
static bool edge_place(__u64 *edge, __u32 mask, __u64 new)
{
	__u32 slot = edge_slot(new >> STATE_BITS, 0, mask);

	for (int moved = 0; moved < EDGE_MOVES; moved++) {
		__u64 old = edge[slot];
		__u32 other;

		edge[slot] = new;
		if (!old)
			return true;
		other = edge_slot(old >> STATE_BITS, 1, mask);
		slot = slot == other ? edge_slot(old >> STATE_BITS, 0, mask) : other;
		new = old;
	}
	return false;
}

/* Place all edges in a table of @size; false when they do not fit. */
static bool edges_place(const struct compiled *c, __u64 *edge, __u32 size)
{
	for (__u32 i = 0; i < c->settings.state_count; i++) {
		__u64 key = (__u64)c->path[i].parent << 16 | c->state[i].symbol;

		if (state_in_force(c, i) && !edge_place(edge, size - 1, key << STATE_BITS | i))
			return false;
	}
	return true;
}

static int edges_make(const struct builder *b, struct compiled *c)
{
	__u32 size = 1;

	while (size < 3 * b->states_in_force)
		size *= 2;
	for (; size <= 1U << 24; size *= 2) {
		__u64 *edge = calloc(size, sizeof(*edge));

		if (!edge)
			return -ENOMEM;
		if (edges_place(c, edge, size)) {
			c->edge = edge;
			c->settings.edge_mask = size - 1;
			return 0;
		}
		free(edge);
	}
	return -ENOMEM;
}

/* ---- what a knock leads to beside its edge ---- */

static __u32 root_of(const struct compiled *c, __u32 state)
{
	while (c->path[state].parent != state)
		state = c->path[state].parent;
	return state;
}

/* Removed states too; where their last port is no knock any more, no edge has its symbol 0. */
static void fails_make(const struct builder *b, struct compiled *c)
{
	struct automaton a = automaton_of(c);

	/* Shallow states first: a state's suffixes are shallower than it. */
	for (__u8 depth = 1; depth <= KNOCKD_SEQUENCE_MAX; depth++) {
		for (__u32 i = KNOCKD_STREAMS_MAX; i < c->settings.state_count; i++) {
			const struct path *path = &c->path[i];

			if (c->state[i].depth != depth)
				continue;
			c->state[i].fail = depth == 1 ? path->parent :
						state_next(&a, c->state[path->parent].fail,
							   b->symbol[path->port],
							   root_of(c, i));
		}
	}
	for (__u32 i = 0; i < KNOCKD_STREAMS_MAX; i++)
		c->state[i].fail = i;
}

static bool state_below(const struct compiled *c, __u32 state, __u32 above)
{
	while (c->state[state].depth > c->state[above].depth)
		state = c->path[state].parent;
	return state == above;
}

/* Does a run of recent knocks shorter than @run, longer than @from and from @to on, lead to it? */
static bool run_continued(const struct compiled *c, __u32 run, __u32 from, __u32 to)
{
	for (__u32 shorter = c->state[run].fail; shorter != from; shorter = c->state[shorter].fail)
		if (state_below(c, shorter, to) && state_below(c, run, shorter))
			return true;
	return false;
}

/*
 * Would the latest knock once more advance some sequence? It would where it is the next knock after
 * the longest proper part of that sequence with which the recent knocks end. So, for each run of
 * recent knocks with such an edge: is there a sequence along it to which no longer run belongs?
 */
static bool state_advances(const struct builder *b, const struct compiled *c, __u32 state)
{
	struct automaton a = automaton_of(c);
	__u32 symbol = c->state[state].symbol;

	for (__u32 from = state;; from = c->state[from].fail) {
		__u32 to = edge_next(&a, from, symbol), known = 0;

		for (__u32 run = state; to && run != from; run = c->state[run].fail)
			if (state_below(c, run, to) && !run_continued(c, run, from, to))
				known += b->node[run].count - b->node[run].ending;
		if (to && b->node[to].count > known)
			return true;
		if (!c->state[from].depth)
			return false;
	}
}

/* ---- matches and stages ---- */

/* Add what @pattern does to the matches, of which @room are allocated. */
static int match_add(const struct builder *b, struct compiled *c, const struct pattern *pattern,
		     size_t *room)
{
	if (c->settings.match_count == *room) {
		size_t wider = 2 * *room + 64;
		struct match *more = realloc(c->match, wider * sizeof(*more));

		if (!more)
			return -ENOMEM;
		c->match = more;
		*room = wider;
	}
	c->match[c->settings.match_count++] = (struct match){
		.timeout = pattern->timeout,
		.door = b->numbering->door[pattern->door],
		.depth = pattern->len,
		.action = pattern->action,
	};
	return 0;
}

/* All sequences that end in @state or in a suffix of it. */
static int state_match(const struct builder *b, struct compiled *c, __u32 state, size_t *room)
{
	__u32 first = c->settings.match_count, count = 0;

	for (__u32 end = state; c->state[end].depth; end = c->state[end].fail) {
		const struct node *node = &b->node[end];

		for (__u32 p = node->first; p < node->first + node->ending; p++) {
			const struct conf_door *door = &b->conf->door[b->pattern[p].door];
			int error;

			if (++count > KNOCKD_MATCHES_MAX) {
				message_add(b->messages, MESSAGE_ERROR, door->line,
					    "the last knock of door '%s' completes more than %d "
					    "sequences at once; let some end with other knocks",
					    door->name, KNOCKD_MATCHES_MAX);
				return -EINVAL;
			}
			error = match_add(b, c, &b->pattern[p], room);
			if (error)
				return error;
		}
	}
	c->state[state].match = count ? first : 0;
	c->state[state].match_count = count;
	return 0;
}

static int matches_make(const struct builder *b, struct compiled *c)
{
	size_t room = 0;

	for (__u32 i = 0; i < c->settings.state_count; i++) {
		int error = state_in_force(c, i) ? state_match(b, c, i, &room) : 0;

		if (error)
			return error;
		c->state[i].advances = state_in_force(c, i) && state_advances(b, c, i);
	}
	if (!c->match)
		c->match = calloc(1, sizeof(*c->match));
	return c->match ? 0 : -ENOMEM;
}

/* Which doors are being opened where; door by door, so that each state has them in file order. */
static int stages_make(struct builder *b, struct compiled *c)
{
	struct automaton a = automaton_of(c);

	c->stage = calloc(c->settings.state_count, sizeof(*c->stage));
	if (!c->stage)
		return -ENOMEM;
	for (size_t d = 0; d < b->conf->door_count; d++) {
		const struct conf_door *door = &b->conf->door[d];
		const struct conf_sequence *sequence = &door->sequence;
		struct stream stream = numbering_door_stream(door);
		__u32 at = sequence->len ? numbering_stream(b->numbering, c, &stream) : 0;

		for (unsigned int i = 0; i < sequence->len; i++) {
			const struct conf_knock *knock = &sequence->knock[i];
			struct stage *stage;

			at = edge_next(&a, at, symbol_of(b, knock));
			stage = &c->stage[at];
			if (stage->count < STAGE_DOORS_MAX)
				stage->door[stage->count++] = b->numbering->door[d];
		}
	}
	for (__u32 i = 0; i < c->settings.state_count; i++)
		if (state_in_force(c, i)) {
			c->stage[i].depth = c->state[i].depth;
			c->stage[i].timeout = c->state[i].timeout;
		}
	return 0;
}

/* ---- the whole ---- */

static void sequences_keep(struct builder *b)
{
	for (size_t i = 0; i < b->pattern_count; i++) {
		const struct pattern *p = &b->pattern[i];

		numbering_sequence_keep(b->numbering, p->stream, p->port, p->len);
	}
}

static int builder_run(struct builder *b, struct compiled *c)
{
	int error;

	b->node = calloc(b->numbering->state_room, sizeof(*b->node));
	b->symbol = calloc(PORT_COUNT, sizeof(*b->symbol));
	if (!b->node || !b->symbol)
		return -ENOMEM;
	error = patterns_make(b, c);
	if (error)
		return error;
	sequences_keep(b);
	trie_make(b, c);
	numbering_retire(b->numbering, c);
	error = edges_make(b, c);
	if (error)
		return error;
	fails_make(b, c);
	error = matches_make(b, c);
	return error ? error : stages_make(b, c);
}

int automaton_make(const struct conf *conf, struct numbering *n, struct compiled *c,
		   struct messages *messages)
{
	struct builder b = { .conf = conf, .numbering = n, .messages = messages };
	int error = builder_run(&b, c);

	free(b.pattern);
	free(b.node);
	free(b.symbol);
	return error;
}
