#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The units, as systemd-analyze reads them: nothing to complain about, no ordering cycle in a boot
# with Debian's network, cloud and ssh units, and little exposed. No service manager has to run, and
# nothing is installed.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

command -v systemd-analyze >/dev/null || skip "systemd-analyze is not installed"
DEBIAN=$ROOT/build/packages/units
UNITS=$DEBIAN/root/lib/systemd/system:$DEBIAN/root/usr/lib/systemd/system
T=$(mktemp -d /tmp/knockd-test.XXXXXX)
trap cleanup EXIT

# units_fetch: the units of Debian's packages, without what those packages need to run.
units_fetch() {
	local packages="systemd udev cloud-init ifupdown network-manager nftables openssh-server"
	local deb
	[ ! -e "$DEBIAN/complete" ] || return 0
	rm -rf "$DEBIAN"
	mkdir -p "$DEBIAN/deb" "$DEBIAN/root"
	# The names are words, to be split. Where apt's own user cannot write, root downloads.
	# shellcheck disable=SC2086
	(cd "$DEBIAN/deb" && apt-get download -qq -o APT::Sandbox::User=root $packages) \
		>"$T/fetch.log" 2>&1 || return 1
	for deb in "$DEBIAN"/deb/*.deb; do
		dpkg -x "$deb" "$DEBIAN/root"
	done
	touch "$DEBIAN/complete"
}

# units_place: ours in $T/units, as they are installed, with programs that are there.
units_place() {
	local unit
	mkdir -p "$T/units"
	for unit in knockd.service knockd@.service; do
		sed "s|@SBINDIR@|$ROOT/build|" "$ROOT/scripts/systemd/$unit" >"$T/units/$unit"
	done
}

strict_place() {
	mkdir -p "$T/units/$1.d"
	cp "$ROOT/scripts/systemd/strict.conf" "$T/units/$1.d/"
}

# verify UNIT...: what is wrong is in $T/verify; that man pages are not installed is not.
verify() {
	SYSTEMD_UNIT_PATH=$T/units:$UNITS \
		systemd-analyze verify --man=no "$@" >"$T/verify" 2>&1
}

verified() {
	verify "$@" || true
	cat "$T/verify"
	[ ! -s "$T/verify" ]
}

# exposure UNIT: from 0.0, to 10.0.
exposure() {
	SYSTEMD_UNIT_PATH=$T/units:$UNITS \
		systemd-analyze security --no-pager --offline=true "$T/units/$1" |
		sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p'
}

below() {
	awk -v seen="$1" -v limit="$2" 'BEGIN { exit !(seen ~ /^[0-9]+\.[0-9]+$/ && seen < limit) }'
}

# boot_target: everything that a host of Debian's may start, in one transaction.
boot_target() {
	cat >"$T/units/boot.target" <<-END
		[Unit]
		Requires=multi-user.target
		After=multi-user.target
		Wants=knockd.service knockd@eth1.service sysinit.target network-online.target
		Wants=systemd-sysctl.service systemd-tmpfiles-setup.service nftables.service
		Wants=networking.service systemd-networkd.service NetworkManager.service
		Wants=systemd-networkd-wait-online.service NetworkManager-wait-online.service
		Wants=cloud-init-local.service cloud-init.service cloud-config.service
		Wants=cloud-init-main.service cloud-init-network.service cloud-final.service
		Wants=cloud-init.target ssh.service ssh.socket mnt.mount
	END
	# As cloud-init writes a second disk into fstab, and systemd makes a unit of it.
	cat >"$T/units/mnt.mount" <<-END
		[Unit]
		Requires=cloud-init.service
		After=cloud-init.service
		[Mount]
		What=/dev/vdb
		Where=/mnt
		Options=nofail,x-systemd.requires=cloud-init.service
	END
}

cycles() {
	verify "$T/units/boot.target" || true
	cat "$T/verify"
	grep 'ordering cycle' "$T/verify" >/dev/null
}

# settings UNIT: what it says, without comments, and what an instance must say for itself.
settings() {
	grep -v '^#\|^$' "$ROOT/scripts/systemd/$1" |
		sed 's/ -i %i//; s/ --name %i//; s/ on %i$//'
}

# The list of packages may be old; then it is refreshed once.
units_fetch || { apt-get update -qq >"$T/fetch.log" 2>&1 && units_fetch; } ||
	skip "Debian's units cannot be downloaded"
units_place

expect "knockd.service has nothing to complain about" verified "$T/units/knockd.service"
expect "nor has an instance" verified "$T/units/knockd@.service"
expect_equal "an instance differs by its interface alone" \
	"$(settings knockd@.service)" "$(settings knockd.service)"

open=$(exposure knockd.service)
strict_place knockd.service
strict_place knockd@.service
strict=$(exposure knockd.service)
expect "with strict.conf there is nothing to complain about" verified "$T/units/knockd.service"
expect "nor with an instance" verified "$T/units/knockd@.service"
say "the exposure is $open, with strict.conf $strict"
expect "with strict.conf it is below 2.0" below "$strict" 2.0
expect_equal "with strict.conf an instance is exposed as much" "$(exposure knockd@.service)" \
	"$strict"

boot_target
expect_not "a boot with Debian's network, cloud and ssh units has no ordering cycle" cycles
mkdir -p "$T/units/networking.service.d"
printf '[Unit]\nBefore=knockd.service\n' >"$T/units/networking.service.d/cycle.conf"
expect "a cycle would be seen" cycles
