// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The two doors. The outer one (XDP) is fast and drops only what it is sure of; the inner one
 * (sk_lookup) is exact, because the kernel has parsed the packet, and is asked only when the kernel
 * looks for a listening socket. Both read the same grants, flows and trusted sources.
 */
#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "judge.h"
#include "order.h"
#include "quick.h"
#include "verdict.h"

char _license[] SEC("license") = "GPL";

/* The walks of packet.h over headers without a bound, each verified once. */
__noinline __u32 packet_skip_tags(struct xdp_md *ctx, __u32 offset)
{
	struct cursor c = frame_cursor(ctx);

	return vlan_walk(&c, offset);
}

__noinline __u32 packet_skip_extensions(struct xdp_md *ctx, __u32 offset, __u32 type, __u32 limit)
{
	struct cursor c = frame_cursor(ctx);

	return extension_walk(&c, offset, type, limit);
}

SEC("xdp")
int knockd_outer(struct xdp_md *ctx)
{
	struct cursor c = frame_cursor(ctx);
	int reason = plain_way(&c, -1, plain_glance);

	/* What there may be most of, each at its shortest. */
	if (reason == REASON_OTHER)
		return verdict_xdp(REASON_OTHER);
	if (reason == REASON_CLOSED)
		return verdict_xdp(REASON_CLOSED);
	return verdict_xdp(reason < 0 ? packet_judge(ctx) : reason);
}

/*
 * A config on trial: until it is confirmed each door has a program that looks at the time first.
 * Past it the config before judges, and where there is none, nobody.
 */
static __always_inline bool trial_over(void)
{
	const volatile struct trial_term *t = table(&trial);
	__u64 until = t ? t->until : 0;

	return until && until <= bpf_jiffies64();
}

SEC("xdp")
int knockd_outer_trial(struct xdp_md *ctx)
{
	if (trial_over()) {
		bpf_tail_call(ctx, &former_outer, 0);
		return verdict_xdp(REASON_UNCONFIRMED);
	}
	return verdict_xdp(packet_judge(ctx));
}

/* ---- the inner door ---- */

/* The connection that the kernel looks a listening socket up for, as the outer door knows it. */
static __always_inline struct packet lookup_packet(const struct bpf_sk_lookup *ctx)
{
	struct packet p = {
		.source_port_be = ctx->remote_port,
		.destination_port_be = bpf_htons(ctx->local_port),
		.number = ctx->local_port,
		.proto = ctx->protocol == IPPROTO_TCP ? PROTO_TCP :
			 ctx->protocol == IPPROTO_UDP ? PROTO_UDP : PROTO_NONE,
		.source.family = ctx->family == ADDRESS_FAMILY_IPV4 ? 4 : 6,
	};

	if (p.source.family == 4) {
		p.source.word_be[0] = ctx->remote_ip4;
		p.destination_be[0] = ctx->local_ip4;
		/* The context takes constant offsets only: the two branches must not become one. */
		asm volatile("");
	} else {
		p.source.word_be[0] = ctx->remote_ip6[0];
		p.source.word_be[1] = ctx->remote_ip6[1];
		p.source.word_be[2] = ctx->remote_ip6[2];
		p.source.word_be[3] = ctx->remote_ip6[3];
		p.destination_be[0] = ctx->local_ip6[0];
		p.destination_be[1] = ctx->local_ip6[1];
		p.destination_be[2] = ctx->local_ip6[2];
		p.destination_be[3] = ctx->local_ip6[3];
	}
	return p;
}

static __always_inline enum reason lookup_judge(struct bpf_sk_lookup *ctx)
{
	struct packet p = lookup_packet(ctx);
	__u32 device = ctx->ingress_ifindex;
	const struct port *port = p.proto == PROTO_NONE ? NULL : port_at(p.proto, p.number, 0);
	__u64 now;

	if (!port || !port->guard || !bpf_map_lookup_elem(&guarded, &device))
		return REASON_INNER_OTHER;
	now = bpf_jiffies64();
	if (source_trusted(&p.source, port->area))
		return REASON_INNER_TRUSTED;
	if (p.proto == PROTO_TCP) {
		if (admit_connection(&p, SOCKET_NONE, port->area, now))
			return REASON_INNER_GRANTED;
	} else {
		switch (packet_flow_judge(&p, FLOW_DATAGRAM, port->area, now)) {
		case REASON_FLOW:
			return REASON_INNER_FLOW;
		case REASON_GRANTED:
			return REASON_INNER_GRANTED;
		default:
			break;
		}
	}
	/* From one of our addresses: this host to itself, or the outer door has refused it. */
	if (source_is_ours(&p.source))
		return REASON_INNER_OTHER;
	port_refused(port, &p.source, p.proto, p.number, REASON_INNER_CLOSED, now);
	return REASON_INNER_CLOSED;
}

/* Whether the outer door only wants to know which sockets there are. */
static __always_inline bool lookup_is_ours(void)
{
	const __u32 *asking = table(&looking);

	return asking && *asking;
}

SEC("sk_lookup")
int knockd_inner(struct bpf_sk_lookup *ctx)
{
	return lookup_is_ours() ? SK_PASS : verdict_sk_lookup(lookup_judge(ctx));
}

SEC("sk_lookup")
int knockd_inner_trial(struct bpf_sk_lookup *ctx)
{
	if (lookup_is_ours())
		return SK_PASS;
	if (trial_over()) {
		bpf_tail_call(ctx, &former_inner, 0);
		return verdict_sk_lookup(REASON_UNCONFIRMED);
	}
	return verdict_sk_lookup(lookup_judge(ctx));
}

/* ---- for the daemon and knockctl ---- */

/* What the programs' clock shows, so that the daemon can tell it in its own. */
SEC("syscall")
int knockd_clock(struct clock_reading *reading)
{
	reading->jiffies = bpf_jiffies64();
	reading->monotonic_ns = bpf_ktime_get_ns();
	return 0;
}

/* An order of an administrator; returns enum order_result. */
SEC("syscall")
int knockd_order(struct order_form *form)
{
	return order_obey(form);
}
