// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Config → tables: what the programs will read there, against what the config says, port by port
 * and source by source.
 */
#include "doors.h"

#include <arpa/inet.h>
#include <errno.h>
#include <time.h>

#include "grant.h"

enum { HZ = 250 };

/* Of @all rounds of chance, a tenth are enough for every day; KNOCKD_TEST_ALL asks for all. */
static unsigned int rounds_of(unsigned int all)
{
	return getenv("KNOCKD_TEST_ALL") ? all : all / 10;
}

/* A config, its tables, and what the compiler had to say. */
struct world {
	struct conf conf;
	struct compiled compiled;
	struct messages messages;
};

static int world_make(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	conf_init(&w->conf, "test");
	messages_init(&w->messages, "test");
	*state = w;
	return 0;
}

static void world_clear(struct world *w)
{
	compiled_free(&w->compiled);
	conf_free(&w->conf);
	messages_free(&w->messages);
	messages_init(&w->messages, "test");
}

static int world_free(void **state)
{
	struct world *w = *state;

	world_clear(w);
	messages_free(&w->messages);
	free(w);
	return 0;
}

static void compile(struct world *w)
{
	assert_int_equal(compile_conf(&w->conf, HZ, NULL, &w->compiled, &w->messages), 0);
	assert_int_equal(w->messages.errors + w->messages.warnings, 0);
}

/* Compiling must fail, with one message about @line that holds @words, and write nothing. */
static void expect_error(struct world *w, unsigned int line, const char *words)
{
	struct compiled untouched;

	memset(&untouched, 0xa5, sizeof(untouched));
	memcpy(&w->compiled, &untouched, sizeof(untouched));
	assert_int_equal(compile_conf(&w->conf, HZ, NULL, &w->compiled, &w->messages), -EINVAL);
	assert_memory_equal(&w->compiled, &untouched, sizeof(untouched));
	memset(&w->compiled, 0, sizeof(w->compiled));
	assert_int_equal(w->messages.errors, 1);
	assert_int_equal(w->messages.at[0].level, MESSAGE_ERROR);
	assert_int_equal(w->messages.at[0].line, line);
	if (!strstr(w->messages.at[0].text, words))
		fail_msg("'%s' is not in '%s'", words, w->messages.at[0].text);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* ---- ports ---- */

static bool conf_opens(const struct conf_door *door, enum conf_proto proto, unsigned int number)
{
	for (size_t i = 0; i < door->open.count; i++)
		if (door->open.at[i].proto == proto && door->open.at[i].first <= number &&
		    number <= door->open.at[i].last)
			return true;
	return false;
}

/* The number of each door of the config. */
static int *door_numbers(const struct world *w)
{
	int *door = calloc(w->conf.door_count + 1, sizeof(*door));

	assert_non_null(door);
	for (size_t d = 0; d < w->conf.door_count; d++) {
		door[d] = door_number(&w->compiled, &w->conf.door[d]);
		assert_true(door[d] >= 0);
	}
	return door;
}

/* Every port of both protocols against every door. */
static void check_ports(const struct world *w)
{
	const struct compiled *c = &w->compiled;
	int *door = door_numbers(w);
	__u32 guards = 0;

	for (enum conf_proto proto = CONF_TCP; proto <= CONF_UDP; proto++) {
		for (unsigned int number = 0; number < 65536; number++) {
			const struct port *port = &c->port[port_index_of(proto, number)];
			bool guarded = false;

			for (size_t d = 0; d < w->conf.door_count; d++) {
				bool wanted = conf_opens(&w->conf.door[d], proto, number);
				bool opens = door_opens(c->opens, door[d], c->settings.door_count,
							port->area, c->settings.area_words);

				if (wanted != opens)
					fail_msg("door %zu, %s %u: %s", d, conf_proto_names[proto],
						 number, opens ? "opened" : "not opened");
				guarded |= wanted;
			}
			if (guarded != !!port->guard || guarded != !!port->area)
				fail_msg("%s %u: guard %u, area %u", conf_proto_names[proto],
					 number, port->guard, port->area);
			if (!guarded)
				continue;
			guards++;
			assert_in_range(port->guard, 1, c->settings.guard_count);
			assert_int_equal(c->guard[port->guard - 1].number, number);
			assert_int_equal(c->guard[port->guard - 1].proto,
					 proto == CONF_TCP ? PROTO_TCP : PROTO_UDP);
		}
	}
	for (__u32 i = 0; i < c->settings.guard_count; i++)
		guards -= !!c->guard[i].number;
	assert_int_equal(guards, 0);
	if (c->settings.guard_count)
		assert_int_not_equal(c->guard[c->settings.guard_count - 1].number, 0);
	free(door);
	for (unsigned int code = 0; code < 256; code++)
		assert_int_equal(c->port[PORT_ICMP_FIRST + code].guard, 0);
}

static void a_door_opens_its_ports_and_no_other(void **state)
{
	struct world *w = *state;

	door_open_add(door_add(&w->conf, "7000", 25), CONF_TCP, 22, 22);
	compile(w);
	check_ports(w);
	assert_int_equal(w->compiled.settings.guard_count, 1);
	assert_int_equal(w->compiled.settings.flows, 0);
}

static void ranges_may_reach_both_ends_and_overlap(void **state)
{
	struct world *w = *state;
	struct conf_door *door = door_add(&w->conf, "7000", 25);

	door_open_add(door, CONF_UDP, 60000, 65535);
	door_open_add(door, CONF_UDP, 61000, 61000);
	door_open_add(door, CONF_TCP, 1, 65535);
	door_open_add(door, CONF_TCP, 1, 65535);
	door = door_add(&w->conf, "8000", 25);
	door_open_add(door, CONF_TCP, 1, 1);
	door_open_add(door, CONF_TCP, 65535, 65535);
	door_open_add(door, CONF_UDP, 60001, 60001);
	door_open_add(door, CONF_UDP, 60002, 60003);
	compile(w);
	check_ports(w);
	assert_int_equal(w->compiled.settings.flows, 1);
	assert_int_equal(w->compiled.settings.guard_count, 65535 + 5536);
}

static void a_port_may_be_protected_and_a_knock_port(void **state)
{
	struct world *w = *state;

	door_open_add(door_add(&w->conf, "22,23:udp", 25), CONF_TCP, 22, 22);
	compile(w);
	check_ports(w);
	assert_int_not_equal(w->compiled.port[22].symbol, 0);
	assert_int_equal(w->compiled.port[23].symbol, 0);
	assert_int_equal(w->compiled.port[65536 + 22].symbol, 0);
	assert_int_not_equal(w->compiled.port[65536 + 23].symbol, 0);
}

static void doors_with_overlapping_ranges_open_what_they_say(void **state)
{
	struct world *w = *state;
	struct dice dice = { dice_seed() };

	for (int round = 0; round < 25; round++) {
		/* In the last round, more areas and more doors than one word has bits. */
		unsigned int doors = round == 24 ? 150 : 1 + dice_below(&dice, 12);

		for (unsigned int d = 0; d < doors; d++) {
			struct conf_door *door = door_add(&w->conf, "7000,8000", 25);

			sequence_read(&door->sequence, "");
			for (unsigned int ranges = dice_below(&dice, 6); ranges; ranges--) {
				unsigned int around = dice_below(&dice, 2) ? 1000 : 65536;
				unsigned int first = dice_below(&dice, around);
				unsigned int length = dice_below(&dice, 2) ? 0 :
						      dice_below(&dice, around / 4);

				first += !first;
				door_open_add(door, dice_below(&dice, 2), first,
					      first + length > 65535 ? 65535 : first + length);
			}
		}
		compile(w);
		check_ports(w);
		if (round == 24)
			assert_true(w->compiled.settings.area_words > 2);
		world_clear(w);
	}
}

/* ---- sources ---- */

static void prefix_add(struct conf_prefixes *prefixes, const struct conf_prefix *prefix)
{
	prefixes->at = realloc(prefixes->at, (prefixes->count + 1) * sizeof(*prefixes->at));
	assert_non_null(prefixes->at);
	prefixes->at[prefixes->count++] = *prefix;
}

static struct conf_prefix prefix_read(const char *text)
{
	struct conf_prefix prefix = { .line = 1 };
	char address[64];

	assert_int_equal(sscanf(text, "%63[^/]/%u", address, &prefix.length), 2);
	prefix.family = strchr(address, ':') ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton(prefix.family, address, prefix.address), 1);
	return prefix;
}

