#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A UDP door admits who knocked, and a conversation that has begun goes on after the grant's time; a
# new one does not begin.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

world
listen "$SERVER" listener udp:60001
conf <<END
[voice]
	Sequence = 7000,8000:udp,9000
	Open = 60000-60010:udp
	Open_Time = 1
END
knockd_start
for address in $SERVER4 $SERVER6; do
	in_client "$PYTHON" "$SYSTEM/081-udp-flow.py" "$address" 60001 \
		"$SERVICES/usr/bin/knock" || fail "a UDP door works as said"
done
knockd_stop
