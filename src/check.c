// SPDX-License-Identifier: GPL-2.0-or-later
#include "check.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "number.h"

/* Neighbouring knocks that are no further apart than this are easily found by trying. */
enum { NEAR_PORTS = 10 };

/* What the checks ask of the whole config, gathered once. */
struct survey {
	const struct conf *conf;
	const struct host_facts *facts;
	struct messages *messages;
	struct port_set knock[2];     /* by CONF_TCP, CONF_UDP: ports of some sequence */
	struct port_set protected[2]; /* ports that some door opens */
	unsigned int silent[3];       /* how many of those are in no sequence; ICMP has none */
};

static void __attribute__((format(printf, 3, 4)))
warning_add(struct survey *survey, unsigned int line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	message_addv(survey->messages, MESSAGE_WARNING, line, format, arguments);
	va_end(arguments);
}

static void sequence_survey(struct survey *survey, const struct conf_sequence *sequence)
{
	for (unsigned int i = 0; i < sequence->len; i++)
		if (sequence->knock[i].proto != CONF_ICMP)
			port_set_add(&survey->knock[sequence->knock[i].proto],
				     sequence->knock[i].number);
}

static void door_survey(struct survey *survey, const struct conf_door *door)
{
	sequence_survey(survey, &door->sequence);
	sequence_survey(survey, &door->close_sequence);
	for (size_t i = 0; i < door->open.count; i++) {
		const struct conf_range *range = &door->open.at[i];

		for (unsigned int port = range->first; port <= range->last; port++)
			port_set_add(&survey->protected[range->proto], (uint16_t)port);
	}
}

static const struct port_set *port_set_served(const struct host_facts *facts,
					      enum conf_proto proto)
{
	return proto == CONF_TCP ? &facts->tcp_listening : &facts->udp_bound;
}

/* ---- how easily a scan opens a sequence ---- */

/* A packet to such a port neither advances nor clears its source's progress. */
static bool port_is_silent(const struct survey *survey, enum conf_proto proto, uint16_t port)
{
	if (port_set_has(&survey->knock[proto], port))
		return false;
	return port_set_has(&survey->protected[proto], port) ||
	       (survey->facts->ports_known &&
		port_set_has(port_set_served(survey->facts, proto), port));
}

/* Whether a scan that goes from port @a to port @b one by one meets no stray in between. */
static bool gap_is_silent(const struct survey *survey, enum conf_proto proto, uint16_t a,
			  uint16_t b)
{
	uint16_t low = a < b ? a : b, high = a < b ? b : a;

	for (unsigned int port = low + 1U; port < high; port++)
		if (!port_is_silent(survey, proto, (uint16_t)port))
			return false;
	return true;
}

/* How a sequence looks to somebody who scans ports in order. */
struct pattern {
	bool ascending, descending; /* in one protocol that has ports */
	bool silent;                /* and no stray lies between */
	bool same;                  /* one knock again and again */
	unsigned int widest;        /* gap between neighbours; 0 where they differ in protocol */
};

static struct pattern sequence_pattern(const struct survey *survey,
				       const struct conf_sequence *sequence)
{
	const struct conf_knock *knock = sequence->knock;
	bool ports = knock[0].proto != CONF_ICMP;
	struct pattern pattern = { ports, ports, ports, true, 0 };
	bool mixed = false;

	for (unsigned int i = 1; i < sequence->len; i++) {
		unsigned int gap = (unsigned int)abs(knock[i].number - knock[i - 1].number);

		mixed |= knock[i].proto != knock[0].proto;
		pattern.ascending &= knock[i].number > knock[i - 1].number;
		pattern.descending &= knock[i].number < knock[i - 1].number;
		pattern.same &= conf_knock_equal(&knock[i], &knock[0]);
		pattern.widest = gap > pattern.widest ? gap : pattern.widest;
	}
	if (mixed || !ports) {
		pattern.ascending = false;
		pattern.descending = false;
		pattern.widest = 0;
	}
	pattern.silent = pattern.ascending || pattern.descending;
	for (unsigned int i = 1; i < sequence->len && pattern.silent; i++)
		pattern.silent = gap_is_silent(survey, knock[i].proto, knock[i - 1].number,
					       knock[i].number);
	return pattern;
}

/* The chance that a scan opens a sequence, in words. */
struct chance {
	char text[48];
	bool good; /* for the scan */
};

