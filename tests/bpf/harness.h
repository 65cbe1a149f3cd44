/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fixtures: a sentence, a config, a packet, the reason that must be counted for it.
 *
 * The programs are loaded as the daemon loads them, by its own code, but not attached: packets are
 * given to them with BPF_PROG_TEST_RUN, as if they had arrived on door0. Each fixture begins with
 * empty tables. Where time must pass, the tables are changed as if it had.
 */
#ifndef KNOCKD_TEST_HARNESS_H
#define KNOCKD_TEST_HARNESS_H

#include "network.h"

#include <linux/bpf.h>
#include <sys/mman.h>

#include "knockd/abi.h"
#include "knockd.skel.h"

/*
 * Between opening and loading, a fixture may change what the daemon never would; and what the
 * daemon lets go once it is loaded is kept, for its names.
 */
static int skeleton_load(struct knockd_bpf *skel);
static void skeleton_keep(struct knockd_bpf *skel);
#define knockd_bpf__load skeleton_load
#define knockd_bpf__destroy skeleton_keep
#include "src/load.c"
#undef knockd_bpf__load
#undef knockd_bpf__destroy

#include "bpf/grant.h"
#include "bpf/presence.h"
#include "device.h"
#include "parse.h"
#include "reason.h"
#include "ring.h"
#include "surround.h"
#include "view.h"

/* ---- what is loaded ---- */

/* How a config begins: the device, and tables that are soon full. */
#define SMALL_TABLES                                                                               \
	"[options]\n"                                                                              \
	"	Interface = door0\n"                                                               \
	"	Max_Grants = 64\n"                                                                 \
	"	Max_Sources = 1024\n"                                                              \
	"	Max_Flows = 1024\n"

struct setup {
	const char *conf;
	bool alone;  /* the outer door, without the inner one */
	bool bare;   /* frames begin with the IP header */
	bool mixed;  /* on some devices they do */
	bool trial;  /* waits for confirmation */
	bool only_ipv4;
	const char *once;        /* what stands in the file of every one-time door, */
	unsigned int once_line;  /* on this line; 0: nothing is left */
	enum xdp_flavour flavour;
	const struct setup *former; /* the config before: its state goes on, and past the time to
				       confirm it judges */
	void (*adjust)(struct knockd_bpf *skel); /* before loading */
};

struct world {
	const struct setup *setup;
	struct world *former;
	struct knockd_bpf *skel;
	struct generation generation;
	struct clock_reading clock;   /* as clock_now() last saw it */
	struct compiled compiled;
	struct ring *ring, *tasks;
	int inner_link;               /* −1: not attached */
	__u32 device;
	__u32 hz;
	struct world *next;

	/* of the fixture that runs */
	int family;
	const struct addresses *a;
	const char *source;       /* who sends */
	char numbered[64];        /* one of many sources */
	const char *destination;
	__u32 ingress;            /* device */
	bool on_trial;            /* the programs that wait for confirmation judge */
	__u16 source_port;        /* of the next knock */
	struct sockets sockets;
	struct event event[64];   /* the first ones since events_read() */
	size_t events;
	struct event task[64];    /* the same since tasks_read() */
	size_t task_count;
};

static struct world *worlds;
static const struct setup *setup_loading;
static struct knockd_bpf *skeleton_kept;
static __u64 reasons_seen; /* bit set of enum reason */

_Static_assert(REASON_COUNT <= 64, "bit sets of reasons");

static inline __u64 note(enum reason reason)
{
	return 1ULL << reason;
}

static int skeleton_load(struct knockd_bpf *skel)
{
	if (setup_loading->adjust)
		setup_loading->adjust(skel);
	return knockd_bpf__load(skel);
}

static void skeleton_keep(struct knockd_bpf *skel)
{
	skeleton_kept = skel;
}

/* Whether the fixtures' host has the address. */
static inline bool target_own(const struct conf_target *target)
{
	static const char *const own[] = {
		"192.0.2.1", "203.0.113.1", "198.51.100.7",
		"2001:db8:2::1", "2001:db8:3::1", "2001:db8:7::7",
	};
	uint8_t address[16] = {};

	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++) {
		int family = strchr(own[i], ':') ? AF_INET6 : AF_INET;

		if (family == target->family && inet_pton(family, own[i], address) == 1 &&
		    !memcmp(address, target->address, family == AF_INET ? 4 : 16))
			return true;
	}
	return false;
}

