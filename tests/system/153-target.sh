#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Whether a door's Target is this host's is followed as addresses come and go: its ports are this
# host's while it is, and a trial of the config goes on meanwhile.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

TARGET=192.0.2.77

world
# On a host that does not forward every target is its own, which may just not be there yet.
in_server sysctl -qw net.ipv4.ip_forward=1
ip -n "$CLIENT" neigh add $TARGET lladdr $SERVER_MAC dev eth0
listen "$SERVER" listener tcp:22 tcp:80
conf <<END
[elsewhere]
	Sequence = 7000,8000:udp,9000
	Target = $TARGET
	Open = 22
	Open_Time = 1h
END

port_is_closed() {
	! tcp_opens $SERVER4 22
}

knockd_start
expect "while the target is another host, port 22 of this one is not guarded" \
	tcp_opens $SERVER4 22
for how in "for good" "on trial"; do
	ip -n "$SERVER" addr add $TARGET/32 dev eth0
	expect "$how: when the target becomes this host's, port 22 is closed" \
		wait_for 5 port_is_closed
	expect "$how: others are open" tcp_opens $SERVER4 80
	if [ "$how" = "on trial" ]; then
		ctl --json status >"$T/json.log"
		expect "and the trial goes on, until it was to end" \
			"$PYTHON" "$SYSTEM/119-knockctl.py" "$T/json.log" \
			'0 < row["confirm_seconds"] <= 20'
	fi
	knock_at $SERVER4 7000 8000:udp 9000
	expect_not "$how: knocks at another address do not open" tcp_opens $TARGET 22
	knock_at $TARGET 7000 8000:udp 9000
	expect "$how: knocks at the target do" tcp_opens $TARGET 22
	ip -n "$SERVER" addr del $TARGET/32 dev eth0
	ctl close elsewhere all >/dev/null
	expect "$how: when it leaves, port 22 is open again" wait_for 5 tcp_opens $SERVER4 22
	[ "$how" = "for good" ] || break
	log_mark
	ctl reload --confirm 20 >/dev/null || fail "a config is tried"
	wait_logged 'on trial' || fail "it is on trial"
done
knockd_stop
