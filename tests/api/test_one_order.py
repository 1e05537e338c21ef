# SPDX-License-Identifier: Apache-2.0
"""Many write and read at once what a cluster stores: through one daemon there is
one order of all, though each write comes back once more by the watch."""
import errno

import pytest

from daemons import ENDS, make_node, store  # noqa: F401
from shell import until
from story import MANY, Asked, as_one, numbers, seeded
from writers import (Echo, comings_and_goings, locked, reader, settings,
                     write_by_open, write_by_rename)

# Its server is away, or somebody else was first for too long.
BY_THE_STORE = (errno.EHOSTUNREACH, errno.ECANCELED)

pytestmark = pytest.mark.limit(120 + 3 * MANY)


@pytest.fixture
def lab(make_node):  # noqa: F811
    d = make_node(act="6s", deadline="300s").await_lead(20)
    uvrs = [d.replica(), d.replica()]
    for r in uvrs:
        until(lambda r=r: r.ready.status == "True", f"{r.name} is well", 20)
    return d, uvrs


def test_all_at_once(lab):
    (d, uvrs), chance, own = lab, seeded(), numbers()
    asked = [Asked(r) for r in uvrs]
    as_one(d, chance, asked, [
        *(a.transitions(way) for a in asked
          for way in (Echo, write_by_open, write_by_rename)),
        *(settings(r, next(own), way) for r in uvrs
          for way in (write_by_open, write_by_rename)),
        comings_and_goings(d, next(own), clusters=ENDS),
        *(reader(uvrs) for _ in range(4)),
        *(reader(uvrs, ("state",)) for _ in range(2))])


def test_one_after_the_other_by_flock(lab):
    (d, (r, _)), chance, own = lab, seeded(), numbers()
    asked = Asked(r)
    as_one(d, chance, [asked], [
        *(locked(r, next(own), BY_THE_STORE) for _ in range(4)),
        asked.transitions(), *(reader([r]) for _ in range(3))])
