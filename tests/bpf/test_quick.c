// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The quick way of the outer door says what the long way says. The program for a config on trial
 * knows only the long way: from the same state, in the same jiffy, both judge the same random
 * frame, and must come to the same action, counters, events and state. The state is what earlier
 * frames, orders and time have made of it.
 *
 * Compared are KNOCKD_MUTATIONS (39,000) frames, spread over the configs. KNOCKD_SEED makes others.
 */
#include "chance.h"
#include "harness.h"

#include "tests/fuzz/two_ways.h"

enum {
	MUTATIONS = 39000,
	SCENE_FRAMES = 250, /* then the surroundings are others, and nobody has anything */
	TRIES = 1000,
};

/* ---- configs ---- */

#define OPTIONS SMALL_TABLES "	UDP_Idle = 60\n"

#define SSH                                                                                        \
	"[ssh]\n"                                                                                  \
	"	Sequence = 7000,8000:udp\n"                                                        \
	"	Close_Sequence = 8000:udp,7000\n"                                                  \
	"	Open = 22-23, 60000:udp\n"                                                         \
	"	Open_Time = 30\n"

/* Port 25 is a knock too. */
#define MAIL                                                                                       \
	"[mail]\n"                                                                                 \
	"	Sequence = 25,7000\n"                                                              \
	"	Open = 24-25, 53:udp\n"                                                            \
	"	Open_Time = 30\n"

/* Among ports of DHCP. */
#define PING                                                                                       \
	"[ping]\n"                                                                                 \
	"	Sequence = 4:icmp,443\n"                                                           \
	"	Close_Sequence = 546:udp,67:udp\n"                                                 \
	"	Open = 26, 68:udp, 547:udp\n"

/* Ports that are not named, or are of other doors, where no Target is. */
#define FAR(target)                                                                                \
	"[far]\n"                                                                                  \
	"	Target = " target "\n"                                                             \
	"	Sequence = 443,23\n"                                                               \
	"	Open = 22, 80, 8000:udp\n"

struct place {
	const char *name;
	struct setup setup;
};

static const struct place places[] = {
	{ "both ways say the same", { .conf = OPTIONS SSH MAIL, .trial = true } },
	{ "both ways say the same with Closed = abort",
	  { .conf = OPTIONS "\tClosed = abort\n" SSH MAIL, .trial = true } },
	{ "both ways say the same with Closed = reset",
	  { .conf = OPTIONS "\tClosed = reset\n" SSH MAIL, .trial = true } },
	{ "both ways say the same without an inner door",
	  { .conf = OPTIONS SSH MAIL, .trial = true, .alone = true } },
	{ "both ways say the same with IPv4 alone",
	  { .conf = OPTIONS SSH MAIL PING, .trial = true, .only_ipv4 = true } },
	{ "both ways say the same with Grant_Prefix6",
	  { .conf = OPTIONS "\tGrant_Prefix6 = 64\n" SSH MAIL, .trial = true } },
	{ "both ways say the same with TCPFlags",
	  { .conf = OPTIONS SSH "\tTCPFlags = fin,psh\n" MAIL "\tTCPFlags = ack,!syn\n" PING,
	    .trial = true } },
	{ "both ways say the same with knocks of UDP and ICMP",
	  { .conf = OPTIONS SSH MAIL PING, .trial = true } },
	{ "both ways say the same with Trust",
	  { .conf = OPTIONS "\tTrust = 203.0.113.128/25, 2001:db8:3::/64\n" SSH MAIL,
	    .trial = true } },
	{ "both ways say the same with Knock_From",
	  { .conf = OPTIONS SSH "\tKnock_From = 10.0.0.0/31, 2001:db8:a::/64\n" MAIL,
	    .trial = true } },
	{ "both ways say the same with Connections",
	  { .conf = OPTIONS SSH "\tConnections = 2\n" MAIL, .trial = true } },
	{ "both ways say the same with Targets",
	  { .conf = OPTIONS SSH MAIL FAR("203.0.113.9") FAR("2001:db8:3::9"), .trial = true } },
	{ "both ways say the same where frames begin with IP",
	  { .conf = OPTIONS SSH MAIL, .trial = true, .bare = true } },
};

