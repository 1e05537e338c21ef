# SPDX-License-Identifier: Apache-2.0
"""The tutorial by kubectl, and refusals: a patch and an echo are one act."""
import json
import os
import re

import pytest
import yaml

from cluster_uvr import FINALIZER, Object, SAMPLES, running_lab
from shell import FACTOR, background, never, until
from uvr import manifest, name_of

pytestmark = pytest.mark.limit(120)

ENDS = ("prod-cluster", "dr-cluster")
SAMPLE = (SAMPLES / "production-db.yaml").read_text()
DATA = bytes(range(256)) * 256 + b"the last block\n"

# The tutorial's, as it is there.
FAILOVER = r"""#!/bin/bash
# failover.sh - Automated failover script

UVR_NAME="${1}"
NAMESPACE="${2:-default}"

echo "Starting failover for $UVR_NAME in $NAMESPACE"

# Step 1: Get current state
CURRENT_STATE=$(kubectl get uvr $UVR_NAME -n $NAMESPACE """ \
    r"""-o jsonpath='{.spec.replicationState}')
echo "Current state: $CURRENT_STATE"

if [ "$CURRENT_STATE" != "replica" ]; then
    echo "Error: Can only failover from replica state"
    exit 1
fi

# Step 2: Start promotion
echo "Starting promotion..."
kubectl patch uvr $UVR_NAME -n $NAMESPACE --type='merge' """ \
    r"""-p '{"spec":{"replicationState":"promoting"}}'

# Step 3: Wait for promotion
echo "Waiting for promotion to complete..."
kubectl wait --for=condition=Ready \
  uvr/$UVR_NAME -n $NAMESPACE \
  --timeout=300s

# Step 4: Complete promotion
echo "Completing promotion..."
kubectl patch uvr $UVR_NAME -n $NAMESPACE --type='merge' """ \
    r"""-p '{"spec":{"replicationState":"source"}}'

# Step 5: Verify
NEW_STATE=$(kubectl get uvr $UVR_NAME -n $NAMESPACE """ \
    r"""-o jsonpath='{.spec.replicationState}')
echo "Failover complete. New state: $NEW_STATE"
"""

REVERSED = """
# Update replication to replicate from new source (DR) to old source (recovery)
spec:
  sourceEndpoint:
    cluster: dr-cluster      # Now source
    region: us-west-1
  destinationEndpoint:
    cluster: prod-cluster    # Now replica
    region: us-east-1
"""


@pytest.fixture(scope="module")
def lab(cluster):
    with running_lab(cluster, "dr-cluster", deadline="300s") as one:
        yield one


@pytest.fixture
def d(lab):
    assert lab.main.alive(), "an earlier test has lost the daemon"
    yield lab.main
    for cluster in ENDS:
        lab.main.faults(cluster)


def make(lab, name=None, state="replica", **more):
    """A replication that is healthy, and its object."""
    d = lab.main
    clusters = ENDS if state == "replica" else ENDS[::-1]
    r = getattr(d, state)(name or d.new_name(), clusters=clusters, **more)
    return r, lab.object(r)


def applied(lab, d, text):
    """The same by kubectl."""
    o = lab.apply(text)
    o.wait()
    o.await_copy()
    return d.uvr(o.ns, o.name), o


def hurt(d, r, cluster, *faults):
    """Faults of one replication's volume."""
    path = r.volume(cluster)
    d.faults(cluster, *[f"{r.ns}/{path.name} {f}" for f in faults])


def storage(r):
    """What a refused request must not change."""
    names = r.volume_names()
    return [(str(p), p.stat().st_mode, p.read_bytes())
            for p in sorted(r.daemon.sim.glob("*/*/*"))
            if p.name in names] + r.journal()


def outcome(o):
    """What came of it, but for names, times and who it was."""
    s = o.status
    spec = {k: v for k, v in s["accepted"].items() if k != "volumeMapping"}
    return (s["state"], spec, s["request"]["word"], s["request"]["outcome"],
            [[t.get(k) for k in ("word", "from", "outcome", "failover",
                                 "force")] for t in s["history"]],
            {c["type"]: (c["status"], c["reason"]) for c in s["conditions"]})


def sample(name):
    return SAMPLE.replace("production-db", name)


def rows_until(watch, state):
    """The rows of a `-w` up to the first that is Ready in this state; it ends by
    itself when there is none."""
    rows = []
    while not rows or rows[-1].split()[1:5:3] != [state, "True"]:
        row = watch.stdout.readline()
        assert row, (rows, watch.stderr.read())
        rows.append(row)
    return rows


# ---- the tutorial ----

