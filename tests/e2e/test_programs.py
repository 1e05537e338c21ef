# SPDX-License-Identifier: Apache-2.0
"""Every program that people write and read files with; docs/programs.md."""
import json
import mmap
import os
import re
import signal
import subprocess

import pytest

import outcomes
from outcomes import cell
from programs import PATH, READERS, WRITERS
from uvr import FACTOR, ROOT, background, get, manifest, put, sh, until

HERE = os.path.dirname(os.path.abspath(__file__))
OLD = {"state": "^.*", "spec.yaml": "^  schedule:.*"}
SCHEDULE = "  schedule: {mode: %s, rpo: %s}"
ERRNO = {"EPERM": "Operation not permitted", "EINVAL": "Invalid argument"}


def spec_text(r, line):
    """A manifest as robots keep it: with comments, and a block of theirs."""
    text = manifest(r.name, r.ns)
    return (text[:text.index("  schedule:")] +
            "# BEGIN ANSIBLE MANAGED BLOCK\n" + line +
            "\n# END ANSIBLE MANAGED BLOCK\n")


def run(r, writer, name, line, home):
    """Runs a writer that is to make the line of state or spec.yaml that."""
    text = line + "\n" if name == "state" else spec_text(r, line)
    work = home / "work"
    work.mkdir(exist_ok=True)
    (home / "new").write_text(text)
    done = sh(writer.command, cwd=r.path, seconds=40, env={
        "PATH": PATH, "HOME": str(home), "LC_ALL": "C.UTF-8", "F": name,
        "V": text[:-1], "NEW": str(home / "new"), "W": str(work),
        "OLD": OLD[name], "LINE": line, "ANSIBLE_LOCALHOST_WARNING": "0"})
    assert done.rc != 124, f"it hangs: {done}"
    return done


def listing(path):
    return sorted(os.listdir(path))


def the(name, programs=tuple(READERS)):
    """The reader of that name; the test is skipped when it is not here."""
    found = next(p for p in programs if p.name == name)
    if not found.is_here():
        pytest.skip(f"{found.program} is not installed")
    return found


@pytest.fixture(params=WRITERS, ids=[w.name for w in WRITERS])
def writer(request):
    return the(request.param.name, WRITERS)


@pytest.fixture(scope="module")
def steady(module_daemon):
    """Its `state` is not changed: refusals and manifests only."""
    return module_daemon.replica("steady")


@pytest.fixture
def r(steady):
    """Known bytes in spec.yaml, nothing in error."""
    assert put(steady / "spec.yaml",
               spec_text(steady, SCHEDULE % ("continuous", "5m"))) == 0
    assert steady.error == ""
    return steady


def refused(r, writer, name, line, home):
    """Runs it to be refused: the result, and the sentence."""
    before, there = r.picture(), listing(r.path)
    done = run(r, writer, name, line, home)
    assert r.picture() == before, done
    assert listing(r.path) == there, done
    lines = r.error.splitlines()
    assert len(lines) == 1, (lines, done)
    assert re.match(r"\d{4}-\S+Z uid=0\S*: .", lines[0]), lines
    return done, lines[0]


def told(writer, name, done, errno):
    """What it told: `exit N` or `silent`."""
    errno = writer.never.get(name, errno)
    if name in writer.silent:
        return "silent" if done.rc == 0 else f"exit {done.rc}"
    says = dict(zip(OLD, writer.says)).get(name, ERRNO[errno])
    assert done.rc != 0 and says in done.out + done.err, done
    return f"exit {done.rc}"


def is_never_taken(r, writer, name, line, home):
    done, _ = refused(r, writer, name, line, home)
    told(writer, name, done, None)


