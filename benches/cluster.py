#!/usr/bin/env python3
"""Nodes of a cluster beside a bare rdkafka loop, and beside nodes that all read everything; tables for benches/README.md.

    benches/cluster.py                         every case, five rounds
    benches/cluster.py latency-1000 cost       only these
    benches/cluster.py --rounds 1 --seconds 2  a look

One real broker (kafka/up.sh), nodes and generator share the CPUs, for two CPUs cannot be divided among so many. So nothing
here is an absolute figure: each round runs every target of a case once, in turn, and a figure is the median of the rounds'
ratios. Everything this starts is ended by it, also after an error or ^C; the broker ends when this process does, however.
"""

import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from rounds import (CPU, ROOT, arguments, baseline, cargo, chosen, end, metric, once, perform, ratio, report_of, rounds,
                    show, table)

# A run that takes longer than its seconds and this much has failed.
PATIENCE = 90
# Seconds, of the nodes.
NODE_TIMEOUT = 5
NODES = (1, 2, 4, 6)
SENDERS, RECEIVERS, THIRD = 0, 1, 2


def build(options):
    """Builds what is to be run and says where it is."""
    programs = {"corepost": options.corepost or cargo("build", "--release", "--bin", "corepost")["corepost"]}
    for name in ("load", "kafka", "takeover"):
        programs[name] = getattr(options, name) or cargo("bench", "--no-run", "--bench", name)[name]
    programs[BROADCAST] = options.broadcast or baseline("broadcast")
    return programs


def shared_host(ordinal):
    """Several nodes, a broker and a generator on one host: cores take turns on its CPUs, all other threads run where there
    is room. By itself each node would take the host for its own, and all would keep the same CPUs for the same roles."""
    everywhere = f"0-{os.cpu_count() - 1}"
    return ("--cpus", ordinal % os.cpu_count(), "--backplane-cpus", everywhere, "--store-cpus", everywhere)


class Kafka:
    """One real broker. It ends with this process."""

    def __init__(self, scratch):
        self.dir = scratch / "kafka"
        done = self.up("--owner", str(os.getpid()), "1")
        self.brokers = done.splitlines()[-1].removeprefix("bootstrap=")

    def up(self, *arguments):
        command = [ROOT / "kafka/up.sh", "--dir", self.dir, *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=300).stdout

    def topic(self, name, partitions):
        """A topic with log append time, as the mailbox topic has, for the bare loop and for the baseline."""
        self.up("tool", "kafka-topics", "--bootstrap-server", self.brokers, "--create", "--topic", name,
                "--partitions", str(partitions), "--replication-factor", "1",
                "--config", "message.timestamp.type=LogAppendTime")
        # The broker answers before it leads what it has just made.
        for _ in range(60):
            ends = self.up("tool", "kafka-get-offsets", "--bootstrap-server", self.brokers, "--topic", name)
            if len(ends.splitlines()) == partitions:
                return
            time.sleep(0.5)
        raise SystemExit(f"the broker does not lead all of {name} after 30 s")


class Node:
    """A running process that clients connect to: its addresses."""

    def __init__(self, command):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=self.log, text=True)

    def ready(self):
        """Waits for its line; all nodes of a cluster are started before any is waited for."""
        line = self.process.stdout.readline()
        if not line.startswith("ready "):
            self.log.seek(0)
            raise SystemExit(f"{self.process.args} did not start: {line}{self.log.read().decode(errors='replace')}")
        words = dict(word.split("=", 1) for word in line.split()[1:])
        self.addr, self.admin = words["listen"], words.get("admin")
        return self

    def stop(self):
        end(self.process)


