# SPDX-License-Identifier: Apache-2.0
"""That the double of Dell's controllers behaves as its makers wrote it,
one quirk a test."""
import json

import pytest

import crds
from doubles import Seen, error_of, events, is_ready, snapshot
from shell import never, until
from vendor_dell import FINALIZERS, GROUP_NAME, PREFIX, Dell

pytestmark = pytest.mark.limit(120)


class Rg(Seen):
    @property
    def link(self):
        return self.status.get("replicationLinkState") or {}

    @property
    def last(self):
        return self.status.get("lastAction") or {}

    def note(self, found=None):
        text = (found or self.get())["metadata"]["annotations"].get("Action")
        return json.loads(text) if text else {}

    def is_at(self, state, is_source=None):
        """Whether the link is there."""
        link = self.link
        return link.get("state") == state and is_source in (
            None, link["isSource"])

    def reaches(self, state, is_source=None):
        until(lambda: self.is_at(state, is_source), (state, is_source))

    def act(self, action):
        self.spec(action=action)

    def ends(self, action):
        """The condition of one that has been written, when it is done."""
        self.until(lambda f: f["spec"]["action"] == "" and
                   (n := self.note(f)) and n["completed"] and
                   n["name"] == action.upper() and not
                   f["status"]["state"].endswith("_IN_PROGRESS"),
                   f"the end of {action}")
        return self.last["condition"]

    def does(self, action):
        self.act(action)
        assert self.ends(action) == f"Action {action} succeeded"


class Lab:
    """A group, of which a is the source."""
    def __init__(self, dell):
        self.dell, self.storage = dell, dell.storage
        self.group = dell.group()
        self.a, self.b = (Rg(dell.clusters[s], dell.path(
            s, self.group.names[s])) for s in "ab")
        self.a.reaches("SYNCHRONIZED", True)
        self.b.reaches("SYNCHRONIZED", False)

    def write(self, site, count=1):
        return self.storage.write(site, self.handle(site), count)

    def handle(self, site):
        return self.group.handles[site, "data"]

    def has(self, site):
        return self.storage.data(site, self.handle(site))

    def is_writable(self, site):
        return self.storage.is_writable(site, self.handle(site))

    def crossed(self):
        until(lambda: self.has("a") == self.has("b"), "all has crossed")

    def state(self, site):
        return self.storage.state(site, self.group.ids[site])

    def calls(self, verb):
        return len(self.storage.actions(None, verb))


@pytest.fixture
def dell(pair):
    with Dell(*pair) as double:
        yield double


@pytest.fixture
def lab(dell):
    return Lab(dell)


def test_what_a_group_looks_like(lab):
    found = lab.a.get()
    assert found["status"]["state"] == "Ready"
    assert found["spec"]["action"] == ""
    assert found["metadata"]["finalizers"] == FINALIZERS
    notes = found["metadata"]["annotations"]
    assert notes[PREFIX + "remoteReplicationGroupName"] == lab.group.name
    claim = Seen(lab.a.cluster, crds.path("pvc", "apps", "data"))
    assert claim.meta["labels"][GROUP_NAME] == lab.group.name
    claims = lab.b.cluster.request("GET", crds.path("pvc", "apps"))[1]
    assert claims["items"] == []
    pv = lab.b.cluster.request("GET", crds.path("pv"))[1]["items"][0]
    assert pv["metadata"]["labels"][GROUP_NAME] == lab.group.name
    assert pv["spec"]["claimRef"]["name"] == "data"


def test_an_action_is_accepted_done_and_blanked(lab):
    lab.write("a", 3)
    lab.dell.faults.add("hold-answer", site="a")
    lab.a.act("failover_remote")
    found = lab.a.until(lambda f: f["status"]["state"] ==
                        "FAILOVER_REMOTE_IN_PROGRESS", "in progress")
    assert found["status"]["lastAction"] == {}
    assert lab.a.note()["name"] == "FAILOVER_REMOTE"
    assert lab.a.note()["completed"] is False
    assert lab.a.get()["spec"]["action"] == "failover_remote"
    lab.dell.faults.clear()
    assert lab.a.ends("FAILOVER_REMOTE") == "Action FAILOVER_REMOTE succeeded"
    status, note = lab.a.status, lab.a.note()
    assert status["state"] == "Ready"
    assert status["lastAction"]["errorMessage"] == ""
    assert status["lastAction"]["actionAttributes"]
    assert any(c == status["lastAction"] for c in status["conditions"])
    assert note["finalError"] == "" and note["finishTime"]
    assert lab.a.is_at("FAILEDOVER", False)
    lab.b.reaches("FAILEDOVER", True)
    assert lab.calls("failover") == 1
    assert lab.has("b") == 3
    assert lab.is_writable("b") and not lab.is_writable("a")
    assert lab.state("b") == ("Source", "Failed_Over")
    assert lab.state("a") == ("Destination", "Failed_Over")


