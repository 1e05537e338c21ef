# SPDX-License-Identifier: Apache-2.0
"""csi-addons that comes and goes, and a peer that can't be asked: what is
silence, and what is not."""
import errno
import json
import re
import socket
import threading

import pytest

import crds
from ceph_lab import Gate, ceph, make_ceph, until  # noqa: F401
from proxy import status
from shell import get, never
from sites import await_equal

pytestmark = pytest.mark.limit(120)


def told(daemon, name):
    return get(daemon.mnt / ".uvrfs/backends/vendor" / name)


def shown(daemon, cluster, name):
    """None while it is not known, when there is no such file."""
    path = daemon.mnt / ".uvrfs/clusters" / cluster / name
    return get(path).strip() if path.exists() else None


def reason_of(daemon, cluster):
    """The line about a cluster in the backend's reason."""
    return next(line for line in told(daemon, "reason").splitlines()
                if line.startswith(f"{cluster}: "))


# ---- csi-addons ----

def take_addons(ceph, site):
    """The controllers are removed first, as people do."""
    ceph.double.stop(site)
    crds.uninstall(ceph.clusters[site], "ceph")


def bring_addons(ceph, site):
    crds.install(ceph.clusters[site], "ceph")
    ceph.double.replication_class(site)
    ceph.double.start(site)


@pytest.mark.parametrize("site, name", [("a", "prod-cluster"),
                                           ("b", "dr-cluster")])
def test_csi_addons_is_installed_while_it_runs(ceph, site, name):
    take_addons(ceph, site)
    try:
        d = ceph.daemon()
        until(lambda: told(d, "available").strip() == "no", "not available")
        until(lambda: "not installed" in reason_of(d, name), "what is lacking")
        other = "dr-cluster" if name == "prod-cluster" else "prod-cluster"
        until(lambda: reason_of(d, other).endswith("csi-addons is installed"),
              "the other's")
    finally:
        bring_addons(ceph, site)
    until(lambda: reason_of(d, name).endswith("csi-addons is installed"),
          "that it is noticed")
    until(lambda: told(d, "available").strip() == "yes", "available")
    one = ceph.new_pair("late").make(d)
    assert one.ready.reason == "Verified"


@pytest.mark.parametrize("site, name", [("a", "prod-cluster"),
                                           ("b", "dr-cluster")])
def test_csi_addons_is_removed_while_it_runs(ceph, site, name):
    """With all its objects.  A role is not forgotten for that, and nothing is
    made anew by itself; nor is it silence, which would allow a failover."""
    pair, one = ceph.ready("removed")
    take_addons(ceph, site)
    try:
        until(lambda: told(one.daemon, "available").strip() == "no", "no more")
        until(lambda: "not installed" in reason_of(one.daemon, name), "why")
        assert one.state == "replica"
        if site == "b":
            until(lambda: one.ready.status != "True", "no proof any more")
            until(lambda: "csi-addons" in one.read("conditions"), "why")
        until(lambda: one.verdict("promoting") in ("needs force", "not now"),
              "a verdict")
        assert "unplanned" not in one.plan("promoting") or \
            one.verdict("promoting") != "allowed"
        assert one.ask("promoting") != 0 and not ceph.written()
    finally:
        bring_addons(ceph, site)
    until(lambda: told(one.daemon, "available").strip() == "yes", "again")
    never(ceph.written, "objects made by themselves")


def test_versions_of_the_clusters(ceph):
    """As the API servers say, also after an upgrade."""
    ceph.behind("a")
    proxy = ceph.proxy("b", "a")
    d = ceph.daemon()
    ceph.new_pair("version").make(d)
    real = ceph.clusters["a"].request("GET", "/version")[1]["gitVersion"]
    until(lambda: shown(d, "prod-cluster", "version") == real, "its version")
    until(lambda: shown(d, "dr-cluster", "version") == real, "its version")
    proxy.rule(status(200, json.dumps({"major": "1", "minor": "99",
                                       "gitVersion": "v1.99.7"})),
               "GET", "^/version")
    proxy.down()
    until(lambda: shown(d, "prod-cluster", "reachable") == "no", "it is away",
          20)
    proxy.up()
    until(lambda: shown(d, "prod-cluster", "version") == "v1.99.7",
          "its new version", 20)


# ---- what is no silence ----

def cut(proxy):
    """Also the watches that have been let in before."""
    for link in proxy.connections():
        link.shut()


def refused_by(action, path=""):
    def spoil(proxy):
        proxy.rule(action, path=path)
        cut(proxy)
    return spoil


def other_certificate(proxy):
    other = proxy.cluster.other_ca
    proxy.serve_cert(proxy.cluster.make_server_cert(ca=other))
    cut(proxy)


