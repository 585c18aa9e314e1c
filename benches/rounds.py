"""What every comparison needs: programs, interleaved rounds, and tables of their ratios.

A figure is the median of the rounds' *ratios*, and each round runs every target once, in turn: whatever the machine does
to one it does to all.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CPU = "server_cpu_us_each"


def cargo(*args, cwd=ROOT, target=None):
    """Builds, and says where each program is."""
    env = dict(os.environ, **({"CARGO_TARGET_DIR": str(target)} if target else {}))
    out = subprocess.run(["cargo", *args, "--message-format=json"], cwd=cwd, env=env, check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    found = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return {a["target"]["name"]: a["executable"] for a in found if a.get("executable")}


def baseline(name):
    """Builds a package of `baselines/`, each of which brings its own dependencies."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "baselines"
    return cargo("build", "--release", cwd=ROOT / "benches/baselines" / name, target=target)[name]


def report_of(command, timeout=None, env=None):
    """Runs a program that prints one JSON object."""
    # In a group of its own: what it has started ends with it, also where it takes too long or ^C comes.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
                               start_new_session=True)
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{err}")
    sys.stderr.write(err)
    return json.loads(out)


def end(process):
    """SIGTERM, and SIGKILL to what does not end by it."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def metric(admin, name, labels=""):
    """The sum of a counter over all its labels, or over those that have this text."""
    with urllib.request.urlopen(f"http://{admin}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines
               if line.startswith((name + "{", name + " ")) and labels in line)


def rounds(count, targets, run):
    """`{target: [report of each round]}`, targets in turn within each round."""
    found = {target: [] for target in targets}
    for number in range(count):
        for target in targets:
            found[target].append(run(target))
            print(f"  round {number + 1} {target}: {json.dumps(found[target][-1])}", file=sys.stderr)
    return found


def show(value):
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def table(title, found, figure, unit):
    """Each target's rounds."""
    print(f"\n**{title}**, {unit}\n")
    rounds = range(1, 1 + max(len(reports) for reports in found.values()))
    print("| | " + " | ".join(f"round {n}" for n in rounds) + " | median |")
    print("|---" * (len(rounds) + 2) + "|")
    for target, reports in found.items():
        values = [report[figure] for report in reports]
        print(f"| {target} | " + " | ".join(map(show, values)) + f" | {show(statistics.median(values))} |")


def ratio(found, ours, theirs, figure, limit, goal=None):
    """The median of the rounds' ratios, against its limit."""
    if ours not in found or theirs not in found:
        return
    ratios = [a[figure] / b[figure] for a, b in zip(found[ours], found[theirs]) if b[figure]]
    if not ratios:
        return
    middle = statistics.median(ratios)
    wanted = f"≤ {limit}" + (f", goal {goal}" if goal else "")
    verdict = "holds" if middle <= limit else "**does not hold**"
    print(f"\n{ours} / {theirs}: {' '.join(map(show, ratios))}, median **{show(middle)}** ({wanted}: {verdict})")


def once(title, report, figures):
    """A single run, some of its figures."""
    print(f"\n**{title}**\n")
    for figure, wanted in figures.items():
        print(f"- {figure}: **{report.get(figure, '—')}**" + (f" ({wanted})" if wanted else ""))


def arguments(doc, cases):
    """What every comparison may be told."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(cases)}; all without any")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--dir", help="where data directories, and Kafka's, are made; a disk, not memory")
    parser.add_argument("--corepost", help="a binary instead of building one")
    parser.add_argument("--load", help="a load generator instead of building one")
    return parser


def chosen(parser, cases):
    """The options, of cases that there are."""
    options = parser.parse_args()
    wrong = [case for case in options.cases if case not in cases]
    if wrong:
        parser.error(f"no such case: {', '.join(wrong)}")
    return options


def perform(bench, cases, names):
    """Those cases, in turn, under a line that says where they were measured."""
    print(f"`benches/{Path(sys.argv[0]).name} {' '.join(sys.argv[1:])}`, {cpu_name()}, Linux {os.uname().release}, "
          f"{time.strftime('%Y-%m-%d')}")
    for name in names:
        print(f"{name}…", file=sys.stderr)
        cases[name](bench)
        sys.stdout.flush()


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        names = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    return f"{len(names)} × {names[0] if names else 'unknown CPU'}"
