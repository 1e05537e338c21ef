# SPDX-License-Identifier: Apache-2.0
"""A cluster as the store: what is wrong at the start, births, restarts, and
what others do to the objects meanwhile."""
import errno
import os
import signal
import subprocess

import pytest
import yaml

from cluster_uvr import (CRD, Controller, FINALIZER, Lab, LEASES, Object,
                         SAMPLES, path_of, running_lab, uvrfs)
from metrics import Metrics
from shell import FACTOR, call, get, name_of, never, put, until
from uvr import manifest

pytestmark = pytest.mark.limit(120)

STRINGS = {"type": "string", "minLength": 1}
# The operator's: it keeps of a status what it knows, and nothing else.
ENDPOINT = {"type": "object", "required": ["cluster", "region",
                                           "storageClass"],
            "properties": {k: STRINGS for k in ("cluster", "region",
                                                "storageClass")}}
CONDITION = {"type": "object",
             "required": ["lastTransitionTime", "message", "reason", "status",
                          "type"],
             "properties": {k: {"type": "string"} for k in
                            ("lastTransitionTime", "message", "reason",
                             "status", "type")}}
CONDITION["properties"]["observedGeneration"] = {"type": "integer"}
SPEC = {
    "sourceEndpoint": ENDPOINT, "destinationEndpoint": ENDPOINT,
    "volumeMapping": {"type": "object", "properties": {
        "source": {"type": "object", "properties": {
            "pvcName": STRINGS, "namespace": STRINGS}},
        "destination": {"type": "object", "properties": {
            "volumeHandle": STRINGS, "namespace": STRINGS}}}},
    "replicationState": {"type": "string"},
    "replicationMode": {"type": "string"},
    "schedule": {"type": "object", "properties": {
        k: {"type": "string"} for k in ("mode", "rpo", "rto")}},
    "extensions": {"type": "object", "properties": {
        "ceph": {"type": "object", "properties": {
            "mirroringMode": {"type": "string"}}},
        "trident": {"type": "object"}, "powerstore": {"type": "object"}}}}
OPERATORS_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": CRD.rsplit("/", maxsplit=1)[-1]},
    "spec": {
        "group": "replication.unified.io", "scope": "Namespaced",
        "names": {"kind": "UnifiedVolumeReplication",
                  "listKind": "UnifiedVolumeReplicationList",
                  "plural": "unifiedvolumereplications",
                  "singular": "unifiedvolumereplication",
                  "shortNames": ["uvr", "unifiedvr"]},
        "versions": [{
            "name": "v1alpha1", "served": True, "storage": True,
            "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "properties": SPEC},
                "status": {"type": "object", "properties": {
                    "conditions": {"type": "array", "items": CONDITION},
                    "observedGeneration": {"type": "integer"}}}}}}}]}}


@pytest.fixture(scope="module")
def lab(cluster):
    with running_lab(cluster) as one:
        yield one


@pytest.fixture
def d(lab):
    if not lab.main.alive():
        lab.main = lab.leader()
    return lab.main


@pytest.fixture
def make_lab(cluster):
    """Labs of one test, with an array and a lease of their own."""
    made = []

    def new(*args, of=None, **more):
        made.append(Lab(of or cluster, *args, **more))
        return made[-1]
    yield new
    for one in made:
        one.close()


def starts_not(d):
    """The sentence."""
    with pytest.raises(RuntimeError) as e:
        d.start()
    d.check_reports()
    return str(e.value)


# ---- at the start ----

@pytest.fixture(scope="module")
def bare():
    """A cluster that nothing has been installed in."""
    import conftest
    with conftest.running_cluster(7) as one:
        yield one


@pytest.fixture
def emptied(bare):
    bare.request("DELETE", CRD)
    until(lambda: bare.request("GET", CRD)[0] == 404, "no CRD")
    until(lambda: "replication.unified.io" not in [
        g["name"] for g in bare.request("GET", "/apis")[1]["groups"]],
          "it is no longer served", 20)
    return bare


def test_without_the_crd(make_lab, emptied):
    d = make_lab(of=emptied).new()
    sentence = starts_not(d)
    assert "install-crd" in sentence and str(emptied.port) in sentence
    assert subprocess.run(["mountpoint", "-q", d.mnt],
                          check=False).returncode != 0


