# SPDX-License-Identifier: Apache-2.0
"""The ways in which programs write, and what they are told."""
import errno
import json
import os
import re
import subprocess

import pytest

from test_time import give
from uvr import (CONFIG, FACTOR, PATIENT, call, get, manifest, name_of, put,
                 sh, until)

SPEC = "schedule: {mode: continuous, rpo: %s}\n"


@pytest.fixture(scope="module")
def r(module_daemon):
    return module_daemon.replica("written", mode="asynchronous")


WORDS = [
    "echo {} > mode", "echo {} >> mode", "echo {} | tee mode >/dev/null",
    "echo {} | tee -a mode >/dev/null",
    "echo {} | dd of=mode 2>/dev/null",
    "echo {} | dd of=mode conv=notrunc,fsync bs=1k 2>/dev/null",
    "printf {} > mode", "printf '  \\t{} \\n\\n' > mode", "/bin/echo {} > mode",
    "printf '{}\\r\\n' > mode",
    "cat > mode <<< {}", "f=$(mktemp) && echo {} > $f && cp $f mode",
    "f=$(mktemp) && echo {} > $f && cat $f > mode",
    "sh -c 'echo {} > mode'",
    "python3 -c 'with open(\"mode\", \"w\") as f: f.write(\"{}\")'",
    "python3 -c 'import pathlib; pathlib.Path(\"mode\").write_text(\"{}\\n\")'",
    "perl -e 'open(F, \">\", \"mode\"); print F \"{}\\n\"; close(F) or die'",
    "flock mode sh -c 'echo {} > mode'"]


@pytest.mark.parametrize("how", WORDS)
def test_a_word_is_written_by(r, how):
    word = {"synchronous\n": "asynchronous",
            "asynchronous\n": "synchronous"}[r.read("mode")]
    done = sh(how.format(word), cwd=r.path, env=SYSTEM_PYTHON)
    assert done.rc == 0, done
    assert r.read("mode") == word + "\n"
    # Once more: it is there already.
    mtime = os.stat(r / "mode").st_mtime_ns
    assert sh(how.format(word), cwd=r.path, env=SYSTEM_PYTHON).rc == 0
    assert os.stat(r / "mode").st_mtime_ns == mtime


SYSTEM_PYTHON = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

YAML = [
    "cat {} > {}", "cp {} {}", "dd if={} of={} 2>/dev/null",
    "dd if={} of={} bs=7 2>/dev/null", "tee < {} {} >/dev/null",
    "yaml=\"$(cat {})\"; echo \"$yaml\" > {}",
    "yaml=\"$(cat {})\"; printf '%s' \"$yaml\" > {}",
    "cat {} >> {}", "cp -f {} {}"]


@pytest.mark.parametrize("how", YAML)
def test_a_manifest_is_written_by(r, tmp_path, how):
    number = str(YAML.index(how) + 3)
    text = manifest("written", mode=r.read("mode").strip(),
                    schedule=f"mode: continuous, rpo: {number}m")
    (tmp_path / "m").write_text(text)
    files = [str(tmp_path / "m"), "spec.yaml"]
    if how.count("{}") == 3:
        files.insert(0, files[0])
    done = sh(how.format(*files), cwd=r.path)
    assert done.rc == 0, (done, r.error)
    assert f"rpo: {number}m" in r.read("schedule")
    assert r.read("spec.yaml").rstrip("\n") == text.rstrip("\n")


@pytest.mark.parametrize("form", [
    "mode: interval\nrpo: 5m\n", "schedule:\n  mode: interval\n  rpo: 6m\n",
    "spec:\n  schedule: {mode: interval, rpo: 7m}\n",
    '{"mode": "interval", "rpo": "8m"}', "{mode: continuous, rto: 9m}"])
def test_forms_of_a_schedule(r, form):
    assert put(r / "schedule", form) == 0, r.error
    number = re.search(r"\d+m", form)[0]
    assert number in r.read("schedule")


def test_python_writes_and_sees_the_refusal(r):
    assert put(r / "mode", "sideways") == errno.EINVAL
    with pytest.raises(OSError) as caught:
        with open(r / "schedule", "w") as f:
            f.write("mode: never\n")
    assert caught.value.errno == errno.EINVAL
    assert "never" in r.error


