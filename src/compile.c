// SPDX-License-Identifier: GPL-2.0-or-later
#include "compile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../bpf/sequence.h"

/* A row of bits, as the matrices of compiled have them. */
static void bit_set(__u64 *row, size_t bit)
{
	row[bit / 64] |= 1ULL << (bit % 64);
}

static size_t bit_words(size_t bits)
{
	return bits ? (bits + 63) / 64 : 1;
}

static __u32 power_of_two(__u64 at_least)
{
	__u32 n = 1;

	while (n < at_least && n < 1U << 31)
		n <<= 1;
	return n;
}

static enum proto proto_of(enum conf_proto proto)
{
	return proto == CONF_TCP ? PROTO_TCP : proto == CONF_UDP ? PROTO_UDP : PROTO_ICMP;
}

static size_t port_index(enum conf_proto proto, unsigned int number)
{
	return number + (proto == CONF_TCP ? 0 : proto == CONF_UDP ? 65536 : PORT_ICMP_FIRST);
}

static __u64 jiffies_from(__u32 seconds, unsigned int hz)
{
	return (__u64)seconds * hz;
}

/* Times of knocks are kept in 32 bits and compared by difference. */
static __u32 jiffies_short(__u32 seconds, unsigned int hz)
{
	__u64 jiffies = jiffies_from(seconds, hz);

	return jiffies > 0x7fffffff ? 0x7fffffff : jiffies;
}

/* ---- patterns ---- */

/* The symbol of a knock, given to it when it is first seen; 0 when there are too many. */
static __u16 symbol_of(struct compiled *c, const struct conf_knock *knock, __u32 *symbols)
{
	struct port *port = &c->port[port_index(knock->proto, knock->number)];

	if (!port->symbol && *symbols < 0xffff)
		port->symbol = ++*symbols;
	if (knock->proto == CONF_ICMP)
		c->settings.icmp = 1;
	return port->symbol;
}

static __u32 stream_of(struct compiled *c, const struct conf_flags *flags)
{
	struct settings *s = &c->settings;
	__u32 i;

	for (i = 0; i < s->stream_count; i++)
		if (s->stream[i].mask == flags->mask && s->stream[i].value == flags->value)
			return i;
	if (i == KNOCKD_STREAMS_MAX)
		return i;
	s->stream[i].mask = flags->mask;
	s->stream[i].value = flags->value;
	return s->stream_count++;
}

static int pattern_compare(const void *left, const void *right)
{
	const struct pattern *a = left, *b = right;

	if (a->stream != b->stream)
		return a->stream < b->stream ? -1 : 1;
	for (__u32 i = 0; i < a->len && i < b->len; i++)
		if (a->symbol[i] != b->symbol[i])
			return a->symbol[i] < b->symbol[i] ? -1 : 1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	if (a->door != b->door)
		return a->door < b->door ? -1 : 1;
	return (int)a->action - (int)b->action;
}

static int pattern_add(struct compiled *c, const struct conf *conf, size_t door, unsigned int hz,
		       const struct conf_sequence *sequence, enum match_action action,
		       __u32 *symbols, struct messages *messages)
{
	const struct conf_door *d = &conf->door[door];
	struct pattern *p = &c->pattern[c->pattern_count];

	if (!sequence->len)
		return 0;
	p->stream = stream_of(c, &d->flags);
	if (p->stream == KNOCKD_STREAMS_MAX) {
		message_add(messages, MESSAGE_ERROR, d->line,
			    "door '%s' needs one more kind of TCPFlags than the %d there may be",
			    d->name, KNOCKD_STREAMS_MAX);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < sequence->len; i++) {
		p->symbol[i] = symbol_of(c, &sequence->knock[i], symbols);
		if (!p->symbol[i]) {
			message_add(messages, MESSAGE_ERROR, sequence->line,
				    "more than %d different knocks in one config", 0xffff);
			return -EINVAL;
		}
	}
	p->len = sequence->len;
	p->door = door;
	p->action = action;
	p->timeout = jiffies_short(d->seq_timeout_s, hz);
	c->pattern_count++;
	return 0;
}

