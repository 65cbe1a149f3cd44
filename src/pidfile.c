// SPDX-License-Identifier: GPL-2.0-or-later
#include "pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Return: 0 or −errno. */
static int number_write(const char *path, pid_t pid)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	int error = 0, len;

	if (fd < 0)
		return -errno;
	len = dprintf(fd, "%d\n", pid);
	if (len < 0)
		error = -errno;
	if (close(fd) && !error)
		error = -errno;
	return error;
}

/* Beside it and then in its place: whoever reads it finds a whole number. */
int pidfile_write(const char *path, pid_t pid)
{
	char beside[PATH_MAX];
	int len = snprintf(beside, sizeof(beside), "%s.new", path), error;

	if (len >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	if (unlink(beside) && errno != ENOENT)
		return -errno;
	error = number_write(beside, pid);
	if (!error && rename(beside, path))
		error = -errno;
	if (error)
		unlink(beside);
	return error;
}

void pidfile_remove(const char *path, pid_t pid)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[32] = "", own[32];
	bool ours;

	if (fd < 0)
		return;
	snprintf(own, sizeof(own), "%d\n", pid);
	ours = read(fd, text, sizeof(text) - 1) > 0 && !strcmp(text, own);
	close(fd);
	if (ours)
		unlink(path);
}
