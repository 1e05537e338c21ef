# SPDX-License-Identifier: Apache-2.0
"""That the double of Ceph behaves as its makers wrote it, one quirk a
test."""
import pytest

import crds
from doubles import (FINAL, JUST_DEMOTED, PRIMARY, REPLICA,  # noqa: F401
                     CephLab, Seen, Vr, ceph, lab)
from shell import FACTOR, never, until
from vendor_ceph import Ceph
from vendor_rbd import ERROR, REPLAYING, UNKNOWN
from vendor_status import OWNER, PREFIX

pytestmark = pytest.mark.limit(120)


def test_generation_is_on_the_status_and_each_condition(lab):
    found = lab.a.get()
    assert found["status"]["observedGeneration"] == 1
    assert {c["observedGeneration"] for c in found["status"]["conditions"]} \
        == {1}
    assert found["metadata"]["finalizers"] == [PREFIX]
    claim = Seen(lab.ceph.clusters["a"], crds.path("pvc", "apps", "data"))
    assert claim.meta["annotations"][OWNER] == "data"
    assert f"{PREFIX}/pvc-protection" in claim.meta["finalizers"]


def test_freshness_only_at_the_primary(lab):
    lab.write("a", 3)
    lab.a.until(lambda f: f["status"].get("lastSyncTime"), "lastSyncTime")
    lab.a.until(lambda f: lab.a.conditions(f)["Replicating"]["status"] ==
                "True", "Replicating")
    assert "lastSyncTime" not in lab.b.status
    assert "Replicating" not in lab.b.conditions()
    lab.storage.cut()
    lab.a.until(lambda f: lab.a.conditions(f)["Replicating"]["reason"] ==
                "NotReplicating", "not Replicating")
    lab.a.spec(replicationState="secondary")
    found = lab.a.reaches(REPLICA)
    assert "lastSyncTime" not in found["status"]
    assert "Replicating" not in lab.a.conditions(found)


def test_freshness_is_looked_at_by_the_schedule(pair):
    with Ceph(pair[0], info=None) as double:
        double.claim("a", "apps", "data")
        vr = Vr(pair[0], double.vr("a", "apps", "data"))
        vr.reaches(PRIMARY)
        reads = double.storage.actions("a", "read")
        # One of 1 minute is looked at every minute; an annotation is nothing.
        vr.patch(metadata={"annotations": {"some": "note"}})
        never(lambda: double.storage.actions("a", "read") != reads, "a look")


def test_a_demotion_is_seen_before_its_final_sync(lab):
    lab.write("a", 2)
    lab.ceph.faults.add("hold-transfer", site="b")
    lab.write("a", 5)
    lab.ceph.poll = 30          # the next look takes it away
    lab.a.spec(replicationState="secondary")
    lab.a.reaches(JUST_DEMOTED, "Secondary")
    lab.ceph.poll = 0.2
    for site in "ab":
        lab.look(site)
    lab.a.reaches(REPLICA)
    never(lambda: lab.a.triple(lab.a.get()) == FINAL, "final")
    lab.ceph.faults.clear("hold-transfer")
    lab.a.reaches(FINAL)
    lab.b.reaches(FINAL)
    assert lab.has("b") == 7 and lab.state("b") == UNKNOWN


def test_a_final_secondary_goes_stale(lab):
    lab.a.spec(replicationState="secondary")
    lab.a.reaches(FINAL)
    lab.b.reaches(FINAL)
    lab.b.spec(replicationState="primary")
    lab.b.reaches(PRIMARY)
    until(lambda: lab.state("a") == REPLAYING, "replays")
    never(lambda: lab.a.triple(lab.a.get()) != FINAL, "a fresh status")
    assert lab.calls("b", "promote") == 1
    assert lab.calls("b", "force-promote") == 0


