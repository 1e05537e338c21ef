# SPDX-License-Identifier: Apache-2.0
"""What Trident says and is not so, or does not say, one trap a test: uvrfs does
not believe it, and says why."""
import errno
import time

import pytest

from shell import never, until
from sites import NS, await_equal
from trident_lab import (TMRS, await_state, await_told,  # noqa: F401
                         await_verdict, make_trident, told, trident)

pytestmark = pytest.mark.limit(120)


def lost(trident, name, **config):
    """A replica with a whole copy, whose source's site is lost."""
    pair, one = trident.ready(name, **config)
    trident.lose("a")
    trident.await_silence(one)
    await_verdict(one, "promoting", "allowed")
    return pair, one


def there(trident, name, **config):
    return trident.ready(name, **config)


PEERS = {"lost": lost, "there": there}


def is_untouched(trident, pair):
    """Neither side has changed its role."""
    assert pair.is_writable("a") and not trident.acts("break")
    assert ("promoted", "") not in trident.diary.wanted("b")
    assert trident.tmr("a", pair.name).wants == "promoted"
    return True


# ---- promoted, and it is not ----

def promote_blindly(trident, pair, one):
    """ONTAP can't be read from just before Trident gets to know of it."""
    gate = trident.gate("b", "PATCH", f"{TMRS}/{pair.name}")
    assert one.ask("promoting") == 0, one.error
    gate.wait()
    trident.faults.add("ontap-unreadable", site="b")
    gate.open()
    trident.tmr("b", pair.name).await_said("promoted")


def is_not_believed(trident, pair, one):
    """Neither by itself nor when somebody asks."""
    never(lambda: one.ready.status == "True", "a belief")
    assert one.state in ("promoting", "failed") and one.ready.message
    if one.state == "promoting":
        assert one.ask("source") == errno.EBUSY
    assert not pair.is_writable("b") and not trident.acts("break")
    return True


@pytest.mark.parametrize("peer", PEERS)
def test_promoted_though_ontap_can_not_be_read(trident, peer):
    pair, one = PEERS[peer](trident, "unread")
    promote_blindly(trident, pair, one)
    assert is_not_believed(trident, pair, one)
    await_told(one, "which was to prove that database/unread is writable")


def test_the_cause_is_told_to_its_end(trident):
    pair, one = lost(trident, "cause")
    promote_blindly(trident, pair, one)
    await_told(one, "to prove")
    assert "SnapMirror destination" in told(one)


def test_source_after_a_lie_that_failed(trident):
    """Whoever writes it gets no more than it is."""
    pair, one = lost(trident, "claimed")
    trident.give(one.daemon, 5)
    promote_blindly(trident, pair, one)
    await_state(one, "failed")
    one.ask("source")
    never(lambda: one.ready.status == "True", "a belief", 1)
    assert not pair.is_writable("b")


def test_promoted_is_asked_for_anew_once_ontap_can_be_read(trident):
    """After a minute; then promoted says promoted again, which is not written
    anew, and is believed after two more: not waited for here."""
    pair, one = lost(trident, "anew")
    trident.give(one.daemon, 200)
    promote_blindly(trident, pair, one)
    await_told(one, "to prove")
    trident.faults.clear()
    assert is_not_believed(trident, pair, one)
    until(lambda: pair.is_writable("b"), "a promotion", 90)
    assert pair.data("b") == 3 and len(trident.acts("break", "b")) == 1
    assert one.state == "promoting" and one.ready.status == "False"


def test_promoted_by_hand_though_it_is_not(trident):
    """A replica that is nothing of the kind, in a steady state: shown, and
    nothing is written."""
    pair, one = trident.ready("byhand")
    before = len(trident.at_rest())
    trident.faults.add("ontap-unreadable", site="b")
    trident.tmr("b", pair.name).spec(state="promoted")
    trident.tmr("b", pair.name).await_said("promoted")
    until(lambda: one.ready.status != "True", "that it is noticed")
    assert one.state == "replica"
    assert one.verdict("promoting") != "allowed", one.plan("promoting")
    never(lambda: len(trident.written()) > before, "a write")


def test_promoted_stays_promoted_in_a_second_lie(trident):
    """Asked for again while it still can't be read, the old word is no answer.
    """
    pair, one = lost(trident, "again")
    trident.give(one.daemon, 5)
    promote_blindly(trident, pair, one)
    for _ in range(2):
        await_state(one, "failed")
        assert is_not_believed(trident, pair, one)
        assert one.ask("promoting") == 0, one.error


