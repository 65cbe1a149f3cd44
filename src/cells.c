// SPDX-License-Identifier: GPL-2.0-or-later
#include "cells.h"

#include <sched.h>
#include <string.h>

#include "../bpf/grant.h"

enum { CELL_TRIES = 64 }; /* to read a cell that changes all the time */

bool cell_read(const struct grant *cell, __u64 now, struct grant *out)
{
	const volatile struct grant *shared = cell;
	__be32 again[4];

	for (int i = 0; i < CELL_TRIES; i++) {
		out->word = __atomic_load_n(&cell->word, __ATOMIC_SEQ_CST);
		if (grant_expiry(out->word) <= now)
			return false;
		for (int j = 0; j < 4; j++)
			out->address_be[j] = shared->address_be[j];
		out->flows = shared->flows;
		out->uses = shared->uses;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		/* The word may be the same again when the cell has changed hands. */
		if (grant_door(out->word) != GRANT_DOOR_BUSY &&
		    __atomic_load_n(&cell->word, __ATOMIC_SEQ_CST) == out->word) {
			for (int j = 0; j < 4; j++)
				again[j] = shared->address_be[j];
			if (!memcmp(again, out->address_be, sizeof(again)))
				return true;
		}
		sched_yield();
	}
	return false;
}

void cells_copy(const struct grant_bucket *from, __u32 mask, __u64 now, struct grant_bucket *to)
{
	for (__u32 i = 0; i <= mask; i++)
		for (int j = 0; j < GRANT_CELLS; j++)
			if (!cell_read(&from[i].cell[j], now, &to[i].cell[j]))
				to[i].cell[j].word = 0;
}

struct source cell_owner(const struct grant *cell)
{
	struct source owner = { .family = cell->word >> GRANT_IPV6_BIT & 1 ? 6 : 4 };

	memcpy(owner.word_be, cell->address_be, sizeof(owner.word_be));
	return owner;
}

void owner_cut(struct source *owner, const __be32 mask6_be[4])
{
	for (int i = 0; i < 4 && owner->family == 6; i++)
		owner->word_be[i] &= mask6_be[i];
}

struct grant *cell_of(struct grant_bucket *bucket, const struct grant *like, __u64 now,
		      __u64 *word)
{
	struct source owner = cell_owner(like);

	for (int i = 0; i < GRANT_CELLS; i++) {
		struct grant *cell = &bucket->cell[i];
		__u64 has = __atomic_load_n(&cell->word, __ATOMIC_SEQ_CST);

		if (grant_door(has) != grant_door(like->word) || grant_expiry(has) <= now ||
		    grant_differs(cell, has, &owner, like->word))
			continue;
		*word = has;
		return cell;
	}
	return NULL;
}

struct grant *cell_with(struct grant_bucket *bucket, const struct grant *like, __u64 word)
{
	struct source owner = cell_owner(like);

	for (int i = 0; i < GRANT_CELLS; i++) {
		struct grant *cell = &bucket->cell[i];

		if (__atomic_load_n(&cell->word, __ATOMIC_SEQ_CST) == word &&
		    !grant_differs(cell, word, &owner, word))
			return cell;
	}
	return NULL;
}

/* Of two words of one owner and door: a live grant before one that was ended, then the later. */
static __u64 word_better(__u64 a, __u64 b)
{
	bool a_ended = a >> GRANT_ENDED_BIT & 1, b_ended = b >> GRANT_ENDED_BIT & 1;

	if (a_ended != b_ended)
		return a_ended ? b : a;
	return grant_expiry(a) > grant_expiry(b) ? a : b;
}

bool cell_put(struct grant_bucket *bucket, const struct grant *cell, __u64 now)
{
	__u64 word;
	struct grant *same = cell_of(bucket, cell, now, &word);

	if (same) {
		same->word = word_better(word, cell->word);
		if (same->flows < cell->flows)
			same->flows = cell->flows;
		if (same->uses < cell->uses)
			same->uses = cell->uses;
		return true;
	}
	for (int i = 0; i < GRANT_CELLS; i++) {
		if (!bucket->cell[i].word) {
			bucket->cell[i] = *cell;
			return true;
		}
	}
	return false;
}
