// SPDX-License-Identifier: GPL-2.0-or-later
/* The commands that change something, through the program that serves the knocks. */
#include "ctl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conf.h"
#include "failure.h"
#include "number.h"
#include "pins.h"
#include "text.h"

enum { RELOAD_PATIENCE_S = 60, DETACH_PATIENCE_S = 10 };

/* ---- who gives the order ---- */

/* The user that this session was opened for, as the kernel keeps it; −1: unknown. */
static uid_t login_uid(void)
{
	int fd = open("/proc/self/loginuid", O_RDONLY | O_CLOEXEC);
	char text[16] = "";
	uint64_t uid;

	if (fd < 0)
		return -1;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return number_parse(text, 0, (uid_t)-1, &uid) ? (uid_t)-1 : uid;
}

static void who_find(char who[EVENT_WHO_MAX])
{
	const char *name = geteuid() ? NULL : getenv("SUDO_USER");
	uid_t uid = login_uid();
	const struct passwd *user;

	if (uid == (uid_t)-1)
		uid = getuid();
	if (!name || !*name) {
		user = getpwuid(uid);
		name = user ? user->pw_name : NULL;
	}
	if (name)
		snprintf(who, EVENT_WHO_MAX, "%s", name);
	else
		snprintf(who, EVENT_WHO_MAX, "user %u", uid);
	text_disarm(who);
}

/* ---- giving it ---- */

/* Return: enum order_result, or −errno, which was said. */
static int order_give(const struct guard *g, const struct options *options,
		      struct order_form *form)
{
	int result;

	who_find(form->who);
	result = guard_order(g, options, form);
	if (result == -EPERM || result == -EACCES)
		complain("%s: not permitted: needs root", g->name);
	else if (result == -ESTALE)
		complain("%s: a config was not confirmed in time, and no knockd has put the one "
			 "before back for good; start knockd first", g->name);
	else if (result < 0)
		complain("%s: the order cannot be given: %s", g->name, strerror(-result));
	return result;
}

/* What a result means that is none of those that the order expects. */
static int order_refused(const struct guard *g, int result)
{
	switch (result) {
	case ORDER_NO_DOOR:
		complain("%s: the door is gone: the config has just changed", g->name);
		break;
	case ORDER_FULL:
		complain("%s: no place for one more grant; see Max_Grants in knockd.conf(5)",
			 g->name);
		break;
	case ORDER_UNTOLD:
		complain("%s: the daemon cannot be told: its ring of events is full", g->name);
		break;
	default:
		if (result >= 0)
			complain("%s: the program answered %d, which says nothing here", g->name,
				 result);
		break;
	}
	return STATUS_FAILURE;
}

/* ---- open, close ---- */

/*
 * An address, or a prefix of just the length that grants have, as knockctl prints it. Otherwise
 * the reason is said.
 */
static bool address_parse(const struct view *view, const char *text, struct source *source)
{
	char address[INET6_ADDRSTRLEN + 1];
	const char *slash = strchr(text, '/');
	uint64_t length = 128;

	*source = (struct source){};
	snprintf(address, sizeof(address), "%.*s", slash ? (int)(slash - text) : -1, text);
	if (!slash && inet_pton(AF_INET, address, source->word_be) == 1) {
		source->family = 4;
		return true;
	}
	if (inet_pton(AF_INET6, address, source->word_be) == 1 &&
	    (!slash || (!number_parse(slash + 1, 1, 128, &length) &&
			length == prefix_length(view)))) {
		source->family = 6;
		return true;
	}
	complain("'%s' is not an address, such as 192.0.2.7 or 2001:db8::7%s", text,
		 slash ? ", nor a prefix of the length Grant_Prefix6" : "");
	return false;
}

/* @text as the config writes a time → jiffies. */
static bool time_parse(const char *text, __u64 second, __u64 *time)
{
	uint64_t seconds;

	if (duration_parse(text, 0, CONF_OPEN_TIME_MAX_S, &seconds)) {
		complain("'%s' is not a time, such as 30, 90s, 5m, 2h or 1d, or 0 for until "
			 "closed; at most %dd", text, CONF_OPEN_TIME_MAX_S / 86400);
		return false;
	}
	*time = seconds * second;
	return true;
}

/* The Open_Time of a door in jiffies. */
static bool open_time(const struct guard *g, __u32 door, __u64 *time)
{
	struct door *doors = NULL;
	size_t size = 0;
	bool found = !generation_values(&g->generation, MAP_doors, (void **)&doors, &size) &&
		     door < size / sizeof(*doors);

	if (found)
		*time = doors[door].open_time;
	else
		complain("%s: its tables cannot be read", g->name);
	free(doors);
	return found;
}