def by_mount(lab, name):
    d, sync = lab.main, f"timeout {10 * FACTOR} sync"
    at = d.mnt / "database" / name

    def run(command):
        done = lab.shell(f"cd {at} && {command}")
        assert done.rc == 0, (command, done)
        return done.out
    os.mkdir(at)
    (lab.base / "sample.yaml").write_text(sample(name))
    run(f"cp {lab.base}/sample.yaml spec.yaml && {sync} state")
    r = d.uvr("database", name)
    r.peer_volume.write_bytes(DATA)
    assert run("cat state") == "replica\n"
    until(lambda: r.read("plan/promoting").startswith("allowed"),
          "the first copy")
    run(f"echo promoting > state && {sync} state")
    assert run("grep ^Ready conditions").split()[1] == "True"
    run(f"echo source > state && {sync} state")
    r.here_volume.write_bytes(DATA + b"written at DR\n")
    run(f"echo swap > endpoints && {sync} endpoints")
    return r


def by_kubectl(lab, name, seen):
    """The commands of the tutorial, with another name."""
    def run(command):
        done = lab.shell(command.replace("production-db", name))
        assert done.rc == 0, (command, done)
        return done.out

    def wait(seconds):
        run("kubectl wait --for=condition=Ready uvr/production-db -n database "
            f"--timeout={int(seconds * FACTOR)}s")
    (lab.base / "sample.yaml").write_text(sample(name))
    run(f"kubectl apply -f {lab.base}/sample.yaml")
    wait(10)
    r = lab.main.uvr("database", name)
    r.peer_volume.write_bytes(DATA)
    out = run("kubectl get uvr production-db -n database").splitlines()
    assert out[0].split() == ["NAME", "STATE", "MODE", "SOURCE", "READY", "AGE"]
    assert out[1].split()[:5] == [name, "replica", "asynchronous",
                                  f"{name}-pvc", "True"]
    out = run("kubectl describe uvr production-db -n database")
    assert "Verified" in out
    assert re.search(r"Replication State: +replica", out)
    lab.object(r).await_copy()
    watch = background(f"KUBECONFIG={lab.kubeconfig} exec kubectl get uvr "
                       f"{name} -n database -w")
    seen += [watch.stdout.readline(), watch.stdout.readline()]
    run("kubectl patch uvr production-db -n database --type='merge' -p '\n"
        "spec:\n  replicationState: promoting\n'")
    wait(300)
    ready = json.loads(run(
        "kubectl get uvr production-db -n database -o "
        "jsonpath='{.status.conditions[?(@.type==\"Ready\")]}'"))
    assert ready["status"] == "True" and ready["reason"] == "Verified"
    run("kubectl patch uvr production-db -n database --type='merge' -p '\n"
        "spec:\n  replicationState: source\n'")
    wait(10)
    assert run("kubectl get uvr production-db -n database").split("\n")[
        1].split()[1] == "source"
    r.here_volume.write_bytes(DATA + b"written at DR\n")
    run(f"kubectl patch uvr production-db -n database --type=merge -p "
        f"'{REVERSED}'")
    wait(10)
    seen += rows_until(watch, "source")
    watch.terminate()
    seen += watch.communicate(timeout=10 * FACTOR)[0].splitlines()
    return r


def test_the_tutorial_side_by_side(lab, d):
    seen = []
    one = by_mount(lab, "mounted-db")
    two = by_kubectl(lab, "patched-db", seen)
    for r in (one, two):
        r.await_cond("Degraded", "False")
        r.await_copy(r.here_volume, r.peer_volume)
        assert r.peer_volume.read_bytes() == DATA + b"written at DR\n"
        assert lab.object(r).status["accepted"]["sourceEndpoint"][
            "cluster"] == "dr-cluster"
        assert r.error == ""
    assert outcome(lab.object(one)) == outcome(lab.object(two))
    assert [a for a in one.acts()] == [a for a in two.acts()]
    assert one.read("endpoints") == two.read("endpoints")
    # What `-w` has shown, each state once.
    states = [line.split()[1] for line in seen if line.startswith("patched")]
    assert [s for i, s in enumerate(states) if states[i - 1:i] != [s]] == [
        "replica", "promoting", "source"]
    out = lab.object(two).await_events("Accepted", "promoting", "source",
                                       "Verified", "swap")
    assert "Warning" not in out


def test_the_tutorials_script(lab, d):
    r, o = make(lab)
    r.peer_volume.write_bytes(DATA)
    script = lab.base / "failover.sh"
    script.write_text(FAILOVER)
    done = lab.shell(f"bash {script} {r.name} database")
    assert done.rc == 0, done
    assert "New state: source" in done.out and "condition met" in done.out
    assert o.wait().returncode == 0 and r.state == "source"
    assert r.here_volume.read_bytes() == DATA
    assert o.history() == ["replica", "promoting", "source"]
    assert lab.shell(f"bash {script} {r.name} database").rc == 1


