# SPDX-License-Identifier: Apache-2.0
"""Trident, as clients see it: TridentMirrorRelationship (TMR) over the volumes
of vendor_ontap.py, TridentActionMirrorUpdate, TridentSnapshotInfo, and claims
that are mirrors.

    with Trident(a=here, b=there) as trident:
        trident.claim("a", "apps", "data")
        trident.tmr("a", "apps", "data", "promoted")
        trident.replica("b", "apps", "data", remote="svm_a:trident_pvc_...")

Options: transfer (seconds that one takes).

Faults; a site is the one whose ONTAP or controller it is:
  ontap-unreadable   SnapMirror cannot be read: reported as promoted
  promote-error  establish-error  resync-error  update-error
  not-ready          requeued with backoff, without a status
  show-promoting     promoting is seen in the status (it seldom is)
  no-mirror          the backend cannot mirror: invalid
  licence            a mirror update is not licensed
  hold-transfer      nothing crosses to the site
At the array: storage.break_behind(), storage.sicken(), storage.automatic.
"""
import crds
from vendor import Controller, Double, GrpcError, Retry, now
from vendor_mirror import Claims, Once
from vendor_ontap import Ontap
from vendor_snapshots import Snapshotter

FINALIZER = "trident.netapp.io"
DRIVER = "csi.trident.netapp.io"
AGAIN = 0.05
TRANSITIONAL = ("establishing", "reestablishing", "promoting")
STATES = {"snapmirrored": "established", "uninitialized": "establishing",
          "broken_off": "promoting"}
FIXED = {"localPVCName": "local PVC name",
         "remoteVolumeHandle": "remote volume handle",
         "replicationPolicy": "replication policy",
         "replicationSchedule": "replication schedule"}


class Failed(Exception):
    """To the status, as failed or invalid."""
    def __init__(self, message, state="failed", keep=False):
        super().__init__(message)
        self.state, self.keep = state, keep


