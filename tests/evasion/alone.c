// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Linked with --wrap, this makes a knockd that takes every kernel for one without the inner door:
 * the outer door alone guards, as it does there.
 */
#include <stdbool.h>

bool __wrap_load_inner_possible(void);

bool __wrap_load_inner_possible(void)
{
	return false;
}
