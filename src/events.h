/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events of the programs → log lines, and what no packet causes: grants whose time is up, and a
 * config whose confirmation has come or is overdue.
 */
#ifndef KNOCKD_EVENTS_H
#define KNOCKD_EVENTS_H

#include <stdbool.h>

#include "view.h"

struct events;

/** events_new() - Follow what @view shows, with the grants that are there; NULL: no memory. */
struct events *events_new(const struct view *view);
void events_free(struct events *events);

/**
 * events_look() - From now on look at @view: the config in force has changed.
 * @waiting: for confirmation
 */
void events_look(struct events *events, const struct view *view, bool waiting);

/** events_handle() - Log one event; as ring_read() wants it, @data is struct events. */
void events_handle(void *data, const void *record, size_t size);

/** events_expire() - Log the grants and sequences whose time is up, and how much was lost. */
void events_expire(struct events *events);

/** events_next_ns() - When something is next due, on CLOCK_MONOTONIC; 0: nothing is. */
__u64 events_next_ns(const struct events *events);

/* What the loop is to do about it. */
struct events_wish {
	bool reload;           /* asked for by knockctl */
	unsigned int reload_s; /* to be confirmed within, 0: for good */
	bool detach;           /* done by knockctl */
	bool confirmed;        /* the config on trial stays */
	bool expired;          /* the config on trial was not confirmed in time */
};

/** events_wish() - What has come up since the last call. */
struct events_wish events_wish(struct events *events);

#endif