static bool prefix_holds(const struct conf_prefix *prefix, int family, const uint8_t *address)
{
	if (prefix->family != family)
		return false;
	for (unsigned int bit = 0; bit < prefix->length; bit++)
		if ((prefix->address[bit / 8] ^ address[bit / 8]) & 0x80 >> bit % 8)
			return false;
	return true;
}

static bool prefixes_hold(const struct conf_prefixes *prefixes, int family, const uint8_t *address)
{
	for (size_t i = 0; i < prefixes->count; i++)
		if (prefix_holds(&prefixes->at[i], family, address))
			return true;
	return false;
}

/* The kernel's trie: the longest prefix that matches, over family and address as they lie there. */
static __u32 set_of(const struct compiled *c, int family, const uint8_t *address)
{
	struct source_prefix key = { .family_be = htonl(family == AF_INET ? 4 : 6) };
	const uint8_t *source = (const uint8_t *)&key.family_be, *prefix;
	__u32 longest = 0, set = 0;

	memcpy(key.word_be, address, family == AF_INET ? 4 : 16);
	for (size_t i = 0; i < c->prefix_count; i++) {
		__u32 bit = 0;

		prefix = (const uint8_t *)&c->prefix[i].family_be;
		while (bit < c->prefix[i].length &&
		       !((source[bit / 8] ^ prefix[bit / 8]) & 0x80 >> bit % 8))
			bit++;
		if (bit == c->prefix[i].length && bit > longest) {
			longest = bit;
			set = c->prefix_set[i];
		}
	}
	return set;
}

/* May @address knock where the config says, and need not where the config says? */
static void check_source(const struct world *w, int family, const uint8_t *address)
{
	const struct compiled *c = &w->compiled;
	const struct conf *conf = &w->conf;
	__u32 set = set_of(c, family, address);
	char text[INET6_ADDRSTRLEN];

	inet_ntop(family, address, text, sizeof(text));
	assert_in_range(set, 0, c->settings.set_count - 1);
	for (size_t d = 0; d < conf->door_count; d++) {
		const struct conf_door *door = &conf->door[d];
		bool may = !door->knock_from.count ||
			   prefixes_hold(&door->knock_from, family, address);

		if (door_opens(c->knockers, set, c->settings.set_count, door_number(c, door),
			       c->settings.door_words) != may)
			fail_msg("%s may %sknock at door %zu", text, may ? "" : "not ", d);
	}
	for (enum conf_proto proto = CONF_TCP; proto <= CONF_UDP; proto++) {
		for (unsigned int number = 1; number < 40; number++) {
			bool trusted = false;

			for (size_t d = 0; d < conf->door_count; d++)
				trusted |= conf_opens(&conf->door[d], proto, number) &&
					   (prefixes_hold(&conf->trust, family, address) ||
					    prefixes_hold(&conf->door[d].trust, family, address));
			if (door_opens(c->trusts, set, c->settings.set_count,
				       c->port[port_index_of(proto, number)].area,
				       c->settings.area_words) != trusted)
				fail_msg("%s is %strusted for %s %u", text, trusted ? "" : "not ",
					 conf_proto_names[proto], number);
		}
	}
}

static void check_address(const struct world *w, const char *text)
{
	uint8_t address[16];
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	assert_int_equal(inet_pton(family, text, address), 1);
	check_source(w, family, address);
}

static void a_narrow_prefix_keeps_what_the_wide_ones_grant(void **state)
{
	struct world *w = *state;
	struct conf_door *door;
	struct conf_prefix prefix;

	prefix = prefix_read("10.0.0.0/8");
	prefix_add(&w->conf.trust, &prefix);
	door = door_add(&w->conf, "7000", 25);
	door_open_add(door, CONF_TCP, 22, 22);
	prefix = prefix_read("10.1.0.0/16");
	prefix_add(&door->trust, &prefix);
	prefix = prefix_read("10.1.2.0/24");
	prefix_add(&door->knock_from, &prefix);
	door = door_add(&w->conf, "8000", 25);
	door_open_add(door, CONF_TCP, 23, 24);
	prefix = prefix_read("10.1.2.3/32");
	prefix_add(&door->knock_from, &prefix);
	prefix = prefix_read("10.1.2.3/32");
	prefix_add(&door->knock_from, &prefix);
	prefix = prefix_read("192.0.2.0/25");
	prefix_add(&door->trust, &prefix);
	compile(w);
	assert_int_equal(w->compiled.settings.sources, 1);
	assert_int_equal(w->compiled.prefix_count, 5);
	check_address(w, "10.1.2.3");
	check_address(w, "10.1.2.4");
	check_address(w, "10.1.3.4");
	check_address(w, "10.2.3.4");
	check_address(w, "11.0.0.1");
	check_address(w, "192.0.2.127");
	check_address(w, "192.0.2.128");
	check_address(w, "::ffff:10.1.2.3");
	check_address(w, "a01:203::");
}

static void a_prefix_of_no_bits_is_one_family_whole(void **state)
{
	struct world *w = *state;
	struct conf_door *door = door_add(&w->conf, "7000", 25);
	struct conf_prefix prefix = prefix_read("0.0.0.0/0");

	door_open_add(door, CONF_UDP, 22, 22);
	prefix_add(&door->trust, &prefix);
	prefix = prefix_read("::/0");
	prefix_add(&door->knock_from, &prefix);
	compile(w);
	check_address(w, "0.0.0.0");
	check_address(w, "255.255.255.255");
	check_address(w, "::");
	check_address(w, "ffff::1");
}

static void without_prefixes_everyone_may_knock_and_nobody_is_trusted(void **state)
{
	struct world *w = *state;

	for (int d = 0; d < 70; d++)
		door_open_add(door_add(&w->conf, "7000,8000,9000", 25), CONF_TCP, 10, 20);
	for (int d = 0; d < 70; d++)
		sequence_read(&w->conf.door[d].sequence, "");
	compile(w);
	assert_int_equal(w->compiled.settings.sources, 0);
	assert_int_equal(w->compiled.settings.set_count, 1);
	check_address(w, "192.0.2.1");
	check_address(w, "2001:db8::1");
}

