# SPDX-License-Identifier: GPL-2.0-or-later
"""The door is open for the packet that follows the last knock, with nothing in between."""

from wire import FAMILIES, Link, Path, Report, knock_frame, source

KNOCKS = ["7000", "8000:udp", "9000"]
link, report = Link(), Report()
for family in FAMILIES:
    opened = 0
    for number in range(100):
        path = Path(family, source(family, 100 + number))
        frames = [knock_frame(path, knock, 4000 + i) for i, knock in enumerate(KNOCKS)]
        link.send(*frames, path.tcp_frame(5000, 22))
        segments = link.settle()
        link.hang_up(path, segments)
        opened += any(s.is_syn_ack() and s.dst == path.src for s in segments)
    report.check("IPv%d: the SYN right behind the last knock is answered" % family,
                 opened == 100, "%d of 100" % opened)
report.end()
