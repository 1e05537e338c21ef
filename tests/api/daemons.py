# SPDX-License-Identifier: Apache-2.0
"""Daemons whose store is the cluster, over one simulated array."""
import contextlib
import itertools
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest
import yaml

from proxy import Proxy
from replication import manifest
from shell import FACTOR, freeze, get, name_of, until
from uvr import BINARY, Daemon, WRAPPER

API = "/apis/replication.unified.io/v1alpha1"
ALL = f"{API}/unifiedvolumereplications"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/default/leases/uvrfs"
NS = "database"
ENDS = ("prod-cluster", "dr-cluster")
AGENT = "uvrfs/"                # of a daemon, not of the rig

CONFIG = """site: dr-cluster
store:
  kubernetes: {{cluster: dr-cluster, leaseDuration: {lease}s, lead: {lead}}}
clusters: {{dr-cluster: {{kubeconfig: "{kubeconfig}"}}}}
backends: {{lab: {{type: sim, path: "{sim}"}}}}
select: [{{storageClass: "*", backend: lab}}]
timeouts: {{act: {act}, retryFirst: 50ms, retryMax: 200ms,
           minDeadline: {deadline}}}
"""

numbers = itertools.count(1)


def new_name(stem="r"):
    return f"{stem}{next(numbers)}"


def configure(at, kubeconfig, sim="/tmp/none", **options):
    options = {"lease": round(3 * FACTOR), "lead": True,
               "act": f"{2 * FACTOR:g}s", "deadline": "60s", **options}
    options["lead"] = str(options["lead"]).lower()
    at.write_text(CONFIG.format(kubeconfig=kubeconfig, sim=sim, **options))
    return at


def path_of(name, ns=NS, sub=""):
    return f"{API}/namespaces/{ns}/unifiedvolumereplications/{name}{sub}"


def body_of(name, ns=NS, **spec):
    return yaml.safe_load(manifest(name, ns, clusters=ENDS, **spec))


class Node(Daemon):
    """One of the daemons that share a store and the array at `sim`."""

    def __init__(self, kubeconfig, sim, **options):
        super().__init__(config="")
        self.sim = pathlib.Path(sim)
        configure(self.config, kubeconfig, sim, **options)

    def freeze(self):
        freeze(self.process.pid)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def destroy(self):
        if self.alive():
            self.thaw()
        super().destroy()

    def log(self):
        return get(self.mnt / ".uvrfs/log").splitlines()

    def leads(self):
        """Whether its log says so, last."""
        said = [line for line in self.log() if " leader: " in line]
        return bool(said) and said[-1].endswith("that is us")

    def await_lead(self, seconds=10):
        until(self.leads, "it leads", seconds)
        return self

    def did(self):
        """Its acts, as its own log tells them."""
        return [line for line in self.log() if " did: " in line]

    def names(self, ns=NS):
        return sorted(p.name for p in (self.mnt / ns).glob("[!.]*"))

    def replica(self, name=None, **more):
        return super().replica(name or new_name(),
                               **{"ns": NS, "clusters": ENDS, **more})


def fail_over(r, seconds=20):
    """As the tutorial has it; each word is written once and is accepted."""
    for word in ("promoting", "source"):
        code = r.ask(word)
        assert code == 0, f"{word}: {name_of(code)}\n{r.explain()}"
        r.done(seconds=seconds)
    return r


def once(r, *words, acts=("create", "demote-peer", "promote")):
    """Each of the words was accepted and verified once, whoever tells it, and
    the array did what it had to, once."""
    words = ("replica", *(words or ("promoting", "source")))
    told = r.status["status"]["history"]
    assert [(t["word"], t["outcome"]) for t in told] == [
        (word, "verified") for word in words], r.read("history")
    assert r.acts() == list(acts), r.journal()
    assert r.state == words[-1]


def kept(cluster, r):
    """The object agrees with what is shown of it."""
    code, o = cluster.request("GET", path_of(r.name, r.ns))
    assert code == 200, o
    assert o["spec"]["replicationState"] == r.state == o["status"]["state"], o
    return o


def cut(proxy):
    """Every connection, watches too."""
    for link in proxy.connections():
        link.shut()


def wipe(cluster):
    """Takes every replication, and the lease, out of the store."""
    code, found = cluster.request("GET", ALL)
    for item in found["items"] if code == 200 else ():
        meta = item["metadata"]
        path = path_of(meta["name"], meta["namespace"])
        if meta.get("finalizers"):
            cluster.request("PATCH", path, {"metadata": {"finalizers": None}})
        cluster.request("DELETE", path)
    cluster.request("DELETE", LEASE)


def install_crd(cluster):
    with tempfile.TemporaryDirectory(prefix="uvr-crd-") as base:
        at = configure(pathlib.Path(base) / "c", cluster.kubeconfig("token"))
        done = subprocess.run(
            [*WRAPPER, BINARY, "-c", at, "install-crd"], check=False,
            capture_output=True, text=True, timeout=60 * FACTOR)
    assert done.returncode == 0, done.stderr
    cluster.make_namespace(NS)


@contextlib.contextmanager
def served(cluster):
    """The cluster with the CRD and without any object; left without."""
    install_crd(cluster)
    wipe(cluster)
    yield cluster
    if cluster.pid("apiserver"):
        cluster.thaw()
    else:
        cluster.start_api()
    wipe(cluster)


@contextlib.contextmanager
def fleet(cluster):
    """Makes daemons, each behind a proxy of its own unless it is direct, over
    one simulated array."""
    sim = tempfile.mkdtemp(prefix="uvr-array-")
    made = []

    def new(start=True, user="token", direct=False, cluster_as=None,
            kind=Node, **options):
        proxy = Proxy(cluster, token=None).start()
        via = cluster if direct else proxy
        node = kind(via.kubeconfig(user, **(cluster_as or {})), sim, **options)
        node.proxy = proxy
        made.append(node)
        return node.start() if start else node
    try:
        yield new
    finally:
        for node in made:
            node.proxy.clear()
            node.proxy.resume()
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, sim, ignore_errors=True)
            for node in made:
                stack.callback(node.proxy.stop)
                stack.callback(node.destroy)


@pytest.fixture
def store(cluster):
    with served(cluster):
        yield cluster


@pytest.fixture
def make_node(store):
    with fleet(store) as new:
        yield new


@pytest.fixture(scope="module")
def shared_store(cluster):
    with served(cluster):
        yield cluster


@pytest.fixture(scope="module")
def make_shared_node(shared_store):
    with fleet(shared_store) as new:
        yield new


class TakenOver:
    """Of one with a lease: `one` at `pair`, which goes on at another daemon."""
    next = None

    def kill(self):
        """The next one is up already, and waits for the lease."""
        old = self.one.daemon
        self.next = Daemon(config=old.config.read_text()).start()
        self.pair.sites.daemons.append(self.next)
        old.kill9()

    def start_again(self):
        self.one = self.pair.at(self.next)
