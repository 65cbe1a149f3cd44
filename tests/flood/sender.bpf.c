/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What sender.c runs: a program that turns the frame it is given into the next SYN of a flood and
 * sends it. Beside it the barest filters there are, for comparison; flood.sh attaches them.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum {
	SSH = 22,
	WAIT_TURNS = 1 << 20,
	LAG_NS = 50000000,
	RING_SPARE = 32,     /* places in the ring that are left to others */
	RING_LOOK_NS = 2000, /* between two looks at a full ring */
};

/* What the kernel has of these, and libbpf finds in them. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct net_device {
	possible_net_t nd_net;
};

struct napi_struct {
	struct net_device *dev;
};

struct ptr_ring {
	int producer;
	int consumer_head;
	int size;
};

struct veth_rq {
	struct napi_struct xdp_napi;
	struct ptr_ring xdp_ring;
};
#pragma clang attribute pop

/* Settings, all of them written by sender.c. */
struct settings {
	__u32 device;  /* interface index to send on */
	__u32 silent;  /* not 0: does all the work, and sends nothing */
	__u32 ip_sum;  /* sum over the frame's IP header as it is given, folded */
	__u32 tcp_sum; /* the same over its TCP and pseudo header */
	__u32 netns;   /* inode of the receiver's network namespace */
	__u32 batch;   /* so many frames are run over before they are handed over */
	__u32 fresh;   /* one frame in so many is new */
	__u32 patient; /* not 0: waits for room in the receiver's ring */
};
const volatile struct settings settings;

/* One processor at a time runs the program. The first two are sender.c's to write, at any time. */
struct {
	__u64 group;    /* so many frames at a time, */
	__u64 group_ns; /* one such group in so many ns; 0: as fast as it can */
	__u64 sent;
	__u64 next_ns, last_ns;
	struct ptr_ring *ring; /* the receiver's; NULL: not known yet */
} state;
static __u64 dice = 88172645463325252ULL;

struct frame {
	__u8 ethernet[14];
	__u8 ip_start[10];
	__u16 ip_check;
	__u32 src;
	__u32 dst;
	__u16 sport;
	__be16 dport;
	__u32 seq;
	__u8 tcp_middle[8];
	__u16 tcp_check;
	__u16 urgent;
} __attribute__((packed));

static __u64 dice_throw(void)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return dice;
}

static __u16 sum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static long time_is_up(__u32 turn, __u64 *until_ns)
{
	(void)turn;
	return bpf_ktime_get_ns() >= *until_ns;
}

/* After a poll of any NAPI; the receiver's shows where its ring is. */
SEC("raw_tracepoint/napi_poll")
int ring_find(struct bpf_raw_tracepoint_args *arguments)
{
	struct napi_struct *napi = (void *)arguments->args[0];
	void *queue = (void *)napi - bpf_core_field_offset(struct veth_rq, xdp_napi);

	if (!state.ring && BPF_CORE_READ(napi, dev, nd_net.net, ns.inum) == settings.netns)
		state.ring = queue + bpf_core_field_offset(struct veth_rq, xdp_ring);
	return 0;
}

/* Whether a batch fits into the ring. */
static bool ring_has_room(void)
{
	struct ptr_ring *ring = state.ring;
	int size, used;

	if (!ring)
		return true;
	size = BPF_CORE_READ(ring, size);
	used = BPF_CORE_READ(ring, producer) - BPF_CORE_READ(ring, consumer_head);
	if (used < 0)
		used += size;
	/* An empty ring and a full one look the same, but it never gets full by us. */
	return used + RING_SPARE + (int)settings.batch <= size;
}

static long room_is_there(__u32 turn, __u64 *next_look_ns)
{
	__u64 now = bpf_ktime_get_ns();

	(void)turn;
	if (now < *next_look_ns)
		return 0;
	*next_look_ns = now + RING_LOOK_NS;
	return ring_has_room();
}

/*
 * Waits until the ring has room for a batch. A frame that finds none goes back to the pool, under
 * the lock under which the receiver gives frames back, and the receiver would do little but wait.
 * Only at the beginning of a batch: until its end the receiver may not have been woken.
 */
static void room_await(void)
{
	__u64 next_look_ns = 0;

	if (!ring_has_room())
		bpf_loop(WAIT_TURNS, room_is_there, &next_look_ns, 0);
}

/*
 * Waits here until it is the next group's turn; after XDP_DROP the frame would go back to the pool.
 * Who lost the processor for a while catches up at no more than four times the rate.
 */
static void turn_await(void)
{
	__u64 now = bpf_ktime_get_ns(), pause = state.group_ns / 4, until;

	state.next_ns += state.group_ns;
	if (state.next_ns + LAG_NS < now)
		state.next_ns = now;
	until = state.next_ns > state.last_ns + pause ? state.next_ns : state.last_ns + pause;
	if (now < until) {
		bpf_loop(WAIT_TURNS, time_is_up, &until, 0);
		now = until;
	}
	state.last_ns = now;
}

static int frame_send(void)
{
	return settings.silent ? XDP_DROP : bpf_redirect(settings.device, 0);
}

SEC("xdp")
int flood(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;
	__u64 random;
	__u32 sum;

	if ((void *)(frame + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	if (state.group_ns && state.sent % (state.group & 0xff ?: 1) == 0)
		turn_await();
	if (settings.patient && state.sent % (settings.batch ?: 1) == 0)
		room_await();
	random = dice_throw();
	state.sent++;
	/*
	 * What a card writes is in the receiver's cache soon; what another processor has written is
	 * fetched from there at the first look, which can take longer than all the rest. So at full
	 * speed only some frames are new, the others are as they were, each with its own source.
	 */
	if (frame->src && (__u32)(random >> 32) % (settings.fresh ?: 1))
		return frame_send();
	/* Of 10.0.0.0/8. */
	frame->src = bpf_htonl(0x0a000000 | (random & 0xffffff));
	frame->sport = random >> 48;
	frame->seq = random >> 24;
	sum = (frame->src & 0xffff) + (frame->src >> 16);
	frame->ip_check = sum_fold(settings.ip_sum + sum);
	sum += frame->sport + (frame->seq & 0xffff) + (frame->seq >> 16);
	frame->tcp_check = sum_fold(settings.tcp_sum + sum);
	return frame_send();
}

/* No rate of drops can be higher. */
SEC("xdp.frags")
int bare_drop(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_DROP;
}

/* The least that lets other traffic through: two comparisons at fixed offsets. */
SEC("xdp.frags")
int bare_filter(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;

	if ((void *)(frame + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	return frame->ip_start[9] == 6 && frame->dport == bpf_htons(SSH) ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
