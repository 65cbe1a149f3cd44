/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Timed runs of XDP programs, with sources that stay or change.
 *
 * What BPF_PROG_TEST_RUN itself returns is whole nanoseconds, and a null program takes seven. So
 * the time is taken around the call, over many repetitions. The time of this thread alone would
 * not do: in a guest it lacks what the host took away, by what the host told of late.
 *
 * The kernel calls XDP programs through a dispatcher, code that it writes anew whenever one is
 * attached for the first time or detached for the last, and also around each BPF_PROG_TEST_RUN of
 * one that is not attached. So both programs of a comparison are attached, to devices that are not
 * up and receive nothing; the dispatcher then knows these two, and is left alone.
 *
 * BPF_PROG_TEST_RUN repeats one packet. Where the source must change with each repetition a sender
 * (sender.bpf.c) writes it into the packet and goes on to the program by a tail call, which the
 * kernel makes one jump. A run for each source would have cost a system call for each.
 *
 * What the sender takes is measured with the null program behind it, and taken off. That is too
 * little: the null program leaves the CPU room to do a part of the sender's work beside it, other
 * programs do not. With one and the same source each time, ways that were measured without a sender
 * too came out 1.5 ns longer. For random sources there is a better way (lane_run_plain()); what
 * knocks take includes it.
 */
#ifndef KNOCKD_BENCH_RUNS_H
#define KNOCKD_BENCH_RUNS_H

#include "tests/bpf/harness.h"

#include "sender.skel.h"

/* Which two programs are attached. */
enum pair { PAIR_PLAIN, PAIR_SEND4, PAIR_SEND6, PAIR_COUNT };

struct runs {
	struct sender_bpf *base, *tested; /* senders, to the null and to the tested program */
	int link_base, link_tested;
	enum pair pair;
	int program;                      /* that is tested; −1: none yet */
};

/* How a sender draws sources. */
struct sources {
	__u32 first;
	__u32 count; /* a power of two; 0: all of 2³² */
	bool random; /* else one after the other */
};

/** must() - End with a sentence unless @success. */
static inline void must(bool success, const char *sentence)
{
	if (success)
		return;
	fprintf(stderr, "bench: %s: %s\n", sentence, strerror(errno));
	exit(1);
}

static inline struct sender_bpf *sender_load(void)
{
	struct sender_bpf *skel = sender_bpf__open_and_load();

	must(skel, "cannot load the senders");
	return skel;
}

static inline int link_make(int program, const char *device)
{
	int link = bpf_link_create(program, if_nametoindex(device), BPF_XDP, NULL);

	must(link >= 0, "cannot attach a program");
	return link;
}

static inline int sender_program(const struct sender_bpf *skel, enum pair pair)
{
	return bpf_program__fd(pair == PAIR_SEND4 ? skel->progs.send4 : skel->progs.send6);
}

static inline void sender_aim(const struct sender_bpf *skel, int program)
{
	__u32 key = 0;

	must(!bpf_map_update_elem(bpf_map__fd(skel->maps.target), &key, &program, BPF_ANY),
	     "cannot aim a sender");
}

static inline int runs_null(const struct runs *r)
{
	return bpf_program__fd(r->base->progs.null);
}

static inline void devices_make(void)
{
	FILE *ip = popen("ip link add idle0 type veth peer name idle1", "w");

	must(ip && !pclose(ip), "cannot make devices");
}

/** runs_open() - The null programs and senders, attached in the network of the fixtures. */
static inline void runs_open(struct runs *r)
{
	devices_make();
	r->base = sender_load();
	r->tested = sender_load();
	r->pair = PAIR_PLAIN;
	r->program = bpf_program__fd(r->base->progs.null_again);
	r->link_base = link_make(runs_null(r), "idle0");
	r->link_tested = link_make(r->program, "idle1");
	sender_aim(r->base, runs_null(r));
	sender_aim(r->tested, r->program);
}

static inline void runs_close(struct runs *r)
{
	close(r->link_base);
	close(r->link_tested);
	sender_bpf__destroy(r->base);
	sender_bpf__destroy(r->tested);
}

/** runs_pair() - From here on @program is tested, with a sender or without. */
static inline void runs_pair(struct runs *r, enum pair pair, int program)
{
	bool plain = pair == PAIR_PLAIN;

	if (r->pair == pair && r->program == program)
		return;
	if (r->program != program)
		sender_aim(r->tested, program);
	must(!bpf_link_update(r->link_base, plain ? runs_null(r) : sender_program(r->base, pair),
			      NULL) &&
	     !bpf_link_update(r->link_tested, plain ? program : sender_program(r->tested, pair),
			      NULL), "cannot attach other programs");
	r->pair = pair;
	r->program = program;
}

static inline double clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static inline double program_run(int program, const struct frame *f, __u32 device, __u32 repeat)
{
	struct xdp_md md = { .data_end = f->len, .ingress_ifindex = device };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = f->bytes, .data_size_in = f->len,
		    .ctx_in = &md, .ctx_size_in = sizeof(md), .repeat = repeat);
	double begin = clock_ns();

	must(!bpf_prog_test_run_opts(program, &options), "cannot run a program");
	return clock_ns() - begin;
}

/* Random sources are others each time: none may be in a cache since the time before. */
static inline void rule_set(struct sender_bpf *skel, const struct sources *s)
{
	static __u64 start;

	skel->bss->rule.multiplier = s->random ? 6364136223846793005 : 1;
	skel->bss->rule.increment = s->random ? 1442695040888963407 : 1ULL << 32;
	skel->bss->rule.mask = s->count - 1;
	skel->bss->rule.base = s->first;
	skel->bss->rule.state = s->random ? start += 0x9e3779b97f4a7c15 : ~0U * (1ULL << 32);
}

/** runs_base(), runs_tested() - Nanoseconds of @repeat runs of the one and the other program of the
 * pair; @sources is for the senders. */
static inline double runs_base(struct runs *r, const struct frame *f, __u32 device,
			       const struct sources *sources, __u32 repeat)
{
	if (r->pair == PAIR_PLAIN)
		return program_run(runs_null(r), f, device, repeat);
	rule_set(r->base, sources);
	return program_run(sender_program(r->base, r->pair), f, device, repeat);
}

static inline double runs_tested(struct runs *r, const struct frame *f, __u32 device,
				 const struct sources *sources, __u32 repeat)
{
	if (r->pair == PAIR_PLAIN)
		return program_run(r->program, f, device, repeat);
	rule_set(r->tested, sources);
	return program_run(sender_program(r->tested, r->pair), f, device, repeat);
}

#endif
