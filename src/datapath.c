// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "load.h"
#include "migrate.h"
#include "pins.h"
#include "process.h"
#include "surround.h"

struct datapath {
	struct datapath_place place;
	struct pins *pins;
	int outer_link, inner_link;  /* −1: not attached */
	int outer_runs, inner_runs;  /* the programs that they run; current's */
	struct generation current;   /* in force, or on trial */
	struct generation former;    /* what comes back when the trial is lost */
	struct about *about;         /* mapped; NULL while nothing is in force */
	volatile struct shared *shared;
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

/* ---- about and shared, mapped ---- */

static void *map_open(const struct generation *g, enum generation_map map)
{
	void *at = mmap(NULL, generation_map_size(g, map), PROT_READ | PROT_WRITE, MAP_SHARED,
			g->map[map], 0);

	return at == MAP_FAILED ? NULL : at;
}

static void tables_unmap(struct datapath *dp)
{
	if (dp->about)
		munmap(dp->about, generation_map_size(&dp->current, MAP_about));
	if (dp->shared)
		munmap((void *)dp->shared, generation_map_size(&dp->current, MAP_shared));
	dp->about = NULL;
	dp->shared = NULL;
}

static int tables_map(struct datapath *dp, const struct generation *g)
{
	dp->about = map_open(g, MAP_about);
	dp->shared = map_open(g, MAP_shared);
	return dp->about && dp->shared ? 0 : -ENOMEM;
}

static __u64 jiffies_now(const struct about *about)
{
	struct timespec now;
	__u64 ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = now.tv_sec * 1000000000ULL + now.tv_nsec;
	return about->clock_jiffies + (ns - about->clock_ns) / (1000000000 / about->hz);
}

static int map_set(int map, const void *value)
{
	__u32 key = 0;

	return bpf_map_update_elem(map, &key, value, BPF_ANY) ? -errno : 0;
}

/* ---- what an earlier daemon left ---- */

static int link_program(int link, struct bpf_prog_info *info)
{
	struct bpf_link_info of = {};
	__u32 size = sizeof(of);
	int program;

	if (bpf_obj_get_info_by_fd(link, &of, &size))
		return -errno;
	program = bpf_prog_get_fd_by_id(of.prog_id);
	if (program < 0)
		return -errno;
	size = sizeof(*info);
	memset(info, 0, sizeof(*info));
	if (bpf_obj_get_info_by_fd(program, info, &size)) {
		int error = -errno;

		close(program);
		return error;
	}
	return program;
}

static unsigned int link_device(int link)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(link, &info, &size) ? 0 : info.xdp.ifindex;
}

/* The program in an array of one, where it still is. */
static int former_program(int array)
{
	__u32 key = 0, id;

	if (array < 0 || bpf_map_lookup_elem(array, &key, &id))
		return -1;
	return bpf_prog_get_fd_by_id(id);
}

static void former_read(struct datapath *dp)
{
	int outer = former_program(dp->current.map[MAP_former_outer]);

	if (outer < 0)
		return;
	if (generation_read(&dp->former, outer)) {
		close(outer);
		return;
	}
	dp->former.outer = outer;
	dp->former.inner = former_program(dp->current.map[MAP_former_inner]);
	dp->has_former = true;
}

/* Where the layout is another's, only how its outer door is attached can be told. */
static enum xdp_flavour device_flavour(unsigned int device)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (!bpf_xdp_query(device, 0, &query) && query.attach_mode == XDP_ATTACHED_SKB)
		return XDP_GENERIC;
	return XDP_FRAGS;
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
	dp->flavour = device_flavour(dp->device);
	if (generation_layout(&dp->current) != KNOCKD_LAYOUT) {
		say(dp, "what an earlier knockd left has another layout (%u, not %u): its rules "
		    "stand until ours do, its grants end", generation_layout(&dp->current),
		    KNOCKD_LAYOUT);
		dp->outer_runs = dp->current.outer;
		dp->inner_runs = dp->current.inner;
		return 0;
	}
	error = tables_map(dp, &dp->current);
	if (error) {
		failure_set(failure, "cannot map what an earlier knockd left: %s",
			    strerror(-error));
		return error;
	}
	dp->held = true;
	dp->outer_runs = dp->current.outer;
	dp->inner_runs = dp->current.inner;
	dp->flavour = dp->about->flavour;
	dp->trial = strstr(info.name, "_tr");
	if (dp->trial && dp->shared->confirm_until)
		former_read(dp);
	return 0;