enum { PLACES = sizeof(places) / sizeof(*places) };

/* ---- chance ---- */

#define RANDOM_OF(array) (array)[random_next(sizeof(array) / sizeof(*(array)))]

/* ---- sockets, the same all the time ---- */

enum {
	PORT_LIVE = 50000, PORT_TIME_WAIT, PORT_HALF_OPEN, PORT_NOBODY,
	PORT_WEB = 80, PORT_DNS = 53,
};

static struct sockets sockets;

static void sockets_make(int family)
{
	const struct addresses *a = family == 4 ? &addresses4 : &addresses6;
	int listener = socket_listening(&sockets, family, 22), fd;
	struct sockaddr_storage remote;
	struct session s;
	struct frame f = frame_tcp(family, a->stranger, PORT_HALF_OPEN, a->host, 22, SYN);

	session_join(&sockets, listener, family, a, PORT_LIVE, 22);
	s = session_join(&sockets, listener, family, a, PORT_TIME_WAIT, 22);
	sockets_finish(&sockets, s.server);
	sockets_finish(&sockets, s.client);
	assert_true(tcp_reaches(family, 22, PORT_TIME_WAIT, STATE_TIME_WAIT));

	frame_cut(&f, FRAME_TCP);
	frame_seal(&f);
	frame_arrive(&f);
	assert_true(tcp_reaches(family, 22, PORT_HALF_OPEN, STATE_SYN_RECV));

	fd = socket_bound(&sockets, family, SOCK_STREAM, a->host, 23);
	assert_int_equal(0, fcntl(fd, F_SETFL, O_NONBLOCK));
	assert_int_equal(-1, connect(fd, (void *)&remote,
				     endpoint(&remote, family, a->stranger, PORT_WEB)));
	assert_int_equal(EINPROGRESS, errno);

	fd = socket_bound(&sockets, family, SOCK_DGRAM, a->host, 60000);
	socket_connect(fd, family, a->stranger, PORT_DNS);
	socket_bound(&sockets, family, SOCK_DGRAM, NULL, 443);
}

/* ---- addresses ---- */

enum { ADDRESSES = 10 };

struct cast {
	const char *source[ADDRESSES], *destination[ADDRESSES];
};

/* An address that no host here has, and that the filter of this host's addresses takes for one. */
static char mistaken4[64], mistaken6[64];

static const struct cast cast4 = {
	{ "198.51.100.77", "198.51.100.78", "10.0.0.1", "10.0.0.2", "10.0.0.3",
	  "198.51.100.7", "203.0.113.200", "192.0.2.1", "0.0.0.0", mistaken4 },
	{ "192.0.2.1", "203.0.113.1", "203.0.113.9", "203.0.113.9", "198.18.0.1",
	  "224.0.0.251", "255.255.255.255", "192.0.2.255", "0.0.0.0", mistaken4 },
};

static const struct cast cast6 = {
	{ "2001:db8:77::77", "2001:db8:77::78", "2001:db8:a::1", "2001:db8:a::2", "::ffff:10.0.0.1",
	  "2001:db8:7::7", "2001:db8:3::200", "2001:db8:2::1", "::", mistaken6 },
	{ "2001:db8:2::1", "2001:db8:3::1", "2001:db8:3::9", "2001:db8:3::9", "2001:db8:99::1",
	  "ff02::fb", "ff05::1", "2001:db8:2::", "::", mistaken6 },
};

static const struct cast *cast_of(int family)
{
	return family == 4 ? &cast4 : &cast6;
}

static void mistaken_find(char *text, size_t size, int family)
{
	const struct addresses *a = family == 4 ? &addresses4 : &addresses6;
	__be32 host[4] = {}, word[4];
	unsigned int i = 0;

	address_read((uint8_t *)host, a->host, family);
	do {
		snprintf(text, size, family == 4 ? "10.9.%u.%u" : "2001:db8:9::%x:%x", i >> 8 & 255,
			 i & 255);
		memset(word, 0, sizeof(word));
		address_read((uint8_t *)word, text, family);
	} while (address_place(word) != address_place(host) && ++i < 65536);
	assert_true(i < 65536);
}

