/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which interfaces to guard, chosen once, at the start. */
#ifndef KNOCKD_INTERFACES_H
#define KNOCKD_INTERFACES_H

#include <stdbool.h>

#include "conf.h"
#include "device.h"

/**
 * interfaces_find() - The interfaces of @option, else the config's, else eth0, else the default
 * route's, and whether they can be guarded; what is wrong is written to standard error.
 * @option: one, or several separated by commas; NULL: not given
 * @wait: one that is missing is waited for
 * @out: untouched on failure
 *
 * Return: 0, or −errno, which has been said.
 */
int interfaces_find(const char *option, bool wait, const struct conf *conf,
		    struct interface_names *out);

#endif
