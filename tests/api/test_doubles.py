# SPDX-License-Identifier: Apache-2.0
"""That the doubles can be trusted: what they share, seen at that of Ceph, and
groups, which only that has.  The quirks of each vendor have files of their own:
test_doubles_ceph.py, test_doubles_trident.py and test_doubles_dell.py."""
import pytest

import crds
from doubles import (FINAL, PRIMARY, CephLab, Seen, Vr, ceph,  # noqa: F401
                     error_of, is_ready, lab, snapshot)
from shell import never, until
from vendor_storage import Faults

pytestmark = pytest.mark.limit(120)


def test_snapshots_are_of_what_is_writable(lab):
    good = snapshot(lab.ceph, "a", "apps", "data")
    found = good.until(is_ready, "ready")
    content = found["status"]["boundVolumeSnapshotContentName"]
    assert found["status"]["creationTime"]
    content = Seen(lab.ceph.clusters["a"], crds.path("vsc", None, content))
    assert content.status["snapshotHandle"]
    bad = snapshot(lab.ceph, "b", "apps", "data")
    assert "Read-only" in error_of(bad.until(error_of, "an error"))
    assert not is_ready(bad.get())
    lab.storage.down("a")
    away = snapshot(lab.ceph, "a", "apps", "data")
    assert "unreachable" in error_of(away.until(error_of, "an error"))
    lab.storage.up("a")
    away.until(is_ready, "ready after all")
    for one in (good, away, bad):
        one.delete()
        until(one.is_gone, "the snapshot gone")
    assert content.is_gone()
    assert len(lab.storage.actions("a", "drop-snapshot")) == 2


def test_a_storage_that_is_down_fails_and_is_tried_again(lab):
    lab.ceph.storage.down("b")
    lab.b.spec(replicationState="primary")
    assert "unreachable" in lab.b.failed("FailedToPromote")["status"]["message"]
    lab.ceph.storage.up("b")
    lab.b.reaches(PRIMARY)


def test_faults_count_and_have_a_site():
    faults = Faults(["one", "two"])
    faults.add("one", site="a", times=2, message="why")
    assert faults.take("one", "b") is None and faults.take("two", "a") is None
    assert faults.take("one", "a").message == "why"
    assert faults.take("one", "a") and not faults.take("one", "a")
    faults.add("two", code="Aborted")
    assert faults.take("two", "b").get("code") == "Aborted"
    faults.clear("two")
    assert not faults.take("two", "b")
    with pytest.raises(AssertionError):
        faults.add("three")


def test_a_pod_uses_and_releases_a_claim(ceph):
    handle = ceph.claim("a", "apps", "data")
    pv = ceph.volume_of("a", "apps", "data")[0]
    ceph.use("a", "apps", "data")
    ask = ceph.clusters["a"].request
    pod, attachment = (crds.path("pod", "apps", "data-user"),
                       crds.path("va", None, f"{pv}-node-1"))
    assert ask("GET", pod)[1]["status"]["phase"] == "Running"
    assert ask("GET", attachment)[1]["status"]["attached"]
    assert ceph.storage.volume("a", handle).users == {"node-1"}
    ceph.release("a", "apps", "data")
    assert ask("GET", pod)[0] == ask("GET", attachment)[0] == 404
    assert not ceph.storage.volume("a", handle).users


def test_a_controller_outlives_its_api_server(lab):
    lab.ceph.clusters["b"].restart_api()
    lab.b.spec(replicationState="primary")
    lab.b.reaches(PRIMARY)
    assert lab.calls("b", "force-promote") == 1


def test_a_site_stops_and_starts_with_its_storage(lab):
    lab.ceph.stop_site("a")
    lab.b.spec(replicationState="primary")
    lab.b.reaches(PRIMARY)
    with pytest.raises(ConnectionError):
        lab.write("a")
    lab.ceph.start_site("a")
    assert lab.write("a") == 1


# ---- groups of Ceph ----

def group(double, site="a", state="primary", **spec):
    return Vr(double.clusters[site], double.vgr(
        site, "apps", "group", state, {"app": "db"}, **spec))


def test_a_group_stamps_old_conditions_as_new(ceph):
    for name in ("one", "two"):
        ceph.claim("a", "apps", name, labels={"app": "db"})
    ceph.claim("a", "apps", "three")
    vgr = group(ceph)
    spec = vgr.reaches(PRIMARY)["spec"]
    assert [r["name"] for r in vgr.status["persistentVolumeClaimsRefList"]] \
        == ["one", "two"]
    child = Vr(ceph.clusters["a"], crds.path(
        "vr", "apps", spec["volumeReplicationName"]))
    child.reaches(PRIMARY)
    ceph.faults.add("hold-rpc")
    generation = vgr.spec(replicationState="secondary")
    vgr.until(lambda f: f["status"]["observedGeneration"] == generation,
              "stamped")
    assert vgr.triple(vgr.get()) == PRIMARY
    assert child.triple(child.get()) is None
    ceph.faults.clear()
    vgr.reaches(FINAL)
    assert len(ceph.storage.actions("a", "demote")) == 2
    vgr.delete()


def test_an_external_group_is_left_alone(ceph):
    ceph.claim("a", "apps", "one", labels={"app": "db"})
    vgr = group(ceph, external=True)
    never(lambda: vgr.status or "finalizers" in vgr.meta, "a touch")


def test_a_group_without_its_class_is_silent(ceph):
    vgr = group(ceph, volumeReplicationClassName="vgrc-1m")
    never(lambda: vgr.status or "finalizers" in vgr.meta, "a touch")


def test_a_claim_of_both_fails(lab):
    Seen(lab.ceph.clusters["a"], crds.path("pvc", "apps", "data")).patch(
        metadata={"labels": {"app": "db"}})
    group(lab.ceph).failed("FailedToPromote")
