#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The host reaches its own protected ports, at any of its addresses: such packets never cross the
# wire, though Linux says of them that they came in by the guarded interface.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

world
ip -n "$SERVER" addr add 192.0.2.77/24 dev eth0
ip -n "$SERVER" addr add 2001:db8::77/64 dev eth0 nodad
listen "$SERVER" listener tcp:22 udp:5353
for closed in drop reset; do
	conf <<-END
	[options]
		Closed = $closed
	[door]
		Sequence = 7000,8000:udp,9000
		Open = 22, 5353:udp
	END
	knockd_start
	for address in 127.0.0.1 ::1 $SERVER4 $SERVER6 192.0.2.77 2001:db8::77; do
		expect "Closed = $closed: the host's own TCP to $address" \
			in_server "$PYTHON" "$SYSTEM/talk.py" tcp "$address" 22
		# Linux answers datagrams to a secondary address from the primary one, always.
		[ "$address" != 192.0.2.77 ] || continue
		expect "Closed = $closed: the host's own UDP to $address" \
			in_server "$PYTHON" "$SYSTEM/talk.py" udp "$address" 5353
	done
	knockd_stop
done