def test_rollback(lab, d):
    r, o = make(lab)
    hurt(d, r, r.here, "no-copy")
    r.peer_volume.write_bytes(DATA)
    o.ask("promoting")
    until(lambda: "demote-peer" in r.acts(), "the peer steps down")
    assert o.wait(1, check=False).returncode != 0
    assert o.ready.status == "False" and r.ready.status == "False"
    o.ask("replica")
    o.wait()
    assert r.state == "replica" and os.stat(r.peer_volume).st_mode & 0o200
    d.faults(r.here)
    r.await_copy()
    o.go("promoting", "source")
    assert r.here_volume.read_bytes() == DATA


def test_edit(lab, d):
    r, o = make(lab)
    for word in ("promoting", "source"):
        editor = (f"sed -i 's/^  replicationState: .*/  replicationState: "
                  f"{word}/'")
        done = lab.shell(f"kubectl edit uvr {r.name} -n database",
                         KUBE_EDITOR=editor)
        assert done.rc == 0 and "edited" in done.out, done
        o.wait()
        assert r.state == word and o.status["state"] == word
    assert o.history() == ["replica", "promoting", "source"]


def test_swap_in_place_of_the_block(lab, d):
    r, o = make(lab)
    o.go("promoting", "source")
    before = o.spec
    assert r.ask("swap") == 0
    r.done("endpoints")
    after = o.spec
    assert after["sourceEndpoint"] == before["destinationEndpoint"]
    assert after["destinationEndpoint"] == before["sourceEndpoint"]
    o.go("demoting", "replica")
    assert r.state == "replica" and o.history()[-2:] == ["demoting", "replica"]


def test_columns(lab, d):
    r, o = make(lab)
    o.patch("source")
    o.await_ready("False")
    head, row = o.kubectl("get", "-o", "wide").stdout.splitlines()
    assert head.split() == ["NAME", "STATE", "MODE", "SOURCE", "READY", "AGE",
                            "ASKED", "REASON", "BACKEND"]
    row = row.split()
    assert row[:5] == [r.name, "replica", "synchronous", f"{r.name}-pvc",
                       "False"]
    assert row[6:] == ["source", "InvalidStateTransition", "lab"]


def test_wait_never_returns_for_an_old_generation(lab, d):
    r, o = make(lab)
    hurt(d, r, r.here, "slow 150")
    words = ("promoting", "source", {"sourceEndpoint": o.spec[
        "destinationEndpoint"], "destinationEndpoint": o.spec[
            "sourceEndpoint"]}, "demoting", "replica")
    for spec in words:
        o.ask(spec)
        o.wait()
        now = o.get()
        request = now["status"]["request"]
        assert request["outcome"] == "verified"
        assert request["word"] == (spec if isinstance(spec, str) else "swap")
        assert now["status"]["observedGeneration"] == now["metadata"][
            "generation"]
    assert len(o.history()) == 6


# ---- refusals ----

def promoting(lab, d, r):
    lab.object(r).go("promoting")


def promoting_pending(lab, d, r):
    hurt(d, r, r.here, "no-copy")
    r.peer_volume.write_bytes(DATA)
    lab.object(r).patch("promoting")
    until(lambda: r.state == "promoting" and "demote-peer" in r.acts() and
          "final" in r.conditions["Progressing"].message, "it is under way")


def demoting(lab, d, r):
    lab.object(r).go("demoting")


def failed_promoting(lab, d, r):
    hurt(d, r, r.here, "final promote")
    lab.object(r).patch("promoting")
    until(lambda: r.state == "failed", "it has failed")


# Made as, what is done then, the state, and what is illegal from there.
FROM = {
    "replica": ("replica", None, "replica", "source demoting failed"),
    "source": ("source", None, "source", "replica promoting syncing failed"),
    "promoting": ("replica", promoting, "promoting",
                  "demoting syncing failed"),
    "promoting, pending": ("replica", promoting_pending, "promoting",
                           "source demoting syncing failed"),
    "demoting": ("source", demoting, "demoting", "promoting syncing failed"),
    "failed": ("replica", failed_promoting, "failed", "demoting failed"),
}


@pytest.mark.parametrize("start", FROM)
def test_illegal_edges_are_not_carried_out(lab, d, start):
    born, act, state, words = FROM[start]
    r, o = make(lab, state=born)
    if act:
        act(lab, d, r)
    asked = o.spec["replicationState"]
    accepted, history = o.status["accepted"], o.history()
    before = storage(r)
    for word in words.split():
        o.patch(word)
        ready = o.await_ready("False", "InvalidStateTransition")
        assert word in ready.message, ready
        assert o.spec["replicationState"] == word
        assert o.status["accepted"] == accepted
        assert o.status["state"] == r.state == state
        assert (r.ready.status, r.ready.reason) == (
            "False", "InvalidStateTransition")
        assert ready.message in r.error and ready.message in r.read("log")
        assert o.history() == history and storage(r) == before
    assert o.wait(1, check=False).returncode != 0
    o.await_events("Warning", "InvalidStateTransition")
    o.patch(asked)
    until(lambda: o.ready and o.ready.reason != "InvalidStateTransition",
          "patching back clears it")
    o.settle()
    assert o.history() == history and r.state == state
    assert storage(r) == before
    assert r.error == "" or state == "failed"


