# SPDX-License-Identifier: Apache-2.0
"""What a controller, which has no mount, tells of itself: its metrics.prom."""
import os
import signal
import subprocess
import time

import pytest

from cluster_uvr import Controller, running_lab
from metrics import Metrics
from promtool import check_metrics, tool  # noqa: F401
from shell import FACTOR, until
from uvr import KUBECONFIG, manifest

pytestmark = pytest.mark.limit(120)

PERIOD = 15


@pytest.fixture(scope="module")
def lab(cluster):
    """Its daemon mounts and never leads."""
    with running_lab(cluster, kind=Controller) as one:
        one.mounted = one.daemon(lead="false")
        yield one


@pytest.fixture
def c(lab):
    """The controller that leads."""
    if not lab.main.alive():
        lab.main = lab.leader(Controller)
    return lab.main


def file_of(c):
    return c.state / "metrics.prom"


def told(c):
    return Metrics(at=file_of(c))


def end(c):
    c.process.send_signal(signal.SIGTERM)
    assert c.process.wait(20 * FACTOR) == 0, c.stderr()


def said(c):
    return [line for line in c.stderr().splitlines() if "metrics.prom" in line]


def fail_over(lab, name):
    o = lab.apply(manifest(name))
    o.wait()
    o.await_copy()
    return o.go("promoting", "source")


def test_what_it_has_done(lab, c, tool):
    fail_over(lab, "told")

    def has_told():
        m = told(c)
        return m.get("state_transitions_total", from_state="promoting",
                     to_state="source", backend="lab") and m
    m = until(has_told, "it is told", PERIOD + 5)
    assert m.get("state_transitions_total", from_state="replica",
                 to_state="promoting", backend="lab") == 1
    assert m.get("request_duration_seconds_count", word="promoting",
                 outcome="verified") == 1
    for act in "create", "demote-peer", "promote":
        assert m.get("backend_operations_total", backend="lab", operation=act,
                     result="success") == 1
        assert m.get("backend_operation_duration_seconds_count",
                     backend="lab", operation=act) == 1
    assert m.get("leader") == 1 and m.get("has_leader") == 1
    assert m.get("state", name="told", state="source") == 1
    check_metrics(tool, m.text)
    # As from a mount, which has not acted.
    other = Metrics(lab.mounted)
    assert other.families() == m.families()
    assert other.get("backend_operations_total", backend="lab",
                     operation="promote", result="success") == 0


def test_it_is_renewed_and_always_whole(c):
    until(file_of(c).exists, "it is there")
    seen, end_at = set(), time.monotonic() + (2 * PERIOD + 5) * FACTOR
    while len(seen) < 3:
        assert time.monotonic() < end_at, "it is not renewed"
        with open(file_of(c), "rb") as f:
            text = f.read().decode()
            seen.add(os.fstat(f.fileno()).st_mtime_ns)
        assert text.startswith("# HELP ") and text.endswith("\n")
        assert "backend_operation_duration_seconds" in text
        time.sleep(0.01)
    times = sorted(seen)
    for one, next_one in zip(times, times[1:]):
        assert (next_one - one) / 1e9 > PERIOD - 1


def test_it_is_there_while_the_daemon_is(c):
    until(file_of(c).exists, "it is there at once", 5)
    end(c)
    assert not file_of(c).exists()
    c.start()
    until(file_of(c).exists, "it is there again", 5)
    c.kill9()
    assert file_of(c).exists()
    # The next one does not get far, and its own it would not be.
    config = c.config.read_text()
    nobody = c.base / "nobody"
    nobody.write_text(KUBECONFIG)
    nobody.chmod(0o600)
    c.config.write_text("".join(
        f"clusters: {{dr-cluster: {{kubeconfig: {nobody}}}}}\n"
        if line.startswith("clusters:") else line
        for line in config.splitlines(keepends=True)))
    with subprocess.Popen(c.command("-f"), stdin=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: not file_of(c).exists(), "the old one is gone")
        finally:
            process.kill()
    c.config.write_text(config)
    c.start()
    until(file_of(c).exists, "it is there again", 5)


def test_on_a_disk_that_hangs(lab, c):
    """As the pipe does, until somebody reads: it goes on, and shows."""
    hangs = c.state / "metrics.new"
    until(file_of(c).exists, "it is there")
    os.mkfifo(hangs)
    last = os.stat(file_of(c)).st_mtime
    until(lambda: time.time() - last > PERIOD + 3, "it hangs", PERIOD + 5)
    o = fail_over(lab, "steady")
    assert o.history() == ["replica", "promoting", "source"]
    assert os.stat(file_of(c)).st_mtime == last
    with open(hangs, "rb") as f:
        assert f.read().endswith(b"\n")
    until(lambda: file_of(c).is_file() and
          told(c).get("state", name="steady", state="source"),
          "it is renewed", PERIOD + 5)
    assert not said(c)


def test_what_is_in_its_place(lab, c):
    """It is said once, and all else goes on."""
    end(c)
    os.mkdir(file_of(c))
    before = len(said(c))
    c.start()
    until(lambda: said(c)[before:], "it is said")
    o = fail_over(lab, "blind")
    assert o.history() == ["replica", "promoting", "source"]
    time.sleep(PERIOD + 3)
    line, = said(c)[before:]
    assert line.endswith(f"can't write {file_of(c)}: Is a directory")
    assert not (c.state / "metrics.new").exists()
    os.rmdir(file_of(c))
    until(lambda: said(c)[before + 1:], "that it is there again", PERIOD + 5)
    assert said(c)[-1].endswith("is written again")
    assert told(c).get("state", name="blind", state="source") == 1
