# SPDX-License-Identifier: GPL-2.0-or-later
"""Talks to listen.py: talk.py tcp|udp ADDRESS PORT [SOURCE_PORT]

Sends a lot over TCP, a little over connected UDP; succeeds when all of it comes back.
"""

import os
import socket
import sys

kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
sock = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
sock.settimeout(3)
if len(sys.argv) > 4:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("", int(sys.argv[4])))
sock.connect((address, port))
if kind == "udp":
    sock.send(b"question")
    sys.exit(0 if sock.recv(100) == b"question" else 1)

data = os.urandom(60000)
received = b""
sock.sendall(data)
while len(received) < len(data) + len(b"hello\n"):
    some = sock.recv(65535)
    if not some:
        sys.exit(1)
    received += some
sys.exit(0 if received == b"hello\n" + data else 1)