def test_a_refusal_by_kubectl_is_shown_where_people_look(lab, d):
    r, o = make(lab)
    o.ask("source")
    ready = o.await_ready("False", "InvalidStateTransition")
    assert "promoting" in ready.message         # what is allowed
    assert ready.message in o.kubectl("describe").stdout
    # What the daemon writes of itself leaves what was asked alone.
    d.faults("prod-cluster", f"database/{r.peer_volume.name} down")
    r.await_cond("Degraded", "True", "PeerUnreachable")
    assert o.spec["replicationState"] == "source" and r.state == "replica"
    # Another write here mends it: what was accepted is what is asked again.
    d.faults("prod-cluster")
    r.await_cond("Degraded", "False")
    assert r.ask("promoting") == 0
    r.done()
    assert o.spec["replicationState"] == "promoting"


INVALID = {
    "interval without rpo": (
        {"schedule": {"mode": "interval", "rpo": None}}, "rpo"),
    "identical endpoints": (
        {"sourceEndpoint": {"cluster": "dr-cluster", "region": "here",
                            "storageClass": "fast"}}, "identical"),
    "a cluster's name": ({"sourceEndpoint": {"cluster": "No Name"}},
                         "No Name"),
    "a pvc's name": ({"volumeMapping": {"source": {"pvcName": "A_B"}}}, "A_B"),
}


@pytest.mark.parametrize("what", INVALID)
def test_what_only_we_find_wrong(lab, d, what):
    spec, word = INVALID[what]
    r, o = make(lab)
    before, old, accepted = storage(r), o.spec, o.status["accepted"]
    o.ask(spec)
    ready = o.await_ready("False", "ValidationFailed")
    assert word in ready.message and word in r.error
    assert o.status["accepted"] == accepted and storage(r) == before
    assert r.state == "replica"
    o.patch(old)
    o.await_ready("True")
    assert r.error == "" and storage(r) == before


@pytest.mark.parametrize("spec,word", [
    ({"volumeMapping": {"source": {"pvcName": "another"}}}, "immutable"),
    ({"volumeMapping": {"destination": {"volumeHandle": "v2"}}}, "immutable"),
    ({"sourceEndpoint": {"cluster": "elsewhere"}}, "endpoints"),
    ({"destinationEndpoint": {"storageClass": "slow"}}, "endpoints")])
def test_what_never_changes(lab, d, spec, word):
    r, o = make(lab)
    before, old, accepted = storage(r), o.spec, o.status["accepted"]
    o.ask(spec)
    ready = o.await_ready("False")
    assert ready.reason in ("ValidationFailed", "InvalidStateTransition")
    assert word in ready.message
    assert o.status["accepted"] == accepted and storage(r) == before
    o.patch(old)
    o.await_ready("True")


def test_endpoints_and_state_at_once(lab, d):
    """Of the tutorial's order nothing may be left out."""
    r, o = make(lab)
    spec = o.spec
    o.ask({"sourceEndpoint": spec["destinationEndpoint"],
           "destinationEndpoint": spec["sourceEndpoint"],
           "replicationState": "source"})
    o.await_ready("False")
    assert r.state == "replica" and "promote" not in r.acts()


# ---- births ----

@pytest.mark.parametrize("state", ["promoting", "demoting", "syncing",
                                   "failed"])
def test_born_as_what_nothing_is_born_as(lab, d, state):
    name = d.new_name("b")
    o = lab.apply(manifest(name, state=state, clusters=ENDS))
    ready = o.await_ready("False", "InvalidStateTransition")
    assert state in ready.message and "source or replica" in ready.message
    assert "accepted" not in o.status
    assert not (d.sim / "dr-cluster/database" / f"{name}-vol").exists()
    o.await_events("Warning", "InvalidStateTransition")
    r = d.uvr("database", name)
    assert not (r / "state").exists() and state in r.error
    o.ask("replica")
    o.wait()
    assert r.state == "replica" and o.history() == ["replica"]


