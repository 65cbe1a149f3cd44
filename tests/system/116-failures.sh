#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What knockd needs is missing, full, read-only or broken: it says so, and applies all or nothing.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

says() {
	grep -q -e "$1" "$T/refusal"
}

# conf_for PORT [OPTION LINE...]: one door for ssh, one that closes only this port.
conf_for() {
	local port=$1
	shift
	conf <<-END
	[options]
		Closed = reset
	$(printf '\t%s\n' "$@")
	[ssh]
		Sequence = 7000,8000:udp,9000
		Open = 22
		Open_Time = 1h
	[other]
		Sequence = 1100,1200
		Open = $port
	END
}

in_force() {
	tcp_opens $SERVER4 $((48 - $1)) && ! tcp_opens $SERVER4 "$1"
}

# reload_refused REGEX: with these words, and all is as before.
reload_refused() {
	log_mark
	ctl reload >"$T/refusal" 2>&1 && return 1
	grep -q "$1" "$T/refusal" && wait_logged "$1" && is_running "$KNOCKD_PID" && in_force 23
}

ssh_opens() {
	knock_opens $SERVER4 22 7000 8000:udp 9000
}

world
listen "$SERVER" listener tcp:22 tcp:23 tcp:25

# ---- a full disk ----

# in_own_mounts COMMANDS: knockd in a mount namespace of its own, in which these have been run.
in_own_mounts() {
	KNOCKD_UNDER=(unshare -m sh -ec "$1; exec \"\$@\"" sh)
}

mkdir "$T/disk"
in_own_mounts "mount -t tmpfs -o size=8k tmpfs $T/disk
	head -c 100000 /dev/zero >$T/disk/full 2>/dev/null || true"
conf_for 23 "LogFile = $T/disk/knockd.log"
: >"$T/knockd.log"
knockd_spawn
expect "with no space for its log, knockd starts" wait_for 5 attached
expect "and guards" in_force 23
expect "and a knock opens" ssh_opens
expect "and says that it cannot write its log" wait_for 5 logged 'log file.*No space'
kill -HUP "$KNOCKD_PID"
sleep 0.3
expect "a reload does no harm" in_force 23
in_its_mounts() {
	nsenter -m -t "$KNOCKD_PID" "$@"
}
in_its_mounts rm "$T/disk/full"
expect "with space again" ctl open other 192.0.2.99
expect "it logs" wait_for 3 in_its_mounts grep -q '192.0.2.99' "$T/disk/knockd.log"
knockd_stop
expect "and takes both doors away in the end" nothing_attached

# ---- pins that cannot be written ----

conf_for 23
in_own_mounts "mount -o remount,bind,ro /sys/fs/bpf"
: >"$T/knockd.log"
knockd_spawn
wait_for 5 is_gone "$KNOCKD_PID" || fail "knockd ends when it cannot pin"
knockd_reap
expect_equal "on a read-only BPF file system, knockd exits with 1" "$KNOCKD_STATUS" 1
expect "and says that it is read-only" logged '[Rr]ead-only'
expect "and nothing is attached" nothing_attached
in_own_mounts true
knockd_start
in_its_mounts mount -o remount,bind,ro /sys/fs/bpf
conf_for 25
expect "when it becomes read-only later, a reload is refused, and nothing has changed" \
	reload_refused '[Rr]ead-only'
expect "and knocks open" ssh_opens
in_its_mounts mount -o remount,bind,rw /sys/fs/bpf
expect "writable again, a reload goes well" ctl reload
expect "and the new config is in force" in_force 25
expect "and the grant has stayed" tcp_opens $SERVER4 22
in_its_mounts mount -o remount,bind,ro /sys/fs/bpf
knockd_stop
expect "told to stop, it leaves nothing attached, though it cannot remove pins" nothing_attached
rm -rf "$PINS"
KNOCKD_UNDER=()

conf_for 23
knockd_refuses 1 -i eth0 -c "$T/knockd.conf" --pin-dir "$T/pins"
expect "a pin folder elsewhere is refused, and what to do is said" says "'$T/pins'.*BPF file system"

