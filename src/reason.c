// SPDX-License-Identifier: GPL-2.0-or-later
#include "reason.h"

#include <stddef.h>

static const struct {
	const char *name, *sentence;
} reasons[] = {
#define REASON_TEXT(name, action, sentence) [REASON_##name] = { #name, sentence },
	KNOCKD_REASONS(REASON_TEXT)
#undef REASON_TEXT
};

const char *reason_name(enum reason reason)
{
	return (unsigned int)reason < REASON_COUNT ? reasons[reason].name : "?";
}

const char *reason_sentence(enum reason reason)
{
	return (unsigned int)reason < REASON_COUNT ? reasons[reason].sentence : "?";
}
