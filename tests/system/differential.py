# SPDX-License-Identifier: GPL-2.0-or-later
"""The same packets to Debian's knockd and to ours, and why what they do differs.

	differential.py conf FILE      prints the config; its commands append to FILE
	differential.py models COUNT   no packets: the two models against each other, COUNT times
	differential.py run FOLDER     in the client; commands append to ours.out and classicN.out

A stream is what one source sends: right sequences, spliced, repeated, slow and spoiled ones. The
streams are dealt out to WORLDS of the classic, because in each of those the streams disturb each
other; ours hears all of them. Every source's openings must be those of the model, on both sides;
and the model of the classic, relieved of its quirks, must do what ours did.
"""

import bisect
import collections
import math
import os
import random
import socket
import sys
import time

import knockmodels
from knockmodels import QUIRKS, Classic, Door, Ours, Packet
from wire import (ACK, CLIENT, DESTINATION, FAMILIES, FIN, PSH, RST, SERVER, SYN, TCP, UDP, Path,
                  Report)

WORLDS, STREAMS_A_WORLD = 16, 27
SECONDS = 30
# No stream's result may hang on less than this.
BORDER_S, BORDER_COMMANDS_S = 0.1, 0.3
# Ours starts no more commands of a door in one second.
DOOR_STARTS_MAX = 10
OTHER = {4: "192.0.2.9", 6: "2001:db8::9"}

SYN_SET, FIN_NOT_ACK = (SYN, SYN), (FIN | ACK, FIN)
FLAG_NAMES = {SYN_SET: "syn", FIN_NOT_ACK: "fin,!ack"}
STOP_AFTER = 2

DOORS = [
    Door("plain", "7000,8000:udp,9000", 3, SYN_SET),
    Door("longer", "7000,8000:udp,9000,9500:udp", 3, SYN_SET),
    Door("suffix", "6500,8000:udp,9000", 3, SYN_SET),
    Door("left", "1001,1002,1003,1004", 3, SYN_SET),
    Door("right", "1003,1004,1001,1002", 3, SYN_SET),
    Door("inside", "1002,1003", 2, SYN_SET),
    Door("doubled", "1500,1500,1600", 3, SYN_SET),
    Door("brief", "1100,1200,1300", 2, SYN_SET),
    Door("datagrams", "4100:udp,4200:udp,4300:udp", 2, SYN_SET),
    Door("default", "2100,2200,2300", 3),
    Door("fin", "3100,3200:udp,3300", 3, FIN_NOT_ACK),
    Door("one", "5000:udp", 3),
    Door("stopped", "5600,5700", 2, SYN_SET, stop_after=STOP_AFTER),
    Door("other", "6100,6200:udp", 3, SYN_SET, target=OTHER[4]),
]
STRAYS = [("tcp", 7999), ("udp", 7999), ("tcp", 8000), ("udp", 7000), ("tcp", 23)]
ALL_KNOCKS = sorted({knock for door in DOORS for knock in door.knocks})


def conf(path):
    for door in DOORS:
        print("[%s]\n\tSequence = %s\n\tSeq_Timeout = %d" %
              (door.name, door.sequence, door.timeout))
        if door.flags:
            print("\tTCPFlags = %s" % FLAG_NAMES[door.flags])
        if door.target:
            print("\tTarget = %s" % door.target)
        print("\tStart_Command = echo %%IP%% %s >>%s" % (door.name, path))
        if door.stop_after:
            print("\tCmd_Timeout = %d\n\tStop_Command = echo %%IP%% %s-stop >>%s" %
                  (door.stop_after, door.name, path))