/* Prefixes of few different bits nest and repeat. */
static struct conf_prefix random_prefix(struct dice *dice)
{
	struct conf_prefix prefix = { .family = dice_below(dice, 2) ? AF_INET : AF_INET6 };
	unsigned int bits = prefix.family == AF_INET ? 32 : 128;

	prefix.length = dice_below(dice, bits + 1);
	for (unsigned int i = 0; i < bits / 8; i++)
		prefix.address[i] = dice_below(dice, 8) ? 0 : 0x81 << dice_below(dice, 2);
	for (unsigned int bit = prefix.length; bit < bits; bit++)
		prefix.address[bit / 8] &= ~(0x80 >> bit % 8);
	return prefix;
}

static void prefixes_add_random(struct dice *dice, struct conf_prefixes *prefixes)
{
	for (unsigned int count = dice_below(dice, 5); count; count--) {
		struct conf_prefix prefix = random_prefix(dice);

		prefix_add(prefixes, &prefix);
	}
}

/* An address in some prefix, or one bit beside it. */
static void check_random_source(struct dice *dice, const struct world *w,
				const struct conf_prefixes *prefixes)
{
	const struct conf_prefix *prefix;
	uint8_t address[16];
	unsigned int bits;

	if (!prefixes->count)
		return;
	prefix = &prefixes->at[dice_below(dice, prefixes->count)];
	memcpy(address, prefix->address, sizeof(address));
	bits = prefix->family == AF_INET ? 32 : 128;
	if (dice_below(dice, 2)) {
		unsigned int bit = dice_below(dice, bits);

		address[bit / 8] ^= 0x80 >> bit % 8;
	}
	if (dice_below(dice, 2) && prefix->length < bits)
		address[bits / 8 - 1] ^= 1;
	check_source(w, prefix->family, address);
}

static void the_longest_prefix_says_all_that_the_shorter_ones_say(void **state)
{
	struct world *w = *state;
	struct dice dice = { dice_seed() + 1 };

	for (unsigned int round = 0; round < rounds_of(300); round++) {
		unsigned int doors = 1 + dice_below(&dice, round % 10 ? 6 : 80);

		for (unsigned int d = 0; d < doors; d++) {
			struct conf_door *door = door_add(&w->conf, "", 25);

			for (int ranges = dice_below(&dice, 4); ranges; ranges--) {
				unsigned int first = 1 + dice_below(&dice, 30);

				door_open_add(door, dice_below(&dice, 2), first,
					      first + dice_below(&dice, 10));
			}
			prefixes_add_random(&dice, &door->trust);
			prefixes_add_random(&dice, &door->knock_from);
		}
		prefixes_add_random(&dice, &w->conf.trust);
		compile(w);
		for (int i = 0; i < 20; i++) {
			const struct conf_door *door =
				&w->conf.door[dice_below(&dice, w->conf.door_count)];

			check_random_source(&dice, w, &door->trust);
			check_random_source(&dice, w, &door->knock_from);
			check_random_source(&dice, w, &w->conf.trust);
		}
		world_clear(w);
	}
}

/* ---- streams and symbols ---- */

static void doors_with_other_flags_are_another_stream(void **state)
{
	struct world *w = *state;
	const struct settings *s = &w->compiled.settings;
	struct automaton a;
	__u16 symbol;

	door_add(&w->conf, "7000,8000", 25);
	door_add(&w->conf, "7000,9000", 25)->flags =
		(struct conf_flags){ .mask = CONF_TCP_FIN, .value = CONF_TCP_FIN };
	door_add(&w->conf, "9000,7000", 25);
	compile(w);
	assert_int_equal(s->stream_count, 2);
	assert_int_equal(s->stream[0].mask, w->conf.door[0].flags.mask);
	assert_int_equal(s->stream[0].value, CONF_TCP_SYN);
	assert_int_equal(s->stream[1].mask, CONF_TCP_FIN);
	assert_int_equal(s->stream[1].value, CONF_TCP_FIN);
	a = automaton_from(&w->compiled);
	symbol = w->compiled.port[8000].symbol;
	for (int i = 0; i < 2; i++) {
		__u32 begun = edge_next(&a, i, w->compiled.port[7000].symbol);

		assert_int_not_equal(begun, 0);
		assert_int_equal(w->compiled.state[begun].fail, i);
		assert_int_equal(!!edge_next(&a, begun, symbol), i == 0);
	}
	assert_int_equal(edge_next(&a, 1, w->compiled.port[9000].symbol), 0);
}

static void eight_kinds_of_flags_are_enough_for_anyone(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < KNOCKD_STREAMS_MAX; i++)
		door_add(&w->conf, "7000", 25)->flags.mask = 1 + i;
	door_add(&w->conf, "7000", 25)->flags.mask = 1;
	compile(w);
	assert_int_equal(w->compiled.settings.stream_count, KNOCKD_STREAMS_MAX);
	compiled_free(&w->compiled);
	door_add(&w->conf, "7000", 25)->flags.mask = 1 + KNOCKD_STREAMS_MAX;
	expect_error(w, 10, "door 'J'");
}

static void a_knock_port_has_one_symbol_and_others_have_none(void **state)
{
	struct world *w = *state;
	unsigned int symbols = 0;

	door_add(&w->conf, "7000,7000:udp,0:icmp,255:icmp,7000", 25);
	sequence_read(&door_add(&w->conf, "65535:udp,1", 25)->close_sequence, "7000,2");
	compile(w);
	for (size_t i = 0; i < PORT_COUNT; i++) {
		__u16 symbol = w->compiled.port[i].symbol;
		bool wanted = i == 7000 || i == 65536 + 7000 || i == PORT_ICMP_FIRST ||
			      i == PORT_ICMP_FIRST + 255 || i == 65536 + 65535 || i == 1 || i == 2;

		assert_int_equal(!!symbol, wanted);
		if (symbol) {
			assert_in_range(symbol, 1, 7);
			assert_false(symbols >> symbol & 1);
			symbols |= 1U << symbol;
		}
	}
	assert_int_equal(w->compiled.settings.icmp, 1);
}

static void a_config_without_icmp_knocks_says_so(void **state)
{
	struct world *w = *state;

	door_add(&w->conf, "7000,8000:udp", 25);
	compile(w);
	assert_int_equal(w->compiled.settings.icmp, 0);
}

static void more_different_knocks_than_symbols_are_an_error(void **state)
{
	struct world *w = *state;
	unsigned int number = 0;

	/* All TCP ports, then as many UDP ports as it takes. */
	while (number < 65536) {
		struct conf_sequence *s = &door_add(&w->conf, "", 25)->sequence;

		s->line = 1000 + w->conf.door_count;
		for (; s->len < KNOCKD_SEQUENCE_MAX && number < 65536; number++)
			s->knock[s->len++] = (struct conf_knock){
				.proto = number < 65535 ? CONF_TCP : CONF_UDP,
				.number = number < 65535 ? 1 + number : 7000,
			};
	}
	expect_error(w, 1000 + w->conf.door_count, "65535 different knocks");
	w->conf.door[w->conf.door_count - 1].sequence.len--;
	messages_free(&w->messages);
	messages_init(&w->messages, "test");
	compile(w);
}

/* ---- matches ---- */

