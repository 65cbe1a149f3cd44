// SPDX-License-Identifier: GPL-2.0-or-later
#include "migrate.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../bpf/grant.h"
#include "../bpf/presence.h"
#include "cells.h"
#include "entries.h"

enum { SETTLE_US = 50000 }; /* in which a program that runs comes to its end */

struct part_kind;

/* One map that is copied. */
struct part {
	const struct part_kind *kind;
	struct migration *m;
	int from, to;
	__u32 from_entries, to_entries;
	void *brought; /* what @to holds by our doing, in a form that the kind of map decides */
};

struct part_kind {
	enum generation_map map;
	int (*pass)(struct part *part);
};

enum {
	PART_GRANTS, /* is the first */
	PARTS = 8,
};

struct migration {
	struct settings old, new;
	struct part part[PARTS];
	__u32 *presence; /* mapped */
	struct grant_bucket *old_cells, *new_cells; /* mapped; NULL: the same table */
	__u64 now, began;
	unsigned int unplaced, unkept;
	bool second;   /* the second pass */
	bool remasked; /* Grant_Prefix6 is another */
	bool narrowed; /* and longer */
};

static int part_walk(struct part *part, bool (*each)(void *data, const void *key, void *value))
{
	return entries_walk(part->kind->map, part->from, part->to, each, part);
}

/* ---- presence ---- */

static __u32 *hash_slot(const struct migration *m, enum presence kind, __u64 hash)
{
	return &m->presence[presence_slot(kind, hash)];
}

/* A grant or flow of a source with this hash will be alive until @until. */
static void hash_extend(const struct migration *m, __u64 hash, __u64 until)
{
	presence_extend(hash_slot(m, PRESENCE_GRANTS, hash), until);
}

/* ---- grants ---- */

/* No place for @cell: where it is in the new table already, another that is not gives way. */
static void cell_displace(struct grant_bucket *bucket, struct grant_bucket *brought,
			  const struct grant *cell, __u64 now)
{
	__u64 word;

	if (!cell_of(brought, cell, now, &word))
		return;
	for (int i = 0; i < GRANT_CELLS; i++) {
		if (!cell_of(brought, &bucket->cell[i], now, &word)) {
			bucket->cell[i] = *cell;
			return;
		}
	}
}

/* Put one grant of the old table where the new programs look for it, in a private table. */
static void cell_bring(struct migration *m, struct grant_bucket *brought,
		       struct grant_bucket *wanted, struct grant *cell)
{
	struct source owner = cell_owner(cell);
	__u64 hash;
	__u32 slot;

	if (m->narrowed && owner.family == 6) {
		/* Nobody knows which part of the old prefix it was given to. */
		m->unkept += grant_alive(cell->word, m->now);
		return;
	}
	owner_cut(&owner, m->new.grant_mask6_be);
	memcpy(cell->address_be, owner.word_be, sizeof(cell->address_be));
	hash = source_hash(&m->new.hash_key, &owner);
	/* Whoever has a cell is present, and is before anybody sees the cell. */
	hash_extend(m, hash, grant_expiry(cell->word));
	slot = grant_slot(hash, m->new.bucket_mask);
	if (!cell_put(&wanted[slot], cell, m->now)) {
		m->unplaced++;
		cell_displace(&wanted[slot], &brought[slot], cell, m->now);
	}
}

/* What the old table says, in the form of the new one. */
static void cells_build(struct migration *m, struct grant_bucket *brought,
			struct grant_bucket *wanted)
{
	m->unplaced = m->unkept = 0;
	for (__u32 i = 0; i <= m->old.bucket_mask; i++) {
		for (int j = 0; j < GRANT_CELLS; j++) {
			struct grant cell;

			if (cell_read(&m->old_cells[i].cell[j], m->now, &cell))
				cell_bring(m, brought, wanted, &cell);
		}
	}
}

static bool cell_give(struct migration *m, struct grant_bucket *bucket, const struct grant *cell)
{
	struct source owner = cell_owner(cell);
	__u64 hash = source_hash(&m->new.hash_key, &owner);
	int i = grant_take(bucket, hash, &owner, m->now,
			   grant_word(GRANT_DOOR_BUSY, false, true, m->now + m->new.second));

	if (i < 0)
		return false;
	bucket->cell[i].flows = cell->flows;
	bucket->cell[i].uses = cell->uses;
	__atomic_exchange_n(&bucket->cell[i].word, cell->word, __ATOMIC_SEQ_CST);
	return true;
}

