/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands in a generation's STATE maps: arrays are mapped, the entries of others read in
 * chunks.
 */
#ifndef KNOCKD_ENTRIES_H
#define KNOCKD_ENTRIES_H

#include "generation.h"

/**
 * entries_check() - Read the sizes of a STATE map.
 * @out: untouched on failure
 *
 * Return: 0; −ENOENT when it is missing; −EINVAL when it is not what this knockd takes it for; or
 * another −errno.
 */
int entries_check(const struct generation *g, enum generation_map map, struct bpf_map_info *out);

/**
 * entries_walk() - Call @each for all entries of @from, and write to @to those for which it returns
 * true.
 * @map: which of the maps @from and @to are; it is no array but for counters
 *
 * Return: 0 or −errno.
 */
int entries_walk(enum generation_map map, int from, int to,
		 bool (*each)(void *data, const void *key, void *value), void *data);

/** counter_sum() - Sum over all CPUs. Which of them counted is of no interest. */
__u64 counter_sum(const __u64 *value);

/** array_map() - Map an array for reading and writing. Return: NULL on failure, with errno. */
void *array_map(int fd, size_t size);

/** array_unmap() - The end of it; NULL is fine. */
void array_unmap(void *at, size_t size);

#endif