class Stream:
    """One source's packets, each with its time from the start; those are what is random."""

    def __init__(self, dice, number):
        self.dice, self.family = dice, FAMILIES[number % 2]
        third = number // 200
        self.src = "198.51.%d.%d" % (100 + third, 1 + number % 200) if self.family == 4 else \
            "2001:db8:51::%x" % (0x100 + number)
        self.world = number % WORLDS
        self.path = Path(self.family, self.src)
        self.sport, self.clock, self.plan = 20000, 0.0, []
        # Late enough that no packet falls behind the end of the run.
        self.slow = dice.random() < 0.35
        for _ in range(dice.choice((1, 1, 2, 2, 3))):
            self.add_phrase()
        self.clock = dice.uniform(0, max(0.1, SECONDS - self.clock))
        self.plan = [(at + self.clock, packet) for at, packet in self.plan]

    def pause(self):
        if self.slow and self.dice.random() < 0.4:
            return self.dice.uniform(0.3, 1.7)
        return self.dice.uniform(0.01, 0.08)

    def add(self, protocol, port, flags=SYN, dst=None, name=None):
        self.clock += self.pause()
        if name is None and protocol == "tcp":
            self.sport += 1
            name = self.sport, port
        extended = self.family == 6 and self.dice.random() < 0.04
        packet = Packet(self.src, dst or SERVER[self.family], protocol, port,
                        flags if protocol == "tcp" else 0, name, extended)
        self.plan.append((self.clock, packet))
        return packet

    def add_knocks(self, door, knocks):
        flags = {FIN_NOT_ACK: FIN}.get(door.flags, SYN)
        dst = OTHER[self.family] if door.target else None
        for protocol, port in knocks:
            self.add(protocol, port, flags, dst)

    def add_phrase(self):
        """A right sequence, or one with something done to it."""
        dice = self.dice
        doors = [door for door in DOORS if self.family == 4 or not door.target]
        door = dice.choice(doors)
        knocks, at = door.knocks, dice.randint(1, len(door.knocks))
        kind = dice.choice(("right", "right", "right", "stray", "wrong", "repeat", "copy", "flags",
                            "missing", "swapped", "splice", "again", "protocol", "overlap",
                            "session"))
        if kind == "missing":
            self.add_knocks(door, knocks[:at - 1] + knocks[at:])
        elif kind == "swapped":
            self.add_knocks(door, dice.sample(knocks, len(knocks)))
        elif kind == "again":
            self.add_knocks(door, knocks[:at] + knocks)
        elif kind == "overlap":
            # The end of one is the beginning of the next.
            self.add_knocks(DOORS[3], DOORS[3].knocks)
            self.add_knocks(DOORS[4], DOORS[4].knocks[2:])
        elif kind == "session":
            # Segments of a connection, to a door that is not choosy.
            for protocol, port in dice.choice(
                    [d for d in doors if d.flags is None]).knocks:
                self.add(protocol, port, dice.choice((SYN, ACK, ACK | PSH, SYN | ACK)))
        elif kind == "protocol":
            self.add_knocks(door, knocks[:at - 1] + [
                ({"tcp": "udp", "udp": "tcp"}[knocks[at - 1][0]], knocks[at - 1][1])] +
                knocks[at:])
        elif kind == "splice":
            other = dice.choice(doors)
            self.add_knocks(door, knocks[:at])
            self.add_knocks(other, other.knocks)
            self.add_knocks(door, knocks[at:])
        else:
            self.add_knocks(door, knocks[:at])
            self.spoil(kind, door)
            self.add_knocks(door, knocks[at:])

    def spoil(self, kind, door):
        latest = self.plan[-1][1]
        dst = latest.dst
        if kind == "stray":
            self.add(*self.dice.choice(STRAYS), latest.flags or SYN, dst)
        elif kind == "wrong":
            self.add(*self.dice.choice(ALL_KNOCKS), latest.flags or SYN, dst)
        elif kind == "repeat":
            self.add(*latest.knock(), latest.flags, dst)
        elif kind == "copy":
            again = self.dice.choice(self.plan[-3:])[1]
            self.add(*again.knock(), again.flags, again.dst, again.name)
        elif kind == "flags":
            self.add("tcp", self.dice.choice([port for _, port in door.knocks + ALL_KNOCKS[:4]]),
                     self.dice.choice((ACK, ACK | PSH, SYN | ACK, RST, FIN, FIN | ACK)), dst)

    def frame(self, packet):
        path = Path(self.family, self.src, packet.dst)
        if packet.protocol == "tcp":
            sport, number = packet.name[0], TCP
            data = path.tcp(sport, packet.port, packet.flags, seq=sport * 7919)
        else:
            number, data = UDP, path.udp(30000, packet.port)
        if packet.extended:
            # Destination options: padding only.
            number, data = DESTINATION, bytes([number, 0, 1, 4, 0, 0, 0, 0]) + data
        return path.frame(path.packet(number, data))

    def timeline(self, start=0.0):
        words = ["%s:" % self.src]
        for at, packet in self.plan:
            words.append("    %7.3f s  %s %d%s%s%s" % (
                (packet.time or at) - start, packet.protocol, packet.port,
                " flags 0x%02x" % packet.flags if packet.protocol == "tcp" else "",
                " to %s" % packet.dst if packet.dst != SERVER[self.family] else "",
                " behind an extension header" if packet.extended else ""))
        return "\n".join(words)