static void more_than_eight_doors_at_one_knock_are_an_error(void **state)
{
	struct world *w = *state;

	for (int d = 0; d < KNOCKD_MATCHES_MAX; d++)
		door_add(&w->conf, d % 2 ? "8000,9000" : "7000,8000,9000", 25);
	compile(w);
	compiled_free(&w->compiled);
	door_add(&w->conf, "9000", 25);
	expect_error(w, 9, "more than 8 sequences at once");
}

static void the_eight_count_for_each_stream_alone(void **state)
{
	struct world *w = *state;

	for (int d = 0; d < 2 * KNOCKD_MATCHES_MAX; d++)
		door_add(&w->conf, "7000,9000", 25)->flags.mask += d % 2;
	compile(w);
	assert_int_equal(w->compiled.settings.match_count, 2 * KNOCKD_MATCHES_MAX);
}

/* ---- doors and what is left ---- */

static void a_config_without_doors_compiles(void **state)
{
	struct world *w = *state;
	const struct compiled *c = &w->compiled;
	struct automaton a;

	compile(w);
	assert_int_equal(c->settings.door_count, 0);
	assert_int_equal(c->settings.guard_count, 0);
	assert_int_equal(c->settings.match_count, 0);
	assert_int_equal(c->settings.stream_count, 1);
	assert_non_null(c->match);
	assert_non_null(c->door);
	a = automaton_from(c);
	for (__u32 symbol = 0; symbol < 1000; symbol++)
		assert_int_equal(edge_next(&a, 0, symbol), 0);
	check_ports(w);
	check_address(w, "192.0.2.1");
}

static void a_door_without_a_sequence_never_opens(void **state)
{
	struct world *w = *state;

	door_open_add(door_add(&w->conf, "", 25), CONF_TCP, 22, 22);
	compile(w);
	check_ports(w);
	assert_int_equal(w->compiled.settings.match_count, 0);
}

static void every_door_is_certain_of_its_quota(void **state)
{
	static const struct {
		uint32_t grants, doors;
	} table[] = {
		{ 16384, 1 }, { 16384, 3 }, { 64, 64 }, { 64, 65 }, { 64, 4096 },
		{ 1 << 24, 1 }, { 1 << 24, 4096 }, { 100000, 7 },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		uint64_t quotas = 0, cells;

		w->conf.max_grants = table[i].grants;
		for (uint32_t d = 0; d < table[i].doors; d++)
			door_add(&w->conf, "", 25);
		compile(w);
		for (uint32_t d = 0; d < table[i].doors; d++) {
			assert_in_range(w->compiled.door[d].quota, 1, table[i].grants);
			assert_int_equal(w->compiled.door[d].quota, w->compiled.door[0].quota);
			quotas += w->compiled.door[d].quota;
		}
		/* No more in all than asked for, unless each has but one. */
		assert_true(quotas <= table[i].grants || w->compiled.door[0].quota == 1);
		assert_true(quotas + table[i].doors > table[i].grants);
		cells = (uint64_t)w->compiled.bucket_count * GRANT_CELLS;
		/* Four cells for each, but for what does not fill a bucket. */
		assert_true(cells + GRANT_CELLS > 4 * quotas);
		assert_true(cells < 8 * quotas + GRANT_CELLS);
		assert_int_equal(w->compiled.bucket_count & (w->compiled.bucket_count - 1), 0);
		assert_int_equal(w->compiled.settings.bucket_mask, w->compiled.bucket_count - 1);
		world_clear(w);
	}
}

static void seconds_become_jiffies_and_long_ones_stay_comparable(void **state)
{
	struct world *w = *state;
	struct conf_door *door;

	w->conf.udp_idle_s = 180;
	door = door_add(&w->conf, "7000,8000", 25);
	door->open_time_s = 30;
	door_open_add(door, CONF_TCP, 22, 22);
	door = door_add(&w->conf, "7000,9000", UINT32_MAX);
	door->open_time_s = CONF_OPEN_TIME_MAX_S;
	door_open_add(door, CONF_TCP, 22, 22);
	door = door_add(&w->conf, "7001,8000", CONF_SEQ_TIMEOUT_MAX_S);
	door->open_time_s = 0;
	door_open_add(door, CONF_TCP, 22, 22);
	/* More than half of what 32 bits hold would make a difference look negative. */
	door_add(&w->conf, "7002,8000", 3000000);
	assert_int_equal(compile_conf(&w->conf, 1000, NULL, &w->compiled, &w->messages), 0);
	assert_int_equal(w->compiled.settings.second, 1000);
	assert_int_equal(w->compiled.settings.udp_idle, 180000);
	assert_int_equal(w->compiled.door[0].open_time, 30000);
	assert_true(w->compiled.door[1].open_time == 1000ULL * CONF_OPEN_TIME_MAX_S);
	assert_int_equal(w->compiled.door[2].open_time, 0);
	for (__u32 i = 0; i < w->compiled.settings.match_count; i++) {
		static const __u32 timeouts[] = { 25000, 0x7fffffff, 604800000, 0x7fffffff };
		const struct match *m = &w->compiled.match[i];

		assert_int_equal(m->timeout, timeouts[m->door]);
		assert_int_equal(m->depth, 2);
		assert_int_equal(m->action, MATCH_OPEN);
	}
	assert_int_equal(w->compiled.settings.match_count, 4);
	assert_true(w->compiled.state[0].timeout == 0x7fffffff);
}

static void the_mask_of_grants_has_as_many_bits_as_configured(void **state)
{
	struct world *w = *state;

	for (uint32_t bits = 1; bits <= 128; bits++) {
		uint8_t expected[16] = {};

		for (uint32_t bit = 0; bit < bits; bit++)
			expected[bit / 8] |= 0x80 >> bit % 8;
		w->conf.grant_prefix6 = bits;
		compile(w);
		assert_memory_equal(w->compiled.settings.grant_mask6_be, expected, 16);
		compiled_free(&w->compiled);
	}
}

static void options_reach_the_tables(void **state)
{
	static const enum closed_action action[] = {
		[CONF_CLOSED_DROP] = CLOSED_DROP,
		[CONF_CLOSED_RESET] = CLOSED_RESET,
		[CONF_CLOSED_ABORT] = CLOSED_ABORT,
	};
	struct world *w = *state;

	w->conf.max_sources = 12345;
	w->conf.max_flows = 54321;
	for (enum conf_closed closed = CONF_CLOSED_DROP; closed <= CONF_CLOSED_ABORT; closed++) {
		w->conf.closed = closed;
		compile(w);
		assert_int_equal(w->compiled.settings.closed, action[closed]);
		assert_int_equal(w->compiled.max_sources, 12345);
		assert_int_equal(w->compiled.max_flows, 54321);
		compiled_free(&w->compiled);
	}
}

static void freeing_nothing_is_fine(void **state)
{
	struct compiled c = {};

	(void)state;
	compiled_free(&c);
	compiled_free(&c);
}

/* ---- one config after another ---- */

static void compile_after(struct world *w, const struct compiled *before, uint64_t now)
{
	struct heritage heritage = heritage_from(before, now);

	assert_int_equal(compile_conf(&w->conf, HZ, &heritage, &w->compiled, &w->messages), 0);
	assert_int_equal(w->messages.errors + w->messages.warnings, 0);
}

/* A door of a world that others are to be compared with. */
static struct conf_door *door_named(struct conf *conf, const char *name, const char *sequence,
				    uint16_t port)
{
	struct conf_door *door = conf_door_add(conf, name, conf->door_count + 1);

	assert_non_null(door);
	sequence_read(&door->sequence, sequence);
	door->seq_timeout_s = 10;
	door_open_add(door, CONF_TCP, port, port);
	return door;
}

