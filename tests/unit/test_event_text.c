// SPDX-License-Identifier: GPL-2.0-or-later
/* What an event says, to the byte. */
#include "views.h"

#include "event_text.h"

struct fixture {
	struct world world;
	struct view *view;
};

static int fixture_make(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->world = world_make();
	world_door(&f->world, 0, "ssh", 0);
	world_door(&f->world, 2, "openSSH", 0);
	world_door(&f->world, 3, "ssh", 1);
	f->view = world_view(&f->world);
	*state = f;
	return 0;
}

static int fixture_end(void **state)
{
	struct fixture *f = *state;

	view_close(f->view);
	world_end(&f->world);
	free(f);
	return 0;
}

/* All lines of @event, each with a newline. */
static void expect_lines(const struct fixture *f, const struct event *event, const char *expected)
{
	char line[256], text[2048] = "";
	unsigned int i;

	for (i = 0; event_text(f->view, event, i, line, sizeof(line)); i++) {
		assert_in_range(i, 0, 15);
		strcat(strcat(text, line), "\n");
	}
	assert_string_equal(text, expected);
	assert_false(event_text(f->view, event, i + 1, line, sizeof(line)));
}

static void a_stage_has_a_line_for_each_door(void **state)
{
	struct fixture *f = *state;
	struct event event = {
		.kind = EVENT_STAGE, .state = 9, .source = source_v4(192, 0, 2, 7),
	};

	f->world.stage[9] = (struct stage){ .depth = 2, .count = 2, .door = { 2, 0 } };
	expect_lines(f, &event, "192.0.2.7: openSSH: Stage 2\n192.0.2.7: ssh: Stage 2\n");
	event.state = 8;
	expect_lines(f, &event, "");
	event.state = WORLD_STATES;
	expect_lines(f, &event, "");
}

static void an_opening_says_who_asked_for_it(void **state)
{
	struct event event = {
		.kind = EVENT_OPENED, .door = 2, .source = source_v6(0x20, 1),
	};

	expect_lines(*state, &event, "2000::1: openSSH: OPEN SESAME\n");
	strcpy(event.who, "admin");
	expect_lines(*state, &event, "2000::1: openSSH: OPEN SESAME (knockctl, by admin)\n");
	event.door = 1;
	expect_lines(*state, &event, "2000::1: ?: OPEN SESAME (knockctl, by admin)\n");
}

static void a_closing_says_what_closed_it(void **state)
{
	struct event event = {
		.kind = EVENT_CLOSED, .door = 3, .source = source_v4(192, 0, 2, 7),
	};

	expect_lines(*state, &event, "192.0.2.7: ssh: closed (sequence)\n");
	event.reason = REASON_CLOSED_BY_KNOCK;
	expect_lines(*state, &event, "192.0.2.7: ssh: closed (sequence)\n");
	event.reason = REASON_USED_UP;
	expect_lines(*state, &event, "192.0.2.7: ssh: closed (connections)\n");
	strcpy(event.who, "admin");
	expect_lines(*state, &event, "192.0.2.7: ssh: closed (knockctl, by admin)\n");
}

static void a_name_without_an_end_does_no_harm(void **state)
{
	struct event event = {
		.kind = EVENT_CLOSED, .door = 3, .source = source_v4(192, 0, 2, 7),
	};

	memset(event.who, 'x', sizeof(event.who));
	expect_lines(*state, &event, "192.0.2.7: ssh: closed (knockctl, by "
				     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx)\n");
}

static void a_refusal_says_why(void **state)
{
	struct event event = {
		.kind = EVENT_REFUSED, .door = 0, .reason = REASON_REFUSED_FULL,
		.source = source_v4(192, 0, 2, 7),
	};

	expect_lines(*state, &event, "192.0.2.7: ssh: not opened (a right sequence, but the table "
				     "of grants had no place)\n");
	event.reason = REASON_REFUSED_SPENT;
	expect_lines(*state, &event, "192.0.2.7: ssh: not opened (a one-time sequence that was "
				     "used before)\n");
	event.reason = 4711;
	expect_lines(*state, &event, "192.0.2.7: ssh: not opened (?)\n");
}

