# SPDX-License-Identifier: Apache-2.0
"""Of several daemons one acts: whoever leads, dies, hangs or is cut off, what was
asked is done once, and never by two."""
import collections
import errno
import os
import pathlib
import random
import signal
import stat
import time

import pytest

import proxy as faults
from daemons import ENDS, LEASE, NS, fail_over, new_name, once
from replication import manifest
from shell import FACTOR, never, until

LEASE_SECONDS = 3       # times FACTOR, as all that is waited for
PF_EXITING = 4          # of the kernel's include/linux/sched.h
KILLS = int(os.environ.get("UVRFS_KILLS", "10"))
SEED = int(os.environ.get("UVRFS_SEED", "0")) or random.randrange(1 << 30)

pytestmark = pytest.mark.limit(120)


@pytest.fixture
def array(make_node):
    """Never leads, so that it outlives all others: its process moves the
    simulated data."""
    return make_node(lead=False)


@pytest.fixture
def pair(array, make_node):
    """The leader, and who comes after it."""
    first = make_node().await_lead()
    return first, make_node()


def holder(node):
    code, lease = node.proxy.cluster.request("GET", LEASE)
    return lease["spec"].get("holderIdentity", "") if code == 200 else ""


def is_writable(path):
    return bool(os.stat(path).st_mode & stat.S_IWUSR)


def never_two(r):
    assert not (is_writable(r.here_volume) and is_writable(r.peer_volume))


def takes_over(node, since, within=LEASE_SECONDS + 2.0):
    """Seconds from then on until it leads."""
    until(node.leads, "it takes over", within)
    return time.monotonic() - since


def is_ending(process):
    """Killed, though the kernel may still be taking it apart."""
    try:
        text = pathlib.Path(f"/proc/{process.pid}/stat").read_text()
    except OSError:
        return True
    return bool(int(text.rpartition(") ")[2].split()[6]) & PF_EXITING)


def steps_down(leader, other, seconds=LEASE_SECONDS):
    """Before the other leads."""
    def check():
        theirs, mine = other.leads(), leader.leads()
        assert not (mine and theirs), "two leaders"
        return not mine
    until(check, "it steps down", seconds)


def busy(r, act):
    """That the act is under way: its intent is stored, and it takes long."""
    def check():
        intent = r.status["status"]["intent"]
        return intent and intent["act"] == act
    until(check, f"{act} is under way")


def begin(array, slow=1500, within=0.2):
    """A failover whose first act takes a while, and is under way."""
    r = array.replica()
    array.faults(r.peer, f"slow {round(slow * FACTOR)}")
    assert r.ask("promoting") == 0
    busy(r, "demote-peer")
    # The intent is there before the act is begun.
    never(lambda: r.acts() != ["create"], "an act that is not slow", within)
    return r


# ---- the leader goes ----

def test_killed_in_a_transition(array, pair):
    leader, other = pair
    r = begin(array)
    leader.kill9()
    since = time.monotonic()
    took = takes_over(other, since)
    r.done(seconds=20)
    once(r, "promoting")
    never_two(r)
    print(f"another leads {took:.1f} s after a kill")
    leader.start()
    assert leader.uvr(NS, r.name).state == "promoting"
    r.go("source")
    assert not leader.did()


def test_one_after_the_other(array, make_node):
    nodes = [make_node() for _ in range(3)]
    r = array.replica()
    for _ in range(2):
        leading = until(lambda: [n for n in nodes if n.leads()], "one leads")
        assert len(leading) == 1
        nodes.remove(leading[0])
        leading[0].kill9()
        until(lambda: [n for n in nodes if n.leads()], "another leads",
              LEASE_SECONDS + 2)
    fail_over(r)
    once(r)
    for node in (array, *nodes):
        until(lambda n=node: n.uvr(NS, r.name).state == "source", "all see it")


def test_stopped_well(array, make_node):
    lease = round(12 * FACTOR)
    first = make_node(lease=lease).await_lead()
    other = make_node(lease=lease)
    r = array.replica()
    mine = other.uvr(NS, r.name)
    until((mine / "state").exists, "it is seen there")
    assert mine.await_allowed("promoting").ask("promoting") == 0
    since = time.monotonic()
    first.stop()
    took = takes_over(other, since)
    assert took < lease / 2, f"{took:.1f} s of a lease of {lease} s"
    r.done()
    once(r, "promoting")


