// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the helper is told: openings and closings of doors that have commands, and of no others.
 */
#include "harness.h"

#define OPTIONS SMALL_TABLES

/* By their numbers: only told; told and owed; with a port; a port alone. */
enum { DOOR_TOLD, DOOR_OWING, DOOR_BOTH, DOOR_PORT };

static const struct setup doors = { .conf = OPTIONS
	"[told]\n"
	"	Sequence = 1000,2000\n"
	"	Start_Command = /bin/true\n"
	"[owing]\n"
	"	Sequence = 3000,4000\n"
	"	Close_Sequence = 4500,3500\n"
	"	Start_Command = /bin/true\n"
	"	Stop_Command = /bin/true\n"
	"	Cmd_Timeout = 20\n"
	"[both]\n"
	"	Sequence = 5000,6000\n"
	"	Close_Sequence = 6500,5500\n"
	"	Start_Command = /bin/true\n"
	"	Open = 22\n"
	"	Open_Time = 30\n"
	"[port]\n"
	"	Sequence = 7000,8000\n"
	"	Close_Sequence = 8500,7500\n"
	"	Open = 23\n"
	"	Open_Time = 30\n"
};

static const struct setup one_datagram = { .conf = OPTIONS
	"[told]\n"
	"	Sequence = 1000:udp\n"
	"	Start_Command = /bin/true\n"
};

static const struct setup networks = { .conf = OPTIONS "\tGrant_Prefix6 = 64\n"
	"[both]\n"
	"	Sequence = 5000,6000\n"
	"	Close_Sequence = 6500,5500\n"
	"	Start_Command = /bin/true\n"
	"	Open = 22\n"
};

/* The one task since the last look: of this kind and door, of the source, with nothing else. */
static void task_only_until(struct world *w, enum event_kind kind, __u32 door, __u64 until)
{
	struct event expected = {
		.kind = kind,
		.door = door,
		.until = until,
		.source = { .family = w->family },
	};

	address_read((void *)expected.source.word_be, w->source, w->family);
	tasks_read(w);
	assert_int_equal(1, w->task_count);
	expected.time = w->task[0].time;
	assert_true(expected.time && expected.time <= clock_now(w));
	assert_memory_equal(&expected, &w->task[0], sizeof(expected));
}

static void task_only(struct world *w, enum event_kind kind, __u32 door)
{
	task_only_until(w, kind, door, 0);
}

static void no_task(struct world *w)
{
	tasks_read(w);
	assert_int_equal(0, w->task_count);
}

/* The last event of this kind since the last look. */
static const struct event *event_last(struct world *w, enum event_kind kind)
{
	events_read(w);
	for (size_t i = w->events; i > 0; i--)
		if (w->event[i - 1].kind == kind)
			return &w->event[i - 1];
	fail();
	return NULL;
}

static unsigned int grants_count(struct world *w)
{
	struct grant_bucket bucket;
	unsigned int count = 0;
	__u64 now = clock_now(w);

	for (__u32 i = 0; i < w->compiled.bucket_count; i++) {
		assert_int_equal(0, bpf_map_lookup_elem(w->generation.map[MAP_grants], &i,
							&bucket));
		for (int j = 0; j < GRANT_CELLS; j++)
			count += grant_alive(bucket.cell[j].word, now);
	}
	return count;
}

static int order_give(struct world *w, enum order order, __u32 door, __u64 seconds)
{
	struct order_form form = {
		.order = order, .door = door, .time = seconds * w->hz,
		.source = { .family = w->family }, .who = "root",
	};
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &form, .ctx_size_in = sizeof(form));

	address_read((void *)form.source.word_be, w->source, w->family);
	assert_int_equal(0, bpf_prog_test_run_opts(w->generation.order, &options));
	return options.retval;
}

/* ---- which doors ---- */

static void a_door_with_a_command_is_told_of(struct world *w)
{
	knock_opens(w, "5000,6000");
	task_only(w, EVENT_OPENED, DOOR_BOTH);
	knock_opens(w, "5000,6000");
	task_only(w, EVENT_OPENED, DOOR_BOTH);
	knock_noting(w, "6500,5500", note(REASON_CLOSED_BY_KNOCK));
	task_only(w, EVENT_CLOSED, DOOR_BOTH);
	knock_noting(w, "6500,5500", 0);
	no_task(w);
}

