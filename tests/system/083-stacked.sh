#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Devices stacked on the guarded one: live sessions over them stay, also those of a guest in another
# namespace; new connections through them are refused, also where a bridge lies on top of them, and
# also where that is made later.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

world
GUEST=$SERVER-guest
namespace_add "$GUEST"
ip -n "$SERVER" link add upper link eth0 type macvlan mode bridge 2>/dev/null ||
	skip "this kernel has no macvlan"
ip -n "$SERVER" link set upper up
ip -n "$SERVER" link add guest link eth0 netns "$GUEST" type macvlan mode bridge
ip -n "$GUEST" link set guest up
ip -n "$GUEST" addr add 192.0.2.50/24 dev guest
ip -n "$GUEST" addr add 2001:db8::50/64 dev guest nodad
listen "$SERVER" listener tcp:22 udp:5353
listen "$GUEST" guest tcp:22
link_local=$(ip -n "$SERVER" -6 addr show dev upper scope link |
	sed -n 's/.*inet6 \(fe80[^/]*\).*/\1/p')

# talking NAME ADDRESS: a session that says something each time it is asked to.
talking() {
	mkfifo "$T/$1.say"
	in_client nc -n "$2" 22 <"$T/$1.say" >"$T/$1.heard" 2>/dev/null &
	eval "exec {${1}_say}>'$T/$1.say'"
	wait_for 3 grep -q hello "$T/$1.heard" || fail "$1 is connected"
}

still_talks() {
	local fd word=$RANDOM$RANDOM
	eval "fd=\$${1}_say"
	echo "$word" >&"$fd"
	wait_for 3 grep -q "$word" "$T/$1.heard"
}

talking bound "$link_local%eth0"
talking guest4 192.0.2.50
talking guest6 2001:db8::50
for closed in drop reset; do
	conf <<-END
	[options]
		Closed = $closed
	[door]
		Sequence = 7000,8000:udp,9000
		Open = 22, 5353:udp
	END
	knockd_start
	for name in bound guest4 guest6; do
		expect "Closed = $closed: the live session '$name' goes on" still_talks $name
	done
	expect_not "Closed = $closed: none begins at the stacked device" \
		tcp_opens "$link_local%eth0" 22
	expect "Closed = $closed: the guest's own port is its own" tcp_opens 192.0.2.50 22
	knockd_stop
done

# A bridge above a device that passes everything on has the host's addresses.
bridge_above() {
	ip -n "$SERVER" link del upper
	ip -n "$SERVER" link add upper link eth0 type macvlan mode passthru
	ip -n "$SERVER" link add bridge type bridge
	ip -n "$SERVER" link set upper master bridge
	ip -n "$SERVER" addr flush dev eth0
	ip -n "$SERVER" link set upper up
	ip -n "$SERVER" link set bridge up
	ip -n "$SERVER" addr add $SERVER4/24 dev bridge
	ip -n "$SERVER" addr add $SERVER6/64 dev bridge nodad
	ip -n "$CLIENT" neigh flush dev eth0
}

ip -n "$GUEST" link del guest
knockd_start
bridge_above
expect "a bridge made later has the host's addresses" \
	wait_for 5 in_client ping -q -c 1 -W 1 $SERVER4
for address in $SERVER4 $SERVER6; do
	expect "by a bridge made later, $address is refused" tcp_refused "$address" 22
done
knockd_stop
expect "without knockd it would not be" tcp_opens $SERVER4 22
knockd_start
expect "by a bridge that was there, too" tcp_refused $SERVER4 22