/* All that has numbers, but for the time up to which what is gone is remembered. */
static void expect_same_numbers(const struct compiled *a, const struct compiled *b)
{
	assert_int_equal(a->settings.state_count, b->settings.state_count);
	assert_int_equal(a->settings.door_count, b->settings.door_count);
	assert_memory_equal(&a->settings, &b->settings, sizeof(a->settings));
	assert_memory_equal(a->state, b->state, a->settings.state_count * sizeof(*a->state));
	assert_memory_equal(a->stage, b->stage, a->settings.state_count * sizeof(*a->stage));
	assert_memory_equal(a->name, b->name, a->settings.door_count * sizeof(*a->name));
	assert_memory_equal(a->match, b->match, a->settings.match_count * sizeof(*a->match));
	assert_memory_equal(a->port, b->port, PORT_COUNT * sizeof(*a->port));
	assert_memory_equal(a->guard, b->guard, a->settings.guard_count * sizeof(*a->guard));
	assert_memory_equal(a->edge, b->edge, (a->settings.edge_mask + 1) * sizeof(*a->edge));
	for (__u32 i = 0; i < a->settings.state_count; i++) {
		assert_int_equal(a->path[i].parent, b->path[i].parent);
		assert_int_equal(a->path[i].port, b->path[i].port);
		assert_int_equal(a->path[i].used, b->path[i].used);
		assert_int_equal(!a->path[i].until, !b->path[i].until);
	}
}

static void a_config_after_itself_is_the_same(void **state)
{
	struct world *w = *state;
	struct dice dice = { dice_seed() + 3 };
	struct compiled before;

	for (int d = 0; d < 40; d++) {
		struct conf_door *door = door_add(&w->conf, "", 1 + dice_below(&dice, 30));

		for (unsigned int i = 0; i < 1 + dice_below(&dice, 8); i++)
			door->sequence.knock[door->sequence.len++] = (struct conf_knock){
				.number = 1 + dice_below(&dice, 9),
			};
		door->sequence.knock[0].number += 100 * (d % 20);
		door->flags.mask += dice_below(&dice, 3);
		door_open_add(door, dice_below(&dice, 2), 1000 - d, 1000 + d);
	}
	compile(w);
	for (uint64_t now = 1; now < 1000000000; now *= 10) {
		before = w->compiled;
		compile_after(w, &before, now);
		expect_same_numbers(&before, &w->compiled);
		assert_memory_equal(before.path, w->compiled.path,
				    before.settings.state_count * sizeof(*before.path));
		compiled_free(&before);
	}
}

static void conf_a(struct conf *conf)
{
	struct conf_door *door;

	conf_init(conf, "a");
	door_named(conf, "ssh", "7000,8000,9000", 22);
	door_named(conf, "web", "7000,8000:udp", 80)->flags.mask = CONF_TCP_FIN;
	door = door_named(conf, "ssh", "1000,2000", 443);
	sequence_read(&door->close_sequence, "2000,1000");
}

static void conf_b(struct conf *conf)
{
	conf_init(conf, "b");
	door_named(conf, "mail", "5000,7000,8000,1", 25);
	door_named(conf, "ssh", "8000,9000,4:icmp", 80);
	door_named(conf, "file", "1000", 21)->flags.mask = CONF_TCP_RST;
	door_open_add(&conf->door[0], CONF_UDP, 60000, 60100);
}

/* @step: jiffies from one reload to the next. */
static void take_turns(struct world *w, int turns, uint64_t step)
{
	struct compiled last[2] = {};

	for (int turn = 0; turn < turns; turn++) {
		struct compiled *same = &last[turn % 2], *other = &last[!(turn % 2)];

		(turn % 2 ? conf_b : conf_a)(&w->conf);
		if (turn)
			compile_after(w, other, 1000 + turn * step);
		else
			compile(w);
		/* The first turns have nothing to remember. */
		if (turn >= 4)
			expect_same_numbers(same, &w->compiled);
		if (turn < 6)
			check_ports(w);
		compiled_free(same);
		*same = w->compiled;
		memset(&w->compiled, 0, sizeof(w->compiled));
		conf_free(&w->conf);
	}
	compiled_free(&last[0]);
	compiled_free(&last[1]);
}

static void two_configs_in_turn_keep_their_numbers(void **state)
{
	take_turns(*state, rounds_of(1000), 1);
	take_turns(*state, rounds_of(100), 10 * HZ);
	take_turns(*state, rounds_of(100), 86400 * HZ);
}

static void many_configs_in_turn_need_no_more_than_all_of_them_at_once(void **state)
{
	struct world *w = *state;
	struct compiled before = {};
	__u32 most = 0;

	for (unsigned int turn = 0; turn < rounds_of(1000); turn++) {
		for (int d = 0; d < 4; d++) {
			struct conf_door *door = door_add(&w->conf, "1,2,3,4,5", 25);

			door->sequence.knock[0].number = 1000 + turn * 4 + d;
			snprintf(door->name, sizeof(door->name), "%d", turn * 4 + d);
		}
		if (turn)
			compile_after(w, &before, 1000 + turn * 20 * HZ);
		else
			compile(w);
		compiled_free(&before);
		before = w->compiled;
		memset(&w->compiled, 0, sizeof(w->compiled));
		conf_free(&w->conf);
		most = before.settings.state_count > most ? before.settings.state_count : most;
		assert_in_range(before.settings.door_count, 4, 8);
	}
	/* What is new, what it replaced, and what may be remembered for 25 and 60 seconds. */
	assert_in_range(most, KNOCKD_STREAMS_MAX + 20, KNOCKD_STREAMS_MAX + 20 * 12);
	compiled_free(&before);
}

/* ---- numbers of doors and protected ports ---- */

static void a_number_that_is_free_is_zero_everywhere(void **state)
{
	static const struct door none;
	static const struct door_name nobody;
	struct world *w = *state;
	const struct compiled *c = &w->compiled;
	struct compiled before;
	struct conf_prefix prefix = prefix_read("192.0.2.0/24");

	door_named(&w->conf, "x", "7000", 22);
	compile(w);
	before = w->compiled;
	conf_free(&w->conf);
	prefix_add(&door_named(&w->conf, "y", "8000", 22)->trust, &prefix);
	w->conf.max_grants = 100;
	compile_after(w, &before, 1000);
	compiled_free(&before);
	assert_int_equal(c->settings.door_count, 2);
	assert_int_equal(door_number(c, &w->conf.door[0]), 1);
	assert_memory_equal(&c->name[0], &nobody, sizeof(nobody));
	assert_memory_equal(&c->door[0], &none, sizeof(none));
	for (size_t i = 0; i < c->settings.area_words; i++)
		assert_true(!c->opens[i]);
	for (size_t i = 0; i < c->settings.set_count; i++)
		assert_false(c->knockers[i * c->settings.door_words] & 1);
	assert_int_equal(c->match[0].door, 1);
	assert_int_equal(c->door[1].quota, 100);
	check_ports(w);
	check_address(w, "192.0.2.1");
	check_address(w, "192.0.3.1");

	before = w->compiled;
	door_named(&w->conf, "z", "8000", 23);
	door_named(&w->conf, "y", "8000", 24);
	compile_after(w, &before, 1000);
	compiled_free(&before);
	assert_int_equal(door_number(c, &w->conf.door[0]), 1);
	assert_int_equal(door_number(c, &w->conf.door[1]), 0);
	assert_int_equal(door_number(c, &w->conf.door[2]), 2);
	check_ports(w);
}

