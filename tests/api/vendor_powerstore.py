# SPDX-License-Identifier: Apache-2.0
"""Volume groups replicated between two simulated PowerStore arrays.

Each array has its own view of a session, a role and a state, which differ while
the two cannot see each other.
"""
import time

from vendor_storage import GrpcError, Storage

OK, PAUSED, SYSTEM_PAUSED, FAILED_OVER = (
    "OK", "Paused", "System_Paused", "Failed_Over")
SOURCE, DESTINATION = "Source", "Destination"

LINKS = {
    "OK": "SYNCHRONIZED", "Failed_Over": "FAILEDOVER", "Error": "INVALID",
    **dict.fromkeys(("Paused", "Paused_For_Migration", "Paused_For_NDU",
                     "System_Paused"), "SUSPENDED"),
    **dict.fromkeys(("Failing_Over", "Failing_Over_For_DR", "Resuming",
                     "Reprotecting", "Synchronizing", "Initializing"),
                    "SYNC_IN_PROGRESS")}

# What ends by itself.
SYNCING = {"Resuming", "Synchronizing", "Reprotecting"}
FAILING = {"Failing_Over", "Failing_Over_For_DR"}


class Rest(Exception):
    """What the array answers that is not 2xx."""
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Session:
    def __init__(self, ids, source, target):
        self.ids, self.pairs = ids, []      # of a group; of volumes, by site
        self.role = {source: SOURCE, target: DESTINATION}
        self.state = {source: OK, target: OK}
        self.until = 0.0        # when what is going on ends
        self.gone = set()       # sites where the group was deleted


