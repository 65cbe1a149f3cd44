# SPDX-License-Identifier: GPL-2.0-or-later
"""Doors and what opens them. Every case has a source address of its own."""

import itertools
import time

from wire import ACK, FAMILIES, FIN, RST, SYN, Link, Path, Report, knock_frame, source

link, report = Link(), Report()
numbers = itertools.count(10)


class Case:
    """One source; what it sends, and which ports are open to it afterwards."""

    def __init__(self, family, sentence, number=None):
        self.family, self.sentence = family, "IPv%d: %s" % (family, sentence)
        self.path = Path(family, source(family, number or next(numbers)))
        self.sport = 20000

    def fresh(self):
        self.sport += 1
        return self.sport

    def knock(self, *knocks):
        for knock in knocks:
            link.send(knock_frame(self.path, knock, self.fresh(), seq=self.sport))
        link.settle()
        return self

    def send(self, *frames):
        link.send(*frames)
        link.settle()
        return self

    def tcp(self, port, flags=SYN, sport=None, **how):
        return self.send(self.path.tcp_frame(sport or self.fresh(), port, flags, **how))

    def wait(self, seconds):
        time.sleep(seconds)
        return self

    def opens(self, port=22):
        report.check(self.sentence, link.is_open(self.path, port, self.fresh()))
        return self

    def closed(self, port=22):
        report.check(self.sentence, not link.is_open(self.path, port, self.fresh()))
        return self


