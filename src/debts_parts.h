/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What debts.c and debts_open.c share. */
#ifndef KNOCKD_DEBTS_PARTS_H
#define KNOCKD_DEBTS_PARTS_H

#include "debt_line.h"
#include "debts.h"
#include "journal.h"

struct debts {
	struct debts_place place;
	struct journal *journal;
	unsigned int name;     /* which of its names the file has, from 1 */
	struct journal *taken; /* another's, of which all is ours, to be removed once ours has it */
	struct debt_home home;
	bool unusable;       /* the file is another's, or was not read */
	bool failed;         /* the last line could not be kept, and that was said */
	uint64_t retry_ms;
	size_t lines;        /* of the file */
	uint64_t last_number;
	size_t paid;         /* how many of the table are */
	struct debt_table table;
};

/** debts_say() - A line for the log. */
void debts_say(const struct debts *d, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** debts_name() - Have the file of that number, from 1. Return: 0; −EUSERS, or −ENOMEM. */
int debts_name(struct debts *d, unsigned int number);

/** debts_recover() - The last line could not be added, or none could be yet: write all of them. */
void debts_recover(struct debts *d, uint64_t now_ms);

/** debts_taken_remove() - Our file has what was taken over: it is not to be found twice. */
void debts_taken_remove(struct debts *d);

#endif
