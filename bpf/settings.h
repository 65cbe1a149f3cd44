/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a config sets once and for all: read-only data, written before the program is loaded, so
 * that the verifier knows each value and removes what the config does not use. Each in a section,
 * and so a map, of its own: readers find it at the beginning.
 */
#ifndef KNOCKD_SETTINGS_H
#define KNOCKD_SETTINGS_H

#include "knockd/abi.h"

const volatile struct settings settings SEC(".rodata.settings");

/* What may change meanwhile; written by the daemon. */
volatile struct surroundings surroundings SEC(".data.surroundings");

#endif
