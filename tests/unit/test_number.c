// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "number.h"

struct row {
	const char *text;
	int result;
	uint64_t value;
};

static void a_number_is_all_digits_or_nothing(void **state)
{
	static const struct row rows[] = {
		{ "1", 0, 1 },
		{ "007", 0, 7 },
		{ "65535", 0, 65535 },
		{ "0", -ERANGE, 0 },
		{ "65536", -ERANGE, 0 },
		{ "4294967297", -ERANGE, 0 },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "18446744073709551617000", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "1.5", -EINVAL, 0 },
		{ "80abc", -EINVAL, 0 },
		{ "99999999999999999999x", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t value = 4711;
		int result = number_parse(rows[i].text, 1, 65535, &value);

		if (result != rows[i].result || value != (result ? 4711 : rows[i].value))
			fail_msg("'%s': %d, %ju", rows[i].text, result, (uintmax_t)value);
	}
}

static void the_largest_number_is_read_exactly(void **state)
{
	uint64_t value;

	(void)state;
	assert_int_equal(number_parse("18446744073709551615", 0, UINT64_MAX, &value), 0);
	assert_true(value == UINT64_MAX);
}

static void a_time_has_at_most_one_unit(void **state)
{
	static const struct row rows[] = {
		{ "0", 0, 0 },
		{ "30", 0, 30 },
		{ "30s", 0, 30 },
		{ "30 s", 0, 30 },
		{ "5m", 0, 300 },
		{ "2h", 0, 7200 },
		{ "1d", 0, 86400 },
		{ "2d", -ERANGE, 0 },
		{ "100001", -ERANGE, 0 },
		{ "213503982334602d", -ERANGE, 0 },
		{ "18446744073709551616s", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "1w", -EINVAL, 0 },
		{ "1S", -EINVAL, 0 },
		{ "1ms", -EINVAL, 0 },
		{ "1h30m", -EINVAL, 0 },
		{ "30 s ", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t value = 4711;
		int result = duration_parse(rows[i].text, 0, 100000, &value);

		if (result != rows[i].result || value != (result ? 4711 : rows[i].value))
			fail_msg("'%s': %d, %ju", rows[i].text, result, (uintmax_t)value);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_is_all_digits_or_nothing),
		cmocka_unit_test(the_largest_number_is_read_exactly),
		cmocka_unit_test(a_time_has_at_most_one_unit),
	};

	return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
