/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An event in words, the same in the log and in what knockctl watches. */
#ifndef KNOCKD_EVENT_TEXT_H
#define KNOCKD_EVENT_TEXT_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>

#include "knockd/abi.h"
#include "view.h"

struct address_text {
	char text[INET6_ADDRSTRLEN];
};

/** address_text() - The address of @source as people write it. */
struct address_text address_text(const struct source *source);

/** sources_equal() - Whether @a and @b are the same address, whatever their streams. */
bool sources_equal(const struct source *a, const struct source *b);

/** proto_name() - "tcp", "udp" or "icmp". */
const char *proto_name(enum proto proto);

/** door_text() - The name of @door as the config has it, or "?". */
const char *door_text(const struct view *view, __u32 door);

/**
 * event_text() - Line number @index of what @event has to say, from 0 on: a stage has one for each
 * door that the knocks so far begin to open, other events have one.
 *
 * Return: whether there is such a line; @line is untouched otherwise.
 */
bool event_text(const struct view *view, const struct event *event, unsigned int index, char *line,
		size_t size);

/**
 * event_debug_text() - The fields of @event as a person who looks for a fault reads them. Neither
 * knocks nor their ports are among them.
 */
void event_debug_text(const struct view *view, const struct event *event, char *line, size_t size);

#endif
