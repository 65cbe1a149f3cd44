// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Bytes → packet. Each row is a valid packet of IPv4 and of IPv6 with one thing changed, and what
 * must come of it. Every row is also cut off at every length, in memory that ends with the packet.
 *
 * The rows' packets are left in the folder that KNOCKD_FRAMES names. Given the file of packets that
 * the fixtures of tests/bpf have left, the program only parses those.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "packet.h"
#include "tests/fuzz/two_ways.h"

enum { BYTES_MAX = 12000, ETHERNET = 14, TCP = 20, UDP = 8, ICMP = 8 };
enum { SOURCE_PORT = 40000, PORT = 7000, SEQUENCE = 0x12345678, PAYLOAD = 4 };

/* A packet being built, and what is to be read from it. */
struct frame {
	uint8_t bytes[BYTES_MAX];
	size_t len;
	size_t ip, transport; /* where these headers begin */
	size_t next;          /* the byte that names what stands at transport */
	size_t header;        /* bytes that must be there of the transport header */
	int family;
	bool ethernet;
	struct packet expected;
};

static void put16(struct frame *f, size_t at, uint16_t value)
{
	f->bytes[at] = value >> 8;
	f->bytes[at + 1] = value;
}

/* Make the IP header state the length that is there. */
static void length_fix(struct frame *f)
{
	if (f->family == 4)
		put16(f, f->ip + 2, f->len - f->ip);
	else
		put16(f, f->ip + 4, f->len - f->ip - 40);
}

static void insert(struct frame *f, size_t at, size_t len)
{
	assert_true(f->len + len <= BYTES_MAX);
	memmove(f->bytes + at + len, f->bytes + at, f->len - at);
	memset(f->bytes + at, 0, len);
	f->len += len;
	f->ip += f->ip >= at ? len : 0;
	f->next += f->next >= at ? len : 0;
	f->transport += f->transport >= at ? len : 0;
}

/* One more header before the transport header; its second byte and the rest are the caller's. */
static size_t extend(struct frame *f, uint8_t type, size_t len)
{
	size_t at = f->transport;
	uint8_t before = f->bytes[f->next];

	insert(f, at, len);
	f->bytes[f->next] = type;
	f->bytes[at] = before;
	f->next = at;
	length_fix(f);
	return at;
}

static void tag(struct frame *f, uint16_t type, uint16_t tci)
{
	insert(f, 12, 4);
	put16(f, 12, type);
	put16(f, 14, tci);
}

static void address_expect(struct frame *f)
{
	size_t at = f->ip + (f->family == 4 ? 12 : 8), len = f->family == 4 ? 4 : 16;

	memset(f->expected.source.word_be, 0, 16);
	memset(f->expected.destination_be, 0, 16);
	memcpy(f->expected.source.word_be, f->bytes + at, len);
	memcpy(f->expected.destination_be, f->bytes + at + len, len);
}

