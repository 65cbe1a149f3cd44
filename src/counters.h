/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was counted, in words. */
#ifndef KNOCKD_COUNTERS_H
#define KNOCKD_COUNTERS_H

#include "generation.h"

/** counters_list() - Call @each with a line for every counter that is not zero. */
void counters_list(const struct generation *g, void (*each)(void *data, const char *line),
		   void *data);

#endif
