# SPDX-License-Identifier: Apache-2.0
"""docs/backend-ceph-rbd.md, typed."""
import os
import re
import subprocess

import pytest

from pair import adopt
from rig import POOL
from uvr import ROOT

pytestmark = pytest.mark.limit(400)


def typed(rig, blocks, cwd="/", **env):
    done = subprocess.run(
        ["bash", "-eux"], input="\n".join(blocks), text=True, check=False,
        capture_output=True, timeout=380, cwd=cwd,
        env=dict(os.environ, A=str(rig["site-a"].conf),
                 B=str(rig["site-b"].conf), **env))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_document(rig, at_b):
    text = (ROOT / "docs/backend-ceph-rbd.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)
    assert len(blocks) > 3
    out = typed(rig, blocks, UVR_ROOT=str(at_b.mnt))
    # What it shows of the plan is what the plan is.
    shown = re.search(r"^(allowed\nfailover: planned\n.*?)^```$", text,
                      re.M | re.S).group(1)
    assert shown in out
    assert "order 4711" in out


def test_the_drill(rig, at_b, images, tmp_path):
    """It has what was written before it, and touches nothing."""
    name, disk = images.make(), tmp_path / "disk"
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-L", "orders", disk, "8M"],
                   check=True)
    images.write("site-a", name, disk.read_bytes())
    r = adopt(at_b, name)
    text = (ROOT / "docs/tutorial-drill.md").read_text()
    blocks = re.findall(r"^```bash\n(.*?)^```$", text, re.M | re.S)
    assert len(blocks) == 3
    out = typed(rig, blocks, tmp_path, image=f"{POOL}/{name}")
    assert re.search(r"^orders: .* files ", out, re.M), out
    assert os.listdir(tmp_path) == ["disk"]
    assert r.ready.status == "True" and r.state == "replica"
    for site in rig.sites:
        assert not images.exists(site, f"{name}-drill")
    # An image that was cloned would not be let go of.
    r.go("promoting", "source")
    assert images.primaries(name) == ["site-b"]
