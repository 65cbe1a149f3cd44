// SPDX-License-Identifier: GPL-2.0-or-later
#include "doors.h"

#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "folders.h"
#include "link.h"

static void descriptor_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void doors_init(struct doors *d, unsigned int count)
{
	*d = (struct doors){ .count = count, .inner = -1 };
	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX; i++) {
		d->outer[i] = (struct outer){ .link = -1, .flavour = XDP_GENERIC };
		d->rest[i] = -1;
	}
}

int doors_find(struct doors *d, const struct pins_devices *devices, int *lead,
	       struct failure *failure)
{
	struct pins_links links;
	int error = pins_find(d->pins, devices, &links, failure);

	if (error)
		return error;
	for (unsigned int i = 0; i < d->count; i++) {
		d->outer[i].link = links.outer[i];
		if (links.outer[i] < 0)
			continue;
		d->outer[i].device = devices->index[i];
		d->outer[i].flavour = link_flavour(devices->index[i]);
		d->frags |= d->outer[i].flavour == XDP_FRAGS;
	}
	d->inner = links.inner;
	memcpy(d->rest, links.rest, sizeof(d->rest));
	d->rest_count = links.rest_count;
	*lead = links.lead;
	return 0;
}

static void rest_close(struct doors *d)
{
	for (unsigned int i = 0; i < d->rest_count; i++)
		descriptor_close(&d->rest[i]);
	d->rest_count = 0;
}

void doors_close(struct doors *d)
{
	for (unsigned int i = 0; i < d->count; i++)
		descriptor_close(&d->outer[i].link);
	descriptor_close(&d->inner);
	rest_close(d);
}

static void link_end(int link)
{
	if (link >= 0)
		bpf_link_detach(link);
}

void doors_detach(struct doors *d)
{
	for (unsigned int i = 0; i < d->count; i++)
		link_end(d->outer[i].link);
	link_end(d->inner);
	for (unsigned int i = 0; i < d->rest_count; i++)
		link_end(d->rest[i]);
}

bool doors_any(const struct doors *d)
{
	for (unsigned int i = 0; i < d->count; i++)
		if (d->outer[i].link >= 0)
			return true;
	return false;
}

void doors_guarded(const struct doors *d, const struct devices *devices, struct guarded *out)
{
	*out = (struct guarded){ .count = d->count };
	for (unsigned int i = 0; i < d->count; i++)
		if (d->outer[i].device)
			out->at[i] = devices_find_index(devices, d->outer[i].device);
}

void doors_lose(struct doors *d, unsigned int i)
{
	descriptor_close(&d->outer[i].link);
	d->outer[i].device = 0;
}

bool doors_check(struct doors *d)
{
	bool whole = true;

	for (unsigned int i = 0; i < d->count; i++) {
		if (link_severed(d->outer[i].link, true)) {
			doors_lose(d, i);
			whole = false;
		}
	}
	if (link_severed(d->inner, false)) {
		descriptor_close(&d->inner);
		whole = false;
	}
	return whole;
}

void doors_shed(struct doors *d, void (*each)(void *data, const char *device), void *data)
{
	char name[IF_NAMESIZE];

	for (unsigned int i = 0; i < d->rest_count; i++) {
		unsigned int device = link_device(d->rest[i]);

		if (device)
			each(data, if_indextoname(device, name) ? name : "?");
		link_end(d->rest[i]);
	}
	rest_close(d);
}

/* ---- attach ---- */

/* Note why @flavour was not to be had; for native mode also what would give it. */
static void flavour_refused(struct outer *o, const struct device *device, enum xdp_flavour flavour,
			    int result)
{
	enum xdp_flavour plain = flavour == XDP_FRAGS ? XDP_NATIVE : flavour;
	char hint[256] = "";
	size_t used = strlen(o->why);

	if (plain == XDP_NATIVE)
		device_native_hint(device, hint, sizeof(hint));
	snprintf(o->why + used, sizeof(o->why) - used, "%s%s mode refused by the driver: %s%s",
		 used ? "; " : "", flavour_name(plain),
		 result == -EOPNOTSUPP ? "it has none" : strerror(-result), hint);
}

static int outer_failed(const struct outer *o, const struct device *device, int result,
			struct failure *failure)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (!bpf_xdp_query(device->index, 0, &query)) {
		__u32 id = query.drv_prog_id ? query.drv_prog_id :
			   query.skb_prog_id ? query.skb_prog_id : query.hw_prog_id;

		if (id) {
			failure_set(failure,
				    "another XDP program (id %u) is attached to %s; 'bpftool prog "
				    "show id %u' says which, 'ip link set dev %s xdp off' removes "
				    "it unless a running program holds it", id, device->name, id,
				    device->name);
			return -EBUSY;
		}
	}
	failure_set(failure, "cannot attach to %s: %s%s%s", device->name, strerror(-result),
		    o->why[0] ? "; " : "", o->why);
	return result;
}

/* Native where that is wanted and can be had, else generic where that is not forbidden. */
static int outer_attach(struct outer *o, const struct device *device, const struct turn *turn,
			struct failure *failure)
{
	enum xdp_flavour flavour = turn->mode == CONF_XDP_GENERIC ? XDP_GENERIC :
				   turn->frags ? XDP_FRAGS : XDP_NATIVE;
	bool last = turn->native_only || turn->mode != CONF_XDP_AUTO;
	int link;

