// SPDX-License-Identifier: GPL-2.0-or-later
/* The commands that print tables. */
#include "ctl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../bpf/grant.h"
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
	const struct source *remote; /* whose ports are those after the first PORT_COUNT */
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
	__u32 ports = (1 + s->remote_count) * PORT_COUNT;

	o->door_count = s->door_count;
	o->area_words = s->area_words;
	o->remote = s->remote;
	o->port = generation_table(&g->generation, MAP_ports, ports * sizeof(*o->port));
	o->door = generation_table(&g->generation, MAP_doors,
			      (__u64)s->door_count * sizeof(*o->door));
	o->opens = generation_table(&g->generation, MAP_opens,
			       (__u64)s->door_count * s->area_words * sizeof(*o->opens));
	o->guarded = calloc(ports, sizeof(*o->guarded));
	if (!o->port || !o->door || !o->opens || !o->guarded) {
		complain("%s: its tables cannot be read", g->name);
		return false;
	}
	for (__u32 i = 0; i < ports; i++)
		if (o->port[i].guard)
			o->guarded[o->guarded_count++] = i;
	return true;
}

static bool port_opened(const struct openings *o, __u32 door, __u32 index)
{
	return door_opens(o->opens, door, o->door_count, o->port[index].area, o->area_words);
}

/* A port by its place in the tables of ports, the last of @count. */
static void port_print(FILE *out, const struct source *remote, __u32 index, __u32 count)
{
	__u32 host = index / PORT_COUNT, at = index % PORT_COUNT;

	fprintf(out, "%u", at % 65536);
	if (count > 1)
		fprintf(out, "-%u", at % 65536 + count - 1);
	fprintf(out, "/%s", proto_name(at < 65536 ? PROTO_TCP : PROTO_UDP));
	if (host)
		fprintf(out, " at %s", address_text(&remote[host - 1]).text);
}

/* Such as "22/tcp, 60000-61000/udp at 192.0.2.9"; the caller frees it. NULL: no memory. */
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
		       (last + 1) % PORT_COUNT % 65536 && port_opened(o, door, last + 1)) {
			last++;
			i++;
		}
		fputs(ftell(out) ? ", " : "", out);
		port_print(out, o->remote, first, last - first + 1);
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

void rows_begin(struct table *table, const struct options *options, bool records,
		const struct names *names, struct column *copy, const struct column *column,
		size_t columns)
{
	memcpy(copy, column, columns * sizeof(*column));
	if (names->count == 1 && !records)
		copy[0].title = NULL;
	table_begin(table, stdout, form_choose(options), records, copy, columns);
}

bool row_add(struct table *table, const struct cell *cell)
{
	if (!table_row(table, cell))
		return true;
	complain("no memory");
	return false;
}

int rows_end(struct table *table, int status)
{
	int error = table_end(table);

	if (!error)
		return status;
	complain("cannot write: %s", strerror(-error));
	return STATUS_FAILURE;
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
		!(d->flags & DOOR_GRANTS) ? cell_nothing("no grants") :
		d->open_time && second ? cell_number(d->open_time / second) :
					 cell_nothing("until closed"),
		cell_number(generation_counter(&g->generation, MAP_door_counters, door)),
		cell_number(live[door]),
	};
	bool done = opens && row_add(table, cell);

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
	return row_add(table, cell);
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

	return row_add(table, cell);
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

static bool port_row(struct table *table, const struct guard *g, __u32 index, __u64 count)
{
	char of[INET6_ADDRSTRLEN + 24] = "";
	FILE *out = fmemopen(of, sizeof(of), "w");

	if (!out) {
		complain("no memory");
		return false;
	}
	port_print(out, view_settings(g->view)->remote, index, 1);
	fclose(out);
	return counter_row(table, g, "port", cell_nothing(NULL), of, count, "refused");
}

static bool port_rows(struct table *table, const struct guard *g, bool all)
{
	__u32 ports = (1 + view_settings(g->view)->remote_count) * PORT_COUNT;
	struct port *port = generation_table(&g->generation, MAP_ports, ports * sizeof(*port));
	bool done = true;

	if (!port) {
		complain("%s: its tables cannot be read", g->name);
		return false;
	}
	for (__u32 i = 0; done && i < ports; i++) {
		__u64 count = port[i].guard ? generation_counter(&g->generation, MAP_port_counters,
								 port[i].guard - 1) : 0;

		if (port[i].guard && (count || all))
			done = port_row(table, g, i, count);
	}
	free(port);
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

	rows_begin(&table, options, false, names, column, columns, count);
	for (size_t i = 0; done && i < names->count; i++) {
		struct guard g;

		done = guard_opened(&g, options, names->at[i]);
		if (!done)
			break;
		done = rows(&table, &g, options);
		guard_close(&g);
	}
	return rows_end(&table, done ? STATUS_OK : STATUS_FAILURE);
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