def test_born_wrong(lab, d):
    name = d.new_name("b")
    o = lab.apply(manifest(name, schedule="mode: interval", clusters=ENDS))
    assert "rpo" in o.await_ready("False", "ValidationFailed").message
    assert o.wait(1, check=False).returncode != 0
    lab.apply(manifest(name, schedule="mode: interval, rpo: 5m",
                       clusters=ENDS))
    o.wait()
    assert d.uvr("database", name).state == "replica"


def test_born_wrong_and_deleted(lab, d):
    name = d.new_name("b")
    o = lab.apply(manifest(name, state="failed", clusters=ENDS))
    o.await_ready("False")
    o.kubectl("delete")
    until(lambda: not (d.mnt / "database" / name).exists(), "it has gone")


def test_two_for_one_pvc(lab, d):
    r, _ = make(lab)
    name = d.new_name("b")
    o = lab.apply(manifest(name, pvc=f"{r.name}-pvc", clusters=ENDS))
    ready = o.await_ready("False")
    assert f"{r.name}'" in ready.message and "already" in ready.message
    assert "accepted" not in o.status
    # When the first has gone, there is room.
    os.rmdir(r.path)
    o.patch({"replicationMode": "asynchronous"})
    until(lambda: o.status.get("accepted"), "it is accepted")


def test_both_of_one_pvc_at_once(lab, d):
    pvc = d.new_name("claim")
    names = [d.new_name("b") for _ in range(4)]
    text = "---\n".join(manifest(n, pvc=pvc, handle=f"{pvc}-vol",
                                 clusters=ENDS) for n in names)
    lab.kubectl("apply", "-f", "-", input=text)
    all_of = [Object(lab, "database", n) for n in names]
    until(lambda: all(o.ready and o.ready.reason != "InProgress"
                      for o in all_of), "all are decided")
    assert len([o for o in all_of if o.status.get("accepted")]) == 1


# ---- force ----

def needs_force(lab, d):
    r, o = make(lab)
    d.faults("prod-cluster", f"database/{r.peer_volume.name} refuse")
    r.await_cond("Degraded", "True", "PeerRefused")
    return r, o


def test_force(lab, d):
    r, o = needs_force(lab, d)
    o.ask("promoting")
    ready = o.await_ready("False", "InvalidStateTransition")
    assert "force" in ready.message
    o.ask("replica")
    o.await_ready("True")
    o.ask("promoting", force="promoting")
    o.wait()
    assert "uvrfs/force" not in o.notes and r.state == "promoting"
    assert o.status["request"]["force"] is True
    assert o.history() == ["replica", "promoting"]
    assert "uvrfs/force" not in r.read("spec.yaml")


def test_force_after_a_refusal(lab, d):
    """The annotation alone: the spec still asks for it."""
    r, o = needs_force(lab, d)
    o.ask("promoting")
    o.await_ready("False", "InvalidStateTransition")
    o.kubectl("annotate", "uvrfs/force=promoting")
    until(lambda: r.state == "promoting", "it is carried out")
    o.wait()
    assert "uvrfs/force" not in o.notes


@pytest.mark.parametrize("word", ["source", "nonsense", "replica",
                                  "promoting force", "x" * 40])
def test_force_for_something_else(lab, d, word):
    r, o = needs_force(lab, d)
    before = storage(r)
    o.ask("promoting", force=word)
    ready = o.await_ready("False")
    assert "uvrfs/force" in ready.message
    until(lambda: "uvrfs/force" not in o.notes, "it is removed")
    assert r.state == "replica" and storage(r) == before
    # It does not come back with the next patch.
    o.ask("replica")
    o.await_ready("True")
    o.ask("promoting")
    assert "force" in o.await_ready("False").message
    assert r.state == "replica" and storage(r) == before


def test_force_without_a_need_is_consumed(lab, d):
    r, o = make(lab)
    o.ask("promoting", force="promoting")
    o.wait()
    until(lambda: "uvrfs/force" not in o.notes, "it is removed")
    assert o.history() == ["replica", "promoting"]
    # Of a state that is verified already: nothing is to be done.
    before = storage(r)
    o.kubectl("annotate", "uvrfs/force=promoting")
    until(lambda: "uvrfs/force" not in o.notes, "it is removed")
    o.await_ready("True")
    assert o.history() == ["replica", "promoting"] and storage(r) == before


def test_swap_by_force(lab, d):
    r, o = make(lab)
    d.faults("prod-cluster", f"database/{r.peer_volume.name} down")
    r.await_cond("Degraded", "True", "PeerUnreachable")
    o.go("promoting", "source")
    r.here_volume.write_bytes(b"only here\n")
    r.peer_volume.write_bytes(b"only there\n")
    d.faults("prod-cluster")
    r.await_cond("Degraded", "True", "SplitBrain")
    spec = o.spec
    swapped = {"sourceEndpoint": spec["destinationEndpoint"],
               "destinationEndpoint": spec["sourceEndpoint"]}
    o.ask(swapped)
    assert "force" in o.await_ready("False").message
    assert r.peer_volume.read_bytes() == b"only there\n"
    o.kubectl("annotate", "uvrfs/force=swap")
    o.wait()
    r.await_copy(r.here_volume, r.peer_volume)
    assert r.peer_volume.read_bytes() == b"only here\n"


