// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One-time sequences: each opens its door once, whoever knocks it, and whatever the daemon does.
 */
#include "harness.h"

#include <pthread.h>

#define OPTIONS SMALL_TABLES

#define SECRET                                                                                     \
	"[secret]\n"                                                                               \
	"	One_Time_Sequences = /nowhere/list\n"                                              \
	"	Close_Sequence = 8500,7500\n"                                                      \
	"	Open = 22\n"

/* The same list at another door: another door's sequence. */
#define TWIN                                                                                       \
	"[twin]\n"                                                                                 \
	"	One_Time_Sequences = /nowhere/list\n"                                              \
	"	Open = 23\n"

#define PLAIN                                                                                      \
	"[plain]\n"                                                                                \
	"	Sequence = 1000,2000\n"                                                            \
	"	Open = 25\n"

#define FIRST .once = "7000,8000", .once_line = 3
#define SECOND .once = "7100,8100", .once_line = 4

static const struct setup first = { .conf = OPTIONS SECRET PLAIN, FIRST };
static const struct setup second = { .conf = OPTIONS SECRET PLAIN, SECOND, .former = &first };
static const struct setup reloaded = { .conf = OPTIONS SECRET PLAIN, FIRST, .former = &first };
static const struct setup other_line = { .conf = OPTIONS SECRET PLAIN, .once = "7000,8000",
					 .once_line = 9, .former = &first };
static const struct setup exhausted = { .conf = OPTIONS SECRET PLAIN, .once = "",
					.former = &first };
static const struct setup twins = { .conf = OPTIONS SECRET TWIN, FIRST };
static const struct setup on_trial = { .conf = OPTIONS SECRET PLAIN, FIRST, .former = &first,
				       .trial = true };

static const struct setup knocking_from = { .conf = OPTIONS SECRET
	"	Knock_From = 198.51.100.77, 2001:db8:77::77\n"
	PLAIN, FIRST };


static __u64 once_of(const struct world *w)
{
	return w->compiled.door[0].once;
}

static __u64 spent(const struct world *w, __u32 door)
{
	__u64 name;

	assert_int_equal(0, bpf_map_lookup_elem(w->generation.map[MAP_spent], &door, &name));
	return name;
}

static void task_only(struct world *w, enum event_kind kind)
{
	tasks_read(w);
	assert_int_equal(1, w->task_count);
	assert_int_equal(kind, w->task[0].kind);
	assert_int_equal(0, w->task[0].door);
}

static void no_task(struct world *w)
{
	tasks_read(w);
	assert_int_equal(0, w->task_count);
}

/* ---- once ---- */

static void a_sequence_opens_once(struct world *w)
{
	assert_int_equal(0, spent(w, 0));
	knock_opens(w, "7000,8000");
	assert_true(once_of(w));
	assert_true(spent(w, 0) == once_of(w));
	task_only(w, EVENT_OPENED);
	port_open(w, 22);
	knock_noting(w, "7000,8000", note(REASON_REFUSED_SPENT));
	port_open(w, 22);
	time_pass(w, 31);
	port_closed(w, 22);
	knock_noting(w, "7000,8000", note(REASON_REFUSED_SPENT));
	port_closed(w, 22);
}

static void a_sequence_that_was_used_opens_for_nobody_else(struct world *w)
{
	knock_opens(w, "7000,8000");
	w->source = w->a->neighbour;
	knock_noting(w, "7000,8000", note(REASON_REFUSED_SPENT));
	port_closed(w, 22);
	w->family = w->family == 4 ? 6 : 4;
	w->a = w->family == 4 ? &addresses4 : &addresses6;
	w->source = w->a->stranger;
	w->destination = w->a->host;
	knock_noting(w, "7000,8000", note(REASON_REFUSED_SPENT));
	port_closed(w, 22);
}

static void a_second_use_is_told_but_asks_for_nothing(struct world *w)
{
	const struct event *event;

	knock_opens(w, "7000,8000");
	task_only(w, EVENT_OPENED);
	events_read(w);
	knock_noting(w, "7000,8000", note(REASON_REFUSED_SPENT));
	events_read(w);
	assert_true(w->events > 0);
	event = &w->event[w->events - 1];
	assert_int_equal(EVENT_REFUSED, event->kind);
	assert_int_equal(REASON_REFUSED_SPENT, event->reason);
	assert_int_equal(0, event->door);
	/* Who saw the knocks may send them as often as he likes: no work for the helper. */
	no_task(w);
}

