// SPDX-License-Identifier: GPL-2.0-or-later
#include "host.h"

#include "recipe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

enum { SOCKETS_MAX = 16, PATIENCE_MS = 3000, FORGET_S = 30, WIRE_BUFFER = 64 << 20 };

struct host {
	int wire, loop, before, inside;
	int tcp[SOCKETS_MAX], udp[SOCKETS_MAX];
	unsigned int tcps, udps;
	uint16_t ping;
};

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "evasion: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void option_set(int s, int level, int name, int value)
{
	check(!setsockopt(s, level, name, &value, sizeof(value)), "setsockopt");
}

/* ---- listening ---- */

enum stack { STACK_BOTH, STACK_4, STACK_6 };

static int socket_bound(int type, int protocol, enum stack stack, uint16_t port)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(port) };
	bool is4 = stack == STACK_4;
	int s = socket(is4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

	check(s >= 0, "socket");
	option_set(s, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!is4)
		option_set(s, IPPROTO_IPV6, IPV6_V6ONLY, stack == STACK_6);
	check(!bind(s, is4 ? (struct sockaddr *)&four : (struct sockaddr *)&six,
		    is4 ? sizeof(four) : sizeof(six)), "bind");
	return s;
}

static void tcp_listen(struct host *h, int protocol, enum stack stack, uint16_t port)
{
	int s = socket_bound(SOCK_STREAM, protocol, stack, port);

	check(!listen(s, 4096), "listen");
	h->tcp[h->tcps++] = s;
}

static void group_join(int s, int family, const char *group)
{
	struct ip_mreqn four = { .imr_ifindex = if_nametoindex("eth0") };
	struct ipv6_mreq six = { .ipv6mr_interface = if_nametoindex("eth0") };

	if (family == 4) {
		inet_pton(AF_INET, group, &four.imr_multiaddr);
		check(!setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &four, sizeof(four)), group);
		return;
	}
	inet_pton(AF_INET6, group, &six.ipv6mr_multiaddr);
	check(!setsockopt(s, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &six, sizeof(six)), group);
}

static void udp_listen(struct host *h, enum stack stack, uint16_t port)
{
	int s = socket_bound(SOCK_DGRAM, 0, stack, port);

	option_set(s, SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20);
	if (stack != STACK_4)
		option_set(s, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	if (stack != STACK_6)
		option_set(s, IPPROTO_IP, IP_PKTINFO, 1);
	if (stack == STACK_4) {
		option_set(s, SOL_SOCKET, SO_BROADCAST, 1);
		group_join(s, 4, "224.0.0.251");
		group_join(s, 4, "239.1.2.3");
	} else {
		group_join(s, 6, "ff02::e:e");
		group_join(s, 6, "ff05::e:e");
		group_join(s, 6, "ff0e::e:e");
	}
	h->udp[h->udps++] = s;
}

static void sockets_open(struct host *h)
{
	/* MPTCP, where the kernel has it, is another way into a listening socket. */
	int probe = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
	int mptcp = probe >= 0 ? IPPROTO_MPTCP : 0;

	if (probe >= 0)
		close(probe);
	tcp_listen(h, 0, STACK_BOTH, ports_guarded.tcp[0]);
	tcp_listen(h, mptcp, STACK_4, ports_guarded.tcp[1]);
	tcp_listen(h, mptcp, STACK_6, ports_guarded.tcp[1]);
	udp_listen(h, STACK_BOTH, ports_guarded.udp[0]);
	udp_listen(h, STACK_4, ports_guarded.udp[0]);
	udp_listen(h, STACK_4, ports_guarded.udp[1]);
	udp_listen(h, STACK_6, ports_guarded.udp[1]);
	udp_listen(h, STACK_4, ports_guarded.udp[2]);
	udp_listen(h, STACK_BOTH, ports_guarded.udp[3]);
}

static int packets_open(const char *device)
{
	struct sockaddr_ll link = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int s = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));

	check(s >= 0, "packet socket");
	link.sll_ifindex = if_nametoindex(device);
	check(link.sll_ifindex && !bind(s, (struct sockaddr *)&link, sizeof(link)), device);
	option_set(s, SOL_SOCKET, SO_RCVBUFFORCE, WIRE_BUFFER);
	option_set(s, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	return s;
}

