// SPDX-License-Identifier: GPL-2.0-or-later
#include "event_text.h"

#include <stdio.h>
#include <string.h>

#include "reason.h"

struct address_text address_text(const struct source *source)
{
	struct address_text address;

	if (!inet_ntop(source->family == 4 ? AF_INET : AF_INET6, source->word_be, address.text,
		       sizeof(address.text)))
		memcpy(address.text, "?", 2);
	return address;
}

bool sources_equal(const struct source *a, const struct source *b)
{
	return a->family == b->family && !memcmp(a->word_be, b->word_be, sizeof(a->word_be));
}

const char *proto_name(enum proto proto)
{
	return proto == PROTO_TCP ? "tcp" : proto == PROTO_UDP ? "udp" : "icmp";
}

const char *door_text(const struct view *view, __u32 door)
{
	const struct door_name *name = view_door(view, door);

	return name ? name->name : "?";
}

/* A line about a source and a door that ends in @what. */
static bool door_line(const struct view *view, const struct event *event, __u32 door, char *line,
		      size_t size, const char *what)
{
	snprintf(line, size, "%s: %s: %s", address_text(&event->source).text,
		 door_text(view, door), what);
	return true;
}

static bool stage_text(const struct view *view, const struct event *event, unsigned int index,
		       char *line, size_t size)
{
	const struct stage *stage = view_stage(view, event->state);
	char what[32];

	if (!stage || index >= stage->count)
		return false;
	snprintf(what, sizeof(what), "Stage %u", stage->depth);
	return door_line(view, event, stage->door[index], line, size, what);
}

/* Who asked for it where it was no knock. */
static bool asked_text(const struct view *view, const struct event *event, char *line, size_t size,
		       const char *what, const char *by_knock)
{
	char text[EVENT_WHO_MAX + 64];

	if (event->who[0])
		snprintf(text, sizeof(text), "%s (knockctl, by %.*s)", what, EVENT_WHO_MAX,
			 event->who);
	else
		snprintf(text, sizeof(text), "%s%s", what, by_knock);
	return door_line(view, event, event->door, line, size, text);
}

static bool refused_text(const struct view *view, const struct event *event, char *line,
			 size_t size)
{
	char what[160];

	snprintf(what, sizeof(what), "not opened (%s)", reason_sentence(event->reason));
	return door_line(view, event, event->door, line, size, what);
}

static bool blocked_text(const struct event *event, char *line, size_t size)
{
	snprintf(line, size, "%s: refused at %s port %u (the first there in a minute)",
		 address_text(&event->source).text, proto_name(event->proto), event->port);
	return true;
}

static bool order_text(const struct event *event, char *line, size_t size)
{
	switch (event->order) {
	case ORDER_CONFIRM:
		snprintf(line, size, "confirmed by %.*s", EVENT_WHO_MAX, event->who);
		return true;
	case ORDER_RELOAD:
		if (event->seconds)
			snprintf(line, size, "reload asked for by %.*s, to be confirmed within "
				 "%u s", EVENT_WHO_MAX, event->who, event->seconds);
		else
			snprintf(line, size, "reload asked for by %.*s", EVENT_WHO_MAX, event->who);
		return true;
	case ORDER_DETACH:
		snprintf(line, size, "detached by %.*s", EVENT_WHO_MAX, event->who);
		return true;
	}
	return false;
}

bool event_text(const struct view *view, const struct event *event, unsigned int index, char *line,
		size_t size)
{
	if (event->kind == EVENT_STAGE)
		return stage_text(view, event, index, line, size);
	if (index)
		return false;
	switch (event->kind) {
	case EVENT_OPENED:
		return asked_text(view, event, line, size, "OPEN SESAME", "");
	case EVENT_CLOSED:
		return asked_text(view, event, line, size, "closed",
				  event->reason == REASON_USED_UP ? " (connections)" :
				  " (sequence)");
	case EVENT_REFUSED:
		return refused_text(view, event, line, size);
	case EVENT_BLOCKED:
		return blocked_text(event, line, size);
	case EVENT_ORDER:
		return order_text(event, line, size);
	}
	return false;
}

void event_debug_text(const struct view *view, const struct event *event, char *line, size_t size)
{
	static const char *const kinds[] = {
		[EVENT_STAGE] = "stage", [EVENT_OPENED] = "opened", [EVENT_CLOSED] = "closed",
		[EVENT_REFUSED] = "refused", [EVENT_BLOCKED] = "blocked", [EVENT_ORDER] = "order",
	};
	const char *kind = event->kind < sizeof(kinds) / sizeof(*kinds) ? kinds[event->kind] : "?";

	snprintf(line, size, "event %s: source %s, stream %u, door %u (%s), state %u, reason %u "
		 "(%s), time %llu, until %llu, renewed %u, order %u", kind,
		 address_text(&event->source).text, event->source.stream, event->door,
		 door_text(view, event->door), event->state, event->reason,
		 reason_name(event->reason), (unsigned long long)event->time,
		 (unsigned long long)event->until, event->renewed, event->order);
}
