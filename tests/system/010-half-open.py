# SPDX-License-Identifier: GPL-2.0-or-later
"""Half a handshake before a file appears, the other half afterwards: 010-half-open.py FILE"""

import os
import sys
import time

from wire import ACK, CLIENT, FAMILIES, RST, Link, Path, Report, source

link, report = Link(), Report()
half_open = {}
for family in FAMILIES:
    path = Path(family, source(family, 1))
    link.send(path.tcp_frame(3000, 22, seq=100))
    for segment in link.settle():
        if segment.is_syn_ack():
            half_open[family] = (path, segment)
assert len(half_open) == len(FAMILIES), "sshd answers a SYN of each family; not %s" % CLIENT
print("half open", flush=True)

end = time.monotonic() + 20
while not os.path.exists(sys.argv[1]):
    assert time.monotonic() < end, "the test goes on"
    time.sleep(0.02)

for family, (path, syn_ack) in half_open.items():
    link.drain()
    link.send(path.tcp_frame(3000, 22, ACK, seq=101, ack=syn_ack.seq + 1))
    banner, end = b"", time.monotonic() + 5
    while not banner and time.monotonic() < end:
        segment = link.receive(end - time.monotonic())
        if segment and segment.dst == path.src and segment.dport == 3000:
            banner = segment.payload
    report.check("a connection half open at the start completes over IPv%d" % family,
                 banner.startswith(b"SSH-2.0"), banner)
    link.send(path.tcp_frame(3000, 22, RST, seq=101))
report.end()
