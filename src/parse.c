// SPDX-License-Identifier: GPL-2.0-or-later
#include "parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lex.h"
#include "number.h"

enum section { SECTION_NONE, SECTION_OPTIONS, SECTION_DOOR, SECTION_BAD };

enum where { IN_OPTIONS = 1, IN_DOOR = 2 };

enum { DIRECTIVES_MAX = 48, NAME_LEN_MAX = 24 };

struct parser {
	struct conf *conf;
	struct messages *messages;
	unsigned int line;
	enum section section;
	struct conf_door *door; /* of the section; NULL where there was no room for it */
	const char *key;        /* of the directive, as written */
	bool doors_full;        /* said so */
	/* Line on which each directive stood last, or 0. */
	unsigned int seen_options[DIRECTIVES_MAX];
	unsigned int seen_door[DIRECTIVES_MAX];
};

/* What a setter does with a value; errors go to the messages. Returns 0 or -ENOMEM. */
struct directive;
typedef int setter(struct parser *p, const struct directive *directive, char *value);

struct directive {
	const char *name, *alias;
	enum where where;
	setter *set;
	size_t offset;            /* of the setting in struct conf or struct conf_door */
	uint64_t min, max;        /* numbers and times */
	const char *const *words; /* choices */
	const char *hint;         /* refused ones: what to do instead */
};

/* An error about the line at hand. */
static void __attribute__((format(printf, 2, 3)))
error_add(struct parser *p, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	message_addv(p->messages, MESSAGE_ERROR, p->line, format, arguments);
	va_end(arguments);
}

/* Where the value of @directive goes. */
static void *setting_at(const struct parser *p, const struct directive *directive)
{
	char *base = directive->where == IN_DOOR ? (char *)p->door : (char *)p->conf;

	return base + directive->offset;
}

/*
 * 0.8 reads numbers with atoi(), so "25 # seconds" works there and has to work here. Only numbers
 * have that; in any other value a '#' is part of it.
 */
static char *comment_cut(char *text)
{
	text[strcspn(text, "#")] = '\0';
	return text_trim(text);
}

/*
 * One entry of a sequence as a message may show it. With the wrong separator one entry is the whole
 * sequence, which is a secret: show it only up to where the separator must be.
 */
struct quote {
	char text[24];
};

static struct quote entry_quote(const char *entry)
{
	struct quote quote = { "" };
	size_t len = entry[0] ? 1 + strcspn(entry + 1, ":-;,./|+_ \t\n\v\f\r\"'#=()[]{}<>") : 0;

	if (len == strlen(entry) && len < sizeof(quote.text))
		memcpy(quote.text, entry, len);
	else
		snprintf(quote.text, sizeof(quote.text), "%.*s...", (int)(len < 16 ? len : 16),
			 entry);
	return quote;
}

/* ---- single values ---- */

static int number_set(struct parser *p, const struct directive *directive, char *value)
{
	uint64_t number;

	value = comment_cut(value);
	switch (number_parse(value, directive->min, directive->max, &number)) {
	case 0:
		*(uint32_t *)setting_at(p, directive) = (uint32_t)number;
		break;
	case -ERANGE:
		error_add(p, "%s '%s' is out of range (%ju-%ju)", p->key, value,
			  (uintmax_t)directive->min, (uintmax_t)directive->max);
		break;
	default:
		error_add(p, "%s '%s' is not a number (%ju-%ju)", p->key, value,
			  (uintmax_t)directive->min, (uintmax_t)directive->max);
	}
	return 0;
}

static int duration_set(struct parser *p, const struct directive *directive, char *value)
{
	uint64_t seconds;

	value = comment_cut(value);
	switch (duration_parse(value, directive->min, directive->max, &seconds)) {
	case 0:
		*(uint32_t *)setting_at(p, directive) = (uint32_t)seconds;
		break;
	case -ERANGE:
		error_add(p, "%s '%s' is out of range (%ju-%ju seconds)", p->key, value,
			  (uintmax_t)directive->min, (uintmax_t)directive->max);
		break;
	default:
		error_add(p, "%s '%s' is not a time (such as 30, 90s, 5m, 12h or 1d)", p->key,
			  value);
	}
	return 0;
}

