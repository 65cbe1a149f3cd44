/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sequences that were begun, as far as the log told of them: for the line that says that one's time
 * is over. Bounded; times are jiffies.
 */
#ifndef KNOCKD_ATTEMPTS_H
#define KNOCKD_ATTEMPTS_H

#include <stdbool.h>
#include <stddef.h>

#include "knockd/abi.h"

enum { ATTEMPTS_MAX = 64 };

struct attempt {
	__u64 until; /* the first moment at which it is too late */
	struct source source;
	__u32 door;
	unsigned int stage;
};

struct attempts {
	struct attempt at[ATTEMPTS_MAX];
	size_t count;
};

/**
 * attempts_told() - @stage of @door by @source was logged, reached at @time.
 * @timeout: of the sequence, counted from its first knock
 *
 * When that was is known where all stages were told, else it is taken to be @time: a little late
 * rather than too early. With no room it is not followed.
 */
void attempts_told(struct attempts *a, const struct source *source, __u32 door, unsigned int stage,
		   __u64 time, __u32 timeout);

/** attempts_end() - The attempt of @source at @door, if there is one, has come to its end. */
void attempts_end(struct attempts *a, const struct source *source, __u32 door);

/** attempts_expire() - Take one whose time is over; where there is none, @out is untouched. */
bool attempts_expire(struct attempts *a, __u64 now, struct attempt *out);

/** attempts_next() - When the next one's time is over; 0: there is none. */
__u64 attempts_next(const struct attempts *a);

#endif
