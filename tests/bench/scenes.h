/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scenes: a config in force, with as many doors, grants and flows as the scene wants. All that a
 * scene holds was knocked for, packet by packet, at the programs that are measured.
 */
#ifndef KNOCKD_BENCH_SCENES_H
#define KNOCKD_BENCH_SCENES_H

#include <sys/mman.h>

#include "runs.h"

enum {
	SOURCE_ONE = 0x0a200001,       /* 10.32.0.1, or the end of an IPv6 address */
	SOURCES_GRANTED = 0x0a400000,  /* 10.64.0.0 and on, or the end of an IPv6 address */
	SOURCES_KNOCKING = 0x0a800000,
	KNOCKERS = 256,                /* as many knock one after the other */
	FLOWS_MAX = 16384,             /* of each family: all fit into Max_Flows */
	KNOCKERS_HEARD = 2048,         /* events of as many fit into the ring */
	BATCH = 16384,                 /* have progress at once: all fit into Max_Sources */
	SESSION_PORT = 50000,          /* the live session's */
};

/* The door that is measured; the file's last. */
#define SCENE_DOOR                                                                                 \
	"[ssh]\n"                                                                                  \
	"	Sequence = 7000,8000,9000\n"                                                       \
	"	Close_Sequence = 9000,8000,7000\n"                                                 \
	"	Seq_Timeout = 60\n"                                                                \
	"	Open = 22, 60000-60010:udp\n"                                                      \
	"	Open_Time = 1d\n"

static const __u16 scene_knock[] = { 7000, 8000, 9000 };

enum { SCENE_KNOCKS = sizeof(scene_knock) / sizeof(*scene_knock) };

struct scene {
	const char *variant;
	__u32 doors;
	__u32 grants;     /* of each family; a power of two */
	__u32 max_grants;

	struct setup setup;
	struct world *world;
	__u32 *presence, *presence_before; /* as it is, and before anybody knocks */
	struct settings settings;
	struct grant_bucket *bucket;
};

/* Doors that share knock ports and first knocks with each other, and protect a port each. */
static inline char *scene_conf(const struct scene *scene)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	must(out, "no memory");
	fprintf(out, "[options]\n\tInterface = door0\n\tMax_Grants = %u\n", scene->max_grants);
	for (__u32 i = 0; i + 1 < scene->doors; i++)
		fprintf(out, "[door%u]\n\tSequence = %u,%u%s,%u\n\tOpen = %u\n", i,
			i % 3 ? 30000 + i * 7919 % 20000 : 7000, 30000 + i * 104729 % 20000,
			i % 2 ? ":udp" : "", 30000 + i * 611953 % 20000, 20000 + i);
	fputs(SCENE_DOOR, out);
	fclose(out);
	return text;
}

static inline void world_face(struct world *w, int family)
{
	w->family = family;
	w->a = family == 4 ? &addresses4 : &addresses6;
	w->source = w->a->stranger;
	w->destination = w->a->host;
	w->ingress = w->device;
}

static inline void frame_source(struct frame *f, __u32 source)
{
	frame_put32(f, f->ip + (f->family == 4 ? 12 : 20), source);
}

static inline enum pair pair_of(int family)
{
	return family == 4 ? PAIR_SEND4 : PAIR_SEND6;
}

/* Each of @sources makes the door's knock @number once. No segment is ever sent twice. */
static inline double sources_knock(struct runs *r, struct world *w, int number,
				   const struct sources *sources)
{
	static __u32 segment;
	struct frame f = frame_tcp(w->family, w->source, 40000, w->destination,
				   scene_knock[number], SYN);

	frame_sequence(&f, ++segment);
	return runs_tested(r, &f, w->device, sources, sources->count);
}

static inline __u64 scene_counter(const struct scene *scene, enum reason reason)
{
	return generation_counter(&scene->world->generation, MAP_counters, reason);
}

/* Buckets may be full for one in many thousands. */
static inline bool nearly_all(__u64 count, __u64 of)
{
	return count <= of && count >= of - of / 1000;
}

static inline void scene_grant(struct runs *r, const struct scene *scene)
{
	__u64 before = scene_counter(scene, REASON_OPENED);
	struct sources some = { .count = scene->grants < BATCH ? scene->grants : BATCH };

	for (__u32 done = 0; done < scene->grants; done += some.count) {
		some.first = SOURCES_GRANTED + done;
		for (int knock = 0; knock < SCENE_KNOCKS; knock++)
			sources_knock(r, scene->world, knock, &some);
	}
	must(nearly_all(scene_counter(scene, REASON_OPENED) - before, scene->grants),
	     "the knocks of a scene did not open its door");
}