/* 0.8 takes 0, and a door with one knock works with it: judged when the door is complete. */
static int seq_timeout_set(struct parser *p, const struct directive *directive, char *value)
{
	uint64_t zero;

	value = comment_cut(value);
	if (number_parse(value, 0, 0, &zero) != 0)
		return number_set(p, directive, value);
	p->door->seq_timeout_s = 0;
	return 0;
}

static int open_time_set(struct parser *p, const struct directive *directive, char *value)
{
	p->door->open_time_line = p->line;
	return duration_set(p, directive, value);
}

/* Without Stop_Command, which is refused, 0.8 never looks at it either. */
static int cmd_timeout_skip(struct parser *p, const struct directive *directive, char *value)
{
	uint64_t number;

	value = comment_cut(value);
	if (number_parse(value, directive->min, directive->max, &number) != 0)
		error_add(p, "%s '%s' is not a number (%ju-%ju)", p->key, value,
			  (uintmax_t)directive->min, (uintmax_t)directive->max);
	return 0;
}

/* The place of @text in @words, whatever its case, or -1. */
static int word_find(const char *const *words, const char *text, size_t len)
{
	for (int i = 0; words[i]; i++)
		if (strlen(words[i]) == len && strncasecmp(words[i], text, len) == 0)
			return i;
	return -1;
}

/* Write @words to @out as "a, b or c". */
static void words_join(const char *const *words, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (int i = 0; words[i] && used < size; i++) {
		const char *before = i == 0 ? "" : words[i + 1] ? ", " : " or ";

		used += (size_t)snprintf(out + used, size - used, "%s%s", before, words[i]);
	}
}

static int choice_set(struct parser *p, const struct directive *directive, char *value)
{
	int word = word_find(directive->words, value, strlen(value));
	char words[128];

	if (word >= 0) {
		*(unsigned int *)setting_at(p, directive) = (unsigned int)word;
		return 0;
	}
	words_join(directive->words, words, sizeof(words));
	error_add(p, "%s '%s' is unknown; expected %s", p->key, value, words);
	return 0;
}

/* Bare, as in 0.8, or with yes or no. */
static int syslog_set(struct parser *p, const struct directive *directive, char *value)
{
	static const char *const words[] = { "no", "yes", NULL };
	int word = value ? word_find(words, value, strlen(value)) : 1;

	(void)directive;
	if (word >= 0)
		p->conf->use_syslog = word == 1;
	else
		error_add(p, "%s '%s' is unknown; expected yes or no", p->key, value);
	return 0;
}

/* An empty path takes back an earlier one, as in 0.8. */
static int path_set(struct parser *p, const struct directive *directive, char *value)
{
	char **path = setting_at(p, directive);
	char *copy = NULL;

	if (value[0]) {
		copy = strdup(value);
		if (!copy)
			return -ENOMEM;
	}
	free(*path);
	*path = copy;
	return 0;
}

