# SPDX-License-Identifier: GPL-2.0-or-later
"""ACKs that carry SYN cookies: 032-syn-cookies.py READY GO; the listener greets whom it accepts."""

import os
import sys
import time

from wire import ACK, FAMILIES, PSH, RST, Link, Path, Report, source

PORT = 22
link, report = Link(), Report()


def cookie(path, sport):
    """The SYN-ACK's sequence number, which is the cookie; None without a SYN-ACK."""
    link.send(path.tcp_frame(sport, PORT, seq=100))
    for segment in link.settle():
        if segment.is_syn_ack() and segment.dport == sport and segment.dst == path.src:
            return segment.seq
    return None


def established(path, sport, value, flags=ACK, payload=b""):
    """Whether the ACK of this cookie makes a connection: then the listener says hello."""
    link.send(path.tcp_frame(sport, PORT, flags, seq=101, ack=value + 1, payload=payload))
    hello = False
    for segment in link.settle(grace=0.15):
        if segment.dport == sport and segment.dst == path.src and b"hello" in segment.payload:
            hello = True
    link.send(path.tcp_frame(sport, PORT, RST, seq=101 + len(payload)))
    return hello


old = {}
for family in FAMILIES:
    path = Path(family, source(family, 6))
    report.check("IPv%d: unguarded, the ACK of a cookie connects" % family,
                 established(path, 3000, cookie(path, 3000)))
    old[family] = [(sport, cookie(path, sport)) for sport in range(3001, 3005)]
    assert all(value is not None for _, value in old[family])

open(sys.argv[1], "w").close()
end = time.monotonic() + 20
while not os.path.exists(sys.argv[2]):
    assert time.monotonic() < end, "the test goes on"
    time.sleep(0.02)

for family in FAMILIES:
    path = Path(family, source(family, 6))
    kinds = ((ACK, b""), (ACK | PSH, b"x"), (ACK | 0x40, b""))
    for (sport, value), (flags, payload) in zip(old[family], kinds):
        report.check("IPv%d: without a grant, the ACK 0x%03x of an old cookie does not connect" %
                     (family, flags), not established(path, sport, value, flags, payload))
    report.check("IPv%d: without a grant, a made-up cookie does not connect" % family,
                 not established(path, 3100, 12345))
    report.check("IPv%d: without a grant, no cookie is given" % family,
                 cookie(path, 3101) is None)
    link.knock(path, ["7000", "8000:udp", "9000"])
    link.settle()
    sport, value = old[family][3]
    report.check("IPv%d: with a grant, the ACK of the old cookie connects" % family,
                 established(path, sport, value))
    value = cookie(path, 3102)
    report.check("IPv%d: with a grant, a new cookie is given" % family, value is not None)
    if value is not None:
        report.check("IPv%d: with a grant, its ACK connects" % family,
                     established(path, 3102, value))
    report.check("IPv%d: with a grant, a made-up cookie still does not connect" % family,
                 not established(path, 3103, 12345))
report.end()
