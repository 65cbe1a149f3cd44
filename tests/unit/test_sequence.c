// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When a door opens: the deciding code of the BPF programs, over tables from compile_conf(), held
 * against a model that keeps the latest knocks and compares their tail; cases from life; and the
 * automaton against its definition.
 */
#include "doors.h"

#include <errno.h>
#include <time.h>

enum { STREAMS = 1000000, STREAMS_PER_CONFIG = 40, HEARD_MAX = 128, RING = KNOCKD_SEQUENCE_MAX };

/* ---- cases from life ---- */

enum { HZ = 250, TAG = 0xabcdef01 };

/* A config, and one source that knocks at it. */
struct world {
	struct conf conf;
	struct compiled compiled;
	struct automaton automaton;
	struct progress progress;
	uint32_t now;
	enum step_kind kind; /* of the latest knock */
	char opened[64];     /* all doors that opened, A to Z, and closed, a to z */
};

static int world_make(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	conf_init(&w->conf, "test");
	w->now = 1000;
	*state = w;
	return 0;
}

static int world_free(void **state)
{
	struct world *w = *state;

	compiled_free(&w->compiled);
	conf_free(&w->conf);
	free(w);
	return 0;
}

static void world_compile(struct world *w)
{
	struct messages messages;

	messages_init(&messages, "test");
	assert_int_equal(compile_conf(&w->conf, HZ, &w->compiled, &messages), 0);
	messages_free(&messages);
	w->automaton = automaton_from(&w->compiled);
	w->progress.word = word_make(w->compiled.settings.stream[0].root, 0, 0, TAG);
}

static uint16_t symbol_heard(const struct world *w, const struct conf_knock *knock)
{
	return w->compiled.port[port_index_of(knock->proto, knock->number)].symbol;
}

static void world_knock(struct world *w, const struct conf_knock *knock, uint32_t id)
{
	uint16_t symbol = symbol_heard(w, knock);
	size_t len = strlen(w->opened);
	struct step step;

	assert_int_not_equal(symbol, 0);
	sequence_step(&w->automaton, w->compiled.settings.stream[0].root, &w->progress,
		      w->progress.word, symbol, id, w->now, &step);
	w->progress.word = step.word;
	w->kind = step.kind;
	assert_int_equal(word_tag(step.word), TAG);
	for (__u32 i = 0; i < KNOCKD_MATCHES_MAX; i++) {
		const struct match *m;

		if (!(step.matched >> i & 1))
			continue;
		m = &w->compiled.match[w->compiled.state[step.state].match + i];
		assert_true(len + 1 < sizeof(w->opened));
		w->opened[len++] = m->door + (m->action == MATCH_OPEN ? 'A' : 'a');
	}
	w->opened[len] = 0;
}

static int letter_compare(const void *left, const void *right)
{
	return *(const char *)left - *(const char *)right;
}

/*
 * Knock as @script says: "7000 8000:udp" are knocks, "7000#3" is the one with the TCP identity 3,
 * "+5" lets five seconds pass, "+1j" one jiffy. Then @opened must be all doors that have opened or
 * closed, sorted: "AAb".
 */
static void expect(struct world *w, const char *script, const char *opened)
{
	const char *at = script;

	w->opened[0] = 0;
	while (*at) {
		if (*at == '+') {
			char *end;
			unsigned long wait = strtoul(at + 1, &end, 10);

			w->now += *end == 'j' ? wait : wait * HZ;
			at = end + (*end == 'j');
		} else {
			struct conf_knock knock;
			char *end;

			at = knock_read(at, &knock);
			if (*at == '#') {
				world_knock(w, &knock, strtoul(at + 1, &end, 10));
				at = end;
			} else {
				world_knock(w, &knock, 0);
			}
		}
		at += *at == ' ';
	}
	qsort(w->opened, strlen(w->opened), 1, letter_compare);
	if (strcmp(w->opened, opened))
		fail_msg("'%s' opened '%s', not '%s'", script, w->opened, opened);
}

/* A world with up to three doors of 25 seconds, ready to be knocked at. */
static struct world *world_with(void **state, const char *a, const char *b, const char *c)
{
	struct world *w = *state;
	const char *sequence[] = { a, b, c };

	for (int i = 0; i < 3; i++)
		if (sequence[i])
			door_add(&w->conf, sequence[i], 25);
	world_compile(w);
	return w;
}

static void the_right_knocks_open_their_door(void **state)
{
	struct world *w = world_with(state, "7000,8000,9000", NULL, NULL);

	expect(w, "7000 8000", "");
	expect(w, "9000", "A");
	expect(w, "7000 8000 9000", "A");
}

static void a_proto_is_part_of_a_knock(void **state)
{
	struct world *w = world_with(state, "7000,8000:udp,4:icmp", "7000:udp,8000,5:icmp", NULL);

	expect(w, "7000 8000:udp 4:icmp", "A");
	expect(w, "7000 8000 4:icmp", "");
	expect(w, "7000:udp 8000:udp 4:icmp", "");
	expect(w, "7000 8000:udp 5:icmp", "");
	expect(w, "7000:udp 8000 5:icmp", "B");
}

static void wrong_order_or_a_missing_knock_opens_nothing(void **state)
{
	struct world *w = world_with(state, "7000,8000,9000", NULL, NULL);

	expect(w, "9000 8000 7000", "");
	expect(w, "+26 8000 9000", "");
	expect(w, "+26 7000 9000", "");
	expect(w, "+26 9000 7000 8000", "");
	/* What is left of a wrong try may be the beginning of a right one. */
	expect(w, "9000", "A");
}

