/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The vocabulary of firewall_rule.c: the tools, the words of each, and what they mean. */
#ifndef KNOCKD_FIREWALL_WORDS_H
#define KNOCKD_FIREWALL_WORDS_H

#include <stddef.h>

/* What a command says. */
enum firewall_fact {
	FACT_ADD = 1,
	FACT_DELETE = 2,
	FACT_CHAIN = 4,   /* it is about what comes in */
	FACT_SOURCE = 8,  /* and from %IP% */
	FACT_ACCEPT = 16,
	FACT_PORTS = 32,
	FACT_TCP = 64,
	FACT_UDP = 128,
	FACT_IPV4 = 256,
	FACT_IPV6 = 512,
	FACT_INTERFACE = 1024,
	FACT_TIME = 2048,
	FACT_STATE = 4096,
	FACT_TO = 8192,   /* what follows is about where it goes */

	FACT_ACTION = FACT_ADD | FACT_DELETE,
	FACT_PROTO = FACT_TCP | FACT_UDP,
	FACT_FAMILY = FACT_IPV4 | FACT_IPV6,
};

/* How the value behind a word is read. */
enum firewall_reader {
	READ_NOTHING,  /* it has none */
	READ_NUMBER,   /* a number, or none */
	READ_REFUSE,   /* the word is known and not understood; the list says why */
	READ_ANYTHING, /* from here on it has one; this one says nothing */
	READ_ONE_OF,   /* one of the list */
	READ_PLACE,    /* one of the list, then a number or none */
	READ_SOURCE,
	READ_PORTS,
	READ_TO_PORTS, /* ports behind FACT_TO; before it they are the source's */
	READ_PROTO,    /* says FACT_TCP or FACT_UDP */
	READ_STATE,
	READ_INTERFACE,
	READ_TIME,
	READ_RICH,     /* words of firewall_rich_words */
};

struct firewall_word {
	const char *names; /* comma list; one that ends in '=' has its value right behind */
	enum firewall_reader reader;
	unsigned int facts;
	const char *list;  /* comma list, or NULL */
};

struct firewall_tool {
	const char *names;                 /* comma list */
	const struct firewall_word *words; /* the last one has no names */
	unsigned int facts;                /* where no word says otherwise */
	const char *no_proto;              /* to be told where no word names a protocol, or NULL */
};

extern const struct firewall_tool firewall_tools[]; /* the last one has no names */
extern const struct firewall_word firewall_rich_words[];
extern const struct firewall_word firewall_nft_words[];

/* What a command has to say, and why it is not understood where it does not; in this order. */
struct firewall_need {
	unsigned int facts;
	const char *why;
};

enum { FIREWALL_NEEDS = 6 };

extern const struct firewall_need firewall_needs[FIREWALL_NEEDS];

#endif
