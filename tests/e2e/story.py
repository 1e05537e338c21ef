# SPDX-License-Identifier: Apache-2.0
"""What happened to daemons from round to round, gathered for the checks of
ledger.py and order.py."""
import collections
import itertools
import os
import random

import yaml

import ledger
import order
from shell import sh, until
from uvr import BINARY
from writers import AHEAD, FORK, VALUES, Crowd, read_value, transitions
from writers import write_by_open

# What each writer and reader of as_one() does.
MANY = int(os.environ.get("UVRFS_MANY", "100"))


def seeded():
    """Chance that can be had again, by what is printed."""
    seed = int(os.environ.get("UVRFS_SEED", "0")) or random.randrange(1 << 30)
    print(f"UVRFS_SEED={seed}")
    return random.Random(seed)


def no_act_is_done_twice(d):
    """A line is an effective act; its serial is of one replication."""
    made = collections.Counter(tuple(line.split()[1:5])
                               for line in d.journal())
    assert not [act for act, n in made.items() if n > 1], made


def nothing_is_torn(d):
    """Every file of the store could be read when the daemon started, and is
    there under its name alone, but for the moment in which it is written."""
    until(lambda: all(name.endswith(".yaml") or name == ".namespace"
                      for _, _, files in os.walk(d.state / "replications")
                      for name in files), "no file is left over")
    assert "aside" not in d.stderr()
    check = sh(f"{BINARY} --check-audit {d.state}")
    assert check.rc == 0, check.err


def quiet(r):
    """Waits until its request is decided, which it is by itself."""
    try:
        until(lambda: r.request["outcome"] != "pending", "decided")
    except AssertionError as e:
        raise AssertionError(r.explain() + r.read("history") +
                             "\n".join(r.journal())) from e


class Audit:
    """What is new in the audit; what was there before is of no interest."""

    def __init__(self, d):
        self.path = d.state / "audit"
        self.file = open(self.path, encoding="utf-8")
        self.news()

    def news(self):
        lines = self.file.readlines()
        # It is moved when it is full.
        if os.stat(self.path).st_ino != os.fstat(self.file.fileno()).st_ino:
            self.file.close()
            self.file = open(self.path, encoding="utf-8")
            lines += self.file.readlines()
        # What chains it is for who checks it (nothing_is_torn).
        return ledger.read_audit(line.rsplit(" sha256=", 1)[0]
                                 for line in lines)


def picture(meta, spec, status, state):
    return {"state": state, "mode": spec["replicationMode"],
            "rpo": spec["schedule"].get("rpo", ""),
            "hold": status.get("hold") or "",
            "source": spec["sourceEndpoint"]["cluster"], "uid": meta["uid"]}


def entries(history):
    """With what the store leaves out."""
    return [{"from": "", "outcome": "pending", **entry} for entry in history]


def stored(d):
    """What a dead daemon's store has: {uvr: picture}, {uvr: history}."""
    pictures, histories = {}, {}
    for path in (d.state / "replications").glob("*/*.yaml"):
        o = yaml.load(path.read_text(), yaml.CSafeLoader)
        meta, status = o["metadata"], o["status"]
        uvr = f"{meta['namespace']}/{meta['name']}"
        pictures[uvr] = picture(
            meta, o["spec"], status, "failed" if status.get("failed") else
            o["spec"]["replicationState"])
        histories[uvr] = entries(status["history"])
    return pictures, histories


def history_of(r):
    return entries(r.status["status"]["history"])


def shown(d, ns="database"):
    """The same as the tree shows it, but for drafts."""
    pictures, histories = {}, {}
    for name in os.listdir(d.mnt / ns):
        r = d.uvr(ns, name)
        try:
            found = r.status
        except FileNotFoundError:
            continue
        uvr = f"{ns}/{name}"
        pictures[uvr] = picture(found["metadata"], found["spec"],
                                found["status"], found["state"])
        histories[uvr] = entries(found["status"]["history"])
        values = {what: read_value(r, what) for what in VALUES}
        pictures[uvr].update(values)
    return pictures, histories


