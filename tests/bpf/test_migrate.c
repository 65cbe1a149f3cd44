// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * State on its way from one generation to the next: real maps, no programs. What these would do to
 * a table is done here by the code that they are made of, at a time that stands still.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/bpf.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../bpf/grant.h"
#include "../../bpf/presence.h"
#include "generation.h"
#include "knockd.skel.h"
#include "migrate.h"
#include "sweep.h"

enum { SECOND = 250, NOW = 40000000, IDLE = 180 * SECOND };

/* ---- chance ---- */

static __u64 chance = 88172645463325252ULL;

static __u64 chance_of(__u64 *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed >> 11;
}

static __u32 any(__u32 below)
{
	return chance_of(&chance) % below;
}

/* ---- generations ---- */

/* What a config decides; 0 is one, and 128 for the prefix. */
struct plan {
	__u32 buckets, prefix6, sources, flows, doors, guards;
};

static __u32 or_one(__u32 n)
{
	return n ? n : 1;
}

static void mask6(unsigned int prefix, __be32 out[4])
{
	__u8 *byte = (__u8 *)out;

	for (unsigned int i = 0; i < 16; i++)
		byte[i] = i * 8 + 8 <= prefix ? 0xff : i * 8 >= prefix ? 0 :
			  0xff << (8 - prefix % 8);
}

/* A generation's settings; those of one that follows @before have its key. */
static struct settings settings_of(const struct plan *plan, const struct settings *before)
{
	struct settings s = {
		.door_count = plan->doors,
		.guard_count = plan->guards,
		.bucket_mask = or_one(plan->buckets) - 1,
		.udp_idle = IDLE,
		.second = SECOND,
	};

	mask6(plan->prefix6 ? plan->prefix6 : 128, s.grant_mask6_be);
	s.hash_key = before ? before->hash_key : (struct hash_key){
		{ any(~0U), any(~0U), any(~0U), any(~0U) },
		(__u64)any(~0U) << 32 | any(~0U) | 1, any(~0U),
		{ any(~0U), any(~0U), any(~0U), any(~0U), any(~0U), any(~0U) },
	};
	return s;
}

static int map_new(enum bpf_map_type type, __u32 key, __u32 value, __u32 entries)
{
	LIBBPF_OPTS(bpf_map_create_opts, options);
	int fd;

	if (type == BPF_MAP_TYPE_ARRAY)
		options.map_flags = BPF_F_MMAPABLE;
	fd = bpf_map_create(type, "test", key, value, entries, &options);
	if (fd < 0)
		fail_msg("cannot create a map: %s", strerror(errno));
	return fd;
}

static void value_set(int map, __u32 index, const void *value)
{
	assert_int_equal(bpf_map_update_elem(map, &index, value, BPF_ANY), 0);
}

/* A generation with all that migration asks for. */
static struct generation generation_make(const struct plan *plan, const struct settings *settings)
{
	const struct {
		enum generation_map map;
		enum bpf_map_type type;
		size_t key, value;
		__u32 entries;
	} made[] = {
		{ MAP_settings, BPF_MAP_TYPE_ARRAY, 4, sizeof(*settings), 1 },
		{ MAP_names, BPF_MAP_TYPE_ARRAY, 4,
		  or_one(plan->doors) * sizeof(struct door_name), 1 },
		{ MAP_doors, BPF_MAP_TYPE_ARRAY, 4, or_one(plan->doors) * sizeof(struct door), 1 },
		{ MAP_ports, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct port), PORT_COUNT },
		{ MAP_presence, BPF_MAP_TYPE_ARRAY, 4, PRESENCE_SIZE, 1 },
		{ MAP_grants, BPF_MAP_TYPE_ARRAY, 4, sizeof(struct grant_bucket),
		  or_one(plan->buckets) },
		{ MAP_progress, BPF_MAP_TYPE_LRU_HASH, sizeof(__u64), sizeof(struct progress),
		  or_one(plan->sources) },
		{ MAP_flows, BPF_MAP_TYPE_LRU_HASH, sizeof(__u64),
		  sizeof(struct flow_state), or_one(plan->flows) },
		{ MAP_quotas, BPF_MAP_TYPE_ARRAY, 4, 8, or_one(plan->doors) },
		{ MAP_counters, BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, REASON_COUNT },
		{ MAP_door_counters, BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, or_one(plan->doors) },
		{ MAP_port_counters, BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, or_one(plan->guards) },
		{ MAP_port_reports, BPF_MAP_TYPE_ARRAY, 4, 8, or_one(plan->guards) },
	};
	struct generation g;

	generation_init(&g);
	for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++)
		g.map[made[i].map] = map_new(made[i].type, made[i].key, made[i].value,
					     made[i].entries);
	value_set(g.map[MAP_settings], 0, settings);
	return g;
}

/* What the programs see of a generation's grants. */
struct table {
	struct generation g;
	struct settings settings;
	struct grant_bucket *bucket;
	__u32 *presence;
};