def test_the_status_of_an_action_is_not_mirrored(lab):
    lab.a.does("FAILOVER_REMOTE")
    assert lab.b.note() == {} and lab.b.last == {}


def test_reprotect_overwrites_the_other_side(lab):
    lab.crossed()
    lab.storage.cut()
    lab.write("a", 2)
    lab.b.does("UNPLANNED_FAILOVER_LOCAL")
    assert lab.b.is_at("FAILEDOVER", True)
    assert lab.write("b") == 1 and lab.write("a") == 3   # nothing is fenced
    assert lab.a.is_at("SYNCHRONIZED", True)
    lab.storage.join()
    lab.a.reaches("FAILEDOVER", False)
    assert lab.is_writable("a")
    lab.dell.faults.add("hold-transfer", site="a")
    lab.b.does("REPROTECT_LOCAL")
    assert lab.b.is_at("SYNC_IN_PROGRESS", True)
    lab.dell.faults.clear()
    lab.b.reaches("SYNCHRONIZED", True)
    lab.a.reaches("SYNCHRONIZED", False)
    assert lab.has("a") == 1 and not lab.is_writable("a")


def test_suspend_resume_and_sync(lab):
    lab.a.does("SUSPEND")
    lab.b.reaches("SUSPENDED", False)
    lab.write("a")
    never(lambda: lab.has("b"), "a transfer")
    lab.a.does("RESUME")
    lab.a.reaches("SYNCHRONIZED", True)
    lab.a.does("SYNC")
    lab.crossed()
    assert lab.calls("pause") == lab.calls("resume") == lab.calls("sync") == 1
    until(lambda: lab.state("a") == ("Source", "OK"), "it is well")
    lab.a.does("RESUME")        # which it is already
    assert lab.calls("resume") == 1


def test_an_unsupported_action_is_only_an_event(lab):
    before = lab.a.last
    lab.a.act("FAILOVER_LOCAL")
    lab.a.until(lambda f: f["spec"]["action"] == "", "it is blanked")
    until(lambda: events(lab.a.cluster, lab.group.name, "Unsupported"),
          "an event")
    assert lab.a.last == before and lab.a.note() == {}
    assert lab.a.status["state"] == "Ready"


def test_a_second_action_is_dropped(lab):
    lab.dell.faults.add("hold-action", site="a")
    lab.a.act("SUSPEND")
    lab.a.until(lambda f: f["status"]["state"] == "SUSPEND_IN_PROGRESS", "it")
    lab.a.act("SYNC")
    until(lambda: events(lab.a.cluster, lab.group.name, "InProgress"), "event")
    lab.dell.faults.clear()
    assert lab.a.ends("SUSPEND") == "Action SUSPEND succeeded"
    never(lambda: lab.calls("sync"), "the second")


@pytest.mark.parametrize("action", ["FAILOVER_REMOTE", "SUSPEND"])
def test_an_error_of_the_array_is_a_success(lab, action):
    lab.dell.faults.add("array-error", site="a", times=1)
    lab.a.does(action)
    assert lab.a.last["errorMessage"] == ""
    assert lab.a.is_at("SYNCHRONIZED", True) and lab.is_writable("a")


def test_a_sync_error_is_a_success_and_suspended(lab):
    lab.dell.faults.add("sync-error", site="a", times=1)
    lab.a.does("FAILOVER_REMOTE")
    assert lab.a.is_at("SUSPENDED", True)
    assert lab.is_writable("a") and not lab.is_writable("b")


def test_a_failover_without_a_link_is_suspended_too(lab):
    lab.storage.cut()
    lab.a.does("FAILOVER_REMOTE")
    assert lab.a.is_at("SUSPENDED", True)


