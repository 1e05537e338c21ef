# SPDX-License-Identifier: Apache-2.0
"""A site that dies, or freezes, and comes back."""
import time

import pytest

from conftest import config
from images import JOURNAL
from pages import blocks_of
from pair import LAB, adopt, await_peer, await_plan, manifest
from shell import sh
from uvr import name_of, put, until

pytestmark = pytest.mark.limit(600)


def keep_this_side(r, images, image):
    """Out of a split brain: the other side is rebuilt, by force only."""
    assert images.primaries(image) == ["site-a", "site-b"]
    assert name_of(r.ask("swap")) == "EBUSY"
    await_plan(r, "swap", "needs force")
    typed, = (b for b in blocks_of("docs/backend-ceph-rbd.md")
              if "swap force" in b)
    assert sh(typed, r.path).rc == 0, r.error
    r.done("endpoints", seconds=180)
    r.await_cond("Degraded", "False", seconds=120)
    assert images.primaries(image) == ["site-b"]


def test_a_key_that_has_lost_its_rights(rig, make, images, all_well, tmp_path):
    """Nothing that it asks is answered any more, and nobody is dead."""
    a, keyring, user = rig["site-a"], tmp_path / "keyring", "client.leaver"
    a.ceph("auth", "get-or-create", user, "mon", "profile rbd", "osd",
           "profile rbd", "-o", keyring)
    keyring.chmod(0o600)
    d = make(config=config(rig, "site-b", site_a=(
        f"{{conf: {a.conf}, user: leaver, keyring: {keyring}}}"))).start()
    image = images.make()
    r = adopt(d, image)
    a.ceph("auth", "caps", user, "mon", "profile none", "osd", "profile rbd")
    a.kill()
    a.start()
    await_peer(r, "refused")
    assert "no key that is good for client.leaver" in r.seen("peer")["why"]
    await_plan(r, "promoting", "needs force")
    assert name_of(r.ask("promoting")) == "EBUSY"
    assert images.primaries(image) == ["site-a"]


def test_nothing_here_hides_that_it_is_dead(rig, make, images, all_well,
                                            tmp_path):
    """Neither names that went with it, nor a pool that was never there."""
    a, conf = rig["site-a"], tmp_path / "conf"
    conf.write_text(a.conf.read_text())
    d = make(config=config(rig, "site-b", site_a=(
        f"{{conf: {conf}, user: uvrfs, keyring: {a.keyring}}}"))).start()
    r = adopt(d, images.make())
    d.mk("database", "nowhere", manifest("nowhere", handle="nopool/i"))
    a.freeze()
    conf.write_text(conf.read_text().replace("[v2:127.0.0.1:", "gone.invalid ["))
    await_peer(r, "silent")
    await_plan(r, "promoting", "allowed")
    a.thaw()
    await_peer(r, "ok")


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_unplanned(rig, at_b, images, all_well, how):
    """What the last mirror snapshot has is there, no more and no less."""
    image = images.make()
    r = adopt(at_b, image, rpo="1h")
    images.write("site-a", image, b"snapshotted")
    images.snapshot("site-a", image)
    images.await_same(image)
    images.write("site-a", image, b"lost", 4096)
    a = rig["site-a"]
    a.kill() if how == "killed" else a.freeze()
    # A moment's silence proves nothing.
    until(lambda: r.seen("peer")["reach"] != "ok", "no answer", 40)
    await_peer(r, "silent")
    plan = await_plan(r, "promoting", "allowed")
    assert "failover: unplanned" in plan and "are lost" in plan
    assert r.ask("promoting") == 0, r.error
    r.done(seconds=120).go("source")
    here = images.read("site-b", image)
    assert here[:11] == b"snapshotted" and here[4096:4100] == bytes(4)
    images.write("site-b", image, b"goes on", 8192)
    assert r.read("lag") is not None
    a.start() if how == "killed" else a.thaw()
    # Two primaries, and no record of Ceph's says so.
    r.await_cond("Degraded", "True", "SplitBrain", seconds=120)
    r.await_cond("Ready", "False", "SplitBrain")
    keep_this_side(r, images, image)
    images.snapshot("site-b", image)
    whole = images.await_same(image, seconds=120)
    assert whole[:11] == b"snapshotted" and whole[8192:8199] == b"goes on"
    assert whole[4096:4100] == bytes(4)


