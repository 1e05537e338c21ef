# SPDX-License-Identifier: Apache-2.0
"""Prometheus' promtool and node_exporter, of Debian's packages, which are not
installed for them: that would start servers."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from shell import FACTOR

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or
                     pathlib.Path.home() / ".cache") / "uvrfs-tests"


def _unpack(package, program, at):
    with tempfile.TemporaryDirectory() as base:
        subprocess.run(["apt-get", "download", package], cwd=base,
                       check=True, capture_output=True, timeout=300)
        found, = pathlib.Path(base).glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", found, f"{base}/root"], check=True)
        at.parent.mkdir(parents=True, exist_ok=True)
        part = at.with_suffix(f".{os.getpid()}")
        shutil.copy(f"{base}/root/usr/bin/{program}", part)
        part.rename(at)


def _find(package, program):
    there, kept = shutil.which(program), CACHE / program
    if there:
        return there
    if not kept.exists():
        try:
            _unpack(package, program, kept)
        except (OSError, subprocess.SubprocessError):
            pytest.skip(f"{program} is not to be had here")
    return str(kept)


@pytest.fixture(scope="session")
def tool():
    """Runs promtool."""
    at = _find("prometheus", "promtool")

    def run(*args, text=None):
        return subprocess.run([at, *map(str, args)], input=text, text=True,
                              capture_output=True, check=False,
                              timeout=60 * FACTOR)
    return run


@pytest.fixture(scope="session")
def exporter():
    """The path of node_exporter."""
    return _find("prometheus-node-exporter", "prometheus-node-exporter")


def check_metrics(run, text):
    done = run("check", "metrics", text=text)
    said = [line for line in done.stderr.splitlines()
            # The operator's names are older than the linter's rules.
            if "active_total" not in line]
    assert done.returncode in (0, 3) and not said, done.stderr
