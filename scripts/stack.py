#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How much of the 512 bytes of stack the programs of a BPF object need, as the verifier counts.

    scripts/stack.py [OBJECT]

For each program the deepest chain of calls. The verifier adds up the frames of a chain, each
rounded up: to 32 bytes in older kernels, 6.1 among them, to 16 in newer ones (see
check_max_stack_depth() in kernel/bpf/verifier.c). These load what those refuse. Exit status 1 when
a chain is too deep for the older ones. Needs llvm-objdump.
"""
import re
import subprocess
import sys

LIMIT, STEP = 512, 32
PROGRAMS = ("knockd_outer", "knockd_outer_trial", "knockd_inner", "knockd_inner_trial",
            "knockd_order", "knockd_clock")


def functions_read(path):
    """The bytes of frame that each function uses, and whom it calls."""
    text = subprocess.run(["llvm-objdump", "-dr", "--no-show-raw-insn", path], check=True,
                          capture_output=True, text=True).stdout
    frames, calls, places, name = {}, {}, {}, None
    for line in text.splitlines():
        if line.startswith("Disassembly of section "):
            section = line.split()[-1].rstrip(":")
        start = re.match(r"([0-9a-f]+) <(\w+)>:", line)
        if start:
            if not start[2].startswith("LBB"):
                name = start[2]
                frames[name], calls[name] = 0, set()
                places[section, int(start[1], 16) // 8] = name
            continue
        # Memory that is accessed, and addresses that are taken.
        for offset in re.findall(r"\(r10 - (\w+)\)|r\d \+= -(\w+)$", line):
            offset = int(offset[0] or offset[1], 0)
            if offset <= LIMIT:
                frames[name] = max(frames[name], offset)
        # A static function is called by its place: in its section, or from the next instruction.
        call = re.match(r"\s+(\d+):\s+call (-?(?:0x)?[0-9a-f]+)$", line)
        if call:
            place, distance = int(call[1]), int(call[2], 0)
            calls[name].add((section, place + 1 + distance))
        callee = re.search(r"R_BPF_64_32\s+(\S+)", line)
        if callee:
            calls[name].discard((section, place + 1 + distance))
            calls[name].add((".text", distance + 1) if callee[1] == ".text" else callee[1])
    return frames, {caller: {places.get(callee, callee) for callee in callees}
                    for caller, callees in calls.items()}


def deepest(name, frames, calls):
    """The chain of calls from @name that needs most, and how much."""
    mine = (max(frames[name], 1) + STEP - 1) // STEP * STEP
    chains = [deepest(callee, frames, calls) for callee in calls[name] if callee in frames]
    size, chain = max(chains, default=(0, []))
    return mine + size, [f"{name} {frames[name]}", *chain]


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else "build/bpf/knockd.o"
    frames, calls = functions_read(path)
    worst = 0
    for program in PROGRAMS:
        size, chain = deepest(program, frames, calls)
        worst = max(worst, size)
        print(f"{size:4} of {LIMIT}: {' > '.join(chain)}")
    if worst > LIMIT:
        sys.exit(f"a chain of calls needs {worst} bytes of stack, more than {LIMIT}")


if __name__ == "__main__":
    main()
