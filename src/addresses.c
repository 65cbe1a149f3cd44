// SPDX-License-Identifier: GPL-2.0-or-later
#include "directive.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lex.h"
#include "number.h"

/* Clear the host bits of @prefix. Returns whether there were any. */
static bool host_bits_clear(struct conf_prefix *prefix)
{
	unsigned int bytes = prefix->family == AF_INET ? 4 : 16;
	bool any = false;

	for (unsigned int i = 0; i < bytes; i++) {
		unsigned int left = prefix->length > 8 * i ? prefix->length - 8 * i : 0;
		uint8_t mask = left >= 8 ? 0xff : (uint8_t)(0xff00 >> left);

		any |= (prefix->address[i] & ~mask) != 0;
		prefix->address[i] &= mask;
	}
	return any;
}

static bool prefix_parse(struct parser *p, char *text, struct conf_prefix *prefix)
{
	char *slash = strchr(text, '/');
	char cut[INET6_ADDRSTRLEN];
	unsigned int most;
	uint64_t length;

	*prefix = (struct conf_prefix){ .line = p->line };
	if (slash)
		*slash = '\0';
	if (inet_pton(AF_INET, text, prefix->address) == 1)
		prefix->family = AF_INET;
	else if (inet_pton(AF_INET6, text, prefix->address) == 1)
		prefix->family = AF_INET6;
	else {
		error_add(p, "%s '%s' is not an address (such as 192.0.2.1 or 2001:db8::/32)",
			  p->key, text);
		return false;
	}
	most = prefix->family == AF_INET ? 32 : 128;
	length = most;
	if (slash && number_parse(slash + 1, 0, most, &length) != 0) {
		error_add(p, "prefix length '%s' is not a number (0-%u)", slash + 1, most);
		return false;
	}
	prefix->length = (unsigned int)length;
	if (host_bits_clear(prefix)) {
		inet_ntop(prefix->family, prefix->address, cut, sizeof(cut));
		error_add(p, "'%s/%u' has bits set behind its prefix; use %s/%u or %s/%u", text,
			  prefix->length, cut, prefix->length, text, most);
		return false;
	}
	return true;
}

int prefixes_set(struct parser *p, const struct directive *directive, char *value)
{
	struct conf_prefixes *prefixes = setting_at(p, directive);
	struct conf_prefixes new = { NULL, 0 };
	size_t room = 1;
	bool good = true;
	char *entry;

	for (const char *c = value; *c; c++)
		room += *c == ',';
	new.at = calloc(room, sizeof(*new.at));
	if (!new.at)
		return -ENOMEM;
	while ((entry = list_next(&value))) {
		good &= prefix_parse(p, entry, &new.at[new.count]);
		new.count++;
	}
	if (!good) {
		free(new.at);
		return 0;
	}
	free(prefixes->at);
	*prefixes = new;
	return 0;
}

/* 0.8 compares texts, so only one way to write an address works there; here all do. */
int target_set(struct parser *p, const struct directive *directive, char *value)
{
	struct conf_target *target = setting_at(p, directive);
	struct conf_target new = { .line = p->line };

	if (inet_pton(AF_INET, value, new.address) == 1)
		new.family = AF_INET;
	else if (inet_pton(AF_INET6, value, new.address) == 1)
		new.family = AF_INET6;
	if (new.family)
		*target = new;
	else
		error_add(p, "%s '%s' is not an address (such as 192.0.2.1 or 2001:db8::1)",
			  p->key, value);
	return 0;
}
