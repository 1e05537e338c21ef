# SPDX-License-Identifier: Apache-2.0
"""The unit for systemd: under a systemd of our own, in a root of its own."""
import os
import pathlib
import shlex
import shutil

import pytest

from machine import UNITS
from pages import examples_of
from shell import put, sh, until
from uvr import BINARY, CONFIG, ROOT, manifest

UNIT = pathlib.Path(BINARY).parent / "uvrfs.service"
DBA = 2001
ACCESS = CONFIG + f"access: [{{namespace: guarded, owner: {DBA}}}]\n"
FOWNER, DAC_OVERRIDE = 1 << 3, 1 << 1

pytestmark = pytest.mark.skipif(
    not shutil.which("systemd-analyze") or not UNIT.exists(),
    reason="no systemd, or no unit beside the daemon")


def place():
    """Of the daemon, for the unit."""
    return UNIT.read_text().split("ExecStart=")[1].split()[0]


def test_exposure():
    done = sh(f"systemd-analyze security --offline=true --threshold=20 "
              f"--no-pager {UNIT}")
    assert done.rc == 0, done.out + done.err


@pytest.fixture(scope="module")
def machine(empty_machine):
    made = empty_machine
    made.copy(BINARY, place()[1:])
    made.copy(UNIT, f"{UNITS}/uvrfs.service")
    for kind in "sysusers", "tmpfiles":
        made.copy(ROOT / f"mount/uvrfs.{kind}", f"usr/lib/{kind}.d/uvrfs.conf")
    for kind in "path", "service":
        made.copy(ROOT / f"docs/examples/uvr-state@.{kind}",
                  f"{UNITS}/uvr-state@.{kind}")
    # A machine without a syslog.
    made.write(f"{UNITS}/uvr-state@.service.d/x.conf", "[Service]\nExecStart=\n"
               "ExecStart=sh -c 'cat /uvr/%I/state >> /tmp/told'\n")
    made.write("etc/uvrfs/uvrfs.yaml", ACCESS)
    made.boot()
    done = made.run("systemd-sysusers uvrfs.conf && systemd-tmpfiles --create "
                    "uvrfs.conf && systemctl start uvrfs")
    assert done.rc == 0, done.err + made.run("systemctl status uvrfs").out
    return made


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


def test_nobody_notices(machine):
    """Crashes, an upgrade, and a restart."""
    device = machine.run("stat -c %d /uvr").out
    # Longer than the kernel keeps what it knows of the root.
    dropins = f"/{UNITS}/uvrfs.service.d"
    machine.run(f"mkdir {dropins} && printf '[Service]\nRestartSec=2\n' > "
                f"{dropins}/x.conf && systemctl daemon-reload")
    machine.keep_busy("/uvr/guarded/r")
    for end in ("kill -9 {}", "systemctl restart uvrfs",
                "systemctl kill --kill-who=main -s USR1 uvrfs", "kill -9 {}"):
        daemon, _ = machine.processes()
        done = machine.run(end.format(daemon))
        assert done.rc == 0, done
        # The directory of its state has another number when it is looked at next.
        put("/proc/sys/vm/drop_caches", "2", os.O_WRONLY)
        until(lambda: machine.run("systemctl is-active uvrfs").out == "active\n"
              and machine.processes()[0] not in ("0", daemon), "it is back", 20)
        machine.goes_on()
    assert machine.complaints() == ""
    assert machine.run("stat -c %d /uvr").out == device, "another mount"
    mounts = machine.run("grep -c ' /uvr ' /proc/self/mountinfo")
    assert mounts.out == "1\n", "a dead mount below"


def test_a_nudger_that_is_killed(machine):
    """Its rights are gone with it: the next daemon has them."""
    daemon, nudger = machine.processes()
    until(lambda: int(machine.run(f"ps -o etimes= -p {nudger}").out) > 10,
          "it has run for a while", 30)
    machine.keep_busy("/uvr/guarded/r")
    assert machine.run(f"kill -9 {nudger}").rc == 0

    def are_back():
        found = machine.processes()
        return found[0] not in ("0", daemon) and found[1]
    until(are_back, "both are back", 20)
    machine.goes_on()
    assert machine.complaints() == ""
    assert machine.status(machine.processes()[1])["CapPrm"] == \
        [f"{FOWNER | DAC_OVERRIDE:016x}"]


@pytest.mark.parametrize("lines", [
    "FileDescriptorStoreMax=0",
    # What a kernel without FUSE_HAS_RESEND comes to.
    "ExecStart=\nExecStart={} -o basic --await-mount /uvr"])
