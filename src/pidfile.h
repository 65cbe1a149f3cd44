/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pid file of a daemon in the background. */
#ifndef KNOCKD_PIDFILE_H
#define KNOCKD_PIDFILE_H

#include <sys/types.h>

/**
 * pidfile_write() - Write @pid and a newline to @path, in place of a file that is there; not
 * through a symbolic link.
 * Return: 0 or −errno.
 */
int pidfile_write(const char *path, pid_t pid);

/** pidfile_remove() - Remove @path if it names @pid. */
void pidfile_remove(const char *path, pid_t pid);

#endif
