// SPDX-License-Identifier: GPL-2.0-or-later
#include "sweep.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../bpf/grant.h"
#include "cells.h"
#include "entries.h"

struct sweep {
	const struct generation *g;
	__u64 now;
	struct settings settings;
	struct door_name *name;
	struct door *door;
	struct port *port;
	size_t door_count;  /* in both tables */
	size_t guard_count;
	__u32 *live;        /* grants of each door */
	bool *guarded;      /* whether some port has the guard number, less one */
	void (*each)(void *data, const struct source *owner, __u32 door);
	void *data;
};

static bool door_used(const struct sweep *s, __u32 door)
{
	return door < s->door_count && s->name[door].used;
}

static bool guard_used(const struct sweep *s, __u32 guard)
{
	return guard < s->guard_count && s->guarded[guard];
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static int sweep_open(struct sweep *s)
{
	size_t names, doors, ports;
	int error = generation_settings(s->g, &s->settings);

	if (!error)
		error = generation_values(s->g, MAP_names, (void **)&s->name, &names);
	if (!error)
		error = generation_values(s->g, MAP_doors, (void **)&s->door, &doors);
	if (!error)
		error = generation_values(s->g, MAP_ports, (void **)&s->port, &ports);
	if (error)
		return error;
	s->door_count = least(s->settings.door_count,
			      least(names / sizeof(*s->name), doors / sizeof(*s->door)));
	s->guard_count = s->settings.guard_count;
	s->live = calloc(s->door_count + 1, sizeof(*s->live));
	s->guarded = calloc(s->guard_count + 1, sizeof(*s->guarded));
	if (!s->live || !s->guarded)
		return -ENOMEM;
	for (size_t i = 0; i < ports / sizeof(*s->port); i++)
		if (s->port[i].guard && s->port[i].guard <= s->guard_count)
			s->guarded[s->port[i].guard - 1] = true;
	return 0;
}

static void sweep_close(struct sweep *s)
{
	free(s->name);
	free(s->door);
	free(s->port);
	free(s->live);
	free(s->guarded);
}

static void cell_sweep(struct sweep *s, struct grant *cell)
{
	struct source owner;
	struct grant has;
	__u32 door;
	bool alive;

	if (!cell_read(cell, s->now, &has))
		return;
	door = grant_door(has.word);
	alive = grant_alive(has.word, s->now);
	if (door_used(s, door)) {
		s->live[door] += alive;
		return;
	}
	owner = cell_owner(&has);
	if (__sync_val_compare_and_swap(&cell->word, has.word, 0) == has.word && alive && s->each)
		s->each(s->data, &owner, door);
}

static int grants_sweep(struct sweep *s)
{
	size_t size = generation_map_size(s->g, MAP_grants);
	struct grant_bucket *bucket = array_map(s->g->map[MAP_grants], size);

	if (!bucket)
		return -errno;
	for (size_t i = 0; i < size / sizeof(*bucket); i++)
		for (int j = 0; j < GRANT_CELLS; j++)
			cell_sweep(s, &bucket[i].cell[j]);
	array_unmap(bucket, size);
	return 0;
}

/* The word of a door whose @live grants were all given just now. */
static __u64 quota_word(const struct door *d, __u64 now, __u32 live)
{
	__u64 window = d->window ? (__u16)(now / d->window) : 0;

	return window << 2 * QUOTA_COUNT_BITS | least(live, QUOTA_COUNT_MAX);
}

/*
 * Whether the word can be of the door's own windows. One that is not comes from a config in which
 * the door had another Open_Time; and what stands until closed has no window after which a wrong
 * count is forgotten.
 */
static bool quota_believed(const struct door *d, __u64 now, __u64 word)
{
	__s16 passed;

	if (!d->window)
		return false;
	passed = (__u16)(now / d->window) - (__u16)(word >> 2 * QUOTA_COUNT_BITS);
	return passed >= -1 && passed <= 1;
}

static void quota_sweep(struct sweep *s, __u32 door, __u64 *quota, __u64 word)
{
	if (!door_used(s, door))
		__atomic_store_n(quota, 0, __ATOMIC_SEQ_CST);
	else if (!quota_believed(&s->door[door], s->now, word))
		__sync_val_compare_and_swap(quota, word,
					    quota_word(&s->door[door], s->now, s->live[door]));
}

/* The quotas are read before the grants are counted: one given meanwhile changes its quota. */
static int doors_sweep(struct sweep *s)
{
	size_t size = generation_map_size(s->g, MAP_quotas);
	__u64 *quota = array_map(s->g->map[MAP_quotas], size), *before;
	int error = -ENOMEM;

	if (!quota)
		return -errno;
	before = malloc(size);
	if (before) {
		memcpy(before, quota, size);
		error = grants_sweep(s);
	}
	for (size_t i = 0; i < size / sizeof(*quota) && !error; i++)
		quota_sweep(s, i, &quota[i], before[i]);
	free(before);
	array_unmap(quota, size);
	return error;
}

static bool flow_sweep(void *data, const void *key, void *value)
{
	const struct sweep *s = data;
	const struct flow_state *state = value;

	if (!door_used(s, state->door))
		bpf_map_delete_elem(s->g->map[MAP_flows], key);
	return false;
}

static bool counter_clear(int map, const void *key, void *value)
{
	if (counter_sum(value)) {
		memset(value, 0, libbpf_num_possible_cpus() * sizeof(__u64));
		bpf_map_update_elem(map, key, value, BPF_EXIST);
	}
	return false;
}

static bool door_counter_sweep(void *data, const void *key, void *value)
{
	const struct sweep *s = data;

	return !door_used(s, *(const __u32 *)key) &&
	       counter_clear(s->g->map[MAP_door_counters], key, value);
}

static bool port_counter_sweep(void *data, const void *key, void *value)
{
	const struct sweep *s = data;

	return !guard_used(s, *(const __u32 *)key) &&
	       counter_clear(s->g->map[MAP_port_counters], key, value);
}

static int reports_sweep(struct sweep *s)
{
	size_t size = generation_map_size(s->g, MAP_port_reports);
	__u64 *report = array_map(s->g->map[MAP_port_reports], size);

	if (!report)
		return -errno;
	for (size_t i = 0; i < size / sizeof(*report); i++)
		if (!guard_used(s, i) && report[i])
			report[i] = 0;
	array_unmap(report, size);
	return 0;
}

static int sweep_walk(struct sweep *s, enum generation_map map,
		      bool (*each)(void *data, const void *key, void *value))
{
	return entries_walk(map, s->g->map[map], s->g->map[map], each, s);
}

/* All maps that are swept are what this knockd takes them for, and so are the others. */
static int sweep_check(const struct generation *g)
{
	struct bpf_map_info info;
	int error = 0;

	for (int i = 0; i < MAP_COUNT && !error; i++)
		if (generation_map_kind(i) == MAP_STATE)
			error = entries_check(g, i, &info);
	return error;
}

int generation_sweep(const struct generation *g, __u64 now,
		     void (*each)(void *data, const struct source *owner, __u32 door), void *data)
{
	struct sweep s = { .g = g, .now = now, .each = each, .data = data };
	int error = sweep_check(g);

	if (!error)
		error = sweep_open(&s);
	if (!error)
		error = doors_sweep(&s);
	if (!error)
		error = sweep_walk(&s, MAP_flows, flow_sweep);
	if (!error)
		error = sweep_walk(&s, MAP_door_counters, door_counter_sweep);
	if (!error)
		error = sweep_walk(&s, MAP_port_counters, port_counter_sweep);
	if (!error)
		error = reports_sweep(&s);
	sweep_close(&s);
	return error;
}
