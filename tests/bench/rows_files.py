# SPDX-License-Identifier: Apache-2.0
"""Files: what a reader and a writer wait for."""
import os
import subprocess

from lab import (HOT, MANY, folder, hello, in_turns, mounted, rate, run,
                 timed)
from table import AT_LEAST, AT_MOST, row


@row("read", "open, read, close of `state`, 4 processes / libfuse's least",
     AT_LEAST, 1.5)
def read(lab):
    states = lab.fleet(HOT).states()
    with hello(len(states)) as files:
        yield from in_turns(5, lambda: rate("read", states),
                            lambda: rate("read", files))


@row("stat", "stat of `state`: time / tmpfs", AT_MOST, 1.3)
def stat(lab):
    states = lab.fleet(HOT).states()
    with mounted("-t", "tmpfs", "tmpfs") as at:
        files = [at / str(i) for i in range(len(states))]
        for path in files:
            path.write_text("replica\n")
        yield from in_turns(5, lambda: 1 / rate("stat", states),
                            lambda: 1 / rate("stat", files))


@row("read-again", "a read of an open `state`: time / one round trip",
     AT_MOST, 1.3)
def read_again(lab):
    states = lab.fleet(HOT).states()
    with hello(len(states), "-d") as files:
        yield from in_turns(5, lambda: 1 / rate("again", states),
                            lambda: 1 / rate("again", files))


def find(at):
    subprocess.run(["find", at], check=True, stdout=subprocess.DEVNULL)


def copy_tree(tree, at):
    """The same names in another file system."""
    for path, folders, names in os.walk(tree):
        to = at / os.path.relpath(path, tree)
        for name in folders:
            os.mkdir(to / name)
        for name in names:
            with open(to / name, "wb"):
                pass


@row("find", "find over all, warm: time / ext4", AT_MOST, 3)
def find_all(lab):
    fleet = lab.fleet(MANY)
    with folder() as base:
        image = base / "ext4"
        with open(image, "wb") as f:
            f.truncate(64 * 2**20 + fleet.count * 32 * 1024)
        run("mkfs.ext4", "-q", "-i", "1024", "-I", "128", image)
        with mounted("-o", "loop", image) as at:
            copy_tree(fleet.daemon.mnt, at)
            find(at)
            find(fleet.daemon.mnt)
            yield from in_turns(3, lambda: timed(find, fleet.daemon.mnt),
                                lambda: timed(find, at))


def cat(path):
    subprocess.run(["cat", path], check=True, stdout=subprocess.DEVNULL)


@row("summary", "cat of .uvrfs/summary of all: time / a file of its lines",
     AT_MOST, 1.1)
def summary(lab):
    path = lab.fleet(MANY).daemon.mnt / ".uvrfs/summary"
    with folder() as at:
        plain = at / "lines"
        plain.write_text(path.read_text())
        yield from in_turns(9, lambda: timed(cat, path),
                            lambda: timed(cat, plain))


def write_durably(at, name, text):
    """As one does who wants a file to be whole and there."""
    fd = os.open(at / f".{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(fd, text)
    os.fsync(fd)
    os.close(fd)
    os.rename(at / f".{name}", at / name)
    fd = os.open(at, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)


@row("write", "an accepted write: time / write, fsync, rename, fsync",
     AT_MOST, 1.5)
def write(lab):
    """Of `promoting`, each on a replication of its own; what the request then
    does is over before the next."""
    fleet = lab.fleet(HOT)
    size = os.path.getsize(fleet.files()[0])
    states = iter(fleet.states())

    def ask():
        path = next(states)
        with open(path, "wb", buffering=0) as f:
            taken = timed(f.write, b"promoting\n")
        run("sync", path)
        return taken
    text = b"x" * size
    with folder(fleet.daemon.state) as at:
        yield from in_turns(
            50, ask, lambda: timed(write_durably, at, "file", text))
    lab.close()