class Cluster:
    """Nodes `0..count` that share topics."""

    def __init__(self, nodes, partitions, prefix=None):
        self.nodes, self.partitions, self.prefix = nodes, partitions, prefix
        self.ordinals = ",".join(str(n) for n in range(len(nodes)))

    def addrs(self, *ordinals):
        return ",".join(self.nodes[n].addr for n in ordinals or range(len(self.nodes)))

    def pids(self):
        return ",".join(str(node.process.pid) for node in self.nodes)

    def metric(self, name, labels=""):
        return sum(metric(node.admin, name, labels) for node in self.nodes if node.admin)

    def homes(self, ordinal):
        """What the generator needs to choose clients at home on this node."""
        return "--home", ordinal, "--nodes", self.ordinals, "--partitions", self.partitions

    def kill(self, ordinal):
        """kill -9"""
        node = self.nodes.pop(ordinal)
        node.process.kill()
        node.process.wait()


class Bench:
    def __init__(self, options):
        self.options = options
        self.programs = build(options)
        self.scratch = Path(tempfile.mkdtemp(prefix="corepost-cluster-", dir=options.dir))
        self.count = 0
        self.running = None

    @property
    def kafka(self):
        """The broker, started for the first case that needs one."""
        self.running = self.running or Kafka(self.scratch)
        return self.running

    def end_kafka(self):
        if self.running:
            self.running.up("wipe")
            self.running = None

    def name(self, what):
        """One that nothing had before: topics are not used twice."""
        self.count += 1
        return f"{what}{self.count}"

    def bare_topic(self):
        name = self.name("bare")
        self.kafka.topic(name, self.options.partitions)
        return name

    @contextlib.contextmanager
    def started(self, commands):
        """Processes, at once; they are ended however this ends."""
        nodes = []
        try:
            for command in commands:
                nodes.append(Node(command))
            yield [node.ready() for node in list(nodes)]
        finally:
            for node in nodes:
                node.process.terminate()
            for node in nodes:
                node.stop()

    @contextlib.contextmanager
    def cluster(self, count, window="0s"):
        """Nodes with topics of their own, all of them ready."""
        prefix = self.name("c")
        ours = ("--kafka", self.kafka.brokers, "--topic-prefix", prefix, "--partitions", self.options.partitions,
                "--replication", 1)
        create = [self.programs["corepost"], "topics", "create", *map(str, ours)]
        subprocess.run(create, check=True, stdout=subprocess.DEVNULL, timeout=120)
        commands = [[self.programs["corepost"], "serve", *ours, "--node", n, "--listen", "127.0.0.1:0",
                     "--admin", "127.0.0.1:0", *shared_host(n), "--drain-window", window,
                     "--node-timeout", f"{NODE_TIMEOUT}s", "--data", self.scratch / f"{prefix}-{n}"] for n in range(count)]
        with self.started(commands) as nodes:
            yield Cluster(nodes, self.options.partitions, prefix)
        for n in range(count):
            shutil.rmtree(self.scratch / f"{prefix}-{n}", ignore_errors=True)

    @contextlib.contextmanager
    def broadcast(self, count):
        """The baseline in which every node reads everything."""
        command = [self.programs[BROADCAST], self.kafka.brokers, self.bare_topic(), self.options.partitions]
        with self.started([command] * count) as nodes:
            yield Cluster(nodes, self.options.partitions)

    @contextlib.contextmanager
    def embedded(self):
        """One node without Kafka."""
        command = [self.programs["corepost"], "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
                   *shared_host(0), "--drain-window", "0s", "--data", self.scratch / self.name("embedded")]
        with self.started([command]) as nodes:
            yield Cluster(nodes, self.options.partitions)

    def load(self, cluster, mode, *args, patience=PATIENCE):
        command = [self.programs["load"], mode, "--json", "--pid", cluster.pids(), *map(str, args)]
        return report_of(command, patience + self.options.seconds)

    def bare(self, mode, *args):
        command = [self.programs["kafka"], mode, "--json", "--kafka", self.kafka.brokers,
                   "--partitions", str(self.options.partitions), *map(str, args)]
        return report_of(command, PATIENCE + self.options.seconds)

    def warm_rounds(self, targets, run):
        """After one that does not count: a broker is compiled while it works, and the first would meet a new one."""
        for target in targets:
            print(f"  to warm up: {json.dumps(run(target))}", file=sys.stderr)
        return self.rounds(targets, run)

    def rounds(self, targets, run):
        return rounds(self.options.rounds, targets, run)


