# SPDX-License-Identifier: Apache-2.0
"""What the doubles of the vendors' controllers share.

A double is a simulated storage, which is the truth and the same for both
sites, and a controller at each site that has an API server:

    with Ceph(a=here, b=there) as double:
        double.claim("a", "apps", "data")
        double.faults.add("promote-error", site="b", times=1, message="...")
        assert len(double.storage.actions("b", "promote")) == 1

A controller is as those made with controller-runtime: watches put keys into a
queue, and one thread looks at each anew.  What goes wrong is tried again after
a time that doubles; here from 5 ms to a second, not to 1000 s.
"""
import collections
import contextlib
import heapq
import http.client
import json
import socket
import threading
import time
import traceback

import crds
from kube import ADMIN
from vendor_scenery import Scenery
from vendor_storage import (Faults, GrpcError, Storage, Volume,  # noqa: F401
                            now)

BACKOFF = 0.005, 1.0
SOON = 0.02
TROUBLE = OSError, http.client.HTTPException


class Retry(Exception):
    """To be tried again, with a backoff."""


class Wait(Exception):
    """To be looked at again soon: what it waits for is still going on."""


# ---- a controller ----

class Queue:
    """Keys with the time when each is due; the earliest one counts."""
    def __init__(self):
        self.turn, self.due, self.heap = threading.Condition(), {}, []
        self.closed = False

    def add(self, key, after=0.0):
        at = time.monotonic() + after
        with self.turn:
            if at < self.due.get(key, at + 1):
                self.due[key] = at
                heapq.heappush(self.heap, (at, key))
                self.turn.notify()

    def pop(self):
        """None when it is closed."""
        with self.turn:
            while not self.closed:
                while self.heap and self.due.get(self.heap[0][1]) != \
                        self.heap[0][0]:
                    heapq.heappop(self.heap)
                wait = self.heap and self.heap[0][0] - time.monotonic()
                if self.heap and wait <= 0:
                    key = heapq.heappop(self.heap)[1]
                    del self.due[key]
                    return key
                self.turn.wait(wait or None)

    def close(self):
        with self.turn:
            self.closed = True
            self.turn.notify()


def replaced(old, new):
    """A merge patch that leaves nothing but the new."""
    made = {k: None for k in old if k not in new}
    for key, value in new.items():
        was = old.get(key)
        made[key] = replaced(was, value) if isinstance(was, dict) and \
            isinstance(value, dict) else value
    return made


class Api:
    """An API server for one thread.  Trouble, and what it refuses, is raised:
    the controller comes back to it."""
    def __init__(self, cluster, agent):
        self.client = cluster.client(ADMIN, agent=agent)

    def ask(self, method, path, body=None):
        """None when it is not there, or is there already."""
        status, answer = self.client.request(method, path, body)
        if status == 404 or status == 409 and method == "POST":
            return None
        if status == 409:
            raise Retry
        if status in (400, 422):        # a mistake of the double's
            raise ValueError(f"{method} {path} {body}: {answer}")
        if not 200 <= status < 300:
            raise ConnectionError(f"{method} {path}: {status} {answer}")
        return answer

    def get(self, short, namespace=None, name=None):
        return self.ask("GET", crds.path(short, namespace, name))

    def list(self, short, namespace=None):
        answer = self.ask("GET", crds.path(short, namespace))
        return answer["items"] if answer else []

    def create(self, short, body, namespace=None):
        if short in crds.KINDS:
            body = {"apiVersion": crds.api_version(short),
                    "kind": crds.KINDS[short][2], **body}
        return self.ask("POST", crds.path(short, namespace), body)

    def patch(self, path, **body):
        return self.ask("PATCH", path, body)

    def set_status(self, path, old, new, sub="/status"):
        """The whole of it: what is not there any more goes."""
        return self.ask("PATCH", path + sub, {
            "status": replaced(old.get("status") or {}, new)})

    def finalizer(self, path, found, name, wanted=True):
        """Whether something had to be done."""
        meta = found["metadata"]
        there = meta.get("finalizers", [])
        if (name in there) == wanted:
            return False
        self.patch(path, metadata={
            "resourceVersion": meta["resourceVersion"],
            "finalizers": there + [name] if wanted else
            [f for f in there if f != name]})
        return True

    def event(self, found, kind, reason, message):
        meta = found["metadata"]
        space = meta.get("namespace", "default")
        self.create("event", {
            "metadata": {"generateName": meta["name"] + ".",
                         "namespace": space},
            "type": kind, "reason": reason, "message": message, "count": 1,
            "firstTimestamp": now(), "lastTimestamp": now(),
            "involvedObject": {
                "kind": found.get("kind"), "name": meta["name"],
                "namespace": meta.get("namespace"), "uid": meta["uid"],
                "apiVersion": found.get("apiVersion")}}, space)


