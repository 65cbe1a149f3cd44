/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the config in force hands on to the next: the numbers that its state speaks of. */
#ifndef KNOCKD_HERITAGE_H
#define KNOCKD_HERITAGE_H

#include "compile.h"
#include "generation.h"

/**
 * heritage_read() - Read it from the tables of @g.
 * @former: what comes back when @g is lost, or NULL: its doors' numbers are not free either
 * @now: jiffies
 * @out: release with heritage_free()
 *
 * Return: 0, −EINVAL when the tables are not what this knockd takes them for, −ENOMEM.
 */
int heritage_read(const struct generation *g, const struct generation *former, __u64 now,
		  struct heritage *out);
void heritage_free(struct heritage *heritage);

#endif
