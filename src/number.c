// SPDX-License-Identifier: GPL-2.0-or-later
#include "number.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* Read the digits at @text; past 64 bits the value stays at UINT64_MAX. Returns their count. */
static size_t digits_read(const char *text, uint64_t *value)
{
	uint64_t sum = 0;
	size_t count = 0;

	for (; text[count] >= '0' && text[count] <= '9'; count++) {
		uint64_t digit = (uint64_t)(text[count] - '0');

		if (__builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, digit, &sum)) {
			count += strspn(text + count, "0123456789");
			sum = UINT64_MAX;
			break;
		}
	}
	*value = sum;
	return count;
}

int number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	uint64_t number;
	size_t digits = digits_read(text, &number);

	if (digits == 0 || text[digits] != '\0')
		return -EINVAL;
	if (number < min || number > max)
		return -ERANGE;
	*value = number;
	return 0;
}

/* Seconds in one @unit, or 0 when it is none. */
static uint64_t unit_seconds(const char *unit)
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} units[] = { { "", 1 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 } };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(unit, units[i].name) == 0)
			return units[i].seconds;
	return 0;
}

int duration_parse(const char *text, uint64_t min, uint64_t max, uint64_t *seconds)
{
	uint64_t number;
	size_t digits = digits_read(text, &number);
	uint64_t unit = unit_seconds(text + digits + strspn(text + digits, " \t"));

	if (digits == 0 || unit == 0)
		return -EINVAL;
	if (__builtin_mul_overflow(number, unit, &number) || number < min || number > max)
		return -ERANGE;
	*seconds = number;
	return 0;
}
