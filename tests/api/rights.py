# SPDX-License-Identifier: Apache-2.0
"""What a role allows, and what of it was ever asked for."""
import yaml

from uvr import ROOT

BACKENDS = ROOT / "docs/examples/uvrfs-rbac-backends.yaml"


def allow(cluster, *users):
    """These what the example gives to the backends, and no more."""
    cluster.kubectl("apply", "-f", str(BACKENDS))
    for user in users:
        cluster.kubectl("delete", "clusterrolebinding", f"test-{user}",
                        "--ignore-not-found")
        cluster.kubectl("create", "clusterrolebinding", f"test-{user}",
                        "--clusterrole=uvrfs-backends", f"--user={user}")


def granted(path):
    """(API group, resource or resource/subresource, verb) of all roles there."""
    return {(group, resource, verb)
            for o in yaml.safe_load_all(path.read_text()) if o
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
