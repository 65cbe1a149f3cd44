// SPDX-License-Identifier: GPL-2.0-or-later
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void device_kind_read(struct device *device, const struct nlattr *info)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, info) {
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			snprintf(device->kind, sizeof(device->kind), "%s", mnl_attr_get_str(attr));
	}
}

static int device_add(const struct nlmsghdr *message, void *data)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct devices *devices = data;
	struct device *more, *device;
	const struct nlattr *attr;
	bool elsewhere = false;

	if (message->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	more = realloc(devices->at, (devices->count + 1) * sizeof(*more));
	if (!more)
		return MNL_CB_ERROR;
	devices->at = more;
	device = &more[devices->count++];
	*device = (struct device){
		.index = info->ifi_index,
		.type = info->ifi_type,
		.up = info->ifi_flags & IFF_UP,
	};
	mnl_attr_for_each(attr, message, sizeof(*info)) {
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
				snprintf(device->name, sizeof(device->name), "%s",
					 mnl_attr_get_str(attr));
			break;
		case IFLA_MTU:
			if (mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
				device->mtu = mnl_attr_get_u32(attr);
			break;
		case IFLA_MASTER:
			if (mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
				device->master = mnl_attr_get_u32(attr);
			break;
		case IFLA_LINK:
			if (mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
				device->lower = mnl_attr_get_u32(attr);
			break;
		case IFLA_LINK_NETNSID:
			elsewhere = true;
			break;
		case IFLA_LINKINFO:
			if (mnl_attr_validate(attr, MNL_TYPE_NESTED) >= 0)
				device_kind_read(device, attr);
			break;
		}
	}
	if (elsewhere)
		device->lower = 0;
	return MNL_CB_OK;
}

static int address_add(const struct nlmsghdr *message, void *data)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr, *own = NULL;
	struct devices *devices = data;
	struct source *more, *address;

	if (message->nlmsg_type != RTM_NEWADDR ||
	    (info->ifa_family != AF_INET && info->ifa_family != AF_INET6))
		return MNL_CB_OK;
	/* On a point-to-point link the first is the peer's, and the second, which may be missing
	 * elsewhere, this host's. */
	mnl_attr_for_each(attr, message, sizeof(*info)) {
		if (mnl_attr_get_type(attr) == IFA_LOCAL ||
		    (mnl_attr_get_type(attr) == IFA_ADDRESS && !own))
			own = attr;
	}
	if (!own || mnl_attr_get_payload_len(own) > sizeof(address->word_be))
		return MNL_CB_OK;
	more = realloc(devices->address, (devices->address_count + 1) * sizeof(*more));
	if (!more)
		return MNL_CB_ERROR;
	devices->address = more;
	address = &more[devices->address_count++];
	*address = (struct source){ .family = info->ifa_family == AF_INET ? 4 : 6 };
	memcpy(address->word_be, mnl_attr_get_payload(own), mnl_attr_get_payload_len(own));
	return MNL_CB_OK;
}

/* Ask for a dump of @type and give each message to @callback. */
static int netlink_dump(int type, mnl_cb_t callback, void *data)
{
	char buffer[16384] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct nlmsghdr *request;
	struct ifinfomsg *info;
	ssize_t len;
	int more;

	if (!socket)
		return -errno;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		goto fail;
	request = mnl_nlmsg_put_header(buffer);
	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = 1;
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		goto fail;
	do {
		len = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (len < 0)
			goto fail;
		more = mnl_cb_run(buffer, len, 1, mnl_socket_get_portid(socket), callback, data);
	} while (more > 0);
	if (more < 0)
		goto fail;
	mnl_socket_close(socket);
	return 0;

fail:
	more = errno ? -errno : -EIO;
	mnl_socket_close(socket);
	return more;
}

int devices_read(struct devices *devices)
{
	struct devices found = {};
	int error = 0;

	/* A list that changed while it was read is read again. */
	for (int tries = 0; tries < 10 && (!tries || error == -EINTR); tries++) {
		devices_free(&found);
		error = netlink_dump(RTM_GETLINK, device_add, &found);
		if (!error)
			error = netlink_dump(RTM_GETADDR, address_add, &found);
	}
	if (error) {
		devices_free(&found);
		return error;
	}
	*devices = found;
	return 0;
}

void devices_free(struct devices *devices)
{
	free(devices->at);
	free(devices->address);
	*devices = (struct devices){};
}

const struct device *devices_find(const struct devices *devices, const char *name)
{
	for (size_t i = 0; i < devices->count; i++)
		if (!strcmp(devices->at[i].name, name))
			return &devices->at[i];
	return NULL;
}

const struct device *devices_find_index(const struct devices *devices, unsigned int index)
{
	for (size_t i = 0; i < devices->count; i++)
		if (devices->at[i].index == index)
			return &devices->at[i];
	return NULL;
}

void devices_names(const struct devices *devices, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < devices->count && used < size; i++) {
		if (!strcmp(devices->at[i].name, "lo"))
			continue;
		used += snprintf(text + used, size - used, "%s%s", used ? " " : "",
				 devices->at[i].name);
	}
}

/* Whether the device below @device only carries it, so that what arrives is not the same packet. */
static bool device_tunnels(const struct device *device)
{
	static const char *const kinds[] = {
		"amt", "bareudp", "erspan", "geneve", "gre", "gretap", "gtp", "ip6erspan", "ip6gre",
		"ip6gretap", "ip6tnl", "ipip", "netkit", "sit", "veth", "vti", "vti6", "vxlan",
		"wireguard", "xfrm",
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(device->kind, kinds[i]))
			return true;
	return false;
}

