/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the service manager is told: sd_notify(3), without its library. */
#ifndef KNOCKD_NOTIFY_H
#define KNOCKD_NOTIFY_H

/**
 * notify_open() - Connect to the socket that NOTIFY_SOCKET names, and take the name out of the
 * environment: what is started from here on has nothing to tell.
 *
 * Return: a descriptor; −ENOENT when nobody asks to be told; another −errno.
 */
int notify_open(void);

/**
 * notify_send() - Tell, such as "READY=1\nSTATUS=eth0: guarded"; lines that do not fit are cut off.
 * @fd: of notify_open(); when negative, nobody is told
 *
 * Waits for at most a second, and what cannot be told is lost: enforcing does not depend on it.
 */
void notify_send(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