/* That of three knocks with a thousand strays around them is smaller. */
enum { CHANCE_SMALL = 1000000 };

/*
 * A scan in random order sends each of N packets once. Strays clear, so all n knocks must follow
 * each other in their order: one of N (N-1) … (N-n+2) ways. Packets to protected ports are no
 * strays, and do not count.
 */
static struct chance sequence_chance(const struct survey *survey,
				     const struct conf_sequence *sequence)
{
	static const uint64_t packets[] = { 65535, 65535, 256 }; /* by protocol */
	bool used[3] = { false, false, false };
	struct chance chance;
	uint64_t n = 0, ways = 1;

	for (unsigned int i = 0; i < sequence->len; i++)
		used[sequence->knock[i].proto] = true;
	for (int proto = 0; proto < 3; proto++)
		n += used[proto] ? packets[proto] - survey->silent[proto] : 0;
	n = n < sequence->len ? sequence->len : n;
	for (unsigned int i = 0; i + 1 < sequence->len; i++) {
		if (i >= n || __builtin_mul_overflow(ways, n - i, &ways)) {
			ways = 0;
			break;
		}
	}
	if (ways == 0)
		snprintf(chance.text, sizeof(chance.text), "less than 1 in 10^19");
	else
		snprintf(chance.text, sizeof(chance.text), "1 in %ju", (uintmax_t)ways);
	chance.good = ways && ways < CHANCE_SMALL;
	return chance;
}

static void sequence_check(struct survey *survey, const struct conf_door *door)
{
	const struct conf_sequence *sequence = &door->sequence;
	struct chance chance = sequence_chance(survey, sequence);
	struct pattern pattern;

	if (sequence->len == 0)
		return;
	if (sequence->len == 1) {
		warning_add(survey, sequence->line,
			    "door '%s' opens at a single knock, so every full scan opens it "
			    "(chance 1 in 1); use three knocks or more", door->name);
		return;
	}
	pattern = sequence_pattern(survey, sequence);
	if (pattern.same)
		warning_add(survey, sequence->line,
			    "door '%s' has one knock %u times, so a scan that tries a port again "
			    "may open it; use different ones", door->name, sequence->len);
	else if (pattern.silent)
		warning_add(survey, sequence->line,
			    "door '%s' knocks at ports that follow each other, so a scan in %s "
			    "order opens it for certain (in random order: %s); mix them",
			    door->name, pattern.ascending ? "ascending" : "descending",
			    chance.text);
	else if (pattern.ascending)
		warning_add(survey, sequence->line,
			    "door '%s' knocks at ascending ports, as scans do; only strays between "
			    "them keep it closed (in random order: %s); mix them",
			    door->name, chance.text);
	if (pattern.widest > 0 && pattern.widest <= NEAR_PORTS && !pattern.silent)
		warning_add(survey, sequence->line,
			    "door '%s' knocks at ports no more than %u apart, which are easily "
			    "guessed; spread them", door->name, pattern.widest);
	if (sequence->len < 3 && !pattern.same)
		warning_add(survey, sequence->line,
			    "door '%s' has only %u knocks; a full scan in random order opens it "
			    "with a chance of %s; use three or more", door->name, sequence->len,
			    chance.text);
	else if (chance.good && !pattern.same)
		warning_add(survey, sequence->line,
			    "door '%s' is opened by a full scan in random order with a chance of "
			    "%s, because so many ports are protected, and those clear no knocks; "
			    "use more knocks", door->name, chance.text);
}

/* One knock must not both open and close. That they are equal is an error and found before. */
static void close_check(struct survey *survey, const struct conf_door *door)
{
	const struct conf_sequence *open = &door->sequence, *close = &door->close_sequence;

	if (close->len == 0 || open->len == 0)
		return;
	if (conf_sequence_ends_with(open, close))
		warning_add(survey, close->line,
			    "Close_Sequence of door '%s' is the end of its Sequence; the knock "
			    "that opens the door closes it", door->name);
	else if (conf_sequence_ends_with(close, open))
		warning_add(survey, close->line,
			    "Sequence of door '%s' is the end of its Close_Sequence; the knock "
			    "that closes the door opens it", door->name);
}

/* ---- doors that open on the way to others ---- */

static int knock_compare(const struct conf_knock *a, const struct conf_knock *b)
{
	if (a->proto != b->proto)
		return a->proto < b->proto ? -1 : 1;
	return (int)a->number - (int)b->number;
}

