# SPDX-License-Identifier: Apache-2.0
"""Two sites with Trident, whose API servers the daemons see through proxies,
and a diary of all that the mirrors' objects have ever been.

Each test that uses it ends with what holds whatever happens (check): nothing is
written but what the backend's page names, what Trident does not let be changed
is not changed, no relationship is deleted, and none is promoted with a snapshot
that has not arrived.
"""
import json
import re
import threading
import time

import pytest

import crds
from doubles import Seen
from proxy import Proxy
from shell import FACTOR, until
from sites import NS, await_equal, making
from sites_trident import TridentSites
from uvr import destroy_all
from vendor import Informer

AGENT = "uvrfs/"
TMRS, TAMUS = "tridentmirrorrelationships", "tridentactionmirrorupdates"
MAPPED = ("localPVCName", "remoteVolumeHandle")
MIRROR = ("replicationPolicy", "replicationSchedule")

# Verb and resource of each write that the backend's page has.
WRITES = {
    ("create", TMRS), ("patch", TMRS), ("create", TAMUS), ("delete", TAMUS),
    ("create", "volumesnapshots"), ("delete", "volumesnapshots"),
    ("create", "tridentsnapshotinfos"), ("delete", "tridentsnapshotinfos")}

OF_THE_STORE = {"leases", "events", "unifiedvolumereplications",
                "customresourcedefinitions"}


class Entry:
    """An object as it was at a moment; `at` is the revision of its etcd."""
    def __init__(self, site, kind, event, found):
        self.site, self.kind, self.event = site, kind, event
        self.meta, self.spec = found["metadata"], found.get("spec") or {}
        self.status = found.get("status") or {}
        self.at = int(self.meta["resourceVersion"])
        self.mapping = (self.spec.get("volumeMappings") or [{}])[0]
        said = (self.status.get("conditions") or [{}])[0]
        self.says = said.get("state", self.status.get("state"))
        self.wants = self.spec.get("state")

    def __repr__(self):
        return (f"\n{self.at} {self.site} {self.event} {self.kind} "
                f"{self.meta['name']} {self.spec} says {self.says}")


class Diary:
    """Of both sites, each version once, as it came."""
    def __init__(self, clusters, kinds=("tmr", "tamu", "tsi", "vs")):
        self.lock, self.entries = threading.Lock(), []
        self.informers = [Informer(c, kind, self.writer(site, kind))
                          for site, c in clusters.items() for kind in kinds]
        for one in self.informers:
            one.start()
        for one in self.informers:
            assert one.synced.wait(30), one.path

    def writer(self, site, kind):
        def tell(event, _old, new):
            with self.lock:
                self.entries.append(Entry(site, kind, event, new))
        return tell

    def all(self, site=None, kind=None, name=None):
        with self.lock:
            return [e for e in self.entries if site in (None, e.site) and
                    kind in (None, e.kind) and
                    name in (None, e.meta["name"])]

    def made(self, site, kind):
        """The names of those that there have been, in order."""
        return list(dict.fromkeys(
            e.meta["name"] for e in self.all(site, kind)))

    def wanted(self, site):
        """(state, snapshot) of its relationship, one after the other, of each
        generation once."""
        seen = {e.meta["generation"]: (
            e.wants, e.mapping.get("promotedSnapshotHandle") or "")
            for e in self.all(site, "tmr")}
        return [seen[g] for g in sorted(seen)]

    def stop(self):
        for one in self.informers:
            one.stop()


class Gate:
    """Holds one request, the first whose body has that: before the API server
    has it, or its answer.  Then it is passed on, or its connection is reset."""
    def __init__(self, after=False, body=""):
        self.after, self.body, self.is_lost = after, re.compile(body), False
        self.arrived, self.opened = threading.Event(), threading.Event()
        self.proxy = self.rule = None

    def __call__(self, exchange):
        if self.arrived.is_set() or \
                not self.body.search(exchange.body.decode()):
            return exchange.forward()
        if self.after:
            for _ in exchange.ask().pieces:
                pass
        self.arrived.set()
        assert self.opened.wait(60 * FACTOR)
        if self.is_lost or self.after:
            exchange.finish(reset=True)
        return exchange.forward()

    def wait(self, seconds=20):
        assert self.arrived.wait(seconds * FACTOR), "nothing came"
        return self

    def open(self, is_lost=False):
        with self.proxy.turn:
            self.proxy.rules.remove(self.rule)
        self.is_lost = is_lost
        self.opened.set()


