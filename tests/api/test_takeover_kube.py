# SPDX-License-Identifier: Apache-2.0
"""A daemon over a cluster that dies under a busy mount, and the next one that
goes on, with whatever others have done to the objects meanwhile."""
import concurrent.futures
import errno
import os
import re
import subprocess

import pytest

import proxy as faults
from daemons import (LEASE, NS, Node, body_of, configure, kept as agrees,
                     make_node, new_name, once, path_of, store)  # noqa: F401
from inotify import CLOSE_WRITE, CREATE, DELETE, Watcher
from keeper import (Kept, Programs, await_requests, other,  # noqa: F401
                    outlasts)
from shell import FACTOR, background, call, freeze, until
from uvr import Uvr, is_dead

# How often the daemon ends while programs run in loops.
MANY = int(os.environ.get("UVRFS_MANY", "20"))

CHANGE = CREATE | DELETE

pytestmark = pytest.mark.limit(120 + 10 * MANY)


class KeptNode(Kept, Node):
    """One that shares the store, and whose mount outlives it."""
    patience = 60               # it waits for the API server


@pytest.fixture
def new(make_node):
    def make(**options):
        node = make_node(kind=KeptNode, **options)
        if not node.store:
            pytest.skip("this kernel does not send requests again")
        return node
    return make


@pytest.fixture
def kept(new):
    return new().await_lead()


def test_the_lease_is_not_told_at_the_takeover(kept):
    """A server that is slow for a moment ends no mount."""
    with open(kept / ".uvrfs/version", encoding="utf-8") as held:
        kept.kill9()
        rule = kept.proxy.rule(faults.hang(), "GET", "/leases/", count=1)
        kept.start()
        assert held.read().startswith("uvrfs ") and rule.hits == 1


def post(store, name, **spec):
    """As kubectl makes one."""
    code, made = store.request("POST", path_of("", NS).rstrip("/"),
                               body_of(name, **spec))
    assert code == 201, made


def delete(store, name):
    """Without a daemon that would let it go."""
    path = path_of(name, NS)
    store.request("PATCH", path, {"metadata": {"finalizers": None}})
    assert store.request("DELETE", path)[0] == 200


def directories(node):
    """Their inode numbers, as a listing and as stat(1) has them."""
    found = {}
    for ns in os.scandir(node.mnt):
        if not ns.name.startswith("."):
            for at in (ns, *os.scandir(ns)):
                found[at.path] = at.inode()
                assert os.stat(at.path).st_ino == at.inode(), at.path
    return found


def made_by_all(kept, store):
    """Replications of a mkdir here and of kubectl's, and an empty namespace."""
    r, name = kept.replica(), new_name()
    post(store, name)
    until(lambda: name in kept.names(), "kubectl's is seen")
    store.make_namespace("empty")
    os.mkdir(kept.mnt / "empty")
    return r


@pytest.mark.parametrize("end", ["kill9", "leave"])
def test_programs_in_loops(kept, store, tmp_path, end):
    r = made_by_all(kept, store)
    before, minor = directories(kept), kept.minor
    with Programs(r, tmp_path) as programs:
        programs.turn(0)
        for i in range(1, MANY + 1):
            getattr(kept, end)()
            kept.start()
            programs.turn(i)
            assert directories(kept) == before and kept.minor == minor
    agrees(store, r)


def test_what_is_made_and_removed_in_between(kept, store):
    """By one daemon after the other: no number is given twice."""
    made_by_all(kept, store)
    numbers = {}
    for end in (kept.kill9, kept.leave, kept.kill9):
        r = kept.replica()
        os.rmdir(r.path)
        os.rmdir(kept.mnt / "empty")
        end()
        kept.start()
        assert not (kept.mnt / "empty").exists() and not r.path.exists()
        os.mkdir(kept.mnt / "empty")
        kept.replica()
        for path, number in directories(kept).items():
            numbers.setdefault(number, set()).add(path)
    assert all(len(paths) == 1 for paths in numbers.values()), numbers


