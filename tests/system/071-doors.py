# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether ten new sources can open a door: 071-doors.py PORT open|closed KNOCK..."""

import sys

from wire import FAMILIES, Link, Path, Report, source

link, report = Link(), Report()
port, expected, knocks = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
for family in FAMILIES:
    opened = 0
    for number in range(10):
        path = Path(family, source(family, 10 + number))
        link.knock(path, knocks)
        opened += link.is_open(path, port)
    report.check("IPv%d: the knock %s leaves port %d %s" %
                 (family, ",".join(knocks), port, expected),
                 opened == (10 if expected == "open" else 0), "%d of 10 open" % opened)
report.end()
