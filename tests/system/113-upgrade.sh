#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs alone: it floods.
#
# A newer knockd whose program differs takes over state and all. One whose layout differs starts
# with none, and says so; but there is no moment without rules.

# shellcheck source=tests/system/siege.sh
. "$(dirname "$0")/siege.sh"

# variant_build NAME FILE SED: the tree with one file changed; built in build/tests/NAME.
variant_build() {
	local folder=$ROOT/build/tests/$1 changed
	mkdir -p "$folder"
	# Only what is newer is copied, so that a second run has little to build.
	cp -au "$ROOT"/{Makefile,include,bpf,src} "$folder"
	changed=$(sed "$3" "$ROOT/$2")
	! cmp -s "$ROOT/$2" - <<<"$changed" || fail "$2 can be changed"
	cmp -s "$folder/$2" - <<<"$changed" || echo "$changed" >"$folder/$2"
	make -s -C "$folder" BUILD=build VERSION="0.0-$1" all >"$T/build.log" 2>&1 ||
		fail "the variant $1 builds"
	rm "$T/build.log"
}

siege_conf() {
	conf <<-END
	[ssh]
		Sequence = 7000,8000:udp,9000
		Open = 22
		Open_Time = $SIEGE_OPEN_TIME
	[long]
		Sequence = 1300,1400
		Open = 24
		Open_Time = 1h
	END
}

program_tag() {
	ip -n "$SERVER" -d link show dev eth0 | sed -n 's/.*prog\/xdp.* tag \([0-9a-f]*\).*/\1/p'
}

# exchange BINARY SIGNAL: the running knockd ends, another build starts.
exchange() {
	kill "-$2" "$KNOCKD_PID"
	knockd_reap
	siege_stands "between two builds"
	KNOCKD=$1
	knockd_again
	siege_stands "with another build"
}

OLD=$KNOCKD
SAME=$ROOT/build/tests/program/build/knockd
OTHER=$ROOT/build/tests/layout/build/knockd
T=$(mktemp -d /tmp/knockd-test.XXXXXX)
trap 'rm -rf "$T"' EXIT
variant_build program bpf/knockd.bpf.c \
	'/^int knockd_outer(/,/^}/s/^{$/{\n\tbpf_get_prandom_u32();/'
variant_build layout include/knockd/abi.h 's/^\(#define KNOCKD_LAYOUT\) [0-9]*/\1 4711/'

SIEGE_KNOCKER=(forgetful)
siege_begin
listen "$SERVER" others tcp:24
tag=$(program_tag)
[ -n "$tag" ] || fail "the program has a tag"
expect "a knock opens for an hour" knock_through $SERVER4 24 1300 1400
for signal in USR1 KILL; do
	exchange "$SAME" "$signal"
	expect "SIG$signal and another build: its own program is in force" \
		test "$(program_tag)" != "$tag"
	expect "and the grant is kept" wait_for 3 tcp_opens $SERVER4 24
	expect_not "and nothing is said of a layout" logged_since layout
	exchange "$OLD" "$signal"
	expect_equal "SIG$signal and the build before: its program is in force" \
		"$(program_tag)" "$tag"
	expect "and the grant is kept" wait_for 3 tcp_opens $SERVER4 24
done
for signal in USR1 KILL; do
	exchange "$OTHER" "$signal"
	expect "SIG$signal and a build with another layout: it says so" logged_since layout
	expect_not "and starts without grants" tcp_opens $SERVER4 24
	expect "and a knock opens" knock_through $SERVER4 24 1300 1400
	exchange "$OLD" "$signal"
	expect "SIG$signal and the build before: it says so" logged_since layout
	expect_not "and starts without grants" tcp_opens $SERVER4 24
	expect "and a knock opens" knock_through $SERVER4 24 1300 1400
done
siege_end

# A file that nobody confirmed is not put in force by an upgrade either.
doubtful_start() {
	knockd_fails 1 -i eth0 -c "$T/knockd.conf"
	expect "says what it refuses" grep -q 'never confirmed' "$T/refusal"
	expect "its ports stay open" tcp_opens $SERVER4 24
	expect_not "and the rules stand" tcp_opens $SERVER4 22
}

conf <<-END
	[ssh]
		Sequence = 7000,8000:udp,9000
		Open = 22
END
log_mark
expect "a config without port 24 is in force" ctl reload
siege_conf
log_mark
expect "one with it is tried" ctl reload --confirm 1
expect "unconfirmed, the one before is in force again" wait_logged 'not confirmed in time'
knockd_stop_by USR1
KNOCKD=$OTHER
say "another layout, and a config that was not confirmed in time:"
doubtful_start
KNOCKD=$OLD
knockd_again
expect "the same build goes on" wait_logged 'was not confirmed in time'
log_mark
expect "it is tried once more" ctl reload --confirm 60
knockd_kill
KNOCKD=$OTHER
knockd_fails 1 -i eth0 -c "$T/knockd.conf"
expect "another layout, and a config on trial: says so too" \
	grep -q 'never confirmed' "$T/refusal"
expect_not "and the rules stand" tcp_opens $SERVER4 24
touch "$T/knockd.conf"
knockd_again
expect "once the file has changed it is in force" wait_for 3 knock_through $SERVER4 24 1300 1400
knockd_stop
KNOCKD=$OLD
knockd_start
knockd_stop
expect "told to stop, knockd leaves nothing attached" nothing_attached
expect_equal "and no pin" "$(ls "$PINS")" ""
witness_proves
