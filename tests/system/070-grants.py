# SPDX-License-Identifier: GPL-2.0-or-later
"""Many granted sources: 070-grants.py knock COUNT | check COUNT | slow FLOOD

slow sends the three knocks of one source with 20,000 spoofed first knocks after each.
"""

import subprocess
import sys

from wire import FAMILIES, Link, Path, Report, knock_frame, source

KNOCKS = ["7000", "8000:udp", "9000"]
link, report = Link(), Report()


def paths(count):
    for number in range(count // 2):
        for family in FAMILIES:
            # 198.51.100.0/24 has 254 addresses; the others are for other tests.
            yield Path(family, source(family, 1 + number))


if sys.argv[1] == "slow":
    for family in FAMILIES:
        path = Path(family, source(family, 220))
        for number, knock in enumerate(KNOCKS):
            link.send(knock_frame(path, knock, 4000 + number))
            link.settle()
            if number < 2:
                subprocess.run([sys.argv[2], "eth0", "knocks%d" % family, "20000", KNOCKS[0]],
                               check=True, stdout=subprocess.DEVNULL)
                link.drain()
        report.check("IPv%d: 20,000 spoofed knocks between two knocks do not matter" % family,
                     link.is_open(path, 22))
    report.end()

count = int(sys.argv[2])
if sys.argv[1] == "knock":
    for path in paths(count):
        link.knock(path, KNOCKS)
    link.settle()
lost = [path.src for path in paths(count) if not link.is_open(path, 22)]
report.check("%d of %d knockers are let in" % (count - len(lost), count), not lost, lost[:5])
report.end()
