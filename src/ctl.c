// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "link.h"
#include "pins.h"
#include "process.h"

void complain(const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fputs("knockctl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

/* ---- names ---- */

static void name_add(void *data, const char *name)
{
	struct names *names = data;
	char **more = realloc(names->at, (names->count + 1) * sizeof(*more));
	char *copy = strdup(name);

	if (more)
		names->at = more;
	if (more && copy)
		more[names->count++] = copy;
	else
		names->short_of_memory = true;
	if (!more)
		free(copy);
}

void names_free(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->at[i]);
	free(names->at);
}

static void names_complain(const char *what, const struct names *names, const char *advice)
{
	fprintf(stderr, "knockctl: %s", what);
	for (size_t i = 0; i < names->count; i++)
		fprintf(stderr, "%s%s", i ? ", " : "", names->at[i]);
	fprintf(stderr, "%s\n", advice);
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Only the name that was asked for is to stay. */
static bool names_keep(struct names *names, const struct options *options)
{
	char what[2 * NAME_MAX];

	for (size_t i = 0; i < names->count; i++) {
		if (strcmp(names->at[i], options->name))
			continue;
		name_add(names, options->name);
		if (names->short_of_memory)
			return false;
		free(names->at[0]);
		names->at[0] = names->at[--names->count];
		while (names->count > 1)
			free(names->at[--names->count]);
		return true;
	}
	snprintf(what, sizeof(what), "there is no '%.200s'; there are: ", options->name);
	names_complain(what, names, "");
	return false;
}

int names_find(struct names *names, const struct options *options, bool one)
{
	int count = pins_names(options->pin_dir, name_add, names);

	if (count == -EPERM || count == -EACCES) {
		complain("not permitted to look into %s: needs root", options->pin_dir);
		return STATUS_FAILURE;
	}
	if (names->short_of_memory) {
		complain("no memory");
		return STATUS_FAILURE;
	}
	if (count < 0 && count != -ENOENT) {
		complain("cannot look into %s: %s", options->pin_dir, strerror(-count));
		return STATUS_FAILURE;
	}
	if (!names->count) {
		complain("nothing guards here: no knockd has left anything in %s",
			 options->pin_dir);
		return STATUS_FAILURE;
	}
	qsort(names->at, names->count, sizeof(*names->at), name_compare);
	if (options->name)
		return names_keep(names, options) ? STATUS_OK : STATUS_FAILURE;
	if (one && names->count > 1) {
		names_complain("there are several: ", names, "; say which: --name NAME");
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

/* ---- guards ---- */

/* Nothing is open. */
static void guard_begin(struct guard *g, const char *name)
{
	*g = (struct guard){ .name = name, .inner = -1 };
	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX; i++)
		g->outer[i] = -1;
	generation_init(&g->generation);
}

void guard_close(struct guard *g)
{
	view_close(g->view);
	generation_close(&g->generation);
	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX; i++)
		if (g->outer[i] >= 0)
			close(g->outer[i]);
	if (g->inner >= 0)
		close(g->inner);
	guard_begin(g, g->name);
}

static int link_info(int link, struct bpf_link_info *info)
{
	__u32 size = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(link, info, &size) ? -errno : 0;
}

/* Whether one of the outer doors before @end is on a device. */
static bool outer_stands(const struct guard *g, unsigned int end)
{
	for (unsigned int i = 0; i < end; i++)
		if (g->device[i])
			return true;
	return false;
}

bool guard_stands(const struct guard *g)
{
	return outer_stands(g, KNOCKD_INTERFACES_MAX);
}

static int guard_links(struct guard *g, const char *dir)
{
	struct bpf_link_info info;
	bool outer = false;
	int error = 0;

	g->inner = pins_inner(dir, g->name);
	if (g->inner >= 0) {
		error = link_info(g->inner, &info);
		g->inner_stands = info.netns.netns_ino;
		g->program = info.prog_id;
	}
	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX && !error; i++) {
		g->outer[i] = pins_outer(dir, g->name, i);
		if (g->outer[i] < 0)
			continue;
		error = link_info(g->outer[i], &info);
		g->device[i] = info.xdp.ifindex;
		/* One that stands is right where another one stands no more. */
		if (!outer || (g->device[i] && !outer_stands(g, i)))
			g->program = info.prog_id;
		outer = true;
	}
	return error || outer || g->inner >= 0 ? error : g->outer[0];
}

static int guard_view(struct guard *g)
{
	struct view_map part[VIEW_PARTS];

	generation_view(&g->generation, part);
	return view_open(&g->view, part);
}

/* Where a trial was lost and no daemon lives, the config before judges: look there. */
static int guard_follow(struct guard *g)
{
	__u64 until = view_trial(g->view)->until;
	struct generation former;
	int program, error;

	if (!until || until > view_now(g->view))
		return 0;
	program = program_in(g->generation.map[MAP_former_outer]);
	if (program < 0)
		return program == -ENOENT ? 0 : program;
	error = generation_read(&former, program);
	close(program);
	if (error)
		return error;
	generation_close(&g->generation);
	g->generation = former;
	g->former = true;
	view_close(g->view);
	g->view = NULL;
	return guard_view(g);
}

int guard_open(struct guard *g, const char *pin_dir, const char *name)
{
	int program, error;

	guard_begin(g, name);
	error = guard_links(g, pin_dir);
	if (error)
		return error;
	program = bpf_prog_get_fd_by_id(g->program);
	if (program < 0)
		return -errno;
	error = generation_read(&g->generation, program);
	close(program);
	if (error)
		return error;
	if (generation_layout(&g->generation) != KNOCKD_LAYOUT)
		return -EPROTO;
	error = guard_view(g);
	return error ? error : guard_follow(g);
}

const char *guard_why(int error)
{
	switch (error) {
	case -ENOENT:
		return "neither door is there, only what they knew";
	case -EPROTO:
		return "another version of knockd has loaded it, whose tables are laid out "
		       "otherwise; use the knockctl that came with it";
	case -EPERM:
	case -EACCES:
		return "not permitted: needs root";
	case -EINVAL:
		return "its tables contradict each other";
	default:
		return strerror(-error);
	}
}

bool guard_opened(struct guard *g, const struct options *options, const char *name)
{
	int error = guard_open(g, options->pin_dir, name);

	if (!error)
		return true;
	complain("%s: %s", name, guard_why(error));
	guard_close(g);
	return false;
}

bool guard_changed(const struct guard *g, const char *pin_dir)
{
	struct guard now;
	bool changed;

	guard_begin(&now, g->name);
	changed = guard_links(&now, pin_dir) || now.program != g->program;
	guard_close(&now);
	return changed;
}

int guard_order(const struct guard *g, const struct options *options,
		const struct order_form *form)
{
	struct order_form copy = *form;
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &copy, .ctx_size_in = sizeof(copy));
	bool grants = form->order == ORDER_OPEN || form->order == ORDER_CLOSE;
	int program, result;

	if (g->former && form->order == ORDER_CONFIRM)
		return ORDER_LATE;
	/* It would change what the config on trial has, not what judges in its place. */
	if (g->former && grants)
		return -ESTALE;
	program = pins_order(options->pin_dir, g->name);
	if (program < 0)
		return program;
	result = bpf_prog_test_run_opts(program, &run) ? -errno : (int)run.retval;
	close(program);
	return result;
}

