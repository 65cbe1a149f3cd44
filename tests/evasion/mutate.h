/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kinds of mutations that do not fit in one file: the table is in mutate.c. */
#ifndef KNOCKD_EVASION_MUTATE_H
#define KNOCKD_EVASION_MUTATE_H

#include "recipe.h"

/* chain.c: extension headers, and what is in the place of a transport header */
void chain_short(struct recipe *r, struct rng *g);
void chain_long(struct recipe *r, struct rng *g);
void chain_large(struct recipe *r, struct rng *g);
void chain_odd(struct recipe *r, struct rng *g);
void chain_fragmented(struct recipe *r, struct rng *g);
void chain_routing(struct recipe *r, struct rng *g);
void chain_segments(struct recipe *r, struct rng *g);
void chain_jumbo(struct recipe *r, struct rng *g);
void chain_authenticated(struct recipe *r, struct rng *g);
void encapsulated(struct recipe *r, struct rng *g);

/* transport.c */
void tcp_flags(struct recipe *r, struct rng *g);
void tcp_options(struct recipe *r, struct rng *g);
void tcp_options_random(struct recipe *r, struct rng *g);
void tcp_offset(struct recipe *r, struct rng *g);
void tcp_numbers(struct recipe *r, struct rng *g);
void udp_length(struct recipe *r, struct rng *g);
void transport_checksum(struct recipe *r, struct rng *g);
void ports(struct recipe *r, struct rng *g);
void payload(struct recipe *r, struct rng *g);

#endif
