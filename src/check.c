// SPDX-License-Identifier: GPL-2.0-or-later
#include "check.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan.h"

/* Neighbouring knocks that are no further apart than this are easily found by trying. */
enum { NEAR_PORTS = 10 };

/* What the checks have at hand. */
struct survey {
	const struct conf *conf;
	struct scan scan;
	struct messages *messages;
};

static void __attribute__((format(printf, 3, 4)))
warning_add(struct survey *survey, unsigned int line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	message_addv(survey->messages, MESSAGE_WARNING, line, format, arguments);
	va_end(arguments);
}

/* ---- how easily a scan opens a sequence ---- */

static void sequence_check(struct survey *survey, const struct conf_door *door)
{
	const struct conf_sequence *sequence = &door->sequence;
	struct scan_chance chance = scan_chance(&survey->scan, sequence);
	struct scan_pattern pattern;

	if (sequence->len == 0)
		return;
	if (sequence->len == 1) {
		warning_add(survey, sequence->line,
			    "door '%s' opens at a single knock, so every full scan opens it "
			    "(chance 1 in 1); use three knocks or more", door->name);
		return;
	}
	pattern = scan_pattern(&survey->scan, sequence);
	if (pattern.same)
		warning_add(survey, sequence->line,
			    "door '%s' has one knock %u times, so a scan that tries a port again "
			    "may open it; use different ones", door->name, sequence->len);
	else if (pattern.silent)
		warning_add(survey, sequence->line,
			    "door '%s' knocks at ports that follow each other, so a scan in %s "
			    "order opens it for certain (in random order: %s); mix them",
			    door->name, pattern.ascending ? "ascending" : "descending",
			    chance.text);
	else if (pattern.ascending)
		warning_add(survey, sequence->line,
			    "door '%s' knocks at ascending ports, as scans do; only strays between "
			    "them keep it closed (in random order: %s); mix them",
			    door->name, chance.text);
	if (pattern.widest > 0 && pattern.widest <= NEAR_PORTS && !pattern.silent)
		warning_add(survey, sequence->line,
			    "door '%s' knocks at ports no more than %u apart, which are easily "
			    "guessed; spread them", door->name, pattern.widest);
	if (sequence->len < 3 && !pattern.same)
		warning_add(survey, sequence->line,
			    "door '%s' has only %u knocks; a full scan in random order opens it "
			    "with a chance of %s; use three or more", door->name, sequence->len,
			    chance.text);
	else if (chance.good && !pattern.same)
		warning_add(survey, sequence->line,
			    "door '%s' is opened by a full scan in random order with a chance of "
			    "%s, because so many ports are protected, and those clear no knocks; "
			    "use more knocks", door->name, chance.text);
}

/* One knock must not both open and close. That they are equal is an error and found before. */
static void close_check(struct survey *survey, const struct conf_door *door)
{
	const struct conf_sequence *open = &door->sequence, *close = &door->close_sequence;

	if (close->len == 0 || open->len == 0)
		return;
	if (conf_sequence_ends_with(open, close))
		warning_add(survey, close->line,
			    "Close_Sequence of door '%s' is the end of its Sequence; the knock "
			    "that opens the door closes it", door->name);
	else if (conf_sequence_ends_with(close, open))
		warning_add(survey, close->line,
			    "Sequence of door '%s' is the end of its Close_Sequence; the knock "
			    "that closes the door opens it", door->name);
}

/* ---- doors that open on the way to others ---- */

static int knock_compare(const struct conf_knock *a, const struct conf_knock *b)
{
	if (a->proto != b->proto)
		return a->proto < b->proto ? -1 : 1;
	return (int)a->number - (int)b->number;
}

static int sequence_compare(const struct conf_sequence *a, const struct conf_sequence *b)
{
	for (unsigned int i = 0; i < a->len && i < b->len; i++) {
		int order = knock_compare(&a->knock[i], &b->knock[i]);

		if (order)
			return order;
	}
	return (int)a->len - (int)b->len;
}

/* Doors by sequence, so that a prefix stands before all it is a prefix of; then by line. */
static int door_compare(const void *a, const void *b)
{
	const struct conf_door *x = *(const struct conf_door *const *)a;
	const struct conf_door *y = *(const struct conf_door *const *)b;
	int order = sequence_compare(&x->sequence, &y->sequence);

	if (order)
		return order;
	return x->line < y->line ? -1 : x->line > y->line;
}

static bool sequence_starts_with(const struct conf_sequence *sequence,
				 const struct conf_sequence *head)
{
	if (head->len > sequence->len)
		return false;
	for (unsigned int i = 0; i < head->len; i++)
		if (!conf_knock_equal(&sequence->knock[i], &head->knock[i]))
			return false;
	return true;
}

/* Whether one packet may be to both targets. No target is every address of this host. */
static bool targets_meet(const struct conf_target *a, const struct conf_target *b)
{
	if (a->family && b->family)
		return conf_target_equal(a, b);
	return !a->remote && !b->remote;
}