	o->why[0] = '\0';
	link = link_outer(turn->outer, device->index, flavour);
	if (link < 0 && link != -EBUSY && !turn->native_only)
		flavour_refused(o, device, flavour, link);
	if (link < 0 && link != -EBUSY && !last) {
		flavour = XDP_GENERIC;
		link = link_outer(turn->outer, device->index, flavour);
		if (link < 0 && link != -EBUSY)
			flavour_refused(o, device, flavour, link);
	}
	if (link < 0)
		return outer_failed(o, device, link, failure);
	o->link = link;
	o->device = device->index;
	o->flavour = flavour;
	return 0;
}

/* ---- turn ---- */

/* Keep the doors and what else @g has in pins. @rest: also those at no place of the list. */
static int doors_publish(struct doors *d, const struct generation *g, bool rest,
			 struct failure *failure)
{
	static const char *const names[] = {
#define NAME(name, kind) [MAP_##name] = #name,
		GENERATION_MAPS(NAME)
#undef NAME
	};
	struct pin pin[KNOCKD_INTERFACES_MAX + MAP_COUNT + 2];
	size_t count = 0;

	for (unsigned int i = 0; i < d->count; i++)
		if (d->outer[i].link >= 0)
			pin[count++] = (struct pin){ outer_name(i), d->outer[i].link };
	for (unsigned int i = 0; rest && i < d->rest_count; i++)
		if (d->count + i < KNOCKD_INTERFACES_MAX)
			pin[count++] = (struct pin){ outer_name(d->count + i), d->rest[i] };
	if (d->inner >= 0)
		pin[count++] = (struct pin){ "inner", d->inner };
	if (g->order >= 0)
		pin[count++] = (struct pin){ "order", g->order };
	for (enum generation_map map = 0; map < MAP_COUNT; map++)
		if (g->map[map] >= 0)
			pin[count++] = (struct pin){ names[map], g->map[map] };
	return pins_publish(d->pins, pin, count, failure);
}

/* What each door runs; −1: nothing. */
struct running {
	int outer[KNOCKD_INTERFACES_MAX];
	int inner;
};

static int program_note(int link, int *program)
{
	struct bpf_prog_info info;

	*program = link < 0 ? -1 : link_program(link, &info);
	return link >= 0 && *program < 0 ? *program : 0;
}

static void running_close(struct running *r)
{
	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX; i++)
		descriptor_close(&r->outer[i]);
	descriptor_close(&r->inner);
}

static int running_read(const struct doors *d, struct running *r)
{
	int error = program_note(d->inner, &r->inner);

	for (unsigned int i = 0; i < KNOCKD_INTERFACES_MAX; i++) {
		r->outer[i] = -1;
		if (!error && i < d->count)
			error = program_note(d->outer[i].link, &r->outer[i]);
	}
	if (error)
		running_close(r);
	return error;
}

static int link_run(int link, int program)
{
	return link >= 0 && program >= 0 && bpf_link_update(link, program, NULL) ? -errno : 0;
}

int doors_run(struct doors *d, int outer, int inner, struct failure *failure)
{
	struct running before;
	int error = running_read(d, &before);

	if (error) {
		failure_set(failure, "cannot read what the doors run: %s", strerror(-error));
		return error;
	}
	for (unsigned int i = 0; i < d->count && !error; i++)
		error = link_run(d->outer[i].link, outer);
	if (!error)
		error = link_run(d->inner, inner);
	if (error) {
		failure_set(failure, "cannot exchange the programs: %s", strerror(-error));
		for (unsigned int i = 0; i < d->count; i++)
			link_run(d->outer[i].link, before.outer[i]);
		link_run(d->inner, before.inner);
	}
	running_close(&before);
	return error;
}

/* What was made for one attempt. */
struct made {
	bool outer[KNOCKD_INTERFACES_MAX];
	bool inner;
};

static enum turn_end doors_attach(struct doors *d, const struct turn *turn, struct made *made,
				  int *result, struct failure *failure)
{
	if (d->inner < 0 && turn->inner >= 0) {
		*result = link_inner(turn->inner, failure);
		if (*result < 0)
			return TURN_FAILED;
		d->inner = *result;
		made->inner = true;
	}
	for (unsigned int i = 0; turn->guarded && i < d->count; i++) {
		if (d->outer[i].link >= 0 || !turn->guarded->at[i])
			continue;
		*result = outer_attach(&d->outer[i], turn->guarded->at[i], turn, failure);
		if (*result)
			return TURN_REFUSED;
		made->outer[i] = true;
	}
	return TURN_DONE;
}

/* What was made goes; what was there before runs what it ran. */
static void turn_undo(struct doors *d, const struct turn *turn, const struct made *made)
{
	for (unsigned int i = 0; i < d->count; i++)
		if (made->outer[i])
			doors_lose(d, i);
	if (made->inner)
		descriptor_close(&d->inner);
	if (turn->before)
		doors_publish(d, turn->before, true, &(struct failure){});
	else if (!doors_any(d) && d->inner < 0)
		pins_remove(d->pins, &(struct failure){});
}

enum turn_end doors_turn(struct doors *d, const struct turn *turn, int *result,
			 struct failure *failure)
{
	struct failure remark;
	struct made made = {};
	enum turn_end end = doors_attach(d, turn, &made, result, failure);

	if (end == TURN_DONE) {
		*result = doors_publish(d, turn->g, false, failure);
		remark = *failure;
		if (!*result)
			*result = doors_run(d, turn->outer, turn->inner, failure);
		if (!*result)
			*failure = remark;
		else
			end = TURN_FAILED;
	}
	if (end != TURN_DONE)
		turn_undo(d, turn, &made);
	else
		d->frags = turn->frags;
	return end;
}
