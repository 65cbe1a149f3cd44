// SPDX-License-Identifier: GPL-2.0-or-later
#include "log_queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event_text.h"

#define SECOND_NS 1000000000ULL

/* A name, or that it has been asked for. */
struct name {
	struct source source;
	bool known;
	__u64 until_ns; /* known: it holds; asked: it is waited for. 0: the place is free */
	char text[LOOKUP_NAME_MAX];
};

struct waiting {
	struct source source;
	time_t when;
	__u64 until_ns; /* 0: it waits for no name */
	char line[LOG_LINE_MAX];
};

struct log_queue {
	struct log_way way;
	struct waiting line[LOG_QUEUE_MAX]; /* a ring */
	size_t first, count;
	struct name name[LOG_NAMES_MAX];
	__u64 second;       /* in which so many were */
	unsigned int asked;
};

struct log_queue *log_queue_new(const struct log_way *way)
{
	struct log_queue *queue = calloc(1, sizeof(*queue));

	if (queue)
		queue->way = *way;
	return queue;
}

/* ---- names ---- */

static struct name *name_find(struct log_queue *q, const struct source *source)
{
	for (int i = 0; i < LOG_NAMES_MAX; i++)
		if (q->name[i].until_ns && sources_equal(&q->name[i].source, source))
			return &q->name[i];
	return NULL;
}

/* Its own place, or else that of the one that is of use for the shortest time. */
static struct name *name_place(struct log_queue *q, const struct source *source)
{
	struct name *place = name_find(q, source);

	if (place)
		return place;
	place = q->name;
	for (int i = 1; i < LOG_NAMES_MAX; i++)
		if (q->name[i].until_ns < place->until_ns)
			place = &q->name[i];
	return place;
}

/* Not one question a packet, whatever is sent from wherever. */
static bool ask_allowed(struct log_queue *q, __u64 now_ns)
{
	if (q->second != now_ns / SECOND_NS) {
		q->second = now_ns / SECOND_NS;
		q->asked = 0;
	}
	return q->asked++ < LOG_ASKS_PER_S;
}

/* Until when a line of @source is to wait; 0: no longer. */
static __u64 name_want(struct log_queue *q, const struct source *source, __u64 now_ns)
{
	__u64 until_ns = now_ns + LOG_WAIT_S * SECOND_NS;
	struct name *name = name_find(q, source);

	if (name && name->until_ns > now_ns)
		return name->known ? 0 : name->until_ns;
	if (!ask_allowed(q, now_ns) || !q->way.ask(q->way.data, source, until_ns))
		return 0;
	*name_place(q, source) = (struct name){ .source = *source, .until_ns = until_ns };
	return until_ns;
}

void log_queue_answer(struct log_queue *q, const struct lookup_answer *answer, __u64 now_ns)
{
	struct name *name = name_find(q, &answer->source);

	/* Only what was asked for. */
	if (!name)
		return;
	name->known = true;
	name->until_ns = now_ns + LOG_NAME_S * SECOND_NS;
	snprintf(name->text, sizeof(name->text), "%s", answer->name);
}

/* ---- lines ---- */

/* Behind the address that @line begins with, its name where that is known. */
static void line_write(struct log_queue *q, const struct source *source, const char *line,
		       time_t when, __u64 now_ns)
{
	const struct name *name = source->family ? name_find(q, source) : NULL;
	struct address_text address = address_text(source);
	size_t len = strlen(address.text);
	char named[LOG_LINE_MAX + LOOKUP_NAME_MAX];

	if (name && name->known && name->until_ns > now_ns && name->text[0] &&
	    !strncmp(line, address.text, len)) {
		snprintf(named, sizeof(named), "%s (%s)%s", address.text, name->text, line + len);
		line = named;
	}
	q->way.write(q->way.data, when, line);
}

static void line_write_first(struct log_queue *q, __u64 now_ns)
{
	const struct waiting *first = &q->line[q->first];

	line_write(q, &first->source, first->line, first->when, now_ns);
	q->first = (q->first + 1) % LOG_QUEUE_MAX;
	q->count--;
}

static void lines_write(struct log_queue *q, __u64 now_ns)
{
	while (q->count)
		line_write_first(q, now_ns);
}

/* Whether @waiting needs its name no longer, or has it. */
static bool line_ready(struct log_queue *q, const struct waiting *waiting, __u64 now_ns)
{
	const struct name *name;

	if (waiting->until_ns <= now_ns)
		return true;
	name = name_find(q, &waiting->source);
	return !name || name->known;
}

void log_queue_serve(struct log_queue *q, __u64 now_ns)
{
	while (q->count && line_ready(q, &q->line[q->first], now_ns))
		line_write_first(q, now_ns);
}

void log_queue_add(struct log_queue *q, const struct source *source, const char *line, time_t when,
		   __u64 now_ns)
{
	static const struct source nobody;
	struct waiting *last;
	__u64 until_ns;

	log_queue_serve(q, now_ns);
	if (!source)
		source = &nobody;
	until_ns = source->family && q->count < LOG_QUEUE_MAX ? name_want(q, source, now_ns) : 0;
	if (q->count == LOG_QUEUE_MAX)
		lines_write(q, now_ns);
	if (!q->count && !until_ns) {
		line_write(q, source, line, when, now_ns);
		return;
	}
	last = &q->line[(q->first + q->count++) % LOG_QUEUE_MAX];
	*last = (struct waiting){ .source = *source, .when = when, .until_ns = until_ns };
	snprintf(last->line, sizeof(last->line), "%s", line);
}

__u64 log_queue_next_ns(const struct log_queue *q)
{
	return q->count ? q->line[q->first].until_ns : 0;
}

void log_queue_free(struct log_queue *q)
{
	if (q)
		lines_write(q, 0);
	free(q);
}
