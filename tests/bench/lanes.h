/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ways a packet can go, those of design.md section 9 and some more, and how each is measured in
 * each scene, round by round.
 */
#ifndef KNOCKD_BENCH_LANES_H
#define KNOCKD_BENCH_LANES_H

#include "judge.h"
#include "scenes.h"

enum {
	SLICES = 25,         /* of a round; the null program and the way take turns */
	SLICE_PACKETS = 4000,
	KNOCK_SLICES = 48,   /* of KNOCKERS packets each */
};

/* Who sends. */
enum who {
	WHO_ONE,     /* the same source each time */
	WHO_RANDOM,  /* any source at all; the way before is the same of one source */
	WHO_GRANTED, /* those with a grant, in random order; where there is one, that one */
	WHO_FLOWS,   /* the same of those with a flow */
	WHO_KNOCKS,  /* each of KNOCKERS once, and again after they were forgotten */
};

struct way {
	const char *name;
	double budget;        /* 0: shown, not judged */
	enum who who;
	struct frame (*frame)(struct world *w);
	int knock;            /* WHO_KNOCKS: the number of the one that is measured */
	enum reason expected; /* must be counted for every packet */
	bool opens;           /* and a grant be given */
	bool grants;          /* and one be looked up: with a million at most twice the time */
};

/* A way in a scene and a family. */
struct lane {
	const struct way *way;
	struct scene *scene;
	int family;
	/* Of each round: what ran beside the way, and what the way took more. That is the null
	 * program or, for random sources, the same way with one source. */
	struct series beside_ns, extra_ns;
	struct series null_ns, ns; /* of those that nobody disturbed */
};

static inline struct frame frame_other_data(struct world *w)
{
	return frame_tcp(w->family, w->source, 40000, w->destination, 443, ACK | PSH);
}

static inline struct frame frame_other_syn(struct world *w)
{
	return frame_tcp(w->family, w->source, 40000, w->destination, 443, SYN);
}

static inline struct frame frame_other_udp(struct world *w)
{
	return frame_udp(w->family, w->source, 40000, w->destination, 53);
}

static inline struct frame frame_syn(struct world *w)
{
	return frame_tcp(w->family, w->source, 40000, w->destination, 22, SYN);
}

static inline struct frame frame_ack(struct world *w)
{
	return frame_tcp(w->family, w->source, 40000, w->destination, 22, ACK);
}

static inline struct frame frame_live(struct world *w)
{
	return frame_tcp(w->family, w->a->live, SESSION_PORT, w->a->host, 22, ACK | PSH);
}

static const struct way ways[] = {
	{ "other traffic, TCP data, pass", 1.10, WHO_ONE, frame_other_data, 0,
	  REASON_OTHER, false, false },
	{ "other traffic, SYN, pass", 1.25, WHO_ONE, frame_other_syn, 0,
	  REASON_OTHER, false, false },
	{ "other traffic, SYN, random sources, pass", 0, WHO_RANDOM, frame_other_syn, 0,
	  REASON_OTHER, false, false },
	{ "other traffic, UDP, pass", 1.25, WHO_ONE, frame_other_udp, 0,
	  REASON_OTHER, false, false },
	{ "SYN flood, one source, drop", 0, WHO_ONE, frame_syn, 0,
	  REASON_CLOSED, false, true },
	{ "SYN flood, random sources, drop", 1.30, WHO_RANDOM, frame_syn, 0,
	  REASON_CLOSED, false, true },
	{ "ACK flood without a socket, drop", 4.0, WHO_ONE, frame_ack, 0,
	  REASON_CLOSED, false, true },
	{ "ACK flood, random sources, drop", 0, WHO_RANDOM, frame_ack, 0,
	  REASON_CLOSED, false, true },
	{ "UDP flood, one source, drop", 0, WHO_ONE, flow_frame, 0,
	  REASON_CLOSED, false, true },
	{ "UDP flood, random sources, drop", 0, WHO_RANDOM, flow_frame, 0,
	  REASON_CLOSED, false, true },
	{ "SYN with a grant, pass", 2.5, WHO_GRANTED, frame_syn, 0,
	  REASON_GRANTED, false, true },
	{ "data of a live local session, pass", 4.0, WHO_ONE, frame_live, 0,
	  REASON_SOCKET, false, false },
	{ "UDP data in a flow, pass", 2.5, WHO_FLOWS, flow_frame, 0,
	  REASON_FLOW, false, true },
	{ "a right knock", 2.8, WHO_KNOCKS, NULL, 1,
	  REASON_KNOCK, false, false },
	{ "the opening knock, with grant and event", 8, WHO_KNOCKS, NULL, 2,
	  REASON_KNOCK, true, true },
};

enum { WAYS = sizeof(ways) / sizeof(*ways) };

static inline struct sources lane_sources(const struct lane *lane)
{
	switch (lane->way->who) {
	case WHO_RANDOM:
		return (struct sources){ .random = true };
	case WHO_GRANTED:
		return (struct sources){ SOURCES_GRANTED, lane->scene->grants, true };
	case WHO_FLOWS:
		return (struct sources){ SOURCES_GRANTED, scene_flows(lane->scene), true };
	case WHO_KNOCKS:
		return (struct sources){ SOURCES_KNOCKING, KNOCKERS, false };
	default:
		return (struct sources){ .count = 1 };
	}
}

static inline enum pair lane_pair(const struct lane *lane)
{
	return lane_sources(lane).count == 1 ? PAIR_PLAIN : pair_of(lane->family);
}

