# SPDX-License-Identifier: Apache-2.0
"""An action moves every volume of a replication group: who did not ask is
named, requests of members are joined, and who asks must be allowed to write
them all."""
import errno
import json
import os
import subprocess

import pytest

from dell_lab import (FAILOVER, dell, make_dell,  # noqa: F401
                      until)
from shell import FACTOR, never
from sites import NS, await_equal
from test_site_kubectl import Typed
from test_users import as_user
from uvr import BINARY

pytestmark = pytest.mark.limit(120)

NAMES = "one", "two", "three"
DBA, CLERK, ROOT = 2001, 2002, 0
PAYROLL = "payroll"
ACCESS = f"""access:
  - {{namespace: {NS}, owner: {CLERK}, group: {CLERK},
     directoryMode: "0755", fileMode: "0644"}}
  - {{namespace: {PAYROLL}, owner: {DBA}, group: {DBA},
     directoryMode: "0755", fileMode: "0644"}}
"""


def members(dell, d, *names, **options):
    """A group of three; the replications of those that are named."""
    pairs = dell.new_pairs(*NAMES, **options)
    made = [p.make(d) for p in pairs if p.name in names]
    for pair in pairs:
        pair.write("a", 2)
    for pair in pairs:
        await_equal(pair)
    # What uses the volumes, and the other members, may be listed last.
    if len(names) == len(NAMES):
        for one in made:
            one.await_allowed("promoting")
    return pairs, made


def await_verdict(one, verdict):
    try:
        until(lambda: one.verdict("promoting") == verdict, verdict, 15)
    except AssertionError:
        raise AssertionError(one.plan("promoting")) from None


def moved(dell, pairs, times=1):
    """All, by one action."""
    assert len(dell.ordered(FAILOVER)) == times, dell.orders
    assert len(dell.done(FAILOVER)) == times
    for pair in pairs:
        assert pair.is_writable("b") and not pair.is_writable("a")
        assert pair.data("b") == 2


# ---- who did not ask ----

def test_a_claim_without_a_replication_needs_force(dell):
    pairs, (one, two) = members(dell, dell.daemon(), "one", "two")
    await_verdict(one, "needs force")
    plan = one.plan("promoting")
    assert "three" in plan and "3" in plan, plan
    assert one.ask("promoting") == errno.EBUSY
    assert "three" in one.error and "force" in one.error
    assert one.state == "replica" and not dell.orders
    assert one.ask("promoting force") == 0, one.error
    one.done(seconds=30)
    moved(dell, pairs)
    assert two.state == "replica"


def test_volumes_that_are_not_claimed_here_need_force(dell):
    """Somebody has claimed one of three at the target, and Dell's sidecar has
    labelled that claim: the others move all the same."""
    dell.behind("a")
    pairs, (one,) = members(dell, dell.daemon(), "one",
                            target_claims=("one",))
    await_verdict(one, "needs force")
    dell.double.stop_site("a")
    dell.behind("a").down()
    dell.await_silence(one)
    await_verdict(one, "needs force")
    plan = one.plan("promoting")
    assert "two" in plan and "three" in plan, plan
    assert "moves all its 3 volumes" in plan, plan
    assert one.ask("promoting") == errno.EBUSY
    assert "two" in one.error and "three" in one.error
    never(lambda: dell.orders, "an action", 1)
    assert not pairs[1].is_writable("b")


def test_members_that_did_not_ask_see_that_they_moved(dell):
    """They were forced along: shown, and not fought."""
    pairs, (one, two) = members(dell, dell.daemon(), "one", "two")
    await_verdict(one, "needs force")
    one.go("promoting force")
    until(lambda: two.conditions["Drifted"].status == "True", "the drift")
    assert two.state == "replica" and two.ready.status != "True"
    never(lambda: len(dell.ordered()) != 1, "an action", 1)
    moved(dell, pairs)


# ---- joined ----

