// SPDX-License-Identifier: GPL-2.0-or-later
#include "conf.h"

#include <stdlib.h>
#include <string.h>

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
	};
}

void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	for (size_t i = 0; i < conf->door_count; i++) {
		free(conf->door[i].open.at);
		free(conf->door[i].trust.at);
		free(conf->door[i].knock_from.at);
	}
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
