#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A real Kubernetes API server on this machine, with its etcd, on loopback.

    tests/api/kube.py start DIR     # prints the path of an admin's kubeconfig
    tests/api/kube.py stop DIR      # ends them, and removes DIR

build-apiserver has made it.  What is not obvious in here:
- No controller manager runs: nothing is collected, a namespace is never deleted
  to the end, and claims stay Pending unless make_pvc says otherwise.
- Members of system:masters are never throttled: --max-requests-inflight=1 shows
  only to others, such as `limited`.
- A server that is ready may still answer a watch by 429 for a moment.
- The kernel ends a child when the *thread* ends that started it: all are
  started by one thread, which lasts as long as the process.
"""
import concurrent.futures
import csv
import http.client
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import yaml

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [p for p in (str(HERE), str(HERE.parent / "e2e"))
                if p not in sys.path]

from pki import SERVER_NAMES, Authority, inline  # noqa: E402
from rest import Client  # noqa: E402
from shell import FACTOR, freeze, until  # noqa: E402

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or
                     os.path.expanduser("~/.cache"))
APISERVER = os.environ.get("KUBE_APISERVER") or str(
    CACHE / "uvrfs-tests/kube/kube-apiserver")

ADMIN, LIMITED = "admin-token", "limited-token"
DAEMONS = ("etcd", "apiserver")

# What tests and documents use.  The rest would take a server half of its time:
# it describes all of them anew with each definition that is added.
APIS = ("v1", "admissionregistration.k8s.io/v1", "apiextensions.k8s.io/v1",
        "apiregistration.k8s.io/v1", "apps/v1", "authentication.k8s.io/v1",
        "authorization.k8s.io/v1", "coordination.k8s.io/v1",
        "rbac.authorization.k8s.io/v1", "scheduling.k8s.io/v1",
        "storage.k8s.io/v1")
# Memory is there; what collects it takes the processors from the tests.
SELDOM = {**os.environ, "GOGC": "400"}

AUDIT = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy",
         "omitStages": ["RequestReceived"], "rules": [{"level": "Metadata"}]}

RBAC = "/apis/rbac.authorization.k8s.io/v1"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"

EXEC = """#!/bin/sh
echo run >>{base}/{name}.runs
cat <<'END'
{answer}
END
"""

# Told by the kernel, and for a parent that ended before it was asked to tell.
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--",
                "sh", "-c", 'test $PPID = "$0" && exec "$@"')

launcher = concurrent.futures.ThreadPoolExecutor(1)


def has_ended(pid):
    try:                        # our own child, or that of an earlier run
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return True
    except ChildProcessError:
        pass
    return not os.path.exists(f"/proc/{pid}")


class Cluster:
    """Takes three ports: of the API server, and two of etcd."""
    def __init__(self, base, port=16443, lingers=False):
        self.base, self.port = pathlib.Path(base), port
        self.lingers = lingers  # after the end of this process
        self.audit = self.base / "log" / "audit.json"
        self.numbers = itertools.count(1)
        self.tokens = {ADMIN: ("admin", ["system:masters"]),
                       LIMITED: ("limited", ["testers"])}
        self.configs = {}
        self.server = f"https://127.0.0.1:{port}"

    # ---- its processes ----

    def start(self):
        for sub in ("log", "pid", "home"):
            (self.base / sub).mkdir(parents=True)
        self.ca = Authority(self.base / "pki")
        self.other_ca = Authority(self.base / "other-pki", "other-ca")
        self.server_cert = self.make_server_cert()
        self.admin_cert = self.make_cert("admin", "system:masters")
        key = self.base / "pki" / "service.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True,
                       capture_output=True)
        (self.base / "audit.yaml").write_text(yaml.safe_dump(AUDIT))
        self.admin = self.client(ADMIN)
        self.request = self.admin.request
        self._start_etcd()
        self.start_api()
        self.make_namespace("default")      # which it makes itself, soon
        self.kubeconfig("admin", name="kubeconfig")
        return self

    def _start_etcd(self):
        client, peer = [f"http://127.0.0.1:{self.port + i}" for i in (1, 2)]
        self._launch(
            "etcd", "etcd", "--name=rig", f"--data-dir={self.base}/etcd",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=rig={peer}", "--log-level=warn",
            f"--quota-backend-bytes={4 << 30}")

    def start_api(self, *flags, ready=True):
        """More flags win over ours that have the same name."""
        self._write_tokens()
        key = f"{self.base}/pki/service.key"
        self._launch(
            "apiserver", APISERVER, f"--secure-port={self.port}",
            f"--etcd-servers=http://127.0.0.1:{self.port + 1}",
            "--bind-address=127.0.0.1", "--endpoint-reconciler-type=none",
            f"--tls-cert-file={self.server_cert.crt}",
            f"--tls-private-key-file={self.server_cert.key}",
            f"--client-ca-file={self.ca.crt}",
            f"--token-auth-file={self.base}/tokens.csv",
            "--runtime-config=api/all=false," +
            ",".join(f"{api}=true" for api in APIS),
            "--authorization-mode=RBAC",
            "--enable-priority-and-fairness=false",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--disable-admission-plugins=ServiceAccount,DefaultIngressClass,"
            "RuntimeClass",
            "--allow-privileged=true",
            f"--audit-policy-file={self.base}/audit.yaml",
            f"--audit-log-path={self.audit}", "--audit-log-maxsize=4000",
            *flags)
        if ready:
            self.wait_ready()

    def wait_ready(self, seconds=60):
        """Whatever its certificate, and whoever has been throttled."""
        client = Client(self.port, token=ADMIN, seconds=5)

        def check():
            assert self.pid("apiserver"), self.log("apiserver")[-2000:]
            try:
                return client.request("GET", "/readyz") == (200, "ok")
            except (OSError, http.client.HTTPException):
                return False
        until(check, "an API server that is ready", seconds)
        client.close()

    def stop_api(self, number=signal.SIGKILL):
        self._kill("apiserver", number)

    def restart_api(self, *flags, ready=True):
        """The API server alone; the flags hold until the next time."""
        self.stop_api()
        self.start_api(*flags, ready=ready)

    def freeze(self):
        freeze(self.pid("apiserver"))

    def thaw(self):
        os.kill(self.pid("apiserver"), signal.SIGCONT)

    def stop(self):
        for daemon in reversed(DAEMONS):
            self._kill(daemon)
        shutil.rmtree(self.base, ignore_errors=True)

    def _launch(self, daemon, *command):
        if not self.lingers:
            command = [*DIES_WITH_US, str(os.getpid()), *command]

        def run():
            with open(self.base / "log" / f"{daemon}.log", "ab") as log:
                return subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True, cwd=self.base, env=SELDOM).pid
        pid = launcher.submit(run).result()
        (self.base / "pid" / daemon).write_text(str(pid))

    def pid(self, daemon):
        """0 when it does not run, or this is another program by now."""
        try:
            pid = int((self.base / "pid" / daemon).read_text())
            line = pathlib.Path(f"/proc/{pid}/cmdline").read_text()
        except OSError:
            return 0
        # There is none for a moment while it becomes another program.
        ours = not line or f"{self.base}/" in line
        return pid if ours and not has_ended(pid) else 0

    def _kill(self, daemon, number=signal.SIGKILL):
        pid = self.pid(daemon)
        if not pid:
            return
        os.kill(pid, number)
        os.kill(pid, signal.SIGCONT)
        until(lambda: has_ended(pid), f"the end of {daemon}", 90)

    def log(self, daemon):
        return (self.base / "log" / f"{daemon}.log").read_text(errors="replace")

    # ---- etcd ----

    def etcd(self, call, **body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port + 1,
                                                timeout=30)
        connection.request("POST", f"/v3/kv/{call}", json.dumps(body))
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        assert answer.status == 200, text
        return json.loads(text)

    def compact(self, *flags):
        """Every resourceVersion that anybody has seen is too old from now on;
        the API server, which remembers some, is started again."""
        put = self.etcd("put", key="cmln", value="cmln")
        self.etcd("compaction", revision=put["header"]["revision"])
        self.restart_api(*flags)

    # ---- who may come in ----

    def make_cert(self, cn, org="", days=30, since=-1, ca=None):
        """Of a client; expired when days < 0, not yet valid when since > 0."""
        return (ca or self.ca).make(cn, org, days, since)

    def make_server_cert(self, days=30, names=SERVER_NAMES, ca=None):
        """Assign it to server_cert and restart_api(), or give it to a proxy."""
        return (ca or self.ca).make("kube-apiserver", "", days, server=names)

    def add_token(self, token, user, *groups):
        """Known from the next restart_api() on; so for revoke_token."""
        self.tokens[token] = (user, list(groups))

    def revoke_token(self, token):
        del self.tokens[token]

    def _write_tokens(self):
        with open(self.base / "tokens.csv", "w", encoding="utf-8") as f:
            out = csv.writer(f)
            for i, (token, (user, groups)) in enumerate(self.tokens.items()):
                out.writerow([token, user, i, ",".join(groups)])

    def exec_user(self, token, **more):
        """A program that says the token, for a kubeconfig; it adds a line to
        its .runs each time."""
        name = f"exec-{next(self.numbers)}"
        version = "client.authentication.k8s.io/v1beta1"
        path = self.base / name
        answer = json.dumps({"apiVersion": version, "kind": "ExecCredential",
                             "status": {"token": token, **more}})
        path.write_text(EXEC.format(base=self.base, name=name, answer=answer))
        path.chmod(0o755)
        return {"exec": {"apiVersion": version, "command": str(path),
                         "interactiveMode": "Never"}}

    def credentials(self, user):
        return {"admin": self.admin_cert.files, "inline": self.admin_cert.data,
                "token": lambda: {"token": ADMIN},
                "limited": lambda: {"token": LIMITED}}[user]()

    def kubeconfig(self, user="admin", name=None, **overrides):
        """The path of a new one.  user: admin, inline, token, limited, or what
        to write there.  Overrides: server, ca (a path, None for none at all, or
        "inline"), proxy_url, insecure, tls_server_name, namespace."""
        cluster = {"server": overrides.get("server", self.server)}
        ca = overrides.get("ca", self.ca.crt)
        if ca == "inline":
            cluster["certificate-authority-data"] = inline(self.ca.crt)
        elif ca:
            cluster["certificate-authority"] = str(ca)
        for ours, theirs in (("proxy_url", "proxy-url"),
                             ("tls_server_name", "tls-server-name"),
                             ("insecure", "insecure-skip-tls-verify")):
            if ours in overrides:
                cluster[theirs] = overrides[ours]
        here = {"cluster": "rig", "user": "one"}
        if "namespace" in overrides:
            here["namespace"] = overrides["namespace"]
        if isinstance(user, str):
            user = self.credentials(user)
        path = self.base / (name or f"kubeconfig-{next(self.numbers)}")
        path.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "rig",
            "clusters": [{"name": "rig", "cluster": cluster}],
            "contexts": [{"name": "rig", "context": here}],
            "users": [{"name": "one", "user": user}]}, sort_keys=False))
        path.chmod(0o600)
        return path

    # ---- its users ----

    def client(self, token=None, cert=None, port=None, **more):
        return Client(port or self.port, self.ca.crt, token, cert, **more)

    def kubectl(self, *args, input=None, user="admin", check=True, timeout=30,
                kubeconfig=None):
        if not kubeconfig and user not in self.configs:
            self.configs[user] = self.kubeconfig(user)
        done = subprocess.run(
            ["kubectl", *[str(a) for a in args]], text=True, input=input or "",
            capture_output=True, timeout=timeout * FACTOR, cwd=self.base,
            env={**os.environ, "HOME": str(self.base / "home"),
                 "KUBECONFIG": str(kubeconfig or self.configs[user])})
        assert not check or done.returncode == 0, done
        return done

    def mark(self):
        """Where the audit ends now, for requests(since=...)."""
        return self.audit.stat().st_size

    def requests(self, since=0, user=None, agent=None):
        """What was asked since the mark, each once; agent: a part of it.  A
        watch counts when it begins, else what has been answered."""
        with open(self.audit, "rb") as f:
            f.seek(max(since - 1, 0))
            text = f.read()
        lines = text[:text.rfind(b"\n") + 1].splitlines()
        # The server may have been in the middle of a line at the mark: that
        # request had been answered.
        found = []
        for line in lines[1:] if since else lines:
            event = json.loads(line)
            if event["verb"] == "watch" and \
                    event["stage"] != "ResponseStarted" or \
                    event["verb"] != "watch" and \
                    event["stage"] == "ResponseStarted":
                continue
            one = {"verb": event["verb"], "requestURI": event["requestURI"],
                   "user": event["user"].get("username", ""),
                   "userAgent": event.get("userAgent", ""),
                   "code": event.get("responseStatus", {}).get("code"),
                   "object": event.get("objectRef", {}),
                   "time": event["requestReceivedTimestamp"]}
            if user in (None, one["user"]) and \
                    (agent or "") in one["userAgent"]:
                found.append(one)
        return found

    # ---- objects ----

    def create(self, path, body, may_exist=False):
        status, answer = self.request("POST", path, body)
        assert status in (200, 201) or may_exist and status == 409, answer
        return answer

    def remove(self, path):
        """Whatever finalizers it has; it need not be there."""
        self.request("PATCH", path, {"metadata": {"finalizers": None}})
        status, answer = self.request("DELETE", path)
        assert status in (200, 202, 404), answer

    def make_namespace(self, name):
        self.create("/api/v1/namespaces", {"metadata": {"name": name}}, True)

    def make_pvc(self, namespace, name, phase="Bound", pv=None, node=None,
                 **spec):
        """A claim, its volume unless pv is None, and what attaches that to the
        node; each with the status that controllers would have given it."""
        self.make_namespace(namespace)
        size = {"storage": spec.pop("size", "1Gi")}
        spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "lab",
                **spec}
        if pv:
            self._make_pv(pv, phase, dict(
                spec, capacity=size,
                claimRef={"namespace": namespace, "name": name},
                csi={"driver": "lab.csi.example", "volumeHandle": pv}))
            spec["volumeName"] = pv
        if pv and node:
            self.attach(pv, node)
        path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
        self.create(path, {"metadata": {"name": name}, "spec": dict(
            spec, resources={"requests": size})})
        bound = {"capacity": size, "accessModes": spec["accessModes"]}
        return self.set_status(f"{path}/{name}", {
            "phase": phase, **(bound if phase == "Bound" else {})})

    def _make_pv(self, name, phase, spec):
        self.create("/api/v1/persistentvolumes",
                    {"metadata": {"name": name}, "spec": spec})
        self.set_status(f"/api/v1/persistentvolumes/{name}", {
            "phase": "Bound" if phase == "Bound" else "Available"})

    def attach(self, pv, node):
        self.create(ATTACHMENTS, {
            "metadata": {"name": f"{pv}-{node}"},
            "spec": {"attacher": "lab.csi.example", "nodeName": node,
                     "source": {"persistentVolumeName": pv}}})
        self.set_status(f"{ATTACHMENTS}/{pv}-{node}", {"attached": True})

    def set_status(self, path, status):
        """By the subresource; a merge patch."""
        code, answer = self.request("PATCH", f"{path}/status",
                                    {"status": status})
        assert code == 200, answer
        return answer

    # ---- RBAC ----

    def grant(self, user, rules, namespace=None):
        """In place of what it was before; in force when this returns."""
        where = f"{RBAC}/namespaces/{namespace}" if namespace else RBAC
        kind = "Role" if namespace else "ClusterRole"
        self.revoke(user, namespace)
        meta = {"metadata": {"name": f"rig-{user}"}}
        self.create(f"{where}/{kind.lower()}s", {**meta, "rules": rules})
        self.create(f"{where}/{kind.lower()}bindings", {
            **meta, "roleRef": {"apiGroup": "rbac.authorization.k8s.io",
                                "kind": kind, "name": f"rig-{user}"},
            "subjects": [{"kind": "User", "name": user,
                          "apiGroup": "rbac.authorization.k8s.io"}]})
        for rule in rules:
            until(lambda rule=rule: self.may(user, rule, namespace),
                  f"{user} may {rule}")

    def revoke(self, user, namespace=None):
        where = f"{RBAC}/namespaces/{namespace}" if namespace else RBAC
        kind = "role" if namespace else "clusterrole"
        status, role = self.request("GET", f"{where}/{kind}s/rig-{user}")
        if status == 404:
            return
        self.remove(f"{where}/{kind}bindings/rig-{user}")
        self.remove(f"{where}/{kind}s/rig-{user}")
        for rule in role["rules"] or ():
            until(lambda rule=rule: not self.may(user, rule, namespace),
                  f"{user} may no longer {rule}")

    def may(self, user, rule, namespace=None):
        """Whether a user may do what is first in a rule."""
        first = {k: v[0] for k, v in rule.items() if v}
        if "nonResourceURLs" in first:
            what = {"nonResourceAttributes": {
                "verb": first["verbs"], "path": first["nonResourceURLs"]}}
        else:
            resource, _, sub = first["resources"].partition("/")
            what = {"resourceAttributes": {
                "verb": first["verbs"], "group": first.get("apiGroups", ""),
                "resource": resource, "subresource": sub,
                "name": first.get("resourceNames", ""),
                "namespace": namespace or ""}}
        return self.create(REVIEWS, {"spec": {"user": user, **what}})[
            "status"]["allowed"]


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("start", "stop"):
        sys.exit("usage: tests/api/kube.py start|stop DIR")
    one = Cluster(os.path.abspath(sys.argv[2]), lingers=True)
    getattr(one, sys.argv[1])()
    if sys.argv[1] == "start":
        print(one.base / "kubeconfig")


if __name__ == "__main__":
    main()
