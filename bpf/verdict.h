/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The only place where a reason becomes an action, and where it is counted. */
#ifndef KNOCKD_VERDICT_H
#define KNOCKD_VERDICT_H

#include "event.h"
#include "maps.h"
#include "settings.h"

enum { REFUSALS_PER_SECOND = 5000 }; /* handed on for the kernel to refuse, under Closed = reset */

/** reason_acts() - What the table of reasons says of @reason. */
static __always_inline enum reason_action reason_acts(enum reason reason)
{
	switch (reason) {
#define REASON_ACTION(name, action, sentence) \
	case REASON_##name:                   \
		return REASON_##action;
		KNOCKD_REASONS(REASON_ACTION)
#undef REASON_ACTION
	default:
		return REASON_DROP;
	}
}

/** verdict_xdp() - Count @reason; return the XDP action that it stands for. */
static __always_inline int verdict_xdp(enum reason reason)
{
	reason_count(reason);
	switch (reason_acts(reason)) {
	case REASON_PASS:
		return XDP_PASS;
	case REASON_CLOSE:
		return settings.closed == CLOSED_ABORT ? XDP_ABORTED : XDP_DROP;
	default:
		return XDP_DROP;
	}
}

/** verdict_sk_lookup() - Count @reason; return SK_PASS or SK_DROP. */
static __always_inline int verdict_sk_lookup(enum reason reason)
{
	reason_count(reason);
	return reason_acts(reason) == REASON_PASS ? SK_PASS : SK_DROP;
}

/* Count a packet that a protected port refused; @guard: of the port, from 0. */
static __always_inline void port_count(__u32 guard)
{
	__u64 *count = bpf_map_lookup_elem(&port_counters, &guard);

	if (count)
		++*count;
}

/* Whether a report of what the port refused, the latest at @last, is due. Where there was none that
 * is 0, which is long ago: the clock begins in the billions. */
static __always_inline bool report_due(__u64 last, __u64 now)
{
	return now - last >= 60 * settings.second;
}

/** port_refused_quietly() - As port_refused(), unless there is a report to make; whether not. */
static __always_inline bool port_refused_quietly(const struct port *port, __u64 now)
{
	__u32 guard = port->guard - 1;
	const __u64 *last = bpf_map_lookup_elem(&port_reports, &guard);

	if (!last || report_due(*(const volatile __u64 *)last, now))
		return false;
	port_count(guard);
	return true;
}

/**
 * port_refused() - A protected port refused a packet: count it, and report the first in a minute.
 * @port: its entry in the table of ports; its guard is not 0
 */
static __always_inline void port_refused(const struct port *port, const struct source *source,
					 enum proto proto, __u16 number, enum reason reason,
					 __u64 now)
{
	__u32 guard = port->guard - 1;
	__u64 *report = bpf_map_lookup_elem(&port_reports, &guard);
	struct event *event;
	__u64 last;

	port_count(guard);
	if (!report)
		return;
	last = *(volatile __u64 *)report;
	if (!report_due(last, now))
		return;
	if (__sync_val_compare_and_swap(report, last, now) != last)
		return;
	event = event_begin(EVENT_BLOCKED, source, now);
	if (event) {
		event->reason = reason;
		event->port = number;
		event->proto = proto;
		bpf_ringbuf_submit(event, 0);
	}
}

#endif
