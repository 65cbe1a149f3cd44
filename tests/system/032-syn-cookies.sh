#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# With SYN cookies a connection has no socket before its last ACK. That ACK, right or made up,
# establishes nothing without a grant; with one it does.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

world
in_server sh -c 'echo 2 >/proc/sys/net/ipv4/tcp_syncookies'
listen "$SERVER" listener tcp:22
for closed in drop reset; do
	conf <<-END
	[options]
		Closed = $closed
	[door]
		Sequence = 7000,8000:udp,9000
		Open = 22
		Open_Time = 60
	END
	packets 032-syn-cookies.py "$T/wait" "$T/go" >"$T/$closed.out" 2>&1 &
	python=$!
	wait_for 20 test -e "$T/wait" || fail "SYN cookies: $(cat "$T/$closed.out")"
	knockd_start
	touch "$T/go"
	wait "$python" || fail "Closed = $closed: $(cat "$T/$closed.out")"
	cat "$T/$closed.out"
	knockd_stop
	rm "$T/wait" "$T/go"
done
