# SPDX-License-Identifier: Apache-2.0
"""`volumes`: the claim, its volume and the node that has it, as the cluster
tells of them, and an event when that changes."""
import pytest
import yaml

from cluster_uvr import running_lab
from inotify import CLOSE_WRITE, MODIFY, Watcher, kinds
from kube import ATTACHMENTS
from shell import FACTOR, background, never, until

CLAIMS = "/api/v1/namespaces/database/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"
RULES = [
    {"apiGroups": ["replication.unified.io"],
     "resources": ["unifiedvolumereplications",
                   "unifiedvolumereplications/status"],
     "verbs": ["list", "get", "watch", "create", "update", "patch", "delete"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
     "verbs": ["get", "create", "update", "patch", "list", "watch"]},
    {"apiGroups": [""], "resources": ["namespaces"],
     "verbs": ["get", "list", "watch"]}]

pytestmark = pytest.mark.limit(120)


@pytest.fixture(scope="module")
def lab(cluster):
    with running_lab(cluster) as one:
        yield one


@pytest.fixture
def d(lab):
    assert lab.main.alive(), "an earlier test has lost the daemon"
    return lab.main


@pytest.fixture
def watcher():
    w = Watcher()
    yield w
    w.close()


def pvc(r):
    return yaml.safe_load(r.read("volumes"))["pvc"]


def bound(lab, d, node=None):
    """A replication of a claim that is bound."""
    name = d.new_name("v")
    lab.cluster.make_pvc("database", f"{name}-pvc", pv=f"pv-{name}", node=node)
    return d.replica(name)


def await_pvc(r, **wanted):
    def check():
        found = pvc(r)
        return all(found.get(k) == v for k, v in wanted.items()) and found
    try:
        return until(check, f"{wanted}")
    except AssertionError as e:
        raise AssertionError(f"{wanted}, but {pvc(r)}") from e


def test_a_claim_that_is_bound(lab, d):
    r = bound(lab, d)
    found = await_pvc(r, phase="Bound", volumePhase="Bound", attachedTo="")
    assert found["volume"] == f"pv-{r.name}"
    # The mapping stands beside it.
    shown = yaml.safe_load(r.read("volumes"))
    assert shown["source"] == {"pvcName": f"{r.name}-pvc",
                               "namespace": "database"}
    assert shown["destination"]["volumeHandle"] == f"{r.name}-vol"


def test_attached_to_a_node(lab, d):
    r = bound(lab, d, node="node-1")
    await_pvc(r, phase="Bound", attachedTo="node-1")


def test_a_claim_that_is_pending(lab, d):
    name = d.new_name("v")
    lab.cluster.make_pvc("database", f"{name}-pvc", phase="Pending")
    r = d.replica(name)
    assert "volume" not in await_pvc(r, phase="Pending")


def test_a_claim_of_the_same_name_elsewhere(lab, d):
    name = d.new_name("v")
    lab.cluster.make_pvc("web", f"{name}-pvc", pv=f"pv-{name}")
    r = d.replica(name)
    assert await_pvc(r, phase="absent") == {"phase": "absent"}


def test_every_change_is_an_event(lab, d, watcher):
    """From no claim at all to one that is attached, and back."""
    r = d.replica()
    name, c = r.name, lab.cluster
    await_pvc(r, phase="absent")
    watcher.add(r / "volumes")

    def told(**wanted):
        seen = watcher.until(r / "volumes", CLOSE_WRITE)
        while not all(pvc(r).get(k) == v for k, v in wanted.items()):
            seen += watcher.until(r / "volumes", CLOSE_WRITE)
        assert kinds(seen, r / "volumes") == MODIFY | CLOSE_WRITE
    c.make_pvc("database", f"{name}-pvc", phase="Pending")
    told(phase="Pending")
    c.request("PATCH", f"{CLAIMS}/{name}-pvc",
              {"spec": {"volumeName": f"pv-{name}"}})
    told(volume=f"pv-{name}", volumePhase="absent")
    c._make_pv(f"pv-{name}", "Bound", {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
        "storageClassName": "lab",
        "claimRef": {"namespace": "database", "name": f"{name}-pvc"},
        "csi": {"driver": "lab.csi.example", "volumeHandle": name}})
    told(volumePhase="Bound")
    c.set_status(f"{CLAIMS}/{name}-pvc", {"phase": "Bound"})
    told(phase="Bound")
    c.attach(f"pv-{name}", "node-7")
    told(attachedTo="node-7")
    c.remove(f"{ATTACHMENTS}/pv-{name}-node-7")
    told(attachedTo="")
    c.remove(f"{VOLUMES}/pv-{name}")
    told(volumePhase="absent")
    c.remove(f"{CLAIMS}/{name}-pvc")
    told(phase="absent")


def test_inotifywait(lab, d):
    r = bound(lab, d)
    await_pvc(r, phase="Bound", volumePhase="Bound")
    watch = background(f"exec inotifywait -m -e close_write {r / 'volumes'}")
    until(lambda: "established" in watch.stderr.readline(), "it watches")
    lab.cluster.attach(f"pv-{r.name}", "node-3")
    assert "CLOSE_WRITE" in watch.stdout.readline()
    await_pvc(r, attachedTo="node-3")
    watch.terminate()
    watch.communicate(timeout=10 * FACTOR)


def test_no_change_no_event(lab, d, watcher):
    """What of a claim is not shown, and claims of others."""
    r = bound(lab, d)
    await_pvc(r, phase="Bound", volumePhase="Bound", attachedTo="")
    watcher.add(r / "volumes")
    lab.cluster.request("PATCH", f"{CLAIMS}/{r.name}-pvc",
                        {"metadata": {"labels": {"a": "b"}}})
    lab.cluster.make_pvc("database", d.new_name("other"), pv=d.new_name("pv"),
                         node="node-1")
    assert watcher.read(0.5) == []


def test_two_attachments(lab, d):
    """One that is going must not hide one that is there."""
    r = bound(lab, d, node="node-1")
    await_pvc(r, attachedTo="node-1")
    lab.cluster.attach(f"pv-{r.name}", "node-2")
    lab.cluster.set_status(f"{ATTACHMENTS}/pv-{r.name}-node-1",
                           {"attached": False})
    await_pvc(r, attachedTo="node-2")


@pytest.fixture
def with_less(lab, cluster, limited):
    """A daemon that may not look at claims."""
    limited(RULES)
    one = lab.new(kubeconfig=cluster.kubeconfig("limited"), lead="false")
    yield one
    if one.alive():
        one.stop()


def test_no_rights_for_claims(lab, d, limited, with_less):
    """Everything else works, and the file says why it knows nothing."""
    r = bound(lab, d)
    s = with_less.start().uvr("database", r.name)
    found = until(lambda: "forbidden" in pvc(s).get("unknown", "") and pvc(s),
                  "it is told")
    assert "limited" in found["unknown"] and "phase" not in found
    await_pvc(r, phase="Bound")
    # Its writes are as good as anybody's.
    s.await_allowed("promoting").go("promoting", "source")
    assert lab.object(r).history() == ["replica", "promoting", "source"]
    # With rights it is known.
    limited(RULES + [
        {"apiGroups": [""], "verbs": ["list", "watch", "get"],
         "resources": ["persistentvolumeclaims"]}])
    until(lambda: pvc(s).get("phase") == "Bound", "with rights it is known", 40)
    for unknown in ("volumeUnknown", "attachedUnknown"):
        until(lambda key=unknown: "forbidden" in pvc(s).get(key, ""), unknown)
    assert "attachedTo" not in pvc(s)


def test_on_a_follower_too(lab, d, watcher):
    e = lab.daemon(lead="false")
    r = bound(lab, d)
    s = e.uvr("database", r.name)
    until(lambda: (s / "volumes").exists(), "it is there")
    await_pvc(s, phase="Bound", volumePhase="Bound")
    watcher.add(s / "volumes")
    lab.cluster.attach(f"pv-{r.name}", "node-5")
    watcher.until(s / "volumes", CLOSE_WRITE)
    for one in (r, s):
        await_pvc(one, attachedTo="node-5")
    never(lambda: pvc(s) != pvc(r), "another picture", 0.2)
