# SPDX-License-Identifier: Apache-2.0
"""A daemon at each site, each with a replication of its own for the same pair,
and with the rights of the example and no more."""
import errno

import pytest

from rights import allow
from shell import never, until
from sites import await_equal

pytestmark = pytest.mark.limit(90)

USERS = {"a": "prod-uvrfs", "b": "dr-uvrfs"}


@pytest.fixture
def rights(sites):
    """Two users at both clusters, by whom the audit tells the daemons apart."""
    for cluster in sites.clusters.values():
        allow(cluster, *USERS.values())
    return sites


class Both:
    def __init__(self, sites, name):
        self.sites, self.pair = sites, sites.new_pair(name)
        self.daemons = {s: sites.daemon(s, kubeconfigs={
            k: c.kubeconfig(c.make_cert(USERS[s]).files())
            for k, c in sites.clusters.items()})
            for s in "ab"}
        self.dr = self.pair.make(self.daemons["b"], "replica")
        self.prod = self.pair.make(self.daemons["a"], "source")
        self.pair.write("a", 3)
        await_equal(self.pair)
        until(lambda: self.dr.verdict("promoting") == "allowed", "a copy", 20)

    def mark(self):
        return {s: c.mark() for s, c in self.sites.clusters.items()}

    def writes(self, since, user):
        """What that daemon has written since, anywhere."""
        return [(s, r) for s, c in self.sites.clusters.items()
                for r in c.requests(since[s], user=user)
                if r["verb"] not in ("get", "list", "watch")]


def test_they_never_fight(rights):
    both = Both(rights, "fight")
    start = both.mark()
    both.dr.go("promoting", "source")
    until(lambda: both.prod.conditions["Drifted"].status == "True",
          "that prod notices", 20)
    assert both.prod.state == "source"
    assert both.writes(start, USERS["b"])
    never(lambda: both.writes(start, USERS["a"]), "a write by prod's daemon", 1)
    assert both.pair.is_writable("b") and both.pair.data("b") == 3


def test_steady_states_write_nothing(rights):
    both = Both(rights, "steady")
    start = both.mark()
    both.pair.write("a", 2)
    await_equal(both.pair)
    never(lambda: both.writes(start, USERS["a"]) +
          both.writes(start, USERS["b"]), "a write", 1)


def test_split_brain_is_shown_on_both(rights):
    """An unplanned failover; the old source comes back, and neither acts."""
    both = Both(rights, "split")
    both.sites.lose("a")
    both.sites.await_silence(both.dr)
    both.dr.go("promoting", "source")
    start = both.mark()
    both.sites.find_again("a")
    both.dr.await_cond("Degraded", "True", both.sites.returned, seconds=40)
    until(lambda: both.prod.ready.status == "False", "that prod knows", 30)
    assert both.prod.ready.reason in ("SplitBrain", "Drifted")
    never(lambda: both.writes(start, USERS["a"]) +
          both.writes(start, USERS["b"]), "a write", 1)
    assert both.dr.ask("swap") == errno.EBUSY
    both.dr.go("swap force")
    both.dr.await_cond("Degraded", "False", seconds=40)
    await_equal(both.pair)
    assert not both.pair.is_writable("a")
