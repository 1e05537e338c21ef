# SPDX-License-Identifier: Apache-2.0
"""csi-addons with ceph-csi, as clients see them: VolumeReplication (groups of
them are in vendor_vgr.py) over the images of vendor_rbd.py.

    with Ceph(a=here, b=there) as ceph:
        handle = ceph.claim("a", "apps", "data")
        ceph.claim("b", "apps", "data", handle)
        ceph.vr("a", "apps", "data")
        ceph.vr("b", "apps", "data", "secondary")

Options: poll (for the 15 s and 30 s looks at a secondary), info (for half of
the schedule at a primary; None: what the class says), gone (how long a resync
leaves no image), new_csi (refuses to demote what is published).

Faults; a site is the one whose RPC fails, and `code` a gRPC code:
  enable-error (with code="FailedPrecondition": Validated False)
  promote-error  demote-error  resync-error  info-error  disable-error
  sidecar-missing   no driver to ask: no status changes at all
  hold-rpc          the driver has not answered yet
  hold-transfer     nothing crosses to the site
  split-brain       reported at the site, spuriously
"""
import re
import uuid

import crds
from vendor import Controller, Double, GrpcError, Retry, Wait, now
from vendor_rbd import Image, Rbd
from vendor_snapshots import Snapshotter
from vendor_status import (DEMOTED, FAILED, FINAL, GROUP_OWNER, OWNER, PREFIX,
                           PROMOTED, PROTECTION, RESERVED, RESYNCING, Attempt,
                           Failure)
from vendor_vgr import Groups

DRIVER = "rook-ceph.rbd.csi.ceph.com"
HOUR = 3600.0