static void a_repeated_knock_changes_nothing(void **state)
{
	struct world *w = world_with(state, "7000,8000,9000", NULL, NULL);

	expect(w, "7000 7000 8000 9000", "A");
	expect(w, "7000 8000 8000 8000 9000", "A");
	assert_int_equal(w->kind, STEP_ADVANCED);
	expect(w, "9000", "");
	assert_int_equal(w->kind, STEP_REPEAT);
	expect(w, "7000 7000 8000 8000 9000 9000", "A");
}

static void a_retransmission_at_once_changes_nothing(void **state)
{
	struct world *w = world_with(state, "7000,8000,9000", NULL, NULL);

	expect(w, "7000#1 7000#1 8000#2 8000#2 9000#3", "A");
	expect(w, "9000#3", "");
	assert_int_equal(w->kind, STEP_REPEAT);
}

static void a_late_retransmission_changes_nothing(void **state)
{
	struct world *w = world_with(state, "7000,8000,9000", "9000,7000,8000", NULL);

	expect(w, "7000#1 8000#2 +1 7000#1", "");
	assert_int_equal(w->kind, STEP_REPEAT);
	expect(w, "+2 8000#2 7000#1 9000#3", "A");
	expect(w, "+3 7000#1 8000#2 9000#3", "");
	/* The latest that counted was 9000, with which B begins. */
	expect(w, "7000#4 8000#5", "B");
}

static void a_retransmission_does_not_open_a_door_of_doubled_knocks(void **state)
{
	struct world *w = world_with(state, "7000,7000,8000", NULL, NULL);

	expect(w, "7000#1 7000#1 8000#2", "");
	expect(w, "7000#3 7000#4 8000#5", "A");
}

static void an_identity_is_forgotten_after_the_longest_time(void **state)
{
	struct world *w = world_with(state, "7000,8000,9000", "7000", NULL);

	expect(w, "7000#1", "B");
	expect(w, "+25 7000#1", "");
	expect(w, "+1j 7000#1", "B");
}

static void a_knock_without_identity_is_never_a_retransmission(void **state)
{
	struct world *w = world_with(state, "7000", NULL, NULL);

	expect(w, "7000 7000 7000", "AAA");
}

static void a_wrong_knock_ends_what_was_begun(void **state)
{
	struct world *w = world_with(state, "7000,8000,9000", "1000,2000", NULL);

	expect(w, "7000 8000 2000", "");
	assert_int_equal(w->kind, STEP_WRONG);
	expect(w, "9000", "");
	assert_int_equal(w->kind, STEP_NONE);
}

static void a_wrong_knock_may_be_the_first_of_a_sequence(void **state)
{
	struct world *w = world_with(state, "7000,8000,9000", "8000,7000,1000", NULL);

	expect(w, "7000 8000 7000 8000 9000", "A");
	expect(w, "8000 7000 8000 7000 1000", "B");
	expect(w, "7000 8000 7000 1000", "B");
}

static void knocks_of_two_doors_spliced_open_neither(void **state)
{
	struct world *w = world_with(state, "1001,1002,1003", "2001,2002,2003", NULL);

	expect(w, "1001 2001 1002 2002 1003 2003", "");
	expect(w, "1001 1002 2003", "");
	expect(w, "2001 2002 1003", "");
	expect(w, "1001 2002 1003", "");
	expect(w, "1001 1002 2001 1003 2002 2003", "");
	expect(w, "1001 1002 1003 2001 2002 2003", "AB");
}

static void doors_may_share_a_beginning(void **state)
{
	struct world *w = world_with(state, "7000,8000,9000", "7000,8000,1000", "7000,8000");

	expect(w, "7000 8000 9000", "AC");
	expect(w, "7000 8000 1000", "BC");
	expect(w, "9000 1000", "");
}

static void doors_may_share_an_end(void **state)
{
	struct world *w = world_with(state, "1000,8000,9000", "7000,8000,9000", "8000,9000");

	expect(w, "1000 8000 9000", "AC");
	expect(w, "7000 8000 9000", "BC");
	expect(w, "8000 9000", "C");
}

static void the_end_of_one_sequence_may_begin_another(void **state)
{
	struct world *w = world_with(state, "1000,2000,3000", "2000,3000,4000", "3000,4000,1000");

	expect(w, "1000 2000 3000 4000 1000 2000 3000", "AABC");
}

static void a_sequence_may_overlap_itself(void **state)
{
	struct world *w = world_with(state, "7000,8000,7000", "1000,1000,2000", NULL);

	expect(w, "7000 8000 7000 8000 7000", "AA");
	expect(w, "1000 1000 2000", "B");
	expect(w, "1000 2000", "");
	expect(w, "1000 1000 1000 2000", "B");
}

static void a_repeat_that_advances_a_door_counts(void **state)
{
	struct world *w = world_with(state, "7000,8000", "7000,7000,9000", NULL);

	expect(w, "7000 7000 8000", "A");
	expect(w, "7000 7000 9000", "B");
	expect(w, "7000 7000 7000 9000", "B");
}

static void a_door_of_one_knock_opens_on_each(void **state)
{
	struct world *w = world_with(state, "7000", "7000,8000", NULL);

	expect(w, "7000", "A");
	expect(w, "7000 7000", "AA");
	expect(w, "8000", "B");
}

static void too_slow_opens_nothing(void **state)
{
	struct world *w = world_with(state, "7000,8000,9000", NULL, NULL);

	expect(w, "7000 +12 8000 +13 9000", "A");
	expect(w, "7000 +12 8000 +13 +1j 9000", "");
	expect(w, "7000 +26 8000 9000", "");
	expect(w, "7000 8000 +26 9000", "");
	/* An attempt that ran out leaves nothing in the way of the next. */
	expect(w, "7000 8000 +26 7000 8000 9000", "A");
}