def test_install_crd(make_lab, emptied):
    lab = make_lab(of=emptied)
    at = lab.base / "c.yaml"
    at.write_text(lab.config())
    said = [uvrfs(at, "install-crd") for _ in range(2)]
    assert [s.returncode for s in said] == [0, 0], said
    assert emptied.server in said[0].stdout
    assert said[0].stdout != said[1].stdout     # installed, and there already
    printed = uvrfs(at, "install-crd", "--print")
    assert printed.returncode == 0
    assert yaml.safe_load(printed.stdout)["kind"] == "CustomResourceDefinition"
    lab.kubectl("apply", "--dry-run=server", "-f", "-", input=printed.stdout)
    r = lab.daemon().replica()
    assert lab.object(r).status["state"] == "replica"


def test_install_crd_needs_a_store(tmp_path):
    at = tmp_path / "c.yaml"
    at.write_text("site: here\n")
    done = uvrfs(at, "install-crd")
    assert done.returncode == 1 and "store.kubernetes" in done.stderr


def test_the_operators_crd_keeps_too_little(make_lab, emptied):
    """Nothing is accepted that could not be kept, and that is said."""
    emptied.create(CRD.rsplit("/", maxsplit=1)[0], OPERATORS_CRD)
    lab = make_lab(of=emptied)
    def is_served():
        """Until then 404 is a text."""
        _, answer = emptied.request("GET", path_of("database", "x"))
        return isinstance(answer, dict) and answer.get("details")
    until(is_served, "it is served", 20)
    for path in sorted(SAMPLES.glob("*.yaml")):
        text = path.read_text()
        lab.kubectl("apply", "--dry-run=server", "-f", "-", input=text)
        o = lab.apply(text)
        assert o.spec == yaml.safe_load(text)["spec"]
        emptied.remove(o.path)
    d = lab.leader()
    lab.namespaces(d)
    at = d.mnt / "database" / "r"
    os.mkdir(at)
    code = put(at / "spec.yaml", manifest("r"))
    error = get(at / "error")
    assert code and "install-crd" in error, (name_of(code), error)
    assert not (d.sim / "dr-r/database/r-vol").exists()
    # What kubectl makes is not acted on either.
    lab.apply(manifest("s"))
    until(lambda: "install-crd" in get(d.mnt / ".uvrfs/log"), "it is told")
    never(lambda: (d.sim / "dr-s/database/s-vol").exists(), "an act", 0.5)
    # Once it is installed, all goes on by itself.
    lab.install()
    o = Object(lab, "database", "s")
    o.await_ready("True", seconds=20)
    assert d.uvr("database", "s").state == "replica"


def test_another_sites_lease(make_lab):
    lab = make_lab("here").install()
    d = lab.leader()
    r = d.replica()
    other = lab.new(site="there")
    try:
        sentence = starts_not(other)
    except pytest.fail.Exception:
        # It may also run, and serve nothing.
        sentence = get(other.mnt / ".uvrfs/log")
        assert put(other.mnt / "database" / r.name / "state", "promoting")
    assert "here" in sentence and "there" in sentence and "site" in sentence
    assert lab.holder().split("_")[1] == str(d.process.pid)
    assert r.acts() == ["create"]


@pytest.mark.parametrize("what", ["no file", "not one", "a directory"])
def test_no_kubeconfig(make_lab, what):
    lab = make_lab()
    path = lab.base / "kubeconfig"
    if what == "not one":
        path.write_text("clusters: 7\n")
    elif what == "a directory":
        path.mkdir()
    sentence = starts_not(lab.new(kubeconfig=path))
    assert str(path) in sentence


def test_nobody_listens(make_lab, cluster):
    lab = make_lab()
    closed = cluster.kubeconfig(server=f"https://127.0.0.1:{cluster.port + 3}")
    d = lab.new(kubeconfig=closed)
    at = d.base / "c"
    at.write_text(lab.config(kubeconfig=closed))
    sentence = starts_not(d)
    assert str(cluster.port + 3) in sentence


def test_not_let_in(make_lab, cluster):
    """It has some patience, since rights may be on their way."""
    lab = make_lab().install()
    cluster.revoke("limited")
    started = []
    for user in ("limited", {"token": "nonsense"}):
        d = lab.new(kubeconfig=cluster.kubeconfig(user))
        started.append(subprocess.Popen(
            d.command("-f"), stderr=subprocess.PIPE, text=True,
            stdin=subprocess.DEVNULL))
    told = [one.communicate(timeout=90 * FACTOR)[1] for one in started]
    assert [one.returncode for one in started] == [1, 1], told
    assert "limited" in told[0] and "cannot list" in told[0]
    assert "Unauthorized" in told[1] and "nonsense" not in told[1]


