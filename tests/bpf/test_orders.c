// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Orders of an administrator: given to the program as knockctl gives them, without a daemon.
 */
#include "harness.h"

/* Two doors have 32 grants each. */
#define OPTIONS SMALL_TABLES "	UDP_Idle = 60\n"

#define SSH                                                                                        \
	"[ssh]\n"                                                                                  \
	"	Sequence = 7000,8000\n"                                                            \
	"	Close_Sequence = 8500,7500\n"                                                      \
	"	Open = 22, 60000-60010:udp\n"                                                      \
	"	Open_Time = 30\n"

/* Nobody in the fixtures' network may knock at it. */
#define MAIL                                                                                       \
	"[mail]\n"                                                                                 \
	"	Sequence = 1000,2000\n"                                                            \
	"	Open = 25\n"                                                                       \
	"	Open_Time = 60\n"                                                                  \
	"	Knock_From = 192.0.2.200\n"

#define WEB                                                                                        \
	"[web]\n"                                                                                  \
	"	Sequence = 3000,4000\n"                                                            \
	"	Open = 80\n"

enum { QUOTA = 32, DOOR_SSH = 0, DOOR_MAIL = 1, DOOR_WEB = 2 };

static const struct setup two_doors = { .conf = OPTIONS SSH MAIL };
static const struct setup on_trial = { .conf = OPTIONS SSH MAIL, .trial = true };
static const struct setup networks = { .conf = OPTIONS "\tGrant_Prefix6 = 64\n" SSH MAIL };
static const struct setup three_doors = { .conf = OPTIONS SSH MAIL WEB };
static const struct setup without_mail = { .conf = OPTIONS SSH WEB, .former = &three_doors };

static const struct setup until_closed = { .conf = OPTIONS
	"[ssh]\n"
	"	Sequence = 7000,8000\n"
	"	Close_Sequence = 8500,7500\n"
	"	Open = 22, 60000-60010:udp\n"
	"	Open_Time = 0\n"
	MAIL
};

/* ---- orders ---- */

static const char root[] = "root (uid 0)";

static struct order_form order(const struct world *w, enum order order, __u32 door)
{
	struct order_form form = {
		.order = order, .door = door, .source = { .family = w->family },
	};

	address_read((void *)form.source.word_be, w->source, w->family);
	memcpy(form.who, root, sizeof(root));
	return form;
}

static int form_give(const struct world *w, struct order_form *form, size_t size)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = form, .ctx_size_in = size);
	int error = bpf_prog_test_run_opts(w->generation.order, &options);

	return error ? error : (int)options.retval;
}

static void order_expect(const struct world *w, struct order_form form, enum order_result result)
{
	assert_int_equal(result, form_give(w, &form, sizeof(form)));
}

static struct order_form open_for(const struct world *w, __u32 door, __u64 seconds)
{
	struct order_form form = order(w, ORDER_OPEN, door);

	form.time = seconds * w->hz;
	return form;
}

static void door_open(const struct world *w, __u32 door, __u64 seconds)
{
	order_expect(w, open_for(w, door, seconds), ORDER_DONE);
}

static void door_close(const struct world *w, __u32 door, enum order_result result)
{
	order_expect(w, order(w, ORDER_CLOSE, door), result);
}

/* The one event since the last look: it is of @kind, of the source, and says who asked. */
static const struct event *event_only(struct world *w, enum event_kind kind)
{
	struct source source = { .family = w->family };
	const struct event *event = &w->event[0];

	address_read((void *)source.word_be, w->source, w->family);
	events_read(w);
	assert_int_equal(1, w->events);
	assert_int_equal(kind, event->kind);
	assert_memory_equal(&source, &event->source, sizeof(source));
	assert_string_equal(root, event->who);
	assert_true(event->time && event->time <= clock_now(w));
	return event;
}

static void no_event(struct world *w)
{
	events_read(w);
	assert_int_equal(0, w->events);
}

/* All of a table's values, to see later whether anything has changed. */
static void *values_read(const struct world *w, enum generation_map map, size_t *size)
{
	void *values;

	assert_int_equal(0, generation_values(&w->generation, map, &values, size));
	return values;
}

struct tables {
	void *grants, *quotas, *shared;
	size_t grants_size, quotas_size, shared_size;
};

static struct tables tables_read(const struct world *w)
{
	struct tables t;

	t.grants = values_read(w, MAP_grants, &t.grants_size);
	t.quotas = values_read(w, MAP_quotas, &t.quotas_size);
	t.shared = values_read(w, MAP_shared, &t.shared_size);
	return t;
}

