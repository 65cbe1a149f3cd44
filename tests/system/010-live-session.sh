#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Whoever is connected stays connected: through start, through a door's closing, and through stop.
# So does a connection that is half-way through its handshake when knockd starts.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

world
sshd_start
conf <<END
[ssh]
	Sequence = 7000,8000:udp,9000
	Open = 22
	Open_Time = 2
END

session_open four $SERVER4
session_open six $SERVER6
packets 010-half-open.py "$T/go" >"$T/half-open.out" 2>&1 &
half_open=$!
wait_for 5 grep -q '^half open' "$T/half-open.out" || fail "connections can be half open"

knockd_start
expect "a session over IPv4 lives through the start" session_answers four
expect "a session over IPv6 lives through the start" session_answers six
expect_not "a new connection over IPv4 is refused meanwhile" tcp_opens $SERVER4 22
expect_not "a new connection over IPv6 is refused meanwhile" tcp_opens $SERVER6 22

touch "$T/go"
wait "$half_open" || fail "half-open connections live: $(cat "$T/half-open.out")"
cat "$T/half-open.out"

for family in 4 6; do
	address=$SERVER4
	[ $family = 4 ] || address=$SERVER6
	knock_at "$address" 7000 8000:udp 9000
	session_open "granted$family" "$address" || fail "the door opens over IPv$family"
done
closed_twice() {
	[ "$(grep -c ': closed' "$T/knockd.log")" -ge 2 ]
}
wait_for 8 closed_twice || fail "the doors close by themselves"
expect_not "the door is closed again over IPv4" tcp_opens $SERVER4 22
expect_not "the door is closed again over IPv6" tcp_opens $SERVER6 22
for name in four six granted4 granted6; do
	expect "session $name lives on after the door has closed" session_answers $name
done

knockd_stop
for name in four six granted4 granted6; do
	expect "session $name lives through the stop" session_answers $name
done
expect "nothing is left attached" nothing_attached
expect "after the stop, port 22 is open to everyone over IPv4" tcp_opens $SERVER4 22
expect "after the stop, port 22 is open to everyone over IPv6" tcp_opens $SERVER6 22

knockd_start
expect "with knockd started again, session four lives" session_answers four
knockd_stop_by INT
expect "with knockd interrupted, session four lives" session_answers four
expect "nothing is left attached" nothing_attached
