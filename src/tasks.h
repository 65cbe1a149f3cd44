/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel asks of the helper when doors open and close: commands to run, one-time sequences
 * to mark as used. It comes through a ring buffer of its own, so that nobody else can ask for it.
 */
#ifndef KNOCKD_TASKS_H
#define KNOCKD_TASKS_H

#include <stdbool.h>

#include "commands.h"
#include "conf.h"
#include "generation.h"

struct tasks;

/** tasks_open() - For @commands, which must outlive it. Return: 0 or −ENOMEM. */
int tasks_open(struct tasks **out, struct commands *commands,
	       void (*say)(void *data, const char *line), void *data);

/**
 * tasks_follow() - @conf is in force, as @g: what the kernel says of doors is about its doors from
 * now on. @conf must stay until the next call.
 * Return: 0, or −errno and nothing more is done for doors that open.
 */
int tasks_follow(struct tasks *t, const struct generation *g, const struct conf *conf);

/** tasks_fd() - A descriptor that becomes readable when there is something to do; −1: none yet. */
int tasks_fd(const struct tasks *t);

/**
 * tasks_serve() - Do what the kernel asked for, as of @now (jiffies, @hz in a second). What was
 * asked for long ago, when no daemon ran, is said and not done.
 */
void tasks_serve(struct tasks *t, __u64 now, unsigned int hz);

/**
 * tasks_advance() - Mark the one-time sequences of @conf, in force as @g, that were used, and take
 * the next ones from their files, for all doors that have the same file (by whatever path).
 * Return: whether @conf has changed, and is to be put in force again.
 */
bool tasks_advance(struct tasks *t, const struct generation *g, struct conf *conf);

/** tasks_close() - Let go; what was not read stays for the next helper. NULL is fine. */
void tasks_close(struct tasks *t);

#endif
