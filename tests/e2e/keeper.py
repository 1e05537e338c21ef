# SPDX-License-Identifier: Apache-2.0
"""Mounts that outlive their daemons.  The test is the service manager: it keeps
the descriptors that a daemon hands over, as systemd's descriptor store does."""
import os
import select
import signal
import socket
import subprocess

import pytest

from shell import FACTOR, background, get, until
from uvr import Daemon


class Kept(Daemon):
    """A daemon whose mount outlives it."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.store = {}
        # libfuse forgets its name of the mountpoint when it does not unmount.
        leaks = self.base / "leaks"
        leaks.write_text("leak:fuse_session_mount\n")
        os.environ["LSAN_OPTIONS"] = \
            f"suppressions={leaks}:print_suppressions=0"

    def command(self, *more):
        if not self.store:
            return super().command(*more)
        names = ":".join(self.store)
        # bash, since others know no descriptors of two digits.
        moves = "".join(f" {n}<&{fd} {fd}<&-"
                        for n, fd in enumerate(self.store.values(), 3))
        return ["bash", "-c", "export LISTEN_PID=$$ "
                f"LISTEN_FDS={len(self.store)} LISTEN_FDNAMES={names}; "
                f"exec \"$@\"{moves}", "bash", *super().command(*more)]

    def hear(self, listener):
        text, fds, _, _ = socket.recv_fds(listener, 4096, 4)
        name = text.split(b"FDNAME=")[-1].decode()
        if b"FDSTORE=1" in text:
            self.store[name] = fds[0]
        elif b"FDSTOREREMOVE=1" in text and name in self.store:
            os.close(self.store.pop(name))
        self.inherited = tuple(self.store.values())
        return text

    def put_away(self, listener):
        """It goes on to listen."""
        self.listener = listener

    def hear_out(self):
        """What it said last."""
        while select.select([self.listener], [], [], 0)[0]:
            self.hear(self.listener)

    def stop(self):
        super().stop()
        self.hear_out()
        return self

    def give_up(self):
        for fd in self.store.values():
            os.close(fd)
        self.store, self.inherited = {}, ()

    def leave(self):
        """Ends it as an upgrade does."""
        self.process.send_signal(signal.SIGUSR1)
        assert self.process.wait(20 * FACTOR) == 75, self.stderr()
        self.check_reports()
        return self

    def destroy(self):
        self.give_up()
        super().destroy()


SERVANT = """
import os, sys
for line in sys.stdin:
    try:
        print(eval(line), flush=True)
    except OSError as e:
        print(-e.errno, flush=True)
"""


class Servant:
    """Another process: what it has open is not closed by a fork of ours, which
    would have to wait for the next daemon."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["python3", "-c", SERVANT], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)

    def __call__(self, function, *args):
        """What a function of os returns, or minus the errno."""
        args = [os.fspath(a) if isinstance(a, os.PathLike) else a for a in args]
        print(f"os.{function}(*{args!r}) or 0", file=self.process.stdin,
              flush=True)
        return int(self.process.stdout.readline())


@pytest.fixture
def other():
    servant = Servant()
    yield servant
    servant.process.kill()
    servant.process.communicate()


def await_requests(daemon, number):
    """Until so many requests were not answered yet."""
    path = f"/sys/fs/fuse/connections/{daemon.minor}/waiting"
    until(lambda: int(get(path)) >= number, f"{number} requests wait")


LOOPS = {
    "cat": "cat state conditions",
    "stat": "stat . state plan/promoting",
    "sync": "sync state",
    "ls": "ls . plan ../../.uvrfs/by-state/replica",
}


class Programs:
    """Shells that use a replication all the time, and a watcher of it."""

    def __init__(self, r, tmp_path):
        self.r, self.at, self.errors = r, tmp_path, tmp_path / "errors"
        self.names = [*LOOPS, "inotify"]
        self.loops = [background(
            f"while :; do {command} >/dev/null 2>>{self.errors} || "
            f"echo {name}: $? >>{self.errors}; echo >>{tmp_path / name}; done",
            cwd=r.path, seconds=500) for name, command in LOOPS.items()]
        with open(tmp_path / "inotify", "wb") as out:
            self.watch = subprocess.Popen(
                ["inotifywait", "-m", "-e", "modify", r / "hold"], text=True,
                stdout=out, stderr=subprocess.PIPE)
        while "established" not in self.watch.stderr.readline():
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.watch.kill()
        self.watch.communicate()
        for loop in self.loops:
            loop.terminate()
            loop.communicate()

    def _counts(self):
        return {n: os.path.getsize(self.at / n) if (self.at / n).exists()
                else 0 for n in self.names}

    def _go_on(self, before):
        now = self._counts()
        return all(now[n] > before[n] for n in self.names)

    def turn(self, i):
        """Each has done something since, and none has seen an error."""
        before = self._counts()
        assert self.r.write("hold", f"turn {i}\n") == 0
        until(lambda: self._go_on(before),
              f"all of {self.names} go on: {before}", 20)
        assert not self.errors.exists() or not self.errors.read_text()


def outlasts(kept, spoil, match=None):
    """With a configuration that is spoilt it fails to start, and the mount
    waits until that is mended."""
    r, good = kept.replica(), kept.config.read_text()
    kept.kill9()
    spoil(kept.config)
    with pytest.raises(RuntimeError, match=match):
        kept.start()
    cat = background(f"cat {r / 'state'}")
    await_requests(kept, 1)
    kept.config.write_text(good)
    kept.start()
    assert cat.communicate(timeout=20 * FACTOR)[0] == "replica\n"
