// SPDX-License-Identifier: GPL-2.0-or-later
/* The command that tells what is guarded, and how. */
#include "ctl.h"

#include <inttypes.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "device.h"
#include "link.h"
#include "output.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Text of a shared table, which need not end. */
static void text_take(char *to, size_t size, const volatile char *from, size_t from_size)
{
	size_t i;

	for (i = 0; i + 1 < size && i < from_size && from[i]; i++)
		to[i] = from[i];
	to[i] = '\0';
}

/* The name of the interface at place @i, empty where there is none. */
static void interface_take(char name[IF_NAMESIZE], const struct guard *g, unsigned int i)
{
	const volatile struct about *about = view_about(g->view);

	text_take(name, IF_NAMESIZE, about->outer[i].interface, sizeof(about->outer[i].interface));
}

struct time_text {
	char text[32];
};

static struct time_text time_text(time_t time, const char *format)
{
	struct time_text t = { "?" };
	struct tm tm;

	if (localtime_r(&time, &tm))
		strftime(t.text, sizeof(t.text), format, &tm);
	return t;
}

/* Whether the guarded devices are of another network namespace, of which this one knows nothing. */
static bool devices_elsewhere(const struct guard *g, const struct devices *devices)
{
	char name[IF_NAMESIZE];

	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX; i++) {
		const struct device *device = devices_find_index(devices, g->device[i]);

		interface_take(name, g, i);
		if (g->device[i] && (!device || strcmp(device->name, name)))
			return true;
	}
	return false;
}

/* Other devices on which packets for a protected port may come in, as a list. */
static char *others_text(const struct guard *g)
{
	struct devices devices;
	char *text = NULL;
	size_t size;
	FILE *out;

	if (!guard_stands(g) || devices_read(&devices))
		return NULL;
	if (devices_elsewhere(g, &devices)) {
		devices_free(&devices);
		return NULL;
	}
	devices_stack(&devices, g->device, KNOCKD_INTERFACES_MAX);
	out = open_memstream(&text, &size);
	for (size_t i = 0; out && i < devices.count; i++)
		if (device_delivers(&devices.at[i]))
			fprintf(out, "%s%s", ftell(out) ? ", " : "", devices.at[i].name);
	devices_free(&devices);
	if (out && fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

/* How interface @i is guarded, in words. */
static const char *mode_text(const struct guard *g, unsigned int i)
{
	return g->device[i] ? flavour_name(view_about(g->view)->outer[i].flavour) : "missing";
}

/* The same in one word. */
static const char *mode_word(const struct guard *g, unsigned int i)
{
	static const char *const words[] = {
		[XDP_FRAGS] = "frags", [XDP_NATIVE] = "native", [XDP_GENERIC] = "generic",
	};
	__u32 flavour = view_about(g->view)->outer[i].flavour;

	return !g->device[i] ? "missing" : flavour < COUNT(words) ? words[flavour] : "?";
}

/* The interfaces, and how each is guarded, put together. */
struct interfaces_text {
	char names[KNOCKD_INTERFACES_MAX * (IF_NAMESIZE + 2)];
	char words[KNOCKD_INTERFACES_MAX * 10];
	char modes[KNOCKD_INTERFACES_MAX * 48];
};

__attribute__((format(printf, 3, 4)))
static void text_append(char *text, size_t size, const char *format, ...)
{
	size_t used = strlen(text);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text + used, size - used, format, arguments);
	va_end(arguments);
}

static struct interfaces_text interfaces_text(const struct guard *g)
{
	const volatile struct about *about = view_about(g->view);
	bool several = about->outer[1].interface[0];
	struct interfaces_text t = {};
	char name[IF_NAMESIZE];

	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX; i++) {
		interface_take(name, g, i);
		if (!name[0])
			continue;
		text_append(t.names, sizeof(t.names), "%s%s", t.names[0] ? ", " : "", name);
		text_append(t.words, sizeof(t.words), "%s%s", t.words[0] ? ", " : "",
			    mode_word(g, i));
		text_append(t.modes, sizeof(t.modes), "%s%s%s%s", t.modes[0] ? "; " : "",
			    several ? name : "", several ? ": " : "", mode_text(g, i));
	}
	return t;
}

