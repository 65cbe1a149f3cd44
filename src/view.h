/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel holds, as a reader sees it: mapped into memory, so that after view_open() not one
 * system call is needed. For the daemon's loop, which may make none, and for knockctl.
 */
#ifndef KNOCKD_VIEW_H
#define KNOCKD_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "knockd/abi.h"

enum view_part {
	VIEW_SETTINGS, VIEW_NAMES, VIEW_STAGES, VIEW_GRANTS, VIEW_SHARED, VIEW_TRIAL, VIEW_ABOUT,
	VIEW_PARTS
};

/* A map, and the bytes of all its values as mapped (generation_map_size()). */
struct view_map {
	int fd;
	size_t size;
};

struct view;

/**
 * view_open() - Map the parts for reading. The descriptors stay the caller's and may be closed.
 * The clock is taken here, so VIEW_ABOUT has to hold it already.
 *
 * Return: 0, −EINVAL when a part is too small for what its numbers say, or the clock is not there,
 * or another −errno.
 */
int view_open(struct view **out, const struct view_map part[VIEW_PARTS]);

/** view_close() - Unmap. NULL is fine. */
void view_close(struct view *view);

const struct settings *view_settings(const struct view *view);
const volatile struct about *view_about(const struct view *view);
const volatile struct shared *view_shared(const struct view *view);
const volatile struct trial_term *view_trial(const struct view *view);

/** view_now() - The programs' jiffies. */
__u64 view_now(const struct view *view);

/** view_ns() - When @jiffies will be, in nanoseconds of CLOCK_MONOTONIC. */
__u64 view_ns(const struct view *view, __u64 jiffies);

/** view_door() - What door @door is called; NULL where no door has that number. */
const struct door_name *view_door(const struct view *view, __u32 door);

/** view_door_count() - One more than the highest number of a door. */
__u32 view_door_count(const struct view *view);

/** view_stage() - What the knocks up to @state begin to open; NULL where it is not known. */
const struct stage *view_stage(const struct view *view, __u32 state);

/** view_owner() - @source as grants know it: an IPv6 address cut to Grant_Prefix6, stream 0. */
struct source view_owner(const struct view *view, const struct source *source);

/**
 * view_grant_until() - When the live grant of @source for @door expires, in jiffies; 0 when there
 * is none. Of several the latest.
 */
__u64 view_grant_until(const struct view *view, const struct source *source, __u32 door);

/**
 * view_grants() - Call @each for every live grant, in no order.
 * @owner: address as far as Grant_Prefix6 goes; @until: jiffies, or GRANT_FOREVER
 */
void view_grants(const struct view *view,
		 void (*each)(void *data, const struct source *owner, __u32 door, __u64 until,
			      __u32 flows),
		 void *data);

#endif
