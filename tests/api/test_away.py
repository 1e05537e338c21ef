# SPDX-License-Identifier: Apache-2.0
"""The API server goes away and comes back: what is known stays readable, nothing
is lost, nothing is done twice, and the return costs next to nothing."""
import contextlib
import errno
import subprocess
import threading
import time

import pytest

import proxy as faults
from daemons import (NS, body_of, fail_over, kept, new_name, once,
                     path_of)
from shell import FACTOR, background, get, name_of, never, sh, until

pytestmark = pytest.mark.limit(120)

COLLECTION = path_of("", NS)[:-1]
FILES = ("state", "conditions", "endpoints", "mode", "schedule", "volumes",
         "spec.yaml", "status.json", "backend", "lag", "progress", "error",
         "hold", "log", "history", "plan/promoting")


class Killed:
    def __init__(self, node):
        self.cluster = node.proxy.cluster

    def go(self):
        self.cluster.stop_api()

    def back(self):
        self.cluster.start_api()


class Frozen(Killed):
    def go(self):
        self.cluster.freeze()

    def back(self):
        self.cluster.thaw()


class Blackholed:
    def __init__(self, node):
        self.proxy = node.proxy

    def go(self):
        self.proxy.pause()

    def back(self):
        self.proxy.resume()


class Refused(Blackholed):
    def go(self):
        self.proxy.down()

    def back(self):
        self.proxy.up()


class Hanging(Blackholed):
    """Connections are made, requests are taken, and then nothing."""
    def go(self):
        self.proxy.rule(faults.hang())
        for link in self.proxy.connections():
            link.shut()

    def back(self):
        self.proxy.clear()
        for link in self.proxy.connections():
            link.shut()


WAYS = {"killed": Killed, "frozen": Frozen, "blackholed": Blackholed,
        "refused": Refused, "hanging": Hanging}


@contextlib.contextmanager
def away(node, way):
    how = WAYS[way](node)
    how.go()
    try:
        yield how
    finally:
        how.back()


def make(make_node, way, **options):
    """Straight to the API server where that itself is to go."""
    return make_node(direct=way in ("killed", "frozen"), **options)


def is_unknown(r):
    """What it tells while the store is away."""
    return r.ready.status == "Unknown" and \
        r.ready.reason == "StoreUnreachable" and \
        r.conditions["Synced"].status == "Unknown" and \
        r.conditions["Synced"].reason == "StoreUnreachable"


@pytest.mark.parametrize("way", WAYS)
def test_in_a_transition(make_node, way):
    node = make(make_node, way).await_lead()
    r = node.replica()
    node.faults(r.peer, "slow 500")
    assert r.ask("promoting") == 0
    with away(node, way):
        # A write that is under way may last for 10 s.
        until(lambda: is_unknown(r), "it tells", 14)
        assert r.state == "promoting"
        began = time.monotonic()
        for name in FILES:
            r.read(name)
        assert node.names() == [r.name]
        assert sh("grep -r . . >/dev/null", cwd=r.path).rc in (0, 1)
        assert time.monotonic() - began < 2
        code = r.ask("source")
        assert code == errno.EHOSTUNREACH, name_of(code)
        assert r.error.strip()
        assert r.write("hold", "wait") == errno.EHOSTUNREACH
        assert r.state == "promoting"
    since = time.monotonic()
    r.done(seconds=20)
    r.await_cond("Ready", "True", seconds=15)
    print(f"{way}: well again after {time.monotonic() - since:.1f} s")
    assert time.monotonic() - since < 10
    once(r, "promoting")
    r.go("source")
    once(r)
    kept(node.proxy.cluster, r)
    assert r.read("hold") == ""


def test_many_in_transitions_tell_soon(make_node):
    """Also those that wait for a write to end: one after the other is late."""
    node = make_node().await_lead()
    made = [node.replica() for _ in range(4)]
    node.faults(made[0].peer, "slow 300")
    for r in made:
        assert r.ask("promoting") == 0
    with away(node, "blackholed"):
        until(lambda: all(is_unknown(r) for r in made), "all tell", 12)
    for r in made:
        r.done(seconds=20)
        once(r, "promoting")


