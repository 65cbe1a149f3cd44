/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A generation: one load of a config as the kernel holds it, programs and maps by their names. The
 * way to all of it leads from a link to its program to that program's maps, so it is the same for a
 * config that this process loaded, one that a daemon left behind, and for knockctl.
 */
#ifndef KNOCKD_GENERATION_H
#define KNOCKD_GENERATION_H

#include <stdbool.h>
#include <stddef.h>

#include "knockd/abi.h"
#include "view.h"

struct bpf_map_info;

/*
 * X(name, kind). CONFIG maps belong to one generation; STATE maps are handed on to the next one, or
 * their contents are where sizes differ; FORM maps are as STATE, but of a size that never changes.
 */
#define GENERATION_MAPS(X)      \
	X(ports, CONFIG)        \
	X(edges, CONFIG)        \
	X(states, CONFIG)       \
	X(matches, CONFIG)      \
	X(doors, CONFIG)        \
	X(opens, CONFIG)        \
	X(knockers, CONFIG)     \
	X(trusts, CONFIG)       \
	X(sources, CONFIG)      \
	X(guarded, CONFIG)      \
	X(addresses, CONFIG)    \
	X(names, CONFIG)        \
	X(stages, CONFIG)       \
	X(paths, CONFIG)        \
	X(settings, CONFIG)     \
	X(surroundings, CONFIG) \
	X(progress, STATE)      \
	X(grants, STATE)        \
	X(presence, FORM)       \
	X(quotas, STATE)        \
	X(spent, FORM)          \
	X(told, FORM)           \
	X(flows, STATE)         \
	X(counters, STATE)      \
	X(door_counters, STATE) \
	X(port_counters, STATE) \
	X(port_reports, STATE)  \
	X(looking, FORM)        \
	X(shared, FORM)         \
	X(about, FORM)          \
	X(events, FORM)         \
	X(tasks, FORM)          \
	X(trial, CONFIG)        \
	X(former_outer, CONFIG) \
	X(former_inner, CONFIG)

#define GENERATION_MAP(name, kind) MAP_##name,
enum generation_map { GENERATION_MAPS(GENERATION_MAP) MAP_COUNT };
#undef GENERATION_MAP

enum generation_kind { MAP_CONFIG, MAP_STATE, MAP_FORM };

struct generation {
	/* Programs; −1: none. Those on trial fall back once the time to confirm is over. */
	int outer, inner, outer_trial, inner_trial, order;
	int map[MAP_COUNT]; /* −1: none */
};

/** generation_init() - Nothing. */
void generation_init(struct generation *g);

/** generation_close() - Close all descriptors; what nothing else holds is gone. */
void generation_close(struct generation *g);

/** generation_map_name() - Its name in the object; the kernel shows the first 15 bytes of it. */
const char *generation_map_name(enum generation_map map);

/** generation_map_kind() - Its kind. */
enum generation_kind generation_map_kind(enum generation_map map);

/**
 * generation_read() - Find the maps of @program (a descriptor of either door's) by their names.
 * @out: no program is set; maps that @program does not have are −1
 * Needs CAP_SYS_ADMIN.
 *
 * Return: 0 or −errno. Release with generation_close().
 */
int generation_read(struct generation *out, int program);

/** generation_map_info() - Its type and sizes. Return: 0, −ENOENT when missing, or −errno. */
int generation_map_info(const struct generation *g, enum generation_map map,
			struct bpf_map_info *out);

/**
 * generation_values() - Read all values of an array, one after the other.
 * @out: to be released with free(); @size: in bytes
 * Return: 0, −ENOENT where it is missing, −EINVAL where it is none, or another −errno.
 */
int generation_values(const struct generation *g, enum generation_map map, void **out,
		      size_t *size);

/**
 * generation_layout() - The layout version of what @g holds, 0 where it is not knockd's.
 */
__u32 generation_layout(const struct generation *g);

/**
 * generation_doubtful() - When the config file of what another layout left was last changed (see
 * struct about), if it is on trial or was not confirmed in time; 0: neither, or not known.
 */
__u64 generation_doubtful(const struct generation *g);

/** generation_settings() - What it was loaded with. Return: 0 or −errno. */
int generation_settings(const struct generation *g, struct settings *out);

/** generation_counter() - Sum over all CPUs of one counter, 0 where there is none. */
__u64 generation_counter(const struct generation *g, enum generation_map map, __u32 index);

/** generation_map_size() - Bytes of all values of an array as they are mapped, else 0. */
size_t generation_map_size(const struct generation *g, enum generation_map map);

/** generation_table() - Its values, of @least bytes and more, for free(); NULL where it has not. */
void *generation_table(const struct generation *g, enum generation_map map, size_t least);

/** generation_view() - What a view of it is made of, for view_open(); the descriptors stay its. */
void generation_view(const struct generation *g, struct view_map part[VIEW_PARTS]);

#endif
