/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A command line that opens or closes a port in a firewall → which port. Pure. It knows the tools
 * that configs of knockd 0.8 are full of, and of each only what it understands completely: for any
 * word beyond that it says why it does not.
 */
#ifndef KNOCKD_FIREWALL_RULE_H
#define KNOCKD_FIREWALL_RULE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"

enum { FIREWALL_RANGES_MAX = 32, FIREWALL_WHY_MAX = 256 };

enum firewall_action { FIREWALL_NONE, FIREWALL_ADD, FIREWALL_DELETE };

/* Leave for %IP% to reach some ports of this host; two of the same leave have the same ranges. */
struct firewall_rule {
	enum firewall_action action;
	struct conf_range range[FIREWALL_RANGES_MAX]; /* in order, each once; line is unused */
	unsigned int family[FIREWALL_RANGES_MAX];     /* of each range: bits of IPv4 and IPv6 */
	size_t count;
	uint32_t time_s;              /* the rule goes by itself after it; 0: it does not */
	char interface[IF_NAMESIZE];  /* that it is about; empty: all */
	const char *remark;           /* what a reader has to know of it, or NULL */
	const char *comment;          /* of the shell, behind the command and within it; or NULL */
};

/**
 * firewall_rule_read() - What the shell's command line @command does, if it does nothing else.
 * @why: FIREWALL_WHY_MAX bytes, set on failure: why not, and what to do about it
 *
 * Return: 0, or -EINVAL; @rule is set on success only.
 */
int firewall_rule_read(const char *command, struct firewall_rule *rule, char *why);

/** firewall_rule_equal() - Whether @a and @b are about the same ports, whatever they do. */
bool firewall_rule_equal(const struct firewall_rule *a, const struct firewall_rule *b);

/** firewall_suspect() - Whether @command, not understood, may be about a firewall. */
bool firewall_suspect(const char *command);

#endif