static void each_door_has_its_own_time(void **state)
{
	struct world *w = *state;

	door_add(&w->conf, "7000,8000,9000", 10);
	door_add(&w->conf, "7000,8000,1000", 25);
	door_add(&w->conf, "8000,9000", 5);
	world_compile(w);
	expect(w, "7000 +6 8000 +6 1000", "B");
	expect(w, "7000 +6 8000 +6 9000", "");
	expect(w, "7000 +6 8000 +4 9000", "AC");
	/* The longer run is too old for its door, the shorter within it is not. */
	expect(w, "7000 +11 8000 9000", "C");
}

static void a_try_begun_anew_has_its_full_time(void **state)
{
	struct world *w = world_with(state, "7000,8000,9000", NULL, NULL);

	expect(w, "7000 +20 7000 8000 +20 9000", "A");
	expect(w, "7000 8000 +20 7000 8000 +20 9000", "A");
	expect(w, "7000 +20 7000 +20 8000 +5 9000", "A");
}

static void a_sequence_may_close(void **state)
{
	struct world *w = *state;

	sequence_read(&door_add(&w->conf, "7000,8000", 25)->close_sequence, "8000,7000");
	sequence_read(&door_add(&w->conf, "", 25)->close_sequence, "7000,8000");
	world_compile(w);
	expect(w, "7000 8000", "Ab");
	expect(w, "7000", "a");
}

static void one_knock_may_open_eight_doors(void **state)
{
	struct world *w = *state;

	door_add(&w->conf, "1,2,3,4,5,6,7,8", 25);
	door_add(&w->conf, "2,3,4,5,6,7,8", 25);
	door_add(&w->conf, "3,4,5,6,7,8", 25);
	door_add(&w->conf, "4,5,6,7,8", 25);
	door_add(&w->conf, "5,6,7,8", 25);
	door_add(&w->conf, "6,7,8", 25);
	door_add(&w->conf, "7,8", 5);
	door_add(&w->conf, "8", 25);
	world_compile(w);
	expect(w, "1 2 3 4 5 6 7 8", "ABCDEFGH");
	expect(w, "1 2 3 4 5 6 7 +6 8", "ABCDEFH");
	expect(w, "5 6 7 8", "EFGH");
}

static void doors_with_one_sequence_open_together(void **state)
{
	struct world *w = world_with(state, "7000,8000", "7000,8000", "7000,8000");

	expect(w, "7000 8000", "ABC");
}

static void thirty_two_knocks_are_remembered(void **state)
{
	struct world *w = *state;
	struct conf_door *door = door_add(&w->conf, "", 31);
	char script[32 * 8] = "";

	for (int i = 0; i < 32; i++) {
		door->sequence.knock[door->sequence.len++] = (struct conf_knock){
			.proto = CONF_TCP, .number = 100 + i * 7 % 32,
		};
		sprintf(script + strlen(script), "%s%d", i ? " +1 " : "", 100 + i * 7 % 32);
	}
	world_compile(w);
	for (int again = 0; again < 3; again++)
		expect(w, script, "A");
	w->compiled.match[0].timeout--;
	expect(w, script, "");
}

static void time_may_wrap_between_knocks(void **state)
{
	struct world *w = world_with(state, "7000,8000,9000", NULL, NULL);

	w->now = -5 * HZ;
	expect(w, "7000 +4 8000 +4 9000", "A");
	assert_true(w->now < 5 * HZ);
	w->now = -5 * HZ;
	expect(w, "7000 +12 8000 +13 +1j 9000", "");
	w->now = -1;
	expect(w, "7000#1 +1j 8000#2 7000#1 9000#3", "A");
}

static void a_source_that_never_knocked_has_no_age(void **state)
{
	struct world *w = world_with(state, "7000,8000,9000", NULL, NULL);

	/* A zeroed ring looks like knocks at jiffy 0 without identity. */
	w->now = 0;
	expect(w, "8000 9000", "");
	assert_int_equal(w->kind, STEP_NONE);
	expect(w, "7000 8000 9000", "A");
}

static void the_word_keeps_its_parts_apart(void **state)
{
	__u64 word = word_make(STATE_MAX - 1, 31, 32, 0xdeadbeef);

	(void)state;
	assert_int_equal(word_state(word), STATE_MAX - 1);
	assert_int_equal(word_head(word), 31);
	assert_int_equal(word_count(word), 32);
	assert_int_equal(word_tag(word), 0xdeadbeef);
	word = word_make(0, 32, 0, 0);
	assert_true(word == 0);
	word = word_make(0, 0, 0, ~0U);
	assert_int_equal(word_state(word) | word_head(word) | word_count(word), 0);
}

static void a_state_that_does_not_exist_is_no_progress(void **state)
{
	struct world *w = world_with(state, "7000,8000,9000", NULL, NULL);

	w->progress.word = word_make(STATE_MAX - 1, 3, 3, TAG);
	expect(w, "9000", "");
	assert_int_equal(w->kind, STEP_NONE);
	w->progress.word = word_make(w->automaton.state_count, 3, 3, TAG);
	expect(w, "7000 8000 9000", "A");
}

/* ---- the model ---- */

/* A sequence of one stream, as the model knows it. */
struct wanted {
	unsigned int knock[KNOCKD_SEQUENCE_MAX], len;
	unsigned int door;
	enum match_action action;
	uint64_t timeout; /* jiffies */
};

