// SPDX-License-Identifier: GPL-2.0-or-later
#include "options.h"

#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "number.h"
#include "pins.h"

#define CONFIG_DEFAULT "/etc/knockd.conf"
#define PID_FILE_DEFAULT "/var/run/knockd.pid"
#define STATE_DIR_DEFAULT "/var/lib/knockd"

enum { CONFIRM_MAX_S = 86400 };

static void usage(FILE *out)
{
	fputs("usage: knockd [options]\n"
	      "  -i, --interface NAME  guard this interface (default: the config's, else eth0)\n"
	      "  -c, --config FILE     read this config (default: " CONFIG_DEFAULT ")\n"
	      "  -d, --daemon          go to the background once the doors enforce\n"
	      "  -p, --pidfile FILE    with -d, keep the process id there\n"
	      "                        (default: the config's, else " PID_FILE_DEFAULT ")\n"
	      "  -g, --logfile FILE    log there (default: the config's)\n"
	      "  -l, --lookup          look up names of hosts for the log\n"
	      "  -4, --only-ip-v4      ignore knocks over IPv6; its ports stay closed\n"
	      "  -n, --check           say what is wrong or unwise in the config, and exit\n"
	      "  -P, --print           print the config, normalised, and exit\n"
	      "      --mode MODE       use auto, native or generic XDP (default: the config's)\n"
	      "      --wait            wait for the interface where it is missing\n"
	      "      --confirm SECONDS undo the config and exit unless it is confirmed in time:\n"
	      "                        by 'knockctl confirm' or by a knock that opens a door\n"
	      "      --name NAME       keep state under this name (default: the interface's)\n"
	      "      --pin-dir DIR     keep state in this folder (default: " PINS_DIR_DEFAULT ")\n"
	      "      --state-dir DIR   keep commands that are owed in this folder\n"
	      "                        (default: $STATE_DIRECTORY, else " STATE_DIR_DEFAULT ")\n"
	      "      --migrate FILE    print the config with 'Open' in place of its commands, and\n"
	      "                        exit\n"
	      "  -D, --debug           print what happens to standard output; implies -v\n"
	      "  -v, --verbose         log to standard output as well as to syslog or a file\n"
	      "  -V, --version         print the version and exit\n"
	      "  -h, --help            print this and exit\n", out);
}

static int mode_parse(const char *text)
{
	for (int i = 0; conf_xdp_mode_names[i]; i++)
		if (!strcmp(text, conf_xdp_mode_names[i]))
			return i;
	return -1;
}

static bool confirm_parse(const char *text, unsigned int *seconds)
{
	uint64_t value;

	if (number_parse(text, 1, CONFIRM_MAX_S, &value)) {
		fprintf(stderr, "knockd: '%s' is not a number of seconds to confirm within "
				"(1-%d)\n", text, CONFIRM_MAX_S);
		return false;
	}
	*seconds = value;
	return true;
}

/* Where systemd made a folder for the unit; of several, which it separates, not one. */
static const char *state_dir_default(void)
{
	const char *folder = getenv("STATE_DIRECTORY");

	return folder && folder[0] == '/' && !strchr(folder, ':') ? folder : STATE_DIR_DEFAULT;
}

int options_parse(struct options *options, int argc, char *const argv[])
{
	enum { OPTION_MODE = 256, OPTION_WAIT, OPTION_CONFIRM, OPTION_NAME, OPTION_PIN_DIR,
	       OPTION_STATE_DIR, OPTION_MIGRATE };
	static const struct option known[] = {
		{ "interface", required_argument, NULL, 'i' },
		{ "config", required_argument, NULL, 'c' },
		{ "daemon", no_argument, NULL, 'd' },
		{ "pidfile", required_argument, NULL, 'p' },
		{ "logfile", required_argument, NULL, 'g' },
		{ "lookup", no_argument, NULL, 'l' },
		{ "only-ip-v4", no_argument, NULL, '4' },
		{ "check", no_argument, NULL, 'n' },
		{ "print", no_argument, NULL, 'P' },
		{ "mode", required_argument, NULL, OPTION_MODE },
		{ "wait", no_argument, NULL, OPTION_WAIT },
		{ "confirm", required_argument, NULL, OPTION_CONFIRM },
		{ "name", required_argument, NULL, OPTION_NAME },
		{ "pin-dir", required_argument, NULL, OPTION_PIN_DIR },
		{ "state-dir", required_argument, NULL, OPTION_STATE_DIR },
		{ "migrate", required_argument, NULL, OPTION_MIGRATE },
		{ "debug", no_argument, NULL, 'D' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int option;

	*options = (struct options){
		.helper = { .config = CONFIG_DEFAULT, .pin_dir = PINS_DIR_DEFAULT,
			    .state_dir = state_dir_default(), .pid_file = PID_FILE_DEFAULT,
			    .mode = -1 },
	};
	while ((option = getopt_long(argc, argv, "i:c:dp:g:l4nPDvVh", known, NULL)) != -1) {
		switch (option) {
		case 'i':
			options->helper.interface = optarg;
			break;
		case 'c':
			options->helper.config = optarg;
			break;
		case 'd':
			options->helper.daemon = true;
			break;
		case 'p':
			options->helper.pid_file = optarg;
			break;
		case 'g':
			options->helper.log_file = optarg;
			break;
		case 'l':
			options->lookup = true;
			break;
		case '4':
			options->helper.only_ipv4 = true;
			break;
		case 'n':
			options->check = true;
			break;
		case 'P':
			options->print = true;
			break;
		case OPTION_MODE:
			options->helper.mode = mode_parse(optarg);
			if (options->helper.mode < 0) {
				fprintf(stderr, "knockd: mode '%s' is not one of auto, native, "
						"generic\n", optarg);
				return STATUS_USAGE;
			}
			break;
		case OPTION_WAIT:
			options->helper.wait = true;
			break;
		case OPTION_CONFIRM:
			if (!confirm_parse(optarg, &options->helper.confirm_s))
				return STATUS_USAGE;
			break;
		case OPTION_NAME:
			options->helper.name = optarg;
			break;
		case OPTION_PIN_DIR:
			options->helper.pin_dir = optarg;
			break;
		case OPTION_STATE_DIR:
			options->helper.state_dir = optarg;
			break;
		case OPTION_MIGRATE:
			options->migrate = optarg;
			break;
		case 'D':
			options->debug = true;
			options->verbose = true;
			break;
		case 'v':
			options->verbose = true;
			break;
		case 'V':
			puts("knockd " KNOCKD_VERSION);
			return STATUS_OK;
		case 'h':
			usage(stdout);
			return STATUS_OK;
		default:
			usage(stderr);
			return STATUS_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "knockd: '%s' is not an option\n", argv[optind]);
		usage(stderr);
		return STATUS_USAGE;
	}
	return -1;
}
