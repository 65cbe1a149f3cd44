// SPDX-License-Identifier: GPL-2.0-or-later
#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event_text.h"

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const char blanks[] = " \t";

/* Variables that concern the daemon only, or that a command gets anew; '=' ends a whole name. */
static const char *const withheld[] = {
	"NOTIFY_SOCKET=", "LISTEN_", "KNOCKD_IP=", "KNOCKD_DOOR=", "KNOCKD_FAMILY=",
};

/* ---- text ---- */

/* What stands for the placeholder that @pattern begins with, and its length; NULL: none. */
static const char *placeholder_read(const char *pattern, const char *ip, const char *door,
				    size_t *len)
{
	const struct {
		const char *name, *value;
	} known[] = { { "%IP%", ip }, { "%DOOR%", door } };

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		*len = strlen(known[i].name);
		if (!strncmp(pattern, known[i].name, *len))
			return known[i].value;
	}
	return NULL;
}

int command_expand(const char *pattern, const struct command_about *about,
		   char out[COMMAND_MAX + 1])
{
	struct address_text ip = address_text(about->source);
	char text[COMMAND_MAX + 1];
	size_t used = 0;

	while (*pattern) {
		size_t skip, len;
		const char *piece = placeholder_read(pattern, ip.text, about->door, &skip);

		if (!piece) {
			piece = pattern;
			skip = 1;
		}
		len = piece == pattern ? 1 : strlen(piece);
		if (used + len > COMMAND_MAX)
			return -E2BIG;
		memcpy(text + used, piece, len);
		used += len;
		pattern += skip;
	}
	memcpy(out, text, used);
	out[used] = '\0';
	return 0;
}

bool command_simple(const char *text)
{
	return text[0] == '/' && !text[strspn(text, ALNUM " \t_./:=,@%+-")];
}

/* ---- arguments ---- */

/* The pointers and the text behind them are one piece of memory. */
static char **argv_split(const char *text)
{
	size_t len = strlen(text), room = len / 2 + 2, count = 0;
	char **argv = malloc(room * sizeof(*argv) + len + 1);
	char *word, *rest;

	if (!argv)
		return NULL;
	word = memcpy(argv + room, text, len + 1);
	for (word = strtok_r(word, blanks, &rest); word; word = strtok_r(NULL, blanks, &rest))
		argv[count++] = word;
	argv[count] = NULL;
	return argv;
}

static char **argv_shell(const char *text)
{
	enum { WORDS = 4 };
	static char shell[] = "/bin/sh", option[] = "-c";
	size_t len = strlen(text);
	char **argv = malloc(WORDS * sizeof(*argv) + len + 1);

	if (!argv)
		return NULL;
	argv[0] = shell;
	argv[1] = option;
	argv[2] = memcpy(argv + WORDS, text, len + 1);
	argv[3] = NULL;
	return argv;
}

/* ---- environment ---- */

static bool variable_withheld(const char *variable)
{
	for (size_t i = 0; i < sizeof(withheld) / sizeof(*withheld); i++)
		if (!strncmp(variable, withheld[i], strlen(withheld[i])))
			return true;
	return false;
}

static size_t text_put(char *at, const char *name, const char *value)
{
	return sprintf(at, "%s=%s", name, value) + 1;
}

/* As argv_split(). What is inherited is pointed to, not copied. */
static char **environment_make(const struct command_about *about, char *const *inherited)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	struct address_text ip = address_text(about->source);
	size_t room = 0, count = 0;
	bool has_path = false;
	char **environment, *at;

	while (inherited[room])
		room++;
	room += 5; /* three of ours, PATH, the end */
	environment = malloc(room * sizeof(*environment) + sizeof("KNOCKD_IP=") + sizeof(ip) +
			     sizeof("KNOCKD_DOOR=") + strlen(about->door) +
			     sizeof("KNOCKD_FAMILY=4"));
	if (!environment)
		return NULL;
	for (; *inherited; inherited++) {
		if (variable_withheld(*inherited))
			continue;
		has_path |= !strncmp(*inherited, "PATH=", strlen("PATH="));
		environment[count++] = *inherited;
	}
	if (!has_path)
		environment[count++] = path;
	at = (char *)(environment + room);
	environment[count++] = at;
	at += text_put(at, "KNOCKD_IP", ip.text);
	environment[count++] = at;
	at += text_put(at, "KNOCKD_DOOR", about->door);
	environment[count++] = at;
	text_put(at, "KNOCKD_FAMILY", about->source->family == 4 ? "4" : "6");
	environment[count] = NULL;
	return environment;
}

int command_make(struct command *out, const char *text, const struct command_about *about,
		 char *const *inherited)
{
	struct command command = { .shell = !command_simple(text) };

	command.argv = command.shell ? argv_shell(text) : argv_split(text);
	command.environment = environment_make(about, inherited);
	if (!command.argv || !command.environment) {
		command_free(&command);
		return -ENOMEM;
	}
	*out = command;
	return 0;
}

void command_free(struct command *command)
{
	if (!command)
		return;
	free(command->argv);
	free(command->environment);
	*command = (struct command){};
}
