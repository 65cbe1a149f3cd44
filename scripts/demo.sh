#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shows what knockd does, with a real OpenSSH server and Debian's knock client, in two throw-away
# network namespaces. Run as root on Debian 12 or newer. Installs what building needs, builds, and
# leaves nothing behind but build/. Exits with 0 only if every step happened.
set -eu -o pipefail

cd "$(dirname "$0")/.."
# shellcheck source=tests/system/lib.sh
. tests/system/lib.sh

[ "$(id -u)" -eq 0 ] || fail "you are root; network namespaces and XDP need that"

step() {
	printf '\n* %s\n' "$*"
}

# show COMMAND...: as one would type it.
show() {
	printf '    $ %s\n' "$*"
}

# Prints what knockd has logged since the last time.
shown=0
show_log() {
	local lines
	lines=$(wc -l <"$T/knockd.log")
	tail -n "+$((shown + 1))" "$T/knockd.log" | head -n "$((lines - shown))" |
		sed 's/^/    knockd: /'
	shown=$lines
}

try_ssh() {
	show "ssh root@$SERVER4"
	local said status=0
	# The server's shell expands it.
	# shellcheck disable=SC2016
	said=$(SSH_PATIENCE=2 ssh_to $SERVER4 'echo "logged in, $SSH_CONNECTION"' 2>&1) || status=$?
	printf '%s\n' "$said" | sed 's/^/    /'
	return "$status"
}

step "Installing what building needs, if it is missing; downloading OpenSSH and the knock client."
scripts/deps.sh demo
scripts/services.sh

step "Building."
if ! make -j"$(nproc)" >build/demo-build.log 2>&1; then
	cat build/demo-build.log
	fail "knockd builds"
fi

step "Two network namespaces: a server, $SERVER4, with a real sshd; a client, $CLIENT4."
world
sshd_start
try_ssh || fail "ssh works before knockd starts"

step "The server starts knockd with knockd.conf.example: port 22 is closed to who does not knock."
show "knockd -i eth0 -c knockd.conf.example"
cp knockd.conf.example "$T/knockd.conf"
chmod 600 "$T/knockd.conf"
knockd_start
show_log

step "The client gets no answer."
! try_ssh || fail "ssh is refused without a knock"

step "The client knocks."
show "knock $SERVER4 7000 8000:udp 9000"
knock_at $SERVER4 7000 8000:udp 9000
wait_for 2 logged 'OPEN SESAME' || fail "the knock opens the door"
show_log

step "Now it is let in, and starts a session that stays."
try_ssh || fail "ssh works after the knock"
session_open session $SERVER4 || fail "a session starts"

step "The door closes by itself; the example says Open_Time = 30, so this takes a while."
wait_for 40 logged ': closed' || fail "the door closes by itself"
show_log

step "The session goes on."
session_answers session || fail "the session goes on after the door has closed"
echo "    the server answers in it"

step "A new connection gets no answer again."
! try_ssh || fail "ssh is refused after the door has closed"

step "knockd stops. The session goes on, the port is open again, and these are the counters."
knockd_stop >/dev/null
session_answers session || fail "the session goes on after knockd has stopped"
try_ssh || fail "ssh works after knockd has stopped"
nothing_attached || fail "knockd leaves nothing attached"
show_log
logged '^counters\?:' || fail "knockd logs its counters"

step "That was all. Nothing is left but build/."
