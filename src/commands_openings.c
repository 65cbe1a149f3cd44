// SPDX-License-Identifier: GPL-2.0-or-later
/* What commands do when doors open and close. */
#include "commands_parts.h"

#include <string.h>
#include <sys/socket.h>

#include "command.h"
#include "event_text.h"

static void refusal_add(struct commands *c, enum refusal why, const struct conf_door *door,
			const struct source *source)
{
	refusal_note(&c->refusals, why, door->name, source, c->now_ms);
}

/* ---- what is owed already ---- */

static uint64_t door_timeout_ms(const struct conf_door *door)
{
	if (door->commands.timeout_line || !door->open.count)
		return door->commands.timeout_s * 1000ULL;
	return door->open_time_s ? door->open_time_s * 1000ULL : DEBT_NEVER;
}

/* What @source owes of @stop, which is not expanded. */
static struct debt *debt_owed(const struct commands *c, const struct conf_door *door,
			      const struct source *source, const char *stop)
{
	const struct command_about about = { .door = door->name, .source = source };
	char text[COMMAND_MAX + 1];

	if (!stop || command_expand(stop, &about, text))
		return NULL;
	return debts_find(c->debts, door->name, door->ordinal, source, text);
}

/* A knock makes nothing due earlier: the grant of an order stands for its time. */
static void debt_put_off(struct commands *c, struct debt *debt, uint64_t timeout_ms, bool ordered)
{
	uint64_t due_ms = time_after(c->now_ms, timeout_ms);

	if (!ordered && debt->state == DEBT_STANDING && debt->due_ms > due_ms)
		due_ms = debt->due_ms;
	if (ordered || debt->timeout_ms < timeout_ms)
		debt->timeout_ms = timeout_ms;
	debt->closed = false;
	debt->inherited = debt->restarted = false;
	if (debt->state == DEBT_STANDING)
		debts_change(c->debts, debt, DEBT_STANDING, due_ms, c->now_ms);
	else if (debt->state == DEBT_STARTING)
		debts_change(c->debts, debt, DEBT_STARTING, DEBT_NEVER, c->now_ms);
	else
		debt->began_ms = c->now_ms;
}

struct term {
	struct commands *c;
	uint64_t timeout_ms;
};

static void debt_order(void *data, struct debt *debt)
{
	const struct term *term = data;

	if (debt->state != DEBT_STOPPING)
		debt_put_off(term->c, debt, term->timeout_ms, true);
}

/* ---- openings ---- */

/* Return: NULL where nothing more can be owed. */
static struct debt *debt_make(struct commands *c, const struct conf_door *door,
			      const struct source *source, const char *stop, uint64_t timeout_ms)
{
	struct debt *debt = debts_add(c->debts, door->name, door->ordinal, source, stop,
				      c->now_ms);

	if (debt)
		debt->timeout_ms = timeout_ms;
	else
		refusal_add(c, REFUSED_DEBTS, door, source);
	return debt;
}

static void start_queue(struct commands *c, const struct conf_door *door,
			const struct source *source, const char *start, struct debt *debt)
{
	struct job *job = c->queued < QUEUE_MAX ?
			  job_make(door->name, source, start, debt, false) : NULL;

	if (job) {
		c->queue[c->queued++] = job;
		return;
	}
	if (debt)
		debts_drop(c->debts, debt, c->now_ms);
	refusal_add(c, REFUSED_QUEUE, door, source);
}

/*
 * Whether one more may start. What is owed is put off, and a one-time sequence is gone: neither
 * needs a limit for each source.
 */
static bool rate_grant(struct commands *c, const struct conf_door *door,
		       const struct source *source, bool owes)
{
	bool once = !owes && !door->one_time_file;

	switch (rate_take(&c->rate, door->name, door->ordinal, source, once, c->now_ms)) {
	case RATE_FINE:
		return true;
	case RATE_SOURCE:
		refusal_add(c, REFUSED_SOURCE, door, source);
		return false;
	default:
		refusal_add(c, REFUSED_DOOR, door, source);
		return false;
	}
}

