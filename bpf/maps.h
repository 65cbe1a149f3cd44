/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every map: what it holds, who writes it, what happens when it is full. Sizes marked "at load" are
 * set by the daemon. Config maps belong to one load of a config and are never written again; state
 * maps outlive it.
 */
#ifndef KNOCKD_MAPS_H
#define KNOCKD_MAPS_H

#include <bpf/bpf_helpers.h>

#include "knockd/abi.h"

/* ---- config: written by the daemon before the programs run; too large is a config error ---- */

/* struct port; the first PORT_COUNT are about this host. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PORT_COUNT); /* at load: for each host */
	__uint(map_flags, BPF_F_RDONLY_PROG | BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct port);
} ports SEC(".maps");

/* A whole table as the one value of an array: one lookup, then plain indexing. */
#define CONFIG_TABLE(name, size)                                                                   \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                  \
		__uint(max_entries, 1);                                                            \
		__uint(key_size, sizeof(__u32));                                                   \
		__uint(value_size, size); /* at load */                                            \
		__uint(map_flags, BPF_F_RDONLY_PROG);                                              \
	} name SEC(".maps")

CONFIG_TABLE(edges, sizeof(__u64));
CONFIG_TABLE(states, sizeof(struct state));
CONFIG_TABLE(matches, sizeof(struct match));
CONFIG_TABLE(doors, sizeof(struct door));
CONFIG_TABLE(opens, sizeof(__u64));    /* bit matrix: door × area that it opens */
CONFIG_TABLE(knockers, sizeof(__u64)); /* bit matrix: set of sources × door it may knock at */
CONFIG_TABLE(trusts, sizeof(__u64));   /* bit matrix: set of sources × area it needs no knock for */

/* A table that only the daemon, its successor and knockctl read; one value, mapped by them. */
#define READERS_TABLE(name, size)                                                                  \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                  \
		__uint(max_entries, 1);                                                            \
		__uint(key_size, sizeof(__u32));                                                   \
		__uint(value_size, size); /* at load, but for about */                             \
		__uint(map_flags, BPF_F_MMAPABLE);                                                 \
	} name SEC(".maps")

READERS_TABLE(names, sizeof(struct door_name));
READERS_TABLE(stages, sizeof(struct stage));
READERS_TABLE(paths, sizeof(struct path));

/* Prefix → its set of sources. Every prefix of the config is in it, so the longest says all. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1); /* at load */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct source_prefix);
	__type(value, __u32);
} sources SEC(".maps");

/*
 * Devices on which the inner door judges, by index: the guarded ones and those stacked on them.
 * Written by the daemon as devices come and go. Full: the device is logged as not covered.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u32);
} guarded SEC(".maps");

/*
 * Addresses of this host, stream 0. Written by the daemon as they come and go. Full: of those that
 * are missing, connections of this host to itself are refused, and datagrams to them dropped where
 * Closed = reset would have the kernel refuse them.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct source);
	__type(value, __u32);
} addresses SEC(".maps");

/* ---- state: written by the programs ---- */

/*
 * progress_name() → recent knocks of who began some sequence. Full: the source idle longest is
 * forgotten.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536); /* at load: Max_Sources */
	__type(key, __u64);
	__type(value, struct progress);
} progress SEC(".maps");

/* Grants, in cells that are taken again once expired. Full: refused, counted, logged. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096); /* at load: a power of two of buckets, from Max_Grants */
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct grant_bucket);
} grants SEC(".maps");

/*
 * See enum presence. Cannot be full; expires by itself. Data of the programs, which libbpf makes a
 * map of one value: a slot is found without a lookup.
 */
__u32 presence[PRESENCE_SLOTS] SEC(".data.presence");

/* Door → grants given lately, the word described at QUOTA_COUNT_BITS. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* at load: doors */
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} quotas SEC(".maps");

/* Door → the one-time sequence that opened it last, by the name that struct door gives it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KNOCKD_DOOR_NUMBERS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} spent SEC(".maps");

/* Door → a rate (enum limit) of openings that others hear of and that cost the opener nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KNOCKD_DOOR_NUMBERS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} told SEC(".maps");

/*
 * flow_name() → a conversation that a grant admitted: UDP, forwarded, and TCP of doors that count
 * connections. Full: the one idle longest is forgotten.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536); /* at load: Max_Flows */
	__type(key, __u64);
	__type(value, struct flow_state);
} flows SEC(".maps");

/* Reason → packets. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, REASON_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/* Door → openings and renewals. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1); /* at load: doors */
	__type(key, __u32);
	__type(value, __u64);
} door_counters SEC(".maps");

/* Protected port, in the order of struct port's guard → packets refused. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1); /* at load: protected ports */
	__type(key, __u32);
	__type(value, __u64);
} port_counters SEC(".maps");

/* Protected port → jiffies of the latest report of a refused packet. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* at load: protected ports */
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} port_reports SEC(".maps");

/*
 * Whether the outer door is looking a socket up on this CPU. That lookup asks the inner door like
 * any other; it lets all of them pass, since only which sockets there are is the question.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} looking SEC(".maps");

/* See struct shared. Written by the programs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct shared);
} shared SEC(".maps");

/* See struct about. Written by the daemon. */
READERS_TABLE(about, sizeof(struct about));

/* See struct trial_term. Written by the daemon once, then by what confirms. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct trial_term);
} trial SEC(".maps");

/* The doors of the config before, while one waits for confirmation. Written by the daemon. */
#define FORMER_DOOR(name)                                                                          \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_PROG_ARRAY);                                             \
		__uint(max_entries, 1);                                                            \
		__type(key, __u32);                                                                \
		__type(value, __u32);                                                              \
	} name SEC(".maps")

FORMER_DOOR(former_outer);
FORMER_DOOR(former_inner);

/* struct event, to the daemon. Full: counted as EVENT_LOST, no verdict changes. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

/* struct event, to the helper: doors with DOOR_TASKS that opened or closed. Full: counted. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} tasks SEC(".maps");

/* The one value of a map that has no more. */
static __always_inline void *table(void *map)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(map, &key);
}

#endif
