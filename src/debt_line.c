// SPDX-License-Identifier: GPL-2.0-or-later
#include "debt_line.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event_text.h"
#include "number.h"

enum { WORDS_MAX = 13 };

static const struct {
	const char *name;
	size_t words; /* its name included */
} kinds[] = {
	[DEBT_LINE_HOME] = { "home", 3 },
	[DEBT_LINE_OWED] = { "owed", 13 },
	[DEBT_LINE_DUE] = { "due", 4 },
	[DEBT_LINE_RUNS] = { "runs", 4 },
	[DEBT_LINE_PAID] = { "paid", 2 },
};

/* The number of a namespace's file is given to another once it is gone; its cookie is not. */
static uint64_t space_read(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	if (fd < 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size))
		cookie = 0;
	close(fd);
	return cookie;
}

static void boot_read(char boot[DEBT_BOOT_MAX])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, boot, DEBT_BOOT_MAX - 1);

	if (fd >= 0)
		close(fd);
	boot[got > 0 ? got : 0] = '\0';
	boot[strcspn(boot, " \n")] = '\0';
}

void debt_home_read(struct debt_home *home)
{
	home->space = space_read();
	boot_read(home->boot);
}

/* ---- words ---- */

static bool byte_plain(unsigned char byte)
{
	return byte > ' ' && byte != 0x7f && byte != '\\';
}

/* Return: behind what was written. */
static char *word_escape(char *at, const char *word)
{
	for (; *word; word++) {
		if (byte_plain(*word))
			*at++ = *word;
		else
			at += sprintf(at, "\\%02x", (unsigned char)*word);
	}
	*at = '\0';
	return at;
}

static int digit_value(char digit)
{
	const char *digits = "0123456789abcdef", *at = digit ? strchr(digits, digit) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* In place. Return: whether it was escaped so, and says something. */
static bool word_unescape(char *word)
{
	char *to = word;

	if (!*word)
		return false;
	for (; *word; word++) {
		if (*word == '\\') {
			int high = digit_value(word[1]);
			int low = high < 0 ? -1 : digit_value(word[2]);

			if (low < 0 || high + low == 0)
				return false;
			*to++ = high << 4 | low;
			word += 2;
			continue;
		}
		*to++ = *word;
	}
	*to = '\0';
	return true;
}

/* Return: how many there are; more than WORDS_MAX are not told apart. */
static size_t words_split(char *line, char *word[WORDS_MAX])
{
	size_t count = 0;

	while (line && count < WORDS_MAX)
		word[count++] = strsep(&line, " ");
	return line ? WORDS_MAX + 1 : count;
}

/* ---- lines ---- */

void debt_line_home(char line[DEBT_LINE_MAX], const struct debt_home *home)
{
	sprintf(line, "home %" PRIu64 " %s", home->space, home->boot[0] ? home->boot : "-");
}

void debt_line_owed(char line[DEBT_LINE_MAX], const struct debt *debt, const char *boot)
{
	bool known = debt->state == DEBT_STANDING || debt->state == DEBT_STOPPING;
	char *at = line;

	at += sprintf(at, "owed %" PRIu64 " %s %" PRIu64 " %" PRIu64 " %" PRIu64 " ", debt->number,
		      boot[0] ? boot : "-", debt->began_ms, known ? debt->due_ms : DEBT_NEVER,
		      debt->timeout_ms);
	at += sprintf(at, "%u %s %d %llu %u ", debt->source.family,
		      address_text(&debt->source).text, debt->pid, debt->pid_start,
		      debt->ordinal);
	at = word_escape(at, debt->door);
	*at++ = ' ';
	word_escape(at, debt->command);
}

void debt_line_due(char line[DEBT_LINE_MAX], const struct debt *debt)
{
	sprintf(line, "due %" PRIu64 " %" PRIu64 " %" PRIu64, debt->number, debt->due_ms,
		debt->timeout_ms);
}

void debt_line_runs(char line[DEBT_LINE_MAX], const struct debt *debt)
{
	sprintf(line, "runs %" PRIu64 " %d %llu", debt->number, debt->pid, debt->pid_start);
}

void debt_line_paid(char line[DEBT_LINE_MAX], const struct debt *debt)
{
	sprintf(line, "paid %" PRIu64, debt->number);
}

/* ---- reading ---- */

static bool process_parse(char *const *word, struct debt *debt)
{
	uint64_t pid, start;

	if (number_parse(word[0], 0, INT_MAX, &pid) ||
	    number_parse(word[1], 0, UINT64_MAX, &start))
		return false;
	debt->pid = (pid_t)pid;
	debt->pid_start = start;
	return true;
}

static bool times_parse(char *const *word, struct debt *debt)
{
	return !number_parse(word[0], 0, UINT64_MAX, &debt->due_ms) &&
	       !number_parse(word[1], 0, UINT64_MAX, &debt->timeout_ms);
}

static bool source_parse(const char *family, const char *address, struct source *source)
{
	uint64_t number;

	if (number_parse(family, 4, 6, &number) || number == 5)
		return false;
	source->family = number;
	return inet_pton(number == 4 ? AF_INET : AF_INET6, address, source->word_be) == 1;
}

static bool boot_parse(const char *word, char boot[DEBT_BOOT_MAX])
{
	if (strlen(word) >= DEBT_BOOT_MAX)
		return false;
	strcpy(boot, word);
	return true;
}

static int owed_parse(char **word, struct debt *debt, char boot[DEBT_BOOT_MAX])
{
	uint64_t ordinal;

	if (!times_parse(word + 2, debt) ||
	    number_parse(word[1], 0, UINT64_MAX, &debt->began_ms) ||
	    !source_parse(word[4], word[5], &debt->source) || !process_parse(word + 6, debt) ||
	    number_parse(word[8], 0, UINT_MAX, &ordinal) || !word_unescape(word[9]) ||
	    !word_unescape(word[10]) || strlen(word[9]) >= sizeof(debt->door) ||
	    strlen(word[10]) > COMMAND_MAX || !boot_parse(word[0], boot))
		return -EINVAL;
	debt->command = strdup(word[10]);
	if (!debt->command)
		return -ENOMEM;
	debt->ordinal = ordinal;
	strcpy(debt->door, word[9]);
	return 0;
}

int debt_line_parse(char *line, enum debt_line *kind, struct debt *debt,
		    char boot[DEBT_BOOT_MAX])
{
	char *word[WORDS_MAX];
	size_t count = words_split(line, word), i = 0;
	struct debt read = {};
	int error = 0;

	while (i < sizeof(kinds) / sizeof(*kinds) && strcmp(word[0], kinds[i].name))
		i++;
	if (i == sizeof(kinds) / sizeof(*kinds) || count != kinds[i].words ||
	    number_parse(word[1], i != DEBT_LINE_HOME, UINT64_MAX, &read.number))
		return -EINVAL;
	if (i == DEBT_LINE_OWED)
		error = owed_parse(word + 2, &read, boot);
	else if ((i == DEBT_LINE_HOME && !boot_parse(word[2], boot)) ||
		 (i == DEBT_LINE_DUE && !times_parse(word + 2, &read)) ||
		 (i == DEBT_LINE_RUNS && !process_parse(word + 2, &read)))
		error = -EINVAL;
	if (error)
		return error;
	*kind = (enum debt_line)i;
	*debt = read;
	return 0;
}
