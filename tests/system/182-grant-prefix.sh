#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# An IPv6 grant outlives a reload that shortens Grant_Prefix6. One that makes it longer ends it, and
# says so: nobody knows any more who of the network had knocked.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

prefix_conf() {
	conf <<-END
	[options]
		Grant_Prefix6 = $1
	[ssh]
		Sequence = 7000,8000:udp,9000
		Open = 22
		Open_Time = 1h
	END
}

world
listen "$SERVER" others tcp:22
prefix_conf 128
knockd_start
knock_at $SERVER6 7000 8000:udp 9000
expect "a knock over IPv6 opens" wait_for 3 tcp_opens $SERVER6 22

prefix_conf 64
log_mark
expect "a shorter prefix is put in force" ctl reload
expect "the grant is still good" tcp_opens $SERVER6 22
expect_not "and nothing is said of it" logged_since 'grants ended'

prefix_conf 128
log_mark
expect "the longer one again" ctl reload
expect "that it ends the grant is said" wait_logged 'because Grant_Prefix6 is longer than before: 1'
expect_not "and it has" tcp_opens $SERVER6 22
knock_at $SERVER6 7000 8000:udp 9000
expect "a knock opens anew" wait_for 3 tcp_opens $SERVER6 22
knockd_stop
