/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KNOCKD_SPELLING_H
#define KNOCKD_SPELLING_H

enum { SPELLING_MAX = 24 }; /* bytes of a word; longer ones are far from everything */

/**
 * spelling_distance() - How many letters to insert, drop, change or swap with their neighbour to
 * get from @a to @b, case aside; SPELLING_MAX where one of them is too long.
 */
int spelling_distance(const char *a, const char *b);

#endif
