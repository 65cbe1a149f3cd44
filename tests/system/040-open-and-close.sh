#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Debian's knock client opens the door, in time for the very next packet. The door closes by itself,
# also when knockd cannot help because it is stopped.

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
knockd_start
for family in 4 6; do
	address=$SERVER4 from=$CLIENT4
	[ $family = 4 ] || address=$SERVER6 from=$CLIENT6
	log_mark
	expect_not "IPv$family: no way in without a knock" tcp_opens "$address" 22
	knock_at "$address" 7000 8000:udp 9000
	expect "IPv$family: right after the knock, ssh logs in" ssh_to "$address" true
	expect "IPv$family: each stage is logged" wait_for 2 logged_since "$from: ssh: Stage 3"
	expect "IPv$family: the opening is logged" logged_since "$from: ssh: OPEN SESAME"
	expect "IPv$family: the closing is logged" wait_for 4 logged_since "$from: ssh: closed"
	expect_not "IPv$family: the door is closed" tcp_opens "$address" 22
	expect_equal "IPv$family: there was one opening" \
		"$(tail -n "+$((LOG_MARK + 1))" "$T/knockd.log" | grep -c 'OPEN SESAME')" 1
done
expect "the refused packets are logged, once a minute" \
	test "$(grep -c 'port 22' "$T/knockd.log")" -ge 1

packets 040-next-packet.py || fail "the door is open for the next packet"

knock_at $SERVER4 7000 8000:udp 9000
sleep 1.2
knock_at $SERVER4 7000 8000:udp 9000
sleep 1.2
expect "a second knock lengthens the grant" tcp_opens $SERVER4 22

# From here on the kernel is alone.
kill -STOP "$KNOCKD_PID"
for family in 4 6; do
	address=$SERVER4
	[ $family = 4 ] || address=$SERVER6
	knock_at "$address" 7000 8000:udp 9000
	expect "IPv$family: with knockd stopped, a knock opens" tcp_opens "$address" 22
	session_open "stopped$family" "$address"
done
sleep 2.2
for family in 4 6; do
	address=$SERVER4
	[ $family = 4 ] || address=$SERVER6
	expect_not "IPv$family: with knockd stopped, the door closes" tcp_opens "$address" 22
	expect "IPv$family: and the session lives" session_answers "stopped$family"
done
log_mark
kill -CONT "$KNOCKD_PID"
expect "what happened meanwhile is logged afterwards" wait_for 4 logged_since 'OPEN SESAME'
knockd_stop
