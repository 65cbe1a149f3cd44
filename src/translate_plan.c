// SPDX-License-Identifier: GPL-2.0-or-later
#include "translate_plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lex.h"
#include "number.h"
#include "text.h"

/* A door with a longer line is not touched: what takes its place must fit LEX_LINE_MAX. */
enum { LINE_SANE_MAX = 1024, NOTE_MAX = 512 };

static const struct {
	const char *name;
	enum role role;
} directives[] = {
	{ "Start_Command", ROLE_START },     { "Command", ROLE_START },
	{ "Start_Command_6", ROLE_START6 },  { "Command_6", ROLE_START6 },
	{ "Stop_Command", ROLE_STOP },	     { "Stop_Command_6", ROLE_STOP6 },
	{ "Cmd_Timeout", ROLE_TIMEOUT },     { "Sequence", ROLE_SEQUENCE },
	{ "Open", ROLE_OPEN },		     { "Open_Time", ROLE_OPEN },
	{ "Close_Sequence", ROLE_OPEN },     { "Connections", ROLE_OPEN },
	{ "Seq_Timeout", ROLE_PACE },	     { "Timeout", ROLE_PACE },
	{ "TCPFlags", ROLE_PACE },
};

/* ---- notes ---- */

const char note_mark[] = "# knockd:";

/* Whether the line at @i, or one of the comments of ours above it, is @note already. */
static bool note_known(const struct plan *plan, size_t i, const char *note)
{
	size_t len = strlen(note);

	while (i-- > 0) {
		const struct line *line = &plan->line[i];

		if (line->len < strlen(note_mark) ||
		    memcmp(line->at, note_mark, strlen(note_mark)) != 0)
			return false;
		if (line->len == len && memcmp(line->at, note, len) == 0)
			return true;
	}
	return false;
}

void note_add(struct plan *plan, size_t i, const char *format, ...)
{
	struct line *line = &plan->line[i];
	char note[NOTE_MAX];
	size_t used = (size_t)sprintf(note, "%s ", note_mark);
	va_list arguments;
	char *notes;

	va_start(arguments, format);
	vsnprintf(note + used, sizeof(note) - used, format, arguments);
	va_end(arguments);
	text_disarm(note);
	if (note_known(plan, i, note))
		return;
	if (asprintf(&notes, "%s%s%s", line->notes ? line->notes : "", note, plan->eol) < 0) {
		plan->short_of_memory = true;
		return;
	}
	free(line->notes);
	line->notes = notes;
}

static void line_leave(struct plan *plan, size_t i, const char *why)
{
	/* Where the reason does not say what to do, it is always the same. */
	if (!plan->line[i].left)
		note_add(plan, i, "left alone: %s%s", why, strchr(why, ';') ? "" :
			 "; if all it does is to open and close ports here, 'Open' can take its "
			 "place");
	plan->line[i].left = true;
}

/* Leave all commands of @door as they are; those that have a reason of their own keep it. */
static void door_leave(struct plan *plan, struct door *door, const char *why)
{
	door->fate = FATE_LEFT;
	for (int role = 0; role < ROLE_COMMANDS; role++)
		if (door->line[role])
			line_leave(plan, door->line[role], why);
}

/* ---- reading ---- */

static enum role role_find(const char *name)
{
	for (size_t i = 0; i < sizeof(directives) / sizeof(directives[0]); i++)
		if (strcasecmp(directives[i].name, name) == 0)
			return directives[i].role;
	return ROLE_OTHER;
}

int lines_split(struct plan *plan, const char *text, size_t len)
{
	size_t count = len > 0 && text[len - 1] != '\n';

	for (size_t i = 0; i < len; i++)
		count += text[i] == '\n';
	plan->line = calloc(count + 1, sizeof(*plan->line));
	if (!plan->line)
		return -ENOMEM;
	for (; plan->line_count < count; plan->line_count++) {
		struct line *line = &plan->line[plan->line_count];
		const char *newline = memchr(text, '\n', len);

		line->at = text;
		line->len = newline ? (size_t)(newline - text) : len;
		line->whole = newline != NULL;
		text += line->len + line->whole;
		len -= line->len + line->whole;
		/* A carriage return stays with the newline. */
		if (line->whole && line->len > 0 && line->at[line->len - 1] == '\r')
			line->len--;
	}
	if (count > 0 && plan->line[0].whole && plan->line[0].at[plan->line[0].len] == '\r')
		plan->eol = "\r\n";
	return 0;
}

/* Note for @door what stands on its line at @i. */
static void directive_place(struct plan *plan, struct door *door, size_t i, const struct lex *lex)
{
	struct line *line = &plan->line[i];
	enum role role = role_find(lex->key);

	line->key_len = strlen(lex->key);
	if (lex->value) {
		line->value = line->at + (lex->value - lex->text);
		line->value_len = strlen(lex->value);
	}
	door->twice |= role <= ROLE_SEQUENCE && door->line[role];
	door->too_long |= line->len > LINE_SANE_MAX;
	door->line[role] = i;
}

