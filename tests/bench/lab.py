# SPDX-License-Identifier: Apache-2.0
"""What is measured: daemons with many replications, file systems beside them,
and how fast something can be done to files."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import uvr  # noqa: E402
from uvr import Daemon, manifest, until  # noqa: E402

BUILD = pathlib.Path(os.environ["UVRFS"]).resolve().parents[1]
PROGRAMS = BUILD / "tests/bench"
CONFIG = "site: here\n"
CLUSTERS = ("prod", "dr")
OF_A_NAMESPACE = 1000
HOT, MANY = 100, 100000
# No copy is due while anything is measured.
SCHEDULE = 'mode: interval, rpo: "24h"'


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), check=False,
                          capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command[0]}: {done.stderr[-500:]}"
    return done.stdout


def timed(what, *args, **options):
    begun = time.monotonic()
    what(*args, **options)
    return time.monotonic() - begun


def rate(what, paths, processes=4, seconds=2.0):
    """So many times a second; see rates.c."""
    return float(run(PROGRAMS / "bench-rates", what, processes, seconds,
                     input="".join(f"{p}\n" for p in paths)))


def in_turns(count, ours, other):
    """The first as a multiple of the other, in each turn."""
    for _ in range(count):
        yield ours() / other()


# ---- what people do ----

def forget_names():
    """What the kernel knows of any file system."""
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
        f.write("2")


def grep(at):
    """All that `state` says, where nothing is cached; seconds."""
    forget_names()
    return timed(run, "bash", "-c",
                 f"printf '%s\\0' {at}/*/*/state | xargs -0 grep -h .")


LOOP = 'while read -r f; do echo promoting >"$f" || exit; done'


def promote(states):
    """As a shell does it, one after the other."""
    run("bash", "-c", LOOP, input="".join(f"{s}\n" for s in states))


# ---- fleets ----

def fnv(data):
    h = 0xcbf29ce484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001b3 & 2**64 - 1
    return h


def digest_of(key, value):
    """Of a field of a spec, as the store has it."""
    h = fnv(b"\xff".join([b"spec", key.encode(), value.encode(), b""]))
    return h ^ h >> 32


def seal(text, digest):
    """A file of the store that nobody has edited."""
    written = re.sub(r"(?m)^    ", "", re.search(
        r"(?s)\n  written: \|\n(.*)\.\.\.\n", text)[1])
    state = re.search(r"acceptedState: (\w+)", text)[1]
    said = ((fnv(written.encode()) * 31 + digest) * 31 +
            fnv(state.encode())) & 2**64 - 1
    return re.sub(r"writtenDigest: .*", f'writtenDigest: "{said:016x}"',
                  re.sub(r"specDigest: .*", f'specDigest: "{digest:016x}"',
                         text))


def digest_of_names(ns, name):
    """Of what differs from one of a fleet to another."""
    return (digest_of("pvcName", f"{name}-pvc") +
            digest_of("volumeHandle", f"{name}-vol") +
            digest_of("pvcNamespace", ns) + digest_of("volumeNamespace", ns))


class Tended:
    """Of whoever has a daemon."""
    daemon = None

    def start(self):
        """Until it says that it is ready; seconds."""
        return timed(self.daemon.start)

    def settle(self):
        """Until nothing is left to look at or to write."""
        while not self.is_calm():
            pass
        return self

    def is_calm(self, rest=0.0, seconds=1):
        """For that time it takes no more than the rest of a processor."""
        before = self.cpu()
        time.sleep(seconds)
        return self.cpu() - before <= rest * seconds

    def cpu(self):
        """Seconds of it so far."""
        fields = uvr.get(f"/proc/{self.daemon.process.pid}/stat")
        return sum(map(int, fields.rsplit(")", 1)[1].split()[11:13])) / 100

    def memory(self):
        """Bytes that are nobody else's."""
        for line in uvr.get(
                f"/proc/{self.daemon.process.pid}/status").splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise LookupError("RssAnon")


