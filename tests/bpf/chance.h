/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers that are drawn, the same for the same seed, and numbers that the environment gives. */
#ifndef KNOCKD_TEST_CHANCE_H
#define KNOCKD_TEST_CHANCE_H

#include <stdint.h>
#include <stdlib.h>

static uint64_t random_state;

/** random_next() - Any number below @below. */
static inline uint32_t random_next(uint32_t below)
{
	random_state = random_state * 6364136223846793005 + 1442695040888963407;
	return (random_state >> 33) % below;
}

/** number_given() - What the variable @name says, else @otherwise. */
static inline unsigned long number_given(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

#endif
