// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Any bytes as a config: nothing may be read or written out of bounds, no number may overflow, and
 * what parses can be compiled, checked and printed, and then parses to the same.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "compile.h"
#include "conf.h"
#include "message.h"
#include "parse.h"
#include "print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition, const char *text)
{
	if (condition)
		return;
	fprintf(stderr, "%s\n", text);
	abort();
}

struct text {
	char *at;
	size_t len;
};

static struct text conf_text(const struct conf *conf)
{
	struct text text = { NULL, 0 };
	FILE *memory = open_memstream(&text.at, &text.len);

	require(memory && print_conf(conf, memory) == 0, "a config cannot be printed");
	fclose(memory);
	return text;
}

static void printed_parses_to_the_same(const struct conf *conf)
{
	struct text printed = conf_text(conf), again;
	struct messages messages;
	struct conf parsed;

	messages_init(&messages, "printed");
	conf_init(&parsed, "printed");
	if (parse_text(&parsed, printed.at, printed.len, &messages) != 0) {
		messages_print(&messages, stderr);
		require(0, "what was printed does not parse");
	}
	again = conf_text(&parsed);
	require(strcmp(printed.at, again.at) == 0, "what was printed parses to another config");
	conf_free(&parsed);
	messages_free(&messages);
	free(printed.at);
	free(again.at);
}

/* As if every other address were one of this host. */
static void targets_place(struct conf *conf)
{
	for (size_t i = 0; i < conf->door_count; i++) {
		struct conf_target *target = &conf->door[i].target;

		target->remote = target->family && target->address[3] % 2;
	}
}

static void compile(const struct conf *conf, struct messages *messages)
{
	struct compiled compiled = {};
	int error = compile_conf(conf, 250, NULL, &compiled, messages);

	require(error == 0 || (error == -EINVAL && messages->errors > 0),
		"a config is refused without a reason");
	compiled_free(&compiled);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct host_facts nothing;
	struct messages messages;
	struct conf conf;
	char *said;
	size_t len;
	FILE *memory = open_memstream(&said, &len);

	messages_init(&messages, "fuzz");
	conf_init(&conf, "fuzz");
	if (parse_text(&conf, (const char *)data, size, &messages) == 0) {
		require(messages.errors == 0, "a config with errors parses");
		targets_place(&conf);
		compile(&conf, &messages);
		check_conf(&conf, &nothing, &messages);
		printed_parses_to_the_same(&conf);
	} else {
		require(messages.errors > 0, "a config is refused without an error");
	}
	messages_print(&messages, memory);
	fclose(memory);
	free(said);
	conf_free(&conf);
	messages_free(&messages);
	return 0;
}
