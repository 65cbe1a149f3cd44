// SPDX-License-Identifier: GPL-2.0-or-later
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>
#include <time.h>

static FILE *log_file;
static bool log_syslog, log_stdout;

int log_open(bool use_syslog, const char *file)
{
	FILE *opened = NULL;

	if (file) {
		opened = fopen(file, "ae");
		if (!opened)
			return -errno;
		setvbuf(opened, NULL, _IOLBF, 0);
	}
	log_close();
	log_file = opened;
	log_syslog = use_syslog;
	if (use_syslog)
		openlog("knockd", 0, LOG_USER);
	return 0;
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

void log_line(const char *format, ...)
{
	char line[1024], stamp[32] = "";
	time_t now = time(NULL);
	va_list arguments;
	struct tm tm;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (log_syslog)
		syslog(LOG_NOTICE, "%s", line);
	if (log_file) {
		if (localtime_r(&now, &tm))
			strftime(stamp, sizeof(stamp), "[%Y-%m-%d %H:%M] ", &tm);
		fprintf(log_file, "%s%s\n", stamp, line);
	}
	if (!log_syslog && !log_file) {
		fprintf(stderr, "%s\n", line);
	} else if (log_stdout) {
		puts(line);
		fflush(stdout);
	}
}
