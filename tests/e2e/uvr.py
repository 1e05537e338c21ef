# SPDX-License-Identifier: Apache-2.0
"""A uvrfs daemon of one's own, used as people use it: files and commands.

Everything that could block has a limit: commands run under timeout(1), and a
watchdog (conftest.py) kills the daemons of a test that takes too long, so that
a hung mount answers ENOTCONN instead of hanging the suite.
"""
import collections
import ctypes
import errno
import json
import os
import pathlib
import select
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("UVRFS", str(ROOT / "build/mount/uvrfs"))
WRAPPER = shlex.split(os.environ.get("UVRFS_WRAPPER", ""))
FACTOR = float(os.environ.get("UVRFS_TIMEOUT_FACTOR", "1"))

TIMEOUTS = "timeouts: {act: 2s, retryFirst: 50ms, retryMax: 200ms, minDeadline: %s}\n"
CONFIG = "site: here\n" + TIMEOUTS % "5s"
# A request that nothing will ever verify stays pending for the whole test.
PATIENT = "site: here\n" + TIMEOUTS % "300s"

WORDS = ("source", "replica", "promoting", "demoting", "syncing", "failed")
REPORTS = ("AddressSanitizer", "runtime error:", "ThreadSanitizer",
           "LeakSanitizer", "== Invalid ", "definitely lost: ")

Condition = collections.namedtuple("Condition", "status reason since message")
Result = collections.namedtuple("Result", "rc out err")

live = set()
libc = ctypes.CDLL(None, use_errno=True)


def until(check, what, seconds=10.0):
    """Looks again every 10 ms until check() gives something true."""
    end = time.monotonic() + seconds * FACTOR
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.01)


def never(check, what, seconds=0.4):
    """Fails when check() gives something true within the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert not check(), f"not to be: {what}"
        time.sleep(0.01)


def sh(command, cwd="/", seconds=20, env=None, binary=False, **more):
    """Runs a bash command as users type it; rc 124 when it takes too long."""
    done = subprocess.run(
        ["timeout", "-k", "2", str(seconds * FACTOR), "bash", "-c", command],
        cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True,
        stdin=subprocess.DEVNULL, **more)
    out, err = done.stdout, done.stderr
    if not binary:
        out, err = out.decode(), err.decode()
    return Result(done.returncode, out, err)


def background(command, cwd="/", seconds=60):
    """Starts a bash command that can't outlive its time."""
    process = subprocess.Popen(
        ["timeout", "-k", "2", str(seconds * FACTOR), "bash", "-c", command],
        cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)
    return process


def get(path):
    """The content of a file by one open, as cat reads it."""
    with open(path, "rb") as f:
        return f.read().decode()


def put(path, text, flags=os.O_WRONLY | os.O_TRUNC):
    """Writes by open, one write and close; the errno of the first refusal."""
    data = text if isinstance(text, bytes) else text.encode()
    code = 0
    try:
        fd = os.open(path, flags)
    except OSError as e:
        return e.errno
    try:
        os.write(fd, data)
    except OSError as e:
        code = e.errno
    try:
        os.close(fd)
    except OSError as e:
        code = code or e.errno
    return code


def name_of(code):
    return "ok" if not code else errno.errorcode[code]


def call(function, *args):
    """The errno of a system call, 0 when it works."""
    try:
        function(*args)
    except OSError as e:
        return e.errno
    return 0


def manifest(name, ns="database", state="replica", here="destination",
             mode="synchronous", schedule="mode: continuous", version=None,
             clusters=None, pvc=None, handle=None):
    """YAML of a replication one endpoint of which is in region `here`."""
    source, destination = clusters or (f"prod-{name}", f"dr-{name}")
    regions = ["there", "here"] if here == "destination" else ["here", "there"]
    meta = f'  resourceVersion: "{version}"\n' if version else ""
    return f"""apiVersion: replication.unified.io/v1alpha1
kind: UnifiedVolumeReplication
metadata:
  name: {name}
  namespace: {ns}
{meta}spec:
  sourceEndpoint:
    cluster: {source}
    region: {regions[0]}
    storageClass: fast
  destinationEndpoint:
    cluster: {destination}
    region: {regions[1]}
    storageClass: fast
  volumeMapping:
    source:
      pvcName: {pvc or name + "-pvc"}
      namespace: {ns}
    destination:
      volumeHandle: {handle or name + "-vol"}
      namespace: {ns}
  replicationState: {state}
  replicationMode: {mode}
  schedule: {{{schedule}}}
"""


