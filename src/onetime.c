// SPDX-License-Identifier: GPL-2.0-or-later
#include "onetime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lex.h"
#include "parse.h"

enum { FILE_MAX = 1 << 20 };

static const char blanks[] = " \t\n\v\f\r";

/* The bytes of a file, and where it really is. */
struct text {
	char *path, *at;
	size_t len;
	struct stat file;
};

struct line {
	const char *at;
	size_t len; /* without its newline */
	unsigned int number;
};

enum line_kind { LINE_NOTHING, LINE_SEQUENCE, LINE_WRONG };

static void text_free(struct text *text)
{
	free(text->path);
	free(text->at);
}

/* ---- reading ---- */

static int bytes_read(int fd, struct text *text)
{
	ssize_t got;

	/* One byte more, so that a file that has grown beyond is noticed. */
	text->at = malloc(FILE_MAX + 1);
	if (!text->at)
		return -ENOMEM;
	do {
		got = read(fd, text->at + text->len, FILE_MAX + 1 - text->len);
		if (got < 0 && errno != EINTR)
			return -errno;
		text->len += got > 0 ? got : 0;
	} while (got && text->len <= FILE_MAX);
	return text->len > FILE_MAX ? -EFBIG : 0;
}

/* Return: 0 or −errno; to be released with text_free() either way. */
static int text_read(struct text *text, const char *path)
{
	int fd, error;

	*text = (struct text){ .path = realpath(path, NULL) };
	if (!text->path)
		return -errno;
	fd = open(text->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &text->file))
		error = -errno;
	else if (!S_ISREG(text->file.st_mode))
		error = -EINVAL;
	else
		error = bytes_read(fd, text);
	close(fd);
	return error;
}

static bool line_next(const struct text *text, struct line *line)
{
	const char *end = text->at + text->len, *newline;

	line->at = line->number++ ? line->at + line->len + 1 : text->at;
	if (line->at >= end)
		return false;
	newline = memchr(line->at, '\n', end - line->at);
	line->len = (newline ? newline : end) - line->at;
	return true;
}

static enum line_kind line_read(const struct line *line, struct conf_sequence *sequence)
{
	char copy[LEX_LINE_MAX + 1], *rest;

	if (line->len > LEX_LINE_MAX)
		return line->at[0] == '#' ? LINE_NOTHING : LINE_WRONG;
	memcpy(copy, line->at, line->len);
	copy[line->len] = '\0';
	rest = text_trim(copy);
	if (!*rest || *rest == '#')
		return memchr(line->at, '\0', line->len) && *rest != '#' ? LINE_WRONG :
									    LINE_NOTHING;
	if (memchr(line->at, '\0', line->len) || parse_sequence(rest, sequence))
		return LINE_WRONG;
	sequence->line = line->number;
	return LINE_SEQUENCE;
}

int onetime_read(struct conf_door *door, struct messages *messages)
{
	struct conf_sequence sequence = {};
	struct line line = {};
	struct text text;
	int error = text_read(&text, door->one_time_file);

	if (error)
		message_add(messages, MESSAGE_ERROR, door->one_time_at,
			    "One_Time_Sequences '%s' cannot be read: %s", door->one_time_file,
			    strerror(-error));
	while (!error && !sequence.line && line_next(&text, &line))
		if (line_read(&line, &sequence) == LINE_WRONG)
			message_add(messages, MESSAGE_WARNING, door->one_time_at,
				    "'%s' line %u is no sequence, skipped", door->one_time_file,
				    line.number);
	text_free(&text);
	if (error)
		return error;
	if (!sequence.line)
		message_add(messages, MESSAGE_WARNING, door->one_time_at,
			    "no more sequences left in the one time sequences file for door '%s'; "
			    "it stays closed", door->name);
	door->one_time_line = sequence.line;
	door->sequence = sequence;
	door->sequence.line = door->one_time_at;
	return 0;
}

/* ---- marking ---- */

static bool sequence_equal(const struct conf_sequence *a, const struct conf_sequence *b)
{
	return a->len == b->len && conf_sequence_ends_with(a, b);
}

