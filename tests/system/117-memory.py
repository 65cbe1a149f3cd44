# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a process has these bytes in memory that it can write: 117-memory.py PID TEXT"""

import sys

process, text = sys.argv[1], sys.argv[2].encode()
with open(f"/proc/{process}/maps") as maps, open(f"/proc/{process}/mem", "rb") as memory:
    for line in maps:
        area, rights = line.split()[:2]
        if not rights.startswith("rw"):
            continue
        begin, end = (int(number, 16) for number in area.split("-"))
        memory.seek(begin)
        try:
            if text in memory.read(end - begin):
                sys.exit(0)
        except OSError:
            continue
sys.exit(1)
