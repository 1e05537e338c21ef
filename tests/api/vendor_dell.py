# SPDX-License-Identifier: Apache-2.0
"""Dell's csm-replication with csi-powerstore, as clients see them: pairs of
DellCSIReplicationGroups over the sessions of vendor_powerstore.py.

    with Dell(a=here, b=there) as dell:
        rg = dell.group(claims=("data", "log"))
        here.request("PATCH", dell.path("a", rg.name),
                     {"spec": {"action": "FAILOVER_REMOTE"}})

With the same cluster for both sites the second group is replicated-NAME.
Options: monitor (for the 60 s between looks at the link), retry (for the first
pause before a retry, 1 s), retry_limit (for the hour that they go on), old (the
CRD v1alpha1), code (of what fails at a destination), seconds (that a failover
takes).

Faults; a site is the one of the controller or the array:
  grpc-error     of the driver; with a `code`, Unavailable when there is none
  array-error    of the array, which is swallowed
  sync-error     at the end of a planned failover: System_Paused; site: source
  hold-action    the driver has not even begun
  hold-answer    the array has done it, the driver does not say so
  link-error     looking at the link fails: UNKNOWN; with a `state`, that one is
                 said although the array is well
  hold-transfer  nothing crosses to the site
"""
import collections
import json
import time
import uuid

import crds
from vendor import Controller, Double, GrpcError, Volume, Wait, now
from vendor_powerstore import PowerStore, Session
from vendor_snapshots import Snapshotter

PREFIX = "replication.storage.dell.com/"
GROUP_NAME = PREFIX + "replicationGroupName"
FINALIZERS = [PREFIX + "replicationProtection",
              PREFIX + "replicationSyncProtection"]
DRIVER = "csi-powerstore.dellemc.com"
RETRIABLE = ("Canceled", "DeadlineExceeded", "Unavailable",
             "ResourceExhausted", "Internal", "Aborted")
HISTORY = 20
LONGEST = 0.5

Group = collections.namedtuple("Group", "name names ids session handles")


