/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an administrator asks for by knockctl, done and told by the code that serves knocks. */
#ifndef KNOCKD_ORDER_H
#define KNOCKD_ORDER_H

#include "progress.h"

static __always_inline void who_copy(struct event *event, const struct order_form *form)
{
	__builtin_memcpy(event->who, form->who, sizeof(event->who));
	event->who[sizeof(event->who) - 1] = '\0';
}

static __always_inline enum order_result order_open(const struct order_form *form,
						    const struct source *source,
						    const struct door *d, __u64 now)
{
	bool ends = form->time && form->time < GRANT_FOREVER - now;
	__u64 until = ends ? now + form->time : GRANT_FOREVER, hash;
	struct source owner = source_owner(source);
	__u32 door = form->door;
	bool renewed = false;
	struct event *event;

	hash = source_hash(&settings.hash_key, &owner);
	if (!(d->flags & DOOR_GRANTS)) {
		until = 0;
	} else {
		hash_extend(PRESENCE_GRANTS, hash, until);
		if (grant_give(door, d, &owner, hash, now, until, true, &renewed) != REASON_OPENED)
			return ORDER_FULL;
	}
	if (d->flags & DOOR_TASKS)
		task_tell(EVENT_OPENED, source, door, now, until);
	event = event_begin(EVENT_OPENED, source, now);
	if (event) {
		event->door = door;
		event->until = until;
		event->renewed = renewed;
		who_copy(event, form);
		bpf_ringbuf_submit(event, 0);
	}
	return ORDER_DONE;
}

static __always_inline enum order_result order_close(const struct order_form *form,
						     const struct source *source,
						     const struct door *d, __u64 now)
{
	int count = grant_close(source, form->door, d, now);
	struct event *event;

	/* Also without a grant: its stop command may be owed for longer than it lived. */
	if (d->flags & DOOR_TASKS)
		task_tell(EVENT_CLOSED, source, form->door, now, 0);
	if (count <= 0)
		return ORDER_NOTHING;
	event = event_begin(EVENT_CLOSED, source, now);
	if (event) {
		event->door = form->door;
		who_copy(event, form);
		bpf_ringbuf_submit(event, 0);
	}
	return ORDER_DONE;
}

static __always_inline enum order_result order_tell(const struct order_form *form,
						    const struct source *source, __u64 now)
{
	struct event *event = event_begin(EVENT_ORDER, source, now);

	if (!event)
		return ORDER_UNTOLD;
	event->order = form->order;
	event->seconds = form->seconds;
	who_copy(event, form);
	bpf_ringbuf_submit(event, 0);
	return ORDER_DONE;
}

static __always_inline enum order_result order_obey(const struct order_form *form)
{
	const struct door *d = door_at(form->door);
	struct source source = form->source;
	__u64 now = bpf_jiffies64();
	enum order_result result;

	source.stream = 0;
	switch (form->order) {
	case ORDER_OPEN:
		return d && d->quota ? order_open(form, &source, d, now) : ORDER_NO_DOOR;
	case ORDER_CLOSE:
		return d && d->quota ? order_close(form, &source, d, now) : ORDER_NO_DOOR;
	case ORDER_CONFIRM:
		result = trial_confirm(now);
		if (result == ORDER_DONE)
			order_tell(form, &source, now);
		return result;
	case ORDER_RELOAD:
	case ORDER_DETACH:
		return order_tell(form, &source, now);
	default:
		return ORDER_NOTHING;
	}
}

#endif