struct heard {
	unsigned int knock;
	uint32_t id;
	uint64_t time;
};

struct model {
	struct wanted wanted[2 * 12];
	size_t wanted_count;
	uint64_t longest;         /* of all timeouts */
	struct heard list[2 * KNOCKD_SEQUENCE_MAX];
	size_t count;
	struct heard counted[RING]; /* for their identities */
	size_t counted_count;
};

/* Are the last @len knocks the first @len of @w? */
static bool model_tail_begins(const struct model *m, size_t len, const struct wanted *w)
{
	for (size_t i = 0; i < len; i++)
		if (m->list[m->count - len + i].knock != w->knock[i])
			return false;
	return true;
}

/* Forget all but the longest tail with which a sequence begins that is in time at @now. */
static void model_forget(struct model *m, uint64_t now)
{
	for (size_t len = m->count; len; len--)
		for (const struct wanted *w = m->wanted; w < m->wanted + m->wanted_count; w++)
			if (len <= w->len && now - m->list[m->count - len].time <= w->timeout &&
			    model_tail_begins(m, len, w)) {
				memmove(m->list, m->list + m->count - len,
					len * sizeof(*m->list));
				m->count = len;
				return;
			}
	m->count = 0;
}

/* Is @knock the next of some sequence, after the longest proper part of it just knocked? */
static bool model_advances(const struct model *m, unsigned int knock)
{
	for (const struct wanted *w = m->wanted; w < m->wanted + m->wanted_count; w++) {
		size_t len = w->len - 1 < m->count ? w->len - 1 : m->count;

		while (!model_tail_begins(m, len, w))
			len--;
		if (w->knock[len] == knock)
			return true;
	}
	return false;
}

/* Does the list end in what begins some sequence, in time or not? Such a knock was counted. */
static bool model_counts(const struct model *m)
{
	for (size_t len = m->count; len; len--)
		for (const struct wanted *w = m->wanted; w < m->wanted + m->wanted_count; w++)
			if (len <= w->len && model_tail_begins(m, len, w))
				return true;
	return false;
}

/* One knock; @opened gets a bit for each wanted that is complete. False: it was a repeat. */
static bool model_hear(struct model *m, unsigned int knock, uint32_t id, uint64_t now,
		       uint32_t *opened)
{
	*opened = 0;
	for (size_t i = 0; i < m->counted_count && i < RING; i++)
		if (id && m->counted[i].id == id && now - m->counted[i].time <= m->longest)
			return false;
	model_forget(m, now);
	if (m->count && m->list[m->count - 1].knock == knock && !model_advances(m, knock)) {
		bool equal = true;

		/* Of a run of equal knocks, however long, the latest ones count. */
		for (size_t i = 0; i < m->count; i++)
			equal &= m->list[i].knock == knock;
		if (equal) {
			memmove(m->list, m->list + 1, (m->count - 1) * sizeof(*m->list));
			m->list[m->count - 1] = (struct heard){ knock, id, now };
			m->counted[m->counted_count++ % RING] = m->list[m->count - 1];
			return false;
		}
		m->list[m->count - 1].time = now;
		m->counted[(m->counted_count - 1) % RING].time = now;
		return false;
	}
	m->list[m->count++] = (struct heard){ knock, id, now };
	for (size_t i = 0; i < m->wanted_count; i++) {
		const struct wanted *w = &m->wanted[i];

		if (w->len <= m->count && now - m->list[m->count - w->len].time <= w->timeout &&
		    model_tail_begins(m, w->len, w))
			*opened |= 1U << i;
	}
	if (model_counts(m))
		m->counted[m->counted_count++ % RING] = m->list[m->count - 1];
	model_forget(m, now);
	return true;
}

/* ---- random doors, random knocks ---- */

/* Of several protocols with equal numbers. The last stands in no sequence of the stream heard. */
static const struct conf_knock alphabet[] = {
	{ CONF_TCP, 7000 }, { CONF_UDP, 7000 }, { CONF_TCP, 4 },
	{ CONF_ICMP, 4 },   { CONF_TCP, 65535 }, { CONF_UDP, 1 },
};
enum { ALPHABET = 5, FOREIGN = ALPHABET };

struct trial {
	struct dice dice;
	struct conf conf;
	struct compiled compiled;
	struct automaton automaton;
	unsigned int hz, symbols;
	unsigned int stream;
	uint64_t shortest; /* of all timeouts heard */
	struct model model; /* with an empty list */
	bool doubled;       /* the same knock may follow itself */
	struct heard heard[HEARD_MAX];
	size_t heard_count;
	uint64_t openings, repeats, late;
};

static void random_sequence(struct trial *t, struct conf_sequence *sequence)
{
	static const unsigned int lengths[] = { 1, 2, 2, 3, 3, 3, 3, 4, 4, 5, 6, 7, 8 };

	sequence->len = lengths[dice_below(&t->dice, sizeof(lengths) / sizeof(*lengths))];
	if (!dice_below(&t->dice, 32))
		sequence->len = 9 + dice_below(&t->dice, KNOCKD_SEQUENCE_MAX - 8);
	for (unsigned int i = 0; i < sequence->len; i++)
		sequence->knock[i] = alphabet[dice_below(&t->dice, t->symbols)];
	/* Often a variation on a part of another door's. */
	if (t->conf.door_count > 1 && dice_below(&t->dice, 2)) {
		const struct conf_door *from =
			&t->conf.door[dice_below(&t->dice, t->conf.door_count - 1)];
		unsigned int skip = dice_below(&t->dice, 3), len = from->sequence.len;

		for (unsigned int i = 0; i < sequence->len && i + skip < len; i++)
			sequence->knock[i] = from->sequence.knock[i + skip];
	}
}

