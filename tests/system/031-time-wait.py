# SPDX-License-Identifier: GPL-2.0-or-later
"""SYNs of all kinds to TIME_WAIT sockets: 031-time-wait.py READY GO SOURCE

Makes the sockets, tries some unguarded, creates the file READY, and goes on when GO is there.
"""

import os
import sys
import time

from wire import ACK, FAMILIES, FIN, SYN, Link, Path, Report, source

PORT = 22
BATCH = 40
COMBINATIONS = [flags for flags in range(512) if flags & SYN]
UNGUARDED, UNGRANTED, GRANTED = 2000, 4000, 6000  # source ports of each phase

link, report = Link(), Report()


def make_time_wait(path, sports):
    """The listener closes first, so its side of each connection ends in TIME_WAIT."""
    made = 0
    for start in range(0, len(sports), BATCH):
        batch = sports[start:start + BATCH]
        for sport in batch:
            link.send(path.tcp_frame(sport, PORT, seq=100))
        fins, end = set(), time.monotonic() + 3
        while len(fins) < len(batch) and time.monotonic() < end:
            segment = link.receive(0.1)
            if segment is None or segment.dst != path.src or segment.sport != PORT:
                continue
            if segment.is_syn_ack():
                link.send(path.tcp_frame(segment.dport, PORT, ACK, seq=101, ack=segment.seq + 1))
            elif segment.flags is not None and segment.flags & FIN and segment.dport not in fins:
                fins.add(segment.dport)
                link.send(path.tcp_frame(segment.dport, PORT, FIN | ACK, seq=101,
                                         ack=segment.seq + 1))
        made += len(fins)
    link.settle()
    return made


def reopened(path, first):
    """Flags of the SYNs that reopened their TIME_WAIT socket."""
    probes = {first + index: [path.tcp_frame(first + index, PORT, flags, seq=1000000)]
              for index, flags in enumerate(COMBINATIONS)}
    answers = link.answers(path, probes, batch=BATCH)
    return {COMBINATIONS[sport - first] for sport, segments in answers.items()
            if sport is not None and any(segment.is_syn_ack() for segment in segments)}


unguarded = {}
for family in FAMILIES:
    path = Path(family, source(family, int(sys.argv[3])))
    for first in (UNGUARDED, UNGRANTED, GRANTED):
        made = make_time_wait(path, [first + index for index in range(len(COMBINATIONS))])
        report.check("IPv%d: %d TIME_WAIT sockets are there" % (family, made),
                     made == len(COMBINATIONS))
    unguarded[family] = reopened(path, UNGUARDED)
    report.check("IPv%d: unguarded, %d kinds of SYN reopen one" % (family, len(unguarded[family])),
                 SYN in unguarded[family])

open(sys.argv[1], "w").close()
end = time.monotonic() + 20
while not os.path.exists(sys.argv[2]):
    assert time.monotonic() < end, "the test goes on"
    time.sleep(0.02)

for family in FAMILIES:
    path = Path(family, source(family, int(sys.argv[3])))
    through = reopened(path, UNGRANTED)
    report.check("IPv%d: guarded, no SYN reopens one" % family, not through, sorted(through))
    link.knock(path, ["7000", "8000:udp", "9000"])
    link.settle()
    through = reopened(path, GRANTED)
    report.check("IPv%d: with a grant, the same kinds do as unguarded" % family,
                 through == unguarded[family], sorted(through ^ unguarded[family]))
report.end()