class Informer(threading.Thread):
    """List and watch of one kind; tells (event, old, new) of what it finds."""
    def __init__(self, cluster, short, tell):
        super().__init__(daemon=True)
        self.client = cluster.client(ADMIN, agent="vendor-watch")
        self.path, self.tell = crds.path(short), tell
        self.objects, self.end = {}, threading.Event()
        self.sock, self.synced = None, threading.Event()

    def run(self):
        while not self.end.is_set():
            try:
                self.watch(self.relist())
            except (*TROUBLE, ValueError):      # the end of half a line
                self.client.close()
                self.end.wait(0.05)

    def relist(self):
        status, answer = self.client.request("GET", self.path)
        if status != 200:
            raise ConnectionError(status)
        found = {i["metadata"]["uid"]: i for i in answer["items"]}
        for uid in [u for u in self.objects if u not in found]:
            self.note("DELETED", self.objects[uid])
        for one in found.values():
            self.note("MODIFIED", one)
        self.synced.set()
        return answer["metadata"]["resourceVersion"]

    def watch(self, version):
        connection = self.client.connect(3600)
        try:
            connection.connect()
            self.sock = connection.sock
            if self.end.is_set():
                return
            connection.request("GET", f"{self.path}?watch=1&resourceVersion="
                               f"{version}", headers=self.client.headers)
            answer = connection.getresponse()
            while answer.status == 200 and (line := answer.readline()):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                self.note(event["type"], event["object"])
        finally:
            connection.close()

    def note(self, event, new):
        uid = new["metadata"].get("uid")
        old = self.objects.get(uid)
        if event == "DELETED":
            self.objects.pop(uid, None)
        else:
            self.objects[uid] = new
            event = "MODIFIED" if old else "ADDED"
        if not self.end.is_set():
            self.tell(event, old, new)

    def stop(self):
        self.end.set()
        if self.sock:
            with contextlib.suppress(OSError):
                # Not by the TLS layer, which another thread is using.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
        self.join(10)
        self.client.close()


class Controller:
    """Of one site.  A class of it has `kinds`, and a method look_KIND(path,
    object, name) for each: seconds until it wants to look again, or None."""
    kinds = ()

    def __init__(self, double, site, cluster):
        self.double, self.site, self.cluster = double, site, cluster
        self.storage, self.faults = double.storage, double.faults
        self.thread = None

    def start(self):
        if self.thread:
            return
        self.api = Api(self.cluster, f"vendor-{type(self).__name__}")
        self.queue, self.failures = Queue(), collections.Counter()
        self.begin()
        self.informers = {k: Informer(
            self.cluster, k, lambda *e, k=k: self.notice(k, *e))
            for k in self.kinds}
        self.thread = threading.Thread(target=self.run, daemon=True)
        for one in (self.thread, *self.informers.values()):
            one.start()
        for one in self.informers.values():
            assert one.synced.wait(30), f"{one.path} cannot be listed"

    def begin(self):
        """What a process that starts knows: nothing."""

    def stop(self):
        """It writes nothing from here on."""
        if not self.thread:
            return
        self.queue.close()
        self.thread.join(30)
        for one in self.informers.values():
            one.stop()
        self.api.client.close()
        self.thread = None

    def notice(self, kind, event, old, new):
        """Only a change of the spec counts, and the begin of a deletion."""
        if event == "ADDED" or event == "MODIFIED" and \
                new["metadata"].get("generation") != \
                old["metadata"].get("generation"):
            self.add(kind, new)

    def add(self, kind, found, after=0.0):
        meta = found["metadata"]
        self.queue.add((kind, meta.get("namespace") or "", meta["name"]), after)

    def run(self):
        while key := self.queue.pop():
            kind, namespace, name = key
            path = crds.path(kind, namespace, name)
            try:
                found = self.api.ask("GET", path)
                after = found and getattr(
                    self, "look_" + kind.partition("-")[0])(
                    path, found, (namespace, name))
                self.failures.pop(key, None)
                if after is not None:
                    self.queue.add(key, after)
                continue
            except Wait:
                self.queue.add(key, SOON)
                continue
            except (Retry, GrpcError, *TROUBLE):
                pass
            except Exception:
                self.double.errors.append(traceback.format_exc())
            self.failures[key] += 1
            least, most = BACKOFF
            self.queue.add(key, min(most, least * 2 ** min(
                self.failures[key], 30)))


class Double(Scenery):
    """A vendor's storage, and a controller at each site with a cluster."""
    driver = controllers = ()
    known = ()                  # faults
    bundles = ()                # of CRDs
    is_single = False           # one cluster for both sites

    def __init__(self, a=None, b=None, **options):
        self.clusters = {s: c for s, c in (("a", a), ("b", b)) if c}
        self.errors, self.live = [], {}
        self.faults = Faults((*self.known, "snapshot-error",
                              "hold-snapshot", "hold-transfer"))
        self.storage = self.make_storage(**options)

    def __enter__(self):
        self.storage.thread.start()
        for site, cluster in self.clusters.items():
            crds.install(cluster, *self.bundles)
            self.live[site] = [c(self, site, cluster)
                               for c in self.controllers]
            self.start(site)
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Fails when a double has failed in itself."""
        for site in self.live:
            self.stop(site)
        self.storage.end.set()
        self.storage.thread.join(10)
        self.clean()
        wrong = self.errors + self.storage.errors
        assert not wrong, "\n".join(wrong)

    def start(self, *sites):
        """The controllers of a site, or of all."""
        for site in sites or self.live:
            for one in self.live[site]:
                one.start()

    def stop(self, *sites):
        """Nothing changes in any status any more."""
        for site in sites or self.live:
            for one in self.live[site]:
                one.stop()

    def stop_site(self, site):
        """Controllers and storage; the API server is the caller's."""
        self.stop(site)
        self.storage.down(site)

    def start_site(self, site):
        self.storage.up(site)
        self.start(site)
