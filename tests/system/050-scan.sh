#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Port scans open nothing, in ascending order as little as in any other, and the right knock from
# the scanner's address opens straight afterwards. To nmap, knock ports look like their neighbours,
# and under reset protected ports too.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

world
sshd_start
scan() {
	in_client nmap -n -Pn --min-rate 30000 --max-retries 1 -T5 "$@"
}

# Ascending, and all TCP: the order that a scanner takes by itself.
conf <<END
[door]
	Sequence = 7000,8000,9000
	Open = 22
	Open_Time = 30
END
knockd_start
scan_all() {
	scan -p- "$@" >"$T/scan.out" || fail "nmap runs"
	grep -q 'Nmap done' "$T/scan.out" || fail "nmap scans all ports"
}
scan_all -r $SERVER4
expect_not "an ascending scan opens nothing" logged 'OPEN SESAME'
expect_not "port 22 is closed to the scanner" tcp_opens $SERVER4 22
scan_all -r -6 $SERVER6
expect_not "an ascending scan over IPv6 opens nothing" logged 'OPEN SESAME'

scans=3
[ -z "${KNOCKD_TEST_ALL:-}" ] || scans=10
for number in $(seq $scans); do
	scan_all $SERVER4
	expect_not "random scan $number opens nothing" logged 'OPEN SESAME'
done
expect_not "port 22 is closed to the scanner" tcp_opens $SERVER4 22
knock_at $SERVER4 7000 8000 9000
expect "the right knock opens straight afterwards" tcp_opens $SERVER4 22
knock_at $SERVER6 7000 8000 9000
expect "the right knock over IPv6 opens straight afterwards" tcp_opens $SERVER6 22
knockd_stop

# states FILE: what nmap says of each port, without the service names that belong to the numbers.
states() {
	grep -E '^[0-9]+/(tcp|udp)' "$1" | awk '{ print $2 }' | sort | uniq -c | sed 's/^ *//'
}
for closed in drop reset; do
	# So few ports in random order might be the right knock; the last is not scanned.
	conf <<-END
	[options]
		Closed = $closed
	[door]
		Sequence = 7000,8000,9000,6000
		Open = 22
	END
	knockd_start
	for type in -sS -sT -sA -sF -sX -sN -sM '-sS --badsum' '-sA --badsum'; do
		ports=6999,7000,7001,8000,8001,9000,9001
		count=7
		if [ $closed = reset ]; then
			ports=$ports,22,23
			count=9
		fi
		# The list of options must be split.
		# shellcheck disable=SC2086
		scan $type -p $ports --reason $SERVER4 >"$T/scan.out"
		expect_equal "under $closed, nmap $type tells none of $ports from the others" \
			"$(states "$T/scan.out" | sed "s/ .*//")" $count
	done
	scan -6 -sS -p 6999,7000,7001,8000,9000 $SERVER6 >"$T/scan.out"
	expect_equal "under $closed, over IPv6, the knock ports look like their neighbours" \
		"$(states "$T/scan.out")" "5 closed"
	knockd_stop
done