BARE, LONE, SAME, APART = "bare rdkafka", "bare, one producer", "home = gateway", "separate gateway"


def beside_bare(bench, rate, nap_us, bares):
    """Rounds of bare loops, of recipients at home where they are connected, and at home on a third node."""
    seconds, topic = bench.options.seconds, bench.bare_topic()
    with bench.cluster(3) as cluster:
        def run(target):
            if target in (BARE, LONE):
                producers = ("--producers", 1) if target == LONE else ()
                return bench.bare("rate", "--topic", topic, "--rate", rate, "--seconds", seconds,
                                  "--nap-us", nap_us, *producers)
            home = RECEIVERS if target == SAME else THIRD
            return bench.load(cluster, "rate", "--durable", "--rate", rate, "--seconds", seconds,
                              "--addr", cluster.addrs(SENDERS), "--to-addr", cluster.addrs(RECEIVERS),
                              "--ids", f"{home + 1}0ad000000000000", *cluster.homes(home))
        return bench.warm_rounds([*bares, SAME, APART], run)


def latency(bench):
    found = beside_bare(bench, 1_000, 0, [BARE])
    print("\nSenders are connected to node 0, recipients to node 1; they are at home there, or on node 2 (separate).")
    for figure, same, apart in (("latency_p50_us", 1.5, 3.0), ("latency_p99_us", 2.5, None)):
        table(f"Durable, 1,000/s, three nodes, {figure.split('_')[1]}", found, figure, "µs from the intended time")
        ratio(found, SAME, BARE, figure, same)
        if apart:
            ratio(found, APART, BARE, figure, apart)


def cpu(bench):
    # As many producers as a node has cost the bare loop more than one, whose records wait longer: both are shown.
    rate = bench.options.rate
    found = beside_bare(bench, rate, 1_000, [BARE, LONE])
    reached(found, rate)
    table(f"Durable, {rate}/s, three nodes", found, CPU, "CPU µs per message: of all nodes, or of the bare client")
    for bare in (BARE, LONE):
        for ours in (SAME, APART):
            ratio(found, ours, bare, CPU, 2.5)
    table("the same", found, "latency_p50_us", "µs from the intended time, p50")
    table("the same", found, "load_cpu_share", "CPUs that the generator took (of the bare client: both ends)")


def reached(found, rate):
    """Who did not keep up with the rate: its CPU per message is that of another rate."""
    for target, reports in found.items():
        slowest = min(report["delivered_per_second"] for report in reports)
        if slowest < 0.98 * rate:
            print(f"\n{target} did not reach {rate}/s on this machine: {slowest}/s in its slowest round.")


OURS, BROADCAST, EMBEDDED, SCAN = "corepost", "broadcast", "embedded node", "bare seek and scan"


def cost(bench):
    """How a message's cost grows with the nodes, at the same rate for all."""
    middles = {OURS: [], BROADCAST: []}
    for count in NODES:
        with bench.cluster(count) as cluster, bench.broadcast(count) as crowd:
            found = bench.warm_rounds([BROADCAST, OURS], lambda target: spread(bench, {
                OURS: cluster, BROADCAST: crowd}[target], target))
        reached(found, bench.options.cost_rate)
        title = f"Durable, {bench.options.cost_rate}/s, {count} node{'s'[:count - 1]}"
        table(title, found, CPU, "CPU µs of all nodes per message")
        table("the same", found, "read_each", "records that all nodes read per message")
        for target, reports in found.items():
            middles[target].append(statistics.median(report[CPU] for report in reports))
    print("\n**CPU of all nodes per message, ÷ that of one node of the same design**, medians\n")
    print("| nodes | " + " | ".join(map(str, NODES)) + " |\n" + "|---" * (len(NODES) + 1) + "|")
    for target, each in middles.items():
        print(f"| {target} | " + " | ".join(show(value / each[0]) for value in each) + " |")


