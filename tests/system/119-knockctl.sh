#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# knockctl sees and changes what is in force, with and without a knockd that runs; what it changes
# is logged with who asked for it, by the next knockd if need be.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# prints SENTENCE EXPRESSION ARGUMENT...: knockctl's JSON is as the expression says.
prints() {
	local sentence=$1 expression=$2
	shift 2
	ctl --json "$@" >"$T/json.log" 2>"$T/said.log" || fail "$sentence: knockctl $* exits with 0"
	expect "$sentence" "$PYTHON" "$SYSTEM/119-knockctl.py" "$T/json.log" "$expression"
}

# exits STATUS SENTENCE ARGUMENT...: knockctl's words are in $T/said.log.
exits() {
	local expected=$1 sentence=$2 status=0
	shift 2
	ctl "$@" >"$T/said.log" 2>&1 || status=$?
	expect_equal "$sentence" "$status" "$expected"
}

says() {
	grep -q -e "$1" "$T/said.log"
}

world
listen "$SERVER" listener tcp:22 tcp:23
conf <<END
[ssh]
	Sequence = 7000,8000:udp,9000
	Close_Sequence = 9000,7000
	Open = 22
	Open_Time = 60
[twice]
	Sequence = 1100,1200
	Open = 23, 60000-60010:udp
	Open_Time = 0
	Close_Sequence = 1200,1100
[twice]
	Sequence = 1300,1400
	Open = 24
END

# ---- nothing guards ----

for command in status doors grants counters confirm reload detach "open ssh 192.0.2.9" \
	"close ssh all"; do
	# shellcheck disable=SC2086 # words
	exits 1 "with nothing guarded, '$command' fails" $command
	[ -s "$T/said.log" ] || fail "and says why"
done
exits 2 "an unknown command is misuse" nonsense
exits 2 "no command is misuse"
exits 2 "an unknown option is misuse" --nonsense status
exits 2 "a word too many is misuse" status surplus
exits 2 "a word too few is misuse" open ssh
exits 0 "--help tells what there is" --help
expect "and names the commands" says 'reload'
exits 0 "--version tells the version" --version
expect "and it does" says 'knockctl [0-9]'

# ---- with a knockd that runs ----

knockd_start
exits 0 "status, guarding, is well" status
prints "status tells what is guarded, how and by what" 'len(rows) == 1 and row["name"] == "eth0"
	and row["guarding"] is True and row["interfaces"] == ["eth0"]
	and row["modes"][0] in ("frags", "native", "generic") and row["inner_door"] is True
	and row["config"].endswith("/knockd.conf") and row["daemon"] == '"$KNOCKD_PID"'
	and row["confirm_seconds"] is None and row["doors"] == 3 and row["grants"] == 0
	and 0 <= __import__("time").time() - row["since"] < 30' status

prints "doors tells what each opens" '[r["door"] for r in rows] == ["ssh", "twice#1", "twice#2"]
	and rows[0]["opens"] == ["22/tcp"] and rows[1]["opens"] == ["23/tcp", "60000-60010/udp"]
	and rows[0]["open_time"] == 60 and rows[1]["open_time"] is None' doors
prints "there is no grant yet" 'rows == []' grants

# Opening and closing, each twice.
log_mark
for again in "" ", and again"; do
	exits 0 "open lets in$again" open ssh $CLIENT4
	expect "at once$again" tcp_opens $SERVER4 22
done
expect "it is logged, with who asked" wait_logged "$CLIENT4: ssh: OPEN SESAME (knockctl, by root"
exits 0 "open lets in over IPv6, for a time" open ssh $CLIENT6 5m
expect "at once" tcp_opens $SERVER6 22
exits 0 "open for good, of two doors of one name" open 'twice#1' $CLIENT4
expect "at once" tcp_opens $SERVER4 23
prints "grants tells who may use what how long" '{(r["address"], r["door"]) for r in rows} ==
	{("'$CLIENT4'", "ssh"), ("'$CLIENT4'", "twice#1"), ("'$CLIENT6'", "ssh")}
	and len(rows) == 3
	and all(r["door"] != "ssh" or ":" in r["address"] or 50 < r["seconds_left"] <= 60
		for r in rows)
	and all(r["door"] != "ssh" or "." in r["address"] or 290 < r["seconds_left"] <= 300
		for r in rows)
	and all(r["door"] == "ssh" or r["seconds_left"] is None for r in rows)' grants
