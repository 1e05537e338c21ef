# SPDX-License-Identifier: Apache-2.0
"""docs/backend-ceph-rbd.md, typed."""
import os
import re
import subprocess

import pytest

from uvr import ROOT

pytestmark = pytest.mark.limit(400)


def test_the_document(rig, at_b):
    text = (ROOT / "docs/backend-ceph-rbd.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)
    assert len(blocks) > 3
    done = subprocess.run(
        ["bash", "-eux"], input="\n".join(blocks), text=True, check=False,
        capture_output=True, timeout=380,
        env=dict(os.environ, UVR_ROOT=str(at_b.mnt),
                 A=str(rig["site-a"].conf), B=str(rig["site-b"].conf)))
    assert done.returncode == 0, done.stdout + done.stderr
    # What it shows of the plan is what the plan is.
    shown = re.search(r"^(allowed\nfailover: planned\n.*?)^```$", text,
                      re.M | re.S).group(1)
    assert shown in done.stdout
    assert "order 4711" in done.stdout
