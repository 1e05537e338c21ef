# SPDX-License-Identifier: Apache-2.0
"""Failing over and back, planned, with real bytes."""
import os

import pytest

from images import JOURNAL, SNAPSHOT
from pair import JOURNALED, adopt, ask, await_plan, manifest
from uvr import name_of, until

pytestmark = pytest.mark.limit(300)


def data(seed, size=300000):
    return (seed * size)[:size]


@pytest.mark.parametrize("mode", [SNAPSHOT, JOURNAL])
def test_there_and_back(at_b, images, mode):
    """Nothing that was written before the failover is missing after it."""
    image = images.make(mode=mode)
    r = adopt(at_b, image)
    images.write("site-a", image, data(b"from a, "))
    assert "failover: planned" in await_plan(r, "promoting", "allowed")
    ask(r, "promoting").done(seconds=90).go("source")
    assert images.primaries(image) == ["site-b"]
    assert images.read("site-b", image).startswith(data(b"from a, "))
    images.write("site-b", image, data(b"and from b. "), 1 << 20)
    ask(r, "swap").done("endpoints", seconds=90)
    r.await_cond("Degraded", "False", seconds=90)
    # Back: this side steps down, the other one is promoted by its own site.
    ask(r, "demoting").done(seconds=90)
    assert images.primaries(image) == []
    assert r.ask("source") == 0, r.error
    r.done(seconds=90)
    assert images.primaries(image) == ["site-b"]
    whole = images.await_same(image)
    assert whole[:300000] == data(b"from a, ")
    assert whole[1 << 20:][:300000] == data(b"and from b. ")


def test_back_at_the_other_site(at_a, at_b, images):
    """Each site has a daemon: one steps down, the other takes over."""
    image = images.make()
    a = adopt(at_a, image, state="source")
    b = adopt(at_b, image)
    images.write("site-a", image, b"one")
    ask(a, "demoting").done(seconds=60).go("replica")
    await_plan(b, "promoting", "allowed")
    ask(b, "promoting").done(seconds=60).go("source")
    assert images.primaries(image) == ["site-b"]
    assert images.read("site-b", image)[:3] == b"one"
    images.write("site-b", image, b"two")
    # The old source follows by itself.
    a.await_cond("Degraded", "False", seconds=60)
    assert images.await_same(image)[:3] == b"two"


def test_in_a_namespace_of_the_pool(rig, at_b, images):
    for site in rig.sites:
        rig[site].rbd("namespace", "create", "rbd/team")
        rig[site].rbd("mirror", "pool", "enable", "rbd/team", "image")
    image = images.make(namespace="team")
    r = adopt(at_b, image, namespace="team")
    images.write("site-a", image, b"of a team", namespace="team")
    await_plan(r, "promoting", "allowed")
    ask(r, "promoting").done(seconds=60).go("source")
    assert images.primaries(image, "team") == ["site-b"]
    assert images.read("site-b", image, "team")[:9] == b"of a team"


def test_rolled_back(at_b, images):
    image = images.make(size=64 << 20)
    r = adopt(at_b, image)
    images.write("site-a", image, os.urandom(48 << 20))
    await_plan(r, "promoting", "allowed")
    ask(r, "promoting")
    until(lambda: not images.primaries(image) or r.ask("replica") == 0,
          "it has stepped down", 60)
    if r.state == "promoting" and r.ask("replica") != 0:
        # It was faster: what is writable is given up by force only.
        r.done(seconds=60)
        assert r.ask("replica") != 0
        assert "force" in r.error or "writable" in r.error
        return
    r.done(seconds=90)
    assert images.primaries(image) == ["site-a"]
    r.await_cond("Degraded", "False", seconds=60)


@pytest.mark.parametrize("more, mode", [("", SNAPSHOT), (JOURNALED, JOURNAL)])
def test_mirroring_is_enabled_where_it_is_not(at_b, images, more, mode):
    image = images.make(mode=None)
    images.write("site-a", image, b"was there before")
    adopt(at_b, image, more=more)
    assert images.primaries(image) == ["site-a"]
    with images.open("site-a", image, read_only=True) as i:
        assert i.mirror_image_get_mode() == mode
    assert images.await_same(image)[:16] == b"was there before"


def test_an_open_image_is_not_pulled_away(at_a, at_b, images):
    image = images.make()
    a = adopt(at_a, image, state="source")
    b = adopt(at_b, image)
    with images.open("site-a", image) as client:
        await_plan(a, "demoting", "needs force")
        assert name_of(a.ask("demoting")) == "EBUSY"
        assert "in use by client." in a.error
        await_plan(b, "promoting", "needs force")
        assert name_of(b.ask("promoting")) == "EBUSY"
        client.write(b"alive", 0)
    await_plan(b, "promoting", "allowed")
    assert images.primaries(image) == ["site-a"]
    ask(b, "promoting").done(seconds=60).go("source")
    assert images.read("site-b", image)[:5] == b"alive"


def test_snapshots_are_taken_by_the_schedule(at_b, images):
    """No manager runs: the lag stays small because uvrfs takes them."""
    image = images.make()
    r = adopt(at_b, image)
    before = images.snapshots("site-a", image)
    images.write("site-a", image, b"on its way")
    until(lambda: images.read("site-b", image)[:10] == b"on its way",
          "the copy", 60)
    assert images.snapshots("site-a", image) != before
    assert int(r.read("lag")) < 60
    assert r.write("schedule", "{mode: interval, rpo: 1h}") == 0, r.error


def test_two_daemons_take_turns(at_a, at_b, images):
    """One leads; at the same moment they would end each other."""
    image = images.make()
    adopt(at_a, image, state="source", rpo="1s")
    b = adopt(at_b, image, rpo="1s")
    taken = set()

    def enough():
        taken.update(s["id"] for s in images.snapshots("site-a", image))
        return len(taken) > 10
    until(enough, "ten snapshots", 60)
    assert at_a.process.poll() is None and at_b.process.poll() is None
    at_a.stop()
    try:
        last = max(taken)
        until(lambda: images.snapshots("site-a", image)[-1]["id"] > last + 1,
              "the other one goes on", 30)
        assert int(b.read("lag")) < 30
    finally:
        at_a.start()


def test_another_uvrfs_at_work_is_waited_for(at_b, images):
    image = images.make()
    r = adopt(at_b, image, rpo="1h")
    with images.held("site-a", image):
        assert r.ask("promoting") == 0, r.error
        until(lambda: "another uvrfs is changing" in r.read("log"), "a try", 30)
        assert images.primaries(image) == ["site-a"]
    r.done(seconds=60).go("source")
    assert images.primaries(image) == ["site-b"]


def test_a_rebuild_shows_how_far_it_is(at_b, images):
    image = images.make(size=256 << 20, mode=None)
    images.write("site-a", image, os.urandom(200 << 20))
    r = at_b.mk("database", image, manifest(image))
    r.done(seconds=60)
    seen = set()

    def whole():
        seen.add(r.read("progress").strip())
        return r.conditions["Degraded"].status == "False"
    until(whole, "a whole copy", 200)
    assert any(s.isdigit() and 0 <= int(s) < 100 for s in seen), seen
    assert r.read("progress") == "-\n"
    images.await_same(image)
