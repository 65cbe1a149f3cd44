// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The parser of packet.h, built natively, and the one in the loaded program read the same of any
 * frame. The config makes the program tell what it has read: it protects every port, so that what
 * a TCP segment or a datagram is refused for tells its source and port; whoever has a grant leaves
 * a flow, with both addresses and ports; and every flag of TCP is a stream, every code of an echo
 * request a knock.
 *
 *   test_agree [FILE|FOLDER...]
 *
 * Compared are the files, of any bytes, as they are, and KNOCKD_MUTATIONS (20,000) of them and of
 * frames that it makes itself. KNOCKD_SEED makes others.
 */
#include "chance.h"
#include "harness.h"

#include <dirent.h>

#include "packet.h"

enum {
	LINEAR = 3072,     /* bytes of a frame that BPF_PROG_TEST_RUN has in one piece */
	KNOCK_PORT = 7000,
	ICMP_CODES = 256,
	DOOR_ALL = 0,
	MUTATIONS = 20000,
	SEEDS_MAX = 8192,  /* files; further ones are left out */
};

/* ---- a config that shows all ---- */

static const char *const flag_names[] = { "fin", "syn", "rst", "psh", "ack", "urg" };

enum { FLAGS = sizeof(flag_names) / sizeof(*flag_names) };

/* Open_Time 0: what is closed leaves no word of its end. */
static char *conf_write(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&text, &len);

	if (!memory)
		exit(1);
	fprintf(memory, "[options]\n\tInterface = door0\n\tMax_Grants = 1024\n"
			"\tMax_Flows = 1024\n\tMax_Sources = 1024\n"
			"[all]\n\tSequence = %d,2\n\tClose_Sequence = %d,3\n\tTCPFlags = fin\n"
			"\tOpen = 1-65535, 1-65535:udp\n\tOpen_Time = 0\n\tConnections = 8\n",
		KNOCK_PORT, KNOCK_PORT);
	for (int i = 0; i < FLAGS; i++)
		fprintf(memory, "[%s]\n\tSequence = %d,1\n\tTCPFlags = %s\n"
				"\tStart_Command = true\n",
			flag_names[i], KNOCK_PORT, flag_names[i]);
	for (int i = 0; i < ICMP_CODES; i++)
		fprintf(memory, "[code %d]\n\tSequence = %d:icmp,1\n\tTCPFlags = fin\n"
				"\tStart_Command = true\n", i, i);
	fclose(memory);
	return text;
}

static struct setup with_ethernet, with_inner_door, without_ethernet;

/* ---- what the native parser says, and what must come of it ---- */

struct reading {
	enum packet_result result;
	struct packet packet;
};

static struct reading frame_read(const struct frame *f, bool ethernet)
{
	struct cursor c = { .data = f->bytes, .end = f->bytes + f->len };
	struct reading r = {};

	r.result = packet_parse(&c, ethernet, &r.packet);
	return r;
}

static bool packet_judged(const struct reading *r)
{
	return r->result == PACKET_READ && r->packet.proto != PROTO_ICMP && r->packet.number;
}

static bool source_ours(const struct world *w, const struct packet *p)
{
	__u32 value;

	return !bpf_map_lookup_elem(w->generation.map[MAP_addresses], &p->source, &value);
}

/* As the program's filter has it: it may know an address that is not ours, never the reverse. */
static bool destination_known(const struct world *w, const struct packet *p)
{
	struct surroundings around;
	__u32 key = 0;

	assert_int_equal(0, bpf_map_lookup_elem(w->generation.map[MAP_surroundings], &key,
						&around));
	return around.ours[address_place(p->destination_be)];
}

/* Not to this host, as far as the outer door can tell: no knock, and no port that it guards. */
static bool packet_foreign(const struct world *w, const struct packet *p)
{
	return !w->setup->alone && !p->group && (p->proto != PROTO_UDP || p->source.family == 6) &&
	       !destination_known(w, p) && !source_ours(w, p);
}

static enum reason reason_due(const struct world *w, const struct reading *r, bool granted)
{
	const struct packet *p = &r->packet;
	bool inner = !w->setup->alone;

	switch (r->result) {
	case PACKET_READ:
		break;
	case PACKET_OTHER:
		return REASON_OTHER;
	case PACKET_LATER:
		return REASON_FRAGMENT;
	case PACKET_SHORT:
		return REASON_FRAGMENT_SHORT;
	case PACKET_UNREADABLE:
		return inner && !p->group && !source_ours(w, p) ? REASON_UNREADABLE_HANDED_ON :
								 REASON_UNREADABLE;
	default:
		return REASON_UNREADABLE;
	}
	if (p->proto == PROTO_ICMP)
		return REASON_KNOCK;
	if (!p->number)
		return REASON_OTHER;
	if (granted)
		return REASON_GRANTED;
	return packet_foreign(w, p) ? REASON_FORWARDED : REASON_CLOSED;
}