def test_a_retriable_error_is_shown_and_tried_again(lab):
    lab.dell.faults.add("grpc-error", site="a", code="Unavailable",
                        message="busy")
    lab.a.act("SUSPEND")
    found = lab.a.until(lambda f: f["status"].get("lastAction", {}).get(
        "errorMessage"), "an error")
    assert found["status"]["state"] == "SUSPEND_IN_PROGRESS"
    assert "busy" in found["status"]["lastAction"]["condition"]
    first = found["status"]["lastAction"]["firstFailure"]
    assert not lab.a.note()["completed"]
    lab.dell.faults.clear()
    assert lab.a.ends("SUSPEND") == "Action SUSPEND succeeded"
    assert first and lab.calls("pause") == 1


def test_retries_end_in_an_error(pair):
    with Dell(*pair, retry_limit=0.5) as dell:
        lab = Lab(dell)
        dell.faults.add("grpc-error", site="a")
        lab.a.act("SUSPEND")
        assert "failed with error" in lab.a.ends("SUSPEND")
        assert lab.a.status["state"] == "Error"
        assert lab.a.last["firstFailure"]
        assert lab.a.note()["finalError"]


def test_an_error_stays_until_an_action_succeeds(lab):
    lab.dell.faults.add("grpc-error", site="a", code="InvalidArgument",
                        times=1)
    lab.a.act("SUSPEND")
    assert "failed with error" in lab.a.ends("SUSPEND")
    never(lambda: lab.a.status["state"] != "Error", "another state")
    assert lab.a.is_at("SYNCHRONIZED", True)
    lab.a.does("SYNC")
    assert lab.a.status["state"] == "Ready"


def test_the_one_error_that_is_not_swallowed(pair):
    with Dell(*pair, code="InvalidArgument") as dell:
        lab = Lab(dell)
        lab.b.act("FAILOVER_REMOTE")
        assert "from destination" in lab.b.ends("FAILOVER_REMOTE")
        assert lab.b.status["state"] == "Error"


def test_the_link_is_looked_at_but_not_during_an_action(lab):
    before = lab.a.link["lastSuccessfulUpdate"]
    until(lambda: lab.a.link["lastSuccessfulUpdate"] != before, "a look")
    lab.dell.faults.add("hold-action", site="a")
    lab.a.act("SYNC")
    lab.a.until(lambda f: f["status"]["state"] == "SYNC_IN_PROGRESS", "it")
    assert lab.a.is_at("SYNCHRONIZED", True)    # of the same name, elsewhere
    before = lab.a.link
    never(lambda: lab.a.link != before, "a look", 1.2)


def test_a_link_that_cannot_be_looked_at_is_unknown(lab):
    lab.dell.faults.add("link-error", site="a", message="timed out")
    lab.a.reaches("UNKNOWN", True)
    link = lab.a.link
    assert "timed out" in link["errorMessage"]
    never(lambda: lab.a.link["lastSuccessfulUpdate"] !=
          link["lastSuccessfulUpdate"], "a time", 1.2)
    lab.dell.faults.clear()
    lab.a.reaches("SYNCHRONIZED", True)
    lab.storage.down("a")
    lab.a.reaches("UNKNOWN", True)


def test_a_link_error_after_a_good_reprotect(lab):
    lab.a.does("FAILOVER_REMOTE")
    lab.dell.faults.add("link-error", site="b", state="INVALID")
    lab.b.does("REPROTECT_LOCAL")
    until(lambda: lab.state("b") == ("Source", "OK"), "the array is fine")
    never(lambda: not lab.b.is_at("INVALID", True), "another link state")


def test_reprotect_on_the_wrong_side_is_unknown(lab):
    lab.a.does("FAILOVER_REMOTE")
    lab.a.does("REPROTECT_LOCAL")
    lab.a.reaches("UNKNOWN", False)
    lab.b.reaches("FAILEDOVER", True)
    lab.b.does("REPROTECT_LOCAL")
    lab.a.reaches("SYNCHRONIZED", False)


def test_reprotect_of_what_is_well_does_nothing(lab):
    lab.a.does("REPROTECT_LOCAL")
    assert lab.calls("reprotect") == 0


