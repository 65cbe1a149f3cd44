// SPDX-License-Identifier: GPL-2.0-or-later
/* The beginning: which file a daemon has, what it says, and what others have left. */
#include "debts_parts.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "debt_reader.h"

enum {
	NAMES_MAX = 64,   /* of files, for daemons of one name */
	HOLDER_MS = 1000, /* for the daemon before to let go of its file */
	HOLDER_STEP_MS = 10,
};

static const char suffix[] = ".owed";

/* ---- which file ---- */

int debts_name(struct debts *d, unsigned int number)
{
	struct journal *journal;
	char *name, part[16] = "";
	int error;

	if (number > NAMES_MAX)
		return -EUSERS;
	if (number > 1)
		snprintf(part, sizeof(part), ".%u", number);
	if (asprintf(&name, "%s%s%s", d->place.name, part, suffix) < 0)
		return -ENOMEM;
	for (char *at = name; *at; at++)
		if (*at == '/')
			*at = '_';
	error = journal_open(&journal, d->place.folder, name);
	free(name);
	if (error)
		return error;
	journal_close(d->journal);
	d->journal = journal;
	d->name = number;
	return 0;
}

/* Read @journal. Return: 0, or −errno. */
static int file_read(struct debts *d, struct journal *journal, struct debt_reader *reader)
{
	reader->table = &d->table;
	reader->home = &d->home;
	return journal_read(journal, debt_reader_line, reader);
}

static struct debt_reader file_look(struct debts *d)
{
	struct debt_reader reader = { .home = &d->home };

	journal_read(d->journal, debt_reader_look, &reader);
	return reader;
}

/* The daemon before us may be about to end. */
static int file_claim(struct debts *d)
{
	int error = journal_claim(d->journal);

	for (int i = 0; i < HOLDER_MS / HOLDER_STEP_MS && error == -EBUSY; i++) {
		/* In another network namespace it is none before us. */
		if (file_look(d).foreign)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = HOLDER_STEP_MS * 1000000L }, NULL);
		error = journal_claim(d->journal);
	}
	return error;
}

/* Whether a daemon of another network namespace owes what is there, or may. */
static bool file_foreign(struct debts *d)
{
	struct debt_reader look = file_look(d);

	return look.foreign && (look.count || look.damaged);
}

/* The first file that nobody holds, and that is not another namespace's. */
static int file_choose(struct debts *d)
{
	unsigned int number = 1;
	int error;

	while (!(error = debts_name(d, number++))) {
		int held = file_claim(d);

		if (held != -EBUSY && (held || !file_foreign(d)))
			break;
	}
	return error;
}

/* Return: 0, or −errno where lines are damaged and the file is the only one that has them. */
static int damage_keep(struct debts *d, struct journal *journal, const struct debt_reader *reader)
{
	int error;

	if (!reader->damaged)
		return 0;
	error = journal_set_aside(journal);
	debts_say(d, "%s: %zu lines cannot be read, the first is line %zu; stop commands owed "
		  "there are not run, %s %s%s%s", journal_path(journal), reader->damaged,
		  reader->first, error ? "and no copy can be kept as" : "the file is kept as",
		  journal_aside_path(journal), error ? ": " : " to be looked at",
		  error ? strerror(-error) : "");
	return error;
}

static void unusable_say(struct debts *d, const char *why)
{
	d->unusable = true;
	debts_say(d, "%s: %s; a crash would lose stop commands that are owed, or run them again",
		  journal_path(d->journal), why);
}

static void debts_read(struct debts *d, uint64_t now_ms)
{
	struct debt_reader reader = { .now_ms = now_ms };
	int error = file_read(d, d->journal, &reader);

	d->last_number = reader.last;
	debt_reader_end(&reader);
	damage_keep(d, d->journal, &reader);
	if (error)
		unusable_say(d, error == -EPERM ? "it or its folder is not ours alone to write" :
						  strerror(-error));
	if (!d->unusable && (d->table.count || reader.count || reader.damaged))
		debts_recover(d, now_ms);
}

/* ---- what daemons of other names owed ---- */

static int name_wanted(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name), end = strlen(suffix);

	return len > end && !strcmp(entry->d_name + len - end, suffix);
}

/*
 * Take over what the file says, all or nothing.
 * @lone: whether it is the only one that has what is damaged
 */
static bool other_read(struct debts *d, struct journal *other, uint64_t now_ms, bool *lone)
{
	struct debt_reader reader = { .now_ms = now_ms, .adopting = true };
	int error = file_read(d, other, &reader);
	size_t owed;

	if (error || reader.foreign || reader.short_of_room) {
		debt_reader_undo(&reader);
		if (!reader.foreign)
			debts_say(d, "%s: %s; stop commands owed there are not run",
				  journal_path(other), error ? strerror(-error) :
				  "there is no room for what it has");
		return false;
	}
	owed = debt_reader_end(&reader);
	*lone = damage_keep(d, other, &reader);
	if (owed)
		debts_say(d, "%s: no knockd has it; %zu stop commands owed there are taken over",
			  journal_path(other), owed);
	return true;
}

/* Ours has it first; only then the other is removed. */
static void other_adopt(struct debts *d, const char *name, uint64_t now_ms)
{
	size_t before = d->table.count;
	struct journal *other;
	bool lone = true, read;

	if (journal_open(&other, d->place.folder, name))
		return;
	read = !journal_claim(other) && other_read(d, other, now_ms, &lone);
	if (lone)
		journal_close(other);
	else
		d->taken = other;
	if (read && d->table.count > before)
		debts_recover(d, now_ms);
	else
		debts_taken_remove(d);
}

/* Where our file cannot take more, the others are left to who comes next. */
static void others_adopt(struct debts *d, uint64_t now_ms)
{
	const char *own = strrchr(journal_path(d->journal), '/') + 1;
	struct dirent **entry;
	int count = scandir(d->place.folder, &entry, name_wanted, alphasort);

	for (int i = 0; i < count; i++) {
		if (!d->taken && !d->failed && strcmp(entry[i]->d_name, own))
			other_adopt(d, entry[i]->d_name, now_ms);
		free(entry[i]);
	}
	if (count >= 0)
		free(entry);
}

int debts_open(struct debts **out, const struct debts_place *place, uint64_t now_ms)
{
	struct debts *d = calloc(1, sizeof(*d));
	int error;

	if (!d)
		return -ENOMEM;
	d->place = *place;
	debt_home_read(&d->home);
	if (getrandom(&d->table.seed, sizeof(d->table.seed), GRND_NONBLOCK) < 0)
		d->table.seed = now_ms;
	error = file_choose(d);
	if (error == -EUSERS && !debts_name(d, 1)) {
		unusable_say(d, "this and all others of its name are other daemons'");
	} else if (error) {
		d->unusable = true;
		debts_close(d);
		return error;
	} else {
		debts_read(d, now_ms);
	}
	if (!d->unusable)
		others_adopt(d, now_ms);
	*out = d;
	return 0;
}
