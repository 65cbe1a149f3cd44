// SPDX-License-Identifier: GPL-2.0-or-later
#include "load.h"

#include <errno.h>
#include <fcntl.h>
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

#include "knockd.skel.h"
#include "migrate.h"

unsigned int load_hz(void)
{
	struct timespec tick;

	/* The coarse clocks move once a jiffy, and say so. */
	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) || tick.tv_sec || tick.tv_nsec < 1000)
		return 250;
	return (1000000000 + tick.tv_nsec / 2) / tick.tv_nsec;
}

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
bool load_inner_possible(void)
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

static int load_failed(int result, struct failure *failure)
{
	struct utsname host = {};
	const char *lacking;

	uname(&host);
	if (result == -EPERM || result == -EACCES) {
		/* The verifier says EACCES too, but without leave nothing gets so far. */
		if (result == -EPERM || geteuid()) {
			failure_set(failure, "not permitted to load BPF programs: needs root, or "
				    "the capabilities CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and "
				    "CAP_SYS_ADMIN");
			return -EPERM;
		}
	}
	lacking = kernel_lacks();
	if (lacking) {
		failure_set(failure, "Linux %s is too old: it lacks %s; knockd needs Linux 5.15 or "
				 "newer", host.release, lacking);
		return -EOPNOTSUPP;
	}
	if (result == -ENOMEM) {
		failure_set(failure, "no memory for the tables; smaller Max_Sources, Max_Grants "
			    "and Max_Flows need less");
		return result;
	}
	failure_set(failure, "the kernel (Linux %s) refused the BPF programs: %s: %.200s",
		    host.release, strerror(-result), library_reason());
	return result;
}

/* ---- tables ---- */

static struct bpf_map *skeleton_map(const struct knockd_bpf *skel, enum generation_map map)
{
	return bpf_object__find_map_by_name(skel->obj, generation_map_name(map));
}

static __u32 at_least_one(__u64 n)
{
	return n ? n : 1;
}

static int maps_size(const struct knockd_bpf *skel, const struct compiled *c)
{
	const struct settings *s = &c->settings;
	const struct {
		enum generation_map map;
		__u64 value_size; /* 0: as it is */
		__u32 entries;
	} sizes[] = {
		{ MAP_ports, 0, (1 + s->remote_count) * PORT_COUNT },
		{ MAP_edges, (__u64)(s->edge_mask + 1) * sizeof(*c->edge), 1 },
		{ MAP_states, s->state_count * sizeof(*c->state), 1 },
		{ MAP_stages, s->state_count * sizeof(*c->stage), 1 },
		{ MAP_paths, s->state_count * sizeof(*c->path), 1 },
		{ MAP_matches, at_least_one(s->match_count) * sizeof(*c->match), 1 },
		{ MAP_doors, at_least_one(s->door_count) * sizeof(*c->door), 1 },
		{ MAP_names, at_least_one(s->door_count) * sizeof(*c->name), 1 },
		{ MAP_opens, at_least_one((__u64)s->door_count * s->area_words) *
		  sizeof(*c->opens), 1 },
		{ MAP_knockers, (__u64)s->set_count * s->door_words * sizeof(*c->knockers), 1 },
		{ MAP_trusts, (__u64)s->set_count * s->area_words * sizeof(*c->trusts), 1 },
		{ MAP_sources, 0, at_least_one(c->prefix_count) },
		{ MAP_progress, 0, c->max_sources },
		{ MAP_grants, 0, c->bucket_count },
		{ MAP_quotas, 0, at_least_one(s->door_count) },
		{ MAP_flows, 0, s->flows ? c->max_flows : 1 },
		{ MAP_door_counters, 0, at_least_one(s->door_count) },
		{ MAP_port_counters, 0, at_least_one(s->guard_count) },
		{ MAP_port_reports, 0, at_least_one(s->guard_count) },
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct bpf_map *map = skeleton_map(skel, sizes[i].map);
		int error = 0;

		if (sizes[i].value_size > 0x7fffffff)
			return -E2BIG;
		if (sizes[i].value_size)
			error = bpf_map__set_value_size(map, sizes[i].value_size);
		if (!error)
			error = bpf_map__set_max_entries(map, sizes[i].entries);
		if (error)
			return error;
	}
	return 0;
}

