# SPDX-License-Identifier: Apache-2.0
"""An API server, or a proxy before it, that answers badly: the daemon lives, asks
little, and what was asked of it is done, once."""
import errno
import json
import os
import time

import pytest

import proxy as faults
from daemons import (ALL, LEASE, NS, body_of, cut, fail_over, kept, new_name,
                     once, path_of)
from shell import call, name_of, never, until

pytestmark = pytest.mark.limit(120)

HTML = "<html><body><h1>503 Service Unavailable</h1>\x1b[2J</body></html>"
GONE = json.dumps({"kind": "Status", "status": "Failure", "code": 410,
                   "reason": "Expired", "message": "by the proxy"})


def empty(x):
    """A good answer that ends at once, as of a watch."""
    x.begin(200, [faults.JSON])
    x.end()


def twice_and_more(x):
    """More bytes than were promised."""
    x.begin(200, [faults.JSON], 2)
    x.send(b"{}{}{}{}{}")


BAD = {
    "429": faults.status(429),
    "429-later": faults.status(429, retry_after=1),
    "429-much-later": faults.status(429, retry_after=86400),
    "429-date": faults.status(429, headers={
        "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
    "503-html": faults.status(503, HTML),
    "503-later": faults.status(503, HTML, {"Retry-After": "1"}),
    "500": faults.status(500),
    "302": faults.status(302, "{}", {"Location": "https://127.0.0.1:1/"}),
    "garbage": faults.garbage(),
    "deep": faults.garbage(b"[" * 100000),
    "wrong-json": faults.wrong_json(),
    "more": twice_and_more,
    "huge": faults.huge(),
    "truncate": faults.truncate(),
    "slow-drip": faults.slow_drip(0.2),
    "hang": faults.hang(),
    "reset": faults.reset(),
    "close": faults.close(),
    "empty": empty,
    "gone-event": faults.gone_event(),
}

# What a daemon asks, as rules and seen() take it.
SPEC = ("PATCH", r"unifiedvolumereplications/[^/]+\?")
STATUS = ("PATCH", r"/status\b")
LEASED = (".*", "/leases")
WATCH = ("GET", r"unifiedvolumereplications\?watch=1")
LIST = ("GET", r"unifiedvolumereplications\?limit=")


@pytest.fixture(scope="module")
def leader(make_shared_node):
    return make_shared_node().await_lead()


def revived(one):
    """Who has died in another test lives again."""
    if not one.alive():
        one.proxy.clear()
        one.unmount()
        one.start()
    return one


@pytest.fixture
def node(leader):
    return revived(leader)


@pytest.fixture(scope="module")
def idle(leader):
    return leader.replica(new_name("idle"))


def await_server(node):
    """Until nothing is told any more of what was wrong with the server: a second
    failure is, at once, and only a watch that lasts shows that it is well."""
    lasting = []

    def watch(x):
        lasting.append(time.monotonic())
        try:
            x.forward()
        finally:
            lasting.clear()
    node.proxy.clear()
    cut(node.proxy)
    node.proxy.rule(watch, *WATCH)
    leases = node.proxy.rule(faults.forward(), "PATCH", "/leases/")
    # Once a third has come, two were answered.
    until(lambda: [began for began in lasting
                   if time.monotonic() - began > 1.2] and leases.hits > 2,
          "the server is well", 20)
    node.proxy.clear()


@pytest.fixture(autouse=True)
def well_again(node, idle):
    """No test begins, or ends, with a daemon that is not well."""
    await_server(node)
    idle.await_cond("Ready", "True", seconds=20)
    node.await_lead()
    yield
    assert node.alive(), node.stderr()[-3000:]
    node.proxy.clear()
    node.check_reports()


def memory(node):
    with open(f"/proc/{node.process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f
                    if line.startswith("VmRSS"))


# ---- all the time ----

def kinds(node, began, seconds):
    """How many requests of each kind there were in that time."""
    found = {}
    for one in node.proxy.seen():
        if not began <= one.time < began + seconds:
            continue
        kind = one.method + " " + one.path.split("?")[0]
        found[kind] = found.get(kind, 0) + 1
    return found


@pytest.mark.parametrize("fault", BAD)
def test_for_a_while(node, idle, fault):
    node.proxy.rule(BAD[fault])
    began = time.monotonic()
    cut(node.proxy)
    never(lambda: idle.state != "replica", "another state", 2)
    asked = kinds(node, began, 2)
    assert all(n < 14 for n in asked.values()), asked
    c = idle.await_cond("Ready", "Unknown", "StoreUnreachable", 5)
    assert c.message, c
    assert idle.conditions["Synced"].status == "Unknown"
    assert idle.ask("promoting") == errno.EHOSTUNREACH
    assert idle.error.strip()
    node.proxy.clear()
    cut(node.proxy)
    idle.await_cond("Ready", "True", seconds=10)
    node.await_lead()


@pytest.mark.parametrize("fault", ["gone-event", "empty", "close", "500"])
def test_watches_that_never_last(node, idle, fault):
    """Lists work and watches don't: no loop of lists."""
    node.proxy.rule(BAD[fault], "GET", "watch=1")
    began = time.monotonic()
    cut(node.proxy)
    never(lambda: idle.state != "replica", "another state", 2)
    asked = kinds(node, began, 2)
    assert all(n < 14 for n in asked.values()), asked
    node.proxy.clear()
    cut(node.proxy)
    idle.await_cond("Ready", "True", seconds=10)


def test_an_endless_answer_costs_little(node, idle):
    before = memory(node)
    rule = node.proxy.rule(faults.huge(), "GET")
    cut(node.proxy)
    until(lambda: rule.hits > 4, "it asks")
    node.proxy.clear()
    cut(node.proxy)
    idle.await_cond("Ready", "True", seconds=10)
    assert rule.sent < rule.hits * (40 << 20)
    # Freed memory that a sanitizer keeps back is counted too.
    assert memory(node) - before < 600 << 10


# ---- while something is under way ----

REFUSALS = (errno.EHOSTUNREACH, errno.EAGAIN, errno.ETIMEDOUT, errno.EPROTO,
            errno.EINVAL)


def insist(r, *words):
    """What is refused is written again; an accepted word is not."""
    for word in words:
        def accepted(word=word):
            code = r.ask(word)
            assert not code or code in REFUSALS and r.error.strip(), \
                f"{word}: {name_of(code)}\n{r.explain()}"
            return not code
        until(accepted, f"{word} is accepted", 20)
        r.done(seconds=30)


SLOW = ("hang", "slow-drip", "429-much-later")


@pytest.mark.parametrize("fault", [f for f in BAD if f not in SLOW])
def test_in_a_failover(node, fault):
    """Everything that it asks fails, twice each."""
    r = node.replica()
    rules = [node.proxy.rule(BAD[fault], *what, count=2)
             for what in (SPEC, STATUS, LEASED, WATCH, LIST)]
    cut(node.proxy)
    insist(r, "promoting", "source")
    until(lambda: rules[0].hits and rules[1].hits, "it came to that")
    once(r)
    kept(node.proxy.cluster, r)


@pytest.mark.parametrize("what", [SPEC, STATUS], ids=["spec", "status"])
@pytest.mark.parametrize("fault", SLOW)
def test_slowness_in_a_failover(node, fault, what):
    r = node.replica()
    rule = node.proxy.rule(BAD[fault], *what, count=1)
    insist(r, "promoting", "source")
    assert rule.hits
    once(r)
    kept(node.proxy.cluster, r)


@pytest.mark.parametrize("fault", ["429", "429-much-later", "503-html", "500",
                                   "garbage", "reset"])
def test_what_a_writer_is_told(node, fault):
    """The store can't be reached, whatever is in the way."""
    r = node.replica()
    node.proxy.rule(BAD[fault], "PATCH", "unifiedvolumereplications")
    code = r.ask("promoting")
    assert name_of(code) == "EHOSTUNREACH", r.error
    assert r.error.strip() and r.state == "replica"
    node.proxy.clear()
    cut(node.proxy)
    insist(r, "promoting", "source")
    once(r)


# ---- answers that are lost ----

def applied(cluster, r, since, verb, sub=None):
    """Requests of daemons about it that the server has carried out."""
    return [q for q in cluster.requests(since, agent="uvrfs/")
            if q["verb"] == verb and q["object"].get("name") == r.name and
            q["object"].get("subresource") == sub and q["code"] < 300]


@pytest.mark.parametrize("times", [1, 4])
@pytest.mark.parametrize("what", [SPEC, STATUS], ids=["spec", "status"])
def test_an_answer_is_lost(node, what, times):
    r = node.replica()
    cluster = node.proxy.cluster
    since = cluster.mark()
    rule = node.proxy.rule(faults.drop_response(), *what, count=times)
    fail_over(r, 30)
    assert rule.hits >= min(times, 2)
    once(r)
    kept(cluster, r)
    assert len(applied(cluster, r, since, "patch")) == 2   # two words


def test_the_answer_to_a_creation_is_lost(node):
    name = new_name("born")
    rule = node.proxy.rule(faults.drop_response(), "POST",
                           "unifiedvolumereplications", count=1)
    r = node.replica(name)
    assert rule.hits == 1
    assert len(r.read("history").splitlines()) == 1, r.read("history")
    assert r.acts() == ["create"]
    fail_over(r)
    once(r)


def test_the_answer_to_a_removal_is_lost(node):
    cluster = node.proxy.cluster
    for what in (("DELETE", "unifiedvolumereplications"), SPEC):
        r = node.replica()
        rule = node.proxy.rule(faults.drop_response(), *what, count=1)
        assert call(os.rmdir, r.path) == 0
        assert rule.hits == 1 and not r.path.exists()
        assert cluster.request("GET", path_of(r.name))[0] == 404


@pytest.mark.parametrize("times", [1, 3])
def test_the_answer_of_the_lease_is_lost(node, times):
    """The lease is ours all the same, and nobody else's."""
    r = node.replica()
    holder = node.proxy.cluster.request("GET", LEASE)[1]["spec"]
    rule = node.proxy.rule(faults.drop_response(), "PATCH", "/leases/",
                           count=times)
    until(lambda: rule.hits == times, "it is lost")
    # The store may be away for that long: what was asked then is refused.
    well = node.proxy.rule(faults.forward(), "PATCH", "/leases/", count=2)
    until(lambda: well.hits == 2, "one was answered, and told of")
    fail_over(r, 30)
    once(r)
    node.await_lead()
    after = node.proxy.cluster.request("GET", LEASE)[1]["spec"]
    assert after["holderIdentity"] == holder["holderIdentity"]


@pytest.mark.parametrize("fault", ["drop", "hang"])
def test_status_is_lost_for_longer_than_a_write_waits(node, fault):
    """Accepted or refused: what is said is what is."""
    r = node.replica()
    action = faults.drop_response() if fault == "drop" else BAD[fault]
    rule = node.proxy.rule(action, *STATUS)
    code = r.ask("promoting")
    assert code in (0, *REFUSALS), name_of(code)
    if code == errno.EHOSTUNREACH:
        assert "may still be carried out" in r.error
    node.proxy.clear()
    cut(node.proxy)
    assert rule.hits
    # The spec is there already: by its own rules it counts as asked.
    until(lambda: r.state == "promoting", "it is decided", 15)
    r.done(seconds=20)
    once(r, "promoting")


def swallow(x):
    """The server has it, and the watch tells."""
    for _ in x.ask().pieces:
        pass
    faults.hang()(x)


def test_accepted_without_an_answer(node):
    r = node.replica()
    rule = node.proxy.rule(swallow, *STATUS)
    assert r.ask("promoting") == 0 and not r.error
    assert rule.hits
    node.proxy.clear()
    r.done(seconds=20)
    once(r, "promoting")


def test_accepted_though_it_was_said_to_have_failed(node):
    """Since nobody knew: then that is said as well."""
    r, before = node.replica(), len(audit_of(node))

    def mute(x):
        node.proxy.pause()          # the watch, too
        code, _ = node.proxy.cluster.request(x.method, x.path, x.body)
        assert code == 200
        x.finish(reset=True)
    node.proxy.rule(mute, *STATUS)
    assert r.ask("promoting") == errno.EHOSTUNREACH
    assert "may still be carried out" in r.error
    node.proxy.clear()
    node.proxy.resume()
    r.done(seconds=20)
    assert r.state == "promoting" and not r.error
    once(r, "promoting")
    failed, accepted = [
        line for line in audit_of(node)[before:]
        if f" {NS}/{r.name} " in line and "replica -> promoting" in line]
    assert " failed: " in failed and " accepted: " in accepted
    assert accepted.endswith("; the store has it, though it gave no answer")
    assert failed.split()[2] == accepted.split()[2]     # by whom


def audit_of(node):
    """Without what it is chained by."""
    return [line.rpartition(" sha256=")[0] for line in
            (node.state / "audit").read_text().splitlines()]


# ---- what watches tell ----

@pytest.fixture
def reader(make_shared_node, node):
    """A daemon that never leads: what it shows is what it has been told."""
    if not hasattr(make_shared_node, "reader"):
        make_shared_node.reader = make_shared_node(lead=False)
    yield revived(make_shared_node.reader)
    assert make_shared_node.reader.alive()
    make_shared_node.reader.proxy.clear()
    make_shared_node.reader.check_reports()


def is_told(reader, r, word):
    """Its state there; a draft has none yet."""
    there = reader.uvr(NS, r.name)
    return (there / "state").exists() and there.state == word


@pytest.mark.parametrize("size", [0, 1, 40, 700, 1500])
def test_a_watch_is_cut_in_a_line(reader, node, size):
    r = node.replica()
    until(lambda: is_told(reader, r, "replica"), "it is told")
    rule = reader.proxy.rule(faults.cut_after(size, reset=size == 40), *WATCH,
                             count=3)
    cut(reader.proxy)
    fail_over(r)
    until(lambda: is_told(reader, r, "source"), "it is told", 20)
    assert rule.hits
    later = node.replica()
    until((reader.mnt / NS / later.name).exists, "of another one", 20)


def test_a_removal_by_one_that_has_not_heard(reader, node):
    """Another daemon has accepted a request, which it would take along."""
    r = node.replica()
    until(lambda: is_told(reader, r, "replica"), "it is told")
    node.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"newer\n")
    rule = reader.proxy.rule(faults.hang(), *WATCH)
    cut(reader.proxy)
    until(lambda: rule.hits, "it hears nothing")
    there = reader.uvr(NS, r.name)
    assert r.ask("promoting") == 0 and there.state == "replica"
    assert call(os.rmdir, there.path) == errno.EBUSY
    reader.proxy.clear()
    cut(reader.proxy)
    node.faults(r.here)
    r.done(seconds=20)
    once(r, "promoting")


def test_a_watch_expires(reader, node):
    r = node.replica()
    rule = reader.proxy.rule(faults.gone_event(), *WATCH, count=1)
    cut(reader.proxy)
    until(lambda: rule.hits, "it does")
    fail_over(r)
    until(lambda: is_told(reader, r, "source"), "told", 20)


def lines(*events):
    """A watch that says that, and then no more."""
    def act(x):
        x.begin(200, [faults.JSON])
        for event in events:
            x.send(event if isinstance(event, bytes) else
                   json.dumps(event).encode() + b"\n")
        faults.hang()(x)
    return act


def test_what_is_no_event(reader, node):
    r = node.replica()
    until((reader.mnt / NS / r.name).exists, "it is told")
    before = reader.names()
    good = node.proxy.cluster.request("GET", path_of(r.name))[1]
    meta = good["metadata"]
    rubbish = [
        {"type": "REVISED", "object": good}, b"\n", b"\r\n", {},
        {"type": "BOOKMARK", "object": {}},
        {"type": "BOOKMARK", "object": {"metadata": []}},
        {"type": "ADDED", "object": {"kind": "Pod", "metadata": {
            "name": "../../x", "namespace": NS, "uid": "u"}}},
        {"type": "ADDED", "object": {"kind": "Pod", "metadata": {
            "name": "a pod", "namespace": "", "uid": "u"}}},
        {"type": "ADDED", "object": {"metadata": {"name": 7}}},
        {"type": "MODIFIED", "object": {**good, "metadata": {
            **meta, "name": "x" * 400}}},
        {"type": "MODIFIED", "object": {**good, "metadata": {
            **meta, "namespace": "y" * 100}}},
        {"type": "DELETED", "object": {"metadata": {
            "name": "never-was", "namespace": NS, "uid": "u"}}},
        {"type": "DELETED", "object": {"metadata": {
            "name": r.name, "namespace": NS, "uid": "of another"}}},
        {"type": 7, "object": good}, {"type": None, "object": None},
    ]
    for event in rubbish:
        rule = reader.proxy.rule(lines(event), *WATCH, count=1)
        cut(reader.proxy)
        until(lambda rule=rule: rule.hits, f"it watches: {event}", 20)
    never(lambda: reader.names() != before, f"{reader.names()}, {before}", 0.5)
    reader.proxy.clear()
    cut(reader.proxy)
    fail_over(r)
    until(lambda: is_told(reader, r, "source"), "told", 20)
    assert reader.names() == before


def test_a_status_that_is_damaged(reader, node):
    """Somebody's patch, not a proxy's."""
    cluster = node.proxy.cluster
    r = node.replica()
    path = path_of(r.name)
    until((reader.mnt / NS / r.name).exists, "it is told")
    for bad in ({"request": {"word": "nonsense"}}, {"accepted": None},
                {"version": "seven"}, {"history": [{"at": "never"}]}):
        assert cluster.request("PATCH", path + "/status",
                               {"status": bad})[0] in (200, 422)
    other = node.replica()
    fail_over(other)
    until(lambda: is_told(reader, other, "source"), "told", 20)
    assert r.state == "replica"
    cluster.request("PATCH", path, {"metadata": {"finalizers": None}})
    cluster.request("DELETE", path)
    until(lambda: not r.path.exists(), "it goes", 20)


# ---- lists in pages ----

def test_pages_that_expire(reader, node):
    """More than one page; the second is too old again and again."""
    cluster = node.proxy.cluster
    node.freeze()               # nobody decides about so many
    try:
        many = [new_name("page") for _ in range(300)]
        for name in many:
            cluster.create(f"{ALL[:-len('unifiedvolumereplications')]}"
                           f"namespaces/{NS}/unifiedvolumereplications",
                           body_of(name))
        until(lambda: len([n for n in reader.names() if "page" in n]) == 300,
              "all", 20)
        for times in (1, 10):
            rules = [reader.proxy.rule(faults.status(410, GONE), "GET",
                                       "continue=", count=times),
                     reader.proxy.rule(faults.gone_event(), *WATCH, count=1)]
            cut(reader.proxy)
            gone = many.pop()
            cluster.remove(path_of(gone))
            until(lambda: gone not in reader.names(), "one is gone", 30)
            assert all(rule.hits for rule in rules)
            assert len([n for n in reader.names() if "page" in n]) == len(many)
            reader.proxy.clear()
    finally:
        for name in many:
            cluster.remove(path_of(name))
        node.thaw()
    until(lambda: not [n for n in node.names() if "page" in n], "all", 20)