static void tables_same(const struct world *w, struct tables before)
{
	struct tables after = tables_read(w);

	assert_memory_equal(before.grants, after.grants, before.grants_size);
	assert_memory_equal(before.quotas, after.quotas, before.quotas_size);
	assert_memory_equal(before.shared, after.shared, before.shared_size);
	free(before.grants);
	free(before.quotas);
	free(before.shared);
	free(after.grants);
	free(after.quotas);
	free(after.shared);
}

static unsigned int grants_alive(struct world *w)
{
	__u64 now = clock_now(w);
	unsigned int count = 0;
	size_t size;
	struct grant_bucket *bucket = values_read(w, MAP_grants, &size);

	for (size_t i = 0; i < size / sizeof(*bucket); i++)
		for (int j = 0; j < GRANT_CELLS; j++)
			count += grant_alive(bucket[i].cell[j].word, now);
	free(bucket);
	return count;
}

/* ---- open ---- */

static void an_order_opens(struct world *w)
{
	const struct event *event;
	__u64 before = clock_now(w);

	door_open(w, DOOR_SSH, 1000);
	event = event_only(w, EVENT_OPENED);
	assert_int_equal(DOOR_SSH, event->door);
	assert_int_equal(0, event->renewed);
	assert_true(event->until >= before + 1000 * w->hz);
	assert_true(event->until <= clock_now(w) + 1000 * w->hz);
	assert_int_equal(1, grants_alive(w));
	port_open(w, 22);
	port_closed(w, 25);
}

static void an_order_opens_for_its_source_alone(struct world *w)
{
	door_open(w, DOOR_SSH, 1000);
	w->source = w->a->neighbour;
	port_closed(w, 22);
}

static void an_order_opens_for_as_long_as_it_says(struct world *w)
{
	door_open(w, DOOR_SSH, 5);
	door_open(w, DOOR_MAIL, 5000);
	time_pass(w, 4);
	port_open(w, 22);
	time_pass(w, 2);
	port_closed(w, 22);
	time_pass(w, 4900);
	port_open(w, 25);
	time_pass(w, 100);
	port_closed(w, 25);
}

static void an_order_without_a_time_opens_until_closed(struct world *w)
{
	door_open(w, DOOR_SSH, 0);
	assert_true(event_only(w, EVENT_OPENED)->until == GRANT_FOREVER);
	time_pass(w, 86400 * 30);
	port_open(w, 22);
	door_close(w, DOOR_SSH, ORDER_DONE);
	port_closed(w, 22);
}

static void an_order_opens_a_door_without_end_for_a_time(struct world *w)
{
	door_open(w, DOOR_SSH, 5);
	time_pass(w, 4);
	port_open(w, 22);
	time_pass(w, 2);
	port_closed(w, 22);
}

static void an_order_opens_to_whom_no_knock_would(struct world *w)
{
	knock_noting(w, "1000,2000", note(REASON_REFUSED_SOURCE));
	events_read(w);
	door_open(w, DOOR_MAIL, 30);
	event_only(w, EVENT_OPENED);
	port_open(w, 25);
}

static void an_order_opens_the_inner_door(struct world *w)
{
	struct bpf_sk_lookup tcp = lookup(w, IPPROTO_TCP, 22), udp = lookup(w, IPPROTO_UDP, 60000);

	door_open(w, DOOR_SSH, 30);
	lookup_expect(w, &tcp, REASON_INNER_GRANTED);
	lookup_expect(w, &udp, REASON_INNER_GRANTED);
}

static void an_order_renews(struct world *w)
{
	const struct event *event;

	door_open(w, DOOR_SSH, 30);
	time_pass(w, 20);
	events_read(w);
	door_open(w, DOOR_SSH, 30);
	event = event_only(w, EVENT_OPENED);
	assert_int_equal(1, event->renewed);
	assert_int_equal(1, grants_alive(w));
	time_pass(w, 20);
	port_open(w, 22);
	time_pass(w, 11);
	port_closed(w, 22);
}

static void an_order_may_shorten(struct world *w)
{
	door_open(w, DOOR_SSH, 0);
	door_open(w, DOOR_SSH, 5);
	assert_int_equal(1, grants_alive(w));
	time_pass(w, 6);
	port_closed(w, 22);
}

static void an_order_renews_what_a_knock_opened(struct world *w)
{
	knock_opens(w, "7000,8000");
	events_read(w);
	door_open(w, DOOR_SSH, 1000);
	assert_int_equal(1, event_only(w, EVENT_OPENED)->renewed);
	assert_int_equal(1, grants_alive(w));
	time_pass(w, 900);
	port_open(w, 22);
}

static void a_knock_renews_what_an_order_opened(struct world *w)
{
	door_open(w, DOOR_SSH, 20);
	events_read(w);
	knock_opens(w, "7000,8000");
	events_read(w);
	assert_int_equal(EVENT_OPENED, w->event[w->events - 1].kind);
	assert_int_equal(1, w->event[w->events - 1].renewed);
	assert_string_equal("", w->event[w->events - 1].who);
	assert_int_equal(1, grants_alive(w));
}

