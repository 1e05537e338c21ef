# SPDX-License-Identifier: Apache-2.0
"""What csi-addons and ceph-csi say and is not so, one trap a test: uvrfs does
not believe it, and says why."""
import errno

import pytest

import vendor
from ceph_lab import (FINAL, FOLLOWS, NS, Gate, ceph, make_ceph,  # noqa: F401
                      until)
from shell import never
from sites import await_equal

pytestmark = pytest.mark.limit(120)

JUST_DEMOTED = ("True", "True", "False")


def message(one, kind="Ready"):
    return one.conditions[kind].message


def is_told(one, *words):
    """Where people look when it does not go on."""
    text = one.read("conditions") + one.error + "".join(
        p.read_text() for p in (one / "plan").iterdir())
    return all(w in text for w in words)


# ---- a promotion that csi-addons would force by itself ----

def test_primary_waits_for_the_final_copy(ceph):
    """Written earlier it would be forced, and lose the last writes."""
    pair, one = ceph.ready("final")
    ceph.faults.add("hold-transfer", site="b")
    pair.write("a", 2)
    assert one.ask("promoting") == 0
    ceph.object("a", "final").reaches(FOLLOWS, "Secondary")
    ceph.polled("a", pair)
    ceph.polled("b", pair)
    assert ceph.diary.roles("b") == ["secondary"] and one.state == "promoting"
    assert one.ready.status == "False" and one.ask("source") == errno.EBUSY
    ceph.faults.clear("hold-transfer")
    one.done()
    assert pair.data("b") == 5 and pair.is_writable("b")
    assert [c.detail for c in ceph.acts("promote")] == [f"{NS}/final"]
    assert in_order(ceph, "final")


def in_order(ceph, name):
    """The API servers got it at a first, then at b, once each."""
    found = []
    for site in "ab":
        found += [(r["time"], site) for r in ceph.asked(
            site, "patch", "volumereplications")
            if r["object"]["name"] == name and r["code"] == 200]
    return [site for _, site in sorted(found)] == ["a", "b"]


def test_a_final_copy_that_lasts_does_not_call_for_force(ceph):
    """Nothing is wrong: whoever forced it would lose the last writes."""
    pair, one = ceph.ready("lasts")
    ceph.faults.add("hold-transfer", site="b")
    pair.write("a", 2)
    assert one.ask("promoting") == 0
    ceph.object("a", "lasts").reaches(FOLLOWS, "Secondary")
    ceph.polled("a", pair)
    until(lambda: "force" not in message(one), "that it just goes on")
    assert one.ready.reason == "InProgress", message(one)


def mend(ceph, pair):
    ceph.faults.clear()
    ceph.look("b", pair.name)
    await_equal(pair)
    assert pair.data("b") == pair.data("a") == 5
    assert not ceph.acts("resync") and not pair.is_writable("b")


BREAK = {"a copy that lasts": (),
         "a mirror that is broken": ("resync-error",)}


@pytest.mark.parametrize("how", BREAK)
def test_the_role_is_given_back_without_a_final_copy(ceph, how):
    """Only the old source has its last writes: it need not wait for them."""
    pair, one = ceph.ready("giveback")
    ceph.faults.add("hold-transfer", site="b")
    pair.write("a", 2)
    assert one.ask("promoting") == 0
    ceph.object("a", pair.name).reaches(FOLLOWS, "Secondary")
    for fault in BREAK[how]:
        ceph.faults.add(fault, site="b", message="no mirror daemon")
        ceph.polled("a", pair)
    until(lambda: one.ask("replica") == 0, "that it can be undone", 20)
    until(lambda: pair.is_writable("a"), "the old source", 20)
    mend(ceph, pair)
    one.done(seconds=20)
    assert one.state == "replica"


