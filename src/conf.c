// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

const char *const conf_proto_names[] = { "tcp", "udp", "icmp", NULL };
const char *const conf_closed_names[] = { "drop", "reset", "abort", NULL };
const char *const conf_xdp_mode_names[] = { "auto", "native", "generic", NULL };
const char *const conf_on_exit_names[] = { "detach", "keep", NULL };
const char *const conf_flag_names[] = { "fin", "syn", "rst", "psh", "ack", "urg", NULL };

void conf_init(struct conf *conf, const char *file)
{
	*conf = (struct conf){
		.file = file,
		.closed = CONF_CLOSED_DROP,
		.xdp_mode = CONF_XDP_AUTO,
		.on_exit = CONF_EXIT_DETACH,
		.udp_idle_s = 180,
		.grant_prefix6 = 128,
		.max_sources = 65536,
		.max_grants = 16384,
		.max_flows = 65536,
		.max_commands = 32,
		.command_time_s = 60,
	};
}

static void door_free(struct conf_door *door)
{
	free(door->open.at);
	free(door->trust.at);
	free(door->knock_from.at);
	free(door->commands.start);
	free(door->commands.start6);
	free(door->commands.stop);
	free(door->commands.stop6);
	free(door->one_time_file);
}

void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	for (size_t i = 0; i < conf->door_count; i++)
		door_free(&conf->door[i]);
	free(conf->door);
	free(conf->trust.at);
	free(conf->log_file);
	free(conf->pid_file);
	conf_init(conf, conf->file);
}

struct conf_door *conf_door_add(struct conf *conf, const char *name, unsigned int line)
{
	size_t count = conf->door_count;
	struct conf_door *door = conf->door;

	if (count >= KNOCKD_DOORS_MAX)
		return NULL;
	/* There is room up to the next power of two. */
	if ((count & (count - 1)) == 0) {
		door = realloc(door, (count ? 2 * count : 1) * sizeof(*door));
		if (!door)
			return NULL;
		conf->door = door;
	}
	door = &conf->door[count];
	*door = (struct conf_door){
		.line = line,
		/*
		 * 0.8 takes every TCP packet for a knock where TCPFlags is not given, also those of
		 * live sessions. Only what starts a connection is one here.
		 */
		.flags = {
			.mask = CONF_TCP_SYN | CONF_TCP_ACK | CONF_TCP_FIN | CONF_TCP_RST,
			.value = CONF_TCP_SYN,
		},
		.seq_timeout_s = 25,
		.open_time_s = 30,
		.commands.timeout_s = 10,
	};
	memcpy(door->name, name, strnlen(name, sizeof(door->name) - 1));
	for (size_t i = 0; i < count; i++)
		door->ordinal += strcmp(conf->door[i].name, door->name) == 0;
	conf->door_count++;
	return door;
}

bool conf_knock_equal(const struct conf_knock *a, const struct conf_knock *b)
{
	return a->proto == b->proto && a->number == b->number;
}

bool conf_flags_equal(const struct conf_flags *a, const struct conf_flags *b)
{
	return a->mask == b->mask && a->value == b->value;
}

bool conf_target_equal(const struct conf_target *a, const struct conf_target *b)
{
	size_t len = a->family == AF_INET ? 4 : sizeof(a->address);

	return a->family == b->family &&
	       (!a->family || memcmp(a->address, b->address, len) == 0);
}

/* The command of @family: where IPv6 has none of its own, that of IPv4. */
static const char *command_of(const char *command, const char *command6, int family)
{
	if (family == AF_INET6 && command6)
		command = command6;
	return command && command[0] ? command : NULL;
}

const char *conf_start_command(const struct conf_door *door, int family)
{
	return command_of(door->commands.start, door->commands.start6, family);
}

const char *conf_stop_command(const struct conf_door *door, int family)
{
	if (door->open.count == 0 && !conf_start_command(door, family))
		return NULL;
	return command_of(door->commands.stop, door->commands.stop6, family);
}

bool conf_door_commands(const struct conf_door *door)
{
	return conf_start_command(door, AF_INET) || conf_start_command(door, AF_INET6) ||
	       conf_door_owes(door);
}

bool conf_door_owes(const struct conf_door *door)
{
	return conf_stop_command(door, AF_INET) || conf_stop_command(door, AF_INET6);
}

bool conf_sequence_ends_with(const struct conf_sequence *sequence,
			     const struct conf_sequence *tail)
{
	const struct conf_knock *knock;

	if (tail->len > sequence->len)
		return false;
	knock = &sequence->knock[sequence->len - tail->len];
	for (unsigned int i = 0; i < tail->len; i++)
		if (!conf_knock_equal(&knock[i], &tail->knock[i]))
			return false;
	return true;
}