class Fleet(Tended):
    """A daemon with so many replications; one was made, and the others are
    written into its state directory as that one is."""
    def __init__(self, count):
        self.count = count
        self.daemon = Daemon(config=CONFIG)
        self.names = [(f"ns{i // OF_A_NAMESPACE}", f"r{i}")
                      for i in range(count)]
        self._make_first()
        self._copy()

    def _make_first(self):
        d = self.daemon.start()
        (d.mnt / "ns0").mkdir()
        r = d.mk("ns0", "r0", manifest("r0", ns="ns0", clusters=CLUSTERS,
                                       mode="asynchronous",
                                       schedule=SCHEDULE))
        until(lambda: r.ready.status == "True" and r.conditions[
            "Degraded"].status == "False", "the first")
        d.stop()

    def _copy(self):
        state = self.daemon.state
        store, sim = state / "replications", state / "sim"
        text = (store / "ns0/r0.yaml").read_text()
        digest = int(re.search(r'specDigest: "?([0-9a-f]+)', text)[1], 16)
        digest -= digest_of_names("ns0", "r0")
        namespace = (store / "ns0/.namespace").read_text()
        volumes = {p.relative_to(sim): p.read_text() for p in sim.rglob("*r0*")
                   if p.is_file()}
        uid = re.search(r"uid: ([0-9a-f]{8})", text)[1]
        for i, (ns, name) in enumerate(self.names[1:], 1):
            if i % OF_A_NAMESPACE == 0:
                (store / ns).mkdir()
                (store / ns / ".namespace").write_text(re.sub(
                    r"\d+", str(500000 + i), namespace))

            def named(old, ns=ns, name=name):
                return old.replace("ns0", ns).replace("r0", name)
            mine = seal(named(text), digest + digest_of_names(ns, name) &
                        2**64 - 1)
            (store / ns / f"{name}.yaml").write_text(re.sub(
                r"(?m)^  id: \d+$", f"  id: {1000 + i}", mine.replace(
                    uid, f"{i:08x}")))
            for path, content in volumes.items():
                to = sim / named(str(path))
                to.parent.mkdir(exist_ok=True)
                to.write_text(named(content))
                shutil.copystat(sim / path, to)

    def states(self):
        return [self.daemon.mnt / ns / name / "state"
                for ns, name in self.names]

    def files(self):
        """The store's."""
        return [self.daemon.state / "replications" / ns / f"{name}.yaml"
                for ns, name in self.names]

    def close(self):
        self.daemon.destroy()


# ---- what they are measured against ----

@contextlib.contextmanager
def folder(where=None):
    path = tempfile.mkdtemp(prefix="uvr-bench-", dir=where)
    try:
        yield pathlib.Path(path)
    finally:
        shutil.rmtree(path)


@contextlib.contextmanager
def mounted(*command):
    """tmpfs, or a file with ext4."""
    with folder() as at:
        run("mount", *command, at)
        try:
            yield at
        finally:
            run("umount", at)


@contextlib.contextmanager
def hello(count, *options):
    """The least of a file system; its files."""
    with folder() as at:
        # pylint: disable=consider-using-with
        process = subprocess.Popen([PROGRAMS / "bench-hello", *options,
                                    str(count), at])
        try:
            until(lambda: os.path.ismount(at), "its mount")
            yield [at / str(i) for i in range(count)]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


class Lab:
    """Fleets, each made when a row asks for it first, until another one is:
    there is one at a time."""
    def __init__(self, scale=1.0):
        self.scale, self.kept, self.failover = scale, None, None

    def size(self, count):
        return max(100, int(count * self.scale))

    def fleet(self, count, kind=Fleet):
        """That runs and is at rest."""
        count = self.size(count)
        if type(self.kept) is not kind or self.kept.count != count:
            self.close()
            self.kept = kind(count)
        if not self.kept.daemon.alive():
            self.kept.start()
        return self.kept.settle()

    def close(self):
        if self.kept:
            self.kept.close()
        self.kept = None
