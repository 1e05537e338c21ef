# SPDX-License-Identifier: Apache-2.0
"""The checks of ledger.py and order.py find what is wrong in made-up stories,
and nothing in one that is right."""
import errno

import pytest

import ledger
import order
from ledger import CUT, Act, Line, Write
from order import Read

R = "database/r"
HERE, PEER = "dr", "prod"


def write(what, value, at, code=0, pid=1, ends=None):
    return Write(R, pid, what, value, at, ends or at + 1, code)


def line(event, pid=1, text=""):
    return Line(R, pid, event, text)


def entry(request, word, come_from="", outcome="verified", pid=1):
    return {"request": request, "word": word, "from": come_from,
            "outcome": outcome, "pid": pid, "at": f"T{request}"}


def act(name, serial, at=None):
    side = PEER if name.endswith("-peer") else HERE
    return Act(f"T{at or serial}.5Z", side, R, name, serial)


def good():
    """Writes, their lines, the history, and the acts, of a failover."""
    writes = [write("create", "replica", 0), write("state", "source", 2,
                                                   errno.EPERM),
              write("state", "promoting", 4), write("state", "promoting", 6),
              write("state", "source", 8), write("state", "demoting", 10, CUT)]
    lines = [line(e) for e in ("accepted", "refused", "accepted", "unchanged",
                               "accepted", "accepted")]
    history = [entry(1, "replica"), entry(2, "promoting", "replica"),
               entry(3, "source", "promoting"),
               entry(4, "demoting", "source", "pending")]
    acts = [act("create", 1), act("demote-peer", 2), act("promote", 3),
            act("demote", 4)]
    return writes, lines, history, acts


def faults(writes, lines, history, acts):
    found, pairs = ledger.match(writes, lines)
    histories = {R: history}
    return (found + ledger.check_requests(pairs, histories) +
            ledger.check_order(pairs, histories) +
            ledger.check_acts(acts, histories))


def test_a_story_that_is_right():
    assert faults(*good()) == []


def test_a_cut_off_write_may_not_have_been():
    writes, lines, history, acts = good()
    assert faults(writes, lines[:-1], history, acts) == []
    assert faults(writes, lines[:-1], history[:-1], acts[:-1]) == []


# ---- through the death of a daemon that another one goes on from ----

BEFORE = "state before the daemon was started anew"


@pytest.mark.parametrize("told, lines, counts", [
    # Accepted, and told so by the next one; or the line was lost.
    (0, [line("accepted", text="replica -> promoting"),
         line("accepted", text=BEFORE)], [0]),
    (0, [line("accepted", text=BEFORE)], [0]),
    (0, [line("refused"), line("accepted", text="source -> promoting")], [1]),
    (errno.EPERM, [line("refused"), line("refused")], [1]),
    # What comes next has a line of its own.
    (errno.EPERM, [line("refused"), line("accepted",
                                         text="source -> demoting")], [0, 1]),
])
def test_a_write_that_two_daemons_have_seen(told, lines, counts):
    writes = [write("state", "promoting", 0, told, ends=9)]
    if len(counts) > len(writes):
        writes.append(write("state", "demoting", 20))
    found = ledger.forget_repeats(writes, lines, [(4, 5)])
    assert found == [lines[i] for i in counts]
    assert ledger.match(writes, found)[0] == []


def test_a_second_line_needs_a_death():
    lines = [line("accepted", text="replica -> promoting"),
             line("accepted", text=BEFORE)]
    writes = [write("state", "promoting", 0)]
    assert ledger.forget_repeats(writes, lines, [(4, 5)]) == lines
    assert ledger.match(writes, lines)[0]


# ---- of which a store gave no answer ----

MAYBE = "state replica -> promoting: it is asked for, and may still be carried out"


@pytest.mark.parametrize("decided", [
    [line("accepted", 0, "replica -> promoting")],
    [line("refused", 0)],
    [],
])
def test_a_write_without_an_answer(decided):
    write_ = write("state", "promoting", 0, errno.EHOSTUNREACH)
    rest = [write("rpo", "1s", 2), write("rpo", "2s", 4)]
    found, pairs = ledger.match(
        [write_, *rest], [line("failed", text=MAYBE), line("accepted"),
                          *decided, line("accepted")])
    assert not found
    assert [(w.what, w.code) for w, _ in pairs] == (
        [("rpo", 0), ("state", CUT), ("rpo", 0)] if decided else
        [("rpo", 0), ("rpo", 0), ("state", CUT)])


def test_a_write_that_the_store_turns_out_to_have():
    writes = [write("state", "promoting", 0, errno.EHOSTUNREACH),
              write("rpo", "1s", 2)]
    lines = [line("failed", text=MAYBE),
             line("accepted", text=f"replica -> promoting; {ledger.KEPT}"),
             line("accepted", text="rpo")]
    found, pairs = ledger.match(writes, lines)
    assert not found
    assert [w.code for w, _ in pairs] == [CUT, 0]
    assert ledger.match(writes, lines[1:])[0]


