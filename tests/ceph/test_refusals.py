# SPDX-License-Identifier: Apache-2.0
"""What can't be served ends in a sentence."""
import pytest

from conftest import config
from pair import adopt, await_peer, manifest
from uvr import name_of, put

pytestmark = pytest.mark.limit(120)


def refused(d, image, text):
    """Writing a manifest that is refused; the draft's error."""
    import os
    if not (d / "database").exists():
        os.mkdir(d / "database")
    os.mkdir(d / "database" / image)
    code = put(d / "database" / image / "spec.yaml", text)
    error = (d / "database" / image / "error").read_text()
    os.rmdir(d / "database" / image)
    return name_of(code), error


@pytest.mark.parametrize("handle", ["nopool", "/i", "rbd/", "a/b/c/d", "rbd//i",
                                    "rbd/i@snap"])
def test_a_handle_that_is_none(at_b, handle):
    code, error = refused(at_b, "bad", manifest("bad", handle=handle))
    assert code == "EINVAL" and "POOL/[NAMESPACE/]IMAGE" in error


def test_synchronous_is_not_to_be_had(at_b):
    code, error = refused(at_b, "sync", manifest("sync", mode="synchronous"))
    assert code == "EINVAL" and "asynchronous" in error


@pytest.mark.parametrize("handle", ["rbd/nothing", "nopool/i"])
def test_no_such_image(at_b, handle):
    r = at_b.mk("database", "nothing", manifest("nothing", handle=handle))
    assert r.sync(seconds=60) == 1
    assert "there is no such image" in r.error
    r.await_cond("Ready", "False", "Failed")
    r.path.rmdir()


def test_another_role_is_not_taken(at_b, images):
    image = images.make()
    adopt(at_b, image, state="replica")
    other = images.make()
    r = at_b.mk("database", other, manifest(other, state="source"))
    r.await_cond("Ready", "False", "RoleConflict", seconds=60)
    assert "never changes a role" in r.ready.message
    assert images.primaries(other) == ["site-a"]


ACCESS = {
    "conf": ("{{conf: /nowhere/ceph.conf}}", "unconfigured",
             "can't read /nowhere/ceph.conf"),
    "key": ("{{conf: {conf}, user: uvrfs, keyring: {other}}}", "refused",
            "no key that is good for client."),
    "user": ("{{conf: {conf}, user: nobody, keyring: {keyring}}}", "refused",
             "no key that is good for client."),
    "garbage": ("{{conf: {conf}, user: uvrfs, keyring: {junk}}}",
                "refused", "no key that is good for client."),
    "stranger": ("{{conf: {conf}, user: stranger, keyring: {keyring}}}",
                 "refused", "can't look at the image: Operation not perm"),
    "mute": ("{{conf: {conf}, user: mute, keyring: {keyring}}}", "refused",
             "no key that is good for client."),
    "none": ("none", "unconfigured", "the configuration has no ceph.conf"),
}


@pytest.mark.parametrize("what", ACCESS)
def test_a_peer_that_can_not_be_asked(rig, make, images, tmp_path, what):
    access, reach, why = ACCESS[what]
    a = rig["site-a"]
    junk = tmp_path / "junk"
    junk.write_text("no keyring\n")
    junk.chmod(0o600)
    access = access.format(conf=a.conf, keyring=a.keyring, junk=junk,
                           other=rig["site-b"].keyring)
    image = images.make()
    d = make(config=config(rig, "site-b", site_a=access)).start()
    r = d.mk("database", image, manifest(image))
    r.done(seconds=60)
    r.await_cond("Degraded", "True", seconds=30)
    await_peer(r, reach)
    assert why in r.seen("peer")["why"], r.seen("peer")
    # It may well be alive: nobody is promoted without force.
    assert r.verdict("promoting") in ("needs force", "not now")
    assert name_of(r.ask("promoting")) == "EBUSY"
    assert images.primaries(image) == ["site-a"]