def test_requests_are_joined_and_acted_on_once(dell):
    pairs, uvrs = members(dell, dell.daemon(), *NAMES)
    waiting = [set(NAMES) - {"one"}, {"three"}]
    for one, missing in zip(uvrs, waiting):
        assert one.ask("promoting") == 0, one.error
        one.await_cond("Ready", "False", "GroupIncomplete")
        until(lambda one=one, missing=missing: all(
            m in one.ready.message for m in missing), missing)
    assert "three" in uvrs[0].ready.message
    never(lambda: dell.orders, "an action of less than all", 1)
    assert all(p.is_writable("a") for p in pairs)
    assert uvrs[2].ask("promoting") == 0, uvrs[2].error
    for one in uvrs:
        one.done(seconds=30)
    moved(dell, pairs)
    for one in uvrs:
        one.go("source")
    assert len(dell.ordered()) == 1


def test_a_joined_request_can_be_taken_back(dell):
    pairs, uvrs = members(dell, dell.daemon(), *NAMES)
    assert uvrs[0].ask("promoting") == 0
    uvrs[0].await_cond("Ready", "False", "GroupIncomplete")
    assert uvrs[0].ask("replica") == 0, uvrs[0].error
    uvrs[0].done()
    for one in uvrs[1:]:
        assert one.ask("promoting") == 0
        one.await_cond("Ready", "False", "GroupIncomplete")
    until(lambda: "one" in uvrs[2].ready.message, "who is missing")
    never(lambda: dell.orders, "an action", 1)
    assert all(p.is_writable("a") for p in pairs)


def test_force_of_one_does_not_wait_for_the_others(dell):
    pairs, uvrs = members(dell, dell.daemon(), *NAMES)
    assert uvrs[0].ask("promoting") == 0
    uvrs[0].await_cond("Ready", "False", "GroupIncomplete")
    assert uvrs[0].ask("promoting force") == 0, uvrs[0].error
    uvrs[0].done(seconds=30)
    moved(dell, pairs)


def test_all_are_moved_back_by_one_action_each(dell):
    """Swap and demoting are the group's, too."""
    pairs, uvrs = members(dell, dell.daemon(), *NAMES)
    for word in ("promoting", "source", "swap"):
        for one in uvrs:
            one.await_allowed(word)
        for one in uvrs:
            assert one.ask(word) == 0, (word, one.error)
        for one in uvrs:
            one.done("endpoints" if word == "swap" else "state", 30)
    moved(dell, pairs)
    for one in uvrs:
        one.await_cond("Degraded", "False", seconds=20)
    assert [o.action for o in dell.orders] == [FAILOVER, "REPROTECT_LOCAL"]
    for one in uvrs:
        one.await_allowed("demoting")
    for one in uvrs:
        assert one.ask("demoting") == 0, one.error
    for one in uvrs:
        one.done(seconds=30)
    assert [(o.site, o.action) for o in dell.ordered(FAILOVER)] == [
        ("a", FAILOVER), ("b", FAILOVER)]
    assert all(p.is_writable("a") for p in pairs)


# ---- in use ----

def test_in_use_by_one_blocks_all(dell):
    pairs, uvrs = members(dell, dell.daemon(), *NAMES)
    dell.double.use("a", NS, "two")
    for one in uvrs:
        until(lambda one=one: "in use: needs force" in one.plan("promoting"),
              "the pod")
        assert one.ask("promoting") == errno.EBUSY
        assert "two" in one.error, one.error
    assert not dell.orders
    dell.double.release("a", NS, "two")
    for one in uvrs:
        until(lambda one=one: "in use: ok" in one.plan("promoting"), "its end")
        assert one.ask("promoting") == 0, one.error
    for one in uvrs:
        one.done(seconds=30)
    moved(dell, pairs)


def test_in_use_since_the_others_asked(dell):
    """It was free when they were accepted: nothing is pulled away even so."""
    pairs, uvrs = members(dell, dell.daemon(), *NAMES)
    for one in uvrs[:2]:
        assert one.ask("promoting") == 0, one.error
    dell.double.use("a", NS, "two")
    until(lambda: "in use: needs force" in uvrs[2].plan("promoting"), "it")
    assert uvrs[2].ask("promoting") == errno.EBUSY
    never(lambda: dell.orders, "an action", 1)
    assert all(p.is_writable("a") for p in pairs)


# ---- who may ----

