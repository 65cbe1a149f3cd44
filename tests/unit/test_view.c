// SPDX-License-Identifier: GPL-2.0-or-later
/* What a reader sees of the kernel's tables, and that it believes no number beyond their ends. */
#include "views.h"

#include <errno.h>

#include "grant.h"

/* The bucket in which the programs keep @owner's grants. */
static struct grant *cell_of(struct world *w, const struct source *owner, int cell)
{
	__u64 hash = source_hash(&w->settings->hash_key, owner);
	__u32 slot = grant_slot(hash, w->settings->bucket_mask);

	return &w->bucket[slot].cell[cell];
}

static void grant_put(struct world *w, const struct source *owner, int cell, __u64 word)
{
	struct grant *g = cell_of(w, owner, cell);

	memcpy(g->address_be, owner->word_be, sizeof(g->address_be));
	g->flows = 3;
	g->word = word;
}

static void parts_that_are_too_small_are_refused(void **state)
{
	static const enum view_part parts[] = { VIEW_SETTINGS, VIEW_NAMES, VIEW_STAGES, VIEW_GRANTS,
						VIEW_SHARED, VIEW_TRIAL, VIEW_ABOUT };
	struct world w = world_make();
	struct view *view;

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		struct view_map part[VIEW_PARTS];

		memcpy(part, w.part, sizeof(part));
		part[parts[i]].size--;
		view = (struct view *)&w;
		assert_int_equal(view_open(&view, part), -EINVAL);
		assert_ptr_equal(view, &w);
	}
	view = world_view(&w);
	view_close(view);
	world_end(&w);
}

static void a_part_that_is_not_there_is_refused(void **state)
{
	struct world w = world_make();
	struct view_map part[VIEW_PARTS];
	struct view *view = NULL;

	(void)state;
	memcpy(part, w.part, sizeof(part));
	part[VIEW_STAGES] = (struct view_map){ .fd = -1 };
	assert_int_equal(view_open(&view, part), -EINVAL);
	part[VIEW_STAGES].size = 4096;
	assert_int_equal(view_open(&view, part), -EBADF);
	assert_null(view);
	view_close(NULL);
	world_end(&w);
}

static void counts_that_overflow_are_refused(void **state)
{
	struct world w = world_make();
	struct view *view = NULL;

	(void)state;
	w.settings->bucket_mask = ~0U;
	assert_int_equal(view_open(&view, w.part), -EINVAL);
	w.settings->bucket_mask = WORLD_BUCKETS - 1;
	w.settings->door_count = ~0U;
	assert_int_equal(view_open(&view, w.part), -EINVAL);
	w.settings->door_count = WORLD_DOORS;
	w.settings->state_count = ~0U;
	assert_int_equal(view_open(&view, w.part), -EINVAL);
	world_end(&w);
}

static void without_a_clock_there_is_no_view(void **state)
{
	struct world w = world_make();
	struct view *view = NULL;

	(void)state;
	w.about->hz = 0;
	assert_int_equal(view_open(&view, w.part), -EINVAL);
	w.about->hz = 2000000000;
	assert_int_equal(view_open(&view, w.part), -EINVAL);
	world_end(&w);
}

static void descriptors_may_be_closed_once_it_is_open(void **state)
{
	struct world w = world_make();
	struct view *view;

	(void)state;
	world_door(&w, 2, "ssh", 0);
	view = world_view(&w);
	world_end(&w);
	assert_string_equal(view_door(view, 2)->name, "ssh");
	view_close(view);
}