static bool interface_name_valid(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < IF_NAMESIZE && !strpbrk(name, "/ \t\n\v\f\r") &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* The first one given wins, as in 0.8; an empty one is none. */
static int interface_set(struct parser *p, const struct directive *directive, char *value)
{
	struct conf *conf = p->conf;
	const char *name;

	(void)directive;
	if (conf->interface_count > 0) {
		message_add(p->messages, MESSAGE_WARNING, p->line,
			    "'%s' again: the first one stands, this one is ignored", p->key);
		return 0;
	}
	if (value[0] == '\0')
		return 0;
	for (int i = 0; (name = list_next(&value)); i++) {
		if (!interface_name_valid(name)) {
			error_add(p, "interface '%s' is not a name (1-%d bytes, no '/', no blanks)",
				  name, IF_NAMESIZE - 1);
		} else if (i > 0) {
			error_add(p, "interface '%s': several interfaces are not supported yet",
				  name);
		} else {
			strcpy(conf->interface[0], name);
			conf->interface_count = 1;
		}
	}
	return 0;
}

static int directive_refuse(struct parser *p, const struct directive *directive, char *value)
{
	(void)value;
	error_add(p, "directive '%s' is not supported yet; %s", p->key, directive->hint);
	return 0;
}

/* ---- address prefixes ---- */

/* Clear the host bits of @prefix. Returns whether there were any. */
static bool host_bits_clear(struct conf_prefix *prefix)
{
	unsigned int bytes = prefix->family == AF_INET ? 4 : 16;
	bool any = false;

	for (unsigned int i = 0; i < bytes; i++) {
		unsigned int left = prefix->length > 8 * i ? prefix->length - 8 * i : 0;
		uint8_t mask = left >= 8 ? 0xff : (uint8_t)(0xff00 >> left);

		any |= (prefix->address[i] & ~mask) != 0;
		prefix->address[i] &= mask;
	}
	return any;
}

static bool prefix_parse(struct parser *p, char *text, struct conf_prefix *prefix)
{
	char *slash = strchr(text, '/');
	char cut[INET6_ADDRSTRLEN];
	unsigned int most;
	uint64_t length;

	*prefix = (struct conf_prefix){ .line = p->line };
	if (slash)
		*slash = '\0';
	if (inet_pton(AF_INET, text, prefix->address) == 1)
		prefix->family = AF_INET;
	else if (inet_pton(AF_INET6, text, prefix->address) == 1)
		prefix->family = AF_INET6;
	else {
		error_add(p, "%s '%s' is not an address (such as 192.0.2.1 or 2001:db8::/32)",
			  p->key, text);
		return false;
	}
	most = prefix->family == AF_INET ? 32 : 128;
	length = most;
	if (slash && number_parse(slash + 1, 0, most, &length) != 0) {
		error_add(p, "prefix length '%s' is not a number (0-%u)", slash + 1, most);
		return false;
	}
	prefix->length = (unsigned int)length;
	if (host_bits_clear(prefix)) {
		inet_ntop(prefix->family, prefix->address, cut, sizeof(cut));
		error_add(p, "'%s/%u' has bits set behind its prefix; use %s/%u or %s/%u", text,
			  prefix->length, cut, prefix->length, text, most);
		return false;
	}
	return true;
}

static int prefixes_set(struct parser *p, const struct directive *directive, char *value)
{
	struct conf_prefixes *prefixes = setting_at(p, directive);
	struct conf_prefixes new = { NULL, 0 };
	size_t room = 1;
	bool good = true;
	char *entry;

	for (const char *c = value; *c; c++)
		room += *c == ',';
	new.at = calloc(room, sizeof(*new.at));
	if (!new.at)
		return -ENOMEM;
	while ((entry = list_next(&value))) {
		good &= prefix_parse(p, entry, &new.at[new.count]);
		new.count++;
	}
	if (!good) {
		free(new.at);
		return 0;
	}
	free(prefixes->at);
	*prefixes = new;
	return 0;
}

/* ---- ports ---- */

/* An inline comment was harmless where a list ended with a plain number, and nowhere else. */
static bool entry_clean(struct parser *p, char **entry, bool last)
{
	if (last && !strchr(*entry, ':'))
		*entry = comment_cut(*entry);
	if (!strchr(*entry, '#'))
		return true;
	error_add(p, "'#' begins no comment here; put comments on lines of their own");
	return false;
}

/* Split "NUMBER[:PROTO]" in place. */
static bool entry_split(struct parser *p, char *entry, char **number, enum conf_proto *proto)
{
	struct quote quote = entry_quote(entry);
	char *name;
	int word;

	*number = entry;
	*proto = CONF_TCP;
	name = strchr(entry, ':');
	if (!name)
		return true;
	*name++ = '\0';
	*number = text_trim(entry);
	name = text_trim(name);
	if (strchr(name, ':')) {
		error_add(p, "'%s' has more than two parts; expected NUMBER or NUMBER:PROTOCOL",
			  quote.text);
		return false;
	}
	word = word_find(conf_proto_names, name, strlen(name));
	if (word < 0) {
		error_add(p, "protocol '%s' is unknown; expected tcp, udp or icmp",
			  entry_quote(name).text);
		return false;
	}
	*proto = (enum conf_proto)word;
	return true;
}

static bool wire_number_parse(struct parser *p, const char *what, const char *text,
			      unsigned int min, unsigned int max, uint16_t *number)
{
	uint64_t value;

	switch (number_parse(text, min, max, &value)) {
	case 0:
		*number = (uint16_t)value;
		return true;
	case -ERANGE:
		error_add(p, "%s '%s' is out of range (%u-%u)", what, entry_quote(text).text, min,
			  max);
		return false;
	default:
		error_add(p, "%s '%s' is not a number (%u-%u)", what, entry_quote(text).text, min,
			  max);
		return false;
	}
}

static bool knock_parse(struct parser *p, char *entry, bool last, struct conf_knock *knock)
{
	char *number;

	if (!entry_clean(p, &entry, last) || !entry_split(p, entry, &number, &knock->proto))
		return false;
	if (knock->proto == CONF_ICMP)
		return wire_number_parse(p, "ICMP code", number, 0, 255, &knock->number);
	return wire_number_parse(p, "port", number, 1, 65535, &knock->number);
}

static int sequence_set(struct parser *p, const struct directive *directive, char *value)
{
	struct conf_sequence new = { .line = p->line };
	bool good = true;
	char *entry;

	while ((entry = list_next(&value))) {
		if (new.len == KNOCKD_SEQUENCE_MAX) {
			error_add(p, "%s has more than %d knocks", p->key, KNOCKD_SEQUENCE_MAX);
			return 0;
		}
		good &= knock_parse(p, entry, !value, &new.knock[new.len]);
		new.len++;
	}
	if (good)
		*(struct conf_sequence *)setting_at(p, directive) = new;
	return 0;
}

static bool range_parse(struct parser *p, char *entry, bool last, struct conf_range *range)
{
	char *first, *second;

	if (!entry_clean(p, &entry, last) || !entry_split(p, entry, &first, &range->proto))
		return false;
	if (range->proto == CONF_ICMP) {
		error_add(p, "protocol 'icmp' has no ports to open; expected tcp or udp");
		return false;
	}
	/* A minus in front is a sign, for the message about it. */
	second = first[0] ? strchr(first + 1, '-') : NULL;
	if (second)
		*second++ = '\0';
	first = text_trim(first);
	range->line = p->line;
	if (!wire_number_parse(p, "port", first, 1, 65535, &range->first))
		return false;
	range->last = range->first;
	if (second && !wire_number_parse(p, "port", text_trim(second), 1, 65535, &range->last))
		return false;
	if (range->last < range->first) {
		error_add(p, "range '%u-%u' is upside down; use %u-%u", range->first, range->last,
			  range->last, range->first);
		return false;
	}
	return true;
}

static int ranges_set(struct parser *p, const struct directive *directive, char *value)
{
	struct conf_ranges *ranges = setting_at(p, directive);
	struct conf_ranges new = { NULL, 0 };
	size_t room = 1;
	bool good = true;
	char *entry;

	for (const char *c = value; *c; c++)
		room += *c == ',';
	new.at = calloc(room, sizeof(*new.at));
	if (!new.at)
		return -ENOMEM;
	while ((entry = list_next(&value))) {
		good &= range_parse(p, entry, !value, &new.at[new.count]);
		new.count++;
	}
	if (!good) {
		free(new.at);
		return 0;
	}
	free(ranges->at);
	*ranges = new;
	return 0;
}

/* ---- TCP flags ---- */

static int flags_set(struct parser *p, const struct directive *directive, char *value)
{
	struct conf_flags *flags = setting_at(p, directive);
	struct conf_flags new = { .line = p->line };
	bool good = true;
	char *entry;

	while ((entry = list_next(&value))) {
		bool set = entry[0] != '!';
		const char *name = set ? entry : entry + 1;
		int word = word_find(conf_flag_names, name, strlen(name));
		uint8_t bit;

		if (word < 0) {
			char words[64];

			words_join(conf_flag_names, words, sizeof(words));
			error_add(p, "TCP flag '%s' is unknown; expected %s, or '!' and one", name,
				  words);
			good = false;
			continue;
		}
		bit = (uint8_t)(1 << word);
		if ((new.mask & bit) && ((new.value & bit) != 0) != set) {
			error_add(p, "TCP flag '%s' is both wanted and excluded", name);
			good = false;
		}
		new.mask |= bit;
		new.value |= set ? bit : 0;
	}
	if (good)
		*flags = new;
	return 0;
}

/* ---- the directives ---- */

#define OPTION(field) IN_OPTIONS, .offset = offsetof(struct conf, field)
#define DOOR(field) IN_DOOR, .offset = offsetof(struct conf_door, field)
#define TABLE_SIZE .min = CONF_TABLE_MIN, .max = CONF_TABLE_MAX

static const char command_hint[] = "use 'Open = PORT' to open a port without a command";
static const char stop_hint[] = "use 'Open_Time = SECONDS' to close what 'Open' opened";

static const struct directive directives[] = {
	{ "Interface", NULL, IN_OPTIONS, .set = interface_set },
	{ "UseSyslog", NULL, IN_OPTIONS | IN_DOOR, .set = syslog_set },
	{ "LogFile", NULL, OPTION(log_file), .set = path_set },
	{ "PidFile", NULL, OPTION(pid_file), .set = path_set },
	{ "Trust", NULL, OPTION(trust), .set = prefixes_set },
	{ "Closed", NULL, OPTION(closed), .set = choice_set, .words = conf_closed_names },
	{ "XDP_Mode", NULL, OPTION(xdp_mode), .set = choice_set, .words = conf_xdp_mode_names },
	{ "On_Exit", NULL, OPTION(on_exit), .set = choice_set, .words = conf_on_exit_names },
	{ "UDP_Idle", NULL, OPTION(udp_idle_s), .set = duration_set, .min = 1,
	  .max = CONF_UDP_IDLE_MAX_S },
	{ "Grant_Prefix6", NULL, OPTION(grant_prefix6), .set = number_set, .min = 1, .max = 128 },
	{ "Max_Sources", NULL, OPTION(max_sources), .set = number_set, TABLE_SIZE },
	{ "Max_Grants", NULL, OPTION(max_grants), .set = number_set, TABLE_SIZE },
	{ "Max_Flows", NULL, OPTION(max_flows), .set = number_set, TABLE_SIZE },

	{ "Sequence", NULL, DOOR(sequence), .set = sequence_set },
	{ "Seq_Timeout", "Timeout", DOOR(seq_timeout_s), .set = seq_timeout_set, .min = 1,
	  .max = CONF_SEQ_TIMEOUT_MAX_S },
	{ "TCPFlags", NULL, DOOR(flags), .set = flags_set },
	{ "Open", NULL, DOOR(open), .set = ranges_set },
	{ "Open_Time", NULL, DOOR(open_time_s), .set = open_time_set, .min = 0,
	  .max = CONF_OPEN_TIME_MAX_S },
	{ "Close_Sequence", NULL, DOOR(close_sequence), .set = sequence_set },
	{ "Trust", NULL, DOOR(trust), .set = prefixes_set },
	{ "Knock_From", NULL, DOOR(knock_from), .set = prefixes_set },
	{ "Cmd_Timeout", NULL, IN_DOOR, .set = cmd_timeout_skip, .max = INT32_MAX },
	{ "One_Time_Sequences", NULL, IN_DOOR, .set = directive_refuse,
	  .hint = "use 'Sequence = PORT,PORT,PORT'" },
	{ "Target", NULL, IN_DOOR, .set = directive_refuse,
	  .hint = "without it a knock to any address of the interface counts" },
	{ "Connections", NULL, IN_DOOR, .set = directive_refuse,
	  .hint = "use 'Open_Time = SECONDS' to bound what a knock opens" },
	{ "Start_Command", "Command", IN_DOOR, .set = directive_refuse, .hint = command_hint },
	{ "Start_Command_6", "Command_6", IN_DOOR, .set = directive_refuse, .hint = command_hint },
	{ "Stop_Command", NULL, IN_DOOR, .set = directive_refuse, .hint = stop_hint },
	{ "Stop_Command_6", NULL, IN_DOOR, .set = directive_refuse, .hint = stop_hint },
};

enum { DIRECTIVE_COUNT = sizeof(directives) / sizeof(directives[0]) };
_Static_assert((int)DIRECTIVE_COUNT <= (int)DIRECTIVES_MAX, "each has a place in struct parser");

static bool directive_named(const struct directive *directive, const char *name)
{
	return strcasecmp(directive->name, name) == 0 ||
	       (directive->alias && strcasecmp(directive->alias, name) == 0);
}

/* The directive of that name that may stand in @where, else one that may elsewhere, else NULL. */
static const struct directive *directive_find(const char *name, enum where where)
{
	const struct directive *other = NULL;

	for (size_t i = 0; i < DIRECTIVE_COUNT; i++) {
		if (!directive_named(&directives[i], name))
			continue;
		if (directives[i].where & where)
			return &directives[i];
		other = &directives[i];
	}
	return other;
}

/* The line on which the door at hand has the directive @name, or 0. */
static unsigned int door_line(const struct parser *p, const char *name)
{
	return p->seen_door[directive_find(name, IN_DOOR) - directives];
}

/* ---- unknown directives ---- */

static int min3(int a, int b, int c)
{
	int least = a < b ? a : b;

	return least < c ? least : c;
}

static int lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

/* Letters to insert, drop, change or swap with their neighbour to get from @a to @b, case aside. */
static int names_distance(const char *a, const char *b)
{
	int distance[NAME_LEN_MAX + 1][NAME_LEN_MAX + 1];
	size_t rows = strlen(a), columns = strlen(b);

	if (rows > NAME_LEN_MAX || columns > NAME_LEN_MAX)
		return NAME_LEN_MAX;
	for (size_t i = 0; i <= rows; i++)
		distance[i][0] = (int)i;
	for (size_t j = 0; j <= columns; j++)
		distance[0][j] = (int)j;
	for (size_t i = 1; i <= rows; i++) {
		for (size_t j = 1; j <= columns; j++) {
			bool same = lower(a[i - 1]) == lower(b[j - 1]);
			int *here = &distance[i][j];

			*here = min3(distance[i - 1][j] + 1, distance[i][j - 1] + 1,
				     distance[i - 1][j - 1] + !same);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]) &&
			    distance[i - 2][j - 2] + 1 < *here)
				*here = distance[i - 2][j - 2] + 1;
		}
	}
	return distance[rows][columns];
}

