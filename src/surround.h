/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What changes around a generation while it is in force: devices, addresses, forwarding. */
#ifndef KNOCKD_SURROUND_H
#define KNOCKD_SURROUND_H

#include "device.h"
#include "generation.h"

/**
 * generation_surround() - Tell the programs which devices are @guarded, all of @devices, and which
 * are stacked on them, which addresses the host has, and whether it forwards.
 * Return: 0 or −errno of the first failure; −E2BIG: more than there is room for.
 */
int generation_surround(const struct generation *g, struct devices *devices,
			const struct guarded *guarded);

#endif
