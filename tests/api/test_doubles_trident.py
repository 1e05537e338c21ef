# SPDX-License-Identifier: Apache-2.0
"""That the double of Trident behaves as its makers wrote it, one quirk a
test."""
import pytest

import crds
from doubles import Seen, error_of, events, is_ready, snapshot
from shell import never, until
from vendor_trident import FINALIZER, Trident

pytestmark = pytest.mark.limit(120)


@pytest.fixture
def trident(pair):
    with Trident(*pair) as double:
        yield double


class Tmr(Seen):
    def condition(self, found=None):
        status = (found or self.get()).get("status") or {}
        return (status.get("conditions") or [{}])[0]

    @property
    def state(self):
        return self.condition().get("state")

    def reaches(self, state):
        found = self.until(
            lambda f: self.condition(f).get("state") == state, state)
        return self.condition(found)

    def mapping(self, state, **fields):
        """As a merge patch has to, it gives the whole of the list."""
        old = self.get()["spec"]["volumeMappings"][0]
        return self.spec(state=state, volumeMappings=[{**old, **fields}])


class Lab:
    """A published source at a and its replica at b."""
    def __init__(self, trident, **spec):
        self.trident, self.storage = trident, trident.storage
        self.source = trident.claim("a", "apps", "data")
        self.a = self.seen("a", trident.tmr("a", "apps", "data", "promoted"))
        self.remote = self.a.reaches("promoted")["localVolumeHandle"]
        self.b = self.seen("b", trident.replica(
            "b", "apps", "data", self.remote, **spec))
        self.b.reaches("established")
        self.replica = trident.volume_of("b", "apps", "data")[1]

    def seen(self, site, path):
        return Tmr(self.trident.clusters[site], path)

    def has(self, site):
        return self.storage.data(
            site, self.source if site == "a" else self.replica)

    def crossed(self):
        until(lambda: self.has("a") == self.has("b"), "all has crossed")

    def write(self, count=1):
        return self.storage.write("a", self.source, count)

    def calls(self, site, verb):
        return len(self.storage.actions(site, verb))

    def promote(self):
        self.b.spec(state="promoted")
        return self.b.reaches("promoted")

    def reestablish(self):
        """The old source from the new one."""
        self.a.mapping("reestablished", remoteVolumeHandle=self.trident
                       .remote_name("b", "apps", "data"))


@pytest.fixture
def lab(trident):
    return Lab(trident)


def test_a_replica_is_an_empty_mirror_of_what_the_source_says(lab):
    assert lab.remote.startswith("svm_a:trident_pvc_")
    lab.write(3)
    lab.crossed()
    assert not lab.storage.is_writable("b", lab.replica)
    condition = lab.b.condition()
    assert condition["remoteVolumeHandle"] == lab.remote
    assert condition["localVolumeHandle"].startswith("svm_b:")
    assert "type" not in condition
    assert lab.b.meta["finalizers"] == [FINALIZER]
    assert events(lab.b.cluster, "data", "established")
    assert lab.storage.actions("b", "create")[0].detail == "DP"


def test_a_mirrored_claim_fails_without_its_relationship(trident):
    trident.storage_class("b")
    trident.bare_claim("b", "apps", "data", annotations={
        "trident.netapp.io/mirrorRelationship": "data"})
    cluster = trident.clusters["b"]
    until(lambda: events(cluster, "data", "ProvisioningFailed"), "an event")
    claim = Seen(cluster, crds.path("pvc", "apps", "data"))
    assert claim.status["phase"] == "Pending"


def test_establishing_shows_while_the_first_transfer_runs(trident):
    trident.claim("a", "apps", "data")
    trident.faults.add("hold-transfer", site="b")
    b = Tmr(trident.clusters["b"], trident.replica(
        "b", "apps", "data", trident.remote_name("a", "apps", "data")))
    b.reaches("establishing")
    never(lambda: b.state != "establishing", "the end of it")
    trident.faults.clear()
    b.reaches("established")


def test_nothing_shows_while_ontap_is_not_ready(trident):
    trident.claim("a", "apps", "data")
    trident.faults.add("not-ready", site="b")
    b = Tmr(trident.clusters["b"], trident.replica(
        "b", "apps", "data", trident.remote_name("a", "apps", "data")))
    until(lambda: trident.storage.actions("b", "initialize"), "initialized")
    never(lambda: b.status, "a status")
    trident.faults.clear()
    b.reaches("established")


def test_promote_breaks_and_leaves_the_source_writable(lab):
    lab.write(2)
    lab.crossed()
    lab.storage.cut()
    lab.write(3)
    lab.promote()
    assert [c.verb for c in lab.storage.actions("b", name=lab.replica)][-4:] \
        == ["quiesce", "abort", "break", "delete-mirror"]
    assert lab.storage.write("b", lab.replica) == 3
    assert lab.write() == 6
    assert lab.a.state == "promoted"


