#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# knockd -d returns when the doors enforce, or with what is wrong; from then on it needs nothing of
# where it was started from. It keeps a pid file then, and its log file can be rotated.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# daemon COMMAND-LINE...: knockd -d; its words are in $T/daemon.log.
daemon() {
	in_server timeout 30 "$KNOCKD" -d -i eth0 --pin-dir "$PINS" --state-dir "$T/state" \
		-p "$T/pid" "$@" >"$T/daemon.log" 2>&1 </dev/null
}

# daemon_starts SENTENCE COMMAND-LINE...: and KNOCKD_PID is its process.
daemon_starts() {
	local sentence=$1
	shift
	daemon "$@" || fail "$sentence"
	KNOCKD_PID=$(cat "$T/pid") || fail "there is a pid file"
	say "$sentence"
}

# daemon_fails STATUS SENTENCE COMMAND-LINE...
daemon_fails() {
	local expected=$1 sentence=$2 status=0
	shift 2
	daemon "$@" || status=$?
	expect_equal "$sentence" "$status" "$expected"
}

daemon_said() {
	grep -q -e "$1" "$T/daemon.log"
}

# ended PID: also where nobody has taken note of it.
ended() {
	! grep -q '^State:[[:space:]]*[^ZX]' "/proc/$1/status" 2>/dev/null
}

daemon_stops() {
	kill "$KNOCKD_PID"
	wait_for 10 ended "$KNOCKD_PID" || fail "knockd ends when told to"
	expect_not "its pid file is removed" test -e "$T/pid"
	expect "and both doors are taken away" nothing_attached
}

# file_logged FILE TEXT
file_logged() {
	grep -q -e "$2" "$1" 2>/dev/null
}

# left PID: nothing of where it was started holds it.
left() {
	local fd
	[ "$(readlink "/proc/$1/cwd")" = / ] || return 1
	[ "$(ps -o sid= -p "$1" | tr -d ' ')" = "$KNOCKD_PID" ] || return 1
	for fd in 0 1 2; do
		[ "$(readlink "/proc/$1/fd/$fd")" = /dev/null ] || return 1
	done
}

conf_with() {
	conf <<-END
	[options]
		Closed = reset
		$1
	[ssh]
		Sequence = 7000,8000:udp,9000
		Open = 22
	END
}

world
listen "$SERVER" listener tcp:22
conf_with ''
expect "before knockd, port 22 is open" tcp_opens $SERVER4 22
daemon_starts "knockd -d returns with 0" -c "$T/knockd.conf" -g "$T/g.log"
expect "and port 22 is refused at once" tcp_refused $SERVER4 22
expect "the pid file names a process that lives" is_running "$KNOCKD_PID"
helper=$(pgrep -P "$KNOCKD_PID")
expect "it has left where it was started" left "$KNOCKD_PID"
expect "and so has its helper" left "$helper"
expect "-g names the log file" file_logged "$T/g.log" 'starting up, listening on eth0'
knock_at $SERVER4 7000 8000:udp 9000
expect "knocks open" tcp_opens $SERVER4 22

# Rotated as logrotate does it.
mv "$T/g.log" "$T/g.log.1"
kill -HUP "$KNOCKD_PID"
expect "on SIGHUP a new log file is begun" wait_for 5 file_logged "$T/g.log" '^\[.*\] reloaded'
expect "which says so" file_logged "$T/g.log" "^\[.*\] re-opening log file: $T/g.log$"
expect "and the old one ends with why" \
	file_logged "$T/g.log.1" "^\[.*\] re-reading config file: $T/knockd.conf$"
echo nonsense >>"$T/knockd.conf"
mv "$T/g.log" "$T/g.log.2"
kill -HUP "$KNOCKD_PID"
expect "also when the config has become wrong" wait_for 5 file_logged "$T/g.log" 're-opening'
conf_with ''

# A second one.
daemon_fails 1 "a second knockd -d on the same interface returns with 1" -c "$T/knockd.conf"
expect "and tells why" daemon_said 'another knockd'
expect_equal "the pid file is still that of the first" "$(cat "$T/pid")" "$KNOCKD_PID"
expect "which lives" is_running "$KNOCKD_PID"

# While a second one waits for the first to let go, its parent is told to end, or killed. STARTED is
# the parent.
second_start() {
	start_in "$SERVER" env --default-signal=INT "$KNOCKD" -d -i eth0 -c "$T/knockd.conf" \
		--pin-dir "$PINS" --state-dir "$T/state" -p "$T/pid" >"$T/second.log" 2>&1
	wait_for 5 pgrep -P "$STARTED" || fail "the second knockd has a child"
	child=$(pgrep -P "$STARTED")
	wait_for 5 pgrep -P "$child" || fail "which has a helper"
}