prints "status counts them" 'row["grants"] == 3' status
log_mark
for again in "" ", and again"; do
	exits 0 "close shuts out$again" close ssh $CLIENT4
	expect_not "at once$again" tcp_opens $SERVER4 22
done
expect "it is logged, with who asked" wait_logged "$CLIENT4: ssh: closed (knockctl, by root"
expect "and others stay" tcp_opens $SERVER6 22
exits 0 "open lets in again" open ssh $CLIENT4
exits 0 "close all shuts out all" close ssh all
expect_not "over IPv4" tcp_opens $SERVER4 22
expect_not "over IPv6" tcp_opens $SERVER6 22
expect "but at no other door" tcp_opens $SERVER4 23
exits 0 "close all, of nobody, is no failure" close ssh all
exits 0 "what is open for good can be closed" close 'twice#1' $CLIENT4
expect_not "at once" tcp_opens $SERVER4 23
exits 0 "a time of a second" open ssh $CLIENT4 1
expect "lets in" tcp_opens $SERVER4 22
sleep 1.2
expect_not "for no longer" tcp_opens $SERVER4 22

# What it refuses.
exits 1 "a door that is not there is refused" open shh $CLIENT4
expect "and named" says "'shh'"
expect "with those that are there" says 'ssh.*twice#1'
exits 1 "a name that two doors have is refused" open twice $CLIENT4
expect "and both are named" says 'twice#1.*twice#2'
exits 2 "what is no address is misuse" open ssh 192.0.2.300
expect "and named" says "'192.0.2.300'"
exits 2 "what is no time is misuse" open ssh $CLIENT4 soon
expect "and named" says "'soon'"
prints "and no grant was given" 'rows == []' grants

# Counters: by reason with its sentence, by door, by port.
knock_at $SERVER4 7000 8000:udp 9000
prints "counters tells reasons, in words, doors and ports" '
	any(r["counter"] == "reason" and r["of"] == "CLOSED" and r["count"] > 0 and
	    "protected port" in r["meaning"] for r in rows)
	and any(r["counter"] == "door" and r["of"] == "ssh" and r["count"] > 0 for r in rows)
	and any(r["counter"] == "port" and r["of"] == "22/tcp" and r["count"] > 0
		for r in rows)' counters
knock_at $SERVER4 9000 7000

# Tables: with tabs in a pipe, aligned on a terminal.
ctl doors >"$T/piped"
expect "in a pipe, columns are separated by tabs" grep -qP '^ssh\t22/tcp\t60\t' "$T/piped"
script -qec "nsenter --net=/run/netns/$SERVER '$KNOCKCTL' --pin-dir '$PINS' doors" /dev/null \
	>"$T/terminal" </dev/null
expect_not "on a terminal there are none" grep -qP '\t' "$T/terminal"
expect "on a terminal, columns are aligned" grep -qP '^ssh {3,}22/tcp ' "$T/terminal"

# Who watches takes nothing away.
log_mark
for number in 1 2; do
	in_server "$KNOCKCTL" --pin-dir "$PINS" watch >"$T/watch$number.log" 2>&1 &
done
in_server "$KNOCKCTL" --pin-dir "$PINS" --json watch >"$T/watch.json" 2>&1 &
sleep 0.5
knock_at $SERVER4 7000 8000:udp 9000
for number in 1 2; do
	expect "watch, number $number, shows what happens" \
		wait_for 3 grep -q "$CLIENT4.*ssh.*OPEN SESAME" "$T/watch$number.log"
