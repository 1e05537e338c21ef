# SPDX-License-Identifier: Apache-2.0
"""A disk that fails under the state directory, and files that it has torn."""
import errno
import os
import pathlib

import pytest

from keeper import Kept, other     # noqa: F401 pylint: disable=unused-import
from test_crash import no_act_is_done_twice
from uvr import (BINARY, PATIENT, call, get, libc, manifest, name_of, put, sh,
                 until)

HERE = pathlib.Path(__file__).resolve().parent
MS_REMOUNT_RO, MS_BIND = 0x20 | 0x1000 | 0x1, 0x1000


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("disk") / "fail_disk.so"
    done = sh("cc -shared -fPIC -O1 -Wall -Werror -D_GNU_SOURCE "
              f"-D_FILE_OFFSET_BITS=64 -I{HERE}/../unit -o {path} "
              f"{HERE}/fail_disk.c", seconds=60)
    assert done.rc == 0, done.err
    return path


class Disk:
    """The disk of one daemon, which does as it is told."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.order = daemon.base / "disk"

    def breaks(self, code, what="*", nth=1, where="*/replications/*"):
        new = self.order.with_suffix(".new")
        new.write_text(f"{code} {what} {nth} {where}\n")
        new.rename(self.order)

    def works(self):
        self.order.unlink()


def fail_by(monkeypatch, library, disk):
    """What is started now has that disk."""
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("UVRFS_FAIL_DISK", str(disk.order))
    monkeypatch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") +
                       ":verify_asan_link_order=0")


@pytest.fixture
def d(make, library, monkeypatch):
    """A daemon whose disk can fail, until it is started again."""
    daemon = make(config=PATIENT)
    daemon.disk = Disk(daemon)
    with monkeypatch.context() as m:
        fail_by(m, library, daemon.disk)
        daemon.start()
    return daemon


def all_is_refused(r, code):
    """Nothing can be written, and everything can be read, as it was."""
    d, before = r.daemon, r.picture()
    for name, text in (("state", "promoting"), ("mode", "asynchronous"),
                       ("schedule", "mode: continuous\nrpo: 8m"),
                       ("spec.yaml", manifest(r.name, schedule="mode: "
                                              "continuous, rpo: 9m")),
                       ("hold", "not now")):
        got = r.write(name, text)
        assert got == code, (name, name_of(got), r.error)
        assert os.strerror(code) in r.error, r.error
    assert call(os.mkdir, d / "other") == code
    # That one may have been done, for all that the directory's fsync says.
    assert call(os.rmdir, r.path) in (code, errno.EIO)
    assert sorted(os.listdir(d.mnt)) == [".uvrfs", "database"]
    assert r.picture() == before and r.read("hold") == ""
    return before


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EROFS,
                                  errno.EDQUOT], ids=errno.errorcode.get)
@pytest.mark.parametrize("what", ["*", "fsync", "renameat*"])
def test_a_failing_call(d, what, code):
    r = d.replica("r")
    d.disk.breaks(code, what)
    before = all_is_refused(r, code)
    d.disk.works()
    r.go("promoting")
    d.disk.breaks(code, what)
    assert r.ask("source") == code
    d.kill9().start()
    assert r.state == "promoting" and before[0] == "replica"
    r.done().go("source")
    no_act_is_done_twice(d)


def test_the_audit_finds_no_room(d):
    """Nobody is stopped by that, it is said, and no line is missing at last."""
    r = d.replica("r")
    d.disk.breaks(errno.ENOSPC, where="*/audit")
    r.go("promoting", "source")
    health = get(d / ".uvrfs/health")
    assert "the audit can't be written, " in health and "No space" in health
    waiting = [line for line in get(d / ".uvrfs/metrics").splitlines()
               if line.startswith("unified_replication_audit_lines_waiting ")]
    assert int(waiting[0].split()[1]) > 0, waiting
    kept = (d.state / "audit").read_text()
    assert "-> source" not in kept
    d.disk.works()
    until(lambda: get(d / ".uvrfs/health") == "ok\n" and "promoting -> source"
          in (d.state / "audit").read_text(), "they are written", 15)
    text = (d.state / "audit").read_text()
    assert text.startswith(kept) and "replica -> promoting" in text
    assert sh(f"{BINARY} --check-audit {d.state}").rc == 0


@pytest.mark.parametrize("nth", range(1, 31))
def test_it_breaks_in_the_middle(d, nth):
    """Of a promotion: wherever that is, nothing accepted is lost."""
    r = d.replica("r")
    acts = r.acts()
    d.disk.breaks(errno.EIO, nth=nth)
    code = r.ask("promoting")
    assert code in (0, errno.EIO)
    shown = r.state
    assert shown == ("replica" if code else "promoting")
    known = "can't be told" not in r.error
    # What was not stored is not acted on.
    assert code == 0 or r.acts() == acts
    d.kill9().start()
    assert r.state == shown or not known
    assert r.sync() == 0, r.explain()
    no_act_is_done_twice(d)
    r.go("promoting", "source")


def test_what_could_not_be_taken_back(d):
    """It is put right as soon as the disk works, and not by a restart."""
    r = d.replica("r")
    file = d.state / "replications/database/r.yaml"
    # Opened twice, written, synced and renamed; then the directory's fsync.
    d.disk.breaks(errno.EROFS, nth=6)
    assert r.write("hold", "not now") == errno.EIO
    assert "can't be told" in r.error
    assert "not now" in file.read_text() and r.read("hold") == ""
    d.disk.works()
    until(lambda: "not now" not in file.read_text(), "it is put back")
    d.kill9().start()
    assert r.read("hold") == "" and r.state == "replica"


def test_it_turns_read_only(make):
    """By a mount of its own, since it is never idle enough for the whole."""
    d = make()
    path = d.state / "replications"
    path.mkdir(parents=True)
    at = str(path).encode()
    assert libc.mount(at, at, b"none", MS_BIND, None) == 0
    try:
        r = d.start().replica("r")
        assert libc.mount(b"none", at, b"none", MS_REMOUNT_RO, None) == 0
        before = all_is_refused(r, errno.EROFS)
        assert libc.mount(b"none", at, b"none", MS_REMOUNT_RO & ~1, None) == 0
        assert r.picture() == before
        r.go("promoting")
        d.kill9().start()
        r.go("source")
        d.stop()
    finally:
        d.abort()
        libc.umount2(at, 2)


def torn(text):
    """What a bad disk makes of a file: by name."""
    yield "empty", b""
    for i in range(1, 12):
        yield f"cut{i}", text[:len(text) * i // 12]
    yield "end", text[:-2]
    for i in range(0, len(text) - 512, 512):
        yield f"zero{i}", text[:i] + bytes(512) + text[i + 512:]
        yield f"noise{i}", text[:i] + b"\xfe\x01%:" * 128 + text[i + 512:]


@pytest.mark.limit(120)
def test_torn_files(own):
    """Each is named and kept as it is, harms no other, and can be restored."""
    good = own.replica("good")
    folder = own.state / "replications/database"
    names = [name for name, _ in torn((folder / "good.yaml").read_bytes())]
    for name in names:
        own.mk("database", name, manifest(name))
    own.stop()
    whole = {name: (folder / f"{name}.yaml").read_bytes() for name in names}
    found = {name: dict(torn(whole[name])).get(name, b"") for name in names}
    for name in names:
        (folder / f"{name}.yaml").write_bytes(found[name])
    (folder / ".good.yaml.tmp").write_bytes(b"half of")
    (folder / "folder.yaml").mkdir()
    own.start()
    assert sorted(os.listdir(own / "database")) == ["good"]
    log = get(own / ".uvrfs/log")
    for name in names:
        assert f"/{name}.yaml was set aside" in log, name
        kept = folder / f"{name}.yaml.damaged"
        assert kept.read_bytes() == found[name], name
    assert "folder.yaml" in log and (folder / "folder.yaml").is_dir()
    assert not (folder / ".good.yaml.tmp").exists()
    good.go("promoting", "source")
    assert put(good / "hold", "on") == 0
    own.stop()
    for name in names:
        (folder / f"{name}.yaml.damaged").write_bytes(whole[name])
        (folder / f"{name}.yaml.damaged").rename(folder / f"{name}.yaml")
    own.start()
    for name in names:
        assert own.uvr("database", name).state == "replica"
    own.uvr("database", names[-1]).done().await_copy()
    assert good.state == "source" and good.read("hold") == "on\n"


@pytest.mark.parametrize("end", ["kill9", "leave"])
def test_a_takeover_needs_no_disk(library, monkeypatch, other, end):
    """Who had the tree open goes on reading, whatever can't be written."""
    daemon = Kept().start()
    try:
        if not daemon.store:
            pytest.skip("this kernel does not send requests again")
        disk, minor, r = Disk(daemon), daemon.minor, daemon.replica()
        fd = other("open", r / "state", os.O_RDONLY)
        sink = other("open", "/dev/null", os.O_WRONLY)
        getattr(daemon, end)()
        disk.breaks(errno.ENOSPC, "write", where="*uvrfs.yaml*")
        pid = daemon.state / "uvrfs.pid"
        pid.unlink(missing_ok=True)
        pid.mkdir()
        with monkeypatch.context() as m:
            fail_by(m, library, disk)
            daemon.start()
        assert daemon.minor == minor
        assert other("sendfile", sink, fd, 0, 20) == len("replica\n")
        assert call(os.mkdir, daemon / "more") == errno.ENOSPC
        assert "uvrfs.pid" in daemon.stderr()
        disk.works()
        assert call(os.mkdir, daemon / "more") == 0
        pid.rmdir()
    finally:
        daemon.destroy()


def refuses(daemon, sentence):
    with pytest.raises(RuntimeError) as e:
        daemon.start()
    assert sentence in str(e.value)


def test_a_first_start_on_a_full_disk(make):
    daemon = make()
    daemon.state.mkdir()
    done = sh(f"mount -t tmpfs -o size=4k none {daemon.state}")
    assert done.rc == 0, done
    try:
        filler = daemon.state / "filler"
        filler.write_bytes(bytes(4096))
        refuses(daemon, f"can't write {daemon.state}/store-id: No space left")
        assert os.listdir(daemon.state) == ["filler"]
    finally:
        sh(f"umount {daemon.state}")
    daemon.start()


def test_what_tells_the_store_can_not_be_read(make):
    daemon = make()
    (daemon.state / "store-id").mkdir(parents=True)
    refuses(daemon, f"can't read {daemon.state}/store-id: Is a directory")
