/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one folder of pins holds: links and programs of ours, and what they guard. */
#ifndef KNOCKD_PINNED_H
#define KNOCKD_PINNED_H

#include "pins.h"

struct pinned {
	struct pins_links links;
	unsigned int stray;     /* a device in force that was not asked for; 0: none */
	unsigned int elsewhere; /* one in force in another network namespace; 0: none; −1: a door
	                           that has no device */
	bool guards;            /* an outer link is in force on one that was asked for */
};

/** pinned_nothing() - For pinned_close(), which may be called again. */
struct pinned pinned_nothing(void);
void pinned_close(struct pinned *p);

/** pinned_read() - Read folder @entry of @dir. Return: 0 or −errno, and nothing is found. */
int pinned_read(const char *dir, const char *entry, const struct pins_devices *devices,
		struct pinned *out);

/** pinned_busy() - Say that a daemon that lives, @name, guards what @p has in force. */
void pinned_busy(const struct pinned *p, const struct pins_devices *devices, const char *name,
		 struct failure *failure);

/**
 * pinned_link() - Open the link @file.
 * Return: a descriptor, −ENOENT when there is no link of a program of ours, or another −errno.
 */
int pinned_link(const char *dir, const char *entry, const char *file);

/** pinned_order() - Open the program that obeys orders. Return: as pinned_link(). */
int pinned_order(const char *dir, const char *entry);

#endif
