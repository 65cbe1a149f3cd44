// SPDX-License-Identifier: GPL-2.0-or-later
#include "print.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "lex.h"

/* One entry of a list as it stands in a file. */
struct entry {
	char text[INET6_ADDRSTRLEN + sizeof("/128")];
};

typedef struct entry entry_format(const void *list, size_t i);

static struct entry knock_format(const void *list, size_t i)
{
	const struct conf_knock *knock = &((const struct conf_sequence *)list)->knock[i];
	struct entry entry;

	if (knock->proto == CONF_TCP)
		snprintf(entry.text, sizeof(entry.text), "%u", knock->number);
	else
		snprintf(entry.text, sizeof(entry.text), "%u:%s", knock->number,
			 conf_proto_names[knock->proto]);
	return entry;
}

static struct entry range_format(const void *list, size_t i)
{
	const struct conf_range *range = &((const struct conf_ranges *)list)->at[i];
	struct entry entry;
	int used;

	used = snprintf(entry.text, sizeof(entry.text), "%u", range->first);
	if (range->last > range->first)
		used += snprintf(entry.text + used, sizeof(entry.text) - (size_t)used, "-%u",
				 range->last);
	if (range->proto != CONF_TCP)
		snprintf(entry.text + used, sizeof(entry.text) - (size_t)used, ":%s",
			 conf_proto_names[range->proto]);
	return entry;
}

static struct entry prefix_format(const void *list, size_t i)
{
	const struct conf_prefix *prefix = &((const struct conf_prefixes *)list)->at[i];
	char address[INET6_ADDRSTRLEN];
	struct entry entry;

	inet_ntop(prefix->family, prefix->address, address, sizeof(address));
	/* Dotted, the end of an address is longer than its line may have room for. */
	if (prefix->family == AF_INET6 && strchr(address, '.'))
		snprintf(address, sizeof(address), "::%s%x:%x", prefix->address[10] ? "ffff:" : "",
			 prefix->address[12] << 8 | prefix->address[13],
			 prefix->address[14] << 8 | prefix->address[15]);
	if (prefix->length == (prefix->family == AF_INET ? 32 : 128))
		snprintf(entry.text, sizeof(entry.text), "%s", address);
	else
		snprintf(entry.text, sizeof(entry.text), "%s/%u", address, prefix->length);
	return entry;
}

/*
 * A list that is empty has no line: there is no way to write one. One that would be too long for a
 * line with blanks goes without; it came from a line that held it.
 */
static void list_print(FILE *out, const char *key, const void *list, size_t count,
		       entry_format *format)
{
	size_t len = strlen(key) + strlen(" = ");
	const char *separator = ", ";

	if (count == 0)
		return;
	for (size_t i = 0; i < count; i++)
		len += strlen(format(list, i).text) + strlen(separator);
	if (len > LEX_LINE_MAX)
		separator = ",";
	fprintf(out, len > LEX_LINE_MAX ? "%s=" : "%s = ", key);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s%s", i > 0 ? separator : "", format(list, i).text);
	fputc('\n', out);
}

static void sequence_print(FILE *out, const char *key, const struct conf_sequence *sequence)
{
	list_print(out, key, sequence, sequence->len, knock_format);
}

static void ranges_print(FILE *out, const char *key, const struct conf_ranges *ranges)
{
	list_print(out, key, ranges, ranges->count, range_format);
}

static void prefixes_print(FILE *out, const char *key, const struct conf_prefixes *prefixes)
{
	list_print(out, key, prefixes, prefixes->count, prefix_format);
}

static void flags_print(FILE *out, const struct conf_flags *flags)
{
	const char *separator = "TCPFlags = ";

	for (int i = 0; conf_flag_names[i]; i++) {
		if (!(flags->mask >> i & 1))
			continue;
		fprintf(out, "%s%s%s", separator, flags->value >> i & 1 ? "" : "!",
			conf_flag_names[i]);
		/* Without a blank, so that 0.8 takes it too. */
		separator = ",";
	}
	fputc('\n', out);
}