def test_stopped_within_an_act(array, pair):
    leader, other = pair
    r = begin(array)
    leader.stop()
    takes_over(other, time.monotonic())
    r.done(seconds=20)
    once(r, "promoting")


def test_who_may_not_lead(array, make_node):
    """Writes are taken, and done when somebody may."""
    assert not array.leads() and not holder(array)
    r = array.uvr(NS, new_name())
    os.makedirs(r.path)
    assert r.write("spec.yaml", manifest(r.name, NS, clusters=ENDS)) == 0
    never(lambda: holder(array) or r.acts() or r.ready.status == "True",
          "it acts", LEASE_SECONDS + 1)
    make_node().await_lead()
    r.done()
    assert not array.did()


# ---- the leader stops for a while ----

def test_frozen(array, pair):
    leader, other = pair
    r = array.replica()
    mine, did = leader.uvr(NS, r.name), leader.did()
    assert mine.state == "replica"
    leader.freeze()
    took = takes_over(other, time.monotonic())
    print(f"another leads {took:.1f} s after a stop")
    fail_over(r)
    leader.thaw()
    until(lambda: not leader.leads(), "it knows that it no longer leads")
    until(lambda: mine.state == "source" and mine.ready.status == "True",
          "its mount shows what is")
    assert leader.did() == did
    once(r)
    assert mine.ask("demoting") == 0 or mine.error
    never(lambda: leader.did() != did, "it acts")
    assert other.leads() and len(other.did()) == 2, other.log()


def test_frozen_within_an_act(array, pair):
    leader, other = pair
    r = begin(array, slow=2000)
    leader.freeze()
    since = time.monotonic()
    # The kernel ends it, before anybody else can lead.

    def check():
        theirs, acts = other.leads(), r.acts()
        if is_ending(leader.process):
            return True
        assert not theirs and acts == ["create"], "it has outlived its lease"
        return False
    until(check, "its end", LEASE_SECONDS + 2)
    until(lambda: not leader.alive(), "its status")
    assert leader.process.returncode == -signal.SIGKILL
    takes_over(other, since)
    r.done(seconds=20)
    once(r, "promoting")
    leader.start()
    assert leader.uvr(NS, r.name).state == "promoting"


@pytest.mark.parametrize("within", [0, 0.01, 0.03])
def test_frozen_before_an_act(array, pair, within):
    """About to begin: it may live, and does not begin it afterwards."""
    leader, other = pair
    r = begin(array, slow=1500, within=within)
    leader.freeze()
    takes_over(other, time.monotonic())
    r.done(seconds=20)
    did, acts = len(other.did()), r.acts()
    leader.thaw()
    never(lambda: r.acts() != acts, "an act of the old one", 0.5)
    once(r, "promoting")
    assert len(other.did()) == did == 2
    if leader.alive():
        until(lambda: not leader.leads(), "it knows that it no longer leads")
        assert not [line for line in leader.did() if "demote-peer" in line]


def test_frozen_for_a_moment_within_an_act(array, pair):
    """Shorter than the lease: it goes on, and nobody notices."""
    leader, other = pair
    r = begin(array, slow=1000)
    leader.freeze()
    never(lambda: other.leads() or not leader.alive(), "an end", 0.7)
    leader.thaw()
    r.done(seconds=20)
    once(r, "promoting")
    assert leader.leads() and not other.did()


# ---- the leader is cut off ----

@pytest.mark.parametrize("how", ["pause", "down", "hang", "503", "wrong-json"])
def test_cut_off(array, pair, how):
    leader, other = pair
    r = begin(array)
    mine = leader.uvr(NS, r.name)
    action = {"hang": faults.hang(), "503": faults.status(503),
              "wrong-json": faults.wrong_json()}.get(how)
    if action:
        leader.proxy.rule(action, path="/leases/")
    else:
        getattr(leader.proxy, how)()
    since = time.monotonic()
    steps_down(leader, other)
    stopped = time.monotonic() - since
    took = takes_over(other, since)
    print(f"{how}: stops after {stopped:.1f} s, another leads at {took:.1f} s")
    if not action:
        mine.await_cond("Ready", "Unknown", "StoreUnreachable")
        assert mine.ask("source") == errno.EHOSTUNREACH
    r.done(seconds=20)
    once(r, "promoting")
    leader.proxy.clear()
    leader.proxy.resume()
    if how == "down":
        leader.proxy.up()
    until(lambda: mine.state == "promoting" and
          mine.ready.status == "True", "it is back", 15)
    assert mine.await_allowed("source").ask("source") == 0
    r.done()
    assert not leader.leads() and other.leads()


