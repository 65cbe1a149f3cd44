# SPDX-License-Identifier: GPL-2.0-or-later
"""Prints what a service tells its manager: 115-notify.py SOCKET"""

import socket
import sys

manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(sys.argv[1])
print("ready", flush=True)
while True:
    print(manager.recv(4096).decode().rstrip("\n"), flush=True)
