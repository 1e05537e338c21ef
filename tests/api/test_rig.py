# SPDX-License-Identifier: Apache-2.0
"""That the rig does what the other tests believe it to do."""
import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

import proxy as faults
from conftest import free_ports
from kube import ADMIN, ATTACHMENTS, HERE, LIMITED, has_ended
from pki import SERVER_NAMES
from shell import until

NAMESPACES = "/api/v1/namespaces"
VOLUMES = "/api/v1/persistentvolumes"
MAPS = f"{NAMESPACES}/default/configmaps"
NEW = itertools.count(1)

pytestmark = pytest.mark.limit(120)


@pytest.fixture
def restarted(cluster):
    """For tests that start the API server in another way."""
    yield cluster
    cluster.restart_api()


@pytest.fixture
def through(proxy):
    client = proxy.client(seconds=10)
    yield client
    client.close()


def config_map(cluster, **data):
    name = f"map-{next(NEW)}"
    cluster.create(MAPS, {"metadata": {"name": name}, "data": data})
    return f"{MAPS}/{name}"


def version(cluster):
    return cluster.request("GET", MAPS)[1]["metadata"]["resourceVersion"]


def goes(client, path="/version"):
    """The status, or the kind of what went wrong."""
    try:
        return client.request("GET", path)[0]
    except (OSError, http.client.HTTPException) as e:
        return type(e)


def is_reset(client):
    """Whether a request ends by RST, not FIN; Python's TLS doesn't tell."""
    connection = client.connect()
    connection.request("GET", "/version", headers=client.headers)
    try:
        while socket.socket.recv(connection.sock, 4096):
            pass
        return False
    except ConnectionResetError:
        return True
    finally:
        connection.close()


# ---- the cluster ----

def test_kubectl(cluster):
    out = cluster.kubectl("get", "namespaces", "-o", "name").stdout
    assert "namespace/kube-system" in out.split()
    applied = cluster.kubectl("apply", "-f", "-", input=json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "k"},
         "data": {"a": "1"}}))
    assert "configmap/k" in applied.stdout
    assert cluster.kubectl("get", "nothing", check=False).returncode != 0


def test_users(cluster):
    for user in ("admin", "inline", "token", cluster.exec_user(ADMIN)):
        path = cluster.kubeconfig(user)
        cluster.kubectl("get", "namespaces", kubeconfig=path)
    assert list(cluster.base.glob("exec-*.runs"))
    done = cluster.kubectl("get", "namespaces", user="limited", check=False)
    assert "Forbidden" in done.stderr


def test_a_cluster_as_kubeconfigs_say_it(cluster):
    def get(**overrides):
        return cluster.kubectl("get", "ns", check=False, kubeconfig=(
            cluster.kubeconfig("token", **overrides)))
    assert get(ca="inline").returncode == 0
    assert get(ca=None, insecure=True).returncode == 0
    assert get(tls_server_name="localhost").returncode == 0
    assert "unknown authority" in get(ca=cluster.other_ca.crt).stderr
    assert "unknown authority" in get(ca=None).stderr
    assert "is valid for" in get(tls_server_name="elsewhere").stderr
    assert "refused" in get(proxy_url="http://127.0.0.1:1").stderr
    assert get(namespace="kube-system").returncode == 0


def test_certificates_of_clients(cluster):
    def status(cert):
        client = cluster.client(cert=cert)
        try:
            return client.request("GET", NAMESPACES)[0]
        finally:
            client.close()
    assert status(cluster.make_cert("one", "system:masters")) == 200
    assert status(cluster.make_cert("one", "testers")) == 403
    assert status(cluster.make_cert("one", "system:masters", days=-1)) == 401
    assert status(cluster.make_cert("one", "system:masters", since=1)) == 401
    assert status(cluster.make_cert("one", "system:masters",
                                    ca=cluster.other_ca)) == 401


def test_certificate_of_the_server(restarted):
    good = restarted.server_cert
    for bad, why in ((restarted.make_server_cert(days=-1), "expired"),
                     (restarted.make_server_cert(ca=restarted.other_ca),
                      "unknown authority"),
                     (restarted.make_server_cert(names=["DNS:elsewhere"]),
                      "SANs")):
        restarted.server_cert = bad
        try:
            restarted.restart_api()
            assert goes(restarted.client(ADMIN)) == ssl.SSLCertVerificationError
            done = restarted.kubectl("get", "ns", check=False)
            assert why in done.stderr
        finally:
            restarted.server_cert = good