static void doors_and_ports_of_two_configs_are_never_mistaken(void **state)
{
	struct world *w = *state;
	struct dice dice = { dice_seed() + 4 };
	struct compiled before = {};

	for (unsigned int turn = 0; turn < rounds_of(200); turn++) {
		for (unsigned int d = dice_below(&dice, 12); d; d--) {
			char name[] = { 'a' + dice_below(&dice, 8), 0 };
			struct conf_door *door = conf_door_add(&w->conf, name, 1);
			unsigned int first = 1 + dice_below(&dice, 50);

			door_open_add(door, dice_below(&dice, 2), first,
				      first + dice_below(&dice, 5));
			door->seq_timeout_s = 1;
		}
		if (turn)
			compile_after(w, &before, 1000 + turn);
		else
			compile(w);
		check_ports(w);
		for (__u32 i = 0; i < before.settings.door_count; i++)
			if (before.name[i].used && i < w->compiled.settings.door_count &&
			    w->compiled.name[i].used)
				assert_memory_equal(&before.name[i], &w->compiled.name[i],
						    sizeof(*before.name));
		for (size_t d = 0; d < w->conf.door_count; d++) {
			int was = turn ? door_number(&before, &w->conf.door[d]) : -1;

			if (was >= 0)
				assert_int_equal(door_number(&w->compiled, &w->conf.door[d]), was);
		}
		for (size_t i = 0; turn && i < PORT_ICMP_FIRST; i++) {
			__u32 was = before.port[i].guard, is = w->compiled.port[i].guard;
			const struct guard *guard = is && is <= before.settings.guard_count ?
						    &before.guard[is - 1] : NULL;

			if (was && is)
				assert_int_equal(was, is);
			if (is && !was && guard)
				assert_int_equal(guard->number, 0);
		}
		assert_in_range(w->compiled.settings.door_count, 0, 24);
		assert_in_range(w->compiled.settings.guard_count, 0, 2 * 110);
		compiled_free(&before);
		before = w->compiled;
		memset(&w->compiled, 0, sizeof(w->compiled));
		conf_free(&w->conf);
	}
	compiled_free(&before);
}

static void all_doors_may_be_replaced_at_once(void **state)
{
	struct world *w = *state;
	struct compiled before = {};

	for (int turn = 0; turn < 4; turn++) {
		for (int d = 0; d < KNOCKD_DOORS_MAX; d++) {
			struct conf_door *door = conf_door_add(&w->conf, "", 1);

			/* Ordinals are not counted among so many: that takes its time. */
			snprintf(door->name, sizeof(door->name), "%d of %d", d, turn);
			door->ordinal = 0;
		}
		if (turn)
			compile_after(w, &before, 1000);
		else
			compile(w);
		for (int d = 0; d < KNOCKD_DOORS_MAX; d++)
			assert_true(w->compiled.name[d + turn % 2 * KNOCKD_DOORS_MAX].used);
		assert_int_equal(w->compiled.settings.door_count,
				 (1 + turn % 2) * KNOCKD_DOORS_MAX);
		compiled_free(&before);
		before = w->compiled;
		memset(&w->compiled, 0, sizeof(w->compiled));
		conf_free(&w->conf);
	}
	compiled_free(&before);
}

/* ---- numbers of streams ---- */

/* A config with one door for each of @masks, up to the first 0. */
static void streams_conf(struct world *w, const uint8_t *masks)
{
	conf_free(&w->conf);
	for (; *masks; masks++)
		door_add(&w->conf, "7000,8000", 10)->flags =
			(struct conf_flags){ .mask = *masks, .value = 0 };
}

/* @mask 0: nothing is a knock there. */
static void expect_stream(const struct world *w, unsigned int stream, uint8_t mask)
{
	const struct settings *s = &w->compiled.settings;

	assert_true(stream < s->stream_count);
	assert_int_equal(s->stream[stream].used, !!mask);
	if (mask)
		assert_int_equal(s->stream[stream].mask, mask);
}

static void a_stream_keeps_its_index_while_its_flags_are_there(void **state)
{
	struct world *w = *state;
	struct compiled before;

	streams_conf(w, (uint8_t[]){ 1, 2, 3, 0 });
	compile(w);
	before = w->compiled;
	streams_conf(w, (uint8_t[]){ 4, 3, 1, 0 });
	compile_after(w, &before, 1000);
	compiled_free(&before);
	assert_int_equal(w->compiled.settings.stream_count, 4);
	expect_stream(w, 0, 1);
	expect_stream(w, 1, 0);
	expect_stream(w, 2, 3);
	expect_stream(w, 3, 4);
	/* What left is remembered by its flags, and new ones do not take its place. */
	before = w->compiled;
	streams_conf(w, (uint8_t[]){ 5, 0 });
	compile_after(w, &before, 1000);
	compiled_free(&before);
	expect_stream(w, 4, 5);
	before = w->compiled;
	streams_conf(w, (uint8_t[]){ 2, 0 });
	compile_after(w, &before, 1001);
	compiled_free(&before);
	expect_stream(w, 1, 2);
	assert_int_equal(w->compiled.settings.stream_count, 2);
	/* After some time it is forgotten. */
	before = w->compiled;
	streams_conf(w, (uint8_t[]){ 2, 6, 0 });
	compile_after(w, &before, 1000 + 100 * HZ);
	compiled_free(&before);
	expect_stream(w, 1, 2);
	expect_stream(w, 5, 6);
	before = w->compiled;
	streams_conf(w, (uint8_t[]){ 2, 7, 0 });
	compile_after(w, &before, 1000 + 100 * HZ);
	compiled_free(&before);
	expect_stream(w, 0, 7);
}

static void where_all_streams_are_others_nothing_is_remembered(void **state)
{
	struct world *w = *state;
	const struct compiled *c = &w->compiled;
	struct compiled before;

	streams_conf(w, (uint8_t[]){ 1, 2, 3, 4, 5, 6, 7, 8, 0 });
	compile(w);
	before = w->compiled;
	streams_conf(w, (uint8_t[]){ 8, 9, 10, 11, 12, 13, 14, 15, 0 });
	compile_after(w, &before, 1000);
	expect_stream(w, 7, 8);
	for (__u32 i = KNOCKD_STREAMS_MAX; i < before.settings.state_count; i++) {
		bool stays = before.path[i].parent == 7 ||
			     before.path[before.path[i].parent].parent == 7;

		assert_int_equal(c->state[i].depth, stays ? before.state[i].depth : 0);
		assert_int_equal(c->state[i].removed, 0);
		assert_int_equal(c->path[i].used, stays);
	}
	/* But no number means another run before the time of the old one is over. */
	assert_int_equal(c->settings.state_count, before.settings.state_count + 2 * 7);
	compiled_free(&before);
}

