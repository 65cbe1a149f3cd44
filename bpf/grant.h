/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Grants: who may use which door until when. Pure but for the cells themselves, which any number of
 * CPUs read and write at once; also builds natively, for the daemon's view of the mapped table and
 * for the unit tests.
 *
 * A cell is free once its expiry has passed. Whoever takes one makes its word busy by
 * compare-and-swap, writes the address, then publishes the word. A reader sees the word first, then
 * the address; where they match it looks at both once more, since the cell may just have changed
 * hands.
 *
 * Who looks for one cell begins with the one that the source's hash names, and so does who takes
 * one: most find what they seek where they look first. Nothing hangs on that.
 */
#ifndef KNOCKD_GRANT_H
#define KNOCKD_GRANT_H

#include <stdbool.h>

#include "knockd/abi.h"
#include "table.h"

static __always_inline __u64 grant_expiry(__u64 word)
{
	return word & GRANT_EXPIRY_MASK;
}

/* Zero when the grant is alive. No branch here and below: the verifier walks both sides of each, in
 * every cell. */
static __always_inline __u64 grant_dead(__u64 word, __u64 now)
{
	return (word >> GRANT_ENDED_BIT & 1) | (grant_expiry(word) - now - 1) >> 63;
}

static __always_inline bool grant_alive(__u64 word, __u64 now)
{
	return !grant_dead(word, now);
}

static __always_inline __u32 grant_door(__u64 word)
{
	return word >> GRANT_DOOR_SHIFT;
}

/** grant_word() - A cell's word; @ipv6 is 0, or any other number for IPv6. */
static __always_inline __u64 grant_word(__u32 door, __u64 ipv6, bool ended, __u64 expiry)
{
	return (__u64)door << GRANT_DOOR_SHIFT | (__u64)!!ipv6 << GRANT_IPV6_BIT |
	       (__u64)ended << GRANT_ENDED_BIT |
	       (expiry > GRANT_FOREVER ? GRANT_FOREVER : expiry);
}

/* Zero when the cell shows @s and is of IPv6 where @ipv6 has that bit. */
static __always_inline __u64 grant_differs(const struct grant *g, __u64 word,
					   const struct source *s, __u64 ipv6)
{
	return (g->address_be[0] ^ s->word_be[0]) | (g->address_be[1] ^ s->word_be[1]) |
	       (g->address_be[2] ^ s->word_be[2]) | (g->address_be[3] ^ s->word_be[3]) |
	       ((word ^ ipv6) & 1ULL << GRANT_IPV6_BIT);
}

/* The bit of a word that tells the family of @s. */
static __always_inline __u64 grant_family(const struct source *s)
{
	return s->family == 6 ? 1ULL << GRANT_IPV6_BIT : 0;
}

/* The cell's word once more, read after all that was read before, and before all that will be. */
static __always_inline __u64 grant_word_again(struct grant *g)
{
#ifdef KNOCKD_ORDERED_LOADS
	__u64 word;

	asm volatile("" ::: "memory");
	word = *(volatile __u64 *)&g->word;
	asm volatile("" ::: "memory");
	return word;
#else
	return __sync_fetch_and_or(&g->word, 0);
#endif
}

/* The cell's word, and its address known to be of the same owner. */
static __always_inline bool grant_confirm(struct grant *g, __u64 word, const struct source *s)
{
	return grant_word_again(g) == word && !grant_differs(g, word, s, grant_family(s));
}

/** grant_home() - Where in its bucket a source's cells are looked for first. */
static __always_inline __u32 grant_home(__u64 hash)
{
	return hash >> 20 & (GRANT_CELLS - 1);
}

static __always_inline __u16 grant_tag(__u64 hash)
{
	return hash >> 4;
}