/* What the daemon finds outside the config file. */
static inline void conf_complete(struct conf *conf, const struct setup *setup)
{
	conf->only_ipv4 = setup->only_ipv4;
	for (size_t i = 0; i < conf->door_count; i++) {
		struct conf_door *door = &conf->door[i];
		char *end = (char *)setup->once;

		door->target.remote = door->target.family && !target_own(&door->target);
		if (!door->one_time_file || !setup->once_line)
			continue;
		door->one_time_line = setup->once_line;
		while (*end) {
			door->sequence.knock[door->sequence.len++] = (struct conf_knock){
				.proto = CONF_TCP, .number = strtoul(end, &end, 10),
			};
			end += *end == ',';
		}
	}
}

static inline void world_compile(struct world *w)
{
	const char *text = w->setup->conf;
	struct heritage heritage = {};
	struct messages messages;
	struct conf conf;
	bool failed;

	if (w->former)
		heritage = (struct heritage){
			.settings = &w->former->compiled.settings,
			.port = w->former->compiled.port,
			.name = w->former->compiled.name,
			.path = w->former->compiled.path,
			.now = w->former->clock.jiffies,
		};
	messages_init(&messages, "fixture");
	conf_init(&conf, "fixture");
	failed = parse_text(&conf, text, strlen(text), &messages);
	if (!failed) {
		conf_complete(&conf, w->setup);
		failed = compile_conf(&conf, load_hz(), w->former ? &heritage : NULL,
				      &w->compiled, &messages);
	}
	if (failed) {
		messages_print(&messages, stderr);
		fprintf(stderr, "%s\n", text);
		exit(1);
	}
	messages_free(&messages);
	conf_free(&conf);
}

static void event_keep(void *data, const void *record, size_t size)
{
	struct world *w = data;

	if (w->events < sizeof(w->event) / sizeof(*w->event) && size >= sizeof(*w->event))
		memcpy(&w->event[w->events++], record, sizeof(*w->event));
}

static void task_keep(void *data, const void *record, size_t size)
{
	struct world *w = data;

	if (w->task_count < sizeof(w->task) / sizeof(*w->task) && size >= sizeof(*w->task))
		memcpy(&w->task[w->task_count++], record, sizeof(*w->task));
}

static inline struct world *world_of(const struct setup *setup);

/* Past the time to confirm, the config before is to judge. */
static inline void former_return(const struct world *w)
{
	const struct generation *g = &w->generation, *former = &w->former->generation;
	__u32 key = 0;

	if (bpf_map_update_elem(g->map[MAP_former_outer], &key, &former->outer, BPF_ANY) ||
	    (former->inner >= 0 &&
	     bpf_map_update_elem(g->map[MAP_former_inner], &key, &former->inner, BPF_ANY))) {
		fprintf(stderr, "the config before cannot come back: %s\n", strerror(errno));
		exit(1);
	}
}

static inline struct world *world_load(const struct setup *setup)
{
	struct world *w = calloc(1, sizeof(*w));
	struct failure failure = {};
	struct load load = { .frags = setup->flavour == XDP_FRAGS,
			     .frames = setup->bare ? FRAMES_IP : setup->mixed ? FRAMES_MIXED :
								 FRAMES_ETHERNET,
			     .inner = !setup->alone, .trial = setup->trial };

	if (!w)
		exit(1);
	w->setup = setup;
	w->former = setup->former ? world_of(setup->former) : NULL;
	world_compile(w);
	load.compiled = &w->compiled;
	load.from = w->former ? &w->former->generation : NULL;
	setup_loading = setup;
	if (load_generation(&load, &w->generation, &w->clock, &failure)) {
		fprintf(stderr, "cannot load: %s\n%s\n%s", failure.text, library_said,
			setup->conf);
		exit(1);
	}
	w->skel = skeleton_kept;
	if (w->former && setup->trial)
		former_return(w);
	w->inner_link = -1;
	w->device = if_nametoindex("door0");
	w->hz = w->compiled.settings.second;
	if (ring_open(&w->ring, w->generation.map[MAP_events],
		      bpf_map__max_entries(w->skel->maps.events), true) ||
	    ring_open(&w->tasks, w->generation.map[MAP_tasks],
		      bpf_map__max_entries(w->skel->maps.tasks), true))
		exit(1);
	w->next = worlds;
	worlds = w;
	return w;
}

static inline struct world *world_of(const struct setup *setup)
{
	struct world *w = worlds;

	while (w && w->setup != setup)
		w = w->next;
	return w ? w : world_load(setup);
}

