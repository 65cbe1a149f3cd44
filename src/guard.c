// SPDX-License-Identifier: GPL-2.0-or-later
#include "guard_parts.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config.h"
#include "counters.h"
#include "heritage.h"
#include "link.h"

enum { NAMED_MAX = 64, LOCK_PATIENCE_S = 5, WARNING_MS = 60000 };

void guard_say(struct guarding *g, const char *format, ...)
{
	char line[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	g->say(g->data, line);
}

void messages_say(struct guarding *g, const struct messages *messages)
{
	char *text = NULL, *rest, *line;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return;
	messages_print(messages, out);
	if (!fclose(out))
		for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
			g->say(g->data, line);
	free(text);
}

void conf_drop(struct conf **conf)
{
	if (*conf) {
		conf_free(*conf);
		free(*conf);
	}
	*conf = NULL;
}

/* ---- which interfaces ---- */

const char *guard_name(const struct guarding *g)
{
	return g->options->name ? g->options->name : g->wanted->name[0];
}

int devices_again(struct guarding *g)
{
	struct devices devices = {};
	int error = devices_read(&devices);

	if (error)
		return error;
	devices_free(&g->devices);
	g->devices = devices;
	return 0;
}

static bool guarded_has(const struct guarded *guarded, const struct device *device)
{
	for (unsigned int i = 0; i < guarded->count; i++)
		if (guarded->at[i] == device)
			return true;
	return false;
}

/* The device to guard at a place where none is guarded, if it is there. */
static const struct device *device_at(const struct guarding *g, unsigned int i)
{
	const struct device *device = devices_find(&g->devices, g->wanted->name[i]);
	struct guarded guarded;

	/* One that was renamed stays guarded at its own place. */
	datapath_guarded(g->dp, &g->devices, &guarded);
	return device && !guarded_has(&guarded, device) ? device : NULL;
}

void guarded_wanted(const struct guarding *g, struct guarded *out)
{
	struct guarded guarded;

	datapath_guarded(g->dp, &g->devices, &guarded);
	*out = guarded;
	for (unsigned int i = 0; i < out->count; i++) {
		const struct device *device = out->at[i] ? NULL : device_at(g, i);

		if (device && !device->master)
			out->at[i] = device;
	}
}

/* Names separated by ", " in @text: of the places that are guarded, or of the others. */
static void names_list(const struct guarding *g, bool guarded, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < g->wanted->count && used < size; i++)
		if (!datapath_device(g->dp, i) == !guarded)
			used += snprintf(text + used, size - used, "%s%s", used ? ", " : "",
					 guarded ? g->seen[i] : g->wanted->name[i]);
}

void wanted_list(const struct guarding *g, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < g->wanted->count && used < size; i++)
		used += snprintf(text + used, size - used, "%s%s", used ? ", " : "",
				 g->wanted->name[i]);
}

bool guard_status(const struct guarding *g, char *text, size_t size)
{
	char guarded[320], missing[320];

	names_list(g, true, guarded, sizeof(guarded));
	names_list(g, false, missing, sizeof(missing));
	snprintf(text, size, "%s%s%s%s%s", guarded[0] ? "guarding " : "", guarded,
		 guarded[0] && missing[0] ? "; " : "",
		 missing[0] ? "waiting for interface " : "", missing);
	return guarded[0];
}

/* ---- what else delivers ---- */

/* Forget devices that are gone: their place is for others. */
static void named_prune(struct guarding *g)
{
	int kept = 0;

	for (int i = 0; i < NAMED_MAX; i++)
		if (g->named[i] && devices_find_index(&g->devices, g->named[i]))
			g->named[kept++] = g->named[i];
	memset(g->named + kept, 0, (NAMED_MAX - kept) * sizeof(*g->named));
}

static bool named_before(struct guarding *g, unsigned int index)
{
	for (int i = 0; i < NAMED_MAX; i++) {
		if (g->named[i] == index)
			return true;
		if (!g->named[i]) {
			g->named[i] = index;
			return false;
		}
	}
	return true;
}

static void others_name(struct guarding *g)
{
	unsigned int index[KNOCKD_INTERFACES_MAX];

	if (!datapath_guards(g->dp))
		return;
	named_prune(g);
	for (unsigned int i = 0; i < g->wanted->count; i++)
		index[i] = datapath_device(g->dp, i);
	devices_stack(&g->devices, index, g->wanted->count);
	for (size_t i = 0; i < g->devices.count; i++) {
		const struct device *device = &g->devices.at[i];

		if (device_delivers(device) && !named_before(g, device->index))
			guard_say(g, "%s (%s) is up and not guarded by this knockd: whoever can "
				  "send through it reaches protected ports", device->name,
				  device->kind[0] ? device->kind : "hardware");
	}
}

