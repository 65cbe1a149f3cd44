/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The config as the user wrote it, parsed and validated, before it is compiled for the kernel.
 *
 * Everything here is in host byte order except addresses, which are in network byte order as
 * inet_pton leaves them.
 */
#ifndef KNOCKD_CONF_H
#define KNOCKD_CONF_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "knockd/limits.h"

/* What values a config may hold, beyond knockd/limits.h. Both ends are allowed. */
enum {
	CONF_COMMANDS_MAX = 1024,           /* Max_Commands */
	CONF_CONNECTIONS_MAX = 65535,
	CONF_COMMAND_TIME_MAX_S = 7 * 86400,
	CONF_CMD_TIMEOUT_MAX_S = INT32_MAX, /* as in 0.8 */
	CONF_SEQ_TIMEOUT_MAX_S = 7 * 86400, /* keeps every difference of 32-bit jiffies positive */
	CONF_OPEN_TIME_MAX_S = 3650 * 86400,
	CONF_UDP_IDLE_MAX_S = 7 * 86400,
	CONF_TABLE_MIN = 64,                /* Max_Sources, Max_Grants, Max_Flows */
	CONF_TABLE_MAX = 1 << 24,
};

enum conf_proto { CONF_TCP, CONF_UDP, CONF_ICMP };

/* What a closed port does with a packet that starts a conversation. */
enum conf_closed { CONF_CLOSED_DROP, CONF_CLOSED_RESET, CONF_CLOSED_ABORT };

enum conf_xdp_mode { CONF_XDP_AUTO, CONF_XDP_NATIVE, CONF_XDP_GENERIC };

enum conf_on_exit { CONF_EXIT_DETACH, CONF_EXIT_KEEP };

/* One knock: a TCP or UDP destination port, or the code of an ICMP echo request. */
struct conf_knock {
	enum conf_proto proto;
	uint16_t number; /* port 1-65535; ICMP code 0-255 */
};

struct conf_sequence {
	struct conf_knock knock[KNOCKD_SEQUENCE_MAX];
	unsigned int len; /* 0: the door has none */
	unsigned int line;
};

/* A range of ports that a door opens, both ends included. */
struct conf_range {
	enum conf_proto proto; /* CONF_TCP or CONF_UDP */
	uint16_t first, last;
	unsigned int line;
};

/* An address prefix. Host bits are zero: 192.0.2.7/24 is an error. */
struct conf_prefix {
	int family;          /* AF_INET or AF_INET6 */
	uint8_t address[16]; /* network byte order; IPv4 in the first four bytes */
	unsigned int length; /* bits: 0-32 or 0-128 */
	unsigned int line;
};

/* TCP flag bits as they stand in byte 13 of the header (RFC 9293, 3.1). */
enum {
	CONF_TCP_FIN = 0x01,
	CONF_TCP_SYN = 0x02,
	CONF_TCP_RST = 0x04,
	CONF_TCP_PSH = 0x08,
	CONF_TCP_ACK = 0x10,
	CONF_TCP_URG = 0x20,
};

/* The words that stand for the values above in a file; in the order of their enum, NULL last. */
extern const char *const conf_proto_names[];
extern const char *const conf_closed_names[];
extern const char *const conf_xdp_mode_names[];
extern const char *const conf_on_exit_names[];
extern const char *const conf_flag_names[]; /* the flag of entry i is 1 << i */

/* A TCP segment is a knock when (flags & mask) == value. */
struct conf_flags {
	uint8_t mask, value;
	unsigned int line; /* 0: not given, the default stands */
};

/* The address that a door's knocks go to, and the host whose ports it opens. */
struct conf_target {
	int family;          /* AF_INET or AF_INET6; 0: not given, any address of this host */
	uint8_t address[16]; /* network byte order; IPv4 in the first four bytes */
	unsigned int line;
	bool remote;         /* not of this host, whose ports are then another's; not of the file */
};

/*
 * A door's commands, as written. NULL: not given, and those of IPv6 are then those of IPv4. Empty:
 * nothing is run.
 */
struct conf_commands {
	char *start, *start6, *stop, *stop6;
	uint32_t timeout_s;        /* from the end of the start command to the stop command */
	unsigned int timeout_line; /* 0: not given */
};

