// SPDX-License-Identifier: GPL-2.0-or-later
#include "refusals.h"

#include <stdio.h>

#include "event_text.h"

enum { SAY_MS = 1000 };

static const char *const reason_text[REFUSAL_COUNT] = {
	[REFUSED_SOURCE] = "less than a second after the last",
	[REFUSED_DOOR] = "too many in one second",
	[REFUSED_QUEUE] = "too many commands wait in line",
	[REFUSED_DEBTS] = "too many stop commands are owed",
};

static void refusal_say(struct refusals *refusals, enum refusal why, uint64_t now_ms)
{
	struct address_text ip = address_text(&refusals->of[why].source);
	const char *door = refusals->of[why].door;
	char line[512];

	if (!refusals->of[why].unsaid || now_ms < refusals->of[why].next_ms)
		return;
	if (refusals->of[why].unsaid == 1)
		snprintf(line, sizeof(line), "%s: %s: command not run: %s", ip.text, door,
			 reason_text[why]);
	else
		snprintf(line, sizeof(line), "%zu commands not run: %s; the last was %s: %s",
			 refusals->of[why].unsaid, reason_text[why], ip.text, door);
	refusals->say(refusals->data, line);
	refusals->of[why].unsaid = 0;
	refusals->of[why].next_ms = now_ms + SAY_MS;
}

void refusal_note(struct refusals *refusals, enum refusal why, const char *door,
		  const struct source *source, uint64_t now_ms)
{
	refusals->of[why].unsaid++;
	refusals->of[why].source = *source;
	snprintf(refusals->of[why].door, sizeof(refusals->of[why].door), "%s", door);
	refusal_say(refusals, why, now_ms);
}

void refusals_say(struct refusals *refusals, uint64_t now_ms)
{
	for (int i = 0; i < REFUSAL_COUNT; i++)
		refusal_say(refusals, (enum refusal)i, now_ms);
}

uint64_t refusals_next_ms(const struct refusals *refusals)
{
	uint64_t next = UINT64_MAX;

	for (int i = 0; i < REFUSAL_COUNT; i++)
		if (refusals->of[i].unsaid && refusals->of[i].next_ms < next)
			next = refusals->of[i].next_ms;
	return next;
}