static int patterns_make(struct compiled *c, const struct conf *conf, unsigned int hz,
			 struct messages *messages)
{
	__u32 symbols = 0;
	int error = 0;

	c->pattern = calloc(2 * conf->door_count + 1, sizeof(*c->pattern));
	if (!c->pattern)
		return -ENOMEM;
	for (size_t i = 0; i < conf->door_count && !error; i++) {
		error = pattern_add(c, conf, i, hz, &conf->door[i].sequence, MATCH_OPEN, &symbols,
				    messages);
		if (!error)
			error = pattern_add(c, conf, i, hz, &conf->door[i].close_sequence,
					    MATCH_CLOSE, &symbols, messages);
	}
	if (!c->settings.stream_count) {
		/* A config without a door: one stream in which nothing is a knock. */
		c->settings.stream_count = 1;
		c->settings.stream[0].mask = CONF_TCP_SYN | CONF_TCP_ACK;
		c->settings.stream[0].value = CONF_TCP_SYN;
	}
	qsort(c->pattern, c->pattern_count, sizeof(*c->pattern), pattern_compare);
	return error;
}

/* ---- the automaton ---- */

/* What a state's place in the trie is, beside what the programs need to know. */
struct node {
	__u32 parent;
	__u32 ending; /* patterns that end here */
};

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

static __u32 state_add(struct compiled *c, struct node *node, __u32 parent, __u16 symbol,
		       __u8 depth, __u32 pattern)
{
	__u32 i = c->settings.state_count++;

	c->state[i] = (struct state){ .symbol = symbol, .depth = depth };
	c->through[i] = (struct pattern_range){ .first = pattern };
	node[i] = (struct node){ .parent = parent };
	return i;
}

static void state_pass(struct compiled *c, __u32 state, const struct pattern *p)
{
	c->through[state].count++;
	if (c->state[state].timeout < p->timeout)
		c->state[state].timeout = p->timeout;
}

/* Sorted patterns share their beginnings with the one before: the trie is the path kept. */
static void trie_make(struct compiled *c, struct node *node)
{
	__u32 path[KNOCKD_SEQUENCE_MAX + 1];
	size_t next = 0;

	for (__u32 stream = 0; stream < c->settings.stream_count; stream++) {
		const struct pattern *before = NULL;

		path[0] = state_add(c, node, 0, 0, 0, next);
		node[path[0]].parent = path[0];
		c->settings.stream[stream].root = path[0];
		for (; next < c->pattern_count && c->pattern[next].stream == stream; next++) {
			const struct pattern *p = &c->pattern[next];
			__u32 depth = 0;

			while (before && depth < p->len && depth < before->len &&
			       p->symbol[depth] == before->symbol[depth])
				depth++;
			for (; depth < p->len; depth++)
				path[depth + 1] = state_add(c, node, path[depth], p->symbol[depth],
							    depth + 1, next);
			for (__u32 i = 0; i <= p->len; i++)
				state_pass(c, path[i], p);
			node[path[p->len]].ending++;
			before = p;
		}
	}
}

/* Place all edges in a table of @size; false when too many places in a row are taken. */
static bool edges_place(const struct compiled *c, const struct node *node, __u64 *edge, __u32 size)
{
	for (__u32 i = 0; i < c->settings.state_count; i++) {
		__u32 from = node[i].parent, symbol = c->state[i].symbol;
		__u32 slot = edge_slot(from, symbol, size - 1), taken = 0;

		if (!c->state[i].depth)
			continue;
		while (edge[slot & (size - 1)] && ++taken < EDGE_PROBES)
			slot++;
		if (taken == EDGE_PROBES)
			return false;
		edge[slot & (size - 1)] = ((__u64)from << 16 | symbol) << STATE_BITS | i;
	}
	/* A run across the end of the table is seen by going on for one more length of it. */
	for (__u32 slot = 0, taken = 0; slot < size + EDGE_PROBES; slot++) {
		taken = edge[slot & (size - 1)] ? taken + 1 : 0;
		if (taken == EDGE_PROBES)
			return false;
	}
	return true;
}

