# SPDX-License-Identifier: Apache-2.0
"""inotify: every change is an event at whoever watches, and nothing else is."""
import contextlib
import errno
import itertools
import os
import signal
import threading
import time

import pytest

import inotify
from inotify import (ATTRIB, CLOSE_WRITE, CREATE, DELETE, DELETE_SELF,
                     IGNORED, MODIFY, MOVED_TO, OVERFLOW, Watcher, kinds)
from uvr import (CONFIG, FACTOR, background, call, get, is_dead, libc,
                 manifest, put, sh, until)

BOTH = MODIFY | CLOSE_WRITE


@pytest.fixture
def watcher():
    w = Watcher()
    yield w
    w.close()


@pytest.fixture
def r(d):
    return d.replica(mode="asynchronous")


remarks = itertools.count()     # another each time, or `error` stays as it is


def mark(r, watcher):
    """All events so far: those before that of a remark that is refused."""
    assert put(r / "state", f"sauce{next(remarks)}") == errno.EINVAL
    # The log is the last file that this changes; what came before may have
    # changed it too, but not the error.
    return (watcher.until(r / "error", CLOSE_WRITE) +
            watcher.until(r / "log", CLOSE_WRITE))


def quiet(r, watcher):
    """Takes what is still under way."""
    for _ in range(2):
        mark(r, watcher)
    return watcher


# ---- every change ----

def test_what_the_storage_does(d, r, watcher):
    """Nobody on this machine has touched anything."""
    watcher.add(r.path)
    quiet(r, watcher)
    d.faults(r.peer, "down")
    seen = watcher.until(r / "conditions", CLOSE_WRITE)
    assert kinds(seen, r / "conditions") == BOTH
    assert r.conditions["Degraded"].status == "True"
    d.faults(r.peer)
    watcher.until(r / "conditions", CLOSE_WRITE)


def test_a_state_that_the_daemon_moves(d, r, watcher):
    """syncing becomes replica by itself."""
    watcher.add(r / "state")
    assert r.ask("syncing force") == 0, r.error
    texts = []
    while texts[-1:] != ["replica"]:
        watcher.until(r / "state", CLOSE_WRITE)
        texts.append(r.state)
    assert kinds(mark_file(r, watcher), r / "state") == BOTH


def mark_file(r, watcher):
    """A change of state itself, for who watches nothing else."""
    assert put(r / "state", "promoting") == 0
    return watcher.until(r / "state", CLOSE_WRITE)


@pytest.mark.parametrize("where", ["file", "directory"])
def test_what_another_process_writes_elsewhere(r, watcher, where):
    names = ["conditions", "spec.yaml", "status.json", "log", "history"]
    if where == "directory":
        watcher.add(r.path)
    else:
        for name in names:
            watcher.add(r / name)
    assert sh("echo promoting > state", cwd=r.path).rc == 0
    wanted = {str(r / name) for name in names}
    seen = []
    while wanted - {e.path for e in seen if e.mask & CLOSE_WRITE}:
        part = watcher.read(10 * FACTOR)
        assert part, (wanted, seen)
        seen += part
    for path in wanted:
        assert kinds(seen, path) & ~inotify.ATTRIB == BOTH, path


def test_who_reads_after_the_event_reads_the_new_text(r, watcher):
    watcher.add(r / "log", MODIFY)
    for i in range(100):
        assert put(r / "state", f"w{i}") == errno.EINVAL
        watcher.until(r / "log", MODIFY)
        assert f"'w{i}'" in r.read("log")
        assert os.stat(r / "log").st_size == len(r.read("log"))


def test_a_watch_of_a_file_survives_the_loss_of_its_name(d, r, watcher):
    """Short of memory, the kernel keeps what is watched, not the way to it."""
    peer = r.peer               # read now: to read it is to find the way again
    watcher.add(r / "conditions")
    try:
        for _ in range(3):      # the file's name, then the directories'
            with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
                f.write("2")
    except OSError as why:
        pytest.skip(f"caches can't be dropped here: {why}")
    d.faults(peer, "down")
    seen = watcher.until(r / "conditions", CLOSE_WRITE)
    assert kinds(seen, r / "conditions") == BOTH
    d.faults(peer)


WRITERS = {
    "echo": "echo {} > mode", "append": "echo {} >> mode",
    "mv": "echo {} > mode.tmp && mv mode.tmp mode",
    "sed": "sed -i s/.*/{}/ mode",
    "install": "f=$(mktemp) && echo {} > $f && install $f mode",
}


