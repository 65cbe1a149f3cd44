# SPDX-License-Identifier: GPL-2.0-or-later
"""One TCP stream, as fast as it goes.

  tcp.py sink PORT                    takes what comes; prints "ready" first
  tcp.py send ADDRESS PORT SECONDS    prints the bits a second that the other end has acknowledged
"""

import socket
import struct
import sys
import threading
import time

CHUNK = 1 << 18
# Of struct tcp_info.
BYTES_ACKED = 120
# Until the windows are open.
LEAD = 0.15


def drain(stream):
    data = bytearray(CHUNK)
    try:
        while stream.recv_into(data):
            pass
    except OSError:
        # The other side gave up.
        pass
    stream.close()


def sink(port):
    listener = socket.create_server(("", port))
    print("ready", flush=True)
    while True:
        stream, _ = listener.accept()
        threading.Thread(target=drain, args=(stream,), daemon=True).start()


def acked(stream):
    information = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    return struct.unpack_from("=Q", information, BYTES_ACKED)[0]


def send_until(stream, data, end):
    while time.monotonic() < end:
        stream.settimeout(max(end - time.monotonic(), 0.001))
        try:
            stream.send(data)
        except TimeoutError:
            break
    return acked(stream), time.monotonic()


def send(address, port, seconds):
    try:
        stream = socket.create_connection((address, port), timeout=LEAD + seconds)
    except TimeoutError:
        print(0)
        return
    data, start = bytes(CHUNK), time.monotonic()
    first, begun = send_until(stream, data, start + LEAD)
    last, ended = send_until(stream, data, start + LEAD + seconds)
    print(round((last - first) * 8 / (ended - begun)))
    # What is still on its way is not waited for.
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


if sys.argv[1] == "sink":
    sink(int(sys.argv[2]))
else:
    send(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
