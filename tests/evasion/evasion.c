// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The evasion oracle. Linux itself is the judge: what reaches a socket of a host without knockd
 * must not reach it with knockd, without a grant. Runs at the other end of the host's wire.
 *
 *	evasion show          print cases in hex, frame by frame
 *	evasion bare FILE     to a host without knockd; FILE keeps what was seen
 *	evasion drop FILE     to a host with knockd, Closed = drop: nothing reaches a socket, only
 *	                      what the inner door refused is answered
 *	evasion reset FILE    Closed = reset: the same is answered as by an unused port
 *	evasion outer FILE    the outer door handed on, and nobody is there: this is only listed
 *	evasion inner FILE    in packets that the host takes apart: as drop, but datagrams to
 *	                      groups, about which the inner door is not asked, are only listed
 *
 *	--seed N --count N --only INDEX --server NAMESPACE --pins FOLDER
 *	--mac MAC --vlan VID --vxlan MAC    another way to the host than its guarded device
 *
 * Exit status: 0 nothing found, 1 something, 2 it could not be tried.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "host.h"
#include "knockd/reason.h"

enum {
	BATCH = 64, FINDINGS_MAX = 20, FINDING_BYTES = 160, REFUSALS_PER_SECOND = 4500,
	KINDS_MAX = 64, CPUS_MAX = 1024,
};

enum run { RUN_SHOW, RUN_BARE, RUN_DROP, RUN_RESET, RUN_OUTER, RUN_INNER, RUNS };

static const char *const run_names[RUNS] = { "show", "bare", "drop", "reset", "outer", "inner" };

static const char *const reason_names[REASON_COUNT] = {
#define REASON_TEXT(name, action, sentence) #name,
	KNOCKD_REASONS(REASON_TEXT)
#undef REASON_TEXT
};

struct oracle {
	enum run run;
	uint64_t seed;
	uint32_t first, end;
	const char *file, *server, *pins;
	struct approach approach;
	struct host *host;
	int counters; /* map of reasons; −1: no knockd */
	uint8_t *bare, *seen, *unused;
	unsigned int findings;
	unsigned int listed[REASON_COUNT]; /* what is not failed, by reason of the outer door */
	uint32_t example[REASON_COUNT];
};

static struct evasion_case the_case;

static void die(const char *what)
{
	fprintf(stderr, "evasion: %s\n", what);
	exit(2);
}

/* ---- reasons ---- */

static void reasons_read(const struct oracle *o, uint64_t total[REASON_COUNT])
{
	static uint64_t value[CPUS_MAX];
	int cpus = libbpf_num_possible_cpus();

	memset(total, 0, REASON_COUNT * sizeof(*total));
	if (o->counters < 0)
		return;
	if (cpus < 0 || cpus > CPUS_MAX)
		die("too many CPUs");
	for (uint32_t reason = 0; reason < REASON_COUNT; reason++) {
		if (bpf_map_lookup_elem(o->counters, &reason, value))
			die("cannot read knockd's counters");
		for (int cpu = 0; cpu < cpus; cpu++)
			total[reason] += value[cpu];
	}
}

/* ---- sending ---- */

static void pace(const struct timespec *start, uint64_t sent)
{
	struct timespec now;
	double due;

	clock_gettime(CLOCK_MONOTONIC, &now);
	due = (double)sent / REFUSALS_PER_SECOND - (now.tv_sec - start->tv_sec) -
	      (now.tv_nsec - start->tv_nsec) / 1e9;
	if (due > 0)
		usleep(due * 1e6);
}

/* All cases to @ports; the host's answers to them are in the result. */
static uint8_t *cases_send(struct oracle *o, const struct port_set *ports, bool paced)
{
	struct watch w = { .ports = ports, .count = o->end };
	struct timespec start;

	w.seen = calloc(o->end, 1);
	if (!w.seen)
		die("memory");
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (uint32_t i = o->first; i < o->end; i++) {
		case_make(o->seed, i, ports, &o->approach, &the_case);
		host_send(o->host, &w, &the_case);
		if ((i - o->first) % BATCH == BATCH - 1) {
			host_settle(o->host, &w);
			if (paced)
				pace(&start, i - o->first);
		}
	}
	host_forget(o->host, &w);
	if (w.strays && o->run != RUN_BARE && o->run != RUN_OUTER) {
		printf("FALSE: %lu signs of getting through belong to no case\n", w.strays);
		o->findings++;
	}
	return w.seen;
}

