# SPDX-License-Identifier: GPL-2.0-or-later
"""Counts the SYNs of flood.c that XDP has let through to a port: witness.py INTERFACE PORT

Runs at the server. A packet socket with a filter sees what the driver hands to the kernel after
XDP, before anything else may drop it; the kernel counts. Each line on standard input is answered by
the number so far.
"""

import ctypes
import socket
import struct
import sys

SOL_PACKET, PACKET_STATISTICS, SO_ATTACH_FILTER, ETH_P_ALL = 263, 6, 26, 3
HALF, BYTE, WORD, EQUAL, AND, RETURN = 0x28, 0x30, 0x20, 0x15, 0x54, 0x06


def program(port):
    """Offsets are those of frames without tags and options, which is what flood.c sends."""
    families = (
        # EtherType, then what must be where: load, offset, mask, value.
        (0x0800, ((WORD, 26, 0xFFFE0000, 0xC6120000), (BYTE, 23, 0xFF, 6),
                  (HALF, 36, 0xFFFF, port), (BYTE, 47, 0x12, 0x02))),
        (0x86DD, ((WORD, 22, 0xFFFFFFFF, 0x20010DB8), (WORD, 26, 0xFFFFFFFF, 0xF1000000),
                  (BYTE, 20, 0xFF, 6), (HALF, 56, 0xFFFF, port), (BYTE, 67, 0x12, 0x02))),
    )
    code = []
    for ethertype, fields in families:
        rest = []
        for load, offset, mask, value in fields:
            left = 3 * (len(fields) - 1 - len(rest) // 3) + 1
            rest += [(load, 0, 0, offset), (AND, 0, 0, mask), (EQUAL, 0, left, value)]
        rest += [(RETURN, 0, 0, 0xFFFF), (RETURN, 0, 0, 0)]
        code += [(HALF, 0, 0, 12), (EQUAL, 0, len(rest), ethertype)] + rest
    return code + [(RETURN, 0, 0, 0)]


def filter_attach(sock, code):
    packed = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                    struct.pack("HP", len(code), ctypes.addressof(packed)))


def main():
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    filter_attach(sock, program(int(sys.argv[2])))
    # Nobody reads: what finds no room counts all the same.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.bind((sys.argv[1], ETH_P_ALL))
    count = 0
    print("ready", flush=True)
    for _ in sys.stdin:
        # Reading the kernel's count sets it to zero.
        count += struct.unpack("II", sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[0]
        print(count, flush=True)


main()