def test_unplanned_in_journal_mode(rig, at_b, images, all_well):
    """rbd-mirror keeps the lock of the image, and nobody could write."""
    image = images.make(mode=JOURNAL)
    r = adopt(at_b, image)
    images.write("site-a", image, b"replayed")
    images.await_same(image)
    a = rig["site-a"]
    a.kill()
    await_peer(r, "silent")
    assert "failover: unplanned" in await_plan(r, "promoting", "allowed")
    assert r.ask("promoting") == 0, r.error
    r.done(seconds=120).go("source")
    assert images.read("site-b", image)[:8] == b"replayed"
    images.write("site-b", image, b"goes on", 8192)
    a.start()
    r.await_cond("Degraded", "True", "SplitBrain", seconds=120)
    keep_this_side(r, images, image)
    whole = images.await_same(image, seconds=120)
    assert whole[:8] == b"replayed" and whole[8192:8199] == b"goes on"


def test_a_demoted_side_that_has_diverged_is_not_promoted(at_a, at_b, images):
    """librbd itself would make two primaries of it."""
    image = images.make()
    a = adopt(at_a, image, state="source", rpo="1h")
    b = adopt(at_b, image, rpo="1h")
    images.write("site-a", image, b"here only")
    images.promote("site-b", image, force=True)
    images.demote("site-a", image)
    a.await_cond("Drifted", "True", seconds=60)
    b.await_cond("Drifted", "True", seconds=60)
    # Its own daemon: state says source, the storage says replica.
    until(lambda: a.seen("here")["diverged"], "it has diverged", 60)
    assert name_of(a.ask("promoting")) == "EPERM"
    assert name_of(a.ask("demoting")) == "ok" or "force" in a.error
    assert images.primaries(image) == ["site-b"]


def test_syncing_force_gives_up_what_is_here(at_a, at_b, images):
    image = images.make()
    a = adopt(at_a, image, state="source", rpo="1h")
    adopt(at_b, image, rpo="1h")
    images.write("site-a", image, b"given up")
    images.promote("site-b", image, force=True)
    images.write("site-b", image, b"is kept!")
    a.await_cond("Ready", "False", "SplitBrain", seconds=60)
    assert name_of(a.ask("demoting")) == "EBUSY"
    assert a.ask("demoting force") == 0, a.error
    a.done(seconds=60).go("replica")
    assert name_of(a.ask("syncing")) == "EBUSY"
    await_plan(a, "syncing", "needs force")
    assert a.ask("syncing force") == 0, a.error
    a.done(seconds=180)
    until(lambda: a.state == "replica", "it is a replica", 60)
    images.snapshot("site-b", image)
    assert images.await_same(image, seconds=120)[:8] == b"is kept!"


def test_others_go_on_while_a_cluster_hangs(rig, at_b, images, make, all_well):
    image = images.make()
    r = adopt(at_b, image)
    lab = at_b.mk("database", "lab", LAB).done()
    rig["site-a"].freeze()
    try:
        until(lambda: r.seen("peer")["reach"] != "ok", "no answer", 40)
        for _ in range(200):
            assert lab.state == r.state == "replica"
            assert name_of(put(lab / "state", "sauce")) == "EINVAL"
            assert name_of(put(r / "state", "sauce")) == "EINVAL"
        lab.go("promoting", "source")
        # A daemon that has calls under way ends in time.
        d = make(config=config(rig, "site-b")).start()
        other = d.mk("database", image,
                     (r / "spec.yaml").read_text().split("status:")[0])
        until(lambda: other.seen("here")["reach"] == "ok", "it looks", 30)
        started = time.monotonic()
        d.stop()
        assert time.monotonic() - started < 60
    finally:
        rig["site-a"].thaw()
    await_peer(r, "ok")
