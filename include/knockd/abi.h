/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the BPF programs and the daemon agree on: map keys and values, events, packed words.
 *
 * Byte order is the host's unless a name ends in _be or a comment says otherwise. Time is jiffies
 * (the kernel's jiffies64, or its low 32 bits where a field has 32), converted from seconds when a
 * config is compiled. Padding is named and zero.
 */
#ifndef KNOCKD_ABI_H
#define KNOCKD_ABI_H

#include <linux/types.h>

#include "knockd/limits.h"
#include "knockd/reason.h"

#define KNOCKD_LAYOUT 1 /* of everything below that outlives a program; raise it on any change */

/* Transport protocols as the tables number them. */
enum proto { PROTO_TCP, PROTO_UDP, PROTO_ICMP, PROTO_NONE };

/* An address with its family: 192.0.2.1 and ::ffff:192.0.2.1 are two sources. */
struct source {
	__be32 word_be[4]; /* IPv4 in the first word, the others zero */
	__u8 family;       /* 4 or 6 */
	__u8 stream;       /* which stream of knocks; zero where there is none */
	__u8 zero[2];
};

/* ---- ports: what the config says of each port; one value, PORT_COUNT of these ---- */

struct port {
	__u32 guard;  /* 1 + index of its counters where protected, else 0 */
	__u16 area;   /* ports with the same set of doors form one area */
	__u16 symbol; /* the port as the automaton knows it, or 0: no knock port */
};

enum {
	PORT_ICMP_FIRST = 2 * 65536,            /* then 256 codes of ICMP echo requests */
	PORT_COUNT = PORT_ICMP_FIRST + 256,
};

/* ---- the automaton: all sequences of all streams (Aho-Corasick) ---- */

/*
 * An edge is one word: from << 36 | symbol << 20 | to. They stand in an open-addressed table of a
 * power of two, from the place that edge_slot() gives onwards, before the next empty place. An
 * empty place is 0 (no edge leads to a root), and one of any EDGE_PROBES in a row is empty.
 */
enum { EDGE_PROBES = 16, STATE_BITS = 20, STATE_MAX = 1 << STATE_BITS };

struct state {
	__u32 fail;        /* longest proper suffix that is also a prefix of some sequence */
	__u32 timeout;     /* jiffies; longest Seq_Timeout of the sequences that begin so; at a
	                      root the longest of the stream */
	__u32 match;       /* first of the sequences that end here, in the table of matches */
	__u16 symbol;      /* the knock that leads here; 0 at a root */
	__u8 depth;        /* knocks remembered; 0 at a root */
	__u8 match_count : 4;
	__u8 advances : 1; /* the same knock once more would advance some sequence */
	__u8 zero : 3;
};

enum match_action { MATCH_OPEN, MATCH_CLOSE };

struct match {
	__u32 timeout; /* jiffies from the first to the last knock */
	__u16 door;
	__u8 depth;    /* knocks of this sequence */
	__u8 action;   /* enum match_action */
};

/* ---- doors ---- */

struct door {
	__u64 open_time; /* jiffies; 0: until closed */
	__u64 window;    /* jiffies that a grant's cell is in use at the most; 0: until closed */
	__u32 quota;     /* sources in any one window that are certain to get a grant */
	__u32 datagrams; /* 1: opens some UDP port, so that its grants have flows */
};

/*
 * How many grants a door gave lately, one word changed by compare-and-swap: the index of the
 * current window, the grants given or renewed in the window before it and in it. Their sum is never
 * less than the cells in use.
 */
enum { QUOTA_COUNT_BITS = 24, QUOTA_COUNT_MAX = (1 << QUOTA_COUNT_BITS) - 1 };

/* ---- progress: LRU hash, struct source → struct progress ---- */

struct knocked {
	__u32 time; /* jiffies */
	__u32 id;   /* hash of a TCP segment's ports and sequence number, to know it again; or 0 */
};

/*
 * The word decides and is changed by compare-and-swap; an LRU value can be taken from under us for
 * another source, so it carries a tag of its owner. Low bits first: state, place of the latest
 * knock, number of knocks remembered, tag.
 */
enum {
	PROGRESS_HEAD_SHIFT = STATE_BITS,
	PROGRESS_COUNT_SHIFT = PROGRESS_HEAD_SHIFT + 5,
	PROGRESS_TAG_SHIFT = PROGRESS_COUNT_SHIFT + 7,
};

struct progress {
	__u64 word;
	struct knocked knock[KNOCKD_SEQUENCE_MAX]; /* a ring */
};

/* ---- grants: buckets of cells, one cell a source and door ---- */

/*
 * A cell's word is changed by compare-and-swap. Low bits first: expiry (46 bits of jiffies; the
 * cell is free once that has passed), ended (closed before its time; kept for its flows' sake),
 * IPv6, door (16 bits).
 */
enum {
	GRANT_ENDED_BIT = 46,
	GRANT_IPV6_BIT = 47,
	GRANT_DOOR_SHIFT = 48,
	GRANT_DOOR_BUSY = 0xffff, /* the cell is being written */
	GRANT_CELLS = 16,
	GRANT_FLOWS_MAX = 64,     /* flows recorded for one grant between two knocks */
};

#define GRANT_EXPIRY_MASK ((1ULL << GRANT_ENDED_BIT) - 1)
#define GRANT_FOREVER GRANT_EXPIRY_MASK

struct grant {
	__u64 word;
	__be32 address_be[4]; /* cut to Grant_Prefix6 */
	__u32 flows;          /* recorded since the last knock */
	__u32 zero;
};

struct grant_bucket {
	struct grant cell[GRANT_CELLS];
};

/* ---- presence: who can have progress or a grant at all ---- */

/*
 * until[hash of the source] is the latest time at which any progress or grant of a source with that
 * hash can be alive, in steps of 256 jiffies, rounded up. A source whose time has passed has none,
 * and no other table is asked. The key is drawn when the table is made and lives as long as it.
 */
enum { PRESENCE_BITS = 16, PRESENCE_SLOTS = 1 << PRESENCE_BITS, PRESENCE_STEP_SHIFT = 8 };

struct presence {
	__u32 key[8];
	__u32 until[PRESENCE_SLOTS];
};

/* ---- flows: LRU hash ---- */

struct flow {
	__be32 source_be[4];
	__be32 destination_be[4];
	__be16 source_port_be;
	__be16 destination_port_be;
	__u8 family; /* 4 or 6 */
	__u8 proto;  /* enum proto */
	__u8 zero[2];
};

struct flow_state {
	__u64 seen;  /* jiffies of the last packet */
	__u32 door;
	__u32 zero;
};

/* ---- sources: LPM trie, prefix → set of trust and leave to knock ---- */

struct source_prefix {
	__u32 length;  /* bits of what follows: 32 for the family, then the prefix */
	__be32 family_be; /* 4 or 6 */
	__be32 word_be[4];
};

/* ---- events ---- */

enum event_kind {
	EVENT_STAGE,   /* a knock advanced a sequence; state says which */
	EVENT_OPENED,  /* until is the new expiry */
	EVENT_CLOSED,  /* by its Close_Sequence */
	EVENT_REFUSED, /* a right sequence without a grant; reason says why */
	EVENT_BLOCKED, /* the first packet in this minute that a protected port refused */
};

struct event {
	__u32 kind;
	__u32 door;    /* OPENED, CLOSED, REFUSED */
	__u32 state;   /* STAGE */
	__u32 reason;  /* REFUSED, BLOCKED */
	__u64 time;    /* jiffies */
	__u64 until;   /* OPENED; GRANT_FOREVER: until closed */
	struct source source;
	__u16 port;    /* BLOCKED */
	__u8 proto;    /* BLOCKED */
	__u8 renewed;  /* OPENED: the grant was alive */
	__u32 zero[2];
};

/* ---- settings: read-only data of the programs ---- */

enum closed_action { CLOSED_DROP, CLOSED_RESET, CLOSED_ABORT };

struct stream {
	__u8 mask, value; /* a TCP segment is a knock when (flags & mask) == value */
	__u8 zero[2];
	__u32 root;       /* its first state */
};

struct settings {
	__u32 ethernet;       /* 1: frames begin with an Ethernet header; 0: with the IP header */
	__u32 inner;          /* 1: the inner door stands */
	__u32 closed;         /* enum closed_action */
	__u32 stream_count;
	struct stream stream[KNOCKD_STREAMS_MAX];
	__u32 edge_mask;      /* places in the table of edges, less one */
	__u32 state_count;
	__u32 match_count;
	__u32 door_count;
	__u32 area_words;     /* 64-bit words in one door's row of the opens matrix */
	__u32 door_words;     /* 64-bit words in one set's row of the knockers matrix */
	__u32 set_count;      /* sets of sources; set 0 is everyone else */
	__u32 guard_count;    /* protected ports */
	__u32 bucket_mask;    /* buckets of grants, less one */
	__u32 sources;        /* 1: some Trust or Knock_From is configured */
	__u32 icmp;           /* 1: some sequence has an ICMP knock */
	__u32 udp_guarded;    /* 1: some protected port is UDP */
	__be32 grant_mask6_be[4]; /* Grant_Prefix6 */
	__u64 udp_idle;       /* jiffies */
	__u64 second;         /* jiffies in one second */
};

/* What may change while a config stands; written by the daemon into the programs' data. */
struct surroundings {
	__u32 forwarding; /* 1: this host forwards what arrives on the guarded interface */
	__u32 stacked;    /* 1: sockets may be bound to devices stacked on it, or above it */
	__u64 ours[64];   /* a Bloom filter of this host's addresses, by address_bit() */
};

/* The bit of an address in the filter; 192.0.2.1 and ::192.0.2.1 may share it. */
static inline __u32 address_bit(const __be32 word_be[4])
{
	__u32 hash = word_be[0] ^ word_be[1] * 0x85ebca6bU ^ word_be[2] * 0xc2b2ae35U ^
		     word_be[3] * 0x27d4eb2fU;

	return (hash ^ hash >> 16) * 0x9e3779b1U >> 20;
}

/* The programs' clock and CLOCK_MONOTONIC at one moment. */
struct clock_reading {
	__u64 jiffies;
	__u64 monotonic_ns;
};

#define KNOCKD_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)
KNOCKD_SIZE(struct source, 20);
KNOCKD_SIZE(struct port, 8);
KNOCKD_SIZE(struct state, 16);
KNOCKD_SIZE(struct match, 8);
KNOCKD_SIZE(struct door, 24);
KNOCKD_SIZE(struct progress, 264);
KNOCKD_SIZE(struct grant, 32);
KNOCKD_SIZE(struct flow, 40);
KNOCKD_SIZE(struct flow_state, 16);
KNOCKD_SIZE(struct source_prefix, 24);
KNOCKD_SIZE(struct event, 64);
#undef KNOCKD_SIZE

#endif