static inline struct frame lane_frame(const struct lane *lane)
{
	struct frame f = lane->way->frame(lane->scene->world);

	if (lane->way->who == WHO_GRANTED || lane->way->who == WHO_FLOWS)
		frame_source(&f, SOURCES_GRANTED);
	return f;
}

/*
 * Slices of one round: of the null program, and of what is held against it. Their medians count. So
 * what comes once in SLICE_PACKETS packets or oftener is measured, what is rarer is not.
 */
struct slices {
	struct series base, tested;
};

/**
 * slices_take() - A round's slices of one packet over and over.
 * @beside: NULL, or of what sources; then the program is held against itself
 */
static inline void slices_take(struct slices *s, struct runs *r, const struct frame *f,
			       __u32 device, const struct sources *beside,
			       const struct sources *sources)
{
	for (int i = 0; i < SLICES; i++) {
		series_add(&s->base,
			   beside ? runs_tested(r, f, device, beside, SLICE_PACKETS) :
				    runs_base(r, f, device, sources, SLICE_PACKETS));
		series_add(&s->tested, runs_tested(r, f, device, sources, SLICE_PACKETS));
	}
}

/* These return how many packets a slice has. Random sources are held against one, from the same
 * sender: what is measured is how much more they take. */
static inline __u64 lane_run_plain(struct runs *r, struct lane *lane, struct slices *s)
{
	const struct sources one = { .first = SOURCE_ONE, .count = 1 };
	struct sources sources = lane_sources(lane);
	struct frame f = lane_frame(lane);

	slices_take(s, r, &f, lane->scene->world->device,
		    lane->way->who == WHO_RANDOM ? &one : NULL, &sources);
	return SLICE_PACKETS;
}

static inline __u64 lane_run_knocks(struct runs *r, struct lane *lane, struct slices *s)
{
	struct sources sources = lane_sources(lane);
	struct world *w = lane->scene->world;
	struct frame f = frame_tcp(w->family, w->source, 40000, w->destination, 7000, SYN);

	for (int i = 0; i < KNOCK_SLICES; i++) {
		for (int knock = 0; knock < lane->way->knock; knock++)
			sources_knock(r, w, knock, &sources);
		series_add(&s->base, runs_base(r, &f, w->device, &sources, KNOCKERS));
		series_add(&s->tested, sources_knock(r, w, lane->way->knock, &sources));
		knockers_forget(lane->scene);
		/* Not each time: the first record after all were read wakes the reader, which takes
		 * as long as many openings. */
		if (i % (KNOCKERS_HEARD / KNOCKERS) == 0)
			events_read(w);
	}
	return KNOCKERS;
}

/* That it was this way that the packets went. */
static inline void lane_check(const struct lane *lane, const __u64 *before, const __u64 *after,
			      __u64 packets)
{
	const struct way *way = lane->way;
	/* Knocks led to the one that is measured. */
	__u64 all = packets * (way->knock + 1);
	const struct {
		enum reason reason;
		__u64 due;
	} counts[] = {
		{ way->expected, all },
		{ REASON_OPENED, way->opens ? packets : 0 },
		{ REASON_WRONG, 0 },
		{ REASON_REPEATED, 0 },
		{ REASON_EVENT_LOST, 0 },
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		enum reason reason = counts[i].reason;
		__u64 seen = after[reason] - before[reason];

		if (nearly_all(seen, counts[i].due))
			continue;
		fprintf(stderr, "IPv%d, %s%s%s: %llu times %s, not %llu, in %llu packets\n",
			lane->family, way->name, *lane->scene->variant ? ", " : "",
			lane->scene->variant, seen, reason_name(reason), counts[i].due, all);
		exit(1);
	}
}

/** lane_round() - Measure it once more. */
static inline void lane_round(struct runs *r, struct lane *lane)
{
	struct world *w = lane->scene->world;
	__u64 before[REASON_COUNT], after[REASON_COUNT], packets;
	enum who who = lane->way->who;
	struct slices s = {};
	double base;

	world_face(w, lane->family);
	runs_pair(r, lane_pair(lane), w->generation.outer);
	counters_read(w, before);
	packets = who == WHO_KNOCKS ? lane_run_knocks(r, lane, &s) : lane_run_plain(r, lane, &s);
	counters_read(w, after);
	lane_check(lane, before, after,
		   packets * (s.tested.count + (who == WHO_RANDOM ? s.base.count : 0)));
	base = series_spread(&s.base).median;
	series_add(&lane->beside_ns, base / packets);
	series_add(&lane->extra_ns, (series_spread(&s.tested).median - base) / packets);
}

/**
 * lane_settle() - Take those rounds that nobody disturbed.
 * @null_ns: what a null program takes without a sender
 * @of_one: the same way of one source, where sources are random
 */
static inline void lane_settle(struct lane *lane, double null_ns, const struct lane *of_one)
{
	struct series extra = series_undisturbed(&lane->extra_ns, &lane->beside_ns), one = extra;

	if (of_one)
		one = series_undisturbed(&of_one->extra_ns, &of_one->beside_ns);
	lane->null_ns = lane->ns = (struct series){};
	for (size_t i = 0; i < extra.count && i < one.count; i++) {
		series_add(&lane->null_ns, null_ns);
		series_add(&lane->ns, null_ns + extra.at[i] + (of_one ? one.at[i] : 0));
	}
}

#endif