/* State that can be shared is; of what cannot, the contents are copied later. */
static int maps_share(const struct knockd_bpf *skel, const struct load *load)
{
	for (enum generation_map i = 0; load->from && i < MAP_COUNT; i++) {
		struct bpf_map *map = skeleton_map(skel, i);
		int error;

		if (!migration_shares(load->from, i, &load->compiled->settings, map)) {
			/* What is told apart by nothing but its being the same must be. */
			if (generation_map_kind(i) == MAP_FORM)
				return -EINVAL;
			continue;
		}
		error = bpf_map__reuse_fd(map, load->from->map[i]);
		if (error)
			return error;
	}
	return 0;
}

static int map_set(int map, const void *value)
{
	__u32 key = 0;

	return bpf_map_update_elem(map, &key, value, BPF_ANY) ? -errno : 0;
}

enum { PORTS_AT_ONCE = 512 };

/* Only the ports that the config names: the others are zero. */
static int ports_fill(int map, const struct compiled *c)
{
	__u32 all = (1 + c->settings.remote_count) * PORT_COUNT, count = 0;
	struct port port[PORTS_AT_ONCE];
	__u32 index[PORTS_AT_ONCE];

	for (__u32 i = 0; i < all; i++) {
		if (c->port[i].named) {
			index[count] = i;
			port[count++] = c->port[i];
		}
		if (!count || (count < PORTS_AT_ONCE && i + 1 < all))
			continue;
		if (bpf_map_update_batch(map, index, port, &count, NULL))
			return -errno;
		count = 0;
	}
	return 0;
}

static int maps_fill(const struct generation *g, const struct compiled *c)
{
	const struct {
		enum generation_map map;
		const void *value;
	} tables[] = {
		{ MAP_edges, c->edge },
		{ MAP_states, c->state },
		{ MAP_stages, c->stage },
		{ MAP_paths, c->path },
		{ MAP_matches, c->match },
		{ MAP_doors, c->door },
		{ MAP_names, c->name },
		{ MAP_opens, c->opens },
		{ MAP_knockers, c->knockers },
		{ MAP_trusts, c->trusts },
	};
	int error = ports_fill(g->map[MAP_ports], c);

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables) && !error; i++)
		error = map_set(g->map[tables[i].map], tables[i].value);
	for (size_t i = 0; i < c->prefix_count && !error; i++)
		if (bpf_map_update_elem(g->map[MAP_sources], &c->prefix[i], &c->prefix_set[i],
					BPF_ANY))
			error = -errno;
	return error;
}

/* ---- the whole ---- */

static int descriptor_copy(int fd)
{
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return fd >= 0 && copy < 0 ? -errno : copy;
}

/* What @skel has loaded, in descriptors of its own. */
static int generation_take(struct generation *g, const struct knockd_bpf *skel)
{
	const struct {
		int *to;
		const struct bpf_program *from;
	} programs[] = {
		{ &g->outer, skel->progs.knockd_outer },
		{ &g->inner, skel->progs.knockd_inner },
		{ &g->outer_trial, skel->progs.knockd_outer_trial },
		{ &g->inner_trial, skel->progs.knockd_inner_trial },
		{ &g->order, skel->progs.knockd_order },
	};

	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
		int fd = bpf_program__fd(programs[i].from);

		*programs[i].to = descriptor_copy(fd < 0 ? -1 : fd);
		if (fd >= 0 && *programs[i].to < 0)
			return -errno;
	}
	for (enum generation_map i = 0; i < MAP_COUNT; i++) {
		g->map[i] = descriptor_copy(bpf_map__fd(skeleton_map(skel, i)));
		if (g->map[i] < 0)
			return -errno;
	}
	return 0;
}

