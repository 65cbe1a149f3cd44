# SPDX-License-Identifier: GPL-2.0-or-later
"""What a port answers, to every probe, byte for byte: 021-answers.py record|compare FILE PORT"""

import json
import sys
import time

import closedport
from wire import FAMILIES, Link, Path, Report, source

BATCH = 40
PAUSE = 0.01  # knockd hands on a limited number of packets a second to be refused

link, report = Link(), Report()
action, name, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
seen = {}
sent = {}
for family in FAMILIES:
    path = Path(family, source(family, 3))
    probes = closedport.probes(path, port)
    sports = list(probes)
    for start in range(0, len(sports), BATCH):
        batch = {sport: [probes[sport][1]] for sport in sports[start:start + BATCH]}
        answers = link.answers(path, batch)
        for sport in batch:
            key = "IPv%d, %s" % (family, probes[sport][0])
            seen[key] = [segment.blank().hex() for segment in answers.get(sport, [])]
            sent[key] = probes[sport][1]
        seen.setdefault("IPv%d, unasked" % family, []).extend(
            segment.blank().hex() for segment in answers.get(None, []))
        time.sleep(PAUSE)

if action == "record":
    with open(name, "w") as file:
        json.dump(seen, file)
    report.check("an unused port answers something to %d of %d packets" %
                 (sum(map(bool, seen.values())), len(seen)), sum(map(bool, seen.values())) > 500)
else:
    with open(name) as file:
        expected = json.load(file)
    wrong = [key for key in expected if seen[key] != expected[key]]
    report.check("port %d answers all %d packets as an unused port does" % (port, len(seen)),
                 not wrong, "%d do not" % len(wrong))
    for key in wrong[:5]:
        print("  %s\n    sent     %s\n    expected %s\n    seen     %s" %
              (key, sent[key].hex(), expected[key], seen[key]))
report.end()
