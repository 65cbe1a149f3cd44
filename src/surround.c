// SPDX-License-Identifier: GPL-2.0-or-later
#include "surround.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <bpf/bpf.h>

/* What the programs look at before they ask a map: see struct surroundings. */
static int surroundings_set(const struct generation *g, const struct devices *devices,
			    const struct device *guarded)
{
	struct surroundings now = {
		.forwarding = device_forwards(guarded->name),
		.stacked = !strcmp(guarded->kind, "bond") || !strcmp(guarded->kind, "team"),
	};
	__u32 key = 0;

	for (size_t i = 0; i < devices->count && !now.stacked; i++)
		now.stacked = devices->at[i].stacked;
	for (size_t i = 0; i < devices->address_count; i++) {
		__u32 bit = address_bit(devices->address[i].word_be);

		now.ours[bit / 64] |= 1ULL << bit % 64;
	}
	return bpf_map_update_elem(g->map[MAP_surroundings], &key, &now, BPF_ANY) ? -errno : 0;
}

/* Remove from @map what @keep does not want; @size is that of a key, at most struct source's. */
static void map_prune(int map, size_t size, bool (*keep)(const void *key, unsigned int guarded,
							 const struct devices *devices),
		      unsigned int guarded, const struct devices *devices)
{
	struct source key, next;
	void *last = NULL;

	while (!bpf_map_get_next_key(map, last, &next)) {
		if (!keep(&next, guarded, devices)) {
			bpf_map_delete_elem(map, &next);
			last = NULL;
			continue;
		}
		memcpy(&key, &next, size);
		last = &key;
	}
}

static bool address_keep(const void *key, unsigned int guarded, const struct devices *devices)
{
	(void)guarded;
	for (size_t i = 0; i < devices->address_count; i++)
		if (!memcmp(&devices->address[i], key, sizeof(devices->address[i])))
			return true;
	return false;
}

/* The guarded device itself stays, come what may. */
static bool device_keep(const void *key, unsigned int guarded, const struct devices *devices)
{
	const struct device *device;
	__u32 index;

	memcpy(&index, key, sizeof(index));
	device = devices_find_index(devices, index);
	return index == guarded || (device && device->stacked);
}

int generation_surround(const struct generation *g, struct devices *devices,
			       const struct device *guarded)
{
	int addresses = g->map[MAP_addresses], stacked = g->map[MAP_guarded], result;
	__u32 one = 1;

	devices_stack(devices, guarded->index);
	result = surroundings_set(g, devices, guarded);
	for (size_t i = 0; i < devices->address_count; i++)
		if (bpf_map_update_elem(addresses, &devices->address[i], &one, BPF_ANY) && !result)
			result = -errno;
	for (size_t i = 0; i < devices->count; i++) {
		const struct device *device = &devices->at[i];

		if ((device == guarded || device->stacked) &&
		    bpf_map_update_elem(stacked, &device->index, &one, BPF_ANY) && !result)
			result = -errno;
	}
	map_prune(addresses, sizeof(struct source), address_keep, guarded->index, devices);
	map_prune(stacked, sizeof(__u32), device_keep, guarded->index, devices);
	return result;
}
