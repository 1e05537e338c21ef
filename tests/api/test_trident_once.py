# SPDX-License-Identifier: Apache-2.0
"""kill -9 between an intent and its act: nothing is missing afterwards, and
what destroys something was done once.

The request that does it is held in a proxy: the daemon is killed before the API
server has it, and after that but before it knows, in turn.  UVRFS_MANY says how
often.
"""
import os

import pytest

from daemons import TakenOver, install_crd
from shell import until
from sites import await_equal
from trident_lab import (TAMUS, TMRS, await_state, await_verdict,  # noqa: F401
                         make_trident, trident)

MANY = int(os.environ.get("UVRFS_MANY", "50"))
UNSEEN = min(6, max(1, MANY // 8))      # of these, without a peer
SNAPSHOTS, INFOS = "volumesnapshots", "tridentsnapshotinfos"

pytestmark = pytest.mark.limit(300)

# Where the daemon dies: (at, method, of what, with what in it).
FINAL = ("a", "POST", SNAPSHOTS, "uvrfs/final")
HANDLE = ("a", "POST", INFOS)
COPY = ("b", "POST", TAMUS, "snapshotHandle")
ARRIVED = ("b", "PATCH", TMRS, "uvrfs/transferred")
STEPPED_DOWN = ("a", "PATCH", TMRS, "uvrfs/stepped-down")
PROMOTE = ("b", "PATCH", TMRS, '"state": *"promoted"')
PROBE = ("b", "POST", SNAPSHOTS, "uvrfs/probe")
PROVED = ("b", "PATCH", TMRS, "uvrfs/writable")
RESYNC = ("a", "PATCH", TMRS, '"state": *"reestablished"')
UPDATE = ("a", "POST", TAMUS)
PLANNED = [FINAL, HANDLE, COPY, ARRIVED, STEPPED_DOWN, PROMOTE, PROBE, PROVED]


class Victim:
    """A replication at b, whose daemon dies in the middle of its requests."""
    def __init__(self, trident, name, **config):
        self.trident, self.name = trident, name
        self.pair, self.one = trident.ready(name, **config)
        self.kills, self.written = 0, 3

    def die(self, where, after, ask=None):
        """Over the next request of that kind; who asks for nothing comes from
        the dead."""
        gate = self.trident.gate(*where, after=after)
        if ask:
            assert self.one.ask(ask) == 0, (ask, self.one.error)
        else:
            self.start_again()
        gate.wait()
        self.kill()
        gate.open(is_lost=True)
        self.kills += 1

    def kill(self):
        self.one.daemon.kill9()

    def start_again(self):
        self.one.daemon.start()

    def through(self, word, points, most=99):
        """One life for each: twice at each point, before the API server has it
        and after that.  The word is verified at the end."""
        deaths = [(p, after) for p in points for after in (False, True)]
        for n, death in enumerate(deaths[:most]):
            self.die(*death, None if n else word)
        if deaths[:most]:
            self.start_again()
        else:
            assert self.one.ask(word) == 0, (word, self.one.error)
        self.one.done("endpoints" if word.startswith("swap") else "state", 20)

    def write(self, site):
        self.written = self.pair.write(site)
        await_equal(self.pair)

    # ---- what there must be ----

    def count(self, verb, site):
        return len(self.trident.storage.actions(
            site, verb, self.pair.handles[site]))

    def is_promoted(self, times):
        """So often at all, with all that was written."""
        assert self.count("break", "b") == times, self.trident.acts("break")
        assert self.pair.is_writable("b")
        assert self.pair.data("b") == self.written
        assert self.trident.tmr("b", self.name).says == "promoted"
        return True

    def has_final(self, is_planned=True):
        """The snapshot that was promoted is one that was taken for it, and
        an update has brought it (trident.check looks at the order)."""
        handle = self.trident.tmr("b", self.name).get()["spec"][
            "volumeMappings"][0].get("promotedSnapshotHandle")
        assert bool(handle) == is_planned
        assert not handle or handle in [
            i["status"].get("snapshotHandle")
            for i in self.trident.list("a", "tsi")]
        return True

    def probes_are_few(self):
        """The last one may be left behind; the next one takes it away."""
        for site in "ab":
            left = [s for s in self.trident.list(site, "vs")
                    if "uvrfs/probe" in s["metadata"].get("labels", {}) and
                    s["spec"]["source"]["persistentVolumeClaimName"] ==
                    self.name]
            assert len(left) <= 1, left
        return True


def is_told_once(one, *words):
    """The history has each word once, and none has failed."""
    told = [(t["word"], t["outcome"])
            for t in one.status["status"]["history"]]
    assert told == [(w, "verified") for w in words], told
    return True


def planned(trident, name, most):
    """A failover and its reversal, with so many deaths at most."""
    victim = Victim(trident, name)
    one = victim.one
    victim.through("promoting", PLANNED, most)
    assert victim.is_promoted(1) and victim.has_final()
    one.go("source")
    victim.through("swap", [RESYNC, UPDATE], most - victim.kills)
    assert victim.count("resync", "a") == 1
    assert trident.tmr("a", name).says == "reestablished"
    victim.write("b")
    assert is_told_once(one, "replica", "promoting", "source", "swap")
    assert victim.probes_are_few()
    return victim


def test_killed_in_planned_failovers(trident):  # noqa: F811
    """There and back by swap; a new pair for each, until it is enough."""
    kills = number = 0
    while kills < MANY - UNSEEN:
        number += 1
        kills += planned(trident, f"planned-{number}",
                         MANY - UNSEEN - kills).kills
        for d in trident.daemons:
            if d.alive():
                d.stop()
    assert len(trident.acts("break", "b")) == number


def test_killed_in_unplanned_failovers(trident):  # noqa: F811
    """The source's site is lost; nothing of it is waited for or touched."""
    victim = Victim(trident, "unplanned")
    trident.lose("a")
    trident.await_silence(victim.one)
    await_verdict(victim.one, "promoting", "allowed")
    victim.through("promoting", [PROMOTE, PROBE, PROVED], UNSEEN)
    assert victim.is_promoted(1) and victim.has_final(is_planned=False)
    victim.one.go("source")
    assert is_told_once(victim.one, "replica", "promoting", "source")
    assert victim.probes_are_few() and len(trident.acts("break")) == 1


def test_killed_when_it_is_made(trident):  # noqa: F811
    """Neither relationship is missing, and none was made twice."""
    pair = trident.bare("made")
    gates = [trident.gate(site, "POST", TMRS, after=after)
             for site, after in (("a", False), ("a", True), ("b", False),
                                 ("b", True))]
    one = pair.make(trident.daemon(), verified=False)
    for gate in gates:
        gate.wait()
        one.daemon.kill9()
        gate.open(is_lost=True)
        one.daemon.start()
    trident.follow(pair)
    trident.tmr("b", "made").await_said("established")
    assert trident.diary.made("a", "tmr") == ["made"]
    assert trident.diary.made("b", "tmr") == ["made"]
    assert trident.tmr("a", "made").wants == "promoted"


def failed_once(trident):
    """Over a promotion that fails: it is found by the next one."""
    victim = Victim(trident, "fails")
    trident.fail_promotions()
    victim.die(PROMOTE, False, "promoting")
    victim.die(PROMOTE, True)
    victim.one.daemon.start()
    await_state(victim.one, "failed")
    assert victim.count("break", "b") == 0
    trident.mend_promotions()
    await_verdict(victim.one, "promoting", "allowed")
    return victim


def test_killed_over_a_promotion_that_fails(trident):  # noqa: F811
    victim = failed_once(trident)
    victim.one.go("promoting", "source")
    assert victim.is_promoted(1) and victim.has_final()


def test_killed_over_its_retry(trident):  # noqa: F811
    """After the old source has noted a new final copy, before the promotion."""
    victim = failed_once(trident)
    victim.through("promoting", [PROMOTE], 1)
    assert victim.is_promoted(1) and victim.has_final()


# ---- another daemon takes over ----

class Pursued(TakenOver, Victim):
    """On the Kubernetes store; what one leaves undone the next one does."""
    def __init__(self, trident, name):
        install_crd(trident.clusters["b"])
        super().__init__(trident, name, store="kubernetes")


def test_another_daemon_takes_over(trident):  # noqa: F811
    """Its lease is six seconds: some points are enough."""
    victim = Pursued(trident, "pursued")
    victim.through("promoting", [COPY, PROMOTE])
    assert victim.is_promoted(1) and victim.has_final()
    victim.one.go("source")
    victim.through("swap", [RESYNC])
    assert victim.count("resync", "a") == 1 and victim.kills == 6
    assert is_told_once(victim.one, "replica", "promoting", "source", "swap")