/* ---- frames ---- */

static uint16_t port_random(void)
{
	static const uint16_t protected[] = { 22, 22, 22, 23, 24, 60000, 60000, 53 };
	static const uint16_t knocks[] = { 7000, 8000, 25, 443, 80 };
	static const uint16_t others[] = { 26, 67, 68, 546, 547, 0, 65535 };

	switch (random_next(8)) {
	case 0:
		return random_next(65536);
	case 1:
	case 2:
		return RANDOM_OF(knocks);
	case 3:
		return RANDOM_OF(others);
	default:
		return RANDOM_OF(protected);
	}
}

static uint8_t flags_random(void)
{
	static const uint8_t usual[] = { SYN, SYN, SYN, ACK, ACK | PSH, ACK | FIN, RST, SYN | ACK,
					 SYN | ECE | CWR, FIN | PSH, 0 };

	return random_next(4) ? RANDOM_OF(usual) : random_next(256);
}

/* From one of a few ports, so that there are few flows, and some packets of the sockets'. */
static struct frame frame_any(int family)
{
	static const uint16_t from[] = { PORT_LIVE, PORT_NOBODY, PORT_DNS, 67, 68, 546, 547 };
	const struct cast *cast = cast_of(family);
	const char *source = RANDOM_OF(cast->source), *destination = RANDOM_OF(cast->destination);

	if (!random_next(3))
		destination = cast->destination[0];
	switch (random_next(8)) {
	case 0:
		return frame_echo(family, source, destination, random_next(6));
	case 1:
	case 2:
		return frame_udp(family, source, RANDOM_OF(from), destination, port_random());
	default:
		return frame_tcp(family, source, RANDOM_OF(from), destination, port_random(),
				 flags_random());
	}
}

/* One that may meet a socket, or a client of DHCP that has none. */
static struct frame frame_talking(int family)
{
	const struct addresses *a = family == 4 ? &addresses4 : &addresses6;

	switch (random_next(8)) {
	case 0:
		return family == 4 ? frame_udp(4, a->neighbour, 67, a->host, 68) :
				     frame_udp(6, a->neighbour, 547, a->host, 546);
	case 1:
		return frame_udp(family, a->stranger, PORT_DNS, a->host, 60000);
	case 2:
		return frame_tcp(family, a->stranger, PORT_HALF_OPEN, a->host, 22, flags_random());
	case 3:
		return frame_tcp(family, a->stranger, PORT_WEB, a->host, 23, flags_random());
	default:
		return frame_tcp(family, a->live, PORT_LIVE + random_next(4), a->host, 22,
				 flags_random());
	}
}

static void change_tag(struct frame *f)
{
	frame_tag(f, random_next(2) ? 0x8100 : 0x88a8, random_next(65536));
}

static void change_headers(struct frame *f)
{
	static const uint8_t kinds[] = { IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS };

	if (f->family == 4)
		frame_options(f, 4 * random_next(11));
	else
		frame_extend(f, RANDOM_OF(kinds), 8 * (1 + random_next(3)));
}

static void change_authentication(struct frame *f)
{
	frame_extend(f, IPPROTO_AH, 16);
}

static void change_fragment(struct frame *f)
{
	if (!random_next(4))
		frame_cut(f, random_next(FRAME_TCP));
	frame_fragment(f, random_next(3) / 2, random_next(4));
}

/* Cut off, and the IP header says so or not. */
static void change_end(struct frame *f)
{
	f->len -= random_next(f->len - f->ip);
	if (random_next(2) && f->len >= f->ip + 20)
		frame_measure(f);
}

static void change_length(struct frame *f)
{
	frame_put16(f, f->ip + (f->family == 4 ? 2 : 4), random_next(64));
}

