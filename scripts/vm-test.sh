#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs what "make all tests" has built on Debian's kernels, each booted in an emulated machine; as
# root, on Debian 12 or newer:
#
#   scripts/vm-test.sh 6.1 6.12 5.10
#
# The machine holds nothing but the programs and tests/vm/init, which says what must be true. On
# kernels that knockd does not support, that is the refusal. One line a kernel, with the console of
# those that fail. Exit status: 0 no kernel failed, 77 none could be had, anything else a failure.
# Everything is under build/vm/.
set -eu -o pipefail

cd "$(dirname "$0")/.."
STORE=$PWD/build/vm
# Seconds that a machine may take. It is emulated, and may share its processors.
LIMIT=${VM_TEST_LIMIT:-1500}
# The fixtures that run there, by their names; else all of them.
read -ra WANTED <<<"${VM_TEST_FIXTURES:-*}"

if [ $# -eq 0 ]; then
	echo "usage: $0 VERSION..." >&2
	exit 2
fi
FIXTURES=()
for name in "${WANTED[@]}"; do
	# A name may be a pattern.
	# shellcheck disable=SC2231
	for program in build/tests/bpf/test_$name; do
		[ ! -x "$program" ] || [ -d "$program" ] || FIXTURES+=("$program")
	done
done
if [ ! -x build/knockd ] || [ ! -x build/knockctl ] || [ ${#FIXTURES[@]} -eq 0 ]; then
	echo "$0: there is nothing to run yet; first: make all tests" >&2
	exit 1
fi

# ---- the kernel ----

# The release of Debian whose archive has the series, for when this host's own has not.
release_of() {
	case $1 in
	5.10) echo bullseye ;;
	6.1) echo bookworm ;;
	6.12) echo trixie ;;
	esac
}

# Options that make apt look into another release; empty: this host's own.
APT=()

# apt_other RELEASE: from the same places as this host's packages, with lists and a store of its
# own. Signatures are checked as always; that old lists say how long they are valid is no matter.
apt_other() {
	local root=$STORE/apt-$1 codename file
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	[ -n "$codename" ] || return 1
	mkdir -p "$root"/{parts,state/lists/partial,cache/archives/partial}
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ ! -e "$file" ] || grep -E "^deb .* $codename(-[a-z]+)? " "$file" || true
	done | sed "s/ $codename\b/ $1/" >"$root/parts/other.list"
	for file in /etc/apt/sources.list.d/*.sources; do
		[ ! -e "$file" ] || ! grep -qE "^Suites:.* $codename( |-|$)" "$file" ||
			sed "/^Suites:/s/ $codename\b/ $1/g" "$file" \
				>"$root/parts/${file##*/}"
	done
	APT=(-o Dir::State="$root/state" -o Dir::State::status=/var/lib/dpkg/status
		-o Dir::Cache="$root/cache" -o Dir::Etc::sourcelist="$root/parts/other.list"
		-o Dir::Etc::sourceparts="$root/parts" -o Acquire::Check-Valid-Until=false)
}

# Where apt's own user cannot write, root downloads.
apt_do() {
	local program=$1
	shift
	"$program" "${APT[@]}" -o APT::Sandbox::User=root "$@"
}

# package_newest VERSION: Debian's kernel for virtual machines, its name.
package_newest() {
	apt_do apt-cache search --names-only "^linux-image-${1//./\\.}[.-].*-cloud-amd64$" |
		awk '{ print $1 }' | grep -E "^linux-image-$1\.[0-9]" | sort -V | tail -n 1
}