struct host *host_open(const char *path)
{
	struct host *h = calloc(1, sizeof(*h));
	cpu_set_t cpus, one;

	check(h, "memory");
	/* One CPU, so that the wire keeps the order in which frames are sent. */
	check(!sched_getaffinity(0, sizeof(cpus), &cpus), "affinity");
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
		if (CPU_ISSET(i, &cpus))
			CPU_SET(i, &one);
	check(!sched_setaffinity(0, sizeof(one), &one), "affinity");
	h->before = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	h->inside = open(path, O_RDONLY | O_CLOEXEC);
	check(h->before >= 0 && h->inside >= 0, path);
	check(!setns(h->inside, CLONE_NEWNET), "setns");
	sockets_open(h);
	h->loop = packets_open("lo");
	check(!setns(h->before, CLONE_NEWNET), "setns");
	h->wire = packets_open("eth0");
	return h;
}

/* ---- the wire ---- */

void host_send(struct host *h, struct watch *w, const struct evasion_case *c)
{
	struct iovec vector[CASE_FRAMES_MAX];
	struct mmsghdr message[CASE_FRAMES_MAX] = { 0 };
	unsigned int done = 0;

	for (unsigned int i = 0; i < c->count; i++) {
		vector[i].iov_base = (void *)(c->bytes + c->frame[i].at);
		vector[i].iov_len = c->frame[i].len;
		message[i].msg_hdr.msg_iov = &vector[i];
		message[i].msg_hdr.msg_iovlen = 1;
	}
	w->last = c->index;
	while (done < c->count) {
		int n = sendmmsg(h->wire, message + done, c->count - done, 0);

		if (n < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR) {
			fprintf(stderr, "evasion: case %u, frame of %u bytes: %s\n", c->index,
				c->frame[done].len, strerror(errno));
			exit(2);
		}
		done += n > 0 ? n : 0;
	}
}

static void packets_read(int s, struct watch *w, uint16_t ping, bool *back)
{
	static uint8_t frame[65536];
	ssize_t len;

	while ((len = recv(s, frame, sizeof(frame), 0)) >= 0) {
		const uint8_t echo[8] = { [4] = 'e', [6] = ping >> 8, ping };

		/* But for the checksum. */
		if (back && len >= 42 && frame[12] == 8 && frame[23] == IPPROTO_ICMP &&
		    !memcmp(frame + 34, echo, 2) && !memcmp(frame + 38, echo + 4, 4))
			*back = true;
		else
			watch_frame(w, frame, len, !back);
	}
	check(errno == EAGAIN || errno == EINTR, "receive");
}

static bool address_is_group(const struct cmsghdr *c)
{
	static const char *const broadcast[] = { "192.0.2.255", "192.0.2.0", "255.255.255.255",
						 "0.0.0.0" };

	if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
		const struct in6_pktinfo *info = (const void *)CMSG_DATA(c);
		const struct in6_addr *a = &info->ipi6_addr;

		return IN6_IS_ADDR_MULTICAST(a) ||
		       (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] >> 4 == 14);
	}
	if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		const struct in_pktinfo *info = (const void *)CMSG_DATA(c);

		for (size_t i = 0; i < sizeof(broadcast) / sizeof(*broadcast); i++)
			if (info->ipi_addr.s_addr == inet_addr(broadcast[i]))
				return true;
		return IN_MULTICAST(ntohl(info->ipi_addr.s_addr));
	}
	return false;
}

