# SPDX-License-Identifier: Apache-2.0
"""Two daemons, one store: each sees what is done at the other, and nothing is
lost or done twice, whoever writes at once."""
import collections
import errno
import itertools
import os
import threading

import pytest
import yaml

from cluster_uvr import Object, running_lab
from inotify import CLOSE_WRITE, Watcher
from shell import FACTOR, background, get, never, put, until
from uvr import manifest, name_of

pytestmark = pytest.mark.limit(120)

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def lab(cluster):
    with running_lab(cluster, deadline="300s") as one:
        one.other = one.namespaces(one.daemon())
        yield one


@pytest.fixture(params=["on the leader", "on a follower"])
def sides(request, lab):
    """Where is written, and where it is looked at."""
    pair = [lab.main, lab.other]
    return pair if request.param == "on the leader" else pair[::-1]


@pytest.fixture
def pair(lab):
    return lab.main, lab.other


@pytest.fixture
def watcher():
    w = Watcher()
    yield w
    w.close()


def made(lab, on=None, **more):
    """One of them, seen by both: (at the leader, at the follower, object)."""
    r = (on or lab.main).replica(f"t{next(NUMBERS)}", **more)
    both = [d.uvr(r.ns, r.name) for d in (lab.main, lab.other)]
    for one in both:
        until(lambda one=one: (one / "state").exists() and
              one.ready.status == "True" and
              one.conditions["Degraded"].status == "False", "both know of it")
        one.await_allowed("promoting")
    return *both, lab.object(r)


def made_many(lab, number):
    names = [f"t{next(NUMBERS)}" for _ in range(number)]
    lab.kubectl("apply", "-f", "-",
                input="---\n".join(manifest(n) for n in names))
    many = [tuple(d.uvr("database", n) for d in (lab.main, lab.other)) +
            (Object(lab, "database", n),) for n in names]
    for one in itertools.chain(*(m[:2] for m in many)):
        until(lambda one=one: (one / "state").exists() and
              one.ready.status == "True" and
              one.conditions["Degraded"].status == "False", "both know of it",
              20)
        one.await_allowed("promoting")
    return many


def other_of(lab, d, r):
    return (lab.other if d is lab.main else lab.main).uvr(r.ns, r.name)


