#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs alone: it floods.
#
# Spoofed knocks and random packets at full speed keep nobody from knocking and take no grant away.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

world
sshd_start
conf <<END
[ssh]
	Sequence = 7000,8000:udp,9000
	Open = 22
	Open_Time = 120
END
knockd_start

packets 070-grants.py knock 200 || fail "200 sources get in by knocking"

in_client "$HELPERS/flood" eth0 knocks4 100000 7000 >"$T/flood.log"
in_client "$HELPERS/flood" eth0 knocks6 100000 7000 >>"$T/flood.log"
say "100,000 sources of each family have sent the first knock: $(tail -n 1 "$T/flood.log")"
packets 070-grants.py check 200 || fail "no grant is lost"
packets 070-grants.py slow "$HELPERS/flood" || fail "knocks with a flood in between open"

# A flood at full speed also fills the wire, so that some knocks never arrive; knock again then.
for family in 4 6; do
	address=$SERVER4
	[ $family = 4 ] || address=$SERVER6
	start_in "$CLIENT" "$HELPERS/flood" eth0 random 8 >"$T/flood.log"
	flood=$STARTED
	sleep 0.5
	opened=
	for try in 1 2 3 4 5; do
		knock_at "$address" 7000 8000:udp 9000
		if tcp_opens "$address" 22; then
			opened=$try
			break
		fi
	done
	expect "IPv$family: knocking opens during a flood of random packets" test -n "$opened"
	expect "IPv$family: the flood is still going on" is_running $flood
	kill $flood
	wait $flood || true
done
packets 070-grants.py check 200 || fail "no grant is lost"
ctl --json grants >"$T/json.log" || fail "knockctl tells the grants"
expect "only who knocked got in: 200, 2 with a flood in between, the client's 2 addresses" \
	"$PYTHON" "$SYSTEM/119-knockctl.py" "$T/json.log" 'len(rows) == 204'
knockd_stop