@pytest.mark.parametrize("how", WRITERS)
def test_a_watch_of_a_file_survives_every_writer(r, watcher, how):
    watcher.add(r / "mode")
    for word in ("synchronous", "asynchronous", "synchronous"):
        done = sh(WRITERS[how].format(word), cwd=r.path)
        assert done.rc == 0, done
        seen = watcher.until(r / "mode", CLOSE_WRITE)
        assert kinds(seen, r / "mode") & MODIFY
        assert not kinds(seen, r / "mode") & (DELETE_SELF | IGNORED)
        assert r.read("mode") == word + "\n"


@pytest.mark.parametrize("how, what", [("mv", MOVED_TO),
                                       ("install", CREATE | CLOSE_WRITE)])
def test_what_a_directory_watch_sees_of_a_replacement(r, watcher, how, what):
    watcher.add(r.path)
    assert sh(WRITERS[how].format("synchronous"), cwd=r.path).rc == 0
    assert kinds(mark(r, watcher), r / "mode") & what == what


def test_replications_and_namespaces_come_and_go(d, watcher):
    watcher.add(d.mnt)
    os.mkdir(d / "fleeting")
    watcher.until(d / "fleeting", CREATE)
    watcher.add(d / "fleeting")
    os.mkdir(d / "fleeting/one")
    watcher.until(d / "fleeting/one", CREATE)
    watcher.add(d / "fleeting/one")
    # A draft becomes real: its files are new to the watcher.
    assert put(d / "fleeting/one/spec.yaml", manifest("one", "fleeting")) == 0
    wanted = set(os.listdir(d / "fleeting/one")) - {"plan", "lag"}
    seen = set()
    while wanted - seen:
        part = watcher.read(10 * FACTOR)
        assert part, wanted - seen
        seen |= {os.path.basename(e.path) for e in part
                 if e.mask & CLOSE_WRITE}
    d.uvr("fleeting", "one").done()
    os.rmdir(d / "fleeting/one")
    watcher.until(d / "fleeting/one", DELETE)
    os.rmdir(d / "fleeting")
    watcher.until(d / "fleeting", DELETE)


def test_inotifywait_follows_a_failover(r):
    monitor = background(
        f"exec inotifywait -m -q -e close_write --format '%f' {r.path}")
    until(lambda: "inotifywait" in get(f"/proc/{monitor.pid}/task/"
                                       f"{monitor.pid}/children") or
          watches_of(monitor.pid), "the watch")
    r.go("promoting", "source")
    names = set()
    while not {"state", "conditions", "history", "spec.yaml"} <= names:
        names.add(monitor.stdout.readline().strip())
    monitor.terminate()
    monitor.communicate(timeout=10 * FACTOR)


def watches_of(pid):
    """How many inotify watches a process and its children have."""
    count = 0
    for one in [pid, *get(f"/proc/{pid}/task/{pid}/children").split()]:
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{one}/fdinfo"):
                count += get(f"/proc/{one}/fdinfo/{fd}").count("inotify wd")
    return count


# ---- and no other ----

def test_nothing_happens_nothing_is_told(d, r, watcher):
    still = d.replica()
    for path in (still.path, still / "state", still / "lag", still / "plan"):
        watcher.add(path)
    watcher.add(r.path)
    names = set(os.listdir(still.path)) - {"plan", "lag"}

    def texts():
        return {name: still.read(name) for name in names}

    def told():
        """The events while nothing changed; None when something did."""
        before = texts()
        quiet(r, watcher)
        assert still.ask("replica") == 0        # what it is already
        assert still.read("lag") and still.plan("promoting")
        assert still.sync() == 0
        events = mark(r, watcher) + mark(r, watcher)
        return events if texts() == before else None
    events = until(told, "a moment without a change")
    assert [e for e in events if e.path.startswith(str(still.path))
            and e.path != str(still / "state")] == []


def test_a_refusal_touches_its_files_only(r, watcher):
    watcher.add(r.path)
    quiet(r, watcher)
    os.write(fd := os.open(r / "hold", os.O_WRONLY), b"\n")     # is empty
    os.close(fd)
    before = mark(r, watcher)
    assert {os.path.basename(e.path) for e in before if e.mask & MODIFY} <= \
        {"state", "error", "log", "hold"}
    assert not kinds(before, r / "conditions")
    assert not kinds(before, r / "spec.yaml")


def test_watching_costs_only_where_it_is_done(d, watcher):
    """What nobody has looked at is not nudged: the nudger is not woken."""
    # By another process: its path is not in the kernel's cache afterwards.
    a, b = d.replica(), d.replica()
    watcher.add(a.path)
    quiet(a, watcher)
    b.ask("sauce")
    seen = mark(a, watcher)
    assert not [e for e in seen if e.path.startswith(str(b.path))]


