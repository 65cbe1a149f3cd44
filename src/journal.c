// SPDX-License-Identifier: GPL-2.0-or-later
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SUM_LEN = 8,     /* hexadecimal digits, then a blank */
	CLAIM_TRIES = 8, /* while others put a new file in its place */
};

struct journal {
	char *folder, *path, *aside;
	const char *file; /* the last part of path */
	char *fresh;      /* the file that is to replace it */
	int fd;           /* of the file, locked; −1: it is not held */
	bool whole;       /* it ends with a whole line, so that more can be appended */
};

/* FNV-1a: it has to notice accidents, not forgers, who do not get here. */
static uint32_t line_sum(const char *line)
{
	uint32_t sum = 0x811c9dc5;

	for (; *line; line++)
		sum = (sum ^ (unsigned char)*line) * 0x01000193;
	return sum;
}

/* ---- files ---- */

/* Whether nobody but us can have written there. */
static bool file_ours(int fd, mode_t type)
{
	struct stat file;

	return !fstat(fd, &file) && (file.st_mode & S_IFMT) == type &&
	       file.st_uid == geteuid() && !(file.st_mode & (S_IWGRP | S_IWOTH));
}

/* Make it with all folders above. */
static int folder_make(const char *path)
{
	char *part = strdup(path);
	int error = part ? 0 : -ENOMEM;

	for (char *at = part; at && !error; ) {
		at = strchr(at + 1, '/');
		if (at)
			*at = '\0';
		if (mkdir(part, at ? 0755 : 0700) && errno != EEXIST)
			error = -errno;
		if (at)
			*at = '/';
	}
	free(part);
	return error;
}

/* Return: a descriptor of the folder or −errno. */
static int folder_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (file_ours(fd, S_IFDIR))
		return fd;
	close(fd);
	return -EPERM;
}

/* Whether the folder has this file by that name. */
static bool file_stands(int fd, int folder, const char *name)
{
	struct stat file, named;

	return !fstat(fd, &file) && !fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) &&
	       file.st_dev == named.st_dev && file.st_ino == named.st_ino;
}

static int file_lock(int fd)
{
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return 0;
	return errno == EWOULDBLOCK ? -EBUSY : -errno;
}

/* Return: a descriptor of the file, locked; or −errno, −EAGAIN: it is another file by now. */
static int file_hold(int folder, const char *name, int flags)
{
	int mode = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags, error;
	int fd = openat(folder, name, O_RDWR | mode, 0600);

	/* To be held it need not be written to: that may be possible by and by. */
	if (fd < 0 && errno == EROFS)
		fd = openat(folder, name, O_RDONLY | mode, 0600);
	if (fd < 0)
		return -errno;
	error = file_ours(fd, S_IFREG) ? file_lock(fd) : -EPERM;
	if (!error && !file_stands(fd, folder, name))
		error = -EAGAIN;
	if (!error)
		return fd;
	close(fd);
	return error;
}

static int bytes_write(int fd, const char *at, size_t len)
{
	ssize_t put = write(fd, at, len);

	return put < 0 ? -errno : (size_t)put < len ? -ENOSPC : 0;
}

/* ---- holding ---- */

/* @flags: O_CREAT and O_EXCL, or none */
static int journal_hold(struct journal *j, int flags)
{
	int folder = folder_open(j->folder), fd = -EAGAIN;

	if (folder < 0)
		return folder;
	for (int i = 0; i < CLAIM_TRIES && fd == -EAGAIN; i++)
		fd = file_hold(folder, j->file, flags);
	close(folder);
	if (fd == -EAGAIN || fd == -EEXIST)
		return -EBUSY;
	if (fd < 0)
		return fd;
	j->fd = fd;
	return 0;
}

int journal_claim(struct journal *j)
{
	return journal_hold(j, 0);
}

int journal_remove(struct journal *j)
{
	int folder = folder_open(j->folder), error = 0;

	if (folder < 0)
		return folder;
	unlinkat(folder, j->fresh, 0);
	if (file_stands(j->fd, folder, j->file) && unlinkat(folder, j->file, 0))
		error = -errno;
	close(folder);
	close(j->fd);
	j->fd = -1;
	j->whole = false;
	return error;
}

/* ---- reading ---- */

/* What stands behind the sum, or NULL where it does not fit. */
static char *line_check(char *line, size_t len)
{
	char sum[SUM_LEN + 1];

	if (strlen(line) != len || len <= SUM_LEN || line[SUM_LEN] != ' ')
		return NULL;
	snprintf(sum, sizeof(sum), "%08x", line_sum(line + SUM_LEN + 1));
	return memcmp(line, sum, SUM_LEN) ? NULL : line + SUM_LEN + 1;
}

