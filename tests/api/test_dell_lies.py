# SPDX-License-Identifier: Apache-2.0
"""What Dell's replication groups say and is not so, one trap a test: uvrfs does
not believe it, and says why.  Which side an action is for is what every test
ends with, see dell_lab.py."""
import errno

import pytest

import crds
from dell_lab import (FAILOVER, REPROTECT, UNPLANNED, Gate,
                      await_told, dell, finish, is_completed, is_told,
                      make_dell, not_done, until)  # noqa: F401
from doubles import events
from shell import never
from sites import await_equal
from vendor_powerstore import PowerStore

pytestmark = pytest.mark.limit(120)


# ---- what is said of an action ----

def test_swallowed_array_error(dell):
    """Action FAILOVER_REMOTE succeeded, and the array is as it was."""
    pair, one = dell.ready("swallowed")
    dell.faults.add("array-error", site="a")
    assert one.ask("promoting") == 0
    a = dell.rg(pair, "a")
    until(lambda: is_completed(a), "the end of the action")
    assert a.last["condition"] == f"Action {FAILOVER} succeeded"
    not_done(one, pair)
    await_told(one, "succeeded", "still says source", "not believed")
    not_done(one, pair)
    dell.faults.clear()
    finish(one, pair)


def test_swallowed_error_is_an_error_at_the_deadline(dell):
    """And nothing is ordered any more, until somebody asks."""
    pair, one = dell.ready("swallowedend")
    dell.give(one.daemon, 8)
    dell.faults.add("array-error", site="a")
    assert one.ask("promoting") == 0
    until(lambda: one.state == "failed", "that it gives up", 25)
    assert "succeeded" in one.error and "not believed" in one.error
    a = dell.rg(pair, "a")
    until(lambda: is_completed(a) and not a.get()["spec"]["action"], "rest")
    before = len(dell.ordered(FAILOVER))
    never(lambda: len(dell.ordered(FAILOVER)) != before, "an action", 1)
    dell.faults.clear()
    assert pair.is_writable("a") and not pair.is_writable("b")


def test_sync_error_is_a_success_and_suspended(dell):
    """System_Paused.  A failover again would be for nothing: not asked for."""
    pair, one = dell.ready("syncerror")
    dell.faults.add("sync-error", site="a", times=1)
    assert one.ask("promoting") == 0
    a = dell.rg(pair, "a")
    until(lambda: is_completed(a) and a.is_at("SUSPENDED", True), "the end")
    assert a.last["condition"] == f"Action {FAILOVER} succeeded"
    await_told(one, "SUSPENDED", "SYNC")
    not_done(one, pair)
    assert len(dell.ordered(FAILOVER)) == 1
    dell.by_hand.add(("a", "SYNC"))
    a.act("SYNC")
    # What is asked for next may follow at once: the list keeps what was.
    a.until(lambda f: any(c["condition"] == "Action SYNC succeeded"
                          for c in f["status"]["conditions"]), "its end")
    finish(one, pair, orders=2)     # of which the first has failed


def test_unsupported_is_rejected_silently(dell, monkeypatch):
    """Blanked, and only an event says so: it fails, and is written once."""
    pair, one = dell.ready("unsupported")
    monkeypatch.delitem(PowerStore.CALLS, FAILOVER)
    assert one.ask("promoting") == 0
    until(lambda: one.state == "failed", "that it is noticed", 20)
    assert FAILOVER in one.error and "support" in one.error
    warned = events(dell.clusters["a"], pair.group.name, "Unsupported")
    assert len(warned) == 1 and not dell.ordered(FAILOVER)
    monkeypatch.undo()
    assert one.ask("promoting") == 0, one.error
    finish(one, pair)


def test_unsupported_after_another_action(dell, monkeypatch):
    """Of which the annotation still is."""
    pair, one = dell.ready("unsupported2")
    dell.rg(pair, "a").does("SYNC")
    until(lambda: one.verdict("promoting") == "allowed", "a whole copy", 20)
    monkeypatch.delitem(PowerStore.CALLS, FAILOVER)
    assert one.ask("promoting") == 0
    until(lambda: one.state == "failed", "that it is noticed", 20)
    assert FAILOVER in one.error and "support" in one.error
    assert len(events(dell.clusters["a"], pair.group.name,
                      "Unsupported")) == 1


