/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of the compiled tables share: doors written the short way, and numbers that look
 * random but are the same in every run unless KNOCKD_SEED says otherwise.
 */
#ifndef KNOCKD_TEST_DOORS_H
#define KNOCKD_TEST_DOORS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compile.h"
#include "sequence.h"

/* SplitMix64 (Steele, Lea, Flood, 2014). */
struct dice {
	uint64_t state;
};

static inline uint64_t dice_word(struct dice *dice)
{
	uint64_t z = dice->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/** dice_below() - A number from 0 to @limit - 1. */
static inline uint32_t dice_below(struct dice *dice, uint32_t limit)
{
	return (dice_word(dice) >> 32) * limit >> 32;
}

/** dice_seed() - KNOCKD_SEED, or the one that every run has; told, so that a failure comes back. */
static inline uint64_t dice_seed(void)
{
	const char *given = getenv("KNOCKD_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : 2026;

	print_message("KNOCKD_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

/* The first knock of @text, such as 7000, 7000:udp or 4:icmp; gives what follows it. */
static inline const char *knock_read(const char *text, struct conf_knock *knock)
{
	char *end;

	knock->number = strtoul(text, &end, 10);
	knock->proto = CONF_TCP;
	assert_ptr_not_equal(text, end);
	for (int proto = 0; conf_proto_names[proto] && *end == ':'; proto++) {
		size_t len = strlen(conf_proto_names[proto]);

		if (!strncmp(end + 1, conf_proto_names[proto], len)) {
			knock->proto = proto;
			end += 1 + len;
		}
	}
	return end;
}

/** sequence_read() - "7000,8000:udp,4:icmp" → @sequence; "" is none. */
static inline void sequence_read(struct conf_sequence *sequence, const char *text)
{
	sequence->len = 0;
	while (*text) {
		assert_in_range(sequence->len, 0, KNOCKD_SEQUENCE_MAX - 1);
		text = knock_read(text, &sequence->knock[sequence->len++]);
		text += *text == ',';
	}
}

/** door_add() - A door with a sequence; its name is its place: A, B, … */
static inline struct conf_door *door_add(struct conf *conf, const char *sequence,
					 uint32_t seq_timeout_s)
{
	char name[] = { 'A' + conf->door_count % 26, 0 };
	struct conf_door *door = conf_door_add(conf, name, conf->door_count + 1);

	assert_non_null(door);
	sequence_read(&door->sequence, sequence);
	door->seq_timeout_s = seq_timeout_s;
	return door;
}

/** door_open_add() - One more range of ports that @door opens. */
static inline void door_open_add(struct conf_door *door, enum conf_proto proto, uint16_t first,
				 uint16_t last)
{
	struct conf_ranges *open = &door->open;

	open->at = realloc(open->at, (open->count + 1) * sizeof(*open->at));
	assert_non_null(open->at);
	open->at[open->count++] = (struct conf_range){
		.proto = proto, .first = first, .last = last, .line = door->line,
	};
}

/** port_index_of() - The place of a knock or protected port in the table of ports. */
static inline size_t port_index_of(enum conf_proto proto, unsigned int number)
{
	return number + (proto == CONF_TCP ? 0 : proto == CONF_UDP ? 65536 : PORT_ICMP_FIRST);
}

/** door_number() - The number of @door, or -1. */
static inline int door_number(const struct compiled *c, const struct conf_door *door)
{
	for (__u32 i = 0; i < c->settings.door_count; i++)
		if (c->name[i].used && c->name[i].ordinal == door->ordinal &&
		    !strcmp(c->name[i].name, door->name))
			return i;
	return -1;
}

/** heritage_from() - What a config compiled at @now takes over from @c. */
static inline struct heritage heritage_from(const struct compiled *c, uint64_t now)
{
	return (struct heritage){
		.settings = &c->settings, .port = c->port, .name = c->name, .path = c->path,
		.now = now,
	};
}

static inline struct automaton automaton_from(const struct compiled *c)
{
	return (struct automaton){
		.edge = c->edge,
		.state = c->state,
		.match = c->match,
		.edge_mask = c->settings.edge_mask,
		.state_count = c->settings.state_count,
		.match_count = c->settings.match_count,
	};
}

#endif
