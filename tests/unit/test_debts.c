// SPDX-License-Identifier: GPL-2.0-or-later
/* Stop commands that are owed: found, in order, and kept in a file whatever happens to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "debt_line.h"
#include "debts.h"
#include "journal.h"
#include "process.h"

enum { NOW = 5000000 };

/* ---- a file system that can be read-only ---- */

static bool read_only;

int openat(int folder, const char *name, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	if (read_only && flags & (O_ACCMODE | O_CREAT)) {
		errno = EROFS;
		return -1;
	}
	va_start(arguments, flags);
	mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	return (int)syscall(SYS_openat, folder, name, flags, mode);
}

/* ---- a place ---- */

struct place {
	char top[64], folder[96], file[128];
	char said[4096];
	size_t lines;
};

static void line_hear(void *data, const char *line)
{
	struct place *place = data;
	size_t used = strlen(place->said);

	place->lines++;
	snprintf(place->said + used, sizeof(place->said) - used, "%s\n", line);
}

static void file_size_limit(rlim_t size)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size == RLIM_INFINITY ? limit.rlim_max : size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int place_make(void **state)
{
	static struct place place;

	place = (struct place){ .top = "/tmp/knockd-debts-XXXXXX" };
	read_only = false;
	file_size_limit(RLIM_INFINITY);
	assert_non_null(mkdtemp(place.top));
	snprintf(place.folder, sizeof(place.folder), "%s/var/lib", place.top);
	snprintf(place.file, sizeof(place.file), "%s/eth0.owed", place.folder);
	*state = &place;
	return 0;
}

static int place_end(void **state)
{
	struct place *place = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", place->top);
	return system(command);
}

static struct debts *debts_named(struct place *place, const char *name, uint64_t now_ms)
{
	const struct debts_place where = { place->folder, name, line_hear, place };
	struct debts *d = NULL;

	assert_int_equal(debts_open(&d, &where, now_ms), 0);
	return d;
}

static struct debts *debts_of(struct place *place, uint64_t now_ms)
{
	return debts_named(place, "eth0", now_ms);
}

static struct source source_of(const char *address)
{
	struct source source = { .family = strchr(address, ':') ? 6 : 4, .stream = 3 };

	assert_int_equal(inet_pton(source.family == 4 ? AF_INET : AF_INET6, address,
				   source.word_be), 1);
	return source;
}

/* One that stands until @due_ms. */
static struct debt *debt_put(struct debts *d, const char *door, const char *address,
			     const char *command, uint64_t due_ms)
{
	struct source source = source_of(address);
	struct debt *debt = debts_add(d, door, 0, &source, command, NOW);

	assert_non_null(debt);
	debt->timeout_ms = 10000;
	debts_change(d, debt, DEBT_STANDING, due_ms, NOW);
	return debt;
}

static void debt_note(void *data, struct debt *debt)
{
	struct debt **found = data;

	if (!*found)
		*found = debt;
}

/* The latest of them, or NULL. */
static struct debt *debt_get(struct debts *d, const char *door, const char *address)
{
	struct source source = source_of(address);
	struct debt *debt = NULL;

	debts_each(d, door, 0, &source, 128, debt_note, &debt);
	return debt;
}

static void file_put(const char *path, const char *text)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

static char *file_get(const char *path)
{
	FILE *in = fopen(path, "r");
	char *text = NULL;
	size_t room = 0;

	assert_non_null(in);
	if (getdelim(&text, &room, '\0', in) < 0)
		text[0] = '\0';
	fclose(in);
	return text;
}

static void folder_make(struct place *place)
{
	char command[160];

	snprintf(command, sizeof(command), "mkdir -p -m 700 %s", place->folder);
	assert_int_equal(system(command), 0);
}

static bool file_is_there(struct place *place, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s.owed", place->folder, name);
	return !access(path, F_OK);
}

/* What is in the file by now, as the next daemon would find it. */
static void expect_copy_owes(struct place *place, size_t count)
{
	struct place copy = *place;
	char command[512];
	struct debts *d;

	snprintf(copy.folder, sizeof(copy.folder), "%s/copy", place->top);
	snprintf(command, sizeof(command), "cp -rp %s %s", place->folder, copy.folder);
	assert_int_equal(system(command), 0);
	d = debts_of(&copy, NOW);
	assert_int_equal(debts_count(d), count);
	debts_close(d);
	snprintf(command, sizeof(command), "rm -r %s", copy.folder);
	assert_int_equal(system(command), 0);
}

/* ---- the table ---- */

static void a_debt_is_found_by_door_ordinal_and_address(void **state)
{
	struct debts *d = debts_of(*state, NOW);
	struct source four = source_of("192.0.2.1"), mapped = source_of("::ffff:192.0.2.1");
	struct debt *first = debts_add(d, "ssh", 0, &four, "a", NOW);
	struct debt *second = debts_add(d, "ssh", 1, &four, "b", NOW);
	struct debt *third = debts_add(d, "ssh", 0, &mapped, "c", NOW);
	struct debt *latest;

	four.stream = 7;
	assert_ptr_equal(debts_find(d, "ssh", 0, &four, "a"), first);
	assert_ptr_equal(debts_find(d, "ssh", 1, &four, "b"), second);
	assert_ptr_equal(debts_find(d, "ssh", 0, &mapped, "c"), third);
	assert_null(debts_find(d, "ssh", 2, &four, "a"));
	assert_null(debts_find(d, "web", 0, &four, "a"));
	assert_null(debts_find(d, "ssh", 0, &four, "b"));
	/* Another, while the first one's stop command runs. */
	assert_false(debts_stopping(d, first));
	latest = debts_add(d, "ssh", 0, &four, "d", NOW);
	assert_ptr_equal(debts_find(d, "ssh", 0, &four, "a"), first);
	debts_change(d, first, DEBT_STOPPING, NOW, NOW);
	assert_null(debts_find(d, "ssh", 0, &four, "a"));
	assert_ptr_equal(debts_find(d, "ssh", 0, &four, "d"), latest);
	assert_true(debts_stopping(d, latest));
	debts_drop(d, first, NOW);
	assert_false(debts_stopping(d, latest));
	assert_int_equal(debts_count(d), 3);
	debts_close(d);
}