REFUSALS = [
    ("state", "sauce", errno.EINVAL, ["sauce", "promoting"]),
    ("state", "promoting farce", errno.EINVAL, ["farce"]),
    ("state", "promoting force now", errno.EINVAL, ["now"]),
    ("state", "PROMOTING", errno.EINVAL, ["PROMOTING"]),
    ("state", "swap", errno.EINVAL, ["endpoints"]),
    ("state", " \n ", errno.EINVAL, ["white space"]),
    ("state", b"promoting\0", errno.EINVAL, ["NUL"]),
    ("state", b"\xff\xfe", errno.EINVAL, []),
    ("state", "\x1b[2J\x9b2J", errno.EINVAL, []),
    ("state", "x" * 5000, (errno.EFBIG, errno.EINVAL), []),
    ("state", "source", errno.EPERM,
     ["source", "replica", "promoting", "syncing", "not about rights"]),
    ("state", "demoting force", errno.EPERM, ["demoting"]),
    ("state", "failed", errno.EPERM, ["failed"]),
    ("endpoints", "swap", errno.EPERM, ["source"]),
    ("endpoints", "swop", errno.EINVAL, ["swap"]),
    ("mode", "eventual", errno.EINVAL, ["synchronous", "asynchronous"]),
    ("schedule", "mode: interval\n", errno.EINVAL, ["rpo"]),
    ("schedule", "mode: manual\nrpo: 5x\n", errno.EINVAL, ["mode", "rpo"]),
    ("spec.yaml", "no: [manifest", errno.EINVAL, []),
    ("spec.yaml", b"#" * (2 << 20), errno.EFBIG, []),
]


@pytest.mark.parametrize("name, text, code, words", REFUSALS,
                         ids=[f"{r[0]}-{r[1][:20]!r}" for r in REFUSALS])
def test_a_refusal_is_an_errno_and_a_sentence(r, name, text, code, words):
    before = r.picture()
    codes = code if isinstance(code, tuple) else (code,)
    assert name_of(r.write(name, text)) in map(name_of, codes), r.error
    lines = r.error.splitlines()
    assert len(lines) == 1, lines
    assert re.match(r"\d{4}-\S+Z uid=0\S*: .", lines[0]), lines
    for word in words:
        assert word in lines[0], lines
    assert lines[0].isprintable(), ascii(lines[0])
    assert r.picture() == before


@pytest.mark.parametrize("command", [
    "echo sauce > state", "echo sauce | tee state", "printf x > state",
    "echo sauce | dd of=state", "/bin/echo sauce > state",
    "cp /etc/hostname state", "cat /etc/hostname > spec.yaml",
    "cp /etc/hostname spec.yaml", "echo x | tee spec.yaml"])
def test_shells_see_the_refusal(r, command):
    done = sh(command, cwd=r.path)
    assert done.rc != 0 and "Invalid argument" in done.err, done


def test_success_clears_the_last_refusal(r):
    put(r / "mode", "sideways")
    assert r.error
    assert put(r / "mode", r.read("mode")) == 0
    assert r.error == ""


def test_a_gap_and_an_overrun_are_refused_at_once(r):
    before = r.picture()
    for offset, text, code in ((100, b"mode: continuous", errno.EINVAL),
                               (0, b"#" * 70000, 0)):
        fd = os.open(r / "schedule", os.O_WRONLY)
        try:
            assert call(os.pwrite, fd, text, offset) in (code, errno.EFBIG)
        finally:
            call(os.close, fd)
    fd = os.open(r / "spec.yaml", os.O_WRONLY)
    codes = [call(os.write, fd, b"# " + b"x" * 60000 + b"\n")
             for _ in range(30)]
    call(os.close, fd)
    assert codes[0] == 0 and [c for c in codes if c][0] == errno.EFBIG
    assert r.picture() == before


def test_a_writer_that_dies_in_the_middle_changes_nothing(r):
    """Its close comes by exit, yet half a manifest is no manifest."""
    before = r.picture()
    text = manifest("written", schedule="mode: continuous, rpo: 99m")
    half = text[:text.index("schedule")]
    code = ("import os, signal; fd = os.open('spec.yaml', os.O_WRONLY);"
            f"os.write(fd, {half.encode()!r});"
            "os.kill(os.getpid(), signal.SIGKILL)")
    subprocess.run(["/usr/bin/python3", "-c", code], cwd=r.path,
                   timeout=20 * FACTOR, check=False)
    assert r.picture() == before