# ---- established, and it is not ----

@pytest.mark.parametrize("trouble", ["break_behind", "sicken"])
def test_established_though_the_array_has_broken_it(trident, trouble):
    pair, one = trident.ready(f"array-{trouble[:5]}")
    getattr(trident.storage, trouble)("b", pair.handles["b"])
    pair.write("a", 2)
    assert trident.tmr("b", pair.name).says == "established"
    trident.give(one.daemon, 5)
    assert one.ask("promoting") == 0, one.error
    await_told(one, "the mirror is not established" if trouble ==
               "break_behind" else "cannot be reached")
    assert one.ready.status != "True"
    await_state(one, "failed")
    assert is_untouched(trident, pair) and pair.data("a") == 5
    assert trident.tmr("b", pair.name).wants == "established"
    assert one.ask("source") != 0


def test_source_is_always_promoted(trident):
    """A source whose replica is gone is not healthy."""
    pair = trident.new_pair("always")
    one = pair.make(trident.daemon("a"), "source")
    one.await_cond("Degraded", "False", seconds=20)
    trident.tmr("b", pair.name).delete()
    until(lambda: trident.tmr("b", pair.name).is_gone(), "its end")
    assert trident.tmr("a", pair.name).says == "promoted"
    one.await_cond("Degraded", "True")
    assert one.verdict("demoting") != "allowed", one.plan("demoting")
    assert one.state == "source"


def test_source_without_any_replica(trident):
    pair = trident.bare("lonely")
    trident.double.tmr("a", NS, "lonely", "promoted")
    one = pair.make(trident.daemon("a"), "source", verified=False)
    trident.tmr("a", "lonely").await_said("promoted")
    one.await_cond("Degraded", "True")
    assert one.verdict("demoting") != "allowed", one.plan("demoting")
    assert one.ask("demoting") == errno.EBUSY
    assert not trident.list("b", "tmr")


# ---- a promotion that nobody wants any more ----

def promote_in_vain(trident, name, **config):
    """It is asked for, and Trident's controller sleeps."""
    pair, one = lost(trident, name, **config)
    trident.double.stop("b")
    return pair, one


def is_taken_back(trident, pair):
    """Whatever Trident finds when it wakes up."""
    trident.tmr("b", pair.name).until(
        lambda f: f["spec"]["state"] == "established", "the withdrawal")
    assert ("promoted", "") in trident.diary.wanted("b")
    trident.double.start("b")
    never(lambda: pair.is_writable("b") or trident.acts("break"),
          "a promotion behind one's back", 3)
    return True


def test_rolled_back_before_trident_has_looked_at_it(trident):
    pair, one = promote_in_vain(trident, "rolled")
    assert one.ask("promoting") == 0, one.error
    trident.tmr("b", pair.name).until(
        lambda f: f["spec"]["state"] == "promoted", "the promotion")
    trident.find_again("a")
    await_verdict(one, "replica", "allowed")
    assert one.ask("replica") == 0, one.error
    assert is_taken_back(trident, pair)
    assert pair.is_writable("a")


def test_the_deadline_passes_before_trident_has_looked_at_it(trident):
    pair, one = promote_in_vain(trident, "late")
    trident.give(one.daemon, 3)
    assert one.ask("promoting") == 0, one.error
    await_state(one, "failed")
    assert "not asked for the promotion any more" in one.error
    assert is_taken_back(trident, pair)


# ---- words that stay what they were ----

def test_failed_that_fails_again(trident):
    """The status does not move from failed to failed; nor is the first one
    the answer to the second question."""
    pair, one = lost(trident, "twice")
    trident.fail_promotions()
    trident.give(one.daemon, 6)
    for _ in range(2):
        before = one.request["id"]
        assert one.ask("promoting") == 0, one.error
        # Its state may be `failed` again before it is read.
        assert one.request["id"] > before
        assert one.request["word"] == "promoting"
        await_state(one, "failed")
        assert "Could not promote mirror" in told_of_failure(one)
    trident.mend_promotions()
    trident.give(one.daemon, 60)
    assert one.ask("promoting") == 0, one.error
    one.done(seconds=30)
    assert one.state == "promoting" and pair.is_writable("b")
    one.go("source")


def told_of_failure(one):
    return one.error + one.ready.message


