// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bench [--rounds N] [--json] [--only TEXT] [--no-sweeps]: what each way through the programs
 * costs, against the budgets of design.md section 9; judge.h says when one is met. Needs root, and
 * is started in the sources' top folder.
 *
 * The programs are loaded as the daemon loads them, with its capabilities; configs are texts,
 * grants and flows were knocked for. Each round measures every way once, so that whatever changes
 * on the machine meanwhile changes all of them.
 *
 * Exit status: 0 no budget was missed, or fewer than 15 rounds were asked for, which are not
 * judged; 1 one was; 2 it could not be measured.
 */
#include <getopt.h>
#include <sys/wait.h>

#include "capabilities.h"
#include "lanes.h"
#include "programs.h"
#include "report.h"

enum { MET = 0, MISSED = 1, UNABLE = 2, MISSED_CHILD = 100 };

#define UNIT "scripts/systemd/knockd.service"

enum { ROUNDS = 21, ROUNDS_LONGER = 10, RELOAD_DOORS = 1000 };

enum { SCENE_PLAIN, SCENE_DOORS_64, SCENE_DOORS_4096, SCENE_GRANTS_1000, SCENE_GRANTS_MILLION,
       SCENES };

static struct scene scenes[SCENES] = {
	[SCENE_PLAIN] = { .variant = "", .doors = 1, .grants = 1, .max_grants = 16384 },
	[SCENE_DOORS_64] = { .variant = "64 doors", .doors = 64, .grants = 1,
			     .max_grants = 64 * KNOCKERS },
	[SCENE_DOORS_4096] = { .variant = "4,096 doors", .doors = 4096, .grants = 1,
			       .max_grants = 4096 * KNOCKERS },
	[SCENE_GRANTS_1000] = { .variant = "1,024 grants", .doors = 1, .grants = 1 << 9,
				.max_grants = 16384 },
	[SCENE_GRANTS_MILLION] = { .variant = "1,048,576 grants", .doors = 1, .grants = 1 << 19,
				   .max_grants = 1 << 20 },
};

struct options {
	unsigned int rounds;
	bool json;
	const char *only; /* ways whose names hold this */
	bool no_sweeps;   /* one door, one grant of each family */
};

/* What is measured, in the order in which it is: programs are seldom attached anew. */
struct bench {
	struct runs runs;
	struct lane *lane;
	size_t lanes;
	struct series null, null_again;
};

/* ---- measuring ---- */

static int scenes_wanted(const struct options *o)
{
	return o->no_sweeps ? SCENE_PLAIN + 1 : SCENES;
}

static bool way_wanted(const struct options *o, const struct way *way)
{
	const struct way *last = &ways[WAYS - 1];

	/* What is measured of random sources is added to what one source takes. */
	return !o->only || strstr(way->name, o->only) ||
	       (way < last && way[1].who == WHO_RANDOM && strstr(way[1].name, o->only));
}

static void lanes_make(struct bench *b, const struct options *o)
{
	size_t count = scenes_wanted(o) * PAIR_COUNT * WAYS * 2;

	b->lane = calloc(count, sizeof(*b->lane));
	must(b->lane, "no memory");
	for (size_t i = 0; i < count; i++) {
		struct lane lane = {
			.way = &ways[i / 2 % WAYS],
			.scene = &scenes[i / 2 / WAYS / PAIR_COUNT],
			.family = i % 2 ? 6 : 4,
		};

		if (lane_pair(&lane) == i / 2 / WAYS % PAIR_COUNT && way_wanted(o, lane.way))
			b->lane[b->lanes++] = lane;
	}
}

/* What the null program takes now, and the other one. */
static void null_round(struct bench *b)
{
	const struct sources one = { .count = 1 };
	struct world *w = scenes[SCENE_PLAIN].world;
	struct slices s = {};
	struct frame f;

	world_face(w, 4);
	f = frame_syn(w);
	runs_pair(&b->runs, PAIR_PLAIN, bpf_program__fd(b->runs.base->progs.null_again));
	slices_take(&s, &b->runs, &f, w->device, NULL, &one);
	series_add(&b->null, series_spread(&s.base).median / SLICE_PACKETS);
	series_add(&b->null_again, series_spread(&s.tested).median / SLICE_PACKETS);
}

/* As in a daemon's life, the inner door stands while the outer one asks for sockets. */
static void scene_enter(struct scene *scene)
{
	if (scene->world->inner_link >= 0)
		return;
	for (int i = 0; i < SCENES; i++)
		if (scenes[i].world)
			inner_off(scenes[i].world);
	inner_on(scene->world);
}