# ---- robots ----

def test_apply_of_yesterday_does_not_roll_back(lab, d):
    text = manifest(d.new_name(), clusters=ENDS)
    r, o = applied(lab, d, text)
    hurt(d, r, r.here, "no-copy")
    r.peer_volume.write_bytes(DATA)
    o.ask("promoting")
    until(lambda: "demote-peer" in r.acts(), "it is under way")
    lab.apply(text)
    ready = o.await_ready("False", "InvalidStateTransition")
    assert "resourceVersion" in ready.message
    assert r.state == "promoting" and "promote-peer" not in r.acts()
    d.faults(r.here)
    until(lambda: o.status["request"]["outcome"] == "verified", "it goes on")
    assert r.state == "promoting"
    # Once more, and by an apply of the server's.
    never(lambda: "promote-peer" in r.acts(), "a roll back", 0.3)
    lab.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-",
                input=text)
    never(lambda: r.state != "promoting", "a roll back", 0.3)
    # People may.
    o.ask("promoting")
    o.wait()
    assert o.history() == ["replica", "promoting"]


def test_apply_of_what_is_so_already(lab, d):
    name = d.new_name()
    text = manifest(name, clusters=ENDS)
    o = lab.apply(text)
    o.wait()
    before = o.meta["generation"], o.history()
    assert "unchanged" in lab.kubectl("apply", "-f", "-", input=text).stdout
    assert (o.meta["generation"], o.history()) == before


def test_apply_moves_forward(lab, d):
    """What is no roll back a manifest may ask."""
    name = d.new_name()
    o = lab.apply(manifest(name, clusters=ENDS))
    o.wait()
    o = lab.apply(manifest(name, clusters=ENDS, state="promoting",
                           mode="asynchronous"))
    o.wait()
    assert d.uvr("database", name).state == "promoting"
    assert o.status["accepted"]["replicationMode"] == "asynchronous"


def test_patch_of_replica_after_apply_is_a_roll_back(lab, d):
    r, o = applied(lab, d, manifest(d.new_name(), clusters=ENDS))
    hurt(d, r, r.here, "no-copy")
    r.peer_volume.write_bytes(DATA)
    o.ask("promoting")
    until(lambda: "demote-peer" in r.acts(), "it is under way")
    o.ask("replica")
    o.wait()
    assert r.state == "replica" and "promote-peer" in r.acts()


def test_hold_refuses_patches_too(lab, d):
    r, o = make(lab)
    assert r.write("hold", "the quarter's end\n") == 0
    before = storage(r)
    o.ask("promoting")
    ready = o.await_ready("False")
    assert "held: the quarter's end" in ready.message
    assert r.state == "replica" and storage(r) == before
    # Taking it away does not start what was refused.
    assert r.write("hold", "\n") == 0
    never(lambda: r.state != "replica", "a promotion", 0.3)
    o.ask("replica")
    o.await_ready("True")
    o.go("promoting")


# ---- manifests, and what else is edited ----

OPERATORS = ["""\
apiVersion: replication.unified.io/v1alpha1
kind: UnifiedVolumeReplication
metadata:
  name: postgres-replication
  namespace: database
  labels:
    app: postgres
    tier: critical
spec:
  sourceEndpoint:
    cluster: prod-cluster
    region: us-east-1
    storageClass: ceph-rbd
  destinationEndpoint:
    cluster: dr-cluster
    region: us-west-1
    storageClass: ceph-rbd
  volumeMapping:
    source:
      pvcName: postgres-data
      namespace: database
    destination:
      volumeHandle: postgres-data-replica
      namespace: database
  replicationState: replica
  replicationMode: asynchronous
  schedule:
    mode: interval
    rpo: "15m"
    rto: "5m"
  extensions:
    ceph:
      mirroringMode: journal
""", """\
apiVersion: replication.unified.io/v1alpha1
kind: UnifiedVolumeReplication
metadata:
  name: demo-trident-replication
  namespace: web
spec:
  sourceEndpoint: {cluster: prod-cluster, region: us-east-1, """
             """storageClass: trident-nas}
  destinationEndpoint: {cluster: dr-cluster, region: us-west-1, """
             """storageClass: trident-san}
  volumeMapping:
    source: {pvcName: my-app-data, namespace: web}
    destination: {volumeHandle: my-app-data-dr, namespace: web}
  replicationState: replica
  replicationMode: synchronous
  schedule: {mode: continuous}
  extensions:
    trident: {}
"""]