static inline void worlds_free(void)
{
	while (worlds) {
		struct world *w = worlds;

		worlds = w->next;
		ring_close(w->ring);
		ring_close(w->tasks);
		generation_close(&w->generation);
		knockd_bpf__destroy(w->skel);
		compiled_free(&w->compiled);
		free(w);
	}
}

/* ---- tables ---- */

/* Call @change with every value of a table, and write it back; with NULL, delete every entry. */
static inline void table_walk(struct bpf_map *map, void (*change)(void *value, __u64 by), __u64 by)
{
	size_t key_size = bpf_map__key_size(map), value_size = bpf_map__value_size(map);
	char *keys = malloc((size_t)bpf_map__max_entries(map) * key_size), *value;
	size_t count = 0;

	value = malloc(value_size);
	assert_non_null(keys);
	assert_non_null(value);
	while (count < bpf_map__max_entries(map) &&
	       !bpf_map_get_next_key(bpf_map__fd(map), count ? keys + (count - 1) * key_size : NULL,
				     keys + count * key_size))
		count++;
	for (size_t i = 0; i < count; i++) {
		const void *key = keys + i * key_size;

		if (!change) {
			bpf_map_delete_elem(bpf_map__fd(map), key);
			continue;
		}
		assert_int_equal(0, bpf_map_lookup_elem(bpf_map__fd(map), key, value));
		change(value, by);
		assert_int_equal(0, bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY));
	}
	free(value);
	free(keys);
}

static inline void value_zero(void *value, __u64 size)
{
	memset(value, 0, size);
}

/** presence_open() - The slots of presence, to be given to presence_close(). */
static inline __u32 *presence_open(const struct world *w)
{
	__u32 *slot = mmap(NULL, PRESENCE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			   w->generation.map[MAP_presence], 0);

	assert_int_equal(PRESENCE_SIZE, generation_map_size(&w->generation, MAP_presence));
	assert_ptr_not_equal(slot, MAP_FAILED);
	return slot;
}

static inline void presence_close(__u32 *slot)
{
	munmap(slot, PRESENCE_SIZE);
}

/* Everything that is marked as present, @by jiffies earlier; ~0: nothing is any more. */
static inline void presence_age(struct world *w, __u64 by)
{
	__u64 steps = by >> PRESENCE_STEP_SHIFT;
	__u32 *slot = presence_open(w);

	for (size_t i = 0; i < PRESENCE_SLOTS; i++)
		slot[i] -= slot[i] < steps ? slot[i] : steps;
	presence_close(slot);
}

static inline void events_read(struct world *w)
{
	w->events = 0;
	ring_read(w->ring, event_keep, w, NULL);
}

static inline void tasks_read(struct world *w)
{
	w->task_count = 0;
	ring_read(w->tasks, task_keep, w, NULL);
}

/** world_look() - Let the programs know what has changed around them, as the daemon does. */
static inline void world_look(struct world *w)
{
	__u32 test_run = 0, one = 1;
	struct guarded guarded = { .count = 1 };
	struct devices devices = {};

	assert_int_equal(0, devices_read(&devices));
	guarded.at[0] = devices_find_index(&devices, w->device);
	assert_non_null(guarded.at[0]);
	assert_int_equal(0, generation_surround(&w->generation, &devices, &guarded));
	devices_free(&devices);
	/* A lookup under BPF_PROG_TEST_RUN cannot name a device: it arrives on number 0. */
	assert_int_equal(0, bpf_map_update_elem(w->generation.map[MAP_guarded], &test_run, &one,
						BPF_ANY));
	if (w->former)
		world_look(w->former);
}

/* As if just loaded, but for the counters. */
static inline void world_reset(struct world *w, int family)
{
	struct knockd_bpf *skel = w->skel;
	struct bpf_map *const zeroed[] = {
		skel->maps.grants, skel->maps.quotas, skel->maps.shared, skel->maps.port_reports,
		skel->maps.trial, skel->maps.spent, skel->maps.told,
	};

	sockets_close(&w->sockets);
	table_walk(skel->maps.progress, NULL, 0);
	table_walk(skel->maps.flows, NULL, 0);
	for (size_t i = 0; i < sizeof(zeroed) / sizeof(*zeroed); i++)
		table_walk(zeroed[i], value_zero, bpf_map__value_size(zeroed[i]));
	presence_age(w, ~0ULL);
	network_forward(false);
	world_look(w);
	events_read(w);
	w->events = 0;
	tasks_read(w);
	w->task_count = 0;
	w->family = family;
	w->a = family == 4 ? &addresses4 : &addresses6;
	w->source = w->a->stranger;
	w->destination = w->a->host;
	w->ingress = w->device;
	w->on_trial = false;
	w->source_port = 40000;
}