def test_promoting_does_not_show(lab):
    fault = lab.trident.faults.add("not-ready", site="b")
    lab.b.spec(state="promoted")
    until(lambda: fault.hits, "it is not ready")
    never(lambda: lab.b.state != "established", "another state")
    lab.trident.faults.clear()
    lab.b.reaches("promoted")
    assert lab.calls("b", "break") == 1


def test_promoting_shows_when_it_is_made_to(lab):
    lab.trident.faults.add("show-promoting", site="b", times=1)
    watch = lab.b.cluster.admin.watch(
        f"{crds.path('tmr', 'apps')}?watch=1", seconds=10)
    next(watch)                 # as it is: from now on nothing is missed
    lab.b.spec(state="promoted")
    states = []
    for event in watch:
        states.append(lab.b.condition(event["object"]).get("state"))
        if states[-1] == "promoted":
            break
    watch.close()
    assert "promoting" in states


@pytest.mark.parametrize("how", ["a fault", "the array is away"])
def test_promoted_is_said_when_ontap_cannot_be_read(lab, how):
    if how == "a fault":
        lab.trident.faults.add("ontap-unreadable", site="b")
    else:
        lab.storage.down("b")
    lab.b.spec(state="promoted")
    assert lab.b.reaches("promoted")["observedGeneration"] == 2
    assert lab.calls("b", "break") == 0
    lab.trident.faults.clear()
    lab.storage.up("b")
    assert not lab.storage.is_writable("b", lab.replica)


def test_the_status_stands_still_when_its_state_is_the_same(lab):
    before = lab.promote()
    assert before["observedGeneration"] == 2
    lab.b.spec(replicationSchedule="5min")
    never(lambda: lab.b.condition() != before, "a status")


def test_failed_stays_until_the_generation_changes(lab):
    fault = lab.trident.faults.add("promote-error", site="b", times=1)
    lab.b.spec(state="promoted")
    failed = lab.b.reaches("failed")
    assert failed["message"] == "Could not promote mirror"
    assert fault.hits == 1 and fault.times == 0
    lab.b.patch(metadata={"annotations": {"nudge": "1"}})
    never(lambda: lab.b.state != "failed", "another attempt")
    lab.b.spec(replicationSchedule="5min")
    lab.b.reaches("promoted")


def test_failed_is_tried_again_by_a_restart(lab):
    lab.trident.faults.add("promote-error", site="b", times=1)
    lab.b.spec(state="promoted")
    lab.b.reaches("failed")
    lab.trident.stop("b")
    lab.trident.start("b")
    lab.b.reaches("promoted")


def test_a_spec_that_cannot_be_is_invalid(trident):
    trident.claim("a", "apps", "data")
    a = Tmr(trident.clusters["a"], trident.tmr(
        "a", "apps", "data", "established"))
    a.reaches("invalid")
    a.spec(state="promoted")
    a.reaches("promoted")
    trident.faults.add("no-mirror", site="a", times=1)
    a.spec(replicationPolicy="MirrorAllSnapshots")
    a.reaches("invalid")


@pytest.mark.parametrize("change", [
    {"localPVCName": "other"}, {"remoteVolumeHandle": "svm_a:other"},
    {"promotedSnapshotHandle": "pvc-x/snapshot-y"}])
def test_what_cannot_be_changed_is_accepted_and_fails(lab, change):
    lab.b.mapping("established", **change)
    lab.b.reaches("invalid" if "promotedSnapshotHandle" in change
                  else "failed")


def test_a_policy_cannot_be_changed_but_for_a_promotion(trident):
    lab = Lab(trident, replicationPolicy="Mirror")
    assert lab.b.condition()["replicationPolicy"] == "Mirror"
    lab.b.spec(replicationPolicy="Other")
    lab.b.reaches("failed")
    lab.b.spec(replicationPolicy="Third", state="promoted")
    lab.b.reaches("promoted")


def test_established_is_never_looked_at_again(lab):
    lab.storage.break_behind("b", lab.replica)
    never(lambda: lab.b.state != "established", "another state")
    assert lab.storage.is_writable("b", lab.replica)


def taken(lab, site="a"):
    """The handle of a new snapshot, by way of a TridentSnapshotInfo."""
    snap = snapshot(lab.trident, site, "apps", "data")
    name = snap.meta["name"]
    info = lab.seen(site, lab.trident.tsi(site, "apps", name, name))
    return info.until(lambda f: f.get("status", {}).get("snapshotHandle"),
                      "a handle")["status"]["snapshotHandle"]


def test_promote_with_a_snapshot_that_has_not_arrived_fails(lab):
    lab.trident.faults.add("hold-transfer", site="b")
    handle = taken(lab)
    lab.b.mapping("promoted", promotedSnapshotHandle=handle)
    lab.b.reaches("failed")
    lab.trident.faults.clear()
    never(lambda: lab.b.state != "failed", "another attempt")
    assert lab.calls("b", "break") == 0


