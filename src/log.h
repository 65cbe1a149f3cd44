/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Log lines: to stderr, or to syslog and a file as the config says; with names of hosts where that
 * was asked for.
 */
#ifndef KNOCKD_LOG_H
#define KNOCKD_LOG_H

#include <stdbool.h>

#include "knockd/abi.h"

/** log_open() - Read and open now what cannot be any more once privileges are given up. */
void log_open(void);

/**
 * log_to() - Say where lines go from here on; before, and with neither, it is stderr.
 * @syslog: to syslog, ident knockd; needs log_open() before
 * @file: a descriptor, which the log owns from now on, appended to, each line behind
 *        [YYYY-MM-DD HH:MM]; −1: none
 */
void log_to(bool syslog, int file);

/**
 * log_verbose() - From here on lines also go to standard output, unless they go to stderr, and
 * log_detail() says something.
 */
void log_verbose(void);

/** log_debugging() - From here on log_debug() says something. */
void log_debugging(void);

/** log_line() - One line, without its newline. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** log_source_line() - @line, which begins with the address of @source; its name goes behind it. */
void log_source_line(const struct source *source, const char *line);

/** log_detail() - One line for who wants to know more, to standard output only. */
void log_detail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** log_debug() - One line for who looks for a fault, to standard output only. */
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/**
 * log_lookup() - From here on names go behind addresses.
 * @fd: of lookup_start(), which the log owns from now on
 * Return: 0 or −ENOMEM.
 */
int log_lookup(int fd);

/** log_fd() - A descriptor that becomes readable with names; −1: there is none, or no more. */
int log_fd(void);

/** log_serve() - Take the names that have come, and write the lines that waited for them. */
void log_serve(void);

/** log_next_ns() - When to call log_serve() at the latest, on CLOCK_MONOTONIC; 0: nothing waits. */
__u64 log_next_ns(void);

/** log_close() - Write what waits, and release everything; lines go to stderr again. */
void log_close(void);

#endif