static void *map_open(const struct generation *g, enum generation_map map)
{
	void *at = mmap(NULL, generation_map_size(g, map), PROT_READ | PROT_WRITE, MAP_SHARED,
			g->map[map], 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

static struct table table_make(const struct plan *plan, const struct table *before)
{
	struct table t = { .settings = settings_of(plan, before ? &before->settings : NULL) };

	t.g = generation_make(plan, &t.settings);
	if (before) {
		close(t.g.map[MAP_presence]);
		t.g.map[MAP_presence] = dup(before->g.map[MAP_presence]);
	}
	t.bucket = map_open(&t.g, MAP_grants);
	t.presence = map_open(&t.g, MAP_presence);
	return t;
}

static void table_free(struct table *t)
{
	munmap(t->bucket, generation_map_size(&t->g, MAP_grants));
	munmap(t->presence, generation_map_size(&t->g, MAP_presence));
	generation_close(&t->g);
}

/* ---- grants, as the programs treat them ---- */

static struct source owner_of(const struct table *t, const struct source *source)
{
	struct source owner = *source;

	for (int i = 0; owner.family == 6 && i < 4; i++)
		owner.word_be[i] &= t->settings.grant_mask6_be[i];
	return owner;
}

static struct grant_bucket *bucket_of(const struct table *t, const struct source *owner)
{
	return &t->bucket[grant_slot(source_hash(&t->settings.hash_key, owner),
				     t->settings.bucket_mask)];
}

static __u64 hash_of(const struct table *t, const struct source *owner)
{
	return source_hash(&t->settings.hash_key, owner);
}

/* A source's slot of presence, of grants. */
static __u32 *slot_of(const struct table *t, const struct source *source)
{
	return &t->presence[presence_slot(PRESENCE_GRANTS,
					  source_hash(&t->settings.hash_key, source))];
}

/* The word of @source's unexpired cell for @door, 0 when there is none that programs would find. */
static __u64 word_of(const struct table *t, const struct source *source, __u32 door)
{
	struct source owner = owner_of(t, source);
	struct grant_bucket *bucket = bucket_of(t, &owner);
	__u64 best = 0;

	if (!presence_alive(slot_of(t, &owner), NOW) ||
	    !grant_possible(bucket, hash_of(t, &owner)))
		return 0;
	for (int i = 0; i < GRANT_CELLS; i++) {
		__u64 word = bucket->cell[i].word;

		if (grant_door(word) == door && grant_expiry(word) > NOW &&
		    !grant_differs(&bucket->cell[i], word, &owner, grant_family(&owner)) &&
		    grant_alive(word, NOW) >= grant_alive(best, NOW))
			best = word;
	}
	return best;
}

/* Give or renew; false when the bucket is full. */
static bool give(const struct table *t, const struct source *source, __u32 door, bool ended,
		 __u64 until)
{
	struct source owner = owner_of(t, source);
	struct grant_bucket *bucket = bucket_of(t, &owner);
	__u64 word = grant_word(door, owner.family == 6, ended, until);
	int cell = grant_find(bucket, hash_of(t, &owner), door, &owner);

	presence_extend(slot_of(t, &owner), until);
	if (cell < 0 || grant_expiry(bucket->cell[cell].word) <= NOW)
		cell = grant_take(bucket, hash_of(t, &owner), &owner, NOW,
				  grant_word(GRANT_DOOR_BUSY, false, true, NOW + SECOND));
	if (cell < 0)
		return false;
	__sync_lock_test_and_set(&bucket->cell[cell].word, word);
	return true;
}

static __u32 end(const struct table *t, const struct source *source, __u32 door, __u64 until)
{
	struct source owner = owner_of(t, source);

	return grant_end(bucket_of(t, &owner), door, &owner, NOW, until);
}

static struct source source4(__u32 n)
{
	return (struct source){ .word_be = { n }, .family = 4 };
}

/* Of eight in one /64, of which there are many. */
static struct source source6(__u32 n)
{
	return (struct source){ .word_be = { 0xb80d0120, n / 8, 0, n % 8 }, .family = 6 };
}

static struct source source_any(__u64 *seed, __u32 pool)
{
	__u32 n = chance_of(seed) % pool;

	return chance_of(seed) % 2 ? source4(n) : source6(n);
}

/* ---- the model: what of the old table must be in the new one ---- */

struct expected {
	struct source owner; /* as the new table calls it */
	__u32 door;
	__u64 word;
};

struct model {
	struct expected *at;
	size_t count;
	unsigned int unkept;
};

static struct expected *model_find(struct model *m, const struct source *owner, __u32 door)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->at[i].door == door && !memcmp(&m->at[i].owner, owner, sizeof(*owner)))
			return &m->at[i];
	return NULL;
}

static void model_add(struct model *m, const struct source *owner, __u32 door, __u64 word)
{
	struct expected *e = model_find(m, owner, door);
	__u64 live = GRANT_FOREVER + 1; /* above every expiry */

	if (!e) {
		e = &m->at[m->count++];
		*e = (struct expected){ *owner, door, word };
	} else if (grant_expiry(word) + live * grant_alive(word, NOW) >
		   grant_expiry(e->word) + live * grant_alive(e->word, NOW)) {
		e->word = word;
	}
}

static struct model model_of(const struct table *old, const struct table *new)
{
	struct model m = {
		.at = calloc((old->settings.bucket_mask + 1) * GRANT_CELLS, sizeof(*m.at)),
	};
	bool longer = false;

	for (int i = 0; i < 4; i++)
		longer |= (new->settings.grant_mask6_be[i] & old->settings.grant_mask6_be[i]) !=
			  new->settings.grant_mask6_be[i];
	for (__u32 i = 0; i < (old->settings.bucket_mask + 1) * GRANT_CELLS; i++) {
		const struct grant *cell = &old->bucket[i / GRANT_CELLS].cell[i % GRANT_CELLS];
		struct source owner = { .family = cell->word >> GRANT_IPV6_BIT & 1 ? 6 : 4 };

		if (grant_expiry(cell->word) <= NOW)
			continue;
		memcpy(owner.word_be, cell->address_be, sizeof(owner.word_be));
		if (longer && owner.family == 6) {
			m.unkept += grant_alive(cell->word, NOW);
			continue;
		}
		owner = owner_of(new, &owner);
		model_add(&m, &owner, grant_door(cell->word), cell->word);
	}
	return m;
}

/* Nothing lost, nothing changed, nothing more than that. */
static void model_check(struct model *m, const struct table *new)
{
	size_t cells = 0;

	for (size_t i = 0; i < m->count; i++)
		assert_true(word_of(new, &m->at[i].owner, m->at[i].door) == m->at[i].word);
	for (__u32 i = 0; i < (new->settings.bucket_mask + 1) * GRANT_CELLS; i++)
		cells += grant_expiry(new->bucket[i / GRANT_CELLS].cell[i % GRANT_CELLS].word) >
			 NOW;
	assert_int_equal(cells, m->count);
}

static void random_fill(const struct table *t, __u32 count, __u32 pool, __u32 doors)
{
	for (__u32 i = 0; i < count; i++) {
		struct source source = source_any(&chance, pool);

		give(t, &source, any(doors), !any(4),
		     !any(8) ? GRANT_FOREVER : any(3) ? NOW + 1 + any(100000) : NOW - any(1000));
	}
}

/* ---- grants move ---- */

static const struct {
	__u32 old_buckets, old_prefix, new_buckets, new_prefix;
} moves[] = {
	{ 2048, 128, 8192, 128 },
	{ 2048, 128, 1024, 128 },
	{ 2048, 64, 4096, 64 },
	{ 2048, 128, 2048, 64 },
	{ 2048, 128, 4096, 60 },
	{ 2048, 64, 2048, 128 },
	{ 2048, 56, 1024, 57 },
	{ 1, 128, 512, 64 },
};

static void tables_make(size_t move, struct table *old, struct table *new)
{
	struct plan from = { .buckets = moves[move].old_buckets,
			     .prefix6 = moves[move].old_prefix, .doors = 9 };
	struct plan to = { .buckets = moves[move].new_buckets,
			   .prefix6 = moves[move].new_prefix, .doors = 9 };

	*old = table_make(&from, NULL);
	*new = table_make(&to, old);
}