static void an_order_leaves_knocks_alone(struct world *w)
{
	knock_noting(w, "7000", 0);
	door_open(w, DOOR_MAIL, 30);
	knock_opens(w, "8000");
}

static void what_was_closed_opens_again(struct world *w)
{
	door_open(w, DOOR_SSH, 30);
	door_close(w, DOOR_SSH, ORDER_DONE);
	events_read(w);
	door_open(w, DOOR_SSH, 30);
	assert_int_equal(0, event_only(w, EVENT_OPENED)->renewed);
	port_open(w, 22);
	assert_int_equal(1, grants_alive(w));
}

/* ---- quotas and room ---- */

static void sources_knock(struct world *w, unsigned int first, unsigned int count,
			  const char *knocks, __u64 notes)
{
	for (unsigned int i = first; i < first + count; i++) {
		source_number(w, i);
		knock_noting(w, knocks, notes);
	}
}

static void sources_ordered(struct world *w, unsigned int first, unsigned int count, __u64 seconds)
{
	for (unsigned int i = first; i < first + count; i++) {
		source_number(w, i);
		door_open(w, DOOR_SSH, seconds);
	}
}

static void an_order_opens_over_the_quota(struct world *w)
{
	sources_knock(w, 0, 2 * QUOTA, "7000,8000", note(REASON_OPENED));
	sources_knock(w, 1000, 1, "7000,8000", note(REASON_REFUSED_QUOTA));
	events_read(w);
	door_open(w, DOOR_SSH, 30);
	event_only(w, EVENT_OPENED);
	port_open(w, 22);
	sources_knock(w, 1001, 1, "7000,8000", note(REASON_REFUSED_QUOTA));
}

static void an_order_counts_in_the_quota(struct world *w)
{
	sources_ordered(w, 0, 2 * QUOTA - 1, 30);
	sources_knock(w, 1000, 1, "7000,8000", note(REASON_OPENED));
	sources_knock(w, 1001, 1, "7000,8000", note(REASON_REFUSED_QUOTA));
	/* It had its place: opened once, renewed as often as one likes. */
	sources_ordered(w, 0, 2 * QUOTA - 1, 30);
	time_pass(w, 60);
	sources_knock(w, 2000, 2 * QUOTA, "7000,8000", note(REASON_OPENED));
	sources_knock(w, 3000, 1, "7000,8000", note(REASON_REFUSED_QUOTA));
}

static void an_orders_quota_comes_back_by_closing(struct world *w)
{
	sources_ordered(w, 0, 2 * QUOTA, 0);
	sources_knock(w, 1000, 1, "7000,8000", note(REASON_REFUSED_QUOTA));
	source_number(w, 5);
	door_close(w, DOOR_SSH, ORDER_DONE);
	sources_knock(w, 1000, 1, "7000,8000", note(REASON_OPENED));
	sources_knock(w, 1001, 1, "7000,8000", note(REASON_REFUSED_QUOTA));
}

/* However often somebody is let in for a while, at a door whose grants stand until closed. */
static void an_orders_quota_comes_back_with_its_time(struct world *w)
{
	for (int round = 0; round < 3; round++) {
		sources_ordered(w, 0, QUOTA, 5);
		time_pass(w, 6);
		assert_int_equal(0, grants_alive(w));
	}
	sources_knock(w, 1000, QUOTA, "7000,8000", note(REASON_OPENED));
}

/* As above, but each was let in for good first. */
static void a_shortened_grants_quota_comes_back_with_its_time(struct world *w)
{
	for (int round = 0; round < 3; round++) {
		sources_ordered(w, 0, QUOTA, 0);
		sources_ordered(w, 0, QUOTA, 5);
		time_pass(w, 6);
		assert_int_equal(0, grants_alive(w));
	}
	sources_knock(w, 1000, QUOTA, "7000,8000", note(REASON_OPENED));
}

static void closing_a_grant_for_a_time_gives_nothing_back(struct world *w)
{
	sources_knock(w, 0, 2 * QUOTA, "7000,8000", note(REASON_OPENED));
	source_number(w, 1000);
	door_open(w, DOOR_SSH, 1000);
	door_close(w, DOOR_SSH, ORDER_DONE);
	sources_knock(w, 1001, 1, "7000,8000", note(REASON_REFUSED_QUOTA));
}

static void a_shortened_grant_gives_its_quota_back_once(struct world *w)
{
	sources_knock(w, 0, 2 * QUOTA, "7000,8000", note(REASON_OPENED));
	source_number(w, 5);
	door_open(w, DOOR_SSH, 1000);
	door_close(w, DOOR_SSH, ORDER_DONE);
	sources_knock(w, 1000, 1, "7000,8000", note(REASON_OPENED));
	sources_knock(w, 1001, 1, "7000,8000", note(REASON_REFUSED_QUOTA));
}