@pytest.mark.parametrize("text", OPERATORS + [
    p.read_text() for p in sorted(SAMPLES.glob("*.yaml"))])
def test_manifests_apply_unchanged(lab, d, text):
    wanted = yaml.safe_load(text)
    meta = wanted["metadata"]
    lab.kubectl("apply", "--dry-run=server", "-f", "-", input=text)
    o = Object(lab, meta["namespace"], meta["name"])
    assert not o.is_there
    try:
        lab.apply(text)
        assert o.spec == wanted["spec"]
        o.await_ready("True")
        assert o.meta.get("labels", {}) == meta.get("labels", {})
        assert o.status["accepted"] == wanted["spec"]
        # The bytes of spec.yaml are ours; what they say is the same.
        shown = yaml.safe_load(d.uvr(o.ns, o.name).read("spec.yaml"))
        assert shown["spec"] == wanted["spec"]
    finally:                    # others of these have the same name
        o.kubectl("delete")
    assert not o.is_there


def test_labels_and_annotations(lab, d):
    r, o = make(lab)
    version = o.status["version"]
    o.kubectl("label", "tier=critical", "app=db")
    o.kubectl("annotate", "owner=the dba")
    until(lambda: "the dba" in r.read("spec.yaml"), "they are shown")
    shown = yaml.safe_load(r.read("spec.yaml"))["metadata"]
    assert shown["labels"] == {"tier": "critical", "app": "db"}
    assert shown["annotations"] == {"owner": "the dba"}
    o.kubectl("label", "tier-", "app=web", "--overwrite")
    until(lambda: "web" in r.read("spec.yaml"), "they are shown")
    assert "tier" not in r.read("spec.yaml")
    # What is written here keeps them.
    assert r.ask("promoting") == 0
    r.done()
    assert o.meta["labels"] == {"app": "web"} and o.notes["owner"] == "the dba"
    assert version < o.status["version"] and r.error == ""


def rewrite(r, change):
    """Reads, changes and writes spec.yaml, again when it was too late."""
    def check():
        found = yaml.safe_load(r.read("spec.yaml"))
        change(found)
        code = r.write("spec.yaml", yaml.safe_dump(found))
        assert name_of(code) in ("ok", "ECANCELED"), r.error
        return not code
    until(check, "a write in time")


def test_labels_by_the_mount(lab, d):
    r, o = make(lab)
    o.kubectl("label", "of=kubectl")
    until(lambda: "kubectl" in r.read("spec.yaml"), "it is shown")
    # Without a version: it moves with the status, too.
    found = yaml.safe_load(r.read("spec.yaml"))
    found["metadata"] = {"labels": {"of": "mount", "more": "yes"}}
    assert name_of(r.write("spec.yaml", yaml.safe_dump(found))) == "ok", r.error
    assert o.meta["labels"] == {"of": "mount", "more": "yes"}
    found["metadata"] = {}
    assert r.write("spec.yaml", yaml.safe_dump(found)) == 0, r.error
    assert "labels" not in o.meta


def test_a_stale_version_in_spec_yaml_is_refused(lab, d):
    r, o = make(lab)
    o.patch({"schedule": {"rto": "9m"}})
    until(lambda: "9m" in r.read("schedule"), "it is shown")
    text = r.read("spec.yaml")
    assert yaml.safe_load(text)["metadata"]["resourceVersion"]
    o.patch({"schedule": {"rto": "10m"}})
    until(lambda: "10m" in r.read("schedule"), "it is shown")
    assert name_of(r.write("spec.yaml", text.replace(
        "9m", "11m"))) == "ECANCELED"
    assert "somebody else" in r.error and o.spec["schedule"]["rto"] == "10m"
    rewrite(r, lambda m: m["spec"]["schedule"].update(rto="12m"))
    assert o.spec["schedule"]["rto"] == "12m"


def test_replace(lab, d):
    r, o = make(lab)
    found = o.kubectl("get", "-o", "yaml").stdout
    stale = found.replace("replicationMode: synchronous",
                          "replicationMode: asynchronous")
    o.patch({"schedule": {"rto": "9m"}})
    done = lab.kubectl("replace", "-f", "-", input=stale, check=False)
    assert done.returncode != 0 and "modified" in done.stderr
    o.await_ready("True")
    found = yaml.safe_load(o.kubectl("get", "-o", "yaml").stdout)
    found["spec"]["replicationState"] = "promoting"
    found["spec"]["schedule"].pop("rto")
    lab.kubectl("replace", "-f", "-", input=yaml.safe_dump(found))
    o.wait()
    assert r.state == "promoting" and "rto" not in r.read("schedule")
    assert "rto" not in o.status["accepted"]["schedule"]


