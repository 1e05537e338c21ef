# SPDX-License-Identifier: Apache-2.0
"""Daemons that share a cluster as their store, the simulated storage that they
share, and the objects as kubectl and an API client see them."""
import contextlib
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import yaml

import uvr
from kube import ADMIN
from replication import Condition
from shell import FACTOR, get, sh, until

GROUP = "/apis/replication.unified.io/v1alpha1"
CRD = ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
       "unifiedvolumereplications.replication.unified.io")
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
NAMESPACES = ("database", "billing", "web")
FINALIZER = "replication.storage.io/finalizer"
SAMPLES = uvr.ROOT / "mount/samples"

CONFIG = """\
site: {site}
store: {{kubernetes: {{cluster: dr-cluster, leaseDuration: 6s{store}}}}}
clusters: {{dr-cluster: {{kubeconfig: {kubeconfig}}}}}
backends: {{lab: {{type: sim, path: {sim}}}}}
select: [{{storageClass: "*", backend: lab}}]
"""

numbers = itertools.count(1)


class Controller(uvr.Daemon):
    """One that acts, and mounts nothing."""
    def command(self, *more):
        return [*uvr.WRAPPER, uvr.BINARY, "-c", str(self.config),
                "--state-dir", str(self.state), *uvr.OPTIONS, *self.options,
                *more, "--controller"]


def uvrfs(config, *arguments):
    """Runs it to its end."""
    return subprocess.run(
        [*uvr.WRAPPER, uvr.BINARY, "-c", str(config), *arguments], text=True,
        capture_output=True, stdin=subprocess.DEVNULL, timeout=60 * FACTOR)


class Lab:
    """A cluster with our CRD, a lease and a storage."""
    def __init__(self, cluster, site="here", deadline="60s"):
        self.cluster, self.site, self.deadline = cluster, site, deadline
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="uvr-lab-"))
        self.sim = self.base / "sim"
        self.lease = f"lab-{next(numbers)}"
        self.daemons, self.kubeconfig = [], cluster.kubeconfig()
        for ns in NAMESPACES:
            cluster.make_namespace(ns)

    def install(self):
        path = self.base / "install.yaml"
        path.write_text(self.config())
        done = uvrfs(path, "install-crd")
        assert done.returncode == 0, done
        return self

    def config(self, site=None, kubeconfig=None, **store):
        store = "".join(f", {k}: {v}" for k, v in
                        {"lease": self.lease, **store}.items())
        return CONFIG.format(
            site=site or self.site, store=store, sim=self.sim,
            kubeconfig=kubeconfig or self.kubeconfig
        ) + uvr.TIMEOUTS % self.deadline

    def new(self, kind=uvr.Daemon, **config):
        """Not started yet."""
        d = kind(config=self.config(**config))
        d.sim = self.sim
        self.daemons.append(d)
        return d

    def namespaces(self, d):
        """Directories for them, which are not made from the cluster's."""
        for ns in NAMESPACES:
            if not (d.mnt / ns).exists():
                os.mkdir(d.mnt / ns)
        return d

    def daemon(self, kind=uvr.Daemon, **config):
        return self.new(kind, **config).start()

    def leader(self, kind=uvr.Daemon, **config):
        """Started, and it leads."""
        d = self.daemon(kind, **config)
        until(lambda: self.holder().split("_")[1:2] == [str(d.process.pid)],
              "the lead", 20)
        return d

    def holder(self):
        status, lease = self.cluster.request("GET", f"{LEASES}/{self.lease}")
        return lease["spec"].get("holderIdentity", "") if status == 200 else ""

    def close(self):
        """Leaves a cluster without objects of ours."""
        try:
            uvr.destroy_all(self.daemons)
        finally:
            status, found = self.cluster.request(
                "GET", f"{GROUP}/unifiedvolumereplications")
            for item in found["items"] if status == 200 else ():
                self.cluster.remove(path_of(item["metadata"]["namespace"],
                                            item["metadata"]["name"]))
            self.cluster.remove(f"{LEASES}/{self.lease}")
            shutil.rmtree(self.base, ignore_errors=True)

    def kubectl(self, *args, **more):
        return self.cluster.kubectl(*args, **more)

    def shell(self, command, seconds=30, **env):
        """A command with kubectl, as it is typed."""
        return sh(command, seconds=seconds, env={
            "KUBECONFIG": str(self.kubeconfig),
            "HOME": str(self.cluster.base / "home"), **env})

    def object(self, r):
        return Object(self, r)

    def apply(self, text, ns=None):
        """By kubectl, as a manifest; the object."""
        self.kubectl("apply", "-f", "-", input=text)
        meta = yaml.safe_load(text)["metadata"]
        return Object(self, meta["namespace"], meta["name"])