/* Ethernet and an IP header with room behind it for @transport bytes of @type. */
static void ip_build(struct frame *f, int family, uint8_t type, size_t transport)
{
	static const uint8_t ethernet[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	static const uint8_t from4[4] = { 192, 0, 2, 1 }, to4[4] = { 198, 51, 100, 2 };
	static const uint8_t from6[16] = { 0x20, 1, 0xd, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 1, 1 };
	static const uint8_t to6[16] = { 0x20, 1, 0xd, 0xb8, 2, 2, 3, 4, 5, 6, 7, 8, 9, 1, 1, 2 };

	memset(f, 0, sizeof(*f));
	f->family = family;
	f->ethernet = true;
	memcpy(f->bytes, ethernet, sizeof(ethernet));
	f->ip = ETHERNET;
	f->header = transport;
	f->expected.source.family = family;
	if (family == 4) {
		put16(f, 12, 0x0800);
		f->transport = f->ip + 20;
		f->next = f->ip + 9;
		f->bytes[f->ip] = 0x45;
		f->bytes[f->ip + 1] = 0x28;
		f->expected.tos = 0x28;
		f->bytes[f->ip + 8] = 64;
		memcpy(f->bytes + f->ip + 12, from4, 4);
		memcpy(f->bytes + f->ip + 16, to4, 4);
	} else {
		put16(f, 12, 0x86dd);
		f->transport = f->ip + 40;
		f->next = f->ip + 6;
		f->bytes[f->ip] = 0x60;
		f->bytes[f->ip + 7] = 64;
		memcpy(f->bytes + f->ip + 8, from6, 16);
		memcpy(f->bytes + f->ip + 24, to6, 16);
	}
	f->bytes[f->next] = type;
	f->len = f->transport + transport + PAYLOAD;
	memset(f->bytes + f->len - PAYLOAD, 0x5a, PAYLOAD);
	length_fix(f);
	address_expect(f);
}

static void tcp(struct frame *f, int family)
{
	ip_build(f, family, IPPROTO_TCP, TCP);
	put16(f, f->transport, SOURCE_PORT);
	put16(f, f->transport + 2, PORT);
	put16(f, f->transport + 4, SEQUENCE >> 16);
	put16(f, f->transport + 6, SEQUENCE & 0xffff);
	f->bytes[f->transport + 12] = 0x50;
	f->bytes[f->transport + 13] = TCP_SYN;
	f->expected.proto = PROTO_TCP;
	f->expected.number = PORT;
	f->expected.source_port_be = bpf_htons(SOURCE_PORT);
	f->expected.destination_port_be = bpf_htons(PORT);
	f->expected.sequence_be = bpf_htonl(SEQUENCE);
	f->expected.flags = TCP_SYN;
}

static void udp(struct frame *f, int family)
{
	ip_build(f, family, IPPROTO_UDP, UDP);
	put16(f, f->transport, SOURCE_PORT);
	put16(f, f->transport + 2, PORT);
	put16(f, f->transport + 4, UDP + PAYLOAD);
	f->expected.proto = PROTO_UDP;
	f->expected.number = PORT;
	f->expected.source_port_be = bpf_htons(SOURCE_PORT);
	f->expected.destination_port_be = bpf_htons(PORT);
}

static void echo(struct frame *f, int family)
{
	ip_build(f, family, family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, ICMP);
	f->bytes[f->transport] = family == 4 ? 8 : 128;
	f->bytes[f->transport + 1] = 4;
	f->expected.proto = PROTO_ICMP;
	f->expected.number = 4;
}

/* ---- what may be changed ---- */

static void without_ethernet(struct frame *f)
{
	memmove(f->bytes, f->bytes + f->ip, f->len - f->ip);
	f->len -= f->ip;
	f->transport -= f->ip;
	f->next -= f->ip;
	f->ip = 0;
	f->ethernet = false;
}

static void without_ethernet_version_5(struct frame *f)
{
	without_ethernet(f);
	f->bytes[0] = 0x55;
}

static void version_swapped(struct frame *f)
{
	f->bytes[f->ip] ^= 0x20;
}

static void ethertype_arp(struct frame *f)
{
	put16(f, f->ip - 2, 0x0806);
}

static void ethertype_length(struct frame *f)
{
	put16(f, f->ip - 2, f->len - ETHERNET);
}

static void ethertype_mpls(struct frame *f)
{
	put16(f, f->ip - 2, 0x8847);
}

static void one_tag(struct frame *f)
{
	tag(f, 0x8100, 0);
}

static void one_tag_before_arp(struct frame *f)
{
	one_tag(f);
	ethertype_arp(f);
}

static void one_tag_with_priority(struct frame *f)
{
	tag(f, 0x88a8, 0xf000);
}

static void one_tag_with_vid(struct frame *f)
{
	tag(f, 0x8100, 0x0fff);
}

static void vid_in_the_inner_tag(struct frame *f)
{
	tag(f, 0x8100, 1);
	tag(f, 0x88a8, 0);
}

static void vid_in_the_outer_tag(struct frame *f)
{
	tag(f, 0x8100, 0);
	tag(f, 0x88a8, 1);
}

static void tags_mixed(struct frame *f, int count)
{
	for (int i = 0; i < count; i++)
		tag(f, i % 2 ? 0x8100 : 0x88a8, 0);
}

static void twenty_tags(struct frame *f)
{
	tags_mixed(f, 20);
}

static void all_tags(struct frame *f)
{
	tags_mixed(f, PACKET_TAGS_MAX);
}

static void all_tags_and_one(struct frame *f)
{
	tags_mixed(f, PACKET_TAGS_MAX + 1);
}

static void multicast_frame(struct frame *f)
{
	f->bytes[0] |= 1;
	f->expected.group = true;
}

static void broadcast_frame(struct frame *f)
{
	memset(f->bytes, 0xff, 6);
	f->expected.group = true;
}

static void to_multicast(struct frame *f)
{
	if (f->family == 4)
		f->bytes[f->ip + 16] = 239;
	else
		f->bytes[f->ip + 24] = 0xff;
	address_expect(f);
	f->expected.group = true;
}

static void to_broadcast(struct frame *f)
{
	memset(f->bytes + f->ip + 16, 0xff, 4);
	address_expect(f);
	f->expected.group = true;
}

static void to_nobody(struct frame *f)
{
	memset(f->bytes + f->ip + 16, 0, 4);
	address_expect(f);
	f->expected.group = true;
}

static void to_class_e(struct frame *f)
{
	f->bytes[f->ip + 16] = 240;
	address_expect(f);
}

static void ihl(struct frame *f, int words)
{
	f->bytes[f->ip] = 0x40 | words;
}

static void ihl_0(struct frame *f)
{
	ihl(f, 0);
}

static void ihl_4(struct frame *f)
{
	ihl(f, 4);
}

static void options(struct frame *f, int words)
{
	insert(f, f->transport, 4 * words);
	memset(f->bytes + f->ip + 20, 1, 4 * words);
	ihl(f, 5 + words);
	length_fix(f);
}

static void one_word_of_options(struct frame *f)
{
	options(f, 1);
}

static void ten_words_of_options(struct frame *f)
{
	options(f, 10);
}

static void options_beyond_the_stated_length(struct frame *f)
{
	options(f, 10);
	put16(f, f->ip + 2, 59);
}

static void padding(struct frame *f)
{
	f->len += 60;
}

/* The stated length ends with the last byte that must be there, and padding follows. */
static void stated(struct frame *f, int more)
{
	size_t end = f->transport + f->header + more;

	padding(f);
	put16(f, f->ip + (f->family == 4 ? 2 : 4), end - f->ip - (f->family == 4 ? 0 : 40));
}

static void length_of_the_headers(struct frame *f)
{
	stated(f, 0);
}

static void length_one_less_than_the_headers(struct frame *f)
{
	stated(f, -1);
}

static void length_without_transport(struct frame *f)
{
	stated(f, -(int)f->header);
}

static void length_less_than_the_ip_header(struct frame *f)
{
	put16(f, f->ip + 2, 19);
}

static void length_0(struct frame *f)
{
	put16(f, f->ip + (f->family == 4 ? 2 : 4), 0);
}

static void doff(struct frame *f, int words)
{
	f->bytes[f->transport + 12] = words << 4;
}

static void doff_0(struct frame *f)
{
	doff(f, 0);
}

static void doff_4(struct frame *f)
{
	doff(f, 4);
}

static void doff_15(struct frame *f)
{
	doff(f, 15);
}

static void all_flags(struct frame *f)
{
	f->bytes[f->transport + 12] |= 0x0f;
	f->bytes[f->transport + 13] = 0xff;
	f->expected.flags = 0x3f;
}

static void number_highest(struct frame *f)
{
	if (f->expected.proto == PROTO_ICMP) {
		f->bytes[f->transport + 1] = 255;
		f->expected.number = 255;
		return;
	}
	put16(f, f->transport, 65535);
	put16(f, f->transport + 2, 65535);
	f->expected.source_port_be = f->expected.destination_port_be = 0xffff;
	f->expected.number = 65535;
}

static void echo_reply(struct frame *f)
{
	f->bytes[f->transport] = f->family == 4 ? 0 : 129;
}

static void neighbour_solicitation(struct frame *f)
{
	f->bytes[f->transport] = 135;
}

static void packet_too_big(struct frame *f)
{
	f->bytes[f->transport] = f->family == 4 ? 3 : 2;
}

static void icmp_of_the_other_family(struct frame *f)
{
	f->bytes[f->next] = f->family == 4 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
}

static void protocol_dccp(struct frame *f)
{
	f->bytes[f->next] = IPPROTO_DCCP;
}

static void protocol_gre(struct frame *f)
{
	f->bytes[f->next] = IPPROTO_GRE;
}

static void protocol_none(struct frame *f)
{
	f->bytes[f->next] = IPPROTO_NONE;
}

static void protocol_esp(struct frame *f)
{
	f->bytes[f->next] = IPPROTO_ESP;
}

/* ---- fragments ---- */

enum { MORE = 0x2000, DONT = 0x4000, EVIL = 0x8000 };

/* A fragment at @offset bytes; of IPv6 by a header. */
static void fragment(struct frame *f, unsigned int offset, unsigned int flags)
{
	if (f->family == 4) {
		put16(f, f->ip + 6, offset / 8 | flags);
	} else {
		size_t at = extend(f, IPPROTO_FRAGMENT, 8);

		/* Nothing of the reserved byte is a length. */
		f->bytes[at + 1] = 0xff;
		put16(f, at + 2, offset | !!(flags & MORE) | 6);
	}
}

static void not_to_be_fragmented(struct frame *f)
{
	fragment(f, 0, DONT | EVIL);
}

static void fragment_atomic(struct frame *f)
{
	fragment(f, 0, 0);
}

static void fragment_first(struct frame *f)
{
	fragment(f, 0, MORE);
}

static void fragment_second(struct frame *f)
{
	fragment(f, 8, MORE);
}

static void fragment_last(struct frame *f)
{
	fragment(f, 1480, 0);
}

static void fragment_at_the_end(struct frame *f)
{
	fragment(f, 65528, 0);
}

static void fragment_first_and_short(struct frame *f)
{
	fragment(f, 0, MORE);
	stated(f, -1);
}

static void fragment_first_of_eight_bytes(struct frame *f)
{
	fragment(f, 0, MORE);
	f->len = f->transport + 8;
	length_fix(f);
}

static void fragment_first_without_headers(struct frame *f)
{
	extend(f, IPPROTO_DSTOPTS, 8);
	fragment(f, 0, MORE);
	/* The chain goes on, but not in this fragment. */
	f->bytes[f->next] = IPPROTO_DSTOPTS;
	f->len = f->transport + 4;
	length_fix(f);
}

static void fragment_first_before_options(struct frame *f)
{
	fragment(f, 0, MORE);
	extend(f, IPPROTO_DSTOPTS, 16);
	f->bytes[f->next + 1] = 1;
}

static void fragment_within_a_fragment(struct frame *f)
{
	fragment(f, 0, MORE);
	fragment(f, 0, MORE);
}

static void fragment_atomic_then_later(struct frame *f)
{
	fragment(f, 0, 0);
	fragment(f, 8, 0);
}

/* ---- headers between IP and transport ---- */

static void authentication(struct frame *f)
{
	/* Words less two: 24 bytes, no multiple of eight on the wire of IPv4. */
	f->bytes[extend(f, IPPROTO_AH, 24) + 1] = 4;
}

static void authentication_of_28_bytes(struct frame *f)
{
	f->bytes[extend(f, IPPROTO_AH, 28) + 1] = 5;
}

static void authentication_beyond_the_end(struct frame *f)
{
	f->bytes[extend(f, IPPROTO_AH, 24) + 1] = 255;
}

static void authentication_in_a_first_fragment_cut(struct frame *f)
{
	f->bytes[extend(f, IPPROTO_AH, 24) + 1] = 4;
	fragment(f, 0, MORE);
	f->len = f->transport - 20;
	length_fix(f);
}

static void hop_by_hop(struct frame *f)
{
	extend(f, IPPROTO_HOPOPTS, 8);
}

static void hop_by_hop_of_no_stated_length(struct frame *f)
{
	hop_by_hop(f);
	length_0(f);
}

static void options_of_no_stated_length(struct frame *f)
{
	extend(f, IPPROTO_DSTOPTS, 8);
	length_0(f);
}

static void routing(struct frame *f)
{
	f->bytes[extend(f, IPPROTO_ROUTING, 24) + 1] = 2;
}

static void every_kind_of_header(struct frame *f)
{
	extend(f, IPPROTO_HOPOPTS, 8);
	extend(f, IPPROTO_DSTOPTS, 8);
	routing(f);
	fragment_atomic(f);
	authentication(f);
	f->bytes[extend(f, IPPROTO_DSTOPTS, 2048) + 1] = 255;
}

static void chain(struct frame *f, int count)
{
	for (int i = 0; i < count; i++)
		extend(f, IPPROTO_DSTOPTS, 8);
}

static void two_headers(struct frame *f)
{
	chain(f, 2);
}

static void hundred_and_fifty_headers(struct frame *f)
{
	chain(f, 150);
}

static void hundred_and_eighty_headers(struct frame *f)
{
	chain(f, 180);
}

static void too_many_headers(struct frame *f)
{
	chain(f, PACKET_HEADERS_MAX + 1);
}

static void too_many_headers_of_a_first_fragment(struct frame *f)
{
	fragment_first(f);
	chain(f, PACKET_HEADERS_MAX + 1);
}

static void headers_beyond_all_reach(struct frame *f)
{
	for (int i = 0; i < 5; i++)
		f->bytes[extend(f, IPPROTO_DSTOPTS, 2048) + 1] = 255;
}

static void header_beyond_the_end(struct frame *f)
{
	f->bytes[extend(f, IPPROTO_DSTOPTS, 8) + 1] = 200;
}

static void header_cut_by_the_stated_length(struct frame *f)
{
	extend(f, IPPROTO_DSTOPTS, 8);
	stated(f, -(int)f->header - 1);
}

static void fragment_header_cut_by_the_stated_length(struct frame *f)
{
	fragment_last(f);
	stated(f, -(int)f->header - 1);
}

static void header_chain_to_none(struct frame *f)
{
	chain(f, 3);
	protocol_none(f);
}

/* ---- the table ---- */

enum families { BOTH, V4, V6 };

struct row {
	const char *sentence;
	void (*build)(struct frame *f, int family);
	void (*change)(struct frame *f);
	enum families families;
	enum packet_result result;
};

#define READ PACKET_READ
#define OTHER PACKET_OTHER
#define UNREADABLE PACKET_UNREADABLE
#define SHORT PACKET_SHORT
#define LATER PACKET_LATER

static const struct row rows[] = {
	{ "a TCP segment is read", tcp, NULL, BOTH, READ },
	{ "a UDP datagram is read", udp, NULL, BOTH, READ },
	{ "an echo request is read", echo, NULL, BOTH, READ },
	{ "highest ports of TCP", tcp, number_highest, BOTH, READ },
	{ "highest ports of UDP", udp, number_highest, BOTH, READ },
	{ "the highest code of an echo request", echo, number_highest, BOTH, READ },
	{ "six flags are read of a segment that has all", tcp, all_flags, BOTH, READ },

	{ "TCP without Ethernet", tcp, without_ethernet, BOTH, READ },
	{ "UDP without Ethernet", udp, without_ethernet, BOTH, READ },
	{ "IP of version 5 without Ethernet", tcp, without_ethernet_version_5, BOTH, OTHER },
	{ "the version is not that of the frame", tcp, version_swapped, BOTH, UNREADABLE },
	{ "ARP", tcp, ethertype_arp, BOTH, OTHER },
	{ "MPLS", tcp, ethertype_mpls, BOTH, OTHER },
	{ "a frame that states its length, 802.3", tcp, ethertype_length, BOTH, OTHER },

	{ "a priority tag", tcp, one_tag, BOTH, READ },
	{ "a priority tag before ARP", tcp, one_tag_before_arp, BOTH, OTHER },
	{ "a priority is not a VLAN", tcp, one_tag_with_priority, BOTH, READ },
	{ "a VLAN", tcp, one_tag_with_vid, BOTH, READ },
	{ "a VLAN in a priority tag", udp, vid_in_the_inner_tag, BOTH, READ },
	{ "a priority tag in a VLAN", tcp, vid_in_the_outer_tag, BOTH, READ },
	{ "twenty priority tags", tcp, twenty_tags, BOTH, READ },
	{ "as many tags as are read", tcp, all_tags, BOTH, READ },
	{ "one tag more than are read", tcp, all_tags_and_one, BOTH, PACKET_UNREADABLE_TAGS },

	{ "a multicast frame", udp, multicast_frame, BOTH, READ },
	{ "a broadcast frame", udp, broadcast_frame, BOTH, READ },
	{ "to a multicast address", udp, to_multicast, BOTH, READ },
	{ "to the broadcast address", udp, to_broadcast, V4, READ },
	{ "to no address, which Linux takes for a broadcast", udp, to_nobody, V4, READ },
	{ "to class E, which is no group", udp, to_class_e, V4, READ },

	{ "a header length of no words", tcp, ihl_0, V4, UNREADABLE },
	{ "a header length of four words", tcp, ihl_4, V4, UNREADABLE },
	{ "one word of options before TCP", tcp, one_word_of_options, V4, READ },
	{ "ten words of options before TCP", tcp, ten_words_of_options, V4, READ },
	{ "ten words of options before UDP", udp, ten_words_of_options, V4, READ },
	{ "options beyond the stated length", tcp, options_beyond_the_stated_length, V4,
	  UNREADABLE },
	{ "a length less than the IP header", tcp, length_less_than_the_ip_header, V4, UNREADABLE },
	{ "an echo request of such a length", echo, length_less_than_the_ip_header, V4,
	  UNREADABLE },
	{ "no stated length", tcp, length_0, BOTH, UNREADABLE },
	{ "padding", tcp, padding, BOTH, READ },
	{ "a length of just the headers, TCP", tcp, length_of_the_headers, BOTH, READ },
	{ "a length of just the headers, UDP", udp, length_of_the_headers, BOTH, READ },
	{ "a length of just the headers, echo", echo, length_of_the_headers, BOTH, READ },
	{ "padding is no TCP header", tcp, length_one_less_than_the_headers, BOTH, UNREADABLE },
	{ "padding is no UDP header", udp, length_one_less_than_the_headers, BOTH, UNREADABLE },
	{ "padding is no echo request", echo, length_one_less_than_the_headers, BOTH, OTHER },
	{ "nothing but padding where TCP should be", tcp, length_without_transport, BOTH,
	  UNREADABLE },
	{ "nothing but padding where UDP should be", udp, length_without_transport, BOTH,
	  UNREADABLE },

	{ "a TCP header of no words", tcp, doff_0, BOTH, UNREADABLE },
	{ "a TCP header of four words", tcp, doff_4, BOTH, UNREADABLE },
	{ "TCP options are not asked for", tcp, doff_15, BOTH, READ },

	{ "an echo reply", echo, echo_reply, BOTH, OTHER },
	{ "a neighbour solicitation", echo, neighbour_solicitation, V6, OTHER },
	{ "a path-MTU message", echo, packet_too_big, BOTH, OTHER },
	{ "ICMP of the other family", echo, icmp_of_the_other_family, BOTH, OTHER },
	{ "DCCP", tcp, protocol_dccp, BOTH, OTHER },
	{ "GRE", tcp, protocol_gre, BOTH, OTHER },
	{ "ESP", tcp, protocol_esp, BOTH, OTHER },
	{ "no next header", tcp, protocol_none, BOTH, OTHER },

	{ "a packet not to be fragmented", tcp, not_to_be_fragmented, V4, READ },
	{ "an atomic fragment, TCP", tcp, fragment_atomic, BOTH, READ },
	{ "an atomic fragment, UDP", udp, fragment_atomic, BOTH, READ },
	{ "a first fragment with all headers, TCP", tcp, fragment_first, BOTH, READ },
	{ "a first fragment with all headers, UDP", udp, fragment_first, BOTH, READ },
	{ "a second fragment at eight bytes", tcp, fragment_second, BOTH, LATER },
	{ "a last fragment", udp, fragment_last, BOTH, LATER },
	{ "a fragment at the end of all", tcp, fragment_at_the_end, BOTH, LATER },
	{ "a first fragment one byte short, TCP", tcp, fragment_first_and_short, BOTH, SHORT },
	{ "a first fragment one byte short, UDP", udp, fragment_first_and_short, BOTH, SHORT },
	{ "a first fragment of eight bytes, TCP", tcp, fragment_first_of_eight_bytes, BOTH, SHORT },
	{ "a first fragment of eight bytes, UDP", udp, fragment_first_of_eight_bytes, BOTH, READ },
	{ "a first fragment that ends in its headers", tcp, fragment_first_without_headers, V6,
	  SHORT },
	{ "a first fragment with options behind", tcp, fragment_first_before_options, V6, READ },
	{ "a first fragment in a first fragment", udp, fragment_within_a_fragment, V6, READ },
	{ "a later fragment in an atomic one", udp, fragment_atomic_then_later, V6, LATER },

	{ "AH before TCP", tcp, authentication, BOTH, READ },
	{ "AH before UDP", udp, authentication, BOTH, READ },
	{ "AH of 28 bytes, counted in words", tcp, authentication_of_28_bytes, BOTH, READ },
	{ "AH longer than the packet", tcp, authentication_beyond_the_end, BOTH, UNREADABLE },
	{ "AH cut off in a first fragment", tcp, authentication_in_a_first_fragment_cut, V4,
	  SHORT },
	{ "hop-by-hop options", tcp, hop_by_hop, V6, READ },
	{ "a jumbogram", tcp, hop_by_hop_of_no_stated_length, V6, READ },
	{ "destination options of no stated length", tcp, options_of_no_stated_length, V6,
	  UNREADABLE },
	{ "a routing header", udp, routing, V6, READ },
	{ "every kind of extension header", tcp, every_kind_of_header, V6, READ },
	{ "two destination options", tcp, two_headers, V6, READ },
	{ "150 destination options, TCP", tcp, hundred_and_fifty_headers, V6, READ },
	{ "150 destination options, UDP", udp, hundred_and_fifty_headers, V6, READ },
	{ "150 destination options, echo", echo, hundred_and_fifty_headers, V6, READ },
	{ "as many headers as an Ethernet frame holds", tcp, hundred_and_eighty_headers, V6, READ },
	{ "more headers than are read", tcp, too_many_headers, V6, UNREADABLE },
	{ "more headers than are read, first fragment", tcp, too_many_headers_of_a_first_fragment,
	  V6, SHORT },
	{ "headers farther away than is read", tcp, headers_beyond_all_reach, V6, UNREADABLE },
	{ "a header longer than the packet", tcp, header_beyond_the_end, V6, UNREADABLE },
	{ "padding is no extension header", tcp, header_cut_by_the_stated_length, V6, UNREADABLE },
	{ "padding is no fragment header", tcp, fragment_header_cut_by_the_stated_length, V6,
	  UNREADABLE },
	{ "a chain that ends in no next header", tcp, header_chain_to_none, V6, OTHER },
};

enum { ROWS = sizeof(rows) / sizeof(*rows) };

static const char *const result_names[] = {
	[PACKET_READ] = "read", [PACKET_OTHER] = "other", [PACKET_LATER] = "later",
	[PACKET_SHORT] = "short", [PACKET_UNREADABLE] = "unreadable",
	[PACKET_UNREADABLE_TAGS] = "unreadable before the address",
};

/*
 * Parse the first @len bytes of @f, in memory that holds nothing more. The IP header is aligned to
 * four bytes, as network cards place it.
 */
static enum packet_result parse(const struct frame *f, size_t len, struct packet *p)
{
	size_t before = f->ethernet ? 2 : 0;
	uint8_t *memory = malloc(before + len + !(before + len));
	struct cursor c = { .data = memory + before, .end = memory + before + len };
	enum packet_result result;

	assert_non_null(memory);
	memcpy(memory + before, f->bytes, len);
	memset(p, 0, sizeof(*p));
	result = packet_parse(&c, f->ethernet, p);
	assert_true(!f->ethernet || plain_agrees(&c, result, p));
	free(memory);
	return result;
}

static void frame_fail(const struct frame *f, size_t len, const char *what, const char *expected,
		       const char *got)
{
	for (size_t i = 0; i < len; i++)
		print_error("%02x%s", f->bytes[i], i % 16 == 15 ? "\n" : " ");
	fail_msg("IPv%d, the first %zu bytes: %s is %s, not %s", f->family, len, what, got,
		 expected);
}

static void check_field(const struct frame *f, const char *what, uint32_t expected, uint32_t got)
{
	char expected_text[16], got_text[16];

	if (expected == got)
		return;
	snprintf(expected_text, sizeof(expected_text), "%#x", expected);
	snprintf(got_text, sizeof(got_text), "%#x", got);
	frame_fail(f, f->len, what, expected_text, got_text);
}

static void check_packet(const struct frame *f, const struct packet *p)
{
	const struct packet *e = &f->expected;

	check_field(f, "family", e->source.family, p->source.family);
	check_field(f, "stream", 0, p->source.stream);
	for (int i = 0; i < 4; i++) {
		check_field(f, "source", e->source.word_be[i], p->source.word_be[i]);
		check_field(f, "destination", e->destination_be[i], p->destination_be[i]);
	}
	check_field(f, "group", e->group, p->group);
	check_field(f, "proto", e->proto, p->proto);
	check_field(f, "number", e->number, p->number);
	check_field(f, "source port", e->source_port_be, p->source_port_be);
	check_field(f, "destination port", e->destination_port_be, p->destination_port_be);
	check_field(f, "sequence number", e->sequence_be, p->sequence_be);
	check_field(f, "flags", e->flags, p->flags);
	check_field(f, "type of service", e->tos, p->tos);
}

/* However much is cut off: no header that is not there is read, and no more is asked for. */
static void check_cut(const struct frame *f, enum packet_result whole)
{
	size_t needed = f->transport + f->header;

	for (size_t len = 0; len <= f->len; len++) {
		struct packet p;
		enum packet_result result = parse(f, len, &p);

		if (whole != PACKET_READ) {
			if (result == PACKET_READ)
				frame_fail(f, len, "the result", result_names[whole],
					   result_names[result]);
		} else if ((result == PACKET_READ) != (len >= needed)) {
			frame_fail(f, len, "the result", len >= needed ? "read" : "not read",
				   result_names[result]);
		}
	}
}

/* Leave the packet for others to begin with. */
static void frame_keep(const struct frame *f, const struct row *row)
{
	const char *folder = getenv("KNOCKD_FRAMES");
	char path[4096];
	FILE *file;

	if (!folder)
		return;
	snprintf(path, sizeof(path), "%s/%03td-%d", folder, row - rows, f->family);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(f->len, fwrite(f->bytes, 1, f->len, file));
	fclose(file);
}

static void row_run(void **state)
{
	const struct row *row = *state;
	struct frame *f = malloc(sizeof(*f));

	assert_non_null(f);
	for (int family = 4; family <= 6; family += 2) {
		enum packet_result result;
		struct packet p;

		if (row->families != BOTH && row->families != (family == 4 ? V4 : V6))
			continue;
		row->build(f, family);
		if (row->change)
			row->change(f);
		frame_keep(f, row);
		result = parse(f, f->len, &p);
		if (result != row->result)
			frame_fail(f, f->len, "the result", result_names[row->result],
				   result_names[result]);
		if (result == PACKET_READ)
			check_packet(f, &p);
		check_cut(f, row->result);
	}
	free(f);
}

/* ---- what is no single change ---- */

static void a_packet_that_ends_in_its_ip_header_has_no_address(void **state)
{
	struct frame *f = malloc(sizeof(*f));
	struct packet p;

	(void)state;
	assert_non_null(f);
	for (int family = 4; family <= 6; family += 2) {
		tcp(f, family);
		for (size_t len = 0; len < ETHERNET; len++)
			assert_int_equal(parse(f, len, &p), PACKET_OTHER);
		for (size_t len = ETHERNET; len < f->transport; len++)
			assert_int_equal(parse(f, len, &p), PACKET_UNREADABLE_TAGS);
		assert_int_equal(parse(f, f->transport, &p), PACKET_UNREADABLE);
		twenty_tags(f);
		for (size_t len = ETHERNET; len < f->transport; len++)
			assert_int_equal(parse(f, len, &p), PACKET_UNREADABLE_TAGS);
	}
	free(f);
}

static void what_is_unreadable_behind_its_addresses_shows_them(void **state)
{
	static void (*const changes[])(struct frame *) = {
		doff_4, length_one_less_than_the_headers, authentication_beyond_the_end,
	};
	struct frame *f = malloc(sizeof(*f));

	(void)state;
	assert_non_null(f);
	for (int family = 4; family <= 6; family += 2) {
		for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
			struct packet p;

			tcp(f, family);
			to_multicast(f);
			changes[i](f);
			assert_int_equal(parse(f, f->len, &p), PACKET_UNREADABLE);
			assert_int_equal(p.source.family, family);
			assert_memory_equal(p.source.word_be, f->expected.source.word_be, 16);
			assert_memory_equal(p.destination_be, f->expected.destination_be, 16);
			assert_true(p.group);
		}
	}
	free(f);
}

