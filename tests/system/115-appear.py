# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a device is there before it is guarded: 115-appear.py NAME COUNT

Waits COUNT times for a new device of that name, by asking the kernel without pause, and prints
"INDEX MILLISECONDS" when it has an XDP program.
"""

import errno
import socket
import struct
import sys
import time

RTM_GETLINK, NLM_F_REQUEST, NLMSG_ERROR = 18, 1, 2
IFLA_IFNAME, IFLA_XDP, IFLA_XDP_ATTACHED = 3, 43, 2


def attributes(data):
    while len(data) >= 4:
        size, kind = struct.unpack_from("HH", data)
        yield kind & 0x3FFF, data[4:size]
        data = data[(size + 3) & ~3:]


def link_read(netlink, name):
    """(index, whether XDP is attached), or None."""
    name = name.encode() + b"\0"
    body = struct.pack("BxHiII", 0, 0, 0, 0, 0)
    body += struct.pack("HH", 4 + len(name), IFLA_IFNAME) + name + b"\0" * (-len(name) % 4)
    netlink.send(struct.pack("IHHII", 16 + len(body), RTM_GETLINK, NLM_F_REQUEST, 1, 0) + body)
    answer = netlink.recv(65536)
    if struct.unpack_from("IH", answer)[1] == NLMSG_ERROR:
        error = -struct.unpack_from("i", answer, 16)[0]
        assert error == errno.ENODEV, error
        return None
    nested = dict(attributes(answer[32:])).get(IFLA_XDP, b"")
    return struct.unpack_from("i", answer, 20)[0], any(dict(attributes(nested)).get(
        IFLA_XDP_ATTACHED, b""))


netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
seen, appeared, left = link_read(netlink, sys.argv[1]), None, int(sys.argv[2])
known = seen[0] if seen else None
print("ready", flush=True)
while left:
    seen = link_read(netlink, sys.argv[1])
    now = time.monotonic()
    if seen and seen[0] != known:
        appeared = appeared or now
        if seen[1]:
            print("%d %.1f" % (seen[0], (now - appeared) * 1000), flush=True)
            known, appeared, left = seen[0], None, left - 1
    time.sleep(0.0003)
