#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs alone: it floods.
#
# Reloads under a flood, by SIGHUP and by knockctl in turn, between two configs that differ in
# doors, their order and sizes, each tenth one broken: nothing gets in, sessions live, grants,
# progress and counters stay, and the last good config is in force.

# shellcheck source=tests/system/siege.sh
. "$(dirname "$0")/siege.sh"

[ -z "${KNOCKD_TEST_ALL:-}" ] || SIEGE_TIMES=1000

siege_conf() {
	conf_write a <<-END
	[options]
		Max_Grants = 1024
		Max_Sources = 4096
	[ssh]
		Sequence = 7000,8000:udp,9000
		Open = 22
		Open_Time = $SIEGE_OPEN_TIME
	[only a]
		Sequence = 1100,1200
		Open = 23
	[long]
		Sequence = 1300,1400
		Open = 24
		Open_Time = 1h
	[slow]
		Sequence = 3100,3200:udp,3300
		Seq_Timeout = 60
		Open = 26
	[keeper]
		Sequence = 1301,1401
		Open = 24
	END
	conf_write b <<-END
	[options]
		Max_Grants = 4096
		Max_Sources = 16384
	[slow]
		Sequence = 3100,3200:udp,3300
		Seq_Timeout = 60
		Open = 26
	[only b]
		Sequence = 2100,2200:udp,2300
		Open = 25
	[only b]
		Sequence = 3100,3300
		Open = 25
	[ssh]
		Sequence = 7000,8000:udp,9000
		Open = 22
		Open_Time = $SIEGE_OPEN_TIME
	[long]
		Sequence = 1300,1400
		Open = 24
		Open_Time = 1h
	[keeper]
		Sequence = 1301,1401
		Open = 24
	END
	{ sed '/^\[long\]/,/Open_Time/d' "$T/a.conf"; } | conf_write removed
	{ cat "$T/a.conf"; printf '\tSequence = 1,80abc\n'; } | conf_write bad
	{ sed '1a XDP_Mode = generic' "$T/a.conf"; } | conf_write mode
	conf_use a
}

conf_write() {
	cat >"$T/$1.conf"
	chmod 600 "$T/$1.conf"
}

conf_use() {
	cp -p "$T/$1.conf" "$T/knockd.conf.new"
	mv "$T/knockd.conf.new" "$T/knockd.conf"
}

# Each config closes a port that the other leaves open. The flood may take a SYN away.
in_force() {
	local closed=23 open=25
	[ "$1" = a ] || closed=25 open=23
	wait_for 3 tcp_opens $SERVER4 $open && ! tcp_opens $SERVER4 $closed
}

# counted COUNTER OF: as knockctl tells.
counted() {
	ctl counters | awk -F '\t' -v counter="$1" -v of="$2" \
		'$1 == counter && $3 == of { count = $4 } END { print count + 0 }'
}

# counters_kept AFTER: none has lost what it had.
declare -A COUNTED=()
counters_kept() {
	local counter now
	for counter in "door ssh" "port 22/tcp" "reason OPENED"; do
		now=$(counted "${counter% *}" "${counter#* }")
		[ "$now" -ge "${COUNTED[$counter]:-1}" ] ||
			fail "$1: counter $counter (seen: $now, before: ${COUNTED[$counter]:-})"
		COUNTED[$counter]=$now
	done
}

# reload NAME: by the way whose turn it is; it must go well.
turn=0
reload() {
	log_mark
	conf_use "$1"
	if ((++turn % 2)); then
		kill -HUP "$KNOCKD_PID"
	else
		ctl reload >"$T/reload.out" 2>&1 ||
			fail "knockctl reload exits with 0: $(cat "$T/reload.out")"
	fi
	wait_logged '^reloaded' || fail "$1.conf is reloaded, number $turn"
}

# reload_refused NAME REGEX: the words must be in the log, and knockctl's.
reload_refused() {
	log_mark
	conf_use "$1"
	if ((++turn % 2)); then
		kill -HUP "$KNOCKD_PID"
	else
		! ctl reload >"$T/reload.out" 2>&1 ||
			fail "knockctl reload of $1.conf exits with 1"
		grep -q "$2" "$T/reload.out" ||
			fail "knockctl reload says '$2': $(cat "$T/reload.out")"
	fi
	wait_logged "$2" || fail "'$2' is in the log, number $turn"
}

siege_begin
BAD_LINE=$(wc -l <"$T/bad.conf")
listen "$SERVER" others tcp:23 tcp:24 tcp:25 tcp:26
siege_stands "before it is reloaded"
expect "a knock opens for an hour" knock_through $SERVER4 24 1300 1400

good=a
for ((i = 1; i <= SIEGE_TIMES; i++)); do
	if ((i % 10)); then
		[ "$good" = a ] && good=b || good=a
		reload "$good"
	else
		reload_refused bad "knockd.conf:$BAD_LINE: .*'80abc'"
	fi
	# Also after one that went well: that a broken one changes nothing shows nothing of those.
	if ((i % 10 == 0 || i % 25 == 3)); then
		in_force "$good" || fail "config $good is in force after reload $i"
		siege_stands "after reload $i"
		counters_kept "after reload $i"
		expect "$i reloads: config $good is in force; the grant is kept" \
			wait_for 3 tcp_opens $SERVER4 24
	fi
done

# Knocks from one address; each thrice, as some may be lost. A repeat changes nothing.
expect_not "the door of three slow knocks is closed" tcp_opens $SERVER4 26
knock_at $SERVER4 3100 3100 3100
reload b
knock_at $SERVER4 3200:udp 3200:udp 3200:udp
reload_refused bad "knockd.conf:$BAD_LINE: .*'80abc'"
reload a
reload b
knock_at $SERVER4 3300 3300 3300
expect "a sequence that spans four reloads opens" tcp_opens $SERVER4 26

if [ -z "${KNOCKD_MODE:-}" ]; then
	reload_refused mode XDP_Mode
	reload_refused mode XDP_Mode
	say "a changed XDP_Mode is refused, and said, by both ways"
	expect "and the config before it is in force" in_force b
fi
expect "the grant of an hour is still there" wait_for 3 tcp_opens $SERVER4 24
reload removed
expect "when its door is removed it is ended" wait_logged 'long: closed (its door is gone)'
expect_not "and lets in no more" tcp_opens $SERVER4 24
counters_kept "after a door was removed"
reload a
expect_not "and does not come back with its door" tcp_opens $SERVER4 24
counters_kept "after it came back"
siege_end
expect "the counters are those of all configs: port 22 refused $(counted port 22/tcp) packets" \
	test "$(counted port 22/tcp)" -gt "$(($(sed 's/ packets.*//' "$T/flood.log") / 2))"
knockd_stop
expect "told to stop, knockd leaves nothing attached" nothing_attached
witness_proves
