/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State on its way from one generation to the next, where a map cannot simply be handed on: its
 * size has changed, or the prefix by which grants are kept.
 *
 * Copying goes in two passes. The first runs while the old programs still write; after the new ones
 * are in force the second brings what changed meanwhile. What the new programs have written by then
 * is never undone. Where the new tables are not empty, since their generation was in force before,
 * what the old ones say replaces what they hold.
 *
 * Time is the programs' jiffies.
 */
#ifndef KNOCKD_MIGRATE_H
#define KNOCKD_MIGRATE_H

#include "generation.h"

struct bpf_map;
struct migration;

/**
 * migration_shares() - Whether the next generation can have @from's map itself, rather than one of
 * its own to which the contents are copied.
 * @settings: of the next generation
 * @wanted: the map as that is about to create it
 */
bool migration_shares(const struct generation *from, enum generation_map map,
		      const struct settings *settings, const struct bpf_map *wanted);

/**
 * migration_begin() - First pass: copy every STATE map that is not the same map in both.
 * @from, @to: their descriptors must stay open until migration_end(), they themselves need not stay
 * @ended: raised by the number of live grants that cannot be kept: Grant_Prefix6 grew
 *
 * Return: 0; −ENOSPC when live grants find no place in a smaller table; −EINVAL when a map is not
 * what this knockd takes it for; or another −errno. On failure nothing needs to be undone.
 */
int migration_begin(struct migration **out, const struct generation *from,
		    const struct generation *to, __u64 now, unsigned int *ended);

/**
 * migration_finish() - Second pass, after the swap. First waits, some hundredths of a second, until
 * no packet is with the old programs any more.
 * Return: 0, −ENOSPC when a grant given meanwhile found no place, or another −errno.
 */
int migration_finish(struct migration *m, __u64 now);

/** migration_end() - Release; NULL is fine. */
void migration_end(struct migration *m);

#endif
