# SPDX-License-Identifier: Apache-2.0
"""Reverse replication, split brain, and rebuilding."""
import errno
import os
import re

import pytest

from uvr import PATIENT, ROOT, get, manifest, never, sh, until


def swapped_block(r, classes=False):
    """What the tutorial writes: the endpoints exchanged."""
    text = "spec:\n"
    for key, e in (("sourceEndpoint", r.destination),
                   ("destinationEndpoint", r.source)):
        text += (f"  {key}:\n    cluster: {e['cluster']}\n"
                 f"    region: {e['region']}\n")
        if classes:
            text += f"    storageClass: {e['storageClass']}\n"
    return text


@pytest.mark.parametrize("form", ["word", "force", "block", "whole", "bare"])
def test_planned_then_swap(d, form):
    r = d.replica()
    here, peer = r.here, r.peer
    r.go("promoting", "source")
    r.here_volume.write_bytes(b"new source\n")
    text = {"word": "swap\n", "force": "swap force", "block":
            swapped_block(r), "whole": swapped_block(r, True), "bare":
            swapped_block(r).replace("spec:\n", "").replace("\n  ", "\n")
            .replace("  sourceEndpoint", "sourceEndpoint")}[form]
    assert r.write("endpoints", text) == 0, r.error
    r.done("endpoints")
    assert (r.source["cluster"],
            r.destination["cluster"]) == (here, peer)
    assert r.source["storageClass"] == "fast"
    r.await_copy(r.here_volume, r.peer_volume)
    r.await_cond("Degraded", "False")
    assert r.state == "source" and r.error == ""
    # Once more, it is there already.
    journal = r.journal()
    assert r.ask("swap") == 0 and r.journal() == journal


def test_who_has_stepped_down_takes_over_again(d):
    """Nobody was the source meanwhile: there is no copy to wait for."""
    r = d.replica().go("promoting", "source", "swap")
    r.here_volume.write_bytes(b"of here\n")
    r.await_copy(r.here_volume, r.peer_volume)
    r.go("demoting", "replica", "promoting", "source")
    assert r.here_volume.read_bytes() == b"of here\n"
    assert r.acts()[-2:] == ["demote", "promote"]


def test_swap_by_the_whole_file_with_its_version(d):
    r = d.replica().go("promoting", "source")
    text = manifest(r.name, state="source", here="source",
                    clusters=(f"dr-{r.name}", f"prod-{r.name}"))
    assert r.write("spec.yaml", text) == errno.EPERM
    text = manifest(r.name, state="source", here="source",
                    clusters=(f"dr-{r.name}", f"prod-{r.name}"),
                    version=r.version)
    assert r.write("spec.yaml", text) == 0, r.error
    r.done("endpoints")
    assert r.source["cluster"] == f"dr-{r.name}"


@pytest.mark.parametrize("change", ["cluster: dr-", "region: here",
                                    "storageClass: fast"])
def test_endpoints_change_only_by_being_exchanged(d, change):
    r = d.replica().go("promoting", "source")
    before = r.picture()
    text = swapped_block(r, True)
    assert change in text
    assert r.write("endpoints", text.replace(change, change + "x")) in (
        errno.EPERM, errno.EINVAL)
    assert r.error and r.picture() == before


def test_swap_is_pending_while_the_peer_is_away(d):
    r = d.replica()
    d.lose(r.peer)
    r.go("promoting", "source")
    r.here_volume.write_bytes(b"newer\n")
    assert r.ask("swap") == 0
    assert r.source["cluster"] == r.here
    assert r.sync("endpoints", 0.5) == 124
    assert r.ready.reason == "PeerUnreachable"
    assert r.peer_volume.read_bytes() == b"one\n"
    # It comes back as a source without writes of its own, which is looked at
    # before anything there is destroyed.
    journal = r.journal()
    d.find_again(r.peer)
    r.await_cond("Degraded", "True", "SplitBrain")
    never(lambda: r.journal() != journal, "an act in a split brain")
    assert r.ask("swap force") == 0
    r.done("endpoints").await_copy(r.here_volume, r.peer_volume)
    assert r.peer_volume.read_bytes() == b"newer\n"
    r.await_cond("Degraded", "False")


def split_brain(d):
    r = d.replica()
    d.lose(r.peer)
    r.go("promoting", "source")
    r.here_volume.write_bytes(b"mine\n")
    r.peer_volume.write_bytes(b"theirs\n")
    d.find_again(r.peer)
    r.await_cond("Degraded", "True", "SplitBrain")
    return r


def test_split_brain_is_shown_and_nobody_acts(d):
    r = split_brain(d)
    assert r.ready.status != "True" and r.state == "source"
    message = r.conditions["Degraded"].message
    assert r.here in message and r.peer in message
    journal = r.journal()
    never(lambda: r.journal() != journal, "an act in a split brain")
    assert r.here_volume.read_bytes() == b"mine\n"
    assert r.peer_volume.read_bytes() == b"theirs\n"


