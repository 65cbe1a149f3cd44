// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When a door opens: the deciding code of the BPF programs, over tables from compile_conf(), held
 * against a model that keeps the latest knocks and compares their tail; cases from life; and the
 * automaton against its definition.
 */
#include "doors.h"

#include <errno.h>
#include <time.h>

enum { STREAMS_PER_CONFIG = 40, HEARD_MAX = 128, RING = KNOCKD_SEQUENCE_MAX };
enum { ROUNDS = 800 }; /* of one config after another */

/* Of @all rounds of chance, a tenth are enough for every day; KNOCKD_TEST_ALL asks for all. */
static unsigned int rounds_of(unsigned int all)
{
	return getenv("KNOCKD_TEST_ALL") ? all : all / 10;
}

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
	assert_int_equal(compile_conf(&w->conf, HZ, NULL, &w->compiled, &messages), 0);
	messages_free(&messages);
	w->automaton = automaton_from(&w->compiled);
	w->progress.word = word_make(0, 0, 0, TAG);
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
	sequence_step(&w->automaton, 0, &w->progress, w->progress.word, symbol, id, w->now, &step);
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

static void another_cpu_may_have_a_later_time(void **state)
{
	struct world *w = world_with(state, "7000,8000,9000", NULL, NULL);

	expect(w, "7000 8000", "");
	w->now -= 3;
	expect(w, "9000", "A");
}