/* The known name that @name was probably meant to be, or NULL. */
static const char *name_suggest(const char *name, enum where where)
{
	const char *best = NULL;
	int most = (int)strlen(name) / 3;
	int least;

	most = most < 1 ? 1 : most > 3 ? 3 : most;
	least = 2 * most + 2;
	for (size_t i = 0; i < DIRECTIVE_COUNT; i++) {
		const char *const names[] = { directives[i].name, directives[i].alias };

		for (size_t j = 0; j < 2 && names[j]; j++) {
			int distance = names_distance(name, names[j]);
			/* Of two equally near, the one that may stand here. */
			int rank = 2 * distance + !(directives[i].where & where);

			if (distance <= most && rank < least) {
				best = names[j];
				least = rank;
			}
		}
	}
	return best;
}

/*
 * Say that a line is no directive we know. It may be a sequence that lost its key, so only a name
 * at its start is quoted.
 */
static void unknown_report(struct parser *p, enum where where, bool has_value)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	char name[NAME_LEN_MAX + 1];
	const char *suggestion;
	size_t len = strspn(p->key, letters);

	len += len ? strspn(p->key + len, "0123456789") : 0;
	if (len == 0) {
		error_add(p, "no directive; expected 'NAME = VALUE'");
		return;
	}
	snprintf(name, sizeof(name), "%.*s", (int)len, p->key);
	if (directive_find(name, where)) {
		error_add(p, "directive '%s' without '='; expected '%s = VALUE'", name, name);
		return;
	}
	suggestion = name_suggest(name, where);
	if (suggestion)
		error_add(p, "directive '%s' is unknown; did you mean '%s'?", name, suggestion);
	else if (has_value)
		error_add(p, "directive '%s' is unknown; knockd.conf(5) lists all", name);
	else
		error_add(p, "'%s' is no directive; expected 'NAME = VALUE'", name);
}

