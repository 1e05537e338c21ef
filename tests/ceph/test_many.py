# SPDX-License-Identifier: Apache-2.0
"""Many images of one pool: what is known of them, and what that costs."""
import json
import pathlib
import subprocess
import time

import pytest

from conftest import config, running_rig
from images import Images
from pair import manifest
from uvr import until

NUMBER = 200
SECONDS = 5               # of counting, some rounds
pytestmark = pytest.mark.limit(600)


@pytest.fixture(scope="module")
def rig():
    """Of its own: what is done to clusters takes longer with many images."""
    with running_rig(1) as one:
        yield one


@pytest.fixture(scope="module")
def images(rig):
    return Images(rig)


def operations(directory, pid):
    """RADOS operations so far of a process's clients, by their sockets."""
    total = 0
    for socket in pathlib.Path(directory).glob(f"*.{pid}.*asok"):
        done = subprocess.run(
            ["ceph", "--admin-daemon", socket, "perf", "dump"],
            capture_output=True, text=True, timeout=30, check=False)
        if done.returncode == 0:
            total += json.loads(done.stdout)["objecter"]["op"]
    return total


def rate(directory, pid):
    """Operations a second, while nothing happens but what uvrfs does itself."""
    before, end = operations(directory, pid), time.monotonic() + SECONDS
    until(lambda: time.monotonic() > end, "some rounds", 2 * SECONDS)
    return (operations(directory, pid) - before) / SECONDS


def add(d, images, number):
    names = [images.make(mode=None, size=1 << 20) for _ in range(number)]
    rs = [d.mk("many", name, manifest(name, rpo="1h")) for name in names]
    until(lambda: all(r.conditions["Degraded"].status == "False"
                      for r in rs), "all are whole", 400)
    return rs


def test_two_hundred(rig, make, images, tmp_path, capsys):
    access = {}
    for name, site in rig.sites.items():
        conf = tmp_path / f"{name}.conf"
        conf.write_text(site.conf.read_text().replace(
            "[client]\n", "[client]\nadmin_socket = "
            f"{tmp_path}/{name}.$pid.$cctid.asok\n"))
        access[name.replace("-", "_")] = (
            f"{{conf: {conf}, user: uvrfs, keyring: {site.keyring}}}")
    d = make(config=config(rig, "site-b", **access)).start()
    rs = add(d, images, NUMBER)
    assert all(r.read("lag").strip().isdigit() for r in rs)
    assert all(r.state == "replica" for r in rs)
    assert all(r.read("progress") == "-\n" for r in rs)
    rates = []

    def few():
        rates.append(rate(tmp_path, d.process.pid))
        return 0 < rates[-1] < NUMBER
    # Once all that is new has been looked at: what rbd-mirror says of an image
    # changes until half a minute after it was made.
    until(few, "less than one RADOS operation a second for an image", 180)
    with capsys.disabled():
        print(f"\n{NUMBER} images: {rates[-1]:.0f} RADOS operations a second, "
              "both sites together")