def test_writes_a_word(d, writer, tmp_path):
    with cell(writer, "`state`") as note:
        r = d.replica()
        there = listing(r.path)
        if "state" in writer.never:
            is_never_taken(r, writer, "state", "promoting", tmp_path)
            note("never")
            return
        done = run(r, writer, "state", "promoting", tmp_path)
        assert done.rc == 0, (done, r.error)
        assert r.state == "promoting" and r.error == "", done
        assert listing(r.path) == there
        assert not writer.again or "CHANGED" in done.out, done
        r.done()
        assert r.acts().count("promote") == 1
        journal = r.journal()
    with cell(writer, "run again") as note:
        # The value is there already: nothing happens, and robots say so.
        done = run(r, writer, "state", "promoting", tmp_path)
        assert done.rc == 0, (done, r.error)
        assert r.state == "promoting" and r.journal() == journal
        assert r.read("history").count("-> promoting") == 1
        if writer.again:
            assert "SUCCESS" in done.out and "CHANGED" not in done.out, done
        note("no change" if writer.again else "no effect")


def test_writes_a_manifest(r, writer, tmp_path):
    line = SCHEDULE % ("continuous", "7m")
    with cell(writer, "`spec.yaml`") as note:
        if "spec.yaml" in writer.never:
            is_never_taken(r, writer, "spec.yaml", line, tmp_path)
            note("never")
            return
        there = listing(r.path)
        done = run(r, writer, "spec.yaml", line, tmp_path)
        assert done.rc == 0 and r.error == "", (done, r.error)
        assert r.read("spec.yaml").rstrip("\n") + "\n" == spec_text(r, line)
        assert "7m" in r.read("schedule")
        assert listing(r.path) == there
    if writer.again:
        with cell(writer, "run again") as note:
            version = r.version
            assert "CHANGED" in done.out, done
            done = run(r, writer, "spec.yaml", line, tmp_path)
            assert done.rc == 0, (done, r.error)
            assert "SUCCESS" in done.out and "CHANGED" not in done.out, done
            assert r.version == version
            note("no change")


def test_is_refused_a_word(r, writer, tmp_path):
    """source is a word, but not one that may be written to a replica."""
    with cell(writer, "refused") as note:
        done, sentence = refused(r, writer, "state", "source", tmp_path)
        note(told(writer, "state", done, "EPERM"))
        for word in ("source", "replica", "promoting", "syncing",
                     "not about rights"):
            assert word in sentence or "state" in writer.never


def test_is_refused_a_manifest(r, writer, tmp_path):
    with cell(writer, "refused there") as note:
        done, sentence = refused(r, writer, "spec.yaml",
                                 SCHEDULE % ("sometimes", "7m"), tmp_path)
        note(told(writer, "spec.yaml", done, "EINVAL"))
        assert ("schedule" in sentence and "sometimes" in sentence or
                "spec.yaml" in writer.never)


# ---- what writers do that is no row of the table ----

@pytest.mark.parametrize("command", ["wq", "w!"])
def test_vim_edits_what_is_large(r, command):
    """It writes 8 KiB at a time."""
    the("vim :wq", WRITERS)
    there = listing(r.path)
    text = (spec_text(r, SCHEDULE % ("continuous", "5m")) +
            "".join(f"# line {i} of a long story\n" for i in range(800)))
    assert len(text) > 2 * 8192 and put(r / "spec.yaml", text) == 0, r.error
    done = sh(f"vim -u NONE -es -c '%s/rpo: 5m/rpo: 8m/' -c '{command}' -c q! "
              "spec.yaml", cwd=r.path, env={"PATH": PATH})
    assert done.rc == 0, (done, r.error)
    assert r.read("spec.yaml") == text.replace("rpo: 5m", "rpo: 8m")
    assert listing(r.path) == there
    done = sh(f"vim -u NONE -es -c '%s/rpo: 8m/rpo: soon/' -c '{command}' "
              "-c q! spec.yaml", cwd=r.path, env={"PATH": PATH})
    assert "soon" in r.error, done
    assert r.read("spec.yaml") == text.replace("rpo: 5m", "rpo: 8m")
    assert listing(r.path) == there