/* The old programs have charged it for @count connections since it was brought. */
static void cell_charge(struct grant *cell, __u32 count)
{
	__u32 uses = __atomic_load_n(&cell->uses, __ATOMIC_SEQ_CST), left;

	do
		left = uses > count ? uses - count : 0;
	while (!__atomic_compare_exchange_n(&cell->uses, &uses, left, false, __ATOMIC_SEQ_CST,
					    __ATOMIC_SEQ_CST));
}

/* In a bucket of the new table: change what we brought there before, @brought, to @wanted. */
static void bucket_change(struct migration *m, struct grant_bucket *bucket,
			  struct grant_bucket *brought, struct grant_bucket *wanted)
{
	for (int i = 0; i < GRANT_CELLS; i++) {
		const struct grant *old = &brought->cell[i], *new;
		__u64 word = 0;
		struct grant *cell;

		if (grant_expiry(old->word) <= m->now)
			continue;
		new = cell_of(wanted, old, m->now, &word);
		if (word == old->word && new->uses >= old->uses)
			continue;
		/* Where it is not found the new programs have changed it, and know better. */
		cell = cell_with(bucket, old, old->word);
		if (cell && new && new->uses < old->uses)
			cell_charge(cell, old->uses - new->uses);
		if (cell)
			__sync_val_compare_and_swap(&cell->word, old->word, word);
	}
}

/* And add what is new in @wanted, unless the new programs have said something of it. */
static void bucket_add(struct migration *m, struct grant_bucket *bucket,
		       struct grant_bucket *brought, const struct grant_bucket *wanted)
{
	for (int i = 0; i < GRANT_CELLS; i++) {
		const struct grant *new = &wanted->cell[i];
		__u64 word;

		if (new->word && !cell_of(brought, new, m->now, &word) &&
		    !cell_of(bucket, new, m->now, &word) && !cell_give(m, bucket, new))
			m->unplaced++;
	}
}

static int grants_pass(struct part *part)
{
	struct migration *m = part->m;
	struct grant_bucket *brought = part->brought;
	struct grant_bucket *wanted = calloc(part->to_entries, sizeof(*wanted));

	if (!wanted)
		return -ENOMEM;
	if (!brought) {
		brought = part->brought = calloc(part->to_entries, sizeof(*brought));
		if (!brought) {
			free(wanted);
			return -ENOMEM;
		}
		cells_copy(m->new_cells, m->new.bucket_mask, m->now, brought);
	}
	cells_build(m, brought, wanted);
	/* Before the swap the old table stays in force instead. */
	if (m->unplaced && !m->second) {
		free(wanted);
		return -ENOSPC;
	}
	for (__u32 i = 0; i < part->to_entries; i++) {
		bucket_change(m, &m->new_cells[i], &brought[i], &wanted[i]);
		bucket_add(m, &m->new_cells[i], &brought[i], &wanted[i]);
	}
	free(brought);
	part->brought = wanted;
	return m->unplaced ? -ENOSPC : 0;
}

/* ---- progress ---- */

/* Whose progress was brought, and the word it had. */
struct mark {
	__u64 name;
	__u64 word; /* 0: none */
};

struct marks {
	__u64 mask, free;
	struct mark mark[];
};

static struct marks *marks_new(__u32 entries)
{
	__u64 size = 64;
	struct marks *marks;

	while (size < 2 * (__u64)entries)
		size *= 2;
	marks = calloc(1, sizeof(*marks) + size * sizeof(*marks->mark));
	if (marks) {
		marks->mask = size - 1;
		marks->free = size / 4 * 3;
	}
	return marks;
}

/* The place of the mark of @name; an empty one where it has none. */
static struct mark *marks_at(struct marks *marks, __u64 name)
{
	__u64 slot = name ^ name >> 32;

	while (marks->mark[slot & marks->mask].word &&
	       marks->mark[slot & marks->mask].name != name)
		slot++;
	return &marks->mark[slot & marks->mask];
}

