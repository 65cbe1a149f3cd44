// SPDX-License-Identifier: GPL-2.0-or-later
#include "views.h"

#include "attempts.h"

enum { TIMEOUT = 1000 };

static struct attempts attempts;

static int none(void **state)
{
	(void)state;
	attempts = (struct attempts){};
	return 0;
}

/* At @now exactly @stage of @door is over, and nothing else; 0: nothing at all. */
static void assert_over(__u64 now, __u32 door, unsigned int stage)
{
	struct attempt over = {};

	assert_int_equal(attempts_expire(&attempts, now, &over), stage != 0);
	assert_int_equal(over.stage, stage);
	if (!stage)
		return;
	assert_int_equal(over.door, door);
	assert_false(attempts_expire(&attempts, now, &over));
}

static void told(struct source source, __u32 door, unsigned int stage, __u64 time)
{
	attempts_told(&attempts, &source, door, stage, time, TIMEOUT);
}

static void the_time_counts_from_the_first_knock(void **state)
{
	struct source source = source_v4(192, 0, 2, 7);

	(void)state;
	told(source, 3, 1, 5000);
	told(source, 3, 2, 5900);
	assert_int_equal(attempts_next(&attempts), 6001);
	assert_over(6000, 3, 0);
	assert_over(6001, 3, 2);
	assert_int_equal(attempts_next(&attempts), 0);
}

static void a_sequence_begun_anew_has_its_whole_time(void **state)
{
	struct source source = source_v4(192, 0, 2, 7);

	(void)state;
	told(source, 3, 1, 5000);
	told(source, 3, 2, 5500);
	told(source, 3, 1, 5900);
	assert_over(6900, 3, 0);
	assert_over(6901, 3, 1);
}

static void with_stages_untold_it_is_late_rather_than_early(void **state)
{
	(void)state;
	told(source_v4(192, 0, 2, 7), 3, 1, 5000);
	told(source_v4(192, 0, 2, 7), 3, 3, 5500);
	told(source_v6(0x20, 1), 3, 2, 5600);
	assert_over(6501, 3, 3);
	assert_over(6601, 3, 2);
}

static void what_opened_is_not_over(void **state)
{
	struct source source = source_v4(192, 0, 2, 7), stranger = source_v4(192, 0, 2, 8);

	(void)state;
	told(source, 3, 1, 5000);
	told(source, 4, 1, 5000);
	told(stranger, 3, 1, 5500);
	source.stream = 2; /* the same address, in whichever stream */
	attempts_end(&attempts, &source, 3);
	attempts_end(&attempts, &source, 5);
	assert_over(6001, 4, 1);
	assert_over(6501, 3, 1);
}

static void those_over_come_the_earliest_first(void **state)
{
	struct attempt over;

	(void)state;
	for (unsigned int i = 0; i < 10; i++)
		told(source_v4(192, 0, 2, i), 0, 1, 5000 + i * 7 % 10);
	for (__u64 i = 0; i < 10; i++) {
		assert_true(attempts_expire(&attempts, 100000, &over));
		assert_int_equal(over.until, 5000 + i + TIMEOUT + 1);
	}
	assert_false(attempts_expire(&attempts, 100000, &over));
}

/* However many there are, no more lines than stages told, and no more than there is room for. */
static void they_are_bounded_and_those_known_go_on(void **state)
{
	unsigned int lines = 0;
	struct attempt over;

	(void)state;
	for (unsigned int i = 0; i < 1000; i++)
		told(source_v4(192, 0, i / 256, i % 256), 0, 1, 5000);
	assert_int_equal(attempts.count, ATTEMPTS_MAX);
	told(source_v4(192, 0, 0, 5), 0, 2, 5001);
	while (attempts_expire(&attempts, 100000, &over)) {
		lines++;
		assert_int_equal(over.stage, over.source.word_be[0] ==
				 source_v4(192, 0, 0, 5).word_be[0] ? 2 : 1);
	}
	assert_int_equal(lines, ATTEMPTS_MAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_time_counts_from_the_first_knock, none),
		cmocka_unit_test_setup(a_sequence_begun_anew_has_its_whole_time, none),
		cmocka_unit_test_setup(with_stages_untold_it_is_late_rather_than_early, none),
		cmocka_unit_test_setup(what_opened_is_not_over, none),
		cmocka_unit_test_setup(those_over_come_the_earliest_first, none),
		cmocka_unit_test_setup(they_are_bounded_and_those_known_go_on, none),
	};

	return cmocka_run_group_tests_name("attempts", tests, NULL, NULL);
}
