#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the system tests and the demo share: two throw-away network namespaces joined by a veth pair,
#
#	client eth0  192.0.2.2, 2001:db8::2  ----  192.0.2.1, 2001:db8::1  eth0 server
#
# a real sshd in the server, knockd on its eth0, and assertions that are sentences. The server's
# default route is the client, so a test may send from any address: replies come back to the
# client's eth0, and the client's kernel, which does not own the address, keeps quiet.
#
# A test sources this file, calls world, and ends by itself; cleaning up is a trap. Exit status: 0
# all sentences are true, 77 skipped, anything else a failure. Names are unique to the process, so
# tests can run side by side.

# Who sources this uses what is set here.
# shellcheck disable=SC2034

set -eEu -o pipefail
# A command that fails outside of an assertion ends the test: it says which one it was.
trap 'echo "FALSE: line $LINENO of ${BASH_SOURCE[0]##*/}: $BASH_COMMAND" >&2' ERR

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SYSTEM=$ROOT/tests/system
KNOCKD=${KNOCKD:-$ROOT/build/knockd}
KNOCKCTL=${KNOCKCTL:-$ROOT/build/knockctl}
SERVICES=$ROOT/build/packages/root
HELPERS=$ROOT/build/tests/system
PYTHON=/usr/bin/python3
TEST=$(basename "$0" .sh)
T=
NAMESPACES=()
SERVER=kd$$-server
CLIENT=kd$$-client
KNOCKD_PID=
# Where this test's knockd keeps its links and maps; it mounts /sys/fs/bpf where that is missing.
PINS=/sys/fs/bpf/kd$$

SERVER4=192.0.2.1
SERVER6=2001:db8::1
CLIENT4=192.0.2.2
CLIENT6=2001:db8::2
# The same in tests/system/wire.py.
SERVER_MAC=02:00:00:00:00:01
CLIENT_MAC=02:00:00:00:00:02

# What a test says. A failure shows the end of every log.

say() {
	echo "- $*"
}

fail() {
	echo "FALSE: $*" >&2
	local log
	for log in ${T:+"$T"/*.log}; do
		[ -s "$log" ] || continue
		echo "--- the end of ${log##*/}:" >&2
		tail -n 25 "$log" | cut -c-200 >&2
	done
	exit 1
}

skip() {
	echo "SKIP $TEST: $*"
	exit 77
}

# expect SENTENCE COMMAND...: the command must succeed.
expect() {
	local sentence=$1
	shift
	"$@" >"$T/command.log" 2>&1 || fail "$sentence"
	rm -f "$T/command.log"
	say "$sentence"
}

# expect_not SENTENCE COMMAND...: the command must fail.
expect_not() {
	local sentence=$1
	shift
	! "$@" >"$T/command.log" 2>&1 || fail "$sentence"
	rm -f "$T/command.log"
	say "$sentence"
}

# expect_equal SENTENCE SEEN EXPECTED
expect_equal() {
	[ "$2" = "$3" ] || fail "$1 (seen: '$2', expected: '$3')"
	say "$1"
}