/* One datagram; whether there was one. */
static bool datagram_read(int s, struct watch *w)
{
	static uint8_t payload[65536];
	union {
		struct cmsghdr header;
		uint8_t bytes[256];
	} control;
	struct sockaddr_in6 peer = { 0 };
	struct iovec vector = { payload, sizeof(payload) };
	struct msghdr message = {
		.msg_name = &peer, .msg_namelen = sizeof(peer), .msg_iov = &vector, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	enum sight sight = SEEN_DATAGRAM;
	ssize_t len = recvmsg(s, &message, 0);

	if (len < 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
		if (address_is_group(c))
			sight = SEEN_GROUP;
	watch_peer(w, sight, &peer, payload, len);
	return true;
}

static void sockets_read(struct host *h, struct watch *w)
{
	struct sockaddr_in6 peer;
	socklen_t size;
	int s;

	for (unsigned int i = 0; i < h->udps; i++)
		while (datagram_read(h->udp[i], w))
			;
	for (unsigned int i = 0; i < h->tcps; i++)
		while (size = sizeof(peer),
		       (s = accept(h->tcp[i], (struct sockaddr *)&peer, &size)) >= 0) {
			const struct linger now = { 1, 0 };

			watch_peer(w, SEEN_ACCEPTED, &peer, NULL, 0);
			setsockopt(s, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
			close(s);
		}
}

static void ping_send(struct host *h)
{
	uint8_t frame[14 + 20 + 8] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45 };
	uint8_t *ip = frame + 14, *echo = ip + 20;

	ip[3] = 28;
	ip[8] = 64;
	ip[9] = IPPROTO_ICMP;
	address_put(ip + 12, 4, "192.0.2.2");
	address_put(ip + 16, 4, "192.0.2.1");
	put16(ip + 10, sum_fold(sum(ip, 20, 0)));
	echo[0] = 8;
	echo[4] = 'e';
	put16(echo + 6, ++h->ping);
	put16(echo + 2, sum_fold(sum(echo, 8, 0)));
	while (send(h->wire, frame, sizeof(frame), 0) < 0)
		check(errno == ENOBUFS || errno == EAGAIN, "send");
}

/* A ping follows the cases: when its echo is back they have been judged and answered. */
void host_settle(struct host *h, struct watch *w)
{
	bool back = false;

	ping_send(h);
	while (!back) {
		struct pollfd wire = { h->wire, POLLIN, 0 };

		errno = ETIMEDOUT;
		check(poll(&wire, 1, PATIENCE_MS) > 0, "the host does not answer a ping");
		packets_read(h->wire, w, h->ping, &back);
	}
	packets_read(h->loop, w, 0, NULL);
	sockets_read(h, w);
}

/* How many trains of fragments the host waits for to become whole. */
static unsigned long trains_waiting(struct host *h)
{
	static const char *const files[] = { "/proc/thread-self/net/sockstat",
					     "/proc/thread-self/net/sockstat6" };
	unsigned long sum_of_both = 0;
	char line[256];

	check(!setns(h->inside, CLONE_NEWNET), "setns");
	for (int i = 0; i < 2; i++) {
		FILE *file = fopen(files[i], "r");
		unsigned long count;

		check(file, files[i]);
		while (fgets(line, sizeof(line), file))
			if (sscanf(line, "FRAG: inuse %lu", &count) == 1 ||
			    sscanf(line, "FRAG6: inuse %lu", &count) == 1)
				sum_of_both += count;
		fclose(file);
	}
	check(!setns(h->before, CLONE_NEWNET), "setns");
	return sum_of_both;
}

void host_forget(struct host *h, struct watch *w)
{
	time_t end = time(NULL) + FORGET_S;

	host_settle(h, w);
	while (trains_waiting(h)) {
		poll(NULL, 0, 20);
		errno = ETIMEDOUT;
		check(time(NULL) < end, "the host keeps fragments");
	}
	host_settle(h, w);
}