def test_both_daemons_tell(make_node):
    """Who leads, and who does not."""
    nodes = [make_node(), make_node(lead=False)]
    r = nodes[0].replica()
    until((nodes[1].mnt / NS / r.name).exists, "it is told")
    for node in nodes:
        mine = node.uvr(NS, r.name)
        with away(node, "refused"):
            until(lambda mine=mine: is_unknown(mine), "it tells")
            others = [n for n in nodes if n is not node][0]
            assert others.uvr(NS, r.name).state == "replica"
        mine.await_cond("Ready", "True", seconds=15)


def test_a_glance_away_is_no_news(make_node):
    """Shorter than anybody would notice: no event, no PATCH."""
    node = make_node().await_lead()
    r = node.replica()
    since, before = node.proxy.cluster.mark(), r.read("conditions")
    node.proxy.down()
    node.proxy.up()
    never(lambda: r.read("conditions") != before, "news", 3)
    asked = node.proxy.cluster.requests(since, agent="uvrfs/")
    assert not [q for q in asked if q["verb"] == "patch" and
                q["object"].get("resource") != "leases"], asked


# ---- what others did meanwhile ----

def test_compacted_with_changes(make_node):
    node = make_node().await_lead()
    cluster = node.proxy.cluster
    kept_one, asked, gone, anew = [node.replica() for _ in range(4)]
    node.proxy.pause()
    until(lambda: is_unknown(asked), "it can't see", 8)
    born = new_name("born")
    cluster.create(COLLECTION, body_of(born))
    code, answer = cluster.request("PATCH", path_of(asked.name), {
        "spec": {"replicationState": "promoting"}})
    assert code == 200, answer
    cluster.remove(path_of(gone.name))
    cluster.remove(path_of(anew.name))
    first = anew.status["metadata"]["uid"]
    cluster.create(COLLECTION, body_of(anew.name))
    cluster.compact()
    assert gone.state == "replica" and born not in node.names()
    since = cluster.mark()
    node.proxy.resume()
    until(lambda: not gone.path.exists(), "one is gone", 15)
    until(lambda: asked.state == "promoting", "one is asked", 15)
    assert asked.sync() == 0, asked.explain()
    once(asked, "promoting")
    new = node.uvr(NS, born)
    until(new.path.exists, "one is there")
    until(lambda: (new / "state").exists() and new.sync() == 0, "accepted")
    assert new.state == "replica" and new.acts() == ["create"]
    until(lambda: anew.status["metadata"]["uid"] != first, "it is another")
    anew.await_cond("Ready", "True")
    assert len(anew.read("history").splitlines()) == 1
    assert anew.acts() == ["create"]        # it was there, and is adopted
    kept_one.await_cond("Ready", "True")
    touched = [q for q in cluster.requests(since, agent="uvrfs/")
               if q["verb"] == "patch" and
               q["object"].get("name") == kept_one.name]
    assert not touched, touched
    assert len(kept_one.read("history").splitlines()) == 1


def test_compacted_under_the_watch(make_node):
    """Restarted, all versions too old, nothing changed."""
    node = make(make_node, "killed").await_lead()
    r = node.replica()
    node.proxy.cluster.compact()
    fail_over(r)
    once(r)
    r.await_cond("Ready", "True", seconds=15)


# ---- what the return costs ----