static void they_are_due_in_order(void **state)
{
	struct debts *d = debts_of(*state, NOW);
	struct debt *debt[200];
	uint64_t last = 0;

	for (size_t i = 0; i < 200; i++) {
		char address[32];

		snprintf(address, sizeof(address), "10.0.0.%zu", i);
		debt[i] = debt_put(d, "ssh", address, "x", NOW + (i * 7919) % 1009);
	}
	/* Some move to and fro, some go. */
	for (size_t i = 0; i < 200; i += 3)
		debts_change(d, debt[i], DEBT_STANDING, NOW + (i * 104729) % 2003, NOW);
	for (size_t i = 1; i < 200; i += 5)
		debts_drop(d, debt[i], NOW);
	assert_null(debts_first(d, NOW - 1));
	for (size_t left = 160; left; left--) {
		struct debt *first = debts_first(d, UINT64_MAX);

		assert_int_equal(debts_count(d), left);
		assert_true(first->due_ms >= last);
		last = first->due_ms;
		debts_drop(d, first, NOW);
	}
	assert_null(debts_first(d, NOW));
	assert_int_equal(debts_next_ms(d), DEBT_NEVER);
	debts_close(d);
}

static void there_is_room_for_65536_and_no_more(void **state)
{
	struct debts *d = debts_of(*state, NOW);
	struct source source = source_of("10.0.0.0");

	for (uint32_t i = 0; i <= DEBTS_MAX; i++) {
		struct debt *debt;

		source.word_be[0] = htonl(0x0a000000 + i);
		debt = debts_add(d, "ssh", 0, &source, "x", NOW);
		assert_int_equal(debt != NULL, i < DEBTS_MAX);
	}
	/* Were a search a walk through all of them, this would take minutes. */
	for (uint32_t i = 0; i < DEBTS_MAX; i++) {
		source.word_be[0] = htonl(0x0a000000 + i);
		assert_non_null(debts_find(d, "ssh", 0, &source, "x"));
	}
	debts_close(d);
}

static void all_that_stand_can_be_made_due(void **state)
{
	struct debts *d = debts_of(*state, NOW);
	struct debt *starting = debt_put(d, "ssh", "192.0.2.1", "x", NOW + 10);

	debt_put(d, "ssh", "192.0.2.2", "x", NOW + 99000);
	debt_put(d, "ssh", "192.0.2.3", "x", DEBT_NEVER);
	debts_change(d, starting, DEBT_STARTING, DEBT_NEVER, NOW);
	debts_hurry(d, NULL, NULL, NOW);
	assert_int_equal(debts_next_ms(d), NOW);
	debts_drop(d, debts_first(d, NOW), NOW);
	debts_drop(d, debts_first(d, NOW), NOW);
	assert_true(starting->closed);
	assert_ptr_equal(debt_get(d, "ssh", "192.0.2.1"), starting);
	assert_null(debts_first(d, NOW));
	debts_close(d);
}

/* ---- the file ---- */

static void nothing_is_made_before_something_is_owed(void **state)
{
	struct place *place = *state;
	struct debts *d = debts_of(place, NOW);
	struct stat file;

	assert_int_equal(stat(place->folder, &file), -1);
	debt_put(d, "ssh", "192.0.2.1", "x", NOW);
	assert_int_equal(stat(place->folder, &file), 0);
	assert_int_equal(file.st_mode & 07777, 0700);
	assert_int_equal(stat(place->file, &file), 0);
	assert_int_equal(file.st_mode & 07777, 0600);
	debts_close(d);
	assert_int_equal(place->lines, 0);
}

static void what_is_owed_comes_back_as_it_was(void **state)
{
	struct place *place = *state;
	struct debts *d = debts_of(place, NOW);
	const char *odd = " a\tdoor\\20 \303\266 ", *command = "echo '\\x41'\t\001 %s \"é\" ; # ";
	struct debt *debt = debt_put(d, odd, "2001:db8::7", command, NOW + 30000);

	debt_put(d, "ssh", "192.0.2.1", "/bin/x", NOW + 10000);
	debts_close(d);
	d = debts_of(place, NOW + 5);
	assert_int_equal(debts_count(d), 2);
	debt = debt_get(d, odd, "2001:db8::7");
	assert_non_null(debt);
	assert_string_equal(debt->command, command);
	assert_int_equal(debt->state, DEBT_STANDING);
	assert_int_equal(debt->due_ms, NOW + 30000);
	assert_int_equal(debt->began_ms, NOW);
	assert_int_equal(debt->timeout_ms, 10000);
	assert_true(debt->inherited);
	assert_false(debt->restarted);
	assert_int_equal(debts_next_ms(d), NOW + 10000);
	debts_close(d);
	assert_string_equal(place->said, "");
}

static void what_is_paid_does_not_come_back(void **state)
{
	struct place *place = *state;
	struct debts *d = debts_of(place, NOW);

	debts_pay(d, debt_put(d, "ssh", "192.0.2.1", "x", NOW), NOW);
	debts_drop(d, debt_put(d, "ssh", "192.0.2.2", "x", NOW), NOW);
	debt_put(d, "ssh", "192.0.2.3", "x", NOW);
	assert_int_equal(debts_count(d), 1);
	debts_close(d);
	d = debts_of(place, NOW);
	assert_int_equal(debts_count(d), 1);
	assert_non_null(debt_get(d, "ssh", "192.0.2.3"));
	debts_close(d);
}

