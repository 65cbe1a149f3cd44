/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Grants in a mapped table, which the programs may read and write meanwhile (bpf/grant.h). */
#ifndef KNOCKD_CELLS_H
#define KNOCKD_CELLS_H

#include <stdbool.h>

#include "knockd/abi.h"

/**
 * cell_read() - A copy of the cell that is of one piece.
 * @out: what is in it on failure means nothing
 * Return: false where the cell holds no grant, live or ended.
 */
bool cell_read(const struct grant *cell, __u64 now, struct grant *out);

/** cells_copy() - Copy a table, of which only @to is nobody else's; free cells get no word. */
void cells_copy(const struct grant_bucket *from, __u32 mask, __u64 now, struct grant_bucket *to);

/** cell_owner() - Whose grant it is. */
struct source cell_owner(const struct grant *cell);

/** owner_cut() - What @mask6_be leaves of an IPv6 source: to whom a grant is given. */
void owner_cut(struct source *owner, const __be32 mask6_be[4]);

/**
 * cell_of() - Find the cell of the owner and door of @like that has not expired.
 * @word: untouched on failure; the one that the cell has
 * Return: NULL: there is none.
 */
struct grant *cell_of(struct grant_bucket *bucket, const struct grant *like, __u64 now,
		      __u64 *word);

/** cell_with() - The cell of the owner of @like whose word is @word, or NULL. */
struct grant *cell_with(struct grant_bucket *bucket, const struct grant *like, __u64 word);

/**
 * cell_put() - Put a grant into a table that nobody else sees; two of one owner and door become
 * one.
 * Return: false when the bucket is full.
 */
bool cell_put(struct grant_bucket *bucket, const struct grant *cell, __u64 now);

#endif