/** progress_name_of() - By what the programs find the progress of @source in its stream. */
static inline __u64 progress_name_of(const struct world *w, const struct source *source)
{
	const struct settings *settings = &w->skel->rodata_settings->settings;

	return progress_name(source_hash(&settings->hash_key, source), source->stream);
}

/** flow_name_of() - By what the programs find @flow. */
static inline __u64 flow_name_of(const struct world *w, const struct flow *flow)
{
	const struct settings *settings = &w->skel->rodata_settings->settings;

	return flow_name(&settings->hash_key, flow);
}

/** clock_now() - The programs' clock. */
static inline __u64 clock_now(struct world *w)
{
	assert_int_equal(0, clock_read(w->skel, &w->clock));
	return w->clock.jiffies;
}

static inline void progress_age(void *value, __u64 by)
{
	struct progress *p = value;

	for (int i = 0; i < KNOCKD_SEQUENCE_MAX; i++)
		p->knock[i].time -= by;
}

static inline void grants_age(void *value, __u64 by)
{
	struct grant_bucket *bucket = value;

	for (int i = 0; i < GRANT_CELLS; i++) {
		__u64 expiry = bucket->cell[i].word & GRANT_EXPIRY_MASK;

		if (expiry && expiry != GRANT_FOREVER)
			bucket->cell[i].word -= by;
		/* The second in which a door that counts connections let some begin. */
		if (bucket->cell[i].flows >> 16)
			bucket->cell[i].flows -= by / load_hz() << 16;
	}
}

static inline void flow_age(void *value, __u64 by)
{
	((struct flow_state *)value)->seen -= by;
}

static inline void report_age(void *value, __u64 by)
{
	__u64 *report = value;

	if (*report)
		*report -= by;
}

/** deadline() - Until when the config can be confirmed. deadline_set() - Set that, in jiffies. */
static inline __u64 deadline(const struct world *w)
{
	struct trial_term trial;
	__u32 key = 0;

	assert_int_equal(0, bpf_map_lookup_elem(w->generation.map[MAP_trial], &key, &trial));
	return trial.until;
}

static inline void deadline_set(const struct world *w, __u64 until)
{
	struct trial_term trial = { until };
	__u32 key = 0;

	assert_int_equal(0, bpf_map_update_elem(w->generation.map[MAP_trial], &key, &trial,
						BPF_ANY));
}

static inline void deadline_age(void *value, __u64 by)
{
	struct trial_term *trial = value;

	if (trial->until)
		trial->until -= by;
}

static inline void limits_age(void *value, __u64 by)
{
	struct shared *shared = value;

	for (int i = 0; i < LIMIT_COUNT; i++)
		if (shared->limit[i])
			shared->limit[i] -= by << 32;
}

/** time_pass() - As if all that the tables remember had happened @seconds earlier. Windows of a
 * quota move whole: where quotas matter, let a multiple of Open_Time pass. */
static inline void time_pass(struct world *w, __u64 seconds)
{
	struct knockd_bpf *skel = w->skel;
	__u64 by = seconds * w->hz;

	table_walk(skel->maps.progress, progress_age, by);
	table_walk(skel->maps.grants, grants_age, by);
	table_walk(skel->maps.flows, flow_age, by);
	presence_age(w, by);
	table_walk(skel->maps.port_reports, report_age, by);
	table_walk(skel->maps.shared, limits_age, by);
	table_walk(skel->maps.trial, deadline_age, by);
	for (__u32 door = 0; door < w->compiled.settings.door_count; door++) {
		__u64 open_time = w->compiled.door[door].open_time, quota;
		int map = bpf_map__fd(skel->maps.quotas);

		assert_int_equal(0, bpf_map_lookup_elem(map, &door, &quota));
		if (open_time && quota)
			quota -= by / open_time << 2 * QUOTA_COUNT_BITS;
		assert_int_equal(0, bpf_map_update_elem(map, &door, &quota, BPF_ANY));
	}
}

/* ---- packets and what must come of them ---- */

struct outcome {
	int action;
	enum reason reason; /* the one verdict counted; REASON_COUNT where there was not just one */
	__u64 notes;        /* what else was counted, a bit set */
};