def test_a_failure_is_no_excuse_for_another_write():
    found, _ = ledger.match(
        [write("state", "promoting", 0, errno.EHOSTUNREACH)],
        [line("failed", text="it is away"), line("accepted", 0)])
    assert found


@pytest.mark.parametrize("spoil, wanted", [
    # Of the audit.
    (lambda w, a, h, acts: a.pop(), None),
    (lambda w, a, h, acts: a.pop(1), "told otherwise"),
    (lambda w, a, h, acts: (a.pop(), a.pop()), "the audit lacks"),
    (lambda w, a, h, acts: a.append(line("accepted")), "nobody asked"),
    (lambda w, a, h, acts: a.append(line("accepted", 7)), "nobody asked"),
    # Of the history.
    (lambda w, a, h, acts: (h.pop(), h.pop()), "lost"),
    (lambda w, a, h, acts: h.pop(1), "request 2 is missing"),
    (lambda w, a, h, acts: h.append(entry(5, "replica", "demoting")),
     "nobody asked for {'request': 5"),
    (lambda w, a, h, acts: h[1].update(outcome="pending"), "neither done"),
    (lambda w, a, h, acts: h[2].update({"from": "replica"}), "not follow"),
    (lambda w, a, h, acts: h[2].update(pid=7), "nobody asked"),
    # Of the storage.
    (lambda w, a, h, acts: acts.append(acts[1]), "done twice"),
    (lambda w, a, h, acts: acts.append(act("promote", 9)), "nobody asked"),
    (lambda w, a, h, acts: acts.insert(3, act("promote", 3, 4)),
     "done twice"),
    (lambda w, a, h, acts: acts.append(act("resync", 9)), "nobody asked"),
    (lambda w, a, h, acts: acts.__setitem__(3, act("demote", 4, 3)),
     "nobody asked"),
    (lambda w, a, h, acts: acts.pop(2), "not carried out"),
    (lambda w, a, h, acts: acts.pop(1), "two sources"),
])
def test_what_is_wrong_is_found(spoil, wanted):
    story = good()
    spoil(*story)
    found = faults(*story)
    if wanted is None:
        assert not found
    else:
        assert any(wanted in fault for fault in found), found


def test_a_refused_write_that_was_applied():
    writes, lines, history, acts = good()
    history.insert(1, entry(2, "source", "replica"))
    assert any("nobody asked" in f or "missing" in f
               for f in faults(writes, lines, history, acts))
    assert ledger.check_values([write("rpo", "5s", 1, errno.EPERM),
                                write("rpo", "4s", 0)], {R: {"rpo": "5s"}})


def test_a_process_number_that_is_used_again():
    """The first was cut off in what the second has done."""
    pairs = [(write("state", "replica", 0, CUT), None),
             (write("state", "promoting", 2), line("accepted")),
             (write("state", "replica", 4), line("accepted"))]
    history = [entry(1, "replica", pid=9),
               entry(2, "promoting", "replica", "replaced"),
               entry(3, "replica", "promoting")]

    def check_them():
        return ledger.check_requests(pairs, {R: history}, {9})
    assert check_them() == []
    assert any("lost" in fault for fault in ledger.check_requests(
        pairs, {R: history[:2]}, {9}))
    history.append(entry(4, "replica", "replica"))
    assert any("nobody asked" in fault for fault in check_them())


def test_what_the_object_was_asked():
    """By a daemon that was killed before it had accepted that itself."""
    writes, lines, history, acts = good()
    history[3]["pid"] = 0
    assert faults(writes, lines[:-1], history, acts) == []
    history.append(entry(5, "demoting", "demoting", "pending", pid=0))
    assert faults(writes, lines[:-1], history, acts)


def test_the_order_of_the_audit_and_of_the_history():
    history = [entry(1, "replica"), entry(2, "promoting", "replica", pid=1),
               entry(3, "replica", "promoting", pid=2)]
    pairs = [(write("state", "replica", 2, pid=2), line("accepted", 2)),
             (write("state", "promoting", 2, pid=1), line("accepted", 1))]
    assert ledger.check_order(pairs[::-1], {R: history}) == []
    assert ledger.check_order(pairs, {R: history})


@pytest.mark.parametrize("shown, right", [
    ("b", True), ("c", True), ("a", False), ("d", False), ("", False)])
def test_what_a_value_can_be(shown, right):
    writes = [write("rpo", "a", 0), write("rpo", "b", 2),
              write("rpo", "c", 4, CUT), write("rpo", "d", 5, errno.EPERM)]
    assert (ledger.check_values(writes, {R: {"rpo": shown}}) == []) == right


