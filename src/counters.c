// SPDX-License-Identifier: GPL-2.0-or-later
#include "counters.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "reason.h"

struct listing {
	const struct generation *g;
	void (*each)(void *data, const char *line);
	void *data;
};

__attribute__((format(printf, 4, 5)))
static void counter_list(const struct listing *l, enum generation_map map, __u32 index,
			 const char *format, ...)
{
	unsigned long long count = generation_counter(l->g, map, index);
	char line[512], what[384];
	va_list arguments;

	if (!count)
		return;
	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	snprintf(line, sizeof(line), "%llu %s", count, what);
	l->each(l->data, line);
}

static void doors_list(const struct listing *l)
{
	struct door_name *name;
	size_t size;

	if (generation_values(l->g, MAP_names, (void **)&name, &size))
		return;
	for (__u32 door = 0; door < size / sizeof(*name); door++)
		if (name[door].used)
			counter_list(l, MAP_door_counters, door, "door %.*s: opened or renewed",
				     KNOCKD_NAME_MAX, name[door].name);
	free(name);
}

static void ports_list(const struct listing *l)
{
	struct port *port;
	size_t size;

	if (generation_values(l->g, MAP_ports, (void **)&port, &size))
		return;
	for (__u32 i = 0; i < PORT_ICMP_FIRST && i < size / sizeof(*port); i++)
		if (port[i].guard)
			counter_list(l, MAP_port_counters, port[i].guard - 1,
				     "%s port %u: refused", i < 65536 ? "tcp" : "udp", i % 65536);
	free(port);
}

void counters_list(const struct generation *g, void (*each)(void *data, const char *line),
		   void *data)
{
	const struct listing l = { g, each, data };

	for (__u32 i = 0; i < REASON_COUNT; i++)
		counter_list(&l, MAP_counters, i, "%s: %s", reason_name(i), reason_sentence(i));
	doors_list(&l);
	ports_list(&l);
}