def at_once(*functions):
    """Runs all at the same moment; what they return, in their order."""
    gate, found = threading.Barrier(len(functions)), {}

    def run(i, function):
        gate.wait()
        found[i] = function()
    threads = [threading.Thread(target=run, args=each)
               for each in enumerate(functions)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(100 * FACTOR)
    return [found[i] for i in range(len(functions))]


def same(r, s):
    """Until both daemons show the same."""
    names = ("state", "spec.yaml", "conditions", "history", "endpoints")

    def check():
        return all(r.read(n) == s.read(n) for n in names)
    until(check, f"the same at both: {r.name}")


# ---- each sees the other ----

def test_both_see_what_comes_and_goes(lab, sides, watcher):
    here, there = sides
    watcher.add(there.mnt / "database")
    r = here.replica(f"t{next(NUMBERS)}")
    s = other_of(lab, here, r)
    until(lambda: (s / "state").exists(), "it has come")
    assert s.name in os.listdir(there.mnt / "database")
    assert s.state == "replica"
    os.rmdir(r.path)
    until(lambda: not s.path.exists(), "it has gone")
    assert s.name not in os.listdir(there.mnt / "database")
    assert not lab.object(r).is_there


def test_inotifywait_of_what_the_other_does(lab, sides):
    here, there = sides
    r = here.replica(f"t{next(NUMBERS)}")
    s = other_of(lab, here, r)
    until(lambda: (s / "state").exists(), "it has come")
    files = " ".join(str(s / n) for n in (
        "state", "conditions", "spec.yaml", "status.json", "mode", "history"))
    watch = background(f"exec inotifywait -m -e close_write {files}")
    until(lambda: "established" in watch.stderr.readline(), "it watches")
    assert r.ask("promoting") == 0
    assert r.write("mode", "asynchronous\n") == 0
    wanted = {"state", "conditions", "spec.yaml", "status.json", "mode",
              "history"}
    while wanted:
        wanted.discard(watch.stdout.readline().split()[0].rsplit("/", 1)[1])
    watch.terminate()
    watch.communicate(timeout=10 * FACTOR)
    until(lambda: (s.state, s.read("mode")) == ("promoting", "asynchronous\n"),
          "it is read")
    r.done()
    same(r, s)


def test_an_event_comes_with_the_new_text(lab, sides, watcher):
    here, _ = sides
    r = here.replica(f"t{next(NUMBERS)}")
    s = other_of(lab, here, r)
    until(lambda: (s / "hold").exists(), "it has come")
    watcher.add(s / "hold")
    for i in range(10):
        assert r.write("hold", f"reason {i}\n") == 0
        watcher.until(s / "hold", CLOSE_WRITE)
        assert s.read("hold") == f"reason {i}\n"
    assert s.ask("promoting") == errno.EPERM and "reason 9" in s.error
    assert s.write("hold", "\n") == 0


def test_sync_on_either(lab, sides):
    """Of what it has written itself, and of what the other has."""
    here, _ = sides
    r = here.replica(f"t{next(NUMBERS)}")
    s = other_of(lab, here, r)
    until(lambda: (s / "state").exists(), "it has come")
    assert r.ask("promoting") == 0
    assert r.sync() == 0
    assert r.request["outcome"] == "verified" and r.ready.status == "True"
    until(lambda: s.state == "promoting", "the other sees it")
    assert s.sync() == 0 and s.ready.status == "True"
    s.await_allowed("source")
    assert s.ask("source") == 0 and s.sync() == 0
    until(lambda: r.state == "source", "the other sees it")
    r.await_allowed("swap")
    assert r.ask("swap") == 0 and r.sync("endpoints") == 0
    same(r, s)
    assert [t["word"] for t in s.status["status"]["history"]] == [
        "replica", "promoting", "source", "swap"]


def test_wait_and_events_on_a_follower(lab, pair):
    r, s, _ = made(lab)
    lab.main.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"not copied yet\n")
    assert s.ask("promoting") == 0
    waiter = background(f"read -r line < {s / 'wait'}; echo $? $line")
    stream = background(f"grep -m 1 verified:.promoting {s / 'events'}")
    never(lambda: waiter.poll() is not None, "an end", 0.3)
    lab.main.faults(r.here)
    assert waiter.communicate(timeout=20 * FACTOR)[0].startswith("0 ")
    assert "promoting" in stream.communicate(timeout=20 * FACTOR)[0]


def test_a_whole_story_on_a_follower(lab, pair):
    r, s, o = made(lab, on=pair[1])
    s.go("promoting", "source", "swap")
    s.here_volume.write_bytes(b"of here\n")
    s.await_copy(s.here_volume, s.peer_volume)
    s.await_cond("Degraded", "False")
    s.go("demoting", "replica")
    same(r, s)
    assert o.history() == ["replica", "promoting", "source", "swap",
                           "demoting", "replica"]
    assert max(collections.Counter(r.acts()).values()) == 1, r.acts()


def test_refused_on_either_alike(lab, sides):
    here, _ = sides
    r = here.replica(f"t{next(NUMBERS)}")
    s = other_of(lab, here, r)
    until(lambda: (s / "state").exists(), "it has come")
    before = r.journal()
    for one in (r, s):
        assert one.ask("source") == errno.EPERM
        assert "promoting" in one.error
        assert one.write("spec.yaml", manifest(r.name, schedule="mode: "
                                               "interval")) == errno.EINVAL
        assert one.ready.status == "True"
    assert r.journal() == before


