# SPDX-License-Identifier: Apache-2.0
"""The API server goes, and comes back: what is known stays readable, nothing is
lost, nothing is done twice."""
import errno
import os
import re
import time

import pytest

from daemons import (ALL, NS, body_of, cut, fail_over, kept, make_node, once,
                     path_of, store)  # noqa: F401
from shell import FACTOR, get, until
from uvr import Uvr

pytestmark = pytest.mark.limit(150)


@pytest.fixture
def node(make_node):
    return make_node().await_lead()


def away(r):
    r.await_cond("Ready", "Unknown", "StoreUnreachable", seconds=15)
    assert r.conditions["Synced"].status == "Unknown"


def back(r, seconds=15):
    r.await_cond("Ready", "True", seconds=seconds)


def test_refused_connections(node):
    r = node.replica()
    before = r.status["status"]["history"]
    node.proxy.down()
    away(r)
    assert r.state == "replica" and r.read("lag").strip() != ""
    assert r.ask("promoting") == errno.EHOSTUNREACH
    assert "127.0.0.1" in r.error and r.state == "replica"
    assert "the store gives no answer" in get(node.mnt / ".uvrfs/health")
    node.proxy.up()
    back(r)
    assert get(node.mnt / ".uvrfs/health") == "ok\n"
    assert r.status["status"]["history"] == before
    fail_over(r)
    once(r)


def test_a_silent_network(node):
    r = node.replica()
    node.proxy.pause()
    away(r)
    began = time.monotonic()
    assert r.ask("promoting") == errno.EHOSTUNREACH
    assert time.monotonic() - began < 15 * FACTOR
    node.proxy.resume()
    back(r, 30)
    fail_over(r)
    once(r)


def test_a_frozen_server(node, store):
    r = node.replica()
    store.freeze()
    away(r)
    assert r.state == "replica"
    store.thaw()
    back(r, 30)
    fail_over(r)
    once(r)


def test_killed_during_a_transition(node, store):
    r = node.replica()
    node.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    assert r.ask("promoting") == 0
    until(lambda: "demote-peer" in r.acts(), "it is under way")
    store.stop_api()
    away(r)
    node.faults(r.here)
    assert r.state == "promoting"
    store.start_api()
    r.done(seconds=40)
    assert r.ask("source") == 0
    once(r)
    kept(store, r)


def test_what_happened_meanwhile_beyond_recall(node, store):
    """Objects made, patched and deleted, and then history is compacted."""
    stays, goes, changes = (node.replica() for _ in range(3))
    node.proxy.down()
    away(stays)
    store.request("PATCH", path_of(changes.name), {
        "spec": {"replicationState": "promoting"},
        "metadata": {"labels": {"while": "away"}}})
    store.request("PATCH", path_of(goes.name),
                  {"metadata": {"finalizers": None}})
    assert store.request("DELETE", path_of(goes.name))[0] == 200
    assert store.request("POST", os.path.dirname(path_of("x")),
                         body_of("comes"))[0] == 201
    store.compact()
    node.proxy.up()
    back(stays, 30)
    comes = Uvr(node, NS, "comes")
    until((comes.path / "state").exists, "what was made is there")
    until(lambda: not goes.path.exists(), "what was deleted is gone")
    comes.done(seconds=20)
    until(lambda: changes.state == "promoting", "the patch is carried out")
    changes.done(seconds=20)
    assert "while: away" in changes.read("spec.yaml")
    assert stays.state == "replica"


def test_a_return_costs_no_writes(node, store):
    names = [f"many{i}" for i in range(50)]
    for name in names:
        store.request("POST", os.path.dirname(path_of("x")), body_of(
            name, pvc=name))
    rs = [Uvr(node, NS, name) for name in names]
    for r in rs:
        until((r.path / "state").exists, "it is there", 20)
        r.done(seconds=30)
        r.await_cond("Degraded", "False", seconds=20)
    node.proxy.down()
    for r in rs:
        away(r)
    before = len(node.proxy.seen())
    node.proxy.up()
    for r in rs:
        back(r)
    # Everything is as it was: nothing to write down.
    writes = [s.path for s in node.proxy.seen()[before:]
              if s.method != "GET" and "/leases/" not in s.path]
    assert writes == []


def test_away_at_the_start(make_node):
    node = make_node(start=False)
    node.proxy.down()
    with pytest.raises(RuntimeError) as told:
        node.start()
    assert re.search(r"127\.0\.0\.1.*(refused|[Cc]ouldn't connect)",
                     str(told.value))


def test_a_cut_watch_is_no_news(node, store):
    r = node.replica()
    _, before = store.request("GET", ALL)
    for _ in range(3):
        cut(node.proxy)
        until(lambda: node.proxy.connections(), "it has come back")
    assert store.request("GET", ALL)[1]["items"] == before["items"]
    fail_over(r)
    once(r)
