# SPDX-License-Identifier: Apache-2.0
"""mount/quickstart, in a folder and at a mount point with blanks in their names."""
import os
import re
import shlex

import pytest

from shell import sh, until
from uvr import ROOT, is_dead

# It builds, too.
pytestmark = [pytest.mark.robot, pytest.mark.limit(500)]


class Quickstart:
    def __init__(self, base):
        self.top = base / "the sources"
        self.root = base / "a mount"
        self.state = self.top / "build/quickstart-state"
        # It may install what it misses; a test doesn't.
        fake = base / "bin/apt-get"
        fake.parent.mkdir()
        fake.write_text("#!/bin/sh\nexit 1\n")
        fake.chmod(0o755)
        self.env = {"PATH": f"{fake.parent}:{os.environ['PATH']}"}
        self.top.mkdir()
        done = sh(f"tar -C {ROOT} --exclude='./build*' --exclude=./.git -c . | "
                  f"tar -C {shlex.quote(str(self.top))} -x")
        assert done.rc == 0, done

    def run(self, argument, seconds=60):
        return sh(f"mount/quickstart {shlex.quote(str(argument))}", self.top,
                  seconds, self.env)

    def is_mounted(self):
        with open("/proc/mounts", encoding="ascii") as f:
            return str(self.root).replace(" ", "\\040") in f.read()

    def pid(self):
        return int((self.state / "uvrfs.pid").read_text())


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    made = Quickstart(tmp_path_factory.mktemp("quickstart"))
    yield made
    done = made.run("--stop")
    assert done.rc == 0, done


def test_it_fails_one_over(quick):
    done = quick.run(quick.root, 450)
    assert done.rc == 0, done
    mnt = re.escape(str(quick.root).replace(" ", "\\ "))
    typed = re.findall(r"^\$ (.*)", done.out, re.M)
    assert len(typed) == 8, done.out
    for command, pattern in zip(typed, (
            "echo 'the last record' >> .*", f"cat {mnt}/web/shop-images/state",
            ".*/plan/promoting", f"echo promoting > {mnt}/.*", "timeout 300 sync",
            "echo source > ", "cat .*conditions", "tail -n 2 ")):
        assert re.match(pattern, command), command
    told = done.out[done.out.index(typed[-2]):]
    assert told.splitlines()[1] == "source" and "Verified" in told
    assert told.split(typed[-1])[1].splitlines()[2] == "the last record", told
    assert done.err == ""


def test_the_rest_is_left_to_the_user(quick):
    """As it stands there, typed."""
    again = quick.run(quick.root)
    assert again.rc == 0 and "running already" in again.out, again
    state = quick.root / "database/production-db/state"
    assert state.read_text() == "replica\n"
    shown = re.findall(r"^  (\S.*)", again.out, re.M)
    assert len(shown) == 6, again.out
    done = sh("set -e\n" + "\n".join(shown))
    assert done.rc == 0 and "Verified" in done.out, done
    assert state.read_text() == "source\n"
    for command in re.findall(r":  (cat .*)", again.out):
        assert sh(command).rc == 0, command


def test_killed(quick):
    """The dead mount is taken away, and all is as it was."""
    pid = quick.pid()
    os.kill(pid, 9)
    until(lambda: is_dead(quick.root), "nobody answers")
    done = quick.run(quick.root)
    assert done.rc == 0 and "is mounted at" in done.out, done
    assert quick.pid() != pid
    assert (quick.root / "web/shop-images/state").read_text() == "source\n"


def test_the_end(quick):
    assert quick.is_mounted()
    pid = quick.pid()
    done = quick.run("--stop")
    assert (done.rc, done.err) == (0, ""), done
    assert "has ended" in done.out
    assert not quick.is_mounted() and not quick.root.exists()
    assert not quick.state.exists() and not os.path.exists(f"/proc/{pid}")
    assert quick.run("--stop").out == "Nothing is running.\n"
