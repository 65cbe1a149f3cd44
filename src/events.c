// SPDX-License-Identifier: GPL-2.0-or-later
#include "events.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "reason.h"

/* A grant whose end is to be logged. */
struct opening {
	__u64 until; /* jiffies */
	struct source source;
	__u32 door;
};

struct events {
	struct datapath *dp;
	const struct conf *conf;
	const struct compiled *compiled;
	struct opening *heap; /* the earliest first */
	size_t count, room;
	__u64 unsaid, lost;   /* stages not told and events lost, as counted when last logged */
};

struct events *events_new(struct datapath *dp, const struct conf *conf,
			  const struct compiled *compiled)
{
	struct events *events = calloc(1, sizeof(*events));

	if (!events)
		return NULL;
	events->dp = dp;
	events->conf = conf;
	events->compiled = compiled;
	return events;
}

void events_free(struct events *events)
{
	if (events)
		free(events->heap);
	free(events);
}

/* ---- the heap ---- */

static void heap_swap(struct events *e, size_t a, size_t b)
{
	struct opening opening = e->heap[a];

	e->heap[a] = e->heap[b];
	e->heap[b] = opening;
}

static void heap_settle(struct events *e, size_t i)
{
	while (i && e->heap[(i - 1) / 2].until > e->heap[i].until) {
		heap_swap(e, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < e->count && e->heap[child + 1].until < e->heap[child].until)
			child++;
		if (child >= e->count || e->heap[i].until <= e->heap[child].until)
			return;
		heap_swap(e, i, child);
		i = child;
	}
}

static bool heap_add(struct events *e, const struct opening *opening)
{
	if (e->count == e->room) {
		size_t room = 2 * e->room + 64;
		struct opening *more = realloc(e->heap, room * sizeof(*more));

		if (!more)
			return false;
		e->heap = more;
		e->room = room;
	}
	e->heap[e->count] = *opening;
	heap_settle(e, e->count++);
	return true;
}

static void heap_remove(struct events *e, size_t i)
{
	e->heap[i] = e->heap[--e->count];
	if (i < e->count)
		heap_settle(e, i);
}

/* Whether the two have one grant: IPv6 addresses are compared as far as Grant_Prefix6 goes. */
static bool owners_equal(const struct events *e, const struct source *a, const struct source *b)
{
	__be32 differ = a->family ^ b->family;

	for (int i = 0; i < 4; i++)
		differ |= (a->word_be[i] ^ b->word_be[i]) &
			  (a->family == 6 ? e->compiled->settings.grant_mask6_be[i] : ~0U);
	return !differ;
}

static size_t heap_find(const struct events *e, const struct source *source, __u32 door)
{
	size_t i = 0;

	while (i < e->count &&
	       (e->heap[i].door != door || !owners_equal(e, &e->heap[i].source, source)))
		i++;
	return i;
}

/* ---- lines ---- */

struct address_text {
	char text[INET6_ADDRSTRLEN];
};

static struct address_text address_text(const struct source *source)
{
	struct address_text address;

	if (!inet_ntop(source->family == 4 ? AF_INET : AF_INET6, source->word_be, address.text,
		       sizeof(address.text)))
		memcpy(address.text, "?", 2);
	return address;
}

static const char *door_name(const struct events *e, __u32 door)
{
	return door < e->conf->door_count ? e->conf->door[door].name : "?";
}

static const char *proto_name(enum proto proto)
{
	return proto == PROTO_TCP ? "tcp" : proto == PROTO_UDP ? "udp" : "icmp";
}

/* One line for each door that the knocks so far begin to open. */
static void stage_log(struct events *e, const struct event *event)
{
	__u64 unsaid = datapath_counter(e->dp, COUNTER_REASON, REASON_STAGE_UNSAID);
	const struct compiled *c = e->compiled;
	const struct pattern_range *through;

	if (unsaid > e->unsaid)
		log_line("%llu more stages not logged", (unsigned long long)(unsaid - e->unsaid));
	e->unsaid = unsaid;
	if (event->state >= c->settings.state_count)
		return;
	through = &c->through[event->state];
	for (__u32 i = 0; i < through->count && i < KNOCKD_MATCHES_MAX; i++) {
		const struct pattern *pattern = &c->pattern[through->first + i];

		if (pattern->action == MATCH_OPEN)
			log_line("%s: %s: Stage %u", address_text(&event->source).text,
				 door_name(e, pattern->door), c->state[event->state].depth);
	}
}