int doors_read(struct plan *plan, const char *text, size_t len)
{
	struct door *door = NULL;
	struct lex lex;
	enum lex_kind kind;

	plan->door = calloc(plan->conf->door_count + 1, sizeof(*plan->door));
	if (!plan->door)
		return -ENOMEM;
	lex_init(&lex, text, len);
	while ((kind = lex_next(&lex)) != LEX_END) {
		size_t i = lex.line - 1;

		if (kind == LEX_SECTION) {
			door = NULL;
			if (strcmp(lex.key, "options") != 0) {
				door = &plan->door[plan->door_count];
				door->conf = &plan->conf->door[plan->door_count++];
				door->section = i;
				plan->line[i].key_len = strlen(lex.key) + 2;
			}
		} else if (door) {
			directive_place(plan, door, i, &lex);
		}
		plan->line[i].door = door ? plan->door_count : 0;
	}
	return 0;
}

/* The value of @line, in @text of LEX_LINE_MAX + 1 bytes. */
static char *value_copy(const struct line *line, char *text)
{
	memcpy(text, line->value, line->value_len);
	text[line->value_len] = '\0';
	return text;
}

/* ---- doors ---- */

/* What of @door stands against 'Open', whatever its commands are; or NULL. */
static const char *door_obstacle(const struct door *door)
{
	if (door->twice)
		return "a directive of this door is given twice; keep the last, which is the one "
		       "that counts";
	if (door->too_long)
		return "a line of this door is too long; shorten it and translate again";
	if (door->line[ROLE_OPEN])
		return "the door has 'Open' or what belongs to it already; delete this if it is "
		       "for the same ports";
	if (door->conf->target.family)
		return "beside a Target, 'Open' is about the ports of that host; write it if they "
		       "are meant";
	if (!door->line[ROLE_START])
		return "without a Start_Command this is not for IPv4, and 'Open' is for IPv4 and "
		       "IPv6";
	if (door->line[ROLE_STOP6] && !door->line[ROLE_STOP])
		return "it closes for IPv6 only, and 'Open' is for IPv4 and IPv6";
	return NULL;
}

/* Read the command of @door in @role. Returns whether it is understood. */
static bool command_read(struct plan *plan, struct door *door, int role,
			 struct firewall_rule *rule)
{
	struct line *line = &plan->line[door->line[role]];
	char text[LEX_LINE_MAX + 1], why[FIREWALL_WHY_MAX];

	value_copy(line, text);
	if (firewall_rule_read(text, rule, why) != 0) {
		door->suspect |= firewall_suspect(text);
		line_leave(plan, door->line[role], text[0] ? why :
			   "it is empty, so that nothing happens; 'Open' is for IPv4 and IPv6, and "
			   "can take its place only if both may open");
		return false;
	}
	if (rule->interface[0] && (plan->conf->interface_count != 1 ||
				   strcmp(rule->interface, plan->conf->interface[0]) != 0)) {
		door->suspect = true;
		line_leave(plan, door->line[role], "it is about one interface; make that the "
			   "Interface in [options] and translate again");
		return false;
	}
	if (rule->comment)
		line->comment = line->value + (rule->comment - text);
	rule->comment = NULL;
	return true;
}

/* Whether the commands of @door are understood and about one rule, which door->rule then is. */
static bool commands_read(struct plan *plan, struct door *door)
{
	bool good = command_read(plan, door, ROLE_START, &door->rule);

	for (int role = ROLE_START6; role < ROLE_COMMANDS; role++) {
		enum firewall_action action = role == ROLE_START6 ? door->rule.action :
								    FIREWALL_DELETE;
		struct firewall_rule rule;

		if (!door->line[role])
			continue;
		if (!command_read(plan, door, role, &rule)) {
			good = false;
		} else if (good && (rule.action != action || door->rule.time_s ||
				    !firewall_rule_equal(&rule, &door->rule) ||
				    (role != ROLE_START6 && door->rule.action != FIREWALL_ADD))) {
			line_leave(plan, door->line[role], role == ROLE_START6 ?
				   "it is not the same rule as that of the Start_Command" :
				   "it does not take back what the Start_Command does");
			door->suspect = true;
			good = false;
		}
	}
	return good;
}

/* Cmd_Timeout means seconds, and with 0 a door closes at once, where Open_Time never would. */
static bool timeout_fits(const struct plan *plan, const struct door *door)
{
	char text[LEX_LINE_MAX + 1], *value;
	uint64_t seconds;

	if (!door->line[ROLE_TIMEOUT])
		return true;
	value = value_copy(&plan->line[door->line[ROLE_TIMEOUT]], text);
	value[strcspn(value, "#")] = '\0';
	return number_parse(text_trim(value), 1, CONF_OPEN_TIME_MAX_S, &seconds) == 0;
}