static int edges_make(struct compiled *c, const struct node *node)
{
	__u32 size = power_of_two(2ULL * c->settings.state_count);

	for (; size <= 1U << 24; size *= 2) {
		__u64 *edge = calloc(size, sizeof(*edge));

		if (!edge)
			return -ENOMEM;
		if (edges_place(c, node, edge, size)) {
			c->edge = edge;
			c->settings.edge_mask = size - 1;
			return 0;
		}
		free(edge);
	}
	return -ENOMEM;
}

static __u32 root_of(const struct node *node, __u32 state)
{
	while (node[state].parent != state)
		state = node[state].parent;
	return state;
}

static void fails_make(struct compiled *c, const struct node *node)
{
	struct automaton a = automaton_of(c);

	/* Shallow states first: a state's suffixes are shallower than it. */
	for (__u8 depth = 0; depth <= KNOCKD_SEQUENCE_MAX; depth++) {
		for (__u32 i = 0; i < c->settings.state_count; i++) {
			struct state *s = &c->state[i];

			if (s->depth != depth)
				continue;
			s->fail = depth < 2 ? node[i].parent :
					      state_next(&a, c->state[node[i].parent].fail,
							 s->symbol, root_of(node, i));
		}
	}
}

static bool state_below(const struct compiled *c, const struct node *node, __u32 state,
			__u32 above)
{
	while (c->state[state].depth > c->state[above].depth)
		state = node[state].parent;
	return state == above;
}

/* Does a run of recent knocks shorter than @run, longer than @from and from @to on, lead to it? */
static bool run_continued(const struct compiled *c, const struct node *node, __u32 run,
			  __u32 from, __u32 to)
{
	for (__u32 shorter = c->state[run].fail; shorter != from; shorter = c->state[shorter].fail)
		if (state_below(c, node, shorter, to) && state_below(c, node, run, shorter))
			return true;
	return false;
}

/*
 * Would the latest knock once more advance some sequence? It would where it is the next knock after
 * the longest proper part of that sequence with which the recent knocks end. So, for each run of
 * recent knocks with such an edge: is there a sequence along it to which no longer run belongs?
 */
static bool state_advances(const struct compiled *c, const struct node *node, __u32 state)
{
	struct automaton a = automaton_of(c);
	__u32 symbol = c->state[state].symbol;

	for (__u32 from = state;; from = c->state[from].fail) {
		__u32 to = edge_next(&a, from, symbol), known = 0;

		for (__u32 run = state; to && run != from; run = c->state[run].fail)
			if (state_below(c, node, run, to) && !run_continued(c, node, run, from, to))
				known += c->through[run].count - node[run].ending;
		if (to && c->through[to].count > known)
			return true;
		if (!c->state[from].depth)
			return false;
	}
}

static int matches_make(struct compiled *c, const struct conf *conf, const struct node *node,
			struct messages *messages)
{
	size_t room = 0;