static void a_door_without_a_command_is_not_told_of(struct world *w)
{
	knock_opens(w, "7000,8000");
	knock_noting(w, "8500,7500", note(REASON_CLOSED_BY_KNOCK));
	no_task(w);
	order_give(w, ORDER_OPEN, DOOR_PORT, 10);
	order_give(w, ORDER_CLOSE, DOOR_PORT, 0);
	no_task(w);
}

static void unfinished_knocks_are_not_told_of(struct world *w)
{
	knock_noting(w, "5000", 0);
	knock_noting(w, "1000", 0);
	no_task(w);
}

/* ---- doors that open no port ---- */

static void a_door_that_opens_no_port_gives_no_grant(struct world *w)
{
	const struct event *event;

	for (int i = 0; i < 3; i++) {
		knock_opens(w, "1000,2000");
		task_only(w, EVENT_OPENED, DOOR_TOLD);
		event = event_last(w, EVENT_OPENED);
		assert_int_equal(DOOR_TOLD, event->door);
		assert_int_equal(0, event->until);
		assert_false(event->renewed);
	}
	assert_int_equal(0, grants_count(w));
}

/* 64 grants for four doors: 16 each, and at most twice that in a window. */
static void a_door_that_gives_no_grant_needs_no_quota(struct world *w)
{
	for (unsigned int i = 0; i < 100; i++) {
		source_number(w, i);
		knock_opens(w, "1000,2000");
		task_only(w, EVENT_OPENED, DOOR_TOLD);
	}
	assert_int_equal(0, grants_count(w));
}

static void a_door_that_owes_a_command_gives_a_grant(struct world *w)
{
	const struct event *event;

	knock_opens(w, "3000,4000");
	event = event_last(w, EVENT_OPENED);
	assert_false(event->renewed);
	assert_int_equal(event->time + 20ULL * w->hz, event->until);
	assert_int_equal(1, grants_count(w));
	knock_opens(w, "3000,4000");
	assert_true(event_last(w, EVENT_OPENED)->renewed);
	assert_int_equal(1, grants_count(w));
	time_pass(w, 21);
	knock_opens(w, "3000,4000");
	assert_false(event_last(w, EVENT_OPENED)->renewed);
	tasks_read(w);
	knock_noting(w, "4500,3500", note(REASON_CLOSED_BY_KNOCK));
	task_only(w, EVENT_CLOSED, DOOR_OWING);
	assert_int_equal(0, grants_count(w));
}

/* ---- orders ---- */

static void orders_are_told_of(struct world *w)
{
	static const __u32 doors_with_grants[] = { DOOR_OWING, DOOR_BOTH };

	for (size_t i = 0; i < 2; i++) {
		__u32 door = doors_with_grants[i];

		__u64 until;

		assert_int_equal(ORDER_DONE, order_give(w, ORDER_OPEN, door, 10));
		until = event_last(w, EVENT_OPENED)->until;
		assert_true(until > clock_now(w));
		task_only_until(w, EVENT_OPENED, door, until);
		assert_int_equal(ORDER_DONE, order_give(w, ORDER_CLOSE, door, 0));
		task_only(w, EVENT_CLOSED, door);
		/* There may be no grant any more, and its stop command be owed. */
		assert_int_equal(ORDER_NOTHING, order_give(w, ORDER_CLOSE, door, 0));
		task_only(w, EVENT_CLOSED, door);
	}
}

static void an_order_to_a_door_without_a_grant_is_told_of(struct world *w)
{
	assert_int_equal(ORDER_DONE, order_give(w, ORDER_OPEN, DOOR_TOLD, 10));
	task_only(w, EVENT_OPENED, DOOR_TOLD);
	assert_int_equal(0, event_last(w, EVENT_OPENED)->until);
	assert_int_equal(0, grants_count(w));
	assert_int_equal(ORDER_NOTHING, order_give(w, ORDER_CLOSE, DOOR_TOLD, 0));
	task_only(w, EVENT_CLOSED, DOOR_TOLD);
}

/* ---- whom ---- */

static void the_task_names_the_whole_address(struct world *w)
{
	knock_opens(w, "5000,6000");
	task_only(w, EVENT_OPENED, 0);
	w->source = w->a->neighbour;
	knock_noting(w, "6500,5500", note(REASON_CLOSED_BY_KNOCK));
	task_only(w, EVENT_CLOSED, 0);
}

/* ---- too many ---- */

static void told_forget(struct world *w)
{
	__u64 none = 0;
	__u32 door = 0;

	assert_int_equal(0, bpf_map_update_elem(w->generation.map[MAP_told], &door, &none, 0));
}

