// SPDX-License-Identifier: GPL-2.0-or-later
/* Tables for people, for pipes and as JSON, to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

static const struct column columns[] = {
	{ "NAME", "name", false },
	{ "COUNT", "count", true },
	{ NULL, "well", false },
	{ "OPENS", "opens", false },
	{ "LEFT", NULL, false },
};

enum { COLUMNS = sizeof(columns) / sizeof(*columns) };

/* Print @rows rows and compare. */
static void expect_table(enum output_form form, bool records, const struct cell (*row)[COLUMNS],
			 size_t rows, const char *expected)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct table table;

	assert_non_null(out);
	table_begin(&table, out, form, records, columns, COLUMNS);
	for (size_t i = 0; i < rows; i++)
		assert_int_equal(table_row(&table, row[i]), 0);
	assert_int_equal(table_end(&table), 0);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
}

#define ROW(name, count, well, opens, left)                                                        \
	{ cell_text(name), count, cell_truth(well, NULL), cell_list(opens), cell_nothing(left) }

static void a_terminal_gets_columns(void **state)
{
	const struct cell row[][COLUMNS] = {
		ROW("ssh", cell_number(12), true, "22/tcp, 23/tcp", "until closed"),
		ROW("a long name", cell_number(1234567), false, "", NULL),
		ROW("t\303\274r", cell_nothing("none"), true, "80/tcp", NULL),
	};

	(void)state;
	expect_table(OUTPUT_ALIGNED, false, row, 3,
		     "NAME           COUNT  OPENS           LEFT\n"
		     "ssh               12  22/tcp, 23/tcp  until closed\n"
		     "a long name  1234567\n"
		     "t\303\274r             none  80/tcp\n");
}

static void a_pipe_gets_tabs(void **state)
{
	const struct cell row[][COLUMNS] = {
		ROW("ssh", cell_number(12), true, "22/tcp, 23/tcp", "until closed"),
		ROW("", cell_nothing(NULL), false, "", NULL),
	};

	(void)state;
	expect_table(OUTPUT_TABS, false, row, 2,
		     "NAME\tCOUNT\tOPENS\tLEFT\n"
		     "ssh\t12\t22/tcp, 23/tcp\tuntil closed\n"
		     "\t\t\t\n");
}

static void without_rows_there_are_titles(void **state)
{
	(void)state;
	expect_table(OUTPUT_ALIGNED, false, NULL, 0, "NAME  COUNT  OPENS  LEFT\n");
	expect_table(OUTPUT_TABS, false, NULL, 0, "NAME\tCOUNT\tOPENS\tLEFT\n");
	expect_table(OUTPUT_ALIGNED, true, NULL, 0, "");
	expect_table(OUTPUT_JSON, false, NULL, 0, "[]\n");
}

static void records_leave_out_what_is_empty(void **state)
{
	const struct cell row[][COLUMNS] = {
		ROW("ssh", cell_number(12), true, "", NULL),
		ROW("web", cell_nothing(NULL), true, "80/tcp", NULL),
	};

	(void)state;
	expect_table(OUTPUT_ALIGNED, true, row, 2, "NAME   ssh\nCOUNT  12\n\n"
						   "NAME   web\nOPENS  80/tcp\n");
	expect_table(OUTPUT_TABS, true, row, 2, "NAME\tssh\nCOUNT\t12\nNAME\tweb\nOPENS\t80/tcp\n");
}

static void json_has_every_value_in_its_type(void **state)
{
	const struct cell row[][COLUMNS] = {
		ROW("ssh", cell_number(UINT64_MAX), true, "22/tcp, 23/tcp", "until closed"),
		ROW("web", cell_nothing("none"), false, "", NULL),
	};

	(void)state;
	expect_table(OUTPUT_JSON, false, row, 2,
		     "[\n {\"name\": \"ssh\", \"count\": 18446744073709551615, \"well\": true, "
		     "\"opens\": [\"22/tcp\", \"23/tcp\"]},\n"
		     " {\"name\": \"web\", \"count\": null, \"well\": false, \"opens\": []}\n]\n");
}

static void control_characters_do_not_reach_a_terminal(void **state)
{
	const struct cell row[][COLUMNS] = {
		ROW("\033[2J\n\tx\177", cell_number(1), true, "", NULL),
	};

	(void)state;
	expect_table(OUTPUT_TABS, false, row, 1, "NAME\tCOUNT\tOPENS\tLEFT\n"
						 "?[2J??x?\t1\t\t\n");
}

static void a_json_string_is_valid_whatever_the_bytes(void **state)
{
	static const struct {
		const char *text, *json;
	} rows[] = {
		{ "", "\"\"" },
		{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
		{ "\001\n\177", "\"\\u0001\\u000a\\u007f\"" },
		{ "t\303\274r \342\202\254 \360\237\224\221",
		  "\"t\303\274r \342\202\254 \360\237\224\221\"" },
		{ "cut \303", "\"cut \\ufffd\"" },
		{ "cut \342\202", "\"cut \\ufffd\\ufffd\"" },
		{ "alone \274", "\"alone \\ufffd\"" },
		{ "too long \300\257", "\"too long \\ufffd\\ufffd\"" },
		{ "half \355\240\200", "\"half \\ufffd\\ufffd\\ufffd\"" },
		{ "beyond \364\220\200\200", "\"beyond \\ufffd\\ufffd\\ufffd\\ufffd\"" },
		{ "\377", "\"\\ufffd\"" },
	};
	static const struct column column = { "T", "t", false };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct cell cell = cell_text(rows[i].text);
		char *text = NULL, expected[128];
		size_t size = 0;
		FILE *out = open_memstream(&text, &size);

		assert_non_null(out);
		object_print(out, &column, &cell, 1);
		fclose(out);
		snprintf(expected, sizeof(expected), "{\"t\": %s}", rows[i].json);
		assert_string_equal(text, expected);
		free(text);
	}
}

static void what_cannot_be_written_is_an_error(void **state)
{
	const struct cell row[][COLUMNS] = { ROW("ssh", cell_number(12), true, "", NULL) };
	static const enum output_form forms[] = { OUTPUT_ALIGNED, OUTPUT_TABS, OUTPUT_JSON };

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		FILE *out = fopen("/dev/full", "w");
		struct table table;

		assert_non_null(out);
		table_begin(&table, out, forms[i], false, columns, COLUMNS);
		assert_int_equal(table_row(&table, row[0]), 0);
		assert_int_equal(table_end(&table), -ENOSPC);
		fclose(out);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_terminal_gets_columns),
		cmocka_unit_test(a_pipe_gets_tabs),
		cmocka_unit_test(without_rows_there_are_titles),
		cmocka_unit_test(records_leave_out_what_is_empty),
		cmocka_unit_test(json_has_every_value_in_its_type),
		cmocka_unit_test(control_characters_do_not_reach_a_terminal),
		cmocka_unit_test(a_json_string_is_valid_whatever_the_bytes),
		cmocka_unit_test(what_cannot_be_written_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
