# SPDX-License-Identifier: Apache-2.0
"""Users who are not root: several at once, and mounts of their own."""
import os
import shlex
import shutil
import signal
import stat
import subprocess
import time

import pytest

import uvr
from inotify import Watcher
from uvr import CONFIG, FACTOR, PATIENT, get, libc, manifest, sh, until

# fusermount3 wants users who have a name: the guest is nobody.
DBA, OPERATOR, GUEST = 2001, 2002, 65534
TEAM = 2100
ACCESS = PATIENT + f"""access:
  - {{namespace: database, owner: {DBA}, group: {TEAM},
     directoryMode: "0775", fileMode: "0664"}}
  - {{namespace: guarded, owner: {DBA}, group: {TEAM},
     directoryMode: "0777", fileMode: "0640"}}
"""


def as_user(uid, command, groups=(), **more):
    """Runs a bash command as somebody."""
    lists = "--groups=" + ",".join(map(str, groups)) if groups \
        else "--clear-groups"
    return sh(f"setpriv --reuid={uid} --regid={uid} {lists} "
              f"bash -c {shlex.quote(command)}", **more)


@pytest.fixture(scope="module")
def shared(make_shared):
    d = make_shared(config=ACCESS)
    os.chmod(d.base, 0o755)
    return d


def test_each_way_of_writing_asks_for_the_file(shared):
    """The kernel itself asks for the directory only when a name is replaced."""
    r = shared.replica("asked", ns="guarded", mode="asynchronous")
    ways = ["echo synchronous > mode",
            "echo synchronous > .t$$ && mv -f .t$$ mode",
            "sed -i s/asynchronous/synchronous/ mode",
            "f=$(mktemp) && echo synchronous > $f && install -m 644 $f mode",
            "f=$(mktemp) && echo synchronous > $f && "
            "cp --remove-destination $f mode"]
    for how in ways:
        done = as_user(GUEST, how, cwd=r.path)
        assert done.rc != 0 and "denied" in done.err, (how, done)
        assert r.read("mode") == "asynchronous\n", how
    for how in ways:
        done = as_user(DBA, how, cwd=r.path)
        assert done.rc == 0, (how, done)
        assert r.read("mode") == "synchronous\n", how
        assert r.write("mode", "asynchronous") == 0


def test_a_group_may_write_by_rename(shared):
    r = shared.replica("grouped", mode="asynchronous")
    how = "echo synchronous > .t$$ && mv -f .t$$ mode"
    done = as_user(OPERATOR, how, cwd=r.path)
    assert done.rc != 0 and r.read("mode") == "asynchronous\n"
    done = as_user(OPERATOR, how, [TEAM], cwd=r.path)
    assert done.rc == 0, done
    assert r.read("mode") == "synchronous\n"
    assert f"uid={OPERATOR}" in get(shared / ".uvrfs/audit")


def test_scratch_files_belong_to_who_made_them(shared):
    r = shared.replica("scratched", ns="guarded")
    assert as_user(GUEST, "umask 077; echo secret > .note", cwd=r.path).rc == 0
    st = os.stat(r / ".note")
    assert (st.st_uid, st.st_mode & 0o777) == (GUEST, 0o600)
    assert "denied" in as_user(OPERATOR, "cat .note", cwd=r.path).err
    assert as_user(GUEST, "cat .note; rm .note", cwd=r.path).out == "secret\n"
    assert not (r / ".note").exists()


def test_the_quota_of_one_is_not_that_of_another(shared):
    r = shared.replica("quotas", ns="guarded")
    fill = "for i in $(seq 8); do truncate -s 4M .big$i || exit; done; "
    try:
        done = as_user(GUEST, fill + "echo x > .more", cwd=r.path)
        assert done.rc != 0 and "quota" in done.err.lower(), done
        assert as_user(OPERATOR, "echo x > .other; cat .other; rm .other",
                       cwd=r.path).out == "x\n"
    finally:        # who is over it can't write anywhere else
        tidied = as_user(GUEST, "rm -f .big* .more", cwd=r.path)
    assert tidied.rc == 0, tidied