@pytest.mark.parametrize("peer", PEERS)
def test_failed_until_the_spec_changes(trident, peer):
    """Neither without force: planned or not, the copy is known to be whole."""
    pair, one = PEERS[peer](trident, "sticks")
    trident.fail_promotions()
    assert one.ask("promoting") == 0
    trident.tmr("b", pair.name).await_said("failed")
    await_state(one, "failed")
    assert one.ready.reason == "Failed" and \
        "Could not promote mirror" in one.error
    trident.mend_promotions()
    before = trident.tmr("b", pair.name).meta["generation"]
    never(lambda: trident.acts("break"), "a promotion behind one's back")
    await_verdict(one, "promoting", "allowed")
    assert one.ask("promoting") == 0, one.error
    one.done(seconds=30)
    assert trident.tmr("b", pair.name).meta["generation"] > before
    assert pair.is_writable("b") and pair.data("b") == 3
    one.go("source")


def fail_swap(trident, name):
    """Trident's word is there long before the deadline."""
    pair, one = trident.ready(name)
    one.go("promoting", "source")
    trident.faults.add("resync-error", site="a", message="no space left")
    trident.give(one.daemon, 5)
    assert one.ask("swap") == 0, one.error
    trident.tmr("a", name).await_said("failed")
    return pair, one


def test_a_resync_that_fails_is_no_resync(trident):
    pair, one = fail_swap(trident, "noresync")
    assert one.sync("endpoints", 20) != 0
    assert one.conditions["Degraded"].status == "True"
    assert one.ready.status != "True" and not trident.acts("resync")
    assert pair.data("a") == pair.data("b") == 3 and pair.is_writable("b")


def test_a_resync_that_fails_is_told(trident):
    _, one = fail_swap(trident, "resync")
    await_told(one, "Could not reestablish mirror", seconds=8)


def test_a_resync_that_failed_is_asked_for_anew(trident):
    pair, one = fail_swap(trident, "resync")
    assert one.sync("endpoints", 20) != 0
    trident.faults.clear()
    trident.give(one.daemon, 60)
    assert 0 in (one.ask("swap"), one.ask("swap force")), one.error
    one.done("endpoints", seconds=30)
    assert not pair.is_writable("a") and len(trident.acts("resync", "a")) == 1


def test_observed_generation_lags(trident):
    """At both sites, for ever: whoever waits for it waits in vain."""
    pair = trident.new_pair("lags")
    for site, state in (("a", "promoted"), ("b", "established")):
        tmr = trident.tmr(site, pair.name)
        tmr.await_said(state)
        tmr.mapping(promotedSnapshotHandle="")
        found = tmr.get()
        assert tmr.condition(found)["observedGeneration"] < \
            found["metadata"]["generation"]
    one = pair.make(trident.daemon())
    pair.write("a", 3)
    trident.whole(pair, one)
    one.go("promoting", "source")
    assert pair.is_writable("b") and pair.data("b") == 3


def test_promoting_is_never_shown(trident):
    """ONTAP is not ready, and the status still says established."""
    pair, one = lost(trident, "hidden")
    trident.faults.add("not-ready", site="b")
    assert one.ask("promoting") == 0
    tmr = trident.tmr("b", pair.name)
    tmr.until(lambda f: f["spec"]["state"] == "promoted", "the spec")
    until(lambda: trident.acts("quiesce", "b"), "the first call")
    assert tmr.says == "established"
    never(lambda: one.state != "promoting" or one.ready.status != "False" or
          one.ask("source") != errno.EBUSY, "anything but progress", 1)
    assert one.conditions["Progressing"].status == "True"
    trident.faults.clear()
    one.done(seconds=20)
    assert "promoting" not in [e.says for e in trident.diary.all("b", "tmr")]
    assert pair.is_writable("b")


def test_promoting_is_shown_for_once(trident):
    pair, one = lost(trident, "shown")
    trident.faults.add("show-promoting", site="b")
    assert one.ask("promoting") == 0
    trident.tmr("b", pair.name).await_said("promoting")
    never(lambda: one.ready.status == "True", "a belief")
    trident.faults.clear()
    one.done(seconds=20)
    assert pair.is_writable("b")


# ---- a final copy that does not arrive ----

def test_promotes_with_a_snapshot_only_when_it_has_arrived(trident):
    pair, one = trident.ready("arrived")
    trident.faults.add("hold-transfer", site="b")
    pair.write("a", 2)
    assert one.ask("promoting") == 0
    until(lambda: [u for u in trident.list("b", "tamu") if
                   u["spec"].get("snapshotHandle") and
                   u.get("status", {}).get("state") == "In progress"],
          "the final transfer")
    never(lambda: trident.tmr("b", pair.name).wants != "established",
          "a promotion", 1)
    assert one.state == "promoting" and one.ready.status == "False"
    trident.faults.clear()
    one.done(seconds=20)
    assert pair.data("b") == 5 and pair.is_writable("b")
    state, handle = trident.diary.wanted("b")[-1]
    assert state == "promoted" and handle.split("/")[0] == pair.handles["a"]
    [broken] = trident.acts("break", "b")
    assert broken.detail == handle.split("/")[1]