static void closing_gives_no_second_use(struct world *w)
{
	knock_opens(w, "7000,8000");
	knock_noting(w, "8500,7500", note(REASON_CLOSED_BY_KNOCK));
	port_closed(w, 22);
	knock_noting(w, "7000,8000", note(REASON_REFUSED_SPENT));
	port_closed(w, 22);
}

static void other_doors_open_as_ever(struct world *w)
{
	for (int i = 0; i < 3; i++)
		knock_opens(w, "1000,2000");
	knock_opens(w, "7000,8000");
	knock_opens(w, "1000,2000");
	assert_int_equal(0, spent(w, 1));
}

static void each_door_has_its_own_list(struct world *w)
{
	/* Both complete by the same knocks, and each for itself. */
	knock_opens(w, "7000,8000");
	port_open(w, 22);
	port_open(w, 23);
	assert_true(spent(w, 0) && spent(w, 1));
	time_pass(w, 31);
	knock_noting(w, "7000,8000", note(REASON_REFUSED_SPENT));
	port_closed(w, 22);
	port_closed(w, 23);
}

static void an_order_uses_no_sequence(struct world *w)
{
	struct order_form form = { .order = ORDER_OPEN, .source = { .family = w->family },
				   .time = 10 * w->hz, .who = "root" };
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &form, .ctx_size_in = sizeof(form));

	address_read((void *)form.source.word_be, w->source, w->family);
	assert_int_equal(0, bpf_prog_test_run_opts(w->generation.order, &options));
	assert_int_equal(ORDER_DONE, options.retval);
	port_open(w, 22);
	assert_int_equal(0, spent(w, 0));
	knock_opens(w, "7000,8000");
}

/* ---- refused ---- */

static void who_may_not_knock_uses_no_sequence(struct world *w)
{
	w->source = w->a->neighbour;
	knock_noting(w, "7000,8000", note(REASON_REFUSED_SOURCE));
	assert_int_equal(0, spent(w, 0));
	no_task(w);
	w->source = w->a->stranger;
	knock_opens(w, "7000,8000");
	port_open(w, 22);
}

/* All the world has seen it. */
static void a_sequence_without_a_grant_to_be_had_is_used(struct world *w)
{
	/* The window that holds now, with as many grants as there may be. */
	__u64 quota, window = w->compiled.door[0].window;
	__u32 door = 0;

	quota = clock_now(w) / window << 2 * QUOTA_COUNT_BITS | QUOTA_COUNT_MAX;
	assert_int_equal(0, bpf_map_update_elem(w->generation.map[MAP_quotas], &door, &quota,
						BPF_ANY));
	knock_noting(w, "7000,8000", note(REASON_REFUSED_QUOTA));
	assert_true(spent(w, 0) == once_of(w));
	task_only(w, EVENT_REFUSED);
	quota = 0;
	assert_int_equal(0, bpf_map_update_elem(w->generation.map[MAP_quotas], &door, &quota,
						BPF_ANY));
	knock_noting(w, "7000,8000", note(REASON_REFUSED_SPENT));
	port_closed(w, 22);
}

/* ---- reloads ---- */

/* Forget what fixtures before have used. */
static void spent_none(struct world *w)
{
	__u64 none = 0;
	__u32 door = 0;

	assert_int_equal(0, bpf_map_update_elem(w->generation.map[MAP_spent], &door, &none,
						BPF_ANY));
}

static void the_next_sequence_opens(struct world *w)
{
	spent_none(w);
	knock_opens(w->former, "7000,8000");
	knock_noting(w, "7000,8000", 0);
	knock_opens(w, "7100,8100");
	port_open(w, 22);
	knock_noting(w, "7100,8100", note(REASON_REFUSED_SPENT));
}

static void a_reload_gives_no_second_use(struct world *w)
{
	spent_none(w);
	knock_opens(w->former, "7000,8000");
	time_pass(w, 31);
	assert_true(spent(w, 0) == once_of(w));
	knock_noting(w, "7000,8000", note(REASON_REFUSED_SPENT));
	port_closed(w, 22);
}

static void the_same_knocks_on_another_line_are_another_sequence(struct world *w)
{
	spent_none(w);
	knock_opens(w->former, "7000,8000");
	knock_opens(w, "7000,8000");
	knock_noting(w, "7000,8000", note(REASON_REFUSED_SPENT));
}