static void commands_begin(struct commands *c, const struct conf_door *door,
			   const struct source *source, uint64_t timeout_ms)
{
	int family = source->family == 4 ? AF_INET : AF_INET6;
	const char *start = conf_start_command(door, family);
	const char *stop = conf_stop_command(door, family);
	const struct command_about about = { .door = door->name, .source = source };
	char start_text[COMMAND_MAX + 1], stop_text[COMMAND_MAX + 1];
	struct debt *debt;

	if ((!start && !stop) || (start && !rate_grant(c, door, source, stop)))
		return;
	if (start && command_expand(start, &about, start_text)) {
		commands_say(c, "error: parsed start command has been truncated! --> won't "
			     "execute it");
		return;
	}
	if (stop && command_expand(stop, &about, stop_text)) {
		commands_say(c, "error: parsed stop command has been truncated! --> won't "
			     "execute start command");
		return;
	}
	debt = stop ? debt_make(c, door, source, stop_text, timeout_ms) : NULL;
	if (stop && !debt)
		return;
	if (start)
		start_queue(c, door, source, start_text, debt);
	else
		debts_change(c->debts, debt, DEBT_STANDING, time_after(c->now_ms, timeout_ms),
			     c->now_ms);
	commands_pump(c);
}

void commands_opened(struct commands *c, const struct conf_door *door, const struct source *source,
		     bool ordered, uint64_t time_ms)
{
	const char *stop = conf_stop_command(door, source->family == 4 ? AF_INET : AF_INET6);
	struct debt *debt = debt_owed(c, door, source, stop);
	struct term term = { c, time_ms ? time_ms : door_timeout_ms(door) };

	c->now_ms = c->place.now_ms();
	if (ordered)
		debts_each(c->debts, door->name, door->ordinal, source, c->prefix6, debt_order,
			   &term);
	else if (debt)
		debt_put_off(c, debt, term.timeout_ms, false);
	if (!debt)
		commands_begin(c, door, source, term.timeout_ms);
}

/* ---- closings ---- */

/* Where the start command has not begun nothing has to be undone: neither runs. */
static void queue_sweep(struct commands *c)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->queued; i++) {
		struct job *job = c->queue[i];

		if (job->debt && job->debt->closed) {
			commands_say(c, "%s: %s: command not run: closed while it waited in line",
				     address_text(&job->source).text, job->door);
			job_drop(c, job);
		} else {
			c->queue[kept++] = job;
		}
	}
	c->queued = kept;
}

static void debt_close(void *data, struct debt *debt)
{
	struct commands *c = data;

	if (debt->state == DEBT_STOPPING)
		return;
	debt->closed = true;
	if (debt->state == DEBT_STANDING) {
		debts_change(c->debts, debt, DEBT_STANDING, c->now_ms, c->now_ms);
	} else {
		debt->timeout_ms = 0;
		debts_change(c->debts, debt, debt->state, debt->due_ms, c->now_ms);
	}
}

void commands_closed(struct commands *c, const struct conf_door *door,
		     const struct source *source)
{
	c->now_ms = c->place.now_ms();
	debts_each(c->debts, door->name, door->ordinal, source, c->prefix6, debt_close, c);
	queue_sweep(c);
	commands_pump(c);
}

/* Whether a debt waits for the end of a grant that nobody tells of. */
static bool debt_forsaken(const void *data, const struct debt *debt)
{
	const struct conf *conf = data;

	if (debt->timeout_ms != DEBT_NEVER)
		return false;
	for (size_t i = 0; i < conf->door_count; i++) {
		const struct conf_door *door = &conf->door[i];

		if (door->ordinal == debt->ordinal && !strcmp(door->name, debt->door))
			return !conf_door_commands(door);
	}
	return true;
}

void commands_follow(struct commands *c, const struct conf *conf)
{
	c->now_ms = c->place.now_ms();
	debts_hurry(c->debts, debt_forsaken, conf, c->now_ms);
	queue_sweep(c);
	commands_pump(c);
}
