// SPDX-License-Identifier: GPL-2.0-or-later
/* Events as they come, read beside the daemon without taking any from it. */
#include "ctl.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "event_text.h"
#include "output.h"
#include "ring.h"

/* An onlooker cannot wait for the ring: it looks from time to time. */
enum { PAUSE_MS = 100, FULL_PAUSES = 10 };

struct watcher {
	struct guard guard;
	struct ring *ring;   /* NULL: there is nothing to watch any more */
	__u32 ring_id;       /* of its map */
	bool json, several;
	unsigned int full;   /* pauses in a row in which the ring was */
};

/* ---- one event ---- */

static const char *const kind_names[] = {
	[EVENT_STAGE] = "stage", [EVENT_OPENED] = "opened", [EVENT_CLOSED] = "closed",
	[EVENT_REFUSED] = "refused", [EVENT_BLOCKED] = "blocked", [EVENT_ORDER] = "order",
};

static const struct column columns[] = {
	{ NULL, "time", false }, { NULL, "name", false }, { NULL, "event", false },
	{ NULL, "address", false }, { NULL, "door", false }, { NULL, "port", false },
	{ NULL, "by", false }, { NULL, "text", false },
};

/* When it was, in seconds since 1970. */
static time_t event_time(const struct view *view, const struct event *event)
{
	struct timespec monotonic, now;
	__s64 ago;

	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	clock_gettime(CLOCK_REALTIME, &now);
	ago = monotonic.tv_sec * 1000000000LL + monotonic.tv_nsec - view_ns(view, event->time);
	return (now.tv_sec * 1000000000LL + now.tv_nsec - ago) / 1000000000;
}

/* The door that line @index is about, NULL: none. */
static const char *event_door(const struct view *view, const struct event *event,
			      unsigned int index)
{
	const struct stage *stage = view_stage(view, event->state);

	switch (event->kind) {
	case EVENT_STAGE:
		return stage ? door_text(view, stage->door[index]) : NULL;
	case EVENT_OPENED:
	case EVENT_CLOSED:
	case EVENT_REFUSED:
		return door_text(view, event->door);
	default:
		return NULL;
	}
}

static struct cell text_or_nothing(const char *text)
{
	return text && *text ? cell_text(text) : cell_nothing(NULL);
}

static void json_print(const struct guard *g, const struct event *event, unsigned int index,
		       const char *line)
{
	const struct address_text address = address_text(&event->source);
	char port[16] = "", who[EVENT_WHO_MAX + 1] = "";

	if (event->kind == EVENT_BLOCKED)
		snprintf(port, sizeof(port), "%u/%s", event->port, proto_name(event->proto));
	memcpy(who, event->who, sizeof(event->who));
	const struct cell cell[] = {
		cell_number(event_time(g->view, event)),
		cell_text(g->name),
		cell_text(kind_names[event->kind]),
		text_or_nothing(event->kind == EVENT_ORDER ? NULL : address.text),
		text_or_nothing(event_door(g->view, event, index)),
		text_or_nothing(port),
		text_or_nothing(who),
		cell_text(line),
	};

	object_print(stdout, columns, cell, sizeof(cell) / sizeof(*cell));
	putchar('\n');
}

static void line_print(const struct watcher *w, const struct event *event, const char *line)
{
	time_t when = event_time(w->guard.view, event);
	char clock[16] = "";
	struct tm tm;

	if (localtime_r(&when, &tm))
		strftime(clock, sizeof(clock), "%T ", &tm);
	fputs(clock, stdout);
	if (w->several)
		printf("%s: ", w->guard.name);
	text_print(stdout, line);
	putchar('\n');
}

static void event_print(void *data, const void *record, size_t size)
{
	const struct event *event = record;
	struct watcher *w = data;
	char line[512];

	if (size < sizeof(*event))
		return;
	for (unsigned int i = 0; event_text(w->guard.view, event, i, line, sizeof(line)); i++) {
		if (w->json)
			json_print(&w->guard, event, i, line);
		else
			line_print(w, event, line);
	}
}

/* ---- what is in force, and its ring ---- */

/* Look on at the ring of @g from now on, unless that is what @w does already. */
static int ring_follow(struct watcher *w, const struct guard *g)
{
	struct bpf_map_info info;
	struct ring *ring = NULL;
	int error = generation_map_info(&g->generation, MAP_events, &info);

	if (error || (w->ring && info.id == w->ring_id))
		return error;
	error = ring_open(&ring, g->generation.map[MAP_events], info.max_entries, false);
	if (error)
		return error;
	ring_close(w->ring);
	w->ring = ring;
	w->ring_id = info.id;
	return 0;
}

static void watcher_end(struct watcher *w)
{
	ring_close(w->ring);
	w->ring = NULL;
	guard_close(&w->guard);
}

/* A reload brings new tables, a new version also a new ring. */
static void watcher_follow(struct watcher *w, const struct options *options)
{
	struct guard g;
	int error;

	if (!guard_changed(&w->guard, options->pin_dir))
		return;
	error = guard_open(&g, options->pin_dir, w->guard.name);
	if (!error)
		error = ring_follow(w, &g);
	if (error) {
		complain("%s: %s", g.name, error == -ENOENT ? "nothing is guarded any more" :
			 guard_why(error));
		guard_close(&g);
		watcher_end(w);
		return;
	}
	guard_close(&w->guard);
	w->guard = g;
}

static void watcher_read(struct watcher *w)
{
	unsigned int missed = 0;

	ring_read(w->ring, event_print, w, &missed);
	if (missed)
		complain("%s: some events were missed: they came too fast", w->guard.name);
	w->full = ring_full(w->ring, sizeof(struct event)) ? w->full + 1 : 0;
	if (w->full == FULL_PAUSES)
		complain("%s: the ring of events is full and no daemon reads it: new ones are "
			 "lost", w->guard.name);
}

/* Return: whether there is still something to watch. */
static bool watchers_turn(struct watcher *watcher, size_t count, const struct options *options)
{
	bool some = false;

	for (size_t i = 0; i < count; i++) {
		struct watcher *w = &watcher[i];

		if (!w->ring)
			continue;
		watcher_read(w);
		watcher_follow(w, options);
		some |= w->ring != NULL;
	}
	return some;
}

static bool watchers_begin(struct watcher *watcher, const struct options *options,
			   const struct names *names)
{
	for (size_t i = 0; i < names->count; i++) {
		struct watcher *w = &watcher[i];
		int error;

		w->json = options->json;
		w->several = names->count > 1;
		if (!guard_opened(&w->guard, options, names->at[i]))
			return false;
		error = ring_follow(w, &w->guard);
		if (error) {
			complain("%s: its events cannot be read: %s", names->at[i],
				 strerror(-error));
			guard_close(&w->guard);
			return false;
		}
	}
	return true;
}

int watch(const struct options *options, const struct names *names, char *argument[])
{
	struct watcher *watcher = calloc(names->count, sizeof(*watcher));

	(void)argument;
	if (!watcher) {
		complain("no memory");
		return STATUS_FAILURE;
	}
	if (watchers_begin(watcher, options, names)) {
		while (watchers_turn(watcher, names->count, options)) {
			if (fflush(stdout))
				break;
			nanosleep(&(struct timespec){ .tv_nsec = PAUSE_MS * 1000000 }, NULL);
		}
		if (fflush(stdout))
			complain("cannot write: %s", strerror(errno));
	}
	for (size_t i = 0; i < names->count; i++)
		if (watcher[i].ring)
			watcher_end(&watcher[i]);
	free(watcher);
	return STATUS_FAILURE;
}
