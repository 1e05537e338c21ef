# SPDX-License-Identifier: Apache-2.0
"""The unit for systemd: under a systemd of our own, in a root of its own."""
import os
import pathlib
import shlex
import shutil
import subprocess

import pytest

from shell import FACTOR, sh, until
from uvr import BINARY, CONFIG, WRAPPER, manifest

UNIT = pathlib.Path(BINARY).parent / "uvrfs.service"
BOOT = pathlib.Path(__file__).with_name("boot-systemd")
TARGETS = ("basic", "sysinit", "shutdown", "network-online")
DBA = 2001
ACCESS = CONFIG + f"access: [{{namespace: guarded, owner: {DBA}}}]\n"
FOWNER, DAC_OVERRIDE = 1 << 3, 1 << 1

pytestmark = pytest.mark.skipif(
    not shutil.which("systemd-analyze") or not UNIT.exists(),
    reason="no systemd, or no unit beside the daemon")


def test_exposure():
    done = sh(f"systemd-analyze security --offline=true --threshold=20 "
              f"--no-pager {UNIT}")
    assert done.rc == 0, done.out + done.err


class Machine:
    def __init__(self, base):
        self.base = base
        exe = UNIT.read_text().split("ExecStart=")[1].split()[0]
        put = base / "put"
        for part in ("units", "uvr", "etc/uvrfs", exe[1:-len("uvrfs")]):
            (put / part).mkdir(parents=True, exist_ok=True)
        shutil.copy(BINARY, put / exe[1:])
        shutil.copy(UNIT, put / "units")
        for target in TARGETS:
            (put / f"units/{target}.target").write_text(
                "[Unit]\nDefaultDependencies=no\n")
        (put / "etc/uvrfs/uvrfs.yaml").write_text(ACCESS)
        self.log = open(base / "log", "wb")
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child",
             "--cgroup", "--ipc", "--uts", BOOT, base],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def init(self):
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(path, encoding="ascii") as f:
            return (f.read().split() or ["0"])[0]

    def run(self, command, seconds=20):
        return sh(f"nsenter -a -t {self.init()} -r -w bash -c "
                  + shlex.quote(command), seconds=seconds)

    def boots(self):
        return self.process.poll() is not None or \
            self.init() != "0" and self.run("systemctl is-system-running").out == "running\n"

    def status(self, pid):
        lines = self.run(f"cat /proc/{pid}/status").out.splitlines()
        return {k: v.split() for k, v in
                (line.split(":", 1) for line in lines)}

    def processes(self):
        """The daemon and its nudger."""
        main = self.run("systemctl show -P MainPID uvrfs").out.strip()
        return main, self.run(f"pgrep -P {main}").out.strip()

    def end(self):
        self.process.kill()
        self.process.wait(10)
        self.log.close()


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    if WRAPPER or b"__asan_init" in pathlib.Path(BINARY).read_bytes() or \
            b"__tsan_init" in pathlib.Path(BINARY).read_bytes():
        pytest.skip("the sandbox is for the daemon as it is installed")
    made = Machine(tmp_path_factory.mktemp("unit"))
    try:
        until(made.boots, "systemd is up", 20)
        if made.process.poll() is not None:
            pytest.skip("no systemd can be started here: "
                        + (made.base / "log").read_text()[-200:])
        done = made.run("systemctl start uvrfs")
        assert done.rc == 0, done.err + made.run("systemctl status uvrfs").out
        yield made
    finally:
        made.end()


def test_the_mount_is_everybodys(machine):
    """From the sandbox's own mounts it would be seen by nobody."""
    done = machine.run(f"setpriv --reuid={DBA} --clear-groups cat "
                       "/uvr/.uvrfs/health")
    assert done.out == "ok\n", done
    text = manifest("r", "guarded")
    done = machine.run("mkdir -p /uvr/guarded/r && cd /uvr/guarded/r && "
                       f"printf %s {shlex.quote(text)} | tee spec.yaml "
                       ">/dev/null && sync state && cat state")
    assert done.out == "replica\n", done
    audit = machine.run("cat /uvr/.uvrfs/audit").out
    assert "uid=0," in audit and "comm=tee" in audit
    assert "denied" in machine.run(
        f"setpriv --reuid={DBA} --clear-groups cat /uvr/.uvrfs/audit").err


