#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What stands in the log, to the letter: in a file, in syslog and with names of hosts. A server for
# names that never answers delays no line for long and no knock at all. Neither -v nor -D says what
# the knocks are.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

STAMP='[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}'
# No number of these may be anywhere else.
SEQUENCE=(41967 28653:udp 35117)
SECRETS='41967|28653|35117|52361'

# private SCRIPT: knockd sees the /etc of $T/etc, and what SCRIPT, which is for a shell, has done.
private() {
	# The quoted script's variables are its own.
	# shellcheck disable=SC2016
	KNOCKD_UNDER=(unshare -m sh -c '
		mount --bind "$1/etc" /etc && eval "$2" && shift 2 && exec "$@"' sh "$T" "$1")
}

# file_has LINE: with a stamp before it, and nothing behind it; LINE is an extended regex.
file_has() {
	grep -Eqx "\[$STAMP\] $1" "$T/file.log"
}

file_gets() {
	wait_for 5 file_has "$1"
}

# expect_lines LINE...: in the file, each after the one before.
expect_lines() {
	local line
	for line in "$@"; do
		expect "the file has: $line" file_gets "$line"
	done
}

# spawn OPTION...: knockd, with an empty file, until the doors enforce.
spawn() {
	: >"$T/knockd.log"
	: >"$T/file.log"
	log_mark
	KNOCKD_OPTIONS=(--state-dir "$T/state" "$@")
	knockd_spawn
	file_gets 'starting up, listening on eth0' || fail "knockd starts"
}

conf_with() {
	conf <<-END
	[options]
		LogFile = $T/file.log
		$1
	[openSSH]
		Sequence = ${SEQUENCE[0]},${SEQUENCE[1]},${SEQUENCE[2]}
		Open = 22
		Open_Time = 1
		Seq_Timeout = 2
	[two words]
		Sequence = 52361,${SEQUENCE[0]}
		Close_Sequence = 52361,${SEQUENCE[2]}
		Open = 23
	END
}

world
mkdir -p "$T/etc"
cp /etc/passwd /etc/group "$T/etc/"
chmod 755 "$T/etc"
printf 'hosts: files dns\n' >"$T/etc/nsswitch.conf"
printf '%s\n' '127.0.0.1 localhost' "$CLIENT4 admin-1.example" "$CLIENT6 six.example" \
	>"$T/etc/hosts"
# The client's kernel owns no such address and keeps quiet.
printf 'nameserver 203.0.113.53\n' >"$T/etc/resolv.conf"
listen "$SERVER" listener tcp:22 tcp:23

# The file.
conf_with ''
spawn
knock_at $SERVER4 "${SEQUENCE[@]}"
expect_lines "$CLIENT4: openSSH: Stage 1" "$CLIENT4: openSSH: Stage 2" \
	"$CLIENT4: openSSH: Stage 3" "$CLIENT4: openSSH: OPEN SESAME" \
	"$CLIENT4: openSSH: closed \(time\)"
knock_at $SERVER6 52361 "${SEQUENCE[0]}"
expect_lines "$CLIENT6: two words: OPEN SESAME"
knock_at $SERVER6 52361 "${SEQUENCE[2]}"
expect_lines "$CLIENT6: two words: closed \(sequence\)"
knock_at $SERVER6 "${SEQUENCE[@]}"
expect_lines "$CLIENT6: openSSH: OPEN SESAME"
knock_at $SERVER4 "${SEQUENCE[0]}" "${SEQUENCE[1]}"
expect_lines "$CLIENT4: openSSH: sequence timeout \(stage 2\)"
expect_equal "which is said once, and of nothing that opened" \
	"$(grep -c 'openSSH: sequence timeout' "$T/file.log")" 1
kill -HUP "$KNOCKD_PID"
expect_lines "re-reading config file: $T/knockd.conf" "re-opening log file: $T/file.log" reloaded
knockd_stop
expect_lines "shutting down"
expect_not "every line has its stamp, and there is no other" \
	grep -Evx "\[$STAMP\] .+" "$T/file.log"
expect_equal "without -v there is nothing on standard output or error" "$(cat "$T/knockd.log")" ''

# Syslog: a socket in a /dev that only knockd sees.
in_server sysctl -qw net.unix.max_dgram_qlen=10
start_in "$SERVER" "$PYTHON" "$SYSTEM/115-notify.py" "$T/syslog" >"$T/syslog.log" 2>&1
reader=$STARTED
wait_for 5 grep -q '^ready' "$T/syslog.log" || fail "syslog listens"
private "mount -t tmpfs tmpfs /dev && mknod -m 666 /dev/null c 1 3 && ln -s '$T/syslog' /dev/log"
conf_with UseSyslog
spawn
expect "syslog is told, with its ident, user.notice and no process id" wait_for 5 grep -Eqx \
	'<13>[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} knockd: starting up, listening on eth0' \
	"$T/syslog.log"
knock_at $SERVER4 "${SEQUENCE[@]}"
expect "of openings too" wait_for 5 grep -Eqx "<13>.{15} knockd: $CLIENT4: openSSH: OPEN SESAME" \
	"$T/syslog.log"
expect_lines "$CLIENT4: openSSH: OPEN SESAME"

# Nobody reads what syslog is told: nothing else waits for that.
kill -STOP "$reader"
: >"$T/file.log"
for _ in {1..20}; do
	knock_at $SERVER4 "${SEQUENCE[@]}"
done
knock_at $SERVER6 52361 "${SEQUENCE[0]}"
expect "with a syslog that hangs, knocks open" tcp_opens $SERVER6 23
expect_lines "$CLIENT6: two words: OPEN SESAME"
kill -CONT "$reader"
knock_at $SERVER6 52361 "${SEQUENCE[2]}"
expect "and what it missed is told as a number" wait_for 5 \
	grep -Eqx '<13>.{15} knockd: [0-9]+ lines not logged: nobody read them' "$T/syslog.log"
expect "before the next line" wait_for 5 \
	grep -Eqx "<13>.{15} knockd: $CLIENT6: two words: closed \\(sequence\\)" "$T/syslog.log"
knockd_stop

# Names of hosts.
private :
conf_with ''
spawn -l
knock_at $SERVER4 "${SEQUENCE[@]}"
expect_lines "$CLIENT4 \(admin-1\.example\): openSSH: Stage 1" \
	"$CLIENT4 \(admin-1\.example\): openSSH: OPEN SESAME" \
	"$CLIENT4 \(admin-1\.example\): openSSH: closed \(time\)"
knock_at $SERVER6 "${SEQUENCE[0]}"
expect_lines "$CLIENT6 \(six\.example\): openSSH: Stage 1" \
	"$CLIENT6 \(six\.example\): openSSH: sequence timeout \(stage 1\)"
expect_not "no line is without" grep -E "$CLIENT4:|$CLIENT6:" "$T/file.log"
knockd_stop

# A name that is none, and one that nobody tells.
printf '%s\n' "$CLIENT4 evil(host):x" >"$T/etc/hosts"
private 'export RES_OPTIONS="timeout:20 attempts:2"'
spawn -l
knock_at $SERVER4 "${SEQUENCE[@]}"
expect_lines "$CLIENT4: openSSH: OPEN SESAME"
began=${EPOCHREALTIME/./}
knock_at $SERVER6 "${SEQUENCE[@]}"
expect "with a server for names that never answers, knocks open" tcp_opens $SERVER6 22
took=$(((${EPOCHREALTIME/./} - began) / 1000))
expect "in $took ms" test "$took" -lt 1500
expect_lines "$CLIENT6: openSSH: Stage 1" "$CLIENT6: openSSH: Stage 2" \
	"$CLIENT6: openSSH: Stage 3" "$CLIENT6: openSSH: OPEN SESAME"
took=$(((${EPOCHREALTIME/./} - began) / 1000))
expect "and lines come within two seconds: $took ms" test "$took" -lt 4000
expect_lines "$CLIENT6: openSSH: closed \(time\)"
knock_at $SERVER6 "${SEQUENCE[0]}"
knockd_stop
expect_lines "$CLIENT6: openSSH: Stage 1" "shutting down"
expect_equal "what waited at the end is before the end" \
	"$(grep -E 'Stage 1|shutting down' "$T/file.log" | tail -n 2 | sed 's/.*] //')" \
	"$CLIENT6: openSSH: Stage 1"$'\n'"shutting down"
KNOCKD_UNDER=()

# What is for who wants to know more.
conf_with 'Interface = eth0'
spawn -v
knock_at $SERVER4 "${SEQUENCE[@]}"
knockd_stop
for line in 'starting up, listening on eth0' 'listening on eth0...' \
	"$CLIENT4: openSSH: OPEN SESAME" 'shutting down' 'waiting for child processes...' \
	'closing...'; do
	expect "-v prints: $line" grep -Fqx "$line" "$T/knockd.log"
done
expect_not "what is only printed is not in the file" file_has 'listening on eth0\.\.\.'
expect_not "nor is debugging without -D" logged '^debug: '

spawn -D
knock_at $SERVER4 "${SEQUENCE[@]}"
knock_at $SERVER4 1 "${SEQUENCE[0]}" "${SEQUENCE[2]}" 52361
expect_not "a closed port is refused" tcp_opens $SERVER6 22
kill -HUP "$KNOCKD_PID"
expect_lines reloaded
expect "knockctl opens" ctl open 'two words' 192.0.2.99
knockd_stop
for line in 'event opened: .*openSSH' 'event stage: ' 'event blocked: ' 'to the helper: reload' \
	'from the helper: done' 'capabilities: none' 'signal 1$'; do
	expect "-D prints: $line" logged "^debug: $line"
done
expect "and what -v prints" logged '^closing...$'
expect_not "neither says what the knocks are" grep -Ew "$SECRETS" "$T/knockd.log" "$T/file.log"
