// SPDX-License-Identifier: GPL-2.0-or-later
/* A config in place of another one, and back. */
#include "guard_parts.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

static bool name_listed(const struct interface_names *names, const char *name)
{
	for (unsigned int i = 0; i < names->count; i++)
		if (!strcmp(names->name[i], name))
			return true;
	return false;
}

/* Interfaces are chosen once and for all; what holds them has no others. */
static int interface_check(const struct guarding *g, const struct conf *conf,
			   struct messages *messages)
{
	char own[320], others[320] = "";
	bool same = conf->interface_count == g->wanted->count;
	size_t used = 0;

	if (g->options->interface || !conf->interface_count)
		return 0;
	for (unsigned int i = 0; i < conf->interface_count; i++) {
		same &= name_listed(g->wanted, conf->interface[i]);
		used += snprintf(others + used, sizeof(others) - used, "%s%s", i ? ", " : "",
				 conf->interface[i]);
	}
	if (same)
		return 0;
	wanted_list(g, own, sizeof(own));
	message_add(messages, MESSAGE_ERROR, 0, "Interface = %s: knockd guards %s; stop it and "
		    "start it again to change that", others, own);
	return -EINVAL;
}

/* Read, compile, put in force; @messages and @failure tell why not. */
static int config_replace(struct guarding *g, struct conf *conf, unsigned int trial_s,
			  struct messages *messages, struct failure *failure)
{
	struct compiled compiled = {};
	struct guarded guarded;
	int error = config_parse(g->options->config, conf, messages);

	if (!error)
		error = interface_check(g, conf, messages);
	if (!error)
		error = config_prepare(g, conf, &compiled, messages);
	if (error) {
		failure_set(failure, "the config has errors");
		goto out;
	}
	error = devices_again(g);
	if (error) {
		failure_set(failure, "cannot list network devices: %s", strerror(-error));
		goto out;
	}
	guarded_wanted(g, &guarded);
	if (!guarded_any(&guarded) && trial_s) {
		error = -ENODEV;
		failure_set(failure, "there is no interface %s to try it on", g->wanted->name[0]);
	} else if (!guarded_any(&guarded)) {
		g->stale = true;
		g->refused = false;
	} else {
		error = config_put(g, conf, &compiled, &guarded, trial_s, false, failure);
	}
out:
	compiled_free(&compiled);
	return error;
}

/* @conf is in force: the one before goes, unless it may come back. */
static void conf_succeed(struct guarding *g, struct conf *conf)
{
	const struct about *about = datapath_about(g->dp);

	if (!about || !about->fallback)
		conf_drop(&g->former_conf);
	if (about && about->fallback && !g->former_conf)
		g->former_conf = g->conf;
	else
		conf_drop(&g->conf);
	g->conf = conf;
}

static void reloaded_say(struct guarding *g)
{
	g->news(g->data, GUARD_LOG);
	if (g->stale) {
		guard_say(g, "reloaded; it comes into force with the interface");
		return;
	}
	g->news(g->data, GUARD_VIEW);
	guard_say(g, "reloaded");
}

int guard_reload(struct guarding *g, unsigned int trial_s)
{
	struct conf *conf = calloc(1, sizeof(*conf));
	struct failure failure = {};
	struct messages messages;
	int error;

	if (!conf)
		return -ENOMEM;
	messages_init(&messages, g->options->config);
	conf_init(conf, g->options->config);
	conf->only_ipv4 = g->options->only_ipv4;
	error = config_replace(g, conf, trial_s, &messages, &failure);
	if (!error)
		trial_say(g);
	messages_say(g, &messages);
	if (error) {
		guard_say(g, "not reloaded: %s; the config in force stays", failure.text);
		conf_drop(&conf);
	} else {
		conf_succeed(g, conf);
		reloaded_say(g);
	}
	g->news(g->data, GUARD_STATUS);
	messages_free(&messages);
	malloc_trim(0);
	return error;
}

int guard_undo(struct guarding *g, struct failure *failure)
{
	int error = datapath_undo(g->dp, failure);

	if (error == -EALREADY)
		return 0; /* confirmed, or replaced, meanwhile */
	if (!error) {
		if (g->former_conf) {
			conf_drop(&g->conf);
			g->conf = g->former_conf;
			g->former_conf = NULL;
			g->news(g->data, GUARD_LOG);
		} else {
			g->refused = true;
		}
		guard_say(g, "not confirmed in time: the config before is in force again");
		g->news(g->data, GUARD_VIEW);
		/* Interfaces and addresses may have changed since it was. */
		guard_look(g);
		return 0;
	}
	if (error == -ENOENT)
		guard_say(g, "not confirmed in time: detaching, everything is open");
	return error;
}

int guard_confirm(struct guarding *g, struct failure *failure)
{
	int error = datapath_confirm(g->dp, failure);

	if (!error && !datapath_on_trial(g->dp))
		conf_drop(&g->former_conf);
	return error;
}
