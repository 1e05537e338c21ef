# SPDX-License-Identifier: Apache-2.0
"""A lying array is never believed, and what is in use is not pulled away."""
import errno
import os
import stat

import pytest

from uvr import CONFIG, PATIENT, manifest, never, until


@pytest.fixture(scope="module")
def patient(make_shared):
    return make_shared(config=PATIENT)


def is_writable(path):
    return bool(os.stat(path).st_mode & stat.S_IWUSR)


def never_two_writable(r):
    assert not (is_writable(r.here_volume) and is_writable(r.peer_volume))


def test_lie_promote(patient):
    r = patient.replica()
    patient.faults(r.here, "lie promote")
    assert r.ask("promoting") == 0
    r.await_cond("Ready", "Unknown", "Unverified")
    assert r.sync(seconds=0.5) == 124
    for word in ("source", "source force"):
        assert r.ask(word) == errno.EBUSY and r.error
    assert r.state == "promoting" and not is_writable(r.here_volume)


def test_lie_demote_peer(patient):
    r = patient.replica()
    patient.faults(r.peer, "lie demote-peer")
    assert r.ask("promoting") == 0
    until(lambda: "PeerUnverified" in r.ready.reason, "it is not believed")
    never(lambda: is_writable(r.here_volume), "two writable sides")
    assert r.sync(seconds=0.5) == 124
    assert r.ask("source") == errno.EBUSY
    assert r.ask("source force") == errno.EBUSY
    assert "promote" not in r.acts() and is_writable(r.peer_volume)


@pytest.mark.parametrize("fault", ["fail demote-peer 1000000",
                                   "lie demote-peer"])
@pytest.mark.parametrize("word", ["promoting", "promoting force"])
def test_a_peer_that_answers_and_does_not_step_down(patient, word, fault):
    """Its storage is lost, and the one who answers for it is not: whoever
    knows that writes force once more."""
    r = patient.replica()
    patient.faults(r.peer, fault)
    assert r.ask(word) == 0
    until(lambda: "'promoting force' goes on without it" in r.ready.message,
          "that it is told")
    never(lambda: is_writable(r.here_volume), "two writable sides")
    assert r.ask("promoting force") == 0
    r.done().go("source")
    assert is_writable(r.here_volume) and is_writable(r.peer_volume)
    assert r.ready.reason == "SplitBrain"


def test_the_plan_of_what_hangs(patient):
    """Before force is given for it one reads what that would do."""
    r = patient.replica()
    assert os.listdir(r / "plan").count("promoting") == 1
    patient.faults(r.peer, "fail demote-peer 1000000")
    assert r.ask("promoting") == 0
    until(lambda: "'promoting force'" in r.ready.message, "that it is told")
    words = {"remove", "replica", "source"}
    assert set(os.listdir(r / "plan")) == words | {"promoting"}
    before, plan = r.picture(), r.plan("promoting")
    assert plan.startswith("needs force: "), plan
    assert r.plan("source").startswith("not now: ")
    assert r.picture() == before
    assert r.ask("promoting force") == 0
    r.done()
    assert set(os.listdir(r / "plan")) == words


@pytest.mark.parametrize("word", ["promoting", "promoting force"])
def test_force_that_is_repeated_while_all_is_well_changes_nothing(patient,
                                                                  word):
    """A script that loops, or an impatient hand: nothing has failed."""
    r = patient.replica()
    r.peer_volume.write_bytes(b"newer\n")
    patient.faults(r.peer, "slow 300")
    assert r.ask(word) == 0
    for _ in range(5):
        assert r.ask("promoting force") == 0
        assert r.state == "promoting"
    patient.faults(r.peer)
    r.done().go("source")
    assert r.here_volume.read_bytes() == b"newer\n"
    assert "force-promote" not in r.acts()
    assert not is_writable(r.peer_volume)