static void grants_are_found_in_a_table_of_another_size_or_prefix(void **state)
{
	(void)state;
	for (int round = 0; round < 40; round++) {
		unsigned int ended = 5;
		struct migration *m;
		struct table old, new;
		struct model model;

		tables_make(round % (sizeof(moves) / sizeof(*moves)), &old, &new);
		random_fill(&old, any(900), 1 + any(2000), 8);
		model = model_of(&old, &new);
		assert_int_equal(migration_begin(&m, &old.g, &new.g, NOW, &ended), 0);
		assert_int_equal(ended, 5 + model.unkept);
		model_check(&model, &new);
		assert_int_equal(migration_finish(m, NOW), 0);
		model_check(&model, &new);
		migration_end(m);
		free(model.at);
		table_free(&old);
		table_free(&new);
	}
}

/* The old programs on another CPU, until they are told to stop. */
struct churn {
	const struct table *table;
	bool stop;
	__u64 seed;
	unsigned long changes;
};

static void churn_once(struct churn *c)
{
	struct source source = source_any(&c->seed, 60);
	__u32 door = chance_of(&c->seed) % 3;

	switch (chance_of(&c->seed) % 4) {
	case 0:
		end(c->table, &source, door, NOW);
		break;
	case 1:
		end(c->table, &source, door, NOW + IDLE);
		break;
	default:
		give(c->table, &source, door, false, NOW + 1 + chance_of(&c->seed) % 100000);
	}
	c->changes++;
}

static void *churn_run(void *data)
{
	struct churn *c = data;

	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED))
		churn_once(c);
	return NULL;
}

/* The new programs, before the second pass: whose word of which door they have decided upon. */
static void new_programs_run(const struct table *new, struct model *touched)
{
	for (int i = 0; i < 60; i++) {
		struct source source = source_any(&chance, 60), owner = owner_of(new, &source);
		__u32 door = any(3), kind = any(3);

		if (model_find(touched, &owner, door))
			continue;
		if (kind == 0) {
			if (!give(new, &source, door, false, NOW + 200000 + i))
				continue;
		} else if (!end(new, &source, door, kind == 1 ? NOW : NOW + IDLE + i)) {
			continue;
		}
		touched->at[touched->count++] =
			(struct expected){ owner, door, word_of(new, &owner, door) };
	}
}

static void model_override(struct model *m, struct model *touched)
{
	for (size_t i = 0; i < touched->count; i++) {
		struct expected *t = &touched->at[i], *e = model_find(m, &t->owner, t->door);

		if (e && t->word)
			e->word = t->word;
		else if (e)
			*e = m->at[--m->count];
		else if (t->word)
			m->at[m->count++] = *t;
	}
}

