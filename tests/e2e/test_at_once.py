# SPDX-License-Identifier: Apache-2.0
"""Many write and read at once: there is one order of all, it is that of the
audit and of the history, and nobody ever sees it otherwise."""
import itertools
import os

import pytest

from story import Audit, Story, history_of, quiet, seeded, shown
from uvr import PATIENT
from writers import (AHEAD, FORK, Crowd, Echo, comings_and_goings, locked,
                     reader, settings, transitions, write_by_open,
                     write_by_rename)

MANY = int(os.environ.get("UVRFS_MANY", "100"))     # writes of each writer

pytestmark = pytest.mark.limit(120 + MANY)


@pytest.fixture
def lab(make):
    d = make(config=PATIENT).start()
    return d, seeded()


class Asked:
    """A replication whose history is gathered as it grows: nobody may ask for
    more of it than it keeps until then."""

    def __init__(self, r):
        self.r = r
        self.turns = FORK.Semaphore(AHEAD)

    def transitions(self, way=write_by_open):
        return transitions(self.r, way, MANY, self.turns)

    def look(self, story):
        taken = AHEAD - self.turns.get_value()
        story.remember({f"{self.r.ns}/{self.r.name}": history_of(self.r)})
        for _ in range(taken):
            self.turns.release()


def run(d, chance, asked, works):
    """Until all have done their part; then it must be one story."""
    uvrs = [a.r for a in asked]
    story, audit = Story(uvrs), Audit(d)
    crowd = Crowd(chance, works, MANY)
    while crowd.is_at_work():
        for a in asked:
            a.look(story)
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
    own, asked = numbers(), Asked(r)
    story = run(d, chance, [asked], [
        *(asked.transitions(way) for way in (Echo, Echo, write_by_open,
                                             write_by_rename)),
        *(settings(r, next(own), way)
          for way in (write_by_open, write_by_open, write_by_rename)),
        *(reader([r]) for _ in range(6))])
    assert len(story.pairs) > 5 * MANY


def test_all_on_several(lab):
    d, chance = lab
    uvrs = [d.replica(), d.source(),
            d.replica().go("promoting", "source", "swap")]
    own, asked = numbers(), [Asked(r) for r in uvrs]
    run(d, chance, asked, [
        *(a.transitions(write_by_rename) for a in asked),
        *(a.transitions() for a in asked),
        *(settings(r, next(own)) for r in uvrs),
        comings_and_goings(d, next(own)),
        *(reader(uvrs) for _ in range(4)),
        *(reader(uvrs, ("state",)) for _ in range(2))])


def test_one_after_the_other_by_flock(lab):
    d, chance = lab
    r = d.replica()
    own, asked = numbers(), Asked(r)
    run(d, chance, [asked], [
        *(locked(r, next(own)) for _ in range(6)),
        asked.transitions(), *(reader([r]) for _ in range(3))])
