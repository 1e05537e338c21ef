#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two small Ceph clusters on this machine whose RBD pools mirror each other.

One monitor, one or two OSDs and one rbd-mirror each, without a manager, on
loopback:

    tests/ceph/rig.py start DIR     # then: rbd -c DIR/site-a/ceph.conf ...
    tests/ceph/rig.py stop DIR      # ends them, and removes DIR

What is not obvious in here:
- ceph-osd --mkfs without --no-mon-config waits for a monitor for ever.
- rbd-mirror looks for its configuration by the cluster's name, whatever -c says;
  CEPH_CONF makes it see ours.
- Without a manager `rbd mirror pool status` hangs; `pool info` does not.
- An OSD that was stopped for long holds its requests back until it is told that
  it was down.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import uuid

SITES = ("site-a", "site-b")
POOL = "rbd"
DAEMONS = ("mon", "osd.0", "osd.1", "mirror")

CONF = """[global]
fsid = {fsid}
mon_initial_members = a
mon_host = [v2:127.0.0.1:{port}/0]
ms_bind_msgr1 = false
ms_bind_port_min = {first}
ms_bind_port_max = {last}
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
keyring = {dir}/keyring
run_dir = {dir}/run
admin_socket = {dir}/run/$name.$pid.asok
pid_file =
log_file = {dir}/log/$name.log
log_to_stderr = false
crash_dir = {dir}/run
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
paxos_propose_interval = 0.1
mon_cluster_log_to_file = false
ms_async_op_threads = 2
rbd_default_features = 61
[mon]
mon_data = {dir}/mon
mon_data_avail_warn = 1
mon_data_avail_crit = 0
mon_rocksdb_options = write_buffer_size=4194304,compression=kNoCompression
[osd]
osd_data = {dir}/osd.$id
osd_objectstore = bluestore
osd_memory_target = 939524096
osd_op_num_shards = 2
osd_op_num_threads_per_shard = 1
bluestore_block_size = 5368709120
bluestore_block_db_create = false
bluestore_block_wal_create = false
bluestore_fsck_on_mount = false
[client]
rbd_cache = false
rbd_mirror_image_state_check_interval = 3
rbd_mirror_leader_heartbeat_interval = 1
osd_client_watch_timeout = 15
rbd_mirror_pool_replayers_refresh_interval = 5
"""

KEYS = (
    ("mon.", ("mon", "allow *")),
    ("client.admin", ("mon", "allow *", "osd", "allow *", "mgr", "allow *")),
    ("osd.0", ("mon", "allow profile osd", "osd", "allow *")),
    ("osd.1", ("mon", "allow profile osd", "osd", "allow *")),
    ("client.rbd-mirror.{site}", ("mon", "profile rbd-mirror",
                                  "osd", "profile rbd")),
    ("client.uvrfs", ("mon", "profile rbd", "osd", "profile rbd")),
    # May ask the monitor, and nothing else; may not ask it.
    ("client.stranger", ("mon", "allow r")),
    ("client.mute", ("mon", "profile typo", "osd", "profile rbd")),
)


def run(*command, seconds=60, **options):
    return subprocess.run([str(c) for c in command], check=True, text=True,
                          capture_output=True, timeout=seconds, **options)


def wait_for(what, check, seconds=60):
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.1)         # what is waited for is another program