class PowerStore(Storage):
    def __init__(self, faults, seconds=0.1, **more):
        super().__init__(faults, **more)
        self.seconds, self.sessions = seconds, []

    def snapshot_refusal(self, handle):
        return f"{handle} is a replication destination"

    def session(self, group):
        """(Session, site) of the group with that id; None without one."""
        for session in self.sessions:
            for site, one in session.ids.items():
                if one == group and site not in session.gone:
                    return session, site
        return None

    def state(self, site, group):
        """(role, state) as a site's array has it."""
        with self.lock:
            session = self.session(group)[0]
            return session.role[site], session.state[site]

    # ---- what happens by itself ----

    def run_out(self, session):
        """Also while the two cannot see each other."""
        if time.monotonic() < session.until:
            return
        for site in self.sites:
            state = session.state[site]
            if state == "Failing_Over_For_DR":
                self.end_failover(session, site, planned=False)
            elif state == "Failing_Over" and session.role[site] == SOURCE:
                self.end_failover(session, self.peer(site), planned=True)

    def tick(self):
        """While they are linked."""
        for session in self.sessions:
            self.run_out(session)
            roles = session.role
            new = [s for s in self.sites if roles[s] == SOURCE and
                   session.state[s] == FAILED_OVER]
            if new and roles[self.peer(new[0])] == SOURCE:
                # The old source hears of it; nothing fences its volumes.
                old = self.peer(new[0])
                roles[old], session.state[old] = DESTINATION, FAILED_OVER
            self.replicate(session)

    def replicate(self, session):
        site = next((s for s in self.sites
                     if session.role[s] == DESTINATION), None)
        states = set(session.state.values())
        if site is None or self.faults.take("hold-transfer", site):
            return
        if states <= {OK, *SYNCING} and \
                time.monotonic() >= session.until:
            self.copy(session, self.peer(site), site)
            session.state = dict.fromkeys(self.sites, OK)

    def copy(self, session, source, target):
        for pair in session.pairs:
            theirs, mine = (self.volume(s, pair[s]) for s in (source, target))
            mine.writes, mine.writable = theirs.writes, False

    def end_failover(self, session, new, planned):
        old = self.peer(new)
        if planned and (not self.linked() or
                        self.faults.take("sync-error", old)):
            session.state = {s: SYSTEM_PAUSED if v == "Failing_Over" else v
                             for s, v in session.state.items()}
            return
        if planned:
            self.copy(session, old, new)
        session.role[new], session.state[new] = SOURCE, FAILED_OVER
        if self.linked() or planned:
            session.role[old], session.state[old] = DESTINATION, FAILED_OVER
        for pair in session.pairs:
            self.volume(new, pair[new]).writable = True
            if planned:
                self.volume(old, pair[old]).writable = False

    def busy(self, session, site, state):
        """On both, or on one that does not see the other."""
        session.until = time.monotonic() + self.seconds
        session.state[site] = state
        if self.linked():
            session.state[self.peer(site)] = state

    # ---- REST ----

    def failover(self, site, session, planned):
        role, state = session.role[site], session.state[site]
        if planned and role != SOURCE:
            raise Rest(400, "cannot fail over from destination")
        if not planned and role != DESTINATION:
            raise Rest(422, "unplanned failover is from the destination")
        if state in {FAILED_OVER, *SYNCING, *FAILING} or \
                planned and state != OK:
            raise Rest(422, f"failover is not allowed in {state}")
        if planned:
            self.busy(session, site, "Failing_Over")
        else:
            session.until = time.monotonic() + self.seconds
            session.state[site] = "Failing_Over_For_DR"

    def reprotect(self, site, session):
        if session.state[site] != FAILED_OVER or not self.linked():
            raise Rest(422, "reprotect is not allowed")
        if session.role[site] != SOURCE:
            # Taken all the same, and nobody knows what it is from then on.
            session.state[site] = "Partial_Reprotected"
            return
        for pair in session.pairs:
            self.volume(self.peer(site), pair[self.peer(site)]).writable = False
        self.busy(session, site, "Reprotecting")

    def pause(self, site, session):
        self.allow(session, site, OK, "Synchronizing", SYSTEM_PAUSED)
        session.state[site] = PAUSED
        if self.linked():
            session.state[self.peer(site)] = PAUSED

    def resume(self, site, session):
        self.allow(session, site, PAUSED)
        self.see_peer()
        self.busy(session, site, "Resuming")

    def sync(self, site, session):
        self.allow(session, site, OK, SYSTEM_PAUSED)
        self.see_peer()
        self.busy(session, site, "Synchronizing")

    def allow(self, session, site, *states):
        if session.state[site] not in states:
            raise Rest(422, f"not allowed in {session.state[site]}")

    def see_peer(self):
        if not self.linked():
            raise Rest(422, "the remote system cannot be reached")

    # ---- csi-powerstore ----

    CALLS = {
        "FAILOVER_REMOTE": ("failover", FAILED_OVER),
        "UNPLANNED_FAILOVER_LOCAL": ("failover", FAILED_OVER),
        "REPROTECT_LOCAL": ("reprotect", OK), "SYNC": ("sync", ""),
        "SUSPEND": ("pause", PAUSED), "RESUME": ("resume", OK)}

    def execute(self, site, group, action, code):
        """Swallows what the array refuses, but for one thing; that gets the
        code."""
        verb, already = self.CALLS[action]
        with self.lock:
            self.reach(site)
            one = self.faults.take("grpc-error", site)
            if one:
                raise GrpcError(one.get("code", "Unavailable"),
                                one.message or "grpc-error")
            session = self.session(group)[0]
            self.run_out(session)
            state = session.state[site]
            if state == already:
                self.record(site, "read", group, f"{action} already")
                return
            if verb == "failover" and state == "Failing_Over":
                raise GrpcError("Aborted", f"RS ({group}) is still executing "
                                "previous action")
            try:
                self.call(site, group, session, verb, action)
            except Rest as e:
                self.record(site, verb, group,
                            f"{action} refused: {e.status} {e}")
                if e.status == 400:
                    raise GrpcError(code, f"Execute action: Failed to modify "
                                    f"RS ({group}) - Error ({e})") from None

    def call(self, site, group, session, verb, action):
        if self.faults.take("array-error", site):
            raise Rest(500, "internal error")
        if verb == "failover":
            self.failover(site, session, action == "FAILOVER_REMOTE")
        else:
            getattr(self, verb)(site, session)
        self.record(site, verb, group, action)

    def is_busy(self, site, group):
        """Whether a failover, which the array answers at its end, goes on."""
        with self.lock:
            session = self.session(group)[0]
            self.run_out(session)
            return session.state[site] in FAILING

    def link(self, site, group):
        """(link state, whether it is the source)."""
        with self.lock:
            self.reach(site)
            self.record(site, "read", group, "link")
            session = self.session(group)[0]
            self.run_out(session)
            return LINKS.get(session.state[site], "UNKNOWN"), \
                session.role[site] != DESTINATION