def test_what_is_left_of_its_rights(machine):
    daemon, nudger = machine.processes()
    uid = machine.run("id -u uvrfs").out.split()
    for pid in daemon, nudger:
        s = machine.status(pid)
        assert s["Uid"] == uid * 4 and uid != ["0"], s["Uid"]
        assert s["NoNewPrivs"] == ["1"] and s["Seccomp"] == ["2"]
        # Not even its own user looks into its memory.
        assert machine.run(f"stat -c %u /proc/{pid}/mem").out == "0\n"
    for kept, pid in ((0, daemon), (FOWNER | DAC_OVERRIDE, nudger)):
        for task in machine.run(f"ls /proc/{pid}/task").out.split():
            s = machine.status(f"{pid}/task/{task}")
            assert {int(s[f"Cap{name}"][0], 16) for name in
                    ("Prm", "Eff")} == {kept}, s
            assert int(s["CapAmb"][0], 16) == 0
    stat = machine.run("stat -c '%U %a' /var/lib/uvrfs /var/lib/uvrfs/audit")
    assert stat.out == "uvrfs 700\nuvrfs 600\n", stat


def test_files_of_others_are_watched(machine):
    """What the nudger keeps its rights for."""
    done = machine.run(
        "cd /uvr/guarded/r && stat -c %u hold && "
        "exec 3< <(timeout 10 inotifywait -m -e modify conditions 2>&1) && "
        "until read -r line <&3 && [[ $line == *established* ]]; do :; done && "
        "echo promoting > state && head -n 1 <&3")
    assert done.out == f"{DBA}\nconditions MODIFY \n", done


def test_the_sandbox(machine):
    daemon, _ = machine.processes()
    mounts = machine.run(f"grep -E ' /(etc|usr)? ' /proc/{daemon}/mountinfo")
    assert " ro," in mounts.out, mounts
    assert "promoting" in machine.run("cat /uvr/guarded/r/state").out
    assert machine.run("systemctl reload uvrfs").rc == 0


LOOPS = """
cd /uvr/guarded/r
for command in 'cat state' 'stat .' 'sync state' 'ls /uvr'; do
	while [ ! -e /tmp/enough ]; do
		$command >/dev/null 2>>/tmp/errors || echo "$command: $?" >>/tmp/errors
		echo >>"/tmp/${command%% *}"
	done &
done
"""


def test_nobody_notices(machine):
    """Crashes, an upgrade, and a restart."""
    names = ("cat", "stat", "sync", "ls")
    device = machine.run("stat -c %d /uvr").out
    # Longer than the kernel keeps what it knows of the root.
    machine.run("mkdir -p /units/uvrfs.service.d && printf "
                "'[Service]\nRestartSec=2\n' > /units/uvrfs.service.d/x.conf"
                " && systemctl daemon-reload")
    machine.run(f"({LOOPS}) >/dev/null 2>&1 </dev/null")

    def counts():
        return [int(n) for n in machine.run(
            "for n in cat stat sync ls; do stat -c %s /tmp/$n || echo 0; done")
            .out.split()]

    for end in ("kill -9 {}", "systemctl restart uvrfs",
                "systemctl kill --kill-who=main -s USR1 uvrfs", "kill -9 {}"):
        daemon, _ = machine.processes()
        done = machine.run(end.format(daemon))
        assert done.rc == 0, done
        until(lambda: machine.run("systemctl is-active uvrfs").out == "active\n"
              and machine.processes()[0] not in ("0", daemon), "it is back", 20)
        before = counts()
        until(lambda: all(n > m for n, m in zip(counts(), before)),
              f"{names} go on", 20)
    machine.run("touch /tmp/enough")
    assert machine.run("cat /tmp/errors").out == ""
    assert machine.run("stat -c %d /uvr").out == device, "another mount"
    mounts = machine.run("grep -c ' /uvr ' /proc/self/mountinfo")
    assert mounts.out == "1\n", "a dead mount below"


def test_stopped(machine):
    assert machine.run("systemctl stop uvrfs").rc == 0
    assert machine.run("grep -c ' /uvr ' /proc/self/mountinfo").out == "0\n"
    assert machine.run("systemctl is-failed uvrfs").out == "inactive\n"
