// SPDX-License-Identifier: GPL-2.0-or-later
#include "facts.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "number.h"

/* States of a socket in /proc/net, from the kernel's net/tcp_states.h; UDP uses them too. */
enum { STATE_CLOSE = 0x07, STATE_LISTEN = 0x0a };

/* More sockets than this are not read; what listens is then unknown. */
enum { SOCKETS_MAX = 1 << 20, RESERVED_BYTES_MAX = 1 << 20 };

static FILE *proc_open(const char *proc, const char *name)
{
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s/%s", proc, name);

	return len > 0 && (size_t)len < sizeof(path) ? fopen(path, "re") : NULL;
}

/* Read @digits hexadecimal digits, no more and no less, and move @text behind them. */
static bool hex_read(const char **text, unsigned int digits, uint32_t *value)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < digits; i++, (*text)++) {
		char c = **text;

		if (c >= '0' && c <= '9')
			sum = sum << 4 | (uint32_t)(c - '0');
		else if (c >= 'A' && c <= 'F')
			sum = sum << 4 | (uint32_t)(c - 'A' + 10);
		else
			return false;
	}
	*value = sum;
	return true;
}

/* Take "ADDRESS:PORT " off @text. */
static bool socket_end_read(const char **text, uint32_t *port)
{
	*text += strspn(*text, " ");
	*text += strspn(*text, "0123456789ABCDEF");
	if (*(*text)++ != ':' || !hex_read(text, 4, port))
		return false;
	return *(*text)++ == ' ';
}

/* One row of /proc/net/tcp and its like: "  0: 0100007F:0016 00000000:0000 0A …". */
static bool socket_row_read(const char *row, uint32_t *port, uint32_t *state)
{
	uint32_t peer_port;

	row = strchr(row, ':');
	if (!row)
		return false;
	row++;
	return socket_end_read(&row, port) && socket_end_read(&row, &peer_port) &&
	       hex_read(&row, 2, state) && *row == ' ';
}

/* Add the ports of all sockets in @state to @set. Returns whether the whole file was read. */
static bool sockets_read(const char *proc, const char *name, uint32_t state, struct port_set *set)
{
	FILE *file = proc_open(proc, name);
	unsigned int rows = 0;
	char row[512];

	if (!file)
		return false;
	/* The first row names the columns, and socket_row_read() refuses it. */
	for (; rows < SOCKETS_MAX && fgets(row, sizeof(row), file); rows++) {
		uint32_t port, row_state;

		if (socket_row_read(row, &port, &row_state) && row_state == state)
			port_set_add(set, (uint16_t)port);
	}
	fclose(file);
	return rows < SOCKETS_MAX;
}

static void local_range_read(const char *proc, struct host_facts *facts)
{
	FILE *file = proc_open(proc, "sys/net/ipv4/ip_local_port_range");
	uint64_t first, last;
	char row[64];
	char *rest;

	if (!file)
		return;
	rest = fgets(row, sizeof(row), file);
	fclose(file);
	if (!rest)
		return;
	row[strcspn(row, "\n")] = '\0';
	strsep(&rest, "\t ");
	if (!rest || number_parse(row, 1, 65535, &first) != 0 ||
	    number_parse(rest + strspn(rest, "\t "), first, 65535, &last) != 0)
		return;
	facts->local_first = (uint16_t)first;
	facts->local_last = (uint16_t)last;
	facts->local_range_known = true;
}

/* Add "22" or "22-25" to @set; what is neither is left out. */
static void reserved_add(struct port_set *set, char *entry)
{
	char *rest = entry;
	uint64_t first, last;

	strsep(&rest, "-");
	if (number_parse(entry, 0, 65535, &first) != 0)
		return;
	last = first;
	if (rest && number_parse(rest, first, 65535, &last) != 0)
		return;
	for (uint64_t port = first; port <= last; port++)
		port_set_add(set, (uint16_t)port);
}

/* "22,80-90,…", which can be far longer than any line buffer, so taken entry by entry. */
static void reserved_read(const char *proc, struct port_set *set)
{
	FILE *file = proc_open(proc, "sys/net/ipv4/ip_local_reserved_ports");
	char entry[16];
	size_t len = 0;

	if (!file)
		return;
	for (unsigned int i = 0; i < RESERVED_BYTES_MAX; i++) {
		int c = fgetc(file);

		if (c != EOF && c != ',' && c != '\n') {
			/* Too long for a range is left out like anything that is none. */
			entry[len] = (char)c;
			len += len < sizeof(entry) - 1;
			continue;
		}
		entry[len] = '\0';
		reserved_add(set, entry);
		len = 0;
		if (c == EOF)
			break;
	}
	fclose(file);
}

void host_facts_read_at(struct host_facts *facts, const char *proc, const char *file)
{
	struct stat status;
	bool tcp, udp;

	memset(facts, 0, sizeof(*facts));
	tcp = sockets_read(proc, "net/tcp", STATE_LISTEN, &facts->tcp_listening);
	udp = sockets_read(proc, "net/udp", STATE_CLOSE, &facts->udp_bound);
	facts->ports_known = tcp && udp;
	/* Missing where there is no IPv6. */
	sockets_read(proc, "net/tcp6", STATE_LISTEN, &facts->tcp_listening);
	sockets_read(proc, "net/udp6", STATE_CLOSE, &facts->udp_bound);
	local_range_read(proc, facts);
	reserved_read(proc, &facts->local_reserved);
	if (stat(file, &status) == 0) {
		facts->mode_known = true;
		facts->mode = status.st_mode & 07777;
	}
}

void host_facts_read(struct host_facts *facts, const char *file)
{
	host_facts_read_at(facts, "/proc", file);
}