def test_several_at_once(shared):
    """They work on one replication, and each gets answers to what it did."""
    r = shared.replica("busy", mode="asynchronous")
    loop = ("for i in 1 2 3 4 5 6 7 8; do "
            "echo {} > mode && echo {} > .m$$ && mv -f .m$$ mode && "
            "cat mode conditions > /dev/null || exit 1; done")
    running = [uvr.background(
        f"setpriv --reuid={uid} --regid={TEAM} --clear-groups bash -c "
        + shlex.quote(loop.format(word, word)), cwd=r.path)
        for uid, word in ((DBA, "synchronous"), (OPERATOR, "asynchronous"),
                          (GUEST, "synchronous"))]
    for process in running:
        out, err = process.communicate(timeout=30 * FACTOR)
        assert process.returncode == 0, (out, err)
    assert r.read("mode") in ("synchronous\n", "asynchronous\n")
    audit = get(shared / ".uvrfs/audit")
    for uid in (DBA, OPERATOR):
        assert f"uid={uid}," in audit
    assert [n for n in os.listdir(r.path) if n.startswith(".")] == []


# ---- mounts of their own ----

@pytest.fixture(scope="module")
def device():
    """/dev/fuse as Debian has it: for everybody.  Ours is a private mount."""
    if stat.S_IMODE(os.stat("/dev/fuse").st_mode) & 0o006 == 0o006:
        yield
        return
    private = "/tmp/uvr-e2e-fuse-%d" % os.getpid()
    os.mknod(private, stat.S_IFCHR | 0o666, os.stat("/dev/fuse").st_rdev)
    os.chmod(private, 0o666)
    assert libc.mount(private.encode(), b"/dev/fuse", None, 4096, None) == 0
    yield
    libc.umount2(b"/dev/fuse", 2)
    os.unlink(private)


@pytest.fixture
def home(device, tmp_path_factory):
    """A place where a user without rights finds all that he needs."""
    path = tmp_path_factory.mktemp("home")
    for part in [path, *path.parents]:
        if len(part.parts) > 2:
            os.chmod(part, 0o755)
    shutil.copy(uvr.BINARY, path / "uvrfs")
    (path / "mnt").mkdir()
    (path / "m.yaml").write_text(manifest("r"))
    (path / "uvrfs.yaml").write_text(CONFIG)
    for part in (path, path / "mnt", path / "uvrfs.yaml"):
        os.chown(part, GUEST, GUEST)
    os.chmod(path / "m.yaml", 0o644)
    yield path
    libc.umount2(str(path / "mnt").encode(), 2)


SESSION = """set -e
{home}/uvrfs -c {home}/uvrfs.yaml {options} {home}/mnt
# Busy for a moment: what has changed is being told.
trap 'rc=$?; for i in $(seq 1000); do
	{unmount} {home}/mnt 2>/dev/null && exit $rc; done; exit 1' EXIT
cd {home}/mnt
mkdir -p database/r
cat ../m.yaml > database/r/spec.yaml
cd database/r
sync state
sed 's/synchronous/asynchronous/' spec.yaml > .new
mv .new spec.yaml
cat mode state
stat -c '%u %a' state
printf 'mount options: '
grep {home}/mnt /proc/self/mountinfo
grep -o 'comm=[a-z_]*' ../../.uvrfs/audit | sort | uniq
cd /
"""


def session(home, unmount, options=""):
    return SESSION.format(home=home, options=options, unmount=unmount)


ENVIRONMENT = {"LC_ALL": "C"}


def run(home, command):
    return as_user(GUEST, command, seconds=30,
                   env={**ENVIRONMENT, "HOME": str(home)})


def is_mounted(home):
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        return str(home) in f.read()


