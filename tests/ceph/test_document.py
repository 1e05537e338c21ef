# SPDX-License-Identifier: Apache-2.0
"""docs/backend-ceph-rbd.md, typed."""
import os
import re
import subprocess

import pytest

from pages import blocks_of
from pair import adopt, await_plan
from rig import POOL
from shell import FACTOR

PAGE = "docs/backend-ceph-rbd.md"

pytestmark = pytest.mark.limit(400)


def typed(rig, blocks, cwd="/", **env):
    done = subprocess.run(
        ["bash", "-eux"], input="\n".join(blocks), text=True, check=False,
        capture_output=True, timeout=380 * FACTOR, cwd=cwd,
        env=dict(os.environ, A=str(rig["site-a"].conf),
                 B=str(rig["site-b"].conf), **env))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_you_need(rig, make, tmp_path):
    """All of it made anew, in another pool and for another user."""
    for site in rig.sites.values():
        site.ceph("osd", "pool", "create", "fresh", "8")
        site.rbd("pool", "init", "fresh")
    setup = blocks_of(PAGE)[0].replace("client.uvrfs", "client.fresh")
    setup = re.sub(r"(?<= )rbd (image|>|token)", r"fresh \1", setup)
    # As this user, whose group is there.
    setup = re.sub(r"-g uvrfs(.*) /etc/ceph", fr"-g {os.getegid()}\1 etc", setup)
    (tmp_path / "etc").mkdir()
    typed(rig, [re.sub(r"(.*# at ([AB]).*)", r"export CEPH_CONF=$\2; \1",
                       setup)], tmp_path)
    text, = blocks_of(PAGE, "yaml")
    for letter, site in zip("ab", rig.sites.values()):
        keyring = f"{letter}.uvrfs.keyring"
        text = text.replace(f"/etc/ceph/{letter}.conf", str(site.conf))
        text = text.replace(f"/etc/ceph/{keyring}", str(tmp_path / "etc" / keyring))
    text = text.replace("user: uvrfs", "user: fresh")
    d = make(config=text).start()
    rig["site-a"].rbd("create", "--size", "1M", "fresh/first")
    r = adopt(d, "first", handle="fresh/first")
    r.go("promoting", "source")
    assert '"mirroring":{"mode":"snapshot"' in (info := rig["site-b"].rbd(
        "info", "--format", "json", "fresh/first")), info
    assert re.search(r'"primary": ?true', info), info


def test_the_document(rig, at_b):
    blocks = blocks_of(PAGE, "sh")
    assert len(blocks) > 3
    out = typed(rig, blocks, UVR_ROOT=str(at_b.mnt))
    # What it shows of the plan is what the plan is.
    shown, = (b for b in blocks_of(PAGE) if b.startswith("allowed\n"))
    assert shown in out
    assert "order 4711" in out


def test_the_drill(rig, at_b, images, tmp_path):
    """It has what was written before it, and touches nothing."""
    name, disk = images.make(), tmp_path / "disk"
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-L", "orders", disk, "8M"],
                   check=True)
    images.write("site-a", name, disk.read_bytes())
    r = adopt(at_b, name)
    blocks = blocks_of("docs/tutorial-drill.md", "bash")
    assert len(blocks) == 3
    out = typed(rig, blocks, tmp_path, image=f"{POOL}/{name}")
    assert re.search(r"^orders: .* files ", out, re.M), out
    assert os.listdir(tmp_path) == ["disk"]
    assert r.ready.status == "True" and r.state == "replica"
    for site in rig.sites:
        assert not images.exists(site, f"{name}-drill")
    # An image that was cloned would not be let go of.
    await_plan(r, "promoting", "allowed")
    r.go("promoting", "source")
    assert images.primaries(name) == ["site-b"]
