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

import proxy as faults
from daemons import cut, fail_over, install_crd
from pages import blocks_of
from rights import (AT_PEER, BACKENDS, CONTROLLER, NODE, PODS, STORE, bind,
                    granted, objects, refused, token_of, used, user_of)
from uvr import BINARY, FACTOR, ROOT, WRAPPER, call, put, sh, until

LEASE = "/apis/coordination.k8s.io/v1/namespaces/uvrfs/leases/uvrfs"


def one(kind):
    found, = [o for o in objects(PODS) if o["kind"] == kind]
    return found


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


def make_tokens(peer):
    """As the controller of such Secrets does, which does not run here."""
    for account in PEERS.values():
        path = f"/api/v1/namespaces/uvrfs/secrets/{account}"
        until(lambda path=path: peer.request("GET", path)[0] == 200,
              "the Secret is made", 30)
        data = {**token_of(peer, account), "ca.crt": peer.ca.crt.read_text()}
        code, answer = peer.request("PATCH", path, {"data": {
            key: base64.b64encode(text.encode()).decode()
            for key, text in data.items()}})
        assert code == 200, answer


def test_what_comes_before_them(cluster, other_cluster, tmp_path):
    """As typed: the peer's kubeconfigs have the rights and no others."""
    block, = blocks_of("docs/store-kubernetes.md", "bash")
    for name, one_of in (("here", cluster), ("peer", other_cluster)):
        (tmp_path / name).write_text(one_of.kubeconfig("token").read_text())
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    (tmp_path / "kept").mkdir()
    (tmp_path / "uvrfs").symlink_to(BINARY)
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            filled = pool.submit(make_tokens, other_cluster)
            done = sh(f"set -e\nPATH={tmp_path}:$PATH\n" + block.replace(
                "rm kubeconfig",
                'cp kubeconfig "kept/uvrfs-peer$may"; rm kubeconfig'),
                cwd=tmp_path, seconds=60)
            filled.result()
        assert done.rc == 0, done
        assert not (tmp_path / "kubeconfig").exists()
        for name, account in PEERS.items():
            kubeconfig = tmp_path / "kept" / name
            may = other_cluster.kubectl("auth", "can-i", "--list",
                                        kubeconfig=kubeconfig).stdout
            assert re.search("^persistentvolumes .*list", may, re.M), may
            assert bool(re.search("^volumereplications[.].* patch", may, re.M)
                        ) == (account == AT_PEER[CONTROLLER]), may
            assert "secrets" not in may
            secret = cluster.request(
                "GET", f"/api/v1/namespaces/uvrfs/secrets/{name}")[1]
            assert base64.b64decode(secret["data"]["kubeconfig"]).decode() == \
                kubeconfig.read_text()
    finally:
        for one_of in cluster, other_cluster:
            one_of.kubectl("delete", "-n", "uvrfs", "--ignore-not-found",
                           "secret", *PEERS, *PEERS.values())


def pods():
    return [one(kind)["spec"]["template"]["spec"]
            for kind in ("Deployment", "DaemonSet")]


def test_what_they_name_is_there():
    names = {(o["kind"], o["metadata"]["name"])
             for o in objects(STORE, BACKENDS)}
    config = one("ConfigMap")
    for pod in pods():
        assert ("ServiceAccount", pod["serviceAccountName"]) in names
        container, = pod["containers"]
        volumes = {v["name"]: v for v in pod["volumes"]}
        assert PEERS[volumes["peer"]["secret"]["secretName"]] == \
            AT_PEER[pod["serviceAccountName"]]
        for mount in container["volumeMounts"]:
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
