# SPDX-License-Identifier: Apache-2.0
"""Of several daemons one acts, and another one when that one can't any more."""
import random
import time

import pytest

from daemons import NS, fail_over, kept, make_node, once, store  # noqa: F401
from shell import FACTOR, get, never, until
from uvr import Uvr

pytestmark = pytest.mark.limit(120)


@pytest.fixture
def array(make_node):
    """What moves the data, so that the others may come and go."""
    return make_node(direct=True, lead=False)


def pair(make_node, **options):
    first = make_node(**options).await_lead()
    return first, make_node(**options)


def seen_by(node, r):
    other = Uvr(node, r.ns, r.name)
    until((other / "state").exists, "it is seen there")
    return other.await_allowed("promoting")


def test_takes_over_from_one_that_was_killed(array, make_node):
    a, b = pair(make_node)
    r = a.replica()
    a.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    assert r.ask("promoting") == 0
    until(lambda: "demote-peer" in r.acts(), "it is under way")
    a.kill9()
    b.await_lead(8)
    b.faults("dr-cluster")
    other = Uvr(b, r.ns, r.name)
    other.done(seconds=20)
    assert other.ask("source") == 0
    once(other)
    kept(b.proxy.cluster, other)


def test_one_that_was_frozen_steps_down(array, make_node):
    a, b = pair(make_node)
    r = a.replica()
    other = seen_by(b, r)
    a.freeze()
    b.await_lead(8)
    fail_over(other)
    a.thaw()
    until(lambda: not a.leads(), "it has noticed")
    until(lambda: r.state == "source", "it sees what has happened")
    assert len(a.did()) == 1 and len(b.did()) == 2
    once(r)
    # It takes writes as before, and b carries them out.
    assert r.ask("demoting force") == 0
    r.done(seconds=20)
    assert len(a.did()) == 1


@pytest.mark.parametrize("continues", [False, True])
def test_an_act_never_wakes_up_late(array, make_node, continues):
    """It is stopped in its call; by the end of its lease it is dead."""
    a, b = pair(make_node, act="6s", lease=6)
    r = a.replica()
    other = seen_by(b, r)
    a.faults(r.here, "slow 4000")
    assert r.ask("promoting") == 0
    until(lambda: "demote-peer" in r.acts(), "the peer has stepped down")
    until(lambda: (r.status["status"]["intent"] or {}).get("act") == "promote",
          "the intent")
    time.sleep(1)               # by then it is in the call, for four seconds
    a.freeze()
    b.await_lead(12)
    if continues:
        a.thaw()
    assert a.process.wait(20 * FACTOR) == -9
    b.faults("dr-cluster")
    other.done(seconds=20)
    assert other.ask("source") == 0
    once(other)
    a.unmount()


def test_one_that_is_cut_off_stops_first(array, make_node):
    a, b = pair(make_node)
    r = a.replica()
    other = seen_by(b, r)
    a.proxy.pause()

    def has_stopped():
        theirs, mine = b.leads(), a.leads()     # in this order
        assert not (theirs and mine), "both lead"
        return not mine
    until(has_stopped, "it stops")
    assert r.ask("promoting") != 0 and r.state == "replica"
    b.await_lead(8)
    fail_over(other)
    assert len(a.did()) == 1
    a.proxy.resume()
    until(lambda: r.state == "source", "it has caught up", 20)
    r.await_cond("Ready", "True", seconds=20)
    assert not a.leads()


def test_hands_over_at_its_end(array, make_node):
    """Sooner than the lease of a minute."""
    a, b = pair(make_node, lease=60)
    a.stop()
    b.await_lead(15)


def test_who_is_no_candidate_never_leads(make_node):
    one = make_node(lead=False)
    assert get(one.mnt / ".uvrfs/leader") == "none\n"
    assert "nobody leads" in get(one.mnt / ".uvrfs/health")
    never(one.leads, "it leads", 4)
    two = make_node().await_lead()
    until(lambda: get(one.mnt / ".uvrfs/leader") ==
          get(two.mnt / ".uvrfs/leader"), "one knows who does")
    assert get(one.mnt / ".uvrfs/health") == "ok\n"


def test_leaders_die_at_random(array, make_node):
    nodes = [make_node() for _ in range(2)]
    until(lambda: any(n.leads() for n in nodes), "one leads")
    names = [nodes[0].replica().name for _ in range(8)]
    chance = random.Random(7)

    def ask(r, word):
        """By whoever lives, until it is accepted."""
        return r.state == word or r.ask(word) in (0,)
    for turn, word in enumerate(("promoting", "source")):
        node = nodes[turn % 2]
        for name in names:
            r = Uvr(node, NS, name)
            until(lambda r=r: ask(r, word), f"{name} {word}", 30)
            if chance.random() < 0.4:
                leader = next((n for n in nodes if n.leads()), None)
                if leader is not None and leader is not node:
                    leader.kill9()
                    leader.unmount()
                    leader.start()
        for name in names:
            Uvr(node, NS, name).done(seconds=40)
    for name in names:
        r = Uvr(nodes[0], NS, name)
        # What was done at one is told to the other a moment later.
        until(lambda r=r: [(t["word"], t["outcome"])
                           for t in r.status["status"]["history"]] == [
            (word, "verified") for word in ("replica", "promoting", "source")],
              f"{name}: {r.read('history')}")
        assert r.acts().count("promote") == 1, r.journal()
