// SPDX-License-Identifier: GPL-2.0-or-later
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "load.h"
#include "parse.h"

#define CONFIG_SIZE_MAX (16 << 20)

/* The whole of @path in memory that the caller frees. */
static int file_read(const char *path, char **text, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error = 0;
	size_t used = 0, room = 0;
	char *buffer = NULL;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t got;

		if (used == room) {
			char *more = realloc(buffer, room = 2 * room + 4096);

			if (!more || room > 2 * CONFIG_SIZE_MAX) {
				error = more ? -EFBIG : -ENOMEM;
				buffer = more ? more : buffer;
				break;
			}
			buffer = more;
		}
		got = read(fd, buffer + used, room - used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			error = got ? -errno : 0;
			break;
		}
		used += got;
	}
	close(fd);
	if (error) {
		free(buffer);
		return error;
	}
	*text = buffer;
	*len = used;
	return 0;
}

int config_parse(const char *path, struct conf *conf, struct messages *messages)
{
	char *text = NULL;
	size_t len = 0;
	int error = file_read(path, &text, &len);

	if (error)
		message_add(messages, MESSAGE_ERROR, 0, "cannot be read: %s", strerror(-error));
	else
		error = parse_text(conf, text, len, messages);
	free(text);
	return error;
}

int config_compile(const struct conf *conf, const struct heritage *heritage,
		   struct compiled *compiled, struct messages *messages)
{
	struct host_facts *facts = calloc(1, sizeof(*facts));
	int error = facts ? compile_conf(conf, load_hz(), heritage, compiled, messages) : -ENOMEM;

	if (error == -EINVAL && heritage && !messages->errors) {
		message_add(messages, MESSAGE_WARNING, 0, "the tables in force make no sense; "
			    "knocks and grants so far are forgotten");
		error = compile_conf(conf, load_hz(), NULL, compiled, messages);
	}
	if (error == -ENOMEM)
		message_add(messages, MESSAGE_ERROR, 0, "no memory for a config of this size");
	if (!error) {
		host_facts_read(facts, conf->file);
		check_conf(conf, facts, messages);
	}
	free(facts);
	return error;
}
