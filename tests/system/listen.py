# SPDX-License-Identifier: GPL-2.0-or-later
"""Listeners for the system tests: listen.py WHAT...

  tcp:PORT    accepts, sends a greeting, sends back what it gets (both families, one socket)
  close:PORT  accepts, closes first, so that this side keeps the TIME_WAIT socket
  udp:PORT    sends back what it gets and prints a line "got PORT TEXT" (both families)
  group:PORT  the same for IPv4 alone, also for what is sent to the multicast group 224.0.0.251

Prints "ready" when all are bound.
"""

import select
import socket
import struct
import sys


def bound(kind, port):
    sock = socket.socket(socket.AF_INET6, kind)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("::", port))
    return sock


def bound_to_group(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("", port))
    member = socket.inet_aton("224.0.0.251") + struct.pack("@4xi", socket.if_nametoindex("eth0"))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    return sock


def main():
    acceptors, datagrams, streams = {}, {}, set()
    for what in sys.argv[1:]:
        name, port = what.split(":")
        if name == "group":
            datagrams[bound_to_group(int(port))] = int(port)
            continue
        kind = socket.SOCK_DGRAM if name == "udp" else socket.SOCK_STREAM
        sock = bound(kind, int(port))
        if name == "udp":
            datagrams[sock] = int(port)
        else:
            sock.listen(4096)
            acceptors[sock] = name
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([*acceptors, *datagrams, *streams], [], [])
        for sock in ready:
            try:
                if sock in acceptors:
                    stream, _ = sock.accept()
                    if acceptors[sock] == "close":
                        stream.close()
                    else:
                        stream.sendall(b"hello\n")
                        streams.add(stream)
                elif sock in datagrams:
                    data, peer = sock.recvfrom(65535)
                    text = data[:80].decode("latin-1")
                    print("got", datagrams[sock], text, flush=True)
                    sock.sendto(data, peer)
                else:
                    data = sock.recv(65535)
                    if data:
                        sock.sendall(data)
                    else:
                        streams.discard(sock)
                        sock.close()
            except OSError:
                # The other side reset; the next one must still be served.
                if sock in streams:
                    streams.discard(sock)
                    sock.close()


main()
