# SPDX-License-Identifier: Apache-2.0
"""What the tree holds, and how it reads."""
import errno
import os
import pathlib
import re
import shutil
import stat
import threading

import pytest

from uvr import WORDS, call, get, manifest, name_of, put, sh, until

WRITABLE = {"state", "endpoints", "mode", "schedule", "spec.yaml", "hold"}
LISTED = WRITABLE | {"conditions", "volumes", "status.json", "backend", "lag",
                     "progress", "error", "log", "history", "plan"}
DAEMON = {"help", "version", "site", "health", "summary", "log", "audit",
          "backends", "clusters", "by-state", "by-source"}
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


@pytest.fixture(scope="module")
def r(module_daemon):
    return module_daemon.replica("production-db", b"data\n")


def test_a_replication_lists_its_files(r):
    assert LISTED <= set(os.listdir(r.path))
    assert "wait" not in os.listdir(r.path)
    assert "events" not in os.listdir(r.path)
    assert stat.S_ISREG(os.stat(r / "wait").st_mode)


def test_the_daemon_lists_its_files(d, r):
    assert DAEMON <= set(os.listdir(d / ".uvrfs"))
    assert ".uvrfs" not in sh("ls", cwd=d.mnt).out
    assert sh("echo *", cwd=d.mnt).out.split() == ["database"]
    backend, = os.listdir(d / ".uvrfs/backends")
    for name in ("type", "available", "reason", "capabilities", "circuit"):
        assert get(d / ".uvrfs/backends" / backend / name).endswith("\n")
    clusters = os.listdir(d / ".uvrfs/clusters")
    assert {r.here, r.peer} <= set(clusters)
    for name in ("reachable", "reason", "version"):
        assert get(d / ".uvrfs/clusters" / r.here / name).endswith("\n")
    assert get(d / ".uvrfs/site").strip() == "here"
    assert get(d / ".uvrfs/backends" / backend / "type") == "sim\n"


def walk(top):
    for folder, _, files in os.walk(top):
        for name in files:
            yield os.path.join(folder, name)


def test_sizes_are_what_is_read(d, r):
    number = 0
    for path in walk(d.mnt):
        size = os.stat(path).st_size
        content = get(path).encode()
        if path.endswith("/.uvrfs/metrics"):
            assert size == 0    # made by who reads it
            continue
        if path.endswith(("/lag", "/log", "/audit")):
            continue        # time passes, and the audit grows
        assert len(content) == size, path
        assert content == b"" or content.endswith(b"\n"), path
        number += 1
    assert number > 30
    for command in ("wc -c", "head -c 100000", "sha256sum", "cmp state", "tac"):
        assert sh(f"{command} state", cwd=r.path).rc == 0, command
    copied = sh("tar cf - state spec.yaml conditions | tar tvf -", cwd=r.path)
    assert copied.rc == 0 and len(copied.out.splitlines()) == 3
    assert sh("cp -a . $(mktemp -d) && grep -r replica . >/dev/null",
              cwd=r.path).rc == 0


def test_private_mmap(r):
    code = ("import mmap, os; f = os.open('spec.yaml', os.O_RDONLY);"
            "m = mmap.mmap(f, 0, mmap.MAP_PRIVATE, mmap.PROT_READ);"
            "print(bytes(m) == os.read(f, 1 << 20))")
    done = sh(f'/usr/bin/python3 -c "{code}"', cwd=r.path)
    assert done.out == "True\n", done


def test_modes_and_owners(d, r):
    for name in os.listdir(r.path):
        st = os.stat(r / name)
        want = 0o755 if name == "plan" else 0o644 if name in WRITABLE else 0o444
        assert stat.S_IMODE(st.st_mode) == want, name
        assert (st.st_uid, st.st_gid) == (0, 0)
    assert stat.S_IMODE(os.stat(r.path).st_mode) == 0o755
    assert stat.S_IMODE(os.stat(d / ".uvrfs/audit").st_mode) == 0o640


