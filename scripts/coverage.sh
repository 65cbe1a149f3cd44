#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the tests reach; as root, called by 'make coverage':
#
#   scripts/coverage.sh COVERED FIXTURES
#
# COVERED is the folder of unit tests built for coverage, FIXTURES that of the fixtures. Prints how
# many reasons the fixtures see, and how many branches of the BPF code that builds natively the unit
# tests take, each condition both ways; of the parser also those that the fixtures' packets take
# alone. What is not reached is named. Exit status 1 when a reason is missing, less than 95 % of the
# branches are reached, or some function is never called: clang counts no branches of those.
set -eu -o pipefail

if [ $# -ne 2 ]; then
	echo "usage: $0 COVERED FIXTURES" >&2
	exit 2
fi
cd "$(dirname "$0")/.."
covered=$1
fixtures=$2
pure=(bpf/packet.h bpf/plain.h bpf/sequence.h bpf/grant.h bpf/presence.h bpf/table.h)
# Debian's clang and llvm carry the same version.
for tool in llvm-profdata llvm-cov; do
	command -v "$tool" >/dev/null || { echo "$0: no $tool; see scripts/deps.sh" >&2; exit 1; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# quietly COMMAND...: its output only when it fails.
quietly() {
	"$@" >"$work/output" 2>&1 && return
	grep -v '^\[ *\(RUN\|OK\) *\]' "$work/output" >&2 || true
	echo "$*: failed" >&2
	exit 1
}

for source in tests/bpf/test_*.c; do
	! grep -q '^#include "harness.h"' "$source" ||
		KNOCKD_REASONS=$work/reasons KNOCKD_PACKETS=$work/packets \
			quietly "$fixtures/$(basename "$source" .c)"
done

# branches NAME TEST [ARGUMENT]: run the unit test and leave in NAME.json what it has reached.
branches() {
	local name=$1 test=$covered/$2
	shift 2
	LLVM_PROFILE_FILE=$work/$name.profraw quietly "$test" "$@"
	llvm-profdata merge -o "$work/$name.profdata" "$work/$name.profraw"
	llvm-cov export -instr-profile "$work/$name.profdata" "$test" "${pure[@]}" \
		>"$work/$name.json"
}
for source in tests/unit/test_*.c; do
	test=$(basename "$source" .c)
	[ ! -x "$covered/$test" ] || branches "unit-$test" "$test"
done
branches packets test_packet "$work/packets"

python3 - "$work" "${pure[@]}" <<'END'
import json
import pathlib
import re
import sys

work = pathlib.Path(sys.argv[1])
pure = sys.argv[2:]


def exports(names):
    return [json.loads(path.read_text())["data"][0] for path in work.glob(names)]


def uncalled(names):
    """Functions of the files that no program calls."""
    calls = {}
    for function in (function for export in exports(names) for function in export["functions"]):
        path = "bpf/" + pathlib.Path(function["filenames"][0]).name
        key = path, function["regions"][0][0], function["name"].rpartition(":")[2]
        calls[key] = calls.get(key, 0) + function["count"]
    return sorted(key for key, count in calls.items() if not count and key[0] in pure)


def branches(names):
    """Of each file, each side of each condition: how often, in all programs that hold it."""
    files = {}
    for file in (file for export in exports(names) for file in export["files"]):
        sides = files.setdefault("bpf/" + pathlib.Path(file["filename"]).name, {})
        for line, column, _, _, taken, not_taken, *_ in file["branches"]:
            for side, count in ("true", taken), ("false", not_taken):
                key = line, column, side
                sides[key] = sides.get(key, 0) + count
    return files


def unreached_print(path, sides):
    for (line, column, side), count in sorted(sides.items()):
        if not count:
            print(f"    {path}:{line}:{column}: never {side}")


def share(sides):
    reached = sum(1 for count in sides.values() if count)
    return f"{reached} of {len(sides)}, {100 * reached / max(len(sides), 1):.1f} %"


table = pathlib.Path("include/knockd/reason.h").read_text()
reasons = re.findall(r"^\tX\((\w+), ", table, re.MULTILINE)
seen = set((work / "reasons").read_text().split())
missing = [reason for reason in reasons if reason not in seen]
print(f"reasons that the fixtures see: {len(reasons) - len(missing)} of {len(reasons)}")
for reason in missing:
    print(f"  not {reason}")

unit = branches("unit-*.json")
print("branches that the unit tests take:")
for path in pure:
    sides = unit[path]  # each is in some test
    print(f"  {path:16} {share(sides)}")
    unreached_print(path, sides)
forgotten = uncalled("unit-*.json")
for path, line, name in forgotten:
    print(f"  {path}:{line}: {name}() is never called")
everything = {(path, *key): count for path, sides in unit.items() for key, count in sides.items()}
print(f"  {'all':16} {share(everything)}")

packets = branches("packets.json")["bpf/packet.h"]
print("branches that the packets of the fixtures take:")
print(f"  {'bpf/packet.h':16} {share(packets)}")
unreached_print("bpf/packet.h", packets)

reached = sum(1 for count in everything.values() if count)
sys.exit(1 if missing or forgotten or reached < 0.95 * len(everything) else 0)
END
