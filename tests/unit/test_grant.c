// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Grants and presence: their words, their cells, the hash that places them, and what holds while
 * several processors use one bucket at once.
 */
#include <pthread.h>

#include "doors.h"

/*
 * What another processor does right before a compare-and-swap of the code under test, so that the
 * races that hardly ever happen happen here every time.
 */
static void (*meddle)(void *at);

static inline void meddled(void *at)
{
	if (meddle)
		meddle(at);
}

#define __sync_val_compare_and_swap(at, old, new)                                                  \
	(meddled(at), __sync_val_compare_and_swap(at, old, new))

#include "grant.h"
#include "presence.h"

static const struct source nobody = { .family = 4 };

static struct source source4(uint32_t word)
{
	return (struct source){ .word_be = { word }, .family = 4 };
}

static struct source source6(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	return (struct source){ .word_be = { a, b, c, d }, .family = 6 };
}

static __u64 busy_until(__u64 expiry)
{
	return grant_word(GRANT_DOOR_BUSY, false, true, expiry);
}

/* Any hash will do that begins the search at the first cell. */
static __u64 hash_of(const struct source *source)
{
	return (source->word_be[0] ^ source->word_be[3]) * 0x9e3779b97f4a7c15ULL & ~(15ULL << 20);
}

/* What the BPF program does: take a cell, then publish its word. */
static struct grant *grant_put(struct grant_bucket *bucket, __u32 door, const struct source *source,
			       __u64 now, __u64 until)
{
	int cell = grant_take(bucket, hash_of(source), source, now, busy_until(GRANT_FOREVER));

	if (cell < 0)
		return NULL;
	__sync_lock_test_and_set(&bucket->cell[cell].word,
				 grant_word(door, source->family == 6, false, until));
	return &bucket->cell[cell];
}

static struct grant *grant_of(struct grant_bucket *bucket, __u32 door, const struct source *source)
{
	int cell = grant_find(bucket, hash_of(source), door, source);

	return cell < 0 ? NULL : &bucket->cell[cell];
}

/* ---- words ---- */

static void a_word_keeps_door_family_and_expiry_apart(void **state)
{
	static const __u32 doors[] = { 0, 1, KNOCKD_DOORS_MAX - 1, GRANT_DOOR_BUSY };
	static const __u64 times[] = { 0, 1, 1ULL << 32, GRANT_FOREVER - 1, GRANT_FOREVER };

	(void)state;
	for (size_t d = 0; d < 4; d++) {
		for (size_t t = 0; t < 5; t++) {
			for (int bits = 0; bits < 4; bits++) {
				__u64 word = grant_word(doors[d], bits & 1, bits & 2, times[t]);

				assert_int_equal(grant_door(word), doors[d]);
				assert_true(grant_expiry(word) == times[t]);
				assert_int_equal(word >> GRANT_IPV6_BIT & 1, bits & 1);
				assert_int_equal(word >> GRANT_ENDED_BIT & 1, bits >> 1);
			}
		}
	}
}

static void a_time_beyond_the_field_is_forever(void **state)
{
	(void)state;
	assert_true(grant_expiry(grant_word(5, true, false, ~0ULL)) == GRANT_FOREVER);
	assert_true(grant_expiry(grant_word(5, true, false, GRANT_FOREVER + 1)) == GRANT_FOREVER);
	assert_int_equal(grant_door(grant_word(5, true, false, ~0ULL)), 5);
}

static void a_grant_lives_until_its_expiry_and_no_longer(void **state)
{
	__u64 word = grant_word(3, false, false, 1000);

	(void)state;
	assert_true(grant_alive(word, 0));
	assert_true(grant_alive(word, 999));
	assert_false(grant_alive(word, 1000));
	assert_false(grant_alive(word, 1001));
	assert_false(grant_alive(0, 0));
}

static void an_ended_grant_is_dead_at_once(void **state)
{
	(void)state;
	assert_false(grant_alive(grant_word(3, false, true, 1000), 1));
	assert_false(grant_alive(busy_until(GRANT_FOREVER), 1));
}

static void a_bit_of_a_matrix_is_of_its_row_and_column(void **state)
{
	__u64 opens[3 * 2] = { 0 };

	(void)state;
	opens[1 * 2 + 1] = 1ULL << 6; /* door 1, area 70 */
	for (__u32 door = 0; door < 5; door++)
		for (__u32 area = 0; area < 300; area++)
			assert_int_equal(door_opens(opens, door, 3, area, 2),
					 door == 1 && area == 70);
	assert_false(door_opens(opens, ~0U, 3, 70, 2));
	assert_false(door_opens(opens, 1, 3, ~0U, 2));
}

/* ---- cells ---- */

