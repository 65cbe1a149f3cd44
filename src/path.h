/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths as their writer meant them: from the folder in which knockd was started. */
#ifndef KNOCKD_PATH_H
#define KNOCKD_PATH_H

#include <limits.h>

/** path_remember() - Remember the working folder, before the process leaves it. */
void path_remember(void);

/**
 * path_absolute() - @path, from the folder that was remembered.
 * Return: @path where it is absolute, or no folder is known, or it would not fit; else @room.
 */
const char *path_absolute(const char *path, char room[PATH_MAX]);

#endif
