# SPDX-License-Identifier: GPL-2.0-or-later
"""Which disguises reach a listener: 030-disguise.py record|silent|refused|granted FILE LOG

FILE keeps what got through unguarded; LOG is what the listener prints.
"""

import json
import os
import sys
import time

from disguises import LONG, ODD, disguises
from wire import FAMILIES, Link, Path, Report, source

TCP_PORT, UDP_PORT = 22, 60000
BATCH = 40

link, report = Link(), Report()
phase, name, log = sys.argv[1:]


def delivered(since):
    """Texts of the datagrams that the listener has got since this place in its log."""
    with open(log) as file:
        file.seek(since)
        return {line.split()[2][:5] for line in file if len(line.split()) > 2}


def send(probes):
    answers = {}
    for start in range(0, len(probes), BATCH):
        batch = {sport: frames for _, sport, frames, _ in probes[start:start + BATCH]}
        for sport, segments in link.answers(path, batch, grace=0.02).items():
            answers.setdefault(sport, []).extend(segments)
    return answers


through = {}
for family in FAMILIES:
    path = Path(family, source(family, 4))
    if phase == "granted":
        link.knock(path, ["7000", "8000:udp", "9000"])
        link.settle()
        report.check("a knock opens the door over IPv%d" % family, link.is_open(path, TCP_PORT))
    # Fragments of an earlier run may wait for theirs: no number is used twice.
    probes = list(disguises(path, TCP_PORT, UDP_PORT, int(time.time() * 1000) & 0x7FFFFFFF))
    since = os.path.getsize(log)
    answers = send([probe for probe in probes if probe[3] != LONG])
    refused = send([probe for probe in probes if probe[3] == LONG])
    time.sleep(0.2)
    got = delivered(since)
    reached = set()
    for text, sport, _, _ in probes:
        if any(segment.is_syn_ack() for segment in
               answers.get(sport, []) + refused.get(sport, [])) or "%05d" % sport in got:
            reached.add(text)
    key = str(family)
    through[key] = sorted(reached)

    if phase == "record":
        report.check("IPv%d: unguarded, %d of %d disguises get through" %
                     (family, len(reached), len(probes)), len(reached) > 250)
        for text in ("SYN, plain", "SYN, 20 mixed tags", "UDP, plain", "UDP from port 67",
                     "SYN, fragments at [24, 32] in order [2, 1, 0]", "TCP flags 0x1c2"):
            report.check("IPv%d: unguarded, this gets through: %s" % (family, text),
                         text in reached)
        for group in ("192.0.2.255", "224.0.0.251") if family == 4 else ("ff02::1",):
            report.check("IPv%d: unguarded, UDP to %s gets through" % (family, group),
                         any(text.endswith("40 tags, to " + group) for text in reached))
        if family == 6:
            for count in (150, 1000):
                report.check("IPv6: unguarded, %d destination options get through" % count,
                             "SYN, %d destination options" % count in reached)
        continue

    with open(name) as file:
        unguarded = set(json.load(file)[key])
    if phase == "granted":
        honest = {text for text, _, _, mark in probes if mark != ODD}
        lost = sorted((unguarded & honest) - reached)
        report.check("IPv%d: with a grant %d disguises get through" % (family, len(reached)),
                     not lost, lost)
        continue
    report.check("IPv%d: none of %d disguises gets through" % (family, len(probes)),
                 not reached, sorted(reached))
    if phase == "silent":
        # What the inner door refuses is not silent: the kernel answers.
        names = {sport: text for text, sport, _, _ in probes}
        answered = sorted("%s: %s" % (names.get(sport, "?"), segments[0])
                          for sport, segments in answers.items())
        report.check("IPv%d: nothing is answered" % family, not answered, answered)

if phase == "record":
    with open(name, "w") as file:
        json.dump(through, file)
report.end()