static void a_grant_is_found_by_its_door_and_source_only(void **state)
{
	struct grant_bucket bucket = {};
	struct source one = source4(0x010200c0), two = source4(0x020200c0);
	struct grant *g = grant_put(&bucket, 7, &one, 100, 200);

	(void)state;
	assert_non_null(g);
	assert_ptr_equal(grant_of(&bucket, 7, &one), g);
	assert_null(grant_of(&bucket, 8, &one));
	assert_null(grant_of(&bucket, 7, &two));
}

static void every_word_of_an_address_counts(void **state)
{
	struct grant_bucket bucket = {};
	struct source one = source6(1, 2, 3, 4);

	(void)state;
	assert_non_null(grant_put(&bucket, 7, &one, 100, 200));
	assert_non_null(grant_of(&bucket, 7, &one));
	for (int i = 0; i < 4; i++) {
		struct source other = one;

		other.word_be[i] ^= 0x01000000;
		assert_null(grant_of(&bucket, 7, &other));
	}
}

static void a_family_is_part_of_an_address(void **state)
{
	struct grant_bucket bucket = {};
	struct source plain = source4(0x010200c0);
	struct source mapped = source6(0, 0, 0xffff0000, 0x010200c0);
	struct source alike = source6(0x010200c0, 0, 0, 0);

	(void)state;
	assert_non_null(grant_put(&bucket, 7, &plain, 100, 200));
	assert_non_null(grant_of(&bucket, 7, &plain));
	assert_null(grant_of(&bucket, 7, &mapped));
	assert_null(grant_of(&bucket, 7, &alike));
	assert_non_null(grant_put(&bucket, 7, &alike, 100, 200));
	assert_ptr_not_equal(grant_of(&bucket, 7, &alike),
			     grant_of(&bucket, 7, &plain));
}

static void an_empty_cell_is_nobodys_grant(void **state)
{
	struct grant_bucket bucket = {};
	const struct grant *g = grant_of(&bucket, 0, &nobody);

	(void)state;
	/* Door 0 and 0.0.0.0 are all zero bits, as is a cell never used: found, but dead. */
	assert_false(g && grant_alive(g->word, 0));
	assert_int_equal(grant_end(&bucket, 0, &nobody, 0, grant_word(0, false, true, 100)), 0);
	assert_true(bucket.cell[0].word == 0);
}

static void a_full_bucket_gives_no_cell_and_keeps_its_owners(void **state)
{
	struct grant_bucket bucket = {}, before;
	struct source late = source4(99);

	(void)state;
	for (uint32_t i = 0; i < GRANT_CELLS; i++) {
		struct source s = source4(i);

		assert_non_null(grant_put(&bucket, i, &s, 100, 200));
	}
	before = bucket;
	assert_int_equal(grant_take(&bucket, 0, &late, 199, busy_until(GRANT_FOREVER)), -1);
	assert_memory_equal(&bucket, &before, sizeof(bucket));
	for (uint32_t i = 0; i < GRANT_CELLS; i++) {
		struct source s = source4(i);

		assert_non_null(grant_of(&bucket, i, &s));
	}
}

static void an_expired_cell_is_taken_by_the_next(void **state)
{
	struct grant_bucket bucket = {};
	struct source late = source4(99);
	struct grant *g;

	(void)state;
	for (uint32_t i = 0; i < GRANT_CELLS; i++) {
		struct source s = source4(i);

		assert_non_null(grant_put(&bucket, i, &s, 100, i == 5 ? 150 : GRANT_FOREVER));
	}
	bucket.cell[5].flows = 12;
	assert_null(grant_put(&bucket, 7, &late, 149, 300));
	g = grant_put(&bucket, 7, &late, 150, 300);
	assert_ptr_equal(g, &bucket.cell[5]);
	assert_ptr_equal(grant_of(&bucket, 7, &late), g);
	assert_int_equal(g->flows, 0);
}

static void an_ended_grant_keeps_its_cell_until_its_expiry(void **state)
{
	struct grant_bucket bucket = {};
	struct source s = source4(1);
	struct grant *g = grant_put(&bucket, 7, &s, 100, 200);

	(void)state;
	g->word = grant_word(7, false, true, 500);
	for (int i = 1; i < GRANT_CELLS; i++)
		assert_ptr_not_equal(grant_put(&bucket, 1000 + i, &s, 499, 2000), g);
	assert_null(grant_put(&bucket, 1100, &s, 499, 2000));
	assert_ptr_equal(grant_of(&bucket, 7, &s), g);
	assert_ptr_equal(grant_put(&bucket, 1100, &s, 500, 2000), g);
}