static int open_run(const struct guard *g, const struct options *options,
		    const struct labels *labels, char *argument[])
{
	struct order_form form = { .order = ORDER_OPEN };
	__u64 second = view_settings(g->view)->second;
	int result;

	if (!door_find(g->view, labels, argument[0], &form.door))
		return STATUS_FAILURE;
	if (!address_parse(g->view, argument[1], &form.source))
		return STATUS_USAGE;
	if (argument[2] && !time_parse(argument[2], second, &form.time))
		return STATUS_USAGE;
	if (!argument[2] && !open_time(g, form.door, &form.time))
		return STATUS_FAILURE;
	result = order_give(g, options, &form);
	if (result != ORDER_DONE)
		return order_refused(g, result);
	printf("%s: open for %s, ", label_of(labels, form.door), argument[1]);
	if (form.time)
		printf("%" PRIu64 " s\n", (uint64_t)(second ? form.time / second : form.time));
	else
		puts("until closed");
	return STATUS_OK;
}

static int close_one(const struct guard *g, const struct options *options,
		     const struct labels *labels, __u32 door, const char *address)
{
	struct order_form form = { .order = ORDER_CLOSE, .door = door };
	int result;

	if (!address_parse(g->view, address, &form.source))
		return STATUS_USAGE;
	result = order_give(g, options, &form);
	if (result != ORDER_DONE && result != ORDER_NOTHING)
		return order_refused(g, result);
	if (result == ORDER_DONE)
		printf("%s: closed for %s\n", label_of(labels, door), address);
	else
		printf("%s: nothing to close: %s has no grant\n", label_of(labels, door),
		       address);
	return STATUS_OK;
}

static int close_all(const struct guard *g, const struct options *options,
		     const struct labels *labels, __u32 door)
{
	int status = STATUS_OK, result;
	struct grant_rows grants;
	size_t closed = 0;

	if (!grants_read(&grants, g->view))
		return STATUS_FAILURE;
	for (size_t i = 0; i < grants.count && status == STATUS_OK; i++) {
		struct order_form form = {
			.order = ORDER_CLOSE, .door = door, .source = grants.at[i].owner,
		};

		if (grants.at[i].door != door)
			continue;
		result = order_give(g, options, &form);
		closed += result == ORDER_DONE;
		/* One that has just expired is closed too. */
		if (result != ORDER_DONE && result != ORDER_NOTHING)
			status = order_refused(g, result);
	}
	free(grants.at);
	if (closed)
		printf("%s: closed for %zu source%s\n", label_of(labels, door), closed,
		       closed == 1 ? "" : "s");
	else if (status == STATUS_OK)
		printf("%s: nothing to close: no source has a grant\n", label_of(labels, door));
	return status;
}

static int close_run(const struct guard *g, const struct options *options,
		     const struct labels *labels, char *argument[])
{
	__u32 door;

	if (!door_find(g->view, labels, argument[0], &door))
		return STATUS_FAILURE;
	return strcmp(argument[1], "all") ?
	       close_one(g, options, labels, door, argument[1]) :
	       close_all(g, options, labels, door);
}

static int door_order(const struct options *options, const struct names *names, char *argument[],
		      int (*run)(const struct guard *g, const struct options *options,
				 const struct labels *labels, char *argument[]))
{
	int status = STATUS_FAILURE;
	struct labels labels;
	struct guard g;

	if (!guard_opened(&g, options, names->at[0]))
		return status;
	if (labels_make(&labels, g.view))
		status = run(&g, options, &labels, argument);
	labels_free(&labels);
	guard_close(&g);
	return status;
}

int order_open(const struct options *options, const struct names *names, char *argument[])
{
	return door_order(options, names, argument, open_run);
}

int order_close(const struct options *options, const struct names *names, char *argument[])
{
	return door_order(options, names, argument, close_run);
}

/* ---- reload, confirm ---- */

/* Whether the daemon has ended a reload since @before; what it had to say was printed then. */
static bool reload_ended(const struct guard *g, __u32 before, int *status)
{
	const volatile struct about *about = view_about(g->view);
	char text[ABOUT_TEXT_MAX];
	size_t len = 0;

	if (about->reloads == before)
		return false;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	while (len < sizeof(text) - 1 && about->reload_text[len]) {
		text[len] = about->reload_text[len];
		len++;
	}
	text[len] = '\0';
	*status = about->reload_status ? STATUS_FAILURE : STATUS_OK;
	fprintf(about->reload_status ? stderr : stdout, "%s%s", text,
		len && text[len - 1] != '\n' ? "\n" : "");
	return true;
}