def is_over(home):
    """Nothing of it is left: neither the mount nor the daemon."""
    if is_mounted(home):
        return False
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/exe").startswith(str(home)):
                return False
        except OSError:
            pass
    return True


def test_a_user_mounts_for_himself(home):
    done = run(home, session(home, "fusermount3 -u"))
    assert done.rc == 0, done
    assert "asynchronous\nreplica\n" in done.out
    assert f"\n{GUEST} 644\n" in done.out
    assert "nosuid,nodev" in done.out and "allow_other" not in done.out
    assert (home / ".local/state/uvrfs").is_dir()
    until(lambda: is_over(home), "all of it is gone")


def test_what_others_see_of_a_users_mount(home):
    done = run(home, f"{home}/uvrfs -c {home}/uvrfs.yaml {home}/mnt")
    assert done.rc == 0, done
    # Not even root may look, as with every FUSE mount of a user.
    assert "denied" in sh(f"ls {home}/mnt").err
    assert "denied" in as_user(DBA, f"ls {home}/mnt").err
    assert run(home, f"ls -A {home}/mnt").out == ".uvrfs\n"
    assert run(home, f"fusermount3 -u {home}/mnt").rc == 0
    until(lambda: is_over(home), "all of it is gone")


@pytest.mark.parametrize("how", ["unshare -Urm", "unshare -Urmpf",
                                 "unshare -Urmpf --mount-proc"])
def test_in_a_user_namespace(home, how):
    """As in a container: root there, nobody outside; /proc ours or not."""
    if run(home, how + " true").rc != 0:
        pytest.skip("users may not make namespaces here")
    inner = session(home, "umount",
                    f"-o noexec --state-dir {home}/state")
    done = run(home, f"{how} bash -c {shlex.quote(inner)}")
    assert done.rc == 0, done
    assert "asynchronous\nreplica\n" in done.out
    assert "\n0 644\n" in done.out
    assert "noexec" in done.out
    # Who asked is told, or that it can't be: never the name of a stranger.
    names = set(done.out.split("comm=")[1:])
    assert names and {n.strip() for n in names} <= \
        {"cat", "mkdir", "mv", "bash", ""} | {"?"}, names
    until(lambda: is_over(home), "all of it is gone")


def test_noexec_nosuid_nodev(make):
    d = make(options=["-o", "noexec,nosuid,nodev"]).start()
    r = d.replica(mode="asynchronous")
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        line = next(li for li in f if f" {d.mnt} " in li)
    for option in ("noexec", "nosuid", "nodev"):
        assert option in line
    assert sh("sed -i s/asynchronous/synchronous/ mode", cwd=r.path).rc == 0
    assert r.read("mode") == "synchronous\n"
    done = sh("cp /bin/true .true; chmod +x .true; ./.true", cwd=r.path)
    assert done.rc == 126 and "denied" in done.err


def has_device(pid):
    """True once it has opened /dev/fuse."""
    return "/dev/fuse" in sh(f"readlink /proc/{pid}/fd/*").out.splitlines()


def test_mounted_from_outside(home):
    """The daemon has no rights at all, and others see its tree: root mounts."""
    start = f"{home}/uvrfs --await-mount -c {home}/uvrfs.yaml {home}/mnt"
    daemon = uvr.background(
        f"exec setpriv --reuid={GUEST} --regid={GUEST} --clear-groups "
        f"env HOME={home} {start}")
    try:
        file = home / ".local/state/uvrfs/uvrfs.pid"
        pid = until(lambda: file.exists() and get(file).strip(), "ready")
        until(lambda: has_device(pid), "it waits for a mount")
        mount = f"{home}/uvrfs --mount-for"
        none = sh(f"sleep 1 & {mount} $! {home}/mnt")
        assert none.rc == 1 and "does not wait for a mount" in none.err, none
        done = as_user(GUEST, f"{mount} {pid} {home}/mnt")
        assert done.rc == 1 and not is_mounted(home), done
        assert sh(f"{mount} {pid} {home}/mnt").rc == 0
        assert as_user(DBA, f"cat {home}/mnt/.uvrfs/health").out == "ok\n"
        # As after a takeover: it is there already, but only there.
        assert sh(f"{mount} {pid} {home}/mnt").rc == 0
        again = sh(f"{mount} {pid} {home}")
        assert again.rc == 1 and "already" in again.err, again
        assert sh(f"umount {home}/mnt").rc == 0
        assert daemon.wait(20 * FACTOR) == 0, daemon.stderr.read()
    finally:
        daemon.terminate()
        daemon.communicate()
    until(lambda: is_over(home), "all of it is gone")