def test_controller_needs_a_shared_store(tmp_path):
    at = tmp_path / "c.yaml"
    at.write_text("site: here\n")
    done = uvrfs(at, "--state-dir", tmp_path / "s", "--controller", "-f")
    assert done.returncode == 1 and "store.kubernetes" in done.stderr


# ---- without a mount ----

def test_who_may_not_lead_sees_that_nobody_does(make_lab):
    lab = make_lab().install()
    c = lab.leader(Controller)
    d = lab.daemon(lead="false")
    leader = d / ".uvrfs/leader"
    until(lambda: get(leader) == lab.holder() + "\n", "it is known")
    assert Metrics(d).get("has_leader") == 1
    c.kill9()
    until(lambda: get(leader) == "none\n", "it is known that it is gone")
    assert "nobody leads" in get(d / ".uvrfs/health")
    assert Metrics(d).get("has_leader") == 0
    c.start()
    until(lambda: get(leader) == lab.holder() + "\n", "there is one again")
    assert get(d / ".uvrfs/health") == "ok\n"


def test_a_controller_acts(make_lab):
    lab = make_lab().install()
    c = lab.leader(Controller)
    name = "driven"
    o = lab.apply(manifest(name))
    o.wait()
    o.await_copy()
    o.go("promoting", "source")
    assert o.history() == ["replica", "promoting", "source"]
    assert [line.split()[3] for line in c.journal()] == [
        "create", "demote-peer", "promote"]
    o.ask("replica")
    o.await_ready("False", "InvalidStateTransition")
    # Who mounts sees it, and lets the controller act.
    d = lab.daemon(lead="false")
    r = d.uvr("database", name)
    assert r.state == "source" and r.ready.reason == "InvalidStateTransition"
    r.go("swap", "demoting", "replica")
    assert lab.holder().split("_")[1] == str(c.process.pid)
    o.kubectl("delete")
    c.process.send_signal(signal.SIGTERM)
    assert c.process.wait(20 * FACTOR) == 0
    assert lab.holder() == ""           # given away


def test_nobody_leads(make_lab):
    """Reads work; what is asked waits."""
    lab = make_lab().install()
    d = lab.namespaces(lab.daemon(lead="false"))
    os.mkdir(d.mnt / "database/w")
    assert put(d.mnt / "database/w/spec.yaml", manifest("w")) == 0
    r = d.uvr("database", "w")
    assert r.sync(seconds=0.5) == 124 and r.ready.status != "True"
    assert not list(d.sim.glob("*/*/w-vol"))
    assert lab.holder() == ""
    lab.leader(Controller)
    r.done(seconds=20)
    assert r.state == "replica"


# ---- births by the mount ----

def test_mkdir_and_cp(lab, d):
    name = d.new_name("m")
    at = d.mnt / "database" / name
    done = lab.shell(f"mkdir {at} && sed s/production-db/{name}/ "
                     f"{SAMPLES}/production-db.yaml >{lab.base}/m.yaml && "
                     f"sed -i s/us-west-1/here/ {lab.base}/m.yaml && "
                     f"cp {lab.base}/m.yaml {at}/spec.yaml && "
                     f"timeout 10 sync {at}/state && "
                     f"kubectl get uvr -n database {name} "
                     "-o jsonpath='{.status.state} {.spec.replicationState}'")
    assert (done.rc, done.out) == (0, "replica replica"), done
    o = Object(lab, "database", name)
    assert FINALIZER in o.meta["finalizers"] and o.history() == ["replica"]
    assert o.status["request"]["command"] == "cp"


def test_a_namespace_that_the_cluster_lacks(d):
    assert call(os.mkdir, d.mnt / "no-such") == errno.ENOENT
    assert not (d.mnt / "no-such").exists()
    assert "make it with kubectl" in get(d.mnt / ".uvrfs/audit")


def test_mkdir_of_what_kubectl_makes_meanwhile(lab, d):
    """A draft here, an object there: nobody's is lost."""
    name = d.new_name("m")
    at = d.mnt / "database" / name
    os.mkdir(at)
    o = lab.apply(manifest(name))
    o.wait()
    r = d.uvr("database", name)
    until(lambda: (at / "state").exists() and r.state == "replica",
          "the draft has become what was made")
    code = r.write("spec.yaml", manifest(name, mode="asynchronous"))
    assert code == 0, r.error
    assert o.spec["replicationMode"] == "asynchronous"