int link_detach(int link)
{
	return bpf_link_detach(link) ? -errno : 0;
}

int guard_daemon(const struct guard *g)
{
	const volatile struct about *about = view_about(g->view);
	int pid = about->pid;

	return pid && process_start(pid) == about->pid_start ? pid : 0;
}

__u64 guard_seconds(const struct guard *g, __u64 until)
{
	__u64 now = view_now(g->view), hz = view_about(g->view)->hz;

	return until > now && hz ? (until - now + hz - 1) / hz : 0;
}

/* ---- doors ---- */

static void label_repeated(const struct view *view, struct labels *labels, const char *name)
{
	for (__u32 i = 0; i < labels->count; i++) {
		const struct door_name *door = view_door(view, i);

		if (door && !strcmp(door->name, name))
			snprintf(labels->at[i], LABEL_MAX, "%s#%" PRIu32, name, door->ordinal + 1);
	}
}

bool labels_make(struct labels *labels, const struct view *view)
{
	labels->count = view_door_count(view);
	labels->at = calloc(labels->count + 1, sizeof(*labels->at));
	if (!labels->at) {
		complain("no memory");
		return false;
	}
	for (__u32 i = 0; i < labels->count; i++) {
		const struct door_name *door = view_door(view, i);

		if (door && !labels->at[i][0])
			snprintf(labels->at[i], LABEL_MAX, "%s", door->name);
		if (door && door->ordinal == 1)
			label_repeated(view, labels, door->name);
	}
	return true;
}

