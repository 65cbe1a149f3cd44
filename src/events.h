/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events of the programs → log lines, and the closings that no packet causes. */
#ifndef KNOCKD_EVENTS_H
#define KNOCKD_EVENTS_H

#include "compile.h"
#include "conf.h"
#include "datapath.h"

struct events;

/** events_new() - Handle the events of @dp, loaded from @compiled of @conf; NULL: no memory. */
struct events *events_new(struct datapath *dp, const struct conf *conf,
			  const struct compiled *compiled);
void events_free(struct events *events);

/** events_handle() - Log one event; as datapath_events_to() wants it, @data is struct events. */
void events_handle(void *data, const struct event *event);

/** events_expire() - Log the grants whose time is up, and how many events were lost. */
void events_expire(struct events *events);

/** events_next_ns() - When events_expire() is next due, on CLOCK_MONOTONIC; 0: not at all. */
__u64 events_next_ns(const struct events *events);

/** events_counters() - Log every counter that is not zero. */
void events_counters(const struct events *events);

#endif
