#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A closed connection's TIME_WAIT socket is no way in: Linux reopens it on a SYN, knockd does not
# without a grant. With a grant it is reopened as without knockd.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

world
listen "$SERVER" listener close:22
source=5
for closed in drop reset; do
	conf <<-END
	[options]
		Closed = $closed
	[door]
		Sequence = 7000,8000:udp,9000
		Open = 22
		Open_Time = 60
	END
	packets 031-time-wait.py "$T/wait" "$T/go" $source >"$T/$closed.out" 2>&1 &
	python=$!
	wait_for 20 test -e "$T/wait" || fail "TIME_WAIT sockets: $(cat "$T/$closed.out")"
	knockd_start
	touch "$T/go"
	wait "$python" || fail "Closed = $closed: $(cat "$T/$closed.out")"
	cat "$T/$closed.out"
	knockd_stop
	rm "$T/wait" "$T/go"
	# The sockets stay for a minute: another source for the next turn.
	source=6
done
