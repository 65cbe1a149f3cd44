/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the benchmark found, as tables for people or as JSON. */
#ifndef KNOCKD_BENCH_REPORT_H
#define KNOCKD_BENCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "judge.h"

enum { PROGRAMS_MAX = 16, FINDINGS_MAX = 512 };

/* Of one program, as the kernel tells. */
struct program_cost {
	const char *name;
	unsigned int verified;      /* instructions that the verifier processed */
	unsigned int machine_bytes;
	double verifier_ms;
};

struct programs {
	struct program_cost cost[PROGRAMS_MAX];
	size_t count;
};

/* A number with a budget of its own. */
struct limit_check {
	const char *name, *unit;
	double value, limit;
};

struct report {
	size_t rounds, undisturbed; /* of the latter everything has so many */
	uint64_t capabilities;   /* a bit set of those that loaded the programs */
	struct finding floor;    /* one null program against another */
	struct finding finding[FINDINGS_MAX];
	size_t findings;
	struct programs programs;
	struct limit_check check[4];
	size_t checks;
};

/** report_judge() - Give every finding its verdict. Return: whether some budget was missed. */
bool report_judge(struct report *report);

void report_print(const struct report *report, FILE *out);

void report_print_json(const struct report *report, FILE *out);

#endif