def cases(family):
    def case(sentence, number=None):
        return Case(family, sentence, number)

    right = ("7000", "8000:udp", "9000")

    case("unguarded ports are open").opens(80)
    case("without a knock it is closed").closed()
    case("the right sequence opens").knock(*right).opens()
    case("it opens its own port only").knock(*right).opens().closed(23).closed(24)

    # What does not open.
    for order in itertools.permutations(right):
        if order != right:
            case("the order %s does not open" % (order,)).knock(*order).closed()
    for missing in range(3):
        some = right[:missing] + right[missing + 1:]
        case("%s alone does not open" % (some,)).knock(*some).closed()
    case("a wrong protocol does not open").knock("7000", "8000", "9000").closed()
    case("a wrong protocol does not open").knock("7000:udp", "8000:udp", "9000").closed()
    case("a knock to an unused port in between does not open") \
        .knock("7000", "8000:udp", "7999", "9000").closed()
    case("a datagram to an unused port in between does not open") \
        .knock("7000", "8000:udp", "7999:udp", "9000").closed()
    case("another door's knock in between does not open") \
        .knock("7000", "8000:udp", "1100", "9000").closed()
    case("too slow does not open").knock("1100").wait(0.6).knock("1200").wait(0.6) \
        .knock("1300").closed(21)
    case("in time opens").knock("1100").wait(0.3).knock("1200").wait(0.3).knock("1300").opens(21)
    case("after being too slow, the next right sequence opens").knock("1100").wait(1.2) \
        .knock("1200", "1300").closed(21).knock("1100", "1200", "1300").opens(21)
    case("the last two too late, then the rest, does not open") \
        .knock("1100", "1200").wait(1.1).knock("1300").closed(21)
    case("one source's knocks do not help another's").knock("7000", "8000:udp").closed()
    case("one source's knocks do not help another's").knock("9000").closed()
    for flags in (0, FIN, RST, ACK, SYN | ACK, SYN | RST, SYN | FIN):
        case("with TCP flags 0x%02x it is no knock" % flags).knock("7000", "8000:udp") \
            .tcp(9000, flags).closed()

    # What opens nevertheless.
    case("wrong ones before do not spoil it").knock("9000", "8000:udp", *right).opens()
    case("starting anew opens").knock("7000", "8000:udp", *right).opens()
    case("7000,7000,8000,9000 opens").knock("7000", *right).opens()
    case("a SYN to the protected port in between changes nothing") \
        .knock("7000").closed().knock("8000:udp").closed().knock("9000").opens()
    case("a SYN to a port in use in between changes nothing").knock("7000").tcp(80) \
        .knock("8000:udp", "9000").opens()
    case("a datagram to a port in use in between changes nothing") \
        .knock("7000", "5353:udp", "8000:udp", "9000").opens()
    for flags in (FIN, RST, ACK, SYN | ACK):
        case("TCP flags 0x%02x in between change nothing" % flags).knock("7000") \
            .tcp(7999, flags).knock("8000:udp", "9000").opens()

    # Retransmissions: same source port, same sequence number.
    path = Path(family, source(family, next(numbers)))
    first, second, third = (knock_frame(path, knock, 30000 + i) for i, knock in enumerate(right))
    for name, frames in (
            ("repeated at once", (first, first, second, second, third, third)),
            ("repeated late", (first, second, first, third)),
            ("repeated late and often", (first, first, second, first, first, second, third))):
        one = case("knocks %s open" % name)
        one.path = Path(family, source(family, next(numbers)))
        renewed = [knock_frame(one.path, knock, 30000 + i) for i, knock in enumerate(right)]
        frames = [renewed[(first, second, third).index(frame)] for frame in frames]
        one.send(*frames).opens()
    case("a UDP knock repeated at once changes nothing") \
        .knock("7000", "8000:udp", "8000:udp", "9000").opens()

    # Doors that share ports.
    case("a longer door with the same prefix opens").knock("7000", "8000:udp", "9500", "9600") \
        .opens(23).closed(22)
    case("the shorter door does not open the longer one").knock(*right, "9500", "9600").closed(23)
    case("a door with the same suffix opens").knock("6500", "8000:udp", "9000") \
        .opens(24).closed(22)
    case("a splice of two doors opens neither").knock("7000", "8000:udp", "9500", "9000") \
        .closed(22).closed(23).closed(24)
    case("a splice of two doors opens neither").knock("1001", "1002", "1001", "1002") \
        .closed(25).closed(26)
    case("a splice of two doors opens neither").knock("1001", "1003", "1002", "1004") \
        .closed(25).closed(26)
    case("one door's end is another's start: left, then right") \
        .knock("1001", "1002", "1003", "1004").opens(25).closed(26) \
        .knock("1001", "1002").opens(26)
    case("a door inside another's sequence opens too") \
        .knock("1001", "1002", "1003").opens(35).closed(25)
    case("a repeat that the sequence wants advances it").knock("1500", "1500", "1600").opens(27)
    case("a repeat that the sequence wants cannot be left out").knock("1500", "1600").closed(27)

    # Special doors.
    case("TCP, ping and UDP open").knock("7100", "5:icmp", "7200:udp").opens(28)
    case("a ping with another code does not open").knock("7100", "4:icmp", "7200:udp").closed(28)
    case("without the ping it does not open").knock("7100", "7200:udp").closed(28)
    case("a Close_Sequence closes").knock("2100", "2200").opens(29) \
        .knock("2200", "2100", "2300").closed(29)
    case("after a Close_Sequence the door opens again").knock("2100", "2200").opens(29) \
        .knock("2200", "2100", "2300").closed(29).knock("2100", "2200").opens(29)
    one = case("another source's Close_Sequence does not close").knock("2100", "2200")
    case("the other source").knock("2200", "2100", "2300")
    one.opens(29)
    case("a door that is open until closed opens").knock("3900", "3700", "3800").opens(37) \
        .knock("3800", "3700", "3900").closed(37)
    case("a Close_Sequence alone opens nothing").knock("2200", "2100", "2300").closed(29)
    case("who is not in Knock_From cannot open").knock("2500", "2600").closed(30)
    case("who is in Knock_From can open, but must knock", 240).closed(30) \
        .knock("2500", "2600").opens(30)
    case("a trusted source needs no knock, at any door", 250).opens(22).opens(31)
    case("a door's trusted source needs no knock there", 251).opens(31)
    case("a door's trusted source must knock elsewhere", 251).closed(22).knock(*right).opens(22)
    case("a port can be protected and a knock port").closed(33) \
        .knock("33", "3300", "3400").opens(33)
    case("a sequence of one knock opens").knock("3600").opens(34)


for family in FAMILIES:
    cases(family)
report.end()
