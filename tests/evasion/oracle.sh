#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The evasion oracle: mutated packets to guarded ports of a host that Linux lets do all it can,
# without knockd and with it. Whatever knockd lets through to a socket without a grant is printed in
# hex, with what Linux did without knockd and what the two doors counted. The same seed makes the
# same packets: tests/evasion/oracle.sh --seed 7 --count 200000
# To see one of them: build/tests/evasion/evasion show --seed 7 --only INDEX

seed=1 count=200000
while [ $# -gt 0 ]; do
	case $1 in
	--seed) seed=$2 ;;
	--count) count=$2 ;;
	*)
		echo "usage: $0 [--seed N] [--count N]" >&2
		exit 2 ;;
	esac
	shift 2
done
# For holes made on purpose, and for other ways in than the guarded device itself.
all=$count
some=$((count < 40000 ? count : 40000))

# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../system/lib.sh"

EVASION=$ROOT/build/tests/evasion/evasion
ALONE=$ROOT/build/tests/evasion/knockd-alone

# host_permit: the host takes whatever Linux can be told to take, so that the doors alone refuse.
host_permit() {
	ip -n "$SERVER" link set eth0 mtu 9000
	ip -n "$CLIENT" link set eth0 mtu 9000
	ip -n "$SERVER" addr add 192.0.2.9/24 dev eth0
	ip -n "$SERVER" addr add 2001:db8::9/64 dev eth0 nodad
	ip -n "$SERVER" addr add 198.51.100.7/32 dev lo
	ip -n "$SERVER" addr add 2001:db8:7::7/128 dev lo nodad
	ip -n "$SERVER" route add local 203.0.113.0/24 dev lo
	ip -n "$SERVER" -6 route add local 2001:db8:a::/64 dev lo
	local address
	for address in $CLIENT4 192.0.2.201 169.254.1.1 $CLIENT6 2001:db8::c1 fe80::c1; do
		ip -n "$SERVER" neigh replace "$address" lladdr $CLIENT_MAC dev eth0
	done
	# Whose frames are made by hand has no kernel that meddles.
	ip -n "$CLIENT" addr flush dev eth0
	in_client sh -c 'echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6'
	# The quoted script's variables are its own.
	# shellcheck disable=SC2016
	in_server sh -c '
		cd /proc/sys/net
		for device in all default eth0 lo; do
			echo 1 >ipv4/conf/$device/accept_local
			echo 1 >ipv4/conf/$device/route_localnet
			echo 1 >ipv4/conf/$device/accept_source_route
			echo 1 >ipv6/conf/$device/accept_source_route
		done
		echo 0 >ipv4/tcp_synack_retries
		echo 1 >ipv4/tcp_syncookies
		echo 4096 >ipv4/tcp_max_syn_backlog
		echo 1539 >ipv4/tcp_fastopen
		echo 0 >ipv4/ipfrag_max_dist
		for file in ipv4/ipfrag ipv6/ip6frag; do
			echo 268435456 >${file}_high_thresh
			echo 1 >${file}_time
		done'
}

guard_conf() {
	conf <<-END
	[options]
		Closed = $1
	[door]
		Sequence = 7000,8000:udp,9000
		Open = $2
	END
}

OPEN=22,23,60000:udp,60001:udp,67:udp,546:udp

# oracle RUN FILE [OPTION...]: the cases, from the client.
oracle() {
	in_client "$EVASION" --seed "$seed" --server "/run/netns/$SERVER" --pins "$PINS/eth0" \
		--count "$count" "$@"
}

# bare FILE [OPTION...]: the same without knockd.
bare() {
	in_client "$EVASION" --seed "$seed" --server "/run/netns/$SERVER" --count "$count" \
		bare "$@" >"$T/oracle.out"
}

show() {
	sed 's/^/    /' "$T/oracle.out"
}

# clean SENTENCE RUN FILE [OPTION...]: nothing is found.
clean() {
	local sentence=$1 status=0
	shift
	oracle "$@" >"$T/oracle.out" || status=$?
	[ "$status" -eq 0 ] || {
		show
		fail "$sentence"
	}
	grep '^all \|^listed' "$T/oracle.out" | sed 's/^/    /'
	say "$sentence"
}

# holed SENTENCE TEXT RUN FILE: something is found, and it is this.
holed() {
	local sentence=$1 text=$2 status=0
	shift 2
	oracle "$@" >"$T/oracle.out" || status=$?
	[ "$status" -eq 1 ] || fail "$sentence (exit status $status)"
	expect "$sentence" grep -q -e "$text" "$T/oracle.out"
}

