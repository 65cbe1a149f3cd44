/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands that were not run, where that can happen often: a line a second for each reason. */
#ifndef KNOCKD_REFUSALS_H
#define KNOCKD_REFUSALS_H

#include <stddef.h>
#include <stdint.h>

#include "knockd/abi.h"

enum refusal { REFUSED_SOURCE, REFUSED_DOOR, REFUSED_QUEUE, REFUSED_DEBTS, REFUSAL_COUNT };

struct refusals {
	void (*say)(void *data, const char *line);
	void *data;
	struct {
		size_t unsaid;
		uint64_t next_ms; /* no line of this reason before */
		struct source source; /* the last, and its door */
		char door[KNOCKD_NAME_MAX];
	} of[REFUSAL_COUNT];
};

/** refusal_note() - One more; it is said now, or counted until it may be. */
void refusal_note(struct refusals *refusals, enum refusal why, const char *door,
		  const struct source *source, uint64_t now_ms);

/** refusals_say() - Say what may be said now. */
void refusals_say(struct refusals *refusals, uint64_t now_ms);

/** refusals_next_ms() - When there will be something to say; UINT64_MAX: nothing is unsaid. */
uint64_t refusals_next_ms(const struct refusals *refusals);

#endif
