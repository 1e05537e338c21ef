# SPDX-License-Identifier: Apache-2.0
"""FlexVols mirrored between two simulated SVMs by asynchronous SnapMirror.

A relationship is known where its destination is.  What two volumes need for a
resync is a snapshot that both have: it goes when the source is released.
"""
import time

from vendor_storage import GrpcError, Storage, Volume


class FlexVol(Volume):
    def __init__(self, internal, dp=False, writes=()):
        super().__init__(not dp, writes)
        self.internal = internal

    @property
    def dp(self):
        return not self.writable


class Mirror:
    """state: uninitialized, snapmirrored or broken_off."""
    def __init__(self, source, policy, schedule):
        self.source, self.policy, self.schedule = source, policy, schedule
        self.state, self.healthy = "uninitialized", True
        self.transfer = None    # what runs: (kind, snapshot or None, its end)
        self.last = None        # when the last one ended


class Ontap(Storage):
    def __init__(self, faults, transfer=0.1, **more):
        super().__init__(faults, **more)
        self.seconds = transfer
        self.mirrors = {}       # (site, handle) of the destination: Mirror
        self.common = set()     # pairs of volumes with a common snapshot
        self.automatic = True   # updates by a schedule, which is each tick

    def snapshot_refusal(self, handle):
        return f"could not create snapshot of {handle}: the volume is a " \
               "SnapMirror destination (type DP)"

    # ---- names ----

    def svm(self, site):
        return f"svm_{site}"

    def name(self, site, handle):
        """As the peer says it: svm:flexvol."""
        return f"{self.svm(site)}:{self.volume(site, handle).internal}"

    def find(self, name):
        """(site, handle) of such a name; None when there is none."""
        for (site, handle), volume in self.volumes.items():
            if name == f"{self.svm(site)}:{volume.internal}":
                return site, handle
        return None

    def create(self, site, handle, internal, dp=False):
        with self.lock:
            self.reach(site)
            if not self.has(site, handle):
                self.record(site, "create", handle, "DP" if dp else "RW")
                self.volumes[site, handle] = FlexVol(internal, dp)

    # ---- what happens by itself ----

    def tick(self):
        for (site, handle), mirror in self.mirrors.items():
            if not mirror.healthy or self.faults.take("hold-transfer", site):
                continue
            if mirror.transfer and mirror.transfer[2] <= time.monotonic():
                self.finish(site, handle, mirror)
            elif mirror.state == "snapmirrored" and self.automatic and \
                    not mirror.transfer:
                self.copy(site, handle, mirror)

    def finish(self, site, handle, mirror):
        snapshot = mirror.transfer[1]
        self.copy(site, handle, mirror)
        if snapshot:            # no more than that
            mine = self.volume(site, handle)
            mine.writes = mine.snapshots[snapshot]
            mine.snapshots = {k: v for k, v in mine.snapshots.items()
                              if len(v) <= len(mine.writes)}
        mirror.transfer, mirror.last = None, time.time()
        mirror.state = "snapmirrored"

    def copy(self, site, handle, mirror):
        source = self.volumes.get(mirror.source)
        if source:
            mine = self.volume(site, handle)
            mine.writes, mine.snapshots = source.writes, dict(source.snapshots)
            self.common.add(frozenset((mirror.source, (site, handle))))

    # ---- accidents at the array, of which no controller hears ----

    def break_behind(self, site, handle):
        with self.lock:
            self.mirrors[site, handle].state = "broken_off"
            self.volume(site, handle).writable = True

    def sicken(self, site, handle):
        with self.lock:
            self.mirrors[site, handle].healthy = False

    # ---- calls ----

    def refuse(self, site, fault):
        self.reach(site)
        one = self.faults.take(fault, site)
        if one:
            raise GrpcError("Internal", one.message or fault)

    def mirror(self, site, handle):
        """None when there is none."""
        with self.lock:
            self.refuse(site, "ontap-unreadable")
            self.record(site, "read", handle, "snapmirror")
            return self.mirrors.get((site, handle))

    def create_mirror(self, site, handle, remote, policy, schedule):
        with self.lock:
            self.reach(site)
            source = self.find(remote)
            if not source or not self.linked():
                raise GrpcError("Internal", f"{remote} cannot be reached")
            self.record(site, "create-mirror", handle, remote)
            made = self.mirrors[site, handle] = Mirror(source, policy, schedule)
            return made

    def initialize(self, site, handle):
        with self.lock:
            self.refuse(site, "establish-error")
            self.record(site, "initialize", handle)
            self.begin(site, handle, "initialize")

    def begin(self, site, handle, kind, snapshot=None):
        self.mirrors[site, handle].transfer = (
            kind, snapshot, time.monotonic() + self.seconds)

    def resync(self, site, handle):
        """What was written here since the common snapshot is lost at once."""
        with self.lock:
            self.refuse(site, "resync-error")
            mirror, mine = self.mirrors[site, handle], self.volume(site, handle)
            if not self.linked():
                raise GrpcError("Internal", "the source cannot be reached")
            if frozenset((mirror.source, (site, handle))) not in self.common:
                raise GrpcError("Internal", "no common snapshot")
            self.record(site, "resync", handle)
            theirs = self.volume(*mirror.source).writes
            same = [a for a, b in zip(mine.writes, theirs) if a == b]
            mine.writes, mine.writable = tuple(same), False
            self.begin(site, handle, "resync")

    def quiesce(self, site, handle):
        with self.lock:
            self.reach(site)
            self.record(site, "quiesce", handle)

    def abort(self, site, handle):
        with self.lock:
            self.reach(site)
            self.record(site, "abort", handle)
            self.mirrors[site, handle].transfer = None

    def break_off(self, site, handle, snapshot=None):
        """Never asks the source's site."""
        with self.lock:
            self.refuse(site, "promote-error")
            self.record(site, "break", handle, snapshot or "")
            mine = self.volume(site, handle)
            if snapshot:
                mine.writes = mine.snapshots[snapshot]
            mine.writable = True
            self.mirrors[site, handle].state = "broken_off"

    def delete_mirror(self, site, handle):
        with self.lock:
            self.reach(site)
            self.record(site, "delete-mirror", handle)
            self.mirrors.pop((site, handle), None)

    def release(self, site, handle):
        """As a source, from whatever destinations it has had."""
        with self.lock:
            self.reach(site)
            self.record(site, "release", handle)
            self.common = {p for p in self.common if (site, handle) not in p}
            for mirror in self.mirrors.values():
                if mirror.source == (site, handle):
                    mirror.healthy = False

    def update(self, site, handle, snapshot=None):
        """A transfer now, of a snapshot or of all."""
        with self.lock:
            self.refuse(site, "update-error")
            mirror = self.mirrors.get((site, handle))
            if not mirror or mirror.state != "snapmirrored":
                raise GrpcError("Internal", "the mirror is not established")
            if not mirror.healthy or not self.linked():
                raise GrpcError("Internal", "the source cannot be reached")
            if snapshot and snapshot not in self.volume(
                    *mirror.source).snapshots:
                raise GrpcError("Internal", f"no snapshot {snapshot}")
            self.record(site, "update", handle, snapshot or "")
            self.begin(site, handle, "update", snapshot)