# guarded SENTENCE CLOSED RUN FILE [OPTION...]: knockd guards, and nothing is found.
guarded() {
	local sentence=$1 closed=$2
	shift 2
	guard_conf "$closed" "$OPEN"
	knockd_start
	clean "$sentence" "$@"
	knockd_stop
}

# ---- the guarded device ----

world
host_permit
bare "$T/bare" || {
	show
	fail "without knockd every kind that can get through does"
}
show
say "without knockd every kind that can get through does"
guarded "under drop nothing gets through, and what the outer door can read is not answered" \
	drop drop "$T/bare"
guarded "under reset nothing gets through, and the ports cannot be told from unused ones" \
	reset reset "$T/bare"

# The same cases must be seen where there is a hole.
count=$some
guard_conf drop "${OPEN/,23/}"
knockd_start
holed "a port that is not guarded is found" '^case .* port 23:' drop "$T/bare"
knockd_stop
guard_conf drop "$OPEN"
sed -i '1a Trust = 10.0.0.0/22' "$T/knockd.conf"
knockd_start
holed "a source that is trusted is found" '^case .*: IPv4 .* port 22:' drop "$T/bare"
knockd_stop

# The outer door alone: of a kernel without the other one, and where the other one has been taken.
count=$all
knockd=$KNOCKD
KNOCKD=$ALONE
guard_conf drop "$OPEN"
knockd_start
expect "the outer door guards alone" logged 'the outer door stands alone'
clean "where it stands alone nothing gets through, or is answered" drop "$T/bare"
knockd_stop
KNOCKD=$knockd
guard_conf drop "$OPEN"
knockd_start
knockd_kill
rm "$PINS/eth0/inner"
clean "what gets through the outer door that hands on to one that was taken away" outer "$T/bare"
rm -r "$PINS"

# ---- other ways ----

count=$some
KNOCKD_MODE=generic
guarded "in generic mode too" drop drop "$T/bare"
KNOCKD_MODE=

in_server sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
	echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
bare "$T/router"
guarded "nor on a router" drop drop "$T/router"
in_server sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward
	echo 0 >/proc/sys/net/ipv6/conf/all/forwarding'

# A device stacked on the guarded one.
if ip -n "$SERVER" link add upper link eth0 address 02:00:00:00:00:07 type macvlan mode bridge \
	2>/dev/null; then
	ip -n "$SERVER" link set upper up
	bare "$T/macvlan" --mac 02:00:00:00:00:07
	guarded "nor by a macvlan device" drop drop "$T/macvlan" --mac 02:00:00:00:00:07
	ip -n "$SERVER" link del upper
else
	say "NOT TRIED: this kernel has no macvlan devices"
fi
if ip -n "$SERVER" link add link eth0 name eth0.5 type vlan id 5 2>/dev/null; then
	ip -n "$SERVER" link set eth0.5 up
	bare "$T/vlan" --vlan 5
	guarded "nor by a VLAN's device" drop drop "$T/vlan" --vlan 5
	ip -n "$SERVER" link del eth0.5
else
	say "NOT TRIED: this kernel has no VLAN devices"
fi

# A tunnel that ends at the host: guarded by name, else named as a way in.
if ip -n "$SERVER" link add vx0 address 02:00:00:00:00:05 type vxlan id 42 dstport 4789 \
	local $SERVER4 dev eth0 2>/dev/null; then
	ip -n "$SERVER" link set vx0 up
	bare "$T/vxlan" --vxlan 02:00:00:00:00:05
	guard_conf drop "$OPEN"
	knockd_start
	expect "a tunnel that is not guarded is named" logged 'vx0.*not guarded'
	clean "what gets through a tunnel that is not guarded" outer "$T/vxlan" \
		--vxlan 02:00:00:00:00:05
	knockd_stop
	KNOCKD_OPTIONS=(-i "eth0,vx0")
	guarded "nothing gets through a tunnel that is guarded too" drop drop "$T/vxlan" \
		--vxlan 02:00:00:00:00:05
	KNOCKD_OPTIONS=()
	ip -n "$SERVER" link del vx0
else
	say "NOT TRIED: this kernel has no VXLAN devices"
fi

# Segment routing: the host takes packets apart, and its own device remains the one they came by.
in_server sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/seg6_enabled
	echo 1 >/proc/sys/net/ipv6/conf/eth0/seg6_enabled'
bare "$T/segments"
expect "without knockd packets in packets get through" \
	grep -q '^segment routing  *[0-9]*  *[1-9]' "$T/oracle.out"
guarded "by segment routing nothing gets through but datagrams to groups" drop inner "$T/segments"