def test_tokens_come_and_go(restarted):
    client = restarted.client("new-token")
    assert client.request("GET", NAMESPACES)[0] == 401
    restarted.add_token("new-token", "newcomer", "system:masters")
    restarted.restart_api()
    assert client.request("GET", NAMESPACES)[0] == 200
    restarted.revoke_token("new-token")
    restarted.restart_api()
    assert client.request("GET", NAMESPACES)[0] == 401


def test_grants(cluster):
    client = cluster.client(LIMITED)
    rules = [{"apiGroups": [""], "resources": ["configmaps"],
              "verbs": ["list", "watch"]}]
    cluster.grant("limited", rules)
    assert client.request("GET", MAPS)[0] == 200
    assert client.request("POST", MAPS, {"metadata": {"name": "x"}})[0] == 403
    cluster.revoke("limited")
    assert client.request("GET", MAPS)[0] == 403
    cluster.grant("limited", rules, "default")
    assert client.request("GET", MAPS)[0] == 200
    assert client.request("GET", "/api/v1/configmaps")[0] == 403
    cluster.revoke("limited", "default")
    assert client.request("GET", MAPS)[0] == 403


def test_restart(cluster):
    path = config_map(cluster, a="1")
    etcd, before = cluster.pid("etcd"), cluster.pid("apiserver")
    cluster.stop_api()
    assert goes(cluster.admin) == ConnectionRefusedError
    cluster.start_api()
    assert cluster.pid("apiserver") != before
    assert cluster.pid("etcd") == etcd
    assert cluster.request("GET", path)[1]["data"] == {"a": "1"}


def test_flags(restarted):
    restarted.grant("limited", [
        {"apiGroups": [""], "resources": ["*"], "verbs": ["*"]}])
    restarted.restart_api("--max-requests-inflight=1",
                          "--max-mutating-requests-inflight=1",
                          "--feature-gates=APIPriorityAndFairness=false")
    for i in range(200):
        config_map(restarted, a="x" * 20000)
    found, end = set(), threading.Event()

    def lists():
        client = restarted.client(LIMITED)
        while not end.is_set():
            found.add(client.request("GET", MAPS)[0])
        client.close()
    threads = [threading.Thread(target=lists) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: {200, 429} <= found, "some that are too many", 30)
    finally:
        end.set()
        for thread in threads:
            thread.join()
        restarted.revoke("limited")
        assert restarted.request("DELETE", MAPS)[0] == 200


def test_freeze(cluster):
    cluster.freeze()
    try:
        assert goes(cluster.client(ADMIN, seconds=0.3)) == TimeoutError
    finally:
        cluster.thaw()
    assert goes(cluster.client(ADMIN)) == 200


def test_compact(cluster):
    config_map(cluster)
    old = version(cluster)
    assert cluster.request("GET", f"{MAPS}?resourceVersion={old}&limit=1"
                           "&resourceVersionMatch=Exact")[0] == 200
    cluster.compact()
    assert cluster.request("GET", f"{MAPS}?resourceVersion={old}&limit=1"
                           "&resourceVersionMatch=Exact")[0] == 410

    def event():
        answer = cluster.request(
            "GET", f"{MAPS}?watch=1&timeoutSeconds=5&resourceVersion={old}")
        return answer[0] != 429 and answer
    status, said = until(event, "a watch cache")
    assert (status, said["type"], said["object"]["code"]) == (200, "ERROR", 410)


def test_watch(cluster):
    events = cluster.admin.watch(
        f"{MAPS}?watch=1&resourceVersion={version(cluster)}", seconds=10)
    path = config_map(cluster)
    assert next(events)["type"] == "ADDED"
    assert cluster.request("PATCH", path, {"data": {"b": "2"}})[0] == 200
    assert next(events)["object"]["data"] == {"b": "2"}
    events.close()


def test_audit_counts_each_once(cluster):
    mark = cluster.mark()
    client = cluster.client(ADMIN, agent="counted/1")
    for _ in range(3):
        client.request("GET", MAPS)
    client.request("GET", f"{MAPS}/missing")
    client.close()
    events = client.watch(f"{MAPS}?watch=1&timeoutSeconds=1")
    list(events)                # to its end, that both stages are there

    def found():
        one = cluster.requests(mark, user="admin", agent="counted/")
        return [(r["verb"], r["code"]) for r in one]
    wanted = [("list", 200)] * 3 + [("get", 404), ("watch", 200)]
    until(lambda: len(found()) >= len(wanted), "the audit")
    until(lambda: '"ResponseComplete"' in [
        line for line in cluster.audit.read_text().splitlines()
        if "watch=1" in line and "counted/1" in line][-1], "the watch's end")
    # The watch's connection is another one: neither waits for the other.
    assert sorted(found()) == sorted(wanted)
    assert cluster.requests(mark, user="limited", agent="counted/") == []


