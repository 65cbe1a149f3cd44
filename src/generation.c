// SPDX-License-Identifier: GPL-2.0-or-later
#include "generation.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

enum { PROGRAM_MAPS_MAX = 64 }; /* the kernel's own limit */

static const struct {
	const char *name;
	enum generation_kind kind;
} maps[MAP_COUNT] = {
#define GENERATION_MAP(name, kind) [MAP_##name] = { #name, MAP_##kind },
	GENERATION_MAPS(GENERATION_MAP)
#undef GENERATION_MAP
};

void generation_init(struct generation *g)
{
	g->outer = g->inner = g->outer_trial = g->inner_trial = g->order = -1;
	for (int i = 0; i < MAP_COUNT; i++)
		g->map[i] = -1;
}

void generation_close(struct generation *g)
{
	const int program[] = { g->outer, g->inner, g->outer_trial, g->inner_trial, g->order };

	for (size_t i = 0; i < sizeof(program) / sizeof(*program); i++)
		if (program[i] >= 0)
			close(program[i]);
	for (int i = 0; i < MAP_COUNT; i++)
		if (g->map[i] >= 0)
			close(g->map[i]);
	generation_init(g);
}

const char *generation_map_name(enum generation_map map)
{
	/* These are sections of the object, which libbpf makes into maps. */
	switch (map) {
	case MAP_presence:
		return ".data.presence";
	case MAP_settings:
		return ".rodata.settings";
	case MAP_surroundings:
		return ".data.surroundings";
	default:
		return maps[map].name;
	}
}

enum generation_kind generation_map_kind(enum generation_map map)
{
	return maps[map].kind;
}

static int map_info(int fd, struct bpf_map_info *out)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	*out = info;
	return 0;
}

/* Take the map into @g by its name, of which the kernel keeps so much; others are left alone. */
static int map_take(struct generation *g, __u32 id)
{
	int fd = bpf_map_get_fd_by_id(id), result;
	struct bpf_map_info info;

	if (fd < 0)
		return -errno;
	result = map_info(fd, &info);
	for (int i = 0; i < MAP_COUNT && !result; i++) {
		if (g->map[i] < 0 &&
		    !strncmp(info.name, generation_map_name(i), sizeof(info.name) - 1)) {
			g->map[i] = fd;
			return 0;
		}
	}
	close(fd);
	return result;
}

int generation_read(struct generation *out, int program)
{
	__u32 id[PROGRAM_MAPS_MAX];
	struct bpf_prog_info info = {
		.map_ids = (uintptr_t)id,
		.nr_map_ids = PROGRAM_MAPS_MAX,
	};
	__u32 size = sizeof(info);
	struct generation g;
	int result = 0;

	if (bpf_obj_get_info_by_fd(program, &info, &size))
		return -errno;
	if (info.nr_map_ids > PROGRAM_MAPS_MAX)
		return -E2BIG;
	generation_init(&g);
	for (__u32 i = 0; i < info.nr_map_ids && !result; i++)
		result = map_take(&g, id[i]);
	if (result) {
		generation_close(&g);
		return result;
	}
	*out = g;
	return 0;
}

int generation_map_info(const struct generation *g, enum generation_map map,
			struct bpf_map_info *out)
{
	return g->map[map] < 0 ? -ENOENT : map_info(g->map[map], out);
}

/* Bytes from one value of an array to the next, as it is mapped. */
static size_t value_stride(const struct bpf_map_info *info)
{
	return ((size_t)info->value_size + 7) / 8 * 8;
}

/* Larger tables can be mapped: to ask for each of their values takes a hundred times as long. */
static int values_map(int map, const struct bpf_map_info *info, char *values)
{
	size_t stride = value_stride(info), size = stride * info->max_entries;
	char *at = mmap(NULL, size, PROT_READ, MAP_SHARED, map, 0);

	if (at == MAP_FAILED)
		return -errno;
	for (size_t i = 0; i < info->max_entries; i++)
		memcpy(values + i * info->value_size, at + i * stride, info->value_size);
	munmap(at, size);
	return 0;
}