static void ending_ends_all_grants_of_one_door_and_source(void **state)
{
	struct grant_bucket bucket = {};
	struct source one = source4(1), two = source4(2), six = source6(1, 0, 0, 0);

	(void)state;
	/* Two CPUs that open a door at once make two cells. */
	assert_non_null(grant_put(&bucket, 7, &one, 100, 200));
	assert_non_null(grant_put(&bucket, 7, &one, 100, 200));
	assert_non_null(grant_put(&bucket, 8, &one, 100, 200));
	assert_non_null(grant_put(&bucket, 7, &two, 100, 200));
	assert_non_null(grant_put(&bucket, 7, &six, 100, 200));
	assert_non_null(grant_put(&bucket, 7, &one, 100, 150));
	assert_int_equal(grant_end(&bucket, 7, &one, 150, 500), 2);
	for (int i = 0; i < 5; i++)
		assert_int_equal(grant_alive(bucket.cell[i].word, 150), i > 1);
	assert_true(bucket.cell[0].word == grant_word(7, false, true, 500));
	assert_true(bucket.cell[1].word == grant_word(7, false, true, 500));
	assert_int_equal(grant_expiry(bucket.cell[5].word), 150);
	assert_int_equal(grant_end(&bucket, 7, &one, 150, 500), 0);
}

static void a_cell_left_busy_is_free_again_after_its_time(void **state)
{
	struct grant_bucket bucket = {};
	struct source s = source4(1);

	(void)state;
	for (int i = 0; i < GRANT_CELLS; i++)
		assert_int_equal(grant_take(&bucket, 0, &s, 100, busy_until(350)), i);
	assert_null(grant_of(&bucket, 7, &s));
	assert_int_equal(grant_take(&bucket, 0, &s, 349, busy_until(600)), -1);
	assert_int_equal(grant_take(&bucket, 0, &s, 350, busy_until(600)), 0);
}

static void the_tags_hide_no_owner_and_most_others(void **state)
{
	struct dice dice = { dice_seed() };
	unsigned int possible = 0;

	(void)state;
	for (int round = 0; round < 10000; round++) {
		struct grant_bucket bucket = {};
		__u64 hash[GRANT_CELLS];

		for (int i = 0; i < GRANT_CELLS; i++) {
			struct source s = source4(i + 1);

			hash[i] = dice_word(&dice);
			assert_true(grant_take(&bucket, hash[i], &s, 100, busy_until(350)) >= 0);
		}
		for (int i = 0; i < GRANT_CELLS; i++)
			assert_true(grant_possible(&bucket, hash[i]));
		possible += grant_possible(&bucket, dice_word(&dice));
	}
	assert_true(possible < 20); /* 16 of 65,536 each */
}

static void the_search_begins_where_the_hash_says(void **state)
{
	struct grant_bucket bucket = {};
	struct source s = source4(1);

	(void)state;
	for (__u64 home = 0; home < GRANT_CELLS; home++)
		assert_int_equal(grant_take(&bucket, (GRANT_CELLS - 1 - home) << 20, &s, 100,
					    busy_until(350)), GRANT_CELLS - 1 - home);
}

static void a_word_that_changed_is_not_confirmed(void **state)
{
	struct grant_bucket bucket = {};
	struct source one = source4(1), two = source4(2);
	struct grant *g = grant_put(&bucket, 7, &one, 100, 200);
	__u64 word = g->word;

	(void)state;
	assert_true(grant_confirm(g, word, &one));
	assert_false(grant_confirm(g, word, &two));
	g->word = busy_until(GRANT_FOREVER);
	assert_false(grant_confirm(g, word, &one));
	g->word = grant_word(8, false, false, 300);
	assert_false(grant_confirm(g, word, &one));
	g->word = word;
	g->address_be[3] = 1;
	assert_false(grant_confirm(g, word, &one));
}

/* ---- another processor in between ---- */

static unsigned int meddlings;

static void cell_is_taken_by_another(void *at)
{
	meddle = NULL;
	*(__u64 *)at = busy_until(GRANT_FOREVER);
}

static void a_cell_that_another_takes_first_is_left_to_it(void **state)
{
	struct grant_bucket bucket = {};
	struct source s = source4(1);

	(void)state;
	meddle = cell_is_taken_by_another;
	assert_int_equal(grant_take(&bucket, 0, &s, 100, busy_until(200)), 1);
	assert_true(bucket.cell[0].word == busy_until(GRANT_FOREVER));
	assert_int_equal(bucket.cell[0].address_be[0], 0);
	assert_true(bucket.cell[1].word == busy_until(200));
}

static void grant_is_renewed_by_another(void *at)
{
	meddle = NULL;
	*(__u64 *)at = grant_word(7, false, false, 900);
}

static void a_grant_renewed_at_its_end_stands(void **state)
{
	struct grant_bucket bucket = {};
	struct source s = source4(1);
	struct grant *g = grant_put(&bucket, 7, &s, 100, 200);

	(void)state;
	meddle = grant_is_renewed_by_another;
	assert_int_equal(grant_end(&bucket, 7, &s, 150, grant_word(7, false, true, 500)), 0);
	assert_null(meddle);
	assert_true(grant_alive(g->word, 899));
}

