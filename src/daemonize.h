/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Into the background, with a parent that stays until the child has started: errors reach the shell
 * that it was started from, and so does the exit status.
 */
#ifndef KNOCKD_DAEMONIZE_H
#define KNOCKD_DAEMONIZE_H

#include <sys/types.h>

/**
 * daemonize_fork() - Go on in a child, which has a session of its own and works in '/'. It keeps
 * standard input, output and error for now. Threads and helpers are to be started after this.
 * Return: 0 in the child; its id in the parent, for daemonize_wait(); or −errno.
 */
pid_t daemonize_fork(void);

/**
 * daemonize_wait() - Wait until the child has started, or ended.
 * Return: 0, or the exit status of a child that ended first, where 0 becomes 1.
 */
int daemonize_wait(pid_t child);

/**
 * daemonize_fd() - A descriptor for epoll(7), with no events: an error on it says that the parent
 * ended before its time, and so must the child. −1: there is no such parent.
 */
int daemonize_fd(void);

/** daemonize_ready() - The child has started: let the parent go, then as daemonize_detach(). */
void daemonize_ready(void);

/**
 * daemonize_detach() - Let go of what was inherited: standard input, output and error are
 * /dev/null from here on. For each process of a daemon; in the foreground nothing happens.
 */
void daemonize_detach(void);

#endif
