// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath_parts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event_text.h"
#include "heritage.h"
#include "link.h"
#include "load.h"
#include "surround.h"
#include "sweep.h"

void tell(const struct datapath *dp, const char *format, ...)
{
	char line[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	dp->place.say(dp->place.data, line);
}

void remark_say(const struct datapath *dp, const struct failure *remark)
{
	if (remark->text[0])
		tell(dp, "%s", remark->text);
}

/* ---- begin and end ---- */

int datapath_open(struct datapath **out, const struct datapath_place *place,
		  const struct pins_devices *devices, struct failure *failure)
{
	struct datapath *dp = calloc(1, sizeof(*dp));
	int error, lead = -1;

	if (!dp) {
		failure_set(failure, "no memory");
		return -ENOMEM;
	}
	dp->place = *place;
	doors_init(&dp->doors, devices->count);
	generation_init(&dp->current);
	generation_init(&dp->former);
	error = pins_open(&dp->doors.pins, place->pin_dir, place->name, place->patience_s, failure);
	if (!error) {
		remark_say(dp, failure);
		error = doors_find(&dp->doors, devices, &lead, failure);
	}
	if (!error && lead >= 0)
		error = links_adopt(dp, lead, failure);
	if (error) {
		datapath_leave(dp);
		return error;
	}
	if (dp->held)
		gaps_say(dp);
	doors_check(&dp->doors);
	*out = dp;
	return 0;
}

void datapath_leave(struct datapath *dp)
{
	if (!dp)
		return;
	if (dp->tables.about)
		dp->tables.about->pid = 0;
	tables_close(&dp->tables);
	doors_close(&dp->doors);
	generation_close(&dp->current);
	generation_close(&dp->former);
	pins_close(dp->doors.pins);
	free(dp);
}

void datapath_detach(struct datapath *dp)
{
	/* Whoever else holds the links: they are to be gone. */
	doors_detach(&dp->doors);
}

void datapath_stop(struct datapath *dp)
{
	struct failure failure;

	if (!dp)
		return;
	datapath_detach(dp);
	pins_remove(dp->doors.pins, &failure);
	remark_say(dp, &failure);
	datapath_leave(dp);
}

/* ---- surroundings ---- */

static int generations_surround(const struct datapath *dp, struct devices *devices,
				const struct guarded *guarded)
{
	int result = generation_surround(&dp->current, devices, guarded);

	return dp->has_former && !result ? generation_surround(&dp->former, devices, guarded) :
					   result;
}

/* Tell readers which interfaces have an outer door, and of which kind. */
static void outers_note(const struct datapath *dp, const struct guarded *guarded)
{
	struct about *about = dp->tables.about;

	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX; i++) {
		if (i < dp->doors.count)
			about_outer(about, i, dp->place.wanted->name[i], guarded->at[i],
				    dp->doors.outer[i].flavour);
		else
			about->outer[i] = (struct about_outer){};
	}
}

int datapath_surroundings(struct datapath *dp, struct devices *devices)
{
	struct guarded guarded;

	doors_guarded(&dp->doors, devices, &guarded);
	if (!guarded_any(&guarded))
		return -ENODEV;
	outers_note(dp, &guarded);
	return generations_surround(dp, devices, &guarded);
}

/* ---- doors ---- */

static void rest_gone(void *data, const char *device)
{
	tell(data, "%s is not in the list of interfaces any more: it is no longer guarded", device);
}

enum turn_end turn_make(struct datapath *dp, const struct turn *turn, int *result,
			       struct failure *failure)
{
	enum turn_end end = doors_turn(&dp->doors, turn, result, failure);

	if (end == TURN_DONE) {
		remark_say(dp, failure);
		doors_shed(&dp->doors, rest_gone, dp);
	}
	return end;
}

bool datapath_check(struct datapath *dp)
{
	bool whole = doors_check(&dp->doors);

	for (unsigned int i = 0; dp->tables.about && i < dp->doors.count; i++)
		if (!dp->doors.outer[i].device)
			dp->tables.about->outer[i].device = 0;
	return whole;
}