/* ---- many processors, one bucket ---- */

/*
 * Source i uses the doors whose number is i modulo SOURCES, and no other: so every word tells whose
 * address must stand beside it. Time goes on with every try, so that about half of the cells are
 * expired and all knockers reach for the first of those; a cell being written never expires, as no
 * thread here has a processor to itself.
 */
enum { SOURCES = 40, KNOCKERS = 3, READERS = 2, ROUNDS = 700000, SPAN = 20 };

struct arena {
	struct grant_bucket bucket;
	__u64 now;
	bool ended;
	__u64 wrong, hidden, taken, renewed, stolen, seen, full;
};

struct player {
	struct arena *arena;
	pthread_t thread;
	struct dice dice;
	uint32_t number;
};

static struct source source_number(uint32_t i)
{
	/* Every word of an address differs from that of each other, so that a mixture shows. */
	return i % 2 ? source6(i, i * 3 + 1000, i * 5 + 2000, i * 7 + 3000) : source4(i + 1);
}

static __u64 arena_now(struct arena *arena)
{
	return __atomic_load_n(&arena->now, __ATOMIC_SEQ_CST);
}

static void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

/*
 * The grant @word, given at @g until @until, must stand there until then. The word first: whoever
 * replaced it had seen a time that was not before @until.
 */
static void check_kept(struct arena *arena, struct grant *g, __u64 word, const struct source *s,
		       __u64 until)
{
	if (!grant_confirm(g, word, s) && arena_now(arena) < until)
		count(&arena->stolen);
}

/* Take, renew and let expire; a source belongs to one knocker, as its knocks come one by one. */
static void *knocker_run(void *argument)
{
	struct player *player = argument;
	struct arena *arena = player->arena;

	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t i = dice_below(&player->dice, SOURCES / KNOCKERS) * KNOCKERS +
			     player->number;
		__u32 door = i + SOURCES * dice_below(&player->dice, 3);
		struct source s = source_number(i);
		__u64 now = __sync_add_and_fetch(&arena->now, 1);
		__u64 until = now + 1 + dice_below(&player->dice, SPAN);
		__u64 new = grant_word(door, s.family == 6, false, until);
		struct grant *g = grant_of(&arena->bucket, door, &s);
		__u64 word = g ? *(volatile __u64 *)&g->word : 0;

		/* The cell may have changed hands since it was found, unless it is confirmed. */
		if (g && grant_door(word) == door && grant_expiry(word) > now &&
		    grant_confirm(g, word, &s)) {
			if (until > grant_expiry(word) &&
			    __sync_val_compare_and_swap(&g->word, word, new) == word) {
				count(&arena->renewed);
				check_kept(arena, g, new, &s, until);
			}
			continue;
		}
		g = grant_put(&arena->bucket, door, &s, now, until);
		if (!g) {
			count(&arena->full);
			continue;
		}
		count(&arena->taken);
		check_kept(arena, g, new, &s, until);
	}
	return NULL;
}

/* Ask as the doors do; an answer must be of the one who was asked for. */
static void *reader_run(void *argument)
{
	struct player *player = argument;
	struct arena *arena = player->arena;

	while (!__atomic_load_n(&arena->ended, __ATOMIC_SEQ_CST)) {
		uint32_t i = dice_below(&player->dice, SOURCES);
		struct source s = source_number(i);
		__u64 now = arena_now(arena);

		for (int cell = 0; cell < GRANT_CELLS; cell++) {
			struct grant *g = &arena->bucket.cell[cell];
			__u64 word = *(volatile __u64 *)&g->word;

			if (grant_dead(word, now) |
			    grant_differs(g, word, &s, grant_family(&s)))
				continue;
			if (!grant_confirm(g, word, &s))
				continue;
			count(&arena->seen);
			if (grant_door(word) % SOURCES != i)
				count(&arena->wrong);
			if (!grant_possible(&arena->bucket, hash_of(&s)) &&
			    grant_confirm(g, word, &s))
				count(&arena->hidden);
		}
	}
	return NULL;
}