static void a_blocked_packet_names_its_port(void **state)
{
	struct event event = {
		.kind = EVENT_BLOCKED, .port = 22, .proto = PROTO_TCP,
		.source = source_v4(192, 0, 2, 7),
	};

	expect_lines(*state, &event, "192.0.2.7: refused at tcp port 22 (the first there in a "
				     "minute)\n");
	event.proto = PROTO_UDP;
	expect_lines(*state, &event, "192.0.2.7: refused at udp port 22 (the first there in a "
				     "minute)\n");
}

static void an_order_names_its_giver(void **state)
{
	struct event event = { .kind = EVENT_ORDER, .order = ORDER_CONFIRM, .who = "admin" };

	expect_lines(*state, &event, "confirmed by admin\n");
	event.order = ORDER_DETACH;
	expect_lines(*state, &event, "detached by admin\n");
	event.order = ORDER_RELOAD;
	expect_lines(*state, &event, "reload asked for by admin\n");
	event.seconds = 120;
	expect_lines(*state, &event, "reload asked for by admin, to be confirmed within 120 s\n");
	event.order = 99;
	expect_lines(*state, &event, "");
}

static void an_unknown_event_says_nothing(void **state)
{
	struct event event = { .kind = 99 };

	expect_lines(*state, &event, "");
}

static void a_debugging_line_has_all_fields_but_ports(void **state)
{
	struct fixture *f = *state;
	struct event event = {
		.kind = EVENT_CLOSED, .door = 2, .state = 9, .reason = REASON_USED_UP, .time = 7,
		.until = 8, .source = source_v6(0x20, 1), .port = 31337, .renewed = 1, .order = 3,
	};
	char line[512];

	event.source.stream = 5;
	event_debug_text(f->view, &event, line, sizeof(line));
	assert_string_equal(line, "event closed: source 2000::1, stream 5, door 2 (openSSH), state "
				  "9, reason 35 (USED_UP), time 7, until 8, renewed 1, order 3");
	event = (struct event){ .kind = 99, .reason = 4711, .door = 1 };
	event_debug_text(f->view, &event, line, sizeof(line));
	assert_string_equal(line, "event ?: source ::, stream 0, door 1 (?), state 0, reason 4711 "
				  "(?), time 0, until 0, renewed 0, order 0");
}

static void sources_are_the_same_by_their_address_alone(void **state)
{
	struct source a = source_v4(192, 0, 2, 7), b = a, v6 = { .family = 6 };

	(void)state;
	b.stream = 3;
	assert_true(sources_equal(&a, &b));
	b = source_v4(192, 0, 2, 8);
	assert_false(sources_equal(&a, &b));
	memcpy(v6.word_be, a.word_be, sizeof(v6.word_be));
	assert_false(sources_equal(&a, &v6));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_stage_has_a_line_for_each_door, fixture_make,
						fixture_end),
		cmocka_unit_test_setup_teardown(an_opening_says_who_asked_for_it, fixture_make,
						fixture_end),
		cmocka_unit_test_setup_teardown(a_closing_says_what_closed_it, fixture_make,
						fixture_end),
		cmocka_unit_test_setup_teardown(a_name_without_an_end_does_no_harm, fixture_make,
						fixture_end),
		cmocka_unit_test_setup_teardown(a_refusal_says_why, fixture_make, fixture_end),
		cmocka_unit_test_setup_teardown(a_blocked_packet_names_its_port, fixture_make,
						fixture_end),
		cmocka_unit_test_setup_teardown(an_order_names_its_giver, fixture_make,
						fixture_end),
		cmocka_unit_test_setup_teardown(a_debugging_line_has_all_fields_but_ports,
						fixture_make, fixture_end),
		cmocka_unit_test(sources_are_the_same_by_their_address_alone),
		cmocka_unit_test_setup_teardown(an_unknown_event_says_nothing, fixture_make,
						fixture_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