def test_hold_is_a_brake(d):
    r = d.replica()
    assert r.write("hold", "audit until noon\n") == 0
    assert r.read("hold") == "audit until noon\n"
    before = r.picture()
    new = manifest(r.name, schedule="mode: continuous, rpo: 3m")
    for name, text in (("state", "promoting"), ("state", "promoting force"),
                       ("mode", "asynchronous"), ("endpoints", "swap"),
                       ("schedule", "mode: continuous\nrpo: 2m"),
                       ("spec.yaml", new)):
        assert r.write(name, text) == errno.EPERM, name
        assert "audit until noon" in r.error and "rights" in r.error
    assert name_of(call(os.rmdir, r.path)) == "EPERM"
    assert r.picture() == before
    # `: > hold` writes nothing: an empty line does.
    assert sh("echo > hold", cwd=r.path).rc == 0
    assert r.read("hold") == ""
    r.go("promoting")


def test_white_space_after_a_word_is_no_second_word(d):
    """bash's printf and echo write a line at a time."""
    r = d.replica()
    assert sh("printf 'audit\\n\\n' > hold", cwd=r.path).rc == 0
    assert r.read("hold") == "audit\n", "a blank line has let go of the brake"


def test_many_write_the_same_at_once(d):
    r = d.replica()
    done = sh("for i in $(seq 20); do (echo promoting > state) & p+=($!);"
              "done; bad=0; for i in ${p[@]}; do wait $i || bad=1; done;"
              "exit $bad", cwd=r.path)
    assert done.rc == 0, done
    r.done()
    assert r.read("history").count("-> promoting") == 1
    assert r.acts().count("promote") == 1


def test_many_write_different_things_at_once(d):
    """Some are refused; what is there is what one of those taken wrote."""
    r = d.replica().go("promoting")
    done = sh("for w in source replica 'replica force' promoting source; do"
              " (echo $w > state) & done; wait", cwd=r.path)
    assert done.rc == 0
    r.done()
    assert r.state == "source" and r.read("history").count("-> source") == 1


def test_resource_version(d):
    r = d.replica()
    old = r.version
    assert r.write("schedule", "mode: continuous\nrpo: 4m") == 0
    new = r.version
    assert int(new) > int(old)
    text = manifest(r.name, version=old, schedule="mode: continuous, rpo: 5m")
    assert r.write("spec.yaml", text) == errno.ECANCELED
    assert "resourceVersion" in r.error and "4m" in r.read("schedule")
    assert f"resourceVersion: \"{new}\"" in r.read("spec.yaml")
    assert r.write("spec.yaml", text.replace(f'"{old}"', f'"{new}"')) == 0
    assert "5m" in r.read("schedule")


def test_edit_what_is_read(d):
    """`sed` on what spec.yaml shows is what editors do."""
    r = d.replica()
    assert r.write("schedule", "mode: continuous\nrpo: 4m") == 0
    text = sh("sed 's/rpo: .*/rpo: 11m/' spec.yaml", cwd=r.path).out
    assert r.write("spec.yaml", text) == 0, r.error
    assert "11m" in r.read("schedule")


def test_a_manifest_may_be_a_part_or_json(d):
    r = d.replica()
    spec = manifest(r.name, schedule="mode: continuous, rpo: 12m")
    spec = spec[spec.index("spec:"):]
    assert r.write("spec.yaml", spec) == 0, r.error
    assert "12m" in r.read("schedule")
    as_json = json.dumps({"spec": {
        "sourceEndpoint": r.source,
        "destinationEndpoint": r.destination,
        "volumeMapping": {
            "source": {"pvcName": r.name + "-pvc", "namespace": "database"},
            "destination": {"volumeHandle": r.name + "-vol",
                            "namespace": "database"}},
        "replicationState": "replica", "replicationMode": "synchronous",
        "schedule": {"mode": "continuous", "rpo": "13m"}}}, indent=1)
    assert r.write("spec.yaml", as_json) == 0, r.error
    assert "13m" in r.read("schedule") and r.read("spec.yaml") == as_json


@pytest.mark.parametrize("reached", [["promoting"], ["promoting", "source"],
                                     ["promoting", "source", "swap"]])
def test_a_robot_with_yesterdays_manifest(d, reached):
    r = d.replica()
    yesterday = r.read("spec.yaml")
    r.go(*reached)
    before = r.picture()
    for _ in range(2):
        assert r.write("spec.yaml", yesterday) == errno.EPERM, r.error
        assert "spec.yaml" in r.error
    assert r.picture() == before


