/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages about a config: collected, sorted by line, bounded in number, printed by the caller.
 * The parser and the checks add to one list; neither prints nor exits.
 */
#ifndef KNOCKD_MESSAGE_H
#define KNOCKD_MESSAGE_H

#include <stdarg.h>
#include <stdio.h>

enum message_level { MESSAGE_WARNING, MESSAGE_ERROR };

struct message {
	enum message_level level;
	unsigned int line; /* 0: about the file as a whole */
	char *text;
};

enum { MESSAGES_MAX = 50 }; /* errors or warnings kept; the rest is only counted */

struct messages {
	const char *file;
	struct message *at;
	size_t count;            /* kept */
	size_t errors, warnings; /* all, kept or not */
};

/** messages_init() - An empty list about @file, which must outlive it. */
void messages_init(struct messages *messages, const char *file);

/** messages_free() - Release the texts. */
void messages_free(struct messages *messages);

/**
 * message_add() - Add one message; past MESSAGES_MAX of its level it is counted only.
 *
 * Control bytes in what the text quotes are shown as '?'.
 */
void message_add(struct messages *messages, enum message_level level, unsigned int line,
		 const char *format, ...) __attribute__((format(printf, 4, 5)));

/** message_addv() - message_add() for a caller that has a va_list, which is used up. */
void message_addv(struct messages *messages, enum message_level level, unsigned int line,
		  const char *format, va_list arguments) __attribute__((format(printf, 4, 0)));

/**
 * messages_print() - Write all messages to @out by line number, one each:
 * `file:line: text` for an error, `file:line: warning: text` for a warning (`file: …` for line 0),
 * then, if some were not kept, `file: and N more errors` or `… warnings`.
 */
void messages_print(const struct messages *messages, FILE *out);

#endif
