# SPDX-License-Identifier: Apache-2.0
"""The CSI snapshotter of a double: VolumeSnapshots of its driver's volumes.

One of a volume that is not writable, or whose storage is away, fails with a
status.error and is tried again, as the real one does.

Faults: snapshot-error; hold-snapshot (it is taken, but never ready).
"""
import time

import crds
from vendor import Controller, GrpcError, Retry, now
from vendor_scenery import SIZE

PREFIX = "snapshot.storage.kubernetes.io/"
BOUND = PREFIX + "volumesnapshot-bound-protection"
CONTENT_BOUND = PREFIX + "volumesnapshotcontent-bound-protection"
REASON = "Failed to check and update snapshot content: failed to take " \
        "snapshot of the volume {}: {}"
AGAIN = 0.3


class Snapshotter(Controller):
    kinds = ("vs", "vsc")

    # ---- VolumeSnapshot ----

    def look_vs(self, path, found, name):
        if "deletionTimestamp" in found["metadata"]:
            return self.remove(path, found)
        if found.get("status", {}).get("readyToUse"):
            return None
        content = found["spec"]["source"].get("volumeSnapshotContentName")
        if content:
            return self.bind(path, found, content)
        handle = self.handle_of(name[0], found["spec"]["source"][
            "persistentVolumeClaimName"])
        if not handle:          # not there yet, or another driver's
            return AGAIN if handle is None else None
        chosen = found["spec"].get("volumeSnapshotClassName")
        kind = chosen and self.api.get("vsclass", None, chosen)
        if not kind or kind["driver"] != self.double.driver:
            return self.fail(path, found, None, "failed to get input "
                             f"parameters to create snapshot: {chosen!r}")
        self.api.finalizer(path, found, BOUND)
        return self.take(path, found, handle, kind)

    def handle_of(self, namespace, claim):
        pvc = self.api.get("pvc", namespace, claim)
        pv = pvc and pvc["spec"].get("volumeName")
        pv = pv and self.api.get("pv", None, pv)
        csi = pv and pv["spec"].get("csi")
        if not csi:
            return None
        if csi["driver"] != self.double.driver or self.double.is_single and \
                not self.storage.has(self.site, csi["volumeHandle"]):
            return ""
        return csi["volumeHandle"]

    def take(self, path, found, handle, kind):
        uid = found["metadata"]["uid"]
        content = f"snapcontent-{uid}"
        self.make_content(content, found, handle, kind)
        try:
            fault = self.faults.take("snapshot-error", self.site)
            if fault:
                raise GrpcError(fault.get("code", "Internal"), fault.message)
            self.storage.take_snapshot(self.site, handle, f"snapshot-{uid}")
        except GrpcError as e:
            return self.fail(path, found, content,
                             REASON.format(handle, e))
        ready = not self.faults.take("hold-snapshot", self.site)
        taken = self.double.snapshot_handle(handle, f"snapshot-{uid}")
        self.set_content(content, snapshotHandle=taken, readyToUse=ready,
                         creationTime=time.time_ns(), restoreSize=1 << 30)
        return self.tell(path, found, content, ready)

    def make_content(self, name, found, handle, kind):
        meta = found["metadata"]
        self.api.create("vsc", {
            "metadata": {"name": name, "finalizers": [CONTENT_BOUND]},
            "spec": {"deletionPolicy": kind["deletionPolicy"],
                     "driver": self.double.driver,
                     "source": {"volumeHandle": handle},
                     "volumeSnapshotClassName": kind["metadata"]["name"],
                     "volumeSnapshotRef": {
                         "apiVersion": crds.api_version("vs"),
                         "kind": "VolumeSnapshot", "uid": meta["uid"],
                         "name": meta["name"],
                         "namespace": meta["namespace"]}}})

    def set_content(self, name, **status):
        path = crds.path("vsc", None, name)
        content = self.api.ask("GET", path)
        if not content:
            raise Retry
        self.api.set_status(path, content, status)

    def tell(self, path, found, content, ready):
        self.api.set_status(path, found, {
            "boundVolumeSnapshotContentName": content, "readyToUse": ready,
            "creationTime": now(), "restoreSize": SIZE})
        return None if ready else AGAIN

    def fail(self, path, found, content, message):
        error = {"message": message, "time": now()}
        status = {"readyToUse": False, "error": error}
        if content:
            self.set_content(content, readyToUse=False, error=error)
            status["boundVolumeSnapshotContentName"] = content
        self.api.set_status(path, found, status)
        return AGAIN

    def bind(self, path, found, content):
        """One that somebody has provisioned already."""
        there = self.api.get("vsc", None, content)
        if not there:
            return self.fail(path, found, None,
                             "VolumeSnapshotContent is missing")
        if there["spec"]["driver"] != self.double.driver:
            return None
        return self.tell(path, found, content, True)

    def remove(self, path, found):
        content = found.get("status", {}).get("boundVolumeSnapshotContentName")
        there = content and self.api.get("vsc", None, content)
        if there and there["spec"]["driver"] != self.double.driver:
            return None
        if there and there["spec"]["deletionPolicy"] == "Delete":
            self.api.ask("DELETE", crds.path("vsc", None, content))
            return 0.02         # until look_vsc has done its part
        self.api.finalizer(path, found, BOUND, wanted=False)
        return None

    # ---- VolumeSnapshotContent ----

    def look_vsc(self, path, found, name):
        if "deletionTimestamp" not in found["metadata"] or \
                found["spec"]["driver"] != self.double.driver:
            return None
        handle = found["spec"]["source"].get("volumeHandle")
        taken = found.get("status", {}).get("snapshotHandle")
        if found["spec"]["deletionPolicy"] == "Delete" and taken and handle:
            try:
                self.storage.drop_snapshot(
                    self.site, handle, self.double.snapshot_name(taken))
            except GrpcError:
                raise Retry from None
        self.api.finalizer(path, found, CONTENT_BOUND, wanted=False)
        return None