class Mirrors(Once, Claims, Controller):
    kinds = ("tmr", "tamu", "tsi", "pvc")

    def begin(self):
        self.running = {}       # uid of a TAMU: when its transfer began

    def notice(self, kind, event, old, new):
        if kind in ("tamu", "pvc") and event != "ADDED":
            return
        super().notice(kind, event, old, new)

    def look_tmr(self, path, tmr, name):
        if "deletionTimestamp" in tmr["metadata"]:
            return self.remove(path, tmr)
        if self.api.finalizer(path, tmr, FINALIZER):
            tmr = self.api.ask("GET", path)
        spec, old = tmr["spec"], self.condition(tmr)
        mapping, keep = spec["volumeMappings"][0], False
        handle = self.local_handle(tmr)
        try:
            self.check(spec, mapping, old)
            if not handle:
                raise Retry     # the claim may come later
            state, message = self.drive(spec, mapping, handle)
        except Failed as e:
            state, message, keep = e.state, str(e), e.keep
        self.tell(path, tmr, state, message, handle, keep)
        return AGAIN if state in TRANSITIONAL else None

    def condition(self, tmr):
        return (tmr.get("status", {}).get("conditions") or [{}])[0]

    def local_handle(self, tmr):
        """Of the volume behind the claim; None without one."""
        claim = self.api.get("pvc", tmr["metadata"]["namespace"],
                             tmr["spec"]["volumeMappings"][0]["localPVCName"])
        name = claim and claim["spec"].get("volumeName")
        pv = name and self.api.get("pv", None, name)
        return pv and pv["spec"]["csi"]["volumeHandle"]

    def check(self, spec, mapping, old):
        state = spec.get("state", "")
        if state in ("established", "reestablished") and \
                not mapping.get("remoteVolumeHandle"):
            raise Failed("remoteVolumeHandle is required", "invalid")
        if mapping.get("promotedSnapshotHandle") and state != "promoted":
            raise Failed("promotedSnapshotHandle is only valid with promoted",
                         "invalid")
        if self.faults.take("no-mirror", self.site):
            raise Failed("backend does not support mirroring", "invalid")
        for field, words in FIXED.items():
            if field.startswith("replication") and state == "promoted":
                continue
            if old.get(field) and {**spec, **mapping}.get(field) != old[field]:
                raise Failed(f"{words} cannot be changed", keep=True)

    def tell(self, path, tmr, state, message, handle, keep):
        """Only when the state is another one: neither the message nor the
        generation moves otherwise."""
        old, spec = self.condition(tmr), tmr["spec"]
        if old and old.get("state", "") == state:
            return
        mapping = spec["volumeMappings"][0]
        fresh = {"localPVCName": mapping["localPVCName"],
                 "remoteVolumeHandle": mapping.get("remoteVolumeHandle", "")}
        if "established" in state:
            fresh.update({k: spec.get(k, "") for k in FIXED
                          if k.startswith("replication")})
        if keep:                # what was changed stays to be compared with
            fresh = {k: old.get(k, "") for k in FIXED}
        local = ""
        if handle and self.storage.has(self.site, handle):
            local = self.storage.name(self.site, handle)
        self.api.set_status(path, tmr, {"conditions": [{
            **fresh, "state": state, "message": message,
            "observedGeneration": tmr["metadata"]["generation"],
            "lastTransitionTime": now(), "localVolumeHandle": local}]})
        bad = state in ("failed", "invalid")
        if bad or state == spec.get("state", ""):
            self.api.event(tmr, "Warning" if bad else "Normal", state,
                           message if bad else "Desired state reached")

    # ---- what it has ONTAP do ----

    def drive(self, spec, mapping, handle):
        """(state, message)."""
        wanted = spec.get("state", "")
        try:
            mirror = self.storage.mirror(self.site, handle)
        except GrpcError:
            # Whatever it is, this reads as a relationship that is gone.
            if wanted in ("promoted", ""):
                return "promoted", ""
            raise Failed(f"Could not {wanted[:-2]} mirror") from None
        if wanted == "promoted":
            return self.promote(mirror, mapping, handle)
        if not wanted:
            return STATES[mirror.state] if mirror else "", ""
        return self.replicate(spec, mapping, handle, mirror, wanted)

    def be_ready(self):
        if self.faults.take("not-ready", self.site):
            raise Retry         # and nothing in the status

    def promote(self, mirror, mapping, handle):
        if not mirror:
            return "promoted", ""
        snapshot = mapping.get("promotedSnapshotHandle", "").partition("/")[2]
        storage, site = self.storage, self.site
        try:
            self.break_mirror(mirror, handle, snapshot)
            if self.faults.take("show-promoting", site):
                return "promoting", ""
            storage.delete_mirror(site, handle)
        except GrpcError:
            raise Failed("Could not promote mirror") from None
        return "promoted", ""

    def break_mirror(self, mirror, handle, snapshot):
        if mirror.state == "broken_off":
            return
        storage, site = self.storage, self.site
        if snapshot and snapshot not in storage.volume(site, handle).snapshots:
            raise Failed("Could not promote mirror")
        storage.quiesce(site, handle)
        self.be_ready()
        storage.abort(site, handle)
        storage.break_off(site, handle, snapshot)

    def replicate(self, spec, mapping, handle, mirror, wanted):
        again = "re" if wanted == "reestablished" else ""
        act = self.reestablish if again else self.establish
        try:
            if not mirror or mirror.state == "broken_off":
                mirror = act(spec, mapping, handle, mirror)
        except GrpcError:
            raise Failed(f"Could not {again}establish mirror") from None
        self.be_ready()
        if mirror.transfer or mirror.state != "snapmirrored":
            return f"{again}establishing", ""
        return wanted, ""

    def establish(self, spec, mapping, handle, mirror):
        storage, site = self.storage, self.site
        if mirror or not storage.volume(site, handle).dp:
            raise GrpcError("Internal", "not an empty DP volume")
        mirror = self.create(spec, mapping, handle)
        try:
            storage.initialize(site, handle)
        except GrpcError:
            storage.delete_mirror(site, handle)
            raise
        return mirror

    def reestablish(self, spec, mapping, handle, mirror):
        mirror = mirror or self.create(spec, mapping, handle)
        try:
            self.storage.resync(self.site, handle)
        except GrpcError:
            self.storage.delete_mirror(self.site, handle)
            raise
        return mirror

    def create(self, spec, mapping, handle):
        return self.storage.create_mirror(
            self.site, handle, mapping["remoteVolumeHandle"],
            spec.get("replicationPolicy", ""),
            spec.get("replicationSchedule", ""))

    def remove(self, path, tmr):
        """Breaks what is active, whatever snapshot was asked for, and then
        releases the volume: nothing can be resynced with it after that."""
        if FINALIZER not in tmr["metadata"].get("finalizers", []):
            return None
        handle = self.local_handle(tmr)
        if handle and self.storage.has(self.site, handle):
            try:
                mirror = self.storage.mirror(self.site, handle)
                if mirror:
                    self.break_mirror(mirror, handle, "")
                    self.storage.delete_mirror(self.site, handle)
                self.storage.release(self.site, handle)
            except GrpcError:
                raise Retry from None
        self.api.finalizer(path, tmr, FINALIZER, wanted=False)
        return None


