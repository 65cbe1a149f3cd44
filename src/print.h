/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KNOCKD_PRINT_H
#define KNOCKD_PRINT_H

#include <stdio.h>

#include "conf.h"

/**
 * print_conf() - Write @conf to @out as a config file, normalised: every directive under its
 * documented name, in one order, defaults included. Parsing the output yields an equal conf.
 *
 * Return: 0, or -EIO when @out failed.
 */
int print_conf(const struct conf *conf, FILE *out);

#endif
