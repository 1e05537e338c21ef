# SPDX-License-Identifier: Apache-2.0
"""What `volumes` says of a PVC: the tutorial's fifth step."""
import pytest
import yaml

from daemons import NS, fleet, make_node, store  # noqa: F401
from inotify import CLOSE_WRITE, Watcher
from kube import ATTACHMENTS
from shell import until
from test_credentials import ALL, LEASES, STATUS

pytestmark = pytest.mark.limit(90)


def pvc(r):
    return yaml.safe_load(r.read("volumes"))["pvc"]


def test_phase_volume_and_node(make_node, store):
    r = make_node().await_lead().replica()
    name, pv = r.volume_names()[0], f"pv-{r.name}"
    until(lambda: pvc(r) == {"phase": "absent"}, "the claims are listed")
    watcher = Watcher().add(r.path)
    store.make_pvc(NS, name, phase="Pending")
    watcher.until(r.path / "volumes", CLOSE_WRITE)
    until(lambda: pvc(r) == {"phase": "Pending"}, "the phase")
    store.remove(f"/api/v1/namespaces/{NS}/persistentvolumeclaims/{name}")
    until(lambda: pvc(r) == {"phase": "absent"}, "it is gone")
    store.make_pvc(NS, name, pv=pv, node="node-7")
    until(lambda: pvc(r) == {"phase": "Bound", "volume": pv,
                             "volumePhase": "Bound", "attachedTo": "node-7"},
          "where it is attached")
    # Several nodes may have it; others of that time have another one.
    store.attach(pv, "node-8")
    store.attach(f"{pv}0", "node-9")
    store.remove(f"{ATTACHMENTS}/{pv}-node-7")
    until(lambda: pvc(r).get("attachedTo") == "node-8", "it has moved")
    store.set_status(f"{ATTACHMENTS}/{pv}-node-8", {"attached": False})
    until(lambda: pvc(r).get("attachedTo") == "", "it is detached")
    watcher.close()
    # The size is that of the text, whatever it has become.
    assert (r.path / "volumes").stat().st_size == len(r.read("volumes"))


def test_without_the_rights(make_node, limited):
    limited([ALL, STATUS, LEASES])
    r = make_node(user="limited").await_lead().replica()
    until(lambda: "answered 403" in str(pvc(r).get("unknown")), "it says why")
    assert r.conditions["Ready"].status == "True"
