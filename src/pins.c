// SPDX-License-Identifier: GPL-2.0-or-later
#include "pins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpffs.h"
#include "generation.h"

/*
 * Beside DIR/NAME there may be folders aside, "NAME 1" and so on: a set of pins that is being made,
 * or what a process that was killed left. Only the set that has replaced all others removes them,
 * since each may hold the only pin of a link in force. Neither an interface nor a NAME has a space.
 *
 * Two locks, both flock(2) on folders: that of DIR/NAME says that its daemon lives. That of DIR is
 * held for moments by who reads or changes several names.
 */
#define ASIDE_MAX 99
#define DIR_PATIENCE_S 5

/* A NAME of a dead daemon whose links are ours now; its lock is ours until they are published. */
struct claim {
	struct claim *next;
	int lock;
	char folder[NAME_MAX + 1];
};

struct pins {
	char *dir;
	char folder[NAME_MAX + 1]; /* NAME with ':' for '.' */
	int lock;                  /* on DIR/NAME */
	struct claim *claims;
};

/* In the order of removal: without its inner door the outer one still lets in who has knocked. */
#define PIN_NAME(name, kind) #name,
static const char *const pin_names[] = {
	GENERATION_MAPS(PIN_NAME) "order", "inner", "outer",
};
#undef PIN_NAME

/* What was tried, why it failed, and for some what would help. */
__attribute__((format(printf, 3, 4)))
static int failure_from(struct failure *failure, int result, const char *format, ...)
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

