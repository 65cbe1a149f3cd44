// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_arp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "event_text.h"
#include "heritage.h"
#include "link.h"
#include "load.h"
#include "migrate.h"
#include "pins.h"
#include "surround.h"
#include "sweep.h"
#include "tables.h"

struct datapath {
	struct datapath_place place;
	struct pins *pins;
	int outer_link, inner_link;  /* −1: not attached */
	int outer_runs, inner_runs;  /* the programs that they run; current's */
	struct generation current;   /* in force, or on trial */
	struct generation former;    /* what comes back when the trial is lost */
	struct tables tables;        /* of current */
	enum xdp_flavour flavour;
	unsigned int device;         /* index; 0: none */
	bool held;                   /* current is */
	bool has_former;
	bool trial;                  /* the links run trial programs */
	char why[384];
};

__attribute__((format(printf, 2, 3)))
static void say(const struct datapath *dp, const char *format, ...)
{
	char line[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	dp->place.say(dp->place.data, line);
}

/* What the pins had to say although all went well. */
static void remark_say(const struct datapath *dp, const struct failure *remark)
{
	if (remark->text[0])
		say(dp, "%s", remark->text);
}

static void generation_drop(struct generation *g)
{
	generation_close(g);
	generation_init(g);
}

/* ---- what an earlier daemon left ---- */

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

static int links_adopt(struct datapath *dp, struct failure *failure)
{
	int link = dp->outer_link >= 0 ? dp->outer_link : dp->inner_link, program, error;
	struct bpf_prog_info info;

	program = link_program(link, &info);
	if (program < 0)
		goto unreadable;
	error = generation_read(&dp->current, program);
	if (error) {
		close(program);
		program = error;
		goto unreadable;
	}
	*(link == dp->outer_link ? &dp->current.outer : &dp->current.inner) = program;
	if (link == dp->outer_link && dp->inner_link >= 0)
		dp->current.inner = link_program(dp->inner_link, &info);
	dp->flavour = link_flavour(dp->device);
	if (generation_layout(&dp->current) != KNOCKD_LAYOUT) {
		say(dp, "what an earlier knockd left has another layout (%u, not %u): its rules "
		    "stand until ours do, its grants end", generation_layout(&dp->current),
		    KNOCKD_LAYOUT);
		dp->outer_runs = dp->current.outer;
		dp->inner_runs = dp->current.inner;
		return 0;
	}
	error = tables_open(&dp->tables, &dp->current);
	if (error) {
		failure_set(failure, "cannot map what an earlier knockd left: %s",
			    strerror(-error));
		return error;
	}
	dp->held = true;
	dp->outer_runs = dp->current.outer;
	dp->inner_runs = dp->current.inner;
	dp->current.order = pins_order(dp->place.pin_dir, dp->place.name);
	dp->flavour = dp->tables.about->flavour;
	dp->trial = strstr(info.name, "_tr");
	if (dp->trial && dp->tables.trial->until)
		former_read(dp);
	return 0;

unreadable:
	failure_set(failure, "cannot read what an earlier knockd left: %s", strerror(-program));
	return program;
}

/* What is not as an earlier daemon must have left it; what is missing is made anew. */
static void gaps_say(const struct datapath *dp)
{
	bool outer = dp->outer_link >= 0, inner = dp->inner_link >= 0;

	if (dp->current.order < 0)
		say(dp, "the pins that an earlier knockd left are incomplete");
	if (!outer)
		say(dp, "the outer door that an earlier knockd left is missing");
	if (!inner && dp->tables.about->inner)
		say(dp, "the inner door that an earlier knockd left is missing");
	if (link_severed(dp->outer_link, true))
		say(dp, "the outer door that an earlier knockd left is on no interface any more: "
		    "it was detached, or %s of then is gone", dp->tables.about->interface);
	if (link_severed(dp->inner_link, false))
		say(dp, "the inner door that an earlier knockd left was detached");
}

int datapath_open(struct datapath **out, const struct datapath_place *place, unsigned int device,
		  struct failure *failure)
{
	struct datapath *dp = calloc(1, sizeof(*dp));
	int error;

	if (!dp) {
		failure_set(failure, "no memory");
		return -ENOMEM;
	}
	dp->place = *place;
	dp->outer_link = dp->inner_link = dp->outer_runs = dp->inner_runs = -1;
	generation_init(&dp->current);
	generation_init(&dp->former);
	error = pins_open(&dp->pins, place->pin_dir, place->name, place->patience_s, failure);
	if (!error) {
		remark_say(dp, failure);
		error = pins_find(dp->pins, device, &dp->outer_link, &dp->inner_link, failure);
	}
	if (error)
		goto fail;
	dp->device = device;
	if (dp->outer_link >= 0 || dp->inner_link >= 0)
		error = links_adopt(dp, failure);
	if (error)
		goto fail;
	if (dp->held)
		gaps_say(dp);
	/* A link that is on no device, or on another, is good for nothing more. */
	datapath_check(dp);
	if (dp->outer_link >= 0 && (!device || link_device(dp->outer_link) != device))
		datapath_lost(dp);
	*out = dp;
	return 0;

fail:
	datapath_leave(dp);
	return error;
}

static void descriptor_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void datapath_leave(struct datapath *dp)
{
	if (!dp)
		return;
	if (dp->tables.about)
		dp->tables.about->pid = 0;
	tables_close(&dp->tables);
	descriptor_close(&dp->outer_link);
	descriptor_close(&dp->inner_link);
	generation_close(&dp->current);
	generation_close(&dp->former);
	pins_close(dp->pins);
	free(dp);
}

void datapath_stop(struct datapath *dp)
{
	struct failure failure;

	if (!dp)
		return;
	/* Whoever else holds the links: they are to be gone. */
	if (dp->outer_link >= 0)
		bpf_link_detach(dp->outer_link);
	if (dp->inner_link >= 0)
		bpf_link_detach(dp->inner_link);
	pins_remove(dp->pins, &failure);
	remark_say(dp, &failure);
	datapath_leave(dp);
}

int datapath_heritage(const struct datapath *dp, struct heritage *out)
{
	*out = (struct heritage){};
	if (!dp->held)
		return 0;
	return heritage_read(&dp->current, dp->has_former ? &dp->former : NULL,
			     about_now(dp->tables.about), out);
}

/* ---- surroundings ---- */

static int generations_surround(const struct datapath *dp, struct devices *devices,
				const struct device *guarded)
{
	int result = generation_surround(&dp->current, devices, guarded);

	return dp->has_former && !result ? generation_surround(&dp->former, devices, guarded) :
					   result;
}

int datapath_surroundings(struct datapath *dp, struct devices *devices)
{
	const struct device *guarded = devices_find_index(devices, dp->device);

	if (!guarded)
		return -ENODEV;
	about_name(dp->tables.about, guarded);
	return generations_surround(dp, devices, guarded);
}

/* ---- links ---- */

static int outer_failed(const struct datapath *dp, const struct device *device, int result,
			struct failure *failure)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (!bpf_xdp_query(device->index, 0, &query)) {
		__u32 id = query.drv_prog_id ? query.drv_prog_id :
			   query.skb_prog_id ? query.skb_prog_id : query.hw_prog_id;

		if (id) {
			failure_set(failure,
				    "another XDP program (id %u) is attached to %s; 'bpftool prog "
				    "show id %u' says which, 'ip link set dev %s xdp off' removes "
				    "it unless a running program holds it", id, device->name, id,
				    device->name);
			return -EBUSY;
		}
	}
	failure_set(failure, "cannot attach to %s: %s%s%s", device->name, strerror(-result),
		    dp->why[0] ? "; " : "", dp->why);
	return result;
}

