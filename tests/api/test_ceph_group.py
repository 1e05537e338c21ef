# SPDX-License-Identifier: Apache-2.0
"""A VolumeGroupReplication: what is asked of one claim moves all of them."""
import errno

import pytest

import crds
from ceph_lab import (FOLLOWS, NS, Vr, ceph, make_ceph, until)  # noqa: F401
from shell import never
from sites import Pair, await_equal
from vendor_status import GROUP_OWNER

pytestmark = pytest.mark.limit(120)

LABELS = {"app": "db"}
NAMES = ("one", "two", "three")


class Group:
    """Three claims in a group at both sites."""
    def __init__(self, ceph, **spec):
        self.ceph, self.pairs = ceph, {}
        for name in NAMES:
            handle = ceph.double.claim("a", NS, name, labels=LABELS)
            ceph.double.claim("b", NS, name, handle=handle, labels=LABELS)
            self.pairs[name] = Pair(ceph, name, handle)
        self.vgr = {}
        self.add("a", "primary", **spec)
        if not spec:
            self.vgr["a"].reaches(("True", "False", "False"), "Primary")
            for pair in self.pairs.values():
                until(lambda p=pair: ceph.storage.has("b", p.handle), "copies")
        self.add("b", "secondary", **spec)
        if not spec:
            self.vgr["b"].reaches(FOLLOWS, "Secondary")

    def add(self, site, role, **spec):
        self.ceph.double.vgr(site, NS, "group", role, LABELS, **spec)
        self.vgr[site] = self.ceph.object(site, "group", "vgr")

    def child(self, site):
        name = self.vgr[site].get()["spec"]["volumeReplicationName"]
        return Vr(self.ceph.clusters[site], crds.path("vr", NS, name))

    def make(self, *names):
        d = self.ceph.daemon()
        made = [self.pairs[n].make(d) for n in names]
        for pair in self.pairs.values():
            pair.write("a", 2)
            await_equal(pair)
        for one in made:
            until(lambda one=one: "copy: ok" in one.plan("promoting"),
                  "a whole copy", 20)
        # What uses the volumes, and the other members, may be listed last.
        wanted = "allowed" if len(names) == len(NAMES) else "needs force"
        for one in made:
            until(lambda one=one: one.verdict("promoting") == wanted, wanted,
                  20)
        return made

    def is_moved(self):
        """All of it, once, without a loss."""
        for pair in self.pairs.values():
            assert pair.is_writable("b") and not pair.is_writable("a")
            assert pair.data("b") == 2
            assert len(self.ceph.acts("promote", "b", pair)) == 1
            assert len(self.ceph.acts("demote", "a", pair)) == 1
        return True

    def written(self):
        return [w for w in self.ceph.written()
                if w[2] != "volumesnapshots"]


@pytest.fixture
def group(ceph):
    return Group(ceph)


MOVED = [(site, "patch", "volumegroupreplications", "group") for site in "ab"]


def test_requests_of_the_members_are_joined(group):
    """The group moves once, when all have asked; its child is not written."""
    many = group.make(*NAMES)
    for i, one in enumerate(many):
        assert not group.written()
        plan = one.plan("promoting")
        assert one.verdict("promoting") == "allowed", plan
        assert all(other in plan for other in NAMES[i + 1:]), plan
        assert one.ask("promoting") == 0
        if one is many[-1]:
            break
        until(lambda one=one: "three" in one.ready.message,
              "whom it waits for")
        assert one.ready.status == "False"
    for one in many:
        one.done(seconds=20)
        assert one.ask("source") == 0, one.error
        one.done()
    assert group.is_moved() and group.written() == MOVED


def test_a_member_that_nobody_speaks_for_needs_force(group):
    one, two = group.make("one", "two")
    assert one.verdict("promoting") == "needs force"
    plan = one.plan("promoting")
    assert "group: needs force" in plan and f"{NS}/three" in plan
    assert "group" in plan and f"{NS}/two" in plan
    assert one.ask("promoting") == errno.EBUSY
    assert f"{NS}/three" in one.error and not group.written()
    for each in (one, two):
        assert each.ask("promoting force") == 0, each.error
    for each in (one, two):
        each.done(seconds=20)
    assert group.is_moved() and group.written() == MOVED


