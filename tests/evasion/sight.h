/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that can be seen of a case, as bits: what the host answers, and what its sockets get. What is
 * seen belongs to a case by its address or, where several share one, by its port or payload.
 */
#ifndef KNOCKD_EVASION_SIGHT_H
#define KNOCKD_EVASION_SIGHT_H

#include <netinet/in.h>

#include "case.h"

enum sight {
	SEEN_SYN_ACK = 1,      /* or another TCP segment that no closed port sends */
	SEEN_ACCEPTED = 2,     /* a connection at a listening socket */
	SEEN_DATAGRAM = 4,     /* at a socket */
	SEEN_RESET = 8,        /* from the port */
	SEEN_UNREACHABLE = 16, /* an ICMP error that says so of the port */
	SEEN_ERROR = 32,       /* another ICMP error */
	SEEN_GROUP = 64,       /* at a socket, a datagram to a broadcast or multicast address */
};

#define SEEN_REACHED (SEEN_SYN_ACK | SEEN_ACCEPTED | SEEN_DATAGRAM | SEEN_GROUP)
#define SEEN_REFUSED (SEEN_RESET | SEEN_UNREACHABLE)

struct watch {
	const struct port_set *ports;
	uint8_t *seen;        /* bits of each case, */
	uint32_t count;       /* so many */
	uint32_t last;        /* the case that was sent last */
	unsigned long strays; /* signs of having got through that belong to no case */
};

/**
 * watch_frame() - A frame that the host sent.
 * @inside: to itself, so that nobody is answered: it tells only that something got through
 */
void watch_frame(struct watch *w, const uint8_t *frame, size_t len, bool inside);

/** watch_peer() - A socket of the host heard of @peer, an address of either family. */
void watch_peer(struct watch *w, enum sight sight, const struct sockaddr_in6 *peer,
		const uint8_t *payload, size_t len);

#endif