/* ---- the config in force ---- */

static enum conf_xdp_mode mode_of(const struct guarding *g, const struct conf *conf)
{
	return g->options->mode < 0 ? conf->xdp_mode : (enum conf_xdp_mode)g->options->mode;
}

int config_prepare(struct guarding *g, const struct conf *conf, struct compiled *compiled,
			  struct messages *messages)
{
	struct heritage heritage;
	int error = datapath_heritage(g->dp, &heritage);

	if (error) {
		message_add(messages, MESSAGE_ERROR, 0, "the tables in force cannot be read: %s",
			    strerror(-error));
		return error;
	}
	error = config_compile(conf, heritage.settings ? &heritage : NULL, compiled, messages);
	heritage_free(&heritage);
	return error;
}

int config_put(struct guarding *g, const struct conf *conf, const struct compiled *compiled,
		      const struct guarded *guarded, unsigned int trial_s, bool starting,
		      struct failure *failure)
{
	const struct datapath_config config = {
		.compiled = compiled,
		.path = g->options->config,
		.mode = mode_of(g, conf),
		.trial_s = trial_s,
		.starting = starting,
	};
	int error = datapath_put(g->dp, &config, &g->devices, guarded, failure);

	if (!error)
		g->refused = false;
	return error;
}

void trial_say(struct guarding *g)
{
	unsigned int left = datapath_trial_s(g->dp);

	if (left)
		guard_say(g, "on trial: unless 'knockctl confirm' is run or a knock opens a door "
			  "within %u seconds, %s", left, datapath_about(g->dp)->fallback ?
			  "the config before comes back" : "everything is open again");
}

/* What is guarded now, and how; @only: at this place, −1: at each. */
static void guarding_say(struct guarding *g, int only)
{
	struct guarded guarded;

	datapath_guarded(g->dp, &g->devices, &guarded);
	for (unsigned int i = 0; i < guarded.count; i++) {
		const char *why = datapath_why(g->dp, i);

		if (!guarded.at[i] || (only >= 0 && i != (unsigned int)only))
			continue;
		snprintf(g->seen[i], sizeof(g->seen[i]), "%s", guarded.at[i]->name);
		guard_say(g, "%s: XDP mode %s%s%s", g->seen[i],
			  flavour_name(datapath_flavour(g->dp, i)), why[0] ? "; " : "", why);
	}
	if (!datapath_inner(g->dp))
		guard_say(g, "the outer door stands alone: the kernel does not say on which device "
			  "a connection arrives (that needs Linux 5.17)");
	others_name(g);
	g->news(g->data, GUARD_VIEW);
	g->news(g->data, GUARD_STATUS);
}

static void starting_say(struct guarding *g)
{
	char names[320], detail[360];

	guarding_say(g, -1);
	names_list(g, true, names, sizeof(names));
	guard_say(g, "starting up, listening on %s", names);
	snprintf(detail, sizeof(detail), "listening on %s...", names);
	g->detail(g->data, detail);
}

/* Compile conf and put it in force; what is wrong is said, or left in @failure. */
static int config_load(struct guarding *g, const struct guarded *guarded, unsigned int trial_s,
		       struct failure *failure)
{
	struct compiled compiled = {};
	struct messages messages;
	int error;

	messages_init(&messages, g->conf->file);
	error = config_prepare(g, g->conf, &compiled, &messages);
	if (error) {
		messages_say(g, &messages);
		failure_set(failure, "the config cannot be put in force");
	} else {
		error = config_put(g, g->conf, &compiled, guarded, trial_s, true, failure);
	}
	compiled_free(&compiled);
	messages_free(&messages);
	malloc_trim(0);
	return error;
}

/* Load the config and guard @guarded by it. */
static int config_begin(struct guarding *g, const struct guarded *guarded, struct failure *failure)
{
	int error = config_load(g, guarded, g->trial ? g->options->confirm_s : 0, failure);

	if (error)
		return error;
	trial_say(g);
	g->trial = g->stale = false;
	starting_say(g);
	return 0;
}

int guard_renew(struct guarding *g)
{
	struct failure failure = {};
	struct guarded guarded;
	int error;

	/* What is in force was made of another file than the one there is; or is about to go. */
	if (g->refused || datapath_trial_lost(g->dp))
		return 0;
	datapath_guarded(g->dp, &g->devices, &guarded);
	if (!guarded_any(&guarded)) {
		g->stale = true;
		return 0;
	}
	error = config_load(g, &guarded, 0, &failure);
	if (error)
		guard_say(g, "what has changed is not in force: %s", failure.text);
	else
		g->news(g->data, GUARD_VIEW);
	return error;
}

