# SPDX-License-Identifier: Apache-2.0
"""`events`: what happens, as a stream, for programs that wait for more."""
import errno
import os
import re
import select
import signal

import pytest

from uvr import (FACTOR, background, call, get, is_dead, name_of, put, sh,
                 until)


@pytest.fixture
def r(d):
    return d.replica()


def remark(r, word):
    """Adds one line that holds the word to the log."""
    assert r.ask(word) == errno.EINVAL


def line_of(word):
    return f"'{word}'"


def open_at_end(path, flags=0):
    """An open stream all of whose lines so far have been read."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    while call(os.read, fd, 1 << 16) == 0:
        pass
    os.set_blocking(fd, not flags & os.O_NONBLOCK)
    return fd


def read_line(process, seconds=10):
    """A line of a background command; what came of it at its end."""
    fd = process.stdout.fileno()
    text = getattr(process, "unread", b"")
    while b"\n" not in text:
        ready = select.select([fd], [], [], seconds * FACTOR)[0]
        assert ready, f"no line, only {text}"
        part = os.read(fd, 4096)
        if not part:
            break
        text += part
    line, newline, process.unread = text.partition(b"\n")
    return (line + newline).decode()


def follow(command, r, word="zzz-first"):
    """A command that prints lines, once it has printed what was there."""
    remark(r, word)
    process = background(command, cwd=r.path)
    while word not in (line := read_line(process)):
        assert line, (command, process.communicate())
    return process


@pytest.mark.parametrize("command", [
    "exec cat events", "exec stdbuf -oL cat events",
    "while read -r line; do echo \"$line\"; done < events",
    "exec dash -c 'while read -r line; do echo \"$line\"; done < events'",
    "exec grep --line-buffered . events", "exec sed -u '' events",
    "exec mawk -W interactive '{print; fflush()}' events",
    "exec python3 -uc 'for line in open(\"events\"): print(line, end=\"\")'",
    "exec perl -ne '$| = 1; print' events"])
def test_lines_come_as_they_happen(r, command):
    process = follow(command, r)
    for word in ("apple", "berry", "cherry"):
        remark(r, word)
        line = read_line(process)
        assert line and word in line and line.endswith("\n"), (word, line)
    process.terminate()
    process.communicate(timeout=10 * FACTOR)
    assert line == r.read("log").splitlines(True)[-1]


def test_it_begins_with_what_is_in_the_log(r):
    log = r.read("log")
    number = len(log.splitlines())
    assert sh(f"head -n {number} events", cwd=r.path).out == log
    assert sh("head -n 1 events", cwd=r.path).out == log.splitlines(True)[0]
    assert sh("dd if=events bs=64k count=1 2>/dev/null", cwd=r.path).out == log
    assert sh("read -r line < events; echo \"$line\"", cwd=r.path).out \
        == log.splitlines(True)[0]


def test_programs_that_stop_by_themselves(r):
    process = background("exec grep -m1 banana events", cwd=r.path)
    remark(r, "banana")
    out, err = process.communicate(timeout=10 * FACTOR)
    assert process.returncode == 0 and "banana" in out, (out, err)


@pytest.mark.parametrize("options, rc", [("", 124), ("-s INT", 124),
                                         ("-s KILL", 137)])
def test_a_reader_can_be_ended(r, options, rc):
    done = sh(f"timeout {options} {2 * FACTOR} cat events; exit $?", cwd=r.path)
    assert done.rc == rc and done.out == r.read("log")


def test_it_can_be_tried(r):
    fd = open_at_end(r / "events", os.O_NONBLOCK)
    assert name_of(call(os.read, fd, 100)) == "EAGAIN"
    remark(r, "apple")
    assert line_of("apple") in os.read(fd, 1 << 16).decode()
    os.close(fd)


def test_a_failover_is_told_in_order(r):
    process = background("exec cat events", cwd=r.path)
    r.go("promoting", "source")
    log = r.read("log")
    lines = [read_line(process) for _ in log.splitlines()]
    assert "".join(lines) == log
    process.terminate()
    process.communicate(timeout=10 * FACTOR)


def test_of_all_replications(d):
    a, b = d.replica(), d.replica()
    fd = open_at_end(d / ".uvrfs/events")
    remark(a, "apple")
    remark(b, "berry")
    text = ""
    while "berry" not in text:
        text += os.read(fd, 4096).decode()
    os.close(fd)
    assert re.search(rf"/{a.name} .*apple.*\n(.*\n)*.*/{b.name} .*berry", text)


def test_nobody_who_lists_meets_it(d, r):
    for path in (r.path, d / ".uvrfs"):
        assert "events" not in os.listdir(path)
    assert sh(f"grep -r nothing-like-this {r.path} {d.mnt}/.uvrfs/log").rc == 1
    assert os.stat(r / "events").st_size == 0
    assert put(r / "events", "x") == errno.EACCES


def test_a_slow_reader_is_told_what_it_lost(r):
    fd = open_at_end(r / "events", os.O_NONBLOCK)
    number = 0
    start = len(r.read("log"))
    # Until the log has dropped what the reader has not read.
    while len(r.read("log")) >= start or number < 100:
        start = len(r.read("log"))
        for _ in range(50):
            remark(r, f"w{number}")
            number += 1
    lines = []
    rest = b""
    while True:
        try:
            rest += os.read(fd, 4096)
        except BlockingIOError:
            break
    os.close(fd)
    lines = rest.decode().splitlines()
    assert " lost: this reader was too slow for " in lines[0]
    lost = int(re.search(r"for (\d+) lines", lines[0])[1])
    told = [li for li in lines[1:] if re.search(r"'w\d+'", li)]
    assert lost + len(lines) - 1 == number, (lost, len(lines), number)
    assert line_of(f"w{number - 1}") in told[-1]


def test_it_ends_when_the_replication_goes(r):
    process = follow("exec cat events", r)
    held = open_at_end(r / "events")
    os.rmdir(r.path)
    process.communicate(timeout=10 * FACTOR)
    assert process.returncode == 0
    os.set_blocking(held, False)
    rest = b""
    while part := os.read(held, 4096):
        rest += part
    assert os.read(held, 4096) == b""
    os.close(held)


def test_a_draft_has_none(d):
    os.makedirs(d / "drafts/one")
    assert call(os.open, d / "drafts/one/events", os.O_RDONLY) == errno.ENOENT


def test_readers_and_the_end_of_the_daemon(make):
    d = make().start()
    r = d.replica()
    readers = [follow("exec cat events", r), follow("exec cat events", r)]
    d.stop()
    for process in readers:
        process.communicate(timeout=10 * FACTOR)
        assert process.returncode not in (124, -signal.SIGKILL)
    d.start()
    readers = [follow("exec cat events", r),
               background(f"exec cat {d.mnt}/.uvrfs/events")]
    d.kill9()
    for process in readers:
        process.communicate(timeout=10 * FACTOR)
        assert process.returncode == 1
    assert is_dead(d.mnt)
    d.start()
    until(lambda: get(r / "state") == "replica\n", "it is back")
