#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Under Closed = reset, a protected port on which somebody listens answers, byte for byte, what an
# unused port of the same host answers without knockd; so does a knock port.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

world
listen "$SERVER" listener tcp:22 udp:22 tcp:60000 udp:60000
conf <<END
[options]
	Closed = reset
[door]
	Sequence = 7000,8000:udp,9000
	Open = 22, 22:udp, 60000, 60000:udp
END

packets 021-answers.py record "$T/unused.json" 24 || fail "an unused port's answers are recorded"
expect_not "unguarded, a port in use answers otherwise" \
	packets 021-answers.py compare "$T/unused.json" 22

before=$(grep -c '^got' "$T/listener.log")
knockd_start
for port in 22 60000 24 7000 8000 9000; do
	packets 021-answers.py compare "$T/unused.json" $port ||
		fail "port $port answers what an unused port answers"
done
expect_equal "no datagram reached the socket" "$(grep -c '^got' "$T/listener.log")" "$before"
knockd_stop