class Uvr:
    """One replication's directory, and its two volumes behind it."""

    def __init__(self, daemon, ns, name):
        self.daemon, self.ns, self.name = daemon, ns, name
        self.path = daemon.mnt / ns / name

    def __truediv__(self, name):
        return self.path / name

    def read(self, name):
        return get(self.path / name)

    def write(self, name, text):
        return put(self.path / name, text)

    def ask(self, text):
        """Writes to state, or swap to endpoints, as echo does."""
        name = "endpoints" if text.split()[0] == "swap" else "state"
        return self.write(name, text + "\n")

    @property
    def state(self):
        return self.read("state").strip()

    @property
    def error(self):
        return self.read("error")

    @property
    def status(self):
        return json.loads(self.read("status.json"))

    @property
    def conditions(self):
        found = {}
        for line in self.read("conditions").splitlines():
            kind, status, reason, since, *message = line.split(None, 4)
            found[kind] = Condition(status, reason, since, "".join(message))
        return found

    @property
    def ready(self):
        return self.conditions["Ready"]

    def plan(self, word):
        return self.read(f"plan/{word}")

    def verdict(self, word):
        return self.plan(word).split("\n")[0].split(":")[0]

    def sync(self, name="state", seconds=10):
        return sh(f"sync {shlex.quote(str(self.path / name))}",
                  seconds=seconds).rc

    def done(self, name="state", seconds=10):
        """Waits until the current request is verified."""
        rc = self.sync(name, seconds)
        assert rc == 0, f"sync {name}: {rc}\n{self.explain()}"
        return self

    def go(self, *words):
        """Writes the words one after the other, each once the last is done."""
        for word in words:
            code = self.ask(word)
            assert code == 0, f"{word}: {name_of(code)}\n{self.explain()}"
            self.done("endpoints" if word.startswith("swap") else "state")
        return self

    def await_cond(self, kind, status, reason=None, seconds=10):
        def check():
            c = self.conditions[kind]
            return c.status == status and reason in (None, c.reason)
        until(check, f"{self.name}: {kind} {status} {reason}", seconds)
        return self.conditions[kind]

    def explain(self):
        text = "".join(f"--- {n}\n{self.read(n)}"
                       for n in ("state", "conditions", "error"))
        log = self.read("log").splitlines(True)
        return text + "--- log\n" + "".join(log[-20:])

    def endpoint_clusters(self):
        """The clusters of this site and of the peer."""
        status = self.status
        pair = [status["source"], status["destination"]]
        here = [e for e in pair if status["site"] in (e["cluster"], e["region"])]
        peer = [e for e in pair if e is not here[0]]
        return here[0]["cluster"], peer[0]["cluster"]

    @property
    def here(self):
        return self.endpoint_clusters()[0]

    @property
    def peer(self):
        return self.endpoint_clusters()[1]

    def volume(self, cluster):
        """The simulated volume of this replication at a cluster."""
        found = [p for p in (self.daemon.sim / cluster).glob("*/*")
                 if not p.name.startswith(".")
                 and p.name in (self.status["pvc"],
                                self.status["volumeHandle"])]
        assert len(found) == 1, (cluster, found)
        return found[0]

    @property
    def here_volume(self):
        return self.volume(self.here)

    @property
    def peer_volume(self):
        return self.volume(self.peer)

    def journal(self):
        volumes = (self.status["pvc"], self.status["volumeHandle"])
        return [line for line in self.daemon.journal()
                if line.split()[2].split("/")[-1] in volumes]

    def acts(self):
        return [line.split()[3] for line in self.journal()]

    def picture(self):
        """What a refused request must not change."""
        return (self.state, self.read("spec.yaml"), self.read("endpoints"),
                self.read("mode"), self.read("schedule"), self.journal())

    def await_copy(self, frm=None, to=None):
        """Waits until the replica holds the source's bytes."""
        frm, to = frm or self.peer_volume, to or self.here_volume
        until(lambda: frm.read_bytes() == to.read_bytes(), "the copy")
        return self


