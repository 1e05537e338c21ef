# SPDX-License-Identifier: Apache-2.0
"""The same by kubectl, on the store of the replica's cluster: the mount and the
objects say the same, whoever asked."""
import json
import subprocess

import pytest

from shell import FACTOR, until
from sites import NS, await_equal
from test_kubectl import FAILOVER, REVERSED
from uvr import BINARY

pytestmark = pytest.mark.limit(120)


class Typed:
    """A replication that is asked by kubectl."""
    def __init__(self, sites, pair):
        self.sites, self.pair = sites, pair
        self.kubectl = sites.clusters["b"].kubectl

    def patch(self, text):
        self.kubectl("patch", "uvr", self.pair.name, "-n", NS,
                     "--type=merge", "-p", text)

    def state(self, word):
        self.patch(json.dumps({"spec": {"replicationState": word}}))

    def get(self):
        return json.loads(self.kubectl("get", "uvr", self.pair.name, "-n", NS,
                                       "-o", "json").stdout)

    def condition(self, kind):
        found = {c["type"]: c for c in self.get().get("status", {}).get(
            "conditions", [])}
        return found.get(kind, {})

    def await_ready(self, state, seconds=40):
        def check():
            one = self.get()
            ready = self.condition("Ready")
            return one.get("status", {}).get("acceptedState") == state and \
                ready.get("status") == "True" and \
                ready.get("observedGeneration") == \
                one["metadata"]["generation"]
        until(check, f"{state} to be verified: {self.condition('Ready')}",
              seconds)


@pytest.fixture
def typed(sites):
    """A replication whose copy is whole, made by kubectl; with a mount."""
    d = sites.new("b", store="kubernetes")
    subprocess.run([BINARY, "-c", str(d.config), "install-crd"], check=True,
                   timeout=60 * FACTOR)
    d.start()
    pair = sites.new_pair("typed")
    one = Typed(sites, pair)
    one.kubectl("create", "-f", "-", input=json.dumps(pair.manifest()))
    one.await_ready("replica")
    pair.write("a", 3)
    await_equal(pair)
    one.mount = pair.at(d)
    until(lambda: one.mount.verdict("promoting") == "allowed", "a whole copy",
          20)
    return one


def check_same(one, state):
    """What kubectl shows is what the mount shows."""
    until(lambda: one.mount.state == state, state)
    ready = one.condition("Ready")
    assert one.mount.ready.status == ready["status"]
    assert one.mount.ready.reason == ready["reason"]
    assert one.get()["status"]["discoveredBackends"][0]["available"]


def test_planned(typed):
    typed.state("promoting")
    typed.await_ready("promoting")
    check_same(typed, "promoting")
    typed.state("source")
    typed.await_ready("source")
    check_same(typed, "source")
    assert typed.pair.is_writable("b") and typed.pair.data("b") == 3


def test_script_of_the_tutorial(typed):
    cluster = typed.sites.clusters["b"]
    done = subprocess.run(
        ["bash", "-c", FAILOVER, "failover.sh", typed.pair.name, NS],
        text=True, capture_output=True, timeout=100 * FACTOR, check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(cluster.base / "home"),
             "KUBECONFIG": str(cluster.kubeconfig())})
    assert done.returncode == 0, done
    assert "New state: source" in done.stdout
    typed.await_ready("source")
    typed.patch(REVERSED)
    until(lambda: typed.condition("Degraded").get("status") == "False",
          "the old source follows", 40)
    typed.pair.write("b", 1)
    await_equal(typed.pair)


def test_unplanned(typed):
    typed.sites.lose("a")
    until(lambda: typed.condition("Degraded").get("reason") ==
          "PeerUnreachable", "the silence", 30)
    typed.state("promoting")
    typed.await_ready("promoting")
    typed.state("source")
    typed.await_ready("source")
    check_same(typed, "source")
    assert typed.pair.is_writable("b") and typed.pair.data("b") == 3


def test_illegal(typed):
    typed.state("source")
    until(lambda: typed.condition("Ready").get("reason") ==
          "InvalidStateTransition", "the refusal", 20)
    assert not typed.pair.is_writable("b") and typed.pair.is_writable("a")
    assert typed.mount.state == "replica"