/* The data offset of TCP. */
static void change_offset(struct frame *f)
{
	if (f->bytes[f->next] == IPPROTO_TCP)
		f->bytes[f->transport + 12] = random_next(256);
}

static void change_version(struct frame *f)
{
	f->bytes[f->ip] = random_next(2) ? random_next(256) : (f->family == 4 ? 0x45 : 0x6a);
}

/* Of IPv4 all bits about fragments. */
static void change_fragment_bits(struct frame *f)
{
	if (f->family == 4)
		frame_put16(f, f->ip + 6, 0x8000 >> random_next(16));
}

static void change_ethernet(struct frame *f)
{
	if (random_next(2))
		frame_to_all(f);
	else
		frame_ethertype(f, random_next(2) ? 0x0800 : 0x86dd);
}

static void change_byte(struct frame *f)
{
	f->bytes[random_next(f->len < 74 ? f->len : 74)] ^= 1U << random_next(8);
}

/* So large that it has several buffers. */
static void change_size(struct frame *f)
{
	if (f->len < 1000)
		frame_grow(f, random_next(6000));
}

static void (*const changes[])(struct frame *f) = {
	change_tag, change_headers, change_authentication, change_fragment, change_length,
	change_offset, change_version, change_fragment_bits, change_ethernet, change_byte,
	change_byte, change_byte, change_size,
};

static void frame_random(const struct world *w, struct frame *f)
{
	int family = random_next(2) ? 4 : 6;

	*f = random_next(4) ? frame_any(family) : frame_talking(family);
	for (int i = random_next(3) ? 0 : 1 + random_next(2); i; i--)
		RANDOM_OF(changes)(f);
	/* What an Ethernet header would be is no packet there. */
	if (w->setup->bare && random_next(4))
		frame_bare(f);
	/* The others look for headers where this leaves none. */
	if (!random_next(16))
		change_end(f);
}

/* ---- state ---- */

enum { ARRAY_GRANTS, ARRAY_QUOTAS, ARRAY_REPORTS, ARRAY_SHARED, ARRAYS };

static const enum generation_map arrays[ARRAYS] = {
	MAP_grants, MAP_quotas, MAP_port_reports, MAP_shared,
};
static const struct table_kind {
	enum generation_map map;
	size_t key, value;
} tables[] = {
	{ MAP_progress, sizeof(__u64), sizeof(struct progress) },
	{ MAP_flows, sizeof(__u64), sizeof(struct flow_state) },
};

enum {
	TABLES = sizeof(tables) / sizeof(*tables),
	ARRAY_MAX = 16384, /* bytes */
	ENTRIES_MAX = 512,
	SLOTS = 2 * 2 * ADDRESSES,
};

/* Of either table, key and value. */
struct entry {
	unsigned char bytes[sizeof(__u64) + sizeof(struct progress)];
};

/* All of it but presence, of which there are too many slots: those of the sources and of who owns
 * their grants. */
struct memory {
	unsigned char array[ARRAYS][ARRAY_MAX];
	__u32 presence[SLOTS];
	size_t count[TABLES];
	struct entry entry[TABLES][ENTRIES_MAX];
};

static struct memory before, after_quick, after_slow;

/* Of the world whose turn it is. */
static struct settings settings;
static __u32 slot[SLOTS];
static struct mapped {
	void *at;
	size_t size;
} mapped[ARRAYS], presence;

static __u32 source_slot(enum presence kind, const struct source *source)
{
	return presence_slot(kind, source_hash(&settings.hash_key, source));
}

static void slots_find(void)
{
	__u32 *next = slot;

	for (int family = 4; family <= 6; family += 2) {
		for (int i = 0; i < ADDRESSES; i++) {
			struct source source = { .family = family };

			address_read((uint8_t *)source.word_be, cast_of(family)->source[i], family);
			*next++ = source_slot(PRESENCE_PROGRESS, &source);
			for (int j = 0; family == 6 && j < 4; j++)
				source.word_be[j] &= settings.grant_mask6_be[j];
			*next++ = source_slot(PRESENCE_GRANTS, &source);
		}
	}
}

