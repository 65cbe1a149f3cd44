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

static bool bit_test(const __u64 *row, size_t bit)
{
	return row[bit / 64] >> (bit % 64) & 1;
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

static size_t port_index(enum conf_proto proto, unsigned int number)
{
	return number + (proto == CONF_TCP ? 0 : proto == CONF_UDP ? 65536 : PORT_ICMP_FIRST);
}

static __u64 jiffies_from(__u32 seconds, unsigned int hz)
{
	return (__u64)seconds * hz;
}

/*
 * Times of knocks are kept in 32 bits and compared by difference. No Seq_Timeout that the parser
 * lets through is cut.
 */
enum { TIMEOUT_MAX = 0x7fffffff };

static __u32 jiffies_short(__u32 seconds, unsigned int hz)
{
	__u64 jiffies = jiffies_from(seconds, hz);

	return jiffies > TIMEOUT_MAX ? TIMEOUT_MAX : jiffies;
}

/* ---- what compiling needs on the way ---- */

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
	__u32 root;         /* in the heritage */
	__u8 depth;         /* in the heritage */
	bool kept;          /* in force in this config, by the number that it has in the heritage */
};

/* A step in the heritage: where a knock leads from a state. */
struct way {
	__u32 from, port, to;
};

/* Protected ports of a config, and of the one before it, for which no new one may be mistaken. */
enum { GUARDS_MAX = 2 * 2 * 65536 };

struct job {
	const struct conf *conf;
	unsigned int hz;
	struct heritage heritage; /* without a state, a door and a port where there is none */
	struct messages *messages;
	__u32 *door;             /* the number of each door of the config */
	struct pattern *pattern; /* sorted by stream, then as words are */
	size_t pattern_count;
	__u32 symbols;           /* given so far */
	struct node *node;       /* one a state */
	struct way *way;         /* sorted */
	size_t way_count;
	size_t state_room;
	__u32 state_next;        /* no lower number is free */
	__u32 states_in_force;
	__u32 longest;           /* of all Seq_Timeouts, jiffies */
	bool crowded;            /* numbers ran out: those of removed states had to be taken */
};

static void job_free(struct job *job)
{
	free(job->door);
	free(job->pattern);
	free(job->node);
	free(job->way);
}

/* ---- the heritage ---- */

static bool heritage_sane(const struct heritage *h)
{
	const struct settings *s = h->settings;

	/* A config never goes beyond what it and the one before it can use. */
	return h->now && s->state_count <= STATE_MAX && s->door_count <= 2 * KNOCKD_DOORS_MAX &&
	       s->guard_count <= GUARDS_MAX &&
	       (!s->state_count || s->state_count >= KNOCKD_STREAMS_MAX);
}

/* Find the root and the depth of @state; false when its way does not begin at a root. */
static bool heritage_walk(const struct job *job, __u32 state)
{
	const struct heritage *h = &job->heritage;
	struct node *node = &job->node[state];
	__u32 at = state;

	while (at >= KNOCKD_STREAMS_MAX) {
		if (at >= h->settings->state_count || !h->path[at].used ||
		    h->path[at].port >= PORT_COUNT || ++node->depth > KNOCKD_SEQUENCE_MAX)
			return false;
		at = h->path[at].parent;
	}
	node->root = at;
	return h->path[at].used;
}

static bool heritage_walks(struct job *job)
{
	const struct heritage *h = &job->heritage;

	for (__u32 i = 0; i < h->settings->state_count; i++) {
		const struct path *path = &h->path[i];

		if (path->timeout > TIMEOUT_MAX || path->until > h->now + 2ULL * TIMEOUT_MAX ||
		    (path->until && path->until < path->timeout))
			return false;
		if (!path->used)
			continue;
		if (!heritage_walk(job, i) || (i < KNOCKD_STREAMS_MAX && path->parent != i))
			return false;
		if (i >= KNOCKD_STREAMS_MAX)
			job->way[job->way_count++] = (struct way){ path->parent, path->port, i };
	}
	return true;
}

static int way_compare(const void *left, const void *right)
{
	const struct way *a = left, *b = right;

	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	return (a->port > b->port) - (a->port < b->port);
}