static void moment_wait(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* ---- names ---- */

/* "eth0" is as long in "eth0" as in "eth0 1", a folder aside of it. */
static size_t base_length(const char *entry)
{
	return strcspn(entry, " ");
}

static bool base_is(const char *entry, const char *folder)
{
	size_t length = base_length(entry);

	return length == strlen(folder) && !strncmp(entry, folder, length);
}

/* The folder of a NAME, with room for what is added aside. Return: 0 or −EINVAL. */
static int folder_name(char folder[NAME_MAX + 1], const char *name)
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

/* The NAME of @entry, as the user gave it. */
static void user_name(char name[NAME_MAX + 1], const char *entry)
{
	snprintf(name, NAME_MAX + 1, "%.*s", (int)base_length(entry), entry);
	for (char *at = name; *at; at++)
		if (*at == ':')
			*at = '.';
}

static int path_make(char path[PATH_MAX], const char *dir, const char *entry, const char *file)
{
	return snprintf(path, PATH_MAX, "%s/%s/%s", dir, entry, file) < PATH_MAX ?
	       0 : -ENAMETOOLONG;
}

/* ---- the folders below DIR ---- */

struct listing {
	struct dirent **at;
	int count;
};

static int entry_is_folder(const struct dirent *entry)
{
	return entry->d_type == DT_DIR && entry->d_name[0] != '.';
}

/* By bytes, so that a folder and those aside of it are neighbours: nothing is below a space. */
static int entry_compare(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int listing_read(struct listing *out, const char *dir)
{
	int count = scandir(dir, &out->at, entry_is_folder, entry_compare);

	if (count < 0)
		return -errno;
	out->count = count;
	return 0;
}

static void listing_free(struct listing *list)
{
	for (int i = 0; i < list->count; i++)
		free(list->at[i]);
	free(list->at);
}

/* Where the folders of another NAME than that of @first begin. */
static int listing_next(const struct listing *list, int first)
{
	const char *entry = list->at[first]->d_name;
	size_t length = base_length(entry);
	int i = first + 1;

	while (i < list->count && base_length(list->at[i]->d_name) == length &&
	       !strncmp(list->at[i]->d_name, entry, length))
		i++;
	return i;
}

static int folder_open(int dir, const char *entry)
{
	int fd = openat(dir, entry, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Is @fd what is to be found at @entry? */
static bool folder_is(int fd, int dir, const char *entry)
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

/* As folder_lock(), and make it where it is missing. */
static int folder_make(int dir, const char *entry)
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

/* A new folder aside of @folder, locked. Return: a descriptor or −errno. */
static int aside_make(int dir, const char *folder, char entry[NAME_MAX + 1])
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

static bool name_is_ours(const char *name)
{
	for (size_t i = 0; i < sizeof(pin_names) / sizeof(*pin_names); i++)
		if (!strcmp(name, pin_names[i]))
			return true;
	return false;
}

/* Say which file kept a folder from being removed. */
static void foreign_say(const struct pins *pins, int dir, const char *entry,
			struct failure *failure)
{
	int fd = folder_open(dir, entry);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *file;

	while (folder && (file = readdir(folder))) {
		if (!strcmp(file->d_name, ".") || !strcmp(file->d_name, ".."))
			continue;
		failure_set(failure, "'%.100s' in '%.200s/%.100s' is not knockd's: left there",
			    file->d_name, pins->dir, entry);
		break;
	}
	if (folder)
		closedir(folder);
	else if (fd >= 0)
		close(fd);
}

/*
 * Remove a folder with what in it is ours. Return: 0 or −errno; @failure is set on failure, and on
 * success only to tell of what was left.
 */
static int folder_remove(const struct pins *pins, int dir, const char *entry,
			 struct failure *failure)
{
	int fd = folder_open(dir, entry), result = 0;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return failure_from(failure, fd, "remove '%.250s/%.100s'", pins->dir, entry);
	for (size_t i = 0; i < sizeof(pin_names) / sizeof(*pin_names); i++)
		if (unlinkat(fd, pin_names[i], 0) && errno != ENOENT)
			result = -errno;
	close(fd);
	if (!result && unlinkat(dir, entry, AT_REMOVEDIR))
		result = -errno;
	if (result == -ENOTEMPTY) {
		foreign_say(pins, dir, entry, failure);
		return 0;
	}
	if (result)
		failure_from(failure, result, "remove '%.250s/%.100s'", pins->dir, entry);
	return result;
}

/* Remove all that is aside of @folder. */
static void asides_remove(const struct pins *pins, int dir, const char *folder,
			  struct failure *failure)
{
	struct listing list;

	if (listing_read(&list, pins->dir))
		return;
	for (int i = 0; i < list.count; i++) {
		const char *entry = list.at[i]->d_name;

		if (base_is(entry, folder) && strcmp(entry, folder))
			folder_remove(pins, dir, entry, failure);
	}
	listing_free(&list);
}

/* ---- claims ---- */

static int claim_add(struct pins *pins, int dir, const char *folder)
{
	struct claim *claim = calloc(1, sizeof(*claim));

	if (!claim)
		return -ENOMEM;
	claim->lock = folder_make(dir, folder);
	if (claim->lock < 0) {
		int result = claim->lock;

		free(claim);
		return result;
	}
	snprintf(claim->folder, sizeof(claim->folder), "%s", folder);
	claim->next = pins->claims;
	pins->claims = claim;
	return 0;
}

static void claims_release(struct pins *pins)
{
	struct claim *claim, *next;

	for (claim = pins->claims; claim; claim = next) {
		next = claim->next;
		close(claim->lock);
		free(claim);
	}
	pins->claims = NULL;
}

static void claims_remove(struct pins *pins, int dir, struct failure *failure)
{
	for (struct claim *claim = pins->claims; claim; claim = claim->next) {
		folder_remove(pins, dir, claim->folder, failure);
		asides_remove(pins, dir, claim->folder, failure);
	}
	claims_release(pins);
}

/* ---- where pins can be ---- */

/* The folder above @dir. */
static void parent_path(char parent[PATH_MAX], const char *dir)
{
	char *slash;

	snprintf(parent, PATH_MAX, "%s", dir);
	slash = strrchr(parent, '/');
	slash[slash == parent ? 1 : 0] = '\0';
}

/* Make sure that @dir is, or can be made, on a BPF file system. */
static int dir_check(const char *dir, struct failure *failure)
{
	size_t length = strlen(BPFFS);
	char parent[PATH_MAX];
	int result = 0;

	if (!strncmp(dir, BPFFS, length) && (!dir[length] || dir[length] == '/'))
		result = bpffs_mount(failure);
	if (result)
		return result;
	parent_path(parent, dir);
	if (bpffs_holds(access(dir, F_OK) ? parent : dir))
		return 0;
	if (access(parent, F_OK))
		return failure_from(failure, -errno, "look into '%.350s'", parent);
	failure_set(failure, "'%.350s' is not on a BPF file system; mount one there or use "
			     "--pin-dir below " BPFFS, dir);
	return -EINVAL;
}

/* ---- locks ---- */

/* Open and lock DIR; close() is the way out. Return: a descriptor or −errno. */
static int dir_enter(const struct pins *pins, struct failure *failure)
{
	double end = seconds_now() + DIR_PATIENCE_S;
	int fd;

	for (;;) {
		if (mkdir(pins->dir, 0700) && errno != EEXIST)
			return failure_from(failure, -errno, "make '%.350s'", pins->dir);
		fd = folder_lock(AT_FDCWD, pins->dir);
		if (fd >= 0)
			return fd;
		if (fd != -EBUSY && fd != -ENOENT)
			return failure_from(failure, fd, "lock '%.350s'", pins->dir);
		if (seconds_now() > end) {
			failure_set(failure, "'%.350s' has been locked for %d seconds; another "
					     "knockd hangs", pins->dir, DIR_PATIENCE_S);
			return fd;
		}
		moment_wait();
	}
}

/* See to it that @pins has the lock of what is DIR/NAME now, be it that somebody removed it. */
static int name_hold(struct pins *pins, int dir)
{
	int fd;

	if (pins->lock >= 0 && folder_is(pins->lock, dir, pins->folder))
		return 0;
	fd = folder_make(dir, pins->folder);
	if (fd < 0)
		return fd;
	if (pins->lock >= 0)
		close(pins->lock);
	pins->lock = fd;
	return 0;
}

/* Lock DIR and NAME. Return: the descriptor of DIR, to be closed, or −errno. */
static int pins_enter(struct pins *pins, struct failure *failure)
{
	int dir = dir_enter(pins, failure), result;

	if (dir < 0)
		return dir;
	result = name_hold(pins, dir);
	if (!result)
		return dir;
	close(dir);
	if (result == -EBUSY) {
		failure_set(failure, "another knockd that runs holds '%.350s/%.100s'", pins->dir,
			    pins->folder);
		return result;
	}
	return failure_from(failure, result, "make '%.250s/%.100s'", pins->dir, pins->folder);
}

/* An absolute path without slashes at its end, or NULL. */
static char *dir_clean(const char *dir)
{
	size_t length = strlen(dir);

	while (length && dir[length - 1] == '/')
		length--;
	return dir[0] == '/' && length && length < PATH_MAX - 2 * NAME_MAX ?
	       strndup(dir, length) : NULL;
}

/* Take the lock of NAME. */
static int pins_wait(struct pins *pins, unsigned int patience_s, struct failure *failure)
{
	double end = seconds_now() + patience_s;
	struct failure why;
	int dir;

	while ((dir = pins_enter(pins, &why)) == -EBUSY && seconds_now() < end)
		moment_wait();
	if (dir < 0) {
		*failure = why;
		return dir;
	}
	close(dir);
	return 0;
}

int pins_open(struct pins **out, const char *dir, const char *name, unsigned int patience_s,
	      struct failure *failure)
{
	struct pins *pins = calloc(1, sizeof(*pins));
	int result = -EINVAL;

	failure_set(failure, "%s", "");
	if (!pins)
		return failure_from(failure, -ENOMEM, "open '%.350s'", dir);
	pins->lock = -1;
	pins->dir = dir_clean(dir);
	if (!pins->dir)
		failure_set(failure, "'%.350s' is no folder for pins; give an absolute path", dir);
	else if (folder_name(pins->folder, name))
		failure_set(failure, "'%.250s' cannot be a name; give 1 to %zu characters, without "
				     "space, '/' and ':'", name, NAME_MAX - strlen(" 99"));
	else
		result = dir_check(pins->dir, failure);
	if (!result)
		result = pins_wait(pins, patience_s, failure);
	if (result) {
		free(pins->dir);
		free(pins);
		return result;
	}
	*out = pins;
	return 0;
}

void pins_close(struct pins *pins)
{
	struct failure failure;
	int dir;

	if (!pins)
		return;
	claims_release(pins);
	dir = dir_enter(pins, &failure);
	if (dir >= 0) {
		/* Nothing was published, or all is removed: an empty folder is no use. */
		if (folder_is(pins->lock, dir, pins->folder))
			unlinkat(dir, pins->folder, AT_REMOVEDIR);
		close(dir);
	}
	close(pins->lock);
	free(pins->dir);
	free(pins);
}

/* ---- find ---- */

/* The links of one or more folders; -1: none. */
struct found {
	int outer, inner;
	unsigned int device; /* of the outer link, in its namespace; 0: it is gone */
	bool guards;         /* the outer link is in force on the device asked for */
	bool elsewhere;      /* one of them is in force on something else */
};

static const struct found found_nothing = { .outer = -1, .inner = -1 };

static void found_close(struct found *found)
{
	if (found->outer >= 0)
		close(found->outer);
	if (found->inner >= 0)
		close(found->inner);
	*found = found_nothing;
}

static bool program_is_ours(int program)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	return !bpf_obj_get_info_by_fd(program, &info, &size) && !strncmp(info.name, "knockd_", 7);
}

/* Return: 1, 0, or −errno where that cannot be told. */
static int link_is_ours(int link, struct bpf_link_info *info)
{
	__u32 size = sizeof(*info);
	int program, ours;

	memset(info, 0, sizeof(*info));
	if (bpf_obj_get_info_by_fd(link, info, &size))
		return -errno;
	program = bpf_prog_get_fd_by_id(info->prog_id);
	if (program < 0)
		return errno == ENOENT ? 0 : -errno;
	ours = program_is_ours(program);
	close(program);
	return ours;
}

/* Each of @kind "link", "prog" and "map" has other fields where the others have their own. */
static bool descriptor_is(int fd, const char *kind)
{
	char path[64], target[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	/* A link is "bpf_link" where it was made, "bpf-link" where it was opened. */
	return readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, kind);
}

static int file_open(const char *dir, const char *entry, const char *file)
{
	char path[PATH_MAX];
	int result = path_make(path, dir, entry, file);

	return result ? result : bpf_obj_get(path);
}

/* Return: a descriptor, −ENOENT when there is no link of a program of ours, or another −errno. */
static int link_open(const char *dir, const char *entry, const char *file,
		     struct bpf_link_info *info)
{
	int fd = file_open(dir, entry, file), ours;

	if (fd < 0)
		return fd;
	ours = descriptor_is(fd, "link") ? link_is_ours(fd, info) : 0;
	if (ours > 0)
		return fd;
	close(fd);
	return ours ? ours : -ENOENT;
}

/* Does the device of that index in this network namespace run program @id? */
static bool device_runs(unsigned int device, __u32 id)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, runs);

	return !bpf_xdp_query(device, 0, &runs) && (runs.prog_id == id || runs.drv_prog_id == id ||
						    runs.skb_prog_id == id);
}

static int outer_read(const char *dir, const char *entry, struct found *found,
		      struct bpf_link_info *info)
{
	int fd = link_open(dir, entry, "outer", info);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (info->type != BPF_LINK_TYPE_XDP) {
		close(fd);
		return 0;
	}
	found->outer = fd;
	found->device = info->xdp.ifindex;
	return 0;
}

/* @here: the inode of this network namespace. @ours: is there a link, and is it in this one? */
static int inner_read(const char *dir, const char *entry, ino_t here, struct found *found,
		      bool *ours)
{
	struct bpf_link_info info;
	int fd = link_open(dir, entry, "inner", &info);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (info.type == BPF_LINK_TYPE_NETNS && info.netns.attach_type == BPF_SK_LOOKUP) {
		*ours = info.netns.netns_ino == here;
		/* 0: its namespace is gone. */
		found->elsewhere = info.netns.netns_ino && !*ours;
	}
	if (*ours)
		found->inner = fd;
	else
		close(fd);
	return 0;
}

/* What one folder holds. Nothing is found on failure. */
static int folder_read(const char *dir, const char *entry, unsigned int device,
		       struct found *out)
{
	struct found found = found_nothing;
	struct bpf_link_info outer = {};
	bool inner_ours = false;
	struct stat here;
	int result = 0;

	if (stat("/proc/self/ns/net", &here))
		result = -errno;
	if (!result)
		result = outer_read(dir, entry, &found, &outer);
	if (!result)
		result = inner_read(dir, entry, here.st_ino, &found, &inner_ours);
	if (result) {
		found_close(&found);
		return result;
	}
	/* A link does not tell in which namespace its device is: its neighbour does, or the device
	 * itself. */
	if (found.device) {
		found.guards = found.device == device && !found.elsewhere &&
			       (inner_ours || device_runs(device, outer.prog_id));
		found.elsewhere |= !found.guards;
	}
	*out = found;
	return 0;
}

/* Move what @more has and @best lacks; a link in force is better than one whose device is gone. */
static void found_take(struct found *best, struct found *more)
{
	if (more->outer >= 0 && (best->outer < 0 || (more->guards && !best->guards))) {
		int worse = best->outer;

		best->outer = more->outer;
		best->guards = more->guards;
		more->outer = worse;
	}
	if (more->inner >= 0 && best->inner < 0) {
		best->inner = more->inner;
		more->inner = -1;
	}
	found_close(more);
}

static int find_failed(const struct pins *pins, const char *entry, int result,
		       struct failure *failure)
{
	return failure_from(failure, result, "read '%.250s/%.100s'", pins->dir, entry);
}

/* What NAME holds and what is aside of it. */
static int find_own(const struct pins *pins, const struct listing *list, unsigned int device,
		    struct found *best, struct failure *failure)
{
	struct found more = found_nothing;
	char device_name[IF_NAMESIZE];
	int result;

	for (int i = 0; i < list->count; i++) {
		const char *entry = list->at[i]->d_name;

		if (!base_is(entry, pins->folder))
			continue;
		result = folder_read(pins->dir, entry, device, &more);
		if (result)
			return find_failed(pins, entry, result, failure);
		if (more.elsewhere) {
			/* Replacing these pins would end what they hold. */
			const char *what = if_indextoname(more.device, device_name);

			failure_set(failure, "'%.250s/%.100s' guards %s; detach that first, or "
					     "choose another --name", pins->dir, entry,
				    what ? what : "a device of another network namespace");
			found_close(&more);
			return -EEXIST;
		}
		found_take(best, &more);
	}
	return 0;
}

/* The folders from @first to before @end are of one other NAME: ours when its daemon is dead. */
static int find_other(struct pins *pins, int dir, const struct listing *list, int first, int end,
		      unsigned int device, struct found *best, struct failure *failure)
{
	struct found all = found_nothing, more = found_nothing;
	char folder[NAME_MAX + 1], name[NAME_MAX + 1];
	int result;

	for (int i = first; i < end; i++) {
		const char *entry = list->at[i]->d_name;

		result = folder_read(pins->dir, entry, device, &more);
		if (result) {
			found_close(&all);
			return find_failed(pins, entry, result, failure);
		}
		if (more.guards)
			found_take(&all, &more);
		found_close(&more);
	}
	if (!all.guards)
		return 0;
	snprintf(folder, sizeof(folder), "%.*s", (int)base_length(list->at[first]->d_name),
		 list->at[first]->d_name);
	result = claim_add(pins, dir, folder);
	if (!result) {
		found_take(best, &all);
		return 0;
	}
	found_close(&all);
	if (result != -EBUSY)
		return find_failed(pins, folder, result, failure);
	user_name(name, folder);
	failure_set(failure, "another knockd that runs guards this device under the name '%.250s'",
		    name);
	return result;
}

static int find_all(struct pins *pins, int dir, unsigned int device, struct found *best,
		    struct failure *failure)
{
	struct listing list;
	int result = listing_read(&list, pins->dir);

	if (result)
		return failure_from(failure, result, "read '%.350s'", pins->dir);
	result = find_own(pins, &list, device, best, failure);
	for (int first = 0, end; !result && first < list.count; first = end) {
		end = listing_next(&list, first);
		if (!base_is(list.at[first]->d_name, pins->folder))
			result = find_other(pins, dir, &list, first, end, device, best, failure);
	}
	listing_free(&list);
	return result;
}

int pins_find(struct pins *pins, unsigned int device, int *outer, int *inner,
	      struct failure *failure)
{
	struct found best = found_nothing;
	int dir, result;

	failure_set(failure, "%s", "");
	claims_release(pins);
	dir = pins_enter(pins, failure);
	if (dir < 0)
		return dir;
	result = find_all(pins, dir, device, &best, failure);
	close(dir);
	if (result) {
		claims_release(pins);
		found_close(&best);
		return result;
	}
	*outer = best.outer;
	*inner = best.inner;
	return 0;
}

/* ---- change ---- */

static int pins_fill(const struct pins *pins, const char *entry, const struct pin *pin,
		     size_t count, struct failure *failure)
{
	char path[PATH_MAX];
	int result;

	for (size_t i = 0; i < count; i++) {
		result = path_make(path, pins->dir, entry, pin[i].name);
		if (!result)
			result = name_is_ours(pin[i].name) ? bpf_obj_pin(pin[i].fd, path) : -EINVAL;
		if (result)
			return failure_from(failure, result, "pin '%.350s'", path);
	}
	return 0;
}

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

static int folder_exchange(int dir, const char *folder, const char *entry)
{
	if (!renameat2(dir, folder, dir, entry, RENAME_EXCHANGE))
		return 0;
	return errno == EINVAL ? folder_move(dir, folder, entry) : -errno;
}

int pins_publish(struct pins *pins, const struct pin *pin, size_t count, struct failure *failure)
{
	struct failure ignored;
	char aside[NAME_MAX + 1];
	int dir, fd, result;

	failure_set(failure, "%s", "");
	dir = pins_enter(pins, failure);
	if (dir < 0)
		return dir;
	fd = aside_make(dir, pins->folder, aside);
	if (fd < 0) {
		result = failure_from(failure, fd, "make a folder beside '%.250s/%.100s'",
				      pins->dir, pins->folder);
		close(dir);
		return result;
	}
	result = pins_fill(pins, aside, pin, count, failure);
	if (!result) {
		result = folder_exchange(dir, pins->folder, aside);
		if (result)
			failure_from(failure, result, "exchange '%.250s/%.100s'", pins->dir,
				     pins->folder);
	}
	if (result) {
		folder_remove(pins, dir, aside, &ignored);
		close(fd);
		close(dir);
		return result;
	}
	close(pins->lock);
	pins->lock = fd;
	asides_remove(pins, dir, pins->folder, failure);
	claims_remove(pins, dir, failure);
	close(dir);
	return 0;
}

int pins_remove(struct pins *pins, struct failure *failure)
{
	int dir, result;

	failure_set(failure, "%s", "");
	dir = pins_enter(pins, failure);
	if (dir < 0)
		return dir;
	asides_remove(pins, dir, pins->folder, failure);
	claims_remove(pins, dir, failure);
	result = folder_remove(pins, dir, pins->folder, failure);
	close(dir);
	return result;
}

/* ---- for readers ---- */

static int order_open(const char *dir, const char *entry)
{
	int fd = file_open(dir, entry, "order");

	if (fd < 0 || (descriptor_is(fd, "prog") && program_is_ours(fd)))
		return fd;
	close(fd);
	return -ENOENT;
}

/* Open a link or, where @link is NULL, the program that obeys; be it that NAME is only aside. */
static int name_read(const char *dir, const char *name, const char *link)
{
	char folder[NAME_MAX + 1];
	struct bpf_link_info info;
	struct listing list;
	int result;

	result = folder_name(folder, name);
	if (!result)
		result = listing_read(&list, dir);
	if (result)
		return result;
	result = -ENOENT;
	for (int i = 0; i < list.count && result == -ENOENT; i++) {
		const char *entry = list.at[i]->d_name;

		if (base_is(entry, folder))
			result = link ? link_open(dir, entry, link, &info) : order_open(dir, entry);
	}
	listing_free(&list);
	return result;
}

int pins_link(const char *dir, const char *name, const char *link)
{
	return name_read(dir, name, link);
}

int pins_order(const char *dir, const char *name)
{
	return name_read(dir, name, NULL);
}

int pins_names(const char *dir, void (*each)(void *data, const char *name), void *data)
{
	char name[NAME_MAX + 1];
	struct listing list;
	int result, count = 0;

	result = listing_read(&list, dir);
	if (result)
		return result;
	for (int i = 0; i < list.count; i = listing_next(&list, i)) {
		user_name(name, list.at[i]->d_name);
		each(data, name);
		count++;
	}
	listing_free(&list);
	return count;
}
