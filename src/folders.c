// SPDX-License-Identifier: GPL-2.0-or-later
#include "folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "generation.h"

#define ASIDE_MAX 99
#define DIR_PATIENCE_S 5

/* In the order of removal: without its inner door the outer one still lets in who has knocked. */
#define PIN_NAME(name, kind) #name,
static const char *const pin_names[] = {
	GENERATION_MAPS(PIN_NAME) "order", "inner",
};
#undef PIN_NAME

const char *outer_name(unsigned int place)
{
	static const char *const outers[KNOCKD_INTERFACES_MAX] = {
		"outer", "outer1", "outer2", "outer3", "outer4", "outer5", "outer6", "outer7",
		"outer8", "outer9", "outer10", "outer11", "outer12", "outer13", "outer14",
		"outer15",
	};

	return outers[place];
}

int failure_from(struct failure *failure, int result, const char *format, ...)
{
	const char *help = "";
	va_list arguments;
	char what[400];

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	if (result == -EROFS)
		help = "; mount it read-write";
	else if ((result == -EPERM || result == -EACCES) && geteuid())
		help = "; this needs root";
	failure_set(failure, "cannot %s: %s%s", what, strerror(-result), help);
	return result;
}

void moment_wait(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* ---- names ---- */

size_t base_length(const char *entry)
{
	return strcspn(entry, " ");
}

bool base_is(const char *entry, const char *folder)
{
	size_t length = base_length(entry);

	return length == strlen(folder) && !strncmp(entry, folder, length);
}

int folder_name(char folder[NAME_MAX + 1], const char *name)
{
	size_t length = strlen(name);

	if (!length || length > NAME_MAX - strlen(" 99"))
		return -EINVAL;
	for (size_t i = 0; i <= length; i++) {
		if (name[i] && (name[i] <= ' ' || name[i] == 0x7f || strchr("/:", name[i])))
			return -EINVAL;
		folder[i] = name[i] == '.' ? ':' : name[i];
	}
	return 0;
}

void user_name(char name[NAME_MAX + 1], const char *entry)
{
	snprintf(name, NAME_MAX + 1, "%.*s", (int)base_length(entry), entry);
	for (char *at = name; *at; at++)
		if (*at == ':')
			*at = '.';
}

int path_make(char path[PATH_MAX], const char *dir, const char *entry, const char *file)
{
	return snprintf(path, PATH_MAX, "%s/%s/%s", dir, entry, file) < PATH_MAX ?
	       0 : -ENAMETOOLONG;
}

/* ---- the folders below DIR ---- */

static int entry_is_folder(const struct dirent *entry)
{
	return entry->d_type == DT_DIR && entry->d_name[0] != '.';
}

/* By bytes, so that a folder and those aside of it are neighbours: nothing is below a space. */
static int entry_compare(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int listing_read(struct listing *out, const char *dir)
{
	int count = scandir(dir, &out->at, entry_is_folder, entry_compare);

	if (count < 0)
		return -errno;
	out->count = count;
	return 0;
}

void listing_free(struct listing *list)
{
	for (int i = 0; i < list->count; i++)
		free(list->at[i]);
	free(list->at);
}

int listing_next(const struct listing *list, int first)
{
	const char *entry = list->at[first]->d_name;
	size_t length = base_length(entry);
	int i = first + 1;

	while (i < list->count && base_length(list->at[i]->d_name) == length &&
	       !strncmp(list->at[i]->d_name, entry, length))
		i++;
	return i;
}

int folder_open(int dir, const char *entry)
{
	int fd = openat(dir, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

bool folder_is(int fd, int dir, const char *entry)
{
	struct stat own, there;

	return !fstat(fd, &own) && !fstatat(dir, entry, &there, AT_SYMLINK_NOFOLLOW) &&
	       own.st_ino == there.st_ino && own.st_dev == there.st_dev;
}

/* Open and lock. Return: a descriptor, −EBUSY while another has it, or another −errno. */
static int folder_lock(int dir, const char *entry)
{
	int fd = folder_open(dir, entry), result;

	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB))
		result = errno == EWOULDBLOCK ? -EBUSY : -errno;
	else
		/* What was opened may have been removed or exchanged before it was locked. */
		result = folder_is(fd, dir, entry) ? fd : -EBUSY;
	if (result < 0)
		close(fd);
	return result;
}

int folder_make(int dir, const char *entry)
{
	if (mkdirat(dir, entry, 0700) && errno != EEXIST)
		return -errno;
	return folder_lock(dir, entry);
}

static int aside_name(char entry[NAME_MAX + 1], const char *folder, int number)
{
	return snprintf(entry, NAME_MAX + 1, "%s %d", folder, number) <= NAME_MAX ?
	       0 : -ENAMETOOLONG;
}

int aside_make(int dir, const char *folder, char entry[NAME_MAX + 1])
{
	int fd;

	for (int i = 1; i <= ASIDE_MAX; i++) {
		if (aside_name(entry, folder, i))
			return -ENAMETOOLONG;
		if (!mkdirat(dir, entry, 0700)) {
			fd = folder_lock(dir, entry);
			if (fd < 0)
				unlinkat(dir, entry, AT_REMOVEDIR);
			return fd;
		}
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

bool name_is_ours(const char *name)
{
	for (size_t i = 0; i < sizeof(pin_names) / sizeof(*pin_names); i++)
		if (!strcmp(name, pin_names[i]))
			return true;
	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX; i++)
		if (!strcmp(name, outer_name(i)))
			return true;
	return false;
}

/* Say which file kept a folder from being removed. */
static void foreign_say(const char *path, int dir, const char *entry,
			struct failure *failure)
{
	int fd = folder_open(dir, entry);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *file;

	while (folder && (file = readdir(folder))) {
		if (!strcmp(file->d_name, ".") || !strcmp(file->d_name, ".."))
			continue;
		failure_set(failure, "'%.100s' in '%.200s/%.100s' is not knockd's: left there",
			    file->d_name, path, entry);
		break;
	}
	if (folder)
		closedir(folder);
	else if (fd >= 0)
		close(fd);
}

int folder_remove(const char *path, int dir, const char *entry,
			 struct failure *failure)
{
	int fd = folder_open(dir, entry), result = 0;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return failure_from(failure, fd, "remove '%.250s/%.100s'", path, entry);
	for (size_t i = 0; i < sizeof(pin_names) / sizeof(*pin_names); i++)
		if (unlinkat(fd, pin_names[i], 0) && errno != ENOENT)
			result = -errno;
	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX; i++)
		if (unlinkat(fd, outer_name(i), 0) && errno != ENOENT)
			result = -errno;
	close(fd);
	if (!result && unlinkat(dir, entry, AT_REMOVEDIR))
		result = -errno;
	if (result == -ENOTEMPTY) {
		foreign_say(path, dir, entry, failure);
		return 0;
	}
	if (result)
		failure_from(failure, result, "remove '%.250s/%.100s'", path, entry);
	return result;
}

void asides_remove(const char *path, int dir, const char *folder,
			  struct failure *failure)
{
	struct listing list;

	if (listing_read(&list, path))
		return;
	for (int i = 0; i < list.count; i++) {
		const char *entry = list.at[i]->d_name;

		if (base_is(entry, folder) && strcmp(entry, folder))
			folder_remove(path, dir, entry, failure);
	}
	listing_free(&list);
}

/* ---- change ---- */

/* Without an exchange (Linux 5.15): two steps, between which NAME is only aside. */
static int folder_move(int dir, const char *folder, const char *entry)
{
	char old[NAME_MAX + 1];
	int result;

	for (int i = 1; i <= ASIDE_MAX; i++) {
		if (aside_name(old, folder, i))
			return -ENAMETOOLONG;
		if (renameat2(dir, folder, dir, old, RENAME_NOREPLACE)) {
			if (errno == EEXIST)
				continue;
			return -errno;
		}
		if (!renameat2(dir, entry, dir, folder, RENAME_NOREPLACE))
			return 0;
		result = -errno;
		renameat2(dir, old, dir, folder, RENAME_NOREPLACE);
		return result;
	}
	return -EEXIST;
}

int folder_exchange(int dir, const char *folder, const char *entry)
{
	if (!renameat2(dir, folder, dir, entry, RENAME_EXCHANGE))
		return 0;
	return errno == EINVAL ? folder_move(dir, folder, entry) : -errno;
}

/* ---- DIR ---- */

int dir_enter(const char *path, struct failure *failure)
{
	double end = seconds_now() + DIR_PATIENCE_S;
	int fd;

	for (;;) {
		if (mkdir(path, 0700) && errno != EEXIST)
			return failure_from(failure, -errno, "make '%.350s'", path);
		fd = folder_lock(AT_FDCWD, path);
		if (fd >= 0)
			return fd;
		if (fd != -EBUSY && fd != -ENOENT)
			return failure_from(failure, fd, "lock '%.350s'", path);
		if (seconds_now() > end) {
			failure_set(failure, "'%.350s' has been locked for %d seconds; another "
					     "knockd hangs", path, DIR_PATIENCE_S);
			return fd;
		}
		moment_wait();
	}
}