/* Whether the knocks of @head are knocks of the stream that @door listens to. */
static bool streams_meet(const struct conf_door *head, const struct conf_door *door)
{
	if (!targets_meet(&head->target, &door->target))
		return false;
	for (unsigned int i = 0; i < head->sequence.len; i++)
		if (head->sequence.knock[i].proto == CONF_TCP)
			return conf_flags_equal(&head->flags, &door->flags);
	return true;
}

static void prefix_report(struct survey *survey, const struct conf_door *head,
			  const struct conf_door *door)
{
	if (head->sequence.len == door->sequence.len)
		warning_add(survey, door->sequence.line,
			    "door '%s' has the sequence of door '%s' on line %u; both open at once",
			    door->name, head->name, head->line);
	else
		warning_add(survey, door->sequence.line,
			    "the sequence of door '%s' begins with that of door '%s' on line %u, "
			    "which opens on the way", door->name, head->name, head->line);
}

/* For each door name the nearest other one that opens on the way to it. */
static void prefixes_check(struct survey *survey)
{
	const struct conf *conf = survey->conf;
	const struct conf_door **sorted = calloc(conf->door_count, 2 * sizeof(*sorted));
	const struct conf_door **heads = sorted + conf->door_count;
	size_t sorted_count = 0, head_count = 0;

	if (!sorted)
		return;
	for (size_t i = 0; i < conf->door_count; i++)
		if (conf->door[i].sequence.len > 0)
			sorted[sorted_count++] = &conf->door[i];
	qsort(sorted, sorted_count, sizeof(*sorted), door_compare);
	/* The heads are all doors before this one that its sequence begins with, shortest first. */
	for (size_t i = 0; i < sorted_count; i++) {
		const struct conf_door *door = sorted[i];

		while (head_count > 0 && !sequence_starts_with(&door->sequence,
							       &heads[head_count - 1]->sequence))
			head_count--;
		for (size_t h = head_count; h-- > 0;) {
			if (streams_meet(heads[h], door)) {
				prefix_report(survey, heads[h], door);
				break;
			}
		}
		heads[head_count++] = door;
	}
	free(sorted);
}

/* ---- ports that the host uses in other ways ---- */

/* Whether the host may take @port for a connection of its own. */
static bool port_is_ephemeral(const struct host_facts *facts, uint16_t port)
{
	return facts->local_range_known && port >= facts->local_first &&
	       port <= facts->local_last && !port_set_has(&facts->local_reserved, port);
}

/* The knocks are a secret: name their places. */
static void knocks_check(struct survey *survey, const struct conf_door *door,
			 const struct conf_sequence *sequence, const char *key)
{
	const struct host_facts *facts = survey->scan.facts;

	for (unsigned int i = 0; i < sequence->len; i++) {
		const struct conf_knock *knock = &sequence->knock[i];

		if (knock->proto == CONF_ICMP || !port_is_ephemeral(facts, knock->number))
			continue;
		warning_add(survey, sequence->line,
			    "knock %u in %s of door '%s' is in ip_local_port_range (%u-%u), which "
			    "this host uses for its own connections; take another or reserve it in "
			    "net.ipv4.ip_local_reserved_ports", i + 1, key, door->name,
			    facts->local_first, facts->local_last);
	}
}

/* "22:tcp" or "60000-61000:udp" */
struct range_text {
	char text[24];
};

static struct range_text range_describe(enum conf_proto proto, unsigned int first,
					unsigned int last)
{
	struct range_text range;

	if (first == last)
		snprintf(range.text, sizeof(range.text), "%u:%s", first, conf_proto_names[proto]);
	else
		snprintf(range.text, sizeof(range.text), "%u-%u:%s", first, last,
			 conf_proto_names[proto]);
	return range;
}

static void range_check(struct survey *survey, const struct conf_door *door,
			const struct conf_range *range)
{
	struct range_text text = range_describe(range->proto, range->first, range->last);
	const struct host_facts *facts = survey->scan.facts;
	const struct port_set *served = host_facts_served(facts, range->proto == CONF_UDP);
	unsigned int first = 0, last = 0;
	bool any_served = false;

	for (unsigned int port = range->first; port <= range->last; port++) {
		any_served |= port_set_has(served, (uint16_t)port);
		if (!port_is_ephemeral(facts, (uint16_t)port))
			continue;
		first = first ? first : port;
		last = port;
	}
	if (first)
		warning_add(survey, range->line,
			    "door '%s' protects %s in ip_local_port_range (%u-%u), which this host "
			    "uses for its own connections; reserve them in "
			    "net.ipv4.ip_local_reserved_ports", door->name,
			    range_describe(range->proto, first, last).text, facts->local_first,
			    facts->local_last);
	if (facts->ports_known && !any_served)
		warning_add(survey, range->line,
			    "door '%s' protects %s, where nothing listens on this host; if it is "
			    "translated elsewhere (to a container, say), sessions that are up now "
			    "cannot be seen and will be cut", door->name, text.text);
	if (range->proto == CONF_UDP)
		warning_add(survey, range->line,
			    "door '%s' protects %s; UDP has no sessions that the kernel could "
			    "show, so those that are up when knockd starts will be cut", door->name,
			    text.text);
}

