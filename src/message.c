// SPDX-License-Identifier: GPL-2.0-or-later
#include "message.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

void messages_init(struct messages *messages, const char *file)
{
	*messages = (struct messages){ .file = file };
}

void messages_free(struct messages *messages)
{
	if (!messages)
		return;
	for (size_t i = 0; i < messages->count; i++)
		free(messages->at[i].text);
	free(messages->at);
	messages_init(messages, messages->file);
}

/* Put @text behind all messages of its line and the lines before; false when memory is short. */
static bool message_insert(struct messages *messages, enum message_level level, unsigned int line,
			   char *text)
{
	size_t place = messages->count;
	struct message *at;

	at = realloc(messages->at, (messages->count + 1) * sizeof(*at));
	if (!at)
		return false;
	messages->at = at;
	while (place > 0 && at[place - 1].line > line)
		place--;
	memmove(&at[place + 1], &at[place], (messages->count - place) * sizeof(*at));
	at[place] = (struct message){ .level = level, .line = line, .text = text };
	messages->count++;
	return true;
}

void message_addv(struct messages *messages, enum message_level level, unsigned int line,
		  const char *format, va_list arguments)
{
	size_t *total = level == MESSAGE_ERROR ? &messages->errors : &messages->warnings;
	char *text;

	/* Counted first: an error that memory has no room for must still be one. */
	if (++*total > MESSAGES_MAX)
		return;
	if (vasprintf(&text, format, arguments) < 0)
		return;
	text_disarm(text);
	if (!message_insert(messages, level, line, text))
		free(text);
}

void message_add(struct messages *messages, enum message_level level, unsigned int line,
		 const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	message_addv(messages, level, line, format, arguments);
	va_end(arguments);
}

/* Say how many messages of one level were counted but not kept. */
static void rest_print(const struct messages *messages, enum message_level level, FILE *out)
{
	size_t total = level == MESSAGE_ERROR ? messages->errors : messages->warnings;
	size_t kept = 0;

	for (size_t i = 0; i < messages->count; i++)
		kept += messages->at[i].level == level;
	if (total > kept)
		fprintf(out, "%s: and %zu more %s%s\n", messages->file, total - kept,
			level == MESSAGE_ERROR ? "error" : "warning", total - kept > 1 ? "s" : "");
}

void messages_print(const struct messages *messages, FILE *out)
{
	for (size_t i = 0; i < messages->count; i++) {
		const struct message *message = &messages->at[i];
		const char *level = message->level == MESSAGE_WARNING ? "warning: " : "";

		if (message->line > 0)
			fprintf(out, "%s:%u: %s%s\n", messages->file, message->line, level,
				message->text);
		else
			fprintf(out, "%s: %s%s\n", messages->file, level, message->text);
	}
	rest_print(messages, MESSAGE_ERROR, out);
	rest_print(messages, MESSAGE_WARNING, out);
}
