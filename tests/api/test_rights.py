# SPDX-License-Identifier: Apache-2.0
"""None of the rights that docs/examples gives to the backends is one too many."""
import contextlib
import os

import pytest

import crds
from ceph_lab import CephLab
from conftest import VENDORS
from rights import BACKENDS, allow, granted, used
from shell import call, until
from sites import NS, await_equal
from test_ceph_group import NAMES, Group
from trident_lab import TridentLab

USER = "rights-uvrfs"


def limited(kind):
    class Limited(kind):
        """Daemons by a user with just these, at both clusters."""
        object, follow = CephLab.object, TridentLab.follow

        def prepare(self):
            super().prepare()
            self.storage = self.double.storage
            self.marks = {s: c.mark() for s, c in self.clusters.items()}
            for cluster in self.clusters.values():
                allow(cluster, USER)

        def config(self, site="b", **more):
            return super().config(site, kubeconfigs={
                s: c.kubeconfig(c.make_cert(USER).files())
                for s, c in self.clusters.items()}, **more)

        def used(self):
            return set().union(*(used(c.requests(self.marks[s], user=USER))
                                 for s, c in self.clusters.items()))
    return Limited


def live_a_life(lab):
    """Made, failed over, given back, ended: whatever a product can do."""
    lab.clusters["b"].make_namespace(NS)
    pair = lab.new_pair(f"rights-{lab.type}", native=False)
    d = lab.daemon("b")
    one = pair.make(d, verified=False)
    if lab.type == "trident":
        path = crds.path("tmr", NS, pair.name)
        until(lambda: lab.clusters["b"].request("GET", path)[0] == 200,
              "the mirror's")
        lab.follow(pair)
    one.done(seconds=30)
    pair.write("a", 3)
    await_equal(pair)
    until(lambda: one.verdict("promoting") == "allowed", "a copy", 20)
    one.go("promoting", "source", "swap")
    assert pair.is_writable("b") and pair.data("b") == 3
    assert call(os.rmdir, one.path) == 0, one.error
    d.stop()


def move_a_group(lab):
    group = Group(lab)
    for one in group.make(*NAMES):
        assert one.ask("promoting") == 0, one.error
    until(lambda: all(p.is_writable("b") for p in group.pairs.values()),
          "it moves", 30)
    lab.daemons[-1].stop()


@pytest.mark.limit(180)
def test_none_is_one_too_many(cluster, other_cluster):
    labs = []

    def unused():
        return granted(BACKENDS).difference(*(lab.used() for lab in labs))
    for kind in VENDORS.values():
        lab = limited(kind)(other_cluster, cluster)
        labs.append(lab)
        try:
            live_a_life(lab)
            if lab.type == "ceph":
                move_a_group(lab)
        finally:
            lab.close()
    # The audit may be written later.
    with contextlib.suppress(AssertionError):
        until(lambda: not unused(), "all")
    assert not unused()
