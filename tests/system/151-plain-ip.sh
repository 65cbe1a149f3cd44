#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# An interface whose packets have no Ethernet header is guarded like any other, over IPv4 and IPv6:
# alone, together with one that has, and when it comes later.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

TUN4=10.79.0.1
TUN6=2001:db8:79::1
MODE=${KNOCKD_MODE:-auto}

# tun_add: a tun device in each namespace, with addresses, up.
# The log is emptied before the process starts, which could be late: "ready" of the last one is not
# for this one.
tun_add() {
	: >"$T/tun.log"
	"$PYTHON" "$SYSTEM/151-tun.py" tun0 "$SERVER" "$CLIENT" >>"$T/tun.log" 2>&1 </dev/null &
	TUN_PID=$!
	wait_for 5 grep -q '^ready' "$T/tun.log" || fail "the tun devices are there"
	ip -n "$SERVER" addr add $TUN4/24 dev tun0
	ip -n "$CLIENT" addr add 10.79.0.2/24 dev tun0
	ip -n "$SERVER" addr add $TUN6/64 dev tun0 nodad
	ip -n "$CLIENT" addr add 2001:db8:79::2/64 dev tun0 nodad
	ip -n "$SERVER" link set tun0 up
	ip -n "$CLIENT" link set tun0 up
}

tun_remove() {
	kill "$TUN_PID"
	wait "$TUN_PID" 2>/dev/null || true
}

# judged WHERE ADDRESS4 ADDRESS6: what is closed, open, and opened by a knock.
judged() {
	local address
	for address in "$2" "$3"; do
		wait_for 5 tcp_opens "$address" 80 || fail "other ports are open at $address"
		expect_not "$1: port 22 of $address is closed" tcp_opens "$address" 22
		expect "$1: a knock opens it" knock_opens "$address" 22 7000 8000:udp 9000
		expect "$1: the answers to what was opened come back" \
			packets talk.py tcp "$address" 22
		knock_at "$address" 9000 7000
		expect_not "$1: and another one closes it" tcp_opens "$address" 22
	done
}

# started LINE: with these options knockd starts and says so.
started() {
	: >"$T/knockd.log"
	log_mark
	knockd_spawn
	wait_logged "$1" || fail "knockd starts: $1"
}

world
[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
tun_add
listen "$SERVER" listener tcp:22 tcp:80
conf <<END
[options]
	XDP_Mode = $MODE
[ssh]
	Sequence = 7000,8000:udp,9000
	Close_Sequence = 9000,7000
	Open = 22
END

KNOCKD_OPTIONS=(-i tun0)
started 'starting up, listening on tun0$'
judged "alone" $TUN4 $TUN6
expect "eth0 is named as a way in" logged '^eth0 (.*not guarded'
knockd_stop

KNOCKD_OPTIONS=(-i "eth0,tun0")
started 'starting up, listening on eth0, tun0$'
judged "together" $TUN4 $TUN6
judged "together" $SERVER4 $SERVER6
# One goes, the other one stays what it is.
log_mark
tun_remove
wait_logged 'tun0: the interface is gone' || fail "knockd says that tun0 is gone"
judged "without the other one" $SERVER4 $SERVER6
log_mark
tun_add
wait_logged 'tun0 is back, and guarded again' || fail "knockd says that tun0 is back"
judged "back" $TUN4 $TUN6
knockd_stop

# Loaded for Ethernet only, then for both.
tun_remove
KNOCKD_OPTIONS=(-i "eth0,tun0" --wait)
started 'starting up, listening on eth0$'
knock_at $SERVER4 7000 8000:udp 9000
log_mark
tun_add
wait_logged 'starting up, listening on eth0, tun0$' || fail "knockd loads anew for both"
expect "a grant of before is good" tcp_opens $SERVER4 22
knock_at $SERVER4 9000 7000
judged "it came later" $TUN4 $TUN6
judged "the other one" $SERVER4 $SERVER6
knockd_stop
