#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The configs that come with the classic, as they stand in its man page and in Debian's package, are
# read unchanged and do what they say. The programs that they run are replaced, for the daemon
# alone, by one that writes down how it was called. With --classic the same is asked of the classic,
# which fails at the very last: the second of its one-time sequences is deaf to IPv6.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/classic.sh
. "$(dirname "$0")/classic.sh"

SIDE=ours
[ "${1:-}" != --classic ] || SIDE=classic

# ---- the configs ----

# example NUMBER: of the man page.
example() {
	zcat "$SERVICES/usr/share/man/man1/knockd.1.gz" |
		awk -v example="$1" '
			/^\.SH/ { here = $0 == ".SH Example #" example ":" }
			here && /^\.fi/ { exit }
			here && text { gsub(/\\-/, "-"); print }
			here && /^\.nf/ { text = 1 }'
}

# The package's, and what its authors ship.
debian() {
	cat "$SERVICES/etc/knockd.conf"
}

original() {
	debian | sed 's|UseSyslog|logfile = /var/log/knockd.log|; s|/sbin/ipt|/usr/sbin/ipt|
		s|-d 443|-d 22|'
}

# ---- the daemon ----

# The daemon sees these folders as they are, but may write there; and programs of ours in them. The
# script's variables are its own.
# shellcheck disable=SC2016
write_cover() {
	cat >"$T/cover.sh" <<-'END'
		set -eu
		cover() {
			mkdir -p "$T/real$1"
			mount --bind "$1" "$T/real$1"
			mount -t tmpfs -o mode=755 tmpfs "$1"
			for file in "$T/real$1"/* "$T/real$1"/.[!.]*; do
				[ ! -e "$file" ] || ln -s "$file" "$1/"
			done
		}
		T=$1
		shift
		cover /etc
		mkdir /etc/knockd
		mount --bind "$T/sequences" /etc/knockd
		mount --bind "$T/log" /var/log
		cover /usr/local/sbin
		cover /usr/sbin
		[ -L /sbin ] || cover /sbin
		for name in /sbin/iptables /usr/sbin/iptables /usr/sbin/ip6tables \
			/usr/local/sbin/knock_add; do
			rm -f "$name"
			cp "$T/recorder" "$name"
		done
		exec "$@"
	END
	mkdir "$T/sequences" "$T/log"
	cat >"$T/recorder" <<-END
		#!/bin/sh
		line=\$0
		for word; do
			line="\$line \$word"
		done
		printf '%s\n' "\$line" >>$T/calls
	END
	chmod 755 "$T/recorder"
}

covered() {
	unshare -m sh "$T/cover.sh" "$T" "$@"
}

# start CONFIG: with no calls so far.
start() {
	: >"$T/calls"
	if [ "$SIDE" = classic ]; then
		CLASSIC_UNDER=(unshare -m sh "$T/cover.sh" "$T")
		classic_start "$SERVER" "$1" classic
		return
	fi
	KNOCKD_UNDER=(unshare -m sh "$T/cover.sh" "$T")
	KNOCKD_OPTIONS=(-v --state-dir "$T/state")
	cp "$1" "$T/knockd.conf"
	knockd_start
}

stop() {
	if [ "$SIDE" = ours ]; then
		knockd_stop
		return
	fi
	kill -TERM "$CLASSIC_PID"
	wait_for 10 is_gone "$CLASSIC_PID" || fail "the classic ends"
	wait "$CLASSIC_PID" || true
}

calls() {
	cat "$T/calls"
}

called() {
	[ "$(wc -l <"$T/calls")" -ge "$1" ]
}

# expect_calls SENTENCE CALL...: these, in this order, and no other.
expect_calls() {
	local sentence=$1
	shift
	wait_for 8 called $# || true
	expect_equal "$sentence" "$(calls)" "$(printf '%s\n' "$@")"
	: >"$T/calls"
}

# expect_quiet SENTENCE: nothing is called by what was sent. A moment is all it would take.
expect_quiet() {
	sleep 0.5
	expect_equal "$1" "$(calls)" ""
}

# ---- what they say ----

# opens_and_closes CONFIG PROGRAM ARGUMENTS: a pair of doors, with the stock client.
opens_and_closes() {
	local what=$1 program=$2 arguments=$3 family address from start=$SECONDS
	for family in 4 6; do
		address=$SERVER4 from=$CLIENT4
		[ $family = 4 ] || address=$SERVER6 from=$CLIENT6
		knock_at "$address" 7000 8000 9000
		expect_calls "$what, IPv$family: the first sequence opens" \
			"$program -A INPUT -s $from $arguments -j ACCEPT"
		knock_at "$address" 9000 8000 7000
		expect_calls "$what, IPv$family: the second sequence closes" \
			"$program -D INPUT -s $from $arguments -j ACCEPT"
		# Ours runs a door's command once a second and source.
		sleep 1
		knock_at "$address" 7000 8000 9000
		expect_calls "$what, IPv$family: it opens again" \
			"$program -A INPUT -s $from $arguments -j ACCEPT"
	done
	expect "$what: all of that within 30 seconds" test $((SECONDS - start)) -lt 30
	knock_at $SERVER4 7000 9000 8000
	expect_quiet "$what: another order does nothing"
}

# adds CONFIG PORT: their third door.
adds() {
	knock_at $SERVER4 12345 54321 24680 13579
	expect_calls "$1: the third door has a command of its own" \
		"/usr/local/sbin/knock_add -i -c INPUT -p tcp -d $2 -f $CLIENT4"
}

# once CONFIG FROM PROGRAM: doors with sequences that open but once, to FIN without ACK.
once() {
	local what=$1 from=$2 program=$3
	local rule="INPUT -s $from -p tcp --dport 25 -j ACCEPT"
	packets knocks.py "from=$from" 1234/fin/ack 2345/fin/ack
	packets knocks.py "from=$from" 1234/syn 2345/syn
	packets knocks.py "from=$from" 3456/fin 4567/fin
	expect_quiet "$what: other flags and the second sequence do nothing"
	packets knocks.py "from=$from" 1234/fin 2345/fin
	expect_calls "$what: the first sequence opens, and closes by itself" \
		"$program -A $rule" "$program -D $rule"
	expect_equal "$what: it is marked in the file" "$(cat "$T/sequences/smtp_sequences")" \
		"#1234,2345
 3456,4567
 5678,6789"
	packets knocks.py "from=$from" 1234/fin 2345/fin
	expect_quiet "$what: it does not open again"
	packets knocks.py "from=$from" 3456/fin 4567/fin
	expect_calls "$what: the second sequence opens, and closes by itself" \
		"$program -A $rule" "$program -D $rule"
}

world
classic_fetch
write_cover
for name in debian original 'example 1' 'example 2' 'example 3' 'example 4'; do
	config=$T/${name/ /-}.conf
	$name >"$config"
	expect "$name is there" grep -qi sequence "$config"
	printf ' %s\n' 1234,2345 3456,4567 5678,6789 >"$T/sequences/smtp_sequences"
	[ "$SIDE" = classic ] || expect "$name passes knockd --check as it is" \
		covered "$KNOCKD" --check -c "$config"
	start "$config"
	case $name in
	debian)
		opens_and_closes "$name" /sbin/iptables '-p tcp --dport 22'
		adds "$name" 443 ;;
	original)
		opens_and_closes "$name" /usr/sbin/iptables '-p tcp --dport 22'
		adds "$name" 22 ;;
	'example 1')
		opens_and_closes "$name" /sbin/iptables '--dport 22' ;;
	'example 2')
		packets knocks.py 2222:udp 3333/syn 4444:udp
		expect_quiet "$name: a SYN alone does nothing"
		packets knocks.py 2222:udp 3333/syn/ack 4444:udp
		rule="INPUT -s $CLIENT4 -p tcp --syn -j ACCEPT"
		expect_calls "$name: it opens, and closes by itself" \
			"/usr/sbin/iptables -A $rule" "/usr/sbin/iptables -D $rule" ;;
	'example 3')
		once "$name" 198.51.100.3 /usr/sbin/iptables ;;
	'example 4')
		once "$name" 2001:db8:51::4 /usr/sbin/ip6tables ;;
	esac
	stop
	case $name in
	debian) ;;
	*) expect "$name: it has its own log file" \
		grep -q 'OPEN SESAME' "$T/log/knockd.log" ;;
	esac
	rm -f "$T/log/knockd.log"
done
