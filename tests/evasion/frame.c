// SPDX-License-Identifier: GPL-2.0-or-later
/* A recipe → frames: how its packet is cut into fragments, framed, and spoilt. */
#include "recipe.h"

#include <string.h>

#include <linux/if_ether.h>
#include <netinet/in.h>

enum { VXLAN_OUTER = 14 + 20 + 8 + 8, VXLAN_PORT = 4789, VXLAN_NUMBER = 42 };

static size_t framing_put(const struct recipe *r, const struct approach *approach, uint8_t *at,
			  size_t packet)
{
	unsigned int ethertype = r->ethertype != AS_IT_IS ? (unsigned int)r->ethertype :
				 r->family == 4 ? ETH_P_IP : ETH_P_IPV6;
	size_t len = 12;

	memcpy(at, r->mac, 6);
	memcpy(at + 6, r->source_mac, 6);
	if (approach->vid) {
		put16(at + len, ETH_P_8021Q);
		put16(at + len + 2, approach->vid);
		len += 4;
	}
	for (unsigned int i = 0; i < r->tags; i++, len += 4) {
		put16(at + len, r->tag[i].tpid);
		put16(at + len + 2, r->tag[i].tci);
	}
	if (r->framing == FRAMING_SNAP) {
		static const uint8_t snap[6] = { 0xaa, 0xaa, 3 };

		put16(at + len, packet + 8);
		memcpy(at + len + 2, snap, sizeof(snap));
		len += 8;
	} else if (r->framing == FRAMING_LLC) {
		static const uint8_t llc[3] = { 6, 6, 3 };

		put16(at + len, packet + 3);
		memcpy(at + len + 2, llc, sizeof(llc));
		return len + 5;
	}
	put16(at + len, r->framing == FRAMING_RAW ? packet : ethertype);
	return len + 2;
}

static const uint8_t odd_words[][2] = {
	{ 0, 0 }, { 0xff, 0xff }, { 0x80, 0 }, { 0, 1 }, { 0x7f, 0xff }, { 0x40, 0 }, { 0, 0x29 },
	{ 0x2c, 0 }, { 0x3c, 0 }, { 0x2b, 0 }, { 0, 0x08 }, { 0x11, 0 }, { 6, 0 }, { 0x3a, 0xff },
};

/*
 * Change bits and words of the headers; the packet begins at @ip, its transport at @transport. Its
 * source and the ports stay: they tell whose an answer is, and what it betrays.
 */
static void frame_spoil(struct recipe *r, uint8_t *at, size_t ip, size_t transport, size_t len)
{
	size_t end = transport + 24 < len ? transport + 24 : len, header;
	size_t source = ip + (r->family == 4 ? 12 : 8), source_len = address_len(r->family);
	uint8_t kept[16], ports[4];

	if (source + source_len > len || transport + 4 > len)
		return;
	memcpy(kept, at + source, source_len);
	memcpy(ports, at + transport, 4);
	for (unsigned int i = 0; i < r->flips; i++) {
		size_t bit = 12 * 8 + roll(&r->late, (end - 12) * 8);

		at[bit / 8] ^= 1 << bit % 8;
	}
	for (unsigned int i = 0; i < r->words && end > ip + 1; i++) {
		size_t place = ip + roll(&r->late, end - ip - 1);

		memcpy(at + place, odd_words[roll(&r->late, sizeof(odd_words) / 2)], 2);
	}
	memcpy(at + source, kept, source_len);
	memcpy(at + transport, ports, 4);
	if (!r->mended || len < ip + 20)
		return;
	header = r->family == 4 ? (at[ip] & 15) * 4 : 0;
	if (header >= 20 && ip + header <= len) {
		put16(at + ip + 10, 0);
		put16(at + ip + 10, sum_fold(sum(at + ip, header, 0)));
	}
	if (transport + 20 <= len && !r->fragmenting && !r->inner_len) {
		const uint8_t *a = at + ip + (r->family == 4 ? 12 : 8);
		uint8_t *check = at + transport + (r->udp ? 6 : 16);

		put16(check, 0);
		put16(check, transport_sum(r->family, a, a + address_len(r->family),
					   r->udp ? IPPROTO_UDP : IPPROTO_TCP, at + transport,
					   len - transport));
	}
}

