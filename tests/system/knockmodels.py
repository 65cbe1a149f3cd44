# SPDX-License-Identifier: GPL-2.0-or-later
"""What Debian's knockd and ours make of the same packets.

Two models that share no code but the doors. Ours is the sentence of the manual: a door opens when
a source's most recent knocks are exactly its sequence, in time. The classic's is the list of
attempts of knockd 0.8, where every property in which the two are known to differ is a quirk with a
name. A classic without quirks must do what ours does: that is how differential.py tells a
documented difference from a bug.
"""

import collections
import math

from wire import ACK, FIN, RST, SYN

# Each quirk of the classic, and what ours does instead.
QUIRKS = {
    "deaf": "packets to ports of no door are not seen; ours: a stray ends what was begun",
    "headers": "IPv6 extension headers are not read; ours: they are",
    "any flags": "without TCPFlags every segment is a knock; ours: only what begins a connection",
    "seconds": "time is counted in whole seconds; ours: as it is",
    "head": "the end of the oldest attempt is the end of all; ours: of that one",
    "swallow": "the knock that breaks or ends an attempt begins none; ours: it may be a first one",
    "busy": "nothing begins while the source is at some door; ours: all doors hear all knocks",
    "repeats": "a knock that is repeated breaks the attempt; ours: it changes nothing",
    "copies": "a late copy of a segment breaks the attempt; ours: it changes nothing",
    "starts": "every opening runs the command; ours: one a second and source, and none while its "
              "stop command is owed",
}

# Flags of a knock where a door has no TCPFlags: (mask, value).
FLAGS_DEFAULT = (SYN | ACK | FIN | RST, SYN)
STARTS_APART_S = 1.0


class Door:
    """A section of the config; knocks is its Sequence, flags is (mask, value) or None."""

    def __init__(self, name, sequence, timeout, flags=None, target=None, stop_after=None):
        self.name, self.sequence, self.timeout = name, sequence, timeout
        self.flags, self.target, self.stop_after = flags, target, stop_after
        self.knocks = [(knock.partition(":")[2] or "tcp", int(knock.partition(":")[0]))
                       for knock in sequence.split(",")]

    def flags_match(self, packet, default):
        mask, value = self.flags or default
        return packet.protocol != "tcp" or packet.flags & mask == value

    def stream(self):
        return self.flags or FLAGS_DEFAULT, self.target


class Packet:
    """One that was sent: seconds of the wall clock, where from and to, what."""

    def __init__(self, src, dst, protocol, port, flags=0, name=None, extended=False):
        self.src, self.dst, self.protocol, self.port = src, dst, protocol, port
        self.flags, self.name, self.extended = flags, name, extended
        self.time = None

    def knock(self):
        return self.protocol, self.port


def to_target(packet, target):
    return target is None or packet.dst == target


class Attempt:
    def __init__(self, src, door, now):
        self.src, self.door, self.start = src, door, now
        self.stage, self.latest = 0, None

    def lives(self):
        return 0 <= self.stage < len(self.door.knocks)


class Classic:
    """The classic, with some of its quirks. hear() all packets, then openings()."""

    def __init__(self, doors, quirks):
        self.doors, self.quirks = doors, frozenset(quirks)
        self.attempts = []
        self.opened = collections.defaultdict(list)
        self.counted = collections.defaultdict(list)  # (source, stream) → (name, time)
        self.done = collections.defaultdict(list)     # (source, stream) → attempts that opened
        self.default = (0, 0) if "any flags" in self.quirks else FLAGS_DEFAULT

    def arrives(self, packet):
        if packet.extended and "headers" in self.quirks:
            return False
        if "deaf" not in self.quirks:
            return True
        return any(packet.knock() in door.knocks and to_target(packet, door.target) and
                   door.flags_match(packet, self.default) for door in self.doors)

    def expired(self, attempt, now):
        if "seconds" in self.quirks:
            return math.floor(now) - math.floor(attempt.start) >= attempt.door.timeout
        return now - attempt.start > attempt.door.timeout

    def clean(self, now):
        def ended(attempt):
            return not attempt.lives() or self.expired(attempt, now)
        if "head" in self.quirks and self.attempts and ended(self.attempts[0]):
            self.attempts = []
        self.attempts = [attempt for attempt in self.attempts if not ended(attempt)]

    def advance(self, attempt, packet):
        attempt.stage += 1
        attempt.latest = packet
        if attempt.stage == len(attempt.door.knocks):
            self.opened[packet.src].append((packet.time, attempt.door))
            self.done[packet.src, attempt.door.stream()].append(attempt)

    def hear(self, packet):
        if not self.arrives(packet):
            return
        self.clean(packet.time)
        found = [attempt for attempt in self.attempts
                 if attempt.src == packet.src and to_target(packet, attempt.door.target)]
        spared = self.spared(packet, found)
        for attempt in found:
            if attempt.door.stream() in spared:
                continue
            if not attempt.door.flags_match(packet, self.default):
                continue
            if packet.knock() == attempt.door.knocks[attempt.stage]:
                self.advance(attempt, packet)
            else:
                attempt.stage = -1
        live = any(attempt.lives() for attempt in found)
        if not found or ("busy" if live else "swallow") not in self.quirks:
            self.begin(packet, spared)
        for stream in {a.door.stream() for a in self.attempts if a.latest is packet}:
            self.counted[packet.src, stream].append((packet.name, packet.time))

    def begin(self, packet, spared):
        for door in self.doors:
            if packet.knock() == door.knocks[0] and to_target(packet, door.target) and \
                    door.flags_match(packet, self.default) and door.stream() not in spared:
                attempt = Attempt(packet.src, door, packet.time)
                self.attempts.append(attempt)
                self.advance(attempt, packet)

    # What follows only ours does.

    def streams(self, packet):
        return {door.stream() for door in self.doors
                if door.flags_match(packet, self.default) and to_target(packet, door.target)}

    def longest(self, stream):
        return max(door.timeout for door in self.doors if door.stream() == stream)

    def spared(self, packet, found):
        """The streams in which the packet is a repeat, and changes nothing."""
        spared = set()
        for stream in self.streams(packet):
            here = [attempt for attempt in found if attempt.door.stream() == stream]
            key = packet.src, stream
            if "copies" not in self.quirks and packet.name is not None and any(
                    name == packet.name and packet.time - then <= self.longest(stream)
                    for name, then in self.counted[key]):
                spared.add(stream)
            elif "repeats" not in self.quirks and here and \
                    here[0].latest.knock() == packet.knock() and not self.wanted(packet, here):
                spared.add(stream)
                if self.slide(packet, here + self.done[key]):
                    self.counted[key].append((packet.name, packet.time))
        return spared

    @staticmethod
    def slide(packet, here):
        """Of equal knocks the latest count; whether all of the furthest attempt's are equal."""
        here = [attempt for attempt in here if attempt.latest is here[0].latest]
        here.sort(key=lambda attempt: -attempt.stage)
        equal = [set(a.door.knocks[:a.stage]) == {packet.knock()} for a in here]
        for attempt in (a for a, alike in zip(here, equal) if alike):
            attempt.start = min((a.start for a in here if a.stage == attempt.stage - 1 and
                                 a.door is attempt.door), default=packet.time)
        return equal[0]

    def wanted(self, packet, here):
        """Whether some door's furthest attempt waits for just this knock."""
        stream = here[0].door.stream()
        for door in self.doors:
            if door.stream() == stream:
                stage = max((a.stage for a in here if a.door is door), default=0)
                if door.knocks[stage] == packet.knock():
                    return True
        return False

    def openings(self, src):
        return commands(self.opened[src], "starts" in self.quirks)