static void model_want(struct trial *t, size_t door, const struct conf_sequence *sequence,
		       enum match_action action)
{
	struct wanted *w = &t->model.wanted[t->model.wanted_count];

	if (!sequence->len)
		return;
	w->len = sequence->len;
	w->door = door;
	w->action = action;
	w->timeout = (uint64_t)t->conf.door[door].seq_timeout_s * t->hz;
	for (unsigned int i = 0; i < w->len; i++)
		for (w->knock[i] = 0;
		     !conf_knock_equal(&alphabet[w->knock[i]], &sequence->knock[i]);)
			w->knock[i]++;
	if (!t->model.wanted_count || w->timeout < t->shortest)
		t->shortest = w->timeout;
	if (w->timeout > t->model.longest)
		t->model.longest = w->timeout;
	t->model.wanted_count++;
}

/* Does some tail of some beginning complete more sequences than there may be? In one stream. */
static bool too_many_matches(const struct conf *conf)
{
	for (size_t d = 0; d < conf->door_count; d++) {
		const struct conf_sequence *at[] = { &conf->door[d].sequence,
						     &conf->door[d].close_sequence };

		for (int k = 0; k < 2; k++) {
			unsigned int most = 0;

			for (size_t e = 0; e < conf->door_count; e++) {
				if (!conf_flags_equal(&conf->door[d].flags, &conf->door[e].flags))
					continue;
				most += conf->door[e].sequence.len &&
					conf_sequence_ends_with(at[k], &conf->door[e].sequence);
				most += conf->door[e].close_sequence.len &&
					conf_sequence_ends_with(at[k],
								&conf->door[e].close_sequence);
			}
			if (most > KNOCKD_MATCHES_MAX)
				return true;
		}
	}
	return false;
}

static void random_conf(struct trial *t)
{
	static const unsigned int rates[] = { 1, 7, 100, 250, 1000 };
	unsigned int doors = 1 + dice_below(&t->dice, 12);

	conf_init(&t->conf, "random");
	memset(&t->model, 0, sizeof(t->model));
	t->hz = rates[dice_below(&t->dice, sizeof(rates) / sizeof(*rates))];
	t->symbols = 2 + dice_below(&t->dice, ALPHABET - 1);
	for (unsigned int d = 0; d < doors; d++) {
		struct conf_door *door = door_add(&t->conf, "", 1 + dice_below(&t->dice, 30));

		random_sequence(t, &door->sequence);
		if (!dice_below(&t->dice, 4))
			random_sequence(t, &door->close_sequence);
		if (d && !dice_below(&t->dice, 5)) {
			/* In another stream, where a knock more is known. */
			door->flags.value = CONF_TCP_FIN;
			door->sequence.knock[0] = alphabet[FOREIGN];
		}
	}
}

/* Make random doors and their tables; false when they are too many at one knock. */
static bool trial_begin(struct trial *t)
{
	struct messages messages;
	int error;

	random_conf(t);
	messages_init(&messages, "random");
	error = compile_conf(&t->conf, t->hz, &t->compiled, &messages);
	assert_int_equal(error, messages.errors ? -EINVAL : 0);
	messages_free(&messages);
	if (error) {
		assert_true(too_many_matches(&t->conf));
		conf_free(&t->conf);
		return false;
	}
	assert_false(too_many_matches(&t->conf));
	t->automaton = automaton_from(&t->compiled);
	t->stream = 0; /* that of the first door */
	for (size_t d = 0; d < t->conf.door_count; d++) {
		if (!conf_flags_equal(&t->conf.door[d].flags, &t->conf.door[0].flags))
			continue;
		model_want(t, d, &t->conf.door[d].sequence, MATCH_OPEN);
		model_want(t, d, &t->conf.door[d].close_sequence, MATCH_CLOSE);
	}
	return true;
}

static void trial_end(struct trial *t)
{
	compiled_free(&t->compiled);
	conf_free(&t->conf);
}

static void trial_print(const struct trial *t)
{
	for (size_t i = 0; i < t->model.wanted_count; i++) {
		const struct wanted *w = &t->model.wanted[i];

		print_error("door %u %s within %llu:", w->door,
			    w->action == MATCH_OPEN ? "opens" : "closes",
			    (unsigned long long)w->timeout);
		for (unsigned int k = 0; k < w->len; k++)
			print_error(" %u", w->knock[k]);
		print_error("\n");
	}
	for (size_t i = 0; i < t->heard_count; i++)
		print_error("knock %u, id %u, at %llu\n", t->heard[i].knock, t->heard[i].id,
			    (unsigned long long)t->heard[i].time);
}

/* The sequences that @step completed, in the words of the model. */
static uint32_t step_opened(const struct trial *t, const struct step *step)
{
	uint32_t opened = 0;

	for (__u32 i = 0; i < KNOCKD_MATCHES_MAX; i++) {
		const struct match *match;

		if (!(step->matched >> i & 1))
			continue;
		match = &t->compiled.match[t->compiled.state[step->state].match + i];
		for (size_t w = 0; w < t->model.wanted_count; w++)
			if (t->model.wanted[w].door == match->door &&
			    t->model.wanted[w].action == match->action)
				opened |= 1U << w;
	}
	return opened;
}

