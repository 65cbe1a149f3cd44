// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See and change what is in force, with or without a daemon: the way leads from the pinned links to
 * their programs and tables.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "number.h"
#include "pins.h"

enum { CONFIRM_MAX_S = 86400 };

/* Options that only some commands have. */
enum { WITH_JSON = 1, WITH_ALL = 2, WITH_CONFIRM = 4 };

static const struct command {
	const char *name;
	int least, most;   /* arguments */
	unsigned int with;
	bool one;          /* changes something, so that it has to be clear where */
	int (*run)(const struct options *options, const struct names *names, char *argument[]);
} commands[] = {
	{ "status", 0, 0, WITH_JSON, false, show_status },
	{ "doors", 0, 0, WITH_JSON, false, show_doors },
	{ "grants", 0, 0, WITH_JSON, false, show_grants },
	{ "counters", 0, 0, WITH_JSON | WITH_ALL, false, show_counters },
	{ "watch", 0, 0, WITH_JSON, false, watch },
	{ "open", 2, 3, 0, true, order_open },
	{ "close", 2, 2, 0, true, order_close },
	{ "reload", 0, 0, WITH_CONFIRM, true, order_reload },
	{ "confirm", 0, 0, 0, true, order_confirm },
	{ "detach", 0, 0, 0, true, order_detach },
};

static void usage(FILE *out)
{
	fputs("usage: knockctl [options] COMMAND\n"
	      "  status                    what is guarded, and how; fails when something is not\n"
	      "  doors                     the doors and what they open\n"
	      "  grants                    who may use which door, for how long\n"
	      "  counters                  packets by reason, openings by door, refusals by port\n"
	      "  watch                     events as they come\n"
	      "  open DOOR ADDRESS [TIME]  let an address in, for 30, 5m, 2h, 1d; 0: until closed\n"
	      "  close DOOR ADDRESS|all    end its grant, or all of the door\n"
	      "  reload                    have the daemon read its config again\n"
	      "  confirm                   keep the config that waits for confirmation\n"
	      "  detach                    guard nothing any more\n"
	      "options:\n"
	      "      --name NAME           of this daemon (default: the only one, or all)\n"
	      "      --pin-dir DIR         where its state is (default:\n"
	      "                            " PINS_DIR_DEFAULT ")\n"
	      "      --json                print JSON\n"
	      "      --all                 counters: those that are zero, too\n"
	      "      --confirm SECONDS     reload: undo it unless it is confirmed in time\n"
	      "  -V, --version             print the version and exit\n"
	      "  -h, --help                print this and exit\n", out);
}

enum { OPTION_NAME = 256, OPTION_PIN_DIR, OPTION_JSON, OPTION_ALL, OPTION_CONFIRM };

/* Return: −1 to go on, else the exit status. */
static int option_take(struct options *options, int option, unsigned int *with)
{
	switch (option) {
	case OPTION_NAME:
		options->name = optarg;
		return -1;
	case OPTION_PIN_DIR:
		options->pin_dir = optarg;
		return -1;
	case OPTION_JSON:
		options->json = true;
		*with |= WITH_JSON;
		return -1;
	case OPTION_ALL:
		options->all = true;
		*with |= WITH_ALL;
		return -1;
	case OPTION_CONFIRM:
		*with |= WITH_CONFIRM;
		if (!number_parse(optarg, 1, CONFIRM_MAX_S, &options->confirm_s))
			return -1;
		complain("'%s' is not a number of seconds (1-%d)", optarg, CONFIRM_MAX_S);
		return STATUS_USAGE;
	case 'V':
		puts("knockctl " KNOCKD_VERSION);
		return STATUS_OK;
	case 'h':
		usage(stdout);
		return STATUS_OK;
	default:
		usage(stderr);
		return STATUS_USAGE;
	}
}

static int options_parse(struct options *options, unsigned int *with, int argc, char *argv[])
{
	static const struct option known[] = {
		{ "name", required_argument, NULL, OPTION_NAME },
		{ "pin-dir", required_argument, NULL, OPTION_PIN_DIR },
		{ "json", no_argument, NULL, OPTION_JSON },
		{ "all", no_argument, NULL, OPTION_ALL },
		{ "confirm", required_argument, NULL, OPTION_CONFIRM },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int option, status = -1;

	*options = (struct options){ .pin_dir = PINS_DIR_DEFAULT };
	*with = 0;
	while (status < 0 && (option = getopt_long(argc, argv, "Vh", known, NULL)) != -1)
		status = option_take(options, option, with);
	return status;
}

/* The command with its arguments as they have to be, or NULL when the reason was said. */
static const struct command *command_find(char *word[], int count, unsigned int with)
{
	const struct command *command = NULL;

	for (size_t i = 0; count && i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(word[0], commands[i].name))
			command = &commands[i];
	if (!command) {
		if (count)
			complain("'%s' is not a command", word[0]);
		usage(stderr);
		return NULL;
	}
	if (count - 1 < command->least || count - 1 > command->most) {
		complain("'%s' is followed by %s", command->name,
			 !command->most ? "nothing" : command->most == 3 ?
			 "DOOR ADDRESS [TIME]" : "DOOR ADDRESS|all");
		return NULL;
	}
	if (with & ~command->with) {
		with &= ~command->with;
		complain("'%s' has no option %s", command->name, with & WITH_JSON ? "--json" :
			 with & WITH_ALL ? "--all" : "--confirm");
		return NULL;
	}
	return command;
}

int main(int argc, char *argv[])
{
	const struct command *command;
	struct options options;
	struct names names = {};
	unsigned int with;
	int status = options_parse(&options, &with, argc, argv);

	if (status >= 0)
		return status;
	command = command_find(argv + optind, argc - optind, with);
	if (!command)
		return STATUS_USAGE;
	status = names_find(&names, &options, command->one);
	if (status == STATUS_OK)
		status = command->run(&options, &names, argv + optind + 1);
	names_free(&names);
	if (fflush(stdout) && status == STATUS_OK)
		status = STATUS_FAILURE;
	return status;
}