static inline __u32 scene_flows(const struct scene *scene)
{
	return scene->grants < FLOWS_MAX ? scene->grants : FLOWS_MAX;
}

static inline struct frame flow_frame(struct world *w)
{
	return frame_udp(w->family, w->source, 40000, w->destination, 60000);
}

static inline void scene_talk(struct runs *r, const struct scene *scene)
{
	struct sources some = { .first = SOURCES_GRANTED, .count = scene_flows(scene) };
	struct frame f = flow_frame(scene->world);

	runs_tested(r, &f, scene->world->device, &some, some.count);
}

static inline void *map_memory(const struct world *w, enum generation_map map)
{
	void *memory = mmap(NULL, generation_map_size(&w->generation, map), PROT_READ | PROT_WRITE,
			    MAP_SHARED, w->generation.map[map], 0);

	must(memory != MAP_FAILED, "cannot map a table");
	return memory;
}

/** scene_open() - Load the scene's config, and knock for all that it holds. */
static inline void scene_open(struct runs *r, struct scene *scene)
{
	scene->setup.conf = scene_conf(scene);
	scene->world = world_of(&scene->setup);
	must(!generation_settings(&scene->world->generation, &scene->settings), "no settings");
	scene->presence = presence_open(scene->world);
	scene->bucket = map_memory(scene->world, MAP_grants);
	world_look(scene->world);
	for (int family = 4; family <= 6; family += 2) {
		world_face(scene->world, family);
		runs_pair(r, pair_of(family), scene->world->generation.outer);
		scene_grant(r, scene);
		scene_talk(r, scene);
	}
	events_read(scene->world);
	/* What holds while there are grants: Seq_Timeout has passed since the knocks for them. */
	memset(&scene->presence[presence_slot(PRESENCE_PROGRESS, 0)], 0,
	       sizeof(*scene->presence) << PRESENCE_BITS);
	scene->presence_before = malloc(PRESENCE_SIZE);
	must(scene->presence_before, "no memory");
	memcpy(scene->presence_before, scene->presence, PRESENCE_SIZE);
}

static inline void scene_close(struct scene *scene)
{
	presence_close(scene->presence);
	munmap(scene->bucket, generation_map_size(&scene->world->generation, MAP_grants));
	free(scene->presence_before);
	free((char *)scene->setup.conf);
}

/* ---- those who knock while it is measured ---- */

/* One of them, but for the bytes by which they differ. */
static inline struct source knocker(const struct world *w)
{
	struct source source = { .family = w->family };

	address_read((uint8_t *)source.word_be, w->source, w->family);
	return source;
}

/** knockers_forget() - As if they had never been here: no grant, no progress, no quota taken. */
static inline void knockers_forget(const struct scene *scene)
{
	const struct world *w = scene->world;
	__u32 buckets = w->compiled.bucket_count, door = w->compiled.settings.door_count - 1;
	struct source source = knocker(w);
	__u64 none = 0;

	for (__u32 i = 0; i < KNOCKERS; i++) {
		struct grant_bucket *bucket;
		__u64 hash, name;

		source.word_be[w->family == 4 ? 0 : 3] = htonl(SOURCES_KNOCKING + i);
		hash = source_hash(&scene->settings.hash_key, &source);
		name = progress_name(hash, source.stream);
		bpf_map_delete_elem(w->generation.map[MAP_progress], &name);
		bucket = &scene->bucket[grant_slot(hash, buckets - 1)];
		for (int cell = 0; cell < GRANT_CELLS; cell++)
			if (!grant_differs(&bucket->cell[cell], bucket->cell[cell].word, &source,
					   grant_family(&source)))
				memset(&bucket->cell[cell], 0, sizeof(bucket->cell[cell]));
		for (int kind = 0; kind < PRESENCE_KINDS; kind++) {
			__u32 slot = presence_slot(kind, hash);

			scene->presence[slot] = scene->presence_before[slot];
		}
	}
	must(!bpf_map_update_elem(w->generation.map[MAP_quotas], &door, &none, BPF_ANY),
	     "cannot give a quota back");
}

#endif
