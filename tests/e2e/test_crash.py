# SPDX-License-Identifier: Apache-2.0
"""kill -9 at any moment: nothing accepted is lost, nothing is done twice."""
import errno
import itertools
import os
import time

import pytest

import ledger
from story import (Audit, Story, no_act_is_done_twice, nothing_is_torn, quiet,
                   seeded, shown, stored)
from uvr import PATIENT, call, manifest, put, sh, until
from writers import (Crowd, Echo, Pen, comings_and_goings, reader, settings,
                     transitions, write_by_open, write_by_rename)

CRASHES = int(os.environ.get("UVRFS_CRASHES", "20"))


class Load:
    """Writers in every way, on everything that can be written, and readers."""

    def __init__(self, d, uvrs):
        self.d, self.uvrs = d, uvrs
        self.audit = Audit(d)
        self.numbers = itertools.count(1000)

    def some(self):
        """Numbers that nobody else uses."""
        first = next(self.numbers) * 1000
        return range(first, first + 1000)

    def works(self, chance):
        ways = [write_by_open, write_by_rename, Echo]
        chance.shuffle(ways)
        return [
            *(transitions(r, way) for r, way in zip(self.uvrs, ways)),
            transitions(chance.choice(self.uvrs)),
            transitions(chance.choice(self.uvrs), write_by_rename),
            *(settings(r, self.some(), chance.choice(
                (write_by_open, write_by_rename))) for r in self.uvrs),
            comings_and_goings(self.d, self.some()),
            reader(self.uvrs), reader(self.uvrs)]

    def tidy(self):
        """Removes what came and stayed; what it was told."""
        pen = Pen([])
        for path in (self.d / "database").glob("new*"):
            r = self.d.uvr("database", path.name)
            until(lambda r=r: not pen.call(r, "remove", "", lambda: os.rmdir(
                r.path)), "it can be removed")
        return pen.told


@pytest.mark.limit(60 + 4 * CRASHES)
def test_random_moments(make):
    chance = seeded()
    d = make(config=PATIENT).start()
    uvrs = [d.replica("plain"), d.source("moved"),
            d.replica("turned").go("promoting", "source", "swap")]
    story, load = Story(uvrs), Load(d, uvrs)
    for _ in range(CRASHES):
        crowd = Crowd(chance, chance.sample(load.works(chance), 7))
        time.sleep(chance.uniform(0, 0.15))
        killed = time.monotonic()
        d.kill9()
        story.add(crowd.join(), load.audit.news(), killed)
        left, history = stored(d)
        story.remember(history)
        d.restart()
        found, _ = shown(d)
        story.faults += ledger.check_same(left, found)
        for r in uvrs:
            quiet(r)            # it finishes by itself
            writable = bool(os.stat(r.here_volume).st_mode & 0o200)
            assert writable == (r.state in ("promoting", "source")), \
                r.explain()
        story.add(load.tidy(), load.audit.news())
        assert not story.faults, "\n".join(story.faults)
    d.stop()
    pictures, history = stored(d)
    story.remember(history)
    print(story.figures(d.journal()))
    # Else the kills have met nothing.
    assert CRASHES < 20 or any(w.code is None for w, _ in story.pairs)
    faults = story.check(pictures, d.journal()) + story.check_as_one()
    assert not faults, "\n".join(faults)
    nothing_is_torn(d)


def die_in(d, r, word, cluster, fault):
    """Has the daemon killed within an act of the word, and starts another."""
    here = r.here
    d.faults(cluster, fault)
    code = r.ask(word)
    assert code in (0, errno.ENOTCONN, errno.ECONNABORTED, errno.EIO), code
    until(lambda: not d.alive(), "it dies in the act")
    assert d.process.returncode == 137
    d.faults(cluster)
    d.faults(here)
    d.start()


def lost_peer(d):
    r = d.replica()
    d.lose(r.peer)
    return r