static void a_run_of_equal_knocks_grows_old_as_a_whole(void **state)
{
	struct world *w = *state;
	struct conf_door *door = door_add(&w->conf, "", 25);

	while (door->sequence.len < KNOCKD_SEQUENCE_MAX)
		door->sequence.knock[door->sequence.len++] = (struct conf_knock){
			.proto = CONF_TCP, .number = 7000,
		};
	world_compile(w);
	for (int i = 1; i < KNOCKD_SEQUENCE_MAX; i++)
		expect(w, "7000", "");
	expect(w, "7000", "A");
	expect(w, "+26 7000", "");
	assert_int_equal(w->kind, STEP_ADVANCED);
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

/* ---- across a reload ---- */

/* Put a config with @a, @b and @c in place of the one in force; doors are called by their place. */
static void world_reload(struct world *w, const char *a, const char *b, const char *c)
{
	const char *sequence[] = { a, b, c };
	struct compiled before = w->compiled;
	struct heritage heritage = heritage_from(&before, w->now);
	struct messages messages;

	conf_free(&w->conf);
	for (int i = 0; i < 3; i++)
		if (sequence[i])
			door_add(&w->conf, sequence[i], 25);
	messages_init(&messages, "test");
	assert_int_equal(compile_conf(&w->conf, HZ, &heritage, &w->compiled, &messages), 0);
	messages_free(&messages);
	compiled_free(&before);
	w->automaton = automaton_from(&w->compiled);
}

static void what_was_begun_goes_on_after_a_reload(void **state)
{
	struct world *w = world_with(state, "7000,8000,9000", "1000,2000", NULL);

	expect(w, "7000 8000", "");
	world_reload(w, "5000,6000,8000", "7000,8000,9000", NULL);
	expect(w, "9000", "B");
	expect(w, "5000 6000", "");
	world_reload(w, "7000,8000,9000", NULL, NULL);
	world_reload(w, "1,2,3,4,5,6,7,8,9", "5000,6000,8000", NULL);
	expect(w, "8000", "B");
}

static void a_sequence_that_is_gone_opens_nothing(void **state)
{
	struct world *w = world_with(state, "7000,8000,9000", NULL, NULL);

	expect(w, "7000 8000", "");
	world_reload(w, "1000,2000,9000", "9000,8000", NULL);
	expect(w, "9000", "");
	assert_int_equal(w->kind, STEP_ADVANCED);
	expect(w, "8000", "B");
}

static void a_run_that_is_gone_falls_back_to_its_longest_end(void **state)
{
	struct world *w = world_with(state, "1000,7000,8000,9000", NULL, NULL);

	expect(w, "1000 7000 8000", "");
	world_reload(w, "7000,8000,9000", "8000,9000", "7000,9000");
	expect(w, "9000", "AB");
	world_reload(w, "1000,7000,8000,9000", NULL, NULL);
	expect(w, "1000 +20 7000 8000 +6", "");
	world_reload(w, "7000,8000,9000", "8000,9000", "1000");
	expect(w, "9000", "AB");
	/* In time as a whole, but not from its own first knock on. */
	world_reload(w, "1000,7000,8000,9000", NULL, NULL);
	expect(w, "1000 7000 +20 8000 +6", "");
	world_reload(w, "7000,8000,9000", "8000,9000", NULL);
	expect(w, "9000", "B");
}

static void a_run_that_comes_back_is_known_again(void **state)
{
	struct world *w = world_with(state, "7000,8000,9000", NULL, NULL);

	expect(w, "7000 8000", "");
	world_reload(w, "1000,2000", NULL, NULL);
	world_reload(w, "3000,4000", "1000,2000", NULL);
	world_reload(w, "3000,4000", "7000,8000,9000", NULL);
	expect(w, "9000", "B");
	expect(w, "7000 8000", "");
	world_reload(w, "1000,2000", NULL, NULL);
	/* A knock in between counts, as ever. */
	expect(w, "1000", "");
	world_reload(w, "7000,8000,9000", NULL, NULL);
	expect(w, "9000", "");
}

static void a_doubled_knock_may_cease_to_advance(void **state)
{
	struct world *w = world_with(state, "7000,7000,9000", "7000,8000", NULL);

	expect(w, "7000 7000", "");
	world_reload(w, "7000,8000", NULL, NULL);
	expect(w, "7000", "");
	assert_int_equal(w->kind, STEP_REPEAT);
	expect(w, "8000", "A");
	world_reload(w, "7000,7000,9000", "7000,8000", NULL);
	expect(w, "7000 7000 9000", "A");
}

static void a_retransmission_is_known_again_after_a_reload(void **state)
{
	struct world *w = world_with(state, "7000,8000,9000", NULL, NULL);

	expect(w, "7000#1 8000#2", "");
	world_reload(w, "1000,2000", "7000,8000,9000", "8000,8000");
	expect(w, "8000#2 7000#1 9000#3", "B");
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
	/* Nor is a root that is not its stream's. */
	w->progress.word = word_make(KNOCKD_STREAMS_MAX - 1, 3, 3, TAG);
	expect(w, "7000 8000 9000", "A");
}

static void of_all_words_that_there_can_be_none_skips_a_knock(void **state)
{
	struct world *w = world_with(state, "7000,8000,9000", "8000,9000", NULL);

	/* A removed state, free numbers, and what is beyond the table. */
	world_reload(w, "1000,2000,9000", NULL, NULL);
	world_reload(w, "7000,1000,8000", NULL, NULL);
	for (__u32 i = 0; i < w->compiled.settings.state_count + 5; i++) {
		bool in_force = i < w->compiled.settings.state_count &&
				w->compiled.state[i].depth && !w->compiled.state[i].removed;

		for (__u32 head = 0; head < 32 && !in_force; head++) {
			memset(&w->progress, 0, sizeof(w->progress));
			w->progress.word = word_make(i, head, 32, TAG);
			for (int k = 0; k < KNOCKD_SEQUENCE_MAX; k++)
				w->progress.knock[k].time = w->now;
			expect(w, "8000", "");
			assert_in_range(w->kind, STEP_NONE, STEP_NONE);
		}
	}
}

/* ---- tables that are not as they should be: nothing opens ---- */

static void an_edge_to_no_state_is_a_wrong_knock(void **state)
{
	struct world *w = world_with(state, "7000,8000", NULL, NULL);

	expect(w, "7000", "");
	w->automaton.state_count = word_state(w->progress.word) + 1;
	expect(w, "8000", "");
	assert_int_equal(w->kind, STEP_WRONG);
	assert_int_equal(word_state(w->progress.word), 0);
}

static void a_state_whose_match_is_missing_opens_nothing(void **state)
{
	struct world *w = world_with(state, "7000,8000", "8000", NULL);

	w->automaton.match_count = 0;
	expect(w, "7000 8000", "");
	assert_int_equal(w->kind, STEP_ADVANCED);
}

static void without_its_root_a_stream_hears_nothing(void **state)
{
	struct world *w = world_with(state, "7000,8000", NULL, NULL);
	__u32 nowhere = w->automaton.state_count;
	const char *const knocks[] = { "7000", "8000" };

	for (int i = 0; i < 2; i++) {
		struct progress before = w->progress;
		struct conf_knock knock;
		struct step step;

		knock_read(knocks[i], &knock);
		sequence_step(&w->automaton, nowhere, &w->progress, w->progress.word,
			      symbol_heard(w, &knock), 0, w->now, &step);
		assert_int_equal(step.kind, STEP_NONE);
		assert_true(step.word == w->progress.word && !step.matched);
		assert_memory_equal(&before, &w->progress, sizeof(before));
		/* The first was of a source without progress, the second is of one with it. */
		if (!i)
			expect(w, "7000", "");
	}
	/* Nor is anything that is too old its progress. */
	w->now += 26 * HZ;
	assert_int_equal(state_alive(&w->automaton, &w->progress, word_state(w->progress.word),
				     word_head(w->progress.word), w->now, nowhere), nowhere);
}

static void a_search_in_a_full_table_comes_to_its_end(void **state)
{
	struct world *w = world_with(state, "7000,8000", NULL, NULL);
	__u64 edge[32];
	struct automaton a = w->automaton;
	const __u32 root = 0;

	for (size_t i = 0; i < sizeof(edge) / sizeof(*edge); i++)
		edge[i] = (__u64)(STATE_MAX - 1) << 36 | 1 << STATE_BITS | root;
	a.edge = edge;
	a.edge_mask = sizeof(edge) / sizeof(*edge) - 1;
	for (__u32 symbol = 2; symbol < 100; symbol++) {
		assert_int_equal(edge_next(&a, root, symbol), 0);
		assert_int_equal(state_next(&a, root, symbol, root), root);
	}
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
	w->door = door_number(&t->compiled, &t->conf.door[door]);
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

static __u32 stream_of(const struct compiled *c, const struct conf_flags *flags)
{
	__u32 i = 0;

	while (i < c->settings.stream_count && (c->settings.stream[i].mask != flags->mask ||
						c->settings.stream[i].value != flags->value))
		i++;
	assert_true(i < c->settings.stream_count);
	return i;
}

/* What the model is to know of the tables just made: the stream of the first door. */
static void trial_ready(struct trial *t)
{
	t->automaton = automaton_from(&t->compiled);
	t->stream = stream_of(&t->compiled, &t->conf.door[0].flags);
	for (size_t d = 0; d < t->conf.door_count; d++) {
		if (!conf_flags_equal(&t->conf.door[d].flags, &t->conf.door[0].flags))
			continue;
		model_want(t, d, &t->conf.door[d].sequence, MATCH_OPEN);
		model_want(t, d, &t->conf.door[d].close_sequence, MATCH_CLOSE);
	}
}

/* Make random doors and their tables; false when they are too many at one knock. */
static bool trial_begin(struct trial *t)
{
	struct messages messages;
	int error;

	random_conf(t);
	messages_init(&messages, "random");
	error = compile_conf(&t->conf, t->hz, NULL, &t->compiled, &messages);
	assert_int_equal(error, messages.errors ? -EINVAL : 0);
	messages_free(&messages);
	if (error) {
		assert_true(too_many_matches(&t->conf));
		conf_free(&t->conf);
		return false;
	}
	assert_false(too_many_matches(&t->conf));
	trial_ready(t);
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
	__u32 root = t->stream;
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

/* One more knock, along @along from its place @at on; heard by code and model, and compared. */
static void trial_knock(struct trial *t, struct model *m, struct progress *p,
			const struct wanted **along, unsigned int *at, uint64_t *now)
{
	struct heard *knock = &t->heard[t->heard_count], next = {};
	uint32_t expected;
	uint16_t symbol;
	struct step step;
	bool counted;

	random_knock(t, along, at, &next);
	symbol = trial_symbol(t, next.knock);
	if (!symbol)
		return;
	*now = random_time(t, *now);
	*knock = next;
	knock->time = *now;
	t->heard_count++;
	counted = model_hear(m, knock->knock, knock->id, *now, &expected);
	sequence_step(&t->automaton, t->stream, p, p->word, symbol, knock->id, *now, &step);
	trial_compare(t, m, &step, p, counted, expected);
	p->word = step.word;
	t->openings += !!expected;
	t->repeats += !counted;
	t->late += step.kind == STEP_ADVANCED && !expected &&
		   t->compiled.state[step.state].match_count;
}

static void trial_stream(struct trial *t)
{
	struct progress p = { .word = word_make(t->stream, dice_below(&t->dice, 32), 0, TAG) };
	struct model m = t->model;
	const struct wanted *along = &m.wanted[dice_below(&t->dice, m.wanted_count)];
	unsigned int at = 0, length = 6 + dice_below(&t->dice, 14) + along->len;
	/* Every other stream begins shortly before the low 32 bits wrap. */
	uint64_t now = dice_below(&t->dice, 2) ? dice_word(&t->dice) >> 32 :
						 (1ULL << 32) - dice_below(&t->dice, 3 * m.longest);

	t->heard_count = 0;
	for (unsigned int i = 0; i < length; i++)
		trial_knock(t, &m, &p, &along, &at, &now);
}

static void random_streams_open_what_the_model_opens(void **state)
{
	struct trial *t = calloc(1, sizeof(*t));
	unsigned int streams = 0, configs = 0, all = rounds_of(1000000);

	(void)state;
	assert_non_null(t);
	t->dice.state = dice_seed();
	while (streams < all) {
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
	assert_true(t->openings > all);
	assert_true(t->repeats > all / 4);
	assert_true(t->late > all / 20);
	free(t);
}

/*
 * Without equal neighbours there are no repeats, and the definition is the whole model: the last n
 * knocks are the sequence, and from the first to the last of them no more than its time passed.
 */
static void without_repeats_only_the_last_n_knocks_and_their_time_matter(void **state)
{
	struct trial *t = calloc(1, sizeof(*t));
	unsigned int configs = rounds_of(4000);

	(void)state;
	assert_non_null(t);
	t->dice.state = dice_seed() + 1;
	for (unsigned int config = 0; config < configs; config++) {
		struct progress p = {};
		uint64_t now = dice_word(&t->dice) >> 32;

		if (!trial_begin(t))
			continue;
		p.word = word_make(0, 0, 0, TAG);
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
			sequence_step(&t->automaton, 0, &p, p.word, trial_symbol(t, knock->knock),
				      0, now, &step);
			if (expected != step_opened(t, &step))
				trial_fail(t, "the set of complete sequences", expected,
					   step_opened(t, &step));
			p.word = step.word;
			t->openings += !!expected;
		}
		trial_end(t);
	}
	assert_true(t->openings > configs);
	free(t);
}

/* ---- the automaton ---- */

/* One sequence, as the automaton must have it. */
struct pattern {
	__u16 symbol[KNOCKD_SEQUENCE_MAX];
	__u32 len;
	__u32 stream;
	__u32 timeout; /* jiffies */
	__u16 door;
	enum match_action action;
};

/* All sequences of a config; its pattern is to be freed. */
struct patterns {
	struct pattern *at;
	size_t count;
};

static void pattern_add(struct patterns *patterns, const struct compiled *c,
			const struct conf_door *door, const struct conf_sequence *sequence,
			enum match_action action)
{
	struct pattern *p = &patterns->at[patterns->count];

	if (!sequence->len)
		return;
	patterns->count++;
	p->len = sequence->len;
	for (unsigned int i = 0; i < p->len; i++) {
		size_t port = port_index_of(sequence->knock[i].proto, sequence->knock[i].number);

		p->symbol[i] = c->port[port].symbol;
		assert_int_not_equal(p->symbol[i], 0);
	}
	p->stream = stream_of(c, &door->flags);
	p->timeout = door->seq_timeout_s * c->settings.second;
	p->door = door_number(c, door);
	p->action = action;
}

static struct patterns patterns_of(const struct compiled *c, const struct conf *conf)
{
	struct patterns p = { .at = calloc(2 * conf->door_count, sizeof(*p.at)) };

	assert_non_null(p.at);
	for (size_t d = 0; d < conf->door_count; d++) {
		const struct conf_door *door = &conf->door[d];

		pattern_add(&p, c, door, &door->sequence, MATCH_OPEN);
		pattern_add(&p, c, door, &door->close_sequence, MATCH_CLOSE);
	}
	return p;
}

/* The state of the knocks @symbol in @stream, or 0 where no sequence begins so. */
static __u32 state_of(const struct compiled *c, __u32 stream, const __u16 *symbol, __u32 len)
{
	struct automaton a = automaton_from(c);
	__u32 state = stream;

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

static void check_fail(const struct compiled *c, const struct patterns *all,
			const struct pattern *of, __u32 len)
{
	__u32 state = state_of(c, of->stream, of->symbol, len), expected;

	for (__u32 skip = 1; skip <= len; skip++) {
		for (size_t i = 0; i < all->count; i++) {
			if (!pattern_begins(&all->at[i], of->stream, of->symbol + skip,
					    len - skip))
				continue;
			expected = state_of(c, of->stream, of->symbol + skip, len - skip);
			assert_int_equal(c->state[state].fail, expected);
			return;
		}
	}
	fail();
}

static void check_timeout(const struct compiled *c, const struct patterns *all,
			const struct pattern *of, __u32 len)
{
	__u32 state = state_of(c, of->stream, of->symbol, len), longest = 0;

	for (size_t i = 0; i < all->count; i++)
		if (pattern_begins(&all->at[i], of->stream, of->symbol, len) &&
		    all->at[i].timeout > longest)
			longest = all->at[i].timeout;
	assert_int_equal(c->state[state].timeout, longest);
}

static void check_matches(const struct compiled *c, const struct patterns *all,
			const struct pattern *of, __u32 len)
{
	const struct state *s = &c->state[state_of(c, of->stream, of->symbol, len)];
	unsigned int expected = 0, found = 0;

	for (size_t i = 0; i < all->count; i++) {
		const struct pattern *p = &all->at[i];

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

static void check_advances(const struct compiled *c, const struct patterns *all,
			const struct pattern *of, __u32 len)
{
	const struct state *s = &c->state[state_of(c, of->stream, of->symbol, len)];
	bool advances = false;

	for (size_t i = 0; i < all->count && len; i++) {
		const struct pattern *p = &all->at[i];
		__u32 tail = p->len - 1 < len ? p->len - 1 : len;

		if (p->stream != of->stream)
			continue;
		while (!pattern_begins(p, of->stream, of->symbol + len - tail, tail))
			tail--;
		advances |= p->symbol[tail] == of->symbol[len - 1];
	}
	assert_int_equal(s->advances, advances);
}

/* The state beside one is its next where an edge says so too, and of no other. */
static void check_beside(const struct compiled *c)
{
	struct automaton a = automaton_from(c);

	for (__u32 i = 0; i < c->settings.state_count; i++) {
		const struct state *s = &c->state[i];
		bool in_force = s->depth && !s->removed;

		if (!i)
			assert_false(s->beside);
		else
			assert_int_equal(s->beside, in_force && c->path[i].parent == i - 1);
		for (__u32 from = 0; in_force && from < c->settings.state_count; from++) {
			__u32 to = state_beside(&a, from, s->symbol);

			assert_true(!to || to == edge_next(&a, from, s->symbol));
		}
	}
}

/* Where the state comes from, as the next config is to know it. */
static void check_path(const struct compiled *c, const struct pattern *of, __u32 len)
{
	__u32 state = state_of(c, of->stream, of->symbol, len);
	const struct path *path = &c->path[state];

	assert_int_equal(path->used, 1);
	assert_true(!path->until);
	assert_int_equal(path->timeout, c->state[of->stream].timeout);
	if (!len) {
		assert_int_equal(path->parent, state);
		return;
	}
	assert_int_equal(path->parent, state_of(c, of->stream, of->symbol, len - 1));
	assert_int_equal(c->port[path->port].symbol, of->symbol[len - 1]);
}

/* @all is in file order. */
static void check_stage(const struct compiled *c, const struct patterns *all,
			const struct pattern *of, __u32 len)
{
	const struct stage *stage = &c->stage[state_of(c, of->stream, of->symbol, len)];
	__u8 count = 0;

	assert_int_equal(stage->depth, len);
	for (size_t i = 0; len && i < all->count && count < STAGE_DOORS_MAX; i++)
		if (all->at[i].action == MATCH_OPEN &&
		    pattern_begins(&all->at[i], of->stream, of->symbol, len))
			assert_int_equal(stage->door[count++], all->at[i].door);
	assert_int_equal(stage->count, count);
}

/* Every state in force against its definition, and none beside those. */
static void check_automaton(const struct compiled *c, const struct conf *conf)
{
	struct patterns all = patterns_of(c, conf);
	__u8 *seen = calloc(c->settings.state_count, 1);

	assert_non_null(seen);
	for (size_t i = 0; i < all.count; i++) {
		const struct pattern *p = &all.at[i];

		for (__u32 len = 0; len <= p->len; len++) {
			__u32 at = state_of(c, p->stream, p->symbol, len);

			assert_int_equal(c->state[at].depth, len);
			assert_int_equal(c->state[at].symbol, len ? p->symbol[len - 1] : 0);
			assert_int_equal(c->state[at].removed, 0);
			seen[at] = 1;
			if (len)
				check_fail(c, &all, p, len);
			check_timeout(c, &all, p, len);
			check_matches(c, &all, p, len);
			check_advances(c, &all, p, len);
			check_path(c, p, len);
			check_stage(c, &all, p, len);
		}
	}
	check_beside(c);
	for (__u32 i = KNOCKD_STREAMS_MAX; i < c->settings.state_count; i++) {
		if (!seen[i])
			assert_true(!c->state[i].depth || c->state[i].removed);
		if (c->state[i].removed)
			assert_int_equal(c->state[i].match_count | c->state[i].advances, 0);
		if (!seen[i])
			assert_int_equal(c->stage[i].depth | c->stage[i].count, 0);
	}
	free(seen);
	free(all.at);
}

static void every_state_is_what_its_definition_says(void **state)
{
	struct trial *t = calloc(1, sizeof(*t));
	unsigned int configs = rounds_of(2000);

	(void)state;
	assert_non_null(t);
	t->dice.state = dice_seed() + 2;
	for (unsigned int config = 0; config < configs; config++) {
		if (!trial_begin(t))
			continue;
		check_automaton(&t->compiled, &t->conf);
		for (__u32 i = KNOCKD_STREAMS_MAX; i < t->compiled.settings.state_count; i++) {
			__u32 parent = t->compiled.path[i].parent;

			assert_false(t->compiled.state[i].removed);
			/* Of a config without heritage each run has one that goes on beside it. */
			if (parent >= KNOCKD_STREAMS_MAX)
				assert_true(t->compiled.state[parent + 1].beside);
		}
		trial_end(t);
	}
	free(t);
}

/* ---- one config after another ---- */

enum { PLANS = 10, RELOADS = 8 };

/* A door as some configs have it. */
struct plan {
	char name[2];
	struct conf_sequence sequence, close_sequence;
	struct conf_flags flags;
	uint32_t timeout_s;
	bool in; /* the config in force */
};

/* Knocks that go on while configs come and go. */
struct history {
	struct trial t;
	struct plan plan[PLANS];
	struct progress progress;
	struct model model;
	struct wanted along; /* of some config, maybe not the one in force */
	uint64_t now;
	size_t reloaded;     /* knocks heard before the latest reload */
	uint64_t crossed;    /* openings by knocks before and after a reload */
	uint64_t shortened, returned, reloads;
};

static void plan_sequence(struct history *h, struct conf_sequence *sequence)
{
	struct dice *dice = &h->t.dice;
	const struct conf_sequence *from = &h->plan[dice_below(dice, PLANS)].sequence;
	unsigned int skip = dice_below(dice, 3);

	sequence->len = 1 + dice_below(dice, 6);
	for (unsigned int i = 0; i < sequence->len; i++)
		sequence->knock[i] = alphabet[dice_below(dice, h->t.symbols)];
	/* Often a variation on a part of another door's. */
	for (unsigned int i = 0; i < sequence->len && i + skip < from->len; i++)
		if (dice_below(dice, 4))
			sequence->knock[i] = from->knock[i + skip];
}

/* The first plan is of the stream that is heard, and in every config. */
static void plan_make(struct history *h, struct plan *plan)
{
	struct dice *dice = &h->t.dice;
	struct plan new = { .name = { 'A' + dice_below(dice, 5) }, .in = plan->in };
	uint32_t aside = plan == h->plan ? 0 : dice_below(dice, 12);

	plan_sequence(h, &new.sequence);
	if (!dice_below(dice, 4))
		plan_sequence(h, &new.close_sequence);
	new.timeout_s = 1 + dice_below(dice, 30);
	new.flags = (struct conf_flags){
		.mask = CONF_TCP_SYN | CONF_TCP_ACK,
		.value = aside == 1 ? CONF_TCP_ACK : aside == 2 ? 0 : CONF_TCP_SYN,
	};
	*plan = new;
}

static void plans_change(struct history *h)
{
	struct dice *dice = &h->t.dice;

	for (uint32_t changes = 1 + dice_below(dice, 4); changes; changes--) {
		struct plan *plan = &h->plan[dice_below(dice, PLANS)];

		if (!dice_below(dice, 3))
			plan_make(h, plan);
		else
			plan->in = !plan->in;
	}
	h->plan[0].in = true;
}

/* @steady: with a door aside of the longest Seq_Timeout, so that no config has a longer one. */
static void plans_conf(const struct history *h, struct conf *conf, bool steady)
{
	conf_init(conf, "plans");
	for (int i = 0; i < PLANS; i++) {
		const struct plan *plan = &h->plan[i];
		struct conf_door *door;

		if (!plan->in)
			continue;
		door = conf_door_add(conf, plan->name, 1 + conf->door_count);
		assert_non_null(door);
		door->sequence = plan->sequence;
		door->close_sequence = plan->close_sequence;
		door->flags = plan->flags;
		door->seq_timeout_s = plan->timeout_s;
	}
	if (steady)
		door_add(conf, "65535:udp", 30)->flags.mask = CONF_TCP_FIN;
}

/* The flags and ports that lead to @state, and how many in all; 0: it has no way. */
static size_t way_of(const struct compiled *c, __u32 state, __u32 way[KNOCKD_SEQUENCE_MAX + 1])
{
	size_t len = 0;

	if (state >= c->settings.state_count || !c->path[state].used)
		return 0;
	for (__u32 at = state; at >= KNOCKD_STREAMS_MAX; at = c->path[at].parent, len++)
		assert_true(c->path[at].used && len < KNOCKD_SEQUENCE_MAX);
	for (size_t i = len; i; i--, state = c->path[state].parent)
		way[i] = c->path[state].port;
	assert_int_equal(c->path[state].parent, state);
	assert_true(c->path[state].used);
	way[0] = (__u32)c->settings.stream[state].mask << 8 | c->settings.stream[state].value;
	return len + 1;
}

static bool ways_equal(const struct compiled *a, __u32 state_a, const struct compiled *b,
		       __u32 state_b)
{
	__u32 way_a[KNOCKD_SEQUENCE_MAX + 1], way_b[KNOCKD_SEQUENCE_MAX + 1];
	size_t len = way_of(a, state_a, way_a);

	return len == way_of(b, state_b, way_b) && !memcmp(way_a, way_b, len * sizeof(*way_a));
}

static bool path_in_force(const struct path *path)
{
	return path->used && !path->until;
}

/* The longest part of the end of a removed state's way that is in force. */
static void check_removed(const struct compiled *c, __u32 state)
{
	__u32 way[KNOCKD_SEQUENCE_MAX + 1], root = state;
	size_t len = way_of(c, state, way);
	struct automaton a = automaton_from(c);

	while (root >= KNOCKD_STREAMS_MAX)
		root = c->path[root].parent;
	assert_int_equal(c->state[state].depth, len - 1);
	for (size_t skip = 2; skip <= len; skip++) {
		__u32 at = root;

		for (size_t i = skip; i < len && (at || i == skip); i++)
			at = edge_next(&a, at, c->port[way[i]].symbol);
		if (!at && skip < len)
			continue;
		assert_int_equal(c->state[state].fail, at);
		return;
	}
	fail();
}

/* No number means two things in two configs that follow each other. */
static void check_numbers(const struct compiled *old, const struct compiled *new, uint64_t now,
			  uint64_t longest)
{
	for (__u32 i = 0; i < new->settings.state_count; i++) {
		const struct path *was = &old->path[i], *is = &new->path[i];

		if (i >= KNOCKD_STREAMS_MAX && is->until && is->used) {
			assert_true(is->until >= now);
			check_removed(new, i);
		}
		if (i >= old->settings.state_count)
			continue;
		if (was->used && is->used && i >= KNOCKD_STREAMS_MAX)
			assert_true(ways_equal(old, i, new, i));
		if (i >= KNOCKD_STREAMS_MAX && is->used && !was->used)
			assert_true(!was->until || was->until + longest < now);
		/* What can be alive is remembered, what is remembered is never cut short. */
		if (was->used && !is->used)
			assert_true(was->until && was->until < now);
		if (was->until && is->used && is->until)
			assert_true(is->until >= was->until);
		if (path_in_force(was) && !path_in_force(is))
			assert_true(is->until >= now + was->timeout);
	}
	for (__u32 i = new->settings.state_count; i < old->settings.state_count; i++)
		assert_true(!path_in_force(&old->path[i]) && old->path[i].until < now);
	for (__u32 i = 0; i < new->settings.door_count && i < old->settings.door_count; i++)
		if (new->name[i].used && old->name[i].used)
			assert_memory_equal(&new->name[i], &old->name[i], sizeof(*new->name));
}

/* Two configs give what both have the same number. */
static void check_kept(const struct compiled *old, const struct compiled *new,
		       const struct conf *conf)
{
	for (__u32 i = 0; i < new->settings.state_count; i++)
		for (__u32 k = 0; k < old->settings.state_count; k++)
			if (i != k && new->path[i].used && old->path[k].used &&
			    new->state[i].depth == old->state[k].depth &&
			    new->path[i].port == old->path[k].port)
				assert_false(ways_equal(new, i, old, k));
	for (size_t d = 0; d < conf->door_count; d++) {
		int was = door_number(old, &conf->door[d]), is = door_number(new, &conf->door[d]);

		assert_true(is >= 0 && (was < 0 || was == is));
	}
}

/* How much of the source's knocks counts at this moment. */
static __u8 history_depth(const struct history *h)
{
	const struct trial *t = &h->t;
	__u32 alive = state_alive(&t->automaton, &h->progress, word_state(h->progress.word),
				  word_head(h->progress.word), h->now, t->stream);

	return t->compiled.state[alive].depth;
}

/* Put the plans in force; false when they are too many at one knock. */
static bool history_reload(struct history *h, bool steady)
{
	struct trial *t = &h->t;
	struct compiled before = t->compiled;
	struct heritage heritage = heritage_from(&before, h->now + 1);
	struct messages messages;
	struct conf conf;
	int error;

	plans_conf(h, &conf, steady);
	messages_init(&messages, "plans");
	error = compile_conf(&conf, t->hz, before.path ? &heritage : NULL, &t->compiled, &messages);
	assert_int_equal(error, messages.errors ? -EINVAL : 0);
	messages_free(&messages);
	assert_int_equal(too_many_matches(&conf), !!error);
	if (error) {
		conf_free(&conf);
		return false;
	}
	if (before.path) {
		uint64_t longest = 0;

		for (size_t d = 0; d < conf.door_count; d++)
			if (conf.door[d].seq_timeout_s * t->hz > longest)
				longest = conf.door[d].seq_timeout_s * t->hz;
		check_numbers(&before, &t->compiled, h->now + 1, longest);
		check_kept(&before, &t->compiled, &conf);
		check_automaton(&t->compiled, &conf);
		conf_free(&t->conf);
		compiled_free(&before);
	}
	t->conf = conf;
	memset(&t->model, 0, sizeof(t->model));
	trial_ready(t);
	memcpy(h->model.wanted, t->model.wanted, sizeof(h->model.wanted));
	h->model.wanted_count = t->model.wanted_count;
	h->model.longest = t->model.longest;
	h->reloaded = t->heard_count;
	h->reloads++;
	return true;
}

static void history_begin(struct history *h, bool steady)
{
	static const unsigned int rates[] = { 1, 7, 100, 250, 1000 };
	struct trial *t = &h->t;

	memset(h->plan, 0, sizeof(h->plan));
	memset(&h->model, 0, sizeof(h->model));
	memset(&h->progress, 0, sizeof(h->progress));
	t->heard_count = 0;
	t->hz = rates[dice_below(&t->dice, sizeof(rates) / sizeof(*rates))];
	t->symbols = 2 + dice_below(&t->dice, ALPHABET - 1);
	h->now = dice_below(&t->dice, 2) ? (dice_word(&t->dice) >> 24) + (1 << 20) :
					   (1ULL << 32) - dice_below(&t->dice, 60 * t->hz);
	do {
		for (int i = 0; i < PLANS; i++) {
			plan_make(h, &h->plan[i]);
			h->plan[i].in = !i || dice_below(&t->dice, 2);
		}
	} while (!history_reload(h, steady));
	h->progress.word = word_make(t->stream, 0, 0, TAG);
	h->along = t->model.wanted[0];
}

static void history_end(struct history *h)
{
	trial_end(&h->t);
	memset(&h->t.compiled, 0, sizeof(h->t.compiled));
}

/* Now and then nobody knocks for longer than anything is remembered. */
static void history_wait(struct history *h)
{
	uint32_t kind = dice_below(&h->t.dice, 16);

	if (kind < 2)
		h->now += dice_below(&h->t.dice, 40 * h->t.hz);
	else if (kind == 2)
		h->now += dice_below(&h->t.dice, 400 * h->t.hz);
}

static void history_change(struct history *h, bool steady)
{
	__u8 before = history_depth(h), after;

	history_wait(h);
	plans_change(h);
	if (!history_reload(h, steady))
		return;
	after = history_depth(h);
	h->shortened += after && after < before;
	h->returned += after > before;
}

/*
 * Whatever configs follow each other, knocks do what the model says, which knows no numbers: it
 * keeps the knocks themselves and compares their tail with the sequences in force.
 */
static void knocks_mean_the_same_under_every_config(void **state)
{
	struct history *h = calloc(1, sizeof(*h));
	struct trial *t = &h->t;
	unsigned int rounds = rounds_of(ROUNDS);

	(void)state;
	assert_non_null(h);
	t->dice.state = dice_seed() + 4;
	for (unsigned int round = 0; round < rounds; round++) {
		const struct wanted *along = &h->along;
		unsigned int at = 0;

		history_begin(h, true);
		for (int reload = 0; reload < RELOADS; reload++) {
			uint32_t knocks = dice_below(&t->dice, 3) ? dice_below(&t->dice, 14) : 0;

			for (; knocks; knocks--) {
				uint64_t openings = t->openings;
				size_t len;

				trial_knock(t, &h->model, &h->progress, &along, &at, &h->now);
				len = along->len;
				h->crossed += t->openings > openings && len <= t->heard_count &&
					      t->heard_count - len < h->reloaded &&
					      h->reloaded < t->heard_count;
			}
			/* Go on along what was begun, even if it is no door's any more. */
			h->along = *along;
			along = &h->along;
			history_change(h, true);
		}
		history_end(h);
	}
	print_message("%llu reloads: %llu knocks opened, %llu with knocks of before; %llu runs "
		      "shortened, %llu known again\n", (unsigned long long)h->reloads,
		      (unsigned long long)t->openings, (unsigned long long)h->crossed,
		      (unsigned long long)h->shortened, (unsigned long long)h->returned);
	assert_true(h->crossed > rounds / 10);
	assert_true(h->shortened > rounds / 50);
	assert_true(h->returned > rounds / 100);
	free(h);
}

/* Were the last knocks, from the first to the last of them in time, those that @w wants? */
static bool heard_all(const struct trial *t, const struct wanted *w)
{
	const struct heard *last = &t->heard[t->heard_count - 1];

	if (w->len > t->heard_count || last->time - last[1 - (int)w->len].time > w->timeout)
		return false;
	for (unsigned int i = 0; i < w->len; i++)
		if (last[1 + (int)i - (int)w->len].knock != w->knock[i])
			return false;
	return true;
}

/*
 * Where a config has a longer Seq_Timeout than those before it, runs that were too old when they
 * left are not known again. But nothing ever opens that was not knocked, knock by knock.
 */
static void no_config_opens_what_was_not_knocked(void **state)
{
	struct history *h = calloc(1, sizeof(*h));
	struct trial *t = &h->t;
	unsigned int rounds = rounds_of(ROUNDS);

	(void)state;
	assert_non_null(h);
	t->dice.state = dice_seed() + 5;
	for (unsigned int round = 0; round < rounds; round++) {
		const struct wanted *along = &h->along;
		unsigned int at = 0;

		history_begin(h, false);
		while (t->heard_count < HEARD_MAX - 1) {
			struct heard next = {};
			struct step step;
			uint32_t opened;

			if (!dice_below(&t->dice, 10)) {
				h->along = *along;
				along = &h->along;
				history_change(h, false);
			}
			random_knock(t, &along, &at, &next);
			/* Without equal neighbours there are no repeats. */
			if (!trial_symbol(t, next.knock) ||
			    (t->heard_count &&
			     t->heard[t->heard_count - 1].knock == next.knock)) {
				if (dice_below(&t->dice, 64))
					continue;
				break;
			}
			h->now = next.time = random_time(t, h->now);
			t->heard[t->heard_count++] = next;
			sequence_step(&t->automaton, t->stream, &h->progress, h->progress.word,
				      trial_symbol(t, next.knock), 0, h->now, &step);
			h->progress.word = step.word;
			opened = step_opened(t, &step);
			for (size_t w = 0; w < t->model.wanted_count; w++)
				if (opened >> w & 1 && !heard_all(t, &t->model.wanted[w]))
					trial_fail(t, "the set of complete sequences",
						   opened & ~(1U << w), opened);
			t->openings += !!opened;
		}
		history_end(h);
	}
	assert_true(t->openings > rounds);
	free(h);
}

static void every_edge_of_4096_doors_is_found_within_its_probes(void **state)
{
	struct dice dice = { dice_seed() + 3 };
	struct messages messages;
	struct compiled c = {};
	struct automaton a;
	struct conf conf;
	struct patterns all;
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
	assert_int_equal(compile_conf(&conf, HZ, NULL, &c, &messages), 0);
	a = automaton_from(&c);
	all = patterns_of(&c, &conf);
	for (size_t i = 0; i < all.count; i++) {
		__u32 at = 0;

		for (__u32 k = 0; k < all.at[i].len; k++) {
			at = edge_next(&a, at, all.at[i].symbol[k]);
			assert_int_not_equal(at, 0);
			assert_int_equal(c.state[at].depth, k + 1);
		}
		/* And there is none where there should be none. */
		assert_int_equal(edge_next(&a, at, all.at[i].symbol[0]), 0);
	}
	for (__u32 i = 0; i <= c.settings.edge_mask; i++)
		used += !!c.edge[i];
	assert_int_equal(used, c.settings.state_count - KNOCKD_STREAMS_MAX);
	free(all.at);
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
		IN_A_WORLD(another_cpu_may_have_a_later_time),
		IN_A_WORLD(a_run_of_equal_knocks_grows_old_as_a_whole),
		IN_A_WORLD(a_source_that_never_knocked_has_no_age),
		IN_A_WORLD(what_was_begun_goes_on_after_a_reload),
		IN_A_WORLD(a_sequence_that_is_gone_opens_nothing),
		IN_A_WORLD(a_run_that_is_gone_falls_back_to_its_longest_end),
		IN_A_WORLD(a_run_that_comes_back_is_known_again),
		IN_A_WORLD(a_doubled_knock_may_cease_to_advance),
		IN_A_WORLD(a_retransmission_is_known_again_after_a_reload),
		cmocka_unit_test(the_word_keeps_its_parts_apart),
		IN_A_WORLD(a_state_that_does_not_exist_is_no_progress),
		IN_A_WORLD(of_all_words_that_there_can_be_none_skips_a_knock),
		IN_A_WORLD(an_edge_to_no_state_is_a_wrong_knock),
		IN_A_WORLD(a_state_whose_match_is_missing_opens_nothing),
		IN_A_WORLD(without_its_root_a_stream_hears_nothing),
		IN_A_WORLD(a_search_in_a_full_table_comes_to_its_end),
		cmocka_unit_test(random_streams_open_what_the_model_opens),
		cmocka_unit_test(without_repeats_only_the_last_n_knocks_and_their_time_matter),
		cmocka_unit_test(every_state_is_what_its_definition_says),
		cmocka_unit_test(knocks_mean_the_same_under_every_config),
		cmocka_unit_test(no_config_opens_what_was_not_knocked),
		cmocka_unit_test(every_edge_of_4096_doors_is_found_within_its_probes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