def test_open_files_go_on(kept, other):
    r = kept.replica()
    fd = other("open", r / "hold", os.O_RDWR)
    there = other("open", r.path, os.O_RDONLY)
    for end in (kept.kill9, kept.leave, kept.kill9):
        end()
        kept.start()
        text = f"drill {end.__name__}\n"
        assert other("pwrite", fd, text.encode(), 0) == len(text)
        assert r.read("hold") == text
        assert other("fchdir", there) == 0
    kept.await_lead(20)


def hold(x):
    """It is served, and the answer does not come."""
    for _ in x.ask().pieces:
        pass
    while True:
        x.client.fill()


def test_a_write_that_was_accepted_is_not_asked_again(new, store):
    """Its answer was lost with the daemon, and somebody has rolled it back."""
    third = new()
    kept = new(deadline="300s")
    third.await_lead()
    r = kept.replica()
    far = Uvr(third, r.ns, r.name)
    until((far / "state").exists, "it is seen there")
    third.faults(r.here, "no-copy")
    kept.proxy.rule(hold, "PATCH", r"/status\?")
    echo = background("echo promoting > state", cwd=r.path)
    until(lambda: far.state == "promoting", "it is stored")
    calls = [one["call"] for one in far.status["status"]["history"]]
    kept.kill9()
    kept.proxy.clear()
    assert far.ask("replica") == 0
    kept.start()
    assert echo.wait(20 * FACTOR) == 0
    assert r.state == far.state == "replica"
    told = far.status["status"]["history"]
    assert [one["word"] for one in told] == ["replica", "promoting", "replica"]
    assert [one["call"] for one in told][:2] == calls and all(calls)


def test_what_was_asked_of_nobody_is_asked_of_the_next(kept):
    r = kept.replica()
    freeze(kept.process.pid)
    echo = background(f"echo promoting > {r / 'state'}")
    await_requests(kept, 1)
    kept.kill9()
    kept.start()
    assert echo.wait(20 * FACTOR) == 0
    kept.await_lead(20)
    r.done(seconds=20)
    once(r, "promoting", acts=("create", "demote-peer", "promote"))


def test_made_anew_while_nobody_runs(kept, store, other):
    """Of the same name: it is another one, also to those who had the old."""
    r = kept.replica()
    stays = kept.replica()
    before = directories(kept)
    fd = other("open", r / "state", os.O_RDONLY)
    there = other("open", r.path, os.O_RDONLY | os.O_DIRECTORY)
    kept.kill9()
    delete(store, r.name)
    post(store, r.name, mode="asynchronous")
    kept.start()
    now = directories(kept)
    assert now.pop(str(r.path)) != before.pop(str(r.path))
    assert now == before and os.stat(stays.path).st_ino in before.values()
    gone = (-errno.ESTALE, -errno.ENOENT)
    assert other("pread", fd, 100, 0) in gone
    assert other("fchdir", there) == 0
    assert other("stat", "state") in gone
    kept.await_lead(20)
    until((r / "mode").exists, "it is accepted", 20)
    assert r.read("mode") == "asynchronous\n"
    assert other("pread", fd, 100, 0) in gone


def test_removed_while_nobody_runs(kept, store):
    """Also the kernel, which has kept attributes, is told."""
    r, stays = kept.replica(), kept.replica()
    with subprocess.Popen(
            ["bash", "-c", "stat -c %i state; read; stat -c %i state"],
            cwd=r.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True) as inside:
        assert inside.stdout.readline()
        kept.kill9()
        delete(store, r.name)
        kept.start()
        out, errors = inside.communicate("\n", timeout=20 * FACTOR)
    assert out == "" and re.search("Stale|No such", errors), (out, errors)
    assert call(os.stat, r / "state") == call(os.stat, r.path) == errno.ENOENT
    assert kept.names() == [stays.name]


