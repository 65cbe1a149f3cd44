/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two doors of one daemon: find what an earlier one left, attach, swap one config for the next,
 * take back, detach. Whatever is in force stays so until the next thing is complete.
 *
 * Functions that fail return −errno and leave a sentence for a person in struct failure.
 */
#ifndef KNOCKD_DATAPATH_H
#define KNOCKD_DATAPATH_H

#include <stdbool.h>

#include "compile.h"
#include "device.h"
#include "failure.h"
#include "generation.h"

struct datapath;

/* Where to keep state, and whom to tell what is no failure. */
struct datapath_place {
	const char *pin_dir, *name;
	unsigned int patience_s; /* for the lock of a daemon that is still ending */
	void (*say)(void *data, const char *line);
	void *data;
};

/**
 * datapath_open() - Take the lock of place->name, and find what is in force: links, and through
 * their programs the config's tables and state.
 * @device: index of the interface to guard, 0 while there is none
 *
 * Return: 0; −EBUSY when another daemon guards it; or another −errno.
 */
int datapath_open(struct datapath **out, const struct datapath_place *place, unsigned int device,
		  struct failure *failure);

/** datapath_leave() - Let go of everything; what is in force stays. NULL is fine. */
void datapath_leave(struct datapath *dp);

/** datapath_stop() - Detach both doors and remove all pins, then as datapath_leave(). */
void datapath_stop(struct datapath *dp);

/**
 * datapath_heritage() - What the config in force hands on to the next.
 * @out: zero where there is none; release with heritage_free()
 */
int datapath_heritage(const struct datapath *dp, struct heritage *out);

/* A config to be put in force. */
struct datapath_config {
	const struct compiled *compiled;
	const char *path;      /* of its file */
	enum conf_xdp_mode mode;
	unsigned int trial_s;  /* seconds in which it is to be confirmed; 0: for good */
	bool starting;         /* a daemon's first: a mode that cannot be had is no failure, and a
	                          trial that has begun goes on by its own deadline */
};

/**
 * datapath_put() - Put the config in force on @device, in place of the one that is.
 * @devices: all there are, @device among them
 *
 * Return: 0; −EBUSY when another XDP program is attached; or another −errno. On failure what was in
 * force before still is.
 */
int datapath_put(struct datapath *dp, const struct datapath_config *config,
		 struct devices *devices, const struct device *device, struct failure *failure);

/** datapath_device() - Index of the device that is guarded; 0: none. */
unsigned int datapath_device(const struct datapath *dp);

/**
 * datapath_check() - Whether both doors are still attached. Somebody else may have detached them;
 * what is missing is attached by the next datapath_put() or datapath_again().
 */
bool datapath_check(struct datapath *dp);

/** datapath_lost() - The guarded device is gone: keep state, and the inner door. */
void datapath_lost(struct datapath *dp);

/**
 * datapath_again() - Guard @device by what is loaded, as after datapath_lost(). Fast; where it
 * fails datapath_put() may still succeed, in another mode.
 */
int datapath_again(struct datapath *dp, struct devices *devices, const struct device *device,
		   struct failure *failure);

/** datapath_flavour() - How the outer door is attached, and in words why not better. */
enum xdp_flavour datapath_flavour(const struct datapath *dp);
const char *datapath_flavour_name(enum xdp_flavour flavour);
const char *datapath_why(const struct datapath *dp);

/** datapath_inner() - Whether the inner door stands. */
bool datapath_inner(const struct datapath *dp);

/** datapath_confirm() - The config on trial was confirmed: go on without looking at the time. */
int datapath_confirm(struct datapath *dp, struct failure *failure);

/**
 * datapath_undo() - The trial is over: put the config before back in force.
 * Return: 0; −ENOENT when there is none before it; −EALREADY when no trial is over; or another
 * −errno.
 */
int datapath_undo(struct datapath *dp, struct failure *failure);

/**
 * datapath_refused() - Whether the config file @path is, unchanged, one that was not confirmed in
 * time, so that what is in force is the config before it. A trial that ended while no daemon lived
 * is undone first.
 */
bool datapath_refused(struct datapath *dp, const char *path);

/** datapath_on_trial() - Whether the doors look at the time to confirm, or have not stopped to. */
bool datapath_on_trial(const struct datapath *dp);

/** datapath_trial_s() - Seconds left to confirm the config in force; 0: it is confirmed. */
unsigned int datapath_trial_s(const struct datapath *dp);

/**
 * datapath_surroundings() - Tell the programs what has changed around them: which devices are
 * stacked on the guarded one, which addresses the host has, and whether it forwards.
 * Return: 0, −ENODEV when the guarded one is not among them, or −errno of the first failure.
 */
int datapath_surroundings(struct datapath *dp, struct devices *devices);

/** datapath_generation() - What is in force; all −1 when nothing is. */
const struct generation *datapath_generation(const struct datapath *dp);

/** datapath_about() - To be written by the daemon; NULL when nothing is in force. */
struct about *datapath_about(const struct datapath *dp);

#endif
