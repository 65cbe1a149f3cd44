// SPDX-License-Identifier: GPL-2.0-or-later
#include "datapath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "../bpf/grant.h"
#include "../bpf/presence.h"
#include "knockd.skel.h"

struct datapath {
	struct knockd_bpf *skel;
	struct ring_buffer *ring;
	void (*handle)(void *data, const struct event *event);
	void *data;
	int outer_link, inner_link; /* descriptors, -1 when not attached */
	enum datapath_mode mode;
	unsigned int device;        /* index */
	char device_name[IF_NAMESIZE];
	unsigned int hz;
	struct clock_reading clock; /* at load */
	__u32 presence_key[8];
	__be32 grant_mask6_be[4];
	__u32 bucket_mask;
	bool inner;
	char why[384];
	char inner_why[128];
};

__attribute__((format(printf, 2, 3)))
static void error_set(struct datapath_error *error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
}

unsigned int datapath_hz(void)
{
	struct timespec tick;

	/* The coarse clocks move once a jiffy, and say so. */
	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) || tick.tv_sec || tick.tv_nsec < 1000)
		return 250;
	return (1000000000 + tick.tv_nsec / 2) / tick.tv_nsec;
}

/* ---- load ---- */

/* What libbpf says while it loads; its last lines are the verifier's when that refuses. */
static char library_said[4096];

static int library_print(enum libbpf_print_level level, const char *format, va_list arguments)
{
	size_t used = strlen(library_said), len, over;
	char *text;

	if (level > LIBBPF_WARN || vasprintf(&text, format, arguments) < 0)
		return 0;
	/* The end is what counts, of all that was said and of each text. */
	len = strlen(text);
	if (len >= sizeof(library_said)) {
		memmove(text, text + len - sizeof(library_said) + 1, sizeof(library_said));
		len = sizeof(library_said) - 1;
	}
	if (used + len >= sizeof(library_said)) {
		over = used + len - sizeof(library_said) + 1;
		memmove(library_said, library_said + over, used - over + 1);
		used -= over;
	}
	memcpy(library_said + used, text, len + 1);
	free(text);
	return 0;
}

/* Does the kernel know the field of struct bpf_sk_lookup by which the inner door tells devices? */
static bool kernel_has_lookup_device(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	const struct btf_member *member;
	const struct btf_type *type;
	bool found = false;
	int id;

	if (!btf)
		return false;
	id = btf__find_by_name_kind(btf, "bpf_sk_lookup", BTF_KIND_STRUCT);
	type = id > 0 ? btf__type_by_id(btf, id) : NULL;
	member = type ? btf_members(type) : NULL;
	for (int i = 0; type && i < btf_vlen(type); i++) {
		const char *name = btf__name_by_offset(btf, member[i].name_off);

		found |= name && !strcmp(name, "ingress_ifindex");
	}
	btf__free(btf);
	return found;
}

/* What a kernel that refused to load the programs lacks, oldest first; NULL: nothing known. */
static const char *kernel_lacks(void)
{
	struct bpf_insn exchange[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .off = -8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1 },
		{ .code = BPF_STX | BPF_ATOMIC | BPF_DW, .dst_reg = BPF_REG_10,
		  .src_reg = BPF_REG_1, .off = -8, .imm = BPF_CMPXCHG },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd;

	if (libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_XDP, NULL) == 0)
		return "XDP programs";
	if (libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL) == 0)
		return "the BPF ring buffer (Linux 5.8)";
	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "knockd_probe", "GPL", exchange,
			   sizeof(exchange) / sizeof(*exchange), NULL);
	if (fd < 0)
		return "atomic compare-and-exchange in BPF (Linux 5.12)";
	close(fd);
	if (libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_SYSCALL, NULL) == 0)
		return "BPF programs of the kind 'syscall' (Linux 5.14)";
	return NULL;
}

