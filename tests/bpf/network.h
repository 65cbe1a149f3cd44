/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network in which the fixtures run: a namespace of its own, so that no route and no socket of
 * the machine matters.
 *
 *   door0  guarded; the host's addresses; peer0 is the other end of the cable
 *   lan0   a network behind this host, to which it may forward
 *   lo     has the live address too, so that a session from there is one of this host's own sockets
 */
#ifndef KNOCKD_TEST_NETWORK_H
#define KNOCKD_TEST_NETWORK_H

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_packet.h>

#include "packet_builder.h"

struct addresses {
	const char *host;      /* of this host */
	const char *group;     /* multicast */
	const char *stranger;  /* a source nobody knows */
	const char *neighbour; /* next to the stranger */
	const char *trusted;   /* in the prefixes that configs trust */
	const char *live;      /* where sessions come from */
	const char *elsewhere; /* another host, behind this one */
};

static const struct addresses addresses4 = {
	.host = "192.0.2.1",
	.group = "224.0.0.251",
	.stranger = "198.51.100.77",
	.neighbour = "198.51.100.78",
	.trusted = "203.0.113.200",
	.live = "198.51.100.7",
	.elsewhere = "203.0.113.9",
};

static const struct addresses addresses6 = {
	.host = "2001:db8:2::1",
	.group = "ff02::fb",
	.stranger = "2001:db8:77::77",
	.neighbour = "2001:db8:77::78",
	.trusted = "2001:db8:3::200",
	.live = "2001:db8:7::7",
	.elsewhere = "2001:db8:3::9",
};

static const char *const network_commands[] = {
	"link set lo up",
	"link add door0 address 02:00:00:00:00:01 type veth "
		"peer name peer0 address 02:00:00:00:00:02",
	"link add lan0 type veth peer name lan1",
	"link set door0 up",
	"link set peer0 up",
	"link set lan0 up",
	"link set lan1 up",
	"address add 192.0.2.1/24 broadcast 192.0.2.255 dev door0",
	"address add 2001:db8:2::1/64 dev door0 nodad",
	"address add 203.0.113.1/24 dev lan0",
	"address add 2001:db8:3::1/64 dev lan0 nodad",
	"address add 198.51.100.7/32 dev lo",
	"address add 2001:db8:7::7/128 dev lo nodad",
	"neighbour add 192.0.2.2 lladdr 02:00:00:00:00:02 dev door0",
	"neighbour add 2001:db8:2::2 lladdr 02:00:00:00:00:02 dev door0",
	"route add default via 192.0.2.2",
	"route add default via 2001:db8:2::2",
};

static inline void setting_write(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0) {
		fprintf(stderr, "cannot write %s: %s\n", path, strerror(errno));
		exit(1);
	}
	close(fd);
}

/** network_make() - Enter a new namespace and build the network; exits where that fails. */
static inline void network_make(void)
{
	FILE *ip;

	if (unshare(CLONE_NEWNET)) {
		fprintf(stderr, "the fixtures need root: unshare: %s\n", strerror(errno));
		exit(1);
	}
	setting_write("/proc/sys/net/ipv4/conf/all/rp_filter", "0");
	setting_write("/proc/sys/net/ipv4/conf/default/rp_filter", "0");
	ip = popen("ip -batch -", "w");
	for (size_t i = 0; ip && i < sizeof(network_commands) / sizeof(*network_commands); i++)
		fprintf(ip, "%s\n", network_commands[i]);
	if (!ip || pclose(ip)) {
		fprintf(stderr, "cannot build the network of the fixtures\n");
		exit(1);
	}
}

/** network_forward() - Whether the host forwards what arrives on door0. */
static inline void network_forward(bool forward)
{
	setting_write("/proc/sys/net/ipv4/conf/door0/forwarding", forward ? "1" : "0");
	setting_write("/proc/sys/net/ipv6/conf/door0/forwarding", forward ? "1" : "0");
}

/* ---- sockets ---- */

enum { SOCKETS_MAX = 64 };

/* Those of one fixture, closed at its end. */
struct sockets {
	int at[SOCKETS_MAX];
	size_t count;
};

static inline int sockets_keep(struct sockets *sockets, int fd)
{
	assert_true(fd >= 0);
	assert_true(sockets->count < SOCKETS_MAX);
	sockets->at[sockets->count++] = fd;
	return fd;
}

/* Without a trace: what is still connected is reset, so that no TIME_WAIT is left behind. */
static inline void sockets_close(struct sockets *sockets)
{
	struct linger now = { .l_onoff = 1 };

	while (sockets->count) {
		int fd = sockets->at[--sockets->count];

		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(fd);
	}
}

