# SPDX-License-Identifier: Apache-2.0
"""Waiting for the verification: `sync`, the wait file, many at once, crashes."""
import contextlib
import errno
import os
import signal
import threading

import pytest

from uvr import (FACTOR, PATIENT, background, call, get, is_dead, name_of, put, sh,
                 until)


@pytest.fixture(scope="module")
def patient(make_shared):
    return make_shared(config=PATIENT)


@pytest.fixture
def pending(patient):
    """A promotion that goes on only when the copies do."""
    r = patient.replica()
    patient.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    assert r.ask("promoting") == 0
    until(lambda: "demote-peer" in r.acts(), "the peer steps down")
    return r


def let_go(r):
    r.daemon.faults(r.here)


def fail(r):
    r.daemon.faults(r.here, "final promote")


def is_blocked(pid, r):
    """True when it is in a close, or in a read of a file of the replication."""
    with contextlib.suppress(OSError):
        number, *args = get(f"/proc/{pid}/syscall").split()
        return number == "3" or number == "0" and os.readlink(
            f"/proc/{pid}/fd/{int(args[0], 16)}").startswith(str(r.path))
    return False


def await_waiters(r, number=1):
    """Until so many processes sit in the close of the file, or in its read."""
    def blocked():
        out = sh(f"pgrep -f '^(sync|cat) {r.path}/.*(state|wait|spec.yaml)$'").out
        return sum(is_blocked(pid, r) for pid in out.split()) >= number
    until(blocked, f"{number} waiters", 20)


def test_sync_of_what_is_verified_returns_at_once(patient):
    r = patient.replica()
    for name in ("state", "endpoints", "spec.yaml"):
        assert sh(f"sync {name}", cwd=r.path, seconds=2).rc == 0


def test_sync_returns_when_it_is_verified(pending):
    waiter = background(f"sync {pending.path}/state")
    await_waiters(pending)
    assert waiter.poll() is None
    let_go(pending)
    assert waiter.wait(20 * FACTOR) == 0
    assert pending.ready.status == "True"


@pytest.mark.parametrize("name", ["state", "endpoints", "spec.yaml"])
def test_sync_fails_when_it_fails(pending, name):
    waiter = background(f"sync {pending.path}/{name}")
    fail(pending)
    out, err = waiter.communicate(timeout=20 * FACTOR)
    assert waiter.returncode == 1 and "Input/output error" in err, (out, err)
    assert pending.state == "failed"
    again = sh(f"sync {name}", cwd=pending.path)
    assert again.rc == 1 and "Input/output error" in again.err


def test_sync_is_cancelled_when_the_request_is_replaced(pending):
    waiter = background(f"sync {pending.path}/state")
    await_waiters(pending)
    assert pending.ask("replica") == 0
    out, err = waiter.communicate(timeout=20 * FACTOR)
    assert waiter.returncode == 1 and "Operation canceled" in err, (out, err)
    pending.done()


def test_timeout_term_and_kill(pending):
    for command in ("sync state", "cat wait"):
        for options, rc in (("", 124), ("-s KILL", 137)):
            done = sh(f"timeout {options} 0.3 {command}; exit $?",
                      cwd=pending.path)
            assert done.rc == rc, (command, options, done)
    let_go(pending)
    pending.done()


def test_wait_reads_one_line_when_it_is_verified(pending):
    reader = background(f"cat {pending.path}/wait")
    await_waiters(pending)
    let_go(pending)
    out, _ = reader.communicate(timeout=20 * FACTOR)
    assert reader.returncode == 0
    assert len(out.splitlines()) == 1 and "promoting" in out
    assert sh("cat wait", cwd=pending.path, seconds=2).out == out


def test_wait_says_how_else_it_ended(pending):
    reader = background(f"cat {pending.path}/wait")
    await_waiters(pending)
    fail(pending)
    out, err = reader.communicate(timeout=20 * FACTOR)
    assert reader.returncode == 1 and "Input/output error" in err and not out
    assert pending.ask("replica") == 0
    pending.done()


def test_wait_can_be_tried(pending):
    fd = os.open(pending / "wait", os.O_RDONLY | os.O_NONBLOCK)
    assert name_of(call(os.read, fd, 100)) == "EAGAIN"
    let_go(pending)
    until(lambda: call(os.read, fd, 100) == 0, "it is verified")
    os.close(fd)


def test_what_was_current_when_it_was_called_is_waited_for(pending):
    """An open file from before does not wait for what came later."""
    let_go(pending)
    pending.done()
    fd = os.open(pending / "state", os.O_RDONLY | os.O_NONBLOCK)
    assert pending.ask("source") == 0
    os.fsync(fd)
    assert call(os.close, fd) in (0, errno.ECANCELED)