/* @all: also of the ways that need no more. */
static void bench_round(struct bench *b, bool all)
{
	null_round(b);
	for (size_t i = 0; i < b->lanes; i++) {
		if (!all && b->lane[i].ns.count >= ROUNDS_JUDGED)
			continue;
		scene_enter(b->lane[i].scene);
		lane_round(&b->runs, &b->lane[i]);
	}
}

static const struct lane *lane_find(const struct bench *b, const struct scene *scene,
				    const struct way *way, int family)
{
	for (size_t i = 0; i < b->lanes; i++)
		if (b->lane[i].scene == scene && b->lane[i].way == way &&
		    b->lane[i].family == family)
			return &b->lane[i];
	return NULL;
}

/* Take the rounds that nobody disturbed; how many everything has at least. */
static size_t bench_settle(struct bench *b, struct finding *floor)
{
	struct series null = series_undisturbed(&b->null, &b->null);
	struct series again = series_undisturbed(&b->null_again, &b->null);
	size_t least = null.count;

	*floor = finding_make(&null, &again, 0);
	for (size_t i = 0; i < b->lanes; i++) {
		struct lane *lane = &b->lane[i];
		bool random = lane->way->who == WHO_RANDOM;

		lane_settle(lane, floor->base_ns.median, !random ? NULL :
			    lane_find(b, lane->scene, lane->way - 1, lane->family));
		if (lane->ns.count < least)
			least = lane->ns.count;
	}
	return least;
}

/* While others disturb there are more rounds, of what still wants them and up to a limit. */
static void bench_rounds(struct bench *b, unsigned int rounds, struct report *report)
{
	bool judged = rounds >= ROUNDS_JUDGED;

	for (size_t i = 0; i < rounds ||
	     (judged && report->undisturbed < ROUNDS_JUDGED && i < ROUNDS_LONGER * rounds); i++) {
		bench_round(b, i < rounds);
		report->undisturbed = bench_settle(b, &report->floor);
		report->rounds = i + 1;
	}
}

/* ---- findings ---- */

static void finding_add(struct report *report, const char *table, const struct lane *lane,
			const struct series *base, double budget, int family)
{
	struct finding *f = &report->finding[report->findings++];

	*f = finding_make(base, &lane->ns, budget);
	f->table = table;
	f->path = lane->way->name;
	f->variant = lane->scene->variant;
	f->family = family;
}

/* A way in both families, against the null program and each other. */
static void plain_findings(const struct bench *b, const struct way *way, struct report *report)
{
	const struct lane *v4 = lane_find(b, &scenes[SCENE_PLAIN], way, 4);
	const struct lane *v6 = lane_find(b, &scenes[SCENE_PLAIN], way, 6);

	finding_add(report, "null", v4, &v4->null_ns, way->budget, 4);
	finding_add(report, "null", v6, &v6->null_ns, way->budget, 6);
	finding_add(report, "ipv6", v6, &v4->ns, 1.15, 0);
}

/* A way in every other scene, against the plain one. */
static void scene_findings(const struct bench *b, const struct options *o, const struct way *way,
			   struct report *report)
{
	for (int scene = SCENE_PLAIN + 1; scene < scenes_wanted(o); scene++) {
		bool doors = scene <= SCENE_DOORS_4096;
		double budget = !doors && way->grants ? 2 : 1.1;

		for (int family = 4; family <= 6; family += 2)
			finding_add(report, doors ? "doors" : "grants",
				    lane_find(b, &scenes[scene], way, family),
				    &lane_find(b, &scenes[SCENE_PLAIN], way, family)->ns, budget,
				    family);
	}
}

static void findings_make(const struct bench *b, const struct options *o, struct report *report)
{
	report->floor.table = "floor";
	report->floor.path = "null program";
	report->floor.variant = "";
	for (size_t i = 0; i < WAYS; i++) {
		if (!way_wanted(o, &ways[i]))
			continue;
		plain_findings(b, &ways[i], report);
		scene_findings(b, o, &ways[i], report);
	}
}

static void check_add(struct report *report, const char *name, const char *unit, double value,
		      double limit)
{
	report->check[report->checks++] = (struct limit_check){ name, unit, value, limit };
}

/* All that makes the verifier walk more: streams, Targets, and whatever can be switched on. */
#define TARGET(address) "[t]\nTarget = " address "\nSequence = 1,2\nOpen = 22\n"
static struct setup crowded = {
	.conf = "[options]\nInterface = door0\nClosed = reset\nTrust = 10.0.0.0/8\n"
		"Grant_Prefix6 = 64\n"
		"[a]\nSequence = 7000,8000,1:icmp\nOpen = 22,60:udp\nConnections = 3\n"
		TARGET("203.0.113.9") TARGET("203.0.113.10") TARGET("203.0.113.11")
		TARGET("203.0.113.12") TARGET("203.0.113.13") TARGET("2001:db8:3::9")
		TARGET("2001:db8:3::a"),
	.mixed = true,
};

