# SPDX-License-Identifier: Apache-2.0
"""The rig, the daemons, and the fixtures that the end-to-end tests have."""
import contextlib
import importlib.util
import os
import pathlib
import signal
import sys
import tempfile

import pytest

HERE = pathlib.Path(__file__).resolve().parent
E2E = HERE.parent / "e2e"
sys.path[:0] = [str(HERE), str(E2E)]

spec = importlib.util.spec_from_file_location("e2e_conftest",
                                              E2E / "conftest.py")
e2e = importlib.util.module_from_spec(spec)
spec.loader.exec_module(e2e)

pytest_addoption = e2e.pytest_addoption
pytest_configure = e2e.pytest_configure
pytest_sessionstart = e2e.pytest_sessionstart
pytest_sessionfinish = e2e.pytest_sessionfinish
pytest_runtest_makereport = e2e.pytest_runtest_makereport
watchdog = e2e.watchdog
make = e2e.make

from images import Images  # noqa: E402
from rig import Rig, SITES  # noqa: E402
from uvr import Daemon  # noqa: E402

CONFIG = """site: {site}
clusters:
{clusters}backends:
  rbd: {{type: ceph-rbd}}
  lab: {{type: sim}}
select:
  - {{storageClass: "lab", backend: lab}}
  - {{storageClass: "*", backend: rbd}}
timeouts: {{act: 10s, retryFirst: 200ms, retryMax: 1s, minDeadline: 300s}}
"""


def config(rig, site, **other):
    """The configuration of the daemon at a site."""
    lines = ""
    for name in SITES:
        access = other.get(name.replace("-", "_")) or (
            f"{{conf: {rig[name].conf}, user: uvrfs, "
            f"keyring: {rig[name].keyring}}}")
        if access != "none":
            lines += f"  {name}: {{ceph: {access}}}\n"
    return CONFIG.format(site=site, clusters=lines or "  other: {}\n")


@contextlib.contextmanager
def running_rig(number=0, osds=1):
    """A pair of clusters, with 200 ports of its own for each number up to 2."""
    with tempfile.TemporaryDirectory(prefix="uvr-ceph-") as base:
        one = Rig(base, 20000 + (e2e.place(3) + number) % 60 * 200, osds)
        try:
            yield one.start()
        finally:
            one.stop()
            os.makedirs(base, exist_ok=True)


@pytest.fixture(scope="session")
def rig():
    with running_rig() as one:
        yield one


@pytest.fixture(scope="session")
def images(rig):
    return Images(rig)


@pytest.fixture
def all_well(rig):
    """What a test does to the clusters ends with it."""
    yield
    for site in rig.sites.values():
        site.send(signal.SIGCONT)
        if len(site.pids()) < 2 + site.osds:
            site.kill()
            site.start()


def daemon(rig, site):
    one = Daemon(config=config(rig, site)).start()
    yield one
    one.destroy()


@pytest.fixture(scope="session")
def at_a(rig):
    yield from daemon(rig, "site-a")


@pytest.fixture(scope="session")
def at_b(rig):
    yield from daemon(rig, "site-b")
