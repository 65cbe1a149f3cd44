// SPDX-License-Identifier: GPL-2.0-or-later
#include "debts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "debt_line.h"
#include "journal.h"
#include "process.h"

enum {
	SPARE_LINES = 4096,  /* that the file may have, beside four for each debt */
	STEP_MS = 1000,      /* a due time that moved by less is not worth a line */
	PATIENCE_MS = 1000,  /* until the file is tried again */
};

struct debts {
	struct debts_place place;
	struct journal *journal;
	char boot[DEBT_BOOT_MAX];
	bool unusable;       /* the file is another's, or cannot be read */
	bool failed;         /* the last line could not be kept, and that was said */
	uint64_t retry_ms;
	size_t lines;        /* of the file */
	uint64_t last_number;
	size_t paid;         /* how many of the table are */
	struct debt_table table;
};

__attribute__((format(printf, 2, 3)))
static void say(const struct debts *d, const char *format, ...)
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
			const struct source *source)
{
	return debt_find(&d->table, door, ordinal, source);
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

void debts_hurry(struct debts *d, uint64_t now_ms)
{
	for (size_t i = 0; i < d->table.count; i++) {
		struct debt *debt = d->table.heap[i];

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
	size_t count = 0;

	if (!sorted)
		return -ENOMEM;
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
		char line[DEBT_LINE_MAX];

		debt_line_owed(line, sorted[i], d->boot);
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

static int debts_rewrite(struct debts *d, uint64_t now_ms)
{
	int error = journal_replace(d->journal, debts_fill, d);

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
	return 0;
}

/* The last line could not be added, or none could be yet: write all of them. */
static void debts_recover(struct debts *d, uint64_t now_ms)
{
	int error;

	if (d->failed && now_ms < d->retry_ms)
		return;
	error = debts_rewrite(d, now_ms);
	if (error && !d->failed)
		say(d, "%s: %s; a crash would lose stop commands that are owed, or run them again",
		    journal_path(d->journal), strerror(-error));
	else if (!error && d->failed)
		say(d, "%s: stop commands that are owed are kept again",
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
	debt_line_owed(line, debt, d->boot);
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

/* ---- beginning and end ---- */

/* What the file says, line by line. */
struct reader {
	struct debts *d;
	struct debt **owed; /* by number */
	uint64_t *number;
	size_t count, room;
	size_t damaged;     /* lines */
	size_t first;       /* of them */
	uint64_t now_ms;
};

static bool reader_room(struct reader *reader)
{
	size_t room = reader->room ? 2 * reader->room : 64;
	struct debt **owed;
	uint64_t *number;

	if (reader->count < reader->room)
		return true;
	owed = realloc(reader->owed, room * sizeof(struct debt *));
	if (owed)
		reader->owed = owed;
	number = owed ? realloc(reader->number, room * sizeof(*number)) : NULL;
	if (!number)
		return false;
	reader->number = number;
	reader->room = room;
	return true;
}

/* The debt of that number, or NULL. */
static struct debt *reader_find(const struct reader *reader, uint64_t number)
{
	size_t low = 0, high = reader->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (reader->number[middle] < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < reader->count && reader->number[low] == number ? reader->owed[low] : NULL;
}

static bool owed_take(struct reader *reader, struct debt *debt)
{
	struct debts *d = reader->d;
	struct debt *new;

	if (debt->number <= d->last_number || !reader_room(reader))
		return false;
	new = debt_insert(&d->table, debt);
	if (!new)
		return false;
	d->last_number = debt->number;
	reader->number[reader->count] = debt->number;
	reader->owed[reader->count++] = new;
	return true;
}

static bool debt_line_take(struct reader *reader, char *text)
{
	struct debt debt = {};
	enum debt_line kind;
	char boot[DEBT_BOOT_MAX];
	struct debt *old;
	int error = debt_line_parse(text, &kind, &debt, boot);

	if (error)
		return false;
	if (kind == DEBT_LINE_OWED) {
		debt.inherited = true;
		debt.restarted = !reader->d->boot[0] || strcmp(boot, reader->d->boot);
		if (owed_take(reader, &debt))
			return true;
		free(debt.command);
		return false;
	}
	old = reader_find(reader, debt.number);
	if (!old)
		return true;
	if (kind == DEBT_LINE_DUE) {
		old->due_ms = debt.due_ms;
		old->timeout_ms = debt.timeout_ms;
	} else if (kind == DEBT_LINE_RUNS) {
		old->pid = debt.pid;
		old->pid_start = debt.pid_start;
	} else {
		old->paid = true;
	}
	return true;
}

static void line_take(void *data, char *line, size_t number)
{
	struct reader *reader = data;

	if (line && debt_line_take(reader, line))
		return;
	if (!reader->damaged++)
		reader->first = number;
}

/* What was read, as it stands now. */
static void debt_inherit(struct debt *debt, uint64_t now_ms)
{
	debt->state = DEBT_STANDING;
	debt->kept_due_ms = debt->due_ms;
	debt->kept_timeout_ms = debt->timeout_ms;
	if (debt->restarted) {
		debt->due_ms = debt->began_ms = now_ms;
		debt->pid = 0;
	} else if (debt->due_ms == DEBT_NEVER && debt->timeout_ms != DEBT_NEVER) {
		debt->state = DEBT_ADOPTED;
		debt->due_ms = now_ms;
	}
}

static void reader_end(struct reader *reader)
{
	struct debts *d = reader->d;

	for (size_t i = 0; i < reader->count; i++) {
		struct debt *debt = reader->owed[i];

		if (debt->paid)
			debt_remove(&d->table, debt);
		else
			debt_inherit(debt, reader->now_ms);
	}
	debt_settle_all(&d->table);
	free(reader->owed);
	free(reader->number);
}

static void damage_say(struct debts *d, const struct reader *reader)
{
	int error;

	if (!reader->damaged)
		return;
	error = journal_set_aside(d->journal);
	say(d, "%s: %zu lines cannot be read, the first is line %zu; stop commands owed there are "
	    "not run%s%s%s", journal_path(d->journal), reader->damaged, reader->first,
	    error ? "" : ", the file is kept as ", error ? "" : journal_aside_path(d->journal),
	    error ? "" : " to be looked at");
}

static void debts_read(struct debts *d, uint64_t now_ms)
{
	struct reader reader = { .d = d, .now_ms = now_ms };
	int error = journal_read(d->journal, line_take, &reader);

	reader_end(&reader);
	damage_say(d, &reader);
	if (error) {
		d->unusable = true;
		say(d, "%s: %s; a crash would lose stop commands that are owed, or run them again",
		    journal_path(d->journal), error == -EPERM ?
		    "it or its folder is not ours alone to write" : strerror(-error));
	}
	if (!d->unusable && (d->table.count || reader.count || reader.damaged))
		debts_recover(d, now_ms);
}

int debts_open(struct debts **out, const struct debts_place *place, uint64_t now_ms)
{
	struct debts *d = calloc(1, sizeof(*d));
	char *name = NULL;
	int error = -ENOMEM;

	if (d && asprintf(&name, "%s.owed", place->name) < 0)
		name = NULL;
	for (char *at = name; at && *at; at++)
		if (*at == '/')
			*at = '_';
	if (name)
		error = journal_open(&d->journal, place->folder, name);
	free(name);
	if (error) {
		free(d);
		return error;
	}
	d->place = *place;
	debt_boot_read(d->boot);
	if (getrandom(&d->table.seed, sizeof(d->table.seed), GRND_NONBLOCK) < 0)
		d->table.seed = now_ms;
	debts_read(d, now_ms);
	*out = d;
	return 0;
}

void debts_close(struct debts *d)
{
	if (!d)
		return;
	debt_table_free(&d->table);
	journal_close(d->journal);
	free(d);
}
