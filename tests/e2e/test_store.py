# SPDX-License-Identifier: Apache-2.0
"""The state directory, the process, and what is refused at the start."""
import errno
import os
import signal
import subprocess

import pytest

from uvr import (BINARY, CONFIG, FACTOR, KUBECONFIG, WRAPPER, call, get,
                 is_dead, libc, manifest, name_of, put, sh, until)


def refused(daemon):
    """The sentence with which a daemon does not start."""
    with pytest.raises(RuntimeError) as caught:
        daemon.start()
    assert daemon.process.returncode == 1
    assert daemon._minor() is None
    return str(caught.value)


def files_of(d):
    return sorted(p for p in (d.state / "replications").rglob("*.yaml"))


def test_a_second_daemon_on_a_state_directory_is_refused(own, make):
    r = own.replica("r")
    other = make()
    other.state = own.state
    assert str(own.state) in refused(other)
    r.go("promoting", "source")
    own.stop()
    other.start()
    assert (other / "database/r/state").read_text() == "source\n"


def test_a_live_mountpoint_is_refused_and_a_dead_one_detached(own, make):
    other = make()
    real, other.mnt = other.mnt, own.mnt
    with pytest.raises(RuntimeError) as caught:
        other.start()
    assert str(own.mnt) in str(caught.value)
    assert own.replica("r").state == "replica"
    other.mnt = real
    own.kill9()
    assert is_dead(own.mnt)
    own.start()
    assert get(own / "database/r/state") == "replica\n"
    own.stop()


