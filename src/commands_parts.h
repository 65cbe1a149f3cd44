/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What commands.c and commands_openings.c share. */
#ifndef KNOCKD_COMMANDS_PARTS_H
#define KNOCKD_COMMANDS_PARTS_H

#include "commands.h"
#include "debts.h"
#include "rate.h"
#include "refusals.h"
#include "runner.h"

enum { QUEUE_MAX = 1024 };

/* A command that waits for its turn, or runs. */
struct job {
	char door[KNOCKD_NAME_MAX];
	struct source source;
	struct debt *debt; /* NULL: nothing is owed for it */
	bool stop;
	bool failed;       /* its program could not begin */
	char command[];
};

struct commands {
	struct commands_place place;
	struct runner *runner;
	struct debts *debts;
	struct rate rate;
	size_t max;
	unsigned int prefix6; /* sources that share it share a grant */
	uint64_t time_ms;
	uint64_t now_ms;   /* of the call that is served */
	struct refusals refusals;
	struct job *queue[QUEUE_MAX]; /* start commands that wait in line */
	size_t queued;
};

/** commands_say() - A line for the log. */
void commands_say(struct commands *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** job_make() - Of @command, which was expanded. Return: NULL when memory is short. */
struct job *job_make(const char *door, const struct source *source, const char *command,
		     struct debt *debt, bool stop);

/** job_drop() - It is not run: nothing is owed for it, and it is freed. */
void job_drop(struct commands *c, struct job *job);

/** time_after() - @ms may be DEBT_NEVER. */
uint64_t time_after(uint64_t from_ms, uint64_t ms);

/** commands_pump() - Start what is due, as far as there is room. */
void commands_pump(struct commands *c);

#endif
