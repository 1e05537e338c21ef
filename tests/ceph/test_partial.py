# SPDX-License-Identifier: Apache-2.0
"""A site of which a part is gone: it is not lost, and needs force."""
import json

import pytest

from conftest import config, running_rig
from images import Images
from pair import adopt, await_peer, await_plan
from rig import POOL
from uvr import name_of, until

pytestmark = pytest.mark.limit(400)

OTHER = "second"


@pytest.fixture(scope="module")
def rig():
    """Of its own: with two OSDs, and another pool that is mirrored."""
    with running_rig(1, osds=2) as one:
        for site in one.sites.values():
            site.ceph("osd", "pool", "create", OTHER, 8)
            site.rbd("pool", "init", OTHER)
            site.rbd("mirror", "pool", "enable", "--site-name", site.name,
                     OTHER, "image")
        one.peer(OTHER)
        one["site-a"].ceph("osd", "set-require-min-compat-client", "luminous",
                           "--yes-i-really-mean-it")
        yield one


@pytest.fixture(scope="module")
def images(rig):
    return Images(rig)


@pytest.fixture
def d(rig, make, all_well):
    return make(config=config(rig, "site-b")).start()


def group_of(site, name, pool=POOL):
    return json.loads(site.ceph("osd", "map", pool, name, "-f", "json"))["pgid"]


def keep_on_osd_0(site, *kept):
    """It has these placement groups, and OSD 1 has the others."""
    def osd_of(group):
        found = json.loads(site.ceph("pg", "map", group, "-f", "json"))
        return found["up"], found["acting"]
    todo = {f"{pool}.{n}": 1 for pool in {g[0] for g in kept}
            for n in range(8)} | {group: 0 for group in kept}
    for group, osd in todo.items():
        site.ceph("osd", "rm-pg-upmap-items", group)
        if osd_of(group)[0] != [osd]:
            site.ceph("osd", "pg-upmap-items", group, 1 - osd, osd)
    until(lambda: all(osd_of(group) == ([osd], [osd])
                      for group, osd in todo.items()), "all have moved", 60)


def is_on(site, images, name, group):
    with images.open(site.name, name, read_only=True) as image:
        header = f"rbd_header.{image.id()}"
    return group in (group_of(site, f"rbd_id.{name}"), group_of(site, header))


def make_beside(site, images, group):
    """An image of which nothing that a look needs is in the group."""
    while is_on(site, images, name := images.make(), group):
        pass
    return name


def needs_force(r, why):
    assert why in await_plan(r, "promoting", "needs force", 90)
    assert name_of(r.ask("promoting")) == "EBUSY" and "alive" in r.error
    assert r.seen("peer")["reach"] == "silent"
    assert r.status["observation"]["peerAlive"]


def test_no_osd_answers(rig, d, images):
    """The monitors are alive, and whether clients write can't be told."""
    image = images.make()
    r = adopt(d, image, rpo="1h")
    a = rig["site-a"]
    a.kill("osd.0", "osd.1", "mirror")
    needs_force(r, "its monitors answer, and its OSDs don't")
    a.kill("mon")
    assert "failover: unplanned" in await_plan(r, "promoting", "allowed", 90)
    assert not images.is_primary("site-b", image)


def test_nor_can_it_be_asked_anew(rig, make, images, all_well, tmp_path):
    """That this machine has lost its ceph.conf says nothing about them."""
    a, conf = rig["site-a"], tmp_path / "conf"
    conf.write_text(a.conf.read_text())
    d = make(config=config(rig, "site-b", site_a=(
        f"{{conf: {conf}, user: uvrfs, keyring: {a.keyring}}}"))).start()
    r = adopt(d, images.make(), rpo="1h")
    conf.unlink()
    a.kill("osd.0", "osd.1", "mirror")
    needs_force(r, "its monitors answer, and its OSDs don't")


def test_some_images_are_silent(rig, d, images):
    a = rig["site-a"]
    mute = images.make()
    group = group_of(a, f"rbd_id.{mute}")
    whole = make_beside(a, images, group)
    # Of the other pool there is no list, either.
    keep_on_osd_0(a, group, group_of(a, "rbd_mirroring", OTHER))
    a.rbd("create", "--size", "1M", f"{OTHER}/i")
    r, other = adopt(d, mute, rpo="1h"), adopt(d, whole, rpo="1h")
    second = adopt(d, "i", handle=f"{OTHER}/i", rpo="1h")
    a.kill("osd.0")

    def is_silent():
        assert other.seen("peer")["reach"] == "ok"
        return r.seen("peer")["reach"] == "silent"
    until(is_silent, "it gives no answer", 90)
    needs_force(r, "no answer")
    needs_force(second, "no answer")
    # Of the other one all is known, still.
    await_plan(other, "promoting", "allowed\nfailover: planned")
    with images.open("site-a", whole):
        until(lambda: other.seen("peer")["inUse"], "a client", 60)
    assert r.ask("promoting force") == 0, r.error
    r.done(seconds=120).go("source")
    assert images.is_primary("site-b", mute)
    a.kill()
    a.start()
    r.await_cond("Degraded", "True", "SplitBrain", seconds=120)
    await_peer(second, "ok")


def test_its_clients_go_on_without_monitors(rig, d, images):
    """What is missing is all that a look begins with; its clients can write."""
    a = rig["site-a"]
    group = group_of(a, "rbd_mirroring")
    r = adopt(d, make_beside(a, images, group), rpo="1h")
    keep_on_osd_0(a, group)
    a.kill("mon", "osd.0", "mirror")
    needs_force(r, "no answer")
    a.kill("osd.1")
    assert "failover: unplanned" in await_plan(r, "promoting", "allowed", 90)


def test_a_machine_that_is_fenced(rig, d, images):
    """Whoever comes from it is blocklisted: nothing is known of the rest."""
    r = adopt(d, images.make(), rpo="1h")
    a = rig["site-a"]
    a.ceph("osd", "blocklist", "add", "127.0.0.1:0/0")
    try:
        await_peer(r, "refused")
        assert "blocklisted" in await_plan(r, "promoting", "needs force")
    finally:
        a.ceph("osd", "blocklist", "rm", "127.0.0.1:0/0")
    await_peer(r, "ok")
