// SPDX-License-Identifier: GPL-2.0-or-later
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

static FILE *log_file;
static bool log_syslog, log_stdout;

void log_open(void)
{
	/* What is needed later is read while it can be. */
	tzset();
}

void log_to(bool use_syslog, int file)
{
	FILE *opened = file < 0 ? NULL : fdopen(file, "a");

	if (opened)
		setvbuf(opened, NULL, _IOLBF, 0);
	else if (file >= 0)
		close(file);
	log_close();
	log_file = opened;
	log_syslog = use_syslog;
	if (use_syslog)
		openlog("knockd", LOG_NDELAY, LOG_USER);
}

void log_close(void)
{
	if (log_file)
		fclose(log_file);
	if (log_syslog)
		closelog();
	log_file = NULL;
	log_syslog = false;
}

void log_verbose(void)
{
	log_stdout = true;
}

/* Nobody may stop knockd by not reading what it says: what does not fit is counted. */
static void stream_write(FILE *stream, const char *line)
{
	struct pollfd room = { .fd = fileno(stream), .events = POLLOUT };
	static unsigned int unsaid;

	if (poll(&room, 1, 0) != 1 || !(room.revents & POLLOUT)) {
		unsaid++;
		return;
	}
	if (unsaid)
		fprintf(stream, "%u lines not logged: nobody read them\n", unsaid);
	unsaid = 0;
	fprintf(stream, "%s\n", line);
	fflush(stream);
}

/* A disk that is full is told of where lines went before, once until there is room again. */
static void file_write(const char *stamp, const char *line)
{
	static bool failed;
	char text[128];

	clearerr(log_file);
	if (fprintf(log_file, "%s%s\n", stamp, line) >= 0 && !fflush(log_file)) {
		failed = false;
		return;
	}
	snprintf(text, sizeof(text), "cannot write the log file: %s", strerror(errno));
	if (!failed)
		stream_write(stderr, text);
	failed = true;
}

void log_line(const char *format, ...)
{
	char line[1024], stamp[32] = "";
	time_t now = time(NULL);
	va_list arguments;
	struct tm tm;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	text_disarm(line);
	if (log_syslog)
		syslog(LOG_NOTICE, "%s", line);
	if (log_file) {
		if (localtime_r(&now, &tm))
			strftime(stamp, sizeof(stamp), "[%Y-%m-%d %H:%M] ", &tm);
		file_write(stamp, line);
	}
	if (!log_syslog && !log_file)
		stream_write(stderr, line);
	else if (log_stdout)
		stream_write(stdout, line);
}
