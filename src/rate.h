/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How often commands start: at most RATE_DOOR times a second for a door, whoever knocks, and at
 * most once where that is wanted of one source. All that is remembered is the last second. Pure.
 */
#ifndef KNOCKD_RATE_H
#define KNOCKD_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "knockd/abi.h"

enum { RATE_DOOR = 10, RATE_STARTS_MAX = 1024 };

enum rate_result {
	RATE_FINE,
	RATE_SOURCE, /* one more of this door and source */
	RATE_DOOR_FULL, /* one more of this door; or of all doors more than can be remembered */
};

struct rate_start {
	uint64_t time_ms;
	uint64_t door, source; /* hashes; that of the source is one of both */
};

struct rate {
	uint64_t seed;
	size_t first, count; /* a ring, the oldest first */
	struct rate_start start[RATE_STARTS_MAX];
};

/** rate_init() - Nothing has started yet. */
void rate_init(struct rate *rate);

/**
 * rate_take() - Ask for one more start at @now_ms; it counts when the answer is RATE_FINE.
 * @once: at most one a second of this source
 */
enum rate_result rate_take(struct rate *rate, const char *door, unsigned int ordinal,
			   const struct source *source, bool once, uint64_t now_ms);

#endif
