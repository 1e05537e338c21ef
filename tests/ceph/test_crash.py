# SPDX-License-Identifier: Apache-2.0
"""kill -9 in the middle: the next daemon finishes the job, once."""
import os
import time

import pytest

from conftest import config
from pair import adopt
from shell import FACTOR, background
from story import seeded
from uvr import until

# Of the test at random moments: five make a round of all words.
CRASHES = int(os.environ.get("UVRFS_CRASHES", "5"))

pytestmark = pytest.mark.limit(400 + 60 * CRASHES)

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


class Round:
    """There and back, with a daemon that is killed at each word, at any moment
    between the one before it is written and the one after it is done."""
    PRIMARY, DEMOTED = 0, 1         # mirror snapshots, as librbd numbers them

    def __init__(self, d, r, images, image, chance):
        self.d, self.r, self.chance = d, r, chance
        self.images, self.image = images, image
        self.words = ["replica"]

    def say(self, word):
        r, name = self.r, "endpoints" if word == "swap" else "state"
        until(lambda: r.verdict(word) == "allowed", f"{word} is allowed", 90)
        before = r.request["id"]
        writer = background(f"echo {word} > {r / name}")
        time.sleep(self.chance.uniform(0, 3))   # the moment is what is tested
        self.d.kill9()
        told = writer.wait(60 * FACTOR)
        self.d.start()
        asked = r.request["id"] > before
        assert asked or told, "it was accepted, and is lost"
        if not asked:
            until(lambda: r.verdict(word) == "allowed", "it has looked", 90)
            assert r.ask(word) == 0, r.error
        r.done(name, seconds=150)
        self.words.append(word)
        assert [(h["word"], h["outcome"]) for h in
                r.status["status"]["history"]] == [
            (word, "verified") for word in self.words[-32:]], r.read("history")

    def made(self, site, kind, since=()):
        return {s["id"] for s in self.images.snapshots(site, self.image)
                if s["state"] == kind} - set(since)

    def go(self):
        images, image = self.images, self.image
        data = os.urandom(64)
        images.write("site-a", image, data)
        demoted = self.made("site-a", self.DEMOTED)
        primary = self.made("site-b", self.PRIMARY)
        self.say("promoting")
        assert images.primaries(image) == ["site-b"]
        assert images.read("site-b", image)[:64] == data
        assert len(self.made("site-a", self.DEMOTED, demoted)) == 1
        assert len(self.made("site-b", self.PRIMARY, primary)) == 1
        self.say("source")
        if "swap" not in self.words:
            self.say("swap")
        data = os.urandom(64)
        images.write("site-b", image, data)
        demoted = self.made("site-b", self.DEMOTED)
        self.say("demoting")
        self.say("replica")
        assert images.primaries(image) == []
        assert len(self.made("site-b", self.DEMOTED, demoted)) == 1
        images.promote("site-a", image)
        assert images.read("site-a", image)[:64] == data
        self.r.await_cond("Degraded", "False", seconds=90)


def test_at_random_moments(d, images):
    image = images.make()
    one = Round(d, adopt(d, image, rpo="1h"), images, image, seeded())
    while len(one.words) <= CRASHES:
        one.go()
