# SPDX-License-Identifier: Apache-2.0
"""docs/examples/kubernetes, by an API server that takes it; and that no right in
the examples is one too many."""
import base64
import concurrent.futures
import contextlib
import errno
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

import pytest

import proxy as faults
from daemons import cut, fail_over, install_crd
from pages import blocks_of
from promtool import exporter  # noqa: F401
from rights import (AT_PEER, BACKENDS, CONTROLLER, NODE, PODS, STORE, bind,
                    granted, objects, refused, token_of, used, user_of)
from shell import freeze
from uvr import BINARY, FACTOR, ROOT, WRAPPER, call, put, sh, until

LEASE = "/apis/coordination.k8s.io/v1/namespaces/uvrfs/leases/uvrfs"


def one(kind):
    found, = [o for o in objects(PODS) if o["kind"] == kind]
    return found


def test_a_rollout_needs_no_third_node():
    """An old pod, too, keeps a new one from its node."""
    spec = one("Deployment")["spec"]
    term, = spec["template"]["spec"]["affinity"]["podAntiAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["labelSelector"] == spec["selector"]
    assert spec["strategy"]["rollingUpdate"] == {
        "maxSurge": 0, "maxUnavailable": 1} and spec["replicas"] == 2


def test_the_namespace_is_the_same_in_all():
    """What one has set the other would take away when it is applied again."""
    found = [o for path in (PODS, STORE, BACKENDS) for o in objects(path)
             if o["kind"] == "Namespace"]
    assert len(found) == 3 and found[0]["metadata"]["labels"]
    assert all(o == found[0] for o in found)


@pytest.fixture(scope="module")
def prepared(cluster):
    install_crd(cluster)
    bind(cluster)
    return cluster


def test_the_server_takes_them(prepared):
    done = prepared.kubectl("apply", "--dry-run=server", "-f", PODS)
    assert not re.search("warning|unknown", done.stderr, re.I), done.stderr
    assert done.stdout.count("(server dry run)") == len(objects(PODS))


# What is in them is whose account there.
PEERS = {"uvrfs-peer": AT_PEER[CONTROLLER], "uvrfs-peer-view": AT_PEER[NODE]}

VOLUMES = ("list", "persistentvolumes")
STORES = ("patch", "unifiedvolumereplications.replication.unified.io")
ACTS = ("patch", "volumereplications.replication.storage.openshift.io")
DEFINITIONS = ("patch", "customresourcedefinitions.apiextensions.k8s.io")
SECRETS = ("get", "secrets")

# The file of the page, the account that it is of, and what that may do.
KUBECONFIGS = (("dr", CONTROLLER, {VOLUMES, STORES, ACTS}),
               ("prod", AT_PEER[CONTROLLER], {VOLUMES, ACTS}),
               ("prod-view", AT_PEER[NODE], {VOLUMES}))


def make_tokens(here, peer):
    """As the controller of such Secrets does, which does not run here."""
    for name, account, _ in KUBECONFIGS:
        cluster = here if name == "dr" else peer
        path = f"/api/v1/namespaces/uvrfs/secrets/{account}"
        until(lambda cluster=cluster, path=path:
              cluster.request("GET", path)[0] == 200, "the Secret is made", 60)
        data = {**token_of(cluster, account),
                "ca.crt": cluster.ca.crt.read_text()}
        code, answer = cluster.request("PATCH", path, {"data": {
            key: base64.b64encode(text.encode()).decode()
            for key, text in data.items()}})
        assert code == 200, answer


def rights_of(cluster, kubeconfig):
    """(verb, resource)."""
    text = cluster.kubectl("auth", "can-i", "--list",
                           kubeconfig=kubeconfig).stdout
    return {(verb, line.split()[0]) for line in text.splitlines()
            for verb in line.rpartition("[")[2].rstrip("]").split()}


def test_what_comes_before_them(cluster, other_cluster, tmp_path):
    """As typed: the kubeconfigs have the rights that they need and no others."""
    accounts, in_pods = blocks_of("docs/store-kubernetes.md", "bash")
    for name, one_of in (("here", cluster), ("peer", other_cluster)):
        (tmp_path / name).write_text(one_of.kubeconfig("token").read_text())
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    (tmp_path / "kept").mkdir()
    (tmp_path / "uvrfs").symlink_to(BINARY)
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            filled = pool.submit(make_tokens, cluster, other_cluster)
            done = sh(f"set -e\nPATH={tmp_path}:$PATH\n{accounts}\n"
                      f"cp *.kubeconfig kept\n{in_pods}", cwd=tmp_path,
                      seconds=60)
            filled.result()
        assert done.rc == 0, done
        assert not list(tmp_path.glob("*.kubeconfig"))
        for name, account, rights in KUBECONFIGS:
            kubeconfig = tmp_path / f"kept/{name}.kubeconfig"
            at = cluster if name == "dr" else other_cluster
            assert rights_of(at, kubeconfig) & {
                VOLUMES, STORES, ACTS, DEFINITIONS, SECRETS} == rights, name
            for secret, peers in PEERS.items():
                if at is cluster or account != peers:
                    continue
                made = cluster.request(
                    "GET", f"/api/v1/namespaces/uvrfs/secrets/{secret}")[1]
                assert base64.b64decode(made["data"]["kubeconfig"]).decode() \
                    == kubeconfig.read_text()
    finally:
        for one_of in cluster, other_cluster:
            one_of.kubectl("delete", "-n", "uvrfs", "--ignore-not-found",
                           "secret", CONTROLLER, *PEERS, *PEERS.values())


def pods():
    return [one(kind)["spec"]["template"]["spec"]
            for kind in ("Deployment", "DaemonSet")]


def test_what_they_name_is_there():
    names = {(o["kind"], o["metadata"]["name"])
             for o in objects(STORE, BACKENDS)}
    config = one("ConfigMap")
    for pod in pods():
        assert ("ServiceAccount", pod["serviceAccountName"]) in names
        volumes = {v["name"]: v for v in pod["volumes"]}
        assert PEERS[volumes["peer"]["secret"]["secretName"]] == \
            AT_PEER[pod["serviceAccountName"]]
        for mount in (m for c in pod["containers"] for m in c["volumeMounts"]):
            assert mount["name"] in volumes
            if mount["name"] == "config":
                assert mount["subPath"] in config["data"]
    for o in objects(PODS):
        if o["kind"] == "ClusterRoleBinding":
            assert ("ClusterRole", o["roleRef"]["name"]) in names
            for subject in o["subjects"]:
                assert (subject["kind"], subject["name"]) in names
    # The image's entry point, its arguments and where its configuration is.
    image = (ROOT / "mount/Containerfile").read_text()
    assert '"-c", "/etc/uvrfs/uvrfs.yaml"]' in image


@pytest.mark.parametrize("name", ["controller.yaml", "node.yaml"])
def test_their_configuration(cluster, tmp_path, name):
    """As it is, but for the files of a pod."""
    text = one("ConfigMap")["data"][name]
    config = tmp_path / name
    peer = cluster.kubeconfig("token")
    config.write_text(text.replace("/etc/uvrfs/peer/kubeconfig", str(peer))
                      .replace("inCluster: true", f"kubeconfig: {peer}"))
    done = subprocess.run([*WRAPPER, BINARY, "-c", config, "--check-config"],
                          check=False, capture_output=True, text=True,
                          timeout=20 * FACTOR)
    assert done.returncode == 0 and not done.stderr, done.stderr


@pytest.fixture
def place():
    """That others than root can look into."""
    at = pathlib.Path(tempfile.mkdtemp(prefix="uvr-pod-"))
    at.chmod(0o755)
    yield at
    shutil.rmtree(at)


class ControllerPod:
    """With its users, and nothing that is writable but the volume of its
    state."""
    def __init__(self, prepared, place):
        self.prepared, self.place = prepared, place
        self.spec = one("Deployment")["spec"]["template"]["spec"]
        self.uvrfs, self.metrics = self.spec["containers"]
        self.group = self.spec["securityContext"]["fsGroup"]
        self.state = place / "state"
        self.state.mkdir()
        os.chown(self.state, 0, self.group)
        self.state.chmod(0o2777)
        self.file = self.state / "metrics.prom"

    def here(self, words):
        """With the volume where it is here."""
        return [w.replace("/var/lib/uvrfs", str(self.state)) for w in words]

    def as_user(self, container):
        who = {**self.spec["securityContext"], **container["securityContext"]}
        return ["setpriv", f"--reuid={who['runAsUser']}",
                f"--regid={who['runAsGroup']}", f"--groups={self.group}"]

    def configure(self):
        peer, config = self.place / "peer", self.place / "config"
        peer.write_text(self.prepared.kubectl(
            "config", "view", "--raw", "--flatten",
            kubeconfig=self.prepared.kubeconfig("token")).stdout)
        config.write_text(one("ConfigMap")["data"]["controller.yaml"].replace(
            "/etc/uvrfs/peer/kubeconfig", str(peer)).replace(
                "inCluster: true", f"kubeconfig: {peer}"))
        user = self.spec["securityContext"]["runAsUser"]
        for path in peer, config:
            os.chown(path, user, user)
            path.chmod(0o400)
        return config

    def leads(self):
        code, lease = self.prepared.request("GET", LEASE)
        holder = code == 200 and lease["spec"].get("holderIdentity", "")
        return f"_{self.process.pid}_" in f"{holder}_"

    def probe(self, name):
        """As the kubelet asks, whose limit is a failure, too."""
        probe = self.uvrfs[name]
        return subprocess.run(
            [*self.as_user(self.uvrfs), *self.here(probe["exec"]["command"])],
            cwd="/", check=False,
            timeout=probe["timeoutSeconds"] * FACTOR).returncode == 0

    def is_ready(self):
        return self.probe("readinessProbe")

    def is_alive(self):
        return self.probe("livenessProbe")

    def is_old(self, seconds):
        then = time.time() - seconds
        os.utime(self.file, (then, then))

    @contextlib.contextmanager
    def running(self):
        args = self.here(self.uvrfs["args"])
        with subprocess.Popen(
                [*self.as_user(self.uvrfs), *WRAPPER, BINARY, "-f", "-c",
                 self.configure(), *args], cwd="/",
                env={**os.environ, "HOME": "/"}, stderr=subprocess.PIPE,
                text=True) as self.process:
            try:
                until(lambda: self.process.poll() is not None or self.leads(),
                      "it leads", 30)
                yield self
            finally:
                self.process.send_signal(signal.SIGCONT)
                self.process.terminate()
                rc = self.process.wait(20 * FACTOR)
            assert rc == 0, self.process.stderr.read()
        self.prepared.request("DELETE", LEASE)


@pytest.fixture
def pod(prepared, place):
    return ControllerPod(prepared, place)


def test_a_controller_starts_as_in_its_pod(pod):
    with pod.running():
        pass
    left = [path.name for path in pod.state.iterdir()]
    assert left and "metrics.prom" not in left


@pytest.mark.limit(120)
def test_probes_of_a_controller(pod):
    assert not pod.is_ready() and pod.is_alive()
    with pod.running():
        until(pod.is_ready, "it is ready")
        assert pod.is_alive()
        freeze(pod.process.pid)
        pod.is_old(50)
        assert pod.is_alive()
        pod.is_old(70)
        assert not pod.is_alive()
        pod.process.send_signal(signal.SIGCONT)
        until(pod.is_alive, "it goes on", 20)
        # It can't write the file: that shows, and another start mends nothing.
        (pod.state / "metrics.new").mkdir()
        until(lambda: not pod.is_ready(), "it is not ready", 20)
        assert pod.is_alive()
        (pod.state / "metrics.new").rmdir()
        until(pod.is_ready, "it is ready again", 20)
    assert not pod.is_ready() and pod.is_alive()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def test_metrics_of_a_controller(pod, exporter):
    """By the container beside it, with its user and its arguments."""
    program = shutil.copy(exporter, pod.place / "exporter")
    port = free_port()

    def scrape():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics",
                                        timeout=20 * FACTOR) as answer:
                return answer.read().decode()
        except OSError:
            return ""
    sidecar = pod.as_user(pod.metrics)
    with pod.running(), subprocess.Popen(
            [*sidecar, program, *pod.here(pod.metrics["args"]),
             f"--web.listen-address=127.0.0.1:{port}"], cwd="/",
            stderr=subprocess.DEVNULL) as beside:
        try:
            until(lambda: "\nunified_replication_leader 1\n" in scrape(),
                  "it tells that it leads", 25)
            text = scrape()
            assert f'node_textfile_mtime_seconds{{file="{pod.file}"}}' in text
            assert "node_textfile_scrape_error 0" in text
            may = {path.name: subprocess.run(
                [*sidecar, "head", "-c1", path], check=False,
                capture_output=True).returncode == 0
                for path in pod.state.iterdir()}
            assert may["metrics.prom"] and not may["audit"], may
        finally:
            beside.terminate()