@pytest.mark.parametrize("how", BREAK)
def test_the_role_is_taken_back_without_a_final_copy(ceph, how):
    pair = ceph.new_pair("takeback")
    ceph.replicating("a", pair.name)
    one = pair.make(ceph.daemon("a"), "source")
    pair.write("a", 3)
    ceph.whole(pair, one, "demoting")
    ceph.faults.add("hold-transfer", site="b")
    pair.write("a", 2)
    assert one.ask("demoting") == 0, one.error
    ceph.object("a", pair.name).reaches(FOLLOWS, "Secondary")
    for fault in BREAK[how]:
        ceph.faults.add(fault, site="b", message="no mirror daemon")
        ceph.polled("a", pair)
    until(lambda: one.ask("source") == 0, "that it can be undone", 20)
    one.done(seconds=20)
    assert one.state == "source" and pair.is_writable("a")
    mend(ceph, pair)


def test_just_demoted_is_not_final(ceph):
    """Completed True, Degraded True, Resyncing False: nobody has looked yet."""
    pair, one = ceph.ready("justdemoted")
    ceph.double.poll = 30
    ceph.look("b", pair.name)
    ceph.faults.add("hold-transfer", site="b")
    pair.write("a", 1)
    assert one.ask("promoting") == 0
    a = ceph.object("a", pair.name)
    a.reaches(JUST_DEMOTED, "Secondary")
    never(lambda: ceph.object("b", pair.name).role == "primary", "a promotion")
    ceph.faults.clear()
    ceph.double.poll = 0.2
    ceph.look("a", pair.name)
    ceph.look("b", pair.name)
    one.done()
    assert pair.data("b") == 4


def test_a_final_copy_goes_stale(ceph):
    """The True, False, False of an earlier move is not that of this one."""
    pair, one = ceph.ready("stale")
    one.go("promoting", "source", "swap")
    a = ceph.object("a", pair.name)
    back = pair.make(ceph.daemon("a"))
    pair.write("b", 2)
    ceph.whole(pair, back)
    ceph.faults.add("hold-transfer", site="a")
    pair.write("b", 3)
    assert back.ask("promoting") == 0
    ceph.object("b", pair.name).reaches(FOLLOWS, "Secondary")
    ceph.polled("b", pair)
    assert a.role != "primary"
    ceph.faults.clear()
    back.done()
    assert pair.data("a") == 8 and pair.is_writable("a")


def test_a_stale_final_copy_proves_nothing_alone(ceph):
    """The peer went on as the source; then it is lost, unseen."""
    ceph.behind("b")
    pair, one = ceph.ready("alone")
    one.go("promoting", "source")
    assert ceph.object("a", pair.name).triple() == FINAL
    ceph.faults.add("hold-transfer", site="a")
    pair.write("b", 2)
    d = ceph.new("a")
    one.daemon.stop()
    ceph.lose("b")
    back = pair.make(d.start(), verified=False)
    ceph.await_silence(back)
    until(lambda: back.verdict("promoting") == "needs force", "a verdict")
    assert "copy: needs force" in back.plan("promoting")
    assert back.ready.status != "True"
    assert back.ask("promoting") == errno.EBUSY and "force" in back.error


# ---- whose generation it is ----

def test_nothing_observed_yet_is_in_progress(ceph):
    """The spec is written, its generation is not observed."""
    pair, one = ceph.ready("observed")
    ceph.faults.add("hold-rpc", site="b")
    assert one.ask("promoting") == 0
    b = ceph.object("b", pair.name)
    b.until(lambda f: f["status"]["observedGeneration"] <
            f["metadata"]["generation"], "the spec")
    never(lambda: one.ready.status == "True" or one.state == "failed", "done")
    assert one.conditions["Progressing"].status == "True"
    assert one.ask("source") == errno.EBUSY
    ceph.faults.clear()
    one.go("promoting", "source")


STATES = {"a": ("Secondary", ("Demoted", "Healthy", "NotResyncing"), FINAL),
          "b": ("Primary", ("Promoted", "Healthy", "NotResyncing"), FINAL)}


