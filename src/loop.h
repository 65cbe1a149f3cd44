/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon does while it runs: wait for signals, events, expiries and changed devices. */
#ifndef KNOCKD_LOOP_H
#define KNOCKD_LOOP_H

#include "datapath.h"
#include "events.h"

/**
 * loop_signals() - Block the signals that end the loop and make a descriptor that delivers them.
 * To be called before anything that takes long. Return: the descriptor or −errno.
 */
int loop_signals(void);

/**
 * loop_run() - Serve until SIGTERM or SIGINT.
 * @signals: of loop_signals()
 * @watch: of devices_watch()
 *
 * Return: 0; −ENODEV when the guarded device is gone; −errno when waiting itself fails.
 */
int loop_run(struct datapath *dp, struct events *events, int signals, int watch);

#endif
