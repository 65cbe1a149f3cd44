/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Measurements → findings: medians, their spread, and the one rule that says whether a budget is
 * met. */
#ifndef KNOCKD_BENCH_JUDGE_H
#define KNOCKD_BENCH_JUDGE_H

#include <stddef.h>

enum {
	ROUNDS_MAX = 1000,
	ROUNDS_JUDGED = 15, /* that nobody disturbed; what has fewer is not judged */
};

/* What is disturbed: a null program that takes so many times what it takes at its best, which is
 * its third shortest round: one or two may have been measured wrong. */
#define DISTURBED 1.05
enum { BEST_ROUND = 3 };

/* On the machine of design.md section 9 the null program took this long. */
#define DESIGN_NULL_NS 27.0

/* One number a round. */
struct series {
	double at[ROUNDS_MAX];
	size_t count;
};

/* A median, and the median of the distances from it. */
struct spread {
	double median, deviation;
};

/** series_add() - One more round; beyond ROUNDS_MAX it is lost. */
void series_add(struct series *series, double value);

/** series_spread() - Zeroes of an empty series. */
struct spread series_spread(const struct series *series);

/**
 * series_undisturbed() - The values of those rounds that nobody disturbed.
 * @beside: what the null program took in the same rounds, at the same moments
 *
 * Guests of one host share its cores: while another one is busy all that runs here takes longer,
 * the null program by a tenth or two, other programs by as much again as they take. What a round
 * says then is not about the program.
 */
struct series series_undisturbed(const struct series *values, const struct series *beside);

enum verdict {
	VERDICT_NONE,     /* there is no budget */
	VERDICT_FEW,      /* there were too few rounds that nobody disturbed */
	VERDICT_RATIO,    /* met, by the ratio */
	VERDICT_NS,       /* met, by the nanoseconds alone */
	VERDICT_NOISE,    /* missed by no more than the noise */
	VERDICT_MISSED,
};

/* One line of the tables: a path held against its base, which is the null program or a sibling. */
struct finding {
	const char *table; /* "null", "ipv6", "doors", "grants" */
	const char *path;
	const char *variant; /* of the world: "64 doors"; or empty */
	int family;
	size_t rounds;             /* of which it was made */
	struct spread base_ns, ns; /* of one packet */
	struct spread extra_ns;    /* ns − base_ns, pair by pair */
	struct spread ratio;       /* ns ÷ base_ns, pair by pair */
	double budget;             /* of the ratio; 0: none */
	enum verdict verdict;
};

/** finding_make() - Hold @ns against @base, one by one. The verdict stays NONE. */
struct finding finding_make(const struct series *base, const struct series *ns, double budget);

/** finding_allowed_ns() - What the budget allowed on the design's machine, beyond the null program
 * there. */
double finding_allowed_ns(const struct finding *finding);

/**
 * finding_judge() - The rule, for every budget:
 *
 *   A budget is met when the ratio is within it, or when the extra nanoseconds are within
 *   (budget − 1) × 27 ns. It is missed when both are over by more than the noise.
 *
 * The budgets are ratios to a null program that took 27 ns. Where that takes 7 ns, a ratio of 1.10
 * would be 0.7 ns, two or three cycles: the nanoseconds say what the budget meant. Where the null
 * program is slower than there, the ratio says it.
 *
 * Noise is what the run measured itself: the line's own deviation, and @floor, what a second null
 * program seemed to cost more or less than the first, with its deviation.
 */
enum verdict finding_judge(const struct finding *finding, const struct finding *floor);

#endif