class Addons(Groups, Controller):
    kinds = ("vr", "vgr")

    def notice(self, kind, event, old, new):
        super().notice(kind, event, old, new)
        if kind == "vr":        # a group looks at its own, whatever changes
            self.wake_group(new)

    def look_vr(self, path, vr, name):
        if "deletionTimestamp" in vr["metadata"]:
            return self.remove(path, vr)
        attempt, failure = Attempt(vr), None
        try:
            after = self.replicate(path, vr, attempt)
        except (Failure, GrpcError) as e:
            failure = e
            of = getattr(e, "of", None) or attempt.wanted
            attempt.triple(FAILED[of], str(e))
            if getattr(e, "invalid", False):
                attempt.say("Validated", "False", "PrerequisiteNotMet", str(e))
        self.api.set_status(path, vr, attempt.status())
        if not failure:
            return after
        if attempt.state == "Secondary" and attempt.wanted != "primary":
            return self.double.poll
        raise Retry

    def replicate(self, path, vr, attempt):
        parameters = self.class_of(attempt)
        handles = self.handles_of(vr, own=True)
        self.api.finalizer(path, vr, PREFIX)
        self.wait_for_driver()
        self.detail = f"{vr['metadata']['namespace']}/{vr['metadata']['name']}"
        if attempt.wanted != "primary" or attempt.state != "Primary":
            self.enable(attempt, handles)
        if attempt.wanted == "primary":
            return self.be_primary(attempt, handles, parameters)
        return self.be_secondary(attempt, handles)

    def wait_for_driver(self):
        """Its answer, that is: the status stays as it is until then."""
        if self.faults.take("sidecar-missing", self.site):
            raise Retry
        if self.faults.take("hold-rpc", self.site):
            raise Wait

    # ---- what it stands on ----

    def class_of(self, attempt):
        self.check_same(attempt)
        name = attempt.spec["volumeReplicationClass"]
        found = self.api.get("vrc", None, name)
        if not found:
            raise Failure(f"VolumeReplicationClass {name!r} not found")
        parameters = found["spec"].get("parameters", {})
        for key in parameters:
            if key.startswith(PREFIX) and key not in RESERVED:
                raise Failure(f"unknown reserved parameter {key}")
        return parameters

    def check_same(self, attempt):
        """In place of the CEL rules of the CRD."""
        source = attempt.spec["dataSource"]
        now_there = {"dataSource": {k: source.get(k) for k in ("kind", "name")},
                     "volumeReplicationClass":
                         attempt.spec["volumeReplicationClass"]}
        first = self.double.first.setdefault(attempt.meta["uid"], now_there)
        for field, value in now_there.items():
            if first[field] != value:
                raise Failure(f"{field} is immutable")

    def handles_of(self, vr, own=False):
        """Of the images that it is about; own: the claim becomes its own."""
        space = vr["metadata"]["namespace"]
        source = vr["spec"]["dataSource"]
        if source["kind"] == "VolumeGroupReplication":
            return self.group_handles(space, source["name"])
        path = crds.path("pvc", space, source["name"])
        pvc = self.api.ask("GET", path)
        if not pvc or pvc.get("status", {}).get("phase") != "Bound":
            raise Failure(f"PVC {source['name']!r} not found or not bound")
        if own:
            self.take_claim(path, pvc, OWNER, vr["metadata"]["name"])
        return [self.handle_of(pvc)]

    def handle_of(self, pvc):
        pv = self.api.get("pv", None, pvc["spec"]["volumeName"])
        if not pv:
            raise Failure(f"PV of PVC {pvc['metadata']['name']!r} not found")
        return pv["spec"]["csi"]["volumeHandle"]

    def take_claim(self, path, pvc, key, value):
        notes = pvc["metadata"].get("annotations") or {}
        for other in (OWNER, GROUP_OWNER):
            if notes.get(other) and (other, notes[other]) != (key, value):
                raise Failure(f"PVC {pvc['metadata']['name']!r} is already "
                              f"owned by {notes[other]!r}")
        if key not in notes:
            self.api.patch(path, metadata={"annotations": {key: value}})
            pvc = self.api.ask("GET", path)
        self.api.finalizer(path, pvc, PROTECTION)

    def free_claim(self, namespace, name, key, value):
        path = crds.path("pvc", namespace, name)
        pvc = self.api.ask("GET", path)
        notes = pvc and pvc["metadata"].get("annotations") or {}
        if notes.get(key) == value:
            self.api.patch(path, metadata={"annotations": {key: None}})
            self.api.finalizer(path, self.api.ask("GET", path), PROTECTION,
                               wanted=False)

    # ---- what it has the driver do ----

    def each(self, function, handles, *args):
        return [function(self.site, h, *args) for h in handles]

    def enable(self, attempt, handles):
        try:
            self.each(self.storage.enable, handles, self.detail)
        except GrpcError as e:
            raise Failure(str(e),
                          invalid=e.code == "FailedPrecondition") from e
        attempt.say("Validated", "True", "PrerequisiteMet",
                    "volume is validated and met all prerequisites")

    def be_primary(self, attempt, handles, parameters):
        if attempt.state != "Primary":
            self.promote(handles)
        attempt.succeed("Primary", PROMOTED, "volume is marked primary")
        try:
            infos = self.each(self.storage.info, handles)
        except GrpcError as e:
            attempt.say("Replicating", "Unknown", "NotReplicating", str(e))
            return self.interval(parameters)
        self.say_info(attempt, infos)
        return self.interval(parameters)

    def promote(self, handles):
        try:
            self.each(self.storage.promote, handles, False, self.detail)
        except GrpcError as e:
            if e.code != "FailedPrecondition":
                raise
            # As csi-addons does by itself, and only logs.
            self.each(self.storage.promote, handles, True, self.detail)

    def say_info(self, attempt, infos):
        """The oldest of a group's; none when one has not synced yet."""
        times = [last for last, _ in infos]
        if all(times):
            attempt.more.update(lastSyncTime=now(min(times)),
                                lastSyncBytes=4096, lastSyncDuration="0s")
        if all(replays for _, replays in infos):
            attempt.say("Replicating", "True", "Replicating",
                        "volume is replicating")
        else:
            attempt.say("Replicating", "False", "NotReplicating",
                        "volume is not replicating")

    def interval(self, parameters):
        if self.double.info:
            return self.double.info
        found = re.fullmatch(r"(\d+)([mhd])",
                             parameters.get("schedulingInterval", ""))
        if not found:
            return HOUR
        seconds = int(found[1]) * {"m": 60, "h": HOUR, "d": 24 * HOUR}[found[2]]
        return seconds if seconds < 120 else seconds / 2

    def be_secondary(self, attempt, handles):
        """Also for resync, which does not demote and always forces."""
        force = attempt.wanted == "resync" or attempt.spec["autoResync"]
        if attempt.wanted == "secondary":
            self.each(self.storage.demote, handles, self.detail)
            if attempt.state != "Secondary":
                attempt.succeed("Secondary", DEMOTED,
                                "volume is marked secondary and is degraded")
                return self.double.poll
        try:
            ready = self.each(self.storage.resync, handles, force, self.detail)
        except GrpcError as e:
            raise Failure(str(e), of="resync") from e
        if all(ready):
            attempt.succeed("Secondary", FINAL, "volume is marked secondary")
            return None         # and never looked at again
        attempt.succeed("Secondary", RESYNCING,
                        "volume is marked for resyncing")
        return self.double.poll

    def remove(self, path, vr):
        if PREFIX not in vr["metadata"].get("finalizers", []):
            return None
        self.wait_for_driver()
        meta, source = vr["metadata"], vr["spec"]["dataSource"]
        try:
            for handle in self.handles_of(vr):
                self.storage.disable(self.site, handle,
                                     f"{meta['namespace']}/{meta['name']}")
        except GrpcError:
            raise Retry from None       # not a word of it in the status
        except Failure:
            pass                        # nothing is left to be disabled
        if source["kind"] == "PersistentVolumeClaim":
            self.free_claim(meta["namespace"], source["name"], OWNER,
                            meta["name"])
        self.api.finalizer(path, vr, PREFIX, wanted=False)
        return None


