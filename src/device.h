/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network devices of this namespace, as rtnetlink(7) tells of them. */
#ifndef KNOCKD_DEVICE_H
#define KNOCKD_DEVICE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "knockd/abi.h"

struct device {
	unsigned int index;
	char name[IF_NAMESIZE];
	char kind[16];         /* IFLA_INFO_KIND, such as "vlan"; empty for hardware */
	unsigned short type;   /* ARPHRD_… */
	unsigned int master;   /* index; 0: none */
	unsigned int lower;    /* IFLA_LINK: index of the device below, 0: none or elsewhere */
	unsigned int mtu;      /* bytes */
	bool up;               /* administratively */
	bool guarded;          /* one of those that devices_stack() was told */
	bool stacked;          /* on one of those */
};

/* Those to guard, in the order in which they were named. */
struct interface_names {
	char name[KNOCKD_INTERFACES_MAX][IF_NAMESIZE];
	unsigned int count;
};

/* The devices of those interfaces, by their place in the list; NULL: it is not there. */
struct guarded {
	const struct device *at[KNOCKD_INTERFACES_MAX];
	unsigned int count; /* of places */
};

struct devices {
	struct device *at;
	size_t count;
	struct source *address; /* of this host, on any device */
	size_t address_count;
};

/**
 * devices_read() - All devices and addresses. Return: 0 or −errno.
 * Release with devices_free().
 */
int devices_read(struct devices *devices);
void devices_free(struct devices *devices);

/** devices_find() - The device of that name or index, or NULL. */
const struct device *devices_find(const struct devices *devices, const char *name);
const struct device *devices_find_index(const struct devices *devices, unsigned int index);

/** devices_names() - All names but lo's, separated by blanks, in @text of @size bytes. */
void devices_names(const struct devices *devices, char *text, size_t size);

/**
 * devices_stack() - Find the devices on which a packet may arrive that came in by one of @index:
 * VLANs, macvlans and their like, and the bridge or bond that one of them belongs to, in any number
 * of layers. Tunnels are not: their packets are the tunnel's, and guarded only where its device is.
 * @index: @count indices of devices that are guarded; 0: none
 */
void devices_stack(struct devices *devices, const unsigned int *index, unsigned int count);

/**
 * device_delivers() - Whether packets that @device takes in can reach sockets of this host without
 * having passed a device that is guarded; devices_stack() must have been told of those.
 */
bool device_delivers(const struct device *device);

/** device_parsed() - Whether frames of the device are of a kind that the programs read. */
bool device_parsed(const struct device *device);

/** guarded_frames() - How the frames of those that are there begin. */
enum frames guarded_frames(const struct guarded *guarded);

/** guarded_any() - Whether one of them is there. */
bool guarded_any(const struct guarded *guarded);

/** device_default_route() - Name of the device of the IPv4 default route in @name; 0 or −ENOENT. */
int device_default_route(char name[IF_NAMESIZE]);

/** device_forwards() - Whether the host forwards what arrives on the device, IPv4 or IPv6. */
bool device_forwards(const char *name);

/**
 * device_native_hint() - What keeps a driver from native XDP, as far as it can be seen from here,
 * and what to do about it; in @text of @size bytes, empty when nothing is to be seen.
 */
void device_native_hint(const struct device *device, char *text, size_t size);

/**
 * devices_watch() - A non-blocking socket that becomes readable when devices, addresses or
 * forwarding change.
 * Return: the descriptor or −errno.
 */
int devices_watch(void);

/** devices_watch_drain() - Read what is there, so that the next change is seen. */
void devices_watch_drain(int fd);

#endif