class Daemon:
    """A uvrfs process with its own state directory and mount."""

    def __init__(self, config=CONFIG, options=(), base=None):
        self.base = pathlib.Path(base or tempfile.mkdtemp(prefix="uvr-e2e-"))
        self.mnt = self.base / "mnt"
        self.state = self.base / "state"
        self.sim = self.state / "sim"
        self.config = self.base / "uvrfs.yaml"
        self.options = list(options)
        self.process = None
        self.minor = None
        self.count = 0
        self.mnt.mkdir(exist_ok=True)
        self.config.write_text(config)

    def command(self, *more):
        return [*WRAPPER, BINARY, "-c", str(self.config), "--state-dir",
                str(self.state), *self.options, *more, str(self.mnt)]

    def start(self):
        """Starts in the foreground and waits until it says READY=1."""
        at = str(self.base / "notify")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if os.path.exists(at):
            os.unlink(at)
        listener.bind(at)
        self.count += 1
        live.add(self)
        with open(self.base / "stderr", "ab") as log:
            self.process = subprocess.Popen(
                self.command("-f"), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env={**os.environ, "NOTIFY_SOCKET": at},
                preexec_fn=lambda: libc.prctl(1, signal.SIGKILL))
        ready = self._await_ready(listener)
        listener.close()
        if not ready:
            self.process.poll()
            live.discard(self)
            raise RuntimeError(f"uvrfs did not start: {self.stderr()}")
        self.minor = self._minor()
        return self

    def _await_ready(self, listener):
        pidfd = os.pidfd_open(self.process.pid)
        try:
            poll = select.poll()
            poll.register(listener, select.POLLIN)
            poll.register(pidfd, select.POLLIN)
            end = time.monotonic() + 20 * FACTOR
            while time.monotonic() < end:
                for fd, _ in poll.poll(1000):
                    if fd == pidfd:
                        self.process.wait()
                        return False
                    if b"READY=1" in listener.recv(4096).split(b"\n"):
                        return True
            self.process.kill()
            self.process.wait()
            return False
        finally:
            os.close(pidfd)

    def _minor(self):
        with open("/proc/self/mountinfo", encoding="utf-8") as f:
            for line in f:
                fields = line.split()
                if fields[4] == str(self.mnt):
                    return fields[2].split(":")[1]
        return None

    def stderr(self):
        log = self.base / "stderr"
        return log.read_text(errors="replace") if log.exists() else ""

    def stop(self):
        """Ends it as systemd does; it must end well and unmount."""
        self.process.send_signal(signal.SIGTERM)
        rc = self.process.wait(20 * FACTOR)
        live.discard(self)
        assert rc == 0, f"exit status {rc}: {self.stderr()}"
        assert self._minor() is None, "still mounted"
        self.check_reports()
        return self

    def check_reports(self):
        text = self.stderr().replace("definitely lost: 0 bytes", "")
        assert not any(r in text for r in REPORTS), text

    def kill9(self):
        self.process.kill()
        self.process.wait(10 * FACTOR)
        return self

    def restart(self):
        """Starts again after kill9 or stop."""
        if self.process and self.process.poll() is None:
            self.stop()
        return self.start()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def abort(self):
        """Frees everybody who waits for the mount, whatever the daemon does."""
        if self.alive():
            self.process.kill()
        control = f"/sys/fs/fuse/connections/{self.minor}/abort"
        if self.minor and os.path.exists(control):
            put(control, "1", os.O_WRONLY)

    def destroy(self):
        """Leaves nothing behind: no process, no mount, no file."""
        ended_well = True
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20 * FACTOR)
            except subprocess.TimeoutExpired:
                ended_well = False
                self.abort()
                self.process.wait(10)
        self.unmount()
        live.discard(self)
        try:
            assert ended_well, "it did not end on SIGTERM"
            self.check_reports()
        finally:
            shutil.rmtree(self.base, ignore_errors=True)

    def unmount(self):
        for _ in range(10):
            if self._minor() is None:
                return
            libc.umount2(str(self.mnt).encode(), 2)

    # What is in it.

    def __truediv__(self, name):
        return self.mnt / name

    def uvr(self, ns, name):
        return Uvr(self, ns, name)

    def new_name(self, stem="r"):
        self.count += 1
        return f"{stem}{self.count}"

    def mk(self, ns, name, text):
        """mkdir and a manifest; the replication, not yet verified."""
        if not (self.mnt / ns).exists():
            os.mkdir(self.mnt / ns)
        os.mkdir(self.mnt / ns / name)
        r = Uvr(self, ns, name)
        code = r.write("spec.yaml", text)
        assert code == 0, f"{name_of(code)}: {r.error}"
        return r

    def replica(self, name=None, data=b"one\n", ns="database", **spec):
        """A healthy replica of a source that holds data."""
        name = name or self.new_name()
        r = self.mk(ns, name, manifest(name, ns, **spec)).done()
        r.peer_volume.write_bytes(data)
        r.await_copy()
        r.await_cond("Degraded", "False")
        return r

    def source(self, name=None, data=b"one\n", ns="database", **spec):
        """A healthy source that a replica follows."""
        name = name or self.new_name()
        r = self.mk(ns, name, manifest(name, ns, state="source", here="source",
                                       **spec)).done()
        r.here_volume.write_bytes(data)
        r.await_copy(r.here_volume, r.peer_volume)
        r.await_cond("Degraded", "False")
        return r

    def faults(self, cluster, *lines):
        """Orders faults at a cluster, in place of those before."""
        (self.sim / cluster).mkdir(parents=True, exist_ok=True)
        (self.sim / cluster / "faults").write_text(
            "".join(line + "\n" for line in lines))

    def lose(self, cluster, fault="down"):
        """The same for a fault that others see, once they see it."""
        self.faults(cluster, fault)
        self.await_reach(cluster, "no")

    def find_again(self, cluster):
        self.faults(cluster)
        self.await_reach(cluster, "yes")

    def await_reach(self, cluster, answer):
        path = self.mnt / ".uvrfs/clusters" / cluster / "reachable"
        until(lambda: get(path).strip() == answer, f"{cluster}: {answer}", 12)

    def journal(self):
        path = self.sim / "journal"
        return path.read_text().splitlines() if path.exists() else []


def is_dead(path):
    """True when the mount has no daemon any more."""
    return call(os.stat, path) == errno.ENOTCONN
