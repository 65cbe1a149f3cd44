// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall_rule.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "firewall_words.h"
#include "lex.h"
#include "number.h"
#include "text.h"

/* A line of nft's grows by two blanks a brace; each word ends in a NUL. */
enum { WORDS_MAX = 64, LINE_MAX_BYTES = 4 * LEX_LINE_MAX };

static const char *const folders[] = {
	"/sbin/", "/usr/sbin/", "/bin/", "/usr/bin/", "/usr/local/sbin/", "/usr/local/bin/",
};

/* Ports by the names that the tools above take for them. */
static const struct {
	const char *name;
	uint16_t port;
} services[] = { { "ssh", 22 }, { "smtp", 25 }, { "http", 80 }, { "https", 443 } };

/* A command line taken apart as the shell does it. */
struct words {
	char *at[WORDS_MAX];
	size_t count;
	char text[LINE_MAX_BYTES];
};

/* One command, while it is read. */
struct reading {
	unsigned int facts;
	uint32_t time_s;
	char interface[IF_NAMESIZE];
	struct conf_range range[FIREWALL_RANGES_MAX]; /* whose protocols are among the facts */
	size_t count;
	char *why;
};

static int __attribute__((format(printf, 2, 3)))
refuse(char *why, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, FIREWALL_WHY_MAX, format, arguments);
	va_end(arguments);
	text_disarm(why);
	return -EINVAL;
}

/* ---- words ---- */

/* Copy one word from @at to @to, quotes undone. Return: behind it; NULL: only a shell can tell. */
static const char *word_copy(const char *at, char **to)
{
	const char *start = at;
	char quote = '\0';

	for (; *at; at++) {
		if (quote ? *at == quote : *at == '"' || *at == '\'') {
			quote = quote ? '\0' : *at;
			continue;
		}
		if (!quote && strchr(" \t;&", *at))
			break;
		if (quote != '\'' && strchr("$`", *at))
			return NULL;
		if (!quote && strchr("|<>()*?[]~\n\v\f\r", *at))
			return NULL;
		/* A brace is itself only where it stands alone. */
		if (!quote && strchr("{}", *at) && (at > start || !strchr(" \t", at[1])))
			return NULL;
		if (quote != '\'' && *at == '\\') {
			at++;
			if (!*at || !strchr("\"'\\", *at))
				return NULL;
		}
		*(*to)++ = *at;
	}
	*(*to)++ = '\0';
	return quote ? NULL : at;
}

/*
 * Take the next command off @at, up to its end or behind a ';' or '&&'. A comment at the end stays,
 * for the caller to find there.
 */
static int words_split(const char **at, struct words *words, char *why)
{
	char *to = words->text;

	words->count = 0;
	for (;;) {
		*at += strspn(*at, " \t");
		if (**at == '\0' || **at == '#')
			return 0;
		if (**at == ';' || strncmp(*at, "&&", 2) == 0) {
			*at += **at == ';' ? 1 : 2;
			return 0;
		}
		if (words->count == WORDS_MAX)
			return refuse(why, "it has too many words");
		words->at[words->count++] = to;
		*at = **at == '&' ? NULL : word_copy(*at, &to);
		if (!*at)
			return refuse(why, "it does more than a rule: only a shell can tell what");
	}
}

/* nft makes one text of its arguments and takes that apart itself; braces stand alone there. */
static int nft_split(struct words *words, size_t first, char *why)
{
	char line[LINE_MAX_BYTES];
	const char *at = line;
	char *to = line;

	for (size_t i = first; i < words->count; i++) {
		for (const char *c = words->at[i]; *c; c++)
			to += sprintf(to, strchr("{}", *c) ? " %c " : "%c", *c);
		*to++ = ' ';
	}
	*to = '\0';
	if (words_split(&at, words, why) != 0)
		return -EINVAL;
	return *at ? refuse(why, "it has several rules in one command") : 0;
}

/* ---- what a word says ---- */

