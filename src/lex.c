// SPDX-License-Identifier: GPL-2.0-or-later
#include "lex.h"

#include <string.h>

/* Blanks as isspace() has them in the C locale, whatever locale the daemon runs in. */
static const char blanks[] = " \t\n\v\f\r";

char *text_trim(char *text)
{
	size_t len;

	text += strspn(text, blanks);
	len = strlen(text);
	while (len > 0 && strchr(blanks, text[len - 1]))
		len--;
	text[len] = '\0';
	return text;
}

char *list_next(char **rest)
{
	char *entry = strsep(rest, ",");

	return entry ? text_trim(entry) : NULL;
}

void lex_init(struct lex *lex, const char *text, size_t len)
{
	lex->at = text;
	lex->end = text + len;
	lex->line = 0;
	lex->key = NULL;
	lex->value = NULL;
}

/* Split a trimmed line that is neither empty nor a comment. */
static enum lex_kind line_split(struct lex *lex, char *line)
{
	size_t len = strlen(line);
	char *equals;

	lex->key = line;
	lex->value = NULL;
	if (line[0] == '[' && line[len - 1] == ']') {
		line[len - 1] = '\0';
		lex->key = line + 1;
		return LEX_SECTION;
	}
	equals = strchr(line, '=');
	if (equals) {
		*equals = '\0';
		lex->value = text_trim(equals + 1);
		lex->key = text_trim(line);
	}
	return LEX_DIRECTIVE;
}

enum lex_kind lex_next(struct lex *lex)
{
	while (lex->at < lex->end) {
		const char *start = lex->at;
		size_t left = (size_t)(lex->end - start);
		const char *newline = memchr(start, '\n', left);
		size_t len = newline ? (size_t)(newline - start) : left;
		char *line;

		lex->at = newline ? newline + 1 : lex->end;
		lex->line++;
		if (memchr(start, '\0', len))
			return LEX_NUL;
		if (len > LEX_LINE_MAX)
			return LEX_TOO_LONG;
		memcpy(lex->text, start, len);
		lex->text[len] = '\0';
		line = text_trim(lex->text);
		if (line[0] != '\0' && line[0] != '#')
			return line_split(lex, line);
	}
	return LEX_END;
}