def test_a_refusal_of_kubectl_is_told_on_both(lab, pair):
    r, s, o = made(lab)
    o.patch("source")
    ready = o.await_ready("False", "InvalidStateTransition")
    for one in (r, s):
        one.await_cond("Ready", "False", "InvalidStateTransition")
        assert one.ready.message == ready.message
        assert one.state == "replica"
    o.patch("replica")
    for one in (r, s):
        one.await_cond("Ready", "True")


@pytest.mark.parametrize("which", ["the leader", "the follower"])
def test_a_refusal_of_kubectl_is_in_error_and_log(lab, pair, which):
    r, s, o = made(lab)
    one = r if which == "the leader" else s
    o.patch("source")
    ready = o.await_ready("False", "InvalidStateTransition")
    until(lambda: ready.message in one.error, "in `error`")
    until(lambda: ready.message in one.read("log"), "in `log`")
    o.patch("replica")
    until(lambda: one.error == "", "`error` is empty")


def test_failure_is_told_on_both(lab, pair):
    r, s, _ = made(lab)
    lab.main.faults(r.here, "final promote")
    assert s.ask("promoting") == 0
    assert s.sync() == 1
    for one in (r, s):
        until(lambda one=one: one.state == "failed", "failed")
        assert one.error and one.ready.reason == "Failed"
    lab.main.faults(r.here)
    assert s.ask("promoting") == 0      # the state that failed: again
    s.done()
    until(lambda: r.state == "promoting", "both see it")


# ---- both write ----

def test_both_ask_the_same_at_once(lab, pair):
    r, s, o = made(lab)
    for word, name in (("promoting", "state"), ("source", "state"),
                       ("swap", "endpoints"), ("demoting", "state"),
                       ("replica", "state")):
        for one in (r, s):
            one.await_allowed(word)
        codes = at_once(lambda: r.ask(word), lambda: s.ask(word))
        assert codes == [0, 0], (word, codes, r.error, s.error)
        r.done(name)
        s.done(name)
        if word == "swap":
            r.await_cond("Degraded", "False")
    same(r, s)
    assert o.history() == ["replica", "promoting", "source", "swap",
                           "demoting", "replica"]
    assert r.acts().count("promote") == 1 and r.acts().count("demote") == 1


def test_both_ask_for_different_things_at_once(lab, pair):
    """Nothing is lost: each is done, or its writer hears that it is not."""
    for _ in range(6):
        r, s, o = made(lab)
        codes = at_once(lambda: r.ask("promoting"),
                        lambda: s.write("mode", "asynchronous\n"),
                        lambda: r.write("schedule",
                                        "{mode: continuous, rto: 7m}\n"))
        assert codes == [0, 0, 0], [name_of(c) for c in codes]
        r.done()
        spec = o.spec
        assert (spec["replicationState"], spec["replicationMode"],
                spec["schedule"]["rto"]) == ("promoting", "asynchronous", "7m")
        assert o.status["accepted"] == spec
        assert o.history() == ["replica", "promoting"]
        same(r, s)


def test_two_that_exclude_each_other(lab, pair):
    """Back and on at once: one of them is right, and it is what is shown."""
    for _ in range(6):
        r, s, o = made(lab)
        r.go("promoting")
        codes = at_once(lambda: r.ask("source"), lambda: s.ask("replica force"))
        assert 0 in codes, [name_of(c) for c in codes]
        assert set(codes) <= {0, errno.EPERM, errno.EBUSY, errno.ECANCELED}
        until(lambda: o.status["request"]["outcome"] != "pending", "decided")
        same(r, s)
        words = o.history()
        assert words[:2] == ["replica", "promoting"]
        assert words[2:] == [w for w, c in (("source", codes[0]),
                                            ("replica", codes[1])) if not c
                             ] or codes == [0, 0] and len(words) == 3
        assert r.state == words[-1]