def test_force_for_a_peer_in_use_is_not_for_one_that_stays(patient):
    """It steps down, once it is no obstacle that it is used."""
    r = patient.replica()
    patient.faults(r.peer, "fail demote-peer 1000000")
    assert r.ask("promoting") == 0
    until(lambda: "'promoting force'" in r.ready.message, "that it is told")
    patient.faults(r.peer, "in-use pod/db-0", "in-use-ignored")
    until(lambda: "pod/db-0" in r.ready.message, "in use")
    assert r.ask("promoting force") == 0
    r.done().go("source")
    assert not is_writable(r.peer_volume)


def test_lie_demote(patient):
    r = patient.source()
    patient.faults(r.here, "lie demote")
    assert r.ask("demoting") == 0
    r.await_cond("Ready", "Unknown", "Unverified")
    assert r.sync(seconds=0.5) == 124
    for word in ("replica", "replica force"):
        assert r.ask(word) == errno.EBUSY
    assert r.state == "demoting" and is_writable(r.here_volume)


def diverged_replica(d):
    """After a forced failover and back by hand: writes of its own here."""
    r = d.replica()
    d.lose(r.peer)
    r.go("promoting", "source")
    r.here_volume.write_bytes(b"only here\n")
    d.find_again(r.peer)
    r.go("demoting force", "replica")
    r.await_cond("Degraded", "True", "Diverged")
    return r


def test_lie_resync(patient):
    r = diverged_replica(patient)
    r.peer_volume.write_bytes(b"of the source\n")
    patient.faults(r.here, "lie resync", "no-copy")
    assert r.ask("syncing") == errno.EBUSY
    assert r.ask("syncing force") == 0
    never(lambda: r.ready.status == "True" or
          (r.state == "replica" and r.request["outcome"] ==
           "verified"), "a rebuild that never was", 0.6)
    patient.faults(r.here)


def test_lie_create(patient):
    name = patient.new_name()
    patient.faults(f"dr-{name}", "lie create", "no-copy")
    r = patient.mk("database", name, manifest(name))
    until(lambda: r.seen("here")["claim"] == "replica", "the claim")
    never(lambda: r.ready.status == "True", "Ready")
    assert r.ask("promoting") == errno.EBUSY


def test_lie_resync_peer(patient):
    r = patient.replica()
    patient.lose(r.peer)
    r.go("promoting", "source")
    r.here_volume.write_bytes(b"newer\n")
    r.peer_volume.write_bytes(b"older, and its own\n")
    patient.find_again(r.peer)
    patient.faults(r.peer, "lie resync-peer", "no-copy")
    assert r.ask("swap force") == 0
    never(lambda: r.request["outcome"] == "verified", "verified")
    assert r.sync("endpoints", 0.5) == 124
    assert r.peer_volume.read_bytes() == b"older, and its own\n"


def test_without_a_second_fact_somebody_has_to_look(patient):
    r = patient.replica()
    patient.faults(r.here, "no-second-fact")
    r.await_cond("Ready", "Unknown", "Unverified")
    assert r.ask("promoting") in (0, errno.EBUSY)
    if r.state != "promoting":
        assert r.ask("promoting force") == 0
    until(lambda: is_writable(r.here_volume), "it is promoted")
    r.await_cond("Ready", "Unknown", "Unverified")
    assert "source force" in r.ready.message
    assert r.sync(seconds=0.5) == 124
    assert r.ask("source") == errno.EBUSY
    assert r.ask("source force") == 0
    assert r.done().state == "source"
    assert r.ready.status == "Unknown"


@pytest.mark.parametrize("fault, sentence", [
    ("in-use pod/db-0", "pod/db-0"), ("in-use-unknown", "can't be told")])
def test_planned_failover_of_a_peer_in_use(patient, fault, sentence):
    r = patient.replica()
    patient.faults(r.peer, fault)
    until(lambda: r.verdict("promoting") == "needs force", "in use")
    assert sentence in r.plan("promoting")
    before = r.picture()
    assert r.ask("promoting") == errno.EBUSY and sentence in r.error
    assert r.picture() == before


