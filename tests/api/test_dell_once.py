# SPDX-License-Identifier: Apache-2.0
"""An action is an order: an array gets each once, wherever the daemon dies.

The PATCH that gives it is held in a proxy: the daemon is killed before the API
server has it, and after that but before it knows, in turn.  UVRFS_MANY says how
often.
"""
import itertools
import os

import pytest

from dell_lab import (FAILOVER, REPROTECT, UNPLANNED, Gate, dell,  # noqa: F401
                      make_dell, until)
from daemons import TakenOver, install_crd
from sites import await_equal

MANY = int(os.environ.get("UVRFS_MANY", "50"))
UNSEEN = max(4, MANY // 4)      # of these, over a peer that is lost

pytestmark = pytest.mark.limit(300)


class Victim:
    """A replication at b, whose daemon dies in the middle of each request."""
    def __init__(self, dell, name, **config):
        for site in "ab":
            dell.behind(site)
        self.dell, self.turns = dell, itertools.count()
        self.pair, self.one = dell.ready(name, **config)
        self.wanted, self.kills = [], 0

    def die(self, site, word, action):
        """Asks for what ends in that action there, and dies over it."""
        after = next(self.turns) % 2 == 1
        gate = Gate(self.dell.behind(site), after=after)
        assert self.one.ask(word) == 0, (word, self.one.error)
        gate.await_held()
        self.kill()
        gate.open()
        self.kills += 1
        self.wanted.append((site, action))
        self.start_again()
        self.finish(word)

    def kill(self):
        self.one.daemon.kill9()

    def start_again(self):
        self.one.daemon.restart()

    def finish(self, word):
        """Whoever goes on with it; and the array has got it once."""
        self.one.done("endpoints" if word.startswith("swap") else "state", 30)
        assert self.given() == self.wanted, self.explain()

    def given(self):
        """What the sidecars have handed over, and what arrays have done."""
        orders = [(o.site, o.action) for o in self.dell.orders]
        calls = [(c.site, c.detail) for c in self.dell.storage.actions()
                 if c.verb in ("failover", "reprotect")]
        assert orders == calls, (orders, calls)
        return orders

    def explain(self):
        return f"{self.given()} is not {self.wanted}\n{self.one.explain()}"

    def go(self, word):
        self.one.go(word)
        assert self.given() == self.wanted, self.explain()

    def follows(self):
        self.one.await_cond("Degraded", "False", seconds=20)
        await_equal(self.pair)

    def back(self):
        """From source at b to replica."""
        self.follows()
        self.die("b", "demoting", FAILOVER)
        self.go("replica")
        self.die("a", "syncing", REPROTECT)
        until(lambda: self.one.state == "replica", "that it follows", 20)
        until(lambda: self.one.verdict("promoting") == "allowed", "a copy", 20)

    def planned(self):
        self.die("a", "promoting", FAILOVER)
        self.go("source")
        self.die("b", "swap", REPROTECT)
        self.pair.write("b")
        self.back()
        self.pair.write("a")
        await_equal(self.pair)

    def lose(self):
        self.dell.double.stop_site("a")
        self.dell.behind("a").down()
        self.dell.await_silence(self.one)
        # Alone, it believes polls that are newer than the last action.
        until(lambda: self.one.verdict("promoting") == "allowed", "a verdict",
              20)

    def find_again(self):
        self.dell.behind("a").up()
        self.dell.double.start_site("a")
        self.one.await_cond("Degraded", "True", self.dell.returned, seconds=30)

    def unplanned(self):
        self.lose()
        self.die("b", "promoting", UNPLANNED)
        self.go("source")
        self.pair.write("b")
        self.find_again()
        until(lambda: self.one.verdict("swap") == "needs force", "a verdict",
              20)
        self.die("b", "swap force", REPROTECT)
        self.back()


def test_killed_over_planned_orders(dell):  # noqa: F811
    victim = Victim(dell, "planned")
    while victim.kills < MANY - UNSEEN:
        victim.planned()
    assert len(victim.given()) == victim.kills >= 2


def test_killed_over_unplanned_orders(dell):  # noqa: F811
    victim = Victim(dell, "unplanned")
    while victim.kills < UNSEEN:
        victim.unplanned()
    assert len(victim.given()) == victim.kills >= 4
    assert len(dell.done(UNPLANNED, "b")) == victim.kills // 4


# ---- another daemon takes over ----

class Pursued(TakenOver, Victim):
    """On the Kubernetes store; what one leaves undone the next one does."""
    def __init__(self, dell, name):
        super().__init__(dell, name, store="kubernetes")


def test_another_daemon_takes_over(dell):  # noqa: F811
    """Its lease is six seconds: three times is enough."""
    install_crd(dell.clusters["b"])
    victim = Pursued(dell, "pursued")
    victim.die("a", "promoting", FAILOVER)
    victim.go("source")
    victim.die("b", "swap", REPROTECT)
    victim.follows()
    victim.die("b", "demoting", FAILOVER)
    victim.go("replica")
    assert len(victim.given()) == victim.kills == 3