static int generation_publish(struct datapath *dp, const struct generation *g,
			      struct failure *failure)
{
	static const char *const names[] = {
#define NAME(name, kind) [MAP_##name] = #name,
		GENERATION_MAPS(NAME)
#undef NAME
	};
	struct pin pin[MAP_COUNT + 3];
	size_t count = 0;
	int error;

	if (dp->outer_link >= 0)
		pin[count++] = (struct pin){ "outer", dp->outer_link };
	if (dp->inner_link >= 0)
		pin[count++] = (struct pin){ "inner", dp->inner_link };
	if (g->order >= 0)
		pin[count++] = (struct pin){ "order", g->order };
	for (enum generation_map map = 0; map < MAP_COUNT; map++)
		if (g->map[map] >= 0)
			pin[count++] = (struct pin){ names[map], g->map[map] };
	error = pins_publish(dp->pins, pin, count, failure);
	if (!error)
		remark_say(dp, failure);
	return error;
}

static int links_run(struct datapath *dp, int outer, int inner, struct failure *failure)
{
	int error = 0;

	if (dp->outer_link >= 0 && outer >= 0 && bpf_link_update(dp->outer_link, outer, NULL))
		error = -errno;
	if (!error && dp->inner_link >= 0 && inner >= 0 &&
	    bpf_link_update(dp->inner_link, inner, NULL))
		error = -errno;
	if (error)
		failure_set(failure, "cannot exchange the programs: %s", strerror(-error));
	return error;
}