/* What the verifier said last before its statistics; else all that was said. */
static const char *library_reason(void)
{
	char *end = strstr(library_said, "\nprocessed "), *line;

	if (!end)
		return library_said[0] ? library_said : "no reason given";
	*end = '\0';
	line = strrchr(library_said, '\n');
	return line ? line + 1 : library_said;
}

static int load_failed(int result, struct datapath_error *error)
{
	struct utsname host = {};
	const char *lacking;

	uname(&host);
	if (result == -EPERM || result == -EACCES) {
		/* The verifier says EACCES too, but without leave nothing gets so far. */
		if (result == -EPERM || geteuid()) {
			error_set(error, "not permitted to load BPF programs: needs root, or the "
					 "capabilities CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN");
			return -EPERM;
		}
	}
	lacking = kernel_lacks();
	if (lacking) {
		error_set(error, "Linux %s is too old: it lacks %s; knockd needs Linux 5.15 or "
				 "newer", host.release, lacking);
		return -EOPNOTSUPP;
	}
	if (result == -ENOMEM) {
		error_set(error, "no memory for the tables; smaller Max_Sources, Max_Grants and "
				 "Max_Flows need less");
		return result;
	}
	error_set(error, "the kernel (Linux %s) refused the BPF programs: %s: %.200s", host.release,
		  strerror(-result), library_reason());
	return result;
}

static __u32 at_least_one(__u64 n)
{
	return n ? n : 1;
}

static int maps_size(struct knockd_bpf *skel, const struct compiled *c)
{
	const struct settings *s = &c->settings;
	const struct {
		struct bpf_map *map;
		__u64 value_size; /* 0: as it is */
		__u32 entries;
	} sizes[] = {
		{ skel->maps.edges, (__u64)(s->edge_mask + 1) * sizeof(*c->edge), 1 },
		{ skel->maps.states, s->state_count * sizeof(*c->state), 1 },
		{ skel->maps.matches, at_least_one(s->match_count) * sizeof(*c->match), 1 },
		{ skel->maps.doors, at_least_one(s->door_count) * sizeof(*c->door), 1 },
		{ skel->maps.opens, at_least_one((__u64)s->door_count * s->area_words) *
		  sizeof(*c->opens), 1 },
		{ skel->maps.knockers, (__u64)s->set_count * s->door_words * sizeof(*c->knockers),
		  1 },
		{ skel->maps.trusts, (__u64)s->set_count * s->area_words * sizeof(*c->trusts), 1 },
		{ skel->maps.sources, 0, at_least_one(c->prefix_count) },
		{ skel->maps.progress, 0, c->max_sources },
		{ skel->maps.grants, 0, c->bucket_count },
		{ skel->maps.quotas, 0, at_least_one(s->door_count) },
		{ skel->maps.flows, 0, s->udp_guarded ? c->max_flows : 1 },
		{ skel->maps.door_counters, 0, at_least_one(s->door_count) },
		{ skel->maps.port_counters, 0, at_least_one(s->guard_count) },
		{ skel->maps.port_reports, 0, at_least_one(s->guard_count) },
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		int error = 0;

		if (sizes[i].value_size > 0x7fffffff)
			return -E2BIG;
		if (sizes[i].value_size)
			error = bpf_map__set_value_size(sizes[i].map, sizes[i].value_size);
		if (!error)
			error = bpf_map__set_max_entries(sizes[i].map, sizes[i].entries);
		if (error)
			return error;
	}
	return 0;
}

static int map_set(struct bpf_map *map, const void *value)
{
	__u32 key = 0;

	return bpf_map_update_elem(bpf_map__fd(map), &key, value, BPF_ANY) ? -errno : 0;
}

static int presence_key_draw(struct datapath *dp)
{
	struct presence *presence = calloc(1, sizeof(*presence));
	int error = -ENOMEM;

	if (!presence)
		return error;
	if (getrandom(presence->key, sizeof(presence->key), 0) != sizeof(presence->key)) {
		error = -EIO;
	} else {
		memcpy(dp->presence_key, presence->key, sizeof(presence->key));
		error = map_set(dp->skel->maps.presence, presence);
	}
	free(presence);
	return error;
}

