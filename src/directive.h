/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What parse.c, which reads lines, shares with the files that read values for it: values.c,
 * addresses.c and ports.c.
 */
#ifndef KNOCKD_DIRECTIVE_H
#define KNOCKD_DIRECTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "message.h"

enum section { SECTION_NONE, SECTION_OPTIONS, SECTION_DOOR, SECTION_BAD };

enum where { IN_OPTIONS = 1, IN_DOOR = 2 };

enum { DIRECTIVES_MAX = 48 };

struct parser {
	struct conf *conf;
	struct messages *messages;
	unsigned int line;
	enum section section;
	struct conf_door *door; /* of the section; NULL where there was no room for it */
	const char *key;        /* of the directive, as written */
	bool doors_full;        /* said so */
	/* Line on which each directive stood last, or 0. */
	unsigned int seen_options[DIRECTIVES_MAX];
	unsigned int seen_door[DIRECTIVES_MAX];
};

/*
 * What a setter does with a value, which it may write to; errors go to the messages. A value with
 * an error leaves the setting as it was.
 *
 * Return: 0 or -ENOMEM.
 */
struct directive;
typedef int setter(struct parser *p, const struct directive *directive, char *value);

struct directive {
	const char *name, *alias;
	enum where where;
	setter *set;
	size_t offset;            /* of the setting in struct conf or struct conf_door */
	uint64_t min, max;        /* numbers and times */
	const char *const *words; /* choices */
};

/* values.c: single values */
setter number_set, duration_set, open_time_set, old_time_set, cmd_timeout_set, choice_set;
setter syslog_set, path_set, command_set, one_time_set, interface_set;

/* addresses.c */
setter prefixes_set, target_set;

/* ports.c: lists of ports and flags */
setter sequence_set, ranges_set, flags_set;

/** error_add() - Add an error about the line at hand. */
void error_add(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** warning_add() - Add a warning about the line at hand. */
void warning_add(struct parser *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** setting_at() - Where the value of @directive goes. */
void *setting_at(const struct parser *p, const struct directive *directive);

/**
 * comment_cut() - Cut a comment off a number.
 *
 * 0.8 reads numbers with atoi(), so "25 # seconds" works there and has to work here. Only numbers
 * have that; in any other value a '#' is part of it.
 *
 * Return: what is left, trimmed.
 */
char *comment_cut(char *text);

/** word_find() - The place of @text in @words, whatever its case, or -1. */
int word_find(const char *const *words, const char *text, size_t len);

/** words_join() - Write @words to @out as "a, b or c". */
void words_join(const char *const *words, char *out, size_t size);

#endif