/* ---- interfaces come and go ---- */

static bool device_refused(struct guarding *g, const struct device *device)
{
	const struct device *master = devices_find_index(&g->devices, device->master);

	if (!device->master)
		return false;
	guard_say(g, "%s belongs to '%s', where connections live; it is not guarded", device->name,
		  master ? master->name : "?");
	return true;
}

static void joined_say(struct guarding *g, unsigned int i, const struct device *device, bool alone)
{
	bool known = alone || g->seen[i][0];

	guarding_say(g, i);
	guard_say(g, known ? "%s is back, and guarded again" : "%s has come, and is guarded too",
		  device->name);
}

/* The interface has come, or come back. */
static void device_came(struct guarding *g, unsigned int i, const struct device *device)
{
	bool alone = !datapath_guards(g->dp);
	struct failure failure = {};
	struct guarded guarded;
	int error = -ENOENT;

	/* What is undone first looks again. */
	if (device_refused(g, device) || datapath_trial_lost(g->dp))
		return;
	datapath_guarded(g->dp, &g->devices, &guarded);
	guarded.at[i] = device;
	if (!g->stale)
		error = datapath_again(g->dp, &g->devices, &guarded, mode_of(g, g->conf), &failure);
	if (!error) {
		joined_say(g, i, device, alone);
		return;
	}
	/* Loading all anew is for what was not loaded for such a device, and for another mode where
	 * there is nothing to lose. */
	if (alone || (error == -ENOENT && !g->refused)) {
		error = config_begin(g, &guarded, &failure);
		if (!error)
			return;
	} else if (error == -ENOENT) {
		failure_set(&failure, "not guarded: the config in force was not loaded for such an "
			    "interface");
	}
	guard_say(g, "%s: %s", device->name, failure.text);
	/* Better by the config before than by none. */
	if (g->stale && !datapath_again(g->dp, &g->devices, &guarded, mode_of(g, g->conf),
					&failure)) {
		guarding_say(g, i);
		guard_say(g, "%s is guarded by the config before", device->name);
	}
}

static void device_went(struct guarding *g, unsigned int i)
{
	datapath_lost(g->dp, i);
	guard_say(g, "%s: the interface is gone; waiting for it to come back, with all state kept",
		  g->seen[i]);
	g->news(g->data, GUARD_STATUS);
}

static void device_mend(struct guarding *g, unsigned int i, unsigned int index)
{
	const struct device *device = devices_find_index(&g->devices, index);

	guard_say(g, "somebody else has detached a door of %s; attaching it again", g->seen[i]);
	if (device)
		device_came(g, i, device);
}

/* Attach what somebody else has detached. @index: of the guarded devices by place, 0: none. */
static void doors_mend(struct guarding *g, const unsigned int *index)
{
	bool outer = false;

	if (datapath_check(g->dp))
		return;
	for (unsigned int i = 0; i < g->wanted->count; i++) {
		if (!index[i] || datapath_device(g->dp, i))
			continue;
		outer = true;
		device_mend(g, i, index[i]);
	}
	/* Else it was the inner one, which comes with any of them. */
	for (unsigned int i = 0; i < g->wanted->count && !outer; i++) {
		if (!index[i])
			continue;
		outer = true;
		device_mend(g, i, index[i]);
	}
}

static void name_follow(struct guarding *g, unsigned int i)
{
	const struct device *device = devices_find_index(&g->devices, datapath_device(g->dp, i));

	if (!device || !strcmp(device->name, g->seen[i]))
		return;
	guard_say(g, "%s is now called %s; it stays guarded", g->seen[i], device->name);
	snprintf(g->seen[i], sizeof(g->seen[i]), "%s", device->name);
	g->news(g->data, GUARD_STATUS);
}

static void surroundings_follow(struct guarding *g)
{
	int error = datapath_guards(g->dp) ? datapath_surroundings(g->dp, &g->devices) : 0;

	if (error)
		guard_say(g, "cannot tell the programs of a change of network devices: %s",
			  strerror(-error));
	error = config_targets(g->conf);
	if (error > 0)
		guard_renew(g);
	else if (error)
		guard_say(g, "cannot look which targets are addresses of this host: %s",
			  strerror(-error));
	others_name(g);
}

