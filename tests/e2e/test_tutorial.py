# SPDX-License-Identifier: Apache-2.0
"""The tutorial's failover, step by step, with the tutorial's own names."""
import errno
import os
import signal
import time

import pytest

from uvr import (CONFIG, DEADLINE, FACTOR, PATIENT, ROOT, TIMEOUTS, background,
                 get, sh, until)

SYNC = f"timeout {10 * FACTOR} sync"
SCRIPT = os.environ.get("UVR_FAILOVER", str(ROOT / "mount/uvr-failover"))
# Nothing is said of a site: it is the destination of each manifest.
HERE_IS_DESTINATION = TIMEOUTS % DEADLINE

MANIFEST = """\
apiVersion: replication.unified.io/v1alpha1
kind: UnifiedVolumeReplication
metadata:
  name: production-db
  namespace: database
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
      pvcName: production-db-pvc
      namespace: database
    destination:
      volumeHandle: production-db-replica
      namespace: database
  replicationState: replica
  replicationMode: asynchronous
  schedule:
    mode: continuous
    rpo: 15m
    rto: 5m
"""

# As the tutorial has it: no storageClass.
REVERSED = """\
# Update replication to replicate from new source (DR) to old source (recovery)
spec:
  sourceEndpoint:
    cluster: dr-cluster      # Now source
    region: us-west-1
  destinationEndpoint:
    cluster: prod-cluster    # Now replica
    region: us-east-1
"""

DATA = bytes(range(256)) * 4096 + b"the last block\n"


@pytest.fixture
def db(make):
    d = make(config=HERE_IS_DESTINATION).start()
    r = d.mk("database", "production-db", MANIFEST).done()
    r.peer_volume.write_bytes(DATA)
    r.await_copy()
    r.await_cond("Degraded", "False")
    assert (r.here, r.peer) == ("dr-cluster", "prod-cluster")
    return r


def run(r, command, rc=0, seconds=20):
    """One command of the tutorial, typed in the replication's directory."""
    done = sh(command, cwd=r.path, seconds=seconds)
    assert done.rc == rc, (command, done, r.explain())
    return done.out


def test_every_step_of_the_tutorial(db):
    # Step 1: verify the current state.
    assert run(db, "cat state") == "replica\n"
    assert run(db, "cat mode") == "asynchronous\n"
    assert "production-db" in get(db.daemon / ".uvrfs/summary")
    assert run(db, "grep ^Ready conditions").split()[1] == "True"
    # Step 2: initiate the promotion, having read what it would do.
    assert run(db, "head -n 1 plan/promoting") == "allowed\n"
    run(db, "echo promoting > state")
    # Step 3: monitor it.
    assert run(db, "cat state") == "promoting\n"
    run(db, "cat progress conditions")
    run(db, f"{SYNC} state")
    assert run(db, "grep ^Ready conditions").split()[1] == "True"
    # Step 4: complete it.
    run(db, "echo source > state")
    # Step 5: verify the new source.
    run(db, "sync state")
    assert run(db, "cat state") == "source\n"
    assert run(db, "grep ^Ready conditions").split()[1] == "True"
    assert "production-db-pvc" in run(db, "cat volumes")
    assert run(db, "cat error") == ""
    # Planned: nothing is lost.
    assert db.here_volume.read_bytes() == DATA
    assert "planned" in run(db, "cat history")
    # Step 6: the application writes at the new source.
    with open(db.here_volume, "ab") as f:
        f.write(b"written at DR\n")
    # Post-failover: establish reverse replication.
    run(db, f"echo {chr(39)}{REVERSED}{chr(39)} > endpoints")
    run(db, f"{SYNC} endpoints")
    assert db.source == {"cluster": "dr-cluster",
                                   "region": "us-west-1",
                                   "storageClass": "ceph-rbd"}
    db.await_copy(db.here_volume, db.peer_volume)
    assert db.peer_volume.read_bytes().endswith(b"written at DR\n")
    db.await_cond("Degraded", "False")
    assert run(db, "cat state") == "source\n"


def test_the_write_itself_makes_ready_not_true(db):
    out = run(db, "echo promoting > state; grep ^Ready conditions")
    # Either still under way, or verified for this request, never stale.
    if out.split()[1] == "True":
        assert db.request["word"] == "promoting"
        assert db.request["outcome"] == "verified"