/* ---- what the program tells ---- */

static void require(bool condition, const struct frame *f, const struct reading *r,
		    const char *what)
{
	if (condition)
		return;
	print_error("natively: result %d, proto %u, number %u, flags %#x, group %d\n", r->result,
		    r->packet.proto, r->packet.number, r->packet.flags, r->packet.group);
	frame_print(f);
	fail_msg("the program has read another %s", what);
}

static size_t events_of(const struct world *w, enum event_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < w->events; i++)
		count += w->event[i].kind == kind;
	return count;
}

static bool source_same(const struct source *a, const struct source *b)
{
	return a->family == b->family && !memcmp(a->word_be, b->word_be, sizeof(a->word_be));
}

/* The refusal names source, protocol and port. */
static void refusal_check(const struct world *w, const struct frame *f, const struct reading *r)
{
	const struct event *e = w->event;

	require(events_of(w, EVENT_BLOCKED) == 1, f, r, "packet");
	while (e->kind != EVENT_BLOCKED)
		e++;
	require(source_same(&e->source, &r->packet.source), f, r, "source");
	require(e->proto == r->packet.proto, f, r, "protocol");
	require(e->port == r->packet.number, f, r, "port");
}

/* As knockd.bpf.c names a segment, of its ports and its sequence number. */
static __u32 segment_name(const struct packet *p)
{
	__u32 id = ((__u32)p->source_port_be << 16 | p->destination_port_be) * 0x9e3779b1U;

	id = (id ^ p->sequence_be) * 0x85ebca6bU;
	id ^= id >> 16;
	return id ? id : 1;
}

/* Take away what the knock has left; in it stands what is known of the segment. */
static void progress_take(const struct world *w, const struct frame *f, const struct reading *r,
			  const struct source *source)
{
	int map = w->generation.map[MAP_progress];
	__u64 name = progress_name_of(w, source);
	struct progress progress;
	bool found = false;

	require(!bpf_map_lookup_elem(map, &name, &progress), f, r, "source of a knock");
	for (int i = 0; i < KNOCKD_SEQUENCE_MAX; i++)
		found |= progress.knock[i].id == segment_name(&r->packet);
	require(found || r->packet.proto != PROTO_TCP, f, r, "sequence number");
	bpf_map_delete_elem(map, &name);
}

/* How many stages the packet must bring: one a flag, or one for an echo request. */
static size_t stages_due(const struct world *w, const struct packet *p)
{
	if (p->group || packet_foreign(w, p))
		return 0;
	if (p->proto == PROTO_ICMP)
		return 1;
	return p->proto == PROTO_TCP && p->number == KNOCK_PORT ? __builtin_popcount(p->flags) : 0;
}

static void stages_check(const struct world *w, const struct frame *f, const struct reading *r)
{
	const struct packet *p = &r->packet;
	__u32 port = p->proto == PROTO_ICMP ? PORT_ICMP_FIRST + p->number : p->number;

	require(events_of(w, EVENT_STAGE) == stages_due(w, p), f, r, "knock");
	for (size_t i = 0; i < w->events; i++) {
		const struct event *e = &w->event[i];
		__u8 mask = w->compiled.settings.stream[e->source.stream].mask;

		if (e->kind != EVENT_STAGE)
			continue;
		require(source_same(&e->source, &p->source), f, r, "source");
		require(p->proto != PROTO_TCP || p->flags & mask, f, r, "set of flags");
		require(w->compiled.path[e->state].port == port, f, r, "knock port");
		progress_take(w, f, r, &e->source);
	}
}

/* Knocks before this one must not matter: no rate is used up, no report is in its minute. */
static void world_forget(struct world *w, const struct packet *p)
{
	const struct generation *g = &w->generation;
	__u32 key = p->number + (p->proto == PROTO_TCP ? 0 : 65536), zero = 0;
	struct shared shared = {};
	__u64 never = 0;

	assert_int_equal(0, bpf_map_update_elem(g->map[MAP_shared], &zero, &shared, BPF_ANY));
	if (p->proto == PROTO_ICMP || !p->number)
		return;
	key = w->compiled.port[key].guard - 1;
	assert_int_equal(0, bpf_map_update_elem(g->map[MAP_port_reports], &key, &never, BPF_ANY));
}

