# SPDX-License-Identifier: Apache-2.0
"""Many of them: memory, the start, and rest."""
import os
import subprocess
import time

from lab import CLUSTERS, HOT, MANY, PROGRAMS, folder, in_turns, run, timed
from table import AT_MOST, row
from uvr import until

KIB = 1024
WATCHED = 10000


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


def watch(files, at):
    """Writes the names of those that something happens to; the process."""
    with open(at / "names", "w", encoding="utf-8") as f:
        f.writelines(f"{name}\n" for name in files)
    with open(at / "told", "wb") as out, open(at / "said", "wb") as said:
        # pylint: disable=consider-using-with
        process = subprocess.Popen(
            ["stdbuf", "-oL", "inotifywait", "-m", "-e",
             "attrib,close_write", "--format", "%w",
             "--fromfile", at / "names"], stdout=out, stderr=said)
    until(lambda: "established" in (at / "said").read_text(), "watches", 60)
    return process


def told(at):
    return set((at / "told").read_text().splitlines())


@row("lost", "files that change all at once, of which inotify does not tell",
     AT_MOST, 0)
def lost(lab):
    """All their peers are lost."""
    fleet = lab.fleet(WATCHED)
    names = {str(s.with_name("status.json")) for s in fleet.states()}
    with folder() as at:
        process = watch(names, at)
        try:
            fleet.daemon.lose(CLUSTERS[0])
            until(lambda: told(at) >= names or fleet.is_calm(), "the last",
                  600)
            yield len(names - told(at))
        finally:
            process.kill()
            process.wait()
    lab.close()
