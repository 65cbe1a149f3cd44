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
		cmocka_unit_test_setup_teardown(an_unknown_event_says_nothing, fixture_make,
						fixture_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
