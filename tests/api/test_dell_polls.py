# SPDX-License-Identifier: Apache-2.0
"""What the polls of a link say, and what they do not, one trap a test: a poll
that is bad or old changes no role, and is told as what it is."""
import errno

import pytest

from dell_lab import (FAILOVER, REPROTECT, await_told, dell, finish,
                      is_completed, make_dell, until)  # noqa: F401
from shell import never

pytestmark = pytest.mark.limit(120)


def test_link_error_after_a_good_reprotect(dell):
    """dell/csm#1780: not verified, not ordered again; well when it is said."""
    pair, one = dell.ready("linkerror")
    one.go("promoting", "source")
    dell.faults.add("hold-answer", site="b")
    assert one.ask("swap") == 0, one.error
    until(lambda: dell.done(REPROTECT), "the reprotect")
    dell.faults.add("link-error", site="b", state="INVALID")
    dell.faults.clear("hold-answer")
    b = dell.rg(pair, "b")
    b.reaches("INVALID", True)
    until(lambda: is_completed(b, REPROTECT), "the end")
    assert b.last["condition"] == f"Action {REPROTECT} succeeded"
    await_told(one, "INVALID")
    assert one.state == "source" and one.ready.status != "True"
    never(lambda: len(dell.done(REPROTECT)) != 1, "a second one", 1)
    dell.faults.clear()
    one.done("endpoints", 30)
    one.await_cond("Degraded", "False")
    assert len(dell.ordered(REPROTECT)) == 1


def test_link_poll_older_than_the_action(dell):
    """The other group shows what was before, until its sidecar looks."""
    pair, one = dell.ready("older")
    dell.double.stop("b")
    b = dell.rg(pair, "b")
    assert one.ask("promoting") == 0
    until(lambda: is_completed(dell.rg(pair, "a")), "the end")
    assert b.is_at("SYNCHRONIZED", False)
    until(lambda: one.seen("peer")["claim"] == "replica", "that it is seen")
    assert one.ready.status != "True" and one.ask("source") == errno.EBUSY
    never(lambda: one.ready.status == "True", "belief", 1)
    dell.double.start("b")
    finish(one, pair)


def unknown(dell, pair, site, word):
    if word == "UNKNOWN":
        dell.faults.add("link-error", site=site, message="timed out")
    elif word == "INVALID":
        dell.faults.add("link-error", site=site, state="INVALID")
    elif word == "EMPTY":
        dell.unlabel(pair, site)
    else:
        dell.double.stop(site)
        dell.age(pair, site)
        return
    dell.rg(pair, site).reaches(word)


def well(dell, pair, site):
    dell.faults.clear()
    dell.label(pair, site, pair.group.name)
    dell.double.start(site)


WORDS = "UNKNOWN", "INVALID", "EMPTY", "stale"


@pytest.mark.parametrize("word", WORDS)
def test_a_bad_poll_here_is_unknown_and_no_role(dell, word):
    """Neither a drift nor a replica that does not follow."""
    pair, one = dell.ready("badhere")
    unknown(dell, pair, "b", word)
    until(lambda: one.seen("here")["claim"] == "unknown", "that it is seen")
    one.await_cond("Ready", "Unknown", seconds=3)
    found = one.conditions
    assert one.state == "replica" and found["Synced"].status == "Unknown"
    assert found["Drifted"].status != "True", found["Drifted"]
    assert found["Degraded"].status != "True", found["Degraded"]


@pytest.mark.parametrize("word", WORDS)
def test_why_a_poll_is_bad_is_told(dell, word):
    pair, one = dell.ready("why")
    unknown(dell, pair, "b", word)
    await_told(one, {"UNKNOWN": "timed out", "stale": "2020-01-01"}.get(
        word, word), seconds=5)


@pytest.mark.parametrize("word", WORDS)
def test_a_bad_poll_here_promotes_nothing(dell, word):
    """The other one is the source, and says so."""
    pair, one = dell.ready("promotes")
    unknown(dell, pair, "b", word)
    until(lambda: one.verdict("promoting") != "allowed", "that it is noticed")
    assert one.ask("promoting") == errno.EBUSY and one.error
    assert one.state == "replica" and not dell.orders
    well(dell, pair, "b")
    one.await_cond("Ready", "True", "Verified")
    until(lambda: one.verdict("promoting") == "allowed", "a verdict")


def test_force_over_a_bad_poll_orders_once(dell):
    """The failover has made it the source: an unplanned one on top of that
    would be for a source, and nothing can tell what has become of it."""
    pair, one = dell.ready("forcebad")
    unknown(dell, pair, "b", "UNKNOWN")
    until(lambda: one.verdict("promoting") == "needs force", "a verdict")
    assert one.ask("promoting force") == 0, one.error
    until(lambda: dell.done(FAILOVER, "a"), "the failover")
    never(lambda: len(dell.ordered()) != 1, "another order", 7.5)
    well(dell, pair, "b")
    one.done(seconds=30)
    assert pair.is_writable("b") and len(dell.ordered()) == 1


@pytest.mark.parametrize("word", WORDS)
def test_a_bad_poll_there_is_no_absence(dell, word):
    """Neither is the peer taken for dead, nor for the source that it was."""
    pair, one = dell.ready("badthere")
    unknown(dell, pair, "a", word)
    until(lambda: one.verdict("promoting") != "allowed", "that it is noticed")
    assert one.ask("promoting") == errno.EBUSY and one.error
    assert one.state == "replica" and not dell.orders
    well(dell, pair, "a")
    until(lambda: one.verdict("promoting") == "allowed", "a verdict")


def test_last_successful_update_is_no_lag(dell):
    """It is the time of a poll, which is always just now."""
    pair, one = dell.ready("nolag")
    dell.faults.add("hold-transfer", site="b")
    pair.write("a", 2)
    a = dell.rg(pair, "b")
    before = a.link["lastSuccessfulUpdate"]
    until(lambda: a.link["lastSuccessfulUpdate"] != before, "a poll")
    assert one.read("lag").strip() == "unknown"
    assert pair.data("b") == 3 and pair.data("a") == 5


def test_action_sync_is_not_a_transfer(dell):
    """status.state SYNC_IN_PROGRESS: the link is SYNCHRONIZED all the while."""
    pair, one = dell.ready("actionsync")
    dell.faults.add("hold-action", site="b")
    b = dell.rg(pair, "b")
    b.act("SYNC")
    b.until(lambda f: f["status"]["state"] == "SYNC_IN_PROGRESS", "it runs")
    until(lambda: one.seen("here").get("busy"), "that it is seen")
    assert "link SYNCHRONIZED" in one.seen("here")["native"]
    assert one.state == "replica"
    assert one.conditions["Degraded"].reason != "InitialSync"


def test_a_transfer_is_not_action_sync(dell):
    """state Ready, link SYNC_IN_PROGRESS: it may be the first copy."""
    pair, one = dell.ready("transfer")
    dell.faults.add("hold-transfer", site="b")
    a, b = dell.rg(pair, "a"), dell.rg(pair, "b")
    a.does("SYNC")
    b.reaches("SYNC_IN_PROGRESS", False)
    assert b.status["state"] == "Ready"
    until(lambda: one.verdict("promoting") != "allowed", "that it is seen")
    assert "link SYNC_IN_PROGRESS" in one.seen("here")["native"]
    assert one.ask("promoting") == errno.EBUSY
    assert one.state == "replica" and not dell.ordered(FAILOVER)
    dell.faults.clear()
    until(lambda: one.verdict("promoting") == "allowed", "a verdict")
