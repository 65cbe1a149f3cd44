#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# When a door opens and when it does not: order, time, protocol, repeats, strays, doors that share
# ports, ICMP, closing sequences, trust. The sentences are in 060-sequences.py.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

world
# Every door opens a port of its own, and all of them have a listener.
listen "$SERVER" listener tcp:22 tcp:2{1,3,4,5,6,7,8,9} tcp:3{0,1,2,3,4,5,6,7} tcp:80 udp:5353
conf <<END
[options]
	Trust = 198.51.100.250, 2001:db8:51::fa
[ssh]
	Sequence = 7000,8000:udp,9000
	Open = 22
[hasty]
	Sequence = 1100,1200,1300
	Open = 21
	Seq_Timeout = 1
[shared prefix]
	Sequence = 7000,8000:udp,9500,9600
	Open = 23
[shared suffix]
	Sequence = 6500,8000:udp,9000
	Open = 24
[left]
	Sequence = 1001,1002,1003,1004
	Open = 25
[right]
	Sequence = 1003,1004,1001,1002
	Open = 26
[repeat]
	Sequence = 1500,1500,1600
	Open = 27
[ping]
	Sequence = 7100,5:icmp,7200:udp
	Open = 28
[shut]
	Sequence = 2100,2200
	Close_Sequence = 2200,2100,2300
	Open = 29
[members]
	Sequence = 2500,2600
	Open = 30
	Knock_From = 198.51.100.240, 2001:db8:51::f0
[friends]
	Sequence = 2700,2800
	Open = 31
	Trust = 198.51.100.251, 2001:db8:51::fb
[both ways]
	Sequence = 33,3300,3400
	Open = 33
[one]
	Sequence = 3600
	Open = 34
[until closed]
	Sequence = 3900,3700,3800
	Close_Sequence = 3800,3700,3900
	Open = 37
	Open_Time = 0
[inside]
	Sequence = 1002,1003
	Open = 35
END
knockd_start
packets 060-sequences.py || fail "all sentences are true"
knockd_stop

conf <<END
[flags]
	Sequence = 7000,8000
	Open = 22
	TCPFlags = fin,!syn
[plain]
	Sequence = 7000,8000
	Open = 23
END
knockd_start
packets 060-flags.py || fail "doors with TCPFlags have a stream of their own"
knockd_stop
