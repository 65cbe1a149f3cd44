/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a packet got its verdict: the one table from which the enum, the XDP action, the counters and
 * the sentences for people are made. New reasons go to the end: a reason's number is its counter.
 *
 * X(name, action, sentence). Actions: PASS and DROP are final; CLOSE is what the option Closed
 * says; NOTE is no verdict, only a counter of something that happened on the way.
 */
#ifndef KNOCKD_REASON_H
#define KNOCKD_REASON_H

#define KNOCKD_REASONS(X)                                                                          \
	X(OTHER, PASS, "nothing that knockd guards")                                               \
	X(FRAGMENT, PASS, "a later fragment, which is never put together without its first")       \
	X(FRAGMENT_SHORT, DROP, "a first fragment too short for its transport header")             \
	X(UNREADABLE, DROP, "headers that cannot be read, where no inner door could judge them")   \
	X(UNREADABLE_HANDED_ON, PASS, "headers that cannot be read here; the inner door judges")   \
	X(DHCP, PASS, "DHCP, never judged")                                                        \
	X(STRAY, PASS, "a packet to an unused port; it cleared its source's knocks")               \
	X(KNOCK, PASS, "to a knock port; answered like any closed port")                           \
	X(TRUSTED, PASS, "from a trusted source")                                                  \
	X(GRANTED, PASS, "admitted by a live grant")                                               \
	X(FLOW, PASS, "belongs to an admitted flow")                                               \
	X(SOCKET, PASS, "belongs to a live connection of this host")                               \
	X(SOCKET_UNSEEN, PASS, "maybe of a connection on a stacked device, which XDP cannot see")  \
	X(FORWARDED, PASS, "to another host; passes through untouched")                            \
	X(CLOSED, CLOSE, "to a protected port, without a grant")                                  \
	X(CLOSED_HANDED_ON, PASS, "to a protected port, handed on for the kernel to refuse")       \
	X(CLOSED_OVER_LIMIT, DROP, "to a protected port, more than the kernel is to refuse")       \
	X(INNER_OTHER, PASS, "at the inner door: not ours to judge")                               \
	X(INNER_TRUSTED, PASS, "at the inner door: from a trusted source")                         \
	X(INNER_GRANTED, PASS, "at the inner door: admitted by a live grant")                      \
	X(INNER_FLOW, PASS, "at the inner door: belongs to an admitted flow")                      \
	X(INNER_CLOSED, DROP, "refused at the inner door: a protected port, without a grant")      \
	X(OPENED, NOTE, "a door opened or a grant was renewed")                                    \
	X(CLOSED_BY_KNOCK, NOTE, "a grant ended by its Close_Sequence")                            \
	X(REFUSED_QUOTA, NOTE, "a right sequence, but the door has no grant left to give")         \
	X(REFUSED_FULL, NOTE, "a right sequence, but the table of grants had no place")            \
	X(REFUSED_SOURCE, NOTE, "a right sequence from a source that may not knock at the door")   \
	X(REPEATED, NOTE, "a repeated knock, which changes nothing")                               \
	X(WRONG, NOTE, "a knock that continues no sequence")                                       \
	X(PROGRESS_LOST, NOTE, "a knock lost: no memory for progress, or too many at once")        \
	X(FLOWS_FULL, NOTE, "a flow not recorded: its grant has too many")                         \
	X(EVENT_LOST, NOTE, "an event not reported: the ring buffer was full")                     \
	X(STAGE_UNSAID, NOTE, "a stage not reported: more than ten in this second")                \
	X(UNCONFIRMED, PASS, "the config was not confirmed in time, and there is none before it")  \
	X(CLOSED_UNPAID, CLOSE, "one more connection than its grant was for")                      \
	X(USED_UP, NOTE, "a grant used up by its connections")                                     \
	X(REFUSED_SPENT, NOTE, "a one-time sequence that was used before")                         \
	X(TASK_LOST, NOTE, "a command not run: too many doors opened at once")

#define KNOCKD_REASON_ENUM(name, action, sentence) REASON_##name,
enum reason { KNOCKD_REASONS(KNOCKD_REASON_ENUM) REASON_COUNT };
#undef KNOCKD_REASON_ENUM

enum reason_action { REASON_PASS, REASON_DROP, REASON_CLOSE, REASON_NOTE };

#endif