# package_fetch VERSION: downloads and unpacks; its folder is KERNEL.
package_fetch() {
	local package
	package=$(package_newest "$1") && [ -n "$package" ] || return 1
	KERNEL=$STORE/$package
	[ ! -e "$KERNEL/complete" ] || return 0
	rm -rf "$KERNEL"
	mkdir -p "$KERNEL/deb"
	(cd "$KERNEL/deb" && apt_do apt-get download -qq "$package") &&
		dpkg-deb -x "$KERNEL"/deb/*.deb "$KERNEL/root" &&
		rm -r "$KERNEL/deb" &&
		touch "$KERNEL/complete"
}

# An archive moves on, and a list of last month names files that are gone: refresh it once. Where
# the list of one place cannot be had, another may do.
package_fetch_patiently() {
	package_fetch "$1" && return
	apt_do apt-get update -qq || true
	package_fetch "$1"
}

# kernel_fetch VERSION
kernel_fetch() {
	local release
	APT=()
	[ -z "$(package_newest "$1")" ] || ! package_fetch_patiently "$1" || return 0
	release=$(release_of "$1")
	[ -n "$release" ] && apt_other "$release" && package_fetch_patiently "$1"
}

# ---- the machine ----

# program_add IMAGE PROGRAM FOLDER: with the libraries that it needs.
program_add() {
	local library
	install -D -t "$1/$3" "$2"
	# A static program has none, and ldd calls that a failure.
	{ ldd "$2" 2>/dev/null || true; } |
		awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' |
		while read -r library; do
			cp -L --parents "$library" "$1"
		done
}

# module_add IMAGE NAME: unless it is built in; the kernel need not know how to decompress.
module_add() {
	local file
	file=$(find "$KERNEL/root" -name "$2.ko" -o -name "$2.ko.xz")
	case $file in
	*.xz) xz -dc "$file" >"$1/modules/$2.ko" ;;
	*.ko) cp "$file" "$1/modules/" ;;
	esac
}

# image_make IMAGE: the folder, and IMAGE.gz of it.
image_make() {
	local image=$1 name
	rm -rf "$image"
	mkdir -p "$image"/{bin,dev,proc,sys,tmp,run,modules,fixtures}
	install -m 755 tests/vm/init "$image/init"
	# Not busybox's shell: that prefers busybox's programs, whatever PATH says.
	for name in $(busybox --list); do
		ln -s busybox "$image/bin/$name"
	done
	rm "$image"/bin/{busybox,sh}
	program_add "$image" "$(command -v busybox)" bin
	program_add "$image" "$(command -v bash)" bin
	ln -s bash "$image/bin/sh"
	# Busybox's ip knows neither veth nor namespaces.
	for name in ip bpftool; do
		program_add "$image" "$(command -v $name)" programs
	done
	program_add "$image" build/packages/root/usr/bin/knock programs
	program_add "$image" build/knockd .
	program_add "$image" build/knockctl .
	for name in "${FIXTURES[@]}"; do
		program_add "$image" "$name" fixtures
	done
	for name in llc stp garp mrp 8021q dummy veth; do
		module_add "$image" $name
	done
	(cd "$image" && find . | busybox cpio -o -H newc 2>/dev/null) | gzip -1 >"$image.gz"
}

# machine_run IMAGE CONSOLE: without KVM, which is not everywhere, and not everywhere works.
machine_run() {
	timeout -k 5 "$LIMIT" qemu-system-x86_64 -M q35 -cpu qemu64 -smp 2 -m 1024 -accel tcg \
		-nographic -no-reboot -nic none -kernel "$KERNEL"/root/boot/vmlinuz-* \
		-initrd "$1.gz" -append "console=ttyS0 quiet panic=-1" </dev/null >"$2" 2>&1
}

# kernel_test VERSION: sets RESULT and says one line.
kernel_test() {
	local version=$1 status=0
	SECONDS=0
	RESULT=skip
	# Two tests may ask at the same time.
	exec 9>"$STORE/lock"
	flock 9
	kernel_fetch "$version" >"$RUN/fetch.log" 2>&1 || status=$?
	exec 9>&-
	if [ "$status" -ne 0 ]; then
		echo "SKIP vm $version: Debian's kernel cannot be downloaded"
		sed 's/^/    /' "$RUN/fetch.log"
		return
	fi
	RESULT=failed
	image_make "$RUN/image"
	machine_run "$RUN/image" "$RUN/console" || status=$?
	# Without what the firmware tells a terminal.
	sed 's/\x1b\[[0-9;?]*[a-zA-Z]//g; s/\x1bc//g; s/\r//g' "$RUN/console" \
		>"$STORE/$version.log"
	if [ "$(grep '^RESULT ' "$STORE/$version.log")" = 'RESULT ok' ]; then
		RESULT=ok
	else
		sed 's/^/    /' "$STORE/$version.log" | tail -n 200
		[ "$status" -ne 124 ] || echo "    ended after $LIMIT s"
	fi
	echo "vm $version: $RESULT ($SECONDS s)"
}
scripts/deps.sh vm
# For the knock client.
scripts/services.sh
mkdir -p "$STORE"
RUN=$(mktemp -d "$STORE/run.XXXXXX")
trap 'rm -rf "$RUN"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
passed=0 failed=0
for version; do
	kernel_test "$version"
	case $RESULT in
	ok) passed=$((passed + 1)) ;;
	failed) failed=$((failed + 1)) ;;
	esac
done
[ "$failed" -eq 0 ] || exit 1
[ "$passed" -gt 0 ] || exit 77
