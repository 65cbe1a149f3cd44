/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stop commands that are owed, and the file that keeps them. Of a debt the caller changes
 * timeout_ms and closed itself, and all else by what is below.
 */
#ifndef KNOCKD_DEBTS_H
#define KNOCKD_DEBTS_H

#include "debt_table.h"

struct debts;

/* To stay as long as the debts. */
struct debts_place {
	const char *folder; /* made where it is missing, mode 0700 */
	const char *name;   /* the file is NAME.owed, a '/' in NAME being '_'; or where another
	                       has that, or it is of another network namespace, NAME.2.owed, … */
	void (*say)(void *data, const char *line);
	void *data;
};

/**
 * debts_open() - Read what is owed, and take over what is in files of other names that nobody has;
 * what is wrong with a file is said, and no failure. Waits a second for who lets go of the file.
 * @now_ms: what was owed before the host was restarted is due by now
 * Return: 0 or −ENOMEM.
 */
int debts_open(struct debts **out, const struct debts_place *place, uint64_t now_ms);

/** debts_prepare() - Make the file where it is missing, and say so where that cannot be. */
void debts_prepare(struct debts *d, uint64_t now_ms);

/**
 * debts_find() - The latest of @door and @source whose stop command is @command, and does not run
 * yet; or NULL.
 */
struct debt *debts_find(const struct debts *d, const char *door, unsigned int ordinal,
			const struct source *source, const char *command);

/** debts_each() - As debt_each(). */
void debts_each(struct debts *d, const char *door, unsigned int ordinal,
		const struct source *source, unsigned int bits,
		void (*take)(void *data, struct debt *debt), void *data);

/** debts_stopping() - Whether a stop command of @debt's door and source runs. */
bool debts_stopping(const struct debts *d, const struct debt *debt);

/**
 * debts_add() - A debt that is DEBT_QUEUED.
 * Return: NULL when there are DEBTS_MAX, or memory is short.
 */
struct debt *debts_add(struct debts *d, const char *door, unsigned int ordinal,
		       const struct source *source, const char *command, uint64_t now_ms);

/**
 * debts_change() - Change state and due time, and keep the timeout that was set.
 *
 * A debt that leaves DEBT_QUEUED is on the disk when this returns; that it cannot be is said once.
 * One whose stop command runs is not due, whatever its time.
 */
void debts_change(struct debts *d, struct debt *debt, enum debt_state state, uint64_t due_ms,
		  uint64_t now_ms);

/** debts_starter() - Keep which process its start command is, for who comes after a crash. */
void debts_starter(struct debts *d, struct debt *debt, pid_t pid, uint64_t now_ms);

/** debts_pay() - The file is not to have it any more. */
void debts_pay(struct debts *d, struct debt *debt, uint64_t now_ms);

/** debts_drop() - Forget it, paid. */
void debts_drop(struct debts *d, struct debt *debt, uint64_t now_ms);

/** debts_first() - The one that is due first, by @now_ms; NULL: there is none. */
struct debt *debts_first(const struct debts *d, uint64_t now_ms);

/** debts_next_ms() - When the first is due, or DEBT_NEVER. */
uint64_t debts_next_ms(const struct debts *d);

/**
 * debts_hurry() - Those of @which, or where it is NULL all, are due by @now_ms, or when their start
 * commands have ended; the file keeps their times.
 */
void debts_hurry(struct debts *d, bool (*which)(const void *data, const struct debt *debt),
		 const void *data, uint64_t now_ms);

/** debts_retry_ms() - When debts_retry() has something to do, or DEBT_NEVER. */
uint64_t debts_retry_ms(const struct debts *d);

/** debts_retry() - Where the file could not be written, try again. */
void debts_retry(struct debts *d, uint64_t now_ms);

/** debts_count() - How many there are that no stop command has begun for. */
size_t debts_count(const struct debts *d);

/** debts_close() - What is owed stays in the file; without that it is removed. NULL is fine. */
void debts_close(struct debts *d);

#endif