static void nobody_is_ever_shown_the_grant_of_another(void **state)
{
	struct arena *arena = calloc(1, sizeof(*arena));
	struct player player[KNOCKERS + READERS];
	uint64_t seed = dice_seed();

	(void)state;
	assert_non_null(arena);
	arena->now = 1000;
	for (int i = 0; i < KNOCKERS + READERS; i++) {
		void *(*run)(void *) = i < KNOCKERS ? knocker_run : reader_run;

		player[i] = (struct player){
			.arena = arena, .dice = { seed + i }, .number = i,
		};
		assert_int_equal(pthread_create(&player[i].thread, NULL, run, &player[i]), 0);
	}
	for (int i = 0; i < KNOCKERS; i++)
		pthread_join(player[i].thread, NULL);
	__atomic_store_n(&arena->ended, true, __ATOMIC_SEQ_CST);
	for (int i = KNOCKERS; i < KNOCKERS + READERS; i++)
		pthread_join(player[i].thread, NULL);
	print_message("taken %llu, renewed %llu, full %llu, seen %llu\n",
		      (unsigned long long)arena->taken, (unsigned long long)arena->renewed,
		      (unsigned long long)arena->full, (unsigned long long)arena->seen);
	assert_int_equal(arena->wrong, 0);
	assert_int_equal(arena->hidden, 0);
	assert_int_equal(arena->stolen, 0);
	/* A run in which hardly anything happens proves nothing. */
	assert_true(arena->taken > ROUNDS / 100);
	assert_true(arena->renewed > ROUNDS / 100);
	assert_true(arena->seen > ROUNDS / 100);
	free(arena);
}

/* ---- presence ---- */

static void presence_lasts_at_least_as_long_as_asked_and_hardly_longer(void **state)
{
	static const __u64 times[] = { 0, 1, 255, 256, 257, 1000, 0xffffffff, 0x123456789 };

	(void)state;
	for (size_t t = 0; t < sizeof(times) / sizeof(*times); t++) {
		__u32 slot = 0;

		assert_false(presence_alive(&slot, 0));
		assert_false(presence_reaches(&slot, times[t]));
		presence_extend(&slot, times[t]);
		assert_true(presence_reaches(&slot, times[t]));
		assert_false(presence_reaches(&slot, times[t] + 256));
		assert_true(presence_alive(&slot, 0));
		assert_true(presence_alive(&slot, times[t]));
		assert_false(presence_alive(&slot, times[t] + 256));
	}
}

static void each_kind_has_slots_of_its_own(void **state)
{
	struct dice dice = { dice_seed() };

	(void)state;
	for (int i = 0; i < 1000; i++) {
		__u64 hash = (__u64)dice_word(&dice) << 32 | dice_word(&dice);
		__u32 first = presence_slot(0, hash);

		assert_in_range(first, 0, (1 << PRESENCE_BITS) - 1);
		for (int kind = 0; kind < PRESENCE_KINDS; kind++) {
			__u32 slot = presence_slot(kind, hash);

			assert_in_range(slot, 0, PRESENCE_SLOTS - 1);
			assert_int_equal(slot, first + (kind << PRESENCE_BITS));
		}
	}
}

static void presence_is_never_shortened(void **state)
{
	__u32 slot = 0;

	(void)state;
	presence_extend(&slot, 10000);
	presence_extend(&slot, 20);
	assert_true(presence_alive(&slot, 10000));
}

static void forever_is_forever(void **state)
{
	__u32 slot = 0;

	(void)state;
	presence_extend(&slot, GRANT_FOREVER);
	assert_true(presence_alive(&slot, 1ULL << 39));
	presence_extend(&slot, 100);
	assert_true(presence_alive(&slot, 1ULL << 39));
}

static void slot_is_set_later_by_another(void *at)
{
	meddle = NULL;
	*(__u32 *)at = 1000;
}

static void slot_is_set_a_little_later_by_another(void *at)
{
	meddlings++;
	++*(__u32 *)at;
}

static void a_later_time_of_another_is_not_overwritten(void **state)
{
	__u32 slot = 0;

	(void)state;
	meddle = slot_is_set_later_by_another;
	presence_extend(&slot, 5 * 256);
	assert_null(meddle);
	assert_int_equal(slot, 1000);
}

static void a_slot_that_never_holds_still_is_set_to_the_end_of_time(void **state)
{
	__u32 slot = 0;

	(void)state;
	meddlings = 0;
	meddle = slot_is_set_a_little_later_by_another;
	presence_extend(&slot, 5000 * 256);
	meddle = NULL;
	assert_in_range(meddlings, 2, 100);
	assert_true(presence_alive(&slot, 5000 * 256));
	assert_true(presence_alive(&slot, 1ULL << 39));
}

enum { EXTENDERS = 3, EXTENSIONS = 700000 };

struct extender {
	__u32 *slot;
	__u64 *now;
	pthread_t thread;
	struct dice dice;
	__u64 latest, lost;
};

/* All at one slot, at times that go on but not in order. */
static void *extender_run(void *argument)
{
	struct extender *e = argument;

	for (int i = 0; i < EXTENSIONS; i++) {
		__u64 until = __sync_fetch_and_add(e->now, 256) + dice_below(&e->dice, 2000);

		presence_extend(e->slot, until);
		e->lost += !presence_alive(e->slot, until);
		if (until > e->latest)
			e->latest = until;
	}
	return NULL;
}