def test_promote_is_forced_by_itself_and_loses_what_has_not_crossed(lab):
    lab.write("a", 2)
    lab.crossed()
    lab.storage.cut()
    lab.write("a", 3)
    lab.b.spec(replicationState="primary")
    lab.b.reaches(PRIMARY, "Primary")
    assert [c.verb for c in lab.storage.actions("b", name=lab.handle)] == [
        "promote", "force-promote"]
    assert (lab.has("a"), lab.has("b")) == (5, 2)
    assert lab.write("b") == 3 and lab.write("a") == 6


def split(lab):
    lab.storage.cut()
    lab.write("a", 3)
    lab.b.spec(replicationState="primary")
    lab.b.reaches(PRIMARY)
    lab.write("b", 2)
    lab.storage.join()


def test_split_brain_when_the_old_primary_returns(lab):
    split(lab)
    assert lab.a.triple(lab.a.get()) == PRIMARY
    lab.a.spec(replicationState="secondary")
    lab.a.failed("FailedToResync")
    found = lab.a.get()
    assert found["status"]["state"] == "Secondary"
    assert found["status"]["observedGeneration"] == 2
    assert lab.a.conditions(found)["Degraded"]["reason"] == "Error"
    assert "split-brain" in found["status"]["message"]
    assert lab.state("a") == ERROR and lab.has("a") == 3
    lab.a.spec(autoResync=True)
    lab.a.reaches(REPLICA)
    until(lambda: lab.storage.writes("a", lab.handle) ==
          lab.storage.writes("b", lab.handle), "the new primary's data")
    assert lab.calls("a", "resync") == 1


def test_resync_deletes_the_image_once(lab):
    split(lab)
    created = lab.storage.volume("a", lab.handle).created
    watch = lab.a.cluster.admin.watch(
        f"{crds.path('vr', 'apps')}?watch=1", seconds=10 * FACTOR)
    next(watch)                 # as it is: from now on nothing is missed
    lab.a.spec(replicationState="secondary", autoResync=True)
    for event in watch:
        if "Aborted" in event["object"]["status"]["message"]:
            break
    else:
        raise AssertionError("no Aborted")
    watch.close()
    lab.a.reaches(REPLICA)
    until(lambda: lab.state("a") == REPLAYING, "replays")
    assert lab.storage.volume("a", lab.handle).created != created
    lab.a.spec(replicationState="resync")
    lab.a.reaches(REPLICA, "Secondary")
    assert lab.calls("a", "resync") == 1


def test_auto_resync_at_a_planned_move_loses_data(lab):
    lab.write("a", 4)
    lab.a.spec(replicationState="secondary", autoResync=True)
    lab.a.failed("FailedToResync")
    until(lambda: lab.calls("a", "resync") == 1, "a resync")
    assert lab.state("a") == ""


def test_a_resync_of_a_primary_fails(lab):
    lab.a.spec(replicationState="resync")
    lab.a.failed("FailedToResync")
    assert lab.a.status["state"] == "Primary"
    assert "InvalidArgument" in lab.a.status["message"]


def test_a_primary_is_not_promoted_again(lab):
    lab.storage.demote("a", lab.handle)
    lab.a.spec(autoResync=True)
    found = lab.a.reaches(PRIMARY, "Primary")
    assert found["status"]["observedGeneration"] == 2
    assert lab.calls("a", "promote") == 0
    assert not lab.storage.is_writable("a", lab.handle)


def test_a_failure_has_the_generation_too_and_is_tried_again(lab):
    fault = lab.ceph.faults.add("promote-error", site="b", message="no quorum")
    lab.b.spec(replicationState="primary")
    found = lab.b.failed("FailedToPromote")
    assert found["status"]["observedGeneration"] == 2
    assert found["status"]["state"] == "Secondary"
    assert lab.b.conditions(found)["Completed"]["observedGeneration"] == 2
    assert "no quorum" in found["status"]["message"]
    until(lambda: fault.hits > 3, "more attempts")
    lab.ceph.faults.clear()
    lab.b.reaches(PRIMARY)


