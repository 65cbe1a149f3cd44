// SPDX-License-Identifier: GPL-2.0-or-later
/* Lines that wait for names: their order, their patience, and how many are asked for. */
#include "views.h"

#include "log_queue.h"

#define SECOND 1000000000ULL

enum { START = 1000 }; /* seconds */

static struct log_queue *queue;
static char written[1 << 20];
static unsigned int asked, written_count;
static bool deaf; /* questions are not taken */
static struct source last;

static bool question(void *data, const struct source *source, __u64 until_ns)
{
	assert_ptr_equal(data, &asked);
	assert_true(until_ns > START * SECOND);
	if (deaf)
		return false;
	asked++;
	last = *source;
	return true;
}

static void line(void *data, time_t when, const char *text)
{
	size_t len = strlen(written);

	assert_ptr_equal(data, &asked);
	snprintf(written + len, sizeof(written) - len, "%ld %s\n", (long)when, text);
	written_count++;
}

static int empty(void **state)
{
	const struct log_way way = { .ask = question, .write = line, .data = &asked };

	(void)state;
	queue = log_queue_new(&way);
	written[0] = '\0';
	asked = written_count = 0;
	deaf = false;
	return queue ? 0 : -1;
}

static int release(void **state)
{
	(void)state;
	log_queue_free(queue);
	return 0;
}

/* What was written since the last time. */
static void assert_written(const char *expected)
{
	assert_string_equal(written, expected);
	written[0] = '\0';
}

static void answer(struct source source, const char *name, __u64 now_ns)
{
	struct lookup_answer a = { .source = source };

	snprintf(a.name, sizeof(a.name), "%s", name);
	log_queue_answer(queue, &a, now_ns);
	log_queue_serve(queue, now_ns);
}

static void add(const struct source *source, const char *text, __u64 now_ns)
{
	log_queue_add(queue, source, text, now_ns / SECOND, now_ns);
}

static void a_name_goes_behind_the_address(void **state)
{
	struct source v4 = source_v4(192, 0, 2, 7), v6 = source_v6(0x20, 1);

	(void)state;
	add(&v4, "192.0.2.7: ssh: Stage 1", START * SECOND);
	add(&v6, "2000::1: ssh: OPEN SESAME", START * SECOND);
	assert_written("");
	answer(v4, "host.example", START * SECOND + 1);
	assert_written("1000 192.0.2.7 (host.example): ssh: Stage 1\n");
	answer(v6, "six.example", START * SECOND + 2);
	assert_written("1000 2000::1 (six.example): ssh: OPEN SESAME\n");
}

static void who_has_no_name_has_no_brackets(void **state)
{
	struct source source = source_v4(192, 0, 2, 7);

	(void)state;
	add(&source, "192.0.2.7: ssh: Stage 1", START * SECOND);
	answer(source, "", START * SECOND + 1);
	add(&source, "192.0.2.7: ssh: Stage 2", START * SECOND + 2);
	assert_written("1000 192.0.2.7: ssh: Stage 1\n1000 192.0.2.7: ssh: Stage 2\n");
	assert_int_equal(asked, 1);
}

static void lines_keep_their_order(void **state)
{
	struct source slow = source_v4(192, 0, 2, 7), fast = source_v4(192, 0, 2, 8);

	(void)state;
	add(NULL, "first", START * SECOND);
	assert_written("1000 first\n");
	add(&slow, "192.0.2.7: ssh: Stage 1", START * SECOND);
	add(NULL, "third", START * SECOND);
	add(&fast, "192.0.2.8: ssh: Stage 1", START * SECOND);
	answer(fast, "fast.example", START * SECOND + 1);
	add(&fast, "192.0.2.8: ssh: Stage 2", START * SECOND + 2);
	assert_written("");
	answer(slow, "slow.example", START * SECOND + 3);
	assert_written("1000 192.0.2.7 (slow.example): ssh: Stage 1\n1000 third\n"
		       "1000 192.0.2.8 (fast.example): ssh: Stage 1\n"
		       "1000 192.0.2.8 (fast.example): ssh: Stage 2\n");
	add(NULL, "last", START * SECOND + 4);
	assert_written("1000 last\n");
}

static void no_line_waits_longer_than_two_seconds(void **state)
{
	struct source first = source_v4(192, 0, 2, 7), second = source_v4(192, 0, 2, 8);

	(void)state;
	add(&first, "192.0.2.7: ssh: Stage 1", START * SECOND);
	add(&second, "192.0.2.8: ssh: Stage 1", (START + 1) * SECOND);
	assert_int_equal(log_queue_next_ns(queue), (START + 2) * SECOND);
	log_queue_serve(queue, (START + 2) * SECOND - 1);
	assert_written("");
	log_queue_serve(queue, (START + 2) * SECOND);
	assert_written("1000 192.0.2.7: ssh: Stage 1\n");
	log_queue_serve(queue, (START + 3) * SECOND);
	assert_written("1001 192.0.2.8: ssh: Stage 1\n");
	assert_int_equal(log_queue_next_ns(queue), 0);
	/* An answer that comes late is there for the next line. */
	answer(first, "late.example", (START + 4) * SECOND);
	add(&first, "192.0.2.7: ssh: Stage 2", (START + 5) * SECOND);
	assert_written("1005 192.0.2.7 (late.example): ssh: Stage 2\n");
}

