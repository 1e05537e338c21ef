# SPDX-License-Identifier: Apache-2.0
"""The VolumeReplications themselves: adopted, made where there is none, and
never taken away or turned by the way."""
import errno

import pytest
import yaml

import crds
from ceph_lab import NS, ceph, make_ceph, until  # noqa: F401
from sites import NAMES, Pair
from shell import call, never, put
from uvr import ROOT, destroy_all

pytestmark = pytest.mark.limit(120)

RBAC = ROOT / "docs/examples/uvrfs-rbac-backends.yaml"


def made(ceph, site):
    """What daemons have created there."""
    return [w for w in ceph.written(site) if w[1:3] ==
            ("create", "volumereplications")]


# ---- adopted ----

def test_adopted_whatever_their_names(ceph):
    pair = ceph.new_pair("adopted", native=False)
    ceph.double.vr("a", NS, "adopted", "primary", name="from-before")
    ceph.double.vr("b", NS, "adopted", "secondary", name="vr-7")
    one = pair.make(ceph.daemon())
    pair.write("a", 2)
    ceph.whole(pair, one)
    assert not ceph.written()
    one.go("promoting", "source")
    assert pair.is_writable("b") and pair.data("b") == 2
    assert {w[3] for w in ceph.written() if w[2] == "volumereplications"} == \
        {"from-before", "vr-7"}


@pytest.mark.parametrize("state, site", [("replica", "b"), ("source", "a")])
def test_a_role_is_not_changed_by_making(ceph, state, site):
    """Each site has the other role already."""
    handle = ceph.double.claim("b", NS, "turned")
    ceph.double.claim("a", NS, "turned", handle=handle)
    pair = Pair(ceph, "turned", handle)
    ceph.double.vr("b", NS, "turned", "primary")
    until(lambda: ceph.storage.has("a", handle), "a copy at a")
    ceph.double.vr("a", NS, "turned", "secondary")
    ceph.replicating("b", "turned")
    d = ceph.daemon(site)
    warm = ceph.new_pair("warm").make(d, "replica" if site == "b" else
                                      "source")
    (d.mnt / NS / "turned").mkdir()
    one = pair.at(d)
    code = one.write("spec.yaml", yaml.safe_dump({"spec": pair.spec(state)}))
    if code == 0:       # before anybody has looked
        one.await_cond("Ready", "False", "RoleConflict")
        assert one.ready.message.split(": ")[1]
    else:
        assert code == errno.EPERM and "promoting" in one.error
    ceph.polled("a", pair)
    assert [w for w in ceph.written() if w[3] == "turned"] == []
    assert warm.state in ("replica", "source") and pair.is_writable("b")


def test_no_source_beside_a_source(ceph):
    """The manifest has the endpoints the wrong way round, and at its source
    there is nothing yet."""
    handle = ceph.double.claim("b", NS, "second")
    ceph.double.claim("a", NS, "second", handle=handle)
    pair = Pair(ceph, "second", handle)
    ceph.double.vr("b", NS, "second", "primary")
    until(lambda: ceph.storage.has("a", handle), "a copy at a")
    d = ceph.daemon("a")
    ceph.new_pair("warm").make(d, "source")
    (d.mnt / NS / "second").mkdir()
    one = pair.at(d)
    code = one.write("spec.yaml", yaml.safe_dump({"spec": pair.spec("source")}))
    if code == 0:       # before anybody has looked
        one.await_cond("Ready", "False", "RoleConflict")
    else:
        assert code == errno.EPERM and "would be two" in one.error
    never(lambda: [w for w in ceph.written() if w[3] == "second"], "a write")
    assert pair.is_writable("b") and not pair.is_writable("a")


def test_one_that_goes_is_not_made_again(ceph):
    """A steady state never writes."""
    pair, one = ceph.ready("gone")
    ceph.faults.add("disable-error", site="b")
    # Or it puts its finalizer back before it is deleted.
    ceph.double.stop("b")
    ceph.clusters["b"].remove(crds.path("vr", NS, "gone"))
    ceph.double.start("b")
    until(lambda: one.ready.status != "True", "that it is noticed")
    assert one.state == "replica"
    never(ceph.written, "a write")
    assert one.verdict("promoting") != "allowed"
    assert one.ask("promoting") != 0


def test_one_that_is_being_deleted_is_not_promoted(ceph):
    """All that csi-addons does is wait (volume-replication-operator#119)."""
    pair, one = ceph.ready("leaving")
    ceph.faults.add("disable-error", site="b")
    ceph.object("b", "leaving").delete()
    until(lambda: one.verdict("promoting") != "allowed", "that it is noticed")
    assert "delete" in one.plan("promoting") + one.read("conditions")
    assert one.ask("promoting") != 0 and not ceph.written()
    assert one.state == "replica" and pair.is_writable("a")