static int sequence_compare(const struct conf_sequence *a, const struct conf_sequence *b)
{
	for (unsigned int i = 0; i < a->len && i < b->len; i++) {
		int order = knock_compare(&a->knock[i], &b->knock[i]);

		if (order)
			return order;
	}
	return (int)a->len - (int)b->len;
}

/* Doors by sequence, so that a prefix stands before all it is a prefix of; then by line. */
static int door_compare(const void *a, const void *b)
{
	const struct conf_door *x = *(const struct conf_door *const *)a;
	const struct conf_door *y = *(const struct conf_door *const *)b;
	int order = sequence_compare(&x->sequence, &y->sequence);

	if (order)
		return order;
	return x->line < y->line ? -1 : x->line > y->line;
}

static bool sequence_starts_with(const struct conf_sequence *sequence,
				 const struct conf_sequence *head)
{
	if (head->len > sequence->len)
		return false;
	for (unsigned int i = 0; i < head->len; i++)
		if (!conf_knock_equal(&sequence->knock[i], &head->knock[i]))
			return false;
	return true;
}

/* Whether the knocks of @head are knocks of the stream that @door listens to. */
static bool streams_meet(const struct conf_door *head, const struct conf_door *door)
{
	for (unsigned int i = 0; i < head->sequence.len; i++)
		if (head->sequence.knock[i].proto == CONF_TCP)
			return conf_flags_equal(&head->flags, &door->flags);
	return true;
}

static void prefix_report(struct survey *survey, const struct conf_door *head,
			  const struct conf_door *door)
{
	if (head->sequence.len == door->sequence.len)
		warning_add(survey, door->sequence.line,
			    "door '%s' has the sequence of door '%s' on line %u; both open at once",
			    door->name, head->name, head->line);
	else
		warning_add(survey, door->sequence.line,
			    "the sequence of door '%s' begins with that of door '%s' on line %u, "
			    "which opens on the way", door->name, head->name, head->line);
}

/* For each door name the nearest other one that opens on the way to it. */
static void prefixes_check(struct survey *survey)
{
	const struct conf *conf = survey->conf;
	const struct conf_door **sorted = calloc(conf->door_count, 2 * sizeof(*sorted));
	const struct conf_door **heads = sorted + conf->door_count;
	size_t sorted_count = 0, head_count = 0;

	if (!sorted)
		return;
	for (size_t i = 0; i < conf->door_count; i++)
		if (conf->door[i].sequence.len > 0)
			sorted[sorted_count++] = &conf->door[i];
	qsort(sorted, sorted_count, sizeof(*sorted), door_compare);
	/* The heads are all doors before this one that its sequence begins with, shortest first. */
	for (size_t i = 0; i < sorted_count; i++) {
		const struct conf_door *door = sorted[i];

		while (head_count > 0 && !sequence_starts_with(&door->sequence,
							       &heads[head_count - 1]->sequence))
			head_count--;
		for (size_t h = head_count; h-- > 0;) {
			if (streams_meet(heads[h], door)) {
				prefix_report(survey, heads[h], door);
				break;
			}
		}
		heads[head_count++] = door;
	}
	free(sorted);
}

/* ---- ports that the host uses in other ways ---- */

/* Whether the host may take @port for a connection of its own. */
static bool port_is_ephemeral(const struct host_facts *facts, uint16_t port)
{
	return facts->local_range_known && port >= facts->local_first &&
	       port <= facts->local_last && !port_set_has(&facts->local_reserved, port);
}

/* The knocks are a secret: name their places. */
static void knocks_check(struct survey *survey, const struct conf_door *door,
			 const struct conf_sequence *sequence, const char *key)
{
	for (unsigned int i = 0; i < sequence->len; i++) {
		const struct conf_knock *knock = &sequence->knock[i];

		if (knock->proto == CONF_ICMP || !port_is_ephemeral(survey->facts, knock->number))
			continue;
		warning_add(survey, sequence->line,
			    "knock %u in %s of door '%s' is in ip_local_port_range (%u-%u), which "
			    "this host uses for its own connections; take another or reserve it in "
			    "net.ipv4.ip_local_reserved_ports", i + 1, key, door->name,
			    survey->facts->local_first, survey->facts->local_last);
	}
}

