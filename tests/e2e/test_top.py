# SPDX-License-Identifier: Apache-2.0
"""uvr-top on a terminal: what is on its screen, whatever the daemon does."""
import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import struct
import termios

import pyte
import pytest

from uvr import BINARY, REPORTS, WRAPPER, sh, until

TOP = pathlib.Path(BINARY).with_name("uvr-top")
COLOUR = re.compile(rb"\x1b\[(?:\d+;)*[34][0-9](?:;\d+)*m")

pytestmark = pytest.mark.skipif(not TOP.exists(), reason="it was not built")


class Terminal:
    """uvr-top on a terminal of its own."""

    def __init__(self, root, rows=24, columns=120, **env):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw, self.rc = b"", None
        seen, look = os.pipe()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.close(look)
            os.read(seen, 1)        # until `before` has been read
            # The size, before anybody asks for it.
            fcntl.ioctl(0, termios.TIOCSWINSZ,
                        struct.pack("HHHH", rows, columns, 0, 0))
            os.execve("/usr/bin/env", ["env", *WRAPPER, str(TOP), str(root)],
                      {**os.environ, "TERM": "screen", "LC_ALL": "C.UTF-8",
                       **env})
        self.before = termios.tcgetattr(self.fd)
        os.close(look)
        os.close(seen)

    def read(self):
        """Takes what has come so far."""
        while select.select([self.fd], [], [], 0)[0]:
            try:
                part = os.read(self.fd, 1 << 16)
            except OSError:         # nobody has it open any more
                return
            self.raw += part
            self.stream.feed(part)

    @property
    def lines(self):
        self.read()
        return [line.rstrip() for line in self.screen.display]

    def line(self, text):
        """The first line with the text, or ''."""
        return next((line for line in self.lines if text in line), "")

    def shows(self, *texts, seconds=10):
        """Waits until there is one line that has them all."""
        def check():
            return [line for line in self.lines
                    if all(t in line for t in texts)]
        try:
            return until(check, texts, seconds)[0]
        except AssertionError:
            print("\n".join(self.screen.display))
            raise

    def type(self, keys):
        os.write(self.fd, keys.encode())
        return self

    def resize(self, rows, columns):
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))

    def ended(self):
        self.read()
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self.rc = os.waitstatus_to_exitcode(status)
        return bool(pid)

    def quit(self):
        """Types q: it must end, and leave the terminal as it was."""
        self.type("q")
        until(self.ended, "it ends", 5)
        self.read()
        assert self.rc == 0 and b"\x1b[?1049l" in self.raw
        assert termios.tcgetattr(self.fd) == self.before
        assert not any(r.encode() in self.raw for r in REPORTS), self.raw

    def close(self):
        if self.rc is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def terminal():
    made = []

    def new(*args, **options):
        made.append(Terminal(*args, **options))
        return made[-1]
    yield new
    for t in made:
        t.close()


@pytest.fixture(scope="module")
def pair(module_daemon):
    """Two replications that differ in all that is sorted by."""
    d = module_daemon
    a = d.source("alpha")
    b = d.replica("beta", schedule="mode: continuous, rpo: 1s")
    d.lose(b.peer)          # its data gets older
    until(lambda: int(b.read("lag")) > int(a.read("lag")) + 2, "it is older")
    return a, b


def order(t):
    """The names of the pair from above to below."""
    return [m[1] for line in t.lines
            if (m := re.match(r"database/(alpha|beta) ", line))]


def test_rows_order_and_filter(pair, d, terminal):
    t = terminal(d.mnt)
    assert re.search(r"beta +replica +True Verified +\d+s +1s over +sim ",
                     t.shows("database/beta", "Verified", "over"))
    t.shows("database/alpha", "source", "True Verified", " - ")
    t.shows(f"health: cluster {pair[1].peer} is")
    until(lambda: order(t) == ["beta", "alpha"], "by lag")
    t.type("n")
    until(lambda: order(t) == ["alpha", "beta"], "by name")
    t.type("s")
    until(lambda: order(t) == ["beta", "alpha"], "by state")
    t.type("/ALPHA")
    t.shows("filter: ALPHA")
    until(lambda: order(t) == ["alpha"], "the filtered")
    t.type("\x7f\x7f\x7f\x7f\x7fverified\r")
    t.shows("with verified")
    until(lambda: order(t) == ["beta", "alpha"], "by a reason")
    t.type("\x1b")
    t.shows("2 of 2 replications, by state")
    t.quit()


def test_the_age_goes_on(pair, d, terminal):
    t = terminal(d.mnt)
    first = t.shows("database/beta", "over")
    until(lambda: t.line("database/beta") != first, "it gets older")
    t.quit()