class Ours:
    """Ours: for each source and stream the latest knocks; a door whose sequence they end in."""

    def __init__(self, doors):
        self.doors = doors
        self.heard = collections.defaultdict(list)    # (source, stream) → (knock, time)
        self.counted = collections.defaultdict(list)  # (source, stream) → (name, time)
        self.opened = collections.defaultdict(list)
        self.streams = {}
        for door in doors:
            self.streams.setdefault(door.stream(), []).append(door)

    def hear(self, packet):
        for (flags, target), doors in self.streams.items():
            if to_target(packet, target) and \
                    (packet.protocol != "tcp" or packet.flags & flags[0] == flags[1]):
                self.hear_in((packet.src, (flags, target)), doors, packet)

    @staticmethod
    def ends_in_beginning(heard, length, door):
        tail = [knock for knock, _ in heard[len(heard) - length:]]
        return tail == door.knocks[:length]

    def forget(self, key, doors, now):
        """All but the longest tail with which a sequence begins that is in time."""
        heard = self.heard[key]
        for length in range(len(heard), 0, -1):
            if any(length <= len(door.knocks) and
                   now - heard[-length][1] <= door.timeout and
                   self.ends_in_beginning(heard, length, door) for door in doors):
                del heard[:len(heard) - length]
                return
        heard.clear()

    def advances(self, heard, doors, knock):
        for door in doors:
            length = min(len(door.knocks) - 1, len(heard))
            while not self.ends_in_beginning(heard, length, door):
                length -= 1
            if door.knocks[length] == knock:
                return True
        return False

    def hear_in(self, key, doors, packet):
        now, heard = packet.time, self.heard[key]
        longest = max(door.timeout for door in doors)
        if packet.name is not None and any(
                name == packet.name and now - then <= longest
                for name, then in self.counted[key][-32:]):
            return
        self.forget(key, doors, now)
        if heard and heard[-1][0] == packet.knock() and \
                not self.advances(heard, doors, packet.knock()):
            if all(knock == packet.knock() for knock, _ in heard):
                del heard[0]
                heard.append((packet.knock(), now))
                self.counted[key].append((packet.name, now))
            else:
                heard[-1] = packet.knock(), now
            return
        heard.append((packet.knock(), now))
        for door in doors:
            length = len(door.knocks)
            if length <= len(heard) and self.ends_in_beginning(heard, length, door) and \
                    now - heard[-length][1] <= door.timeout:
                self.opened[packet.src].append((now, door))
        self.forget(key, doors, now)
        if heard:
            self.counted[key].append((packet.name, now))

    def openings(self, src):
        return commands(self.opened[src], every=False)


def commands(opened, every):
    """The commands that openings run: (time, what). every: the classic's way."""
    ran, started, owed = [], {}, {}
    for now, door in opened:
        if door.stop_after is None:
            if not every and now - started.get(door, -math.inf) < STARTS_APART_S:
                continue
            started[door] = now
        elif every:
            ran.append((now + door.stop_after, door.name + "-stop"))
        else:
            until = owed.pop(door, -math.inf)
            owed[door] = now + door.stop_after
            if now < until:
                continue
            if until > 0:
                ran.append((until, door.name + "-stop"))
        ran.append((now, door.name))
    ran += [(until, door.name + "-stop") for door, until in owed.items()]
    return sorted(ran)
