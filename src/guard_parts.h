/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What guard.c and reload.c share. */
#ifndef KNOCKD_GUARD_PARTS_H
#define KNOCKD_GUARD_PARTS_H

#include "guard.h"

/** guard_say(), messages_say() - Lines for the log. */
void guard_say(struct guarding *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
void messages_say(struct guarding *g, const struct messages *messages);

/** trial_say() - What happens unless the config is confirmed, where it has to be. */
void trial_say(struct guarding *g);

/** conf_drop() - Release it. */
void conf_drop(struct conf **conf);

/** devices_again() - Read all devices anew. Return: 0, or −errno, and they are as before. */
int devices_again(struct guarding *g);

/** guarded_wanted() - Those that are guarded, and those that can be. */
void guarded_wanted(const struct guarding *g, struct guarded *out);

/** wanted_list() - The names of the interfaces, separated by ", ". */
void wanted_list(const struct guarding *g, char *text, size_t size);

/**
 * config_prepare() - Tables of @conf that go on from those in force; what is wrong or unwise goes
 * to @messages.
 */
int config_prepare(struct guarding *g, const struct conf *conf, struct compiled *compiled,
		   struct messages *messages);

/** config_put() - As datapath_put(). */
int config_put(struct guarding *g, const struct conf *conf, const struct compiled *compiled,
	       const struct guarded *guarded, unsigned int trial_s, bool starting,
	       struct failure *failure);

#endif
