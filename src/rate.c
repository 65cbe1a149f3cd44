// SPDX-License-Identifier: GPL-2.0-or-later
#include "rate.h"

#include <sys/random.h>

enum { SECOND_MS = 1000 };

void rate_init(struct rate *rate)
{
	rate->first = rate->count = 0;
	/* Without it an attacker could at worst mute one source of a door for a second. */
	if (getrandom(&rate->seed, sizeof(rate->seed), GRND_NONBLOCK) < 0)
		rate->seed = 0;
}

static uint64_t hash_mix(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * 0x9e3779b97f4a7c15;
	return sum ^ sum >> 31;
}

static void rate_forget(struct rate *rate, uint64_t now_ms)
{
	while (rate->count && now_ms - rate->start[rate->first].time_ms >= SECOND_MS) {
		rate->first = (rate->first + 1) % RATE_STARTS_MAX;
		rate->count--;
	}
}

enum rate_result rate_take(struct rate *rate, const char *door, unsigned int ordinal,
			   const struct source *source, bool once, uint64_t now_ms)
{
	struct rate_start new = { .time_ms = now_ms, .door = hash_mix(rate->seed, ordinal) };
	unsigned int same_door = 0;

	for (; *door; door++)
		new.door = hash_mix(new.door, (unsigned char)*door);
	new.source = hash_mix(new.door, source->family);
	for (int i = 0; i < 4; i++)
		new.source = hash_mix(new.source, source->word_be[i]);
	rate_forget(rate, now_ms);
	for (size_t i = 0; i < rate->count; i++) {
		const struct rate_start *old =
			&rate->start[(rate->first + i) % RATE_STARTS_MAX];

		if (once && old->source == new.source)
			return RATE_SOURCE;
		same_door += old->door == new.door;
	}
	if (same_door >= RATE_DOOR || rate->count == RATE_STARTS_MAX)
		return RATE_DOOR_FULL;
	rate->start[(rate->first + rate->count++) % RATE_STARTS_MAX] = new;
	return RATE_FINE;
}
