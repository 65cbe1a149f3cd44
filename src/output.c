// SPDX-License-Identifier: GPL-2.0-or-later
#include "output.h"

#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool is_control(unsigned char c)
{
	return c < 0x20 || c == 0x7f;
}

/* ---- JSON ---- */

/* Length of the UTF-8 character at @text of @size bytes, or 0 when it is none (RFC 3629, 4). */
static size_t character_length(const unsigned char *text, size_t size)
{
	size_t len = text[0] < 0x80 ? 1 : text[0] >> 5 == 6 ? 2 : text[0] >> 4 == 14 ? 3 :
		     text[0] >> 3 == 30 ? 4 : 0;
	uint32_t code = text[0] & (0x7f >> len);

	if (len < 2)
		return len;
	if (len > size)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if (text[i] >> 6 != 2)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	/* Neither longer than needed, nor half of a pair, nor beyond the last. */
	return code < (len == 2 ? 0x80U : len == 3 ? 0x800U : 0x10000U) ||
	       (code >= 0xd800 && code < 0xe000) || code > 0x10ffff ? 0 : len;
}

static void string_print(FILE *out, const char *text, size_t size)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t len;

	fputc('"', out);
	for (; size; at += len, size -= len) {
		len = character_length(at, size);
		if (!len) {
			fputs("\\ufffd", out);
			len = 1;
		} else if (is_control(*at)) {
			fprintf(out, "\\u%04x", *at);
		} else {
			if (*at == '"' || *at == '\\')
				fputc('\\', out);
			fwrite(at, len, 1, out);
		}
	}
	fputc('"', out);
}

static void list_print(FILE *out, const char *text)
{
	fputc('[', out);
	while (*text) {
		const char *end = strstr(text, ", ");

		string_print(out, text, end ? (size_t)(end - text) : strlen(text));
		if (!end)
			break;
		fputs(", ", out);
		text = end + 2;
	}
	fputc(']', out);
}

static void value_print(FILE *out, const struct cell *cell)
{
	switch (cell->kind) {
	case CELL_TEXT:
		string_print(out, cell->text, strlen(cell->text));
		break;
	case CELL_NUMBER:
		fprintf(out, "%" PRIu64, cell->number);
		break;
	case CELL_TRUTH:
		fputs(cell->number ? "true" : "false", out);
		break;
	case CELL_LIST:
		list_print(out, cell->text);
		break;
	case CELL_NOTHING:
		fputs("null", out);
		break;
	}
}

void object_print(FILE *out, const struct column *column, const struct cell *cell, size_t columns)
{
	const char *separator = "";

	fputc('{', out);
	for (size_t i = 0; i < columns; i++) {
		if (!column[i].key)
			continue;
		fprintf(out, "%s\"%s\": ", separator, column[i].key);
		value_print(out, &cell[i]);
		separator = ", ";
	}
	fputc('}', out);
}

/* ---- for people ---- */

void text_print(FILE *out, const char *text)
{
	size_t len;

	for (; *text; text += len ? len : 1) {
		len = control_length(text);
		fputc(len ? '?' : *text, out);
	}
}

/* Columns of a terminal that @text takes, if each character takes one. */
static size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

/* The cell in words; @digits is where to put a number. */
static const char *cell_words(const struct cell *cell, char digits[24])
{
	if (cell->text)
		return cell->text;
	if (cell->kind != CELL_NUMBER)
		return "";
	snprintf(digits, 24, "%" PRIu64, cell->number);
	return digits;
}

/* Write a row; an entry that is NULL has no column. */
static void row_print(const struct table *t, const char *const text[])
{
	bool aligned = t->form == OUTPUT_ALIGNED, first = true;
	size_t blanks = 0; /* before the next text, so that none end a line */

	for (size_t i = 0; i < t->columns; i++) {
		size_t fill = aligned && text[i] ? t->width[i] - text_width(text[i]) : 0;

		if (!text[i])
			continue;
		if (!first && !aligned)
			fputc('\t', t->out);
		blanks += first || !aligned ? 0 : 2;
		blanks += t->column[i].right ? fill : 0;
		if (*text[i]) {
			fprintf(t->out, "%*s", (int)blanks, "");
			blanks = 0;
		}
		text_print(t->out, text[i]);
		blanks += t->column[i].right ? 0 : fill;
		first = false;
	}
	fputc('\n', t->out);
}

