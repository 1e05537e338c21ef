# SPDX-License-Identifier: Apache-2.0
"""Random calls on a mount: any name, any flag, any text, in any order."""
import collections
import contextlib
import errno
import fcntl
import mmap
import os
import select
import signal

from replication import manifest
from uvr import libc

FILES = ("state", "conditions", "endpoints", "mode", "schedule", "volumes",
         "spec.yaml", "status.json", "backend", "lag", "progress", "error",
         "hold", "log", "history", "plan", "plan/promoting", "plan/swap",
         "events", "wait")
ODD = ("", ".", "..", "staet", ".x", ".y.swp", "state.tmp", "state~", "x",
       "spec.yaml.lock", "n" * 255, "n" * 256, "A", "a\nb", "ä", "\udcff",
       "-", "draft", "draft/spec.yaml", "4913", ".uvrfs")
HIDDEN = ("help", "version", "site", "health", "summary", "log", "audit",
          "events", "backends", "backends/sim/type", "clusters",
          "by-state", "by-state/replica", "by-source", "nothing")
WORDS = ("source", "replica", "promoting", "demoting", "syncing", "failed",
         "swap", "", " \n", "x", "synchronous", "asynchronous", "a" * 1023,
         "a" * 5000, "\0", "ü", "{", "mode: continuous\nrpo: 9s\n",
         "mode: continuous\nrpo: 9", "spec: {}\n")
FLAGS = ("O_TRUNC", "O_APPEND", "O_CREAT", "O_EXCL", "O_NONBLOCK",
         "O_DIRECTORY", "O_NOFOLLOW", "O_PATH", "O_SYNC", "O_NOATIME",
         "O_DIRECT")
HANDLES = 200
NONBLOCK, ALL_EVENTS = 0x800, 0xfff         # of inotify


class Interrupted(Exception):
    """By the timer: some reads wait."""


