/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the state of a generation still has of doors and ports that its config has not. */
#ifndef KNOCKD_SWEEP_H
#define KNOCKD_SWEEP_H

#include "generation.h"

/**
 * generation_sweep() - End the grants, flows and quotas of doors that @g has not, so that their
 * numbers can be given to others; and the counters of numbers that are free. Count anew how many
 * grants those doors have given whose quota is by another window than theirs.
 * @now: the programs' jiffies
 * @each: NULL, or called for each live grant that is ended
 *
 * To be called after migration_finish(), so that no old program gives such a grant again.
 *
 * Return: 0 or −errno.
 */
int generation_sweep(const struct generation *g, __u64 now,
		     void (*each)(void *data, const struct source *owner, __u32 door), void *data);

#endif
