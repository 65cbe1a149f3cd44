/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file of lines that outlives a crash: lines are appended, or all of them replaced at once. Each
 * has a checksum, so that a line counts as a whole or not at all. Lines hold no newline. The file
 * is held by a lock, which the one that replaces it has before it takes its place.
 */
#ifndef KNOCKD_JOURNAL_H
#define KNOCKD_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct journal;

/** journal_open() - Of @name in @folder, both copied; touches neither. Return: 0 or −ENOMEM. */
int journal_open(struct journal **out, const char *folder, const char *name);

/**
 * journal_claim() - Hold the file that is there, be it read-only: nobody else can before
 * journal_close().
 * Return: 0; −EBUSY: it is held; −ENOENT: there is none; −EPERM where others could have written
 * there; or another −errno.
 */
int journal_claim(struct journal *j);

/**
 * journal_read() - Read what is there.
 * @take: gets each line, which it may write to; NULL for one that was not written so, but for the
 * last, which may have been cut short before it meant anything
 * Return: 0, also where there is no file; −EPERM where others could have written there; or
 * another −errno.
 */
int journal_read(struct journal *j, void (*take)(void *data, char *line, size_t number),
		 void *data);

/**
 * journal_replace() - Replace the whole file by what @fill writes with journal_put(), durably;
 * where it is not held, make it and its folder, and hold it.
 * @fill: returns 0 or −errno
 * Return: 0; or −errno, and it is as it was: −EBUSY where it is there, but not held by us.
 */
int journal_replace(struct journal *j, int (*fill)(void *data, FILE *out), void *data);

/**
 * journal_set_aside() - Keep what is there under another name, for a person to look at.
 * Return: 0 or −errno.
 */
int journal_set_aside(struct journal *j);

/**
 * journal_remove() - Remove the file, which is held, unless another has taken its place; and let go
 * of it. Return: 0 or −errno.
 */
int journal_remove(struct journal *j);

/** journal_put() - One line of @fill. */
void journal_put(FILE *out, const char *line);

/**
 * journal_add() - Append @line; @durably: it is on the disk when this returns.
 * Return: 0; −EBADF before journal_replace() has succeeded once; or another −errno, and then
 * nothing can be added before it succeeds again.
 */
int journal_add(struct journal *j, const char *line, bool durably);

/** journal_held() - Whether the file is there, and is held. */
bool journal_held(const struct journal *j);

/** journal_writable() - Whether journal_add() can add. */
bool journal_writable(const struct journal *j);

/** journal_path() - Of the file, for people. */
const char *journal_path(const struct journal *j);

/** journal_aside_path() - The other name. */
const char *journal_aside_path(const struct journal *j);

/** journal_close() - NULL is fine. */
void journal_close(struct journal *j);

#endif
