# SPDX-License-Identifier: Apache-2.0
"""An API server, proxies in front of it, and the end-to-end fixtures."""
import contextlib
import functools
import importlib.util
import os
import pathlib
import socket
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
pytest_sessionfinish = e2e.pytest_sessionfinish
pytest_runtest_makereport = e2e.pytest_runtest_makereport
watchdog = e2e.watchdog
make = e2e.make

from kube import APISERVER, Cluster  # noqa: E402
from proxy import Proxy  # noqa: E402
from sites_ceph import CephSites  # noqa: E402
from sites_dell import DellSites  # noqa: E402
from sites_trident import TridentSites  # noqa: E402
from daemons import (make_node, make_shared_node, shared_store,  # noqa
                     store)

VENDORS = {"ceph": CephSites, "trident": TridentSites,
           "powerstore": DellSites}

PORTS = 4                       # of a cluster, one of which is spare


def pytest_sessionstart(session):
    e2e.pytest_sessionstart(session)
    if not os.access(APISERVER, os.X_OK):
        pytest.exit(f"{APISERVER} is not there: run tests/api/build-apiserver",
                    1)


def is_free(port):
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return sock.connect_ex(("127.0.0.1", port)) != 0


def free_ports(number):
    """The first of some that nobody has, and that no other worker tries: one
    may see them free before the other has them."""
    for turn in range(20):
        first = 10000 + (e2e.place(10) + number + turn * 97) % 2500 * PORTS
        if all(is_free(first + i) for i in range(PORTS)):
            return first
    raise AssertionError("no ports")


@contextlib.contextmanager
def running_cluster(number=0):
    # etcd waits for its disk with each write.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="uvr-kube-", dir=memory) as base:
        one = Cluster(os.path.join(base, "rig"), free_ports(number))
        try:
            yield one.start()
        finally:
            one.stop()


@pytest.fixture(scope="session")
def cluster():
    """For all tests of a process: who restarts it leaves it as it was."""
    with running_cluster() as one:
        yield one


@pytest.fixture
def make_cluster():
    """More of them, for one test."""
    with contextlib.ExitStack() as stack:
        made = []

        def new():
            made.append(stack.enter_context(running_cluster(1 + len(made))))
            return made[-1]
        yield new


@pytest.fixture
def make_proxy(cluster):
    """Proxies of one test, started; in front of the cluster or another."""
    made = []

    def new(of=None, **options):
        made.append(Proxy(of or cluster, **options).start())
        return made[-1]
    yield new
    for proxy in made:
        proxy.stop()


@pytest.fixture
def proxy(make_proxy):
    return make_proxy()


@pytest.fixture
def limited(cluster):
    """Gives `limited` rights, in place of those before, until the test's end."""
    yield functools.partial(cluster.grant, "limited")
    cluster.revoke("limited")


@pytest.fixture(scope="session")
def other_cluster():
    """The peer's, likewise for all tests of a process."""
    with running_cluster(number=7) as one:
        yield one


@pytest.fixture(scope="session")
def pair(cluster, other_cluster):
    return cluster, other_cluster


@pytest.fixture(params=VENDORS)
def sites(request, cluster, other_cluster):
    """Two sites of a vendor, for one test."""
    made = VENDORS[request.param](other_cluster, cluster)
    yield made
    made.close()
