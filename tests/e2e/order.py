# SPDX-License-Identifier: Apache-2.0
"""Whether all that was written and read is as if there had been one writer
and one reader at a time.  Pure, as ledger.py is."""
import bisect
import heapq
import itertools
from typing import NamedTuple

from ledger import CUT, NEVER, group


class Read(NamedTuple):
    uvr: str
    what: str
    value: str
    called: float
    returned: float


class Version(NamedTuple):
    """A value that was there from some moment between the two times on."""
    value: str
    called: float
    returned: float     # NEVER: it may not have come at all


def versions_of(pairs, first, what):
    """In the order of the pairs: `first`, and what was accepted of `what`.

    Of a write without an answer nobody knows when it was applied, nor, without
    a line, whether it was.
    """
    found = [Version(first, -NEVER, -NEVER)]
    for write, line in pairs:
        if write.what == what and (line.event == "accepted" if line
                                   else write.code is CUT):
            returned = write.returned if write.code == 0 else NEVER
            found.append(Version(write.value, write.called, returned))
            found += seen_since(what, found[-1])
    return found


def seen_since(what, version):
    """What a look at the storage may make of a state."""
    words = ()
    if what == "state":
        words = {"syncing": ("replica", "failed"), "promoting": ("failed",),
                 "demoting": ("failed",)}.get(version.value, ())
    return [Version(word, version.called, NEVER) for word in words]


def check_real_time(versions):
    """What was done before something else was begun comes before it."""
    faults, latest = [], -NEVER
    for version in versions:
        if version.returned < latest:
            faults.append(f"{version} ended before one began that it follows")
        latest = max(latest, version.called)
    return faults


def bounds(versions):
    """Times, rising, of the first and of the last place that a read can have.

    A read that begins at a time sees nothing older than what had ended, and
    one that ends at a time nothing that had not begun.
    """
    oldest, newest, place = [], [], -1
    for time, i in sorted((v.returned, i) for i, v in enumerate(versions)):
        place = max(place, i)
        oldest.append((time, place))
    place = -1
    for time, i in sorted((v.called, i) for i, v in enumerate(versions)):
        place = max(place, i)
        newest.append((time, place))
    return oldest, newest


def check_reads(versions, reads):
    """Each read has a place that is right for it, and none goes back behind
    one that had ended when it began.  The earliest place that is right leaves
    the most to those that follow."""
    oldest, newest = bounds(versions)
    places = group(range(len(versions)), lambda i: versions[i].value)
    faults, ended, floor = [], [], 0
    for read in sorted(reads, key=lambda r: r.called):
        while ended and ended[0][0] < read.called:
            floor = max(floor, heapq.heappop(ended)[1])
        at = bisect.bisect_left(oldest, (read.called, -1)) - 1
        low = max(floor, oldest[at][1])
        high = newest[bisect.bisect_right(
            newest, (read.returned, len(versions))) - 1][1]
        of = places.get(read.value, [])
        found = bisect.bisect_left(of, low)
        if found == len(of) or of[found] > high:
            faults.append(f"{read} is none of {versions[low:high + 1][:8]}")
            continue
        heapq.heappush(ended, (read.returned, of[found]))
    return faults


def reads_of(pairs):
    """Who writes what is there already has read it."""
    return [Read(w.uvr, w.what, w.value, w.called, w.returned)
            for w, line in pairs
            if line and line.event == "unchanged" and w.code == 0]


def check(pairs, reads, first):
    """All values of all replications; `first` is {(uvr, what): value}.  Swaps
    and what only looks like a write have no value to be read."""
    faults = []
    by_uvr = group(pairs, lambda p: p[0].uvr)
    read = group(itertools.chain(reads, reads_of(pairs)),
                 lambda r: (r.uvr, r.what))
    for (uvr, what), value in first.items():
        versions = versions_of(by_uvr[uvr], value, what)
        found = check_real_time(versions) + check_reads(
            versions, read[uvr, what])
        faults += [f"{uvr}/{what}: {fault}" for fault in found]
    return faults