static void changes_between_the_passes_are_brought_and_new_decisions_stand(void **state)
{
	unsigned long changes = 0;

	(void)state;
	for (int round = 0; round < 40; round++) {
		struct expected at[60];
		struct model touched = { .at = at }, model;
		struct churn churn = { .seed = 77 + round };
		unsigned int ended = 0;
		struct table old, new;
		struct migration *m;
		pthread_t thread;

		tables_make(round % (sizeof(moves) / sizeof(*moves)), &old, &new);
		random_fill(&old, 200, 60, 3);
		churn.table = &old;
		assert_int_equal(pthread_create(&thread, NULL, churn_run, &churn), 0);
		while (__atomic_load_n(&churn.changes, __ATOMIC_RELAXED) < 1000)
			sched_yield();
		assert_int_equal(migration_begin(&m, &old.g, &new.g, NOW, &ended), 0);
		if (round % 2)
			usleep(200);
		__atomic_store_n(&churn.stop, true, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
		new_programs_run(&new, &touched);
		assert_int_equal(migration_finish(m, NOW), 0);
		model = model_of(&old, &new);
		model.at = realloc(model.at, (model.count + 60) * sizeof(*model.at));
		model_override(&model, &touched);
		model_check(&model, &new);
		changes += churn.changes;
		migration_end(m);
		free(model.at);
		table_free(&old);
		table_free(&new);
	}
	assert_true(changes > 40000);
}

/* The cell of @source's grant for @door. */
static struct grant *cell_at(const struct table *t, const struct source *source, __u32 door)
{
	struct source owner = owner_of(t, source);
	struct grant_bucket *bucket = bucket_of(t, &owner);
	int cell = grant_find(bucket, hash_of(t, &owner), door, &owner);

	assert_true(cell >= 0);
	return &bucket->cell[cell];
}

static void a_grants_count_of_connections_moves_with_it(void **state)
{
	struct plan plan = { .buckets = 64, .doors = 3 }, other = { .buckets = 256, .doors = 3 };
	struct table old = table_make(&plan, NULL), new = table_make(&other, &old);
	struct source source[6];
	unsigned int ended = 0;
	struct migration *m;

	(void)state;
	for (int i = 0; i < 6; i++) {
		source[i] = source4(1 + i);
		if (i < 5)
			assert_true(give(&old, &source[i], 1, false, NOW + 5000));
		if (i < 5)
			cell_at(&old, &source[i], 1)->uses = 5;
	}
	assert_int_equal(migration_begin(&m, &old.g, &new.g, NOW, &ended), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(cell_at(&new, &source[i], 1)->uses, 5);
	/* Charged by the old programs, by the new ones, by both; used up; begun. */
	cell_at(&old, &source[1], 1)->uses = 3;
	cell_at(&new, &source[2], 1)->uses = 4;
	cell_at(&old, &source[3], 1)->uses = 3;
	cell_at(&new, &source[3], 1)->uses = 1;
	cell_at(&old, &source[4], 1)->uses = 0;
	assert_int_equal(end(&old, &source[4], 1, NOW + 700), 1);
	assert_true(give(&old, &source[5], 1, false, NOW + 5000));
	cell_at(&old, &source[5], 1)->uses = 2;
	assert_int_equal(migration_finish(m, NOW + 1), 0);
	assert_int_equal(cell_at(&new, &source[0], 1)->uses, 5);
	assert_int_equal(cell_at(&new, &source[1], 1)->uses, 3);
	assert_int_equal(cell_at(&new, &source[2], 1)->uses, 4);
	assert_int_equal(cell_at(&new, &source[3], 1)->uses, 0);
	assert_int_equal(cell_at(&new, &source[4], 1)->uses, 0);
	assert_true(word_of(&new, &source[4], 1) == grant_word(1, 0, true, NOW + 700));
	assert_int_equal(cell_at(&new, &source[5], 1)->uses, 2);
	migration_end(m);
	table_free(&old);
	table_free(&new);
}

static void live_grants_that_find_no_place_are_no_space(void **state)
{
	struct plan large = { .buckets = 64, .doors = 1 }, small = { .buckets = 1, .doors = 1 };
	struct table old = table_make(&large, NULL), new = table_make(&small, &old);
	struct migration *m = NULL;
	unsigned int ended = 0;

	(void)state;
	for (__u32 i = 0; i < 16; i++) {
		struct source source = source4(i);

		assert_true(give(&old, &source, 0, false, NOW + 100));
	}
	/* What has expired needs no place. */
	for (__u32 i = 100; i < 200; i++) {
		struct source source = source4(i);

		give(&old, &source, 0, false, NOW);
	}
	assert_int_equal(migration_begin(&m, &old.g, &new.g, NOW, &ended), 0);
	/* One more, while the old programs are in force. */
	assert_true(give(&old, &(struct source){ .word_be = { 99 }, .family = 4 }, 0, false,
			 NOW + 100));
	assert_int_equal(migration_finish(m, NOW), -ENOSPC);
	for (__u32 i = 0; i < 16; i++) {
		struct source source = source4(i);

		assert_true(word_of(&new, &source, 0));
	}
	migration_end(m);

	m = NULL;
	table_free(&new);
	new = table_make(&small, &old);
	assert_int_equal(migration_begin(&m, &old.g, &new.g, NOW, &ended), -ENOSPC);
	assert_null(m);
	assert_int_equal(ended, 0);
	table_free(&old);
	table_free(&new);
}

static void a_table_in_force_before_takes_over_what_the_later_one_says(void **state)
{
	struct plan plan = { .buckets = 64, .doors = 4 }, other = { .buckets = 128, .doors = 4 };
	struct table former = table_make(&plan, NULL), trial = table_make(&other, &former);
	struct source closed = source4(1), kept = source6(2), fresh = source6(3);
	unsigned int ended = 0;
	struct migration *m;
	struct model model;

	(void)state;
	give(&former, &closed, 0, false, GRANT_FOREVER);
	give(&former, &kept, 1, false, NOW + 100);
	assert_int_equal(migration_begin(&m, &former.g, &trial.g, NOW, &ended), 0);
	assert_int_equal(migration_finish(m, NOW), 0);
	migration_end(m);
	assert_int_equal(end(&trial, &closed, 0, NOW), 1);
	give(&trial, &kept, 1, false, NOW + 300);
	give(&trial, &fresh, 2, false, NOW + 200);

	assert_int_equal(migration_begin(&m, &trial.g, &former.g, NOW, &ended), 0);
	assert_int_equal(migration_finish(m, NOW), 0);
	migration_end(m);
	model = model_of(&trial, &former);
	model_check(&model, &former);
	assert_int_equal(model.count, 2);
	free(model.at);
	table_free(&former);
	table_free(&trial);
}

/* ---- flows ---- */

static struct flow flow_of(const struct source *source, __u16 port)
{
	struct flow flow = { .source_port_be = port, .family = source->family,
			     .proto = PROTO_UDP };

	memcpy(flow.source_be, source->word_be, sizeof(flow.source_be));
	return flow;
}

static void flow_put(const struct table *t, const struct flow_state *state)
{
	__u64 name = flow_name(&t->settings.hash_key, &state->flow);

	assert_int_equal(bpf_map_update_elem(t->g.map[MAP_flows], &name, state, BPF_ANY), 0);
}

static void flow_set(const struct table *t, const struct flow *flow, __u64 seen, __u32 door)
{
	flow_put(t, &(struct flow_state){ .flow = *flow, .seen = seen, .door = door });
}

/* What is recorded of the flow; whether anything is. */
static bool flow_get(const struct table *t, const struct flow *flow, struct flow_state *state)
{
	__u64 name = flow_name(&t->settings.hash_key, flow);

	if (bpf_map_lookup_elem(t->g.map[MAP_flows], &name, state))
		return false;
	assert_memory_equal(&state->flow, flow, sizeof(*flow));
	return true;
}

/* When the flow was seen last; 0: there is none. */
static __u64 flow_seen(const struct table *t, const struct flow *flow)
{
	struct flow_state state;

	return flow_get(t, flow, &state) ? state.seen : 0;
}

static void flows_move_with_their_latest_packet(void **state)
{
	struct plan plan = { .flows = 4096 }, other = { .flows = 16384 };
	struct table old = table_make(&plan, NULL), new = table_make(&other, &old);
	struct source source = source4(7);
	struct flow live = flow_of(&source, 1), idle = flow_of(&source, 2),
		    grown = flow_of(&source, 3), ahead = flow_of(&source, 4),
		    late = flow_of(&source, 5);
	unsigned int ended = 0;
	struct migration *m;

	(void)state;
	flow_set(&old, &live, NOW - IDLE, 3);
	flow_set(&old, &idle, NOW - IDLE - 1, 3);
	flow_set(&old, &grown, NOW - 5000, 3);
	flow_set(&old, &ahead, NOW - 5000, 3);
	for (__u32 i = 0; i < 1000; i++) {
		struct flow many = flow_of(&(struct source){ .word_be = { i }, .family = 4 }, 9);

		flow_set(&old, &many, NOW - i, 1);
	}
	assert_int_equal(migration_begin(&m, &old.g, &new.g, NOW, &ended), 0);
	assert_true(flow_seen(&new, &live) == NOW - IDLE);
	assert_true(flow_seen(&new, &idle) == 0);
	for (__u32 i = 0; i < 1000; i++) {
		struct flow many = flow_of(&(struct source){ .word_be = { i }, .family = 4 }, 9);

		assert_true(flow_seen(&new, &many) == NOW - i);
	}
	flow_set(&old, &grown, NOW + 2, 3);
	flow_set(&old, &ahead, NOW + 2, 3);
	flow_set(&old, &late, NOW + 1, 3);
	flow_set(&new, &ahead, NOW + 4, 3);
	assert_int_equal(migration_finish(m, NOW + 5), 0);
	assert_true(flow_seen(&new, &grown) == NOW + 2);
	assert_true(flow_seen(&new, &ahead) == NOW + 4);
	assert_true(flow_seen(&new, &late) == NOW + 1);
	assert_true(flow_seen(&new, &idle) == 0);
	migration_end(m);
	table_free(&old);
	table_free(&new);
}

/* What is charged between the passes is not charged again by the new programs. */
static void connections_that_were_charged_stay_so(void **state)
{
	struct plan plan = { .flows = 4096 }, other = { .flows = 16384 };
	struct table old = table_make(&plan, NULL), new = table_make(&other, &old);
	struct source source = source4(7);
	struct flow flow[] = { flow_of(&source, 1), flow_of(&source, 2), flow_of(&source, 3) };
	struct flow_state found;
	unsigned int ended = 0;
	struct migration *m;

	(void)state;
	for (int i = 0; i < 3; i++)
		flow_put(&old, &(struct flow_state){ .flow = flow[i], .seen = NOW - 20 * SECOND,
						     .door = 3, .unpaid = 1 });
	assert_int_equal(migration_begin(&m, &old.g, &new.g, NOW, &ended), 0);
	/* As the programs charge: what is charged was seen at that moment. */
	flow_set(&old, &flow[0], NOW + 1, 3);
	flow_set(&new, &flow[1], NOW + 2, 3);
	assert_int_equal(migration_finish(m, NOW + 5), 0);
	for (int i = 0; i < 3; i++) {
		assert_true(flow_get(&new, &flow[i], &found));
		assert_int_equal(found.unpaid, i == 2);
		assert_int_equal(found.door, 3);
	}
	migration_end(m);
	table_free(&old);
	table_free(&new);
}

/* The same flows in both generations, as where their sizes are the same. */
static void flows_share(struct table *new, const struct table *old)
{
	close(new->g.map[MAP_flows]);
	new->g.map[MAP_flows] = dup(old->g.map[MAP_flows]);
}

static void flows_are_found_by_the_new_prefix_of_their_source(void **state)
{
	struct plan plan = { .buckets = 16, .flows = 64, .prefix6 = 128, .doors = 2 };
	struct plan other = { .buckets = 16, .flows = 64, .prefix6 = 64, .doors = 2 };
	struct table old = table_make(&plan, NULL), new = table_make(&other, &old);
	struct source source = source6(13), owner = owner_of(&new, &source);
	struct flow flow = flow_of(&source, 1);
	unsigned int ended = 0;
	struct migration *m;

	(void)state;
	flows_share(&new, &old);
	flow_set(&old, &flow, NOW - 10, 1);
	assert_false(presence_alive(slot_of(&old, &owner), NOW));
	assert_int_equal(migration_begin(&m, &old.g, &new.g, NOW, &ended), 0);
	assert_true(presence_alive(slot_of(&new, &owner), NOW + IDLE - 10));
	assert_int_equal(migration_finish(m, NOW), 0);
	assert_true(flow_seen(&new, &flow) == NOW - 10);
	migration_end(m);
	table_free(&old);
	table_free(&new);
}

static void flows_that_were_ended_stay_so_when_the_prefix_grows(void **state)
{
	struct plan plan = { .buckets = 16, .flows = 64, .prefix6 = 64, .doors = 2 };
	struct plan other = { .buckets = 16, .flows = 64, .prefix6 = 128, .doors = 2 };

	(void)state;
	for (int shared = 0; shared < 2; shared++) {
		struct table old = table_make(&plan, NULL), new = table_make(&other, &old);
		struct source closed = source6(1), later = source6(11), live = source6(21);
		struct flow flow[] = { flow_of(&closed, 1), flow_of(&later, 1),
				       flow_of(&live, 1) };
		unsigned int ended = 0;
		struct migration *m;

		if (shared)
			flows_share(&new, &old);
		for (int i = 0; i < 3; i++)
			flow_set(&old, &flow[i], NOW - 1, 1);
		give(&old, &closed, 1, true, NOW + IDLE);
		give(&old, &later, 1, false, NOW + 50);
		give(&old, &live, 1, false, NOW + 50);
		assert_int_equal(migration_begin(&m, &old.g, &new.g, NOW, &ended), 0);
		assert_int_equal(ended, 2);
		assert_true(!flow_seen(&new, &flow[0]));
		assert_int_equal(end(&old, &later, 1, NOW + IDLE), 1);
		assert_int_equal(migration_finish(m, NOW), 0);
		assert_true(!flow_seen(&new, &flow[1]));
		assert_true(flow_seen(&new, &flow[2]));
		migration_end(m);
		table_free(&old);
		table_free(&new);
	}
}

/* ---- progress ---- */

static __u64 name_of(const struct table *t, const struct source *source)
{
	return progress_name(source_hash(&t->settings.hash_key, source), source->stream);
}

static void progress_set(const struct table *t, const struct source *source, __u64 word)
{
	struct progress p = { .word = word, .knock[31].time = 31 };
	__u64 name = name_of(t, source);

	presence_extend(&t->presence[presence_slot(PRESENCE_PROGRESS, name)], NOW + 1000);
	assert_int_equal(bpf_map_update_elem(t->g.map[MAP_progress], &name, &p, BPF_ANY), 0);
}

static __u64 progress_word(const struct table *t, const struct source *source)
{
	__u64 name = name_of(t, source);
	struct progress p;

	if (bpf_map_lookup_elem(t->g.map[MAP_progress], &name, &p))
		return 0;
	assert_int_equal(p.knock[31].time, 31);
	return p.word;
}

static void progress_moves_and_nobody_goes_back_a_step(void **state)
{
	struct plan plan = { .sources = 8192 }, other = { .sources = 16384 };
	struct table old = table_make(&plan, NULL), new = table_make(&other, &old);
	struct source stream0 = source4(1), stepped = source6(2), both = source4(3),
		      began = source6(4), twice = source4(5), forgotten = source4(6);
	struct source stream3 = { .word_be = { 1 }, .family = 4, .stream = 3 };
	__u64 name = name_of(&new, &forgotten);
	unsigned int ended = 0;
	struct migration *m;

	(void)state;
	progress_set(&old, &stream0, 11);
	progress_set(&old, &stream3, 12);
	progress_set(&old, &stepped, 13);
	progress_set(&old, &both, 14);
	progress_set(&old, &forgotten, 15);
	for (__u32 i = 100; i < 2100; i++) {
		struct source many = source6(i);

		progress_set(&old, &many, i);
	}
	assert_int_equal(migration_begin(&m, &old.g, &new.g, NOW, &ended), 0);
	for (__u32 i = 100; i < 2100; i++) {
		struct source many = source6(i);

		assert_true(progress_word(&new, &many) == i);
	}
	progress_set(&old, &stream0, 111);
	progress_set(&old, &stream3, 112);
	progress_set(&old, &stepped, 113);
	progress_set(&old, &both, 114);
	progress_set(&old, &began, 115);
	progress_set(&old, &twice, 116);
	progress_set(&new, &both, 214);
	progress_set(&new, &twice, 216);
	assert_int_equal(bpf_map_delete_elem(new.g.map[MAP_progress], &name), 0);
	assert_int_equal(migration_finish(m, NOW), 0);
	assert_true(progress_word(&new, &stream0) == 111);
	assert_true(progress_word(&new, &stream3) == 112);
	assert_true(progress_word(&new, &forgotten) == 0);
	assert_true(progress_word(&new, &stepped) == 113);
	assert_true(progress_word(&new, &both) == 214);
	assert_true(progress_word(&new, &began) == 115);
	assert_true(progress_word(&new, &twice) == 216);
	migration_end(m);
	table_free(&old);
	table_free(&new);
}

static void progress_of_the_absent_stays_behind(void **state)
{
	struct plan plan = { .sources = 64 }, other = { .sources = 128 };
	struct table old = table_make(&plan, NULL), new = table_make(&other, &old);
	struct source source = source4(1);
	unsigned int ended = 0;
	struct migration *m;

	(void)state;
	progress_set(&old, &source, 11);
	assert_int_equal(migration_begin(&m, &old.g, &new.g, NOW + 2000, &ended), 0);
	assert_int_equal(migration_finish(m, NOW + 2000), 0);
	assert_true(!progress_word(&new, &source));
	migration_end(m);
	table_free(&old);
	table_free(&new);
}

/* ---- words and counters ---- */

static void counter_add(const struct table *t, enum generation_map map, __u32 index, __u64 more)
{
	int cpus = libbpf_num_possible_cpus();
	__u64 *values = calloc(cpus, sizeof(*values));

	assert_int_equal(bpf_map_lookup_elem(t->g.map[map], &index, values), 0);
	values[any(cpus)] += more;
	value_set(t->g.map[map], index, values);
	free(values);
}

static void counters_go_on_as_one_sum(void **state)
{
	static const enum generation_map maps[] = { MAP_door_counters, MAP_port_counters };
	struct plan plan = { .doors = 700, .guards = 700 }, more = { .doors = 900, .guards = 900 },
		    less = { .doors = 10, .guards = 10 };

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct table old = table_make(&plan, NULL);
		struct table new = table_make(i % 2 ? &more : &less, &old);
		enum generation_map map = maps[i / 2];
		unsigned int ended = 0;
		struct migration *m;

		counter_add(&old, map, 3, 100);
		counter_add(&old, map, 3, 11);
		counter_add(&old, map, 600, 5);
		counter_add(&old, MAP_counters, REASON_COUNT - 1, 1000);
		assert_int_equal(migration_begin(&m, &old.g, &new.g, NOW, &ended), 0);
		assert_int_equal(generation_counter(&new.g, map, 3), 111);
		counter_add(&old, map, 3, 20);
		counter_add(&old, map, 4, 2);
		counter_add(&new, map, 3, 1);
		assert_int_equal(migration_finish(m, NOW), 0);
		assert_int_equal(generation_counter(&new.g, map, 3), 132);
		assert_int_equal(generation_counter(&new.g, map, 4), 2);
		assert_int_equal(generation_counter(&new.g, map, 600), i % 2 ? 5 : 0);
		assert_int_equal(generation_counter(&new.g, MAP_counters, REASON_COUNT - 1), 1000);
		migration_end(m);
		table_free(&old);
		table_free(&new);
	}
}

static __u64 word_get(const struct table *t, enum generation_map map, __u32 index)
{
	__u64 word = ~0ULL;

	assert_int_equal(bpf_map_lookup_elem(t->g.map[map], &index, &word), 0);
	return word;
}

static void words_move_unless_the_new_programs_have_changed_them(void **state)
{
	static const enum generation_map maps[] = { MAP_quotas, MAP_port_reports };
	struct plan plan = { .doors = 5, .guards = 5 }, more = { .doors = 9, .guards = 9 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct table old = table_make(&plan, NULL), new = table_make(&more, &old);
		unsigned int ended = 0;
		struct migration *m;

		for (__u64 word = 0; word < 5; word++)
			value_set(old.g.map[maps[i]], word, &(__u64){ word + 10 });
		assert_int_equal(migration_begin(&m, &old.g, &new.g, NOW, &ended), 0);
		value_set(old.g.map[maps[i]], 1, &(__u64){ 111 });
		value_set(old.g.map[maps[i]], 2, &(__u64){ 112 });
		value_set(new.g.map[maps[i]], 2, &(__u64){ 212 });
		value_set(new.g.map[maps[i]], 3, &(__u64){ 213 });
		assert_int_equal(migration_finish(m, NOW), 0);
		assert_int_equal(word_get(&new, maps[i], 0), 10);
		assert_int_equal(word_get(&new, maps[i], 1), 111);
		assert_int_equal(word_get(&new, maps[i], 2), 212);
		assert_int_equal(word_get(&new, maps[i], 3), 213);
		assert_int_equal(word_get(&new, maps[i], 4), 14);
		assert_int_equal(word_get(&new, maps[i], 5), 0);
		migration_end(m);
		table_free(&old);
		table_free(&new);
	}
}

/* ---- what is not as it should be ---- */

static void maps_that_are_shared_or_strange_are_left_alone(void **state)
{
	struct plan plan = { .buckets = 4, .doors = 2 };
	struct plan other = { .buckets = 4, .doors = 2, .prefix6 = 64 };
	struct table old = table_make(&plan, NULL), new, stranger = table_make(&plan, NULL);
	struct source source = source4(1);
	struct migration *m = NULL;
	unsigned int ended = 0;

	(void)state;
	give(&old, &source, 1, false, NOW + 100);
	assert_int_equal(migration_begin(&m, &old.g, &old.g, NOW, &ended), 0);
	assert_int_equal(migration_finish(m, NOW), 0);
	assert_true(word_of(&old, &source, 1) == grant_word(1, 0, false, NOW + 100));
	migration_end(m);

	/* Another key: no grant of the one would be found by the other. */
	m = NULL;
	close(stranger.g.map[MAP_presence]);
	stranger.g.map[MAP_presence] = dup(old.g.map[MAP_presence]);
	assert_int_equal(migration_begin(&m, &old.g, &stranger.g, NOW, &ended), -EINVAL);
	table_free(&stranger);

	/* Another table of who is present. */
	new = table_make(&plan, &old);
	close(new.g.map[MAP_presence]);
	new.g.map[MAP_presence] = map_new(BPF_MAP_TYPE_ARRAY, 4, PRESENCE_SIZE, 1);
	assert_int_equal(migration_begin(&m, &old.g, &new.g, NOW, &ended), -EINVAL);
	table_free(&new);

	/* One table for two prefixes. */
	new = table_make(&other, &old);
	close(new.g.map[MAP_grants]);
	new.g.map[MAP_grants] = dup(old.g.map[MAP_grants]);
	assert_int_equal(migration_begin(&m, &old.g, &new.g, NOW, &ended), -EINVAL);
	table_free(&new);

	for (int i = 0; i < 3; i++) {
		static const enum generation_map maps[] = { MAP_flows, MAP_quotas, MAP_counters };
		int good;

		new = table_make(&plan, &old);
		good = new.g.map[maps[i]];
		new.g.map[maps[i]] = -1;
		assert_int_equal(migration_begin(&m, &old.g, &new.g, NOW, &ended), -ENOENT);
		assert_int_equal(generation_sweep(&new.g, NOW, NULL, NULL), -ENOENT);
		new.g.map[maps[i]] = map_new(BPF_MAP_TYPE_ARRAY, 4, 24, 1);
		assert_int_equal(migration_begin(&m, &old.g, &new.g, NOW, &ended), -EINVAL);
		assert_int_equal(generation_sweep(&new.g, NOW, NULL, NULL), -EINVAL);
		close(new.g.map[maps[i]]);
		new.g.map[maps[i]] = good;
		table_free(&new);
	}
	assert_null(m);
	assert_int_equal(ended, 0);
	migration_end(NULL);
	table_free(&old);
}

static void a_map_is_shared_where_it_fits(void **state)
{
	struct plan plan = { .buckets = 64, .sources = 100 };
	struct table old = table_make(&plan, NULL);
	struct settings settings = old.settings, shorter = old.settings;
	struct knockd_bpf *skel = knockd_bpf__open();
	struct bpf_map *grants = skel->maps.grants, *progress = skel->maps.progress;

	(void)state;
	assert_int_equal(bpf_map__set_max_entries(grants, 64), 0);
	assert_int_equal(bpf_map__set_max_entries(progress, 100), 0);
	mask6(64, shorter.grant_mask6_be);
	assert_true(migration_shares(&old.g, MAP_grants, &settings, grants));
	assert_false(migration_shares(&old.g, MAP_grants, &shorter, grants));
	assert_true(migration_shares(&old.g, MAP_presence, &shorter, skel->maps.data_presence));
	assert_true(migration_shares(&old.g, MAP_quotas, &shorter, skel->maps.quotas));
	assert_true(migration_shares(&old.g, MAP_port_reports, &shorter,
				     skel->maps.port_reports));
	assert_true(migration_shares(&old.g, MAP_counters, &shorter, skel->maps.counters));
	assert_true(migration_shares(&old.g, MAP_progress, &shorter, progress));
	assert_false(migration_shares(&old.g, MAP_doors, &settings, skel->maps.doors));
	assert_false(migration_shares(&old.g, MAP_events, &settings, skel->maps.events));
	assert_int_equal(bpf_map__set_max_entries(progress, 101), 0);
	assert_false(migration_shares(&old.g, MAP_progress, &settings, progress));
	assert_int_equal(bpf_map__set_max_entries(grants, 128), 0);
	assert_false(migration_shares(&old.g, MAP_grants, &settings, grants));
	knockd_bpf__destroy(skel);
	table_free(&old);
}

/* ---- sweep ---- */

struct gone {
	unsigned int count;
	struct source owner;
	__u32 door;
};

static void gone_note(void *data, const struct source *owner, __u32 door)
{
	struct gone *gone = data;

	gone->count++;
	gone->owner = *owner;
	gone->door = door;
}

/* A table with doors 0 to 3, of which 2 is free, and guards 0 to 2, of which 1 is. */
static struct table sweep_make(const struct plan *plan)
{
	struct table t = table_make(plan, NULL);
	struct door_name name[4] = { { .used = 1 }, { .used = 1 }, { .used = 0 }, { .used = 1 } };
	struct door door[4] = {
		{ .open_time = 1000, .window = 1000, .quota = 8 },
		{ .quota = 8 },
		{ .quota = 8 },
		{ .open_time = 1000, .window = 1000, .quota = 8 },
	};
	struct port ssh = { .guard = 1 }, dns = { .guard = 3 };

	value_set(t.g.map[MAP_names], 0, name);
	value_set(t.g.map[MAP_doors], 0, door);
	value_set(t.g.map[MAP_ports], 22, &ssh);
	value_set(t.g.map[MAP_ports], 65536 + 53, &dns);
	return t;
}

static void what_belongs_to_doors_that_are_gone_is_swept(void **state)
{
	struct plan plan = { .buckets = 64, .flows = 64, .doors = 4, .guards = 3 };
	struct table t = sweep_make(&plan);
	struct source stays = source6(1), goes = source6(2), high = source4(3), over = source4(4);
	struct flow flow[] = { flow_of(&stays, 1), flow_of(&goes, 2) };
	struct gone gone = {};

	(void)state;
	give(&t, &stays, 1, false, NOW + 10);
	give(&t, &goes, 2, false, GRANT_FOREVER);
	give(&t, &over, 2, true, NOW + IDLE);
	flow_set(&t, &flow[0], NOW, 3);
	flow_set(&t, &flow[1], NOW, 2);
	for (__u32 i = 0; i < 4; i++)
		counter_add(&t, MAP_door_counters, i, 7);
	for (__u32 i = 0; i < 3; i++) {
		counter_add(&t, MAP_port_counters, i, 7);
		value_set(t.g.map[MAP_port_reports], i, &(__u64){ 7 });
	}
	value_set(t.g.map[MAP_quotas], 2, &(__u64){ 7 });
	assert_int_equal(generation_sweep(&t.g, NOW, gone_note, &gone), 0);
	assert_int_equal(gone.count, 1);
	assert_memory_equal(&gone.owner, &goes, sizeof(goes));
	assert_int_equal(gone.door, 2);
	assert_true(word_of(&t, &stays, 1));
	assert_true(!word_of(&t, &goes, 2));
	assert_true(!word_of(&t, &over, 2));
	assert_true(flow_seen(&t, &flow[0]));
	assert_true(!flow_seen(&t, &flow[1]));
	for (__u32 i = 0; i < 4; i++)
		assert_int_equal(generation_counter(&t.g, MAP_door_counters, i), i == 2 ? 0 : 7);
	for (__u32 i = 0; i < 3; i++) {
		assert_int_equal(generation_counter(&t.g, MAP_port_counters, i), i == 1 ? 0 : 7);
		assert_int_equal(word_get(&t, MAP_port_reports, i), i == 1 ? 0 : 7);
	}
	assert_int_equal(word_get(&t, MAP_quotas, 2), 0);

	/* Beyond the last door; and nobody needs to be told. */
	give(&t, &high, 4, false, NOW + 10);
	assert_int_equal(generation_sweep(&t.g, NOW, NULL, NULL), 0);
	assert_true(!word_of(&t, &high, 4));
	assert_true(word_of(&t, &stays, 1));
	table_free(&t);
}

static void quotas_by_another_window_are_counted_anew(void **state)
{
	struct plan plan = { .buckets = 64, .doors = 4, .guards = 3 };
	struct table t = sweep_make(&plan);
	__u64 window = NOW / 1000 % 65536ULL << 2 * QUOTA_COUNT_BITS;
	__u64 before = 1ULL << 2 * QUOTA_COUNT_BITS;

	(void)state;
	for (__u32 i = 0; i < 5; i++) {
		struct source source = source4(i);

		give(&t, &source, i % 2, i == 4, NOW + 10); /* two live ones each */
	}
	/* One that stands until closed, which had a window: its count would never be forgotten. */
	value_set(t.g.map[MAP_quotas], 1, &(__u64){ window | 16 });
	/* In the window before; and in one that lies ahead, so that it would not pass for long. */
	value_set(t.g.map[MAP_quotas], 0, &(__u64){ (window - before) | 5 });
	value_set(t.g.map[MAP_quotas], 3, &(__u64){ (window + 5 * before) | 16 });
	assert_int_equal(generation_sweep(&t.g, NOW, NULL, NULL), 0);
	assert_int_equal(word_get(&t, MAP_quotas, 0), (window - before) | 5);
	assert_int_equal(word_get(&t, MAP_quotas, 1), 2);
	assert_int_equal(word_get(&t, MAP_quotas, 3), window);
	table_free(&t);
}

/* ---- size ---- */

static double milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static void full_tables_move_in_a_moment(void **state)
{
	struct plan plan = { .buckets = 8192, .sources = 65536, .flows = 65536, .doors = 4,
			     .guards = 3 };
	struct plan other = { .buckets = 16384, .sources = 131072, .flows = 131072, .doors = 5,
			      .guards = 4 };
	struct table old = sweep_make(&plan), new = table_make(&other, &old);
	double start, first, second, sweep;
	unsigned int ended = 0;
	struct migration *m;

	(void)state;
	for (__u32 i = 0; i < 65536; i++) {
		struct source source = source6(i);
		struct flow flow = flow_of(&source, 1);

		give(&old, &source, 1, false, NOW + 10);
		flow_set(&old, &flow, NOW - i % IDLE, 1);
		progress_set(&old, &source, i + 1);
	}
	start = milliseconds();
	assert_int_equal(migration_begin(&m, &old.g, &new.g, NOW, &ended), 0);
	first = milliseconds();
	assert_int_equal(migration_finish(m, NOW), 0);
	second = milliseconds();
	assert_int_equal(generation_sweep(&old.g, NOW, NULL, NULL), 0);
	sweep = milliseconds();
	print_message("first pass %.1f ms, second %.1f ms, sweep %.1f ms\n", first - start,
		      second - first, sweep - second);
	for (__u32 i = 0; i < 65536; i++) {
		struct source source = source6(i);
		struct flow flow = flow_of(&source, 1);

		assert_true(word_of(&new, &source, 1) == word_of(&old, &source, 1));
		assert_true(flow_seen(&new, &flow) == flow_seen(&old, &flow));
		assert_true(progress_word(&new, &source) == progress_word(&old, &source));
	}
	migration_end(m);
	table_free(&old);
	table_free(&new);
}

/* ---- generations ---- */

static void a_generation_is_read_from_its_program(void **state)
{
	struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_map_create_opts, mapped, .map_flags = BPF_F_MMAPABLE);
	int program = bpf_prog_load(BPF_PROG_TYPE_XDP, "test", "GPL", pass, 2, NULL);
	int about = bpf_map_create(BPF_MAP_TYPE_ARRAY, "about", 4, 12, 1, &mapped);
	int settings = bpf_map_create(BPF_MAP_TYPE_ARRAY, ".rodata.setting", 4,
				      sizeof(struct settings), 1, NULL);
	int other = bpf_map_create(BPF_MAP_TYPE_ARRAY, "knockd_b.rodata", 4, 9, 1, NULL);
	struct generation g, untouched;

	(void)state;
	assert_true(program >= 0 && about >= 0 && settings >= 0 && other >= 0);
	value_set(about, 0, &(__u32[3]){ 77 });
	value_set(settings, 0, &(struct settings){ .door_count = 5 });
	assert_int_equal(bpf_prog_bind_map(program, about, NULL), 0);
	assert_int_equal(bpf_prog_bind_map(program, settings, NULL), 0);
	assert_int_equal(bpf_prog_bind_map(program, other, NULL), 0);

	assert_int_equal(generation_read(&g, program), 0);
	for (enum generation_map map = 0; map < MAP_COUNT; map++)
		assert_int_equal(g.map[map] >= 0, map == MAP_about || map == MAP_settings);
	assert_int_equal(generation_layout(&g), 77);
	assert_int_equal(generation_map_size(&g, MAP_about), 16);
	assert_int_equal(generation_map_size(&g, MAP_grants), 0);
	assert_int_equal(generation_counter(&g, MAP_about, 0), 0);
	{
		struct settings has;

		assert_int_equal(generation_settings(&g, &has), 0);
		assert_int_equal(has.door_count, 5);
	}
	generation_close(&g);
	assert_int_equal(g.map[MAP_about], -1);
	assert_int_equal(generation_layout(&g), 0);

	memset(&untouched, 0x5a, sizeof(untouched));
	g = untouched;
	assert_true(generation_read(&g, -1) < 0);
	assert_memory_equal(&g, &untouched, sizeof(g));
	close(program);
	close(about);
	close(settings);
	close(other);
}