def stepping_down_peer(d):
    r = d.replica()
    d.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    assert r.ask("promoting") == 0
    until(lambda: "demote-peer" in r.acts(), "the peer steps down")
    return r


def split(d):
    """Two writable sides: a rebuild of one has something to destroy."""
    r = lost_peer(d).go("promoting", "source")
    d.find_again(r.peer)
    r.await_cond("Degraded", "True", "SplitBrain")
    return r


def given_up(d):
    return split(d).go("demoting force", "replica")


# act: how to get there, the word, at which side the act is made
ACTS = {
    "demote-peer": (lambda d: d.replica(), "promoting", "peer"),
    "promote": (lambda d: d.replica(), "promoting", "here"),
    "force-promote": (lost_peer, "promoting", "here"),
    "demote": (lambda d: d.source(), "demoting", "here"),
    "promote-peer": (stepping_down_peer, "replica", "peer"),
    "resync": (given_up, "syncing force", "here"),
    "resync-peer": (split, "swap force", "peer"),
}


@pytest.fixture(scope="module")
def shared(make_shared):
    return make_shared(config=PATIENT)


@pytest.fixture
def crashing(shared):
    """A test that fails may leave it dead, or about to die."""
    for cluster in shared.sim.glob("*/faults"):
        cluster.write_text("")
    if not shared.alive():
        shared.start()
    return shared


@pytest.mark.parametrize("when", ["crash-before", "crash-after"])
@pytest.mark.parametrize("act", ACTS)
def test_in_an_act(crashing, act, when):
    setup, word, side = ACTS[act]
    d = crashing
    r = setup(d)
    cluster = r.here if side == "here" else r.peer
    count = r.acts().count(act)
    die_in(d, r, word, cluster, f"{when} {act}")
    name = "endpoints" if word.startswith("swap") else "state"
    assert r.sync(name) == 0, r.explain()
    assert r.acts().count(act) == count + 1, r.journal()
    no_act_is_done_twice(d)
    nothing_is_torn(d)
    # A lost peer can't be made to step down.
    assert act == "force-promote" or not (
        os.stat(r.here_volume).st_mode & 0o200 and
        os.stat(r.peer_volume).st_mode & 0o200)


@pytest.mark.parametrize("when", ["crash-before", "crash-after"])
def test_in_the_creation(crashing, when):
    d, name = crashing, crashing.new_name("new")
    d.faults(f"dr-{name}", f"{when} create")
    os.makedirs(d / "database" / name)
    code = put(d / "database" / name / "spec.yaml", manifest(name))
    until(lambda: not d.alive(), "it dies in the act")
    d.faults(f"dr-{name}")
    d.start()
    r = d.uvr("database", name)
    if code == 0:
        assert r.sync() == 0, r.explain()
        assert r.state == "replica" and r.acts().count("create") == 1
    no_act_is_done_twice(d)


def test_a_draft_is_not_kept_and_not_in_the_way(own):
    own.replica("r")
    os.mkdir(own / "database" / "draft")
    own.kill9().restart()
    assert not (own / "database" / "draft").exists()
    os.mkdir(own / "database" / "draft")


def test_removal_is_recorded_when_rmdir_returns(own):
    for i in range(5):
        r = own.replica(f"r{i}")
        os.rmdir(r.path)
        own.kill9().restart()
        assert not r.path.exists()
    assert call(os.rmdir, own / "database") == 0
    own.kill9().restart()
    assert not (own / "database").exists()


def test_refusals_hold_and_history_after_a_crash(own):
    r = own.replica("r")
    assert r.write("hold", "do not touch") == 0
    own.kill9().restart()
    assert r.read("hold") == "do not touch\n"
    assert r.ask("promoting") == errno.EPERM
    assert sh("echo > hold", cwd=r.path).rc == 0
    r.go("promoting", "source")
    history = r.read("history")
    own.kill9().restart()
    assert r.read("history") == history
    r.await_cond("Ready", "True")
