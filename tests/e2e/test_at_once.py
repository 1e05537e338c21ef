# SPDX-License-Identifier: Apache-2.0
"""Many write and read at once: there is one order of all, it is that of the
audit and of the history, and nobody ever sees it otherwise."""
import pytest

from story import MANY, Asked, as_one, numbers, seeded
from uvr import PATIENT
from writers import (Echo, comings_and_goings, locked, reader, settings,
                     write_by_open, write_by_rename)

pytestmark = pytest.mark.limit(120 + MANY)


@pytest.fixture
def lab(make):
    d = make(config=PATIENT).start()
    return d, seeded()


def test_all_on_one(lab):
    d, chance = lab
    r = d.replica()
    own, asked = numbers(), Asked(r)
    story = as_one(d, chance, [asked], [
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
    as_one(d, chance, asked, [
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
    as_one(d, chance, [asked], [
        *(locked(r, next(own)) for _ in range(6)),
        asked.transitions(), *(reader([r]) for _ in range(3))])
