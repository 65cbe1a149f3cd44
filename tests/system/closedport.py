# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything that one may send to a closed port to see what it answers."""

from wire import ACK, DESTINATION, HOP_BY_HOP, PSH, SYN, TCP, UDP

PAD = bytes([1, 4, 0, 0, 0, 0])  # IPv6 option PadN that fills a header of eight bytes


def probes(path, port):
    """{source port: (what it is, frame)}: the same for every port, but for the port."""
    result = {}

    def add(name, build):
        sport = 10000 + len(result)
        result[sport] = (name, build(sport))

    for flags in range(512):
        add("TCP flags 0x%03x" % flags,
            lambda sport: path.tcp_frame(sport, port, flags, ack=7))
        add("TCP flags 0x%03x, bad checksum" % flags,
            lambda sport: path.tcp_frame(sport, port, flags, ack=7, bad_checksum=True))
    for flags in (0, SYN, ACK, PSH | ACK):
        for size in (1, 2, 536, 1400):
            add("TCP flags 0x%03x with %d bytes" % (flags, size),
                lambda sport: path.tcp_frame(sport, port, flags, payload=b"a" * size))
        for tos in (4, 0x28, 0xB8, 0x03):
            add("TCP flags 0x%03x, traffic class 0x%02x" % (flags, tos),
                lambda sport: path.frame(path.packet(TCP, path.tcp(sport, port, flags),
                                                     tos=tos)))
        for ttl in (1, 255):
            add("TCP flags 0x%03x, ttl %d" % (flags, ttl),
                lambda sport: path.frame(path.packet(TCP, path.tcp(sport, port, flags),
                                                     ttl=ttl)))
        add("TCP flags 0x%03x with options" % flags,
            lambda sport: path.tcp_frame(sport, port, flags, options=bytes.fromhex(
                "020405b40402080a00000001000000000103030a")))
        add("TCP flags 0x%03x, last sequence number" % flags,
            lambda sport: path.tcp_frame(sport, port, flags, seq=0xFFFFFFFF, ack=0xFFFFFFFF))
        for name, packet in extended(path, TCP):
            add("TCP flags 0x%03x, %s" % (flags, name),
                lambda sport: path.frame(packet(path.tcp(sport, port, flags))))
    for size in (0, 1, 7, 64, 1400):
        payload = b"b" * size
        add("UDP, %d bytes" % size, lambda sport: path.udp_frame(sport, port, payload=payload))
        add("UDP, %d bytes, bad checksum" % size,
            lambda sport: path.udp_frame(sport, port, payload=payload, bad_checksum=True))
        add("UDP, %d bytes, no checksum" % size,
            lambda sport: path.udp_frame(sport, port, payload=payload, no_checksum=True))
    for tos in (4, 0xB8):
        add("UDP, traffic class 0x%02x" % tos,
            lambda sport: path.frame(path.packet(UDP, path.udp(sport, port), tos=tos)))
    for name, packet in extended(path, UDP):
        add("UDP, " + name, lambda sport: path.frame(packet(path.udp(sport, port))))
    return result


def extended(path, protocol):
    """(name, function from a segment to its packet) with IPv4 options or IPv6 headers."""
    if path.family == 4:
        options = {"four no-ops": b"\1\1\1\1", "record route": bytes([7, 7, 4, 0, 0, 0, 0, 1]),
                   "a full timestamp": bytes([68, 12, 13, 0]) + bytes(8),
                   "forty no-ops": b"\1" * 40,
                   "router alert": bytes([148, 4, 0, 0])}
        for name, option in options.items():
            yield name, lambda data, option=option: path.packet(protocol, data, options=option)
    else:
        for name, kind in (("destination options", DESTINATION), ("hop-by-hop", HOP_BY_HOP)):
            yield name, lambda data, kind=kind: path.packet(
                kind, bytes([protocol, 0]) + PAD + data)
