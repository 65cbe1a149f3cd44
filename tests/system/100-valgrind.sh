#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# From start over knocks and reloads to stop, neither of knockd's two processes reads memory that it
# did not write, or loses any.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

command -v valgrind >/dev/null || skip "valgrind is not installed"
world
listen "$SERVER" listener tcp:22 tcp:23
conf <<END
[options]
	Trust = 203.0.113.0/24
[ssh]
	Sequence = 7000,8000:udp,9000
	Close_Sequence = 9000,8000:udp
	Open = 22
	Open_Time = 1
	Knock_From = 192.0.2.0/24
[other]
	Sequence = 7000,3:icmp
	Open = 23,60000-60010:udp
END
# Its lines of the form "--PID-- WARNING" tell of commands of the bpf system call that it passes on
# without looking at them.
findings() {
	grep -h '^==' "$T"/valgrind.*.log || true
}
# The filter of system calls would stop valgrind too.
cc -shared -fPIC -o "$T/unfiltered.so" -x c - <<END
int seccomp_load(void *filter)
{
	(void)filter;
	return 0;
}
END
KNOCKD_UNDER=(env LD_PRELOAD="$T/unfiltered.so" valgrind -q --error-exitcode=9
	--leak-check=full --show-leak-kinds=all
	--errors-for-leak-kinds=all --suppressions="$SYSTEM/valgrind.supp"
	--log-file="$T/valgrind.%p.log")
KNOCKD_PATIENCE=60
knockd_start
knock_at $SERVER4 7000 8000:udp 9000
expect "a knock opens" tcp_opens $SERVER4 22
expect "the door closes by itself" wait_for 5 logged 'closed (time)'
knock_at $SERVER4 7000 8000:udp 9000
knock_at $SERVER4 9000 8000:udp
expect "the door is closed by a sequence" wait_for 5 logged 'closed (sequence)'
knock_at $SERVER6 7000 8000:udp 9000
expect_not "who may not knock stays outside" tcp_opens $SERVER6 22
log_mark
kill -HUP "$KNOCKD_PID"
expect "it reloads" wait_for 60 logged_since '^reloaded'
echo "no directive" >>"$T/knockd.conf"
kill -HUP "$KNOCKD_PID"
expect "it does not reload what is wrong" wait_for 60 logged_since '^not reloaded'
# A device that comes and goes while knockd runs.
ip -n "$SERVER" link add veth7 type veth peer name veth8
ip -n "$SERVER" link del veth7
knockd_stop
expect_equal "valgrind finds nothing" "$(findings)" ""

printf '%s\n' '[a]' 'Sequence = 1,x' 'y' >"$T/bad.conf"
status=0
in_server "${KNOCKD_UNDER[@]}" "$KNOCKD" -i eth0 -c "$T/bad.conf" >"$T/refusal" 2>&1 || status=$?
expect_equal "a config with errors still exits with 1 under valgrind" "$status" 1
expect_equal "valgrind finds nothing there either" "$(findings)" ""
