/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host under test: listening sockets in its namespace, the wire to it from the one that the
 * program runs in, and its loopback device, where it answers itself.
 */
#ifndef KNOCKD_EVASION_HOST_H
#define KNOCKD_EVASION_HOST_H

#include "sight.h"

struct host;

/** host_open() - In the namespace at @path. Exits on failure, as all functions here do. */
struct host *host_open(const char *path);

/** host_send() - Put the case's frames on the wire. */
void host_send(struct host *h, struct watch *w, const struct evasion_case *c);

/** host_settle() - Wait until what was sent is judged and answered, and collect what is seen. */
void host_settle(struct host *h, struct watch *w);

/** host_forget() - The same, and wait until the host has given up all fragments that it keeps. */
void host_forget(struct host *h, struct watch *w);

#endif
