# SPDX-License-Identifier: Apache-2.0
"""Two sites with Ceph, and a diary of all that their objects have ever been.

Each test that uses it ends with what holds whatever happens: autoResync is
never true but at a primary, nothing is written but what the backend's page
names, nothing of the vendor's is deleted, and there was neither a forced
promotion nor a second primary, unless the test says that there had to be:

    ceph.expect(forced=1, two_primaries=True)
"""
import itertools
import threading
import time

import pytest
import crds
from doubles import Seen
from proxy import Proxy
from shell import FACTOR, until
from sites import NS, await_equal, making
from sites_ceph import CephSites
from uvr import destroy_all
from vendor import Informer
from vendor_rbd import Image

AGENT = "uvrfs/"
FINAL = ("True", "False", "False")
FOLLOWS = ("True", "True", "True")

# Verb and resource of each write that the backend's page has.
WRITES = {
    ("create", "volumereplications"), ("patch", "volumereplications"),
    ("patch", "volumegroupreplications"),
    ("create", "volumesnapshots"), ("delete", "volumesnapshots"),
    # The store's.
    ("create", "leases"), ("update", "leases"), ("patch", "leases"),
    ("create", "events"), ("patch", "events"),
    ("create", "unifiedvolumereplications"),
    ("update", "unifiedvolumereplications"),
    ("patch", "unifiedvolumereplications")}


class Entry:
    """An object as it was at a moment."""
    def __init__(self, site, kind, event, found):
        self.time, self.site, self.kind, self.event = (
            time.time(), site, kind, event)
        self.meta, self.spec = found["metadata"], found.get("spec") or {}
        self.status = found.get("status") or {}
        self.name = self.meta["name"]
        self.role = self.spec.get("replicationState")

    def __repr__(self):
        return (f"{self.site} {self.event} {self.kind} {self.name} "
                f"gen {self.meta.get('generation')} {self.spec}")


