#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs alone: it floods.
#
# 200,000 spoofed first knocks a second: few lines in the log and a count of the rest, no command,
# and who knocks right is served meanwhile.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

SECONDS_LONG=6

lines_since_mark() {
	tail -n "+$((LOG_MARK + 1))" "$T/knockd.log"
}

ran() {
	grep -cx "$1" "$T/ran" || true
}

ran_some() {
	[ "$(ran "$1")" -gt "${2:-0}" ]
}

# flood_start PORT: SYNs of both families from random sources.
flood_start() {
	start_in "$CLIENT" "$HELPERS/flood" eth0 syns $SECONDS_LONG "$1" >"$T/flood.log"
	FLOOD=$STARTED
	sleep 0.5
}

flood_rate() {
	sed -n 's/.* s, \([0-9]*\) a second$/\1/p' "$T/flood.log"
}

# knock_until DOOR KNOCK...: a flood at full speed also fills the wire, so that some knocks never
# arrive; knock again then.
knock_until() {
	local door=$1 before
	before=$(ran "$door")
	shift
	while is_running $FLOOD; do
		knock_at $SERVER4 "$@"
		! wait_for 0 ran_some "$door" "$before" || return 0
	done
	return 1
}

world
# XDP has seen the flood when the host drops it: answers would cost more than they tell.
ip -n "$SERVER" route add blackhole 198.18.0.0/15
ip -n "$SERVER" -6 route add blackhole 2001:db8:f100::/64
: >"$T/ran"
conf <<END
[right]
	Sequence = 7000,8000:udp,9000
	Start_Command = echo right >>$T/ran
[guarded]
	Sequence = 7000,8100
	Open = 22
	Start_Command = echo guarded >>$T/ran
[one]
	Sequence = 5000
	Start_Command = echo one >>$T/ran
END
KNOCKD_OPTIONS=(--state-dir "$T/state")
knockd_start

log_mark
flood_start 7000
expect "a right sequence runs its command during the flood" \
	knock_until right 7000 8000:udp 9000
expect "the flood was still going on" is_running $FLOOD
wait $FLOOD || fail "the flood ends"
rate=$(flood_rate)
say "it was $rate first knocks a second"
expect "the rest is counted in the log" wait_logged 'more stages'
# A second more at both ends. Each count of the rest is a line too.
lines=$(lines_since_mark | grep -c ': Stage ' || true)
expect "at most ten stages a second are logged (seen: $lines)" \
	test "$lines" -le $((10 * (SECONDS_LONG + 2)))
lines=$(lines_since_mark | wc -l)
expect "and all in all as many lines again (seen: $lines)" \
	test "$lines" -le $((20 * (SECONDS_LONG + 2)))
expect_equal "no command ran but those of who knocked right" "$(sort -u "$T/ran")" right

# A door of one knock opens to whoever sends it.
log_mark
flood_start 5000
expect "while a door of one knock is flooded, a right sequence runs its command" \
	knock_until right 7000 8000:udp 9000
expect "that flood was still going on" is_running $FLOOD
wait $FLOOD || fail "the flood ends"
seen=$(ran one)
expect "its own command runs at most ten times a second (seen: $seen)" \
	test "$seen" -le $((10 * (SECONDS_LONG + 2)))
lines=$(lines_since_mark | wc -l)
say "$lines lines were logged of $(flood_rate) openings a second"
expect "what did not run is counted in the log" wait_logged 'not run'
knockd_stop
[ "$rate" -ge 200000 ] || skip "all of that is true, but this machine sends only $rate a second"
