// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the kernel asks of the helper: for how long an opening is, and which doors go on to their
 * next one-time sequence. It holds tasks.c itself, and stands in for what the kernel has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <unistd.h>

#include "tasks.c"

enum { HZ = 250, NOW = 7000000, DOORS = 5 };

struct place {
	struct tasks *t;
	struct commands *c;
	struct conf conf;
	struct conf_door door[DOORS];
	char top[64], state[96], list[96], link[96], other[96];
	char said[4096];
	size_t lines;
};

/* ---- what the kernel has ---- */

static struct door in_force[DOORS];
static __u64 spent[DOORS];
static struct door_name names[DOORS];

static void *copy_of(const void *of, size_t size)
{
	void *copy = malloc(size);

	assert_non_null(copy);
	return memcpy(copy, of, size);
}

int generation_values(const struct generation *g, enum generation_map map, void **out,
		      size_t *size)
{
	(void)g;
	assert_int_equal(map, MAP_names);
	*out = copy_of(names, sizeof(names));
	*size = sizeof(names);
	return 0;
}

void *generation_table(const struct generation *g, enum generation_map map, size_t least)
{
	(void)g;
	assert_true(map == MAP_doors || map == MAP_spent);
	return map == MAP_doors ? copy_of(in_force, least) : copy_of(spent, least);
}

/* There is no ring buffer: records are handed over below. */
int generation_map_info(const struct generation *g, enum generation_map map,
			struct bpf_map_info *out)
{
	(void)g;
	(void)map;
	(void)out;
	return -ENOENT;
}

/* ---- a place ---- */

static uint64_t clock_read(void)
{
	return 5000000;
}

static void line_hear(void *data, const char *line)
{
	struct place *place = data;
	size_t used = strlen(place->said);

	place->lines++;
	snprintf(place->said + used, sizeof(place->said) - used, "%s\n", line);
}

static void file_put(const char *path, const char *text)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

static int place_make(void **state)
{
	static struct place place;

	place = (struct place){ .top = "/tmp/knockd-tasks-XXXXXX" };
	assert_non_null(mkdtemp(place.top));
	snprintf(place.state, sizeof(place.state), "%s/state", place.top);
	snprintf(place.list, sizeof(place.list), "%s/list", place.top);
	snprintf(place.link, sizeof(place.link), "%s/link", place.top);
	snprintf(place.other, sizeof(place.other), "%s/other", place.top);
	conf_init(&place.conf, "knockd.conf");
	place.conf.door = place.door;
	place.conf.door_count = DOORS;
	memset(names, 0, sizeof(names));
	for (unsigned int i = 0; i < DOORS; i++) {
		place.door[i] = (struct conf_door){ .one_time_at = 1 };
		snprintf(place.door[i].name, sizeof(place.door[i].name), "door%u", i);
		strcpy(names[i].name, place.door[i].name);
		names[i].used = 1;
	}
	*state = &place;
	return 0;
}

static int place_end(void **state)
{
	struct place *place = *state;
	char command[128];

	tasks_close(place->t);
	commands_close(place->c);
	snprintf(command, sizeof(command), "rm -r %s", place->top);
	return system(command);
}

static void place_follow(struct place *place)
{
	const struct commands_place where = {
		.state_dir = place->state, .name = "eth0", .say = line_hear, .data = place,
		.now_ms = clock_read,
	};

	assert_int_equal(commands_open(&place->c, &where), 0);
	commands_limit(place->c, &place->conf);
	assert_int_equal(tasks_open(&place->t, place->c, line_hear, place), 0);
	assert_int_equal(tasks_follow(place->t, NULL, &place->conf), -ENOENT);
	tasks_serve(place->t, NOW, HZ);
}

/* ---- how long an opening is ---- */

/* The ms after which the stop command is due that door 0 owes for a record from @ago. */
static int stop_of(struct place *place, __u64 ago, __u64 until)
{
	struct event event = { .kind = EVENT_OPENED, .door = 0, .time = NOW - ago,
			       .until = until, .source = { .family = 4 } };

	event.source.word_be[0] = htonl(0x0a000001);
	task_handle(place->t, &event, sizeof(event));
	return commands_wait_ms(place->c);
}

static void the_stop_command_comes_with_the_end_of_the_grant_of_an_order(void **state)
{
	struct place *place = *state;
	struct conf_range range = { CONF_TCP, 22, 22, 0 };
	struct conf_door *door = &place->door[0];
	int ms;

	door->open = (struct conf_ranges){ &range, 1 };
	door->open_time_s = 30;
	door->commands.stop = "exit 0";
	door->commands.timeout_line = 1;
	door->commands.timeout_s = 10;
	place_follow(place);
	/* Knocks give the door's own, and so does an order without a time. */
	assert_int_equal(stop_of(place, 0, 0), 10000);
	assert_int_equal(stop_of(place, HZ, NOW - HZ + 30 * HZ), 10000);
	/* Less what has passed since. */
	ms = stop_of(place, HZ, NOW - HZ + 3600 * HZ);
	assert_in_range(ms, 3599000, 3599010);
	ms = stop_of(place, 0, NOW + 60 * HZ);
	assert_in_range(ms, 60000, 60010);
	/* Also when that is the usual one, which a knock would not make of it. */
	assert_in_range(stop_of(place, 0, 0), 60000, 60010);
	assert_int_equal(stop_of(place, 0, NOW + 30 * HZ), 10000);
	/* Until closed. */
	assert_int_equal(stop_of(place, 0, GRANT_FOREVER), -1);
	/* By the time that we hear of it, it may be over. */
	assert_in_range(stop_of(place, 5 * HZ, NOW - HZ), 0, 10);
}

