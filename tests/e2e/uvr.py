# SPDX-License-Identifier: Apache-2.0
"""A uvrfs daemon of one's own, and all that the tests need beside it.

Everything that could block has a limit: commands run under timeout(1), and a
watchdog (conftest.py) kills the daemons of a test that takes too long, so that
a hung mount answers ENOTCONN instead of hanging the suite.

UVRFS is the daemon's binary, UVRFS_WRAPPER a command to run it under (valgrind
with its options), UVRFS_TIMEOUT_FACTOR how much slower that makes everything,
UVRFS_OPTIONS what is added to each command line.
"""
import contextlib
import ctypes
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

from replication import Uvr, WORDS, manifest  # noqa: F401
from shell import (FACTOR, background, call, get, is_dead,  # noqa: F401
                   name_of, never, put, sh, until)

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("UVRFS", str(ROOT / "build/mount/uvrfs"))
WRAPPER = shlex.split(os.environ.get("UVRFS_WRAPPER", ""))
OPTIONS = shlex.split(os.environ.get("UVRFS_OPTIONS", ""))

ACT, DEADLINE = f"{2 * FACTOR:g}s", f"{5 * FACTOR:g}s"
TIMEOUTS = (f"timeouts: {{act: {ACT}, retryFirst: 50ms, retryMax: 200ms, "
            "minDeadline: %s}\n")
CONFIG = "site: here\n" + TIMEOUTS % DEADLINE
# A request that nothing will ever verify stays pending for the whole test.
PATIENT = "site: here\n" + TIMEOUTS % "300s"

# Of a cluster where nobody answers.
KUBECONFIG = """\
clusters: [{name: k, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: admin, context: {cluster: k, user: u}}]
current-context: admin
"""

REPORTS = ("AddressSanitizer", "runtime error:", "ThreadSanitizer",
           "LeakSanitizer", "== Invalid ", "definitely lost: ")

live = set()
libc = ctypes.CDLL(None, use_errno=True)


class Daemon:
    """A uvrfs process with its own state directory and mount."""
    patience = 20               # with its start, in seconds

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
        self.inherited = ()
        self.mnt.mkdir(exist_ok=True)
        self.config.write_text(config)

    def command(self, *more):
        return [*WRAPPER, BINARY, "-c", str(self.config), "--state-dir",
                str(self.state), *OPTIONS, *self.options, *more,
                str(self.mnt)]

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
                pass_fds=self.inherited,
                preexec_fn=lambda: libc.prctl(1, signal.SIGKILL))
        ready = self._await_ready(listener)
        self.put_away(listener)
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
            end = time.monotonic() + self.patience * FACTOR
            while time.monotonic() < end:
                for fd, _ in poll.poll(1000):
                    if fd == pidfd:
                        self.process.wait()
                        return False
                    if b"READY=1" in self.hear(listener).split(b"\n"):
                        return True
            self.process.kill()
            self.process.wait()
            return False
        finally:
            os.close(pidfd)

    def hear(self, listener):
        return listener.recv(4096)

    def put_away(self, listener):
        listener.close()

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
        # A busy kernel takes its time to free a dead one's inotify.
        self.process.wait(30 * FACTOR)
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
        # Once it is gone, another mount may have its number.
        if self.minor and self._minor() == self.minor and \
                os.path.exists(control):
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


def destroy_all(daemons):
    """Whatever one complains of: another one would act in later tests."""
    with contextlib.ExitStack() as stack:
        for daemon in daemons:
            stack.callback(daemon.destroy)