@pytest.mark.parametrize("site", "ab")
def test_conditions_of_an_older_generation(ceph, site):
    """The status is stamped with the new one, each condition tells its own."""
    pair, one = ceph.ready("older")
    ceph.double.stop(site)
    assert one.ask("promoting") == 0
    vr = ceph.object(site, pair.name)
    vr.until(lambda f: f["metadata"]["generation"] == 2, "the spec", 20)
    state, reasons, statuses = STATES[site]
    ceph.clusters[site].set_status(vr.path, {
        "state": state, "observedGeneration": 2, "conditions": [
            {"type": t, "status": s, "reason": r, "message": "",
             "observedGeneration": 1, "lastTransitionTime": vendor.now()}
            for t, s, r in zip(("Completed", "Degraded", "Resyncing"),
                               statuses, reasons)]})
    never(lambda: one.ready.status == "True" or
          (site == "a" and ceph.object("b", pair.name).role == "primary"),
          "that it is believed")
    assert one.ask("source") == errno.EBUSY
    if site == "b":     # or csi-addons would believe it
        ceph.clusters[site].set_status(vr.path, {"state": "Secondary"})
    ceph.double.start(site)
    one.done(seconds=20)
    assert pair.is_writable("b") and pair.data("b") == 3


# ---- failures ----

def test_observed_generation_is_of_failures_too(ceph):
    pair, one = ceph.ready("failure")
    ceph.faults.add("promote-error", site="b", message="no quorum")
    assert one.ask("promoting") == 0
    b = ceph.object("b", pair.name)
    b.until(lambda f: f["status"]["observedGeneration"] ==
            f["metadata"]["generation"] == 2, "an answer")
    until(lambda: is_told(one, "no quorum"), "what the driver says")
    assert one.state == "promoting" and one.ready.status == "False"
    assert one.ask("source") == errno.EBUSY
    ceph.faults.clear()
    one.go("promoting", "source")
    assert pair.is_writable("b")


def test_a_demotion_that_fails_is_no_demotion(ceph):
    pair, one = ceph.ready("nodemote")
    ceph.faults.add("demote-error", site="a", message="blocklisted")
    assert one.ask("promoting") == 0
    until(lambda: is_told(one, "blocklisted"), "what the driver says")
    assert one.ready.status == "False" and pair.is_writable("a")
    assert ceph.diary.roles("b") == ["secondary"]
    ceph.faults.clear()
    one.done()
    assert pair.is_writable("b") and not pair.is_writable("a")


def test_who_writes_it_again_nudges(ceph, monkeypatch):
    """csi-addons comes back after a quarter of an hour, or when the spec has
    changed."""
    pair, one = ceph.ready("nudge")
    ceph.give(one.daemon, 5)
    monkeypatch.setattr(vendor, "BACKOFF", (600, 600))
    fault = ceph.faults.add("promote-error", site="b", message="no quorum")
    assert one.ask("promoting") == 0
    until(lambda: one.state == "failed", "the deadline", 20)
    assert "no quorum" in one.error and fault.hits == 1
    ceph.faults.clear()
    # It was taken back, and is a whole copy again as soon as that is told.
    until(lambda: one.ask("promoting") == 0, "that it may be retried")
    one.done()
    assert pair.is_writable("b") and len(ceph.acts("promote")) == 1


@pytest.mark.parametrize("site, act", [("a", "demote-peer"), ("b", "demote")])
def test_without_a_sidecar_nothing_is_said(ceph, site, act):
    pair, one = ceph.ready("sidecar")
    ceph.give(one.daemon, 5)
    ceph.faults.add("sidecar-missing", site=site)
    assert one.ask("promoting") == 0
    until(lambda: one.state == "failed", "the deadline", 20)
    assert "deadline" in one.error and one.ready.reason == "Failed"
    assert f"did: {act}" in one.read("log").splitlines()[-2]
    ceph.faults.clear()
    until(lambda: one.verdict("promoting") == "allowed", "it may be retried")
    one.go("promoting", "source")
    assert pair.is_writable("b") and pair.data("b") == 3


def in_vain(ceph, name, seconds=60):
    """a is lost, and csi-addons of b does not take the promotion up."""
    ceph.behind("a").expect(two_primaries=True)     # as far as it is asked
    pair, one = ceph.ready(name)
    ceph.proxy("b", "a").down()
    ceph.await_silence(one)
    ceph.double.stop("b")
    ceph.give(one.daemon, seconds)
    assert one.ask("promoting") == 0, one.error
    until(lambda: ceph.object("b", name).role == "primary", "the request", 20)
    return pair, one


