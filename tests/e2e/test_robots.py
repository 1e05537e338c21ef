# SPDX-License-Identifier: Apache-2.0
"""The examples for Ansible and Puppet in docs/, run as they are: they keep
replications as the manifests say, and never undo a failover."""
import errno
import os
import shutil

import pytest

from pages import blocks_of
from programs import PATH
from uvr import ROOT, manifest, name_of, put, sh

EXAMPLES = ROOT / "docs/examples"
NAME = "production-db"
REPLICATION = "database/" + NAME


class Ansible:
    program, document = "ansible-playbook", "docs/ansible.md"

    def __init__(self, root, home, manifests):
        self.command = (
            f"ansible-playbook {EXAMPLES}/replications.yml -e uvr={root} "
            f"-e manifests={manifests} "
            "-e ansible_python_interpreter=/usr/bin/python3")

    def outcome(self, done):
        if done.rc:
            return "failed"
        return "none" if " changed=0 " in done.out else "changed"


class Puppet:
    program, document = "puppet", "docs/puppet.md"

    def __init__(self, root, home, manifests):
        self.command = (
            f"FACTER_uvr_root={root} FACTER_uvr_manifests={manifests} "
            f"puppet apply --confdir={home}/conf --vardir={home}/var "
            "--color=false --detailed-exitcodes "
            f"{EXAMPLES}/replications.pp")

    def outcome(self, done):
        return {0: "none", 2: "changed"}.get(done.rc, "failed")


class Robot:
    """One of the two, and the manifest that it holds."""

    def __init__(self, kind, root, home):
        self.root, self.repository = root, home / "repository"
        self.tool = kind(root, home, self.repository / "manifests")
        self.env = {"PATH": PATH, "HOME": str(home), "LC_ALL": "C.UTF-8",
                    "ANSIBLE_LOCALHOST_WARNING": "0"}
        self.file = self.repository / "manifests" / (REPLICATION + ".yaml")
        self.file.parent.mkdir(parents=True)

    def keep(self):
        """Takes what is there into version control."""
        done = sh(f"git init -q {self.repository} && cd {self.repository} && "
                  "git config user.name us && git config user.email us@site &&"
                  " git add . && git commit -qm first", env=self.env)
        assert done.rc == 0, done

    def follow_the_document(self):
        """What it says at its end."""
        block = blocks_of(self.tool.document)[-1]
        assert "cd /uvr/" in block and "~/repository" in block
        done = sh("set -e\n" + block.replace("/uvr/", f"{self.root}/"),
                  env=self.env)
        assert done.rc == 0, done

    def run(self):
        done = sh(self.tool.command, seconds=60, env=self.env)
        assert done.rc != 124, done
        # Lines are cut or quoted anew by the robots.
        said = " ".join((done.out + done.err).replace("\\n", " ").split())
        return self.tool.outcome(done), said

    def settles(self, first="changed"):
        """One run brings it about, another finds nothing to do."""
        for expected in (first, "none"):
            outcome, said = self.run()
            assert outcome == expected, said

    def is_refused(self, r, *words):
        """It changes nothing, fails, and says why."""
        before, there = r.picture(), sorted(os.listdir(r.path))
        outcome, said = self.run()
        assert outcome == "failed", said
        assert r.picture() == before
        assert sorted(os.listdir(r.path)) == there
        sentence = r.error.splitlines()[-1].split(": ", 1)[1]
        for word in (*words, " ".join(sentence.split())):
            assert word in said, (word, said)


@pytest.fixture(params=[Ansible, Puppet], ids=["ansible", "puppet"])
def kind(request):
    if not shutil.which(request.param.program, path=PATH):
        pytest.skip(f"{request.param.program} is not installed")
    return request.param


@pytest.fixture
def robot(kind, own, tmp_path):
    return Robot(kind, own.mnt, tmp_path)


def ready(robot, own, **spec):
    """A healthy replication that the robot has made."""
    robot.file.write_text("# Kept in our repository.\n" +
                          manifest(NAME, **spec))
    robot.settles()
    r = own.uvr("database", NAME).done()
    assert r.read("spec.yaml") == robot.file.read_text()
    r.await_cond("Degraded", "False")
    return r


@pytest.mark.limit(180)
def test_a_robot_in_a_failover(robot, own):
    r = ready(robot, own)
    robot.keep()
    assert r.state == "replica"

    # An operator fails over; the robot holds yesterday's manifest.
    r.go("promoting")
    for _ in range(2):
        robot.is_refused(r, "Operation not permitted")
    r.go("source", "swap")
    robot.is_refused(r, "Operation not permitted")
    assert r.state == "source"

    # The operator takes what is true now into the robot's repository.
    robot.follow_the_document()
    journal = r.journal()
    robot.settles()
    assert r.state == "source" and r.journal() == journal

    # And the robot is of use again.
    text = robot.file.read_text()
    assert "  replicationMode: synchronous\n" in text
    robot.file.write_text(text.replace("synchronous", "asynchronous"))
    robot.settles()
    assert r.read("mode") == "asynchronous\n" and r.state == "source"


@pytest.mark.limit(120)
def test_a_robot_says_what_is_wrong(robot, own):
    """A bad manifest makes no replication, and a bad change no change."""
    good = manifest(NAME, schedule="mode: continuous")
    bad = good.replace("mode: continuous", "mode: sometimes")
    robot.file.write_text(bad)
    outcome, said = robot.run()
    assert outcome == "failed" and "sometimes" in said, said
    robot.file.write_text(good)
    robot.settles()
    r = own.uvr("database", NAME).done()
    robot.file.write_text(bad)
    robot.is_refused(r, "Invalid argument", "sometimes")


@pytest.mark.limit(120)
def test_a_robot_minds_the_brake(robot, own):
    r = ready(robot, own)
    assert r.write("hold", "the audit, until noon") == 0
    text = robot.file.read_text()
    robot.file.write_text(text.replace("synchronous", "asynchronous"))
    robot.is_refused(r, "Operation not permitted", "the audit, until noon")
    assert put(r / "hold", "\n") == 0
    assert robot.run()[0] == "changed" and r.read("mode") == "asynchronous\n"


def test_a_robot_without_a_mount(kind, tmp_path):
    root = tmp_path / "uvr"
    root.mkdir()
    robot = Robot(kind, root, tmp_path)
    robot.file.write_text(manifest(NAME))
    outcome, said = robot.run()
    assert outcome == "failed", said
    assert ".uvrfs/version" in said or "uvrfs is not mounted" in said, said
    assert os.listdir(root) == []


def test_the_other_side_of_a_failover(own):
    """Yesterday's manifest says source where somebody steps down."""
    r = own.source()
    yesterday = r.read("spec.yaml")
    assert "resourceVersion" not in yesterday
    own.faults(r.here, "fail demote 1000")
    assert r.ask("demoting") == 0
    before = r.picture()
    code = r.write("spec.yaml", yesterday)
    assert name_of(code) == name_of(errno.EPERM), r.error
    assert "spec.yaml" in r.error and r.picture() == before
    own.faults(r.here)
    r.done()
    assert r.write("spec.yaml", yesterday) == errno.EPERM
    r.go("replica")
    assert r.write("spec.yaml", yesterday) == errno.EPERM
    assert r.state == "replica"
