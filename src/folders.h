/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The folders below the one for pins, DIR: what they are called, listing, locking, exchanging and
 * removing them, and the names of the files in them.
 *
 * Beside DIR/NAME there may be folders aside, "NAME 1" and so on: a set of pins that is being made,
 * or what a process that was killed left. Only the set that has replaced all others removes them,
 * since each may hold the only pin of a link in force. Neither an interface nor a NAME has a space.
 *
 * Two locks, both flock(2) on folders: that of DIR/NAME says that its daemon lives. That of DIR is
 * held for moments by who reads or changes several names.
 */
#ifndef KNOCKD_FOLDERS_H
#define KNOCKD_FOLDERS_H

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

/** failure_from() - Say what was tried, why it failed, and what would help. Return: @result. */
int failure_from(struct failure *failure, int result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** moment_wait() - Some milliseconds. seconds_now() - CLOCK_MONOTONIC. */
void moment_wait(void);
double seconds_now(void);

/** outer_name() - The file of the outer door's link on the interface of that place in the list. */
const char *outer_name(unsigned int place);

/** name_is_ours() - Whether a file of that name is knockd's. */
bool name_is_ours(const char *name);

/** base_length() - Of the NAME in "NAME" or in "NAME 1". base_is() - Whether that is @folder. */
size_t base_length(const char *entry);
bool base_is(const char *entry, const char *folder);

/** folder_name() - Of a NAME, with room for what is added aside. Return: 0 or −EINVAL. */
int folder_name(char folder[NAME_MAX + 1], const char *name);

/** user_name() - The NAME of @entry, as the user gave it. */
void user_name(char name[NAME_MAX + 1], const char *entry);

/** path_make() - DIR/ENTRY/FILE. Return: 0 or −ENAMETOOLONG. */
int path_make(char path[PATH_MAX], const char *dir, const char *entry, const char *file);

/* The folders below DIR, those of one NAME next to each other. */
struct listing {
	struct dirent **at;
	int count;
};

/** listing_read() - Return: 0 or −errno. Release with listing_free(). */
int listing_read(struct listing *out, const char *dir);
void listing_free(struct listing *list);

/** listing_next() - Where the folders of another NAME than that of @first begin. */
int listing_next(const struct listing *list, int first);

/** folder_open() - Return: a descriptor or −errno. */
int folder_open(int dir, const char *entry);

/** folder_is() - Is @fd what is to be found at @entry? */
bool folder_is(int fd, int dir, const char *entry);

/**
 * folder_make() - Open and lock it, made where it is missing.
 * Return: a descriptor, −EBUSY while another has it, or another −errno.
 */
int folder_make(int dir, const char *entry);

/** aside_make() - A new folder aside of @folder, locked. Return: a descriptor or −errno. */
int aside_make(int dir, const char *folder, char entry[NAME_MAX + 1]);

/**
 * folder_remove() - Remove a folder with what in it is ours.
 * @path: of @dir, for people
 * @failure: set on failure, and on success only to tell of what was left
 * Return: 0 or −errno.
 */
int folder_remove(const char *path, int dir, const char *entry, struct failure *failure);

/** asides_remove() - Remove all that is aside of @folder. */
void asides_remove(const char *path, int dir, const char *folder, struct failure *failure);

/** folder_exchange() - Put @entry in place of @folder, which is aside then. Return: 0 or −errno. */
int folder_exchange(int dir, const char *folder, const char *entry);

/** dir_enter() - Open and lock DIR; close() is the way out. Return: a descriptor or −errno. */
int dir_enter(const char *path, struct failure *failure);

#endif
