# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets byte by byte, for the system tests that need more than a real client sends.

Runs in the client's namespace (lib.sh draws it). Numbers are in host byte order until they are
packed; addresses are text. A test takes a Path, builds a segment or datagram, then a packet, then
a frame, and changes one thing on the way.
"""

import ipaddress
import os
import random
import socket
import struct
import sys
import time

# The same in lib.sh.
SERVER_MAC = bytes.fromhex("020000000001")
CLIENT_MAC = bytes.fromhex("020000000002")
SERVER = {4: "192.0.2.1", 6: "2001:db8::1"}
CLIENT = {4: "192.0.2.2", 6: "2001:db8::2"}
FAMILIES = (4, 6)

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR, NS = (1 << bit for bit in range(9))

ICMP, TCP, UDP, AH, ICMPV6, NO_NEXT = 1, 6, 17, 51, 58, 59
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION = 0, 43, 44, 60

ETH_P_IP, ETH_P_IPV6, ETH_P_8021Q, ETH_P_8021AD = 0x0800, 0x86DD, 0x8100, 0x88A8
PACKET_OUTGOING = 4


def source(family, number):
    """The number-th address that nobody owns; the server's route to it is the client."""
    if family == 4:
        return str(ipaddress.IPv4Address("198.51.100.0") + number)
    return str(ipaddress.IPv6Address("2001:db8:51::") + number)