static inline bool reason_notes(enum reason reason)
{
	switch (reason) {
#define REASON_NOTES(name, action, sentence)                                                       \
	case REASON_##name:                                                                        \
		return REASON_##action == REASON_NOTE;
		KNOCKD_REASONS(REASON_NOTES)
#undef REASON_NOTES
	default:
		return false;
	}
}

static inline void counters_read(const struct world *w, __u64 *count)
{
	for (__u32 i = 0; i < REASON_COUNT; i++)
		count[i] = generation_counter(&w->generation, MAP_counters, i);
}

/* What was counted between the two readings, for @packets packets. */
static inline void outcome_read(struct outcome *o, const __u64 *before, const __u64 *after,
				__u32 packets)
{
	__u32 verdicts = 0;

	o->reason = REASON_COUNT;
	o->notes = 0;
	for (__u32 i = 0; i < REASON_COUNT; i++) {
		if (before[i] == after[i])
			continue;
		reasons_seen |= note(i);
		if (reason_notes(i)) {
			o->notes |= note(i);
			continue;
		}
		verdicts++;
		o->reason = after[i] - before[i] == packets ? i : REASON_COUNT;
	}
	if (verdicts != 1)
		o->reason = REASON_COUNT;
}

/* For scripts/coverage.sh, into its file: length, whether it begins with IP, bytes. */
static inline void frame_keep(const struct world *w, const struct frame *f)
{
	const char *path = getenv("KNOCKD_PACKETS");
	__u32 head[] = { f->len, w->setup->bare };
	static FILE *file;

	if (path && !file)
		file = fopen(path, "ab");
	if (!file || w->setup->mixed)
		return;
	fwrite(head, sizeof(head), 1, file);
	fwrite(f->bytes, f->len, 1, file);
}

static inline int frame_run(const struct world *w, const struct frame *f, __u32 repeat)
{
	struct xdp_md md = { .data_end = f->len, .ingress_ifindex = w->ingress };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = f->bytes, .data_size_in = f->len,
		    .ctx_in = &md, .ctx_size_in = sizeof(md), .repeat = repeat);
	const struct generation *g = &w->generation;
	int result = bpf_prog_test_run_opts(w->on_trial ? g->outer_trial : g->outer, &options);

	frame_keep(w, f);
	if (result) {
		frame_print(f);
		print_error("the packet was not run: %s\n", strerror(-result));
		fail();
	}
	return options.retval;
}

static inline struct outcome frame_send(const struct world *w, const struct frame *f)
{
	__u64 before[REASON_COUNT], after[REASON_COUNT];
	struct outcome o;

	counters_read(w, before);
	o.action = frame_run(w, f, 1);
	counters_read(w, after);
	outcome_read(&o, before, after, 1);
	return o;
}

static inline const char *action_name(int action)
{
	static const char *const names[] = { "abort", "drop", "pass" };

	return action >= 0 && action < 3 ? names[action] : "?";
}

/* What a reason must lead to; not taken from the table that is tested. */
static inline int reason_action_due(const struct world *w, enum reason reason)
{
	switch (reason) {
	case REASON_CLOSED:
	case REASON_CLOSED_UNPAID:
		return w->compiled.settings.closed == CLOSED_ABORT ? XDP_ABORTED : XDP_DROP;
	case REASON_FRAGMENT_SHORT:
	case REASON_UNREADABLE:
	case REASON_CLOSED_OVER_LIMIT:
		return XDP_DROP;
	default:
		return XDP_PASS;
	}
}

static inline void notes_print(__u64 notes)
{
	for (__u32 i = 0; i < REASON_COUNT; i++)
		if (notes & note(i))
			print_error(" %s", reason_name(i));
}

/* More stages than ten in a second come in many fixtures; only some ask for it. */
static inline __u64 notes_told(__u64 notes, __u64 asked)
{
	return asked & note(REASON_STAGE_UNSAID) ? notes : notes & ~note(REASON_STAGE_UNSAID);
}

static inline void outcome_check(struct outcome seen, int action, enum reason reason, __u64 notes)
{
	if (seen.action == action && seen.reason == reason &&
	    notes_told(seen.notes, notes) == notes)
		return;
	print_error("expected %s (%s)", reason_name(reason), action_name(action));
	notes_print(notes);
	print_error(", seen %s (%s)", seen.reason == REASON_COUNT ? "not just one reason" :
				      reason_name(seen.reason), action_name(seen.action));
	notes_print(notes_told(seen.notes, notes));
	print_error("\n");
	fail();
}