static int maps_fill(struct datapath *dp, const struct compiled *c)
{
	struct knockd_bpf *skel = dp->skel;
	const struct {
		struct bpf_map *map;
		const void *value;
	} tables[] = {
		{ skel->maps.ports, c->port },
		{ skel->maps.edges, c->edge },
		{ skel->maps.states, c->state },
		{ skel->maps.matches, c->match },
		{ skel->maps.doors, c->door },
		{ skel->maps.opens, c->opens },
		{ skel->maps.knockers, c->knockers },
		{ skel->maps.trusts, c->trusts },
	};
	int error = 0;

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables) && !error; i++)
		error = map_set(tables[i].map, tables[i].value);
	for (size_t i = 0; i < c->prefix_count && !error; i++)
		if (bpf_map_update_elem(bpf_map__fd(skel->maps.sources), &c->prefix[i],
					&c->prefix_set[i], BPF_ANY))
			error = -errno;
	return error ? error : presence_key_draw(dp);
}

static int clock_read(struct datapath *dp)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &dp->clock,
		    .ctx_size_in = sizeof(dp->clock));

	return bpf_prog_test_run_opts(bpf_program__fd(dp->skel->progs.knockd_clock), &options) ?
		       -errno : 0;
}

/* Programs and maps for one attempt to attach; @frags: for packets in several buffers too. */
static int datapath_load(struct datapath *dp, const struct compiled *c, bool ethernet, bool frags,
			 struct datapath_error *error)
{
	struct settings *settings;
	int result;

	library_said[0] = '\0';
	dp->skel = knockd_bpf__open();
	if (!dp->skel)
		return load_failed(-errno, error);
	/* Read-only from the loading on; until then it is ours to write. */
	settings = (struct settings *)&dp->skel->rodata->settings;
	*settings = c->settings;
	settings->ethernet = ethernet;
	settings->inner = dp->inner;
	bpf_program__set_autoload(dp->skel->progs.knockd_inner, dp->inner);
	if (frags)
		bpf_program__set_flags(dp->skel->progs.knockd_outer, BPF_F_XDP_HAS_FRAGS);
	result = maps_size(dp->skel, c);
	if (result) {
		error_set(error, "cannot size the tables: %s", strerror(-result));
		return result;
	}
	result = knockd_bpf__load(dp->skel);
	if (result)
		return load_failed(result, error);
	result = maps_fill(dp, c);
	if (!result)
		result = clock_read(dp);
	if (result)
		error_set(error, "cannot fill the tables: %s", strerror(-result));
	return result;
}

static void datapath_unload(struct datapath *dp)
{
	knockd_bpf__destroy(dp->skel);
	dp->skel = NULL;
}

/* ---- surroundings ---- */

/* What the programs look at before they ask a map: see struct surroundings. */
static void surroundings_set(struct datapath *dp, const struct devices *devices,
			     const struct device *guarded)
{
	volatile struct surroundings *to = &dp->skel->data->surroundings;
	struct surroundings now = {
		.forwarding = device_forwards(guarded->name),
		.stacked = !strcmp(guarded->kind, "bond") || !strcmp(guarded->kind, "team"),
	};

	for (size_t i = 0; i < devices->count && !now.stacked; i++)
		now.stacked = devices->at[i].stacked;
	for (size_t i = 0; i < devices->address_count; i++) {
		__u32 bit = address_bit(devices->address[i].word_be);

		now.ours[bit / 64] |= 1ULL << bit % 64;
	}
	to->forwarding = now.forwarding;
	to->stacked = now.stacked;
	for (size_t i = 0; i < sizeof(now.ours) / sizeof(*now.ours); i++)
		to->ours[i] = now.ours[i];
}

