# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the tests share in which knockd comes and goes while port 22 is flooded with SYNs: a witness
# at the server that counts those which XDP lets through, sessions of a real sshd that must live,
# and a client that knocks without end: each knock must open, each door must close on time.

# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

SIEGE_OPEN_TIME=2
# The floods end by themselves some time after their test must have ended.
SIEGE_LIMIT=120
[ -z "${KNOCKD_TEST_ALL:-}" ] || SIEGE_LIMIT=900
# How often what is done a hundred times is done.
SIEGE_TIMES=${SIEGE_TIMES:-100}
SIEGE_LET_IN=0

# witness_start: from here on witness_count prints how many SYNs of floods have reached the server.
witness_start() {
	mkfifo "$T/witness.in"
	in_server "$PYTHON" "$SYSTEM/witness.py" eth0 22 <"$T/witness.in" >"$T/witness.log" 2>&1 &
	exec {WITNESS_FD}>"$T/witness.in"
	wait_for 5 grep -q '^ready' "$T/witness.log" || fail "the witness starts"
}

witness_count() {
	local lines
	lines=$(wc -l <"$T/witness.log")
	echo >&"$WITNESS_FD"
	wait_for 5 witness_has $((lines + 1)) || fail "the witness answers"
	tail -n 1 "$T/witness.log"
}

witness_has() {
	[ "$(wc -l <"$T/witness.log")" -ge "$1" ]
}

# witness_proves: without a guard it counts each one, or its silence would prove nothing.
witness_proves() {
	in_client "$HELPERS/flood" eth0 knocks4 10 22 >/dev/null
	in_client "$HELPERS/flood" eth0 knocks6 10 22 >/dev/null
	SIEGE_LET_IN=$((SIEGE_LET_IN + 20))
	expect_equal "unguarded, each SYN reaches the server and is counted" "$(witness_count)" \
		$SIEGE_LET_IN
}

# siege_begin: the world, knockd with $T/knockd.conf, a session over each
# family, the flood, the client that knocks. The config has a door for port 22 with the sequence
# 7000,8000:udp,9000 and Open_Time = 2. SIEGE_KNOCKER is what the client is told besides.
SIEGE_KNOCKER=()
siege_begin() {
	world
	sshd_start
	listen "$SERVER" listener tcp:80
	witness_start
	witness_proves
	siege_conf
	session_open four $SERVER4
	session_open six $SERVER6
	knockd_start
	start_in "$CLIENT" "$HELPERS/flood" eth0 syns $SIEGE_LIMIT 22 >"$T/flood.log" 2>&1
	FLOOD_PID=$STARTED
	start_in "$CLIENT" "$PYTHON" "$SYSTEM/siege.py" "$T/enough" $SIEGE_OPEN_TIME \
		"${SIEGE_KNOCKER[@]}" >"$T/siege.log" 2>&1
	KNOCKER_PID=$STARTED
}

# siege_stands: what must be true at every moment.
siege_stands() {
	local count
	count=$(witness_count)
	[ "$count" -eq $SIEGE_LET_IN ] ||
		fail "$1: no SYN of the flood reaches the server (seen: $((count - SIEGE_LET_IN)))"
	is_running "$FLOOD_PID" || fail "$1: the flood goes on"
	session_answers four || fail "$1: the session over IPv4 lives"
	session_answers six || fail "$1: the session over IPv6 lives"
}

# knock_through ADDRESS PORT KNOCK...: the flood fills the wire, so that some knocks never arrive;
# then again.
knock_through() {
	for _ in 1 2 3 4 5 6 7 8; do
		! knock_opens "$@" || return 0
	done
	return 1
}

# ssh_through ADDRESS: by the door of the siege.
ssh_through() {
	knock_through "$1" 22 7000 8000:udp 9000
}

# siege_end: ends the flood and the knocking, and says what was true all the time.
siege_end() {
	siege_stands "at the end"
	touch "$T/enough"
	wait "$KNOCKER_PID" || fail "$(cat "$T/siege.log")"
	cat "$T/siege.log"
	kill "$FLOOD_PID"
	wait "$FLOOD_PID" || fail "the flood ends: $(cat "$T/flood.log")"
	siege_flood_was_one || fail "the flood was one: $(cat "$T/flood.log")"
	say "the flood was one: $(cat "$T/flood.log")"
	expect_equal "no SYN of the flood reached the server" "$(witness_count)" $SIEGE_LET_IN
	expect "the session over IPv4 lives" session_answers four
	expect "the session over IPv6 lives" session_answers six
}

siege_flood_was_one() {
	[ "$(sed 's/ packets.*//' "$T/flood.log")" -gt 100000 ]
}
