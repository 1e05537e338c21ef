# SPDX-License-Identifier: Apache-2.0
""".uvrfs/metrics: what Prometheus' own program takes, what it tells, and what is
made of it."""
import json
import os
import re
import shutil
import subprocess

import yaml

from metrics import Metrics
from pages import blocks_of
from promtool import check_metrics, tool  # noqa: F401
from uvr import CONFIG, FACTOR, ROOT, TIMEOUTS, call, get, put, sh, until

EXAMPLES = ROOT / "docs/examples/prometheus"


def test_promtool_takes_it(d, tool):
    d.replica().go("promoting", "source")
    check_metrics(tool, Metrics(d).text)


def test_each_family_comes_once_and_together(d):
    d.replica(), d.replica()
    names = [re.sub("_(bucket|sum|count)$", "", n)
             for n, _, _ in Metrics(d).samples]
    runs = [n for i, n in enumerate(names) if i == 0 or names[i - 1] != n]
    assert len(runs) == len(set(runs)), runs


def test_of_a_replication(make):
    d = make(config="site: here\n" + TIMEOUTS % "300s").start()
    r = d.replica(schedule="mode: continuous, rpo: 1h")
    m = Metrics(d)
    assert m.of(r, "state") == 1 and m.of(r, "state", state="replica") == 1
    assert m.of(r, "health") == 1 and m.of(r, "held") is None
    assert m.of(r, "rpo_seconds") == 3600 and m.of(r, "rpo_met") == 1
    assert 0 <= m.of(r, "lag_seconds") <= 5 * FACTOR
    assert not m.all("condition", name=r.name)
    assert m.of(r, "request_pending_seconds") is None
    assert m.get("active_total") == 1
    assert put(r / "hold", "a reason") == 0
    d.faults(r.here, "no-final-sync")
    d.faults(r.peer, "down")
    r.await_cond("Degraded", "True", "PeerUnreachable")
    m = Metrics(d)
    assert m.of(r, "held") == 1 and m.of(r, "health") == 0
    assert m.of(r, "condition", type="Degraded", status="True",
                reason="PeerUnreachable") == 1
    assert m.get("cluster_reachable", cluster=r.peer) == 0
    assert m.get("cluster_reachable", cluster=r.here) == 1


def test_a_copy_that_is_too_old(d):
    r = d.replica(schedule="mode: continuous, rpo: 1s")
    d.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    until(lambda: Metrics(d).of(r, "rpo_met") == 0, "the rpo is missed")
    assert Metrics(d).of(r, "lag_seconds") >= 1


def test_what_has_happened(make):
    d = make(config=CONFIG).start()
    r = d.replica()
    before = Metrics(d)
    assert before.get("writes_total", result="refused") == 0
    assert call(os.mkdir, d / "database/x") == 0
    assert put(r / "state", "staet") == 22
    r.go("promoting", "source")
    assert put(r / "state", "source") == 0
    m = Metrics(d)
    assert m.get("writes_total", result="refused") == 1
    assert m.get("writes_total", result="unchanged") == 1
    assert m.get("writes_total", result="accepted") - \
        before.get("writes_total", result="accepted") == 2
    for from_, to in (("replica", "promoting"), ("promoting", "source")):
        assert m.get("state_transitions_total", from_state=from_,
                     to_state=to, backend="sim") == 1
    assert m.get("request_duration_seconds_count", word="promoting",
                 outcome="verified") == 1
    assert m.get("backend_operations_total", operation="promote",
                 result="success") == 1
    buckets = [v for _, v in m.all("backend_operation_duration_seconds_bucket",
                                   operation="promote")]
    assert buckets == sorted(buckets) and buckets[-1] == 1


def test_a_request_that_fails(make):
    d = make(config=CONFIG).start()
    r = d.replica()
    d.faults(r.here, "final promote")
    assert r.ask("promoting") == 0
    until(lambda: r.state == "failed", "failed")
    m = Metrics(d)
    assert m.of(r, "state", state="failed") == 1
    assert m.get("request_duration_seconds_count", word="promoting",
                 outcome="failed") == 1
    assert m.get("backend_operations_total", operation="promote",
                 result="error") == 1


def test_under_way(make):
    d = make(config="site: here\n" + TIMEOUTS % "300s").start()
    r = d.replica()
    d.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    assert r.ask("promoting") == 0
    until(lambda: (Metrics(d).of(r, "request_pending_seconds",
                                 word="promoting") or 0) >= 1, "a second")