def test_promote_with_a_snapshot_restores_it(lab):
    lab.storage.automatic = False
    lab.write(2)
    handle = taken(lab)
    assert handle.startswith(f"{lab.source}/snapshot-")
    lab.write(1)
    tamu = tamu_of(lab, handle)
    assert tamu.ends() == "Succeeded"
    lab.b.mapping("promoted", promotedSnapshotHandle=handle)
    lab.b.reaches("promoted")
    assert (lab.has("a"), lab.has("b")) == (3, 2)


class Tamu(Seen):
    def ends(self):
        return self.until(lambda f: f.get("status", {}).get("completionTime"),
                          "its end")["status"]["state"]


def tamu_of(lab, snapshot=None, relationship="data", name="update"):
    return Tamu(lab.b.cluster, lab.trident.tamu(
        "b", "apps", name, relationship, snapshot))


def test_an_update_runs_once(lab):
    lab.trident.faults.add("hold-transfer", site="b")
    tamu = tamu_of(lab)
    found = tamu.until(lambda f: f.get("status", {}).get("state") ==
                       "In progress", "In progress")
    assert found["metadata"]["finalizers"] == [FINALIZER]
    assert found["status"]["previousTransferTime"]
    assert found["status"]["remoteVolumeHandle"] == lab.remote
    lab.trident.faults.clear()
    assert tamu.ends() == "Succeeded"
    tamu.until(lambda f: not f["metadata"].get("finalizers"), "no finalizer")
    tamu.spec(snapshotHandle="")
    never(lambda: lab.calls("b", "update") != 1, "another transfer")


@pytest.mark.parametrize("why", ["licence", "relationship", "state", "Sync"])
def test_an_update_that_cannot_be_fails(trident, why):
    lab = Lab(trident, **(
        {"replicationPolicy": "Sync"} if why == "Sync" else {}))
    if why == "licence":
        trident.faults.add("licence", site="b")
    if why == "state":
        lab.promote()
    tamu = tamu_of(lab, relationship="none" if why == "relationship"
                   else "data")
    assert tamu.ends() == "Failed"
    assert tamu.status["message"] and lab.calls("b", "update") == 0


def test_an_update_fails_by_a_restart(lab):
    lab.trident.faults.add("hold-transfer", site="b")
    tamu = tamu_of(lab)
    tamu.until(lambda f: f.get("status"), "its begin")
    lab.trident.stop("b")
    lab.trident.start("b")
    assert tamu.ends() == "Failed"


def test_reestablish_destroys_what_is_newer(lab):
    lab.write(2)
    lab.crossed()
    lab.storage.cut()
    lab.write(3)
    lab.promote()
    lab.storage.write("b", lab.replica)
    lab.reestablish()
    lab.a.reaches("failed")     # without its new source
    assert lab.has("a") == 5 and lab.storage.is_writable("a", lab.source)
    lab.storage.join()
    lab.a.spec(replicationSchedule="5min")
    lab.a.reaches("reestablished")
    assert lab.storage.writes("a", lab.source) == \
        lab.storage.writes("b", lab.replica)
    assert not lab.storage.is_writable("a", lab.source)
    assert lab.calls("a", "resync") == 1


def test_a_resync_that_fails_deletes_the_relationship(lab):
    lab.promote()
    lab.trident.faults.add("resync-error", site="a", times=1)
    lab.reestablish()
    assert "reestablish" in lab.a.reaches("failed")["message"]
    assert ("a", lab.source) not in lab.storage.mirrors
    assert lab.storage.is_writable("a", lab.source)


def test_deleting_a_replica_breaks_its_mirror(lab):
    lab.b.delete()
    until(lab.b.is_gone, "gone")
    assert lab.storage.is_writable("b", lab.replica)
    assert lab.calls("b", "break") == lab.calls("b", "release") == 1


def test_what_was_released_cannot_be_reestablished(lab):
    lab.promote()
    lab.b.delete()
    until(lab.b.is_gone, "gone")
    lab.reestablish()
    lab.a.reaches("failed")


def test_a_deletion_waits_for_the_array(lab):
    lab.storage.down("b")
    lab.b.delete()
    never(lab.b.is_gone, "gone")
    lab.storage.up("b")
    until(lab.b.is_gone, "gone")


def test_nothing_is_said_without_a_controller(lab):
    lab.trident.stop("b")
    lab.b.spec(state="promoted")
    never(lambda: lab.b.state != "established", "a status")
    lab.trident.start("b")
    lab.b.reaches("promoted")


def test_snapshots_are_not_of_a_destination(lab):
    snapshot(lab.trident, "a", "apps", "data").until(is_ready, "ready")
    bad = snapshot(lab.trident, "b", "apps", "data")
    assert "SnapMirror destination" in error_of(
        bad.until(error_of, "an error"))
    lab.promote()
    bad.until(is_ready, "ready after the promotion")
