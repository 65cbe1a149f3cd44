/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the verifier makes of the programs, and how long loading and reloading take. */
#ifndef KNOCKD_BENCH_PROGRAMS_H
#define KNOCKD_BENCH_PROGRAMS_H

#include "judge.h"
#include "report.h"
#include "runs.h"

enum { LOG_BYTES = 64 * 1024 };

static char program_log[PROGRAMS_MAX][LOG_BYTES];

/* Ask the verifier for its statistics only: BPF_LOG_STATS. */
static inline void programs_log(struct knockd_bpf *skel)
{
	struct bpf_program *program;
	size_t i = 0;

	bpf_object__for_each_program(program, skel->obj) {
		if (i == PROGRAMS_MAX)
			return;
		bpf_program__set_log_buf(program, program_log[i++], LOG_BYTES);
		bpf_program__set_log_level(program, 4);
	}
}

static inline void program_take(struct program_cost *cost, const struct bpf_program *program,
				const char *log)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);
	const char *time = strstr(log, "verification time ");

	*cost = (struct program_cost){ .name = bpf_program__name(program) };
	if (!bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size)) {
		cost->verified = info.verified_insns;
		cost->machine_bytes = info.jited_prog_len;
	}
	if (time)
		cost->verifier_ms = strtoul(time + strlen("verification time "), NULL, 10) / 1e3;
}

static inline double wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

/** programs_measure() - Load @setup with all programs, those of a config on trial too. */
static inline void programs_measure(struct setup *setup, struct programs *out)
{
	struct bpf_program *program;
	struct world *w;
	size_t i = 0;

	setup->trial = true;
	setup->adjust = programs_log;
	w = world_load(setup);
	bpf_object__for_each_program(program, w->skel->obj) {
		if (i < PROGRAMS_MAX)
			program_take(&out->cost[out->count++], program, program_log[i]);
		i++;
	}
}

/* Each time of several is a world that stays until the end; one is mapped 30 MB. */
enum { LOADS = 5 };

/** load_measure() - Milliseconds from a config's text to programs and tables that are complete. */
static inline double load_measure(const struct setup *setup)
{
	struct series ms = {};

	for (int i = 0; i < LOADS; i++) {
		double begin = wall_ms();

		world_load(setup);
		series_add(&ms, wall_ms() - begin);
	}
	return series_spread(&ms).median;
}

/** reload_measure() - The same in place of @from's world, with its state, and the swap. */
static inline double reload_measure(const struct runs *r, const struct setup *from,
				    struct setup *to)
{
	struct world *w = world_of(from);
	struct series ms = {};

	to->former = from;
	for (int i = 0; i < LOADS; i++) {
		double begin;

		must(!bpf_link_update(r->link_tested, w->generation.outer, NULL), "cannot swap");
		begin = wall_ms();
		must(!bpf_link_update(r->link_tested, world_load(to)->generation.outer, NULL),
		     "cannot swap");
		series_add(&ms, wall_ms() - begin);
	}
	return series_spread(&ms).median;
}

#endif
