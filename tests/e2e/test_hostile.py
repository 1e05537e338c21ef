# SPDX-License-Identifier: Apache-2.0
"""Users and texts that mean no good."""
import os

import pytest

from uvr import get, manifest, put, until

ESC = "\x1b[2J\x07\x9b31m"


def read_all(d):
    """Every file of the tree that has an end."""
    for top, _, names in os.walk(d.mnt):
        for name in names:
            path = os.path.join(top, name)
            if not os.path.islink(path):
                yield path, get(path)
        for name in names + [top]:
            yield name, name


def is_plain(text):
    return not [c for c in text if (c < " " and c not in "\n\t") or
                "\x7f" <= c <= "\x9f"]


def test_nothing_reaches_a_terminal(make):
    """What storage, users and manifests say does nothing to who reads it."""
    d = make().start()
    r = d.replica("loud", clusters=("prod", "dr"))
    d.faults("prod", f"in-use pod/{ESC}db-0")
    until(lambda: "db-0" in r.plan("promoting"), "in use")
    r.ask("promoting")
    r.ask(f"{ESC}")
    r.ask(f"x{ESC}y")
    put(r / "hold", f"do not {ESC} touch\n")
    r.ask("promoting")
    put(r / "hold", "\n")
    os.mkdir(d / "database/odd")
    odd = d.uvr("database", "odd")
    text = manifest("odd", clusters=('"a\\e[2Jb"', "dr")).replace(
        "storageClass: fast", 'storageClass: "f\\e[2Jst"')
    odd.write("spec.yaml", text)
    odd.write("spec.yaml", text + ESC + ": 1\n")
    loud = {path: [line for line in said.split("\n") if not is_plain(line)]
            for path, said in read_all(d) if not is_plain(said)}
    assert not loud
    assert is_plain(d.stderr())
