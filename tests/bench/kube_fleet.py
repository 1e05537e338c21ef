# SPDX-License-Identifier: Apache-2.0
"""Many replications of Ceph in a cluster, whose peer is lost: what a daemon has
before it when a whole site fails over.  No controller of the vendor's runs,
which would take more of the machine than all that is measured.

One was made, with both sites, and its objects are copied.  The requests of its
promotion are kept, for a load generator to send: to another cluster, so that
nobody takes them for somebody's wish."""
import contextlib
import datetime
import json
import shutil
import sys

from lab import HERE, PROGRAMS, Tended, folder, run

sys.path.insert(0, str(HERE.parent / "api"))

import crds  # noqa: E402
from cluster_uvr import path_of  # noqa: E402
from conftest import running_cluster  # noqa: E402
from daemons import install_crd  # noqa: E402
from kube import ADMIN  # noqa: E402
from proxy import Proxy  # noqa: E402
from sites import NS  # noqa: E402
from sites_ceph import CephSites  # noqa: E402
from uvr import Daemon, get, until  # noqa: E402

STENCIL = "stencil"
UVR = path_of(NS, "").rstrip("/")
CONFIG = """\
site: dr-cluster
store: {{kubernetes: {{cluster: dr-cluster}}}}
clusters:
  prod-cluster: {{kubeconfig: {lost}}}
  dr-cluster: {{kubeconfig: {here}}}
backends: {{ceph: {{type: ceph}}}}
timeouts: {{act: 10s}}
select: [{{storageClass: "*", backend: ceph}}]
"""
PARALLEL = 8                    # as many as the daemon has for backends


def send(cluster, lines, connections=PARALLEL):
    """By a load generator; seconds."""
    return float(run(PROGRAMS / "bench-requests", connections, cluster.server,
                     cluster.ca.crt, ADMIN, input="".join(lines)))


def line(method, path, body):
    return f"{method} {path} {json.dumps(body)}\n"


class Stencil:
    """The objects of one replication, and the requests of its promotion."""
    def __init__(self, here, lost, config):
        self.objects = {}
        sites = CephSites(lost, here)
        via = Proxy(here, token=None).start()
        daemon = Daemon(config=config(via.kubeconfig()))
        try:
            self.pair = sites.new_pair(STENCIL)
            one = self.pair.make(daemon.start())
            self.pair.write("a")
            until(lambda: one.verdict("promoting") == "allowed", "a copy")
            sites.double.stop()
            lost.stop_api()
            one.await_cond("Degraded", "True", "PeerUnreachable", seconds=60)
            self.objects = {path: self.kept(here, path)
                            for path in self.paths(sites)}
            since = len(via.seen())
            assert one.ask("promoting") == 0, one.error
            until(lambda: via.seen("PATCH", "/volumereplications/"), "its act")
            self.store, self.backend = self.requests(via.seen()[since:])
        finally:
            daemon.destroy()
            via.stop()
            self.forget(sites, here)

    def forget(self, sites, here):
        """The classes stay, which the copies need."""
        sites.double.stop()
        sites.double.storage.end.set()
        shutil.rmtree(sites.base)
        for path in self.objects:
            here.remove(path)

    def paths(self, sites):
        """In the order in which they are made."""
        self.volume, self.handle = sites.double.volume_of("b", NS, STENCIL)
        return (crds.path("pv", None, self.volume),
                crds.path("pvc", NS, STENCIL), crds.path("vr", NS, STENCIL),
                path_of(NS, STENCIL))

    @staticmethod
    def kept(here, path):
        """An object without what a server gives it."""
        found = here.request("GET", path)[1]
        for field in ("uid", "resourceVersion", "creationTimestamp",
                      "managedFields", "generation", "selfLink"):
            found["metadata"].pop(field, None)
        return found

    @staticmethod
    def requests(seen):
        """What the store sent until it was accepted, and the backend's act,
        without the versions, which are others each time."""
        lines = {True: [], False: []}
        for s in seen:
            ours = s.path.startswith(UVR)
            if s.method == "PATCH" and (ours or "/volumerep" in s.path):
                body = json.loads(s.body)
                body["metadata"].pop("resourceVersion", None)
                lines[ours].append(line("PATCH", s.path, body))
        return lines[True][:2], lines[False][:1]

    def named(self, text, i):
        """A copy's."""
        handle = self.handle[:-36] + f"{i:08x}" + self.handle[-28:]
        return (text.replace(self.handle, handle)
                .replace(self.handle[-36:], handle[-36:])
                .replace(self.volume, f"pvc-{i}").replace(STENCIL, f"r{i}"))

    def copy(self, cluster, count, kinds=slice(None)):
        """First those of one kind, then those of the next."""
        for path, found in list(self.objects.items())[kinds]:
            status = {"status": found["status"]}
            make = line("POST", path.rpartition("/")[0], found)
            tell = line("PATCH", path + "/status", status)
            for text in make, tell:
                send(cluster, [self.named(text, i) for i in range(count)])


class KubeFleet(Tended):
    """A daemon with so many, all in one namespace."""
    def __init__(self, count):
        self.count, self.stack = count, contextlib.ExitStack()
        try:
            self._make()
        except BaseException:
            self.stack.close()
            raise

    def _make(self):
        enter = self.stack.enter_context
        self.base = enter(folder())
        self.cluster, self.bare = [enter(running_cluster(i)) for i in (0, 1)]
        install_crd(self.cluster)
        with running_cluster(2) as lost:
            # With its mode: it holds a secret.
            shutil.copy(lost.kubeconfig("token", ca="inline"),
                        self.base / "lost")
            self.stencil = Stencil(self.cluster, lost, self.config)
        install_crd(self.bare)
        crds.install(self.bare, "ceph")
        self.stencil.copy(self.cluster, self.count)
        # What the load generator writes to, and nobody reads.
        self.stencil.copy(self.bare, self.count, slice(2, None))
        self.daemon = Daemon(config=self.config(
            self.cluster.kubeconfig("token")))
        self.stack.callback(self.daemon.destroy)
        self.start()
        self.settle()

    def config(self, here):
        return CONFIG.format(lost=self.base / "lost", here=here)

    def settle(self):
        """Until it has given the peer up for lost, and does no more than
        keeping its lease."""
        reach = self.daemon.mnt / ".uvrfs/clusters/prod-cluster/reachable"
        until(lambda: get(reach) == "no\n", "that the peer is away", 60)
        while not self.is_calm(0.03, 3):
            pass
        return self

    def states(self):
        return [self.daemon.mnt / NS / f"r{i}" / "state"
                for i in range(self.count)]

    def store_requests(self, numbers):
        """Of promotions, as a load generator sends them."""
        return [self.stencil.named(text, i) for i in numbers
                for text in self.stencil.store]

    def backend_requests(self, numbers):
        return [self.stencil.named(text, i) for i in numbers
                for text in self.stencil.backend]

    def acts(self, since, count):
        """When the backend sent its PATCHes since a mark of the audit; so many
        there have to be."""
        self.settle()
        times = sorted(
            datetime.datetime.fromisoformat(r["time"]).timestamp()
            for r in self.cluster.requests(since, agent="uvrfs/")
            if r["verb"] == "patch" and
            r["object"]["resource"] == "volumereplications")
        assert len(times) >= count, f"{len(times)} acts"
        return times

    def close(self):
        self.stack.close()
