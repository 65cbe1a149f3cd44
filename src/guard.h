/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the helper guards: the interfaces as they come and go, and the config in force on them. It
 * says what happens in lines for the log, and reports what others have to look at anew.
 */
#ifndef KNOCKD_GUARD_H
#define KNOCKD_GUARD_H

#include "conf.h"
#include "datapath.h"
#include "device.h"
#include "failure.h"
#include "helper.h"
#include "message.h"

/* What is new. */
enum guard_news {
	GUARD_VIEW,   /* what is in force */
	GUARD_STATUS, /* which interfaces are guarded */
	GUARD_LOG,    /* conf, and where it wants the log */
};

struct guarding {
	const struct helper_options *options;
	const struct interface_names *wanted;
	struct conf *conf;
	void (*say)(void *data, const char *line);
	void (*detail)(void *data, const char *line); /* for who wants to know more */
	void (*news)(void *data, enum guard_news what);
	void *data;
	/* The rest is its own; dp may be asked, and is NULL once it was stopped. */
	struct conf *former_conf; /* of the config that comes back when a trial is lost */
	struct datapath *dp;
	struct devices devices;
	char seen[KNOCKD_INTERFACES_MAX][IF_NAMESIZE]; /* their names when last looked at */
	bool stale;   /* what is loaded is not what conf says */
	bool refused; /* conf was not confirmed in time: what is loaded is the one before it */
	bool trial;   /* the first load is on trial */
	unsigned int named[64]; /* indices of devices that were named as not guarded */
	long long warn_at;      /* ms: when missing interfaces are named again; 0: not set */
};

/** guard_name() - Under which name state is kept. */
const char *guard_name(const struct guarding *g);

/**
 * guard_open() - Take over what an earlier daemon left, and guard what is there: all of that, or
 * nothing more than before.
 * @messages: what is unwise in the config; released
 * Return: 0 or −errno.
 */
int guard_open(struct guarding *g, struct messages *messages, struct failure *failure);

/** guard_look() - Devices or addresses have changed: guard what has come, say what has gone. */
void guard_look(struct guarding *g);

/** guard_reload() - Read the config again. @trial_s: to be confirmed within; 0: for good. */
int guard_reload(struct guarding *g, unsigned int trial_s);

/**
 * guard_renew() - Put conf in force once more, as something that it depends on has changed; a trial
 * goes on. What is wrong is said.
 * Return: 0 or −errno, and what was in force still is.
 */
int guard_renew(struct guarding *g);

/** guard_undo() - The trial is over. Return: 0; −ENOENT when all is to be detached; or −errno. */
int guard_undo(struct guarding *g, struct failure *failure);

/** guard_confirm() - The trial was confirmed. */
int guard_confirm(struct guarding *g, struct failure *failure);

/** guard_status() - One line for the service manager. Return: whether some interface is guarded. */
bool guard_status(const struct guarding *g, char *text, size_t size);

/** guard_wait_ms() - Until guard_serve() has something to do; −1: nothing. */
int guard_wait_ms(struct guarding *g);

/** guard_serve() - Name the interfaces that are still missing, when that is due. */
void guard_serve(struct guarding *g);

/** guard_stop() - List the counters and let go. @detach: or else all stays in force. */
void guard_stop(struct guarding *g, bool detach);

/** guard_close() - Release what is left; what is in force stays. */
void guard_close(struct guarding *g);

#endif