def test_a_robot_may_begin_what_is_asked_for(d):
    r = d.replica()
    assert r.write("spec.yaml", manifest(r.name, state="promoting")) == 0
    r.done()
    assert r.state == "promoting"
    assert r.write("spec.yaml", manifest(r.name, state="source")) == 0
    assert r.done().state == "source"


def test_what_can_never_change(d):
    r = d.replica()
    before = r.picture()
    text = manifest(r.name)
    for old, new in ((f"{r.name}-pvc", "other"), (f"{r.name}-vol", "other"),
                     (f"dr-{r.name}", "elsewhere"), ("fast", "faster")):
        code = r.write("spec.yaml", text.replace(old, new))
        assert code in (errno.EPERM, errno.EINVAL), (old, name_of(code))
    assert r.picture() == before


def test_the_same_pvc_twice(d):
    r = d.replica()
    name = d.new_name()
    path = d / "database" / name
    os.mkdir(path)
    text = manifest(name, pvc=r.name + "-pvc")
    assert put(path / "spec.yaml", text) in (errno.EPERM, errno.EINVAL)
    assert r.name in get(path / "error")
    os.rmdir(path)


def test_reads_back_what_was_written_also_after_a_restart(own):
    r = own.replica("kept")
    text = "# by a robot\n" + manifest("kept") + "\n# the end"
    assert r.write("spec.yaml", text) == 0
    assert r.read("spec.yaml") == text
    own.restart()
    assert r.read("spec.yaml") == text
    own.kill9().restart()
    assert r.read("spec.yaml") == text
    # When the spec is another, these bytes no longer describe it.
    assert r.write("mode", "asynchronous") == 0
    assert "asynchronous" in r.read("spec.yaml")
    assert "resourceVersion" in r.read("spec.yaml")


def test_access_is_by_namespace(make):
    d = make(config=CONFIG + "access:\n  - {namespace: theirs, owner: 65534, "
             "group: 65534, directoryMode: '0750', fileMode: '0640'}\n").start()
    r = d.replica("r", ns="theirs")
    other = d.replica("o", ns="ours", pvc="o2")
    st = os.stat(r / "state")
    assert (st.st_uid, st.st_mode & 0o777) == (65534, 0o640)
    assert os.stat(r.path).st_mode & 0o777 == 0o750
    os.chmod(d.base, 0o755)
    as_other = "setpriv --reuid=%d --regid=%d --clear-groups "
    nobody = as_other % (65534, 65534)
    stranger = as_other % (1234, 1234)
    write = "sh -c 'echo asynchronous > %s/mode'"
    assert sh(nobody + write % r.path).rc == 0
    assert r.read("mode") == "asynchronous\n"
    assert "uid=65534" in get(d / ".uvrfs/audit")
    assert "Permission denied" in sh(nobody + write % other.path).err
    assert "Permission denied" in sh(stranger + write % r.path).err
    assert "Permission denied" in sh(stranger + f"cat {r.path}/state").err
    assert "Permission denied" in sh(stranger + f"cat {d.mnt}/.uvrfs/audit").err
    assert sh(stranger + f"cat {other.path}/state").out == "replica\n"
    assert other.read("mode") == "synchronous\n"


def test_policy_can_demand_force(make):
    d = make(config=CONFIG + "failover: {peerUnreachable: force}\n").start()
    r = d.replica()
    d.lose(r.peer)
    until(lambda: r.verdict("promoting") == "needs force", "the policy")
    assert r.ask("promoting") == errno.EBUSY and "force" in r.error
    r.go("promoting force", "source")


def test_a_deadline_makes_failed(make):
    # Few attempts: many would open the cluster's circuit breaker.
    d = make(config=PATIENT.replace("50ms", "400ms").replace(
        "200ms", "400ms")).start()
    r = d.replica()
    d.faults(r.here, "fail promote 100000")
    give(d, "1s")
    assert r.ask("promoting") == 0
    until(lambda: r.state == "failed", "failed", 8)
    assert "promote failed" in r.error and "deadline" in r.error
    journal = r.journal()
    d.faults(r.here)
    assert r.state == "failed" and r.journal() == journal
    give(d, "300s")
    r.go("promoting", "source")
