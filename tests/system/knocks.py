# SPDX-License-Identifier: GPL-2.0-or-later
"""Sends knocks from any address: knocks.py [-i INTERFACE] WORD...

	from=ADDRESS     source from here on (default: the client's own, of to's family)
	to=ADDRESS       destination from here on (default: the server's, of from's family)
	+SECONDS         a pause
	PORT[:udp][/FLAG...][/behind][*COUNT]
	                 TCP flags instead of SYN: fin, syn, rst, psh, ack, urg; /behind: behind an
	                 extension header, IPv6 only; COUNT times

Each segment has a source port and sequence number of its own.
"""

import itertools
import sys
import time

import wire
from wire import CLIENT, DESTINATION, FIN, SERVER, SYN, TCP, UDP, Link, Path

FLAGS = {"fin": FIN, "syn": SYN, "rst": wire.RST, "psh": wire.PSH, "ack": wire.ACK,
         "urg": wire.URG}


def family(address):
    return 6 if ":" in address else 4


def frame(path, port, protocol, words, sport):
    flags = sum(FLAGS[word] for word in words if word in FLAGS) or SYN
    if protocol == "udp":
        number, data = UDP, path.udp(sport, port)
    else:
        number, data = TCP, path.tcp(sport, port, flags, seq=time.monotonic_ns())
    if "behind" in words:
        number, data = DESTINATION, bytes([number, 0, 1, 4, 0, 0, 0, 0]) + data
    return path.frame(path.packet(number, data))


def main():
    words = sys.argv[1:]
    interface = words.pop(1) if words[0] == "-i" and words.pop(0) else "eth0"
    link, src, dst = Link(interface), CLIENT[4], SERVER[4]
    sports = itertools.count(20000 + time.monotonic_ns() // 1000 % 20000)
    for word in words:
        if word.startswith("from="):
            src = word[5:]
            dst = dst if family(dst) == family(src) else SERVER[family(src)]
        elif word.startswith("to="):
            dst = word[3:]
            src = src if family(dst) == family(src) else CLIENT[family(dst)]
        elif word.startswith("+"):
            time.sleep(float(word[1:]))
        else:
            word, _, count = word.partition("*")
            knock, *rest = word.split("/")
            port, _, protocol = knock.partition(":")
            path = Path(family(src), src, dst)
            for _ in range(int(count or 1)):
                link.send(frame(path, int(port), protocol, rest, next(sports)))


main()
