#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One door's grants can be used up; that keeps no other door from opening. Places of expired grants
# are taken again without knockd's help.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

world
listen "$SERVER" listener tcp:22 tcp:23
conf <<END
[options]
	Max_Grants = 128
[crowded]
	Sequence = 7000,7001
	Open = 22
	Open_Time = 60
[quiet]
	Sequence = 9000,9001
	Open = 23
	Open_Time = 60
END
knockd_start
in_client "$HELPERS/flood" eth0 knocks4 2000 7000 7001 >/dev/null
in_client "$HELPERS/flood" eth0 knocks6 2000 7000 7001 >/dev/null
packets 071-doors.py 22 closed 7000 7001 || fail "a crowded door has no grant left"
expect "this is logged" wait_for 3 logged 'crowded: .*no grant'
packets 071-doors.py 23 open 9000 9001 || fail "another door opens nevertheless"
knockd_stop

conf <<END
[options]
	Max_Grants = 128
[short]
	Sequence = 7000,7001
	Open = 22
	Open_Time = 1
END
knockd_start
# From here on the kernel is alone.
kill -STOP "$KNOCKD_PID"
in_client "$HELPERS/flood" eth0 knocks4 2000 7000 7001 >/dev/null
in_client "$HELPERS/flood" eth0 knocks6 2000 7000 7001 >/dev/null
packets 071-doors.py 22 closed 7000 7001 || fail "a table full of grants takes no other"
sleep 2.5
packets 071-doors.py 22 open 7000 7001 || fail "a table full of expired grants takes the next"
kill -CONT "$KNOCKD_PID"
knockd_stop