static void an_exhausted_door_stays_closed(struct world *w)
{
	port_closed(w, 22);
	knock_noting(w, "7000,8000", 0);
	knock_noting(w, "7100,8100", 0);
	port_closed(w, 22);
	knock_opens(w, "1000,2000");
	port_open(w, 25);
}

static void a_trial_gives_no_second_use(struct world *w)
{
	spent_none(w);
	w->on_trial = true;
	knock_opens(w, "7000,8000");
	deadline_set(w, 1);
	/* The config before judges again. */
	knock_noting(w, "7000,8000", note(REASON_REFUSED_SPENT));
}

/* ---- two CPUs ---- */

enum { ROUNDS = 3000 };

/* Each gives its frame in the same moment of each round. */
struct knocker {
	const struct world *w;
	struct frame first, last;
	unsigned int cpu;
	volatile unsigned int *round;
	unsigned int done;
};

static void *knocker_run(void *data)
{
	struct knocker *k = data;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(k->cpu, &cpus);
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	for (unsigned int round = 1; round <= ROUNDS; round++) {
		while (*k->round < round)
			sched_yield();
		frame_run(k->w, &k->last, 1);
		__atomic_store_n(&k->done, round, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void two_cpus_open_once(struct world *w)
{
	const char *const source[] = { w->a->stranger, w->a->neighbour };
	__u64 before[REASON_COUNT], after[REASON_COUNT];
	volatile unsigned int now = 0;
	struct knocker knocker[2];
	pthread_t thread[2];

	for (int i = 0; i < 2; i++) {
		w->source = source[i];
		knocker[i] = (struct knocker){ .w = w, .cpu = i, .round = &now,
					       .first = segment(w, 7000, SYN),
					       .last = segment(w, 8000, SYN) };
		assert_int_equal(0, pthread_create(&thread[i], NULL, knocker_run, &knocker[i]));
	}
	counters_read(w, before);
	for (unsigned int round = 1; round <= ROUNDS; round++) {
		spent_none(w);
		for (int i = 0; i < 2; i++) {
			/* Another segment each time, else it is one that was sent again. */
			frame_sequence(&knocker[i].first, 2 * round);
			frame_sequence(&knocker[i].last, 2 * round + 1);
			frame_run(w, &knocker[i].first, 1);
		}
		__atomic_store_n(&now, round, __ATOMIC_SEQ_CST);
		for (int i = 0; i < 2; i++)
			while (__atomic_load_n(&knocker[i].done, __ATOMIC_SEQ_CST) < round)
				sched_yield();
	}
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	counters_read(w, after);
	assert_int_equal(ROUNDS, after[REASON_OPENED] - before[REASON_OPENED]);
	assert_int_equal(ROUNDS, after[REASON_REFUSED_SPENT] - before[REASON_REFUSED_SPENT]);
}

static const struct fixture fixtures[] = {
	{ "a one-time sequence opens once", &first, .run = a_sequence_opens_once },
	{ "a one-time sequence that was used opens for nobody else", &first,
	  .run = a_sequence_that_was_used_opens_for_nobody_else },
	{ "a second use is told, but asks for nothing", &first,
	  .run = a_second_use_is_told_but_asks_for_nothing },
	{ "closing gives no second use", &first, .run = closing_gives_no_second_use },
	{ "other doors open as ever", &first, .run = other_doors_open_as_ever },
	{ "each door has its own list", &twins, .run = each_door_has_its_own_list },
	{ "an order uses no sequence", &first, .run = an_order_uses_no_sequence },

	{ "who may not knock uses no sequence", &knocking_from,
	  .run = who_may_not_knock_uses_no_sequence },
	{ "a sequence without a grant to be had is used", &first,
	  .run = a_sequence_without_a_grant_to_be_had_is_used },

	{ "the next sequence opens", &second, .run = the_next_sequence_opens },
	{ "a reload gives no second use", &reloaded, .run = a_reload_gives_no_second_use },
	{ "the same knocks on another line are another sequence", &other_line,
	  .run = the_same_knocks_on_another_line_are_another_sequence },
	{ "an exhausted door stays closed", &exhausted, .run = an_exhausted_door_stays_closed },
	{ "a trial gives no second use", &on_trial, .run = a_trial_gives_no_second_use },

	{ "two CPUs open once", &first, .run = two_cpus_open_once },
};

int main(int count, char **arguments)
{
	return fixtures_run(arguments[0], count > 1 ? arguments[1] : NULL, fixtures,
			    sizeof(fixtures) / sizeof(*fixtures));
}
