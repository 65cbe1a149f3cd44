/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stop commands that are owed, found by whom they are for, and by which is due first. Times are
 * milliseconds of CLOCK_MONOTONIC.
 */
#ifndef KNOCKD_DEBT_TABLE_H
#define KNOCKD_DEBT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "knockd/abi.h"

enum { DEBTS_MAX = 65536, DEBT_HASH_BITS = 14 };

#define DEBT_NEVER UINT64_MAX

enum debt_state {
	DEBT_QUEUED,   /* its start command waits for its turn; the file does not have it yet */
	DEBT_STARTING, /* its start command runs */
	DEBT_ADOPTED,  /* the start command of an earlier daemon may still run */
	DEBT_STANDING, /* waits until it is due */
	DEBT_STOPPING, /* its stop command runs; due no more */
};

struct debt {
	char door[KNOCKD_NAME_MAX];
	unsigned int ordinal;
	struct source source; /* stream 0 */
	char *command;        /* as it is to be run */
	enum debt_state state;
	uint64_t due_ms;      /* DEBT_NEVER: not yet known, or not by itself */
	uint64_t began_ms;    /* when it was made */
	uint64_t timeout_ms;  /* from the end of its start command; or DEBT_NEVER */
	bool closed;          /* due before its time, because the door closed */
	bool paid;            /* its stop command has begun */
	bool inherited;       /* from an earlier daemon ... */
	bool restarted;       /* ... and from before the host was restarted */
	pid_t pid;            /* of its start command; 0: not known */
	unsigned long long pid_start; /* tells it from a later process */
	uint64_t number;      /* in the file; 0: not there */
	uint64_t kept_due_ms, kept_timeout_ms; /* as the file has them */
	size_t heap_at;
	struct debt *next;    /* of the same hash */
};

struct debt_table {
	uint64_t seed;      /* nobody is to choose addresses that meet in one place of hash */
	size_t count, room;
	struct debt **heap; /* the first is due first */
	struct debt *hash[1 << DEBT_HASH_BITS];
};

/** debt_find() - The latest of @door and @source, or NULL. */
struct debt *debt_find(const struct debt_table *t, const char *door, unsigned int ordinal,
		       const struct source *source);

/** debt_next() - The next one like @debt, which came before it: of its door and source; or NULL. */
struct debt *debt_next(const struct debt *debt);

/**
 * debt_each() - Call @take for those of @door whose source begins with the first @bits bits (of an
 * IPv6 address) of @source. @take may change them, and not remove any.
 */
void debt_each(struct debt_table *t, const char *door, unsigned int ordinal,
	       const struct source *source, unsigned int bits,
	       void (*take)(void *data, struct debt *debt), void *data);

/** debt_find_stopping() - One like @debt whose stop command runs, or NULL. */
struct debt *debt_find_stopping(const struct debt_table *t, const struct debt *debt);

/**
 * debt_insert() - Take over a copy of @debt, and its command.
 * Return: NULL when there are DEBTS_MAX, or memory is short.
 */
struct debt *debt_insert(struct debt_table *t, const struct debt *debt);

/** debt_settle() - The due time or the state of @debt has changed. */
void debt_settle(struct debt_table *t, struct debt *debt);

/** debt_settle_all() - Any of them may have changed. */
void debt_settle_all(struct debt_table *t);

/** debt_remove() - Take @debt out, and free it. */
void debt_remove(struct debt_table *t, struct debt *debt);

/** debt_next_ms() - When the first is due, or DEBT_NEVER. */
uint64_t debt_next_ms(const struct debt_table *t);

/** debt_table_free() - Free all debts; @t itself is the caller's. */
void debt_table_free(struct debt_table *t);

#endif