/** expect_noted() - The packet gets this verdict, and just these notes are counted on the way. */
static inline void expect_noted(const struct world *w, const struct frame *f, enum reason reason,
				__u64 notes)
{
	struct outcome seen = frame_send(w, f);
	int action = reason_action_due(w, reason);

	if (seen.action != action || seen.reason != reason ||
	    notes_told(seen.notes, notes) != notes)
		frame_print(f);
	outcome_check(seen, action, reason, notes);
}

static inline void expect(const struct world *w, const struct frame *f, enum reason reason)
{
	expect_noted(w, f, reason, 0);
}

/* ---- packets of the fixture's source ---- */

/** segment() - A TCP segment from a source port that was not used before. */
static inline struct frame segment(struct world *w, __u16 port, __u8 flags)
{
	return frame_tcp(w->family, w->source, w->source_port++, w->destination, port, flags);
}

static inline struct frame datagram(struct world *w, __u16 port)
{
	return frame_udp(w->family, w->source, w->source_port++, w->destination, port);
}

static inline struct frame echo(struct world *w, __u8 code)
{
	return frame_echo(w->family, w->source, w->destination, code);
}

/** source_number() - Let one of many sources send. */
static inline void source_number(struct world *w, unsigned int number)
{
	const char *format = w->family == 4 ? "10.%u.%u.%u" : "2001:db8:%x:%x::%x";

	snprintf(w->numbered, sizeof(w->numbered), format, number >> 16 & 255, number >> 8 & 255,
		 number & 255);
	w->source = w->numbered;
}

/* One knock as a config writes it: 7000, 7000:udp, 4:icmp. */
static inline struct frame knock_frame(struct world *w, const char *text, char **end)
{
	unsigned long number = strtoul(text, end, 10);

	if (!strncmp(*end, ":udp", 4)) {
		*end += 4;
		return datagram(w, number);
	}
	if (!strncmp(*end, ":icmp", 5)) {
		*end += 5;
		return echo(w, number);
	}
	return segment(w, number, SYN);
}

/** knock() - Send knocks such as "7000,8000:udp,9000"; the notes that were counted. */
static inline __u64 knock(struct world *w, const char *knocks)
{
	__u64 notes = 0;

	while (*knocks) {
		char *end;
		struct frame f = knock_frame(w, knocks, &end);

		notes |= frame_send(w, &f).notes;
		knocks = end + (*end == ',');
	}
	return notes;
}

/** knock_noting() - The knocks, and just these notes on the way. */
static inline void knock_noting(struct world *w, const char *knocks, __u64 notes)
{
	__u64 seen = notes_told(knock(w, knocks), notes);

	if (seen == notes)
		return;
	print_error("knocks %s, expected", knocks);
	notes_print(notes);
	print_error(", seen");
	notes_print(seen);
	print_error("\n");
	fail();
}

static inline void knock_opens(struct world *w, const char *knocks)
{
	knock_noting(w, knocks, note(REASON_OPENED));
}

/** flows_count() - How many conversations are recorded. */
static inline size_t flows_count(const struct world *w)
{
	int map = w->generation.map[MAP_flows];
	const void *last = NULL;
	__u64 key, next;
	size_t count = 0;

	while (!bpf_map_get_next_key(map, last, &next)) {
		key = next;
		last = &key;
		count++;
	}
	return count;
}

/** flow_disguise() - The only record is of another flow with the same name: @bit of it tells them
 * apart. Once more, and it is as it was. */
static inline void flow_disguise(const struct world *w, size_t bit)
{
	int flows = w->generation.map[MAP_flows];
	struct flow_state state;
	__u64 name;

	assert_int_equal(0, bpf_map_get_next_key(flows, NULL, &name));
	assert_int_equal(0, bpf_map_lookup_elem(flows, &name, &state));
	((__u8 *)&state.flow)[bit / 8] ^= 1 << bit % 8;
	assert_int_equal(0, bpf_map_update_elem(flows, &name, &state, BPF_EXIST));
}

/** port_open(), port_closed() - Whether the source may start a connection to the TCP port. */
static inline void port_open(struct world *w, __u16 port)
{
	struct frame f = segment(w, port, SYN);

	expect(w, &f, REASON_GRANTED);
}

static inline void port_closed(struct world *w, __u16 port)
{
	struct frame f = segment(w, port, SYN);

	expect(w, &f, REASON_CLOSED);
}

