# SPDX-License-Identifier: Apache-2.0
"""The vendors' custom resources, as far as an API server has to know them:
their names, what it prunes, requires and refuses.

    crds.install(cluster, "ceph", "snapshots")
    crds.path("vr", "apps", "data")

What a real cluster refuses by a CEL rule, this API server (1.20) lets through:
there the doubles say in the status that it cannot be changed.  And as our
build of it takes an empty string for null, strings are nullable in here.
"""
from shell import until

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
APPROVED = {"api-approved.kubernetes.io":
            "https://github.com/kubernetes-csi/external-snapshotter/pull/814"}

TEXT, FLAG = {"type": "string", "nullable": True}, {"type": "boolean"}
NUMBER = {"type": "integer", "format": "int64"}
TIME = {"type": "string", "format": "date-time"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def record(required=(), **fields):
    made = {"type": "object", "properties": fields}
    if required:
        made["required"] = list(required)
    return made


def listed(item, **more):
    return {"type": "array", "items": item, **more}


def word(*values):
    return {"type": "string", "enum": list(values), "nullable": "" in values}


def schema(spec, status=None, required=("spec",)):
    """Of a whole object; what is not in here is pruned."""
    fields = {"apiVersion": TEXT, "kind": TEXT, "metadata": {"type": "object"},
              "spec": spec}
    if status is not None:
        fields["status"] = status
    return record(required, **fields)


# ---- csi-addons ----

CONDITION = record(
    ("lastTransitionTime", "message", "reason", "status", "type"),
    lastTransitionTime=TIME, message={**TEXT, "maxLength": 32768},
    observedGeneration={**NUMBER, "minimum": 0},
    reason={**TEXT, "minLength": 1, "maxLength": 1024,
            "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"},
    status=word("True", "False", "Unknown"), type={**TEXT, "maxLength": 316})

REPLICATION_STATUS = dict(
    conditions=listed(CONDITION), destinationVolumeID=TEXT,
    lastCompletionTime=TIME, lastStartTime=TIME, lastSyncTime=TIME,
    lastSyncBytes=NUMBER, lastSyncDuration=TEXT, message=TEXT,
    observedGeneration=NUMBER, state=TEXT)

REPLICATION_SPEC = dict(
    replicationState=word("primary", "secondary", "resync"),
    autoResync={**FLAG, "default": False})

NAME = record(name=TEXT)

SELECTOR = record(
    matchLabels=TEXTS, matchExpressions=listed(record(
        ("key", "operator"), key=TEXT, operator=TEXT, values=listed(TEXT))))

VR = schema(
    record(("autoResync", "dataSource", "replicationState",
            "volumeReplicationClass"),
           dataSource=record(("kind", "name"), apiGroup=TEXT, kind=TEXT,
                             name=TEXT),
           replicationHandle=TEXT, volumeReplicationClass=TEXT,
           **REPLICATION_SPEC),
    record(**REPLICATION_STATUS))

VGR = schema(
    record(("autoResync", "replicationState", "source",
            "volumeGroupReplicationClassName"),
           external={**FLAG, "default": False},
           source=record(("selector",), selector=SELECTOR),
           volumeGroupReplicationClassName=TEXT,
           volumeGroupReplicationContentName=TEXT,
           volumeReplicationClassName=TEXT, volumeReplicationName=TEXT,
           **REPLICATION_SPEC),
    record(persistentVolumeClaimsRefList=listed(NAME), **REPLICATION_STATUS),
    required=())

CLASS = schema(record(("provisioner",), provisioner=TEXT, parameters=TEXTS),
               record())

CONTENT = schema(
    record(("provisioner", "source", "volumeGroupReplicationClassName"),
           provisioner=TEXT, volumeGroupAttributes=TEXTS,
           source=record(("volumeHandles",), volumeHandles=listed(TEXT)),
           volumeGroupReplicationClassName=TEXT,
           volumeGroupReplicationHandle=TEXT,
           volumeGroupReplicationRef=record(
               apiVersion=TEXT, fieldPath=TEXT, kind=TEXT, name=TEXT,
               namespace=TEXT, resourceVersion=TEXT, uid=TEXT)),
    record(persistentVolumeRefList=listed(NAME)), required=())

# ---- Trident ----

TMR = schema(
    record(("volumeMappings",),
           state=word("", "promoted", "established", "reestablished"),
           replicationPolicy=TEXT, replicationSchedule=TEXT,
           volumeMappings=listed(
               record(("localPVCName",), promotedSnapshotHandle=TEXT,
                      localPVCName=TEXT, remoteVolumeHandle=TEXT),
               minItems=1, maxItems=1)),
    record(conditions=listed(record(
        lastTransitionTime=TEXT, localPVCName=TEXT, localVolumeHandle=TEXT,
        remoteVolumeHandle=TEXT, message=TEXT, state=TEXT,
        observedGeneration={"type": "integer"}, replicationPolicy=TEXT,
        replicationSchedule=TEXT))), required=())

TSI = schema(
    record(("snapshotName",), snapshotName=TEXT),
    record(lastTransitionTime=TEXT, observedGeneration={"type": "integer"},
           snapshotHandle=TEXT), required=())

# ---- Dell ----


def dell_group(attributes=True):
    """Without attributes as it was before v1."""
    action = dict(condition=TEXT, errorMessage=TEXT, firstFailure=TIME,
                  time=TIME)
    if attributes:
        action["actionAttributes"] = TEXTS
    return schema(
        record(("action", "driverName", "protectionGroupId",
                "remoteClusterId", "remoteProtectionGroupId"),
               action=TEXT, driverName=TEXT, remoteClusterId=TEXT,
               protectionGroupId=TEXT, protectionGroupAttributes=TEXTS,
               remoteProtectionGroupId=TEXT,
               remoteProtectionGroupAttributes=TEXTS,
               requestParametersClass=TEXT),
        record(conditions=listed(record(**action)), lastAction=record(**action),
               remoteState=TEXT, state=TEXT,
               replicationLinkState=record(
                   ("isSource",), errorMessage=TEXT, isSource=FLAG,
                   lastSuccessfulUpdate=TIME, state=TEXT)), required=())


# ---- snapshots ----

SIZE = {"x-kubernetes-int-or-string": True}
ERROR = record(message=TEXT, time=TIME)


def one_of(**fields):
    """Exactly one of them."""
    return {**record(**fields), "oneOf": [{"required": [f]} for f in fields]}


SNAPSHOT = schema(
    record(("source",), volumeSnapshotClassName=TEXT, source=one_of(
        persistentVolumeClaimName=TEXT, volumeSnapshotContentName=TEXT)),
    record(boundVolumeSnapshotContentName=TEXT, creationTime=TIME,
           readyToUse=FLAG, restoreSize=SIZE, error=ERROR))

SNAPSHOT_CONTENT = schema(
    record(("deletionPolicy", "driver", "source", "volumeSnapshotRef"),
           deletionPolicy=word("Delete", "Retain"), driver=TEXT,
           source=one_of(snapshotHandle=TEXT, volumeHandle=TEXT),
           volumeSnapshotClassName=TEXT, volumeSnapshotRef=OPEN),
    record(snapshotHandle=TEXT, creationTime=NUMBER, readyToUse=FLAG,
           restoreSize={**NUMBER, "minimum": 0}, error=ERROR))

SNAPSHOT_CLASS = record(
    ("deletionPolicy", "driver"), apiVersion=TEXT, kind=TEXT,
    metadata={"type": "object"}, deletionPolicy=word("Delete", "Retain"),
    driver=TEXT, parameters=TEXTS)

# ---- all of them ----

ADDONS = "replication.storage.openshift.io"
TRIDENT = "trident.netapp.io"
DELL = "replication.storage.dell.com"
SNAPSHOTS = "snapshot.storage.k8s.io"

# Short name: group, version, kind, whether it has a namespace,
# whether it has a status of its own, schema.
KINDS = {
    "vr": (ADDONS, "v1alpha1", "VolumeReplication", True, True, VR),
    "vrc": (ADDONS, "v1alpha1", "VolumeReplicationClass", False, True, CLASS),
    "vgr": (ADDONS, "v1alpha1", "VolumeGroupReplication", True, True, VGR),
    "vgrc": (ADDONS, "v1alpha1", "VolumeGroupReplicationClass", False, True,
             CLASS),
    "vgrcontent": (ADDONS, "v1alpha1", "VolumeGroupReplicationContent", False,
                   True, CONTENT),
    "tmr": (TRIDENT, "v1", "TridentMirrorRelationship", True, True, TMR),
    "tamu": (TRIDENT, "v1", "TridentActionMirrorUpdate", True, False, OPEN),
    "tsi": (TRIDENT, "v1", "TridentSnapshotInfo", True, True, TSI),
    "rg": (DELL, "v1", "DellCSIReplicationGroup", False, True, dell_group()),
    "rg-v1alpha1": (DELL, "v1alpha1", "DellCSIReplicationGroup", False, True,
                    dell_group(attributes=False)),
    "vs": (SNAPSHOTS, "v1", "VolumeSnapshot", True, True, SNAPSHOT),
    "vsc": (SNAPSHOTS, "v1", "VolumeSnapshotContent", False, True,
            SNAPSHOT_CONTENT),
    "vsclass": (SNAPSHOTS, "v1", "VolumeSnapshotClass", False, False,
                SNAPSHOT_CLASS)}

BUNDLES = {
    "ceph": ("vr", "vrc", "vgr", "vgrc", "vgrcontent"),
    "trident": ("tmr", "tamu", "tsi"),
    "dell": ("rg",), "dell-old": ("rg-v1alpha1",),
    "snapshots": ("vs", "vsc", "vsclass")}

# What the API server has by itself, and the doubles use.
NATIVE = {
    "pvc": ("/api/v1", "persistentvolumeclaims", True),
    "pv": ("/api/v1", "persistentvolumes", False),
    "pod": ("/api/v1", "pods", True),
    "event": ("/api/v1", "events", True),
    "va": ("/apis/storage.k8s.io/v1", "volumeattachments", False),
    "sc": ("/apis/storage.k8s.io/v1", "storageclasses", False)}


def plural(kind):
    lower = kind.lower()
    return lower + ("es" if lower.endswith("s") else "s")


def path(short, namespace=None, name=None, version=None):
    """Of one, of all in a namespace, or of all; the version may be another."""
    if short in NATIVE:
        base, many, scoped = NATIVE[short]
    else:
        group, own, kind, scoped = KINDS[short][:4]
        base, many = f"/apis/{group}/{version or own}", plural(kind)
    if scoped and namespace:
        base += f"/namespaces/{namespace}"
    return f"{base}/{many}" + (f"/{name}" if name else "")


def api_version(short):
    return "/".join(KINDS[short][:2])


def definition(short):
    group, version, kind, scoped, own_status, body = KINDS[short]
    one = {"name": version, "served": True, "storage": True,
           "schema": {"openAPIV3Schema": body}}
    if own_status:
        one["subresources"] = {"status": {}}
    names = {"plural": plural(kind), "singular": kind.lower(), "kind": kind,
             "listKind": f"{kind}List", "shortNames": [short.split("-")[0]]}
    return {"metadata": {"name": f"{plural(kind)}.{group}",
                         "annotations": APPROVED},
            "spec": {"group": group, "names": names, "versions": [one],
                     "scope": "Namespaced" if scoped else "Cluster"}}


def shorts(names):
    return [s for name in names for s in BUNDLES.get(name, (name,))]


def is_established(answer):
    conditions = answer.get("status", {}).get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True"
               for c in conditions)


def install(cluster, *names):
    """Bundles or single ones; each can be used when this returns."""
    for short in shorts(names):
        cluster.create(DEFINITIONS, definition(short), may_exist=True)
    for short in shorts(names):
        name = definition(short)["metadata"]["name"]
        until(lambda name=name: is_established(
            cluster.request("GET", f"{DEFINITIONS}/{name}")[1]),
            f"{name} established", 30)
        # Established comes a moment before it is served.
        until(lambda short=short: cluster.request(
            "GET", path(short))[0] == 200, f"{name} served", 30)


def uninstall(cluster, *names):
    """With all objects of theirs, whatever finalizers these have."""
    for short in shorts(names):
        code, answer = cluster.request("GET", path(short))
        for one in answer["items"] if code == 200 else ():
            meta = one["metadata"]
            cluster.remove(path(short, meta.get("namespace"), meta["name"]))
        name = definition(short)["metadata"]["name"]
        cluster.remove(f"{DEFINITIONS}/{name}")
        until(lambda name=name: cluster.request(
            "GET", f"{DEFINITIONS}/{name}")[0] == 404, f"the end of {name}", 30)