static void misplaced_report(struct parser *p, const struct directive *directive)
{
	if (directive->where & IN_DOOR)
		error_add(p, "directive '%s' belongs in the section of a door, not in [options]",
			  p->key);
	else if (strcasecmp(p->door->name, "options") == 0)
		error_add(p, "directive '%s' belongs in [options]; [%s] is a door, case matters",
			  p->key, p->door->name);
	else
		error_add(p, "directive '%s' belongs in [options], not in door '%s'", p->key,
			  p->door->name);
}

/* ---- lines ---- */

/* The last one wins, as in 0.8. That is seldom meant: of two lines Open one would guard nothing. */
static void repeat_report(struct parser *p, const struct directive *directive)
{
	unsigned int *seen = p->section == SECTION_DOOR ? p->seen_door : p->seen_options;
	unsigned int *line = &seen[directive - directives];

	if (*line > 0 && directive->set != interface_set && directive->set != directive_refuse)
		message_add(p->messages, MESSAGE_WARNING, p->line,
			    "'%s' again: replaces the one on line %u", directive->name, *line);
	*line = p->line;
}

/* What can be said of a door only when all its lines are read. */
static void door_finish(struct parser *p)
{
	struct conf_door *door = p->door;

	if (p->section != SECTION_DOOR)
		return;
	if (!door_line(p, "Sequence") && !door_line(p, "One_Time_Sequences"))
		message_add(p->messages, MESSAGE_ERROR, door->line,
			    "door '%s' has no sequence; add 'Sequence = PORT,PORT,PORT'",
			    door->name);
	if (door->seq_timeout_s == 0) {
		if (door->sequence.len > 1)
			message_add(p->messages, MESSAGE_ERROR, door_line(p, "Seq_Timeout"),
				    "with Seq_Timeout 0 door '%s' never opens; expected 1-%d",
				    door->name, CONF_SEQ_TIMEOUT_MAX_S);
		door->seq_timeout_s = 1;
	}
	if (door->close_sequence.len > 0 && door->close_sequence.len == door->sequence.len &&
	    conf_sequence_ends_with(&door->sequence, &door->close_sequence))
		message_add(p->messages, MESSAGE_ERROR, door->close_sequence.line,
			    "Close_Sequence of door '%s' is its Sequence; they must differ",
			    door->name);
}

