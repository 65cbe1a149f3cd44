// SPDX-License-Identifier: GPL-2.0-or-later
#include "compile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "automaton.h"
#include "numbering.h"

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

static __u64 jiffies_from(__u32 seconds, unsigned int hz)
{
	return (__u64)seconds * hz;
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
	__u32 *edge;  /* where a range begins or has just ended, of one protocol */
	__u32 *class; /* of each door of the config */
	__u64 *doors; /* words: at one port */
};

/* The area of areas->doors. */
static int area_find(struct areas *areas)
{
	size_t bytes = areas->words * sizeof(*areas->doors);

	/* Neighbouring ranges mostly belong to late areas: look backwards. */
	for (size_t i = areas->count; i-- > 0;)
		if (!memcmp(areas->row + i * areas->words, areas->doors, bytes))
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
	memcpy(areas->row + areas->count * areas->words, areas->doors, bytes);
	return areas->count++;
}

static int number_compare(const void *left, const void *right)
{
	const __u32 *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

/* The ports at which some range of @proto begins or has just ended, sorted; how many. */
static size_t edges_of_ranges(const struct conf *conf, const struct areas *areas, __u32 class,
			      enum conf_proto proto)
{
	__u32 *edge = areas->edge;
	size_t count = 0;

	for (size_t d = 0; d < conf->door_count; d++) {
		for (size_t i = 0; areas->class[d] == class && i < conf->door[d].open.count; i++) {
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

static void doors_at(const struct conf *conf, const struct numbering *n, const struct areas *areas,
		     __u32 class, enum conf_proto proto, __u32 number)
{
	for (size_t d = 0; d < conf->door_count; d++) {
		const struct conf_ranges *open = &conf->door[d].open;

		if (areas->class[d] != class)
			continue;
		for (size_t i = 0; i < open->count; i++) {
			const struct conf_range *range = &open->at[i];

			if (range->proto == proto && range->first <= number &&
			    number <= range->last)
				bit_set(areas->doors, n->door[d]);
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

static int guards_make(struct compiled *c)
{
	c->guard = calloc((size_t)c->settings.guard_count + 1, sizeof(*c->guard));
	if (!c->guard)
		return -ENOMEM;
	for (size_t i = 0; i < (size_t)(1 + c->settings.remote_count) * PORT_COUNT; i++)
		if (c->port[i].guard)
			c->guard[c->port[i].guard - 1] = (struct guard){
				.proto = i % PORT_COUNT < 65536 ? PROTO_TCP : PROTO_UDP,
				.number = i % PORT_COUNT,
			};
	return 0;
}

static int ports_protect(const struct conf *conf, struct numbering *n, struct compiled *c,
			 __u32 class, enum conf_proto proto, struct areas *areas)
{
	struct port *port = c->port + (size_t)class * PORT_COUNT;
	const __u32 *edge = areas->edge;
	size_t edges = edges_of_ranges(conf, areas, class, proto);

	for (size_t i = 0; i + 1 < edges; i++) {
		int area;

		if (edge[i] == edge[i + 1])
			continue;
		memset(areas->doors, 0, areas->words * sizeof(*areas->doors));
		doors_at(conf, n, areas, class, proto, edge[i]);
		area = area_find(areas);
		if (area < 0)
			return area;
		for (__u32 number = edge[i]; area && number < edge[i + 1]; number++) {
			size_t index = port_index(proto, number);

			port[index].area = area;
			port[index].guard = numbering_guard(n, c, index);
		}
	}
	return 0;
}

static int areas_make(const struct conf *conf, struct numbering *n, struct compiled *c,
		      struct messages *messages)
{
	struct areas areas = { .words = bit_words(c->settings.door_count), .count = 1, .room = 16 };
	size_t ranges = 0;
	int error = -ENOMEM;

	for (size_t d = 0; d < conf->door_count; d++)
		ranges += conf->door[d].open.count;
	areas.row = calloc(areas.room * areas.words, sizeof(*areas.row));
	areas.edge = calloc(2 * ranges + 1, sizeof(*areas.edge));
	areas.doors = calloc(areas.words, sizeof(*areas.doors));
	areas.class = calloc(conf->door_count + 1, sizeof(*areas.class));
	if (!areas.row || !areas.edge || !areas.doors || !areas.class)
		goto out;
	for (size_t d = 0; d < conf->door_count; d++)
		areas.class[d] = numbering_class(c, &conf->door[d]);
	error = 0;
	for (__u32 class = 0; class <= c->settings.remote_count && !error; class++) {
		error = ports_protect(conf, n, c, class, CONF_TCP, &areas);
		if (!error)
			error = ports_protect(conf, n, c, class, CONF_UDP, &areas);
	}
	if (error == -E2BIG) {
		message_add(messages, MESSAGE_ERROR, 0, "the ranges of 'Open' overlap in more "
			    "than %d ways; let doors open the same ranges", 0xffff);
		error = -EINVAL;
	}
	if (!error)
		error = guards_make(c);
	if (!error)
		error = opens_make(c, &areas);
out:
	free(areas.row);
	free(areas.edge);
	free(areas.doors);
	free(areas.class);
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

static size_t entries_collect(struct source_entry *entry, const struct conf *conf,
			      const struct numbering *n)
{
	size_t count = entries_add(entry, &conf->trust, EVERY_DOOR, true);

	for (size_t d = 0; d < conf->door_count; d++) {
		const struct conf_door *door = &conf->door[d];

		count += entries_add(entry + count, &door->trust, n->door[d], true);
		count += entries_add(entry + count, &door->knock_from, n->door[d], false);
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

static int sources_make(const struct conf *conf, const struct numbering *n, struct compiled *c)
{
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
			bit_set(c->knockers, n->door[d]);
	count = entries_collect(entry, conf, n);
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

/* FNV-1a of its knocks and its line, so that the same sequence on two lines opens twice. */
__u64 compile_once(const struct conf_door *door)
{
	__u64 name = (0xcbf29ce484222325ULL ^ door->one_time_line) * 0x100000001b3ULL;

	if (!door->one_time_file || !door->one_time_line)
		return 0;
	for (unsigned int i = 0; i < door->sequence.len; i++) {
		name = (name ^ door->sequence.knock[i].number) * 0x100000001b3ULL;
		name = (name ^ door->sequence.knock[i].proto) * 0x100000001b3ULL;
	}
	return name ? name : 1;
}

static __u32 door_flags(const struct conf_door *door)
{
	__u32 flags = 0;

	if (door->open.count || conf_door_owes(door))
		flags |= DOOR_GRANTS;
	for (size_t i = 0; i < door->open.count; i++)
		if (door->open.at[i].proto == CONF_UDP || door->target.remote)
			flags |= DOOR_FLOWS;
	if (conf_door_commands(door) || door->one_time_file)
		flags |= DOOR_TASKS;
	return flags;
}

/* Seconds that a grant of @door lasts: without ports to open, as long as its stop command waits. */
static __u32 door_time_s(const struct conf_door *door)
{
	return door->open.count ? door->open_time_s : door->commands.timeout_s ?
	       door->commands.timeout_s : 1;
}

/* Jiffies for which a grant that was ended keeps its cell: until all its flows are idle, or none of
 * its connections can be half open. */
static __u64 door_linger(const struct door *door, const struct settings *s)
{
	__u64 flows = door->flags & DOOR_FLOWS ? s->udp_idle + 1 : 0;
	__u64 unpaid = door->connections ? GRANT_UNPAID_S * s->second : 0;

	return flows > unpaid ? flows : unpaid;
}

/*
 * Each door may count on its quota, and may hold twice that many grants for a moment. Four cells
 * for each grant leave room in every bucket even then.
 */
static int doors_make(const struct conf *conf, const struct numbering *n, struct compiled *c)
{
	size_t doors = conf->door_count ? conf->door_count : 1;
	__u64 quota = conf->max_grants / doors ? conf->max_grants / doors : 1;

	c->door = calloc(c->settings.door_count + 1, sizeof(*c->door));
	if (!c->door)
		return -ENOMEM;
	for (size_t d = 0; d < conf->door_count; d++) {
		const struct conf_door *from = &conf->door[d];
		struct door *door = &c->door[n->door[d]];

		door->flags = door_flags(from);
		door->once = compile_once(from);
		door->connections = from->connections;
		if (door->flags & DOOR_FLOWS || door->connections)
			c->settings.flows = 1;
		if (door->connections)
			c->settings.connections = 1;
		door->open_time = jiffies_from(door_time_s(from), n->hz);
		if (door->open_time)
			door->window = door->open_time + door_linger(door, &c->settings);
		door->quota = quota;
	}
	c->bucket_count = power_of_two((4 * quota * doors + GRANT_CELLS - 1) / GRANT_CELLS);
	c->settings.bucket_mask = c->bucket_count - 1;
	return 0;
}

/* The Targets that are other hosts. */
static int remotes_make(const struct conf *conf, struct compiled *c, struct messages *messages)
{
	for (size_t d = 0; d < conf->door_count; d++) {
		const struct conf_door *door = &conf->door[d];
		struct stream stream = numbering_door_stream(door);
		struct source *remote = &c->settings.remote[c->settings.remote_count];

		if (!door->target.remote || numbering_class(c, door))
			continue;
		if (c->settings.remote_count == KNOCKD_STREAMS_MAX) {
			message_add(messages, MESSAGE_ERROR, door->target.line, "more than %d "
				    "different Targets that are other hosts", KNOCKD_STREAMS_MAX);
			return -EINVAL;
		}
		remote->family = stream.family;
		memcpy(remote->word_be, stream.target_be, sizeof(remote->word_be));
		c->settings.remote_count++;
	}
	return 0;
}

static void settings_make(struct compiled *c, const struct conf *conf, unsigned int hz)
{
	struct settings *s = &c->settings;

	s->closed = conf->closed == CONF_CLOSED_RESET ? CLOSED_RESET :
		    conf->closed == CONF_CLOSED_ABORT ? CLOSED_ABORT : CLOSED_DROP;
	s->udp_idle = jiffies_from(conf->udp_idle_s, hz);
	s->second = hz;
	s->only_ipv4 = conf->only_ipv4;
	for (__u32 bit = 0; bit < conf->grant_prefix6; bit++)
		((__u8 *)s->grant_mask6_be)[bit / 8] |= 0x80 >> bit % 8;
	c->max_sources = conf->max_sources;
	c->max_flows = conf->max_flows;
}

/* All in one word of what the streams say of flags. */
static __u64 knock_flags(const struct settings *s)
{
	__u64 set = 0;

	for (__u32 i = 0; i < s->stream_count; i++)
		for (__u32 flags = 0; s->stream[i].used && flags < 64; flags++)
			if ((flags & s->stream[i].mask) == s->stream[i].value)
				set |= 1ULL << flags;
	return set;
}

int compile_conf(const struct conf *conf, unsigned int hz, const struct heritage *heritage,
		 struct compiled *out, struct messages *messages)
{
	struct numbering n = {};
	struct compiled c = {};
	int error;

	settings_make(&c, conf, hz);
	error = remotes_make(conf, &c, messages);
	if (!error)
		c.port = calloc((size_t)(1 + c.settings.remote_count) * PORT_COUNT,
				sizeof(*c.port));
	if (!error)
		error = c.port ? numbering_begin(&n, conf, hz, heritage, &c) : -ENOMEM;
	if (!error)
		error = automaton_make(conf, &n, &c, messages);
	if (!error)
		error = areas_make(conf, &n, &c, messages);
	if (!error)
		error = sources_make(conf, &n, &c);
	if (!error)
		error = doors_make(conf, &n, &c);
	c.settings.knock_flags = knock_flags(&c.settings);
	numbering_free(&n);
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