done
expect "as JSON too" wait_for 3 grep -q "$CLIENT4" "$T/watch.json"
expect "each line of it is an object" "$PYTHON" -c 'import json, sys
[json.loads(line)["address"] for line in open(sys.argv[1])]' "$T/watch.json"
expect "and the log has it nevertheless" wait_logged "$CLIENT4: ssh: OPEN SESAME"
expect "with each stage" logged_since "$CLIENT4: ssh: Stage 3"
exits 0 "close, while it is watched" close ssh $CLIENT4
expect "is shown" wait_for 3 grep -q "$CLIENT4.*ssh.*closed" "$T/watch1.log"

# ---- without a knockd ----

knockd_kill
exits 0 "status, with knockd dead: the kernel guards" status
prints "and knockctl knows that none runs" 'row["guarding"] is True and row["daemon"] is None' \
	status
for command in doors grants counters; do
	exits 0 "with knockd dead, '$command' is told" $command
done
exits 0 "with knockd dead, open lets in" open ssh $CLIENT4 20m
expect "at once" tcp_opens $SERVER4 22
exits 0 "with knockd dead, close shuts out" close ssh $CLIENT4
expect_not "at once" tcp_opens $SERVER4 22
exits 0 "and open once more" open ssh $CLIENT6
exits 1 "with knockd dead, nobody reloads" reload
expect "which is said" says 'run'
expect "watch shows what happens" wait_for 3 grep -q "$CLIENT6.*ssh.*OPEN SESAME" "$T/watch1.log"
knockd_again
expect "the next knockd logs what was opened meanwhile" \
	wait_logged "$CLIENT4: ssh: OPEN SESAME (knockctl, by root"
expect "and what was closed" logged_since "$CLIENT4: ssh: closed (knockctl, by root"
expect "and the last" logged_since "$CLIENT6: ssh: OPEN SESAME (knockctl, by root"
expect "the grant has stayed" tcp_opens $SERVER6 22

# Reload: tests/system/111-reload.sh. Confirm: 114-confirm.sh.
exits 0 "reload" reload
expect "says who asked" wait_logged 'reload.* root'
exits 1 "confirm, with nothing to be confirmed, fails" confirm

# ---- several ----

ip -n "$SERVER" link add eth5.7 type veth peer name other5
ip -n "$SERVER" link set eth5.7 up
in_server "$KNOCKD" -i eth5.7 -c "$T/knockd.conf" --pin-dir "$PINS" >"$T/second.log" 2>&1 &
second=$!
wait_for 10 grep -q 'starting up' "$T/second.log" || fail "a second knockd, for eth5.7, starts"
prints "status tells of all" '[r["name"] for r in rows] == ["eth0", "eth5.7"]
	and all(r["guarding"] for r in rows)' status
prints "or of the one that is asked for" '[r["name"] for r in rows] == ["eth5.7"]' \
	--name eth5.7 status
exits 2 "with several, open must be told where" open ssh $CLIENT4
expect "and names them" says 'eth0.*eth5\.7'
exits 0 "where it is told" --name eth0 open ssh $CLIENT4
expect "it opens there" tcp_opens $SERVER4 22
prints "and nowhere else" 'rows == []' --name eth5.7 grants
exits 1 "a name that is not there is refused" --name eth9 doors
expect "and those that are there are named" says "'eth9'.*eth0.*eth5\.7"
exits 0 "detach, of one" --name eth5.7 detach
wait_for 5 is_gone "$second" || fail "its knockd ends"
status=0
wait "$second" || status=$?
expect_equal "with 0" "$status" 0
prints "the other guards on" 'len(rows) == 1 and row["guarding"]' status

# ---- the way out ----

exits 0 "detach" detach
wait_for 5 is_gone "$KNOCKD_PID" || fail "knockd ends when it was detached"
knockd_reap
expect_equal "knockd, detached, exits with 0" "$KNOCKD_STATUS" 0
expect "and logs who did it" logged 'detached by root'
expect "nothing is attached" nothing_attached
expect "and port 22 is open" tcp_opens $SERVER4 22
exits 1 "status, with nothing guarded, fails" status
knockd_start
knockd_kill
exits 0 "detach, with knockd dead" detach
expect "leaves nothing attached" nothing_attached
expect_equal "and no pins" "$(ls "$PINS")" ""