/* ---- the rest ---- */

static void trust_check(struct survey *survey, const struct conf_prefixes *trust)
{
	for (size_t i = 0; i < trust->count; i++)
		if (trust->at[i].length == 0)
			warning_add(survey, trust->at[i].line,
				    "Trust of a prefix of length 0 trusts every %s source; nothing "
				    "is closed to them",
				    trust->at[i].family == AF_INET ? "IPv4" : "IPv6");
}

/* What a door does when it opens; one that does nothing is hardly meant. */
static void purpose_check(struct survey *survey, const struct conf_door *door)
{
	const struct conf_commands *commands = &door->commands;
	bool stops = (commands->stop && commands->stop[0]) ||
		     (commands->stop6 && commands->stop6[0]);

	if (stops && !conf_door_owes(door))
		warning_add(survey, door->line,
			    "the Stop_Command of door '%s' never runs, because there is no "
			    "Start_Command before it and no Open", door->name);
	else if (door->open.count == 0 && !conf_door_commands(door))
		warning_add(survey, door->line,
			    "door '%s' opens nothing and runs nothing; add 'Open = PORT' or "
			    "'Start_Command = COMMAND'", door->name);
	if (door->sequence.len == 1 && conf_door_commands(door))
		warning_add(survey, door->sequence.line,
			    "door '%s' runs its command at a single knock, so anybody can make it "
			    "run, for any address, with packets of forged sources; use three "
			    "knocks or more", door->name);
}

/* Connections are counted of TCP only. */
static void connections_check(struct survey *survey, const struct conf_door *door)
{
	bool opens[2] = { false, false };

	for (size_t i = 0; i < door->open.count; i++)
		opens[door->open.at[i].proto] = true;
	if (door->target.remote)
		warning_add(survey, door->line,
			    "door '%s' has Connections, which counts connections to this host, "
			    "and its Target is another; it has no effect", door->name);
	else if (!opens[CONF_TCP])
		warning_add(survey, door->line,
			    "door '%s' has Connections, which counts TCP connections, and opens no "
			    "TCP port; it has no effect", door->name);
	else if (opens[CONF_UDP])
		warning_add(survey, door->line,
			    "door '%s' has Connections, which counts TCP connections only; its UDP "
			    "ports do not use the grant up", door->name);
}

static void open_check(struct survey *survey, const struct conf_door *door)
{
	char target[INET6_ADDRSTRLEN] = "";

	if (door->target.remote)
		inet_ntop(door->target.family, door->target.address, target, sizeof(target));
	if (target[0] && door->open.count > 0)
		warning_add(survey, door->target.line,
			    "door '%s' protects ports of another host, %s; sessions that are up "
			    "through this host when knockd starts cannot be seen and will be cut, "
			    "and whether anything listens there is not looked up", door->name,
			    target);
	for (size_t i = 0; i < door->open.count && !target[0]; i++)
		range_check(survey, door, &door->open.at[i]);
	if (door->open.count == 0 || door->open_time_s > 0)
		return;
	if (door->close_sequence.len > 0)
		warning_add(survey, door->open_time_line,
			    "with Open_Time 0 door '%s' stays open until its Close_Sequence",
			    door->name);
	else
		warning_add(survey, door->open_time_line,
			    "with Open_Time 0 and no Close_Sequence door '%s' stays open for good",
			    door->name);
}

static void door_check(struct survey *survey, const struct conf_door *door)
{
	sequence_check(survey, door);
	close_check(survey, door);
	knocks_check(survey, door, &door->sequence, "Sequence");
	knocks_check(survey, door, &door->close_sequence, "Close_Sequence");
	trust_check(survey, &door->trust);
	purpose_check(survey, door);
	open_check(survey, door);
	if (door->connections)
		connections_check(survey, door);
}

void check_conf(const struct conf *conf, const struct host_facts *facts,
		struct messages *messages)
{
	struct survey survey = { .conf = conf, .messages = messages };

	if (facts->mode_known && facts->mode & 077)
		warning_add(&survey, 0,
			    "others than its owner have access (mode %04o), and it holds secrets; "
			    "use 'chmod 600'", facts->mode);
	scan_begin(&survey.scan, conf, facts);
	trust_check(&survey, &conf->trust);
	for (size_t i = 0; i < conf->door_count; i++)
		door_check(&survey, &conf->door[i]);
	if (conf->door_count > 1)
		prefixes_check(&survey);
}
