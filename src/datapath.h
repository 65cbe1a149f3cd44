/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one daemon has in force: find what an earlier one left, attach, swap one config for the
 * next, take back, detach. Whatever is in force stays so until the next thing is complete.
 *
 * All interfaces have one config and one state. They are known by their place in the list.
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
#include "pins.h"

struct datapath;

/* Where to keep state, and whom to tell what is no failure. */
struct datapath_place {
	const char *pin_dir, *name;
	const struct interface_names *wanted;
	unsigned int patience_s; /* for the lock of a daemon that is still ending */
	void (*say)(void *data, const char *line);
	void *data;
};

/**
 * datapath_open() - Take the lock of place->name, and find what is in force: links, and through
 * their programs the config's tables and state.
 * @devices: of the interfaces to guard
 *
 * Return: 0; −EBUSY when another daemon guards one of them; or another −errno.
 */
int datapath_open(struct datapath **out, const struct datapath_place *place,
		  const struct pins_devices *devices, struct failure *failure);

/** datapath_leave() - Let go of everything; what is in force stays. NULL is fine. */
void datapath_leave(struct datapath *dp);

/** datapath_detach() - Detach both doors; what they left can still be looked at. */
void datapath_detach(struct datapath *dp);

/** datapath_stop() - Detach all doors and remove all pins, then as datapath_leave(). */
void datapath_stop(struct datapath *dp);

/**
 * datapath_heritage() - What the config in force hands on to the next. What is left of doors that
 * it has not is ended first, where that is still to be done.
 * @out: zero where there is none; release with heritage_free()
 */
int datapath_heritage(struct datapath *dp, struct heritage *out);

/* A config to be put in force. */
struct datapath_config {
	const struct compiled *compiled;
	const char *path;      /* of its file */
	enum conf_xdp_mode mode;
	unsigned int trial_s;  /* seconds in which it is to be confirmed; 0: for good */
	bool starting;         /* a daemon's first, or the same once more: a mode that cannot be
	                          had is no failure, and a trial that has begun goes on by its own
	                          deadline */
};

/**
 * datapath_put() - Put the config in force on all of @guarded, in place of the one that is.
 * @devices: all there are; @guarded: of those the ones whose interfaces are wanted
 *
 * Return: 0; −EBUSY when another XDP program is attached; or another −errno. On failure what was in
 * force before still is, on each interface.
 */
int datapath_put(struct datapath *dp, const struct datapath_config *config,
		 struct devices *devices, const struct guarded *guarded, struct failure *failure);

/** datapath_device() - Index of the device that is guarded at place @i; 0: none. */
unsigned int datapath_device(const struct datapath *dp, unsigned int i);

/** datapath_guards() - Whether some device is guarded. */
bool datapath_guards(const struct datapath *dp);

/** datapath_guarded() - Those of @devices that are guarded. */
void datapath_guarded(const struct datapath *dp, const struct devices *devices,
		      struct guarded *out);

/**
 * datapath_check() - Whether all doors are still attached. Somebody else may have detached them;
 * what is missing is attached by the next datapath_put() or datapath_again().
 */
bool datapath_check(struct datapath *dp);

/** datapath_lost() - The device guarded at place @i is gone: keep state, and the other doors. */
void datapath_lost(struct datapath *dp, unsigned int i);

/**
 * datapath_again() - Guard those of @guarded that are not, as after datapath_lost(), by what is
 * loaded. Fast.
 * @guarded: those that are guarded too
 *
 * Return: 0; −ENOENT when nothing is loaded, or not for frames such as theirs; or another −errno,
 * and nothing has changed. Where others are not guarded, datapath_put() may still succeed.
 */
int datapath_again(struct datapath *dp, struct devices *devices, const struct guarded *guarded,
		   enum conf_xdp_mode mode, struct failure *failure);

/** datapath_flavour() - How the outer door at place @i is attached, and in words why not better. */
enum xdp_flavour datapath_flavour(const struct datapath *dp, unsigned int i);
const char *datapath_why(const struct datapath *dp, unsigned int i);

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

/**
 * datapath_doubtful() - Whether the config file @path is, unchanged, one that nobody has confirmed
 * yet, or not in time, and what stands for it or before it is of another layout: to go on from that
 * is not possible, and to put the file in force might lock its admin out.
 */
bool datapath_doubtful(const struct datapath *dp, const char *path);

/** datapath_on_trial() - Whether the doors look at the time to confirm, or have not stopped to. */
bool datapath_on_trial(const struct datapath *dp);

/** datapath_trial_lost() - Whether the time to confirm is over, and the trial is to be undone. */
bool datapath_trial_lost(const struct datapath *dp);

/** datapath_trial_s() - Seconds left to confirm the config in force; 0: it is confirmed. */
unsigned int datapath_trial_s(const struct datapath *dp);

/**
 * datapath_surroundings() - Tell the programs what has changed around them: which devices are
 * stacked on guarded ones, which addresses the host has, and whether it forwards.
 * Return: 0, −ENODEV when no guarded one is among them, or −errno of the first failure.
 */
int datapath_surroundings(struct datapath *dp, struct devices *devices);

/** datapath_generation() - What is in force; all −1 when nothing is. */
const struct generation *datapath_generation(const struct datapath *dp);

/** datapath_about() - To be written by the daemon; NULL when nothing is in force. */
struct about *datapath_about(const struct datapath *dp);

#endif
