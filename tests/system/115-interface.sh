#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The interface comes and goes and is renamed: it is guarded whenever it is there, soon after it has
# appeared, and grants outlive it.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

world
listen "$SERVER" listener tcp:22 tcp:24 tcp:80
conf <<END
[ssh]
	Sequence = 7000,8000:udp,9000
	Open = 22
[long]
	Sequence = 1300,1400
	Open = 24
	Open_Time = 1h
END
knockd_start
knock_at $SERVER4 1300 1400
expect "a knock opens for an hour" tcp_opens $SERVER4 24

TIMES=20
in_server "$PYTHON" "$SYSTEM/115-appear.py" eth0 $TIMES >"$T/appear.log" 2>&1 &
wait_for 5 grep -q '^ready' "$T/appear.log" || fail "the clock starts"

guarded_count() {
	[ "$(grep -c '^[0-9]' "$T/appear.log")" -ge "$1" ]
}

for ((i = 1; i <= TIMES; i++)); do
	log_mark
	ip -n "$SERVER" link del eth0
	wait_logged 'eth0' || fail "knockd says that eth0 is gone"
	wire_add
	wait_for 5 guarded_count "$i" || fail "eth0 is guarded when it is back, number $i"
	wait_for 5 tcp_opens $SERVER4 80 || fail "port 80 is open, number $i"
	! tcp_opens $SERVER6 22 || fail "port 22 is closed, number $i"
	tcp_opens $SERVER4 24 || fail "the grant outlives eth0, number $i"
	attached || fail "both doors are there, number $i"
	is_running "$KNOCKD_PID" || fail "knockd lives, number $i"
done
expect_equal "guarded each time: eth0 was made anew so often" \
	"$(grep '^[0-9]' "$T/appear.log" | sort -u | wc -l)" $TIMES
# Whoever else runs on this machine may hold one of them up.
times=$(sed -n 's/^[0-9]* //p' "$T/appear.log" | sort -n)
worst=$(tail -n 1 <<<"$times") nearly=$(tail -n 3 <<<"$times" | head -n 1)
say "from appearing to guarded, in ms: $(sed -n 's/^[0-9]* //p' "$T/appear.log" | tr '\n' ' ')"
expect "all but two are less than 100 ms ($nearly ms)" test "${nearly%.*}" -lt 100
expect "the longest, $worst ms, is less than a second" test "${worst%.*}" -lt 1000

# Renamed; addresses of IPv6 do not outlive its being down.
rename() {
	log_mark
	ip -n "$SERVER" link set "$1" down
	ip -n "$SERVER" link set "$1" name "$2"
	ip -n "$SERVER" link set "$2" up
	ip -n "$SERVER" route add default via $CLIENT4
	ip -n "$SERVER" addr add $SERVER6/64 dev "$2" nodad 2>/dev/null || true
	wait_for 5 tcp_opens $SERVER4 80 || fail "port 80 is open at $2"
}

rename eth0 wan0
expect "renamed, the interface is followed, which is logged" wait_logged wan0
expect "knockctl knows its name" grep -q wan0 <(ctl status)
expect_not "and port 22 is closed" tcp_opens $SERVER4 22
expect "and knocks open" knock_opens $SERVER4 22 7000 8000:udp 9000
rename wan0 eth0
expect "and back again" wait_logged eth0
expect_not "port 22 is closed over IPv6" tcp_opens $SERVER6 22
knockd_stop

# Missing at the start.
ip -n "$SERVER" link del eth0
knockd_fails 1 -i eth0 -c "$T/knockd.conf"
expect "an interface that is missing at the start is named" grep -q "'eth0'" "$T/refusal"
expect_not "and nothing is attached" sk_lookup_attached

in_server "$PYTHON" "$SYSTEM/115-notify.py" "$T/manager" >"$T/notify.log" 2>&1 &
wait_for 5 grep -q '^ready' "$T/notify.log" || fail "the service manager listens"
: >"$T/appear.log"
in_server "$PYTHON" "$SYSTEM/115-appear.py" eth0 1 >>"$T/appear.log" 2>&1 &
wait_for 5 grep -q '^ready' "$T/appear.log" || fail "the clock starts"
: >"$T/knockd.log"
log_mark
KNOCKD_OPTIONS=(--wait)
NOTIFY_SOCKET=$T/manager knockd_spawn
expect "with --wait, knockd is ready" wait_for 5 grep -qx 'READY=1' "$T/notify.log"
expect "and says that it waits" grep -q '^STATUS=.*wait.*eth0\|^STATUS=.*eth0.*wait' "$T/notify.log"
expect "in the log too" wait_logged 'eth0.*wait\|wait.*eth0'
expect_not "and knockctl says that nothing is guarded" ctl status
sleep 0.5
expect "and it lives" is_running "$KNOCKD_PID"
wire_add
expect "as soon as the interface is there, it is guarded" \
	wait_for 5 grep -q '^[0-9]' "$T/appear.log"
took=$(sed -n 's/^[0-9]* //p' "$T/appear.log")
# The programs are loaded then for the first time.
expect "which took $took ms, less than a second" test "${took%.*}" -lt 1000
expect "and knockd says so" wait_logged 'starting up, listening on eth0'
expect "to the service manager too" wait_for 3 grep -q '^STATUS=.*guarding eth0' "$T/notify.log"
expect "both doors are there" attached
wait_for 5 tcp_opens $SERVER4 80 || fail "port 80 is open"
expect_not "port 22 is closed" tcp_opens $SERVER4 22
expect "and knocks open" knock_opens $SERVER4 22 7000 8000:udp 9000
knockd_stop