def test_one_value_per_file(r):
    assert r.read("state") == "replica\n"
    assert r.read("mode") == "synchronous\n"
    assert r.read("hold") == "" and r.read("error") == ""
    assert re.fullmatch(r"(\d+|unknown)\n", r.read("lag"))
    assert re.fullmatch(r"(\d+|-)\n", r.read("progress"))
    assert "sim" in r.read("backend")
    assert "production-db-pvc" in r.read("volumes")
    assert "production-db-vol" in r.read("volumes")
    for line in r.read("conditions").splitlines():
        assert re.match(rf"[A-Z]\w+ +(True|False|Unknown) +[A-Z]\w+ +{TIME}",
                        line), line
    assert set(r.conditions) == {"Ready", "Synced", "Progressing", "Degraded",
                                 "Drifted"}
    assert "replicationState: replica" in r.read("spec.yaml")
    for name in ("log", "history"):
        assert re.match(TIME, r.read(name)), name


def test_help_is_one_screen_and_names_everything(d):
    text = get(d / ".uvrfs/help")
    assert len(text.splitlines()) <= 40
    assert max(map(len, text.splitlines())) <= 80
    for word in [*LISTED, *WORDS, "EPERM", "EBUSY", "sync", "wait"]:
        assert word in text, word


def timeless(status):
    return re.sub(r'"(dataTime|updated|resourceVersion)": "[^"]*"', "", status)


def test_mtime_moves_only_with_the_text(d, r):
    names = [n for n in os.listdir(r.path) if n not in ("plan", "lag", "log")]
    before = {n: (os.stat(r / n).st_mtime_ns, r.read(n)) for n in names}
    r.ask("source")                 # is refused
    assert put(r / "mode", "synchronous") == 0      # is there already
    for name in set(names) - {"error"}:
        mtime, text = os.stat(r / name).st_mtime_ns, r.read(name)
        if name == "status.json" and text != before[name][1]:
            # The time of the replica's data has gone on meanwhile.
            assert timeless(text) == timeless(before[name][1])
        else:
            assert (mtime, text) == before[name], name
    old = before["schedule"][0]
    assert put(r / "schedule", "mode: continuous\nrpo: 7m\n") == 0
    assert os.stat(r / "schedule").st_mtime_ns > old
    assert os.stat(r / "state").st_mtime_ns == before["state"][0]


def test_views_are_links_that_lead_there(d, r):
    views = d / ".uvrfs"
    for view in (f"by-state/{r.state}", f"by-source/{r.peer}",
                 "by-source/there"):
        link = views / view / "database:production-db"
        assert os.path.islink(link), view
        assert os.path.samefile(link, r.path), view
        assert get(link / "state") == "replica\n"
    assert set(os.listdir(views / "by-state")) == set(WORDS)
    assert not os.path.lexists(views / "by-state/source/database:production-db")
    out = sh("grep -L ^allowed .uvrfs/by-source/there/*/plan/promoting",
             cwd=d.mnt)
    assert "production-db" not in out.out


def test_views_follow_the_state(d):
    r = d.replica()
    link = f"database:{r.name}"
    r.go("promoting")
    assert link in os.listdir(d / ".uvrfs/by-state/promoting")
    assert link not in os.listdir(d / ".uvrfs/by-state/replica")
    r.go("source", "swap")
    assert link in os.listdir(d / ".uvrfs/by-state/source")
    assert link in os.listdir(d / ".uvrfs/by-source" / r.here)
    assert link in os.listdir(d / ".uvrfs/by-source/here")
    # Others look at the journal of all: nothing follows later.
    r.await_cond("Degraded", "False")


@pytest.mark.parametrize("state, words", [
    ("replica", {"promoting", "syncing"}),
    ("promoting", {"source", "replica"})])
def test_plan_has_a_file_for_each_word_that_may_be_written(d, state, words):
    r = d.replica()
    if state != "replica":
        r.go(state)
    offered = set(os.listdir(r / "plan"))
    assert words <= offered and offered <= words | {"remove"}
    before, journal = r.picture(), d.journal()
    for word in offered:
        assert re.match(r"allowed$|needs force: .|not now: .",
                        r.plan(word).splitlines()[0]), r.plan(word)
    assert r.picture() == before and d.journal() == journal


