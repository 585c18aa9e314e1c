#!/usr/bin/env python3
"""Half an hour of churn, floods and kills, and what a node's memory comes to; a table for benches/README.md.

    benches/soak.py                  thirty minutes
    benches/soak.py --minutes 3      a look, which proves little

Two nodes on embedded stores, each with clients of its own that come, go, are cut, stop reading and are flooded (`load soak`).
One of them is killed and started again every few minutes; the other one lives through it all, and its memory is what counts:
that of a process that was just started would prove nothing. What is retained is five minutes, so from then on as much expires
as comes. In the end every connection and every message is accounted for, or this fails.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cluster import Node, shared_host
from rounds import cargo, cpu_name, end, metric, once

LIVES, KILLED = 0, 1
RETENTION = "5m"
# Half the default: what this load reads of the disk fills it within eight minutes then, and 64 MiB within fourteen, so that
# its filling would be taken for growth. `--store-cache` has another.
STORE_CACHE = "32MiB"
# Seconds between two kills, and until the node is started again.
KILL_EVERY, DOWN = 150, 3
# Beyond its minutes a run has so long to settle.
PATIENCE = 600
LIMIT = 1.05
# What of `corepost_memory_bytes` is shown.
PURPOSES = ("recent", "buffers", "outbound", "appends", "log_cache", "log_memtables", "log_tables", "log_windows")
# Descriptors that a node may have more than before anybody came: files of its store.
MORE_DESCRIPTORS = 64


class Soaked:
    """A node that may be killed and started again, and its load."""

    def __init__(self, ordinal, options, scratch):
        self.ordinal, self.options = ordinal, options
        self.data = scratch / f"data-{ordinal}"
        self.address = self.admin = "127.0.0.1:0"
        self.kills = 0
        self.start()
        self.descriptors = self.open_descriptors()

    def start(self):
        """On the addresses that it had before."""
        self.node = Node([self.options.corepost, "serve", "--listen", self.address, "--admin", self.admin,
                          "--retention", RETENTION, "--store-cache", self.options.store_cache,
                          *shared_host(self.ordinal), "--drain-window", "0s",
                          "--data", self.data]).ready()
        self.address, self.admin = self.node.addr, self.node.admin

    def kill(self):
        """kill -9, and a start a moment later."""
        self.node.process.kill()
        self.node.process.wait()
        time.sleep(DOWN)
        self.start()
        self.kills += 1

    def load(self):
        """Begins it. Its report is one line of JSON."""
        command = [self.options.load, "soak", "--json", "--addr", self.address, "--sockets", self.options.sockets,
                   "--rate", self.options.rate, "--body", 1_024, "--seconds", self.options.minutes * 60]
        self.crowd = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)

    def resident_kib(self):
        with open(f"/proc/{self.node.process.pid}/status", encoding="utf-8") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))

    def purposes_kib(self):
        """What it says that its memory is for, all cores together."""
        def of(purpose):
            return metric(self.node.admin, "corepost_memory_bytes", f'purpose="{purpose}"')
        return {purpose: of(purpose) / 1024 for purpose in PURPOSES}

    def open_descriptors(self):
        return len(os.listdir(f"/proc/{self.node.process.pid}/fd"))

    def report(self):
        """What the load found, and what is left at the node."""
        out, _ = self.crowd.communicate(timeout=PATIENCE)
        if self.crowd.returncode != 0:
            raise SystemExit(f"the load of node {self.ordinal} failed; its log is above")
        time.sleep(5)
        return json.loads(out) | {
            "kills": self.kills,
            "sessions_left": metric(self.admin, "corepost_sessions"),
            "more_descriptors": self.open_descriptors() - self.descriptors,
        }

    def stop(self):
        with contextlib.suppress(AttributeError):
            end(self.crowd)
        self.node.stop()


def watch(lives, killed, minutes):
    """Memory once a second, what it is for once a minute, and the kills. Returns `[(minute, KiB)]` and `[{purpose: KiB}]`."""
    began, memory, purposes = time.monotonic(), [], []
    kill_at = KILL_EVERY
    while (passed := time.monotonic() - began) < minutes * 60:
        memory.append((passed / 60, lives.resident_kib()))
        if passed >= (len(purposes) + 1) * 60:
            purposes.append(lives.purposes_kib())
        # The last one is far enough from the end that all is settled by then.
        if passed >= kill_at and passed < minutes * 60 - 30:
            killed.kill()
            kill_at += KILL_EVERY
        if lives.crowd.poll() or killed.crowd.poll():
            break
        time.sleep(1)
    return memory, purposes


def medians(memory, minutes):
    """Of a sixth of the run after its first third, and of its last third: of thirty minutes, 10 to 15 and 20 to 30."""
    def of(first, last):
        return statistics.median(kib for minute, kib in memory if first <= minute <= last)
    return of(minutes / 3, minutes / 2), of(minutes * 2 / 3, minutes)


def wanted(report):
    """What must come out."""
    return {"acked": report["sent"], "came": report["sent"], "missing": 0, "twice_or_late": 0, "unanswered": 0,
            "unaccounted_connections": 0, "sessions_left": 0}


def faults(report):
    """What does not add up."""
    wrong = [f"{name} is {report[name]} and not {value}" for name, value in wanted(report).items() if report[name] != value]
    if report["more_descriptors"] > MORE_DESCRIPTORS:
        wrong.append(f"{report['more_descriptors']} descriptors more are open than before")
    return wrong


def soak(options, scratch):
    nodes = [Soaked(ordinal, options, scratch) for ordinal in (LIVES, KILLED)]
    try:
        for node in nodes:
            node.load()
        memory, purposes = watch(*nodes, options.minutes)
        reports = [node.report() for node in nodes]
    finally:
        for node in nodes:
            node.stop()
    if options.json:
        Path(options.json).write_text(json.dumps({"nodes": reports, "memory": memory, "purposes": purposes}), encoding="utf-8")
    early, late = medians(memory, options.minutes)
    wrong = [f"node {n}: {fault}" for n, report in enumerate(reports) for fault in faults(report)]
    print(f"`benches/soak.py {' '.join(sys.argv[1:])}`, {cpu_name()}, Linux {os.uname().release}, {time.strftime('%Y-%m-%d')}")
    for name, report in zip(("lives", "is killed"), reports):
        must, told = wanted(report), [figure for figure in report if figure not in ("mode", "target")]
        once(f"The node that {name}", report, {figure: f"= {must[figure]}" if figure in must else "" for figure in told})
    verdict = "holds" if late <= LIMIT * early else "**does not hold**"
    print(f"\nVmRSS of the one that lives, medians: minutes {options.minutes / 3:.0f} to {options.minutes / 2:.0f} "
          f"{early / 1024:.1f} MiB, last {options.minutes / 3:.0f} minutes {late / 1024:.1f} MiB: × **{late / early:.3f}** "
          f"(≤ {LIMIT}: {verdict})")
    print("\nby minute, MiB: " + " ".join(
        f"{statistics.median(kib for minute, kib in memory if int(minute) == n) / 1024:.0f}"
        for n in sorted({int(minute) for minute, _ in memory})))
    for purpose in PURPOSES:
        print(f"of that {purpose}: " + " ".join(f"{at[purpose] / 1024:.0f}" for at in purposes))
    print("\n" + ("Everything is accounted for." if not wrong else "**Not accounted for:** " + "; ".join(wrong)))
    return 0 if not wrong and late <= LIMIT * early else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--sockets", type=int, default=1_000, help="clients of each node")
    parser.add_argument("--rate", type=int, default=300, help="messages a second to each, floods apart")
    parser.add_argument("--store-cache", default=STORE_CACHE, help="memory for blocks of each node's store")
    parser.add_argument("--json", metavar="FILE", help="where all of it is written too: reports, and memory by minute and KiB")
    parser.add_argument("--dir", help="where data directories are made; a disk, not memory")
    parser.add_argument("--corepost", help="a binary instead of building one")
    parser.add_argument("--load", help="a load generator instead of building one")
    options = parser.parse_args()
    options.corepost = options.corepost or cargo("build", "--release", "--bin", "corepost")["corepost"]
    options.load = options.load or cargo("bench", "--no-run", "--bench", "load")["load"]
    # As ^C: what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    scratch = Path(tempfile.mkdtemp(prefix="corepost-soak-", dir=options.dir))
    try:
        return soak(options, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
