// SPDX-License-Identifier: GPL-2.0-or-later
#include "numbering.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* What the heritage has of the number of a state. */
struct former {
	__u32 root;
	__u8 depth;
	bool kept; /* in force in this config too */
};

/* A step in the heritage: where a knock leads from a state. */
struct way {
	__u32 from, port, to;
};

/* Protected ports of a config, and of the one before it, for which no new one may be mistaken. */
enum { GUARDS_MAX = 2 * 2 * 65536 };

/* ---- the heritage ---- */

static bool heritage_sane(const struct heritage *h)
{
	const struct settings *s = h->settings;

	/* A config never goes beyond what it and the one before it can use. */
	return h->now && s->state_count <= STATE_MAX && s->door_count <= KNOCKD_DOOR_NUMBERS &&
	       s->guard_count <= GUARDS_MAX && s->remote_count <= KNOCKD_STREAMS_MAX &&
	       (!s->state_count || s->state_count >= KNOCKD_STREAMS_MAX);
}

/* Find the root and the depth of @state; false when its way does not begin at a root. */
static bool heritage_walk(const struct numbering *n, __u32 state)
{
	const struct heritage *h = &n->heritage;
	struct former *former = &n->former[state];
	__u32 at = state;

	while (at >= KNOCKD_STREAMS_MAX) {
		if (at >= h->settings->state_count || !h->path[at].used ||
		    h->path[at].port >= PORT_COUNT || ++former->depth > KNOCKD_SEQUENCE_MAX)
			return false;
		at = h->path[at].parent;
	}
	former->root = at;
	return h->path[at].used;
}

