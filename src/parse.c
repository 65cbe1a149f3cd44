// SPDX-License-Identifier: GPL-2.0-or-later
#include "parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "directive.h"
#include "lex.h"
#include "spelling.h"

#define OPTION(field) IN_OPTIONS, .offset = offsetof(struct conf, field)
#define DOOR(field) IN_DOOR, .offset = offsetof(struct conf_door, field)
#define TABLE_SIZE .min = CONF_TABLE_MIN, .max = CONF_TABLE_MAX

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
	{ "Max_Commands", NULL, OPTION(max_commands), .set = number_set, .min = 1,
	  .max = CONF_COMMANDS_MAX },
	{ "Command_Time", NULL, OPTION(command_time_s), .set = duration_set, .min = 1,
	  .max = CONF_COMMAND_TIME_MAX_S },

	{ "Sequence", NULL, DOOR(sequence), .set = sequence_set },
	{ "One_Time_Sequences", NULL, DOOR(one_time_file), .set = one_time_set },
	{ "Seq_Timeout", "Timeout", DOOR(seq_timeout_s), .set = old_time_set,
	  .max = CONF_SEQ_TIMEOUT_MAX_S },
	{ "TCPFlags", NULL, DOOR(flags), .set = flags_set },
	{ "Target", NULL, DOOR(target), .set = target_set },
	{ "Open", NULL, DOOR(open), .set = ranges_set },
	{ "Open_Time", NULL, DOOR(open_time_s), .set = open_time_set, .min = 0,
	  .max = CONF_OPEN_TIME_MAX_S },
	{ "Connections", NULL, DOOR(connections), .set = number_set, .min = 1,
	  .max = CONF_CONNECTIONS_MAX },
	{ "Close_Sequence", NULL, DOOR(close_sequence), .set = sequence_set },
	{ "Trust", NULL, DOOR(trust), .set = prefixes_set },
	{ "Knock_From", NULL, DOOR(knock_from), .set = prefixes_set },
	{ "Start_Command", "Command", DOOR(commands.start), .set = command_set },
	{ "Start_Command_6", "Command_6", DOOR(commands.start6), .set = command_set },
	{ "Cmd_Timeout", NULL, DOOR(commands.timeout_s), .set = cmd_timeout_set,
	  .max = CONF_CMD_TIMEOUT_MAX_S },
	{ "Stop_Command", NULL, DOOR(commands.stop), .set = command_set },
	{ "Stop_Command_6", NULL, DOOR(commands.stop6), .set = command_set },
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

/* The known name that @name was probably meant to be, or NULL. */
static const char *name_suggest(const char *name, enum where where)
{
	int len = (int)strlen(name), most = len / 3, least;
	const char *best = NULL;

	most = most < 1 ? 1 : most > 3 ? 3 : most;
	least = 2 * most + 2;
	for (size_t i = 0; i < DIRECTIVE_COUNT; i++) {
		const char *const names[] = { directives[i].name, directives[i].alias };

		for (size_t j = 0; j < 2 && names[j]; j++) {
			/* No nearer than their lengths are. */
			int apart = abs((int)strlen(names[j]) - len);
			int distance = apart > most ? apart : spelling_distance(name, names[j]);
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
	char name[SPELLING_MAX + 1];
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
	/* What will not be shown needs no suggestion. */
	suggestion = p->messages->errors < MESSAGES_MAX ? name_suggest(name, where) : NULL;
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

	if (*line > 0 && directive->set != interface_set)
		message_add(p->messages, MESSAGE_WARNING, p->line,
			    "'%s' again: replaces the one on line %u", directive->name, *line);
	*line = p->line;
}

/* A door's name goes into a command as it is, and must mean nothing to a shell. */
static bool name_plain(const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_./:=,@%+-";

	return name[strspn(name, plain)] == '\0';
}

static void command_check(struct parser *p, const char *key, const char *command)
{
	if (command && strstr(command, "%DOOR%") && !name_plain(p->door->name))
		message_add(p->messages, MESSAGE_ERROR, door_line(p, key),
			    "%s has %%DOOR%%, and the name of door '%s' has more than letters, "
			    "digits and '_./:=,@%%+-'; use \"$KNOCKD_DOOR\"", key,
			    p->door->name);
}

static void commands_check(struct parser *p)
{
	const struct conf_commands *commands = &p->door->commands;

	command_check(p, "Start_Command", commands->start);
	command_check(p, "Start_Command_6", commands->start6);
	command_check(p, "Stop_Command", commands->stop);
	command_check(p, "Stop_Command_6", commands->stop6);
}

/* Where a door takes its knocks from: a list of sequences beats a sequence, as in 0.8. */
static void sequence_choose(struct parser *p)
{
	struct conf_door *door = p->door;
	bool sequence = door_line(p, "Sequence") > 0;

	if (door_line(p, "One_Time_Sequences") == 0) {
		if (!sequence)
			message_add(p->messages, MESSAGE_ERROR, door->line,
				    "door '%s' has no sequence; add 'Sequence = PORT,PORT,PORT'",
				    door->name);
		return;
	}
	if (sequence)
		message_add(p->messages, MESSAGE_WARNING, door_line(p, "Sequence"),
			    "door '%s' has One_Time_Sequences, and so its Sequence does not count",
			    door->name);
	door->sequence = (struct conf_sequence){};
}

/* What can be said of a door only when all its lines are read. */
static void door_finish(struct parser *p)
{
	struct conf_door *door = p->door;

	if (p->section != SECTION_DOOR)
		return;
	sequence_choose(p);
	commands_check(p);
	if (door->seq_timeout_s == 0) {
		if (door->sequence.len > 1 || door->one_time_file)
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

static bool streams_equal(const struct conf_door *a, const struct conf_door *b)
{
	return conf_flags_equal(&a->flags, &b->flags) && conf_target_equal(&a->target, &b->target);
}

/* The line that gives @door its stream. */
static unsigned int stream_line(const struct conf_door *door)
{
	return door->target.line ? door->target.line :
	       door->flags.line ? door->flags.line : door->line;
}

/* Doors with different streams of knocks are kept apart by the kernel side, which has few. */
static void streams_check(struct parser *p)
{
	const struct conf *conf = p->conf;
	const struct conf_door *stream[KNOCKD_STREAMS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < conf->door_count; i++) {
		const struct conf_door *door = &conf->door[i];
		size_t s = 0;

		while (s < count && !streams_equal(stream[s], door))
			s++;
		if (s < count)
			continue;
		if (count == KNOCKD_STREAMS_MAX) {
			message_add(p->messages, MESSAGE_ERROR, stream_line(door),
				    "door '%s' is one too many with TCPFlags or a Target of its "
				    "own; the doors may have %d different pairs of these",
				    door->name, KNOCKD_STREAMS_MAX);
			return;
		}
		stream[count++] = door;
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