static void a_grant_made_lasting_counts_in_the_quota(struct world *w)
{
	sources_ordered(w, 0, 2 * QUOTA, 1000);
	sources_ordered(w, 0, 2 * QUOTA, 0);
	sources_knock(w, 1000, 1, "7000,8000", note(REASON_REFUSED_QUOTA));
}

static void closing_again_takes_no_quota(struct world *w)
{
	struct frame f = datagram(w, 60000);

	door_open(w, DOOR_SSH, 30);
	expect(w, &f, REASON_GRANTED);
	time_pass(w, 31);
	for (int i = 0; i < 2 * QUOTA; i++)
		door_close(w, DOOR_SSH, ORDER_NOTHING);
	sources_knock(w, 1000, QUOTA, "7000,8000", note(REASON_OPENED));
}

static void table_fill(struct world *w, __u64 expiry)
{
	struct bpf_map *map = w->skel->maps.grants;
	struct grant_bucket bucket = {};

	for (int i = 0; i < GRANT_CELLS; i++) {
		bucket.cell[i].word = grant_word(1, false, false, expiry);
		bucket.cell[i].address_be[0] = htonl(0x0afe0000 + i);
	}
	for (__u32 i = 0; i < bpf_map__max_entries(map); i++)
		assert_int_equal(0, bpf_map_update_elem(bpf_map__fd(map), &i, &bucket, BPF_ANY));
}

static void a_full_table_is_told(struct world *w)
{
	table_fill(w, clock_now(w) + 30 * w->hz);
	order_expect(w, open_for(w, DOOR_SSH, 30), ORDER_FULL);
	no_event(w);
	port_closed(w, 22);
	time_pass(w, 31);
	door_open(w, DOOR_SSH, 30);
	port_open(w, 22);
}

/* What was not given counts for nothing. */
static void a_full_table_takes_no_quota_of_a_door_without_end(struct world *w)
{
	table_fill(w, clock_now(w) + 30 * w->hz);
	for (unsigned int i = 0; i < 2 * QUOTA; i++) {
		source_number(w, i);
		order_expect(w, open_for(w, DOOR_SSH, 0), ORDER_FULL);
	}
	time_pass(w, 31);
	sources_knock(w, 1000, 2 * QUOTA, "7000,8000", note(REASON_OPENED));
}

static void a_full_table_still_renews(struct world *w)
{
	__u64 expiry = clock_now(w) + 1000 * w->hz;
	int map = bpf_map__fd(w->skel->maps.grants);

	door_open(w, DOOR_SSH, 30);
	for (__u32 i = 0; i < bpf_map__max_entries(w->skel->maps.grants); i++) {
		struct grant_bucket bucket;

		assert_int_equal(0, bpf_map_lookup_elem(map, &i, &bucket));
		for (int cell = 0; cell < GRANT_CELLS; cell++)
			if (!bucket.cell[cell].word)
				bucket.cell[cell].word = grant_word(1, false, false, expiry);
		assert_int_equal(0, bpf_map_update_elem(map, &i, &bucket, BPF_ANY));
	}
	order_expect(w, open_for(w, DOOR_MAIL, 30), ORDER_FULL);
	door_open(w, DOOR_SSH, 1000);
	time_pass(w, 900);
	port_open(w, 22);
}

static void a_number_of_no_door_is_told(struct world *w)
{
	static const __u32 numbers[] = { 3, 4, 4095, 4096, 0xffff, 0x10000, 0x7fffffff, ~0U };
	struct tables before = tables_read(w);

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		order_expect(w, open_for(w, numbers[i], 30), ORDER_NO_DOOR);
		door_close(w, numbers[i], ORDER_NO_DOOR);
	}
	no_event(w);
	tables_same(w, before);
}

static void a_number_that_is_free_is_no_door(struct world *w)
{
	struct tables before = tables_read(w);

	assert_int_equal(3, w->compiled.settings.door_count);
	assert_int_equal(0, w->compiled.name[DOOR_MAIL].used);
	order_expect(w, open_for(w, DOOR_MAIL, 30), ORDER_NO_DOOR);
	door_close(w, DOOR_MAIL, ORDER_NO_DOOR);
	no_event(w);
	tables_same(w, before);
	door_open(w, DOOR_WEB, 30);
	port_open(w, 80);
}

/* ---- close ---- */

static void an_order_closes(struct world *w)
{
	door_open(w, DOOR_SSH, 0);
	events_read(w);
	door_close(w, DOOR_SSH, ORDER_DONE);
	assert_int_equal(DOOR_SSH, event_only(w, EVENT_CLOSED)->door);
	port_closed(w, 22);
	assert_int_equal(0, grants_alive(w));
}

