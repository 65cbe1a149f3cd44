// SPDX-License-Identifier: GPL-2.0-or-later
#include "pins.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpffs.h"
#include "folders.h"
#include "pinned.h"

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
		folder_remove(pins->dir, dir, claim->folder, failure);
		asides_remove(pins->dir, dir, claim->folder, failure);
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
	int dir = dir_enter(pins->dir, failure), result;

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
	dir = dir_enter(pins->dir, &failure);
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

/* The first of two links that may lead to the state to go on from: in force is better than gone. */
static void lead_take(struct pins_links *best, const struct pinned *more)
{
	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX; i++) {
		if (more->links.outer[i] >= 0) {
			best->lead = more->links.outer[i];
			return;
		}
	}
}

/* Move what @more has and @best lacks. */
static void found_take(struct pinned *best, struct pinned *more)
{
	if (more->guards && !best->guards)
		lead_take(&best->links, more);
	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX; i++) {
		if (best->links.outer[i] < 0) {
			best->links.outer[i] = more->links.outer[i];
			more->links.outer[i] = -1;
		}
	}
	if (best->links.inner < 0) {
		best->links.inner = more->links.inner;
		more->links.inner = -1;
	}
	for (unsigned int i = 0; i < more->links.rest_count; i++) {
		if (best->links.rest_count < KNOCKD_INTERFACES_MAX) {
			best->links.rest[best->links.rest_count++] = more->links.rest[i];
			more->links.rest[i] = -1;
		}
	}
	best->guards |= more->guards;
	if (more->stray)
		best->stray = more->stray;
	pinned_close(more);
}

static int find_failed(const struct pins *pins, const char *entry, int result,
		       struct failure *failure)
{
	return failure_from(failure, result, "read '%.250s/%.100s'", pins->dir, entry);
}

/* Replacing the pins of @entry would end what they hold: a link on @device. */
static int find_refused(const struct pins *pins, const char *entry, unsigned int device,
			struct failure *failure)
{
	char name[IF_NAMESIZE];
	const char *what = if_indextoname(device, name);

	failure_set(failure, "'%.250s/%.100s' guards %s; detach that first, or choose another "
		    "--name", pins->dir, entry,
		    what ? what : "a device of another network namespace");
	return -EEXIST;
}

/* What NAME holds and what is aside of it. */
static int find_own(const struct pins *pins, const struct listing *list,
		    const struct pins_devices *devices, struct pinned *best,
		    struct failure *failure)
{
	struct pinned more;
	int result;

	for (int i = 0; i < list->count; i++) {
		const char *entry = list->at[i]->d_name;

		if (!base_is(entry, pins->folder))
			continue;
		result = pinned_read(pins->dir, entry, devices, &more);
		if (result)
			return find_failed(pins, entry, result, failure);
		if (more.elsewhere) {
			result = find_refused(pins, entry, more.elsewhere, failure);
			pinned_close(&more);
			return result;
		}
		found_take(best, &more);
	}
	/* Fewer interfaces than before are fine, but not none of them. */
	return best->stray && !best->guards ?
	       find_refused(pins, pins->folder, best->stray, failure) : 0;
}

/* The folders from @first to before @end are of one other NAME: ours when its daemon is dead. */
static int find_other(struct pins *pins, int dir, const struct listing *list, int first, int end,
		      const struct pins_devices *devices, struct pinned *best,
		      struct failure *failure)
{
	char folder[NAME_MAX + 1], name[NAME_MAX + 1];
	struct pinned all = pinned_nothing(), more;
	int result;

	for (int i = first; i < end; i++) {
		const char *entry = list->at[i]->d_name;

		result = pinned_read(pins->dir, entry, devices, &more);
		if (result) {
			pinned_close(&all);
			return find_failed(pins, entry, result, failure);
		}
		if (more.guards)
			found_take(&all, &more);
		pinned_close(&more);
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
	user_name(name, folder);
	if (result == -EBUSY)
		pinned_busy(&all, devices, name, failure);
	else
		find_failed(pins, folder, result, failure);
	pinned_close(&all);
	return result;
}

static int find_all(struct pins *pins, int dir, const struct pins_devices *devices,
		    struct pinned *best, struct failure *failure)
{
	struct listing list;
	int result = listing_read(&list, pins->dir);

	if (result)
		return failure_from(failure, result, "read '%.350s'", pins->dir);
	result = find_own(pins, &list, devices, best, failure);
	for (int first = 0, end; !result && first < list.count; first = end) {
		end = listing_next(&list, first);
		if (!base_is(list.at[first]->d_name, pins->folder))
			result = find_other(pins, dir, &list, first, end, devices, best, failure);
	}
	listing_free(&list);
	return result;
}

int pins_find(struct pins *pins, const struct pins_devices *devices, struct pins_links *out,
	      struct failure *failure)
{
	struct pinned best = pinned_nothing();
	int dir, result;

	failure_set(failure, "%s", "");
	claims_release(pins);
	dir = pins_enter(pins, failure);
	if (dir < 0)
		return dir;
	result = find_all(pins, dir, devices, &best, failure);
	close(dir);
	if (result) {
		claims_release(pins);
		pinned_close(&best);
		return result;
	}
	if (best.links.lead < 0)
		best.links.lead = best.links.rest_count ? best.links.rest[0] : best.links.inner;
	*out = best.links;
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
		folder_remove(pins->dir, dir, aside, &ignored);
		close(fd);
		close(dir);
		return result;
	}
	close(pins->lock);
	pins->lock = fd;
	asides_remove(pins->dir, dir, pins->folder, failure);
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
	asides_remove(pins->dir, dir, pins->folder, failure);
	claims_remove(pins, dir, failure);
	result = folder_remove(pins->dir, dir, pins->folder, failure);
	close(dir);
	return result;
}

/* ---- for readers ---- */

/* Open a link or, where @link is NULL, the program that obeys; be it that NAME is only aside. */
static int name_read(const char *dir, const char *name, const char *link)
{
	char folder[NAME_MAX + 1];
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
			result = link ? pinned_link(dir, entry, link) : pinned_order(dir, entry);
	}
	listing_free(&list);
	return result;
}

int pins_outer(const char *dir, const char *name, unsigned int place)
{
	return name_read(dir, name, outer_name(place));
}

int pins_inner(const char *dir, const char *name)
{
	return name_read(dir, name, "inner");
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
