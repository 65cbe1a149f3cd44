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

#ifndef KNOCKD_LAYOUT
#define KNOCKD_LAYOUT 7 /* of everything below that outlives a program; raise it on any change */
#endif

/* Transport protocols as the tables number them. */
enum proto { PROTO_TCP, PROTO_UDP, PROTO_ICMP, PROTO_NONE };

/* An address with its family: 192.0.2.1 and ::ffff:192.0.2.1 are two sources. */
struct source {
	__be32 word_be[4]; /* IPv4 in the first word, the others zero */
	__u8 family;       /* 4 or 6 */
	__u8 stream;       /* which stream of knocks; zero where there is none */
	__u8 zero[2];
};

/*
 * ---- ports: what the config says of each port; an array, PORT_COUNT of these a host ----
 *
 * The first are about this host's own addresses; then come those of each host of settings.remote,
 * in its order.
 */

struct port {
	union {
		struct {
			__u32 guard;  /* 1 + index of its counters where protected, else 0 */
			__u16 area;   /* ports with the same set of doors form one area */
			__u16 symbol; /* as the automaton knows it, or 0: no knock port */
		};
		__u64 named;          /* 0: the config does not name it */
	};
};

enum {
	PORT_ICMP_FIRST = 2 * 65536,            /* then 256 codes of ICMP echo requests */
	PORT_COUNT = PORT_ICMP_FIRST + 256,
};

/* ---- the automaton: all sequences of all streams (Aho-Corasick) ---- */

/*
 * An edge is one word: from << 36 | symbol << 20 | to. Each stands in one of the EDGE_PLACES that
 * edge_slot() gives, in a table of a power of two (cuckoo hashing; Pagh, Rodler, 2001). An empty
 * place is 0: no edge leads to a root.
 */
enum { EDGE_PLACES = 2, STATE_BITS = 20, STATE_MAX = 1 << STATE_BITS };

/*
 * A state's number means the same run of knocks in every config that has it, so that progress
 * outlives a reload. The first KNOCKD_STREAMS_MAX are the roots, state i that of stream i. A state
 * that left the config may still stand in some source's progress: it stays, removed, for as long as
 * that can be alive, and leads only to its longest suffix that is still there. A number that is not
 * in use has depth 0.
 */
struct state {
	__u32 fail;        /* longest proper suffix that is also a prefix of some sequence */
	__u32 timeout;     /* jiffies; longest Seq_Timeout of the sequences that begin so; at a
	                      root the longest of the stream */
	__u32 match;       /* first of the sequences that end here, in the table of matches */
	__u16 symbol;      /* the knock that leads here; 0 at a root */
	__u8 depth;        /* knocks remembered; 0 at a root */
	__u8 match_count : 4;
	__u8 advances : 1; /* the same knock once more would advance some sequence */
	__u8 removed : 1;  /* no sequence begins so any more */
	__u8 beside : 1;   /* the state before it in the table is the one that leads here */
	__u8 zero : 1;
};

enum match_action { MATCH_OPEN, MATCH_CLOSE };

struct match {
	__u32 timeout; /* jiffies from the first to the last knock */
	__u16 door;
	__u8 depth;    /* knocks of this sequence */
	__u8 action;   /* enum match_action */
};

/* ---- doors ---- */

enum door_flag {
	DOOR_GRANTS = 1, /* knocks give grants; else they are only told */
	DOOR_FLOWS = 2,  /* its grants have flows: it opens some UDP port, or another host's */
	DOOR_TASKS = 4,  /* the helper is told too: there is a command to run, or a list to mark */
};

struct door {
	__u64 open_time; /* jiffies; 0: until closed */
	__u64 window;    /* jiffies that a grant's cell is in use at the most; 0: until closed */
	__u64 once;      /* a name for its sequence, which opens it but once; 0: it has none */
	__u32 quota;     /* sources in any one window that are certain to get a grant; 0: no door */
	__u32 connections; /* TCP connections that use a grant up; 0: any number */
	__u32 flags;     /* of enum door_flag */
	__u32 zero;
};

/*
 * How many grants a door gave lately, one word changed by compare-and-swap: the index of the
 * current window, the grants given or renewed in the window before it and in it. Their sum is never
 * less than the cells in use.
 */
enum { QUOTA_COUNT_BITS = 24, QUOTA_COUNT_MAX = (1 << QUOTA_COUNT_BITS) - 1 };

/* ---- what the numbers mean, for people and for the next config; no program reads these ---- */

/*
 * A door's number means the same name and ordinal in every config that has that door. A number that
 * is free in one config may be another door's in the next one.
 */
struct door_name {
	char name[KNOCKD_NAME_MAX]; /* with its NUL */
	__u32 ordinal;              /* among the doors of this name in the file, from 0 */
	__u32 used;                 /* 0: no door has this number; the rest is zero then */
};