static void an_order_closes_what_a_knock_opened(struct world *w)
{
	knock_opens(w, "7000,8000");
	events_read(w);
	door_close(w, DOOR_SSH, ORDER_DONE);
	event_only(w, EVENT_CLOSED);
	port_closed(w, 22);
	knock_opens(w, "7000,8000");
	port_open(w, 22);
}

static void a_knock_closes_what_an_order_opened(struct world *w)
{
	door_open(w, DOOR_SSH, 0);
	knock_noting(w, "8500,7500", note(REASON_CLOSED_BY_KNOCK));
	port_closed(w, 22);
}

static void closing_ends_flows(struct world *w)
{
	struct frame f = datagram(w, 60000);

	door_open(w, DOOR_SSH, 30);
	expect(w, &f, REASON_GRANTED);
	expect(w, &f, REASON_FLOW);
	door_close(w, DOOR_SSH, ORDER_DONE);
	expect(w, &f, REASON_CLOSED);
}

static void closing_ends_the_flows_of_a_door_without_end(struct world *w)
{
	struct frame f = datagram(w, 60000);

	door_open(w, DOOR_SSH, 0);
	expect(w, &f, REASON_GRANTED);
	expect(w, &f, REASON_FLOW);
	door_close(w, DOOR_SSH, ORDER_DONE);
	expect(w, &f, REASON_CLOSED);
}

static void closing_ends_the_flows_of_a_grant_that_is_over(struct world *w)
{
	struct frame f = datagram(w, 60000);

	door_open(w, DOOR_SSH, 30);
	expect(w, &f, REASON_GRANTED);
	time_pass(w, 31);
	expect(w, &f, REASON_FLOW);
	door_close(w, DOOR_SSH, ORDER_NOTHING);
	expect(w, &f, REASON_CLOSED);
}

/* Past its time, a grant at a door without an end has no flows either. */
static void flows_of_a_grant_for_a_time_end(struct world *w)
{
	struct frame f = datagram(w, 60000);

	door_open(w, DOOR_SSH, 5);
	expect(w, &f, REASON_GRANTED);
	expect(w, &f, REASON_FLOW);
	time_pass(w, 6);
	expect(w, &f, REASON_CLOSED);
}

static void flows_outlive_an_orders_grant(struct world *w)
{
	struct frame f = datagram(w, 60000);

	door_open(w, DOOR_SSH, 5);
	expect(w, &f, REASON_GRANTED);
	time_pass(w, 6);
	expect(w, &f, REASON_FLOW);
	time_pass(w, 61);
	expect(w, &f, REASON_CLOSED);
}

static void there_is_nothing_to_close(struct world *w)
{
	struct tables before = tables_read(w);

	door_close(w, DOOR_SSH, ORDER_NOTHING);
	no_event(w);
	tables_same(w, before);
	door_open(w, DOOR_SSH, 30);
	door_close(w, DOOR_SSH, ORDER_DONE);
	door_close(w, DOOR_SSH, ORDER_NOTHING);
	door_open(w, DOOR_SSH, 30);
	time_pass(w, 31);
	events_read(w);
	door_close(w, DOOR_SSH, ORDER_NOTHING);
	no_event(w);
}

static void closing_leaves_other_doors_alone(struct world *w)
{
	door_open(w, DOOR_SSH, 30);
	door_open(w, DOOR_MAIL, 30);
	door_close(w, DOOR_SSH, ORDER_DONE);
	port_closed(w, 22);
	port_open(w, 25);
	door_close(w, DOOR_SSH, ORDER_NOTHING);
	port_open(w, 25);
}

static void closing_leaves_other_sources_alone(struct world *w)
{
	door_open(w, DOOR_SSH, 30);
	w->source = w->a->neighbour;
	door_close(w, DOOR_SSH, ORDER_NOTHING);
	door_open(w, DOOR_SSH, 30);
	door_close(w, DOOR_SSH, ORDER_DONE);
	port_closed(w, 22);
	w->source = w->a->stranger;
	port_open(w, 22);
}

static void closing_a_mapped_address_leaves_the_other_alone(struct world *w)
{
	door_open(w, DOOR_SSH, 30);
	w->family = 6;
	w->source = "::ffff:198.51.100.77";
	door_close(w, DOOR_SSH, ORDER_NOTHING);
	w->family = 4;
	w->source = w->a->stranger;
	port_open(w, 22);
}

static void with_a_prefix_the_network_is_let_in(struct world *w)
{
	door_open(w, DOOR_SSH, 30);
	event_only(w, EVENT_OPENED);
	w->source = w->a->neighbour;
	port_open(w, 22);
	door_open(w, DOOR_SSH, 30);
	assert_int_equal(1, event_only(w, EVENT_OPENED)->renewed);
	assert_int_equal(1, grants_alive(w));
	w->source = "2001:db8:77:1::77";
	port_closed(w, 22);
	door_close(w, DOOR_SSH, ORDER_NOTHING);
	w->source = "2001:db8:77::1234";
	door_close(w, DOOR_SSH, ORDER_DONE);
	w->source = w->a->stranger;
	port_closed(w, 22);
}

