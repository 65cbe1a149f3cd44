#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a host can bear at a protected port, end to end, beside other ways to close one:
#
#	flood.sh [--quick] [--json]
#
# Measures in two namespaces of its own (drawn in tests/system/lib.sh) how many packets a second of
# a SYN flood the host drops, what TCP through another port keeps meanwhile, what it costs where no
# flood is, and whether and how fast knocks open, for us and for Debian's knockd 0.8 with iptables.
# Prints a table (report.py says what its columns are). Exit status: 0 all that must hold holds, 1
# something does not, 2 it cannot be measured here. FLOOD_CPUS="0 1" are the processors of the
# sender and of the host.
#
# Who works where. All of the sender's side runs on one processor, all of the host's on another. A
# veth runs its receiver on the processor that sends, so both ends have NAPI (GRO is on) in a thread
# of its own (.../threaded), and the threads are pinned: a packet crosses from one processor to the
# other in the veth's ring, before XDP. RPS would come after XDP. Where rates are measured these
# threads go before all other processes, as an interrupt would; beside knocks they have the same
# share as those, as ksoftirqd has in a flood.
#
# What is on the wire. Frames of the MTU: with TSO, veth hands over 64 KiB at once, without NAPI,
# and as soon as there is XDP it no longer does; that difference is veth's, and no card has it. The
# ring holds 256 frames. A flood without a rate waits for room there (sender.bpf.c says why), and
# knocks wait in a queue before it: that wire loses none of them, what is lost the host has lost.
# TCP and its flood have the ring as it is: who comes when it is full is lost.

# What lib.sh reads is set here; it calls what stands here.
# shellcheck disable=SC2034,SC2317

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../system/lib.sh"
# shellcheck source=tests/system/classic.sh
. "$SYSTEM/classic.sh"

FLOOD=$ROOT/tests/flood
BUILT=$ROOT/build/tests/flood
read -r SENDER_CPU HOST_CPU <<<"${FLOOD_CPUS:-0 1}"

rounds=5 seconds=0.5 knocks=50 json=
loads=(quiet full million first-10000 first-50000 first-200000)
for argument; do
	case $argument in
	--quick) rounds=2 seconds=0.3 knocks=10 loads=(quiet million first-200000) ;;
	--json) json=--json ;;
	*)
		echo "usage: $0 [--quick] [--json]" >&2
		exit 2 ;;
	esac
done
# In the order of measuring: the barest before and after us, who are compared with it.
rows=(none iptables iptables-raw nftables bare-filter bare native bare-again generic bare-generic)
MILLION=1000000
# The threads of NAPI at both ends.
napi=()
PATIENCE_MS=1000

# What says nothing here, and a failure means: it cannot be measured.
say() {
	:
}

