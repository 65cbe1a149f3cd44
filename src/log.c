// SPDX-License-Identifier: GPL-2.0-or-later
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log_queue.h"
#include "syslog_socket.h"
#include "text.h"

static FILE *log_file;
static bool log_syslog, log_stdout, log_debugs;
static struct syslog_socket log_socket = { .fd = -1 };
static struct log_queue *log_waiting; /* NULL: no line waits for a name */
static int log_names = -1;            /* where names come from */

void log_open(void)
{
	/* What is needed later is read and opened while it can be. */
	tzset();
	syslog_socket_open(&log_socket, "/dev/log");
}

static void targets_close(void)
{
	if (log_file)
		fclose(log_file);
	log_file = NULL;
	log_syslog = false;
}

void log_to(bool use_syslog, int file)
{
	FILE *opened = file < 0 ? NULL : fdopen(file, "a");

	if (opened)
		setvbuf(opened, NULL, _IOLBF, 0);
	else if (file >= 0)
		close(file);
	targets_close();
	log_file = opened;
	log_syslog = use_syslog;
}

void log_verbose(void)
{
	log_stdout = true;
}

void log_debugging(void)
{
	log_debugs = true;
}

/* ---- writing ---- */

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

static void line_write(void *data, time_t when, const char *line)
{
	char stamp[32] = "";
	struct tm tm;

	(void)data;
	if (log_syslog)
		syslog_socket_write(&log_socket, when, line);
	if (log_file) {
		if (localtime_r(&when, &tm))
			strftime(stamp, sizeof(stamp), "[%Y-%m-%d %H:%M] ", &tm);
		file_write(stamp, line);
	}
	if (!log_syslog && !log_file)
		stream_write(stderr, line);
	else if (log_stdout)
		stream_write(stdout, line);
}

/* ---- names ---- */

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static bool name_ask(void *data, const struct source *source, __u64 until_ns)
{
	(void)data;
	return log_names >= 0 && lookup_ask(log_names, source, until_ns);
}

int log_lookup(int fd)
{
	static const struct log_way way = { .ask = name_ask, .write = line_write };

	log_waiting = log_queue_new(&way);
	if (!log_waiting)
		return -ENOMEM;
	log_names = fd;
	return 0;
}

int log_fd(void)
{
	return log_names;
}

void log_serve(void)
{
	struct lookup_answer answer;
	int heard = -EAGAIN;

	while (log_names >= 0 && (heard = lookup_hear(log_names, &answer)) == 1)
		log_queue_answer(log_waiting, &answer, now_ns());
	if (heard != -EAGAIN) {
		close(log_names);
		log_names = -1;
		log_line("names of hosts are not looked up any more: %s",
			 heard ? strerror(-heard) : "the process has ended");
	}
	if (log_waiting)
		log_queue_serve(log_waiting, now_ns());
}

__u64 log_next_ns(void)
{
	return log_waiting ? log_queue_next_ns(log_waiting) : 0;
}

/* ---- lines ---- */

/* @source: whose name belongs into it; NULL: nobody's */
static void line_take(const struct source *source, char *line)
{
	text_disarm(line);
	if (log_waiting)
		log_queue_add(log_waiting, source, line, time(NULL), now_ns());
	else
		line_write(NULL, time(NULL), line);
}

void log_line(const char *format, ...)
{
	char line[LOG_LINE_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	line_take(NULL, line);
}

void log_source_line(const struct source *source, const char *line)
{
	char copy[LOG_LINE_MAX];

	snprintf(copy, sizeof(copy), "%s", line);
	line_take(source, copy);
}

static void stdout_write(const char *begin, const char *format, va_list arguments)
{
	char line[LOG_LINE_MAX];
	size_t len = strlen(begin);

	memcpy(line, begin, len);
	vsnprintf(line + len, sizeof(line) - len, format, arguments);
	text_disarm(line);
	stream_write(stdout, line);
}

void log_detail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (log_stdout)
		stdout_write("", format, arguments);
	va_end(arguments);
}

void log_debug(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (log_debugs)
		stdout_write("debug: ", format, arguments);
	va_end(arguments);
}

void log_close(void)
{
	log_queue_free(log_waiting);
	log_waiting = NULL;
	if (log_names >= 0)
		close(log_names);
	log_names = -1;
	targets_close();
	syslog_socket_close(&log_socket);
}
