/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The numbers of doors, streams, states and protected ports. Grants, progress and counters refer to
 * them and outlive a config: what a config has in common with the one before keeps its number, and
 * nothing new gets one that may still mean another. For compile.c and automaton.c.
 */
#ifndef KNOCKD_NUMBERING_H
#define KNOCKD_NUMBERING_H

#include "compile.h"

/*
 * Times of knocks are kept in 32 bits and compared by difference. No Seq_Timeout that the parser
 * lets through is cut.
 */
enum { TIMEOUT_MAX = 0x7fffffff };

struct former;
struct way;

struct numbering {
	__u32 *door;             /* the number of each door of the config */
	unsigned int hz;
	size_t state_room;       /* all numbers of states are below it */

	/* The rest is numbering.c's own. */
	struct heritage heritage; /* without a state, a door and a port where there is none */
	struct former *former;    /* state_room: what each number means in the heritage */
	struct way *way;          /* sorted */
	size_t way_count;
	__u32 state_next;         /* no lower number is free */
	bool crowded;             /* numbers ran out: those of removed states had to be taken */
	bool *guard_taken;        /* by the heritage; none where no port is protected */
	__u32 *guard;             /* PORT_ICMP_FIRST: of each protected port, in the heritage too */
	__u32 guard_next;
};

/** numbering_class() - Which table of ports @door is about: 0, or 1 + its place in the remotes. */
__u32 numbering_class(const struct compiled *c, const struct conf_door *door);

/** port_index() - The place of a knock or protected port in a table of ports. */
static inline size_t port_index(enum conf_proto proto, unsigned int number)
{
	return number + (proto == CONF_TCP ? 0 : proto == CONF_UDP ? 65536 : PORT_ICMP_FIRST);
}

/**
 * numbering_begin() - Read the heritage and number the doors of @conf; make the tables of names,
 * states and paths in @c, the latter two with room for every state that there can be.
 * @n: zeroed; to be released with numbering_free(), also on failure
 *
 * Return: 0, −EINVAL when @heritage makes no sense, or −ENOMEM.
 */
int numbering_begin(struct numbering *n, const struct conf *conf, unsigned int hz,
		    const struct heritage *heritage, struct compiled *c);

/** numbering_free() - Release what @n itself has. */
void numbering_free(struct numbering *n);

/** numbering_door_stream() - What @door sees of knocks: its flags and Target; used, root 0. */
struct stream numbering_door_stream(const struct conf_door *door);

/**
 * numbering_stream_keep() - Give @stream the index that it has in the heritage, if it has one. To
 * be called for all streams before numbering_stream() gives any of them a new one.
 */
void numbering_stream_keep(struct numbering *n, struct compiled *c, const struct stream *stream);

/**
 * numbering_stream() - The index of @stream, given to it when it is first asked for.
 * Return: KNOCKD_STREAMS_MAX when there are too many.
 */
__u32 numbering_stream(struct numbering *n, struct compiled *c, const struct stream *stream);

/**
 * numbering_sequence_keep() - Keep the states of the @len knocks at @port, as far as the heritage
 * has them, from being given away. To be called for all sequences before numbering_state().
 */
void numbering_sequence_keep(struct numbering *n, __u32 stream, const __u32 *port, __u32 len);

/**
 * numbering_state() - The number of the state to which a knock at @port leads from @parent. It is
 * taken once its path is in use, which is up to the caller.
 */
__u32 numbering_state(struct numbering *n, const struct compiled *c, __u32 parent, __u32 port);

/**
 * numbering_retire() - Add to the states of the config, all of which have their numbers, those that
 * the heritage has beside them: for as long as progress can be alive there.
 */
void numbering_retire(struct numbering *n, struct compiled *c);

/**
 * numbering_guard() - The guard of the protected port at @index of any of the tables, given to it
 * when it is first asked for.
 */
__u32 numbering_guard(struct numbering *n, struct compiled *c, size_t index);

#endif
