/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the loop may still do once it has started: nothing but wait, read, log and tell. */
#ifndef KNOCKD_PRIVS_H
#define KNOCKD_PRIVS_H

#include "failure.h"

/**
 * privs_drop() - Give up, for good and for this process: all capabilities, ever getting new ones,
 * and every system call that the loop does not make.
 *
 * From here on no file can be opened and no process started. Descriptors that were opened before,
 * or come over a socket, can be read, written, mapped and polled; syslog(3) still finds its socket.
 * Processes that were forked before keep what they have. Without CAP_SETPCAP the bounding set stays
 * as it is, and has no effect.
 *
 * Return: 0; or −errno with the step that failed in @failure: the process has then lost some.
 */
int privs_drop(struct failure *failure);

/**
 * privs_seal() - From here on no memory can be mapped that is shared and writable: descriptors of
 * the kernel's tables are good for reading only. After privs_drop(), once the ring is mapped.
 * Return: 0, or −errno with a sentence in @failure.
 */
int privs_seal(struct failure *failure);

#endif
