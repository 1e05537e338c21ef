# SPDX-License-Identifier: Apache-2.0
"""What stands around replication in a cluster: claims and their volumes, pods
that use them, classes.  No controller manager runs: each object gets here the
status that others would have given it.
"""
import uuid

import crds

SIZE = "1Gi"


class Scenery:
    """The part of a Double that makes objects."""
    driver = ""                 # the CSI driver's name
    storage_class_name = "replicated"
    class_parameters = {}
    bundles = ()
    clusters = {}

    # ---- what a vendor has of its own ----

    def new_handle(self, site, pv):
        return str(uuid.uuid4())

    def make_volume(self, site, handle, pv):
        """At the storage, when it is not there."""

    def volume_attributes(self, site, handle, pv):
        return {}

    # ---- classes ----

    def storage_class(self, site, name=None, driver=None, **parameters):
        self.clusters[site].create(crds.path("sc"), {
            "metadata": {"name": name or self.storage_class_name},
            "provisioner": driver or self.driver, "reclaimPolicy": "Delete",
            "parameters": parameters or self.class_parameters}, True)

    def snapshot_class(self, site, name="snapshots", driver=None,
                       policy="Delete"):
        self.clusters[site].create(crds.path("vsclass"), {
            "apiVersion": crds.api_version("vsclass"),
            "kind": "VolumeSnapshotClass", "metadata": {"name": name},
            "driver": driver or self.driver, "deletionPolicy": policy}, True)

    # ---- claims ----

    def claim(self, site, namespace, name, handle=None, phase="Bound", pv=None,
              storage_class=None, labels=None, annotations=None,
              pv_labels=None, pv_annotations=None):
        """A claim with its volume, at the storage too; the volume's handle.
        One that exists already at the storage, such as the replica of another
        site's, is only given its objects."""
        storage_class = storage_class or self.storage_class_name
        self.storage_class(site, storage_class)
        pv = pv or f"pvc-{uuid.uuid4()}"
        handle = handle or self.new_handle(site, pv)
        self.make_volume(site, handle, pv)
        self.persistent_volume(
            site, pv, handle, storage_class, (namespace, name),
            "Bound" if phase == "Bound" else "Available",
            labels=pv_labels or {}, annotations=pv_annotations or {})
        self.bare_claim(site, namespace, name, storage_class, labels,
                        annotations, volumeName=pv)
        self.settle(site, namespace, name, phase)
        return handle

    def persistent_volume(self, site, pv, handle, storage_class, claim, phase,
                          **metadata):
        """The claim it is for, which need not be there: (namespace, name)."""
        self.clusters[site].create(crds.path("pv"), {
            "metadata": {"name": pv, **metadata},
            "spec": {"accessModes": ["ReadWriteOnce"],
                     "storageClassName": storage_class,
                     "capacity": {"storage": SIZE},
                     "claimRef": {"namespace": claim[0], "name": claim[1],
                                  "kind": "PersistentVolumeClaim",
                                  "apiVersion": "v1"},
                     "csi": {"driver": self.driver, "volumeHandle": handle,
                             "volumeAttributes": self.volume_attributes(
                                 site, handle, pv)},
                     "persistentVolumeReclaimPolicy": "Delete"}})
        self.clusters[site].set_status(crds.path("pv", None, pv),
                                       {"phase": phase})

    def bare_claim(self, site, namespace, name, storage_class=None,
                   labels=None, annotations=None, **spec):
        """Only the claim, as users write it: for somebody to provision."""
        self.clusters[site].make_namespace(namespace)
        return self.clusters[site].create(crds.path("pvc", namespace), {
            "metadata": {"name": name, "labels": labels or {},
                         "annotations": annotations or {}},
            "spec": {"accessModes": ["ReadWriteOnce"],
                     "storageClassName":
                         storage_class or self.storage_class_name,
                     "resources": {"requests": {"storage": SIZE}}, **spec}})

    def settle(self, site, namespace, name, phase="Bound"):
        """The status of a claim."""
        more = {"capacity": {"storage": SIZE},
                "accessModes": ["ReadWriteOnce"]} if phase == "Bound" else {}
        self.clusters[site].set_status(crds.path("pvc", namespace, name),
                                       {"phase": phase, **more})

    def volume_of(self, site, namespace, name):
        """(Name of the PersistentVolume, handle) of a claim."""
        ask = self.clusters[site].request
        pv = ask("GET", crds.path("pvc", namespace, name))[1]["spec"][
            "volumeName"]
        return pv, ask("GET", crds.path("pv", None, pv))[1]["spec"]["csi"][
            "volumeHandle"]

    # ---- pods ----

    def use(self, site, namespace, claim, node="node-1", pod=None):
        """A pod that runs with the claim, and the volume attached to its node
        and known there to the storage."""
        cluster, pod = self.clusters[site], pod or f"{claim}-user"
        pv, handle = self.volume_of(site, namespace, claim)
        cluster.create(crds.path("pod", namespace), {
            "metadata": {"name": pod}, "spec": {
                "nodeName": node,
                "containers": [{"name": "app", "image": "app:1"}],
                "volumes": [{"name": "data", "persistentVolumeClaim": {
                    "claimName": claim}}]}})
        cluster.set_status(crds.path("pod", namespace, pod),
                           {"phase": "Running"})
        name = f"{pv}-{node}"
        cluster.create(crds.path("va"), {
            "metadata": {"name": name}, "spec": {
                "attacher": self.driver, "nodeName": node,
                "source": {"persistentVolumeName": pv}}}, True)
        cluster.set_status(crds.path("va", None, name), {"attached": True})
        with self.storage.lock:
            self.storage.volume(site, handle).users.add(node)

    def release(self, site, namespace, claim, node="node-1", pod=None):
        """What use() has made."""
        pv, handle = self.volume_of(site, namespace, claim)
        self.clusters[site].request(
            "DELETE", crds.path("pod", namespace, pod or f"{claim}-user"),
            {"gracePeriodSeconds": 0})
        self.clusters[site].remove(crds.path("va", None, f"{pv}-{node}"))
        with self.storage.lock:
            if self.storage.has(site, handle):
                self.storage.volume(site, handle).users.discard(node)

    # ---- the end ----

    def clean(self):
        """Away with all that a double or a test has made of these kinds, also
        what others' finalizers would keep: other tests share the cluster."""
        for cluster in self.clusters.values():
            for short in (*crds.shorts(self.bundles), "pod", "va", "pvc", "pv",
                          "sc"):
                self.remove_all(cluster, short)

    def remove_all(self, cluster, short):
        code, answer = cluster.request("GET", crds.path(short))
        for one in answer["items"] if code == 200 else ():
            meta = one["metadata"]
            path = crds.path(short, meta.get("namespace"), meta["name"])
            if meta.get("finalizers"):
                cluster.request("PATCH", path, {"metadata": {
                    "finalizers": None}})
            cluster.request("DELETE", path, {"gracePeriodSeconds": 0})
