#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# No dressing brings a SYN or a datagram past knockd without a knock: IPv4 options, long chains of
# IPv6 headers, stacked priority tags, fragments, odd flags. Under drop nothing is answered; with a
# grant everything passes that this host answers without knockd.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

world
# Room for headers that do not fit in the first part of a frame as XDP sees it.
ip -n "$SERVER" link set eth0 mtu 9000
ip -n "$CLIENT" link set eth0 mtu 9000
listen "$SERVER" listener tcp:22 udp:60000 group:60000 udp:67

packets 030-disguise.py record "$T/unguarded.json" "$T/listener.log" ||
	fail "unguarded, disguises get through"

conf <<END
[door]
	Sequence = 7000,8000:udp,9000
	Open = 22, 60000:udp, 67:udp, 68:udp
	Open_Time = 60
END
knockd_start
packets 030-disguise.py silent "$T/unguarded.json" "$T/listener.log" ||
	fail "no disguise gets through without a grant, or is answered"
packets 030-disguise.py granted "$T/unguarded.json" "$T/listener.log" ||
	fail "with a grant everything gets through that did without knockd"
knockd_stop

conf <<END
[options]
	Closed = reset
[door]
	Sequence = 7000,8000:udp,9000
	Open = 22, 60000:udp, 67:udp, 68:udp
	Open_Time = 60
END
knockd_start
packets 030-disguise.py refused "$T/unguarded.json" "$T/listener.log" ||
	fail "under reset, no disguise gets through without a grant"
packets 030-disguise.py granted "$T/unguarded.json" "$T/listener.log" ||
	fail "under reset, with a grant everything gets through that did without knockd"
knockd_stop

# Where the host forwards, what goes to another host passes; what goes to groups does not.
in_server sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
	echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
for closed in drop reset; do
	conf <<-END
	[options]
		Closed = $closed
	[door]
		Sequence = 7000,8000:udp,9000
		Open = 22, 60000:udp, 67:udp, 68:udp
		Open_Time = 60
	END
	knockd_start
	packets 030-disguise.py refused "$T/unguarded.json" "$T/listener.log" ||
		fail "on a router, no disguise gets through without a grant"
	packets 030-disguise.py granted "$T/unguarded.json" "$T/listener.log" ||
		fail "on a router, with a grant everything gets through that did without knockd"
	knockd_stop
done
