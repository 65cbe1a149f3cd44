/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log lines: to stderr, or to syslog and a file as the config says. */
#ifndef KNOCKD_LOG_H
#define KNOCKD_LOG_H

#include <stdbool.h>

/**
 * log_open() - Say where lines go from here on; before, and with neither, it is stderr.
 * @syslog: to syslog(3), ident knockd
 * @file: appended to, each line behind [YYYY-MM-DD HH:MM]; NULL: none
 *
 * Return: 0 or −errno when @file cannot be opened; lines then go where they went before.
 */
int log_open(bool syslog, const char *file);

/** log_verbose() - From here on lines also go to standard output, unless they go to stderr. */
void log_verbose(void);

/** log_line() - One line, without its newline. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** log_close() - Release what log_open() took; lines go to stderr again. */
void log_close(void);

#endif
