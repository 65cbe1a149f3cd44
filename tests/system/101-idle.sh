#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs alone: it measures.
#
# The daemon is small and sleeps: under 8 MiB resident, no CPU time while nothing happens, blocked
# in epoll.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

world
cp "$ROOT/knockd.conf.example" "$T/knockd.conf"
chmod 600 "$T/knockd.conf"
knockd_start

resident=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$KNOCKD_PID/status")
expect "it takes $resident KiB, less than 8 MiB" test "$resident" -lt 8192

# The second field is a name, which may have blanks; user and system time are 12 and 13 behind it.
cpu_time() {
	sed 's/.*) //' "/proc/$KNOCKD_PID/stat" | awk '{ print $12 + $13 }'
}
switches() {
	awk '/ctxt_switches/ { n += $2 } END { print n }' "/proc/$KNOCKD_PID/status"
}
sleep 0.5
time=$(cpu_time) woken=$(switches)
sleep 3
expect_equal "it used no CPU time in three seconds" "$(cpu_time)" "$time"
expect_equal "it was not even woken" "$(switches)" "$woken"
expect "it is blocked in epoll" grep -qE "epoll|ep_poll" "/proc/$KNOCKD_PID/wchan"
knockd_stop