class Tmr(Seen):
    @property
    def wants(self):
        return self.get()["spec"].get("state")

    @property
    def says(self):
        return self.condition().get("state")

    def condition(self, found=None):
        found = found or self.get()
        return (found.get("status", {}).get("conditions") or [{}])[0]

    def await_said(self, state, seconds=10):
        return self.until(lambda f: self.condition(f).get("state") == state,
                          state, seconds)

    def mapping(self, **more):
        """Changed by hand: the list is replaced whole."""
        [one] = self.get()["spec"]["volumeMappings"]
        return self.spec(volumeMappings=[{**one, **more}])


class TridentLab(TridentSites):
    def __init__(self, a, b, **options):
        self.options, self.via, self.by_hand = options, {}, set()
        self.marks = {s: c.mark() for s, c in (("a", a), ("b", b))}
        super().__init__(a, b)
        self.faults, self.storage = self.double.faults, self.double.storage

    def prepare(self):
        super().prepare()
        self.diary = Diary(self.clusters)

    # ---- daemons ----

    def proxy(self, of, site="b"):
        """By which the daemons of a site see an API server."""
        if (site, of) not in self.via:
            self.via[site, of] = Proxy(self.clusters[of], token=None).start()
        return self.via[site, of]

    def config(self, site="b", **more):
        configs = {of: self.proxy(of, site).kubeconfig("token")
                   for of in self.clusters}
        return super().config(site, kubeconfigs=configs, **more)

    def gate(self, of, method="PATCH", path=TMRS, body="", after=False,
             site="b"):
        """The next request of that kind is held."""
        one, proxy = Gate(after, body), self.proxy(of, site)
        one.rule = proxy.rule(one, method, path)
        one.proxy = proxy
        return one

    def lose(self, site):
        """All of it; of its API server what daemons see."""
        self.double.stop_site(site)
        for (_, of), proxy in self.via.items():
            if of == site:
                proxy.down()

    def find_again(self, site):
        for (_, of), proxy in self.via.items():
            if of == site:
                proxy.up()
        self.double.start_site(site)

    # ---- pairs ----

    def ready(self, name, site="b", count=3, **config):
        """(Pair, its directory): its copy is whole."""
        pair = self.new_pair(name)
        one = pair.make(self.daemon(site, **config))
        pair.write("a", count)
        self.whole(pair, one)
        return pair, one

    def whole(self, pair, one):
        await_equal(pair)
        await_verdict(one, "promoting", "allowed")

    def bare(self, name):
        """A pair of which only the source's claim is there."""
        self.clusters["b"].make_namespace(NS)
        return self.new_pair(name, native=False)

    def follow(self, pair, relation=None):
        """The claim of the mirror, as its user writes it; its volume."""
        self.double.storage_class("b")
        self.double.bare_claim("b", NS, pair.claim, annotations={
            "trident.netapp.io/mirrorRelationship": relation or pair.claim})
        self.await_bound(pair.claim)
        pair.handles = {"a": pair.handles["a"] if hasattr(pair, "handles")
                        else self.double.volume_of("a", NS, pair.claim)[1],
                        "b": self.double.volume_of("b", NS, pair.claim)[1]}

    def tmr(self, site, name):
        return Tmr(self.clusters[site], crds.path("tmr", NS, name))

    def list(self, site, short):
        return self.clusters[site].request(
            "GET", crds.path(short, NS))[1]["items"]

    def acts(self, verb, site=None):
        """What ONTAP was asked for."""
        return self.storage.actions(site, verb)

    # ---- what the daemons have asked of the API servers ----

    def asked(self, site, verb=None, resource=None):
        """By a daemon, of what its backend looks at."""
        return [r for r in self.clusters[site].requests(
            self.marks[site], agent=AGENT) if verb in (None, r["verb"]) and
            resource in (None, r["object"].get("resource")) and
            r["object"].get("resource") not in OF_THE_STORE]

    def written(self, site=None):
        """(Site, verb, resource, name) of the writes to a vendor's objects."""
        return [(s, r["verb"], r["object"].get("resource"),
                 r["object"].get("name"))
                for s in ([site] if site else self.clusters)
                for r in self.asked(s)
                if r["verb"] not in ("get", "list", "watch")]

    def at_rest(self, seconds=0.3):
        """What has been written, once nothing is added: the audit has a request
        later than who asked has its answer."""
        found, since = self.written(), time.monotonic()

        def check():
            nonlocal found, since
            now = self.written()
            if now != found:
                found, since = now, time.monotonic()
            return time.monotonic() - since > seconds * FACTOR
        until(check, "the audit is complete")
        return found

    def patches(self, of):
        """The bodies of those of relationships."""
        return [json.loads(seen.body) for (_, to), proxy in self.via.items()
                if to == of for seen in proxy.seen("PATCH", TMRS)]

    # ---- the end ----

    def check(self):
        """What holds whatever happens."""
        for site in self.clusters:
            for r in self.asked(site):
                assert r["verb"] in ("get", "list", "watch") or (
                    r["verb"], r["object"]["resource"]) in WRITES and \
                    not r["object"].get("subresource"), r
            for body in self.patches(site):
                check_patch(body)
            self.check_fixed(site)
            self.check_arrived(site)

    def check_fixed(self, site):
        """What a relationship has is kept, whoever looks at it."""
        first = {}
        for e in self.diary.all(site, "tmr"):
            old = first.setdefault(e.meta["uid"], {})
            for key in MAPPED + MIRROR:
                value = {**e.spec, **e.mapping}.get(key)
                if value and (site, key) not in self.by_hand:
                    assert old.setdefault(key, value) == value, (key, e)
                assert value or not old.get(key), (key, e)

    def check_arrived(self, site):
        """No promotion with a snapshot but after an update that has brought
        it: both are in the same etcd, whose revisions are an order."""
        for e in self.diary.all(site, "tmr"):
            handle = e.mapping.get("promotedSnapshotHandle")
            if handle and e.wants == "promoted":
                assert any(u.says == "Succeeded" and u.at < e.at and
                           u.spec.get("snapshotHandle") == handle
                           for u in self.diary.all(site, "tamu")), \
                    (e, self.diary.all(site, "tamu"))

    def close(self):
        try:
            destroy_all(self.daemons)
            self.check()
        finally:
            for proxy in self.via.values():
                proxy.clear()
                proxy.stop()
            self.diary.stop()
            super().close()


