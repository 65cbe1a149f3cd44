// SPDX-License-Identifier: GPL-2.0-or-later
#include "heritage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The numbers of doors that only the config before has are not free: it may come back. */
static int former_names_add(const struct generation *former, struct heritage *heritage,
			    struct settings *s)
{
	struct door_name *name = (struct door_name *)heritage->name, *more, *before;
	struct settings of;
	int error = 0;

	if (!former)
		return 0;
	if (generation_settings(former, &of))
		return -EINVAL;
	before = generation_table(former, MAP_names, (size_t)of.door_count * sizeof(*before));
	if (!before)
		return -EINVAL;
	if (of.door_count > s->door_count) {
		more = realloc(name, of.door_count * sizeof(*more));
		if (more) {
			memset(more + s->door_count, 0,
			       (of.door_count - s->door_count) * sizeof(*more));
			heritage->name = name = more;
			s->door_count = of.door_count;
		} else {
			error = -ENOMEM;
		}
	}
	for (__u32 i = 0; i < of.door_count && !error; i++)
		if (!name[i].used)
			name[i] = before[i];
	free(before);
	return error;
}

int heritage_read(const struct generation *g, const struct generation *former, __u64 now,
		  struct heritage *out)
{
	struct settings *s;

	*out = (struct heritage){};
	s = generation_table(g, MAP_settings, sizeof(*s));
	if (!s)
		return -EINVAL;
	out->settings = s;
	out->port = generation_table(g, MAP_ports, (1 + (size_t)s->remote_count) * PORT_COUNT *
				     sizeof(*out->port));
	out->name = generation_table(g, MAP_names, (size_t)s->door_count * sizeof(*out->name));
	out->path = generation_table(g, MAP_paths, (size_t)s->state_count * sizeof(*out->path));
	out->now = now;
	if (out->port && out->name && out->path && !former_names_add(former, out, s))
		return 0;
	heritage_free(out);
	return -EINVAL;
}

void heritage_free(struct heritage *heritage)
{
	free((void *)heritage->settings);
	free((void *)heritage->port);
	free((void *)heritage->name);
	free((void *)heritage->path);
	*heritage = (struct heritage){};
}