/* ---- a config in force ---- */

static void about_finish(struct datapath *dp, const struct datapath_config *config,
			 const struct guarded *guarded)
{
	char *path = realpath(config->path, NULL);
	struct about *about = dp->tables.about;

	snprintf(about->version, sizeof(about->version), "%s", KNOCKD_VERSION);
	outers_note(dp, guarded);
	about->inner = dp->doors.inner >= 0;
	about->fallback = dp->has_former;
	about->loaded = about_seconds();
	about->trial_file = dp->trial ? file_changed(config->path) : 0;
	about->refused_file = 0;
	about_sign(about);
	snprintf(about->config, sizeof(about->config), "%s", path ? path : config->path);
	free(path);
}

/* @new is in force: what was before becomes what comes back, or is to be closed. */
static void generation_succeed(struct datapath *dp, const struct datapath_config *config,
			       struct generation *new, const struct tables *tables,
			       struct generation *before)
{
	const struct generation *base = config->trial_s ? trial_base(dp, config) : NULL;

	tables_close(&dp->tables);
	if (!base)
		generation_close(&dp->former);
	if (base == &dp->current)
		dp->former = dp->current;
	else
		*before = dp->current;
	dp->has_former = base;
	dp->current = *new;
	dp->tables = *tables;
	generation_init(new);
	dp->held = true;
	dp->trial = config->trial_s;
	dp->swept = false;
}

/* Doors that are gone, and their names. */
struct gone {
	const struct datapath *dp;
	const struct door_name *name; /* NULL: not known */
	__u32 count;
};

static void grant_gone(void *data, const struct source *owner, __u32 door)
{
	const struct gone *gone = data;

	tell(gone->dp, "%s: %s: closed (its door is gone)", address_text(owner).text,
	     gone->name && door < gone->count ? gone->name[door].name : "?");
}

/* @before: the generation before, which knows the names of doors that are gone; or NULL. */
static int state_sweep(struct datapath *dp, __u64 now, const struct generation *before)
{
	struct gone gone = { .dp = dp };
	void *names = NULL;
	size_t size = 0;
	int error;

	if (before && !generation_values(before, MAP_names, &names, &size))
		gone.name = names;
	gone.count = size / sizeof(*gone.name);
	error = generation_sweep(&dp->current, now, grant_gone, &gone);
	free(names);
	dp->swept = !error;
	return error;
}

void state_finish(struct datapath *dp, struct migration *m, unsigned int ended,
			 const struct generation *before)
{
	__u64 now = about_now(dp->tables.about);
	int error = m ? migration_finish(m, now) : 0, swept = 0;

	/* Doors that only the config before has may come back with it. */
	if (!dp->has_former)
		swept = state_sweep(dp, now, before);
	if (!error)
		error = swept;
	if (error)
		tell(dp, "some state of the config before could not be brought along: %s",
		     strerror(-error));
	if (ended)
		tell(dp, "grants ended, because Grant_Prefix6 is longer than before: %u", ended);
}

int datapath_heritage(struct datapath *dp, struct heritage *out)
{
	int error = 0;
	__u64 now;

	*out = (struct heritage){};
	if (!dp->held)
		return 0;
	now = about_now(dp->tables.about);
	/* It may have failed, or its daemon been killed before: the number of a door that is gone
	 * would be given to another one, and its grants with it. */
	if (!dp->has_former && !dp->swept)
		error = state_sweep(dp, now, NULL);
	return error ? error : heritage_read(&dp->current, dp->has_former ? &dp->former : NULL, now,
					     out);
}

/* What @new needs beside its tables before it can be put in force. */
static int generation_prepare(const struct datapath *dp, const struct datapath_config *config,
			      const struct generation *new, struct devices *devices,
			      const struct guarded *guarded)
{
	int result = generation_surround(new, devices, guarded);

	/* More than there is room for: those left out are refused rather than let in. */
	return result && result != -E2BIG ? result : trial_prepare(dp, config, new);
}