def test_rollback_during_promotion(db):
    db.daemon.faults("dr-cluster", "no-copy")
    db.peer_volume.write_bytes(DATA + b"not copied yet")
    run(db, "echo promoting > state")
    until(lambda: "demote-peer" in db.acts(), "the peer steps down")
    assert run(db, "timeout 1 sync state", rc=124) == ""
    run(db, "echo replica > state")
    run(db, f"{SYNC} state")
    assert run(db, "cat state") == "replica\n"
    # The peer has the source role back and can be written.
    assert os.stat(db.peer_volume).st_mode & 0o200
    assert not os.stat(db.here_volume).st_mode & 0o200
    assert db.peer_volume.read_bytes() == DATA + b"not copied yet"
    db.daemon.faults("dr-cluster")
    db.await_copy()
    db.await_cond("Degraded", "False")
    db.go("promoting", "source")


def test_unplanned_has_exactly_what_the_last_sync_had(db):
    db.daemon.lose("prod-cluster")
    db.peer_volume.write_bytes(DATA + b"never copied\n")
    assert run(db, "head -n 1 plan/promoting") == "allowed\n"
    plan = run(db, "cat plan/promoting")
    assert "unplanned" in plan and "lost" in plan
    run(db, f"echo promoting > state; {SYNC} state")
    run(db, f"echo source > state; {SYNC} state")
    assert db.here_volume.read_bytes() == DATA
    assert "unplanned" in run(db, "cat history")


def test_back_home_after_the_failover(db):
    db.go("promoting", "source", "swap")
    db.here_volume.write_bytes(b"of DR\n")
    db.await_copy(db.here_volume, db.peer_volume)
    db.await_cond("Degraded", "False")
    db.go("demoting", "replica")
    assert not os.stat(db.here_volume).st_mode & 0o200
    assert db.peer_volume.read_bytes() == b"of DR\n"


@pytest.mark.parametrize("how", [
    "for f in {}/*/state; do echo promoting > $f; done",
    "echo promoting | tee {}/*/state >/dev/null"])
def test_a_whole_site(make, how):
    d = make(config=CONFIG).start()
    made = [d.replica() for _ in range(20)]
    view = d / ".uvrfs/by-source/there"
    assert sh(f"grep -L ^allowed {view}/*/plan/promoting").out == ""
    assert sh(how.format(view)).rc == 0
    assert sh(f"timeout {30 * FACTOR} sync {view}/*/state", seconds=40).rc == 0
    for r in made:
        assert r.state == "promoting" and r.ready.status == "True"
    assert sh(f"for f in {d.mnt}/.uvrfs/by-state/promoting/*/state; do "
              "echo source > $f; done").rc == 0
    assert all(r.state == "source" for r in made)
    rows = get(d / ".uvrfs/summary").splitlines()
    assert rows[0].startswith("NAMESPACE") and len(rows) == 21
    assert all(" source " in row for row in rows[1:])


# ---- failover.sh, ported: uvr-failover ----

def failover(r, arguments, seconds=30, **more):
    return sh(f"{SCRIPT} {arguments}", seconds=seconds,
              env={"UVR_ROOT": str(r.daemon.mnt)}, **more)


def test_script_fails_over_and_can_be_run_twice(db):
    done = failover(db, "production-db database")
    assert done.rc == 0 and not done.err, done
    assert db.state == "source" and db.here_volume.read_bytes() == DATA
    journal = db.journal()
    again = failover(db, "database/production-db")
    assert again.rc == 0 and "source" in again.out
    assert db.journal() == journal


def test_script_prints_the_plan_only(db):
    before = db.picture()
    done = failover(db, "-n database/production-db")
    assert done.rc == 0 and done.out.startswith("allowed\n")
    assert db.picture() == before


def test_script_refused(db):
    db.go("promoting", "source", "swap")
    db.await_cond("Degraded", "False")
    db.go("demoting")
    before = db.picture()
    done = failover(db, "database/production-db")
    assert done.rc == 1 and "demoting" in done.err
    assert failover(db, "-n database/production-db").rc == 1
    assert db.picture() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
def test_script_refused_by_the_kernel(db):
    """It leaves no sentence in `error`, where one of somebody else's may be."""
    d = db.daemon
    os.chmod(d.base, 0o755)
    assert db.ask("source") == errno.EPERM and "source" in db.error
    env = f"UVR_ROOT={d.mnt} setpriv --reuid=65534 --clear-groups"
    done = sh(f"{env} bash -s database/production-db <{SCRIPT}")
    assert done.rc == 1 and done.err.endswith(
        "'promoting' was refused: Permission denied\n"), done
    d.stop()
    d.options += ["-o", "ro"]
    d.start()
    done = failover(db, "database/production-db")
    assert done.rc == 1 and done.err.endswith(": Read-only file system\n"), done
    assert db.state == "replica"


