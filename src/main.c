// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "daemonize.h"
#include "helper.h"
#include "interfaces.h"
#include "log.h"
#include "lookup.h"
#include "loop.h"
#include "notify.h"
#include "options.h"
#include "path.h"
#include "print.h"
#include "translate.h"

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

/* The whole of @path, for free(). Return: its length or −errno. */
static ssize_t text_read(const char *path, char **text)
{
	FILE *in = fopen(path, "re");
	size_t room = 0;
	ssize_t len;

	if (!in)
		return -errno;
	*text = NULL;
	len = getdelim(text, &room, '\0', in);
	if (len < 0)
		len = ferror(in) ? -errno : 0;
	else if (len && !(*text)[len - 1])
		len = -EINVAL; /* a NUL: that is no text */
	fclose(in);
	return len;
}

static int config_migrate(const char *path)
{
	char *text = NULL;
	ssize_t len = text_read(path, &text);
	int result = len < 0 ? (int)len : translate_text(text ? text : "", len, stdout);

	free(text);
	if (result >= 0 && (fflush(stdout) || ferror(stdout)))
		result = -EIO;
	if (result < 0)
		fprintf(stderr, "knockd: cannot translate '%s': %s\n", path, strerror(-result));
	return result < 0 ? STATUS_FAILURE : STATUS_OK;
}

static void log_begin(const struct options *options)
{
	log_open();
	if (options->verbose)
		log_verbose();
	if (options->debug)
		log_debugging();
	log_debug("knockd " KNOCKD_VERSION ", process %d, user %u, config '%s', %s", getpid(),
		  geteuid(), options->helper.config,
		  daemonize_fd() < 0 ? "in the foreground" : "on its way to the background");
}

/* The two processes: the helper is told of the first config, the loop runs here. */
static int guard(const struct options *options, struct conf *conf,
		 struct messages *messages, const struct interface_names *interfaces, int signals)
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

	loop.channel = helper_start(&options->helper, interfaces, conf, messages);
	if (loop.channel < 0) {
		fprintf(stderr, "knockd: cannot start the helper: %s\n", strerror(-loop.channel));
		return STATUS_FAILURE;
	}
	log_begin(options);
	status = statuses[loop_run(&loop)];
	close(loop.channel);
	return status;
}

/* A service manager that waits to be told wants the process that it started to stay. */
static bool is_background(const struct options *options)
{
	return options->helper.daemon && !getenv("NOTIFY_SOCKET");
}

static int begin(const struct options *options, struct conf *conf, struct messages *messages,
		 const struct interface_names *interfaces)
{
	int signals = loop_signals(), status;

	if (signals < 0) {
		fprintf(stderr, "knockd: cannot take signals: %s\n", strerror(-signals));
		return STATUS_FAILURE;
	}
	status = guard(options, conf, messages, interfaces, signals);
	close(signals);
	return status;
}

static int run(const struct options *options, struct conf *conf, struct messages *messages)
{
	struct interface_names interfaces;
	pid_t child = 0;

	if (interfaces_find(options->helper.interface, options->helper.wait, conf, &interfaces))
		return STATUS_FAILURE;
	/* What needs to be said of the config and the interfaces has been said. */
	if (is_background(options))
		child = daemonize_fork();
	if (child < 0) {
		fprintf(stderr, "knockd: cannot go to the background: %s\n", strerror(-child));
		return STATUS_FAILURE;
	}
	return child ? daemonize_wait(child) : begin(options, conf, messages, &interfaces);
}

/* Whoever leaves the working folder takes absolute paths along. */
static void paths_keep(struct helper_options *options)
{
	static char config[PATH_MAX], pin_dir[PATH_MAX], state_dir[PATH_MAX];

	path_remember();
	options->config = path_absolute(options->config, config);
	options->pin_dir = path_absolute(options->pin_dir, pin_dir);
	options->state_dir = path_absolute(options->state_dir, state_dir);
}

/* Before there is anything in memory that the process for names must not know. */
static void lookup_begin(void)
{
	int names = lookup_start();

	if (names >= 0)
		names = log_lookup(names);
	if (names < 0)
		fprintf(stderr, "knockd: names of hosts are not looked up: %s\n", strerror(-names));
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

/* Read the config, and do with it what was asked for. */
static int config_use(const struct options *options, struct conf *conf)
{
	const char *path = options->helper.config;
	struct compiled compiled = {};
	struct messages messages;
	int status;

	messages_init(&messages, path);
	conf_init(conf, path);
	conf->only_ipv4 = options->helper.only_ipv4;
	if (config_parse(path, conf, &messages) ||
	    config_compile(conf, NULL, &compiled, &messages)) {
		messages_print(&messages, stderr);
		status = STATUS_FAILURE;
	} else if (options->print || options->check) {
		messages_print(&messages, stderr);
		status = config_show(options, conf);
	} else {
		compiled_free(&compiled);
		status = run(options, conf, &messages);
	}
	compiled_free(&compiled);
	messages_free(&messages);
	return status;
}

int main(int argc, char *argv[])
{
	struct options options;
	struct conf *conf;
	int status;

	if (descriptors_fill())
		return STATUS_FAILURE;
	status = options_parse(&options, argc, argv);
	if (status >= 0)
		return status;
	if (options.migrate)
		return config_migrate(options.migrate);
	if (is_background(&options))
		paths_keep(&options.helper);
	if (options.lookup && !options.check && !options.print)
		lookup_begin();
	conf = calloc(1, sizeof(*conf));
	if (!conf)
		return STATUS_FAILURE;
	status = config_use(&options, conf);
	conf_free(conf);
	free(conf);
	log_close();
	return status;
}