/* When the next knock comes: at once, soon, or when some recent knock is about to be too old. */
static uint64_t random_time(struct trial *t, uint64_t now)
{
	uint32_t kind = dice_below(&t->dice, 16);
	const struct wanted *w = &t->model.wanted[dice_below(&t->dice, t->model.wanted_count)];

	if (kind < 8)
		return now + dice_below(&t->dice, 2);
	if (kind < 12)
		return now + dice_below(&t->dice, 1 + w->timeout / w->len);
	if (kind < 15 && t->heard_count) {
		size_t back = dice_below(&t->dice, t->heard_count < 8 ? t->heard_count : 8);
		uint64_t due = t->heard[t->heard_count - 1 - back].time + w->timeout - 1 +
			       dice_below(&t->dice, 3);

		return due > now ? due : now;
	}
	return now + dice_below(&t->dice, 3 * w->timeout);
}

/* Mostly along some sequence; also repeats, retransmissions and anything else. */
static void random_knock(struct trial *t, const struct wanted **along, unsigned int *at,
			 struct heard *knock)
{
	uint32_t kind = dice_below(&t->dice, 32);
	const struct heard *last = t->heard_count ? &t->heard[t->heard_count - 1] : NULL;

	knock->id = dice_below(&t->dice, 2) ? 1 + t->heard_count : 0;
	if (kind < 3 && last) {
		*knock = t->heard[dice_below(&t->dice, t->heard_count)];
		return;
	}
	if (kind < 6 && last) {
		knock->knock = last->knock;
		return;
	}
	if (kind < 8) {
		knock->knock = dice_below(&t->dice, t->symbols);
		return;
	}
	if (kind == 8) {
		knock->knock = FOREIGN;
		return;
	}
	if (*at == (*along)->len || kind == 9) {
		*along = &t->model.wanted[dice_below(&t->dice, t->model.wanted_count)];
		*at = kind == 9 ? dice_below(&t->dice, (*along)->len) : 0;
	}
	knock->knock = (*along)->knock[(*at)++];
}

static uint16_t trial_symbol(const struct trial *t, unsigned int knock)
{
	size_t at = port_index_of(alphabet[knock].proto, alphabet[knock].number);

	return t->compiled.port[at].symbol;
}

/* Fail with everything that is needed to understand why. */
static void trial_fail(const struct trial *t, const char *what, uint32_t expected, uint32_t got)
{
	trial_print(t);
	fail_msg("the latest knock: %s is %#x in the model, %#x in the code", what, expected, got);
}

static void trial_compare(struct trial *t, const struct model *m, const struct step *step,
			  const struct progress *p, bool counted, uint32_t expected)
{
	uint64_t now = t->heard[t->heard_count - 1].time;
	__u32 root = t->compiled.settings.stream[t->stream].root;
	__u32 alive = state_alive(&t->automaton, p, word_state(step->word), word_head(step->word),
				  now, root);
	uint32_t got = step_opened(t, step);

	if (expected != got)
		trial_fail(t, "the set of complete sequences", expected, got);
	if (counted != (step->kind != STEP_REPEAT))
		trial_fail(t, "whether it counts", counted, step->kind != STEP_REPEAT);
	if (t->compiled.state[alive].depth != (counted ? m->count : t->compiled.state[alive].depth))
		trial_fail(t, "the length of what is remembered", m->count,
			   t->compiled.state[alive].depth);
	if (m->count && counted && step->kind != STEP_ADVANCED)
		trial_fail(t, "the kind of step", STEP_ADVANCED, step->kind);
	if (word_tag(step->word) != TAG)
		trial_fail(t, "the tag", TAG, word_tag(step->word));
}

static void trial_stream(struct trial *t)
{
	struct progress p = { .word = word_make(t->compiled.settings.stream[t->stream].root,
						dice_below(&t->dice, 32), 0, TAG) };
	struct model m = t->model;
	const struct wanted *along = &m.wanted[dice_below(&t->dice, m.wanted_count)];
	unsigned int at = 0, length = 6 + dice_below(&t->dice, 14) + along->len;
	/* Every other stream begins shortly before the low 32 bits wrap. */
	uint64_t now = dice_below(&t->dice, 2) ? dice_word(&t->dice) >> 32 :
						 (1ULL << 32) - dice_below(&t->dice, 3 * m.longest);

	t->heard_count = 0;
	for (unsigned int i = 0; i < length; i++) {
		struct heard *knock = &t->heard[t->heard_count], next = {};
		uint32_t expected;
		uint16_t symbol;
		struct step step;
		bool counted;

		random_knock(t, &along, &at, &next);
		symbol = trial_symbol(t, next.knock);
		if (!symbol)
			continue;
		now = random_time(t, now);
		*knock = next;
		knock->time = now;
		t->heard_count++;
		counted = model_hear(&m, knock->knock, knock->id, now, &expected);
		sequence_step(&t->automaton, t->compiled.settings.stream[t->stream].root, &p,
			      p.word, symbol, knock->id, now, &step);
		trial_compare(t, &m, &step, &p, counted, expected);
		p.word = step.word;
		t->openings += !!expected;
		t->repeats += !counted;
		t->late += step.kind == STEP_ADVANCED && !expected &&
			   t->compiled.state[step.state].match_count;
	}
}

static void a_million_random_streams_open_what_the_model_opens(void **state)
{
	struct trial *t = calloc(1, sizeof(*t));
	unsigned int streams = 0, configs = 0;

	(void)state;
	assert_non_null(t);
	t->dice.state = dice_seed();
	while (streams < STREAMS) {
		if (!trial_begin(t))
			continue;
		configs++;
		for (int i = 0; i < STREAMS_PER_CONFIG; i++, streams++)
			trial_stream(t);
		trial_end(t);
	}
	print_message("%u streams at %u configs: %llu knocks opened, %llu repeated, %llu were "
		      "too late\n", streams, configs, (unsigned long long)t->openings,
		      (unsigned long long)t->repeats, (unsigned long long)t->late);
	/* A run in which hardly anything happens proves nothing. */
	assert_true(t->openings > STREAMS);
	assert_true(t->repeats > STREAMS / 4);
	assert_true(t->late > STREAMS / 20);
	free(t);
}

