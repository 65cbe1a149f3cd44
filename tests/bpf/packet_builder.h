/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets for the fixtures: a valid one, then one thing changed. Every function takes the frame
 * that is being built; the headers' lengths are kept right, unless a function says that it breaks
 * them.
 */
#ifndef KNOCKD_TEST_PACKET_BUILDER_H
#define KNOCKD_TEST_PACKET_BUILDER_H

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	FRAME_BYTES = 9216,
	FRAME_ETHERNET = 14,
	FRAME_TCP = 20,
	FRAME_UDP = 8,
	FRAME_ICMP = 8,
	FRAME_PAYLOAD = 8, /* what a frame carries to begin with */
};

/* TCP flags, as they stand in byte 13 of the header. */
enum {
	FIN = 0x01, SYN = 0x02, RST = 0x04, PSH = 0x08,
	ACK = 0x10, URG = 0x20, ECE = 0x40, CWR = 0x80,
};

struct frame {
	uint8_t bytes[FRAME_BYTES];
	size_t len;
	size_t ip, transport; /* where these headers begin */
	size_t next;          /* the byte that names what stands at transport */
	int family;           /* 4 or 6 */
};

static inline void frame_put16(struct frame *f, size_t at, uint16_t value)
{
	f->bytes[at] = value >> 8;
	f->bytes[at + 1] = value;
}

static inline void frame_put32(struct frame *f, size_t at, uint32_t value)
{
	frame_put16(f, at, value >> 16);
	frame_put16(f, at + 2, value);
}

/* Make the IP header state the length that is there, as far as it can. */
static inline void frame_measure(struct frame *f)
{
	size_t len = f->len - f->ip - (f->family == 4 ? 0 : 40);

	frame_put16(f, f->ip + (f->family == 4 ? 2 : 4), len > 0xffff ? 0 : len);
}

static inline void frame_insert(struct frame *f, size_t at, size_t len)
{
	assert_true(f->len + len <= FRAME_BYTES);
	memmove(f->bytes + at + len, f->bytes + at, f->len - at);
	memset(f->bytes + at, 0, len);
	f->len += len;
	f->ip += f->ip >= at ? len : 0;
	f->next += f->next >= at ? len : 0;
	f->transport += f->transport >= at ? len : 0;
}

static inline void address_read(uint8_t *bytes, const char *text, int family)
{
	assert_int_equal(1, inet_pton(family == 4 ? AF_INET : AF_INET6, text, bytes));
}

/** frame_from(), frame_to() - Change the source or the destination address. */
static inline void frame_from(struct frame *f, const char *address)
{
	address_read(f->bytes + f->ip + (f->family == 4 ? 12 : 8), address, f->family);
}

static inline void frame_to(struct frame *f, const char *address)
{
	address_read(f->bytes + f->ip + (f->family == 4 ? 16 : 24), address, f->family);
}

/* Ethernet and IP, and @len bytes for a transport header of kind @type with its payload. */
static inline struct frame frame_make(int family, uint8_t type, const char *from, const char *to,
				      size_t len)
{
	static const uint8_t host[] = { 2, 0, 0, 0, 0, 1 }, peer[] = { 2, 0, 0, 0, 0, 2 };
	struct frame f = { .family = family, .ip = FRAME_ETHERNET };

	memcpy(f.bytes, host, 6);
	memcpy(f.bytes + 6, peer, 6);
	frame_put16(&f, 12, family == 4 ? 0x0800 : 0x86dd);
	f.transport = f.ip + (family == 4 ? 20 : 40);
	f.next = f.ip + (family == 4 ? 9 : 6);
	f.bytes[f.ip] = family == 4 ? 0x45 : 0x60;
	f.bytes[f.ip + (family == 4 ? 8 : 7)] = 64;
	f.bytes[f.next] = type;
	f.len = f.transport + len;
	frame_from(&f, from);
	frame_to(&f, to);
	frame_measure(&f);
	return f;
}

/** frame_tcp() - A TCP segment with @flags and a few bytes of payload. */
static inline struct frame frame_tcp(int family, const char *from, uint16_t source_port,
				     const char *to, uint16_t port, uint8_t flags)
{
	struct frame f = frame_make(family, IPPROTO_TCP, from, to, FRAME_TCP + FRAME_PAYLOAD);

	frame_put16(&f, f.transport, source_port);
	frame_put16(&f, f.transport + 2, port);
	frame_put32(&f, f.transport + 4, 0x01020304);
	f.bytes[f.transport + 12] = 5 << 4;
	f.bytes[f.transport + 13] = flags;
	frame_put16(&f, f.transport + 14, 0xffff);
	return f;
}

/** frame_udp() - A UDP datagram with a few bytes of payload. */
static inline struct frame frame_udp(int family, const char *from, uint16_t source_port,
				     const char *to, uint16_t port)
{
	struct frame f = frame_make(family, IPPROTO_UDP, from, to, FRAME_UDP + FRAME_PAYLOAD);

	frame_put16(&f, f.transport, source_port);
	frame_put16(&f, f.transport + 2, port);
	frame_put16(&f, f.transport + 4, FRAME_UDP + FRAME_PAYLOAD);
	return f;
}

/** frame_echo() - An echo request of either family with @code. */
static inline struct frame frame_echo(int family, const char *from, const char *to, uint8_t code)
{
	struct frame f = frame_make(family, family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, from, to,
				    FRAME_ICMP + FRAME_PAYLOAD);

	f.bytes[f.transport] = family == 4 ? 8 : 128;
	f.bytes[f.transport + 1] = code;
	return f;
}