/* The door's sequence: on its line, or where it is first now. */
static bool line_find(const struct text *text, const struct conf_door *door, struct line *found)
{
	struct conf_sequence sequence;
	struct line line = {};
	bool any = false;

	while (line_next(text, &line)) {
		if ((any && line.number != door->one_time_line) ||
		    line_read(&line, &sequence) != LINE_SEQUENCE ||
		    !sequence_equal(&sequence, &door->sequence))
			continue;
		*found = line;
		any = true;
		if (line.number >= door->one_time_line)
			break;
	}
	return any;
}

static int bytes_write(int fd, const char *at, size_t len)
{
	ssize_t put;

	for (; len; at += put, len -= put) {
		put = write(fd, at, len);
		if (put < 0 && errno != EINTR)
			return -errno;
		put = put < 0 ? 0 : put;
	}
	return 0;
}

/* All of @text, but @line marked. */
static int marked_write(int fd, const struct text *text, const struct line *line)
{
	size_t before = line->at - text->at;
	const char *rest = line->at + (strchr(blanks, line->at[0]) != NULL);
	int error = bytes_write(fd, text->at, before);

	if (!error)
		error = bytes_write(fd, "#", 1);
	if (!error)
		error = bytes_write(fd, rest, text->at + text->len - rest);
	return error;
}

static int fresh_fill(int fd, const struct text *text, const struct line *line)
{
	struct stat fresh;
	int error;

	if (fstat(fd, &fresh))
		return -errno;
	/* The owner first: that takes setuid bits and the like away. Where there is nothing to
	 * change, no leave to change it is needed. */
	if ((fresh.st_uid != text->file.st_uid || fresh.st_gid != text->file.st_gid) &&
	    fchown(fd, text->file.st_uid, text->file.st_gid))
		return -errno;
	if (fchmod(fd, text->file.st_mode & 07777))
		return -errno;
	error = marked_write(fd, text, line);
	return error ? error : fsync(fd) ? -errno : 0;
}

/* Write the file anew beside itself, then put it in its place. */
static int marked_put(int folder, const char *name, const char *fresh, const struct text *text,
		      const struct line *line)
{
	int fd, error;

	unlinkat(folder, fresh, 0);
	fd = openat(folder, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	error = fresh_fill(fd, text, line);
	if (close(fd) && !error)
		error = -errno;
	if (!error && renameat(folder, fresh, folder, name))
		error = -errno;
	if (error)
		unlinkat(folder, fresh, 0);
	else if (fsync(folder))
		error = -errno;
	return error;
}

/*
 * Where no file can take its place, such as one that is mounted by itself or in a folder that
 * cannot be written: a blank at the line's beginning becomes the mark, which is one byte and so
 * never half written. Only of the very file that was read.
 */
static int marked_in_place(int folder, const char *name, const struct text *text,
			   const struct line *line)
{
	struct stat now;
	int fd, error = 0;

	if (!strchr(blanks, line->at[0]))
		return -EINVAL;
	fd = openat(folder, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &now))
		error = -errno;
	else if (now.st_dev != text->file.st_dev || now.st_ino != text->file.st_ino ||
		 now.st_size != text->file.st_size ||
		 now.st_mtim.tv_sec != text->file.st_mtim.tv_sec ||
		 now.st_mtim.tv_nsec != text->file.st_mtim.tv_nsec)
		error = -EBUSY;
	else if (pwrite(fd, "#", 1, line->at - text->at) != 1 || fsync(fd))
		error = -errno;
	close(fd);
	return error;
}

static int line_mark(struct text *text, const struct line *line)
{
	char *slash = strrchr(text->path, '/'), *fresh;
	int folder, error;

	if (asprintf(&fresh, ".%s.knockd-new", slash + 1) < 0)
		return -ENOMEM;
	*slash = '\0';
	folder = open(slash == text->path ? "/" : text->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	error = folder < 0 ? -errno : marked_put(folder, slash + 1, fresh, text, line);
	if (error && folder >= 0 && !marked_in_place(folder, slash + 1, text, line))
		error = 0;
	if (folder >= 0)
		close(folder);
	free(fresh);
	return error;
}

int onetime_mark(const struct conf_door *door)
{
	struct line line;
	struct text text;
	int error = text_read(&text, door->one_time_file);

	if (!error && line_find(&text, door, &line))
		error = line_mark(&text, &line);
	text_free(&text);
	return error;
}
