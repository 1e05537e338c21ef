# SPDX-License-Identifier: Apache-2.0
"""Everything at once, for long, and much of it: no crash, no hang, no leak."""
import collections
import contextlib
import os
import re
import resource
import shutil
import threading

import pytest

from shell import FACTOR, get, name_of, sh, until
from story import no_act_is_done_twice, nothing_is_torn, quiet, seeded
from turmoil import Turmoil
from uvr import PATIENT, WRAPPER
from writers import Crowd

OPERATIONS = int(os.environ.get("UVRFS_OPERATIONS", "20000"))
SECONDS = max(1, OPERATIONS // 50000)       # of each stressor
PROCESSES = 4
SANITIZED = any(name in os.environ for name in ("ASAN_OPTIONS",
                                                "TSAN_OPTIONS"))

pytestmark = pytest.mark.limit(200 + OPERATIONS // 200)


def resident(d):
    """KiB of memory; of a build that doubles it, nothing."""
    if SANITIZED or WRAPPER:
        return 0
    return int(get(f"/proc/{d.process.pid}/status").split("VmRSS:")[1]
               .split()[0])


def open_files(d):
    return len(os.listdir(f"/proc/{d.process.pid}/fd"))


@pytest.fixture
def busy(make):
    """A daemon with some replications."""
    d = make(config=PATIENT).start()
    os.mkdir(d / "web")
    return d, [d.replica("one"), d.source("two")]


def is_well(d, uvrs):
    """It answers, moves, and starts again with what it had."""
    assert d.alive()
    for r in uvrs:
        assert r.write("hold", "\n") == 0
        quiet(r)
    no_act_is_done_twice(d)
    pictures = [r.picture() for r in uvrs]
    d.restart()
    for r, before in zip(uvrs, pictures):
        r.await_cond("Synced", "True")
        assert r.picture() == before
    nothing_is_torn(d)


def turmoil(d, chance, operations):
    """By several processes; what came out, by errno."""
    def work(chance, done):
        done.append(Turmoil(d, chance, ("one", "two")).run(
            operations // PROCESSES))
    found = Crowd(chance, [work] * PROCESSES).join(60 + operations / 200)
    return sum(found, collections.Counter())


def test_random_calls(busy):
    d, uvrs = busy
    chance = seeded()
    found = turmoil(d, chance, OPERATIONS // 4)
    before, files = resident(d), open_files(d)
    found += turmoil(d, chance, OPERATIONS)
    after = resident(d)
    print(f"{before} KiB before, {after} KiB after;",
          {name_of(code): n for code, n in found.most_common()})
    assert found[0] > OPERATIONS // 4
    assert after < before + 4096
    until(lambda: open_files(d) <= files, "no file is left open")
    is_well(d, uvrs)


# Those that find what they need anywhere, those that need the root, where a
# directory is a namespace, and those that are refused what they want: these end
# there, and turmoil.py is for going on.
ANYWHERE = ("fstat", "getdent", "handle", "io", "open")
AT_ROOT = ("dir", "inotify", "touch")
REFUSED = ("dentry", "flock", "hdd", "link", "rename", "symlink", "xattr")
EITHER = ("dirdeep", "dirmany", "mknod")


def operations(name, told):
    """How many it has done, as --metrics-brief counts them."""
    found = re.search(rf"metrc:.* {name} +(\d+) ", told)
    return int(found[1]) if found else 0


@pytest.mark.skipif(not shutil.which("stress-ng"), reason="no stress-ng")
@pytest.mark.parametrize("where", [".", "database", "database/one"])
def test_stressors(busy, where):
    d, uvrs = busy
    for name in ANYWHERE + AT_ROOT + REFUSED + EITHER:
        found = sh(f"stress-ng --{name} 2 --timeout {SECONDS} --temp-path "
                   f"{d.mnt / where} --metrics-brief", seconds=SECONDS + 40)
        assert found.rc != 124, f"{name} hangs: {found}"
        assert d.alive(), name
        told = found.out + found.err
        assert "unrecognized" not in told, told
        if name in ANYWHERE or name in AT_ROOT and where == ".":
            assert found.rc == 0 and operations(name, told) > 0, found
        elif name in REFUSED:
            assert found.rc == 2 and "errno=" in told, found
    is_well(d, uvrs)


def test_thousands_of_handles(busy):
    d, uvrs = busy
    wanted = 8000
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE,
                       (wanted + 500, max(hard, wanted + 500)))
    names = ("state", "conditions", "status.json", "log", "events", "wait")

    def open_all():
        with contextlib.ExitStack() as stack:
            for i in range(wanted):
                path = uvrs[i % 2] / names[i % len(names)]
                fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                stack.callback(os.close, fd)
                if i % 3:
                    with contextlib.suppress(BlockingIOError):
                        os.read(fd, 4096)
            assert uvrs[0].state == "replica"
            return resident(d)
    open_all()
    before = resident(d)
    for _ in range(3):
        most = open_all()
    print(f"{before} KiB before, {most} KiB with all, {resident(d)} KiB after")
    assert resident(d) < before + 1024
    is_well(d, uvrs)


def test_a_thousand_waiters(busy):
    """They wait in wait, in the close of sync, and in events."""
    d, uvrs = busy
    r = uvrs[0]
    d.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    assert r.ask("promoting") == 0
    told = []

    def wait():
        told.append(get(r / "wait"))

    def sync():
        fd = os.open(r / "state", os.O_RDONLY | os.O_NONBLOCK)
        os.fsync(fd)
        os.close(fd)
        told.append("synced")

    def events():
        with open(r / "events", encoding="utf-8") as f:
            while "verified: promoting" not in f.readline():
                pass
        told.append("event")
    threading.stack_size(256 * 1024)
    threads = [threading.Thread(target=function) for function in
               (wait, sync, events) for _ in range(400)]
    for thread in threads:
        thread.start()
    assert uvrs[1].go("demoting", "source").state == "source"
    assert not told
    d.faults(r.here)
    for thread in threads:
        thread.join(60 * FACTOR)
    assert collections.Counter(told) == {"verified: promoting\n": 400, "synced": 400, "event": 400}
    is_well(d, uvrs)