def stays(ceph, pair, one):
    """a is the source all the time, also when csi-addons is back."""
    assert ceph.object("b", pair.name).role == "secondary"
    ceph.proxy("b", "a").up()
    ceph.double.start("b")
    ceph.polled("b", pair)
    never(lambda: ceph.acts("promote") or ceph.acts("force-promote"),
          "a late promotion", 1)
    assert pair.is_writable("a") and not pair.is_writable("b")


def test_the_deadline_takes_back_what_nobody_has_taken_up(ceph):
    """Or it is carried out, by force, when nobody wants it any more."""
    pair, one = in_vain(ceph, "takenback", 3)
    until(lambda: one.state == "failed", "the deadline", 20)
    assert "not asked for the promotion any more" in one.error
    stays(ceph, pair, one)
    until(lambda: one.verdict("promoting") == "allowed", "it may be retried",
          20)


def test_what_nobody_has_taken_up_is_rolled_back(ceph):
    pair, one = in_vain(ceph, "takenback2")
    until(lambda: one.ask("replica") == 0, "that it can be undone", 20)
    until(lambda: ceph.object("b", pair.name).role == "secondary", "it is not")
    stays(ceph, pair, one)
    one.done(seconds=20)
    assert one.state == "replica"


def test_what_may_be_in_use_by_now_is_not_taken_back(ceph):
    """Whoever waits for the volume there lets go of it first."""
    pair, one = in_vain(ceph, "takenback3")
    ceph.double.use("b", NS, pair.claim)
    until(lambda: one.verdict("replica") == "needs force", "a verdict", 20)
    assert one.ask("replica") == errno.EBUSY and "in use by" in one.error
    ceph.double.release("b", NS, pair.claim)
    until(lambda: one.ask("replica") == 0, "that it can be undone", 20)
    until(lambda: ceph.object("b", pair.name).role == "secondary", "it is not")
    stays(ceph, pair, one)


def stays_source(ceph, pair, one):
    until(lambda: ceph.object("a", pair.name).role == "primary", "it is not",
          20)
    ceph.double.start("a")
    one.done(seconds=20)
    assert pair.is_writable("a") and not ceph.acts("demote")


def test_a_step_down_that_nobody_has_taken_up_is_rolled_back(ceph):
    """Or the source is taken away from who uses it, whenever that may be."""
    pair, one = ceph.ready("notdown")
    ceph.double.stop("a")
    assert one.ask("promoting") == 0, one.error
    until(lambda: ceph.object("a", pair.name).role == "secondary", "a request")
    until(lambda: one.ask("replica") == 0, "that it can be undone", 20)
    stays_source(ceph, pair, one)


def test_a_step_down_that_nobody_has_taken_up_is_taken_back(ceph):
    pair = ceph.new_pair("notdown2")
    ceph.replicating("a", pair.name)
    one = pair.make(ceph.daemon("a"), "source")
    ceph.whole(pair, one, "demoting")
    ceph.double.stop("a")
    assert one.ask("demoting") == 0, one.error
    until(lambda: ceph.object("a", pair.name).role == "secondary", "a request")
    until(lambda: one.ask("source") == 0, "that it can be undone", 20)
    stays_source(ceph, pair, one)


def test_what_can_never_be_done_fails_at_once(ceph):
    """Validated False; its deadline is a minute away."""
    ceph.behind("b")
    pair, one = ceph.ready("invalid")
    gate = Gate()
    ceph.proxy("b", "b").rule(gate, "PATCH", "volumereplications", count=1)
    assert one.ask("promoting") == 0
    gate.wait()
    ceph.object("b", pair.name).reaches(FINAL)
    ceph.faults.add("enable-error", site="b", code="FailedPrecondition",
                    message="the image has a parent in the trash")
    gate.open()
    until(lambda: one.state == "failed", "that it gives up")
    assert "a parent in the trash" in one.error
    ceph.faults.clear()
    # csi-addons may promote it just then, by itself.
    until(lambda: one.ask("promoting") == 0, "that it may be retried", 20)
    one.done().go("source")