class Ceph(Double):
    driver, controllers = DRIVER, (Addons, Snapshotter)
    bundles = ("ceph", "snapshots")
    storage_class_name, class_parameters = "rbd", {"pool": "replicapool"}
    known = ("enable-error", "disable-error", "promote-error", "demote-error",
             "resync-error", "info-error", "sidecar-missing", "hold-rpc",
             "split-brain")

    def __init__(self, a=None, b=None, poll=0.2, info=0.3, **options):
        self.poll, self.info, self.first = poll, info, {}
        super().__init__(a, b, **options)

    def make_storage(self, **options):
        return Rbd(self.faults, **options)

    def new_handle(self, site, pv):
        return f"0001-0009-rook-ceph-0000000000000002-{uuid.uuid4()}"

    def make_volume(self, site, handle, pv):
        """One that the peer has comes by mirroring, when that is enabled."""
        with self.storage.lock:
            if not any(h == handle for _, h in self.storage.volumes):
                self.storage.volumes[site, handle] = Image(True)

    def volume_attributes(self, site, handle, pv):
        return {"pool": "replicapool", "imageName": f"csi-vol-{handle[-36:]}"}

    def snapshot_handle(self, handle, name):
        return f"{handle[:-36]}{name.removeprefix('snapshot-')}"

    def snapshot_name(self, taken):
        return f"snapshot-{taken[-36:]}"

    # ---- objects ----

    def replication_class(self, site, name="vrc-1m", short="vrc",
                          interval="1m", **parameters):
        self.clusters[site].create(crds.path(short), {
            "apiVersion": crds.api_version(short),
            "kind": crds.KINDS[short][2], "metadata": {"name": name},
            "spec": {"provisioner": self.driver, "parameters": {
                "mirroringMode": "snapshot", "schedulingInterval": interval,
                **parameters}}}, True)

    def vr(self, site, namespace, claim, state="primary", name=None, **spec):
        """One on a claim, and its class; its path."""
        self.replication_class(site)
        self.clusters[site].create(crds.path("vr", namespace), {
            "apiVersion": crds.api_version("vr"), "kind": "VolumeReplication",
            "metadata": {"name": name or claim},
            "spec": {"volumeReplicationClass": "vrc-1m",
                     "replicationState": state,
                     "dataSource": {"kind": "PersistentVolumeClaim",
                                    "name": claim}, **spec}})
        return crds.path("vr", namespace, name or claim)

    def vgr(self, site, namespace, name, state="primary", labels=None, **spec):
        self.replication_class(site)
        self.replication_class(site, "vgrc-1m", "vgrc")
        self.clusters[site].create(crds.path("vgr", namespace), {
            "apiVersion": crds.api_version("vgr"),
            "kind": "VolumeGroupReplication", "metadata": {"name": name},
            "spec": {"volumeReplicationClassName": "vrc-1m",
                     "volumeGroupReplicationClassName": "vgrc-1m",
                     "replicationState": state,
                     "source": {"selector": {"matchLabels": labels or {}}},
                     **spec}})
        return crds.path("vgr", namespace, name)
