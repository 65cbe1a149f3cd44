// SPDX-License-Identifier: GPL-2.0-or-later
#include "entries.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

enum { CHUNK_ENTRIES = 512 }; /* of a map, read at once */

static const struct {
	__u32 type, key_size, value_size;
} forms[MAP_COUNT] = {
	[MAP_grants] = { BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(struct grant_bucket) },
	[MAP_flows] = { BPF_MAP_TYPE_LRU_HASH, sizeof(__u64), sizeof(struct flow_state) },
	[MAP_progress] = { BPF_MAP_TYPE_LRU_HASH, sizeof(__u64), sizeof(struct progress) },
	[MAP_quotas] = { BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(__u64) },
	[MAP_port_reports] = { BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(__u64) },
	[MAP_counters] = { BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(__u32), sizeof(__u64) },
	[MAP_door_counters] = { BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(__u32), sizeof(__u64) },
	[MAP_port_counters] = { BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(__u32), sizeof(__u64) },
};

int entries_check(const struct generation *g, enum generation_map map, struct bpf_map_info *out)
{
	struct bpf_map_info info;
	int error = generation_map_info(g, map, &info);

	if (error)
		return error;
	if (info.type != forms[map].type || info.key_size != forms[map].key_size ||
	    info.value_size != forms[map].value_size)
		return -EINVAL;
	*out = info;
	return 0;
}

/* ---- all entries ---- */

struct walk {
	int from, to;
	__u32 key_size, value_size;
	bool (*each)(void *data, const void *key, void *value);
	void *data;
};

static int entries_write(const struct walk *w, char *keys, char *values, __u32 count)
{
	__u32 done = 0;

	while (done < count) {
		__u32 n = count - done;

		if (!bpf_map_update_batch(w->to, keys + (size_t)done * w->key_size,
					  values + (size_t)done * w->value_size, &n, NULL))
			return 0;
		if (errno != ENOMEM)
			return -errno;
		/* An LRU hash that finds no place at this moment may forget this one. */
		done += n + 1;
	}
	return 0;
}

/* Call w->each for the entries of a chunk and write those that it wants written. */
static int chunk_walk(const struct walk *w, char *keys, char *values, __u32 count)
{
	__u32 kept = 0;

	for (__u32 i = 0; i < count; i++) {
		char *key = keys + (size_t)i * w->key_size;
		char *value = values + (size_t)i * w->value_size;

		if (!w->each(w->data, key, value))
			continue;
		memmove(keys + (size_t)kept * w->key_size, key, w->key_size);
		memmove(values + (size_t)kept * w->value_size, value, w->value_size);
		kept++;
	}
	return entries_write(w, keys, values, kept);
}

static int chunks_walk(const struct walk *w)
{
	char *keys = calloc(CHUNK_ENTRIES, w->key_size);
	char *values = calloc(CHUNK_ENTRIES, w->value_size);
	bool begun = false, over = false;
	__u64 place = 0;
	int error = keys && values ? 0 : -ENOMEM;

	while (!error && !over) {
		__u32 count = CHUNK_ENTRIES;

		if (bpf_map_lookup_batch(w->from, begun ? &place : NULL, &place, keys, values,
					 &count, NULL)) {
			over = errno == ENOENT;
			error = over ? 0 : -errno;
		}
		begun = true;
		if (!error)
			error = chunk_walk(w, keys, values, count);
	}
	free(keys);
	free(values);
	return error;
}

int entries_walk(enum generation_map map, int from, int to,
		 bool (*each)(void *data, const void *key, void *value), void *data)
{
	int copies = 1;
	struct walk walk = {
		.from = from,
		.to = to,
		.key_size = forms[map].key_size,
		.each = each,
		.data = data,
	};

	if (forms[map].type == BPF_MAP_TYPE_PERCPU_ARRAY)
		copies = libbpf_num_possible_cpus();
	if (copies < 0)
		return copies;
	walk.value_size = copies * forms[map].value_size;
	return chunks_walk(&walk);
}

/* ---- values ---- */

__u64 counter_sum(const __u64 *value)
{
	__u64 sum = 0;

	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		sum += value[i];
	return sum;
}

void *array_map(int fd, size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

void array_unmap(void *at, size_t size)
{
	if (at)
		munmap(at, size);
}
