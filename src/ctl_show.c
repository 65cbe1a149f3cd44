// SPDX-License-Identifier: GPL-2.0-or-later
/* The commands that print tables. */
#include "ctl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../bpf/grant.h"
#include "device.h"
#include "event_text.h"
#include "output.h"
#include "reason.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* ---- what a door opens ---- */

/* Copies of the tables that say which door opens which port. */
struct openings {
	struct port *port;
	struct door *door;
	__u64 *opens;
	__u32 door_count, area_words;
	__u32 *guarded; /* the protected ones, by their place in port */
	__u32 guarded_count;
};

static void openings_free(struct openings *o)
{
	free(o->port);
	free(o->door);
	free(o->opens);
	free(o->guarded);
}

/* To be released in any case. */
static bool openings_read(struct openings *o, const struct guard *g)
{
	const struct settings *s = view_settings(g->view);

	o->door_count = s->door_count;
	o->area_words = s->area_words;
	o->port = generation_table(&g->generation, MAP_ports, PORT_COUNT * sizeof(*o->port));
	o->door = generation_table(&g->generation, MAP_doors,
			      (__u64)s->door_count * sizeof(*o->door));
	o->opens = generation_table(&g->generation, MAP_opens,
			       (__u64)s->door_count * s->area_words * sizeof(*o->opens));
	o->guarded = calloc(PORT_ICMP_FIRST, sizeof(*o->guarded));
	if (!o->port || !o->door || !o->opens || !o->guarded) {
		complain("%s: its tables cannot be read", g->name);
		return false;
	}
	for (__u32 i = 0; i < PORT_ICMP_FIRST; i++)
		if (o->port[i].guard)
			o->guarded[o->guarded_count++] = i;
	return true;
}

static bool port_opened(const struct openings *o, __u32 door, __u32 index)
{
	return door_opens(o->opens, door, o->door_count, o->port[index].area, o->area_words);
}

/* A port by its place in the table of ports. */
static const char *port_proto(__u32 index)
{
	return proto_name(index < 65536 ? PROTO_TCP : PROTO_UDP);
}

