// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "compile.h"
#include "conf.h"
#include "datapath.h"
#include "device.h"
#include "events.h"
#include "log.h"
#include "loop.h"
#include "parse.h"
#include "print.h"

#define CONFIG_DEFAULT "/etc/knockd.conf"
#define CONFIG_SIZE_MAX (16 << 20)

enum status { STATUS_OK = 0, STATUS_FAILURE = 1, STATUS_USAGE = 2 };

struct options {
	const char *config;
	const char *interface; /* NULL: the config's */
	bool check, print, verbose;
	int mode;              /* enum conf_xdp_mode, -1: the config's */
};

static void usage(FILE *out)
{
	fputs("usage: knockd [options]\n"
	      "  -i, --interface NAME  guard this interface (default: the config's, else eth0)\n"
	      "  -c, --config FILE     read this config (default: " CONFIG_DEFAULT ")\n"
	      "  -n, --check           say what is wrong or unwise in the config, and exit\n"
	      "  -P, --print           print the config, normalised, and exit\n"
	      "      --mode MODE       use auto, native or generic XDP (default: the config's)\n"
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

/* Return: −1 to go on, else the exit status. */
static int options_parse(struct options *options, int argc, char *const argv[])
{
	enum { OPTION_MODE = 256 };
	static const struct option known[] = {
		{ "interface", required_argument, NULL, 'i' },
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'n' },
		{ "print", no_argument, NULL, 'P' },
		{ "mode", required_argument, NULL, OPTION_MODE },
		{ "verbose", no_argument, NULL, 'v' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int option;

	*options = (struct options){ .config = CONFIG_DEFAULT, .mode = -1 };
	while ((option = getopt_long(argc, argv, "i:c:nPvVh", known, NULL)) != -1) {
		switch (option) {
		case 'i':
			options->interface = optarg;
			break;
		case 'c':
			options->config = optarg;
			break;
		case 'n':
			options->check = true;
			break;
		case 'P':
			options->print = true;
			break;
		case OPTION_MODE:
			options->mode = mode_parse(optarg);
			if (options->mode < 0) {
				fprintf(stderr, "knockd: mode '%s' is not one of auto, native, "
						"generic\n", optarg);
				return STATUS_USAGE;
			}
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

/* The whole of @path in memory that the caller frees. */
static int file_read(const char *path, char **text, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error = 0;
	size_t used = 0, room = 0;
	char *buffer = NULL;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t got;

		if (used == room) {
			char *more = realloc(buffer, room = 2 * room + 4096);

			if (!more || room > 2 * CONFIG_SIZE_MAX) {
				error = more ? -EFBIG : -ENOMEM;
				buffer = more ? more : buffer;
				break;
			}
			buffer = more;
		}
		got = read(fd, buffer + used, room - used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			error = got ? -errno : 0;
			break;
		}
		used += got;
	}
	close(fd);
	if (error) {
		free(buffer);
		return error;
	}
	*text = buffer;
	*len = used;
	return 0;
}

/* File → conf → tables; what is wrong or unwise goes to @messages. */
static int config_load(const char *path, struct conf *conf, struct compiled *compiled,
		       struct messages *messages)
{
	struct host_facts *facts = calloc(1, sizeof(*facts));
	char *text = NULL;
	size_t len = 0;
	int error = facts ? file_read(path, &text, &len) : -ENOMEM;

	if (error) {
		message_add(messages, MESSAGE_ERROR, 0, "cannot be read: %s", strerror(-error));
		goto out;
	}
	error = parse_text(conf, text, len, messages);
	if (!error)
		error = compile_conf(conf, datapath_hz(), compiled, messages);
	if (!error) {
		host_facts_read(facts, path);
		check_conf(conf, facts, messages);
	} else if (error == -ENOMEM) {
		message_add(messages, MESSAGE_ERROR, 0, "no memory for a config of this size");
	}
out:
	free(text);
	free(facts);
	return error;
}

/* What is unwise in the config, for whoever reads the log. */
static void warnings_log(const struct messages *messages)
{
	char *text = NULL, *rest, *line;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return;
	messages_print(messages, out);
	if (!fclose(out))
		for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
			log_line("%s", line);
	free(text);
}

/* The interface to guard: the option's, the config's, eth0, the default route's. */
static int interface_choose(const struct options *options, const struct conf *conf,
			    const struct devices *devices, char name[IF_NAMESIZE])
{
	const char *wanted = options->interface ? options->interface :
			     conf->interface_count ? conf->interface[0] : "eth0";
	char all[512];

	if (strlen(wanted) >= IF_NAMESIZE) {
		fprintf(stderr, "knockd: interface name '%s' is too long\n", wanted);
		return -EINVAL;
	}
	memcpy(name, wanted, strlen(wanted) + 1);
	if (devices_find(devices, name))
		return 0;
	if (!options->interface && !conf->interface_count && !device_default_route(name))
		return 0;
	devices_names(devices, all, sizeof(all));
	fprintf(stderr, "knockd: there is no interface '%s'; there are: %s\n", wanted,
		all[0] ? all : "none");
	return -ENODEV;
}

/* Return: the device to guard, or NULL when there is a reason against it, which is said. */
static const struct device *interface_find(const struct options *options, const struct conf *conf,
					   const struct devices *devices)
{
	const struct device *device, *master;
	char name[IF_NAMESIZE];

	if (interface_choose(options, conf, devices, name))
		return NULL;
	device = devices_find(devices, name);
	if (!device || !device->master)
		return device;
	master = devices_find_index(devices, device->master);
	fprintf(stderr, "knockd: interface '%s' belongs to '%s', where connections live; guard "
			"that: -i %s\n", name, master ? master->name : "?",
		master ? master->name : "?");
	return NULL;
}

static void start_log(const struct datapath *dp, const struct device *device)
{
	static const char *const names[] = {
		[DATAPATH_FRAGS] = "native, with fragments",
		[DATAPATH_NATIVE] = "native",
		[DATAPATH_GENERIC] = "generic",
	};

	log_line("%s: XDP mode %s%s%s", device->name, names[datapath_mode(dp)],
		 datapath_why(dp)[0] ? "; " : "", datapath_why(dp));
	if (datapath_inner(dp))
		log_line("the outer door stands alone: %s", datapath_inner(dp));
	log_line("starting up, listening on %s", device->name);
}

/* Guard @device until told to stop. */
static int guard(const struct conf *conf, struct compiled *compiled,
		 struct devices *devices, const struct device *device, int mode, int signals)
{
	int watch = devices_watch(), status = STATUS_FAILURE, error;
	struct datapath_error why;
	struct events *events = NULL;
	struct datapath *dp = NULL;

	if (watch < 0) {
		fprintf(stderr, "knockd: cannot watch network devices: %s\n", strerror(-watch));
		return STATUS_FAILURE;
	}
	error = datapath_start(&dp, compiled, devices, device, mode < 0 ? conf->xdp_mode :
			       (enum conf_xdp_mode)mode, &why);
	if (error) {
		fprintf(stderr, "knockd: %s\n", why.text);
		goto out;
	}
	events = events_new(dp, conf, compiled);
	error = events ? datapath_events_to(dp, events_handle, events) : -ENOMEM;
	if (!error) {
		/* From here on little is allocated: give back what loading took. */
		compiled_trim(compiled);
		malloc_trim(0);
		start_log(dp, device);
		error = loop_run(dp, events, signals, watch);
	}
	if (error) {
		log_line("%s: %s", device->name, error == -ENODEV ?
			 "the interface is gone, and nothing is guarded any more" :
			 strerror(-error));
		goto out;
	}
	log_line("shutting down");
	events_counters(events);
	status = STATUS_OK;
out:
	datapath_stop(dp);
	events_free(events);
	close(watch);
	return status;
}

static int config_show(const struct options *options, const struct conf *conf)
{
	int error = 0;

	if (options->print)
		error = print_conf(conf, stdout);
	else
		printf("%s: no errors; %zu door%s\n", options->config, conf->door_count,
		       conf->door_count == 1 ? "" : "s");
	return error || fflush(stdout) || ferror(stdout) ? STATUS_FAILURE : STATUS_OK;
}

static int run(const struct options *options, const struct conf *conf,
	       struct compiled *compiled, const struct messages *messages)
{
	struct devices devices = {};
	const struct device *device;
	int signals = loop_signals(), status = STATUS_FAILURE, error;

	if (signals < 0) {
		fprintf(stderr, "knockd: cannot take signals: %s\n", strerror(-signals));
		return STATUS_FAILURE;
	}
	error = devices_read(&devices);
	if (error) {
		fprintf(stderr, "knockd: cannot list network devices: %s\n", strerror(-error));
		goto out;
	}
	device = interface_find(options, conf, &devices);
	if (!device)
		goto out;
	error = log_open(conf->use_syslog, conf->log_file);
	if (error)
		fprintf(stderr, "knockd: cannot open log file '%s': %s; logging goes on without\n",
			conf->log_file, strerror(-error));
	if (options->verbose)
		log_verbose();
	/* Before anything closes. */
	warnings_log(messages);
	status = guard(conf, compiled, &devices, device, options->mode, signals);
	log_close();
out:
	devices_free(&devices);
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
	struct conf conf;
	int status;

	if (descriptors_fill())
		return STATUS_FAILURE;
	status = options_parse(&options, argc, argv);
	if (status >= 0)
		return status;
	messages_init(&messages, options.config);
	conf_init(&conf, options.config);
	if (config_load(options.config, &conf, &compiled, &messages)) {
		messages_print(&messages, stderr);
		status = STATUS_FAILURE;
	} else if (options.print || options.check) {
		messages_print(&messages, stderr);
		status = config_show(&options, &conf);
	} else {
		status = run(&options, &conf, &compiled, &messages);
	}
	compiled_free(&compiled);
	conf_free(&conf);
	messages_free(&messages);
	return status;
}
