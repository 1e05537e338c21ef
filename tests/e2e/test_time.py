# SPDX-License-Identifier: Apache-2.0
"""Time: idle means idle, deadlines, lag, and nothing depends on the zone."""
import datetime
import itertools
import os
import re
import signal
import time

import pytest

from uvr import (ACT, CONFIG, PATIENT, TIMEOUTS, FACTOR, get, name_of, never,
                 put, sh, until)

TICKS = os.sysconf("SC_CLK_TCK")


def cpu(d):
    """Seconds of processor time that the daemon has used."""
    fields = get(f"/proc/{d.process.pid}/stat").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def assert_idle(d, seconds=0.5):
    """Nothing comes round and round."""
    used, since = cpu(d), time.monotonic()
    time.sleep(seconds)
    used = cpu(d) - used
    # It may have been much longer.
    seconds = time.monotonic() - since
    assert used < 0.3 * seconds * FACTOR, "a busy daemon"


def give(d, deadline):
    """Those who ask from now on have so long."""
    text, before = d.config.read_text(), len(d.stderr())
    d.config.write_text(re.sub("minDeadline: [^}]*",
                               f"minDeadline: {deadline}", text))
    d.process.send_signal(signal.SIGHUP)
    until(lambda: "read" in d.stderr()[before:], "the configuration")


def before_swap(d):
    r = d.replica()
    d.lose(r.peer)
    return r.go("promoting", "source")


def waiting_swap(d):
    r = before_swap(d)
    assert r.ask("swap") == 0
    return r


def before_promotion(d):
    r = d.replica()
    d.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    return r


def waiting_promotion(d):
    r = before_promotion(d)
    assert r.ask("promoting") == 0
    return r


def failing_promotion(d):
    r = d.replica()
    d.faults(r.here, "fail promote 100000")
    assert r.ask("promoting") == 0
    return r


def failed(d):
    r = d.replica()
    d.faults(r.here, "final promote")
    assert r.ask("promoting") == 0
    until(lambda: r.state == "failed", "failed")
    return r


def lost(d):
    r = d.replica()
    d.faults(r.here, "down")
    return r


def lying(d):
    r = d.replica()
    d.faults(r.here, "lie promote")
    assert r.ask("promoting") == 0
    return r


@pytest.mark.parametrize("situation", [
    waiting_swap, waiting_promotion, failing_promotion, failed, lost, lying])
def test_it_does_not_spin(make, situation):
    d = make(config=PATIENT).start()
    r = situation(d)
    assert_idle(d)
    size = len(r.read("log"))
    assert_idle(d)
    assert len(r.read("log")) - size < 4000, r.explain()
    d.kill9().start()
    assert_idle(d)


def test_a_deadline_that_has_passed_does_not_spin(make):
    d = make(config=PATIENT).start()
    swap, promotion = before_swap(d), before_promotion(d)
    give(d, "1s")
    assert swap.ask("swap") == 0 and promotion.ask("promoting") == 0
    until(lambda: promotion.state == "failed", "the deadline", 8)
    assert_idle(d)
    # A swap waits for an absent peer as long as it takes.
    assert swap.state == "source" and swap.sync("endpoints", 0.3) == 124
    d.find_again(swap.peer)
    until(lambda: swap.conditions["Degraded"].reason != "PeerUnreachable",
          "it is back")


def fill(path):
    """Takes all the room that there is."""
    sh(f"dd if=/dev/zero of={path} bs=4k oflag=append conv=notrunc "
       "2>/dev/null")


def test_a_full_disk_in_the_middle_of_a_transition(make):
    d = make(config=PATIENT)
    d.state.mkdir()
    assert sh(f"mount -t tmpfs -o size=2m none {d.state}").rc == 0
    try:
        r = d.start().replica()
        d.faults(r.here, "slow 300")
        assert r.ask("promoting") == 0
        fill(d.state / "full")
        never(lambda: r.state != "promoting", "another state", 0.6)
        assert_idle(d)
        words = itertools.cycle(("asynchronous", "synchronous"))

        def is_refused():
            # What the storage gave up meanwhile is taken, too.
            fill(d.state / "full")
            return name_of(put(r / "mode", next(words))) == "ENOSPC"
        until(is_refused, "ENOSPC")
        os.unlink(d.state / "full")
        r.done(seconds=20).go("source")
        d.stop()
    finally:
        d.abort()
        sh(f"umount -l {d.state}")