def streams_make(seed, count):
    dice = random.Random(seed)
    return [Stream(dice, number) for number in range(count)]


def schedule(streams):
    """(time, stream, packet), in the order of time."""
    return sorted(((at, stream, packet) for stream in streams for at, packet in stream.plan),
                  key=lambda item: item[0])


def feed(model, packets):
    for packet in packets:
        model.hear(packet)
    return model


def names(ran):
    return [what for _, what in ran]


class Judge:
    """All models' opinions of what was sent; sides of the wire are compared with them."""

    def __init__(self, streams, order):
        self.streams, self.order = streams, order
        self.ours = feed(Ours(DOORS), order)
        self.early, self.late = (feed(Ours(self.doors_stretched(by)), order)
                                 for by in (-BORDER_S, BORDER_S))
        worlds = collections.defaultdict(list)
        for stream in streams:
            worlds[stream.world].append(stream.src)
        self.world_of = {src: world for world, sources in worlds.items() for src in sources}
        self.times = collections.defaultdict(list)
        for now, name in sorted((now, door.name) for opened in self.ours.opened.values()
                                for now, door in opened):
            self.times[name].append(now)
        self.classics = self.classic_with(QUIRKS)
        self.relieved = self.classic_with(())
        # The classic with all quirks but one: is that one seen at all?
        self.without = {quirk: self.classic_with(set(QUIRKS) - {quirk}) for quirk in QUIRKS}

    @staticmethod
    def doors_stretched(by):
        return [Door(d.name, d.sequence, d.timeout + by, d.flags, d.target, d.stop_after)
                for d in DOORS]

    def classic_with(self, quirks):
        models = [Classic(DOORS, quirks) for _ in range(WORLDS)]
        for packet in self.order:
            models[self.world_of[packet.src]].hear(packet)
        return models

    def openings(self, models, src):
        return models[self.world_of[src]].openings(src)

    def is_close(self, src):
        """Whether what ours does hangs on a moment, or the door has too much to do."""
        ran = self.ours.openings(src)
        if names(self.early.openings(src)) != names(ran) or \
                names(self.late.openings(src)) != names(ran):
            return True
        opened = self.ours.opened[src]
        if any(self.is_crowded(now, door) for now, door in opened):
            return True
        for i, (now, door) in enumerate(opened):
            for then, other in opened[:i]:
                limit = door.stop_after or knockmodels.STARTS_APART_S
                if other.name == door.name and abs(now - then - limit) < BORDER_COMMANDS_S:
                    return True
        return False


    def is_crowded(self, now, door):
        """Whether ours may refuse a command because the door has had its share of the second."""
        times = self.times[door.name]
        return bisect.bisect(times, now + 0.1) - bisect.bisect(times, now - 1.1) > DOOR_STARTS_MAX


def same(seen, ran):
    """Whether these commands ran, in this order where they were not almost at once."""
    if sorted(seen) != sorted(names(ran)):
        return False
    places = collections.defaultdict(list)
    for place, what in enumerate(seen):
        places[what].append(place)
    timed = [(at, places[what].pop(0)) for at, what in ran]
    return all(a[1] < b[1] for a in timed for b in timed if a[0] + 1 < b[0])


def models(seed, rounds):
    """No packets: the classic without quirks is ours."""
    report, hits, close, count = Report(), collections.Counter(), 0, 0
    for number in range(rounds):
        streams = streams_make("%s %d" % (seed, number), WORLDS * STREAMS_A_WORLD)
        order = []
        for at, _, packet in schedule(streams):
            packet.time = at
            order.append(packet)
        judge = Judge(streams, order)
        for stream in streams:
            count += 1
            if judge.is_close(stream.src):
                close += 1
                continue
            ours = judge.ours.openings(stream.src)
            relieved = judge.openings(judge.relieved, stream.src)
            if ours != relieved:
                report.check("a classic without quirks is ours", False,
                             "%s / %s\n%s" % (ours, relieved, stream.timeline()))
            full = judge.openings(judge.classics, stream.src)
            hits["differ"] += names(full) != names(ours)
            hits["open"] += bool(ours)
            hits["classic opens"] += bool(full)
            for quirk in QUIRKS:
                hits[quirk] += full != judge.openings(judge.without[quirk], stream.src)
    print(count, "streams,", close, "close,", dict(hits))
    report.end()