def test_nothing_is_written_while_another_runs(dell):
    """It would be dropped without a word."""
    pair, one = dell.ready("another")
    a = dell.rg(pair, "a")
    dell.faults.add("hold-action", site="a")
    a.act("SYNC")
    a.until(lambda f: f["status"]["state"] == "SYNC_IN_PROGRESS", "it runs")
    until(lambda: is_told(one, "SYNC") or one.seen("peer").get("busy"),
          "that it is noticed")
    assert one.ask("promoting force") == 0, one.error
    await_told(one, "an action runs at prod-cluster")
    never(lambda: a.get()["spec"]["action"] != "SYNC", "an action")
    assert not events(dell.clusters["a"], pair.group.name, "InProgress")
    dell.faults.clear()
    finish(one, pair)


def test_another_begins_in_the_same_moment(dell):
    """Between look and write: the write is refused, none is lost."""
    proxy = dell.behind("a")
    pair, one = dell.ready("moment")
    gate, a = Gate(proxy), dell.rg(pair, "a")
    assert one.ask("promoting") == 0
    gate.await_held()
    dell.faults.add("hold-action", site="a")
    a.act("SYNC")
    a.until(lambda f: f["status"]["state"] == "SYNC_IN_PROGRESS", "it runs")
    gate.open(is_lost=False)
    await_told(one, "an action runs at prod-cluster")
    assert a.get()["spec"]["action"] == "SYNC"
    dell.faults.clear()
    finish(one, pair)
    assert not events(dell.clusters["a"], pair.group.name, "InProgress")


def test_ours_is_overwritten_by_another(dell):
    """Before the sidecar has looked: what ran was not ours, though it
    succeeded, and ours is missing."""
    pair, one = dell.ready("overwritten")
    a = dell.rg(pair, "a")
    dell.double.stop("a")
    assert one.ask("promoting") == 0
    a.until(lambda f: f["spec"]["action"] == FAILOVER, "the action")
    a.act("SYNC")
    dell.double.start("a")
    until(lambda: is_completed(a, "SYNC") or is_completed(a), "an end")
    until(lambda: one.state == "failed" or one.ready.status == "True",
          "an end of the request", 30)
    if one.state == "failed":
        assert FAILOVER in one.error
        assert one.ask("promoting") == 0, one.error
    finish(one, pair)


def test_ours_is_blanked_by_another(dell):
    pair, one = dell.ready("blanked")
    a = dell.rg(pair, "a")
    dell.double.stop("a")
    assert one.ask("promoting") == 0
    a.until(lambda f: f["spec"]["action"] == FAILOVER, "the action")
    a.act("")
    until(lambda: one.state == "failed", "that it is noticed", 20)
    assert FAILOVER in one.error and not dell.ordered(FAILOVER)
    dell.double.start("a")
    assert one.ask("promoting") == 0, one.error
    finish(one, pair)


def test_error_stays_though_the_array_is_right(dell):
    """dell/csm#1445: it is shown, and in nobody's way."""
    pair, one = dell.ready("errorstays")
    dell.faults.add("grpc-error", site="a", times=1, code="InvalidArgument",
                    message="bad RPO")
    a = dell.rg(pair, "a")
    a.act("SUSPEND")
    assert "failed with error" in a.ends("SUSPEND")
    assert a.status["state"] == "Error"
    until(lambda: "Error" in one.seen("peer")["native"], "that it is shown")
    assert "bad RPO" in one.seen("peer")["native"]
    assert one.ready.status == "True" and one.state == "replica"
    until(lambda: one.verdict("promoting") == "allowed", "a verdict")
    one.ask("promoting")
    finish(one, pair)


def test_an_error_that_is_retried_is_shown(dell):
    pair, one = dell.ready("retried")
    dell.faults.add("grpc-error", site="a", message="the array is busy")
    assert one.ask("promoting") == 0
    await_told(one, "the array is busy")
    not_done(one, pair)
    dell.faults.clear()
    finish(one, pair)


def test_an_error_that_is_final_fails(dell):
    pair, one = dell.ready("final")
    dell.faults.add("grpc-error", site="a", times=1, code="InvalidArgument",
                    message="no such session")
    assert one.ask("promoting") == 0
    until(lambda: one.state == "failed", "the failure", 20)
    assert "no such session" in one.error
    never(lambda: len(dell.ordered(FAILOVER)) != 1, "another", 1)
    assert one.ask("promoting") == 0, one.error
    finish(one, pair)


# ---- sides ----

def test_reprotect_is_never_for_the_wrong_side(dell):
    """Where the source says nothing, the other one is not asked instead."""
    pair, one = dell.ready("wrongside")
    two = pair.make(dell.daemon("a"), "source")
    one.go("promoting", "source")
    until(lambda: two.conditions["Drifted"].status == "True", "that a sees it")
    dell.faults.add("link-error", site="b", message="timed out")
    until(lambda: one.seen("here")["claim"] == "unknown", "that it is seen")
    assert one.ask("swap force") != 0
    two.ask("demoting force")
    two.ask("syncing force")
    never(lambda: dell.ordered(REPROTECT), "a reprotect", 2)
    a = dell.rg(pair, "a")
    assert a.note()["name"] == FAILOVER and not a.get()["spec"]["action"]


