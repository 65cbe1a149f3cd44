#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Commands of doors: run once, with the address and the door's name, by the helper; stop commands in
# their time, when the door is closed before it, when knockd is stopped, and after it was killed.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# ran LINE: how often a command has written it.
ran() {
	grep -cxF -- "$1" "$T/ran" || true
}

# ran_times COUNT LINE
ran_times() {
	[ "$(ran "$2")" -eq "$1" ]
}

world
: >"$T/ran"
cat >"$T/note" <<END
#!/bin/sh
echo "\$*" >>"$T/ran"
END
chmod 755 "$T/note"
conf <<END
[plain]
	Sequence = 7001,7002
	Command = $T/note plain %IP% %DOOR%
[shell]
	Sequence = 7101,7102
	Command = echo "shell \$KNOCKD_IP \$KNOCKD_DOOR \$KNOCKD_FAMILY" >> $T/ran # a comment
	Command_6 = echo "six \$KNOCKD_IP" >> $T/ran
[pair]
	Sequence = 7201,7202
	Start_Command = $T/note start %IP%
	Stop_Command = $T/note stop %IP%
	Cmd_Timeout = 2
	Close_Sequence = 7209,7208
[long]
	Sequence = 7301,7302
	Start_Command = $T/note long-start %IP%
	Stop_Command = $T/note long-stop %IP%
	Cmd_Timeout = 300
[both]
	Sequence = 7401,7402
	Open = 22
	Open_Time = 300
	Start_Command = $T/note both-start %IP%
	Stop_Command = $T/note both-stop %IP%
	Close_Sequence = 7409,7408
[hang]
	Sequence = 7501,7502
	Command = exec sleep 300
[once]
	One_Time_Sequences = $T/list
	Command = $T/note once %IP%
END
printf ' 7601,7602\n broken\n 7701,7702\n' >"$T/list"
sed -i 's/^\[plain\]/[options]\n\tCommand_Time = 1\n[plain]/' "$T/knockd.conf"
knockd_start

knock_at $SERVER4 7001 7002
expect "a command runs, with the address and the door's name" wait_for 3 ran_times 1 \
	"plain $CLIENT4 plain"
expect "it is logged as in 0.8" logged_since "plain: running command: $T/note plain $CLIENT4 plain"
knock_at $SERVER6 7001 7002
expect "IPv6 has the same command where it has none of its own" wait_for 3 ran_times 1 \
	"plain $CLIENT6 plain"
knock_at $SERVER4 7101 7102
expect "shell syntax works, and so does the environment" wait_for 3 ran_times 1 \
	"shell $CLIENT4 shell 4"
knock_at $SERVER6 7101 7102
expect "a command for IPv6 is run for IPv6" wait_for 3 ran_times 1 "six $CLIENT6"

knock_at $SERVER4 7201 7202
expect "a start command runs" wait_for 3 ran_times 1 "start $CLIENT4"
knock_at $SERVER4 7201 7202
expect "then the stop command, in its time" wait_for 6 ran_times 1 "stop $CLIENT4"
expect "knocking again while open did not start twice" ran_times 1 "start $CLIENT4"
knock_at $SERVER4 7201 7202
expect "after that it starts again" wait_for 3 ran_times 2 "start $CLIENT4"
log_mark
knock_at $SERVER4 7209 7208
expect "a Close_Sequence makes the stop command due" wait_for 3 ran_times 2 "stop $CLIENT4"
expect_not "at once, and not by its time" logged_since "pair: command timeout"

knock_at $SERVER4 7401 7402
expect "a door may open a port and run a command" wait_for 3 ran_times 1 "both-start $CLIENT4"
ctl close both $CLIENT4 >/dev/null
expect "knockctl close makes its stop command due" wait_for 3 ran_times 1 "both-stop $CLIENT4"
ctl open both 192.0.2.77 5m >/dev/null
expect "knockctl open runs the start command" wait_for 3 ran_times 1 "both-start 192.0.2.77"

knock_at $SERVER4 7501 7502
expect "a command that hangs is logged" wait_for 5 logged_since "hang: command runs longer than 1 s"
expect "and ended" wait_for 12 logged_since "hang: command ended by signal 15"

