# SPDX-License-Identifier: Apache-2.0
"""A daemon that dies under a busy mount, and the next one that goes on."""
import errno
import os
import shutil
import signal
import subprocess
import time

import pytest

from inotify import MODIFY, Watcher
from keeper import (Kept, Programs, await_requests, other,  # noqa: F401
                    outlasts)
from shell import freeze
from story import (Audit, Story, history_of, no_act_is_done_twice,
                   nothing_is_torn, quiet, seeded)
from uvr import (FACTOR, PATIENT, background, call, destroy_all, get,
                 is_dead, put, sh, until)
from writers import Crowd, Echo, reader, transitions, write_by_open

# How often the daemon is killed while programs run in loops, or write.
KILLS = int(os.environ.get("UVRFS_TAKEOVERS", 100 if FACTOR == 1 else 20))


@pytest.fixture
def new():
    made = []

    def make(*args, **options):
        made.append(Kept(*args, **options).start())
        if not made[-1].store:
            pytest.skip("this kernel does not send requests again")
        return made[-1]
    yield make
    destroy_all(made)


@pytest.fixture
def kept(new):
    return new()


def test_readers_go_on(kept):
    r = kept.replica()
    minor = kept.minor
    with open(r / "state", encoding="utf-8") as f:
        assert f.read() == "replica\n"
        kept.kill9()
        cat = background(f"cat {r / 'state'}")
        stat = background(f"stat -c %s {r / 'state'}")
        kept.start()
        assert cat.communicate(timeout=20 * FACTOR)[0] == "replica\n"
        assert stat.communicate(timeout=20 * FACTOR)[0] == "8\n"
        f.seek(0)
        assert f.read() == "replica\n"
    assert kept.minor == minor
    r.go("promoting", "source")
    kept.stop()


# Of accepted words after which a writer would only look.
NEVER = 1 << 30