/* Say what @door does, or why it is left alone. */
static void door_judge(struct plan *plan, struct door *door)
{
	const char *obstacle = door_obstacle(door);
	bool stops = door->line[ROLE_STOP];

	if (!door->line[ROLE_START] && !door->line[ROLE_START6] && !stops &&
	    !door->line[ROLE_STOP6])
		return;
	if (obstacle) {
		door->suspect = true;
		door_leave(plan, door, obstacle);
	} else if (!commands_read(plan, door)) {
		door_leave(plan, door, "another command of this door was left alone; see there");
	} else if (stops && !timeout_fits(plan, door)) {
		door_leave(plan, door, "its Cmd_Timeout cannot be an Open_Time; write a number of "
			   "seconds, and not 0, which would be for ever");
	} else if (stops || (door->rule.action == FIREWALL_ADD && door->rule.time_s)) {
		door->fate = FATE_TIMED;
	} else {
		door->fate = door->rule.action == FIREWALL_ADD ? FATE_OPENS : FATE_CLOSES;
	}
}

static bool sequences_equal(const struct conf_sequence *a, const struct conf_sequence *b)
{
	return a->len == b->len && conf_sequence_ends_with(a, b);
}

/* Make the closing @door the Close_Sequence of those that open what it closes. */
static void door_merge(struct plan *plan, struct door *door)
{
	const struct conf_sequence *sequence = &door->conf->sequence;

	if (!door->line[ROLE_SEQUENCE] || door->line[ROLE_OTHER]) {
		door_leave(plan, door, "its door has more than a Sequence and a command, which a "
			   "Close_Sequence cannot have; write one by hand in the door that it "
			   "closes");
		return;
	}
	for (struct door *other = plan->door; other < plan->door + plan->door_count; other++) {
		if ((other->fate != FATE_TIMED && other->fate != FATE_OPENS) || other->closer ||
		    !firewall_rule_equal(&other->rule, &door->rule) ||
		    sequences_equal(sequence, &other->conf->sequence))
			continue;
		other->closer = door;
		door->fate = FATE_MERGED;
		note_add(plan, door->section, "[%s] is the Close_Sequence of [%s] now%s",
			 door->conf->name, other->conf->name,
			 door->conf->seq_timeout_s == other->conf->seq_timeout_s &&
			 conf_flags_equal(&door->conf->flags, &other->conf->flags) ? "" :
			 ", with the Seq_Timeout and the TCPFlags of that one");
	}
	if (door->fate != FATE_MERGED)
		door_leave(plan, door, "no door that was translated opens what it closes, or "
			   "another one closes that already; delete the door if nothing needs it");
}

/* ---- what becomes of the lines ---- */

/*
 * A door that opens until something closes, when nothing here is known to: if what was left alone
 * may be what does, it would close a rule that is no longer there.
 */
static void endless_judge(struct plan *plan, struct door *door)
{
	for (const struct door *other = plan->door; other < plan->door + plan->door_count; other++)
		if (other != door && other->suspect) {
			door_leave(plan, door, "a command that was not understood may be what "
				   "takes this back; write 'Open' and 'Open_Time' here once "
				   "that is clear");
			return;
		}
	note_add(plan, door->line[ROLE_START], "open until 'knockctl close', as no door takes this "
		 "back; 'Open_Time = 30' would close it by itself");
}

static void door_change(struct plan *plan, const struct door *door)
{
	size_t start = door->line[ROLE_START];

	for (size_t i = 0; door->fate == FATE_MERGED && i < plan->line_count; i++)
		if (plan->line[i].key_len && &plan->door[plan->line[i].door - 1] == door)
			plan->line[i].change = CHANGE_DISABLE;
	if (door->fate != FATE_TIMED && door->fate != FATE_OPENS)
		return;
	for (int role = ROLE_START6; role < ROLE_COMMANDS; role++)
		if (door->line[role])
			plan->line[door->line[role]].change = CHANGE_DROP;
	plan->line[start].change = CHANGE_OPEN;
	if (door->line[ROLE_STOP] && door->line[ROLE_TIMEOUT])
		plan->line[door->line[ROLE_TIMEOUT]].change = CHANGE_TIME;
	if (door->rule.remark)
		note_add(plan, start, "%s", door->rule.remark);
}

bool doors_plan(struct plan *plan)
{
	struct door *end = plan->door + plan->door_count;
	bool any = false;

	for (struct door *door = plan->door; door < end; door++)
		door_judge(plan, door);
	for (struct door *door = plan->door; door < end; door++)
		if (door->fate == FATE_CLOSES) {
			door_merge(plan, door);
			door->suspect = door->fate == FATE_LEFT;
		}
	for (struct door *door = plan->door; door < end; door++)
		if (door->fate == FATE_OPENS && !door->closer)
			endless_judge(plan, door);
	for (struct door *door = plan->door; door < end; door++) {
		door_change(plan, door);
		any |= door->fate != FATE_LEFT;
	}
	return any;
}

void plan_free(struct plan *plan)
{
	for (size_t i = 0; i < plan->line_count; i++)
		free(plan->line[i].notes);
	free(plan->line);
	free(plan->door);
}
