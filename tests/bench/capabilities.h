/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's capabilities, as its service has them: what the verifier adds depends on them. */
#ifndef KNOCKD_BENCH_CAPABILITIES_H
#define KNOCKD_BENCH_CAPABILITIES_H

#include <stdint.h>

/**
 * capabilities_keep() - Give up all but what CapabilityBoundingSet= of @unit, a file of the service
 * manager, leaves the daemon.
 * @kept: a bit set of them
 *
 * Return: 0, −EINVAL where the unit names one that is not known here, −ENOENT where it names none,
 * or another −errno.
 */
int capabilities_keep(const char *unit, uint64_t *kept);

#endif
