/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records for the daemon. A full ring never changes a verdict; the loss is counted. */
#ifndef KNOCKD_EVENT_H
#define KNOCKD_EVENT_H

#include "maps.h"
#include "settings.h"

/* Count one more packet, or one more of whatever @reason notes. */
static __always_inline void reason_count(enum reason reason)
{
	__u32 key = reason;
	__u64 *count = bpf_map_lookup_elem(&counters, &key);

	if (count)
		++*count;
}

/**
 * rate_take() - Take one from a rate that all CPUs share.
 * @limit: its word, as struct shared has them
 * @now: jiffies
 * @per_second: how many may be taken in one second
 *
 * Return: whether there was one left.
 */
static __always_inline bool rate_take(__u64 *limit, __u64 now, __u32 per_second)
{
	__u64 word = *(volatile __u64 *)limit;
	__u32 age = now - (word >> 32);

	/* Another CPU may have begun the second just after this one read its clock. */
	if (age >= settings.second && age < (__u32)-256) {
		/* Whoever comes first opens the new second; the others take from it. */
		if (__sync_val_compare_and_swap(limit, word, now << 32 | 1) == word)
			return true;
	} else if ((__u32)word >= per_second) {
		return false;
	}
	return (__u32)__sync_fetch_and_add(limit, 1) < per_second;
}

/** limit_take() - rate_take() of one that has a name. */
static __always_inline bool limit_take(enum limit which, __u64 now, __u32 per_second)
{
	struct shared *s = table(&shared);

	return s && rate_take(&s->limit[which], now, per_second);
}

/* Count an opening that the helper does not hear of. */
static __always_inline void task_lose(void)
{
	struct shared *s = table(&shared);

	reason_count(REASON_TASK_LOST);
	if (s)
		__sync_fetch_and_add(&s->tasks_lost, 1);
}

static __always_inline void record_fill(struct event *event, enum event_kind kind,
					const struct source *source, __u64 now)
{
	__builtin_memset(event, 0, sizeof(*event));
	event->kind = kind;
	event->source = *source;
	event->time = now;
}

/**
 * event_begin() - A zeroed record to fill in and to give to bpf_ringbuf_submit(); NULL, counted,
 * when the ring is full.
 */
static __always_inline struct event *event_begin(enum event_kind kind, const struct source *source,
						 __u64 now)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	struct shared *s;

	if (event) {
		record_fill(event, kind, source, now);
		return event;
	}
	reason_count(REASON_EVENT_LOST);
	s = table(&shared);
	if (s)
		__sync_fetch_and_add(&s->events_lost, 1);
	return NULL;
}

/**
 * task_tell() - Tell the helper that @door opened or closed for @source.
 * @until: jiffies, for an opening whose time an administrator chose; 0: the door's own time
 */
static __always_inline void task_tell(enum event_kind kind, const struct source *source, __u32 door,
				      __u64 now, __u64 until)
{
	struct event *event = bpf_ringbuf_reserve(&tasks, sizeof(*event), 0);

	if (!event) {
		task_lose();
		return;
	}
	record_fill(event, kind, source, now);
	event->door = door;
	event->until = until;
	bpf_ringbuf_submit(event, 0);
}

#endif
