#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Installs from Debian's archive what building knockd needs, and only what is missing:
#
#   scripts/deps.sh         to build
#   scripts/deps.sh demo    to build and to run scripts/demo.sh
#   scripts/deps.sh test    to build and to run scripts/check.sh
#   scripts/deps.sh flood   to build and to run make flood
#   scripts/deps.sh vm      to run scripts/vm-test.sh on what has been built
set -eu

packages="clang libbpf-dev bpftool libelf-dev zlib1g-dev libmnl-dev libseccomp-dev pkgconf make gcc"
packages="$packages libc6-dev"
case "${1:-build}" in
build) ;;
demo) packages="$packages iproute2 iputils-ping util-linux" ;;
test)
	packages="$packages iproute2 util-linux procps libcmocka-dev valgrind nmap netcat-openbsd"
	packages="$packages python3 iputils-ping mandoc shellcheck systemd nftables"
	# For the fuzzers and for coverage; clang itself does without.
	packages="$packages libclang-rt-dev llvm" ;;
flood)
	packages="$packages iproute2 util-linux procps python3 ethtool iptables nftables" ;;
vm) packages="qemu-system-x86 busybox-static xz-utils" ;;
*)
	echo "usage: $0 [build|demo|test|flood|vm]" >&2
	exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "$0: this system has no apt; install what corresponds to: $packages" >&2
	exit 1
fi

missing=
for package in $packages; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=none
	# A library installed for two architectures answers "installedinstalled".
	case $status in
	installed*) ;;
	*) missing="$missing $package" ;;
	esac
done
[ -n "$missing" ] || exit 0

echo "installing:$missing"
if [ "$(id -u)" -ne 0 ]; then
	echo "$0: only root can install packages; as root: apt-get install$missing" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# The list must be split into words.
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing </dev/null >/dev/null