@pytest.mark.limit(600)
@pytest.mark.parametrize("end", ["kill9", "leave"])
def test_programs_in_loops(new, tmp_path, end):
    kept = new()
    with Programs(kept.replica(), tmp_path) as programs:
        programs.turn(0)
        for i in range(1, (KILLS if end == "kill9" else KILLS // 5) + 1):
            getattr(kept, end)()
            kept.start()
            programs.turn(i)


def test_changes_that_nobody_was_told_of(kept):
    """Committed in the last moment: watchers hear of it from the next one."""
    r = kept.replica()
    watch = Watcher().add(r / "hold")
    # Its requests are stored, and it dies before it tells anybody.
    assert r.write("hold", "drill\n") == 0
    kept.kill9()
    watch.read(0)
    kept.start()
    watch.until(r / "hold", MODIFY)
    assert get(r / "hold") == "drill\n"


def test_waiters_go_on(new):
    kept = new(config=PATIENT)
    r = kept.replica()
    kept.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    assert r.ask("promoting") == 0
    until(lambda: "demote-peer" in r.acts(), "the peer steps down")
    sync = background(f"sync {r / 'state'}")
    wait = background(f"cat {r / 'wait'}")
    await_requests(kept, 2)
    for end in (kept.kill9, kept.leave):
        end()
        kept.start()
        await_requests(kept, 2)
        assert sync.poll() is None and wait.poll() is None
    kept.faults(r.here)
    assert sync.wait(30 * FACTOR) == 0, r.explain()
    assert wait.communicate(timeout=20 * FACTOR)[0]
    assert r.state == "promoting" and r.acts().count("promote") == 1


def test_a_waiter_can_be_interrupted(new):
    kept = new(config=PATIENT)
    r = kept.replica()
    kept.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    assert r.ask("promoting") == 0
    sync = subprocess.Popen(["sync", r / "state"])
    await_requests(kept, 1)
    kept.kill9()
    kept.start()
    await_requests(kept, 1)
    sync.terminate()
    assert sync.wait(20 * FACTOR) == -signal.SIGTERM


def test_a_stream_goes_on(kept):
    r = kept.replica()
    with subprocess.Popen(["cat", r / "events"], stdout=subprocess.PIPE,
                          text=True) as cat:
        assert "accepted" in cat.stdout.readline()
        kept.kill9()
        kept.start()
        assert r.write("hold", "drill\n") == 0
        while "held" not in cat.stdout.readline():
            pass
        cat.kill()


POLLER = """
import os, select
poll = select.poll()
poll.register(0, select.POLLPRI)
while True:
    print(os.pread(0, 100, 0).decode().strip() or "-", flush=True)
    poll.poll()
"""


def test_pollers_go_on(kept):
    r = kept.replica()
    with open(r / "hold", "rb") as hold, subprocess.Popen(
            ["python3", "-c", POLLER], stdin=hold, stdout=subprocess.PIPE,
            text=True) as poller:
        now = "-"
        for end in (kept.kill9, kept.leave, kept.kill9):
            assert poller.stdout.readline() == now + "\n"
            until(lambda: "poll" in get(f"/proc/{poller.pid}/wchan"), "it polls")
            end()
            kept.start()
            # It may have changed: nobody knows.
            assert poller.stdout.readline() == now + "\n"
            until(lambda: "poll" in get(f"/proc/{poller.pid}/wchan"), "it polls")
            now = f"drill {end.__name__}"
            assert r.write("hold", now) == 0
        assert poller.stdout.readline() == now + "\n"
        poller.kill()


def test_what_was_asked_of_nobody_is_asked_of_the_next(kept):
    """A request that no daemon had read when it died."""
    r = kept.replica()
    freeze(kept.process.pid)
    echo = background("echo promoting > state", cwd=r.path)
    await_requests(kept, 1)
    kept.kill9()
    assert echo.poll() is None
    kept.start()
    assert echo.wait(20 * FACTOR) == 0
    r.done()
    assert r.state == "promoting" and r.acts().count("promote") == 1


def test_half_a_text_is_not_applied(kept, other):
    r = kept.replica()
    before = r.read("spec.yaml")
    fd = other("open", r / "spec.yaml", os.O_WRONLY | os.O_TRUNC)
    assert other("write", fd, before[:40].encode()) == 40
    kept.kill9()
    kept.start()
    assert other("write", fd, before[40:].encode()) == -errno.EIO
    assert other("close", fd) == -errno.EIO
    assert "write it again" in r.error
    assert r.read("spec.yaml") == before
    # From the beginning it is a text again.
    fd = other("open", r / "spec.yaml", os.O_WRONLY | os.O_TRUNC)
    assert other("write", fd, b"nonsense") == 8
    kept.leave()
    kept.start()
    assert other("pwrite", fd, before.encode(), 0) == len(before)
    assert other("close", fd) == 0
    assert r.read("spec.yaml") == before


def test_scratch_files_are_gone(kept, other):
    r = kept.replica()
    fd = other("open", r / ".state.tmp", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    assert other("write", fd, b"promoting\n") == 10
    kept.kill9()
    kept.start()
    assert other("write", fd, b"x") == -errno.ESTALE
    other("close", fd)
    assert call(os.rename, r / ".state.tmp", r / "state") == errno.ENOENT
    assert r.state == "replica"
    assert put(r / ".state.tmp", "promoting\n",
               os.O_WRONLY | os.O_CREAT | os.O_EXCL) == 0
    os.rename(r / ".state.tmp", r / "state")
    assert r.done().state == "promoting"


def test_who_keeps_it_gives_up(kept):
    r = kept.replica()
    kept.kill9()
    cat = background(f"cat {r / 'state'}")
    await_requests(kept, 1)
    kept.give_up()
    assert "onnect" in cat.communicate(timeout=20 * FACTOR)[1] and cat.returncode == 1
    assert is_dead(kept.mnt)
    kept.start()
    assert r.state == "replica"


def test_stopping_unmounts_what_was_taken_over(kept, other):
    r = kept.replica()
    kept.kill9()
    kept.start()
    # Busy, and somebody else has the descriptor: it ends all the same.
    fd = other("open", r / "state", os.O_RDONLY)
    copies = [os.dup(kept_fd) for kept_fd in kept.store.values()]
    kept.stop()
    assert not kept.store
    assert other("pread", fd, 10, 0) == -errno.ENOTCONN
    for copy in copies:
        os.close(copy)
    kept.start()
    assert r.state == "replica"


def test_another_mountpoint(kept):
    r = kept.replica()
    kept.kill9()
    old, kept.mnt = kept.mnt, kept.base / "elsewhere"
    kept.mnt.mkdir()
    minor = kept.minor
    kept.start()
    assert kept.minor != minor
    assert get(kept / "database" / r.name / "state") == "replica\n"
    kept.stop()
    assert is_dead(old)
    kept.mnt = old


@pytest.mark.parametrize("where", ["elsewhere", "in its place"])
def test_another_store(kept, where):
    """The numbers of one mean other replications in another."""
    r = kept.replica()
    kept.kill9()
    cat = background(f"cat {r / 'state'}")
    if where == "elsewhere":
        kept.state = kept.base / "another"
    else:
        kept.state.rename(kept.base / "before")
    kept.start()
    assert cat.wait(20 * FACTOR) == 1
    assert os.listdir(kept.mnt) == [".uvrfs"]
    kept.stop()


def test_the_same_store_in_another_directory(kept):
    """Which number a directory has means nothing: on overlayfs that changes."""
    r, minor = kept.replica(), kept.minor
    kept.kill9()
    before = kept.state.rename(kept.base / "before")
    shutil.copytree(before, kept.state)
    kept.start()
    assert kept.minor == minor
    assert r.state == "replica"


def write_memory(kept, data, at):
    memory, = [fd for name, fd in kept.store.items() if "memory" in name]
    os.pwrite(memory, data, at)


def test_left_by_an_older_daemon(kept, other):
    """It has kept its mount's number and no more than that: zeros say nothing."""
    r, minor = kept.replica(), kept.minor
    fd = other("open", r / "state", os.O_RDONLY)
    kept.kill9()
    write_memory(kept, bytes((1 << 17) - 48), 48)
    kept.start()
    assert kept.minor == minor
    assert other("lseek", fd, 0, os.SEEK_SET) == 0 and r.state == "replica"
    r.go("promoting")
    assert other("close", fd) == 0


def test_left_by_another_layout(kept):
    """What is kept can't be understood: another mount, and nobody hangs."""
    r = kept.replica()
    kept.kill9()
    cat = background(f"cat {r / 'state'}")
    write_memory(kept, b"\xff", 0)
    kept.start()
    assert cat.wait(20 * FACTOR) == 1
    assert "goes on" not in kept.stderr()
    assert r.state == "replica"


def test_what_is_mounted_there_now_stays(kept):
    kept.replica()
    where = os.open(kept.mnt / "database", os.O_PATH)
    assert kept.process.poll() is None
    sh(f"umount -l {kept.mnt} && mount -t tmpfs none {kept.mnt}")
    os.close(where)
    kept.process.wait(20 * FACTOR)
    assert os.path.ismount(kept.mnt) and not is_dead(kept.mnt)
    kept.give_up()


def test_it_may_be_read_only_next(kept, other):
    r = kept.replica()
    fd = other("open", r / "state", os.O_WRONLY)
    kept.leave()
    kept.options = ["-o", "ro"]
    kept.start()
    assert other("write", fd, b"promoting") == -errno.EROFS
    assert r.state == "replica"


@pytest.mark.parametrize("variable, value", [
    ("LISTEN_FDS", "nonsense"), ("LISTEN_FDS", "999999999"),
    ("LISTEN_FDS", "0"), ("LISTEN_PID", "1")])
def test_nonsense_of_a_keeper(kept, monkeypatch, variable, value):
    """No descriptor that is to be taken over: a mount like any other."""
    kept.stop()
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv(variable, value)
    kept.start()
    assert os.listdir(kept.mnt) == [".uvrfs"]


def test_descriptors_that_are_not_ours_are_closed(kept, tmp_path):
    kept.stop()
    (tmp_path / "x").write_text("x")
    kept.store = {"x": os.open(tmp_path / "x", os.O_RDONLY),
                  "y": os.open("/dev/null", os.O_RDWR)}
    kept.inherited = tuple(kept.store.values())
    kept.start()
    held = [os.readlink(f"/proc/{kept.process.pid}/fd/{n}")
            for n in os.listdir(f"/proc/{kept.process.pid}/fd")]
    assert str(tmp_path / "x") not in held


def test_leaving_without_a_keeper_is_stopping(make):
    daemon = make(options=["-o", "basic"]).start()
    daemon.process.send_signal(signal.SIGUSR1)
    assert daemon.process.wait(20 * FACTOR) == 0
    assert daemon._minor() is None


def test_it_fails_to_start_and_the_mount_waits(kept):
    outlasts(kept, lambda config: config.write_text("nonsense: 1\n"))


@pytest.mark.limit(60 + 10 * KILLS)
def test_every_write_is_answered_and_none_is_done_twice(new):
    """By a crowd that goes on through the deaths of daemons."""
    chance, kept = seeded(), new(config=PATIENT)
    uvrs = [kept.replica("plain"), kept.source("moved"),
            kept.replica("turned").go("promoting", "source", "swap")]
    story, audit, calls = Story(uvrs), Audit(kept), {}

    def look():
        """A call has made one request, whoever has carried it out."""
        for r in uvrs:
            for entry in history_of(r):
                place = r.name, entry["request"]
                assert calls.setdefault(entry["call"], place) == place, entry

    for _ in range(KILLS // 5):
        crowd = Crowd(chance, [
            *(transitions(r, chance.choice((write_by_open, Echo)), NEVER)
              for r in uvrs * 3), reader(uvrs)], most=40)
        deaths = []
        while crowd.is_at_work() and len(deaths) < 5:
            time.sleep(chance.uniform(0, 0.1))
            begin = time.monotonic()
            chance.choice((kept.kill9, kept.leave))()
            deaths.append((begin, time.monotonic()))
            kept.start()
            look()
        done = crowd.join()
        # A close that comes after is told that there may have been a text.
        lines = [line for line in audit.news()
                 if "write it again" not in line.text]
        story.add(done, lines, deaths[0][0], deaths)
        for r in uvrs:
            quiet(r)
        look()
        assert not story.faults, "\n".join(story.faults[:10])
    kept.stop()
    print(story.figures(kept.journal()), len(calls), "calls")
    no_act_is_done_twice(kept)
    nothing_is_torn(kept)
