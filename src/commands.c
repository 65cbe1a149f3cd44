// SPDX-License-Identifier: GPL-2.0-or-later
#include "commands_parts.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "event_text.h"
#include "process.h"
#include "text.h"

enum {
	RETRY_MS = 1000, /* until a stop command that could not be started is tried again */
	LOOK_MS = 1000,  /* until it is looked again whether a former daemon's child has ended */
};

static uint64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t time_after(uint64_t from_ms, uint64_t ms)
{
	return ms == DEBT_NEVER ? DEBT_NEVER : from_ms + ms;
}

/* ---- what it says ---- */

void commands_say(struct commands *c, const char *format, ...)
{
	va_list arguments;
	char *line;
	int len;

	va_start(arguments, format);
	len = vasprintf(&line, format, arguments);
	va_end(arguments);
	if (len < 0)
		return;
	text_disarm(line);
	c->place.say(c->place.data, line);
	free(line);
}

static void line_say(void *data, const char *line)
{
	commands_say(data, "%s", line);
}

/* Why a stop command runs, where its time was not over just so. */
static void stop_say(struct commands *c, const struct debt *debt)
{
	struct address_text ip = address_text(&debt->source);
	uint64_t late_ms = c->now_ms > debt->due_ms ? c->now_ms - debt->due_ms : 0;

	if (debt->restarted)
		commands_say(c, "%s: %s: stop command late: owed since before this host was "
			     "started", ip.text, debt->door);
	else if (debt->inherited && late_ms >= 1000)
		commands_say(c, "%s: %s: stop command of an earlier daemon, %ju s late", ip.text,
			     debt->door, (uintmax_t)late_ms / 1000);
	else if (!debt->closed)
		commands_say(c, "%s: %s: command timeout", ip.text, debt->door);
}

/* ---- jobs ---- */

struct job *job_make(const char *door, const struct source *source, const char *command,
		     struct debt *debt, bool stop)
{
	size_t size = strlen(command) + 1;
	struct job *job = malloc(sizeof(*job) + size);

	if (!job)
		return NULL;
	*job = (struct job){ .source = *source, .debt = debt, .stop = stop };
	snprintf(job->door, sizeof(job->door), "%s", door);
	memcpy(job->command, command, size);
	return job;
}

static void job_free(void *job)
{
	free(job);
}

void job_drop(struct commands *c, struct job *job)
{
	if (job->debt)
		debts_drop(c->debts, job->debt, c->now_ms);
	job_free(job);
}

/* Return: the process or −errno; that it could not be is said. */
static pid_t job_run(struct commands *c, struct job *job)
{
	const struct command_about about = { .door = job->door, .source = &job->source };
	struct command command;
	pid_t pid = command_make(&command, job->command, &about, environ);

	if (!pid) {
		pid = runner_start(c->runner, &command, job, c->now_ms + c->time_ms);
		command_free(&command);
	}
	if (pid < 0)
		commands_say(c, "error: command fork failed! %s: %s", job->door, strerror(-pid));
	return pid;
}

/* ---- the line of start commands ---- */

/* Take the first that may run: not one whose own stop command still does. */
static struct job *queue_next(struct commands *c)
{
	for (size_t i = 0; i < c->queued; i++) {
		struct job *job = c->queue[i];

		if (job->debt && debts_stopping(c->debts, job->debt))
			continue;
		c->queued--;
		memmove(&c->queue[i], &c->queue[i + 1], (c->queued - i) * sizeof(struct job *));
		return job;
	}
	return NULL;
}

static void queue_drop(struct commands *c)
{
	if (c->queued)
		commands_say(c, "%zu start commands were still waiting in line, and are not run",
			     c->queued);
	for (size_t i = 0; i < c->queued; i++)
		job_drop(c, c->queue[i]);
	c->queued = 0;
}

/* ---- running ---- */

