/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KNOCKD_PROCESS_H
#define KNOCKD_PROCESS_H

#include <sys/types.h>

/**
 * process_start() - When process @pid was started, in clock ticks since boot (proc(5), field 22 of
 * stat): what tells it from a later one of the same number. 0: there is none.
 */
unsigned long long process_start(pid_t pid);

#endif