unreadable:
	failure_set(failure, "cannot read what an earlier knockd left: %s", strerror(-program));
	return program;
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
	/* The link of a device that is gone is good for nothing more. */
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
	if (dp->about)
		dp->about->pid = 0;
	tables_unmap(dp);
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

/* ---- heritage ---- */

/* A copy of the values of @map, of at least @least bytes. */
static void *table_copy(const struct generation *g, enum generation_map map, size_t least)
{
	void *values;
	size_t size;

	if (generation_values(g, map, &values, &size))
		return NULL;
	if (size >= least)
		return values;
	free(values);
	return NULL;
}

int datapath_heritage(const struct datapath *dp, struct heritage *out)
{
	const struct generation *g = &dp->current;
	struct settings *s;

	*out = (struct heritage){};
	if (!dp->held)
		return 0;
	s = table_copy(g, MAP_settings, sizeof(*s));
	if (!s)
		return -EINVAL;
	out->settings = s;
	out->port = table_copy(g, MAP_ports, PORT_COUNT * sizeof(*out->port));
	out->name = table_copy(g, MAP_names, (size_t)s->door_count * sizeof(*out->name));
	out->path = table_copy(g, MAP_paths, (size_t)s->state_count * sizeof(*out->path));
	out->now = jiffies_now(dp->about);
	if (out->port && out->name && out->path)
		return 0;
	datapath_heritage_free(out);
	return -EINVAL;
}

void datapath_heritage_free(struct heritage *heritage)
{
	free((void *)heritage->settings);
	free((void *)heritage->port);
	free((void *)heritage->name);
	free((void *)heritage->path);
	*heritage = (struct heritage){};
}

/* ---- surroundings ---- */

int datapath_surroundings(struct datapath *dp, struct devices *devices)
{
	const struct device *guarded = devices_find_index(devices, dp->device);
	int result;

	if (!guarded)
		return -ENODEV;
	snprintf(dp->about->interface, sizeof(dp->about->interface), "%s", guarded->name);
	result = generation_surround(&dp->current, devices, guarded);
	if (!result && dp->has_former)
		result = generation_surround(&dp->former, devices, guarded);
	return result;
}

/* ---- links ---- */

static int inner_attach(int program, struct failure *failure)
{
	int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), link;

	if (netns < 0) {
		link = -errno;
		failure_set(failure, "cannot open the network namespace: %s", strerror(-link));
		return link;
	}
	link = bpf_link_create(program, netns, BPF_SK_LOOKUP, NULL);
	if (link < 0) {
		link = -errno;
		failure_set(failure, "cannot attach the inner door to the network namespace: %s",
			    strerror(-link));
	}
	close(netns);
	return link;
}

