// SPDX-License-Identifier: GPL-2.0-or-later
#include "debts_parts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "debt_line.h"
#include "process.h"

enum {
	SPARE_LINES = 4096,  /* that the file may have, beside four for each debt */
	STEP_MS = 1000,      /* a due time that moved by less is not worth a line */
	PATIENCE_MS = 1000,  /* until the file is tried again */
};

void debts_say(const struct debts *d, const char *format, ...)
{
	char line[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	d->place.say(d->place.data, line);
}

/* ---- the table ---- */

struct debt *debts_find(const struct debts *d, const char *door, unsigned int ordinal,
			const struct source *source, const char *command)
{
	struct debt *debt = debt_find(&d->table, door, ordinal, source);

	while (debt && (debt->state == DEBT_STOPPING || strcmp(debt->command, command)))
		debt = debt_next(debt);
	return debt;
}

void debts_each(struct debts *d, const char *door, unsigned int ordinal,
		const struct source *source, unsigned int bits,
		void (*take)(void *data, struct debt *debt), void *data)
{
	debt_each(&d->table, door, ordinal, source, bits, take, data);
}

bool debts_stopping(const struct debts *d, const struct debt *debt)
{
	return debt_find_stopping(&d->table, debt);
}

uint64_t debts_next_ms(const struct debts *d)
{
	return debt_next_ms(&d->table);
}

struct debt *debts_first(const struct debts *d, uint64_t now_ms)
{
	return debts_next_ms(d) <= now_ms ? d->table.heap[0] : NULL;
}

void debts_hurry(struct debts *d, bool (*which)(const void *data, const struct debt *debt),
		 const void *data, uint64_t now_ms)
{
	for (size_t i = 0; i < d->table.count; i++) {
		struct debt *debt = d->table.heap[i];

		if (which && !which(data, debt))
			continue;
		debt->closed = true;
		if (debt->state == DEBT_STANDING && debt->due_ms > now_ms)
			debt->due_ms = now_ms;
	}
	debt_settle_all(&d->table);
}

size_t debts_count(const struct debts *d)
{
	return d->table.count - d->paid;
}

/* ---- the file ---- */

/* The file is to have it: its start command may have run, its stop command not. */
static bool debt_kept(const struct debt *debt)
{
	return debt->state != DEBT_QUEUED && !debt->paid;
}

static int number_compare(const void *a, const void *b)
{
	const struct debt *const *x = a, *const *y = b;

	return ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

/* Every number is greater than those before it, which is how a line's number is found again. */
static int debts_fill(void *data, FILE *out)
{
	struct debts *d = data;
	struct debt **sorted = malloc((d->table.count + 1) * sizeof(struct debt *));
	char line[DEBT_LINE_MAX];
	size_t count = 0;

	if (!sorted)
		return -ENOMEM;
	debt_line_home(line, &d->home);
	journal_put(out, line);
	for (size_t i = 0; i < d->table.count; i++) {
		struct debt *debt = d->table.heap[i];

		if (!debt_kept(debt))
			continue;
		if (!debt->number)
			debt->number = ++d->last_number;
		sorted[count++] = debt;
	}
	qsort(sorted, count, sizeof(*sorted), number_compare);
	for (size_t i = 0; i < count; i++) {
		debt_line_owed(line, sorted[i], d->home.boot);
		journal_put(out, line);
	}
	free(sorted);
	return 0;
}

static void debt_is_kept(struct debt *debt)
{
	debt->kept_due_ms = debt->due_ms;
	debt->kept_timeout_ms = debt->timeout_ms;
}

void debts_taken_remove(struct debts *d)
{
	int error = d->taken ? journal_remove(d->taken) : 0;

	if (error)
		debts_say(d, "%s: cannot be removed: %s; stop commands owed there will run again",
		    journal_path(d->taken), strerror(-error));
	journal_close(d->taken);
	d->taken = NULL;
}

static int debts_rewrite(struct debts *d, uint64_t now_ms)
{
	int error = journal_replace(d->journal, debts_fill, d);

	/* Who has the name came after we looked. */
	while (error == -EBUSY && !debts_name(d, d->name + 1))
		error = journal_replace(d->journal, debts_fill, d);

	d->retry_ms = now_ms + PATIENCE_MS;
	if (error)
		return error;
	d->lines = 0;
	for (size_t i = 0; i < d->table.count; i++) {
		if (!debt_kept(d->table.heap[i]))
			continue;
		debt_is_kept(d->table.heap[i]);
		d->lines++;
	}
	debts_taken_remove(d);
	return 0;
}

void debts_recover(struct debts *d, uint64_t now_ms)
{
	int error;

	if (d->failed && now_ms < d->retry_ms)
		return;
	error = debts_rewrite(d, now_ms);
	if (error && !d->failed)
		debts_say(d, "%s: %s; a crash would lose stop commands that are owed, or run them "
			  "again", journal_path(d->journal), strerror(-error));
	else if (!error && d->failed)
		debts_say(d, "%s: stop commands that are owed are kept again",
		    journal_path(d->journal));
	d->failed = error;
}

static void line_keep(struct debts *d, const char *line, bool durably, uint64_t now_ms)
{
	if (d->unusable)
		return;
	if (journal_add(d->journal, line, durably)) {
		debts_recover(d, now_ms);
		return;
	}
	d->lines++;
	/* Where this fails the file goes on growing, which harms nobody yet. */
	if (d->lines > SPARE_LINES + 4 * d->table.count && now_ms >= d->retry_ms)
		debts_rewrite(d, now_ms);
}

static void debt_keep(struct debts *d, struct debt *debt, uint64_t now_ms)
{
	char line[DEBT_LINE_MAX];

	debt->number = ++d->last_number;
	debt_line_owed(line, debt, d->home.boot);
	debt_is_kept(debt);
	line_keep(d, line, true, now_ms);
}

static bool time_moved(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) >= STEP_MS;
}

static void debt_time_keep(struct debts *d, struct debt *debt, uint64_t now_ms)
{
	char line[DEBT_LINE_MAX];

	if (!time_moved(debt->due_ms, debt->kept_due_ms) &&
	    debt->timeout_ms == debt->kept_timeout_ms)
		return;
	debt_line_due(line, debt);
	debt_is_kept(debt);
	line_keep(d, line, false, now_ms);
}

uint64_t debts_retry_ms(const struct debts *d)
{
	return d->failed ? d->retry_ms : DEBT_NEVER;
}

void debts_retry(struct debts *d, uint64_t now_ms)
{
	if (d->failed)
		debts_recover(d, now_ms);
}

void debts_prepare(struct debts *d, uint64_t now_ms)
{
	if (!d->unusable && !d->failed && !journal_writable(d->journal))
		debts_recover(d, now_ms);
}

/* ---- changes ---- */

struct debt *debts_add(struct debts *d, const char *door, unsigned int ordinal,
		       const struct source *source, const char *command, uint64_t now_ms)
{
	struct debt debt = {
		.ordinal = ordinal,
		.source = *source,
		.command = strdup(command),
		.state = DEBT_QUEUED,
		.due_ms = DEBT_NEVER,
		.began_ms = now_ms,
	};
	struct debt *new;

	snprintf(debt.door, sizeof(debt.door), "%s", door);
	new = debt.command ? debt_insert(&d->table, &debt) : NULL;
	if (!new)
		free(debt.command);
	return new;
}

void debts_change(struct debts *d, struct debt *debt, enum debt_state state, uint64_t due_ms,
		  uint64_t now_ms)
{
	enum debt_state before = debt->state;

	debt->state = state;
	debt->due_ms = due_ms;
	debt_settle(&d->table, debt);
	if (state == DEBT_QUEUED || state == DEBT_STOPPING || state == DEBT_ADOPTED)
		return;
	if (before == DEBT_QUEUED)
		debt_keep(d, debt, now_ms);
	else
		debt_time_keep(d, debt, now_ms);
}

void debts_starter(struct debts *d, struct debt *debt, pid_t pid, uint64_t now_ms)
{
	char line[DEBT_LINE_MAX];

	debt->pid = pid;
	debt->pid_start = process_start(pid);
	debt_line_runs(line, debt);
	line_keep(d, line, false, now_ms);
}

void debts_pay(struct debts *d, struct debt *debt, uint64_t now_ms)
{
	char line[DEBT_LINE_MAX];

	if (debt->paid)
		return;
	debt->paid = true;
	d->paid++;
	debt_line_paid(line, debt);
	if (debt->number)
		line_keep(d, line, false, now_ms);
}

void debts_drop(struct debts *d, struct debt *debt, uint64_t now_ms)
{
	debts_pay(d, debt, now_ms);
	d->paid--;
	debt_remove(&d->table, debt);
}

/* ---- the end ---- */

void debts_close(struct debts *d)
{
	if (!d)
		return;
	/* Names are few, and a file that says nothing is not to keep one. */
	if (!debts_count(d) && !d->unusable) {
		debts_taken_remove(d);
		if (journal_held(d->journal))
			journal_remove(d->journal);
	} else if (d->failed) {
		debts_rewrite(d, 0);
	}
	debt_table_free(&d->table);
	journal_close(d->journal);
	journal_close(d->taken);
	free(d);
}