def test_one_that_is_not_ready_is_waited_for(home):
    """The store is opened first, which may take a while."""
    done = sh(f"(sleep 1; exec setpriv --reuid={GUEST} --regid={GUEST} "
              f"--clear-groups env HOME={home} {home}/uvrfs --await-mount "
              f"-c {home}/uvrfs.yaml {home}/mnt) >{home}/log 2>&1 </dev/null & "
              f"{home}/uvrfs --mount-for $! {home}/mnt && "
              f"cat {home}/mnt/.uvrfs/health; umount {home}/mnt")
    assert done.out == "ok\n", done
    until(lambda: is_over(home), "all of it is gone")


# ---- those who have no rights, or mean no good ----

CLOSED = CONFIG + f"""access:
  - {{namespace: closed, owner: {DBA}, group: {TEAM},
     directoryMode: "0750", fileMode: "0640"}}
  - {{namespace: .uvrfs, group: {TEAM}, directoryMode: "0750",
     fileMode: "0640"}}
  - {{owner: {DBA}, group: {TEAM}}}
"""


@pytest.fixture(scope="module")
def closed(make_shared):
    d = make_shared(config=CLOSED)
    os.chmod(d.base, 0o755)
    return d


def is_denied(done):
    return done.rc != 0 and "denied" in done.err and not done.out


def test_what_is_closed_is_seen_nowhere(closed):
    r = closed.replica("secret", ns="closed")
    assert r.write("hold", "the reason\n") == 0
    tree = f"cat {r.path}/hold {closed.mnt}/.uvrfs/log"
    for command in (f"ls {r.path}", f"ls {closed.mnt}/closed",
                    f"cat {r.path}/state", f"ls {closed.mnt}/.uvrfs",
                    f"cat {closed.mnt}/.uvrfs/log", tree,
                    f"timeout 1 cat {closed.mnt}/.uvrfs/events",
                    f"cat {closed.mnt}/.uvrfs/by-state/replica/*/state"):
        assert is_denied(as_user(GUEST, command)), command
    assert as_user(OPERATOR, tree, [TEAM]).rc == 0
    assert is_denied(as_user(OPERATOR, f"cat {closed.mnt}/.uvrfs/audit"))
    assert is_denied(as_user(GUEST, f"ls {closed.state}"))
    assert as_user(GUEST, f"ls -A {closed.mnt}").out == ".uvrfs\nclosed\n"


