/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines of the log that wait for the name of a host, in the order in which they came, and what is
 * known of names. Pure: the time is an argument, questions and lines go to functions.
 */
#ifndef KNOCKD_LOG_QUEUE_H
#define KNOCKD_LOG_QUEUE_H

#include <time.h>

#include "lookup.h"

enum { LOG_LINE_MAX = 1024, LOG_QUEUE_MAX = 256, LOG_NAMES_MAX = 256, LOG_ASKS_PER_S = 10,
       LOG_WAIT_S = 2, LOG_NAME_S = 300 };

/* Where questions and lines go. */
struct log_way {
	bool (*ask)(void *data, const struct source *source, __u64 until_ns);
	void (*write)(void *data, time_t when, const char *line);
	void *data;
};

struct log_queue;

/** log_queue_new() - An empty one; NULL: no memory. */
struct log_queue *log_queue_new(const struct log_way *way);

/** log_queue_free() - Write what waits, as it is, and release. NULL is fine. */
void log_queue_free(struct log_queue *queue);

/**
 * log_queue_add() - Write @line: now, or once its name is known and all before it are written.
 * @source: whose address @line begins with and whose name belongs behind it; NULL: nobody's
 * @when: of the line; @now_ns: CLOCK_MONOTONIC
 *
 * No line waits for longer than LOG_WAIT_S. When one comes and the queue is full, none waits any
 * longer.
 */
void log_queue_add(struct log_queue *queue, const struct source *source, const char *line,
		   time_t when, __u64 now_ns);

/** log_queue_answer() - The name of a source, for LOG_NAME_S from now on; empty: it has none. */
void log_queue_answer(struct log_queue *queue, const struct lookup_answer *answer, __u64 now_ns);

/** log_queue_serve() - Write what needs not wait any longer. */
void log_queue_serve(struct log_queue *queue, __u64 now_ns);

/** log_queue_next_ns() - When to call log_queue_serve() at the latest; 0: nothing waits. */
__u64 log_queue_next_ns(const struct log_queue *queue);

#endif