@contextlib.contextmanager
def running_lab(cluster, *args, kind=uvr.Daemon, **more):
    """With the CRD, and `main`, which leads."""
    one = Lab(cluster, *args, **more).install()
    try:
        one.main = one.namespaces(one.leader(kind))
        yield one
    finally:
        one.close()


def path_of(ns, name):
    return f"{GROUP}/namespaces/{ns}/unifiedvolumereplications/{name}"


class Object:
    """A replication's object in the cluster."""
    def __init__(self, lab, r, name=None):
        self.lab, self.request = lab, lab.cluster.request
        self.ns, self.name = (r, name) if name else (r.ns, r.name)
        self.path = path_of(self.ns, self.name)

    def apart(self):
        """The same by a connection of its own, for another thread."""
        one = Object(self.lab, self.ns, self.name)
        one.request = self.lab.cluster.client(ADMIN).request
        return one

    def get(self):
        status, found = self.request("GET", self.path)
        assert status == 200, found
        return found

    @property
    def is_there(self):
        return self.request("GET", self.path)[0] == 200

    @property
    def spec(self):
        return self.get()["spec"]

    @property
    def status(self):
        return self.get().get("status", {})

    @property
    def meta(self):
        return self.get()["metadata"]

    @property
    def notes(self):
        return self.meta.get("annotations", {})

    @property
    def ready(self):
        """With what it says of a generation, None while nothing is said."""
        found = self.get()
        for c in found.get("status", {}).get("conditions", ()):
            if c["type"] == "Ready":
                old = c["observedGeneration"] < found["metadata"]["generation"]
                return None if old else Condition(
                    c["status"], c["reason"], c["lastTransitionTime"],
                    c["message"])
        return None

    def await_ready(self, status="True", reason=None, seconds=10):
        def check():
            c = self.ready
            return c and c.status == status and reason in (None, c.reason) and c
        try:
            found = until(check, f"{self.name}: Ready {status} {reason}",
                          seconds)
        except AssertionError as e:
            raise AssertionError(json.dumps(self.get(), indent=1)) from e
        self.settle()
        return found

    def settle(self):
        """Until all that have a mount show what the cluster has."""
        for d in self.lab.daemons:
            path = d.mnt / self.ns / self.name / "status.json"

            def check(path=path):
                try:
                    shown = json.loads(get(path))["metadata"]
                except FileNotFoundError:
                    return "accepted" not in self.status
                return shown["resourceVersion"] == self.meta["resourceVersion"]
            if d.alive() and not isinstance(d, Controller):
                until(check, f"the same at {path}")

    def history(self):
        return [t["word"] for t in self.status["history"]]

    def patch(self, spec=None, force=None, check=200, **metadata):
        """A merge patch, as kubectl patch sends it, by an API client."""
        body = {"metadata": metadata}
        if spec is not None:
            body["spec"] = (spec if isinstance(spec, dict)
                            else {"replicationState": spec})
        if force:
            body["metadata"].setdefault("annotations", {})[
                "uvrfs/force"] = force
        status, answer = self.request(
            "PATCH", f"{self.path}?fieldManager=kubectl-patch", body)
        assert check in (None, status), answer
        return answer

    def ask(self, spec, force=None, **more):
        """By kubectl itself."""
        if not isinstance(spec, dict):
            spec = {"replicationState": spec}
        body = {"spec": spec}
        if force:
            body["metadata"] = {"annotations": {"uvrfs/force": force}}
        return self.kubectl("patch", "--type=merge", "-p", json.dumps(body),
                            **more)

    def kubectl(self, verb, *args, **more):
        return self.lab.kubectl(verb, "-n", self.ns, "uvr", self.name, *args,
                                **more)

    def wait(self, seconds=10, check=True, condition="Ready"):
        done = self.lab.kubectl(
            "wait", f"--for=condition={condition}", f"uvr/{self.name}", "-n",
            self.ns, f"--timeout={int(seconds * FACTOR)}s", check=check,
            timeout=seconds + 20)
        if done.returncode == 0:
            self.settle()
        return done

    def await_copy(self):
        """The first one is there: it may be promoted."""
        self.wait(condition="Degraded=false")

    def go(self, *words):
        for word in words:
            self.ask(word)
            self.wait()
        return self

    def await_events(self, *words):
        """Until kubectl describe has all of the words."""
        def check():
            out = self.kubectl("describe").stdout
            return all(word in out for word in words) and out
        return until(check, f"events: {words}", 20)