def test_a_damaged_file_is_set_aside_and_named(own):
    good, bad = own.replica("good"), own.replica("bad")
    own.stop()
    path, = [p for p in files_of(own) if p.name == "bad.yaml"]
    text = path.read_bytes()
    path.write_bytes(text[:len(text) // 2] + b"\0\0\n: : {")
    own.start()
    assert good.state == "replica"
    good.await_cond("Ready", "True")
    assert not bad.path.exists()
    said = own.stderr() + get(own / ".uvrfs/log")
    assert "bad" in said and "aside" in said
    kept = [p for p in path.parent.iterdir() if p.read_bytes().startswith(
        text[:len(text) // 2]) and p.name != "bad.yaml"]
    assert kept, list(path.parent.iterdir())
    # Mended by hand and put back, it is there again.
    own.stop()
    path.write_bytes(text)
    own.start()
    assert bad.state == "replica"
    bad.go("promoting")


@pytest.mark.parametrize("damage", [b"", b"\n", b"[]\n", b"\xff" * 100])
def test_other_damage_harms_nobody_else(own, damage):
    good, _ = own.replica("good"), own.replica("bad")
    own.stop()
    path, = [p for p in files_of(own) if p.name == "bad.yaml"]
    path.write_bytes(damage)
    own.start()
    good.go("promoting", "source")
    assert "bad" in own.stderr() + get(own / ".uvrfs/log")


def test_a_hand_edit_while_stopped(own):
    r = own.replica("r", schedule="mode: continuous, rpo: 5m")
    own.stop()
    path, = files_of(own)
    assert "rpo: 5m" in path.read_text()
    path.write_text(path.read_text().replace("rpo: 5m", "rpo: 6m"))
    own.start()
    assert "6m" in r.read("schedule") and r.state == "replica"
    r.go("promoting")


def test_a_hand_edit_of_the_state_promotes_nothing(own):
    r = own.replica("r")
    journal = own.journal()
    own.stop()
    path, = files_of(own)
    text = path.read_text()
    assert "replicationState: replica" in text
    path.write_text(text.replace("replicationState: replica",
                                 "replicationState: source"))
    own.start()
    until(lambda: r.seen("here")["reach"], "it has looked")
    assert own.journal() == journal
    assert not os.stat(r.here_volume).st_mode & 0o200
    assert r.ready.status != "True" or r.state == "replica"


def test_a_restored_backup_acts_on_nothing(own):
    """It still says `replica`; the storage has become the source since."""
    r = own.replica("r")
    path, = files_of(own)
    backup = path.read_bytes()
    r.go("promoting", "source")
    journal = own.journal()
    own.stop()
    path.write_bytes(backup)
    own.start()
    r.await_cond("Drifted", "True")
    assert r.state == "replica" and r.ready.status == "False"
    assert own.journal() == journal


def test_another_site_is_refused(own):
    own.replica("r")
    own.stop()
    own.config.write_text(CONFIG.replace("site: here", "site: there"))
    assert "here" in refused(own) and "there" in own.stderr()
    own.config.write_text(CONFIG)
    own.start()


def test_a_full_disk(make):
    d = make()
    d.state.mkdir()
    assert libc.mount(b"none", str(d.state).encode(), b"tmpfs", 0,
                      b"size=2m") == 0
    try:
        fill_and_use(d.start())
        d.stop()
    finally:
        d.abort()
        libc.umount2(str(d.state).encode(), 2)


def fill_and_use(d):
    r = d.replica("r")
    before = r.picture()
    sh(f"dd if=/dev/zero of={d.state}/full bs=4k 2>/dev/null")
    sh(f"dd if=/dev/zero of={d.state}/full2 bs=1 count=4096 2>/dev/null")
    big = manifest("r", schedule="mode: continuous, rpo: 9m") + "#" * 9000
    for name, text in (("state", "promoting"), ("mode", "asynchronous"),
                       ("schedule", "mode: continuous\nrpo: 8m"),
                       ("spec.yaml", big), ("hold", "full")):
        code = r.write(name, text)
        assert name_of(code) == "ENOSPC", (name, name_of(code), r.error)
        assert "space" in r.error
    assert name_of(call(os.mkdir, d / "other")) == "ENOSPC"
    assert r.picture() == before and r.read("hold") == ""
    assert r.conditions["Progressing"].status == "False"
    d.kill9().start()
    assert r.picture() == before
    os.unlink(d.state / "full")
    os.unlink(d.state / "full2")
    r.go("promoting", "source")


def test_a_read_only_mount(own):
    r = own.replica("r")
    own.stop()
    own.options = ["-o", "ro"]
    own.start()
    assert r.state == "replica"
    for name, text in (("state", "promoting"), ("mode", "asynchronous"),
                       ("spec.yaml", manifest("r")), ("hold", "x")):
        assert name_of(r.write(name, text)) == "EROFS", name
    assert name_of(call(os.mkdir, own / "other")) == "EROFS"
    assert name_of(call(os.rmdir, r.path)) == "EROFS"
    assert "Read-only file system" in sh("echo promoting > state",
                                         cwd=r.path).err
    # The daemon's answer, not the superblock's, so that watching works.
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        line, = [x for x in f if f" {own.mnt} " in x]
    assert ",ro" not in line.split(" - ")[1].split()[2].split(",")
    assert r.state == "replica" and r.sync() == 0


# ---- the process ----

def test_foreground_returns_when_the_mount_is_usable(make):
    d = make()
    done = subprocess.run(d.command(), timeout=30 * FACTOR, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    pid = int((d.state / "uvrfs.pid").read_text())
    try:
        assert done.returncode == 0, done
        assert os.listdir(d / ".uvrfs")
        d.replica("r")
        again = subprocess.run(d.command(), timeout=30 * FACTOR, text=True,
                               stdin=subprocess.DEVNULL, capture_output=True,
                               check=False)
        assert again.returncode == 1 and str(d.mnt) in again.stderr
        assert get(d / "database/r/state") == "replica\n"
    finally:
        os.kill(pid, signal.SIGTERM)
        until(lambda: not os.path.exists(f"/proc/{pid}") or
              get(f"/proc/{pid}/stat").split(")")[1].split()[0] == "Z",
              "it ends")
    assert d._minor() is None
    assert not (d.state / "uvrfs.pid").exists()


@pytest.mark.parametrize("how", ["fusermount3 -u", "umount"])
def test_unmounted_from_outside_it_ends(own, how):
    own.replica("r")
    # It is busy while a change is being told.
    until(lambda: sh(f"{how} {own.mnt}").rc == 0, how)
    assert own.process.wait(20 * FACTOR) == 0


def test_it_ends_though_somebody_stands_in_it(own):
    r = own.replica("r")
    standing = subprocess.Popen(["tail", "-f", "/dev/null"], cwd=r.path)
    try:
        own.stop()
    finally:
        standing.kill()
        standing.wait()


def test_without_the_device(tmp_path):
    """In mounts of its own, where nothing is in /dev."""
    (tmp_path / "uvrfs.yaml").write_text(CONFIG)
    (tmp_path / "mnt").mkdir()
    done = sh("unshare --mount bash -c 'mount -t tmpfs none /dev && "
              f"exec {BINARY} -c {tmp_path}/uvrfs.yaml --state-dir {tmp_path}/s "
              f"--await-mount {tmp_path}/mnt'")
    assert done.rc == 1 and "modprobe fuse" in done.err, done


def check_config(tmp_path, text):
    path = tmp_path / "uvrfs.yaml"
    path.write_text(text)
    return subprocess.run([*WRAPPER, BINARY, "-c", str(path),
                           "--check-config"], capture_output=True, text=True,
                          timeout=30 * FACTOR, check=False)


def test_check_config(tmp_path):
    done = check_config(tmp_path, CONFIG)
    assert done.returncode == 0 and done.stdout == "ok\n"
    done = check_config(tmp_path, CONFIG + "sight: x\nfailover:\n"
                        "  peerUnreachable: maybe\n")
    assert done.returncode == 1
    for word in ("sight", "line 3", "peerUnreachable", "line 5", "maybe"):
        assert word in done.stderr, (word, done.stderr)


def test_check_config_reads_what_it_names(tmp_path):
    """Without asking anybody; each cluster has its line."""
    text = CONFIG + "clusters:\n"
    for name in "good", "gone", "open", "wrong":
        (tmp_path / name).write_text(KUBECONFIG)
        (tmp_path / name).chmod(0o600)
        text += f"  {name}-k: {{kubeconfig: {tmp_path}/{name}}}\n"
        text += (f"  {name}-c: {{ceph: {{conf: {tmp_path}/good, "
                 f"keyring: {tmp_path}/{name}}}}}\n")
    done = check_config(tmp_path, text)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")
    (tmp_path / "gone").unlink()
    (tmp_path / "open").chmod(0o644)
    (tmp_path / "wrong").write_text("current-context: other\n")
    done = check_config(tmp_path, text)
    assert done.returncode == 1 and done.stdout == ""
    said = [line.split(": ", 2)[1:] for line in done.stderr.splitlines()]
    assert [name for name, _ in said] == [
        f"cluster {each}" for each in ("gone-k", "gone-c", "open-k", "open-c",
                                       "wrong-k")]
    for (_, sentence), word in zip(said, ("no kubeconfig", "No such file",
                                          "chmod 0600", "chmod 0600", "other")):
        assert word in sentence, (word, sentence)


def test_sighup_reads_the_configuration_again(own):
    r = own.replica("r")
    own.lose(r.peer)
    assert r.verdict("promoting") == "allowed"
    own.config.write_text(CONFIG + "failover: {peerUnreachable: force}\n")
    own.process.send_signal(signal.SIGHUP)
    until(lambda: r.verdict("promoting") == "needs force", "it is read")
    own.config.write_text("nonsense: true\n")
    own.process.send_signal(signal.SIGHUP)
    until(lambda: "nonsense" in own.stderr(), "it is refused")
    assert r.verdict("promoting") == "needs force"


def test_the_state_directory_may_not_be_in_the_mount(make):
    d = make()
    d.state = d.mnt / "state"
    assert "state" in refused(d)


def test_site_by_cluster_and_a_default_site(make):
    d = make(config="")
    r = d.start().replica("r")
    assert r.here == "dr-r"
    d = make(config="site: prod-x\n")
    r = d.start().mk("database", "x", manifest("x", state="source")).done()
    assert r.here == "prod-x" and r.state == "source"
    assert call(os.mkdir, d / "database/y") == 0
    assert put(d / "database/y/spec.yaml", manifest("y")) in (errno.EINVAL,
                                                              errno.EPERM)


def test_a_birth_is_judged_from_its_own_side(make, tmp_path):
    """Another daemon has set it up, at the other site; we are the source's."""
    config = ("backends: {lab: {type: sim, path: %s}}\n"
              "select: [{storageClass: '*', backend: lab}]\nsite: %s\n")
    there = make(config=config % (tmp_path, "dr-x")).start()
    there.mk("database", "x", manifest("x")).done()
    here = make(config=config % (tmp_path, "prod-x")).start()
    # Once it knows anything of the storage it knows all that is there.
    here.mk("database", "other", manifest("other", state="source").replace(
        "prod-other", "prod-x").replace("dr-other", "dr-x")).done()
    r = here.uvr("database", "x")
    assert call(os.mkdir, r.path) == 0
    assert put(r / "spec.yaml", manifest("x")) == errno.EPERM
    assert "prod-x is source, not replica" in r.error
    assert put(r / "spec.yaml", manifest("x", state="source")) == 0
    r.done()
    assert r.state == "source" and r.here == "prod-x"
    # And a daemon that finds both at its start.
    here.restart()
    r.await_cond("Ready", "True")


def test_no_backend_is_a_reason(make):
    d = make(config=CONFIG + "backends: {lab: {type: sim}}\n"
             "select: [{storageClass: 'ceph-*', backend: lab}]\n").start()
    r = d.mk("database", "r", manifest("r"))
    assert r.ready.status == "False" and r.ready.reason == "NoBackend"
    assert r.read("backend").startswith("none")
    assert r.ask("promoting") == errno.EBUSY and r.error
