# SPDX-License-Identifier: Apache-2.0
"""Fixtures, and what keeps a broken daemon from hanging or littering."""
import os
import pathlib
import signal
import sys
import threading

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import uvr  # noqa: E402
from machine import Machine  # noqa: E402

CLONE_NEWNS = 0x20000
MS_REC_PRIVATE = 0x4000 | 0x40000


def place(numbers):
    """Where so many numbers of this process begin: those of the workers of one
    run follow each other."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if not worker.startswith("gw"):
        return os.getpid()
    return os.getppid() + int(worker[2:]) * numbers


def pytest_addoption(parser):
    parser.addoption("--write-table", action="store_true",
                     help="write docs/programs.md from what comes out")


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "limit(seconds): a test may take longer than the usual")
    config.addinivalue_line(
        "markers", "robot: runs Ansible, Puppet or dpkg, slowly")
    # As Ctrl-C: the fixtures clean up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Mounts of our own: they go with us, also after kill -9.
    if uvr.libc.unshare(CLONE_NEWNS) == 0:
        uvr.libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None)
        # To abort a mount that hangs, and to count the requests that wait.
        if not os.listdir("/sys/fs/fuse/connections"):
            uvr.libc.mount(b"none", b"/sys/fs/fuse/connections", b"fusectl",
                           0, None)


def pytest_collection_modifyitems(items):
    for item in items:
        if "ansible" in item.nodeid or "puppet" in item.nodeid:
            item.add_marker("robot")


def pytest_sessionstart(session):
    if not os.access(uvr.BINARY, os.X_OK):
        pytest.exit(f"{uvr.BINARY} is not there: build it, or set UVRFS", 1)
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.exit("/dev/fuse can't be used here", 77)


def pytest_sessionfinish(session, exitstatus):
    for daemon in list(uvr.live):
        daemon.abort()
    uvr.destroy_all(list(uvr.live))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for daemon in uvr.live:
            report.sections.append((f"stderr of {daemon.base}",
                                    daemon.stderr()[-4000:]))


@pytest.fixture(autouse=True)
def watchdog(request):
    """A test that takes too long loses its daemons, and goes on to fail."""
    marker = request.node.get_closest_marker("limit")
    seconds = (marker.args[0] if marker else 60) * uvr.FACTOR
    timer = threading.Timer(
        seconds, lambda: [d.abort() for d in list(uvr.live)])
    timer.daemon = True
    timer.start()
    yield
    timer.cancel()


@pytest.fixture(scope="module")
def empty_machine(tmp_path_factory):
    """For a daemon as it is installed; not started yet."""
    built = pathlib.Path(uvr.BINARY).read_bytes()
    if uvr.WRAPPER or b"__asan_init" in built or b"__tsan_init" in built:
        pytest.skip("the sandbox is for the daemon as it is installed")
    made = Machine(tmp_path_factory.mktemp("machine"))
    yield made
    made.end()


@pytest.fixture(scope="module")
def make_shared():
    """Daemons that last as long as their module."""
    made = []

    def make(*args, **options):
        made.append(uvr.Daemon(*args, **options))
        return made[-1].start()
    yield make
    uvr.destroy_all(made)


@pytest.fixture(scope="module")
def module_daemon(make_shared):
    """One daemon for a module's tests; each makes replications of its own."""
    return make_shared()


@pytest.fixture
def d(module_daemon):
    assert module_daemon.alive(), "an earlier test has lost the daemon"
    return module_daemon


@pytest.fixture
def make():
    """Daemons of one test, not started yet."""
    made = []

    def new(*args, **options):
        made.append(uvr.Daemon(*args, **options))
        return made[-1]
    yield new
    uvr.destroy_all(made)


@pytest.fixture
def own(make):
    """A daemon for one test that will kill or spoil it."""
    return make().start()