@pytest.fixture
def tidy(cluster):
    """What belongs to no namespace is in nobody's way afterwards."""
    yield
    cluster.remove(f"{ATTACHMENTS}/pv-1-node-1")
    for name in ("pv-1", "pv-2"):
        cluster.remove(f"{VOLUMES}/{name}")


def test_claims(cluster, tidy):
    cluster.make_pvc("apps", "data", pv="pv-1", node="node-1")
    cluster.make_pvc("apps", "more", phase="Pending")
    cluster.make_pvc("apps", "gone", phase="Lost", pv="pv-2")
    out = cluster.kubectl("get", "pvc", "-n", "apps", "--no-headers").stdout
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["data", "Bound"], ["gone", "Lost"], ["more", "Pending"]]
    volume = cluster.request("GET", f"{VOLUMES}/pv-1")[1]
    assert volume["status"]["phase"] == "Bound"
    assert volume["spec"]["claimRef"]["name"] == "data"
    attachment = cluster.request("GET", f"{ATTACHMENTS}/pv-1-node-1")[1]
    assert attachment["status"]["attached"] is True
    claim = f"{NAMESPACES}/apps/persistentvolumeclaims/data"
    cluster.remove(claim)
    assert cluster.request("GET", claim)[0] == 404


def test_custom_resources(cluster):
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    cluster.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
        "metadata": {"name": "things.rig.example"},
        "spec": {"group": "rig.example", "scope": "Namespaced",
                 "names": {"plural": "things", "kind": "Thing"},
                 "versions": [{"name": "v1", "served": True, "storage": True,
                               "subresources": {"status": {}},
                               "schema": {"openAPIV3Schema": schema}}]}})
    path = "/apis/rig.example/v1/namespaces/default/things"
    until(lambda: cluster.request("GET", path)[0] == 200, "things")
    cluster.create(path, {"apiVersion": "rig.example/v1", "kind": "Thing",
                          "metadata": {"name": "one"}, "spec": {"a": 1}})
    assert cluster.set_status(f"{path}/one", {"b": 2})["status"] == {"b": 2}
    assert "one" in cluster.kubectl("get", "things").stdout


def test_a_second_cluster(cluster, make_cluster):
    other = make_cluster()
    path = config_map(other)
    assert other.request("GET", path)[0] == 200
    assert cluster.request("GET", path)[0] == 404
    pids = [other.pid("etcd"), other.pid("apiserver")]
    other.stop()
    assert all(has_ended(pid) for pid in pids)
    assert not other.base.exists()


PARENT = """
import sys
sys.path.insert(0, {here!r})
from kube import Cluster
one = Cluster({base!r}, {port})
for sub in ("log", "pid"):
    (one.base / sub).mkdir(parents=True)
one._start_etcd()
print(one.pid("etcd"), flush=True)
sys.stdin.read()
"""


# $7 is who has started it: our own PPID may be another's already.
LATE = """#!/bin/sh
while grep -q "^PPid:.$7$" /proc/$$/status; do sleep 0.01; done
exec {setpriv} "$@"
"""


@pytest.mark.parametrize("dies", ["late", "early"])
def test_nothing_outlives_its_process(cluster, tmp_path, monkeypatch, dies):
    if dies == "early":             # before it asks to be told
        late = tmp_path / "setpriv"
        late.write_text(LATE.format(setpriv=shutil.which("setpriv")))
        late.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    # Its ports may be taken between the look and the use.
    for number in (3, 4, 5):
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT.format(
                here=str(HERE), base=str(tmp_path / f"base{number}"),
                port=free_ports(number))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        pid = int(parent.stdout.readline())
        if pid:
            break
        parent.kill()
        parent.communicate()
    assert os.path.exists(f"/proc/{pid}")
    parent.kill()
    parent.communicate()
    until(lambda: not os.path.exists(f"/proc/{pid}"), "the end of etcd")


# ---- the proxy ----

def test_kubectl_through_it(cluster, proxy):
    for user in ("admin", "token"):     # a certificate does not get through
        out = cluster.kubectl("get", "namespaces", "-o", "name",
                              kubeconfig=proxy.kubeconfig(user)).stdout
        assert "namespace/kube-system" in out.split()
    assert proxy.seen("GET", r"^/api/v1/namespaces", "kubectl")
    done = cluster.kubectl("get", "namespaces", check=False,
                           kubeconfig=proxy.kubeconfig("limited"))
    assert "Forbidden" in done.stderr


