# SPDX-License-Identifier: Apache-2.0
"""Many of them: memory, the start, and rest."""
import os
import time

from lab import HOT, MANY, PROGRAMS, in_turns, run, timed
from table import AT_MOST, row

KIB = 1024


@row("memory", "memory of one of all / 2 KiB", AT_MOST, 1)
def memory(lab):
    fleet = lab.fleet(MANY)
    yield fleet.memory() / fleet.count / (2 * KIB)


@row("start", "start with all: time / reading and parsing their files",
     AT_MOST, 2)
def start(lab):
    fleet = lab.fleet(MANY)
    paths = "".join(f"{p}\n" for p in fleet.files())

    def start_again():
        fleet.daemon.stop()
        return fleet.start()

    def parse():
        return timed(run, PROGRAMS / "bench-parse", input=paths)
    yield from in_turns(3, start_again, parse)


def wake_ups(pid):
    """Of all its threads, by themselves: context switches."""
    count = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as f:
            count += sum(int(line.split()[1]) for line in f
                         if "ctxt_switches" in line)
    return count


@row("idle", "wake-ups in ten seconds in which nothing is due", AT_MOST, 0)
def idle(lab):
    pid = lab.fleet(HOT).daemon.process.pid
    before = wake_ups(pid)
    time.sleep(10)
    yield wake_ups(pid) - before
