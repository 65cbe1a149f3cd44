# SPDX-License-Identifier: GPL-2.0-or-later
"""What flood.sh has measured, as a table, and whether what must hold holds.

  report.py [--json] FILE   exit status: 0 all holds, 1 something does not, 2 it proves nothing
"""

import collections
import json
import statistics
import sys

# Of what the barest XDP program drops.
BUDGET = 0.90
# What else must be so, or the measurement proves nothing.
LEAKED_MOST = 0.01
RATE_LEAST = 0.90
BUSY_LEAST = 0.90
# So long goes the flood before it is measured; the same in sender.c.
LEAD = 0.1

ROWS = {
    "none": "no filter",
    "iptables": "iptables, INPUT",
    "iptables-raw": "iptables, raw",
    "nftables": "nftables, netdev ingress",
    "bare": "bare XDP_DROP",
    "bare-filter": "bare XDP, reads the port",
    "native": "knockd",
    "bare-generic": "bare XDP_DROP, generic",
    "generic": "knockd, generic",
}
PEERS = ("none", "iptables", "iptables-raw", "nftables")
WHO = {"native": "knockd", "generic": "knockd, generic", "classic": "knockd 0.8, iptables"}


class Measured:
    def __init__(self, path):
        self.taken, self.seen, self.busy = {}, {}, {}
        self.tcp = collections.defaultdict(dict)
        self.flood = {}
        self.knocks = {}
        with open(path, encoding="ascii") as lines:
            for line in lines:
                kind, *words = line.split()
                getattr(self, "add_" + kind)(*words)
        self.rounds = sorted({round for _, round in self.taken})

    def add_drop(self, row, round, taken, seen, worked, seconds):
        key = (row, int(round))
        self.taken[key], self.seen[key] = int(taken), int(seen)
        self.busy[key] = min(int(worked) / 1000 / (LEAD + float(seconds)), 1)

    def add_tcp(self, kind, row, round, rate):
        self.tcp[kind][row, int(round)] = int(rate)

    def add_flood(self, row, round, sent):
        self.flood[row, int(round)] = int(sent)

    def add_knock(self, who, load, asked, sent, taken, count, opened, *times):
        self.knocks[who, load] = {
            "asked": int(asked), "sent": int(sent), "taken": int(taken),
            "count": int(count), "opened": int(opened),
            "ms": statistics.median(map(float, times)) if times else None}

    def bare(self, round):
        """The barest was measured before and after us."""
        return (self.taken["bare", round] + self.taken["bare-again", round]) / 2

    def each(self, value):
        """Median and noise over the rounds."""
        values = [value(round) for round in self.rounds]
        middle = statistics.median(values)
        deviation = statistics.median(abs(one - middle) for one in values)
        # Two standard errors of a median, from the median deviation.
        return {"median": middle, "noise": 2 * 1.253 * 1.4826 * deviation / len(values) ** 0.5}

    def kept(self, row):
        return self.each(lambda round: ratio(self.tcp["flooded"][row, round],
                                             self.tcp["silent"][row, round]))

    def has_tcp(self, row):
        return (row, self.rounds[0]) in self.tcp["free"]


def ratio(one, other):
    return one / other if other else 0.0


def rates(measured):
    """Of each row all there is to say."""
    bare_kept = measured.kept("bare")["median"]
    result = {}
    for row in ROWS:
        result[row] = {
            "dropped": measured.each(lambda round, row=row: measured.taken[row, round]),
            "to_bare": measured.each(lambda round, row=row: measured.taken[row, round]
                                     / measured.bare(round)),
        }
        if not measured.has_tcp(row):
            continue
        kept = measured.kept(row)
        result[row] |= {
            "tcp": measured.each(lambda round, row=row: measured.tcp["free"][row, round]),
            "tcp_to_none": measured.each(lambda round, row=row: ratio(
                measured.tcp["free"][row, round], measured.tcp["free"]["none", round])),
            "flood": measured.each(lambda round, row=row: measured.flood[row, round]),
            "tcp_kept": kept,
            "tcp_kept_to_bare": ratio(kept["median"], bare_kept),
        }
    return result


