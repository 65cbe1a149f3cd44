# SPDX-License-Identifier: GPL-2.0-or-later
"""A conversation over UDP before, during and after a grant: 081-udp-flow.py ADDRESS PORT KNOCK"""

import socket
import subprocess
import sys
import time

from wire import Report

address, port, knock = sys.argv[1], int(sys.argv[2]), sys.argv[3]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
option = "-6" if ":" in address else "-4"
report = Report()


def conversation():
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.connect((address, port))
    return sock


def answered(sock, patience=1.0):
    sock.settimeout(patience)
    try:
        sock.send(b"word")
        return sock.recv(100) == b"word"
    except OSError:
        return False


stranger, friend = conversation(), conversation()
report.check(address + ": a stranger's datagrams are not answered", not answered(stranger, 0.3))
subprocess.run([knock, option, address, "7000", "8000:udp", "9000"], check=True)
report.check(address + ": after the knock they are", answered(friend))
time.sleep(1.4)
for _ in range(3):
    report.check(address + ": the conversation goes on after the grant", answered(friend))
report.check(address + ": a new one does not begin", not answered(conversation(), 0.3))
report.check(address + ": nor does the one that was refused before", not answered(stranger, 0.3))
report.end()