def spread(bench, cluster, target):
    """Senders and recipients evenly on all nodes, the recipient of each on the next node; homes as they fall."""
    count = len(cluster.nodes)
    before = records_read(cluster)
    report = bench.load(cluster, "rate", "--durable", "--target", target, "--rate", bench.options.cost_rate,
                        "--seconds", bench.options.seconds, "--addr", cluster.addrs(),
                        "--to-addr", cluster.addrs(*((n + 1) % count for n in range(count))))
    # Figures are a moment old. Nobody counts for the baseline: it reads everything everywhere, by design.
    time.sleep(1.5)
    read = records_read(cluster) - before if target == OURS else count * report["arrived"]
    return report | {"read_each": read / max(report["arrived"], 1)}


def records_read(cluster):
    return (cluster.metric("corepost_records_read_total", 'topic="mailbox"')
            + cluster.metric("corepost_node_records_total", 'way="read",kind="deliver"'))


def replay(bench):
    """Clients that have missed 100, one by one: an embedded node, a cluster's node, what Kafka alone would offer."""
    options, each = bench.options, bench.options.returning
    clients = each * (options.rounds + 1)
    with bench.cluster(2) as cluster, bench.embedded() as embedded:
        homes = cluster.homes(0)
        servers = {EMBEDDED: embedded, OURS: cluster}
        files = {target: bench.scratch / f"cursors {target}" for target in servers}
        for target, server in servers.items():
            bench.load(server, "prepare", "--addr", server.addrs(0), "--sockets", clients, "--retained",
                       max(options.retained, 100 * clients), "--cursors", files[target], *homes, patience=600)

        def back(target, turn):
            which = ("--skip", turn * each, "--cursors", files[target if target in files else OURS])
            if target == SCAN:
                return bench.bare("scan", "--topic", f"{cluster.prefix}.mailbox", "--clients", each, *which)
            return bench.load(servers[target], "replay", "--addr", servers[target].addrs(0), "--sockets", each,
                              "--at-once", 1, *which, *homes)
        turns = {target: iter(range(options.rounds)) for target in (EMBEDDED, OURS, SCAN)}
        found = bench.rounds(list(turns), lambda target: back(target, next(turns[target])))
        for figure in ("replay_p50_us", "replay_p99_us"):
            table(f"Replay of 100 missed, one client after the other, {figure.split('_')[1]}", found, figure, "µs")
            ratio(found, OURS, EMBEDDED, figure, 1.5)
        cluster.kill(0)
        wait_until_ready(cluster.nodes[0])
        report = bench.load(cluster, "replay", "--addr", cluster.addrs(0), "--sockets", each, "--at-once", 1,
                            "--skip", options.rounds * each, "--cursors", files[OURS], *homes)
    once("Replay at a node that has just taken over: from the reconnect to the last message", report,
         {"replay_p50_us": "for information", "replay_p99_us": "for information", "replay_max_us": "the first"})


def drain(bench):
    """A node of three drains under load, over ten seconds: when its sessions come back, and whether they have everything."""
    with bench.cluster(3, window="10s") as cluster:
        went = {}

        def watch():
            began = time.monotonic()
            with contextlib.suppress(OSError, ValueError):
                while True:
                    with urllib.request.urlopen(f"http://{cluster.nodes[0].admin}/drain", timeout=5) as answer:
                        progress = json.load(answer)
                    if progress["draining"] and progress["partitions"] == 0:
                        went.setdefault("handed_over_s", round(time.monotonic() - began, 2))
                    time.sleep(0.05)
            cluster.nodes[0].process.wait(60)
            went["gone_s"] = round(time.monotonic() - began, 2)
        watcher = threading.Thread(target=watch)
        watcher.start()
        report = bench.load(cluster, "drain", "--sockets", 9_000, "--rate", 2_000, "--addr", cluster.addrs(),
                            "--admin", cluster.nodes[0].admin)
        watcher.join(90)
    once("A node of three with 9,000 sessions drains over 10 s, 2,000 messages a second", report | went,
         {"most_of_even": "≤ 1.5", "missing": "0", "twice_or_late": "0", "sent_away": "3,000",
          "sent_away_again": "by the other nodes: none", "sent": "for information",
          "handed_over_s": "before gone_s", "gone_s": "from the watch's begin"})