def test_what_can_never_be_protected_fails_at_once(ceph):
    """The same, when it is created; csi-addons calls it FailedToPromote."""
    pair = ceph.new_pair("flat", native=False)
    ceph.faults.add("enable-error", site="a", code="FailedPrecondition",
                    message="the image has a parent in the trash")
    one = pair.make(ceph.daemon(), verified=False)
    until(lambda: one.ready.reason == "Failed", "that it gives up")
    assert "a parent in the trash" in one.error


# ---- a role that is not so ----

def test_primary_though_demoted_behind_its_back(ceph):
    pair = ceph.new_pair("behind")
    ceph.replicating("a", pair.name)
    one = pair.make(ceph.daemon("a"), "source")
    assert one.ready.reason == "Verified"
    mark = len(ceph.at_rest())
    ceph.storage.demote("a", pair.handle)
    one.await_cond("Ready", "Unknown", "Unverified")
    a = ceph.object("a", pair.name).get()
    assert a["status"]["state"] == "Primary" and one.state == "source"
    ceph.object("b", pair.name).reaches(FINAL)
    ceph.polled("a", pair)
    assert one.verdict("demoting") == "needs force", one.plan("demoting")
    assert "verified first" in one.plan("swap")
    ceph.give(one.daemon, 5)
    assert one.ask("swap") == 0
    assert one.sync("endpoints", 20) != 0
    assert is_told(one, "Read-only file system"), one.explain()
    assert {what[2] for what in ceph.written()[mark:]} == {"volumesnapshots"}


def test_demoted_behind_its_back_with_writes_that_have_not_crossed(ceph):
    """The replica says True, True, True until the final sync, as it does of a
    primary that lives; the mirror itself says that it does not replicate."""
    pair = ceph.new_pair("held")
    a = ceph.replicating("a", pair.name)
    one = pair.make(ceph.daemon("a"), "source")
    ceph.whole(pair, one, "demoting")
    ceph.faults.add("hold-transfer", site="b")
    pair.write("a", 2)
    ceph.storage.demote("a", pair.handle)
    a.until(lambda f: a.condition("Replicating", f)["status"] == "False",
            "NotReplicating")
    ceph.polled("b", pair)
    ceph.object("b", pair.name).reaches(FOLLOWS)
    until(lambda: one.ready.status != "True", "a doubt")
    assert one.ready.reason == "Unverified" and one.state == "source"


def test_promoted_and_demoted_behind_its_back(ceph):
    """Promoted, csi-addons says, and goes on to say so."""
    pair, one = ceph.ready("promoted")
    ceph.give(one.daemon, 5)
    promote = ceph.storage.promote

    def betray(site, handle, *rest):
        promote(site, handle, *rest)
        ceph.storage.demote(site, handle)
    ceph.storage.promote = betray
    assert one.ask("promoting") == 0
    ceph.object("b", pair.name).until(
        lambda f: f["status"]["state"] == "Primary", "Primary")
    assert one.ready.status != "True" and one.ask("source") == errno.EBUSY
    until(lambda: one.state == "failed", "the deadline", 20)
    assert is_told(one, "Read-only file system"), one.explain()


def test_a_proof_is_not_for_ever(ceph):
    """A snapshot was taken; then the image is demoted behind its back."""
    pair, one = ceph.ready("proof")
    one.go("promoting", "source", "swap")
    one.await_cond("Degraded", "False")
    ceph.storage.demote("b", pair.handle)
    until(lambda: one.ready.status != "True", "that it is noticed")
    assert one.ready.reason == "Unverified" and one.state == "source"


def test_a_mirror_that_can_not_be_asked(ceph):
    """Replicating Unknown: the peer, which copies, is the second fact."""
    pair = ceph.behind("b").new_pair("askmirror")
    a = ceph.replicating("a", pair.name)
    one = pair.make(ceph.daemon("a"), "source")
    ceph.whole(pair, one, "demoting")
    ceph.faults.add("info-error", site="a", message="no answer")
    a.until(lambda f: a.condition("Replicating", f)["status"] == "Unknown",
            "Replicating Unknown")
    never(lambda: one.ready.status != "True", "a doubt")
    ceph.lose("b")
    one.await_cond("Ready", "Unknown", "Unverified")