static void plain_packets_are_found_the_quick_way(void **state)
{
	static void (*const kinds[])(struct frame *f, int family) = { tcp, udp, echo };
	struct frame *f = malloc(sizeof(*f));

	(void)state;
	assert_non_null(f);
	for (int i = 0; i < 6; i++) {
		struct cursor c = { .data = f->bytes };
		int ip_version = i % 2 ? 4 : 6;
		struct plain_seen seen;

		kinds[i / 2](f, ip_version);
		c.end = f->bytes + f->len;
		seen = plain_found(&c);
		if (kinds[i / 2] == echo) {
			assert_null(seen.transport);
			continue;
		}
		assert_ptr_equal(seen.transport, f->bytes + f->transport);
		assert_int_equal(seen.family, ip_version);
		assert_int_equal(seen.proto, f->expected.proto);
		/* A tag, or another kind of frame, leaves it to the long way. */
		f->bytes[12] ^= 1;
		assert_null(plain_found(&c).transport);
	}
	free(f);
}

static void every_set_of_tcp_flags_is_read(void **state)
{
	struct frame *f = malloc(sizeof(*f));

	(void)state;
	assert_non_null(f);
	for (unsigned int flags = 0; flags < 512; flags++) {
		struct packet p;

		tcp(f, flags % 2 ? 4 : 6);
		f->bytes[f->transport + 12] |= flags >> 8;
		f->bytes[f->transport + 13] = flags;
		assert_int_equal(parse(f, f->len, &p), PACKET_READ);
		assert_int_equal(p.flags, flags & 0x3f);
	}
	free(f);
}

