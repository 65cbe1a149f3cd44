// SPDX-License-Identifier: GPL-2.0-or-later
#include "scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void sequence_survey(struct scan *scan, const struct conf_sequence *sequence)
{
	for (unsigned int i = 0; i < sequence->len; i++)
		if (sequence->knock[i].proto != CONF_ICMP)
			port_set_add(&scan->knock[sequence->knock[i].proto],
				     sequence->knock[i].number);
}

static void door_survey(struct scan *scan, const struct conf_door *door)
{
	sequence_survey(scan, &door->sequence);
	sequence_survey(scan, &door->close_sequence);
	for (size_t i = 0; i < door->open.count; i++) {
		const struct conf_range *range = &door->open.at[i];

		for (unsigned int port = range->first; port <= range->last; port++)
			port_set_add(&scan->protected[range->proto], (uint16_t)port);
	}
}

void scan_begin(struct scan *scan, const struct conf *conf, const struct host_facts *facts)
{
	*scan = (struct scan){ .facts = facts };
	for (size_t i = 0; i < conf->door_count; i++)
		door_survey(scan, &conf->door[i]);
	for (int proto = CONF_TCP; proto <= CONF_UDP; proto++)
		for (unsigned int port = 1; port <= UINT16_MAX; port++)
			scan->silent[proto] += port_set_has(&scan->protected[proto], port) &&
					       !port_set_has(&scan->knock[proto], port);
}

/* A packet to such a port neither advances nor clears its source's progress. */
static bool port_is_silent(const struct scan *scan, enum conf_proto proto, uint16_t port)
{
	if (port_set_has(&scan->knock[proto], port))
		return false;
	return port_set_has(&scan->protected[proto], port) ||
	       (scan->facts->ports_known &&
		port_set_has(host_facts_served(scan->facts, proto == CONF_UDP), port));
}

/* Whether a scan that goes from port @a to port @b one by one meets no stray in between. */
static bool gap_is_silent(const struct scan *scan, enum conf_proto proto, uint16_t a,
			  uint16_t b)
{
	uint16_t low = a < b ? a : b, high = a < b ? b : a;

	for (unsigned int port = low + 1U; port < high; port++)
		if (!port_is_silent(scan, proto, (uint16_t)port))
			return false;
	return true;
}

struct scan_pattern scan_pattern(const struct scan *scan,
				       const struct conf_sequence *sequence)
{
	const struct conf_knock *knock = sequence->knock;
	bool ports = knock[0].proto != CONF_ICMP;
	struct scan_pattern pattern = { ports, ports, ports, true, 0 };
	bool mixed = false;

	for (unsigned int i = 1; i < sequence->len; i++) {
		unsigned int gap = (unsigned int)abs(knock[i].number - knock[i - 1].number);

		mixed |= knock[i].proto != knock[0].proto;
		pattern.ascending &= knock[i].number > knock[i - 1].number;
		pattern.descending &= knock[i].number < knock[i - 1].number;
		pattern.same &= conf_knock_equal(&knock[i], &knock[0]);
		pattern.widest = gap > pattern.widest ? gap : pattern.widest;
	}
	if (mixed || !ports) {
		pattern.ascending = false;
		pattern.descending = false;
		pattern.widest = 0;
	}
	pattern.silent = pattern.ascending || pattern.descending;
	for (unsigned int i = 1; i < sequence->len && pattern.silent; i++)
		pattern.silent = gap_is_silent(scan, knock[i].proto, knock[i - 1].number,
					       knock[i].number);
	return pattern;
}

/* That of three knocks with a thousand strays around them is smaller. */
enum { CHANCE_SMALL = 1000000 };

/*
 * A scan in random order sends each of N packets once. Strays clear, so all n knocks must follow
 * each other in their order: one of N (N-1) … (N-n+2) ways. Packets to protected ports are no
 * strays, and do not count.
 */
struct scan_chance scan_chance(const struct scan *scan,
				     const struct conf_sequence *sequence)
{
	static const uint64_t packets[] = { 65535, 65535, 256 }; /* by protocol */
	bool used[3] = { false, false, false };
	struct scan_chance chance;
	uint64_t n = 0, ways = 1;

	for (unsigned int i = 0; i < sequence->len; i++)
		used[sequence->knock[i].proto] = true;
	for (int proto = 0; proto < 3; proto++)
		n += used[proto] ? packets[proto] - scan->silent[proto] : 0;
	n = n < sequence->len ? sequence->len : n;
	for (unsigned int i = 0; i + 1 < sequence->len; i++) {
		if (i >= n || __builtin_mul_overflow(ways, n - i, &ways)) {
			ways = 0;
			break;
		}
	}
	if (ways == 0)
		snprintf(chance.text, sizeof(chance.text), "less than 1 in 10^19");
	else
		snprintf(chance.text, sizeof(chance.text), "1 in %ju", (uintmax_t)ways);
	chance.good = ways && ways < CHANCE_SMALL;
	return chance;
}