def test_a_group_without_volumes_is_empty(lab):
    pv = lab.a.cluster.request("GET", crds.path("pv"))[1]["items"][0]
    Seen(lab.a.cluster, crds.path("pv", None, pv["metadata"]["name"])).patch(
        metadata={"labels": {GROUP_NAME: None}})
    lab.a.reaches("EMPTY", True)


def test_the_history_has_the_newest_first_and_20(lab):
    for i in range(11):
        lab.a.does("SUSPEND")
        lab.a.does("RESUME")
    history = lab.a.status["conditions"]
    assert len(history) == 20
    assert history[0]["condition"] == "Action RESUME succeeded"
    assert history[1]["condition"] == "Action SUSPEND succeeded"


def test_the_history_has_changes_of_the_source(lab):
    lab.a.does("FAILOVER_REMOTE")
    lab.b.reaches("FAILEDOVER", True)
    assert lab.b.status["conditions"][0]["condition"] == \
        "Replication Link State:IsSource changed from (false) to (true)"


def test_nothing_happens_without_a_controller(lab):
    lab.dell.stop("a")
    lab.a.act("SUSPEND")
    before = lab.a.status
    never(lambda: lab.a.status != before or lab.a.note(), "an answer", 0.8)
    lab.dell.start("a")
    assert lab.a.ends("SUSPEND") == "Action SUSPEND succeeded"


def test_a_restart_during_a_failover_does_not_do_it_twice(lab):
    lab.dell.faults.add("hold-answer", site="a")
    lab.a.act("FAILOVER_REMOTE")
    until(lambda: lab.state("a") == ("Destination", "Failed_Over"), "done")
    lab.dell.stop("a")
    lab.dell.faults.clear()
    lab.dell.start("a")
    assert lab.a.ends("FAILOVER_REMOTE") == "Action FAILOVER_REMOTE succeeded"
    assert lab.calls("failover") == 1


def test_a_group_goes_when_the_array_has_nothing_in_it(lab):
    lab.a.delete()
    lab.a.until(lambda f: f["status"]["state"] == "Deleting", "Deleting")
    never(lab.a.is_gone, "gone")
    lab.group.session.pairs.clear()
    until(lab.a.is_gone, "gone")


def test_a_group_without_an_id_is_invalid(dell):
    cluster = dell.clusters["a"]
    group = dell.group(name="rg-one")
    body = Rg(cluster, dell.path("a", group.name)).get()
    cluster.create(crds.path("rg"), {
        **{k: body[k] for k in ("apiVersion", "kind")},
        "metadata": {"name": "rg-two"},
        "spec": {**body["spec"], "protectionGroupId": ""}})
    Rg(cluster, crds.path("rg", None, "rg-two")).until(
        lambda f: f.get("status", {}).get("state") == "Invalid", "Invalid")


def test_one_cluster_for_both_sites(cluster):
    with Dell(cluster, cluster) as dell:
        lab = Lab(dell)
        assert lab.b.meta["name"] == f"replicated-{lab.group.name}"
        lab.a.does("FAILOVER_REMOTE")
        lab.b.reaches("FAILEDOVER", True)
        assert lab.calls("failover") == 1
        pvs = lab.a.cluster.request("GET", crds.path("pv"))[1]["items"]
        assert [p["spec"]["claimRef"]["name"] for p in pvs] == [
            "data", "reserved"]


def test_snapshots_are_of_the_source(lab):
    snapshot(lab.dell, "a", "apps", "data").until(is_ready, "ready")
    lab.b.cluster.make_namespace("apps")
    pv = lab.b.cluster.request("GET", crds.path("pv"))[1]["items"][0]
    lab.dell.bare_claim("b", "apps", "data", volumeName=pv["metadata"]["name"])
    lab.dell.settle("b", "apps", "data")
    bad = snapshot(lab.dell, "b", "apps", "data")
    assert "destination" in error_of(bad.until(error_of, "an error"))


def test_the_old_api_has_no_attributes(cluster):
    crds.uninstall(cluster, "rg")
    try:
        with Dell(cluster, old=True) as dell:
            group = dell.group()
            rg = Rg(cluster, crds.path("rg", None, group.name, "v1alpha1"))
            rg.reaches("SYNCHRONIZED", True)
            rg.does("SYNC")
            assert "actionAttributes" not in rg.last
            assert cluster.request("GET", crds.path("rg"))[0] == 404
    finally:
        crds.uninstall(cluster, "rg-v1alpha1")