def new_node(make_node, cluster, account):
    """Of the account; its lease is where the examples give the rights to it."""
    node = make_node(start=False, user=token_of(cluster, account),
                     lead=account == CONTROLLER)
    node.config.write_text(re.sub(r"(lead: \w+)", r"\1, namespace: uvrfs",
                                  node.config.read_text()))
    return node.start()


@pytest.mark.limit(90)
@pytest.mark.parametrize("account", [CONTROLLER, NODE])
def test_no_right_to_the_store_is_one_too_many(prepared, make_node, account):
    """What is allowed is asked for, and nothing else."""
    user, mark = user_of(account), prepared.mark()
    leader = new_node(make_node, prepared, CONTROLLER).await_lead()
    node = leader if account == CONTROLLER else new_node(
        make_node, prepared, account)
    assert call(os.mkdir, node / "shop") == errno.ENOENT
    r = node.replica()
    # Each looks for itself, and the leader may have seen the copy first.
    until(lambda: r.verdict("promoting") == "allowed", "it sees the copy")
    fail_over(r)
    # By somebody else, of which it has not heard: it looks.
    rule = node.proxy.rule(faults.hang(), "GET", "replications.*watch=1")
    cut(node.proxy)
    until(lambda: rule.hits, "it hears nothing")
    prepared.kubectl("label", "uvr", r.name, "-n", r.ns, "a=b")
    assert put(r / "mode", "asynchronous") == 0
    node.proxy.clear()
    cut(node.proxy)
    until(lambda: call(os.rmdir, r.path) == 0, "the store is well", 20)

    def unused():
        return granted(STORE, account=account) - used(
            prepared.requests(mark, user=user))
    # The lease is renewed after a while, and the audit tells of a watch when it
    # is over.
    with contextlib.suppress(AssertionError):
        until(lambda: {verb for *_, verb in unused()} <= {"watch"}, "all", 10)
    node.stop()
    with contextlib.suppress(AssertionError):
        until(lambda: not unused(), "all", 10)
    assert not unused()
    assert not refused(prepared.requests(mark, user=user))