	for (__u32 i = 0; i < c->settings.state_count; i++) {
		struct state *s = &c->state[i];
		__u32 first = c->settings.match_count, count = 0;

		for (__u32 end = i; c->state[end].depth; end = c->state[end].fail) {
			for (__u32 p = 0; p < node[end].ending; p++) {
				const struct pattern *pattern =
					&c->pattern[c->through[end].first + p];

				if (++count > KNOCKD_MATCHES_MAX) {
					message_add(messages, MESSAGE_ERROR,
						    conf->door[pattern->door].line,
						    "the last knock of door '%s' completes more "
						    "than %d sequences at once; let some end "
						    "with other knocks",
						    conf->door[pattern->door].name,
						    KNOCKD_MATCHES_MAX);
					return -EINVAL;
				}
				if (first + count > room) {
					struct match *more;

					room = 2 * room + 64;
					more = realloc(c->match, room * sizeof(*more));
					if (!more)
						return -ENOMEM;
					c->match = more;
				}
				c->match[first + count - 1] = (struct match){
					.timeout = pattern->timeout,
					.door = pattern->door,
					.depth = pattern->len,
					.action = pattern->action,
				};
			}
		}
		s->match = count ? first : 0;
		s->match_count = count;
		c->settings.match_count += count;
		s->advances = s->depth && state_advances(c, node, i);
	}
	if (!c->match)
		c->match = calloc(1, sizeof(*c->match));
	return c->match ? 0 : -ENOMEM;
}

static int automaton_make(struct compiled *c, const struct conf *conf, struct messages *messages)
{
	size_t states = c->settings.stream_count;
	struct node *node;
	int error = -ENOMEM;

	for (size_t i = 0; i < c->pattern_count; i++)
		states += c->pattern[i].len;
	c->state = calloc(states, sizeof(*c->state));
	c->through = calloc(states, sizeof(*c->through));
	node = calloc(states, sizeof(*node));
	if (!c->state || !c->through || !node)
		goto out;
	trie_make(c, node);
	error = edges_make(c, node);
	if (error)
		goto out;
	fails_make(c, node);
	error = matches_make(c, conf, node, messages);
out:
	free(node);
	return error;
}

/* ---- protected ports ---- */

/*
 * Ports with the same set of doors form one area. Along the ports of a protocol the set changes
 * only where some range begins or ends.
 */
struct areas {
	__u64 *row;   /* count rows of words: the doors of each area; row 0 is empty */
	size_t words; /* of doors */
	size_t count, room;
};

static int area_find(struct areas *areas, const __u64 *doors)
{
	size_t bytes = areas->words * sizeof(*doors);

	/* Neighbouring ranges mostly belong to late areas: look backwards. */
	for (size_t i = areas->count; i-- > 0;)
		if (!memcmp(areas->row + i * areas->words, doors, bytes))
			return i;
	if (areas->count > 0xffff)
		return -E2BIG;
	if (areas->count == areas->room) {
		__u64 *more = realloc(areas->row, 2 * areas->room * bytes);

		if (!more)
			return -ENOMEM;
		areas->row = more;
		areas->room *= 2;
	}
	memcpy(areas->row + areas->count * areas->words, doors, bytes);
	return areas->count++;
}