static void every_number_of_headers_up_to_150_is_read(void **state)
{
	struct frame *f = malloc(sizeof(*f));

	(void)state;
	assert_non_null(f);
	for (int count = 1; count <= 150; count++) {
		struct packet p;

		udp(f, 6);
		chain(f, count);
		assert_int_equal(parse(f, f->len, &p), PACKET_READ);
		check_packet(f, &p);
	}
	free(f);
}

static void every_number_of_tags_up_to_32_is_read(void **state)
{
	struct frame *f = malloc(sizeof(*f));

	(void)state;
	assert_non_null(f);
	for (int count = 1; count <= 32; count++) {
		struct packet p;

		tcp(f, count % 2 ? 4 : 6);
		tags_mixed(f, count);
		assert_int_equal(parse(f, f->len, &p), PACKET_READ);
		check_packet(f, &p);
	}
	free(f);
}

static uint32_t next_random(uint64_t *random)
{
	*random = *random * 6364136223846793005 + 1442695040888963407;
	return *random >> 33;
}

/* Any bytes may change: nothing beyond the end is read, no field goes out of its range. */
static void damaged_packets_do_no_damage(void **state)
{
	struct frame *f = malloc(sizeof(*f));
	const char *seed = getenv("KNOCKD_SEED");
	uint64_t random = seed ? strtoull(seed, NULL, 0) : 2026;

	(void)state;
	assert_non_null(f);
	print_message("KNOCKD_SEED=%llu\n", (unsigned long long)random);
	for (int round = 0; round < 200000; round++) {
		const struct row *row = &rows[next_random(&random) % ROWS];
		struct packet p;
		size_t len;

		/* The longest rows would take most of the time. */
		row->build(f, row->families == V4 || (row->families == BOTH && round % 2) ? 4 : 6);
		if (row->change)
			row->change(f);
		for (int changes = next_random(&random) % 6; changes; changes--) {
			size_t at = next_random(&random) % (f->len < 120 ? f->len : 120);

			f->bytes[at] ^= next_random(&random) % 2 ? next_random(&random) :
								  1U << at % 8;
		}
		len = next_random(&random) % 4 ? f->len : next_random(&random) % (f->len + 1);
		switch (parse(f, len, &p)) {
		case PACKET_READ:
			assert_true(p.source.family == 4 || p.source.family == 6);
			assert_in_range(p.proto, PROTO_TCP, PROTO_ICMP);
			assert_in_range(p.number, 0, p.proto == PROTO_ICMP ? 255 : 65535);
			assert_in_range(p.flags, 0, 0x3f);
			break;
		case PACKET_OTHER:
		case PACKET_LATER:
		case PACKET_SHORT:
		case PACKET_UNREADABLE:
		case PACKET_UNREADABLE_TAGS:
			assert_int_equal(p.proto, PROTO_NONE);
			break;
		default:
			fail();
		}
	}
	free(f);
}

