# SPDX-License-Identifier: Apache-2.0
"""Two writable sides, with a daemon at each: both say so, neither acts, and
somebody decides whose data stay."""
import errno
import re

import pytest

from ceph_lab import ceph, make_ceph, until  # noqa: F401
from sites import await_equal

pytestmark = pytest.mark.limit(120)


class Split:
    """b was promoted while neither site saw the other; a came back.  Each has
    writes that the other lacks: 3 in common, 2 more at a, 1 at b."""
    def __init__(self, ceph):
        self.ceph = ceph.behind("a", "b")
        self.pair, self.b = ceph.ready("split")
        self.a = self.pair.make(ceph.daemon("a"), "source")
        ceph.part()
        self.pair.write("a", 2)
        ceph.await_silence(self.b)
        ceph.await_silence(self.a)
        self.b.go("promoting", "source")
        self.pair.write("b", 1)
        ceph.expect(forced=1, two_primaries=True)
        ceph.join()
        for one in (self.a, self.b):
            one.await_cond("Degraded", "True", "SplitBrain", seconds=20)
            one.await_cond("Ready", "False", "SplitBrain")

    def at(self, site):
        return {"a": self.a, "b": self.b}[site]

    def await_kept(self, site):
        """One site's data are at both, and it is the source.  The resync is
        not left in the spec, where it would discard data once more."""
        other = "b" if site == "a" else "a"
        self.at(site).await_cond("Ready", "True", "Verified", seconds=20)
        self.at(site).await_cond("Degraded", "False", seconds=20)
        await_equal(self.pair)
        assert self.pair.data(other) == {"a": 5, "b": 4}[site]
        assert self.pair.is_writable(site)
        assert not self.pair.is_writable(other)
        assert len(self.ceph.acts("resync", other)) == 1
        assert not self.ceph.acts("resync", site)
        assert self.ceph.diary.roles(other)[-2:] == ["resync", "secondary"]


@pytest.fixture
def split(ceph):
    return Split(ceph)


def test_both_say_so_and_neither_acts(ceph, split):
    before = ceph.at_rest(), split.pair.writes("a"), split.pair.writes("b")
    for site in "ab":
        ceph.polled(site, split.pair, 4)
        one = split.at(site)
        assert one.state == "source" and one.ready.reason == "SplitBrain"
        message = one.conditions["Degraded"].message
        assert "prod-cluster" in message and "dr-cluster" in message
        assert one.ask("swap") == errno.EBUSY
        assert one.ask("demoting") == errno.EBUSY and "force" in one.error
    assert before == (ceph.written(), split.pair.writes("a"),
                      split.pair.writes("b"))


@pytest.mark.parametrize("site", "ba")
def test_swap_force_keeps_the_data_of_its_site(split, site):
    one = split.at(site)
    until(lambda: one.verdict("swap") == "needs force", "a verdict")
    assert "destroyed" in one.plan("swap")
    assert one.ask("swap force") == 0, one.error
    one.done("endpoints", 20)
    split.await_kept(site)


def test_what_degraded_says_may_be_written(split):
    """Each word that it proposes, at the site where it does."""
    for one in (split.a, split.b):
        message = one.conditions["Degraded"].message
        words = [w for w in re.findall(r"'([a-z]+) force'", message)
                 if (one / "plan" / w).exists() and
                 one.verdict(w) == "needs force"]
        assert len(words) > 1, (message, one.plan("swap"))


def test_syncing_force_gives_up_the_data_of_its_site(split):
    """In the steps that the states allow."""
    one = split.a
    assert one.ask("demoting force") == 0, one.error
    until(lambda: not split.pair.is_writable("a"), "that it has stepped down")
    until(lambda: one.verdict("replica") == "needs force", "a verdict")
    assert one.ask("replica") == errno.EBUSY
    assert one.ask("replica force") == 0, one.error
    one.done()
    until(lambda: one.verdict("syncing") == "needs force", "a verdict")
    assert "destroyed" in one.plan("syncing")
    assert one.ask("syncing") == errno.EBUSY
    assert one.ask("syncing force") == 0, one.error
    until(lambda: one.state == "replica", "its end", 20)
    split.await_kept("b")
    one.await_cond("Ready", "True", "Verified")


def test_a_resync_is_done_when_a_new_copy_is_whole(ceph, split):
    """The first copy is on its way: no replica yet, whatever it looks like."""
    # Else the new copy may be whole before it is held.
    ceph.faults.add("hold-transfer", site="a")
    assert split.b.ask("swap force") == 0
    until(lambda: ceph.acts("resync", "a"), "the resync")
    ceph.begin_anew(split.pair, "a")
    a = ceph.object("a", "split")
    a.until(lambda f: f["spec"]["replicationState"] == "resync" and
            a.triple(f) == ("True", "True", "True"), "that it looks so")
    ceph.polled("b", split.pair)
    assert split.b.conditions["Degraded"].status == "True"
    assert split.b.conditions["Progressing"].status == "True"
    assert a.role == "resync"
    ceph.faults.clear()
    split.b.done("endpoints", 20)
    split.await_kept("b")


def test_an_old_source_that_comes_back_diverged_is_not_resynced_by_swap(
        ceph, split):
    """Also not when it is forced later than it was looked at: its daemon sees
    what has been done, and does not take part."""
    split.b.go("swap force")
    split.await_kept("b")
    mark = len(ceph.at_rest("a"))
    split.a.await_cond("Drifted", "True")
    assert split.a.state == "source" and split.a.ready.status == "False"
    ceph.polled("a", split.pair, 4)
    assert len(ceph.written("a")) == mark
