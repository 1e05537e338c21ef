#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What others notice of a Ceph cluster that hangs: nothing, it should be.

    UVRFS=build/mount/uvrfs tests/bench/cluster_hangs.py

Reads `state`, and has a word refused, on replications of a simulated storage and
of the cluster itself, before and while that is frozen, four times.  Prints ratios:
while / before, of the medians and of the slowest hundredth.
"""
import os
import pathlib
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "ceph"))

import conftest  # noqa: E402
from images import Images  # noqa: E402
from pair import LAB, adopt, await_peer  # noqa: E402
from uvr import Daemon, name_of, put  # noqa: E402

IMAGES = 20
TURNS = 1000
CYCLES = 4


def read(r):
    assert (r / "state").read_text() == "replica\n"


def refuse(r):
    assert name_of(put(r / "state", "sauce")) == "EINVAL"


def measure(replications):
    """Nanoseconds: {(what, where): [...]}."""
    taken = {}
    for _ in range(TURNS):
        for where, r in replications.items():
            for what in read, refuse:
                start = time.perf_counter_ns()
                what(r)
                taken.setdefault((what.__name__, where), []).append(
                    time.perf_counter_ns() - start)
    return taken


def settled(replications):
    """The second of two: in the first there may be news to be told."""
    measure(replications)
    return measure(replications)


def add(sums, taken):
    for key, values in taken.items():
        sums.setdefault(key, []).extend(values)


def hundredth(values):
    return statistics.quantiles(values, n=100)[-1]


def main():
    with conftest.running_rig(2) as rig:
        # Reader and daemon take turns on one processor: a second one that idles
        # is woken slowly, and more slowly the less the clusters do.
        os.sched_setaffinity(0, {0})
        images = Images(rig)
        daemon = Daemon(config=conftest.config(rig, "site-b")).start()
        before, during = {}, {}
        try:
            rs = [adopt(daemon, images.make()) for _ in range(IMAGES)]
            lab = daemon.mk("database", "lab", LAB).done()
            both = {"simulated": lab, "of the cluster": rs[0]}
            for _ in range(CYCLES):
                add(before, settled(both))
                rig["site-a"].freeze()
                for r in rs:
                    await_peer(r, "silent")
                add(during, settled(both))
                rig["site-a"].thaw()
                for r in rs:
                    await_peer(r, "ok")
        finally:
            daemon.destroy()
    print(f"{'':24}{'median':>10}{'slowest 1 %':>14}    while / before")
    for key, old in before.items():
        new = during[key]
        print(f"{key[0] + ', ' + key[1]:24}"
              f"{statistics.median(new) / statistics.median(old):10.2f}"
              f"{hundredth(new) / hundredth(old):14.2f}")


if __name__ == "__main__":
    main()
