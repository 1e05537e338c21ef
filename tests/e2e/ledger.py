# SPDX-License-Identifier: Apache-2.0
"""Accounts: what writers were told, what the tree keeps, and what the storage
has done must be one story.  Pure; each check gives the sentences of what is
wrong, and none when all is well."""
import collections
import functools
import itertools
import re
from typing import NamedTuple, Optional

CUT = None              # the daemon died: applied whole, or not at all
NEVER = float("inf")


class Write(NamedTuple):
    """One write by a process, and what it was told."""
    uvr: str            # NAMESPACE/NAME
    pid: int
    what: str           # state, swap, mode, rpo, hold, create, remove
    value: str
    called: float
    returned: float
    code: Optional[int]


class Line(NamedTuple):
    """Of the audit."""
    uvr: str
    pid: int
    event: str
    text: str


class Act(NamedTuple):
    """A line of the storage's journal."""
    time: str
    cluster: str
    uvr: str
    name: str
    serial: int


AUDIT = re.compile(r"\S+ (\S+) uid=\d+,pid=(\d+),comm=\S+ (\w+): (.*)")
GOOD = ("accepted", "unchanged")
# Of a write that a store gave no answer to: it may have it all the same, and it
# is decided later then, as what an object asks for, without a process.
UNHEARD = re.compile("may still be carried out|may be kept all the same")
KEPT = "the store has it, though it gave no answer"


def read_audit(lines):
    """But for what the daemon tells of itself."""
    found = (AUDIT.fullmatch(line.rstrip("\n")) for line in lines)
    return [Line(m[1], int(m[2]), m[3], m[4]) for m in found if m]


def read_journal(lines):
    """The volumes of NAME are NAME-pvc and NAME-vol."""
    acts = []
    for line in lines:
        time, cluster, volume, name, serial = line.split()
        acts.append(Act(time, cluster, volume.rsplit("-", 1)[0], name,
                        int(serial)))
    return acts


def group(items, key):
    found = collections.defaultdict(list)
    for item in items:
        found[key(item)].append(item)
    return found


# ---- writes and the audit ----

def match(writes, lines):
    """Every write has its line, and every line its write: (faults, pairs).

    A process waits for each answer, so its lines are in its order.  The pairs
    are in the audit's order; of a write without a line the line is None.  Of
    one that the store gave no answer to nobody knows more than of one that was
    cut off; its place is where all that an object asks for is decided.
    """
    faults, pairs, unheard = [], [], collections.defaultdict(list)
    todo = {pid: collections.deque(sorted(of, key=lambda w: w.called))
            for pid, of in group(writes, lambda w: w.pid).items()}
    for line in lines:
        queue = todo.get(line.pid)
        if (not line.pid or line.text.endswith(KEPT)) and unheard[line.uvr]:
            pairs += [(write, None) for write in unheard.pop(line.uvr)]
            continue
        if not queue:
            faults.append(f"nobody asked for {line}")
            continue
        write = queue.popleft()
        if write.uvr != line.uvr:
            faults.append(f"{write} is in the audit as {line}")
        if write.code is not CUT and (write.code == 0) != (
                line.event in GOOD):
            faults.append(f"{write} was told otherwise: {line}")
        elif line.event == "failed" and UNHEARD.search(line.text):
            unheard[write.uvr].append(write._replace(code=CUT,
                                                     returned=NEVER))
            continue
        pairs.append((write, line))
    for write in itertools.chain(*todo.values(), *unheard.values()):
        pairs.append((write, None))
        if write.code is not CUT:
            faults.append(f"the audit lacks {write}")
    return faults, pairs


def line_that_counts(write, lines):
    """Of those that daemons wrote of one request, one after the other; None
    when the answer was another one."""
    found = next((l for l in lines if l.event == "accepted"), lines[-1])
    if write.code is not CUT and {l.event in GOOD for l in (found, lines[-1])} != {
            write.code == 0}:
        return None
    words = re.match(r"\w+ -> (\w+)", found.text)
    return found if not words or words[1] == write.value else None