static void no_later_time_is_lost_among_many_processors(void **state)
{
	struct dice dice = { dice_seed() };
	struct extender extender[EXTENDERS];
	__u64 now = 0;
	__u32 slot = 0;

	(void)state;
	for (int i = 0; i < EXTENDERS; i++) {
		extender[i] = (struct extender){
			.slot = &slot, .now = &now, .dice = { dice_word(&dice) },
		};
		assert_int_equal(pthread_create(&extender[i].thread, NULL, extender_run,
						&extender[i]), 0);
	}
	for (int i = 0; i < EXTENDERS; i++)
		pthread_join(extender[i].thread, NULL);
	for (int i = 0; i < EXTENDERS; i++) {
		assert_int_equal(extender[i].lost, 0);
		assert_true(presence_alive(&slot, extender[i].latest));
	}
}

/* ---- the hash ---- */

enum { CROWD = 10000, KEYS = 24, SLOTS = 1 << PRESENCE_BITS };

/* Sources as they come: neighbours, or of low entropy in one place or other of the address. */
static struct source crowd_v4_neighbours(uint32_t i)
{
	return source4(__builtin_bswap32(0x0a000000 + i));
}

static struct source crowd_v4_in_steps_of_a_network(uint32_t i)
{
	return source4(__builtin_bswap32(0x01000001 + i * 256));
}

static struct source crowd_v6_last_word(uint32_t i)
{
	return source6(__builtin_bswap32(0x20010db8), 0, 0, __builtin_bswap32(i));
}

static struct source crowd_v6_networks(uint32_t i)
{
	return source6(__builtin_bswap32(0x20010db8), __builtin_bswap32(i << 4), 0,
		       __builtin_bswap32(1));
}

static struct source crowd_v6_two_bytes(uint32_t i)
{
	return source6(__builtin_bswap32(0xfe800000), 0, __builtin_bswap32(i / 100),
		       __builtin_bswap32(i % 100));
}

static const struct {
	const char *name;
	struct source (*source)(uint32_t i);
} crowds[] = {
	{ "IPv4 neighbours", crowd_v4_neighbours },
	{ "one IPv4 address in each network", crowd_v4_in_steps_of_a_network },
	{ "IPv6, the last word differs", crowd_v6_last_word },
	{ "IPv6 networks", crowd_v6_networks },
	{ "IPv6, two words differ a little", crowd_v6_two_bytes },
};

/* Chi-square over its degrees of freedom: about 1 at random, less where sources fall evenly. */
static double spread(const uint32_t *load, uint32_t slots)
{
	double expected = (double)CROWD / slots, sum = 0;

	for (uint32_t i = 0; i < slots; i++)
		sum += (load[i] - expected) * (load[i] - expected) / expected;
	return sum / (slots - 1);
}

static struct hash_key key_any(struct dice *dice)
{
	struct hash_key key;

	for (int i = 0; i < 4; i++)
		key.add[i] = dice_word(dice);
	key.add[1] |= 1;
	key.multiplier = dice_word(dice) | 1;
	key.ipv6 = dice_word(dice);
	for (int i = 0; i < 6; i++)
		key.flow[i] = dice_word(dice);
	return key;
}

static void sources_of_low_entropy_spread_over_slots_and_buckets(void **state)
{
	uint32_t *load = malloc(SLOTS * sizeof(*load));
	struct dice dice = { dice_seed() };

	(void)state;
	assert_non_null(load);
	for (size_t c = 0; c < sizeof(crowds) / sizeof(*crowds); c++) {
		for (int buckets = 0; buckets < 2; buckets++) {
			uint32_t slots = buckets ? 4096 : SLOTS, most = 0;
			double sum = 0;

			for (int k = 0; k < KEYS; k++) {
				struct hash_key key = key_any(&dice);

				memset(load, 0, slots * sizeof(*load));
				for (uint32_t i = 0; i < CROWD; i++) {
					struct source s = crowds[c].source(i);
					__u64 hash = source_hash(&key, &s);
					uint32_t slot = buckets ?
								grant_slot(hash, slots - 1) :
								presence_slot(0, hash);

					load[slot]++;
					if (load[slot] > most)
						most = load[slot];
				}
				sum += spread(load, slots);
			}
			print_message("%s over %u: chi-square %.2f, at most %u in one\n",
				      crowds[c].name, slots, sum / KEYS, most);
			assert_true(sum / KEYS < 1.6);
			assert_true(most <= (buckets ? GRANT_CELLS + 8 : GRANT_CELLS));
		}
	}
	free(load);
}