/* Remove from @map what @keep does not want; @size is that of a key, at most struct source's. */
static void map_prune(int map, size_t size, bool (*keep)(const void *key, const struct datapath *dp,
							 const struct devices *devices),
		      const struct datapath *dp, const struct devices *devices)
{
	struct source key, next;
	void *last = NULL;

	while (!bpf_map_get_next_key(map, last, &next)) {
		if (!keep(&next, dp, devices)) {
			bpf_map_delete_elem(map, &next);
			last = NULL;
			continue;
		}
		memcpy(&key, &next, size);
		last = &key;
	}
}

static bool address_keep(const void *key, const struct datapath *dp, const struct devices *devices)
{
	(void)dp;
	for (size_t i = 0; i < devices->address_count; i++)
		if (!memcmp(&devices->address[i], key, sizeof(devices->address[i])))
			return true;
	return false;
}

/* The guarded device itself stays, come what may. */
static bool device_keep(const void *key, const struct datapath *dp, const struct devices *devices)
{
	const struct device *device;
	__u32 index;

	memcpy(&index, key, sizeof(index));
	device = devices_find_index(devices, index);
	return index == dp->device || (device && device->stacked);
}

int datapath_surroundings(struct datapath *dp, struct devices *devices)
{
	const struct device *guarded = devices_find_index(devices, dp->device);
	int addresses = bpf_map__fd(dp->skel->maps.addresses);
	int stacked = bpf_map__fd(dp->skel->maps.guarded);
	__u32 one = 1;
	int result = 0;

	if (!guarded)
		return -ENODEV;
	devices_stack(devices, dp->device);
	surroundings_set(dp, devices, guarded);
	for (size_t i = 0; i < devices->address_count; i++)
		if (bpf_map_update_elem(addresses, &devices->address[i], &one, BPF_ANY) && !result)
			result = -errno;
	for (size_t i = 0; i < devices->count; i++) {
		const struct device *device = &devices->at[i];

		if ((device == guarded || device->stacked) &&
		    bpf_map_update_elem(stacked, &device->index, &one, BPF_ANY) && !result)
			result = -errno;
	}
	map_prune(addresses, sizeof(struct source), address_keep, dp, devices);
	map_prune(stacked, sizeof(__u32), device_keep, dp, devices);
	return result;
}

/* ---- attach ---- */

static int inner_attach(struct datapath *dp, struct datapath_error *error)
{
	int netns, result = 0;

	if (!dp->inner)
		return 0;
	netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (netns < 0) {
		error_set(error, "cannot open the network namespace: %s", strerror(errno));
		return -errno;
	}
	dp->inner_link = bpf_link_create(bpf_program__fd(dp->skel->progs.knockd_inner), netns,
					 BPF_SK_LOOKUP, NULL);
	if (dp->inner_link < 0) {
		result = -errno;
		error_set(error, "cannot attach the inner door to the network namespace: %s",
			  strerror(-result));
	}
	close(netns);
	return result;
}

static int outer_attach(struct datapath *dp, enum datapath_mode mode)
{
	LIBBPF_OPTS(bpf_link_create_opts, options,
		    .flags = mode == DATAPATH_GENERIC ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	int fd = bpf_link_create(bpf_program__fd(dp->skel->progs.knockd_outer), dp->device, BPF_XDP,
				 &options);

	if (fd < 0)
		return -errno;
	dp->outer_link = fd;
	dp->mode = mode;
	return 0;
}

static int outer_failed(const struct datapath *dp, int result, struct datapath_error *error)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (!bpf_xdp_query(dp->device, 0, &query)) {
		__u32 id = query.drv_prog_id ? query.drv_prog_id :
			   query.skb_prog_id ? query.skb_prog_id : query.hw_prog_id;

		if (id) {
			error_set(error,
				  "another XDP program (id %u) is attached to %s; 'bpftool prog "
				  "show id %u' says which, 'ip link set dev %s xdp off' removes it "
				  "unless a running program holds it", id, dp->device_name, id,
				  dp->device_name);
			return -EBUSY;
		}
	}
	error_set(error, "cannot attach to %s: %s%s%s", dp->device_name, strerror(-result),
		  dp->why[0] ? "; " : "", dp->why);
	return result;
}