static int ports_add(struct reading *r, char *entry)
{
	struct conf_range *range = &r->range[r->count];
	size_t split = strcspn(entry, ":-");
	char *second = entry[split] ? entry + split + 1 : NULL;
	uint64_t first, last;

	if (r->count == FIREWALL_RANGES_MAX)
		return refuse(r->why, "it has too many ports");
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (strcmp(entry, services[i].name) == 0) {
			range->first = range->last = services[i].port;
			r->count++;
			return 0;
		}
	entry[split] = '\0';
	if (number_parse(entry, 1, 65535, &first) != 0 ||
	    number_parse(second ? second : entry, first, 65535, &last) != 0)
		return refuse(r->why, "'%s' is no port from 1 to 65535", entry);
	range->first = (uint16_t)first;
	range->last = (uint16_t)last;
	r->count++;
	return 0;
}

/* A list, or in nft one in braces, which takes several words. */
static int ports_read(struct reading *r, struct words *words, size_t *next, const char *value)
{
	char list[256] = "", *rest = list, *entry;
	size_t used = 0;
	bool brace = strcmp(value, "{") == 0;

	do {
		const char *part = value;

		if (brace)
			part = *next < words->count ? words->at[(*next)++] : "";
		if (brace && strcmp(part, "}") == 0)
			break;
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s", part);
		if (used >= sizeof(list) || !part[0])
			return refuse(r->why, "its list of ports is not understood");
	} while (brace);
	while ((entry = list_next(&rest)))
		if (ports_add(r, entry) != 0)
			return -EINVAL;
	return 0;
}

/* Whether @list, separated by commas, has @text. */
static bool list_has(const char *list, const char *text, bool any_case)
{
	size_t len = strlen(text);

	for (; *list; list += list[0] == ',') {
		size_t entry = strcspn(list, ",");

		if (entry == len && (any_case ? strncasecmp(list, text, len) :
						strncmp(list, text, len)) == 0)
			return true;
		list += entry;
	}
	return false;
}

static int proto_read(struct reading *r, const char *value)
{
	if (r->facts & FACT_PROTO)
		return refuse(r->why, "it names a protocol twice");
	if (strcasecmp(value, "tcp") == 0)
		r->facts |= FACT_TCP;
	else if (strcasecmp(value, "udp") == 0)
		r->facts |= FACT_UDP;
	else
		return refuse(r->why, "protocol '%s' is neither tcp nor udp", value);
	return 0;
}

static int time_read(struct reading *r, const char *value)
{
	uint64_t seconds;

	if (duration_parse(value, 1, CONF_OPEN_TIME_MAX_S, &seconds) != 0)
		return refuse(r->why, "'%s' is no time", value);
	r->time_s = (uint32_t)seconds;
	return 0;
}

static int interface_read(struct reading *r, const char *value)
{
	if (strlen(value) >= sizeof(r->interface) || strchr(value, '+'))
		return refuse(r->why, "'%s' is not one interface", value);
	strcpy(r->interface, value);
	return 0;
}

static int words_read(struct reading *r, const struct firewall_word *table, struct words *words,
		      size_t next);

static int rich_read(struct reading *r, const char *value)
{
	struct words rich;

	if (words_split(&value, &rich, r->why) != 0)
		return -EINVAL;
	return *value ? refuse(r->why, "its rich rule is not understood") :
			words_read(r, firewall_rich_words, &rich, 0);
}

static int source_read(struct reading *r, const char *value)
{
	static const char sources[] = "%IP%,%IP%/32,%IP%/128";

	return list_has(sources, value, false) ? 0 :
	       refuse(r->why, "its source '%s' is not %%IP%%", value);
}

/* States of connections: a rule that lets none begin opens nothing. */
static int state_read(struct reading *r, const char *value)
{
	return list_has(value, "new", true) ? 0 :
	       refuse(r->why, "it lets no connection begin ('%s')", value);
}

/* Whether @text is @name or carries its value behind a '=': then @value is moved there. */
static bool name_is(const char *name, size_t len, const char *text, const char **value)
{
	*value = NULL;
	if (strncmp(name, text, len) != 0)
		return false;
	if (name[len - 1] == '=')
		*value = text + len;
	else if (text[len] == '=' && strncmp(text, "--", 2) == 0)
		*value = text + len + 1;
	return *value || text[len] == '\0';
}

