# SPDX-License-Identifier: Apache-2.0
"""Many write and read at once: there is one order of all, it is that of the
audit and of the history, and nobody ever sees it otherwise."""
import itertools
import os

import pytest

from story import Audit, Story, history_of, quiet, seeded, shown
from uvr import PATIENT
from writers import (Crowd, Echo, comings_and_goings, locked, reader, settings,
                     transitions, write_by_open, write_by_rename)

MANY = int(os.environ.get("UVRFS_MANY", "100"))     # writes of each writer

pytestmark = pytest.mark.limit(120 + MANY)


@pytest.fixture
def lab(make):
    d = make(config=PATIENT).start()
    return d, seeded()


def run(d, chance, uvrs, works):
    """Until all have done their part; then it must be one story."""
    story, audit = Story(uvrs), Audit(d)
    crowd = Crowd(chance, works, MANY)
    while crowd.is_at_work():
        for r in uvrs:          # which has the last few only
            story.remember({f"{r.ns}/{r.name}": history_of(r)})
    story.add(crowd.join(), audit.news())
    for r in uvrs:
        quiet(r)
    pictures, history = shown(d)
    story.remember(history)
    print(story.figures(d.journal()))
    faults = story.check(pictures, d.journal()) + story.check_as_one()
    assert not faults, "\n".join(faults)
    return story


def numbers():
    for first in itertools.count(1):
        yield range(first * 100000, (first + 1) * 100000)


def test_all_on_one(lab):
    d, chance = lab
    r = d.replica()
    own = numbers()
    story = run(d, chance, [r], [
        *(transitions(r, way, MANY) for way in (Echo, Echo, write_by_open,
                                          write_by_rename)),
        *(settings(r, next(own), way)
          for way in (write_by_open, write_by_open, write_by_rename)),
        *(reader([r]) for _ in range(6))])
    assert len(story.pairs) > 5 * MANY


def test_all_on_several(lab):
    d, chance = lab
    uvrs = [d.replica(), d.source(),
            d.replica().go("promoting", "source", "swap")]
    own = numbers()
    run(d, chance, uvrs, [
        *(transitions(r, write_by_rename, MANY) for r in uvrs),
        *(transitions(r, most=MANY) for r in uvrs),
        *(settings(r, next(own)) for r in uvrs),
        comings_and_goings(d, next(own)),
        *(reader(uvrs) for _ in range(4)),
        *(reader(uvrs, ("state",)) for _ in range(2))])


def test_one_after_the_other_by_flock(lab):
    d, chance = lab
    r = d.replica()
    own = numbers()
    run(d, chance, [r], [
        *(locked(r, next(own)) for _ in range(6)),
        transitions(r, most=MANY), *(reader([r]) for _ in range(3))])
