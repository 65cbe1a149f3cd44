/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A config's way from its file to the tables, with all that is wrong or unwise about it. */
#ifndef KNOCKD_CONFIG_H
#define KNOCKD_CONFIG_H

#include "compile.h"

/**
 * config_parse() - Read @path into @conf, which conf_init() has prepared.
 * Return: 0, or −errno with an error in @messages.
 */
int config_parse(const char *path, struct conf *conf, struct messages *messages);

/**
 * config_compile() - Make the tables of @conf, and look for what is unwise on this host.
 * Return: 0, or −errno with an error in @messages; a @heritage that makes no sense is said there to
 * be left out.
 */
int config_compile(const struct conf *conf, const struct heritage *heritage,
		   struct compiled *compiled, struct messages *messages);

#endif