static void start_run(struct commands *c, struct job *job)
{
	struct debt *debt = job->debt;
	pid_t pid;

	/* On the disk before anything can have been done that has to be undone. */
	if (debt)
		debts_change(c->debts, debt, DEBT_STARTING, DEBT_NEVER, c->now_ms);
	pid = job_run(c, job);
	if (pid < 0) {
		job_drop(c, job);
		return;
	}
	commands_say(c, "%s: running command: %s", job->door, job->command);
	if (debt)
		debts_starter(c->debts, debt, pid, c->now_ms);
}

static void stop_run(struct commands *c, struct debt *debt)
{
	struct job *job = job_make(debt->door, &debt->source, debt->command, debt, true);

	if (!job || job_run(c, job) < 0) {
		job_free(job);
		debts_change(c->debts, debt, DEBT_STANDING, c->now_ms + RETRY_MS, c->now_ms);
		return;
	}
	stop_say(c, debt);
	commands_say(c, "%s: running command: %s", debt->door, debt->command);
	debts_change(c->debts, debt, DEBT_STOPPING, debt->due_ms, c->now_ms);
}

/* The start command of @debt has ended, at @end_ms. */
static void debt_stand(struct commands *c, struct debt *debt, uint64_t end_ms)
{
	uint64_t due_ms = debt->closed ? c->now_ms : time_after(end_ms, debt->timeout_ms);

	debts_change(c->debts, debt, DEBT_STANDING, due_ms, c->now_ms);
}

/* The start command is not our child: whether it has ended can only be looked at. */
static void adopted_serve(struct commands *c, struct debt *debt)
{
	bool known = debt->pid > 0, runs = known && process_start(debt->pid) == debt->pid_start;

	if (runs && c->now_ms < debt->began_ms + c->time_ms) {
		debts_change(c->debts, debt, DEBT_ADOPTED, c->now_ms + LOOK_MS, c->now_ms);
		return;
	}
	if (runs) {
		commands_say(c, "%s: start command of an earlier daemon ran longer than %ju s, "
			     "killed", debt->door, (uintmax_t)c->time_ms / 1000);
		kill(-debt->pid, SIGKILL);
	}
	/* When it ended is not known: soon after its beginning, as commands do. */
	debt_stand(c, debt, known && !runs ? debt->began_ms : c->now_ms);
}

/* Start commands that hang are not to keep stop commands from their time. */
static bool stop_room(const struct commands *c)
{
	return runner_count(c->runner) < 2 * c->max;
}

static bool start_room(const struct commands *c)
{
	return runner_count(c->runner) < c->max;
}

/* Closing comes first. */
void commands_pump(struct commands *c)
{
	while (stop_room(c)) {
		struct debt *debt = debts_first(c->debts, c->now_ms);
		struct job *job = debt || !start_room(c) ? NULL : queue_next(c);

		if (debt && debt->state == DEBT_ADOPTED)
			adopted_serve(c, debt);
		else if (debt)
			stop_run(c, debt);
		else if (job)
			start_run(c, job);
		else
			return;
	}
}

static void job_ended(struct commands *c, struct job *job, int status)
{
	if (WIFSIGNALED(status))
		commands_say(c, "%s: command ended by signal %d", job->door, WTERMSIG(status));
	else if (WEXITSTATUS(status) && !job->failed)
		commands_say(c, "%s: command returned non-zero status code (%d)", job->door,
			     WEXITSTATUS(status));
	if (job->stop)
		debts_drop(c->debts, job->debt, c->now_ms);
	else if (job->debt)
		debt_stand(c, job->debt, c->now_ms);
	job_free(job);
}

static void job_heard(void *data, void *which, enum runner_word word, int value)
{
	struct commands *c = data;
	struct job *job = which;

	switch (word) {
	case RUNNER_BEGAN:
		if (value) {
			job->failed = true;
			commands_say(c, "%s: command cannot be run: %s", job->door,
				     strerror(-value));
		}
		if (job->stop)
			debts_pay(c->debts, job->debt, c->now_ms);
		break;
	case RUNNER_OVERTIME:
		commands_say(c, "%s: command runs longer than %ju s, ending it", job->door,
			     (uintmax_t)c->time_ms / 1000);
		break;
	case RUNNER_KILLED:
		commands_say(c, "%s: command does not end, killed", job->door);
		break;
	case RUNNER_ENDED:
		job_ended(c, job, value);
	}
}