/* Let each program lead to all maps, also to those that only readers use. */
static int generation_bind(const struct generation *g)
{
	const int programs[] = { g->outer, g->inner, g->outer_trial, g->inner_trial };

	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		for (enum generation_map map = 0; programs[i] >= 0 && map < MAP_COUNT; map++)
			if (bpf_prog_bind_map(programs[i], g->map[map], NULL))
				return -errno;
	return 0;
}

static int clock_read(const struct knockd_bpf *skel, struct clock_reading *clock)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = clock, .ctx_size_in = sizeof(*clock));

	*clock = (struct clock_reading){};
	return bpf_prog_test_run_opts(bpf_program__fd(skel->progs.knockd_clock), &options) ?
		       -errno : 0;
}

/* What the quick way of the outer door may do: it asks no question that is not asked here. */
static void plain_set(struct settings *s)
{
	s->plain = 0;
	if (s->frames != FRAMES_ETHERNET || s->remote_count)
		return;
	s->plain |= PLAIN_OTHER;
	s->other_flags[0] = ~s->knock_flags;
	s->other_flags[1] = s->only_ipv4 ? ~0ULL : ~s->knock_flags;
	if (!s->sources && !s->connections && s->closed != CLOSED_RESET)
		s->plain |= PLAIN_GUARDED;
}

static int hash_key_draw(struct hash_key *key)
{
	if (getrandom(key, sizeof(*key), 0) != sizeof(*key))
		return -EIO;
	key->add[1] |= 1;
	key->multiplier |= 1;
	return 0;
}

/* State that is handed on stays where its key has placed it. */
static int hash_key_set(struct settings *settings, const struct generation *from)
{
	struct settings before;
	int error;

	if (!from)
		return hash_key_draw(&settings->hash_key);
	error = generation_settings(from, &before);
	if (!error)
		settings->hash_key = before.hash_key;
	return error;
}

static int skeleton_set(struct knockd_bpf *skel, const struct load *load)
{
	/* Read-only from the loading on; until then it is ours to write. */
	struct settings *settings = (struct settings *)&skel->rodata_settings->settings;

	*settings = load->compiled->settings;
	settings->frames = load->frames;
	settings->inner = load->inner;
	plain_set(settings);
	bpf_program__set_autoload(skel->progs.knockd_inner, load->inner);
	bpf_program__set_autoload(skel->progs.knockd_outer_trial, load->trial);
	bpf_program__set_autoload(skel->progs.knockd_inner_trial, load->trial && load->inner);
	if (load->frags) {
		bpf_program__set_flags(skel->progs.knockd_outer, BPF_F_XDP_HAS_FRAGS);
		bpf_program__set_flags(skel->progs.knockd_outer_trial, BPF_F_XDP_HAS_FRAGS);
	}
	return hash_key_set(settings, load->from);
}

int load_generation(const struct load *load, struct generation *out, struct clock_reading *clock,
		    struct failure *failure)
{
	struct generation g;
	struct knockd_bpf *skel;
	int result;

	generation_init(&g);
	library_said[0] = '\0';
	libbpf_set_print(library_print);
	skel = knockd_bpf__open();
	if (!skel)
		return load_failed(-errno, failure);
	result = skeleton_set(skel, load);
	if (!result)
		result = maps_size(skel, load->compiled);
	if (!result)
		result = maps_share(skel, load);
	if (result) {
		failure_set(failure, "cannot prepare the tables: %s", strerror(-result));
		goto out;
	}
	result = knockd_bpf__load(skel);
	if (result) {
		result = load_failed(result, failure);
		goto out;
	}
	result = generation_take(&g, skel);
	if (!result)
		result = generation_bind(&g);
	if (!result)
		result = maps_fill(&g, load->compiled);
	if (!result)
		result = clock_read(skel, clock);
	if (result)
		failure_set(failure, "cannot fill the tables: %s", strerror(-result));
out:
	knockd_bpf__destroy(skel);
	if (result)
		generation_close(&g);
	else
		*out = g;
	return result;
}
