/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Children that run commands, each in a session of its own and for a limited time. Nothing here
 * waits: a descriptor tells when there is something to hear of them.
 */
#ifndef KNOCKD_RUNNER_H
#define KNOCKD_RUNNER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "command.h"

struct runner;

enum { RUNNER_GRACE_MS = 5000 }; /* from SIGTERM to SIGKILL */

/* What there is to hear of a child, in this order. */
enum runner_word {
	RUNNER_BEGAN,    /* its program has begun; or value says by −errno why it could not */
	RUNNER_OVERTIME, /* its time is over, and its process group has got SIGTERM */
	RUNNER_KILLED,   /* it did not end by that, and its process group has got SIGKILL */
	RUNNER_ENDED,    /* value: as waitpid() has it; nothing comes after this */
};

typedef void runner_tell(void *data, void *job, enum runner_word word, int value);

/**
 * runner_open() - Block SIGCHLD, and hear of it.
 * @tell: called by runner_serve() alone; may not start anything
 * Return: 0 or −errno.
 */
int runner_open(struct runner **out, runner_tell *tell, void *data);

/**
 * runner_start() - Run @command.
 * @job: what to call it when something is told
 * @until_ms: when its time is over, by the clock of runner_serve()
 * Return: its process, or −errno.
 */
pid_t runner_start(struct runner *r, const struct command *command, void *job, uint64_t until_ms);

/** runner_serve() - Tell what is new; end what has run too long. */
void runner_serve(struct runner *r, uint64_t now_ms);

/** runner_fd() - Readable when runner_serve() has something to tell. */
int runner_fd(const struct runner *r);

/** runner_next_ms() - When runner_serve() has to end something; UINT64_MAX: nothing runs. */
uint64_t runner_next_ms(const struct runner *r);

/** runner_count() - How many run. */
size_t runner_count(const struct runner *r);

/** runner_close() - Let go of what runs. NULL is fine. */
void runner_close(struct runner *r, void (*job_free)(void *job));

#endif
