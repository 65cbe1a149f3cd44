#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The same packets to Debian's knockd and to ours, each with commands that append to a file: every
# difference is one that is known, by rule. The rules are in knockmodels.py, the streams in
# differential.py. KNOCKD_SEED chooses others.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/classic.sh
. "$(dirname "$0")/classic.sh"

world
classic_fetch
worlds=16

expect "without packets: a classic without its quirks is ours" \
	"$PYTHON" "$SYSTEM/differential.py" models 5

ip -n "$SERVER" addr add 192.0.2.9/24 dev eth0
for ((i = 0; i < worlds; i++)); do
	namespace=kd$$-classic$i
	namespace_add "$namespace"
	ip -n "$namespace" link add eth0 address $SERVER_MAC type veth \
		peer name "classic$i" netns "$CLIENT"
	ip -n "$namespace" link set eth0 up
	ip -n "$CLIENT" link set "classic$i" up
	ip -n "$namespace" addr add $SERVER4/24 dev eth0
	ip -n "$namespace" addr add 192.0.2.9/24 dev eth0
	ip -n "$namespace" addr add $SERVER6/64 dev eth0 nodad
	: >"$T/classic$i.out"
	"$PYTHON" "$SYSTEM/differential.py" conf "$T/classic$i.out" >"$T/classic$i.conf"
	classic_start "$namespace" "$T/classic$i.conf" "classic$i"
done

: >"$T/ours.out"
"$PYTHON" "$SYSTEM/differential.py" conf "$T/ours.out" | conf
knockd_start
packets differential.py run "$T" || fail "every difference is a documented one"
knockd_stop
