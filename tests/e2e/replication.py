# SPDX-License-Identifier: Apache-2.0
"""One replication: its manifest, its directory, and the volumes behind it."""
import collections
import json
import shlex
import time

from shell import FACTOR, get, name_of, put, sh, until

WORDS = ("source", "replica", "promoting", "demoting", "syncing", "failed")

Condition = collections.namedtuple("Condition", "status reason since message")


def manifest(name, ns="database", state="replica", here="destination",
             mode="synchronous", schedule="mode: continuous", version=None,
             clusters=None, pvc=None, handle=None):
    """YAML of a replication one endpoint of which is in region `here`."""
    source, destination = clusters or (f"prod-{name}", f"dr-{name}")
    regions = ["there", "here"] if here == "destination" else ["here", "there"]
    meta = f'  resourceVersion: "{version}"\n' if version else ""
    return f"""apiVersion: replication.unified.io/v1alpha1
kind: UnifiedVolumeReplication
metadata:
  name: {name}
  namespace: {ns}
{meta}spec:
  sourceEndpoint:
    cluster: {source}
    region: {regions[0]}
    storageClass: fast
  destinationEndpoint:
    cluster: {destination}
    region: {regions[1]}
    storageClass: fast
  volumeMapping:
    source:
      pvcName: {pvc or name + "-pvc"}
      namespace: {ns}
    destination:
      volumeHandle: {handle or name + "-vol"}
      namespace: {ns}
  replicationState: {state}
  replicationMode: {mode}
  schedule: {{{schedule}}}
"""


class Uvr:
    """One replication's directory, and its two volumes behind it."""

    def __init__(self, daemon, ns, name):
        self.daemon, self.ns, self.name = daemon, ns, name
        self.path = daemon.mnt / ns / name

    def __truediv__(self, name):
        return self.path / name

    def read(self, name):
        return get(self.path / name)

    def write(self, name, text):
        return put(self.path / name, text)

    def ask(self, text):
        """Writes to state, or swap to endpoints, as echo does."""
        name = "endpoints" if text.split()[0] == "swap" else "state"
        return self.write(name, text + "\n")

    @property
    def state(self):
        return self.read("state").strip()

    @property
    def error(self):
        return self.read("error")

    @property
    def status(self):
        return json.loads(self.read("status.json"))

    @property
    def conditions(self):
        found = {}
        for line in self.read("conditions").splitlines():
            kind, status, reason, since, *message = line.split(None, 4)
            found[kind] = Condition(status, reason, since, "".join(message))
        return found

    @property
    def ready(self):
        return self.conditions["Ready"]

    def plan(self, word):
        return self.read(f"plan/{word}")

    def verdict(self, word):
        return self.plan(word).split("\n")[0].split(":")[0]

    def sync(self, name="state", seconds=10):
        return sh(f"sync {shlex.quote(str(self.path / name))}",
                  seconds=seconds).rc

    def done(self, name="state", seconds=10):
        """Waits until the current request is verified."""
        rc = self.sync(name, seconds)
        assert rc == 0, f"sync {name}: {rc}\n{self.explain()}"
        return self

    def await_look(self, seconds=5):
        """Until both sides have been looked at: a daemon that has just started
        on a slow machine may refuse a word for that.  Some can't be."""
        end = time.monotonic() + seconds * FACTOR
        while time.monotonic() < end:
            seen = self.status["observation"]
            if all(seen[side]["reach"] != "unknown"
                   for side in ("here", "peer")):
                break
            time.sleep(0.01)
        return self

    def await_allowed(self, *words, seconds=20):
        """Until each of the words may be asked for here: what another daemon
        of the store has seen is not known to this one."""
        for word in words:
            try:
                until(lambda w=word: self.verdict(w) == "allowed", word,
                      seconds)
            except AssertionError:
                raise AssertionError(f"{word} is not allowed\n"
                                     f"{self.plan(word)}") from None
        return self

    def go(self, *words):
        """Writes the words one after the other, each once the last is done."""
        self.await_look()
        for word in words:
            code = self.ask(word)
            assert code == 0, f"{word}: {name_of(code)}\n{self.explain()}"
            self.done("endpoints" if word.startswith("swap") else "state")
        return self

    def await_cond(self, kind, status, reason=None, seconds=10):
        def check():
            c = self.conditions[kind]
            return c.status == status and reason in (None, c.reason)
        until(check, f"{self.name}: {kind} {status} {reason}", seconds)
        return self.conditions[kind]

    def explain(self):
        text = "".join(f"--- {n}\n{self.read(n)}"
                       for n in ("state", "conditions", "error"))
        log = self.read("log").splitlines(True)
        return text + "--- log\n" + "".join(log[-20:])

    @property
    def source(self):
        return self.status["spec"]["sourceEndpoint"]

    @property
    def destination(self):
        return self.status["spec"]["destinationEndpoint"]

    @property
    def request(self):
        return self.status["status"]["request"]

    @property
    def version(self):
        return self.status["metadata"]["resourceVersion"]

    def seen(self, side):
        """What the backend has seen of `here` or `peer`."""
        return self.status["observation"][side]

    def endpoint_clusters(self):
        """The clusters of this site and of the peer."""
        site = self.status["status"]["site"]
        pair = [self.source, self.destination]
        pair.sort(key=lambda e: site not in (e["cluster"], e["region"]))
        return [e["cluster"] for e in pair]

    def volume_names(self):
        mapping = self.status["spec"]["volumeMapping"]
        return (mapping["source"]["pvcName"],
                mapping["destination"]["volumeHandle"])

    @property
    def here(self):
        return self.endpoint_clusters()[0]

    @property
    def peer(self):
        return self.endpoint_clusters()[1]

    def volume(self, cluster):
        """The simulated volume of this replication at a cluster."""
        found = [p for p in (self.daemon.sim / cluster).glob("*/*")
                 if p.name in self.volume_names()]
        assert len(found) == 1, (cluster, found)
        return found[0]

    @property
    def here_volume(self):
        return self.volume(self.here)

    @property
    def peer_volume(self):
        return self.volume(self.peer)

    def journal(self):
        volumes = self.volume_names()
        return [line for line in self.daemon.journal()
                if line.split()[2].split("/")[-1] in volumes]

    def acts(self):
        return [line.split()[3] for line in self.journal()]

    def picture(self):
        """What a refused request must not change.

        The version moves with what is observed, so it is left out.
        """
        spec = "".join(line for line in self.read("spec.yaml").splitlines(True)
                       if "resourceVersion:" not in line)
        return (self.state, spec, self.read("endpoints"), self.read("mode"),
                self.read("schedule"), self.journal())

    def await_copy(self, frm=None, to=None):
        """Waits until the replica holds the source's bytes."""
        frm, to = frm or self.peer_volume, to or self.here_volume
        until(lambda: frm.read_bytes() == to.read_bytes(), "the copy")
        return self