static bool heritage_walks(struct numbering *n)
{
	const struct heritage *h = &n->heritage;

	for (__u32 i = 0; i < h->settings->state_count; i++) {
		const struct path *path = &h->path[i];

		if (path->timeout > TIMEOUT_MAX || path->until > h->now + 2ULL * TIMEOUT_MAX ||
		    (path->until && path->until < path->timeout))
			return false;
		if (!path->used)
			continue;
		if (!heritage_walk(n, i) || (i < KNOCKD_STREAMS_MAX && path->parent != i))
			return false;
		if (i >= KNOCKD_STREAMS_MAX)
			n->way[n->way_count++] = (struct way){ path->parent, path->port, i };
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
static __u32 way_find(const struct numbering *n, __u32 from, __u32 port)
{
	struct way key = { from, port, 0 };
	const struct way *way = bsearch(&key, n->way, n->way_count, sizeof(key), way_compare);

	return way ? way->to : 0;
}

/* A port has the same guard in all tables, and no two ports have the same one. */
static bool guards_read(struct numbering *n)
{
	const struct heritage *h = &n->heritage;
	size_t count = h->port ? (size_t)(1 + h->settings->remote_count) * PORT_COUNT : 0;

	for (size_t i = 0; i < count; i++) {
		size_t port = i % PORT_COUNT;
		__u32 guard = h->port[i].guard;

		if (!guard)
			continue;
		if (port >= PORT_ICMP_FIRST || guard > h->settings->guard_count ||
		    (n->guard[port] != guard && (n->guard[port] || n->guard_taken[guard])))
			return false;
		n->guard_taken[guard] = true;
		n->guard[port] = guard;
	}
	return true;
}

static int heritage_read(struct numbering *n)
{
	n->way = calloc(n->heritage.settings->state_count + 1, sizeof(*n->way));
	n->guard_taken = calloc((size_t)n->heritage.settings->guard_count + 1,
				sizeof(*n->guard_taken));
	n->guard = calloc(PORT_ICMP_FIRST, sizeof(*n->guard));
	if (!n->way || !n->guard_taken || !n->guard)
		return -ENOMEM;
	if (!heritage_walks(n) || !guards_read(n))
		return -EINVAL;
	qsort(n->way, n->way_count, sizeof(*n->way), way_compare);
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

static void doors_count(struct numbering *n, const struct conf *conf, struct compiled *c,
			const struct door_name **sorted, size_t sorted_count)
{
	const struct heritage *h = &n->heritage;
	__u32 free_number = 0;

	for (size_t d = 0; d < conf->door_count; d++) {
		struct door_name name = name_of(&conf->door[d]);
		const struct door_name *key = &name, **known;

		known = bsearch(&key, sorted, sorted_count, sizeof(key), name_compare);
		while (!known && free_number < h->settings->door_count && h->name[free_number].used)
			free_number++;
		n->door[d] = known ? *known - h->name : free_number++;
		if (n->door[d] >= c->settings.door_count)
			c->settings.door_count = n->door[d] + 1;
	}
}

static int doors_number(struct numbering *n, const struct conf *conf, struct compiled *c)
{
	const struct door_name **sorted =
		calloc(n->heritage.settings->door_count + 1, sizeof(*sorted));
	int error = -ENOMEM, count;

	n->door = calloc(conf->door_count + 1, sizeof(*n->door));
	if (!sorted || !n->door)
		goto out;
	error = count = names_sort(&n->heritage, sorted);
	if (count < 0)
		goto out;
	doors_count(n, conf, c, sorted, count);
	c->name = calloc(c->settings.door_count + 1, sizeof(*c->name));
	error = c->name ? 0 : -ENOMEM;
	for (size_t d = 0; !error && d < conf->door_count; d++)
		c->name[n->door[d]] = name_of(&conf->door[d]);
out:
	free(sorted);
	return error;
}

/* ---- streams ---- */

struct stream numbering_door_stream(const struct conf_door *door)
{
	struct stream stream = {
		.mask = door->flags.mask,
		.value = door->flags.value,
		.family = door->target.family == AF_INET ? 4 : door->target.family ? 6 : 0,
		.used = 1,
	};

	if (stream.family)
		memcpy(stream.target_be, door->target.address, stream.family == 4 ? 4 : 16);
	return stream;
}

static bool streams_equal(const struct stream *a, const struct stream *b)
{
	return a->mask == b->mask && a->value == b->value && a->family == b->family &&
	       !memcmp(a->target_be, b->target_be, sizeof(a->target_be));
}

static void stream_take(struct numbering *n, struct compiled *c, __u32 index,
			const struct stream *stream, bool kept)
{
	c->path[index] = (struct path){ .parent = index, .used = 1 };
	c->settings.stream[index] = *stream;
	n->former[index].kept = kept;
}

/* What the heritage still needs of the index @stream: nothing, to remember it, everything. */
enum need { NEED_NOTHING, NEED_MEMORY, NEED_ALL };

static enum need stream_need(const struct numbering *n, __u32 stream)
{
	const struct heritage *h = &n->heritage;

	if (stream >= h->settings->state_count || !h->path[stream].used)
		return NEED_NOTHING;
	return h->path[stream].until ? NEED_MEMORY : NEED_ALL;
}

void numbering_stream_keep(struct numbering *n, struct compiled *c, const struct stream *stream)
{
	for (__u32 i = 0; i < KNOCKD_STREAMS_MAX; i++) {
		if (stream_need(n, i) == NEED_NOTHING ||
		    !streams_equal(&n->heritage.settings->stream[i], stream))
			continue;
		stream_take(n, c, i, stream, true);
		return;
	}
}

__u32 numbering_stream(struct numbering *n, struct compiled *c, const struct stream *stream)
{
	for (__u32 i = 0; i < KNOCKD_STREAMS_MAX; i++)
		if (c->path[i].used && streams_equal(&c->settings.stream[i], stream))
			return i;
	for (enum need need = NEED_NOTHING; need <= NEED_ALL; need++) {
		for (__u32 i = 0; i < KNOCKD_STREAMS_MAX; i++) {
			if (c->path[i].used || stream_need(n, i) != need)
				continue;
			stream_take(n, c, i, stream, false);
			return i;
		}
	}
	return KNOCKD_STREAMS_MAX;
}

/* ---- numbers of states ---- */

/* The longest Seq_Timeout of this config, jiffies. */
static __u32 timeout_longest(const struct compiled *c)
{
	__u32 longest = 0;

	for (__u32 i = 0; i < KNOCKD_STREAMS_MAX; i++)
		if (c->path[i].timeout > longest)
			longest = c->path[i].timeout;
	return longest;
}

/* Whether no progress can be read wrong when another run of knocks gets the number @state. */
static bool state_free(const struct numbering *n, const struct compiled *c, __u32 state)
{
	const struct heritage *h = &n->heritage;
	const struct path *was;

	if (c->path[state].used || n->former[state].kept)
		return false;
	if (state >= h->settings->state_count || n->crowded)
		return true;
	was = &h->path[state];
	return !was->used && (!was->until || was->until + timeout_longest(c) < h->now);
}

/* There are always enough: doors and knocks are limited so that no config needs half of them. */
static __u32 state_take(struct numbering *n, const struct compiled *c)
{
	while (!state_free(n, c, n->state_next)) {
		if (++n->state_next == n->state_room) {
			n->state_next = KNOCKD_STREAMS_MAX;
			n->crowded = true;
		}
	}
	return n->state_next;
}

void numbering_sequence_keep(struct numbering *n, __u32 stream, const __u32 *port, __u32 len)
{
	__u32 state = stream;

	for (__u32 k = 0; k < len && n->former[state].kept; k++) {
		state = way_find(n, state, port[k]);
		if (!state)
			break;
		n->former[state].kept = true;
	}
}

__u32 numbering_state(struct numbering *n, const struct compiled *c, __u32 parent, __u32 port)
{
	__u32 known = n->former[parent].kept ? way_find(n, parent, port) : 0;

	return known ? known : state_take(n, c);
}

/* The number means nothing any more, but for words of progress that may not be awakened. */
static void state_lose(struct compiled *c, __u32 state)
{
	struct path *path = &c->path[state];

	*path = (struct path){ .until = state < KNOCKD_STREAMS_MAX ? 0 :
						path->until - path->timeout };
	c->state[state] = (struct state){};
	if (state < KNOCKD_STREAMS_MAX)
		c->settings.stream[state] = (struct stream){};
}

/* From the moment of compiling, the programs before may still write progress for so long. */
enum { SWAP_MAX_S = 60 };

/* A state of the heritage is not in this config, or has been in none for some time. */
static void state_retire(struct numbering *n, struct compiled *c, __u32 state)
{
	const struct path *was = &n->heritage.path[state];
	const struct former *former = &n->former[state];
	struct path *path = &c->path[state];
	__u64 now = n->heritage.now;

	*path = *was;
	if (!was->used) {
		if (was->until + TIMEOUT_MAX < now)
			path->until = 0;
		return;
	}
	if (!was->until)
		path->until = now + was->timeout + (__u64)SWAP_MAX_S * n->hz;
	if (state >= KNOCKD_STREAMS_MAX) {
		c->state[state] = (struct state){ .depth = former->depth, .removed = 1 };
	} else {
		c->settings.stream[state] = n->heritage.settings->stream[state];
		c->settings.stream[state].used = 0;
	}
	/* Its stream's index belongs to other flags now, or a part of its way to another state. */
	if (n->crowded || (!c->path[former->root].until && !n->former[former->root].kept))
		state_lose(c, state);
}

void numbering_retire(struct numbering *n, struct compiled *c)
{
	__u32 count = n->heritage.settings->state_count;

	for (__u32 i = 0; i < count; i++)
		if (!c->path[i].used)
			state_retire(n, c, i);
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
		if (c->path[i].used && c->path[i].until && c->path[i].until < n->heritage.now)
			state_lose(c, i);
		if ((c->path[i].used || c->path[i].until) && i >= c->settings.state_count)
			c->settings.state_count = i + 1;
	}
}

/* ---- protected ports ---- */

__u32 numbering_class(const struct compiled *c, const struct conf_door *door)
{
	struct stream stream = numbering_door_stream(door);

	for (__u32 i = 0; door->target.remote && i < c->settings.remote_count; i++)
		if (c->settings.remote[i].family == stream.family &&
		    !memcmp(c->settings.remote[i].word_be, stream.target_be,
			    sizeof(stream.target_be)))
			return 1 + i;
	return 0;
}

/* A port that two configs protect keeps its counters; no other gets them. */
__u32 numbering_guard(struct numbering *n, struct compiled *c, size_t index)
{
	__u32 *guard = &n->guard[index], known = n->heritage.settings->guard_count;

	if (!*guard) {
		while (n->guard_next <= known && n->guard_taken[n->guard_next])
			n->guard_next++;
		*guard = n->guard_next++;
	}
	if (*guard > c->settings.guard_count)
		c->settings.guard_count = *guard;
	return *guard;
}

/* ---- the whole ---- */

int numbering_begin(struct numbering *n, const struct conf *conf, unsigned int hz,
		    const struct heritage *heritage, struct compiled *c)
{
	static const struct settings nothing;
	size_t room = KNOCKD_STREAMS_MAX;
	int error;

	if (heritage && !heritage_sane(heritage))
		return -EINVAL;
	n->heritage = heritage ? *heritage : (struct heritage){ .settings = &nothing };
	n->hz = hz;
	room += n->heritage.settings->state_count;
	for (size_t d = 0; d < conf->door_count; d++)
		room += conf->door[d].sequence.len + conf->door[d].close_sequence.len;
	n->state_room = room < STATE_MAX ? room : STATE_MAX;
	n->state_next = KNOCKD_STREAMS_MAX;
	n->guard_next = 1;
	n->former = calloc(n->state_room, sizeof(*n->former));
	c->state = calloc(n->state_room, sizeof(*c->state));
	c->path = calloc(n->state_room, sizeof(*c->path));
	if (!n->former || !c->state || !c->path)
		return -ENOMEM;
	error = heritage_read(n);
	return error ? error : doors_number(n, conf, c);
}

void numbering_free(struct numbering *n)
{
	free(n->door);
	free(n->former);
	free(n->way);
	free(n->guard_taken);
	free(n->guard);
}
