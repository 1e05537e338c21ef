# SPDX-License-Identifier: Apache-2.0
"""RBD images mirrored between two simulated Ceph clusters, by snapshots.

Each image has a lineage: the promotions and demotions that it went through.
One replays from a primary whose lineage begins with its own; else it is
split-brain until it is demoted and resynced.
"""
import itertools
import time

from vendor_storage import GrpcError, Storage, Volume

STEP = itertools.count(1)

REPLAYING, STOPPED, UNKNOWN, ERROR, SYNCING = (
    "up+replaying", "up+stopped", "up+unknown", "up+error", "up+syncing")


class Image(Volume):
    def __init__(self, primary, writes=(), lineage=()):
        super().__init__(primary, writes)
        self.primary, self.lineage = primary, tuple(lineage)
        self.mirrored = False
        self.demoted = False    # its last mirror snapshot is one of a demotion
        self.syncing = False    # it has not all of its first snapshot yet
        self.resync = False     # away, until it comes back from the peer
        self.created, self.saved = next(STEP), None
        self.last_sync = None   # at the primary: when the last one crossed

    def turn(self, primary):
        self.primary = self.writable = primary
        self.demoted = not primary
        self.lineage += (next(STEP),)


def begins(whole, part):
    return whole[:len(part)] == part