/* An interface that is there and has no outer door; false where there is none. */
static bool interface_open(const struct guard *g, char name[IF_NAMESIZE])
{
	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX; i++) {
		interface_take(name, g, i);
		if (name[0] && !g->device[i] && if_nametoindex(name))
			return true;
	}
	return false;
}

/* What waits for confirmation, and whether what is in force still guards. */
static bool confirm_text(const struct guard *g, char *text, size_t size, __u64 *left)
{
	__u64 until = view_trial(g->view)->until;
	bool fallback = view_about(g->view)->fallback;

	text[0] = '\0';
	if (g->former)
		snprintf(text, size, "too late: the config before is in force");
	*left = until ? guard_seconds(g, until) : 0;
	if (*left)
		snprintf(text, size, "within %" PRIu64 " s, or %s", (uint64_t)*left,
			 fallback ? "the config before is in force again" : "everything opens");
	else if (until)
		snprintf(text, size, "too late: %s", fallback ?
			 "the config before is in force" : "everything is open");
	return !until || *left || fallback;
}

enum status_column {
	STATUS_NAME, STATUS_GUARDING, STATUS_WHY, STATUS_INTERFACE, STATUS_INTERFACES, STATUS_MODE,
	STATUS_MODES, STATUS_INNER, STATUS_SINCE, STATUS_CONFIG, STATUS_LOADED, STATUS_DAEMON,
	STATUS_CONFIRM, STATUS_FALLBACK, STATUS_DOORS, STATUS_GRANTS, STATUS_OTHERS, STATUS_VERSION,
	STATUS_COLUMNS
};

static const struct column status_columns[] = {
	[STATUS_NAME] = { "Name", "name", false },
	[STATUS_GUARDING] = { "Guarding", "guarding", false },
	[STATUS_WHY] = { NULL, "why_not", false },
	[STATUS_INTERFACE] = { "Interface", NULL, false },
	[STATUS_INTERFACES] = { NULL, "interfaces", false },
	[STATUS_MODE] = { "XDP mode", NULL, false },
	[STATUS_MODES] = { NULL, "modes", false },
	[STATUS_INNER] = { "Inner door", "inner_door", false },
	[STATUS_SINCE] = { "Since", "since", false },
	[STATUS_CONFIG] = { "Config", "config", false },
	[STATUS_LOADED] = { "Loaded", "loaded", false },
	[STATUS_DAEMON] = { "Daemon", "daemon", false },
	[STATUS_CONFIRM] = { "To be confirmed", "confirm_seconds", false },
	[STATUS_FALLBACK] = { NULL, "fallback", false },
	[STATUS_DOORS] = { "Doors", "doors", false },
	[STATUS_GRANTS] = { "Live grants", "grants", false },
	[STATUS_OTHERS] = { "Other ways in", "others", false },
	[STATUS_VERSION] = { "Version", "version", false },
};

static __u32 doors_used(const struct view *view)
{
	__u32 used = 0;

	for (__u32 i = 0; i < view_door_count(view); i++)
		used += view_door(view, i) != NULL;
	return used;
}

/* A row for a guard that cannot be read. */
static bool status_missing(struct table *table, const char *name, int error)
{
	struct cell cell[STATUS_COLUMNS];
	char why[256];

	for (int i = 0; i < STATUS_COLUMNS; i++)
		cell[i] = cell_nothing(NULL);
	snprintf(why, sizeof(why), "no: %s", guard_why(error));
	cell[STATUS_NAME] = cell_text(name);
	cell[STATUS_GUARDING] = cell_truth(false, why);
	cell[STATUS_WHY] = cell_text(guard_why(error));
	return row_add(table, cell);
}

/* What a row of status says, where it has to be put together. */
struct status_text {
	struct interfaces_text interfaces;
	char version[16], config[ABOUT_PATH_MAX];
	char confirm[96], daemon[32], guarding[128], open[64];
	const char *why_not; /* NULL: it guards */
	struct time_text since, loaded;
	__u64 confirm_left;
	char *others;        /* to be freed */
};

static bool outer_kept(const struct guard *g)
{
	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX; i++)
		if (g->outer[i] >= 0)
			return true;
	return false;
}

