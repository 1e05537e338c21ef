# SPDX-License-Identifier: Apache-2.0
"""A simulated storage with two sites, and the faults that tests ask for."""
import collections
import datetime
import threading
import time
import traceback

Call = collections.namedtuple("Call", "site verb name detail time")


def now(seconds=None):
    """As Kubernetes writes times: to the second."""
    when = datetime.datetime.fromtimestamp(
        time.time() if seconds is None else seconds, datetime.timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


class GrpcError(Exception):
    """What a driver answers."""
    def __init__(self, code, message):
        super().__init__(f"rpc error: code = {code} desc = {message}")
        self.code, self.message = code, message


# ---- faults ----

class Fault:
    def __init__(self, name, site, times, message, more):
        self.name, self.site, self.times = name, site, times
        self.message, self.hits = message, 0
        self.__dict__.update(more)

    def get(self, key, default=None):
        return self.__dict__.get(key, default)


class Faults:
    """By name; each double says which it knows.  One without a site is for
    both, one without times holds until it is cleared."""
    def __init__(self, known):
        self.known, self.lock, self.all = set(known), threading.Lock(), []

    def add(self, name, site=None, times=None, message="", **more):
        assert name in self.known, f"{name}: not of {sorted(self.known)}"
        fault = Fault(name, site, times, message, more)
        with self.lock:
            self.all.append(fault)
        return fault

    def clear(self, name=None, site=None):
        with self.lock:
            self.all = [f for f in self.all if name not in (None, f.name) or
                        site not in (None, f.site)]

    def take(self, name, site=None):
        """The first that applies, which counts; None when there is none."""
        assert name in self.known, name
        with self.lock:
            for fault in self.all:
                if fault.name == name and fault.site in (None, site) and \
                        fault.times != 0:
                    fault.hits += 1
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None


# ---- the storage ----

class Volume:
    """Its data are the numbers of the writes that it has seen, in order: one
    has what another has when it begins with the same."""
    def __init__(self, writable=True, writes=()):
        self.writable, self.writes = writable, tuple(writes)
        self.snapshots, self.users = {}, set()


class Storage:
    """Of both sites.  tick() of a vendor moves data between them, by the clock,
    while the two are linked."""
    def __init__(self, faults, sites=("a", "b"), tick=0.03):
        self.faults, self.sites, self.interval = faults, tuple(sites), tick
        self.lock = threading.RLock()
        self.volumes, self.calls = {}, []
        self.downs, self.is_cut = set(), False
        self.number, self.end = 0, threading.Event()
        self.errors = []
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.end.wait(self.interval):
            try:
                with self.lock:
                    if self.linked():
                        self.tick()
            except Exception:
                self.errors.append(traceback.format_exc())

    def tick(self):
        pass

    def peer(self, site):
        return self.sites[1 - self.sites.index(site)]

    # ---- switches ----

    def down(self, site):
        """All of a site's storage; its data stay."""
        with self.lock:
            self.downs.add(site)

    def up(self, site):
        with self.lock:
            self.downs.discard(site)

    def cut(self):
        """What replicates; each site's own storage goes on."""
        with self.lock:
            self.is_cut = True

    def join(self):
        with self.lock:
            self.is_cut = False

    def linked(self):
        return not self.downs and not self.is_cut

    def reach(self, site):
        if site in self.downs:
            raise GrpcError("Unavailable", f"storage of {site} is unreachable")

    # ---- calls ----

    def record(self, site, verb, name, detail=""):
        with self.lock:
            self.calls.append(Call(site, verb, name, detail, time.time()))

    def actions(self, site=None, verb=None, name=None):
        """The calls that ask for a change, or those of one verb."""
        with self.lock:
            return [c for c in self.calls if site in (None, c.site) and
                    name in (None, c.name) and
                    (c.verb == verb if verb else c.verb != "read")]

    # ---- data ----

    def volume(self, site, handle):
        found = self.volumes.get((site, handle))
        if found is None:
            raise GrpcError("NotFound", f"{handle} is not there")
        return found

    def has(self, site, handle):
        return (site, handle) in self.volumes

    def write(self, site, handle, count=1):
        """As a pod does; how many it has then.  PermissionError when it is
        read-only, ConnectionError when it is away."""
        with self.lock:
            if site in self.downs:
                raise ConnectionError(site)
            volume = self.volume(site, handle)
            if not volume.writable:
                raise PermissionError(handle)
            for _ in range(count):
                self.number += 1
                volume.writes += (self.number,)
            return len(volume.writes)

    def is_writable(self, site, handle):
        with self.lock:
            return self.has(site, handle) and site not in self.downs and \
                self.volume(site, handle).writable

    def writes(self, site, handle):
        with self.lock:
            return self.volume(site, handle).writes

    def data(self, site, handle):
        return len(self.writes(site, handle))

    def take_snapshot(self, site, handle, name):
        with self.lock:
            self.reach(site)
            volume = self.volume(site, handle)
            if not volume.writable:
                self.record(site, "snapshot", handle, f"{name} refused")
                raise GrpcError("Internal", self.snapshot_refusal(handle))
            if name not in volume.snapshots:
                self.record(site, "snapshot", handle, name)
                volume.snapshots[name] = volume.writes

    def snapshot_refusal(self, handle):
        return f"{handle} is read-only"

    def drop_snapshot(self, site, handle, name):
        with self.lock:
            self.reach(site)
            self.record(site, "drop-snapshot", handle, name)
            if self.has(site, handle):
                self.volume(site, handle).snapshots.pop(name, None)
