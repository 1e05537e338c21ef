# SPDX-License-Identifier: Apache-2.0
"""What the tests of the doubles share."""
import itertools

import pytest

import crds
from shell import until
from vendor_ceph import Ceph

numbers = itertools.count(1)

# (Completed, Degraded, Resyncing) of a VolumeReplication.
PRIMARY = ("True Promoted", "False Healthy", "False NotResyncing")
JUST_DEMOTED = ("True Demoted", "True VolumeDegraded", "False NotResyncing")
REPLICA = ("True Demoted", "True VolumeDegraded", "True ResyncTriggered")
FINAL = ("True Demoted", "False Healthy", "False NotResyncing")


class Seen:
    """An object as its API server has it now."""
    def __init__(self, cluster, path):
        self.cluster, self.path = cluster, path

    def get(self):
        return self.cluster.request("GET", self.path)[1]

    @property
    def status(self):
        return self.get().get("status") or {}

    @property
    def meta(self):
        return self.get()["metadata"]

    def is_gone(self):
        return self.cluster.request("GET", self.path)[0] == 404

    def patch(self, **body):
        code, answer = self.cluster.request("PATCH", self.path, body)
        assert code == 200, answer
        return answer["metadata"].get("generation")

    def spec(self, **fields):
        """The generation that this makes."""
        return self.patch(spec=fields)

    def delete(self):
        assert self.cluster.request("DELETE", self.path)[0] in (200, 202)

    def until(self, check, what, seconds=10):
        """Until the check says so of the object."""
        def look():
            found = self.get()
            return check(found) and found
        try:
            return until(look, what, seconds)
        except AssertionError:
            raise AssertionError(f"in vain: {what}: {self.get()}") from None


def snapshot(double, site, namespace, claim, name=None):
    """A VolumeSnapshot of a claim."""
    name = name or f"snap-{next(numbers)}"
    double.snapshot_class(site)
    double.clusters[site].create(crds.path("vs", namespace), {
        "apiVersion": crds.api_version("vs"), "kind": "VolumeSnapshot",
        "metadata": {"name": name}, "spec": {
            "volumeSnapshotClassName": "snapshots",
            "source": {"persistentVolumeClaimName": claim}}})
    return Seen(double.clusters[site], crds.path("vs", namespace, name))


def is_ready(found):
    return found.get("status", {}).get("readyToUse")


def error_of(found):
    return found.get("status", {}).get("error", {}).get("message")


def events(cluster, name, reason):
    """Of an object."""
    return [e for e in cluster.request("GET", crds.path("event"))[1]["items"]
            if e["involvedObject"]["name"] == name and e["reason"] == reason]


# ---- Ceph ----

class Vr(Seen):
    def conditions(self, found=None):
        found = found or self.get()
        return {c["type"]: c for c in
                found.get("status", {}).get("conditions", ())}

    def triple(self, found):
        """At the present generation; else None."""
        all_of_it = self.conditions(found)
        three = [all_of_it.get(t) for t in
                 ("Completed", "Degraded", "Resyncing")]
        generation = found["metadata"]["generation"]
        if not all(c and c["observedGeneration"] == generation for c in three):
            return None
        return tuple(f"{c['status']} {c['reason']}" for c in three)

    def reaches(self, triple, state=None):
        return self.until(lambda f: self.triple(f) == triple and state in (
            None, f["status"]["state"]), triple)

    def failed(self, reason):
        return self.until(lambda f: self.conditions(f).get(
            "Completed", {}).get("reason") == reason, reason)


class CephLab:
    """A claim at both sites, source at a and replica at b."""
    def __init__(self, ceph, **spec):
        self.ceph, self.storage = ceph, ceph.storage
        self.handle = ceph.claim("a", "apps", "data")
        ceph.claim("b", "apps", "data", self.handle)
        self.a = self.vr("a", "primary")
        self.b = self.vr("b", "secondary", **spec)
        self.a.reaches(PRIMARY)
        self.b.reaches(REPLICA)

    def vr(self, site, state, **spec):
        path = self.ceph.vr(site, "apps", "data", state, **spec)
        return Vr(self.ceph.clusters[site], path)

    def look(self, site):
        """Its controller looks again, though it is not due."""
        self.ceph.live[site][0].queue.add(("vr", "apps", "data"))

    def write(self, site, count=1):
        return self.storage.write(site, self.handle, count)

    def has(self, site):
        return self.storage.data(site, self.handle)

    def crossed(self):
        until(lambda: self.has("a") == self.has("b"), "all has crossed")

    def state(self, site):
        return self.storage.state(site, self.handle)

    def calls(self, site, verb):
        return len(self.storage.actions(site, verb, self.handle))


@pytest.fixture
def ceph(pair):
    with Ceph(*pair) as double:
        yield double


@pytest.fixture
def lab(ceph):
    return CephLab(ceph)