/* Where progress changes hands while it is read, some are marked twice: then there is no room. */
static void marks_set(struct marks *marks, __u64 name, __u64 word)
{
	struct mark *mark = marks_at(marks, name);

	if (!mark->word) {
		if (!marks->free)
			return;
		marks->free--;
		mark->name = name;
	}
	mark->word = word;
}

/* Progress of the old table; its word is only brought where it is another than before. */
static bool progress_bring(void *data, const void *key, void *value)
{
	struct part *part = data;
	struct migration *m = part->m;
	const struct progress *old = value;
	__u64 name = *(const __u64 *)key;
	struct progress new;
	struct mark *mark;

	/* In presence it stands where its source does: the stream's number is in bits below. */
	if (!old->word || !presence_alive(hash_slot(m, PRESENCE_PROGRESS, name), m->now))
		return false;
	if (!m->second) {
		marks_set(part->brought, name, old->word);
		return true;
	}
	mark = marks_at(part->brought, name);
	if (mark->word == old->word)
		return false;
	if (bpf_map_lookup_elem(part->to, key, &new))
		bpf_map_update_elem(part->to, key, value, BPF_NOEXIST);
	else if (mark->word && new.word == mark->word)
		/* A knock at this very moment is lost: no value of a hash can be swapped. */
		bpf_map_update_elem(part->to, key, value, BPF_EXIST);
	return false;
}

static int progress_pass(struct part *part)
{
	if (!part->brought)
		part->brought = marks_new(part->from_entries);
	return part->brought ? part_walk(part, progress_bring) : -ENOMEM;
}

/* ---- flows ---- */

static struct grant_bucket *owner_bucket(const struct migration *m, struct grant_bucket *cells,
					 const struct settings *settings, struct source *owner)
{
	owner_cut(owner, settings->grant_mask6_be);
	return &cells[grant_slot(source_hash(&m->new.hash_key, owner), settings->bucket_mask)];
}

/*
 * Whether only the old table says that the flow was ended: with the longer prefix that word cannot
 * be kept, and the flow would come back to life.
 */
static bool flow_over(struct migration *m, const struct source *source, __u32 door)
{
	struct grant like = { .word = grant_word(door, true, false, 0) };
	struct source owner = *source;
	struct grant_bucket *bucket = owner_bucket(m, m->old_cells, &m->old, &owner);
	__u64 word;

	memcpy(like.address_be, owner.word_be, sizeof(like.address_be));
	if (!cell_of(bucket, &like, m->now, &word) || !(word >> GRANT_ENDED_BIT & 1))
		return false;
	owner = *source;
	bucket = owner_bucket(m, m->new_cells, &m->new, &owner);
	memcpy(like.address_be, owner.word_be, sizeof(like.address_be));
	return !cell_of(bucket, &like, m->now, &word);
}

/* See to it that the new programs look for the flow, as its source is called by its new prefix. */
static bool flow_remask(struct part *part, const void *key, const struct flow_state *state)
{
	struct migration *m = part->m;
	struct source source = { .family = 6 };

	memcpy(source.word_be, state->flow.source_be, sizeof(source.word_be));
	if (m->narrowed && flow_over(m, &source, state->door)) {
		bpf_map_delete_elem(part->from, key);
		bpf_map_delete_elem(part->to, key);
		return false;
	}
	owner_cut(&source, m->new.grant_mask6_be);
	hash_extend(m, source_hash(&m->new.hash_key, &source), state->seen + m->new.udp_idle);
	return true;
}

static bool flow_bring(void *data, const void *key, void *value)
{
	struct part *part = data;
	struct migration *m = part->m;
	const struct flow_state *old = value;
	struct flow_state new;

	if (old->seen + m->old.udp_idle < m->now)
		return false;
	if (m->remasked && old->flow.family == 6 && !flow_remask(part, key, old))
		return false;
	if (part->from == part->to)
		return false;
	if (!m->second)
		return true;
	/* What was idle since before the first pass was brought by it. */
	if (old->seen + m->new.second < m->began)
		return false;
	if (bpf_map_lookup_elem(part->to, key, &new))
		bpf_map_update_elem(part->to, key, value, BPF_NOEXIST);
	else if (old->seen > new.seen)
		bpf_map_update_elem(part->to, key, value, BPF_EXIST);
	return false;
}