class Asked:
    """A replication whose history is gathered as it grows: nobody may ask for
    more of it than it keeps until then."""

    def __init__(self, r):
        self.r = r
        self.turns = FORK.Semaphore(AHEAD)

    def transitions(self, way=write_by_open):
        return transitions(self.r, way, MANY, self.turns)

    def look(self, story):
        taken = AHEAD - self.turns.get_value()
        story.remember({f"{self.r.ns}/{self.r.name}": history_of(self.r)})
        for _ in range(taken):
            self.turns.release()


class Story:
    """Rounds: writers and readers at work, and what is left after that."""

    def __init__(self, uvrs):
        """They are quiet."""
        self.first = {(f"{r.ns}/{r.name}", what): read_value(r, what)
                      for r in uvrs for what in VALUES}
        self.pairs, self.reads, self.faults = [], [], []
        self.histories = collections.defaultdict(dict)

    def add(self, done, lines, killed=ledger.NEVER, deaths=()):
        """What writers and readers have done, the audit of that, and when the
        daemon was killed: none is cut off before that.  And when it was killed
        and another one went on."""
        writes = [x for x in done if isinstance(x, ledger.Write)]
        self.faults += [f"cut off before the end: {w}" for w in writes
                        if w.code is ledger.CUT and w.returned < killed]
        self.reads += [x for x in done if isinstance(x, order.Read)]
        if deaths:
            lines = ledger.forget_repeats(writes, lines, deaths)
        faults, pairs = ledger.match(writes, lines)
        self.faults += faults
        self.pairs += pairs

    def remember(self, histories):
        """Entries that are newer replace those of the same request.  The store
        knows its time better than what is shown."""
        for uvr, history in histories.items():
            for entry in history:
                old = self.histories[uvr].get(entry["request"], {})
                at = max(entry["at"].rstrip("Z"), old.get("at", ""))
                self.histories[uvr][entry["request"]] = {**entry, "at": at}

    @property
    def writes(self):
        return [write for write, _ in self.pairs]

    def history(self):
        return {uvr: [entries[n] for n in sorted(entries)]
                for uvr, entries in self.histories.items()}

    def check(self, pictures, journal):
        """At the end, when all is quiet."""
        histories, acts = self.history(), ledger.read_journal(journal)
        values = {uvr: {what: p[what] for what in ("mode", "rpo", "hold")}
                  for uvr, p in pictures.items()}
        faults = (self.faults +
                  ledger.check_requests(self.pairs, histories, {os.getpid()}) +
                  ledger.check_values(self.writes, values) +
                  ledger.check_lives(self.writes, pictures) +
                  ledger.check_states(histories, pictures) +
                  ledger.check_acts(acts, {**self.born(), **histories}))
        for uvr in {fault.split(":")[0] for fault in faults} & {*histories}:
            print(uvr, *histories[uvr], *(a for a in acts if a.uvr == uvr),
                  sep="\n  ")
        return faults

    def born(self):
        """Of those that came and went between two looks."""
        return {w.uvr: [{"request": 1, "word": w.value, "outcome": "pending"}]
                for w in self.writes if w.what == "create" and not w.code}

    def check_as_one(self):
        """Of one daemon: there is one order of all."""
        return (ledger.check_order(self.pairs, self.history()) +
                order.check(self.pairs, self.reads, self.first))

    def figures(self, journal):
        told = collections.Counter(
            "cut off" if w.code is None else "refused" if w.code
            else line.event for w, line in self.pairs)
        unknown = sum(1 for w, line in self.pairs
                      if w.code is None and line)
        return (f"{len(self.pairs)} writes ({dict(told)}; {unknown} of those "
                f"cut off were decided), {len(self.reads)} reads, "
                f"{sum(map(len, self.histories.values()))} requests, "
                f"{len(journal)} acts")


def as_one(d, chance, asked, works):
    """Until all have done their part; then it must be one story."""
    uvrs = [a.r for a in asked]
    story, audit = Story(uvrs), Audit(d)
    crowd = Crowd(chance, works, MANY)
    while crowd.is_at_work():
        for a in asked:
            a.look(story)
    story.add(crowd.join(), audit.news())
    for r in uvrs:
        quiet(r)
    pictures, history = shown(d)
    story.remember(history)
    print(story.figures(d.journal()))
    faults = story.check(pictures, d.journal()) + story.check_as_one()
    assert not faults, "\n".join(faults)
    return story


def numbers():
    """Ranges that have nothing in common."""
    for first in itertools.count(1):
        yield range(first * 100000, (first + 1) * 100000)
