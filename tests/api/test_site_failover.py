# SPDX-License-Identifier: Apache-2.0
"""The tutorial on two clusters, for each vendor, typed at the mount: planned,
unplanned, rolled back, failed and tried again, reversed."""
import errno

import yaml

from shell import never, until
from sites import await_equal


def ready_pair(sites, name, **config):
    """A replication whose copy is whole, at the replica's site."""
    pair = sites.new_pair(name)
    one = pair.make(sites.daemon(**config))
    pair.write("a", 3)
    await_equal(pair)
    until(lambda: one.verdict("promoting") == "allowed", "a whole copy", 20)
    return pair, one


def await_following(one):
    """The source is protected again."""
    one.await_cond("Degraded", "False", seconds=30)


def test_planned(sites):
    pair, one = ready_pair(sites, "planned")
    plan = one.plan("promoting")
    assert "failover: planned" in plan and "kubectl --context" in plan
    one.go("promoting", "source")
    assert one.state == "source" and one.ready.reason == "Verified"
    assert pair.is_writable("b") and pair.data("b") == 3
    assert "planned" in one.read("history")
    known = yaml.safe_load(one.read("volumes"))
    assert known["pvc"]["phase"] == "Bound" and known["pvc"]["volume"]
    reason = (one.daemon.mnt / ".uvrfs/backends/vendor/reason").read_text()
    assert reason.count("is installed") == 2


def test_reversed(sites):
    """swap: the old source follows, and nothing that was written is lost."""
    pair, one = ready_pair(sites, "reversed")
    one.go("promoting", "source", "swap")
    assert one.read("endpoints").index("dr-cluster") < \
        one.read("endpoints").index("prod-cluster")
    pair.write("b", 2)
    await_following(one)
    await_equal(pair)
    assert pair.data("a") == 5 and not pair.is_writable("a")


def test_and_back(sites):
    """A second failover, in the other direction, asked for at the first site."""
    pair, one = ready_pair(sites, "andback")
    one.go("promoting", "source", "swap")
    pair.write("b", 2)
    await_following(one)
    back = pair.make(sites.daemon("a"))
    until(lambda: back.verdict("promoting") == "allowed", "a whole copy", 20)
    back.go("promoting", "source")
    assert pair.is_writable("a") and pair.data("a") == 5
    until(lambda: one.ready.status != "True", "that dr notices")
    assert one.conditions["Drifted"].status == "True"


def test_unplanned(sites):
    """The source's site is gone; it comes back, and is made to follow."""
    pair, one = ready_pair(sites, "unplanned")
    sites.lose("a")
    sites.await_silence(one)
    plan = one.plan("promoting")
    assert plan.startswith("allowed\nfailover: unplanned"), plan
    one.go("promoting", "source")
    assert one.ready.reason == "Verified"
    assert pair.is_writable("b") and pair.data("b") == 3
    pair.write("b", 1)
    sites.find_again("a")
    one.await_cond("Degraded", "True", sites.returned, seconds=30)
    assert one.ask("swap") == errno.EBUSY
    assert "force" in one.error
    one.go("swap force")
    await_following(one)
    await_equal(pair)
    assert pair.data("a") == 4 and not pair.is_writable("a")


def test_policy_of_silence(sites):
    """A peer that has just fallen silent may be there again in a moment."""
    pair, one = ready_pair(sites, "policy", act="30s")
    sites.lose("a")
    until(lambda: one.verdict("promoting") == "not now", "that it is noticed",
          20)
    assert one.ask("promoting") == errno.EBUSY
    assert "has not answered yet" in one.error


def test_unknown_is_no_role(sites):
    """Neither site's silence changes a state."""
    pair, one = ready_pair(sites, "unknown")
    sites.lose("b")
    until(lambda: one.ready.status == "Unknown", "that it is noticed", 20)
    assert one.state == "replica" and one.conditions["Synced"].status == \
        "Unknown"
    sites.find_again("b")
    one.await_cond("Ready", "True", "Verified", seconds=30)


def test_in_use(sites):
    pair, one = ready_pair(sites, "inuse")
    sites.double.use("a", "database", pair.claim)
    until(lambda: one.verdict("promoting") == "needs force", "the pod")
    assert one.ask("promoting") == errno.EBUSY
    assert "in use by" in one.error and one.state == "replica"
    sites.double.release("a", "database", pair.claim)
    until(lambda: one.verdict("promoting") == "allowed", "its end")
    one.go("promoting", "source")


def test_rolled_back(sites):
    """Before the peer has stepped down: it stays what it is."""
    pair, one = ready_pair(sites, "rolledback")
    sites.hold_step_down()
    assert one.ask("promoting") == 0
    until(lambda: "demote-peer" in one.read("log"), "the first step", 20)
    until(lambda: one.ask("replica") == 0, "that it can be undone", 20)
    sites.let_step_down()
    one.done(seconds=40)
    assert one.state == "replica" and one.ready.status == "True"
    until(lambda: pair.is_writable("a"), "the old source", 20)
    assert not pair.is_writable("b")


def failed_pair(sites, name):
    pair, one = ready_pair(sites, name)
    sites.give(one.daemon, 3)
    sites.fail_promotions()
    assert one.ask("promoting") == 0
    until(lambda: one.state == "failed", "that it gives up", 40)
    assert one.ready.reason == "Failed" and one.error
    sites.give(one.daemon, 60)
    return pair, one


def test_failed_and_tried_again(sites):
    pair, one = failed_pair(sites, "failed")
    sites.mend_promotions()
    until(lambda: one.ask("promoting") == 0, "that it can be retried", 20)
    one.done(seconds=40)
    one.go("source")
    assert pair.is_writable("b") and pair.data("b") == 3


def test_failed_and_rolled_back(sites):
    """And nobody goes on with the promotion behind our back."""
    pair, one = failed_pair(sites, "givenup")
    until(lambda: one.ask("replica") == 0, "that it can be undone", 20)
    one.done(seconds=40)
    sites.mend_promotions()
    until(lambda: pair.is_writable("a"), "the old source", 20)
    never(lambda: pair.is_writable("b"), "a late promotion", 1.5)
    assert one.state == "replica"
