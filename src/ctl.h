/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of knockctl share. Their functions say on standard error why they fail. */
#ifndef KNOCKD_CTL_H
#define KNOCKD_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "generation.h"
#include "knockd/abi.h"
#include "knockd/limits.h"
#include "output.h"
#include "view.h"

enum status { STATUS_OK = 0, STATUS_FAILURE = 1, STATUS_USAGE = 2 };

/* What the command line says. */
struct options {
	const char *pin_dir;
	const char *name;   /* NULL: the only one, or all */
	bool json;
	bool all;           /* counters: those that are zero too */
	uint64_t confirm_s; /* reload: to be confirmed within; 0: for good at once */
};

/** complain() - A line on standard error. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- names ---- */

struct names {
	char **at;
	size_t count;
	bool short_of_memory;
};

/**
 * names_find() - What options->name says, or all there are, sorted.
 * @one: several are an error
 * Return: STATUS_OK; otherwise the reason was said. Release with names_free() in any case.
 */
int names_find(struct names *names, const struct options *options, bool one);
void names_free(struct names *names);

/* ---- guards: what is in force under one name ---- */

struct guard {
	const char *name;
	int outer[KNOCKD_INTERFACES_MAX]; /* links by place of their interface, −1: none */
	int inner;                        /* −1: none */
	__u32 device[KNOCKD_INTERFACES_MAX]; /* on which an outer door stands; 0: none */
	bool inner_stands;
	__u32 program;     /* id of the one that led to the rest */
	struct generation generation;
	struct view *view;
	bool former;       /* a trial was lost, and the config before it judges: this is that one */
};

/**
 * guard_open() - Open what is under @name, which must outlive it. Says nothing.
 * Return: 0; −ENOENT when there is no door; −EPROTO when it is of another layout; or another
 * −errno. The links stay open until guard_close() in any case.
 */
int guard_open(struct guard *g, const char *pin_dir, const char *name);
void guard_close(struct guard *g);

/** guard_stands() - Whether some interface has its outer door. */
bool guard_stands(const struct guard *g);

/** guard_why() - Why guard_open() failed, for a person. */
const char *guard_why(int error);

/** guard_opened() - guard_open() that says why it failed. Return: whether it did not. */
bool guard_opened(struct guard *g, const struct options *options, const char *name);

/** guard_changed() - Whether other programs are in force than when it was opened. */
bool guard_changed(const struct guard *g, const char *pin_dir);

/** guard_order() - Give an order to the programs. Return: enum order_result, or −errno. */
int guard_order(const struct guard *g, const struct options *options,
		const struct order_form *form);

/** link_detach() - Take a door away. Return: 0 or −errno. */
int link_detach(int link);

/** guard_daemon() - The process of the daemon, 0 when it does not run. */
int guard_daemon(const struct guard *g);

/** guard_seconds() - How long it is until @until (jiffies), rounded up; 0: that is over. */
__u64 guard_seconds(const struct guard *g, __u64 until);

/* ---- doors ---- */

enum { LABEL_MAX = KNOCKD_NAME_MAX + 12 };

/* Doors as they are called here: by their name, with #1, #2, … where it is not the only one. */
struct labels {
	char (*at)[LABEL_MAX]; /* empty: no door has this number */
	__u32 count;
};

bool labels_make(struct labels *labels, const struct view *view);
void labels_free(struct labels *labels);
const char *label_of(const struct labels *labels, __u32 door);

/**
 * door_find() - The number of the door that @text names: NAME, or NAME#1, NAME#2, …
 * Return: whether it is exactly one.
 */
bool door_find(const struct view *view, const struct labels *labels, const char *text,
	       __u32 *door);

/* ---- grants ---- */

struct grant_row {
	struct source owner;
	__u32 door;
	__u64 until; /* jiffies */
};

struct grant_rows {
	struct grant_row *at;
	size_t count, room;
	bool short_of_memory;
};

/** grants_read() - All live grants by address; of several of one source and door the longest. */
bool grants_read(struct grant_rows *rows, const struct view *view);

/** prefix_length() - Grant_Prefix6. */
unsigned int prefix_length(const struct view *view);

/* ---- rows of cells ---- */

/**
 * rows_begin() - As table_begin(), with a copy of @column in @copy. What a row is about, its first
 * column, is told only where there are several names, or in records.
 */
void rows_begin(struct table *table, const struct options *options, bool records,
		const struct names *names, struct column *copy, const struct column *column,
		size_t columns);

/** row_add() - Return: whether there was memory for it. */
bool row_add(struct table *table, const struct cell *cell);

/** rows_end() - Return: @status, or STATUS_FAILURE. */
int rows_end(struct table *table, int status);

/* ---- commands; each returns the exit status ---- */

int show_status(const struct options *options, const struct names *names, char *argument[]);
int show_doors(const struct options *options, const struct names *names, char *argument[]);
int show_grants(const struct options *options, const struct names *names, char *argument[]);
int show_counters(const struct options *options, const struct names *names, char *argument[]);
int watch(const struct options *options, const struct names *names, char *argument[]);
int order_open(const struct options *options, const struct names *names, char *argument[]);
int order_close(const struct options *options, const struct names *names, char *argument[]);
int order_reload(const struct options *options, const struct names *names, char *argument[]);
int order_confirm(const struct options *options, const struct names *names, char *argument[]);
int order_detach(const struct options *options, const struct names *names, char *argument[]);

#endif
