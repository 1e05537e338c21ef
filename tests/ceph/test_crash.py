# SPDX-License-Identifier: Apache-2.0
"""kill -9 in the middle: the next daemon finishes the job, once."""
import os

import pytest

from conftest import config
from pair import adopt
from uvr import until

pytestmark = pytest.mark.limit(400)

# How much of the job is done when the daemon dies.
MOMENTS = ("accepted", "did")


def kill_at(d, r, moment):
    if moment == "did":
        until(lambda: " did: " in r.read("log"), "an act", 60)
    d.kill9()
    d.start()


@pytest.fixture
def d(rig, make):
    return make(config=config(rig, "site-b")).start()


@pytest.mark.parametrize("moment", MOMENTS)
def test_planned(d, images, moment):
    image = images.make()
    r = adopt(d, image)
    images.write("site-a", image, b"whole")
    d.restart()             # a log without what went before
    until(lambda: r.verdict("promoting") == "allowed", "it has looked", 60)
    assert r.ask("promoting") == 0, r.error
    kill_at(d, r, moment)
    r.done(seconds=90).go("source")
    assert images.primaries(image) == ["site-b"]
    assert images.read("site-b", image)[:5] == b"whole"
    demoted = [s for s in images.snapshots("site-a", image)
               if s["state"] == 1]
    assert len(demoted) == 1, "it has stepped down once"


@pytest.mark.parametrize("moment", MOMENTS)
def test_demotion_and_resync(d, images, moment):
    image = images.make()
    r = adopt(d, image)
    r.ask("promoting")
    r.done(seconds=90).go("source")
    r.ask("swap")
    r.done("endpoints", seconds=90)
    d.restart()
    until(lambda: r.verdict("demoting") == "allowed", "it has looked", 60)
    assert r.ask("demoting") == 0, r.error
    kill_at(d, r, moment)
    r.done(seconds=90).go("replica")
    assert images.primaries(image) == []
    # The other site takes over, with writes that this one lacks; this side is
    # spoilt by hand and rebuilt.
    images.promote("site-a", image)
    images.write("site-a", image, os.urandom(1 << 20))
    images.promote("site-b", image, force=True)
    images.demote("site-b", image)
    until(lambda: r.seen("here")["diverged"], "it has diverged", 60)
    d.restart()
    until(lambda: r.verdict("syncing") == "needs force", "a look", 60)
    assert r.ask("syncing force") == 0, r.error
    kill_at(d, r, moment)
    until(lambda: r.state == "replica", "a replica again", 180)
    images.await_same(image, seconds=120)
    assert images.primaries(image) == ["site-a"]


def test_unplanned(rig, d, images):
    image = images.make()
    r = adopt(d, image, rpo="1h")
    a = rig["site-a"]
    a.kill()
    try:
        until(lambda: r.plan("promoting").startswith(
            "allowed\nfailover: unplanned"), "it is silent", 60)
        assert r.ask("promoting") == 0, r.error
        d.kill9()
        d.start()
        r.done(seconds=120).go("source")
        assert images.is_primary("site-b", image)
    finally:
        a.start()
