// SPDX-License-Identifier: GPL-2.0-or-later
#include "text.h"

#include <string.h>

size_t control_length(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0)
		return 2;
	return (at[0] && at[0] < 0x20) || at[0] == 0x7f;
}

void text_disarm(char *text)
{
	size_t len;

	for (; *text; text += len ? len : 1) {
		len = control_length(text);
		memset(text, '?', len);
	}
}
