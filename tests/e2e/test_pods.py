# SPDX-License-Identifier: Apache-2.0
"""The mount of a node's pod, and what others see of it: with mounts as a runtime
of containers makes them, from docs/examples/kubernetes."""
import os
import pathlib
import shlex
import signal
import subprocess
import time

import pytest
import yaml

from replication import manifest
from shell import FACTOR, freeze, sh, until
from uvr import BINARY, CONFIG, OPTIONS, ROOT, WRAPPER

MANIFESTS = ROOT / "docs/examples/kubernetes/uvrfs.yaml"
ENTRY = "uvrfs -f -c /etc/uvrfs/uvrfs.yaml "
OWN_PIDS = ("--pid", "--fork", "--kill-child", "--mount-proc")


def daemon_pod():
    pod, = [o["spec"]["template"]["spec"]
            for o in yaml.safe_load_all(MANIFESTS.read_text())
            if o["kind"] == "DaemonSet"]
    return pod


def volume_of(pod):
    """(on the node, in the container) of what is mounted in."""
    mount, = [m for m in pod["containers"][0]["volumeMounts"]
              if m.get("mountPropagation") == "Bidirectional"]
    path, = [v["hostPath"]["path"] for v in pod["volumes"]
             if v["name"] == mount["name"]]
    return path, mount["mountPath"]


class Node:
    """A node has a /run of its own here, shared as systemd makes it."""
    def __init__(self, base):
        self.base, self.pod = base, daemon_pod()
        self.dir, inside = volume_of(self.pod)
        assert self.dir == inside       # else it would have to be bound, too
        self.processes = []
        self.node = self.start(
            "unshare", "--mount", "--propagation", "private", "sh", "-ec",
            "mount -t tmpfs none /run; mount --make-shared /run; "
            f"mkdir {self.dir}; exec sleep 600")
        until(lambda: self.on(self.node, f"ls -d {self.dir}").rc == 0, "a node")

    def start(self, *command):
        with open(self.base / "log", "ab") as log:
            self.processes.append(subprocess.Popen(
                [str(c) for c in command], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log))
        return self.processes[-1]

    def container(self, propagation, text, *more):
        return self.start(
            "nsenter", "--mount", f"--target={self.node.pid}", "unshare",
            "--mount", "--propagation", propagation, *more, "sh", "-ec", text)

    def daemon(self):
        config = self.base / "uvrfs.yaml"
        config.write_text(CONFIG)
        *shell, text = self.pod["containers"][0]["command"]
        assert shell == ["sh", "-c"] and ENTRY in text
        ours = shlex.join([*WRAPPER, BINARY, "-f", "-c", str(config),
                           "--state-dir", str(self.base / "state"), *OPTIONS])
        text = text.replace(ENTRY, f"{ours} ")
        return self.container(
            "unchanged", f"set +e; {text}",
            *(() if self.pod.get("hostPID") else OWN_PIDS))

    def tell(self, daemon, number):
        """What is told to a container's first process."""
        pid = daemon.pid
        if not self.pod.get("hostPID"):
            at = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
            pid = int(at.read_text())
        os.kill(pid, number)

    def reader(self):
        """Another pod, with the volume at another place."""
        made = self.container(
            "slave", f"mkdir -p {self.base}/seen; "
            f"mount --rbind {self.dir} {self.base}/seen; "
            f"mount --make-rslave {self.base}/seen; exec sleep 600")
        until(lambda: self.on(made, f"mountpoint -q {self.base}/seen").rc == 0,
              "a pod")
        return made

    def on(self, process, command):
        return sh(f"nsenter --mount --target={process.pid} "
                  + command.replace("SEEN", str(self.base / "seen")))

    def probe(self, name):
        """As the kubelet asks."""
        probe = self.pod["containers"][0][name]
        command = shlex.join(probe["exec"]["command"])
        began = time.monotonic()
        passes = self.on(self.node, command).rc == 0
        assert time.monotonic() - began < probe["timeoutSeconds"] * FACTOR
        return passes

    def is_ready(self):
        return self.probe("readinessProbe")

    def close(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait(20 * FACTOR)


@pytest.fixture
def node(tmp_path):
    made = Node(tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_others_see_the_next_mount(node, number):
    early = node.reader()
    daemon = node.daemon()
    until(node.is_ready, "the first mount", 20)
    late = node.reader()
    readers = early, late
    for reader in readers:
        assert node.on(reader, "cat SEEN/uvr/.uvrfs/health").out == "ok\n"
    node.tell(daemon, number)
    daemon.wait(20 * FACTOR)
    left = node.on(late, "ls SEEN/uvr/.uvrfs").err
    assert ("not connected" if number == signal.SIGKILL
            else "No such file") in left, left
    node.daemon()
    until(node.is_ready, "the next mount", 20)
    for reader in readers:
        assert node.on(reader, "cat SEEN/uvr/.uvrfs/health").out == "ok\n"
        # The dead one is gone from there, too.
        assert node.on(reader, "grep -c ' SEEN/uvr ' /proc/self/mountinfo") \
            .out == "1\n"


def test_the_audit_tells_who_wrote(node):
    """In another container, which has pids of its own."""
    node.daemon()
    until(node.is_ready, "a mount", 20)
    other = node.reader()
    (node.base / "spec.yaml").write_text(manifest("db", "shop"))
    # A shell finds its pid on the node where /proc is that of the node.
    (node.base / "write").write_text(
        "mkdir -p $1/uvr/shop/db; read -r pid rest </proc/self/stat; "
        f"echo $pid; exec cp {node.base}/spec.yaml $1/uvr/shop/db/\n")
    done = node.on(other, f"unshare --pid --fork sh -e {node.base}/write SEEN")
    assert done.rc == 0, done
    said = f"shop/db uid=0,pid={done.out.strip()},comm=cp accepted: "
    audit = "cat SEEN/uvr/.uvrfs/audit"
    until(lambda: said in node.on(other, audit).out, said)


def test_only_one_that_hangs_is_not_alive(node):
    """And whoever asks it comes back."""
    daemon = node.daemon()
    until(node.is_ready, "the mount", 20)
    assert node.probe("livenessProbe")
    freeze(daemon.pid)
    assert not node.probe("livenessProbe")
    daemon.send_signal(signal.SIGCONT)
    assert node.probe("livenessProbe")
