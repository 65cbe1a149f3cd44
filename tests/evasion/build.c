// SPDX-License-Identifier: GPL-2.0-or-later
/* A recipe → packets: transport headers, chains of extension headers, IP headers. */
#include "recipe.h"

#include <string.h>

#include <netinet/in.h>

void put16(uint8_t *at, unsigned int value)
{
	at[0] = value >> 8;
	at[1] = value;
}

void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

uint32_t sum(const uint8_t *at, size_t len, uint32_t total)
{
	for (; len > 1; at += 2, len -= 2)
		total += at[0] << 8 | at[1];
	return len ? total + (at[0] << 8) : total;
}

unsigned int sum_fold(uint32_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return ~total & 0xffff;
}

unsigned int address_len(int family)
{
	return family == 4 ? 4 : 16;
}

unsigned int transport_sum(int family, const uint8_t *source, const uint8_t *destination,
			   unsigned int protocol, const uint8_t *at, size_t len)
{
	uint32_t total = protocol + len;

	total = sum(source, address_len(family), total);
	total = sum(destination, address_len(family), total);
	return sum_fold(sum(at, len, total));
}

static const uint8_t *final_address(const struct recipe *r)
{
	return r->routed ? r->final : r->destination;
}

/* The payload says whose it is. */
static void payload_put(const struct recipe *r, uint8_t *at)
{
	uint8_t mark[8] = { 'k', 'n', 'o', 'c' };

	put32(mark + 4, r->index);
	for (unsigned int i = 0; i < r->payload; i++)
		at[i] = mark[i % sizeof(mark)];
}

static size_t tcp_put(const struct recipe *r, uint8_t *at)
{
	size_t header = 20 + r->tcp_options_len;
	int offset = r->data_offset == AS_IT_IS ? (int)header / 4 : r->data_offset;
	unsigned int check;

	memset(at, 0, header);
	put16(at, r->sport);
	put16(at + 2, r->dport);
	put32(at + 4, r->seq);
	put32(at + 8, r->ack);
	at[12] = offset << 4 | r->reserved;
	at[13] = r->flags;
	put16(at + 14, r->window);
	put16(at + 18, r->urgent);
	memcpy(at + 20, r->tcp_options, r->tcp_options_len);
	payload_put(r, at + header);
	check = transport_sum(r->family, r->source, final_address(r), IPPROTO_TCP, at,
			      header + r->payload);
	put16(at + 16, check ^ (r->bad_sum ? 0x5555 : 0));
	return header + r->payload;
}

/* Linux sums what the UDP header says to be there. */
static size_t udp_put(const struct recipe *r, uint8_t *at)
{
	size_t len = 8 + r->payload;
	unsigned int stated = r->udp_length == AS_IT_IS ? (int)len : r->udp_length, check;

	put16(at, r->sport);
	put16(at + 2, r->dport);
	put16(at + 4, stated);
	put16(at + 6, 0);
	payload_put(r, at + 8);
	check = transport_sum(r->family, r->source, final_address(r), IPPROTO_UDP, at,
			      stated >= 8 && stated < len ? stated : len);
	if (!check)
		check = 0xffff;
	put16(at + 6, r->no_sum ? 0 : check ^ (r->bad_sum ? 0x5555 : 0));
	return len;
}

size_t chain_put(const struct recipe *r, unsigned int from, unsigned int to, uint8_t type,
		 uint8_t *at)
{
	size_t len = 0;

	for (unsigned int i = from; i < to; i++) {
		const struct extension *e = &r->extension[i];

		memcpy(at + len, r->extension_bytes + e->at, e->len);
		at[len] = i + 1 < to ? r->extension[i + 1].type : type;
		len += e->len;
	}
	return len;
}

uint8_t chain_type(const struct recipe *r, unsigned int from, unsigned int to, uint8_t type)
{
	return from < to ? r->extension[from].type : type;
}

size_t ip_put(const struct recipe *r, uint8_t *at, unsigned int protocol, unsigned int place,
	      size_t len)
{
	size_t header = r->family == 4 ? 20 + r->options_len : 40;
	unsigned int length = r->family == 4 ? header + len : len;
	int version = r->version == AS_IT_IS ? r->family : r->version;

	length = r->length == AS_IT_IS ? length + r->length_change : (unsigned int)r->length;
	if (r->protocol != AS_IT_IS)
		protocol = r->protocol;
	memset(at, 0, header);
	if (r->family == 6) {
		put32(at, (uint32_t)version << 28 | r->tos << 20 | r->label);
		put16(at + 4, length);
		at[6] = protocol;
		at[7] = r->ttl;
		memcpy(at + 8, r->source, 16);
		memcpy(at + 24, r->destination, 16);
		return header;
	}
	at[0] = version << 4 | (r->header_len == AS_IT_IS ? (int)header / 4 : r->header_len);
	at[1] = r->tos;
	put16(at + 2, length);
	put16(at + 4, r->index);
	put16(at + 6, place | r->fragment_bits);
	at[8] = r->ttl;
	at[9] = protocol;
	memcpy(at + 12, r->source, 4);
	memcpy(at + 16, r->destination, 4);
	memcpy(at + 20, r->options, r->options_len);
	put16(at + 10, sum_fold(sum(at, header, 0)) ^ (r->bad_ip_sum ? 0x5555 : 0));
	return header;
}

size_t packet_plain(const struct recipe *r, int family, const char *source,
		    const char *destination, uint8_t *at)
{
	static struct recipe plain;
	size_t header, len;

	memset(&plain, 0, sizeof(plain));
	plain.index = r->index;
	plain.family = family;
	plain.udp = r->udp;
	plain.version = plain.header_len = plain.length = plain.protocol = AS_IT_IS;
	plain.data_offset = plain.udp_length = AS_IT_IS;
	plain.ttl = 64;
	plain.sport = r->sport;
	plain.dport = r->dport;
	plain.seq = r->seq;
	plain.flags = 0x02;
	plain.payload = 16;
	address_put(plain.source, family, source);
	address_put(plain.destination, family, destination);
	header = family == 4 ? 20 : 40;
	len = r->udp ? udp_put(&plain, at + header) : tcp_put(&plain, at + header);
	ip_put(&plain, at, r->udp ? IPPROTO_UDP : IPPROTO_TCP, 0, len);
	return header + len;
}

size_t transport_put(const struct recipe *r, uint8_t *at, uint8_t *type)
{
	if (r->inner_len) {
		*type = r->inner_type;
		memcpy(at, r->inner, r->inner_len);
		return r->inner_len;
	}
	*type = r->udp ? IPPROTO_UDP : IPPROTO_TCP;
	return r->udp ? udp_put(r, at) : tcp_put(r, at);
}