def pack_address(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_pton(family, address)


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Path:
    """From a source to a destination, one family."""

    def __init__(self, family, src=None, dst=None):
        self.family = family
        self.src = src or CLIENT[family]
        self.dst = dst or SERVER[family]
        self.addresses = pack_address(self.src) + pack_address(self.dst)

    def pseudo_header(self, protocol, size):
        if self.family == 4:
            return self.addresses + struct.pack("!BBH", 0, protocol, size)
        return self.addresses + struct.pack("!II", size, protocol)

    def pseudo_sum(self, protocol, size):
        return ~checksum(self.pseudo_header(protocol, size)) & 0xFFFF

    def transport_checksum(self, protocol, data):
        return checksum(self.pseudo_header(protocol, len(data)) + data)

    def tcp(self, sport, dport, flags=SYN, seq=1000, ack=0, options=b"", payload=b"",
            window=64240, bad_checksum=False):
        options += b"\0" * (-len(options) % 4)
        offset = 5 + len(options) // 4
        header = struct.pack("!HHIIHHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF,
                             offset << 12 | flags, window, 0, 0)
        data = header + options + payload
        value = self.transport_checksum(TCP, data) ^ (0x5555 if bad_checksum else 0)
        return data[:16] + struct.pack("!H", value) + data[18:]

    def udp(self, sport, dport, payload=b"x", bad_checksum=False, no_checksum=False):
        data = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
        value = self.transport_checksum(UDP, data) or 0xFFFF
        if bad_checksum:
            value ^= 0x5555
        if no_checksum:
            value = 0
        return data[:6] + struct.pack("!H", value) + data[8:]

    def echo(self, identifier, code=0, payload=b"knock"):
        kind = 8 if self.family == 4 else 128
        data = struct.pack("!BBHHH", kind, code, 0, identifier, 1) + payload
        value = checksum(data) if self.family == 4 else self.transport_checksum(ICMPV6, data)
        return data[:2] + struct.pack("!H", value) + data[4:]

    def echo_protocol(self):
        return ICMP if self.family == 4 else ICMPV6

    def packet(self, protocol, data, options=b"", fragment=0, ttl=64, tos=0, ident=4660,
               label=0):
        """The IP packet. options is for IPv4, label for IPv6; fragment is IPv4's offset field."""
        if self.family == 6:
            return struct.pack("!IHBB", 6 << 28 | tos << 20 | label, len(data), protocol,
                               ttl) + self.addresses + data
        options += b"\0" * (-len(options) % 4)
        words = 5 + len(options) // 4
        header = struct.pack("!BBHHHBBH", 4 << 4 | words, tos, words * 4 + len(data), ident,
                             fragment, ttl, protocol, 0) + self.addresses + options
        return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + data

    def frame(self, packet, tags=(), dst=SERVER_MAC):
        """tags: (TPID, TCI) from the outermost in."""
        ethertype = ETH_P_IP if self.family == 4 else ETH_P_IPV6
        header = dst + CLIENT_MAC
        for tpid, tci in tags:
            header += struct.pack("!HH", tpid, tci)
        return header + struct.pack("!H", ethertype) + packet

    def tcp_frame(self, sport, dport, flags=SYN, **how):
        return self.frame(self.packet(TCP, self.tcp(sport, dport, flags, **how)))

    def udp_frame(self, sport, dport, **how):
        return self.frame(self.packet(UDP, self.udp(sport, dport, **how)))

    def echo_frame(self, identifier, code=0):
        return self.frame(self.packet(self.echo_protocol(), self.echo(identifier, code)))


class Segment:
    """A received packet, as far as it could be read: fields are None where it could not.

    error is the (type, code) of an ICMP error, and then sport and dport are those of the packet
    that it quotes.
    """

    def __init__(self, frame):
        self.frame = frame
        self.family = self.src = self.dst = self.protocol = self.error = None
        self.sport = self.dport = self.flags = self.seq = self.ack = self.identifier = None
        self.payload = b""
        self.transport_at = self.quoted_at = None
        self._read(14, struct.unpack_from("!H", frame, 12)[0])

    def _read(self, at, ethertype, quoted=False):
        frame = self.frame
        if ethertype == ETH_P_IP and len(frame) >= at + 20:
            family, size = 4, (frame[at] & 15) * 4
            protocol, src, dst = frame[at + 9], frame[at + 12:at + 16], frame[at + 16:at + 20]
        elif ethertype == ETH_P_IPV6 and len(frame) >= at + 40:
            family, size = 6, 40
            protocol, src, dst = frame[at + 6], frame[at + 8:at + 24], frame[at + 24:at + 40]
        else:
            return
        if not quoted:
            af = socket.AF_INET if family == 4 else socket.AF_INET6
            self.family = family
            self.src, self.dst = socket.inet_ntop(af, src), socket.inet_ntop(af, dst)
        at += size
        while family == 6 and protocol in (HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION):
            if len(frame) < at + 8:
                return
            size = 8 if protocol == FRAGMENT else frame[at + 1] * 8 + 8
            protocol, at = frame[at], at + size
        if not quoted:
            self.protocol, self.transport_at = protocol, at
        else:
            self.quoted_at = (protocol, at)
        if protocol in (TCP, UDP) and len(frame) >= at + 8:
            self.sport, self.dport = struct.unpack_from("!HH", frame, at)
            if protocol == TCP and not quoted and len(frame) >= at + 20:
                self.seq, self.ack, bits = struct.unpack_from("!IIH", frame, at + 4)
                self.flags = bits & 0x1FF
                self.payload = frame[at + (bits >> 12) * 4:]
            elif protocol == UDP and not quoted:
                self.payload = frame[at + 8:]
        elif protocol in (ICMP, ICMPV6) and not quoted and len(frame) >= at + 8:
            kind, code = frame[at], frame[at + 1]
            if (kind in (3, 4, 5, 11, 12)) if family == 4 else kind < 128:
                self.error = (kind, code)
                self._read(at + 8, ethertype, quoted=True)
            else:
                self.identifier = struct.unpack_from("!H", frame, at + 4)[0]

    def is_syn_ack(self):
        return (self.flags is not None and self.flags & (SYN | ACK | RST) == SYN | ACK)

    def is_reset(self):
        return self.flags is not None and self.flags & RST != 0

    def answers(self):
        """The port that the packet which caused this came from, or None."""
        if self.error:
            return self.sport
        return self.dport if self.protocol in (TCP, UDP) else None

    def blank(self):
        """The packet's bytes without what must differ between two ports of one host.

        That is the port itself, and IPv4's identification; checksums are verified and blanked.
        """
        data = bytearray(self.frame[14:])
        header = (data[0] & 15) * 4 if self.family == 4 else 40
        path = Path(self.family, self.src, self.dst)
        if self.family == 4:
            if checksum(bytes(data[:header])):
                return b"bad IPv4 checksum"
            data[4:6] = data[10:12] = b"\0\0"
        at = self.transport_at - 14
        end = struct.unpack_from("!H", data, 2)[0] if self.family == 4 else \
            40 + struct.unpack_from("!H", data, 4)[0]
        body = bytes(data[at:end])
        if self.protocol == ICMP:
            wrong = checksum(body)
        else:
            wrong = path.transport_checksum(self.protocol, body)
            # A sum that the sender left to its card covers the pseudo-header alone.
            offset = {TCP: 16, UDP: 6}.get(self.protocol)
            if wrong and offset:
                left = path.pseudo_sum(self.protocol, len(body))
                wrong = struct.unpack_from("!H", body, offset)[0] != left
        if wrong:
            return b"bad transport checksum"
        if self.protocol == TCP:
            data[at:at + 2] = data[at + 16:at + 18] = b"\0\0"
        elif self.error:
            data[at + 2:at + 4] = b"\0\0"
            if self.quoted_at:
                protocol, quoted = self.quoted_at[0], self.quoted_at[1] - 14
                data[quoted + 2:quoted + 4] = b"\0\0"
                offset = quoted + (16 if protocol == TCP else 6)
                if len(data) >= offset + 2:
                    data[offset:offset + 2] = b"\0\0"
        elif self.protocol == UDP:
            data[at:at + 2] = data[at + 6:at + 8] = b"\0\0"
        return bytes(data[:end])

    def __str__(self):
        if self.error:
            return "ICMP error %d/%d from %s" % (*self.error, self.src)
        if self.flags is not None:
            return "TCP %s:%s flags 0x%03x seq %d ack %d" % (
                self.src, self.sport, self.flags, self.seq, self.ack)
        return "protocol %s from %s" % (self.protocol, self.src)


class Link:
    """The client's end of the wire."""

    def __init__(self, interface="eth0"):
        # One CPU, so that the wire keeps the order in which frames are sent.
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind((interface, 0))
        self.sentinel = os.getpid() & 0xFFFF
        self.silence = 0

    def send(self, *frames):
        for frame in frames:
            self.socket.send(frame)

    def receive(self, seconds):
        """The next packet from the other end, or None when the time is over."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                frame, address = self.socket.recvfrom(65535)
            except TimeoutError:
                return None
            if address[2] != PACKET_OUTGOING and frame[6:12] == SERVER_MAC:
                return Segment(frame)

    def drain(self):
        while self.receive(0.001):
            pass

    def settle(self, seconds=1.0, grace=0.0):
        """Everything the other end answers to what was sent so far.

        A ping follows the frames; when its echo is back they have been judged and answered. It
        comes from the client's own address, so that it is not part of any test's source.
        """
        self.sentinel = (self.sentinel + 1) & 0xFFFF
        ping = Path(4)
        self.send(ping.echo_frame(self.sentinel))
        seen, end = [], time.monotonic() + seconds
        while True:
            segment = self.receive(end - time.monotonic())
            if segment is None:
                break
            if segment.identifier == self.sentinel and segment.src == ping.dst:
                end = time.monotonic() + grace
            elif segment.protocol != ICMPV6 or segment.error:
                # Neighbour discovery is not an answer.
                seen.append(segment)
        return [segment for segment in seen if segment.family]

    def hang_up(self, path, segments):
        """Resets what answered with a SYN-ACK, so that no half-open connection stays behind."""
        for segment in segments:
            if segment.is_syn_ack():
                self.send(path.tcp_frame(segment.dport, segment.sport, RST, seq=segment.ack))

    def answers(self, path, probes, batch=48, grace=0.0):
        """Sends probes, {source port: frames}, and returns {source port: answers}.

        What cannot be told apart is under None.
        """
        result = {}
        ports = list(probes)
        for start in range(0, len(ports), batch):
            for port in ports[start:start + batch]:
                self.send(*probes[port])
            segments = self.settle(grace=grace)
            for segment in segments:
                if segment.dst == path.src:
                    result.setdefault(segment.answers(), []).append(segment)
            self.hang_up(path, segments)
        return result

    def knock(self, path, knocks):
        """knocks: "7000", "8000:udp", "4:icmp".

        Each has a source port and a sequence number of its own: none is taken for a repeat.
        """
        for knock in knocks:
            self.send(knock_frame(path, knock, random.randint(1024, 65535),
                                  random.getrandbits(32)))

    def is_open(self, path, port, sport=50000):
        """Whether a SYN gets a SYN-ACK. The connection is reset at once."""
        self.send(path.tcp_frame(sport, port))
        segments = [segment for segment in self.settle() if segment.dst == path.src]
        self.hang_up(path, segments)
        return any(s.is_syn_ack() and s.dport == sport and s.sport == port for s in segments)


def knock_frame(path, knock, sport, seq=5000):
    number, _, protocol = knock.partition(":")
    if protocol == "udp":
        return path.udp_frame(sport, int(number))
    if protocol == "icmp":
        return path.echo_frame(sport, int(number))
    return path.tcp_frame(sport, int(number), seq=seq)


class Report:
    """Sentences that are true or not. All are tried; the exit status says whether one is false."""

    def __init__(self):
        self.false = 0

    def check(self, sentence, true, detail=""):
        if true:
            print("- " + sentence)
        else:
            self.false += 1
            print("FALSE: " + sentence + (" (%s)" % (detail,) if detail else ""))
        sys.stdout.flush()
        return true

    def end(self):
        sys.exit(1 if self.false else 0)