static double verified_most(const struct programs *programs, double most)
{
	for (size_t i = 0; i < programs->count; i++)
		if (programs->cost[i].verified > most)
			most = programs->cost[i].verified;
	return most;
}

static void programs_findings(const struct bench *b, struct report *report)
{
	static struct setup first, second, many[2];
	static struct programs others;
	struct scene thousand = { .doors = RELOAD_DOORS, .max_grants = 16384 };

	first.conf = second.conf = scenes[SCENE_PLAIN].setup.conf;
	many[0].conf = many[1].conf = scene_conf(&thousand);
	programs_measure(&first, &report->programs);
	programs_measure(&crowded, &others);
	check_add(report, "the largest program, also of a config with all there is", "instructions",
		  verified_most(&others, verified_most(&report->programs, 0)), 60000);
	check_add(report, "loading a config of one door", "ms", load_measure(&second), 100);
	check_add(report, "reloading a config of 1,000 doors, and the swap", "ms",
		  reload_measure(&b->runs, &many[0], &many[1]), 200);
	free((char *)many[0].conf);
}

/* ---- the whole ---- */

static bool jit_is_on(void)
{
	FILE *file = fopen("/proc/sys/net/core/bpf_jit_enable", "re");
	int on = file ? getc(file) : EOF;

	if (file)
		fclose(file);
	return on == '1' || on == '2';
}

static void place_make(struct sockets *sockets, struct report *report)
{
	int error;

	must(jit_is_on(), "the kernel does not compile BPF programs");
	network_make();
	session_open(sockets, 4, &addresses4, SESSION_PORT, 22);
	session_open(sockets, 6, &addresses6, SESSION_PORT, 22);
	error = capabilities_keep(UNIT, &report->capabilities);
	errno = -error;
	must(!error, "cannot keep the capabilities of " UNIT);
}

/* Exits with a status of its own where something fails, as the fixtures do. */
static int bench_run(const struct options *o)
{
	static struct report report;
	static struct bench bench;
	struct sockets sockets = {};
	bool missed;

	place_make(&sockets, &report);
	runs_open(&bench.runs);
	for (int i = 0; i < scenes_wanted(o); i++)
		scene_open(&bench.runs, &scenes[i]);
	lanes_make(&bench, o);
	bench_rounds(&bench, o->rounds, &report);
	findings_make(&bench, o, &report);
	programs_findings(&bench, &report);
	missed = report_judge(&report);
	(o->json ? report_print_json : report_print)(&report, stdout);
	fflush(stdout);
	for (int i = 0; i < scenes_wanted(o); i++) {
		inner_off(scenes[i].world);
		scene_close(&scenes[i]);
	}
	worlds_free();
	runs_close(&bench.runs);
	sockets_close(&sockets);
	free(bench.lane);
	if (missed)
		return MISSED_CHILD;
	return o->rounds >= ROUNDS_JUDGED && report.undisturbed < ROUNDS_JUDGED ? UNABLE : MET;
}

static bool options_read(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
		{ "rounds", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "only", required_argument, NULL, 'o' },
		{ "no-sweeps", no_argument, NULL, 'n' },
		{},
	};
	int c;

	*o = (struct options){ .rounds = ROUNDS };
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == 'r')
			o->rounds = strtoul(optarg, NULL, 10);
		else if (c == 'j')
			o->json = true;
		else if (c == 'o')
			o->only = optarg;
		else if (c == 'n')
			o->no_sweeps = true;
		else
			return false;
	}
	return optind == argc && o->rounds && o->rounds <= ROUNDS_MAX / ROUNDS_LONGER;
}

int main(int argc, char **argv)
{
	struct options o;
	int status = 0;
	pid_t child;

	if (!options_read(&o, argc, argv)) {
		fprintf(stderr, "usage: bench [--rounds N] [--json] [--only TEXT] [--no-sweeps]\n");
		return UNABLE;
	}
	/* Whatever ends the fixtures' code early is not a budget that was missed. */
	child = fork();
	if (!child)
		exit(bench_run(&o));
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return UNABLE;
	return WEXITSTATUS(status) == MISSED_CHILD ? MISSED :
	       WEXITSTATUS(status) == MET ? MET : UNABLE;
}