/* A row as lines of title and text; one without text is left out. */
static void record_print(struct table *t, const struct cell *cell)
{
	size_t width = 0;

	if (t->rows && t->form == OUTPUT_ALIGNED)
		fputc('\n', t->out);
	for (size_t i = 0; i < t->columns; i++)
		if (t->column[i].title && text_width(t->column[i].title) > width)
			width = text_width(t->column[i].title);
	for (size_t i = 0; i < t->columns; i++) {
		char digits[24];
		const char *text = cell_words(&cell[i], digits);

		if (!t->column[i].title || !*text)
			continue;
		if (t->form == OUTPUT_TABS)
			fprintf(t->out, "%s\t", t->column[i].title);
		else
			fprintf(t->out, "%-*s  ", (int)width, t->column[i].title);
		text_print(t->out, text);
		fputc('\n', t->out);
	}
}

/* Keep a row until all widths are known. */
static int row_keep(struct table *t, const char *const text[])
{
	char **more = realloc(t->text, (t->rows + 1) * t->columns * sizeof(*more));
	char **row;

	if (!more)
		return -ENOMEM;
	t->text = more;
	row = more + t->rows * t->columns;
	for (size_t i = 0; i < t->columns; i++) {
		size_t width = text[i] ? text_width(text[i]) : 0;

		row[i] = text[i] ? strdup(text[i]) : NULL;
		if (text[i] && !row[i]) {
			while (i--)
				free(row[i]);
			return -ENOMEM;
		}
		if (width > t->width[i])
			t->width[i] = width;
	}
	t->rows++;
	return 0;
}

static int row_add(struct table *t, const char *const text[])
{
	if (t->form == OUTPUT_ALIGNED)
		return row_keep(t, text);
	row_print(t, text);
	t->rows++;
	return 0;
}

static int titles_add(struct table *t)
{
	const char *text[OUTPUT_COLUMNS_MAX];

	for (size_t i = 0; i < t->columns; i++)
		text[i] = t->column[i].title;
	return row_add(t, text);
}

/* ---- tables ---- */

void table_begin(struct table *table, FILE *out, enum output_form form, bool records,
		 const struct column *column, size_t columns)
{
	*table = (struct table){
		.out = out, .form = form, .records = records, .column = column, .columns = columns,
	};
	if (form == OUTPUT_JSON)
		fputc('[', out);
}

int table_row(struct table *table, const struct cell *cell)
{
	char digits[OUTPUT_COLUMNS_MAX][24];
	const char *text[OUTPUT_COLUMNS_MAX];
	int error;

	if (table->form == OUTPUT_JSON) {
		fputs(table->rows++ ? ",\n " : "\n ", table->out);
		object_print(table->out, table->column, cell, table->columns);
		return 0;
	}
	if (table->records) {
		record_print(table, cell);
		table->rows++;
		return 0;
	}
	error = table->rows ? 0 : titles_add(table);
	for (size_t i = 0; i < table->columns; i++)
		text[i] = table->column[i].title ? cell_words(&cell[i], digits[i]) : NULL;
	return error ? error : row_add(table, text);
}

int table_end(struct table *table)
{
	int error = 0;

	if (table->form == OUTPUT_JSON)
		fputs(table->rows ? "\n]\n" : "]\n", table->out);
	else if (!table->rows && !table->records)
		error = titles_add(table);
	for (size_t i = 0; table->text && i < table->rows; i++) {
		char **row = table->text + i * table->columns;

		row_print(table, (const char *const *)row);
		for (size_t j = 0; j < table->columns; j++)
			free(row[j]);
	}
	free(table->text);
	table->text = NULL;
	if (fflush(table->out))
		return -errno;
	return ferror(table->out) ? -EIO : error;
}
