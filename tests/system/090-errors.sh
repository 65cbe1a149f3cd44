#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What knockd refuses, it names, in words that a person can act on; nothing is attached then, and
# the exit status says failure or misuse.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

world
says() {
	grep -q -e "$1" "$T/refusal"
}

# Configs.
printf '%s\n' '[ssh]' 'Sequence = 7000,80abc,9000' 'Open = 22' 'Nonsense = 1' '[empty]' \
	'Open = 99999' >"$T/knockd.conf"
knockd_refuses 1 -i eth0 -c "$T/knockd.conf"
expect "a config error has file, line and the words" says "^$T/knockd.conf:2: .*'80abc'"
expect "all errors are told at once: an unknown directive" says "^$T/knockd.conf:4: .*Nonsense"
expect "all errors are told at once: a port out of range" says "^$T/knockd.conf:6: .*99999"
expect "all errors are told at once: a door without a sequence" says "^$T/knockd.conf:5: .*empty"
knockd_refuses 1 -n -c "$T/knockd.conf"
expect "--check tells the same" says "^$T/knockd.conf:2: .*'80abc'"
knockd_refuses 1 -i eth0 -c "$T/none.conf"
expect "a config that is not there is named" says "none.conf"

conf <<END
[ssh]
	Sequence = 7000,8000:udp,9000
	Open = 22
END
knockd_refuses 0 -n -c "$T/knockd.conf"
say "a good config passes --check, and nothing is attached"
knockd_refuses 0 -P -c "$T/knockd.conf"
expect "--print prints it" says '^\[ssh\]'

# Interfaces.
knockd_refuses 1 -i eth7 -c "$T/knockd.conf"
expect "an interface that is not there is named" says "'eth7'"
expect "and those that are there" says 'eth0'
ip -n "$SERVER" link add bridge0 type bridge
ip -n "$SERVER" link add port0 type veth peer name port1
ip -n "$SERVER" link set port0 master bridge0
knockd_refuses 1 -i port0 -c "$T/knockd.conf"
expect "an interface with a master is refused and the master named" says "'port0'.*'bridge0'"

# Permission.
status=0
in_server setpriv --inh-caps=-all --bounding-set=-all "$KNOCKD" -i eth0 -c "$T/knockd.conf" \
	--pin-dir "$PINS" \
	>"$T/refusal" 2>&1 </dev/null || status=$?
expect_equal "without capabilities it fails" "$status" 1
expect "and names the one it needs" says 'CAP_[A-Z]*_ADMIN\|CAP_BPF'
expect "and nothing is attached" nothing_attached

# Another XDP program.
start_in "$SERVER" "$HELPERS/xdp-pass" eth0 >"$T/other.log" 2>&1
other=$STARTED
wait_for 5 grep -q '^attached' "$T/other.log" || fail "another XDP program is attached"
id=$(sed -n 's/^attached //p' "$T/other.log")
status=0
in_server timeout 20 "$KNOCKD" -i eth0 -c "$T/knockd.conf" --pin-dir "$PINS" \
	>"$T/refusal" 2>&1 </dev/null ||
	status=$?
expect_equal "beside another XDP program it fails" "$status" 1
expect "and tells its id" says "\b$id\b"
expect "and leaves it where it is" \
	grep -q "prog/xdp id $id " <(ip -n "$SERVER" -d link show dev eth0)
expect_not "and leaves no inner door" sk_lookup_attached
kill $other
wait $other || true
knockd_start
expect "once the other is gone, knockd starts" attached

# A second knockd on the same interface.
status=0
in_server timeout 20 "$KNOCKD" -i eth0 -c "$T/knockd.conf" --pin-dir "$PINS" \
	>"$T/refusal" 2>&1 </dev/null ||
	status=$?
expect_equal "a second knockd on the same interface fails" "$status" 1
expect "and the first still guards" attached
expect_not "and the port is still closed" tcp_opens $SERVER4 22
knockd_stop
expect "and it takes off both doors when it stops" nothing_attached

# The command line.
knockd_refuses 0 -V
expect "-V tells the version" says 'knockd [0-9]'
knockd_refuses 0 -h
expect "-h tells the options" says '--config'
for option in -d -D -l -p -g -v -4 --state-dir --migrate; do
	expect "and $option" says "^ .*$option\b"
done
knockd_refuses 2 --no-such-option
for option in -c -i -p -g --state-dir --migrate --name; do
	knockd_refuses 2 "$option"
	say "$option without its value is misuse"
done
knockd_refuses 1 --migrate "$T/none.conf"
expect "a config that cannot be translated is named" says "'$T/none.conf'"
knockd_refuses 1 --migrate "$T"
expect "and so is a folder" says "'$T'"
knockd_refuses 1 --migrate /dev/zero
expect "and what is no text" says "'/dev/zero'"
knockd_refuses 2 -i eth0 -c "$T/knockd.conf" surplus
expect "a word too many is named" says "'surplus'"
