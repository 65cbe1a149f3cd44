/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a file of lines says is owed, put into a table. Pure. */
#ifndef KNOCKD_DEBT_READER_H
#define KNOCKD_DEBT_READER_H

#include "debt_line.h"
#include "debt_table.h"

struct debt_reader {
	struct debt_table *table;
	const struct debt_home *home; /* where the reader is */
	uint64_t now_ms;
	bool adopting;      /* it is another's file: what the table has already is not read again */
	/* What came of it. */
	bool foreign;       /* it is of another network namespace, and nothing of it was read */
	bool short_of_room; /* a debt found none in the table */
	size_t damaged;     /* lines */
	size_t first;       /* of them */
	size_t count;       /* debts in the file, paid or not */
	uint64_t last;      /* the greatest number in the file */
	/* Its own. */
	struct debt **owed; /* by number; NULL: gone */
	uint64_t *number;
	size_t room;
};

/** debt_reader_line() - For journal_read(); @data is the struct debt_reader. */
void debt_reader_line(void *data, char *line, size_t number);

/**
 * debt_reader_look() - The same, and only to learn whether it is foreign, and (count) how many
 * debts it has that are not paid; needs no table, and no end.
 */
void debt_reader_look(void *data, char *line, size_t number);

/**
 * debt_reader_end() - The table is as the file has it, and what was owed before the host was
 * restarted is due; released.
 * Return: how many debts of the file are owed.
 */
size_t debt_reader_end(struct debt_reader *reader);

/** debt_reader_undo() - The table is as it was before; released. */
void debt_reader_undo(struct debt_reader *reader);

#endif