/* One attempt: load, then turn the doors to it. Nothing has changed on failure. */
static enum turn_end config_try(struct datapath *dp, const struct datapath_config *config,
				struct devices *devices, struct turn turn, int *result,
				struct failure *failure)
{
	const struct load load = {
		.compiled = config->compiled,
		.from = dp->held ? &dp->current : NULL,
		.frags = turn.frags,
		.frames = guarded_frames(turn.guarded),
		.inner = load_inner_possible(),
		.trial = config->trial_s,
	};
	enum turn_end end = TURN_FAILED;
	struct generation new, before;
	struct tables tables = {};
	struct migration *m = NULL;
	struct clock_reading clock;
	unsigned int ended = 0;

	generation_init(&before);
	*result = load_generation(&load, &new, &clock, failure);
	if (*result)
		return end;
	*result = tables_open(&tables, &new);
	if (!*result)
		*result = generation_prepare(dp, config, &new, devices, turn.guarded);
	if (*result) {
		failure_set(failure, "cannot prepare the tables: %s", strerror(-*result));
		goto out;
	}
	tables.trial->until = trial_until(dp, config, &clock);
	if (!dp->held)
		about_begin(tables.about, &clock, config->compiled->settings.second);
	else
		*result = migration_begin(&m, &dp->current, &new, clock.jiffies, &ended);
	if (*result) {
		failure_set(failure, *result == -ENOSPC ?
			    "there are more live grants than the smaller Max_Grants has room for" :
			    "cannot bring the state along: %s", strerror(-*result));
		goto out;
	}
	turn.g = &new;
	turn.outer = load.trial ? new.outer_trial : new.outer;
	turn.inner = load.trial ? new.inner_trial : new.inner;
	turn.before = dp->held ? &dp->current : NULL;
	end = turn_make(dp, &turn, result, failure);
	if (end != TURN_DONE)
		goto out;
	generation_succeed(dp, config, &new, &tables, &before);
	tables = (struct tables){};
	about_finish(dp, config, turn.guarded);
	state_finish(dp, m, ended, &before);
out:
	migration_end(m);
	tables_close(&tables);
	generation_close(&before);
	generation_close(&new);
	return end;
}

/* A link has its mode for life. Return: 0, or −EBUSY where the wanted one is another. */
static int mode_check(const struct datapath *dp, const struct datapath_config *config,
		      const struct guarded *guarded, struct failure *failure)
{
	for (unsigned int i = 0; i < dp->doors.count; i++) {
		const struct outer *o = &dp->doors.outer[i];
		bool generic = o->flavour == XDP_GENERIC;

		if (o->link < 0 || config->mode == CONF_XDP_AUTO ||
		    generic == (config->mode == CONF_XDP_GENERIC))
			continue;
		failure_set(failure, "XDP_Mode = %s cannot be had while %s is guarded (%s): a "
			    "change of mode would leave a moment without rules; stop knockd and "
			    "start it again", conf_xdp_mode_names[config->mode],
			    guarded->at[i] ? guarded->at[i]->name : "?", flavour_name(o->flavour));
		if (!config->starting)
			return -EBUSY;
		tell(dp, "%s", failure->text);
	}
	return 0;
}

static int frames_check(const struct guarded *guarded, struct failure *failure)
{
	for (unsigned int i = 0; i < guarded->count; i++) {
		const struct device *device = guarded->at[i];

		if (!device || device_parsed(device))
			continue;
		failure_set(failure, "%s is neither Ethernet nor a link of plain IP packets (its "
			    "ARP hardware type is %u)", device->name, device->type);
		return -EINVAL;
	}
	return 0;
}

