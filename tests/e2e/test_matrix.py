# SPDX-License-Identifier: Apache-2.0
"""Every state and word, by user and backend, verified or not, with and without
force, the peer there, silent, refusing or unconfigured: what 1.5 and 1.6 of the
contract say, as a table.
"""
import errno
import os

import pytest

from uvr import (PATIENT, WORDS, manifest, name_of, never, until)

PEERS = {"there": None, "silent": "down", "refusing": "refuse",
         "unconfigured": "unconfigured"}

# A cell is what a plain word and what `WORD force` give, for one peer:
#   ok     taken          nop    a success without effect
#   BUSY   not yet, or force is needed        PERM   not allowed from here
OK, BUSY, PERM = ("ok", "ok"), ("BUSY", "BUSY"), ("PERM", "PERM")
FORCE, NOP, AGAIN = ("BUSY", "ok"), ("nop", "nop"), ("nop", "ok")


def peers(there, silent, refusing=None, unconfigured=None):
    """Cells by peer; who does not answer is alike unless said otherwise."""
    refusing = refusing or silent
    return {"there": there, "silent": silent, "refusing": refusing,
            "unconfigured": unconfigured or refusing}


def always(cell):
    return peers(cell, cell)


# Words that are not in a row are PERM whatever happens.  Where this site is the
# source endpoint already, `swap` asks for what is there.
TABLE = {
    # A peer without an answer: unplanned.  With one that refuses: by force.
    "replica": {
        "replica": always(NOP),
        "promoting": peers(OK, OK, FORCE),
        "syncing": peers(OK, BUSY)},
    # Nobody but the object itself says that there is a copy.
    "replica, unverified": {
        "replica": always(AGAIN),
        "promoting": peers(FORCE, FORCE),
        "syncing": peers(OK, BUSY)},
    # The first copy is under way: never promoted.
    "replica, first copy": {
        "replica": always(NOP),
        "promoting": always(BUSY),
        "syncing": peers(OK, BUSY)},
    # A later Unknown does not take the verification back; a peer that has
    # stepped down is no source that could take the role back from us.
    "promoting": {
        "promoting": always(NOP),
        "source": always(OK),
        "replica": always(BUSY)},
    # The final copy is awaited.  A planned one that loses its peer waits for
    # `promoting force` or `replica`.
    "promoting, unverified": {
        "promoting": always(AGAIN),
        "source": always(BUSY),
        "replica": always(OK)},
    "source": {
        "source": always(NOP),
        "demoting": peers(OK, FORCE),
        "swap": always(NOP)},
    "demoting": {
        "demoting": always(NOP),
        "replica": always(OK),
        "source": peers(OK, FORCE),
        "swap": always(NOP)},
    # The peer has not got the final copy.
    "demoting, unverified": {
        "demoting": always(AGAIN),
        "replica": always(BUSY),
        "source": peers(OK, FORCE),
        "swap": always(NOP)},
    "syncing, unverified": {
        "syncing": peers(AGAIN, ("nop", "BUSY")),
        "replica": always(BUSY)},
    # The storage says replica; the peer had stepped down.
    "failed in promoting": {
        "promoting": peers(OK, OK, FORCE),
        "replica": always(OK),
        "source": always(BUSY),
        "syncing": always(BUSY)},
    # The storage says source.
    "failed in demoting": {
        "demoting": peers(OK, FORCE),
        "source": always(OK),
        "replica": always(BUSY),
        "syncing": always(BUSY),
        "swap": always(NOP)},
}


# ---- how a replication comes into each of these ----

def unverified_replica(d):
    name = d.new_name()
    d.faults(f"dr-{name}", "no-second-fact")
    r = d.mk("database", name, manifest(name))
    r.await_cond("Ready", "Unknown", "Unverified")
    r.await_cond("Degraded", "False")
    return r


def first_copy(d):
    name = d.new_name()
    d.faults(f"dr-{name}", "no-copy")
    r = d.mk("database", name, manifest(name)).done()
    r.await_cond("Degraded", "True", "InitialSync")
    return r


