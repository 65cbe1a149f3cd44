#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# --confirm: what nobody confirms is undone after so many seconds, also when knockd is dead by then.
# A first start opens everything again; a reload falls back to the config before it.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# conf_for PORT: one door for ssh, one that closes only this port.
CLOSED=drop
OTHER=1100,1200
conf_for() {
	conf <<-END
	[options]
		Closed = $CLOSED
	[ssh]
		Sequence = 7000,8000:udp,9000
		Open = 22
		Open_Time = 60
	[other]
		Sequence = $OTHER
		Open = $1
	END
}

in_force() {
	tcp_opens $SERVER4 $((48 - $1)) && ! tcp_opens $SERVER6 "$1" && ! tcp_opens $SERVER4 22
}

# at SECONDS: since the last mark.
mark() {
	MARK=${EPOCHREALTIME/./}
}

at() {
	local left=$((MARK + $1 * 100000 - ${EPOCHREALTIME/./}))
	[ $left -gt 0 ] || return 0
	sleep "$((left / 1000000)).$(printf '%06d' $((left % 1000000)))"
}

confirmed_within() {
	KNOCKD_OPTIONS=(--confirm "$1")
}

world
listen "$SERVER" listener tcp:22 tcp:23 tcp:25

conf_for 23
mark
confirmed_within 3
knockd_start
expect "a start to be confirmed guards" in_force 23
at 25
expect_not "so it does almost as long as it may" tcp_opens $SERVER6 22
wait_for 3 is_gone "$KNOCKD_PID" || fail "unconfirmed, knockd ends"
knockd_reap
expect_equal "unconfirmed, knockd exits with 3" "$KNOCKD_STATUS" 3
expect "and logs why" logged 'confirm'
expect "and port 22 is open" tcp_opens $SERVER4 22
expect "over IPv6 too" tcp_opens $SERVER6 22
expect "and nothing is attached" nothing_attached
expect_not "to confirm it now is too late" ctl confirm

# From here on both doors refuse, which takes no time.
CLOSED=reset
conf_for 23
mark
confirmed_within 3
knockd_start
knockd_kill
expect "killed, the start to be confirmed guards" in_force 23
expect "but unconfirmed, port 22 is open after 3 seconds" wait_for 6 tcp_opens $SERVER4 22
expect "over IPv6 too" tcp_opens $SERVER6 22
expect "and port 23" tcp_opens $SERVER4 23
expect_not "to confirm it now is too late" ctl confirm

mark
knockd_again
expect "started again, it guards again" in_force 23
expect "it can be confirmed" ctl confirm
expect "and says so in the log" wait_logged 'confirmed'
at 40
expect "confirmed, it stays" in_force 23
expect "and knockd lives" is_running "$KNOCKD_PID"
knockd_stop

mark
confirmed_within 3
knockd_start
knock_at $SERVER4 7000 8000:udp 9000
expect "a knock opens" tcp_opens $SERVER4 22
expect "and confirms, which is logged" wait_logged 'confirmed'
at 40
expect_not "so the rules stay" tcp_opens $SERVER6 22
expect "and the door stays open for who knocked" tcp_opens $SERVER4 22
expect "and knockd lives" is_running "$KNOCKD_PID"
expect "its grant can be ended" ctl close ssh $CLIENT4

# Reloads.
conf_for 25
mark
expect "a reload can wait to be confirmed" ctl reload --confirm 3
expect "meanwhile the new config is in force" in_force 25
log_mark
expect "unconfirmed, the config before it is in force again" wait_for 6 in_force 23
expect "which is logged" wait_logged 'confirm'
expect "and knockd lives" is_running "$KNOCKD_PID"
expect_not "to confirm it now is too late" ctl confirm

mark
expect "it can be reloaded again" ctl reload --confirm 3
expect "and confirmed" ctl confirm
at 40
expect "confirmed, the new config stays" in_force 25

# A sequence begun while nobody had confirmed it is not finished when it comes again.
OTHER=1300,1400
conf_for 23
expect "a reload with a new sequence" ctl reload --confirm 3
log_mark
knock_at $SERVER4 1300
expect "its first knock counts" wait_logged 'other: Stage 1'
expect "unconfirmed, the config before it is in force again" wait_for 6 in_force 25
expect "the same config is reloaded" ctl reload
expect "and in force" in_force 23
knock_at $SERVER4 1400
expect_not "the second knock does not open" tcp_opens $SERVER4 23
knock_at $SERVER4 1300 1400
expect "both knocks do" tcp_opens $SERVER4 23
expect "its grant can be ended" ctl close other $CLIENT4

OTHER=1100,1200
conf_for 23
mark
expect "another reload" ctl reload --confirm 3
knock_at $SERVER4 7000 8000:udp 9000
expect "a knock opens" tcp_opens $SERVER4 22
expect "a knock confirms a reload, too" wait_logged 'confirmed'
expect "its grant can be ended" ctl close ssh $CLIENT4
at 40
expect "and it stays" in_force 23

conf_for 25
mark
expect "another reload" ctl reload --confirm 3
knockd_kill
expect "with knockd dead the new config is in force" in_force 25
expect "unconfirmed, the config before it is in force, with knockd dead" \
	wait_for 6 in_force 23
expect_not "to confirm it now is too late" ctl confirm
KNOCKD_OPTIONS=()
knockd_again
expect "the next knockd does not put back what nobody confirmed" in_force 23
expect "and says so" logged_since 'was not confirmed in time'
knockd_stop_by USR1
knockd_again
expect "nor does the one after it" in_force 23
expect "unless it is told to" ctl reload
expect "then it is in force" in_force 25
knockd_stop

# A restart is no confirmation, nor is an accident, whatever the next knockd is told.
for signal in USR1 KILL; do
	mark
	confirmed_within 4
	knockd_start
	kill -$signal "$KNOCKD_PID"
	knockd_reap
	KNOCKD_OPTIONS=()
	knockd_again
	expect "SIG$signal and a start: it guards on" in_force 25
	expect "it can be seen that it is to be confirmed" grep -q 'confirmed.*within' <(ctl status)
	wait_for 4 is_gone "$KNOCKD_PID" ||
		fail "SIG$signal and a start: the time that was set stays"
	knockd_reap
	expect_equal "unconfirmed, knockd exits with 3" "$KNOCKD_STATUS" 3
	expect "and port 22 is open" tcp_opens $SERVER4 22
	expect "and nothing is attached" nothing_attached

	knockd_start
	conf_for 23
	mark
	expect "SIG$signal: a reload to be confirmed" ctl reload --confirm 4
	kill -$signal "$KNOCKD_PID"
	knockd_reap
	knockd_again
	expect "SIG$signal and a start: the new config is in force" in_force 23
	expect "SIG$signal and a start: unconfirmed, the config before it is in force" \
		wait_for 8 in_force 25
	expect "and knockd lives" is_running "$KNOCKD_PID"
	knockd_stop
	conf_for 25
done
