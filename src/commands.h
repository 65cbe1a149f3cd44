/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands of doors: run when a door opens, and again when its time is over. For the helper,
 * which is told of openings by the kernel. Nothing here waits for a command.
 *
 * A stop command is owed from before its start command runs until it has been started itself. What
 * is owed is kept in a file, so that it outlives a crash; whoever comes next runs it, late rather
 * than never.
 */
#ifndef KNOCKD_COMMANDS_H
#define KNOCKD_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "knockd/abi.h"

struct commands;

#define COMMANDS_NEVER UINT64_MAX

/* Where to keep what is owed, and whom to tell what happens. */
struct commands_place {
	const char *state_dir; /* made where it is missing, mode 0700 */
	const char *name;      /* of this daemon: the file is NAME.owed, a '/' being '_' */
	void (*say)(void *data, const char *line);
	void *data;
	uint64_t (*now_ms)(void); /* NULL: CLOCK_MONOTONIC */
};

/**
 * commands_open() - Read what an earlier daemon owed; nothing runs before commands_limit(). Blocks
 * SIGCHLD, and has to be called by the process that serves. A folder that cannot be used is said,
 * and no failure: what is owed is then lost with a crash.
 * Return: 0 or −errno.
 */
int commands_open(struct commands **out, const struct commands_place *place);

/**
 * commands_limit() - Take over Max_Commands, Command_Time and Grant_Prefix6 of @conf; where it has
 * stop commands, see to it that they can be kept.
 */
void commands_limit(struct commands *c, const struct conf *conf);

/**
 * commands_follow() - The doors of @conf are all that there are, for good: what is owed until a
 * door is closed that is not among them, or has no commands any more, is due now.
 */
void commands_follow(struct commands *c, const struct conf *conf);

/**
 * commands_opened() - @door opened for @source: run its start command, or where its stop command is
 * owed already, put that off. One that the door had before a reload runs in its own time.
 * @door, @source: not needed after the call
 * @ordered: by an administrator, whose time stands, be it shorter, for all who share the grant; a
 * knock shortens nothing
 * @time_ms: from the end of the start command to the stop command; COMMANDS_NEVER: until closed; 0:
 * the door's own
 */
void commands_opened(struct commands *c, const struct conf_door *door, const struct source *source,
		     bool ordered, uint64_t time_ms);

/**
 * commands_closed() - @door closed before its time for @source, and all who share its grant: their
 * stop commands are due now.
 */
void commands_closed(struct commands *c, const struct conf_door *door,
		     const struct source *source);

/** commands_fd() - A descriptor that becomes readable when a command has begun or ended. */
int commands_fd(const struct commands *c);

/** commands_wait_ms() - Milliseconds until commands_serve() has something to do, −1: nothing. */
int commands_wait_ms(const struct commands *c);

/** commands_serve() - Reap what has ended, start what is due, end what runs too long. */
void commands_serve(struct commands *c);

/**
 * commands_settle() - Run all that is owed, now, and wait for it, @patience_s seconds at the most;
 * what is not done by then stays owed, and is said.
 */
void commands_settle(struct commands *c, unsigned int patience_s);

/** commands_owed() - How many stop commands are owed. */
size_t commands_owed(const struct commands *c);

/** commands_close() - Let go; what is owed stays owed, what runs goes on. NULL is fine. */
void commands_close(struct commands *c);

#endif
