// SPDX-License-Identifier: GPL-2.0-or-later
#include "syslog_socket.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

void syslog_socket_open(struct syslog_socket *s, const char *path)
{
	*s = (struct syslog_socket){ .address.sun_family = AF_UNIX };
	snprintf(s->address.sun_path, sizeof(s->address.sun_path), "%s", path);
	s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

/*
 * It names its receiver each time, so it finds one that was restarted or came late. Connected, it
 * would go on with one that nobody reads any more.
 */
static bool line_send(const struct syslog_socket *s, const char *head, const char *line)
{
	struct iovec part[] = {
		{ (void *)head, strlen(head) },
		{ (void *)line, strlen(line) },
	};
	struct msghdr message = {
		.msg_name = (void *)&s->address,
		.msg_namelen = sizeof(s->address),
		.msg_iov = part,
		.msg_iovlen = 2,
	};

	return sendmsg(s->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

/* Return: false where there is still something to be told of. */
static bool unsaid_send(struct syslog_socket *s, const char *head)
{
	char text[64];

	if (!s->unsaid)
		return true;
	snprintf(text, sizeof(text), "%u lines not logged: nobody read them", s->unsaid);
	if (!line_send(s, head, text))
		return false;
	s->unsaid = 0;
	return true;
}

void syslog_socket_write(struct syslog_socket *s, time_t when, const char *line)
{
	char stamp[32] = "", head[64];
	struct tm tm;

	/* RFC 3164, whose months are those of the C locale: there is no other here. */
	if (localtime_r(&when, &tm))
		strftime(stamp, sizeof(stamp), "%b %e %T ", &tm);
	snprintf(head, sizeof(head), "<%d>%sknockd: ", LOG_USER | LOG_NOTICE, stamp);
	if (!unsaid_send(s, head) || !line_send(s, head, line))
		s->unsaid++;
}

void syslog_socket_close(struct syslog_socket *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}