def test_failover_remote_is_never_for_a_non_source(dell):
    """The peer has stepped down by other hands, and this side is not read."""
    pair, one = dell.ready("nonsource")
    dell.faults.add("link-error", site="b", message="timed out")
    dell.rg(pair, "b").reaches("UNKNOWN")
    dell.by_hand.add(("a", FAILOVER))
    dell.rg(pair, "a").does(FAILOVER)
    until(lambda: one.seen("peer")["claim"] == "replica", "that it is seen")
    one.ask("promoting force")
    never(lambda: len(dell.ordered(FAILOVER)) != 1, "a failover", 2)
    assert not dell.ordered(UNPLANNED)
    assert one.ready.status != "True"


def test_failover_remote_in_the_moment_of_another(dell):
    """Somebody else fails it over between look and write."""
    proxy = dell.behind("a")
    pair, one = dell.ready("moment2")
    gate = Gate(proxy)
    assert one.ask("promoting") == 0
    gate.await_held()
    dell.rg(pair, "a").does(FAILOVER)
    gate.open(is_lost=False)
    finish(one, pair)
    assert len(dell.ordered(FAILOVER)) == 1


def test_unplanned_failover_is_never_for_a_source(dell):
    """Somebody has made it the source already: adopted, without an act."""
    proxy = dell.behind("a")
    pair, one = dell.ready("already")
    dell.storage.cut()
    proxy.down()
    dell.rg(pair, "b").does(UNPLANNED)
    until(lambda: one.seen("here")["claim"] == "source", "that it is seen")
    one.ask("promoting force")
    never(lambda: len(dell.ordered()) != 1, "an action", 2)
    assert pair.is_writable("b") and len(dell.done(UNPLANNED)) == 1


@pytest.fixture
def old_api(cluster, other_cluster):
    """v1alpha1 alone, of before csm-replication 1.4.0."""
    for one in (cluster, other_cluster):
        crds.uninstall(one, "rg")
    yield lambda: cluster.request("GET", crds.path("rg"))[0] == 404
    for one in (cluster, other_cluster):
        crds.uninstall(one, "rg-v1alpha1")


def test_old_api(old_api, make_dell):  # noqa: F811
    dell = make_dell(old=True)  # noqa: F811
    assert old_api()
    pair, one = dell.ready("old")
    one.go("promoting", "source", "swap")
    assert len(dell.done(FAILOVER)) == len(dell.done(REPROTECT)) == 1
    pair.write("b", 1)
    await_equal(pair)
    assert pair.data("a") == 4


# ---- nobody answers ----

def test_controller_down(dell):
    """The deadline fails it, and the reason is who does not answer."""
    pair, one = dell.ready("down")
    dell.give(one.daemon, 5)
    dell.double.stop("a")
    assert one.ask("promoting") == 0
    a = dell.rg(pair, "a")
    a.until(lambda f: f["spec"]["action"] == FAILOVER, "the action")
    until(lambda: one.state == "failed", "that it gives up", 20)
    assert one.ready.reason == "Failed" and "prod-cluster" in one.error
    never(lambda: a.note(), "an answer of nobody", 0.2)
    dell.give(one.daemon, 60)
    dell.double.start("a")      # which does what it finds, in the middle of it
    until(lambda: one.ask("promoting") == 0, "that it goes on")
    finish(one, pair)
    assert len(dell.ordered(FAILOVER)) == 1


def test_controller_down_is_told(dell):
    """Once its last poll is old."""
    pair, one = dell.ready("downtold")
    dell.double.stop("a")
    assert one.ask("promoting") == 0
    a = dell.rg(pair, "a")
    a.until(lambda f: f["spec"]["action"] == FAILOVER, "the action")
    dell.age(pair, "a")
    await_told(one, "sidecar")
    assert one.state == "promoting" and pair.is_writable("a")
    dell.double.start("a")
    finish(one, pair)
    assert len(dell.ordered(FAILOVER)) == 1


