# SPDX-License-Identifier: Apache-2.0
"""kill -9 between an intent and its act, before and after the API server has
it; and of the one that leads."""
import os
import threading

import pytest

import crds
from ceph_lab import NS, ceph, make_ceph, until  # noqa: F401
from daemons import install_crd
from shell import FACTOR, get
from sites import await_equal, numbers

pytestmark = pytest.mark.limit(300)

MANY = int(os.environ.get("UVRFS_MANY", "50"))
BEFORE, AFTER = "before", "after"


class Stop:
    """For a rule of a proxy: a request that waits, before the API server has
    it or with its answer, and gets none."""
    def __init__(self, when):
        self.when = when
        self.arrived, self.over = threading.Event(), threading.Event()

    def __call__(self, exchange):
        if self.when == AFTER:
            for _ in exchange.ask().pieces:
                pass
        self.arrived.set()
        assert self.over.wait(60 * FACTOR)
        exchange.finish(reset=True)

    def wait(self):
        assert self.arrived.wait(30 * FACTOR), "nothing came"

    def end(self):
        self.over.set()


def stop_at(ceph, of, when, method="PATCH", path="/volumereplications/"):
    stop = Stop(when)
    ceph.proxy("b", of).rule(stop, method, path, count=1)
    return stop


def kill(daemon, stop):
    stop.wait()
    daemon.kill9()
    stop.end()


def kill_through(ceph, one, ask, *points):
    """Asks, and kills the daemon at each of the points, one life for each."""
    stops = [stop_at(ceph, *points[0])]
    ask()
    for point in points[1:]:
        kill(one.daemon, stops[-1])
        stops.append(stop_at(ceph, *point))
        one.daemon.start()
    kill(one.daemon, stops[-1])
    one.daemon.start()


def is_moved_once(ceph, pair, data):
    assert len(ceph.acts("demote", "a", pair)) == 1
    assert len(ceph.acts("promote", "b", pair)) == 1
    assert not ceph.acts("force-promote", None, pair)
    assert ceph.diary.all("a", "vr", name=pair.name)[-1].role == "secondary"
    assert {e.meta["generation"] for site in "ab"
            for e in ceph.diary.all(site, "vr", name=pair.name)} == {1, 2}
    assert pair.data("b") == data and pair.is_writable("b")
    return True


def test_killed_between_intent_and_act(ceph):
    """As often as UVRFS_MANY says, four times a failover."""
    ceph.behind("a", "b")
    daemon, kills = ceph.daemon(), 0
    points = [("a", BEFORE), ("a", AFTER), ("b", BEFORE), ("b", AFTER)]
    while kills < MANY:
        pair = ceph.new_pair(f"kill-{kills}")
        one = pair.make(daemon)
        pair.write("a", 2)
        ceph.whole(pair, one)
        kill_through(ceph, one, lambda one=one: one.ask("promoting"),
                     *points[:MANY - kills])
        kills += len(points[:MANY - kills])
        one.done(seconds=20)
        assert one.ask("source") == 0, one.error
        one.done()
        assert is_moved_once(ceph, pair, 2)
        told = one.status["status"]["history"]
        assert [(t["word"], t["outcome"]) for t in told] == [
            (w, "verified") for w in ("replica", "promoting", "source")]
    assert len(ceph.acts("promote")) == (kills + 3) // 4


SNAPSHOTS = "/volumesnapshots"


def test_killed_in_an_unplanned_one(ceph):
    """Forced once; and no snapshot is left behind."""
    pair, one = ceph.behind("a", "b").ready("unplanned")
    ceph.lose("a")
    ceph.await_silence(one)
    until(lambda: one.verdict("promoting") == "allowed", "silence", 20)
    ceph.expect(forced=1, two_primaries=True)
    kill_through(ceph, one, lambda: one.ask("promoting"),
                 ("b", BEFORE), ("b", AFTER),
                 ("b", BEFORE, "POST", SNAPSHOTS),
                 ("b", AFTER, "POST", SNAPSHOTS))
    one.done(seconds=20)
    assert one.ask("source") == 0, one.error
    one.done()
    assert pair.is_writable("b") and pair.data("b") == 3
    until(lambda: not left_over(ceph, "b"), "no snapshot is left")


def left_over(ceph, site):
    return ceph.clusters[site].request("GET", crds.path("vs", NS))[1]["items"]


def test_killed_in_a_resync(ceph):
    """swap force: what is destroyed is destroyed once."""
    pair, one = ceph.behind("a", "b").ready("resync")
    ceph.lose("a")
    ceph.await_silence(one)
    ceph.expect(forced=1, two_primaries=True)
    until(lambda: one.verdict("promoting") == "allowed", "silence", 20)
    one.go("promoting", "source")
    pair.write("b", 1)
    ceph.find_again("a")
    one.await_cond("Degraded", "True", "SplitBrain", seconds=20)
    until(lambda: one.verdict("swap") == "needs force", "a verdict")
    kill_through(ceph, one, lambda: one.ask("swap force"),
                 ("a", BEFORE), ("a", AFTER), ("a", BEFORE), ("a", AFTER))
    one.done("endpoints", 30)
    await_equal(pair)
    assert pair.data("a") == 4
    assert len(ceph.acts("demote", "a")) == len(ceph.acts("resync", "a")) == 1
    assert ceph.diary.roles("a") == ["primary", "secondary", "resync",
                                     "secondary"]


# ---- two daemons, one lease ----

class Nodes:
    """Two daemons with one store, b's cluster; the first leads."""
    def __init__(self, ceph):
        self.ceph = ceph.behind("a")
        install_crd(ceph.clusters["b"])
        lease = f"ceph-{next(numbers)}"
        ceph.leases.append(("b", lease))
        store = (f"{{kubernetes: {{cluster: dr-cluster, lease: {lease}, "
                 "leaseDuration: 6s}}")
        self.both = [ceph.daemon(store=store, act="10s") for _ in range(2)]
        until(lambda: any(map(self.leads, self.both)), "a leader", 20)
        self.both.sort(key=self.leads, reverse=True)

    @staticmethod
    def leads(daemon):
        """Its file names host and process."""
        who = get(daemon.mnt / ".uvrfs/leader").split("_")
        return who[1:2] == [str(daemon.process.pid)]


@pytest.mark.parametrize("when, asked", [(BEFORE, "at the leader"),
                                         (AFTER, "at the other")])
def test_the_other_finishes_when_the_leader_is_killed(ceph, when, asked):
    nodes = Nodes(ceph)
    leader, other = nodes.both
    pair = ceph.new_pair("leader")
    one = pair.make(leader)
    pair.write("a", 2)
    follows = pair.at(other)
    until((follows / "state").exists, "that the other knows of it")
    asker = one if asked == "at the leader" else follows
    ceph.whole(pair, asker)
    stop = stop_at(ceph, "a", when)
    assert asker.ask("promoting") == 0, asker.error
    kill(leader, stop)
    until(lambda: nodes.leads(other), "that the other leads", 20)
    follows.done(seconds=30)
    assert follows.ask("source") == 0, follows.error
    follows.done()
    assert is_moved_once(ceph, pair, 2)
    leader.start()
    again = pair.at(leader)
    until(lambda: (again / "state").exists() and again.state == "source" and
          again.ready.status == "True", "the same at who was killed", 20)
    assert is_moved_once(ceph, pair, 2) and nodes.leads(other)