static void every_map_of_the_object_has_its_name_in_the_generation(void **state)
{
	struct knockd_bpf *skel = knockd_bpf__open();

	(void)state;
	for (enum generation_map map = 0; map < MAP_COUNT; map++)
		if (!bpf_object__find_map_by_name(skel->obj, generation_map_name(map)))
			fail_msg("the object has no map %s", generation_map_name(map));
	knockd_bpf__destroy(skel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grants_are_found_in_a_table_of_another_size_or_prefix),
		cmocka_unit_test(changes_between_the_passes_are_brought_and_new_decisions_stand),
		cmocka_unit_test(a_grants_count_of_connections_moves_with_it),
		cmocka_unit_test(live_grants_that_find_no_place_are_no_space),
		cmocka_unit_test(a_table_in_force_before_takes_over_what_the_later_one_says),
		cmocka_unit_test(flows_move_with_their_latest_packet),
		cmocka_unit_test(connections_that_were_charged_stay_so),
		cmocka_unit_test(flows_are_found_by_the_new_prefix_of_their_source),
		cmocka_unit_test(flows_that_were_ended_stay_so_when_the_prefix_grows),
		cmocka_unit_test(progress_moves_and_nobody_goes_back_a_step),
		cmocka_unit_test(progress_of_the_absent_stays_behind),
		cmocka_unit_test(counters_go_on_as_one_sum),
		cmocka_unit_test(words_move_unless_the_new_programs_have_changed_them),
		cmocka_unit_test(maps_that_are_shared_or_strange_are_left_alone),
		cmocka_unit_test(a_map_is_shared_where_it_fits),
		cmocka_unit_test(what_belongs_to_doors_that_are_gone_is_swept),
		cmocka_unit_test(quotas_by_another_window_are_counted_anew),
		cmocka_unit_test(full_tables_move_in_a_moment),
		cmocka_unit_test(a_generation_is_read_from_its_program),
		cmocka_unit_test(every_map_of_the_object_has_its_name_in_the_generation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