/* Parse what the fixtures have sent: length, whether it begins with IP, bytes. */
static int file_parse(const char *path)
{
	struct frame *f = malloc(sizeof(*f));
	FILE *file = fopen(path, "rb");
	uint32_t head[2];
	unsigned long count = 0;

	while (f && file && fread(head, sizeof(head), 1, file) == 1) {
		struct packet p;

		f->len = head[0];
		f->ethernet = !head[1];
		if (f->len > BYTES_MAX || fread(f->bytes, f->len, 1, file) != 1)
			break;
		parse(f, f->len, &p);
		count++;
	}
	printf("%lu packets\n", count);
	if (file)
		fclose(file);
	free(f);
	return !count;
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(a_packet_that_ends_in_its_ip_header_has_no_address),
		cmocka_unit_test(what_is_unreadable_behind_its_addresses_shows_them),
		cmocka_unit_test(plain_packets_are_found_the_quick_way),
		cmocka_unit_test(every_set_of_tcp_flags_is_read),
		cmocka_unit_test(every_number_of_headers_up_to_150_is_read),
		cmocka_unit_test(every_number_of_tags_up_to_32_is_read),
		cmocka_unit_test(damaged_packets_do_no_damage),
	};
	struct CMUnitTest tests[ROWS + sizeof(others) / sizeof(*others)];

	if (argc > 1)
		return file_parse(argv[1]);
	for (int i = 0; i < ROWS; i++)
		tests[i] = (struct CMUnitTest){
			.name = rows[i].sentence,
			.test_func = row_run,
			.initial_state = (void *)&rows[i],
		};
	memcpy(tests + ROWS, others, sizeof(others));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
