#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A config of a thousand doors is in force in less than a second, and one with ten thousand errors
# says what is wrong in as many lines as somebody may read.
#
# Runs alone: it measures.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

milliseconds() {
	echo $(((${EPOCHREALTIME/./} - ${1/./}) / 1000))
}

# doors COUNT: each with ten knocks of its own, a port and a pair of commands.
doors() {
	for ((i = 0; i < $1; i++)); do
		echo "[door$i]"
		echo -n "	Sequence = $((1024 + i))"
		for ((k = 1; k < 10; k++)); do
			echo -n ",$((1024 + (i * 31 + k * 977) % 30000)):udp"
		done
		echo
		echo "	Open = $((40000 + i))"
		echo "	Start_Command = /bin/true %IP% %DOOR%"
		echo "	Stop_Command = /bin/true %IP%"
	done
}

world
doors 1000 | conf
start=$EPOCHREALTIME
knockd_start
took=$(milliseconds "$start")
expect "a thousand doors are in force in less than a second ($took ms)" test "$took" -lt 1000
start=$EPOCHREALTIME
expect "they can be loaded again" ctl reload
took=$(milliseconds "$start")
expect "in less than a second too ($took ms)" test "$took" -lt 1000
sequence=$(sed -n '/^\[door999\]/,/Sequence/s/.*Sequence = //p' "$T/knockd.conf")
# shellcheck disable=SC2046
knock_at $SERVER4 $(tr ',' ' ' <<<"$sequence")
expect "the last of them opens" wait_for 3 logged "$CLIENT4: door999: OPEN SESAME"
knockd_stop

{
	echo "[door]"
	for ((i = 0; i < 10000; i++)); do
		echo "	Sequenze$i = 1,2,3"
	done
} | conf
start=$EPOCHREALTIME
knockd_fails 1 --check -c "$T/knockd.conf"
took=$(milliseconds "$start")
expect "ten thousand errors are found in less than a second ($took ms)" test "$took" -lt 1000
lines=$(wc -l <"$T/refusal")
expect "said in a number of lines that can be read ($lines)" test "$lines" -le 60
expect "the first of them by its line" grep -q "^$T/knockd.conf:2: directive 'Sequenze0'" \
	"$T/refusal"
expect "and the others are counted" grep -q 'and 99[0-9][0-9] more errors' "$T/refusal"