def test_cut_off_both(array, pair):
    """Nobody acts, until one can."""
    leader, other = pair
    r = array.replica()
    for node in pair:
        node.proxy.pause()
    until(lambda: not leader.leads(), "it stops", LEASE_SECONDS)
    assert r.ask("promoting") == 0
    never(lambda: r.acts() != ["create"], "an act", LEASE_SECONDS * FACTOR)
    for node in pair:
        node.proxy.resume()
    r.done(seconds=20)
    once(r, "promoting")
    assert leader.leads() != other.leads()


# ---- what others do to the lease ----

def test_the_lease_is_taken_away(array, pair):
    leader, other = pair
    r = array.replica()
    code, _ = array.proxy.cluster.request(
        "PATCH", LEASE, {"spec": {"holderIdentity": "a-robot"}})
    assert code == 200
    until(lambda: not leader.leads(), "it steps down", 2)
    until(lambda: leader.leads() or other.leads(), "one leads again",
          LEASE_SECONDS + 2)
    fail_over(r)
    once(r)


def test_the_lease_is_deleted(array, pair):
    """By somebody: one leads, in the end, and never two for long."""
    leader, other = pair
    r = begin(array)
    assert array.proxy.cluster.request("DELETE", LEASE)[0] == 200
    r.done(seconds=20)
    once(r, "promoting")
    never(lambda: leader.leads() and other.leads(), "two leaders", 1)
    until(lambda: leader.leads() or other.leads(), "one leads")


def test_a_lease_of_another_site(array, make_node):
    """A daemon that speaks for the other side is no candidate."""
    make_node().await_lead()
    stray = make_node(start=False)
    stray.config.write_text(stray.config.read_text().replace(
        "site: dr-cluster", "site: prod-cluster"))
    with pytest.raises(RuntimeError, match="two sites"):
        stray.start()


@pytest.mark.parametrize("how", [
    faults.hang(), faults.reset(), faults.status(503), faults.status(429)],
    ids=["no answer", "a reset", "503", "429"])
def test_the_first_look_at_the_lease_fails(array, make_node, how):
    node = make_node(start=False)
    rule = node.proxy.rule(how, "GET", "/leases/", count=1)
    node.start().await_lead()
    assert rule.hits == 1


# ---- all of it, at random ----

WORDS = {"replica": "promoting", "promoting": "source", "source": "demoting",
         "demoting": "source"}


@pytest.mark.limit(60 + 12 * KILLS)
def test_kills_at_random(array, make_node):
    print(f"UVRFS_SEED={SEED}")
    chance = random.Random(SEED)
    nodes = [make_node(), make_node()]
    until(lambda: any(n.leads() for n in nodes), "one leads")
    made = [array.replica() for _ in range(5)]
    made[0].go("promoting", "source", "swap")
    made[1].go("promoting", "source", "swap", "demoting")
    accepted = collections.Counter()
    for turn in range(KILLS):
        for r in made:
            word = WORDS[r.state]
            if word == "demoting" and turn % 2:
                word = "swap"
            code = r.ask(word)
            assert code in (0, errno.EBUSY, errno.EPERM), r.explain()
            accepted[word] += not code
        time.sleep(chance.uniform(0, 0.6))
        leading = [n for n in nodes if n.leads()]
        if leading:
            leading[0].kill9()
        until(lambda: any(n.alive() and n.leads() for n in nodes),
              "another leads", LEASE_SECONDS + 3)
        if leading:
            leading[0].start()
        for r in made:
            never_two(r)
    assert accepted["promoting"] and accepted["swap"], accepted
    for r in made:
        for name in ("state", "endpoints"):
            assert r.sync(name, 30) == 0, r.explain()
        never_two(r)
        told = r.status["status"]["history"]
        ids = [t["request"] for t in told]
        assert ids == sorted(set(ids)), r.read("history")
        assert all(t["outcome"] in ("verified", "replaced") for t in told), \
            r.read("history")
        assert is_writable(r.here_volume) == (
            r.state in ("source", "promoting"))
    lines = collections.Counter(tuple(line.split()[1:5])
                                for line in array.journal())
    assert max(lines.values()) == 1, lines
    print(f"accepted: {dict(accepted)}")
