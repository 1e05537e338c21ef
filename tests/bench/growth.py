#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How all grows with the number of replications: writes docs/performance.dat,
which tests/bench/growth.gnuplot draws; tests/bench/run --growth calls both."""
import argparse
import contextlib
import statistics
import subprocess
import sys
import time

from kube_fleet import KubeFleet
from lab import HERE, Fleet, grep, promote, rate, run, timed
from rows_files import find

DATA = HERE.parents[1] / "docs/performance.dat"
COUNTS = 1, 100, 10000, 100000
MOST_KUBE = 10000
SAMPLE, TURNS = 100, 3

HEAD = """\
# How all grows with the number of replications: tests/bench/run --growth.
# Seconds, but for read and stat (microseconds), write and event (milliseconds),
# and memory (MiB).
"""
# What is not in seconds: microseconds, milliseconds, and MiB.
UNITS = {"read": 1e6, "stat": 1e6, "write": 1e3, "event": 1e3,
         "memory": 2**-20}


def sample(fleet):
    """So many, from all over it."""
    states = fleet.states()
    return states[::max(1, len(states) // SAMPLE)][:SAMPLE]


def again(what, *args):
    """The median of some times."""
    return statistics.median(timed(what, *args) for _ in range(TURNS))


def list_all(at):
    run("bash", "-c", f"ls {at} {at}/*")


def fail_over(states):
    """Until all are verified."""
    promote(states)
    run("xargs", "-n", "1000", "sync", input="".join(f"{s}\n" for s in states))


@contextlib.contextmanager
def watching(files):
    """The names of those that change, as inotifywait tells them."""
    with subprocess.Popen(
            ["stdbuf", "-oL", "inotifywait", "-m", "-e", "modify", "--format",
             "%w", "--fromfile", "-"], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.writelines(f"{name}\n" for name in files)
        process.stdin.close()
        while "established" not in process.stderr.readline():
            assert process.poll() is None, "too many watches for this machine"
        yield process.stdout
        process.kill()


def ask(state, word, told):
    """Until a word is accepted, and until who watches knows of it."""
    name = str(state.with_name("conditions"))

    def both():
        with open(state, "wb", buffering=0) as f:
            taken.append(timed(f.write, word))
        while told.readline().rstrip() != name:
            pass
    taken = []
    taken.append(timed(both))
    run("sync", state)
    return taken


def local(count):
    """Figures of a daemon with the local store."""
    fleet = Fleet(count)
    try:
        fleet.start()
        some, at = sample(fleet.settle()), fleet.daemon.mnt
        made = {"read": 1 / rate("read", some, processes=1),
                "stat": 1 / rate("stat", some, processes=1),
                "ls": again(list_all, at), "find": again(find, at),
                "grep": statistics.median(grep(at) for _ in range(TURNS))}
        fleet.daemon.stop()
        made["start"] = fleet.start()
        made["memory"] = fleet.settle().memory()
        made["failover"] = timed(fail_over, fleet.states())
        fleet.settle()
        with watching(s.with_name("conditions")
                      for s in fleet.states()) as told:
            taken = [ask(s, b"source\n", told) for s in some]
        made["write"], made["event"] = map(statistics.median, zip(*taken))
        return made
    finally:
        fleet.close()


def cluster(count):
    """Figures of one with a cluster's."""
    fleet = KubeFleet(count)
    try:
        at, since = fleet.daemon.mnt, fleet.cluster.mark()
        made = {"get": again(fleet.cluster.kubectl, "get", "uvr", "-A"),
                "grep": statistics.median(grep(at) for _ in range(TURNS))}
        fleet.daemon.stop()
        made["start"] = fleet.start()
        fleet.settle()
        begun = time.time()
        promote(fleet.states())
        made["failover"] = fleet.acts(since, count)[-1] - begun
        return made
    finally:
        fleet.close()


def table(what, measure, most):
    """A block of lines for gnuplot; the first names the columns."""
    lines = []
    for count in (c for c in COUNTS if c <= most):
        print(f"{what}, {count}...", file=sys.stderr, flush=True)
        made = measure(count)
        if not lines:
            lines.append(" ".join([what, *made]))
        lines.append(" ".join([str(count), *(
            f"{value * UNITS.get(key, 1):.3g}"
            for key, value in made.items())]))
        print(lines[0], lines[-1], sep="\n", file=sys.stderr)
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int, default=COUNTS[-1],
                        help="replications")
    parser.add_argument("--most-kube", type=int, default=MOST_KUBE,
                        help="the same with Kubernetes")
    args = parser.parse_args()
    blocks = [table("local", local, args.most),
              table("kubernetes", cluster, min(args.most, args.most_kube))]
    DATA.write_text(HEAD + "\n\n".join(blocks))


if __name__ == "__main__":
    main()