def awaiting_final_copy(d):
    r = d.replica()
    d.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    assert r.ask("promoting") == 0
    until(lambda: "demote-peer" in r.acts(), "the peer steps down")
    r.await_cond("Progressing", "True")
    until(lambda: "final" in r.conditions["Progressing"].message, "the wait")
    return r


def awaiting_peer_copy(d):
    r = d.source()
    d.faults(r.here, "no-copy")
    r.here_volume.write_bytes(b"newer\n")
    assert r.ask("demoting") == 0
    until(lambda: "demote" in r.acts(), "this side steps down")
    until(lambda: "copy" in r.conditions["Progressing"].message, "the wait")
    return r


def syncing(d):
    r = first_copy(d)
    assert r.ask("syncing") == 0
    return r


def failed(r, word, act):
    r.daemon.faults(r.here, f"final {act}")
    assert r.ask(word) == 0
    until(lambda: r.state == "failed", "failed")
    r.daemon.faults(r.here)
    return r


SETUPS = {
    "replica": lambda d: d.replica(),
    "replica, unverified": unverified_replica,
    "replica, first copy": first_copy,
    "promoting": lambda d: d.replica().go("promoting"),
    "promoting, unverified": awaiting_final_copy,
    "source": lambda d: d.source(),
    "demoting": lambda d: d.source().go("demoting"),
    "demoting, unverified": awaiting_peer_copy,
    "syncing, unverified": syncing,
    "failed in promoting": lambda d: failed(d.replica(), "promoting",
                                            "promote"),
    "failed in demoting": lambda d: failed(d.source(), "demoting", "demote"),
}


@pytest.fixture(scope="module")
def patient(make_shared):
    return make_shared(config=PATIENT)


def set_up(d, kind, peer):
    r = SETUPS[kind](d)
    if PEERS[peer]:
        d.lose(r.peer, PEERS[peer])
    return r


CODES = {"BUSY": errno.EBUSY, "PERM": errno.EPERM}


def check_refusal(r, asked, expected, wrong):
    """The right errno, a sentence, and nothing has changed."""
    before, name = r.picture(), asked.split()[0]
    plan = r.plan(name) if name in os.listdir(r / "plan") else None
    code = r.ask(asked)
    if code != CODES[expected]:
        wrong.append(f"{asked}: {name_of(code)}, not E{expected}: {r.error}"
                     f"{plan or ''}")
        return code == 0
    sentence = r.error.splitlines()[-1]
    if (name if name != "swap" else "endpoints") not in sentence:
        wrong.append(f"{asked}: no sentence about it: {r.error}")
    if expected == "PERM" and name not in ("failed", "swap") and not all(
            word in sentence for word in [*offered(r), "rights"]):
        wrong.append(f"{asked}: does not say what is allowed: {sentence}")
    if r.picture() != before:
        wrong.append(f"{asked}: refused, and something has changed: "
                     f"{before} {r.picture()}")
    # The plan that is read is the plan that is carried out.
    if plan and plan.startswith("allowed"):
        wrong.append(f"{asked}: refused, and its plan said: {plan}")
    if not plan and expected == "BUSY" and name != r.state:
        wrong.append(f"{asked}: could be written later, and has no plan/")
    return False


def offered(r):
    """What `error` has to offer: what plan/ does, but for what is asked already."""
    return set(os.listdir(r / "plan")) - {"swap", "remove", r.state}


def check_success(r, asked, expected, wrong):
    name, _, force = asked.partition(" ")
    before, request = r.picture(), r.request["id"]
    plan = r.plan(name) if name in os.listdir(r / "plan") else None
    code = r.ask(asked)
    if code:
        wrong.append(f"{asked}: {name_of(code)}, not ok: {r.error}{plan or ''}")
        return
    if expected == "nop" and (r.picture() != before or
                              r.request["id"] != request):
        wrong.append(f"{asked}: was to have no effect: {before} {r.picture()}")
    if expected == "ok" and r.request["id"] == request:
        wrong.append(f"{asked}: was to be a new request")
    if name != "syncing" and r.state not in (name, "failed") and name != "swap":
        wrong.append(f"{asked}: taken, but state is {r.state}")
    # The plan of what is asked already is about force for it.
    if expected == "nop" and name == r.state:
        plan = None
    if plan and not plan.startswith("needs force" if force and
                                    expected == "ok" else "allowed"):
        if not (force and plan.startswith("allowed")):
            wrong.append(f"{asked}: taken, and its plan said: {plan}")