def test_what_cannot_be_changed_fails_in_the_status(lab):
    lab.a.spec(dataSource={"name": "other"})
    lab.a.until(lambda f: "immutable" in f["status"]["message"], "immutable")
    lab.a.spec(dataSource={"name": "data"}, volumeReplicationClass="other")
    lab.a.until(lambda f: "volumeReplicationClass is" in
                f["status"]["message"], "immutable")


def test_validated_is_false_when_enable_cannot_be(ceph):
    ceph.faults.add("enable-error", code="FailedPrecondition", message="flat")
    ceph.claim("a", "apps", "data")
    vr = Vr(ceph.clusters["a"], ceph.vr("a", "apps", "data"))
    found = vr.failed("FailedToPromote")
    assert vr.conditions(found)["Validated"]["reason"] == "PrerequisiteNotMet"
    assert found["status"]["state"] == "Unknown"


def test_nothing_is_said_without_a_sidecar_or_a_controller(lab):
    lab.ceph.faults.add("sidecar-missing", site="b")
    lab.b.spec(replicationState="primary")
    never(lambda: lab.b.status["observedGeneration"] != 1, "a status")
    lab.ceph.stop("b")
    lab.ceph.faults.clear()
    never(lambda: lab.b.status["observedGeneration"] != 1, "a status")
    lab.ceph.start("b")
    lab.b.reaches(PRIMARY)


def test_demote_is_refused_while_published(lab):
    lab.ceph.use("a", "apps", "data")
    lab.a.spec(replicationState="secondary")
    found = lab.a.failed("FailedToDemote")
    assert "still present" in found["status"]["message"]
    assert found["status"]["state"] == "Primary"
    assert lab.storage.is_writable("a", lab.handle)
    lab.ceph.release("a", "apps", "data")
    lab.a.reaches(FINAL)


def test_an_old_ceph_csi_demotes_under_a_pod(pair):
    with Ceph(pair[0], new_csi=False) as double:
        handle = double.claim("a", "apps", "data")
        vr = Vr(pair[0], double.vr("a", "apps", "data"))
        vr.reaches(PRIMARY)
        double.use("a", "apps", "data")
        vr.spec(replicationState="secondary")
        vr.until(lambda f: f["status"]["state"] == "Secondary", "Secondary")
        assert ("a", handle) in double.storage.broken


def test_deleting_a_primary_disables_and_the_replica_goes(lab):
    lab.a.delete()
    until(lab.a.is_gone, "gone")
    assert lab.calls("a", "disable") == 1
    assert lab.storage.has("a", lab.handle)
    assert not lab.storage.has("b", lab.handle)
    claim = Seen(lab.ceph.clusters["a"], crds.path("pvc", "apps", "data"))
    assert OWNER not in claim.meta.get("annotations", {})


def test_deleting_a_secondary_waits_until_it_replays(lab):
    lab.a.spec(replicationState="secondary")
    lab.b.reaches(FINAL)
    before = lab.b.status
    lab.b.delete()
    never(lab.b.is_gone, "gone")
    assert lab.b.status == before
    lab.a.spec(replicationState="primary")
    until(lab.b.is_gone, "gone")
    assert lab.storage.has("b", lab.handle)


def test_a_second_one_on_a_claim_fails(lab):
    second = Vr(lab.ceph.clusters["a"],
                lab.ceph.vr("a", "apps", "data", name="second"))
    second.failed("FailedToPromote")
    assert "already owned by 'data'" in second.status["message"]


def test_a_spurious_split_brain_fails_and_passes(lab):
    lab.ceph.faults.add("split-brain", site="b")
    lab.b.failed("FailedToResync")
    lab.ceph.faults.clear()
    lab.b.reaches(REPLICA)
    assert lab.calls("b", "resync") == 0


def test_replicating_is_unknown_when_it_cannot_be_asked(lab):
    lab.ceph.faults.add("info-error", site="a")
    lab.a.until(lambda f: lab.a.conditions(f)["Replicating"]["status"] ==
                "Unknown", "Unknown")
    assert lab.a.triple(lab.a.get()) == PRIMARY