# ---- places ----

def test_read_only_and_other_owners(make, watcher):
    d = make().start()
    d.replica("r")
    d.stop()
    d.options = ["-o", "ro"]
    d.config.write_text(CONFIG + "access:\n  - {namespace: database, "
                        "owner: 2001, group: 2001, directoryMode: '0700', "
                        "fileMode: '0600'}\n")
    d.start()
    r = d.uvr("database", "r")
    assert put(r / "state", "promoting") == errno.EROFS
    watcher.add(r.path)
    d.faults(r.peer, "down")
    seen = watcher.until(r / "conditions", CLOSE_WRITE)
    assert kinds(seen, r / "conditions") == BOTH


def test_a_mount_of_another_namespace(d, r, watcher):
    """A watcher in a mount namespace and at a bind mount of its own."""
    quiet(r, watcher.add(r.path))       # a new one has news of its own
    monitor = background(
        f"exec unshare -m bash -c 'mount --bind {r.path} /mnt && "
        "exec inotifywait -m -q -e modify --format %f /mnt'")
    until(lambda: watches_of(monitor.pid), "the watch")
    assert put(r / "state", "sauce") == errno.EINVAL
    names = {monitor.stdout.readline().strip() for _ in range(2)}
    assert names <= {"error", "log", "state"}
    monitor.terminate()
    monitor.communicate(timeout=10 * FACTOR)


def test_umount_is_not_in_the_way(make):
    """The nudger holds nothing of the mount."""
    d = make().start()
    r = d.replica()
    w = Watcher().add(r.path)
    for i in range(20):
        put(r / "state", f"w{i}")
    w.close()

    def umount():
        return libc.umount2(str(d.mnt).encode(), 0) == 0
    until(umount, "a plain umount")
    assert d.process.wait(20 * FACTOR) == 0


# ---- many ----

@pytest.mark.limit(120)
def test_a_recursive_watcher_of_many(make, tmp_path):
    number = 300
    d = make().start()
    os.mkdir(d / "many")
    for i in range(number):
        os.mkdir(d / f"many/r{i}")
    out = tmp_path / "events"
    monitor = background(
        f"exec inotifywait -m -r -e close_write --format %w%f {d / 'many'} "
        f"> {out}", seconds=100)
    until(lambda: watches_of(monitor.pid) >= number + 1, "the watches", 30)
    for i in range(number):
        name = d / f"many/r{i}/.x"
        fd = os.open(d / f"many/r{i}/spec.yaml", os.O_WRONLY)
        os.write(fd, b"nonsense\n")
        assert call(os.close, fd) == errno.EINVAL, name
    wanted = {str(d / f"many/r{i}/error") for i in range(number)}
    until(lambda: wanted <= set(out.read_text().split()), "all of them", 30)
    monitor.terminate()
    monitor.communicate(timeout=10 * FACTOR)


def test_a_burst_loses_nothing(d, watcher):
    """Changes faster than nudges: the last one is always told."""
    several = [d.replica() for _ in range(5)]
    for r in several:
        watcher.add(r / "log", CLOSE_WRITE)
    for i in range(60):
        for r in several:
            put(r / "state", f"w{i}")
    done = set()
    while len(done) < len(several):
        events = watcher.read(10 * FACTOR)
        assert events, "the last change was not told"
        assert not any(e.mask & OVERFLOW for e in events)
        for r in several:
            if any(e.path == str(r / "log") for e in events) \
                    and "'w59'" in r.read("log"):
                done.add(r)


# ---- deaths ----

