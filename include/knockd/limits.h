/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits that a config, the compiled tables and the BPF programs share. */
#ifndef KNOCKD_LIMITS_H
#define KNOCKD_LIMITS_H

enum {
	KNOCKD_SEQUENCE_MAX = 32,     /* knocks in one sequence, as in knockd 0.8 */
	KNOCKD_DOORS_MAX = 4096,      /* doors in one config */
	KNOCKD_DOOR_NUMBERS = 2 * KNOCKD_DOORS_MAX, /* with those of the config before it */
	KNOCKD_STREAMS_MAX = 8,       /* different TCPFlags (and Targets) in one config */
	KNOCKD_MATCHES_MAX = 8,       /* sequences that one knock may complete */
	KNOCKD_NAME_MAX = 128,        /* bytes of a door's name, with the final NUL */
	KNOCKD_INTERFACES_MAX = 16,   /* interfaces one daemon guards */
};

#endif
