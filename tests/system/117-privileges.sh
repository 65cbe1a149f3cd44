#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The process that reads events has no capability, can get none, and may make few system calls; the
# helper beside it loads and attaches. A reload works nevertheless.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# has PID FIELD VALUE: in /proc/PID/status.
has() {
	awk -v field="$2:" -v value="$3" '$1 == field { found = $2 == value } END { exit !found }' \
		"/proc/$1/status"
}

# loop_is_bare SENTENCE
loop_is_bare() {
	local field
	for field in CapInh CapPrm CapEff CapBnd CapAmb; do
		expect "$1: the loop has nothing in $field" \
			has "$KNOCKD_PID" $field 0000000000000000
	done
	expect "$1: the loop cannot get new privileges" has "$KNOCKD_PID" NoNewPrivs 1
	expect "$1: the loop's system calls are filtered" has "$KNOCKD_PID" Seccomp 2
}

conf_for() {
	conf <<-END
	[ssh]
		Sequence = 7000,8000:udp,9000
		Open = 22
		Open_Time = 2
	[other]
		Sequence = 1100,1200
		Open = $1
	END
}

in_force() {
	tcp_opens $SERVER4 $((48 - $1)) && ! tcp_opens $SERVER4 "$1"
}

world
listen "$SERVER" listener tcp:22 tcp:23 tcp:25
conf_for 23
knockd_start
wait_for 3 has "$KNOCKD_PID" Seccomp 2 || fail "the loop drops its privileges"
loop_is_bare "after the start"
helper=$(pgrep -P "$KNOCKD_PID")
expect "the helper is one process" is_running "$helper"
expect_not "the helper keeps capabilities" has "$helper" CapEff 0000000000000000

expect "a knock opens" knock_opens $SERVER4 22 7000 8000:udp 9000
expect "which is logged" wait_logged "$CLIENT4: ssh: OPEN SESAME"
expect "and the closing" wait_logged "$CLIENT4: ssh: closed"
for how in HUP ctl HUP; do
	port=25
	[ "$how" = HUP ] || port=23
	conf_for $port
	log_mark
	if [ "$how" = HUP ]; then
		kill -HUP "$KNOCKD_PID"
	else
		expect "knockctl reload goes well" ctl reload
	fi
	expect "a reload under these privileges is done" wait_logged '^reloaded'
	expect "and the new config is in force" in_force $port
	expect "a knock opens" knock_opens $SERVER6 22 7000 8000:udp 9000
	expect "which is logged" wait_logged "$CLIENT6: ssh: OPEN SESAME"
done
sed 's/^\[other\]/[4711wanted]/' "$T/knockd.conf" >"$T/good.conf"
echo '[' >>"$T/knockd.conf"
expect_not "a broken config is refused" ctl reload
expect "an order of knockctl is served" ctl open ssh 192.0.2.99 1
expect "and logged" wait_logged '192.0.2.99: ssh: OPEN SESAME'
ip -n "$SERVER" link add other0 type veth peer name other1
ip -n "$SERVER" link set other0 up
expect "a new interface is noticed" wait_logged 'other0'
loop_is_bare "after all that"
expect_equal "and it is the same process" "$(pgrep -P "$KNOCKD_PID")" "$helper"
knockd_stop
expect "told to stop, knockd leaves nothing attached" nothing_attached

# Those who run beside it: in the background, and to look up names. The one that runs as another
# user is the resolver; of the others the loop has no capability.
processes() {
	ip netns pids "$SERVER" | while read -r pid; do
		! grep -q '^knockd$' "/proc/$pid/comm" || echo "$pid"
	done
}

# the_one FIELD VALUE: of knockd's processes; there must be one and no more.
the_one() {
	local pid found=
	for pid in $(processes); do
		! has "$pid" "$1" "$2" || found="$found${found:+ }$pid"
	done
	echo "$found"
}

in_server "$KNOCKD" -d -l -i eth0 -c "$T/good.conf" --pin-dir "$PINS" --state-dir "$T/state" \
	-p "$T/pid" >"$T/daemon.log" 2>&1 || fail "knockd -d -l starts"
KNOCKD_PID=$(cat "$T/pid")
loop_is_bare "in the background"
resolver=$(the_one Uid 65534)
expect "the resolver is another user's" is_running "$resolver"
for field in CapInh CapPrm CapEff CapBnd CapAmb; do
	expect "it has nothing in $field" has "$resolver" $field 0000000000000000
done
expect "and cannot get new privileges" has "$resolver" NoNewPrivs 1
expect_equal "nor a descriptor that is not its own" "$(find "/proc/$resolver/fd" -type l | wc -l)" 4
expect_not "it knows nothing of the config" "$PYTHON" "$SYSTEM/117-memory.py" "$resolver" 4711wanted
expect "which the helper does" "$PYTHON" "$SYSTEM/117-memory.py" \
	"$(pgrep -P "$KNOCKD_PID")" 4711wanted
kill "$KNOCKD_PID"
wait_for 10 nothing_attached || fail "knockd ends when told to"
gone() {
	[ -z "$(processes)" ]
}
expect "all of them end" wait_for 10 gone