/*
 * Without equal neighbours there are no repeats, and the definition is the whole model: the last n
 * knocks are the sequence, and from the first to the last of them no more than its time passed.
 */
static void without_repeats_only_the_last_n_knocks_and_their_time_matter(void **state)
{
	struct trial *t = calloc(1, sizeof(*t));

	(void)state;
	assert_non_null(t);
	t->dice.state = dice_seed() + 1;
	for (int config = 0; config < 4000; config++) {
		struct progress p = {};
		uint64_t now = dice_word(&t->dice) >> 32;

		if (!trial_begin(t))
			continue;
		p.word = word_make(t->compiled.settings.stream[0].root, 0, 0, TAG);
		t->heard_count = 0;
		for (int i = 0; i < HEARD_MAX; i++) {
			struct heard *knock = &t->heard[t->heard_count];
			uint32_t expected = 0;
			struct step step;

			*knock = (struct heard){ .knock = dice_below(&t->dice, t->symbols) };
			if ((i && knock->knock == knock[-1].knock) ||
			    !trial_symbol(t, knock->knock)) {
				i = t->heard_count ? i : i + 1;
				if (dice_below(&t->dice, 64))
					continue;
				break;
			}
			knock->time = now = random_time(t, now);
			t->heard_count++;
			for (size_t w = 0; w < t->model.wanted_count; w++) {
				const struct wanted *want = &t->model.wanted[w];
				bool all = want->len <= t->heard_count;

				for (size_t k = 1; all && k <= want->len; k++)
					all = t->heard[t->heard_count - k].knock ==
					      want->knock[want->len - k];
				if (all && now - t->heard[t->heard_count - want->len].time <=
						   want->timeout)
					expected |= 1U << w;
			}
			sequence_step(&t->automaton, t->compiled.settings.stream[0].root, &p,
				      p.word, trial_symbol(t, knock->knock), 0, now, &step);
			if (expected != step_opened(t, &step))
				trial_fail(t, "the set of complete sequences", expected,
					   step_opened(t, &step));
			p.word = step.word;
			t->openings += !!expected;
		}
		trial_end(t);
	}
	assert_true(t->openings > 4000);
	free(t);
}

/* ---- the automaton ---- */

/* The state of the knocks @symbol in @stream, or 0 where no sequence begins so. */
static __u32 state_of(const struct compiled *c, __u32 stream, const __u16 *symbol, __u32 len)
{
	struct automaton a = automaton_from(c);
	__u32 state = c->settings.stream[stream].root;

	for (__u32 i = 0; i < len; i++) {
		state = edge_next(&a, state, symbol[i]);
		if (!state)
			return 0;
	}
	return state;
}

static bool pattern_begins(const struct pattern *p, __u32 stream, const __u16 *symbol, __u32 len)
{
	return p->stream == stream && p->len >= len &&
	       !memcmp(p->symbol, symbol, len * sizeof(*symbol));
}

static void check_fail(const struct compiled *c, const struct pattern *of, __u32 len)
{
	__u32 state = state_of(c, of->stream, of->symbol, len), expected;

	for (__u32 skip = 1; skip <= len; skip++) {
		for (size_t i = 0; i < c->pattern_count; i++) {
			if (!pattern_begins(&c->pattern[i], of->stream, of->symbol + skip,
					    len - skip))
				continue;
			expected = state_of(c, of->stream, of->symbol + skip, len - skip);
			assert_int_equal(c->state[state].fail, expected);
			return;
		}
	}
	fail();
}

static void check_timeout(const struct compiled *c, const struct pattern *of, __u32 len)
{
	__u32 state = state_of(c, of->stream, of->symbol, len), longest = 0;

	for (size_t i = 0; i < c->pattern_count; i++)
		if (pattern_begins(&c->pattern[i], of->stream, of->symbol, len) &&
		    c->pattern[i].timeout > longest)
			longest = c->pattern[i].timeout;
	assert_int_equal(c->state[state].timeout, longest);
}

static void check_matches(const struct compiled *c, const struct pattern *of, __u32 len)
{
	const struct state *s = &c->state[state_of(c, of->stream, of->symbol, len)];
	unsigned int expected = 0, found = 0;

	for (size_t i = 0; i < c->pattern_count; i++) {
		const struct pattern *p = &c->pattern[i];

		if (p->len > len || !pattern_begins(p, of->stream, of->symbol + len - p->len,
						    p->len))
			continue;
		expected++;
		for (__u32 m = s->match; m < s->match + s->match_count; m++)
			found += c->match[m].door == p->door && c->match[m].action == p->action &&
				 c->match[m].depth == p->len && c->match[m].timeout == p->timeout;
	}
	assert_int_equal(s->match_count, expected);
	assert_int_equal(found, expected);
}

static void check_advances(const struct compiled *c, const struct pattern *of, __u32 len)
{
	const struct state *s = &c->state[state_of(c, of->stream, of->symbol, len)];
	bool advances = false;

	for (size_t i = 0; i < c->pattern_count && len; i++) {
		const struct pattern *p = &c->pattern[i];
		__u32 tail = p->len - 1 < len ? p->len - 1 : len;

		if (p->stream != of->stream)
			continue;
		while (!pattern_begins(p, of->stream, of->symbol + len - tail, tail))
			tail--;
		advances |= p->symbol[tail] == of->symbol[len - 1];
	}
	assert_int_equal(s->advances, advances);
}