static void a_name_is_asked_for_once_in_five_minutes(void **state)
{
	struct source source = source_v4(192, 0, 2, 7);

	(void)state;
	add(&source, "192.0.2.7: a", START * SECOND);
	add(&source, "192.0.2.7: b", START * SECOND);
	assert_int_equal(asked, 1);
	answer(source, "host.example", START * SECOND);
	add(&source, "192.0.2.7: c", (START + LOG_NAME_S - 1) * SECOND);
	assert_int_equal(asked, 1);
	add(&source, "192.0.2.7: d", (START + LOG_NAME_S) * SECOND);
	assert_int_equal(asked, 2);
	assert_written("1000 192.0.2.7 (host.example): a\n1000 192.0.2.7 (host.example): b\n"
		       "1299 192.0.2.7 (host.example): c\n");
	log_queue_serve(queue, (START + LOG_NAME_S + LOG_WAIT_S) * SECOND);
	assert_written("1300 192.0.2.7: d\n");
}

/* Whoever sends from many addresses has no more than ten of them looked up in a second. */
static void a_flood_is_not_looked_up(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		struct source source = source_v4(198, 51, 100, i);

		add(&source, "198.51.100.x: ssh: OPEN SESAME", START * SECOND + i);
	}
	assert_int_equal(asked, LOG_ASKS_PER_S);
	log_queue_serve(queue, (START + LOG_WAIT_S + 1) * SECOND);
	assert_int_equal(written_count, 200);
}

static void when_the_queue_is_full_all_lines_go_out_in_order(void **state)
{
	struct source source = source_v4(192, 0, 2, 7), other = source_v4(192, 0, 2, 8);
	char text[32], expected[16384] = "";

	(void)state;
	add(&source, "192.0.2.7: 0", START * SECOND);
	for (int i = 1; i < LOG_QUEUE_MAX; i++) {
		snprintf(text, sizeof(text), "line %d", i);
		add(NULL, text, START * SECOND);
	}
	assert_written("");
	add(&other, "192.0.2.8: last", START * SECOND);
	strcat(expected, "1000 192.0.2.7: 0\n");
	for (int i = 1; i < LOG_QUEUE_MAX; i++)
		snprintf(expected + strlen(expected), 32, "1000 line %d\n", i);
	strcat(expected, "1000 192.0.2.8: last\n");
	assert_written(expected);
	assert_int_equal(asked, 1);
}

static void where_questions_are_not_taken_no_line_waits(void **state)
{
	struct source source = source_v4(192, 0, 2, 7);

	(void)state;
	deaf = true;
	add(&source, "192.0.2.7: a", START * SECOND);
	assert_written("1000 192.0.2.7: a\n");
}

static void more_names_than_there_is_room_for_push_out_the_oldest(void **state)
{
	__u64 now = START * SECOND;

	(void)state;
	for (int i = 0; i < LOG_NAMES_MAX + 50; i++) {
		struct source source = source_v4(203, 0, i / 256, i % 256);

		now += SECOND / 5;
		add(&source, "x", now);
		answer(source, "n.example", now);
	}
	assert_int_equal(asked, LOG_NAMES_MAX + 50);
	add(&last, "y", now);
	assert_int_equal(asked, LOG_NAMES_MAX + 50);
	add(&(struct source){ .family = 4, .word_be = { source_v4(203, 0, 0, 0).word_be[0] } },
	    "z", now);
	assert_int_equal(asked, LOG_NAMES_MAX + 51);
}

static void an_answer_that_nobody_asked_for_is_nothing(void **state)
{
	struct source source = source_v4(192, 0, 2, 7);

	(void)state;
	answer(source, "evil.example", START * SECOND);
	add(&source, "192.0.2.7: a", START * SECOND);
	assert_int_equal(asked, 1);
	assert_written("");
}

static void a_name_is_no_reason_to_change_another_line(void **state)
{
	struct source source = source_v4(192, 0, 2, 7);

	(void)state;
	add(&source, "not about it", START * SECOND);
	answer(source, "host.example", START * SECOND);
	assert_written("1000 not about it\n");
}

static void what_waits_at_the_end_is_written(void **state)
{
	struct source source = source_v4(192, 0, 2, 7);

	add(&source, "192.0.2.7: a", START * SECOND);
	add(NULL, "shutting down", START * SECOND);
	log_queue_free(queue);
	queue = NULL;
	assert_written("1000 192.0.2.7: a\n1000 shutting down\n");
	(void)state;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, empty, release)
		TEST(a_name_goes_behind_the_address),
		TEST(who_has_no_name_has_no_brackets),
		TEST(lines_keep_their_order),
		TEST(no_line_waits_longer_than_two_seconds),
		TEST(a_name_is_asked_for_once_in_five_minutes),
		TEST(a_flood_is_not_looked_up),
		TEST(when_the_queue_is_full_all_lines_go_out_in_order),
		TEST(where_questions_are_not_taken_no_line_waits),
		TEST(more_names_than_there_is_room_for_push_out_the_oldest),
		TEST(an_answer_that_nobody_asked_for_is_nothing),
		TEST(a_name_is_no_reason_to_change_another_line),
		TEST(what_waits_at_the_end_is_written),
#undef TEST
	};

	return cmocka_run_group_tests_name("log_queue", tests, NULL, NULL);
}
