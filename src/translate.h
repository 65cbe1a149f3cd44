/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * knockd --migrate: a config of commands that open firewall rules, with 'Open' in their place.
 * Pure: text in, text out. Comments, order and everything else stay as they are.
 */
#ifndef KNOCKD_TRANSLATE_H
#define KNOCKD_TRANSLATE_H

#include <stddef.h>
#include <stdio.h>

/**
 * translate_text() - Write the config @text of @len bytes to @out, translated.
 *
 * What is not understood completely is left alone, with a comment above it that begins with
 * "# knockd:" and says why. A config with errors is left alone as a whole, with a comment above
 * each of them. Translating the result once more changes nothing.
 *
 * Return: the number of directives that were left alone, or of errors; or −errno.
 */
int translate_text(const char *text, size_t len, FILE *out);

#endif
