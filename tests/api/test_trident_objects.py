# SPDX-License-Identifier: Apache-2.0
"""The objects behind a replication: which are adopted, made and kept; what is
missing, or in the way; and what nobody must touch."""
import errno
import os

import pytest
import yaml

import crds
from pages import blocks_of
from shell import never, sh, until
from sites import NS, await_equal
from trident_lab import (MIRROR, TMRS, await_told,  # noqa: F401
                         await_verdict, make_trident, trident)

pytestmark = pytest.mark.limit(120)

POLICY = {"replicationPolicy": "MirrorAllSnapshots",
          "replicationSchedule": "5min"}


# ---- adopted, made, kept ----

def test_adopts_a_relationship_of_any_name(trident):
    pair = trident.bare("adopted")
    double = trident.double
    double.tmr("a", NS, "adopted", "promoted", name="from-prod.1")
    double.tmr("b", NS, "adopted", "established",
               double.remote_name("a", NS, "adopted"), name="z-mirror")
    trident.follow(pair, "z-mirror")
    one = pair.make(trident.daemon())
    pair.write("a", 3)
    trident.whole(pair, one)
    one.go("promoting", "source", "swap")
    assert trident.diary.made("a", "tmr") == ["from-prod.1"]
    assert trident.diary.made("b", "tmr") == ["z-mirror"]
    assert pair.data("b") == 3 and not pair.is_writable("a")


def test_a_relationship_of_another_claim_is_not_ours(trident):
    """It has the claim's name, and is about another."""
    trident.bare("ours")
    trident.double.claim("a", NS, "theirs")
    trident.double.tmr("a", NS, "theirs", "promoted", name="ours")
    pair = trident.bare("ours2")
    trident.double.tmr("a", NS, "ours2", "promoted")
    one = pair.make(trident.daemon("a"), "source")
    assert one.ready.status == "True"
    trident.tmr("a", "ours2").delete()
    until(lambda: one.ready.status != "True", "that it is noticed")
    assert trident.tmr("a", "ours").meta["generation"] == 1


def test_two_relationships_of_one_claim(trident):
    """Nobody can tell which is meant: neither is touched."""
    pair, one = trident.ready("double")
    before = len(trident.at_rest())
    trident.double.tmr("b", NS, "double", "established",
                       trident.double.remote_name("a", NS, "double"),
                       name="second")
    until(lambda: one.ready.status != "True", "that it is noticed")
    assert one.verdict("promoting") != "allowed"
    assert one.ask("promoting") == errno.EBUSY
    assert len(trident.written()) == before


def test_makes_both_where_there_is_none(trident):
    """The source's first, then the mirror's; the claim is its user's."""
    pair = trident.bare("made")
    one = pair.make(trident.daemon(), verified=False)
    tmr = trident.tmr("b", "made")
    until(lambda: trident.list("b", "tmr"), "the mirror's")
    first = trident.tmr("a", "made").get()
    assert first["spec"] == {"state": "promoted", "volumeMappings": [
        {"localPVCName": "made"}]}
    assert tmr.get()["spec"] == {"state": "established", "volumeMappings": [{
        "localPVCName": "made", "remoteVolumeHandle":
        trident.double.remote_name("a", NS, "made")}]}
    assert one.verdict("promoting") != "allowed", one.plan("promoting")
    assert one.ask("promoting") != 0
    trident.follow(pair)
    tmr.await_said("established")
    pair.write("a", 3)
    await_equal(pair)
    assert one.state == "replica" and not pair.is_writable("b")


def test_a_replica_without_a_volume_is_not_verified(trident):
    pair = trident.bare("novolume")
    one = pair.make(trident.daemon(), verified=False)
    until(lambda: trident.list("b", "tmr"), "the mirror's")
    never(lambda: one.ready.status == "True", "a replica without a volume", 1)