class Site:
    def __init__(self, base, name, port, osds):
        self.dir, self.name, self.port = base / name, name, port
        self.osds = osds
        self.conf = self.dir / "ceph.conf"
        self.keyring = self.dir / "keyring"

    def ceph(self, *arguments):
        return run("ceph", "-c", self.conf, "--connect-timeout", 20,
                   *arguments).stdout

    def rbd(self, *arguments):
        return run("rbd", "-c", self.conf, *arguments).stdout

    def build(self):
        for sub in ("mon", "log", "run", "pid"):
            (self.dir / sub).mkdir(parents=True)
        fsid = str(uuid.uuid4())
        self.conf.write_text(CONF.format(
            fsid=fsid, dir=self.dir, port=self.port, first=self.port + 10,
            last=self.port + 99))
        self._make_keys()
        run("monmaptool", "--create", "--fsid", fsid, "--addv", "a",
            f"[v2:127.0.0.1:{self.port}/0]", self.dir / "monmap")
        # All keys of this keyring are made known to the monitor.
        run("ceph-mon", "-c", self.conf, "--mkfs", "-i", "a", "--monmap",
            self.dir / "monmap", "--keyring", self.keyring)
        for number in range(self.osds):
            self._build_osd(number)

    def _build_osd(self, number):
        data = self.dir / f"osd.{number}"
        data.mkdir()
        run("ceph-osd", "-c", self.conf, "--mkfs", "-i", number,
            "--no-mon-config", "--osd-uuid", uuid.uuid4())

    def _make_keys(self):
        for i, (who, caps) in enumerate(KEYS):
            pairs = zip(caps[::2], caps[1::2])
            run("ceph-authtool", self.keyring,
                *([] if i else ["--create-keyring"]), "--gen-key", "-n",
                who.format(site=self.name),
                *[x for pair in pairs for x in ("--cap", *pair)])
        self.keyring.chmod(0o600)

    def start(self, first=False):
        self._launch("mon", "ceph-mon", "-f", "-c", self.conf, "-i", "a")
        for number in range(self.osds):
            self._start_osd(number)
        if first:
            self.ceph("osd", "pool", "create", POOL, 8)
            self.rbd("pool", "init", POOL)
            self.rbd("mirror", "pool", "enable", "--site-name", self.name,
                     POOL, "image")
        else:
            self.start_mirror()

    def _start_osd(self, number):
        fsid = (self.dir / f"osd.{number}" / "fsid").read_text().strip()
        self.ceph("osd", "new", fsid, number)
        # As the map of before may say that it is up.
        self.ceph("osd", "down", number)
        self._launch(f"osd.{number}", "ceph-osd", "-f", "-c", self.conf, "-i",
                     number)
        wait_for(f"OSD {number} of {self.name}",
                 lambda: f"{number + 1} up" in self.ceph("osd", "stat"))

    def start_mirror(self):
        self._launch("mirror", "rbd-mirror", "-f", "-c", self.conf, "--id",
                     f"rbd-mirror.{self.name}", CEPH_CONF=str(self.conf))

    def _launch(self, daemon, *command, **env):
        with open(self.dir / "log" / f"{daemon}.out", "ab") as out:
            process = subprocess.Popen(
                [str(c) for c in command], stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, start_new_session=True,
                env={**os.environ, **env})
        (self.dir / "pid" / daemon).write_text(str(process.pid))

    def pids(self, daemons=DAEMONS):
        """Of the daemons that were started and are still these."""
        found = []
        for daemon in daemons:
            path = self.dir / "pid" / daemon
            if not path.exists():
                continue
            pid = path.read_text()
            try:
                line = pathlib.Path(f"/proc/{pid}/cmdline").read_text()
            except OSError:
                continue
            if str(self.conf) in line:
                found.append(int(pid))
        return found

    def send(self, number, daemons=DAEMONS):
        pids = self.pids(daemons)
        for pid in pids:
            os.kill(pid, number)
        return pids

    def kill(self, *daemons):
        """Those, or all."""
        for pid in self.send(signal.SIGKILL, daemons or DAEMONS):
            wait_for(f"the end of {pid}", lambda pid=pid: has_ended(pid), 30)

    def freeze(self):
        self.send(signal.SIGSTOP)

    def thaw(self):
        self.send(signal.SIGCONT)
        self.ceph("osd", "down", 0)
        wait_for("the OSD", lambda: "1 up" in self.ceph("osd", "stat"))


def has_ended(pid):
    try:                        # our own child, or that of an earlier run
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return True
    except ChildProcessError:
        pass
    return not os.path.exists(f"/proc/{pid}")


class Rig:
    def __init__(self, base, port=30300, osds=1):
        self.base = pathlib.Path(base)
        self.sites = {name: Site(self.base, name, port + 100 * i, osds)
                      for i, name in enumerate(SITES)}

    def __getitem__(self, name):
        return self.sites[name]

    def start(self):
        a, b = self.sites.values()
        for site in (a, b):
            site.build()
            site.start(first=True)
        self.peer(POOL)
        for site in (a, b):
            site.start_mirror()
        for site in (a, b):
            wait_for(f"{site.name} has met its peer", lambda site=site:
                     '"mirror_uuid":""' not in site.rbd(
                         "mirror", "pool", "info", POOL, "--format", "json"))
        return self

    def peer(self, pool):
        a, b = self.sites.values()
        token = self.base / "token"
        token.write_text(a.rbd("mirror", "pool", "peer", "bootstrap",
                               "create", "--site-name", a.name, pool))
        b.rbd("mirror", "pool", "peer", "bootstrap", "import", "--site-name",
              b.name, "--direction", "rx-tx", pool, token)

    def stop(self):
        for site in self.sites.values():
            site.send(signal.SIGCONT)
            site.kill()
        shutil.rmtree(self.base, ignore_errors=True)


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("start", "stop"):
        sys.exit("usage: tests/ceph/rig.py start|stop DIR")
    getattr(Rig(os.path.abspath(sys.argv[2])), sys.argv[1])()


if __name__ == "__main__":
    main()