class Sidecar(Controller):
    """Does the actions, and looks at the links."""
    @property
    def kinds(self):
        return (self.double.short,)

    def begin(self):
        self.called, self.warned = set(), set()
        self.tries, self.looked = collections.Counter(), {}

    def look_rg(self, path, rg, name):
        group = rg["spec"]["protectionGroupId"]
        if not group:
            self.change(path, rg, state="Invalid")
            return None
        found = self.storage.session(group)
        if not found or found[1] != self.site:
            return None         # the other one's, when they share a cluster
        if "deletionTimestamp" in rg["metadata"]:
            return self.remove(path, rg, found[0])
        if self.api.finalizer(path, rg, FINALIZERS[0]):
            rg = self.api.ask("GET", path)
        if not rg.get("status", {}).get("state"):
            rg = self.change(path, rg, state="Ready")
        note = self.note_of(rg)
        if note and not note["completed"]:
            return self.go_on(path, rg, note)
        if rg["spec"]["action"]:
            return self.accept(path, rg)
        return self.watch_link(path, rg)

    def change(self, path, rg, **fields):
        return self.api.set_status(path, rg, {
            **(rg.get("status") or {}), **fields})

    def note_of(self, rg):
        """The annotation that is called Action, without a prefix."""
        text = (rg["metadata"].get("annotations") or {}).get("Action")
        return json.loads(text) if text else None

    # ---- an action ----

    def accept(self, path, rg):
        action = rg["spec"]["action"].upper()
        if action not in PowerStore.CALLS:
            self.api.event(rg, "Warning", "Unsupported",
                           f"Action {action} is not supported by the driver")
            self.api.patch(path, spec={"action": ""})
            return 0.0
        note = {"name": action, "completed": False, "finalError": "",
                "finishTime": None, "protectionGroupStatus": ""}
        rg = self.api.patch(path, metadata={"annotations": {
            "Action": json.dumps(note)}})
        rg = self.change(path, rg, state=f"{action}_IN_PROGRESS",
                         lastAction={})
        return self.go_on(path, rg, note)

    def go_on(self, path, rg, note):
        uid, action = rg["metadata"]["uid"], note["name"]
        self.warn(rg, action)
        group = rg["spec"]["protectionGroupId"]
        try:
            if uid not in self.called:
                if self.faults.take("hold-action", self.site):
                    raise Wait
                self.storage.execute(self.site, group, action,
                                     self.double.code)
                self.called.add(uid)
            if self.storage.is_busy(self.site, group) or \
                    self.faults.take("hold-answer", self.site):
                raise Wait
        except GrpcError as e:
            return self.fail(path, rg, note, e)
        return self.finish(path, rg, note, None)

    def warn(self, rg, action):
        """Of another that was written meanwhile: it is dropped, when this one
        ends."""
        meta, wanted = rg["metadata"], rg["spec"]["action"].upper()
        mark = meta["uid"], meta["generation"]
        if wanted not in ("", action) and mark not in self.warned:
            self.warned.add(mark)
            self.api.event(rg, "Warning", "InProgress",
                           f"Action {action} is in progress")

    def fail(self, path, rg, note, error):
        last = rg["status"].get("lastAction") or {}
        first = last.get("firstFailure") or now()
        uid = rg["metadata"]["uid"]
        self.tries[uid] += 1
        since = self.double.failing.setdefault(uid, time.monotonic())
        if error.code not in RETRIABLE or \
                time.monotonic() - since > self.double.retry_limit:
            return self.finish(path, rg, note, str(error), first)
        self.change(path, rg, lastAction={
            "condition": f"Action {note['name']} failed with error {error}",
            "errorMessage": str(error), "firstFailure": first, "time": now()})
        return min(LONGEST, self.double.retry * 2 ** (self.tries[uid] - 1))

    def finish(self, path, rg, note, error, first=None):
        uid, action = rg["metadata"]["uid"], note["name"]
        self.called.discard(uid)
        self.tries.pop(uid, None)
        self.double.failing.pop(uid, None)
        link = self.read_link(rg)
        note.update(completed=True, finalError=error or "", finishTime=now(),
                    protectionGroupStatus=link["state"])
        rg = self.api.patch(path, spec={"action": ""}, metadata={
            "annotations": {"Action": json.dumps(note)}})
        last = {"condition": f"Action {action} failed with error {error}"
                if error else f"Action {action} succeeded",
                "errorMessage": error or "", "time": now()}
        if first:
            last["firstFailure"] = first
        if not error:
            last["actionAttributes"] = {"linkState": link["state"]}
        history = self.add_source_change(rg, link, [
            last, *rg["status"].get("conditions", ())])
        self.change(path, rg, state="Error" if error else "Ready",
                    lastAction=last, conditions=history[:HISTORY],
                    replicationLinkState=link)
        return self.double.monitor

    # ---- the link ----

    def watch_link(self, path, rg):
        """Every so often, while no action is written."""
        uid, time_now = rg["metadata"]["uid"], time.monotonic()
        wait = self.looked.get(uid, 0) + self.double.monitor - time_now
        if wait > 0:
            return wait
        self.looked[uid] = time_now
        link = self.read_link(rg)
        fields = {"replicationLinkState": link}
        history = rg["status"].get("conditions", [])
        changed = self.add_source_change(rg, link, history)
        if changed is not history:
            fields["conditions"] = changed[:HISTORY]
        self.change(path, rg, **fields)
        return self.double.monitor

    def read_link(self, rg):
        old = rg["status"].get("replicationLinkState") or {}
        was = {"isSource": old.get("isSource", False), "errorMessage": ""}
        if not self.has_volumes(rg):
            return {**was, "state": "EMPTY", "lastSuccessfulUpdate": now()}
        fault = self.faults.take("link-error", self.site)
        try:
            if fault and not fault.get("state"):
                raise GrpcError("Unavailable", fault.message or "link-error")
            state, is_source = self.storage.link(
                self.site, rg["spec"]["protectionGroupId"])
        except GrpcError as e:
            when = old.get("lastSuccessfulUpdate")
            return {**was, "state": "UNKNOWN", "errorMessage": str(e),
                    **({"lastSuccessfulUpdate": when} if when else {})}
        return {"state": fault.state if fault else state, "errorMessage": "",
                "isSource": is_source, "lastSuccessfulUpdate": now()}

    def has_volumes(self, rg):
        name = rg["metadata"]["name"]
        return any((pv["metadata"].get("labels") or {}).get(GROUP_NAME) == name
                   for pv in self.api.list("pv"))

    def add_source_change(self, rg, link, history):
        old = rg["status"].get("replicationLinkState") or link
        if old["isSource"] == link["isSource"]:
            return history
        words = [str(o["isSource"]).lower() for o in (old, link)]
        return [{"time": now(), "condition":
                 "Replication Link State:IsSource changed from "
                 f"({words[0]}) to ({words[1]})"}, *history]

    # ---- the end ----

    def remove(self, path, rg, session):
        """Only of one that the array has nothing in."""
        if rg.get("status", {}).get("state") != "Deleting":
            rg = self.change(path, rg, state="Deleting")
        if session.pairs:
            return self.double.monitor
        self.storage.record(self.site, "delete-group",
                            rg["spec"]["protectionGroupId"])
        for name in FINALIZERS:
            self.api.finalizer(path, self.api.ask("GET", path) or rg, name,
                               wanted=False)
        session.gone.add(self.site)
        return None