/* ---- findings ---- */

/* In the order of enum sight. */
static const char *const sight_names[] = {
	"SYN-ACK", "accepted", "datagram delivered", "RST", "port unreachable",
	"another ICMP error", "datagram to a group delivered",
};

enum { SIGHTS = sizeof(sight_names) / sizeof(*sight_names) };

static void sights_print(const char *where, unsigned int seen)
{
	printf("  %s:%s", where, seen ? "" : " nothing");
	for (unsigned int i = 0; i < SIGHTS; i++)
		if (seen >> i & 1)
			printf(" %s;", sight_names[i]);
	printf("\n");
}

/* At most @most bytes of each frame. */
static void case_print(const struct evasion_case *c, uint32_t most)
{
	printf("case %u: IPv%d %s port %u:", c->index, c->family, c->udp ? "UDP" : "TCP", c->dport);
	for (unsigned int i = 0; i < c->mutations; i++)
		printf("%s %s", i ? "," : "", kind_name(c->mutation[i]));
	printf(" (%u frame%s)\n", c->count, c->count == 1 ? "" : "s");
	for (unsigned int i = 0; i < c->count; i++) {
		printf("  ");
		for (uint32_t j = 0; j < c->frame[i].len && j < most; j++)
			printf("%02x", c->bytes[c->frame[i].at + j]);
		printf(c->frame[i].len > most ? "… (%u bytes)\n" : "\n", c->frame[i].len);
	}
}

/* Once more, alone: what it gets, and which reasons knockd counts. */
static unsigned int case_repeat(struct oracle *o, uint32_t index, const struct port_set *ports,
				uint64_t reasons[REASON_COUNT])
{
	uint64_t before[REASON_COUNT] = { 0 };
	struct watch w = { .ports = ports, .count = o->end, .seen = calloc(o->end, 1) };
	unsigned int seen;

	if (!w.seen)
		die("memory");
	reasons_read(o, before);
	case_make(o->seed, index, ports, &o->approach, &the_case);
	host_send(o->host, &w, &the_case);
	host_settle(o->host, &w);
	reasons_read(o, reasons);
	for (int i = 0; i < REASON_COUNT; i++)
		reasons[i] -= before[i];
	if (reasons[REASON_OTHER])
		reasons[REASON_OTHER]--; /* the ping */
	seen = w.seen[index];
	free(w.seen);
	return seen;
}

static void reasons_print(const uint64_t reasons[REASON_COUNT])
{
	printf("  reasons:");
	for (int i = 0; i < REASON_COUNT; i++)
		if (reasons[i])
			printf(" %s %llu", reason_names[i], (unsigned long long)reasons[i]);
	printf("\n");
}

static void finding_print(struct oracle *o, uint32_t index, const char *sentence)
{
	uint64_t reasons[REASON_COUNT];

	if (++o->findings > FINDINGS_MAX)
		return;
	case_repeat(o, index, &ports_guarded, reasons);
	case_make(o->seed, index, &ports_guarded, &o->approach, &the_case);
	printf("%s\n", sentence);
	case_print(&the_case, FINDING_BYTES);
	sights_print("without knockd", o->bare[index]);
	sights_print("with knockd", o->seen[index]);
	if (o->unused)
		sights_print("an unused port", o->unused[index]);
	reasons_print(reasons);
}

/* Count the case among those that are listed only, by what the outer door took it for. */
static void case_list(struct oracle *o, const uint64_t reasons[REASON_COUNT], uint32_t index)
{
	for (int i = 0; i < REASON_COUNT; i++) {
		if (!reasons[i] || i == REASON_INNER_CLOSED)
			continue;
		if (!o->listed[i]++)
			o->example[i] = index;
	}
}

/* Only what the inner door refused may be answered: the outer one was not sure of it. */
static bool refusal_allowed(struct oracle *o, uint32_t index)
{
	uint64_t reasons[REASON_COUNT];

	if (o->run == RUN_OUTER)
		return true;
	case_repeat(o, index, &ports_guarded, reasons);
	if (!reasons[REASON_INNER_CLOSED])
		return false;
	case_list(o, reasons, index);
	return true;
}

/* What may get through: anything by the outer door alone; past the inner one, what goes to groups
 * in packets that the host takes apart. */
