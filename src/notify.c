// SPDX-License-Identifier: GPL-2.0-or-later
#include "notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* Return: 0; −EAFNOSUPPORT for what is neither a path nor abstract; −ENAMETOOLONG. */
static int address_make(const char *name, struct sockaddr_un *address, socklen_t *len)
{
	size_t used = strlen(name);

	if (name[0] != '/' && name[0] != '@')
		return -EAFNOSUPPORT;
	/* A path ends with a NUL, which counts; an abstract name begins with one instead of '@'. */
	if (name[0] == '/')
		used++;
	if (used > sizeof(address->sun_path))
		return -ENAMETOOLONG;
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(address->sun_path, name, used);
	if (name[0] == '@')
		address->sun_path[0] = '\0';
	*len = offsetof(struct sockaddr_un, sun_path) + used;
	return 0;
}

int notify_open(void)
{
	const struct timeval patience = { .tv_sec = 1 };
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address;
	socklen_t len;
	int fd, error;

	if (!name)
		return -ENOENT;
	error = address_make(name, &address, &len);
	unsetenv("NOTIFY_SOCKET");
	if (error)
		return error;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
	    connect(fd, (struct sockaddr *)&address, len)) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

void notify_send(int fd, const char *format, ...)
{
	va_list arguments;
	char text[1024];
	int len;

	if (fd < 0)
		return;
	va_start(arguments, format);
	len = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (len > 0)
		send(fd, text, strlen(text), MSG_NOSIGNAL);
}
