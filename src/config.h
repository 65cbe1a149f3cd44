/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A config's way from its file to the tables, with all that is wrong or unwise about it. */
#ifndef KNOCKD_CONFIG_H
#define KNOCKD_CONFIG_H

#include "compile.h"

/**
 * config_parse() - Read @path into @conf, which conf_init() has prepared, and what it names: the
 * sequences in force of lists, and which targets are other hosts.
 * Return: 0, or −errno with an error in @messages.
 */
int config_parse(const char *path, struct conf *conf, struct messages *messages);

/**
 * config_targets() - Look up again which targets of @conf are other hosts: no addresses of this
 * one, which forwards. On a host that does not, an address may just not be there yet.
 * Return: 1 where that has changed for one, and tables made of @conf are out of date; 0; or −errno.
 */
int config_targets(struct conf *conf);

/**
 * config_compile() - Make the tables of @conf, and look for what is unwise on this host.
 * Return: 0, or −errno with an error in @messages; a @heritage that makes no sense is said there to
 * be left out.
 */
int config_compile(const struct conf *conf, const struct heritage *heritage,
		   struct compiled *compiled, struct messages *messages);

#endif