static void jiffies_are_counted_from_the_reading(void **state)
{
	struct world w = world_make();
	struct view *view = world_view(&w);
	__u64 at = w.about->clock_jiffies;

	(void)state;
	assert_in_range(view_now(view), at, at + 60 * WORLD_HZ);
	assert_true(view_ns(view, at) == w.about->clock_ns);
	assert_true(view_ns(view, at + WORLD_HZ) == w.about->clock_ns + 1000000000);
	assert_true(view_ns(view, at - WORLD_HZ) == w.about->clock_ns - 1000000000);
	view_close(view);

	w.about->clock_ns -= 10000000000;
	view = world_view(&w);
	assert_in_range(view_now(view), at + 10 * WORLD_HZ, at + 70 * WORLD_HZ);
	/* A new reading is for the next view. */
	w.about->clock_ns = 0;
	assert_in_range(view_now(view), at + 10 * WORLD_HZ, at + 70 * WORLD_HZ);
	view_close(view);
	world_end(&w);
}

static void a_number_without_a_door_has_no_name(void **state)
{
	struct world w = world_make();
	struct view *view = world_view(&w);

	(void)state;
	world_door(&w, 0, "ssh", 0);
	world_door(&w, 3, "ssh", 1);
	assert_int_equal(view_door_count(view), WORLD_DOORS);
	assert_string_equal(view_door(view, 0)->name, "ssh");
	assert_int_equal(view_door(view, 3)->ordinal, 1);
	assert_null(view_door(view, 1));
	assert_null(view_door(view, WORLD_DOORS));
	assert_null(view_door(view, ~0U));
	/* A name must end. */
	memset(w.name[3].name, 'x', sizeof(w.name[3].name));
	assert_null(view_door(view, 3));
	view_close(view);
	world_end(&w);
}

static void a_state_that_is_no_stage_has_none(void **state)
{
	struct world w = world_make();
	struct view *view = world_view(&w);

	(void)state;
	w.stage[9] = (struct stage){ .depth = 2, .count = 1, .door = { 3 } };
	assert_int_equal(view_stage(view, 9)->door[0], 3);
	assert_null(view_stage(view, 0));
	assert_null(view_stage(view, WORLD_STATES));
	assert_null(view_stage(view, ~0U));
	w.stage[9].count = STAGE_DOORS_MAX + 1;
	assert_null(view_stage(view, 9));
	view_close(view);
	world_end(&w);
}

static void an_owner_is_cut_to_the_prefix(void **state)
{
	struct world w = world_make();
	struct view *view = world_view(&w);
	struct source six = source_v6(0x20, 7), four = source_v4(192, 0, 2, 7), owner;

	(void)state;
	w.settings->grant_mask6_be[2] = w.settings->grant_mask6_be[3] = 0;
	six.stream = four.stream = 5;
	owner = view_owner(view, &six);
	assert_int_equal(owner.word_be[0], six.word_be[0]);
	assert_int_equal(owner.word_be[3], 0);
	assert_int_equal(owner.stream, 0);
	owner = view_owner(view, &four);
	assert_int_equal(owner.word_be[0], four.word_be[0]);
	assert_int_equal(owner.stream, 0);
	view_close(view);
	world_end(&w);
}

static void a_grant_is_its_owners_and_its_doors(void **state)
{
	struct world w = world_make();
	struct view *view = world_view(&w);
	struct source owner = source_v4(192, 0, 2, 7), other = source_v4(192, 0, 2, 8);
	struct source mapped = { .word_be = { owner.word_be[0] }, .family = 6 };
	__u64 until = view_now(view) + 1000;

	(void)state;
	grant_put(&w, &owner, 5, grant_word(2, false, false, until));
	assert_true(view_grant_until(view, &owner, 2) == until);
	assert_true(view_grant_until(view, &owner, 1) == 0);
	assert_true(view_grant_until(view, &other, 2) == 0);
	assert_true(view_grant_until(view, &mapped, 2) == 0);
	/* It is found by the prefix alone. */
	owner.stream = 3;
	assert_true(view_grant_until(view, &owner, 2) == until);
	view_close(view);
	world_end(&w);
}