def test_who_may_only_read_changes_nothing(shared):
    """Nor does he make others believe that something has changed."""
    r = shared.replica("readable", mode="asynchronous", ns="plain")
    # What its own birth has changed is told a moment later.
    watcher, since = Watcher().add(r.path).add(r / "plan"), time.monotonic()
    while time.monotonic() - since < 0.3 * FACTOR:
        if not all(event.path.endswith("/status.json")
                   for event in watcher.read(0.1)):
            since = time.monotonic()
    watcher.close()
    told = uvr.background(f"inotifywait -q -m -e modify,close_write,attrib,"
                          f"create,delete,move {r.path} {r.path}/plan")
    until(lambda: "inotify" in os.popen(
        f"cat /proc/$(pgrep -P {told.pid} inotifywait)/fdinfo/* 2>/dev/null"
    ).read(), "it watches")
    for how in ("echo x > mode", "echo x >> mode", "touch mode", "chmod 666 mode",
                "truncate -s 0 mode", ": > state", "touch .x", "rm mode",
                "mkdir .lock", "mv mode .y", "sed -i s/a/b/ mode",
                "touch -d yesterday state", f"mkdir {shared.mnt}/new",
                f"rmdir {r.path}", f"mkdir {shared.mnt}/plain/new",
                f"echo x > {shared.mnt}/.uvrfs/log"):
        done = as_user(GUEST, how, cwd=r.path)
        assert done.rc != 0, (how, done)
    told.terminate()
    # The time of the replica's data may go on meanwhile: they did not touch it.
    assert [line for line in told.communicate()[0].splitlines()
            if not line.endswith(" status.json")] == []
    assert r.read("mode") == "asynchronous\n" and not r.error
    assert f"plain/readable uid={GUEST}" not in get(shared / ".uvrfs/audit")


HOARD = """
import errno, os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (4000, 4000))
held = []
try:
    for i in range(3000):
        held.append(os.open(sys.argv[1], os.O_WRONLY))
        os.write(held[-1], b"x" * 250000)
    print(len(held), "nothing", flush=True)
except OSError as e:
    print(len(held), errno.errorcode[e.errno], flush=True)
sys.stdin.read()
"""


def memory(d):
    with open(f"/proc/{d.process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f
                    if line.startswith("VmRSS"))


def test_half_written_files_of_one_leave_room_for_others(shared):
    r = shared.replica("hoarded")
    before = memory(shared)
    hoarder = subprocess.Popen(
        ["setpriv", f"--reuid={DBA}", f"--regid={TEAM}", "--clear-groups",
         "/usr/bin/python3", "-c", HOARD, str(r / "spec.yaml")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        count, code = hoarder.stdout.readline().split()
        assert code == "EDQUOT" and 100 < int(count) < 1000
        # Sanitizers take more than what is allocated.
        assert memory(shared) - before < (300 << 10) * FACTOR
        for mode in ("synchronous", "asynchronous"):
            done = as_user(OPERATOR, f"echo {mode} > mode && cat mode", [TEAM],
                           cwd=r.path)
            assert done.out == mode + "\n", done
    finally:
        hoarder.kill()
        hoarder.communicate()
    done = as_user(DBA, "cat spec.yaml > .new && cat .new > spec.yaml && "
                   "rm .new && echo ok", cwd=r.path)
    assert done.out == "ok\n", done


def test_those_who_wait_poll_or_stand_still_are_in_nobodys_way(shared):
    r = shared.replica("crowded", mode="asynchronous")
    shared.faults(r.here, "slow 60000")
    assert r.ask("promoting") == 0
    crowd = [uvr.background(
        f"setpriv --reuid={GUEST} --regid={GUEST} --clear-groups bash -c "
        + shlex.quote(how), cwd=r.path) for how in (
            "for i in $(seq 200); do cat wait & done; wait",
            "for i in $(seq 100); do cat events >/dev/null & done; wait",
            "while :; do cat conditions plan/* status.json; done >/dev/null",
            "exec 3< state; kill -STOP $$")] + [uvr.background(
                f"setpriv --reuid={OPERATOR} --regid={TEAM} --clear-groups "
                "bash -c 'exec 3> spec.yaml; printf half >&3; kill -STOP $$'",
                cwd=r.path)]
    try:
        # timeout(1) makes a group of its own.
        groups = ",".join(str(process.pid) for process in crowd)
        until(lambda: len(sh(f"pgrep -x -g {groups} cat").out.split()) > 250,
              "they are there")
        done = as_user(DBA, "cat state mode && echo stop > hold && cat hold && "
                       "echo > hold", cwd=r.path)
        assert done.out == "promoting\nasynchronous\nstop\n", done
        other = shared.replica("elsewhere")
        other.go("promoting", "source")
    finally:
        for process in crowd:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        shared.faults(r.here)