/* The state to which a knock at @port leads from @from in the heritage, or 0. */
static __u32 way_find(const struct job *job, __u32 from, __u32 port)
{
	struct way key = { from, port, 0 };
	const struct way *way = bsearch(&key, job->way, job->way_count, sizeof(key), way_compare);

	return way ? way->to : 0;
}

static int heritage_read(struct job *job)
{
	job->way = calloc(job->heritage.settings->state_count + 1, sizeof(*job->way));
	if (!job->way)
		return -ENOMEM;
	if (!heritage_walks(job))
		return -EINVAL;
	qsort(job->way, job->way_count, sizeof(*job->way), way_compare);
	return 0;
}

/* ---- numbers of doors ---- */

static int name_compare(const void *left, const void *right)
{
	const struct door_name *a = *(const struct door_name *const *)left;
	const struct door_name *b = *(const struct door_name *const *)right;
	int order = strcmp(a->name, b->name);

	return order ? order : (a->ordinal > b->ordinal) - (a->ordinal < b->ordinal);
}

/* The names of the heritage, sorted; how many, or −EINVAL. */
static int names_sort(const struct heritage *h, const struct door_name **sorted)
{
	int count = 0;

	for (__u32 i = 0; i < h->settings->door_count; i++) {
		if (!h->name[i].used)
			continue;
		if (!memchr(h->name[i].name, 0, sizeof(h->name[i].name)))
			return -EINVAL;
		sorted[count++] = &h->name[i];
	}
	qsort(sorted, count, sizeof(*sorted), name_compare);
	return count;
}

static struct door_name name_of(const struct conf_door *door)
{
	struct door_name name = { .ordinal = door->ordinal, .used = 1 };

	memcpy(name.name, door->name, strnlen(door->name, sizeof(name.name) - 1));
	return name;
}

static void doors_count(struct job *job, struct compiled *c, const struct door_name **sorted,
			size_t sorted_count)
{
	const struct heritage *h = &job->heritage;
	__u32 free_number = 0;

	for (size_t d = 0; d < job->conf->door_count; d++) {
		struct door_name name = name_of(&job->conf->door[d]);
		const struct door_name *key = &name, **known;

		known = bsearch(&key, sorted, sorted_count, sizeof(key), name_compare);
		while (!known && free_number < h->settings->door_count && h->name[free_number].used)
			free_number++;
		job->door[d] = known ? *known - h->name : free_number++;
		if (job->door[d] >= c->settings.door_count)
			c->settings.door_count = job->door[d] + 1;
	}
}

static int doors_number(struct job *job, struct compiled *c)
{
	const struct door_name **sorted =
		calloc(job->heritage.settings->door_count + 1, sizeof(*sorted));
	int error = -ENOMEM, count;

	job->door = calloc(job->conf->door_count + 1, sizeof(*job->door));
	if (!sorted || !job->door)
		goto out;
	error = count = names_sort(&job->heritage, sorted);
	if (count < 0)
		goto out;
	doors_count(job, c, sorted, count);
	c->name = calloc(c->settings.door_count + 1, sizeof(*c->name));
	error = c->name ? 0 : -ENOMEM;
	for (size_t d = 0; !error && d < job->conf->door_count; d++)
		c->name[job->door[d]] = name_of(&job->conf->door[d]);
out:
	free(sorted);
	return error;
}

/* ---- streams ---- */

/* A root's path has the flags of its stream in place of a port. */
static __u32 flags_word(const struct conf_flags *flags)
{
	return (__u32)flags->mask << 8 | flags->value;
}

static void stream_take(struct job *job, struct compiled *c, __u32 stream, __u32 flags, bool kept)
{
	c->path[stream] = (struct path){ .parent = stream, .port = flags, .used = 1 };
	job->node[stream].kept = kept;
}

/* What the heritage still needs of the index @stream: nothing, to remember it, everything. */
enum need { NEED_NOTHING, NEED_MEMORY, NEED_ALL };

static enum need stream_need(const struct job *job, __u32 stream)
{
	const struct heritage *h = &job->heritage;

	if (stream >= h->settings->state_count || !h->path[stream].used)
		return NEED_NOTHING;
	return h->path[stream].until ? NEED_MEMORY : NEED_ALL;
}