def test_swap_over_diverged_writes_needs_force(d):
    r = split_brain(d)
    assert r.verdict("swap") == "needs force" and "destroyed" in r.plan("swap")
    before = r.picture()
    assert r.ask("swap") == errno.EBUSY and "force" in r.error
    assert r.write("endpoints", swapped_block(r)) == errno.EBUSY
    assert r.picture() == before
    assert r.peer_volume.read_bytes() == b"theirs\n"
    r.go("swap force")
    r.await_copy(r.here_volume, r.peer_volume)
    assert r.here_volume.read_bytes() == b"mine\n"
    r.await_cond("Degraded", "False")
    r.await_cond("Ready", "True")


def test_syncing_over_own_writes_needs_force(d):
    """The other way out: this side gives its writes up."""
    r = split_brain(d)
    assert r.ask("demoting") == errno.EBUSY
    r.go("demoting force", "replica")
    r.await_cond("Degraded", "True", "Diverged")
    before = r.picture()
    assert r.ask("syncing") == errno.EBUSY and "force" in r.error
    assert "destroyed" in r.plan("syncing")
    assert r.picture() == before and r.here_volume.read_bytes() == b"mine\n"
    r.go("syncing force")
    until(lambda: r.state == "replica", "the rebuild")
    assert r.here_volume.read_bytes() == b"theirs\n"
    r.await_cond("Degraded", "False")
    r.await_cond("Ready", "True")
    r.go("promoting", "source")


def test_rebuild_is_not_started_without_a_verified_source(d):
    r = split_brain(d)
    r.go("demoting force", "replica")
    d.faults(r.peer, "no-second-fact")
    until(lambda: r.seen("peer")["fact"] != "source", "no second fact")
    assert r.ask("syncing force") == errno.EBUSY
    assert r.here_volume.read_bytes() == b"mine\n"
    d.lose(r.peer)
    assert r.ask("syncing force") == errno.EBUSY
    assert r.here_volume.read_bytes() == b"mine\n"


def test_a_rebuild_waits_when_its_source_goes(d):
    """By force, and even then not from what is no source any more."""
    r = split_brain(d)
    r.go("demoting force", "replica")
    d.faults(r.here, "slow 300")
    assert r.ask("syncing force") == 0
    d.lose(r.peer)
    d.faults(r.here)
    never(lambda: r.here_volume.read_bytes() not in (b"mine\n", b"theirs\n"),
          "other bytes")
    d.find_again(r.peer)
    until(lambda: r.state == "replica", "the rebuild")
    assert r.here_volume.read_bytes() == b"theirs\n"


def test_roll_back_once_writable_needs_force_and_a_source(d):
    r = d.replica()
    d.lose(r.peer)
    r.go("promoting")
    r.here_volume.write_bytes(b"mine\n")
    assert r.ask("replica") == errno.EBUSY
    assert r.ask("replica force") == errno.EBUSY
    d.find_again(r.peer)
    until(lambda: r.verdict("replica") == "needs force", "the peer is a source")
    assert r.ask("replica") == errno.EBUSY and "lost" in r.error
    assert r.here_volume.read_bytes() == b"mine\n"
    r.go("replica force")
    r.await_copy()
    assert r.here_volume.read_bytes() == b"one\n"
    assert not os.stat(r.here_volume).st_mode & 0o200
    r.await_cond("Ready", "True")


def test_demote_and_promote_round_trip(d):
    r = d.source()
    r.here_volume.write_bytes(b"last words\n")
    r.go("demoting")
    assert r.peer_volume.read_bytes() == b"last words\n"
    assert not os.stat(r.here_volume).st_mode & 0o200
    r.go("source")
    assert os.stat(r.here_volume).st_mode & 0o200
    r.await_cond("Ready", "True")


def promote_by_hand(volume):
    """By somebody else who administers the storage."""
    record = volume.with_name(f".{volume.name}.json")
    record.write_text(record.read_text().replace('"role": "replica"',
                                                 '"role": "source"'))
    volume.chmod(0o644)


def test_a_take_back_that_came_too_late(make):
    """What the runbook says, typed."""
    d = make(config=PATIENT).start()
    r = d.source()
    r.go("demoting")
    d.faults(r.here, "fail promote 100000")
    assert r.ask("source") == 0
    r.await_cond("Ready", "False", "Retrying")
    promote_by_hand(r.peer_volume)
    d.faults(r.here)
    r.await_cond("Ready", "False", "PeerIsSource")
    section = get(ROOT / "docs/runbooks.md").split("\n### PeerIsSource\n")[1]
    do = re.search(r"^\*\*Do\.\*\*(.*)", section, re.M)[1]
    typed = re.findall("`(.*?)`", do)
    assert len(typed) == 5, typed
    done = sh("\n".join(["set -e", *typed]), cwd=r.path, seconds=20)
    assert done.rc == 0, (done, r.explain())
    until(lambda: r.state == "replica", "it follows")
    r.await_cond("Ready", "True")
    r.await_cond("Degraded", "False")


def test_mode_and_schedule_change_in_place(d):
    r = d.replica()
    journal = r.journal()
    assert r.write("mode", "asynchronous") == 0
    assert r.write("schedule", "mode: interval\nrpo: 1s") == 0
    r.peer_volume.write_bytes(b"by interval\n")
    r.await_copy()
    assert r.journal() == journal
    assert r.read("mode") == "asynchronous\n"