static int section_begin(struct parser *p, const char *name)
{
	door_finish(p);
	p->door = NULL;
	if (name[0] == '\0') {
		error_add(p, "section without a name; expected '[options]' or a door's '[NAME]'");
		p->section = SECTION_BAD;
		return 0;
	}
	if (strcmp(name, "options") == 0) {
		p->section = SECTION_OPTIONS;
		return 0;
	}
	if (p->conf->door_count == KNOCKD_DOORS_MAX) {
		if (!p->doors_full)
			error_add(p, "more than %d doors", KNOCKD_DOORS_MAX);
		p->doors_full = true;
		p->section = SECTION_BAD;
		return 0;
	}
	p->door = conf_door_add(p->conf, name, p->line);
	if (!p->door)
		return -ENOMEM;
	p->section = SECTION_DOOR;
	memset(p->seen_door, 0, sizeof(p->seen_door));
	return 0;
}

/* "[ssh] # mine": an error, but what follows is meant for that door. */
static int broken_section_begin(struct parser *p, char *name)
{
	char *end = strchr(name, ']');

	error_add(p, "a section is '[NAME]', alone on its line");
	if (end) {
		*end = '\0';
		return section_begin(p, name);
	}
	door_finish(p);
	p->section = SECTION_BAD;
	return 0;
}

