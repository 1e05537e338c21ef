# SPDX-License-Identifier: Apache-2.0
"""docs/store-kubernetes.md, typed."""
import os
import re
import subprocess

import pytest

from pages import blocks_of
from shell import FACTOR, until
from uvr import BINARY, ROOT, Daemon

CONFIG = """site: dr-cluster
store: {{kubernetes: {{cluster: dr-cluster, leaseDuration: 6s}}}}
clusters: {{dr-cluster: {{kubeconfig: {kubeconfig}}}}}
backends: {{lab: {{type: sim}}}}
select: [{{storageClass: "*", backend: lab}}]
"""


@pytest.fixture
def daemon(make_cluster):
    cluster = make_cluster()
    one = Daemon(config=CONFIG.format(kubeconfig=cluster.kubeconfig("admin")))
    subprocess.run([BINARY, "-c", str(one.config), "install-crd"], check=True,
                   timeout=60 * FACTOR)
    yield one.start(), cluster
    one.destroy()


@pytest.mark.limit(120)
def test_the_document(daemon):
    one, cluster = daemon
    blocks = blocks_of("docs/store-kubernetes.md", "sh")
    assert len(blocks) > 2
    done = subprocess.run(
        ["bash", "-eux"], input="\n".join(blocks), text=True, check=False,
        capture_output=True, timeout=110 * FACTOR,
        env=dict(os.environ, UVR_ROOT=str(one.mnt),
                 KUBECONFIG=str(cluster.kubeconfig("admin"))))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\nsource\n") == 3
    assert re.search(r"^billing +source .* replica +InvalidStateTransition",
                     done.stdout, re.M)


@pytest.mark.limit(120)
def test_the_rights_are_enough(daemon):
    """A daemon with the ClusterRole of the example, and nothing more."""
    _, cluster = daemon
    cluster.kubectl("apply", "-f", str(ROOT / "docs/examples/uvrfs-rbac.yaml"))
    for role in ("clusterrolebinding uvrfs --clusterrole=uvrfs",
                 "rolebinding uvrfs-lease --role=uvrfs-lease -n uvrfs"):
        kind, name, *rest = role.split()
        cluster.kubectl("delete", kind, name, *[
            word for word in rest if not word.startswith("--")])
        cluster.kubectl("create", kind, name, "--user=limited", *rest)
    other = Daemon(config=CONFIG.format(
        kubeconfig=cluster.kubeconfig("limited")).replace(
            "leaseDuration: 6s", "leaseDuration: 6s, namespace: uvrfs"))
    try:
        other.start()
        cluster.kubectl("create", "namespace", "rights")
        sample = (ROOT / "mount/samples/production-db.yaml").read_text()
        (other.mnt / "rights/production-db").mkdir(parents=True)
        spec = other.mnt / "rights/production-db/spec.yaml"
        spec.write_text(sample.replace("namespace: database",
                                       "namespace: rights"))
        subprocess.run(["timeout", "60", "sync", str(spec)], check=True)
        until(lambda: "phase: absent" in (spec.parent / "volumes").read_text(),
              "the claims are listed")
        subprocess.run(["timeout", "20", "rmdir", str(spec.parent)],
                       check=True)
        assert "answered 403" not in (other.mnt / ".uvrfs/log").read_text()
    finally:
        other.destroy()
