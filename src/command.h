/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One command of a door: its text with the placeholders filled in, and what execve() gets for it.
 * Pure; runs nothing.
 */
#ifndef KNOCKD_COMMAND_H
#define KNOCKD_COMMAND_H

#include <stdbool.h>

#include "knockd/abi.h"

enum { COMMAND_MAX = 4095 }; /* bytes of a command as it is run, as in 0.8 */

/* What a command is told. */
struct command_about {
	const char *door;
	const struct source *source;
};

/* For execve(argv[0], argv, environment). */
struct command {
	char **argv;
	char **environment;
	bool shell; /* argv is that of /bin/sh -c */
};

/**
 * command_expand() - Put the address and the door's name in the place of each %IP% and %DOOR%.
 * Return: 0, or −E2BIG when the result is longer than COMMAND_MAX.
 */
int command_expand(const char *pattern, const struct command_about *about,
		   char out[COMMAND_MAX + 1]);

/**
 * command_simple() - Whether a shell would do no more with @text than split it at blanks and run
 * it: it begins with '/' and has only letters, digits, blanks and _./:=,@%+-
 */
bool command_simple(const char *text);

/**
 * command_make() - Prepare @text, which was expanded, for being run.
 * @inherited: the environment that the command's own is made of
 * Return: 0 or −ENOMEM. Release with command_free().
 */
int command_make(struct command *out, const char *text, const struct command_about *about,
		 char *const *inherited);

/** command_free() - Release what command_make() took; NULL is fine. */
void command_free(struct command *command);

#endif