def test_plan_of_a_planned_failover_names_the_calls_in_order(d, r):
    plan = r.plan("promoting")
    assert plan.index("demote-peer") < plan.rindex("promote")
    assert re.search(r"^cost: none$", plan, re.M)
    assert "planned" in plan and "unplanned" not in plan


def test_a_draft_has_spec_and_error_only(d, r):
    path = d / "database" / "draft"
    os.mkdir(path)
    assert set(os.listdir(path)) == {"spec.yaml", "error"}
    assert get(path / "spec.yaml") == "" and get(path / "error") == ""
    assert put(path / "spec.yaml", "kind: Nonsense\n") == errno.EINVAL
    assert "kind" in get(path / "error")
    assert set(os.listdir(path)) == {"spec.yaml", "error"}
    os.rmdir(path)
    assert not path.exists()


def test_mkdir_and_rmdir_of_what_may_not_be(d, r):
    for path, code in {"database": errno.EEXIST,
                       "database/production-db": errno.EEXIST,
                       ".hidden": errno.EINVAL, "Upper": errno.EINVAL,
                       "under_score": errno.EINVAL, "-dash": errno.EINVAL,
                       "x" * 64: errno.EINVAL,
                       "x" * 300: errno.ENAMETOOLONG,
                       "database/Upper": errno.EINVAL,
                       "database/.draft": errno.EINVAL,
                       "nowhere/x": errno.ENOENT}.items():
        assert name_of(call(os.mkdir, d / path)) == name_of(code), path[:20]
    for path, code in {"database": errno.ENOTEMPTY,
                       "nowhere": errno.ENOENT,
                       "database/nobody": errno.ENOENT,
                       "database/production-db/state": errno.ENOTDIR}.items():
        assert name_of(call(os.rmdir, d / path)) == name_of(code), path
    for path in (".uvrfs", ".uvrfs/by-state", "database/production-db/plan",
                 ".uvrfs/clusters"):
        assert call(os.rmdir, d / path) in (
            errno.EPERM, errno.EACCES, errno.ENOTEMPTY, errno.EBUSY,
            errno.ENOTSUP), path
    os.mkdir(d / "empty")
    os.rmdir(d / "empty")
    assert not (d / "empty").exists()


def test_names_that_are_not_there(d, r):
    # A typo is told apart from a name that could be a scratch file.
    assert put(r / "staet", "promoting", os.O_WRONLY | os.O_CREAT) \
        == errno.EINVAL
    assert "staet" in r.error and "state" in r.error
    assert call(os.open, r / "staet", os.O_RDONLY) == errno.ENOENT
    for path in ("nobody", "database/nobody/state", "database/production-db/x",
                 ".uvrfs/x", "database/production-db/plan/demoting",
                 "database/production-db/plan/nonsense"):
        assert call(os.stat, d / path) == errno.ENOENT, path
    assert put(r / "lag", "0") in (errno.EACCES, errno.EPERM)
    assert r.state == "replica"


def test_metadata_calls_change_nothing(r):
    before = r.picture()
    state = r / "state"
    for function, *args in ((os.chmod, 0o777), (os.chown, 1, 1),
                            (os.truncate, 0), (os.utime, (1, 1))):
        assert call(function, state, *args) == 0, function
    assert stat.S_IMODE(os.stat(state).st_mode) == 0o644
    assert os.stat(state).st_uid == 0 and os.stat(state).st_mtime > 1
    assert call(os.setxattr, state, "user.x", b"1") == errno.ENOTSUP
    assert r.picture() == before


def test_rm_destroys_nothing(d):
    r = d.replica()
    d.replica(r.name + "b")
    before = r.picture()
    assert sh(f"rm -rf {r.path}").rc != 0
    assert sh(f"rm -rf {d.mnt}/*", seconds=30).rc != 0
    assert sh(f"rm -rf {d.mnt}", seconds=30).rc != 0
    sh(f"find {r.path} -delete; find {d.mnt} -type f -delete")
    shutil.rmtree(r.path, ignore_errors=True)
    shutil.rmtree(d.mnt, ignore_errors=True)
    sh(f"rm {r.path}/state")
    for name in os.listdir(r.path):
        call(os.unlink, r / name)
    until(lambda: (r / "state").exists(), "an unlink is forgotten", 5)
    assert r.picture() == before
    assert LISTED <= set(os.listdir(r.path))
    until((d / "database" / (r.name + "b") / "state").exists,
          "an unlink is forgotten", 5)


