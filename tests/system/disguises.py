# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways to bring a TCP SYN or a UDP datagram to a port of a host, dressed up.

disguises(path, tcp_port, udp_port, first_ident) gives (name, source port, frames, mark). The mark
is ODD for what no honest sender makes and knockd drops even with a grant: first fragments that do
not hold the whole transport header, more than TAGS_MAX tags. It is LONG for headers that the outer
door does not read to their end: the inner door judges, and its refusal is the kernel's answer.
"""

import itertools
import struct

from wire import (ACK, AH, CLIENT_MAC, DESTINATION, ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP,
                  ETH_P_IPV6, FIN, FRAGMENT, HOP_BY_HOP, ROUTING, SERVER_MAC, SYN, TCP, UDP, Path)

TAGS_MAX = 32
HEADERS_MAX = 192
LINEAR_MAX = 1500
PLAIN, ODD, LONG = "", "odd", "long"


def header(kind, size=8):
    """An extension header's body after its first byte, which names what follows it."""
    if kind == ROUTING:
        # Type 0, no segments left: Linux steps over it.
        return bytes([0, 0, 0]) + bytes(4)
    padding = size - 2
    body, left = bytes([size // 8 - 1]), padding
    while left:
        some = min(left, 257)
        if left - some == 1:
            some -= 1
        body += bytes([1, some - 2]) + bytes(some - 2) if some > 1 else b"\0"
        left -= some
    return body


def chain(path, kinds, protocol, data):
    """The IPv6 packet with these extension headers: kinds, or (kind, size)."""
    kinds = [kind if isinstance(kind, tuple) else (kind, 8) for kind in kinds]
    body = b""
    following = [kind for kind, _ in kinds[1:]] + [protocol]
    for (kind, size), after in zip(kinds, following):
        body += bytes([after]) + header(kind, size)
    return path.packet(kinds[0][0] if kinds else protocol, body + data)


def authenticated(path, protocol, data):
    """Behind an authentication header; whoever has no key for it drops it."""
    return path.packet(AH, bytes([protocol, 4, 0, 0]) + struct.pack("!II", 256, 1) + bytes(12) +
                       data)


def fragments(path, protocol, data, cuts, ident, **how):
    """Pieces of a segment, cut at these offsets, as packets, in order."""
    edges = [0, *cuts, len(data)]
    packets = []
    for start, end in zip(edges, edges[1:]):
        more = end < len(data)
        if path.family == 4:
            packets.append(path.packet(protocol, data[start:end], ident=ident & 0xFFFF,
                                       fragment=start // 8 | (0x2000 if more else 0), **how))
        else:
            piece = struct.pack("!BBHI", protocol, 0, start | more, ident) + data[start:end]
            packets.append(path.packet(FRAGMENT, piece, **how))
    return packets


def tag_stacks():
    for count in (*range(1, 21), 31, 32, 33, 40, 100):
        yield "%d tags 8100" % count, [(ETH_P_8021Q, 0)] * count
        yield "%d tags 88a8" % count, [(ETH_P_8021AD, 0)] * count
        yield "%d mixed tags" % count, [((ETH_P_8021Q, ETH_P_8021AD)[i % 2], 0)
                                        for i in range(count)]
        yield "%d tags with priorities" % count, [((ETH_P_8021AD, ETH_P_8021Q)[i % 2],
                                                   (i % 8) << 13 | (i % 2) << 12)
                                                  for i in range(count)]


def dressings(path, protocol, make, sports, ident):
    """The ways to dress what make(source port) gives, a segment or datagram."""

    def plain(data):
        return path.packet(protocol, data)

    def dressed(name, build, mark=PLAIN):
        sport = next(sports)
        return name, sport, build(make(sport)), mark

    yield dressed("plain", lambda data: [path.frame(plain(data))])
    yield dressed("padded to 60 bytes", lambda data: [path.frame(plain(data)) + bytes(20)])
    for name, mac in (("broadcast", b"\xff" * 6), ("multicast", bytes.fromhex("01005e000001"))):
        yield dressed("to a %s MAC" % name, lambda data: [path.frame(plain(data), dst=mac)])
    yield dressed("ttl 1", lambda data: [path.frame(path.packet(protocol, data, ttl=1))])
    yield dressed("LLC/SNAP", lambda data: [snap(path, plain(data))])
    for name, tags in tag_stacks():
        yield dressed(name, lambda data: [path.frame(plain(data), tags)],
                      ODD if len(tags) > TAGS_MAX else PLAIN)
    yield dressed("a tag with a VID", lambda data: [path.frame(plain(data), [(ETH_P_8021Q, 5)])])
    yield dressed("AH", lambda data: [path.frame(authenticated(path, protocol, data))])

    if path.family == 4:
        for name, options in ipv4_options():
            for tags in ([], [(ETH_P_8021Q, 0)] * 3):
                yield dressed("%s, %d tags" % (name, len(tags)), lambda data: [path.frame(
                    path.packet(protocol, data, options=options), tags)])
        for name, bits in (("do not fragment", 0x4000), ("the reserved bit", 0x8000)):
            yield dressed(name, lambda data: [path.frame(path.packet(protocol, data,
                                                                     fragment=bits))])
    else:
        for name, kinds in ipv6_chains():
            long = len(kinds) >= HEADERS_MAX or len(chain(path, kinds, protocol, b"")) > LINEAR_MAX
            yield dressed(name, lambda data: [path.frame(chain(path, kinds, protocol, data))],
                          LONG if long else PLAIN)
        yield dressed("20 destination options and tags", lambda data: [path.frame(
            chain(path, [DESTINATION] * 20, protocol, data), [(ETH_P_8021Q, 0)] * 7)])

    numbers = itertools.count(ident)

    def cut(cuts, order, tags=(), **how):
        def build(data):
            pieces = fragments(path, protocol, data, cuts, next(numbers), **how)
            return [path.frame(pieces[i], tags) for i in order]
        return build

    # A TCP header without options has 20 bytes, so that the first fragment must have 24.
    whole = 24 if protocol == TCP else 8
    for cuts in ((8,), (16,), (24,), (32,), (24, 32), (32, 40), (8, 16), (24, 32, 40), (40, 48),
                 (8, 16, 24, 32, 40, 48, 56)):
        count = len(cuts) + 1
        orders = itertools.permutations(range(count))
        if count > 4:
            orders = [range(count), range(count)[::-1]]
        for order in orders:
            yield dressed("fragments at %s in order %s" % (list(cuts), list(order)),
                          cut(cuts, order), ODD if cuts[0] < whole else PLAIN)
    yield dressed("the first fragment twice", cut((24, 32), (0, 0, 1, 2)))
    yield dressed("tagged fragments", cut((24, 32), (0, 1, 2), [(ETH_P_8021AD, 0)] * 4))

    def overlapping(data):
        ident = next(numbers)
        return [path.frame(fragments(path, protocol, data, (24,), ident)[0]),
                path.frame(fragments(path, protocol, data, (16,), ident)[1])]

    # Linux drops the whole packet.
    yield dressed("overlapping fragments", overlapping, ODD)
    if path.family == 4:
        yield dressed("fragments with options", cut((24, 32), (0, 1, 2), options=b"\1" * 8))
        return

    def atomic(data):
        return [path.frame(path.packet(FRAGMENT, struct.pack("!BBHI", protocol, 0, 0,
                                                             next(numbers)) + data))]

    yield dressed("an atomic fragment", atomic)
    for count in (1, 5, 20):
        options = (bytes([DESTINATION]) + header(DESTINATION)) * (count - 1) + \
            bytes([protocol]) + header(DESTINATION)

        def optioned(data, cuts):
            return [path.frame(piece) for piece in
                    fragments(path, DESTINATION, options + data, cuts, next(numbers))]

        yield dressed("an atomic fragment of %d options" % count, lambda data: optioned(data, ()))
        yield dressed("fragments of %d options" % count,
                      lambda data: optioned(data, (count * 8 + 24,)))
        yield dressed("the segment in the second fragment, after %d options" % count,
                      lambda data: optioned(data, (count * 8,)), ODD)


def snap(path, packet):
    ethertype = ETH_P_IP if path.family == 4 else ETH_P_IPV6
    data = bytes.fromhex("aaaa03000000") + struct.pack("!H", ethertype) + packet
    return SERVER_MAC + CLIENT_MAC + struct.pack("!H", len(data)) + data


def ipv4_options():
    for count in (1, 4, 8, 20, 36, 40):
        yield "%d no-ops" % count, b"\1" * count
    yield "end of options", bytes(4)
    yield "end of options, then bytes", b"\0" + b"\xaa" * 7
    yield "record route", bytes([7, 39, 4]) + bytes(36)
    yield "timestamp", bytes([68, 40, 5, 0]) + bytes(36)
    yield "router alert", bytes([148, 4, 0, 0])
    yield "security", bytes([130, 11]) + bytes(9)
    yield "stream identifier", bytes([136, 4, 0, 1])
    yield "loose source route, used up", bytes([131, 7, 8, 192, 0, 2, 9])
    yield "strict source route, used up", bytes([137, 7, 8, 192, 0, 2, 9])
    yield "an unknown option", bytes([158, 4, 0, 0])


def ipv6_chains():
    for count in range(1, 151):
        yield "%d destination options" % count, [DESTINATION] * count
    for count in (191, 192, 193, 300, 400, 500, 600, 800, 1000, 1100):
        yield "%d destination options" % count, [DESTINATION] * count
    for count in (2, 3, 4):
        yield "%d long destination options" % count, [(DESTINATION, 2048)] * count
    for size in (16, 64, 256, 1024, 1384, 2048):
        yield "destination options of %d bytes" % size, [(DESTINATION, size)]
        yield "hop-by-hop options of %d bytes" % size, [(HOP_BY_HOP, size)]
    yield "hop-by-hop", [HOP_BY_HOP]
    yield "routing, no segments left", [ROUTING]
    for count in (2, 8, 9, 40, 100):
        yield "%d routing headers" % count, [ROUTING] * count
    yield "hop-by-hop, destination", [HOP_BY_HOP, DESTINATION]
    yield "hop-by-hop, routing, destination", [HOP_BY_HOP, ROUTING, DESTINATION]
    yield "hop-by-hop and 120 mixed", [HOP_BY_HOP] + [DESTINATION, ROUTING] * 60
    yield "hop-by-hop in the wrong place", [DESTINATION, HOP_BY_HOP]
    yield "two hop-by-hop", [HOP_BY_HOP, HOP_BY_HOP]


def disguises(path, tcp_port, udp_port, first_ident):
    """See the top. The datagrams carry their source port as text."""
    sports = itertools.count(2000)

    def syn(sport, flags=SYN, **how):
        return path.tcp(sport, tcp_port, flags, **how)

    for name, sport, frames, mark in dressings(
            path, TCP, lambda sport: syn(sport, payload=bytes(44)), sports, first_ident):
        yield "SYN, " + name, sport, frames, mark
    for flags in range(512):
        if flags & SYN:
            sport = next(sports)
            yield "TCP flags 0x%03x" % flags, sport, [path.tcp_frame(sport, tcp_port, flags)], PLAIN
    for name, options in (("fast open", bytes([34, 2])), ("no-op", b"\1" * 40),
                          ("timestamp", bytes([8, 10]) + bytes(8)),
                          ("MD5", bytes([19, 18]) + bytes(16))):
        sport = next(sports)
        yield ("SYN with TCP option " + name, sport,
               [path.tcp_frame(sport, tcp_port, options=options)], PLAIN)
    for flags in (SYN | FIN, SYN | ACK):
        sport = next(sports)
        packet = path.packet(TCP, syn(sport, flags))
        yield ("TCP flags 0x%03x, tagged" % flags, sport,
               [path.frame(packet, [(ETH_P_8021Q, 0)] * 5)], PLAIN)

    for name, sport, frames, mark in dressings(
            path, UDP, lambda sport: path.udp(sport, udp_port, payload=b"%05d" % sport + b"." * 56),
            sports, first_ident + 1000):
        yield "UDP, " + name, sport, frames, mark
    for sport in (53, 67, 68, 123, 546, 547, udp_port):
        yield ("UDP from port %d" % sport, sport,
               [path.udp_frame(sport, udp_port, payload=b"%05d" % sport)], PLAIN)
    sport = next(sports)
    yield ("UDP without a checksum", sport,
           [path.udp_frame(sport, udp_port, payload=b"%05d" % sport, no_checksum=True)], PLAIN)
    # The kernel delivers these without asking for a listening socket.
    for address in ("192.0.2.255", "255.255.255.255", "224.0.0.251", "ff02::1"):
        if (":" in address) == (path.family == 6):
            for name, frames in to_group(Path(path.family, path.src, address), udp_port, sports,
                                         first_ident + 2000):
                many = " tags" in name and int(name.split()[2]) > TAGS_MAX
                long = " options" in name and int(name.split()[2]) >= HEADERS_MAX
                yield (name + ", to " + address, int(name[4:9]), frames,
                       ODD if many or long else PLAIN)


def to_group(path, port, sports, ident):
    def datagram():
        sport = next(sports)
        return "UDP %05d" % sport, path.udp(sport, port, payload=b"%05d" % sport + b"." * 56)

    mac = group_mac(path)
    name, data = datagram()
    yield name, [path.frame(path.packet(UDP, data), dst=mac)]
    for count in (1, 2, 5, 20, 32, 33, 40, 100):
        name, data = datagram()
        yield ("%s, %d tags" % (name, count),
               [path.frame(path.packet(UDP, data), [(ETH_P_8021Q, 0)] * count, mac)])
    for cuts in ((8,), (16,), (24, 32)):
        name, data = datagram()
        pieces = fragments(path, UDP, data, cuts, ident + cuts[0])
        yield "%s, fragments" % name, [path.frame(piece, dst=mac) for piece in pieces[::-1]]
    if path.family == 4:
        for count in (4, 40):
            name, data = datagram()
            packet = path.packet(UDP, data, options=b"\1" * count)
            yield "%s, %d no-ops" % (name, count), [path.frame(packet, dst=mac)]
    else:
        for count in (1, 10, 100, 150, 192, 300, 600, 1000):
            name, data = datagram()
            packet = chain(path, [DESTINATION] * count, UDP, data)
            yield "%s, %d destination options" % (name, count), [path.frame(packet, dst=mac)]


def group_mac(path):
    if path.family == 6:
        return b"\x33\x33" + path.addresses[-4:]
    if path.dst.startswith("224."):
        return b"\x01\x00\x5e" + path.addresses[-3:]
    return b"\xff" * 6
