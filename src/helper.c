// SPDX-License-Identifier: GPL-2.0-or-later
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "daemonize.h"
#include "datapath.h"
#include "device.h"
#include "guard.h"
#include "path.h"
#include "pidfile.h"
#include "tables.h"
#include "tasks.h"

enum { LINE_PATIENCE_MS = 500, SETTLE_S = 30 };

struct errand {
	__u32 order; /* enum helper_order */
	__u32 argument;
};

struct helper {
	struct guarding guard;
	struct commands *commands;   /* NULL: without memory for it */
	struct tasks *tasks;
	bool advance;                /* a one-time sequence may have been used */
	int channel, watch;
	char *said;                  /* where lines of a reload are kept; NULL: none is under way */
	size_t said_len;
	char pid_file[PATH_MAX];     /* that was written; empty: none */
	pid_t loop;                  /* whose id is in it */
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

/* For who wants to know more: it does not go to the log. */
static void detail_say(void *data, const char *line)
{
	struct helper_message message = { .word = HELPER_LINE, .flag = 1 };

	snprintf(message.text, sizeof(message.text), "%s", line);
	message_offer(data, &message);
}

static void status_say(struct helper *h)
{
	struct helper_message message = { .word = HELPER_STATUS };

	message.flag = guard_status(&h->guard, message.text, sizeof(message.text));
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
	const struct generation *g = datapath_generation(h->guard.dp);
	struct helper_message message = {
		.word = HELPER_VIEW,
		.flag = datapath_on_trial(h->guard.dp),
	};
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

/* What the config says beats what the command line says, as in 0.8. NULL: there is no log file. */
static const char *log_file_path(const struct helper *h, char room[PATH_MAX])
{
	const char *path = h->guard.conf->log_file;

	if (!path)
		path = h->guard.options->log_file;
	return path ? path_absolute(path, room) : NULL;
}

/* Where the log goes from now on. */
static void log_say(struct helper *h)
{
	struct helper_message message = { .word = HELPER_LOG, .flag = h->guard.conf->use_syslog };
	char room[PATH_MAX];
	const char *path = log_file_path(h, room);
	int file = -1;

	if (path) {
		file = log_file_open(path);
		if (file < 0)
			say(h, "cannot open log file '%s': %s; logging goes on without", path,
			    strerror(-file));
	}
	channel_send(h->channel, &message, &file, file >= 0, 0);
	if (file >= 0)
		close(file);
}

/* It may have been renamed, to begin a new one. */
static void log_again(struct helper *h)
{
	char room[PATH_MAX];
	const char *path = log_file_path(h, room);

	log_say(h);
	if (path)
		say(h, "re-opening log file: %s", path);
}

/* ---- the pid file ---- */

static void pid_file_write(struct helper *h)
{
	const char *path = h->guard.conf->pid_file;
	char room[PATH_MAX];
	int error;

	if (!h->guard.options->daemon)
		return;
	path = path_absolute(path ? path : h->guard.options->pid_file, room);
	h->loop = getppid();
	error = pidfile_write(path, h->loop);
	if (error)
		say(h, "could not create pid file %s: %s", path, strerror(-error));
	else
		snprintf(h->pid_file, sizeof(h->pid_file), "%s", path);
}

static void pid_file_remove(struct helper *h)
{
	if (h->pid_file[0])
		pidfile_remove(h->pid_file, h->loop);
	h->pid_file[0] = '\0';
}

/* ---- what doors ask for ---- */

/* Doors that are not in the config are gone, unless another may come back. */
static void doors_settle(struct helper *h)
{
	const struct guarding *g = &h->guard;

	if (h->commands && !g->refused && !datapath_on_trial(g->dp))
		commands_follow(h->commands, g->conf);
}

/* From now on the doors of the config in force are meant, if its file is the one that we have. */
static void tasks_turn(struct helper *h)
{
	static const struct conf unknown;
	const struct guarding *g = &h->guard;
	const struct generation *in_force = datapath_generation(g->dp);
	int error;

	if (!h->tasks || in_force->map[MAP_tasks] < 0)
		return;
	commands_limit(h->commands, g->conf);
	doors_settle(h);
	error = tasks_follow(h->tasks, in_force, g->refused ? &unknown : g->conf);
	if (error)
		say(h, "no commands are run: %s", strerror(-error));
	h->advance = !g->refused;
}

static void tasks_begin(struct helper *h)
{
	const struct commands_place place = {
		.state_dir = h->guard.options->state_dir,
		.name = guard_name(&h->guard),
		.say = line_say,
		.data = h,
	};
	int error = commands_open(&h->commands, &place);

	/* What an earlier daemon owed is due whatever becomes of the interface. */
	if (!error)
		commands_limit(h->commands, h->guard.conf);
	if (!error)
		error = tasks_open(&h->tasks, h->commands, line_say, h);
	if (error)
		say(h, "no commands are run: %s", strerror(-error));
	else
		tasks_turn(h);
}

static void tasks_do(struct helper *h)
{
	const struct about *about = datapath_about(h->guard.dp);

	if (about)
		tasks_serve(h->tasks, about_now(about), about->hz);
	h->advance = !h->guard.refused;
}

/* Knocks opened a door by a sequence that is good for once: the next one comes into force. */
static void sequences_advance(struct helper *h)
{
	const struct generation *in_force = datapath_generation(h->guard.dp);

	h->advance = false;
	if (tasks_advance(h->tasks, in_force, h->guard.conf))
		guard_renew(&h->guard);
}

static void news_tell(void *data, enum guard_news what)
{
	switch (what) {
	case GUARD_VIEW:
		view_say(data);
		tasks_turn(data);
		break;
	case GUARD_STATUS:
		status_say(data);
		break;
	case GUARD_LOG:
		log_say(data);
		tasks_turn(data);
		break;
	}
}

/* ---- orders ---- */

static void reload_tell(struct helper *h, int status)
{
	struct about *about = datapath_about(h->guard.dp);

	if (!about)
		return;
	memcpy(about->reload_text, h->said ? h->said : "", h->said_len);
	about->reload_text[h->said_len] = '\0';
	about->reload_status = status;
	__atomic_fetch_add(&about->reloads, 1, __ATOMIC_SEQ_CST);
}

static int reload(struct helper *h, unsigned int trial_s)
{
	int error;

	say(h, "re-reading config file: %s", h->guard.options->config);
	log_again(h);
	h->said = malloc(ABOUT_TEXT_MAX);
	h->said_len = 0;
	/* What was used is to be known by its door's name, which may be another in a moment. */
	if (h->tasks && h->advance)
		sequences_advance(h);
	error = guard_reload(&h->guard, trial_s);
	reload_tell(h, error);
	free(h->said);
	h->said = NULL;
	return error;
}

/* Nothing stays open behind a daemon that was told to stop. */
static void stop(struct helper *h, bool detach)
{
	/* What was used up to now the kernel forgets, at once or when the host is restarted. */
	if (h->tasks && !h->guard.refused) {
		if (detach)
			datapath_detach(h->guard.dp);
		tasks_advance(h->tasks, datapath_generation(h->guard.dp), h->guard.conf);
	}
	pid_file_remove(h);
	/* Before it waits: whoever starts the next knockd meanwhile finds the place free. */
	guard_stop(&h->guard, detach);
	detail_say(h, "waiting for child processes...");
	if (h->commands)
		commands_settle(h->commands, SETTLE_S);
}

/* Whether to go on. */
static bool order_obey(struct helper *h, const struct errand *errand)
{
	struct guarding *g = &h->guard;
	struct failure failure = {};
	int status = 0;

	switch (errand->order) {
	case HELPER_RELOAD:
		status = reload(h, errand->argument);
		break;
	case HELPER_CONFIRM:
		status = guard_confirm(g, &failure);
		doors_settle(h);
		break;
	case HELPER_UNDO:
		status = guard_undo(g, &failure);
		if (status == -ENOENT)
			stop(h, true);
		break;
	case HELPER_STOP:
		stop(h, g->conf->on_exit == CONF_EXIT_DETACH);
		break;
	case HELPER_DETACH:
		stop(h, true);
		break;
	case HELPER_LEAVE:
		pid_file_remove(h);
		guard_stop(g, false);
		break;
	}
	done_say(h, errand->order, status, failure.text);
	return g->dp;
}

/* ---- the process ---- */

/* Whether to go on. */
static bool channel_serve(struct helper *h)
{
	struct errand errand;
	ssize_t got = recv(h->channel, &errand, sizeof(errand), 0);

	if (got == sizeof(errand))
		return order_obey(h, &errand);
	return got < 0 && errno == EINTR; /* else the loop has ended */
}

/* Milliseconds until there is something to do without being asked; −1: nothing. */
static int wait_ms(struct helper *h)
{
	int guard = guard_wait_ms(&h->guard);
	int commands = h->commands ? commands_wait_ms(h->commands) : -1;

	return guard < 0 || (commands >= 0 && commands < guard) ? commands : guard;
}

static void helper_serve(struct helper *h)
{
	enum { CHANNEL, WATCH, TASKS, COMMANDS, COUNT };
	struct pollfd ready[COUNT] = {
		[CHANNEL] = { .fd = h->channel, .events = POLLIN },
		[WATCH] = { .fd = h->watch, .events = POLLIN },
		[TASKS] = { .fd = -1, .events = POLLIN },
		[COMMANDS] = {
			.fd = h->commands ? commands_fd(h->commands) : -1, .events = POLLIN,
		},
	};
	bool running = true;

	/* What changed between the first look and the watch. */
	ready[WATCH].revents = POLLIN;
	while (running) {
		if (ready[WATCH].revents) {
			devices_watch_drain(h->watch);
			guard_look(&h->guard);
		}
		guard_serve(&h->guard);
		if (h->tasks)
			tasks_do(h);
		if (h->commands)
			commands_serve(h->commands);
		if (ready[CHANNEL].revents)
			running = channel_serve(h);
		if (running && h->tasks && h->advance)
			sequences_advance(h);
		ready[TASKS].fd = h->tasks ? tasks_fd(h->tasks) : -1;
		if (running && poll(ready, COUNT, wait_ms(h)) < 0)
			for (int i = 0; i < COUNT; i++)
				ready[i].revents = 0;
	}
}

static int helper_main(struct helper *h, struct messages *messages)
{
	struct failure failure = {};
	int error = 0;

	h->watch = devices_watch();
	if (h->watch < 0) {
		error = h->watch;
		failure_set(&failure, "cannot watch network devices: %s", strerror(-error));
	}
	if (!error)
		error = guard_open(&h->guard, messages, &failure);
	if (!error) {
		tasks_begin(h);
		pid_file_write(h);
		daemonize_detach();
	}
	done_say(h, HELPER_START, error, failure.text);
	if (!error)
		helper_serve(h);
	pid_file_remove(h);
	/* Where it was not stopped, everything stays in force, and what is owed stays owed. */
	tasks_close(h->tasks);
	commands_close(h->commands);
	guard_close(&h->guard);
	return error ? 1 : 0;
}

int helper_start(const struct helper_options *options, const struct interface_names *wanted,
		 struct conf *conf, struct messages *messages)
{
	struct helper h = {
		.guard = { .options = options, .wanted = wanted, .conf = conf },
	};
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
		h.guard.say = line_say;
		h.guard.detail = detail_say;
		h.guard.news = news_tell;
		h.guard.data = &h;
		_exit(helper_main(&h, messages));
	}
	close(ends[1]);
	return ends[0];
}
