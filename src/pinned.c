// SPDX-License-Identifier: GPL-2.0-or-later
#include "pinned.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "folders.h"

struct pinned pinned_nothing(void)
{
	struct pinned p = { .links = { .inner = -1, .lead = -1 } };

	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX; i++)
		p.links.outer[i] = p.links.rest[i] = -1;
	return p;
}

static void link_close(int link)
{
	if (link >= 0)
		close(link);
}

void pinned_close(struct pinned *p)
{
	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX; i++) {
		link_close(p->links.outer[i]);
		link_close(p->links.rest[i]);
	}
	link_close(p->links.inner);
	*p = pinned_nothing();
}

/* ---- what a file is ---- */

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

int pinned_link(const char *dir, const char *entry, const char *file)
{
	struct bpf_link_info info;

	return link_open(dir, entry, file, &info);
}

int pinned_order(const char *dir, const char *entry)
{
	int fd = file_open(dir, entry, "order");

	if (fd < 0 || (descriptor_is(fd, "prog") && program_is_ours(fd)))
		return fd;
	close(fd);
	return -ENOENT;
}

/* ---- what a folder holds ---- */

/* Does the device of that index in this network namespace run program @id? */
static bool device_runs(unsigned int device, __u32 id)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, runs);

	return !bpf_xdp_query(device, 0, &runs) && (runs.prog_id == id || runs.drv_prog_id == id ||
						    runs.skb_prog_id == id);
}

/* The place of a device in what was asked for; −1: it was not. */
static int place_of(const struct pins_devices *devices, unsigned int device)
{
	for (unsigned int i = 0; i < devices->count; i++)
		if (device && devices->index[i] == device)
			return i;
	return -1;
}

/* A link does not tell in which namespace its device is: @here or the device does. */
static void outer_place(struct pinned *p, int link, const struct bpf_link_info *info, bool here,
			const struct pins_devices *devices)
{
	unsigned int device = info->xdp.ifindex;
	int place = place_of(devices, device);

	if (device && !here && !device_runs(device, info->prog_id)) {
		p->elsewhere = device;
		close(link);
	} else if (place >= 0 && p->links.outer[place] < 0) {
		p->links.outer[place] = link;
		p->guards = true;
	} else {
		p->links.rest[p->links.rest_count++] = link;
		if (device)
			p->stray = device;
	}
}

/* @foreign: the inner door is in another network namespace, and so is all of the folder. */
static int outers_read(struct pinned *p, const char *dir, const char *entry, bool here,
		       bool foreign, const struct pins_devices *devices)
{
	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX; i++) {
		struct bpf_link_info info;
		int fd = link_open(dir, entry, outer_name(i), &info);

		if (fd == -ENOENT)
			continue;
		if (fd < 0)
			return fd;
		if (info.type != BPF_LINK_TYPE_XDP) {
			close(fd);
		} else if (foreign && info.xdp.ifindex) {
			p->elsewhere = info.xdp.ifindex;
			close(fd);
		} else {
			outer_place(p, fd, &info, here, devices);
		}
	}
	return 0;
}

/* @here: the inode of this network namespace. @foreign: set where there is one in another. */
static int inner_read(struct pinned *p, const char *dir, const char *entry, ino_t here,
		      bool *foreign)
{
	struct bpf_link_info info;
	int fd = link_open(dir, entry, "inner", &info);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (info.type == BPF_LINK_TYPE_NETNS && info.netns.attach_type == BPF_SK_LOOKUP) {
		/* 0: its namespace is gone. */
		*foreign = info.netns.netns_ino && info.netns.netns_ino != here;
		if (info.netns.netns_ino == here) {
			p->links.inner = fd;
			return 0;
		}
	}
	close(fd);
	return 0;
}

int pinned_read(const char *dir, const char *entry, const struct pins_devices *devices,
		struct pinned *out)
{
	struct pinned p = pinned_nothing();
	bool foreign = false;
	struct stat here;
	int result = stat("/proc/self/ns/net", &here) ? -errno : 0;

	*out = p;
	if (!result)
		result = inner_read(&p, dir, entry, here.st_ino, &foreign);
	if (!result)
		result = outers_read(&p, dir, entry, p.links.inner >= 0, foreign, devices);
	if (result) {
		pinned_close(&p);
		return result;
	}
	if (foreign && !p.elsewhere)
		p.elsewhere = -1;
	*out = p;
	return 0;
}

void pinned_busy(const struct pinned *p, const struct pins_devices *devices, const char *name,
		 struct failure *failure)
{
	char interface[IF_NAMESIZE];
	const char *what = NULL;

	for (unsigned int i = 0; i < devices->count && !what; i++)
		if (p->links.outer[i] >= 0)
			what = if_indextoname(devices->index[i], interface);
	failure_set(failure, "another knockd that runs guards %s under the name '%.250s'",
		    what ? what : "this device", name);
}
