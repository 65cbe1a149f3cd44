/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A debt as a line of text and back. Words stand between single blanks; in a door's name and a
 * command each blank, control byte and backslash is a backslash and two hexadecimal digits.
 *
 *	home NAMESPACE BOOT
 *	owed NUMBER BOOT BEGAN DUE TIMEOUT FAMILY ADDRESS PID PID_START ORDINAL DOOR COMMAND
 *	due NUMBER DUE TIMEOUT
 *	runs NUMBER PID PID_START
 *	paid NUMBER
 */
#ifndef KNOCKD_DEBT_LINE_H
#define KNOCKD_DEBT_LINE_H

#include "command.h"
#include "debt_table.h"

enum {
	DEBT_LINE_MAX = 3 * (COMMAND_MAX + KNOCKD_NAME_MAX) + 512,
	DEBT_BOOT_MAX = 40,
};

enum debt_line {
	DEBT_LINE_HOME, DEBT_LINE_OWED, DEBT_LINE_DUE, DEBT_LINE_RUNS, DEBT_LINE_PAID,
};

/* Where commands run: a network namespace in a run of the host. */
struct debt_home {
	uint64_t space;           /* its cookie, which no other gets in this run; 0: not known */
	char boot[DEBT_BOOT_MAX]; /* empty: not known */
};

/** debt_home_read() - Where this process is. */
void debt_home_read(struct debt_home *home);

/** debt_line_home() - Where the one who writes the file is: its first line. */
void debt_line_home(char line[DEBT_LINE_MAX], const struct debt_home *home);

/** debt_line_owed() - All of @debt, in the time of @boot. */
void debt_line_owed(char line[DEBT_LINE_MAX], const struct debt *debt, const char *boot);

/** debt_line_due() - When it is due. */
void debt_line_due(char line[DEBT_LINE_MAX], const struct debt *debt);

/** debt_line_runs() - Which process its start command is. */
void debt_line_runs(char line[DEBT_LINE_MAX], const struct debt *debt);

/** debt_line_paid() - That it is owed no more. */
void debt_line_paid(char line[DEBT_LINE_MAX], const struct debt *debt);

/**
 * debt_line_parse() - Read a line.
 * @line: written to
 * @debt: gets the number (or the namespace) and what this kind of line tells, its command for
 *        free()
 * @boot: of DEBT_LINE_HOME and DEBT_LINE_OWED
 * Return: 0, −EINVAL or −ENOMEM.
 */
int debt_line_parse(char *line, enum debt_line *kind, struct debt *debt,
		    char boot[DEBT_BOOT_MAX]);

#endif
