// SPDX-License-Identifier: GPL-2.0-or-later
#include "surround.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <stdbool.h>
#include <string.h>

#include <bpf/bpf.h>

/* What the programs look at before they ask a map: see struct surroundings. */
static void guarded_look(struct surroundings *now, const struct device *device, unsigned int *ip)
{
	now->forwarding |= device_forwards(device->name);
	now->stacked |= !strcmp(device->kind, "bond") || !strcmp(device->kind, "team");
	if (device->type != ARPHRD_ETHER)
		now->ip[(*ip)++] = device->index;
}

static int surroundings_set(const struct generation *g, const struct devices *devices,
			    const struct guarded *guarded)
{
	struct surroundings now = {};
	unsigned int ip = 0;
	__u32 key = 0;

	for (unsigned int i = 0; i < guarded->count; i++)
		if (guarded->at[i])
			guarded_look(&now, guarded->at[i], &ip);
	for (size_t i = 0; i < devices->count && !now.stacked; i++)
		now.stacked = devices->at[i].stacked;
	for (size_t i = 0; i < devices->address_count; i++)
		now.ours[address_place(devices->address[i].word_be)] = 1;
	return bpf_map_update_elem(g->map[MAP_surroundings], &key, &now, BPF_ANY) ? -errno : 0;
}

/* Remove from @map what @keep does not want; @size is that of a key, at most struct source's. */
static void map_prune(int map, size_t size,
		      bool (*keep)(const void *key, const struct devices *devices),
		      const struct devices *devices)
{
	struct source key, next;
	void *last = NULL;

	while (!bpf_map_get_next_key(map, last, &next)) {
		if (!keep(&next, devices)) {
			bpf_map_delete_elem(map, &next);
			last = NULL;
			continue;
		}
		memcpy(&key, &next, size);
		last = &key;
	}
}

static bool address_keep(const void *key, const struct devices *devices)
{
	for (size_t i = 0; i < devices->address_count; i++)
		if (!memcmp(&devices->address[i], key, sizeof(devices->address[i])))
			return true;
	return false;
}

static bool device_keep(const void *key, const struct devices *devices)
{
	const struct device *device;
	__u32 index;

	memcpy(&index, key, sizeof(index));
	device = devices_find_index(devices, index);
	return device && (device->guarded || device->stacked);
}

int generation_surround(const struct generation *g, struct devices *devices,
			const struct guarded *guarded)
{
	int addresses = g->map[MAP_addresses], stacked = g->map[MAP_guarded], result;
	unsigned int index[KNOCKD_INTERFACES_MAX];
	__u32 one = 1;

	for (unsigned int i = 0; i < guarded->count; i++)
		index[i] = guarded->at[i] ? guarded->at[i]->index : 0;
	devices_stack(devices, index, guarded->count);
	result = surroundings_set(g, devices, guarded);
	for (size_t i = 0; i < devices->address_count; i++)
		if (bpf_map_update_elem(addresses, &devices->address[i], &one, BPF_ANY) && !result)
			result = -errno;
	/* The guarded ones first: they have their place, come what may. */
	for (size_t i = 0; i < 2 * devices->count; i++) {
		const struct device *device = &devices->at[i % devices->count];
		bool wanted = i < devices->count ? device->guarded : device->stacked;

		if (wanted && bpf_map_update_elem(stacked, &device->index, &one, BPF_ANY) &&
		    !result)
			result = -errno;
	}
	map_prune(addresses, sizeof(struct source), address_keep, devices);
	map_prune(stacked, sizeof(__u32), device_keep, devices);
	return result;
}
