/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Floods of the system tests, from spoofed sources, bounded in count and time:
 *
 *   flood INTERFACE knocks4|knocks6 COUNT PORT...   COUNT sources send a SYN to each port in turn
 *   flood INTERFACE random SECONDS                  random packets of both families, full speed
 *   flood INTERFACE syns SECONDS PORT               SYNs of both families in turn, full speed
 *
 * Sources are in 198.18.0.0/15 and 2001:db8:f100::/64. Prints packets, seconds, packets a second.
 * SIGTERM ends the floods that last SECONDS before their time.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sendmmsg */
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

enum { BATCH = 64, FRAME_MAX = 256, COUNT_MAX = 1000000, SECONDS_MAX = 900 };

static const uint8_t ethernet[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };

static uint8_t frame[BATCH][FRAME_MAX];
static struct iovec vector[BATCH];
static struct mmsghdr message[BATCH];
static unsigned int queued;
static unsigned long sent;
static int packets = -1;
static volatile sig_atomic_t told_to_end;

static uint64_t next_random(void)
{
	static uint64_t state = 88172645463325252ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void end_soon(int signal)
{
	(void)signal;
	told_to_end = 1;
}

static void flush(void)
{
	unsigned int done = 0;

	while (done < queued) {
		int n = sendmmsg(packets, message + done, queued - done, 0);

		if (n < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR) {
			perror("flood: sendmmsg");
			exit(1);
		}
		if (n > 0)
			done += n;
	}
	sent += queued;
	queued = 0;
}

/* The next free frame; its length is set by frame_queue(). */
static uint8_t *frame_next(void)
{
	memcpy(frame[queued], ethernet, sizeof(ethernet));
	return frame[queued];
}

static void frame_queue(size_t len)
{
	vector[queued].iov_len = len;
	if (++queued == BATCH)
		flush();
}

static void put16(uint8_t *at, unsigned int value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

static uint32_t sum(const uint8_t *at, size_t len, uint32_t total)
{
	for (; len > 1; at += 2, len -= 2)
		total += at[0] << 8 | at[1];
	return len ? total + (at[0] << 8) : total;
}

static unsigned int sum_fold(uint32_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return ~total & 0xffff;
}

/* An IP header to the server from source @number; returns its length. */
static size_t ip_put(uint8_t *at, int family, unsigned int number, uint8_t protocol, size_t len)
{
	static const uint8_t prefix6[8] = { 0x20, 0x01, 0x0d, 0xb8, 0xf1 };
	static const uint8_t server6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };

	memset(at, 0, 40);
	if (family == 6) {
		at[0] = 0x60;
		put16(at + 4, len);
		at[6] = protocol;
		at[7] = 64;
		memcpy(at + 8, prefix6, sizeof(prefix6));
		put32(at + 20, number);
		memcpy(at + 24, server6, sizeof(server6));
		return 40;
	}
	at[0] = 0x45;
	put16(at + 2, 20 + len);
	at[8] = 64;
	at[9] = protocol;
	put32(at + 12, 0xc6120000U | (number & 0x1ffff)); /* 198.18.0.0/15 */
	put32(at + 16, 0xc0000201U);                      /* 192.0.2.1 */
	put16(at + 10, sum_fold(sum(at, 20, 0)));
	return 20;
}

static void syn_queue(int family, unsigned int number, unsigned int port)
{
	uint8_t *at = frame_next();
	size_t ip, addresses = family == 6 ? 32 : 8;
	uint8_t *tcp;

	put16(at + 12, family == 6 ? ETH_P_IPV6 : ETH_P_IP);
	ip = ip_put(at + 14, family, number, IPPROTO_TCP, 20);
	tcp = at + 14 + ip;
	memset(tcp, 0, 20);
	put16(tcp, 1024 + port % 50000);
	put16(tcp + 2, port);
	put32(tcp + 4, number);
	tcp[12] = 5 << 4;
	tcp[13] = 0x02;
	put16(tcp + 14, 64240);
	put16(tcp + 16, sum_fold(sum(tcp, 20, sum(tcp - addresses, addresses, IPPROTO_TCP + 20))));
	frame_queue(14 + ip + 20);
}

/* Anything: mostly TCP and UDP to random ports, sometimes not even that. */
static void random_queue(void)
{
	uint8_t *at = frame_next();
	uint64_t dice = next_random();
	int family = dice & 1 ? 4 : 6;
	size_t len = 8 + (dice >> 8) % 100, ip;
	uint8_t protocol = dice >> 20 & 1 ? IPPROTO_TCP : IPPROTO_UDP;

	for (size_t i = 14; i < 14 + 40 + len; i += 8) {
		uint64_t bytes = next_random();

		memcpy(at + i, &bytes, sizeof(bytes));
	}
	put16(at + 12, family == 6 ? ETH_P_IPV6 : ETH_P_IP);
	if ((dice >> 16 & 15) == 0) {
		frame_queue(14 + len); /* not even a header */
		return;
	}
	if ((dice >> 16 & 15) == 1)
		protocol = dice >> 24;
	ip = ip_put(at + 14, family, dice >> 32, protocol, len);
	if (dice >> 21 & 1)
		put16(at + 14 + ip + 2, 22);
	frame_queue(14 + ip + len);
}

static unsigned long number_parse(const char *text, unsigned long max)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || value > max) {
		fprintf(stderr, "flood: '%s' is not a number up to %lu\n", text, max);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	struct sockaddr_ll link = { .sll_family = AF_PACKET };
	double start, seconds;

	if (argc < 4) {
		fprintf(stderr, "usage: flood INTERFACE knocks4|knocks6|random|syns NUMBER "
				"[PORT...]\n");
		return 2;
	}
	packets = socket(AF_PACKET, SOCK_RAW, 0);
	link.sll_ifindex = if_nametoindex(argv[1]);
	if (packets < 0 || !link.sll_ifindex ||
	    bind(packets, (struct sockaddr *)&link, sizeof(link)) < 0) {
		perror("flood");
		return 1;
	}
	for (unsigned int i = 0; i < BATCH; i++) {
		vector[i].iov_base = frame[i];
		message[i].msg_hdr.msg_iov = &vector[i];
		message[i].msg_hdr.msg_iovlen = 1;
	}

	signal(SIGTERM, end_soon);
	start = seconds_now();
	if (!strcmp(argv[2], "random")) {
		double end = start + number_parse(argv[3], SECONDS_MAX);

		while (!told_to_end && seconds_now() < end)
			for (unsigned int i = 0; i < BATCH; i++)
				random_queue();
	} else if (!strcmp(argv[2], "syns") && argc == 5) {
		double end = start + number_parse(argv[3], SECONDS_MAX);
		unsigned int port = number_parse(argv[4], 65535);

		while (!told_to_end && seconds_now() < end)
			for (unsigned int i = 0; i < BATCH; i++)
				syn_queue(i & 1 ? 6 : 4, next_random(), port);
	} else {
		unsigned long count = number_parse(argv[3], COUNT_MAX);
		int family = !strcmp(argv[2], "knocks6") ? 6 : 4;

		for (unsigned long number = 0; number < count; number++)
			for (int i = 4; i < argc; i++)
				syn_queue(family, number, number_parse(argv[i], 65535));
	}
	flush();
	seconds = seconds_now() - start;
	printf("%lu packets in %.2f s, %.0f a second\n", sent, seconds, sent / seconds);
	return 0;
}