/* Which doors the knocks that led to a state begin to open; one value, one of these a state. */
enum { STAGE_DOORS_MAX = 8 };

struct stage {
	__u32 timeout; /* jiffies; as the state's */
	__u8 depth;    /* knocks made */
	__u8 count;    /* doors named below; there may be more */
	__u16 door[STAGE_DOORS_MAX];
	__u8 zero[2];
};

/* Which knocks lead to a state; one value, one of these a state. */
struct path {
	__u64 until;   /* jiffies. In force: 0; removed: progress may hold it up to then; free: it
	                  means nothing since then, 0: it never did */
	__u32 parent;  /* state; itself at a root */
	__u32 port;    /* index in ports of the latest knock, as of one host; 0 at a root */
	__u32 timeout; /* jiffies; longest Seq_Timeout of its stream */
	__u8 used;     /* 0: the number is free, and all but until is zero */
	__u8 zero[3];
};

/* ---- progress: LRU hash, a __u64 of progress_name() → struct progress ---- */

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
	GRANT_FLOWS_MAX = 64,     /* flows recorded for one grant between two knocks, or of one
	                             second's connections */
	GRANT_UNPAID_S = 128,     /* a used-up grant stays known, for connections half open */
};

#define GRANT_EXPIRY_MASK ((1ULL << GRANT_ENDED_BIT) - 1)
#define GRANT_FOREVER GRANT_EXPIRY_MASK

struct grant {
	__u64 word;
	__be32 address_be[4]; /* cut to Grant_Prefix6 */
	__u32 flows;          /* recorded since the last knock; of a door with Connections those of
	                         one second: the second << 16 | how many */
	__u32 uses;           /* connections left, where the door counts them */
};

struct grant_bucket {
	union {
		/* Whose each cell was last, as far as some bits of the hash tell: most sources
		 * without a grant need no other look. Set before the cell's word is. */
		__u16 tag[GRANT_CELLS];
		__u64 tags[GRANT_CELLS / 4];
	};
	struct grant cell[GRANT_CELLS];
};

/*
 * ---- presence: who can have a grant or a flow, and who progress; slots, all in one value ----
 *
 * A slot holds the latest time at which such of a source whose hash leads to it can be alive, in
 * steps of 256 jiffies, rounded up. A source whose time has passed has nothing, and no other table
 * is asked. There are slots of both kinds, so that many grants make no other traffic slow, nor many
 * first knocks what comes to the protected ports.
 */

enum presence { PRESENCE_GRANTS, PRESENCE_PROGRESS, PRESENCE_KINDS };

enum {
	PRESENCE_BITS = 16, /* of slots of one kind: few enough for a processor to keep at hand */
	PRESENCE_SLOTS = PRESENCE_KINDS << PRESENCE_BITS,
	PRESENCE_SIZE = PRESENCE_SLOTS * sizeof(__u32), /* bytes of all of them */
	PRESENCE_STEP_SHIFT = 8,
};

/* ---- flows: LRU hash, a __u64 of flow_name() → struct flow_state ---- */

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
	struct flow flow; /* whose it is: another may have the same name, or have taken the place */
	__u64 seen;       /* jiffies of the last packet */
	__u32 door;
	__u32 unpaid;     /* 1: a TCP connection not yet seen established, so not yet charged */
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
	EVENT_CLOSED,  /* by its Close_Sequence; or used up, as reason says */
	EVENT_REFUSED, /* a right sequence without a grant; reason says why */
	EVENT_BLOCKED, /* the first packet in this minute that a protected port refused */
	EVENT_ORDER,   /* what an administrator asked for; order says what, who says who */
};

enum { EVENT_WHO_MAX = 32 };

struct event {
	__u32 kind;
	__u32 door;    /* OPENED, CLOSED, REFUSED */
	__u32 state;   /* STAGE */
	__u32 reason;  /* CLOSED, REFUSED, BLOCKED */
	__u64 time;    /* jiffies */
	__u64 until;   /* OPENED; GRANT_FOREVER: until closed; 0: there is no grant, or in tasks the
	                  time is the door's own */
	struct source source;
	__u16 port;    /* BLOCKED */
	__u8 proto;    /* BLOCKED */
	__u8 renewed;  /* OPENED: the grant was alive */
	__u32 order;   /* ORDER: enum order */
	__u32 seconds; /* ORDER_RELOAD: to be confirmed within; 0: for good at once */
	char who[EVENT_WHO_MAX]; /* OPENED, CLOSED, ORDER: who asked, with a NUL; empty: a knock */
};

/* ---- orders of an administrator, given to the program knockd_order ---- */

