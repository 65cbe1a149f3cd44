/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The folder on the BPF file system that keeps links and maps while no daemon runs:
 * DIR/NAME/outer, outer1 and so on (one an interface, by its place in the list), inner, and one a
 * map.
 *
 * Pins are not the truth: what is in force are the links, wherever they are pinned. A new set of
 * pins is made aside and exchanged with the old one, so there is always one that is whole.
 *
 * Functions that fail return −errno and leave a sentence for a person in struct failure. On
 * success it is empty, or a remark for the log.
 */
#ifndef KNOCKD_PINS_H
#define KNOCKD_PINS_H

#include <stdbool.h>
#include <stddef.h>

#include "failure.h"
#include "knockd/limits.h"

#define PINS_DIR_DEFAULT "/sys/fs/bpf/knockd"

struct pins;

/* One file to be: an open link, map or program. */
struct pin {
	const char *name;
	int fd;
};

/**
 * pins_open() - Make DIR where it is missing, mount the BPF file system at /sys/fs/bpf where that
 * is missing, and take the lock of NAME, which lasts until pins_close() or the end of the process.
 * A child that is forked shares the lock, and keeps it until it ends or executes another program.
 * @dir: absolute, on a BPF file system or below /sys/fs/bpf
 * @name: of this daemon; a '.' becomes ':', since the file system allows no dots
 * @patience_s: seconds to wait for the lock; a daemon that was killed may still be ending
 *
 * Return: 0; −EBUSY when another daemon holds the lock; −EINVAL for a name or folder that cannot
 * be one; another −errno.
 */
int pins_open(struct pins **out, const char *dir, const char *name, unsigned int patience_s,
	      struct failure *failure);

/**
 * pins_close() - Release the lock. The files stay; a folder that is empty goes. NULL is fine.
 */
void pins_close(struct pins *pins);

/* The devices to guard, by their place in the list: indices, 0 where there is none. */
struct pins_devices {
	unsigned int index[KNOCKD_INTERFACES_MAX];
	unsigned int count; /* of places */
};

/* Links of earlier daemons, which all are the finder's to close; −1: none. */
struct pins_links {
	int outer[KNOCKD_INTERFACES_MAX]; /* in force, by place */
	int inner;
	int rest[KNOCKD_INTERFACES_MAX];  /* on devices not asked for, or gone: bpf_link_info has
	                                     ifindex 0 */
	unsigned int rest_count;
	int lead; /* one of these: its program has the state to go on from */
};

/**
 * pins_find() - Find the links of this daemon, or of those that are dead, that guard one of
 * @devices in this network namespace: under NAME, under what an interrupted change of NAME left,
 * under other names, whose locks are taken too until they are published.
 *
 * Return: 0, also when there are none; −EBUSY when another daemon that lives guards one of them,
 * whose name the failure tells; −EEXIST when NAME guards none of them but others, or another
 * namespace, which publishing would open; another −errno.
 */
int pins_find(struct pins *pins, const struct pins_devices *devices, struct pins_links *out,
	      struct failure *failure);

/**
 * pins_publish() - Put all of @pin in place of what was under NAME, and remove what pins_find()
 * found elsewhere. Names are those of outer_name(), "inner", "order" and those of GENERATION_MAPS.
 * Files that are not knockd's are left in a folder aside of NAME, and the failure tells of them.
 *
 * Return: 0 or −errno; on failure what was there before is still there.
 */
int pins_publish(struct pins *pins, const struct pin *pin, size_t count,
		 struct failure *failure);

/**
 * pins_remove() - Remove NAME with all pins of ours, and what pins_find() found elsewhere: what
 * only they held is detached. Files that are not knockd's are left, and the failure tells of them.
 *
 * Return: 0 or −errno.
 */
int pins_remove(struct pins *pins, struct failure *failure);

/**
 * pins_outer(), pins_inner() - For readers, without a lock: open a link of DIR/NAME.
 * Return: a descriptor or −errno.
 */
int pins_outer(const char *dir, const char *name, unsigned int place);
int pins_inner(const char *dir, const char *name);

/**
 * pins_order() - For readers: open the program of DIR/NAME that obeys orders.
 * Return: a descriptor or −errno.
 */
int pins_order(const char *dir, const char *name);

/**
 * pins_names() - For readers: call @each with every NAME under DIR, as the user gave it.
 * Return: how many, or −errno.
 */
int pins_names(const char *dir, void (*each)(void *data, const char *name), void *data);

#endif