static void a_config_without_a_sequence_still_has_a_stream(void **state)
{
	struct world *w = *state;
	struct compiled before;

	streams_conf(w, (uint8_t[]){ 1, 2, 0 });
	compile(w);
	for (int turn = 0; turn < 3; turn++) {
		before = w->compiled;
		conf_free(&w->conf);
		compile_after(w, &before, 1000);
		compiled_free(&before);
		assert_int_equal(w->compiled.settings.stream_count, 3);
		expect_stream(w, 0, 0);
		expect_stream(w, 1, 0);
		expect_stream(w, 2, CONF_TCP_SYN | CONF_TCP_ACK);
		for (int i = 8; i < 12; i++)
			assert_int_equal(w->compiled.state[i].removed, 1);
	}
}

/* ---- a heritage from hell ---- */

/* A path table so full of what may still be remembered that one more state has no number. */
static void a_full_table_forgets_what_is_gone(void **state)
{
	struct world *w = *state;
	struct settings settings = { .state_count = STATE_MAX };
	struct path *path = calloc(STATE_MAX, sizeof(*path));
	struct port *port = calloc(PORT_COUNT, sizeof(*port));
	struct heritage heritage = {
		.settings = &settings, .port = port, .path = path, .now = 1000000,
	};
	struct conf_flags flags = { .mask = CONF_TCP_SYN | CONF_TCP_ACK, .value = CONF_TCP_SYN };

	assert_true(path && port);
	for (__u32 i = 0; i < STATE_MAX; i++)
		path[i] = (struct path){
			.until = heritage.now + 10, .timeout = 10, .used = 1,
			.parent = i < KNOCKD_STREAMS_MAX ? i : i % KNOCKD_STREAMS_MAX,
			.port = i < KNOCKD_STREAMS_MAX ? 0 : i / KNOCKD_STREAMS_MAX,
		};
	for (__u32 i = 0; i < KNOCKD_STREAMS_MAX; i++)
		settings.stream[i].mask = 100 + i;
	/* One of them is in force, one comes back. */
	path[0].until = path[8].until = 0;
	settings.stream[0] = (struct stream){ .mask = flags.mask, .value = flags.value, .used = 1 };
	door_add(&w->conf, "1,7000", 10)->flags = flags;
	door_add(&w->conf, "2", 10)->flags = flags;
	assert_int_equal(compile_conf(&w->conf, HZ, &heritage, &w->compiled, &w->messages), 0);
	assert_int_equal(w->compiled.path[8].used, 1);
	assert_int_equal(w->compiled.path[16].used, 1);
	/* 1,7000 took the lowest number that the new config does not need. */
	assert_int_equal(w->compiled.path[9].parent, 8);
	assert_int_equal(w->compiled.path[9].port, 7000);
	assert_true(w->compiled.settings.state_count <= STATE_MAX);
	for (__u32 i = KNOCKD_STREAMS_MAX; i < w->compiled.settings.state_count; i++)
		assert_int_equal(!!w->compiled.state[i].depth, i == 8 || i == 9 || i == 16);
	free(path);
	free(port);
}

/* The next config must be made of it, or it must be refused; and what is made must be sound. */
static bool heritage_survived(const struct world *w, const struct heritage *heritage)
{
	struct compiled first = {}, second = {};
	struct messages messages;
	struct heritage next;
	struct automaton a;
	int error;

	messages_init(&messages, "garbage");
	error = compile_conf(&w->conf, HZ, heritage, &first, &messages);
	assert_int_equal(messages.errors, 0);
	if (error) {
		assert_int_equal(error, -EINVAL);
		return false;
	}
	a = automaton_from(&first);
	for (__u32 i = 0; i < first.settings.state_count; i++) {
		__u32 at = i, steps = 0;

		for (; first.state[at].depth; at = first.state[at].fail, steps++) {
			assert_true(first.state[at].fail < first.settings.state_count);
			assert_true(steps <= KNOCKD_SEQUENCE_MAX);
		}
		assert_true(at < KNOCKD_STREAMS_MAX || at == i);
		assert_int_not_equal(edge_next(&a, i, 0xffff), i + 1);
	}
	next = heritage_from(&first, heritage->now);
	assert_int_equal(compile_conf(&w->conf, HZ, &next, &second, &messages), 0);
	compiled_free(&first);
	compiled_free(&second);
	messages_free(&messages);
	return true;
}

/* Tables of just the size that their settings say: what reads beyond is seen by a sanitizer. */
struct garbage {
	struct settings settings;
	struct heritage heritage;
	struct port *port;
	struct door_name *name;
	struct path *path;
};

static void *copy_of(const void *from, size_t size)
{
	void *to = malloc(size ? size : 1);

	assert_non_null(to);
	return memcpy(to, from, size);
}

static void garbage_make(struct garbage *g, const struct compiled *c, uint64_t now)
{
	g->settings = c->settings;
	g->port = copy_of(c->port, PORT_COUNT * sizeof(*g->port));
	g->name = copy_of(c->name, c->settings.door_count * sizeof(*g->name));
	g->path = copy_of(c->path, c->settings.state_count * sizeof(*g->path));
	g->heritage = (struct heritage){
		.settings = &g->settings, .port = g->port, .name = g->name, .path = g->path,
		.now = now,
	};
}

static void garbage_free(struct garbage *g)
{
	free(g->port);
	free(g->name);
	free(g->path);
}

/* Change something: a bit, a byte or a word that means something else. */
static void garbage_change(struct dice *dice, struct garbage *g)
{
	struct path *path = &g->path[dice_below(dice, g->settings.state_count)];
	struct door_name *name = &g->name[dice_below(dice, g->settings.door_count)];
	__u32 word = dice_below(dice, 2) ? dice_below(dice, g->settings.state_count + 2) :
					   dice_word(dice) >> dice_below(dice, 64);

	switch (dice_below(dice, 10)) {
	case 0: path->parent = word; break;
	case 1: path->port = word; break;
	case 2: path->until = dice_word(dice) >> dice_below(dice, 64); break;
	case 3: path->timeout = word; break;
	case 4: path->used = dice_below(dice, 3); break;
	case 5: *path = g->path[dice_below(dice, g->settings.state_count)]; break;
	case 6: memset(name->name, word | 1, sizeof(name->name)); break;
	case 7: *name = g->name[dice_below(dice, g->settings.door_count)]; break;
	case 8: g->port[dice_below(dice, PORT_COUNT)].guard = word; break;
	case 9: ((uint8_t *)path)[dice_below(dice, sizeof(*path))] ^= 1 << dice_below(dice, 8);
	}
}

static void garbage_is_refused_or_harmless(void **state)
{
	struct world *w = *state;
	struct dice dice = { dice_seed() + 5 };
	struct compiled first, second;
	unsigned int refused = 0, rounds = rounds_of(1000);

	conf_a(&w->conf);
	compile(w);
	first = w->compiled;
	conf_free(&w->conf);
	conf_b(&w->conf);
	compile_after(w, &first, 1000);
	second = w->compiled;
	for (unsigned int i = 0; i < rounds; i++) {
		struct garbage g;

		garbage_make(&g, &second, 1000 + dice_below(&dice, 100 * HZ));
		for (uint32_t changes = 1 + dice_below(&dice, 3); changes; changes--)
			garbage_change(&dice, &g);
		refused += !heritage_survived(w, &g.heritage);
		garbage_free(&g);
	}
	print_message("%u of %u refused\n", refused, rounds);
	assert_in_range(refused, rounds / 10, rounds - rounds / 10);
	memset(&w->compiled, 0, sizeof(w->compiled));
	compiled_free(&first);
	compiled_free(&second);
}