static void tags_of_neighbours_differ(void **state)
{
	struct dice dice = { dice_seed() };
	unsigned int equal = 0;

	(void)state;
	for (int k = 0; k < KEYS; k++) {
		struct hash_key key = key_any(&dice);

		for (uint32_t i = 0; i + 1 < CROWD; i++) {
			struct source one = crowd_v4_neighbours(i);
			struct source two = crowd_v4_neighbours(i + 1);
			__u32 tag = progress_tag(source_hash(&key, &one));

			assert_int_not_equal(tag, 0);
			equal += tag == progress_tag(source_hash(&key, &two));
		}
	}
	assert_true(equal <= 1);
}

static int names_compare(const void *a, const void *b)
{
	__u64 one = *(const __u64 *)a, two = *(const __u64 *)b;

	return one < two ? -1 : one > two;
}

static void no_two_sources_have_one_name(void **state)
{
	struct dice dice = { dice_seed() };
	__u64 *name = calloc(3 * CROWD, sizeof(*name));

	(void)state;
	assert_non_null(name);
	for (int k = 0; k < KEYS; k++) {
		struct hash_key key = key_any(&dice);

		for (uint32_t i = 0; i < CROWD; i++) {
			struct source one = crowd_v4_neighbours(i);
			struct source six = source6(one.word_be[0], 0, 0, i);
			__u64 hash = source_hash(&key, &one);

			name[3 * i] = progress_name(hash, 0);
			name[3 * i + 1] = progress_name(hash, KNOCKD_STREAMS_MAX - 1);
			name[3 * i + 2] = progress_name(source_hash(&key, &six), 0);
			assert_int_equal(presence_slot(PRESENCE_PROGRESS, name[3 * i + 1]),
					 presence_slot(PRESENCE_PROGRESS, hash));
		}
		qsort(name, 3 * CROWD, sizeof(*name), names_compare);
		for (uint32_t i = 1; i < 3 * CROWD; i++)
			assert_true(name[i] != name[i - 1]);
	}
	free(name);
}

static struct flow flow_between(const struct source *from, const struct source *to, __u16 from_port,
				__u16 to_port, enum proto proto)
{
	struct flow flow = { .source_port_be = from_port, .destination_port_be = to_port,
			     .family = from->family, .proto = proto };

	memcpy(flow.source_be, from->word_be, sizeof(flow.source_be));
	memcpy(flow.destination_be, to->word_be, sizeof(flow.destination_be));
	return flow;
}

/* Neighbours in all that a flow is made of, and each with its ends swapped. */
static void no_two_flows_have_one_name(void **state)
{
	enum { SIDE = 6, FLOWS = 2 * 2 * SIDE * SIDE * SIDE * SIDE };
	struct dice dice = { dice_seed() };
	__u64 *name = calloc(2 * FLOWS, sizeof(*name));

	(void)state;
	assert_non_null(name);
	for (int k = 0; k < KEYS; k++) {
		struct hash_key key = key_any(&dice);

		for (uint32_t i = 0; i < FLOWS; i++) {
			uint32_t a = i % SIDE, b = i / SIDE % SIDE, c = i / SIDE / SIDE % SIDE,
				 d = i / SIDE / SIDE / SIDE % SIDE, e = i / (FLOWS / 4);
			/* No two words of these are equal, as far as i tells. */
			struct source from = e & 1 ? source6(100, 200 + a, 300, 400) :
						     source4(0x0a00000a + (a << 24));
			struct source to = e & 1 ? source6(100, 200, 300 + (b << 24), 400 + b) :
						   source4(0x0a000010 + (b << 24));
			struct flow there = flow_between(&from, &to, c << 8, 77 + d, e / 2);
			struct flow back = flow_between(&to, &from, 77 + d, c << 8, e / 2);

			name[2 * i] = flow_name(&key, &there);
			name[2 * i + 1] = flow_name(&key, &back);
		}
		qsort(name, 2 * FLOWS, sizeof(*name), names_compare);
		for (uint32_t i = 1; i < 2 * FLOWS; i++)
			assert_true(name[i] != name[i - 1]);
	}
	free(name);
}

static void all_of_a_flow_and_of_the_key_is_in_its_name(void **state)
{
	struct dice dice = { dice_seed() };
	struct hash_key key = key_any(&dice);
	struct source from = source6(1, 2, 3, 4), to = source6(5, 6, 7, 8);
	struct flow flow = flow_between(&from, &to, 9, 10, PROTO_UDP);
	__u64 name = flow_name(&key, &flow);

	(void)state;
	for (size_t i = 0; i < offsetof(struct flow, zero); i++) {
		struct flow other = flow;

		/* A family that is neither has nothing. */
		if (i == offsetof(struct flow, family))
			continue;
		((__u8 *)&other)[i] ^= 0x10;
		assert_true(flow_name(&key, &other) != name);
	}
	for (size_t i = 0; i < sizeof(key) / sizeof(__u32); i++) {
		struct hash_key other = key;

		((__u32 *)&other)[i] ^= 0x100;
		assert_true(flow_name(&other, &flow) != name);
	}
}