NOT_SILENT = {
    "401": refused_by(status(401)), "403": refused_by(status(403)),
    "500": refused_by(status(500)), "503": refused_by(status(503)),
    "no JSON": refused_by(status(200, "<html>log in</html>")),
    "500 of one kind": refused_by(status(500), "/volumereplications"),
    "another CA": other_certificate}


@pytest.mark.parametrize("how", NOT_SILENT)
def test_a_peer_that_answers_so_is_not_silent(ceph, how):
    """It lives, so nothing is promoted without force."""
    ceph.behind("a")
    pair, one = ceph.ready("answers")
    NOT_SILENT[how](ceph.proxy("b", "a"))
    # Of its parts the first one to fail is told of first.
    until(lambda: "peer: needs force: prod-cluster" in one.plan("promoting"),
          "a verdict", 20)
    assert one.verdict("promoting") == "needs force"
    one.await_cond("Degraded", "True")
    assert one.ready.status == "True" and one.state == "replica"
    assert one.ask("promoting") == errno.EBUSY and "force" in one.error
    assert not ceph.written() and pair.is_writable("a")
    ceph.proxy("b", "a").clear()
    ceph.proxy("b", "a").serve_cert(ceph.clusters["a"].make_server_cert())
    cut(ceph.proxy("b", "a"))
    until(lambda: one.plan("promoting").startswith(
        "allowed\nfailover: planned"), "that it is planned again", 20)


@pytest.mark.parametrize("how", ["401", "500"])
def test_a_peer_that_answers_so_may_be_forced(ceph, how):
    """Its API is broken for good, and somebody knows what they do.  What
    comes of it is shown as soon as it can be seen."""
    ceph.behind("a")
    pair, one = ceph.ready("broken")
    proxy = ceph.proxy("b", "a")
    NOT_SILENT[how](proxy)
    until(lambda: one.verdict("promoting") == "needs force" and
          "failover: unplanned" in one.plan("promoting"), "a verdict", 20)
    ceph.expect(forced=1, two_primaries=True)
    # "Not now", when it is just another part that has begun to fail.
    until(lambda: one.ask("promoting force") == 0, "it is taken", 20)
    one.done().go("source")
    assert pair.is_writable("b") and pair.data("b") == 3
    proxy.clear()
    one.await_cond("Degraded", "True", "SplitBrain", seconds=20)
    assert one.ready.reason == "SplitBrain"


GETS = ("GET", "/volumereplications/.")         # and neither lists nor watches


@pytest.fixture
def half_dead(ceph):
    """(Pair, directory, proxy): promoting is asked for, and waits."""
    ceph.behind("a")
    pair, one = ceph.ready("half-dead")
    proxy = ceph.proxy("b", "a")
    proxy.rule(status(500), *GETS)
    assert one.ask("promoting") == 0, one.error
    one.await_cond("Ready", "False", "PeerRefused", seconds=20)
    return pair, one, proxy


def test_objects_that_can_not_be_had(ceph, half_dead):
    """Though its API server answers, and watches of before go on."""
    pair, one, proxy = half_dead
    assert "promoting force" in one.ready.message
    assert not ceph.written() and pair.is_writable("a")
    ceph.expect(forced=1, two_primaries=True)
    assert one.ask("promoting force") == 0, one.error
    one.done().go("source")
    proxy.clear()
    one.await_cond("Degraded", "True", "SplitBrain", seconds=20)


def test_objects_that_can_be_had_again(half_dead):
    """No watch has anything to tell of that."""
    pair, one, proxy = half_dead
    proxy.clear()
    one.done(seconds=40).go("source")
    assert pair.data("b") == 3 and not pair.is_writable("a")


def plugin_that_hangs(cluster, tmp_path):
    command = tmp_path / "plugin"
    command.write_text("#!/bin/sh\nexec sleep 600\n")
    command.chmod(0o755)
    return cluster.kubeconfig({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command":
        str(command), "interactiveMode": "Never"}})


def no_tls(cluster, _):
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            link, _ = listener.accept()
            link.recv(4096)
            link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            link.close()
    threading.Thread(target=serve, daemon=True).start()
    return cluster.kubeconfig(
        "token", server=f"https://127.0.0.1:{listener.getsockname()[1]}")


IN_THE_WAY = {
    "a plugin that hangs": plugin_that_hangs,
    "a name that nobody knows": lambda cluster, _: cluster.kubeconfig(
        "token", server="https://nowhere.invalid:6443"),
    "a dead proxy": lambda cluster, _: cluster.kubeconfig(
        "token", proxy_url="http://127.0.0.1:1"),
    "no TLS": no_tls}


