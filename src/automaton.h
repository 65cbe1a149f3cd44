/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sequences of all doors → the automaton that the programs step through, one knock at a time
 * (bpf/sequence.h). For compile.c.
 */
#ifndef KNOCKD_AUTOMATON_H
#define KNOCKD_AUTOMATON_H

#include "numbering.h"

/**
 * automaton_make() - Make the edges, states, matches, paths and stages of @c, the symbols of its
 * ports and the streams of its settings.
 *
 * Return: 0, −EINVAL with an error in @messages, or −ENOMEM.
 */
int automaton_make(const struct conf *conf, struct numbering *n, struct compiled *c,
		   struct messages *messages);

#endif
