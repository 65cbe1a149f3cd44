/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text from elsewhere on its way to a terminal or a log, which must not act on it. */
#ifndef KNOCKD_TEXT_H
#define KNOCKD_TEXT_H

#include <stddef.h>

/**
 * control_length() - Bytes of the control character that @text begins with: C0 and DEL, or C1 in
 * UTF-8 (U+0080 to U+009F); 0 where it is none.
 */
size_t control_length(const char *text);

/** text_disarm() - Make every byte of a control character in @text a '?'. */
void text_disarm(char *text);

#endif
