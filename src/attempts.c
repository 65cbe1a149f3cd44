// SPDX-License-Identifier: GPL-2.0-or-later
#include "attempts.h"

#include "event_text.h"

static struct attempt *attempt_find(struct attempts *a, const struct source *source, __u32 door)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->at[i].door == door && sources_equal(&a->at[i].source, source))
			return &a->at[i];
	return NULL;
}

static struct attempt *attempt_first(const struct attempts *a)
{
	const struct attempt *first = NULL;

	for (size_t i = 0; i < a->count; i++)
		if (!first || a->at[i].until < first->until)
			first = &a->at[i];
	return (struct attempt *)first;
}

void attempts_told(struct attempts *a, const struct source *source, __u32 door, unsigned int stage,
		   __u64 time, __u32 timeout)
{
	struct attempt *known = attempt_find(a, source, door);
	bool next = known && stage == known->stage + 1;

	if (!known && a->count == ATTEMPTS_MAX)
		return;
	if (!known)
		known = &a->at[a->count++];
	*known = (struct attempt){
		/* A knock that comes at the very end still counts. */
		.until = next ? known->until : time + timeout + 1,
		.source = *source, .door = door, .stage = stage,
	};
}

void attempts_end(struct attempts *a, const struct source *source, __u32 door)
{
	struct attempt *known = attempt_find(a, source, door);

	if (known)
		*known = a->at[--a->count];
}

bool attempts_expire(struct attempts *a, __u64 now, struct attempt *out)
{
	struct attempt *first = attempt_first(a);

	if (!first || first->until > now)
		return false;
	*out = *first;
	*first = a->at[--a->count];
	return true;
}

__u64 attempts_next(const struct attempts *a)
{
	const struct attempt *first = attempt_first(a);

	return first ? first->until : 0;
}
