// SPDX-License-Identifier: GPL-2.0-or-later
#include "translate.h"

#include <errno.h>
#include <string.h>

#include "message.h"
#include "parse.h"
#include "translate_plan.h"

enum { CMD_TIMEOUT_S = 10 }; /* what Cmd_Timeout is where a door has none */

static const char *const top_notes[] = {
	"translated from the commands of a firewall to 'Open'. Before you use it:",
	"- knockd now closes the ports in 'Open' itself, for IPv4 and IPv6, to all who have not "
	"knocked; name those who need not knock: 'Trust = ADDRESS' in [options]",
	"- the rule of your firewall that closed these ports is no longer needed and must go, or "
	"it keeps them closed; remove it once knockd runs",
	"- a command that was left alone cannot open a port that a door has in 'Open'",
	"- try it: knockd --check, then knockd --confirm 120",
};

/* Write a directive in the manner of @line, up to its value: its blanks, and @key in its column. */
static void key_write(const struct line *line, const char *key, FILE *out)
{
	size_t indent = strspn(line->at, " \t\v\f\r");
	const char *gap = line->at + indent + line->key_len;
	size_t gap_len = strspn(gap, " \t\v\f\r"), spaces = strspn(gap, " ");
	size_t width = line->key_len + gap_len;
	const char *behind = gap + gap_len + 1;

	fwrite(line->at, 1, indent, out);
	fputs(key, out);
	if (gap_len == spaces && gap_len > 0)
		fprintf(out, "%*s", width > strlen(key) ? (int)(width - strlen(key)) : 1, "");
	else
		fwrite(gap, 1, gap_len, out);
	fputc('=', out);
	fwrite(behind, 1, strspn(behind, " \t\v\f\r"), out);
}

static void ports_write(const struct firewall_rule *rule, FILE *out)
{
	for (size_t i = 0; i < rule->count; i++) {
		const struct conf_range *range = &rule->range[i];

		fprintf(out, "%s%u", i > 0 ? ", " : "", range->first);
		if (range->last != range->first)
			fprintf(out, "-%u", range->last);
		if (range->proto != CONF_TCP)
			fprintf(out, ":%s", conf_proto_names[range->proto]);
	}
}

static void open_write(const struct plan *plan, const struct line *line, FILE *out)
{
	const struct door *door = &plan->door[line->door - 1];
	bool timeout = door->line[ROLE_STOP] && door->line[ROLE_TIMEOUT];

	key_write(line, "Open", out);
	ports_write(&door->rule, out);
	if (!timeout) {
		fputs(plan->eol, out);
		key_write(line, "Open_Time", out);
		fprintf(out, "%u", door->fate == FATE_OPENS ? 0 :
			door->rule.time_s ? door->rule.time_s : CMD_TIMEOUT_S);
	}
	if (door->closer) {
		const struct line *sequence = &plan->line[door->closer->line[ROLE_SEQUENCE]];

		fputs(plan->eol, out);
		key_write(line, "Close_Sequence", out);
		fwrite(sequence->value, 1, sequence->value_len, out);
	}
}

/* A comment that the shell would have skipped gets a line of its own. */
static void comment_write(const struct plan *plan, const struct line *line, FILE *out)
{
	fwrite(line->at, 1, strspn(line->at, " \t\v\f\r"), out);
	fwrite(line->comment, 1, (size_t)(line->value + line->value_len - line->comment), out);
	fputs(plan->eol, out);
}

static void line_write(const struct plan *plan, const struct line *line, FILE *out)
{
	fputs(line->notes ? line->notes : "", out);
	if (line->comment && (line->change == CHANGE_OPEN || line->change == CHANGE_DROP))
		comment_write(plan, line, out);
	switch (line->change) {
	case CHANGE_DROP:
		return;
	case CHANGE_OPEN:
		open_write(plan, line, out);
		break;
	case CHANGE_TIME:
		key_write(line, "Open_Time", out);
		fwrite(line->value, 1, line->value_len, out);
		break;
	case CHANGE_DISABLE:
		fputc('#', out);
		fwrite(line->at, 1, line->len, out);
		break;
	case CHANGE_NONE:
		fwrite(line->at, 1, line->len, out);
	}
	if (line->whole)
		fputs(line->at[line->len] == '\r' ? "\r\n" : "\n", out);
}

static void top_write(const struct plan *plan, FILE *out)
{
	const struct line *line = &plan->line[0];
	size_t mark = strlen(note_mark) + 1, len = strlen(top_notes[0]);

	if (line->len == mark + len && memcmp(line->at + mark, top_notes[0], len) == 0)
		return;
	for (size_t i = 0; i < sizeof(top_notes) / sizeof(top_notes[0]); i++)
		fprintf(out, "%s %s%s", note_mark, top_notes[i], plan->eol);
}

/* Put the errors of @messages above their lines. */
static void errors_note(struct plan *plan, const struct messages *messages)
{
	for (size_t i = 0; i < messages->count; i++) {
		const struct message *message = &messages->at[i];
		size_t line = message->line > 0 ? message->line - 1 : 0;

		if (message->level == MESSAGE_ERROR && line < plan->line_count)
			note_add(plan, line, "nothing is translated while there are errors: %s",
				 message->text);
	}
}

static int plan_write(const struct plan *plan, bool translated, FILE *out)
{
	int left = 0;

	if (translated)
		top_write(plan, out);
	for (size_t i = 0; i < plan->line_count; i++) {
		line_write(plan, &plan->line[i], out);
		left += plan->line[i].left;
	}
	return ferror(out) ? -EIO : left;
}

int translate_text(const char *text, size_t len, FILE *out)
{
	struct plan plan = { .eol = "\n" };
	struct messages messages;
	bool translated = false;
	struct conf conf;
	int result;

	messages_init(&messages, "");
	conf_init(&conf, "");
	plan.conf = &conf;
	result = parse_text(&conf, text, len, &messages);
	if (result == -ENOMEM || lines_split(&plan, text, len) != 0) {
		result = -ENOMEM;
		goto out;
	}
	if (result != 0) {
		errors_note(&plan, &messages);
	} else {
		result = doors_read(&plan, text, len);
		if (result != 0)
			goto out;
		translated = doors_plan(&plan);
	}
	result = plan.short_of_memory ? -ENOMEM : plan_write(&plan, translated, out);
	if (result == 0)
		result = (int)messages.errors;
out:
	plan_free(&plan);
	conf_free(&conf);
	messages_free(&messages);
	return result;
}