/* The word of @table that @text is, or NULL; @value as by name_is(). */
static const struct firewall_word *word_find(const struct firewall_word *table, const char *text,
					     const char **value)
{
	for (; table->names; table++) {
		const char *name = table->names;

		for (size_t len; *name; name += len + (name[len] == ',')) {
			len = strcspn(name, ",");
			if (name_is(name, len, text, value))
				return *value && table->reader < READ_ANYTHING ? NULL : table;
		}
	}
	return NULL;
}

static void number_skip(const struct words *words, size_t *next)
{
	uint64_t number;

	if (*next < words->count &&
	    number_parse(words->at[*next], 0, UINT32_MAX, &number) == 0)
		(*next)++;
}

static int value_read(struct reading *r, const struct firewall_word *word, struct words *words,
		      size_t *next, const char *value)
{
	switch (word->reader) {
	case READ_NOTHING:
	case READ_ANYTHING:
		return 0;
	case READ_NUMBER:
		number_skip(words, next);
		return 0;
	case READ_ONE_OF:
	case READ_PLACE:
		if (!list_has(word->list, value, false))
			return refuse(r->why, "its '%s' is not understood, only %s", value,
				      word->list);
		if (word->reader == READ_PLACE)
			number_skip(words, next);
		return 0;
	case READ_SOURCE:
		return source_read(r, value);
	case READ_TO_PORTS:
		if (!(r->facts & FACT_TO))
			return refuse(r->why, "its port '%s' is the source's", value);
		return ports_read(r, words, next, value);
	case READ_PORTS:
		return ports_read(r, words, next, value);
	case READ_PROTO:
		return proto_read(r, value);
	case READ_STATE:
		return state_read(r, value);
	case READ_INTERFACE:
		return interface_read(r, value);
	case READ_TIME:
		return time_read(r, value);
	case READ_RICH:
		return rich_read(r, value);
	case READ_REFUSE:
		return refuse(r->why, "%s", word->list);
	}
	return -EINVAL;
}

/* Whether @facts say again what was said; only the family may be. */
static bool facts_repeated(const struct reading *r, unsigned int facts)
{
	static const unsigned int alternatives[] = { FACT_ACTION, FACT_PROTO };
	unsigned int said = r->facts & ~(unsigned int)FACT_FAMILY;

	for (size_t i = 0; i < 2; i++)
		if (said & alternatives[i])
			said |= alternatives[i];
	return said & facts;
}

/* Read @words from the one at @next on. */
static int words_read(struct reading *r, const struct firewall_word *table, struct words *words,
		      size_t next)
{
	while (next < words->count) {
		const char *text = words->at[next++], *value;
		const struct firewall_word *word = word_find(table, text, &value);

		if (!word)
			return refuse(r->why, "its word '%s' is not understood", text);
		if (facts_repeated(r, word->facts))
			return refuse(r->why, "its word '%s' says something a second time", text);
		if (!value && word->reader >= READ_ANYTHING) {
			if (next == words->count)
				return refuse(r->why, "its word '%s' needs a value", text);
			value = words->at[next++];
		}
		if (value_read(r, word, words, &next, value) != 0)
			return -EINVAL;
		r->facts |= word->facts;
	}
	return 0;
}

/* ---- commands ---- */

/* The tool that a command calls, by its name alone or with the folder where tools are. */
static const struct firewall_tool *tool_find(const char *program)
{
	const struct firewall_tool *tool = firewall_tools;
	size_t skip = 0;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (strncmp(program, folders[i], strlen(folders[i])) == 0)
			skip = strlen(folders[i]);
	while (tool->names && !list_has(tool->names, program + skip, false))
		tool++;
	return tool->names ? tool : NULL;
}

static int ranges_compare(const struct conf_range *a, const struct conf_range *b)
{
	if (a->proto != b->proto)
		return a->proto < b->proto ? -1 : 1;
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return (int)a->last - (int)b->last;
}

/* Put @range among those of @rule where it belongs. Returns whether there was room. */
static bool range_insert(struct firewall_rule *rule, struct conf_range range, unsigned int family)
{
	size_t i = 0, behind;

	while (i < rule->count && ranges_compare(&rule->range[i], &range) < 0)
		i++;
	if (i < rule->count && ranges_compare(&rule->range[i], &range) == 0) {
		rule->family[i] |= family;
		return true;
	}
	if (rule->count == FIREWALL_RANGES_MAX)
		return false;
	behind = rule->count++ - i;
	memmove(&rule->range[i + 1], &rule->range[i], behind * sizeof(range));
	memmove(&rule->family[i + 1], &rule->family[i], behind * sizeof(family));
	rule->range[i] = range;
	rule->family[i] = family;
	return true;
}

