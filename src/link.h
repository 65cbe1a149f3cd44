/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The links by which the doors are attached, and what they run. */
#ifndef KNOCKD_LINK_H
#define KNOCKD_LINK_H

#include <linux/bpf.h>
#include <stdbool.h>

#include "failure.h"
#include "knockd/abi.h"

/** link_inner() - Attach @program to this network namespace. Return: a link or −errno. */
int link_inner(int program, struct failure *failure);

/** link_outer() - Attach @program to the device of index @device. Return: a link or −errno. */
int link_outer(int program, unsigned int device, enum xdp_flavour flavour);

/** link_program() - What @link runs, and what the kernel tells of it. Return: it or −errno. */
int link_program(int link, struct bpf_prog_info *info);

/** link_device() - Index of the device that an outer door's @link is on; 0: none any more. */
unsigned int link_device(int link);

/** link_severed() - Whether @link is there, but on nothing: detached by somebody else, or its
 * device is gone. False for −1. */
bool link_severed(int link, bool outer);

/** link_flavour() - How XDP is attached to a device, as far as that can be told from outside. */
enum xdp_flavour link_flavour(unsigned int device);

/** flavour_name() - In words. */
const char *flavour_name(enum xdp_flavour flavour);

/** program_in() - The program in @array, of one place; −ENOENT: there is none; or −errno. */
int program_in(int array);

#endif