@pytest.mark.parametrize("arguments", [
    "", "--nonsense database/production-db", "a b c", "--timeout",
    "--timeout soon database/production-db", "database/no-such"])
def test_script_wrong_use(db, arguments):
    assert failover(db, arguments).rc == 2
    assert db.state == "replica"


def test_script_without_a_mount(tmp_path):
    done = sh(f"UVR_ROOT={tmp_path} {SCRIPT} database/production-db")
    assert done.rc == 2 and "not mounted" in done.err


def test_script_on_a_dead_mount(own):
    own.replica("r")
    own.kill9()
    for name in "database/r", "database/other":
        done = sh(f"UVR_ROOT={own.mnt} {SCRIPT} {name}")
        assert done.rc == 2 and "is dead: systemctl restart" in done.err, done


def test_script_failed(db):
    db.daemon.faults("dr-cluster", "final promote")
    done = failover(db, "database/production-db")
    assert done.rc == 3 and "not possible" in done.err, done
    assert db.state == "failed"
    assert failover(db, "database/production-db").rc == 3


def test_script_needs_force(db):
    db.daemon.lose("prod-cluster", "refuse")
    before = db.picture()
    done = failover(db, "database/production-db")
    assert done.rc == 4 and "--force" in done.err, done
    assert failover(db, "-n database/production-db").rc == 4
    assert db.picture() == before
    assert failover(db, "--force database/production-db").rc == 0
    assert db.state == "source"


def test_script_prints_the_plan_of_what_hangs(make):
    """With --force it is what force would do: what the script would go on with."""
    d = make(config=PATIENT).start()
    r = d.replica("hung", b"data")
    d.faults(r.peer, "fail demote-peer 1000000")
    assert r.ask("promoting") == 0
    until(lambda: "'promoting force'" in r.ready.message, "that it is told")
    before = r.picture()
    done = failover(r, "-n database/hung")
    assert done.rc == 1 and done.out.startswith("not now: "), done
    done = failover(r, "-n --force database/hung")
    assert done.rc == 0 and done.out == r.plan("promoting"), done
    assert done.out.startswith("needs force: ")
    assert r.picture() == before
    assert failover(r, "--force database/hung").rc == 0
    assert r.state == "source"


def test_script_times_out_and_goes_on_when_run_again(make):
    d = make(config=PATIENT).start()
    r = d.replica("slow", b"data")
    d.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"more data")
    done = failover(r, "--timeout 1 database/slow")
    assert done.rc == 124 and r.state == "promoting", done
    d.faults(r.here)
    assert failover(r, "database/slow").rc == 0
    assert r.state == "source" and r.here_volume.read_bytes() == b"more data"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_script_interrupted_harms_nothing(make, number):
    d = make(config=PATIENT).start()
    r = d.replica("cut", b"data")
    d.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"more data")
    command = f"exec env UVR_ROOT={d.mnt} {SCRIPT} database/cut"
    for moment in range(30):
        # A shell's background job would ignore SIGINT: it is started directly.
        running = background(command)
        running.stdout.readline()
        time.sleep(moment * 0.002)
        child, = children(running.pid)
        os.kill(child, number)
        out, err = running.communicate(timeout=20 * FACTOR)
        assert running.returncode not in (0, 124), (out, err)
        assert "interrupted" in err
        until(lambda: not waiters(d), "it has left no waiter behind")
    assert r.state == "promoting"
    d.faults(r.here)
    assert failover(r, "database/cut").rc == 0
    assert r.state == "source" and r.here_volume.read_bytes() == b"more data"


def children(pid):
    return [int(p) for p in get(f"/proc/{pid}/task/{pid}/children").split()]


def waiters(d):
    return sh(f"pgrep -f '^sync {d.mnt}'").out


def test_two_scripts_at_once_fail_over_once(make):
    d = make(config=CONFIG).start()
    r = d.replica("twice", DATA)
    command = (f"env UVR_ROOT={d.mnt} {SCRIPT} --timeout {int(20 * FACTOR)} "
               "database/twice")
    both = [background(command) for _ in range(2)]
    for one in both:
        out, err = one.communicate(timeout=60 * FACTOR)
        assert one.returncode == 0, (out, err)
    assert r.state == "source" and r.here_volume.read_bytes() == DATA
    assert len([a for a in r.acts() if "promote" in a]) == 1, r.acts()
