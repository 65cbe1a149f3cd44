#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The bugs of Debian's knockd 0.8 that ours must not have. Each is a function that does the same to
# the one and to the other and prints what came of it; both are known, so each of these tests can
# fail. With --ours or --classic only one of them is tried; more arguments are the bugs to try.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/classic.sh
. "$(dirname "$0")/classic.sh"

# What begins a daemon at the end of a pipe sets variables.
shopt -s lastpipe

sides=(classic ours)
case ${1:-} in
--ours | --classic)
	sides=("${1#--}")
	shift ;;
esac
wanted=("$@")

# ---- the one or the other ----

# door NAME [DIRECTIVE...]: a section that appends its name to what ran.
door() {
	local name=$1
	shift
	printf '%s\n' "[$name]" "Start_Command = echo $name >>$T/ran" "$@"
}

# begin: with the doors on standard input, and one that tells that all before it was heard.
begin() {
	{
		cat
		door probe 'Sequence = 60001:udp'
	} | conf
	: >"$T/ran"
	PROBES=0
	again
}

# again: with the config as it is.
again() {
	if [ "$SIDE" = classic ]; then
		classic_start "$SERVER" "$T/knockd.conf" classic
	else
		KNOCKD_OPTIONS=(--state-dir "$T/state")
		knockd_start
	fi
}

main_pid() {
	if [ "$SIDE" = classic ]; then
		echo "$CLASSIC_PID"
	else
		echo "$KNOCKD_PID"
	fi
}

pids() {
	ip netns pids "$SERVER"
}

nobody_runs() {
	[ -z "$(pids)" ]
}

# strike SIGNAL: everything that belongs to it, as a service manager does.
strike() {
	local pid
	# Who is killed on purpose need not be told of.
	disown -a
	for pid in $(pids); do
		kill "-$1" "$pid" 2>/dev/null || true
	done
}

# finish: it is gone when this returns.
finish() {
	kill -TERM "$(main_pid)" 2>/dev/null || true
	wait_for 3 nobody_runs || strike KILL
	wait_for 5 nobody_runs || fail "it can be ended"
	wait "$(main_pid)" 2>/dev/null || true
	KNOCKD_PID=
	rm -rf "$PINS" "$T/state"
}

knocks() {
	packets knocks.py "$@"
}

# ran WHAT: how often.
ran() {
	grep -cx "$1" "$T/ran" || true
}

probed() {
	[ "$(ran probe)" -ge "$PROBES" ]
}

# heard: what was sent has been heard, and what that starts has run. Each probe is a source's own.
heard() {
	local i
	for i in 1 2; do
		PROBES=$((PROBES + 1))
		knocks "from=203.0.113.$PROBES" 60001:udp
		wait_for 5 probed || fail "$SIDE: hears what is sent"
	done
}

# all_ran: what ran but for the probes, in order.
all_ran() {
	grep -vx probe "$T/ran" | xargs || true
}

# seconds_until COMMAND...: whole seconds until it succeeds, ten at the most.
seconds_until() {
	local start=$EPOCHREALTIME
	wait_for 10 "$@" || true
	echo $(((${EPOCHREALTIME/./} - ${start/./} + 300000) / 1000000))
}

# ---- the bugs ----

# One source opens its door while another is half way: knockd.c loses the list with its head.
oldest() {
	{
		door a 'Sequence = 7000,7001'
		door b 'Sequence = 8000,8001,8002'
	} | begin
	knocks from=198.51.100.1 7000 from=198.51.100.2 8000 8001 \
		from=198.51.100.1 7001 from=198.51.100.2 8002
	heard
	all_ran | xargs -n 1 | sort | xargs
}

# The service manager ends all processes of the service at once.
group_ended() {
	door in 'Sequence = 7000,7001' 'Cmd_Timeout = 60' "Stop_Command = echo out >>$T/ran" | begin
	knocks 7000 7001
	heard
	strike TERM
	wait_for 5 nobody_runs || true
	all_ran
}

