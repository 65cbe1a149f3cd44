#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs alone: it floods.
#
# Killed at any moment, in the middle of its start too, knockd leaves the rules in force: nothing
# gets in, knocks open, doors close on time, sessions live; and the next one takes over.

# shellcheck source=tests/system/siege.sh
. "$(dirname "$0")/siege.sh"

siege_conf() {
	conf <<-END
	[ssh]
		Sequence = 7000,8000:udp,9000
		Open = 22
		Open_Time = $SIEGE_OPEN_TIME
	END
}

siege_begin
siege_stands "before it is killed"
knockd_kill
expect "both doors are there after kill -9" attached

started=0
for ((i = 1; i <= SIEGE_TIMES; i++)); do
	log_mark
	knockd_spawn
	# Each tenth one lives until it guards.
	if ((i % 10 == 0)); then
		wait_for 10 logged_since 'starting up, listening on' ||
			fail "knockd starts after kill -9"
		started=$((started + 1))
	fi
	sleep "0.$(printf '%03d' $((RANDOM % 300)))"
	is_running "$KNOCKD_PID" || fail "a knockd that starts after kill -9 lives"
	knockd_kill
	((i % 10)) || siege_stands "after kill -9 number $i"
done
say "knockd was killed $SIEGE_TIMES times, $started times while it guarded for sure"

expect "with knockd dead, both doors are there" attached
for address in $SERVER4 $SERVER6; do
	expect "with knockd dead, a knock opens $address" ssh_through "$address"
	expect "with knockd dead, ssh logs in at $address" ssh_to "$address" true
done

knockd_again
for address in $SERVER4 $SERVER6; do
	expect "with knockd back, a knock opens $address" ssh_through "$address"
	expect "with knockd back, it logs that" wait_logged 'OPEN SESAME'
done
expect_equal "the pins are those of one daemon" "$(ls "$PINS")" eth0
siege_end

# The privileged part alone.
closed() {
	! tcp_opens $SERVER4 22
}

helper=$(pgrep -P "$KNOCKD_PID")
expect "knockd has one child" is_running "$helper"
kill -KILL "$helper"
wait_for 5 is_gone "$KNOCKD_PID" || fail "knockd ends when its helper is killed"
knockd_reap
expect_equal "knockd ends with 1 when its helper is killed" "$KNOCKD_STATUS" 1
expect "and both doors are there" attached
expect "and port 22 closes, and is closed" wait_for 4 closed
expect "and a knock opens" ssh_through $SERVER4
knockd_again
knockd_stop
expect "told to stop, knockd leaves nothing attached" nothing_attached
witness_proves