@pytest.mark.parametrize("other", ["aaa", "zzz"])
def test_of_two_the_one_that_owns_the_claim(ceph, other):
    """The other one fails, whatever it says otherwise."""
    pair = ceph.new_pair("owned")
    for site in "ab":
        ceph.object(site, "owned").until(lambda f: f.get("status"), "owned")
        ceph.double.vr(site, NS, "owned", "primary" if site == "a" else
                       "secondary", name=other)
        ceph.object(site, other).until(
            lambda f: "already owned" in f.get("status", {}).get(
                "message", ""), "it fails")
    one = pair.make(ceph.daemon())
    pair.write("a", 1)
    ceph.whole(pair, one)
    one.go("promoting", "source")
    assert pair.is_writable("b")
    assert {w[3] for w in ceph.written()
            if w[2] == "volumereplications"} == {"owned"}


# ---- made ----

def test_made_at_the_source_first(ceph):
    pair = ceph.new_pair("made", native=False)
    one = pair.make(ceph.daemon())
    times = {s: [r["time"] for r in ceph.asked(s, "create",
                                               "volumereplications")]
             for s in "ab"}
    assert len(times["a"]) == len(times["b"]) == 1 and times["a"] < times["b"]
    for site, role in (("a", "primary"), ("b", "secondary")):
        spec = ceph.diary.all(site, "vr")[-1].spec
        assert spec == {
            "volumeReplicationClass": "vrc-1m", "replicationState": role,
            "autoResync": False, "dataSource": {
                **spec["dataSource"], "kind": "PersistentVolumeClaim",
                "name": "made"}}
        assert spec["dataSource"].get("apiGroup", "") == ""
    pair.write("a", 1)
    ceph.whole(pair, one)


def test_made_only_where_there_is_none(ceph):
    pair = ceph.new_pair("half", native=False)
    ceph.double.vr("a", NS, "half", "primary", name="older")
    until(lambda: ceph.storage.has("b", pair.handle), "its image")
    pair.make(ceph.daemon())
    assert not ceph.written("a") and len(made(ceph, "b")) == 1


def test_the_claim_of_the_volume_whatever_its_name(ceph):
    """At the destination it is that of the manifest's volumeHandle; one of the
    same name is another."""
    handle = ceph.double.claim("a", NS, "first")
    ceph.double.claim("b", NS, "second", handle=handle)
    ceph.double.claim("b", NS, "first")
    pair = Pair(ceph, "named", handle, claim="first")
    one = pair.make(ceph.daemon())
    assert ceph.diary.all("b", "vr")[-1].spec["dataSource"]["name"] == "second"
    pair.write("a", 2)
    ceph.whole(pair, one)
    one.go("promoting")
    assert pair.is_writable("b")


def again(one):
    """What has failed for good is tried when somebody writes it; the claim that
    was lacking has been seen by then, or it is for good again."""
    until(lambda: not any("no PersistentVolumeClaim" in one.seen(side)["native"]
                          for side in ("here", "peer")), "the claims are seen")
    assert one.ask("replica") == 0, one.error
    one.done(seconds=20)


def is_told(one, *words):
    text = one.read("conditions") + one.error
    return all(w in text for w in words)


@pytest.mark.parametrize("site", "ab")
def test_no_claim_no_replication(ceph, site):
    """It is told which is lacking, and may be tried again when it is there."""
    handle = ceph.double.new_handle("a", "pv")
    ceph.double.make_volume("a", handle, "pv")
    other = "b" if site == "a" else "a"
    ceph.double.claim(other, NS, "lacking", handle=handle)
    pair = Pair(ceph, "lacking", handle)
    one = pair.make(ceph.daemon(), verified=False)
    until(lambda: is_told(one, "PersistentVolumeClaim database/lacking",
                          NAMES[site]), "what is lacking")
    assert one.ready.status == "False" and not made(ceph, site)
    ceph.double.claim(site, NS, "lacking", handle=handle)
    again(one)
    assert len(made(ceph, "a")) == len(made(ceph, "b")) == 1


def test_a_claim_that_is_not_bound(ceph):
    pair = ceph.new_pair("early", native=False)
    ceph.double.settle("a", NS, "early", "Pending")
    one = pair.make(ceph.daemon(), verified=False)
    until(lambda: is_told(one, "ound"), "what is wrong with it")
    assert one.ready.status != "True"
    ceph.double.settle("a", NS, "early")
    again(one)


# ---- their class ----

def drop_class(ceph, name="vrc-1m"):
    for cluster in ceph.clusters.values():
        cluster.remove(crds.path("vrc", None, name))


def add_class(ceph, name, interval="1m", **parameters):
    for site in ceph.clusters:
        ceph.double.replication_class(site, name, interval=interval,
                                      **parameters)


def foreign_class(ceph, name):
    for cluster in ceph.clusters.values():
        cluster.create(crds.path("vrc"), {
            "apiVersion": crds.api_version("vrc"),
            "kind": "VolumeReplicationClass", "metadata": {"name": name},
            "spec": {"provisioner": "other.csi.example",
                     "parameters": {"mirroringMode": "snapshot",
                                    "schedulingInterval": "5m"}}})


