// SPDX-License-Identifier: GPL-2.0-or-later
#include "directive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lex.h"
#include "number.h"
#include "parse.h"

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

/*
 * 0.8 looks at no third part of a knock. Where the second one is no protocol the writer took ':'
 * for what separates knocks.
 */
static bool entry_end_cut(struct parser *p, char *entry, bool lenient)
{
	char *name = strchr(entry, ':');
	char *rest = name ? strchr(name + 1, ':') : NULL;
	struct quote quote = entry_quote(entry);

	if (!rest)
		return true;
	*rest = '\0';
	name = text_trim(name + 1);
	if (!lenient || word_find(conf_proto_names, name, strlen(name)) < 0) {
		error_add(p, "'%s' has more than two parts; expected NUMBER or NUMBER:PROTOCOL",
			  quote.text);
		return false;
	}
	warning_add(p, "'%s' has more than two parts; what follows the protocol does not count",
		    quote.text);
	return true;
}

/* Split "NUMBER[:PROTO]" in place. */
static bool entry_split(struct parser *p, char *entry, char **number, enum conf_proto *proto)
{
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

	if (!entry_end_cut(p, entry, true) || !entry_clean(p, &entry, last) ||
	    !entry_split(p, entry, &number, &knock->proto))
		return false;
	if (knock->proto == CONF_ICMP)
		return wire_number_parse(p, "ICMP code", number, 0, 255, &knock->number);
	return wire_number_parse(p, "port", number, 1, 65535, &knock->number);
}

static bool sequence_read(struct parser *p, char *value, struct conf_sequence *sequence)
{
	bool good = true;
	char *entry;

	while ((entry = list_next(&value))) {
		if (sequence->len == KNOCKD_SEQUENCE_MAX) {
			error_add(p, "%s has more than %d knocks", p->key, KNOCKD_SEQUENCE_MAX);
			return false;
		}
		good &= knock_parse(p, entry, !value, &sequence->knock[sequence->len]);
		sequence->len++;
	}
	return good;
}

int sequence_set(struct parser *p, const struct directive *directive, char *value)
{
	struct conf_sequence new = { .line = p->line };

	if (sequence_read(p, value, &new))
		*(struct conf_sequence *)setting_at(p, directive) = new;
	return 0;
}

int parse_sequence(const char *text, struct conf_sequence *out)
{
	struct conf_sequence new = {};
	char copy[LEX_LINE_MAX + 1];
	struct messages unheard;
	struct parser p = { .messages = &unheard, .key = "" };
	bool good;

	if (strlen(text) > LEX_LINE_MAX)
		return -EINVAL;
	strcpy(copy, text);
	messages_init(&unheard, "");
	good = sequence_read(&p, copy, &new);
	messages_free(&unheard);
	if (!good)
		return -EINVAL;
	*out = new;
	return 0;
}

static bool range_parse(struct parser *p, char *entry, bool last, struct conf_range *range)
{
	char *first, *second;

	if (!entry_end_cut(p, entry, false) || !entry_clean(p, &entry, last) ||
	    !entry_split(p, entry, &first, &range->proto))
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

int ranges_set(struct parser *p, const struct directive *directive, char *value)
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

int flags_set(struct parser *p, const struct directive *directive, char *value)
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
		/* As in 0.8. */
		if ((new.mask & bit) && ((new.value & bit) != 0) != set)
			warning_add(p, "TCP flag '%s' is both wanted and excluded; the last counts",
				    name);
		new.mask |= bit;
		new.value = (uint8_t)((new.value & ~bit) | (set ? bit : 0));
	}
	if (good)
		*flags = new;
	return 0;
}