/* ---- confirm ---- */

static void an_order_confirms(struct world *w)
{
	const struct event *event;

	w->on_trial = true;
	deadline_set(w, clock_now(w) + 60 * w->hz);
	order_expect(w, order(w, ORDER_CONFIRM, 0), ORDER_DONE);
	event = event_only(w, EVENT_ORDER);
	assert_int_equal(ORDER_CONFIRM, event->order);
	assert_int_equal(0, deadline(w));
	time_pass(w, 86400);
	port_closed(w, 22);
}

static void nothing_waits_for_confirmation(struct world *w)
{
	struct tables before = tables_read(w);

	order_expect(w, order(w, ORDER_CONFIRM, 0), ORDER_NOTHING);
	no_event(w);
	tables_same(w, before);
	deadline_set(w, clock_now(w) + 60 * w->hz);
	order_expect(w, order(w, ORDER_CONFIRM, 0), ORDER_DONE);
	order_expect(w, order(w, ORDER_CONFIRM, 0), ORDER_NOTHING);
}

static void an_order_confirms_too_late(struct world *w)
{
	struct frame f = segment(w, 22, SYN);
	__u64 until = clock_now(w);

	w->on_trial = true;
	deadline_set(w, until);
	order_expect(w, order(w, ORDER_CONFIRM, 0), ORDER_LATE);
	no_event(w);
	assert_int_equal(until, deadline(w));
	expect(w, &f, REASON_UNCONFIRMED);
}

static void opening_by_order_does_not_confirm(struct world *w)
{
	__u64 until = clock_now(w) + 60 * w->hz;

	deadline_set(w, until);
	door_open(w, DOOR_SSH, 30);
	door_close(w, DOOR_SSH, ORDER_DONE);
	assert_int_equal(until, deadline(w));
}

/* ---- for the daemon ---- */

static void the_daemon_is_told(struct world *w)
{
	static const enum order orders[] = { ORDER_RELOAD, ORDER_DETACH };

	for (size_t i = 0; i < 2; i++) {
		struct tables before = tables_read(w);
		struct order_form form = order(w, orders[i], 0);
		const struct event *event;

		form.seconds = 120;
		order_expect(w, form, ORDER_DONE);
		event = event_only(w, EVENT_ORDER);
		assert_int_equal(orders[i], event->order);
		assert_int_equal(120, event->seconds);
		tables_same(w, before);
	}
}

/* Until no event has room any more; how many had. */
static unsigned int ring_fill(const struct world *w)
{
	struct order_form form = order(w, ORDER_RELOAD, 0);
	unsigned int count = 0;

	while (form_give(w, &form, sizeof(form)) == ORDER_DONE && count < 10000)
		count++;
	assert_int_equal(ORDER_UNTOLD, form_give(w, &form, sizeof(form)));
	return count;
}

static __u64 events_lost(const struct world *w)
{
	struct shared shared;
	__u32 key = 0;

	assert_int_equal(0, bpf_map_lookup_elem(w->generation.map[MAP_shared], &key, &shared));
	return shared.events_lost;
}

static void a_full_ring_is_told(struct world *w)
{
	__u64 counted = generation_counter(&w->generation, MAP_counters, REASON_EVENT_LOST);
	unsigned int count = ring_fill(w);

	assert_true(count > 2000);
	assert_int_equal(2, events_lost(w));
	assert_int_equal(counted + 2,
			 generation_counter(&w->generation, MAP_counters, REASON_EVENT_LOST));
	events_read(w);
	order_expect(w, order(w, ORDER_RELOAD, 0), ORDER_DONE);
	event_only(w, EVENT_ORDER);
}

static void a_full_ring_keeps_no_order_from_its_work(struct world *w)
{
	deadline_set(w, clock_now(w) + 60 * w->hz);
	ring_fill(w);
	door_open(w, DOOR_SSH, 30);
	port_open(w, 22);
	door_close(w, DOOR_SSH, ORDER_DONE);
	assert_int_equal(0, grants_alive(w));
	order_expect(w, order(w, ORDER_CONFIRM, 0), ORDER_DONE);
	assert_int_equal(0, deadline(w));
}

/* ---- forms that knockctl does not write ---- */

