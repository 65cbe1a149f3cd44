#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs alone: it floods.
#
# Restarts with fewer, more and other interfaces, after SIGUSR1 and after SIGKILL, have no gap on
# the one that stays: no SYN of a flood gets in, knocks open, doors close on time, sessions live.
# What is no longer in the list is detached once the new state is in force, what is new is guarded.

# shellcheck source=tests/system/siege.sh
. "$(dirname "$0")/siege.sh"

ROUNDS=10
[ -z "${KNOCKD_TEST_ALL:-}" ] || ROUNDS=$SIEGE_TIMES

siege_conf() {
	conf <<-END
	[ssh]
		Sequence = 7000,8000:udp,9000
		Open = 22
		Open_Time = $SIEGE_OPEN_TIME
	END
}

# has_door DEVICE: an XDP program is attached.
has_door() {
	local shown
	shown=$(ip -n "$SERVER" -d link show dev "$1") || return 1
	grep -q 'prog/xdp' <<<"$shown"
}

# left HOW: knockd ends and leaves all in force.
left() {
	if [ "$1" = killed ]; then
		knockd_kill
	else
		kill -USR1 "$KNOCKD_PID"
		wait_for 5 is_gone "$KNOCKD_PID" || fail "knockd ends by SIGUSR1"
		knockd_reap
	fi
}

# guards INTERFACE...: those, and none of the other ones, have an outer door.
guards() {
	local device
	for device in eth0 eth1 eth2; do
		case " $* " in
		*" $device "*) has_door $device || fail "$device is guarded: $*" ;;
		*) ! has_door $device || fail "$device is not guarded: $*" ;;
		esac
	done
}

# again HOW LIST: knockd is left and started with other interfaces.
again() {
	left "$1"
	KNOCKD_OPTIONS=(-i "$2" --name main)
	log_mark
	knockd_spawn
	wait_logged "starting up, listening on ${2//,/, }$" || fail "knockd starts with $2"
	# shellcheck disable=SC2086 # words
	guards ${2//,/ }
}

KNOCKD_OPTIONS=(--name main)
siege_begin
for device in eth1 eth2; do
	ip -n "$SERVER" link add $device type veth peer name p$device
	ip -n "$SERVER" link set $device up
done
for ((i = 1; i <= ROUNDS; i++)); do
	[ $((i % 2)) -eq 0 ] && how=killed || how=told
	again "$how" eth0,eth1
	again "$how" eth1,eth0,eth2
	again "$how" eth2,eth0
	logged_since 'eth1 is not in the list of interfaces any more' ||
		fail "what is no longer guarded is said"
	again "$how" eth0
	siege_stands "after round $i"
done
say "knockd was restarted $((4 * ROUNDS)) times, each with other interfaces"

# Without one in common it could not go on without a gap.
left killed
knockd_fails 1 -i eth1 --name main -c "$T/knockd.conf"
expect "with none of those that are guarded, it refuses to start" grep -q 'guards eth0' "$T/refusal"
guards eth0
knockd_again
siege_end
knockd_stop
expect "stopped, nothing is left attached" nothing_attached
expect_equal "and no pin" "$(ls "$PINS")" ""