static void array_map(const struct world *w, enum generation_map map, struct mapped *m)
{
	m->size = generation_map_size(&w->generation, map);
	m->at = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED, w->generation.map[map], 0);
	assert_ptr_not_equal(m->at, MAP_FAILED);
}

static void memory_map(const struct world *w)
{
	array_map(w, MAP_presence, &presence);
	for (int i = 0; i < ARRAYS; i++) {
		array_map(w, arrays[i], &mapped[i]);
		assert_in_range(mapped[i].size, 1, ARRAY_MAX);
	}
	assert_int_equal(0, generation_settings(&w->generation, &settings));
	slots_find();
}

static void memory_unmap(void)
{
	munmap(presence.at, presence.size);
	for (int i = 0; i < ARRAYS; i++)
		munmap(mapped[i].at, mapped[i].size);
}

static int entry_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct entry));
}

/* All entries, in an order that does not tell how they came in. */
static size_t entries_take(const struct world *w, const struct table_kind *kind,
			   struct entry *entries)
{
	int map = w->generation.map[kind->map];
	const void *last = NULL;
	size_t count = 0;

	for (;; count++) {
		struct entry *entry = &entries[count];

		assert_true(count < ENTRIES_MAX);
		memset(entry, 0, sizeof(*entry));
		if (bpf_map_get_next_key(map, last, entry->bytes))
			break;
		assert_int_equal(0, bpf_map_lookup_elem(map, entry->bytes,
							entry->bytes + kind->key));
		last = entry->bytes;
	}
	qsort(entries, count, sizeof(*entries), entry_compare);
	return count;
}

static void memory_take(const struct world *w, struct memory *m)
{
	const __u32 *slots = presence.at;

	for (int i = 0; i < ARRAYS; i++)
		memcpy(m->array[i], mapped[i].at, mapped[i].size);
	for (int i = 0; i < SLOTS; i++)
		m->presence[i] = slots[slot[i]];
	for (int i = 0; i < TABLES; i++)
		m->count[i] = entries_take(w, &tables[i], m->entry[i]);
}

static bool memory_same(const struct memory *a, const struct memory *b)
{
	for (int i = 0; i < ARRAYS; i++)
		if (memcmp(a->array[i], b->array[i], mapped[i].size))
			return false;
	for (int i = 0; i < TABLES; i++)
		if (a->count[i] != b->count[i] ||
		    memcmp(a->entry[i], b->entry[i], a->count[i] * sizeof(struct entry)))
			return false;
	return !memcmp(a->presence, b->presence, sizeof(a->presence));
}

/* Where the state is @now, let it be @m again. */
static void memory_put(const struct world *w, const struct memory *m, const struct memory *now)
{
	__u32 *slots = presence.at;

	if (memory_same(m, now))
		return;
	for (int i = 0; i < ARRAYS; i++)
		memcpy(mapped[i].at, m->array[i], mapped[i].size);
	for (int i = 0; i < SLOTS; i++)
		slots[slot[i]] = m->presence[i];
	for (int i = 0; i < TABLES; i++) {
		int map = w->generation.map[tables[i].map];

		for (size_t j = 0; j < now->count[i]; j++)
			bpf_map_delete_elem(map, now->entry[i][j].bytes);
		for (size_t j = 0; j < m->count[i]; j++) {
			const unsigned char *key = m->entry[i][j].bytes;

			assert_int_equal(0, bpf_map_update_elem(map, key, key + tables[i].key,
								BPF_ANY));
		}
	}
}

/* ---- answers ---- */

enum { GUARDS_MAX = 16, DOORS_MAX = 4, EVENTS_MAX = 16, CPUS_MAX = 1024 };

struct answer {
	int action;
	__u64 reason[REASON_COUNT];
	__u64 refused[GUARDS_MAX]; /* at each protected port */
	__u64 opened[DOORS_MAX];
	struct event event[EVENTS_MAX];
	size_t events;
};

/* What each counter had when it was last looked at. */
static struct {
	__u64 reason[REASON_COUNT], refused[GUARDS_MAX], opened[DOORS_MAX];
} counted;