static int flows_pass(struct part *part)
{
	return part_walk(part, flow_bring);
}

/* ---- single words: quotas, times of reports ---- */

static __u32 part_common(const struct part *part)
{
	return part->from_entries < part->to_entries ? part->from_entries : part->to_entries;
}

static int words_pass(struct part *part)
{
	size_t from_size = part->from_entries * sizeof(__u64);
	size_t to_size = part->to_entries * sizeof(__u64);
	__u64 *from = array_map(part->from, from_size), *to = array_map(part->to, to_size);
	__u64 *brought = part->brought;
	int error = from && to ? 0 : -errno;

	if (!error && !brought) {
		brought = part->brought = malloc(to_size);
		if (brought)
			memcpy(brought, to, to_size);
		else
			error = -ENOMEM;
	}
	for (__u32 i = 0; i < part_common(part) && !error; i++) {
		__u64 word = __atomic_load_n(&from[i], __ATOMIC_SEQ_CST);

		if (word != brought[i])
			__sync_val_compare_and_swap(&to[i], brought[i], word);
		brought[i] = word;
	}
	array_unmap(from, from_size);
	array_unmap(to, to_size);
	return error;
}

/* ---- counters, one a CPU ---- */

static bool counter_note(void *data, const void *key, void *value)
{
	struct part *part = data;
	__u64 *brought = part->brought;

	brought[*(const __u32 *)key] = counter_sum(value);
	return false;
}

/*
 * Add what was counted since the last pass. A packet counted between reading and writing here is
 * not: a count or two may be lost.
 */
static bool counter_bring(void *data, const void *key, void *value)
{
	struct part *part = data;
	__u64 *brought = part->brought, *values = value, sum, more;
	__u32 index = *(const __u32 *)key;

	if (index >= part->to_entries)
		return false;
	sum = counter_sum(values);
	if (sum <= brought[index] || bpf_map_lookup_elem(part->to, &index, values))
		return false;
	more = sum - brought[index];
	brought[index] = sum;
	values[0] += more;
	bpf_map_update_elem(part->to, &index, values, BPF_EXIST);
	return false;
}

static int counters_pass(struct part *part)
{
	struct part to = *part;
	int error = 0;

	if (!part->brought) {
		to.brought = part->brought = calloc(part->to_entries, sizeof(__u64));
		if (!part->brought)
			return -ENOMEM;
		to.from = part->to;
		error = part_walk(&to, counter_note);
	}
	return error ? error : part_walk(part, counter_bring);
}

/* ---- the whole ---- */

/* Grants first: flows ask for them. */
static const struct part_kind part_kinds[PARTS] = {
	{ MAP_grants, grants_pass },
	{ MAP_flows, flows_pass },
	{ MAP_progress, progress_pass },
	{ MAP_quotas, words_pass },
	{ MAP_port_reports, words_pass },
	{ MAP_counters, counters_pass },
	{ MAP_door_counters, counters_pass },
	{ MAP_port_counters, counters_pass },
};

static bool masks_equal(const struct settings *a, const struct settings *b)
{
	return !memcmp(a->grant_mask6_be, b->grant_mask6_be, sizeof(a->grant_mask6_be));
}

bool migration_shares(const struct generation *from, enum generation_map map,
		      const struct settings *settings, const struct bpf_map *wanted)
{
	struct bpf_map_info has;
	struct settings old;

	if (generation_map_kind(map) == MAP_CONFIG || generation_map_info(from, map, &has))
		return false;
	/* Another prefix is another hash: one table cannot serve both generations. */
	if (map == MAP_grants &&
	    (generation_settings(from, &old) || !masks_equal(&old, settings)))
		return false;
	return has.type == bpf_map__type(wanted) && has.key_size == bpf_map__key_size(wanted) &&
	       has.value_size == bpf_map__value_size(wanted) &&
	       has.max_entries == bpf_map__max_entries(wanted) &&
	       has.map_flags == bpf_map__map_flags(wanted);
}

