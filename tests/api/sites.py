# SPDX-License-Identifier: Apache-2.0
"""Two clusters with a vendor's double, replications over them, and a daemon at
one site or at both.  `prod-cluster` (the double's site a) begins as the source,
`dr-cluster` (b) as the replica."""
import contextlib
import itertools
import pathlib
import re
import shutil
import signal
import tempfile

import yaml

import uvr
from cluster_uvr import GROUP, path_of
from replication import Uvr
from shell import FACTOR, until

NS = "database"
NAMES = {"a": "prod-cluster", "b": "dr-cluster"}
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"

CONFIG = """\
site: {site}
store: {store}
clusters:
  prod-cluster: {{kubeconfig: {a}}}
  dr-cluster: {{kubeconfig: {b}}}
backends: {{vendor: {{type: {type}}}}}
select: [{{storageClass: "*", backend: vendor}}]
timeouts: {{act: {act}, retryFirst: 50ms, retryMax: 200ms,
           minDeadline: {deadline}}}
"""

numbers = itertools.count(1)


class Pair:
    """A volume at both sites, as a manifest names it."""
    def __init__(self, sites, name, handle, claim=None):
        self.sites, self.name, self.handle = sites, name, handle
        self.claim = claim or name

    def spec(self, state="replica", **more):
        return {
            "sourceEndpoint": {"cluster": "prod-cluster",
                               "region": "us-east-1",
                               "storageClass": "replicated"},
            "destinationEndpoint": {"cluster": "dr-cluster",
                                    "region": "us-west-1",
                                    "storageClass": "replicated"},
            "volumeMapping": {
                "source": {"pvcName": self.claim, "namespace": NS},
                "destination": {"volumeHandle": self.handle,
                                "namespace": NS}},
            "replicationState": state, "replicationMode": "asynchronous",
            "schedule": {"mode": "interval", "rpo": "5m"}, **more}

    def manifest(self, state="replica", **more):
        return {"apiVersion": "replication.unified.io/v1alpha1",
                "kind": "UnifiedVolumeReplication",
                "metadata": {"name": self.name, "namespace": NS},
                "spec": self.spec(state, **more)}

    def at(self, daemon):
        return Uvr(daemon, NS, self.name)

    def make(self, daemon, state="replica", verified=True, **more):
        """By its directory, as people do."""
        for folder in (daemon.mnt / NS, daemon.mnt / NS / self.name):
            folder.mkdir(exist_ok=True)
        one = self.at(daemon)
        code = one.write("spec.yaml", yaml.safe_dump(
            {"spec": self.spec(state, **more)}))
        assert code == 0, one.error
        return one.done(seconds=30) if verified else one

    # ---- the truth, at the storage ----

    def is_writable(self, site):
        return self.sites.double.storage.is_writable(
            site, self.sites.local_handle(self, site))

    def write(self, site, count=1):
        return self.sites.double.storage.write(
            site, self.sites.local_handle(self, site), count)

    def data(self, site):
        return self.sites.double.storage.data(
            site, self.sites.local_handle(self, site))

    def writes(self, site):
        return self.sites.double.storage.writes(
            site, self.sites.local_handle(self, site))


class Sites:
    """A class of it knows a vendor: `type`, `double_class`, new_pair."""
    type = double_class = None
    options = {}
    returned = "SplitBrain"     # how an old source that comes back is shown

    def __init__(self, a, b):
        self.clusters = {"a": a, "b": b}
        self.double = self.double_class(a=a, b=b, **self.options)
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="uvr-sites-"))
        self.daemons, self.leases = [], []
        self.double.__enter__()
        try:
            self.prepare()
        except BaseException:
            self.double.close()
            raise

    def prepare(self):
        """Classes and the like, at both sites."""

    def local_handle(self, pair, site):
        """What the storage at that site calls the volume."""
        return pair.handle

    def config(self, site="b", store="local", act=None, deadline="60s",
               **more):
        configs = {s: c.kubeconfig() for s, c in self.clusters.items()}
        configs.update(more.pop("kubeconfigs", {}))
        if store == "kubernetes":
            lease = f"sites-{next(numbers)}"
            self.leases.append((site, lease))
            store = (f"{{kubernetes: {{cluster: {NAMES[site]}, lease: {lease},"
                     " leaseDuration: 6s}}")
        elif store == "local":
            store = f"{{local: {{path: {self.base}/{site}-{next(numbers)}}}}}"
        return CONFIG.format(site=NAMES[site], store=store, type=self.type,
                             act=act or f"{2 * FACTOR:g}s",
                             deadline=deadline, **configs)

    def new(self, site="b", kind=uvr.Daemon, **config):
        """Not started yet."""
        d = kind(config=self.config(site, **config))
        self.daemons.append(d)
        return d

    def daemon(self, site="b", kind=uvr.Daemon, **config):
        return self.new(site, kind, **config).start()

    def give(self, daemon, seconds):
        """Those who ask from now on have so long."""
        text, before = daemon.config.read_text(), len(daemon.stderr())
        daemon.config.write_text(re.sub(
            "minDeadline: [^}]*", f"minDeadline: {seconds * FACTOR:g}s", text))
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: "read" in daemon.stderr()[before:], "the configuration")

    # ---- a site that is lost ----

    def lose(self, site):
        """All of it: its API server, its controllers, its storage."""
        self.double.stop_site(site)
        self.clusters[site].stop_api()

    def find_again(self, site):
        self.clusters[site].start_api()
        self.double.start_site(site)

    def await_silence(self, one, kind="Degraded", reason="PeerUnreachable"):
        one.await_cond(kind, "True", reason, seconds=20)

    def close(self):
        try:
            uvr.destroy_all(self.daemons)
            for site, c in self.clusters.items():
                if not c.pid("apiserver"):
                    c.start_api()
        finally:
            self.double.close()
            for site, lease in self.leases:
                self.clusters[site].remove(f"{LEASES}/{lease}")
            for c in self.clusters.values():
                status, found = c.request(
                    "GET", f"{GROUP}/unifiedvolumereplications")
                for item in found["items"] if status == 200 else ():
                    meta = item["metadata"]
                    path = path_of(meta["namespace"], meta["name"])
                    c.request("PATCH", path,
                              {"metadata": {"finalizers": None}})
                    c.remove(path)
            shutil.rmtree(self.base, ignore_errors=True)


def await_equal(pair, seconds=20):
    """All that the source has is at the other side."""
    until(lambda: pair.writes("a") == pair.writes("b"),
          "both sides to have the same", seconds)


@contextlib.contextmanager
def making(kind, *clusters, **defaults):
    """Sites of that kind, one after the other; closed at the end."""
    made = []

    def new(**options):
        made.append(kind(*clusters, **{**defaults, **options}))
        return made[-1]
    yield new
    for one in made:
        one.close()