/* Join what one command does to what those before it did. */
static int rule_join(struct firewall_rule *rule, const struct reading *r)
{
	enum firewall_action action = r->facts & FACT_ADD ? FIREWALL_ADD : FIREWALL_DELETE;

	if (rule->count > 0 && (rule->action != action || rule->time_s != r->time_s ||
				strcmp(rule->interface, r->interface) != 0))
		return refuse(r->why, "its commands do different things");
	rule->action = action;
	rule->time_s = r->time_s;
	strcpy(rule->interface, r->interface);
	for (enum conf_proto proto = CONF_TCP; proto <= CONF_UDP; proto++)
		for (size_t i = 0; i < r->count; i++) {
			struct conf_range range = r->range[i];

			range.proto = proto;
			if (!(r->facts & (proto == CONF_TCP ? FACT_TCP : FACT_UDP)))
				break;
			if (!range_insert(rule, range, r->facts & FACT_FAMILY))
				return refuse(r->why, "it has too many ports");
		}
	return 0;
}

/* What no word has said is as the tool has it. */
static void facts_complete(struct reading *r, const struct firewall_tool *tool)
{
	static const unsigned int kinds[] = { FACT_ACTION, FACT_CHAIN, FACT_ACCEPT, FACT_PROTO,
					      FACT_FAMILY };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!(r->facts & kinds[i]))
			r->facts |= tool->facts & kinds[i];
}

static int command_read(struct words *words, struct firewall_rule *rule, char *why)
{
	size_t program = strcmp(words->at[0], "sudo") == 0 && words->count > 1;
	const struct firewall_tool *tool = tool_find(words->at[program]);
	struct reading r = { .why = why };
	size_t next = program + 1;

	if (!tool)
		return refuse(why, "'%s' is no command of a firewall that is known here",
			      words->at[program]);
	if (tool->words == firewall_nft_words) {
		if (nft_split(words, next, why) != 0)
			return -EINVAL;
		next = 0;
	}
	if (words_read(&r, tool->words, words, next) != 0)
		return -EINVAL;
	if (!(r.facts & FACT_PROTO) && tool->no_proto)
		rule->remark = tool->no_proto;
	facts_complete(&r, tool);
	for (size_t i = 0; i < FIREWALL_NEEDS; i++)
		if (!(r.facts & firewall_needs[i].facts))
			return refuse(why, "%s", firewall_needs[i].why);
	return rule_join(rule, &r);
}

int firewall_rule_read(const char *command, struct firewall_rule *rule, char *why)
{
	struct firewall_rule new = { .action = FIREWALL_NONE };
	const char *at = command;
	struct words words;

	if (strlen(command) > LEX_LINE_MAX)
		return refuse(why, "it is too long");
	do {
		if (words_split(&at, &words, why) != 0)
			return -EINVAL;
		if (words.count == 0 && (*at || new.count == 0))
			return refuse(why, "it runs nothing");
		if (words.count > 0 && command_read(&words, &new, why) != 0)
			return -EINVAL;
	} while (*at && *at != '#');
	for (size_t i = 1; i < new.count; i++)
		if (new.family[i] != new.family[0])
			return refuse(why, "it opens other ports for IPv4 than for IPv6");
	new.comment = *at ? at : NULL;
	*rule = new;
	return 0;
}

bool firewall_rule_equal(const struct firewall_rule *a, const struct firewall_rule *b)
{
	bool equal = a->count == b->count && strcmp(a->interface, b->interface) == 0;

	for (size_t i = 0; equal && i < a->count; i++)
		equal = ranges_compare(&a->range[i], &b->range[i]) == 0;
	return equal;
}

bool firewall_suspect(const char *command)
{
	static const char *const signs[] = { "%IP%", "KNOCKD_IP", "iptables", "ip6tables", "nft",
					     "ufw",  "firewall-cmd", "ipset", "knock_" };

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (strstr(command, signs[i]))
			return true;
	return false;
}
