# SPDX-License-Identifier: Apache-2.0
"""Processes that write and read as fast as they can, each in its own way, and
remember what they were told (ledger.Write, order.Read)."""
import errno
import fcntl
import multiprocessing
import os
import random
import subprocess
import time

import yaml

from ledger import CUT, Write
from order import Read
from replication import manifest
from shell import FACTOR, get

# What a call is told when the daemon dies in it, or is not there.
DEAD = (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO, errno.EINTR)

FORK = multiprocessing.get_context("fork")

# How many requests may be asked for before somebody has looked at the history,
# which keeps twice as many.
AHEAD = 16


class Over(Exception):
    """The daemon is gone, or it is enough."""


class Notes(list):
    """What one has done, which is so much at most."""

    def __init__(self, most, enough):
        super().__init__()
        self.most, self.enough = most, enough

    def append(self, item):
        super().append(item)
        if len(self) == self.most:
            raise Over


def write_by_open(path, text):
    """As echo does."""
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(fd, text.encode())
    except OSError:
        os.close(fd)
        raise
    os.close(fd)


def write_by_rename(path, text):
    """As mv and the robots do."""
    beside = f"{path}.{os.getpid()}"
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
    os.rename(beside, path)


class Echo:
    """A shell that runs echo, itself: its process is the writer.  What close
    says it does not hear, so it is for words."""

    def __init__(self):
        self.shell = subprocess.Popen(
            ["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            stderr=subprocess.STDOUT, env={**os.environ, "LC_ALL": "C"})
        self.pid = self.shell.pid

    def __call__(self, path, text):
        self.shell.stdin.write(f"echo '{text}' > '{path}' && echo fine\n")
        self.shell.stdin.flush()
        said = self.shell.stdout.readline().strip()
        if said != "fine":
            code = next((c for c in errno.errorcode if
                         said.endswith(os.strerror(c))), errno.EIO)
            raise OSError(code, said)


class Pen:
    """One process's: writes, and keeps what was told."""

    def __init__(self, told, way=write_by_open):
        self.told = told
        self.way = way() if way is Echo else way
        self.pid = getattr(self.way, "pid", os.getpid())

    def call(self, r, what, value, function):
        """Its errno, or Over."""
        called, code = time.monotonic(), 0
        try:
            function()
        except OSError as e:
            code = CUT if e.errno in DEAD else e.errno
        self.told.append(Write(f"{r.ns}/{r.name}", self.pid, what,
                               value.split()[0] if value else "", called,
                               time.monotonic(), code))
        if code is CUT:
            raise Over
        return code

    def write(self, r, name, text, what=None, value=None):
        return self.call(r, what or name, text if value is None else value,
                         lambda: self.way(r / name, text))


# ---- what they do ----

VALUES = {"state": "state", "mode": "mode", "hold": "hold",
          "rpo": "schedule"}


def read_value(r, what):
    text = get(r / VALUES[what]).strip()
    if what == "rpo":
        text = str((yaml.safe_load(text) or {}).get("rpo", ""))
    return text


def reader(uvrs, kinds=tuple(VALUES)):
    """Reads any value of any of them, at most a thousand a second, for as long
    as anybody writes."""
    def work(chance, done):
        while not done.enough.wait(0.001):
            r, what = chance.choice(uvrs), chance.choice(kinds)
            called = time.monotonic()
            value = read_value(r, what)
            done.append(Read(f"{r.ns}/{r.name}", what, value, called,
                             time.monotonic()))
    work.only_reads = True
    return work


def transitions(r, way=write_by_open, most=12, turns=None):
    """Words that the plan has, most often, and others; each takes one of the
    turns, where there are such."""
    words = ("promoting", "source", "demoting", "replica", "syncing", "swap")

    def work(chance, done):
        pen = Pen(done, way)
        while True:
            if sum(w.code == 0 for w in done) >= most:
                get(r / "state")        # until the daemon is gone
                continue
            planned = [w for w in os.listdir(r / "plan") if w in words]
            word = chance.choice(planned if chance.random() < 0.8 else words)
            what, name = (("swap", "endpoints") if word == "swap"
                          else ("state", "state"))
            force = " force" if chance.random() < 0.2 else ""
            if turns:
                turns.acquire()
            pen.write(r, name, word + force, what)
    return work


def settings(r, numbers, way=write_by_open):
    """Modes, and values that are written once: `numbers` has no other user."""
    def change_rpo(pen, rpo):
        pen.write(r, "schedule", f"mode: continuous\nrpo: {rpo}\n", "rpo",
                  rpo)

    def change_manifest(pen, rpo):
        """As it is, with its version, but for the rpo."""
        found = yaml.safe_load(get(r / "spec.yaml"))
        found["spec"]["schedule"]["rpo"] = rpo
        pen.write(r, "spec.yaml", yaml.safe_dump(found), "rpo", rpo)

    def work(chance, done):
        pen = Pen(done, way)
        for n in numbers:
            kind = chance.randrange(5)
            if kind == 0:
                pen.write(r, "mode", chance.choice(("synchronous",
                                                    "asynchronous")))
            elif kind == 1:
                pen.write(r, "hold", f"reason-{n}")
                pen.write(r, "hold", "\n", value="")
            elif kind == 2:
                change_manifest(pen, f"{n}s")
            else:
                change_rpo(pen, f"{n}s")
    return work


def locked(r, numbers, refusals=()):
    """One at a time, by flock: what was written is what is read, and is taken,
    unless it is refused so."""
    def work(chance, done):
        pen = Pen(done, chance.choice((write_by_open, write_by_rename)))
        for n in numbers:
            with open(r / "schedule", encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                code = pen.write(r, "schedule",
                                 f"mode: continuous\nrpo: {n}s\n", "rpo",
                                 f"{n}s")
                assert not code or code in refusals, code
                # Without an answer of its store nobody knows.
                if code != errno.EHOSTUNREACH:
                    value = read_value(r, "rpo")
                    assert (value == f"{n}s") == (not code), (n, value, code)
    return work


def comings_and_goings(d, numbers, ns="database", **more):
    """Makes one after the other, and removes most of them."""
    def work(chance, done):
        pen = Pen(done)
        for n in numbers:
            r = d.uvr(ns, f"new{n}")
            pen.call(r, "draft", "", lambda: os.mkdir(r.path))
            pen.call(r, "create", "replica", lambda: write_by_open(
                r / "spec.yaml", manifest(r.name, ns, **more)))
            while chance.random() < 0.9 and pen.call(
                    r, "remove", "", lambda: os.rmdir(r.path)):
                pass
    return work


def in_child(pipe, work, seed, done):
    try:
        work(random.Random(seed), done)
    except Over:
        pass
    except OSError as e:
        if e.errno not in (*DEAD, errno.ENOENT):
            raise
    finally:
        pipe.send(list(done))
        pipe.close()


class Crowd:
    """Processes that each do work(chance, done) until the daemon is gone, or
    they have done the most that they are to do; readers until the others have,
    or join()."""

    def __init__(self, chance, works, most=None):
        self.members, self.writers = [], []
        self.enough = FORK.Event()
        for work in works:
            reads = getattr(work, "only_reads", False)
            notes = Notes(None if reads else most, self.enough)
            ours, theirs = FORK.Pipe(duplex=False)
            process = FORK.Process(target=in_child, daemon=True,
                                   args=(theirs, work, chance.random(), notes))
            process.start()
            theirs.close()
            self.members.append((process, ours))
            self.writers += [] if reads else [ours]

    def is_at_work(self):
        return not all(pipe.poll() for pipe in self.writers)

    def join(self, seconds=30):
        """What all have done, and nobody hangs."""
        found = []
        self.enough.set()
        for process, pipe in self.members:
            assert pipe.poll(seconds * FACTOR), "a writer hangs"
            found += pipe.recv()
            process.join(seconds * FACTOR)
            assert process.exitcode == 0, "a writer has failed"
        return found