static int part_open(struct part *part, struct migration *m, const struct part_kind *kind,
		     const struct generation *from, const struct generation *to)
{
	struct bpf_map_info old, new;
	int error = entries_check(from, kind->map, &old);

	if (!error)
		error = entries_check(to, kind->map, &new);
	if (error)
		return error;
	part->kind = kind;
	part->m = m;
	part->from = from->map[kind->map];
	part->to = old.id == new.id ? part->from : to->map[kind->map];
	part->from_entries = old.max_entries;
	part->to_entries = new.max_entries;
	return 0;
}

static int grants_open(struct migration *m, const struct part *part)
{
	if (part->from_entries != (__u64)m->old.bucket_mask + 1 ||
	    part->to_entries != (__u64)m->new.bucket_mask + 1)
		return -EINVAL;
	if (part->from == part->to)
		return m->remasked ? -EINVAL : 0;
	m->old_cells = array_map(part->from, part->from_entries * sizeof(*m->old_cells));
	if (!m->old_cells)
		return -errno;
	m->new_cells = array_map(part->to, part->to_entries * sizeof(*m->new_cells));
	return m->new_cells ? 0 : -errno;
}

/* Both generations have the same table: who is present in one is in the other. */
static int presence_open(struct migration *m, const struct generation *from,
			 const struct generation *to)
{
	struct bpf_map_info old, new;
	int error = generation_map_info(from, MAP_presence, &old);

	if (!error)
		error = generation_map_info(to, MAP_presence, &new);
	if (error)
		return error;
	if (old.id != new.id || old.type != BPF_MAP_TYPE_ARRAY ||
	    old.value_size != PRESENCE_SIZE || old.max_entries != 1)
		return -EINVAL;
	m->presence = array_map(from->map[MAP_presence], PRESENCE_SIZE);
	return m->presence ? 0 : -errno;
}

static int migration_open(struct migration *m, const struct generation *from,
			  const struct generation *to)
{
	int error = generation_settings(from, &m->old);

	if (!error)
		error = generation_settings(to, &m->new);
	if (error)
		return error;
	m->remasked = !masks_equal(&m->old, &m->new);
	for (int i = 0; i < 4; i++)
		m->narrowed |= m->new.grant_mask6_be[i] & ~m->old.grant_mask6_be[i];
	/* One hash places the state of both. */
	if (memcmp(&m->old.hash_key, &m->new.hash_key, sizeof(m->old.hash_key)))
		return -EINVAL;
	error = presence_open(m, from, to);
	for (int i = 0; i < PARTS && !error; i++)
		error = part_open(&m->part[i], m, &part_kinds[i], from, to);
	return error ? error : grants_open(m, &m->part[PART_GRANTS]);
}

/* One pass over all parts; the first failure is told, what can be brought is. */
static int migration_pass(struct migration *m)
{
	int result = 0;

	for (int i = 0; i < PARTS && (m->second || !result); i++) {
		struct part *part = &m->part[i];
		int error = 0;

		if (part->from != part->to || (part->kind->map == MAP_flows && m->remasked))
			error = part->kind->pass(part);
		if (!result)
			result = error;
	}
	return result;
}

int migration_begin(struct migration **out, const struct generation *from,
		    const struct generation *to, __u64 now, unsigned int *ended)
{
	struct migration *m = calloc(1, sizeof(*m));
	int error;

	if (!m)
		return -ENOMEM;
	m->now = m->began = now;
	error = migration_open(m, from, to);
	if (!error)
		error = migration_pass(m);
	if (error) {
		migration_end(m);
		return error;
	}
	*ended += m->unkept;
	*out = m;
	return 0;
}

/* Until the programs under way have ended: what this call waits for includes them all. */
static void programs_settle(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		usleep(SETTLE_US); /* not to be had with nohz_full */
}

int migration_finish(struct migration *m, __u64 now)
{
	programs_settle();
	m->now = now;
	m->second = true;
	return migration_pass(m);
}

void migration_end(struct migration *m)
{
	if (!m)
		return;
	array_unmap(m->old_cells, m->part[PART_GRANTS].from_entries * sizeof(*m->old_cells));
	array_unmap(m->new_cells, m->part[PART_GRANTS].to_entries * sizeof(*m->new_cells));
	array_unmap(m->presence, PRESENCE_SIZE);
	for (int i = 0; i < PARTS; i++)
		free(m->part[i].brought);
	free(m);
}
