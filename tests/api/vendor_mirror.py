# SPDX-License-Identifier: Apache-2.0
"""The parts of Trident beside its relationships: mirror updates and snapshot
infos, which are looked at once, and the provisioning of claims."""
import time

import crds
from vendor import SOON, GrpcError, Retry, now
from vendor_scenery import SIZE

FINALIZER = "trident.netapp.io"
RELATION = f"{FINALIZER}/mirrorRelationship"
MIRRORED = ("established", "reestablished")


class Once:
    """TridentActionMirrorUpdate and TridentSnapshotInfo."""

    def look_tamu(self, path, tamu, name):
        """Its status is a part of the object, which has no subresource."""
        uid, status = tamu["metadata"]["uid"], tamu.get("status") or {}
        if status.get("state") == "In progress":
            if uid not in self.running:
                return self.end(path, tamu, "Failed",
                                "controller restarted during the update")
            return self.follow(path, tamu, status)
        if status.get("state") or "deletionTimestamp" in tamu["metadata"]:
            self.api.finalizer(path, tamu, FINALIZER, wanted=False)
            return None
        return self.launch(path, tamu, name)

    def launch(self, path, tamu, name):
        spec = tamu.get("spec") or {}
        tmr = self.api.get("tmr", name[0],
                           spec.get("tridentMirrorRelationshipName") or "-")
        wrong = self.refusal(tmr)
        if wrong:
            return self.end(path, tamu, "Failed", wrong)
        handle = self.local_handle(tmr)
        snapshot = spec.get("snapshotHandle") or ""
        try:
            mirror = self.storage.mirror(self.site, handle)
            before = mirror.last if mirror else None
            self.storage.update(self.site, handle, snapshot.partition("/")[2])
        except GrpcError as e:
            return self.end(path, tamu, "Failed", str(e))
        self.running[tamu["metadata"]["uid"]] = handle, time.time()
        self.api.finalizer(path, tamu, FINALIZER)
        self.api.set_status(path, tamu, {
            "state": "In progress", "message": "", "snapshotHandle": snapshot,
            "localVolumeHandle": self.storage.name(self.site, handle),
            "remoteVolumeHandle": tmr["spec"]["volumeMappings"][0][
                "remoteVolumeHandle"],
            **({"previousTransferTime": now(before)} if before else {})}, "")
        return SOON

    def refusal(self, tmr):
        """Why there can be no update; None when there can."""
        if not tmr:
            return "TridentMirrorRelationship does not exist"
        if self.condition(tmr).get("state") not in MIRRORED:
            return "TridentMirrorRelationship is not established"
        if tmr["spec"].get("replicationPolicy") == "Sync":
            return "mirror updates are not supported with policy Sync"
        fault = self.faults.take("licence", self.site)
        return fault and (fault.message or "SnapMirrorUpdate is not licensed")

    def follow(self, path, tamu, status):
        handle, since = self.running[tamu["metadata"]["uid"]]
        mirror = self.storage.mirrors.get((self.site, handle))
        if not mirror:
            return self.end(path, tamu, "Failed", "the mirror is gone")
        if mirror.transfer or not mirror.last or mirror.last < since:
            return SOON
        return self.end(path, tamu, "Succeeded", "")

    def end(self, path, tamu, state, message):
        status = tamu.get("status") or {}
        self.api.set_status(path, tamu, {
            **status, "state": state, "message": message,
            "completionTime": now()}, "")
        self.running.pop(tamu["metadata"]["uid"], None)
        self.api.finalizer(path, self.api.ask("GET", path) or tamu, FINALIZER,
                           wanted=False)

    def look_tsi(self, path, tsi, name):
        if "deletionTimestamp" in tsi["metadata"]:
            self.api.finalizer(path, tsi, FINALIZER, wanted=False)
            return
        self.api.finalizer(path, tsi, FINALIZER)
        taken = self.api.get("vs", name[0], tsi["spec"]["snapshotName"])
        status = taken and taken.get("status") or {}
        content = status.get("readyToUse") and self.api.get(
            "vsc", None, status["boundVolumeSnapshotContentName"])
        if not content:
            raise Retry
        self.api.set_status(path, tsi, {
            "snapshotHandle": content["status"]["snapshotHandle"],
            "lastTransitionTime": now(),
            "observedGeneration": tsi["metadata"]["generation"]})


class Claims:
    """Gives a volume to a claim of its class: an empty mirror to one that is
    annotated so."""

    def look_pvc(self, path, claim, name):
        spec, meta = claim["spec"], claim["metadata"]
        if spec.get("volumeName") or "deletionTimestamp" in meta:
            return
        kind = self.api.get("sc", None, spec.get("storageClassName") or "-")
        if not kind or kind["provisioner"] != self.double.driver:
            return
        relation = (meta.get("annotations") or {}).get(RELATION)
        tmr = relation and self.api.get("tmr", name[0], relation)
        if relation and not tmr:
            self.api.event(claim, "Warning", "ProvisioningFailed",
                           f"TridentMirrorRelationship {relation} not found")
            raise Retry
        pv, is_mirror = f"pvc-{meta['uid']}", \
            tmr and tmr["spec"].get("state") in MIRRORED
        self.storage.create(self.site, pv, self.double.internal_name(pv),
                            bool(is_mirror))
        self.bind(path, claim, pv)

    def bind(self, path, claim, pv):
        spec, meta = claim["spec"], claim["metadata"]
        self.api.create("pv", {"metadata": {"name": pv}, "spec": {
            "accessModes": spec["accessModes"], "capacity": {"storage": SIZE},
            "storageClassName": spec["storageClassName"],
            "claimRef": {"kind": "PersistentVolumeClaim", "apiVersion": "v1",
                         "name": meta["name"], "uid": meta["uid"],
                         "namespace": meta["namespace"]},
            "csi": {"driver": self.double.driver, "volumeHandle": pv,
                    "volumeAttributes": self.double.volume_attributes(
                        self.site, pv, pv)}}})
        self.api.patch(crds.path("pv", None, pv) + "/status",
                       status={"phase": "Bound"})
        self.api.patch(path, spec={"volumeName": pv})
        self.api.patch(path + "/status", status={
            "phase": "Bound", "accessModes": spec["accessModes"],
            "capacity": {"storage": SIZE}})
