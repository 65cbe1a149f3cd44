// SPDX-License-Identifier: GPL-2.0-or-later
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <malloc.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "counters.h"
#include "datapath.h"
#include "device.h"
#include "heritage.h"

enum { NAMED_MAX = 64, LOCK_PATIENCE_S = 5, WAIT_WARNING_MS = 60000,
       LINE_PATIENCE_MS = 500 };

struct errand {
	__u32 order; /* enum helper_order */
	__u32 argument;
};

struct helper {
	const struct helper_options *options;
	struct conf *conf;
	struct conf *former_conf;    /* of the config that comes back when a trial is lost */
	struct datapath *dp;
	struct devices devices;
	int channel, watch;
	char wanted[IF_NAMESIZE];    /* the interface to guard */
	char seen[IF_NAMESIZE];      /* its name when last looked at */
	bool stale;                  /* what is loaded is not what the config says */
	bool trial;                  /* the first load is on trial */
	unsigned int named[NAMED_MAX]; /* indices of devices that were named as not guarded */
	char *said;                  /* where lines of a reload are kept; NULL: none is under way */
	size_t said_len;
	unsigned int unsaid;         /* lines that the loop did not take in time */
};

/* ---- the channel ---- */

static int channel_send(int channel, const struct helper_message *message, const int *descriptor,
			size_t count, int flags)
{
	char control[CMSG_SPACE(HELPER_DESCRIPTORS * sizeof(int))] = {};
	struct iovec part = { (void *)message, sizeof(*message) };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *rights;

	if (count) {
		header.msg_control = control;
		header.msg_controllen = CMSG_SPACE(count * sizeof(int));
		rights = CMSG_FIRSTHDR(&header);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(rights), descriptor, count * sizeof(int));
	}
	while (sendmsg(channel, &header, MSG_NOSIGNAL | flags) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int helper_hear(int channel, struct helper_message *message, int descriptor[HELPER_DESCRIPTORS])
{
	char control[CMSG_SPACE(HELPER_DESCRIPTORS * sizeof(int))];
	struct iovec part = { message, sizeof(*message) };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
				 .msg_controllen = sizeof(control) };
	struct cmsghdr *rights;
	ssize_t got;

	for (int i = 0; i < HELPER_DESCRIPTORS; i++)
		descriptor[i] = -1;
	got = recvmsg(channel, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (got < 0)
		return errno == ECONNRESET ? 0 : errno == EINTR ? -EAGAIN : -errno;
	rights = CMSG_FIRSTHDR(&header);
	if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS)
		memcpy(descriptor, CMSG_DATA(rights), rights->cmsg_len - CMSG_LEN(0));
	if (!got)
		return 0;
	if (got != sizeof(*message))
		return -EPROTO;
	message->text[sizeof(message->text) - 1] = '\0';
	return 1;
}

