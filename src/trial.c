// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath_parts.h"
#include "entries.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <bpf/bpf.h>

/* ---- its beginning ---- */

const struct generation *trial_base(const struct datapath *dp,
					   const struct datapath_config *config)
{
	if (dp->has_former)
		return &dp->former;
	/* A start has nothing before it, whatever an earlier daemon left; nor has what comes in
	 * place of a first config on trial. */
	return dp->held && !dp->trial && !config->starting ? &dp->current : NULL;
}

__u64 trial_deadline(const struct datapath *dp)
{
	return dp->trial ? dp->tables.trial->until : 0;
}

static bool trial_pending(const struct datapath *dp)
{
	return dp->trial && trial_deadline(dp) > about_now(dp->tables.about);
}

int trial_prepare(const struct datapath *dp, const struct datapath_config *config,
			 const struct generation *new)
{
	const struct generation *base = trial_base(dp, config);
	__u32 key = 0;

	if (!config->trial_s || !base)
		return 0;
	if (bpf_map_update_elem(new->map[MAP_former_outer], &key, &base->outer, BPF_ANY))
		return -errno;
	if (base->inner >= 0 && new->inner >= 0 &&
	    bpf_map_update_elem(new->map[MAP_former_inner], &key, &base->inner, BPF_ANY))
		return -errno;
	return 0;
}

__u64 trial_until(const struct datapath *dp, const struct datapath_config *config,
			 const struct clock_reading *clock)
{
	if (!config->trial_s)
		return 0;
	if (config->starting && trial_pending(dp))
		return trial_deadline(dp);
	return clock->jiffies + (__u64)config->trial_s * config->compiled->settings.second;
}

/* ---- its end ---- */

static void former_forget(struct datapath *dp)
{
	__u32 key = 0;

	bpf_map_delete_elem(dp->current.map[MAP_former_outer], &key);
	bpf_map_delete_elem(dp->current.map[MAP_former_inner], &key);
	dp->has_former = false;
	dp->tables.about->fallback = 0;
	dp->trial = false;
	state_finish(dp, NULL, 0, &dp->former);
	generation_close(&dp->former);
}

int datapath_confirm(struct datapath *dp, struct failure *failure)
{
	int error;

	if (!dp->trial || trial_deadline(dp))
		return 0;
	error = doors_run(&dp->doors, dp->current.outer, dp->current.inner, failure);
	if (error)
		return error;
	former_forget(dp);
	return 0;
}

static bool progress_forget(void *data, const void *key, void *value)
{
	const struct generation *g = data;

	(void)value;
	/* The programs may have made room by it already. */
	bpf_map_delete_elem(g->map[MAP_progress], key);
	return false;
}

/* One pass, however fast first knocks come. */
static void progress_clear(struct datapath *dp)
{
	int map = dp->current.map[MAP_progress];
	int error = entries_walk(MAP_progress, map, map, progress_forget, &dp->current);

	if (error)
		tell(dp, "half-made sequences stay: %s", strerror(-error));
}

/* @late: the config before has been judging since the deadline, and its state is the true one. */
static int trial_undo(struct datapath *dp, bool late, struct failure *failure)
{
	struct migration *m = NULL;
	struct tables tables = {};
	struct generation before;
	struct turn turn = { .g = &dp->former, .frags = dp->doors.frags, .before = &dp->current };
	unsigned int ended = 0;
	int error = tables_open(&tables, &dp->former);

	if (error) {
		failure_set(failure, "cannot map the tables: %s", strerror(-error));
		return error;
	}
	/* Knocks counted by sequences that were never confirmed mean nothing to those before. */
	progress_clear(dp);
	if (!late)
		error = migration_begin(&m, &dp->current, &dp->former,
					about_now(tables.about), &ended);
	if (error)
		tell(dp, "the config before goes on with its own state; what changed since is "
		     "lost: %s", strerror(-error));
	if (dp->former.order < 0)
		dp->former.order = fcntl(dp->current.order, F_DUPFD_CLOEXEC, 0);
	turn.outer = dp->former.outer;
	turn.inner = dp->former.inner;
	turn_make(dp, &turn, &error, failure);
	if (error) {
		tables_close(&tables);
		migration_end(m);
		return error;
	}
	tables_close(&dp->tables);
	dp->tables = tables;
	before = dp->current;
	dp->current = dp->former;
	generation_init(&dp->former);
	dp->has_former = dp->trial = false;
	dp->tables.trial->until = 0;
	tables.about->fallback = 0;
	tables.about->loaded = about_seconds();
	tables.about->refused_file = tables.about->trial_file;
	state_finish(dp, m, ended, &before);
	migration_end(m);
	generation_close(&before);
	return 0;
}

int datapath_undo(struct datapath *dp, struct failure *failure)
{
	if (!datapath_trial_lost(dp))
		return -EALREADY;
	return dp->has_former ? trial_undo(dp, false, failure) : -ENOENT;
}

bool datapath_refused(struct datapath *dp, const char *path)
{
	struct failure failure;

	if (!dp->held)
		return false;
	if (datapath_trial_lost(dp) && dp->has_former &&
	    trial_undo(dp, true, &failure))
		tell(dp, "the config before could not be put back for good: %s", failure.text);
	if (!dp->tables.about->refused_file || dp->tables.about->refused_file != file_changed(path))
		return false;
	about_sign(dp->tables.about);
	return true;
}

bool datapath_doubtful(const struct datapath *dp, const char *path)
{
	return dp->doubtful_file && dp->doubtful_file == file_changed(path);
}

bool datapath_on_trial(const struct datapath *dp)
{
	return dp->trial;
}

bool datapath_trial_lost(const struct datapath *dp)
{
	return trial_deadline(dp) && !trial_pending(dp);
}

unsigned int datapath_trial_s(const struct datapath *dp)
{
	const struct about *about = dp->tables.about;
	__u64 until = trial_deadline(dp), now = until ? about_now(about) : 0;

	return until > now ? (until - now + about->hz - 1) / about->hz : 0;
}
