// SPDX-License-Identifier: GPL-2.0-or-later
#include "events.h"

#include <stdio.h>
#include <stdlib.h>

#include "attempts.h"
#include "event_text.h"
#include "log.h"

/* A grant whose end is to be logged. */
struct opening {
	__u64 until; /* jiffies */
	struct source source;
	__u32 door;
};

enum { LINES_PER_SECOND = 10, OPENINGS_PER_SECOND = 100 };

struct events {
	const struct view *view;
	struct opening *heap; /* the earliest first */
	size_t count, room;
	struct attempts attempts;
	/* Stages not told, and events and tasks lost, as counted when last logged. */
	__u64 unsaid, lost, tasks_lost;
	__u64 dropped;        /* stages that were told, and not logged */
	__u64 openings;       /* and what else is said of doors, the same; not yet counted out */
	__u64 line_second;    /* of the kernel's clock, and the lines about sequences in it */
	unsigned int lines, opening_lines, refusal_lines; /* in that second */
	bool waiting;         /* the config waits for confirmation, as far as is known */
	struct events_wish wish;
};

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

/* Where the grant is that @source has for @door, whichever of its addresses opened it. */
static size_t heap_find(const struct events *e, const struct source *source, __u32 door)
{
	struct source owner = view_owner(e->view, source);
	size_t i = 0;

	while (i < e->count) {
		struct source other = view_owner(e->view, &e->heap[i].source);

		if (e->heap[i].door == door && sources_equal(&other, &owner))
			break;
		i++;
	}
	return i;
}

/* ---- the view ---- */

static void opening_note(struct events *e, const struct opening *opening)
{
	size_t known = heap_find(e, &opening->source, opening->door);

	if (known < e->count) {
		e->heap[known].until = opening->until;
		heap_settle(e, known);
	} else if (opening->until != GRANT_FOREVER && !heap_add(e, opening)) {
		log_line("no memory to log when %s: %s closes; it closes all the same",
			 address_text(&opening->source).text, door_text(e->view, opening->door));
	}
}

/* A grant that an earlier daemon saw given. */
static void grant_note(void *data, const struct source *owner, __u32 door, __u64 until,
		       __u32 flows)
{
	struct opening opening = { .until = until, .source = *owner, .door = door };

	(void)flows;
	opening_note(data, &opening);
}

struct events *events_new(const struct view *view)
{
	struct events *events = calloc(1, sizeof(*events));

	if (!events)
		return NULL;
	events->view = view;
	events->unsaid = view_shared(view)->stages_unsaid;
	events->lost = view_shared(view)->events_lost;
	events->tasks_lost = view_shared(view)->tasks_lost;
	view_grants(view, grant_note, events);
	return events;
}

void events_look(struct events *events, const struct view *view, bool waiting)
{
	size_t kept = 0;

	events->view = view;
	events->waiting = waiting;
	/* Whoever took doors away has told of their grants. */
	for (size_t i = 0; i < events->count; i++)
		if (view_door(view, events->heap[i].door))
			events->heap[kept++] = events->heap[i];
	events->count = kept;
	for (size_t i = kept / 2; i-- > 0;)
		heap_settle(events, i);
}

void events_free(struct events *events)
{
	if (events)
		free(events->heap);
	free(events);
}

/* ---- lines ---- */

/* Stages of which nothing was said, from the beginning; the count may be set back. */
static __u64 stages_unsaid(const struct events *e)
{
	__u64 unsaid = view_shared(e->view)->stages_unsaid + e->dropped;

	return unsaid > e->unsaid ? unsaid : e->unsaid;
}

static void unsaid_log(struct events *e)
{
	__u64 unsaid = stages_unsaid(e);

	if (unsaid > e->unsaid)
		log_line("%llu more stages not logged", (unsigned long long)(unsaid - e->unsaid));
	if (e->openings)
		log_line("%llu more openings, refusals and closings not logged",
			 (unsigned long long)e->openings);
	e->unsaid = unsaid;
	e->openings = 0;
}

/* In another second there may be lines again, and the first says what there was not. */
static void lines_renew(struct events *e)
{
	__u64 second = view_now(e->view) / view_settings(e->view)->second;

	if (e->line_second == second)
		return;
	e->line_second = second;
	e->lines = e->opening_lines = e->refusal_lines = 0;
	unsaid_log(e);
}

/* Count one more line in this second, of @limit; false when there were as many. */
static bool line_take(struct events *e, unsigned int *lines, unsigned int limit)
{
	lines_renew(e);
	if (*lines >= limit)
		return false;
	++*lines;
	return true;
}

/*
 * Whether there may be one more line about a sequence on its way, or about a door that gives no
 * grants: anybody can knock from any number of forged addresses, and a knock may be on its way to
 * several doors.
 */
static bool line_may(struct events *e)
{
	return line_take(e, &e->lines, LINES_PER_SECOND);
}

/*
 * The same for openings and closings. What opens a door is no secret to whoever sends a door's one
 * knock, or who has seen all of them; nobody else comes near the limit.
 */
static bool opening_may(struct events *e)
{
	bool may = line_take(e, &e->opening_lines, OPENINGS_PER_SECOND);

	e->openings += !may;
	return may;
}

