#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What knockd does not guard, it does not touch: other ports, other hosts behind this one, the
# host's own connections, ping, ARP, neighbour discovery, path-MTU messages.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

world
# A third host, far, behind the server, which forwards.
FAR=kd$$-far
FAR4=203.0.113.2
FAR6=2001:db8:113::2
namespace_add "$FAR"
ip -n "$SERVER" link add eth1 type veth peer name eth0 netns "$FAR"
ip -n "$SERVER" link set eth1 up
ip -n "$FAR" link set eth0 up
ip -n "$SERVER" addr add 203.0.113.1/24 dev eth1
ip -n "$SERVER" addr add 2001:db8:113::1/64 dev eth1 nodad
ip -n "$FAR" addr add $FAR4/24 dev eth0
ip -n "$FAR" addr add $FAR6/64 dev eth0 nodad
ip -n "$FAR" route add default via 203.0.113.1
ip -n "$FAR" -6 route add default via 2001:db8:113::1
ip -n "$CLIENT" route add 203.0.113.0/24 via $SERVER4
ip -n "$CLIENT" -6 route add 2001:db8:113::/64 via $SERVER6
forwarding() {
	in_server sh -c "echo $1 >/proc/sys/net/ipv4/ip_forward
		echo $1 >/proc/sys/net/ipv6/conf/all/forwarding"
}
forwarding 1

listen "$SERVER" server tcp:22 tcp:80 udp:5353 udp:60005
listen "$FAR" far tcp:22 udp:60001
listen "$CLIENT" client tcp:8080 tcp:22 udp:53

ping_both() {
	in_client ping -n -c 1 -W 1 $SERVER4 && in_client ping -n -c 1 -W 1 $SERVER6
}

route_has_mtu() {
	ip -n "$SERVER" route get "$1" | grep "mtu $2" >/dev/null
}

for closed in drop reset; do
	conf <<-END
	[options]
		Closed = $closed
	[door]
		Sequence = 7000,8000:udp,9000
		Open = 22, 60000-60100:udp
	END
	knockd_start
	expect_not "under $closed, the server's port 22 is closed" tcp_opens $SERVER4 22

	for address in $SERVER4 $SERVER6; do
		expect "other ports of $address: TCP data" \
			in_client "$PYTHON" "$SYSTEM/talk.py" tcp "$address" 80
		expect "other ports of $address: UDP" \
			in_client "$PYTHON" "$SYSTEM/talk.py" udp "$address" 5353
		expect "ping to $address" in_client ping -n -c 2 -i 0.1 -W 1 "$address"
		expect "a large ping to $address, in fragments" \
			in_client ping -n -c 2 -i 0.1 -W 1 -s 4000 "$address"
	done
	for address in 203.0.113.1 2001:db8:113::1; do
		expect_not "port 22 of $address, the server's other side, is closed" \
			tcp_opens "$address" 22
		expect "but open from that side, which is not guarded" \
			in_namespace "$FAR" "$PYTHON" "$SYSTEM/talk.py" tcp "$address" 22
	done
	# The server must not need to know the neighbour already.
	ip -n "$SERVER" neigh flush dev eth1
	ip -n "$SERVER" -6 neigh flush dev eth1
	for address in $FAR4 $FAR6; do
		expect "port 22 of $address, another host behind this one: TCP data" \
			in_client "$PYTHON" "$SYSTEM/talk.py" tcp "$address" 22
		expect "a protected UDP port's number at $address" \
			in_client "$PYTHON" "$SYSTEM/talk.py" udp "$address" 60001
		expect "ping to $address" in_client ping -n -c 2 -i 0.1 -W 1 "$address"
	done
	for address in $CLIENT4 $CLIENT6; do
		expect "the server's own connection to $address" \
			in_server "$PYTHON" "$SYSTEM/talk.py" tcp "$address" 8080
		expect "the server's own connection to port 22 of $address" \
			in_server "$PYTHON" "$SYSTEM/talk.py" tcp "$address" 22
		expect "the server's question to $address from a port in the protected range" \
			in_server "$PYTHON" "$SYSTEM/talk.py" udp "$address" 53 60007
		expect "the server's ping to $address" \
			in_server ping -n -c 2 -i 0.1 -W 1 "$address"
	done

	for namespace in "$SERVER" "$CLIENT"; do
		ip -n "$namespace" neigh flush dev eth0
		ip -n "$namespace" -6 neigh flush dev eth0
	done
	expect "the neighbours find each other again: ARP and neighbour discovery" ping_both
	packets 080-path-mtu.py || fail "path-MTU messages are sent"
	for family in 4 6; do
		target=198.51.100.9
		[ $family = 4 ] || target=2001:db8:51::9
		expect "the path-MTU message over IPv$family arrives" \
			wait_for 2 route_has_mtu $target 1300
	done
	# The next turn must learn it anew.
	in_server ip -4 route flush cache
	in_server ip -6 route flush cache
	knockd_stop
done

# Forwarding that begins while knockd runs; and large frames.
forwarding 0
for namespace in "$SERVER" "$CLIENT"; do
	ip -n "$namespace" link set eth0 mtu 9000
done
knockd_start
forwarding 1
far_answers() {
	in_client "$PYTHON" "$SYSTEM/talk.py" tcp "$1" 22
}
for address in $FAR4 $FAR6; do
	expect "once this host forwards, port 22 of $address is reached" \
		wait_for 5 far_answers "$address"
done
for address in $SERVER4 $SERVER6; do
	expect "other ports of $address with large frames" \
		in_client "$PYTHON" "$SYSTEM/talk.py" tcp "$address" 80
	expect "the protected port of $address is still closed" \
		test "$(in_client nc -n -v -z -w 1 "$address" 22 2>&1 | grep -c refused)" = 1
done
knockd_stop
