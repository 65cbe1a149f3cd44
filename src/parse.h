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
 * @messages: gets every error, and a warning for each directive given twice, with their lines
 *
 * Return: 0, or -EINVAL when at least one error was added, or -ENOMEM.
 */
int parse_text(struct conf *conf, const char *text, size_t len, struct messages *messages);

#endif
