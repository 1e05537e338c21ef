# SPDX-License-Identifier: Apache-2.0
"""Two mounts of one store."""
import concurrent.futures
import os

import pytest

from daemons import (NS, body_of, fail_over, kept, make_node, once, path_of,
                     store)  # noqa: F401
from inotify import CLOSE_WRITE, CREATE, DELETE, MODIFY, Watcher, kinds
from kube import ADMIN
from shell import FACTOR, call, sh, until
from uvr import Uvr

pytestmark = pytest.mark.limit(120)


@pytest.fixture
def two(make_node):
    return make_node().await_lead(), make_node()


def on(node, r):
    other = Uvr(node, r.ns, r.name)
    until((other / "state").exists, "it is seen there")
    return other.await_allowed("promoting")


def test_each_hears_of_the_other(two):
    a, b = two
    r = a.replica()
    other = on(b, r)
    for here, there in ((r, other), (other, r)):
        word = "promoting" if here is r else "source"
        watcher = Watcher().add(there.path)
        assert here.await_allowed(word).ask(word) == 0
        seen = watcher.until(there.path / "state", CLOSE_WRITE)
        assert kinds(seen, there.path / "state") & MODIFY
        assert there.state == word
        there.done(seconds=20)
        here.done(seconds=20)
        watcher.close()
    once(other)


def test_directories_come_and_go(two):
    a, b = two
    os.mkdir(b.mnt / NS)
    a.replica("first")
    watcher = Watcher().add(b.mnt / NS)
    r = a.replica("second")
    watcher.until(b.mnt / NS / "second", CREATE)
    until((b.mnt / NS / "first/state").exists, "its status")
    assert b.names() == ["first", "second"]
    cluster = a.proxy.cluster
    assert cluster.request("POST", path_of("", NS).rstrip("/"),
                           body_of("third"))[0] == 201
    watcher.until(b.mnt / NS / "third", CREATE)
    os.rmdir(r.path)
    watcher.until(b.mnt / NS / "second", DELETE)
    assert not (b.mnt / NS / "second").exists()
    assert cluster.request("DELETE", path_of("third"))[0] == 200
    watcher.until(b.mnt / NS / "third", DELETE)
    until(lambda: a.names() == b.names() == ["first"], "both agree")
    # One that is made anew is another one.
    inode = os.stat(b.mnt / NS / "first").st_ino
    os.rmdir(a.mnt / NS / "first")
    watcher.until(b.mnt / NS / "first", DELETE)
    a.replica("first")
    watcher.until(b.mnt / NS / "first", CREATE)
    until((b.mnt / NS / "first/state").exists, "its status")
    assert os.stat(b.mnt / NS / "first").st_ino != inode
    assert Uvr(b, NS, "first").state == "replica"


def test_sync_on_the_one_that_follows(two):
    a, b = two
    r = a.replica()
    other = on(b, r)
    a.faults(r.here, "slow 300")
    done = sh(f"cd {other.path} && echo promoting > state && "
              f"timeout {20 * FACTOR} sync state && grep ^Ready conditions",
              seconds=30)
    assert done.rc == 0 and done.out.split()[1] == "True", done
    assert not b.did() and a.did()


def test_both_write_at_once(two):
    """To the same replications: nothing is lost, nothing is done twice."""
    a, b = two
    made = [a.replica() for _ in range(8)]
    names = [r.name for r in made]
    for r in made:
        on(b, r)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for word in ("promoting", "source"):
            asked = [pool.submit(Uvr(node, NS, name).ask, word)
                     for name in names for node in two]
            assert {one.result() for one in asked} == {0}
            for name in names:
                Uvr(a, NS, name).done(seconds=30)
                Uvr(b, NS, name).done(seconds=30)
    for name in names:
        once(Uvr(a, NS, name))
        once(Uvr(b, NS, name))


def test_different_parts_at_once(two):
    """An echo here, a word there, a patch by kubectl: all of them count."""
    a, b = two
    r = a.replica(mode="asynchronous")
    other = on(b, r)
    cluster = a.proxy.cluster

    def patch(body):
        client = cluster.client(token=ADMIN)
        code, answer = client.request("PATCH", path_of(r.name), body)
        client.close()
        assert code == 200, answer

    def label(i):
        patch({"metadata": {"labels": {f"l{i}": "x"}}})
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        jobs = [pool.submit(label, i) for i in range(6)]
        jobs += [pool.submit(r.ask, "promoting")]
        jobs += [pool.submit(call, other.write, "schedule",
                             "mode: continuous\nrpo: 7m\n")]
        jobs += [pool.submit(patch, {"spec": {
            "replicationMode": "synchronous"}})]
        for job in jobs:
            job.result()
    r.done(seconds=30)
    until(lambda: r.read("mode") == other.read("mode") == "synchronous\n",
          "the mode")
    until(lambda: "7m" in r.read("schedule"), "the rpo")
    o = kept(cluster, r)
    assert len(o["metadata"]["labels"]) == 6
    assert o["status"]["accepted"] == o["spec"]
    assert r.state == "promoting" and r.acts().count("promote") == 1


def test_what_one_refuses_is_not_shown_as_done(two):
    a, b = two
    r = a.replica()
    other = on(b, r)
    assert other.ask("source") != 0 and "not allowed" in other.error
    assert r.error == "" and r.state == other.state == "replica"
    fail_over(other)
    assert other.error == ""
