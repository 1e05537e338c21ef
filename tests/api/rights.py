# SPDX-License-Identifier: Apache-2.0
"""What the examples allow, and what of it was ever asked for."""
import yaml

from uvr import ROOT

STORE = ROOT / "docs/examples/uvrfs-rbac.yaml"
BACKENDS = ROOT / "docs/examples/uvrfs-rbac-backends.yaml"
PODS = ROOT / "docs/examples/kubernetes/uvrfs.yaml"

# The ServiceAccounts of the pods, and whose rights these have at the peer.
CONTROLLER, NODE = "uvrfs", "uvrfs-node"
AT_PEER = {CONTROLLER: "uvrfs-backends", NODE: "uvrfs-backends-view"}


def allow(cluster, *users):
    """These what the example gives to the backends, and no more."""
    cluster.kubectl("apply", "-f", str(BACKENDS))
    for user in users:
        cluster.kubectl("delete", "clusterrolebinding", f"test-{user}",
                        "--ignore-not-found")
        cluster.kubectl("create", "clusterrolebinding", f"test-{user}",
                        "--clusterrole=uvrfs-backends", f"--user={user}")


def objects(*paths):
    return [o for path in paths
            for o in yaml.safe_load_all(path.read_text()) if o]


def bind(cluster):
    """The accounts, their roles, and who has which."""
    cluster.kubectl("apply", "-f", STORE, "-f", BACKENDS)


def user_of(account):
    """As the audit has it."""
    return f"system:serviceaccount:uvrfs:{account}"


def token_of(cluster, account):
    """For Cluster.kubeconfig."""
    return {"token": cluster.kubectl("create", "token", account, "-n",
                                     "uvrfs").stdout.strip()}


def granted(*paths, account=None):
    """(API group, resource or resource/subresource, verb) of all roles there,
    or of those that a ServiceAccount has."""
    found = objects(*paths)
    roles = {(o["roleRef"]["kind"], o["roleRef"]["name"]) for o in found
             if account in [s["name"] for s in o.get("subjects", ())]}
    return {(group, resource, verb) for o in found
            if not account or (o["kind"], o["metadata"]["name"]) in roles
            for rule in o.get("rules") or ()
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]}


def used(requests):
    """The same of an audit's."""
    found = set()
    for r in requests:
        o = r["object"] or {}
        name = "/".join(filter(None, (o.get("resource"),
                                      o.get("subresource"))))
        found.add((o.get("apiGroup", ""), name, r["verb"]))
    return found


def refused(requests):
    return [r for r in requests if r["code"] in (401, 403)]