def test_made_and_verified_once_its_claim_is_there(trident):
    pair = trident.bare("later")
    one = pair.make(trident.daemon(), verified=False)
    until(lambda: trident.list("b", "tmr"), "the mirror's")
    until(lambda: "no PersistentVolumeClaim" in one.ready.message,
          "what it waits for")
    trident.follow(pair)
    one.done(seconds=20)
    trident.tmr("b", "later").await_said("established")
    pair.write("a", 3)
    await_equal(pair)
    assert one.ready.status == "True" and one.ready.reason == "Verified"
    await_verdict(one, "promoting", "allowed", 5)
    one.go("promoting", "source")
    assert pair.data("b") == 3 and pair.is_writable("b")


def test_made_as_source_has_no_mirror(trident):
    pair = trident.bare("alone")
    one = pair.make(trident.daemon("a"), "source", verified=False)
    trident.tmr("a", "alone").until(lambda f: f.get("status"), "an answer")
    one.done(seconds=20)
    assert trident.tmr("a", "alone").wants == "promoted"
    assert not trident.list("b", "tmr")
    one.await_cond("Degraded", "True")


def test_never_made_as_another_role(trident):
    """The claim here is a source already: it is not made a replica."""
    pair = trident.bare("role")
    trident.double.claim("b", NS, "role")
    trident.double.tmr("b", NS, "role", "promoted")
    trident.tmr("b", "role").await_said("promoted")
    before = len(trident.at_rest())
    one = pair.make(trident.daemon(), verified=False)
    until(lambda: one.ready.status != "True" or one.state == "failed",
          "a refusal")
    never(lambda: one.ready.status == "True", "a role that is not so")
    assert trident.tmr("b", "role").meta["generation"] == 1
    assert len([w for w in trident.written()[before:] if w[0] == "b"]) == 0


def test_claim_before_its_relationship(trident):
    """Its volume is writable, and nothing turns it into a mirror."""
    pair = trident.bare("early")
    trident.double.claim("b", NS, "early")
    one = pair.make(trident.daemon(), verified=False)
    until(lambda: "trident.netapp.io/mirrorRelationship" in one.error and
          "delete" in one.error, "what to do")
    assert one.ready.status != "True" and not trident.list("b", "tmr")
    assert pair.sites.double.storage.is_writable(
        "b", trident.double.volume_of("b", NS, "early")[1])


def test_kept_at_rmdir(trident):
    pair, one = trident.ready("kept")
    before = [trident.tmr(s, "kept").get()["spec"] for s in "ab"]
    os.rmdir(one.path)
    until(lambda: not one.path.exists(), "its end")
    assert [trident.tmr(s, "kept").get()["spec"] for s in "ab"] == before
    pair.write("a", 1)
    await_equal(pair)
    again = pair.make(one.daemon)
    assert again.ready.reason == "Verified"


def contexts(clusters, path):
    """One kubeconfig, as whoever types the page has it."""
    whole = {"apiVersion": "v1", "kind": "Config", "clusters": [],
             "contexts": [], "users": []}
    for name, cluster in clusters.items():
        one = yaml.safe_load(cluster.kubeconfig().read_text())
        for kind in ("cluster", "user"):
            whole[f"{kind}s"].append(
                {"name": name, kind: one[f"{kind}s"][0][kind]})
        whole["contexts"].append(
            {"name": name, "context": {"cluster": name, "user": name}})
    path.write_text(yaml.safe_dump(whole))
    path.chmod(0o600)
    return path


def test_ended_by_hand(trident, tmp_path):
    """As the page has it: the mirror is gone, and both can be written."""
    pair, one = trident.ready("orders")
    os.rmdir(one.path)
    until(lambda: not one.path.exists(), "its end")
    block, = blocks_of("docs/backend-trident.md")
    assert block.count("delete tridentmirrorrelationship orders") == 2
    config = contexts({"prod-cluster": trident.clusters["a"],
                       "dr-cluster": trident.clusters["b"]},
                      tmp_path / "kubeconfig")
    done = sh(block, seconds=60, env={"KUBECONFIG": str(config),
                                      "HOME": str(tmp_path)})
    assert done.rc == 0, done.err
    storage = pair.sites.double.storage
    for site in "ab":
        assert not trident.list(site, "tmr")
        until(lambda site=site: storage.is_writable(
            site, trident.double.volume_of(site, NS, "orders")[1]),
            f"{site} can be written", 20)


