/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configs for unit tests: from text or from tests/conf, relative to the root of the repository. */
#ifndef KNOCKD_TEST_CONFS_H
#define KNOCKD_TEST_CONFS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "message.h"
#include "parse.h"

#ifndef TESTS_CONF_DIR
#define TESTS_CONF_DIR "tests/conf"
#endif

static const char *conf_dir = TESTS_CONF_DIR;

struct text {
	char *at;
	size_t len;
};

/* The bytes of a file; at is NULL where there is none. */
static inline struct text file_read(const char *path)
{
	struct text text = { NULL, 0 };
	FILE *file = fopen(path, "re");
	FILE *memory;
	int c;

	if (!file)
		return text;
	memory = open_memstream(&text.at, &text.len);
	assert_non_null(memory);
	while ((c = fgetc(file)) != EOF)
		fputc(c, memory);
	fclose(memory);
	fclose(file);
	return text;
}

static inline struct text messages_text(const struct messages *messages)
{
	struct text text = { NULL, 0 };
	FILE *memory = open_memstream(&text.at, &text.len);

	assert_non_null(memory);
	messages_print(messages, memory);
	fclose(memory);
	return text;
}

/* Parse a text that has to be right. */
static inline struct conf text_parse(const char *text)
{
	struct messages messages;
	struct conf conf;

	messages_init(&messages, "text");
	conf_init(&conf, "text");
	if (parse_text(&conf, text, strlen(text), &messages) != 0) {
		messages_print(&messages, stderr);
		fail_msg("does not parse: %s", text);
	}
	messages_free(&messages);
	return conf;
}

/* Parse a file of tests/conf/good. */
static inline struct conf good_parse(const char *name)
{
	struct text input;
	struct conf conf;
	char path[512];

	snprintf(path, sizeof(path), "%s/good/%s", conf_dir, name);
	input = file_read(path);
	assert_non_null(input.at);
	conf = text_parse(input.at);
	free(input.at);
	return conf;
}

static inline const struct conf_door *door_named(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->door_count; i++)
		if (strcmp(conf->door[i].name, name) == 0)
			return &conf->door[i];
	fail_msg("there is no door %s", name);
	return NULL;
}

/* @knocks: as "1:tcp 2:udp" */
static inline void sequence_expect(const struct conf_sequence *sequence, const char *knocks)
{
	char text[512] = "";
	size_t used = 0;

	for (unsigned int i = 0; i < sequence->len; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u:%s", i ? " " : "",
					 sequence->knock[i].number,
					 conf_proto_names[sequence->knock[i].proto]);
	assert_string_equal(text, knocks);
}

static inline void flags_expect(const struct conf_flags *flags, uint8_t mask, uint8_t value)
{
	assert_int_equal(flags->mask, mask);
	assert_int_equal(flags->value, value);
}

#endif