def forget_repeats(writes, lines, deaths):
    """A write that a daemon died over is looked at again by the next one, and
    may have several lines: those that count.  A death has a time before and one
    after it."""
    counts = set(range(len(lines)))
    places = {pid: [i for i in range(len(lines)) if lines[i].pid == pid]
              for pid in {line.pid for line in lines}}
    for pid, told in group(writes, lambda w: w.pid).items():
        told.sort(key=lambda w: w.called)
        at = places.get(pid, [])

        @functools.lru_cache(None)
        def fit(w, i, told=told, at=at):
            """The places that count, from write w and line i on, or None."""
            if w == len(told):
                return () if i == len(at) else None
            over = sum(told[w].called <= end and told[w].returned >= begin
                       for begin, end in deaths)
            if told[w].code is CUT and fit(w + 1, i) is not None:
                return fit(w + 1, i)
            for n in range(1, min(over + 1, len(at) - i) + 1):
                mine = [lines[k] for k in at[i:i + n]]
                found, rest = line_that_counts(told[w], mine), fit(w + 1, i + n)
                if found and rest is not None:
                    return (at[i + mine.index(found)], *rest)
            return None

        good = fit(0, 0)
        if good is not None:
            counts -= set(at) - set(good)
    return [lines[i] for i in sorted(counts)]


# ---- requests ----

def word_of(write):
    """The request that it would be."""
    return write.value if write.what in ("state", "swap", "create") else None


def check_chain(uvr, history):
    """Each request goes on from where the last one has led."""
    faults, state, outcome = [], "", ""
    for number, entry in enumerate(history, 1):
        if entry["request"] != number:
            return [f"{uvr}: request {number} is missing"]
        allowed = {state}
        if state == "syncing" and outcome == "verified":
            allowed = {"replica"}
        elif outcome == "failed":
            allowed = {"failed", state}     # a swap fails without that
        if entry["from"] not in allowed:
            faults.append(f"{uvr}: {entry} does not follow {state}")
        if entry["word"] != "swap":
            state = entry["word"]
        outcome = entry["outcome"]
        wanted = ("verified", "replaced", "failed")
        if number < len(history) and outcome not in wanted:
            faults.append(f"{uvr}: {entry} is neither done nor replaced")
    return faults


def check_process(uvr, told, asked, history):
    """The requests of one process number are what it was told; one that was
    cut off may be missing.  Numbers are used again, so many may be."""
    faults, places = [], {0}
    for entry in history:
        found, word = set(), entry["word"]
        for place in places:
            for i in range(place, len(told)):
                if word_of(told[i][0]) == word:
                    found.add(i + 1)
                if told[i][1]:
                    break
        if not found and not entry["pid"] and asked[uvr, word]:
            asked[uvr, word] -= 1
        elif not found:
            faults.append(f"{uvr}: nobody asked for {entry}")
        places = found or places
    missing = [[str(write) for write, line in told[place:] if line]
               for place in places]
    return faults + [f"lost: {write}" for write in min(missing, key=len)]


def check_requests(pairs, histories, known=()):
    """What was accepted is in the history, in its order, and nothing else.

    Processes in `known` wrote, and are not in the pairs.  What a store with
    objects is asked by its object has no process: such a write was cut off
    after that, or found that it was decided already.
    """
    faults, told = [], collections.defaultdict(list)
    asked = collections.Counter()
    for write, line in sorted(pairs, key=lambda p: p[0].called):
        if not word_of(write) or write.code not in (0, CUT):
            continue
        if line is None or line.event == "unchanged":
            asked[write.uvr, word_of(write)] += 1
        if line is None or line.event == "accepted":
            told[write.uvr, write.pid].append((write, line))
    for uvr, history in histories.items():
        faults += check_chain(uvr, history)
        of = group(history, lambda e: e["pid"])
        for pid in {*of, *(p for u, p in told if u == uvr)} - {*known}:
            faults += check_process(uvr, told.get((uvr, pid), []), asked,
                                    of.get(pid, []))
    return faults


def check_order(pairs, histories):
    """Of one daemon: its audit and the histories have the same order."""
    faults = []
    told = group((p for p in pairs if p[1] and p[1].event == "accepted" and
                  word_of(p[0])), lambda p: p[0].uvr)
    for uvr, history in histories.items():
        entries = iter((e["pid"], e["word"]) for e in history)
        for write, _ in told[uvr]:
            if (write.pid, word_of(write)) not in entries:
                faults.append(f"{uvr}: out of order: {write}")
                break
    return faults


# ---- values ----

def can_be(value, writes):
    """What a value that nobody writes any more may be: of a write that no
    accepted one came after."""
    done = max((w.called for w in writes if w.code == 0), default=-NEVER)
    return any(w.value == value and (w.code is CUT or w.code == 0) and
               w.returned >= done for w in writes)


def check_values(writes, shown):
    """`shown` is {uvr: {what: value}} of a time at which nobody writes."""
    faults = []
    todo = group(writes, lambda w: (w.uvr, w.what))
    for uvr, values in shown.items():
        for what, value in values.items():
            of = todo.get((uvr, what), [])
            if any(w.code == 0 for w in of) and not can_be(value, of):
                faults.append(f"{uvr}: {what} is {value}")
    return faults


