# SPDX-License-Identifier: Apache-2.0
"""A volume that is in use is not pulled away: a demotion under a pod breaks its
I/O, or is refused by a new ceph-csi."""
import errno

import pytest

import crds
from ceph_lab import NS, ceph, make_ceph, until  # noqa: F401
from metrics import Metrics
from proxy import status
from shell import never

pytestmark = pytest.mark.limit(120)


def add_pod(ceph, site, claim, phase, node=None):
    """A pod alone, attached to nothing."""
    cluster, name = ceph.clusters[site], f"{claim}-{phase.lower()}"
    spec = {"nodeName": node} if node else {}
    cluster.create(crds.path("pod", NS), {
        "metadata": {"name": name}, "spec": {
            **spec, "containers": [{"name": "app", "image": "app:1"}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {
                "claimName": claim}}]}})
    cluster.set_status(crds.path("pod", NS, name), {"phase": phase})
    return name


def attach(ceph, site, claim, node="node-7"):
    cluster = ceph.clusters[site]
    pv = ceph.double.volume_of(site, NS, claim)[0]
    cluster.create(crds.path("va"), {
        "metadata": {"name": f"{pv}-{node}"}, "spec": {
            "attacher": ceph.double.driver, "nodeName": node,
            "source": {"persistentVolumeName": pv}}})
    cluster.set_status(crds.path("va", None, f"{pv}-{node}"),
                       {"attached": True})
    return node


USERS = {
    "a pod": lambda c: add_pod(c, "a", "used", "Running", "node-1"),
    "a pod that is pending": lambda c: add_pod(c, "a", "used", "Pending"),
    "an attachment alone": lambda c: attach(c, "a", "used")}


@pytest.mark.parametrize("kind", USERS)
def test_a_peer_in_use_does_not_step_down(ceph, kind):
    """Without force, which is told by whom it is used."""
    pair, one = ceph.ready("used")
    user = USERS[kind](ceph)
    until(lambda: one.verdict("promoting") == "needs force", "who uses it")
    assert user in one.plan("promoting"), one.plan("promoting")
    assert one.ask("promoting") == errno.EBUSY
    assert user in one.error and "force" in one.error
    assert one.state == "replica" and not ceph.written()
    assert one.ask("promoting force") == 0, one.error
    one.done()
    assert pair.is_writable("b") and pair.data("b") == 3


def test_how_old_its_watches_are(ceph):
    """A volume in use is only seen by those that are not behind."""
    _, one = ceph.ready("watched")
    wanted = {(cluster, kind) for cluster in ("prod-cluster", "dr-cluster")
              for kind in ("volumereplications", "pods", "volumeattachments")}

    def ages():
        return {(have["cluster"], have["kind"]): age for have, age in
                Metrics(one.daemon.mnt).all("watch_age_seconds",
                                            owner="vendor")}
    until(lambda: wanted <= set(ages()), "all of them are heard of")
    assert all(0 <= age < 600 for age in ages().values()), ages()


@pytest.mark.parametrize("kind", USERS)
def test_a_source_in_use_does_not_step_down(ceph, kind):
    pair = ceph.new_pair("used")
    ceph.replicating("a", "used")
    one = pair.make(ceph.daemon("a"), "source")
    pair.write("a", 2)
    ceph.whole(pair, one, "demoting")
    user = USERS[kind](ceph)
    until(lambda: one.verdict("demoting") == "needs force", "who uses it")
    assert user in one.plan("demoting")
    assert one.ask("demoting") == errno.EBUSY
    assert user in one.error and one.state == "source" and not ceph.written()
    assert one.ask("demoting force") == 0, one.error
    one.done()
    assert not pair.is_writable("a") and pair.data("b") == 2


def test_a_pod_that_has_ended_uses_nothing(ceph):
    pair, one = ceph.ready("ended")
    running = add_pod(ceph, "a", "ended", "Running")
    until(lambda: one.verdict("promoting") == "needs force", "the running one")
    for phase in ("Succeeded", "Failed"):
        add_pod(ceph, "a", "ended", phase)
    ceph.clusters["a"].set_status(crds.path("pod", NS, running),
                                  {"phase": "Succeeded"})
    until(lambda: one.verdict("promoting") == "allowed", "that all have ended")


def test_a_claim_of_the_same_name_elsewhere_is_another(ceph):
    """A pod of another namespace."""
    pair, one = ceph.ready("elsewhere")
    ceph.double.claim("a", "web", "elsewhere")
    ceph.double.use("a", "web", "elsewhere")
    ceph.double.use("b", NS, "elsewhere", node="node-9")
    never(lambda: one.verdict("promoting") != "allowed", "a user of it")
    ceph.double.use("a", NS, "elsewhere")
    until(lambda: one.verdict("promoting") == "needs force", "its user")


def test_a_new_ceph_csi_refuses_what_was_forced(ceph):
    """It waits with the driver's reason, and goes on when the pod has gone;
    until then nothing is promoted."""
    pair, one = ceph.ready("published")
    ceph.double.use("a", NS, "published")
    until(lambda: one.verdict("promoting") == "needs force", "the pod")
    assert one.ask("promoting force") == 0, one.error
    until(lambda: "still present" in one.read("conditions") + one.error,
          "what the driver says")
    assert pair.is_writable("a") and one.ready.status == "False"
    assert ceph.diary.roles("b") == ["secondary"]
    pair.write("a", 2)
    ceph.double.release("a", NS, "published")
    one.done(seconds=20)
    assert pair.data("b") == 5 and pair.is_writable("b")


def test_an_old_ceph_csi_breaks_what_was_forced(make_ceph):
    """So that the plan has to say it before."""
    ceph = make_ceph(new_csi=False)
    pair, one = ceph.ready("broken")
    ceph.double.use("a", NS, "broken")
    until(lambda: one.verdict("promoting") == "needs force", "the pod")
    assert one.ask("promoting") == errno.EBUSY
    assert not ceph.storage.broken
    assert "broken-user" in one.plan("promoting")
    one.go("promoting force")
    assert ceph.storage.broken == {("a", pair.handle)}


@pytest.mark.parametrize("what", ["/pods", "/volumeattachments"])
def test_use_that_can_not_be_told_needs_force(ceph, what):
    pair = ceph.behind("a").new_pair("untold")
    ceph.proxy("b", "a").rule(status(403), "GET", what)
    one = pair.make(ceph.daemon())
    pair.write("a", 2)
    until(lambda: "in use: needs force" in one.plan("promoting"), "a verdict",
          20)
    assert one.ask("promoting") == errno.EBUSY and not ceph.written()
    ceph.whole_copy(pair, one)
    one.go("promoting force")
    assert pair.is_writable("b") and pair.data("b") == 2


def test_who_was_asked_is_not_in_use_any_more(ceph):
    """A refusal looks again: nobody has to wait for a watch."""
    pair, one = ceph.ready("again")
    ceph.double.use("a", NS, "again")
    until(lambda: one.verdict("promoting") == "needs force", "the pod")
    ceph.double.release("a", NS, "again")
    until(lambda: one.ask("promoting") == 0, "that it is accepted")
    one.done()
    assert "force" not in one.read("history").splitlines()[-1]
