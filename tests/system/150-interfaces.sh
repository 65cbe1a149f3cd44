#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One knockd guards several interfaces with one config and one state: a sequence may be knocked
# through all of them, a grant is good at each. They come and go one by one; at a start it is all
# that are there or none.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# card NUMBER: another wire between the two, and the client sends from its first address there too.
card() {
	ip -n "$SERVER" link add "eth$1" type veth peer name "eth$1" netns "$CLIENT"
	ip -n "$CLIENT" link set "eth$1" up
	ip -n "$SERVER" addr add "10.77.$1.1/24" dev "eth$1"
	ip -n "$SERVER" addr add "2001:db8:77:$1::1/64" dev "eth$1" nodad
	ip -n "$SERVER" link set "eth$1" up
	ip -n "$CLIENT" route add "10.77.$1.0/24" dev "eth$1" src $CLIENT4
	ip -n "$CLIENT" -6 route add "2001:db8:77:$1::/64" dev "eth$1" src $CLIENT6
}

# link_of FILE: the number of the kernel's link that is pinned there.
link_of() {
	bpftool link show pinned "$PINS/eth0/$1" 2>/dev/null | sed -n '1s/:.*//p'
}

# has_door DEVICE: an XDP program is attached.
has_door() {
	local shown
	shown=$(ip -n "$SERVER" -d link show dev "$1") || return 1
	grep -q 'prog/xdp' <<<"$shown"
}

# shows SENTENCE EXPRESSION: of knockctl's status.
shows() {
	ctl --json status >"$T/json.log" || true
	expect "$1" "$PYTHON" "$SYSTEM/119-knockctl.py" "$T/json.log" "$2"
}

# closed_at DEVICE ADDRESS4 ADDRESS6
closed_at() {
	expect_not "port 22 is closed at $1" tcp_opens "$2" 22
	expect_not "over IPv6 too" tcp_opens "$3" 22
}

# ---- one state ----

world
card 1
listen "$SERVER" listener tcp:22 tcp:24 tcp:80
conf <<END
[ssh]
	Sequence = 7000,8000:udp,9000
	Open = 22
[long]
	Sequence = 1300,1400:udp,1500
	Open = 24
	Open_Time = 1h
END
KNOCKD_OPTIONS=(-i "eth0,eth1")
knockd_start
expect "one line names both" logged 'starting up, listening on eth0, eth1$'
expect "and one says how each is guarded" logged '^eth1: XDP mode'
expect_not "neither is named as a way in" logged 'not guarded'
shows "knockctl knows both" 'row["interfaces"] == ["eth0", "eth1"] and len(row["modes"]) == 2
	and row["guarding"] is True and row["others"] == []'
expect "each has its outer door" has_door eth1
expect "which is kept in a pin" test -n "$(link_of outer1)"
closed_at eth0 $SERVER4 $SERVER6
closed_at eth1 10.77.1.1 2001:db8:77:1::1
expect "other ports are open at eth1" tcp_opens 10.77.1.1 80
knock_at $SERVER4 1300
knock_at 10.77.1.1 1400:udp
expect_not "two knocks of three do not open" tcp_opens 10.77.1.1 24
knock_at $SERVER4 1500
expect "a sequence knocked through both opens at eth0" tcp_opens $SERVER4 24
expect "and at eth1" tcp_opens 10.77.1.1 24
expect_not "but nothing else" tcp_opens 10.77.1.1 22
knock_at 2001:db8:77:1::1 1300
knock_at $SERVER6 1400:udp
knock_at 2001:db8:77:1::1 1500
expect "over IPv6 too: at eth0" tcp_opens $SERVER6 24
expect "and at eth1" tcp_opens 2001:db8:77:1::1 24

ctl open ssh $CLIENT4 >/dev/null
expect "what knockctl opens is open at eth0" tcp_opens $SERVER4 22
expect "and at eth1" tcp_opens 10.77.1.1 22
ctl close ssh all >/dev/null

# ---- one goes and comes back ----

log_mark
ip -n "$SERVER" link del eth1
wait_logged 'eth1: the interface is gone' || fail "knockd says that eth1 is gone"
shows "knockctl shows what is missing" 'row["guarding"] is True
	and row["interfaces"] == ["eth0", "eth1"] and row["modes"][1] == "missing"'
expect_not "port 22 is closed at eth0" tcp_opens $SERVER4 22
expect "and the grant is good there" tcp_opens $SERVER4 24
expect "a reload goes well without it" ctl reload
log_mark
card 1
wait_logged 'eth1 is back, and guarded again' || fail "knockd says that eth1 is back"
expect "its outer door is there" has_door eth1
wait_for 5 tcp_opens 10.77.1.1 80 || fail "eth1 is up"
closed_at eth1 10.77.1.1 2001:db8:77:1::1
expect "and the grant is good there" tcp_opens 10.77.1.1 24

# ---- killed ----

outer=$(link_of outer) outer1=$(link_of outer1)
knockd_kill
expect_not "with knockd dead, port 22 is closed at eth1" tcp_opens 10.77.1.1 22
knockd_again
expect_equal "the next one takes over the link on eth0" "$(link_of outer)" "$outer"
expect_equal "and that on eth1" "$(link_of outer1)" "$outer1"
expect "with their grants" tcp_opens 10.77.1.1 24
knockd_stop
expect "stopped, it leaves nothing at eth0" nothing_attached
expect_not "nor at eth1" has_door eth1

# ---- all or nothing ----

