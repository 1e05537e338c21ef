# SPDX-License-Identifier: Apache-2.0
"""The part of csi-addons that has groups: a VolumeGroupReplication makes one
VolumeReplication of its own, and copies its status.

It stamps what it copies with the group's generation, however old it is: just
after a change of the spec the group looks done.
"""
import crds
from vendor import Retry, Wait
from vendor_status import (FAILED, GROUP_OWNER, PREFIX, Attempt, Failure)

GROUP_PROTECTION = f"{PREFIX}/vgr-protection"
CONTENT_NAME = f"{PREFIX}/volume-group-replication-content-name"
GROUP_REF = f"{PREFIX}/volumegroupref"
LIMIT = 100
COPIED = ("state", "message", "lastStartTime", "lastCompletionTime",
          "lastSyncTime", "lastSyncBytes", "lastSyncDuration")


def matches(selector, labels):
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for one in selector.get("matchExpressions", ()):
        there, among = one["key"] in labels, one.get("values", ())
        if not {"In": there and labels.get(one["key"]) in among,
                "NotIn": labels.get(one["key"]) not in among,
                "Exists": there, "DoesNotExist": not there}[one["operator"]]:
            return False
    return True


class Groups:
    def wake_group(self, vr):
        notes = vr["metadata"].get("annotations") or {}
        if GROUP_REF in notes:
            self.queue.add(("vgr", *notes[GROUP_REF].split("/")))

    def group_handles(self, namespace, name):
        vgr = self.api.get("vgr", namespace, name)
        content = vgr and vgr["spec"].get("volumeGroupReplicationContentName")
        found = content and self.api.get("vgrcontent", None, content)
        if not found:
            raise Failure(f"content of VolumeGroupReplication {name!r} "
                          "not found")
        return found["spec"]["source"]["volumeHandles"]

    def look_vgr(self, path, vgr, name):
        spec = vgr["spec"]
        if spec["external"]:
            return None
        if "deletionTimestamp" in vgr["metadata"]:
            return self.remove_group(path, vgr)
        if not self.api.get("vgrc", None,
                            spec["volumeGroupReplicationClassName"]) or \
                not self.api.get("vrc", None,
                                 spec.get("volumeReplicationClassName", "-")):
            raise Retry         # without a word
        try:
            claims = self.claims_of(vgr)
            handles = [self.handle_of(c) for c in claims]
        except Failure as e:
            attempt = Attempt(vgr)
            attempt.triple(FAILED[attempt.wanted], str(e))
            self.api.set_status(path, vgr, attempt.status())
            raise Retry from None
        self.api.finalizer(path, vgr, GROUP_PROTECTION)
        vgr = self.name_children(path, vgr, claims)
        self.make_content(vgr, handles)
        self.make_replication(vgr)
        self.copy_status(path, vgr, claims)
        return None

    def claims_of(self, vgr):
        meta, selector = vgr["metadata"], vgr["spec"]["source"]["selector"]
        found = [c for c in self.api.list("pvc", meta["namespace"])
                 if matches(selector, c["metadata"].get("labels", {}))]
        if len(found) > LIMIT:
            raise Failure(f"more than {LIMIT} PVCs in the group")
        for claim in found:
            if claim.get("status", {}).get("phase") != "Bound":
                raise Failure(f"PVC {claim['metadata']['name']!r} not bound")
            self.take_claim(crds.path("pvc", meta["namespace"],
                                      claim["metadata"]["name"]),
                            claim, GROUP_OWNER, meta["name"])
        return found

    def name_children(self, path, vgr, claims):
        uid = vgr["metadata"]["uid"]
        names = {"volumeReplicationName": f"vr-{uid}",
                 "volumeGroupReplicationContentName": f"vgrcontent-{uid}"}
        if all(vgr["spec"].get(k) for k in names):
            return vgr
        pairs = vgr["spec"]["source"]["selector"].get("matchLabels", {})
        return self.api.patch(path, spec=names, metadata={"annotations": {
            CONTENT_NAME: names["volumeGroupReplicationContentName"],
            "pvcSelector": ",".join(f"{k}={v}" for k, v in pairs.items())}})

    def make_content(self, vgr, handles):
        meta, spec = vgr["metadata"], vgr["spec"]
        name = spec["volumeGroupReplicationContentName"]
        source = {"volumeHandles": handles}
        made = self.api.create("vgrcontent", {
            "metadata": {"name": name, "annotations": {
                GROUP_REF: f"{meta['namespace']}/{meta['name']}"}},
            "spec": {"provisioner": self.double.driver, "source": source,
                     "volumeGroupReplicationClassName":
                         spec["volumeGroupReplicationClassName"],
                     "volumeGroupReplicationHandle": f"group-{meta['uid']}",
                     "volumeGroupReplicationRef": {
                         "kind": vgr["kind"], "name": meta["name"],
                         "namespace": meta["namespace"],
                         "uid": meta["uid"]}}})
        if not made:
            self.api.patch(crds.path("vgrcontent", None, name),
                           spec={"source": source})

    def make_replication(self, vgr):
        meta, spec = vgr["metadata"], vgr["spec"]
        wanted = {k: spec[k] for k in ("replicationState", "autoResync")}
        name = spec["volumeReplicationName"]
        if not self.api.create("vr", {
                "metadata": {"name": name, "annotations": {
                    GROUP_REF: f"{meta['namespace']}/{meta['name']}"}},
                "spec": {**wanted, "volumeReplicationClass":
                         spec["volumeReplicationClassName"],
                         "dataSource": {"apiGroup": PREFIX,
                                        "kind": "VolumeGroupReplication",
                                        "name": meta["name"]}}},
                meta["namespace"]):
            self.api.patch(crds.path("vr", meta["namespace"], name),
                           spec=wanted)

    def copy_status(self, path, vgr, claims):
        meta = vgr["metadata"]
        vr = self.api.get("vr", meta["namespace"],
                          vgr["spec"]["volumeReplicationName"])
        theirs = (vr or {}).get("status")
        if not theirs:
            return
        status = {k: theirs[k] for k in COPIED if k in theirs}
        status.update(
            observedGeneration=meta["generation"],
            conditions=[{**c, "observedGeneration": meta["generation"]}
                        for c in theirs.get("conditions", ())],
            persistentVolumeClaimsRefList=[
                {"name": c["metadata"]["name"]} for c in claims])
        self.api.set_status(path, vgr, status)

    def remove_group(self, path, vgr):
        meta, spec = vgr["metadata"], vgr["spec"]
        if GROUP_PROTECTION not in meta.get("finalizers", []):
            return None
        child = crds.path("vr", meta["namespace"],
                          spec.get("volumeReplicationName") or "-")
        if self.api.ask("GET", child):
            self.api.ask("DELETE", child)
            raise Wait
        for claim in self.api.list("pvc", meta["namespace"]):
            notes = claim["metadata"].get("annotations") or {}
            if notes.get(GROUP_OWNER) == meta["name"]:
                self.free_claim(meta["namespace"], claim["metadata"]["name"],
                                GROUP_OWNER, meta["name"])
        self.api.ask("DELETE", crds.path(
            "vgrcontent", None,
            spec.get("volumeGroupReplicationContentName") or "-"))
        self.api.finalizer(path, vgr, GROUP_PROTECTION, wanted=False)
        return None
