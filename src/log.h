/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log lines: to stderr, or to syslog and a file as the config says. */
#ifndef KNOCKD_LOG_H
#define KNOCKD_LOG_H

#include <stdbool.h>

/** log_open() - Read now what cannot be read any more once files cannot be opened. */
void log_open(void);

/**
 * log_to() - Say where lines go from here on; before, and with neither, it is stderr.
 * @syslog: to syslog(3), ident knockd
 * @file: a descriptor, which the log owns from now on, appended to, each line behind
 *        [YYYY-MM-DD HH:MM]; −1: none
 */
void log_to(bool syslog, int file);

/** log_verbose() - From here on lines also go to standard output, unless they go to stderr. */
void log_verbose(void);

/** log_line() - One line, without its newline. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** log_close() - Release what log_to() took; lines go to stderr again. */
void log_close(void);

#endif