@pytest.mark.limit(120)
@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("kind", TABLE)
def test_user(patient, kind, peer):
    """All words, plain and by force: those refused first, on the same one."""
    row, wrong, taken = TABLE[kind], [], []
    r = set_up(patient, kind, peer)
    for word in [*WORDS, "swap"]:
        cells = row[word][peer] if word in row else PERM
        for suffix, expected in zip(("", " force"), cells):
            if expected not in CODES:
                taken.append((word + suffix, expected))
            elif check_refusal(r, word + suffix, expected, wrong):
                r = set_up(patient, kind, peer)
    fresh = True
    for asked, expected in sorted(taken, key=lambda t: t[1] != "nop"):
        if not fresh:
            r = set_up(patient, kind, peer)
        check_success(r, asked, expected, wrong)
        fresh = expected == "nop" and not wrong
    assert not wrong, "\n".join(wrong)


# ---- the backend: it moves `state` only to failed, or syncing to replica ----

@pytest.mark.parametrize("kind, word", [
    ("replica", "replica"), ("source", "source"), ("promoting", "promoting"),
    ("demoting", "demoting")])
def test_storage_that_differs_is_shown_and_not_fought(patient, kind, word):
    r = SETUPS[kind](patient)
    was = os.stat(r.here_volume).st_mode
    os.chmod(r.here_volume, was ^ 0o200)
    until(lambda: r.ready.status != "True", "Ready is no longer True")
    before = r.journal()
    never(lambda: r.state != word or r.journal() != before or
          os.stat(r.here_volume).st_mode != was ^ 0o200, "a change")
    os.chmod(r.here_volume, was)
    r.await_cond("Ready", "True")


@pytest.mark.parametrize("kind", ["replica", "source", "promoting", "demoting"])
@pytest.mark.parametrize("fault", ["down", "refuse", "unconfigured"])
def test_unknown_is_a_value_and_changes_no_role(patient, kind, fault):
    r = SETUPS[kind](patient)
    state, here = r.state, r.here
    patient.faults(here, fault)
    r.await_cond("Ready", "Unknown")
    c = r.conditions
    assert c["Synced"].status == "Unknown" and here in c["Synced"].message
    assert r.state == state
    patient.faults(here)
    r.await_cond("Ready", "True")
    assert r.state == state


@pytest.mark.parametrize("word, act, setup", [
    ("promoting", "promote", "replica"), ("demoting", "demote", "source")])
def test_backend_moves_to_failed_and_nothing_more_happens(patient, word, act,
                                                          setup):
    r = failed(SETUPS[setup](patient), word, act)
    assert r.ready.status == "False" and "not possible" in r.error
    assert r.state == "failed"
    before = r.journal()
    never(lambda: r.journal() != before or r.state != "failed", "an act")


def test_backend_moves_syncing_to_replica(patient):
    r = syncing(patient)
    assert r.state == "syncing" and "replicationState: syncing" in \
        r.read("spec.yaml")
    patient.faults(r.here)
    until(lambda: r.state == "replica", "the copy is complete")
    assert "replicationState: replica" in r.read("spec.yaml")


def test_a_retry_does_not_inherit_force(patient):
    r = patient.replica()
    patient.lose(r.peer, "refuse")
    patient.faults(r.here, "final force-promote")
    assert r.ask("promoting force") == 0
    until(lambda: r.state == "failed", "failed")
    patient.faults(r.here)
    assert r.ask("promoting") == errno.EBUSY
    assert r.state == "failed"
    r.go("promoting force", "source")