static int reload_run(const struct guard *g, const struct options *options)
{
	struct order_form form = { .order = ORDER_RELOAD, .seconds = options->confirm_s };
	__u32 before = view_about(g->view)->reloads;
	int status = STATUS_FAILURE, result;

	if (!guard_daemon(g)) {
		complain("%s: no daemon runs that could reload; starting knockd again reads its "
			 "config", g->name);
		return STATUS_FAILURE;
	}
	result = order_give(g, options, &form);
	if (result != ORDER_DONE)
		return order_refused(g, result);
	for (int i = 0; i < RELOAD_PATIENCE_S * 50; i++) {
		if (reload_ended(g, before, &status))
			return status;
		if (!guard_daemon(g)) {
			complain("%s: the daemon has ended meanwhile; what was in force still is",
				 g->name);
			return STATUS_FAILURE;
		}
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	}
	complain("%s: the daemon has not reloaded within %d s; see its log", g->name,
		 RELOAD_PATIENCE_S);
	return STATUS_FAILURE;
}

int order_reload(const struct options *options, const struct names *names, char *argument[])
{
	int status = STATUS_FAILURE;
	struct guard g;

	(void)argument;
	if (!guard_opened(&g, options, names->at[0]))
		return status;
	status = reload_run(&g, options);
	guard_close(&g);
	return status;
}

static int confirm_run(const struct guard *g, const struct options *options)
{
	struct order_form form = { .order = ORDER_CONFIRM };
	int result = order_give(g, options, &form);

	switch (result) {
	case ORDER_DONE:
		printf("%s: confirmed: the config stays in force\n", g->name);
		return STATUS_OK;
	case ORDER_NOTHING:
		complain("%s: nothing waits for confirmation", g->name);
		return STATUS_FAILURE;
	case ORDER_LATE:
		complain("%s: too late: %s", g->name, view_about(g->view)->fallback ?
			 "the config before is in force again" : "everything is open");
		return STATUS_FAILURE;
	default:
		return order_refused(g, result);
	}
}

int order_confirm(const struct options *options, const struct names *names, char *argument[])
{
	int status = STATUS_FAILURE;
	struct guard g;

	(void)argument;
	if (!guard_opened(&g, options, names->at[0]))
		return status;
	status = confirm_run(&g, options);
	guard_close(&g);
	return status;
}

/* ---- detach ---- */

/* @link is −1 where the door is not there. */
static bool door_detach(const struct guard *g, int link, const char *door)
{
	int error = link < 0 ? 0 : link_detach(link);

	if (error)
		complain("%s: the %s door cannot be detached: %s", g->name, door,
			 error == -EPERM ? "not permitted: needs root" : strerror(-error));
	else if (link >= 0)
		printf("%s: the %s door is detached\n", g->name, door);
	return !error;
}

/* Remove what is kept. A daemon, told before, does so itself and ends; that is waited for. */
static int pins_clear(const struct options *options, const char *name)
{
	struct failure failure;
	struct pins *pins;
	int error = pins_open(&pins, options->pin_dir, name, DETACH_PATIENCE_S, &failure);

	if (!error) {
		error = pins_remove(pins, &failure);
		pins_close(pins);
	}
	if (error)
		complain("%s: detached, but not all of it is removed: %s", name, failure.text);
	else
		printf("%s: nothing is guarded, and nothing is kept\n", name);
	return error ? STATUS_FAILURE : STATUS_OK;
}

int order_detach(const struct options *options, const struct names *names, char *argument[])
{
	struct order_form form = { .order = ORDER_DETACH };
	bool outer = true, inner;
	struct guard g;
	int error;

	(void)argument;
	/* Whatever can be opened of it. The daemon is told first, lest it attaches again. */
	error = guard_open(&g, options->pin_dir, names->at[0]);
	if (error == -EPERM || error == -EACCES) {
		complain("%s: %s", names->at[0], guard_why(error));
		guard_close(&g);
		return STATUS_FAILURE;
	}
	if (!error)
		order_give(&g, options, &form);
	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX; i++)
		outer &= door_detach(&g, g.outer[i], "outer");
	inner = door_detach(&g, g.inner, "inner");
	guard_close(&g);
	return outer && inner ? pins_clear(options, names->at[0]) : STATUS_FAILURE;
}
