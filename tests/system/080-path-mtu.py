# SPDX-License-Identifier: GPL-2.0-or-later
"""Tells the server that its echo of a ping is too large for a hop with an MTU of 1300."""

import struct

from wire import CLIENT, FAMILIES, ICMP, ICMPV6, SERVER, Link, Path, checksum, source

link = Link()
for family in FAMILIES:
    router = Path(family, CLIENT[family])
    target = source(family, 9)
    back = Path(family, SERVER[family], target)
    reply = bytes([0 if family == 4 else 129]) + back.echo(77, payload=bytes(1440))[1:]
    quoted = back.packet(back.echo_protocol(), reply)[:512]
    if family == 4:
        message = struct.pack("!BBHHH", 3, 4, 0, 0, 1300) + quoted
        value = checksum(message)
        protocol = ICMP
    else:
        message = struct.pack("!BBHI", 2, 0, 0, 1300) + quoted
        value = router.transport_checksum(ICMPV6, message)
        protocol = ICMPV6
    message = message[:2] + struct.pack("!H", value) + message[4:]
    link.send(router.frame(router.packet(protocol, message)))
