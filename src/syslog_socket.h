/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines to syslog, as syslog(3) writes them, but never waiting for who reads them: that one may
 * hang, and with it everybody who waits.
 */
#ifndef KNOCKD_SYSLOG_SOCKET_H
#define KNOCKD_SYSLOG_SOCKET_H

#include <sys/un.h>
#include <time.h>

struct syslog_socket {
	int fd;
	struct sockaddr_un address;
	unsigned int unsaid; /* lines that were not taken, and not yet told of */
};

/**
 * syslog_socket_open() - Be ready to write to @path, whether or not somebody reads there already.
 *
 * Without memory or descriptors for it, every line is one that was not taken.
 */
void syslog_socket_open(struct syslog_socket *socket, const char *path);

/**
 * syslog_socket_write() - One line, user.notice, ident knockd; or else count it. What was counted
 * is said before the next line that is taken.
 */
void syslog_socket_write(struct syslog_socket *socket, time_t when, const char *line);

/** syslog_socket_close() - Release it. Closing once more is fine. */
void syslog_socket_close(struct syslog_socket *socket);

#endif
