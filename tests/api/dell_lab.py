# SPDX-License-Identifier: Apache-2.0
"""Two sites with PowerStore, and a book of all orders that their arrays get.

An order is what a sidecar hands to its array, with the role and the state that
the array had just then.  Each test that uses it ends with what holds whatever
uvrfs does: FAILOVER_REMOTE is only ever given to a source, and so is
REPROTECT_LOCAL, UNPLANNED_FAILOVER_LOCAL only to a destination.  What a test
itself orders by hand is not counted.
"""
import collections
import contextlib
import errno
import threading

import pytest
import yaml

import crds
from proxy import Proxy
from shell import FACTOR, until
from sites import NS, Pair, await_equal, making
from sites_dell import DellSites
from test_doubles_dell import Rg
from vendor_dell import GROUP_NAME

FAILOVER, UNPLANNED, REPROTECT = (
    "FAILOVER_REMOTE", "UNPLANNED_FAILOVER_LOCAL", "REPROTECT_LOCAL")
RIGHT_ROLE = {FAILOVER: "Source", REPROTECT: "Source",
              UNPLANNED: "Destination"}
GROUPS = "dellcsireplicationgroups"

Order = collections.namedtuple("Order", "site group action role state")


class Member(Pair):
    """A pair in a namespace of its own."""
    def __init__(self, lab, group, name, ns=NS):
        super().__init__(lab, name, group.handles["b", name])
        self.group, self.ns = group, ns

    def spec(self, state="replica", **more):
        spec = super().spec(state, **more)
        for end in spec["volumeMapping"].values():
            end["namespace"] = self.ns
        return spec

    def manifest(self, state="replica", **more):
        made = super().manifest(state, **more)
        made["metadata"]["namespace"] = self.ns
        return made

    def at(self, daemon):
        return daemon.uvr(self.ns, self.name)

    def make(self, daemon, state="replica", verified=True, **more):
        for folder in (daemon.mnt / self.ns, daemon.mnt / self.ns / self.name):
            folder.mkdir(exist_ok=True)
        one = self.at(daemon)
        code = one.write("spec.yaml", yaml.safe_dump(
            {"spec": self.spec(state, **more)}))
        assert code == 0, one.error
        return one.done(seconds=30) if verified else one


