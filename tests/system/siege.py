# SPDX-License-Identifier: GPL-2.0-or-later
"""Knocks without end while a flood goes on: siege.py FILE OPEN_TIME [forgetful]

In each round a new source of each family knocks; that must open port 22, which stays open until
Open_Time is over and not longer. Goes on until FILE is there. forgetful: grants may end early.

A flood fills the wire and some packets are lost, so everything that must happen is tried more than
once. Nothing that must not happen may happen even once.
"""

import errno
import itertools
import os
import random
import sys
import time

from wire import ACK, FAMILIES, RST, Link, Path, Report, knock_frame, source

SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23
KNOCKS = ("7000", "8000:udp", "9000")
# Of the clocks: jiffies, the time a packet waits for its turn.
SLACK = 0.25

enough, open_time, forgetful = sys.argv[1], float(sys.argv[2]), "forgetful" in sys.argv[3:]
link, report = Link(), Report()
link.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
sports = itertools.cycle(range(10000, 60000))


def send(*frames):
    for frame in frames:
        try:
            link.send(frame)
        except OSError as error:
            # No room on the wire: lost, like others.
            if error.errno != errno.ENOBUFS:
                raise


class Round:
    """One source; what has become of it."""

    def __init__(self, family, number):
        self.path = Path(family, source(family, 1 + number % 250))
        self.opened = self.knocked = None

    def answers(self, port, patience=0.1):
        """Whether one of two SYNs gets a SYN-ACK; the connection is reset at once."""
        asked, end = {next(sports), next(sports)}, time.monotonic() + patience
        send(*(self.path.tcp_frame(sport, port) for sport in asked))
        while True:
            segment = link.receive(end - time.monotonic())
            if segment is None:
                return False
            if segment.is_syn_ack() and segment.dport in asked and \
                    segment.dst == self.path.src:
                send(self.path.tcp_frame(segment.dport, port, RST | ACK, seq=segment.ack,
                                         ack=segment.seq + 1))
                return True

    def answers_in_the_end(self, port, tries=30):
        return any(self.answers(port) for _ in range(tries))

    def knock(self):
        for _ in range(40):
            send(*(knock_frame(self.path, knock, next(sports), random.getrandbits(32))
                   for knock in KNOCKS))
            self.knocked = time.monotonic()
            if self.answers(22):
                self.opened = time.monotonic()
                return
        complain("a knock opens", self)

    def check(self):
        """Called again and again; whether the round is over."""
        asked = time.monotonic()
        if self.opened is None:
            return True
        if asked < self.knocked + open_time - SLACK - 0.4:
            # Only if the answer comes after all before the door may close there is one.
            while not forgetful and not self.answers(22):
                if time.monotonic() > self.knocked + open_time - SLACK:
                    complain("a door stays open for its time", self)
                    break
            return False
        if asked < self.knocked + open_time + SLACK:
            return False
        if any(self.answers(22) for _ in range(3)):
            complain("a door closes on time", self)
        if not self.answers_in_the_end(80):
            complain("an unguarded port is open", self)
        return True


def complain(sentence, failed):
    age = "%.2f s after the knock" % (time.monotonic() - (failed.knocked or 0))
    report.check("IPv%d: %s" % (failed.path.family, sentence), False, age)


rounds = 0
while not os.path.exists(enough):
    pending = [Round(family, rounds) for family in FAMILIES]
    for one in pending:
        one.knock()
    while pending:
        time.sleep(0.1)
        pending = [one for one in pending if not one.check()]
    rounds += 1
report.check("all the time knocks opened and doors closed on time, %d rounds of each family"
             % rounds, rounds > 2 and not report.false, rounds)
report.end()
