# SPDX-License-Identifier: Apache-2.0
"""The leader is killed at any moment, with writers at it and at the other
daemon: nothing accepted is lost, nothing is done twice or unasked."""
import itertools
import os
import time

import pytest

from daemons import ALL, ENDS, NS, make_node, store  # noqa: F401
from shell import until
from story import Audit, Story, picture, seeded, shown
from uvr import Uvr
from writers import (Crowd, Echo, comings_and_goings, reader, settings,
                     transitions, write_by_open, write_by_rename)

CRASHES = int(os.environ.get("UVRFS_CRASHES", "5"))

MOST = 20                       # that one does in a round

pytestmark = pytest.mark.limit(90 + 30 * CRASHES)


def stored(cluster):
    """What the objects say."""
    code, found = cluster.request("GET", ALL)
    assert code == 200, found
    return {f"{o['metadata']['namespace']}/{o['metadata']['name']}": picture(
        o["metadata"], o["spec"], o["status"], o["status"]["state"])
        for o in found["items"] if "accepted" in o.get("status", {})}


def settle(cluster, nodes, names):
    """Until all is decided and both show what the cluster has; that."""
    for name in names:
        r = Uvr(nodes[0], NS, name)
        until(lambda r=r: r.request["outcome"] != "pending", f"{name}: decided",
              40)

    def same():
        found = [shown(node) for node in nodes]
        kept = stored(cluster)
        return found[0] if [f[0] for f in found] == [kept] * 2 else None
    return until(same, "both show what is stored", 30)


def works(nodes, names, chance, numbers):
    """At both daemons."""
    found = []
    for node in nodes:
        uvrs = [Uvr(node, NS, name) for name in names]
        found += [
            *(transitions(r, chance.choice(
                (write_by_open, write_by_rename, Echo)), MOST) for r in uvrs),
            *(settings(r, next(numbers), chance.choice(
                (write_by_open, write_by_rename))) for r in uvrs),
            comings_and_goings(node, next(numbers), clusters=ENDS),
            reader(uvrs)]
    return chance.sample(found, 8)


def test_at_random_moments(make_node, store):  # noqa: F811
    chance = seeded()
    times = {"act": "6s", "lease": 6}
    make_node(direct=True, lead=False, **times)         # moves the data
    nodes = [make_node(**times) for _ in range(2)]
    until(lambda: any(n.leads() for n in nodes), "one leads")
    names = [nodes[0].replica().name, nodes[0].replica().name]
    settle(store, nodes, names)
    story = Story([Uvr(nodes[0], NS, name) for name in names])
    audits = [Audit(node) for node in nodes]
    numbers = (range(n * 1000, n * 1000 + 1000) for n in itertools.count(1))
    for _ in range(CRASHES):
        crowd = Crowd(chance, works(nodes, names, chance, numbers), MOST)
        time.sleep(chance.uniform(0, 0.5))
        leader = next((n for n in nodes if n.leads()), nodes[0])
        killed = time.monotonic()
        leader.kill9()
        # Without a process: what an object asks for.
        story.add(crowd.join(60), [line for audit in audits
                                   for line in audit.news() if line.pid],
                  killed)
        leader.unmount()
        leader.start()
        pictures, histories = settle(store, nodes, names)
        story.remember(histories)
        assert not story.faults, "\n".join(story.faults)
    journal = nodes[0].journal()
    print(story.figures(journal))
    faults = story.check(pictures, journal)
    assert not faults, "\n".join(faults)
