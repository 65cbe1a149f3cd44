#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Under Closed = drop, who has not knocked gets no reply at all from a protected port, whatever is
# sent, over IPv4 and IPv6; Closed = abort is the same to the outside.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

world
listen "$SERVER" listener tcp:22 udp:60000 tcp:60000

# Made from the server's hardware address.
LINK_LOCAL=fe80::ff:fe00:1
for closed in drop abort; do
	conf <<-END
	[options]
		Closed = $closed
	[door]
		Sequence = 7000,8000:udp,9000
		Open = 22, 22:udp, 23, 23:udp, 60000, 60000:udp, 60001, 60001:udp
		Open_Time = 2
	END
	# Without knockd the same must be answered, or the silence would prove nothing.
	packets 020-silence.py answered 22 23 60000 60001 || fail "unguarded ports answer"
	knockd_start
	packets 020-silence.py silent 22 23 60000 60001 || fail "Closed = $closed is silent"
	expect_equal "no datagram reached the socket" \
		"$(grep -c '^got .* guarded' "$T/listener.log")" 0
	# Addresses that were there before, and one that comes later.
	ip -n "$SERVER" addr add 192.0.2.77/24 dev eth0
	ip -n "$SERVER" addr add 2001:db8::77/64 dev eth0 nodad
	for address in 192.0.2.77 2001:db8::77 "$LINK_LOCAL%eth0"; do
		expect_not "port 22 of $address is closed" tcp_opens "$address" 22
		expect "port 24 of $address is refused as ever" tcp_refused "$address" 24
	done
	knockd_stop
	for address in 192.0.2.77 2001:db8::77 "$LINK_LOCAL%eth0"; do
		expect "without knockd, port 22 of $address is open" tcp_opens "$address" 22
	done
	ip -n "$SERVER" addr del 192.0.2.77/24 dev eth0
	ip -n "$SERVER" addr del 2001:db8::77/64 dev eth0
done
