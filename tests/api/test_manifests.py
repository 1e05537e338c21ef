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
import subprocess
import tempfile

import pytest
import yaml

import proxy as faults
from daemons import cut, fail_over, install_crd
from pages import blocks_of
from rights import BACKENDS, granted, used
from uvr import BINARY, FACTOR, ROOT, WRAPPER, call, put, sh, until

EXAMPLES = ROOT / "docs/examples"
MANIFESTS = EXAMPLES / "kubernetes/uvrfs.yaml"
RIGHTS = [EXAMPLES / "uvrfs-rbac.yaml", BACKENDS]
LEASE = "/apis/coordination.k8s.io/v1/namespaces/uvrfs/leases/uvrfs"


def objects():
    return [o for o in yaml.safe_load_all(MANIFESTS.read_text()) if o]


def one(kind):
    found, = [o for o in objects() if o["kind"] == kind]
    return found


@pytest.fixture(scope="module")
def prepared(cluster):
    install_crd(cluster)
    for path in RIGHTS:
        cluster.kubectl("apply", "-f", path)
    return cluster


def test_the_server_takes_them(prepared):
    done = prepared.kubectl("apply", "--dry-run=server", "-f", MANIFESTS)
    assert not re.search("warning|unknown", done.stderr, re.I), done.stderr
    assert done.stdout.count("(server dry run)") == len(objects())


def make_token(peer):
    """As the controller of such Secrets does, which does not run here."""
    path = "/api/v1/namespaces/uvrfs/secrets/uvrfs-backends"
    until(lambda: peer.request("GET", path)[0] == 200, "the Secret is made")
    token = peer.kubectl("create", "token", "uvrfs-backends", "-n", "uvrfs")
    data = {"token": token.stdout.strip(), "ca.crt": peer.ca.crt.read_text()}
    code, answer = peer.request("PATCH", path, {"data": {
        key: base64.b64encode(text.encode()).decode()
        for key, text in data.items()}})
    assert code == 200, answer


def test_what_comes_before_them(cluster, other_cluster, tmp_path):
    """As typed: the peer's kubeconfig has the rights and no others."""
    block, = blocks_of("docs/store-kubernetes.md", "bash")
    for name, one_of in (("here", cluster), ("peer", other_cluster)):
        (tmp_path / name).write_text(one_of.kubeconfig("token").read_text())
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    (tmp_path / "kept").mkdir()
    (tmp_path / "uvrfs").symlink_to(BINARY)
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            filled = pool.submit(make_token, other_cluster)
            done = sh(f"set -e\nPATH={tmp_path}:$PATH\n" + block.replace(
                "rm kubeconfig", "cp kubeconfig kept; rm kubeconfig"),
                cwd=tmp_path, seconds=60)
            filled.result()
        assert done.rc == 0, done
        assert not (tmp_path / "kubeconfig").exists()
        kubeconfig = tmp_path / "kept/kubeconfig"
        for verb, what, answer in (("list", "persistentvolumes", "yes"),
                                   ("get", "secrets", "no")):
            said = other_cluster.kubectl("auth", "can-i", verb, what, "-A",
                                         kubeconfig=kubeconfig, check=False)
            assert said.stdout == answer + "\n", said
        secret = cluster.request(
            "GET", "/api/v1/namespaces/uvrfs/secrets/uvrfs-peer")[1]
        assert base64.b64decode(secret["data"]["kubeconfig"]).decode() == \
            kubeconfig.read_text()
    finally:
        for one_of in cluster, other_cluster:
            one_of.kubectl("delete", "-n", "uvrfs", "--ignore-not-found",
                           "secret", "uvrfs-peer", "uvrfs-backends")


def pods():
    return [one(kind)["spec"]["template"]["spec"]
            for kind in ("Deployment", "DaemonSet")]


def test_what_they_name_is_there():
    names = {(o["kind"], o["metadata"]["name"])
             for path in RIGHTS for o in yaml.safe_load_all(path.read_text())}
    config = one("ConfigMap")
    for pod in pods():
        assert ("ServiceAccount", pod["serviceAccountName"]) in names
        container, = pod["containers"]
        volumes = {v["name"] for v in pod["volumes"]}
        for mount in container["volumeMounts"]:
            assert mount["name"] in volumes
            if mount["name"] == "config":
                assert mount["subPath"] in config["data"]
    binding = one("ClusterRoleBinding")
    assert ("ClusterRole", binding["roleRef"]["name"]) in names
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


def test_a_controller_starts_as_in_its_pod(prepared, place):
    """With its user, its arguments, and nothing that is writable but the volume
    of its state."""
    pod = one("Deployment")["spec"]["template"]["spec"]
    user = pod["securityContext"]["runAsUser"]
    state = place / "state"
    state.mkdir()
    os.chown(state, 0, pod["securityContext"]["fsGroup"])
    state.chmod(0o2770)
    peer, config = place / "peer", place / "config"
    peer.write_text(prepared.kubectl(
        "config", "view", "--raw", "--flatten",
        kubeconfig=prepared.kubeconfig("token")).stdout)
    config.write_text(one("ConfigMap")["data"]["controller.yaml"].replace(
        "/etc/uvrfs/peer/kubeconfig", str(peer)).replace(
            "inCluster: true", f"kubeconfig: {peer}"))
    for path in peer, config:
        os.chown(path, user, user)
        path.chmod(0o400)
    args = [arg.replace("/var/lib/uvrfs", str(state))
            for arg in pod["containers"][0]["args"]]

    def holder():
        code, lease = prepared.request("GET", LEASE)
        return code == 200 and lease["spec"].get("holderIdentity", "")
    with subprocess.Popen(
            ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups",
             *WRAPPER, BINARY, "-f", "-c", config, *args], cwd="/",
            env={**os.environ, "HOME": "/"}, stderr=subprocess.PIPE,
            text=True) as process:
        try:
            until(lambda: process.poll() is not None or
                  f"_{process.pid}_" in f"{holder()}_", "it leads", 30)
        finally:
            process.terminate()
        assert process.wait(20 * FACTOR) == 0, process.stderr.read()
    assert list(state.iterdir())
    prepared.request("DELETE", LEASE)


@pytest.mark.limit(90)
def test_no_right_to_the_store_is_one_too_many(prepared, make_node):
    """By a user with just these: what is allowed is asked for."""
    prepared.kubectl("create", "clusterrolebinding", "test-limited",
                     "--clusterrole=uvrfs", "--user=limited")
    prepared.kubectl("create", "rolebinding", "test-limited", "-n", "uvrfs",
                     "--role=uvrfs-lease", "--user=limited")
    try:
        mark = prepared.mark()
        node = make_node(start=False, user="limited")
        node.config.write_text(node.config.read_text().replace(
            "lead: true", "lead: true, namespace: uvrfs"))
        node.start().await_lead()
        assert call(os.mkdir, node / "shop") == errno.ENOENT
        r = fail_over(node.replica())
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
            return granted(RIGHTS[0]) - used(
                prepared.requests(mark, user="limited"))
        # The lease is renewed after a while, and the audit tells of a watch
        # when it is over.
        with contextlib.suppress(AssertionError):
            until(lambda: {verb for *_, verb in unused()} <= {"watch"}, "all",
                  10)
        node.stop()
        with contextlib.suppress(AssertionError):
            until(lambda: not unused(), "all", 10)
        assert not unused()
    finally:
        prepared.kubectl("delete", "clusterrolebinding", "test-limited")
        prepared.kubectl("delete", "rolebinding", "test-limited", "-n",
                         "uvrfs")