def test_replace_without_finalizer_or_status(lab, d):
    """kubectl replace of a manifest of its own drops what it does not have."""
    name = d.new_name()
    text = manifest(name, clusters=ENDS)
    o = lab.apply(text)
    o.wait()
    lab.kubectl("replace", "-f", "-", input=text.replace(
        "mode: synchronous", "mode: asynchronous").replace(
            "Mode: synchronous", "Mode: asynchronous"))
    o.await_ready("True")
    until(lambda: FINALIZER in o.meta.get("finalizers", ()),
          "our finalizer is there again")
    assert o.history() == ["replica"]


def test_get_watch_during_a_failover(lab, d):
    r, o = make(lab)
    watch = background(f"KUBECONFIG={lab.kubeconfig} exec kubectl get uvr "
                       f"{r.name} -n {r.ns} -w")
    lines = [watch.stdout.readline(), watch.stdout.readline()]
    hurt(d, r, r.here, "slow 100")
    r.go("promoting", "source")
    lines += rows_until(watch, "source")
    watch.terminate()
    lines += watch.communicate(timeout=10 * FACTOR)[0].splitlines()
    rows = [tuple(line.split()[i] for i in (1, 4)) for line in lines[1:]]
    seen = [s for i, s in enumerate(rows) if rows[i - 1:i] != [s]]
    assert seen[0] == ("replica", "True")
    assert ("promoting", "False") in seen
    assert seen[-1] == ("source", "True")
    # Never Ready while under way: True comes once for promoting.
    assert [s for s in seen if s[1] == "True"] == [
        ("replica", "True"), ("promoting", "True"), ("source", "True")]
    assert not re.search(r"failed|Unknown", " ".join(lines))


# ---- deletion ----

def test_delete_keeps_the_storage(lab, d):
    r, o = make(lab)
    volumes = r.here_volume, r.peer_volume
    belief = r.here_volume.parent / f".{r.here_volume.name}.json"
    acts = r.acts()
    assert FINALIZER in o.meta["finalizers"]
    o.kubectl("delete")
    assert not o.is_there
    until(lambda: not r.path.exists(), "it has gone from the mount")
    assert [v.read_bytes() for v in volumes] == [b"one\n"] * 2
    assert belief.exists()
    assert [line.split()[3] for line in d.journal()
            if volumes[0].name in line or volumes[1].name in line] == acts
    # It may be adopted again.
    assert lab.apply(manifest(r.name, clusters=ENDS)).wait()


def test_delete_waits_for_a_transition(lab, d):
    r, o = make(lab)
    hurt(d, r, r.here, "no-copy")
    r.peer_volume.write_bytes(DATA)
    o.ask("promoting")
    until(lambda: "demote-peer" in r.acts(), "it is under way")
    names = r.volume_names()
    o.kubectl("delete", "--wait=false")
    assert o.meta["deletionTimestamp"]
    never(lambda: not o.is_there or not r.path.exists(), "it is gone", 0.5)
    assert o.status["request"]["word"] == "promoting"
    d.faults(r.here)
    until(lambda: not o.is_there, "it goes when it may", 15)
    until(lambda: not r.path.exists(), "it has gone from the mount")
    done = [line.split()[3] for line in d.journal()
            if line.split()[2].split("/")[-1] in names]
    assert done[-1] == "promote"


def test_rmdir_deletes_the_object(lab, d):
    r, o = make(lab)
    os.rmdir(r.path)
    assert not o.is_there


def test_others_finalizers_are_not_ours(lab, d):
    """What others wait for before an object may go is not cut short."""
    other = "example.com/other"
    r, o = applied(lab, d, manifest(d.new_name(), clusters=ENDS).replace(
        "spec:\n", f"  finalizers: [{other}]\nspec:\n", 1))
    assert sorted(o.meta["finalizers"]) == [other, FINALIZER]
    r.go("promoting", "source")
    assert sorted(o.meta["finalizers"]) == [other, FINALIZER]
    o.kubectl("delete", "--wait=false")
    until(lambda: not o.is_there or FINALIZER not in o.meta.get(
        "finalizers", ()), "ours is gone")
    assert o.is_there and o.meta["finalizers"] == [other]
    o.patch(finalizers=None)
    until(lambda: not r.path.exists(), "it has gone from the mount")


def test_delete_and_make_again_at_once(lab, d):
    name = d.new_name()
    text = manifest(name, clusters=ENDS)
    for _ in range(5):
        o = lab.apply(text)
        o.wait()
        uid = o.meta["uid"]
        o.kubectl("delete")
    o = lab.apply(text)
    o.wait()
    assert o.meta["uid"] != uid
    r = d.uvr("database", name)
    until(lambda: r.status["metadata"]["uid"] == o.meta["uid"], "the new one")