def test_a_shell_writes_many_lines(r):
    """One descriptor, many writes: a manifest is taken whole."""
    text = spec_text(r, SCHEDULE % ("continuous", "9m"))
    done = sh("{ while IFS= read -r l; do echo \"$l\"; done <<< \"$V\"; } "
              "> spec.yaml", cwd=r.path, env={"V": text[:-1]})
    assert done.rc == 0 and r.read("spec.yaml") == text, (done, r.error)


KILLED = {
    "in place": "o = open('spec.yaml', 'wb', 0)",
    "appending": "o = open('spec.yaml', 'ab', 0)",
    "before it renames": "o = open('.spec.yaml.new', 'wb', 0)"}


@pytest.mark.parametrize("where", KILLED)
def test_a_writer_killed_in_the_middle(r, where):
    before = r.picture()
    half = spec_text(r, SCHEDULE % ("continuous", "6m"))[:-60]
    code = (f"import os, signal\n{KILLED[where]}\no.write({half.encode()!r})\n"
            "os.kill(os.getpid(), signal.SIGKILL)")
    done = subprocess.run(["/usr/bin/python3", "-c", code], cwd=r.path,
                          timeout=20 * FACTOR, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done
    assert r.picture() == before
    if where == "before it renames":
        # It is no part of the replication, and whoever finds it removes it.
        os.unlink(r / ".spec.yaml.new")
    assert not [n for n in listing(r.path) if n.startswith(".")]


def test_a_writer_killed_before_it_writes(r):
    """Truncation alone is no request."""
    before = r.picture()
    done = sh("exec 3> state 4> spec.yaml; kill -9 $$", cwd=r.path)
    assert done.rc in (137, -9), done
    assert r.picture() == before and r.error == ""


def test_only_one_holds_the_lock(r, tmp_path):
    reader = the("flock, one at a time")
    with cell(reader, "reads"):
        count = tmp_path / "count"
        count.write_text("0\n")
        more = "n=$(cat %s); sleep 0.02; echo $((n + 1)) > %s" % (count, count)
        done = sh(f"for i in 1 2 3 4 5 6; do flock state bash -c '{more}' & "
                  "done; wait", cwd=r.path)
        assert done.rc == 0 and get(count) == "6\n", done


MODES = ("synchronous", "asynchronous")
AT_ONCE = [
    "echo {0} > mode", "printf {1} | tee mode > /dev/null",
    "sed -i 's/.*/{0}/' mode", "cp -a $W/{1} mode", "install $W/{0} mode",
    "cp $W/{1} $W/m$i && mv $W/m$i mode", "cp $W/{0} .m$i && mv .m$i mode"]


def test_all_at_once(d, tmp_path):
    """Each is a success, no reader sees less than a value, nothing is left."""
    r = d.replica()
    there = listing(r.path)
    for mode in MODES:
        (tmp_path / mode).write_text(mode + "\n")
    every = "".join(f"({c.format(*MODES)} || echo bad >> $W/read) &\n"
                    for c in AT_ONCE)
    done = sh("for i in $(seq 10); do\n" + every + "cat mode >> $W/read &\n"
              "done; wait", cwd=r.path, seconds=40,
              env={"PATH": PATH, "W": str(tmp_path)})
    assert done.rc == 0 and done.err == "", done
    seen = get(tmp_path / "read").splitlines()
    assert len(seen) == 10 and set(seen) <= set(MODES), seen
    assert r.read("mode").strip() in MODES and r.error == ""
    assert listing(r.path) == there


# ---- reading ----

def quiet(done):
    assert done.rc == 0 and done.err == "", done
    return done.out


def test_grep_the_whole_tree(d, r):
    with cell(the("grep -r, the whole tree"), "reads"):
        found = quiet(sh(f"grep -r . {d.mnt}", cwd="/"))
        assert f"{r.path}/state:replica\n" in found
        assert f"{r.path}/plan/promoting:allowed" in found
        assert f"{d.mnt}/.uvrfs/by-state" not in found, "-r follows no links"


def test_less(r):
    with cell(the("less"), "reads"):
        done = sh("script -qec 'stty rows 99; less -FX spec.yaml' /dev/null", cwd=r.path,
                  env={"TERM": "vt100"})
        assert done.rc == 0, done
        said = done.out.replace("\r\n", "\n")
        assert r.read("spec.yaml") in said, done


def test_tail_follows_the_log(d):
    reader = the("tail -f log")
    r = d.replica()
    with cell(reader, "reads"), background("exec tail -n +1 -f log",
                                           cwd=r.path) as tail:
        for word in ("promoting", "source"):
            assert r.ask(word) == 0
            line = ""
            while f" {word}" not in line:
                line = tail.stdout.readline()
                assert re.match(r"\d{4}-\S+Z ", line), line
            r.done()
        tail.terminate()


def test_head_wc_sha256sum(r):
    text = r.read("spec.yaml")
    with cell(the("head -c"), "reads"):
        assert quiet(sh("head -c 10 spec.yaml", cwd=r.path)) == text[:10]
        assert quiet(sh("head -c -1 state", cwd=r.path)) == "replica"
    with cell(the("wc"), "reads"):
        assert quiet(sh("wc -c < spec.yaml", cwd=r.path)) == f"{len(text)}\n"
        assert quiet(sh("wc state", cwd=r.path)).split() == [
            "1", "1", "8", "state"]
    with cell(the("sha256sum"), "reads"):
        sums = quiet(sh("sha256sum state spec.yaml", cwd=r.path))
        assert quiet(sh("sha256sum -c <<< \"$SUMS\"", cwd=r.path,
                        env={"SUMS": sums})).count(": OK") == 2


# tar ends with 1 when something changes while it reads, as storage may.
COPIES = {
    "tar, the whole tree":
        "(tar --warning=no-file-changed -C {0} -cf {1}.tar . || [ $? = 1 ]) &&"
        " mkdir {1} && tar -C {1} -xf {1}.tar",
    "cp -a, the whole tree": "cp -a {0} {1}",
    "cp -aL, the whole tree": "cp -aL {0} {1}",
    "rsync -a, the whole tree": "rsync -a {0}/ {1}"}


@pytest.mark.parametrize("name", COPIES)
def test_copy_the_whole_tree(d, r, name, tmp_path):
    reader = the(name)
    with cell(reader, "reads"):
        to = tmp_path / "copy"
        quiet(sh(COPIES[name].format(d.mnt, to), env={"PATH": PATH}))
        copy = to / r.path.relative_to(d.mnt)
        assert listing(copy) == listing(r.path)
        for file in ("state", "spec.yaml", "mode", "endpoints"):
            assert get(copy / file) == r.read(file), file
        assert json.loads(get(copy / "status.json"))["spec"] == (
            r.status["spec"])
        assert get(copy / "plan/promoting").startswith("allowed\n")
        view = to / ".uvrfs/by-state/replica" / f"{r.ns}:{r.name}"
        assert view.is_symlink() == (name != "cp -aL, the whole tree")
        if not view.is_symlink():
            assert get(view / "state") == "replica\n"


def test_find_newer(r, tmp_path):
    with cell(the("find -newer"), "reads"):
        mark = tmp_path / "mark"
        mark.write_bytes(b"")
        os.utime(mark, ns=(0, os.stat(r / "schedule").st_mtime_ns))
        find = f"find {r.path} -newer {mark} -name '[sm]*'"
        assert "schedule" not in quiet(sh(find))
        assert r.write("schedule", "mode: continuous\nrpo: 3m\n") == 0
        assert {"schedule", "spec.yaml"} <= {
            os.path.basename(p) for p in quiet(sh(find)).split()}
        assert f"{r.path}/mode" not in quiet(sh(find))


def test_what_has_not_changed_keeps_its_time(d, r):
    def times():
        return {n: os.stat(d.mnt / ".uvrfs" / n).st_mtime_ns
                for n in ("help", "version", "site", "backends/sim/type")}
    before = times()
    assert r.write("schedule", "mode: continuous\nrpo: 4m\n") == 0
    assert times() == before


def test_mmap(r):
    with cell(the("python: mmap, private"), "reads"):
        with open(r / "spec.yaml", "rb") as f, mmap.mmap(
                f.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ) as memory:
            assert memory[:].decode() == r.read("spec.yaml")


def test_watch(d):
    reader = the("watch -g")
    r = d.replica()
    with cell(reader, "reads"):
        mark = r.path.parent.parent.parent / "watching"
        watching = background(
            f"script -qec 'watch -g -n 0.1 \"cat state; echo >> {mark}\"' "
            "/dev/null", cwd=r.path)
        until(mark.exists, "it has looked once")
        assert r.ask("promoting") == 0
        out, err = watching.communicate(timeout=40 * FACTOR)
        assert watching.returncode == 0, (out, err)


# ---- watching: here by what the watcher's own machine writes ----

def watcher(command, cwd, ready):
    """A watcher that has said that it watches."""
    process = background(f"exec 2>&1; {command}", cwd=cwd)
    while True:
        line = process.stdout.readline()
        assert line, "the watcher has ended"
        if ready in line:
            return process


def test_inotifywait(d):
    reader = the("inotifywait, a file")
    r = d.replica()
    with cell(reader, "reads"):
        w = watcher("inotifywait -e close_write state", r.path, "established")
        assert r.ask("promoting") == 0
        out, _ = w.communicate(timeout=20 * FACTOR)
        assert w.returncode == 0 and out == "state CLOSE_WRITE,CLOSE \n", out


def test_inotifywait_everywhere(d):
    reader = the("inotifywait -r, the whole tree")
    r = d.replica()
    with cell(reader, "reads"):
        w = watcher("exec inotifywait -m -r -e modify,close_write .", d.mnt,
                    "established")
        assert r.ask("promoting") == 0
        mine = f"./{r.ns}/{r.name}/ "
        for event in ("MODIFY state\n", "CLOSE_WRITE,CLOSE state\n"):
            line = ""
            while line != mine + event:
                line = w.stdout.readline()
                assert line, f"no {event}"
        w.terminate()
        w.communicate(timeout=20 * FACTOR)


def test_inotify_from_c(d, tmp_path):
    reader = the("inotify from C")
    r = d.replica()
    with cell(reader, "reads"):
        program = tmp_path / "await-change"
        quiet(sh(f"cc -Wall -Werror -o {program} {HERE}/await_change.c"))
        w = watcher(f"{program} state", r.path, "watching")
        assert r.ask("promoting") == 0
        out, _ = w.communicate(timeout=20 * FACTOR)
        assert w.returncode == 0 and out == "promoting\n", out


def test_systemd_path_unit():
    """Verified, not run: that takes a machine that systemd has started."""
    reader = the("systemd path unit")
    with cell(reader, "reads") as note:
        units = sorted((ROOT / "docs/examples").glob("*.path"))
        assert units
        for unit in units:
            quiet(sh(f"systemd-analyze verify {unit} "
                     f"{unit.with_suffix('.service')}"))
        note("verified")


# ---- the table; the last test, since it is about all those before ----

def test_the_table_is_what_came_out(request):
    if request.config.getoption("--write-table"):
        assert not outcomes.missing()
        outcomes.write()
    page = outcomes.committed()
    rows = {row for row, _ in page}
    assert rows == {row.name for row in WRITERS + READERS}
    differs = {where: (page.get(where), found)
               for where, found in outcomes.cells.items()
               if page.get(where) != found}
    assert not differs, json.dumps(
        {"|".join(k): v for k, v in differs.items()}, indent=1)
