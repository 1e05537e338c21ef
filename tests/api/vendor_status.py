# SPDX-License-Identifier: Apache-2.0
"""The statuses of csi-addons: what its conditions say, and at which generation.
"""
from vendor import now

PREFIX = "replication.storage.openshift.io"
PROTECTION = f"{PREFIX}/pvc-protection"
OWNER = f"{PREFIX}/volume-replication-name"
GROUP_OWNER = f"{PREFIX}/volume-group-replication-name"
RESERVED = {f"{PREFIX}/{p}replication-secret-{s}" for p in ("", "group-")
            for s in ("name", "namespace")}

# What is said of (Completed, Degraded, Resyncing): (status, reason) of each.
PROMOTED = (("True", "Promoted"), ("False", "Healthy"),
            ("False", "NotResyncing"))
DEMOTED = (("True", "Demoted"), ("True", "VolumeDegraded"),
           ("False", "NotResyncing"))
RESYNCING = (("True", "Demoted"), ("True", "VolumeDegraded"),
             ("True", "ResyncTriggered"))
FINAL = (("True", "Demoted"), ("False", "Healthy"), ("False", "NotResyncing"))
FAILED = {
    "primary": (("False", "FailedToPromote"), ("True", "Error"),
                ("False", "NotResyncing")),
    "secondary": (("False", "FailedToDemote"), ("True", "Error"),
                  ("False", "NotResyncing")),
    "resync": (("False", "FailedToResync"), ("True", "Error"),
               ("False", "FailedToResync"))}
TRIPLE = "Completed", "Degraded", "Resyncing"


class Failure(Exception):
    """Goes to the status; `of` is the key of FAILED, the spec's state when
    there is none."""
    def __init__(self, message, of=None, invalid=False):
        super().__init__(message)
        self.of, self.invalid = of, invalid


class Attempt:
    """One look at a VolumeReplication, and what goes to its status."""
    def __init__(self, vr):
        self.meta, self.spec = vr["metadata"], vr["spec"]
        self.old = vr.get("status") or {}
        self.state = self.old.get("state") or "Unknown"
        self.wanted = self.spec["replicationState"]
        self.found = {c["type"]: c for c in self.old.get("conditions", ())}
        self.message, self.more = "", {}

    def say(self, name, status, reason, message):
        old = self.found.get(name, {})
        self.found[name] = {
            "type": name, "status": status, "reason": reason,
            "message": message, "observedGeneration": self.meta["generation"],
            "lastTransitionTime": old["lastTransitionTime"]
            if old.get("status") == status else now()}

    def triple(self, three, message):
        self.message = message
        for name, (status, reason) in zip(TRIPLE, three):
            self.say(name, status, reason, message)

    def succeed(self, state, three, message):
        self.state = state
        self.triple(three, message)
        self.more["lastCompletionTime"] = now()
        if state != "Primary":
            self.found.pop("Replicating", None)

    def status(self):
        generation = self.meta["generation"]
        fresh = self.old.get("observedGeneration") != generation
        times = {k: self.old[k] for k in ("lastStartTime", "lastCompletionTime")
                 if k in self.old}
        if fresh:
            times["lastStartTime"] = now()
        return {**times, **self.more, "state": self.state,
                "message": self.message, "observedGeneration": generation,
                "conditions": list(self.found.values())}
