#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs alone: it floods.
#
# Restarts by SIGUSR1, as systemd does them, have no gap: nothing gets in, knocks open, doors close
# on time, sessions live. SIGTERM does what On_Exit says.

# shellcheck source=tests/system/siege.sh
. "$(dirname "$0")/siege.sh"

siege_conf() {
	conf <<-END
	[options]
		On_Exit = ${1:-detach}
	[ssh]
		Sequence = 7000,8000:udp,9000
		Open = 22
		Open_Time = $SIEGE_OPEN_TIME
	END
}

# stopped_by SIGNAL: quietly.
stopped_by() {
	kill "-$1" "$KNOCKD_PID"
	wait_for 5 is_gone "$KNOCKD_PID" || fail "knockd ends by SIG$1"
	knockd_reap
	[ "$KNOCKD_STATUS" -eq 0 ] ||
			fail "ended by SIG$1, knockd exits with 0 (seen: $KNOCKD_STATUS)"
}

siege_begin
for ((i = 1; i <= SIEGE_TIMES; i++)); do
	stopped_by USR1
	((i % 10)) || siege_stands "between two, number $i"
	knockd_again
	((i % 10)) || siege_stands "after restart $i"
done
say "knockd was restarted $SIEGE_TIMES times"

siege_conf keep
knockd_stop_by USR1
knockd_again
for signal in TERM INT; do
	knockd_stop_by "$signal"
	expect "with On_Exit = keep, both doors stay after SIG$signal" attached
	expect "and a knock opens" ssh_through $SERVER4
	expect "and ssh logs in" ssh_to $SERVER4 true
	siege_stands "stopped, with On_Exit = keep"
	knockd_again
done
siege_conf detach
knockd_stop_by USR1
knockd_again
siege_end
knockd_stop
expect "with On_Exit = detach, nothing is left attached" nothing_attached
expect_equal "and no pin" "$(ls "$PINS")" ""
witness_proves
