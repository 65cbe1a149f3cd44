/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts about the host that decide whether a config is wise on it. */
#ifndef KNOCKD_FACTS_H
#define KNOCKD_FACTS_H

#include <stdbool.h>
#include <stdint.h>

/* A set of ports of one protocol, one bit each. */
struct port_set {
	uint8_t bits[65536 / 8];
};

/* What check_conf() may know of the host it runs on; a part that is unknown is left out. */
struct host_facts {
	bool ports_known;                  /* the two below hold */
	struct port_set tcp_listening, udp_bound;
	bool local_range_known;            /* net.ipv4.ip_local_port_range */
	uint16_t local_first, local_last;
	struct port_set local_reserved;    /* net.ipv4.ip_local_reserved_ports */
	bool mode_known;                   /* the config file's permission bits */
	unsigned int mode;                 /* st_mode & 07777 */
};

static inline void port_set_add(struct port_set *set, uint16_t port)
{
	set->bits[port / 8] |= (uint8_t)(1 << port % 8);
}

static inline bool port_set_has(const struct port_set *set, uint16_t port)
{
	return set->bits[port / 8] >> port % 8 & 1;
}

/** host_facts_served() - The ports of TCP or UDP on which a socket waits. */
static inline const struct port_set *host_facts_served(const struct host_facts *facts, bool udp)
{
	return udp ? &facts->udp_bound : &facts->tcp_listening;
}

/** host_facts_read() - Read them from /proc/net and /proc/sys, and @file's mode. Never fails. */
void host_facts_read(struct host_facts *facts, const char *file);

/** host_facts_read_at() - host_facts_read() with another directory than "/proc", as tests need. */
void host_facts_read_at(struct host_facts *facts, const char *proc, const char *file);

#endif
