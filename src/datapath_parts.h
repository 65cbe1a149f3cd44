/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the datapath share: adopt.c, datapath.c, trial.c. */
#ifndef KNOCKD_DATAPATH_PARTS_H
#define KNOCKD_DATAPATH_PARTS_H

#include "datapath.h"
#include "doors.h"
#include "migrate.h"
#include "tables.h"

struct datapath {
	struct datapath_place place;
	struct doors doors;
	struct generation current;   /* in force, or on trial */
	struct generation former;    /* what comes back when the trial is lost */
	struct tables tables;        /* of current */
	bool held;                   /* current is */
	bool has_former;
	bool trial;                  /* the links run trial programs */
	bool swept;                  /* no grant is there of a door that current has not */
	__u64 doubtful_file;         /* of what another layout left; see generation_doubtful() */
};

/** tell() - A line for the daemon. remark_say() - What the pins had to say although all is well. */
void tell(const struct datapath *dp, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void remark_say(const struct datapath *dp, const struct failure *remark);

/** turn_make() - As doors_turn(); then what is not in the list any more goes. */
enum turn_end turn_make(struct datapath *dp, const struct turn *turn, int *result,
			struct failure *failure);

/**
 * state_finish() - After the swap: bring what changed meanwhile, end what belongs to doors that
 * only @before had.
 */
void state_finish(struct datapath *dp, struct migration *m, unsigned int ended,
		  const struct generation *before);

/** links_adopt() - Take over what the program of link @lead has. Return: 0 or −errno. */
int links_adopt(struct datapath *dp, int lead, struct failure *failure);

/** gaps_say() - What is not as an earlier daemon must have left it, to be made anew. */
void gaps_say(const struct datapath *dp);

/** trial_base() - What comes back when the trial that begins now is lost; NULL: all opens. */
const struct generation *trial_base(const struct datapath *dp,
				    const struct datapath_config *config);

/** trial_deadline() - Until when what is in force can be confirmed, in jiffies; 0: it is. */
__u64 trial_deadline(const struct datapath *dp);

/** trial_prepare() - Tell @new what comes back when it is lost. Return: 0 or −errno. */
int trial_prepare(const struct datapath *dp, const struct datapath_config *config,
		  const struct generation *new);

/** trial_until() - Until when the new config is to be confirmed; 0: it needs not be. */
__u64 trial_until(const struct datapath *dp, const struct datapath_config *config,
		  const struct clock_reading *clock);

#endif