def wrong(measured, result):
    """What must hold and does not."""
    ours = result["native"]["to_bare"]
    highest = ours["median"] + ours["noise"]
    if highest < BUDGET:
        yield "drops %.3f \u00b1 %.3f of what the bare XDP_DROP does, less than %.2f" % (
            ours["median"], ours["noise"], BUDGET)
    for peer in PEERS:
        if highest < result[peer]["to_bare"]["median"]:
            yield "drops less than %s" % ROWS[peer]
    for (who, load), cell in measured.knocks.items():
        if who != "classic" and cell["opened"] < cell["count"]:
            yield "%s, %s: %d of %d knocks open" % (WHO[who], load, cell["opened"],
                                                    cell["count"])


def useless(measured):
    """Why the measurement proves nothing."""
    for key, seen in measured.seen.items():
        row, round = key
        if row != "none" and seen > LEAKED_MOST * measured.taken[key]:
            yield "round %d: %s let %d packets of the flood through" % (round, row, seen)
    for row in ("bare", "native"):
        busy = measured.each(lambda round, row=row: measured.busy[row, round])["median"]
        if busy < BUSY_LEAST:
            yield "the sender is the bottleneck: %s keeps the host only %.2f busy" % (
                ROWS[row], busy)
    for (who, load), cell in measured.knocks.items():
        if who != "classic" and cell["sent"] < RATE_LEAST * cell["asked"]:
            yield "%s, %s: only %d packets a second were sent" % (who, load, cell["sent"])


def print_rates(result, rounds):
    print("SYN flood at port 22, as much as the host takes: packets a second that it drops. TCP")
    print("through port 5001, which nobody guards: without a flood, and what it keeps beside a")
    print("million SYNs a second. Medians of %d rounds, \u00b1 the noise of the median.\n" % rounds)
    print("%-26s %6s %15s   %6s %15s   %4s %15s %7s" % (
        "", "Mpps", "to bare", "Gbit/s", "to no filter", "Mpps", "TCP kept", "to bare"))
    for row, name in ROWS.items():
        one = result[row]
        line = "%-26s %6.2f %15s" % (name, one["dropped"]["median"] / 1e6, span(one["to_bare"]))
        if "tcp" in one:
            line += "   %6.2f %15s   %4.2f %15s %7.3f" % (
                one["tcp"]["median"] / 1e9, span(one["tcp_to_none"]),
                one["flood"]["median"] / 1e6, span(one["tcp_kept"]), one["tcp_kept_to_bare"])
        print(line)


def span(value):
    return "%.3f \u00b1 %.3f" % (value["median"], value["noise"])


def load_name(load, cell):
    if load == "quiet":
        return "no flood"
    if load == "full":
        return "flood, as much as it takes"
    if load.startswith("first-"):
        return "{:,} first knocks a second".format(cell["asked"])
    return "flood of {:,} a second".format(cell["asked"])


def print_knocks(knocks):
    print("\nKnocks that open, and the milliseconds from the last knock sent to the first")
    print("connection (median of those that open).\n")
    print("%-32s" % "" + "".join("%22s" % name for name in WHO.values()))
    for load in dict.fromkeys(load for _, load in knocks):
        line = "%-32s" % load_name(load, knocks["native", load])
        for who in WHO:
            cell = knocks[who, load]
            time = "-" if cell["ms"] is None else "%.2f" % cell["ms"]
            line += "%22s" % ("%d of %d, %s ms" % (cell["opened"], cell["count"], time))
        print(line)


def main():
    path = sys.argv[-1]
    measured = Measured(path)
    result = rates(measured)
    false, doubts = list(wrong(measured, result)), list(useless(measured))
    if "--json" in sys.argv:
        knocks = [{"who": who, "load": load, **cell}
                  for (who, load), cell in measured.knocks.items()]
        print(json.dumps({"rounds": len(measured.rounds), "rates": result, "knocks": knocks,
                          "false": false, "doubts": doubts}, indent=1))
    else:
        print_rates(result, len(measured.rounds))
        print_knocks(measured.knocks)
        print()
    for sentence in false:
        print("FALSE: " + sentence, file=sys.stderr)
    for sentence in doubts:
        print("proves nothing: " + sentence, file=sys.stderr)
    return 1 if false else 2 if doubts else 0


sys.exit(main())
