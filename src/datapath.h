/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two doors in the kernel: load, attach, read, detach. The only file that knows libbpf.
 *
 * Functions that fail return −errno and leave a sentence for a person in struct datapath_error.
 */
#ifndef KNOCKD_DATAPATH_H
#define KNOCKD_DATAPATH_H

#include <stdbool.h>

#include "compile.h"
#include "device.h"

struct datapath;

struct datapath_error {
	char text[512];
};

enum datapath_mode { DATAPATH_FRAGS, DATAPATH_NATIVE, DATAPATH_GENERIC };

/** datapath_hz() - Jiffies in one second. */
unsigned int datapath_hz(void);

/**
 * datapath_start() - Load both doors with the tables of @compiled and attach them to @device.
 * @devices: all there are, @device among them
 * @mode: what may be tried; under CONF_XDP_AUTO native with fragments, native, generic
 * @out: untouched on failure, and nothing is attached then
 *
 * Return: 0, -EPERM, -EBUSY when another XDP program is attached, -EOPNOTSUPP when the kernel lacks
 * something, or another −errno.
 */
int datapath_start(struct datapath **out, const struct compiled *compiled,
		   struct devices *devices, const struct device *device,
		   enum conf_xdp_mode mode, struct datapath_error *error);

/** datapath_stop() - Detach both doors and release all. NULL is fine. */
void datapath_stop(struct datapath *dp);

/** datapath_mode() - How the outer door is attached. */
enum datapath_mode datapath_mode(const struct datapath *dp);

/** datapath_why() - Why no better mode, and what would give it; empty for the best one. */
const char *datapath_why(const struct datapath *dp);

/** datapath_inner() - NULL when the inner door stands, else why not. */
const char *datapath_inner(const struct datapath *dp);

/**
 * datapath_surroundings() - Tell the programs what has changed around them: which devices are
 * stacked on the guarded one, which addresses the host has, and whether it forwards.
 * Return: 0, −ENODEV when the guarded one is not among them, or −errno of the first failure.
 */
int datapath_surroundings(struct datapath *dp, struct devices *devices);

/** datapath_now() - The programs' jiffies. */
__u64 datapath_now(const struct datapath *dp);

/** datapath_until_ns() - When @jiffies will be, in nanoseconds of CLOCK_MONOTONIC. */
__u64 datapath_until_ns(const struct datapath *dp, __u64 jiffies);

/**
 * datapath_grant_until() - When the live grant of @source for @door expires, in jiffies;
 * 0 when there is none.
 */
__u64 datapath_grant_until(const struct datapath *dp, const struct source *source, __u32 door);

/** datapath_counter() - Sum over all CPUs. */
enum datapath_counter { COUNTER_REASON, COUNTER_DOOR, COUNTER_PORT };
__u64 datapath_counter(const struct datapath *dp, enum datapath_counter which, __u32 index);

/** datapath_events_fd() - Readable when there are events. */
int datapath_events_fd(const struct datapath *dp);

/**
 * datapath_events() - Hand on every event that is there, oldest first.
 * Return: how many, or −errno.
 */
int datapath_events(struct datapath *dp);

/** datapath_events_to() - Name who handles events, before the first datapath_events(). */
int datapath_events_to(struct datapath *dp, void (*handle)(void *data, const struct event *event),
		       void *data);

#endif