def check_states(histories, shown):
    """What was accepted last is the state, but for what is seen since."""
    faults = []
    for uvr, values in shown.items():
        words = [e["word"] for e in histories[uvr] if e["word"] != "swap"]
        allowed = {words[-1]}
        if words[-1] == "syncing":
            allowed.add("replica")
        if histories[uvr][-1]["outcome"] == "failed":
            allowed.add("failed")
        if values["state"] not in allowed:
            faults.append(f"{uvr}: {values} after {words[-1]}")
    return faults


def check_lives(writes, there):
    """Replications whose names were used once: who is there, who is not."""
    faults = []
    for uvr, of in group(writes, lambda w: w.uvr).items():
        codes = {w.what: w.code for w in of if w.what in ("create", "remove")}
        if "create" not in codes:
            continue
        made, gone = codes["create"], codes.get("remove", -1)
        if uvr in there and (gone == 0 or made not in (0, CUT)):
            faults.append(f"{uvr} is there")
        if uvr not in there and made == 0 and gone not in (0, CUT):
            faults.append(f"{uvr} is lost")
    return faults


# ---- the storage ----

ACTS = {
    "replica": ("create", "promote-peer", "demote", "resync"),
    "source": ("create", "promote", "force-promote"),
    "promoting": ("demote-peer", "promote", "force-promote"),
    "demoting": ("demote",),
    "syncing": ("demote", "resync"),
    "swap": ("demote-peer", "resync-peer"),
    "remove": ("delete",),
}
LEADS_TO = {"promoting": "source", "source": "source", "replica": "replica",
            "demoting": "replica", "syncing": "replica"}


def change_roles(roles, act, word):
    """What an act makes of (here, peer)."""
    here, peer = roles
    if act.name == "create":
        return (word, "replica" if word == "source" else "source")
    if act.name == "delete":
        return roles
    role = "source" if "promote" in act.name else "replica"
    return (here, role) if act.name.endswith("-peer") else (role, peer)


def fits(act, entry):
    """It may have been made for that request, which had come by then."""
    return (act.name in ACTS[entry["word"]] and
            (act.name == "create") == (entry["request"] == 1) and
            entry.get("at", "") <= act.time)


def extend(counts, acts, entry):
    """How many acts may have been made when the request ended: each for one
    request, in their order, and none twice for the same."""
    found = set(counts)
    for count in counts:
        used = set()
        while count < len(acts) and acts[count].name not in used and \
                fits(acts[count], entry):
            used.add(acts[count].name)
            count += 1
            found.add(count)
    return found


def check_story(uvr, history, acts):
    """Every act was asked for, and every verified request is carried out:
    there is a way to tell for which request each act was made."""
    acts = sorted(acts, key=lambda act: act.serial)
    word = history[0]["word"] if history else ""
    roles, faults, counts = [("", "")], [], {0}
    for act in acts:
        roles.append(change_roles(roles[-1], act, word))
        if roles[-1] == ("source", "source") and act.name != "force-promote":
            faults.append(f"{uvr}: two sources after {act}")
    for entry in history:
        counts = extend(counts, acts, entry)
        wanted = LEADS_TO.get(entry["word"])
        if entry["outcome"] == "verified" and wanted:
            done = {n for n in counts if roles[n][0] == wanted}
            if not done:
                faults.append(f"{uvr}: {entry} was not carried out")
            counts = done or counts
    if len(acts) not in counts:
        faults.append(f"{uvr}: nobody asked for {acts[max(counts)]}")
    return faults


def check_acts(acts, histories):
    """A serial is of one act; the rest by replication."""
    counted = collections.Counter(act.serial for act in acts)
    faults = [f"done twice: {act}" for act in acts if counted[act.serial] > 1]
    made = group(acts, lambda a: a.uvr)
    for uvr in {*made, *histories}:
        faults += check_story(uvr, histories.get(uvr, []), made[uvr])
    return faults


def check_same(stored, shown):
    """What was kept when the daemon died is what the next one shows; a copy
    that was under way may have ended."""
    faults = [f"{uvr} is {'shown' if uvr in shown else 'stored'} only"
              for uvr in {*stored} ^ {*shown}]
    for uvr in {*stored} & {*shown}:
        a, b = dict(stored[uvr]), dict(shown[uvr])
        if (a["state"], b["state"]) == ("syncing", "replica"):
            a["state"] = "replica"
        if a != b:
            faults.append(f"{uvr}: {stored[uvr]} is stored, {shown[uvr]} "
                          "is shown")
    return faults
