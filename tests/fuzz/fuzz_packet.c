// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any bytes as a frame: nothing beyond its end is read, no field leaves its range, and the parser
 * keeps its own laws: more bytes never change what was read, nor does one more priority tag, nor
 * does Ethernet. Whether the loaded program reads the same is for tests/bpf/test_agree.c to say.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet.h"
#include "tests/fuzz/two_ways.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	ETHERNET = 14,
	TAG = 4,
	HEADER_MAX = 2048,
	/* No header of a frame up to this length lies beyond all reach. */
	NEAR = PACKET_OFFSET_MAX - HEADER_MAX - TAG,
};

struct reading {
	enum packet_result result;
	struct packet packet;
};

static void require(int condition, const char *text)
{
	if (condition)
		return;
	fprintf(stderr, "%s\n", text);
	abort();
}

static void reading_check(const struct reading *r)
{
	const struct packet *p = &r->packet;

	require(r->result <= PACKET_UNREADABLE_TAGS, "the result is none");
	require(!p->source.stream && !p->source.zero[0] && !p->source.zero[1],
		"what is no part of an address is not zero");
	if (r->result != PACKET_READ) {
		require(p->proto == PROTO_NONE, "a packet that is not read has a protocol");
		return;
	}
	require(p->source.family == 4 || p->source.family == 6, "no family");
	require(p->proto < PROTO_NONE, "no protocol");
	require(p->number <= (p->proto == PROTO_ICMP ? 255 : 65535), "the number is too large");
	require(p->flags <= 0x3f, "there are no such flags");
	require(p->proto == PROTO_TCP || (!p->flags && !p->sequence_be),
		"flags or a sequence number without TCP");
	require(p->proto == PROTO_ICMP || bpf_ntohs(p->destination_port_be) == p->number,
		"the number is not the port");
}

/*
 * Parse in memory that holds @size bytes and no more. The IP header is aligned to four bytes, as
 * network cards place it.
 */
static struct reading frame_read(const uint8_t *data, size_t size, bool ethernet)
{
	size_t before = ethernet ? 2 : 0;
	uint8_t *memory = malloc(before + size);
	struct cursor c = { .data = memory + before, .end = memory + before + size };
	struct reading r;

	memset(&r, 0, sizeof(r));
	memcpy(memory + before, data, size);
	r.result = packet_parse(&c, ethernet, &r.packet);
	require(!ethernet || plain_agrees(&c, r.result, &r.packet),
		"the quick way reads something else");
	free(memory);
	reading_check(&r);
	return r;
}

static bool readings_agree(const struct reading *a, const struct reading *b)
{
	return a->result == b->result &&
	       (a->result != PACKET_READ || !memcmp(&a->packet, &b->packet, sizeof(a->packet)));
}

/* The rest of a frame changes nothing of what its first @size bytes tell. */
static void more_bytes_change_nothing(const uint8_t *data, size_t size, bool ethernet,
				      const struct reading *whole)
{
	struct reading part = frame_read(data, size, ethernet);

	if (part.result == PACKET_READ || part.result == PACKET_LATER)
		require(readings_agree(&part, whole), "more bytes change what was read");
}

/* Linux strips any number of priority tags; we give up after many. */
static void tag_changes_nothing(const uint8_t *data, size_t size, const struct reading *plain)
{
	uint8_t *tagged = malloc(size + TAG);
	struct reading r;

	memcpy(tagged, data, 12);
	memcpy(tagged + 12, "\x81\x00\x00\x00", TAG);
	memcpy(tagged + 12 + TAG, data + 12, size - 12);
	r = frame_read(tagged, size + TAG, true);
	free(tagged);
	require(r.result == PACKET_UNREADABLE_TAGS || readings_agree(&r, plain),
		"a priority tag changes what is read");
}

/* Behind an Ethernet header that tells the truth, the packet is that of a tunnel. */
static void ethernet_changes_nothing(const uint8_t *data, size_t size,
				     const struct reading *framed)
{
	__u16 type = data[12] << 8 | data[13];
	struct reading bare;

	if (size == ETHERNET || type != (data[ETHERNET] >> 4 == 4 ? ETH_P_IP :
					 data[ETHERNET] >> 4 == 6 ? ETH_P_IPV6 : 0))
		return;
	bare = frame_read(data + ETHERNET, size - ETHERNET, false);
	bare.packet.group |= data[0] & 1;
	require(readings_agree(&bare, framed), "Ethernet changes what is read");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reading framed = frame_read(data, size, true), bare = frame_read(data, size, false);
	size_t less = size ? size - 1 - data[size - 1] % size : 0;

	more_bytes_change_nothing(data, less, true, &framed);
	more_bytes_change_nothing(data, less, false, &bare);
	if (size < ETHERNET || size > NEAR)
		return 0;
	tag_changes_nothing(data, size, &framed);
	ethernet_changes_nothing(data, size, &framed);
	return 0;
}