static void the_latest_due_time_is_kept(void **state)
{
	struct place *place = *state;
	struct debts *d = debts_of(place, NOW);
	struct debt *debt = debt_put(d, "ssh", "192.0.2.1", "x", NOW + 10000);

	debts_change(d, debt, DEBT_STANDING, NOW + 20000, NOW);
	debts_change(d, debt, DEBT_STANDING, NOW + 30000, NOW);
	debts_close(d);
	d = debts_of(place, NOW);
	debt = debt_get(d, "ssh", "192.0.2.1");
	assert_int_equal(debt->due_ms, NOW + 30000);
	/* One whose stop command was about to run is due as before. */
	debts_change(d, debt, DEBT_STOPPING, NOW + 30000, NOW);
	assert_int_equal(debts_next_ms(d), DEBT_NEVER);
	debts_close(d);
	d = debts_of(place, NOW);
	assert_int_equal(debts_next_ms(d), NOW + 30000);
	debts_close(d);
}

static void one_that_was_starting_is_adopted_with_its_process(void **state)
{
	struct place *place = *state;
	struct debts *d = debts_of(place, NOW);
	struct source source = source_of("192.0.2.1");
	struct debt *debt = debts_add(d, "ssh", 0, &source, "x", NOW);

	debt->timeout_ms = 10000;
	debts_change(d, debt, DEBT_STARTING, DEBT_NEVER, NOW);
	debts_starter(d, debt, getpid(), NOW);
	debts_close(d);
	for (int again = 0; again < 2; again++) {
		d = debts_of(place, NOW + 3);
		debt = debt_get(d, "ssh", "192.0.2.1");
		assert_non_null(debt);
		assert_int_equal(debt->state, DEBT_ADOPTED);
		assert_int_equal(debt->due_ms, NOW + 3);
		assert_int_equal(debt->pid, getpid());
		assert_int_equal(debt->pid_start, process_start(getpid()));
		debts_close(d);
	}
	/* Until closed means until closed, also where nobody saw its start command end. */
	d = debts_of(place, NOW);
	debt = debt_get(d, "ssh", "192.0.2.1");
	debt->timeout_ms = DEBT_NEVER;
	debts_change(d, debt, DEBT_STARTING, DEBT_NEVER, NOW);
	debts_close(d);
	d = debts_of(place, NOW);
	assert_int_equal(debt_get(d, "ssh", "192.0.2.1")->state, DEBT_STANDING);
	assert_int_equal(debts_next_ms(d), DEBT_NEVER);
	debts_close(d);
}

static void what_is_only_queued_is_not_kept(void **state)
{
	struct place *place = *state;
	struct debts *d = debts_of(place, NOW);
	struct source source = source_of("192.0.2.1");

	debts_add(d, "ssh", 0, &source, "x", NOW);
	debt_put(d, "ssh", "192.0.2.2", "x", NOW);
	debts_close(d);
	d = debts_of(place, NOW);
	assert_int_equal(debts_count(d), 1);
	debts_close(d);
}

static void after_a_restart_of_the_host_all_is_due(void **state)
{
	struct place *place = *state;
	struct debt debt = { .door = "ssh", .source = source_of("192.0.2.1"), .command = "x",
			     .state = DEBT_STANDING, .due_ms = NOW * 100ULL, .number = 1 };
	struct debts *d = debts_of(place, NOW);
	char line[DEBT_LINE_MAX];
	FILE *out;

	debts_prepare(d, NOW);
	debts_close(d);
	out = fopen(place->file, "w");
	debt_line_owed(line, &debt, "00000000-0000-0000-0000-000000000000");
	journal_put(out, line);
	fclose(out);
	d = debts_of(place, NOW);
	assert_int_equal(debts_next_ms(d), NOW);
	assert_true(debts_first(d, NOW)->restarted);
	debts_close(d);
	/* And still is for the one after. */
	d = debts_of(place, NOW + 1);
	assert_int_equal(debts_next_ms(d), NOW);
	debts_close(d);
}

static void a_torn_last_line_means_nothing(void **state)
{
	struct place *place = *state;
	struct debts *d = debts_of(place, NOW);
	struct stat file;
	off_t whole;

	debt_put(d, "ssh", "192.0.2.1", "x", NOW);
	assert_int_equal(stat(place->file, &file), 0);
	whole = file.st_size;
	debt_put(d, "ssh", "192.0.2.2", "y y y y y", NOW);
	debts_close(d);
	assert_int_equal(stat(place->file, &file), 0);
	for (off_t size = file.st_size - 1; size >= whole; size--) {
		char command[512];

		snprintf(command, sizeof(command), "cp -p %s %s/copy && truncate -s %jd %s",
			 place->file, place->top, (intmax_t)size, place->file);
		assert_int_equal(system(command), 0);
		d = debts_of(place, NOW);
		assert_int_equal(debts_count(d), 1);
		assert_null(debt_get(d, "ssh", "192.0.2.2"));
		debts_close(d);
		snprintf(command, sizeof(command), "mv %s/copy %s", place->top, place->file);
		assert_int_equal(system(command), 0);
	}
	assert_string_equal(place->said, "");
}

static void a_damaged_line_is_said_kept_and_never_run(void **state)
{
	struct place *place = *state;
	struct debts *d = debts_of(place, NOW);
	char *text, *damaged, aside[160];

	debt_put(d, "ssh", "192.0.2.1", "x", NOW);
	debt_put(d, "ssh", "192.0.2.2", "rm /a/file", NOW);
	debt_put(d, "ssh", "192.0.2.3", "z", NOW);
	debts_close(d);
	text = file_get(place->file);
	damaged = strstr(text, "/a/file");
	assert_non_null(damaged);
	memcpy(damaged, "/b", 2);
	file_put(place->file, text);
	d = debts_of(place, NOW);
	assert_int_equal(debts_count(d), 2);
	assert_null(debt_get(d, "ssh", "192.0.2.2"));
	assert_int_equal(place->lines, 1);
	assert_non_null(strstr(place->said, "the first is line 3"));
	snprintf(aside, sizeof(aside), "%s.damaged", place->file);
	damaged = file_get(aside);
	assert_string_equal(damaged, text);
	debts_close(d);
	/* Said once. */
	debts_close(debts_of(place, NOW));
	assert_int_equal(place->lines, 1);
	free(text);
	free(damaged);
}

