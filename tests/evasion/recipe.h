/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a case is built from: the valid packet's fields, and what was changed about them. */
#ifndef KNOCKD_EVASION_RECIPE_H
#define KNOCKD_EVASION_RECIPE_H

#include "case.h"

enum {
	TAGS_MAX = 64,
	EXTENSIONS_MAX = 256,
	EXTENSION_BYTES_MAX = 8192,
	OPTIONS_MAX = 40,
	PAYLOAD_MAX = 8192,
	PIECES_MAX = 80,
	AS_IT_IS = -1, /* of a field that is computed where nobody changed it */
};

struct rng {
	uint64_t state;
};

uint64_t rng_next(struct rng *g);
/** roll() - Evenly 0 … @sides − 1. */
uint32_t roll(struct rng *g, uint32_t sides);
/** pick() - One of the arguments, which are numbers. */
#define pick(g, ...)                                                                               \
	((const int[]){ __VA_ARGS__ }[roll(g, sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))])

enum framing { FRAMING_ETHERNET, FRAMING_SNAP, FRAMING_LLC, FRAMING_RAW };

enum fragmenting {
	FRAGMENT_NONE,
	FRAGMENT_ATOMIC,  /* IPv6: the header, but one piece */
	FRAGMENT_TRAIN,   /* whole, in any order */
	FRAGMENT_TINY,    /* the first piece has not even the transport header */
	FRAGMENT_OVERLAP,
	FRAGMENT_REPEAT,
	FRAGMENT_HOLE,
	FRAGMENT_ODD,     /* lengths, offsets and flags that nobody sends */
};

struct extension {
	uint8_t type;
	uint16_t at, len; /* in extension_bytes; the first byte is filled in when it is built */
};

struct recipe {
	uint32_t index;
	int family;
	bool udp;

	uint8_t mac[6], source_mac[6];
	struct {
		uint16_t tpid, tci;
	} tag[TAGS_MAX];
	unsigned int tags;
	enum framing framing;
	int ethertype;
	unsigned int pad;  /* bytes behind the packet */
	int cut;           /* bytes that are missing at its end */

	int version, header_len; /* AS_IT_IS; IPv4: in words */
	int length_change;
	int length;              /* AS_IT_IS */
	int protocol;            /* AS_IT_IS */
	unsigned int tos, ttl, label;
	uint16_t fragment_bits;  /* IPv4: reserved, DF */
	bool bad_ip_sum;
	uint8_t source[16], destination[16];
	uint8_t final[16];       /* which the transport checksum is over */
	bool routed;             /* final differs */
	uint8_t options[OPTIONS_MAX];
	unsigned int options_len;

	struct extension extension[EXTENSIONS_MAX];
	unsigned int extensions, before_fragment; /* how many are in every fragment */
	uint8_t extension_bytes[EXTENSION_BYTES_MAX];
	unsigned int extension_used;
	uint8_t inner[512];      /* instead of the transport: a whole packet, or anything */
	size_t inner_len;
	uint8_t inner_type;

	uint16_t sport, dport;
	uint32_t seq, ack;
	int data_offset; /* AS_IT_IS */
	unsigned int flags, reserved, window, urgent;
	uint8_t tcp_options[OPTIONS_MAX];
	unsigned int tcp_options_len;
	unsigned int payload;
	int udp_length; /* AS_IT_IS */
	bool bad_sum, no_sum;

	enum fragmenting fragmenting;
	unsigned int flips;     /* bits changed at the end, */
	unsigned int words;     /* 16-bit words set to something odd, */
	bool mended;            /* and checksums computed anew */
	struct rng late;        /* what is decided when it is built */
};

/** recipe_mutate() - Apply mutation @kind; the recipe is of a family and protocol it fits. */
void recipe_mutate(struct recipe *r, unsigned int kind, struct rng *g);

/** kind_fits() - Whether the mutation means anything for this family and protocol. */
bool kind_fits(unsigned int kind, int family, bool udp);

/** recipe_build() - The frames of @r. */
void recipe_build(struct recipe *r, const struct approach *approach, struct evasion_case *c);

/** Addresses: text as inet_pton() takes it, 4 or 16 bytes. */
void address_put(uint8_t *at, int family, const char *text);

void put16(uint8_t *at, unsigned int value);
void put32(uint8_t *at, uint32_t value);
uint32_t sum(const uint8_t *at, size_t len, uint32_t total);
unsigned int sum_fold(uint32_t total);

/** transport_sum() - Over a header whose own field holds 0, and what follows it. */
unsigned int transport_sum(int family, const uint8_t *source, const uint8_t *destination,
			   unsigned int protocol, const uint8_t *at, size_t len);
unsigned int address_len(int family);

/**
 * The parts of a packet, put at @at; they return their lengths. chain_put() puts the extension
 * headers @from … @to, of which the last names @type, and chain_type() tells what names the first.
 */
size_t transport_put(const struct recipe *r, uint8_t *at, uint8_t *type);
size_t chain_put(const struct recipe *r, unsigned int from, unsigned int to, uint8_t type,
		 uint8_t *at);
uint8_t chain_type(const struct recipe *r, unsigned int from, unsigned int to, uint8_t type);
size_t ip_put(const struct recipe *r, uint8_t *at, unsigned int protocol, unsigned int place,
	      size_t len);

/** packet_plain() - A datagram or SYN of @r without any dressing, from and to these addresses. */
size_t packet_plain(const struct recipe *r, int family, const char *source,
		    const char *destination, uint8_t *at);

#endif
