// SPDX-License-Identifier: GPL-2.0-or-later
#include "spelling.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static int min3(int a, int b, int c)
{
	int least = a < b ? a : b;

	return least < c ? least : c;
}

static int lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

int spelling_distance(const char *a, const char *b)
{
	int distance[SPELLING_MAX + 1][SPELLING_MAX + 1];
	size_t rows = strlen(a), columns = strlen(b);

	if (rows > SPELLING_MAX || columns > SPELLING_MAX)
		return SPELLING_MAX;
	for (size_t i = 0; i <= rows; i++)
		distance[i][0] = (int)i;
	for (size_t j = 0; j <= columns; j++)
		distance[0][j] = (int)j;
	for (size_t i = 1; i <= rows; i++) {
		for (size_t j = 1; j <= columns; j++) {
			bool same = lower(a[i - 1]) == lower(b[j - 1]);
			int *here = &distance[i][j];

			*here = min3(distance[i - 1][j] + 1, distance[i][j - 1] + 1,
				     distance[i - 1][j - 1] + !same);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]) &&
			    distance[i - 2][j - 2] + 1 < *here)
				*here = distance[i - 2][j - 2] + 1;
		}
	}
	return distance[rows][columns];
}