/* One attempt: load, fill, attach the inner door, then the outer. Nothing stays on failure. */
static int datapath_try(struct datapath *dp, const struct compiled *c,
			struct devices *devices, const struct device *device,
			enum datapath_mode mode, bool *attaching, struct datapath_error *error)
{
	int result = datapath_load(dp, c, device->type == ARPHRD_ETHER, mode == DATAPATH_FRAGS,
				   error);

	*attaching = false;
	if (result)
		goto unload;
	result = datapath_surroundings(dp, devices);
	/* More than there is room for: those left out are refused rather than let in. */
	if (result && result != -E2BIG) {
		error_set(error, "cannot tell the programs of the devices: %s", strerror(-result));
		goto unload;
	}
	result = inner_attach(dp, error);
	if (result)
		goto unload;
	*attaching = true;
	result = outer_attach(dp, mode);
	if (!result)
		return 0;
	if (dp->inner_link >= 0)
		close(dp->inner_link);
	dp->inner_link = -1;
unload:
	datapath_unload(dp);
	return result;
}

static const char *const mode_names[] = {
	[DATAPATH_FRAGS] = "native mode with fragments",
	[DATAPATH_NATIVE] = "native mode",
	[DATAPATH_GENERIC] = "generic mode",
};

/* Note why @mode was not to be had; for plain native mode also what would give it. */
static void mode_refused(struct datapath *dp, const struct device *device, enum datapath_mode mode,
			 int result)
{
	char hint[256] = "";
	size_t used = strlen(dp->why);

	if (mode == DATAPATH_FRAGS)
		return; /* older kernels and most drivers; plain native mode is as good */
	if (mode == DATAPATH_NATIVE)
		device_native_hint(device, hint, sizeof(hint));
	snprintf(dp->why + used, sizeof(dp->why) - used, "%s%s refused by the driver: %s%s",
		 used ? "; " : "", mode_names[mode],
		 result == -EOPNOTSUPP ? "it has none" : strerror(-result), hint);
}

static bool device_parsed(const struct device *device)
{
	switch (device->type) {
	case ARPHRD_ETHER:
	case ARPHRD_NONE:
	case ARPHRD_PPP:
	case ARPHRD_RAWIP:
		return true;
	default:
		return false;
	}
}

int datapath_start(struct datapath **out, const struct compiled *compiled,
		   struct devices *devices, const struct device *device,
		   enum conf_xdp_mode wanted, struct datapath_error *error)
{
	enum datapath_mode first = wanted == CONF_XDP_GENERIC ? DATAPATH_GENERIC : DATAPATH_FRAGS;
	enum datapath_mode last = wanted == CONF_XDP_NATIVE ? DATAPATH_NATIVE : DATAPATH_GENERIC;
	struct datapath *dp;
	bool attaching = false;
	int result = -EINVAL;

	if (!device_parsed(device)) {
		error_set(error, "%s is neither Ethernet nor a link of plain IP packets (its ARP "
				 "hardware type is %u)", device->name, device->type);
		return -EINVAL;
	}
	dp = calloc(1, sizeof(*dp));
	if (!dp) {
		error_set(error, "no memory");
		return -ENOMEM;
	}
	libbpf_set_print(library_print);
	dp->outer_link = dp->inner_link = -1;
	dp->device = device->index;
	snprintf(dp->device_name, sizeof(dp->device_name), "%s", device->name);
	dp->hz = compiled->settings.second;
	dp->bucket_mask = compiled->settings.bucket_mask;
	memcpy(dp->grant_mask6_be, compiled->settings.grant_mask6_be, sizeof(dp->grant_mask6_be));
	dp->inner = kernel_has_lookup_device();
	if (!dp->inner)
		snprintf(dp->inner_why, sizeof(dp->inner_why), "the kernel does not say on which "
			 "device a connection arrives (that needs Linux 5.17)");