class Dell(Double):
    driver, controllers = DRIVER, (Sidecar, Snapshotter)
    storage_class_name = "powerstore-replicated"
    known = ("grpc-error", "array-error", "sync-error", "hold-action",
             "hold-answer", "link-error")

    def __init__(self, a=None, b=None, monitor=0.3, retry=0.1, retry_limit=2.0,
                 old=False, code="Internal", **options):
        self.monitor, self.retry, self.code = monitor, retry, code
        self.retry_limit, self.failing = retry_limit, {}
        self.short = "rg-v1alpha1" if old else "rg"
        self.bundles = (self.short, "snapshots")
        self.is_single = a is not None and a is b
        super().__init__(a, b, **options)

    @property
    def class_parameters(self):
        return {PREFIX + "isReplicationEnabled": "true",
                PREFIX + "remoteStorageClassName": self.storage_class_name,
                PREFIX + "remoteClusterID":
                    "self" if self.is_single else "cluster-b",
                PREFIX + "mode": "ASYNC", PREFIX + "rpo": "Five_Minutes"}

    def make_storage(self, **options):
        return PowerStore(self.faults, **options)

    def new_handle(self, site, pv):
        return f"{uuid.uuid4()}/PS{site.upper()}/scsi"

    def make_volume(self, site, handle, pv):
        with self.storage.lock:
            self.storage.volumes.setdefault((site, handle), Volume(True))

    def snapshot_handle(self, handle, name):
        return f"{name.removeprefix('snapshot-')}/{handle.split('/', 1)[1]}"

    def snapshot_name(self, taken):
        return f"snapshot-{taken.split('/')[0]}"

    def path(self, site, name):
        return crds.path(self.short, None, name)

    # ---- a pair of groups ----

    def group(self, namespace="apps", claims=("data",), name=None, source="a",
              target_claims=False):
        """With its claims at the source, and their volumes at both sites; what
        it is: names and ids by site, handles by (site, claim).  At the target
        there are claims, too, for all or for those that are named."""
        named = target_claims if isinstance(target_claims, tuple) else \
            claims if target_claims else ()
        name, target = name or f"rg-{uuid.uuid4()}", self.storage.peer(source)
        names = {source: name, target: ("replicated-" if self.is_single
                                        else "") + name}
        ids = {s: str(uuid.uuid4()) for s in self.storage.sites}
        session, handles = Session(ids, source, target), {}
        for claim in claims:
            pair = {s: self.new_handle(s, "") for s in self.storage.sites}
            handles.update({(s, claim): h for s, h in pair.items()})
            session.pairs.append(pair)
        made = Group(name, names, ids, session, handles)
        with self.storage.lock:
            for (site, _), handle in handles.items():
                self.storage.volumes[site, handle] = Volume(site == source)
            self.storage.sessions.append(session)
        pvs = {c: f"csi-{uuid.uuid4()}" for c in claims}
        for site in self.clusters:
            for claim, pv in pvs.items():
                self.group_claim(made, site, namespace, claim, pv,
                                 site == source or claim in named)
            self.group_object(made, site)
        return made

    def labels(self, group, site):
        return {GROUP_NAME: group.names[site],
                PREFIX + "driverName": self.driver,
                PREFIX + "remoteClusterID": self.cluster_id(
                    self.storage.peer(site))}

    def cluster_id(self, site):
        return "self" if self.is_single else f"cluster-{site}"

    def group_claim(self, group, site, namespace, claim, pv, has_claim):
        handle, labels = group.handles[site, claim], self.labels(group, site)
        is_copy = self.is_single and group.names[site] != group.name
        remote = pv if is_copy or not self.is_single else f"replicated-{pv}"
        notes = {PREFIX + "remotePV": remote,
                 PREFIX + "remoteStorageClassName": self.storage_class_name}
        pv_labels = {**labels, PREFIX + "remotePVCNamespace": namespace}
        if has_claim and not is_copy:
            self.claim(site, namespace, claim, handle, pv=pv, labels=labels,
                       annotations=notes, pv_labels=pv_labels,
                       pv_annotations=notes)
            return
        self.storage_class(site)
        self.persistent_volume(
            site, f"replicated-{pv}" if is_copy else pv, handle,
            self.storage_class_name, ("reserved", "reserved") if is_copy
            else (namespace, claim), "Available", labels=pv_labels,
            annotations=notes)

    def group_object(self, group, site):
        peer = self.storage.peer(site)
        self.clusters[site].create(self.path(site, None), {
            "apiVersion": crds.api_version(self.short),
            "kind": crds.KINDS[self.short][2],
            "metadata": {
                "name": group.names[site], "finalizers": FINALIZERS,
                "labels": {k: v for k, v in self.labels(group, site).items()
                           if k != GROUP_NAME},
                "annotations": {
                    PREFIX + "remoteReplicationGroupName": group.names[peer],
                    PREFIX + "rg_sync_complete": "yes",
                    PREFIX + "remoteRGRetentionPolicy": "retain"}},
            "spec": {"action": "", "driverName": self.driver,
                     "remoteClusterId": self.cluster_id(peer),
                     "protectionGroupId": group.ids[site],
                     "remoteProtectionGroupId": group.ids[peer],
                     "protectionGroupAttributes": {
                         PREFIX + "globalID": f"PS{site.upper()}",
                         PREFIX + "remoteGlobalID": f"PS{peer.upper()}"}}})