/*
 * Let the doors run @outer and @inner of @g: attach those that are not, publish, then exchange the
 * programs of the others. Without a @device there is no outer door. On failure all is as before.
 */
static int doors_turn(struct datapath *dp, const struct generation *g, int outer, int inner,
		      const struct device *device, enum xdp_flavour flavour, bool *attaching,
		      struct failure *failure)
{
	bool made_inner = dp->inner_link < 0 && inner >= 0;
	bool made_outer = dp->outer_link < 0 && device;
	int result = 0;

	*attaching = false;
	if (made_inner) {
		dp->inner_link = result = link_inner(inner, failure);
		if (result < 0)
			goto fail;
	}
	if (made_outer) {
		*attaching = true;
		dp->outer_link = result = link_outer(outer, device->index, flavour);
		if (result < 0)
			goto fail;
		*attaching = false;
	}
	result = generation_publish(dp, g, failure);
	if (result)
		goto fail;
	result = links_run(dp, outer, inner, failure);
	if (!result) {
		dp->outer_runs = outer;
		dp->inner_runs = inner;
		return 0;
	}
	links_run(dp, dp->outer_runs, dp->inner_runs, &(struct failure){});
fail:
	/* What was made for this attempt goes; what was there before runs what it ran. */
	if (made_outer)
		descriptor_close(&dp->outer_link);
	if (made_inner)
		descriptor_close(&dp->inner_link);
	if (dp->held)
		generation_publish(dp, &dp->current, &(struct failure){});
	else if (dp->outer_link < 0 && dp->inner_link < 0)
		pins_remove(dp->pins, &(struct failure){});
	return result;
}

bool datapath_check(struct datapath *dp)
{
	bool outer = link_severed(dp->outer_link, true);
	bool inner = link_severed(dp->inner_link, false);

	if (outer)
		datapath_lost(dp);
	if (inner)
		descriptor_close(&dp->inner_link);
	return !outer && !inner;
}

/* ---- a config in force ---- */

static void about_finish(struct datapath *dp, const struct datapath_config *config,
			 const struct device *device)
{
	char *path = realpath(config->path, NULL);
	struct about *about = dp->tables.about;

	snprintf(about->version, sizeof(about->version), "%s", KNOCKD_VERSION);
	about_name(about, device);
	about->device = device->index;
	about->flavour = dp->flavour;
	about->inner = dp->inner_link >= 0;
	about->fallback = dp->has_former;
	about->loaded = about_seconds();
	about->trial_file = dp->trial ? file_changed(config->path) : 0;
	about->refused_file = 0;
	about_sign(about);
	snprintf(about->config, sizeof(about->config), "%s", path ? path : config->path);
	free(path);
}