@pytest.mark.parametrize("what", IN_THE_WAY)
def test_what_is_in_the_way_of_asking(ceph, tmp_path, what):
    """It says nothing about the peer, which lives."""
    ceph.behind("a")
    pair = ceph.new_pair("way")
    d = ceph.new()
    text, there = d.config.read_text(), ceph.clusters["a"]
    d.config.write_text(re.sub("(prod-cluster: {kubeconfig: )[^}]*",
                               rf"\1{IN_THE_WAY[what](there, tmp_path)}", text))
    one = pair.make(d.start(), verified=False)
    until(lambda: "peer: needs force: prod-cluster" in one.plan("promoting"),
          "that it can be forced", 20)
    never(lambda: "peer: ok" in one.plan("promoting"), "a lost peer", 5)
    assert one.ask("promoting") == errno.EBUSY and not ceph.written()


def test_a_token_that_is_not_known(ceph):
    """From the beginning, so that the peer was never seen."""
    pair = ceph.new_pair("token")
    one = pair.make(ceph.daemon(users={"a": {"token": "wrong"}}),
                    verified=False)
    until(lambda: one.verdict("promoting") == "needs force", "a verdict", 20)
    assert "401" in reason_of(one.daemon, "prod-cluster") + shown(
        one.daemon, "prod-cluster", "reason") + one.plan("promoting")
    assert one.ask("promoting") == errno.EBUSY and not ceph.written()


def test_a_peer_that_is_not_configured(ceph):
    pair = ceph.new_pair("unknown")
    d = ceph.new()
    d.config.write_text("".join(
        line for line in d.config.read_text().splitlines(True)
        if not line.strip().startswith("prod-cluster:")))
    one = pair.make(d.start(), verified=False)
    until(lambda: one.verdict("promoting") == "needs force", "a verdict", 20)
    assert "prod-cluster" in one.plan("promoting")
    assert "configur" in one.plan("promoting"), one.plan("promoting")
    assert one.ask("promoting") == errno.EBUSY and not ceph.written()


# ---- silence ----

def test_an_api_that_hangs_is_silent(ceph):
    """It has as long as a call may take."""
    ceph.behind("a")
    pair, one = ceph.ready("hangs")
    ceph.proxy("b", "a").pause()
    ceph.double.stop_site("a")
    ceph.await_silence(one)
    until(lambda: one.plan("promoting").startswith(
        "allowed\nfailover: unplanned"), one.plan("promoting"), 20)
    ceph.expect(forced=1, two_primaries=True)
    one.go("promoting", "source")
    assert one.ready.reason == "Verified" and pair.data("b") == 3


def test_silence_past_a_proxy(ceph, monkeypatch):
    """The environment has one, and an exception from it."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    ceph.behind("a")
    _, one = ceph.ready("past")
    ceph.lose("a")
    until(lambda: one.plan("promoting").startswith(
        "allowed\nfailover: unplanned"), one.plan("promoting"), 20)
    assert not ceph.written()


def test_a_storage_that_lives_behind_a_silent_api(ceph):
    """a's API gives no answer, its Ceph replicates all the time: what the
    copy's own side tells of it is shown, and what is promoted is forced."""
    ceph.behind("a")
    pair, one = ceph.ready("lives")
    ceph.proxy("b", "a").down()
    ceph.await_silence(one)
    ceph.polled("b", pair)
    plan = one.plan("promoting")
    assert one.state == "replica" and "unplanned" in plan
    assert "cost: writes made at prod-cluster after" in plan
    assert not ceph.written()


def test_a_planned_one_that_loses_its_peer_waits(ceph):
    """It was asked to step down, and nobody knows whether it did."""
    ceph.behind("a")
    pair, one = ceph.ready("half")
    ceph.faults.add("hold-rpc", site="a")
    assert one.ask("promoting") == 0
    until(lambda: ceph.object("a", "half").role == "secondary", "the request")
    ceph.lose("a")
    one.await_cond("Ready", "False", "PeerUnreachable", seconds=20)
    assert "promoting force" in one.ready.message
    assert ceph.object("b", "half").role == "secondary"
    assert one.ask("source") == errno.EBUSY
    ceph.expect(forced=1)
    until(lambda: one.ask("promoting force") == 0, "that it is accepted")
    one.done().go("source")
    pair.write("b", 1)
    ceph.faults.clear()
    ceph.find_again("a")
    until(lambda: not pair.is_writable("a"), "that it does what it was asked")
    until(lambda: one.verdict("swap") == "needs force", "a look", 20)
    assert one.ask("swap force") == 0, one.error
    one.done("endpoints", 20)
    await_equal(pair)
    assert pair.data("a") == 4


def test_a_planned_one_goes_on_when_its_peer_is_back(ceph):
    ceph.behind("a")
    pair, one = ceph.ready("back")
    gate = Gate()
    ceph.proxy("b", "a").rule(gate, "PATCH", count=1)
    assert one.ask("promoting") == 0
    gate.wait()
    ceph.lose("a")
    gate.open()
    one.await_cond("Ready", "False", "PeerUnreachable", seconds=20)
    ceph.find_again("a")
    one.done(seconds=30)
    assert pair.is_writable("b") and pair.data("b") == 3
    assert not ceph.acts("force-promote") and len(ceph.acts("promote")) == 1