static void opening_count(void *data, const void *record, size_t size)
{
	const struct event *event = record;
	unsigned int *count = data;

	assert_true(size >= sizeof(*event));
	*count += event->kind == EVENT_OPENED;
}

static void a_flood_of_openings_is_told_a_hundred_times_a_second(struct world *w)
{
	struct frame f = datagram(w, 1000);
	__u64 before[REASON_COUNT], after[REASON_COUNT];
	unsigned int told, tasks = 0, events = 0;

	counters_read(w, before);
	for (unsigned int i = 0; i < 1000; i++) {
		struct frame next = f;

		source_number(w, i);
		frame_from(&next, w->source);
		assert_int_equal(XDP_PASS, frame_run(w, &next, 1));
	}
	counters_read(w, after);
	assert_int_equal(1000, after[REASON_OPENED] - before[REASON_OPENED]);
	/* A second may begin in between. */
	told = 1000 - (after[REASON_TASK_LOST] - before[REASON_TASK_LOST]);
	assert_in_range(told, 100, 200);
	ring_read(w->tasks, opening_count, &tasks, NULL);
	assert_int_equal(told, tasks);
	ring_read(w->ring, opening_count, &events, NULL);
	assert_int_equal(told, events);
}

static void a_full_ring_of_tasks_keeps_no_door_shut(struct world *w)
{
	enum { RECORDS = 256 * 1024 / (sizeof(struct event) + 8) };
	struct frame f = datagram(w, 1000);
	__u64 before[REASON_COUNT], after[REASON_COUNT];
	struct shared shared;
	__u32 key = 0;

	counters_read(w, before);
	/* Nobody reads them; nor does the door's own limit count. */
	for (unsigned int i = 0; i < RECORDS + 100; i++) {
		struct frame next = f;

		told_forget(w);
		source_number(w, i);
		frame_from(&next, w->source);
		assert_int_equal(XDP_PASS, frame_run(w, &next, 1));
		if (i % 512 == 0)
			events_read(w);
	}
	counters_read(w, after);
	assert_int_equal(RECORDS + 100, after[REASON_OPENED] - before[REASON_OPENED]);
	assert_in_range(after[REASON_TASK_LOST] - before[REASON_TASK_LOST], 90, 110);
	assert_int_equal(0, bpf_map_lookup_elem(w->generation.map[MAP_shared], &key, &shared));
	assert_int_equal(after[REASON_TASK_LOST] - before[REASON_TASK_LOST], shared.tasks_lost);
	w->source = w->a->stranger;
	knock_noting(w, "1000:udp", note(REASON_OPENED) | note(REASON_TASK_LOST));
	/* The log is told all the same. */
	assert_int_equal(0, event_last(w, EVENT_OPENED)->until);
	tasks_read(w);
	knock_opens(w, "1000:udp");
	task_only(w, EVENT_OPENED, 0);
}

static const struct fixture fixtures[] = {
	{ "the helper is told of a door with a command", &doors,
	  .run = a_door_with_a_command_is_told_of },
	{ "the helper is not told of a door without one", &doors,
	  .run = a_door_without_a_command_is_not_told_of },
	{ "the helper is not told of unfinished knocks", &doors,
	  .run = unfinished_knocks_are_not_told_of },
	{ "a door that opens no port gives no grant", &doors,
	  .run = a_door_that_opens_no_port_gives_no_grant },
	{ "a door that gives no grant needs no quota", &doors,
	  .run = a_door_that_gives_no_grant_needs_no_quota },
	{ "a door that owes a command gives a grant", &doors,
	  .run = a_door_that_owes_a_command_gives_a_grant },
	{ "the helper is told of orders", &doors, .run = orders_are_told_of },
	{ "the helper is told of an order to a door without a grant", &doors,
	  .run = an_order_to_a_door_without_a_grant_is_told_of },
	{ "a task names the whole address", &networks,
	  .run = the_task_names_the_whole_address, .only = 6 },
	{ "a flood of openings is told a hundred times a second", &one_datagram,
	  .run = a_flood_of_openings_is_told_a_hundred_times_a_second },
	{ "a full ring of tasks keeps no door shut", &one_datagram,
	  .run = a_full_ring_of_tasks_keeps_no_door_shut },
};

int main(int count, char **arguments)
{
	return fixtures_run(arguments[0], count > 1 ? arguments[1] : NULL, fixtures,
			    sizeof(fixtures) / sizeof(*fixtures));
}
