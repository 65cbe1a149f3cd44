/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Config text → lines, in the grammar of knockd 0.8: a line is empty, a comment (its first byte
 * that is no blank is '#'), a [section], or a directive that the first '=' splits in key and value.
 * There are no inline comments, no quoting, no escapes and no continued lines.
 */
#ifndef KNOCKD_LEX_H
#define KNOCKD_LEX_H

#include <stddef.h>

enum { LEX_LINE_MAX = 4095 }; /* bytes in a line without its end; 0.8 split longer ones silently */

enum lex_kind {
	LEX_END,
	LEX_SECTION,   /* key is its name, blanks within the brackets kept */
	LEX_DIRECTIVE, /* key and value trimmed; value is NULL where the line has no '=' */
	LEX_TOO_LONG,  /* more than LEX_LINE_MAX bytes */
	LEX_NUL,       /* holds a NUL byte */
};

struct lex {
	const char *at, *end; /* what is left of the text */
	unsigned int line;    /* number of the line read last; the first is 1 */
	char *key, *value;    /* of that line; they point into text and may be written to */
	char text[LEX_LINE_MAX + 1];
};

/** lex_init() - Start at the first of @len bytes at @text, which must outlive @lex. */
void lex_init(struct lex *lex, const char *text, size_t len);

/** lex_next() - Read on to the next line that says something. */
enum lex_kind lex_next(struct lex *lex);

/** text_trim() - Cut blanks off both ends of @text in place. Return: its new start. */
char *text_trim(char *text);

/**
 * list_next() - Take the next entry, trimmed, off a comma list.
 * @rest: the list; moved behind the entry, to NULL behind the last one
 *
 * An empty list has one empty entry.
 *
 * Return: the entry, or NULL when @rest points to NULL.
 */
char *list_next(char **rest);

#endif