def test_two_writes_at_once_either_may_be_the_last():
    writes = [write("rpo", "a", 0, ends=3), write("rpo", "b", 2, pid=2)]
    for shown in "ab":
        assert ledger.check_values(writes, {R: {"rpo": shown}}) == []


@pytest.mark.parametrize("made, removed, there, right", [
    (0, "never", True, True), (0, "never", False, False),
    (0, 0, False, True), (0, 0, True, False),
    (0, errno.EBUSY, True, True), (0, errno.EBUSY, False, False),
    (0, CUT, True, True), (0, CUT, False, True),
    (CUT, "never", True, True), (CUT, "never", False, True),
    (errno.EPERM, "never", False, True), (errno.EPERM, "never", True, False)])
def test_who_is_there(made, removed, there, right):
    writes = [write("create", "replica", 0, made)]
    if removed != "never":
        writes.append(write("remove", "", 2, removed))
    found = ledger.check_lives(writes, {R} if there else set())
    assert (found == []) == right


def test_what_is_shown_is_what_was_stored():
    a = {R: {"state": "syncing", "mode": "synchronous"}}
    done = {R: {"state": "replica", "mode": "synchronous"}}
    assert ledger.check_same(a, a) == ledger.check_same(a, done) == []
    assert ledger.check_same(done, a)
    assert ledger.check_same(a, {R: {**a[R], "mode": "asynchronous"}})
    assert ledger.check_same(a, {}) and ledger.check_same({}, a)


def test_the_state_is_what_was_accepted_last():
    history = [entry(1, "replica"), entry(2, "syncing", "replica")]
    for state, right in (("syncing", True), ("replica", True),
                         ("source", False), ("failed", False)):
        found = ledger.check_states({R: history}, {R: {"state": state}})
        assert (found == []) == right


# ---- order ----

def pairs_of(*writes):
    return [(w, line("accepted" if w.code in (0, CUT) else "refused", w.pid))
            for w in writes]


def read(value, at, ends=None, what="rpo"):
    return Read(R, what, value, at, ends or at + 1)


def check(pairs, *reads, what="rpo", first=""):
    return order.check(pairs, reads, {(R, what): first})


WRITES = pairs_of(write("rpo", "a", 10), write("rpo", "b", 20),
                  write("rpo", "c", 30, ends=40))


@pytest.mark.parametrize("reads", [
    [read("", 1), read("a", 15), read("b", 25), read("c", 50)],
    [read("a", 10, 11), read("", 10, 11)],          # at once: either
    [read("b", 31), read("c", 33)],
    [read("c", 5, 60), read("", 6)],                # a long one
])
def test_reads_that_are_right(reads):
    assert check(WRITES, *reads) == []


@pytest.mark.parametrize("reads", [
    [read("", 12)],                                 # stale
    [read("a", 25)],
    [read("c", 27)],                                # from the future
    [read("z", 50)],                                # of nobody
    [read("c", 31), read("b", 33)],                 # goes back
    [read("b", 31), read("c", 33), read("b", 35)],
])
def test_reads_that_are_wrong(reads):
    assert check(WRITES, *reads)


def test_the_order_agrees_with_time():
    a, b = write("rpo", "a", 10), write("rpo", "b", 20, pid=2)
    assert check(pairs_of(a, b)) == []
    assert check(pairs_of(b, a))
    a = write("rpo", "a", 10, ends=25)
    assert check(pairs_of(b, a)) == []      # at once


def test_a_refused_write_is_never_read():
    pairs = pairs_of(write("rpo", "a", 10), write("rpo", "b", 20,
                                                  errno.EPERM))
    assert check(pairs, read("a", 25)) == []
    assert check(pairs, read("b", 25))


def test_a_write_without_an_answer():
    cut = write("rpo", "b", 20, CUT)
    for pairs in (pairs_of(write("rpo", "a", 10), cut),
                  [*pairs_of(write("rpo", "a", 10)), (cut, None)]):
        assert check(pairs, read("a", 50)) == []
        assert check(pairs, read("b", 30), read("b", 50)) == []
        assert check(pairs, read("b", 30), read("a", 50))
        assert check(pairs, read("b", 15))


def test_who_changes_nothing_has_read():
    same = (write("rpo", "a", 25), line("unchanged"))
    assert check([*WRITES, same])
    assert check([WRITES[0], same]) == []


def test_what_is_seen_since():
    pairs = pairs_of(write("state", "syncing", 10))
    assert check(pairs, read("syncing", 12, what="state"),
                 read("replica", 14, what="state"), what="state") == []
    assert check(pairs, read("replica", 12, what="state"),
                 read("syncing", 14, what="state"), what="state")
    assert check(pairs, read("replica", 5, what="state"), what="state",
                 first="source")
