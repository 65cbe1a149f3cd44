# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of the probes to a port are answered: 020-silence.py answered|silent PORT..."""

import sys

import closedport
from wire import FAMILIES, Link, Path, Report, source

link, report = Link(), Report()
silent = sys.argv[1] == "silent"
for family in FAMILIES:
    for port in map(int, sys.argv[2:]):
        path = Path(family, source(family, 2))
        probes = closedport.probes(path, port)
        answers = link.answers(path, {sport: [frame] for sport, (_, frame) in probes.items()})
        if silent:
            first = next((probes.get(sport, ("?",))[0] + ": " + str(segments[0])
                          for sport, segments in answers.items()), "")
            report.check("IPv%d port %d answers none of %d packets" % (family, port, len(probes)),
                         not answers, first)
            payload = [path.udp_frame(sport, port, payload=b"guarded") for sport in range(9)]
            link.send(*payload)
            report.check("IPv%d port %d answers no datagram" % (family, port),
                         not link.settle(grace=0.05))
        else:
            report.check("IPv%d port %d, unguarded, answers many" % (family, port),
                         len(answers) > 200, len(answers))
report.end()