class Rbd(Storage):
    def __init__(self, faults, gone=0.1, new_csi=True, **more):
        super().__init__(faults, **more)
        self.gone, self.new_csi = gone, new_csi
        self.back = {}          # (site, handle): when a resynced one returns
        self.broken = set()     # (site, handle) whose pods lost their I/O

    def snapshot_refusal(self, handle):
        return f"failed to create snapshot of {handle}: " \
               "rbd: ret=-30, Read-only file system"

    # ---- what happens by itself ----

    def tick(self):
        for handle in {h for _, h in self.volumes}:
            pair = [self.volumes.get((s, handle)) for s in self.sites]
            for i, image in enumerate(pair):
                if image and image.mirrored and image.primary:
                    self.mirror(handle, image, pair[1 - i], self.sites[1 - i])
            if all(i and not i.primary and not i.resync for i in pair):
                self.finish(*pair)

    def mirror(self, handle, source, peer, site):
        """One mirror snapshot of a primary to where its replica is."""
        if self.faults.take("hold-transfer", site):
            return
        if peer is None:
            self.volumes[site, handle] = peer = Image(False)
            peer.mirrored = peer.syncing = True
            return
        if peer.resync and time.monotonic() < self.back[site, handle]:
            return
        if peer.resync:
            fresh = self.volumes[site, handle] = Image(False)
            fresh.mirrored = fresh.syncing = True
            fresh.users = peer.users
            return
        if not peer.primary and peer.mirrored and \
                (peer.syncing or begins(source.lineage, peer.lineage)):
            self.copy(source, peer)
            source.last_sync = time.time()

    def finish(self, one, two):
        """What is last of a demoted image crosses as well."""
        for source, peer in ((one, two), (two, one)):
            site = self.site_of(peer)
            if source.demoted and not peer.syncing and \
                    peer.lineage != source.lineage and \
                    begins(source.lineage, peer.lineage) and \
                    not self.faults.take("hold-transfer", site):
                self.copy(source, peer)

    def site_of(self, image):
        return next(s for (s, _), i in self.volumes.items() if i is image)

    def copy(self, source, peer):
        peer.writes, peer.lineage = source.writes, source.lineage
        peer.snapshots = dict(source.snapshots)
        peer.syncing, peer.demoted = False, source.demoted

    # ---- what is seen ----

    def image(self, site, handle):
        self.reach(site)
        found = self.volume(site, handle)
        if found.resync:
            raise GrpcError("Aborted", f"image {handle} is being resynced")
        return found

    def state(self, site, handle):
        """As `rbd mirror image status` has it; "" without one."""
        with self.lock:
            mine = self.volumes.get((site, handle))
            other = self.volumes.get((self.peer(site), handle))
            if not mine or not mine.mirrored or mine.resync:
                return ""
            if mine.primary:
                both = self.linked() and other and other.primary
                return ERROR if both else STOPPED
            if mine.syncing:
                return SYNCING
            return self.replica_state(mine, other)

    def replica_state(self, mine, other):
        """Of one that cannot see its peer: as it was."""
        if self.faults.take("split-brain", self.site_of(mine)):
            return ERROR
        if not self.linked() or not other:
            return UNKNOWN if mine.demoted else REPLAYING
        if other.resync:
            return UNKNOWN
        if other.primary:
            return REPLAYING if begins(other.lineage, mine.lineage) else ERROR
        if begins(mine.lineage, other.lineage) or \
                begins(other.lineage, mine.lineage):
            return UNKNOWN
        return ERROR

    def is_final(self, site, handle):
        """Whether both are demoted and have the same."""
        with self.lock:
            if not self.linked():
                return False
            pair = [self.volumes.get((s, handle)) for s in self.sites]
            return all(i and not i.primary and not i.resync and not i.syncing
                       for i in pair) and \
                pair[0].lineage == pair[1].lineage and \
                self.state(site, handle) == UNKNOWN

    # ---- RPCs of ceph-csi ----

    def rpc(self, site, fault):
        """What any of them may answer; the fault's code is Internal unless it
        says another."""
        self.reach(site)
        one = self.faults.take(fault, site)
        if one:
            raise GrpcError(one.get("code", "Internal"), one.message or fault)

    def enable(self, site, handle, detail=""):
        with self.lock:
            self.rpc(site, "enable-error")
            image = self.image(site, handle)
            if not image.mirrored:
                self.record(site, "enable", handle, detail)
                image.mirrored = image.primary = True

    def disable(self, site, handle, detail=""):
        with self.lock:
            self.rpc(site, "disable-error")
            if not self.has(site, handle):
                return
            image = self.image(site, handle)
            if not image.mirrored:
                return
            if image.primary:
                self.record(site, "disable", handle, detail)
                image.mirrored = False
                other = self.volumes.get((self.peer(site), handle))
                if self.linked() and other and not other.primary:
                    del self.volumes[self.peer(site), handle]
            elif self.state(site, handle) != REPLAYING:
                raise GrpcError("InvalidArgument", "mirroring cannot be "
                                f"disabled in {self.state(site, handle)}")

    def promote(self, site, handle, force=False, detail=""):
        verb = "force-promote" if force else "promote"
        with self.lock:
            self.rpc(site, "promote-error")
            image = self.image(site, handle)
            if image.primary:
                return
            if not force and not image.demoted:
                self.record(site, verb, handle, f"EBUSY {detail}".strip())
                raise GrpcError(
                    "FailedPrecondition", "failed to promote image "
                    f"{handle}: rbd: ret=-16, Device or resource busy")
            self.record(site, verb, handle, detail)
            image.turn(True)
            image.last_sync = None

    def demote(self, site, handle, detail=""):
        with self.lock:
            self.rpc(site, "demote-error")
            image = self.image(site, handle)
            if not image.primary:
                return
            if image.users and self.new_csi:
                self.record(site, "demote", handle, f"EBUSY {detail}".strip())
                raise GrpcError(
                    "FailedPrecondition", f"image {handle} is in use: metadata "
                    '"rbd.csi.ceph.com/userid" is still present')
            self.record(site, "demote", handle, detail)
            if image.users:
                self.broken.add((site, handle))
            image.saved = image.saved or image.created
            image.turn(False)

    def resync(self, site, handle, force, detail=""):
        """Whether it is ready, which is after a final sync."""
        with self.lock:
            self.rpc(site, "resync-error")
            image = self.image(site, handle)
            self.record(site, "read", handle, "resync" if force else "check")
            if image.primary:
                raise GrpcError("InvalidArgument",
                                "image is in primary state")
            if self.is_final(site, handle) and not (
                    force and image.saved == image.created):
                return True
            state = self.state(site, handle)
            if force and image.saved == image.created and state != SYNCING:
                self.record(site, "resync", handle, detail)
                image.resync, image.writable = True, False
                self.back[site, handle] = time.monotonic() + self.gone
                raise GrpcError("Aborted", f"image {handle} is resyncing")
            if state == ERROR:
                raise GrpcError(
                    "Internal", "not resyncing. Local status: daemon up = "
                    "true, image is in \"error\" state, description: "
                    "split-brain")
            return False

    def info(self, site, handle):
        """(Time of the last sync or None, condition of the replication)."""
        with self.lock:
            self.rpc(site, "info-error")
            image = self.image(site, handle)
            self.record(site, "read", handle, "info")
            replays = self.linked() and self.state(
                self.peer(site), handle) in (REPLAYING, SYNCING)
            return image.last_sync, replays