def test_thirty_at_once_by_both(lab, pair):
    many = made_many(lab, 30)

    def write(which, turn):
        def run():
            return [each[which].ask("promoting") for each in many[::turn]]
        return run
    found = at_once(write(0, 1), write(1, -1))
    assert set(sum(found, [])) == {0}
    for r, s, o in many:
        r.done(seconds=20)
        s.done(seconds=20)
        assert o.history() == ["replica", "promoting"], o.name
        assert [t["outcome"] for t in o.status["history"]] == ["verified"] * 2
        assert r.acts() == ["create", "demote-peer", "promote"]
    found = at_once(lambda: [r.ask("source") for r, _, _ in many[:15]],
                    lambda: [s.ask("source") for _, s, _ in many[15:]])
    assert set(sum(found, [])) == {0}
    for r, s, o in many:
        until(lambda r=r, s=s: r.state == s.state == "source", "both see it")
        assert o.history() == ["replica", "promoting", "source"]


def labels(o, start, count=40):
    """Patches of one API client, as fast as it can."""
    mine = o.apart()

    def run():
        for i in range(start, start + count):
            mine.patch(labels={f"l{i}": str(i)})
        return 0
    return run


def stubborn(one, name, word):
    """Who is told that somebody was first tries again; how often."""
    for turn in itertools.count():
        code = one.write(name, f"{word}\n")
        if code != errno.ECANCELED:
            assert code == 0, (name_of(code), one.error)
            return turn
    return None


def all_labels(lab, r, s, o, count):
    wanted = {f"l{i}": str(i) for i in range(count)}
    assert o.meta["labels"] == wanted
    for one in (r, s):
        until(lambda one=one: yaml.safe_load(one.read("spec.yaml"))[
            "metadata"].get("labels") == wanted, "all are shown")
    until(lambda: o.status["accepted"] == o.spec, "all is accepted")


def test_a_storm_of_patches(lab, pair):
    """Labels of two API clients, words of both mounts: all of them arrive."""
    r, s, o = made(lab)

    def modes():
        return [stubborn(s, "mode", word) for word in (
            "asynchronous", "synchronous") * 10]

    def story():
        return [stubborn(r, "state", w) >= 0 and r.sync() for w in (
            "promoting", "source")]
    found = at_once(labels(o, 0), labels(o, 40), modes, story)
    assert found[3] == [0, 0], (found, r.error, s.error)
    assert o.history() == ["replica", "promoting", "source"]
    assert r.acts() == ["create", "demote-peer", "promote"]
    assert o.spec["replicationMode"] == "synchronous"
    all_labels(lab, r, s, o, 80)


@pytest.mark.parametrize("where", [0, 1])
def test_an_echo_in_a_storm_is_not_refused(lab, pair, where):
    """Labels are nothing that a word would have to be decided anew for."""
    each = made(lab)
    one, o = each[where], each[2]
    codes = at_once(labels(o, 0, 100),
                    lambda: [one.ask("promoting") or one.sync(),
                             one.ask("source")])
    assert codes == [0, [0, 0]], one.error
    assert o.history() == ["replica", "promoting", "source"]


def test_patches_and_words_at_once(lab, pair):
    """A patch that is overtaken by a word is not taken for its answer."""
    for i in range(4):
        r, s, o = made(lab)
        one, p, q = (r, s)[i % 2], o.apart(), o.apart()
        codes = at_once(
            lambda: bool(p.patch({"schedule": {"rto": "8m"}})),
            lambda: one.ask("promoting"),
            lambda: bool(q.patch({"replicationMode": "asynchronous"})))
        assert codes == [True, 0, True], (codes, one.error)
        one.done()
        until(lambda: o.status["accepted"] == o.spec, "all is accepted")
        spec = o.spec
        assert (spec["replicationState"], spec["replicationMode"],
                spec["schedule"].get("rto")) == (
                    "promoting", "asynchronous", "8m"), o.get()
        assert o.history() == ["replica", "promoting"]
        assert r.acts() == ["create", "demote-peer", "promote"]
        same(r, s)