/* What comes back when the trial that begins now is lost; NULL: nothing, everything opens. */
static const struct generation *trial_base(const struct datapath *dp,
					   const struct datapath_config *config)
{
	if (dp->has_former)
		return &dp->former;
	/* A start has nothing before it, whatever an earlier daemon left; nor has what comes in
	 * place of a first config on trial. */
	return dp->held && !dp->trial && !config->starting ? &dp->current : NULL;
}

/* Until when the config in force can be confirmed, in jiffies; 0: it is, or needs not be. */
static __u64 trial_deadline(const struct datapath *dp)
{
	return dp->trial ? dp->tables.trial->until : 0;
}

static bool trial_pending(const struct datapath *dp)
{
	return dp->trial && trial_deadline(dp) > about_now(dp->tables.about);
}

static int trial_prepare(const struct datapath *dp, const struct datapath_config *config,
			 const struct generation *new)
{
	const struct generation *base = trial_base(dp, config);
	__u32 key = 0;

	if (!config->trial_s || !base)
		return 0;
	if (bpf_map_update_elem(new->map[MAP_former_outer], &key, &base->outer, BPF_ANY))
		return -errno;
	if (base->inner >= 0 && new->inner >= 0 &&
	    bpf_map_update_elem(new->map[MAP_former_inner], &key, &base->inner, BPF_ANY))
		return -errno;
	return 0;
}

/* Until when the new config is to be confirmed. */
static __u64 trial_until(const struct datapath *dp, const struct datapath_config *config,
			 const struct clock_reading *clock)
{
	if (!config->trial_s)
		return 0;
	if (config->starting && trial_pending(dp))
		return trial_deadline(dp);
	return clock->jiffies + (__u64)config->trial_s * config->compiled->settings.second;
}

/* @new is in force: what was before becomes what comes back, or is to be closed. */
static void generation_succeed(struct datapath *dp, const struct datapath_config *config,
			       struct generation *new, const struct tables *tables,
			       struct generation *before)
{
	const struct generation *base = config->trial_s ? trial_base(dp, config) : NULL;

	tables_close(&dp->tables);
	if (!base)
		generation_drop(&dp->former);
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

	say(gone->dp, "%s: %s: closed (its door is gone)", address_text(owner).text,
	    gone->name && door < gone->count ? gone->name[door].name : "?");
}

/* After the swap: bring what changed meanwhile, end what belongs to doors that only @before had. */
static void state_finish(struct datapath *dp, struct migration *m, unsigned int ended,
			 const struct generation *before)
{
	struct gone gone = { .dp = dp };
	size_t size = 0;
	void *names = NULL;
	__u64 now = about_now(dp->tables.about);
	int error = m ? migration_finish(m, now) : 0, swept = 0;

	/* Doors that only the config before has may come back with it. */
	if (!dp->has_former) {
		if (!generation_values(before, MAP_names, &names, &size))
			gone.name = names;
		gone.count = size / sizeof(*gone.name);
		swept = generation_sweep(&dp->current, now, grant_gone, &gone);
		free(names);
	}
	if (!error)
		error = swept;
	if (error)
		say(dp, "some state of the config before could not be brought along: %s",
		    strerror(-error));
	if (ended)
		say(dp, "grants ended, because Grant_Prefix6 is longer than before: %u", ended);
}

/* What @new needs beside its tables before it can be put in force. */
static int generation_prepare(const struct datapath *dp, const struct datapath_config *config,
			      const struct generation *new, struct devices *devices,
			      const struct device *device)
{
	int result = generation_surround(new, devices, device);

	/* More than there is room for: those left out are refused rather than let in. */
	return result && result != -E2BIG ? result : trial_prepare(dp, config, new);
}