def test_the_deadline_is_the_rto_when_that_is_longer(make):
    d = make(config=CONFIG).start()
    r = d.replica(schedule="mode: continuous, rto: 2h")
    r.go("promoting")
    accepted, deadline = (datetime.datetime.fromisoformat(
        r.read("history").splitlines()[-1].split()[0].rstrip("Z")),
        d.uvr("database", r.name).request["deadline"])
    if deadline:
        until_then = datetime.datetime.fromisoformat(deadline.rstrip("Z"))
        assert abs((until_then - accepted).total_seconds() - 7200) < 5


def test_lag_counts_also_when_nobody_answers(d):
    r = d.replica(schedule="mode: continuous, rpo: 1s")
    until(lambda: r.read("lag") in ("0\n", "1\n"), "it is fresh")
    d.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    mtime = os.stat(r / "lag").st_mtime_ns
    until(lambda: int(r.read("lag")) >= 2, "the lag grows")
    assert os.stat(r / "lag").st_mtime_ns == mtime or \
        os.stat(r / "lag").st_mtime_ns >= mtime
    r.await_cond("Degraded", "True", "LagOverRpo")
    d.lose(r.peer)
    lag = int(r.read("lag"))
    until(lambda: int(r.read("lag")) > lag, "it counts on")
    d.faults(r.here)
    d.find_again(r.peer)
    until(lambda: int(r.read("lag")) <= 1, "it is fresh again")
    r.await_cond("Degraded", "False")


def test_progress_of_a_copy_over_a_slow_line(d):
    r = d.replica(data=b"x")
    d.faults(r.peer, "rate 20000")
    r.peer_volume.write_bytes(bytes(100000))
    seen = set()

    def look():
        seen.add(r.read("progress").strip())
        return r.here_volume.stat().st_size == 100000
    until(look, "the copy")
    numbers = {int(p) for p in seen - {"-"}}
    assert numbers and all(0 <= n <= 100 for n in numbers), seen
    until(lambda: r.read("progress") == "-\n", "it is over")


def test_zone_and_locale(make, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    d = make().start()
    r = d.replica()
    now = datetime.datetime.utcnow()
    since = datetime.datetime.fromisoformat(r.ready.since.rstrip("Z"))
    assert abs((now - since).total_seconds()) < 60
    assert r.ready.since.endswith("Z")
    d.kill9().start()
    assert r.state == "replica"


def test_it_ends_at_once_though_a_site_hangs(make):
    d = make(config="site: here\n" + TIMEOUTS.replace(ACT, "60s") % "300s")
    r = d.start().replica()
    d.faults(r.here, "hang 50")
    assert r.ask("promoting") in (0, 16)
    assert get(r / "state")
    started = time.monotonic()
    d.stop()
    assert time.monotonic() - started < 10 * FACTOR
    d.faults(f"dr-{r.name}")
    d.start()
    assert r.sync() == 0


def test_a_write_is_answered_at_once_though_a_site_hangs(make):
    d = make(config="site: here\n" + TIMEOUTS.replace(ACT, "60s") % "300s")
    r, other = d.start().replica(), d.replica()
    d.faults(r.peer, "hang")
    started = time.monotonic()
    assert r.ask("promoting") in (0, 16)
    assert put(r / "mode", "asynchronous") == 0
    assert other.go("promoting").state == "promoting"
    assert time.monotonic() - started < 5 * FACTOR


def test_a_big_manifest_comes_back_as_it_was(d):
    r = d.replica()
    text = r.read("spec.yaml") + "# padding\n" * 15000
    assert r.write("spec.yaml", text) == 0, r.error
    assert r.read("spec.yaml") == text
    assert os.stat(r / "spec.yaml").st_size == len(text)
    assert sh(f"cat {r}/spec.yaml | cmp - {r}/spec.yaml".replace(
        str(r), str(r.path))).rc == 0


def test_the_log_is_bounded(d):
    r = d.replica()
    for i in range(3000):
        assert put(r / "mode", ("asynchronous", "synchronous")[i % 2]) == 0
    for text in (r.read("log"), get(d / ".uvrfs/log"),
                 get(d / ".uvrfs/audit")):
        assert len(text) < 1 << 20
        assert text.startswith("20") and text.endswith("\n")
        assert r.name in text
