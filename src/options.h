/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of knockd. */
#ifndef KNOCKD_OPTIONS_H
#define KNOCKD_OPTIONS_H

#include <stdbool.h>

#include "helper.h"

/* Exit statuses. */
enum status { STATUS_OK = 0, STATUS_FAILURE = 1, STATUS_USAGE = 2, STATUS_UNCONFIRMED = 3 };

struct options {
	struct helper_options helper;
	const char *migrate; /* path of the config to translate; NULL: none */
	bool check, print, verbose, debug, lookup;
};

/**
 * options_parse() - Read the command line; what is wrong with it, and what it asks to be told, is
 * written.
 * Return: −1 to go on, else the exit status.
 */
int options_parse(struct options *options, int argc, char *const argv[]);

#endif