/* And for refusals, of which there would be none to be seen behind many openings. */
static bool refusal_may(struct events *e)
{
	bool may = line_take(e, &e->refusal_lines, LINES_PER_SECOND);

	e->openings += !may;
	return may;
}

static bool event_may(struct events *e, const struct event *event)
{
	switch (event->kind) {
	case EVENT_STAGE:
		if (line_may(e))
			return true;
		e->dropped++;
		return false;
	case EVENT_OPENED:
		if (event->until)
			return opening_may(e);
		if (line_may(e))
			return true;
		e->openings++;
		return false;
	case EVENT_CLOSED:
		return opening_may(e);
	case EVENT_REFUSED:
		return refusal_may(e);
	default:
		return true;
	}
}

static void lost_log(struct events *e)
{
	__u64 lost = view_shared(e->view)->events_lost;
	__u64 tasks = view_shared(e->view)->tasks_lost;

	if (lost > e->lost)
		log_line("%llu events not logged: they came too fast",
			 (unsigned long long)(lost - e->lost));
	if (tasks > e->tasks_lost)
		log_line("%llu commands not run: doors opened too fast",
			 (unsigned long long)(tasks - e->tasks_lost));
	e->lost = lost;
	e->tasks_lost = tasks;
}

/* A line about @source and @door that no event brings. */
static void door_log(const struct events *e, const struct source *source, __u32 door,
		     const char *what)
{
	char line[256];

	snprintf(line, sizeof(line), "%s: %s: %s", address_text(source).text,
		 door_text(e->view, door), what);
	log_source_line(source, line);
}

static void attempts_follow(struct events *e, const struct event *event)
{
	const struct stage *stage = event->kind == EVENT_STAGE ?
				    view_stage(e->view, event->state) : NULL;

	for (unsigned int i = 0; stage && i < stage->count; i++)
		attempts_told(&e->attempts, &event->source, stage->door[i], stage->depth,
			      event->time, stage->timeout);
	if (event->kind == EVENT_OPENED || event->kind == EVENT_REFUSED)
		attempts_end(&e->attempts, &event->source, event->door);
}

static void attempts_log(struct events *e, __u64 now)
{
	struct attempt over;
	char what[48];

	while (attempts_expire(&e->attempts, now, &over)) {
		snprintf(what, sizeof(what), "sequence timeout (stage %u)", over.stage);
		/* A reload may have taken its door away. */
		if (view_door(e->view, over.door) && line_may(e))
			door_log(e, &over.source, over.door, what);
	}
}

static void opening_follow(struct events *e, const struct event *event)
{
	struct opening opening = {
		.until = event->until, .source = event->source, .door = event->door,
	};
	size_t known;

	if (event->kind == EVENT_OPENED) {
		/* A door that gives no grants does not close. */
		if (event->until)
			opening_note(e, &opening);
	} else if (event->kind == EVENT_CLOSED) {
		known = heap_find(e, &event->source, event->door);
		if (known < e->count)
			heap_remove(e, known);
	}
}

void events_handle(void *data, const void *record, size_t size)
{
	const struct event *event = record;
	struct events *e = data;
	char line[512];

	if (size < sizeof(*event))
		return;
	event_debug_text(e->view, event, line, sizeof(line));
	log_debug("%s", line);
	for (unsigned int i = 0; event_text(e->view, event, i, line, sizeof(line)); i++) {
		if (event_may(e, event))
			log_source_line(event->kind == EVENT_ORDER ? NULL : &event->source, line);
	}
	attempts_follow(e, event);
	opening_follow(e, event);
	if (event->kind != EVENT_ORDER)
		return;
	if (event->order == ORDER_DETACH)
		e->wish.detach = true;
	if (event->order == ORDER_RELOAD) {
		e->wish.reload = true;
		e->wish.reload_s = event->seconds;
	}
}

struct events_wish events_wish(struct events *events)
{
	struct events_wish wish = events->wish;
	__u64 until = view_trial(events->view)->until;

	wish.confirmed = events->waiting && !until;
	wish.expired = events->waiting && until && until <= view_now(events->view);
	events->waiting &= until != 0;
	events->wish = (struct events_wish){};
	return wish;
}

/* ---- time ---- */

void events_expire(struct events *e)
{
	__u64 now = view_now(e->view);

	lost_log(e);
	lines_renew(e);
	attempts_log(e, now);
	while (e->count && e->heap[0].until <= now) {
		struct opening *first = &e->heap[0];
		__u64 until = view_grant_until(e->view, &first->source, first->door);

		/* Renewed by an event that was lost, or still to be read. */
		if (until > now) {
			first->until = until;
			heap_settle(e, 0);
			continue;
		}
		if (opening_may(e))
			door_log(e, &first->source, first->door, "closed (time)");
		heap_remove(e, 0);
	}
}

__u64 events_next_ns(const struct events *e)
{
	bool unsaid = e->openings || stages_unsaid(e) > e->unsaid;
	const __u64 due[] = {
		unsaid ? (e->line_second + 1) * view_settings(e->view)->second : 0,
		e->waiting ? view_trial(e->view)->until : 0,
		e->count ? e->heap[0].until : 0,
		attempts_next(&e->attempts),
	};
	__u64 next = 0;

	for (size_t i = 0; i < sizeof(due) / sizeof(*due); i++)
		if (due[i] && (!next || due[i] < next))
			next = due[i];
	return next ? view_ns(e->view, next) : 0;
}
