// SPDX-License-Identifier: GPL-2.0-or-later
#include "bpffs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whose mount namespace this is. Who may not look at process 1 does not know. */
enum place { PLACE_UNKNOWN, PLACE_FIRST, PLACE_OTHER };

bool bpffs_holds(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == BPF_FS_MAGIC;
}

static enum place place_find(void)
{
	struct stat own, first;

	if (stat("/proc/self/ns/mnt", &own) || stat("/proc/1/ns/mnt", &first))
		return PLACE_UNKNOWN;
	return own.st_ino == first.st_ino && own.st_dev == first.st_dev ? PLACE_FIRST : PLACE_OTHER;
}

static int mount_here(void)
{
	if (bpffs_holds(BPFFS))
		return 0;
	return mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=700") ?
	       -errno : 0;
}

/* Mount it where process 1 lives; a service manager's namespaces see what is mounted there. */
static void mount_first(void)
{
	pid_t child = fork();
	int fd;

	if (!child) {
		fd = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);
		_exit(fd < 0 || setns(fd, CLONE_NEWNS) || mount_here());
	}
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Why it cannot be mounted, and what would help. */
static void mount_failed(int result, struct failure *failure)
{
	const char *help = "";

	if (result == -EPERM || result == -EACCES)
		help = geteuid() ? "; this needs root" :
				   "; the service manager's unit or a container forbids mounting: "
				   "run 'mount -t bpf bpf " BPFFS "' outside of it";
	failure_set(failure, "cannot mount the BPF file system at " BPFFS ": %s%s",
		    strerror(-result), help);
}

/* Whether it worked is to be seen, not to be asked. */
int bpffs_mount(struct failure *failure)
{
	enum place place;
	int result;

	if (bpffs_holds(BPFFS))
		return 0;
	place = place_find();
	if (place == PLACE_OTHER)
		mount_first();
	if (bpffs_holds(BPFFS))
		return 0;
	result = mount_here();
	if (result)
		mount_failed(result, failure);
	else if (place == PLACE_OTHER)
		failure_set(failure, "the BPF file system at " BPFFS " is mounted in this mount "
				     "namespace only; what is pinned there ends with it");
	else if (place == PLACE_UNKNOWN)
		failure_set(failure, "the BPF file system at " BPFFS " is mounted now, but process "
				     "1 may not see it; if so, what is pinned there ends with "
				     "this mount namespace");
	return result;
}