def test_an_illegal_patch_and_a_legal_word_at_once(lab, pair):
    for i in range(4):
        r, s, o = made(lab)
        one, p = (r, s)[i % 2], o.apart()
        _, code = at_once(lambda: p.patch("source"),
                          lambda: one.ask("promoting"))
        assert code == 0, one.error
        one.done()
        ready = until(lambda: o.ready, "decided")
        words, state = o.history(), o.status["state"]
        assert r.acts() == ["create", "demote-peer", "promote"]
        # The patch came first, or before it was verified, or after that.
        assert words == ["replica", "promoting", "source"][:len(words)]
        assert state == words[-1]
        if o.spec["replicationState"] != state:
            assert ready.reason == "InvalidStateTransition"


def test_births_on_both_at_once(lab, pair):
    for _ in range(6):
        name = f"t{next(NUMBERS)}"
        for d in pair:
            try:
                os.mkdir(d.mnt / "database" / name)
            except FileExistsError:
                pass
        modes = ("synchronous", "asynchronous")
        codes = at_once(*[
            lambda d=d, m=m: put(d.mnt / "database" / name / "spec.yaml",
                                 manifest(name, mode=m))
            for d, m in zip(pair, modes)])
        assert 0 in codes, [name_of(c) for c in codes]
        r, s = [d.uvr("database", name) for d in pair]
        for one in (r, s):
            until(lambda one=one: (one / "state").exists(), "it is there")
            one.done()
        same(r, s)
        assert lab.object(r).history() == ["replica"]
        assert r.acts() == ["create"]


def test_removed_on_one_and_written_on_the_other(lab, pair):
    for _ in range(6):
        r, s, o = made(lab)
        volumes = r.here_volume, r.peer_volume

        def remove(path=r.path):
            try:
                os.rmdir(path)
            except OSError as e:
                return e.errno
            return 0
        removed, written = at_once(remove, lambda s=s: s.ask("promoting"))
        assert written in (0, errno.ENOENT, errno.ECANCELED), name_of(written)
        if removed == 0:
            assert written != 0, "accepted, and removed with it"
            until(lambda: not r.path.exists() and not s.path.exists(), "gone")
            assert not o.is_there
        else:
            assert removed == errno.EBUSY and written == 0
            until(lambda r=r: "promote" in r.acts(), "it is carried out")
        assert [v.exists() for v in volumes] == [True, True]


def test_hold_on_one_holds_the_other(lab, pair):
    r, s, o = made(lab)
    assert r.write("hold", "an audit\n") == 0
    # At once, not when the news has come.
    assert s.ask("promoting") == errno.EPERM and "an audit" in s.error
    assert o.history() == ["replica"]
    assert s.write("hold", "\n") == 0
    # Here it is held until the news has come.
    until(lambda: r.ask("promoting") == 0, "it is no longer held")
    r.done()


# ---- who is asked for ----

def test_both_name_the_leader(lab, pair):
    holder = lab.holder()
    for d in pair:
        until(lambda d=d: holder in get(d.mnt / ".uvrfs/log") or
              holder in get(d.mnt / ".uvrfs/health"), "it is named")


def test_the_other_takes_over(lab):
    """Also what is under way; the first one ends well and gives the lead."""
    first = lab.main
    r, s, o = made(lab)
    lab.main.faults(r.here, "no-copy")
    r.peer_volume.write_bytes(b"not copied yet\n")
    assert r.ask("promoting") == 0
    until(lambda: "demote-peer" in r.acts(), "it is under way")
    first.stop()
    until(lambda: lab.holder().split("_")[1:2] ==
          [str(lab.other.process.pid)], "the other leads", 20)
    lab.other.faults(s.here)
    s.done(seconds=20)
    assert s.state == "promoting" and o.history() == ["replica", "promoting"]
    assert s.acts() == ["create", "demote-peer", "promote"]
    s.go("source")
    assert s.here_volume.read_bytes() == b"not copied yet\n"
