// SPDX-License-Identifier: GPL-2.0-or-later
#include "view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "../bpf/grant.h"
#include "../bpf/presence.h"

struct view {
	struct {
		const void *at; /* NULL: not mapped */
		size_t size;
	} part[VIEW_PARTS];
	__u64 clock_jiffies, clock_ns, jiffy_ns;
};

/* ---- mapping ---- */

static bool part_holds(const struct view *view, enum view_part part, __u64 count, size_t size)
{
	return count <= view->part[part].size / size;
}

static bool sizes_fit(const struct view *view)
{
	const struct settings *s = view_settings(view);

	return part_holds(view, VIEW_SETTINGS, 1, sizeof(*s)) &&
	       part_holds(view, VIEW_SHARED, 1, sizeof(struct shared)) &&
	       part_holds(view, VIEW_TRIAL, 1, sizeof(struct trial_term)) &&
	       part_holds(view, VIEW_ABOUT, 1, sizeof(struct about)) &&
	       part_holds(view, VIEW_NAMES, s->door_count, sizeof(struct door_name)) &&
	       part_holds(view, VIEW_STAGES, s->state_count, sizeof(struct stage)) &&
	       part_holds(view, VIEW_GRANTS, (__u64)s->bucket_mask + 1,
			  sizeof(struct grant_bucket));
}

/* The clock is read once: whoever writes it measures anew, and the two words would not match. */
static int clock_take(struct view *view)
{
	const volatile struct about *about = view_about(view);
	__u32 hz = about->hz;

	if (!hz || hz > 1000000)
		return -EINVAL;
	view->clock_jiffies = about->clock_jiffies;
	view->clock_ns = about->clock_ns;
	view->jiffy_ns = 1000000000 / hz;
	return 0;
}

static int parts_map(struct view *view, const struct view_map part[VIEW_PARTS])
{
	for (int i = 0; i < VIEW_PARTS; i++) {
		void *at;

		if (!part[i].size)
			return -EINVAL;
		at = mmap(NULL, part[i].size, PROT_READ, MAP_SHARED, part[i].fd, 0);
		if (at == MAP_FAILED)
			return -errno;
		view->part[i].at = at;
		view->part[i].size = part[i].size;
	}
	return sizes_fit(view) ? clock_take(view) : -EINVAL;
}

int view_open(struct view **out, const struct view_map part[VIEW_PARTS])
{
	struct view *view = calloc(1, sizeof(*view));
	int error;

	if (!view)
		return -ENOMEM;
	error = parts_map(view, part);
	if (error) {
		view_close(view);
		return error;
	}
	*out = view;
	return 0;
}

void view_close(struct view *view)
{
	if (!view)
		return;
	for (int i = 0; i < VIEW_PARTS; i++)
		if (view->part[i].at)
			munmap((void *)view->part[i].at, view->part[i].size);
	free(view);
}

const struct settings *view_settings(const struct view *view)
{
	return view->part[VIEW_SETTINGS].at;
}

const volatile struct about *view_about(const struct view *view)
{
	return view->part[VIEW_ABOUT].at;
}

const volatile struct shared *view_shared(const struct view *view)
{
	return view->part[VIEW_SHARED].at;
}

const volatile struct trial_term *view_trial(const struct view *view)
{
	return view->part[VIEW_TRIAL].at;
}

/* ---- time ---- */

__u64 view_now(const struct view *view)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return view->clock_jiffies + (now.tv_sec * 1000000000ULL + now.tv_nsec - view->clock_ns) /
	       view->jiffy_ns;
}

__u64 view_ns(const struct view *view, __u64 jiffies)
{
	return view->clock_ns + (jiffies - view->clock_jiffies) * view->jiffy_ns;
}

/* ---- doors and stages ---- */

const struct door_name *view_door(const struct view *view, __u32 door)
{
	const struct door_name *name = view->part[VIEW_NAMES].at;

	if (door >= view_door_count(view) || !name[door].used ||
	    name[door].name[KNOCKD_NAME_MAX - 1])
		return NULL;
	return &name[door];
}

__u32 view_door_count(const struct view *view)
{
	return view_settings(view)->door_count;
}

const struct stage *view_stage(const struct view *view, __u32 state)
{
	const struct stage *stage = view->part[VIEW_STAGES].at;

	if (state >= view_settings(view)->state_count || !stage[state].depth ||
	    stage[state].count > STAGE_DOORS_MAX)
		return NULL;
	return &stage[state];
}

/* ---- grants ---- */

struct source view_owner(const struct view *view, const struct source *source)
{
	struct source owner = *source;

	owner.stream = 0;
	for (int i = 0; owner.family == 6 && i < 4; i++)
		owner.word_be[i] &= view_settings(view)->grant_mask6_be[i];
	return owner;
}

/*
 * A copy of a cell whose parts belong together, which the owners of the cell do not wait for. What
 * grant_confirm() does is a write, and this mapping is for reading. False: it is changing hands.
 */
static bool cell_copy(const struct grant *cell, struct grant *copy)
{
	copy->word = __atomic_load_n(&cell->word, __ATOMIC_ACQUIRE);
	for (int i = 0; i < 4; i++)
		copy->address_be[i] = __atomic_load_n(&cell->address_be[i], __ATOMIC_RELAXED);
	copy->flows = __atomic_load_n(&cell->flows, __ATOMIC_RELAXED);
	copy->uses = __atomic_load_n(&cell->uses, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&cell->word, __ATOMIC_RELAXED) == copy->word;
}

static const struct grant_bucket *bucket_of(const struct view *view, const struct source *owner)
{
	const struct grant_bucket *bucket = view->part[VIEW_GRANTS].at;
	const struct settings *s = view_settings(view);

	return &bucket[grant_slot(source_hash(&s->hash_key, owner), s->bucket_mask)];
}

__u64 view_grant_until(const struct view *view, const struct source *source, __u32 door)
{
	struct source owner = view_owner(view, source);
	const struct grant_bucket *bucket = bucket_of(view, &owner);
	__u64 now = view_now(view), until = 0;

	for (int i = 0; i < GRANT_CELLS; i++) {
		struct grant cell;

		if (cell_copy(&bucket->cell[i], &cell) && grant_alive(cell.word, now) &&
		    grant_door(cell.word) == door &&
		    !grant_differs(&cell, cell.word, &owner, grant_family(&owner)) &&
		    grant_expiry(cell.word) > until)
			until = grant_expiry(cell.word);
	}
	return until;
}

void view_grants(const struct view *view,
		 void (*each)(void *data, const struct source *owner, __u32 door, __u64 until,
			      __u32 flows),
		 void *data)
{
	const struct grant_bucket *bucket = view->part[VIEW_GRANTS].at;
	__u64 cells = ((__u64)view_settings(view)->bucket_mask + 1) * GRANT_CELLS;
	__u64 now = view_now(view);

	for (__u64 i = 0; i < cells; i++) {
		struct source owner = {};
		struct grant cell;

		if (!cell_copy(&bucket[i / GRANT_CELLS].cell[i % GRANT_CELLS], &cell) ||
		    !grant_alive(cell.word, now) || grant_door(cell.word) == GRANT_DOOR_BUSY)
			continue;
		owner.family = cell.word >> GRANT_IPV6_BIT & 1 ? 6 : 4;
		memcpy(owner.word_be, cell.address_be, sizeof(owner.word_be));
		each(data, &owner, grant_door(cell.word), grant_expiry(cell.word), cell.flows);
	}
}