fail() {
	echo "cannot measure: $*" >&2
	tail -qn 5 "$T"/*.log >&2 2>/dev/null || true
	exit 2
}

skip() {
	fail "$@"
}

on_host() {
	in_server taskset -c "$HOST_CPU" "$@"
}

# result WORD...: a line for report.py.
result() {
	echo "$*" >>"$T/results"
}

# ---- the wire ----

threads_of_napi() {
	ps -eo pid=,comm= | awk '$2 ~ /^napi\/eth0/ { print $1 }' | sort
}

# napi_pin NAMESPACE CPU
napi_pin() {
	local before after thread
	in_namespace "$1" ethtool -K eth0 gro on tso off gso off >/dev/null ||
		fail "ethtool sets the offloads of a veth"
	before=$(threads_of_napi)
	# The namespace's own /sys.
	ip netns exec "$1" sh -c 'echo 1 >/sys/class/net/eth0/threaded' ||
		fail "NAPI runs in a thread"
	after=$(threads_of_napi)
	for thread in $(comm -13 <(echo "$before") <(echo "$after")); do
		taskset -pc "$2" "$thread" >/dev/null
		renice -n -10 -p "$thread" >/dev/null
		napi+=("$thread")
	done
	[ "$before" != "$after" ] || fail "the thread of NAPI shows up"
}

# napi_urge CHRT...
napi_urge() {
	local thread
	for thread in "${napi[@]}"; do
		chrt "$1" -p "$2" "$thread"
	done
}

wire_prepare() {
	napi_pin "$SERVER" "$HOST_CPU"
	napi_pin "$CLIENT" "$SENDER_CPU"
	# Knocks come from many sources, which are all the client's.
	ip -n "$CLIENT" route add local 198.18.0.0/15 dev lo
	# What an unguarded port begins with the flood must not last into the next measurement.
	in_server sh -c 'echo 0 >/proc/sys/net/ipv4/tcp_synack_retries'
}

# ---- the flood ----

# flood_start PORT RATE SECONDS [silent]: it is on when this returns.
flood_start() {
	start_in "$CLIENT" taskset -c "$SENDER_CPU" "$BUILT/sender" eth0 "$BUILT/sender.bpf.o" \
		"$(in_server stat -L -c %i /proc/self/ns/net)" "$@" >"$T/sender.log" 2>&1
	FLOOD_PID=$STARTED
	wait_for 5 flood_is_ready_or_gone || fail "the flood begins"
	# A short one may be over already.
	grep -q ^ready "$T/sender.log" || fail "the flood goes on"
}

flood_is_ready_or_gone() {
	grep -q ^ready "$T/sender.log" || is_gone "$FLOOD_PID"
}

# flood_end: how much of it there was is in SENT and TAKEN.
flood_end() {
	kill "$FLOOD_PID" 2>/dev/null || true
	flood_wait
}

flood_wait() {
	wait "$FLOOD_PID" || fail "the flood ends well"
	read -r _ SENT _ TAKEN < <(tail -n 1 "$T/sender.log")
}

# What TCP of the host has seen.
segments() {
	# What stands there is awk's.
	# shellcheck disable=SC2016
	in_server awk '/^Tcp:/ { seen = $11 } END { print seen }' /proc/net/snmp
}

# host_ms: for how many milliseconds the host's NAPI has worked.
host_ms() {
	# What stands there is awk's.
	# shellcheck disable=SC2016
	awk -v tick="$(getconf CLK_TCK)" '{ print int(($14 + $15) * 1000 / tick) }' \
		"/proc/${napi[0]}/stat"
}

# ---- the guards of port 22 ----

# bare_attach MODE PROGRAM
bare_attach() {
	ip -force -n "$SERVER" link set dev eth0 "$1" obj "$BUILT/sender.bpf.o" program "$2" \
		>"$T/attach.log" 2>&1 || fail "iproute2 attaches $2"
}

guard_on() {
	case $1 in
	none) ;;
	iptables) in_server "$IPTABLES" -A INPUT -p tcp --dport 22 -j DROP ;;
	iptables-raw)
		in_server "$IPTABLES" -t raw -A PREROUTING -p tcp --dport 22 -j DROP ;;
	nftables)
		in_server nft -f - <<-END
			table netdev flood {
				chain ingress {
					type filter hook ingress device "eth0" priority -500;
					tcp dport 22 drop
				}
			}
		END
		;;
	bare | bare-again | bare-filter) bare_attach xdpdrv bare_filter ;;
	bare-generic) bare_attach xdpgeneric bare_filter ;;
	native | generic)
		KNOCKD_MODE=$1
		knockd_start ;;
	classic)
		guard_on iptables
		classic_start "$SERVER" "$T/classic.conf" classic ;;
	esac
}

# The barest that drops lets nothing else through; only then is it the barest.
guard_strip() {
	case $1 in
	bare | bare-again) bare_attach xdpdrv bare_drop ;;
	bare-generic) bare_attach xdpgeneric bare_drop ;;
	esac
}

guard_off() {
	case $1 in
	iptables | iptables-raw | nftables) in_server nft flush ruleset ;;
	bare | bare-again | bare-filter) ip -n "$SERVER" link set dev eth0 xdpdrv off ;;
	bare-generic) ip -n "$SERVER" link set dev eth0 xdpgeneric off ;;
	native | generic) knockd_stop ;;
	classic)
		kill -KILL "$CLASSIC_PID"
		wait "$CLASSIC_PID" 2>/dev/null || true
		in_server nft flush ruleset ;;
	esac
}

# ---- rates ----

# tcp_rate KIND ROW ROUND: through a port that nobody guards.
tcp_rate() {
	local rate
	rate=$(in_client taskset -c "$SENDER_CPU" "$PYTHON" "$FLOOD/tcp.py" send $SERVER4 5001 \
		"$seconds") || fail "TCP connects"
	result tcp "$@" "$rate"
}

# row_measure ROW ROUND: the sender is as busy beside a silent flood as beside a real one, so that
# only the host makes the difference.
row_measure() {
	local row=$1 round=$2 before worked
	guard_on "$row"
	if [ "$row" != bare-again ] && [ "$row" != bare-filter ]; then
		tcp_rate free "$row" "$round"
		flood_start 22 $MILLION 60 silent
		tcp_rate silent "$row" "$round"
		flood_end
		flood_start 22 $MILLION 60
		tcp_rate flooded "$row" "$round"
		flood_end
		result flood "$row" "$round" "$SENT"
	fi
	guard_strip "$row"
	before=$(segments) worked=$(host_ms)
	flood_start 22 most "$seconds"
	flood_wait
	worked=$(($(host_ms) - worked))
	result drop "$row" "$round" "$TAKEN" $(($(segments) - before)) "$worked" "$seconds"
	guard_off "$row"
}

rates_measure() {
	local round row
	napi_urge --fifo 3
	for ((round = 1; round <= rounds; round++)); do
		echo "rates, round $round of $rounds" >&2
		for row in "${rows[@]}"; do
			row_measure "$row" "$round"
		done
	done
}

# ---- knocks ----

# load_start LOAD: a flood of the guarded port, or of first knocks, or nothing. Who knocks sleeps
# most of the time; the flood may have the rest.
load_start() {
	case $1 in
	quiet) ASKED=0 ;;
	full) ASKED=0 ;;
	million) ASKED=$MILLION ;;
	first-*) ASKED=${1#first-} ;;
	esac
	case $1 in
	quiet) ;;
	first-*)
		flood_start 7000 "$ASKED" 60
		# The places for progress fill up.
		sleep 1 ;;
	*) flood_start 22 "$ASKED" 60 ;;
	esac
	# Of all its threads, each a word.
	# shellcheck disable=SC2046
	[ "$1" = quiet ] || renice -n -20 -p $(ls "/proc/$FLOOD_PID/task") >/dev/null
}

# cell_measure WHO LOAD: a new start, new sources.
cell_measure() {
	local opened
	guard_on "$1"
	load_start "$2"
	in_client taskset -c "$SENDER_CPU" "$BUILT/knocker" $SOURCES "$knocks" 50 20 $PATIENCE_MS \
		22 7000 8000:udp 9000 >"$T/knocks" 2>"$T/knocker.log" || fail "the knocker works"
	SOURCES=$((SOURCES + knocks))
	SENT=0 TAKEN=0
	[ "$2" = quiet ] || flood_end
	guard_off "$1"
	opened=$(grep -c ^open "$T/knocks" || true)
	result knock "$1" "$2" "$ASKED" "$SENT" "$TAKEN" "$knocks" "$opened" \
		"$(sed -n 's/^open //p' "$T/knocks" | paste -sd ' ')"
}

knocks_measure() {
	local who load
	napi_urge --other 0
	# Where the ring is full, veth tells its queue to wait; without a queue, frames are lost.
	in_client tc qdisc replace dev eth0 root pfifo limit 1000
	SOURCES=1
	for load in "${loads[@]}"; do
		echo "knocks, ${load/first-/first knocks beside them: }" >&2
		for who in native generic classic; do
			cell_measure "$who" "$load"
		done
	done
}

# ---- all of it ----

T=$(mktemp -d /tmp/knockd-flood.XXXXXX)
trap 'rm -rf "$T"' EXIT
[ "$(nproc --all)" -gt 1 ] || fail "it takes two processors"
for tool in ethtool iptables nft tc taskset; do
	command -v $tool >/dev/null || fail "$tool is installed (scripts/deps.sh flood)"
done
# As nftables rules they can be taken away without a trace.
IPTABLES=$(command -v iptables-nft) || fail "iptables is the one of nftables"
classic_fetch
world
wire_prepare
taskset -pc "$SENDER_CPU" $$ >/dev/null
# What else runs on this machine shall disturb little.
renice -n -10 -p $$ >/dev/null
KNOCKD_UNDER=(taskset -c "$HOST_CPU")
CLASSIC_UNDER=(taskset -c "$HOST_CPU")
: >"$T/results"
conf <<END
[ssh]
	Sequence = 7000,8000:udp,9000
	Seq_Timeout = 10
	Open = 22
	Open_Time = 2
END
cat >"$T/classic.conf" <<END
[ssh]
	Sequence = 7000,8000:udp,9000
	Seq_Timeout = 10
	TCPFlags = syn
	Start_Command = $IPTABLES -I INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
	Cmd_Timeout = 2
	Stop_Command = $IPTABLES -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
END
start_in "$SERVER" taskset -c "$HOST_CPU" "$PYTHON" "$FLOOD/tcp.py" sink 5001 >"$T/sink.log" 2>&1
wait_for 5 grep -q ^ready "$T/sink.log" || fail "the sink listens"
start_in "$SERVER" taskset -c "$HOST_CPU" "$PYTHON" "$SYSTEM/listen.py" tcp:22 >"$T/listen.log" 2>&1
wait_for 5 grep -q ^ready "$T/listen.log" || fail "port 22 listens"

rates_measure
knocks_measure
status=0
"$PYTHON" "$FLOOD/report.py" $json "$T/results" || status=$?
exit "$status"