class Diary:
    """Of both sites; as they come, each version once."""
    def __init__(self, clusters, kinds=("vr", "vgr")):
        self.lock, self.entries = threading.Lock(), []
        self.informers = [
            Informer(c, kind, self.writer(site, kind))
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

    def all(self, site=None, kind=None, role=None, name=None):
        with self.lock:
            return [e for e in self.entries if site in (None, e.site) and
                    kind in (None, e.kind) and role in (None, e.role) and
                    name in (None, e.name)]

    def roles(self, site, kind="vr"):
        """What was written there one after the other, by generation."""
        seen = {e.meta["generation"]: e.role for e in self.all(site, kind)}
        return [role for role, _ in itertools.groupby(
            seen[g] for g in sorted(seen))]

    def stop(self):
        for one in self.informers:
            one.stop()


class CephLab(CephSites):
    def __init__(self, a, b, **options):
        self.options, self.proxied = options, set()
        self.via, self.expected = {}, {"forced": 0, "two_primaries": False}
        self.marks = {s: c.mark() for s, c in (("a", a), ("b", b))}
        super().__init__(a, b)
        self.faults, self.storage = self.double.faults, self.double.storage

    def prepare(self):
        super().prepare()
        self.diary = Diary(self.clusters)

    def expect(self, **more):
        self.expected.update(more)

    # ---- daemons, which see what can be lost through a proxy each ----

    def behind(self, *sites):
        """Daemons from now on see the API servers of these through proxies."""
        self.proxied.update(sites)
        return self

    def proxy(self, site, of):
        """That of the daemon of a site."""
        self.behind(of)
        key = (site, of)
        if key not in self.via:
            self.via[key] = Proxy(self.clusters[of], token=None).start()
        return self.via[key]

    def config(self, site="b", users=None, **more):
        users = {"a": "token", "b": "token", **(users or {})}
        configs = {of: (self.proxy(site, of) if of in self.proxied else
                        cluster).kubeconfig(users[of])
                   for of, cluster in self.clusters.items()}
        # What nobody is going to lose may take its time.
        more.setdefault("act", None if self.proxied else "10s")
        return super().config(site, kubeconfigs=configs, **more)

    def lose(self, site):
        """All of it, as before; but of its API server only what the daemons
        see, since that is much faster."""
        assert site in self.proxied
        self.double.stop_site(site)
        for (_, of), proxy in self.via.items():
            if of == site:
                proxy.down()

    def find_again(self, site):
        for (_, of), proxy in self.via.items():
            if of == site:
                proxy.up()
        self.double.start_site(site)

    def part(self):
        """Each site lives, and neither sees the other."""
        assert self.proxied == {"a", "b"}
        self.storage.cut()
        for (site, of), proxy in self.via.items():
            if of != site:
                proxy.down()

    def join(self):
        for (site, of), proxy in self.via.items():
            if of != site:
                proxy.up()
        self.storage.join()

    # ---- pairs ----

    def ready(self, name, site="b", count=3, native=True, **config):
        """(Pair, its directory): its copy is whole."""
        pair = self.new_pair(name, native)
        one = pair.make(self.daemon(site, **config))
        pair.write("a", count)
        self.whole(pair, one)
        return pair, one

    def whole(self, pair, one, word="promoting"):
        """All has crossed, and it is known."""
        await_equal(pair)
        until(lambda: one.verdict(word) == "allowed", "a whole copy", 20)

    def whole_copy(self, pair, one):
        """The same where something else is in the way."""
        await_equal(pair)
        until(lambda: "copy: ok" in one.plan("promoting"), "a whole copy", 20)

    def object(self, site, name, kind="vr"):
        return Vr(self.clusters[site], crds.path(kind, NS, name))

    def replicating(self, site, name, kind="vr"):
        """Once its mirror says so, which needs no snapshot to be believed."""
        one = self.object(site, name, kind)
        one.until(lambda f: (one.condition("Replicating", f) or {}).get(
            "status") == "True", "Replicating")
        return one

    def acts(self, verb, site=None, pair=None):
        """What the storage was asked for."""
        return self.storage.actions(site, verb, pair and pair.handle)

    def polled(self, site, pair, times=3, seconds=10):
        """The storage has been looked at again, by the vendor's controller."""
        def count():
            with self.storage.lock:
                return len([c for c in self.storage.calls if
                            (c.site, c.name, c.verb) ==
                            (site, pair.handle, "read")])
        before = count()
        until(lambda: count() >= before + times, f"looks at {site}", seconds)

    def asked(self, site, verb=None, resource=None):
        """What daemons have asked of an API server in this test."""
        return [r for r in self.clusters[site].requests(
            self.marks[site], agent=AGENT) if verb in (None, r["verb"]) and
            resource in (None, r["object"].get("resource"))]

    def written(self, site=None):
        """(Site, verb, resource, name) of the writes that were taken; leases
        are left out."""
        return [(s, r["verb"], r["object"].get("resource"),
                 r["object"].get("name"))
                for s in ([site] if site else self.clusters)
                for r in self.asked(s) if r["verb"] in
                ("create", "update", "patch", "delete", "deletecollection")
                and r["object"].get("resource") != "leases"
                and r["code"] < 400]

    def at_rest(self, site=None, seconds=0.3):
        """What has been written, once nothing is added: the audit has a request
        later than who asked has its answer."""
        found, since = self.written(site), time.monotonic()

        def check():
            nonlocal found, since
            now = self.written(site)
            if now != found:
                found, since = now, time.monotonic()
            return time.monotonic() - since > seconds * FACTOR
        until(check, "the audit is complete")
        return found

    # ---- what the vendor's controllers and storage do just then ----

    def look(self, site, name, kind="vr"):
        """Its controller looks at an object, though it is not due."""
        self.double.live[site][0].queue.add((kind, NS, name))

    def begin_anew(self, pair, site="b"):
        """A first copy that goes on until hold-transfer is cleared."""
        with self.storage.lock:
            self.faults.add("hold-transfer", site=site)
            self.storage.volumes[site, pair.handle] = image = Image(False)
            image.mirrored = image.syncing = True

    # ---- the end ----

    def check(self):
        """What holds whatever happens."""
        wrong = [e for e in self.diary.all() if e.spec.get("autoResync") and
                 e.role != "primary"]
        assert not wrong, f"autoResync: {wrong}"
        forced = [c for c in self.acts("force-promote")
                  if not c.detail.startswith("EBUSY")]
        assert len(forced) == self.expected["forced"], forced
        for site in self.clusters:
            self.check_writes(site)
        if not self.expected["two_primaries"]:
            self.check_primaries()

    def check_writes(self, site):
        for r in self.asked(site):
            resource = r["object"].get("resource")
            sub = r["object"].get("subresource")
            if resource == "customresourcedefinitions":
                continue        # by install-crd
            assert r["verb"] in ("get", "list", "watch") or (
                r["verb"], resource) in WRITES, r
            assert r["verb"] == "get" or not sub or \
                resource == "unifiedvolumereplications", r

    def check_primaries(self):
        now = {}
        for e in self.diary.all():
            for source in self.sources_of(e):
                now.setdefault(source, {})[e.site] = \
                    e.role if e.event != "DELETED" else None
                roles = now[source]
                assert list(roles.values()).count("primary") < 2, \
                    (e, self.diary.entries)

    def sources_of(self, e):
        if e.kind == "vgr":
            return [f"group {e.name}"]
        source = e.spec["dataSource"]
        return [source["name"]] if source["kind"] != \
            "VolumeGroupReplication" else []

    def close(self):
        try:
            destroy_all(self.daemons)
            self.check()
        finally:
            for proxy in self.via.values():
                proxy.clear()
                proxy.resume()
                proxy.stop()
            self.diary.stop()
            super().close()


class Gate:
    """For a rule of a proxy: what comes waits, and is then passed on."""
    def __init__(self):
        self.arrived, self.opened = threading.Event(), threading.Event()

    def __call__(self, exchange):
        self.arrived.set()
        assert self.opened.wait(60 * FACTOR)
        exchange.forward()

    def wait(self):
        assert self.arrived.wait(20 * FACTOR), "nothing came"

    def open(self):
        self.opened.set()


class Vr(Seen):
    """A VolumeReplication, or a group of them."""
    def triple(self, found=None):
        """Statuses of Completed, Degraded and Resyncing; None unless all are of
        the present generation."""
        found = found or self.get()
        all_of_it = {c["type"]: c for c in
                     found.get("status", {}).get("conditions", ())}
        three = [all_of_it.get(t) for t in
                 ("Completed", "Degraded", "Resyncing")]
        generation = found["metadata"]["generation"]
        if not all(c and c["observedGeneration"] == generation for c in three):
            return None
        return tuple(c["status"] for c in three)

    def reaches(self, triple, state=None, seconds=10):
        return self.until(lambda f: self.triple(f) == triple and state in (
            None, f["status"]["state"]), triple, seconds)

    def condition(self, kind, found=None):
        found = found or self.get()
        return next((c for c in found.get("status", {}).get("conditions", ())
                     if c["type"] == kind), None)

    @property
    def role(self):
        return self.get()["spec"]["replicationState"]


@pytest.fixture
def make_ceph(cluster, other_cluster):
    """With options of the double's."""
    with making(CephLab, other_cluster, cluster) as new:
        yield new


@pytest.fixture
def ceph(make_ceph):
    return make_ceph()