static bool reach_allowed(struct oracle *o, uint32_t index)
{
	unsigned int through = o->seen[index] & SEEN_REACHED;
	uint64_t reasons[REASON_COUNT];

	if (o->run != RUN_OUTER && (o->run != RUN_INNER || through != SEEN_GROUP))
		return false;
	case_repeat(o, index, &ports_guarded, reasons);
	case_list(o, reasons, index);
	return true;
}

/*
 * The outer door keeps silent where the inner one would not be asked or not refuse: to what claims
 * to come from this host, and to datagrams for IPv4 addresses that are routed here but not set
 * here, which might be broadcast.
 */
static bool silence_allowed(const struct evasion_case *c)
{
	const uint8_t *ip = c->bytes + c->frame[0].at + c->packet;

	if (case_index(c->family, ip + (c->family == 4 ? 12 : 8)) == UINT32_MAX)
		return true;
	return c->family == 4 && c->udp && (ip[16] == 127 || ip[16] == 203);
}

/* Whether a guarded port and an unused one differ, also when the case is sent to each once more. */
static bool port_told(struct oracle *o, uint32_t index)
{
	uint64_t reasons[REASON_COUNT];
	unsigned int guarded, unused;

	unused = case_repeat(o, index, &ports_unused, reasons);
	guarded = case_repeat(o, index, &ports_guarded, reasons);
	if (!((guarded ^ unused) & SEEN_REFUSED))
		return false;
	return guarded & SEEN_REFUSED || !silence_allowed(&the_case);
}

static void listed_print(const struct oracle *o)
{
	for (int i = 0; i < REASON_COUNT; i++)
		if (o->listed[i])
			printf("listed: %u %s, %s at the outer door, such as case %u\n",
			       o->listed[i], o->run == RUN_OUTER ? "got through" :
			       o->run == RUN_INNER ? "answered or to groups" :
						     "refused by the inner door alone",
			       reason_names[i], o->example[i]);
}

/* ---- results ---- */

struct tally {
	unsigned long cases, bare, reached, refused, errors;
};

static void tally_print(const struct oracle *o, const struct tally tally[KINDS_MAX + 1])
{
	printf("%-24s %8s %10s %10s %10s %10s\n", "kind", "cases",
	       o->run == RUN_BARE ? "" : "bare", "reached", "refused", "errors");
	for (unsigned int i = 0; i <= kind_count(); i++)
		printf("%-24s %8lu %10lu %10lu %10lu %10lu\n",
		       i < kind_count() ? kind_name(i) : "all", tally[i].cases, tally[i].bare,
		       tally[i].reached, tally[i].refused, tally[i].errors);
}

static void totals_print(const struct oracle *o)
{
	unsigned long total[SIGHTS] = { 0 };

	for (uint32_t i = o->first; i < o->end; i++)
		for (unsigned int j = 0; j < SIGHTS; j++)
			total[j] += o->seen[i] >> j & 1;
	for (unsigned int j = 0; j < SIGHTS; j++)
		if (total[j])
			printf("%lu: %s\n", total[j], sight_names[j]);
}

static void tally_add(struct tally *t, unsigned int bare, unsigned int seen)
{
	t->cases++;
	t->bare += !!(bare & SEEN_REACHED);
	t->reached += !!(seen & SEEN_REACHED);
	t->refused += !!(seen & SEEN_REFUSED);
	t->errors += !!(seen & SEEN_ERROR);
}

static void results_tally(const struct oracle *o, struct tally tally[KINDS_MAX + 1])
{
	for (uint32_t i = o->first; i < o->end; i++) {
		tally_add(&tally[i % kind_count()], o->bare[i], o->seen[i]);
		tally_add(&tally[kind_count()], o->bare[i], o->seen[i]);
	}
}

/* Without knockd each kind that should get through must do so, or the oracle sees nothing. */
static void bare_judge(struct oracle *o, const struct tally tally[KINDS_MAX + 1])
{
	for (unsigned int i = 0; i < kind_count(); i++)
		if (kind_reaches(i) && tally[i].cases > 20 && !tally[i].reached) {
			printf("FALSE: without knockd some of '%s' get through\n", kind_name(i));
			o->findings++;
		}
}

static void case_judge(struct oracle *o, uint32_t i)
{
	unsigned int seen = o->seen[i];

	if (seen & SEEN_REACHED) {
		if (!reach_allowed(o, i))
			finding_print(o, i, "FALSE: a case gets through");
	} else if (o->run == RUN_RESET) {
		if ((seen ^ o->unused[i]) & SEEN_REFUSED && port_told(o, i))
			finding_print(o, i, "FALSE: a case tells the port from an unused one");
	} else if (seen & SEEN_REFUSED && !refusal_allowed(o, i)) {
		finding_print(o, i, "FALSE: a case is answered");
	}
}

