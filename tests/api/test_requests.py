# SPDX-License-Identifier: Apache-2.0
"""How much is asked of an API server, counted by its own audit."""
import collections
import os
import time

import pytest

from daemons import AGENT, ALL, NS, body_of, make_node, path_of, store  # noqa: F401
from shell import FACTOR, until
from uvr import Uvr

pytestmark = pytest.mark.limit(280)

COUNT = max(60, int(os.environ.get("UVRFS_MANY", "300")))
LEASE = 6


def objects(store):
    return store.request("GET", ALL)[1]["items"]


def ready(store, wanted=COUNT):
    """So many are verified, and healthy."""
    found = 0
    for o in objects(store):
        told = {c["type"]: c["status"]
                for c in o.get("status", {}).get("conditions", ())}
        found += told.get("Ready") == "True" and told["Degraded"] == "False"
    return found == wanted


def counted(store, since):
    """Requests of the daemons by verb and what they are about."""
    kinds = collections.Counter()
    for q in store.requests(since, agent=AGENT):
        what = q["object"].get("resource", "?")
        sub = q["object"].get("subresource")
        kinds[f"{q['verb']} {what}{'/' + sub if sub else ''}"] += 1
    return kinds


def of_objects(kinds):
    return sum(n for kind, n in kinds.items()
               if "unifiedvolume" in kind and not kind.startswith("watch"))


def at_rest(store, seconds=1.0):
    """Until nothing but leases is asked for: what is derived of a change is
    written after it."""
    mark, since, before = store.mark(), time.monotonic(), 0

    def check():
        nonlocal since, before
        now = sum(n for kind, n in counted(store, mark).items()
                  if "leases" not in kind and not kind.startswith("watch"))
        if now != before:
            since, before = time.monotonic(), now
        return time.monotonic() - since > seconds * FACTOR
    until(check, "nothing is asked for", 60)


def test_many(make_node, store, capsys):
    options = {"direct": True, "lease": LEASE, "act": f"{LEASE}s",
               "deadline": "600s"}
    a = make_node(**options).await_lead()
    make_node(**options)
    told = []

    def step(what, since, per=COUNT):
        kinds = counted(store, since)
        told.append(f"{what}: {of_objects(kinds) / per:.2f} each; "
                    f"{dict(sorted(kinds.items()))}")
        return kinds

    mark = store.mark()
    for i in range(COUNT):
        code, _ = store.request("POST", os.path.dirname(path_of("x")),
                                body_of(f"r{i}", pvc=f"r{i}"))
        assert code == 201
    until(lambda: ready(store), "all are verified", 120)
    kinds = step("made", mark)
    assert of_objects(kinds) <= 8 * COUNT, told

    at_rest(store)
    mark = store.mark()
    a.faults("prod-cluster", "down")
    until(lambda: all(
        c["status"] == "True" for o in objects(store)
        for c in o["status"]["conditions"] if c["type"] == "Degraded"),
        "all are degraded", 60)
    kinds = step("one change of the storage", mark)
    assert of_objects(kinds) <= 1.05 * COUNT, told
    a.faults("prod-cluster")
    until(lambda: ready(store), "all are well", 60)

    at_rest(store)
    mark = store.mark()
    some = [f"r{i}" for i in range(40)]
    for name in some:
        store.request("PATCH", path_of(name),
                      {"spec": {"replicationState": "promoting"}})
    for name in some:
        r = Uvr(a, NS, name)
        until(lambda r=r: r.state == "promoting", "it is accepted", 30)
        r.done(seconds=60)
    kinds = step("promoted", mark, len(some))
    assert of_objects(kinds) <= 9 * len(some), told

    # Idle: the lease, and a watch that ends now and then.
    until(lambda: not Uvr(a, NS, "r50").await_cond("Degraded", "False") is None,
          "at rest")
    at_rest(store)
    mark = store.mark()
    leases = store.client(token="none")
    leases.close()
    first = counted(store, mark)
    until(lambda: sum(n for k, n in counted(store, mark).items()
                      if "leases" in k) >= 12, "time passes", 30)
    kinds = step("idle", mark)
    assert not first or set(first) <= {"patch leases", "get leases"}, told
    assert all("leases" in k or k.startswith("watch") for k in kinds), told
    with capsys.disabled():
        print(f"\n{COUNT} replications, two daemons, requests of both:")
        for line in told:
            print("  " + line)
