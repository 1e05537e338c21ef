# SPDX-License-Identifier: Apache-2.0
"""The examples of the manual pages, typed; the configurations of the others."""
import os
import re

import pytest
import yaml

from pages import blocks_of, examples_of
from test_top import terminal  # noqa: F401
from test_tutorial import db  # noqa: F401
from test_users import device, home, is_over, run  # noqa: F401
from uvr import BINARY, KUBECONFIG, ROOT, get, sh, until


def examples(page):
    """What is typed in them, a block each."""
    return examples_of(page, "EXAMPLES")


def type_in(d, text, seconds=60, **env):
    """At a mount that is /uvr, with what the package puts into the path."""
    path = f"{os.path.dirname(BINARY)}:{ROOT}/mount:{os.environ['PATH']}"
    return sh(text.replace("/uvr/", f"{d.mnt}/").replace(
        "cd /uvr\n", f"cd {d.mnt}\n"), seconds=seconds,
        env={"UVR_ROOT": str(d.mnt), "PATH": path, **env})


def test_uvr_failover(db):  # noqa: F811
    block, = examples("uvr-failover.1")
    plan, doing = block.splitlines()
    done = type_in(db.daemon, plan)
    assert done.rc == 0 and "demote-peer" in done.out, done
    assert db.state == "replica"
    done = type_in(db.daemon, doing)
    assert done.rc == 0 and db.state == "source", done


def test_uvr_top(db, terminal):  # noqa: F811
    block, = examples("uvr-top.1")
    screen, lines = block.splitlines()
    assert screen == "uvr-top"
    t = terminal(db.daemon.mnt)
    t.shows("database/production-db", "True Verified")
    t.quit()
    assert type_in(db.daemon, lines).rc == 1
    db.daemon.faults(db.here, "no-copy")
    assert db.write("schedule", "mode: continuous\nrpo: 1s\n") == 0
    until(lambda: "production-db" in type_in(db.daemon, lines).out,
          "it is over its RPO")


def test_uvrfs(home):  # noqa: F811
    """As anybody, with nothing else."""
    block, = examples("uvrfs.8")
    *lines, last = block.splitlines()
    path = f"PATH={home}:$PATH"
    done = run(home, "\n".join(["set -e", path, *lines]))
    assert done.rc == 0 and "echo promoting > state" in done.out, done
    until(lambda: run(home, last).rc == 0, "it is busy for a moment only")
    until(lambda: is_over(home), "all of it is gone")


def test_uvrfs_yaml(make):
    """But for the names of a user, and of a directory."""
    block, = examples("uvrfs.yaml.5")
    d = make(config="")
    text = block.replace("postgres", "root").replace("/var/lib/uvrfs",
                                                     str(d.state))
    assert text.count("root") == 2 and str(d.state) in text
    d.config.write_text(text)
    d.start()
    assert get(d / ".uvrfs/backends/lab/available") == "yes\n"


@pytest.mark.parametrize("page", sorted(
    p.name for p in (ROOT / "docs").glob("*.md")
    if "\nsite: " in p.read_text() and p.name != "backend-ceph-rbd.md"))
def test_a_configuration_that_a_page_shows(make, page):
    """That of ceph-rbd, which not every build has, is used in tests/ceph."""
    text, = (b for b in blocks_of(f"docs/{page}", "yaml") if "site: " in b)
    d = make(config="")
    kubeconfig = d.base / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    kubeconfig.chmod(0o600)
    d.config.write_text(re.sub(r"kubeconfig: [^\s,}]+",
                               f"kubeconfig: {kubeconfig}", text))
    assert sh(f"{BINARY} -c {d.config} --check-config").out == "ok\n"


def test_what_replaces_kubectl(db):  # noqa: F811
    """Whatever of the table only reads, as it is there."""
    found = yaml.safe_load(db.read("spec.yaml"))
    found["metadata"]["labels"] = {"team": "orders"}
    assert db.write("spec.yaml", yaml.safe_dump(found)) == 0, db.error
    text = get(ROOT / "docs/from-kubectl.md")
    assert "`cd /uvr/database/production-db`" in text
    right = re.findall(r"^\| .* \| (.*) \|$", text, re.M)
    reads = [c for c in re.findall(r"`(.*?)`", " ".join(right))
             if re.match(r"(cat|ls|grep|test|timeout) (?!FILE)", c)]
    assert len(reads) > 20
    for command in reads:
        done = type_in(db.daemon, f"cd {db.path}; " + command.replace(
            " .uvrfs/", " /uvr/.uvrfs/"))
        assert done.rc == 0 and not done.err, (command, done)


def test_a_list_is_gone_through_again(make):
    """That of tutorial-site-down, with one that is done by then."""
    block, = (b for b in blocks_of("docs/tutorial-site-down.md", "sh")
              if "echo promoting" in b)
    d = make().start()
    done, other = d.replica("done"), d.replica("other")
    d.lose(done.peer), d.lose(other.peer)
    for r in done, other:
        until(lambda r=r: "unplanned" in r.plan("promoting"), "it is silent")
    again = block[block.index("while"):]
    typed = type_in(d, f"set -eu; cd {d.mnt}/.uvrfs/by-source/there\n"
                    f"{block}\n{again}")
    assert typed.rc == 0 and not typed.err, typed
    assert (done.state, other.state) == ("source", "source")
    assert not done.error + other.error


def test_uvrfs_7(db):  # noqa: F811
    failover, site, ill = examples("uvrfs.7.in")
    d = db.daemon
    done = type_in(d, f"set -e; cd {db.path}\n{failover}")
    assert done.rc == 0 and "demote-peer" in done.out, done
    assert db.state == "source"

    d.replica("other")
    done = type_in(d, site.replace("us-east-1", "there"))
    assert done.rc == 0 and done.out == "", done
    other = d.uvr("database", "other").done()
    assert (other.state, db.state) == ("promoting", "source")

    other.go("source", "swap")
    db.go("swap")
    assert type_in(d, ill).out == ""
    d.lose(other.peer)
    other.await_cond("Degraded", "True")
    assert type_in(d, ill).out == "database/other/conditions\n"