enum order {
	ORDER_OPEN,    /* open the door for the source, whatever its quota */
	ORDER_CLOSE,   /* end the source's grants for the door, and their flows */
	ORDER_CONFIRM, /* what waits for confirmation stays in force */
	ORDER_RELOAD,  /* ask the daemon to read its config again */
	ORDER_DETACH,  /* tell the daemon that both doors are being detached */
};

struct order_form {
	__u32 order;   /* enum order */
	__u32 door;    /* OPEN, CLOSE */
	__u64 time;    /* OPEN: jiffies that the grant is to stand; 0: until closed */
	__u32 seconds; /* RELOAD: to be confirmed within; 0: for good at once */
	struct source source;    /* OPEN, CLOSE; stream 0 */
	char who[EVENT_WHO_MAX]; /* for the log, with a NUL */
};

/* What the program returns. */
enum order_result {
	ORDER_DONE,
	ORDER_NOTHING, /* CLOSE: there was no grant; CONFIRM: nothing waits for it */
	ORDER_NO_DOOR, /* no door has this number */
	ORDER_FULL,    /* OPEN: no place for one more grant */
	ORDER_LATE,    /* CONFIRM: its time was over */
	ORDER_UNTOLD,  /* RELOAD: the ring buffer was full, the daemon does not know */
};

/* ---- what all CPUs and the daemon share; one value ---- */

/* Rates: when their second began (high half, in jiffies), and what was taken in it (low half). */
enum limit { LIMIT_STAGES, LIMIT_REFUSALS, LIMIT_COUNT };

struct shared {
	__u64 limit[LIMIT_COUNT];
	__u64 stages_unsaid; /* about REASON_STAGE_UNSAID: CPUs may undo what others have counted */
	__u64 events_lost;   /* as counted by REASON_EVENT_LOST */
	__u64 tasks_lost;    /* as counted by REASON_TASK_LOST */
};

/* ---- a config on trial: each has a value of its own ---- */

struct trial_term {
	__u64 until; /* jiffies up to which it can be confirmed; 0: it is, or needs not be */
};

/* ---- about: what the daemon leaves for the next one and for knockctl; no program reads it ---- */

/* How the outer door is attached; a link keeps it for life. */
enum xdp_flavour { XDP_FRAGS, XDP_NATIVE, XDP_GENERIC };

enum { ABOUT_PATH_MAX = 1024, ABOUT_TEXT_MAX = 8192 };

/* The outer door on one interface. */
struct about_outer {
	char interface[16]; /* name when last seen; empty: there is none */
	__u32 device;       /* its index; 0: it is not there */
	__u32 flavour;      /* enum xdp_flavour */
};

enum { ABOUT_HEAD_LAYOUT = 4 };

struct about {
	__u32 layout;        /* KNOCKD_LAYOUT; the first word of every layout */
	/* Up to version the same in every layout from ABOUT_HEAD_LAYOUT on. */
	__u32 hz;            /* jiffies in one second */
	__u64 trial_file;    /* when the file on trial was last changed: CLOCK_REALTIME, ns */
	__u64 refused_file;  /* the same of one that was not confirmed in time; 0: there is none */
	char version[16];    /* of the knockd that loaded the programs */
	struct about_outer outer[KNOCKD_INTERFACES_MAX]; /* in the order of the config */
	__u32 inner;         /* 1: the inner door stands */
	__u32 pid;           /* of the daemon, as it sees itself; 0: it has ended in good order */
	__u64 pid_start;     /* field 22 of its /proc/PID/stat: tells it from a later process */
	__u64 clock_jiffies; /* what jiffies64 was ... */
	__u64 clock_ns;      /* ... at this CLOCK_MONOTONIC */
	__u64 since;         /* CLOCK_REALTIME, seconds: guarding without a gap */
	__u64 loaded;        /* CLOCK_REALTIME, seconds: this config in force */
	__u32 fallback;      /* 1: unconfirmed, the config before comes back; 0: everything opens */
	__u32 reloads;       /* ended, well or not; raised last */
	__s32 reload_status; /* of the last: 0 or −errno */
	__u32 zero;
	char config[ABOUT_PATH_MAX];      /* absolute path */
	char reload_text[ABOUT_TEXT_MAX]; /* lines that the last reload had to say */
};

/* ---- settings: read-only data of the programs ---- */

enum closed_action { CLOSED_DROP, CLOSED_RESET, CLOSED_ABORT };

/*
 * A stream is what some doors see of a source's knocks: TCP segments with their flags, and packets
 * to their Target or, without one, to any address of this host. Its number is that of the state in
 * which it begins.
 */