	for (enum datapath_mode mode = first; mode <= last; mode++) {
		result = datapath_try(dp, compiled, devices, device, mode, &attaching, error);
		if (!result)
			break;
		/* A flavour that does not load is like one that does not attach, if it is not the
		 * plain one. */
		if (!attaching && mode != DATAPATH_FRAGS)
			goto fail;
		if (attaching && result == -EBUSY)
			break;
		mode_refused(dp, device, mode, result);
	}
	if (result) {
		result = outer_failed(dp, result, error);
		goto fail;
	}
	*out = dp;
	return 0;

fail:
	free(dp);
	return result;
}

void datapath_stop(struct datapath *dp)
{
	if (!dp)
		return;
	/* The outer door last opens nothing that the inner one still holds, nor the other way. */
	if (dp->outer_link >= 0)
		close(dp->outer_link);
	if (dp->inner_link >= 0)
		close(dp->inner_link);
	ring_buffer__free(dp->ring);
	datapath_unload(dp);
	free(dp);
}

enum datapath_mode datapath_mode(const struct datapath *dp)
{
	return dp->mode;
}

const char *datapath_why(const struct datapath *dp)
{
	return dp->why;
}

const char *datapath_inner(const struct datapath *dp)
{
	return dp->inner ? NULL : dp->inner_why;
}

/* ---- clock, grants, counters, events ---- */

static __u64 monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

__u64 datapath_now(const struct datapath *dp)
{
	return dp->clock.jiffies +
	       (monotonic_ns() - dp->clock.monotonic_ns) / (1000000000 / dp->hz);
}

__u64 datapath_until_ns(const struct datapath *dp, __u64 jiffies)
{
	return dp->clock.monotonic_ns +
	       (jiffies - dp->clock.jiffies) * (1000000000ULL / dp->hz);
}

__u64 datapath_grant_until(const struct datapath *dp, const struct source *source, __u32 door)
{
	struct grant_bucket bucket;
	struct source owner = *source;
	__u64 word, hash;
	__u32 slot;
	int cell;

	for (int i = 0; owner.family == 6 && i < 4; i++)
		owner.word_be[i] &= dp->grant_mask6_be[i];
	hash = source_hash(dp->presence_key, &owner);
	slot = grant_slot(hash, dp->bucket_mask);
	if (bpf_map_lookup_elem(bpf_map__fd(dp->skel->maps.grants), &slot, &bucket))
		return 0;
	cell = grant_find(&bucket, door, &owner);
	word = cell < 0 ? 0 : bucket.cell[cell].word;
	return grant_alive(word, datapath_now(dp)) ? grant_expiry(word) : 0;
}

__u64 datapath_counter(const struct datapath *dp, enum datapath_counter which, __u32 index)
{
	const struct bpf_map *map = which == COUNTER_REASON ? dp->skel->maps.counters :
				    which == COUNTER_DOOR ? dp->skel->maps.door_counters :
							    dp->skel->maps.port_counters;
	int cpus = libbpf_num_possible_cpus();
	__u64 *values, sum = 0;

	values = cpus > 0 ? calloc(cpus, sizeof(*values)) : NULL;
	if (values && !bpf_map_lookup_elem(bpf_map__fd(map), &index, values))
		for (int i = 0; i < cpus; i++)
			sum += values[i];
	free(values);
	return sum;
}

static int event_arrives(void *context, void *data, size_t size)
{
	struct datapath *dp = context;

	if (size >= sizeof(struct event))
		dp->handle(dp->data, data);
	return 0;
}

int datapath_events_to(struct datapath *dp, void (*handle)(void *data, const struct event *event),
		       void *data)
{
	dp->handle = handle;
	dp->data = data;
	dp->ring = ring_buffer__new(bpf_map__fd(dp->skel->maps.events), event_arrives, dp, NULL);
	return dp->ring ? 0 : -errno;
}

int datapath_events_fd(const struct datapath *dp)
{
	return ring_buffer__epoll_fd(dp->ring);
}

int datapath_events(struct datapath *dp)
{
	return ring_buffer__consume(dp->ring);
}