class Trident(Double):
    driver, controllers = DRIVER, (Mirrors, Snapshotter)
    bundles = ("trident", "snapshots")
    storage_class_name = "ontap"
    class_parameters = {"trident.netapp.io/replication": "true"}
    known = ("ontap-unreadable", "promote-error", "establish-error",
             "resync-error", "update-error", "not-ready", "show-promoting",
             "no-mirror", "licence")

    def make_storage(self, **options):
        return Ontap(self.faults, **options)

    def new_handle(self, site, pv):
        return pv

    def internal_name(self, pv):
        return "trident_" + pv.replace("-", "_")

    def make_volume(self, site, handle, pv):
        self.storage.create(site, handle, self.internal_name(pv))

    def volume_attributes(self, site, handle, pv):
        return {"internalName": self.internal_name(pv), "protocol": "file"}

    def snapshot_handle(self, handle, name):
        return f"{handle}/{name}"

    def snapshot_name(self, taken):
        return taken.partition("/")[2]

    def remote_name(self, site, namespace, claim):
        """Of a claim's volume, for the peer's remoteVolumeHandle."""
        return self.storage.name(site, self.volume_of(
            site, namespace, claim)[1])

    # ---- objects ----

    def make(self, short, site, namespace, name, spec):
        self.clusters[site].make_namespace(namespace)
        self.clusters[site].create(crds.path(short, namespace), {
            "apiVersion": crds.api_version(short),
            "kind": crds.KINDS[short][2], "metadata": {"name": name},
            "spec": spec})
        return crds.path(short, namespace, name)

    def tmr(self, site, namespace, claim, state, remote=None, name=None,
            snapshot=None, **spec):
        """Its path."""
        mapping = {"localPVCName": claim}
        if remote:
            mapping["remoteVolumeHandle"] = remote
        if snapshot:
            mapping["promotedSnapshotHandle"] = snapshot
        return self.make("tmr", site, namespace, name or claim, {
            "state": state, "volumeMappings": [mapping], **spec})

    def replica(self, site, namespace, claim, remote, **spec):
        """The TMR and then the claim of a mirror's destination; the path of
        the TMR."""
        path = self.tmr(site, namespace, claim, "established", remote, **spec)
        self.storage_class(site)
        self.bare_claim(site, namespace, claim, annotations={
            "trident.netapp.io/mirrorRelationship": claim})
        return path

    def tamu(self, site, namespace, name, relationship, snapshot=None):
        spec = {"tridentMirrorRelationshipName": relationship}
        if snapshot:
            spec["snapshotHandle"] = snapshot
        return self.make("tamu", site, namespace, name, spec)

    def tsi(self, site, namespace, name, snapshot):
        return self.make("tsi", site, namespace, name,
                         {"snapshotName": snapshot})