def test_a_new_name_is_seen_at_once(d, r):
    path = d / "database" / d.new_name()
    for _ in range(3):
        assert not path.exists()
        os.mkdir(path)
        assert path.exists() and path.name in os.listdir(path.parent)
        os.rmdir(path)
        assert path.name not in os.listdir(path.parent)


def listed_anew(fd):
    """Of a directory that stays open, from its beginning: os.listdir gives
    the descriptor of its own back at its start."""
    return set(os.listdir(fd))


def test_an_open_directory_begins_anew_with_what_is_there(d, r):
    """The kernel keeps listings, as long as they are so."""
    for parent, name, make, remove in (
            (d / "database", d.new_name(), os.mkdir, os.rmdir),
            (r.path, ".scratch", pathlib.Path.touch, os.unlink)):
        fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY)
        before = listed_anew(fd)
        for _ in range(3):
            assert listed_anew(fd) == before == set(os.listdir(parent))
            make(parent / name)
            assert listed_anew(fd) == before | {name}
            assert set(os.listdir(parent)) == before | {name}
            remove(parent / name)
        os.close(fd)


def test_a_draft_that_gets_a_manifest_is_listed_whole(d, r):
    path = d / "database" / d.new_name()
    os.mkdir(path)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    assert listed_anew(fd) == {"spec.yaml", "error"}
    assert put(path / "spec.yaml", manifest(path.name)) == 0
    assert listed_anew(fd) == LISTED == set(os.listdir(path))
    os.close(fd)


def test_a_namespace_changes_the_root(d):
    before = os.stat(d.mnt).st_mtime_ns
    name = d.new_name("ns")
    os.mkdir(d / name)
    between = os.stat(d.mnt).st_mtime_ns
    assert between > before and name in os.listdir(d.mnt)
    os.rmdir(d / name)
    assert os.stat(d.mnt).st_mtime_ns >= between
    assert name not in os.listdir(d.mnt)


def test_tail_follows_the_log(d):
    r = d.replica()
    before = r.read("log")
    r.go("promoting")
    assert r.read("log").startswith(before) and "promoting" in r.read("log")
    assert r.name in get(d / ".uvrfs/log")
    assert "promoting" in get(d / ".uvrfs/audit")


@pytest.mark.limit(120)
def test_no_read_is_torn_or_empty_while_it_changes(d):
    r = d.replica()
    seen, wrong, over = set(), [], threading.Event()

    def read_on(fd):
        while not over.is_set():
            for text in (os.pread(fd, 4096, 0), get(r / "mode").encode()):
                seen.add(text)
                if text not in (b"synchronous\n", b"asynchronous\n"):
                    wrong.append(text)
    fd = os.open(r / "mode", os.O_RDONLY)
    readers = [threading.Thread(target=read_on, args=(fd,)) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        for i in range(2000):
            word = ("asynchronous", "synchronous")[i % 2]
            assert put(r / "mode", word + "\n") == 0
            if i % 100 == 0:
                assert r.read("mode") == word + "\n"
    finally:
        over.set()
        for reader in readers:
            reader.join()
        os.close(fd)
    assert not wrong, wrong[:5]
    assert len(seen) == 2


def test_an_open_file_is_a_snapshot_that_reading_anew_renews(d):
    r = d.replica(mode="asynchronous")
    with open(r / "mode", "rb", buffering=0) as f:
        assert f.read(5) == b"async"
        assert put(r / "mode", "synchronous") == 0
        assert f.read() == b"hronous\n"
        f.seek(0)
        assert f.read() == b"synchronous\n"


def test_manifest_of_another_name_is_refused(d, r):
    path = d / "database" / "mine"
    os.mkdir(path)
    assert put(path / "spec.yaml", manifest("other")) == errno.EINVAL
    assert "other" in get(path / "error")
    os.rmdir(path)