class DellLab(DellSites):
    def __init__(self, a, b, **options):
        self.options, self.by_hand = options, set()
        self.orders, self.via = [], {}
        super().__init__(a, b)
        self.faults, self.storage = self.double.faults, self.double.storage
        self.book()

    def book(self):
        execute = self.storage.execute

        def note(site, group, action, code):
            with self.storage.lock:
                self.orders.append(Order(
                    site, group, action, *self.storage.state(site, group)))
                return execute(site, group, action, code)
        self.storage.execute = note

    def ordered(self, action=None):
        with self.storage.lock:
            return [o for o in self.orders if action in (None, o.action)]

    def done(self, action, site=None):
        """What the arrays have done; without what they have refused."""
        return [c for c in self.storage.actions(site) if c.detail == action]

    def check_orders(self):
        for o in self.orders:
            wanted = RIGHT_ROLE.get(o.action, o.role)
            assert o.role == wanted or (o.site, o.action) in self.by_hand, \
                (o, self.orders)

    # ---- groups ----

    def pair_of(self, group, name, ns=NS):
        return Member(self, group, name, ns)

    def more(self, group, name, ns):
        """One more volume of it, with a claim in a namespace."""
        pair = {s: self.double.new_handle(s, "") for s in "ab"}
        with self.storage.lock:
            group.handles.update({(s, name): h for s, h in pair.items()})
            for site, handle in pair.items():
                self.double.make_volume(site, handle, "")
                self.storage.volume(site, handle).writable = site == "a"
            group.session.pairs.append(pair)
        for site in "ab":
            self.double.group_claim(group, site, ns, name, f"csi-{name}", True)
        return self.pair_of(group, name, ns)

    def rg(self, pair, site):
        return Rg(self.clusters[site],
                  self.double.path(site, pair.group.names[site]))

    def ready(self, name, **config):
        """A replication whose copy is whole, at the replica's site."""
        pair = self.new_pair(name)
        one = pair.make(self.daemon(**config))
        self.whole(pair, one)
        return pair, one

    def whole(self, pair, one):
        pair.write("a", 3)
        await_equal(pair)
        until(lambda: one.verdict("promoting") == "allowed", "a whole copy",
              20)

    def pv(self, pair, site):
        """The volume behind a claim."""
        name = self.double.volume_of(site, pair.ns, pair.claim)[0]
        return crds.path("pv", None, name)

    def unlabel(self, pair, site):
        """No volume is in the group any more, as far as the sidecar sees."""
        self.label(pair, site, None)

    def label(self, pair, site, group):
        code, answer = self.clusters[site].request(
            "PATCH", self.pv(pair, site),
            {"metadata": {"labels": {GROUP_NAME: group}}})
        assert code == 200, answer

    def age(self, pair, site, when="2020-01-01T00:00:00Z"):
        """The time of its last poll; its sidecar must not run."""
        self.clusters[site].set_status(self.rg(pair, site).path, {
            "replicationLinkState": {"lastSuccessfulUpdate": when}})

    # ---- daemons ----

    def behind(self, of, site="b"):
        """The proxy through which the daemons of a site see an API server."""
        key = (site, of)
        if key not in self.via:
            self.via[key] = Proxy(self.clusters[of], token=None).start()
        return self.via[key]

    def config(self, site="b", **more):
        through = {of: p.kubeconfig() for (s, of), p in self.via.items()
                   if s == site}
        return super().config(site, **{"kubeconfigs": through, **more})

    # ---- a site that others cannot see, and that lives ----

    def part(self):
        """Neither array sees the other, and each daemon its own site only."""
        self.storage.cut()
        self.behind("a", "b").down()
        self.behind("b", "a").down()

    def join(self):
        """The daemons see both sites; the arrays do not see each other."""
        for proxy in self.via.values():
            if proxy.listener is None:
                proxy.up()

    def close(self):
        try:
            with contextlib.ExitStack() as stack:
                for proxy in self.via.values():
                    stack.callback(proxy.stop)
                super().close()
        finally:
            self.check_orders()


class Gate:
    """Holds the next PATCH of a group: before the API server gets it, or
    between its answer and who has asked."""
    def __init__(self, proxy, after=False):
        self.after, self.proxy = after, proxy
        self.reached, self.opened = threading.Event(), threading.Event()
        self.is_lost = True
        self.rule = proxy.rule(self.hold, "PATCH", GROUPS, count=1)

    def hold(self, x):
        if self.after:
            for _ in x.ask().pieces:
                pass
        self.reached.set()
        assert self.opened.wait(60 * FACTOR)
        if self.is_lost:
            x.finish(reset=True)
        x.forward()

    def await_held(self, seconds=20):
        assert self.reached.wait(seconds * FACTOR), "nothing was written"

    def open(self, is_lost=True):
        self.is_lost = is_lost
        self.opened.set()


def is_told(one, *words):
    """Where people look when it does not go on."""
    text = one.read("conditions") + one.error + one.read("log") + "".join(
        p.read_text() for p in (one / "plan").iterdir())
    return all(w in text for w in words)


def await_told(one, *words, seconds=15):
    try:
        until(lambda: is_told(one, *words), words, seconds)
    except AssertionError:
        raise AssertionError(f"not told: {words}\n{one.explain()}") from None


def is_completed(rg, action=FAILOVER):
    found = rg.get()
    note = rg.note(found)
    return note.get("name") == action and note["completed"] and not \
        found["status"]["state"].endswith("_IN_PROGRESS")


def not_done(one, pair):
    """Nothing has been promoted, and nobody says so."""
    assert one.state == "promoting" and one.ready.status != "True"
    assert one.ask("source") == errno.EBUSY
    assert pair.is_writable("a") and not pair.is_writable("b")


def finish(one, pair, orders=1):
    one.done(seconds=30)
    one.go("source")
    assert pair.is_writable("b") and not pair.is_writable("a")
    assert pair.data("b") == pair.data("a")
    assert len(pair.sites.done(FAILOVER)) == orders


@pytest.fixture
def make_dell(cluster, other_cluster):
    with making(DellLab, other_cluster, cluster, monitor=0.1) as new:
        yield new


@pytest.fixture
def dell(make_dell):
    return make_dell()
