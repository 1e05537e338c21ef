# SPDX-License-Identifier: Apache-2.0
"""A cluster: its own client, the way of a change to who watches, and a whole
site that fails over."""
import os
import select
import subprocess
import tempfile

from kube_fleet import ADMIN, NS, KubeFleet, crds, send
from lab import PROGRAMS, grep, in_turns, promote, rate, timed
from table import AT_LEAST, AT_MOST, row

MANY_KUBE = 10000
TURNS = 5


def of_cluster(lab):
    return lab.fleet(MANY_KUBE, KubeFleet)


@row("kubectl-get", "kubectl get of one: time / open, read, close of `state`",
     AT_LEAST, 1000)
def kubectl_get(lab):
    fleet = of_cluster(lab)
    states = fleet.states()[:100]
    yield from in_turns(
        TURNS, lambda: timed(fleet.cluster.kubectl, "get", "uvr", "r0", "-n",
                             NS),
        lambda: 1 / rate("read", states, processes=1))


@row("kubectl-get-A", "grep over `state` of all, cold: time / kubectl get -A",
     AT_MOST, 1)
def kubectl_get_all(lab):
    fleet = of_cluster(lab)
    yield from in_turns(
        TURNS, lambda: grep(fleet.daemon.mnt),
        lambda: timed(fleet.cluster.kubectl, "get", "uvr", "-A", timeout=120))


class Watcher:
    """Of VolumeReplications at the API server and of files of a mount."""
    def __init__(self, fleet, files):
        kind = crds.path("vr", NS)
        version = fleet.cluster.request("GET", kind + "?limit=1")[1][
            "metadata"]["resourceVersion"]
        # pylint: disable=consider-using-with
        names = tempfile.TemporaryFile("w+")
        names.writelines(f"{f}\n" for f in files)
        names.seek(0)
        self.process = subprocess.Popen(
            [PROGRAMS / "bench-watch", fleet.cluster.server,
             f"{kind}?watch=1&resourceVersion={version}",
             fleet.cluster.ca.crt, ADMIN], stdin=names,
            stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self.process.stdout.readline() == "ready\n"

    def tell(self, calm=0.5):
        """What has come until there is calm: {kind: [nanoseconds]}."""
        told = {"watch": [], "file": []}
        while select.select([self.process.stdout], [], [], calm)[0]:
            for text in os.read(self.process.stdout.fileno(),
                                1 << 16).decode().splitlines():
                kind, when = text.split()[:2]
                told[kind].append(int(when))
        return told

    def close(self):
        self.process.kill()
        self.process.wait()


def watched(lab, turns, change):
    """What comes of changes to one storage object, one after the other."""
    fleet = of_cluster(lab)
    watcher = Watcher(fleet, [p.with_name("status.json")
                              for p in fleet.states()])
    try:
        for i in range(turns):
            path, body = change(i)
            code, answer = fleet.cluster.request("PATCH", path, body)
            assert code == 200, answer
            told = watcher.tell()
            assert len(told["watch"]) == 1, told
            yield told
    finally:
        watcher.close()


def storage_changes(i):
    """It begins a resync, or has ended it."""
    conditions = [{
        "type": kind, "reason": "Bench", "message": "", "status": status,
        "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"}
        for kind, status in (("Completed", "True"), ("Degraded", "True"),
                             ("Resyncing", ("False", "True")[i % 2]))]
    return crds.path("vr", NS, "r0") + "/status", {
        "status": {"conditions": conditions}}


@row("event", "the storage's change to inotify event: ms after a raw watch",
     AT_MOST, 1)
def event(lab):
    for told in watched(lab, 20, storage_changes):
        yield (told["file"][0] - told["watch"][0]) / 1e6


def nothing_changes(i):
    """But the object."""
    return crds.path("vr", NS, "r0"), {
        "metadata": {"annotations": {"bench": str(i)}}}


@row("no-event", "inotify events of a watch's news in which nothing changed",
     AT_MOST, 0)
def no_event(lab):
    for told in watched(lab, 10, nothing_changes):
        yield len(told["file"])


# ---- a site fails over ----

def acts_a_second(fleet, since, count):
    """Of the backend, from its first PATCH to its last."""
    times = fleet.acts(since, count)
    return (count - 1) / (times[-1] - times[0])


class Failover:
    """In turns: a shell's loop over a part of all, and a load generator that
    sends what came of it, to a cluster with the same objects."""
    def __init__(self, lab):
        fleet = of_cluster(lab)
        count = fleet.count // TURNS
        self.store, self.backend = [], []
        for turn in range(TURNS):
            part = range(turn * count, (turn + 1) * count)
            since = fleet.cluster.mark()
            taken = timed(promote, fleet.states()[part.start:part.stop])
            acts = acts_a_second(fleet, since, count)
            bare = send(fleet.bare, fleet.store_requests(part), 1)
            self.store.append(bare / taken)
            bare = send(fleet.bare, fleet.backend_requests(part))
            self.backend.append(acts / (count / bare))
        lab.close()


def failover(lab):
    if not lab.failover:
        lab.failover = Failover(lab)
    return lab.failover


@row("accept", "promote all by a shell: writes a second / bare PATCHes, one by "
     "one", AT_LEAST, 0.8)
def accept(lab):
    yield from failover(lab).store


@row("act", "the backend's PATCHes meanwhile / bare PATCHes, 8 at a time",
     AT_LEAST, 0.8)
def act(lab):
    yield from failover(lab).backend