# It alone is told to stop: how long does that take?
blocked() {
	local seconds
	door in 'Sequence = 7000,7001' 'Cmd_Timeout = 4' "Stop_Command = echo out >>$T/ran" | begin
	knocks 7000 7001
	heard
	kill -TERM "$(main_pid)"
	seconds=$(seconds_until is_gone "$(main_pid)")
	[ "$seconds" -ge 2 ] && seconds=long || seconds=short
	echo "$(all_ran) $seconds"
}

# It crashes with all that belongs to it, and is started again.
crashed() {
	door in 'Sequence = 7000,7001' 'Cmd_Timeout = 2' "Stop_Command = echo out >>$T/ran" | begin
	knocks 7000 7001
	heard
	strike KILL
	wait_for 5 nobody_runs || fail "it is dead"
	wait "$(main_pid)" 2>/dev/null || true
	again
	# Longer than it takes: nothing may come twice either.
	sleep 3
	heard
	all_ran
}

# The same, but what belongs to it lives on: it must not run the stop command too.
orphaned() {
	door in 'Sequence = 7000,7001' 'Cmd_Timeout = 2' "Stop_Command = echo out >>$T/ran" | begin
	knocks 7000 7001
	heard
	disown -a
	kill -KILL "$(main_pid)"
	wait_for 5 is_gone "$(main_pid)" || fail "it is dead"
	again
	sleep 3
	heard
	all_ran
}

# A line of the file that is no sequence stands before those that are.
replayed() {
	printf ' %s\n' '7000:sctp,7001' '7000,7001' '8000,8001' '9000,9001' >"$T/sequences"
	door once "One_Time_Sequences = $T/sequences" | begin
	knocks from=198.51.100.1 7000 7001
	heard
	knocks from=198.51.100.2 7000 7001
	heard
	knocks from=198.51.100.3 8000 8001
	heard
	all_ran
}

# The last sequence of the file is used: the classic goes on with a door that it has freed.
last_used() {
	local errors=0
	printf ' %s\n' '7000,7001' >"$T/sequences"
	{
		door once "One_Time_Sequences = $T/sequences"
		door other 'Sequence = 9000,9001'
	} >"$T/doors"
	if [ "$SIDE" = classic ]; then
		CLASSIC_UNDER=(valgrind -q --log-file="$T/valgrind.%p.log")
	fi
	begin <"$T/doors"
	CLASSIC_UNDER=()
	knocks 7000 7001
	heard
	knocks 7000 7001 9000 9001
	heard
	finish
	errors=$(cat "$T"/valgrind.*.log 2>/dev/null | grep -c 'Invalid read' || true)
	[ "$errors" -eq 0 ] || errors=freed
	rm -f "$T"/valgrind.*.log
	echo "$(all_ran) $errors"
}

# The second sequence of the file, over IPv6.
second_ipv6() {
	printf ' %s\n' '7000,7001' '8000,8001' '9000,9001' >"$T/sequences"
	door once "One_Time_Sequences = $T/sequences" | begin
	knocks from=2001:db8::99 7000 7001
	heard
	knocks from=2001:db8::98 8000 8001
	heard
	all_ran
}

# Knocks behind an extension header.
extended() {
	door in 'Sequence = 7000,7001:udp' | begin
	knocks from=2001:db8::99 7000/behind 7001:udp/behind
	heard
	all_ran
}

# A stream of datagrams to a door of one knock.
retriggered() {
	local count
	door one 'Sequence = 5000:udp' | begin
	knocks from=198.51.100.1 '5000:udp*150'
	heard
	[ "$SIDE" = ours ] || wait_for 5 ran_all 150 || true
	count=$(ran one)
	[ "$count" -gt 3 ] || count=few
	echo "$count"
}

ran_all() {
	[ "$(ran one)" -ge "$1" ]
}

# The same from many sources within less than a second.
stormed() {
	local count words=() i
	door one 'Sequence = 5000:udp' | begin
	for ((i = 1; i <= 150; i++)); do
		words+=("from=198.51.100.$i" 5000:udp)
	done
	knocks "${words[@]}"
	heard
	[ "$SIDE" = ours ] || wait_for 5 ran_all 150 || true
	count=$(ran one)
	[ "$count" -gt 20 ] || count=few
	echo "$count"
}