int helper_ask(int channel, enum helper_order order, unsigned int argument)
{
	struct errand words = { order, argument };

	while (send(channel, &words, sizeof(words), MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* ---- what it says ---- */

/* Keep the line for whoever asked for the reload, as far as there is room. */
static void line_keep(struct helper *h, const char *line)
{
	size_t len = strlen(line);

	if (!h->said || h->said_len + len + 2 > ABOUT_TEXT_MAX)
		return;
	memcpy(h->said + h->said_len, line, len);
	h->said_len += len;
	h->said[h->said_len++] = '\n';
}

/*
 * Say what can go unsaid: whoever keeps the loop from reading must not keep doors from their work.
 * Once it did not read for a while, it is not waited for until it does.
 */
static bool message_offer(struct helper *h, const struct helper_message *message)
{
	struct pollfd room = { .fd = h->channel, .events = POLLOUT };

	if (!channel_send(h->channel, message, NULL, 0, MSG_DONTWAIT))
		return true;
	return !h->unsaid && poll(&room, 1, LINE_PATIENCE_MS) > 0 &&
	       !channel_send(h->channel, message, NULL, 0, MSG_DONTWAIT);
}

static void line_say(void *data, const char *line)
{
	struct helper_message message = { .word = HELPER_LINE };
	struct helper *h = data;

	line_keep(h, line);
	if (h->unsaid) {
		snprintf(message.text, sizeof(message.text), "%u lines not logged: the log was "
			 "not taken", h->unsaid);
		if (message_offer(h, &message))
			h->unsaid = 0;
	}
	snprintf(message.text, sizeof(message.text), "%s", line);
	if (h->unsaid || !message_offer(h, &message))
		h->unsaid++;
}

__attribute__((format(printf, 2, 3)))
static void say(struct helper *h, const char *format, ...)
{
	char line[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	line_say(h, line);
}

static void messages_say(struct helper *h, const struct messages *messages)
{
	char *text = NULL, *rest, *line;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return;
	messages_print(messages, out);
	if (!fclose(out))
		for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
			line_say(h, line);
	free(text);
}

static void status_say(struct helper *h)
{
	struct helper_message message = { .word = HELPER_STATUS, .flag = datapath_device(h->dp) };

	snprintf(message.text, sizeof(message.text), message.flag ? "guarding %s" :
		 "waiting for interface %s", message.flag ? h->seen : h->wanted);
	message_offer(h, &message);
}

static void done_say(struct helper *h, enum helper_order order, int status, const char *why)
{
	struct helper_message message = { .word = HELPER_DONE, .order = order, .status = status };

	snprintf(message.text, sizeof(message.text), "%s", why);
	channel_send(h->channel, &message, NULL, 0, 0);
}

/* Hand the loop all that it reads. */
static void view_say(struct helper *h)
{
	const struct generation *g = datapath_generation(h->dp);
	struct helper_message message = { .word = HELPER_VIEW, .flag = datapath_on_trial(h->dp) };
	int descriptor[HELPER_DESCRIPTORS];
	struct view_map part[VIEW_PARTS];
	struct bpf_map_info events;

	generation_view(g, part);
	for (int i = 0; i < VIEW_PARTS; i++) {
		descriptor[i] = part[i].fd;
		message.size[i] = part[i].size;
	}
	descriptor[VIEW_PARTS] = g->map[MAP_events];
	if (!generation_map_info(g, MAP_events, &events))
		message.size[VIEW_PARTS] = events.max_entries;
	channel_send(h->channel, &message, descriptor, HELPER_DESCRIPTORS, 0);
}

/* Return: a descriptor or −errno. Not what could make its writer wait. */
static int log_file_open(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		      0640);
	struct stat file;

	if (fd < 0)
		return -errno;
	if (!fstat(fd, &file) && !S_ISFIFO(file.st_mode) && !S_ISSOCK(file.st_mode))
		return fd;
	close(fd);
	return -EINVAL;
}

/* Where the log goes from now on. */
static void log_say(struct helper *h)
{
	struct helper_message message = { .word = HELPER_LOG, .flag = h->conf->use_syslog };
	int file = -1;

	if (h->conf->log_file) {
		file = log_file_open(h->conf->log_file);
		if (file < 0)
			say(h, "cannot open log file '%s': %s; logging goes on without",
			    h->conf->log_file, strerror(-file));
	}
	channel_send(h->channel, &message, &file, file >= 0, 0);
	if (file >= 0)
		close(file);
}

/* ---- what else delivers ---- */

/* Forget devices that are gone: their place is for others. */
static void named_prune(struct helper *h)
{
	int kept = 0;

	for (int i = 0; i < NAMED_MAX; i++)
		if (h->named[i] && devices_find_index(&h->devices, h->named[i]))
			h->named[kept++] = h->named[i];
	memset(h->named + kept, 0, (NAMED_MAX - kept) * sizeof(*h->named));
}

static bool named_before(struct helper *h, unsigned int index)
{
	for (int i = 0; i < NAMED_MAX; i++) {
		if (h->named[i] == index)
			return true;
		if (!h->named[i]) {
			h->named[i] = index;
			return false;
		}
	}
	return true;
}

static void others_name(struct helper *h)
{
	if (!datapath_device(h->dp))
		return;
	named_prune(h);
	devices_stack(&h->devices, datapath_device(h->dp));
	for (size_t i = 0; i < h->devices.count; i++) {
		const struct device *device = &h->devices.at[i];

		if (device_delivers(device, datapath_device(h->dp)) &&
		    !named_before(h, device->index))
			say(h, "%s (%s) is up and not guarded by this knockd: whoever can send "
			    "through it reaches protected ports", device->name,
			    device->kind[0] ? device->kind : "hardware");
	}
}

/* ---- guarding ---- */

static int devices_again(struct helper *h)
{
	struct devices devices = {};
	int error = devices_read(&devices);

	if (error)
		return error;
	devices_free(&h->devices);
	h->devices = devices;
	return 0;
}

/* Tables of @conf that go on from those in force; what is wrong or unwise goes to @messages. */
static int config_prepare(struct helper *h, const struct conf *conf, struct compiled *compiled,
			  struct messages *messages)
{
	struct heritage heritage;
	int error = datapath_heritage(h->dp, &heritage);

	if (error) {
		message_add(messages, MESSAGE_ERROR, 0, "the tables in force cannot be read: %s",
			    strerror(-error));
		return error;
	}
	error = config_compile(conf, heritage.settings ? &heritage : NULL, compiled, messages);
	heritage_free(&heritage);
	return error;
}

static void guarding_say(struct helper *h, const struct device *device)
{
	const char *why = datapath_why(h->dp);

	snprintf(h->seen, sizeof(h->seen), "%s", device->name);
	say(h, "%s: XDP mode %s%s%s", device->name,
	    datapath_flavour_name(datapath_flavour(h->dp)), why[0] ? "; " : "", why);
	if (!datapath_inner(h->dp))
		say(h, "the outer door stands alone: the kernel does not say on which device a "
		    "connection arrives (that needs Linux 5.17)");
	others_name(h);
	view_say(h);
	status_say(h);
}

static int config_put(struct helper *h, const struct conf *conf, const struct compiled *compiled,
		      const struct device *device, unsigned int trial_s, bool starting,
		      struct failure *failure)
{
	const struct datapath_config config = {
		.compiled = compiled,
		.path = h->options->config,
		.mode = h->options->mode < 0 ? conf->xdp_mode :
			(enum conf_xdp_mode)h->options->mode,
		.trial_s = trial_s,
		.starting = starting,
	};
	int error = datapath_put(h->dp, &config, &h->devices, device, failure);
	unsigned int left = error ? 0 : datapath_trial_s(h->dp);

	if (left)
		say(h, "on trial: unless 'knockctl confirm' is run or a knock opens a door within "
		    "%u seconds, %s", left, datapath_about(h->dp)->fallback ?
		    "the config before comes back" : "everything is open again");
	return error;
}

/* Load the config and guard @device by it. */
static int device_begin(struct helper *h, const struct device *device, struct failure *failure)
{
	struct compiled compiled = {};
	struct messages messages;
	int error;

	messages_init(&messages, h->conf->file);
	error = config_prepare(h, h->conf, &compiled, &messages);
	if (error) {
		messages_say(h, &messages);
		failure_set(failure, "the config cannot be put in force");
	} else {
		error = config_put(h, h->conf, &compiled, device, h->trial ?
				   h->options->confirm_s : 0, true, failure);
	}
	if (!error) {
		h->trial = h->stale = false;
		guarding_say(h, device);
		say(h, "starting up, listening on %s", device->name);
	}
	compiled_free(&compiled);
	messages_free(&messages);
	malloc_trim(0);
	return error;
}

/* Guard @device, as it is, by what is in force. */
static int device_keep(struct helper *h, const struct device *device, struct failure *failure)
{
	int error = datapath_surroundings(h->dp, &h->devices);

	if (error) {
		failure_set(failure, "cannot tell the programs of the devices: %s",
			    strerror(-error));
		return error;
	}
	guarding_say(h, device);
	say(h, "starting up, listening on %s", device->name);
	return 0;
}

/* The interface has come, or come back. */
static void device_came(struct helper *h, const struct device *device)
{
	const struct device *master = devices_find_index(&h->devices, device->master);
	struct failure failure = {};

	if (device->master) {
		say(h, "%s belongs to '%s', where connections live; it is not guarded",
		    device->name, master ? master->name : "?");
		return;
	}
	if (!h->stale && !datapath_again(h->dp, &h->devices, device, &failure)) {
		guarding_say(h, device);
		say(h, "%s is back, and guarded again", device->name);
		return;
	}
	if (!device_begin(h, device, &failure))
		return;
	say(h, "%s: %s", device->name, failure.text);
	/* Better by the config before than by none. */
	if (h->stale && !datapath_again(h->dp, &h->devices, device, &failure)) {
		guarding_say(h, device);
		say(h, "%s is guarded by the config before", device->name);
	}
}

static void device_went(struct helper *h)
{
	datapath_lost(h->dp);
	say(h, "%s: the interface is gone; waiting for it to come back, with all state kept",
	    h->seen);
	status_say(h);
}

static void devices_changed(struct helper *h)
{
	unsigned int index = datapath_device(h->dp);
	const struct device *device;
	int error;

	devices_watch_drain(h->watch);
	error = devices_again(h);
	if (error) {
		say(h, "cannot follow a change of network devices: %s", strerror(-error));
		return;
	}
	device = index ? devices_find_index(&h->devices, index) : NULL;
	if (index && !device) {
		device_went(h);
		index = 0;
	} else if (!datapath_check(h->dp)) {
		say(h, "somebody else has detached a door of %s; attaching it again", h->seen);
		device_came(h, device);
		return;
	}
	if (!index) {
		device = devices_find(&h->devices, h->wanted);
		if (device)
			device_came(h, device);
		return;
	}
	if (strcmp(device->name, h->seen)) {
		say(h, "%s is now called %s; it stays guarded", h->seen, device->name);
		snprintf(h->seen, sizeof(h->seen), "%s", device->name);
		status_say(h);
	}
	error = datapath_surroundings(h->dp, &h->devices);
	if (error)
		say(h, "cannot tell the programs of a change of network devices: %s",
		    strerror(-error));
	others_name(h);
}

/* ---- orders ---- */

/* An interface is chosen once and for all; what holds it has no other. */
static int interface_check(const struct helper *h, const struct conf *conf,
			   struct messages *messages)
{
	if (h->options->interface || !conf->interface_count ||
	    !strcmp(conf->interface[0], h->wanted))
		return 0;
	message_add(messages, MESSAGE_ERROR, 0, "Interface = %s: knockd guards %s; stop it and "
		    "start it again to change that", conf->interface[0], h->wanted);
	return -EINVAL;
}

/* Read, compile, put in force; @messages and @failure tell why not. */
static int config_replace(struct helper *h, struct conf *conf, unsigned int trial_s,
			  struct messages *messages, struct failure *failure)
{
	struct compiled compiled = {};
	const struct device *device;
	int error = config_parse(h->options->config, conf, messages);

	if (!error)
		error = interface_check(h, conf, messages);
	if (!error)
		error = config_prepare(h, conf, &compiled, messages);
	if (error) {
		failure_set(failure, "the config has errors");
		goto out;
	}
	error = devices_again(h);
	if (error) {
		failure_set(failure, "cannot list network devices: %s", strerror(-error));
		goto out;
	}
	device = devices_find_index(&h->devices, datapath_device(h->dp));
	if (!device && trial_s) {
		error = -ENODEV;
		failure_set(failure, "there is no interface %s to try it on", h->wanted);
	} else if (!device) {
		h->stale = true;
	} else {
		error = config_put(h, conf, &compiled, device, trial_s, false, failure);
	}
out:
	compiled_free(&compiled);
	return error;
}

static void reload_tell(struct helper *h, int status)
{
	struct about *about = datapath_about(h->dp);

	if (!about)
		return;
	memcpy(about->reload_text, h->said ? h->said : "", h->said_len);
	about->reload_text[h->said_len] = '\0';
	about->reload_status = status;
	__atomic_fetch_add(&about->reloads, 1, __ATOMIC_SEQ_CST);
}

static void conf_drop(struct conf **conf)
{
	if (*conf) {
		conf_free(*conf);
		free(*conf);
	}
	*conf = NULL;
}

/* @conf is in force: the one before goes, unless it may come back. */
static void conf_succeed(struct helper *h, struct conf *conf)
{
	const struct about *about = datapath_about(h->dp);

	if (!about || !about->fallback)
		conf_drop(&h->former_conf);
	if (about && about->fallback && !h->former_conf)
		h->former_conf = h->conf;
	else
		conf_drop(&h->conf);
	h->conf = conf;
}

static int config_reload(struct helper *h, unsigned int trial_s)
{
	struct conf *conf = calloc(1, sizeof(*conf));
	struct failure failure = {};
	struct messages messages;
	int error = -ENOMEM;

	if (!conf)
		return error;
	h->said = malloc(ABOUT_TEXT_MAX);
	h->said_len = 0;
	messages_init(&messages, h->options->config);
	conf_init(conf, h->options->config);
	error = config_replace(h, conf, trial_s, &messages, &failure);
	messages_say(h, &messages);
	if (error) {
		say(h, "not reloaded: %s; the config in force stays", failure.text);
		conf_drop(&conf);
	} else {
		conf_succeed(h, conf);
		log_say(h);
		if (!h->stale)
			view_say(h);
		say(h, h->stale ? "reloaded; it comes into force with the interface" : "reloaded");
	}
	status_say(h);
	reload_tell(h, error);
	free(h->said);
	h->said = NULL;
	messages_free(&messages);
	malloc_trim(0);
	return error;
}

static int trial_undo(struct helper *h, struct failure *failure)
{
	int error = datapath_undo(h->dp, failure);

	if (error == -EALREADY)
		return 0; /* confirmed, or replaced, meanwhile */
	if (!error) {
		if (h->former_conf) {
			conf_drop(&h->conf);
			h->conf = h->former_conf;
			h->former_conf = NULL;
			log_say(h);
		}
		say(h, "not confirmed in time: the config before is in force again");
		view_say(h);
		return 0;
	}
	if (error == -ENOENT)
		say(h, "not confirmed in time: detaching, everything is open");
	return error;
}

static int trial_confirm(struct helper *h, struct failure *failure)
{
	int error = datapath_confirm(h->dp, failure);

	if (!error && !datapath_on_trial(h->dp))
		conf_drop(&h->former_conf);
	return error;
}

static void counters_say(void *data, const char *line)
{
	say(data, "counter: %s", line);
}

static void helper_stop(struct helper *h, bool detach)
{
	const struct generation *g = datapath_generation(h->dp);

	if (g->map[MAP_counters] >= 0)
		counters_list(g, counters_say, h);
	if (detach)
		datapath_stop(h->dp);
	else
		datapath_leave(h->dp);
	h->dp = NULL;
}

/* Whether to go on. */
static bool order_obey(struct helper *h, const struct errand *errand)
{
	struct failure failure = {};
	int status = 0;

	switch (errand->order) {
	case HELPER_RELOAD:
		status = config_reload(h, errand->argument);
		break;
	case HELPER_CONFIRM:
		status = trial_confirm(h, &failure);
		break;
	case HELPER_UNDO:
		status = trial_undo(h, &failure);
		if (status == -ENOENT)
			helper_stop(h, true);
		break;
	case HELPER_STOP:
		helper_stop(h, h->conf->on_exit == CONF_EXIT_DETACH);
		break;
	case HELPER_DETACH:
		helper_stop(h, true);
		break;
	case HELPER_LEAVE:
		helper_stop(h, false);
		break;
	}
	done_say(h, errand->order, status, failure.text);
	return h->dp;
}

/* ---- the process ---- */

static int helper_begin(struct helper *h, struct messages *messages,
			struct failure *failure)
{
	const struct datapath_place place = {
		.pin_dir = h->options->pin_dir,
		.name = h->options->name ? h->options->name : h->wanted,
		.patience_s = LOCK_PATIENCE_S,
		.say = line_say,
		.data = h,
	};
	const struct device *device = devices_find(&h->devices, h->wanted);
	int error = datapath_open(&h->dp, &place, device ? device->index : 0, failure);

	if (error)
		return error;
	log_say(h);
	if (datapath_about(h->dp))
		say(h, "going on from what an earlier knockd left in force");
	/* Before anything closes. */
	messages_say(h, messages);
	messages_free(messages);
	h->trial = h->options->confirm_s;
	h->stale = !datapath_refused(h->dp, h->options->config);
	if (!h->stale) {
		say(h, "'%s' was not confirmed in time and has not changed since: the config "
		    "before it stays in force; 'knockctl reload' reads it again",
		    h->options->config);
	}
	if (device && !h->stale && datapath_device(h->dp))
		return device_keep(h, device, failure);
	if (device && !h->stale && !datapath_again(h->dp, &h->devices, device, failure))
		return device_keep(h, device, failure);
	if (device)
		return device_begin(h, device, failure);
	say(h, "there is no interface '%s' yet; waiting for it", h->wanted);
	status_say(h);
	return 0;
}

static void helper_serve(struct helper *h)
{
	struct pollfd ready[] = {
		{ .fd = h->channel, .events = POLLIN },
		{ .fd = h->watch, .events = POLLIN },
	};
	bool running = true;

	/* What changed between the first look and the watch. */
	devices_changed(h);
	while (running) {
		int count = poll(ready, 2, datapath_device(h->dp) ? -1 : WAIT_WARNING_MS);
		struct errand errand;
		ssize_t got;

		if (!count)
			say(h, "still no interface '%s'", h->wanted);
		if (count <= 0)
			continue;
		if (ready[1].revents)
			devices_changed(h);
		if (!ready[0].revents)
			continue;
		got = recv(h->channel, &errand, sizeof(errand), 0);
		if (got == sizeof(errand))
			running = order_obey(h, &errand);
		else if (got >= 0 || errno != EINTR)
			running = false; /* the loop has ended */
	}
}

static int helper_main(struct helper *h, struct messages *messages)
{
	struct failure failure = {};
	int error;

	h->watch = devices_watch();
	error = h->watch < 0 ? h->watch : devices_again(h);
	if (error)
		failure_set(&failure, "cannot watch network devices: %s", strerror(-error));
	else
		error = helper_begin(h, messages, &failure);
	done_say(h, HELPER_START, error, failure.text);
	if (!error)
		helper_serve(h);
	/* Where it was not stopped, everything stays in force. */
	datapath_leave(h->dp);
	devices_free(&h->devices);
	conf_drop(&h->conf);
	conf_drop(&h->former_conf);
	return error ? 1 : 0;
}

int helper_start(const struct helper_options *options, const char *wanted, struct conf *conf,
		 struct messages *messages)
{
	struct helper h = { .options = options, .conf = conf };
	int ends[2], error;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	pid = fork();
	if (pid < 0) {
		error = -errno;
		close(ends[0]);
		close(ends[1]);
		return error;
	}
	if (!pid) {
		close(ends[0]);
		h.channel = ends[1];
		snprintf(h.wanted, sizeof(h.wanted), "%s", wanted);
		_exit(helper_main(&h, messages));
	}
	close(ends[1]);
	return ends[0];
}