static void an_order_of_a_number_that_there_is_not(struct world *w)
{
	static const __u32 numbers[] = { ORDER_DETACH + 1, 99, ~0U };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		struct tables before = tables_read(w);
		struct order_form form = open_for(w, DOOR_SSH, 30);
		int result;

		form.order = numbers[i];
		result = form_give(w, &form, sizeof(form));
		assert_true(result >= ORDER_DONE && result <= ORDER_UNTOLD);
		events_read(w);
		assert_true(w->events <= 1);
		if (w->events) {
			assert_int_equal(EVENT_ORDER, w->event[0].kind);
			assert_int_equal(numbers[i], w->event[0].order);
		}
		tables_same(w, before);
	}
}

static void a_stream_in_the_form_does_not_matter(struct world *w)
{
	struct order_form form = open_for(w, DOOR_SSH, 30);

	form.source.stream = 7;
	order_expect(w, form, ORDER_DONE);
	event_only(w, EVENT_OPENED);
	port_open(w, 22);
	form.order = ORDER_CLOSE;
	form.source.stream = 255;
	order_expect(w, form, ORDER_DONE);
	event_only(w, EVENT_CLOSED);
	port_closed(w, 22);
}

static void a_name_without_an_end_is_cut(struct world *w)
{
	struct order_form form = open_for(w, DOOR_SSH, 30);

	memset(form.who, 'x', sizeof(form.who));
	order_expect(w, form, ORDER_DONE);
	form.order = ORDER_CLOSE;
	order_expect(w, form, ORDER_DONE);
	form.order = ORDER_RELOAD;
	order_expect(w, form, ORDER_DONE);
	events_read(w);
	assert_int_equal(3, w->events);
	for (size_t i = 0; i < w->events; i++) {
		assert_int_equal(EVENT_WHO_MAX - 1,
				 strnlen(w->event[i].who, sizeof(w->event[i].who)));
		assert_memory_equal(form.who, w->event[i].who, EVENT_WHO_MAX - 1);
	}
}

/* Whatever it means, it opens to nobody else and can be undone. */
static void a_family_that_there_is_not(struct world *w)
{
	static const __u8 families[] = { 0, 5, 7, 255 };

	for (size_t i = 0; i < sizeof(families); i++) {
		struct order_form form = open_for(w, DOOR_SSH, 30);

		form.source.family = families[i];
		form_give(w, &form, sizeof(form));
		w->source = w->a->neighbour;
		port_closed(w, 22);
		w->source = w->a->stranger;
		port_closed(w, 25);
		form.order = ORDER_CLOSE;
		form_give(w, &form, sizeof(form));
		port_closed(w, 22);
		assert_int_equal(0, grants_alive(w));
	}
}

/* The longest time that there is does not come round to the past. */
static void a_time_beyond_all_time_is_until_closed(struct world *w)
{
	static const __u64 times[] = {
		GRANT_FOREVER, 1ULL << 62, ~0ULL >> 1, ~0ULL - 1, ~0ULL,
	};

	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		struct order_form form = open_for(w, DOOR_SSH, 0);

		form.time = times[i];
		order_expect(w, form, ORDER_DONE);
		port_open(w, 22);
		events_read(w);
		assert_true(w->event[0].until == GRANT_FOREVER);
		door_close(w, DOOR_SSH, ORDER_DONE);
		events_read(w);
	}
}

static void a_form_that_is_too_short_is_refused(struct world *w)
{
	struct order_form form = open_for(w, DOOR_SSH, 30);
	struct tables before = tables_read(w);

	assert_true(form_give(w, &form, offsetof(struct order_form, who)) < 0);
	no_event(w);
	tables_same(w, before);
}