static void a_flow_is_the_same_in_all_its_bits_only(void **state)
{
	struct source from = source6(1, 2, 3, 4), to = source6(5, 6, 7, 8);
	struct flow_state own = { .flow = flow_between(&from, &to, 9, 10, PROTO_UDP) };
	struct flow_state found = { .flow = own.flow, .seen = 7, .door = 8, .unpaid = 1 };

	(void)state;
	assert_true(flow_same(&found, &own));
	for (size_t bit = 0; bit < 8 * sizeof(struct flow); bit++) {
		((__u8 *)&found.flow)[bit / 8] ^= 1 << bit % 8;
		assert_false(flow_same(&found, &own));
		((__u8 *)&found.flow)[bit / 8] ^= 1 << bit % 8;
	}
}

static void the_hash_tells_families_apart_and_streams_not(void **state)
{
	struct dice dice = { dice_seed() };
	struct source plain = source4(0x010200c0);
	struct source mapped = source6(0, 0, 0xffff0000, 0x010200c0);
	struct source alike = source6(0x010200c0, 0, 0, 0);
	struct source other = plain;
	unsigned int equal = 0;

	(void)state;
	other.stream = 3;
	for (int k = 0; k < 1000; k++) {
		struct hash_key key = key_any(&dice);

		equal += source_hash(&key, &plain) == source_hash(&key, &mapped);
		equal += source_hash(&key, &plain) == source_hash(&key, &alike);
		assert_true(source_hash(&key, &plain) == source_hash(&key, &other));
	}
	assert_int_equal(equal, 0);
}

static void another_key_is_another_hash(void **state)
{
	struct dice dice = { dice_seed() };
	struct source s = source6(1, 2, 3, 4);
	struct hash_key key = key_any(&dice);
	__u64 hash = source_hash(&key, &s);

	(void)state;
	for (size_t i = 0; i < offsetof(struct hash_key, flow) / sizeof(__u32); i++) {
		struct hash_key other = key;

		((__u32 *)&other)[i] ^= 0x100;
		assert_true(source_hash(&other, &s) != hash);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_word_keeps_door_family_and_expiry_apart),
		cmocka_unit_test(a_time_beyond_the_field_is_forever),
		cmocka_unit_test(a_grant_lives_until_its_expiry_and_no_longer),
		cmocka_unit_test(an_ended_grant_is_dead_at_once),
		cmocka_unit_test(a_bit_of_a_matrix_is_of_its_row_and_column),
		cmocka_unit_test(a_grant_is_found_by_its_door_and_source_only),
		cmocka_unit_test(every_word_of_an_address_counts),
		cmocka_unit_test(a_family_is_part_of_an_address),
		cmocka_unit_test(an_empty_cell_is_nobodys_grant),
		cmocka_unit_test(a_full_bucket_gives_no_cell_and_keeps_its_owners),
		cmocka_unit_test(an_expired_cell_is_taken_by_the_next),
		cmocka_unit_test(an_ended_grant_keeps_its_cell_until_its_expiry),
		cmocka_unit_test(ending_ends_all_grants_of_one_door_and_source),
		cmocka_unit_test(the_tags_hide_no_owner_and_most_others),
		cmocka_unit_test(the_search_begins_where_the_hash_says),
		cmocka_unit_test(a_cell_left_busy_is_free_again_after_its_time),
		cmocka_unit_test(a_word_that_changed_is_not_confirmed),
		cmocka_unit_test(a_cell_that_another_takes_first_is_left_to_it),
		cmocka_unit_test(a_grant_renewed_at_its_end_stands),
		cmocka_unit_test(nobody_is_ever_shown_the_grant_of_another),
		cmocka_unit_test(presence_lasts_at_least_as_long_as_asked_and_hardly_longer),
		cmocka_unit_test(each_kind_has_slots_of_its_own),
		cmocka_unit_test(presence_is_never_shortened),
		cmocka_unit_test(forever_is_forever),
		cmocka_unit_test(a_later_time_of_another_is_not_overwritten),
		cmocka_unit_test(a_slot_that_never_holds_still_is_set_to_the_end_of_time),
		cmocka_unit_test(no_later_time_is_lost_among_many_processors),
		cmocka_unit_test(sources_of_low_entropy_spread_over_slots_and_buckets),
		cmocka_unit_test(tags_of_neighbours_differ),
		cmocka_unit_test(no_two_sources_have_one_name),
		cmocka_unit_test(no_two_flows_have_one_name),
		cmocka_unit_test(all_of_a_flow_and_of_the_key_is_in_its_name),
		cmocka_unit_test(a_flow_is_the_same_in_all_its_bits_only),
		cmocka_unit_test(the_hash_tells_families_apart_and_streams_not),
		cmocka_unit_test(another_key_is_another_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
