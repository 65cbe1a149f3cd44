// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "device.h"
#include "helper.h"
#include "log.h"
#include "loop.h"
#include "notify.h"
#include "number.h"
#include "pins.h"
#include "print.h"

#define CONFIG_DEFAULT "/etc/knockd.conf"

enum { CONFIRM_MAX_S = 86400 };

enum status { STATUS_OK = 0, STATUS_FAILURE = 1, STATUS_USAGE = 2, STATUS_UNCONFIRMED = 3 };

struct options {
	struct helper_options helper;
	bool check, print, verbose;
};

static void usage(FILE *out)
{
	fputs("usage: knockd [options]\n"
	      "  -i, --interface NAME  guard this interface (default: the config's, else eth0)\n"
	      "  -c, --config FILE     read this config (default: " CONFIG_DEFAULT ")\n"
	      "  -n, --check           say what is wrong or unwise in the config, and exit\n"
	      "  -P, --print           print the config, normalised, and exit\n"
	      "      --mode MODE       use auto, native or generic XDP (default: the config's)\n"
	      "      --wait            wait for the interface where it is missing\n"
	      "      --confirm SECONDS undo the config and exit unless it is confirmed in time:\n"
	      "                        by 'knockctl confirm' or by a knock that opens a door\n"
	      "      --name NAME       keep state under this name (default: the interface's)\n"
	      "      --pin-dir DIR     keep state in this folder (default: " PINS_DIR_DEFAULT ")\n"
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

/* Return: −1 to go on, else the exit status. */
static int options_parse(struct options *options, int argc, char *const argv[])
{
	enum { OPTION_MODE = 256, OPTION_WAIT, OPTION_CONFIRM, OPTION_NAME, OPTION_PIN_DIR };
	static const struct option known[] = {
		{ "interface", required_argument, NULL, 'i' },
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'n' },
		{ "print", no_argument, NULL, 'P' },
		{ "mode", required_argument, NULL, OPTION_MODE },
		{ "wait", no_argument, NULL, OPTION_WAIT },
		{ "confirm", required_argument, NULL, OPTION_CONFIRM },
		{ "name", required_argument, NULL, OPTION_NAME },
		{ "pin-dir", required_argument, NULL, OPTION_PIN_DIR },
		{ "verbose", no_argument, NULL, 'v' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int option;

	*options = (struct options){
		.helper = { .config = CONFIG_DEFAULT, .pin_dir = PINS_DIR_DEFAULT, .mode = -1 },
	};
	while ((option = getopt_long(argc, argv, "i:c:nPvVh", known, NULL)) != -1) {
		switch (option) {
		case 'i':
			options->helper.interface = optarg;
			break;
		case 'c':
			options->helper.config = optarg;
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

/* The interface to guard: the option's, the config's, eth0, the default route's. */
static int interface_choose(const struct options *options, const struct conf *conf,
			    const struct devices *devices, char name[IF_NAMESIZE])
{
	const char *wanted = options->helper.interface ? options->helper.interface :
			     conf->interface_count ? conf->interface[0] : "eth0";
	char all[512];

	if (strlen(wanted) >= IF_NAMESIZE) {
		fprintf(stderr, "knockd: interface name '%s' is too long\n", wanted);
		return -EINVAL;
	}
	memcpy(name, wanted, strlen(wanted) + 1);
	if (devices_find(devices, name))
		return 0;
	if (!options->helper.interface && !conf->interface_count && !device_default_route(name))
		return 0;
	if (options->helper.wait)
		return 0;
	devices_names(devices, all, sizeof(all));
	fprintf(stderr, "knockd: there is no interface '%s'; there are: %s\n", wanted,
		all[0] ? all : "none");
	return -ENODEV;
}

/* Whether there is a reason against guarding the interface, which is said. */
static bool interface_refused(const struct devices *devices, const char *name)
{
	const struct device *device = devices_find(devices, name), *master;

	if (!device || !device->master)
		return false;
	master = devices_find_index(devices, device->master);
	fprintf(stderr, "knockd: interface '%s' belongs to '%s', where connections live; guard "
			"that: -i %s\n", name, master ? master->name : "?",
		master ? master->name : "?");
	return true;
}

static int config_show(const struct options *options, const struct conf *conf)
{
	int error = 0;

	if (options->print)
		error = print_conf(conf, stdout);
	else
		printf("%s: no errors; %zu door%s\n", options->helper.config, conf->door_count,
		       conf->door_count == 1 ? "" : "s");
	return error || fflush(stdout) || ferror(stdout) ? STATUS_FAILURE : STATUS_OK;
}

/* The two processes: the helper is told of the first config, the loop runs here. */
static int guard(const struct options *options, struct conf *conf,
		 struct messages *messages, const char *interface, int signals)
{
	static const int statuses[] = {
		[LOOP_STOPPED] = STATUS_OK,
		[LOOP_FAILED] = STATUS_FAILURE,
		[LOOP_UNCONFIRMED] = STATUS_UNCONFIRMED,
	};
	struct loop loop = {
		.signals = signals,
		.notify = notify_open(),
		.confirm_s = options->helper.confirm_s,
	};
	int status;

	loop.channel = helper_start(&options->helper, interface, conf, messages);
	if (loop.channel < 0) {
		fprintf(stderr, "knockd: cannot start the helper: %s\n", strerror(-loop.channel));
		return STATUS_FAILURE;
	}
	log_open();
	if (options->verbose)
		log_verbose();
	status = statuses[loop_run(&loop)];
	close(loop.channel);
	log_close();
	return status;
}

/* Return: 0, or −errno when there is none to guard, which has been said. */
static int interface_find(const struct options *options, const struct conf *conf,
			  char name[IF_NAMESIZE])
{
	struct devices devices = {};
	int error = devices_read(&devices);

	if (error)
		fprintf(stderr, "knockd: cannot list network devices: %s\n", strerror(-error));
	else
		error = interface_choose(options, conf, &devices, name);
	if (!error && interface_refused(&devices, name))
		error = -EINVAL;
	devices_free(&devices);
	return error;
}

static int run(const struct options *options, struct conf *conf, struct messages *messages)
{
	char interface[IF_NAMESIZE];
	int signals = loop_signals(), status = STATUS_FAILURE;

	if (signals < 0) {
		fprintf(stderr, "knockd: cannot take signals: %s\n", strerror(-signals));
		return STATUS_FAILURE;
	}
	if (!interface_find(options, conf, interface))
		status = guard(options, conf, messages, interface, signals);
	close(signals);
	return status;
}

/* No descriptor of ours may become standard error, to which lines are written. */
static int descriptors_fill(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

int main(int argc, char *argv[])
{
	struct compiled compiled = {};
	struct messages messages;
	struct options options;
	const char *path;
	struct conf *conf;
	int status;

	if (descriptors_fill())
		return STATUS_FAILURE;
	status = options_parse(&options, argc, argv);
	if (status >= 0)
		return status;
	conf = calloc(1, sizeof(*conf));
	if (!conf)
		return STATUS_FAILURE;
	path = options.helper.config;
	messages_init(&messages, path);
	conf_init(conf, path);
	if (config_parse(path, conf, &messages) ||
	    config_compile(conf, NULL, &compiled, &messages)) {
		messages_print(&messages, stderr);
		status = STATUS_FAILURE;
	} else if (options.print || options.check) {
		messages_print(&messages, stderr);
		status = config_show(&options, conf);
	} else {
		compiled_free(&compiled);
		status = run(&options, conf, &messages);
	}
	compiled_free(&compiled);
	conf_free(conf);
	free(conf);
	messages_free(&messages);
	return status;
}