def scrape(bench):
    """What a look at a node's metrics takes that has 64 partitions and 19,000 sessions, beside its answer to `/livez`."""
    sessions, looks = 19_000, 100
    with bench.cluster(1) as cluster:
        node = cluster.nodes[0]
        command = [bench.programs["load"], "idle", "--sockets", sessions, "--addr", node.addr, "--seconds", PATIENCE]
        crowd = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
        try:
            for _ in range(PATIENCE * 10):
                if cluster.metric("corepost_sessions") == sessions:
                    break
                time.sleep(0.1)
            else:
                raise SystemExit(f"not all of {sessions} sessions came within {PATIENCE} s")
            taken = {path: sorted(look(node, path) for _ in range(looks)) for path in ("livez", "metrics")}
        finally:
            end(crowd)
    report = {f"{path}_{name}_ms": round(times[int(share * (looks - 1))][0] * 1e3, 2)
              for path, times in taken.items() for name, share in (("p50", 0.5), ("p99", 0.99))}
    report["metrics_kib"] = round(taken["metrics"][-1][1] / 1024, 1)
    once(f"A scrape of a node with {bench.options.partitions} partitions and {sessions:,} sessions, {looks} of them", report,
         {"metrics_p50_ms": "≤ 5", "metrics_p99_ms": "for information", "livez_p50_ms": "what the connection costs",
          "metrics_kib": "≤ 256"})


def look(node, path):
    """Seconds of one question on a connection of its own, and the bytes of its answer."""
    began = time.monotonic()
    with urllib.request.urlopen(f"http://{node.admin}/{path}", timeout=5) as answer:
        size = len(answer.read())
    return time.monotonic() - began, size


def wait_until_ready(node):
    """Until it serves what it has taken over; it knows of the death after the node timeout."""
    time.sleep(NODE_TIMEOUT + 1)
    for _ in range(600):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{node.admin}/readyz", timeout=5):
            return
        time.sleep(0.05)
    raise SystemExit("the node has not taken over within 30 s of the node timeout")


def takeover(bench):
    """It has a broker of its own, and ours would only be in its way."""
    bench.end_kafka()
    command = [bench.programs["takeover"], "--json"]
    environment = os.environ | {"TEST_PROGRAM": str(bench.programs["corepost"]), "COREPOST_TEST": "all"}
    found = rounds(bench.options.rounds, ["kill -9"], lambda _: report_of(command, 2 * PATIENCE, environment))
    within = f"≤ node_timeout + 2 s, {found['kill -9'][0]['node_timeout_s'] + 2:.0f}"
    for figure, unit in (("live_p50_s", "s until the killed node's clients are live elsewhere, p50"),
                         ("live_max_s", f"s, the last of them ({within})"),
                         ("others_pause_max_s", "s, the longest pause of another node's client")):
        table("kill -9 of one of three nodes", found, figure, unit)


CASES = {"latency-1000": latency, "cpu-20000": cpu, "cost": cost, "replay": replay, "takeover": takeover,
         "drain": drain, "scrape": scrape}


def main():
    parser = arguments(__doc__, CASES)
    parser.add_argument("--partitions", type=int, default=64)
    parser.add_argument("--rate", type=int, default=20_000, help="messages a second of cpu-20000")
    parser.add_argument("--cost-rate", type=int, default=2_000, help="messages a second of cost")
    parser.add_argument("--retained", type=int, default=200_000, help="messages in the stores of replay, at least")
    parser.add_argument("--returning", type=int, default=100, help="clients of each round of replay")
    parser.add_argument("--kafka", help="a bare loop instead of building one")
    parser.add_argument("--takeover", help="that program instead of building it")
    parser.add_argument("--broadcast", help="that baseline instead of building it")
    options = chosen(parser, CASES)
    # As ^C: what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    bench = Bench(options)
    try:
        perform(bench, CASES, options.cases or CASES)
    finally:
        bench.end_kafka()
        shutil.rmtree(bench.scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