/*
 * A text that fills its line has no room for blanks, and one that came with the shorter of two
 * names no room for the longer one.
 */
static void text_print(FILE *out, const char *key, const char *alias, const char *text)
{
	size_t len;

	if (!text)
		return;
	len = strlen(key) + strlen(text);
	if (!text[0])
		fprintf(out, "%s =\n", key);
	else if (len + strlen(" = ") <= LEX_LINE_MAX)
		fprintf(out, "%s = %s\n", key, text);
	else
		fprintf(out, "%s=%s\n", len < LEX_LINE_MAX ? key : alias, text);
}

static void target_print(FILE *out, const struct conf_target *target)
{
	char address[INET6_ADDRSTRLEN];

	if (target->family && inet_ntop(target->family, target->address, address, sizeof(address)))
		fprintf(out, "Target = %s\n", address);
}

/* Whether Cmd_Timeout is given matters, not only its value. */
static void commands_print(FILE *out, const struct conf_commands *commands)
{
	text_print(out, "Start_Command", "Command", commands->start);
	text_print(out, "Start_Command_6", "Command_6", commands->start6);
	if (commands->timeout_line)
		fprintf(out, "Cmd_Timeout = %u\n", commands->timeout_s);
	text_print(out, "Stop_Command", NULL, commands->stop);
	text_print(out, "Stop_Command_6", NULL, commands->stop6);
}

static void options_print(FILE *out, const struct conf *conf)
{
	fprintf(out, "[options]\n");
	for (unsigned int i = 0; i < conf->interface_count; i++)
		fprintf(out, "%s%s%s", i == 0 ? "Interface = " : ", ", conf->interface[i],
			i + 1 == conf->interface_count ? "\n" : "");
	fprintf(out, "UseSyslog = %s\n", conf->use_syslog ? "yes" : "no");
	text_print(out, "LogFile", NULL, conf->log_file);
	text_print(out, "PidFile", NULL, conf->pid_file);
	prefixes_print(out, "Trust", &conf->trust);
	fprintf(out, "Closed = %s\n", conf_closed_names[conf->closed]);
	fprintf(out, "XDP_Mode = %s\n", conf_xdp_mode_names[conf->xdp_mode]);
	fprintf(out, "On_Exit = %s\n", conf_on_exit_names[conf->on_exit]);
	fprintf(out, "UDP_Idle = %u\n", conf->udp_idle_s);
	fprintf(out, "Grant_Prefix6 = %u\n", conf->grant_prefix6);
	fprintf(out, "Max_Sources = %u\n", conf->max_sources);
	fprintf(out, "Max_Grants = %u\n", conf->max_grants);
	fprintf(out, "Max_Flows = %u\n", conf->max_flows);
	fprintf(out, "Max_Commands = %u\n", conf->max_commands);
	fprintf(out, "Command_Time = %u\n", conf->command_time_s);
}

static void door_print(FILE *out, const struct conf_door *door)
{
	fprintf(out, "\n[%s]\n", door->name);
	/* The sequence in force of a list is not the config's, and is used but once. */
	if (door->one_time_file)
		text_print(out, "One_Time_Sequences", NULL, door->one_time_file);
	else
		sequence_print(out, "Sequence", &door->sequence);
	fprintf(out, "Seq_Timeout = %u\n", door->seq_timeout_s);
	flags_print(out, &door->flags);
	target_print(out, &door->target);
	ranges_print(out, "Open", &door->open);
	fprintf(out, "Open_Time = %u\n", door->open_time_s);
	if (door->connections)
		fprintf(out, "Connections = %u\n", door->connections);
	sequence_print(out, "Close_Sequence", &door->close_sequence);
	prefixes_print(out, "Trust", &door->trust);
	prefixes_print(out, "Knock_From", &door->knock_from);
	commands_print(out, &door->commands);
}

int print_conf(const struct conf *conf, FILE *out)
{
	options_print(out, conf);
	for (size_t i = 0; i < conf->door_count; i++)
		door_print(out, &conf->door[i]);
	return fflush(out) != 0 || ferror(out) ? -EIO : 0;
}