@pytest.mark.parametrize("fault", ["in-use pod/db-0", "in-use-unknown"])
def test_demoting_what_is_in_use(patient, fault):
    r = patient.source()
    patient.faults(r.here, fault)
    until(lambda: r.verdict("demoting") == "needs force", "in use")
    assert r.ask("demoting") == errno.EBUSY
    assert r.state == "source" and is_writable(r.here_volume)


def test_a_planned_one_that_loses_its_peer_waits(patient):
    r = patient.replica()
    patient.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    assert r.ask("promoting") == 0
    until(lambda: "demote-peer" in r.acts(), "the peer steps down")
    patient.lose(r.peer)
    until(lambda: r.conditions["Progressing"].reason == "PeerUnreachable",
          "PeerUnreachable")
    never(lambda: is_writable(r.here_volume), "unplanned by itself")
    assert "promoting force" in r.ready.message
    r.go("promoting force", "source")
    assert r.here_volume.read_bytes() == b"one\n"


def test_planned_or_not_is_decided_once(patient):
    """A peer that comes back does not turn an unplanned one around unseen."""
    r = patient.replica()
    patient.lose(r.peer)
    patient.faults(r.here, "fail force-promote 100000")
    assert r.ask("promoting") == 0
    assert r.request["failover"] == "unplanned"
    patient.find_again(r.peer)
    patient.faults(r.here)
    never(lambda: is_writable(r.here_volume) and is_writable(r.peer_volume),
          "two writable sides, knowingly", 0.6)
    assert r.request["failover"] == "unplanned"


def test_unplanned_with_force_still_steps_a_peer_down(patient):
    r = patient.replica()
    patient.faults(r.peer, "in-use pod/db-0", "in-use-ignored")
    until(lambda: r.verdict("promoting") == "needs force", "in use")
    r.go("promoting force")
    never_two_writable(r)


def test_storage_that_shows_the_peer_alive(patient):
    """No answer to us, yet its data arrives here."""
    r = patient.replica(mode="asynchronous")
    patient.faults(r.peer, "mute")
    patient.await_reach(r.peer, "no")
    r.peer_volume.write_bytes(b"still alive\n")
    until(lambda: r.verdict("promoting") == "needs force", "it is alive")
    assert r.ask("promoting") == errno.EBUSY and "alive" in r.error


def test_steady_states_write_nothing(make):
    d = make(config=CONFIG).start()
    made = [d.replica(), d.source()]
    before = d.journal()
    for r in made:
        for fault in ("down", "refuse", ""):
            d.faults(r.peer, fault)
            d.await_reach(r.peer, "no" if fault else "yes")
    d.kill9().restart()
    for r in made:
        r.await_cond("Ready", "True")
    never(lambda: d.journal() != before, "an act")


def test_adoption_never_changes_a_role(make):
    d = make(config=CONFIG).start()
    r = d.replica("r")
    r.go("promoting", "source")
    os.rmdir(r.path)
    journal = d.journal()
    os.mkdir(r.path)
    assert r.write("spec.yaml", manifest("r")) == errno.EPERM
    assert "source" in r.error and "promoting or demoting" in r.error
    assert r.write("spec.yaml", manifest("r", state="source")) == 0
    assert r.done().state == "source" and d.journal() == journal


def test_what_a_write_says_never_outruns_the_truth(patient):
    """A slow site: Ready is not True from the write on, until it is done."""
    r = patient.replica()
    patient.faults(r.here, "slow 300", "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    assert r.ask("promoting") == 0
    assert r.ready.status != "True"
    assert r.conditions["Progressing"].status == "True"
    patient.faults(r.here, "slow 300")
    r.done()
    assert r.ready.status == "True" and is_writable(r.here_volume)


def test_a_hanging_site_is_unknown_and_blocks_nobody_else(patient):
    r, other = patient.replica(), patient.replica()
    patient.faults(r.here, "hang")
    until(lambda: r.ready.status == "Unknown", "it hangs", 12)
    assert r.state == "replica"
    other.go("promoting", "source")
    patient.faults(r.here)
    r.await_cond("Ready", "True")