def test_watchers_hear_of_what_came_and_went_meanwhile(kept, store):
    gone, anew, stays = (kept.replica() for _ in range(3))
    earlier = kept.replica()
    watcher = Watcher().add(gone.path.parent, CREATE | DELETE)
    os.rmdir(earlier.path)
    watcher.until(earlier.path, DELETE)
    told = []

    def hear(*wanted):
        """Each once, and of the rest nothing."""
        told.extend(e for e in watcher.read(0.1) if e.mask & CHANGE)
        paths = [(e.path, e.mask & CHANGE) for e in told]
        assert sorted(set(paths)) == sorted(paths), paths
        assert set(paths) <= set(wanted), paths
        return len(paths) == len(wanted)
    new, newer = (gone.path.with_name(name) for name in ("new", "newer"))
    both = [(str(path), mask) for path, mask in (
        (gone.path, DELETE), (anew.path, DELETE), (anew.path, CREATE),
        (new, CREATE))]
    kept.kill9()
    for r in gone, anew:
        delete(store, r.name)
    for name in anew.name, "new":
        post(store, name)
    kept.start()
    until(lambda: hear(*both), "all are told of")
    assert [e.mask & CHANGE for e in told if e.path == str(anew.path)] == [
        DELETE, CREATE]
    told.clear()
    # It dies when it knows that they are told of: news that came later are.
    later = Watcher().add(stays.path, CLOSE_WRITE)
    code, answer = store.request("PATCH", path_of(stays.name, NS), {
        "spec": {"replicationMode": "asynchronous"}})
    assert code == 200, answer
    later.until(stays.path / "mode", CLOSE_WRITE, 20)
    later.close()
    kept.kill9()
    post(store, newer.name)
    kept.start()
    until(lambda: hear((str(newer), CREATE)), "what is new is told of")
    assert stays.state == "replica"
    kept.await_lead(20)
    watcher.close()


@pytest.mark.parametrize("silence, back", [("down", "up"),
                                           ("pause", "resume")])
def test_no_api_server_at_the_takeover(kept, silence, back):
    r = kept.replica()
    kept.kill9()
    cat = background(f"cat {r / 'state'}", seconds=100)
    getattr(kept.proxy, silence)()
    with pytest.raises(RuntimeError, match="within 30 s"):
        kept.start()
    assert "onnect" in cat.communicate(timeout=20 * FACTOR)[1] and cat.returncode == 1
    kept.hear_out()
    assert not kept.store and (is_dead(kept.mnt) or not os.listdir(kept.mnt))
    getattr(kept.proxy, back)()
    kept.start()
    assert r.state == "replica"


def test_an_api_server_that_comes_back(kept):
    r, minor = kept.replica(), kept.minor
    kept.kill9()
    cat = background(f"cat {r / 'state'}")
    kept.proxy.pause()

    def come_back():
        until(kept.proxy.connections, "it is asked")
        kept.proxy.resume()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        back = pool.submit(come_back)
        kept.start()
        back.result()
    assert cat.communicate(timeout=20 * FACTOR)[0] == "replica\n"
    assert kept.minor == minor


def test_a_configuration_that_can_be_mended(kept):
    outlasts(kept, lambda config: configure(config, "/none", kept.sim),
             match="/none")


def test_another_server(kept, store):
    """Its objects are others, it may be: the mount is not gone on with."""
    r = kept.replica()
    kept.kill9()
    cat = background(f"cat {r / 'state'}")
    configure(kept.config, store.kubeconfig("token"), kept.sim)
    kept.start()
    assert cat.wait(20 * FACTOR) == 1
    assert r.state == "replica"


def test_a_leader_elsewhere_is_not_disturbed(make_node, new, store):
    leader = make_node().await_lead()
    kept = new()
    r = kept.replica()
    before = store.request("GET", LEASE)[1]["spec"]
    log = leader.log()
    for end in (kept.kill9, kept.leave, kept.kill9):
        end()
        kept.start()
    r.go("promoting", "source")
    now = store.request("GET", LEASE)[1]["spec"]
    assert all(before[key] == now[key] for key in (
        "holderIdentity", "leaseTransitions"))
    assert leader.leads() and not kept.did()
    assert not [line for line in leader.log()[len(log):] if " leader: " in line]
    far = Uvr(leader, r.ns, r.name)
    until(lambda: far.state == "source", "it is seen there")
    once(far)