struct conf_ranges {
	struct conf_range *at;
	size_t count;
};

struct conf_prefixes {
	struct conf_prefix *at;
	size_t count;
};

struct conf_door {
	char name[KNOCKD_NAME_MAX];
	unsigned int line;    /* of its [section] */
	unsigned int ordinal; /* 0 for the first door of this name in the file, then 1, … */
	struct conf_sequence sequence;
	struct conf_sequence close_sequence;
	struct conf_flags flags;
	struct conf_ranges open;
	struct conf_prefixes trust;
	struct conf_prefixes knock_from;
	struct conf_target target;
	struct conf_commands commands;
	char *one_time_file;         /* path; NULL: none. Its sequence in force is sequence, */
	unsigned int one_time_line;  /* and stands on this line of it; 0: there is none left */
	unsigned int one_time_at;    /* line of the directive */
	uint32_t connections;        /* that use a grant up; 0: any number */
	uint32_t seq_timeout_s; /* 1 and up */
	uint32_t open_time_s;   /* 0: until closed */
	unsigned int open_time_line;
};

struct conf {
	const char *file; /* as given to the parser; for messages */
	char interface[KNOCKD_INTERFACES_MAX][IF_NAMESIZE];
	unsigned int interface_count; /* 0: not given */
	struct conf_prefixes trust;
	enum conf_closed closed;
	enum conf_xdp_mode xdp_mode;
	enum conf_on_exit on_exit;
	bool use_syslog;
	char *log_file; /* NULL: none */
	char *pid_file; /* NULL: none */
	uint32_t udp_idle_s;
	uint32_t grant_prefix6; /* bits, 1-128 */
	uint32_t max_sources, max_grants, max_flows;
	uint32_t max_commands;   /* that run at once */
	uint32_t command_time_s; /* that one may run */
	bool only_ipv4;          /* of the command line */
	struct conf_door *door;
	size_t door_count;
};

/** conf_init() - Set every setting to its default; no doors. conf->file is set to @file. */
void conf_init(struct conf *conf, const char *file);

/** conf_free() - Release what @conf holds. NULL and a conf that was only initialised are fine. */
void conf_free(struct conf *conf);

/**
 * conf_door_add() - Append a door named @name with its defaults.
 *
 * A longer name is cut to KNOCKD_NAME_MAX - 1 bytes, as in 0.8. The ordinal is counted from the
 * doors of the same name already there. Pointers to doors taken before are
 * void afterwards.
 *
 * Return: the door, or NULL when memory is short or KNOCKD_DOORS_MAX is reached.
 */
struct conf_door *conf_door_add(struct conf *conf, const char *name, unsigned int line);

/** conf_knock_equal() - Whether @a and @b are the same knock. */
bool conf_knock_equal(const struct conf_knock *a, const struct conf_knock *b);

/** conf_flags_equal() - Whether doors with flags @a and @b see the same TCP knocks. */
bool conf_flags_equal(const struct conf_flags *a, const struct conf_flags *b);

/** conf_target_equal() - Whether doors with targets @a and @b see knocks to the same addresses. */
bool conf_target_equal(const struct conf_target *a, const struct conf_target *b);

/**
 * conf_start_command() - What @door runs when a source of @family opens it.
 * @family: AF_INET or AF_INET6
 * Return: never an empty text; NULL where there is nothing to run.
 */
const char *conf_start_command(const struct conf_door *door, int family);

/**
 * conf_stop_command() - What @door owes when a source of @family opened it. As in 0.8 a stop
 * command that has nothing before it to undo never runs: no start command, and no Open.
 * Return: as conf_start_command().
 */
const char *conf_stop_command(const struct conf_door *door, int family);

/** conf_door_commands() - Whether @door ever runs a command. */
bool conf_door_commands(const struct conf_door *door);

/** conf_door_owes() - Whether @door ever runs a stop command. */
bool conf_door_owes(const struct conf_door *door);

/** conf_sequence_ends_with() - Whether the last knocks of @sequence are all of @tail. */
bool conf_sequence_ends_with(const struct conf_sequence *sequence,
			     const struct conf_sequence *tail);

#endif