/* Close one before the fixture's end, in the orderly way. */
static inline void sockets_finish(struct sockets *sockets, int fd)
{
	for (size_t i = 0; i < sockets->count; i++) {
		if (sockets->at[i] == fd) {
			sockets->at[i] = sockets->at[--sockets->count];
			assert_int_equal(0, close(fd));
			return;
		}
	}
	fail();
}

static inline socklen_t endpoint(struct sockaddr_storage *storage, int family, const char *address,
				 uint16_t port)
{
	struct sockaddr_in6 *v6 = (void *)storage;
	struct sockaddr_in *v4 = (void *)storage;

	memset(storage, 0, sizeof(*storage));
	if (family == 4) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		if (address)
			address_read((uint8_t *)&v4->sin_addr, address, 4);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	if (address)
		address_read((uint8_t *)&v6->sin6_addr, address, 6);
	return sizeof(*v6);
}

/* A socket bound to @address, or to every address where that is NULL. */
static inline int socket_bound(struct sockets *sockets, int family, int type, const char *address,
			       uint16_t port)
{
	int fd = sockets_keep(sockets, socket(family == 4 ? AF_INET : AF_INET6,
					      type | SOCK_CLOEXEC, 0));
	struct sockaddr_storage local;
	int one = 1;

	assert_int_equal(0, setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	if (family == 6)
		assert_int_equal(0, setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)));
	assert_int_equal(0, bind(fd, (void *)&local, endpoint(&local, family, address, port)));
	return fd;
}

static inline void socket_connect(int fd, int family, const char *address, uint16_t port)
{
	struct sockaddr_storage remote;

	assert_int_equal(0, connect(fd, (void *)&remote, endpoint(&remote, family, address, port)));
}

static inline int socket_listening(struct sockets *sockets, int family, uint16_t port)
{
	int fd = socket_bound(sockets, family, SOCK_STREAM, NULL, port);

	assert_int_equal(0, listen(fd, 8));
	return fd;
}

struct session {
	int server, client;
};

/** session_join() - An established connection from the live address to @port of @host, where
 * @listener listens. */
static inline struct session session_join(struct sockets *sockets, int listener, int family,
					  const struct addresses *a, uint16_t source_port,
					  uint16_t port)
{
	struct session s = {
		.client = socket_bound(sockets, family, SOCK_STREAM, a->live, source_port),
	};

	socket_connect(s.client, family, a->host, port);
	s.server = sockets_keep(sockets, accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	return s;
}

/** session_open() - The same with a listener of its own. */
static inline struct session session_open(struct sockets *sockets, int family,
					  const struct addresses *a, uint16_t source_port,
					  uint16_t port)
{
	int listener = socket_listening(sockets, family, port);

	return session_join(sockets, listener, family, a, source_port, port);
}

/** tcp_state() - State of this host's TCP socket with these ports, as the kernel has it; or 0. */
static inline unsigned int tcp_state(int family, uint16_t port, uint16_t remote_port)
{
	FILE *table = fopen(family == 4 ? "/proc/net/tcp" : "/proc/net/tcp6", "r");
	unsigned int local, remote, state, found = 0;
	char line[512];

	assert_non_null(table);
	while (fgets(line, sizeof(line), table))
		if (sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%x %x", &local, &remote,
			   &state) == 3 && local == port && remote == remote_port)
			found = state;
	fclose(table);
	return found;
}

/* The kernel's own numbers (include/net/tcp_states.h). */
enum { STATE_ESTABLISHED = 1, STATE_SYN_RECV = 3, STATE_TIME_WAIT = 6, STATE_LISTEN = 10 };

/** tcp_reaches() - Let the kernel come to it; it mostly is there at once. */
static inline bool tcp_reaches(int family, uint16_t port, uint16_t remote_port, unsigned int state)
{
	time_t give_up = time(NULL) + 5;

	while (tcp_state(family, port, remote_port) != state)
		if (time(NULL) > give_up)
			return false;
	return true;
}

/** frame_arrive() - Let the kernel receive the packet on door0. */
static inline void frame_arrive(const struct frame *f)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct sockaddr_ll peer = {
		.sll_family = AF_PACKET,
		.sll_ifindex = if_nametoindex("peer0"),
	};

	assert_true(fd >= 0);
	assert_int_equal(f->len, sendto(fd, f->bytes, f->len, 0, (void *)&peer, sizeof(peer)));
	close(fd);
}

#endif
