// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath_parts.h"

#include <string.h>
#include <unistd.h>

#include "link.h"
#include "pins.h"

static void former_read(struct datapath *dp)
{
	int outer = program_in(dp->current.map[MAP_former_outer]);

	if (outer < 0)
		return;
	if (generation_read(&dp->former, outer)) {
		close(outer);
		return;
	}
	dp->former.outer = outer;
	dp->former.inner = program_in(dp->current.map[MAP_former_inner]);
	dp->has_former = true;
}

/* How an earlier daemon attached its outer doors, which the kernel does not tell. */
static void flavours_adopt(struct datapath *dp)
{
	struct doors *d = &dp->doors;

	d->frags = false;
	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX; i++) {
		const struct about_outer *of = &dp->tables.about->outer[i];

		d->frags |= of->interface[0] && of->flavour == XDP_FRAGS;
		for (unsigned int j = 0; j < d->count; j++)
			if (of->device ? d->outer[j].device == of->device :
			    !strcmp(of->interface, dp->place.wanted->name[j]))
				d->outer[j].flavour = of->flavour;
	}
}

int links_adopt(struct datapath *dp, int lead, struct failure *failure)
{
	bool inner = lead == dp->doors.inner;
	struct bpf_prog_info info;
	int program, error;

	program = link_program(lead, &info);
	if (program < 0)
		goto unreadable;
	error = generation_read(&dp->current, program);
	if (error) {
		close(program);
		program = error;
		goto unreadable;
	}
	*(inner ? &dp->current.inner : &dp->current.outer) = program;
	if (!inner && dp->doors.inner >= 0)
		dp->current.inner = link_program(dp->doors.inner, &info);
	if (generation_layout(&dp->current) != KNOCKD_LAYOUT) {
		tell(dp, "what an earlier knockd left has another layout (%u, not %u): its rules "
		     "stand until ours do, its grants end", generation_layout(&dp->current),
		     KNOCKD_LAYOUT);
		dp->doubtful_file = generation_doubtful(&dp->current);
		return 0;
	}
	error = tables_open(&dp->tables, &dp->current);
	if (error) {
		failure_set(failure, "cannot map what an earlier knockd left: %s",
			    strerror(-error));
		return error;
	}
	dp->held = true;
	dp->current.order = pins_order(dp->place.pin_dir, dp->place.name);
	flavours_adopt(dp);
	dp->trial = strstr(info.name, "_tr");
	if (dp->trial && dp->tables.trial->until)
		former_read(dp);
	return 0;

unreadable:
	failure_set(failure, "cannot read what an earlier knockd left: %s", strerror(-program));
	return program;
}

static bool outer_found(const struct doors *d, unsigned int device)
{
	for (unsigned int i = 0; i < d->count; i++)
		if (d->outer[i].link >= 0 && d->outer[i].device == device)
			return true;
	for (unsigned int i = 0; i < d->rest_count; i++)
		if (device && link_device(d->rest[i]) == device)
			return true;
	return false;
}

static bool outer_severed(const struct doors *d)
{
	for (unsigned int i = 0; i < d->rest_count; i++)
		if (link_severed(d->rest[i], true))
			return true;
	return false;
}

void gaps_say(const struct datapath *dp)
{
	const struct about *about = dp->tables.about;
	bool severed = outer_severed(&dp->doors);

	if (dp->current.order < 0)
		tell(dp, "the pins that an earlier knockd left are incomplete");
	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX && about->outer[i].interface[0]; i++) {
		if (outer_found(&dp->doors, about->outer[i].device))
			continue;
		/* One that was waited for has left nothing. */
		if (!about->outer[i].device && !severed)
			continue;
		if (severed)
			tell(dp, "the outer door that an earlier knockd left is on no interface "
			     "any more: it was detached, or %s of then is gone",
			     about->outer[i].interface);
		else
			tell(dp, "the outer door that an earlier knockd left is missing");
	}
	if (dp->doors.inner < 0 && about->inner)
		tell(dp, "the inner door that an earlier knockd left is missing");
	if (link_severed(dp->doors.inner, false))
		tell(dp, "the inner door that an earlier knockd left was detached");
}