class Turmoil:
    """Of one process."""

    def __init__(self, d, chance, kept):
        """`kept` is not removed, all else may be."""
        self.d, self.chance, self.kept = d, chance, kept
        self.handles, self.poll = [], select.poll()
        self.calling = False
        self.watcher = libc.inotify_init1(NONBLOCK)
        self.calls = [getattr(self, name) for name in dir(self)
                      if name.startswith("do_")]

    # What to do it to.

    def path(self):
        kind = self.chance.random()
        if kind < 0.1:
            return self.d.mnt / ".uvrfs" / self.chance.choice(HIDDEN)
        if kind < 0.2:
            return self.d.mnt / self.chance.choice(("database", "web", *ODD))
        name = self.chance.choice((*self.kept, "new1", "new2", "draft"))
        if kind < 0.3:
            return self.d.mnt / "database" / name
        return (self.d.mnt / "database" / name /
                self.chance.choice(FILES if kind < 0.8 else ODD))

    def text(self):
        kind = self.chance.random()
        if kind < 0.1:
            name = self.chance.choice((*self.kept, "new1", "new2"))
            return manifest(name).encode()
        text = self.chance.choice(WORDS)
        if kind < 0.3:
            text += " force"
        return text.encode(errors="surrogateescape")

    def handle(self):
        if not self.handles:
            self.do_open()
        return self.chance.choice(self.handles)

    # What to do.

    def do_open(self):
        flags = self.chance.choice((os.O_RDONLY, os.O_WRONLY, os.O_RDWR))
        for name in self.chance.sample(FLAGS, self.chance.randrange(3)):
            flags |= getattr(os, name)
        fd = os.open(self.path(), flags, 0o644)
        self.handles.append(fd)
        if len(self.handles) > HANDLES:
            self.do_close()

    do_open_more = do_open_again = do_open

    def do_close(self):
        fd = self.handle()
        self.handles.remove(fd)
        with contextlib.suppress(KeyError):
            self.poll.unregister(fd)
        os.close(fd)

    def do_read(self):
        os.read(self.handle(), self.chance.choice((1, 10, 4096, 1 << 17)))

    def do_pread(self):
        os.pread(self.handle(), 4096, self.chance.choice((0, 1, 1 << 40)))

    def do_write(self):
        os.write(self.handle(), self.text())

    def do_pwrite(self):
        os.pwrite(self.handle(), self.text(),
                  self.chance.choice((0, 1, 5000, 1 << 40)))

    def do_replace(self):
        path = self.path()
        beside = f"{path}.{os.getpid()}"
        with open(beside, "wb", buffering=0) as f:
            f.write(self.text())
        os.rename(beside, path)

    def do_seek(self):
        os.lseek(self.handle(), self.chance.choice((0, 3)), os.SEEK_SET)

    def do_truncate(self):
        os.ftruncate(self.handle(), self.chance.choice((0, 1, 9000)))

    def do_sync(self):
        os.fsync(self.handle())

    def do_lock(self):
        fcntl.flock(self.handle(), fcntl.LOCK_NB | self.chance.choice(
            (fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN)))

    def do_map(self):
        mmap.mmap(self.handle(), 4096, mmap.MAP_PRIVATE,
                  mmap.PROT_READ).close()

    def do_register(self):
        self.poll.register(self.handle(), select.POLLIN | select.POLLPRI)

    def do_poll(self):
        self.poll.poll(0)

    def do_watch(self):
        libc.inotify_add_watch(self.watcher, os.fsencode(self.path()),
                               ALL_EVENTS)

    def do_take_events(self):
        os.read(self.watcher, 1 << 16)

    def do_stat(self):
        os.stat(self.path())

    def do_lstat(self):
        os.lstat(self.path())

    def do_statvfs(self):
        os.statvfs(self.path())

    def do_access(self):
        os.access(self.path(), os.R_OK | os.W_OK)

    def do_list(self):
        os.listdir(self.path())

    def do_list_open(self):
        os.listdir(self.handle())

    def do_scan(self):
        with os.scandir(self.path()) as entries:
            for entry in entries:
                entry.stat()

    def do_mkdir(self):
        os.mkdir(self.path())

    def do_rmdir(self):
        path = self.path()
        if path.name not in self.kept:
            os.rmdir(path)

    def do_unlink(self):
        os.unlink(self.path())

    def do_rename(self):
        os.rename(self.path(), self.path())

    def do_link(self):
        os.link(self.path(), self.path())

    def do_symlink(self):
        os.symlink(self.path(), self.path())

    def do_readlink(self):
        os.readlink(self.path())

    def do_chmod(self):
        os.chmod(self.path(), self.chance.choice((0o644, 0, 0o7777)))

    def do_utime(self):
        os.utime(self.path())

    def do_getxattr(self):
        os.getxattr(self.path(), "user.x")

    def do_setxattr(self):
        os.setxattr(self.path(), "user.x", b"1")

    def interrupt(self, *_):
        if self.calling:
            raise Interrupted

    def call(self):
        """One of them; outside of it the timer does nothing."""
        try:
            self.calling = True
            self.chance.choice(self.calls)()
        finally:
            self.calling = False

    def run(self, count):
        """What came out, by errno."""
        found = collections.Counter()
        signal.signal(signal.SIGALRM, self.interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.5, 0.5)
        for _ in range(count):
            try:
                self.call()
                found[0] += 1
            except Interrupted:
                found[errno.EINTR] += 1
            except OSError as e:
                found[e.errno] += 1
                assert e.errno not in (errno.ENOTCONN, errno.ECONNABORTED), e
            except (ValueError, KeyError, IndexError):
                pass                # Python's own, before it is a call
        signal.setitimer(signal.ITIMER_REAL, 0)
        for fd in self.handles:
            with contextlib.suppress(OSError):
                os.close(fd)
        os.close(self.watcher)
        return found