/* One attempt: load, then turn the doors to it. Nothing has changed on failure. */
static int config_try(struct datapath *dp, const struct datapath_config *config,
		      struct devices *devices, const struct device *device,
		      enum xdp_flavour flavour, bool *attaching, struct failure *failure)
{
	const struct load load = {
		.compiled = config->compiled,
		.from = dp->held ? &dp->current : NULL,
		.flavour = flavour,
		.ethernet = device->type == ARPHRD_ETHER,
		.inner = load_inner_possible(),
		.trial = config->trial_s,
	};
	struct generation new, before;
	struct tables tables = {};
	struct migration *m = NULL;
	struct clock_reading clock;
	unsigned int ended = 0;
	int result;

	*attaching = false;
	generation_init(&before);
	result = load_generation(&load, &new, &clock, failure);
	if (result)
		return result;
	result = tables_open(&tables, &new);
	if (!result)
		result = generation_prepare(dp, config, &new, devices, device);
	if (result) {
		failure_set(failure, "cannot prepare the tables: %s", strerror(-result));
		goto out;
	}
	tables.trial->until = trial_until(dp, config, &clock);
	if (!dp->held)
		about_begin(tables.about, &clock, config->compiled->settings.second);
	else
		result = migration_begin(&m, &dp->current, &new, clock.jiffies, &ended);
	if (result) {
		failure_set(failure, result == -ENOSPC ?
			    "there are more live grants than the smaller Max_Grants has room for" :
			    "cannot bring the state along: %s", strerror(-result));
		goto out;
	}
	result = doors_turn(dp, &new, load.trial ? new.outer_trial : new.outer,
			    load.trial ? new.inner_trial : new.inner, device, flavour, attaching,
			    failure);
	if (result)
		goto out;
	generation_succeed(dp, config, &new, &tables, &before);
	tables = (struct tables){};
	dp->flavour = flavour;
	dp->device = device->index;
	about_finish(dp, config, device);
	state_finish(dp, m, ended, &before);
out:
	migration_end(m);
	tables_close(&tables);
	generation_close(&before);
	generation_close(&new);
	return result;
}

static const char *const flavour_names[] = {
	[XDP_FRAGS] = "native, with fragments",
	[XDP_NATIVE] = "native",
	[XDP_GENERIC] = "generic",
};

/* Note why @flavour was not to be had; for plain native mode also what would give it. */
static void flavour_refused(struct datapath *dp, const struct device *device,
			    enum xdp_flavour flavour, int result)
{
	char hint[256] = "";
	size_t used = strlen(dp->why);

	if (flavour == XDP_FRAGS)
		return; /* older kernels and most drivers; plain native mode is as good */
	if (flavour == XDP_NATIVE)
		device_native_hint(device, hint, sizeof(hint));
	snprintf(dp->why + used, sizeof(dp->why) - used, "%s%s mode refused by the driver: %s%s",
		 used ? "; " : "", flavour_names[flavour],
		 result == -EOPNOTSUPP ? "it has none" : strerror(-result), hint);
}

static bool device_parsed(const struct device *device)
{
	switch (device->type) {
	case ARPHRD_ETHER:
	case ARPHRD_NONE:
	case ARPHRD_PPP:
	case ARPHRD_RAWIP:
		return true;
	default:
		return false;
	}
}

/* The flavours that may be tried; a link that is there has its own for life. */
static int flavours_choose(const struct datapath *dp, const struct datapath_config *config,
			   const struct device *device, enum xdp_flavour *first,
			   enum xdp_flavour *last, struct failure *failure)
{
	*first = config->mode == CONF_XDP_GENERIC ? XDP_GENERIC : XDP_FRAGS;
	*last = config->mode == CONF_XDP_NATIVE ? XDP_NATIVE : XDP_GENERIC;
	if (dp->outer_link < 0)
		return 0;
	if (dp->flavour < *first || dp->flavour > *last) {
		failure_set(failure, "XDP_Mode = %s cannot be had while %s is guarded (%s): a "
			    "change of mode would leave a moment without rules; stop knockd and "
			    "start it again", conf_xdp_mode_names[config->mode], device->name,
			    flavour_names[dp->flavour]);
		if (!config->starting)
			return -EBUSY;
		say(dp, "%s", failure->text);
	}
	*first = *last = dp->flavour;
	/* What another layout left does not say whether it took packets in fragments. */
	if (!dp->held && dp->flavour == XDP_FRAGS)
		*last = XDP_NATIVE;
	return 0;
}

