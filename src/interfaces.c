// SPDX-License-Identifier: GPL-2.0-or-later
#include "interfaces.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool name_known(const struct interface_names *names, const char *name)
{
	for (unsigned int i = 0; i < names->count; i++)
		if (!strcmp(names->name[i], name))
			return true;
	return false;
}

/* Add a name of @len bytes, which need not end there. */
static int name_add(struct interface_names *names, const char *name, size_t len)
{
	char *to = names->name[names->count];

	if (!len) {
		fprintf(stderr, "knockd: an interface has no name\n");
		return -EINVAL;
	}
	if (len >= IF_NAMESIZE) {
		fprintf(stderr, "knockd: interface name '%.*s' is too long\n", (int)len, name);
		return -EINVAL;
	}
	if (names->count == KNOCKD_INTERFACES_MAX) {
		fprintf(stderr, "knockd: more than %d interfaces\n", KNOCKD_INTERFACES_MAX);
		return -E2BIG;
	}
	memcpy(to, name, len);
	to[len] = '\0';
	if (name_known(names, to)) {
		fprintf(stderr, "knockd: interface '%s' is named twice\n", to);
		return -EINVAL;
	}
	names->count++;
	return 0;
}

static int option_split(const char *option, struct interface_names *names)
{
	int error;

	do {
		size_t len;

		option += strspn(option, " \t");
		len = strcspn(option, ", \t");
		error = name_add(names, option, len);
		option += len;
		option += strspn(option, " \t");
	} while (!error && *option++ == ',');
	if (!error && option[-1]) {
		fprintf(stderr, "knockd: interfaces are separated by commas\n");
		error = -EINVAL;
	}
	return error;
}

static int conf_take(const struct conf *conf, struct interface_names *names)
{
	int error = 0;

	for (unsigned int i = 0; i < conf->interface_count && !error; i++)
		error = name_add(names, conf->interface[i], strlen(conf->interface[i]));
	return error;
}

/* Nobody named one: eth0, or else the default route's. */
static int default_take(const struct devices *devices, struct interface_names *names)
{
	char name[IF_NAMESIZE] = "eth0", route[IF_NAMESIZE];

	if (!devices_find(devices, name) && !device_default_route(route))
		memcpy(name, route, sizeof(name));
	return name_add(names, name, strlen(name));
}

/* Say which are missing. */
static int missing_refuse(const struct devices *devices, const struct interface_names *names)
{
	char all[512];
	int error = 0;

	devices_names(devices, all, sizeof(all));
	for (unsigned int i = 0; i < names->count; i++) {
		if (devices_find(devices, names->name[i]))
			continue;
		fprintf(stderr, "knockd: there is no interface '%s'; there are: %s\n",
			names->name[i], all[0] ? all : "none");
		error = -ENODEV;
	}
	return error;
}

/* Say which belong to another one, where connections live. */
static int slaves_refuse(const struct devices *devices, const struct interface_names *names)
{
	int error = 0;

	for (unsigned int i = 0; i < names->count; i++) {
		const struct device *device = devices_find(devices, names->name[i]), *master;

		if (!device || !device->master)
			continue;
		master = devices_find_index(devices, device->master);
		fprintf(stderr, "knockd: interface '%s' belongs to '%s', where connections live; "
			"guard that: -i %s\n", names->name[i], master ? master->name : "?",
			master ? master->name : "?");
		error = -EINVAL;
	}
	return error;
}

static int names_choose(const char *option, bool wait, const struct conf *conf,
			const struct devices *devices, struct interface_names *out)
{
	struct interface_names names = {};
	int error = option ? option_split(option, &names) :
		    conf->interface_count ? conf_take(conf, &names) : default_take(devices, &names);

	if (!error && !wait)
		error = missing_refuse(devices, &names);
	if (!error)
		error = slaves_refuse(devices, &names);
	if (!error)
		*out = names;
	return error;
}

int interfaces_find(const char *option, bool wait, const struct conf *conf,
		    struct interface_names *out)
{
	struct devices devices = {};
	int error = devices_read(&devices);

	if (error) {
		fprintf(stderr, "knockd: cannot list network devices: %s\n", strerror(-error));
		return error;
	}
	error = names_choose(option, wait, conf, &devices, out);
	devices_free(&devices);
	return error;
}