@pytest.fixture
def mixed(dell):
    """One member is the clerk's, one the DBA's."""
    d = dell.new()
    d.config.write_text(d.config.read_text() + ACCESS)
    d.start()
    os.chmod(d.base, 0o755)
    first = dell.new_pairs("bills")[0]
    second = dell.more(first.group, "wages", PAYROLL)
    uvrs = [p.make(d) for p in (first, second)]
    for pair in (first, second):
        pair.write("a", 2)
        await_equal(pair)
    for one in uvrs:
        one.await_allowed("promoting")
    return (first, second), uvrs


def write_as(one, uid, text):
    """0, or what echo says."""
    done = as_user(uid, f"echo {text} > state", cwd=one.path)
    return done.err if done.rc else ""


def test_force_needs_write_access_to_all(dell, mixed):
    pairs, (bills, wages) = mixed
    await_verdict(bills, "allowed")
    said = write_as(bills, CLERK, "promoting force")
    assert "ermission denied" in said, (said, bills.explain())
    assert "wages" in bills.error or PAYROLL in bills.error, bills.error
    assert bills.state == wages.state == "replica"
    never(lambda: dell.orders, "an action", 1)
    assert "ermission denied" in write_as(wages, CLERK, "promoting force")
    assert write_as(bills, ROOT, "promoting force") == "", bills.error
    bills.done(seconds=30)
    moved(dell, pairs)


def test_each_asks_for_his_own(dell, mixed):
    """Two who may not write the other's: their requests are joined."""
    pairs, (bills, wages) = mixed
    for one, uid in ((bills, CLERK), (wages, DBA)):
        assert write_as(one, uid, "promoting") == "", one.error
        if one is bills:
            one.await_cond("Ready", "False", "GroupIncomplete")
            assert not dell.orders
    for one in (bills, wages):
        one.done(seconds=30)
    moved(dell, pairs)


# ---- by kubectl ----

@pytest.fixture
def typed(dell):
    """Three, made by kubectl; with a mount."""
    d = dell.new("b", store="kubernetes")
    subprocess.run([BINARY, "-c", str(d.config), "install-crd"], check=True,
                   timeout=60 * FACTOR)
    d.start()
    pairs = dell.new_pairs(*NAMES)
    made = [Typed(dell, p) for p in pairs]
    for one in made:
        one.kubectl("create", "-f", "-", input=json.dumps(
            one.pair.manifest()))
    for one in made:
        one.await_ready("replica")
        one.pair.write("a", 2)
        one.mount = one.pair.at(d)
    for one in made:
        await_equal(one.pair)
        one.mount.await_allowed("promoting")
    return made


def test_kubectl_joins_requests(dell, typed):
    for one in typed[:2]:
        one.state("promoting")
        until(lambda one=one: one.condition("Ready").get("reason") ==
              "GroupIncomplete", "that it waits", 20)
    until(lambda: "three" in typed[0].condition("Ready")["message"], "who")
    assert not dell.orders
    typed[2].state("promoting")
    for one in typed:
        one.await_ready("promoting")
    moved(dell, [t.pair for t in typed])
    for one in typed:
        one.state("source")
    for one in typed:
        one.await_ready("source")
        assert one.mount.state == "source"
    assert len(dell.ordered()) == 1


def test_kubectl_and_mount_are_joined(dell, typed):
    typed[0].state("promoting")
    assert typed[1].mount.ask("promoting") == 0, typed[1].mount.error
    typed[1].mount.await_cond("Ready", "False", "GroupIncomplete")
    assert typed[2].mount.ask("promoting") == 0, typed[2].mount.error
    for one in typed:
        one.await_ready("promoting")
    moved(dell, [t.pair for t in typed])


def test_kubectl_in_use_by_one_blocks_all(dell, typed):
    dell.double.use("a", NS, "two")
    until(lambda: "in use: needs force" in typed[0].mount.plan("promoting"),
          "the pod")
    typed[0].state("promoting")
    until(lambda: "in use" in typed[0].condition("Ready").get("message", ""),
          f"the refusal: {typed[0].get()}", 20)
    assert typed[0].condition("Ready")["status"] == "False"
    assert typed[0].mount.state == "replica"
    assert not dell.orders and typed[0].pair.is_writable("a")