def test_where_no_mount_is_kept(machine, lines):
    """As before Linux 6.9: a dead mount, and soon another one."""
    dropins = f"/{UNITS}/uvrfs.service.d"
    dropin = f"{dropins}/y.conf"
    text = "[Service]\n" + lines.format(place())
    done = machine.run(f"mkdir -p {dropins} && echo {shlex.quote(text)} > "
                       f"{dropin} && systemctl daemon-reload && "
                       "systemctl stop uvrfs && systemctl start uvrfs")
    assert done.rc == 0, done
    device = machine.run("stat -c %d /uvr").out
    daemon, _ = machine.processes()
    machine.run("sleep 600 3</uvr/guarded >/dev/null 2>&1 </dev/null & "
                "echo $! > /tmp/sleeps")
    assert machine.run(f"kill -9 {daemon}").rc == 0
    until(lambda: machine.run("timeout 5 cat /uvr/.uvrfs/health").out == "ok\n",
          "there is another mount", 20)
    assert machine.run("stat -c %d /uvr").out != device
    assert machine.run("cat /uvr/guarded/r/state").rc == 0
    mounts = machine.run("grep -c ' /uvr ' /proc/self/mountinfo")
    assert mounts.out == "1\n", "a dead mount below"
    machine.run(f"kill $(cat /tmp/sleeps); rm {dropin}; "
                "systemctl daemon-reload; systemctl restart uvrfs")


def test_a_state_is_watched_from_the_start_on(machine):
    """The example of a path unit: its watch is of the mount, also of the next."""
    text = manifest("told", "guarded")
    done = machine.run("mkdir /uvr/guarded/told && cd /uvr/guarded/told && "
                       f"printf %s {shlex.quote(text)} > spec.yaml && "
                       "timeout 10 sync state && cd / && "
                       "systemctl enable uvr-state@guarded-told.path && "
                       "systemctl stop uvrfs && systemctl start uvrfs")
    assert done.rc == 0, done
    for word in "promoting", "source":
        until(lambda: machine.run("systemctl is-active uvr-state@guarded-told."
                                  "path").out == "active\n", "it watches", 20)
        done = machine.run("cd /uvr/guarded/told && timeout 10 sync state && "
                           f"echo {word} > state")
        assert done.rc == 0, done
        until(lambda: word in machine.run("cat /tmp/told").out, "it is told")
        daemon, _ = machine.processes()
        assert machine.run(f"kill -9 {daemon}").rc == 0
        until(lambda: machine.run("systemctl is-active uvrfs").out == "active\n"
              and machine.processes()[0] not in ("0", daemon), "it is back", 20)


def test_stopped(machine):
    assert machine.run("systemctl stop uvrfs").rc == 0
    assert machine.run("grep -c ' /uvr ' /proc/self/mountinfo").out == "0\n"
    assert machine.run("systemctl is-failed uvrfs").out == "inactive\n"


def test_the_start_is_tried_until_it_succeeds(machine):
    """More often than systemd tries what is not told otherwise."""
    config, dropin = "/etc/uvrfs/uvrfs.yaml", f"/{UNITS}/uvrfs.service.d/z.conf"
    done = machine.run(f"mkdir -p {dropin[:-7]} && mv {config} /tmp/kept && "
                       f"echo wrong > {config} && "
                       f"printf '[Service]\nRestartSec=50ms\n' > {dropin} && "
                       "systemctl daemon-reload")
    assert done.rc == 0, done
    assert machine.run("systemctl start uvrfs").rc != 0
    until(lambda: int(machine.run("systemctl show -P NRestarts uvrfs").out) > 7,
          "it is tried on and on", 20)
    machine.run(f"mv /tmp/kept {config}")
    until(lambda: machine.run("systemctl is-active uvrfs").out == "active\n",
          "it is started", 20)
    assert machine.run("cat /uvr/.uvrfs/health").out == "ok\n"
    assert machine.run(f"rm {dropin}; systemctl daemon-reload; "
                       "systemctl stop uvrfs").rc == 0


def test_by_hand(machine):
    """The block of uvrfs(8), where the service never ran."""
    block, = (b for b in examples_of("uvrfs.8") if "--await" in b)
    machine.run("systemctl stop uvrfs; rm -r /var/lib/uvrfs")
    done = machine.run(f"exec 2>/tmp/by-hand >&2 </dev/null; {block}")
    assert done.rc == 0, machine.run("cat /tmp/by-hand").out
    assert machine.run("cat /uvr/.uvrfs/health").out == "ok\n"
    assert machine.run("stat -c '%U %a' /var/lib/uvrfs").out == "uvrfs 700\n"
    daemon = machine.run("cat /var/lib/uvrfs/uvrfs.pid").out.strip()
    nudger = machine.run(f"pgrep -P {daemon}").out.strip()
    for kept, pid in ((0, daemon), (FOWNER | DAC_OVERRIDE, nudger)):
        s = machine.status(pid)
        assert (int(s["CapPrm"][0], 16), s["NoNewPrivs"]) == (kept, ["1"]), s
    assert machine.run("umount /uvr").rc == 0
    until(lambda: machine.run("pgrep -x uvrfs").out == "", "it has ended")