def test_deletion_policy_is_refused(trident):
    """Deleting a relationship breaks the mirror, and can't be undone."""
    pair, one = trident.ready("policy")
    asked = pair.manifest()
    asked["metadata"]["annotations"] = {"uvrfs/deletion-policy": "delete"}
    assert one.write("spec.yaml", yaml.safe_dump(asked)) == 0, one.error
    with pytest.raises(OSError) as refusal:
        os.rmdir(one.path)
    assert refusal.value.errno in (errno.EOPNOTSUPP, errno.EBUSY, errno.EPERM)
    assert one.verdict("remove") != "allowed", one.plan("remove")
    assert one.path.exists() and one.state == "replica"
    for site in "ab":
        assert "deletionTimestamp" not in trident.tmr(site, "policy").meta
    assert not trident.acts("break") and not trident.acts("release")


# ---- what Trident does not let be changed ----

def fixed(trident, site, name):
    spec = trident.tmr(site, name).get()["spec"]
    return {k: spec[k] for k in MIRROR}


def test_policy_and_schedule_are_kept_through_failovers(trident):
    """There and back: what is written has the same mapping, and never names
    either (check_patch, check_fixed)."""
    pair = trident.bare("fixed")
    double = trident.double
    double.tmr("a", NS, "fixed", "promoted", **POLICY)
    double.tmr("b", NS, "fixed", "established",
               double.remote_name("a", NS, "fixed"), **POLICY)
    trident.follow(pair)
    one = pair.make(trident.daemon())
    pair.write("a", 3)
    trident.whole(pair, one)
    one.go("promoting", "source", "swap")
    pair.write("b", 2)
    await_equal(pair)
    back = pair.make(trident.daemon("a"))
    await_verdict(back, "promoting", "allowed")
    back.go("promoting", "source", "swap")
    assert len([b for s in "ab" for b in trident.patches(s)
                if "spec" in b]) >= 3
    for site in "ab":
        assert fixed(trident, site, "fixed") == POLICY
        assert trident.diary.made(site, "tmr") == ["fixed"]


def test_mode_and_schedule_change_no_relationship(trident):
    pair, one = trident.ready("mode")
    before = len(trident.at_rest())
    assert one.write("mode", "synchronous\n") == errno.EPERM
    assert one.error and one.read("mode").strip() == "asynchronous"
    one.write("schedule", "{mode: interval, rpo: 1h}\n")
    never(lambda: len(trident.written()) > before, "a write")


def test_a_mirror_of_another_volume_is_not_turned(trident):
    """Only its remoteVolumeHandle tells; it is accepted, and fails for ever."""
    pair = trident.bare("turned")
    double = trident.double
    double.tmr("a", NS, "turned", "promoted")
    double.claim("a", NS, "other")
    double.tmr("b", NS, "turned", "established",
               double.remote_name("a", NS, "other"))
    trident.follow(pair)
    trident.tmr("b", "turned").await_said("established")
    one = pair.make(trident.daemon(), verified=False)
    never(lambda: one.ready.status == "True", "a belief", 1)
    assert one.verdict("promoting") != "allowed", one.plan("promoting")
    assert one.ask("promoting") != 0
    assert trident.tmr("b", "turned").meta["generation"] == 1


# ---- a promotion does not touch the source ----

def test_a_failover_leaves_the_source_as_it_is(trident):
    pair, one = trident.ready("asitis")
    one.go("promoting", "source")
    a = trident.tmr("a", "asitis")
    assert (a.wants, a.says, a.meta["generation"]) == ("promoted",) * 2 + (1,)
    assert {c.verb for c in trident.acts(None, "a")} <= {
        "create", "snapshot", "drop-snapshot"}
    assert {w[1:3] for w in trident.written("a")} == {
        ("create", "volumesnapshots"), ("create", "tridentsnapshotinfos"),
        ("patch", TMRS)}
    one.await_cond("Degraded", "True")
    assert pair.is_writable("a") and pair.is_writable("b")