for signal in INT TERM KILL; do
	second_start
	kill "-$signal" "$STARTED"
	status=0
	wait "$STARTED" 2>/dev/null || status=$?
	expect_equal "a signal ends the parent that waits" "$(kill -l "$status")" "$signal"
	[ "$signal" != KILL ] || kill "$KNOCKD_PID"
	expect "and then the child ends" wait_for 15 ended "$child"
done
expect "also when the first has let go" wait_for 10 ended "$KNOCKD_PID"
expect "which leaves nothing attached" nothing_attached
expect_not "and no pid file" test -e "$T/pid"

# What is wrong is said before anything is done.
echo 'nonsense' >>"$T/knockd.conf"
daemon_fails 1 "with a wrong config it returns with 1" -c "$T/knockd.conf"
expect "and says file and line" daemon_said "$T/knockd.conf:[0-9]*: .*nonsense"
expect_not "and writes no pid file" test -e "$T/pid"
conf_with ''
daemon_fails 1 "with a missing interface it returns with 1" -c "$T/knockd.conf" -i eth7
expect "and names it" daemon_said "'eth7'"
mkdir "$T/pid"
daemon -c "$T/knockd.conf" -g "$T/pidless.log" || fail "it starts where it cannot write a pid file"
expect "without a pid file it starts, and says so" \
	file_logged "$T/pidless.log" "could not create pid file $T/pid: "
for KNOCKD_PID in $(ip netns pids "$SERVER"); do
	! grep -q '^knockd$' "/proc/$KNOCKD_PID/comm" || kill "$KNOCKD_PID"
done
wait_for 10 nothing_attached || fail "it ends"
rmdir "$T/pid"

# Whose word counts.
conf_with "LogFile = $T/file.log"
daemon_starts "it starts with a LogFile" -c "$T/knockd.conf" -g "$T/unused.log"
expect "LogFile beats -g" file_logged "$T/file.log" 'starting up, listening on eth0'
expect_not "of which nothing is made" test -e "$T/unused.log"
daemon_stops
conf_with "PidFile = $T/file.pid"
daemon -c "$T/knockd.conf" || fail "it starts with a PidFile"
expect "PidFile beats -p" test -s "$T/file.pid"
expect_not "of which nothing is made" test -e "$T/pid"
KNOCKD_PID=$(cat "$T/file.pid")
daemon_stops
expect_not "and is removed" test -e "$T/file.pid"

# Relative paths mean where it was started, also later.
conf_with 'LogFile = relative.log'
cd "$T"
daemon_starts "it starts by relative paths" -c knockd.conf -p pid
expect "a relative LogFile is found" file_logged "$T/relative.log" 'starting up'
mv relative.log relative.log.1
kill -HUP "$KNOCKD_PID"
expect "and the config and the log are found again" \
	wait_for 5 file_logged "$T/relative.log" '^\[.*\] reloaded'
cd "$ROOT"
daemon_stops

# Killed, it leaves no pid file, and the rules in force.
conf_with ''
daemon_starts "it starts" -c "$T/knockd.conf"
kill -KILL "$KNOCKD_PID"
expect "killed, it leaves no pid file" wait_for 5 test ! -e "$T/pid"
expect "but the port closed" tcp_refused $SERVER4 22
daemon_starts "and the next one goes on" -c "$T/knockd.conf"
daemon_stops

# An interface that will come.
conf_with "LogFile = $T/wait.log"
daemon_starts "with --wait it returns when it waits for the interface" -c "$T/knockd.conf" \
	-i eth7 --wait
expect "which it says" file_logged "$T/wait.log" "there is no interface 'eth7' yet"
daemon_stops

# In the foreground.
KNOCKD_OPTIONS=(-p "$T/pid" --state-dir "$T/state")
conf_with ''
knockd_start
expect_not "without -d there is no pid file" test -e "$T/pid"
knockd_stop
in_server "$PYTHON" "$SYSTEM/115-notify.py" "$T/manager" >"$T/notify.log" 2>&1 &
wait_for 5 grep -q '^ready' "$T/notify.log" || fail "the service manager listens"
KNOCKD_OPTIONS+=(-d)
: >"$T/knockd.log"
log_mark
NOTIFY_SOCKET=$T/manager knockd_spawn
expect "where a service manager listens, it is told" \
	wait_for 5 grep -qx 'READY=1' "$T/notify.log"
expect "and -d leaves it in the foreground" is_running "$KNOCKD_PID"
expect_equal "with its pid file" "$(cat "$T/pid")" "$KNOCKD_PID"
expect "and its log where it was" wait_logged 'starting up, listening on eth0'
knockd_stop
expect_not "which is removed" test -e "$T/pid"