static void frame_judge(struct world *w, const struct frame *f, const struct reading *r,
			bool granted)
{
	enum reason due = reason_due(w, r, granted);
	struct outcome seen;

	if (r->result == PACKET_READ)
		world_forget(w, &r->packet);
	seen = frame_send(w, f);
	if (seen.reason != due)
		print_error("due: %s, seen: %s\n", reason_name(due), reason_name(seen.reason));
	require(seen.reason == due && seen.action == reason_action_due(w, due), f, r, "packet");
	events_read(w);
	if (r->result != PACKET_READ) {
		require(!w->events, f, r, "packet");
		return;
	}
	stages_check(w, f, r);
	if (due == REASON_CLOSED)
		refusal_check(w, f, r);
}

/* ---- with a grant ---- */

static int order_give(const struct world *w, enum order order, const struct source *source)
{
	struct order_form form = { .order = order, .door = DOOR_ALL, .source = *source };
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &form, .ctx_size_in = sizeof(form));
	int error = bpf_prog_test_run_opts(w->generation.order, &options);

	return error ? error : (int)options.retval;
}

static void flow_check(const struct world *w, const struct frame *f, const struct reading *r)
{
	const struct packet *p = &r->packet;
	int flows = w->generation.map[MAP_flows];
	struct flow_state state;
	struct flow flow = {
		.source_port_be = p->source_port_be,
		.destination_port_be = p->destination_port_be,
		.family = p->source.family,
		.proto = p->proto,
	};
	__u64 name;

	memcpy(flow.source_be, p->source.word_be, sizeof(flow.source_be));
	memcpy(flow.destination_be, p->destination_be, sizeof(flow.destination_be));
	name = flow_name_of(w, &flow);
	require(!bpf_map_lookup_elem(flows, &name, &state), f, r, "flow");
	require(!memcmp(&state.flow, &flow, sizeof(flow)), f, r, "flow");
	require(!bpf_map_delete_elem(flows, &name), f, r, "flow");
}

static void grant_judge(struct world *w, const struct frame *f, const struct reading *r)
{
	assert_int_equal(ORDER_DONE, order_give(w, ORDER_OPEN, &r->packet.source));
	frame_judge(w, f, r, true);
	flow_check(w, f, r);
	assert_int_equal(ORDER_DONE, order_give(w, ORDER_CLOSE, &r->packet.source));
	events_read(w);
}

/* ---- frames ---- */

static struct setup *const setups[] = { &with_ethernet, &with_inner_door, &without_ethernet };

static __u64 results_seen[PACKET_UNREADABLE_TAGS + 1][PROTO_NONE + 1];

static void frame_agree(const struct frame *f)
{
	if (f->len < FRAME_ETHERNET)
		return; /* BPF_PROG_TEST_RUN takes no less */
	for (size_t i = 0; i < sizeof(setups) / sizeof(*setups); i++) {
		struct world *w = world_of(setups[i]);
		struct reading r = frame_read(f, !setups[i]->bare);

		results_seen[r.result][r.packet.proto]++;
		frame_judge(w, f, &r, false);
		if (packet_judged(&r))
			grant_judge(w, f, &r);
	}
}

/* One of the fixtures' packets. */
static struct frame frame_plain(int family)
{
	const struct addresses *a = family == 4 ? &addresses4 : &addresses6;
	const char *const to[] = {
		a->host, a->host, a->elsewhere, a->group,
		family == 4 ? "255.255.255.255" : "::",
		family == 4 ? "0.0.0.0" : "::ffff:192.0.2.1",
	};
	const char *destination = to[random_next(sizeof(to) / sizeof(*to))];
	uint16_t from = random_next(65536), port = random_next(2) ? KNOCK_PORT : random_next(65536);

	switch (random_next(4)) {
	case 0:
		return frame_udp(family, a->stranger, from, destination, port);
	case 1:
		return frame_echo(family, a->stranger, destination, random_next(256));
	default:
		return frame_tcp(family, a->stranger, from, destination, port, random_next(256));
	}
}

/* What may stand between the IP header and that of the transport. */
static void frame_fill(struct frame *f)
{
	static const uint8_t kinds[] = {
		IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS, IPPROTO_AH,
	};

	if (f->family == 6) {
		/* Once in a while as many as are read, or one more. */
		int chain = random_next(32) ? 0 : PACKET_HEADERS_MAX + 1 - random_next(3);

		while (chain-- > 0)
			frame_extend(f, IPPROTO_DSTOPTS, 8);
		for (int i = random_next(3) ? 0 : random_next(4); i; i--)
			frame_extend(f, kinds[random_next(4)], 8 * (1 + random_next(4)));
	} else if (!random_next(4)) {
		frame_options(f, 4 * random_next(11));
	}
	if (!random_next(8))
		frame_extend(f, IPPROTO_AH, 8 + 4 * random_next(4));
	if (!random_next(3))
		frame_fragment(f, random_next(3) / 2, random_next(2));
	if (f->family == 6 && !random_next(8))
		frame_extend(f, kinds[random_next(4)], 8);
}