static int outer_attach(int program, unsigned int device, enum xdp_flavour flavour)
{
	LIBBPF_OPTS(bpf_link_create_opts, options,
		    .flags = flavour == XDP_GENERIC ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	static const struct timespec moment = { .tv_nsec = 10000000 };
	int link = -1;

	/* A link that has just gone holds the device for some milliseconds more. */
	for (int tries = 0; tries < 20; tries++) {
		link = bpf_link_create(program, device, BPF_XDP, &options);
		if (link >= 0 || errno != EBUSY)
			break;
		nanosleep(&moment, NULL);
	}
	return link < 0 ? -errno : link;
}

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
		dp->inner_link = result = inner_attach(inner, failure);
		if (result < 0)
			goto fail;
	}
	if (made_outer) {
		*attaching = true;
		dp->outer_link = result = outer_attach(outer, device->index, flavour);
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

/* ---- a config in force ---- */

static __u64 seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

/* What a fresh table says before anything is attached. */
static int about_begin(const struct generation *g, const struct clock_reading *clock,
		       unsigned int hz)
{
	struct about *about = calloc(1, sizeof(*about));
	int error = -ENOMEM;

	if (!about)
		return error;
	about->layout = KNOCKD_LAYOUT;
	about->hz = hz;
	about->clock_jiffies = clock->jiffies;
	about->clock_ns = clock->monotonic_ns;
	about->since = seconds_now();
	error = map_set(g->map[MAP_about], about);
	free(about);
	return error;
}

static void about_finish(struct datapath *dp, const struct datapath_config *config,
			 const struct device *device)
{
	char *path = realpath(config->path, NULL);
	struct about *about = dp->about;

	snprintf(about->version, sizeof(about->version), "%s", KNOCKD_VERSION);
	snprintf(about->interface, sizeof(about->interface), "%s", device->name);
	about->device = device->index;
	about->flavour = dp->flavour;
	about->inner = dp->inner_link >= 0;
	about->fallback = dp->has_former;
	about->loaded = seconds_now();
	/* The helper is a child of the daemon that everybody knows. */
	about->pid = getppid();
	about->pid_start = process_start(getppid());
	snprintf(about->config, sizeof(about->config), "%s", path ? path : config->path);
	free(path);
}

/* What comes back when the trial that begins now is lost; NULL: nothing, everything opens. */
static const struct generation *trial_base(const struct datapath *dp,
					   const struct datapath_config *config)
{
	if (dp->has_former)
		return &dp->former;
	/* A start has nothing before it, whatever an earlier daemon left. */
	return dp->held && !dp->trial && !config->starting ? &dp->current : NULL;
}

static bool trial_pending(const struct datapath *dp)
{
	__u64 until = dp->shared ? dp->shared->confirm_until : 0;

	return dp->trial && until > jiffies_now(dp->about);
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

/* Until when the config is to be confirmed, in jiffies; 0: it needs not be. */
static __u64 trial_until(const struct datapath *dp, const struct datapath_config *config,
			 const struct clock_reading *clock)
{
	if (!config->trial_s)
		return 0;
	if (config->starting && trial_pending(dp))
		return dp->shared->confirm_until;
	return clock->jiffies + (__u64)config->trial_s * config->compiled->settings.second;
}

static int deadline_set(const struct generation *g, __u64 until)
{
	struct shared *shared = map_open(g, MAP_shared);

	if (!shared)
		return -ENOMEM;
	__atomic_store_n(&shared->confirm_until, until, __ATOMIC_SEQ_CST);
	munmap(shared, generation_map_size(g, MAP_shared));
	return 0;
}

/* @new is in force: what was before becomes what comes back, or is to be closed. */
static int generation_succeed(struct datapath *dp, const struct datapath_config *config,
			      struct generation *new, enum xdp_flavour flavour,
			      struct generation *before)
{
	const struct generation *base = config->trial_s ? trial_base(dp, config) : NULL;

	tables_unmap(dp);
	if (!base)
		generation_drop(&dp->former);
	if (base == &dp->current)
		dp->former = dp->current;
	else
		*before = dp->current;
	dp->has_former = base;
	dp->current = *new;
	generation_init(new);
	dp->held = true;
	dp->trial = config->trial_s;
	dp->flavour = flavour;
	return tables_map(dp, &dp->current);
}

static void grant_gone(void *data, const struct source *owner, __u32 door)
{
	unsigned int *count = data;

	(void)owner;
	(void)door;
	++*count;
}

/* After the swap: bring what changed meanwhile, end what belongs to doors that are gone. */
static void state_finish(struct datapath *dp, struct migration *m, unsigned int ended)
{
	unsigned int gone = 0;
	__u64 now = jiffies_now(dp->about);
	int error = m ? migration_finish(m, now) : 0, swept = 0;

	/* Doors that are gone on trial may come back; before another config they are gone. */
	if (!dp->trial)
		swept = migration_sweep(&dp->current, now, grant_gone, &gone);
	if (!error)
		error = swept;
	if (error)
		say(dp, "some state of the config before could not be brought along: %s",
		    strerror(-error));
	if (ended)
		say(dp, "%u grants ended: Grant_Prefix6 is longer than before", ended);
	if (gone)
		say(dp, "%u grants ended: their doors are gone", gone);
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
	struct migration *m = NULL;
	struct clock_reading clock;
	unsigned int ended = 0;
	__u64 until;
	int result;

	*attaching = false;
	generation_init(&before);
	result = load_generation(&load, &new, &clock, failure);
	if (result)
		return result;
	until = trial_until(dp, config, &clock);
	result = dp->held ? migration_begin(&m, &dp->current, &new, clock.jiffies, &ended) :
			    about_begin(&new, &clock, config->compiled->settings.second);
	if (result) {
		failure_set(failure, result == -ENOSPC ?
			    "there are more live grants than the smaller Max_Grants has room for" :
			    "cannot bring the state along: %s", strerror(-result));
		goto out;
	}
	result = generation_surround(&new, devices, device);
	/* More than there is room for: those left out are refused rather than let in. */
	if (result == -E2BIG)
		result = 0;
	if (!result)
		result = trial_prepare(dp, config, &new);
	if (!result && until)
		result = deadline_set(&new, until);
	if (result) {
		failure_set(failure, "cannot prepare the tables: %s", strerror(-result));
		goto out;
	}
	result = doors_turn(dp, &new, until ? new.outer_trial : new.outer,
			    until ? new.inner_trial : new.inner, device, flavour, attaching,
			    failure);
	if (result)
		goto out;
	/* A knock at the config before may just have confirmed what was not yet in force. */
	deadline_set(&new, until);
	result = generation_succeed(dp, config, &new, flavour, &before);
	dp->device = device->index;
	if (!result) {
		about_finish(dp, config, device);
		state_finish(dp, m, ended);
	}
out:
	migration_end(m);
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

int datapath_put(struct datapath *dp, const struct datapath_config *config,
		 struct devices *devices, const struct device *device, struct failure *failure)
{
	enum xdp_flavour first, last;
	bool attaching = false;
	int result;

	if (!device_parsed(device)) {
		failure_set(failure, "%s is neither Ethernet nor a link of plain IP packets (its "
			    "ARP hardware type is %u)", device->name, device->type);
		return -EINVAL;
	}
	result = flavours_choose(dp, config, device, &first, &last, failure);
	if (result)
		return result;
	/* The numbers of doors that the trial left out are given away now. */
	if (dp->held && dp->trial)
		migration_sweep(&dp->current, jiffies_now(dp->about), NULL, NULL);
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
	if (dp->about)
		dp->about->device = 0;
}

int datapath_again(struct datapath *dp, struct devices *devices, const struct device *device,
		   struct failure *failure)
{
	struct settings settings;
	__u32 key = 0;
	bool attaching;
	int result;

	if (!dp->held || bpf_map_lookup_elem(dp->current.map[MAP_settings], &key, &settings) ||
	    settings.ethernet != (device->type == ARPHRD_ETHER))
		return -ENOENT;
	result = generation_surround(&dp->current, devices, device);
	if (!result && dp->has_former)
		result = generation_surround(&dp->former, devices, device);
	if (result)
		return result;
	result = doors_turn(dp, &dp->current, dp->trial ? dp->current.outer_trial :
			    dp->current.outer, dp->inner_runs, device, dp->flavour, &attaching,
			    failure);
	if (result)
		return attaching ? outer_failed(dp, device, result, failure) : result;
	dp->device = device->index;
	dp->about->device = device->index;
	dp->about->since = seconds_now();
	snprintf(dp->about->interface, sizeof(dp->about->interface), "%s", device->name);
	return 0;
}

/* ---- trial ---- */

static void former_forget(struct datapath *dp)
{
	__u32 key = 0;

	bpf_map_delete_elem(dp->current.map[MAP_former_outer], &key);
	bpf_map_delete_elem(dp->current.map[MAP_former_inner], &key);
	generation_drop(&dp->former);
	dp->has_former = false;
	dp->about->fallback = 0;
	dp->trial = false;
}

int datapath_confirm(struct datapath *dp, struct failure *failure)
{
	int error;

	if (!dp->trial)
		return 0;
	deadline_set(&dp->current, 0);
	error = links_run(dp, dp->current.outer, dp->current.inner, failure);
	if (error)
		return error;
	dp->outer_runs = dp->current.outer;
	dp->inner_runs = dp->current.inner;
	former_forget(dp);
	state_finish(dp, NULL, 0);
	return 0;
}

static void progress_clear(const struct generation *g)
{
	struct source key;

	while (!bpf_map_get_next_key(g->map[MAP_progress], NULL, &key))
		if (bpf_map_delete_elem(g->map[MAP_progress], &key))
			return;
}

int datapath_undo(struct datapath *dp, struct failure *failure)
{
	struct migration *m = NULL;
	struct generation before;
	unsigned int ended = 0;
	bool attaching;
	int error;

	if (!dp->has_former)
		return -ENOENT;
	/* Knocks counted by sequences that were never confirmed mean nothing to those before. */
	progress_clear(&dp->current);
	error = migration_begin(&m, &dp->current, &dp->former, jiffies_now(dp->about), &ended);
	if (error)
		say(dp, "the config before goes on with its own state; what changed since is lost: "
		    "%s", strerror(-error));
	if (dp->former.order < 0) {
		dp->former.order = dp->current.order;
		dp->current.order = -1;
	}
	error = doors_turn(dp, &dp->former, dp->former.outer, dp->former.inner, NULL, dp->flavour,
			   &attaching, failure);
	if (error) {
		migration_end(m);
		return error;
	}
	tables_unmap(dp);
	before = dp->current;
	dp->current = dp->former;
	generation_init(&dp->former);
	dp->has_former = dp->trial = false;
	error = tables_map(dp, &dp->current);
	if (!error) {
		dp->about->fallback = 0;
		dp->about->loaded = seconds_now();
		dp->shared->confirm_until = 0;
		state_finish(dp, m, ended);
	}
	migration_end(m);
	generation_close(&before);
	return error;
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
	return dp->about;
}
