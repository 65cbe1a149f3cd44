// SPDX-License-Identifier: GPL-2.0-or-later
#include "debt_table.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* ---- whom they are for: a hash ---- */

/* The source as a debt has it: without what does not matter. */
static struct source source_plain(const struct source *source)
{
	struct source plain = { .family = source->family };

	memcpy(plain.word_be, source->word_be, sizeof(plain.word_be));
	return plain;
}

static size_t hash_index(const struct debt_table *t, const char *door, unsigned int ordinal,
			 const struct source *source)
{
	uint64_t sum = t->seed ^ ordinal;

	for (; *door; door++)
		sum = (sum ^ (unsigned char)*door) * 0x100000001b3;
	for (int i = 0; i < 4; i++)
		sum = ((sum ^ sum >> 29) + (source->word_be[i] ^ t->seed)) * 0x9e3779b97f4a7c15;
	return sum >> (64 - DEBT_HASH_BITS);
}

static bool debt_is_of(const struct debt *debt, const char *door, unsigned int ordinal,
		       const struct source *plain)
{
	return debt->ordinal == ordinal && !strcmp(debt->door, door) &&
	       !memcmp(&debt->source, plain, sizeof(*plain));
}

struct debt *debt_find(const struct debt_table *t, const char *door, unsigned int ordinal,
		       const struct source *source)
{
	struct source plain = source_plain(source);
	struct debt *debt = t->hash[hash_index(t, door, ordinal, &plain)];

	while (debt && !debt_is_of(debt, door, ordinal, &plain))
		debt = debt->next;
	return debt;
}

struct debt *debt_next(const struct debt *debt)
{
	struct debt *next = debt->next;

	while (next && !debt_is_of(next, debt->door, debt->ordinal, &debt->source))
		next = next->next;
	return next;
}

/* The network of an IPv6 source; another source is its own. */
static struct source source_network(const struct source *source, unsigned int bits)
{
	struct source network = source_plain(source);

	for (unsigned int i = 0; network.family == 6 && i < 4; i++) {
		unsigned int keep = bits > 32 * i ? bits - 32 * i : 0;

		if (keep < 32)
			network.word_be[i] &= htonl(keep ? ~0U << (32 - keep) : 0);
	}
	return network;
}

void debt_each(struct debt_table *t, const char *door, unsigned int ordinal,
	       const struct source *source, unsigned int bits,
	       void (*take)(void *data, struct debt *debt), void *data)
{
	struct source network = source_network(source, bits);
	bool alone = source->family != 6 || bits >= 128;
	size_t first = alone ? hash_index(t, door, ordinal, &network) : 0;
	size_t end = alone ? first + 1 : 1 << DEBT_HASH_BITS;

	for (size_t i = first; i < end; i++) {
		for (struct debt *debt = t->hash[i]; debt; debt = debt->next) {
			struct source own = source_network(&debt->source, bits);

			if (debt->ordinal == ordinal && !strcmp(debt->door, door) &&
			    !memcmp(&own, &network, sizeof(own)))
				take(data, debt);
		}
	}
}

struct debt *debt_find_stopping(const struct debt_table *t, const struct debt *debt)
{
	struct debt *other = debt_find(t, debt->door, debt->ordinal, &debt->source);

	while (other && other->state != DEBT_STOPPING)
		other = debt_next(other);
	return other;
}

/* ---- which is due first: a heap ---- */

static uint64_t debt_key(const struct debt *debt)
{
	return debt->state == DEBT_STOPPING ? DEBT_NEVER : debt->due_ms;
}

static void heap_put(struct debt_table *t, size_t at, struct debt *debt)
{
	t->heap[at] = debt;
	debt->heap_at = at;
}

static void heap_raise(struct debt_table *t, struct debt *debt)
{
	size_t at = debt->heap_at;

	for (; at && debt_key(t->heap[(at - 1) / 2]) > debt_key(debt); at = (at - 1) / 2)
		heap_put(t, at, t->heap[(at - 1) / 2]);
	heap_put(t, at, debt);
}

static void heap_sink(struct debt_table *t, struct debt *debt)
{
	size_t at = debt->heap_at, next;

	for (; (next = 2 * at + 1) < t->count; at = next) {
		if (next + 1 < t->count && debt_key(t->heap[next + 1]) < debt_key(t->heap[next]))
			next++;
		if (debt_key(t->heap[next]) >= debt_key(debt))
			break;
		heap_put(t, at, t->heap[next]);
	}
	heap_put(t, at, debt);
}

void debt_settle(struct debt_table *t, struct debt *debt)
{
	heap_raise(t, debt);
	heap_sink(t, debt);
}

void debt_settle_all(struct debt_table *t)
{
	for (size_t i = t->count; i--; )
		heap_sink(t, t->heap[i]);
}

uint64_t debt_next_ms(const struct debt_table *t)
{
	return t->count ? debt_key(t->heap[0]) : DEBT_NEVER;
}

/* ---- both ---- */

static bool room_make(struct debt_table *t)
{
	size_t room = t->room ? 2 * t->room : 64;
	struct debt **heap;

	if (t->count < t->room)
		return true;
	heap = t->count < DEBTS_MAX ? realloc(t->heap, room * sizeof(struct debt *)) : NULL;
	if (!heap)
		return false;
	t->heap = heap;
	t->room = room;
	return true;
}

struct debt *debt_insert(struct debt_table *t, const struct debt *debt)
{
	struct debt *new = room_make(t) ? malloc(sizeof(*new)) : NULL;
	struct debt **place;

	if (!new)
		return NULL;
	*new = *debt;
	new->source = source_plain(&debt->source);
	place = &t->hash[hash_index(t, new->door, new->ordinal, &new->source)];
	new->next = *place;
	*place = new;
	heap_put(t, t->count++, new);
	heap_raise(t, new);
	return new;
}

void debt_remove(struct debt_table *t, struct debt *debt)
{
	struct debt **place = &t->hash[hash_index(t, debt->door, debt->ordinal, &debt->source)];
	struct debt *last = t->heap[--t->count];

	while (*place != debt)
		place = &(*place)->next;
	*place = debt->next;
	if (last != debt) {
		heap_put(t, debt->heap_at, last);
		debt_settle(t, last);
	}
	free(debt->command);
	free(debt);
}

void debt_table_free(struct debt_table *t)
{
	for (size_t i = 0; i < t->count; i++) {
		free(t->heap[i]->command);
		free(t->heap[i]);
	}
	free(t->heap);
}