/* In front of @len bytes of frame, what makes them a VXLAN packet of another host on the wire. */
static void vxlan_put(const struct recipe *r, const struct approach *approach, uint8_t *at,
		      size_t len)
{
	uint8_t *ip = at + 14, *udp = ip + 20, *vxlan = udp + 8;

	memset(at, 0, VXLAN_OUTER);
	memcpy(at, approach->mac, 6);
	memcpy(at + 6, r->source_mac, 6);
	put16(at + 12, ETH_P_IP);
	ip[0] = 0x45;
	put16(ip + 2, VXLAN_OUTER - 14 + len);
	ip[8] = 64;
	ip[9] = IPPROTO_UDP;
	address_put(ip + 12, 4, "192.0.2.2");
	address_put(ip + 16, 4, "192.0.2.1");
	put16(ip + 10, sum_fold(sum(ip, 20, 0)));
	put16(udp, 40000);
	put16(udp + 2, VXLAN_PORT);
	put16(udp + 4, 16 + len);
	vxlan[0] = 8;
	vxlan[6] = VXLAN_NUMBER;
}

/* One frame around the packet, whose transport header is at @transport. */
static void frame_emit(struct recipe *r, const struct approach *approach, struct evasion_case *c,
		       const uint8_t *packet, size_t packet_len, size_t transport)
{
	size_t wrapper = approach->vxlan ? VXLAN_OUTER : 0, room = FRAME_MAX - wrapper, len, ip;
	uint8_t *at = c->bytes + c->used + wrapper;

	if (c->count == CASE_FRAMES_MAX || c->used + 2 * FRAME_MAX > CASE_BYTES_MAX)
		return;
	ip = framing_put(r, approach, at, packet_len);
	if (packet_len > room - ip)
		packet_len = room - ip;
	memcpy(at + ip, packet, packet_len);
	len = ip + packet_len;
	for (unsigned int i = 0; i < r->pad && len < room; i++)
		at[len++] = 0x16;
	len -= (size_t)r->cut < len - ip ? (size_t)r->cut : len - ip;
	if (r->flips || r->words)
		frame_spoil(r, at, ip, ip + transport, len);
	if (wrapper)
		vxlan_put(r, approach, at - wrapper, len);
	if (!c->count)
		c->packet = wrapper + ip;
	c->frame[c->count].at = c->used;
	c->frame[c->count++].len = wrapper + len;
	c->used += wrapper + len;
}

struct piece {
	unsigned int at, len, offset; /* what of the data, and where it says it belongs */
	bool more;
};

struct train {
	struct piece piece[PIECES_MAX];
	unsigned int count;
};

static void piece_add(struct train *t, unsigned int at, unsigned int len, unsigned int offset,
		      bool more)
{
	if (t->count < PIECES_MAX)
		t->piece[t->count++] = (struct piece){ at, len, offset, more };
}

/* Cut @len bytes into pieces of multiples of eight bytes, the first of at least @least. */
static void train_cut(struct train *t, struct rng *g, unsigned int len, unsigned int least)
{
	unsigned int most = pick(g, 8, 16, 24, 64, 256), at = 0, piece;

	while (most > 8 && most > len / 2)
		most /= 2;
	/* Nobody waits for hundreds of pieces. */
	while (len / most > PIECES_MAX / 4)
		most *= 2;
	if (least >= len)
		least = 8;
	for (; at < len; at += piece) {
		piece = 8 + 8 * roll(g, most / 8);
		if (!at && piece < least)
			piece = least;
		if (at + piece >= len)
			piece = len - at;
		piece_add(t, at, piece, at, at + piece < len);
	}
}

static void train_shuffle(struct train *t, struct rng *g)
{
	for (unsigned int i = t->count; i > 1; i--) {
		unsigned int other = roll(g, i);
		struct piece p = t->piece[i - 1];

		t->piece[i - 1] = t->piece[other];
		t->piece[other] = p;
	}
}

static struct piece *train_any(struct train *t, struct rng *g)
{
	return &t->piece[roll(g, t->count)];
}