void guard_look(struct guarding *g)
{
	unsigned int index[KNOCKD_INTERFACES_MAX] = {};
	int error = devices_again(g);

	if (error) {
		guard_say(g, "cannot follow a change of network devices: %s", strerror(-error));
		return;
	}
	for (unsigned int i = 0; i < g->wanted->count; i++) {
		index[i] = datapath_device(g->dp, i);
		if (!index[i] || devices_find_index(&g->devices, index[i]))
			continue;
		device_went(g, i);
		index[i] = 0;
	}
	doors_mend(g, index);
	for (unsigned int i = 0; i < g->wanted->count; i++) {
		const struct device *device = index[i] ? NULL : device_at(g, i);

		if (device)
			device_came(g, i, device);
		else
			name_follow(g, i);
	}
	surroundings_follow(g);
}

/* ---- start ---- */

static void missing_say(struct guarding *g, const char *format)
{
	for (unsigned int i = 0; i < g->wanted->count; i++)
		if (!datapath_device(g->dp, i) && !device_at(g, i))
			guard_say(g, format, g->wanted->name[i]);
}

/* Guard those that are there, by what is in force where that is to stay. */
static int guard_begin(struct guarding *g, struct failure *failure)
{
	struct guarded guarded;
	int error;

	guarded_wanted(g, &guarded);
	missing_say(g, "there is no interface '%s' yet; waiting for it");
	if (!guarded_any(&guarded)) {
		g->news(g->data, GUARD_STATUS);
		return 0;
	}
	error = g->stale ? -ENOENT : datapath_again(g->dp, &g->devices, &guarded,
						    mode_of(g, g->conf), failure);
	if (error)
		return config_begin(g, &guarded, failure);
	starting_say(g);
	return 0;
}

int guard_open(struct guarding *g, struct messages *messages, struct failure *failure)
{
	const struct datapath_place place = {
		.pin_dir = g->options->pin_dir,
		.name = guard_name(g),
		.wanted = g->wanted,
		.patience_s = LOCK_PATIENCE_S,
		.say = g->say,
		.data = g->data,
	};
	struct pins_devices devices = { .count = g->wanted->count };
	int error = devices_again(g);

	if (error) {
		failure_set(failure, "cannot list network devices: %s", strerror(-error));
		return error;
	}
	for (unsigned int i = 0; i < devices.count; i++) {
		const struct device *device = devices_find(&g->devices, g->wanted->name[i]);

		devices.index[i] = device ? device->index : 0;
	}
	error = datapath_open(&g->dp, &place, &devices, failure);
	if (error)
		return error;
	g->news(g->data, GUARD_LOG);
	if (datapath_about(g->dp))
		guard_say(g, "going on from what an earlier knockd left in force");
	/* Before anything closes. */
	messages_say(g, messages);
	messages_free(messages);
	g->trial = g->options->confirm_s;
	if (!g->trial && datapath_doubtful(g->dp, g->options->config)) {
		failure_set(failure, "'%s' was never confirmed, and an earlier knockd with another "
			    "layout tried it; its rules stand: change the file, or start with "
			    "--confirm SECONDS", g->options->config);
		return -EPERM;
	}
	g->refused = datapath_refused(g->dp, g->options->config);
	g->stale = !g->refused;
	if (g->refused)
		guard_say(g, "'%s' was not confirmed in time and has not changed since: the config "
			  "before it stays in force; 'knockctl reload' reads it again",
			  g->options->config);
	return guard_begin(g, failure);
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static bool guard_misses(const struct guarding *g)
{
	for (unsigned int i = 0; i < g->wanted->count; i++)
		if (!datapath_device(g->dp, i))
			return true;
	return false;
}

int guard_wait_ms(struct guarding *g)
{
	long long now = now_ms();

	if (!guard_misses(g)) {
		g->warn_at = 0;
		return -1;
	}
	if (!g->warn_at)
		g->warn_at = now + WARNING_MS;
	return g->warn_at > now ? g->warn_at - now : 0;
}

void guard_serve(struct guarding *g)
{
	if (!g->warn_at || !guard_misses(g) || now_ms() < g->warn_at)
		return;
	missing_say(g, "still no interface '%s'");
	g->warn_at = 0;
}

/* ---- end ---- */

static void counters_say(void *data, const char *line)
{
	guard_say(data, "counter: %s", line);
}

void guard_stop(struct guarding *g, bool detach)
{
	const struct generation *in_force = datapath_generation(g->dp);

	if (in_force->map[MAP_counters] >= 0)
		counters_list(in_force, counters_say, g);
	if (detach)
		datapath_stop(g->dp);
	else
		datapath_leave(g->dp);
	g->dp = NULL;
}

void guard_close(struct guarding *g)
{
	datapath_leave(g->dp);
	g->dp = NULL;
	devices_free(&g->devices);
	conf_drop(&g->conf);
	conf_drop(&g->former_conf);
}
