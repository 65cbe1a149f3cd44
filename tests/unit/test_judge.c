// SPDX-License-Identifier: GPL-2.0-or-later
/* The rule by which the bench says whether a budget is met. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/bench/judge.c"

/* Rounds of a path that takes @ns beside a null program that takes @null; each @spread apart. */
static struct finding finding_of(double null, double ns, double spread, double budget)
{
	struct series base = {}, path = {};

	for (int i = -7; i <= 7; i++) {
		series_add(&base, null);
		series_add(&path, ns + i * spread);
	}
	return finding_make(&base, &path, budget);
}

static enum verdict judged(double null, double ns, double spread, double budget)
{
	struct finding finding = finding_of(null, ns, spread, budget);
	struct finding floor = finding_of(null, null, 0, 0);

	return finding_judge(&finding, &floor);
}

static void assert_near(double a, double b)
{
	assert_true(fabs(a - b) < 1e-9);
}

static void a_median_is_in_the_middle(void **state)
{
	struct series odd = { .at = { 9, 1, 5 }, .count = 3 };
	struct series even = { .at = { 4, 1, 3, 100 }, .count = 4 };
	struct series none = {};

	(void)state;
	assert_near(series_spread(&odd).median, 5);
	assert_near(series_spread(&odd).deviation, 4);
	assert_near(series_spread(&even).median, 3.5);
	assert_near(series_spread(&even).deviation, 1.5);
	assert_near(series_spread(&none).median, 0);
	assert_near(series_spread(&none).deviation, 0);
}

static void a_series_that_is_full_takes_no_more(void **state)
{
	static struct series series;

	(void)state;
	for (int i = 0; i < ROUNDS_MAX + 10; i++)
		series_add(&series, i);
	assert_int_equal(series.count, ROUNDS_MAX);
	assert_near(series.at[ROUNDS_MAX - 1], ROUNDS_MAX - 1);
}

static void a_round_that_somebody_disturbed_does_not_count(void **state)
{
	struct series beside = { .at = { 7.7, 10, 3, 8, 7.4, 7.3 }, .count = 6 };
	struct series values = { .at = { 1, 2, 3, 4, 5, 6, 7 }, .count = 7 };
	struct series none = {}, kept = series_undisturbed(&values, &beside);
	struct series two = { .at = { 7.4, 9 }, .count = 2 };

	(void)state;
	/* The third shortest is 7.4, 5 % more 7.77. What was far shorter was measured wrong. */
	assert_int_equal(kept.count, 3);
	assert_near(kept.at[0] + 10 * kept.at[1] + 100 * kept.at[2], 651);
	/* Of two the longer one is the best there is, and the other too far from it. */
	kept = series_undisturbed(&values, &two);
	assert_int_equal(kept.count, 1);
	assert_near(kept.at[0], 2);
	assert_int_equal(series_undisturbed(&values, &none).count, 0);
	assert_int_equal(series_undisturbed(&none, &beside).count, 0);
}

static void of_too_few_rounds_nothing_is_said(void **state)
{
	struct finding finding = finding_of(7, 100, 0, 1.10), floor = finding_of(7, 7, 0, 0);

	(void)state;
	assert_int_equal(finding.rounds, ROUNDS_JUDGED);
	assert_int_equal(finding_judge(&finding, &floor), VERDICT_MISSED);
	floor.rounds--;
	assert_int_equal(finding_judge(&finding, &floor), VERDICT_FEW);
	floor.rounds++;
	finding.rounds--;
	assert_int_equal(finding_judge(&finding, &floor), VERDICT_FEW);
}

static void ratios_and_differences_are_of_the_same_round(void **state)
{
	struct series base = { .at = { 10, 20, 40 }, .count = 3 };
	struct series ns = { .at = { 11, 22, 44 }, .count = 3 };
	struct finding finding = finding_make(&base, &ns, 0);

	(void)state;
	assert_near(finding.ratio.median, 1.1);
	assert_near(finding.ratio.deviation, 0);
	assert_near(finding.extra_ns.median, 2);
	assert_near(finding.base_ns.median, 20);
	assert_near(finding.ns.median, 22);
	assert_int_equal(finding.rounds, 3);
	base.count = 2;
	assert_int_equal(finding_make(&base, &ns, 0).rounds, 2);
	base.count = 3;
	ns.count = 1;
	assert_int_equal(finding_make(&base, &ns, 0).rounds, 1);
}

static void a_budget_is_met_by_its_ratio_or_by_its_nanoseconds(void **state)
{
	(void)state;
	assert_int_equal(judged(7, 1000, 0, 0), VERDICT_NONE);
	assert_int_equal(judged(100, 110, 0, 1.10), VERDICT_RATIO);
	/* (1.10 − 1) × 27 ns are 2.7. */
	assert_int_equal(judged(7, 9.6, 0, 1.10), VERDICT_NS);
	assert_int_equal(judged(7, 9.8, 0, 1.10), VERDICT_MISSED);
	assert_int_equal(judged(100, 112, 0, 1.10), VERDICT_MISSED);
}

static void what_is_over_by_no_more_than_the_noise_is_not_missed(void **state)
{
	struct finding finding = finding_of(7, 10, 0, 1.10);
	struct finding uneasy = finding_of(7, 7.4, 0, 0);

	(void)state;
	/* Its own: rounds 0.1 ns apart are 0.4 from their median. */
	assert_int_equal(judged(7, 10, 0.1, 1.10), VERDICT_NOISE);
	assert_int_equal(judged(7, 10, 0.05, 1.10), VERDICT_MISSED);
	/* Or that of a second null program against the first. */
	assert_int_equal(finding_judge(&finding, &uneasy), VERDICT_NOISE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_median_is_in_the_middle),
		cmocka_unit_test(a_series_that_is_full_takes_no_more),
		cmocka_unit_test(a_round_that_somebody_disturbed_does_not_count),
		cmocka_unit_test(of_too_few_rounds_nothing_is_said),
		cmocka_unit_test(ratios_and_differences_are_of_the_same_round),
		cmocka_unit_test(a_budget_is_met_by_its_ratio_or_by_its_nanoseconds),
		cmocka_unit_test(what_is_over_by_no_more_than_the_noise_is_not_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