static int number_compare(const void *left, const void *right)
{
	const __u32 *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

/* The ports at which some range of @proto begins or has just ended, sorted; how many. */
static size_t edges_of_ranges(const struct conf *conf, enum conf_proto proto, __u32 *edge)
{
	size_t count = 0;

	for (size_t d = 0; d < conf->door_count; d++) {
		for (size_t i = 0; i < conf->door[d].open.count; i++) {
			const struct conf_range *range = &conf->door[d].open.at[i];

			if (range->proto == proto) {
				edge[count++] = range->first;
				edge[count++] = range->last + 1;
			}
		}
	}
	qsort(edge, count, sizeof(*edge), number_compare);
	return count;
}

static void doors_at(const struct conf *conf, enum conf_proto proto, __u32 number, __u64 *doors)
{
	for (size_t d = 0; d < conf->door_count; d++) {
		for (size_t i = 0; i < conf->door[d].open.count; i++) {
			const struct conf_range *range = &conf->door[d].open.at[i];

			if (range->proto == proto && range->first <= number &&
			    number <= range->last)
				bit_set(doors, d);
		}
	}
}

static int ports_protect(struct compiled *c, const struct conf *conf, enum conf_proto proto,
			 struct areas *areas, __u32 *edge, __u64 *doors)
{
	size_t edges = edges_of_ranges(conf, proto, edge);

	for (size_t i = 0; i + 1 < edges; i++) {
		int area;

		if (edge[i] == edge[i + 1])
			continue;
		memset(doors, 0, areas->words * sizeof(*doors));
		doors_at(conf, proto, edge[i], doors);
		area = area_find(areas, doors);
		if (area < 0)
			return area;
		for (__u32 number = edge[i]; area && number < edge[i + 1]; number++) {
			struct port *port = &c->port[port_index(proto, number)];

			port->area = area;
			c->guard[c->settings.guard_count].proto = proto_of(proto);
			c->guard[c->settings.guard_count].number = number;
			port->guard = ++c->settings.guard_count;
			if (proto == CONF_UDP)
				c->settings.udp_guarded = 1;
		}
	}
	return 0;
}

static int areas_make(struct compiled *c, const struct conf *conf, struct messages *messages)
{
	struct areas areas = { .words = bit_words(conf->door_count), .count = 1, .room = 16 };
	size_t ranges = 0;
	__u32 *edge = NULL;
	__u64 *doors = NULL;
	int error = -ENOMEM;

	for (size_t d = 0; d < conf->door_count; d++)
		ranges += conf->door[d].open.count;
	areas.row = calloc(areas.room * areas.words, sizeof(*areas.row));
	edge = calloc(2 * ranges + 1, sizeof(*edge));
	doors = calloc(areas.words, sizeof(*doors));
	c->guard = calloc(2 * 65536, sizeof(*c->guard));
	if (!areas.row || !edge || !doors || !c->guard)
		goto out;
	error = ports_protect(c, conf, CONF_TCP, &areas, edge, doors);
	if (!error)
		error = ports_protect(c, conf, CONF_UDP, &areas, edge, doors);
	if (error == -E2BIG) {
		message_add(messages, MESSAGE_ERROR, 0, "the ranges of 'Open' overlap in more than "
			    "%d ways; let doors open the same ranges", 0xffff);
		error = -EINVAL;
	}
	if (error)
		goto out;

	c->settings.area_words = bit_words(areas.count);
	c->opens = calloc(conf->door_count * c->settings.area_words + 1, sizeof(*c->opens));
	if (!c->opens) {
		error = -ENOMEM;
		goto out;
	}
	for (size_t area = 1; area < areas.count; area++)
		for (size_t d = 0; d < conf->door_count; d++)
			if (areas.row[area * areas.words + d / 64] >> (d % 64) & 1)
				bit_set(c->opens + d * c->settings.area_words, area);
out:
	free(areas.row);
	free(edge);
	free(doors);
	return error;
}

/* ---- sources ---- */

static struct source_prefix prefix_key(const struct conf_prefix *p)
{
	struct source_prefix key = {
		.length = 32 + p->length,
		.family_be = htonl(p->family == AF_INET ? 4 : 6),
	};

	memcpy(key.word_be, p->address, p->family == AF_INET ? 4 : 16);
	return key;
}

static bool prefix_covers(const struct source_prefix *wide, const struct source_prefix *narrow)
{
	const __u8 *a = (const __u8 *)&wide->family_be, *b = (const __u8 *)&narrow->family_be;
	__u32 whole = wide->length / 8, rest = wide->length % 8;

	if (wide->length > narrow->length || memcmp(a, b, whole))
		return false;
	return !rest || !((a[whole] ^ b[whole]) >> (8 - rest));
}

/* One entry of a Trust or Knock_From. */
struct source_entry {
	struct source_prefix prefix;
	size_t door; /* EVERY_DOOR: of the options */
	bool trust;
};

#define EVERY_DOOR SIZE_MAX

/* A prefix comes right before those that it covers. */
static int entry_compare(const void *left, const void *right)
{
	const struct source_prefix *a = left, *b = right;
	int order = memcmp(&a->family_be, &b->family_be, sizeof(*a) - sizeof(a->length));

	return order ? order : (a->length > b->length) - (a->length < b->length);
}

static size_t entries_add(struct source_entry *entry, const struct conf_prefixes *prefixes,
			  size_t door, bool trust)
{
	for (size_t i = 0; i < prefixes->count; i++)
		entry[i] = (struct source_entry){ prefix_key(&prefixes->at[i]), door, trust };
	return prefixes->count;
}

static size_t entries_collect(struct source_entry *entry, const struct conf *conf)
{
	size_t count = entries_add(entry, &conf->trust, EVERY_DOOR, true);

	for (size_t d = 0; d < conf->door_count; d++) {
		count += entries_add(entry + count, &conf->door[d].trust, d, true);
		count += entries_add(entry + count, &conf->door[d].knock_from, d, false);
	}
	qsort(entry, count, sizeof(*entry), entry_compare);
	return count;
}

static void entry_apply(struct compiled *c, const struct conf *conf, __u32 set,
			const struct source_entry *entry)
{
	__u64 *trusted = c->trusts + (size_t)set * c->settings.area_words;
	size_t first = entry->door == EVERY_DOOR ? 0 : entry->door;
	size_t end = entry->door == EVERY_DOOR ? conf->door_count : entry->door + 1;

	if (!entry->trust)
		bit_set(c->knockers + (size_t)set * c->settings.door_words, entry->door);
	for (size_t d = first; entry->trust && d < end; d++)
		for (size_t w = 0; w < c->settings.area_words; w++)
			trusted[w] |= c->opens[d * c->settings.area_words + w];
}

/* A new prefix may at first what the nearest one that covers it may; @above holds the sets of those
 * that cover the one before, the nearest last. */
static __u32 set_begin(struct compiled *c, const struct source_prefix *prefix, __u32 *above,
		       size_t *depth)
{
	__u32 set = c->prefix_count + 1, from;

	while (*depth && !prefix_covers(&c->prefix[above[*depth - 1] - 1], prefix))
		--*depth;
	from = *depth ? above[*depth - 1] : 0;
	memcpy(c->knockers + (size_t)set * c->settings.door_words,
	       c->knockers + (size_t)from * c->settings.door_words,
	       c->settings.door_words * sizeof(*c->knockers));
	memcpy(c->trusts + (size_t)set * c->settings.area_words,
	       c->trusts + (size_t)from * c->settings.area_words,
	       c->settings.area_words * sizeof(*c->trusts));
	c->prefix[c->prefix_count] = *prefix;
	c->prefix_set[c->prefix_count++] = set;
	above[(*depth)++] = set;
	return set;
}

static int sources_make(struct compiled *c, const struct conf *conf)
{
	__u32 above[32 + 128 + 1], set = 0;
	struct source_entry *entry;
	size_t most = conf->trust.count, count, depth = 0;
	int error = -ENOMEM;

	for (size_t d = 0; d < conf->door_count; d++)
		most += conf->door[d].trust.count + conf->door[d].knock_from.count;
	c->settings.door_words = bit_words(conf->door_count);
	c->settings.sources = most > 0;
	entry = calloc(most + 1, sizeof(*entry));
	c->prefix = calloc(most + 1, sizeof(*c->prefix));
	c->prefix_set = calloc(most + 1, sizeof(*c->prefix_set));
	c->knockers = calloc((most + 1) * c->settings.door_words, sizeof(*c->knockers));
	c->trusts = calloc((most + 1) * c->settings.area_words, sizeof(*c->trusts));
	if (!entry || !c->prefix || !c->prefix_set || !c->knockers || !c->trusts)
		goto out;
	error = 0;
	for (size_t d = 0; d < conf->door_count; d++)
		if (!conf->door[d].knock_from.count)
			bit_set(c->knockers, d);
	count = entries_collect(entry, conf);
	for (size_t i = 0; i < count; i++) {
		if (!i || entry_compare(&entry[i], &entry[i - 1]))
			set = set_begin(c, &entry[i].prefix, above, &depth);
		entry_apply(c, conf, set, &entry[i]);
	}
	c->settings.set_count = c->prefix_count + 1;
out:
	free(entry);
	return error;
}

/* ---- doors and what is left ---- */

/*
 * Each door may count on its quota, and may hold twice that many grants for a moment. Four cells
 * for each grant leave room in every bucket even then.
 */
static int doors_make(struct compiled *c, const struct conf *conf, unsigned int hz)
{
	size_t doors = conf->door_count ? conf->door_count : 1;
	__u64 quota = conf->max_grants / doors ? conf->max_grants / doors : 1;

	c->door = calloc(doors, sizeof(*c->door));
	if (!c->door)
		return -ENOMEM;
	c->settings.door_count = conf->door_count;
	for (size_t d = 0; d < conf->door_count; d++) {
		const struct conf_door *from = &conf->door[d];
		struct door *door = &c->door[d];

		for (size_t i = 0; i < from->open.count; i++)
			if (from->open.at[i].proto == CONF_UDP)
				door->datagrams = 1;
		door->open_time = jiffies_from(from->open_time_s, hz);
		/* A grant that was ended keeps its cell until all its flows are idle. */
		if (door->open_time)
			door->window = door->open_time +
				       (door->datagrams ? c->settings.udp_idle + 1 : 0);
		door->quota = quota;
	}
	c->bucket_count = power_of_two((4 * quota * doors + GRANT_CELLS - 1) / GRANT_CELLS);
	c->settings.bucket_mask = c->bucket_count - 1;
	return 0;
}

static void settings_make(struct compiled *c, const struct conf *conf, unsigned int hz)
{
	struct settings *s = &c->settings;

	s->closed = conf->closed == CONF_CLOSED_RESET ? CLOSED_RESET :
		    conf->closed == CONF_CLOSED_ABORT ? CLOSED_ABORT : CLOSED_DROP;
	s->udp_idle = jiffies_from(conf->udp_idle_s, hz);
	s->second = hz;
	for (__u32 bit = 0; bit < conf->grant_prefix6; bit++)
		((__u8 *)s->grant_mask6_be)[bit / 8] |= 0x80 >> bit % 8;
	c->max_sources = conf->max_sources;
	c->max_flows = conf->max_flows;
}

int compile_conf(const struct conf *conf, unsigned int hz, struct compiled *out,
		 struct messages *messages)
{
	struct compiled c = {};
	int error = -ENOMEM;

	c.port = calloc(PORT_COUNT, sizeof(*c.port));
	if (!c.port)
		goto fail;
	settings_make(&c, conf, hz);
	error = patterns_make(&c, conf, hz, messages);
	if (!error)
		error = automaton_make(&c, conf, messages);
	if (!error)
		error = areas_make(&c, conf, messages);
	if (!error)
		error = sources_make(&c, conf);
	if (!error)
		error = doors_make(&c, conf, hz);
	if (error)
		goto fail;
	*out = c;
	return 0;

fail:
	compiled_free(&c);
	return error;
}

void compiled_trim(struct compiled *c)
{
	void **tables[] = {
		(void **)&c->port, (void **)&c->edge, (void **)&c->match, (void **)&c->door,
		(void **)&c->opens, (void **)&c->knockers, (void **)&c->trusts,
		(void **)&c->prefix, (void **)&c->prefix_set,
	};

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		free(*tables[i]);
		*tables[i] = NULL;
	}
}

void compiled_free(struct compiled *c)
{
	compiled_trim(c);
	free(c->state);
	free(c->guard);
	free(c->pattern);
	free(c->through);
	memset(c, 0, sizeof(*c));
}