/* What makes a train that nobody sends. */
static void train_spoil(struct train *t, struct rng *g, unsigned int len)
{
	struct piece *p = train_any(t, g);

	switch (roll(g, 7)) {
	case 0:
		p->len -= p->len > 1 ? roll(g, p->len) : 0; /* not a multiple of eight */
		break;
	case 1:
		p->offset = 65528 - 8 * roll(g, 4);
		break;
	case 2:
		p->more = !p->more;
		break;
	case 3:
		p->len = 0;
		break;
	case 4:
		p->offset += 8 * roll(g, 3);
		break;
	case 5:
		piece_add(t, len > 8 ? len - 8 : 0, 8, len & ~7U, true); /* beyond the end */
		break;
	default:
		for (unsigned int i = 0; i < t->count; i++)
			t->piece[i].more = true;
	}
}

static void train_make(struct train *t, struct recipe *r, unsigned int len)
{
	struct rng *g = &r->late;
	unsigned int whole = r->udp ? 8 : 20 + r->tcp_options_len, copies;

	t->count = 0;
	if (r->fragmenting == FRAGMENT_ATOMIC) {
		piece_add(t, 0, len, 0, false);
		return;
	}
	train_cut(t, g, len, r->fragmenting == FRAGMENT_TINY ? 8 : (whole + 7) & ~7U);
	copies = 1 + roll(g, 3);
	for (unsigned int i = 0; i < copies; i++) {
		struct piece p = *train_any(t, g);

		if (r->fragmenting == FRAGMENT_OVERLAP) {
			unsigned int more = 8 * (1 + roll(g, 3));

			if (p.offset > more && roll(g, 2))
				p.offset -= more;
			p.at = p.offset;
			p.len = p.at + p.len + more <= len ? p.len + more : p.len;
			piece_add(t, p.at, p.len, p.offset, p.at + p.len < len);
		} else if (r->fragmenting == FRAGMENT_REPEAT) {
			piece_add(t, p.at, p.len, p.offset, p.more);
		} else if (r->fragmenting == FRAGMENT_ODD) {
			train_spoil(t, g, len);
		}
	}
	if (roll(g, 3))
		train_shuffle(t, g);
	if (r->fragmenting == FRAGMENT_HOLE)
		t->count--;
}

static void pieces_emit(struct recipe *r, const struct approach *approach, struct evasion_case *c,
			const uint8_t *data, size_t len, uint8_t type)
{
	static uint8_t packet[65536];
	static struct train t;
	unsigned int before = r->before_fragment < r->extensions ? r->before_fragment :
								   r->extensions;
	size_t header = r->family == 4 ? 20 + r->options_len : 40;

	train_make(&t, r, len);
	for (unsigned int i = 0; i < t.count; i++) {
		const struct piece *p = &t.piece[i];
		uint8_t *at = packet + header, first = type;

		if (r->family == 6) {
			first = chain_type(r, 0, before, IPPROTO_FRAGMENT);
			at += chain_put(r, 0, before, IPPROTO_FRAGMENT, at);
			at[0] = type;
			at[1] = 0;
			put16(at + 2, (p->offset & 0xfff8) | p->more);
			put32(at + 4, r->index * 2654435761U);
			at += 8;
		}
		memcpy(at, data + p->at, p->len);
		at += p->len;
		ip_put(r, packet, first, (p->offset / 8 & 0x1fff) | (p->more ? 0x2000 : 0),
		       at - packet - header);
		frame_emit(r, approach, c, packet, at - packet, at - packet - p->len);
	}
}

void recipe_build(struct recipe *r, const struct approach *approach, struct evasion_case *c)
{
	static uint8_t packet[65536], data[65536];
	unsigned int before = r->fragmenting && r->before_fragment < r->extensions ?
			      r->before_fragment : 0;
	size_t header = r->family == 4 ? 20 + r->options_len : 40, len, transport;
	uint8_t type;

	len = transport_put(r, data, &type);
	transport = chain_put(r, before, r->extensions, type, packet);
	memmove(packet + transport, data, len);
	len += transport;
	type = chain_type(r, before, r->extensions, type);
	if (r->fragmenting && (r->family == 6 || r->fragmenting != FRAGMENT_ATOMIC)) {
		memcpy(data, packet, len);
		pieces_emit(r, approach, c, data, len, type);
		return;
	}
	memmove(packet + header, packet, len);
	ip_put(r, packet, type, 0, len);
	frame_emit(r, approach, c, packet, header + len, header + transport);
}