/* What was counted since. */
static void counters_move(const struct world *w, enum generation_map map, __u32 size,
			  __u64 *earlier, __u64 *since)
{
	static __u64 values[REASON_COUNT * CPUS_MAX];
	__u32 keys[REASON_COUNT], batch, done = size, cpus = libbpf_num_possible_cpus();
	const __u64 *value = values;

	assert_in_range(cpus, 1, CPUS_MAX);
	/* ENOENT says that there are no more. */
	if (bpf_map_lookup_batch(w->generation.map[map], NULL, &batch, keys, values, &done, NULL))
		assert_int_equal(ENOENT, errno);
	assert_int_equal(size, done);
	for (__u32 i = 0; i < size; i++) {
		__u64 now = 0;

		for (__u32 cpu = 0; cpu < cpus; cpu++)
			now += *value++;
		since[i] = now - earlier[i];
		earlier[i] = now;
	}
}

static void answer_count(const struct world *w, struct answer *a)
{
	const struct settings *s = &settings;

	counters_move(w, MAP_counters, REASON_COUNT, counted.reason, a->reason);
	counters_move(w, MAP_port_counters, s->guard_count, counted.refused, a->refused);
	counters_move(w, MAP_door_counters, s->door_count, counted.opened, a->opened);
}

static void answer_get(struct world *w, const struct frame *f, bool on_trial, struct answer *a,
		       struct memory *after)
{
	memset(a, 0, sizeof(*a));
	w->on_trial = on_trial;
	a->action = frame_run(w, f, 1);
	answer_count(w, a);
	events_read(w);
	assert_true(w->events <= EVENTS_MAX);
	a->events = w->events;
	memcpy(a->event, w->event, w->events * sizeof(*w->event));
	memory_take(w, after);
}

/* The one verdict that was counted, or REASON_COUNT. */
static enum reason answer_reason(const struct answer *a)
{
	enum reason reason = REASON_COUNT;
	__u64 verdicts = 0;

	for (__u32 i = 0; i < REASON_COUNT; i++) {
		if (reason_notes(i) || !a->reason[i])
			continue;
		verdicts += a->reason[i];
		reason = i;
	}
	return verdicts == 1 ? reason : REASON_COUNT;
}

static void answer_print(const char *way, const struct answer *a)
{
	print_error("%s: %s", way, action_name(a->action));
	for (__u32 i = 0; i < REASON_COUNT; i++)
		if (a->reason[i])
			print_error(", %llu %s", a->reason[i], reason_name(i));
	for (__u32 i = 0; i < GUARDS_MAX; i++)
		if (a->refused[i])
			print_error(", %llu refused at protected port %u", a->refused[i], i);
	for (__u32 i = 0; i < DOORS_MAX; i++)
		if (a->opened[i])
			print_error(", door %u opened", i);
	for (size_t i = 0; i < a->events; i++)
		print_error(", event %u", a->event[i].kind);
	print_error("\n");
}

/* ---- what was compared ---- */

enum kind { KIND_START, KIND_SEGMENT, KIND_DATAGRAM, KIND_LONG, KIND_COUNT };

/* Where the config allows the quick way all that it can. */
static unsigned int seen[KIND_COUNT][REASON_COUNT];

static const char *const kind_name[] = { "a start", "a segment", "a datagram", "not plain" };

static enum kind frame_kind(const struct frame *f)
{
	struct cursor c = { .data = f->bytes, .end = f->bytes + f->len };
	struct plain_seen plain = plain_found(&c);

	if (!plain.transport)
		return KIND_LONG;
	if (plain.proto == PROTO_UDP)
		return KIND_DATAGRAM;
	return (plain_flags(plain.transport) & (SYN | ACK)) == SYN ? KIND_START : KIND_SEGMENT;
}

/* ---- both ways ---- */

static void surroundings_print(const struct world *w)
{
	const struct surroundings *s = (void *)&w->skel->data_surroundings->surroundings;

	print_error("forwarding %u, stacked %u, inner door %s\n", s->forwarding, s->stacked,
		    w->inner_link >= 0 ? "attached" : "not attached");
}