/* Streams that the heritage has keep their indices, before others are given any. */
static void stream_keep(struct job *job, struct compiled *c, const struct conf_flags *flags)
{
	for (__u32 i = 0; i < KNOCKD_STREAMS_MAX; i++) {
		if (stream_need(job, i) == NEED_NOTHING ||
		    job->heritage.path[i].port != flags_word(flags))
			continue;
		stream_take(job, c, i, flags_word(flags), true);
		return;
	}
}

static __u32 stream_of(struct job *job, struct compiled *c, const struct conf_flags *flags)
{
	for (__u32 i = 0; i < KNOCKD_STREAMS_MAX; i++)
		if (c->path[i].used && c->path[i].port == flags_word(flags))
			return i;
	for (enum need need = NEED_NOTHING; need <= NEED_ALL; need++) {
		for (__u32 i = 0; i < KNOCKD_STREAMS_MAX; i++) {
			if (c->path[i].used || stream_need(job, i) != need)
				continue;
			stream_take(job, c, i, flags_word(flags), false);
			return i;
		}
	}
	return KNOCKD_STREAMS_MAX;
}

static void streams_set(struct compiled *c)
{
	struct settings *s = &c->settings;

	for (__u32 i = 0; i < KNOCKD_STREAMS_MAX; i++) {
		/* No segment is a knock of a stream that is not there. */
		s->stream[i] = (struct stream){ .value = 1, .root = i };
		if (!c->path[i].used)
			continue;
		s->stream[i].mask = c->path[i].port >> 8;
		s->stream[i].value = c->path[i].port;
		s->stream_count = i + 1;
	}
}

/* ---- patterns ---- */

