# SPDX-License-Identifier: Apache-2.0
"""poll, select and epoll: a change is urgent, as on sysfs, and wakes once."""
import os
import select
import threading

import pytest

from uvr import FACTOR, PATIENT, call, put, until

URGENT = select.POLLPRI | select.POLLERR
SOON = 10000 * FACTOR


@pytest.fixture(scope="module")
def r(module_daemon):
    return module_daemon.replica("polled", mode="asynchronous")


@pytest.fixture
def fd(r):
    fd = os.open(r / "mode", os.O_RDONLY)
    os.read(fd, 100)
    yield fd
    os.close(fd)


def other(r):
    return {"synchronous\n": "asynchronous",
            "asynchronous\n": "synchronous"}[r.read("mode")]


def change(r):
    assert put(r / "mode", other(r)) == 0


def changed_meanwhile(r, wait):
    """What wait() returns when the change comes while it waits."""
    result = []
    thread = threading.Thread(target=lambda: result.append(wait()))
    thread.start()
    change(r)
    thread.join(20 * FACTOR)
    assert result, "nobody was woken"
    return result[0]


def test_poll(r, fd):
    poll = select.poll()
    poll.register(fd, select.POLLPRI)
    assert poll.poll(0) == []
    for _ in range(5):
        assert changed_meanwhile(r, lambda: poll.poll(SOON)) == [(fd, URGENT)]
        # Until it has been read again.
        assert poll.poll(0) == [(fd, URGENT)]
        assert os.pread(fd, 100, 0).decode() == r.read("mode")
        assert poll.poll(0) == []


def test_a_file_can_always_be_read(r, fd):
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    assert poll.poll(0) == [(fd, select.POLLIN)]
    both = os.open(r / "mode", os.O_RDWR)
    poll.register(both, select.POLLIN | select.POLLOUT)
    assert (both, select.POLLIN | select.POLLOUT) in poll.poll(0)
    os.close(both)


def test_select(r, fd):
    assert select.select([], [], [fd], 0) == ([], [], [])
    assert changed_meanwhile(
        r, lambda: select.select([], [], [fd], SOON / 1000)) == ([], [], [fd])
    os.pread(fd, 100, 0)
    assert select.select([], [], [fd], 0) == ([], [], [])


@pytest.mark.parametrize("edge", [0, select.EPOLLET])
def test_epoll(r, fd, edge):
    with select.epoll() as epoll:
        epoll.register(fd, select.EPOLLPRI | edge)
        assert epoll.poll(0) == []
        for _ in range(5):
            events = changed_meanwhile(r, lambda: epoll.poll(SOON / 1000))
            assert events == [(fd, select.EPOLLPRI | select.EPOLLERR)]
            if not edge:
                os.pread(fd, 100, 0)
            # An edge is told once, whether one has read or not.
            assert epoll.poll(0) == []
        os.pread(fd, 100, 0)


def test_what_has_changed_before_is_told_at_once(r, fd):
    change(r)
    poll = select.poll()
    poll.register(fd, select.POLLPRI)
    assert poll.poll(0) == [(fd, URGENT)]
    again = os.open(r / "mode", os.O_RDONLY)
    poll.register(again, select.POLLPRI)
    assert again not in dict(poll.poll(0))
    os.close(again)


def test_what_did_not_change_wakes_nobody(r, fd):
    poll = select.poll()
    poll.register(fd, select.POLLPRI)
    refused = os.open(r / "error", os.O_RDONLY)
    poll.register(refused, select.POLLPRI)
    assert put(r / "mode", r.read("mode")) == 0
    assert put(r / "state", "sauce") != 0
    # That has woken one of the two, so all events have been told.
    assert poll.poll(SOON) == [(refused, URGENT)]
    assert poll.poll(0) == [(refused, URGENT)]
    os.close(refused)


def test_a_change_of_the_storage(module_daemon):
    r = module_daemon.replica()
    poll = select.poll()
    fd = os.open(r / "conditions", os.O_RDONLY)
    os.read(fd, 4096)
    poll.register(fd, select.POLLPRI)
    module_daemon.faults(r.peer, "down")
    assert poll.poll(SOON) == [(fd, URGENT)]
    os.close(fd)
    module_daemon.faults(r.peer)