int datapath_put(struct datapath *dp, const struct datapath_config *wanted,
		 struct devices *devices, const struct device *device, struct failure *failure)
{
	struct datapath_config effective = *wanted, *config = &effective;
	enum xdp_flavour first, last;
	bool attaching = false;
	int result;

	if (!device_parsed(device)) {
		failure_set(failure, "%s is neither Ethernet nor a link of plain IP packets (its "
			    "ARP hardware type is %u)", device->name, device->type);
		return -EINVAL;
	}
	datapath_check(dp);
	/* Confirmed while nobody looked. */
	if (dp->trial && !trial_deadline(dp))
		datapath_confirm(dp, failure);
	/* Whoever waits for a confirmation, a restart does not give it. */
	if (config->starting && datapath_trial_s(dp))
		config->trial_s = datapath_trial_s(dp);
	result = flavours_choose(dp, config, device, &first, &last, failure);
	if (result)
		return result;
	if (dp->outer_link < 0)
		dp->why[0] = '\0';
	for (enum xdp_flavour flavour = first; flavour <= last; flavour++) {
		result = config_try(dp, config, devices, device, flavour, &attaching, failure);
		/* A flavour that does not load is like one that does not attach, if it is not the
		 * plain one. */
		if (!result || (!attaching && flavour != XDP_FRAGS))
			return result;
		if (attaching && result == -EBUSY)
			break;
		if (dp->outer_link < 0)
			flavour_refused(dp, device, flavour, result);
	}
	return attaching ? outer_failed(dp, device, result, failure) : result;
}

void datapath_lost(struct datapath *dp)
{
	descriptor_close(&dp->outer_link);
	dp->outer_runs = -1;
	dp->device = 0;
	if (dp->tables.about)
		dp->tables.about->device = 0;
}

int datapath_again(struct datapath *dp, struct devices *devices, const struct device *device,
		   struct failure *failure)
{
	struct settings settings;
	bool attaching;
	int result, outer;

	if (!dp->held || generation_settings(&dp->current, &settings) ||
	    settings.ethernet != (device->type == ARPHRD_ETHER))
		return -ENOENT;
	result = generations_surround(dp, devices, device);
	if (result && result != -E2BIG)
		return result;
	/* What an earlier daemon left has but the one program that its link ran. */
	outer = dp->trial && dp->current.outer_trial >= 0 ? dp->current.outer_trial :
							    dp->current.outer;
	result = doors_turn(dp, &dp->current, outer, dp->inner_runs, device, dp->flavour,
			    &attaching, failure);
	if (result)
		return attaching ? outer_failed(dp, device, result, failure) : result;
	dp->device = device->index;
	dp->tables.about->device = device->index;
	dp->tables.about->since = about_seconds();
	about_name(dp->tables.about, device);
	return 0;
}

/* ---- trial ---- */

static void former_forget(struct datapath *dp)
{
	__u32 key = 0;

	bpf_map_delete_elem(dp->current.map[MAP_former_outer], &key);
	bpf_map_delete_elem(dp->current.map[MAP_former_inner], &key);
	dp->has_former = false;
	dp->tables.about->fallback = 0;
	dp->trial = false;
	state_finish(dp, NULL, 0, &dp->former);
	generation_drop(&dp->former);
}

int datapath_confirm(struct datapath *dp, struct failure *failure)
{
	int error;

	if (!dp->trial || trial_deadline(dp))
		return 0;
	error = links_run(dp, dp->current.outer, dp->current.inner, failure);
	if (error)
		return error;
	dp->outer_runs = dp->current.outer;
	dp->inner_runs = dp->current.inner;
	former_forget(dp);
	return 0;
}