def test_details(pair, d, terminal):
    t = terminal(d.mnt, rows=100, columns=60)
    t.type("n")
    until(lambda: order(t) == ["alpha", "beta"], "by name")
    t.type("\x1bOB\r")
    t.shows("---- conditions")
    t.shows("PeerUnreachable")
    t.shows("---- plan/promoting")
    t.shows("failover: unplanned")
    pair[1].ask("nonsense")
    # Whole: what does not fit into a line goes on in the next.
    until(lambda: t.lines and pair[1].error.strip() in
          "".join(t.screen.display), "the sentence")
    t.type("\r")
    t.shows("database/alpha")
    t.quit()


def test_a_change_is_shown_by_itself(own, terminal):
    r = own.replica("moved")
    t = terminal(own.mnt)
    t.shows("database/moved", "replica", "True Verified")
    assert r.ask("promoting") == 0
    t.shows("database/moved", "promoting", "True Verified")
    t.shows("database/moved uvrfs verified:")
    os.mkdir(own / "database/later")
    t.shows("database/later", "draft")
    os.rmdir(own / "database/later")
    until(lambda: not t.line("database/later "), "it is gone")
    t.quit()


def test_a_new_size(pair, d, terminal):
    t = terminal(d.mnt)
    t.shows("database/beta")
    for rows, columns in ((10, 40), (2, 5), (1, 1), (30, 150)):
        t.resize(rows, columns)
        # Of a single cell nothing is expected, but to go on after it.
        until(lambda: rows == 1 or
              t.lines[-1].startswith("up, down"[:columns]),
              f"{rows} lines of {columns}")
    t.shows("database/beta")
    t.shows("q: quit")
    t.quit()


def test_colours(pair, d, terminal):
    t = terminal(d.mnt)
    t.shows("database/beta", "over")
    t.quit()
    assert COLOUR.search(t.raw)
    t = terminal(d.mnt, NO_COLOR="1")
    t.shows("database/beta", "over")
    t.quit()
    assert not COLOUR.search(t.raw)


def test_the_daemon_dies_and_comes_back(own, terminal):
    own.replica("r")
    t = terminal(own.mnt)
    t.shows("database/r", "True Verified")
    t.shows("health: ok")
    own.kill9()
    t.shows("the daemon of", "has ended")
    t.shows("database/r")
    own.restart()
    t.shows("health: ok")
    t.type("n")
    own.uvr("database", "r").go("promoting")
    t.shows("database/r", "promoting", "True Verified")
    t.quit()


@pytest.mark.parametrize("seen", [True, False])
def test_a_daemon_that_hangs(own, terminal, seen):
    """Also with requests that it has taken and does not answer."""
    own.replica("r")
    t = None
    if seen:
        t = terminal(own.mnt)
        t.shows("database/r", "True Verified")
    own.process.send_signal(signal.SIGSTOP)
    try:
        t = t or terminal(own.mnt)
        t.shows("gives no answer for")
        t.type("n")
        t.shows("by name")
        t.quit()
        t = terminal(own.mnt)
        t.shows("gives no answer for")
    finally:
        own.process.send_signal(signal.SIGCONT)
    t.shows("health: ok")
    t.shows("database/r", "True Verified")
    t.quit()


def test_without_a_mount(tmp_path, terminal):
    t = terminal(tmp_path)
    t.shows("uvrfs is not mounted at")
    t.quit()
    done = sh(f"{TOP} --once {tmp_path}")
    assert done.rc == 1 and "is not mounted at" in done.err and not done.out


def test_once(pair, d):
    done = sh(f"{TOP} --once", env={"UVR_ROOT": str(d.mnt)})
    assert done.rc == 0 and not done.err, done
    lines = done.out.splitlines()
    assert len(lines) == 3 and "\x1b" not in done.out
    assert lines[0].split()[:5] == ["NAME", "STATE", "READY", "LAG", "RPO"]
    assert re.match(r"database/beta +replica +True Verified +\S+ +1s over +"
                    r"sim ", lines[1]), lines
    assert re.match(r"database/alpha +source +True Verified", lines[2]), lines
    assert sh(f"{TOP} --once {d.mnt} >/dev/full").rc == 1


def test_what_is_no_terminal_is_refused(pair, d, terminal):
    done = sh(f"{TOP} {d.mnt}", env={"TERM": "screen"})
    assert done.rc == 1 and "--once" in done.err and not done.out, done
    for name in ("dumb", "no-such-terminal", ""):
        t = terminal(d.mnt, TERM=name)
        t.shows("this is no terminal")
        until(t.ended, "it ends")
        assert t.rc == 1
    assert sh(f"{TOP} --twice").rc == 2
    assert sh(f"{TOP} one two").rc == 2
    assert "--once" in sh(f"{TOP} --help").out