def test_somebody_who_uses_the_old_source_again_is_shown(trident):
    pair, one = trident.ready("comeback")
    one.go("promoting", "source")
    before = len(trident.at_rest())
    trident.double.use("a", NS, pair.claim)
    one.await_cond("Degraded", "True", "SplitBrain")
    assert one.ask("swap") == errno.EBUSY and "force" in one.error
    assert len(trident.written()) == before
    trident.double.release("a", NS, pair.claim)
    until(lambda: one.conditions["Degraded"].reason != "SplitBrain", "its end")
    # What was written then is in no snapshot.
    assert one.ask("swap") == errno.EBUSY and "force" in one.error
    assert len(trident.written()) == before and pair.is_writable("a")
    one.go("swap force")
    assert not pair.is_writable("a")


# ---- what is missing, or in use ----

@pytest.mark.parametrize("site", "ab")
def test_snapshot_class_missing(trident, site):
    pair = trident.new_pair("noclass")
    trident.clusters[site].remove(crds.path("vsclass", None, "snapshots"))
    one = pair.make(trident.daemon())
    pair.write("a", 1)
    await_equal(pair)
    trident.give(one.daemon, 5)
    if one.ask("promoting") == 0:
        until(lambda: one.ready.status != "True" and
              one.state in ("failed", "promoting"), "no success")
    await_told(one, "VolumeSnapshotClass")
    never(lambda: one.ready.status == "True" and one.state != "replica",
          "success")
    trident.double.snapshot_class(site)
    if site == "a":
        assert not trident.acts("break")


@pytest.mark.parametrize("user, name", [("pod", "oracle-0"),
                                        ("attachment", "node-7")])
def test_source_in_use(trident, user, name):
    pair, one = trident.ready("inuse")
    if user == "pod":
        trident.double.use("a", NS, pair.claim, pod="oracle-0")
    else:
        attach(trident, pair)
    await_verdict(one, "promoting", "needs force")
    assert name in one.plan("promoting")
    assert one.ask("promoting") == errno.EBUSY and name in one.error
    assert one.state == "replica" and not trident.acts("snapshot", "a")
    if user == "pod":
        trident.double.release("a", NS, pair.claim, pod="oracle-0")
    else:
        trident.clusters["a"].remove(crds.path("va", None, "left-over"))
    await_verdict(one, "promoting", "allowed")


def attach(trident, pair):
    """Without any pod, as after a node's death."""
    volume = trident.double.volume_of("a", NS, pair.claim)[0]
    trident.clusters["a"].create(crds.path("va"), {
        "metadata": {"name": "left-over"}, "spec": {
            "attacher": trident.double.driver, "nodeName": "node-7",
            "source": {"persistentVolumeName": volume}}})
    trident.clusters["a"].set_status(crds.path("va", None, "left-over"),
                                     {"attached": True})


def test_a_pod_that_starts_while_the_final_copy_runs(trident):
    """What it writes is in no snapshot: nothing is promoted without it."""
    pair, one = trident.ready("starts")
    trident.faults.add("hold-transfer", site="b")
    assert one.ask("promoting") == 0
    until(lambda: any(u["spec"].get("snapshotHandle") and u.get("status", {})
                      .get("state") == "In progress"
                      for u in trident.list("b", "tamu")), "the final copy")
    trident.double.use("a", NS, pair.claim, pod="oracle-0")
    pair.write("a", 2)
    trident.faults.clear()
    until(lambda: "in use by" in one.read("conditions") + one.error +
          one.read("log"), "that it is noticed")
    never(lambda: trident.tmr("b", "starts").wants == "promoted",
          "a promotion", 1)
    trident.double.release("a", NS, pair.claim, pod="oracle-0")
    one.done(seconds=30)
    assert pair.data("b") == 5 and pair.is_writable("b")
