// SPDX-License-Identifier: GPL-2.0-or-later
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "device.h"
#include "load.h"
#include "onetime.h"
#include "parse.h"
#include "path.h"

#define CONFIG_SIZE_MAX (16 << 20)

/* The whole of @path in memory that the caller frees. */
static int file_read(const char *path, char **text, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error = 0;
	size_t used = 0, room = 0;
	char *buffer = NULL;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t got;

		if (used == room) {
			char *more = realloc(buffer, room = 2 * room + 4096);

			if (!more || room > 2 * CONFIG_SIZE_MAX) {
				error = more ? -EFBIG : -ENOMEM;
				buffer = more ? more : buffer;
				break;
			}
			buffer = more;
		}
		got = read(fd, buffer + used, room - used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			error = got ? -errno : 0;
			break;
		}
		used += got;
	}
	close(fd);
	if (error) {
		free(buffer);
		return error;
	}
	*text = buffer;
	*len = used;
	return 0;
}

/* The list of a door is read again at every knock that opens it, from wherever we are by then. */
static int list_read(struct conf_door *door, struct messages *messages)
{
	char room[PATH_MAX];
	const char *path = path_absolute(door->one_time_file, room);

	if (path != door->one_time_file) {
		char *copy = strdup(path);

		if (!copy)
			return -ENOMEM;
		free(door->one_time_file);
		door->one_time_file = copy;
	}
	return onetime_read(door, messages);
}

static int lists_read(struct conf *conf, struct messages *messages)
{
	int error = 0;

	for (size_t i = 0; i < conf->door_count; i++) {
		int failed = 0;

		if (conf->door[i].one_time_file)
			failed = list_read(&conf->door[i], messages);
		error = error ? error : failed;
	}
	return error;
}

/* Whether @target is among the addresses of this host. */
static bool target_own(const struct conf_target *target, const struct ifaddrs *own)
{
	for (; own; own = own->ifa_next) {
		const struct sockaddr *address = own->ifa_addr;

		if (!address || address->sa_family != target->family)
			continue;
		if (target->family == AF_INET
			    ? !memcmp(&((const struct sockaddr_in *)address)->sin_addr,
				      target->address, 4)
			    : !memcmp(&((const struct sockaddr_in6 *)address)->sin6_addr,
				      target->address, 16))
			return true;
	}
	return false;
}

int config_targets(struct conf *conf)
{
	bool forwards = device_forwards("all");
	struct ifaddrs *own;
	int changed = 0;

	if (getifaddrs(&own))
		return -errno;
	for (size_t i = 0; i < conf->door_count; i++) {
		struct conf_target *target = &conf->door[i].target;
		bool remote = forwards && target->family && !target_own(target, own);

		changed |= remote != target->remote;
		target->remote = remote;
	}
	freeifaddrs(own);
	return changed;
}

/* What the text only names: lists of sequences, and whose addresses the targets are. */
static int config_complete(struct conf *conf, struct messages *messages)
{
	int error = lists_read(conf, messages), changed;

	if (error)
		return error;
	changed = config_targets(conf);
	if (changed < 0)
		message_add(messages, MESSAGE_ERROR, 0, "the addresses of this host cannot be "
			    "read: %s", strerror(-changed));
	return changed < 0 ? changed : 0;
}

int config_parse(const char *path, struct conf *conf, struct messages *messages)
{
	char *text = NULL;
	size_t len = 0;
	int error = file_read(path, &text, &len), incomplete;

	if (error) {
		message_add(messages, MESSAGE_ERROR, 0, "cannot be read: %s", strerror(-error));
		return error;
	}
	error = parse_text(conf, text, len, messages);
	free(text);
	/* All that is wrong, also behind an error. */
	incomplete = error == -ENOMEM ? 0 : config_complete(conf, messages);
	return error ? error : incomplete;
}

int config_compile(const struct conf *conf, const struct heritage *heritage,
		   struct compiled *compiled, struct messages *messages)
{
	struct host_facts *facts = calloc(1, sizeof(*facts));
	int error = facts ? compile_conf(conf, load_hz(), heritage, compiled, messages) : -ENOMEM;

	if (error == -EINVAL && heritage && !messages->errors) {
		message_add(messages, MESSAGE_WARNING, 0, "the tables in force make no sense; "
			    "knocks and grants so far are forgotten");
		error = compile_conf(conf, load_hz(), NULL, compiled, messages);
	}
	if (error == -ENOMEM)
		message_add(messages, MESSAGE_ERROR, 0, "no memory for a config of this size");
	if (!error) {
		host_facts_read(facts, conf->file);
		check_conf(conf, facts, messages);
	}
	free(facts);
	return error;
}