static void progress_clear(const struct generation *g)
{
	struct source key;

	while (!bpf_map_get_next_key(g->map[MAP_progress], NULL, &key))
		if (bpf_map_delete_elem(g->map[MAP_progress], &key))
			return;
}

/* @late: the config before has been judging since the deadline, and its state is the true one. */
static int trial_undo(struct datapath *dp, bool late, struct failure *failure)
{
	struct migration *m = NULL;
	struct tables tables = {};
	struct generation before;
	unsigned int ended = 0;
	bool attaching;
	int error = tables_open(&tables, &dp->former);

	if (error) {
		failure_set(failure, "cannot map the tables: %s", strerror(-error));
		return error;
	}
	/* Knocks counted by sequences that were never confirmed mean nothing to those before. */
	progress_clear(&dp->current);
	if (!late)
		error = migration_begin(&m, &dp->current, &dp->former,
					about_now(tables.about), &ended);
	if (error)
		say(dp, "the config before goes on with its own state; what changed since is lost: "
		    "%s", strerror(-error));
	if (dp->former.order < 0)
		dp->former.order = fcntl(dp->current.order, F_DUPFD_CLOEXEC, 0);
	error = doors_turn(dp, &dp->former, dp->former.outer, dp->former.inner, NULL, dp->flavour,
			   &attaching, failure);
	if (error) {
		tables_close(&tables);
		migration_end(m);
		return error;
	}
	tables_close(&dp->tables);
	dp->tables = tables;
	before = dp->current;
	dp->current = dp->former;
	generation_init(&dp->former);
	dp->has_former = dp->trial = false;
	dp->tables.trial->until = 0;
	tables.about->fallback = 0;
	tables.about->loaded = about_seconds();
	tables.about->refused_file = tables.about->trial_file;
	state_finish(dp, m, ended, &before);
	migration_end(m);
	generation_close(&before);
	return 0;
}

int datapath_undo(struct datapath *dp, struct failure *failure)
{
	if (!trial_deadline(dp) || trial_pending(dp))
		return -EALREADY;
	return dp->has_former ? trial_undo(dp, false, failure) : -ENOENT;
}

bool datapath_refused(struct datapath *dp, const char *path)
{
	struct failure failure;

	if (!dp->held)
		return false;
	if (trial_deadline(dp) && !trial_pending(dp) && dp->has_former &&
	    trial_undo(dp, true, &failure))
		say(dp, "the config before could not be put back for good: %s", failure.text);
	if (!dp->tables.about->refused_file || dp->tables.about->refused_file != file_changed(path))
		return false;
	about_sign(dp->tables.about);
	return true;
}

bool datapath_on_trial(const struct datapath *dp)
{
	return dp->trial;
}

unsigned int datapath_trial_s(const struct datapath *dp)
{
	const struct about *about = dp->tables.about;
	__u64 until = trial_deadline(dp), now = until ? about_now(about) : 0;

	return until > now ? (until - now + about->hz - 1) / about->hz : 0;
}

/* ---- what others ask ---- */

unsigned int datapath_device(const struct datapath *dp)
{
	return dp->device;
}

const char *datapath_flavour_name(enum xdp_flavour flavour)
{
	return flavour <= XDP_GENERIC ? flavour_names[flavour] : "unknown mode";
}

enum xdp_flavour datapath_flavour(const struct datapath *dp)
{
	return dp->flavour;
}

const char *datapath_why(const struct datapath *dp)
{
	return dp->why;
}

bool datapath_inner(const struct datapath *dp)
{
	return dp->inner_link >= 0;
}

const struct generation *datapath_generation(const struct datapath *dp)
{
	return &dp->current;
}

struct about *datapath_about(const struct datapath *dp)
{
	return dp->tables.about;
}