def test_read_by_programs(d, tmp_path):
    """Its size reads 0, which is what cp and tail must not believe."""
    at = d / ".uvrfs/metrics"
    assert os.stat(at).st_size == 0
    for command in (f"cat {at}", f"tail -n +1 {at}",
                    f"cp {at} {tmp_path}/copy && cat {tmp_path}/copy",
                    f"grep '' {at}"):
        done = sh(command)
        assert done.rc == 0 and "build_info" in done.out, command
    assert put(at, "1", os.O_WRONLY) == 13


def test_every_metric_is_documented(d):
    d.replica()
    page = (ROOT / "docs/monitoring.md").read_text()
    table = set(re.findall(r"`(\w+)`", "\n".join(
        line.split("|")[1] for line in page.splitlines()
        if line.startswith("| `"))))
    assert Metrics(d).families() == table


def used_in(text):
    return {re.sub("_bucket$", "", name)
            for name in re.findall(r"unified_replication_(\w+)", text)}


def test_alert_rules(d, tool):
    rules = EXAMPLES / "uvrfs.rules.yaml"
    assert used_in(rules.read_text()) <= Metrics(d).families()
    for args in (("check", "rules", rules),
                 ("test", "rules", EXAMPLES / "uvrfs.rules.test.yaml")):
        done = tool(*args)
        assert done.returncode == 0, done.stdout + done.stderr
    # Each of them has been seen to fire.
    tests = (EXAMPLES / "uvrfs.rules.test.yaml").read_text()
    for alert in re.findall(r"alert: (\w+)", rules.read_text()):
        assert f'alertname="{alert}"' in tests or \
            re.search(rf"alertname: {alert}\n\s+exp_alerts:\n", tests), alert


def test_how_prometheus_finds_controllers(tool, tmp_path):
    block, = blocks_of("docs/monitoring.md", "yaml")
    # Of that Debian's promtool knows nothing.
    found = re.search(r"kubernetes_sd_configs:\n +- (.*)\n", block)
    assert yaml.safe_load(found[1]) == {"role": "pod",
                                        "namespaces": {"names": ["uvrfs"]}}
    (tmp_path / "prometheus.yaml").write_text(block.replace(
        found[0], "static_configs: [{targets: [a]}]\n"))
    done = tool("check", "config", tmp_path / "prometheus.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_dashboard(d, tool, tmp_path):
    board = json.loads((EXAMPLES / "uvrfs-dashboard.json").read_text())
    queries = [t["expr"].replace("$namespace", ".*")
               for p in board["panels"] for t in p["targets"]]
    assert used_in("\n".join(queries)) <= Metrics(d).families()
    rules = {"groups": [{"name": "panels", "rules": [
        {"record": f"panel:{i}", "expr": q} for i, q in enumerate(queries)]}]}
    (tmp_path / "panels.yaml").write_text(json.dumps(rules))
    done = tool("check", "rules", tmp_path / "panels.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_timer_copies_it(d, tmp_path):
    """The recipe's own command, at other places."""
    unit = (EXAMPLES / "uvrfs-metrics.service").read_text()
    start, after = re.findall("Exec(?:Start|StopPost)=/bin/sh -c '(.*)'", unit)

    def run(root):
        codes = []
        for line in start, after:
            env = {**os.environ, "TEXTFILES": str(tmp_path),
                   "SERVICE_RESULT": "exit-code" if any(codes) else "success"}
            codes.append(subprocess.run(
                ["/bin/sh", "-c", line], env={**env, "MOUNT": str(root)},
                check=False, timeout=30 * FACTOR).returncode)
        return codes
    assert run(d.mnt) == [0, 0]
    assert [p.name for p in tmp_path.iterdir()] == ["uvrfs.prom"]
    assert Metrics(at=tmp_path / "uvrfs.prom").families()
    # Without a mount nothing is left that would look well.
    assert run(d.base)[0] != 0
    assert [p.read_text() for p in tmp_path.iterdir()] == [
        "unified_replication_up 0\n"]
    if shutil.which("systemd-analyze"):
        done = sh(f"systemd-analyze verify {EXAMPLES}/uvrfs-metrics.timer "
                  f"{EXAMPLES}/uvrfs-metrics.service")
        assert done.rc == 0, done.err
