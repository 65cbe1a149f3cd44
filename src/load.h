/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A config's tables → a generation: programs and maps in the kernel, complete but not attached. The
 * only file that knows the skeleton.
 */
#ifndef KNOCKD_LOAD_H
#define KNOCKD_LOAD_H

#include "compile.h"
#include "failure.h"
#include "generation.h"

struct load {
	const struct compiled *compiled;
	const struct generation *from; /* whose state goes on; NULL: none */
	enum frames frames;
	bool frags;    /* the outer door takes packets in fragments, where the driver has them */
	bool inner;    /* load the inner door too */
	bool trial;    /* and both doors' programs for a config that waits for confirmation */
};

/** load_hz() - Jiffies in one second. */
unsigned int load_hz(void);

/** load_inner_possible() - Whether the kernel can serve the inner door. */
bool load_inner_possible(void);

/**
 * load_generation() - Load @load; state is shared with load->from where sizes allow it.
 * @clock: the programs' clock and CLOCK_MONOTONIC at one moment
 *
 * Return: 0, −EPERM, −EOPNOTSUPP when the kernel lacks something, or another −errno.
 */
int load_generation(const struct load *load, struct generation *out, struct clock_reading *clock,
		    struct failure *failure);

#endif
