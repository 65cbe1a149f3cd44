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

/* What a config takes over from the one in force, as that one's tables have it. */
struct heritage {
	const struct settings *settings; /* state_count, door_count, guard_count */
	const struct port *port;         /* 1 + settings->remote_count tables of PORT_COUNT */
	const struct door_name *name;    /* settings->door_count */
	const struct path *path;         /* settings->state_count */
	__u64 now;                       /* jiffies */
};

/* A protected port, in the order of struct port's guard less one. */
struct guard {
	enum proto proto;
	__u16 number; /* 0: no port has this place */
};

struct compiled {
	struct settings settings; /* but for frames and inner, which the datapath knows */
	struct port *port;        /* 1 + settings.remote_count tables of PORT_COUNT */
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

	/* No program reads these. */
	struct door_name *name;   /* settings.door_count, at least one is allocated */
	struct stage *stage;      /* settings.state_count */
	struct path *path;        /* settings.state_count */
	struct guard *guard;      /* settings.guard_count */
};

/**
 * compile_conf() - Make the tables of @conf.
 * @conf: parsed without an error
 * @hz: jiffies in one second
 * @heritage: so that states, doors and protected ports that both configs have keep their numbers,
 *            and no new one gets a number that still means another; NULL: there is none
 * @out: untouched on failure; to be released with compiled_free()
 * @messages: gets what is wrong with the config as a whole
 *
 * Return: 0; -EINVAL with an error in @messages when the config is wrong, without one when
 * @heritage makes no sense; -ENOMEM.
 */
int compile_conf(const struct conf *conf, unsigned int hz, const struct heritage *heritage,
		 struct compiled *out, struct messages *messages);

/** compile_once() - The name of the one-time sequence in force at @door (struct door); 0: none. */
__u64 compile_once(const struct conf_door *door);

/** compiled_free() - Release the tables. A zeroed struct is fine. */
void compiled_free(struct compiled *compiled);

#endif