def check_patch(body):
    """Policy and schedule are not even named, no word is made up, and each is
    bound to what was seen."""
    spec = body.get("spec", {})
    assert not set(spec) & set(MIRROR), body
    assert spec.get("state", "promoted") in (
        "promoted", "established", "reestablished"), body
    assert body["metadata"]["resourceVersion"], body
    for one in spec.get("volumeMappings", ()):
        assert one["localPVCName"], body


# ---- what people see ----

def await_verdict(one, word, verdict, seconds=20):
    try:
        until(lambda: one.verdict(word) == verdict, f"{word} {verdict}",
              seconds)
    except AssertionError:
        raise AssertionError(f"{word} is not {verdict}\n{one.plan(word)}"
                             f"{one.explain()}") from None


def told(one):
    """Where people look when it does not go on; each line once."""
    text = one.read("conditions") + one.error + one.read("log") + "".join(
        p.read_text() for p in (one / "plan").iterdir())
    return "\n".join(dict.fromkeys(text.splitlines()))


def await_told(one, *words, seconds=15):
    try:
        until(lambda: all(w in told(one) for w in words), words, seconds)
    except AssertionError:
        raise AssertionError(f"not told: {words}\n{told(one)}") from None


def await_state(one, state, seconds=20):
    try:
        until(lambda: one.state == state, state, seconds)
    except AssertionError:
        raise AssertionError(f"not {state}\n{one.explain()}") from None


@pytest.fixture
def make_trident(cluster, other_cluster):
    """With options of the double's."""
    with making(TridentLab, other_cluster, cluster) as new:
        yield new


@pytest.fixture
def trident(make_trident):
    return make_trident()