start_in "$SERVER" "$HELPERS/xdp-pass" eth1 >"$T/other.log" 2>&1
other=$STARTED
wait_for 5 has_door eth1 || fail "another program is attached to eth1"
knockd_refuses 1 -i eth0,eth1 -c "$T/knockd.conf"
expect "what cannot be attached to is named" grep -q 'attached to eth1' "$T/refusal"
kill "$other"
wait "$other" 2>/dev/null || true
knockd_refuses 1 -i eth0,eth7,eth8 -c "$T/knockd.conf"
expect "each missing interface is named: the first" grep -q "'eth7'" "$T/refusal"
expect "and the second" grep -q "'eth8'" "$T/refusal"
knockd_refuses 1 -i eth0,eth0 -c "$T/knockd.conf"
expect "one that is given twice is named" grep -q "'eth0' is named twice" "$T/refusal"
knockd_refuses 1 -i eth0,,eth1 -c "$T/knockd.conf"
ip -n "$SERVER" link add br0 type bridge
ip -n "$SERVER" link set eth1 master br0
knockd_refuses 1 -i eth0,eth1 -c "$T/knockd.conf"
expect "for one with a master, the master is named" grep -q "'eth1' belongs to 'br0'" "$T/refusal"
ip -n "$SERVER" link del br0

# ---- one has no native mode: a bridge ----

# bridge_add: eth1 is its port, and its addresses are the bridge's.
bridge_add() {
	ip -n "$SERVER" link add br0 type bridge
	ip -n "$SERVER" addr flush dev eth1
	ip -n "$SERVER" link set eth1 master br0
	ip -n "$SERVER" addr add 10.77.1.1/24 dev br0
	ip -n "$SERVER" addr add 2001:db8:77:1::1/64 dev br0 nodad
	ip -n "$SERVER" link set br0 up
}

bridge_add
knockd_refuses 1 -i eth0,br0 --mode native -c "$T/knockd.conf"
expect "forced to native mode, knockd refuses what has none" grep -q 'br0: .*native' "$T/refusal"
KNOCKD_OPTIONS=(-i "eth0,br0")
knockd_start
expect "both are guarded: one in native mode" logged '^eth0: XDP mode native$'
expect "the other one in generic mode, and why" \
	logged '^br0: XDP mode generic; native mode refused by the driver'
shows "knockctl shows both modes" 'row["modes"] == ["native", "generic"]'
expect "a reload goes well" ctl reload
wait_for 5 tcp_opens 10.77.1.1 80 || fail "br0 is up"
closed_at br0 10.77.1.1 2001:db8:77:1::1
ip -n "$SERVER" link del br0
knockd_stop
KNOCKD_OPTIONS=(-i "eth0,br0" --wait)
knockd_start
expect "without it, the other one begins as it would alone" \
	logged '^eth0: XDP mode native, with fragments$'
log_mark
bridge_add
wait_logged 'br0 has come, and is guarded too' || fail "br0 is guarded when it comes"
shows "which stays so when it comes" 'row["modes"] == ["frags", "generic"]'
wait_for 5 tcp_opens 10.77.1.1 80 || fail "br0 is up"
closed_at br0 10.77.1.1 2001:db8:77:1::1
expect "a knock there opens" knock_opens 10.77.1.1 22 7000 8000:udp 9000
knockd_kill
knockd_again
shows "also for the next knockd" 'row["modes"] == ["frags", "generic"]'
expect "and a reload" ctl reload
knockd_stop
ip -n "$SERVER" link del br0
ip -n "$SERVER" link del eth1
card 1

# ---- three, one of them later; chosen by the config ----

sed -i '1i [options]\nInterface = eth0, eth1, eth2' "$T/knockd.conf"
log_mark
start_in "$SERVER" "$KNOCKD" -c "$T/knockd.conf" --pin-dir "$PINS" --wait >>"$T/knockd.log" 2>&1
KNOCKD_PID=$STARTED
wait_logged 'starting up, listening on eth0, eth1$' || fail "knockd starts with two of three"
expect "the third is waited for" logged_since "no interface 'eth2' yet"
shows "which knockctl shows" 'row["interfaces"] == ["eth0", "eth1", "eth2"]
	and row["modes"][2] == "missing" and row["guarding"] is True'
knockd_kill
log_mark
start_in "$SERVER" "$KNOCKD" -c "$T/knockd.conf" --pin-dir "$PINS" --wait >>"$T/knockd.log" 2>&1
KNOCKD_PID=$STARTED
wait_logged 'starting up, listening on eth0, eth1$' || fail "knockd starts again with two of three"
expect_not "and takes the third for nothing that was lost" logged_since 'earlier knockd left is'
log_mark
card 2
wait_logged 'eth2 has come, and is guarded too' || fail "eth2 is guarded when it comes"
wait_for 5 tcp_opens 10.77.2.1 80 || fail "eth2 is up"
closed_at eth2 10.77.2.1 2001:db8:77:2::1
knock_at $SERVER4 1300
knock_at 10.77.1.1 1400:udp
knock_at 10.77.2.1 1500
expect "a sequence knocked through all three opens" tcp_opens 10.77.2.1 24
sed -i 's/Interface = .*/Interface = eth0, eth1/' "$T/knockd.conf"
expect_not "a reload with other interfaces is refused" ctl reload
expect "and says which are guarded" \
	logged_since 'Interface = eth0, eth1: knockd guards eth0, eth1, eth2'
sed -i 's/Interface = .*/Interface = eth2, eth0, eth1/' "$T/knockd.conf"
expect "one with the same ones in another order is not" ctl reload
expect "detach" ctl detach
wait_for 5 is_gone "$KNOCKD_PID" || fail "knockd ends when it was detached"
knockd_reap
for device in eth0 eth1 eth2; do
	expect_not "takes the outer door from $device" has_door $device
done
expect_equal "and no pin is left" "$(ls "$PINS")" ""
