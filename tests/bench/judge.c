// SPDX-License-Identifier: GPL-2.0-or-later
#include "judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void series_add(struct series *series, double value)
{
	if (series->count < ROUNDS_MAX)
		series->at[series->count++] = value;
}

static int number_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double series_median(const struct series *series)
{
	struct series sorted = *series;
	size_t n = sorted.count;

	if (!n)
		return 0;
	qsort(sorted.at, n, sizeof(*sorted.at), number_compare);
	return (sorted.at[(n - 1) / 2] + sorted.at[n / 2]) / 2;
}

struct spread series_spread(const struct series *series)
{
	struct spread spread = { .median = series_median(series) };
	struct series distance = { .count = series->count };

	for (size_t i = 0; i < series->count; i++)
		distance.at[i] = fabs(series->at[i] - spread.median);
	spread.deviation = series_median(&distance);
	return spread;
}

struct series series_undisturbed(const struct series *values, const struct series *beside)
{
	struct series undisturbed = {}, sorted = *beside;
	size_t third = beside->count < BEST_ROUND ? beside->count : BEST_ROUND;
	double best;

	if (!third)
		return undisturbed;
	qsort(sorted.at, sorted.count, sizeof(*sorted.at), number_compare);
	best = sorted.at[third - 1];
	for (size_t i = 0; i < values->count && i < beside->count; i++)
		if (beside->at[i] < DISTURBED * best && beside->at[i] > best / DISTURBED)
			series_add(&undisturbed, values->at[i]);
	return undisturbed;
}

struct finding finding_make(const struct series *base, const struct series *ns, double budget)
{
	struct finding finding = {
		.base_ns = series_spread(base), .ns = series_spread(ns), .budget = budget,
	};
	struct series extra = {}, ratio = {};

	for (size_t i = 0; i < base->count && i < ns->count; i++) {
		series_add(&extra, ns->at[i] - base->at[i]);
		series_add(&ratio, ns->at[i] / base->at[i]);
	}
	finding.rounds = extra.count;
	finding.extra_ns = series_spread(&extra);
	finding.ratio = series_spread(&ratio);
	return finding;
}

double finding_allowed_ns(const struct finding *finding)
{
	return (finding->budget - 1) * DESIGN_NULL_NS;
}

enum verdict finding_judge(const struct finding *finding, const struct finding *floor)
{
	double allowed_ns = finding_allowed_ns(finding);
	double noise = finding->ratio.deviation + fabs(floor->ratio.median - 1) +
		       floor->ratio.deviation;
	double noise_ns = finding->extra_ns.deviation + fabs(floor->extra_ns.median) +
			  floor->extra_ns.deviation;

	if (!finding->budget)
		return VERDICT_NONE;
	if (finding->rounds < ROUNDS_JUDGED || floor->rounds < ROUNDS_JUDGED)
		return VERDICT_FEW;
	if (finding->ratio.median <= finding->budget)
		return VERDICT_RATIO;
	if (finding->extra_ns.median <= allowed_ns)
		return VERDICT_NS;
	if (finding->ratio.median - noise <= finding->budget ||
	    finding->extra_ns.median - noise_ns <= allowed_ns)
		return VERDICT_NOISE;
	return VERDICT_MISSED;
}