def test_a_stamped_status_of_the_old_source_is_not_believed(ceph, group):
    """The group says that it is of the new generation; its child has not been
    looked at."""
    many = group.make(*NAMES)
    ceph.faults.add("hold-rpc", site="a")
    for one in many:
        assert one.ask("promoting") == 0
    vgr = group.vgr["a"]
    vgr.until(lambda f: f["spec"]["replicationState"] == "secondary" and
              f["status"]["observedGeneration"] == f["metadata"]["generation"],
              "stamped")
    assert group.child("a").triple() is None
    never(lambda: group.vgr["b"].role != "secondary", "a promotion")
    assert many[0].ready.status == "False"
    ceph.faults.clear()
    for one in many:
        one.done(seconds=20)
    assert group.is_moved() and group.written() == MOVED


def test_a_stamped_status_of_the_new_source_is_not_believed(ceph, group):
    many = group.make(*NAMES)
    vgr = group.vgr["b"]
    vgr.reaches(FOLLOWS)
    ceph.faults.add("hold-rpc", site="b")
    for one in many:
        assert one.ask("promoting") == 0
    vgr.until(lambda f: f["spec"]["replicationState"] == "primary" and
              vgr.triple(f), "stamped")
    never(lambda: any(one.ready.status == "True" for one in many), "Ready")
    for one in many:
        assert one.ask("source") == errno.EBUSY
    ceph.faults.clear()
    for one in many:
        one.done(seconds=20)
    assert group.is_moved()


def test_a_child_that_is_stamped_with_an_older_success(ceph, group):
    """A vendor's status that is as it should be, at the group's generation:
    the child's own says what was not done."""
    many = group.make(*NAMES)
    for one in many:
        assert one.ask("promoting") == 0
    for one in many:
        one.done(seconds=20).go("source")
    ceph.faults.add("hold-rpc", site="b")
    child = group.child("b")
    for role in ("secondary", "primary"):
        group.vgr["b"].spec(replicationState=role)
        child.until(lambda f, role=role: f["spec"]["replicationState"] == role,
                    "the child's spec")
    assert group.vgr["b"].until(group.vgr["b"].triple, "stamped") and \
        group.vgr["b"].status["state"] == "Primary"
    until(lambda: many[0].ready.status != "True", "a doubt")
    ceph.faults.clear()
    for one in many:
        one.await_cond("Ready", "True", "Verified")


def test_a_group_in_use_by_another_member(ceph, group):
    one, *others = group.make(*NAMES)
    ceph.double.use("a", NS, "three")
    until(lambda: one.verdict("promoting") == "needs force", "who uses it")
    assert "three-user" in one.plan("promoting")
    assert one.ask("promoting") == errno.EBUSY and "three-user" in one.error
    ceph.double.release("a", NS, "three")
    until(lambda: one.verdict("promoting") == "allowed", "its end")
    assert not group.written()


def test_a_first_copy_of_another_member(ceph, group):
    """Its lastSyncTime is the group's: none while one of them has none."""
    three = group.pairs["three"]
    ceph.begin_anew(three)
    with ceph.storage.lock:
        ceph.storage.volume("a", three.handle).last_sync = None
    group.child("a").until(lambda f: "lastSyncTime" not in f["status"],
                           "no whole copy")
    one = group.pairs["one"].make(ceph.daemon(), verified=False)
    until(lambda: "copy: not now" in one.plan("promoting"), "a verdict")
    assert one.ask("promoting force") == errno.EBUSY and not group.written()
    ceph.faults.clear()
    until(lambda: "copy: ok" in one.plan("promoting"), "a whole copy", 20)


@pytest.mark.parametrize("owned", [True, False])
def test_an_external_group_is_refused(ceph, owned):
    """Its vendor's controller owns it; csi-addons does not look at it.  Its
    claims are those that it selects, also when they do not say so."""
    group = Group(ceph, external=True)
    for site in "ab" if owned else "":
        for name in NAMES:
            Vr(ceph.clusters[site], crds.path("pvc", NS, name)).patch(
                metadata={"annotations": {GROUP_OWNER: "group"}})
    one = group.pairs["one"].make(ceph.daemon(), verified=False)
    until(lambda: "external" in one.read("conditions") + one.error +
          one.plan("promoting"), "why not")
    assert one.ready.status != "True"
    assert one.verdict("promoting") != "allowed", one.plan("promoting")
    assert one.ask("promoting") != 0 and one.ask("promoting force") != 0
    never(ceph.written, "a write")


def test_a_group_that_is_ignored(ceph):
    """Its class names swapped: csi-addons says nothing at all, and uvrfs does
    not make VolumeReplications beside it."""
    group = Group(ceph, volumeReplicationClassName="vgrc-1m")
    one = group.pairs["one"].make(ceph.daemon(), verified=False)
    until(lambda: one.ready.status in ("False", "Unknown"), "that it is told")
    never(lambda: one.ready.status == "True" or ceph.written(), "a success")
    assert one.verdict("promoting") != "allowed"