static bool answers_same(const struct answer *quick, const struct answer *slow)
{
	return !memcmp(quick, slow, sizeof(*quick)) && answer_reason(slow) != REASON_COUNT &&
	       memory_same(&after_quick, &after_slow);
}

static void difference_print(const struct world *w, const struct frame *f,
			     const struct answer *quick, const struct answer *slow)
{
	answer_print("quick way", quick);
	answer_print("long way", slow);
	if (!memory_same(&after_quick, &after_slow))
		print_error("they leave another state\n");
	surroundings_print(w);
	print_error("%s", w->setup->conf);
	frame_print(f);
}

/* Give the frame to both ways from the same state. A difference may only be that of the jiffies
 * that they saw: then once more. */
static enum reason frame_agree(struct world *w, const struct frame *f)
{
	struct answer quick, slow;
	__u64 now;

	memory_take(w, &before);
	for (int tries = 0;; tries++) {
		assert_in_range(tries, 0, TRIES);
		now = clock_now(w);
		answer_get(w, f, false, &quick, &after_quick);
		memory_put(w, &before, &after_quick);
		answer_get(w, f, true, &slow, &after_slow);
		if (answers_same(&quick, &slow))
			return answer_reason(&slow);
		if (clock_now(w) == now)
			break;
		memory_put(w, &before, &after_slow);
	}
	difference_print(w, f, &quick, &slow);
	fail_msg("the quick way and the long way differ");
	return REASON_COUNT;
}

/* ---- what happens between frames ---- */

static void order_random(const struct world *w, enum order order)
{
	int family = random_next(2) ? 4 : 6;
	struct order_form form = {
		.order = order,
		.door = random_next(settings.door_count),
		.time = (random_next(2) ? 5 : 3000) * w->hz,
		.source = { .family = family },
		.who = "root",
	};
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &form, .ctx_size_in = sizeof(form));

	address_read((uint8_t *)form.source.word_be, RANDOM_OF(cast_of(family)->source), family);
	assert_int_equal(0, bpf_prog_test_run_opts(w->generation.order, &options));
}

/* No grant has room for one more flow. */
static void flows_fill(void)
{
	struct grant_bucket *bucket = mapped[ARRAY_GRANTS].at;

	for (size_t i = 0; i < mapped[ARRAY_GRANTS].size / sizeof(*bucket); i++)
		for (int j = 0; j < GRANT_CELLS; j++)
			bucket[i].cell[j].flows = GRANT_FLOWS_MAX;
}

static void scene_change(struct world *w)
{
	static const __u64 seconds[] = { 1, 6, 31, 61 };

	if (!random_next(16))
		order_random(w, ORDER_OPEN);
	if (!random_next(40))
		order_random(w, ORDER_CLOSE);
	if (!random_next(100))
		time_pass(w, RANDOM_OF(seconds));
	if (!random_next(100))
		flows_fill();
	events_read(w);
}

/* Rarely what takes the long way. */
static void scene_begin(struct world *w)
{
	inner_off(w);
	world_reset(w, 4);
	if (!random_next(4)) {
		network_forward(true);
		world_look(w);
	}
	w->skel->data_surroundings->surroundings.stacked = !random_next(4);
	if (!w->setup->alone && random_next(2))
		inner_on(w);
}

static void place_compare(void **state)
{
	unsigned long count = number_given("KNOCKD_MUTATIONS", MUTATIONS) / PLACES;
	const struct place *place = *state;
	struct world *w = world_of(&place->setup);
	static struct frame f;
	struct answer none;
	enum reason reason;

	memory_map(w);
	assert_in_range(settings.guard_count, 1, GUARDS_MAX);
	assert_in_range(settings.door_count, 1, DOORS_MAX);
	for (unsigned long i = 0; i < count; i++) {
		if (i % SCENE_FRAMES == 0)
			scene_begin(w);
		scene_change(w);
		do
			frame_random(w, &f);
		while (f.len < FRAME_ETHERNET); /* BPF_PROG_TEST_RUN takes no less */
		answer_count(w, &none);
		reason = frame_agree(w, &f);
		if (settings.plain == (PLAIN_OTHER | PLAIN_GUARDED))
			seen[frame_kind(&f)][reason]++;
	}
}