def test_one_of_many(module_daemon, r):
    """One changed file is one event, and nobody else wakes."""
    with select.epoll() as epoll:
        fds = [os.open(r / "mode", os.O_RDONLY) for _ in range(400)]
        fds += [os.open(r / "hold", os.O_RDONLY) for _ in range(1)]
        for fd in fds:
            epoll.register(fd, select.EPOLLPRI | select.EPOLLET)
        assert epoll.poll(0) == []
        assert put(r / "hold", "a drill") == 0
        assert epoll.poll(SOON / 1000, 1000) == [
            (fds[-1], select.EPOLLPRI | select.EPOLLERR)]
        assert epoll.poll(0, 1000) == []
        assert put(r / "hold", "\n") == 0
        for fd in fds:
            os.close(fd)


def test_streams_and_waits(make):
    d = make(config=PATIENT).start()
    r = d.replica()
    d.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    assert r.ask("promoting") == 0
    events = os.open(r / "events", os.O_RDONLY | os.O_NONBLOCK)
    waiting = os.open(r / "wait", os.O_RDONLY)
    poll = select.poll()
    poll.register(waiting, select.POLLIN)
    assert poll.poll(0) == []
    poll.register(events, select.POLLIN)
    until(lambda: call(os.read, events, 4096) and poll.poll(0) == [],
          "all is read")
    assert put(r / "state", "sauce") != 0
    assert poll.poll(SOON) == [(events, select.POLLIN)]
    poll.unregister(events)
    d.faults(r.here)
    assert poll.poll(SOON) == [(waiting, select.POLLIN)]
    assert os.read(waiting, 100) == b"verified: promoting\n"
    os.close(events)
    os.close(waiting)


def test_what_is_removed(module_daemon):
    r = module_daemon.replica()
    fds = [os.open(r / name, os.O_RDONLY) for name in ("state", "events")]
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLPRI)
    os.rmdir(r.path)
    assert {fd for fd, _ in poll.poll(SOON)} == set(fds)
    for fd in fds:
        os.close(fd)


def test_the_end_of_the_daemon(make):
    for end in ("stop", "kill9"):
        d = make().start()
        r = d.replica()
        fd = os.open(r / "state", os.O_RDONLY)
        os.read(fd, 100)
        poll = select.poll()
        poll.register(fd, select.POLLPRI)
        assert poll.poll(0) == []
        getattr(d, end)()
        assert poll.poll(SOON)[0][1] & select.POLLERR
        call(os.close, fd)


# ---- a crowd ----

CROWD = 1000


def threads_of(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/task"))


@pytest.mark.limit(180)
def test_a_thousand_at_once(make):
    """Readers, waiters and pollers cost no thread and are in nobody's way."""
    d = make(config="site: here\ntimeouts: {act: 2s, retryFirst: 50ms, "
             "retryMax: 200ms, minDeadline: 300s}\n").start()
    r = d.replica(mode="asynchronous")
    d.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    assert r.ask("promoting") == 0
    until(lambda: "demote-peer" in r.acts(), "the peer steps down")
    before = threads_of(d)
    pids = []
    for i in range(CROWD):
        pid = os.fork()
        if pid == 0:
            os._exit(crowd_member(r, i % 3))
        pids.append(pid)
    until(lambda: blocked_in_fuse(pids) == CROWD, "all of them wait", 60)
    assert threads_of(d) == before
    # Others write it, rename over it and look at it, and are not delayed.
    for i in range(20):
        assert put(r / "state", "promoting") == 0
        (r / f"state.{i}").write_text("promoting\n")
        os.replace(r / f"state.{i}", r / "state")
        change(r)
        assert r.state == "promoting"
    assert threads_of(d) == before
    d.faults(r.here)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * CROWD


def crowd_member(r, kind):
    """0 when it was told of the verification."""
    try:
        if kind == 0:
            fd = os.open(r / "wait", os.O_RDONLY)
            return os.read(fd, 100) != b"verified: promoting\n"
        if kind == 1:
            fd = os.open(r / "state", os.O_RDONLY | os.O_NONBLOCK)
            os.fsync(fd)
            os.close(fd)
            return 0
        fd = os.open(r / "wait", os.O_RDONLY)
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return poll.poll(100000) != [(fd, select.POLLIN)]
    except OSError:
        return 1


def blocked_in_fuse(pids):
    """How many of them wait in a read, a close, or a poll."""
    count = 0
    for pid in pids:
        with open(f"/proc/{pid}/syscall", encoding="ascii") as f:
            count += f.read().split()[0] in ("0", "3", "7", "17")
    return count