def nudger_of(d):
    for pid in get(f"/proc/{d.process.pid}/task/{d.process.pid}/"
                   "children").split():
        if get(f"/proc/{pid}/comm") == "uvrfs-nudger\n" and \
                get(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[0] != "Z":
            return int(pid)
    return None


def test_what_the_nudger_may(d):
    pid = nudger_of(d)
    status = dict(line.split(":\t", 1) for line in
                  get(f"/proc/{pid}/status").splitlines())
    # CAP_DAC_OVERRIDE and CAP_FOWNER
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0b1010
    assert status["NoNewPrivs"] == "1"
    # A file is open for as long as it is nudged.
    until(lambda: os.listdir(f"/proc/{pid}/fd") == ["0"], "one descriptor")
    assert os.readlink(f"/proc/{pid}/fd/0").startswith("socket:")


def test_the_nudger_is_started_again(own, watcher):
    r = own.replica()
    watcher.add(r.path)
    quiet(r, watcher)
    first = nudger_of(own)
    os.kill(first, signal.SIGKILL)
    put(r / "state", "meanwhile")
    watcher.until(r / "log", CLOSE_WRITE)
    assert nudger_of(own) not in (None, first)
    assert "the nudger has ended" in own.stderr()
    quiet(r, watcher)


def test_the_nudger_stopped_stops_nothing_else(own, watcher):
    """Events are late; nobody else waits."""
    r = own.replica()
    watcher.add(r.path)
    quiet(r, watcher)
    os.kill(nudger_of(own), signal.SIGSTOP)
    started = time.monotonic()
    for i in range(200):
        put(r / "state", f"w{i}")
        assert r.state == "replica"
    assert time.monotonic() - started < 10 * FACTOR
    os.kill(nudger_of(own), signal.SIGCONT)
    while "'w199'" not in r.read("log"):
        watcher.until(r / "log", CLOSE_WRITE)
    watcher.until(r / "log", CLOSE_WRITE)


def test_another_file_system_in_its_place_is_left_alone(own, tmp_path):
    """Mounted over, the same paths are files of others."""
    r = own.replica()
    w = Watcher().add(r.path)
    fd = os.open(r / "state", os.O_WRONLY)
    assert libc.mount(b"none", str(own.mnt).encode(), b"tmpfs", 0, None) == 0
    try:
        os.makedirs(r.path)
        for name in ("log", "error"):
            (r / name).write_text("foreign\n")
            os.utime(r / name, (1, 1))
        assert call(os.write, fd, b"sauce") == errno.EINVAL
        # Its own event shows that the nudge has been tried.
        w2 = Watcher().add(r / "log", inotify.OPEN)
        assert call(os.write, fd, b"sauces") == errno.EINVAL
        w2.until(r / "log", inotify.OPEN)
        until(lambda: call(os.write, fd, b"sauce") == errno.EINVAL, "")
        w2.until(r / "log", inotify.OPEN)
        assert os.stat(r / "log").st_mtime == 1
        w2.close()
    finally:
        libc.umount2(str(own.mnt).encode(), 2)
        os.close(fd)
    w.close()


ROUNDS = int(os.environ.get("UVRFS_KILLS", "10"))


@pytest.mark.limit(240)
@pytest.mark.parametrize("group", range(5))
def test_kill_9_with_everybody_at_work(make, group):
    """Watchers, nudges under way, blocked readers, waiters: gone at once."""
    d = make(config="site: here\ntimeouts: {act: 2s, retryFirst: 50ms, "
             "retryMax: 200ms, minDeadline: 300s}\n").start()
    r = d.replica("r")
    d.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    assert r.ask("promoting") == 0
    for round_ in range(ROUNDS):
        w = Watcher().add(r.path)
        blocked = [background(f"exec {c}", seconds=30) for c in (
            f"cat {r.path}/wait", f"cat {r.path}/events",
            f"sync {r.path}/state", f"cat {d.mnt}/.uvrfs/events")]
        until(lambda: sum(is_blocked(p.pid) for p in blocked) == 4, "blocked")
        nudger = nudger_of(d)
        over = threading.Event()
        writers = [threading.Thread(target=write_on, args=(r, over))
                   for _ in range(2)]
        for thread in writers:
            thread.start()
        for _ in range(round_ % 4 + 1):     # not always at the same moment
            w.until(r / "log", MODIFY)
        d.kill9()
        over.set()
        for thread in writers:
            thread.join(20 * FACTOR)
            assert not thread.is_alive(), "a writer hangs"
        for process in blocked:
            process.communicate(timeout=20 * FACTOR)
            assert process.returncode == 1, process.args
        until(lambda: is_over(nudger), "no nudger")
        assert is_dead(d.mnt)
        w.close()
        out = sh("ps -eo stat=,args=").out
        assert not [line for line in out.splitlines()
                    if line[0] == "D" and str(d.base) in line], out
        d.start()
        assert r.state == "promoting"


def write_on(r, over):
    i = 0
    while not over.is_set():
        i += 1
        put(r / "state", f"w{i}")


def is_over(pid):
    """True when it has ended, whether init has noticed or not."""
    try:
        return get(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def is_blocked(pid):
    """True when the command that timeout(1) runs is in a system call."""
    with contextlib.suppress(OSError, IndexError):
        child = get(f"/proc/{pid}/task/{pid}/children").split()[0]
        number = get(f"/proc/{child}/syscall").split()[0]
        path = os.readlink(f"/proc/{child}/exe")
        # read, and close
        return number in ("0", "3") and os.path.basename(path) in (
            "cat", "sync")
    return False
