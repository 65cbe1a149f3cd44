/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Config text → struct conf. Opens no files, prints nothing, never exits; reports every error. */
#ifndef KNOCKD_PARSE_H
#define KNOCKD_PARSE_H

#include "conf.h"
#include "message.h"

/**
 * parse_text() - Parse a whole config.
 * @conf: initialised with conf_init(); holds whatever was good, also after errors
 * @text: the file's bytes, which may hold NUL bytes (an error is reported for them)
 * @len: bytes in @text
 * @messages: gets every error, and a warning for what does not count or is not read as it looks,
 *            with their lines
 *
 * Return: 0, or -EINVAL when at least one error was added, or -ENOMEM.
 */
int parse_text(struct conf *conf, const char *text, size_t len, struct messages *messages);

/**
 * parse_sequence() - Parse one sequence, written as the value of Sequence.
 * @out: its line is 0; untouched on failure
 *
 * Return: 0 or -EINVAL.
 */
int parse_sequence(const char *text, struct conf_sequence *out);

#endif
