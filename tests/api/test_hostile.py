# SPDX-License-Identifier: Apache-2.0
"""Servers that mean no good: they learn no secret, and what they say is text."""
import copy
import errno
import json
import os
import ssl

import pytest

import proxy as faults
from daemons import ALL, cut, new_name
from kube import ADMIN
from shell import call, get, until
from test_credentials import install
from test_faults import LIST, WATCH

pytestmark = pytest.mark.limit(120)

ESC = "\x1b[2J\x9b31m"


def is_plain(text):
    return not [c for c in text if (c < " " and c not in "\n\t") or
                "\x7f" <= c <= "\x9f"]


def is_refused(done, server):
    """Before anything was said to it."""
    assert done.returncode == 1 and not server.seen(), done
    assert ADMIN not in done.stderr and is_plain(done.stderr), done.stderr


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_old_tls(shared_store, tmp_path, make_proxy, version):
    old = make_proxy()
    old.context.minimum_version = ssl.TLSVersion.TLSv1
    old.context.maximum_version = ssl.TLSVersion[version]
    old.context.set_ciphers("ALL:@SECLEVEL=0")
    is_refused(install(old.kubeconfig("token"), tmp_path), old)
    old.context.maximum_version = ssl.TLSVersion.TLSv1_2
    done = install(old.kubeconfig("token"), tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_certificate_of_its_own_making(shared_store, tmp_path, make_proxy):
    cert = shared_store.make_server_cert(ca=shared_store.other_ca)
    alone = make_proxy(cert=cert)
    is_refused(install(alone.kubeconfig("token"), tmp_path), alone)


def test_its_name_does_nothing_to_a_terminal(shared_store, tmp_path, make_proxy):
    cert = shared_store.ca.make(f"a{ESC}b", "", 30, server=["DNS:api.example"])
    other = make_proxy(cert=cert)
    is_refused(install(other.kubeconfig("token"), tmp_path), other)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_server_that_sends_us_elsewhere(shared_store, tmp_path, make_proxy,
                                          code, scheme):
    one, other = make_proxy(token=None), make_proxy()
    to = other.url.replace("https", scheme)
    one.rule(faults.status(code, "{}", {"Location": to + "/api"}))
    done = install(one.kubeconfig("token"), tmp_path)
    assert done.returncode == 1 and one.seen(), done
    assert not other.seen() and not other.refusals, "it was followed"


def test_what_a_server_says_at_a_terminal(shared_store, tmp_path, make_proxy):
    bad = make_proxy()
    for body in (f"<h1>{ESC}</h1>", json.dumps({
            "kind": "Status", "status": "Failure", "code": 403,
            "reason": f"For{ESC}bidden", "message": f"no {ESC} entry"})):
        bad.clear()
        bad.rule(faults.status(403, body))
        done = install(bad.kubeconfig("token"), tmp_path)
        assert done.returncode == 1 and is_plain(done.stderr), done.stderr


# ---- objects ----

def deep(levels):
    value = {}
    for _ in range(levels):
        value = {"a": value}
    return value


def changed(item, **more):
    made = copy.deepcopy(item)
    made["metadata"].update(more)
    made["metadata"]["uid"] = new_name("uid")
    return made


NAMES = ("../../etc", "..", "a/b", "", "x" * 300, ESC, "a\n", "A b", "a%2f..",
         "é", None, 7, ["a"], {"a": 1})


def objects(item):
    """Of all kinds that no server gives, made from a good one."""
    for name in NAMES:
        yield changed(item, name=name)
        yield changed(item, namespace=name)
    fresh = copy.deepcopy(item)
    fresh.pop("status", None)
    for name in NAMES:      # nobody has accepted these yet
        yield changed(fresh, name=name)
        yield changed(fresh, namespace=name)
    for at, value in (("generation", -1), ("generation", 10 ** 18),
                      ("generation", 1e300), ("generation", "7"),
                      ("resourceVersion", "1&watch=1\r\nX: y"),
                      ("resourceVersion", ""), ("uid", ESC),
                      ("annotations", {ESC: ESC}), ("annotations", deep(900)),
                      ("managedFields", deep(900)), ("finalizers", "all"),
                      ("creationTimestamp", ESC), ("labels", deep(900))):
        yield changed(fresh, **{"name": new_name("odd"), at: value})
    for at in ("spec", "status"):
        for value in (None, [], "x", 7, deep(900), {ESC: ESC},
                      {"conditions": [{"type": ESC, "message": ESC}]},
                      {"accepted": deep(900)}, {"version": 10 ** 18},
                      {"request": {"word": ESC}},
                      {"replicationState": ESC}, {"schedule": {"rpo": ESC}}):
            odd = changed(item, name=new_name("odd"))
            odd[at] = value if not isinstance(value, dict) or \
                not isinstance(odd.get(at), dict) else {**odd[at], **value}
            yield odd
    for value in (None, [], "x", 7, {}, {"metadata": None}):
        yield value


def with_guests(x):
    """The list as it is, and what the server adds to it."""
    answer = x.ask()
    found = json.loads(b"".join(answer.pieces))
    if found["items"]:
        found["items"] += list(objects(found["items"][0]))
    x.answer(200, [faults.JSON], json.dumps(found).encode())


def events(x):
    """A watch that tells of them one by one, and then of an error."""
    found = x.link.proxy.client().request("GET", ALL)[1]["items"]
    x.begin(200, [faults.JSON])
    for item in objects(found[0]):
        for kind in ("ADDED", "MODIFIED", "DELETED", ESC, None):
            x.send(json.dumps({"type": kind, "object": item}).encode() + b"\n")
    x.end()


def read_tree(node):
    for top, folders, names in os.walk(node.mnt):
        yield from folders
        for name in names:
            path = os.path.join(top, name)
            yield name
            if os.path.islink(path):
                continue
            try:
                yield get(path)
            except OSError as err:
                # The daemon writes to what it is shown, and learns that the
                # server has none of it: its directory goes, and the links to it
                # in by-state and by-source.
                assert err.errno in (errno.ENOENT, errno.ESTALE) and \
                    ("/odd" in path or ":odd" in path), path


@pytest.mark.parametrize("guests", [with_guests, events])
def test_objects_that_no_server_gives(make_node, guests):
    node = make_node().await_lead()
    good = node.replica()
    name = good.name
    before = len(node.proxy.seen())
    if guests is with_guests:
        rule = node.proxy.rule(guests, *LIST)
        node.proxy.rule(faults.gone_event(), *WATCH, count=1)
    else:
        rule = node.proxy.rule(guests, *WATCH)
    cut(node.proxy)
    until(lambda: rule.hits, "it asks", 20)
    until(lambda: "left out" in get(node.mnt / ".uvrfs/log"), "it is told", 20)
    assert node.alive()
    shown = {n for ns in os.listdir(node.mnt) if ns != ".uvrfs"
             for n in os.listdir(node.mnt / ns)}
    assert name in shown or guests is events
    assert all(n == name or n.startswith("odd") for n in shown), shown
    for text in read_tree(node):
        assert is_plain(text), text
    assert is_plain(node.stderr())
    node.proxy.clear()
    for seen in node.proxy.seen()[before:]:
        where = seen.path.split("?")[0]
        assert ".." not in where and "%" not in where and \
            "\x1b" not in where, where
    # It lists anew, and sees who is really there.
    gone = node.proxy.rule(faults.gone_event(), *WATCH, count=1)
    cut(node.proxy)
    until(lambda: gone.hits, "it asks again", 20)
    good.await_cond("Ready", "True", seconds=30)
    until(lambda: node.names() == [name], "the others are gone", 30)
    until(lambda: call(os.rmdir, good.path) == 0, "it works", 30)