static void frame_compose(struct frame *f)
{
	int family = random_next(2) ? 4 : 6;

	*f = frame_plain(family);
	frame_fill(f);
	if (!random_next(4)) {
		f->len -= random_next(f->len - f->ip - (family == 4 ? 20 : 40));
		frame_measure(f);
	}
	for (int i = random_next(4) ? 0 : random_next(36); i; i--)
		frame_tag(f, random_next(2) ? 0x8100 : 0x88a8, 0);
	if (!random_next(4))
		frame_bare(f);
}

/* Some bytes changed, most of them in the headers; some taken out, put in, or cut off. */
static void frame_mutate(struct frame *f)
{
	for (int i = random_next(5); i && f->len; i--) {
		size_t at = random_next(random_next(8) && f->len > 96 ? 96 : f->len), len;

		switch (random_next(8)) {
		case 0:
			f->len = random_next(4) ? f->len : at;
			break;
		case 1:
			len = random_next(f->len - at < 8 ? f->len - at : 8);
			memmove(f->bytes + at, f->bytes + at + len, f->len - at - len);
			f->len -= len;
			break;
		case 2:
			len = 4 * random_next(5);
			if (f->len + len <= LINEAR)
				frame_insert(f, at, len);
			break;
		case 3:
		case 4:
			f->bytes[at] ^= 1U << random_next(8);
			break;
		default:
			f->bytes[at] = random_next(256);
		}
	}
}

/* ---- the files ---- */

static struct frame *seeds;
static size_t seed_count;

static void seed_keep(const char *path)
{
	struct frame *f = &seeds[seed_count];
	FILE *file = seed_count < SEEDS_MAX ? fopen(path, "rb") : NULL;

	if (!file)
		return;
	f->len = fread(f->bytes, 1, LINEAR, file);
	fclose(file);
	seed_count++;
}

static void seeds_find(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	char name[4096];

	if (!folder) {
		seed_keep(path);
		return;
	}
	while ((entry = readdir(folder)))
		if (entry->d_name[0] != '.' &&
		    snprintf(name, sizeof(name), "%s/%s", path, entry->d_name) < (int)sizeof(name))
			seed_keep(name);
	closedir(folder);
}

/* ---- tests ---- */

static void both_parsers_read_the_same_of_every_file(void **state)
{
	(void)state;
	for (size_t i = 0; i < seed_count; i++)
		frame_agree(&seeds[i]);
}

static void both_parsers_read_the_same_of_damaged_packets(void **state)
{
	unsigned long count = number_given("KNOCKD_MUTATIONS", MUTATIONS);
	struct frame *f = malloc(sizeof(*f));

	(void)state;
	assert_non_null(f);
	random_state = number_given("KNOCKD_SEED", 2026);
	print_message("KNOCKD_SEED=%llu\n", (unsigned long long)random_state);
	while (count--) {
		if (seed_count && random_next(4))
			*f = seeds[random_next(seed_count)];
		else
			frame_compose(f);
		frame_mutate(f);
		frame_agree(f);
	}
	free(f);
}

/* A comparison of what never comes would be none. */
static void every_result_was_compared(void **state)
{
	(void)state;
	for (int result = 0; result <= PACKET_UNREADABLE_TAGS; result++) {
		__u64 count = 0;

		for (int proto = 0; proto <= PROTO_NONE; proto++)
			count += results_seen[result][proto];
		print_message("result %d: %llu frames\n", result, (unsigned long long)count);
		assert_true(count);
	}
	for (int proto = 0; proto < PROTO_NONE; proto++)
		assert_true(results_seen[PACKET_READ][proto]);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_parsers_read_the_same_of_every_file),
		cmocka_unit_test(both_parsers_read_the_same_of_damaged_packets),
		cmocka_unit_test(every_result_was_compared),
	};
	char *conf = conf_write();
	int failed;

	seeds = malloc(SEEDS_MAX * sizeof(*seeds));
	if (!seeds)
		return 1;
	for (int i = 1; i < argc; i++)
		seeds_find(argv[i]);
	with_ethernet = (struct setup){ .conf = conf, .alone = true };
	with_inner_door = (struct setup){ .conf = conf };
	without_ethernet = (struct setup){ .conf = conf, .alone = true, .bare = true };
	network_make();
	for (size_t i = 0; i < sizeof(setups) / sizeof(*setups); i++)
		world_reset(world_of(setups[i]), 4);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	worlds_free();
	free(seeds);
	free(conf);
	return failed;
}