struct stream {
	__u8 mask, value; /* a TCP segment is a knock when (flags & mask) == value */
	__u8 family;      /* of the target: 4 or 6; 0: there is none */
	__u8 used;        /* 0: nothing is a knock; a config before this one had it, or none */
	__be32 target_be[4];
};

/* The secret of source_hash(), and of flow_name(). */
struct hash_key {
	__u32 add[4];     /* the second not 0, or all of IPv4 would have one hash */
	__u64 multiplier; /* odd */
	__u64 ipv6;
	__u32 flow[6];
};

/* How the frames of the guarded interfaces begin. */
enum frames { FRAMES_ETHERNET, FRAMES_IP, FRAMES_MIXED };

/* Plain packets (plain.h), by the port that they go to. */
enum plain_kind {
	PLAIN_OTHER = 1,   /* one that the config does not protect */
	PLAIN_GUARDED = 2, /* one that it does */
};

struct settings {
	__u32 frames;         /* enum frames; MIXED: surroundings say which device has which */
	__u32 plain;          /* enum plain_kind: which plain packets need no long way */
	__u32 inner;          /* 1: the inner door stands */
	__u32 closed;         /* enum closed_action */
	__u32 stream_count;
	struct stream stream[KNOCKD_STREAMS_MAX];
	__u64 knock_flags;    /* bit set of the TCP flags that make a knock of some stream */
	__u64 other_flags[2]; /* of those that make none, where plain says OTHER; IPv4, IPv6 */
	struct source remote[KNOCKD_STREAMS_MAX]; /* Targets that are other hosts */
	__u32 remote_count;
	__u32 edge_mask;      /* places in the table of edges, less one */
	__u32 state_count;
	__u32 match_count;
	__u32 door_count;
	__u32 area_words;     /* 64-bit words in one door's row of the opens matrix */
	__u32 door_words;     /* 64-bit words in one set's row of the knockers matrix */
	__u32 set_count;      /* sets of sources; set 0 is everyone else */
	__u32 guard_count;    /* protected ports */
	__u32 bucket_mask;    /* buckets of grants, less one */
	struct hash_key hash_key; /* drawn when nothing is handed on; lives as long as the state
	                             that it places */
	__u32 sources;        /* 1: some Trust or Knock_From is configured */
	__u32 icmp;           /* 1: some sequence has an ICMP knock */
	__u32 flows;          /* 1: some door has flows, or counts connections */
	__u32 connections;    /* 1: some door counts connections */
	__u32 only_ipv4;      /* 1: IPv6 packets are no knocks */
	__be32 grant_mask6_be[4]; /* Grant_Prefix6 */
	__u64 udp_idle;       /* jiffies */
	__u64 second;         /* jiffies in one second */
};

enum { ADDRESS_PLACES = 4096 };

/* What may change while a config stands; written by the daemon into the programs' data. */
struct surroundings {
	__u32 forwarding; /* 1: this host forwards what arrives on the guarded interface */
	__u32 stacked;    /* 1: sockets may be bound to devices stacked on it, or above it */
	__u32 ip[KNOCKD_INTERFACES_MAX]; /* FRAMES_MIXED: devices whose frames begin with IP, by
	                                    index; then 0 */
	/* A filter of this host's addresses: 1 at the place of each. A byte is read by one
	   instruction, a bit by five. */
	__u8 ours[ADDRESS_PLACES];
};

/* The place of an address in the filter; 192.0.2.1 and ::192.0.2.1 may share it. */
static inline __u32 address_place(const __be32 word_be[4])
{
	__u32 hash = word_be[0] ^ word_be[1] ^ word_be[2] ^ word_be[3];

	return ((hash ^ hash >> 16) * 0x9e3779b1U >> 20) & (ADDRESS_PLACES - 1);
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
KNOCKD_SIZE(struct door, 40);
KNOCKD_SIZE(struct progress, 264);
KNOCKD_SIZE(struct grant, 32);
KNOCKD_SIZE(struct grant_bucket, 544);
KNOCKD_SIZE(struct hash_key, 56);
KNOCKD_SIZE(struct flow, 40);
KNOCKD_SIZE(struct flow_state, 56);
KNOCKD_SIZE(struct source_prefix, 24);
KNOCKD_SIZE(struct event, 96);
KNOCKD_SIZE(struct door_name, 136);
KNOCKD_SIZE(struct stage, 24);
KNOCKD_SIZE(struct path, 24);
KNOCKD_SIZE(struct order_form, 72);
KNOCKD_SIZE(struct shared, 40);
KNOCKD_SIZE(struct trial_term, 8);
KNOCKD_SIZE(struct about, 9704);
_Static_assert(__builtin_offsetof(struct about, version) == 24, "begins so in every layout");
KNOCKD_SIZE(struct settings, 520);
#undef KNOCKD_SIZE

#endif
