/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Config → the tables that the BPF programs read. Pure: no kernel, no files. The only place where
 * seconds become jiffies and addresses take the form that maps have.
 */
#ifndef KNOCKD_COMPILE_H
#define KNOCKD_COMPILE_H

#include <stddef.h>

#include "conf.h"
#include "knockd/abi.h"
#include "message.h"

/* One sequence of one door, as the automaton was made from them. */
struct pattern {
	__u16 symbol[KNOCKD_SEQUENCE_MAX];
	__u32 len;
	__u32 stream;
	__u32 timeout; /* jiffies */
	__u16 door;
	__u8 action;   /* enum match_action */
};

/* A protected port, in the order of struct port's guard less one. */
struct guard {
	enum proto proto;
	__u16 number;
};

struct compiled {
	struct settings settings; /* but for ethernet and inner, which the datapath knows */
	struct port *port;        /* PORT_COUNT */
	__u64 *edge;              /* settings.edge_mask + 1 */
	struct state *state;      /* settings.state_count */
	struct match *match;      /* settings.match_count, at least one is allocated */
	struct door *door;        /* settings.door_count, at least one is allocated */
	__u64 *opens;             /* doors × settings.area_words */
	__u64 *knockers;          /* settings.set_count × settings.door_words */
	__u64 *trusts;            /* settings.set_count × settings.area_words */
	struct source_prefix *prefix;
	__u32 *prefix_set;        /* of each prefix */
	size_t prefix_count;
	__u32 max_sources, max_flows, bucket_count;

	/* For the daemon alone. */
	struct guard *guard;      /* settings.guard_count */
	struct pattern *pattern;  /* sorted by stream, then as words are */
	size_t pattern_count;
	struct pattern_range {
		__u32 first, count; /* in pattern: those that pass through the state */
	} *through;               /* one a state */
};

/**
 * compile_conf() - Make the tables of @conf.
 * @conf: parsed without an error
 * @hz: jiffies in one second
 * @out: untouched on failure; to be released with compiled_free()
 * @messages: gets what is wrong with the config as a whole
 *
 * Return: 0, -EINVAL with an error in @messages, -ENOMEM.
 */
int compile_conf(const struct conf *conf, unsigned int hz, struct compiled *out,
		 struct messages *messages);

/** compiled_trim() - Release what only loading needs; the part for the daemon stays. */
void compiled_trim(struct compiled *compiled);

/** compiled_free() - Release the tables. A zeroed struct is fine. */
void compiled_free(struct compiled *compiled);

#endif
