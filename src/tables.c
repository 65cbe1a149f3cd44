// SPDX-License-Identifier: GPL-2.0-or-later
#include "tables.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "entries.h"
#include "process.h"

void tables_close(struct tables *t)
{
	array_unmap(t->about, sizeof(*t->about));
	array_unmap((void *)t->trial, sizeof(*t->trial));
	*t = (struct tables){};
}

int tables_open(struct tables *t, const struct generation *g)
{
	t->about = array_map(g->map[MAP_about], sizeof(*t->about));
	t->trial = array_map(g->map[MAP_trial], sizeof(*t->trial));
	if (t->about && t->trial)
		return 0;
	tables_close(t);
	return -ENOMEM;
}

__u64 about_now(const struct about *about)
{
	struct timespec now;
	__u64 ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = now.tv_sec * 1000000000ULL + now.tv_nsec;
	return about->clock_jiffies + (ns - about->clock_ns) / (1000000000 / about->hz);
}

__u64 about_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

void about_begin(struct about *about, const struct clock_reading *clock, unsigned int hz)
{
	about->layout = KNOCKD_LAYOUT;
	about->hz = hz;
	about->clock_jiffies = clock->jiffies;
	about->clock_ns = clock->monotonic_ns;
	about->since = about_seconds();
}

/* The helper is a child of the daemon that everybody knows. */
void about_sign(struct about *about)
{
	about->pid = getppid();
	about->pid_start = process_start(getppid());
}

void about_outer(struct about *about, unsigned int i, const char *interface,
		 const struct device *device, enum xdp_flavour flavour)
{
	struct about_outer *outer = &about->outer[i];

	snprintf(outer->interface, sizeof(outer->interface), "%s",
		 device ? device->name : interface);
	outer->device = device ? device->index : 0;
	outer->flavour = flavour;
}

__u64 file_changed(const char *path)
{
	struct stat file;

	if (stat(path, &file))
		return 0;
	return file.st_mtim.tv_sec * 1000000000ULL + file.st_mtim.tv_nsec;
}
