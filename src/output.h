/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows of cells for people, for pipes and for programs: aligned on a terminal, separated by tabs
 * elsewhere, or as JSON. Bytes that could move a terminal's cursor are shown as '?'.
 */
#ifndef KNOCKD_OUTPUT_H
#define KNOCKD_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum output_form { OUTPUT_ALIGNED, OUTPUT_TABS, OUTPUT_JSON };

enum { OUTPUT_COLUMNS_MAX = 20 };

enum cell_kind {
	CELL_TEXT,
	CELL_NUMBER,
	CELL_TRUTH,   /* number is 0 or 1 */
	CELL_LIST,    /* text is a list, ", " between its entries */
	CELL_NOTHING, /* JSON's null */
};

/* What stands in a column, in words (text; NULL: the number's digits, or nothing) and as JSON. */
struct cell {
	enum cell_kind kind;
	uint64_t number;
	const char *text;
};

struct column {
	const char *title; /* for people; NULL: the column is for JSON alone */
	const char *key;   /* in JSON; NULL: the column is for people alone */
	bool right;        /* aligned to the right */
};

struct table {
	FILE *out;
	enum output_form form;
	bool records;            /* for people: each cell on a line of its own, behind its title */
	const struct column *column;
	size_t columns, rows;
	char **text;             /* kept until the widths are known */
	size_t width[OUTPUT_COLUMNS_MAX];
};

/** table_begin() - Begin a table, in JSON a list of objects. */
void table_begin(struct table *table, FILE *out, enum output_form form, bool records,
		 const struct column *column, size_t columns);

/** table_row() - One more row. Return: 0 or −ENOMEM. */
int table_row(struct table *table, const struct cell *cell);

/** table_end() - Write what is left and release it. Return: 0 or −errno. */
int table_end(struct table *table);

/** object_print() - One JSON object, without a newline. */
void object_print(FILE *out, const struct column *column, const struct cell *cell, size_t columns);

/** text_print() - @text with '?' for control characters. */
void text_print(FILE *out, const char *text);

static inline struct cell cell_text(const char *text)
{
	return (struct cell){ CELL_TEXT, 0, text };
}

static inline struct cell cell_number(uint64_t number)
{
	return (struct cell){ CELL_NUMBER, number, NULL };
}

static inline struct cell cell_truth(bool truth, const char *text)
{
	return (struct cell){ CELL_TRUTH, truth, text };
}

static inline struct cell cell_list(const char *text)
{
	return (struct cell){ CELL_LIST, 0, text };
}

static inline struct cell cell_nothing(const char *text)
{
	return (struct cell){ CELL_NOTHING, 0, text };
}

#endif
