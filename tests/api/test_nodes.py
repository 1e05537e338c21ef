# SPDX-License-Identifier: Apache-2.0
"""docs/examples/kubernetes, at two sites: who writes at a node's mount has a
controller act, and each daemon has the rights of its ServiceAccounts and no
more."""
import contextlib
import os

import pytest

from conftest import VENDORS
from rights import (AT_PEER, BACKENDS, CONTROLLER, NODE, PODS, bind, granted,
                    refused, token_of, used, user_of)
from shell import call, get, until
from sites import await_equal

MAY_I = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/uvrfs/leases"
STORE = """{{kubernetes: {{cluster: dr-cluster, namespace: uvrfs, lease: {lease},
  leaseDuration: 6s, lead: {lead}}}}}"""


def account_at(site, account):
    return account if site == "b" else AT_PEER[account]


def pods(kind):
    class Pods(kind):
        """The store is at site b."""
        def prepare(self):
            super().prepare()
            self.marks = {s: c.mark() for s, c in self.clusters.items()}
            for cluster in self.clusters.values():
                bind(cluster)

        def token(self, site, account):
            return token_of(self.clusters[site], account_at(site, account))

        def kubeconfig(self, site, account):
            return self.clusters[site].kubeconfig(self.token(site, account))

        def config(self, account, **more):
            lead = str(account == CONTROLLER).lower()
            return super().config(
                "b", store=STORE.format(lease=self.lease, lead=lead),
                kubeconfigs={s: self.kubeconfig(s, account)
                             for s in self.clusters}, **more)

        @property
        def lease(self):
            return f"nodes-{self.type}"

        def asked(self, site, account):
            return self.clusters[site].requests(
                self.marks[site], user=user_of(account_at(site, account)))

        def close(self):
            super().close()
            self.clusters["b"].remove(f"{LEASES}/{self.lease}")
    return Pods


def shown(daemon, one):
    """What depends on rights."""
    names = ("leader", "clusters/*/reachable", "backends/*/available",
             "backends/*/reason")
    files = [p for name in names
             for p in sorted((daemon.mnt / ".uvrfs").glob(name))]
    assert len(files) == 5
    return [one.verdict("promoting"), one.read("backend"), one.read("volumes"),
            *(get(p) for p in files)]


def fail_over(lab):
    """Planned, by words at a node's mount."""
    controller, node = lab.daemon(CONTROLLER), lab.daemon(NODE)
    until(lambda: get(controller.mnt / ".uvrfs/leader").strip(), "a leader")
    pair = lab.new_pair(f"nodes-{lab.type}")
    one = pair.make(node)
    pair.write("a", 3)
    await_equal(pair)
    until(lambda: one.verdict("promoting") == "allowed", "a copy", 20)
    other = pair.at(controller)
    until(lambda: shown(node, one) == shown(controller, other),
          "both show the same")
    assert "phase: Bound" in one.read("volumes")
    one.go("promoting", "source", "swap")
    assert pair.is_writable("b") and not pair.is_writable("a")
    assert pair.data("b") == 3
    assert [t["failover"] for t in one.status["status"]["history"]
            if t["word"] == "promoting"] == ["planned"]
    return one


def check_no_acts(lab):
    """Of the node; and its controller did all of it."""
    for site, cluster in lab.clusters.items():
        assert (lab.plural, "patch") in {
            (r["object"].get("resource"), r["verb"])
            for r in lab.asked(site, CONTROLLER)}
        done = cluster.kubectl(
            "annotate", lab.plural, "--all", "-n", "database", "by=node",
            kubeconfig=lab.kubeconfig(site, NODE), check=False)
        assert done.returncode and "orbidden" in done.stderr, done


def may_not(lab, site, rights):
    """The node, as the API server tells it itself."""
    client = lab.clusters[site].client(lab.token(site, NODE)["token"])
    for group, resource, verb in rights:
        code, answer = client.request("POST", MAY_I, {"spec": {
            "resourceAttributes": {"group": group, "resource": resource,
                                   "verb": verb, "namespace": "uvrfs"}}})
        assert code == 201 and not answer["status"]["allowed"], answer
    client.close()


@pytest.mark.limit(240)
def test_nodes_ask_and_controllers_act(store, other_cluster):
    acts = granted(BACKENDS, account=AT_PEER[CONTROLLER])
    looks = {"b": granted(BACKENDS, account=NODE),
             "a": granted(BACKENDS, account=AT_PEER[NODE])}
    labs = []
    for kind in VENDORS.values():
        lab = pods(kind)(other_cluster, store)
        labs.append(lab)
        try:
            one = fail_over(lab)
            assert call(os.rmdir, one.path) == 0, one.error
            check_no_acts(lab)
            for site, allowed in looks.items():
                may_not(lab, site, acts - allowed)
            may_not(lab, "b", {("coordination.k8s.io", "leases", verb)
                               for verb in ("create", "patch", "delete")})
            for d in lab.daemons:
                d.stop()
        finally:
            lab.close()

    def asked(site, account):
        return [r for lab in labs for r in lab.asked(site, account)
                if "kubectl" not in r["userAgent"]]

    def unused(site):
        return looks[site] - used(asked(site, NODE))
    # The audit may be written later.
    with contextlib.suppress(AssertionError):
        until(lambda: not unused("a") and not unused("b"), "all")
    for site, allowed in looks.items():
        assert allowed and {verb for *_, verb in allowed} == {"list", "watch"}
        assert not unused(site)
        for account in (CONTROLLER, NODE):
            assert not refused(asked(site, account))
