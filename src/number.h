/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and times as people write them, read strictly: the whole text or nothing. */
#ifndef KNOCKD_NUMBER_H
#define KNOCKD_NUMBER_H

#include <stdint.h>

/**
 * number_parse() - Read a decimal number.
 * @text: digits only: no sign, no blanks, no base prefix; leading zeros are harmless
 * @min: smallest value allowed
 * @max: largest value allowed
 * @value: set on success only
 *
 * Return: 0, -EINVAL when @text is not a number, -ERANGE when it is one below @min or above @max,
 * however many digits it has.
 */
int number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/**
 * duration_parse() - Read a time: a number, then optionally blanks and one of `s m h d`.
 * @text: seconds where it has no unit
 * @min: smallest value allowed, in seconds
 * @max: largest value allowed, in seconds
 * @seconds: set on success only
 *
 * Return: as number_parse().
 */
int duration_parse(const char *text, uint64_t min, uint64_t max, uint64_t *seconds);

#endif
