#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What else could deliver to a protected port is named, once, in the log and in knockctl's status,
# before anybody uses it: a second card, a tunnel. And it does deliver, so the warning is true.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

world
conf <<END
[ssh]
	Sequence = 7000,8000:udp,9000
	Open = 22
END
listen "$SERVER" listener tcp:22

# card NUMBER: another wire between the two.
card() {
	ip -n "$SERVER" link add "eth$1" type veth peer name "eth$1" netns "$CLIENT"
	ip -n "$CLIENT" link set "eth$1" up
	ip -n "$SERVER" addr add "10.77.$1.1/24" dev "eth$1"
	ip -n "$CLIENT" addr add "10.77.$1.2/24" dev "eth$1"
	ip -n "$SERVER" link set "eth$1" up
}

# tunnel NUMBER: through the guarded interface. Fails where the kernel has no VXLAN.
tunnel() {
	ip -n "$SERVER" link add "vx$1" type vxlan id "$1" remote $CLIENT4 local $SERVER4 \
		dstport 4789 dev eth0 2>/dev/null || return 1
	ip -n "$CLIENT" link add "vx$1" type vxlan id "$1" remote $SERVER4 local $CLIENT4 \
		dstport 4789 dev eth0
	ip -n "$SERVER" addr add "10.78.$1.1/24" dev "vx$1"
	ip -n "$CLIENT" addr add "10.78.$1.2/24" dev "vx$1"
	ip -n "$CLIENT" link set "vx$1" up
	ip -n "$SERVER" link set "vx$1" up
}

# named DEVICE: in the log, once, and in knockctl's status.
named() {
	wait_for 3 logged "^$1 (.*not guarded" || fail "$1 is named in the log"
	expect_equal "$1 is named in the log, once" \
		"$(grep -c "^$1 (.*not guarded" "$T/knockd.log")" 1
	ctl status >"$T/status"
	expect "$1 is named in knockctl's status" grep -qw "$1" "$T/status"
}

unnamed() {
	expect_not "$1 is not named" logged "^$1 "
	ctl status >"$T/status"
	expect_not "$1 is not named in knockctl's status" grep -qw "$1" "$T/status"
}

card 1
devices=(eth1)
tunnels=
if tunnel 1; then
	tunnels=1
	devices+=(vx1)
else
	echo "SKIPPED HERE: this kernel has no VXLAN; the part about tunnels"
fi
ip -n "$SERVER" link add down0 type veth peer name down1
knockd_start
for device in "${devices[@]}"; do
	named "$device"
done
unnamed down0
unnamed lo

# Later ones.
card 2
named eth2
if [ -n "$tunnels" ]; then
	tunnel 2
	named vx2
fi
ip -n "$SERVER" link set down0 up
ip -n "$SERVER" link set down1 up
named down0
# One that is stacked on the guarded interface is judged by the inner door.
if ip -n "$SERVER" link add upper link eth0 type macvlan mode bridge 2>/dev/null; then
	ip -n "$SERVER" link set upper up
	sleep 0.3
	unnamed upper
else
	echo "SKIPPED HERE: this kernel has no macvlan; the part about stacked devices"
fi

# Changes of one that is known, a reload and another that comes do not repeat it.
ip -n "$SERVER" link set eth1 down
ip -n "$SERVER" link set eth1 up
expect "a reload goes well" ctl reload
card 3
named eth3
for device in "${devices[@]}"; do
	named "$device"
done

# The warning is true: this is why they are named.
expect_not "port 22 is closed at the guarded interface" tcp_opens $SERVER4 22
expect "a SYN by the second card reaches port 22" tcp_opens 10.77.1.1 22
ip -n "$CLIENT" route add 192.0.2.1/32 via 10.77.1.1 dev eth1
expect "also at the address of the guarded one" tcp_opens $SERVER4 22
ip -n "$CLIENT" route del 192.0.2.1/32 via 10.77.1.1 dev eth1
if [ -n "$tunnels" ]; then
	expect "a SYN through the tunnel reaches port 22" tcp_opens 10.78.1.1 22
fi

ip -n "$SERVER" link del eth1
wait_for 3 eval '! ctl status | grep -w eth1' || fail "knockctl forgets an interface that is gone"
say "knockctl forgets an interface that is gone"
knockd_stop