# ---- no memory ----

CGROUP=
undo() {
	[ -z "$CGROUP" ] || wait_for 5 rmdir "$CGROUP" || true
}

# cgroup_make: CGROUP limits memory; fails where this host has none that can.
cgroup_make() {
	local parent
	parent=$(awk '$3 == "cgroup" && $4 ~ /(^|,)memory(,|$)/ { print $2; exit }' /proc/mounts)
	if [ -n "$parent" ]; then
		CGROUP=$parent/kd$$
		mkdir "$CGROUP"
		echo 32M >"$CGROUP/memory.limit_in_bytes"
		return
	fi
	parent=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	[ -n "$parent" ] && grep -qw memory "$parent/cgroup.controllers" || return 1
	grep -qw memory "$parent/cgroup.subtree_control" ||
		echo +memory >"$parent/cgroup.subtree_control" || return 1
	CGROUP=$parent/kd$$
	mkdir "$CGROUP"
	echo 32M >"$CGROUP/memory.max"
}

if cgroup_make 2>"$T/cgroup.log"; then
	# The quoted script's variables are its own.
	# shellcheck disable=SC2016
	KNOCKD_UNDER=(sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$CGROUP")
	conf_for 23 "Max_Sources = 1000000" "Max_Grants = 1000000"
	: >"$T/knockd.log"
	knockd_spawn
	wait_for 10 is_gone "$KNOCKD_PID" || fail "knockd ends when it gets no memory"
	knockd_reap
	expect_equal "without memory for its maps, knockd exits with 1" "$KNOCKD_STATUS" 1
	expect "and says what to make smaller" logged 'no memory.*Max_Sources'
	expect "and nothing is attached" nothing_attached
	conf_for 23 "Max_Sources = 4096"
	knockd_start
	expect "with smaller ones it starts" in_force 23
	conf_for 25 "Max_Sources = 1000000" "Max_Grants = 1000000"
	expect "a reload that needs too much is refused, and nothing has changed" \
		reload_refused 'no memory.*Max_Sources'
	expect "and knocks open" ssh_opens
	conf_for 25 "Max_Sources = 8192"
	expect "one that needs less goes well" ctl reload
	expect "and is in force" in_force 25
	expect "and the grant has stayed" tcp_opens $SERVER4 22
	knockd_stop
	KNOCKD_UNDER=()
else
	echo "SKIPPED HERE: no control group limits memory on this host; the part about no memory"
fi

# ---- full tables ----

conf <<END
[ssh]
	Sequence = 7000,7001
	Open = 22
	Open_Time = 60
END
knockd_start
kill -STOP "$KNOCKD_PID"
in_client "$HELPERS/flood" eth0 knocks4 8000 7000 7001 >/dev/null
expect "with knockd stopped and no room for events, a knock opens" \
	knock_opens $SERVER6 22 7000 7001
expect_not "and nothing else does" tcp_opens $SERVER4 22
kill -CONT "$KNOCKD_PID"
expect "the events that were lost are counted and logged" wait_logged '^[0-9]* events not logged'
# Stages are events, too, ten a second.
accounted() {
	told=$(grep -c 'OPEN SESAME\|not opened' "$T/knockd.log")
	lost=$(sed -n 's/^\([0-9]*\) \(events\|more openings.*\) not logged.*/\1/p' \
		"$T/knockd.log" | awk '{ n += $1 } END { print n }')
	[ $((told + lost)) -ge 8001 ]
}
wait_for 5 accounted || true
expect "what was told and what was lost ($told and $lost) is at least what has happened" accounted
expect "a later knock is logged" knock_opens $SERVER4 22 7000 7001
expect "as ever" wait_logged "$CLIENT4: ssh: OPEN SESAME"
knockd_stop

conf <<END
[options]
	Max_Grants = 128
[ssh]
	Sequence = 7000,8000:udp,9000
	Open = 22
	Open_Time = 10m
END
knockd_start
packets 070-grants.py knock 64 || fail "64 sources get in by knocking"
in_client "$HELPERS/flood" eth0 knocks4 3000 7000 >/dev/null
in_client "$PYTHON" - "$SYSTEM" <<'END' || fail "a table of grants can be filled"
import sys
sys.path.insert(0, sys.argv[1])
from wire import Link, Path
link = Link()
for number in range(1500):
    link.knock(Path(4, "203.0.%d.%d" % (112 + number // 250, 1 + number % 250)),
               ("7000", "8000:udp", "9000"))
    if number % 50 == 49:
        link.settle()
END
expect "Max_Grants are given, and no more: the next is refused, and it is logged" \
	wait_logged 'ssh: not opened'
packets 070-grants.py check 64 || fail "no grant is lost"
knockd_stop

# ---- pins that are not as they were left ----

conf_for 23
# broken SENTENCE COMMAND...: what happens to the pins while no knockd runs. The next start must
# guard without an open moment, and keep the grant.
broken() {
	local sentence=$1
	shift
	knockd_start
	expect "$sentence: before, a knock opens" ssh_opens
	knockd_kill
	"$@"
	knockd_again
	expect "$sentence: the next knockd guards" in_force 23
	expect "and both doors are there" attached
	expect "and the grant has stayed" tcp_opens $SERVER4 22
	expect "and all pins are there again" \
		wait_for 2 test -e "$PINS/eth0/outer" -a -e "$PINS/eth0/inner" \
			-a -e "$PINS/eth0/grants"
	expect_equal "and no others" "$(find "$PINS" -name outer)" "$PINS/eth0/outer"
}

half_written() {
	find "$PINS/eth0" -type f ! -name outer -delete
	mkdir "$PINS/eth0 1"
}

set_aside() {
	mv "$PINS/eth0" "$PINS/eth0 7"
}

link_dead() {
	ip -n "$SERVER" link del eth0
	wire_add
}

links_detached() {
	bpftool link detach pinned "$PINS/eth0/outer"
	bpftool link detach pinned "$PINS/eth0/inner"
}

foreign() {
	bpftool map create "$PINS/eth0/foreign" type array key 4 value 4 entries 1 name foreign
}

broken "only the pin of the outer door is left" half_written
expect "and it says so" logged_since 'incomplete'
knockd_stop
broken "the pin of the outer door is missing" rm "$PINS/eth0/outer"
expect "and it says so" logged_since 'outer door'
knockd_stop
broken "the pin of the inner door is missing" rm "$PINS/eth0/inner"
expect "and it says so" logged_since 'inner door'
knockd_stop
broken "pins were being exchanged" set_aside
knockd_stop
broken "the interface that the link was on is gone" link_dead
expect "and it says so" logged_since 'eth0.* gone'
knockd_stop
broken "the links were detached" links_detached
expect "and it says so" logged_since 'detached'
knockd_stop
broken "a file is not knockd's" foreign
expect "and it says so" logged_since "'foreign'.*not knockd's"
knockd_stop
expect "and leaves it alone in the end" test -n "$(find "$PINS" -name foreign)"
expect "but nothing attached" nothing_attached
rm -rf "$PINS"

# ---- another knockd ----

knockd_start
knockd_fails 1 -i eth0 -c "$T/knockd.conf"
expect "a second knockd for the same interface is refused" says 'another knockd'
knockd_fails 1 -i eth0 -c "$T/knockd.conf" --name second
expect "under another name, too, and the first is named" \
	says "another knockd.*eth0\|eth0.*another knockd"
knockd_fails 1 -i eth0 -c "$T/knockd.conf" --pin-dir "${PINS}b"
expect "with another pin folder, too" says 'XDP program\|another knockd'
rmdir "${PINS}b" 2>/dev/null || true
ip -n "$SERVER" link add other0 type veth peer name other1
knockd_fails 1 -i other0 -c "$T/knockd.conf" --name eth0
expect "a second one of the same name for another interface, too" says 'another knockd'
expect "and the first guards" in_force 23
expect "with both doors" attached
knockd_stop
expect "and leaves nothing attached in the end" nothing_attached