/* ---- the inner door ---- */

static inline struct bpf_sk_lookup lookup(const struct world *w, int protocol, __u16 port)
{
	struct bpf_sk_lookup l = {
		.family = w->family == 4 ? AF_INET : AF_INET6,
		.protocol = protocol,
		.remote_port = htons(40000),
		.local_port = port,
	};

	address_read(w->family == 4 ? (void *)&l.remote_ip4 : (void *)l.remote_ip6, w->source,
		     w->family);
	address_read(w->family == 4 ? (void *)&l.local_ip4 : (void *)l.local_ip6, w->destination,
		     w->family);
	return l;
}

static inline struct outcome lookup_send(const struct world *w, const struct bpf_sk_lookup *l)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = (void *)l, .ctx_size_in = sizeof(*l));
	const struct generation *g = &w->generation;
	__u64 before[REASON_COUNT], after[REASON_COUNT];
	struct outcome seen;
	int result;

	counters_read(w, before);
	result = bpf_prog_test_run_opts(w->on_trial ? g->inner_trial : g->inner, &options);
	counters_read(w, after);
	if (result) {
		print_error("the lookup was not run: %s\n", strerror(-result));
		fail();
	}
	outcome_read(&seen, before, after, 1);
	/* SK_DROP and SK_PASS are 0 and 1: shown as the actions of the same meaning. */
	seen.action = options.retval == SK_PASS ? XDP_PASS :
		      options.retval == SK_DROP ? XDP_DROP : -1;
	return seen;
}

static inline void lookup_expect_noted(const struct world *w, const struct bpf_sk_lookup *l,
				       enum reason reason, __u64 notes)
{
	outcome_check(lookup_send(w, l), reason == REASON_INNER_CLOSED ? XDP_DROP : XDP_PASS,
		      reason, notes);
}

static inline void lookup_expect(const struct world *w, const struct bpf_sk_lookup *l,
				 enum reason reason)
{
	lookup_expect_noted(w, l, reason, 0);
}

/**
 * inner_on(), inner_off() - Attach the inner door to the namespace, for packets that the kernel
 * itself receives.
 */
static inline void inner_on(struct world *w)
{
	int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_true(netns >= 0);
	w->inner_link = bpf_link_create(w->on_trial ? w->generation.inner_trial :
						      w->generation.inner,
					netns, BPF_SK_LOOKUP, NULL);
	close(netns);
	assert_true(w->inner_link >= 0);
}

static inline void inner_off(struct world *w)
{
	if (w->inner_link >= 0)
		close(w->inner_link);
	w->inner_link = -1;
}

/* ---- running ---- */

struct fixture {
	const char *sentence;
	const struct setup *setup;
	void (*run)(struct world *w);             /* either this, */
	struct frame (*packet)(struct world *w);  /* or a valid packet, */
	void (*change)(struct frame *f);          /* what is changed in it, if anything, */
	enum reason expected;                     /* and what must come of it */
	int only;                                 /* family; 0: both */
};

/* A fixture in one family. */
struct trial {
	const struct fixture *fixture;
	int family;
	char name[160];
};

static inline void trial_run(void **state)
{
	const struct trial *trial = *state;
	const struct fixture *fixture = trial->fixture;
	struct world *w = world_of(fixture->setup);
	struct frame f;

	world_reset(w, trial->family);
	if (fixture->run) {
		fixture->run(w);
		return;
	}
	f = fixture->packet(w);
	if (fixture->change)
		fixture->change(&f);
	expect(w, &f, fixture->expected);
}

static inline int trial_end(void **state)
{
	const struct trial *trial = *state;
	struct world *w = world_of(trial->fixture->setup);

	sockets_close(&w->sockets);
	inner_off(w);
	return 0;
}

/*
 * The program whose fixtures must see each reason, so that none is without a fixture. A reason that
 * is not here has none, and every program fails.
 */