static void results_keep(const struct oracle *o)
{
	FILE *file = fopen(o->file, "w");

	if (!file || fwrite(o->seen, 1, o->end, file) != o->end || fclose(file))
		die("cannot write the file of results");
}

static void results_fetch(struct oracle *o)
{
	FILE *file = fopen(o->file, "r");

	o->bare = calloc(o->end, 1);
	if (!file || !o->bare || fread(o->bare, 1, o->end, file) != o->end || fclose(file))
		die("cannot read the file of results; is it of the same count?");
}

static int oracle_run(struct oracle *o)
{
	static struct tally tally[KINDS_MAX + 1];

	o->host = host_open(o->server);
	if (o->run != RUN_BARE)
		results_fetch(o);
	o->seen = cases_send(o, &ports_guarded, o->run == RUN_RESET);
	if (o->run == RUN_RESET)
		o->unused = cases_send(o, &ports_unused, false);
	if (o->run == RUN_BARE) {
		o->bare = o->seen;
		results_keep(o);
	}
	results_tally(o, tally);
	tally_print(o, tally);
	totals_print(o);
	if (o->run == RUN_BARE)
		bare_judge(o, tally);
	else
		for (uint32_t i = o->first; i < o->end; i++)
			case_judge(o, i);
	/* Repeated cases leave fragments, too. */
	host_forget(o->host, &(struct watch){ .ports = &ports_guarded });
	listed_print(o);
	printf("seed %llu, cases %u to %u: %u findings\n", (unsigned long long)o->seed, o->first,
	       o->end - 1, o->findings);
	return o->findings ? 1 : 0;
}

/* ---- the command line ---- */

static uint64_t number_parse(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 0);

	if (end == text || *end)
		die("a number is no number");
	return value;
}

static void mac_parse(uint8_t mac[6], const char *text)
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
		   &mac[4], &mac[5]) != 6)
		die("a MAC address is none");
}

static void options_parse(struct oracle *o, int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", 1, NULL, 's' }, { "count", 1, NULL, 'c' }, { "only", 1, NULL, 'o' },
		{ "server", 1, NULL, 'n' }, { "pins", 1, NULL, 'p' }, { "mac", 1, NULL, 'm' },
		{ "vlan", 1, NULL, 'l' }, { "vxlan", 1, NULL, 'v' }, { 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			o->seed = number_parse(optarg);
			break;
		case 'c':
			o->end = number_parse(optarg);
			break;
		case 'o':
			o->first = number_parse(optarg);
			o->end = o->first + 1;
			break;
		case 'n':
			o->server = optarg;
			break;
		case 'p':
			o->pins = optarg;
			break;
		case 'm':
			mac_parse(o->approach.mac, optarg);
			break;
		case 'l':
			o->approach.vid = number_parse(optarg);
			break;
		case 'v':
			o->approach.vxlan = true;
			mac_parse(o->approach.vxlan_mac, optarg);
			break;
		default:
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	static struct oracle o = {
		.seed = 1, .end = 1000, .counters = -1, .approach.mac = { 2, 0, 0, 0, 0, 1 },
	};
	char path[256];

	options_parse(&o, argc, argv);
	for (o.run = RUN_SHOW; optind < argc && o.run < RUNS; o.run++)
		if (!strcmp(argv[optind], run_names[o.run]))
			break;
	if (optind == argc || o.run == RUNS || kind_count() > KINDS_MAX ||
	    optind + 1 + (o.run != RUN_SHOW) != argc)
		die("usage: evasion show|bare|drop|reset|outer|inner [FILE] [OPTION...]");
	o.file = argv[argc - 1];
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (o.run == RUN_SHOW) {
		for (uint32_t i = o.first; i < o.end; i++) {
			case_make(o.seed, i, &ports_guarded, &o.approach, &the_case);
			case_print(&the_case, UINT32_MAX);
		}
		return 0;
	}
	if (!o.server || (o.run != RUN_BARE && !o.pins))
		die("--server and, with knockd, --pins are needed");
	if (o.pins) {
		snprintf(path, sizeof(path), "%s/counters", o.pins);
		o.counters = bpf_obj_get(path);
		if (o.counters < 0)
			die("knockd's counters are not pinned there");
	}
	return oracle_run(&o);
}