def chosen(ceph, claim):
    return {e.site: e.spec["volumeReplicationClass"]
            for e in ceph.diary.all(kind="vr")
            if e.spec["dataSource"]["name"] == claim}


def test_without_a_class(ceph):
    """It is told; another driver's is none."""
    drop_class(ceph)
    foreign_class(ceph, "foreign")
    pair = ceph.new_pair("classless", native=False)
    one = pair.make(ceph.daemon(), verified=False)
    until(lambda: is_told(one, "VolumeReplicationClass", ceph.double.driver),
          "what is lacking")
    assert not ceph.written()
    add_class(ceph, "late")
    again(one)
    assert chosen(ceph, "classless") == {"a": "late", "b": "late"}


def test_several_classes_are_not_guessed_from(ceph):
    add_class(ceph, "vrc-2m", "2m")
    pair = ceph.new_pair("several", native=False)
    one = pair.make(ceph.daemon(), verified=False)
    until(lambda: is_told(one, "vrc-1m", "vrc-2m"), "which there are")
    assert not ceph.written()
    drop_class(ceph, "vrc-2m")
    again(one)
    assert chosen(ceph, "several") == {"a": "vrc-1m", "b": "vrc-1m"}


def test_of_several_classes_that_of_the_rpo(ceph):
    add_class(ceph, "vrc-5m", "5m")
    add_class(ceph, "vrc-5h", "5h")
    foreign_class(ceph, "foreign")
    ceph.new_pair("rpo", native=False).make(ceph.daemon())
    assert chosen(ceph, "rpo") == {"a": "vrc-5m", "b": "vrc-5m"}


def test_a_class_of_the_mirroring_mode(ceph):
    for site in ceph.clusters:
        ceph.double.replication_class(site, "journal", interval="5m",
                                      mirroringMode="journal")
    d = ceph.daemon()
    ceph.new_pair("snapshots", native=False).make(d)
    assert chosen(ceph, "snapshots") == {"a": "vrc-1m", "b": "vrc-1m"}
    ceph.new_pair("journal", native=False).make(
        d, extensions={"ceph": {"mirroringMode": "journal"}})
    assert chosen(ceph, "journal") == {"a": "journal", "b": "journal"}


def test_a_class_can_not_be_changed(ceph):
    """So neither mode nor schedule can."""
    pair, one = ceph.ready("fixed")
    assert one.write("mode", "synchronous\n") == errno.EPERM
    assert one.write("schedule", "{mode: interval, rpo: 1h}\n") == errno.EPERM
    assert one.error and one.read("mode") == "asynchronous\n"
    assert not ceph.written()


# ---- kept ----

def picture(ceph, name):
    return {s: ceph.object(s, name).get() for s in "ab"}


def test_rmdir_keeps_them(ceph):
    """Deleting one at a primary ends the mirroring, and deletes the copy."""
    pair, one = ceph.ready("kept", native=False)
    names = {s: ceph.diary.all(s, "vr")[-1].name for s in "ab"}
    assert one.verdict("remove") == "allowed"
    assert "kept" in one.plan("remove")
    assert call((one.path).rmdir) == 0
    assert not one.path.exists()
    ceph.polled("b", pair)
    for site, name in names.items():
        found = ceph.object(site, name).get()
        assert "deletionTimestamp" not in found["metadata"], found
    assert pair.is_writable("a") and pair.data("b") == 3
    assert not ceph.acts("disable")


def test_the_policy_to_delete_is_refused(ceph):
    pair, one = ceph.ready("policy")
    text = pair.manifest()
    text["metadata"]["annotations"] = {"uvrfs/deletion-policy": "delete"}
    code = put(one / "spec.yaml", yaml.safe_dump(text))
    if code == 0:
        assert one.verdict("remove") == "not now", one.plan("remove")
        code = call(one.path.rmdir)
    assert code in (errno.EPERM, errno.EBUSY, errno.EINVAL)
    assert "delete" in one.error and one.path.exists()
    never(lambda: ceph.acts("disable") or
          not ceph.storage.has("b", pair.handle), "a deletion")
    assert not ceph.written()


# ---- rights ----

def test_the_rights_of_the_example_are_enough(ceph):
    """For all of a failover, and back in step."""
    rules = [r for part in yaml.safe_load_all(RBAC.read_text())
             if part["kind"] == "ClusterRole" for r in part["rules"]]
    try:
        for cluster in ceph.clusters.values():
            cluster.grant("limited", rules)
        pair = ceph.new_pair("rights", native=False)
        one = pair.make(ceph.daemon(users={"a": "limited", "b": "limited"}))
        pair.write("a", 2)
        ceph.whole(pair, one)
        one.go("promoting", "source", "swap")
        pair.write("b", 1)
        one.await_cond("Degraded", "False", seconds=20)
        refused = [r for s in "ab" for r in ceph.asked(s)
                   if r["code"] in (401, 403)]
        assert not refused and pair.is_writable("b")
    finally:
        destroy_all(ceph.daemons)
        for cluster in ceph.clusters.values():
            cluster.revoke("limited")
