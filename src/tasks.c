// SPDX-License-Identifier: GPL-2.0-or-later
#include "tasks.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compile.h"
#include "event_text.h"
#include "onetime.h"
#include "ring.h"

enum { STALE_S = 30 }; /* an opening that is older was meant for its own time */

struct tasks {
	struct commands *commands;
	struct ring *ring;
	int fd;
	const struct conf_door **door; /* by their numbers; NULL: no door has that one */
	size_t door_count;
	__u64 now, hz;                 /* jiffies, and those in a second; while serving */
	void (*say)(void *data, const char *line);
	void *data;
};

__attribute__((format(printf, 2, 3)))
static void say(const struct tasks *t, const char *format, ...)
{
	char line[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	t->say(t->data, line);
}

int tasks_open(struct tasks **out, struct commands *commands,
	       void (*tell)(void *data, const char *line), void *data)
{
	struct tasks *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	*t = (struct tasks){ .commands = commands, .fd = -1, .say = tell, .data = data };
	*out = t;
	return 0;
}

void tasks_close(struct tasks *t)
{
	if (!t)
		return;
	ring_close(t->ring);
	free(t->door);
	free(t);
}

int tasks_fd(const struct tasks *t)
{
	return t->fd;
}

/* ---- doors by their numbers ---- */

static int door_compare(const void *left, const void *right)
{
	const struct conf_door *a = *(const struct conf_door *const *)left;
	const struct conf_door *b = *(const struct conf_door *const *)right;
	int order = strcmp(a->name, b->name);

	return order ? order : (a->ordinal > b->ordinal) - (a->ordinal < b->ordinal);
}

static const struct conf_door *door_named(const struct conf_door **sorted, size_t count,
					  const struct door_name *name)
{
	struct conf_door like = { .ordinal = name->ordinal };
	const struct conf_door *key = &like, **found;

	if (!name->used)
		return NULL;
	memcpy(like.name, name->name, sizeof(like.name) - 1);
	found = bsearch(&key, sorted, count, sizeof(key), door_compare);
	return found ? *found : NULL;
}

static int doors_number(struct tasks *t, const struct generation *g, const struct conf *conf)
{
	const struct conf_door **sorted = calloc(conf->door_count + 1, sizeof(*sorted)), **door;
	struct door_name *name = NULL;
	size_t size = 0, count;
	int error = sorted ? generation_values(g, MAP_names, (void **)&name, &size) : -ENOMEM;

	count = size / sizeof(*name);
	door = error ? NULL : calloc(count + 1, sizeof(*door));
	if (!error && !door)
		error = -ENOMEM;
	for (size_t i = 0; !error && i < conf->door_count; i++)
		sorted[i] = &conf->door[i];
	if (!error) {
		qsort(sorted, conf->door_count, sizeof(*sorted), door_compare);
		for (size_t i = 0; i < count; i++)
			door[i] = door_named(sorted, conf->door_count, &name[i]);
		free(t->door);
		t->door = door;
		t->door_count = count;
	}
	free(name);
	free(sorted);
	return error;
}

static int ring_begin(struct tasks *t, const struct generation *g)
{
	struct bpf_map_info info;
	int error = generation_map_info(g, MAP_tasks, &info);

	if (!error)
		error = ring_open(&t->ring, g->map[MAP_tasks], info.max_entries, true);
	if (!error)
		t->fd = g->map[MAP_tasks];
	return error;
}

int tasks_follow(struct tasks *t, const struct generation *g, const struct conf *conf)
{
	int error = doors_number(t, g, conf);

	if (error) {
		t->door_count = 0;
		return error;
	}
	/* The ring buffer is the same for as long as knockd lives; its descriptors are not. */
	ring_close(t->ring);
	t->ring = NULL;
	t->fd = -1;
	return ring_begin(t, g);
}

/* ---- what is asked for ---- */

/*
 * The time of the grant that an opening gave, in ms; 0: it is what the door gives by itself, whose
 * commands may have another time.
 */
static uint64_t order_time_ms(const struct tasks *t, const struct event *event,
			      const struct conf_door *door)
{
	__u64 usual = door->open_time_s ? event->time + door->open_time_s * t->hz : GRANT_FOREVER;

	if (!event->until || (door->open.count && event->until == usual))
		return 0;
	if (event->until >= GRANT_FOREVER)
		return COMMANDS_NEVER;
	return event->until > t->now ? (event->until - t->now) * 1000 / t->hz + 1 : 1;
}

static void task_handle(void *data, const void *record, size_t size)
{
	const struct event *event = record;
	const struct conf_door *door;
	struct tasks *t = data;

	if (size < sizeof(*event) || event->door >= t->door_count)
		return;
	door = t->door[event->door];
	if (!door)
		return;
	if (event->kind == EVENT_CLOSED)
		commands_closed(t->commands, door, &event->source);
	else if (event->kind == EVENT_OPENED && event->time + STALE_S * t->hz < t->now)
		say(t, "%s: %s: no command was run: no knockd ran when it opened",
		    address_text(&event->source).text, door->name);
	else if (event->kind == EVENT_OPENED)
		commands_opened(t->commands, door, &event->source, event->until,
				order_time_ms(t, event, door));
}

void tasks_serve(struct tasks *t, __u64 now, unsigned int hz)
{
	t->now = now;
	t->hz = hz;
	if (t->ring)
		ring_read(t->ring, task_handle, t, NULL);
}

/* ---- one-time sequences ---- */

static void messages_say(const struct tasks *t, const struct messages *messages)
{
	for (size_t i = 0; i < messages->count; i++)
		say(t, "%s", messages->at[i].text);
}

/* By another path, or through a link, it may be the same. */
static bool file_shared(const struct conf_door *a, const struct conf_door *b)
{
	struct stat of_a, of_b;

	if (!a->one_time_file || !b->one_time_file)
		return false;
	return !strcmp(a->one_time_file, b->one_time_file) ||
	       (!stat(a->one_time_file, &of_a) && !stat(b->one_time_file, &of_b) &&
		of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino);
}

static void door_disable(const struct tasks *t, struct conf_door *door, int error)
{
	door->sequence.len = 0;
	door->one_time_line = 0;
	say(t, "error while disabling used one time sequence for door %s --> disabling the door: "
	    "%s: %s", door->name, door->one_time_file, strerror(-error));
}

/* The next sequence of @door from its file. */
static void door_advance(const struct tasks *t, struct conf_door *door)
{
	struct messages messages;

	door->sequence.len = 0;
	door->one_time_line = 0;
	messages_init(&messages, door->one_time_file);
	if (onetime_read(door, &messages))
		messages_say(t, &messages);
	if (door->one_time_line)
		say(t, "%s: the one-time sequence was used; the next, on line %u, comes into force",
		    door->name, door->one_time_line);
	else
		say(t, "no more sequences left in the one time sequences file for door %s --> "
		    "disabling the door", door->name);
	messages_free(&messages);
}

/* The sequence of @used was: take it out of its file, and the next from there for all its doors. */
static void doors_advance(const struct tasks *t, struct conf *conf, const struct conf_door *used)
{
	int error = onetime_mark(used);

	for (size_t d = 0; d < conf->door_count; d++) {
		struct conf_door *door = &conf->door[d];

		if (!door->one_time_line || !file_shared(door, used))
			continue;
		if (error)
			door_disable(t, door, error);
		else
			door_advance(t, door);
	}
}

bool tasks_advance(struct tasks *t, const struct generation *g, struct conf *conf)
{
	size_t size = t->door_count * sizeof(struct door);
	size_t spent_size = t->door_count * sizeof(__u64);
	struct door *in_force = NULL;
	__u64 *spent = NULL;
	bool any = false, advanced = false;

	for (size_t d = 0; d < conf->door_count; d++)
		any |= conf->door[d].one_time_line;
	if (any) {
		in_force = generation_table(g, MAP_doors, size);
		spent = generation_table(g, MAP_spent, spent_size);
	}
	for (size_t i = 0; in_force && spent && i < t->door_count; i++) {
		if (!t->door[i] || !in_force[i].once || in_force[i].once != spent[i])
			continue;
		/* Unless that was done, and only failed to come into force. */
		if (compile_once(t->door[i]) == spent[i])
			doors_advance(t, conf, t->door[i]);
		advanced = true;
	}
	free(in_force);
	free(spent);
	return advanced;
}
