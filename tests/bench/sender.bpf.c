// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the benchmark puts beside the programs under test: the null program, and senders, which give
 * each repetition of BPF_PROG_TEST_RUN a source address of its own and hand the packet to whatever
 * is in the table "target". They keep state in memory that is mapped by the benchmark.
 */
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target SEC(".maps");

/*
 * The source's last 32 bits, in the host's order: upper half of the state, cut to the mask, in the
 * base. A linear congruential generator; with the multiplier 1 a counter.
 */
struct {
	__u64 state, multiplier, increment;
	__u32 mask, base;
} rule;

/* The constants are the packet's offsets: what is overwritten lies within, or nothing is sent. */
static __always_inline int send(struct xdp_md *ctx, __u32 offset)
{
	void *data = (void *)(long)ctx->data;

	rule.state = rule.state * rule.multiplier + rule.increment;
	if (data + offset + sizeof(__be32) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	*(__be32 *)(data + offset) = bpf_htonl((rule.state >> 32 & rule.mask) | rule.base);
	bpf_tail_call(ctx, &target, 0);
	return XDP_ABORTED;
}

SEC("xdp.frags")
int send4(struct xdp_md *ctx)
{
	return send(ctx, ETH_HLEN + offsetof(struct iphdr, saddr));
}

SEC("xdp.frags")
int send6(struct xdp_md *ctx)
{
	return send(ctx, ETH_HLEN + offsetof(struct ipv6hdr, saddr) + 3 * sizeof(__be32));
}

/* What every budget is a multiple of. */
SEC("xdp.frags")
int null(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

/* The same once more: held against the first one, it shows what the measuring itself adds. */
SEC("xdp.frags")
int null_again(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}