static int values_read(int map, const struct bpf_map_info *info, char *values)
{
	if (info->map_flags & BPF_F_MMAPABLE)
		return values_map(map, info, values);
	for (__u32 i = 0; i < info->max_entries; i++)
		if (bpf_map_lookup_elem(map, &i, values + (size_t)i * info->value_size))
			return -errno;
	return 0;
}

int generation_values(const struct generation *g, enum generation_map map, void **out,
		      size_t *size)
{
	struct bpf_map_info info;
	int result = generation_map_info(g, map, &info);
	char *values;

	if (result)
		return result;
	if (info.type != BPF_MAP_TYPE_ARRAY)
		return -EINVAL;
	values = calloc(info.max_entries, info.value_size);
	if (!values)
		return -ENOMEM;
	result = values_read(g->map[map], &info, values);
	if (result) {
		free(values);
		return result;
	}
	*out = values;
	*size = (size_t)info.max_entries * info.value_size;
	return 0;
}

/* The first @size bytes of an array; another layout may have more. */
static int values_begin(const struct generation *g, enum generation_map map, void *out,
			size_t size)
{
	void *values;
	size_t have;
	int result = generation_values(g, map, &values, &have);

	if (result)
		return result;
	if (have >= size)
		memcpy(out, values, size);
	free(values);
	return have >= size ? 0 : -EINVAL;
}

__u32 generation_layout(const struct generation *g)
{
	__u32 layout = 0;

	return values_begin(g, MAP_about, &layout, sizeof(layout)) ? 0 : layout;
}

__u64 generation_doubtful(const struct generation *g)
{
	struct trial_term trial;
	struct about about;

	if (values_begin(g, MAP_about, &about, offsetof(struct about, version)) ||
	    about.layout < ABOUT_HEAD_LAYOUT)
		return 0;
	if (about.refused_file)
		return about.refused_file;
	return values_begin(g, MAP_trial, &trial, sizeof(trial)) || !trial.until ?
		       0 : about.trial_file;
}

int generation_settings(const struct generation *g, struct settings *out)
{
	return values_begin(g, MAP_settings, out, sizeof(*out));
}

__u64 generation_counter(const struct generation *g, enum generation_map map, __u32 index)
{
	int cpus = libbpf_num_possible_cpus();
	struct bpf_map_info info;
	__u64 *values, sum = 0;

	if (generation_map_info(g, map, &info) || info.type != BPF_MAP_TYPE_PERCPU_ARRAY ||
	    info.value_size != sizeof(*values))
		return 0;
	values = cpus > 0 ? calloc(cpus, sizeof(*values)) : NULL;
	if (values && !bpf_map_lookup_elem(g->map[map], &index, values))
		for (int i = 0; i < cpus; i++)
			sum += values[i];
	free(values);
	return sum;
}

size_t generation_map_size(const struct generation *g, enum generation_map map)
{
	struct bpf_map_info info;

	if (generation_map_info(g, map, &info) || info.type != BPF_MAP_TYPE_ARRAY)
		return 0;
	return value_stride(&info) * info.max_entries;
}

void *generation_table(const struct generation *g, enum generation_map map, size_t least)
{
	void *values;
	size_t size;

	if (generation_values(g, map, &values, &size))
		return NULL;
	if (size >= least)
		return values;
	free(values);
	return NULL;
}

void generation_view(const struct generation *g, struct view_map part[VIEW_PARTS])
{
	static const enum generation_map parts[VIEW_PARTS] = {
		[VIEW_SETTINGS] = MAP_settings, [VIEW_NAMES] = MAP_names,
		[VIEW_STAGES] = MAP_stages, [VIEW_GRANTS] = MAP_grants,
		[VIEW_SHARED] = MAP_shared,
		[VIEW_TRIAL] = MAP_trial, [VIEW_ABOUT] = MAP_about,
	};

	for (int i = 0; i < VIEW_PARTS; i++)
		part[i] = (struct view_map){ g->map[parts[i]], generation_map_size(g, parts[i]) };
}
