/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reasons for people: names and sentences, from the one table. */
#ifndef KNOCKD_REASON_TEXT_H
#define KNOCKD_REASON_TEXT_H

#include "knockd/reason.h"

/** reason_name() - Such as "granted"; reason_sentence() - what it means. */
const char *reason_name(enum reason reason);
const char *reason_sentence(enum reason reason);

#endif
