# SPDX-License-Identifier: GPL-2.0-or-later
"""A wire of plain IP packets between two namespaces: 151-tun.py NAME NAMESPACE NAMESPACE

Makes a tun device NAME in each and carries packets between them, as a tunnel would. Prints "ready"
when both are there; they are gone when it ends. It lives in the second namespace.
"""

import ctypes
import fcntl
import os
import select
import struct
import sys

TUNSETIFF, IFF_TUN, IFF_NO_PI, CLONE_NEWNET = 0x400454CA, 0x0001, 0x1000, 0x40000000


def tun_in(namespace, name):
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open("/run/netns/" + namespace, os.O_RDONLY)
    if libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
    os.close(fd)
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return tun


one, other = (tun_in(namespace, sys.argv[1]) for namespace in sys.argv[2:4])
print("ready", flush=True)
while True:
    for tun in select.select([one, other], [], [])[0]:
        try:
            os.write(other if tun is one else one, os.read(tun, 65536))
        except OSError:
            # That end is down, or too small.
            pass