def send(streams):
    """Sends each packet to ours and to the classic of its world, and notes when."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    wires = [packet_socket("classic%d" % world) for world in range(WORLDS)]
    ours, order, slow = packet_socket("eth0"), [], set()
    plan = [(at, stream, packet, stream.frame(packet)) for at, stream, packet in schedule(streams)]
    start = time.time() + 0.2
    for at, stream, packet, frame in plan:
        time.sleep(max(0.0, start + at - time.time()))
        # The classic counts whole seconds: both sides must see the packet in the same one.
        while not 0.02 < (now := time.time()) % 1 < 0.95:
            time.sleep(0.005)
        packet.time = now
        wires[stream.world].send(frame)
        if math.floor(time.time()) != math.floor(now):
            slow.add(stream.world)
        ours.send(frame)
        if time.time() - now > 0.8 * BORDER_S:
            slow.add(stream.world)
        order.append(packet)
    return order, slow


def packet_socket(interface):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((interface, 0))
    return sock


def commands_read(path):
    """{source: what ran for it}, of a file that commands appended to."""
    ran = collections.defaultdict(list)
    with open(path, encoding="ascii") as lines:
        for line in lines:
            src, what = line.split()
            ran[src].append(what)
    return ran


def run(seed, folder):
    report = Report()
    streams = streams_make(seed, WORLDS * STREAMS_A_WORLD)
    order, slow = send(streams)
    # What is owed at the end, and a machine that has more to do.
    time.sleep(STOP_AFTER + 2)
    judge = Judge(streams, order)
    seen_ours = commands_read(os.path.join(folder, "ours.out"))
    seen_classic = {}
    for world in range(WORLDS):
        seen_classic.update(commands_read(os.path.join(folder, "classic%d.out" % world)))
    false = collections.defaultdict(list)
    hits = collections.Counter()
    judged = [stream for stream in streams
              if stream.world not in slow and not judge.is_close(stream.src)]
    for stream in judged:
        src = stream.src
        ours, classic = judge.ours.openings(src), judge.openings(judge.classics, src)
        relieved = judge.openings(judge.relieved, src)
        for side, expected, seen in (("ours", ours, seen_ours[src] if src in seen_ours else []),
                                     ("the classic", classic, seen_classic.get(src, []))):
            if not same(seen, expected):
                false[side].append("%s ran %s, expected %s\n%s" % (
                    side, seen, expected, stream.timeline(order[0].time)))
        if relieved != ours:
            false["relieved"].append("a classic without quirks would have run %s, ours %s\n%s" % (
                relieved, ours, stream.timeline(order[0].time)))
        hits["alike" if names(ours) == names(classic) else "different"] += 1
        for quirk in QUIRKS:
            hits[quirk] += classic != judge.openings(judge.without[quirk], src)
    opened = sum(len(judge.ours.opened[stream.src]) for stream in judged)
    print("%d packets of %d sources; %d openings; %d sources are treated alike, %d differently" % (
        len(order), len(judged), opened, hits["alike"], hits["different"]))
    report.check("at least 300 streams could be judged", len(judged) >= 300,
                 "%d; %d worlds were too slow" % (len(judged), len(slow)))
    for side, sentence in (("ours", "ours does what the manual says"),
                           ("the classic", "the classic does what is known of it"),
                           ("relieved", "every difference is one that has a name")):
        report.check("in all streams %s" % sentence, not false[side],
                     "\n".join(["%d do not" % len(false[side])] + false[side][:3]))
    for quirk, sentence in QUIRKS.items():
        report.check("seen in %d streams: %s" % (hits[quirk], sentence), hits[quirk])
    report.end()


def main():
    seed = os.environ.get("KNOCKD_SEED", "2026")
    if sys.argv[1] == "conf":
        conf(*sys.argv[2:])
        return
    print("KNOCKD_SEED=%s" % seed)
    if sys.argv[1] == "models":
        models(seed, int(sys.argv[2]))
    else:
        run(seed, sys.argv[2])


main()