/* "22:tcp" or "60000-61000:udp" */
struct range_text {
	char text[24];
};

static struct range_text range_describe(enum conf_proto proto, unsigned int first,
					unsigned int last)
{
	struct range_text range;

	if (first == last)
		snprintf(range.text, sizeof(range.text), "%u:%s", first, conf_proto_names[proto]);
	else
		snprintf(range.text, sizeof(range.text), "%u-%u:%s", first, last,
			 conf_proto_names[proto]);
	return range;
}

static void range_check(struct survey *survey, const struct conf_door *door,
			const struct conf_range *range)
{
	struct range_text text = range_describe(range->proto, range->first, range->last);
	const struct host_facts *facts = survey->facts;
	const struct port_set *served = port_set_served(facts, range->proto);
	unsigned int first = 0, last = 0;
	bool any_served = false;

	for (unsigned int port = range->first; port <= range->last; port++) {
		any_served |= port_set_has(served, (uint16_t)port);
		if (!port_is_ephemeral(facts, (uint16_t)port))
			continue;
		first = first ? first : port;
		last = port;
	}
	if (first)
		warning_add(survey, range->line,
			    "door '%s' protects %s in ip_local_port_range (%u-%u), which this host "
			    "uses for its own connections; reserve them in "
			    "net.ipv4.ip_local_reserved_ports", door->name,
			    range_describe(range->proto, first, last).text, facts->local_first,
			    facts->local_last);
	if (facts->ports_known && !any_served)
		warning_add(survey, range->line,
			    "door '%s' protects %s, where nothing listens on this host; if it is "
			    "translated elsewhere (to a container, say), sessions that are up now "
			    "cannot be seen and will be cut", door->name, text.text);
	if (range->proto == CONF_UDP)
		warning_add(survey, range->line,
			    "door '%s' protects %s; UDP has no sessions that the kernel could "
			    "show, so those that are up when knockd starts will be cut", door->name,
			    text.text);
}

/* ---- the rest ---- */

static void trust_check(struct survey *survey, const struct conf_prefixes *trust)
{
	for (size_t i = 0; i < trust->count; i++)
		if (trust->at[i].length == 0)
			warning_add(survey, trust->at[i].line,
				    "Trust of a prefix of length 0 trusts every %s source; nothing "
				    "is closed to them",
				    trust->at[i].family == AF_INET ? "IPv4" : "IPv6");
}

static void door_check(struct survey *survey, const struct conf_door *door)
{
	sequence_check(survey, door);
	close_check(survey, door);
	knocks_check(survey, door, &door->sequence, "Sequence");
	knocks_check(survey, door, &door->close_sequence, "Close_Sequence");
	trust_check(survey, &door->trust);
	if (door->open.count == 0)
		warning_add(survey, door->line, "door '%s' opens nothing; add 'Open = PORT'",
			    door->name);
	for (size_t i = 0; i < door->open.count; i++)
		range_check(survey, door, &door->open.at[i]);
	if (door->open_time_s == 0 && door->close_sequence.len > 0)
		warning_add(survey, door->open_time_line,
			    "with Open_Time 0 door '%s' stays open until its Close_Sequence",
			    door->name);
	else if (door->open_time_s == 0)
		warning_add(survey, door->open_time_line,
			    "with Open_Time 0 and no Close_Sequence door '%s' stays open for good",
			    door->name);
}

void check_conf(const struct conf *conf, const struct host_facts *facts,
		struct messages *messages)
{
	struct survey survey = { .conf = conf, .facts = facts, .messages = messages };

	if (facts->mode_known && facts->mode & 077)
		warning_add(&survey, 0,
			    "others than its owner have access (mode %04o), and it holds secrets; "
			    "use 'chmod 600'", facts->mode);
	for (size_t i = 0; i < conf->door_count; i++)
		door_survey(&survey, &conf->door[i]);
	for (int proto = CONF_TCP; proto <= CONF_UDP; proto++)
		for (unsigned int port = 1; port <= UINT16_MAX; port++)
			survey.silent[proto] += port_set_has(&survey.protected[proto], port) &&
						!port_set_has(&survey.knock[proto], port);
	trust_check(&survey, &conf->trust);
	for (size_t i = 0; i < conf->door_count; i++)
		door_check(&survey, &conf->door[i]);
	if (conf->door_count > 1)
		prefixes_check(&survey);
}

/* ---- facts about the host ---- */

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