static void a_grant_of_a_prefix_is_found_by_any_address_in_it(void **state)
{
	struct world w = world_make();
	struct view *view = world_view(&w);
	struct source one = source_v6(0x20, 7), another = source_v6(0x20, 9), owner;

	(void)state;
	w.settings->grant_mask6_be[2] = w.settings->grant_mask6_be[3] = 0;
	owner = view_owner(view, &one);
	grant_put(&w, &owner, 0, grant_word(1, true, false, GRANT_FOREVER));
	assert_true(view_grant_until(view, &another, 1) == GRANT_FOREVER);
	view_close(view);
	world_end(&w);
}

static void expired_and_ended_grants_are_none(void **state)
{
	struct world w = world_make();
	struct view *view;
	struct source owner = source_v4(192, 0, 2, 7);
	__u64 now;

	(void)state;
	w.about->clock_ns -= 100000000000;
	view = world_view(&w);
	now = view_now(view);
	grant_put(&w, &owner, 0, grant_word(1, false, false, now));
	grant_put(&w, &owner, 1, grant_word(1, false, true, now + 1000));
	assert_true(view_grant_until(view, &owner, 1) == 0);
	/* Of several the latest. */
	grant_put(&w, &owner, 2, grant_word(1, false, false, now + 2000));
	grant_put(&w, &owner, 3, grant_word(1, false, false, now + 3000));
	grant_put(&w, &owner, 4, grant_word(1, false, false, now + 1000));
	assert_true(view_grant_until(view, &owner, 1) == now + 3000);
	view_close(view);
	world_end(&w);
}

struct seen {
	unsigned int count, sixes;
	__u64 doors, latest;
	__u32 flows;
};

static void grant_seen(void *data, const struct source *owner, __u32 door, __u64 until, __u32 flows)
{
	struct seen *seen = data;

	seen->count++;
	seen->sixes += owner->family == 6;
	seen->doors |= 1ULL << door;
	seen->flows = flows;
	if (until > seen->latest)
		seen->latest = until;
}

static void every_live_grant_is_told_and_no_other(void **state)
{
	struct world w = world_make();
	struct view *view = world_view(&w);
	struct source four = source_v4(192, 0, 2, 7), six = source_v6(0x20, 1);
	__u64 later = view_now(view) + 1000;
	struct seen seen = {};

	(void)state;
	view_grants(view, grant_seen, &seen);
	assert_int_equal(seen.count, 0);
	/* The last cell of the last bucket, too. */
	w.bucket[WORLD_BUCKETS - 1].cell[GRANT_CELLS - 1].word = grant_word(0, false, false, later);
	grant_put(&w, &four, 3, grant_word(1, false, false, GRANT_FOREVER));
	grant_put(&w, &six, 4, grant_word(2, true, false, later));
	grant_put(&w, &six, 5, grant_word(3, true, true, later));
	grant_put(&w, &six, 6, grant_word(3, true, false, 17));
	grant_put(&w, &six, 7, grant_word(GRANT_DOOR_BUSY, true, true, later));
	view_grants(view, grant_seen, &seen);
	assert_int_equal(seen.count, 3);
	assert_int_equal(seen.sixes, 1);
	assert_true(seen.doors == 7);
	assert_true(seen.latest == GRANT_FOREVER);
	view_close(view);
	world_end(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_that_are_too_small_are_refused),
		cmocka_unit_test(a_part_that_is_not_there_is_refused),
		cmocka_unit_test(counts_that_overflow_are_refused),
		cmocka_unit_test(without_a_clock_there_is_no_view),
		cmocka_unit_test(descriptors_may_be_closed_once_it_is_open),
		cmocka_unit_test(jiffies_are_counted_from_the_reading),
		cmocka_unit_test(a_number_without_a_door_has_no_name),
		cmocka_unit_test(a_state_that_is_no_stage_has_none),
		cmocka_unit_test(an_owner_is_cut_to_the_prefix),
		cmocka_unit_test(a_grant_is_its_owners_and_its_doors),
		cmocka_unit_test(a_grant_of_a_prefix_is_found_by_any_address_in_it),
		cmocka_unit_test(expired_and_ended_grants_are_none),
		cmocka_unit_test(every_live_grant_is_told_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