@pytest.mark.parametrize("way", ["frozen", "refused"])
def test_no_patch_per_object(make_node, way):
    nodes = [make(make_node, way).await_lead(), make(make_node, way)]
    node, cluster = nodes[0], nodes[0].proxy.cluster
    names = [new_name("many") for _ in range(50)]
    for name in names:
        cluster.create(COLLECTION, body_of(name))
    made = [node.uvr(NS, name) for name in names]

    def settled():
        return all((r / "state").exists() and r.ready.status == "True" and
                   r.conditions["Degraded"].status == "False" for r in made)
    until(settled, "all are verified", 40)
    before = [r.read("history") for r in made]
    since = cluster.mark()
    with contextlib.ExitStack() as stack:
        for one in nodes[:1] if way == "frozen" else nodes:
            stack.enter_context(away(one, way))
        until(lambda: all(is_unknown(r) for r in made), "it tells", 10)
        until(lambda: is_unknown(nodes[1].uvr(NS, names[0])), "both", 10)
    until(lambda: all(r.ready.status == "True" for r in made), "back", 15)
    until(lambda: any(n.leads() for n in nodes), "one leads", 10)
    never(lambda: not all(r.ready.status == "True" for r in made), "it stays",
          1)
    asked = [q for q in cluster.requests(since, agent="uvrfs/")
             if q["object"].get("resource") != "leases"]
    patches = [q for q in asked if q["verb"] == "patch"]
    print(f"{way}: {len(asked)} requests after the return, {len(patches)} "
          "of them PATCHes, of 50 objects and two daemons")
    assert len(patches) <= 2, patches
    assert not [q for q in asked if q["verb"] == "create"], asked
    assert len(asked) < 60, [q["requestURI"] for q in asked]
    assert [r.read("history") for r in made] == before


# ---- away at the start, and at the end ----

def test_away_at_the_start(make_node):
    """Each fails, and says why."""
    since, started = time.monotonic(), []
    for way in ("refused", "blackholed", "hanging"):
        node = make_node(start=False)
        WAYS[way](node).go()
        started.append((way, node, subprocess.Popen(
            node.command("-f"), stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)))
    for way, node, process in started:
        _, said = process.communicate(timeout=40 * FACTOR)
        assert process.returncode == 1, said
        assert node.proxy.url in said, (way, said)
        assert time.monotonic() - since < 35 * FACTOR, way
        assert node._minor() is None


def test_back_while_it_starts(make_node):
    node = make_node(start=False)
    node.proxy.rule(faults.status(429, retry_after=1), count=3)
    node.start()
    node.await_lead()


def test_without_the_definition(make_node, cluster):
    """Which is said at once, with what to do."""
    node = make_node(start=False)
    node.proxy.rule(faults.status(404), "GET", "replication.unified.io")
    since = time.monotonic()
    with pytest.raises(RuntimeError, match="install-crd"):
        node.start()
    assert time.monotonic() - since < 10


@pytest.mark.parametrize("way", ["blackholed", "hanging"])
def test_ended_while_away(make_node, way):
    node = make(make_node, way).await_lead()
    r = node.replica()
    with away(node, way):
        writer = background(f"echo promoting > {r.path}/state")
        began = time.monotonic()
        assert r.state == "replica"
        assert time.monotonic() - began < 1
        began = time.monotonic()
        node.stop()
        print(f"{way}: ended after {time.monotonic() - began:.1f} s")
        assert time.monotonic() - began < 12
        writer.communicate(timeout=20)
    node.start()
    node.await_lead()
    until(lambda: r.state in ("replica", "promoting"), "it is read")
    assert r.sync() == 0
    assert len(r.acts()) == len(set(r.acts()))


def test_a_write_that_hangs_holds_up_no_reader(make_node):
    node = make_node().await_lead()
    r, other = node.replica(), node.replica()
    node.proxy.rule(faults.hang(), "PATCH", "unifiedvolumereplications")
    codes = []
    writer = threading.Thread(
        target=lambda: codes.append(r.ask("promoting")))
    writer.start()
    slowest = 0
    while writer.is_alive():
        began = time.monotonic()
        assert other.state == "replica" and r.read("status.json")
        assert get(node.mnt / ".uvrfs/summary")
        slowest = max(slowest, time.monotonic() - began)
        writer.join(0.02)
    assert slowest < 1, f"a reader waited for {slowest:.1f} s"
    assert codes[0] in (0, errno.EHOSTUNREACH, errno.ETIMEDOUT)
