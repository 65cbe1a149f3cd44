// SPDX-License-Identifier: GPL-2.0-or-later
#include "directive.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lex.h"
#include "number.h"

void error_add(struct parser *p, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	message_addv(p->messages, MESSAGE_ERROR, p->line, format, arguments);
	va_end(arguments);
}

void warning_add(struct parser *p, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	message_addv(p->messages, MESSAGE_WARNING, p->line, format, arguments);
	va_end(arguments);
}

void *setting_at(const struct parser *p, const struct directive *directive)
{
	char *base = directive->where == IN_DOOR ? (char *)p->door : (char *)p->conf;

	return base + directive->offset;
}

char *comment_cut(char *text)
{
	text[strcspn(text, "#")] = '\0';
	return text_trim(text);
}

/* ---- numbers and times ---- */

int number_set(struct parser *p, const struct directive *directive, char *value)
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

int duration_set(struct parser *p, const struct directive *directive, char *value)
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

int open_time_set(struct parser *p, const struct directive *directive, char *value)
{
	p->door->open_time_line = p->line;
	return duration_set(p, directive, value);
}

/*
 * A time of 0.8, which takes whatever atoi() makes of it: what begins with digits has to work. A
 * warning tells how it is read where it may be meant otherwise.
 */
static uint64_t old_time_read(struct parser *p, const char *text, size_t digits, uint64_t most)
{
	size_t sign = text[0] == '+';
	char number[LEX_LINE_MAX + 1];
	bool plain = !sign;
	uint64_t there, here;

	memcpy(number, text + sign, digits);
	number[digits] = '\0';
	if (number_parse(number, 0, most, &there) != 0)
		there = most + 1;
	switch (duration_parse(text + sign, 0, most, &here)) {
	case 0:
		break;
	case -ERANGE:
		here = most + 1;
		break;
	default:
		here = there;
		plain = false;
	}
	if (here > most) {
		here = most;
		warning_add(p, "%s '%s' is read as %ju seconds, the most there is", p->key, text,
			    (uintmax_t)here);
	} else if (here != there) {
		warning_add(p, "%s '%s' is read as %ju seconds; knockd 0.8 reads %ju", p->key,
			    text, (uintmax_t)here, (uintmax_t)there);
	} else if (!plain) {
		warning_add(p, "%s '%s' is read as %ju seconds", p->key, text, (uintmax_t)here);
	}
	return here;
}

/* 0 is for later: a door with one knock works with a Seq_Timeout of 0. */
int old_time_set(struct parser *p, const struct directive *directive, char *value)
{
	size_t digits;

	value = comment_cut(value);
	digits = strspn(value + (value[0] == '+'), "0123456789");
	if (digits > 0)
		*(uint32_t *)setting_at(p, directive) =
			(uint32_t)old_time_read(p, value, digits, directive->max);
	else
		error_add(p, "%s '%s' is not a time (such as 30, 90s, 5m, 12h or 1d)", p->key,
			  value);
	return 0;
}

int cmd_timeout_set(struct parser *p, const struct directive *directive, char *value)
{
	p->door->commands.timeout_line = p->line;
	return old_time_set(p, directive, value);
}

/* ---- words ---- */

int word_find(const char *const *words, const char *text, size_t len)
{
	for (int i = 0; words[i]; i++)
		if (strlen(words[i]) == len && strncasecmp(words[i], text, len) == 0)
			return i;
	return -1;
}

void words_join(const char *const *words, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (int i = 0; words[i] && used < size; i++) {
		const char *before = i == 0 ? "" : words[i + 1] ? ", " : " or ";

		used += (size_t)snprintf(out + used, size - used, "%s%s", before, words[i]);
	}
}

int choice_set(struct parser *p, const struct directive *directive, char *value)
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
int syslog_set(struct parser *p, const struct directive *directive, char *value)
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

/* ---- text ---- */

/* Replace @text by a copy of @value; an empty one is NULL unless it is to be @kept. */
static int text_replace(char **text, const char *value, bool kept)
{
	char *copy = NULL;

	if (value[0] || kept) {
		copy = strdup(value);
		if (!copy)
			return -ENOMEM;
	}
	free(*text);
	*text = copy;
	return 0;
}

/* An empty path takes back an earlier one, as in 0.8. */
int path_set(struct parser *p, const struct directive *directive, char *value)
{
	return text_replace(setting_at(p, directive), value, false);
}

/* An empty command is one that does nothing, and for IPv6 not the same as none. */
int command_set(struct parser *p, const struct directive *directive, char *value)
{
	return text_replace(setting_at(p, directive), value, true);
}

int one_time_set(struct parser *p, const struct directive *directive, char *value)
{
	if (value[0] == '\0') {
		error_add(p, "%s is empty; expected the path of a file with sequences", p->key);
		return 0;
	}
	p->door->one_time_at = p->line;
	return text_replace(setting_at(p, directive), value, false);
}

/* ---- interfaces ---- */

static bool interface_name_valid(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < IF_NAMESIZE && !strpbrk(name, "/ \t\n\v\f\r") &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static void interface_add(struct parser *p, const char *name)
{
	struct conf *conf = p->conf;

	if (!interface_name_valid(name)) {
		error_add(p, "interface '%s' is not a name (1-%d bytes, no '/', no blanks)", name,
			  IF_NAMESIZE - 1);
		return;
	}
	for (unsigned int i = 0; i < conf->interface_count; i++) {
		if (strcmp(conf->interface[i], name) == 0) {
			error_add(p, "interface '%s' stands there twice", name);
			return;
		}
	}
	if (conf->interface_count == KNOCKD_INTERFACES_MAX) {
		error_add(p, "interface '%s' is one too many; there may be %d", name,
			  KNOCKD_INTERFACES_MAX);
		return;
	}
	strcpy(conf->interface[conf->interface_count++], name);
}

/* The first line given wins, as in 0.8; an empty one is none. */
int interface_set(struct parser *p, const struct directive *directive, char *value)
{
	const char *name;

	(void)directive;
	if (p->conf->interface_count > 0) {
		warning_add(p, "'%s' again: the first one stands, this one is ignored", p->key);
		return 0;
	}
	if (value[0] == '\0')
		return 0;
	while ((name = list_next(&value)))
		interface_add(p, name);
	return 0;
}
