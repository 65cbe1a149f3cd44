#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Installs what is needed, builds, and runs all tests; as root, on Debian 12 or newer:
#
#   scripts/check.sh              in about a quarter of an hour
#   scripts/check.sh --all        the long variants too
#   scripts/check.sh 020 030      builds, and runs the system tests whose names begin so
#
# One line a test, the output of those that fail, and a sum at the end. Everything happens in
# throw-away network namespaces and under build/.
set -eu -o pipefail

cd "$(dirname "$0")/.."
prefixes=()
for argument; do
	case $argument in
	--all) export KNOCKD_TEST_ALL=1 ;;
	-*)
		echo "usage: $0 [--all] [TEST...]" >&2
		exit 2 ;;
	*) prefixes+=("$argument") ;;
	esac
done
# Seconds after which a test is ended; the long variants may take their time.
limit=300
[ -z "${KNOCKD_TEST_ALL:-}" ] || limit=900

scripts/deps.sh test

results=$(mktemp -d)
# Called by the trap.
# shellcheck disable=SC2317
clean_up() {
	local file
	# A test that is told to end takes its namespaces away itself.
	for file in "$results"/*.pid; do
		[ ! -e "$file" ] || kill "$(cat "$file")" 2>/dev/null || true
	done
	wait
	rm -rf "$results"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# run NAME COMMAND...: one line, in one piece.
run() {
	local name=$1 status=0 start=$EPOCHREALTIME seconds
	shift
	timeout -k 10 "$limit" "$@" >"$results/$name.output" 2>&1 </dev/null &
	echo $! >"$results/$name.pid"
	wait $! || status=$?
	rm "$results/$name.pid"
	seconds=$(((${EPOCHREALTIME/./} - ${start/./} + 500000) / 1000000))
	{
		flock 8
		case $status in
		0)
			echo "ok $name ($seconds s)"
			echo ok >"$results/$name.result" ;;
		77)
			echo "SKIP $name: $(sed -n 's/^SKIP [^:]*: //p' "$results/$name.output")"
			echo skip >"$results/$name.result" ;;
		*)
			echo "not ok $name ($seconds s)"
			# Of cmocka's lines, those that tell of success are many.
			grep -v '^\[ *\(RUN\|OK\) *\]' "$results/$name.output" | sed 's/^/    /'
			[ "$status" -ne 124 ] || echo "    ended after $limit s"
			echo no >"$results/$name.result" ;;
		esac
	} 8>"$results/lock"
	[ "$status" -eq 0 ] || [ "$status" -eq 77 ]
}

count() {
	cat "$results"/*.result | grep -cx "$1" || true
}

finish() {
	local failed
	failed=$(count no)
	echo "$(count ok) passed, $failed failed, $(count skip) skipped"
	[ "$failed" -eq 0 ] || exit 1
	exit 0
}

# Without a program there is nothing to test.
run build make -j"$(nproc)" all tests ${CI:+WERROR=1} || finish

tests=() alone=()
for test in tests/system/[0-9]*.sh; do
	name=$(basename "$test" .sh)
	wanted=${#prefixes[@]}
	for prefix in "${prefixes[@]}"; do
		[[ $name != "$prefix"* ]] || wanted=0
	done
	[ "$wanted" -eq 0 ] || continue
	# Some measure the machine, and need it for themselves.
	if grep -q '^# Runs alone' "$test"; then
		alone+=("$name")
	else
		tests+=("$name")
	fi
done

# Fetched before the tests start, so that none of them waits for it.
run services scripts/services.sh || finish

# begin NAME COMMAND...: beside one other, and the emulated machine.
machine=none
begin() {
	while [ "$(jobs -pr | grep -cvx "$machine")" -ge 2 ]; do
		wait -n || true
	done
	run "$@" &
}

if [ ${#prefixes[@]} -eq 0 ]; then
	# The oldest of Debian's kernels that knockd runs on, with the fixtures that load the
	# programs in most shapes: emulated, all of them take too long, but with --all.
	if [ -z "${KNOCKD_TEST_ALL:-}" ]; then
		VM_TEST_FIXTURES='agree knocks modes' limit=900 run kernel-6.1 \
			nice scripts/vm-test.sh 6.1 &
		machine=$!
	fi
	# All programs of the lower levels in one: they have the time of several.
	limit=900 begin unit-and-bpf make check ${CI:+WERROR=1}
	begin style scripts/style.sh
	begin stack scripts/stack.py
	begin coverage make coverage
	# Builds in a folder of its own; ten minutes of it are 'make fuzz'.
	begin fuzz make fuzz FUZZ_SECONDS=30
	# Its programs must not be built twice at once: 'make tests' has built all but the fuzzer.
	begin fuzz-packet make fuzz-packet FUZZ_SECONDS=30
	# That it works; what it measures beside other tests says nothing.
	begin bench make bench BENCH='--rounds 1 --no-sweeps'
fi
for name in "${tests[@]}"; do
	begin "$name" bash "tests/system/$name.sh"
done
wait
for name in "${alone[@]}"; do
	run "$name" bash "tests/system/$name.sh" || true
done

# Debian's other kernels: some minutes each.
if [ -n "${KNOCKD_TEST_ALL:-}" ] && [ ${#prefixes[@]} -eq 0 ]; then
	for kernel in 6.1 6.12 5.10; do
		limit=1800 run "kernel-$kernel" scripts/vm-test.sh $kernel || true
	done
fi
finish