def test_an_answer_is_the_servers(cluster, through):
    path = config_map(cluster, a="x" * 100000)
    assert through.request("GET", path) == cluster.request("GET", path)
    assert through.request("GET", f"{MAPS}/missing")[0] == 404
    status, made = through.request("PATCH", path, {"data": {"a": "y" * 90000}})
    assert status == 200 and made["data"] == {"a": "y" * 90000}
    assert through.request("DELETE", path)[0] == 200
    assert through.request("HEAD", MAPS) == cluster.request("HEAD", MAPS)
    assert goes(through) == 200


def test_one_connection_is_kept(proxy, through):
    for _ in range(5):
        assert goes(through) == 200
    assert len(proxy.connections()) == 1
    seen = proxy.seen("GET", "^/version$", agent="uvrfs-rig")
    assert len(seen) == 5 and len(proxy.seen()) == 5
    assert seen[0].headers["host"] and seen[0].time <= time.monotonic()


def test_a_watch_comes_as_it_happens(cluster, proxy, through):
    events = through.watch(f"{MAPS}?watch=1&resourceVersion={version(cluster)}")
    for _ in range(3):
        name = config_map(cluster).rpartition("/")[2]
        assert next(events)["object"]["metadata"]["name"] == name
    events.close()
    until(lambda: not proxy.connections(), "the end of both connections")


def test_without_a_token(cluster, make_proxy):
    proxy = make_proxy(token=None)
    assert proxy.client(None).request("GET", MAPS)[0] == 403
    assert proxy.client(ADMIN).request("GET", MAPS)[0] == 200


def test_certificate_of_the_proxy(cluster, proxy):
    proxy.serve_cert(cluster.make_server_cert(days=-1))
    assert goes(proxy.client()) == ssl.SSLCertVerificationError
    until(lambda: proxy.refusals, "what the proxy has heard of it")
    proxy.serve_cert(cluster.make_server_cert(names=SERVER_NAMES))
    assert goes(proxy.client()) == 200


def test_status(proxy, through):
    proxy.rule(faults.status(429, retry_after=7), "GET", "/version", count=2)
    proxy.rule(faults.status(503, "<html>sorry</html>"), "GET", "/version",
               count=1)
    answer = through.send("GET", "/version")
    said = json.loads(answer.read())
    assert (answer.status, said["code"]) == (429, 429)
    assert answer.headers["Retry-After"] == "7"
    assert goes(through, MAPS) == 200           # the path is another one
    assert goes(through) == 429
    answer = through.send("GET", "/version")
    assert answer.headers["Content-Type"] == "text/html"
    assert (answer.status, answer.read()) == (503, b"<html>sorry</html>")
    assert goes(through) == 200
    rule = proxy.rule(faults.status(401), agent="uvrfs-rig")
    proxy.rule(faults.status(403), agent="somebody else")
    assert [goes(through), goes(through)] == [401, 401]
    assert rule.hits == 2
    proxy.clear()
    assert goes(through) == 200


def test_delay(proxy, through):
    proxy.rule(faults.delay(0.5), count=1)
    start = time.monotonic()
    assert goes(through) == 200
    assert time.monotonic() - start >= 0.5
    proxy.rule(faults.delay(0.1, faults.status(403)), count=1)
    assert goes(through) == 403


def test_hang(proxy, through):
    assert goes(through) == 200
    through.kept.sock.settimeout(0.3)
    rule = proxy.rule(faults.hang(), count=1)
    assert goes(through) == TimeoutError
    until(lambda: rule.hits == 1, "what hangs has come")
    assert goes(through) == 200


def test_reset_and_close(proxy, through):
    for action, resets in ((faults.reset, True), (faults.close, False),
                           (faults.drop_response, True)):
        proxy.rule(action(), count=2)
        assert is_reset(through) == resets
        assert goes(through) == http.client.RemoteDisconnected
        assert goes(through) == 200


def test_drop_response(cluster, proxy, through):
    path = config_map(cluster, a="1")
    proxy.rule(faults.drop_response(), "PATCH", count=1)
    with pytest.raises(ConnectionResetError):
        through.request("PATCH", path, {"data": {"a": "2"}})
    assert cluster.request("GET", path)[1]["data"] == {"a": "2"}
    assert len(proxy.seen("PATCH")) == 1
    proxy.rule(faults.reset(), "PATCH", count=1)
    with pytest.raises(ConnectionResetError):
        through.request("PATCH", path, {"data": {"a": "3"}})
    assert cluster.request("GET", path)[1]["data"] == {"a": "2"}


