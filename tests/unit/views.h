/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A view without a kernel that has loaded anything: files in memory stand for the maps, and the
 * test writes what the programs and the daemon would.
 */
#ifndef KNOCKD_TEST_VIEWS_H
#define KNOCKD_TEST_VIEWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "presence.h"
#include "view.h"

enum { WORLD_DOORS = 4, WORLD_STATES = 16, WORLD_BUCKETS = 8, WORLD_HZ = 250 };

/* The maps as their writers see them. */
struct world {
	struct view_map part[VIEW_PARTS];
	struct settings *settings;
	struct door_name *name;
	struct stage *stage;
	struct grant_bucket *bucket;
	struct shared *shared;
	struct trial_term *trial;
	struct about *about;
};

static inline void *world_part(struct world *w, enum view_part part, size_t size)
{
	int fd = memfd_create("part", MFD_CLOEXEC);
	void *at;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	w->part[part] = (struct view_map){ .fd = fd, .size = size };
	return at;
}

/** world_make() - Maps of a config with WORLD_DOORS places for doors, none of them used. */
static inline struct world world_make(void)
{
	struct world w = {};
	struct timespec now;

	w.settings = world_part(&w, VIEW_SETTINGS, sizeof(*w.settings));
	w.name = world_part(&w, VIEW_NAMES, WORLD_DOORS * sizeof(*w.name));
	w.stage = world_part(&w, VIEW_STAGES, WORLD_STATES * sizeof(*w.stage));
	w.bucket = world_part(&w, VIEW_GRANTS, WORLD_BUCKETS * sizeof(*w.bucket));
	w.shared = world_part(&w, VIEW_SHARED, sizeof(*w.shared));
	w.trial = world_part(&w, VIEW_TRIAL, sizeof(*w.trial));
	w.about = world_part(&w, VIEW_ABOUT, sizeof(*w.about));
	w.settings->door_count = WORLD_DOORS;
	w.settings->state_count = WORLD_STATES;
	w.settings->bucket_mask = WORLD_BUCKETS - 1;
	for (int i = 0; i < 4; i++)
		w.settings->grant_mask6_be[i] = ~0U;
	for (int i = 0; i < 4; i++)
		w.settings->hash_key.add[i] = 0x9e3779b9U * (i + 1);
	w.settings->hash_key.multiplier = 0x9e3779b97f4a7c15ULL;
	clock_gettime(CLOCK_MONOTONIC, &now);
	w.about->hz = WORLD_HZ;
	w.about->clock_jiffies = 5000000000;
	w.about->clock_ns = now.tv_sec * 1000000000ULL + now.tv_nsec;
	return w;
}

static inline void world_end(struct world *w)
{
	void *const at[VIEW_PARTS] = {
		[VIEW_SETTINGS] = w->settings, [VIEW_NAMES] = w->name, [VIEW_STAGES] = w->stage,
		[VIEW_GRANTS] = w->bucket, [VIEW_SHARED] = w->shared, [VIEW_TRIAL] = w->trial,
		[VIEW_ABOUT] = w->about,
	};

	for (int i = 0; i < VIEW_PARTS; i++) {
		munmap(at[i], w->part[i].size);
		close(w->part[i].fd);
	}
}

static inline struct view *world_view(const struct world *w)
{
	struct view *view = NULL;

	assert_int_equal(view_open(&view, w->part), 0);
	return view;
}

static inline void world_door(struct world *w, __u32 door, const char *name, __u32 ordinal)
{
	snprintf(w->name[door].name, sizeof(w->name[door].name), "%s", name);
	w->name[door].ordinal = ordinal;
	w->name[door].used = 1;
}

static inline struct source source_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	struct source source = { .family = 4 };
	uint8_t bytes[4] = { a, b, c, d };

	memcpy(source.word_be, bytes, sizeof(bytes));
	return source;
}

/* An IPv6 address by its first and its last byte, the others zero. */
static inline struct source source_v6(uint8_t first, uint8_t last)
{
	struct source source = { .family = 6 };

	((uint8_t *)source.word_be)[0] = first;
	((uint8_t *)source.word_be)[15] = last;
	return source;
}

#endif
