/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of hosts, by a process of its own: it may use the network and wait, which the loop may not,
 * and it has no privilege that whoever answers it could misuse.
 */
#ifndef KNOCKD_LOOKUP_H
#define KNOCKD_LOOKUP_H

#include <stdbool.h>

#include "knockd/abi.h"

enum { LOOKUP_NAME_MAX = 254 }; /* with a NUL */

struct lookup_answer {
	struct source source;
	char name[LOOKUP_NAME_MAX]; /* empty: it has none */
};

/**
 * lookup_start() - Fork the process, which looks up one name after the other, and ends when the
 * descriptor is closed. It needs CAP_SETUID and CAP_SETGID, to give them up. It has what is in
 * memory now: to be called before any secret is.
 * Return: a descriptor, which becomes readable with answers; or −errno.
 */
int lookup_start(void);

/**
 * lookup_ask() - Ask for the name of @source, without waiting.
 * @until_ns: CLOCK_MONOTONIC after which nobody wants to know: it is then not looked up
 * Return: whether the question was taken.
 */
bool lookup_ask(int fd, const struct source *source, __u64 until_ns);

/**
 * lookup_hear() - The next answer, if there is one.
 * Return: 1; 0 when the process has ended; −EAGAIN when there is none; or another −errno.
 */
int lookup_hear(int fd, struct lookup_answer *answer);

/**
 * lookup_name_fine() - Whether @name may stand in a log: letters, digits, '.', '-' and '_', with at
 * least one letter, for it must not be taken for an address.
 */
bool lookup_name_fine(const char *name);

#endif