/* ---- one thing changed ---- */

static inline void frame_flags(struct frame *f, uint8_t flags)
{
	f->bytes[f->transport + 13] = flags;
}

static inline void frame_source_port(struct frame *f, uint16_t port)
{
	frame_put16(f, f->transport, port);
}

static inline void frame_port(struct frame *f, uint16_t port)
{
	frame_put16(f, f->transport + 2, port);
}

static inline void frame_sequence(struct frame *f, uint32_t number)
{
	frame_put32(f, f->transport + 4, number);
}

static inline void frame_ethertype(struct frame *f, uint16_t type)
{
	frame_put16(f, f->ip - 2, type);
}

/** frame_tag() - One more VLAN tag, outermost: 0x8100 or 0x88a8, and its priority and VID. */
static inline void frame_tag(struct frame *f, uint16_t type, uint16_t tci)
{
	frame_insert(f, 12, 4);
	frame_put16(f, 12, type);
	frame_put16(f, 14, tci);
}

/** frame_options() - @len bytes of NOPs behind the IPv4 header. */
static inline void frame_options(struct frame *f, size_t len)
{
	size_t at = f->ip + 20;

	assert_int_equal(4, f->family);
	frame_insert(f, at, len);
	memset(f->bytes + at, 1, len);
	f->bytes[f->ip] = 0x40 | (20 + len) / 4;
	frame_measure(f);
}

/** frame_extend() - One more header of @len bytes before the transport header; where it begins. */
static inline size_t frame_extend(struct frame *f, uint8_t type, size_t len)
{
	size_t at = f->transport;
	uint8_t before = f->bytes[f->next];

	frame_insert(f, at, len);
	f->bytes[f->next] = type;
	f->bytes[at] = before;
	if (type == IPPROTO_AH)
		f->bytes[at + 1] = len / 4 - 2;
	else if (type != IPPROTO_FRAGMENT)
		f->bytes[at + 1] = len / 8 - 1;
	f->next = at;
	frame_measure(f);
	return at;
}

/** frame_padding() - An extension header with one PadN option that fills it: nothing to heed. */
static inline void frame_padding(struct frame *f, uint8_t type, size_t len)
{
	size_t at = frame_extend(f, type, len), left = len - 2;

	for (at += 2; left; ) {
		size_t pad = left > 250 ? 250 : left;

		if (left - pad == 1)
			pad--;
		f->bytes[at] = pad > 1;
		if (pad > 1)
			f->bytes[at + 1] = pad - 2;
		at += pad;
		left -= pad;
	}
}

/** frame_fragment() - Make it a fragment: @offset in 8 bytes, and whether more follow. */
static inline void frame_fragment(struct frame *f, uint16_t offset, bool more)
{
	if (f->family == 4) {
		frame_put16(f, f->ip + 6, offset | (more ? 0x2000 : 0));
	} else {
		size_t at = frame_extend(f, IPPROTO_FRAGMENT, 8);

		frame_put16(f, at + 2, offset << 3 | more);
		frame_put32(f, at + 4, 0x11223344);
	}
}

/** frame_cut() - Leave only @len bytes from the transport header on; the IP header says so too. */
static inline void frame_cut(struct frame *f, size_t len)
{
	f->len = f->transport + len;
	frame_measure(f);
}

/** frame_grow() - More payload. */
static inline void frame_grow(struct frame *f, size_t len)
{
	frame_insert(f, f->len, len);
	frame_measure(f);
}

/** frame_bare() - Without Ethernet, as it comes on tun, wg and ppp. */
static inline void frame_bare(struct frame *f)
{
	memmove(f->bytes, f->bytes + f->ip, f->len - f->ip);
	f->len -= f->ip;
	f->transport -= f->ip;
	f->next -= f->ip;
	f->ip = 0;
}

/** frame_to_all() - To the Ethernet address of everybody. */
static inline void frame_to_all(struct frame *f)
{
	memset(f->bytes, 0xff, 6);
}

/* ---- for the kernel's own eyes ---- */

static inline uint32_t sum_add(uint32_t sum, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : bytes[i] << 8;
	return sum;
}

static inline uint16_t sum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/** frame_seal() - Fill in the checksums of a TCP segment or UDP datagram without other headers. */
static inline void frame_seal(struct frame *f)
{
	size_t len = f->len - f->transport;
	uint8_t type = f->bytes[f->next];
	size_t at = f->transport + (type == IPPROTO_TCP ? 16 : 6);
	size_t addresses = f->ip + (f->family == 4 ? 12 : 8);

	if (f->family == 4) {
		frame_put16(f, f->ip + 10, 0);
		frame_put16(f, f->ip + 10, sum_fold(sum_add(0, f->bytes + f->ip,
							    f->transport - f->ip)));
	}
	frame_put16(f, at, 0);
	frame_put16(f, at, sum_fold(sum_add(sum_add(len + type, f->bytes + addresses,
						    f->family == 4 ? 8 : 32),
					    f->bytes + f->transport, len)));
}

/** frame_print() - The packet in hex, so that a failure can be looked into. */
static inline void frame_print(const struct frame *f)
{
	print_error("packet of IPv%d, %zu bytes:\n", f->family, f->len);
	for (size_t i = 0; i < f->len; i++) {
		if (i % 16 == 0)
			print_error("  %04zx ", i);
		print_error(" %02x%s", f->bytes[i], i % 16 == 15 || i + 1 == f->len ? "\n" : "");
		if (i >= 511) {
			print_error("  … and %zu more\n", f->len - i - 1);
			break;
		}
	}
}

#endif
