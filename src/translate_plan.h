/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of each line of a config that is translated: between translate.c and the parser. */
#ifndef KNOCKD_TRANSLATE_PLAN_H
#define KNOCKD_TRANSLATE_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "conf.h"
#include "firewall_rule.h"

/* What a directive is to a door; of each of the first ones a door can use but one. */
enum role {
	ROLE_START,
	ROLE_START6,
	ROLE_STOP,
	ROLE_STOP6,
	ROLE_TIMEOUT,
	ROLE_SEQUENCE,
	ROLE_OPEN,    /* Open and what belongs to it */
	ROLE_PACE,    /* how to knock: the door that a closing sequence moves to has its own */
	ROLE_OTHER,
	ROLE_COUNT,
};

enum { ROLE_COMMANDS = ROLE_STOP6 + 1 };

/* What becomes of a line. */
enum change {
	CHANGE_NONE,
	CHANGE_DROP,
	CHANGE_DISABLE, /* made a comment */
	CHANGE_OPEN,    /* a start command made Open and what belongs to it */
	CHANGE_TIME,    /* Cmd_Timeout made Open_Time */
};

struct line {
	const char *at;
	size_t len;          /* without its end */
	bool whole;          /* ends in a newline */
	size_t key_len;      /* of a directive or section; 0: neither */
	const char *value;   /* of a directive that has one */
	size_t value_len;
	const char *comment; /* within the value, up to its end; NULL: none */
	size_t door;         /* 1 + index; 0: none */
	enum change change;
	bool left;           /* counted as left alone */
	char *notes;         /* whole lines; NULL: none */
};

enum fate {
	FATE_LEFT,     /* has no commands, or not such that it can be translated */
	FATE_TIMED,    /* opens and closes by itself */
	FATE_OPENS,    /* opens until something closes */
	FATE_CLOSES,   /* closes what another door opened */
	FATE_MERGED,   /* is the Close_Sequence of another door now */
};

struct door {
	const struct conf_door *conf;
	size_t section;          /* its line, an index as the next */
	size_t line[ROLE_COUNT]; /* last of each role; 0: none, as the section is before it */
	bool twice, too_long, suspect;
	enum fate fate;
	struct firewall_rule rule; /* unless left */
	const struct door *closer; /* or NULL */
};

struct plan {
	struct line *line;
	size_t line_count;
	struct door *door;
	size_t door_count;
	const struct conf *conf;
	const char *eol;
	bool short_of_memory;
};

extern const char note_mark[]; /* what all comments of ours begin with */

/** lines_split() - Fill @plan with the raw lines of @text. Return: 0 or -ENOMEM. */
int lines_split(struct plan *plan, const char *text, size_t len);

/**
 * doors_read() - Find the doors of @plan, whose lines and conf are those of @text, without errors.
 * Return: 0 or -ENOMEM.
 */
int doors_read(struct plan *plan, const char *text, size_t len);

/** doors_plan() - Decide on every line. Return: whether anything is translated. */
bool doors_plan(struct plan *plan);

/** note_add() - Put a comment above the line at @i, unless it is there. */
void note_add(struct plan *plan, size_t i, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** plan_free() - Release what @plan holds. */
void plan_free(struct plan *plan);

#endif