static bool index_listed(const unsigned int *index, unsigned int count, unsigned int wanted)
{
	for (unsigned int i = 0; i < count; i++)
		if (index[i] == wanted)
			return true;
	return false;
}

void devices_stack(struct devices *devices, const unsigned int *index, unsigned int count)
{
	bool more = true;

	for (size_t i = 0; i < devices->count; i++) {
		devices->at[i].guarded = index_listed(index, count, devices->at[i].index);
		devices->at[i].stacked = false;
	}
	while (more) {
		more = false;
		for (size_t i = 0; i < devices->count; i++) {
			struct device *device = &devices->at[i];

			for (size_t j = 0; j < devices->count && !device->stacked; j++) {
				const struct device *below = &devices->at[j];

				if (i == j || (!below->guarded && !below->stacked))
					continue;
				device->stacked = below->master == device->index ||
						  (device->lower == below->index &&
						   !device_tunnels(device));
				more |= device->stacked;
			}
		}
	}
}

bool device_delivers(const struct device *device)
{
	/* What arrives at a device with a master is its master's; these take nothing in. */
	return device->up && !device->master && !device->guarded && !device->stacked &&
	       device->type != ARPHRD_LOOPBACK && strcmp(device->kind, "dummy") &&
	       strcmp(device->kind, "ifb") && strcmp(device->kind, "nlmon");
}

bool device_parsed(const struct device *device)
{
	switch (device->type) {
	case ARPHRD_ETHER:
	case ARPHRD_NONE:
	case ARPHRD_PPP:
	case ARPHRD_RAWIP:
		return true;
	default:
		return false;
	}
}

enum frames guarded_frames(const struct guarded *guarded)
{
	bool ethernet = false, ip = false;

	for (unsigned int i = 0; i < guarded->count; i++) {
		if (!guarded->at[i])
			continue;
		if (guarded->at[i]->type == ARPHRD_ETHER)
			ethernet = true;
		else
			ip = true;
	}
	return ethernet && ip ? FRAMES_MIXED : ip ? FRAMES_IP : FRAMES_ETHERNET;
}

bool guarded_any(const struct guarded *guarded)
{
	for (unsigned int i = 0; i < guarded->count; i++)
		if (guarded->at[i])
			return true;
	return false;
}

struct default_route {
	unsigned int index;
	unsigned int metric;
};

static int route_add(const struct nlmsghdr *message, void *data)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	struct default_route *best = data;
	unsigned int index = 0, metric = 0;
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWROUTE || route->rtm_family != AF_INET ||
	    route->rtm_dst_len || route->rtm_table != RT_TABLE_MAIN)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, message, sizeof(*route)) {
		if (mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
			continue;
		if (mnl_attr_get_type(attr) == RTA_OIF)
			index = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == RTA_PRIORITY)
			metric = mnl_attr_get_u32(attr);
	}
	if (index && (!best->index || metric < best->metric))
		*best = (struct default_route){ index, metric };
	return MNL_CB_OK;
}

int device_default_route(char name[IF_NAMESIZE])
{
	struct default_route best = {};
	int error = netlink_dump(RTM_GETROUTE, route_add, &best);

	if (error)
		return error;
	return best.index && if_indextoname(best.index, name) ? 0 : -ENOENT;
}

static bool setting_is_on(const char *family, const char *name)
{
	char path[96], value = '0';
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/forwarding", family, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, &value, 1) != 1)
		value = '0';
	close(fd);
	return value != '0';
}

bool device_forwards(const char *name)
{
	return setting_is_on("ipv4", name) || setting_is_on("ipv6", name) ||
	       setting_is_on("ipv6", "all");
}

static int ethtool_ask(const char *name, void *command)
{
	struct ifreq request = { .ifr_data = command };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), result; /* any kind will do */

	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	result = ioctl(fd, SIOCETHTOOL, &request) ? -errno : 0;
	close(fd);
	return result;
}

void device_native_hint(const struct device *device, char *text, size_t size)
{
	struct ethtool_value flags = { .cmd = ETHTOOL_GFLAGS };
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	size_t used = 0;

	text[0] = '\0';
	/* A page, less the headroom and the tail that a driver of one buffer a packet needs. */
	if (device->mtu > 3498)
		used += snprintf(text + used, size - used,
				 "; its MTU is %u: try 'ip link set dev %s mtu 1500'", device->mtu,
				 device->name);
	if (used < size && !ethtool_ask(device->name, &flags) && flags.data & ETH_FLAG_LRO)
		used += snprintf(text + used, size - used,
				 "; LRO is on: try 'ethtool -K %s lro off'", device->name);
	if (used < size && !ethtool_ask(device->name, &channels) &&
	    channels.max_combined > 1 && channels.combined_count == channels.max_combined)
		snprintf(text + used, size - used,
			 "; all its %u channels are in use: try 'ethtool -L %s combined %u'",
			 channels.max_combined, device->name, channels.max_combined / 2);
}

int devices_watch(void)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
				      RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE), error;
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		goto fail;
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])))
			goto fail;
	return fd;

fail:
	error = -errno;
	close(fd);
	return error;
}

void devices_watch_drain(int fd)
{
	char buffer[8192];

	/* What has changed is read anew; an overrun (ENOBUFS) is a change like any other. */
	while (recv(fd, buffer, sizeof(buffer), 0) >= 0 || errno == ENOBUFS || errno == EINTR)
		;
}