# wait_for SECONDS COMMAND...: until the command succeeds; fails when the time is over.
wait_for() {
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

is_running() {
	kill -0 "$1" 2>/dev/null
}

is_gone() {
	! is_running "$1"
}

# Namespaces. Not "ip netns exec": that hides /sys/fs/bpf.

in_namespace() {
	local namespace=$1
	shift
	nsenter --net="/run/netns/$namespace" "$@"
}

in_server() {
	in_namespace "$SERVER" "$@"
}

in_client() {
	in_namespace "$CLIENT" "$@"
}

# start_in NAMESPACE COMMAND...: in the background; its process is STARTED.
start_in() {
	local namespace=$1
	shift
	nsenter --net="/run/netns/$namespace" "$@" </dev/null &
	STARTED=$!
}

namespace_add() {
	NAMESPACES+=("$1")
	ip netns add "$1"
	# Replies must come at once and all of them: no address detection, no limits on ICMP.
	in_namespace "$1" sh -c '
		cd /proc/sys/net
		echo 0 >ipv6/conf/all/accept_dad
		echo 0 >ipv6/conf/default/accept_dad
		echo 0 >ipv6/conf/default/accept_ra
		echo 0 >ipv6/conf/default/router_solicitations
		echo 0 >ipv6/auto_flowlabels
		echo 0 >ipv4/conf/all/rp_filter
		echo 0 >ipv4/conf/default/rp_filter
		echo 0 >ipv4/icmp_ratelimit
		echo 0 >ipv6/icmp/ratelimit
		echo 1000000 >ipv4/icmp_msgs_per_sec
		echo 1000000 >ipv4/icmp_msgs_burst' 2>/dev/null || true
	ip -n "$1" link set lo up
}

# world: the two namespaces, connected.
world() {
	[ "$(id -u)" -eq 0 ] || skip "namespaces need root"
	[ -e "$T" ] || T=$(mktemp -d /tmp/knockd-test.XXXXXX)
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	namespace_add "$SERVER"
	namespace_add "$CLIENT"
	wire_add
}

# wire_add: the two ends of the wire, up, with their addresses and routes.
wire_add() {
	ip -n "$SERVER" link add eth0 address $SERVER_MAC type veth \
		peer name eth0 netns "$CLIENT" address $CLIENT_MAC
	ip -n "$SERVER" link set eth0 up
	ip -n "$CLIENT" link set eth0 up
	ip -n "$SERVER" addr add $SERVER4/24 dev eth0
	ip -n "$CLIENT" addr add $CLIENT4/24 dev eth0
	ip -n "$SERVER" addr add $SERVER6/64 dev eth0 nodad
	ip -n "$CLIENT" addr add $CLIENT6/64 dev eth0 nodad
	ip -n "$SERVER" route add default via $CLIENT4
	ip -n "$SERVER" -6 route add default via $CLIENT6
	wait_for 5 has_carrier "$SERVER" || fail "the server's eth0 comes up"
	wait_for 5 has_carrier "$CLIENT" || fail "the client's eth0 comes up"
}

has_carrier() {
	ip -n "$1" link show dev eth0 | grep LOWER_UP >/dev/null
}

# undo: what a test has done to the host itself; after its processes have been told to end.
undo() {
	:
}

# Ends what runs in our namespaces, which is ours, and takes them away.
cleanup() {
	local status=$? namespace pid
	trap '' INT TERM HUP
	# They are killed on purpose: bash need not tell.
	disown -a
	for namespace in "${NAMESPACES[@]}"; do
		for pid in $(ip netns pids "$namespace" 2>/dev/null); do
			kill -KILL "$pid" 2>/dev/null || true
		done
	done
	# Its links outlive knockd: the doors are gone with their pins.
	rm -rf "$PINS"
	undo
	for namespace in "${NAMESPACES[@]}"; do
		ip netns del "$namespace" 2>/dev/null || true
	done
	if [ -n "${KEEP_LOGS:-}" ]; then
		echo "logs are in $T"
	else
		rm -rf "$T"
	fi
	exit "$status"
}

# The programs of others.

service() {
	local library_path
	library_path=$(echo "$SERVICES"/lib/*-linux-gnu "$SERVICES"/usr/lib/*-linux-gnu)
	env LD_LIBRARY_PATH="${library_path// /:}" "$@"
}

# sshd_start: OpenSSH's server on port 22 of the server namespace, for root with a throw-away key.
# It sees its own passwd file and its own /run, because the host may have no user sshd.
sshd_start() {
	"$ROOT/scripts/services.sh" || fail "OpenSSH can be downloaded"
	service "$SERVICES/usr/bin/ssh-keygen" -q -t ed25519 -N '' -f "$T/host_key"
	service "$SERVICES/usr/bin/ssh-keygen" -q -t ed25519 -N '' -f "$T/user_key"
	printf '%s\n' 'root:x:0:0::/:/bin/sh' 'sshd:x:101:65534::/run/sshd:/bin/false' >"$T/passwd"
	printf '%s\n' 'root:*:19000:0:99999:7:::' 'sshd:*:19000:0:99999:7:::' >"$T/shadow"
	chmod 600 "$T/shadow"
	cat >"$T/sshd_config" <<-END
		Port 22
		ListenAddress 0.0.0.0
		ListenAddress ::
		HostKey $T/host_key
		AuthorizedKeysFile $T/user_key.pub
		PidFile none
		StrictModes no
		UsePAM no
		UseDNS no
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		PermitRootLogin prohibit-password
		PrintMotd no
		PrintLastLog no
		MaxStartups 1000
		LoginGraceTime 60
	END
	# OpenSSH 9.8 and newer is split into programs that it looks for where they are installed.
	local helpers=$SERVICES/usr/lib/openssh
	if [ -e "$helpers/sshd-session" ]; then
		echo "SshdSessionPath $helpers/sshd-session" >>"$T/sshd_config"
	fi
	if [ -e "$helpers/sshd-auth" ]; then
		echo "SshdAuthPath $helpers/sshd-auth" >>"$T/sshd_config"
	fi
	# The quoted script's variables are its own.
	# shellcheck disable=SC2016
	service nsenter --net="/run/netns/$SERVER" unshare -m sh -c '
		mount -t tmpfs tmpfs /run &&
		mkdir -m 755 /run/sshd &&
		mount --bind "$1/passwd" /etc/passwd &&
		mount --bind "$1/shadow" /etc/shadow &&
		mount -t tmpfs tmpfs /var/log &&
		exec "$2" -D -e -f "$1/sshd_config"' sh "$T" "$SERVICES/usr/sbin/sshd" \
		>"$T/sshd.log" 2>&1 </dev/null &
	wait_for 10 grep -q 'listening on :: port 22' "$T/sshd.log" || fail "sshd starts"
}

# ssh_to ADDRESS COMMAND...: from the client, gives up after three seconds without an answer.
ssh_to() {
	local address=$1
	shift
	service nsenter --net="/run/netns/$CLIENT" "$SERVICES/usr/bin/ssh" -F none \
		-o BatchMode=yes -o ConnectTimeout="${SSH_PATIENCE:-3}" -o IdentitiesOnly=yes \
		-o IdentityAgent=none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		-o GlobalKnownHostsFile=/dev/null -o LogLevel=ERROR -i "$T/user_key" \
		"root@$address" "$@"
}

# session_open NAME ADDRESS: an ssh session that echoes what session_answers sends it.
session_open() {
	local name=$1 address=$2
	mkfifo "$T/$name.in"
	ssh_to "$address" cat <"$T/$name.in" >"$T/$name.out" 2>"$T/$name.log" &
	# Kept open, or the session would see the end of its input.
	eval "exec {${name}_fd}>'$T/$name.in'"
	session_answers "$name"
}

# session_answers NAME: a word that was never said before comes back.
session_answers() {
	local name=$1 fd word=$RANDOM$RANDOM
	eval "fd=\$${name}_fd"
	echo "$word" >&"$fd" || return 1
	wait_for 3 grep -qx "$word" "$T/$name.out"
}

# knock_at ADDRESS KNOCK...: Debian's knock client.
knock_at() {
	local address=$1 family=-4
	shift
	[ -x "$SERVICES/usr/bin/knock" ] || "$ROOT/scripts/services.sh"
	case $address in *:*) family=-6 ;; esac
	service nsenter --net="/run/netns/$CLIENT" "$SERVICES/usr/bin/knock" $family \
		"$address" "$@"
}

# listen NAMESPACE NAME WHAT...: see listen.py; what arrives is in $T/NAME.log.
listen() {
	local namespace=$1 name=$2
	shift 2
	start_in "$namespace" "$PYTHON" "$SYSTEM/listen.py" "$@" >"$T/$name.log" 2>&1
	wait_for 5 grep -q '^ready' "$T/$name.log" || fail "listeners start: $*"
}

# packets SCRIPT ARGUMENT...: a packet script of this directory, in the client.
packets() {
	local script=$1
	shift
	in_client "$PYTHON" "$SYSTEM/$script" "$@"
}

# knock_opens ADDRESS PORT KNOCK...: a knock opens the port.
knock_opens() {
	local address=$1 port=$2
	shift 2
	knock_at "$address" "$@"
	tcp_opens "$address" "$port"
}

# tcp_opens ADDRESS PORT, tcp_refused ADDRESS PORT: from the client. Silence is neither.
tcp_opens() {
	in_client nc -n -z -w 1 "$1" "$2"
}

tcp_refused() {
	local said
	said=$(in_client nc -n -v -z -w 1 "$1" "$2" 2>&1) && return 1
	case $said in *refused*) return 0 ;; esac
	return 1
}

# knockd itself.

# conf: writes $T/knockd.conf from standard input.
conf() {
	cat >"$T/knockd.conf"
	chmod 600 "$T/knockd.conf"
}

# knockd_spawn: on the server's eth0, without waiting. KNOCKD_UNDER is a command that runs it,
# KNOCKD_OPTIONS what it is told besides. KNOCKD_MODE, from the environment, is the mode of XDP.
# What was logged before stays.
KNOCKD_UNDER=()
KNOCKD_OPTIONS=()
knockd_spawn() {
	[ -x "$KNOCKD" ] || fail "$KNOCKD is built"
	start_in "$SERVER" "${KNOCKD_UNDER[@]}" "$KNOCKD" -i eth0 -c "$T/knockd.conf" \
		--pin-dir "$PINS" --state-dir "$T/state" ${KNOCKD_MODE:+--mode "$KNOCKD_MODE"} \
		"${KNOCKD_OPTIONS[@]}" >>"$T/knockd.log" 2>&1
	KNOCKD_PID=$STARTED
}

# knockd_start: with an empty log, and waits until both doors enforce.
knockd_start() {
	: >"$T/knockd.log"
	knockd_again
}

# knockd_again: the same, without emptying the log.
knockd_again() {
	log_mark
	knockd_spawn
	wait_for "${KNOCKD_PATIENCE:-10}" knockd_started_or_gone || true
	logged_since 'starting up, listening on eth0' || fail "knockd starts"
}

knockd_started_or_gone() {
	logged_since 'starting up, listening on' || is_gone "$KNOCKD_PID"
}

# ctl ARGUMENT...: knockctl, for this test's knockd.
ctl() {
	in_server "$KNOCKCTL" --pin-dir "$PINS" "$@"
}

# logged TEXT: knockd has logged a line with this text.
logged() {
	grep -q -e "$1" "$T/knockd.log"
}

# log_mark, logged_since TEXT: the same, for lines after the mark.
log_mark() {
	LOG_MARK=0
	[ ! -e "$T/knockd.log" ] || LOG_MARK=$(wc -l <"$T/knockd.log")
}

logged_since() {
	tail -n "+$((LOG_MARK + 1))" "$T/knockd.log" | grep -e "$1" >/dev/null
}

# wait_logged TEXT: within a few seconds, after the mark.
wait_logged() {
	wait_for "${KNOCKD_PATIENCE:-5}" logged_since "$1"
}

# knockd_stop, knockd_stop_by SIGNAL: it must exit with 0.
knockd_stop() {
	knockd_stop_by TERM
}

knockd_stop_by() {
	local status=0
	kill "-$1" "$KNOCKD_PID"
	wait_for "${KNOCKD_PATIENCE:-10}" is_gone "$KNOCKD_PID" || fail "knockd ends when told to"
	wait "$KNOCKD_PID" || status=$?
	KNOCKD_PID=
	expect_equal "knockd, told to stop, exits with 0" "$status" 0
}

# knockd_kill: without a word; it is gone when this returns.
knockd_kill() {
	kill -KILL "$KNOCKD_PID"
	knockd_reap
}

# knockd_reap: its exit status is KNOCKD_STATUS. bash need not tell that it was killed.
knockd_reap() {
	KNOCKD_STATUS=0
	wait "$KNOCKD_PID" 2>/dev/null || KNOCKD_STATUS=$?
	KNOCKD_PID=
}

# knockd_fails STATUS [OPTION...]: it must exit with this status. Its words are in $T/refusal.
knockd_fails() {
	local expected=$1 status=0
	shift
	in_server timeout 20 "$KNOCKD" --pin-dir "$PINS" --state-dir "$T/state" "$@" \
		>"$T/refusal" 2>&1 </dev/null ||
		status=$?
	[ "$status" -eq "$expected" ] ||
		fail "knockd $* exits with $expected (seen: $status): $(cat "$T/refusal")"
}

# knockd_refuses STATUS [OPTION...]: the same, and nothing is attached.
knockd_refuses() {
	knockd_fails "$@"
	shift
	nothing_attached || fail "after knockd $* nothing is attached"
}

# device_shows REGEX: of the server's eth0. Output goes into a variable first: a grep that has seen
# enough would end what writes to it, and so fail the pipe.
device_shows() {
	local shown
	shown=$(ip -n "$SERVER" -d link show dev eth0) || fail "the server has eth0"
	grep -q "$1" <<<"$shown"
}

# nothing_attached: no XDP program on the server's eth0, no sk_lookup program in its namespace.
nothing_attached() {
	! device_shows 'prog/xdp\|xdpgeneric\|xdp id' && ! sk_lookup_attached
}

# Links of other tests may vanish while they are listed; then the list is made again.
sk_lookup_attached() {
	local inode links tries
	inode=$(in_server stat -L -c %i /proc/self/ns/net)
	for tries in 1 2 3 4 5 6 7 8 9 10; do
		links=$(bpftool link show 2>/dev/null) && break
		[ "$tries" -lt 10 ] || fail "bpftool lists the links"
	done
	grep -q "netns_ino $inode  *attach_type sk_lookup" <<<"$links"
}

# attached: both doors are there.
attached() {
	device_shows 'prog/xdp' && sk_lookup_attached
}
