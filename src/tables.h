/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables that the daemon writes after loading too, mapped. */
#ifndef KNOCKD_TABLES_H
#define KNOCKD_TABLES_H

#include "device.h"
#include "generation.h"

struct tables {
	struct about *about;              /* NULL: not mapped */
	volatile struct trial_term *trial;
};

/** tables_open() - Map those of @g. Return: 0 or −ENOMEM. Release with tables_close(). */
int tables_open(struct tables *t, const struct generation *g);
void tables_close(struct tables *t);

/** about_now() - The programs' jiffies. about_seconds() - CLOCK_REALTIME, as about has times. */
__u64 about_now(const struct about *about);
__u64 about_seconds(void);

/** about_begin() - What a fresh table says before anything is attached. */
void about_begin(struct about *about, const struct clock_reading *clock, unsigned int hz);

/** about_sign() - Name the daemon, the parent of the calling process. */
void about_sign(struct about *about);

/** about_outer() - Note what is guarded at place @i; NULL: @interface is missing. */
void about_outer(struct about *about, unsigned int i, const char *interface,
		 const struct device *device, enum xdp_flavour flavour);

/** file_changed() - When @path was last changed, CLOCK_REALTIME in ns; 0: that cannot be told. */
__u64 file_changed(const char *path);

#endif