@pytest.mark.parametrize("fault, words", [
    ("licence", "not licensed"), ("update-error", "out of streams")])
def test_an_update_that_fails_promotes_nothing(trident, fault, words):
    pair, one = trident.ready("update")
    trident.faults.add(fault, site="b", message=f"it is {words}")
    trident.give(one.daemon, 5)
    assert one.ask("promoting") == 0
    await_told(one, words)
    await_state(one, "failed")
    assert words in one.error and one.ready.status == "False"
    assert is_untouched(trident, pair)
    trident.faults.clear()
    trident.give(one.daemon, 60)
    await_verdict(one, "promoting", "allowed")
    assert one.ask("promoting") == 0, one.error
    one.done(seconds=30)
    assert pair.data("b") == 3 and pair.is_writable("b")


def test_a_mirror_that_was_never_updated_is_not_verified(trident):
    """Without the licence `established' is one object's word."""
    trident.faults.add("licence", site="b", message="it is not licensed")
    pair = trident.new_pair("unlicensed")
    one = pair.make(trident.daemon(), verified=False)
    trident.tmr("b", pair.name).await_said("established")
    one.await_cond("Ready", "Unknown", "Unverified")
    assert one.verdict("promoting") != "allowed", one.plan("promoting")
    assert one.ask("promoting") == errno.EBUSY and one.error


def test_why_a_mirror_is_not_verified_is_told(trident):
    trident.faults.add("licence", site="b", message="it is not licensed")
    pair = trident.new_pair("unlicensed")
    one = pair.make(trident.daemon(), verified=False)
    one.await_cond("Ready", "Unknown", "Unverified")
    await_told(one, "not licensed")


def test_a_controller_that_restarts_in_an_update(make_trident):
    """The data arrive, Trident says Failed, and the object is used up."""
    trident = make_trident(transfer=1.5)
    pair, one = trident.ready("restart")
    pair.write("a", 1)
    trident.give(one.daemon, 6)
    assert one.ask("promoting") == 0
    until(lambda: "In progress" in states(trident), "the final transfer")
    trident.double.stop("b")
    until(lambda: not any(m.transfer for m in trident.storage.mirrors.values()),
          "its end at the array")
    trident.double.start("b")
    until(lambda: "Failed" in states(trident), "Failed")
    await_told(one, "controller restarted")
    await_state(one, "failed")
    assert is_untouched(trident, pair)
    trident.give(one.daemon, 60)
    await_verdict(one, "promoting", "allowed")
    made = len(trident.diary.made("b", "tamu"))
    assert one.ask("promoting") == 0, one.error
    one.done(seconds=30)
    assert pair.data("b") == 4 and pair.is_writable("b")
    assert len(trident.diary.made("b", "tamu")) > made


def states(trident):
    return [u.get("status", {}).get("state")
            for u in trident.list("b", "tamu")]


# ---- how old it is ----

def test_lag_is_never_of_a_poll(trident):
    """The schedule's transfers tell nothing: it goes on counting, from when
    the last update that we asked for began."""
    pair, one = trident.ready("lag")
    began = min(c.time for c in trident.acts("update", "b"))
    updates = len(trident.acts("update", "b"))
    assert one.read("lag").strip().isdigit(), one.read("lag")
    first, known = int(one.read("lag")), one.seen("here")["dataTime"]
    pair.write("a", 1)
    await_equal(pair)
    until(lambda: int(one.read("lag")) >= first + 2, "that it counts")
    assert len(trident.acts("update", "b")) == updates
    assert one.seen("here")["dataTime"] == known
    assert int(one.read("lag")) <= time.time() - began + 1


def test_lag_is_unknown_where_nothing_was_transferred(trident):
    trident.faults.add("licence", site="b")
    pair = trident.new_pair("nolag")
    one = pair.make(trident.daemon(), verified=False)
    one.await_cond("Ready", "Unknown", "Unverified")
    pair.write("a", 1)
    await_equal(pair)
    never(lambda: one.read("lag").strip() != "unknown", "a lag", 1)