void labels_free(struct labels *labels)
{
	free(labels->at);
}

const char *label_of(const struct labels *labels, __u32 door)
{
	return door < labels->count && labels->at[door][0] ? labels->at[door] : "?";
}

static bool door_matches(const struct door_name *door, const char *text)
{
	char label[LABEL_MAX];

	if (!door)
		return false;
	snprintf(label, sizeof(label), "%s#%" PRIu32, door->name, door->ordinal + 1);
	return !strcmp(text, door->name) || !strcmp(text, label);
}

/* The labels of all doors, or of those that @text may mean, on standard error. */
static void doors_list(const struct view *view, const struct labels *labels, const char *text)
{
	const char *separator = " ";

	for (__u32 i = 0; i < labels->count; i++) {
		if (!labels->at[i][0] || (text && !door_matches(view_door(view, i), text)))
			continue;
		fprintf(stderr, "%s%s", separator, labels->at[i]);
		separator = ", ";
	}
	fputc('\n', stderr);
}

bool door_find(const struct view *view, const struct labels *labels, const char *text,
		      __u32 *door)
{
	__u32 found = 0, count = 0;

	for (__u32 i = 0; i < labels->count; i++) {
		if (!door_matches(view_door(view, i), text))
			continue;
		found = i;
		count++;
	}
	if (count == 1) {
		*door = found;
		return true;
	}
	if (count)
		fprintf(stderr, "knockctl: there are several doors '%s':", text);
	else
		fprintf(stderr, "knockctl: there is no door '%s'; there are:", text);
	doors_list(view, labels, count ? text : NULL);
	return false;
}

/* ---- grants ---- */

static void grant_add(void *data, const struct source *owner, __u32 door, __u64 until, __u32 flows)
{
	struct grant_rows *rows = data;

	(void)flows;
	if (rows->count == rows->room) {
		size_t room = 2 * rows->room + 64;
		struct grant_row *more = realloc(rows->at, room * sizeof(*more));

		if (!more) {
			rows->short_of_memory = true;
			return;
		}
		rows->at = more;
		rows->room = room;
	}
	rows->at[rows->count++] = (struct grant_row){ *owner, door, until };
}

static int grant_compare(const void *a, const void *b)
{
	const struct grant_row *one = a, *other = b;
	int order = one->owner.family - other->owner.family;

	if (!order)
		order = memcmp(one->owner.word_be, other->owner.word_be,
			       sizeof(one->owner.word_be));
	return order ? order : (int)one->door - (int)other->door;
}

bool grants_read(struct grant_rows *rows, const struct view *view)
{
	size_t kept = 0;

	*rows = (struct grant_rows){};
	view_grants(view, grant_add, rows);
	if (rows->short_of_memory) {
		free(rows->at);
		*rows = (struct grant_rows){};
		complain("no memory for the list of grants");
		return false;
	}
	if (rows->count)
		qsort(rows->at, rows->count, sizeof(*rows->at), grant_compare);
	for (size_t i = 0; i < rows->count; i++) {
		if (!kept || grant_compare(&rows->at[kept - 1], &rows->at[i]))
			rows->at[kept++] = rows->at[i];
		else if (rows->at[i].until > rows->at[kept - 1].until)
			rows->at[kept - 1].until = rows->at[i].until;
	}
	rows->count = kept;
	return true;
}

unsigned int prefix_length(const struct view *view)
{
	unsigned int length = 0;

	for (int i = 0; i < 4; i++)
		length += __builtin_popcount(view_settings(view)->grant_mask6_be[i]);
	return length;
}