static const char *const reason_home[] = {
	[REASON_OTHER] = "test_outer",
	[REASON_FRAGMENT] = "test_outer",
	[REASON_FRAGMENT_SHORT] = "test_outer",
	[REASON_UNREADABLE] = "test_outer",
	[REASON_UNREADABLE_HANDED_ON] = "test_outer",
	[REASON_DHCP] = "test_outer",
	[REASON_STRAY] = "test_knocks",
	[REASON_KNOCK] = "test_outer",
	[REASON_TRUSTED] = "test_outer",
	[REASON_GRANTED] = "test_grants",
	[REASON_FLOW] = "test_flows",
	[REASON_SOCKET] = "test_sockets",
	[REASON_SOCKET_UNSEEN] = "test_outer",
	[REASON_FORWARDED] = "test_sockets",
	[REASON_CLOSED] = "test_outer",
	[REASON_CLOSED_HANDED_ON] = "test_outer",
	[REASON_CLOSED_OVER_LIMIT] = "test_outer",
	[REASON_INNER_OTHER] = "test_inner",
	[REASON_INNER_TRUSTED] = "test_inner",
	[REASON_INNER_GRANTED] = "test_inner",
	[REASON_INNER_FLOW] = "test_inner",
	[REASON_INNER_CLOSED] = "test_inner",
	[REASON_OPENED] = "test_grants",
	[REASON_CLOSED_BY_KNOCK] = "test_grants",
	[REASON_REFUSED_QUOTA] = "test_grants",
	[REASON_REFUSED_FULL] = "test_grants",
	[REASON_REFUSED_SOURCE] = "test_grants",
	[REASON_REPEATED] = "test_knocks",
	[REASON_WRONG] = "test_knocks",
	[REASON_PROGRESS_LOST] = "test_knocks",
	[REASON_FLOWS_FULL] = "test_flows",
	[REASON_EVENT_LOST] = "test_grants",
	[REASON_STAGE_UNSAID] = "test_knocks",
	[REASON_UNCONFIRMED] = "test_trial",
	[REASON_CLOSED_UNPAID] = "test_connections",
	[REASON_USED_UP] = "test_connections",
	[REASON_REFUSED_SPENT] = "test_onetime",
	[REASON_TASK_LOST] = "test_tasks",
};

/* The name that the program was started by. */
static const char *program_name;

static inline void reasons_of_this_program_were_all_seen(void **state)
{
	bool missing = false;

	(void)state;
	for (__u32 i = 0; i < REASON_COUNT; i++) {
		const char *home = i < sizeof(reason_home) / sizeof(*reason_home) ? reason_home[i] :
										    NULL;

		if (home && (strcmp(home, program_name) || reasons_seen & note(i)))
			continue;
		print_error("no fixture saw %s: %s\n", reason_name(i), reason_sentence(i));
		missing = true;
	}
	assert_false(missing);
}

/* For scripts/coverage.sh, into its file. */
static inline void reasons_keep(void)
{
	const char *path = getenv("KNOCKD_REASONS");
	FILE *file = path ? fopen(path, "a") : NULL;

	for (__u32 i = 0; file && i < REASON_COUNT; i++)
		if (reasons_seen & note(i))
			fprintf(file, "%s\n", reason_name(i));
	if (file)
		fclose(file);
}

/**
 * fixtures_run() - Run them all, in both families, then see that no reason was left out.
 * @filter: run only those whose sentence holds this text, and do not look at the reasons; or NULL
 *
 * Return: how many failed.
 */
static inline int fixtures_run(const char *program, const char *filter,
			       const struct fixture *fixtures, size_t count)
{
	struct CMUnitTest *tests = calloc(2 * count + 1, sizeof(*tests));
	struct trial *trials = calloc(2 * count, sizeof(*trials));
	size_t used = 0;
	int failed;

	if (!tests || !trials)
		return 1;
	program_name = strrchr(program, '/') ? strrchr(program, '/') + 1 : program;
	network_make();
	for (size_t i = 0; i < 2 * count; i++) {
		const struct fixture *fixture = &fixtures[i / 2];
		int family = i % 2 ? 6 : 4;
		struct trial *trial = &trials[used];

		if ((fixture->only && fixture->only != family) ||
		    (filter && !strstr(fixture->sentence, filter)))
			continue;
		trial->fixture = fixture;
		trial->family = family;
		snprintf(trial->name, sizeof(trial->name), "IPv%d: %s", family, fixture->sentence);
		tests[used++] = (struct CMUnitTest){
			.name = trial->name,
			.test_func = trial_run,
			.teardown_func = trial_end,
			.initial_state = trial,
		};
	}
	if (!filter)
		tests[used++] = (struct CMUnitTest){
			.name = "every reason was seen by some fixture",
			.test_func = reasons_of_this_program_were_all_seen,
		};
	failed = _cmocka_run_group_tests(program_name, tests, used, NULL, NULL);
	reasons_keep();
	worlds_free();
	free(trials);
	free(tests);
	return failed;
}

#endif
