/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The main process once it has started: what happens, in the order in which it happens. */
#ifndef KNOCKD_LOOP_H
#define KNOCKD_LOOP_H

/**
 * loop_signals() - Block the signals that knockd serves; what comes is read from a descriptor.
 * To be called before the helper is started, which must not die of them either.
 * Return: the descriptor or −errno.
 */
int loop_signals(void);

/* How the loop ended. */
enum loop_end {
	LOOP_STOPPED,     /* told to */
	LOOP_FAILED,      /* which has been said */
	LOOP_UNCONFIRMED, /* the first config was not confirmed in time */
};

struct loop {
	int signals;            /* of loop_signals() */
	int channel;            /* to the helper */
	int notify;             /* of notify_open() */
	unsigned int confirm_s; /* a config read by SIGHUP is to be confirmed within; 0: for good */
};

/**
 * loop_run() - Give up all privileges, then log, wait and pass on, until told to stop. Why the
 * helper could not start is said on standard error.
 */
enum loop_end loop_run(const struct loop *loop);

#endif