static int place_leave(void **state)
{
	const struct place *place = *state;

	inner_off(world_of(&place->setup));
	memory_unmap();
	/* Its descriptors: all worlds together have more than a process may by default. */
	worlds_free();
	return 0;
}

/* ---- all of it ---- */

/* A comparison of what never comes would be none. */
static void every_answer_was_compared(void **state)
{
	static const struct {
		enum kind kind;
		enum reason reason;
	} due[] = {
		{ KIND_START, REASON_OTHER }, { KIND_START, REASON_CLOSED },
		{ KIND_START, REASON_GRANTED }, { KIND_START, REASON_FORWARDED },
		{ KIND_START, REASON_KNOCK }, { KIND_START, REASON_STRAY },
		{ KIND_SEGMENT, REASON_OTHER }, { KIND_SEGMENT, REASON_CLOSED },
		{ KIND_SEGMENT, REASON_GRANTED }, { KIND_SEGMENT, REASON_FORWARDED },
		{ KIND_SEGMENT, REASON_SOCKET }, { KIND_SEGMENT, REASON_SOCKET_UNSEEN },
		{ KIND_DATAGRAM, REASON_OTHER }, { KIND_DATAGRAM, REASON_CLOSED },
		{ KIND_DATAGRAM, REASON_GRANTED }, { KIND_DATAGRAM, REASON_FLOW },
		{ KIND_DATAGRAM, REASON_KNOCK }, { KIND_DATAGRAM, REASON_STRAY },
		{ KIND_DATAGRAM, REASON_SOCKET }, { KIND_DATAGRAM, REASON_DHCP },
		{ KIND_LONG, REASON_OTHER }, { KIND_LONG, REASON_CLOSED },
		{ KIND_LONG, REASON_GRANTED }, { KIND_LONG, REASON_SOCKET },
		{ KIND_LONG, REASON_FRAGMENT }, { KIND_LONG, REASON_FRAGMENT_SHORT },
		{ KIND_LONG, REASON_UNREADABLE }, { KIND_LONG, REASON_UNREADABLE_HANDED_ON },
	};
	bool missing = false;

	(void)state;
	for (size_t i = 0; i < sizeof(due) / sizeof(*due); i++) {
		unsigned int count = seen[due[i].kind][due[i].reason];

		print_message("%s, %s: %u frames\n", kind_name[due[i].kind],
			      reason_name(due[i].reason), count);
		missing |= !count;
	}
	/* Fewer cannot meet all. */
	assert_true(!missing || number_given("KNOCKD_MUTATIONS", MUTATIONS) < MUTATIONS);
}

static int network_begin(void **state)
{
	(void)state;
	mistaken_find(mistaken4, sizeof(mistaken4), 4);
	mistaken_find(mistaken6, sizeof(mistaken6), 6);
	sockets_make(4);
	sockets_make(6);
	random_state = number_given("KNOCKD_SEED", 2026);
	print_message("KNOCKD_SEED=%llu\n", (unsigned long long)random_state);
	return 0;
}

static int network_end(void **state)
{
	(void)state;
	sockets_close(&sockets);
	return 0;
}

int main(void)
{
	struct CMUnitTest tests[PLACES + 1];
	int failed;

	for (size_t i = 0; i < PLACES; i++)
		tests[i] = (struct CMUnitTest){
			.name = places[i].name,
			.test_func = place_compare,
			.teardown_func = place_leave,
			.initial_state = (void *)&places[i],
		};
	tests[PLACES] = (struct CMUnitTest)cmocka_unit_test(every_answer_was_compared);
	network_make();
	failed = _cmocka_run_group_tests("test_quick", tests, PLACES + 1, network_begin,
					 network_end);
	worlds_free();
	return failed;
}
