/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How easily somebody who scans ports opens a sequence without knowing it. */
#ifndef KNOCKD_SCAN_H
#define KNOCKD_SCAN_H

#include "conf.h"
#include "facts.h"

/* The ports of a config as a scan meets them. */
struct scan {
	const struct host_facts *facts;
	struct port_set knock[2];     /* by CONF_TCP, CONF_UDP: ports of some sequence */
	struct port_set protected[2]; /* ports that some door opens */
	unsigned int silent[3];       /* how many of those are in no sequence; ICMP has none */
};

/* How a sequence looks to somebody who scans ports in order. */
struct scan_pattern {
	bool ascending, descending; /* in one protocol that has ports */
	bool silent;                /* and no stray lies between */
	bool same;                  /* one knock again and again */
	unsigned int widest;        /* gap between neighbours; 0 where they differ in protocol */
};

/* The chance that a scan opens a sequence, in words. */
struct scan_chance {
	char text[48];
	bool good; /* for the scan */
};

/** scan_begin() - Gather what the two below need; @facts must outlive @scan. */
void scan_begin(struct scan *scan, const struct conf *conf, const struct host_facts *facts);

/** scan_pattern() - What @sequence, which is not empty, looks like. */
struct scan_pattern scan_pattern(const struct scan *scan, const struct conf_sequence *sequence);

/** scan_chance() - How probable it is that a full scan in random order opens @sequence. */
struct scan_chance scan_chance(const struct scan *scan, const struct conf_sequence *sequence);

#endif
