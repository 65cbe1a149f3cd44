#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For tests beside Debian's knockd 0.8, the classic; sourced after lib.sh. The package is
# unpacked under build/, never installed and never started on the host.

# Who sources this uses what is set here.
# shellcheck disable=SC2034

CLASSIC=$SERVICES/usr/sbin/knockd
CLASSIC_PID=
# A command that runs it.
CLASSIC_UNDER=()

# classic_fetch: or the test is skipped.
classic_fetch() {
	"$ROOT/scripts/services.sh" >"$T/services.log" 2>&1 ||
		skip "Debian's knockd cannot be downloaded: $(tail -n 1 "$T/services.log")"
	[ -x "$CLASSIC" ] || skip "the archive has no knockd"
	case $("$CLASSIC" -V 2>/dev/null || service "$CLASSIC" -V) in
	'knockd 0.8'*) ;;
	*) skip "the archive's knockd is not 0.8" ;;
	esac
}

# classic_start NAMESPACE CONFIG NAME [OPTION...]: on eth0; its words are in $T/NAME.log. Its own
# process is CLASSIC_PID.
classic_start() {
	local namespace=$1 config=$2 name=$3
	shift 3
	: >"$T/$name.log"
	# A command of its own, not the function service: so $! is its process. Its words would come
	# only when it ends, because they go to a file.
	env LD_LIBRARY_PATH="$(echo "$SERVICES"/usr/lib/*-linux-gnu)" \
		nsenter --net="/run/netns/$namespace" stdbuf -oL "${CLASSIC_UNDER[@]}" \
		"$CLASSIC" -v -i eth0 -c "$config" "$@" >>"$T/$name.log" 2>&1 </dev/null &
	CLASSIC_PID=$!
	wait_for 10 grep -q '^listening on' "$T/$name.log" || fail "the classic starts"
}