@pytest.mark.limit(120)
def test_two_hundred_waiters_at_once(pending):
    crowd = background(
        f"for i in $(seq 200); do sync {pending.path}/state & pids+=($!); done;"
        "bad=0; for p in ${pids[@]}; do wait $p || bad=$((bad+1)); done;"
        "echo bad=$bad", seconds=90)
    await_waiters(pending, 190)
    # Nobody is in their way.
    assert put(pending / "schedule", "mode: continuous\nrpo: 3m") == 0
    assert get(pending / "state") == "promoting\n"
    assert pending.plan("replica") and pending.conditions
    let_go(pending)
    out, err = crowd.communicate(timeout=90 * FACTOR)
    assert out == "bad=0\n", (out, err)


def test_writers_go_on_beside_waiters(pending):
    waiters = [background(f"sync {pending.path}/state") for _ in range(5)]
    await_waiters(pending, 5)
    for i in range(50):
        word = ("asynchronous", "synchronous")[i % 2]
        assert put(pending / "mode", word) == 0
        assert put(pending / "state", "promoting") == 0     # is asked already
    assert put(pending / "state", "sauce") == errno.EINVAL
    assert all(w.poll() is None for w in waiters)
    let_go(pending)
    assert [w.wait(20 * FACTOR) for w in waiters] == [0] * 5


def test_editors_that_fsync_do_not_wait(pending):
    fd = os.open(pending / "mode", os.O_RDWR)
    os.write(fd, b"asynchronous\n")
    os.fsync(fd)
    os.close(fd)
    assert sh("echo synchronous | dd of=mode conv=fsync 2>/dev/null",
              cwd=pending.path).rc == 0


def test_sync_of_other_files_does_not_wait(pending):
    for name in ("mode", "log", "conditions"):
        assert sh(f"sync {name}", cwd=pending.path, seconds=3).rc == 0


def test_waiting_for_what_is_removed(patient):
    r = patient.replica()
    fd = os.open(r / "wait", os.O_RDONLY)
    os.rmdir(r.path)
    assert call(os.read, fd, 100) in (0, errno.ENOENT, errno.ESTALE,
                                      errno.ECANCELED)
    os.close(fd)


# ---- kill -9 of the daemon, with everybody blocked ----

def tasks_of(pid):
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            yield get(f"/proc/{pid}/task/{task}/stat").rsplit(")", 1)[1][1]
    except (FileNotFoundError, ProcessLookupError):
        return


def test_kill_9_leaves_nobody_hanging(make):
    d = make(config=PATIENT).start()
    r = d.replica("r")
    d.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    assert r.ask("promoting") == 0
    blocked = [background(f"exec {c}") for c in (
        f"sync {r.path}/state", f"cat {r.path}/wait", f"tail -f {r.path}/log",
        f"sync {r.path}/spec.yaml", f"cat {r.path}/wait {r.path}/wait",
        f"sync {r.path}/state")]
    await_waiters(r, 5)
    held = open(r / "state", "rb")
    d.kill9()
    assert d.process.returncode == -signal.SIGKILL
    for process in blocked:
        if "tail" in " ".join(process.args):
            process.terminate()
        process.communicate(timeout=15 * FACTOR)
        assert process.returncode != 124, process.args
    assert is_dead(d.mnt) or call(os.stat, d.mnt) == 0
    assert call(os.pread, held.fileno(), 10, 0) in (errno.ENOTCONN,
                                                    errno.ECONNABORTED)
    call(held.close)
    assert not list(tasks_of(d.process.pid)), "a zombie"
    out = sh(f"ps -eo stat=,args= | grep -F {d.base} | grep -v grep").out
    assert not [line for line in out.splitlines() if line[0] in "DZ"], out
    d.start()
    assert r.state == "promoting"
    d.faults(r.here)
    r.done()
    assert r.here_volume.read_bytes() == b"newer\n"


def test_term_answers_everybody_and_unmounts(make):
    d = make(config=PATIENT).start()
    r = d.replica("r")
    d.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    assert r.ask("promoting") == 0
    blocked = [background(f"exec {c}", cwd="/") for c in (
        f"sync {r.path}/state", f"cat {r.path}/wait")]
    standing = background("exec tail -f /dev/null", cwd=r.path)
    await_waiters(r, 2)
    d.stop()
    for process in blocked:
        process.communicate(timeout=15 * FACTOR)
        assert process.returncode not in (0, 124)
    standing.terminate()
    standing.wait(10 * FACTOR)


def test_readers_meet_the_crash_and_the_next_daemon(own):
    """Threads that never stop reading see errors only while it is dead."""
    r = own.replica("r")
    over, wrong = threading.Event(), []

    def read_on():
        while not over.is_set():
            try:
                if get(r / "state") != "replica\n":
                    wrong.append("torn")
            except OSError as e:
                if e.errno not in (errno.ENOTCONN, errno.ECONNABORTED,
                                   errno.ENOENT):
                    wrong.append(name_of(e.errno))
    readers = [threading.Thread(target=read_on) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(3):
            own.kill9().start()
            assert r.state == "replica"
    finally:
        over.set()
        for reader in readers:
            reader.join()
    assert not wrong, wrong
