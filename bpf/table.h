/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checked access to tables whose size a config decides. Also builds natively. */
#ifndef KNOCKD_TABLE_H
#define KNOCKD_TABLE_H

#include <linux/types.h>
#include <stddef.h>

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/**
 * table_at() - The element @index of a table of @count elements of @size bytes, or NULL.
 *
 * The verifier believes only the register that was compared, and only while it is in one. So the
 * index is made opaque before the comparison and the address after it: no compiler then compares
 * one copy and uses another.
 */
static __always_inline const void *table_at(const void *table, __u64 index, __u32 count,
					    __u32 size)
{
	asm volatile("" : "+r"(index));
	if (index >= count)
		return NULL;
	table += index * size;
	asm volatile("" : "+r"(table));
	return table;
}

#endif