static void sizes_that_cannot_be_are_refused(void **state)
{
	static const struct settings wrong[] = {
		{ .state_count = STATE_MAX + 1 }, { .state_count = KNOCKD_STREAMS_MAX - 1 },
		{ .door_count = 2 * KNOCKD_DOORS_MAX + 1 }, { .guard_count = 4 * 65536 + 1 },
		{ .state_count = ~0U }, { .door_count = ~0U }, { .guard_count = ~0U },
	};
	struct world *w = *state;

	/* The tables are not even looked at. */
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct heritage heritage = { .settings = &wrong[i], .now = 1 };

		assert_int_equal(compile_conf(&w->conf, HZ, &heritage, &w->compiled, &w->messages),
				 -EINVAL);
		assert_null(w->compiled.state);
		assert_int_equal(w->messages.errors, 0);
	}
}

/* ---- size ---- */

/* Doors of different random knocks that open a port each. */
static void many_doors(struct world *w, unsigned int doors, unsigned int knocks, bool close)
{
	struct dice dice = { dice_seed() + 2 };

	for (unsigned int d = 0; d < doors; d++) {
		struct conf_door *door = door_add(&w->conf, "", 25);

		for (unsigned int i = 0; i < knocks; i++)
			door->sequence.knock[i] = (struct conf_knock){
				.proto = dice_below(&dice, 2),
				.number = 1 + dice_below(&dice, 20000),
			};
		door->sequence.len = knocks;
		if (close) {
			door->close_sequence = door->sequence;
			door->close_sequence.knock[0].number += 20000;
		}
		door_open_add(door, CONF_TCP, 1 + d, 1 + d);
		door_open_add(door, CONF_UDP, 30000 + d, 30000 + d + d % 3);
	}
}

/* Sanitizers slow everything down; the limits are for what is shipped. */
static double patience(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return 10;
#else
	return 1;
#endif
}

static void a_thousand_doors_of_ten_knocks_take_less_than_a_second(void **state)
{
	struct world *w = *state;
	double start;

	many_doors(w, 1000, 10, false);
	start = seconds();
	compile(w);
	print_message("%.3f s\n", seconds() - start);
	assert_true(seconds() - start < patience());
	check_ports(w);
}

static void as_many_doors_as_there_may_be_compile_in_sane_time_and_space(void **state)
{
	struct world *w = *state;
	const struct settings *s = &w->compiled.settings;
	struct compiled before;
	double start;

	many_doors(w, KNOCKD_DOORS_MAX, KNOCKD_SEQUENCE_MAX, true);
	assert_null(conf_door_add(&w->conf, "one more", 1));
	start = seconds();
	compile(w);
	print_message("%.3f s, %u states\n", seconds() - start, s->state_count);
	assert_true(seconds() - start < 10 * patience());
	assert_in_range(s->state_count, 200000, STATE_MAX - 1);
	assert_in_range(s->edge_mask, s->state_count, 20 * s->state_count);
	assert_int_equal(s->match_count, 2 * KNOCKD_DOORS_MAX);
	before = w->compiled;
	start = seconds();
	compile_after(w, &before, 1000);
	print_message("%.3f s after itself\n", seconds() - start);
	assert_true(seconds() - start < 10 * patience());
	expect_same_numbers(&before, &w->compiled);
	compiled_free(&before);
}

/* All knocks equal: the longest chains of suffixes that there can be. */
static void doors_of_one_repeated_knock_compile_in_sane_time(void **state)
{
	struct world *w = *state;
	double start = seconds();

	for (int d = 0; d < KNOCKD_DOORS_MAX; d++) {
		struct conf_sequence *s = &door_add(&w->conf, "", 25)->sequence;

		for (s->len = 0; s->len < KNOCKD_SEQUENCE_MAX; s->len++)
			s->knock[s->len] = (struct conf_knock){ .number = 7000 };
		/* Different at the end only, so that all share one long beginning. */
		s->knock[KNOCKD_SEQUENCE_MAX - 1].number = 10000 + d;
	}
	compile(w);
	assert_true(seconds() - start < 5 * patience());
	assert_int_equal(w->compiled.settings.state_count,
			 KNOCKD_STREAMS_MAX + KNOCKD_SEQUENCE_MAX - 1 + KNOCKD_DOORS_MAX);
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, world_make, world_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_WORLD(a_door_opens_its_ports_and_no_other),
		IN_A_WORLD(ranges_may_reach_both_ends_and_overlap),
		IN_A_WORLD(a_port_may_be_protected_and_a_knock_port),
		IN_A_WORLD(doors_with_overlapping_ranges_open_what_they_say),
		IN_A_WORLD(a_narrow_prefix_keeps_what_the_wide_ones_grant),
		IN_A_WORLD(a_prefix_of_no_bits_is_one_family_whole),
		IN_A_WORLD(without_prefixes_everyone_may_knock_and_nobody_is_trusted),
		IN_A_WORLD(the_longest_prefix_says_all_that_the_shorter_ones_say),
		IN_A_WORLD(doors_with_other_flags_are_another_stream),
		IN_A_WORLD(eight_kinds_of_flags_are_enough_for_anyone),
		IN_A_WORLD(a_knock_port_has_one_symbol_and_others_have_none),
		IN_A_WORLD(a_config_without_icmp_knocks_says_so),
		IN_A_WORLD(more_different_knocks_than_symbols_are_an_error),
		IN_A_WORLD(more_than_eight_doors_at_one_knock_are_an_error),
		IN_A_WORLD(the_eight_count_for_each_stream_alone),
		IN_A_WORLD(a_config_without_doors_compiles),
		IN_A_WORLD(a_door_without_a_sequence_never_opens),
		IN_A_WORLD(every_door_is_certain_of_its_quota),
		IN_A_WORLD(seconds_become_jiffies_and_long_ones_stay_comparable),
		IN_A_WORLD(the_mask_of_grants_has_as_many_bits_as_configured),
		IN_A_WORLD(options_reach_the_tables),
		cmocka_unit_test(freeing_nothing_is_fine),
		IN_A_WORLD(a_config_after_itself_is_the_same),
		IN_A_WORLD(two_configs_in_turn_keep_their_numbers),
		IN_A_WORLD(many_configs_in_turn_need_no_more_than_all_of_them_at_once),
		IN_A_WORLD(a_number_that_is_free_is_zero_everywhere),
		IN_A_WORLD(doors_and_ports_of_two_configs_are_never_mistaken),
		IN_A_WORLD(all_doors_may_be_replaced_at_once),
		IN_A_WORLD(a_stream_keeps_its_index_while_its_flags_are_there),
		IN_A_WORLD(where_all_streams_are_others_nothing_is_remembered),
		IN_A_WORLD(a_config_without_a_sequence_still_has_a_stream),
		IN_A_WORLD(a_full_table_forgets_what_is_gone),
		IN_A_WORLD(garbage_is_refused_or_harmless),
		IN_A_WORLD(sizes_that_cannot_be_are_refused),
		IN_A_WORLD(a_thousand_doors_of_ten_knocks_take_less_than_a_second),
		IN_A_WORLD(as_many_doors_as_there_may_be_compile_in_sane_time_and_space),
		IN_A_WORLD(doors_of_one_repeated_knock_compile_in_sane_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
