# SPDX-License-Identifier: Apache-2.0
"""A replication of a mirrored image, from the side of one daemon."""
from rig import POOL
from uvr import until

MANIFEST = """spec:
  sourceEndpoint: {{cluster: {source}, region: there, storageClass: ceph}}
  destinationEndpoint: {{cluster: {destination}, region: here, storageClass: ceph}}
  volumeMapping:
    source: {{pvcName: {image}, namespace: database}}
    destination: {{volumeHandle: {handle}, namespace: database}}
  replicationState: {state}
  replicationMode: {mode}
  schedule: {{mode: interval, rpo: {rpo}}}
{more}"""


# Of a simulated storage, beside the clusters.
LAB = """spec:
  sourceEndpoint: {cluster: lab-a, region: there, storageClass: lab}
  destinationEndpoint: {cluster: site-b, region: here, storageClass: lab}
  volumeMapping:
    source: {pvcName: lab, namespace: database}
    destination: {volumeHandle: lab, namespace: database}
  replicationState: replica
  replicationMode: asynchronous
  schedule: {mode: continuous}
"""


def manifest(image, state="replica", source="site-a", destination="site-b",
             namespace="", handle=None, rpo="2s", more="",
             mode="asynchronous"):
    path = f"{POOL}/{namespace}/{image}" if namespace else f"{POOL}/{image}"
    return MANIFEST.format(image=image.lower(), state=state, source=source,
                           destination=destination, rpo=rpo, mode=mode,
                           handle=handle or path, more=more)


JOURNALED = "  extensions: {ceph: {mirroringMode: journal}}\n"


def adopt(daemon, image, healthy=True, **options):
    """Makes the replication and waits until all is well with it."""
    r = daemon.mk("database", image, manifest(image, **options))
    r.done(seconds=60)
    if healthy:
        r.await_cond("Degraded", "False", seconds=90)
    return r


def await_plan(r, word, verdict, seconds=60):
    """The plan once its first line begins so."""
    def check():
        text = r.plan(word)
        return text if text.startswith(verdict) else None
    return until(check, f"plan/{word}: {verdict}, not {r.plan(word)}", seconds)


def await_peer(r, reach, seconds=60):
    until(lambda: r.seen("peer")["reach"] == reach, f"the peer is {reach}",
          seconds)


def ask(r, word, seconds=20):
    """Who has just written to the image is still seen as its client, until it
    is looked at again: the word is refused for that long."""
    until(lambda: r.ask(word) == 0, f"{word} is accepted: {r.plan(word)}",
          seconds)
    return r
