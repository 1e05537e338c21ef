# SPDX-License-Identifier: Apache-2.0
"""Who a daemon is to the API server, whom it believes to be one, and what it may."""
import errno
import pathlib
import subprocess

import pytest

from daemons import (NS, configure, fail_over, make_node, once,
                     store)  # noqa: F401
from shell import FACTOR, get, never, until
from uvr import BINARY, WRAPPER

pytestmark = pytest.mark.limit(150)

UVR = {"apiGroups": ["replication.unified.io"],
       "resources": ["unifiedvolumereplications"]}
STATUS = {"apiGroups": ["replication.unified.io"],
          "resources": ["unifiedvolumereplications/status"],
          "verbs": ["patch"]}
LEASES = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
          "verbs": ["get", "create", "patch"]}
ALL = {**UVR, "verbs": ["list", "watch", "get", "create", "patch", "delete"]}
READ = {**UVR, "verbs": ["list", "watch", "get"]}


def install(kubeconfig, tmp_path):
    """A call that needs nothing else: what came of it."""
    at = configure(tmp_path / "uvrfs.yaml", kubeconfig)
    return subprocess.run([*WRAPPER, BINARY, "-c", at, "install-crd"],
                          check=False, capture_output=True, text=True,
                          timeout=60 * FACTOR)


def works(node):
    r = node.replica()
    fail_over(r)
    once(r)
    return r


@pytest.mark.parametrize("user", ["admin", "inline", "token"])
def test_kinds_of_credentials(make_node, user):
    works(make_node(user=user, direct=True).await_lead())


def test_a_token_that_is_rotated(make_node, store, tmp_path):
    at = tmp_path / "token"
    store.add_token("first-secret", "robot", "system:masters")
    store.add_token("second-secret", "robot", "system:masters")
    store.restart_api()
    at.write_text("first-secret\n")
    node = make_node(user={"tokenFile": str(at)}, direct=True).await_lead()
    r = node.replica()
    at.write_text("second-secret\n")
    store.revoke_token("first-secret")
    store.restart_api()
    r.await_cond("Ready", "True", seconds=30)
    node.await_lead(20)
    fail_over(r)
    once(r)
    # Neither is found in any file of the tree, the log or the audit.
    text = node.stderr()
    for top in (node.mnt / ".uvrfs", r.path, node.state):
        for path in top.rglob("*"):
            if path.is_file() and path.name not in ("events", "wait"):
                text += path.read_text(errors="replace")
    assert "audit" in text or text
    assert "-secret" not in text


def test_a_program_that_knows_the_token(make_node, store):
    store.add_token("third-secret", "robot", "system:masters")
    store.restart_api()
    user = store.exec_user("third-secret")
    runs = pathlib.Path(user["exec"]["command"] + ".runs")
    node = make_node(user=user, direct=True).await_lead()
    works(node)
    assert len(runs.read_text().splitlines()) == 1
    # Refused: it is asked again, and not in a storm.
    store.revoke_token("third-secret")
    store.restart_api()
    r = node.uvr(NS, node.names()[0])
    r.await_cond("Ready", "Unknown", "StoreUnreachable", seconds=20)
    never(lambda: r.state != "source", "another state", 3)
    assert len(runs.read_text().splitlines()) < 30
    store.add_token("third-secret", "robot", "system:masters")
    store.restart_api()
    r.await_cond("Ready", "True", seconds=30)


@pytest.mark.parametrize("user, said", [
    ("expired", "127.0.0.1"), ("not yet", "127.0.0.1"),
    ("stranger", "127.0.0.1")])
def test_certificates_that_are_not_good(store, tmp_path, user, said):
    cert = {"expired": lambda: store.make_cert("a", "system:masters", -1, -9),
            "not yet": lambda: store.make_cert("a", "system:masters", 30, 2),
            "stranger": lambda: store.make_cert("a", "system:masters",
                                                ca=store.other_ca)}[user]()
    done = install(store.kubeconfig(cert.files()), tmp_path)
    assert done.returncode == 1 and said in done.stderr, done


def test_servers_that_are_not_good(store, tmp_path, make_proxy):
    wrong = install(store.kubeconfig("token", ca=store.other_ca.crt), tmp_path)
    assert wrong.returncode == 1 and "certificate" in wrong.stderr, wrong
    none = install(store.kubeconfig("token", ca=None), tmp_path)
    assert none.returncode == 1 and "certificate" in none.stderr, none
    old = make_proxy(cert=store.make_server_cert(-1))
    expired = install(old.kubeconfig("token"), tmp_path)
    assert expired.returncode == 1 and "expired" in expired.stderr, expired
    assert not old.seen()
    other = make_proxy(cert=store.make_server_cert(names=["DNS:api.example"]))
    name = install(other.kubeconfig("token"), tmp_path)
    assert name.returncode == 1 and not other.seen(), name
    told = install(other.kubeconfig("token", tls_server_name="api.example"),
                   tmp_path)
    assert told.returncode == 0, told
    assert other.seen()[-1].headers["host"] == f"127.0.0.1:{other.port}"


def test_an_unverified_server_is_told_of(make_node, store):
    node = make_node(direct=True, cluster_as={
        "ca": None, "insecure": True}).await_lead()
    assert "NOT verified" in get(node.mnt / ".uvrfs/log")
    works(node)


def test_rights_that_are_taken_away(make_node, limited):
    limited([ALL, STATUS, LEASES])
    node = make_node(user="limited").await_lead()
    r = node.replica()
    limited([READ, LEASES])
    code = r.ask("promoting")
    assert code in (errno.EACCES, errno.EHOSTUNREACH), code
    assert "answered 403" in r.error and r.state == "replica"
    limited([ALL, STATUS])
    r.await_cond("Ready", "Unknown", "StoreUnreachable", seconds=20)
    until(lambda: not node.leads(), "it leads no longer", 15)
    limited([ALL, STATUS, LEASES])
    r.await_cond("Ready", "True", seconds=30)
    node.await_lead(15)
    fail_over(r)
    once(r)