/* ---- the helper's loop ---- */

int commands_fd(const struct commands *c)
{
	return runner_fd(c->runner);
}

static uint64_t commands_next_ms(const struct commands *c)
{
	uint64_t next = runner_next_ms(c->runner), due = debts_next_ms(c->debts);

	/* Where there is no room, one has to end first. */
	if (stop_room(c) && due < next)
		next = due;
	if (refusals_next_ms(&c->refusals) < next)
		next = refusals_next_ms(&c->refusals);
	if (debts_retry_ms(c->debts) < next)
		next = debts_retry_ms(c->debts);
	return next;
}

int commands_wait_ms(const struct commands *c)
{
	uint64_t next = commands_next_ms(c), now = c->place.now_ms();

	if (next == UINT64_MAX)
		return -1;
	return next <= now ? 0 : next - now > INT_MAX ? INT_MAX : (int)(next - now);
}

void commands_serve(struct commands *c)
{
	c->now_ms = c->place.now_ms();
	runner_serve(c->runner, c->now_ms);
	commands_pump(c);
	debts_retry(c->debts, c->now_ms);
	refusals_say(&c->refusals, c->now_ms);
}

size_t commands_owed(const struct commands *c)
{
	return debts_count(c->debts);
}

void commands_settle(struct commands *c, unsigned int patience_s)
{
	uint64_t end_ms = c->place.now_ms() + patience_s * 1000ULL;

	c->now_ms = c->place.now_ms();
	queue_drop(c);
	debts_hurry(c->debts, NULL, NULL, c->now_ms);
	commands_serve(c);
	while ((runner_count(c->runner) || debts_next_ms(c->debts) != DEBT_NEVER) &&
	       c->now_ms < end_ms) {
		struct pollfd ready = { .fd = commands_fd(c), .events = POLLIN };
		uint64_t next_ms = commands_next_ms(c);

		next_ms = next_ms < end_ms ? next_ms : end_ms;
		poll(&ready, 1, next_ms > c->now_ms ? (int)(next_ms - c->now_ms) : 0);
		commands_serve(c);
	}
	if (runner_count(c->runner))
		commands_say(c, "%zu commands are still running", runner_count(c->runner));
	if (commands_owed(c))
		commands_say(c, "%zu stop commands stay owed; knockd runs them when it is started "
			     "again", commands_owed(c));
}

void commands_limit(struct commands *c, const struct conf *conf)
{
	c->max = conf->max_commands;
	c->prefix6 = conf->grant_prefix6;
	c->time_ms = conf->command_time_s * 1000ULL;
	for (size_t i = 0; i < conf->door_count; i++) {
		const struct conf_commands *commands = &conf->door[i].commands;

		if ((commands->stop && *commands->stop) || (commands->stop6 && *commands->stop6)) {
			debts_prepare(c->debts, c->place.now_ms());
			return;
		}
	}
}

/* ---- beginning and end ---- */

int commands_open(struct commands **out, const struct commands_place *place)
{
	struct commands *c = calloc(1, sizeof(*c));
	struct debts_place debts = { .folder = place->state_dir, .name = place->name,
				     .say = line_say, .data = c };
	int error;

	if (!c)
		return -ENOMEM;
	c->place = *place;
	if (!place->now_ms)
		c->place.now_ms = monotonic_ms;
	rate_init(&c->rate);
	c->refusals = (struct refusals){ .say = line_say, .data = c };
	error = runner_open(&c->runner, job_heard, c);
	if (!error)
		error = debts_open(&c->debts, &debts, c->place.now_ms());
	if (error) {
		commands_close(c);
		return error;
	}
	*out = c;
	return 0;
}

void commands_close(struct commands *c)
{
	if (!c)
		return;
	runner_close(c->runner, job_free);
	for (size_t i = 0; i < c->queued; i++)
		job_free(c->queue[i]);
	debts_close(c->debts);
	free(c);
}