# Sequences that are alike, or one of which begins within the other.
similar() {
	{
		door a 'Sequence = 7000,8000,9000'
		door b 'Sequence = 7000,8000,9500'
		door c 'Sequence = 1001,1002,1003'
		door d 'Sequence = 1002,1003,1004'
	} | begin
	knocks from=198.51.100.1 7000 8000 9500
	heard
	knocks from=198.51.100.2 7000 8000 9000
	heard
	knocks from=198.51.100.3 1001 1002 1003
	heard
	knocks from=198.51.100.3 1004
	heard
	all_ran
}

# The host gets an address while it runs.
readdressed() {
	door in 'Sequence = 7000,7001' | begin
	ip -n "$SERVER" addr add 192.0.2.77/24 dev eth0
	knocks to=192.0.2.77 7000 7001 +0.3 7000 7001
	heard
	kill -HUP "$(main_pid)"
	sleep 0.5
	knocks to=192.0.2.77 7000 7001
	heard
	ip -n "$SERVER" addr del 192.0.2.77/24 dev eth0
	if [ "$(ran in)" -gt 0 ]; then echo follows; else echo deaf; fi
}

# A hundred commands, and who is left of them.
reaped() {
	local words=() i j
	for ((i = 0; i < 10; i++)); do
		door "door$i" "Sequence = 500$i:udp"
	done | begin
	for ((j = 1; j <= 10; j++)); do
		for ((i = 0; i < 10; i++)); do
			words+=("from=198.51.100.$j" "500$i:udp")
		done
	done
	knocks "${words[@]}"
	heard
	heard
	echo "$(grep -c '^door' "$T/ran") $(zombies)"
}

zombies() {
	local pid child children count=0
	for pid in $(pids); do
		mapfile -d ' ' -t children < <(cat /proc/"$pid"/task/*/children 2>/dev/null)
		for child in "${children[@]}"; do
			! grep -q '^State:.*Z' "/proc/$child/status" 2>/dev/null ||
				count=$((count + 1))
		done
	done
	echo "$count"
}

# What a command has open: a socket that hears the network is not for commands.
inherited() {
	{
		echo '[in]'
		echo 'Sequence = 7000,7001'
		echo "Start_Command = ls -l /proc/self/fd | grep -c socket: >>$T/ran"
	} | begin
	knocks 7000 7001
	heard
	if [ "$(all_ran)" = 0 ]; then echo none; else echo sockets; fi
}

# ---- what is known ----

# try BUG SENTENCE OURS CLASSIC
try() {
	local bug=$1 sentence=$2 seen expected
	[ ${#wanted[@]} -eq 0 ] || [[ " ${wanted[*]} " == *" $bug "* ]] || return 0
	for SIDE in "${sides[@]}"; do
		expected=$3
		[ "$SIDE" = ours ] || expected=$4
		"$bug" >"$T/fact"
		finish
		seen=$(cat "$T/fact")
		expect_equal "$sentence: $SIDE: $expected" "$seen" "$expected"
	done
}

world
classic_fetch
try oldest "an attempt outlives the end of an older one" "a b" "a"
try group_ended "a stop command is not lost when the service is ended" "in out" "in"
try blocked "to stop takes no longer than the commands" "in out short" "in out long"
try crashed "a stop command is not lost in a crash, and runs once" "in out" "in"
try orphaned "a stop command runs once where only the daemon is killed" "in out" "in out"
try replayed "a used sequence is used, whatever else is in its file" "once once" "once once once"
try last_used "the last sequence of a file does no harm" "once other 0" "once other freed"
try second_ipv6 "the second sequence of a file opens over IPv6 too" "once once" "once"
try extended "IPv6 extension headers hide no knock" "in" ""
try retriggered "one source runs one command a second" "few" "150"
try stormed "many sources start few commands" "few" "150"
try similar "sequences that are alike do not disturb each other" "b a c d" "b a c"
try readdressed "it follows the addresses of the host" "follows" "deaf"
try reaped "a hundred commands leave nobody behind" "100 0" "100 0"
try inherited "no socket is left open to a command" "none" "sockets"