def test_born_by_both_at_once(lab, d):
    for _ in range(8):
        name = d.new_name("m")
        at = d.mnt / "database" / name
        os.mkdir(at)
        body = yaml.safe_load(manifest(name, mode="asynchronous"))
        path = path_of("database", name).rsplit("/", 1)[0]
        writer = subprocess.Popen(
            ["cp", "/dev/stdin", at / "spec.yaml"], stdin=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        writer.stdin.write(manifest(name))
        writer.stdin.close()
        status, _ = lab.cluster.request("POST", path, body)
        code, said = writer.wait(20 * FACTOR), writer.stderr.read()
        o = Object(lab, "database", name)
        o.await_ready("True")
        assert status == 201 or code == 0
        r = d.uvr("database", name)
        assert o.history() == ["replica"], said
        assert yaml.safe_load(r.read("spec.yaml"))["spec"] == o.spec
        assert r.acts() == ["create"]


def test_many_namespaces_come_and_go(lab, d):
    lab.cluster.make_namespace("fresh")
    o = lab.apply(manifest("one", "fresh"))
    until(lambda: (d.mnt / "fresh/one/state").exists(), "it is shown")
    o.wait()
    assert call(os.rmdir, d.mnt / "fresh") == errno.ENOTEMPTY
    os.rmdir(d.mnt / "fresh/one")
    assert not o.is_there
    os.rmdir(d.mnt / "fresh")
    assert lab.cluster.request("GET", "/api/v1/namespaces/fresh")[0] == 200


# ---- what others do to the status ----

def replace_status(o, change):
    """By PUT, of what is there: again when something is written meanwhile."""
    def put_it():
        found = o.get()
        change(found)
        status, answer = o.request("PUT", f"{o.path}/status", found)
        assert status in (200, 409), answer
        return status == 200
    until(put_it, "the status is replaced")


def empty(o):
    replace_status(o, lambda found: found.update(status={}))


def test_status_emptied(lab, d):
    """Ours stands: what has been accepted can't be taken out by a patch."""
    r = d.replica()
    o = lab.object(r)
    o.go("promoting")
    before = o.history()
    empty(o)
    until(lambda: "taken out" in r.read("log"), "it is noticed")
    assert r.state == "promoting"
    o.ask("source")
    o.wait()
    assert o.history() == before + ["source"] and r.state == "source"
    assert r.acts() == ["create", "demote-peer", "promote"]


def test_status_emptied_is_written_again(lab, d):
    """Or the next start would take it for one that was never accepted."""
    r = d.replica()
    o = lab.object(r)
    o.go("promoting")
    before = o.history()
    empty(o)
    until(lambda: o.status.get("history") and o.history() == before,
          "it is there again")


def test_status_forged(lab, d):
    """Who may write the status can say what was accepted, but no act comes of
    it: a steady state never writes to storage."""
    r = d.replica()
    o = lab.object(r)
    before = r.journal()

    def forge(found):
        status = found["status"]
        status["accepted"]["replicationState"] = "source"
        status["state"] = status["acceptedState"] = "source"
    replace_status(o, forge)
    never(lambda: r.journal() != before, "an act", 0.5)
    assert lab.main.alive()


@pytest.mark.parametrize("broken", [
    {"request": None}, {"history": None}, {"version": "x"},
    {"conditions": None}, {"site": "another"}])
def test_status_damaged(lab, d, broken):
    """It goes on with what it knows; what it can't read harms nobody."""
    r = d.replica()
    o = lab.object(r)
    before = r.journal()
    status, answer = lab.cluster.request(
        "PATCH", f"{o.path}/status", {"status": broken})
    assert status in (200, 422), answer
    never(lambda: r.journal() != before, "an act", 0.3)
    assert r.state == "replica"
    r.go("promoting")
    o.await_ready("True")
    assert o.status["state"] == "promoting"


@pytest.mark.parametrize("broken,mended,word", [
    ({"accepted": {"newField": 1}}, {"accepted": {"newField": None}},
     "newField"),
    ({"lastSerial": -1}, {"lastSerial": 7}, "lastSerial")])
def test_status_that_can_not_be_read(lab, d, broken, mended, word):
    """A newer daemon's, say: it is not written over, and is told."""
    r = d.replica()
    o = lab.object(r)
    before = r.journal()
    assert lab.cluster.request("PATCH", f"{o.path}/status",
                               {"status": broken})[0] == 200
    until(lambda: f"{r.name}: status.{word}" in get(d.mnt / ".uvrfs/log") or
          f"{r.name}: spec.{word}" in get(d.mnt / ".uvrfs/log"), "it is told")
    assert r.ask("promoting") != 0 and word in r.error
    assert r.state == "replica" and r.journal() == before
    assert lab.cluster.request("PATCH", f"{o.path}/status",
                               {"status": mended})[0] == 200
    until(lambda: r.ask("promoting") == 0, "it can be read again")
    r.done()


def test_refused_and_status_of_another_generation(lab, d):
    """A flood of patches, legal and not: the last one counts."""
    r = d.replica()
    o = lab.object(r)
    for word in ("source", "failed", "replica", "demoting", "promoting"):
        o.patch(word)
    o.await_ready("True")
    assert r.state == "promoting" and o.history() == ["replica", "promoting"]
    for word in ("replica", "promoting", "demoting", "source"):
        o.patch(word)
    until(lambda: o.ready is not None, "it is decided")
    # The server has it before its answer is read and shown here.
    until(lambda: o.status["state"] == r.state, "both say the same")


# ---- restarts ----

def test_a_restart_finds_all(lab, d):
    r = d.replica()
    o = lab.object(r)
    o.go("promoting")
    d.restart()
    assert r.state == "promoting" and r.read("history").count("\n") == 2
    until(lambda: lab.holder().split("_")[1:2] == [str(d.process.pid)],
          "it leads again", 20)
    o.go("source")
    assert o.history() == ["replica", "promoting", "source"]
    assert r.acts() == ["create", "demote-peer", "promote"]


def test_patched_while_nobody_runs(lab, d):
    r, s = d.replica(), d.replica()
    o, p = lab.object(r), lab.object(s)
    # While it still leads nothing is decided twice.
    d.stop()
    o.patch("promoting")
    p.patch("source")
    gone = lab.object(d.uvr("database", "born-meanwhile"))
    lab.apply(manifest("born-meanwhile"))
    d.start()
    o.await_ready("True", seconds=20)
    p.await_ready("False", "InvalidStateTransition", seconds=20)
    gone.await_ready("True", seconds=20)
    assert (r.state, s.state) == ("promoting", "replica")
    assert o.history() == ["replica", "promoting"]
    assert p.history() == ["replica"]


def test_deleted_while_nobody_runs(lab, d):
    r = d.replica()
    o = lab.object(r)
    d.stop()
    o.kubectl("delete", "--wait=false")
    assert o.is_there
    d.start()
    until(lambda: not o.is_there, "it may go", 20)
    until(lambda: not r.path.exists(), "it has gone from the mount")


def test_a_refusal_survives_a_restart(lab, d):
    r = d.replica()
    o = lab.object(r)
    o.patch("source")
    before = o.await_ready("False", "InvalidStateTransition")
    d.restart()
    assert r.ready.reason == "InvalidStateTransition"
    until(lambda: lab.holder().split("_")[1:2] == [str(d.process.pid)],
          "it leads again", 20)
    never(lambda: r.state != "replica", "another state", 0.5)
    assert o.await_ready("False").since == before.since


# ---- the lease ----

def test_the_lease(lab, d):
    _, lease = lab.cluster.request("GET", f"{LEASES}/{lab.lease}")
    assert lease["spec"]["leaseDurationSeconds"] == 6
    assert lease["metadata"]["annotations"]["uvrfs/site"] == "here"
    assert lease["spec"]["holderIdentity"] in get(d.mnt / ".uvrfs/log")


def test_how_old_its_watches_are(lab, d):
    """They tell that they had news, and that they had none."""
    def ages():
        return {(have["cluster"], have["kind"]): age for have, age in
                Metrics(d.mnt).all("watch_age_seconds", owner="store")}
    name = d.new_name("w")
    o = lab.apply(manifest(name))
    o.await_ready("True")
    kinds = {("", "unifiedvolumereplications"), ("", "persistentvolumeclaims"),
             ("", "persistentvolumes"), ("", "volumeattachments")}
    assert set(ages()) == kinds
    mine = ("", "unifiedvolumereplications")
    until(lambda: ages()[mine] > 1, "it grows")
    o.patch(annotations={"some": "news"})
    until(lambda: ages()[mine] < 1, "it is young again")


def test_site_of_neither_endpoint(lab, d):
    """An object that this site has no part in."""
    name = d.new_name("f")
    text = manifest(name).replace("region: here", "region: far")
    o = lab.apply(text)
    ready = o.await_ready("False")
    assert "here" in ready.message, ready
    assert not list(d.sim.glob(f"*/*/{name}*"))