static const struct fixture fixtures[] = {
	{ "an order opens a door, and tells who gave it", &two_doors, .run = an_order_opens },
	{ "an order opens for its source alone", &two_doors,
	  .run = an_order_opens_for_its_source_alone },
	{ "an order opens for as long as it says", &two_doors,
	  .run = an_order_opens_for_as_long_as_it_says },
	{ "an order without a time opens until closed", &two_doors,
	  .run = an_order_without_a_time_opens_until_closed },
	{ "an order opens a door without an end for a time", &until_closed,
	  .run = an_order_opens_a_door_without_end_for_a_time },
	{ "an order opens to whom no knock would", &two_doors,
	  .run = an_order_opens_to_whom_no_knock_would },
	{ "an order opens the inner door too", &two_doors, .run = an_order_opens_the_inner_door },
	{ "an order renews what an order opened", &two_doors, .run = an_order_renews },
	{ "an order may shorten a grant", &two_doors, .run = an_order_may_shorten },
	{ "an order renews what a knock opened", &two_doors,
	  .run = an_order_renews_what_a_knock_opened },
	{ "a knock renews what an order opened", &two_doors,
	  .run = a_knock_renews_what_an_order_opened },
	{ "an order leaves its source's knocks alone", &two_doors,
	  .run = an_order_leaves_knocks_alone },
	{ "what an order closed, an order opens again", &two_doors,
	  .run = what_was_closed_opens_again },

	{ "an order opens over the quota", &two_doors, .run = an_order_opens_over_the_quota },
	{ "an order counts in the quota", &two_doors, .run = an_order_counts_in_the_quota },
	{ "at a door without an end, an order's quota comes back by closing", &until_closed,
	  .run = an_orders_quota_comes_back_by_closing },
	{ "at a door without an end, an order's quota comes back with its time", &until_closed,
	  .run = an_orders_quota_comes_back_with_its_time },
	{ "at a door without an end, a shortened grant's quota comes back with its time",
	  &until_closed, .run = a_shortened_grants_quota_comes_back_with_its_time },
	{ "at a door without an end, closing a grant for a time gives no quota back",
	  &until_closed, .run = closing_a_grant_for_a_time_gives_nothing_back },
	{ "at a door without an end, a shortened grant gives its quota back once", &until_closed,
	  .run = a_shortened_grant_gives_its_quota_back_once },
	{ "at a door without an end, a grant made lasting counts in the quota", &until_closed,
	  .run = a_grant_made_lasting_counts_in_the_quota },
	{ "closing again and again takes no quota", &two_doors,
	  .run = closing_again_takes_no_quota },
	{ "a full table is told", &two_doors, .run = a_full_table_is_told },
	{ "a full table takes no quota of a door without an end", &until_closed,
	  .run = a_full_table_takes_no_quota_of_a_door_without_end },
	{ "a full table still renews by order", &two_doors, .run = a_full_table_still_renews },
	{ "a number of no door is told", &three_doors, .run = a_number_of_no_door_is_told },
	{ "a number that a reload has set free is no door", &without_mail,
	  .run = a_number_that_is_free_is_no_door },

	{ "an order closes, and tells who gave it", &two_doors, .run = an_order_closes },
	{ "an order closes what a knock opened", &two_doors,
	  .run = an_order_closes_what_a_knock_opened },
	{ "a knock closes what an order opened", &two_doors,
	  .run = a_knock_closes_what_an_order_opened },
	{ "closing ends flows", &two_doors, .run = closing_ends_flows },
	{ "closing ends the flows of a door without an end", &until_closed,
	  .run = closing_ends_the_flows_of_a_door_without_end },
	{ "closing ends the flows of a grant that is over", &two_doors,
	  .run = closing_ends_the_flows_of_a_grant_that_is_over },
	{ "flows outlive an order's grant", &two_doors, .run = flows_outlive_an_orders_grant },
	{ "at a door without an end, flows live as long as an order's grant", &until_closed,
	  .run = flows_of_a_grant_for_a_time_end },
	{ "there is nothing to close", &two_doors, .run = there_is_nothing_to_close },
	{ "closing leaves other doors alone", &two_doors,
	  .run = closing_leaves_other_doors_alone },
	{ "closing leaves other sources alone", &two_doors,
	  .run = closing_leaves_other_sources_alone },
	{ "closing an IPv4-mapped address leaves the IPv4 one alone", &two_doors,
	  .run = closing_a_mapped_address_leaves_the_other_alone, .only = 4 },
	{ "with Grant_Prefix6 an order is for the network", &networks,
	  .run = with_a_prefix_the_network_is_let_in, .only = 6 },

	{ "an order confirms, and tells who gave it", &on_trial, .run = an_order_confirms },
	{ "nothing waits for confirmation", &on_trial, .run = nothing_waits_for_confirmation },
	{ "an order confirms too late", &on_trial, .run = an_order_confirms_too_late },
	{ "opening by order does not confirm", &on_trial,
	  .run = opening_by_order_does_not_confirm },

	{ "the daemon is told to reload and of detaching", &two_doors,
	  .run = the_daemon_is_told },
	{ "a full ring is told", &two_doors, .run = a_full_ring_is_told },
	{ "a full ring keeps no order from its work", &two_doors,
	  .run = a_full_ring_keeps_no_order_from_its_work },

	{ "an order of a number that there is not changes nothing", &two_doors,
	  .run = an_order_of_a_number_that_there_is_not },
	{ "a stream in the form does not matter", &two_doors,
	  .run = a_stream_in_the_form_does_not_matter },
	{ "a name without an end is cut", &two_doors, .run = a_name_without_an_end_is_cut },
	{ "a family that there is not opens to nobody else", &two_doors,
	  .run = a_family_that_there_is_not },
	{ "a time beyond all time is until closed", &two_doors,
	  .run = a_time_beyond_all_time_is_until_closed },
	{ "a form that is too short is refused", &two_doors,
	  .run = a_form_that_is_too_short_is_refused },
};

int main(int count, char **arguments)
{
	return fixtures_run(arguments[0], count > 1 ? arguments[1] : NULL, fixtures,
			    sizeof(fixtures) / sizeof(*fixtures));
}