def test_what_nobody_has_begun_is_taken_back(dell):
    """Or a source steps down days later, that is in use again."""
    pair, one = dell.ready("takenback")
    dell.double.stop("a")
    assert one.ask("promoting") == 0
    a = dell.rg(pair, "a")
    a.until(lambda f: f["spec"]["action"] == FAILOVER, "the action")
    until(lambda: one.verdict("replica") != "allowed", "it is seen here")
    assert one.ask("replica") == errno.EBUSY, one.error
    dell.age(pair, "a")
    until(lambda: one.verdict("replica") == "allowed", "a verdict")
    assert one.ask("replica") == 0, one.error
    a.until(lambda f: f["spec"]["action"] == "", "that it is taken back")
    dell.double.start("a")
    one.done(seconds=30)
    never(lambda: dell.orders, "an order", 1)
    assert not a.note() and pair.is_writable("a")
    assert one.ask("promoting") == 0, one.error
    finish(one, pair)


def nobody_begins(dell, name):
    """The other site is silent, and at this one nobody takes orders."""
    proxy = dell.behind("a")
    pair, one = dell.ready(name)
    proxy.down()
    dell.await_silence(one)
    dell.double.stop("b")
    return pair, one


def test_a_promotion_that_nobody_has_begun_is_taken_back(dell):
    pair, one = nobody_begins(dell, "takenback2")
    assert one.ask("promoting") == 0, one.error
    b = dell.rg(pair, "b")
    b.until(lambda f: f["spec"]["action"] == UNPLANNED, "the action")
    until(lambda: one.verdict("replica") == "allowed", "a verdict")
    assert one.ask("replica") == 0, one.error
    b.until(lambda f: f["spec"]["action"] == "", "that it is taken back")
    dell.double.start("b")
    one.done(seconds=30)
    never(lambda: dell.orders, "an order", 1)
    assert not b.note() and not pair.is_writable("b")


def test_the_deadline_takes_back_what_nobody_has_begun(dell):
    """Or it is carried out when nobody wants it any more."""
    pair, one = nobody_begins(dell, "takenback3")
    dell.give(one.daemon, 3)
    assert one.ask("promoting") == 0, one.error
    until(lambda: one.state == "failed", "the deadline", 20)
    assert "not asked for the promotion any more" in one.error
    b = dell.rg(pair, "b")
    assert b.get()["spec"]["action"] == ""
    dell.double.start("b")
    never(lambda: dell.orders, "an order", 1)
    assert not b.note() and not pair.is_writable("b")


# ---- use, and two sources ----

def test_in_use_by_any_member(dell):
    """Of a claim that nobody has a replication for, even."""
    first, other = dell.new_pairs("first", "other")
    one = first.make(dell.daemon())
    dell.double.use("a", first.ns, "other")
    until(lambda: "in use: needs force" in one.plan("promoting"), "the pod")
    assert one.ask("promoting") == errno.EBUSY
    assert "other" in one.error and not dell.orders
    assert other.is_writable("a")


def split(dell, name):
    """Both are sources, each with a daemon, and each sees itself only."""
    for of, site in ("ab", "ba"):
        dell.behind(of, site)
    pair, one = dell.ready(name)
    two = pair.make(dell.daemon("a"), "source")
    dell.part()
    dell.await_silence(one)
    dell.await_silence(two)
    one.go("promoting", "source")
    pair.write("a", 2)
    pair.write("b", 1)
    return pair, one, two


def test_old_source_serves_writes_and_nobody_fights(dell):
    pair, one, two = split(dell, "fight")
    assert one.state == two.state == "source"
    assert pair.is_writable("a") and pair.is_writable("b")
    assert len(dell.done(UNPLANNED, "b")) == 1
    dell.join()
    for u in (one, two):
        u.await_cond("Degraded", "True", "SplitBrain", seconds=20)
        assert u.state == "source"
    never(lambda: len(dell.ordered()) != 1, "an act", 1.5)
    dell.storage.join()
    one.await_cond("Degraded", "True", dell.returned, seconds=20)
    until(lambda: two.conditions["Drifted"].status == "True", "the drift", 20)
    assert two.state == "source" and two.ready.status != "True"
    never(lambda: len(dell.ordered()) != 1, "an act", 1.5)


def test_reprotect_overwrites_only_by_force(dell):
    pair, one, _ = split(dell, "overwrites")
    mine = pair.writes("a")
    dell.join()
    dell.storage.join()
    one.await_cond("Degraded", "True", dell.returned, seconds=20)
    until(lambda: one.verdict("swap") == "needs force", "a verdict", 20)
    assert one.ask("swap") == errno.EBUSY and "force" in one.error
    assert not dell.ordered(REPROTECT) and pair.writes("a") == mine
    one.go("swap force")
    one.await_cond("Degraded", "False", seconds=20)
    await_equal(pair)
    assert pair.data("a") == 4 and not pair.is_writable("a")
    assert [o.site for o in dell.ordered(REPROTECT)] == ["b"]