/* Such as "22/tcp, 60000-61000/udp"; the caller frees it. NULL: no memory. */
static char *ports_text(const struct openings *o, __u32 door)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (__u32 i = 0; out && i < o->guarded_count; i++) {
		__u32 first = o->guarded[i], last = first;

		if (!port_opened(o, door, first))
			continue;
		/* The first of UDP does not continue the last of TCP. */
		while (i + 1 < o->guarded_count && o->guarded[i + 1] == last + 1 &&
		       (last + 1) % 65536 && port_opened(o, door, last + 1)) {
			last++;
			i++;
		}
		fprintf(out, "%s%u", ftell(out) ? ", " : "", first % 65536);
		if (last > first)
			fprintf(out, "-%u", last % 65536);
		fprintf(out, "/%s", port_proto(first));
	}
	if (out && fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

/* ---- commands that print ---- */

static enum output_form form_choose(const struct options *options)
{
	return options->json ? OUTPUT_JSON : isatty(STDOUT_FILENO) ? OUTPUT_ALIGNED : OUTPUT_TABS;
}

/* A copy of @column; which guard a row is about is told only where there are several. */
static void table_open(struct table *table, const struct options *options, bool records,
		       const struct names *names, struct column *copy,
		       const struct column *column, size_t columns)
{
	memcpy(copy, column, columns * sizeof(*column));
	if (names->count == 1 && !records)
		copy[0].title = NULL;
	table_begin(table, stdout, form_choose(options), records, copy, columns);
}

static bool row_out(struct table *table, const struct cell *cell)
{
	if (!table_row(table, cell))
		return true;
	complain("no memory");
	return false;
}

static int table_close(struct table *table, int status)
{
	int error = table_end(table);

	if (!error)
		return status;
	complain("cannot write: %s", strerror(-error));
	return STATUS_FAILURE;
}

/* Text of a shared table, which need not end. */
static void text_take(char *to, size_t size, const volatile char *from, size_t from_size)
{
	size_t i;

	for (i = 0; i + 1 < size && i < from_size && from[i]; i++)
		to[i] = from[i];
	to[i] = '\0';
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

/* Other devices on which packets for a protected port may come in, as a list. */
static char *others_text(const struct guard *g, const char *interface)
{
	const struct device *guarded;
	struct devices devices;
	char *text = NULL;
	size_t size;
	FILE *out;

	if (!g->device || devices_read(&devices))
		return NULL;
	guarded = devices_find_index(&devices, g->device);
	/* In another network namespace, where this one says nothing about it. */
	if (!guarded || strcmp(guarded->name, interface)) {
		devices_free(&devices);
		return NULL;
	}
	devices_stack(&devices, g->device);
	out = open_memstream(&text, &size);
	for (size_t i = 0; out && i < devices.count; i++)
		if (device_delivers(&devices.at[i], g->device))
			fprintf(out, "%s%s", ftell(out) ? ", " : "", devices.at[i].name);
	devices_free(&devices);
	if (out && fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

static const char *const flavour_names[] = {
	[XDP_FRAGS] = "native, with fragments",
	[XDP_NATIVE] = "native",
	[XDP_GENERIC] = "generic",
};

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
	STATUS_NAME, STATUS_GUARDING, STATUS_WHY, STATUS_INTERFACE, STATUS_MODE, STATUS_INNER,
	STATUS_SINCE, STATUS_CONFIG, STATUS_LOADED, STATUS_DAEMON, STATUS_CONFIRM,
	STATUS_FALLBACK, STATUS_DOORS, STATUS_GRANTS, STATUS_OTHERS, STATUS_VERSION,
	STATUS_COLUMNS
};

static const struct column status_columns[] = {
	[STATUS_NAME] = { "Name", "name", false },
	[STATUS_GUARDING] = { "Guarding", "guarding", false },
	[STATUS_WHY] = { NULL, "why_not", false },
	[STATUS_INTERFACE] = { "Interface", "interface", false },
	[STATUS_MODE] = { "XDP mode", "mode", false },
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
	return row_out(table, cell);
}

/* What a row of status says, where it has to be put together. */
struct status_text {
	char interface[IF_NAMESIZE], version[16], config[ABOUT_PATH_MAX];
	char confirm[96], daemon[32], guarding[128];
	const char *why_not; /* NULL: it guards */
	struct time_text since, loaded;
	__u64 confirm_left;
	char *others;        /* to be freed */
};

static void status_say(struct status_text *t, const struct guard *g)
{
	const volatile struct about *about = view_about(g->view);

	text_take(t->interface, sizeof(t->interface), about->interface, sizeof(about->interface));
	text_take(t->version, sizeof(t->version), about->version, sizeof(about->version));
	text_take(t->config, sizeof(t->config), about->config, sizeof(about->config));
	t->since = time_text(about->since, "%F %T");
	t->loaded = time_text(about->loaded, "%F %T");
	t->others = others_text(g, t->interface);
	t->why_not = NULL;
	if (!confirm_text(g, t->confirm, sizeof(t->confirm), &t->confirm_left))
		t->why_not = "the config was not confirmed in time";
	if (!g->device)
		t->why_not = g->outer < 0 ? "the outer door's link is missing" :
			     "the interface is gone, or the outer door was detached";
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
	cell[STATUS_INTERFACE] = cell_text(t.interface);
	cell[STATUS_MODE] = cell_text(about->flavour < COUNT(flavour_names) ?
				      flavour_names[about->flavour] : "?");
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
	done = row_out(table, cell);
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
	table_open(&table, options, true, names, column, status_columns, STATUS_COLUMNS);
	for (size_t i = 0; done && i < names->count; i++) {
		struct guard g;
		int error = guard_open(&g, options->pin_dir, names->at[i]);

		if (error)
			guarding = false;
		done = error ? status_missing(&table, names->at[i], error) :
			       status_row(&table, &g, &guarding);
		guard_close(&g);
	}
	return table_close(&table, done && guarding ? STATUS_OK : STATUS_FAILURE);
}

static const struct column doors_columns[] = {
	{ "NAME", "name", false },
	{ "DOOR", "door", false },
	{ "OPENS", "opens", false },
	{ "OPEN TIME", "open_time", true },
	{ "OPENINGS", "openings", true },
	{ "GRANTS", "grants", true },
};

static bool door_row(struct table *table, const struct guard *g, const struct openings *openings,
		     const struct labels *labels, const __u32 *live, __u32 door)
{
	const struct door *d = &openings->door[door];
	__u64 second = view_settings(g->view)->second;
	char *opens = ports_text(openings, door);
	const struct cell cell[] = {
		cell_text(g->name),
		cell_text(label_of(labels, door)),
		cell_list(opens ? opens : ""),
		d->open_time && second ? cell_number(d->open_time / second) :
					 cell_nothing("until closed"),
		cell_number(generation_counter(&g->generation, MAP_door_counters, door)),
		cell_number(live[door]),
	};
	bool done = opens && row_out(table, cell);

	free(opens);
	return done;
}

/* How many live grants each of @count doors has; the caller frees it. NULL: that was said. */
static __u32 *grants_count(const struct view *view, __u32 count)
{
	__u32 *live = calloc(count + 1, sizeof(*live));
	struct grant_rows grants;

	if (!live || !grants_read(&grants, view)) {
		free(live);
		return NULL;
	}
	for (size_t i = 0; i < grants.count; i++)
		if (grants.at[i].door < count)
			live[grants.at[i].door]++;
	free(grants.at);
	return live;
}

static bool doors_rows(struct table *table, const struct guard *g, const struct options *options)
{
	struct openings openings = {};
	struct labels labels = {};
	__u32 *live = NULL;
	bool done = openings_read(&openings, g) && labels_make(&labels, g->view);

	(void)options;
	if (done) {
		live = grants_count(g->view, labels.count);
		done = live;
	}
	for (__u32 i = 0; done && i < labels.count; i++)
		if (labels.at[i][0])
			done = door_row(table, g, &openings, &labels, live, i);
	free(live);
	labels_free(&labels);
	openings_free(&openings);
	return done;
}

static const struct column grants_columns[] = {
	{ "NAME", "name", false },
	{ "ADDRESS", "address", false },
	{ "DOOR", "door", false },
	{ "SECONDS LEFT", "seconds_left", true },
};

static void owner_text(const struct view *view, const struct source *owner, char *text,
		       size_t size)
{
	unsigned int length = owner->family == 6 ? prefix_length(view) : 128;

	if (length == 128)
		snprintf(text, size, "%s", address_text(owner).text);
	else
		snprintf(text, size, "%s/%u", address_text(owner).text, length);
}

static bool grant_row(struct table *table, const struct guard *g, const struct labels *labels,
		      const struct grant_row *grant)
{
	char address[INET6_ADDRSTRLEN + 8];
	const struct cell cell[] = {
		cell_text(g->name),
		cell_text(address),
		cell_text(label_of(labels, grant->door)),
		grant->until == GRANT_FOREVER ? cell_nothing("until closed") :
						cell_number(guard_seconds(g, grant->until)),
	};

	owner_text(g->view, &grant->owner, address, sizeof(address));
	return row_out(table, cell);
}

static bool grants_rows(struct table *table, const struct guard *g, const struct options *options)
{
	struct grant_rows grants = {};
	struct labels labels = {};
	bool done = labels_make(&labels, g->view) && grants_read(&grants, g->view);

	(void)options;
	for (size_t i = 0; done && i < grants.count; i++)
		done = grant_row(table, g, &labels, &grants.at[i]);
	free(grants.at);
	labels_free(&labels);
	return done;
}

static const struct column counters_columns[] = {
	{ "NAME", "name", false },
	{ "COUNTER", "counter", false },
	{ "NUMBER", "number", true },
	{ "OF", "of", false },
	{ "COUNT", "count", true },
	{ "MEANING", "meaning", false },
};

static bool counter_row(struct table *table, const struct guard *g, const char *counter,
			struct cell number, const char *of, __u64 count, const char *meaning)
{
	const struct cell cell[] = {
		cell_text(g->name), cell_text(counter), number, cell_text(of), cell_number(count),
		cell_text(meaning),
	};

	return row_out(table, cell);
}

static bool reason_rows(struct table *table, const struct guard *g, bool all)
{
	bool done = true;

	for (__u32 i = 0; done && i < REASON_COUNT; i++) {
		__u64 count = generation_counter(&g->generation, MAP_counters, i);

		if (count || all)
			done = counter_row(table, g, "reason", cell_number(i), reason_name(i),
					   count, reason_sentence(i));
	}
	return done;
}

static bool opening_rows(struct table *table, const struct guard *g, bool all)
{
	struct labels labels;
	bool done = labels_make(&labels, g->view);

	if (!done)
		return false;
	for (__u32 i = 0; done && i < labels.count; i++) {
		__u64 count = generation_counter(&g->generation, MAP_door_counters, i);

		if (labels.at[i][0] && (count || all))
			done = counter_row(table, g, "door", cell_nothing(NULL), labels.at[i],
					   count, "opened or renewed");
	}
	labels_free(&labels);
	return done;
}

static bool port_rows(struct table *table, const struct guard *g, bool all)
{
	const struct port *port = generation_table(&g->generation, MAP_ports,
					      PORT_COUNT * sizeof(*port));
	bool done = true;

	if (!port) {
		complain("%s: its tables cannot be read", g->name);
		return false;
	}
	for (__u32 i = 0; done && i < PORT_ICMP_FIRST; i++) {
		char of[16];
		__u64 count;

		if (!port[i].guard)
			continue;
		count = generation_counter(&g->generation, MAP_port_counters, port[i].guard - 1);
		snprintf(of, sizeof(of), "%u/%s", i % 65536, port_proto(i));
		if (count || all)
			done = counter_row(table, g, "port", cell_nothing(NULL), of, count,
					   "refused");
	}
	free((void *)port);
	return done;
}

static bool counters_rows(struct table *table, const struct guard *g,
			  const struct options *options)
{
	return reason_rows(table, g, options->all) && opening_rows(table, g, options->all) &&
	       port_rows(table, g, options->all);
}

/* Print the rows that @rows makes of each guard. */
static int tables_print(const struct options *options, const struct names *names,
			const struct column *columns, size_t count,
			bool (*rows)(struct table *table, const struct guard *g,
				     const struct options *options))
{
	struct column column[OUTPUT_COLUMNS_MAX];
	struct table table;
	bool done = true;

	table_open(&table, options, false, names, column, columns, count);
	for (size_t i = 0; done && i < names->count; i++) {
		struct guard g;

		done = guard_opened(&g, options, names->at[i]);
		if (!done)
			break;
		done = rows(&table, &g, options);
		guard_close(&g);
	}
	return table_close(&table, done ? STATUS_OK : STATUS_FAILURE);
}

int show_doors(const struct options *options, const struct names *names, char *argument[])
{
	(void)argument;
	return tables_print(options, names, doors_columns, COUNT(doors_columns), doors_rows);
}

int show_grants(const struct options *options, const struct names *names, char *argument[])
{
	(void)argument;
	return tables_print(options, names, grants_columns, COUNT(grants_columns), grants_rows);
}

int show_counters(const struct options *options, const struct names *names, char *argument[])
{
	(void)argument;
	return tables_print(options, names, counters_columns, COUNT(counters_columns),
			    counters_rows);
}