static void opened_log(struct events *e, const struct event *event)
{
	struct opening opening = {
		.until = event->until, .source = event->source, .door = event->door,
	};
	size_t known = heap_find(e, &event->source, event->door);

	log_line("%s: %s: OPEN SESAME", address_text(&event->source).text,
		 door_name(e, event->door));
	if (known < e->count) {
		e->heap[known].until = event->until;
		heap_settle(e, known);
	} else if (event->until != GRANT_FOREVER && !heap_add(e, &opening)) {
		log_line("no memory to log when %s: %s closes; it closes all the same",
			 address_text(&event->source).text, door_name(e, event->door));
	}
}

static void closed_log(struct events *e, const struct event *event)
{
	size_t known = heap_find(e, &event->source, event->door);

	if (known < e->count)
		heap_remove(e, known);
	log_line("%s: %s: closed (sequence)", address_text(&event->source).text,
		 door_name(e, event->door));
}

void events_handle(void *data, const struct event *event)
{
	struct events *e = data;

	switch (event->kind) {
	case EVENT_STAGE:
		stage_log(e, event);
		break;
	case EVENT_OPENED:
		opened_log(e, event);
		break;
	case EVENT_CLOSED:
		closed_log(e, event);
		break;
	case EVENT_REFUSED:
		log_line("%s: %s: not opened (%s)", address_text(&event->source).text,
			 door_name(e, event->door), reason_sentence(event->reason));
		break;
	case EVENT_BLOCKED:
		log_line("%s: refused at %s port %u (the first there in a minute)",
			 address_text(&event->source).text, proto_name(event->proto), event->port);
		break;
	}
}

/* ---- time ---- */

void events_expire(struct events *e)
{
	__u64 lost = datapath_counter(e->dp, COUNTER_REASON, REASON_EVENT_LOST);
	__u64 now = datapath_now(e->dp);

	if (lost > e->lost)
		log_line("%llu events not logged: they came too fast",
			 (unsigned long long)(lost - e->lost));
	e->lost = lost;

	while (e->count && e->heap[0].until <= now) {
		struct opening *first = &e->heap[0];
		__u64 until = datapath_grant_until(e->dp, &first->source, first->door);

		/* Renewed by an event that was lost, or still to be read. */
		if (until > now) {
			first->until = until;
			heap_settle(e, 0);
			continue;
		}
		log_line("%s: %s: closed (time)", address_text(&first->source).text,
			 door_name(e, first->door));
		heap_remove(e, 0);
	}
}

__u64 events_next_ns(const struct events *e)
{
	return e->count ? datapath_until_ns(e->dp, e->heap[0].until) : 0;
}

void events_counters(const struct events *e)
{
	const struct compiled *c = e->compiled;

	for (__u32 i = 0; i < REASON_COUNT; i++) {
		unsigned long long count = datapath_counter(e->dp, COUNTER_REASON, i);

		if (count)
			log_line("counter: %llu %s: %s", count, reason_name(i), reason_sentence(i));
	}
	for (__u32 i = 0; i < c->settings.door_count; i++) {
		unsigned long long count = datapath_counter(e->dp, COUNTER_DOOR, i);

		if (count)
			log_line("counter: %llu door %s: opened or renewed", count,
				 door_name(e, i));
	}
	for (__u32 i = 0; i < c->settings.guard_count; i++) {
		unsigned long long count = datapath_counter(e->dp, COUNTER_PORT, i);

		if (count)
			log_line("counter: %llu %s port %u: refused", count,
				 proto_name(c->guard[i].proto), c->guard[i].number);
	}
}
