# SPDX-License-Identifier: Apache-2.0
"""kill -9 at any moment: nothing accepted is lost, nothing is done twice."""
import collections
import errno
import os
import random
import threading
import time

import pytest

from uvr import PATIENT, call, manifest, put, sh, until

CRASHES = int(os.environ.get("UVRFS_CRASHES", "60"))
SEED = int(os.environ.get("UVRFS_SEED", "0")) or random.randrange(1 << 30)


def no_act_is_done_twice(d):
    """A line is an effective act; its serial is of one replication."""
    made = collections.Counter(tuple(line.split()[1:5])
                               for line in d.journal())
    assert not [act for act, n in made.items() if n > 1], made


def nothing_is_torn(d):
    """Every file of the store could be read when the daemon started."""
    for folder, _, files in os.walk(d.state / "replications"):
        for name in files:
            assert name.endswith(".yaml") or name == ".namespace", (folder,
                                                                    files)
    assert "aside" not in d.stderr()


class Writer(threading.Thread):
    """Writes one value after the other until the daemon is gone."""

    def __init__(self, write, start):
        super().__init__()
        self.write, self.value, self.accepted = write, start, start

    def run(self):
        while True:
            code = self.write(self.value + 1)
            if code in (errno.ENOTCONN, errno.ECONNABORTED, errno.ENOENT,
                        errno.EIO, errno.EINTR):
                self.value += 1             # may have been accepted, or not
                return
            assert code in (0, errno.EBUSY), code
            if code == 0:
                self.value += 1
                self.accepted = self.value

    def check(self, found):
        """What was accepted last is there, or the one that was under way."""
        assert self.accepted <= found <= self.value, (self.accepted, found)


@pytest.mark.limit(60 + 2 * CRASHES)
def test_random_moments(make):
    print(f"UVRFS_SEED={SEED}")
    chance = random.Random(SEED)
    d = make(config=PATIENT).start()
    plain = d.replica("plain")
    moved = d.source("moved")
    turned = d.replica("turned").go("promoting", "source", "swap")
    words = ("source", "demoting")
    rpo, states = 0, {"moved": 0, "turned": 0}
    for _ in range(CRASHES):
        def write_rpo(n):
            return put(plain / "schedule", f"mode: continuous\nrpo: {n}s")

        def write_state(r):
            return lambda n: put(r / "state", words[n % 2])
        writers = [Writer(write_rpo, rpo)] + [
            Writer(write_state(r), states[r.name]) for r in (moved, turned)]
        for writer in writers:
            writer.start()
        time.sleep(chance.uniform(0, 0.1))
        d.kill9()
        for writer in writers:
            writer.join(20)
            assert not writer.is_alive(), "a writer hangs"
        d.restart()
        rpo = int((plain.read("schedule") + "rpo: 0s").split("rpo: ")[1]
                  .split("s")[0])
        writers[0].check(rpo)
        for writer, r in zip(writers[1:], (moved, turned)):
            now = words.index(r.state)
            found = [n for n in range(writer.accepted, writer.value + 1)
                     if n % 2 == now]
            assert found, (r.state, writer.accepted, writer.value)
            states[r.name] = found[0]
            # It finishes by itself.
            assert r.sync() == 0, r.explain()
            writable = bool(os.stat(r.here_volume).st_mode & 0o200)
            assert writable == (r.state == "source")
    assert plain.state == "replica"
    no_act_is_done_twice(d)
    nothing_is_torn(d)
    assert moved.peer_volume.read_bytes() == b"one\n"


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
def crashing(make_shared):
    return make_shared(config=PATIENT)


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
    os.mkdir(d / "database" / name)
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