def test_cut_after(cluster, proxy, through):
    proxy.rule(faults.cut_after(10), "GET", "watch=1", count=1)
    answer = through.send("GET", f"{MAPS}?watch=1&resourceVersion=0")
    config_map(cluster)
    with pytest.raises(http.client.IncompleteRead) as e:
        answer.read()
    assert len(e.value.partial) == 10
    through.close()
    proxy.rule(faults.cut_after(5, reset=True), count=1)
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        through.request("GET", "/version")
    proxy.rule(faults.cut_after(0), count=1)
    with pytest.raises(http.client.IncompleteRead):
        through.request("GET", "/version")
    assert goes(through) == 200


def test_truncate(proxy, through):
    proxy.rule(faults.truncate(), count=1)
    with pytest.raises(http.client.IncompleteRead) as e:
        through.request("GET", "/version")
    assert e.value.partial and e.value.expected
    proxy.rule(faults.truncate(keep=3), count=1)
    with pytest.raises(http.client.IncompleteRead) as e:
        through.request("GET", "/version")
    assert len(e.value.partial) == 3


def test_wrong_bodies(proxy, through):
    proxy.rule(faults.garbage(), count=1)
    answer = through.send("GET", MAPS)
    body = answer.read()
    assert answer.status == 200
    with pytest.raises(ValueError):
        json.loads(body)
    proxy.rule(faults.wrong_json(), count=1)
    assert through.request("GET", MAPS)[1]["kind"] == "Pod"
    proxy.rule(faults.wrong_json({"kind": "Nothing"}), count=1)
    assert through.request("GET", MAPS) == (200, {"kind": "Nothing"})


def test_huge(proxy, through):
    rule = proxy.rule(faults.huge(), count=1)
    answer = through.send("GET", MAPS)
    assert len(answer.read(5 << 20)) == 5 << 20
    through.close()
    until(lambda: not proxy.connections(), "the end of it")
    assert rule.sent >= 5 << 20
    assert goes(through) == 200


def test_slow_drip(proxy, through):
    size = len(through.send("GET", "/healthz").read())
    proxy.rule(faults.slow_drip(0.1), count=1)
    start = time.monotonic()
    answer = through.send("GET", "/healthz")
    assert answer.read() == b"ok"
    assert time.monotonic() - start >= 0.1 * size


def test_gone_event(proxy, through):
    proxy.rule(faults.gone_event(), "GET", "watch=1", count=1)
    events = list(through.watch(f"{MAPS}?watch=1"))
    assert [e["type"] for e in events] == ["ERROR"]
    assert events[0]["object"]["code"] == 410


def test_kept_connections_are_closed(proxy, through):
    assert goes(through) == 200
    sock = through.kept.sock
    until(lambda: proxy.close_idle() == 1, "one that is kept")
    assert sock.recv(1) == b""
    until(lambda: not proxy.connections(), "its end")
    proxy.rule(faults.close_idle(), count=1)
    assert goes(through) == 200
    assert through.kept.sock.recv(1) == b""
    until(lambda: not proxy.connections(), "its end")
    assert goes(through) == 200


def test_pause(cluster, proxy):
    client, late = proxy.client(), proxy.client(seconds=0.3)
    events = proxy.client().watch(
        f"{MAPS}?watch=1&resourceVersion={version(cluster)}", seconds=10)
    path = config_map(cluster)
    next(events)
    assert goes(client) == 200
    client.kept.sock.settimeout(0.3)
    proxy.pause()
    cluster.request("PATCH", path, {"data": {"a": "1"}})
    assert goes(client) == TimeoutError
    assert goes(late) == TimeoutError           # connected, not greeted
    proxy.resume()
    assert next(events)["object"]["data"] == {"a": "1"}
    assert goes(client) == 200
    events.close()


def test_down_and_up(proxy, through):
    assert goes(through) == 200
    sock, port = through.kept.sock, proxy.port
    proxy.down()
    assert sock.recv(1) == b""
    with socket.socket() as other, pytest.raises(OSError):
        other.bind(("127.0.0.1", port))
    assert goes(through) == ConnectionRefusedError
    proxy.up()
    assert proxy.port == port and goes(through) == 200
    proxy.pause()
    proxy.down()                # which a pause does not hold up
    proxy.up()
    proxy.resume()
    assert goes(through) == 200


def test_a_server_that_is_away(cluster, proxy, through):
    assert goes(through) == 200
    cluster.stop_api(signal.SIGTERM)
    assert goes(through) == http.client.RemoteDisconnected
    cluster.start_api()
    assert goes(through) == 200