static int lines_read(FILE *in, void (*take)(void *data, char *line, size_t number), void *data)
{
	size_t room = 0, number = 0;
	char *line = NULL;
	ssize_t len;
	int error;

	while ((len = getline(&line, &room, in)) > 0 && line[len - 1] == '\n') {
		line[--len] = '\0';
		take(data, line_check(line, len), ++number);
	}
	error = ferror(in) ? -EIO : 0;
	free(line);
	return error;
}

int journal_read(struct journal *j, void (*take)(void *data, char *line, size_t number),
		 void *data)
{
	int folder = folder_open(j->folder), fd, error = 0;
	FILE *in;

	if (folder < 0)
		return folder == -ENOENT ? 0 : folder;
	fd = openat(folder, j->file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		error = errno == ENOENT ? 0 : -errno;
	else if (!file_ours(fd, S_IFREG))
		error = -EPERM;
	close(folder);
	in = fd < 0 || error ? NULL : fdopen(fd, "r");
	if (in) {
		error = lines_read(in, take, data);
		fclose(in);
	} else if (fd >= 0) {
		error = error ? error : -ENOMEM;
		close(fd);
	}
	return error;
}

/* ---- writing ---- */

void journal_put(FILE *out, const char *line)
{
	fprintf(out, "%08x %s\n", line_sum(line), line);
}

static int fresh_write(int fd, int (*fill)(void *data, FILE *out), void *data)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0), error = 0;
	FILE *out = copy < 0 ? NULL : fdopen(copy, "w");

	if (!out) {
		error = -errno;
		if (copy >= 0)
			close(copy);
		return error;
	}
	error = fill(data, out);
	errno = EIO;
	if (!error && (fflush(out) || ferror(out)))
		error = -errno;
	if (fclose(out) && !error)
		error = -errno;
	if (!error && fsync(fd))
		error = -errno;
	return error;
}

/* Write what is to replace the file. Return: a descriptor, locked as the file is, or −errno. */
static int fresh_make(const struct journal *j, int folder, int (*fill)(void *data, FILE *out),
		      void *data)
{
	int fd, error;

	unlinkat(folder, j->fresh, 0);
	fd = openat(folder, j->fresh,
		    O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	error = file_lock(fd);
	if (!error)
		error = fresh_write(fd, fill, data);
	if (!error && renameat(folder, j->fresh, folder, j->file))
		error = -errno;
	if (!error)
		return fd;
	unlinkat(folder, j->fresh, 0);
	close(fd);
	return error;
}

int journal_replace(struct journal *j, int (*fill)(void *data, FILE *out), void *data)
{
	int error = folder_make(j->folder), folder, fd;

	if (!error && j->fd < 0)
		error = journal_hold(j, O_CREAT | O_EXCL);
	folder = error ? error : folder_open(j->folder);
	if (folder < 0)
		return folder;
	fd = fresh_make(j, folder, fill, data);
	if (fd >= 0) {
		close(j->fd);
		j->fd = fd;
		j->whole = true;
		/* It stands; where this fails, nobody knows for how long. */
		fsync(folder);
	}
	close(folder);
	return fd < 0 ? fd : 0;
}

int journal_set_aside(struct journal *j)
{
	unlink(j->aside);
	return link(j->path, j->aside) ? -errno : 0;
}

int journal_add(struct journal *j, const char *line, bool durably)
{
	char *text;
	int len, error;

	if (!j->whole)
		return -EBADF;
	len = asprintf(&text, "%08x %s\n", line_sum(line), line);
	if (len < 0)
		return -ENOMEM;
	error = bytes_write(j->fd, text, len);
	free(text);
	if (!error && durably && fdatasync(j->fd))
		error = -errno;
	/* Behind half a line, or one that may be gone, nothing is safe. */
	j->whole = !error;
	return error;
}

/* ---- beginning and end ---- */

int journal_open(struct journal **out, const char *folder, const char *name)
{
	struct journal *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->fd = -1;
	j->folder = strdup(folder);
	if (asprintf(&j->path, "%s/%s", folder, name) < 0)
		j->path = NULL;
	if (asprintf(&j->fresh, "%s.new", name) < 0)
		j->fresh = NULL;
	if (asprintf(&j->aside, "%s/%s.damaged", folder, name) < 0)
		j->aside = NULL;
	if (!j->folder || !j->path || !j->fresh || !j->aside) {
		journal_close(j);
		return -ENOMEM;
	}
	j->file = j->path + strlen(folder) + 1;
	*out = j;
	return 0;
}

bool journal_held(const struct journal *j)
{
	return j->fd >= 0;
}

bool journal_writable(const struct journal *j)
{
	return j->whole;
}

const char *journal_path(const struct journal *j)
{
	return j->path;
}

const char *journal_aside_path(const struct journal *j)
{
	return j->aside;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	if (j->fd >= 0)
		close(j->fd);
	free(j->folder);
	free(j->path);
	free(j->fresh);
	free(j->aside);
	free(j);
}
