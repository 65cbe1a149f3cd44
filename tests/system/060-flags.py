# SPDX-License-Identifier: GPL-2.0-or-later
"""Doors with different TCPFlags look at different packets."""

from wire import ACK, FAMILIES, FIN, SYN, Link, Path, Report, source

link, report = Link(), Report()
for family in FAMILIES:
    for number, (name, flags, opened) in enumerate((
            ("SYN", SYN, (False, True)), ("FIN", FIN, (True, False)),
            ("FIN and ACK", FIN | ACK, (True, False)), ("FIN and SYN", FIN | SYN, (False, False)),
            ("ACK", ACK, (False, False)))):
        path = Path(family, source(family, 10 + number))
        for sport, port in ((4000, 7000), (4001, 8000)):
            link.send(path.tcp_frame(sport, port, flags))
        link.settle()
        seen = (link.is_open(path, 22, 5000), link.is_open(path, 23, 5001))
        report.check("IPv%d: knocks with %s open the doors that ask for them" % (family, name),
                     seen == opened, seen)
report.end()