def test_a_spec_that_nobody_has_looked_at(ceph):
    """Neither conditions nor observedGeneration: unknown, and no failure."""
    ceph.double.stop("a", "b")
    pair = ceph.new_pair("nobody")
    one = pair.make(ceph.daemon(), verified=False)
    until(lambda: one.ready.status == "Unknown", "unknown")
    assert one.state == "replica" and one.ask("promoting") == errno.EBUSY
    ceph.double.start("a", "b")
    one.await_cond("Ready", "True", "Verified")


def test_a_spurious_split_brain_is_not_resynced(ceph):
    """ceph-csi#3209: what was resynced then was a healthy replica."""
    pair, one = ceph.ready("spurious")
    ceph.faults.add("split-brain", site="b")
    b = ceph.object("b", pair.name)
    b.until(lambda f: b.condition("Completed", f)["reason"] ==
            "FailedToResync", "its error")
    until(lambda: one.ready.status != "True" and is_told(one, "split-brain"),
          "that it is told")
    ceph.polled("b", pair)
    assert one.verdict("promoting") != "allowed"
    ceph.faults.clear()
    one.await_cond("Ready", "True", "Verified")
    assert not ceph.written() and not ceph.acts("resync")


# ---- a copy that is none ----

def test_a_first_copy_looks_like_a_replica(ceph):
    pair = ceph.behind("a").new_pair("first", native=False)
    ceph.double.vr("a", NS, "first", "primary")
    until(lambda: ceph.storage.has("b", pair.handle), "its image")
    ceph.begin_anew(pair)
    with ceph.storage.lock:
        ceph.storage.volume("a", pair.handle).last_sync = None
    pair.write("a", 3)
    ceph.double.vr("b", NS, "first", "secondary")
    ceph.object("b", "first").reaches(FOLLOWS, "Secondary")
    one = pair.make(ceph.daemon(), verified=False)
    until(lambda: "copy: not now" in one.plan("promoting"), "a verdict")
    assert "not complete" in one.plan("promoting")
    for word in ("promoting", "promoting force"):
        assert one.ask(word) == errno.EBUSY
        assert "complete" in one.error, one.error
    assert one.read("progress").strip() == "0"
    ceph.lose("a")
    until(lambda: "gives no answer" in one.plan("promoting"), "silence", 20)
    assert one.verdict("promoting") == "not now", one.plan("promoting")
    assert one.ask("promoting force") == errno.EBUSY
    ceph.find_again("a")
    ceph.faults.clear()
    ceph.whole(pair, one)
    one.done().go("promoting", "source")
    assert pair.data("b") == 3


# ---- how old it is ----

def test_lag_goes_on_counting_without_the_source(ceph):
    """Only the source's object has lastSyncTime; also after a restart."""
    pair, one = ceph.behind("a").ready("lag")
    assert "lastSyncTime" not in ceph.object("b", pair.name).status
    until(lambda: one.read("lag").strip().isdigit(), "a lag")
    synced = one.seen("here")["dataTime"]
    ceph.lose("a")
    ceph.await_silence(one)
    synced = one.seen("here")["dataTime"]
    first = int(one.read("lag"))
    until(lambda: int(one.read("lag")) > first, "that it counts")
    one.daemon.kill9().restart()
    ceph.await_silence(one)
    assert int(one.read("lag")) > first
    assert one.seen("here")["dataTime"] == synced
    until(lambda: f"after {synced}" in one.plan("promoting"), "the cost")


def test_a_lag_that_nobody_has_told_is_unknown(ceph):
    """A daemon that has never seen the source."""
    pair = ceph.behind("a").new_pair("untold")
    ceph.object("b", pair.name).reaches(FOLLOWS, "Secondary")
    daemon = ceph.new()
    ceph.lose("a")
    one = pair.make(daemon.start(), verified=False)
    ceph.await_silence(one)
    assert one.read("lag").strip() == "unknown"
    assert one.verdict("promoting") == "needs force", one.plan("promoting")
