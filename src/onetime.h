/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file of One_Time_Sequences: one sequence a line, the first that is not marked with '#' is in
 * force. A sequence that was used is marked by writing the file anew beside it, so that at any
 * moment the one or the other is whole on the disk.
 */
#ifndef KNOCKD_ONETIME_H
#define KNOCKD_ONETIME_H

#include "conf.h"
#include "message.h"

/**
 * onetime_read() - Set door->sequence and door->one_time_line to what is in force in its file, or
 * to none. Lines that are no sequence are skipped, with a warning in @messages, which names the
 * file and line but never what stands there; that none is left is a warning too, that the file
 * cannot be read an error.
 * Return: 0 or −errno.
 */
int onetime_read(struct conf_door *door, struct messages *messages);

/**
 * onetime_mark() - Mark the sequence in force as used, durably. A symbolic link is followed; owner,
 * mode and all other lines stay.
 * Return: 0, also when it was marked or is not in the file any more; or −errno, and the file is as
 * it was.
 */
int onetime_mark(const struct conf_door *door);

#endif