knock_at $SERVER4 7601 7602
expect "a one-time sequence opens" wait_for 3 ran_times 1 "once $CLIENT4"
expect "and is marked in its file" wait_for 3 grep -qx '#7601,7602' "$T/list"
expect "the next one is named by its line" wait_for 3 logged_since "once: .* the next, on line 3,"
knock_at $SERVER4 7601 7602
# It comes into force by a reload, which takes a moment.
knock_next() {
	knock_at $SERVER4 7701 7702
	ran_times 2 "once $CLIENT4"
}
expect "and opens next" wait_for 5 knock_next
expect "and is marked too" wait_for 3 grep -qx '#7701,7702' "$T/list"
expect "that none is left is said" wait_for 3 logged_since "no more sequences left"
knock_at $SERVER4 7701 7702
knock_at $SERVER4 7601 7602

knock_at $SERVER4 7301 7302
expect "a stop command is owed" wait_for 3 ran_times 1 "long-start $CLIENT4"
knockd_kill
knockd_again
expect "after kill -9 it still is" ran_times 0 "long-stop $CLIENT4"
knock_at $SERVER4 7301 7302
knockd_stop
expect "what is owed runs when knockd is stopped, once" ran_times 1 "long-stop $CLIENT4"
expect "its start did not run twice" ran_times 1 "long-start $CLIENT4"
expect "also what knockctl opened" ran_times 1 "both-stop 192.0.2.77"
expect "a used one-time sequence never opened again" ran_times 2 "once $CLIENT4"
expect_equal "no command was run but these" "$(wc -l <"$T/ran")" 16

# An order has its own time, and all doors of one list of sequences go on together.
cat >>"$T/knockd.conf" <<END
[twin]
	One_Time_Sequences = $T/shared
	Command = $T/note twin %IP%
	TCPFlags = syn
[brother]
	One_Time_Sequences = $T/shared
	Command = $T/note brother %IP%
	TCPFlags = fin,!syn
[brief]
	Sequence = 7311,7312
	Open = 23
	Open_Time = 2
	Start_Command = $T/note brief-start %IP%
	Stop_Command = $T/note brief-stop %IP%
END
printf ' 7801,7802\n 7901,7902\n' >"$T/shared"
knockd_start
ctl open both 192.0.2.78 2s >/dev/null
expect "a door that is opened for two seconds" wait_for 3 ran_times 1 "both-start 192.0.2.78"
expect "is stopped after them, not after its own time" wait_for 6 ran_times 1 \
	"both-stop 192.0.2.78"
ctl open brief 192.0.2.79 1h >/dev/null
expect "one that is opened for an hour" wait_for 3 ran_times 1 "brief-start 192.0.2.79"
ctl open brief 192.0.2.79 >/dev/null
expect "and then for its usual time is stopped after that" wait_for 6 ran_times 1 \
	"brief-stop 192.0.2.79"
ctl open brief 192.0.2.80 0 >/dev/null
expect "one that is opened until it is closed" wait_for 3 ran_times 1 "brief-start 192.0.2.80"
sed -i '/^\[brief\]/,$d' "$T/knockd.conf"
ctl reload >/dev/null
expect "is stopped when a reload removes it" wait_for 3 ran_times 1 "brief-stop 192.0.2.80"
knock_at $SERVER4 7801 7802
expect "a sequence that opened one door is marked" wait_for 3 grep -qx '#7801,7802' "$T/shared"
expect "the other door of its list goes on, too" wait_for 3 logged_since \
	"brother: .* the next, on line 2,"

# Another name, and another network namespace.
knock_at $SERVER4 7301 7302
expect "a stop command is owed again" wait_for 3 ran_times 2 "long-start $CLIENT4"
start_in "$CLIENT" "$KNOCKD" -i eth0 -c "$T/knockd.conf" --pin-dir "${PINS}b" \
	--state-dir "$T/state" >>"$T/other.log" 2>&1
OTHER=$STARTED
expect "a daemon in another namespace starts" wait_for 10 grep -q "listening on eth0" \
	"$T/other.log"
knockd_kill
KNOCKD_OPTIONS=(--name renamed)
knockd_again
expect "under another name, what is owed is taken over" wait_logged \
	"eth0.owed: no knockd has it; 1 stop commands owed there are taken over"
kill -TERM "$OTHER"
expect "the other daemon ends" wait_for 10 is_gone "$OTHER"
expect "and ran nothing that is not its own" ran_times 1 "long-stop $CLIENT4"
rmdir "${PINS}b" 2>/dev/null || true
knockd_stop
expect "a daemon of another name runs what is owed" ran_times 2 "long-stop $CLIENT4"
expect_equal "a daemon that owes nothing leaves no file" "$(ls "$T/state")" ""