/* Write two debts, of which the second is damaged, and nothing is by the name of its copy. */
static void damaged_put(struct place *place, const char *name, bool copied)
{
	struct debts *d = debts_named(place, name, NOW);
	char *text, path[160], aside[176];

	debt_put(d, "ssh", "192.0.2.1", "x", NOW);
	debt_put(d, "ssh", "192.0.2.2", "rm /a/file", NOW);
	debts_close(d);
	snprintf(path, sizeof(path), "%s/%s.owed", place->folder, name);
	snprintf(aside, sizeof(aside), "%s.damaged", path);
	text = file_get(path);
	memcpy(strstr(text, "/a/file"), "/b", 2);
	file_put(path, text);
	free(text);
	if (!copied)
		assert_int_equal(mkdir(aside, 0700), 0);
}

static void a_damaged_file_that_cannot_be_copied_is_said_to_be(void **state)
{
	struct place *place = *state;

	damaged_put(place, "eth0", false);
	debts_close(debts_of(place, NOW));
	assert_int_equal(place->lines, 1);
	assert_non_null(strstr(place->said, "no copy can be kept as"));
	assert_non_null(strstr(place->said, "File exists"));
	assert_null(strstr(place->said, "to be looked at"));
}

static void a_damaged_file_of_another_name_is_removed_only_where_a_copy_is_kept(void **state)
{
	struct place *place = *state;
	struct debts *d;

	for (int copied = 0; copied < 2; copied++) {
		damaged_put(place, copied ? "eth1" : "eth2", copied);
		d = debts_of(place, NOW);
		assert_int_equal(debts_count(d), 1);
		expect_copy_owes(place, 1);
		debts_drop(d, debts_first(d, NOW), NOW);
		debts_close(d);
	}
	assert_false(file_is_there(place, "eth1"));
	assert_true(file_is_there(place, "eth2"));
}

static void lines_that_mean_nothing_are_damage(void **state)
{
	static const char *const lines[] = {
		"", "what 1", "paid", "paid 0", "paid x", "paid 1 2", "due 1 2", "runs 1 x 3",
		"owed 1 - 0 0 0 4 192.0.2.1 0 0 0 ssh", /* no command */
		"owed 1 - 0 0 0 4 192.0.2.1 0 0 0 ssh x y",
		"owed 1 - 0 0 0 4 192.0.2.1 0 0 0 ssh ",
		"owed 1 - 0 0 0 5 192.0.2.1 0 0 0 ssh x",
		"owed 1 - 0 0 0 6 192.0.2.1 0 0 0 ssh x",
		"owed 1 - 0 0 0 4 192.0.2 0 0 0 ssh x",
		"owed 1 - 0 -1 0 4 192.0.2.1 0 0 0 ssh x",
		"owed 1 - 0 0 0 4 192.0.2.1 99999999999 0 0 ssh x",
		"owed 1 - 0 0 0 4 192.0.2.1 0 0 0 ssh \\0",
		"owed 1 - 0 0 0 4 192.0.2.1 0 0 0 ssh \\00",
		"owed 1 - 0 0 0 4 192.0.2.1 0 0 0 ssh \\g0",
	};
	struct place *place = *state;
	struct debts *d = debts_of(place, NOW);

	debts_prepare(d, NOW);
	debts_close(d);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		FILE *out = fopen(place->file, "w");

		journal_put(out, lines[i]);
		fclose(out);
		place->lines = 0;
		d = debts_of(place, NOW);
		if (place->lines != 1 || debts_count(d))
			fail_msg("'%s' means something", lines[i]);
		debts_close(d);
	}
}

static void the_file_stays_small(void **state)
{
	struct place *place = *state;
	struct debts *d = debts_of(place, NOW);
	struct debt *debt = debt_put(d, "ssh", "192.0.2.1", "x", NOW);
	struct stat file;

	for (unsigned int i = 0; i < 20000; i++)
		debts_change(d, debt, DEBT_STANDING, NOW + 10000 + i * 1000, NOW + i * 1000);
	assert_int_equal(stat(place->file, &file), 0);
	assert_true(file.st_size < 400000);
	debts_close(d);
	d = debts_of(place, NOW);
	assert_int_equal(debts_next_ms(d), NOW + 10000 + 19999 * 1000);
	debts_close(d);
	assert_int_equal(stat(place->file, &file), 0);
	assert_true(file.st_size < 300);
}