static void every_state_is_what_its_definition_says(void **state)
{
	struct trial *t = calloc(1, sizeof(*t));

	(void)state;
	assert_non_null(t);
	t->dice.state = dice_seed() + 2;
	for (int config = 0; config < 2000; config++) {
		const struct compiled *c = &t->compiled;
		__u8 *seen;

		if (!trial_begin(t))
			continue;
		seen = calloc(c->settings.state_count, 1);
		assert_non_null(seen);
		for (size_t i = 0; i < c->pattern_count; i++) {
			const struct pattern *p = &c->pattern[i];

			for (__u32 len = 0; len <= p->len; len++) {
				__u32 at = state_of(c, p->stream, p->symbol, len);

				assert_int_equal(c->state[at].depth, len);
				assert_int_equal(c->state[at].symbol, len ? p->symbol[len - 1] : 0);
				seen[at] = 1;
				if (len)
					check_fail(c, p, len);
				check_timeout(c, p, len);
				check_matches(c, p, len);
				check_advances(c, p, len);
			}
		}
		for (__u32 i = 0; i < c->settings.state_count; i++)
			assert_true(seen[i]);
		free(seen);
		trial_end(t);
	}
	free(t);
}

static void every_edge_of_4096_doors_is_found_within_its_probes(void **state)
{
	struct dice dice = { dice_seed() + 3 };
	struct messages messages;
	struct compiled c = {};
	struct automaton a;
	struct conf conf;
	__u32 used = 0;

	(void)state;
	conf_init(&conf, "4096 doors");
	for (int d = 0; d < KNOCKD_DOORS_MAX; d++) {
		struct conf_sequence *s = &door_add(&conf, "", 25)->sequence;

		/* Half of them like a person counts, which is hard on a hash, half at random. */
		for (s->len = 0; s->len < 10; s->len++)
			s->knock[s->len] = (struct conf_knock){
				.proto = CONF_TCP,
				.number = d % 2 ? 1 + dice_below(&dice, 65535) :
						  1000 + d + 100 * s->len,
			};
	}
	messages_init(&messages, conf.file);
	assert_int_equal(compile_conf(&conf, HZ, &c, &messages), 0);
	a = automaton_from(&c);
	for (size_t i = 0; i < c.pattern_count; i++) {
		__u32 at = c.settings.stream[0].root;

		for (__u32 k = 0; k < c.pattern[i].len; k++) {
			at = edge_next(&a, at, c.pattern[i].symbol[k]);
			assert_int_not_equal(at, 0);
			assert_int_equal(c.state[at].depth, k + 1);
		}
		/* And there is none where there should be none. */
		assert_int_equal(edge_next(&a, at, c.pattern[i].symbol[0]), 0);
	}
	for (__u32 i = 0; i <= c.settings.edge_mask; i++)
		used += !!c.edge[i];
	assert_int_equal(used, c.settings.state_count - c.settings.stream_count);
	compiled_free(&c);
	messages_free(&messages);
	conf_free(&conf);
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, world_make, world_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_WORLD(the_right_knocks_open_their_door),
		IN_A_WORLD(a_proto_is_part_of_a_knock),
		IN_A_WORLD(wrong_order_or_a_missing_knock_opens_nothing),
		IN_A_WORLD(a_repeated_knock_changes_nothing),
		IN_A_WORLD(a_retransmission_at_once_changes_nothing),
		IN_A_WORLD(a_late_retransmission_changes_nothing),
		IN_A_WORLD(a_retransmission_does_not_open_a_door_of_doubled_knocks),
		IN_A_WORLD(an_identity_is_forgotten_after_the_longest_time),
		IN_A_WORLD(a_knock_without_identity_is_never_a_retransmission),
		IN_A_WORLD(a_wrong_knock_ends_what_was_begun),
		IN_A_WORLD(a_wrong_knock_may_be_the_first_of_a_sequence),
		IN_A_WORLD(knocks_of_two_doors_spliced_open_neither),
		IN_A_WORLD(doors_may_share_a_beginning),
		IN_A_WORLD(doors_may_share_an_end),
		IN_A_WORLD(the_end_of_one_sequence_may_begin_another),
		IN_A_WORLD(a_sequence_may_overlap_itself),
		IN_A_WORLD(a_repeat_that_advances_a_door_counts),
		IN_A_WORLD(a_door_of_one_knock_opens_on_each),
		IN_A_WORLD(too_slow_opens_nothing),
		IN_A_WORLD(each_door_has_its_own_time),
		IN_A_WORLD(a_try_begun_anew_has_its_full_time),
		IN_A_WORLD(a_sequence_may_close),
		IN_A_WORLD(one_knock_may_open_eight_doors),
		IN_A_WORLD(doors_with_one_sequence_open_together),
		IN_A_WORLD(thirty_two_knocks_are_remembered),
		IN_A_WORLD(time_may_wrap_between_knocks),
		IN_A_WORLD(a_source_that_never_knocked_has_no_age),
		cmocka_unit_test(the_word_keeps_its_parts_apart),
		IN_A_WORLD(a_state_that_does_not_exist_is_no_progress),
		cmocka_unit_test(a_million_random_streams_open_what_the_model_opens),
		cmocka_unit_test(without_repeats_only_the_last_n_knocks_and_their_time_matter),
		cmocka_unit_test(every_state_is_what_its_definition_says),
		cmocka_unit_test(every_edge_of_4096_doors_is_found_within_its_probes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