/* The symbol of a knock, given to it when it is first seen; 0 when there are too many. */
static __u16 symbol_of(struct job *job, struct compiled *c, const struct conf_knock *knock)
{
	struct port *port = &c->port[port_index(knock->proto, knock->number)];

	if (!port->symbol && job->symbols < 0xffff)
		port->symbol = ++job->symbols;
	if (knock->proto == CONF_ICMP)
		c->settings.icmp = 1;
	return port->symbol;
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

static int pattern_add(struct job *job, struct compiled *c, __u32 door, enum match_action action)
{
	const struct conf_door *d = &job->conf->door[door];
	const struct conf_sequence *sequence =
		action == MATCH_OPEN ? &d->sequence : &d->close_sequence;
	struct pattern *p = &job->pattern[job->pattern_count];

	if (!sequence->len)
		return 0;
	p->stream = stream_of(job, c, &d->flags);
	if (p->stream == KNOCKD_STREAMS_MAX) {
		message_add(job->messages, MESSAGE_ERROR, d->line,
			    "door '%s' needs one more kind of TCPFlags than the %d there may be",
			    d->name, KNOCKD_STREAMS_MAX);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < sequence->len; i++) {
		if (!symbol_of(job, c, &sequence->knock[i])) {
			message_add(job->messages, MESSAGE_ERROR, sequence->line,
				    "more than %d different knocks in one config", 0xffff);
			return -EINVAL;
		}
		p->port[i] = port_index(sequence->knock[i].proto, sequence->knock[i].number);
	}
	p->len = sequence->len;
	p->door = door;
	p->action = action;
	p->timeout = jiffies_short(d->seq_timeout_s, job->hz);
	if (c->path[p->stream].timeout < p->timeout)
		c->path[p->stream].timeout = p->timeout;
	if (job->longest < p->timeout)
		job->longest = p->timeout;
	job->pattern_count++;
	return 0;
}

/* Flags of the one stream that a config without any sequence has; nothing is a knock in it. */
static const struct conf_flags idle_flags = {
	.mask = CONF_TCP_SYN | CONF_TCP_ACK, .value = CONF_TCP_SYN,
};

static int patterns_make(struct job *job, struct compiled *c)
{
	const struct conf *conf = job->conf;
	int error = 0;

	job->pattern = calloc(2 * conf->door_count + 1, sizeof(*job->pattern));
	if (!job->pattern)
		return -ENOMEM;
	for (size_t i = 0; i < conf->door_count; i++)
		if (conf->door[i].sequence.len || conf->door[i].close_sequence.len)
			stream_keep(job, c, &conf->door[i].flags);
	for (size_t i = 0; i < conf->door_count && !error; i++) {
		error = pattern_add(job, c, i, MATCH_OPEN);
		if (!error)
			error = pattern_add(job, c, i, MATCH_CLOSE);
	}
	if (!error && !job->pattern_count) {
		stream_keep(job, c, &idle_flags);
		stream_of(job, c, &idle_flags);
	}
	streams_set(c);
	qsort(job->pattern, job->pattern_count, sizeof(*job->pattern), pattern_compare);
	return error;
}

/* ---- numbers of states ---- */

/* Whether no progress can be read wrong when another run of knocks gets the number @state. */
static bool state_free(const struct job *job, const struct compiled *c, __u32 state)
{
	const struct heritage *h = &job->heritage;
	const struct path *was;

	if (c->path[state].used || job->node[state].kept)
		return false;
	if (state >= h->settings->state_count || job->crowded)
		return true;
	was = &h->path[state];
	return !was->used && (!was->until || was->until + job->longest < h->now);
}

/* There are always enough: doors and knocks are limited so that no config needs half of them. */
static __u32 state_take(struct job *job, const struct compiled *c)
{
	while (!state_free(job, c, job->state_next)) {
		if (++job->state_next == job->state_room) {
			job->state_next = KNOCKD_STREAMS_MAX;
			job->crowded = true;
		}
	}
	return job->state_next;
}

/* Mark what the heritage has of the sequences, so that no other state is given its number. */
static void states_keep(struct job *job)
{
	for (size_t i = 0; i < job->pattern_count; i++) {
		const struct pattern *p = &job->pattern[i];
		__u32 state = p->stream;

		for (__u32 k = 0; k < p->len && job->node[state].kept; k++) {
			state = way_find(job, state, p->port[k]);
			if (!state)
				break;
			job->node[state].kept = true;
		}
	}
}

/* The number means nothing any more, but for words of progress that may not be awakened. */
static void state_lose(struct compiled *c, __u32 state)
{
	struct path *path = &c->path[state];

	*path = (struct path){ .until = state < KNOCKD_STREAMS_MAX ? 0 :
						path->until - path->timeout };
	c->state[state] = (struct state){};
}

/* From the moment of compiling, the programs before may still write progress for so long. */
enum { SWAP_MAX_S = 60 };

/* A state of the heritage is not in this config, or has been in none for some time. */
static void state_retire(struct job *job, struct compiled *c, __u32 state)
{
	const struct path *was = &job->heritage.path[state];
	const struct node *node = &job->node[state];
	struct path *path = &c->path[state];
	__u64 now = job->heritage.now;

	*path = *was;
	if (!was->used) {
		if (was->until + TIMEOUT_MAX < now)
			path->until = 0;
		return;
	}
	if (!was->until)
		path->until = now + was->timeout + (__u64)SWAP_MAX_S * job->hz;
	if (state >= KNOCKD_STREAMS_MAX)
		c->state[state] = (struct state){ .depth = node->depth, .removed = 1 };
	/* Its stream's index belongs to other flags now, or a part of its way to another state. */
	if (job->crowded || (!c->path[node->root].until && !job->node[node->root].kept))
		state_lose(c, state);
}

/* What the heritage has beside this config stays for as long as progress can be alive there. */
static void states_retire(struct job *job, struct compiled *c)
{
	__u32 count = job->heritage.settings->state_count;

	for (__u32 i = 0; i < count; i++)
		if (!c->path[i].used)
			state_retire(job, c, i);
	/* Longer runs first: the way to each of them must not be lost before it. */
	for (__u8 depth = KNOCKD_SEQUENCE_MAX; depth; depth--) {
		for (__u32 i = KNOCKD_STREAMS_MAX; i < count; i++) {
			struct path *parent = &c->path[c->path[i].parent];

			if (c->state[i].removed && c->state[i].depth == depth && parent->until &&
			    parent->until < c->path[i].until)
				parent->until = c->path[i].until;
		}
	}
	for (__u32 i = 0; i < count; i++) {
		if (c->path[i].used && c->path[i].until && c->path[i].until < job->heritage.now)
			state_lose(c, i);
		if ((c->path[i].used || c->path[i].until) && i >= c->settings.state_count)
			c->settings.state_count = i + 1;
	}
}

/* ---- the automaton ---- */

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

static __u32 state_add(struct job *job, struct compiled *c, __u32 parent, __u32 port, __u8 depth,
		       __u32 pattern)
{
	__u32 known = job->node[parent].kept ? way_find(job, parent, port) : 0;
	__u32 i = known ? known : state_take(job, c);

	c->state[i] = (struct state){ .symbol = c->port[port].symbol, .depth = depth };
	c->path[i] = (struct path){ .parent = parent, .port = port, .used = 1 };
	job->node[i].first = pattern;
	if (i >= c->settings.state_count)
		c->settings.state_count = i + 1;
	job->states_in_force++;
	return i;
}

static void state_pass(struct job *job, struct compiled *c, __u32 state, const struct pattern *p)
{
	job->node[state].count++;
	c->path[state].timeout = c->path[p->stream].timeout;
	if (c->state[state].timeout < p->timeout)
		c->state[state].timeout = p->timeout;
}

/* Sorted patterns share their beginnings with the one before: the trie is the path kept. */
static void trie_make(struct job *job, struct compiled *c)
{
	__u32 path[KNOCKD_SEQUENCE_MAX + 1];
	const struct pattern *before = NULL;

	c->settings.state_count = job->states_in_force = KNOCKD_STREAMS_MAX;
	for (__u32 next = 0; next < job->pattern_count; next++) {
		const struct pattern *p = &job->pattern[next];
		__u32 depth = 0;

		if (!before || before->stream != p->stream) {
			before = NULL;
			path[0] = p->stream;
			job->node[p->stream].first = next;
		}
		while (before && depth < p->len && depth < before->len &&
		       p->port[depth] == before->port[depth])
			depth++;
		for (; depth < p->len; depth++)
			path[depth + 1] = state_add(job, c, path[depth], p->port[depth], depth + 1,
						    next);
		for (__u32 i = 0; i <= p->len; i++)
			state_pass(job, c, path[i], p);
		job->node[path[p->len]].ending++;
		before = p;
	}
}

/* Place all edges in a table of @size; false when too many places in a row are taken. */
static bool edges_place(const struct compiled *c, __u64 *edge, __u32 size)
{
	for (__u32 i = 0; i < c->settings.state_count; i++) {
		__u32 from = c->path[i].parent, symbol = c->state[i].symbol;
		__u32 slot = edge_slot(from, symbol, size - 1), taken = 0;

		if (!state_in_force(c, i))
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

static int edges_make(const struct job *job, struct compiled *c)
{
	__u32 size = power_of_two(2ULL * job->states_in_force);

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

static __u32 root_of(const struct compiled *c, __u32 state)
{
	while (c->path[state].parent != state)
		state = c->path[state].parent;
	return state;
}

/* Removed states too; where their last port is no knock any more, no edge has its symbol 0. */
static void fails_make(struct compiled *c)
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
							   c->port[path->port].symbol,
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
static bool state_advances(const struct job *job, const struct compiled *c, __u32 state)
{
	struct automaton a = automaton_of(c);
	__u32 symbol = c->state[state].symbol;

	for (__u32 from = state;; from = c->state[from].fail) {
		__u32 to = edge_next(&a, from, symbol), known = 0;

		for (__u32 run = state; to && run != from; run = c->state[run].fail)
			if (state_below(c, run, to) && !run_continued(c, run, from, to))
				known += job->node[run].count - job->node[run].ending;
		if (to && job->node[to].count > known)
			return true;
		if (!c->state[from].depth)
			return false;
	}
}

/* Add what @pattern does to the matches, of which @room are allocated. */
static int match_add(const struct job *job, struct compiled *c, const struct pattern *pattern,
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
		.door = job->door[pattern->door],
		.depth = pattern->len,
		.action = pattern->action,
	};
	return 0;
}

/* All sequences that end in @state or in a suffix of it. */
static int state_match(const struct job *job, struct compiled *c, __u32 state, size_t *room)
{
	__u32 first = c->settings.match_count, count = 0;

	for (__u32 end = state; c->state[end].depth; end = c->state[end].fail) {
		const struct node *node = &job->node[end];

		for (__u32 p = node->first; p < node->first + node->ending; p++) {
			const struct conf_door *door = &job->conf->door[job->pattern[p].door];
			int error;

			if (++count > KNOCKD_MATCHES_MAX) {
				message_add(job->messages, MESSAGE_ERROR, door->line,
					    "the last knock of door '%s' completes more than %d "
					    "sequences at once; let some end with other knocks",
					    door->name, KNOCKD_MATCHES_MAX);
				return -EINVAL;
			}
			error = match_add(job, c, &job->pattern[p], room);
			if (error)
				return error;
		}
	}
	c->state[state].match = count ? first : 0;
	c->state[state].match_count = count;
	return 0;
}

static int matches_make(const struct job *job, struct compiled *c)
{
	size_t room = 0;

	for (__u32 i = 0; i < c->settings.state_count; i++) {
		int error = state_in_force(c, i) ? state_match(job, c, i, &room) : 0;

		if (error)
			return error;
		c->state[i].advances = state_in_force(c, i) && state_advances(job, c, i);
	}
	if (!c->match)
		c->match = calloc(1, sizeof(*c->match));
	return c->match ? 0 : -ENOMEM;
}

/* Which doors are being opened where; door by door, so that each state has them in file order. */
static int stages_make(struct job *job, struct compiled *c)
{
	struct automaton a = automaton_of(c);

	c->stage = calloc(c->settings.state_count, sizeof(*c->stage));
	if (!c->stage)
		return -ENOMEM;
	for (size_t d = 0; d < job->conf->door_count; d++) {
		const struct conf_sequence *sequence = &job->conf->door[d].sequence;
		__u32 at = sequence->len ? stream_of(job, c, &job->conf->door[d].flags) : 0;

		for (unsigned int i = 0; i < sequence->len; i++) {
			const struct conf_knock *knock = &sequence->knock[i];
			struct stage *stage;

			at = edge_next(&a, at, symbol_of(job, c, knock));
			stage = &c->stage[at];
			if (stage->count < STAGE_DOORS_MAX)
				stage->door[stage->count++] = job->door[d];
		}
	}
	for (__u32 i = 0; i < c->settings.state_count; i++)
		if (state_in_force(c, i))
			c->stage[i].depth = c->state[i].depth;
	return 0;
}

static int automaton_make(struct job *job, struct compiled *c)
{
	int error;

	states_keep(job);
	trie_make(job, c);
	states_retire(job, c);
	error = edges_make(job, c);
	if (error)
		return error;
	fails_make(c);
	error = matches_make(job, c);
	return error ? error : stages_make(job, c);
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

static void doors_at(const struct job *job, enum conf_proto proto, __u32 number, __u64 *doors)
{
	for (size_t d = 0; d < job->conf->door_count; d++) {
		const struct conf_ranges *open = &job->conf->door[d].open;

		for (size_t i = 0; i < open->count; i++) {
			const struct conf_range *range = &open->at[i];

			if (range->proto == proto && range->first <= number &&
			    number <= range->last)
				bit_set(doors, job->door[d]);
		}
	}
}

static int opens_make(struct compiled *c, const struct areas *areas)
{
	c->settings.area_words = bit_words(areas->count);
	c->opens = calloc((size_t)c->settings.door_count * c->settings.area_words + 1,
			  sizeof(*c->opens));
	if (!c->opens)
		return -ENOMEM;
	for (size_t area = 1; area < areas->count; area++)
		for (size_t d = 0; d < c->settings.door_count; d++)
			if (bit_test(areas->row + area * areas->words, d))
				bit_set(c->opens + d * c->settings.area_words, area);
	return 0;
}

/* Places of counters. A port that two configs protect keeps its own; no other gets it. */
struct guards {
	__u64 *taken; /* GUARDS_MAX bits: by the heritage; bit 0 too, since no port has guard 0 */
	__u32 next;
};

static int guards_read(struct guards *guards, const struct heritage *h)
{
	guards->taken = calloc(bit_words(GUARDS_MAX + 1), sizeof(*guards->taken));
	if (!guards->taken)
		return -ENOMEM;
	bit_set(guards->taken, 0);
	for (size_t i = 0; h->port && i < PORT_ICMP_FIRST; i++) {
		__u32 guard = h->port[i].guard;

		if (guard > h->settings->guard_count || (guard && bit_test(guards->taken, guard)))
			return -EINVAL;
		bit_set(guards->taken, guard);
	}
	return 0;
}

/* The place of its counters: the one that it has in the heritage, or one that is free there. */
static void port_guard(struct guards *guards, struct compiled *c, const struct port *was,
		       enum conf_proto proto, __u32 number)
{
	struct port *port = &c->port[port_index(proto, number)];

	port->guard = was ? was[port_index(proto, number)].guard : 0;
	if (!port->guard) {
		while (bit_test(guards->taken, guards->next))
			guards->next++;
		port->guard = guards->next++;
	}
	if (port->guard > c->settings.guard_count)
		c->settings.guard_count = port->guard;
}

static int guards_make(struct compiled *c)
{
	c->guard = calloc((size_t)c->settings.guard_count + 1, sizeof(*c->guard));
	if (!c->guard)
		return -ENOMEM;
	for (__u32 i = 0; i < PORT_ICMP_FIRST; i++)
		if (c->port[i].guard)
			c->guard[c->port[i].guard - 1] = (struct guard){
				.proto = i < 65536 ? PROTO_TCP : PROTO_UDP, .number = i,
			};
	return 0;
}

static int ports_protect(const struct job *job, struct compiled *c, enum conf_proto proto,
			 struct areas *areas, struct guards *guards, __u32 *edge, __u64 *doors)
{
	size_t edges = edges_of_ranges(job->conf, proto, edge);

	for (size_t i = 0; i + 1 < edges; i++) {
		int area;

		if (edge[i] == edge[i + 1])
			continue;
		memset(doors, 0, areas->words * sizeof(*doors));
		doors_at(job, proto, edge[i], doors);
		area = area_find(areas, doors);
		if (area < 0)
			return area;
		for (__u32 number = edge[i]; area && number < edge[i + 1]; number++) {
			c->port[port_index(proto, number)].area = area;
			port_guard(guards, c, job->heritage.port, proto, number);
			if (proto == CONF_UDP)
				c->settings.udp_guarded = 1;
		}
	}
	return 0;
}

static int areas_make(const struct job *job, struct compiled *c)
{
	struct areas areas = { .words = bit_words(c->settings.door_count), .count = 1, .room = 16 };
	struct guards guards = {};
	size_t ranges = 0;
	__u32 *edge = NULL;
	__u64 *doors = NULL;
	int error = -ENOMEM;

	for (size_t d = 0; d < job->conf->door_count; d++)
		ranges += job->conf->door[d].open.count;
	areas.row = calloc(areas.room * areas.words, sizeof(*areas.row));
	edge = calloc(2 * ranges + 1, sizeof(*edge));
	doors = calloc(areas.words, sizeof(*doors));
	if (!areas.row || !edge || !doors)
		goto out;
	error = guards_read(&guards, &job->heritage);
	if (!error)
		error = ports_protect(job, c, CONF_TCP, &areas, &guards, edge, doors);
	if (!error)
		error = ports_protect(job, c, CONF_UDP, &areas, &guards, edge, doors);
	if (error == -E2BIG) {
		message_add(job->messages, MESSAGE_ERROR, 0, "the ranges of 'Open' overlap in more "
			    "than %d ways; let doors open the same ranges", 0xffff);
		error = -EINVAL;
	}
	if (!error)
		error = guards_make(c);
	if (!error)
		error = opens_make(c, &areas);
out:
	free(areas.row);
	free(guards.taken);
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
	size_t door; /* its number; EVERY_DOOR: of the options */
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

static size_t entries_collect(struct source_entry *entry, const struct job *job)
{
	size_t count = entries_add(entry, &job->conf->trust, EVERY_DOOR, true);

	for (size_t d = 0; d < job->conf->door_count; d++) {
		const struct conf_door *door = &job->conf->door[d];

		count += entries_add(entry + count, &door->trust, job->door[d], true);
		count += entries_add(entry + count, &door->knock_from, job->door[d], false);
	}
	qsort(entry, count, sizeof(*entry), entry_compare);
	return count;
}

static void entry_apply(struct compiled *c, __u32 set, const struct source_entry *entry)
{
	__u64 *trusted = c->trusts + (size_t)set * c->settings.area_words;
	size_t first = entry->door == EVERY_DOOR ? 0 : entry->door;
	size_t end = entry->door == EVERY_DOOR ? c->settings.door_count : entry->door + 1;

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

static int sources_make(const struct job *job, struct compiled *c)
{
	const struct conf *conf = job->conf;
	__u32 above[32 + 128 + 1], set = 0;
	struct source_entry *entry;
	size_t most = conf->trust.count, count, depth = 0;
	int error = -ENOMEM;

	for (size_t d = 0; d < conf->door_count; d++)
		most += conf->door[d].trust.count + conf->door[d].knock_from.count;
	c->settings.door_words = bit_words(c->settings.door_count);
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
			bit_set(c->knockers, job->door[d]);
	count = entries_collect(entry, job);
	for (size_t i = 0; i < count; i++) {
		if (!i || entry_compare(&entry[i], &entry[i - 1]))
			set = set_begin(c, &entry[i].prefix, above, &depth);
		entry_apply(c, set, &entry[i]);
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
static int doors_make(const struct job *job, struct compiled *c)
{
	const struct conf *conf = job->conf;
	size_t doors = conf->door_count ? conf->door_count : 1;
	__u64 quota = conf->max_grants / doors ? conf->max_grants / doors : 1;

	c->door = calloc(c->settings.door_count + 1, sizeof(*c->door));
	if (!c->door)
		return -ENOMEM;
	for (size_t d = 0; d < conf->door_count; d++) {
		const struct conf_door *from = &conf->door[d];
		struct door *door = &c->door[job->door[d]];

		for (size_t i = 0; i < from->open.count; i++)
			if (from->open.at[i].proto == CONF_UDP)
				door->datagrams = 1;
		door->open_time = jiffies_from(from->open_time_s, job->hz);
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

/* What all the rest is written into, with room for every state that there can be. */
static int tables_begin(struct job *job, struct compiled *c)
{
	size_t room = KNOCKD_STREAMS_MAX + job->heritage.settings->state_count;

	for (size_t d = 0; d < job->conf->door_count; d++)
		room += job->conf->door[d].sequence.len + job->conf->door[d].close_sequence.len;
	job->state_room = room < STATE_MAX ? room : STATE_MAX;
	job->state_next = KNOCKD_STREAMS_MAX;
	job->node = calloc(job->state_room, sizeof(*job->node));
	c->port = calloc(PORT_COUNT, sizeof(*c->port));
	c->state = calloc(job->state_room, sizeof(*c->state));
	c->path = calloc(job->state_room, sizeof(*c->path));
	return job->node && c->port && c->state && c->path ? 0 : -ENOMEM;
}

int compile_conf(const struct conf *conf, unsigned int hz, const struct heritage *heritage,
		 struct compiled *out, struct messages *messages)
{
	static const struct settings nothing;
	struct job job = {
		.conf = conf, .hz = hz, .messages = messages, .heritage.settings = &nothing,
	};
	struct compiled c = {};
	int error;

	if (heritage && !heritage_sane(heritage))
		return -EINVAL;
	if (heritage)
		job.heritage = *heritage;
	settings_make(&c, conf, hz);
	error = tables_begin(&job, &c);
	if (!error)
		error = heritage_read(&job);
	if (!error)
		error = doors_number(&job, &c);
	if (!error)
		error = patterns_make(&job, &c);
	if (!error)
		error = automaton_make(&job, &c);
	if (!error)
		error = areas_make(&job, &c);
	if (!error)
		error = sources_make(&job, &c);
	if (!error)
		error = doors_make(&job, &c);
	job_free(&job);
	if (error)
		compiled_free(&c);
	else
		*out = c;
	return error;
}

void compiled_free(struct compiled *c)
{
	void *tables[] = {
		c->port, c->edge, c->state, c->match, c->door, c->opens, c->knockers, c->trusts,
		c->prefix, c->prefix_set, c->name, c->stage, c->path, c->guard,
	};

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		free(tables[i]);
	memset(c, 0, sizeof(*c));
}
