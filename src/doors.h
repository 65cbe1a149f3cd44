/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The links of one daemon: an outer door on each interface, one inner door. They are found,
 * attached, kept in pins, and turned from one generation's programs to another's, all or none.
 */
#ifndef KNOCKD_DOORS_H
#define KNOCKD_DOORS_H

#include "conf.h"
#include "device.h"
#include "failure.h"
#include "generation.h"
#include "pins.h"

struct outer {
	int link;                 /* −1: not attached */
	unsigned int device;      /* index; 0: none */
	enum xdp_flavour flavour; /* of the link, or of the last that was there */
	char why[384];            /* not a better one */
};

struct doors {
	struct pins *pins;
	struct outer outer[KNOCKD_INTERFACES_MAX]; /* by place of the interface in the list */
	unsigned int count;                        /* of places */
	int inner;                                 /* −1: not attached */
	int rest[KNOCKD_INTERFACES_MAX];  /* an earlier daemon's, on what is not in the list */
	unsigned int rest_count;
	bool frags; /* the programs take packets in fragments: so for as long as there are links */
};

/** doors_init() - None, at @count places. */
void doors_init(struct doors *d, unsigned int count);

/** doors_find() - Those that an earlier daemon left: see pins_find(). @lead: −1 when none. */
int doors_find(struct doors *d, const struct pins_devices *devices, int *lead,
	       struct failure *failure);

/** doors_close() - Let go of them; what is pinned stays. */
void doors_close(struct doors *d);

/** doors_detach() - Take them all away, whoever else holds them. */
void doors_detach(struct doors *d);

/** doors_any() - Whether some interface has its outer door. */
bool doors_any(const struct doors *d);

/** doors_guarded() - Those of @devices that have their outer door. */
void doors_guarded(const struct doors *d, const struct devices *devices, struct guarded *out);

/** doors_lose() - The outer door at place @i is on no device any more. */
void doors_lose(struct doors *d, unsigned int i);

/** doors_shed() - Detach those that are at no place of the list; @each is told of their devices. */
void doors_shed(struct doors *d, void (*each)(void *data, const char *device), void *data);

/** doors_check() - Whether all are still attached; those that are not are let go. */
bool doors_check(struct doors *d);

/* What the doors are to run. */
struct turn {
	const struct generation *g;      /* whose programs they are */
	int outer, inner;                /* inner −1: none */
	const struct guarded *guarded;   /* which outer doors to attach where missing; NULL: none */
	bool frags;
	bool native_only;                /* for those that are attached now */
	enum conf_xdp_mode mode;
	const struct generation *before; /* in force until then, NULL: nothing that has pins */
};

enum turn_end { TURN_DONE, TURN_REFUSED /* by an interface */, TURN_FAILED };

/**
 * doors_turn() - Let them run what @turn says: attach those that are missing, publish, exchange the
 * programs of the others. Those at no place of the list are then left out, but still attached.
 * On failure all is as before.
 * @result: 0 or −errno; −EBUSY at an interface: another XDP program is there
 */
enum turn_end doors_turn(struct doors *d, const struct turn *turn, int *result,
			 struct failure *failure);

/** doors_run() - Exchange the programs. Return: 0, or −errno, and all run what they ran. */
int doors_run(struct doors *d, int outer, int inner, struct failure *failure);

#endif
