// SPDX-License-Identifier: GPL-2.0-or-later
#include "debt_reader.h"

#include <stdlib.h>
#include <string.h>

static bool reader_room(struct debt_reader *reader)
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
static struct debt *reader_find(const struct debt_reader *reader, uint64_t number)
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

/* Whoever took over the file before was killed before it could remove it. */
static bool debt_taken(const struct debt_reader *reader, const struct debt *debt)
{
	const struct debt *had = debt_find(reader->table, debt->door, debt->ordinal,
					   &debt->source);

	for (; reader->adopting && had; had = debt_next(had))
		if (had->began_ms == debt->began_ms && !strcmp(had->command, debt->command))
			return true;
	return false;
}

/* Numbers only rise. */
static bool owed_take(struct debt_reader *reader, struct debt *debt)
{
	struct debt *new = NULL;

	if (debt->number <= reader->last)
		return false;
	if (!reader_room(reader)) {
		reader->short_of_room = true;
		return false;
	}
	if (debt_taken(reader, debt)) {
		free(debt->command);
	} else {
		new = debt_insert(reader->table, debt);
		reader->short_of_room |= !new;
		if (!new)
			return false;
	}
	reader->last = debt->number;
	reader->number[reader->count] = debt->number;
	reader->owed[reader->count++] = new;
	return true;
}

static void old_change(struct debt *old, enum debt_line kind, const struct debt *debt)
{
	if (kind == DEBT_LINE_DUE) {
		old->due_ms = debt->due_ms;
		old->timeout_ms = debt->timeout_ms;
	} else if (kind == DEBT_LINE_RUNS) {
		old->pid = debt->pid;
		old->pid_start = debt->pid_start;
	} else {
		old->paid = true;
	}
}

/* A namespace is no more once the host was restarted. */
static bool home_foreign(const struct debt_home *home, const struct debt *line, const char *boot)
{
	return line->number != home->space && home->boot[0] && !strcmp(boot, home->boot);
}

static bool line_take(struct debt_reader *reader, char *text)
{
	struct debt debt = {}, *old;
	char boot[DEBT_BOOT_MAX];
	enum debt_line kind;

	if (debt_line_parse(text, &kind, &debt, boot))
		return false;
	if (kind == DEBT_LINE_HOME) {
		reader->foreign = home_foreign(reader->home, &debt, boot);
		return true;
	}
	if (kind == DEBT_LINE_OWED) {
		debt.inherited = true;
		debt.restarted = !reader->home->boot[0] || strcmp(boot, reader->home->boot);
		if (owed_take(reader, &debt))
			return true;
		free(debt.command);
		return false;
	}
	old = reader_find(reader, debt.number);
	if (old)
		old_change(old, kind, &debt);
	return true;
}

void debt_reader_line(void *data, char *line, size_t number)
{
	struct debt_reader *reader = data;

	if (reader->foreign || (line && line_take(reader, line)))
		return;
	if (!reader->damaged++)
		reader->first = number;
}

void debt_reader_look(void *data, char *line, size_t number)
{
	struct debt_reader *reader = data;
	char boot[DEBT_BOOT_MAX];
	struct debt debt = {};
	enum debt_line kind;

	(void)number;
	if (!line || debt_line_parse(line, &kind, &debt, boot)) {
		reader->damaged++;
		return;
	}
	free(debt.command);
	if (kind == DEBT_LINE_HOME)
		reader->foreign = home_foreign(reader->home, &debt, boot);
	reader->count += kind == DEBT_LINE_OWED;
	reader->count -= kind == DEBT_LINE_PAID && reader->count;
}

/* What was read, as it stands now. */
static void debt_inherit(struct debt *debt, uint64_t now_ms)
{
	debt->state = DEBT_STANDING;
	debt->kept_due_ms = debt->due_ms;
	debt->kept_timeout_ms = debt->timeout_ms;
	if (debt->restarted) {
		debt->due_ms = now_ms;
		debt->pid = 0;
	} else if (debt->due_ms == DEBT_NEVER && debt->timeout_ms != DEBT_NEVER) {
		debt->state = DEBT_ADOPTED;
		debt->due_ms = now_ms;
	}
}

static void reader_free(struct debt_reader *reader)
{
	debt_settle_all(reader->table);
	free(reader->owed);
	free(reader->number);
	reader->owed = NULL;
	reader->number = NULL;
}

size_t debt_reader_end(struct debt_reader *reader)
{
	size_t owed = 0;

	for (size_t i = 0; i < reader->count; i++) {
		struct debt *debt = reader->owed[i];

		if (!debt)
			continue;
		if (debt->paid) {
			debt_remove(reader->table, debt);
			continue;
		}
		debt_inherit(debt, reader->now_ms);
		/* Another's numbers mean nothing among ours. */
		if (reader->adopting)
			debt->number = 0;
		owed++;
	}
	reader_free(reader);
	return owed;
}

void debt_reader_undo(struct debt_reader *reader)
{
	for (size_t i = 0; i < reader->count; i++)
		if (reader->owed[i])
			debt_remove(reader->table, reader->owed[i]);
	reader_free(reader);
}