static void status_say(struct status_text *t, const struct guard *g)
{
	const volatile struct about *about = view_about(g->view);
	char name[IF_NAMESIZE];

	t->interfaces = interfaces_text(g);
	text_take(t->version, sizeof(t->version), about->version, sizeof(about->version));
	text_take(t->config, sizeof(t->config), about->config, sizeof(about->config));
	t->since = time_text(about->since, "%F %T");
	t->loaded = time_text(about->loaded, "%F %T");
	t->others = others_text(g);
	t->why_not = NULL;
	if (!confirm_text(g, t->confirm, sizeof(t->confirm), &t->confirm_left))
		t->why_not = "the config was not confirmed in time";
	if (interface_open(g, name)) {
		snprintf(t->open, sizeof(t->open), "%s is there, without an outer door", name);
		t->why_not = t->open;
	}
	if (!guard_stands(g))
		t->why_not = outer_kept(g) ? "the interface is gone, or the outer door was "
			     "detached" : "the outer door's link is missing";
	snprintf(t->guarding, sizeof(t->guarding), "%s%s", t->why_not ? "no: " : "yes",
		 t->why_not ? t->why_not : "");
	snprintf(t->daemon, sizeof(t->daemon), "runs, process %d", guard_daemon(g));
}

/* One row. @guarding: cleared when it does not guard. */
static bool status_row(struct table *table, const struct guard *g, bool *guarding)
{
	const volatile struct about *about = view_about(g->view);
	struct cell cell[STATUS_COLUMNS];
	struct grant_rows grants;
	struct status_text t;
	int pid = guard_daemon(g);
	bool done;

	if (!grants_read(&grants, g->view))
		return false;
	status_say(&t, g);
	cell[STATUS_NAME] = cell_text(g->name);
	cell[STATUS_GUARDING] = cell_truth(!t.why_not, t.guarding);
	cell[STATUS_WHY] = t.why_not ? cell_text(t.why_not) : cell_nothing(NULL);
	cell[STATUS_INTERFACE] = cell_text(t.interfaces.names);
	cell[STATUS_INTERFACES] = cell_list(t.interfaces.names);
	cell[STATUS_MODE] = cell_text(t.interfaces.modes);
	cell[STATUS_MODES] = cell_list(t.interfaces.words);
	cell[STATUS_INNER] = cell_truth(g->inner_stands, g->inner_stands ? "stands" : "none");
	cell[STATUS_SINCE] = (struct cell){ CELL_NUMBER, about->since, t.since.text };
	cell[STATUS_CONFIG] = cell_text(t.config);
	cell[STATUS_LOADED] = (struct cell){ CELL_NUMBER, about->loaded, t.loaded.text };
	cell[STATUS_DAEMON] = pid ? (struct cell){ CELL_NUMBER, pid, t.daemon } :
			      cell_nothing("does not run");
	cell[STATUS_CONFIRM] = t.confirm[0] ? (struct cell){ CELL_NUMBER, t.confirm_left,
							     t.confirm } : cell_nothing(NULL);
	cell[STATUS_FALLBACK] = t.confirm[0] ? cell_truth(about->fallback, NULL) :
				cell_nothing(NULL);
	cell[STATUS_DOORS] = cell_number(doors_used(g->view));
	cell[STATUS_GRANTS] = cell_number(grants.count);
	cell[STATUS_OTHERS] = t.others ? cell_list(t.others) : cell_nothing(NULL);
	cell[STATUS_VERSION] = cell_text(t.version);
	done = row_add(table, cell);
	*guarding &= !t.why_not;
	free(t.others);
	free(grants.at);
	return done;
}

int show_status(const struct options *options, const struct names *names, char *argument[])
{
	struct column column[STATUS_COLUMNS];
	bool done = true, guarding = true;
	struct table table;

	(void)argument;
	rows_begin(&table, options, true, names, column, status_columns, STATUS_COLUMNS);
	for (size_t i = 0; done && i < names->count; i++) {
		struct guard g;
		int error = guard_open(&g, options->pin_dir, names->at[i]);

		if (error)
			guarding = false;
		done = error ? status_missing(&table, names->at[i], error) :
			       status_row(&table, &g, &guarding);
		guard_close(&g);
	}
	return rows_end(&table, done && guarding ? STATUS_OK : STATUS_FAILURE);
}
