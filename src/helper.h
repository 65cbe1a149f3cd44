/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The privileged process: it reads the config, loads, adopts, swaps, attaches, opens files and
 * follows the network devices. The loop, its parent, tells it what is wanted in a few words, and
 * gets lines for the log and descriptors of maps to read. It ends when the loop does; what is in
 * force stays.
 */
#ifndef KNOCKD_HELPER_H
#define KNOCKD_HELPER_H

#include "conf.h"
#include "device.h"
#include "message.h"
#include "view.h"

/* What the loop may want. */
enum helper_order {
	HELPER_START,   /* no order: the first thing that the helper reports about */
	HELPER_RELOAD,  /* read the config again; argument: seconds to confirm it in, 0: for good */
	HELPER_CONFIRM, /* the trial was confirmed */
	HELPER_UNDO,    /* the trial is over */
	HELPER_STOP,    /* do as On_Exit says */
	HELPER_DETACH,  /* detach, whatever On_Exit says */
	HELPER_LEAVE,   /* let go of everything, and leave it in force */
};

/* What the helper may say. */
enum helper_word {
	HELPER_LINE,   /* text: for the log; flag: only for who wants to know more (-v) */
	HELPER_VIEW,   /* descriptors: the parts of a view, then the events; size: of each; flag:
	                  the config waits for confirmation */
	HELPER_LOG,    /* where the log goes; flag: to syslog; a descriptor: the log file */
	HELPER_STATUS, /* flag: the interface is guarded; text: one line for the service manager */
	HELPER_DONE,   /* order: has ended with status, 0 or −errno; text: why it failed */
};

enum { HELPER_DESCRIPTORS = VIEW_PARTS + 1 };

struct helper_message {
	__u32 word; /* enum helper_word */
	__u32 order;
	__s32 status;
	__u32 flag;
	__u64 size[HELPER_DESCRIPTORS];
	char text[1024];
};

/* What the command line says. */
struct helper_options {
	const char *config;    /* path */
	const char *interface; /* one, or several separated by commas; NULL: the config's */
	const char *name;      /* NULL: the first interface's */
	const char *pin_dir;
	const char *state_dir; /* where commands that are owed are kept */
	const char *log_file;  /* where the config has none; NULL: none */
	const char *pid_file;  /* where the config has none */
	int mode;              /* enum conf_xdp_mode, −1: the config's */
	unsigned int confirm_s;
	bool wait;             /* for an interface that is missing */
	bool daemon;           /* the pid file is written */
	bool only_ipv4;
};

/**
 * helper_start() - Fork the helper.
 * @wanted: the interfaces to guard
 * @conf: the first config; @messages: what is unwise in it; the helper releases its copies of both
 *
 * Return: the loop's end of the channel, or −errno.
 */
int helper_start(const struct helper_options *options, const struct interface_names *wanted,
		 struct conf *conf, struct messages *messages);

/** helper_ask() - Tell the helper what is wanted. Return: 0 or −errno. */
int helper_ask(int channel, enum helper_order order, unsigned int argument);

/**
 * helper_hear() - The next message of the helper.
 * @descriptor: those that came with it, the caller's from now on; the others −1
 * Return: 1; 0 when the helper has ended; −EAGAIN when there is nothing; or another −errno.
 */
int helper_hear(int channel, struct helper_message *message, int descriptor[HELPER_DESCRIPTORS]);

#endif