/** grant_possible() - Whether any cell of the bucket can be of a source with this hash. */
static __always_inline bool grant_possible(const struct grant_bucket *bucket, __u64 hash)
{
	const __u64 ones = 0x0001000100010001ULL, tags = grant_tag(hash) * ones;
	__u64 found = 0;

	/* The highest bit of a tag is set where that is the same; or a neighbour, as it may be. */
	for (int i = 0; i < GRANT_CELLS / 4; i++) {
		__u64 differ = *(const volatile __u64 *)&bucket->tags[i] ^ tags;

		found |= (differ - ones) & ~differ;
	}
	return found & ones << 15;
}

/** grant_cell() - The number of the cell that is looked at in step @i. */
static __always_inline __u32 grant_cell(__u32 home, __u32 i)
{
	__u32 cell = (home + i) & (GRANT_CELLS - 1);

	asm volatile("" : "+r"(cell));
	return cell;
}

/* Whether @door opens @area, in the matrix @opens of @area_words words a row. */
static __always_inline bool door_opens(const __u64 *opens, __u32 door, __u32 door_count,
				       __u32 area, __u32 area_words)
{
	const __u64 *word = area / 64 >= area_words ? NULL :
			    table_at(opens, door * area_words + area / 64,
				     door_count * area_words, sizeof(*opens));

	return word && *word >> (area % 64) & 1;
}

/** grant_find() - The cell of @door and @source in any condition that still shows them, or −1. */
static __always_inline int grant_find(struct grant_bucket *bucket, __u64 hash, __u32 door,
				      const struct source *source)
{
	__u64 ipv6 = grant_family(source);
	__u32 home = grant_home(hash);

	for (int i = 0; i < GRANT_CELLS; i++) {
		__u32 cell = grant_cell(home, i);
		struct grant *g = &bucket->cell[cell];
		__u64 word = *(volatile __u64 *)&g->word;

		if ((grant_door(word) ^ door) | grant_differs(g, word, source, ipv6))
			continue;
		if (grant_confirm(g, word, source))
			return cell;
	}
	return -1;
}

/**
 * grant_end() - End all live grants of @source for @door.
 * @until: jiffies up to which its cell still shows that it was ended; @now: it is free at once
 * Return: how many there were; more than one only after two CPUs opened the door at once.
 */
static __always_inline __u32 grant_end(struct grant_bucket *bucket, __u32 door,
				       const struct source *source, __u64 now, __u64 until)
{
	__u64 ipv6 = grant_family(source), ended = grant_word(door, ipv6, true, until);
	__u32 count = 0;

	for (int i = 0; i < GRANT_CELLS; i++) {
		struct grant *g = &bucket->cell[i];
		__u64 word = *(volatile __u64 *)&g->word;

		if ((grant_door(word) ^ door) | grant_differs(g, word, source, ipv6) |
		    grant_dead(word, now))
			continue;
		if (__sync_val_compare_and_swap(&g->word, word, ended) == word)
			count++;
	}
	return count;
}

/**
 * grant_take() - Take a cell whose expiry has passed for @source, whose hash is @hash, and leave it
 * with the word @busy.
 * Return: its index, or −1 when there is none.
 */
static __always_inline int grant_take(struct grant_bucket *bucket, __u64 hash,
				      const struct source *source, __u64 now, __u64 busy)
{
	__u32 home = grant_home(hash);

	for (int i = 0; i < GRANT_CELLS; i++) {
		__u32 cell = grant_cell(home, i);
		struct grant *g = &bucket->cell[cell];
		__u64 word = *(volatile __u64 *)&g->word;

		if (grant_expiry(word) > now)
			continue;
		if (__sync_val_compare_and_swap(&g->word, word, busy) != word)
			continue;
		g->address_be[0] = source->word_be[0];
		g->address_be[1] = source->word_be[1];
		g->address_be[2] = source->word_be[2];
		g->address_be[3] = source->word_be[3];
		g->flows = 0;
		bucket->tag[cell] = grant_tag(hash);
		return cell;
	}
	return -1;
}

#endif
