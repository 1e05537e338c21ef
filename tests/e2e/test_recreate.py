# SPDX-License-Identifier: Apache-2.0
"""Removing a replication and making it again."""
import errno
import os

import pytest

from uvr import PATIENT, call, get, manifest, name_of, sh, until


def test_rmdir_keeps_the_storage(d):
    r = d.replica(data=b"precious\n")
    here, peer, journal = r.here_volume, r.peer_volume, d.journal()
    assert "kept" in r.plan("remove")
    os.rmdir(r.path)
    assert not r.path.exists() and r.name not in os.listdir(d / "database")
    assert d.journal() == journal
    assert here.read_bytes() == peer.read_bytes() == b"precious\n"
    assert r.name not in get(d / ".uvrfs/summary")
    links = os.listdir(d / ".uvrfs/by-state/replica")
    assert f"database:{r.name}" not in links


def test_made_again_it_is_adopted(d):
    r = d.replica()
    journal = d.journal()
    os.rmdir(r.path)
    r = d.mk("database", r.name, manifest(r.name)).done()
    assert r.state == "replica" and d.journal() == journal
    r.await_cond("Degraded", "False")
    r.go("promoting", "source")


def test_made_again_while_somebody_stands_in_the_old_one(d):
    r = d.replica()
    inode = os.stat(r.path).st_ino
    fd = os.open(r.path, os.O_RDONLY)
    held = open(r / "state", "rb", buffering=0)
    here = os.getcwd()
    os.chdir(r.path)
    try:
        for _ in range(5):
            os.rmdir(r.path)
            again = d.mk("database", r.name, manifest(r.name)).done()
            assert again.state == "replica"
            assert sorted(os.listdir(again.path)) and again.plan("promoting")
            assert os.stat(again.path).st_ino != inode
            # Where one stands is gone, and says so at once.
            for path in ("state", "spec.yaml", "plan/promoting"):
                assert call(os.stat, path) in (errno.ENOENT, errno.ESTALE)
            assert call(os.mkdir, "x") != 0
            assert call(os.pread, held.fileno(), 10, 0) in (
                errno.ESTALE, errno.ENOENT, 0)
            assert sh("ls >/dev/null; cat state", seconds=5,
                      cwd="/proc/self/fd/%d" % fd,
                      pass_fds=[fd]).rc not in (0, 124)
        again.go("promoting", "source")
    finally:
        os.chdir(here)
        os.close(fd)
        held.close()


def test_a_namespace_made_again(d):
    os.mkdir(d / "again")
    inode = os.stat(d / "again").st_ino
    here = os.getcwd()
    os.chdir(d / "again")
    try:
        os.rmdir(d / "again")
        os.mkdir(d / "again")
        assert os.stat(d / "again").st_ino != inode
        r = d.replica(ns="again")
        assert os.listdir(d / "again") == [r.name]
        assert call(os.mkdir, "x") in (errno.ENOENT, errno.ESTALE)
    finally:
        os.chdir(here)


def test_rmdir_while_a_transition_runs_is_busy(d):
    r = d.replica()
    d.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    assert r.ask("promoting") == 0
    until(lambda: "demote-peer" in r.acts(), "the peer steps down")
    assert "remove" not in os.listdir(r / "plan") or \
        r.verdict("remove") == "not now"
    before = r.picture()
    assert name_of(call(os.rmdir, r.path)) == "EBUSY"
    assert "promoting" in r.error and r.picture() == before
    assert call(os.rmdir, r.path.parent) == errno.ENOTEMPTY
    d.faults(r.here)
    r.done()
    os.rmdir(r.path)
    assert not r.path.exists()


def test_rmdir_of_what_may_never_come_true(make):
    """A wrong manifest need not fail first: the storage was asked nothing."""
    d = make(config=PATIENT).start()
    r = d.replica()
    name, acts, sides = r.name, r.acts(), (r.here, r.peer)
    os.rmdir(r.path)
    d.restart()
    for side in sides:
        d.faults(side, "down")
    r = d.mk("database", name, manifest(name, state="source"))
    r.await_cond("Ready", "Unknown")
    assert r.verdict("remove") == "allowed"
    os.rmdir(r.path)
    assert not r.path.exists()
    for side in sides:
        d.faults(side)
    r = d.mk("database", name, manifest(name)).done(seconds=20)
    assert r.state == "replica" and r.acts() == acts


def deletable(d):
    name = d.new_name()
    text = manifest(name).replace(
        "  namespace: database\nspec", "  namespace: database\n"
        "  annotations: {uvrfs/deletion-policy: delete}\nspec")
    r = d.mk("database", name, text).done()
    r.peer_volume.write_bytes(b"precious\n")
    r.await_copy()
    r.await_cond("Degraded", "False")
    return r


def test_where_the_deletion_policy_says_delete(d):
    """The relationship goes; no byte does."""
    r = deletable(d)
    here, peer = r.here_volume, r.peer_volume
    assert r.verdict("remove") == "allowed" and "delete" in r.plan("remove")
    os.rmdir(r.path)
    assert not r.path.exists()
    assert here.read_bytes() == peer.read_bytes() == b"precious\n"
    until(lambda: "delete" in " ".join(
        x for x in d.journal() if r.name in x), "it is deleted")


def test_deleting_loses_no_copy(d):
    """Without the peer, what is here may be the last copy."""
    r = deletable(d)
    here = r.here_volume
    d.lose(r.peer)
    code = call(os.rmdir, r.path)
    assert name_of(code) in ("EBUSY", "EPERM"), "the peer can't be asked"
    assert r.error and here.read_bytes() == b"precious\n"
    assert "delete" not in r.acts()


@pytest.mark.parametrize("times", [30])
def test_again_and_again(d, times):
    name = d.new_name()
    seen = set()
    for _ in range(times):
        r = d.mk("database", name, manifest(name)).done()
        seen.add(os.stat(r.path).st_ino)
        seen.add(os.stat(r / "state").st_ino)
        os.rmdir(r.path)
    assert len(seen) == 2 * times
    assert d.journal().count("create") <= 1


def test_a_manifest_for_volumes_that_are_taken(d):
    r = d.replica()
    os.mkdir(d / "database" / "thief")
    thief = d.uvr("database", "thief")
    text = manifest("thief", clusters=(r.peer, r.here), pvc=r.name + "-pvc",
                    handle=r.name + "-vol")
    assert thief.write("spec.yaml", text) in (errno.EPERM, errno.EINVAL)
    assert r.name in get(thief / "error")
    os.rmdir(thief.path)
    r.go("promoting")
