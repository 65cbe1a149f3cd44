/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The BPF file system, and where it has to be mounted. */
#ifndef KNOCKD_BPFFS_H
#define KNOCKD_BPFFS_H

#include <stdbool.h>

#include "failure.h"

#define BPFFS "/sys/fs/bpf"

/** bpffs_holds() - Whether @path exists and is on a BPF file system. */
bool bpffs_holds(const char *path);

/**
 * bpffs_mount() - Mount it at BPFFS where that is missing, and for process 1 too, so that it
 * outlasts a service manager's mount namespace in which we may live.
 * @failure: untouched, or set on failure, or on success when it may end with this namespace
 *
 * Return: 0 or −errno.
 */
int bpffs_mount(struct failure *failure);

#endif