static void small_steps_are_not_written(void **state)
{
	struct place *place = *state;
	struct debts *d = debts_of(place, NOW);
	struct debt *debt = debt_put(d, "ssh", "192.0.2.1", "x", NOW);
	struct stat before, after;

	assert_int_equal(stat(place->file, &before), 0);
	for (unsigned int i = 1; i < 1000; i++)
		debts_change(d, debt, DEBT_STANDING, NOW + i, NOW);
	assert_int_equal(stat(place->file, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	debts_change(d, debt, DEBT_STANDING, NOW + 1000, NOW);
	assert_int_equal(stat(place->file, &after), 0);
	assert_true(before.st_size < after.st_size);
	debts_close(d);
}

/* ---- what can be wrong with it ---- */

static void a_name_stays_in_its_folder(void **state)
{
	struct place *place = *state;
	const struct debts_place where = { place->folder, "../a/b", line_hear, place };
	struct debts *d = NULL;
	struct stat file;

	snprintf(place->file, sizeof(place->file), "%s/.._a_b.owed", place->folder);
	assert_int_equal(debts_open(&d, &where, NOW), 0);
	debts_prepare(d, NOW);
	assert_int_equal(stat(place->file, &file), 0);
	debts_close(d);
}

/* The file cannot be used: that is said once, and everything goes on without it. */
static void expect_without(struct place *place, const char *why)
{
	struct debts *d;

	place->said[0] = '\0';
	place->lines = 0;
	d = debts_of(place, NOW);
	debts_prepare(d, NOW);
	assert_int_equal(debts_count(d), 0);
	debt_put(d, "ssh", "192.0.2.1", "x", NOW);
	debts_drop(d, debt_put(d, "ssh", "192.0.2.2", "x", NOW), NOW + 5000);
	assert_int_equal(debts_count(d), 1);
	debts_close(d);
	assert_int_equal(place->lines, 1);
	assert_non_null(strstr(place->said, why));
}

static void a_folder_that_is_none_is_said_once(void **state)
{
	struct place *place = *state;
	char parent[128];

	snprintf(parent, sizeof(parent), "%s/var", place->top);
	file_put(parent, "");
	expect_without(place, "Not a directory");
	assert_int_equal(unlink(parent), 0);
	assert_int_equal(mkdir(parent, 0755), 0);
	file_put(place->folder, "");
	expect_without(place, "Not a directory");
}

static void a_folder_that_others_can_write_to_is_not_trusted(void **state)
{
	struct place *place = *state;
	struct debts *d = debts_of(place, NOW);

	debt_put(d, "ssh", "192.0.2.9", "x", NOW);
	debts_close(d);
	assert_int_equal(chmod(place->folder, 0770), 0);
	expect_without(place, "not ours alone");
	assert_int_equal(chmod(place->folder, 0755), 0);
	assert_int_equal(chmod(place->file, 0602), 0);
	expect_without(place, "not ours alone");
	if (!geteuid()) {
		assert_int_equal(chmod(place->file, 0600), 0);
		assert_int_equal(chown(place->file, 1234, 0), 0);
		expect_without(place, "not ours alone");
	}
}

static void a_symbolic_link_is_not_followed(void **state)
{
	struct place *place = *state;
	char other[128], *text;

	folder_make(place);
	snprintf(other, sizeof(other), "%s/other", place->top);
	file_put(other, "precious");
	assert_int_equal(symlink(other, place->file), 0);
	expect_without(place, "symbolic links");
	text = file_get(other);
	assert_string_equal(text, "precious");
	free(text);
}

static void a_pipe_in_its_place_makes_nobody_wait(void **state)
{
	struct place *place = *state;

	folder_make(place);
	assert_int_equal(mkfifo(place->file, 0600), 0);
	expect_without(place, "not ours alone");
}

static void a_full_disk_is_said_once_and_made_good_later(void **state)
{
	struct place *place = *state;
	struct debts *d = debts_of(place, NOW);
	struct debt *debt;
	struct stat file;

	signal(SIGXFSZ, SIG_IGN);
	debt = debt_put(d, "ssh", "192.0.2.1", "x", NOW + 1000);
	debt_put(d, "ssh", "192.0.2.2", "x", NOW + 2000);
	assert_int_equal(stat(place->file, &file), 0);
	/* Half of the next line fits, and not even the first two do a second time. */
	file_size_limit(file.st_size + 20);
	debt_put(d, "ssh", "192.0.2.3", "a longer command", NOW + 3000);
	debt_put(d, "ssh", "192.0.2.4", "a longer command", NOW + 4000);
	assert_int_equal(place->lines, 1);
	assert_non_null(strstr(place->said, "a crash would lose"));
	/* Who came now would find those before. */
	file_size_limit(RLIM_INFINITY);
	expect_copy_owes(place, 2);
	file_size_limit(file.st_size + 20);
	debts_drop(d, debt, NOW + 1000);
	debts_change(d, debt_get(d, "ssh", "192.0.2.2"), DEBT_STANDING, NOW + 9000, NOW + 1000);
	assert_int_equal(place->lines, 1);
	file_size_limit(RLIM_INFINITY);
	debts_change(d, debt_get(d, "ssh", "192.0.2.4"), DEBT_STANDING, NOW + 8000, NOW + 3000);
	assert_int_equal(place->lines, 2);
	assert_non_null(strstr(place->said, "kept again"));
	debts_close(d);
	d = debts_of(place, NOW);
	assert_int_equal(debts_count(d), 3);
	assert_null(debt_get(d, "ssh", "192.0.2.1"));
	assert_int_equal(debt_get(d, "ssh", "192.0.2.2")->due_ms, NOW + 9000);
	assert_int_equal(debt_get(d, "ssh", "192.0.2.3")->due_ms, NOW + 3000);
	assert_int_equal(debt_get(d, "ssh", "192.0.2.4")->due_ms, NOW + 8000);
	debts_close(d);
	assert_int_equal(place->lines, 2);
}

static void what_could_not_be_written_is_tried_again_by_itself(void **state)
{
	struct place *place = *state;
	struct debts *d = debts_of(place, NOW);

	signal(SIGXFSZ, SIG_IGN);
	debts_prepare(d, NOW);
	assert_int_equal(debts_retry_ms(d), DEBT_NEVER);
	file_size_limit(100);
	debt_put(d, "ssh", "192.0.2.1", "x", NOW + 9000);
	assert_int_equal(debts_retry_ms(d), NOW + 1000);
	debts_retry(d, NOW + 1000);
	assert_int_equal(debts_retry_ms(d), NOW + 2000);
	file_size_limit(RLIM_INFINITY);
	expect_copy_owes(place, 0);
	debts_retry(d, NOW + 2000);
	assert_int_equal(debts_retry_ms(d), DEBT_NEVER);
	assert_non_null(strstr(place->said, "kept again"));
	expect_copy_owes(place, 1);
	/* And once more in the end, whatever the time is. */
	file_size_limit(100);
	debt_put(d, "ssh", "192.0.2.2", "x", NOW + 9000);
	file_size_limit(RLIM_INFINITY);
	debts_close(d);
	expect_copy_owes(place, 2);
}

static void a_read_only_file_is_held_until_it_can_be_written(void **state)
{
	struct place *place = *state;
	struct debts *d = debts_of(place, NOW), *other;

	debt_put(d, "ssh", "192.0.2.1", "x", NOW);
	debts_close(d);
	read_only = true;
	d = debts_of(place, NOW);
	assert_int_equal(debts_count(d), 1);
	assert_non_null(strstr(place->said, "Read-only file system"));
	/* It is nobody else's, even so. */
	other = debts_named(place, "eth1", NOW);
	assert_int_equal(debts_count(other), 0);
	debts_close(other);
	debts_drop(d, debts_first(d, NOW), NOW);
	debt_put(d, "ssh", "192.0.2.2", "x", NOW + 9000);
	read_only = false;
	debts_retry(d, NOW + 1000);
	debts_close(d);
	assert_false(file_is_there(place, "eth0.2"));
	d = debts_of(place, NOW);
	assert_int_equal(debts_count(d), 1);
	assert_non_null(debt_get(d, "ssh", "192.0.2.2"));
	debts_close(d);
}

static void a_file_that_cannot_be_replaced_is_still_added_to(void **state)
{
	struct place *place = *state;
	struct debts *d = debts_of(place, NOW);
	struct debt *debt = debt_put(d, "ssh", "192.0.2.1", "x", NOW);
	char fresh[160];

	snprintf(fresh, sizeof(fresh), "%s.new", place->file);
	assert_int_equal(mkdir(fresh, 0700), 0);
	for (unsigned int i = 0; i < 6000; i++)
		debts_change(d, debt, DEBT_STANDING, NOW + 10000 + i * 1000, NOW + i * 1000);
	debts_drop(d, debt, NOW);
	debt_put(d, "ssh", "192.0.2.2", "x", NOW + 7);
	debts_close(d);
	assert_string_equal(place->said, "");
	assert_int_equal(rmdir(fresh), 0);
	d = debts_of(place, NOW);
	assert_int_equal(debts_count(d), 1);
	assert_int_equal(debt_get(d, "ssh", "192.0.2.2")->due_ms, NOW + 7);
	debts_close(d);
}

/* ---- other daemons ---- */

static void debt_count(void *data, struct debt *debt)
{
	(void)debt;
	++*(unsigned int *)data;
}

/* The file of @name, written by a daemon that was in @home; nobody has it. */
static void other_put(struct place *place, const char *name, const struct debt_home *home,
		      const char *address)
{
	struct debt debt = { .door = "ssh", .source = source_of(address), .command = "x",
			     .state = DEBT_STANDING, .due_ms = NOW + 9000, .timeout_ms = 9000,
			     .began_ms = NOW, .number = 1 };
	char line[DEBT_LINE_MAX], path[160];
	FILE *out;

	folder_make(place);
	snprintf(path, sizeof(path), "%s/%s.owed", place->folder, name);
	out = fopen(path, "w");
	assert_non_null(out);
	debt_line_home(line, home);
	journal_put(out, line);
	debt_line_owed(line, &debt, home->boot);
	journal_put(out, line);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

static struct debt_home home_here(void)
{
	struct debt_home home;

	debt_home_read(&home);
	assert_true(home.space);
	assert_true(home.boot[0]);
	return home;
}

static void what_another_name_owed_is_taken_over(void **state)
{
	struct place *place = *state;
	struct debts *d = debts_named(place, "eth1", NOW);

	debt_put(d, "ssh", "192.0.2.1", "x", NOW + 9000);
	debts_pay(d, debt_put(d, "ssh", "192.0.2.7", "x", NOW), NOW);
	debts_close(d);
	d = debts_of(place, NOW);
	debt_put(d, "ssh", "192.0.2.2", "x", NOW + 5000);
	assert_int_equal(debts_count(d), 2);
	assert_int_equal(debt_get(d, "ssh", "192.0.2.1")->due_ms, NOW + 9000);
	assert_true(debt_get(d, "ssh", "192.0.2.1")->inherited);
	assert_false(file_is_there(place, "eth1"));
	assert_int_equal(place->lines, 1);
	assert_non_null(strstr(place->said, "eth1.owed: no knockd has it; 1 stop commands owed "
			       "there are taken over"));
	debts_drop(d, debt_get(d, "ssh", "192.0.2.1"), NOW);
	debts_close(d);
	d = debts_of(place, NOW);
	assert_int_equal(debts_count(d), 1);
	assert_non_null(debt_get(d, "ssh", "192.0.2.2"));
	debts_close(d);
	assert_int_equal(place->lines, 1);
}

static void a_file_that_is_held_is_nobody_elses(void **state)
{
	struct place *place = *state;
	struct debts *first = debts_of(place, NOW), *second, *other;

	debt_put(first, "ssh", "192.0.2.1", "x", NOW + 9000);
	second = debts_of(place, NOW);
	other = debts_named(place, "eth1", NOW);
	assert_int_equal(debts_count(second) + debts_count(other), 0);
	debt_put(second, "ssh", "192.0.2.2", "x", NOW + 9000);
	debt_put(first, "ssh", "192.0.2.3", "x", NOW + 9000);
	debts_close(second);
	debts_close(other);
	assert_int_equal(debts_count(first), 2);
	/* Not even when it is replaced, again and again. */
	for (unsigned int i = 0; i < 6000; i++)
		debts_change(first, debt_get(first, "ssh", "192.0.2.1"), DEBT_STANDING,
			     NOW + i * 2000, NOW + i * 2000);
	other = debts_named(place, "eth1", NOW);
	assert_int_equal(debts_count(other), 1);
	assert_non_null(debt_get(other, "ssh", "192.0.2.2"));
	debts_close(first);
	debts_close(other);
	first = debts_of(place, NOW);
	assert_int_equal(debts_count(first), 3);
	debts_close(first);
}

static void who_comes_between_look_and_first_debt_keeps_the_name(void **state)
{
	struct place *place = *state;
	struct debts *first = debts_of(place, NOW), *second = debts_of(place, NOW);

	debt_put(first, "ssh", "192.0.2.1", "x", NOW + 9000);
	debt_put(second, "ssh", "192.0.2.2", "x", NOW + 9000);
	debt_put(first, "ssh", "192.0.2.3", "x", NOW + 9000);
	debts_close(first);
	debts_close(second);
	first = debts_of(place, NOW);
	assert_int_equal(debts_count(first), 3);
	debts_close(first);
}

static void another_namespaces_file_is_left_alone(void **state)
{
	struct place *place = *state;
	struct debt_home home = home_here();
	struct debts *d;

	home.space++;
	other_put(place, "eth0", &home, "192.0.2.1");
	other_put(place, "eth1", &home, "192.0.2.2");
	d = debts_of(place, NOW);
	assert_int_equal(debts_count(d), 0);
	debt_put(d, "ssh", "192.0.2.3", "x", NOW);
	debts_close(d);
	assert_true(file_is_there(place, "eth0"));
	assert_true(file_is_there(place, "eth1"));
	assert_true(file_is_there(place, "eth0.2"));
	d = debts_of(place, NOW);
	assert_int_equal(debts_count(d), 1);
	assert_non_null(debt_get(d, "ssh", "192.0.2.3"));
	debts_close(d);
	assert_string_equal(place->said, "");
}

/* Whether a line, but the first, is in the file: a debt; and whether that is paid. */
static void foreign_put(struct place *place, const char *name, bool owed, bool paid)
{
	struct debt_home home = home_here();
	struct debt debt = { .number = 1 };
	char line[DEBT_LINE_MAX], path[160];
	FILE *out;

	home.space++;
	other_put(place, name, &home, "192.0.2.1");
	snprintf(path, sizeof(path), "%s/%s.owed", place->folder, name);
	out = fopen(path, owed ? "a" : "w");
	assert_non_null(out);
	if (!owed)
		debt_line_home(line, &home);
	else
		debt_line_paid(line, &debt);
	if (paid || !owed)
		journal_put(out, line);
	assert_int_equal(fclose(out), 0);
}

static void another_namespaces_file_that_owes_nothing_is_taken(void **state)
{
	struct place *place = *state;

	for (int paid = 0; paid < 2; paid++) {
		struct debts *d;

		foreign_put(place, "eth0", paid, paid);
		d = debts_of(place, NOW);
		debt_put(d, "ssh", "192.0.2.2", "x", NOW);
		assert_false(file_is_there(place, "eth0.2"));
		expect_copy_owes(place, 1);
		debts_drop(d, debts_first(d, NOW), NOW);
		debts_close(d);
		assert_false(file_is_there(place, "eth0"));
	}
	assert_string_equal(place->said, "");
}

static void when_all_names_are_others_the_first_is_said(void **state)
{
	struct place *place = *state;

	foreign_put(place, "eth0", true, false);
	for (unsigned int i = 2; i <= 64; i++) {
		char name[16];

		snprintf(name, sizeof(name), "eth0.%u", i);
		foreign_put(place, name, true, false);
	}
	debts_close(debts_of(place, NOW));
	assert_int_equal(place->lines, 1);
	assert_non_null(strstr(place->said, "/eth0.owed: this and all others of its name are"));
	assert_true(file_is_there(place, "eth0"));
	assert_true(file_is_there(place, "eth0.64"));
}

static void a_file_that_owes_nothing_is_removed_in_the_end(void **state)
{
	struct place *place = *state;
	struct debts *d = debts_of(place, NOW);

	debt_put(d, "ssh", "192.0.2.1", "x", NOW);
	debts_close(d);
	assert_true(file_is_there(place, "eth0"));
	d = debts_of(place, NOW);
	debts_pay(d, debts_first(d, NOW), NOW);
	debts_close(d);
	assert_false(file_is_there(place, "eth0"));
	assert_string_equal(place->said, "");
}

static void a_file_that_took_its_place_is_not_removed(void **state)
{
	struct place *place = *state;
	struct debts *d = debts_of(place, NOW), *other;

	debts_prepare(d, NOW);
	assert_int_equal(unlink(place->file), 0);
	other = debts_of(place, NOW);
	debt_put(other, "ssh", "192.0.2.1", "x", NOW);
	debts_close(d);
	assert_true(file_is_there(place, "eth0"));
	debts_close(other);
	assert_true(file_is_there(place, "eth0"));
}

static void no_namespace_outlives_a_restart_of_the_host(void **state)
{
	struct place *place = *state;
	struct debt_home home = home_here();
	struct debts *d;

	home.space++;
	strcpy(home.boot, "00000000-0000-0000-0000-000000000000");
	other_put(place, "eth0", &home, "192.0.2.1");
	other_put(place, "eth1", &home, "192.0.2.2");
	d = debts_of(place, NOW);
	assert_int_equal(debts_count(d), 2);
	assert_true(debt_get(d, "ssh", "192.0.2.1")->restarted);
	assert_true(debt_get(d, "ssh", "192.0.2.2")->restarted);
	debts_drop(d, debts_first(d, NOW), NOW);
	debts_drop(d, debts_first(d, NOW), NOW);
	debts_close(d);
	assert_false(file_is_there(place, "eth1"));
	d = debts_of(place, NOW);
	assert_int_equal(debts_count(d), 0);
	debts_close(d);
}

static void killed_before_the_other_file_was_removed_nothing_is_owed_twice(void **state)
{
	struct place *place = *state;
	struct debt_home home = home_here();
	struct debts *d;

	for (int restarted = 0; restarted < 2; restarted++) {
		if (restarted)
			strcpy(home.boot, "00000000-0000-0000-0000-000000000000");
		other_put(place, "eth1", &home, restarted ? "192.0.2.2" : "192.0.2.1");
		debts_close(debts_of(place, NOW + 1));
		/* As if it were still there. */
		other_put(place, "eth1", &home, restarted ? "192.0.2.2" : "192.0.2.1");
		d = debts_of(place, NOW + 2);
		assert_int_equal(debts_count(d), 1 + restarted);
		debts_close(d);
		assert_false(file_is_there(place, "eth1"));
	}
}

static void what_cannot_be_written_stays_in_the_other_file(void **state)
{
	struct place *place = *state;
	struct debt_home home = home_here();
	struct debts *d;

	signal(SIGXFSZ, SIG_IGN);
	other_put(place, "eth1", &home, "192.0.2.1");
	file_size_limit(20);
	d = debts_of(place, NOW);
	assert_int_equal(debts_count(d), 1);
	assert_true(file_is_there(place, "eth1"));
	assert_non_null(strstr(place->said, "a crash would lose"));
	/* It is ours all the same. */
	debts_close(debts_named(place, "eth2", NOW));
	assert_true(file_is_there(place, "eth1"));
	file_size_limit(RLIM_INFINITY);
	debt_put(d, "ssh", "192.0.2.2", "x", NOW + 5000);
	debts_change(d, debt_get(d, "ssh", "192.0.2.2"), DEBT_STANDING, NOW + 9000, NOW + 2000);
	assert_false(file_is_there(place, "eth1"));
	expect_copy_owes(place, 2);
	debts_close(d);
}

static void debts_under_a_prefix_are_found(void **state)
{
	static const struct {
		const char *source;
		unsigned int bits, count;
	} rows[] = {
		{ "2001:db8:0:1::5", 128, 1 }, { "2001:db8:0:1::", 128, 0 },
		{ "2001:db8:0:1::", 64, 2 }, { "2001:db8:0:1::5", 64, 2 },
		{ "2001:db8::", 63, 3 }, { "2001:db8:0:1:8000::", 65, 0 },
		{ "::", 1, 3 }, { "192.0.2.1", 128, 1 }, { "192.0.2.2", 1, 0 },
	};
	struct debts *d = debts_of(*state, NOW);
	struct source four = source_of("192.0.2.1");

	debt_put(d, "ssh", "2001:db8:0:1::5", "x", NOW);
	debt_put(d, "ssh", "2001:db8:0:1:0:ffff::6", "x", NOW);
	debt_put(d, "ssh", "2001:db8:0:0::5", "x", NOW);
	debt_put(d, "ssh", "192.0.2.1", "x", NOW);
	debt_put(d, "web", "2001:db8:0:1::5", "x", NOW);
	debts_add(d, "ssh", 1, &four, "x", NOW);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct source source = source_of(rows[i].source);
		unsigned int count = 0;

		debts_each(d, "ssh", 0, &source, rows[i].bits, debt_count, &count);
		if (count != rows[i].count)
			fail_msg("%u debts under %s/%u", count, rows[i].source, rows[i].bits);
	}
	debts_close(d);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, place_make, place_end)
	const struct CMUnitTest tests[] = {
		TEST(a_debt_is_found_by_door_ordinal_and_address),
		TEST(they_are_due_in_order),
		TEST(there_is_room_for_65536_and_no_more),
		TEST(all_that_stand_can_be_made_due),
		TEST(nothing_is_made_before_something_is_owed),
		TEST(what_is_owed_comes_back_as_it_was),
		TEST(what_is_paid_does_not_come_back),
		TEST(the_latest_due_time_is_kept),
		TEST(one_that_was_starting_is_adopted_with_its_process),
		TEST(what_is_only_queued_is_not_kept),
		TEST(after_a_restart_of_the_host_all_is_due),
		TEST(a_torn_last_line_means_nothing),
		TEST(a_damaged_line_is_said_kept_and_never_run),
		TEST(a_damaged_file_that_cannot_be_copied_is_said_to_be),
		TEST(a_damaged_file_of_another_name_is_removed_only_where_a_copy_is_kept),
		TEST(lines_that_mean_nothing_are_damage),
		TEST(the_file_stays_small),
		TEST(small_steps_are_not_written),
		TEST(a_name_stays_in_its_folder),
		TEST(a_folder_that_is_none_is_said_once),
		TEST(a_folder_that_others_can_write_to_is_not_trusted),
		TEST(a_symbolic_link_is_not_followed),
		TEST(a_pipe_in_its_place_makes_nobody_wait),
		TEST(a_full_disk_is_said_once_and_made_good_later),
		TEST(what_could_not_be_written_is_tried_again_by_itself),
		TEST(a_read_only_file_is_held_until_it_can_be_written),
		TEST(a_file_that_cannot_be_replaced_is_still_added_to),
		TEST(what_another_name_owed_is_taken_over),
		TEST(a_file_that_is_held_is_nobody_elses),
		TEST(who_comes_between_look_and_first_debt_keeps_the_name),
		TEST(another_namespaces_file_is_left_alone),
		TEST(another_namespaces_file_that_owes_nothing_is_taken),
		TEST(when_all_names_are_others_the_first_is_said),
		TEST(a_file_that_owes_nothing_is_removed_in_the_end),
		TEST(a_file_that_took_its_place_is_not_removed),
		TEST(no_namespace_outlives_a_restart_of_the_host),
		TEST(killed_before_the_other_file_was_removed_nothing_is_owed_twice),
		TEST(what_cannot_be_written_stays_in_the_other_file),
		TEST(debts_under_a_prefix_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
