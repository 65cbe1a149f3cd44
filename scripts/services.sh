#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Downloads the real programs that the demo and the tests show (OpenSSH's server and client, the
# knock client of Debian's knockd) and unpacks them under build/packages/root. Nothing is installed
# and nothing is started on this host. What is there already is not downloaded again.
set -eu

cd "$(dirname "$0")/.."
wanted="openssh-server openssh-client knockd"
store=$PWD/build/packages
mkdir -p "$store/deb"

# Two tests may ask at the same time.
exec 9>"$store/lock"
flock 9
[ ! -e "$store/complete" ] || exit 0

# Also what they need and this host lacks; what it has, even if older, is good enough.
# The names are words, to be split.
# shellcheck disable=SC2086
download() {
	needed=$(apt-get -s install --no-install-recommends $wanted) || return 1
	needed=$(echo "$needed" | awk '$1 == "Inst" && $3 !~ /^\[/ { print $2 }')
	for package in $wanted $needed; do
		echo "$package"
	done | sort -u >"$store/list"
	# Where apt's own user cannot write here, root downloads and apt says so; that is fine.
	(cd "$store/deb" && xargs apt-get download -qq -o APT::Sandbox::User=root <"$store/list")
}

# An archive moves on, and a list of last month names files that are gone: refresh it once.
if ! download >/dev/null 2>&1; then
	apt-get update -qq
	download >/dev/null
fi

rm -rf "$store/root"
mkdir "$store/root"
for deb in "$store"/deb/*.deb; do
	dpkg -x "$deb" "$store/root"
done
touch "$store/complete"