static int directive_parse(struct parser *p, char *value)
{
	enum where where = p->section == SECTION_OPTIONS ? IN_OPTIONS : IN_DOOR;
	const struct directive *directive = directive_find(p->key, where);

	if (p->section == SECTION_NONE) {
		error_add(p, "a directive before the first section; expected '[options]' or a "
			  "door's '[NAME]'");
		/* Once is enough. */
		p->section = SECTION_BAD;
		return 0;
	}
	if (p->section == SECTION_BAD)
		return 0;
	if (!directive || (!value && directive->set != syslog_set)) {
		unknown_report(p, where, value != NULL);
		return 0;
	}
	if (!(directive->where & where)) {
		misplaced_report(p, directive);
		return 0;
	}
	repeat_report(p, directive);
	return directive->set(p, directive, value);
}

/* Doors with different flags see different streams of knocks, which the kernel side keeps apart. */
static void streams_check(struct parser *p)
{
	const struct conf *conf = p->conf;
	const struct conf_flags *stream[KNOCKD_STREAMS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < conf->door_count; i++) {
		const struct conf_flags *flags = &conf->door[i].flags;
		size_t s = 0;

		while (s < count && !conf_flags_equal(stream[s], flags))
			s++;
		if (s < count)
			continue;
		if (count == KNOCKD_STREAMS_MAX) {
			message_add(p->messages, MESSAGE_ERROR,
				    flags->line ? flags->line : conf->door[i].line,
				    "door '%s' is one too many with TCPFlags of its own; "
				    "the doors may have %d different ones",
				    conf->door[i].name, KNOCKD_STREAMS_MAX);
			return;
		}
		stream[count++] = flags;
	}
}

int parse_text(struct conf *conf, const char *text, size_t len, struct messages *messages)
{
	struct parser p = { .conf = conf, .messages = messages };
	size_t errors_before = messages->errors;
	enum lex_kind kind;
	struct lex lex;
	int err = 0;

	lex_init(&lex, text, len);
	while (!err && (kind = lex_next(&lex)) != LEX_END) {
		p.line = lex.line;
		p.key = lex.key;
		switch (kind) {
		case LEX_SECTION:
			err = section_begin(&p, lex.key);
			break;
		case LEX_DIRECTIVE:
			if (lex.key[0] == '[')
				err = broken_section_begin(&p, lex.key + 1);
			else
				err = directive_parse(&p, lex.value);
			break;
		case LEX_TOO_LONG:
			error_add(&p, "line is longer than %d bytes", LEX_LINE_MAX);
			break;
		case LEX_NUL:
			error_add(&p, "line holds a NUL byte; a config is plain text");
			break;
		case LEX_END:
			break;
		}
	}
	if (err)
		return err;
	door_finish(&p);
	streams_check(&p);
	return messages->errors > errors_before ? -EINVAL : 0;
}