static void a_door_that_stands_until_closed_has_that_as_its_own_time(void **state)
{
	struct place *place = *state;
	struct conf_range range = { CONF_TCP, 22, 22, 0 };
	struct conf_door *door = &place->door[0];

	door->open = (struct conf_ranges){ &range, 1 };
	door->commands.stop = "exit 0";
	door->commands.timeout_line = 1;
	door->commands.timeout_s = 10;
	place_follow(place);
	assert_int_equal(stop_of(place, 0, GRANT_FOREVER), 10000);
}

/* ---- one-time sequences ---- */

static void doors_load(struct place *place)
{
	struct messages messages;

	messages_init(&messages, "knockd.conf");
	for (unsigned int i = 0; i < DOORS; i++) {
		if (place->door[i].one_time_file)
			assert_int_equal(onetime_read(&place->door[i], &messages), 0);
		in_force[i].once = compile_once(&place->door[i]);
		spent[i] = 0;
	}
	messages_free(&messages);
}

static void expect_lines(struct place *place, unsigned int a, unsigned int b, unsigned int c,
			 unsigned int d)
{
	assert_int_equal(place->door[0].one_time_line, a);
	assert_int_equal(place->door[1].one_time_line, b);
	assert_int_equal(place->door[2].one_time_line, c);
	assert_int_equal(place->door[3].one_time_line, d);
}

static void all_doors_of_a_file_go_on_when_one_was_used(void **state)
{
	struct place *place = *state;

	file_put(place->list, " 7001,8001\n 7002,8002\n 7003,8003\n");
	file_put(place->other, " 7001,8001\n 7002,8002\n");
	assert_int_equal(symlink("list", place->link), 0);
	place->door[0].one_time_file = place->list;
	place->door[1].one_time_file = place->list;
	place->door[2].one_time_file = place->link;
	place->door[3].one_time_file = place->other;
	doors_load(place);
	place_follow(place);
	assert_false(tasks_advance(place->t, NULL, &place->conf));
	expect_lines(place, 1, 1, 1, 1);
	spent[1] = in_force[1].once;
	assert_true(tasks_advance(place->t, NULL, &place->conf));
	expect_lines(place, 2, 2, 2, 1);
	assert_int_equal(place->door[2].sequence.knock[0].number, 7002);
	assert_int_equal(place->lines, 3);
	/* The same knocks may have opened two of them: that uses up one line. */
	doors_load(place);
	spent[0] = in_force[0].once;
	spent[2] = in_force[2].once;
	assert_true(tasks_advance(place->t, NULL, &place->conf));
	expect_lines(place, 3, 3, 3, 1);
	/* Then there is none for any of them. */
	doors_load(place);
	spent[0] = in_force[0].once;
	assert_true(tasks_advance(place->t, NULL, &place->conf));
	expect_lines(place, 0, 0, 0, 1);
	assert_int_equal(place->door[1].sequence.len, 0);
}

static void where_it_cannot_be_marked_no_door_of_the_file_honours_it(void **state)
{
	struct place *place = *state;
	char fresh[128];

	/* Nor in place, where there is no blank for the mark. */
	file_put(place->list, "7001,8001\n7002,8002\n");
	place->door[0].one_time_file = place->list;
	place->door[1].one_time_file = place->list;
	doors_load(place);
	place_follow(place);
	snprintf(fresh, sizeof(fresh), "%s/.list.knockd-new", place->top);
	assert_int_equal(mkdir(fresh, 0700), 0);
	spent[0] = in_force[0].once;
	assert_true(tasks_advance(place->t, NULL, &place->conf));
	expect_lines(place, 0, 0, 0, 0);
	assert_int_equal(place->door[1].sequence.len, 0);
	assert_int_equal(place->lines, 2);
	assert_non_null(strstr(place->said, "disabling the door"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, place_make, place_end)
	const struct CMUnitTest tests[] = {
		TEST(the_stop_command_comes_with_the_end_of_the_grant_of_an_order),
		TEST(a_door_that_stands_until_closed_has_that_as_its_own_time),
		TEST(all_doors_of_a_file_go_on_when_one_was_used),
		TEST(where_it_cannot_be_marked_no_door_of_the_file_honours_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