int datapath_put(struct datapath *dp, const struct datapath_config *wanted,
		 struct devices *devices, const struct guarded *guarded, struct failure *failure)
{
	struct datapath_config effective = *wanted, *config = &effective;
	struct turn turn = { .guarded = guarded, .mode = wanted->mode };
	enum turn_end end;
	bool linked;
	int result = frames_check(guarded, failure);

	if (result)
		return result;
	doors_check(&dp->doors);
	/* Confirmed while nobody looked. */
	if (dp->trial && !trial_deadline(dp))
		datapath_confirm(dp, failure);
	/* Whoever waits for a confirmation, a restart does not give it. */
	if (config->starting && datapath_trial_s(dp))
		config->trial_s = datapath_trial_s(dp);
	result = mode_check(dp, config, guarded, failure);
	if (result)
		return result;
	/* First with fragments, which older kernels and most drivers have not; plain native mode
	 * is as good. Links that are there go on as they began, but what another layout left does
	 * not say how. */
	linked = doors_any(&dp->doors);
	turn.frags = linked ? dp->doors.frags : config->mode != CONF_XDP_GENERIC;
	turn.native_only = turn.frags && !linked;
	end = config_try(dp, config, devices, turn, &result, failure);
	if (end == TURN_DONE || !turn.frags || (linked && dp->held) ||
	    (end == TURN_REFUSED && result == -EBUSY))
		return result;
	turn.frags = turn.native_only = false;
	config_try(dp, config, devices, turn, &result, failure);
	return result;
}

void datapath_lost(struct datapath *dp, unsigned int i)
{
	doors_lose(&dp->doors, i);
	if (dp->tables.about)
		dp->tables.about->outer[i].device = 0;
}

int datapath_again(struct datapath *dp, struct devices *devices, const struct guarded *guarded,
		   enum conf_xdp_mode mode, struct failure *failure)
{
	/* What an earlier daemon left has but the one program that its link ran. */
	bool trial = dp->trial && dp->current.outer_trial >= 0;
	struct turn turn = {
		.g = &dp->current,
		.outer = trial ? dp->current.outer_trial : dp->current.outer,
		.inner = trial ? dp->current.inner_trial : dp->current.inner,
		.guarded = guarded,
		.frags = dp->doors.frags,
		.mode = mode,
		.before = &dp->current,
	};
	struct settings settings;
	bool gap = false;
	int result;

	if (!dp->held || turn.outer < 0 || generation_settings(&dp->current, &settings) ||
	    (settings.frames != guarded_frames(guarded) && settings.frames != FRAMES_MIXED))
		return -ENOENT;
	result = frames_check(guarded, failure);
	if (!result)
		result = generations_surround(dp, devices, guarded);
	if (result && result != -E2BIG)
		return result;
	for (unsigned int i = 0; i < guarded->count; i++)
		gap |= guarded->at[i] && !dp->doors.outer[i].device;
	if (turn_make(dp, &turn, &result, failure) != TURN_DONE)
		return result;
	outers_note(dp, guarded);
	if (gap)
		dp->tables.about->since = about_seconds();
	return 0;
}

/* ---- what others ask ---- */

unsigned int datapath_device(const struct datapath *dp, unsigned int i)
{
	return dp->doors.outer[i].device;
}

bool datapath_guards(const struct datapath *dp)
{
	return doors_any(&dp->doors);
}

void datapath_guarded(const struct datapath *dp, const struct devices *devices,
		      struct guarded *out)
{
	doors_guarded(&dp->doors, devices, out);
}

enum xdp_flavour datapath_flavour(const struct datapath *dp, unsigned int i)
{
	return dp->doors.outer[i].flavour;
}

const char *datapath_why(const struct datapath *dp, unsigned int i)
{
	return dp->doors.outer[i].why;
}

bool datapath_inner(const struct datapath *dp)
{
	return dp->doors.inner >= 0;
}

const struct generation *datapath_generation(const struct datapath *dp)
{
	return &dp->current;
}

struct about *datapath_about(const struct datapath *dp)
{
	return dp->tables.about;
}
