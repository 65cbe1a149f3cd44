/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A case: one SYN, one datagram or one train of fragments to a guarded port, mutated. It is a pure
 * function of a seed and a number, so that what is found once can be made again.
 */
#ifndef KNOCKD_EVASION_CASE_H
#define KNOCKD_EVASION_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CASE_FRAMES_MAX = 96,
	CASE_BYTES_MAX = 1 << 18,
	FRAME_MIN = 14,
	FRAME_MAX = 9014, /* the wire's MTU of 9000 and its header */
	MUTATIONS_MAX = 4,
	CASE_PORT_FIRST = 20000,
	CASE_PORTS = 40000,
};

enum { TCP_PORTS = 2, UDP_PORTS = 4 };

/*
 * The ports that the cases go to: those that are guarded, or as many that nobody uses, so far from
 * them that a few changed bits make none of the others.
 */
struct port_set {
	uint16_t tcp[TCP_PORTS], udp[UDP_PORTS];
};

extern const struct port_set ports_guarded, ports_unused;

/* How all cases come to the host, beside what is mutated. */
struct approach {
	uint8_t mac[6];       /* of the device that they are for */
	unsigned int vid;     /* in this VLAN; 0: none */
	bool vxlan;           /* each frame in a VXLAN packet to the guarded device */
	uint8_t vxlan_mac[6]; /* of the device in the tunnel */
};

struct evasion_case {
	uint32_t index;
	uint8_t family; /* 4 or 6 */
	bool udp;
	uint16_t sport, dport;
	uint32_t packet; /* where in the first frame the IP header begins */
	unsigned int mutation[MUTATIONS_MAX], mutations; /* kinds; the first is the case's own */
	unsigned int count;
	struct {
		uint32_t at, len;
	} frame[CASE_FRAMES_MAX];
	uint32_t used;
	uint8_t bytes[CASE_BYTES_MAX];
};

/** case_make() - The case @index of @seed. */
void case_make(uint64_t seed, uint32_t index, const struct port_set *ports,
	       const struct approach *approach, struct evasion_case *c);

/** case_index() - Whose source address this is, of 4 or 16 bytes; UINT32_MAX: no case's own. */
uint32_t case_index(int family, const uint8_t *address);

/** kind_count(), kind_name(), kind_reaches() - Kinds of mutations; those that must get through. */
unsigned int kind_count(void);
const char *kind_name(unsigned int kind);
bool kind_reaches(unsigned int kind);

#endif
